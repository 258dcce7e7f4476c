//! Results of a sweep: one line per target, as each ends.

mod json;
mod progress;
mod text;

pub use json::SweepJson;
pub use progress::SweepProgress;
pub use text::{SweepShow, SweepText};
