//! Whether a client's requests are our own answers that come back: [`Watch`].

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use super::expiring::Expiring;
use crate::types::Instant;

/// A payload that comes this often and for this long may be in a loop; a thousand equal requests at the usual rate are over by then.
const TIMES: u32 = 4;
const LASTING: Duration = Duration::from_secs(2);
/// A payload that did not come back for this long is in no loop: longer than any way there and back.
const GONE: Duration = Duration::from_secs(4);
/// How often a client is asked, first after a second and then after twice the time: a question or its answer may be lost.
const QUESTIONS: u32 = 3;
const AGAIN: Duration = Duration::from_secs(1);

/// Most clients that are watched.
const WATCHED: usize = 4096;

/// Octets of a question.
pub(super) const QUESTION_OCTETS: usize = 8;

/// The clients of echo services, whether they are known or there was no room for them: a loop of one that is not known must end, too.
///
/// When there are too many, the one that was silent longest is no longer watched. In a loop a client is heard about every
/// second or more often, so that thousands of others a second would be needed to hide one.
#[derive(Debug)]
pub(super) struct Watch<K> {
    seed: u64,
    clients: Expiring<K, Watched>,
    /// How many have been watched so far.
    count: u64,
}

#[derive(Debug)]
struct Watched {
    number: u64,
    recurrence: Recurrence,
}

impl<K: Ord + Clone> Watch<K> {
    /// Watches nobody yet, and each client until it was silent for `idle`, at least long enough to find loops. `seed` makes questions
    /// impossible to guess.
    pub(super) fn new(seed: u64, idle: Duration) -> Self {
        Watch { seed, clients: Expiring::new(idle.max(GONE)), count: 0 }
    }

    /// Takes note of a client's request; returns what to ask the client now, if anything.
    pub(super) fn came(&mut self, key: &K, octets: &[u8], now: Instant) -> Option<[u8; QUESTION_OCTETS]> {
        while self.clients.pop_expired(now).is_some() {}
        if self.clients.get_mut(key).is_none() {
            if self.clients.len() >= WATCHED {
                self.clients.pop_idle_longest();
            }
            self.count += 1;
            let client = Watched { number: self.count, recurrence: Recurrence::default() };
            self.clients.insert(key.clone(), client, now);
        }
        let client = self.clients.touch(key, now)?;
        client.recurrence.came(octets, now).then(|| question(self.seed, client.number))
    }

    /// Takes note of what a client sent to where questions come from.
    pub(super) fn answered(&mut self, key: &K, octets: &[u8]) {
        if let Some(client) = self.clients.get_mut(key)
            && octets == question(self.seed, client.number)
        {
            client.recurrence.answered();
        }
    }

    /// Whether a client that has sent something answers what it did not ask for.
    pub(super) fn is_responder(&mut self, key: &K, now: Instant) -> bool {
        while self.clients.pop_expired(now).is_some() {}
        let responder = self.clients.get_mut(key).is_some_and(|client| client.recurrence.is_responder());
        if responder {
            // Until it is silent.
            self.clients.touch(key, now);
        }
        responder
    }
}

/// A client's payloads, one of which is watched at a time.
///
/// In a loop every payload comes back, and so does the one that is watched, however many are on their way. To send the same
/// payload again is also what many clients do. The two cannot be distinguished by what they send, so such a client is sent a
/// payload of our choice from a port that it has never heard of: only a responder answers that.
#[derive(Debug, Default)]
struct Recurrence {
    /// The digest of the watched payload.
    watched: u64,
    since: Instant,
    last: Instant,
    times: u32,
    asked: u32,
    ask_next: Instant,
    answers: bool,
}

impl Recurrence {
    /// Takes note of a request; returns whether to ask the client now.
    fn came(&mut self, octets: &[u8], now: Instant) -> bool {
        let mut digest = DefaultHasher::new();
        octets.hash(&mut digest);
        let digest = digest.finish();
        if self.watched != digest || self.times == 0 {
            if self.times == 0 || now.since(self.last) > GONE {
                (self.watched, self.since, self.last, self.times) = (digest, now, now, 1);
            }
            return false;
        }
        self.last = now;
        self.times = self.times.saturating_add(1);
        let due = self.times >= TIMES && now.since(self.since) >= LASTING && now >= self.ask_next;
        if !due || self.asked >= QUESTIONS {
            return false;
        }
        self.ask_next = now + AGAIN * (1 << self.asked);
        self.asked += 1;
        true
    }

    /// The client has answered a question.
    fn answered(&mut self) {
        self.answers = self.asked > 0;
    }

    /// Whether the client answers what it did not ask for.
    const fn is_responder(&self) -> bool {
        self.answers
    }
}

/// The question to a client, which no other host can guess.
fn question(seed: u64, number: u64) -> [u8; QUESTION_OCTETS] {
    let mut digest = DefaultHasher::new();
    (seed, number).hash(&mut digest);
    digest.finish().to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_nanos(1_000_000_000_000 + millis * 1_000_000)
    }

    /// The times of questions, in milliseconds, about payloads that come every `interval`.
    fn questions(payload: impl Fn(u64) -> u64, interval: u64, until: u64) -> Vec<u64> {
        let mut recurrence = Recurrence::default();
        let due = |number: &u64| recurrence.came(&payload(*number).to_be_bytes(), at(number * interval));
        (0..until / interval).filter(due).map(|number| number * interval).collect()
    }

    #[test]
    fn a_payload_that_keeps_coming_causes_three_questions_and_no_more() {
        assert_eq!(questions(|_| 7, 10, 60_000), [2000, 3000, 5000]);
        assert_eq!(questions(|_| 7, 1000, 60_000), [3000, 4000, 6000]);
    }

    #[test]
    fn payloads_that_take_turns_are_found_out_too() {
        assert_eq!(questions(|number| number % 18, 10, 10_000).len(), 3);
        assert_eq!(questions(|number| number % 3000, 1, 20_000).len(), 3);
    }

    #[test]
    fn payloads_that_do_not_come_back_cause_no_question() {
        assert_eq!(questions(|number| number, 1, 60_000), [] as [u64; 0]);
        assert_eq!(questions(|_| 7, 1, 1000), [] as [u64; 0], "a thousand in a second");
    }

    #[test]
    fn only_who_was_asked_can_answer() {
        let mut recurrence = Recurrence::default();
        recurrence.answered();
        assert!(!recurrence.is_responder());
        assert_ne!(question(1, 2), question(1, 3));
        assert_ne!(question(1, 2), question(2, 2));
    }

    /// Asks a client that sends the same every `interval` milliseconds, from the beginning until it is asked.
    fn ask(watch: &mut Watch<u32>, client: u32, interval: u64) -> [u8; QUESTION_OCTETS] {
        let mut requests = (0..100).map(|number| at(number * interval));
        requests.find_map(|now| watch.came(&client, b"again", now)).expect("it is asked")
    }

    #[test]
    fn a_client_that_answers_is_a_responder_until_it_was_silent() {
        for (idle, silence) in [(0, 4000), (10_000, 10_000)] {
            let mut watch = Watch::new(1, Duration::from_millis(idle));
            let question = ask(&mut watch, 7, 1000);
            watch.answered(&8, &question);
            watch.answered(&7, b"anything");
            assert!(!watch.is_responder(&7, at(3000)));
            watch.answered(&7, &question);
            for now in [3000, 6000, 9000, 9000 + silence - 1] {
                assert!(watch.is_responder(&7, at(now)), "{idle} {now}");
            }
            assert!(!watch.is_responder(&7, at(9000 + 2 * silence)));
        }
    }

    #[test]
    fn many_other_clients_hide_none_that_is_heard_often() {
        let mut watch = Watch::new(1, Duration::from_secs(60));
        let mut asked = 0;
        for second in 0..10_u32 {
            for other in 0..2000 {
                watch.came(&(1000 + second * 2000 + other), b"other", at(u64::from(second) * 1000));
            }
            asked += u32::from(watch.came(&1, b"again", at(u64::from(second) * 1000 + 999)).is_some());
        }
        assert_eq!((asked, watch.clients.len()), (QUESTIONS, WATCHED));
    }
}
