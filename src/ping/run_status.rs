//! The exit status of a run: [`RunStatus`], a fold of its events.

use super::event::Event;
use crate::engine::outcome::{Reachable, Status, Statuses};

/// The statuses of a run so far. A target that has begun and not ended counts as not answered.
#[derive(Clone, Copy, Debug, Default)]
pub struct RunStatus {
    running: usize,
    statuses: Statuses,
}

impl RunStatus {
    /// Takes the next event of the run.
    pub fn take(&mut self, event: &Event) {
        match event {
            Event::Began { .. } => self.running += 1,
            Event::Ended(summary) => {
                self.running = self.running.saturating_sub(1);
                self.statuses.add(summary.status);
            }
            _ => {}
        }
    }

    /// The status of the run if it ended here, where this many targets must answer.
    pub fn status(&self, required: Reachable) -> Status {
        let mut statuses = self.statuses;
        if self.running > 0 {
            statuses.cut_short();
        }
        statuses.of(required)
    }
}
