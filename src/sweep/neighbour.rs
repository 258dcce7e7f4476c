//! Targets without an answer: whether packets to them had a neighbour to go to.
//!
//! The kernel reports a neighbour that does not exist after three seconds (three requests, one a second), and most sweeps wait for
//! less. So the channel is asked about each silent target before the target ends.

use super::machine::Sweep;
use crate::channel::{Order, Token};
use crate::types::Instant;

impl Sweep {
    /// Whether it makes a difference to the results why a target was silent.
    pub(super) fn asks_neighbours(&self) -> bool {
        self.config.method.kind().asks_neighbours() && !self.config.skips_silent
    }

    /// Asks about a target if it has not answered; returns whether an answer is waited for. A target that is `complete` ends
    /// with that.
    pub(super) fn ask_neighbour(&mut self, slot: u32, complete: bool) -> bool {
        if self.asked.contains_key(&slot) {
            return true;
        }
        if !self.asks_neighbours() || !self.active.is_unanswered(slot) {
            return false;
        }
        let Some(to) = self.active.progress(slot, u64::MAX).map(|target| target.endpoint) else { return false };
        let Some(lane) = self.lane(to.family()).map(|lane| lane.route.lane) else { return false };
        self.releases.push_back(Order::AskNeighbour { token: Token::new(slot.into()), lane, to });
        self.asked.insert(slot, complete);
        true
    }

    /// The answer about the target in the slot that `token` names.
    pub(super) fn neighbour(&mut self, token: Token, is_missing: bool, now: Instant) {
        let Ok(slot) = u32::try_from(token.get()) else { return };
        let Some(complete) = self.asked.remove(&slot) else { return };
        if is_missing && let Some(rare) = self.active.rare(slot) {
            rare.misses_neighbour = true;
        }
        if complete {
            self.end_target(slot, true, now);
        }
    }
}
