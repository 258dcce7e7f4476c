//! What a path that is followed shows by now: its [`Finding`]s, and which of them begin and end.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use crate::engine::outcome::ProbeEvent;
use crate::metrics::{Share, more_often};
use crate::trace::ends::StopReason;
use crate::trace::finding::{Code, Finding, findings};
use crate::trace::hop::{Hop, HopProbe, Response};
use crate::trace::watch::change::ChangeKind;
use crate::types::Ttl;

/// How many of the newest cycles are looked at.
const CYCLES: usize = 20;
/// With fewer cycles there is nothing to see yet.
const FEWEST: usize = 5;
/// A finding ends when this many cycles in a row have not shown it: one that comes and goes is one.
pub(in crate::trace::watch) const GONE: usize = 2 * CYCLES;

/// A loss ends when the destination answers this many cycles in a row, or as many more as chance seldom makes of it, and at most
/// [`GONE`]: the next one is another. One that has come back this often, each time within [`GONE`] cycles, is one that comes and goes.
const LOSS_OVER: usize = 10;
const MOST_RETURNS: usize = 3;

/// A router limits its answers if chance makes that as seldom as this.
const ALPHA: f64 = 0.01;
/// A loss is over if chance makes that as seldom as this: it is looked at after every cycle.
const ALPHA_OVER: f64 = 0.001;

/// The probes of a cycle, by TTL.
pub(super) type CycleProbes = BTreeMap<u8, Arc<ProbeEvent>>;

/// The findings of a path, cycle by cycle.
#[derive(Debug, Default)]
pub(super) struct Findings {
    cycles: VecDeque<CycleProbes>,
    /// What holds, by its code and hop.
    held: BTreeMap<(&'static str, Option<Ttl>), Held>,
    losses: Losses,
    /// How many cycles ago a loss ended, if that is not long, and how often it has come back.
    loss_over: Option<usize>,
    returns: usize,
}

/// Cycles that the destination did not answer, each within [`GONE`] of the one before.
#[derive(Debug, Default)]
struct Losses {
    lost: usize,
    /// From the first of them to the newest, and since.
    during: usize,
    since: usize,
}

impl Losses {
    fn cycle(&mut self, answered: bool) {
        if !answered {
            *self = Losses { lost: self.lost + 1, during: self.during + self.since + 1, since: 0 };
        } else if self.lost > 0 {
            self.since += 1;
        }
        if self.since >= GONE {
            *self = Losses::default();
        }
    }

    /// Whether chance seldom makes so many answers in a row while they go on.
    fn are_over(&self) -> bool {
        self.lost == 0 || self.since >= LOSS_OVER && self.chance(self.since) <= ALPHA_OVER
    }

    /// Whether so few answers in a row are enough that there is nothing between one and the next.
    fn are_a_burst(&self) -> bool {
        self.chance(LOSS_OVER) <= ALPHA_OVER
    }

    /// How often chance makes this many answers in a row. The rate of what is lost is known from the second on.
    fn chance(&self, answers: usize) -> f64 {
        let rate = self.lost.saturating_sub(1) as f64 / self.during.saturating_sub(1).max(1) as f64;
        (1.0 - rate).powf(answers as f64)
    }
}

/// A finding that holds.
#[derive(Debug)]
struct Held {
    /// As it showed last.
    finding: Finding,
    /// For how many cycles it has not.
    missing: usize,
    /// Where a loss began by what was reported, and for how many cycles in a row it has begun elsewhere: the first few probes that
    /// are lost say little about that.
    place: Option<Ttl>,
    elsewhere: usize,
}

impl Held {
    fn new(finding: Finding) -> Held {
        Held { place: place(&finding), finding, missing: 0, elsewhere: 0 }
    }

    /// It shows again. If a loss is certain to begin elsewhere it is another finding.
    fn show(&mut self, finding: Finding) -> Option<[ChangeKind; 2]> {
        let newer = place(&finding);
        self.elsewhere = if newer == self.place { 0 } else { self.elsewhere + 1 };
        (self.missing, self.finding) = (0, finding);
        // That a hop loses shows soon; that it does not, only in the long run.
        if self.elsewhere < if newer < self.place { FEWEST } else { GONE } {
            return None;
        }
        let finding = self.finding.clone();
        let before = match (finding.clone(), self.place) {
            (Finding::Loss { ttl, sent, answered, .. }, Some(first)) => Finding::Loss { ttl, first, sent, answered },
            (other, _) => other,
        };
        *self = Held::new(finding.clone());
        Some([ChangeKind::FindingEnded { finding: before }, ChangeKind::Finding { finding }])
    }
}

impl Findings {
    /// The path is another: its former probes say nothing about it.
    pub fn forget(&mut self) {
        self.cycles.clear();
        self.losses = Losses::default();
    }

    /// What holds, with the newest evidence.
    pub fn held(&self) -> impl Iterator<Item = &Finding> {
        self.held.values().map(|held| &held.finding)
    }

    /// Takes the probes of the next cycle, of a path to `target` that ends at the TTL `last`, and says what begins and ends.
    pub fn cycle(&mut self, probes: CycleProbes, target: IpAddr, (last, stop): (u8, StopReason)) -> Vec<ChangeKind> {
        self.losses.cycle(probes.get(&last).is_some_and(|event| Response::of(event).is_some()));
        self.cycles.push_back(probes);
        if self.cycles.len() > CYCLES {
            self.cycles.pop_front();
        }
        let mut out = self.end_loss();
        if self.cycles.len() < FEWEST {
            return out;
        }
        let mut absent: Vec<_> = self.held.keys().copied().collect();
        let hops = self.hops(last);
        let found = findings(target, stop, &hops, &[]).into_iter().filter(is_sure);
        let found = found.filter(|finding| alternates(&self.cycles, finding));
        let found: Vec<Finding> = found.map(|finding| self.placed(finding, &hops)).collect();
        if found.iter().any(is_loss) {
            // Beside a loss nothing shows whether routers limit their answers.
            absent.retain(|(code, _)| *code != Code::RateLimited.name());
        }
        for finding in found {
            let key = (finding.code().name(), finding.ttl());
            absent.retain(|known| *known != key);
            match self.held.get_mut(&key) {
                Some(held) => out.extend(held.show(finding).into_iter().flatten()),
                None => {
                    self.returns += usize::from(is_loss(&finding) && self.loss_over.take().is_some());
                    out.push(ChangeKind::Finding { finding: finding.clone() });
                    self.held.insert(key, Held::new(finding));
                }
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

    /// Ends a loss that is over, and forgets the cycles in which it was, so that they are no evidence for the next one.
    fn end_loss(&mut self) -> Vec<ChangeKind> {
        self.loss_over = self.loss_over.map(|cycles| cycles + 1).filter(|&cycles| cycles < GONE);
        if self.loss_over.is_none() && !self.held.values().any(|held| is_loss(&held.finding)) {
            self.returns = 0;
        }
        if self.returns >= MOST_RETURNS || !self.losses.are_over() {
            return Vec::new();
        }
        let key = self.held.iter().find(|(_, held)| is_loss(&held.finding)).map(|(key, _)| *key);
        let Some(Held { finding, .. }) = key.and_then(|key| self.held.remove(&key)) else { return Vec::new() };
        self.cycles.drain(..self.cycles.len().saturating_sub(LOSS_OVER));
        self.loss_over = Some(0);
        if self.losses.are_a_burst() {
            self.losses = Losses::default();
        }
        vec![ChangeKind::FindingEnded { finding }]
    }

    /// A loss begins at no router that is known to limit its answers, or that answers less than the destination by more than chance:
    /// that one would be silent anyway.
    fn placed(&self, finding: Finding, hops: &[Arc<Hop>]) -> Finding {
        let Finding::Loss { ttl, first, sent, answered } = finding else { return finding };
        let missing = |hop: &Arc<Hop>| {
            let (sent, answered) = (hop.probes.len(), hop.responses().count());
            Share { hits: sent.saturating_sub(answered) as u64, tries: sent as u64 }
        };
        let lost = Share { hits: sent.saturating_sub(answered) as u64, tries: sent as u64 };
        let limits = |hop: &Arc<Hop>| {
            self.held.contains_key(&(Code::RateLimited.name(), Some(hop.ttl)))
                || more_often(missing(hop), lost) <= ALPHA
        };
        let loses = |hop: &&Arc<Hop>| (1..missing(hop).tries).contains(&missing(hop).hits);
        let mut losing = hops.iter().filter(|hop| (first..ttl).contains(&hop.ttl)).filter(loses);
        let first = losing.find(|hop| !limits(hop)).map_or(ttl, |hop| hop.ttl);
        Finding::Loss { ttl, first, sent, answered }
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

/// Where a loss begins.
const fn place(finding: &Finding) -> Option<Ttl> {
    if let Finding::Loss { first, .. } = finding { Some(*first) } else { None }
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
