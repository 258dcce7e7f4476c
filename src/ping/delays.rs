//! The delays of one series, by where their stamps were taken: [`Delays`].

use super::summary::StampCounts;
use crate::metrics::{DelayRecorder, DelayStats};
use crate::types::{Rtt, StampSource};

/// Delays of replies that count. Stamps of different kinds include different parts of the host, so that no figure is made of
/// more than one kind.
#[derive(Debug, Default)]
pub(super) struct Delays {
    /// By kind, from the least to the most trusted.
    kinds: [Option<Box<DelayRecorder>>; 3],
    slowest: Option<Rtt>,
    with_differences: bool,
    /// Only the slowest is kept.
    unkept: bool,
}

impl Delays {
    /// None yet; `with_differences` says whether more than the mean of the differences is wanted.
    pub(super) fn new(with_differences: bool) -> Self {
        Delays { with_differences, ..Delays::default() }
    }

    /// The same, for series whose delays are of interest only as events.
    pub(super) fn unkept() -> Self {
        Delays { unkept: true, ..Delays::default() }
    }

    /// Takes one delay, in the order of arrival; `neighbours` are those of the probes just before and just after.
    pub(super) fn record(
        &mut self,
        (rtt, source): (Rtt, StampSource),
        neighbours: impl IntoIterator<Item = (Rtt, StampSource)>,
    ) {
        self.slowest = self.slowest.max(Some(rtt));
        if self.unkept {
            return;
        }
        let [user, kernel, hardware] = &mut self.kinds;
        let kind = match source {
            StampSource::User => user,
            StampSource::Kernel => kernel,
            StampSource::Hardware => hardware,
        };
        let recorder = kind.get_or_insert_default();
        recorder.record(rtt);
        let alike = neighbours.into_iter().filter(|&(_, other)| other == source);
        alike.for_each(|(neighbour, _)| recorder.record_pair(rtt, neighbour, self.with_differences));
    }

    /// How many there are of each kind.
    pub(super) fn counts(&self) -> StampCounts {
        let [user, kernel, hardware] = &self.kinds;
        let count = |kind: &Option<Box<DelayRecorder>>| kind.as_ref().map_or(0, |recorder| recorder.rtts.count());
        StampCounts { hardware: count(hardware), kernel: count(kernel), user: count(user) }
    }

    /// Those of the kind that most have; of kinds with as many, the more trusted.
    pub(super) fn majority(&self) -> Option<&DelayRecorder> {
        self.kinds.iter().flatten().max_by_key(|recorder| recorder.rtts.count()).map(Box::as_ref)
    }

    /// What those come to.
    pub(super) fn stats(&self) -> DelayStats {
        self.majority().map(DelayRecorder::stats).unwrap_or_default()
    }

    /// The largest of any kind.
    pub(super) fn slowest(&self) -> Option<Rtt> {
        self.slowest
    }

    /// The smoothed delay of the majority.
    pub(super) fn ewma(&self) -> Option<Rtt> {
        self.majority()?.rtts.ewma()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use StampSource::{Hardware, Kernel, User};

    fn delays(taken: &[(u64, StampSource)]) -> Delays {
        let mut delays = Delays::default();
        let mut before = None;
        for &(nanos, source) in taken {
            let delay = (Rtt::from_nanos(nanos), source);
            delays.record(delay, before.replace(delay));
        }
        delays
    }

    #[test]
    fn figures_are_those_of_the_majority_alone() {
        let delays = delays(&[(90, User), (50, Kernel), (60, Kernel), (99, User), (40, Kernel)]);
        let majority = delays.majority().unwrap();
        let stats = majority.rtts.stats().unwrap();
        assert_eq!((stats.count, stats.min, stats.max), (3, 40, 60));
        // Only one pair of neighbours has the same kind of stamps.
        assert_eq!(majority.stats().ipdv, Some(10.0));
        assert_eq!(delays.slowest(), Some(Rtt::from_nanos(99)));
        assert_eq!(delays.counts(), StampCounts { hardware: 0, kernel: 3, user: 2 });
    }

    #[test]
    fn of_equal_numbers_the_more_trusted_stamps_count() {
        for (worse, better) in [(User, Kernel), (User, Hardware), (Kernel, Hardware)] {
            for taken in [[(9, worse), (5, better)], [(5, better), (9, worse)]] {
                assert_eq!(delays(&taken).stats().rtt.map(|rtt| rtt.max), Some(5));
            }
        }
    }

    #[test]
    fn without_delays_there_is_no_majority() {
        assert!(delays(&[]).majority().is_none());
        assert_eq!(delays(&[]).counts(), StampCounts::default());
    }
}
