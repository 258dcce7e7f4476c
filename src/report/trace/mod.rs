//! rtrace's results: paths, flows side by side, and reports of a path over time.

mod findings;
mod flows;
mod json;
mod mtu;
mod object;
mod table;
mod table_json;
mod text;

pub use flows::{FlowsJson, FlowsText};
pub use json::{TraceJson, TraceJsonOptions};
pub use table::{TableOptions, TraceTable};
pub use table_json::TraceTableJson;
pub use text::{TraceText, TraceTextOptions};
