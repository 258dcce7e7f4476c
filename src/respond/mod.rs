//! The other end of a measurement: echo, discard and STAMP reflection over TCP, UDP and local sockets, sans-IO.
//!
//! [`Responder`] is the Machine. It is safe on an open network: no answer is larger than its request, answers per source are
//! limited, requests that could start a loop between two servers are not answered, and all state that clients cause is bounded
//! and expires.

mod clients;
mod config;
mod counters;
mod datagrams;
mod event;
mod expiring;
mod ledger;
mod limiter;
mod machine;
mod recurrence;
mod streams;
#[cfg(test)]
mod tests;

pub use config::{Config, Listener, ListenerKind};
pub use counters::{Counters, Traffic};
pub use event::{Ended, Event, RunFigures, Session, SessionStart};
pub use machine::Responder;
