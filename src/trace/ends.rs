//! How a trace begins, and why it ends: [`Began`], [`StopReason`].

use std::sync::Arc;

use crate::engine::outcome::Subject;
use crate::types::{Ttl, WallTime, serialize_as_name};

/// The beginning of a trace or of the watch of a path.
#[derive(Clone, Debug, PartialEq)]
pub struct Began {
    /// What is traced, and how.
    pub subject: Arc<Subject>,
    /// The largest TTL that will be tried.
    pub max_ttl: Ttl,
    /// When.
    pub time: WallTime,
}

/// Why a trace or the watch of a path ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StopReason {
    /// The destination answered.
    Destination,
    /// An unreachable came.
    Unreachable,
    /// A port unreachable came from another address than the destination's.
    PortUnreachableElsewhere,
    /// That many hops in a row were silent.
    GapLimit,
    /// The largest TTL is used up.
    MaxTtl,
    /// The path goes in circles.
    Loop,
    /// All cycles of a watched path are over.
    Cycles,
    /// A signal.
    Interrupted,
    /// Nothing can be sent, or the name has no address.
    SendFailed,
}

impl StopReason {
    /// The name used in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            StopReason::Destination => "destination",
            StopReason::Unreachable => "unreachable",
            StopReason::PortUnreachableElsewhere => "port_unreachable_elsewhere",
            StopReason::GapLimit => "gap_limit",
            StopReason::MaxTtl => "max_ttl",
            StopReason::Loop => "loop",
            StopReason::Cycles => "cycles",
            StopReason::Interrupted => "interrupted",
            StopReason::SendFailed => "send_failed",
        }
    }
}

serialize_as_name!(StopReason);
