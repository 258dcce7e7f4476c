//! rtrace's results: paths, flows side by side, and reports of a path over time.

mod atlas;
pub(super) mod changes;
mod columns;
mod csv;
mod figures;
mod findings;
mod flows;
mod influx;
mod json;
mod options;
mod plain;
mod prometheus;
mod table;
mod text;
mod turns;

use std::borrow::Cow;

pub use atlas::TraceAtlas;
pub use columns::{Column, Figure};
pub use csv::TraceCsv;
pub use influx::TraceInflux;
pub use json::{TraceJson, TraceJsonOptions};
pub use options::TraceTextOptions;
pub use plain::TracePlain;
pub use prometheus::TracePrometheus;
pub use text::TraceText;

use crate::engine::outcome::Subject;
use crate::report::escape;

/// What a run of rtrace shows of its targets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TraceView {
    /// The path to each.
    #[default]
    Path,
    /// The paths of several flows, laid over each other (`--flows`).
    Flows,
    /// The figures of each path over time (`--report`).
    Report,
}

impl TraceView {
    /// The name of a trace in messages: each flow of a target has its own.
    fn name(self, subject: &Subject) -> Cow<'_, str> {
        match subject.flow {
            Some(flow) if self == TraceView::Flows => Cow::Owned(format!("{},flow={flow}", escape(&subject.name))),
            _ => escape(&subject.name),
        }
    }
}
