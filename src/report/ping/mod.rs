//! rping's results.

mod changes;
mod csv;
mod entries;
mod figures;
mod influx;
mod json;
mod plain;
mod prometheus;
mod text;

pub use changes::begins_not_to_send;
pub use changes::{ChangesCsv, ChangesJson, ChangesText, presence_sentence};
pub use csv::PingCsv;
pub(super) use csv::TARGET;
pub(super) use figures::{Run, labels};
pub use influx::PingInflux;
pub(super) use influx::tags;
pub use json::{PingJson, PingJsonOptions};
pub use plain::PingPlain;
pub(super) use plain::PlainLines;
pub use prometheus::PingPrometheus;
pub(super) use prometheus::seconds;
pub use text::{PingText, PingTextOptions, ShownSource, Timestamps};
pub(super) use text::{interim, interims, short_label};
