//! The events of a responder: [`Event`].

use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::config::Listener;
use super::counters::{Counters, Traffic};
use crate::channel::OsError;
use crate::types::{Endpoint, Rtt, WallTime};

/// Something to report.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// All listeners are open.
    Ready {
        /// The listeners.
        listeners: Arc<[Listener]>,
        /// Since when.
        time: WallTime,
    },
    /// A session started.
    Start(SessionStart),
    /// A session ended.
    End(Box<Session>),
    /// Interim statistics, on request.
    Interim(RunFigures),
    /// No client is accepted any more; some connections are still open.
    Draining {
        /// How many.
        open: usize,
    },
    /// The run is over.
    Summary(RunFigures),
}

/// The beginning of a client's session: a connection, or datagrams from one address.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionStart {
    /// Counts from 1 in each run.
    pub session: u64,
    /// Which of the run's listeners.
    pub listener: usize,
    /// The client.
    pub peer: Endpoint,
    /// When.
    pub time: WallTime,
}

/// A whole session.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    /// Its beginning.
    pub start: SessionStart,
    /// When it ended.
    pub time: WallTime,
    /// How long it lasted.
    pub duration: Rtt,
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
    /// Another source needed the room.
    Displaced,
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
            Ended::Displaced => "displaced",
            Ended::Shutdown => "shutdown",
        }
    }
}

impl Serialize for Ended {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// Figures of the whole run so far.
#[derive(Clone, Debug, PartialEq)]
pub struct RunFigures {
    /// When.
    pub time: WallTime,
    /// Since the beginning.
    pub duration: Rtt,
    /// Each listener with its figures.
    pub listeners: Vec<(Listener, Counters)>,
    /// Connections open now.
    pub connections: usize,
    /// Known datagram clients.
    pub sessions: usize,
}
