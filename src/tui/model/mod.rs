//! What is known about a run: [`Model`], a fold of its events. It knows no screen.

mod distribution;
mod history;
mod path;
mod ping;

pub use distribution::Distribution;
pub use history::{Bin, History};
pub use path::{HopModel, PathModel};
pub use ping::{PingModel, Presence, SeriesChangeKind, SeriesModel};

use std::time::Duration;

use path::Step;

use crate::engine::outcome::SubjectId;
use crate::trace::Event;
use crate::trace::watch::{Change, ChangeKind};
use crate::types::{Instant, Now};

/// Changes that are kept, and gaps.
const MOST_CHANGES: usize = 1000;

/// Nothing became known later than this: a step of the wall clock is meant otherwise.
const OLDEST: Duration = Duration::from_secs(300);

/// What is known about a run over watched paths.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// The paths, in the order in which they began.
    pub paths: Vec<PathModel>,
    /// What happened, and when; in the order in which it became known.
    pub changes: Vec<(Now, Change)>,
    /// When the first path began.
    pub started: Option<Now>,
    /// Whether the user paused the run.
    pub paused: bool,
    /// How long a cycle is.
    pub interval: Duration,
    /// How many flows of each target there are.
    flows: usize,
    /// The newest step of the wall clock.
    step: Option<Step>,
    /// Paths that have ended.
    ended: usize,
    /// How many there are to be.
    expected: usize,
}

impl Model {
    /// Of a run over this many targets, each on `flows` flows.
    pub fn new(targets: usize, flows: usize, interval: Duration) -> Model {
        Model { expected: targets * flows, flows, interval, ..Model::default() }
    }

    /// The same before anything was known.
    pub fn anew(&self) -> Model {
        Model { expected: self.expected, flows: self.flows, interval: self.interval, ..Model::default() }
    }

    /// The targets that have begun, each with its flows.
    pub fn targets(&self) -> impl Iterator<Item = &[PathModel]> {
        let target = |path: &PathModel| path.subject().id.index() / self.flows.max(1);
        self.paths.chunk_by(move |one, next| target(one) == target(next))
    }

    /// Whether there are several flows of each target.
    pub const fn has_flows(&self) -> bool {
        self.flows > 1
    }

    /// Whether every path has ended.
    pub fn is_over(&self) -> bool {
        self.ended >= self.expected
    }

    /// Takes an event that became known at `now`.
    pub fn event(&mut self, event: Event, now: Now) {
        match event {
            Event::Began(began) => {
                self.started.get_or_insert(now);
                let among = self.expected.max(self.paths.len() + 1);
                self.paths.push(PathModel::new(began, now, among));
            }
            Event::Probe(event) => {
                let step = self.step;
                if let Some(path) = self.path(event.subject.id) {
                    path.probe(&event, now, step);
                }
            }
            Event::Overdue(event) => {
                let step = self.step;
                if let Some(path) = self.path(event.subject.id) {
                    path.overdue(&event, now, step);
                }
            }
            Event::Report(report) => {
                self.ended += usize::from(report.stop_reason.is_some());
                if let Some(path) = self.path(report.began.subject.id) {
                    path.report(*report);
                }
            }
            Event::Change(change) => self.change(&change, now),
            _ => {}
        }
    }

    fn change(&mut self, change: &Change, now: Now) {
        match change.kind {
            ChangeKind::Paused => self.paused = true,
            ChangeKind::Resumed => self.paused = false,
            ChangeKind::Interval(interval) => self.interval = interval,
            ChangeKind::ClockStepped { by } => self.step = Some(Step { at: now.mono, by }),
            _ => {}
        }
        let concerned: Vec<SubjectId> =
            self.paths.iter().filter(|path| self.concerns(change, path)).map(|path| path.subject().id).collect();
        for id in concerned {
            self.path(id).into_iter().for_each(|path| path.change(change));
        }
        let ago = Duration::from_nanos(now.wall.as_nanos().saturating_sub(change.at.as_nanos()));
        let at = Now { mono: now.mono.saturating_sub(ago.min(OLDEST)), wall: change.at };
        self.changes.push((at, change.clone()));
        if self.changes.len() > MOST_CHANGES {
            self.changes.remove(0);
        }
    }

    /// Whether a change is one of `path`, or of all flows to its target.
    pub fn concerns(&self, change: &Change, path: &PathModel) -> bool {
        let target = |id: SubjectId| id.index() / self.flows.max(1);
        let (of, own) = (change.subject.id, path.subject().id);
        of == own || change.kind.is_of_flows() && target(of) == target(own)
    }

    fn path(&mut self, id: SubjectId) -> Option<&mut PathModel> {
        self.paths.iter_mut().find(|path| path.subject().id == id)
    }

    /// How much is kept of what happened when.
    pub fn kept(&self) -> usize {
        self.paths.iter().map(PathModel::kept).sum::<usize>() + self.changes.len()
    }

    /// How long the run is on at `now`.
    pub fn running(&self, now: Instant) -> Duration {
        self.started.map_or(Duration::ZERO, |started| now.since(started.mono))
    }
}
