//! A run over watched paths ([`Config`]), and the figures of a path ([`Report`]).

use std::sync::Arc;
use std::time::Duration;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::engine::condition::Judged;
use crate::engine::outcome::{Outcome, ProbeEvent};
use crate::metrics::{RttStats, VariationStats, percent};
use crate::trace::annotation::annotation;
use crate::trace::ends::{Began, StopReason};
use crate::trace::finding::Finding;
use crate::trace::hop::{Responder, labels};
use crate::types::{Rtt, Ttl};

/// A whole run.
#[derive(Clone, Debug)]
pub struct Config {
    /// The targets, and what the probes are. Probes per hop, flows, a limit of probes in flight and a pause between probes have
    /// no meaning here; of the waits only the longest has.
    pub trace: crate::trace::Config,
    /// How often every hop is probed.
    pub cycles: u64,
    /// From the start of one cycle to that of the next.
    pub interval: Duration,
    /// Whether the run is followed while it goes on: its figures are emitted once a cycle, and with them what happens to the
    /// path and to probes that are overdue.
    pub follow: bool,
}

/// The figures of one target.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// What was watched, and since when.
    pub began: Began,
    /// Why it ended; `None` if it has not yet.
    pub stop_reason: Option<StopReason>,
    /// Cycles in which the destination was probed.
    pub sent: u64,
    /// Those of them in which it answered.
    pub received: u64,
    /// Those in which an unreachable came instead.
    pub unreachable: u64,
    /// Those in which neither did.
    pub lost: u64,
    /// Those in which it still may.
    pub pending: u64,
    /// Cycles in which the kernel refused its probe.
    pub send_failed: u64,
    /// How far away the destination was, and in how many of the cycles that show it for certain; nearest first.
    pub distances: Vec<(Ttl, u64)>,
    /// Whether the destination cannot be nearer than the last hop; `None` if it never answered.
    pub distance_proven: Option<bool>,
    /// The hops up to the destination, or every hop that was probed while that is not known.
    pub hops: Vec<ReportHop>,
    /// How often the path changed; `None` where it was not followed.
    pub path_changes: Option<u64>,
    /// What a path that is followed shows by now, with the newest evidence; empty at its end.
    pub findings: Vec<Finding>,
    /// From start to end, or until now, nanoseconds.
    pub duration: u64,
    /// The conditions of the run.
    pub conditions: Vec<Judged>,
}

impl Report {
    /// Of a target that was not probed yet.
    pub(crate) fn empty(began: Began, stop_reason: Option<StopReason>) -> Report {
        Report {
            began,
            stop_reason,
            sent: 0,
            received: 0,
            unreachable: 0,
            lost: 0,
            pending: 0,
            send_failed: 0,
            distances: Vec::new(),
            distance_proven: None,
            hops: Vec::new(),
            path_changes: None,
            findings: Vec::new(),
            duration: 0,
            conditions: Vec::new(),
        }
    }

    /// The cycles that the destination did not answer: lost, unreachable or not sent.
    pub const fn missed(&self) -> u64 {
        self.lost + self.unreachable + self.send_failed
    }

    /// Those in percent of all that are decided.
    pub fn loss_pct(&self) -> Option<f64> {
        percent(self.missed(), self.received + self.missed())
    }
}

/// The figures of one hop.
#[derive(Clone, Debug, PartialEq)]
pub struct ReportHop {
    /// Its TTL.
    pub ttl: Ttl,
    /// Probes that left.
    pub sent: u64,
    /// Those of them that were answered from this hop.
    pub received: u64,
    /// Those for which an unreachable came.
    pub unreachable: u64,
    /// Those that were not answered.
    pub unanswered: u64,
    /// Those that still may be.
    pub pending: u64,
    /// Probes that the kernel refused.
    pub send_failed: u64,
    /// Whether later hops leave probes unanswered as well, see [`crate::trace::watch`]; `None` where everything is answered.
    pub persists: Option<bool>,
    /// The sources of its answers, the newest first; after them those that only sent an unreachable.
    pub responders: Vec<ReportResponder>,
    /// The round-trip time of the newest probe that was answered.
    pub last: Option<Rtt>,
    /// All of them; `None` if there is none.
    pub stats: Option<RttStats>,
    /// Their geometric mean, nanoseconds.
    pub geometric_mean: Option<f64>,
    /// How they vary; `None` before two of them.
    pub variation: Option<VariationStats>,
}

impl ReportHop {
    /// A hop that answered this many of its probes, and of which nothing else is known, for tests.
    #[cfg(test)]
    pub(crate) const fn counted(ttl: Ttl, sent: u64, received: u64) -> Self {
        ReportHop {
            ttl,
            sent,
            received,
            unreachable: 0,
            unanswered: sent - received,
            pending: 0,
            send_failed: 0,
            persists: None,
            responders: Vec::new(),
            last: None,
            stats: None,
            geometric_mean: None,
            variation: None,
        }
    }

    /// The probes that this hop did not answer, whether they were silent, refused on the way, or not sent.
    pub fn missing(&self) -> u64 {
        self.unanswered + self.unreachable + self.send_failed
    }

    /// The same, in percent of those that are decided.
    pub fn unanswered_pct(&self) -> Option<f64> {
        percent(self.missing(), self.received + self.missing())
    }

    /// Its geometric mean and how its round-trip times vary, in milliseconds, with their names in JSON and CSV.
    pub fn variations(&self) -> [(&'static str, Option<f64>); 5] {
        let of = |figure: fn(&VariationStats) -> f64| self.variation.as_ref().map(|stats| figure(stats) / 1e6);
        [
            ("geometric_mean_ms", self.geometric_mean.map(|nanos| nanos / 1e6)),
            ("ipdv_last_ms", of(|stats| stats.last)),
            ("ipdv_ms", of(|stats| stats.mean)),
            ("ipdv_max_ms", of(|stats| stats.max)),
            ("interarrival_jitter_ms", of(|stats| stats.interarrival)),
        ]
    }
}

impl Serialize for ReportHop {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(None)?;
        object.serialize_entry("ttl", &self.ttl)?;
        object.serialize_entry("sent", &self.sent)?;
        object.serialize_entry("received", &self.received)?;
        object.serialize_entry("unreachable", &self.unreachable)?;
        object.serialize_entry("unanswered", &self.unanswered)?;
        object.serialize_entry("pending", &self.pending)?;
        object.serialize_entry("send_failed", &self.send_failed)?;
        object.serialize_entry("unanswered_pct", &self.unanswered_pct())?;
        object.serialize_entry("unanswered_persists", &self.persists)?;
        object.serialize_entry("responders", &self.responders)?;
        object.serialize_entry("last_rtt_ms", &self.last)?;
        object.serialize_entry("rtt_stats_ms", &self.stats)?;
        for (name, value) in self.variations() {
            object.serialize_entry(name, &value)?;
        }
        object.end()
    }
}

/// A source of answers at a hop.
#[derive(Clone, Debug, PartialEq)]
pub struct ReportResponder {
    /// Its address, name and origins.
    pub responder: Responder,
    /// Its newest answer.
    pub newest: Arc<ProbeEvent>,
    /// How often it answered.
    pub received: u64,
    /// The different annotations of its answers, the newest first.
    pub annotations: Vec<String>,
}

impl Serialize for ReportResponder {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let newest = &self.newest;
        let extensions = if let Outcome::Error(error) = &newest.outcome { &*error.extensions } else { &[] };
        let mut object = serializer.serialize_map(None)?;
        self.responder.serialize_entries(&mut object)?;
        object.serialize_entry("received", &self.received)?;
        object.serialize_entry("reply_ttl", &newest.reply_ttl)?;
        object.serialize_entry("mpls", &labels(extensions))?;
        object.serialize_entry("annotation", &annotation(newest))?;
        object.serialize_entry("annotations", &self.annotations)?;
        object.end()
    }
}
