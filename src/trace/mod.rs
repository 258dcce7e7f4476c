//! The application behind `rtrace`: finds the routers on the way to a target by letting probes expire.

mod config;
mod event;

pub use config::{Config, Ports, Wait};
pub use event::{Answer, Event, Hop, ProbeResult, Start, StopReason, Trace, TraceId};
