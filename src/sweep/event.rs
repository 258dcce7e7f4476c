//! What a sweep tells: [`Event`].

use std::time::Duration;

use crate::channel::OsError;
use crate::engine::outcome::State;
use crate::metrics::Brief;
use crate::metrics::{Counts, StampCounts};
use crate::types::{IpEndpoint, Rtt};

/// What a sweep tells, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A target is over.
    Outcome(Box<Outcome>),
    /// Figures so far: a few times a second if they are wanted, and whenever somebody asks (SIGQUIT).
    Progress {
        /// Whether somebody asked.
        asked: bool,
        /// How long the run has lasted.
        elapsed: Duration,
        /// The figures.
        totals: Totals,
    },
    /// Somebody asked for the end; the targets under way follow.
    Interrupted,
    /// The run is over.
    End {
        /// How long it lasted.
        elapsed: Duration,
        /// All of it.
        totals: Totals,
        /// Whether targets were left that were not probed.
        cut_short: bool,
    },
}

/// What became of one target.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// As typed, where that is not the address.
    pub name: Option<Box<str>>,
    /// Where it is.
    pub endpoint: Option<IpEndpoint>,
    /// What became of its probes. `foreign` and `dropped_by_kernel` are the run's since the last target was told.
    pub counts: Counts,
    /// Set only if it could not be probed.
    pub state: Option<State>,
    /// Why its last probe could not be sent.
    pub error: Option<OsError>,
    /// Delays of the replies that count, as far as they have the kind of stamps that most have.
    pub rtt: Brief,
    /// Which stamps the replies that count have.
    pub stamps: StampCounts,
    /// The delay of each probe in the order of sending, where they are kept.
    pub delays: Vec<Option<Rtt>>,
    /// Whether all its probes were sent and waited for, or are not needed any more.
    pub complete: bool,
    /// From its first probe to now.
    pub duration: Duration,
}

/// What became of all targets together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Targets begun.
    pub begun: u64,
    /// Targets told.
    pub over: u64,
    /// Targets that answered.
    pub alive: u64,
    /// Targets whose probes were all sent and brought no answer.
    pub unreachable: u64,
    /// Targets without an address, or to which nothing could be sent.
    pub not_run: u64,
    /// What became of the probes, late and second answers for targets already told included.
    pub counts: Counts,
}

impl Totals {
    /// Counts those of `other` too.
    pub fn add(&mut self, other: &Totals) {
        self.begun += other.begun;
        self.over += other.over;
        self.alive += other.alive;
        self.unreachable += other.unreachable;
        self.not_run += other.not_run;
        self.counts.add(&other.counts);
    }
}
