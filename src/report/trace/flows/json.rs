//! The flows of a target as JSON: one `trace` for each as ever, and one `flows` that lays them over each other.

use std::borrow::Cow;
use std::io;
use std::net::IpAddr;

use serde::Serialize;

use crate::report::json::{line, millis};
use crate::report::trace::findings::FindingObject;
use crate::report::trace::flows::{Gather, Merged, MergedHop, MergedResponder, told_apart};
use crate::report::trace::object::{Head, OriginsObject};
use crate::report::{Sink, Streams, TraceJson, TraceJsonOptions, escape};
use crate::trace::Event;

/// Writes a run of traces over several flows as JSON lines: each trace when it ends, and behind the last of a target all of them
/// together.
pub struct FlowsJson {
    method_requested: Box<str>,
    traces: TraceJson,
    gather: Gather,
}

impl FlowsJson {
    /// A writer for this many flows per target that has written nothing yet.
    pub fn new(flows: u32, options: TraceJsonOptions) -> Self {
        FlowsJson {
            method_requested: options.method_requested.clone(),
            traces: TraceJson::new(options),
            gather: Gather::new(flows),
        }
    }
}

impl Sink<Event> for FlowsJson {
    fn event(&mut self, event: &Event, streams: &mut Streams<'_>) -> io::Result<()> {
        self.traces.event(&told_apart(event), streams)?;
        match self.gather.take(event).and_then(|target| self.gather.merge(target)) {
            Some(merged) => line(&FlowsObject::new(&merged, &self.method_requested), streams.data),
            None => Ok(()),
        }
    }
}

#[derive(Serialize)]
struct FlowsObject<'a> {
    #[serde(flatten)]
    head: Head<'a>,
    flows: &'a [u32],
    reached_flows: &'a [u32],
    hops: Vec<HopObject<'a>>,
    findings: Vec<FindingObject>,
}

impl<'a> FlowsObject<'a> {
    fn new(merged: &'a Merged, method_requested: &'a str) -> Self {
        FlowsObject {
            head: Head::new("flows", &merged.start, method_requested),
            flows: &merged.flows,
            reached_flows: &merged.reached,
            hops: merged.hops.iter().map(HopObject::new).collect(),
            findings: merged.findings.iter().map(FindingObject::new).collect(),
        }
    }
}

#[derive(Serialize)]
struct HopObject<'a> {
    ttl: u8,
    responders: Vec<ResponderObject<'a>>,
    silent_flows: &'a [u32],
}

impl<'a> HopObject<'a> {
    fn new(hop: &'a MergedHop) -> Self {
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
    annotation: Option<&'a str>,
}

impl<'a> ResponderObject<'a> {
    fn new(responder: &'a MergedResponder) -> Self {
        ResponderObject {
            address: responder.address,
            name: responder.name.as_deref().map(escape),
            origins: OriginsObject::new(responder.origins.as_ref()),
            flows: &responder.flows,
            rtts_ms: responder.rtts.iter().map(|rtt| millis(rtt.as_nanos())).collect(),
            annotation: responder.annotation.as_deref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::{answer, expired, hop, trace_end, trace_start, written};
    use crate::trace::{Interim, Start, Trace, TraceId};

    #[test]
    fn a_merged_object_follows_the_traces_of_its_flows() {
        let start =
            |trace, flow| Event::Start(Box::new(Start { flow, ..trace_start(trace, "a.example", "198.51.100.9") }));
        let hops = |router, last| vec![hop(1, vec![Some(expired(router, 1000)), None]), hop(2, vec![last])];
        let first = trace_end(0, hops("203.0.113.1", Some(answer("198.51.100.9", 2000))));
        let second = Trace { reached: false, ..*trace_end(1, hops("203.0.113.2", None)) };
        let events = [start(0, 7), start(1, 8), Event::End(Box::new(second)), Event::End(first)];
        let (data, talk) = written(&mut FlowsJson::new(2, TraceJsonOptions::default()), &events);
        assert_eq!(talk, "");
        let lines: Vec<&str> = data.lines().collect();
        let kinds: Vec<&str> = lines.iter().map(|line| &line[..16]).collect();
        assert_eq!(kinds, ["{\"type\":\"trace\",", "{\"type\":\"trace\",", "{\"type\":\"flows\","]);
        assert_eq!(
            lines[2],
            "{\"type\":\"flows\",\"version\":1,\"tool\":\"rtrace\",\"target\":\"a.example\",\"address\":\"198.51.100.9\",\
             \"source\":\"192.0.2.1\",\"method\":\"icmp\",\"method_requested\":\"auto\",\"socket\":\"raw\",\"port\":null,\
             \"flows\":[7,8],\"reached_flows\":[7],\"hops\":[{\"ttl\":1,\"responders\":[{\"address\":\"203.0.113.1\",\
             \"name\":null,\"asn\":null,\"origins\":null,\"flows\":[7],\"rtts_ms\":[1.0],\"annotation\":null},{\"address\":\"203.0.113.2\",\"name\":null,\
             \"asn\":null,\"origins\":null,\"flows\":[8],\"rtts_ms\":[1.0],\"annotation\":null}],\"silent_flows\":[]},{\"ttl\":2,\"responders\":[\
             {\"address\":\"198.51.100.9\",\"name\":null,\"asn\":null,\"origins\":null,\"flows\":[7],\"rtts_ms\":[2.0],\"annotation\":null}],\
             \"silent_flows\":[8]}],\"findings\":[{\"code\":\"several_paths\",\"ttl\":1,\"severity\":\"info\",\
             \"evidence\":{\"responders\":[\"203.0.113.1\",\"203.0.113.2\"]},\"text\":\"from hop 1 on flows take different \
             ways: 203.0.113.1, 203.0.113.2 share them\"}]}"
        );
    }

    #[test]
    fn what_is_said_of_a_trace_names_its_flow() {
        let start =
            |trace, flow| Event::Start(Box::new(Start { flow, ..trace_start(trace, "a.example", "198.51.100.9") }));
        let figures =
            |trace| Interim { trace: TraceId::new(trace), sent: 3, answered: 1, highest_ttl: None, final_hops: 1 };
        let events = [start(0, 7), start(1, 8), Event::Interim(vec![figures(0), figures(1)])];
        let (data, talk) = written(&mut FlowsJson::new(2, TraceJsonOptions::default()), &events);
        assert_eq!(data, "");
        let named: Vec<bool> = talk
            .lines()
            .zip(["a.example,flow=7: ", "a.example,flow=8: "])
            .map(|(line, name)| line.contains(name))
            .collect();
        assert_eq!(named, [true, true], "{talk}");
    }
}
