//! Several flows of a target side by side: the traces of its flows laid over each other ([`Merged`]), as text and as JSON.

mod json;
mod text;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::report::words::message::annotation;
use crate::trace::{Answer, Event, Finding, Origins, Start, Trace};
use crate::types::{Rtt, Ttl};

pub use json::FlowsJson;
pub use text::FlowsText;

/// Collects the traces of each target until all its flows have ended.
struct Gather {
    /// Flows per target.
    flows: usize,
    /// By trace.
    traces: Vec<(Option<Start>, Option<Trace>)>,
}

/// The event for who talks about each flow alone: a start whose name says which one it is of.
fn told_apart(event: &Event) -> Cow<'_, Event> {
    let Event::Start(start) = event else { return Cow::Borrowed(event) };
    let name = format!("{},flow={}", start.name, start.flow).into();
    Cow::Owned(Event::Start(Box::new(Start { name, ..Start::clone(start) })))
}

impl Gather {
    fn new(flows: u32) -> Self {
        Gather { flows: flows.max(1) as usize, traces: Vec::new() }
    }

    /// Takes note of an event. Gives the index of the target of which this was the last.
    fn take(&mut self, event: &Event) -> Option<usize> {
        let trace = match event {
            Event::Start(start) => start.trace,
            Event::End(end) => end.trace,
            _ => return None,
        };
        let index = trace.index();
        if self.traces.len() <= index {
            self.traces.resize_with(index + 1, Default::default);
        }
        let slot = self.traces.get_mut(index)?;
        match event {
            Event::Start(start) => slot.0 = Some(Start::clone(start)),
            Event::End(end) => slot.1 = Some(Trace::clone(end)),
            _ => {}
        }
        let target = index / self.flows;
        self.is_over(target).then_some(target)
    }

    fn of(&self, target: usize) -> &[(Option<Start>, Option<Trace>)] {
        let first = target * self.flows;
        self.traces.get(first..first + self.flows).unwrap_or_default()
    }

    /// Whether every flow of a target has ended.
    fn is_over(&self, target: usize) -> bool {
        let flows = self.of(target);
        !flows.is_empty() && flows.iter().all(|(_, end)| end.is_some())
    }

    /// The flows of a target laid over each other; each target can be had once.
    fn merge(&mut self, target: usize) -> Option<Merged> {
        let first = target * self.flows;
        let range = first..first + self.flows;
        let flows = self.traces.get_mut(range)?.iter_mut();
        Merged::of(flows.filter_map(|slot| slot.0.take().zip(slot.1.take())).collect())
    }
}

/// All flows of one target.
struct Merged {
    /// Of the first flow; the others differ in their number.
    start: Start,
    flows: Vec<u32>,
    /// The flows on which the destination answered.
    reached: Vec<u32>,
    hops: Vec<MergedHop>,
    /// What all flows together say, and none alone.
    findings: Vec<Finding>,
    traces: Vec<(Start, Trace)>,
}

/// All seen at one TTL.
struct MergedHop {
    ttl: Ttl,
    /// In the order of the first flow that each answered on.
    responders: Vec<MergedResponder>,
    /// The flows that were probed here and on which nobody answered.
    silent: Vec<u32>,
}

struct MergedResponder {
    address: IpAddr,
    name: Option<Box<str>>,
    origins: Option<Origins>,
    flows: Vec<u32>,
    rtts: Vec<Rtt>,
    annotation: Option<String>,
}

impl Merged {
    fn of(traces: Vec<(Start, Trace)>) -> Option<Merged> {
        let start = traces.first()?.0.clone();
        let mut hops: Vec<MergedHop> = Vec::new();
        for (start, end) in &traces {
            for hop in &end.hops {
                let at = hops.partition_point(|known| known.ttl < hop.ttl);
                if hops.get(at).is_none_or(|known| known.ttl != hop.ttl) {
                    hops.insert(at, MergedHop { ttl: hop.ttl, responders: Vec::new(), silent: Vec::new() });
                }
                let Some(merged) = hops.get_mut(at) else { continue };
                let mut answers = hop.probes.iter().filter_map(|probe| probe.answer.as_ref()).peekable();
                if answers.peek().is_none() {
                    merged.silent.push(start.flow);
                }
                answers.for_each(|answer| merged.add(start.flow, answer));
            }
        }
        let flows = traces.iter().map(|(start, _)| start.flow).collect();
        let reached = traces.iter().filter(|(_, end)| end.reached).map(|(start, _)| start.flow).collect();
        let findings = hops.iter().find_map(MergedHop::parting).into_iter().collect();
        Some(Merged { start, flows, reached, hops, findings, traces })
    }
}

impl MergedHop {
    /// Several paths, if two flows have no responder in common.
    fn parting(&self) -> Option<Finding> {
        let mut of_flow: BTreeMap<u32, BTreeSet<IpAddr>> = BTreeMap::new();
        for responder in &self.responders {
            responder.flows.iter().for_each(|&flow| {
                of_flow.entry(flow).or_default().insert(responder.address);
            });
        }
        let parted = of_flow.values().any(|one| of_flow.values().any(|other| other.is_disjoint(one)));
        let responders = self.responders.iter().map(|responder| responder.address).collect();
        parted.then_some(Finding::SeveralPaths { ttl: self.ttl, responders })
    }

    fn add(&mut self, flow: u32, answer: &Answer) {
        let known = self.responders.iter().position(|responder| responder.address == answer.responder);
        let at = known.unwrap_or_else(|| {
            let (address, annotation) = (answer.responder, None);
            self.responders.push(MergedResponder {
                address,
                name: None,
                origins: None,
                flows: Vec::new(),
                rtts: Vec::new(),
                annotation,
            });
            self.responders.len() - 1
        });
        let Some(responder) = self.responders.get_mut(at) else { return };
        if responder.flows.last() != Some(&flow) {
            responder.flows.push(flow);
        }
        responder.rtts.push(answer.rtt);
        responder.name = responder.name.take().or_else(|| answer.name.clone());
        responder.origins = responder.origins.take().or_else(|| answer.origins.clone());
        responder.annotation = responder.annotation.take().or_else(|| annotation(answer));
    }
}
