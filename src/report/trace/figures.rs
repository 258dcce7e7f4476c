//! The figures of a path, for formats of finished runs: [`PathFigures`].

use std::time::Duration;

use crate::metrics::{DelayFigures, percent};
use crate::report::ping::labels;
use crate::report::trace::TraceView;
use crate::report::words::gauges::Label;
use crate::trace::watch::Report;
use crate::trace::{Began, Responder, StopReason, Trace, path_hash};
use crate::types::{Ttl, WallTime};

/// The figures of a trace or of a report.
pub(super) struct PathFigures<'a> {
    began: &'a Began,
    pub reached: bool,
    pub stop_reason: Option<StopReason>,
    duration: u64,
    pub hops: Vec<HopFigures<'a>>,
}

/// A hop of a trace or of a report.
pub(super) struct HopFigures<'a> {
    pub ttl: Ttl,
    pub responders: Vec<&'a Responder>,
    pub sent: u64,
    pub received: u64,
    pub unanswered_pct: Option<f64>,
    pub rtt: Option<DelayFigures>,
}

impl<'a> From<&'a Trace> for PathFigures<'a> {
    fn from(trace: &'a Trace) -> Self {
        let hops = trace.hops.iter().map(|hop| {
            let (sent, received) = (hop.probes.len() as u64, hop.responses().count() as u64);
            HopFigures {
                ttl: hop.ttl,
                responders: hop.responders.iter().collect(),
                sent,
                received,
                unanswered_pct: percent(sent - received, sent),
                rtt: hop.rtt_stats().map(|stats| stats.figures()),
            }
        });
        PathFigures {
            began: &trace.began,
            reached: trace.reached,
            stop_reason: Some(trace.stop_reason),
            duration: trace.duration,
            hops: hops.collect(),
        }
    }
}

impl<'a> From<&'a Report> for PathFigures<'a> {
    fn from(report: &'a Report) -> Self {
        let hops = report.hops.iter().map(|hop| HopFigures {
            ttl: hop.ttl,
            responders: hop.responders.iter().map(|responder| &responder.responder).collect(),
            sent: hop.sent,
            received: hop.received,
            unanswered_pct: hop.unanswered_pct(),
            rtt: hop.stats.map(|stats| stats.figures()),
        });
        PathFigures {
            began: &report.began,
            reached: report.received > 0,
            stop_reason: report.stop_reason,
            duration: report.duration,
            hops: hops.collect(),
        }
    }
}

impl PathFigures<'_> {
    /// What distinguishes the path from others.
    pub fn labels(&self, view: TraceView) -> Vec<Label> {
        let subject = &self.began.subject;
        let flow = subject.flow.filter(|_| view.has_flows());
        labels(subject).into_iter().chain(flow.map(|flow| ("flow", flow.to_string()))).collect()
    }

    /// When it ended.
    pub fn end(&self) -> WallTime {
        self.began.time.saturating_add(Duration::from_nanos(self.duration))
    }

    /// The TTL of the last hop that answered; 0 if none did.
    pub fn last_ttl(&self) -> u8 {
        self.hops.iter().rev().find(|hop| !hop.responders.is_empty()).map_or(0, |hop| hop.ttl.get())
    }

    /// 48 bits of FNV-1a, which a float holds, over the set of routers of each hop; silent hops add nothing.
    pub fn hash(&self) -> u64 {
        let addresses =
            |hop: &HopFigures<'_>| hop.responders.iter().map(|responder| responder.address).collect::<Vec<_>>();
        path_hash(self.hops.iter().map(|hop| (hop.ttl, addresses(hop))))
    }
}
