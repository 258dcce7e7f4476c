//! The figures of a target of a sweep, as those of a run.

use crate::report::escape;
use crate::report::ping::Run;
use crate::report::words::csv::address;
use crate::report::words::gauges::Label;
use crate::sweep::TargetSummary;

impl<'a> From<&'a TargetSummary> for Run<'a> {
    fn from(target: &'a TargetSummary) -> Self {
        Run {
            labels: labels(target),
            counts: &target.counts,
            rtt: target.figures(),
            ipdv: None,
            time: (target.began, target.duration),
        }
    }
}

fn labels(target: &TargetSummary) -> Vec<Label> {
    let address = address(target.endpoint.map(|endpoint| endpoint.address), target.zone.as_deref()).unwrap_or_default();
    let name = target.name.as_deref().map_or_else(|| address.clone(), |name| escape(name).into_owned());
    vec![("target", name), ("address", address), ("method", "icmp".to_owned())]
}
