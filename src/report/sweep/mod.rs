//! Results of a sweep: one line a target, as each is over.

mod json;
mod progress;
mod text;

pub use json::SweepJson;
pub use progress::SweepProgress;
pub use text::{SweepShow, SweepText};
