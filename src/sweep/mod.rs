//! Sweeps: a few probes to each of very many targets, with one event per target when it has ended.
//!
//! [`Sweep`] is the Machine. It takes the next target from a [`Supply`] when it may send to it, so that neither a prefix nor a
//! list is ever in memory, and keeps state of a target only from its first probe to its end.
//!
//! - Every echo request carries the run's cookie and its own number, which never wraps; the 16-bit sequence alone decides nothing.
//!   A SYN has its number in the sequence number, hidden by its addresses and ports. A datagram has it where its service gives it
//!   back; other answers are to the newest probe that went where they come from.
//! - A probe is remembered until its wait is over, answered or not, so that duplicates are counted for their target. A target
//!   ends with the wait of its last probe and has all its counts then, or at its [first answer](Completion::FirstAnswer).
//! - Answers for targets that have ended are counted in the [`Totals`] alone.
//! - All waits of the same attempt are equally long, so that deadlines are queues. Nothing is allocated for a probe.

mod active;
mod addressed;
mod answer;
mod asking;
mod chunks;
mod closing;
mod config;
mod connection;
mod datagram;
mod ending;
mod event;
mod exclude;
mod forecast;
mod in_flight;
mod machine;
mod neighbour;
mod octets;
mod over;
mod permutation;
mod range;
mod run_status;
mod segment;
mod slab;
mod syn;
mod template;

pub use config::{Completion, Config, LaneRoute, Method, Probes, Supplied, Supply, SweepTarget};
pub use event::{Event, TargetSummary, Totals};
pub use exclude::Exclusions;
pub use forecast::Forecast;
pub use machine::Sweep;
pub use permutation::Permutation;
pub use range::{Bounds, Range, RangeError};
pub use run_status::{RunStatus, Unprobed};
