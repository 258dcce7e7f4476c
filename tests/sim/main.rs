//! Whole runs in virtual time.

mod channel;
mod ping;
mod trace;
