//! What a path that is followed shows by now: its [`Finding`]s, and which of them begin and end.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use super::losses::{CycleProbes, Losses};
use crate::metrics::{Share, more_often};
use crate::trace::ends::StopReason;
use crate::trace::finding::{Code, Finding, findings};
use crate::trace::hop::{Hop, HopProbe};
use crate::trace::watch::change::ChangeKind;
use crate::types::Ttl;

/// How many of the newest cycles are looked at.
const CYCLES: usize = 20;
/// With fewer cycles there is nothing to see yet.
const FEWEST: usize = 5;
/// A finding ends when this many cycles in a row have not shown it: one that comes and goes is one.
pub(in crate::trace::watch) const GONE: usize = 2 * CYCLES;

/// A router limits its answers if chance makes that as seldom as this.
const ALPHA: f64 = 0.01;
/// The findings of a path, cycle by cycle.
#[derive(Debug, Default)]
pub(super) struct Findings {
    cycles: VecDeque<CycleProbes>,
    /// What holds, by its code and hop.
    held: BTreeMap<(&'static str, Option<Ttl>), Held>,
    losses: Losses,
}

/// A finding that holds.
#[derive(Debug)]
struct Held {
    /// As it showed last.
    finding: Finding,
    /// For how many cycles it has not.
    missing: usize,
}

impl Findings {
    /// The path is another: its former probes say nothing about it.
    pub fn forget(&mut self) {
        self.cycles.clear();
        self.losses.forget_path();
    }

    /// What holds, with the newest evidence.
    pub fn held(&self) -> impl Iterator<Item = &Finding> {
        self.held.values().map(|held| &held.finding).chain(self.losses.held())
    }

    /// Whether chance makes something of what holds.
    pub fn explain(&self, kind: &ChangeKind) -> bool {
        matches!(kind, ChangeKind::LossBurst { probes, .. } if self.losses.explain(*probes))
    }

    /// Takes the probes of the next cycle, of a path to `target` that ends at the TTL `last`, and says what begins and ends.
    /// `answered` says whether the destination answered one of them, unless they did not get so far.
    pub fn cycle(
        &mut self,
        (probes, answered): (CycleProbes, Option<bool>),
        target: IpAddr,
        (last, stop): (u8, StopReason),
    ) -> Vec<ChangeKind> {
        let limits = |ttl| self.held.contains_key(&(Code::RateLimited.name(), Some(ttl)));
        let answered = answered.filter(|_| stop == StopReason::Destination);
        let losses = answered.map(|answered| self.losses.cycle((&probes, answered), last, limits));
        let mut out = losses.unwrap_or_default();
        self.cycles.push_back(probes);
        if self.cycles.len() > CYCLES {
            self.cycles.pop_front();
        }
        if self.cycles.len() < FEWEST {
            return out;
        }
        let mut absent: Vec<_> = self.held.keys().copied().collect();
        let hops = self.hops(last);
        let found = findings(target, stop, &hops, &[]).into_iter().filter(is_sure);
        let found = found.filter(|finding| alternates(&self.cycles, finding) && !is_loss(finding));
        if hops.last().is_some_and(|last| last.responses().count() < last.probes.len()) {
            // Beside a loss nothing shows whether routers limit their answers.
            absent.retain(|(code, _)| *code != Code::RateLimited.name());
        }
        for finding in found {
            let key = (finding.code().name(), finding.ttl());
            absent.retain(|known| *known != key);
            if self.held.insert(key, Held { finding: finding.clone(), missing: 0 }).is_none() {
                out.push(ChangeKind::Finding { finding });
            }
        }
        for key in absent {
            let Some(held) = self.held.get_mut(&key) else { continue };
            held.missing += 1;
            if held.missing >= GONE
                && let Some(Held { finding, .. }) = self.held.remove(&key)
            {
                out.push(ChangeKind::FindingEnded { finding });
            }
        }
        out
    }

    /// All probes as those of one trace.
    fn hops(&self, last: u8) -> Vec<Arc<Hop>> {
        let mut hops: BTreeMap<u8, Vec<HopProbe>> = BTreeMap::new();
        for (&ttl, event) in self.cycles.iter().flatten().filter(|&(&ttl, _)| ttl <= last) {
            let probes = hops.entry(ttl).or_default();
            let number = probes.len() as u32 + 1;
            probes.push(HopProbe { number, again: false, event: Arc::clone(event) });
        }
        let hop = |(ttl, probes)| Arc::new(Hop { ttl: Ttl::new(ttl), probes, responders: Vec::new(), mtu: None });
        hops.into_iter().map(hop).collect()
    }
}

const fn is_loss(finding: &Finding) -> bool {
    matches!(finding, Finding::Loss { .. })
}

/// In each of these cycles some hop misses an answer, without any limit.
fn is_sure(finding: &Finding) -> bool {
    let &Finding::RateLimited { sent, answered, later_sent, .. } = finding else { return true };
    let missing = Share { hits: sent.saturating_sub(answered) as u64, tries: sent as u64 };
    more_often(missing, Share { hits: 0, tries: later_sent as u64 }) <= ALPHA
}

/// Whether one of several routers of a hop has come back; otherwise the path changed once.
fn alternates(cycles: &VecDeque<CycleProbes>, finding: &Finding) -> bool {
    let (Finding::SeveralResponders { ttl, .. } | Finding::SeveralPaths { ttl, .. }) = finding else { return true };
    let mut turns: Vec<IpAddr> = cycles.iter().filter_map(|probes| probes.get(&ttl.get())?.responder).collect();
    turns.dedup();
    let all: BTreeSet<&IpAddr> = turns.iter().collect();
    turns.len() > all.len()
}
