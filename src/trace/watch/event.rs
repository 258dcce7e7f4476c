//! What a report is to be ([`Config`]), and what it tells ([`Event`]).

use std::net::IpAddr;
use std::time::Duration;

use crate::channel::OsError;
use crate::metrics::RttStats;
use crate::trace::{Answer, Start, TraceId};
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
}

/// What a run of reports tells. Of each target: one `Start`, one `End`.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A report begins.
    Start(Box<Start>),
    /// A reverse lookup is wanted; the answer is to come as [`crate::channel::Control::Name`].
    NameWanted(IpAddr),
    /// The kernel refused a probe, otherwise than the one before.
    SendFailed {
        /// Of which report.
        trace: TraceId,
        /// What the kernel said.
        error: OsError,
    },
    /// The figures so far of each report under way, which were asked for (SIGQUIT).
    Interim(Vec<Report>),
    /// A report is over.
    End(Box<Report>),
}

/// Why a report ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All cycles are over.
    Cycles,
    /// A signal.
    Interrupted,
    /// Nothing can be sent, or the name has no address.
    SendFailed,
}

impl Ended {
    /// The name used in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Ended::Cycles => "cycles",
            Ended::Interrupted => "interrupted",
            Ended::SendFailed => "send_failed",
        }
    }
}

/// The figures of one target.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Which.
    pub trace: TraceId,
    /// Why it ended; `None` if it has not yet.
    pub ended: Option<Ended>,
    /// Cycles in which the destination was asked.
    pub sent: u64,
    /// Those of them in which it answered.
    pub received: u64,
    /// Those in which it did not.
    pub lost: u64,
    /// Those in which it still may.
    pub pending: u64,
    /// How far away the destination was, in how many of the cycles that tell it for certain; nearest first.
    pub distances: Vec<(Ttl, u64)>,
    /// Probes that the kernel refused.
    pub send_failed: u64,
    /// The hops up to the destination, or every hop that was probed while that is not known.
    pub hops: Vec<ReportHop>,
    /// From start to end, or until now, nanoseconds.
    pub duration: u64,
}

impl Report {
    /// Of a target that was not probed yet.
    pub(super) fn empty(trace: TraceId, ended: Option<Ended>) -> Report {
        Report {
            trace,
            ended,
            sent: 0,
            received: 0,
            lost: 0,
            pending: 0,
            distances: Vec::new(),
            send_failed: 0,
            hops: Vec::new(),
            duration: 0,
        }
    }
}

/// The figures of one hop.
#[derive(Clone, Debug, PartialEq)]
pub struct ReportHop {
    /// Its TTL.
    pub ttl: Ttl,
    /// Probes that left.
    pub sent: u64,
    /// Those of them that were answered.
    pub received: u64,
    /// Those that were not.
    pub unanswered: u64,
    /// Those that still may be.
    pub pending: u64,
    /// Whether what is unanswered here is so behind it, too, see [`crate::trace::watch`]; `None` where everything is answered.
    pub persists: Option<bool>,
    /// Who answered, first the one that did last.
    pub responders: Vec<ReportResponder>,
    /// The round-trip time of the newest probe that was answered.
    pub last: Option<Rtt>,
    /// All of them; `None` if there is none.
    pub stats: Option<RttStats>,
}

/// Somebody who answered at a hop.
#[derive(Clone, Debug, PartialEq)]
pub struct ReportResponder {
    /// Its newest answer.
    pub newest: Answer,
    /// How often it answered.
    pub received: u64,
}
