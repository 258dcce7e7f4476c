//! What the formats share: escaping, numbers, CSV records and the messages of ICMP errors.

pub(in crate::report) mod csv;
mod escape;
pub(super) mod message;
pub(super) mod number;
mod status_line;

pub(super) use escape::is_visible;
pub use escape::{escape, printable};
pub(super) use status_line::StatusLine;
