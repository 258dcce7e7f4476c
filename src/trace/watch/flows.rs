//! The flows of one target, watched side by side: [`FlowsReport`].

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use super::change::ChangeKind;
use super::event::{Report, ReportHop};
use super::path::GONE;
use crate::engine::outcome::Subject;
use crate::metrics::{Share, more_often};
use crate::trace::finding::Finding;
use crate::types::Ttl;

/// Flows lose more than the others if chance makes it as seldom as this.
const ALPHA: f64 = 0.01;
/// A hop shows that loss too if chance makes it there as seldom as this: that it is there is known.
const ALPHA_AT_HOP: f64 = 0.05;

/// The figures of all flows of a target.
#[derive(Clone, Debug, PartialEq)]
pub struct FlowsReport {
    /// All of them together.
    pub all: Report,
    /// Each, by number; never empty.
    pub flows: Vec<Report>,
    /// What they show together, and none alone.
    pub findings: Vec<Finding>,
}

impl FlowsReport {
    /// Those of `flows`, which come to `all`.
    pub(super) fn new(all: Report, flows: Vec<Report>) -> FlowsReport {
        let parting = parting(&flows).map(|ttl| {
            let responders = at(&all, ttl).map_or_else(Vec::new, addresses);
            Finding::SeveralPaths { ttl, responders }
        });
        let findings = parting.into_iter().chain(flow_loss(&all, &flows)).collect();
        FlowsReport { all, flows, findings }
    }

    /// The numbers of the flows.
    pub fn numbers(&self) -> Vec<u32> {
        self.flows.iter().map(number).collect()
    }

    /// The first hop at which they take different ways.
    pub fn parting(&self) -> Option<Ttl> {
        parting(&self.flows)
    }
}

/// What the flows of a target show together while they are followed: that some lose more than the others.
#[derive(Debug, Default)]
pub(super) struct Uneven {
    /// What holds, whose change it is, and for how many cycles it has not shown.
    held: Option<(Finding, Arc<Subject>, usize)>,
}

impl Uneven {
    /// What holds, with the newest evidence.
    pub fn held(&self) -> Option<&Finding> {
        self.held.as_ref().map(|(finding, ..)| finding)
    }

    /// Takes the figures so far, once a cycle, and says what begins and ends. It is a change of the first flow that loses more.
    pub fn cycle(&mut self, all: &Report, flows: &[Report]) -> Vec<(Arc<Subject>, ChangeKind)> {
        let Some(finding) = flow_loss(all, flows) else { return self.absent().into_iter().collect() };
        let lossy = lossy_flows(&finding).unwrap_or_default();
        if let Some((held, _, missing)) = &mut self.held
            && lossy_flows(held) == Some(lossy)
        {
            (*held, *missing) = (finding, 0);
            return Vec::new();
        }
        let subject = flows.iter().find(|flow| lossy.contains(&number(flow))).unwrap_or(all);
        let subject = Arc::clone(&subject.began.subject);
        let before = self.held.replace((finding.clone(), Arc::clone(&subject), 0));
        let ended = before.map(|(finding, subject, _)| (subject, ChangeKind::FindingEnded { finding }));
        ended.into_iter().chain([(subject, ChangeKind::Finding { finding })]).collect()
    }

    fn absent(&mut self) -> Option<(Arc<Subject>, ChangeKind)> {
        let (_, _, missing) = self.held.as_mut()?;
        *missing += 1;
        let (finding, subject, _) = self.held.take_if(|(_, _, missing)| *missing >= GONE)?;
        Some((subject, ChangeKind::FindingEnded { finding }))
    }
}

fn lossy_flows(finding: &Finding) -> Option<&[u32]> {
    match finding {
        Finding::FlowLoss { flows, .. } => Some(flows),
        _ => None,
    }
}

fn number(flow: &Report) -> u32 {
    flow.began.subject.flow.unwrap_or_default()
}

fn at(report: &Report, ttl: Ttl) -> Option<&ReportHop> {
    report.hops.iter().find(|hop| hop.ttl == ttl)
}

fn addresses(hop: &ReportHop) -> Vec<IpAddr> {
    hop.responders.iter().map(|responder| responder.responder.address).collect()
}

/// The responders of some flows at one hop.
fn responders<'a>(flows: impl Iterator<Item = &'a Report>, ttl: Ttl) -> BTreeSet<IpAddr> {
    flows.filter_map(|flow| at(flow, ttl)).flat_map(addresses).collect()
}

/// The first hop at which two flows have no responder in common.
fn parting(flows: &[Report]) -> Option<Ttl> {
    let last = flows.iter().filter_map(|flow| flow.hops.last()).map(|hop| hop.ttl.get()).max()?;
    (1..=last).map(Ttl::new).find(|&ttl| {
        let of: Vec<BTreeSet<IpAddr>> =
            flows.iter().map(|flow| responders([flow].into_iter(), ttl)).filter(|of| !of.is_empty()).collect();
        of.iter().enumerate().any(|(at, one)| of.iter().skip(at + 1).any(|other| one.is_disjoint(other)))
    })
}

/// The cycles that the destination did not answer, of those that are decided.
fn lost(flow: &Report) -> Share {
    let lost = flow.lost + flow.unreachable + flow.send_failed;
    Share { hits: lost, tries: flow.received + lost }
}

fn sum(shares: impl Iterator<Item = Share>) -> Share {
    shares.fold(Share { hits: 0, tries: 0 }, |sum, share| sum.and(share))
}

/// The flows that lose more than the others, and from where on. That they were chosen for their loss is taken into account: chance
/// must not even make it of any choice of flows.
fn flow_loss(all: &Report, flows: &[Report]) -> Option<Finding> {
    let mut ranked: Vec<&Report> = flows.iter().filter(|flow| lost(flow).tries > 0).collect();
    let rate = |flow: &Report| flow.loss_pct().unwrap_or_default();
    ranked.sort_by(|one, other| rate(other).total_cmp(&rate(one)));
    let (mut choices, sizes) = (1.0, ranked.len().saturating_sub(1) as f64);
    let splits = (1..ranked.len()).filter_map(|lossy| {
        choices *= (ranked.len() + 1 - lossy) as f64 / lossy as f64;
        let (lossy, others) = ranked.split_at_checked(lossy)?;
        let chance = more_often(sum(lossy.iter().map(|flow| lost(flow))), sum(others.iter().map(|flow| lost(flow))));
        Some((chance * choices * sizes, lossy, others))
    });
    let (chance, lossy, others) = splits.min_by(|one, other| one.0.total_cmp(&other.0))?;
    if chance > ALPHA {
        return None;
    }
    let ttl = first_difference(all, lossy, others)?;
    let (own, other) = (sum(lossy.iter().map(|flow| lost(flow))), sum(others.iter().map(|flow| lost(flow))));
    let mut numbers: Vec<u32> = lossy.iter().map(|flow| number(flow)).collect();
    numbers.sort_unstable();
    Some(Finding::FlowLoss {
        ttl,
        flows: numbers,
        sent: own.tries,
        received: own.tries - own.hits,
        other_sent: other.tries,
        other_received: other.tries - other.hits,
        responders: responders(lossy.iter().copied(), ttl).into_iter().collect(),
        other_responders: responders(others.iter().copied(), ttl).into_iter().collect(),
    })
}

/// The first hop from which every hop that says something shows the difference as well.
fn first_difference(all: &Report, lossy: &[&Report], others: &[&Report]) -> Option<Ttl> {
    let share = |flows: &[&Report], ttl: Ttl| {
        let missing = |hop: &ReportHop| Share { hits: hop.missing(), tries: hop.received + hop.missing() };
        sum(flows.iter().filter_map(|flow| at(flow, ttl)).map(missing))
    };
    let mut first = all.hops.last()?.ttl;
    for hop in all.hops.iter().rev().skip(1) {
        let (own, other) = (share(lossy, hop.ttl), share(others, hop.ttl));
        let is_silent = |share: Share| share.hits == share.tries;
        if is_silent(own) && is_silent(other) || hop.persists == Some(false) {
            continue;
        }
        if more_often(own, other) > ALPHA_AT_HOP {
            break;
        }
        first = hop.ttl;
    }
    Some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::StopReason;
    use crate::trace::testing::began;

    /// Flows by how many cycles the destination answered, of how many.
    fn flows(answered: &[(u64, u64)]) -> Vec<Report> {
        let flow = |&(sent, received): &(u64, u64)| Report {
            sent,
            received,
            lost: sent - received,
            hops: vec![ReportHop::counted(Ttl::new(1), sent, received)],
            ..Report::empty(began(), Some(StopReason::Cycles))
        };
        answered.iter().map(flow).collect()
    }

    /// How many flows are found to lose more than the others.
    fn lossy(answered: &[(u64, u64)]) -> Option<(usize, u64, u64)> {
        let flows = flows(answered);
        match flow_loss(&flows[0].clone(), &flows)? {
            Finding::FlowLoss { flows, sent, other_sent, .. } => Some((flows.len(), sent, other_sent)),
            _ => None,
        }
    }

    #[test]
    fn a_flow_that_loses_half_beside_three_that_lose_nothing_is_found() {
        assert_eq!(lossy(&[(10, 10), (10, 5), (10, 10), (10, 10)]), Some((1, 10, 30)));
        assert_eq!(lossy(&[(20, 10), (20, 20), (20, 11), (20, 20)]), Some((2, 40, 40)));
        assert_eq!(lossy(&[(10, 0), (10, 10)]), Some((1, 10, 10)));
    }

    #[test]
    fn what_chance_makes_is_no_finding() {
        assert_eq!(lossy(&[(10, 10), (10, 8), (10, 10), (10, 10)]), None);
        assert_eq!(lossy(&[(10, 5), (10, 4), (10, 6), (10, 5)]), None);
        assert_eq!(lossy(&[(10, 0), (10, 0)]), None);
        assert_eq!(lossy(&[(0, 0), (10, 1)]), None);
        let mut random = fastrand::Rng::with_seed(5);
        let found = (0..500).filter(|_| {
            let answered: Vec<(u64, u64)> =
                (0..8).map(|_| (20, (0..20).filter(|_| random.u32(0..5) > 0).count() as u64)).collect();
            lossy(&answered).is_some()
        });
        assert!(found.count() <= 5);
    }
}
