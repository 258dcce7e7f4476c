//! What is known of the path to a target: [`Path`].

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::IpAddr;

use crate::engine::outcome::ProbeEvent;
use crate::trace::path_hash;
use crate::trace::watch::{Change, ChangeKind, Report};
use crate::types::{Asn, Rtt, Ttl};

/// As many cycles are looked back on.
const CYCLES: usize = 20;

/// Addresses by TTL.
pub type Routers = BTreeMap<u8, Vec<IpAddr>>;

/// A path that is followed. Counters count since it was first followed; everything else is as it is now.
#[derive(Clone, Debug, Default)]
pub struct Path {
    /// How far away the destination is, or the last router that answered.
    pub length: Option<u8>,
    /// The routers that are on it, all of them where several take turns, and the destination.
    pub routers: Routers,
    /// What is known of them, as far as that is looked up: the name, and the first system that announces the address.
    pub facts: HashMap<IpAddr, (Option<Box<str>>, Option<Asn>)>,
    /// The largest packets that pass all the way, where that is known.
    pub mtu: Option<u32>,
    /// Round-trip times of the newest answers, by TTL.
    rtts: BTreeMap<u8, VecDeque<Rtt>>,
    /// What was answered and what not by the end of each of the newest cycles, by TTL.
    answers: VecDeque<BTreeMap<u8, (u64, u64)>>,
    pub routes: u64,
    pub lengths: u64,
    /// What it shows, and how often at once.
    pub findings: BTreeMap<&'static str, u64>,
    /// Cycles that are decided, and those of them in which the destination answered.
    cycles: (u64, u64),
}

impl Path {
    /// Takes an answer.
    pub fn take(&mut self, event: &ProbeEvent) {
        let (Some(ttl), Some(rtt)) = (event.ttl, event.rtt()) else { return };
        push(self.rtts.entry(ttl.get()).or_default(), rtt);
    }

    /// Takes the figures of all cycles, and the routers and the distance as they are known now. Gives for each cycle that is decided
    /// now whether the destination answered, by number.
    pub fn report(
        &mut self,
        report: &Report,
        (mut routers, distance): (Routers, Option<u8>),
        target: IpAddr,
    ) -> Vec<(u64, bool)> {
        let known = report.distance_proven.is_some();
        let answering = report.hops.iter().rev().find(|hop| known || hop.received > 0);
        // The hops are those of the longest path there ever was.
        self.length = distance.filter(|_| known).or_else(|| answering.map(|hop| hop.ttl.get()));
        routers.retain(|ttl, _| self.length.is_some_and(|length| *ttl < length + u8::from(!known)));
        if let Some(length) = self.length.filter(|_| known) {
            routers.insert(length, vec![target]);
        }
        self.routers = routers;
        let responders = report.hops.iter().flat_map(|hop| &hop.responders).map(|one| &one.responder);
        let known = responders.map(|one| (one.address, (one.name.clone(), one.system())));
        self.facts = known.filter(|(_, (name, system))| name.is_some() || system.is_some()).collect();
        let counts = report.hops.iter().map(|hop| (hop.ttl.get(), (hop.received, hop.missing()))).collect();
        let received = report.received;
        let decided = received + report.lost + report.unreachable + report.send_failed;
        let (before, received_before) = std::mem::replace(&mut self.cycles, (decided, received));
        let fresh = decided.saturating_sub(before);
        if fresh > 0 || self.answers.is_empty() {
            push(&mut self.answers, counts);
        }
        let answered = received.saturating_sub(received_before);
        match fresh {
            0 if answered > 0 => vec![(decided, true)],
            _ => (1..=fresh).map(|at| (before + at, at + answered > fresh)).collect(),
        }
    }

    /// Something happened to it.
    pub fn change(&mut self, change: &Change) {
        match &change.kind {
            ChangeKind::PathChanged { .. } => self.routes += 1,
            ChangeKind::LengthChanged { .. } => self.lengths += 1,
            ChangeKind::Finding { finding } => *self.findings.entry(finding.code().name()).or_default() += 1,
            ChangeKind::FindingEnded { finding } => {
                let code = finding.code().name();
                if let Some(count) = self.findings.get_mut(code) {
                    *count = count.saturating_sub(1);
                }
            }
            _ => {}
        }
    }

    /// It is followed anew: nothing of what was known need be so any more.
    pub fn begin_anew(&mut self) {
        let findings = self.findings.keys().map(|code| (*code, 0)).collect();
        *self = Path { routes: self.routes, lengths: self.lengths, findings, ..Path::default() };
    }

    /// The part of a hop's probes of late that was not answered.
    pub fn unanswered(&self, ttl: u8) -> Option<f64> {
        let (received, missing) = self.answers.back()?.get(&ttl)?;
        // Before the oldest of these cycles; nothing while there are few.
        let first = self.answers.front().filter(|_| self.answers.len() == CYCLES).and_then(|first| first.get(&ttl));
        let (received_before, missing_before) = first.copied().unwrap_or_default();
        let missing = missing.saturating_sub(missing_before);
        let all = received.saturating_sub(received_before) + missing;
        (all > 0).then(|| missing as f64 / all as f64)
    }

    pub fn rtt_stats(&self, ttl: u8) -> Option<[f64; 4]> {
        let rtts = self.rtts.get(&ttl)?;
        let seconds = |rtt: &Rtt| rtt.as_duration().as_secs_f64();
        let last = rtts.back().map(seconds)?;
        let mut sorted: Vec<f64> = rtts.iter().map(seconds).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        Some([*sorted.first()?, *sorted.get((sorted.len() - 1) / 2)?, *sorted.last()?, last])
    }

    /// The TTLs up to where it ends.
    pub fn ttls(&self) -> impl Iterator<Item = u8> {
        let probed = self.answers.back().into_iter().flat_map(BTreeMap::keys).copied();
        probed.filter(|&ttl| self.length.is_some_and(|length| ttl <= length))
    }
}

fn push<T>(newest: &mut VecDeque<T>, value: T) {
    if newest.len() == CYCLES {
        newest.pop_front();
    }
    newest.push_back(value);
}

/// The number for the routers of a path.
pub fn hash(routers: &Routers) -> u64 {
    path_hash(routers.iter().map(|(&ttl, addresses)| (Ttl::new(ttl), addresses.iter().copied())))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::engine::outcome::{MethodKind, Subject, SubjectId};
    use crate::engine::{Destination, Target};
    use crate::exporter::figures::tests::event;
    use crate::trace::watch::{ReportHop, ReportResponder};
    use crate::trace::{Began, Finding, Origins, Responder};
    use crate::types::{Ttl, WallTime};

    fn subject() -> Arc<Subject> {
        let (target, name) = ("a".into(), "a".into());
        let target = Target { target, name, numeric: true, zone: None, destination: Destination::Unresolved };
        Arc::new(Subject::new(SubjectId::new(0), &target, MethodKind::Icmp, Arc::default()))
    }

    fn at(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    /// After cycles in which the destination answered and did not.
    fn report((received, lost): (u64, u64), hops: &[(u64, u64)]) -> Report {
        let began = Began { subject: subject(), max_ttl: Ttl::new(30), time: WallTime::default() };
        Report {
            began,
            stop_reason: None,
            sent: received + lost,
            received,
            unreachable: 0,
            lost,
            pending: 0,
            send_failed: 0,
            distances: Vec::new(),
            distance_proven: (received > 0).then_some(true),
            hops: (1..)
                .zip(hops)
                .map(|(ttl, &(received, lost))| ReportHop::counted(Ttl::new(ttl), received + lost, received))
                .collect(),
            findings: Vec::new(),
            path_changes: None,
            duration: 0,
            conditions: Vec::new(),
        }
    }

    fn routers(all: &[(u8, &[u8])]) -> Routers {
        all.iter().map(|(ttl, addresses)| (*ttl, addresses.iter().map(|&last| at(last)).collect())).collect()
    }

    fn change(path: &mut Path, kind: ChangeKind) {
        path.change(&Change { subject: subject(), at: WallTime::default(), kind });
    }

    #[test]
    fn routers_that_take_turns_are_one_path_and_others_another() {
        let one = hash(&routers(&[(1, &[1]), (2, &[2, 3])]));
        assert_eq!(one, hash(&routers(&[(1, &[1]), (2, &[3, 2, 3])])));
        assert_ne!(one, hash(&routers(&[(1, &[1]), (2, &[2])])));
        assert_ne!(one, hash(&routers(&[(1, &[1]), (3, &[2, 3])])));
        assert_eq!(one as f64 as u64, one, "a sample holds it exactly");
    }

    #[test]
    fn each_decided_cycle_says_whether_the_destination_answered() {
        let mut path = Path::default();
        assert_eq!(path.report(&report((1, 0), &[]), (Routers::new(), None), at(9)), [(1, true)]);
        assert_eq!(path.report(&report((1, 0), &[]), (Routers::new(), None), at(9)), []);
        assert_eq!(path.report(&report((2, 1), &[]), (Routers::new(), None), at(9)), [(2, false), (3, true)]);
        // An answer that came after its cycle was given up.
        assert_eq!(path.report(&report((3, 0), &[]), (Routers::new(), None), at(9)), [(3, true)]);
    }

    #[test]
    fn the_path_ends_at_the_destination_or_at_the_last_router_that_answers() {
        let mut path = Path::default();
        path.report(&report((1, 0), &[(1, 0), (0, 1), (1, 0)]), (routers(&[(1, &[1]), (4, &[4])]), None), at(9));
        assert_eq!((path.length, &path.routers), (Some(3), &routers(&[(1, &[1]), (3, &[9])])));
        assert_eq!(path.ttls().collect::<Vec<_>>(), [1, 2, 3]);
        // It is shorter now; the router of before was followed by no other.
        let now = (routers(&[(1, &[1]), (2, &[2])]), Some(2));
        path.report(&report((2, 0), &[(2, 0), (1, 0), (2, 0)]), now, at(9));
        assert_eq!((path.length, &path.routers), (Some(2), &routers(&[(1, &[1]), (2, &[9])])));
        assert_eq!(path.ttls().collect::<Vec<_>>(), [1, 2]);
        let mut silent = Path::default();
        silent.report(&report((0, 1), &[(1, 0), (1, 0), (0, 1)]), (routers(&[(1, &[1]), (2, &[2])]), None), at(9));
        assert_eq!((silent.length, &silent.routers), (Some(2), &routers(&[(1, &[1]), (2, &[2])])));
    }

    #[test]
    fn what_is_looked_up_of_routers_is_known_of_those_that_have_it() {
        let responder = |last: u8, name: Option<&str>, origins| ReportResponder {
            responder: Responder { address: at(last), name: name.map(Into::into), origins, as_name: None },
            newest: Arc::new(event(1, Some(100))),
            received: 1,
            annotations: Vec::new(),
        };
        let system = Asn::new(64_500).unwrap();
        let mut cycle = report((1, 0), &[(1, 0), (1, 0)]);
        cycle.hops[0].responders = vec![responder(1, Some("r1.example"), Some(Origins::Unannounced))];
        cycle.hops[1].responders =
            vec![responder(2, None, None), responder(3, None, Some(Origins::Announced([system].into())))];
        let mut path = Path::default();
        path.report(&cycle, (Routers::new(), None), at(9));
        assert_eq!(
            path.facts,
            HashMap::from([(at(1), (Some("r1.example".into()), None)), (at(3), (None, Some(system)))])
        );
    }

    #[test]
    fn what_a_hop_leaves_unanswered_is_that_of_the_last_cycles() {
        let mut path = Path::default();
        for cycle in 1..=100 {
            // The first fifty of the second hop were lost.
            path.report(
                &report((cycle, 0), &[(cycle, 0), (cycle.saturating_sub(50), cycle.min(50))]),
                (Routers::new(), None),
                at(9),
            );
            match cycle {
                10 => assert_eq!(path.unanswered(2), Some(1.0)),
                60 => assert_eq!(path.unanswered(2), Some(9.0 / 19.0)),
                _ => {}
            }
        }
        assert_eq!((path.unanswered(1), path.unanswered(2), path.unanswered(3)), (Some(0.0), Some(0.0), None));
    }

    #[test]
    fn counters_of_changes_outlive_what_was_known_of_the_path() {
        let mut path = Path::default();
        let rerouted = || ChangeKind::PathChanged { hops: Vec::new(), path: 1, before: None, after: None };
        [rerouted(), rerouted(), ChangeKind::LengthChanged { before: vec![Ttl::new(3)], after: Ttl::new(4) }]
            .into_iter()
            .for_each(|kind| change(&mut path, kind));
        let finding = || Finding::Loop { first: Ttl::new(1), period: 2, responder: at(1) };
        change(&mut path, ChangeKind::Finding { finding: finding() });
        assert_eq!(path.findings.get("loop"), Some(&1));
        change(&mut path, ChangeKind::FindingEnded { finding: finding() });
        path.begin_anew();
        assert_eq!((path.routes, path.lengths, path.findings.get("loop")), (2, 1, Some(&0)));
    }
}
