//! What a run comes to: [`RunStatus`], a fold of its events.

use std::net::IpAddr;

use super::event::Event;
use crate::channel::OsError;
use crate::engine::outcome::Statuses;

/// The status of a run so far, and why targets could not be probed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunStatus {
    /// The statuses of all targets.
    pub statuses: Statuses,
    /// Targets to which nothing could be sent, by error in order of appearance.
    pub unprobed: Vec<Unprobed>,
    /// Whether targets were left that were not probed, or not to the end.
    pub cut_short: bool,
}

/// Targets to which nothing could be sent because of the same error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unprobed {
    /// The error.
    pub error: OsError,
    /// The number of targets.
    pub targets: u64,
    /// The first of them.
    pub first: IpAddr,
}

impl RunStatus {
    /// Takes the next event of the run.
    pub fn take(&mut self, event: &Event) {
        match event {
            Event::Ended(target) => {
                self.statuses.add(target.status);
                if let (true, Some(error), Some(endpoint)) = (target.is_not_run(), target.error, target.endpoint) {
                    self.add(Unprobed { error, targets: 1, first: endpoint.address });
                }
            }
            Event::Over { cut_short, totals, .. } => {
                self.statuses.add_silent(totals.skipped);
                if *cut_short {
                    self.cut_short = true;
                    self.statuses.cut_short();
                }
            }
            Event::Interrupted => self.cut_short = true,
            Event::Progress { .. } => {}
        }
    }

    /// Takes the status of another part of the run.
    pub fn join(&mut self, other: RunStatus) {
        self.statuses.join(other.statuses);
        self.cut_short |= other.cut_short;
        other.unprobed.into_iter().for_each(|unprobed| self.add(unprobed));
    }

    fn add(&mut self, unprobed: Unprobed) {
        match self.unprobed.iter_mut().find(|known| known.error == unprobed.error) {
            Some(known) => known.targets += unprobed.targets,
            None => self.unprobed.push(unprobed),
        }
    }
}
