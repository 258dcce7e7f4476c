//! The exit status of a run: [`Verdict`], a fold of its events.

use super::event::Event;
use crate::engine::outcome::Status;

/// The status of a run so far. A target that has begun and not ended counts as not answered.
#[derive(Clone, Copy, Debug, Default)]
pub struct Verdict {
    running: usize,
    worst: Status,
}

impl Verdict {
    /// Takes the next event of the run.
    pub fn take(&mut self, event: &Event) {
        match event {
            Event::Began { .. } => self.running += 1,
            Event::Ended(summary) => {
                self.running = self.running.saturating_sub(1);
                self.worst = self.worst.and(summary.status);
            }
            _ => {}
        }
    }

    /// The status of the run if it ended here.
    pub fn status(&self) -> Status {
        let cut_short = if self.running > 0 { Status::NotAnswered } else { Status::Answered };
        self.worst.and(cut_short)
    }
}
