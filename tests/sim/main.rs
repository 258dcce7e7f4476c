//! Whole runs in virtual time.

mod channel;
mod contrast;
mod ping;
mod sweep;
mod trace;
