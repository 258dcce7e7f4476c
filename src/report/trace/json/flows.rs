//! The flows of a target as JSON: after the `trace` of each, one `flows` that lays them over each other.

use std::borrow::Cow;
use std::net::IpAddr;

use serde::Serialize;

use crate::report::escape;
use crate::report::json::millis;
use crate::report::trace::annotation::annotation;
use crate::report::trace::json::findings::FindingObject;
use crate::report::trace::json::object::{Head, OriginsObject};
use crate::trace::{Flows, FlowsHop, FlowsResponder};

#[derive(Serialize)]
pub(super) struct FlowsObject<'a> {
    #[serde(flatten)]
    head: Head<'a>,
    flows: Vec<u32>,
    reached_flows: Vec<u32>,
    hops: Vec<HopObject<'a>>,
    findings: Vec<FindingObject>,
}

impl<'a> FlowsObject<'a> {
    /// `None` without any flow.
    pub fn new(flows: &'a Flows, method_requested: &'a str) -> Option<Self> {
        Some(FlowsObject {
            head: Head::new("flows", &flows.traces.first()?.began.subject, method_requested),
            flows: flows.numbers(),
            reached_flows: flows.reached(),
            hops: flows.hops.iter().map(HopObject::new).collect(),
            findings: flows.findings.iter().map(FindingObject::new).collect(),
        })
    }
}

#[derive(Serialize)]
struct HopObject<'a> {
    ttl: u8,
    responders: Vec<ResponderObject<'a>>,
    silent_flows: &'a [u32],
}

impl<'a> HopObject<'a> {
    fn new(hop: &'a FlowsHop) -> Self {
        HopObject {
            ttl: hop.ttl.get(),
            responders: hop.responders.iter().map(ResponderObject::new).collect(),
            silent_flows: &hop.silent,
        }
    }
}

#[derive(Serialize)]
struct ResponderObject<'a> {
    address: IpAddr,
    name: Option<Cow<'a, str>>,
    #[serde(flatten)]
    origins: OriginsObject,
    flows: &'a [u32],
    rtts_ms: Vec<f64>,
    annotation: Option<String>,
}

impl<'a> ResponderObject<'a> {
    fn new(responder: &'a FlowsResponder) -> Self {
        let (known, answers) = (&responder.responder, &responder.answers);
        ResponderObject {
            address: known.address,
            name: known.name.as_deref().map(escape),
            origins: OriginsObject::new(known.origins.as_ref()),
            flows: &responder.flows,
            rtts_ms: answers.iter().filter_map(|answer| answer.rtt()).map(|rtt| millis(rtt.as_nanos())).collect(),
            annotation: answers.iter().find_map(|answer| annotation(answer)),
        }
    }
}
