//! Statistics over measurements, pure and in constant memory.

/// Round-trip delays of one series, summed up. Nanoseconds; only answers that count (no duplicates, no late ones).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RttStats {
    /// How many.
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
