//! What is known about one watched path: [`PathModel`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::distribution::Distribution;
use super::history::History;
use crate::engine::outcome::{ProbeEvent, Subject};
use crate::trace::watch::{Change, ChangeKind, Report, ReportHop};
use crate::trace::{Began, Finding, Response};
use crate::types::{Instant, Now, ProbeId, Rtt, WallTime};

/// No probe is older when something becomes known about it: a step of the wall clock is meant otherwise.
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
    /// Probes that count as lost, for now.
    overdue: BTreeSet<ProbeId>,
}

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
}

impl PathModel {
    /// How far away the destination is, or else the last hop that was asked. Rows that were measured stay when a path shortens.
    pub fn distance(&self) -> Option<u8> {
        self.length.or(self.figures.as_ref()?.hops.last().map(|last| last.ttl.get()))
    }

    pub(super) fn new(began: Began, since: Now) -> PathModel {
        PathModel {
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

    pub(super) fn probe(&mut self, event: &Arc<ProbeEvent>, now: Now) {
        let (Some(ttl), sent) = (event.ttl, sent_at(event, now)) else { return };
        let was_overdue = self.overdue.remove(&event.id);
        let hop = self.hops.entry(ttl.get()).or_default();
        match Response::of(event) {
            Some(response) => {
                if was_overdue {
                    hop.history.found(sent);
                }
                hop.history.answered(sent, response.rtt);
                if !response.is_refusal() {
                    hop.delays.add(response.rtt);
                }
                hop.last = Some(response.rtt);
                hop.newest = Some(Arc::clone(event));
            }
            None if was_overdue => {}
            None => hop.history.lost(sent),
        }
    }

    pub(super) fn overdue(&mut self, event: &ProbeEvent, now: Now) {
        let Some(ttl) = event.ttl else { return };
        if self.overdue.insert(event.id) {
            self.hops.entry(ttl.get()).or_default().history.lost(sent_at(event, now));
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
                let is_it = |known: &Finding| (known.code(), known.ttl()) == (finding.code(), finding.ttl());
                self.findings.retain(|known| !is_it(known));
            }
            ChangeKind::Reset => self.hops.values_mut().for_each(|hop| hop.delays = Distribution::default()),
            _ => {}
        }
    }

    pub(super) fn report(&mut self, figures: Report) {
        self.figures = Some(figures);
    }
}

/// When a probe was sent, on the clock of `now`.
pub(super) fn sent_at(event: &ProbeEvent, now: Now) -> Instant {
    let age = now.wall.as_nanos().saturating_sub(event.sent.as_nanos());
    now.mono.saturating_sub(Duration::from_nanos(age).min(OLDEST))
}
