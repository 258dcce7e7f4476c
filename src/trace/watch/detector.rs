//! What happens to a watched path, from its cycles one after the other: [`Detector`].

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use super::change::{ChangeKind, HopChange};
use super::settled::Settled;
use crate::types::{Instant, Rtt, Ttl};

/// Cycles in a row without an answer that are a burst, and an outage.
const BURST: u64 = 3;
pub(super) const OUTAGE: u64 = 10;
/// Hops that change within this many cycles change together.
const TOGETHER: usize = 3;
/// How long a shift of the delay must last, and how large it must be.
const SHIFT_LASTS: Duration = Duration::from_secs(30);
const SHIFT_LEAST: f64 = 2e6;
const SHIFT_PART: f64 = 0.2;
/// Answers without which there is no usual delay.
const SHIFT_ANSWERS: usize = 5;
/// Paths that are remembered.
const MOST_PATHS: usize = 256;
/// Delays that are kept: half a minute of ten a second, twice.
const MOST_DELAYS: usize = 600;

/// What one cycle brought.
#[derive(Clone, Debug, Default)]
pub(super) struct CycleResult {
    /// When it began.
    pub at: Instant,
    /// The answers of routers, by TTL: which, and its labels.
    pub routers: BTreeMap<u8, (IpAddr, Vec<u32>)>,
    /// The TTLs of the probes that left.
    pub probed: Vec<u8>,
    /// Whether the destination answered.
    pub reached: bool,
    /// Whether this host did not send what the destination could have answered.
    pub unsent: bool,
    /// The nearest unreachable: the TTL of its probe, who sent it, and traceroute's mark for it.
    pub refused: Option<(u8, IpAddr, String)>,
    /// How far away it was, if that is certain.
    pub distance: Option<u8>,
    /// The delay of its answer.
    pub rtt: Option<Rtt>,
}

#[derive(Clone, Debug, Default)]
struct HopHistory {
    responders: Settled<IpAddr>,
    labels: Settled<Vec<u32>>,
    /// Cycles in a row in which it did not answer.
    silent: u64,
}

/// A change of the path that may not be complete.
#[derive(Clone, Debug)]
struct Rerouted {
    since: Instant,
    hops: Vec<HopChange>,
    /// Cycles that are waited for.
    wait: usize,
}

/// Finds what happens to a path.
#[derive(Clone, Debug, Default)]
pub(super) struct Detector {
    hops: BTreeMap<u8, HopHistory>,
    distances: Settled<u8>,
    /// When the newest cycles began.
    began: VecDeque<Instant>,
    rerouted: Option<Rerouted>,
    /// The responders of the paths that were seen last, each with its number, and how many there were.
    paths: VecDeque<(u64, BTreeMap<u8, Vec<IpAddr>>)>,
    seen: u64,
    /// Cycles in a row that the destination did not answer, and when the first of them began.
    lost: u64,
    lost_since: Instant,
    lost_from: Option<Ttl>,
    /// The same with those in which a router refused the probes, and when the first of all began.
    down: u64,
    down_since: Instant,
    /// Whether that was reported as an outage.
    outage: bool,
    /// Who refuses probes and how, and for how many cycles it has not.
    refusal: Option<(IpAddr, String, u64)>,
    ever_reached: bool,
    /// Delays of the destination, and when they were measured.
    delays: VecDeque<(Instant, Rtt)>,
    /// The usual delay, and since when it is looked for.
    usual: Option<f64>,
    usual_since: Instant,
}

/// Something that happened, and when.
pub(super) type Happened = (Instant, ChangeKind);

impl Detector {
    /// Takes the next cycle.
    pub fn cycle(&mut self, cycle: &CycleResult) -> Vec<Happened> {
        let mut out = Vec::new();
        self.began.push_back(cycle.at);
        if self.began.len() > 32 {
            self.began.pop_front();
        }
        self.losses(cycle, &mut out);
        self.routers(cycle, &mut out);
        self.refusals(cycle, &mut out);
        self.length(cycle, &mut out);
        self.delay(cycle, &mut out);
        out
    }

    /// When the cycle began that is `back` before the newest.
    fn ago(&self, back: usize) -> Instant {
        let at = self.began.len().saturating_sub(back + 1);
        self.began.get(at).copied().unwrap_or_default()
    }

    fn losses(&mut self, cycle: &CycleResult, out: &mut Vec<Happened>) {
        if cycle.reached || cycle.refused.is_some() {
            let (lost, since, first) = (self.lost, self.lost_since, self.lost_from);
            if cycle.reached && self.down >= OUTAGE {
                let lasted = cycle.at.since(self.down_since);
                out.push((cycle.at, ChangeKind::Back { probes: self.down, lasted }));
            } else if (BURST..OUTAGE).contains(&lost) {
                out.push((since, ChangeKind::LossBurst { first, probes: lost, lasted: cycle.at.since(since) }));
            }
            self.lost = 0;
        }
        if cycle.reached {
            (self.down, self.outage) = (0, false);
            self.ever_reached = true;
        } else if self.ever_reached && !cycle.unsent {
            if self.down == 0 {
                self.down_since = cycle.at;
            }
            if self.lost == 0 {
                self.lost_since = cycle.at;
            }
            self.down += 1;
            self.lost += u64::from(cycle.refused.is_none());
        }
        for &ttl in &cycle.probed {
            if cycle.routers.contains_key(&ttl) || cycle.reached && cycle.distance == Some(ttl) {
                self.hops.entry(ttl).or_default().silent = 0;
            } else if let Some(hop) = self.hops.get_mut(&ttl) {
                hop.silent += 1;
            }
        }
        if self.lost > 0 {
            let before = self.lost_from.filter(|_| self.lost > 1);
            self.lost_from = self.silent_from(self.lost).or(before);
        }
        if self.lost == OUTAGE && !cycle.unsent && !std::mem::replace(&mut self.outage, true) {
            out.push((self.lost_since, ChangeKind::Outage { first: self.lost_from }));
        }
    }

    /// Reports that a router refuses probes when that begins: one that does so now and then does it all the time.
    fn refusals(&mut self, cycle: &CycleResult, out: &mut Vec<Happened>) {
        let Some((ttl, responder, mark)) = &cycle.refused else {
            if let Some((.., quiet)) = &mut self.refusal {
                *quiet += 1;
            }
            return;
        };
        let before = self.refusal.replace((*responder, mark.clone(), 0));
        let goes_on = |(who, how, quiet): (IpAddr, String, u64)| who == *responder && how == *mark && quiet < OUTAGE;
        if !before.is_some_and(goes_on) {
            let own = self.hops.iter().find(|(_, hop)| hop.responders.known().contains(responder));
            // A router gets what it refuses with one more than it takes to get there.
            let ttl = Ttl::new(own.map_or(ttl.saturating_sub(1).max(1), |(&ttl, _)| ttl));
            out.push((cycle.at, ChangeKind::Refused { ttl, responder: *responder, mark: mark.clone() }));
        }
    }

    /// The first hop from which on every hop that answers as a rule has been silent for `cycles`, of which the first may have begun
    /// while packets still passed.
    fn silent_from(&self, cycles: u64) -> Option<Ttl> {
        let cycles = cycles.saturating_sub(1).max(1);
        let answering = self.hops.iter().rev().filter(|(_, hop)| !hop.responders.known().is_empty());
        let silent = answering.take_while(|(_, hop)| hop.silent >= cycles);
        silent.last().map(|(&ttl, _)| Ttl::new(ttl))
    }

    fn routers(&mut self, cycle: &CycleResult, out: &mut Vec<Happened>) {
        let mut changed = Vec::new();
        let mut since = cycle.at;
        for (&ttl, (responder, labels)) in &cycle.routers {
            let hop = self.hops.entry(ttl).or_default();
            if let Some((before, shown)) = hop.responders.see(*responder) {
                let after = hop.responders.known().iter().copied().collect();
                changed.push(HopChange { ttl: Ttl::new(ttl), before: before.into_iter().collect(), after });
                hop.labels = Settled::default();
                let at = self.began.len().saturating_sub(shown);
                since = since.min(self.began.get(at).copied().unwrap_or(cycle.at));
                continue;
            }
            // Labels of a router are its own; those of several have no order.
            if hop.responders.known().len() == 1
                && !hop.responders.is_unsettled()
                && let Some((before, shown)) = hop.labels.see(labels.clone())
            {
                let since = self.began.get(self.began.len().saturating_sub(shown)).copied().unwrap_or(cycle.at);
                let list = |set: &std::collections::BTreeSet<Vec<u32>>| set.iter().next().cloned().unwrap_or_default();
                let (before, after) = (list(&before), list(hop.labels.known()));
                out.push((since, ChangeKind::LabelChanged { ttl: Ttl::new(ttl), before, after }));
            }
        }
        if self.seen == 0 && cycle.reached {
            self.see(self.signature());
        }
        if !changed.is_empty() {
            let rerouted = self.rerouted.get_or_insert(Rerouted { since, hops: Vec::new(), wait: TOGETHER });
            rerouted.since = rerouted.since.min(since);
            rerouted.hops.extend(changed);
        } else if let Some(rerouted) = &mut self.rerouted {
            rerouted.wait -= 1;
            if rerouted.wait == 0 {
                self.reroute(out);
            }
        }
    }

    /// The change of the path is complete.
    fn reroute(&mut self, out: &mut Vec<Happened>) {
        let Some(Rerouted { since, mut hops, .. }) = self.rerouted.take() else { return };
        hops.sort_by_key(|hop| hop.ttl);
        let signature = self.signature();
        let same = |known: &BTreeMap<u8, Vec<IpAddr>>| {
            let mut both = known.iter().filter_map(|(ttl, one)| Some((one, signature.get(ttl)?)));
            both.all(|(one, other)| one.iter().any(|responder| other.contains(responder)))
        };
        let known = self.paths.iter().find(|(_, known)| same(known)).map(|(number, _)| *number);
        let path = known.unwrap_or_else(|| self.see(signature));
        let median = |after: bool| {
            let delays = self.delays.iter().rev().filter(|(at, _)| (*at >= since) == after).take(20);
            median(delays.map(|(_, rtt)| *rtt).collect())
        };
        let (before, after) = (median(false), median(true));
        out.push((since, ChangeKind::PathChanged { hops, path, before, after }));
    }

    /// Remembers a path that was not seen before, and gives its number.
    fn see(&mut self, signature: BTreeMap<u8, Vec<IpAddr>>) -> u64 {
        let number = self.seen;
        self.seen += 1;
        self.paths.push_back((number, signature));
        if self.paths.len() > MOST_PATHS {
            self.paths.pop_front();
        }
        number
    }

    /// The responders that are known now, by TTL.
    pub fn signature(&self) -> BTreeMap<u8, Vec<IpAddr>> {
        let known = self.hops.iter().filter(|(_, hop)| !hop.responders.known().is_empty());
        known.map(|(&ttl, hop)| (ttl, hop.responders.known().iter().copied().collect())).collect()
    }

    /// How far away the destination is known to be now; the farthest where paths of several lengths take turns.
    pub fn distance(&self) -> Option<u8> {
        self.distances.known().last().copied()
    }

    fn length(&mut self, cycle: &CycleResult, out: &mut Vec<Happened>) {
        let Some(distance) = cycle.distance else { return };
        let Some((before, shown)) = self.distances.see(distance) else { return };
        let before = before.into_iter().map(Ttl::new).collect();
        let since = self.ago(shown - 1);
        out.push((since, ChangeKind::LengthChanged { before, after: Ttl::new(distance) }));
    }

    fn delay(&mut self, cycle: &CycleResult, out: &mut Vec<Happened>) {
        let Some(rtt) = cycle.rtt else { return };
        if self.delays.is_empty() {
            self.usual_since = cycle.at;
        }
        self.delays.push_back((cycle.at, rtt));
        if self.delays.len() > MOST_DELAYS {
            self.delays.pop_front();
        }
        if cycle.at.since(self.usual_since) < SHIFT_LASTS {
            return;
        }
        let newest = self.delays.iter().rev().enumerate();
        let late = newest.take_while(|(at, (when, _))| *at < SHIFT_ANSWERS || cycle.at.since(*when) < SHIFT_LASTS);
        let mut late: Vec<f64> = late.map(|(_, (_, rtt))| rtt.as_nanos() as f64).collect();
        late.sort_by(f64::total_cmp);
        let rank = |part: usize| late.get(late.len() * part / 100).copied().unwrap_or_default();
        let (low, middle, high) = (rank(10), rank(50), rank(90));
        let Some(usual) = self.usual.filter(|_| late.len() >= SHIFT_ANSWERS) else {
            self.usual = Some(middle);
            return;
        };
        let least = (usual * SHIFT_PART).max(SHIFT_LEAST);
        if low - usual >= least || usual - high >= least {
            let rtt = |nanos: f64| Rtt::from_nanos(nanos as u64);
            let since = cycle.at.saturating_sub(SHIFT_LASTS);
            out.push((since, ChangeKind::LatencyShift { before: rtt(usual), after: rtt(middle) }));
            self.usual = Some(middle);
        } else if (middle - usual).abs() < least {
            // It follows what changes little by little.
            self.usual = Some(usual + (middle - usual) * 0.02);
        }
    }
}

fn median(mut delays: Vec<Rtt>) -> Option<Rtt> {
    delays.sort_unstable();
    delays.get(delays.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn router(hop: u8) -> IpAddr {
        IpAddr::from([203, 0, 113, hop])
    }

    /// A cycle each second over `hops`, the last of which is the destination.
    fn cycle(second: u64, hops: u8, millis: u64) -> CycleResult {
        CycleResult {
            at: Instant::from_nanos(second * 1000 * MS),
            routers: (1..hops).map(|ttl| (ttl, (router(ttl), Vec::new()))).collect(),
            probed: (1..=hops).collect(),
            reached: true,
            distance: Some(hops),
            rtt: Some(Rtt::from_nanos(millis * MS)),
            ..CycleResult::default()
        }
    }

    fn silent_from(mut cycle: CycleResult, ttl: u8) -> CycleResult {
        cycle.routers.retain(|&hop, _| hop < ttl);
        CycleResult { reached: false, distance: None, rtt: None, ..cycle }
    }

    fn play(cycles: impl IntoIterator<Item = CycleResult>) -> Vec<(u64, ChangeKind)> {
        let mut detector = Detector::default();
        let all = cycles.into_iter().flat_map(|cycle| detector.cycle(&cycle));
        all.map(|(at, kind)| (at.as_nanos() / 1000 / MS, kind)).collect()
    }

    #[test]
    fn a_burst_says_where_it_begins_and_how_long_it_was() {
        let cycles = (0..40).map(|at| match at {
            20..26 => silent_from(cycle(at, 10, 90), 8),
            30..32 => silent_from(cycle(at, 10, 90), 8),
            _ => cycle(at, 10, 90),
        });
        let lasted = Duration::from_secs(6);
        assert_eq!(play(cycles), [(20, ChangeKind::LossBurst { first: Some(Ttl::new(8)), probes: 6, lasted })]);
    }

    #[test]
    fn a_burst_begins_where_it_does_though_it_did_in_the_middle_of_a_cycle() {
        let cycles = (0..40).map(|at| match at {
            20 => silent_from(cycle(at, 10, 90), 10),
            21..26 => silent_from(cycle(at, 10, 90), 8),
            _ => cycle(at, 10, 90),
        });
        let lasted = Duration::from_secs(6);
        assert_eq!(play(cycles), [(20, ChangeKind::LossBurst { first: Some(Ttl::new(8)), probes: 6, lasted })]);
    }

    #[test]
    fn an_outage_is_reported_while_it_lasts_and_when_it_ends() {
        let cycles =
            (0..60).map(|at| if (20..50).contains(&at) { silent_from(cycle(at, 4, 9), 2) } else { cycle(at, 4, 9) });
        let kinds = [
            (20, ChangeKind::Outage { first: Some(Ttl::new(2)) }),
            (50, ChangeKind::Back { probes: 30, lasted: Duration::from_secs(30) }),
        ];
        assert_eq!(play(cycles), kinds);
    }

    #[test]
    fn a_refusal_within_an_outage_does_not_begin_another() {
        let down = |at| if at == 32 { refused_at(cycle(at, 4, 9), 2) } else { silent_from(cycle(at, 4, 9), 2) };
        let cycles = (0..60).map(|at| if (20..50).contains(&at) { down(at) } else { cycle(at, 4, 9) });
        let codes: Vec<&str> = play(cycles).iter().map(|(_, kind)| kind.code()).collect();
        assert_eq!(codes, ["outage", "refused", "back"]);
    }

    fn refused_at(cycle: CycleResult, ttl: u8) -> CycleResult {
        CycleResult { refused: Some((ttl + 1, router(ttl), "!H".to_owned())), ..silent_from(cycle, ttl + 1) }
    }

    #[test]
    fn probes_that_a_router_refuses_are_no_burst_and_no_outage() {
        let refused = ChangeKind::Refused { ttl: Ttl::new(2), responder: router(2), mark: "!H".to_owned() };
        let all =
            (0..60).map(|at| if (20..50).contains(&at) { refused_at(cycle(at, 4, 9), 2) } else { cycle(at, 4, 9) });
        let back = ChangeKind::Back { probes: 30, lasted: Duration::from_secs(30) };
        assert_eq!(play(all), [(20, refused.clone()), (50, back)]);
        let others = (0..60).map(|at| if at % 2 == 1 { refused_at(cycle(at, 4, 9), 2) } else { cycle(at, 4, 9) });
        assert_eq!(play(others), [(1, refused.clone())]);
        // Some of a cycle, while the destination answers others.
        let some = (0..60).map(|at| CycleResult { refused: Some((3, router(2), "!H".to_owned())), ..cycle(at, 4, 9) });
        assert_eq!(play(some), [(0, refused)]);
    }

    #[test]
    fn what_this_host_did_not_send_is_no_burst_and_no_outage() {
        let unsent = |at| CycleResult { unsent: true, probed: Vec::new(), ..silent_from(cycle(at, 4, 9), 1) };
        assert_eq!(play((0..60).map(|at| if (20..50).contains(&at) { unsent(at) } else { cycle(at, 4, 9) })), []);
    }

    #[test]
    fn a_change_of_the_path_names_its_hops_and_its_effect_and_the_way_back_has_the_first_letter() {
        let cycles = (0..90).map(|at| {
            let away = (30..60).contains(&at);
            let mut cycle = cycle(at, 5, if away { 12 } else { 11 });
            if away {
                cycle.routers.insert(3, (router(33), Vec::new()));
                cycle.routers.insert(4, (router(44), Vec::new()));
            }
            cycle
        });
        let changed = play(cycles);
        let [
            (30, ChangeKind::PathChanged { hops, path: 1, before, after }),
            (60, ChangeKind::PathChanged { path: 0, .. }),
        ] = &changed[..]
        else {
            panic!("{changed:?}")
        };
        assert_eq!(hops.iter().map(|hop| hop.ttl.get()).collect::<Vec<_>>(), [3, 4]);
        assert_eq!((&hops[0].before[..], &hops[0].after[..]), (&[router(3)][..], &[router(33)][..]));
        assert_eq!((before.unwrap().as_nanos(), after.unwrap().as_nanos()), (11 * MS, 12 * MS));
    }

    #[test]
    fn the_distance_is_that_of_the_newest_cycles() {
        let mut detector = Detector::default();
        for (seconds, hops) in [(0..30, 6), (30..60, 4)] {
            seconds.for_each(|at| drop(detector.cycle(&cycle(at, hops, 30))));
            assert_eq!(detector.distance(), Some(hops));
        }
    }

    #[test]
    fn balanced_hops_change_nothing() {
        let mut random = fastrand::Rng::with_seed(1);
        let cycles = (0..2000).map(|at| {
            let mut cycle = cycle(at, 6, 20);
            cycle.routers.insert(2, (router(20 + random.u8(0..2)), Vec::new()));
            cycle.routers.insert(3, (router(30 + random.u8(0..4)), vec![random.u32(0..9)]));
            cycle
        });
        assert!(play(cycles).is_empty());
    }

    #[test]
    fn a_path_that_becomes_longer_and_one_whose_delay_shifts_are_reported_once() {
        let longer = play((0..80).map(|at| cycle(at, if at < 40 { 4 } else { 6 }, 30)));
        let length = |kind: &&(u64, ChangeKind)| matches!(kind.1, ChangeKind::LengthChanged { .. });
        let lengths: Vec<_> = longer.iter().filter(length).collect();
        let expected = ChangeKind::LengthChanged { before: vec![Ttl::new(4)], after: Ttl::new(6) };
        assert_eq!(lengths, [&(40, expected)]);
        let shifted = play((0..200).map(|at| cycle(at, 4, if at < 100 { 30 } else { 45 } + at % 3)));
        let [(at, ChangeKind::LatencyShift { before, after })] = &shifted[..] else { panic!("{shifted:?}") };
        assert!((95..105).contains(at) && (30..33).contains(&(before.as_nanos() / MS)), "{shifted:?}");
        assert!((45..48).contains(&(after.as_nanos() / MS)));
        // One slow answer in three is no shift.
        assert!(play((0..200).map(|at| cycle(at, 4, if at % 3 == 0 { 60 } else { 30 }))).is_empty());
    }

    #[test]
    fn labels_that_change_are_reported_with_their_hop() {
        let cycles = (0..60).map(|at| {
            let mut cycle = cycle(at, 4, 20);
            cycle.routers.insert(2, (router(2), vec![if at < 30 { 16 } else { 17 }]));
            cycle
        });
        let changed = ChangeKind::LabelChanged { ttl: Ttl::new(2), before: vec![16], after: vec![17] };
        assert_eq!(play(cycles), [(30, changed)]);
    }
}
