//! All that is measured of the delays of a series: [`DelayRecorder`], and what they come to: [`DelayStats`].

use serde::ser::SerializeMap;

use super::{InterarrivalJitter, Ipdv, RttRecorder, RttStats};
use crate::types::Rtt;

/// Delays of a series, as they come.
#[derive(Clone, Debug, Default)]
pub struct DelayRecorder {
    /// The delays.
    pub rtts: RttRecorder,
    /// The differences of pairs, where more than their mean is wanted.
    pub differences: RttRecorder,
    ipdv: Ipdv,
    jitter: InterarrivalJitter,
}

impl DelayRecorder {
    /// Takes the next delay, in the order of arrival.
    pub fn record(&mut self, rtt: Rtt) {
        self.rtts.record(rtt);
        self.jitter.record(rtt);
    }

    /// Takes the delays of two consecutive probes, each pair once, in any order.
    pub fn record_pair(&mut self, one: Rtt, other: Rtt, with_differences: bool) {
        self.ipdv.record(one, other);
        if with_differences {
            self.differences.record(Rtt::from_nanos(one.as_nanos().abs_diff(other.as_nanos())));
        }
    }

    /// What they come to.
    pub fn stats(&self) -> DelayStats {
        DelayStats {
            rtt: self.rtts.stats(),
            ewma: self.rtts.ewma().map(Rtt::as_nanos),
            ipdv: self.ipdv.mean(),
            interarrival_jitter: self.jitter.nanos(),
        }
    }
}

/// What the delays of a series come to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct DelayStats {
    /// The delays; `None` if there is none.
    pub rtt: Option<RttStats>,
    /// Exponentially weighted mean of the delays (weight 1/8), nanoseconds.
    pub ewma: Option<u64>,
    /// As [`Ipdv`], nanoseconds.
    pub ipdv: Option<f64>,
    /// As [`InterarrivalJitter`], nanoseconds.
    pub interarrival_jitter: Option<f64>,
}

impl DelayStats {
    /// Adds its keys to an object of JSON.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize_entries<M: SerializeMap>(&self, object: &mut M) -> Result<(), M::Error> {
        object.serialize_entry("rtt_stats_ms", &self.rtt)?;
        object.serialize_entry("ipdv_ms", &self.ipdv.map(|nanos| nanos / 1e6))?;
        object.serialize_entry("interarrival_jitter_ms", &self.interarrival_jitter.map(|nanos| nanos / 1e6))
    }
}
