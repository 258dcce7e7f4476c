//! Delays of one of very many targets: [`Brief`], which keeps only their count, minimum, sum and maximum.

use crate::types::Rtt;

/// A small summary of delays. Nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Brief {
    count: u32,
    min: u64,
    sum: u64,
    max: u64,
}

impl Brief {
    /// Its figures, for [`Brief::from_parts`].
    pub(crate) const fn parts(&self) -> [u64; 4] {
        [self.count as u64, self.min, self.sum, self.max]
    }

    /// The summary that has these figures.
    pub(crate) fn from_parts([count, min, sum, max]: [u64; 4]) -> Option<Self> {
        Some(Brief { count: u32::try_from(count).ok()?, min, sum, max })
    }
    /// Takes one delay.
    pub fn record(&mut self, rtt: Rtt) {
        let nanos = rtt.as_nanos();
        self.min = if self.count == 0 { nanos } else { self.min.min(nanos) };
        self.max = self.max.max(nanos);
        self.sum = self.sum.saturating_add(nanos);
        self.count = self.count.saturating_add(1);
    }

    /// The number of delays.
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// The smallest, nanoseconds; 0 of none.
    pub const fn min(&self) -> u64 {
        self.min
    }

    /// The largest, nanoseconds; 0 of none.
    pub const fn max(&self) -> u64 {
        self.max
    }

    /// Arithmetic mean in nanoseconds, once there is one.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum as f64 / f64::from(self.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_are_summarised() {
        let mut brief = Brief::default();
        assert_eq!(brief.mean(), None);
        for nanos in [30, 10, 50] {
            brief.record(Rtt::from_nanos(nanos));
        }
        assert_eq!((brief.count(), brief.min(), brief.mean(), brief.max()), (3, 10, Some(30.0), 50));
    }
}
