//! How often each delay was measured: [`Distribution`].

use std::collections::BTreeMap;

use crate::types::Rtt;

/// The width of a bin: the next begins 2 % above it. From a microsecond to a minute there are some 900.
const WIDTH: f64 = 1.02;
const LEAST: f64 = 1e3;

/// Round-trip times in bins that are as wide in proportion.
#[derive(Clone, Debug, Default)]
pub struct Distribution {
    bins: BTreeMap<u32, u64>,
}

impl Distribution {
    /// Counts one.
    pub fn add(&mut self, rtt: Rtt) {
        let bin = (rtt.as_nanos() as f64).max(LEAST).log(WIDTH) + 1e-9;
        *self.bins.entry(bin as u32).or_default() += 1;
    }

    /// In at most `most` bars from the fastest to the slowest: where each begins, in nanoseconds, and how many there are.
    pub fn bars(&self, most: usize) -> Vec<(f64, u64)> {
        let ends = self.bins.keys().next().zip(self.bins.keys().next_back());
        let (Some((&first, &last)), Ok(most @ 1..)) = (ends, u32::try_from(most)) else { return Vec::new() };
        let width = (last - first + 1).div_ceil(most);
        let bar = |at: u32| {
            let from = first + at * width;
            let count = self.bins.range(from..from + width).map(|(_, count)| count).sum();
            (WIDTH.powi(i32::try_from(from).unwrap_or(i32::MAX)), count)
        };
        (0..(last - first + 1).div_ceil(width)).map(bar).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_cover_everything_from_the_fastest_to_the_slowest() {
        let mut distribution = Distribution::default();
        assert!(distribution.bars(5).is_empty());
        for millis in [70, 70, 70, 71, 76, 82] {
            distribution.add(Rtt::from_nanos(millis * 1_000_000));
        }
        let bars = distribution.bars(5);
        assert!(bars.len() <= 5 && bars.iter().map(|(_, count)| count).sum::<u64>() == 6, "{bars:?}");
        assert!((68e6..=70e6).contains(&bars[0].0) && bars[0].1 >= 3, "{bars:?}");
        assert!(bars.windows(2).all(|pair| pair[0].0 < pair[1].0), "{bars:?}");
        assert_eq!(distribution.bars(1).len(), 1);
        assert!(distribution.bars(0).is_empty());
        distribution.add(Rtt::from_nanos(u64::MAX));
        distribution.add(Rtt::from_nanos(0));
        assert!(distribution.bars(8).len() <= 8);
    }
}
