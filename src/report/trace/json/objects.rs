//! The objects of rtrace's JSON: `trace`, `flows`, `report` and `flows_report`.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::engine::outcome::{Pace, Subject};
use crate::report::json::{self, conditions, millis};
use crate::report::trace::json::findings::FindingObject;
use crate::trace::watch::{FlowsReport, Report};
use crate::trace::{Finding, Flows, StopReason, Trace, packet_octets};
use crate::types::Ttl;

/// What every object of rtrace begins with, after its type.
fn head<M: SerializeMap>(object: &mut M, subject: &Subject, method_requested: &str) -> Result<(), M::Error> {
    json::head(object, "rtrace", subject, method_requested)
}

/// The keys of a `trace`.
pub(super) fn trace<M: SerializeMap>(object: &mut M, trace: &Trace, method_requested: &str) -> Result<(), M::Error> {
    let subject = &trace.began.subject;
    head(object, subject, method_requested)?;
    object.serialize_entry("flow", &subject.flow.unwrap_or_default())?;
    object.serialize_entry("packet_bytes", &packet_octets(subject))?;
    object.serialize_entry("reached", &trace.reached)?;
    object.serialize_entry("stop_reason", &trace.stop_reason)?;
    object.serialize_entry("state", &state(subject, Some(trace.stop_reason)))?;
    object.serialize_entry("port_state", &trace.port_state())?;
    object.serialize_entry("path_mtu", &trace.path_mtu)?;
    object.serialize_entry("path_mtu_at_least", &trace.path_mtu_at_least)?;
    conditions(object, &trace.conditions)?;
    object.serialize_entry("duration_ms", &millis(trace.duration))?;
    object.serialize_entry("time", &trace.began.time)?;
    object.serialize_entry("hops", &trace.hops.iter().map(|hop| &**hop).collect::<Vec<_>>())?;
    object.serialize_entry("findings", &findings(&trace.findings))
}

/// The keys of `flows`, which follow the `trace` of each flow and lay them over each other.
pub(super) fn flows<M: SerializeMap>(object: &mut M, flows: &Flows, method_requested: &str) -> Result<(), M::Error> {
    if let Some(first) = flows.traces.first() {
        head(object, &first.began.subject, method_requested)?;
    }
    object.serialize_entry("flows", &flows.numbers())?;
    object.serialize_entry("reached_flows", &flows.reached())?;
    object.serialize_entry("hops", &flows.hops)?;
    object.serialize_entry("findings", &findings(&flows.findings))?;
    conditions(object, &flows.conditions)
}

/// The keys of a `flows_report`, which follows the `report` of each flow: the hops of all flows together, and what each loses.
pub(super) fn flows_report<M: SerializeMap>(
    object: &mut M,
    report: &FlowsReport,
    method_requested: &str,
) -> Result<(), M::Error> {
    let all = &report.all;
    head(object, &all.began.subject, method_requested)?;
    object.serialize_entry("reached", &(all.received > 0))?;
    object.serialize_entry("stop_reason", &all.stop_reason)?;
    counts(object, all)?;
    object.serialize_entry("flows", &report.numbers())?;
    object.serialize_entry("flow_losses", &report.flows.iter().map(Flow).collect::<Vec<_>>())?;
    object.serialize_entry("hops", &all.hops)?;
    object.serialize_entry("findings", &findings(&report.findings))
}

/// What the destination answered on one flow.
struct Flow<'a>(&'a Report);

impl Serialize for Flow<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let report = self.0;
        let last = report.hops.last().filter(|_| report.received > 0);
        let mut object = serializer.serialize_map(None)?;
        object.serialize_entry("flow", &report.began.subject.flow.unwrap_or_default())?;
        counts(&mut object, report)?;
        object.serialize_entry("rtt_stats_ms", &last.and_then(|hop| hop.stats))?;
        object.end()
    }
}

/// The outcomes of the cycles.
fn counts<M: SerializeMap>(object: &mut M, report: &Report) -> Result<(), M::Error> {
    object.serialize_entry("sent", &report.sent)?;
    object.serialize_entry("received", &report.received)?;
    object.serialize_entry("unreachable", &report.unreachable)?;
    object.serialize_entry("lost", &report.lost)?;
    object.serialize_entry("pending", &report.pending)?;
    object.serialize_entry("loss_pct", &report.loss_pct())?;
    object.serialize_entry("send_failed", &report.send_failed)
}

/// The keys of a `report`.
pub(super) fn report<M: SerializeMap>(object: &mut M, report: &Report, method_requested: &str) -> Result<(), M::Error> {
    let subject = &report.began.subject;
    let interval = if let Pace::Fixed(interval) = subject.spec.pace { interval } else { Default::default() };
    head(object, subject, method_requested)?;
    object.serialize_entry("flow", &subject.flow.unwrap_or_default())?;
    object.serialize_entry("packet_bytes", &packet_octets(subject))?;
    object.serialize_entry("interval_ms", &(interval.as_secs_f64() * 1e3))?;
    object.serialize_entry("reached", &(report.received > 0))?;
    object.serialize_entry("stop_reason", &report.stop_reason)?;
    object.serialize_entry("state", &state(subject, report.stop_reason))?;
    counts(object, report)?;
    object.serialize_entry("distances", &report.distances.iter().map(Distance::new).collect::<Vec<_>>())?;
    object.serialize_entry("distance_proven", &report.distance_proven)?;
    conditions(object, &report.conditions)?;
    object.serialize_entry("duration_ms", &millis(report.duration))?;
    object.serialize_entry("time", &report.began.time)?;
    object.serialize_entry("hops", &report.hops)
}

/// A distance of the destination, and the number of cycles in which it had it.
#[derive(Serialize)]
struct Distance {
    ttl: Ttl,
    cycles: u64,
}

impl Distance {
    fn new(&(ttl, cycles): &(Ttl, u64)) -> Self {
        Distance { ttl, cycles }
    }
}

/// Why there is no path: the name has no address, or nothing could be sent.
fn state(subject: &Subject, stop_reason: Option<StopReason>) -> Option<&'static str> {
    match subject.address {
        None => Some("unresolved"),
        Some(_) => Some("unknown").filter(|_| stop_reason == Some(StopReason::SendFailed)),
    }
}

fn findings(findings: &[Finding]) -> Vec<FindingObject> {
    findings.iter().map(FindingObject::new).collect()
}
