//! rpong's clients and figures.

mod json;
mod text;

pub use json::PongJson;
pub use text::PongText;
