//! Statistics over measurements, pure and in constant memory.

mod brief;
mod counts;
mod delays;
mod geometric;
mod histogram;
mod loss;
mod paired;
mod presence;
mod rtt;
mod unpaired;
mod unsent_numbers;
mod variation;
mod voice;

pub use brief::Brief;
pub use counts::{Counts, StampCounts, percent};
pub use delays::{DelayRecorder, DelayStats};
pub use geometric::GeometricMean;
pub use loss::LossRuns;
pub use paired::{Share, more_often, signed_rank};
pub use presence::{Presence, PresenceChange};
pub use rtt::{DelayFigures, RttRecorder, RttStats};
pub use unpaired::rank_sum;
pub use unsent_numbers::UnsentNumbers;
pub use variation::{InterarrivalJitter, Ipdv, Variation, VariationStats};
pub use voice::{Codec, Voice};
