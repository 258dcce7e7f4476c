//! What is known about one watched path: [`PathModel`].

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::distribution::Distribution;
use super::history::History;
use crate::engine::outcome::{ProbeEvent, Subject};
use crate::trace::watch::{Change, ChangeKind, Report, ReportHop, is_same_finding};
use crate::trace::{Began, Finding, Response};
use crate::types::{Instant, Now, ProbeId, Rtt, WallTime};

/// No probe is older when something becomes known about it: a clock that was stepped unnoticed is meant otherwise.
const OLDEST: Duration = Duration::from_secs(60);

/// One path.
#[derive(Clone, Debug)]
pub struct PathModel {
    /// What is watched.
    pub began: Began,
    /// Since when.
    pub since: Now,
    /// The newest figures.
    pub figures: Option<Report>,
    /// Which of the paths that were seen it is, since when, and how often that changed.
    pub path: u64,
    /// Since when.
    pub path_since: Option<WallTime>,
    /// How often it changed.
    pub path_changes: usize,
    /// How far away the destination is since that changed.
    pub length: Option<u8>,
    /// What it shows by now.
    pub findings: Vec<Finding>,
    hops: BTreeMap<u8, HopModel>,
    /// How many hops share what is kept, about.
    among: usize,
    /// Probes that count as lost, for now.
    overdue: BTreeSet<ProbeId>,
}

/// Routers of a hop whose labels are known.
const MOST_LABELLED: usize = 16;
/// A path has about as many hops.
const USUAL_HOPS: usize = 16;

/// What figures do not show of one hop.
#[derive(Clone, Debug, Default)]
pub struct HopModel {
    /// Its answers over time.
    pub history: History,
    /// How its round-trip times are spread since the statistics began.
    pub delays: Distribution,
    /// The newest round-trip time.
    pub last: Option<Rtt>,
    /// The newest answer.
    pub newest: Option<Arc<ProbeEvent>>,
    /// The labels that routers show, each with when the probe left that showed them first.
    labels: Vec<(IpAddr, Vec<u32>, Instant)>,
}

impl HopModel {
    /// Since when this router shows the labels that it does.
    pub fn labelled_since(&self, router: IpAddr) -> Option<Instant> {
        self.labels.iter().find(|(known, ..)| *known == router).map(|(.., since)| *since)
    }

    fn label(&mut self, response: &Response<'_>, sent: Instant) {
        let known = self.labels.iter().position(|(router, ..)| *router == response.responder);
        let labels = response.labels();
        match known.and_then(|at| self.labels.get(at)) {
            Some((_, known, _)) if *known == labels => return,
            Some(_) => drop(known.map(|at| self.labels.remove(at))),
            None => {}
        }
        if !labels.is_empty() {
            self.labels.push((response.responder, labels, sent));
        }
        if self.labels.len() > MOST_LABELLED {
            self.labels.remove(0);
        }
    }

    /// Of one of this many hops.
    fn among(hops: usize) -> HopModel {
        HopModel { history: History::among(hops), ..HopModel::default() }
    }
}

impl PathModel {
    /// How far away the destination is, or else the last hop that was asked. Rows that were measured stay when a path shortens.
    pub fn distance(&self) -> Option<u8> {
        self.length.or(self.figures.as_ref()?.hops.last().map(|last| last.ttl.get()))
    }

    /// One of this many paths.
    pub(super) fn new(began: Began, since: Now, paths: usize) -> PathModel {
        PathModel {
            among: paths * USUAL_HOPS,
            began,
            since,
            figures: None,
            path: 0,
            path_since: None,
            path_changes: 0,
            length: None,
            findings: Vec::new(),
            hops: BTreeMap::new(),
            overdue: BTreeSet::new(),
        }
    }

    /// The number of its flow.
    pub fn flow(&self) -> u32 {
        self.subject().flow.unwrap_or_default()
    }

    /// The target, and how it is probed.
    pub fn subject(&self) -> &Arc<Subject> {
        &self.began.subject
    }

    /// What is known of the hop with this TTL.
    pub fn hop(&self, ttl: u8) -> Option<&HopModel> {
        self.hops.get(&ttl)
    }

    /// How much is kept of what happened when.
    pub(super) fn kept(&self) -> usize {
        self.hops.values().map(|hop| hop.history.bins()).sum::<usize>() + self.overdue.len() + self.findings.len()
    }

    /// The rows to show: after the last hop that answered, one silent hop stands for all.
    pub fn rows(&self) -> &[ReportHop] {
        let hops = self.figures.as_ref().map_or(&[][..], |figures| &figures.hops);
        let answering = hops.iter().rposition(|hop| hop.received > 0).map_or(0, |at| at + 1);
        hops.get(..answering + 1).unwrap_or(hops)
    }

    /// Whether the last of the rows is the destination.
    pub fn ends_at_destination(&self) -> bool {
        self.figures.as_ref().is_some_and(|figures| figures.distance_proven.is_some())
    }

    pub(super) fn probe(&mut self, event: &Arc<ProbeEvent>, now: Now, step: Option<Step>) {
        let (Some(ttl), sent) = (event.ttl, sent_at(event, now, step)) else { return };
        let was_overdue = self.overdue.remove(&event.id);
        let among = self.among;
        let hop = self.hops.entry(ttl.get()).or_insert_with(|| HopModel::among(among));
        match Response::of(event) {
            Some(response) => {
                if was_overdue {
                    hop.history.found(sent);
                }
                // An unreachable counts as lost, and shows nothing of a delay.
                if response.is_refusal() {
                    hop.history.lost(sent);
                } else {
                    hop.history.answered(sent, response.rtt);
                    hop.delays.add(response.rtt);
                    hop.last = Some(response.rtt);
                }
                hop.label(&response, sent);
                hop.newest = Some(Arc::clone(event));
            }
            None if was_overdue => {}
            None => hop.history.lost(sent),
        }
    }

    pub(super) fn overdue(&mut self, event: &ProbeEvent, now: Now, step: Option<Step>) {
        let Some(ttl) = event.ttl else { return };
        if self.overdue.insert(event.id) {
            let hop = self.hops.entry(ttl.get()).or_insert_with(|| HopModel::among(self.among));
            hop.history.lost(sent_at(event, now, step));
        }
    }

    pub(super) fn change(&mut self, change: &Change) {
        match &change.kind {
            ChangeKind::PathChanged { path, .. } => {
                (self.path, self.path_since) = (*path, Some(change.at));
                self.path_changes += 1;
            }
            ChangeKind::LengthChanged { after, .. } => self.length = Some(after.get()),
            ChangeKind::Finding { finding } => self.findings.push(finding.clone()),
            ChangeKind::FindingEnded { finding } => {
                self.findings.retain(|known| !is_same_finding(known, finding));
            }
            ChangeKind::Reset => {
                self.hops.values_mut().for_each(|hop| hop.delays = Distribution::default());
                // Of the probes under way nothing more is reported.
                self.overdue.clear();
            }
            _ => {}
        }
    }

    pub(super) fn report(&mut self, figures: Report) {
        for newer in &figures.findings {
            let known = self.findings.iter_mut().find(|known| is_same_finding(known, newer));
            known.into_iter().for_each(|known| known.clone_from(newer));
        }
        self.figures = Some(figures);
    }
}

/// When a probe was sent, on the clock of `now`.
pub(super) fn sent_at(event: &ProbeEvent, now: Now, step: Option<Step>) -> Instant {
    let age = |by: i64| i128::from(now.wall.as_nanos()) - i128::from(by) - i128::from(event.sent.as_nanos());
    let age = match step {
        // It was sent before.
        Some(Step { at, by }) if !(0..=now.mono.since(at).as_nanos() as i128).contains(&age(0)) => age(by),
        _ => age(0),
    };
    let age = u64::try_from(age.max(0)).unwrap_or(u64::MAX);
    now.mono.saturating_sub(Duration::from_nanos(age).min(OLDEST))
}

/// A step of the wall clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    /// When.
    pub at: Instant,
    /// By how many nanoseconds.
    pub by: i64,
}
