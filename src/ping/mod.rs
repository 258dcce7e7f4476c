//! The application behind `rping`: probes targets at a pace, tells every kind of answer apart, and counts.

mod config;
mod event;

pub use config::{Config, Pace, Wait};
pub use event::{
    Counts, ErrorEvent, Event, Interim, PayloadChange, Reply, SendFailed, SeriesId, StampCounts, Start, State, Summary,
    Unanswered,
};
