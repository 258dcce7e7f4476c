//! What a sweep reports: [`Event`].

use std::borrow::Cow;
use std::time::Duration;

use crate::channel::OsError;
use crate::engine::condition::{Facts, Judged};
use crate::engine::outcome::{State, Status};
use crate::metrics::{Brief, Counts, DelayFigures, RttRecorder, RttStats, StampCounts};
use crate::types::{HostPort, IpEndpoint, Rtt, WallTime};

/// An event of a sweep.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A target has ended.
    Ended(Box<TargetSummary>),
    /// Figures so far: a few times a second if they are wanted, and on request (SIGQUIT).
    Progress {
        /// Whether they were requested.
        requested: bool,
        /// Time since the start of the run.
        elapsed: Duration,
        /// The figures.
        totals: Totals,
    },
    /// The run was interrupted; the targets in flight follow.
    Interrupted,
    /// The run is over.
    Over {
        /// How long it lasted.
        elapsed: Duration,
        /// The final figures.
        totals: Totals,
        /// Whether targets were left that were not probed.
        cut_short: bool,
    },
}

/// The results of one target. It holds no [`Subject`](crate::engine::outcome::Subject): the text of an address in a prefix is
/// made only when it is printed.
#[derive(Clone, Debug, PartialEq)]
pub struct TargetSummary {
    /// As typed, where that is not the address.
    pub name: Option<Box<str>>,
    /// Its address; `None` for a name without one.
    pub endpoint: Option<IpEndpoint>,
    /// The zone of a scoped address: its interface by name, or else by number.
    pub zone: Option<Box<str>>,
    /// When its first probe was sent; `None` if none was.
    pub began: Option<WallTime>,
    /// Outcomes of its probes. `foreign` and `dropped_by_kernel` are the run's since the previous target ended.
    pub counts: Counts,
    /// Whether it answered as often as was asked.
    pub status: Status,
    /// The conditions of the run.
    pub conditions: Vec<Judged>,
    /// What its service is, where the method shows that; whether it could not be probed.
    pub state: Option<State>,
    /// Why its last probe could not be sent.
    pub error: Option<OsError>,
    /// Delays of the replies that count, of those with the kind of stamp that most have.
    pub rtt: Brief,
    /// The kinds of stamps of the replies that count.
    pub stamps: StampCounts,
    /// The delay of each probe in the order of sending, where they are kept.
    pub delays: Vec<Option<Rtt>>,
    /// Whether all its probes were sent and waited for, or are not needed any more.
    pub complete: bool,
    /// From its first probe to its end.
    pub duration: Duration,
}

impl Event {
    /// The target that this is the end of, and the conditions held against it, if there are any: most sweeps have none, and the
    /// text of an address takes longer than all else here.
    pub fn ended(&self) -> Option<(Cow<'_, str>, &[Judged])> {
        match self {
            Event::Ended(target) if !target.conditions.is_empty() => Some((target.label(), &target.conditions)),
            _ => None,
        }
    }
}

impl TargetSummary {
    /// What conditions may ask.
    pub(super) fn facts(&self) -> Facts {
        Facts::of(&self.counts, self.figures())
    }

    /// Its name, or its address with the zone, and its port.
    pub fn label(&self) -> Cow<'_, str> {
        let host = self.name.as_deref().map_or_else(|| self.address().into(), Cow::Borrowed);
        match self.port() {
            None => host,
            port => HostPort(&host, port).to_string().into(),
        }
    }

    /// Its address with the zone; empty if it has none.
    pub fn address(&self) -> String {
        match (self.endpoint, &self.zone) {
            (Some(endpoint), Some(zone)) => format!("{}%{zone}", endpoint.address),
            (Some(endpoint), None) => endpoint.address.to_string(),
            (None, _) => String::new(),
        }
    }

    /// Its port, if it has one.
    pub fn port(&self) -> Option<u16> {
        Some(self.endpoint?.port?.get())
    }

    /// Whether it could not be probed.
    pub fn is_not_run(&self) -> bool {
        self.state.is_some_and(State::is_not_run)
    }

    /// Whether it answered at all.
    pub const fn is_alive(&self) -> bool {
        self.counts.received > 0
    }

    /// Whether all its probes were sent and not answered. A target that was never probed, or not to the end, may be there.
    pub const fn is_unreachable(&self) -> bool {
        self.counts.received == 0 && self.counts.sent > 0 && self.complete
    }

    /// The statistics of its delays, as far as all of them are known: those of a single delay, or of delays that are kept.
    pub fn stats(&self) -> Option<RttStats> {
        let count = self.rtt.count();
        let mut recorder = RttRecorder::default();
        if count == 1 {
            recorder.record(Rtt::from_nanos(self.rtt.min()));
        } else {
            self.delays.iter().flatten().for_each(|&delay| recorder.record(delay));
        }
        recorder.stats().filter(|stats| stats.count == u64::from(count))
    }

    /// The figures of its delays; percentiles and deviation are those of [`stats`](Self::stats).
    pub fn figures(&self) -> Option<DelayFigures> {
        let all = self.stats();
        let (min, mean, max) = (self.rtt.min(), self.rtt.mean()?, self.rtt.max());
        let figures = RttStats { min, mean, max, ..all.unwrap_or_default() }.figures();
        let is_known = |name| all.is_some() || matches!(name, "min" | "mean" | "max");
        Some(figures.map(|(name, value)| (name, value.filter(|_| is_known(name)))))
    }
}

/// The figures of all targets together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Targets begun.
    pub begun: u64,
    /// Targets ended.
    pub ended: u64,
    /// Targets that answered.
    pub alive: u64,
    /// Targets whose probes were all sent and not answered.
    pub unreachable: u64,
    /// Targets without an address, or to which nothing could be sent.
    pub not_run: u64,
    /// Those among the unreachable that had no event.
    pub skipped: u64,
    /// Outcomes of the probes, with late and duplicate answers for targets that had ended.
    pub counts: Counts,
}

impl Totals {
    /// Adds the figures of another part of the run.
    pub fn add(&mut self, other: &Totals) {
        self.begun += other.begun;
        self.ended += other.ended;
        self.alive += other.alive;
        self.unreachable += other.unreachable;
        self.not_run += other.not_run;
        self.skipped += other.skipped;
        self.counts.add(&other.counts);
    }
}
