//! When each method sends: [`Rounds`].

use std::time::Duration;

use fastrand::Rng;

use crate::types::Instant;

/// Lateness of a timer, up to which the slots keep their grid.
const TIMER_SLACK: Duration = Duration::from_millis(1);

/// The slots of a run, one after the other. After a stall the grid starts anew: no slot is skipped, so that every round is
/// complete, and no burst follows.
#[derive(Debug)]
pub(super) struct Rounds {
    next: Instant,
    slot: Duration,
    left: u64,
    /// The series of this round that have not sent yet, the next one last.
    waiting: Vec<u32>,
    all: Vec<u32>,
    random: Rng,
}

impl Rounds {
    /// `rounds` rounds of these series; the first slot is at `start`.
    pub fn new(start: Instant, slot: Duration, rounds: u64, series: Vec<u32>, seed: u64) -> Self {
        let mut rounds =
            Rounds { next: start, slot, left: rounds, waiting: Vec::new(), all: series, random: Rng::with_seed(seed) };
        rounds.draw();
        rounds
    }

    /// When the next slot is, if there is one.
    pub fn next(&self) -> Option<Instant> {
        (!self.waiting.is_empty()).then_some(self.next)
    }

    /// The series whose slot has come.
    pub fn take(&mut self, now: Instant) -> Option<u32> {
        let due = self.next().filter(|&due| due <= now)?;
        let series = self.waiting.pop()?;
        let stalled = now.since(due) > TIMER_SLACK;
        self.next = if stalled { now } else { due } + self.slot;
        if self.waiting.is_empty() {
            self.draw();
        }
        Some(series)
    }

    /// Adds rounds after the last slot.
    pub fn extend(&mut self, rounds: u64) {
        self.left = rounds;
        self.draw();
    }

    fn draw(&mut self) {
        let Some(left) = self.left.checked_sub(1) else { return };
        self.left = left;
        self.waiting.clone_from(&self.all);
        self.random.shuffle(&mut self.waiting);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOT: Duration = Duration::from_millis(200);

    fn ms(millis: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(millis)
    }

    fn rounds(count: u64, seed: u64) -> Rounds {
        Rounds::new(ms(0), SLOT, count, vec![0, 1, 2, 3], seed)
    }

    /// All slots, each taken when it comes.
    fn played(mut rounds: Rounds) -> Vec<(Instant, u32)> {
        std::iter::from_fn(|| rounds.next().and_then(|at| Some((at, rounds.take(at)?)))).collect()
    }

    #[test]
    fn a_round_has_every_series_once_a_slot_apart() {
        let slots = played(rounds(50, 1));
        assert_eq!(slots.len(), 200);
        for (n, round) in slots.chunks(4).enumerate() {
            let mut series: Vec<u32> = round.iter().map(|&(_, series)| series).collect();
            series.sort_unstable();
            assert_eq!(series, [0, 1, 2, 3]);
            assert_eq!(round[0].0, ms(n as u64 * 800));
            assert_eq!(round[3].0, ms(n as u64 * 800 + 600));
        }
    }

    #[test]
    fn the_order_is_drawn_anew_each_round_and_follows_from_the_seed() {
        let first = |seed| played(rounds(400, seed)).chunks(4).filter(|round| round[0].1 == 0).count();
        assert!((60..=140).contains(&first(1)), "{}", first(1));
        assert_eq!(played(rounds(9, 5)), played(rounds(9, 5)));
        assert_ne!(played(rounds(9, 5)), played(rounds(9, 6)));
    }

    #[test]
    fn a_stall_costs_no_slot_and_is_not_made_up_for() {
        let mut rounds = rounds(2, 1);
        assert!(rounds.take(ms(0)).is_some());
        assert_eq!(rounds.take(ms(100)), None);
        assert!(rounds.take(ms(5000)).is_some());
        assert_eq!(rounds.next(), Some(ms(5200)));
        assert_eq!(played(rounds).len(), 6);
    }

    #[test]
    fn a_late_timer_does_not_move_the_grid() {
        let mut rounds = rounds(1, 1);
        rounds.take(ms(1));
        assert_eq!(rounds.next(), Some(ms(200)));
    }

    #[test]
    fn more_rounds_go_on_in_the_same_grid() {
        let mut rounds = rounds(1, 1);
        while rounds.next().is_some_and(|at| rounds.take(at).is_some()) {}
        rounds.extend(2);
        assert_eq!(rounds.next(), Some(ms(800)));
        assert_eq!(played(rounds).len(), 8);
    }

    #[test]
    fn without_series_there_is_no_slot() {
        assert_eq!(Rounds::new(ms(0), SLOT, 20, Vec::new(), 1).next(), None);
    }
}
