//! Whole runs in virtual time.

#[cfg(feature = "tui")]
mod by_chance;
mod channel;
mod contrast;
#[cfg(feature = "tui")]
mod live;
#[cfg(feature = "tui")]
mod live_ping;
mod loops;
#[cfg(feature = "tui")]
mod losses;
mod ping;
#[cfg(feature = "tui")]
mod recorded;
mod sweep;
mod trace;
