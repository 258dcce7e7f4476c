//! What the responder tells: [`Event`].

use std::sync::Arc;
use std::time::Duration;

use super::config::Listener;
use super::counters::Counters;
use crate::channel::OsError;
use crate::types::{Endpoint, WallTime};

/// Something to report.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// All listeners are open.
    Ready {
        /// They.
        listeners: Arc<[Listener]>,
        /// Since when.
        time: WallTime,
    },
    /// A client came.
    Start(SessionStart),
    /// A client is gone.
    End(Box<Session>),
    /// Figures that were asked for.
    Interim(Figures),
    /// No client is accepted any more; so many connections are still open.
    Draining {
        /// How many.
        open: usize,
    },
    /// The run is over.
    Summary(Figures),
}

/// The beginning of a client's session: a connection, or datagrams from one address.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionStart {
    /// Counts from 1 in each run.
    pub session: u64,
    /// Which of the run's listeners.
    pub listener: usize,
    /// Who.
    pub peer: Endpoint,
    /// When.
    pub time: WallTime,
}

/// What one client sent and got. Datagrams count as sent when they are given to the kernel; what it refuses of them, only the
/// listener's [`Counters::send_failed`] tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Datagrams received; `None` for connections.
    pub received_packets: Option<u64>,
    /// Octets received.
    pub received_octets: u64,
    /// Datagrams sent; `None` for connections.
    pub sent_packets: Option<u64>,
    /// Octets sent.
    pub sent_octets: u64,
}

/// A whole session.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    /// Its beginning.
    pub start: SessionStart,
    /// When it ended.
    pub time: WallTime,
    /// How long it lasted.
    pub duration: Duration,
    /// Why it ended.
    pub ended: Ended,
    /// What passed.
    pub traffic: Traffic,
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The client closed, and has everything it was owed.
    Fin,
    /// The client reset the connection.
    Reset,
    /// The kernel gave the connection up.
    Failed(OsError),
    /// The client neither sent nor took anything.
    Idle,
    /// The run ended.
    Shutdown,
}

impl Ended {
    /// The name used in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Ended::Fin => "fin",
            Ended::Reset => "reset",
            Ended::Failed(_) => "failed",
            Ended::Idle => "idle",
            Ended::Shutdown => "shutdown",
        }
    }
}

/// Figures of the whole run so far.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    /// When.
    pub time: WallTime,
    /// Since the beginning.
    pub duration: Duration,
    /// Each listener with its figures.
    pub listeners: Vec<(Listener, Counters)>,
    /// Connections open now.
    pub connections: usize,
    /// Clients over datagrams that are told apart now.
    pub sessions: usize,
}
