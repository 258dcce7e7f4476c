//! Probing without I/O: the trait [`Machine`], and what the applications share of pacing, matching, encoding and decoding.

pub mod condition;
mod decided;
pub mod decode;
pub mod delay;
pub mod encode;
mod inflight;
pub mod method;
pub mod outcome;
pub mod pace;
pub mod send_errors;
mod target;
mod timers;
mod wall_clock;

use crate::channel::{Arena, Inbound, Outbox};
use crate::types::{Instant, Now};

pub use decided::{AnswerKind, Decided};
pub use inflight::{Inflight, Named};
pub use target::{Destination, Target};
pub use timers::Timers;
pub use wall_clock::WallClock;

/// An application as a state machine: it never reads a clock, a socket or a random source.
///
/// One turn of `driver::run`: `handle` everything that arrived, `handle_timeout` if `poll_timeout` has passed, `poll_orders`,
/// then `poll_event` until it is empty, and wait until `poll_timeout` unless `is_finished`.
pub trait Machine {
    /// The events of its run.
    type Event;

    /// Queues what is to be done now.
    fn poll_orders(&mut self, now: Now, outbox: &mut Outbox);

    /// Takes note of something that happened; spans of `inbound` lie in `octets`.
    fn handle(&mut self, now: Now, inbound: &Inbound, octets: &Arena);

    /// What it has made of the answer that it handled last, where no event has that.
    fn poll_decided(&mut self) -> Option<Decided> {
        None
    }

    /// When `handle_timeout` and `poll_orders` must be called again at the latest.
    fn poll_timeout(&self) -> Option<Instant>;

    /// Acts on every deadline that has passed.
    fn handle_timeout(&mut self, now: Now);

    /// The next event, oldest first.
    fn poll_event(&mut self) -> Option<Self::Event>;

    /// Whether the run is over once the remaining events are polled.
    fn is_finished(&self) -> bool;
}
