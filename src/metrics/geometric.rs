//! The geometric mean of delays: [`GeometricMean`].

use crate::types::Rtt;

/// Takes delays one by one. A few slow answers raise it less than the arithmetic mean.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct GeometricMean {
    count: u64,
    /// The mean of the logarithms.
    mean: f64,
}

impl GeometricMean {
    /// Takes one delay.
    pub fn record(&mut self, rtt: Rtt) {
        self.count += 1;
        // A delay of 0 has no logarithm; the clocks resolve a nanosecond.
        let logarithm = (rtt.as_nanos().max(1) as f64).ln();
        self.mean += (logarithm - self.mean) / self.count as f64;
    }

    /// Takes the delays of another series as well.
    pub fn merge(&mut self, other: &GeometricMean) {
        self.count += other.count;
        if other.count > 0 {
            self.mean += (other.mean - self.mean) * other.count as f64 / self.count as f64;
        }
    }

    /// Whole nanoseconds, once there is a delay: logarithms are not exact, nor the same everywhere.
    pub fn nanos(&self) -> Option<f64> {
        (self.count > 0).then(|| self.mean.exp().round())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean(nanos: &[u64]) -> GeometricMean {
        let mut mean = GeometricMean::default();
        nanos.iter().for_each(|&nanos| mean.record(Rtt::from_nanos(nanos)));
        mean
    }

    #[test]
    fn the_geometric_mean_is_the_root_of_the_product() {
        assert_eq!(mean(&[]).nanos(), None);
        assert_eq!(mean(&[1_000_000, 4_000_000]).nanos(), Some(2_000_000.0));
        let mut merged = mean(&[2, 8]);
        merged.merge(&mean(&[4]));
        assert_eq!(merged.nanos(), Some(4.0));
        assert_eq!(mean(&[0]).nanos(), Some(1.0));
    }
}
