//! The answers of one series over time, in bins: [`History`].

use std::collections::VecDeque;

use crate::types::{Instant, Rtt};

/// Bins of a second that are kept; older ones are put together.
const SECONDS: usize = 7200;
/// Seconds of an old bin, and how many are kept: a day.
const COARSE: u64 = 10;
const COARSE_BINS: usize = 8640;
const SECOND: u64 = 1_000_000_000;

/// What happened to the probes that were sent in one span of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bin {
    /// The slowest answer, in microseconds.
    slowest: u32,
    /// Probes that were answered.
    pub answered: u16,
    /// Those that were not.
    pub lost: u16,
}

impl Bin {
    /// The slowest answer, in nanoseconds.
    pub fn slowest(&self) -> Option<u64> {
        (self.answered > 0).then_some(u64::from(self.slowest) * 1000)
    }

    /// Whether nothing is known about it.
    pub fn is_empty(&self) -> bool {
        self.answered == 0 && self.lost == 0
    }

    fn add(&mut self, other: Bin) {
        self.slowest = self.slowest.max(other.slowest);
        self.answered = self.answered.saturating_add(other.answered);
        self.lost = self.lost.saturating_add(other.lost);
    }
}

/// Bins of a second for two hours, and of ten for the day before.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// The second of the first bin.
    first: u64,
    seconds: VecDeque<Bin>,
    /// The tens of seconds of the first old bin.
    first_ten: u64,
    tens: VecDeque<Bin>,
}

impl History {
    /// A probe that was sent at `sent` was answered.
    pub fn answered(&mut self, sent: Instant, rtt: Rtt) {
        let micros = u32::try_from(rtt.as_nanos() / 1000).unwrap_or(u32::MAX);
        if let Some(bin) = self.bin(sent) {
            bin.add(Bin { slowest: micros, answered: 1, lost: 0 });
        }
    }

    /// It was not.
    pub fn lost(&mut self, sent: Instant) {
        if let Some(bin) = self.bin(sent) {
            bin.lost = bin.lost.saturating_add(1);
        }
    }

    /// It was lost, and now it is not.
    pub fn found(&mut self, sent: Instant) {
        if let Some(bin) = self.bin(sent) {
            bin.lost = bin.lost.saturating_sub(1);
        }
    }

    fn bin(&mut self, sent: Instant) -> Option<&mut Bin> {
        let second = sent.as_nanos() / SECOND;
        if self.seconds.is_empty() {
            self.first = second;
        }
        let at = usize::try_from(second.checked_sub(self.first)?).ok()?;
        // After a stall of hours nothing before it is near.
        if at >= 2 * SECONDS {
            *self = History { first: second, ..History::default() };
            self.seconds.push_back(Bin::default());
            return self.seconds.back_mut();
        }
        while self.seconds.len() <= at {
            self.seconds.push_back(Bin::default());
        }
        while self.seconds.len() > SECONDS {
            self.put_away();
        }
        self.seconds.get_mut(usize::try_from(second.checked_sub(self.first)?).ok()?)
    }

    /// Puts the oldest bin to the old ones.
    fn put_away(&mut self) {
        let Some(oldest) = self.seconds.pop_front() else { return };
        let ten = self.first / COARSE;
        self.first += 1;
        if self.tens.is_empty() {
            self.first_ten = ten;
        }
        while self.first_ten + (self.tens.len() as u64) <= ten {
            self.tens.push_back(Bin::default());
        }
        if let Some(bin) = self.tens.back_mut() {
            bin.add(oldest);
        }
        while self.tens.len() > COARSE_BINS {
            self.tens.pop_front();
            self.first_ten += 1;
        }
    }

    /// What was sent from second `from` on, for `seconds`.
    pub fn span(&self, from: u64, seconds: u64) -> Bin {
        let mut sum = Bin::default();
        for second in from..from.saturating_add(seconds) {
            let bin = match second.checked_sub(self.first) {
                Some(at) => usize::try_from(at).ok().and_then(|at| self.seconds.get(at)),
                // An old bin is counted where it begins.
                None if second % COARSE == 0 => {
                    let at = (second / COARSE).checked_sub(self.first_ten).and_then(|at| usize::try_from(at).ok());
                    at.and_then(|at| self.tens.get(at))
                }
                None => None,
            };
            sum.add(bin.copied().unwrap_or_default());
        }
        sum
    }

    /// The last `count` spans of `seconds` each, aligned to multiples of that, the one in which `now` is being the last.
    pub fn cells(&self, now: Instant, seconds: u64, count: usize) -> Vec<Bin> {
        let newest = now.as_nanos() / SECOND / seconds.max(1);
        let cell = |back: usize| match newest.checked_sub(back as u64) {
            Some(cell) => self.span(cell * seconds, seconds),
            None => Bin::default(),
        };
        (0..count).rev().map(cell).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::from_nanos(seconds * SECOND)
    }

    const MS: Rtt = Rtt::from_nanos(1_000_000);

    #[test]
    fn a_bin_has_the_slowest_answer_and_what_was_lost() {
        let mut history = History::default();
        history.answered(at(100), MS);
        history.answered(at(101), Rtt::from_nanos(3_000_000));
        history.lost(at(103));
        history.lost(at(104));
        history.found(at(104));
        let cells = history.cells(at(105), 2, 4);
        assert_eq!(cells.iter().map(Bin::slowest).collect::<Vec<_>>(), [None, Some(3_000_000), None, None]);
        assert_eq!(cells.iter().map(|bin| bin.lost).collect::<Vec<_>>(), [0, 0, 1, 0]);
        assert!(cells[0].is_empty() && cells[3].is_empty() && !cells[2].is_empty());
    }

    #[test]
    fn two_hours_are_kept_to_the_second_and_a_day_to_ten() {
        let mut history = History::default();
        for second in 0..100_000 {
            history.answered(at(second), MS);
        }
        assert_eq!((history.seconds.len(), history.tens.len()), (SECONDS, COARSE_BINS));
        assert_eq!(history.span(99_990, 10).answered, 10);
        assert_eq!(history.span(92_000, 10).answered, 10);
        assert_eq!(history.span(0, 1000).answered, 0);
        // A probe from before the first bin counts for nothing.
        history.lost(at(5));
        assert_eq!(history.span(0, 100).lost, 0);
    }

    #[test]
    fn a_stall_of_a_day_leaves_no_bins_between() {
        let mut history = History::default();
        history.answered(at(1), MS);
        history.answered(at(86_400), MS);
        assert_eq!((history.seconds.len(), history.span(86_400, 1).answered), (1, 1));
    }
}
