//! Statistics over measurements, pure and in constant memory.

mod loss;
mod rtt;
mod variation;

pub use loss::LossRuns;
pub use rtt::{RttRecorder, RttStats};
pub use variation::{InterarrivalJitter, Ipdv};
