//! Finds changes of targets in the events of a run: [`Follower`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::changes::{Change, Until};
use super::event::Event;
use super::failure::Failure;
use crate::engine::outcome::{Outcome, ProbeEvent, Standing, Status, SubjectId};
use crate::metrics::Presence;

/// Losses in a row that make an outage.
const OUTAGE_AFTER: u64 = 3;

/// Follows the targets of a run.
#[derive(Debug, Default)]
pub(super) struct Follower {
    targets: BTreeMap<SubjectId, Followed>,
    /// Addresses that names no longer have: nothing is waited for there.
    gone: BTreeSet<SubjectId>,
    until: Option<Until>,
    reached: bool,
}

/// One target.
#[derive(Debug)]
struct Followed {
    presence: Presence,
    failure: Failure,
    /// Whether it has shown what the run waits for.
    shown: bool,
}

impl Follower {
    pub(super) fn new(until: Option<Until>) -> Self {
        Follower { until, ..Follower::default() }
    }

    /// Whether the run has what it waits for.
    pub(super) fn is_reached(&self) -> bool {
        self.reached
    }

    /// Takes the next event; gives the change that it shows. The end of a target has the status of what was waited for.
    pub(super) fn take(&mut self, event: &mut Event) -> Option<Change> {
        match event {
            Event::Began { subject, .. } if subject.socket.is_some() => {
                let presence = Presence::new(OUTAGE_AFTER);
                self.targets.insert(subject.id, Followed { presence, failure: Failure::default(), shown: false });
                None
            }
            Event::Probe(event) => self.probe(event),
            Event::Readdressed { subject, gained, .. } => {
                if *gained {
                    self.gone.remove(&subject.id)
                } else {
                    self.gone.insert(subject.id)
                };
                None
            }
            Event::Ended(summary) => {
                let id = summary.subject.id;
                let gone = self.gone.contains(&id);
                let waited = self.until.is_some() && (gone || summary.status != Status::NotRun);
                let shown = gone || self.targets.get(&id).is_some_and(|followed| followed.shown);
                self.targets.remove(&id);
                self.gone.remove(&id);
                if waited {
                    summary.status = if shown { Status::Answered } else { Status::NotAnswered };
                }
                None
            }
            _ => None,
        }
    }

    fn probe(&mut self, event: &ProbeEvent) -> Option<Change> {
        let Followed { presence, failure, shown } = self.targets.get_mut(&event.subject.id)?;
        let before = failure.newest().cloned();
        failure.take(event);
        // An answer ends it, and says so.
        let failure = failure.newest().cloned().or(before);
        let turn = match &event.outcome {
            // The service is not there.
            Outcome::Refused(_) if event.standing == Standing::First => presence.lose(event.id, event.sent),
            Outcome::Reply(_) if event.standing == Standing::First => presence.answer(event.id, event.sent, event.at),
            Outcome::Timeout(_) | Outcome::NotSent(_) => presence.lose(event.id, event.sent),
            // An answer that follows it within the wait counts all the same.
            Outcome::Error(error) if event.standing == Standing::First && !error.kind.is_advice() => {
                presence.lose(event.id, event.sent)
            }
            _ => None,
        };
        if let Some(until) = self.until {
            let row = if until.up { presence.answered_in_a_row() } else { presence.lost_in_a_row() };
            *shown |= row >= until.count;
            let here = self.targets.iter().filter(|(id, _)| !self.gone.contains(id));
            let mut all = here.map(|(_, followed)| followed.shown);
            self.reached = if until.any { all.any(|shown| shown) } else { all.all(|shown| shown) };
        }
        Some(Change { subject: Arc::clone(&event.subject), at: event.at, kind: turn?, failure })
    }
}
