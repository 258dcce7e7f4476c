//! One target while it is being watched: when its next probe leaves, where its path ends by now, and its figures.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::counts::{HopCounts, judge};
use super::event::{Config, Report, ReportHop};
use crate::channel::{OsError, SendStamps};
use crate::engine::delay;
use crate::engine::outcome::{NotSent, Outcome, ProbeEvent, Subject};
use crate::trace::ends::{Began, StopReason};
use crate::trace::event::Event;
use crate::trace::fleet::names::Names;
use crate::trace::fleet::route::Route;
use crate::trace::path::hop::{Arrival, Meaning, Slot};
use crate::trace::path::schedule::{Next, Window};
use crate::trace::path::wait::DEAD_NEIGHBOUR;
use crate::types::{Instant, Mtu, ProbeId, Stamp, Ttl, WallTime};

/// How long an answer counts without `-w`; over connections only until the kernel repeats the SYN (RFC 6298 §2.1): a reset or an
/// ICMP error after that would hide a loss.
const COUNTS_FOR: Duration = Duration::from_secs(10);
const CONNECTION_COUNTS_FOR: Duration = Duration::from_secs(1);
/// How long the last answers are waited for at least.
const LAST_WAIT: Duration = Duration::from_secs(1);
/// How many TTLs further each cycle the search for a destination that no longer answers goes, from the second such cycle on.
const FURTHER: usize = 2;
/// Ports that are used in turn: more than probes can be waiting.
const PORTS: u32 = 4096;
/// Recent answers of the destination that decide where it is now.
const OF_LATE: usize = 3;
/// More cycles in a row change nothing any more.
const MAX_MISSED: usize = 128;

/// One target.
#[derive(Debug)]
pub(super) struct Watch {
    began: Began,
    pub route: Route,
    started: Instant,
    first: u8,
    max: u8,
    /// By TTL, from `first` on.
    counts: Vec<HopCounts>,
    /// Probes that are not counted yet.
    open: BTreeMap<ProbeId, Open>,
    cycles: Vec<Cycle>,
    /// The TTL to probe next; beyond the path's end if the newest cycle has all its probes.
    ttl: u16,
    /// From one probe of the newest cycle to the next.
    gap: Duration,
    /// Before this nothing leaves, whatever was missed.
    not_before: Instant,
    end: Option<PathEnd>,
    /// For how many cycles, the newest that is decided and those before it, the destination has been silent.
    missed: usize,
    /// The highest TTL before the end that was answered, and since when it is.
    highest: Option<u8>,
    progress_at: Instant,
    slowest: Duration,
    probes: u32,
    refused: u64,
    last_refusal: Option<OsError>,
    some_left: bool,
    /// No more probes.
    closing: bool,
}

#[derive(Debug)]
struct Open {
    ttl: u8,
    cycle: usize,
    slot: Slot,
}

impl Open {
    /// Whether an answer may still count, or is there and not counted yet.
    fn waits(&self, wait: Duration, now: Instant) -> bool {
        self.slot.open_since().is_none_or(|sent| sent + wait > now)
    }
}

#[derive(Debug)]
struct Cycle {
    at: Instant,
    last_sent: Instant,
    /// The lowest TTL at which the destination answered, if it did.
    answered: Option<u8>,
    /// The highest TTL at which a router before it answered.
    router: Option<u8>,
    /// Whether an answer of the destination shows its distance.
    measured: bool,
    /// Whether the kernel refused one of its probes.
    refused: bool,
}

impl Cycle {
    /// How far away the destination was, if that is certain: what answers one TTL below is not the destination. A lost answer
    /// would make it seem further.
    fn distance(&self, first: u8) -> Option<u8> {
        let known = |&at: &u8| self.measured || at == first || self.router == Some(at - 1);
        self.answered.filter(known)
    }
}

/// Where the path ends.
#[derive(Clone, Copy, Debug)]
struct PathEnd {
    ttl: u8,
    /// When that became known.
    since: Instant,
    /// Whether it is the destination that answered.
    destination: bool,
}

impl Watch {
    pub fn new(config: &Config, began: Began, route: Route, now: Instant) -> Watch {
        let first = config.trace.first_ttl.get().max(1);
        let max = config.trace.max_ttl.get().max(first);
        Watch {
            began,
            route,
            started: now,
            first,
            max,
            counts: (first..=max).map(|_| HopCounts::default()).collect(),
            open: BTreeMap::new(),
            cycles: Vec::new(),
            ttl: u16::from(max) + 1,
            gap: Duration::ZERO,
            not_before: now,
            end: None,
            missed: 0,
            highest: None,
            progress_at: now,
            slowest: Duration::ZERO,
            probes: 0,
            refused: 0,
            last_refusal: None,
            some_left: false,
            closing: false,
        }
    }

    /// The probe to send next; the index of a probe is that of its cycle.
    pub fn next(&self, config: &Config, now: Instant) -> Next {
        if self.closing {
            return Next::Nothing;
        }
        let (due, ttl, index) = match (self.unfinished(config), self.cycles.last()) {
            (Some(ttl), _) => (self.due(config, ttl), ttl, self.cycles.len() - 1),
            (None, _) if self.cycles.len() as u64 >= config.cycles.max(1) => return Next::Nothing,
            (None, newest) => {
                let due = newest.map_or(self.started, |cycle| cycle.at + config.interval);
                (due, self.first, self.cycles.len())
            }
        };
        match due.max(self.not_before) {
            at if at <= now => Next::Probe { ttl, index },
            at => Next::At(at),
        }
    }

    /// The index of the next probe's port, where ports count up: they begin anew long after answers to the first are over.
    pub fn port_index(&self) -> u32 {
        self.probes % PORTS
    }

    pub fn subject(&self) -> Arc<Subject> {
        Arc::clone(&self.began.subject)
    }

    pub fn is_closing(&self) -> bool {
        self.closing
    }

    /// Probes that wait for their answers.
    pub fn unanswered(&self) -> usize {
        self.open.values().filter(|open| open.slot.arrival.is_none()).count()
    }

    /// The TTL that the newest cycle goes on with.
    fn unfinished(&self, config: &Config) -> Option<u8> {
        u8::try_from(self.ttl).ok().filter(|&ttl| !self.cycles.is_empty() && ttl <= self.limit(config))
    }

    /// The last TTL to probe, as far as is known by now.
    fn limit(&self, config: &Config) -> u8 {
        let further = |from: u8, by: usize| u8::try_from(usize::from(from) + by).unwrap_or(u8::MAX).min(self.max);
        match (self.end, config.trace.gap_limit) {
            (Some(end), _) => further(end.ttl, self.missed.saturating_sub(1) * FURTHER),
            (None, Some(gap)) => further(self.highest.unwrap_or(self.first.saturating_sub(1)), gap.max(1) as usize),
            (None, None) => self.max,
        }
    }

    fn due(&self, config: &Config, ttl: u8) -> Instant {
        let at = self.cycles.last().map_or(self.started, |cycle| cycle.at);
        let (index, known) =
            (ttl.saturating_sub(self.first), self.highest.map_or(0, |highest| highest.saturating_sub(self.first) + 1));
        let spread = at + self.gap.saturating_mul(index.into());
        if self.end.is_some() || !config.trace.paced {
            return spread;
        }
        let window = Window::of(&config.trace, &self.route.profile, usize::MAX, Some(self.slowest));
        spread.max(window.opens(index.into(), known.into(), self.progress_at))
    }

    /// `probe` is ordered for this TTL in this cycle.
    pub fn ordered(&mut self, config: &Config, (ttl, index): (u8, usize), probe: ProbeId, stamp: Stamp) {
        let now = stamp.user.mono;
        if index == self.cycles.len() {
            self.begin_cycle(config, now);
        }
        if let Some(cycle) = self.cycles.get_mut(index) {
            cycle.last_sent = now;
        }
        if let Some(hop_counts) = self.hop_counts(ttl) {
            hop_counts.sent += 1;
        }
        let slot = Slot { sent: Some((probe, stamp)), ttl, ..Slot::default() };
        self.open.insert(probe, Open { ttl, cycle: index, slot });
        self.probes = self.probes.wrapping_add(1);
        self.ttl = u16::from(ttl) + 1;
        // What was missed in a stall is made up for, but not in one go.
        self.not_before = now + self.gap / 2;
    }

    fn begin_cycle(&mut self, config: &Config, now: Instant) {
        let planned = self.cycles.last().map(|cycle| cycle.at + config.interval);
        let at = planned.filter(|&at| now.since(at) < config.interval).unwrap_or(now);
        let wait = self.wait(config);
        let decided =
            self.cycles.iter().rev().filter(|cycle| cycle.answered.is_some() || cycle.last_sent + wait <= now);
        self.missed = decided.take(MAX_MISSED).take_while(|cycle| cycle.answered.is_none()).count();
        self.end = self.end.filter(|end| end.destination);
        self.cycles.push(Cycle { at, last_sent: now, answered: None, router: None, measured: false, refused: false });
        self.gap = config.interval / (u32::from(self.limit(config).saturating_sub(self.first)) + 1);
    }

    /// `probe` left.
    pub fn sent(&mut self, probe: ProbeId, stamp: Stamp) {
        self.some_left = true;
        if let Some(open) = self.open.get_mut(&probe) {
            open.slot.set_sent(probe, stamp);
        }
    }

    /// The kernel refused `probe`. Gives the event about it and, if no probe has left yet, how many were refused.
    pub fn refused(
        &mut self,
        probe: ProbeId,
        (error, mtu): (OsError, Option<Mtu>),
        at: WallTime,
    ) -> Option<(Event, Option<u64>)> {
        let Open { ttl, cycle, .. } = self.open.remove(&probe)?;
        let repeated = self.last_refusal.replace(error) == Some(error);
        let outcome = Outcome::NotSent(NotSent { error, mtu, reported: u64::from(!repeated) });
        let event = ProbeEvent {
            ttl: Some(Ttl::new(ttl)),
            flow: self.began.subject.flow,
            ..ProbeEvent::new(&self.began.subject, probe, at, outcome)
        };
        if let Some(hop_counts) = self.hop_counts(ttl) {
            hop_counts.sent = hop_counts.sent.saturating_sub(1);
        }
        if let Some(cycle) = self.cycles.get_mut(cycle) {
            cycle.refused = true;
        }
        self.refused += 1;
        Some((Event::Probe(Arc::new(event)), (!self.some_left).then_some(self.refused)))
    }

    /// Takes an answer to `probe`. True if it counts.
    pub fn answer(&mut self, config: &Config, probe: ProbeId, arrival: Arrival) -> bool {
        let Some(meaning) = arrival.meaning(self.route.target.address) else { return false };
        let counts_for = self.counts_for(config);
        let Some(open) = self.open.get_mut(&probe).filter(|open| open.slot.arrival.is_none()) else { return false };
        let Some((_, sent)) = open.slot.sent else { return false };
        if delay::arrival(&sent, &arrival.stamp) > sent.user.mono + counts_for {
            return false;
        }
        let (ttl, cycle, quoted, at) = (open.ttl, open.cycle, arrival.quoted_ttl, arrival.stamp.user.mono);
        open.slot.arrival = Some(Box::new(arrival));
        let rtt = open.slot.rtt().map_or(Duration::ZERO, |rtt| rtt.as_duration());
        self.slowest = self.slowest.max(rtt);
        match meaning {
            Meaning::OnTheWay => {
                if let Some(cycle) = self.cycles.get_mut(cycle) {
                    cycle.router = cycle.router.max(Some(ttl));
                }
                self.note_router(ttl, sent.user.mono, at);
            }
            Meaning::End(StopReason::Destination) => {
                let distance = quoted.and_then(|quoted| self.distance(ttl, quoted));
                let ttl = distance.unwrap_or(ttl);
                if let Some(cycle) =
                    self.cycles.get_mut(cycle).filter(|cycle| cycle.answered.is_none_or(|at| ttl <= at))
                {
                    cycle.answered = Some(ttl);
                    cycle.measured |= distance.is_some();
                }
                self.note_end(PathEnd { ttl, since: at, destination: true });
            }
            Meaning::End(_) => self.note_end(PathEnd { ttl, since: at, destination: false }),
        }
        true
    }

    /// The probe that an answer of the target is for which names none: the newest that waits beyond the routers.
    pub fn attribute_unnamed(&self, config: &Config, now: Instant) -> Option<ProbeId> {
        let wait = self.wait(config);
        let may_be = |open: &Open| {
            let waits = open.slot.open_since().is_some_and(|sent| sent + wait > now);
            waits && self.highest.is_none_or(|highest| highest < open.ttl)
        };
        self.open.iter().rev().find(|(_, open)| may_be(open)).map(|(&probe, _)| probe)
    }

    /// A router answered: if it stands where the path was said to end, the path has become longer.
    fn note_router(&mut self, ttl: u8, sent: Instant, at: Instant) {
        match self.end {
            Some(end) if ttl >= end.ttl && sent <= end.since => return,
            Some(end) if ttl >= end.ttl => self.end = None,
            _ => {}
        }
        if self.highest.is_none_or(|highest| highest < ttl) {
            self.highest = Some(ttl);
            self.progress_at = at;
        }
    }

    fn note_end(&mut self, found: PathEnd) {
        let nearer = self.end.is_none_or(|end| found.ttl < end.ttl || (found.ttl == end.ttl && found.destination));
        let found_again = self.missed > 0 && self.end.is_some_and(|end| end.ttl < found.ttl);
        if nearer || found_again {
            self.end = Some(found);
            self.missed = 0;
            self.highest = self.highest.filter(|&highest| highest < found.ttl);
        }
    }

    /// The destination's distance, which is what its quote of a probe sent with `ttl` has used up, if that can be.
    fn distance(&self, ttl: u8, quoted: Ttl) -> Option<u8> {
        let distance = ttl.checked_sub(quoted.get().max(1) - 1)?;
        (distance >= self.first && self.highest.is_none_or(|highest| highest < distance)).then_some(distance)
    }

    /// Counts and reports what needs no more waiting at `now`, and gives those probes.
    pub fn settle(&mut self, config: &Config, now: Instant, out: &mut VecDeque<Event>) -> Vec<ProbeId> {
        let (counts_for, stamps) = (self.counts_for(config), self.route.profile.send_stamps);
        let settled = |slot: &Slot| match slot.open_since() {
            Some(sent) => sent + counts_for < now,
            None => slot.stamp_until(stamps).is_none_or(|until| until <= now),
        };
        let over: Vec<ProbeId> =
            self.open.iter().filter(|(_, open)| settled(&open.slot)).map(|(&probe, _)| probe).collect();
        for probe in &over {
            let Some(mut open) = self.open.remove(probe) else { continue };
            let Some(event) = open.slot.report(&self.began.subject, (stamps, now), true) else { continue };
            if let Some(hop_counts) = self.hop_counts(open.ttl) {
                hop_counts.add(&event);
            }
            out.push_back(Event::Probe(event));
        }
        over
    }

    /// Reports the probes that are left when the watch is over: those that are not answered only if they were waited for.
    pub fn report_rest(&mut self, all_cycles: bool, now: Instant, out: &mut VecDeque<Event>) {
        let (stamps, subject) = (SendStamps::None, &self.began.subject);
        let rest = self.open.values_mut().filter_map(|open| open.slot.report(subject, (stamps, now), all_cycles));
        out.extend(rest.map(Event::Probe));
    }

    /// Probes that are hardly answered any more.
    pub fn given_up(&self, config: &Config, now: Instant) -> impl Iterator<Item = ProbeId> {
        let wait = self.wait(config);
        let old = move |open: &Open| open.slot.open_since().is_some_and(|sent| sent + wait <= now);
        self.open.iter().filter(move |(_, open)| old(open)).map(|(&probe, _)| probe)
    }

    /// Sends nothing any more.
    pub fn close(&mut self) {
        self.closing = true;
    }

    /// Whether everything was sent, and nothing is waited for any more.
    pub fn is_over(&self, config: &Config, now: Instant) -> bool {
        let (wait, limit) = (self.wait(config), self.limit(config));
        let until = self.patient_until(config).unwrap_or(Instant::ZERO);
        let quiet = |open: &Open| match open.slot.open_since() {
            Some(sent) => open.ttl > limit || until.max(sent + wait) <= now,
            None => false,
        };
        self.is_sent(config) && self.open.values().all(quiet)
    }

    fn is_sent(&self, config: &Config) -> bool {
        self.closing || (self.cycles.len() as u64 >= config.cycles.max(1) && self.unfinished(config).is_none())
    }

    /// Whether it is over but for what the last router may say.
    pub fn waits_for_routers(&self, config: &Config) -> bool {
        self.is_sent(config) && self.patient_until(config).is_some()
    }

    /// When something is to be counted or given up, if nothing happens before.
    pub fn wake(&self, config: &Config, now: Instant) -> Option<Instant> {
        let (counts_for, wait) = (self.counts_for(config), self.wait(config));
        let stamps = self.route.profile.send_stamps;
        let times = self.open.values().flat_map(|open| match open.slot.open_since() {
            Some(sent) => [Some(sent + wait), Some(sent + counts_for + Duration::from_nanos(1))],
            None => [open.slot.stamp_until(stamps), None],
        });
        times.flatten().chain(self.patient_until(config)).filter(|&at| at > now).min()
    }

    /// While nothing shows where the path ends: until when the last router may say that a neighbour does not answer.
    fn patient_until(&self, config: &Config) -> Option<Instant> {
        let patient =
            config.trace.is_patient() && self.end.is_none() && !self.closing && !self.route.profile.connects();
        patient.then(|| self.started + DEAD_NEIGHBOUR)
    }

    /// How long an answer counts.
    fn counts_for(&self, config: &Config) -> Duration {
        let usual = if self.route.profile.connects() { CONNECTION_COUNTS_FOR } else { COUNTS_FOR };
        config.trace.wait.map_or(usual, |wait| wait.max)
    }

    /// How long an answer is waited for before its probe counts as unanswered for the time being.
    fn wait(&self, config: &Config) -> Duration {
        let usual = self.slowest.saturating_mul(2).max(LAST_WAIT).min(self.counts_for(config));
        config.trace.wait.map_or(usual, |wait| wait.max)
    }

    fn hop_counts(&mut self, ttl: u8) -> Option<&mut HopCounts> {
        self.counts.get_mut(usize::from(ttl.checked_sub(self.first)?))
    }

    /// The figures at `now`.
    pub fn report(&self, config: &Config, ended: Option<StopReason>, names: &Names, now: Instant) -> Report {
        let mut report = Report::empty(self.began.clone(), ended);
        let (wait, newest_is_whole) = (self.wait(config), self.unfinished(config).is_none());
        let waiting: BTreeSet<usize> = match ended {
            Some(StopReason::Cycles) => BTreeSet::new(),
            _ => self.open.values().filter(|open| open.waits(wait, now)).map(|open| open.cycle).collect(),
        };
        for (index, cycle) in self.cycles.iter().enumerate() {
            let whole = newest_is_whole || index + 1 < self.cycles.len();
            match cycle.answered {
                Some(_) => report.received += 1,
                None if !whole || cycle.refused => continue,
                None if waiting.contains(&index) => report.pending += 1,
                None => report.lost += 1,
            }
            report.sent += 1;
        }
        report.distances = self.distances();
        report.send_failed = self.refused;
        report.hops = self.hops(wait, names, now);
        report.duration = u64::try_from(now.since(self.started).as_nanos()).unwrap_or(u64::MAX);
        report
    }

    fn distances(&self) -> Vec<(Ttl, u64)> {
        let mut distances: BTreeMap<u8, u64> = BTreeMap::new();
        for distance in self.cycles.iter().filter_map(|cycle| cycle.distance(self.first)) {
            *distances.entry(distance).or_default() += 1;
        }
        distances.into_iter().map(|(ttl, cycles)| (Ttl::new(ttl), cycles)).collect()
    }

    /// The last TTL of the path: where the destination answered of late, and no router has since. A lost answer does not make
    /// the path longer.
    fn last_ttl(&self) -> Option<u8> {
        let end = self.end?;
        let of_late = self.cycles.iter().rev().filter_map(|cycle| cycle.answered).take(OF_LATE);
        let nearest = of_late.filter(|&at| self.highest.is_none_or(|highest| highest < at)).min();
        Some(nearest.filter(|_| end.destination).unwrap_or(end.ttl))
    }

    fn hops(&self, wait: Duration, names: &Names, now: Instant) -> Vec<ReportHop> {
        let probed = self.counts.iter().rposition(|hop_counts| hop_counts.sent > 0).map_or(0, |at| at + 1);
        let last = self.last_ttl().map_or(probed, |ttl| usize::from(ttl.saturating_sub(self.first)) + 1);
        let pending =
            |ttl: u8| self.open.values().filter(|open| open.ttl == ttl && open.waits(wait, now)).count() as u64;
        let mut hops: Vec<ReportHop> = (self.first..=self.max)
            .zip(&self.counts)
            .take(last)
            .map(|(ttl, hop_counts)| hop_counts.figures(ttl, pending(ttl), names))
            .collect();
        judge(&mut hops);
        hops
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::channel::Protocol;
    use crate::trace::testing::{self, TARGET, at, began, config, ms, profile, router};
    use crate::types::Now;
    use crate::wire::icmp::ErrorKind;

    /// What comes back for a probe after 10 ms.
    #[derive(Clone, Copy)]
    enum Back {
        Router(u8),
        Unreachable(u8),
        Target,
        Nothing,
    }

    fn cycles(cycles: u64) -> Config {
        Config { trace: config(profile(Protocol::Icmp)), cycles, interval: ms(1000) }
    }

    fn arrival(back: Back, now: Now) -> Option<Arrival> {
        let (responder, kind) = match back {
            Back::Router(hop) => (router(hop), Some(ErrorKind::TimeExceeded)),
            Back::Unreachable(hop) => (router(hop), Some(ErrorKind::HostUnreachable)),
            Back::Target => (TARGET, None),
            Back::Nothing => return None,
        };
        Some(testing::arrival(responder, kind, Stamp::user(now)))
    }

    /// Plays `config` to its end, where `back` says what comes back for a TTL in a cycle. Gives every probe as (cycle, TTL,
    /// milliseconds), and the report.
    fn play(config: &Config, back: impl Fn(usize, u8) -> Back) -> (Vec<(usize, u8, u128)>, Report) {
        let route = Route::of_trace(&config.trace, 0).unwrap();
        let mut watch = Watch::new(config, began(), route, at(ms(0)).mono);
        let (mut time, mut left, mut coming) = (ms(0), Vec::new(), BTreeMap::new());
        loop {
            let now = at(time);
            while let Some(&(due, probe)) = coming.keys().next().filter(|(due, _)| *due <= time) {
                let arrival = coming.remove(&(due, probe)).and_then(|back| arrival(back, now));
                assert!(arrival.is_none_or(|arrival| watch.answer(config, probe, arrival)));
            }
            watch.settle(config, now.mono, &mut VecDeque::new());
            while let Next::Probe { ttl, index } = watch.next(config, now.mono) {
                let probe = ProbeId::new(left.len() as u64 + 1);
                watch.ordered(config, (ttl, index), probe, Stamp::user(now));
                watch.sent(probe, Stamp::user(now));
                left.push((index, ttl, time.as_millis()));
                coming.insert((time + ms(10), probe), back(index, ttl));
            }
            if watch.is_over(config, now.mono) {
                return (left, watch.report(config, Some(StopReason::Cycles), &Names::new(false, None), now.mono));
            }
            time += ms(1);
            assert!(time < ms(600_000), "it does not end");
        }
    }

    fn ttls(left: &[(usize, u8, u128)], cycle: usize) -> Vec<u8> {
        left.iter().filter(|probe| probe.0 == cycle).map(|probe| probe.1).collect()
    }

    /// A path on which the destination is `hops` hops away.
    fn straight(hops: u8, ttl: u8) -> Back {
        if ttl < hops { Back::Router(ttl) } else { Back::Target }
    }

    fn distances(report: &Report) -> Vec<(u8, u64)> {
        report.distances.iter().map(|&(ttl, cycles)| (ttl.get(), cycles)).collect()
    }

    #[test]
    fn a_cycle_is_spread_over_the_interval_and_ends_at_the_destination() {
        let (left, report) = play(&cycles(3), |_, ttl| straight(5, ttl));
        assert_eq!(ttls(&left, 0), [1, 2, 3, 4, 5]);
        let second: Vec<_> = left.iter().filter(|probe| probe.0 == 1).map(|&(_, ttl, at)| (ttl, at)).collect();
        assert_eq!(second, [(1, 1000), (2, 1200), (3, 1400), (4, 1600), (5, 1800)]);
        assert_eq!((report.sent, report.received, report.lost, report.pending), (3, 3, 0, 0));
        assert_eq!(distances(&report), [(5, 3)]);
        assert!(report.hops.iter().all(|hop| (hop.sent, hop.received, hop.persists) == (3, 3, None)));
    }

    #[test]
    fn a_path_that_becomes_longer_loses_nothing() {
        let (left, report) = play(&cycles(6), |cycle, ttl| straight(if cycle < 3 { 4 } else { 6 }, ttl));
        assert_eq!((ttls(&left, 2), ttls(&left, 3)), (vec![1, 2, 3, 4], vec![1, 2, 3, 4, 5, 6]));
        assert_eq!((report.sent, report.lost), (6, 0));
        assert_eq!(distances(&report), [(4, 3), (6, 3)]);
        assert_eq!(report.hops.len(), 6);
    }

    #[test]
    fn a_path_that_becomes_shorter_loses_nothing() {
        let (left, report) = play(&cycles(6), |cycle, ttl| straight(if cycle < 3 { 6 } else { 4 }, ttl));
        assert_eq!(ttls(&left, 3), [1, 2, 3, 4]);
        assert_eq!((report.sent, report.lost), (6, 0));
        assert_eq!(distances(&report), [(4, 3), (6, 3)]);
        assert_eq!(report.hops.len(), 4);
    }

    #[test]
    fn a_destination_beyond_a_new_silent_router_is_found_again() {
        let (left, report) = play(&cycles(9), |cycle, ttl| match (cycle, ttl) {
            (0..3, _) => straight(4, ttl),
            (_, 4) => Back::Nothing,
            _ => straight(5, ttl),
        });
        // It is looked for further away once two cycles are known to be silent, a second after their last probe.
        assert_eq!(ttls(&left, 4), [1, 2, 3, 4]);
        assert_eq!(ttls(&left, 8), [1, 2, 3, 4, 5]);
        assert_eq!((report.sent, report.lost), (9, 3));
        assert_eq!(report.hops.len(), 5, "{report:?}");
    }

    #[test]
    fn a_destination_that_loses_is_not_taken_for_one_further_away() {
        let (left, report) = play(&cycles(40), |cycle, ttl| match (cycle, ttl) {
            // The probe of its own TTL is lost in cycles on end, one further away is not.
            (4..8 | 20..30, 4) => Back::Nothing,
            _ => straight(4, ttl),
        });
        assert_eq!(report.hops.len(), 4);
        assert_eq!(distances(&report), [(4, 26)]);
        assert!(left.iter().all(|probe| probe.1 <= 6), "{left:?}");
    }

    #[test]
    fn a_dead_destination_is_lost_each_cycle_and_looked_for_no_further_than_needed() {
        let (left, report) = play(&cycles(5), |cycle, ttl| match cycle {
            0 => straight(4, ttl),
            _ if ttl < 4 => Back::Router(ttl),
            _ => Back::Nothing,
        });
        assert_eq!((report.sent, report.received, report.lost), (5, 1, 4));
        assert_eq!(ttls(&left, 4).len(), 6);
        assert_eq!(report.hops.len(), 4);
        assert_eq!(report.hops[3].persists, Some(true));
    }

    #[test]
    fn an_unreachable_holds_for_its_cycle() {
        let (left, report) = play(&cycles(4), |cycle, ttl| match (cycle, ttl) {
            (1, 3..) => Back::Unreachable(2),
            _ => straight(5, ttl),
        });
        assert_eq!((ttls(&left, 1).last(), ttls(&left, 2).last()), (Some(&3), Some(&5)));
        assert_eq!((report.sent, report.received, report.lost), (4, 3, 1));
    }

    #[test]
    fn nothing_is_looked_for_beyond_the_gap_limit() {
        let mut config = cycles(2);
        config.trace.gap_limit = Some(3);
        let (left, report) = play(&config, |_, ttl| if ttl < 3 { Back::Router(ttl) } else { Back::Nothing });
        assert_eq!((ttls(&left, 0), ttls(&left, 1)), (vec![1, 2, 3, 4, 5], vec![1, 2, 3, 4, 5]));
        assert_eq!((report.sent, report.lost), (2, 2));
    }

    proptest! {
        #[test]
        fn whatever_answers_every_probe_is_counted_once_and_the_report_ends(
            (first, max, gap, cycles) in (1u8..5, 1u8..12, proptest::option::of(1u32..4), 1u64..12),
            backs in proptest::collection::vec(0u8..4, 150),
        ) {
            let mut config = Config { interval: ms(100), ..self::cycles(cycles) };
            config.trace = crate::trace::Config {
                first_ttl: Ttl::new(first),
                max_ttl: Ttl::new(max),
                gap_limit: gap,
                ..config.trace
            };
            let (left, report) = play(&config, |cycle, ttl| match backs[(cycle * 12 + usize::from(ttl)) % backs.len()] {
                0 => Back::Nothing,
                1 => Back::Router(ttl),
                2 => Back::Unreachable(ttl),
                _ => Back::Target,
            });
            prop_assert!(left.iter().all(|probe| (first..=max.max(first)).contains(&probe.1)));
            prop_assert_eq!(left.iter().map(|probe| probe.0).max(), Some(cycles as usize - 1));
            let mut asked: Vec<(usize, u8)> = left.iter().map(|probe| (probe.0, probe.1)).collect();
            asked.dedup();
            prop_assert_eq!(asked.len(), left.len());
            prop_assert_eq!((report.sent, report.pending), (report.received + report.lost, 0));
            prop_assert_eq!(report.sent, cycles);
            for hop in &report.hops {
                let sent = left.iter().filter(|probe| probe.1 == hop.ttl.get()).count() as u64;
                prop_assert_eq!((hop.sent, hop.pending), (sent, 0));
                prop_assert_eq!(hop.sent, hop.received + hop.unanswered);
            }
        }
    }
}
