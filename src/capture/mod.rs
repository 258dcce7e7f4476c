//! Captures: the packets of a run as pcapng, with the outcome of each in its comment.
//!
//! A [`Tapped`] machine is the machine itself, and a [`Tap`] sees what passes between it and the channel: orders with their octets,
//! when each left, and all that arrived. What the machine decides it reads off its events, by when and from whom a packet came.
//! What the kernel writes and strips is not seen; [`rebuild`] makes it anew from what is known, and the comment says so.

mod comment;
mod rebuild;
mod tap;
#[cfg(test)]
mod tests;

use std::cell::RefCell;

use crate::channel::{Arena, Inbound, Outbox};
use crate::engine::{Decided, Machine};
use crate::types::{Instant, Now};

pub use comment::Outcomes;
pub use tap::Tap;

/// A machine, and what sees its packets, if anything does.
pub struct Tapped<'a, M: Machine> {
    /// The machine.
    pub machine: &'a mut M,
    /// What sees them.
    pub tap: Option<&'a RefCell<Tap<M::Event>>>,
}

impl<M: Machine> Machine for Tapped<'_, M> {
    type Event = M::Event;

    fn poll_orders(&mut self, now: Now, outbox: &mut Outbox) {
        let before = outbox.len();
        self.machine.poll_orders(now, outbox);
        if let Some(tap) = self.tap {
            tap.borrow_mut().ordered(outbox.iter().skip(before), outbox);
        }
    }

    fn handle(&mut self, now: Now, inbound: &Inbound, octets: &Arena) {
        if let Some(tap) = self.tap {
            tap.borrow_mut().inbound(inbound, octets);
        }
        self.machine.handle(now, inbound, octets);
        if let (Some(tap), Some(decided)) = (self.tap, self.machine.poll_decided()) {
            tap.borrow_mut().decided(&decided);
        }
    }

    fn poll_decided(&mut self) -> Option<Decided> {
        self.machine.poll_decided()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.machine.poll_timeout()
    }

    fn handle_timeout(&mut self, now: Now) {
        self.machine.handle_timeout(now);
    }

    fn poll_event(&mut self) -> Option<M::Event> {
        let event = self.machine.poll_event()?;
        if let Some(tap) = self.tap {
            tap.borrow_mut().event(&event);
        }
        Some(event)
    }

    fn is_finished(&self) -> bool {
        self.machine.is_finished()
    }
}
