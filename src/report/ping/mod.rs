//! rping's results.

mod csv;
mod entries;
mod json;
mod text;

pub use csv::PingCsv;
pub use json::{PingJson, PingJsonOptions};
pub(super) use text::interim;
pub use text::{PingText, PingTextOptions, ShownSource};
