//! The end of a run: what is still to be asked, then a summary of each target in flight, one by one.

use std::time::Duration;

use super::config::Supplied;
use super::event::Event;
use super::machine::{BATCH, SupplyState, Sweep};
use crate::types::{Instant, Now};

/// How long the end of a run waits for what it asks the channel.
const ANSWERED_WITHIN: Duration = Duration::from_millis(100);

impl Sweep {
    /// Ends the run, as soon as it is known of silent targets whether packets to them had a neighbour to go to.
    pub(super) fn end(&mut self, now: Now) {
        if self.asks_neighbours() && self.ending.is_none() {
            self.ending = Some((self.active.slots().into_iter(), now.mono + ANSWERED_WITHIN));
        } else {
            self.end_now(now);
        }
    }

    /// Asks about the next silent targets at the end of the run, and ends it when nothing more is to be known.
    pub(super) fn ask_at_end(&mut self, now: Now) {
        while let Some((slots, _)) = self.ending.as_mut().filter(|_| self.asked.len() < BATCH) {
            match slots.next() {
                Some(slot) => self.ask_neighbour(slot, false),
                None if self.asked.is_empty() => return self.end_now(now),
                None => return,
            };
        }
    }

    pub(super) fn end_now(&mut self, now: Now) {
        self.ending = None;
        if self.finished {
            return;
        }
        // Only a supply that has ended has yielded everything.
        self.cut_short = match self.supply {
            SupplyState::Ended => false,
            SupplyState::Empty => true,
            SupplyState::Ready => (self.config.supply)(None) != Supplied::End,
        };
        self.supply = SupplyState::Ended;
        (self.in_flight.oldest()..self.in_flight.next()).for_each(|number| self.close(number, now.mono, true));
        self.remaining = Some((self.active.slots().into_iter(), now.mono));
        self.finished = true;
    }

    /// Emits the next summary of a target in flight at the end, and after the last the end itself.
    pub(super) fn end_remaining(&mut self) {
        let Some((slots, at)) = &mut self.remaining else { return };
        let at = *at;
        match slots.next() {
            Some(slot) => {
                let complete = self.asked.remove(&slot) == Some(true);
                self.end_target(slot, complete, at);
            }
            None => {
                self.remaining = None;
                self.emit_over(at);
            }
        }
    }

    fn finish(&mut self, now: Instant) {
        if !self.finished {
            self.finished = true;
            self.emit_over(now);
        }
    }

    fn emit_over(&mut self, now: Instant) {
        let (elapsed, totals, cut_short) = (self.elapsed(now), self.totals, self.cut_short);
        self.events.push_back(Event::Over { elapsed, totals, cut_short });
    }

    pub(super) fn finish_if_over(&mut self, now: Instant) {
        if self.supply == SupplyState::Ended && self.active.is_empty() && self.unconfirmed == 0 {
            self.finish(now);
        }
    }
}
