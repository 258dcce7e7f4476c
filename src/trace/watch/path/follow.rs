//! A path that is followed while it is watched: what is overdue, what happens, when figures are emitted, a new beginning and the
//! end.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::findings::Findings;
use super::losses::CycleProbes;
use super::{End, Open, Watch};
use crate::engine::outcome::{Outcome, ProbeEvent, Silence};
use crate::trace::annotation::annotation;
use crate::trace::ends::{Began, StopReason};
use crate::trace::event::Event;
use crate::trace::finding::Finding;
use crate::trace::hop::Response;
use crate::trace::watch::change::Change;
use crate::trace::watch::cycle::ProbeState;
use crate::trace::watch::detector::{CycleResult, Detector};
use crate::trace::watch::event::Config;
use crate::types::{Instant, Now, ProbeId, Ttl, WallTime};

/// The first figures of a path that is followed are as far apart.
const FIRST_REPORTS: Duration = Duration::from_millis(100);

/// What is kept of a path that is followed.
#[derive(Debug, Default)]
pub(super) struct Followed {
    detector: Detector,
    findings: Findings,
    /// Cycles that are not decided, and their probes.
    results: BTreeMap<usize, (CycleResult, CycleProbes)>,
    /// The first of them.
    next: usize,
    /// How often the path changed.
    changes: u64,
}

impl Followed {
    /// Whether what a cycle brought was looked at.
    pub fn has_seen(&self, cycle: usize) -> bool {
        cycle < self.next
    }

    /// How often the path changed.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// What the path shows by now.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.findings.held()
    }

    /// How much is kept.
    #[cfg(test)]
    pub fn kept(&self) -> usize {
        self.results.len()
    }
}

impl Watch {
    /// Takes the answer to a probe into account in what its cycle brought.
    pub(super) fn follow(&mut self, open: &Open, event: &Arc<ProbeEvent>) {
        if self.followed.has_seen(open.cycle) {
            return;
        }
        let Some((response, cycle)) = Response::of(event).zip(self.cycles.get(open.cycle)) else { return };
        let (result, probes) = self.followed.results.entry(open.cycle).or_default();
        probes.insert(open.ttl, Arc::clone(event));
        match cycle.state(open.ttl) {
            ProbeState::Router => {
                result.routers.insert(open.ttl, (response.responder, response.labels()));
            }
            ProbeState::Unreachable if result.refused.as_ref().is_none_or(|(ttl, ..)| open.ttl < *ttl) => {
                result.refused = annotation(event).map(|mark| (open.ttl, response.responder, mark));
            }
            ProbeState::Target(_) => result.rtt = Some(result.rtt.map_or(response.rtt, |rtt| rtt.min(response.rtt))),
            _ => {}
        }
    }

    /// Reports what the cycles show that are decided by `now`.
    pub fn report_changes(&mut self, config: &Config, now: Now, out: &mut VecDeque<Event>) {
        let wait = self.wait(config);
        while let Some(cycle) = self.cycles.get(self.followed.next) {
            let number = self.followed.next;
            let is_whole = number + 1 < self.cycles.len() || self.unfinished(config).is_none();
            let silent = cycle.probed().any(|(_, state)| state == ProbeState::Silent);
            let counts = self.open.values().any(|open| open.cycle == number && open.slot.arrival.is_some());
            if !is_whole || counts || silent && cycle.last_sent + wait > now.mono {
                return;
            }
            let (result, probes) = self.followed.results.remove(&number).unwrap_or_default();
            let result = CycleResult {
                at: cycle.at,
                probed: cycle.probed().filter(|&(_, state)| state != ProbeState::NotSent).map(|(ttl, _)| ttl).collect(),
                reached: cycle.is_answered_from(0),
                unsent: cycle.probed().next_back().is_some_and(|(_, state)| state == ProbeState::NotSent),
                distance: cycle.distance(0).filter(|distance| distance.proven).map(|distance| distance.ttl),
                ..result
            };
            self.followed.next += 1;
            let mut happened = self.followed.detector.cycle(&result);
            happened.retain(|(_, kind)| !self.followed.findings.explain(kind));
            let changes = happened.iter().filter(|(_, kind)| kind.is_of_path()).count();
            if changes > 0 {
                self.followed.changes += changes as u64;
                self.followed.findings.forget();
            }
            let ended = match self.end() {
                Some(End { ttl, proven: Some(_) }) => (ttl, StopReason::Destination),
                Some(End { ttl, proven: None }) => (ttl, StopReason::Unreachable),
                None => (self.max, StopReason::MaxTtl),
            };
            let answered = (result.reached || !result.unsent && result.refused.is_none()).then_some(result.reached);
            let found = self.followed.findings.cycle((probes, answered), self.route.target.address, ended);
            happened.extend(found.into_iter().map(|kind| (now.mono, kind)));
            for (at, kind) in happened {
                let ago = now.mono.since(at).as_nanos() as u64;
                let at = WallTime::from_nanos(now.wall.as_nanos().saturating_sub(ago));
                out.push_back(Event::Change(Arc::new(Change { subject: self.subject(), at, kind })));
            }
        }
    }

    /// Reports the probes that became overdue.
    pub fn report_overdue(&mut self, config: &Config, now: Now, out: &mut VecDeque<Event>) {
        let wait = self.wait(config);
        for open in self.open.values_mut().filter(|open| !open.overdue) {
            let Some(((probe, sent), since)) = open.slot.sent.zip(open.slot.open_since()) else { continue };
            if since + wait > now.mono {
                continue;
            }
            open.overdue = true;
            let (ttl, cycle) = (open.ttl, open.cycle);
            let subject = &self.began.subject;
            let silent = Outcome::Timeout(Silence::NoAnswer);
            let event = ProbeEvent {
                ttl: Some(Ttl::new(open.ttl)),
                flow: subject.flow,
                at: now.wall,
                ..ProbeEvent::new(subject, probe, sent.user.wall, silent)
            };
            let event = Arc::new(event);
            if !self.followed.has_seen(cycle) {
                let (_, probes) = self.followed.results.entry(cycle).or_default();
                probes.entry(ttl).or_insert_with(|| Arc::clone(&event));
            }
            out.push_back(Event::Overdue(event));
        }
    }

    /// How long until the figures are to be emitted again: a cycle, and less while the first one goes on.
    pub fn until_report(&self, config: &Config, now: Instant) -> Duration {
        (now.since(self.started) / 4).max(FIRST_REPORTS).min(config.interval)
    }

    /// The routers at each TTL that are known to be on the path now.
    pub fn routers(&self) -> BTreeMap<u8, Vec<IpAddr>> {
        self.followed.detector.signature()
    }

    /// How far away the destination is known to be now.
    pub fn distance(&self) -> Option<u8> {
        self.followed.detector.distance()
    }

    /// Sends nothing any more.
    pub fn close(&mut self) {
        self.closing = true;
    }

    pub fn is_closing(&self) -> bool {
        self.closing
    }

    /// Begins anew at `now`; gives the probes under way, which count for nothing any more.
    pub fn restart(&mut self, config: &Config, now: Now) -> Vec<ProbeId> {
        let began = Began { time: now.wall, ..self.began.clone() };
        let probes = self.open.keys().copied().collect();
        let (paused, closing) = (self.paused, self.closing);
        let Followed { detector, findings, .. } = std::mem::take(&mut self.followed);
        let followed = Followed { detector, findings, ..Followed::default() };
        *self = Watch { paused, closing, followed, ..Watch::new(config, began, self.route, now.mono) };
        probes
    }
}
