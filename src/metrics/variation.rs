//! How delays vary from one probe to the next: [`Ipdv`] by sequence, [`InterarrivalJitter`] by arrival.

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
}
