//! What conditions may ask about paths, and the events that take the answers along.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::config::Config;
use super::ends::Began;
use super::event::Event;
use super::flows::Flows;
use super::hop::{Origins, Responder};
use super::result::Trace;
use super::watch::Report;
use crate::engine::condition::{Facts, Judged};
use crate::metrics::RttStats;
use crate::types::Mtu;

impl Event {
    /// The same, with the conditions judged where a path is over.
    pub(super) fn judged(mut self, config: &Config) -> Self {
        let conditions = &config.conditions;
        if conditions.is_empty() {
            return self;
        }
        match &mut self {
            Event::Ended(trace) => {
                let part = part(&trace.began, config);
                let mut judged = conditions.judge(&[Facts { part, ..facts(trace) }]);
                judged.retain(|judged| config.flows.is_none() || !judged.is_about_findings());
                Arc::make_mut(trace).conditions = judged;
            }
            Event::Flows(flows) => {
                flows.conditions = conditions.judge(&[facts_of_flows(flows)]);
                flows.conditions.retain(Judged::is_about_findings);
            }
            Event::Report(report) if report.stop_reason.is_some() => {
                let part = part(&report.began, config);
                report.conditions = conditions.judge(&[Facts { part, ..facts_of_report(report) }]);
            }
            _ => {}
        }
        self
    }

    /// The target that this is the end of, and the conditions held against it.
    pub fn ended(&self) -> Option<(Cow<'_, str>, &[Judged])> {
        let (began, judged) = match self {
            Event::Ended(trace) => (&trace.began, &trace.conditions),
            Event::Flows(flows) => (&flows.traces.first()?.began, &flows.conditions),
            Event::Report(report) if report.stop_reason.is_some() => (&report.began, &report.conditions),
            _ => return None,
        };
        Some((Cow::Borrowed(&began.subject.target), judged))
    }
}

/// Which flow of several it is about.
fn part(began: &Began, config: &Config) -> Option<Box<str>> {
    let flow = began.subject.flow.filter(|_| config.flows.is_some());
    flow.map(|flow| format!("flow {flow}").into())
}

/// The destination alone can lose probes: those of its own hop.
fn facts(trace: &Trace) -> Facts {
    let last = trace.hops.last().filter(|_| trace.reached);
    Facts {
        received: last.map_or(0, |hop| hop.responses().count() as u64),
        decided: last.map_or(0, |hop| hop.probes.len() as u64),
        rtt: last.and_then(|hop| hop.rtt_stats()).as_ref().map(RttStats::figures),
        hops: last.map(|hop| hop.ttl.get().into()),
        mtu: trace.path_mtu.or(trace.path_mtu_at_least).map(Mtu::get).map(u64::from),
        findings: trace.findings.iter().map(|finding| finding.code().name()).collect(),
        origins: origins(trace.hops.iter().flat_map(|hop| &hop.responders)),
        ..Facts::default()
    }
}

/// All that is found on any flow, or on all together.
fn facts_of_flows(flows: &Flows) -> Facts {
    let of_traces = flows.traces.iter().flat_map(|trace| &trace.findings);
    Facts {
        received: flows.reached().len() as u64,
        findings: of_traces.chain(&flows.findings).map(|finding| finding.code().name()).collect(),
        ..Facts::default()
    }
}

fn facts_of_report(report: &Report) -> Facts {
    let last = report.hops.last().filter(|_| report.received > 0);
    let responders = report.hops.iter().flat_map(|hop| &hop.responders).map(|responder| &responder.responder);
    Facts {
        received: report.received,
        decided: report.received + report.lost + report.unreachable + report.send_failed,
        rtt: last.and_then(|hop| hop.stats).as_ref().map(RttStats::figures),
        ipdv: last.and_then(|hop| hop.variation).map(|variation| variation.mean),
        hops: last.map(|hop| hop.ttl.get().into()),
        path_changes: report.path_changes,
        origins: origins(responders),
        ..Facts::default()
    }
}

fn origins<'a>(responders: impl Iterator<Item = &'a Responder>) -> Vec<u32> {
    let announced = responders.filter_map(|responder| match &responder.origins {
        Some(Origins::Announced(systems)) => Some(systems),
        _ => None,
    });
    let all: BTreeSet<u32> = announced.flatten().map(|system| system.get()).collect();
    all.into_iter().collect()
}
