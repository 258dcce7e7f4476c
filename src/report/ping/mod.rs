//! rping's results.

mod changes;
mod csv;
mod entries;
mod json;
mod prometheus;
mod text;

pub use changes::{ChangesCsv, ChangesJson, ChangesText};
pub use csv::PingCsv;
pub(super) use csv::TARGET;
pub use json::{PingJson, PingJsonOptions};
pub use prometheus::PingPrometheus;
pub(super) use prometheus::{Run, end, labels};
pub use text::{PingText, PingTextOptions, ShownSource, Timestamps};
pub(super) use text::{interim, interims};
