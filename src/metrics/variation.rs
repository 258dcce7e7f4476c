//! How delays vary from one probe to the next: [`Ipdv`] by sequence, [`InterarrivalJitter`] by arrival; and [`Variation`], all of
//! that of one hop.

use crate::types::Rtt;

/// Mean of |RTT of n − RTT of n−1| over consecutive probes that were both answered (RFC 3393, over round trips).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Ipdv {
    pairs: u64,
    mean: f64,
}

impl Ipdv {
    /// Takes the delays of two consecutive probes, each pair once, in any order.
    pub fn record(&mut self, one: Rtt, other: Rtt) {
        self.pairs += 1;
        let difference = one.as_nanos().abs_diff(other.as_nanos()) as f64;
        self.mean += (difference - self.mean) / self.pairs as f64;
    }

    /// Takes the pairs of another series as well.
    fn merge(&mut self, other: &Ipdv) {
        self.pairs += other.pairs;
        if other.pairs > 0 {
            self.mean += (other.mean - self.mean) * other.pairs as f64 / self.pairs as f64;
        }
    }

    /// Nanoseconds; `None` until two consecutive probes were answered.
    pub fn mean(&self) -> Option<f64> {
        (self.pairs > 0).then_some(self.mean)
    }
}

/// The smoothed jitter of RFC 3550 §6.4.1, over round trips in the order of arrival: J += (|D| − J) / 16.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct InterarrivalJitter {
    last: Option<Rtt>,
    jitter: Option<f64>,
}

impl InterarrivalJitter {
    /// Takes the next delay.
    pub fn record(&mut self, rtt: Rtt) {
        if let Some(last) = self.last.replace(rtt) {
            let difference = last.as_nanos().abs_diff(rtt.as_nanos()) as f64;
            // RFC 3550 starts at zero: the first difference, too, weighs a sixteenth.
            let jitter = self.jitter.unwrap_or(0.0);
            self.jitter = Some(jitter + (difference - jitter) / 16.0);
        }
    }

    /// Nanoseconds; `None` until two delays were taken.
    pub fn nanos(&self) -> Option<f64> {
        self.jitter
    }
}

/// Differences between successive answers of one series, whether or not a probe between them was lost.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Variation {
    last: Option<Rtt>,
    newest: Option<u64>,
    max: u64,
    mean: Ipdv,
    smoothed: InterarrivalJitter,
}

/// A summary of [`Variation`]. Nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct VariationStats {
    /// Between the newest answer and the one before it.
    pub last: f64,
    /// Arithmetic mean.
    pub mean: f64,
    /// The largest.
    pub max: f64,
    /// As [`InterarrivalJitter`].
    pub interarrival: f64,
}

impl Variation {
    /// Takes the next delay.
    pub fn record(&mut self, rtt: Rtt) {
        if let Some(last) = self.last.replace(rtt) {
            let difference = last.as_nanos().abs_diff(rtt.as_nanos());
            self.newest = Some(difference);
            self.max = self.max.max(difference);
            self.mean.record(last, rtt);
        }
        self.smoothed.record(rtt);
    }

    /// Takes the differences of another series as well, as if they had come later.
    pub fn merge(&mut self, other: &Variation) {
        self.max = self.max.max(other.max);
        self.mean.merge(&other.mean);
        if other.last.is_some() {
            (self.last, self.newest) = (other.last, other.newest.or(self.newest));
        }
        if other.smoothed.jitter.is_some() {
            self.smoothed = other.smoothed;
        }
    }

    /// The summary, once there are two delays.
    pub fn stats(&self) -> Option<VariationStats> {
        Some(VariationStats {
            last: self.newest? as f64,
            mean: self.mean.mean()?,
            max: self.max as f64,
            interarrival: self.smoothed.nanos()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipdv_is_the_mean_absolute_difference() {
        let mut ipdv = Ipdv::default();
        assert_eq!(ipdv.mean(), None);
        ipdv.record(Rtt::from_nanos(10), Rtt::from_nanos(14));
        ipdv.record(Rtt::from_nanos(20), Rtt::from_nanos(14));
        assert_eq!(ipdv.mean(), Some(5.0));
    }

    #[test]
    fn interarrival_jitter_is_the_filter_of_rfc_3550() {
        let mut jitter = InterarrivalJitter::default();
        jitter.record(Rtt::from_nanos(100));
        assert_eq!(jitter.nanos(), None);
        jitter.record(Rtt::from_nanos(260));
        assert_eq!(jitter.nanos(), Some(10.0));
        jitter.record(Rtt::from_nanos(260));
        assert_eq!(jitter.nanos(), Some(9.375));
    }

    fn variation(micros: &[u64]) -> Variation {
        let mut variation = Variation::default();
        micros.iter().for_each(|&micros| variation.record(Rtt::from_nanos(micros * 1000)));
        variation
    }

    #[test]
    fn differences_are_those_of_successive_answers() {
        assert_eq!(variation(&[100]).stats(), None);
        let stats = variation(&[100, 260, 260, 200]).stats().unwrap();
        assert_eq!((stats.last, stats.max), (60_000.0, 160_000.0));
        assert!((stats.mean - 220_000.0 / 3.0).abs() < 1e-6);
        assert!((stats.interarrival - (9375.0 + (60_000.0 - 9375.0) / 16.0)).abs() < 1e-6);
    }

    #[test]
    fn differences_of_two_series_come_together_and_the_newer_one_is_last() {
        let mut merged = variation(&[100, 140, 160]);
        merged.merge(&variation(&[10, 90]));
        let stats = merged.stats().unwrap();
        assert_eq!((stats.last, stats.max), (80_000.0, 80_000.0));
        assert!((stats.mean - 140_000.0 / 3.0).abs() < 1e-6);
        let before = variation(&[100, 140]);
        let mut same = before;
        same.merge(&Variation::default());
        assert_eq!(same, before);
    }
}
