//! A trace as JSON.

use serde::Serialize;

use crate::report::json::{Time, millis};
use crate::report::trace::json::findings::FindingObject;
use crate::report::trace::json::hop::HopObject;
use crate::report::trace::json::object::{Head, state};
use crate::trace::{StopReason, Trace, packet_octets};
use crate::types::Mtu;

#[derive(Serialize)]
pub(super) struct TraceObject<'a> {
    #[serde(flatten)]
    head: Head<'a>,
    flow: u32,
    packet_bytes: Option<usize>,
    reached: bool,
    stop_reason: &'static str,
    state: Option<&'static str>,
    path_mtu: Option<u32>,
    duration_ms: f64,
    time: Time,
    hops: Vec<HopObject<'a>>,
    findings: Vec<FindingObject>,
}

impl<'a> TraceObject<'a> {
    pub fn new(trace: &'a Trace, method_requested: &'a str) -> Self {
        let subject = &trace.began.subject;
        TraceObject {
            head: Head::new("trace", subject, method_requested),
            flow: subject.flow.unwrap_or_default(),
            packet_bytes: packet_octets(subject),
            reached: trace.reached,
            stop_reason: trace.stop_reason.name(),
            state: state(subject, trace.stop_reason == StopReason::SendFailed),
            path_mtu: trace.path_mtu.map(Mtu::get),
            duration_ms: millis(trace.duration),
            time: Time(trace.began.time),
            hops: trace.hops.iter().map(|hop| HopObject::new(hop)).collect(),
            findings: trace.findings.iter().map(FindingObject::new).collect(),
        }
    }
}
