//! rtrace's results: paths, flows side by side, and reports of a path over time.

mod atlas;
pub(super) mod changes;
mod columns;
mod csv;
mod events;
mod figures;
pub(super) mod findings;
mod flows;
mod influx;
mod json;
mod moves;
pub(in crate::report) mod numbers;
mod options;
mod plain;
mod prometheus;
mod table;
pub(super) mod text;
mod turns;

use std::borrow::Cow;

pub use atlas::TraceAtlas;
pub use columns::{Column, Figure};
pub use csv::TraceCsv;
pub use influx::TraceInflux;
pub use json::{TraceJson, TraceJsonOptions};
pub use moves::{MovesJson, MovesText, begins_not_to_send};
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
    /// Those of several flows, together and each (`--report --flows`).
    FlowsReport,
}

impl TraceView {
    /// Whether it is of paths over time.
    const fn is_report(self) -> bool {
        matches!(self, TraceView::Report | TraceView::FlowsReport)
    }

    /// Whether a target has several flows.
    const fn has_flows(self) -> bool {
        matches!(self, TraceView::Flows | TraceView::FlowsReport)
    }

    /// The name of a trace in messages: each flow of a target has its own.
    fn name(self, subject: &Subject) -> Cow<'_, str> {
        match subject.flow {
            Some(flow) if self.has_flows() => Cow::Owned(format!("{},flow={flow}", escape(&subject.name))),
            _ => escape(&subject.name),
        }
    }
}
