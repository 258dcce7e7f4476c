//! What is known of the path to a target: [`Path`], and its samples.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::net::IpAddr;

use prometheus_client::encoding::{EncodeLabel, EncodeLabelSet, LabelSetEncoder};

use super::labels::{And, By, Labels};
use super::write::Writer;
use crate::engine::outcome::ProbeEvent;
use crate::trace::watch::{Change, ChangeKind, Report};
use crate::types::Rtt;

/// As many cycles are looked back on.
const CYCLES: usize = 20;
/// As many addresses of a hop have a label; the number of all is a value.
const MOST_ADDRESSES: usize = 4;

/// Addresses by TTL.
pub type Routers = BTreeMap<u8, Vec<IpAddr>>;

/// A path that is followed. Counters count since it was first followed; everything else is as it is now.
#[derive(Clone, Debug, Default)]
pub struct Path {
    /// How far away the destination is, or the last router that answered.
    pub length: Option<u8>,
    /// The routers that are on it, all of them where several take turns, and the destination.
    routers: Routers,
    /// Round-trip times of the newest answers, by TTL.
    rtts: BTreeMap<u8, VecDeque<Rtt>>,
    /// What was answered and what not by the end of each of the newest cycles, by TTL.
    answers: VecDeque<BTreeMap<u8, (u64, u64)>>,
    routes: u64,
    lengths: u64,
    /// What it shows, and how often at once.
    findings: BTreeMap<&'static str, u64>,
    /// Cycles that are decided, and those of them in which the destination answered.
    cycles: (u64, u64),
}

impl Path {
    /// Takes an answer.
    pub fn take(&mut self, event: &ProbeEvent) {
        let (Some(ttl), Some(rtt)) = (event.ttl, event.rtt()) else { return };
        push(self.rtts.entry(ttl.get()).or_default(), rtt);
    }

    /// Takes the figures of a cycle. Gives for each cycle that is decided now whether the destination answered, by number.
    pub fn report(&mut self, report: &Report, mut routers: Routers, target: IpAddr) -> Vec<(u64, bool)> {
        let known = report.distance_proven.is_some();
        let answering = report.hops.iter().rev().find(|hop| known || hop.received > 0);
        self.length = answering.map(|hop| hop.ttl.get());
        routers.retain(|ttl, _| self.length.is_some_and(|length| *ttl < length + u8::from(!known)));
        if let Some(length) = self.length.filter(|_| known) {
            routers.insert(length, vec![target]);
        }
        self.routers = routers;
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
    fn unanswered(&self, ttl: u8) -> Option<f64> {
        let (received, missing) = self.answers.back()?.get(&ttl)?;
        // Before the oldest of these cycles; nothing while there are few.
        let first = self.answers.front().filter(|_| self.answers.len() == CYCLES).and_then(|first| first.get(&ttl));
        let (received_before, missing_before) = first.copied().unwrap_or_default();
        let missing = missing.saturating_sub(missing_before);
        let all = received.saturating_sub(received_before) + missing;
        (all > 0).then(|| missing as f64 / all as f64)
    }

    fn rtt_stats(&self, ttl: u8) -> Option<[f64; 4]> {
        let rtts = self.rtts.get(&ttl)?;
        let seconds = |rtt: &Rtt| rtt.as_duration().as_secs_f64();
        let last = rtts.back().map(seconds)?;
        let mut sorted: Vec<f64> = rtts.iter().map(seconds).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        Some([*sorted.first()?, *sorted.get((sorted.len() - 1) / 2)?, *sorted.last()?, last])
    }

    /// The TTLs up to where it ends.
    fn ttls(&self) -> impl Iterator<Item = u8> {
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

/// A number for the routers of a path, to see when they change. It has 48 bits, which a sample holds exactly.
pub fn hash(routers: &Routers) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut take = |octet: u8| hash = (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3);
    for (&ttl, addresses) in routers {
        take(ttl);
        for address in addresses.iter().collect::<BTreeSet<_>>() {
            match address {
                IpAddr::V4(address) => address.octets().into_iter().for_each(&mut take),
                IpAddr::V6(address) => address.octets().into_iter().for_each(&mut take),
            }
        }
    }
    (hash ^ (hash >> 48)) & ((1 << 48) - 1)
}

/// The names of what is said of round-trip times of a hop.
const STATS: [&str; 4] = ["min", "median", "max", "last"];

/// Labels of a series, and some more.
#[derive(Debug)]
struct With<'a>(&'a Labels, Vec<(&'static str, String)>);

impl EncodeLabelSet for With<'_> {
    fn encode(&self, encoder: &mut LabelSetEncoder) -> fmt::Result {
        By(self.0).encode(encoder)?;
        self.1.iter().try_for_each(|(name, value)| (*name, value.as_str()).encode(encoder.encode_label()))
    }
}

/// Writes all samples of these paths, each with whether its destination answered of late.
pub fn write(to: &mut Writer<'_>, paths: &[(&Labels, &Path, bool)]) -> fmt::Result {
    let some =
        |of: fn(&Path) -> Option<f64>| paths.iter().filter_map(move |(labels, path, _)| Some((By(labels), of(path)?)));
    to.gauges(
        "netprobe_trace_reached",
        "Whether the destination answered of late",
        paths.iter().map(|(labels, _, reached)| (By(labels), f64::from(*reached))),
    )?;
    to.gauges(
        "netprobe_trace_hops",
        "How many hops away the destination is, or the last router that answers",
        some(|path| path.length.map(f64::from)),
    )?;
    let changes = paths.iter().flat_map(|&(labels, path, _)| {
        [("route", path.routes), ("length", path.lengths)].map(|(kind, count)| (And(labels, "kind", kind), count))
    });
    to.counters("netprobe_trace_path_changes", "How often routers were replaced, and the length changed", changes)?;
    to.gauges(
        "netprobe_trace_path_hash",
        "Number of the routers on the path, another one for others",
        some(|path| (!path.routers.is_empty()).then(|| hash(&path.routers) as f64)),
    )?;
    let findings = paths.iter().flat_map(|&(labels, path, _)| {
        path.findings.iter().map(move |(code, count)| (And(labels, "code", code), f64::from(*count > 0)))
    });
    to.gauges("netprobe_finding", "Whether the path shows this", findings)?;
    write_hops(to, paths)
}

fn write_hops(to: &mut Writer<'_>, paths: &[(&Labels, &Path, bool)]) -> fmt::Result {
    let hops = || paths.iter().flat_map(|&(labels, path, _)| path.ttls().map(move |ttl| (labels, path, ttl)));
    let at = |ttl: u8| ("ttl", ttl.to_string());
    to.gauges(
        "netprobe_hop_unanswered_ratio",
        "Part of the probes to this hop that was not answered, of the last 20 cycles",
        hops().filter_map(|(labels, path, ttl)| Some((With(labels, vec![at(ttl)]), path.unanswered(ttl)?))),
    )?;
    let rtts = hops().flat_map(|(labels, path, ttl)| {
        let stats = path.rtt_stats(ttl).map(|stats| STATS.into_iter().zip(stats));
        stats
            .into_iter()
            .flatten()
            .map(move |(stat, value)| (With(labels, vec![at(ttl), ("stat", stat.to_owned())]), value))
    });
    to.gauges("netprobe_hop_rtt_seconds", "Round-trip times of the last 20 answers of this hop", rtts)?;
    let routers = || hops().filter_map(|(labels, path, ttl)| Some((labels, ttl, path.routers.get(&ttl)?)));
    let info = routers().flat_map(|(labels, ttl, addresses)| {
        let first = addresses.iter().take(MOST_ADDRESSES);
        first.map(move |address| (With(labels, vec![at(ttl), ("hop_address", address.to_string())]), 1.0))
    });
    to.gauges("netprobe_hop_info", "The first four addresses of this hop", info)?;
    let count = routers().map(|(labels, ttl, addresses)| (With(labels, vec![at(ttl)]), addresses.len() as f64));
    to.gauges("netprobe_hop_addresses", "How many addresses this hop has", count)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::engine::outcome::{MethodKind, Subject, SubjectId};
    use crate::engine::{Destination, Target};
    use crate::trace::watch::ReportHop;
    use crate::trace::{Began, Finding};
    use crate::types::{Ttl, WallTime};

    fn subject() -> Arc<Subject> {
        let (target, name) = ("a".into(), "a".into());
        let target = Target { target, name, numeric: true, zone: None, destination: Destination::Unresolved };
        Arc::new(Subject::new(SubjectId::new(0), &target, MethodKind::Icmp, Arc::default()))
    }

    fn at(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    fn hop(ttl: u8, (received, unanswered): (u64, u64)) -> ReportHop {
        ReportHop {
            ttl: Ttl::new(ttl),
            sent: received + unanswered,
            received,
            unreachable: 0,
            unanswered,
            pending: 0,
            send_failed: 0,
            persists: None,
            responders: Vec::new(),
            last: None,
            stats: None,
            geometric_mean: None,
            variation: None,
        }
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
            hops: (1..).zip(hops).map(|(ttl, &figures)| hop(ttl, figures)).collect(),
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
        assert_eq!(path.report(&report((1, 0), &[]), Routers::new(), at(9)), [(1, true)]);
        assert_eq!(path.report(&report((1, 0), &[]), Routers::new(), at(9)), []);
        assert_eq!(path.report(&report((2, 1), &[]), Routers::new(), at(9)), [(2, false), (3, true)]);
        // An answer that came after its cycle was given up.
        assert_eq!(path.report(&report((3, 0), &[]), Routers::new(), at(9)), [(3, true)]);
    }

    #[test]
    fn the_path_ends_at_the_destination_or_at_the_last_router_that_answers() {
        let mut path = Path::default();
        path.report(&report((1, 0), &[(1, 0), (0, 1), (1, 0)]), routers(&[(1, &[1]), (4, &[4])]), at(9));
        assert_eq!((path.length, &path.routers), (Some(3), &routers(&[(1, &[1]), (3, &[9])])));
        assert_eq!(path.ttls().collect::<Vec<_>>(), [1, 2, 3]);
        let mut silent = Path::default();
        silent.report(&report((0, 1), &[(1, 0), (1, 0), (0, 1)]), routers(&[(1, &[1]), (2, &[2])]), at(9));
        assert_eq!((silent.length, &silent.routers), (Some(2), &routers(&[(1, &[1]), (2, &[2])])));
    }

    #[test]
    fn what_a_hop_leaves_unanswered_is_that_of_the_last_cycles() {
        let mut path = Path::default();
        for cycle in 1..=100 {
            // The first fifty of the second hop were lost.
            path.report(
                &report((cycle, 0), &[(cycle, 0), (cycle.saturating_sub(50), cycle.min(50))]),
                Routers::new(),
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
