//! Targets that come and go: [`Change`]s, and what a run waits for ([`Until`]).

use std::sync::Arc;

use crate::engine::outcome::{ProbeEvent, Subject};
use crate::metrics::PresenceChange;
use crate::types::WallTime;

/// A change of a target.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The target.
    pub subject: Arc<Subject>,
    /// When it was noticed.
    pub at: WallTime,
    /// What it is.
    pub kind: PresenceChange,
    /// Why there was no reply, where that is known.
    pub failure: Option<Arc<ProbeEvent>>,
}

/// What a run waits for; it ends with that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Until {
    /// Answers, or else losses.
    pub up: bool,
    /// How many in a row.
    pub count: u64,
    /// Whether one target is enough.
    pub any: bool,
}
