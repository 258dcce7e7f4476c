//! Delays by how long they are: [`Histogram`].

use std::sync::Arc;

use super::config::MetricsOptions;

/// Delays in buckets between bounds that are given (classic), in buckets that grow by a twelfth each (native), in both, or only summed.
#[derive(Clone, Debug)]
pub struct Histogram {
    bounds: Arc<[f64]>,
    counts: Box<[u64]>,
    native: Option<Vec<(i32, u64)>>,
    pub sum: f64,
    pub count: u64,
}

/// Of native buckets: as many are from one power of two to the next as this power of two.
pub const SCHEMA: i32 = 3;

/// Buckets of a native histogram, as they are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sparse {
    /// Rows of buckets that are not empty: how many are left out before each (before the first: its number), and how many it has.
    pub spans: Vec<(i32, u32)>,
    /// The count of each, less that of the one before.
    pub deltas: Vec<i64>,
}

impl Histogram {
    pub fn new(bounds: &Arc<[f64]>) -> Self {
        let counts = vec![0; bounds.len()].into();
        Histogram { bounds: Arc::clone(bounds), counts, native: None, sum: 0.0, count: 0 }
    }

    /// One that has the buckets which these options ask for.
    pub fn of(options: &MetricsOptions) -> Self {
        Histogram { native: options.native.then(Vec::new), ..Histogram::new(&options.buckets) }
    }

    /// Whether it has the buckets which these options ask for.
    pub fn suits(&self, options: &MetricsOptions) -> bool {
        self.bounds == options.buckets && self.native.is_some() == options.native
    }

    pub fn record(&mut self, seconds: f64) {
        let at = self.bounds.partition_point(|&bound| bound < seconds);
        if let Some(count) = self.counts.get_mut(at) {
            *count += 1;
        }
        if let Some(native) = &mut self.native {
            let number = bucket(seconds);
            match native.binary_search_by_key(&number, |(number, _)| *number) {
                Ok(at) => native[at].1 += 1,
                Err(at) => native.insert(at, (number, 1)),
            }
        }
        self.sum += seconds;
        self.count += 1;
    }

    /// Whether there are any buckets.
    pub fn has_buckets(&self) -> bool {
        !self.bounds.is_empty() || self.native.is_some()
    }

    /// Each upper bound with the number of delays between it and the one before, infinity included.
    pub fn buckets(&self) -> Vec<(f64, u64)> {
        let bounded: u64 = self.counts.iter().sum();
        let above = (f64::INFINITY, self.count - bounded);
        self.bounds.iter().copied().zip(self.counts.iter().copied()).chain([above]).collect()
    }

    /// The native buckets, if it has any.
    pub fn sparse(&self) -> Option<Sparse> {
        let native = self.native.as_ref()?;
        let (mut sparse, mut next, mut before) = (Sparse::default(), 0, 0);
        for &(number, count) in native {
            match sparse.spans.last_mut().filter(|_| number == next) {
                Some((_, buckets)) => *buckets += 1,
                None => sparse.spans.push((number - next, 1)),
            }
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            sparse.deltas.push(count - before);
            (next, before) = (number + 1, count);
        }
        Some(sparse)
    }
}

/// The number of the native bucket for this delay: bucket n ends with 2^(n / 2^SCHEMA), bound included.
fn bucket(seconds: f64) -> i32 {
    // Whatever is less than a nanosecond is one.
    (seconds.max(1e-9).log2() * f64::from(1 << SCHEMA)).ceil() as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_on_a_bound_is_within_it() {
        let mut histogram = Histogram::new(&vec![0.001, 0.01].into());
        [0.0005, 0.001, 0.002, 5.0].into_iter().for_each(|seconds| histogram.record(seconds));
        assert_eq!(histogram.buckets(), [(0.001, 2), (0.01, 1), (f64::INFINITY, 1)]);
        assert_eq!(histogram.count, 4);
        assert_eq!(histogram.sparse(), None);
    }

    #[test]
    fn native_buckets_are_rows_with_gaps_between_them() {
        let mut histogram = Histogram { native: Some(Vec::new()), ..Histogram::new(&Arc::from([])) };
        assert_eq!(histogram.sparse(), Some(Sparse::default()));
        // Bounds of powers of two are those of buckets 0, 8 and -8; what is a little more is in the next.
        [1.0, 1.0, 1.01, 2.0, 0.5, 1.0].into_iter().for_each(|seconds| histogram.record(seconds));
        let sparse = Sparse { spans: vec![(-8, 1), (7, 2), (6, 1)], deltas: vec![1, 2, -2, 0] };
        assert_eq!(histogram.sparse(), Some(sparse));
        assert_eq!(histogram.buckets(), [(f64::INFINITY, 6)]);
    }

    #[test]
    fn every_delay_that_can_be_has_a_bucket() {
        for seconds in [0.0, 1e-9, 1e-6, 0.05, 3600.0, f64::MAX] {
            let bound = |number: i32| (f64::from(number) / 8.0).exp2();
            let number = bucket(seconds);
            let least = seconds.max(1e-9);
            assert!(
                bound(number) >= least * 0.999_999 && bound(number - 1) <= least * 1.000_001,
                "{seconds}: {number}"
            );
        }
    }
}
