//! What is known about a run over targets: [`PingModel`], a fold of its events. It knows no screen.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::MOST_CHANGES;
use super::history::History;
use super::path::{Step, sent_at};
use crate::channel::{OsError, RunChange};
use crate::engine::outcome::{ProbeEvent, Subject, SubjectId};
use crate::metrics::PresenceChange;
use crate::ping::{Change, Event, Observation, Observed, Pace};
use crate::report::Reason;
use crate::types::{Instant, Now, WallTime};

/// What is known about a run over targets.
#[derive(Clone, Debug, Default)]
pub struct PingModel {
    /// One for each target, in their order.
    pub series: Vec<SeriesModel>,
    /// What happened to targets, oldest first.
    pub changes: Vec<SeriesChange>,
    /// When the run paused, went on, its statistics began anew, or the wall clock was stepped.
    pub gaps: Vec<Instant>,
    /// Names of addresses that were typed.
    pub names: BTreeMap<IpAddr, Box<str>>,
    /// When the first target began.
    pub started: Option<Now>,
    /// Whether the user paused the run.
    pub paused: bool,
    /// From one probe to the next, where that is fixed.
    pub interval: Option<Duration>,
    /// What distinguishes those of one target, by number.
    pub labels: Vec<String>,
    places: BTreeMap<SubjectId, usize>,
    /// The newest step of the wall clock.
    step: Option<Step>,
    ended: usize,
    expected: usize,
}

/// A change of a target, or of all.
#[derive(Clone, Debug)]
pub struct SeriesChange {
    /// When that became known.
    pub at: Now,
    /// The target, and how it is probed; `None` if it concerns all of them.
    pub subject: Option<Arc<Subject>>,
    /// What changed.
    pub kind: SeriesChangeKind,
}

/// What changes about a target.
#[derive(Clone, Debug)]
pub enum SeriesChangeKind {
    /// It came or went.
    Presence(Box<Change>),
    /// This host does not send its probes.
    NotSent(OsError),
    /// The wall clock was stepped by so many nanoseconds.
    ClockStepped(i64),
}

/// One target.
#[derive(Clone, Debug)]
pub struct SeriesModel {
    /// The target, and how it is probed.
    pub subject: Arc<Subject>,
    /// Its figures.
    pub observed: Observed,
    /// Its answers over time.
    pub history: History,
    /// Probes that were refused, over time.
    pub refused: History,
    /// When the newest lost probe was sent.
    pub last_lost: Option<Instant>,
    /// Whether it is there, and since when.
    pub presence: Presence,
}

/// Whether a target is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Presence {
    /// Nothing is known yet.
    #[default]
    Unknown,
    /// It answers, since this.
    Up(WallTime),
    /// It does not.
    Down(WallTime),
}

impl PingModel {
    /// Of a run over this many targets.
    pub fn new(expected: usize) -> PingModel {
        PingModel { expected, ..PingModel::default() }
    }

    /// The same before anything was known.
    pub fn anew(&self) -> PingModel {
        PingModel { expected: self.expected, labels: self.labels.clone(), ..PingModel::default() }
    }

    /// Whether every target has ended.
    pub fn is_over(&self) -> bool {
        self.ended >= self.expected
    }

    /// Takes an event that became known at `now`.
    pub fn event(&mut self, event: Event, now: Now) {
        match event {
            Event::Began { subject, .. } => self.begin(subject, now),
            Event::Probe(event) => {
                let step = self.step;
                let observed = self.series_mut(event.subject.id).and_then(|series| series.probe(&event, now, step));
                if let Some(Observation::NotSent(error)) = observed {
                    self.keep(now, Some(event.subject), SeriesChangeKind::NotSent(error));
                }
            }
            Event::ClockStepped { by, .. } => {
                self.step = Some(Step { at: now.mono, by });
                self.keep(now, None, SeriesChangeKind::ClockStepped(by));
                self.gap(now.mono);
            }
            Event::Named { address, name } => drop(self.names.insert(address, name)),
            Event::Change(change) => self.change(change, now),
            Event::Ended(_) => self.ended += 1,
            _ => {}
        }
    }

    fn begin(&mut self, subject: Arc<Subject>, now: Now) {
        self.started.get_or_insert(now);
        if let Pace::Fixed(interval) = subject.spec.pace {
            self.interval.get_or_insert(interval);
        }
        let among = self.expected.max(self.series.len() + 1);
        self.places.insert(subject.id, self.series.len());
        self.series.push(SeriesModel {
            subject,
            observed: Observed::default(),
            history: History::among(among),
            refused: History::among(among),
            last_lost: None,
            presence: Presence::Unknown,
        });
    }

    fn change(&mut self, change: Box<Change>, now: Now) {
        if let Some(series) = self.series_mut(change.subject.id) {
            series.presence = match change.kind {
                PresenceChange::Outage { since, .. } => Presence::Down(since),
                PresenceChange::Up | PresenceChange::Back { .. } => Presence::Up(change.at),
            };
        }
        let subject = Arc::clone(&change.subject);
        self.keep(now, Some(subject), SeriesChangeKind::Presence(change));
    }

    fn keep(&mut self, at: Now, subject: Option<Arc<Subject>>, kind: SeriesChangeKind) {
        self.changes.push(SeriesChange { at, subject, kind });
        if self.changes.len() > MOST_CHANGES {
            self.changes.remove(0);
        }
    }

    fn series_mut(&mut self, id: SubjectId) -> Option<&mut SeriesModel> {
        self.series.get_mut(*self.places.get(&id)?)
    }

    /// How much is kept of what happened when: bins, changes and gaps.
    pub fn kept(&self) -> usize {
        let bins = self.series.iter().map(|series| series.history.bins() + series.refused.bins());
        bins.sum::<usize>() + self.changes.len() + self.gaps.len()
    }

    /// How long the run is on at `now`.
    pub fn running(&self, now: Instant) -> Duration {
        self.started.map_or(Duration::ZERO, |started| now.since(started.mono))
    }

    /// The user changes the run. Machines of such runs report nothing about that.
    pub fn changed(&mut self, change: RunChange, now: Instant) {
        match change {
            RunChange::Pause => self.paused = true,
            RunChange::Resume => self.paused = false,
            RunChange::Reset => self.series.iter_mut().for_each(|series| series.observed.reset()),
            RunChange::Interval(interval) => match &mut self.interval {
                Some(known) => *known = interval,
                // Where the interval is not fixed there is none to change.
                None => return,
            },
        }
        self.gap(now);
    }

    fn gap(&mut self, now: Instant) {
        self.gaps.push(now);
        if self.gaps.len() > MOST_CHANGES {
            self.gaps.remove(0);
        }
    }
}

impl SeriesModel {
    fn probe(&mut self, event: &ProbeEvent, now: Now, step: Option<Step>) -> Option<Observation> {
        let sent = sent_at(event, now, step);
        let observed = self.observed.take(event);
        match observed {
            None => {}
            Some(Observation::Answered(rtt)) => self.history.answered(sent, rtt),
            Some(Observation::Found(rtt)) => {
                self.history.found(sent);
                self.history.answered(sent, rtt);
            }
            Some(Observation::Refused) => self.refused.lost(sent),
            Some(Observation::Lost | Observation::NotSent(_)) => {
                self.history.lost(sent);
                self.last_lost = self.last_lost.max(Some(sent));
            }
        }
        observed
    }

    /// Why its newest probes have no reply, where that is known.
    pub fn reason(&self) -> Option<Reason> {
        self.observed.failure.newest().and_then(|event| Reason::of(event))
    }

    /// Whether it does not answer.
    pub const fn is_down(&self) -> bool {
        matches!(self.presence, Presence::Down(_))
    }
}
