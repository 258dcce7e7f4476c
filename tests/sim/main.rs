//! Whole runs in virtual time.

mod channel;
mod contrast;
#[cfg(feature = "tui")]
mod live;
#[cfg(feature = "tui")]
mod live_ping;
mod loops;
mod ping;
mod sweep;
mod trace;
