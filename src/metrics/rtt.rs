//! Round-trip delays of one series: [`RttRecorder`] takes them one by one, [`RttStats`] summarises them.

use serde::{Serialize, Serializer};

use super::histogram::Histogram;
use crate::types::Rtt;

/// A summary of the round-trip delays of one series. Nanoseconds; only answers that count (no duplicates, no late ones).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RttStats {
    /// The number of delays.
    pub count: u64,
    /// The smallest.
    pub min: u64,
    /// Arithmetic mean.
    pub mean: f64,
    /// Nearest-rank 50th percentile: exact up to 64 values, then to three significant digits.
    pub median: u64,
    /// 90th percentile, likewise.
    pub p90: u64,
    /// 95th percentile, likewise.
    pub p95: u64,
    /// 99th percentile, likewise.
    pub p99: u64,
    /// The largest.
    pub max: u64,
    /// Standard deviation of the population.
    pub stddev: f64,
}

/// Milliseconds.
impl Serialize for RttStats {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.figures())
    }
}

impl RttStats {
    /// Its figures.
    pub fn figures(&self) -> DelayFigures {
        let millis = |nanos: u64| Some(nanos as f64 / 1e6);
        [
            ("min", millis(self.min)),
            ("mean", Some(self.mean / 1e6)),
            ("median", millis(self.median)),
            ("p90", millis(self.p90)),
            ("p95", millis(self.p95)),
            ("p99", millis(self.p99)),
            ("max", millis(self.max)),
            ("stddev", Some(self.stddev / 1e6)),
        ]
    }
}

/// Figures of delays in milliseconds, with their names in JSON; `None` where one is not known.
pub type DelayFigures = [(&'static str, Option<f64>); 8];

/// Takes the delays of one series, in memory that grows with how different they are and not with their number.
#[derive(Clone, Debug, Default)]
pub struct RttRecorder {
    count: u64,
    min: u64,
    max: u64,
    mean: f64,
    /// Sum of squared distances from the mean (Welford), which keeps its precision where a sum of squares loses it.
    squares: f64,
    /// Eight times the smoothed delay, so that integer arithmetic keeps three more bits.
    smoothed_times_8: u64,
    spread: Spread,
}

/// Up to this many delays are kept as they are.
const EXACT: usize = 64;

#[derive(Clone, Debug)]
enum Spread {
    Exact(Vec<u64>),
    Binned(Histogram),
}

impl Default for Spread {
    fn default() -> Self {
        Spread::Exact(Vec::new())
    }
}

impl RttRecorder {
    /// Takes one delay, in the order of arrival.
    pub fn record(&mut self, rtt: Rtt) {
        let nanos = rtt.as_nanos();
        self.count += 1;
        self.min = if self.count == 1 { nanos } else { self.min.min(nanos) };
        self.max = self.max.max(nanos);
        let distance = nanos as f64 - self.mean;
        self.mean += distance / self.count as f64;
        self.squares += distance * (nanos as f64 - self.mean);
        self.smoothed_times_8 = match self.count {
            1 => nanos.saturating_mul(8),
            _ => (self.smoothed_times_8 - self.smoothed_times_8 / 8).saturating_add(nanos),
        };
        self.spread.record(nanos);
    }

    /// Takes the delays of another series as well, as if they had come later.
    pub fn merge(&mut self, other: &RttRecorder) {
        if other.count == 0 || self.count == 0 {
            if self.count == 0 {
                self.clone_from(other);
            }
            return;
        }
        let (ours, theirs) = (self.count as f64, other.count as f64);
        let distance = other.mean - self.mean;
        self.count += other.count;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.mean += distance * theirs / (ours + theirs);
        self.squares += other.squares + distance * distance * ours * theirs / (ours + theirs);
        self.smoothed_times_8 = other.smoothed_times_8;
        self.spread.merge(&other.spread);
    }

    /// The number of delays taken.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// How many are longer than this: exact up to 64, then to three significant digits.
    pub fn longer_than(&self, rtt: Rtt) -> u64 {
        let nanos = rtt.as_nanos();
        match &self.spread {
            Spread::Exact(values) => values.iter().filter(|&&value| value > nanos).count() as u64,
            Spread::Binned(histogram) => histogram.longer_than(nanos),
        }
    }

    /// Exponentially weighted mean with weight 1/8 for the newest (as RFC 6298's SRTT), once there is one.
    pub fn ewma(&self) -> Option<Rtt> {
        (self.count > 0).then_some(Rtt::from_nanos(self.smoothed_times_8 / 8))
    }

    /// The summary, once there is a delay.
    pub fn stats(&self) -> Option<RttStats> {
        if self.count == 0 {
            return None;
        }
        let [median, p90, p95, p99] = self.spread.percentiles([50, 90, 95, 99]);
        Some(RttStats {
            count: self.count,
            min: self.min,
            mean: self.mean,
            // A bin is known by one of its values, which may lie just outside of what was measured.
            median: median.clamp(self.min, self.max),
            p90: p90.clamp(self.min, self.max),
            p95: p95.clamp(self.min, self.max),
            p99: p99.clamp(self.min, self.max),
            max: self.max,
            stddev: (self.squares / self.count as f64).max(0.0).sqrt(),
        })
    }
}

impl Spread {
    fn record(&mut self, nanos: u64) {
        match self {
            Spread::Exact(values) if values.len() < EXACT => values.push(nanos),
            Spread::Exact(values) => {
                let mut histogram = Histogram::default();
                values.iter().copied().chain([nanos]).for_each(|value| histogram.record(value));
                *self = Spread::Binned(histogram);
            }
            Spread::Binned(histogram) => histogram.record(nanos),
        }
    }

    fn merge(&mut self, other: &Spread) {
        match (&mut *self, other) {
            (_, Spread::Exact(values)) => values.iter().for_each(|&nanos| self.record(nanos)),
            (Spread::Exact(values), Spread::Binned(histogram)) => {
                let mut merged = histogram.clone();
                values.iter().for_each(|&value| merged.record(value));
                *self = Spread::Binned(merged);
            }
            (Spread::Binned(ours), Spread::Binned(theirs)) => ours.merge(theirs),
        }
    }

    /// Nearest-rank percentiles: the smallest value that at least this percentage of the values do not exceed.
    /// The percentages in ascending order.
    fn percentiles<const N: usize>(&self, percents: [u64; N]) -> [u64; N] {
        let ranks = |count: u64| percents.map(|percent| count.saturating_mul(percent).div_ceil(100).max(1));
        match self {
            Spread::Exact(values) => {
                let mut sorted = values.clone();
                sorted.sort_unstable();
                ranks(sorted.len() as u64).map(|rank| sorted.get(rank as usize - 1).copied().unwrap_or_default())
            }
            Spread::Binned(histogram) => histogram.at_ranks(ranks(histogram.count())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn recorded(values: &[u64]) -> RttRecorder {
        let mut recorder = RttRecorder::default();
        values.iter().for_each(|&nanos| recorder.record(Rtt::from_nanos(nanos)));
        recorder
    }

    #[test]
    fn what_is_longer_than_a_limit_is_counted() {
        for count in [10, 100] {
            let values: Vec<u64> = (1..=count).map(|millis| millis * 1_000_000).collect();
            assert_eq!(recorded(&values).longer_than(Rtt::from_nanos(8_000_000)), count - 8);
        }
    }

    fn nearest_rank(values: &[u64], percent: usize) -> u64 {
        let mut sorted = values.to_vec();
        sorted.sort_unstable();
        let rank = (sorted.len() * percent).div_ceil(100).max(1);
        sorted[rank - 1]
    }

    #[test]
    fn without_a_delay_there_are_no_statistics() {
        let none = RttRecorder::default();
        assert_eq!(none.stats(), None);
        assert_eq!(none.ewma(), None);
    }

    #[test]
    fn one_delay_is_all_of_its_statistics() {
        let stats = recorded(&[7]).stats().unwrap();
        assert_eq!((stats.min, stats.median, stats.p99, stats.max, stats.mean, stats.stddev), (7, 7, 7, 7, 7.0, 0.0));
    }

    #[test]
    fn the_deviation_is_the_populations() {
        let stats = recorded(&[2, 4, 4, 4, 5, 5, 7, 9]).stats().unwrap();
        assert!((stats.mean - 5.0).abs() < 1e-12);
        assert!((stats.stddev - 2.0).abs() < 1e-12);
        assert_eq!(stats.median, 4);
    }

    #[test]
    fn a_small_deviation_of_large_delays_is_not_lost() {
        let base = 10_000_000_000_000;
        let stats = recorded(&[base, base + 2, base, base + 2]).stats().unwrap();
        assert!((stats.stddev - 1.0).abs() < 1e-6, "{}", stats.stddev);
    }

    #[test]
    fn the_smoothed_delay_follows_with_one_eighth() {
        assert_eq!(recorded(&[800, 1600]).ewma(), Some(Rtt::from_nanos(900)));
    }

    #[test]
    fn percentiles_are_exact_up_to_64_delays() {
        let values: Vec<u64> = (1..=64).rev().map(|n| n * 1_000_003).collect();
        let stats = recorded(&values).stats().unwrap();
        assert_eq!(stats.median, 32 * 1_000_003);
        assert_eq!(stats.p90, 58 * 1_000_003);
        assert_eq!(stats.p99, 64 * 1_000_003);
    }

    #[test]
    fn the_largest_delays_that_exist_are_taken() {
        let recorder = recorded(&[u64::MAX; 70]);
        assert_eq!(recorder.stats().unwrap().p99, u64::MAX);
    }

    #[test]
    fn memory_does_not_grow_with_the_number_of_delays() {
        let mut recorder = recorded(&[50_000_000; 65]);
        let size = |recorder: &RttRecorder| match &recorder.spread {
            Spread::Exact(_) => panic!("no histogram after 65 delays"),
            Spread::Binned(histogram) => histogram.kept(),
        };
        let take =
            |recorder: &mut RttRecorder| (0..1_000_000u64).for_each(|n| recorder.record(Rtt::from_nanos(n * 50)));
        take(&mut recorder);
        let before = size(&recorder);
        take(&mut recorder);
        assert_eq!(size(&recorder), before);
        assert_eq!(recorder.count(), 2_000_065);
    }

    proptest! {
        #[test]
        fn two_series_merged_are_as_one(
            one in proptest::collection::vec(1u64..20_000_000_000, 0..100),
            other in proptest::collection::vec(1u64..20_000_000_000, 0..100),
        ) {
            let mut merged = recorded(&one);
            merged.merge(&recorded(&other));
            let whole = recorded(&[one, other].concat());
            let about = |stats: RttStats| [stats.mean, stats.stddev, stats.min as f64, stats.max as f64, stats.median as f64, stats.p99 as f64];
            let (merged, whole) = (merged.stats().map(about), whole.stats().map(about));
            prop_assert_eq!(merged.is_some(), whole.is_some());
            for (merged, whole) in merged.into_iter().flatten().zip(whole.into_iter().flatten()) {
                prop_assert!((merged - whole).abs() <= whole.abs() * 2e-3 + 1.0, "{merged} {whole}");
            }
        }

        #[test]
        fn percentiles_keep_three_digits_and_order(values in proptest::collection::vec(1u64..20_000_000_000, 1..400)) {
            let stats = recorded(&values).stats().unwrap();
            for (got, percent) in [(stats.median, 50), (stats.p90, 90), (stats.p95, 95), (stats.p99, 99)] {
                let exact = nearest_rank(&values, percent);
                prop_assert!(got.abs_diff(exact) <= exact / 1000, "p{percent}: {got} for {exact}");
                if values.len() <= EXACT {
                    prop_assert_eq!(got, exact);
                }
            }
            prop_assert!(stats.min <= stats.median && stats.median <= stats.p90 && stats.p90 <= stats.p95);
            prop_assert!(stats.p95 <= stats.p99 && stats.p99 <= stats.max);
            prop_assert!(stats.min as f64 <= stats.mean * (1.0 + 1e-9) && stats.mean <= stats.max as f64 * (1.0 + 1e-9));
        }
    }
}
