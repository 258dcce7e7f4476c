//! Results of a sweep: one line per target, as each ends.

mod brief;
mod csv;
mod figures;
mod influx;
mod json;
mod progress;
mod prometheus;
mod text;

pub use brief::SweepBrief;
pub use csv::SweepCsv;
pub use influx::SweepInflux;
pub use json::SweepJson;
pub use progress::SweepProgress;
pub use prometheus::SweepPrometheus;
pub use text::{SweepShow, SweepStyle, SweepText};
