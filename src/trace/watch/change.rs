//! What happens to a watched path and to the run: [`Change`].

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::channel::{OsError, RunChange};
use crate::engine::outcome::Subject;
use crate::trace::finding::Finding;
use crate::types::{Rtt, Ttl, WallTime};

/// Something that happened while a path was watched.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// To which path.
    pub subject: Arc<Subject>,
    /// When.
    pub at: WallTime,
    /// What.
    pub kind: ChangeKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ChangeKind {
    /// Routers were replaced; the path is the `path`th that was seen, and this is the median delay of the destination before and
    /// after.
    PathChanged { hops: Vec<HopChange>, path: u64, before: Option<Rtt>, after: Option<Rtt> },
    /// The destination is another number of hops away.
    LengthChanged { before: Vec<Ttl>, after: Ttl },
    /// Some cycles in a row were lost, in which no hop from `first` on answered.
    LossBurst { first: Option<Ttl>, probes: u64, lasted: Duration },
    /// The destination has not answered for many cycles.
    Outage { first: Option<Ttl> },
    /// A router reports that probes cannot be delivered, with traceroute's mark for how; the hop is its own, where that is known.
    Refused { ttl: Ttl, responder: IpAddr, mark: String },
    /// It answers again.
    Back { probes: u64, lasted: Duration },
    /// The delay of the destination is another, and stays so.
    LatencyShift { before: Rtt, after: Rtt },
    /// A router shows other MPLS labels.
    LabelChanged { ttl: Ttl, before: Vec<u32>, after: Vec<u32> },
    /// The path shows something, from now on.
    Finding { finding: Finding },
    /// It has not shown that for long.
    FindingEnded { finding: Finding },
    /// The kernel refuses probes.
    SendFailed { error: OsError },
    /// The wall clock was stepped by this many nanoseconds; negative if it was set back.
    ClockStepped { by: i64 },
    /// The user paused the run.
    Paused,
    /// It went on.
    Resumed,
    /// The statistics began anew.
    Reset,
    /// Cycles are this long from now on.
    Interval(Duration),
}

/// The routers of a hop before and after a change.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HopChange {
    /// The hop.
    pub ttl: Ttl,
    /// Before.
    pub before: Vec<IpAddr>,
    /// After.
    pub after: Vec<IpAddr>,
}

impl ChangeKind {
    /// The name used in JSON.
    pub const fn code(&self) -> &'static str {
        match self {
            ChangeKind::PathChanged { .. } => "path_changed",
            ChangeKind::LengthChanged { .. } => "length_changed",
            ChangeKind::LossBurst { .. } => "loss_burst",
            ChangeKind::Outage { .. } => "outage",
            ChangeKind::Refused { .. } => "refused",
            ChangeKind::Back { .. } => "back",
            ChangeKind::LatencyShift { .. } => "latency_shift",
            ChangeKind::LabelChanged { .. } => "label_changed",
            ChangeKind::Finding { .. } => "finding",
            ChangeKind::FindingEnded { .. } => "finding_ended",
            ChangeKind::SendFailed { .. } => "send_failed",
            ChangeKind::ClockStepped { .. } => "clock_stepped",
            ChangeKind::Paused => "paused",
            ChangeKind::Resumed => "resumed",
            ChangeKind::Reset => "reset",
            ChangeKind::Interval(_) => "interval",
        }
    }

    /// Whether the path is another.
    pub const fn is_of_path(&self) -> bool {
        matches!(self, ChangeKind::PathChanged { .. } | ChangeKind::LengthChanged { .. })
    }

    /// Whether it is one of all flows to a target.
    pub const fn is_of_flows(&self) -> bool {
        let (ChangeKind::Finding { finding } | ChangeKind::FindingEnded { finding }) = self else { return false };
        matches!(finding, Finding::FlowLoss { .. })
    }
}

/// Whether two findings are the same with other evidence.
pub fn is_same_finding(one: &Finding, other: &Finding) -> bool {
    match (one, other) {
        // Where the flows begin to differ may be seen elsewhere later.
        (Finding::FlowLoss { flows, .. }, Finding::FlowLoss { flows: others, .. }) => flows == others,
        // A path has one loss, wherever it begins and however far away the destination is by now.
        (Finding::Loss { .. }, Finding::Loss { .. }) => true,
        _ => (one.code(), one.ttl()) == (other.code(), other.ttl()),
    }
}

impl From<RunChange> for ChangeKind {
    fn from(change: RunChange) -> Self {
        match change {
            RunChange::Pause => ChangeKind::Paused,
            RunChange::Resume => ChangeKind::Resumed,
            RunChange::Reset => ChangeKind::Reset,
            RunChange::Interval(interval) => ChangeKind::Interval(interval),
        }
    }
}
