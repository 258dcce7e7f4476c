//! The application of `rping`: probes targets at a pace, recognises the kinds of answers, and counts them.
//!
//! [`Ping`] is the Machine. Each target is a *series* with its own cookie, pace and counts; all start with the first turn, as
//! close together as the rate allows (their slots then stay apart by what the rate kept them apart).
//!
//! - A probe is *sent* once the channel says so. Each probe sent is in exactly one of [`Counts::received`],
//!   [`Counts::refused`], [`Counts::unreachable`], [`Counts::lost`] and [`Counts::pending`], at any time.
//! - The first answer or ICMP error that arrives within the wait decides a probe. Later ones are shown and counted as
//!   duplicate or late. Redirects and source quenches, and replies with a wrong checksum, decide nothing.
//! - Times of arrival are those of the stamps: an answer that arrived in time counts even if it is handled after a stall.
//! - A reply that overtakes the kernel's stamp of its probe is reported a tick (1 ms) later at most. Where not all replies have the
//!   same kind of stamps, the statistics are those of the kind that most have.
//! - Slots missed in a stall are skipped and counted. A rate that keeps a series from its slots is no stall.
//! - A decided probe is remembered for two minutes and 65 536 probes; answers that come even later are ignored. An open
//!   probe is given up when its sequence number is used again.
//! - Summaries come in argument order when the whole run is over; that of a removed target at once.
//!   Removal frees the series; its number is not used again.

mod changes;
mod config;
pub mod contrast;
mod control;
mod delays;
mod event;
mod failure;
mod follower;
mod index;
mod machine;
mod matching;
mod names;
mod observed;
mod probe;
mod readdress;
mod reflections;
mod resolving;
mod run_status;
mod series;
mod set;
mod summary;
#[cfg(test)]
mod tests;

pub use crate::engine::method::{Ask, Connect, Dns, Entry, Exchange, Label, Method, Service, Session, Value};
pub use crate::engine::outcome::{MethodKind, Pace, Spec, State, SubjectId, Wait};
pub use changes::{Change, Until};
pub use config::{Config, Resolve, ResolvedName, Task};
pub use event::Event;
pub use failure::{Failure, is_failure};
pub use machine::Ping;
pub use observed::{Observation, Observed};
pub use resolving::MOST_ADDRESSES;
pub use run_status::RunStatus;
pub use summary::{Counts, Interim, OneWayStats, ReflectionStats, Responder, Spread, StampCounts, Summary};
