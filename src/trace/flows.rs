//! The flows of one target laid over each other: [`Flows`].

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::engine::condition::Judged;
use crate::engine::outcome::ProbeEvent;
use crate::trace::annotation::annotation;
use crate::trace::finding::Finding;
use crate::trace::hop::{Hop, Responder};
use crate::trace::result::Trace;
use crate::types::{Rtt, Ttl};

/// All flows of one target.
#[derive(Clone, Debug, PartialEq)]
pub struct Flows {
    /// The trace of each flow, by number; never empty.
    pub traces: Vec<Arc<Trace>>,
    /// The hops of all of them.
    pub hops: Vec<FlowsHop>,
    /// What all flows show together, and none alone.
    pub findings: Vec<Finding>,
    /// The conditions of the run about findings: those of each flow count, and these.
    pub conditions: Vec<Judged>,
}

/// All seen at one TTL.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FlowsHop {
    /// The TTL.
    pub ttl: Ttl,
    /// In the order of the first flow that each answered on.
    pub responders: Vec<FlowsResponder>,
    /// The flows that were probed here without an answer.
    #[serde(rename = "silent_flows")]
    pub silent: Vec<u32>,
}

/// A source of answers on several flows.
#[derive(Clone, Debug, PartialEq)]
pub struct FlowsResponder {
    /// Its address, name and origins.
    pub responder: Responder,
    /// The flows on which it answered.
    pub flows: Vec<u32>,
    /// Its answers.
    pub answers: Vec<Arc<ProbeEvent>>,
}

impl Serialize for FlowsResponder {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let rtts: Vec<Rtt> = self.answers.iter().filter_map(|answer| answer.rtt()).collect();
        let mut object = serializer.serialize_map(None)?;
        self.responder.serialize_entries(&mut object)?;
        object.serialize_entry("flows", &self.flows)?;
        object.serialize_entry("rtts_ms", &rtts)?;
        object.serialize_entry("annotation", &self.answers.iter().find_map(|answer| annotation(answer)))?;
        object.end()
    }
}

impl Flows {
    /// The traces of all flows of a target, by number.
    pub(crate) fn of(traces: Vec<Arc<Trace>>) -> Flows {
        let mut hops: Vec<FlowsHop> = Vec::new();
        for trace in &traces {
            for hop in &trace.hops {
                let at = hops.partition_point(|known| known.ttl < hop.ttl);
                if hops.get(at).is_none_or(|known| known.ttl != hop.ttl) {
                    hops.insert(at, FlowsHop { ttl: hop.ttl, responders: Vec::new(), silent: Vec::new() });
                }
                if let Some(merged) = hops.get_mut(at) {
                    merged.add(number(trace), hop);
                }
            }
        }
        let findings = hops.iter().find_map(FlowsHop::several_paths).into_iter().collect();
        Flows { traces, hops, findings, conditions: Vec::new() }
    }

    /// The numbers of the flows.
    pub fn numbers(&self) -> Vec<u32> {
        self.traces.iter().map(|trace| number(trace)).collect()
    }

    /// The flows on which the destination answered.
    pub fn reached(&self) -> Vec<u32> {
        self.traces.iter().filter(|trace| trace.reached).map(|trace| number(trace)).collect()
    }
}

fn number(trace: &Trace) -> u32 {
    trace.began.subject.flow.unwrap_or_default()
}

impl FlowsHop {
    fn add(&mut self, flow: u32, hop: &Hop) {
        if hop.responders.is_empty() {
            self.silent.push(flow);
        }
        for probe in &hop.probes {
            let Some(responder) = probe.response().and_then(|response| hop.responder(response.responder)) else {
                continue;
            };
            let known = self.responders.iter().position(|known| known.responder.address == responder.address);
            let at = known.unwrap_or_else(|| {
                self.responders.push(FlowsResponder {
                    responder: responder.clone(),
                    flows: Vec::new(),
                    answers: Vec::new(),
                });
                self.responders.len() - 1
            });
            let Some(merged) = self.responders.get_mut(at) else { continue };
            if merged.flows.last() != Some(&flow) {
                merged.flows.push(flow);
            }
            merged.answers.push(Arc::clone(&probe.event));
            let shown = &mut merged.responder;
            shown.name = shown.name.take().or_else(|| responder.name.clone());
            shown.origins = shown.origins.take().or_else(|| responder.origins.clone());
            shown.as_name = shown.as_name.take().or_else(|| responder.as_name.clone());
        }
    }

    /// Several paths, if two flows have no responder in common.
    fn several_paths(&self) -> Option<Finding> {
        let mut of_flow: BTreeMap<u32, BTreeSet<IpAddr>> = BTreeMap::new();
        for merged in &self.responders {
            merged.flows.iter().for_each(|&flow| {
                of_flow.entry(flow).or_default().insert(merged.responder.address);
            });
        }
        let parted = of_flow.values().any(|one| of_flow.values().any(|other| other.is_disjoint(one)));
        let responders = self.responders.iter().map(|merged| merged.responder.address).collect();
        parted.then_some(Finding::SeveralPaths { ttl: self.ttl, responders })
    }
}
