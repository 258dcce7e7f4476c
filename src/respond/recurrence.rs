//! Whether a client's requests are our own answers that come back: [`Recurrence`].

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use crate::types::Instant;

/// A payload that comes this often and for this long may be in a loop; a thousand equal requests at the usual rate are over by then.
const TIMES: u32 = 4;
const LASTING: Duration = Duration::from_secs(2);
/// A payload that did not come back for this long is in no loop: longer than any way there and back.
const GONE: Duration = Duration::from_secs(4);
/// How often a client is asked, first after a second and then after twice the time: a question or its answer may be lost.
const QUESTIONS: u32 = 3;
const AGAIN: Duration = Duration::from_secs(1);

/// Octets of a question.
pub(super) const QUESTION_OCTETS: usize = 8;

/// A client's payloads, one of which is watched at a time.
///
/// In a loop every payload comes back, and so does the one that is watched, however many are on their way. To send the same
/// payload again is also what many clients do. The two cannot be distinguished by what they send, so such a client is sent a
/// payload of our choice from a port that it has never heard of: only a responder answers that.
#[derive(Debug, Default)]
pub(super) struct Recurrence {
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
    pub(super) fn came(&mut self, octets: &[u8], now: Instant) -> bool {
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
    pub(super) fn answered(&mut self) {
        self.answers = self.asked > 0;
    }

    /// Whether the client answers what it did not ask for.
    pub(super) const fn is_responder(&self) -> bool {
        self.answers
    }
}

/// The question to the client of a session, which no other host can guess.
pub(super) fn question(seed: u64, session: u64) -> [u8; QUESTION_OCTETS] {
    let mut digest = DefaultHasher::new();
    (seed, session).hash(&mut digest);
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
}
