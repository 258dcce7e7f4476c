//! What happens to a watched path and to the run: [`Change`].

use std::sync::Arc;
use std::time::Duration;

use crate::channel::RunChange;
use crate::engine::outcome::Subject;
use crate::types::WallTime;

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
    /// The user paused the run.
    Paused,
    /// It went on.
    Resumed,
    /// The statistics began anew.
    Reset,
    /// Cycles are this long from now on.
    Interval(Duration),
}

impl ChangeKind {
    /// The name used in JSON.
    pub const fn code(&self) -> &'static str {
        match self {
            ChangeKind::Paused => "paused",
            ChangeKind::Resumed => "resumed",
            ChangeKind::Reset => "reset",
            ChangeKind::Interval(_) => "interval",
        }
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
