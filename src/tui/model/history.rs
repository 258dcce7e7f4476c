//! The answers of one series over time, in bins: [`History`].

use std::collections::VecDeque;

use crate::types::{Instant, Rtt};

const SECOND: u64 = 1_000_000_000;
/// Old bins are kept for this many seconds.
const DAY: u64 = 86_400;
/// So many seconds without a probe, and nothing before them is kept.
const STALL: usize = 14_400;

/// How much is kept of each of so many series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Depth {
    /// Bins of a second; older ones are put together.
    seconds: usize,
    /// Seconds of an old bin.
    coarse: u64,
}

/// The most series of which so much is kept, 16 to 40 MB of all of them; of more it is [`LEAST`].
const DEPTHS: [(usize, Depth); 3] = [
    (128, Depth { seconds: 7200, coarse: 10 }),
    (1024, Depth { seconds: 1200, coarse: 60 }),
    (4096, Depth { seconds: 360, coarse: 120 }),
];
const LEAST: Depth = Depth { seconds: 120, coarse: 600 };

impl Depth {
    fn among(series: usize) -> Depth {
        DEPTHS.iter().find(|(most, _)| series <= *most).map_or(LEAST, |(_, depth)| *depth)
    }

    fn coarse_bins(self) -> usize {
        (DAY / self.coarse) as usize
    }
}

impl Default for Depth {
    fn default() -> Self {
        Depth::among(1)
    }
}

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

    /// A part of it, with as little as says the same: an answer where any was, else a loss.
    fn one_of(self) -> Bin {
        let answered = self.answered.min(1);
        Bin { answered, lost: if answered > 0 { 0 } else { self.lost.min(1) }, ..self }
    }

    fn add(&mut self, other: Bin) {
        self.slowest = self.slowest.max(other.slowest);
        self.answered = self.answered.saturating_add(other.answered);
        self.lost = self.lost.saturating_add(other.lost);
    }
}

/// Bins of a second for two hours, and of ten for the day before; of one among many series fewer and coarser ones.
#[derive(Clone, Debug, Default)]
pub struct History {
    depth: Depth,
    /// The second of the first bin.
    first: u64,
    seconds: VecDeque<Bin>,
    /// The number of the first old bin.
    first_coarse: u64,
    coarse: VecDeque<Bin>,
}

impl History {
    /// Of one among so many series.
    pub fn among(series: usize) -> History {
        History { depth: Depth::among(series), ..History::default() }
    }

    /// How many bins it has.
    pub fn bins(&self) -> usize {
        self.seconds.len() + self.coarse.len()
    }

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
        if at >= STALL {
            *self = History { first: second, depth: self.depth, ..History::default() };
            self.seconds.push_back(Bin::default());
            return self.seconds.back_mut();
        }
        while self.first + self.seconds.len() as u64 <= second {
            if self.seconds.len() == self.depth.seconds {
                self.put_away();
            }
            self.seconds.push_back(Bin::default());
        }
        self.seconds.get_mut(usize::try_from(second.checked_sub(self.first)?).ok()?)
    }

    /// Puts the oldest bin to the old ones.
    fn put_away(&mut self) {
        let Some(oldest) = self.seconds.pop_front() else { return };
        let number = self.first / self.depth.coarse;
        self.first += 1;
        if self.coarse.is_empty() {
            self.first_coarse = number;
        }
        while self.first_coarse + (self.coarse.len() as u64) <= number {
            self.coarse.push_back(Bin::default());
        }
        if let Some(bin) = self.coarse.back_mut() {
            bin.add(oldest);
        }
        while self.coarse.len() > self.depth.coarse_bins() {
            self.coarse.pop_front();
            self.first_coarse += 1;
        }
    }

    /// What was sent from second `from` on, for `seconds`.
    pub fn span(&self, from: u64, seconds: u64) -> Bin {
        let mut sum = Bin::default();
        for second in from..from.saturating_add(seconds) {
            let bin = match second.checked_sub(self.first) {
                Some(at) => usize::try_from(at).ok().and_then(|at| self.seconds.get(at)).copied(),
                // What an old bin has is counted where it begins.
                None if second % self.depth.coarse == 0 => self.old(second),
                // In the rest of it was the like.
                None if second == from => self.old(second).map(Bin::one_of),
                None => None,
            };
            sum.add(bin.unwrap_or_default());
        }
        sum
    }

    /// The old bin of a second.
    fn old(&self, second: u64) -> Option<Bin> {
        let at = (second / self.depth.coarse).checked_sub(self.first_coarse)?;
        self.coarse.get(usize::try_from(at).ok()?).copied()
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
        assert_eq!((history.seconds.len(), history.coarse.len()), (7200, 8640));
        assert_eq!(history.span(99_990, 10).answered, 10);
        assert_eq!(history.span(92_000, 10).answered, 10);
        assert_eq!(history.span(0, 1000).answered, 0);
        // A probe from before the first bin counts for nothing.
        history.lost(at(5));
        assert_eq!(history.span(0, 100).lost, 0);
    }

    #[test]
    fn of_many_series_each_has_a_part_of_what_one_has_and_still_a_day() {
        for (series, most) in [(128, 15_840), (129, 2640), (4096, 1080), (4097, 264), (65_536, 264)] {
            let mut history = History::among(series);
            for second in 0..200_000 {
                history.answered(at(second), if second % 600 == 0 { Rtt::from_nanos(9_000_000) } else { MS });
                if second % 600 == 300 {
                    history.lost(at(second));
                }
            }
            assert_eq!(history.bins(), most, "{series}");
            let cells = history.cells(at(199_999), 1800, 40);
            assert!(cells[1..39].iter().all(|bin| (bin.slowest(), bin.lost) == (Some(9_000_000), 3)), "{cells:?}");
            // Cells that are finer than what is kept of their time show the like, and nothing more than once.
            let cells = history.cells(at(150_000), 60, 40);
            let lost: u16 = cells.iter().map(|bin| bin.lost).sum();
            assert!(cells.iter().all(|bin| bin.slowest().is_some()) && lost <= 4, "{series} {cells:?}");
        }
    }

    #[test]
    fn a_stall_of_a_day_leaves_no_bins_between() {
        let mut history = History::default();
        history.answered(at(1), MS);
        history.answered(at(86_400), MS);
        assert_eq!((history.seconds.len(), history.span(86_400, 1).answered), (1, 1));
    }
}
