//! The cycles of a watched path: those that may still change, and of all others what they add up to ([`Cycles`]), so that a run
//! takes as much memory and work after a day as after a minute.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::cycle::{Cycle, ProbeState};
use super::tally::Tally;
use crate::trace::path::distance::Distance;

/// Recent answers of the destination that decide where it is now, and silences of the hop below that prove it.
pub(super) const OF_LATE: usize = 3;
/// More cycles in a row change nothing any more.
const MAX_MISSED: usize = 128;

/// All cycles of a path, the first of which has the index 0.
#[derive(Debug, Default)]
pub(super) struct Cycles {
    /// How many are decided.
    decided: usize,
    past: Past,
    /// The others.
    recent: VecDeque<Cycle>,
}

/// What is kept of decided cycles.
#[derive(Debug, Default)]
struct Past {
    tally: Tally,
    /// For how many of them, up to the last, the destination has been silent.
    missed: usize,
    /// Those that are among the last three in which the destination answered from where they did or beyond.
    answered: Vec<(usize, Cycle)>,
    /// The TTLs from which a probe could not be delivered.
    refused: BTreeSet<u8>,
    /// By the TTL of a hop that was silent while the destination answered from beyond: the highest TTL below it that was probed;
    /// of three cycles, those in which that was lowest.
    silent: BTreeMap<u8, Vec<u8>>,
}

impl Cycles {
    pub fn len(&self) -> usize {
        self.decided + self.recent.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One of them, if it is still kept; the last in which the destination answered is.
    pub fn get(&self, index: usize) -> Option<&Cycle> {
        match index.checked_sub(self.decided) {
            Some(at) => self.recent.get(at),
            None => self.past.answered.iter().find(|(answered, _)| *answered == index).map(|(_, cycle)| cycle),
        }
    }

    /// One that is not decided.
    pub fn get_mut(&mut self, index: usize) -> Option<&mut Cycle> {
        self.recent.get_mut(index.checked_sub(self.decided)?)
    }

    pub fn last(&self) -> Option<&Cycle> {
        self.recent.back()
    }

    pub fn push(&mut self, cycle: Cycle) {
        self.recent.push_back(cycle);
    }

    /// The first that is not decided, if it is not the newest.
    pub fn oldest(&self) -> Option<(usize, &Cycle)> {
        self.recent.front().filter(|_| self.recent.len() > 1).map(|cycle| (self.decided, cycle))
    }

    /// The first that was not decided is: nothing in it changes any more. TTLs go up to `max`.
    pub fn decide(&mut self, max: u8) {
        let Some(cycle) = self.recent.pop_front() else { return };
        self.past.take(self.decided, cycle, max);
        self.decided += 1;
    }

    /// What all of them add up to. `is_whole` says whether the newest one has all its probes, and `waits` whether the answer to
    /// the probe of a cycle with a TTL may still come.
    pub fn tally(&self, max: u8, is_whole: bool, waits: impl Fn(usize, u8) -> bool) -> Tally {
        let mut tally = self.past.tally.clone();
        for (index, cycle) in (self.decided..).zip(&self.recent) {
            tally.add(cycle, (max, is_whole || index + 1 < self.len()), &|ttl| waits(index, ttl));
        }
        tally
    }

    /// For how many cycles, the newest that is decided and those before it, the destination has been silent.
    pub fn missed(&self, is_decided: impl Fn(&Cycle) -> bool) -> usize {
        let mut missed = 0;
        for cycle in self.recent.iter().rev() {
            if is_answered(cycle) {
                return missed;
            }
            missed = MAX_MISSED.min(missed + usize::from(is_decided(cycle)));
        }
        MAX_MISSED.min(missed + self.past.missed)
    }

    /// How far beyond `above` the destination was when it answered of late.
    pub fn late(&self, above: u8) -> impl Iterator<Item = Distance> {
        let past = self.past.answered.iter().map(|(_, cycle)| cycle);
        past.chain(&self.recent).rev().filter_map(move |cycle| cycle.distance(above)).take(OF_LATE)
    }

    /// The nearest TTL beyond `above` from which a probe could not be delivered.
    pub fn refused(&self, above: u8) -> Option<u8> {
        let past = self.past.refused.iter().copied();
        past.chain(self.recent.iter().filter_map(Cycle::refused_at)).filter(|&ttl| ttl > above).min()
    }

    /// Whether the hop at `ttl` was silent in enough cycles in which the destination answered from beyond; of those in which
    /// no hop beyond `above` was probed below it, where that is given.
    pub fn is_silent(&self, ttl: u8, above: Option<u8>) -> bool {
        let recent = self.recent.iter().filter_map(|cycle| silent_over(cycle, ttl));
        let past = self.past.silent.get(&ttl).into_iter().flatten().copied();
        past.chain(recent).filter(|&below| above.is_none_or(|above| below <= above)).take(OF_LATE).count() == OF_LATE
    }

    /// How much is kept.
    #[cfg(test)]
    pub fn kept(&self) -> usize {
        self.recent.len() + self.past.answered.len() + self.past.refused.len() + self.past.silent.len()
    }
}

impl Past {
    fn take(&mut self, index: usize, cycle: Cycle, max: u8) {
        self.tally.add(&cycle, (max, true), &|_| false);
        self.missed = if is_answered(&cycle) { 0 } else { MAX_MISSED.min(self.missed + 1) };
        self.refused.extend(cycle.refused_at());
        for (ttl, _) in cycle.probed() {
            let Some(below) = silent_over(&cycle, ttl) else { continue };
            let lowest = self.silent.entry(ttl).or_default();
            lowest.push(below);
            lowest.sort_unstable();
            lowest.truncate(OF_LATE);
        }
        if cycle.answered_from().is_none() {
            return;
        }
        self.answered.push((index, cycle));
        let from: Vec<Option<u8>> = self.answered.iter().map(|(_, cycle)| cycle.answered_from()).collect();
        let mut at = 0;
        self.answered.retain(|(_, cycle)| {
            at += 1;
            from.iter().skip(at).filter(|&&later| later >= cycle.answered_from()).count() < OF_LATE
        });
    }
}

/// Whether it shows where the destination is, or that it cannot be reached.
pub(super) fn is_answered(cycle: &Cycle) -> bool {
    cycle.is_answered_from(0) || cycle.refused_at().is_some()
}

/// If the hop at `ttl` was silent and the destination answered from beyond: the highest TTL below it that was probed, or 0.
fn silent_over(cycle: &Cycle, ttl: u8) -> Option<u8> {
    let is_silent = cycle.state(ttl) == ProbeState::Silent && cycle.is_answered_from(ttl.checked_add(1)?);
    is_silent.then(|| cycle.probed().rfind(|&(at, _)| at < ttl).map_or(0, |(at, _)| at))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::trace::watch::tally::{Counted, Row};
    use crate::types::Instant;

    const MAX: u8 = 8;

    fn cycle(states: &[u8]) -> Cycle {
        let mut cycle = Cycle::new(Instant::ZERO, Instant::ZERO, 1);
        for (ttl, state) in (1..=MAX).zip(states) {
            let state = match state {
                0 => ProbeState::Unasked,
                1 => ProbeState::NotSent,
                2 | 3 => ProbeState::Silent,
                4 | 5 => ProbeState::Router,
                6 => ProbeState::Unreachable,
                7 => ProbeState::Target(Some(ttl / 2 + 1)),
                _ => ProbeState::Target(None),
            };
            cycle.set(ttl, state);
        }
        cycle
    }

    /// Everything that can be asked.
    fn answers(cycles: &Cycles) -> Vec<String> {
        let tally = cycles.tally(MAX, true, |_, _| false);
        let kinds = [Counted::Received, Counted::Unreachable, Counted::Unanswered, Counted::Pending, Counted::NotSent];
        let rows = (1..=MAX).flat_map(|ttl| [Row::Router(ttl), Row::Destination(ttl)]).chain([Row::Target]);
        let mut all: Vec<String> = rows.map(|row| format!("{:?}", kinds.map(|kind| tally.row(row).of(kind)))).collect();
        all.push(format!("{tally:?} {} {}", cycles.len(), cycles.missed(|_| true)));
        for above in 0..=MAX {
            let late: Vec<Distance> = cycles.late(above).collect();
            let silent: Vec<_> =
                (1..=MAX).map(|ttl| (cycles.is_silent(ttl, None), cycles.is_silent(ttl, Some(above)))).collect();
            all.push(format!("{late:?} {:?} {silent:?}", cycles.refused(above)));
        }
        all
    }

    proptest! {
        /// Whatever happened, a cycle that is decided answers as it did before.
        #[test]
        fn decided_cycles_answer_as_they_did(
            states in proptest::collection::vec(proptest::collection::vec(0u8..9, usize::from(MAX)), 1..40),
            decided in 0usize..40,
        ) {
            let (mut all, mut some) = (Cycles::default(), Cycles::default());
            for states in &states {
                all.push(cycle(states));
                some.push(cycle(states));
            }
            for _ in 0..decided.min(states.len() - 1) {
                some.decide(MAX);
            }
            prop_assert_eq!(answers(&all), answers(&some));
            let answered = states.iter().rposition(|states| states.iter().any(|&state| state > 6));
            prop_assert!(answered.is_none_or(|index| some.get(index).is_some()));
        }
    }
}
