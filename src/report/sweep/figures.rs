//! The figures of a target of a sweep, as those of a run.

use crate::report::ping::Run;
use crate::report::words::csv::address;
use crate::report::words::gauges::Label;
use crate::report::{SweepStyle, escape};
use crate::sweep::TargetSummary;

impl SweepStyle {
    /// The figures of a target.
    pub(super) fn run(self, target: &TargetSummary) -> Run<'_> {
        Run {
            labels: labels(self, target),
            counts: &target.counts,
            rtt: target.figures(),
            ipdv: None,
            time: (target.began, target.duration),
        }
    }
}

fn labels(style: SweepStyle, target: &TargetSummary) -> Vec<Label> {
    let address = address(target.endpoint.map(|endpoint| endpoint.address), target.zone.as_deref()).unwrap_or_default();
    let name = target.name.as_deref().map_or_else(|| address.clone(), |name| escape(name).into_owned());
    let port = target.endpoint.and_then(|endpoint| endpoint.port).map(|port| ("port", port.get().to_string()));
    [("target", name), ("address", address), ("method", style.method.name().to_owned())]
        .into_iter()
        .chain(port)
        .collect()
}
