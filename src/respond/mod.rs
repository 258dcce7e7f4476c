//! The other end of a measurement: echo, discard and STAMP reflection over TCP, UDP and local sockets, sans-IO.
//!
//! [`Responder`] is the Machine. It is made to stand on an open network: no answer is larger than its request, each source
//! gets so many a second, whatever could start a loop between two servers is not answered, and everything that clients can
//! make it remember is bounded and expires.

mod config;
mod counters;
mod datagrams;
mod event;
mod expiring;
mod ledger;
mod limiter;
mod machine;
mod streams;
#[cfg(test)]
mod tests;

pub use config::{Config, Listener, Service};
pub use counters::Counters;
pub use event::{Ended, Event, Figures, Session, SessionStart, Traffic};
pub use machine::Responder;
