//! When a target stops answering and when it is back: [`Presence`], which takes the results of its probes.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::types::{ProbeId, WallTime};

/// This many lost probes are remembered by number; more are only counted.
const REMEMBERED: usize = 1024;

/// A change of a target's presence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PresenceChange {
    /// The first answer of all.
    Up,
    /// As many probes in a row as make an outage were not answered.
    Outage {
        /// When the first of them was sent.
        since: WallTime,
        /// How many they are.
        lost: u64,
    },
    /// The first answer after an outage.
    Back {
        /// From the first probe without an answer until the way was free: a probe may have waited for that in a queue, so this
        /// is when its answer came, less the least that an answer took.
        after: Duration,
        /// Probes without an answer, those among them that are still waited for.
        lost: u64,
    },
}

impl PresenceChange {
    /// The name used in JSON and CSV.
    pub const fn name(self) -> &'static str {
        match self {
            PresenceChange::Up => "up",
            PresenceChange::Outage { .. } => "outage",
            PresenceChange::Back { .. } => "back",
        }
    }
}

/// Whether a target is there. Probes are taken as they are decided, in any order: only an answer to a probe that was sent later than
/// a lost one ends a run of losses.
#[derive(Clone, Debug)]
pub struct Presence {
    outage_after: u64,
    state: Option<State>,
    /// The first lost probe after the newest that was answered.
    first_lost: Option<(ProbeId, WallTime)>,
    /// All of them, the newest by number.
    recent: BTreeMap<ProbeId, WallTime>,
    lost: u64,
    newest_answered: Option<ProbeId>,
    answered: u64,
    /// The least that an answer took, in nanoseconds.
    fastest: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Up,
    Down,
}

impl Presence {
    /// Nothing is known yet; this many losses in a row are an outage.
    pub fn new(outage_after: u64) -> Self {
        Presence {
            outage_after,
            state: None,
            first_lost: None,
            recent: BTreeMap::new(),
            lost: 0,
            newest_answered: None,
            answered: 0,
            fastest: u64::MAX,
        }
    }

    /// Answers in a row.
    pub fn answered_in_a_row(&self) -> u64 {
        self.answered
    }

    /// Losses in a row.
    pub fn lost_in_a_row(&self) -> u64 {
        self.lost
    }

    /// A probe sent at `sent` was not answered, or not sent although its time had come.
    pub fn lose(&mut self, id: ProbeId, sent: WallTime) -> Option<PresenceChange> {
        if self.newest_answered > Some(id) || self.recent.insert(id, sent).is_some() {
            return None;
        }
        self.answered = 0;
        self.lost += 1;
        let first = self.first_lost.filter(|&(known, _)| known < id).unwrap_or((id, sent));
        self.first_lost = Some(first);
        if self.recent.len() > REMEMBERED {
            self.recent.pop_first();
        }
        if self.state == Some(State::Down) || self.lost < self.outage_after {
            return None;
        }
        self.state = Some(State::Down);
        Some(PresenceChange::Outage { since: first.1, lost: self.lost })
    }

    /// A probe sent at `sent` was answered at `at`.
    pub fn answer(&mut self, id: ProbeId, sent: WallTime, at: WallTime) -> Option<PresenceChange> {
        self.answered += 1;
        let took = at.as_nanos().saturating_sub(sent.as_nanos());
        self.fastest = self.fastest.min(took);
        let passed = sent.as_nanos().saturating_add(took - self.fastest);
        self.newest_answered = self.newest_answered.max(Some(id));
        let Some((first, since)) = self.first_lost.filter(|&(first, _)| first < id) else {
            // An answer of before the outage says nothing about it.
            return (self.state.is_none() && self.lost == 0).then(|| self.come(PresenceChange::Up));
        };
        // Probes sent after this one may be lost already.
        self.recent = self.recent.split_off(&id);
        self.recent.remove(&id);
        self.lost = self.recent.len() as u64;
        self.first_lost = self.recent.first_key_value().map(|(&id, &sent)| (id, sent));
        let after = Duration::from_nanos(passed.saturating_sub(since.as_nanos()));
        match self.state {
            Some(State::Down) => Some(self.come(PresenceChange::Back { after, lost: id.get() - first.get() })),
            Some(State::Up) => None,
            None => Some(self.come(PresenceChange::Up)),
        }
    }

    fn come(&mut self, turn: PresenceChange) -> PresenceChange {
        self.state = Some(State::Up);
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn at(id: u64) -> (ProbeId, WallTime) {
        (ProbeId::new(id), WallTime::from_nanos(id * SECOND))
    }

    /// The turns that results cause: a positive number is an answer to that probe, a negative one its loss.
    fn turns(results: &[i64]) -> Vec<(i64, PresenceChange)> {
        let mut presence = Presence::new(3);
        let take = |&result: &i64| {
            let (id, sent) = at(result.unsigned_abs());
            let turn = if result > 0 { presence.answer(id, sent, sent) } else { presence.lose(id, sent) };
            Some((result, turn?))
        };
        results.iter().filter_map(take).collect()
    }

    fn outage(since: u64, lost: u64) -> PresenceChange {
        PresenceChange::Outage { since: at(since).1, lost }
    }

    fn back(seconds: u64, lost: u64) -> PresenceChange {
        PresenceChange::Back { after: Duration::from_secs(seconds), lost }
    }

    #[test]
    fn an_outage_begins_with_the_third_loss_and_ends_with_the_first_answer() {
        let results = [1, -2, -3, 4, -5, -6, -7, -8, 9, 10];
        assert_eq!(turns(&results), [(1, PresenceChange::Up), (-7, outage(5, 3)), (9, back(4, 4))]);
    }

    #[test]
    fn an_answer_ends_an_outage_while_older_probes_are_still_waited_for() {
        assert_eq!(
            turns(&[1, -2, -3, -4, 9, -5, -6, -7, -8]),
            [(1, PresenceChange::Up), (-4, outage(2, 3)), (9, back(7, 7))]
        );
    }

    #[test]
    fn a_probe_that_waited_for_the_end_of_an_outage_does_not_shorten_it() {
        let mut presence = Presence::new(3);
        let answer =
            |presence: &mut Presence, id: u64, seconds: u64| presence.answer(at(id).0, at(id).1, at(id + seconds).1);
        assert_eq!(answer(&mut presence, 1, 2), Some(PresenceChange::Up));
        for id in 2..=6 {
            let _ = presence.lose(at(id).0, at(id).1);
        }
        assert_eq!(answer(&mut presence, 7, 5), Some(back(5 + 5 - 2, 5)));
    }

    #[test]
    fn a_late_reader_of_an_earlier_answer_sees_no_end_of_the_outage() {
        assert_eq!(turns(&[1, -3, -4, -5, 2]), [(1, PresenceChange::Up), (-5, outage(3, 3))]);
    }

    #[test]
    fn an_answer_in_between_leaves_the_losses_after_it() {
        assert_eq!(turns(&[1, -2, -4, 3, -5, -6]), [(1, PresenceChange::Up), (-6, outage(4, 3))]);
    }

    #[test]
    fn a_target_may_be_down_from_the_start() {
        assert_eq!(turns(&[-1, -2, -3, -4, 5]), [(-3, outage(1, 3)), (5, back(4, 4))]);
        assert_eq!(turns(&[-1, 2, 3]), [(2, PresenceChange::Up)]);
    }

    #[test]
    fn one_probe_is_lost_once() {
        assert_eq!(turns(&[1, -2, -2, -2, -3]), [(1, PresenceChange::Up)]);
    }

    #[test]
    fn memory_does_not_grow_with_the_length_of_an_outage() {
        let mut presence = Presence::new(3);
        for id in 1..10_000 {
            let (id, sent) = at(id);
            presence.lose(id, sent);
        }
        assert_eq!((presence.recent.len(), presence.lost_in_a_row()), (REMEMBERED, 9_999));
        let (id, sent) = at(10_000);
        assert_eq!(presence.answer(id, sent, sent), Some(back(9_999, 9_999)));
    }
}
