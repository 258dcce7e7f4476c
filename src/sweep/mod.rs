//! Sweeps: a few probes to each of very many targets, which are told one by one as they are over.
//!
//! [`Sweep`] is the Machine. It pulls its targets from a [`Supply`] when it may send to the next, so that neither a prefix nor a
//! list is ever in memory, and keeps something of a target only from its first probe until it is told.
//!
//! - Every probe carries the run's cookie and its own number, which never wraps: the 16-bit sequence alone decides nothing.
//! - A probe is remembered until its wait is over, answered or not, so that second answers are counted where they belong. A
//!   target is told when that is so for its last probe, and has all its counts then. Where only [who answers](Told) is asked, it
//!   is told as soon as that is known.
//! - What arrives for targets already told is counted in the [`Totals`] alone.
//! - All waits of the same attempt are equally long, so that deadlines are queues. Nothing is allocated for a probe.

mod answer;
mod config;
mod event;
mod exclude;
mod flight;
mod live;
mod machine;
mod permutation;
mod range;
mod telling;
mod template;

pub use config::{Config, Probes, Route, Supplied, Supply, SweepTarget, Told};
pub use event::{Event, Outcome, Totals};
pub use exclude::Exclusions;
pub use machine::Sweep;
pub use permutation::Permutation;
pub use range::{Range, RangeError};
