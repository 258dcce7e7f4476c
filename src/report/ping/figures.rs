//! The figures of one target, for formats of finished runs: [`Run`].

use std::time::Duration;

use crate::engine::outcome::Subject;
use crate::metrics::{Counts, DelayFigures};
use crate::ping::Summary;
use crate::report::escape;
use crate::report::words::csv;
use crate::report::words::gauges::Label;
use crate::types::WallTime;

/// The figures of one target.
pub(in crate::report) struct Run<'a> {
    pub labels: Vec<Label>,
    pub counts: &'a Counts,
    pub rtt: Option<DelayFigures>,
    /// The mean difference of consecutive delays, milliseconds, where it is measured.
    pub ipdv: Option<f64>,
    /// When its first probe left, and how long it took from there.
    pub time: (Option<WallTime>, Duration),
}

impl Run<'_> {
    /// When its last packet left or arrived.
    pub fn end(&self) -> Option<WallTime> {
        let (began, duration) = self.time;
        began.map(|began| began.saturating_add(duration))
    }
}

impl<'a> From<&'a Summary> for Run<'a> {
    fn from(summary: &'a Summary) -> Self {
        Run {
            labels: labels(&summary.subject),
            counts: &summary.counts,
            rtt: summary.delays.rtt.map(|rtt| rtt.figures()),
            ipdv: summary.delays.ipdv.map(|nanos| nanos / 1e6),
            time: (summary.began, Duration::from_nanos(summary.duration)),
        }
    }
}

/// What distinguishes a subject from others.
pub(in crate::report) fn labels(subject: &Subject) -> Vec<Label> {
    let address = csv::address(subject.address, subject.zone.as_deref());
    [
        Some(("target", escape(&subject.target).into_owned())),
        Some(("address", address.unwrap_or_default())),
        Some(("method", subject.method.name().to_owned())),
        subject.port.map(|port| ("port", port.to_string())),
    ]
    .into_iter()
    .flatten()
    .collect()
}
