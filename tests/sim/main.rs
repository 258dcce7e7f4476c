//! Whole runs in virtual time.

mod channel;
mod contrast;
mod loops;
mod ping;
mod sweep;
mod trace;
