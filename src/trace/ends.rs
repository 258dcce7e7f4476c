//! How a trace begins, and why it ends: [`Began`], [`StopReason`].

use std::sync::Arc;

use crate::engine::outcome::Subject;
use crate::types::{Ttl, WallTime, named};

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

named! {
    /// Why a trace or the watch of a path ended.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    #[non_exhaustive]
    pub enum StopReason {
        /// The destination answered.
        Destination = "destination",
        /// An unreachable came.
        Unreachable = "unreachable",
        /// A port unreachable came from another address than the destination's.
        PortUnreachableElsewhere = "port_unreachable_elsewhere",
        /// That many hops in a row were silent.
        GapLimit = "gap_limit",
        /// The largest TTL is used up.
        MaxTtl = "max_ttl",
        /// The path goes in circles.
        Loop = "loop",
        /// All cycles of a watched path are over.
        Cycles = "cycles",
        /// A signal.
        Interrupted = "interrupted",
        /// Nothing can be sent, or the name has no address.
        SendFailed = "send_failed",
    }
}
