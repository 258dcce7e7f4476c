//! What the formats share: addresses, numbers, CSV records, gauges, points and the messages of ICMP errors.

pub(in crate::report) mod address;
pub(in crate::report) mod clock;
pub(in crate::report) mod csv;
pub(in crate::report) mod gauges;
pub(in crate::report) mod influx;
pub(super) mod message;
mod moment;
pub(super) mod number;
pub(in crate::report) mod reason;
mod status_line;
pub(super) mod zone;

pub use clock::LocalOffset;
pub use moment::Moment;
pub use status_line::StatusLine;
