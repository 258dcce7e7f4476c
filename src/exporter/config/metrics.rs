//! Which metrics there are: [`MetricsOptions`], and what is looked up for them: [`RouterFacts`].

use std::sync::Arc;
use std::time::Duration;

use super::schema::{self, Histogram, Names};

/// smokeping_prober's buckets, 50 µs and its doubles: the first of them, and all that it has.
const BUCKETS: u32 = 16;
const SMOKEPING_BUCKETS: u32 = 20;
const FIRST_BUCKET: f64 = 5e-5;

/// Which metrics there are.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricsOptions {
    pub names: Names,
    /// The bounds of classic histograms, if there are any.
    pub buckets: Arc<[f64]>,
    /// Whether there are native histograms.
    pub native: bool,
    /// What gauges look back on, if there are any that do.
    pub window: Option<Duration>,
    /// As many probes in a row without an answer make a target down.
    pub up_after: u32,
}

/// What is looked up of the routers of paths. Only the start decides that, as the thread for it has to be there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RouterFacts {
    /// Their names.
    pub names: bool,
    /// The systems that announce their addresses.
    pub origins: bool,
}

impl MetricsOptions {
    /// What a configuration says of them.
    ///
    /// # Errors
    /// A sentence.
    pub fn read(from: &schema::Metrics) -> Result<MetricsOptions, String> {
        let names = from.names.unwrap_or_default();
        let count = if names == Names::Netprobe { BUCKETS } else { SMOKEPING_BUCKETS };
        let usual = || (0..count).map(|power| FIRST_BUCKET * f64::from(1u32 << power)).collect();
        let histogram = from.histogram.unwrap_or_default();
        let buckets: Vec<f64> = match histogram {
            Histogram::Classic | Histogram::Both => from.buckets.clone().unwrap_or_else(usual),
            Histogram::Native | Histogram::None => Vec::new(),
        };
        let rising = buckets.iter().zip(buckets.iter().skip(1)).all(|(one, next)| one < next);
        if !rising || buckets.len() > 100 || buckets.iter().any(|bound| !(bound.is_finite() && *bound > 0.0)) {
            return Err("metrics.buckets: at most 100 bounds in seconds, each larger than the one before".to_owned());
        }
        let window = from.window.map_or(Duration::from_secs(60), |time| time.0);
        if !(Duration::from_secs(1)..=Duration::from_secs(3600)).contains(&window) {
            return Err("metrics.window: from 1s to 1h".to_owned());
        }
        let up_after = from.up_after.unwrap_or(3);
        if !(1..=64).contains(&up_after) {
            return Err("metrics.up_after: from 1 to 64".to_owned());
        }
        Ok(MetricsOptions {
            names,
            buckets: buckets.into(),
            native: matches!(histogram, Histogram::Native | Histogram::Both),
            window: from.windows.unwrap_or(true).then_some(window),
            up_after,
        })
    }
}

impl RouterFacts {
    /// What a configuration says of them.
    pub fn read(from: &schema::Metrics) -> RouterFacts {
        RouterFacts { names: from.router_names.unwrap_or_default(), origins: from.router_origins.unwrap_or_default() }
    }
}

/// Keys of a later file go before those of an earlier one.
pub fn later(before: schema::Metrics, after: schema::Metrics) -> schema::Metrics {
    schema::Metrics {
        names: after.names.or(before.names),
        histogram: after.histogram.or(before.histogram),
        buckets: after.buckets.or(before.buckets),
        window: after.window.or(before.window),
        windows: after.windows.or(before.windows),
        up_after: after.up_after.or(before.up_after),
        router_names: after.router_names.or(before.router_names),
        router_origins: after.router_origins.or(before.router_origins),
    }
}
