//! Targets that come and go: [`Change`]s, and what a run waits for ([`Until`]).

use std::sync::Arc;
use std::time::Duration;

use crate::engine::outcome::Subject;
use crate::metrics::Turn;
use crate::types::WallTime;

/// A change of a target.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The target.
    pub subject: Arc<Subject>,
    /// When it was noticed.
    pub at: WallTime,
    /// What it is.
    pub kind: ChangeKind,
}

/// What has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// The first answer.
    Up,
    /// Three probes in a row were not answered.
    Outage {
        /// When the first of them was sent.
        since: WallTime,
        /// How many they are.
        lost: u64,
    },
    /// The first answer after an outage.
    Back {
        /// From the first probe without an answer to the one that was answered.
        after: Duration,
        /// Probes without an answer.
        lost: u64,
    },
}

impl ChangeKind {
    /// The name used in JSON and CSV.
    pub const fn name(self) -> &'static str {
        match self {
            ChangeKind::Up => "up",
            ChangeKind::Outage { .. } => "outage",
            ChangeKind::Back { .. } => "back",
        }
    }
}

impl From<Turn> for ChangeKind {
    fn from(turn: Turn) -> Self {
        match turn {
            Turn::Up => ChangeKind::Up,
            Turn::Outage { since, lost } => ChangeKind::Outage { since, lost },
            Turn::Back { after, lost } => ChangeKind::Back { after, lost },
        }
    }
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
