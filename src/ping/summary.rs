//! The figures of a series: [`Counts`], [`Summary`], and [`Interim`] ones.

use std::net::IpAddr;
use std::sync::Arc;

use serde::ser::{SerializeMap, SerializeStruct};
use serde::{Serialize, Serializer};

use crate::engine::condition::{Facts, Judged};
use crate::engine::outcome::{State, Status, Subject};
pub use crate::metrics::{Counts, StampCounts};
use crate::metrics::{DelayStats, RttStats, Voice};
use crate::types::{Rtt, WallTime};

/// Figures of a running series.
#[derive(Clone, Debug, PartialEq)]
pub struct Interim {
    /// The subject.
    pub subject: Arc<Subject>,
    /// Counts so far.
    pub counts: Counts,
    /// Delays so far.
    pub delays: DelayStats,
}

/// A series is over.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// The subject.
    pub subject: Arc<Subject>,
    /// When the first probe was sent.
    pub began: Option<WallTime>,
    /// Outcomes of its probes.
    pub counts: Counts,
    /// Whether it answered as often as was asked, and the conditions hold.
    pub status: Status,
    /// The conditions of the run.
    pub conditions: Vec<Judged>,
    /// The state of the target. For ICMP and STAMP set only if it could not be probed; else `None` if no probe was decided.
    pub state: Option<State>,
    /// Whether silent probes are put down to a limit on how often the target reports that the port is closed; `None` for methods
    /// that have no such reports.
    pub rate_limited: Option<bool>,
    /// How often the kernel repeated SYNs; `None` for methods without them.
    pub syn_retransmits: Option<u64>,
    /// Delays of what came back over connections (from the data sent to the answer).
    pub answer: Option<RttStats>,
    /// The figures of a STAMP reflector; `None` for other methods.
    pub reflection: Option<Box<ReflectionStats>>,
    /// All hosts that answered a multicast or broadcast target, in order of first answers; empty for other targets.
    pub responders: Vec<Responder>,
    /// Delays of the replies that count.
    pub delays: DelayStats,
    /// How a call would sound, if that was asked for.
    pub voice: Option<Voice>,
    /// The most probes that were in flight when one was answered, from that one to the newest, as ping's `pipe`; 0 if none
    /// was answered.
    pub pipe: u64,
    /// Which stamps the counted replies have.
    pub stamps: StampCounts,
    /// From the first probe's leaving to the last packet of the series, sent or arrived, nanoseconds.
    pub duration: u64,
}

impl Summary {
    /// What conditions may ask.
    pub(super) fn facts(&self) -> Facts {
        Facts {
            ipdv: self.delays.ipdv,
            voice: self.voice,
            ..Facts::of(&self.counts, self.delays.rtt.as_ref().map(RttStats::figures))
        }
    }
}

/// The results of a STAMP session.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReflectionStats {
    /// Packets lost on the way there, and on the way back, up to the last answer; `None` if the reflector keeps no count of
    /// its own, or did not show that it does.
    pub lost: Option<(u64, u64)>,
    /// How long the reflector kept packets, once it answered.
    pub reflector: Option<RttStats>,
    /// Delays without that.
    pub rtt_net: Option<RttStats>,
    /// One-way delays, where both clocks are kept in step with UTC.
    pub one_way: Option<OneWayStats>,
}

impl ReflectionStats {
    /// Adds its keys to an object of JSON.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize_entries<M: SerializeMap>(&self, object: &mut M) -> Result<(), M::Error> {
        let (there, back) = self.lost.unzip();
        object.serialize_entry("lost_there", &there)?;
        object.serialize_entry("lost_back", &back)?;
        object.serialize_entry("reflector_stats_ms", &self.reflector)?;
        object.serialize_entry("rtt_net_stats_ms", &self.rtt_net)?;
        object.serialize_entry("there_stats_ms", &self.one_way.map(|one_way| one_way.there))?;
        object.serialize_entry("back_stats_ms", &self.one_way.map(|one_way| one_way.back))?;
        object.serialize_entry("clock_error_ms", &self.one_way.map(|one_way| Rtt::from_nanos(one_way.error)))
    }
}

/// One-way delays of a STAMP session, nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OneWayStats {
    /// The way there.
    pub there: Spread,
    /// The way back.
    pub back: Spread,
    /// The largest error that both clocks together stated.
    pub error: u64,
}

/// Smallest, mean and largest of some delays that may be negative, nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The smallest.
    pub min: i64,
    /// Arithmetic mean.
    pub mean: f64,
    /// The largest.
    pub max: i64,
}

/// Milliseconds.
impl Serialize for Spread {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Spread", 3)?;
        object.serialize_field("min", &(self.min as f64 / 1e6))?;
        object.serialize_field("mean", &(self.mean / 1e6))?;
        object.serialize_field("max", &(self.max as f64 / 1e6))?;
        object.end()
    }
}

/// A host that answered a multicast or broadcast target.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Responder {
    /// Its address.
    pub address: IpAddr,
    /// Probes it answered in time.
    pub received: u64,
    /// Further answers of its to a probe it had answered.
    pub duplicates: u64,
    /// Answers after the wait.
    pub late: u64,
    /// Delays of those in time.
    #[serde(rename = "rtt_stats_ms")]
    pub rtt: Option<RttStats>,
}
