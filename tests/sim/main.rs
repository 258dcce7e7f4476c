//! Whole runs in virtual time.

mod channel;
mod contrast;
#[cfg(feature = "tui")]
mod live;
mod loops;
mod ping;
mod sweep;
mod trace;
