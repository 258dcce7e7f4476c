//! rping's results.

mod json;
mod text;

pub use json::{PingJson, PingJsonOptions};
pub(super) use text::interim;
pub use text::{PingText, PingTextOptions, ShownSource};
