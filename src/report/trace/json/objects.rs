//! The objects of rtrace's JSON: `trace`, `flows` and `report`.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::engine::outcome::{Pace, Subject};
use crate::metrics::percent;
use crate::report::json::{VERSION, millis};
use crate::report::trace::json::findings::FindingObject;
use crate::trace::watch::Report;
use crate::trace::{Finding, Flows, StopReason, Trace, packet_octets};
use crate::types::Ttl;

/// What is written of a run that was asked for a method.
pub(super) struct OfRun<'a, T> {
    pub content: &'a T,
    pub method_requested: &'a str,
}

impl<T> OfRun<'_, T> {
    /// What every object of rtrace begins with.
    fn head<M: SerializeMap>(&self, map: &mut M, kind: &str, subject: &Subject) -> Result<(), M::Error> {
        map.serialize_entry("type", kind)?;
        map.serialize_entry("version", &VERSION)?;
        map.serialize_entry("tool", "rtrace")?;
        map.serialize_entry("target", &subject.target)?;
        map.serialize_entry("address", &subject.address)?;
        map.serialize_entry("source", &subject.source)?;
        map.serialize_entry("method", &subject.method)?;
        map.serialize_entry("method_requested", self.method_requested)?;
        map.serialize_entry("socket", &subject.socket)?;
        map.serialize_entry("port", &subject.port)
    }
}

impl Serialize for OfRun<'_, Trace> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let trace = self.content;
        let subject = &trace.began.subject;
        let mut map = serializer.serialize_map(None)?;
        self.head(&mut map, "trace", subject)?;
        map.serialize_entry("flow", &subject.flow.unwrap_or_default())?;
        map.serialize_entry("packet_bytes", &packet_octets(subject))?;
        map.serialize_entry("reached", &trace.reached)?;
        map.serialize_entry("stop_reason", &trace.stop_reason)?;
        map.serialize_entry("state", &state(subject, Some(trace.stop_reason)))?;
        map.serialize_entry("path_mtu", &trace.path_mtu)?;
        map.serialize_entry("duration_ms", &millis(trace.duration))?;
        map.serialize_entry("time", &trace.began.time)?;
        map.serialize_entry("hops", &trace.hops.iter().map(|hop| &**hop).collect::<Vec<_>>())?;
        map.serialize_entry("findings", &findings(&trace.findings))?;
        map.end()
    }
}

/// After the `trace` of each flow, one object that lays them over each other.
impl Serialize for OfRun<'_, Flows> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let flows = self.content;
        let mut map = serializer.serialize_map(None)?;
        if let Some(first) = flows.traces.first() {
            self.head(&mut map, "flows", &first.began.subject)?;
        }
        map.serialize_entry("flows", &flows.numbers())?;
        map.serialize_entry("reached_flows", &flows.reached())?;
        map.serialize_entry("hops", &flows.hops)?;
        map.serialize_entry("findings", &findings(&flows.findings))?;
        map.end()
    }
}

impl Serialize for OfRun<'_, Report> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let report = self.content;
        let subject = &report.began.subject;
        let interval = if let Pace::Fixed(interval) = subject.spec.pace { interval } else { Default::default() };
        let mut map = serializer.serialize_map(None)?;
        self.head(&mut map, "report", subject)?;
        map.serialize_entry("flow", &subject.flow.unwrap_or_default())?;
        map.serialize_entry("packet_bytes", &packet_octets(subject))?;
        map.serialize_entry("interval_ms", &(interval.as_secs_f64() * 1e3))?;
        map.serialize_entry("reached", &(report.received > 0))?;
        map.serialize_entry("stop_reason", &report.stop_reason)?;
        map.serialize_entry("state", &state(subject, report.stop_reason))?;
        map.serialize_entry("sent", &report.sent)?;
        map.serialize_entry("received", &report.received)?;
        map.serialize_entry("lost", &report.lost)?;
        map.serialize_entry("pending", &report.pending)?;
        map.serialize_entry("loss_pct", &percent(report.lost, report.sent - report.pending))?;
        map.serialize_entry("send_failed", &report.send_failed)?;
        map.serialize_entry("distances", &report.distances.iter().map(Distance::new).collect::<Vec<_>>())?;
        map.serialize_entry("duration_ms", &millis(report.duration))?;
        map.serialize_entry("time", &report.began.time)?;
        map.serialize_entry("hops", &report.hops)?;
        map.end()
    }
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
