//! One target while it is being watched: when its next probe leaves, and where its path ends by now.

mod figures;
mod follow;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use self::follow::Followed;
use super::counts::HopCounts;
use super::cycle::{Cycle, ProbeState};
use super::cycles::Cycles;
use super::event::Config;
use crate::channel::{OsError, Protocol, SendStamps};
use crate::engine::delay;
use crate::engine::outcome::{NotSent, Outcome, ProbeEvent, Subject};
use crate::engine::send_errors::SendErrors;
use crate::trace::ends::{Began, StopReason};
use crate::trace::event::Event;
use crate::trace::fleet::route::Route;
use crate::trace::path::distance::{self, Distance};
use crate::trace::path::hop::{Arrival, Meaning, Slot};
use crate::trace::path::run::LIMIT_PAUSE;
use crate::trace::path::schedule::{Next, Window};
use crate::trace::path::wait::DEAD_NEIGHBOUR;
use crate::types::{Instant, Mtu, Now, ProbeId, Stamp, Ttl};

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
/// How long a hop is waited for that may be the destination before the next is probed.
const DOUBT_AT_LEAST: Duration = Duration::from_millis(100);

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
    cycles: Cycles,
    /// The TTL to probe next; beyond the path's end if the newest cycle has all its probes.
    ttl: u16,
    /// From one probe of the newest cycle to the next.
    gap: Duration,
    /// Before this nothing leaves, whatever was missed.
    not_before: Instant,
    /// The newest cycle in which the destination answered.
    known: Option<usize>,
    /// Whether a router has answered since from where it was.
    longer: bool,
    /// Where it may be nearer than it answered, if it limits its answers.
    doubt: Option<Doubt>,
    target_at: Instant,
    /// For how many cycles, the newest that is decided and those before it, the destination has been silent.
    missed: usize,
    /// The highest TTL at which a router answered, and since when it is.
    highest: Option<u8>,
    progress_at: Instant,
    slowest: Duration,
    probes: u32,
    refused: u64,
    send_errors: SendErrors,
    some_left: bool,
    /// No more probes.
    closing: bool,
    /// No probes for now.
    pub paused: bool,
    followed: Followed,
}

#[derive(Debug)]
struct Open {
    ttl: u8,
    cycle: usize,
    slot: Slot,
    /// Whether it was reported as overdue.
    overdue: bool,
}

impl Open {
    /// Whether an answer may still count, or is there and not counted yet.
    fn waits(&self, wait: Duration, now: Instant) -> bool {
        self.slot.open_since().is_none_or(|sent| sent + wait > now)
    }
}

/// A destination that limits its answers may be at a hop that was silent: of those one is probed a cycle.
#[derive(Clone, Copy, Debug)]
struct Doubt {
    /// From where it answered.
    end: u8,
    /// The hop that is probed.
    candidate: u8,
}

/// Where a path ends.
#[derive(Clone, Copy, Debug)]
struct End {
    ttl: u8,
    /// Whether it is the destination that answered, and if so, whether it cannot be nearer.
    proven: Option<bool>,
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
            cycles: Cycles::default(),
            ttl: u16::from(max) + 1,
            gap: Duration::ZERO,
            not_before: now,
            known: None,
            longer: false,
            doubt: None,
            target_at: now,
            missed: 0,
            highest: None,
            progress_at: now,
            slowest: Duration::ZERO,
            probes: 0,
            refused: 0,
            send_errors: SendErrors::default(),
            some_left: false,
            closing: false,
            paused: false,
            followed: Followed::default(),
        }
    }

    /// The probe to send next; the index of a probe is that of its cycle.
    pub fn next(&self, config: &Config, now: Instant) -> Next {
        if self.closing || self.paused {
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

    /// Probes that wait for their answers.
    pub fn unanswered(&self) -> usize {
        self.open.values().filter(|open| open.slot.arrival.is_none()).count()
    }

    /// The TTL that the newest cycle goes on with.
    fn unfinished(&self, config: &Config) -> Option<u8> {
        let from = u8::try_from(self.ttl).ok().filter(|_| !self.cycles.is_empty())?;
        (from..=self.limit(config)).find(|&ttl| !self.is_skipped(ttl))
    }

    /// Whether `ttl` is one of the silent hops at which the destination may be, but not the one that is probed.
    fn is_skipped(&self, ttl: u8) -> bool {
        self.doubt.is_some_and(|doubt| ttl > self.above() && ttl < doubt.end && ttl != doubt.candidate)
    }

    /// The hop in the middle is probed while that brings the destination nearer, else the one right below it: silence there
    /// proves the distance.
    fn doubt(&self) -> Option<Doubt> {
        let End { ttl: end, .. } = self.end().filter(|end| self.limits_answers() && end.proven == Some(false))?;
        let tried = self.doubt.zip(self.cycles.last()).map(|(doubt, newest)| newest.state(doubt.candidate));
        let candidate = if tried == Some(ProbeState::Silent) { end - 1 } else { self.above().midpoint(end) };
        Some(Doubt { end, candidate })
    }

    /// The highest TTL that is not the destination's.
    fn above(&self) -> u8 {
        self.highest.unwrap_or(self.first - 1)
    }

    /// The last TTL to probe, as far as is known by now.
    fn limit(&self, config: &Config) -> u8 {
        let further = |from: u8, by: usize| u8::try_from(usize::from(from) + by).unwrap_or(u8::MAX).min(self.max);
        let newest = self.cycles.last();
        if let Some(answered) = newest.and_then(|cycle| cycle.distance(0)) {
            return answered.ttl;
        }
        match (self.known_distance(), newest.and_then(Cycle::refused_at), config.trace.gap_limit) {
            (Some(known), None, _) => further(known.ttl, self.missed.saturating_sub(1) * FURTHER),
            (Some(known), Some(_), _) => known.ttl,
            (None, Some(refused), _) => refused,
            (None, None, Some(gap)) => further(self.above(), gap.max(1) as usize),
            (None, None, None) => self.max,
        }
    }

    /// How far away the destination was when it last answered, unless the path has become longer since.
    fn known_distance(&self) -> Option<Distance> {
        self.cycles.get(self.known.filter(|_| !self.longer)?)?.distance(0)
    }

    fn due(&self, config: &Config, ttl: u8) -> Instant {
        let Some(cycle) = self.cycles.last() else { return self.started };
        let spread = cycle.at + self.gap.saturating_mul(cycle.probed().count() as u32);
        match self.doubt {
            // Its limit must let it answer, and what is further away must not take that answer.
            Some(doubt) if ttl == doubt.candidate => spread.max(self.target_at + LIMIT_PAUSE),
            Some(doubt) if ttl == doubt.end => {
                spread.max(cycle.last_sent + self.slowest.saturating_mul(2).clamp(DOUBT_AT_LEAST, LAST_WAIT))
            }
            _ if self.known_distance().is_some() || !config.trace.paced => spread,
            _ => {
                let window = Window::of(&config.trace, &self.route.profile, usize::MAX, Some(self.slowest));
                let known = self.above() + 1 - self.first;
                spread.max(window.opens((ttl - self.first).into(), known.into(), self.progress_at))
            }
        }
    }

    /// `probe` is ordered for this TTL in this cycle. True if the cycle begins with it.
    pub fn ordered(&mut self, config: &Config, (ttl, index): (u8, usize), probe: ProbeId, stamp: Stamp) -> bool {
        let now = stamp.user.mono;
        let begins = index == self.cycles.len();
        if begins {
            self.begin_cycle(config, now);
        }
        if let Some(cycle) = self.cycles.get_mut(index) {
            cycle.last_sent = now;
            cycle.set(ttl, ProbeState::Silent);
        }
        let slot = Slot { sent: Some((probe, stamp)), ttl, ..Slot::default() };
        self.open.insert(probe, Open { ttl, cycle: index, slot, overdue: false });
        self.probes = self.probes.wrapping_add(1);
        self.ttl = u16::from(ttl) + 1;
        // What was missed in a stall is made up for, but not in one go.
        self.not_before = now + self.gap / 2;
        begins
    }

    fn begin_cycle(&mut self, config: &Config, now: Instant) {
        let planned = self.cycles.last().map(|cycle| cycle.at + config.interval);
        let at = planned.filter(|&at| now.since(at) < config.interval).unwrap_or(now);
        let wait = self.wait(config);
        self.missed = self.cycles.missed(|cycle| cycle.last_sent + wait <= now);
        self.doubt = self.doubt();
        self.cycles.push(Cycle::new(at, now, self.first));
        let probes = (self.first..=self.limit(config)).filter(|&ttl| !self.is_skipped(ttl)).count();
        self.gap = config.interval / u32::try_from(probes).unwrap_or(1).max(1);
    }

    /// Whether the destination may leave probes unanswered that reach it.
    fn limits_answers(&self) -> bool {
        self.route.profile.protocol == Protocol::Udp
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
        now: Now,
    ) -> Option<(Event, Option<u64>)> {
        let Open { ttl, cycle, .. } = self.open.remove(&probe)?;
        let reported = self.send_errors.report(error, mtu, now.mono);
        let outcome = Outcome::NotSent(NotSent { error, mtu, reported });
        let event = ProbeEvent {
            ttl: Some(Ttl::new(ttl)),
            flow: self.began.subject.flow,
            ..ProbeEvent::new(&self.began.subject, probe, now.wall, outcome)
        };
        if let Some(cycle) = self.cycles.get_mut(cycle) {
            cycle.set(ttl, ProbeState::NotSent);
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
        let (ttl, index, quoted, at) = (open.ttl, open.cycle, arrival.quoted_ttl, arrival.stamp.user.mono);
        open.slot.arrival = Some(Box::new(arrival));
        let rtt = open.slot.rtt().map_or(Duration::ZERO, |rtt| rtt.as_duration());
        self.slowest = self.slowest.max(rtt);
        let state = match meaning {
            Meaning::OnTheWay => {
                self.longer |= self.known.is_some_and(|known| known < index)
                    && self.known_distance().is_some_and(|known| known.ttl <= ttl);
                if self.highest < Some(ttl) {
                    self.highest = Some(ttl);
                    self.progress_at = at;
                }
                ProbeState::Router
            }
            Meaning::End(StopReason::Destination) => {
                if self.known <= Some(index) {
                    self.known = Some(index);
                    self.longer = false;
                    self.missed = 0;
                }
                self.target_at = at;
                ProbeState::Target(quoted.and_then(|quoted| distance::shown(ttl, quoted, self.first)))
            }
            Meaning::End(_) => ProbeState::Unreachable,
        };
        if let Some(cycle) = self.cycles.get_mut(index) {
            cycle.set(ttl, state);
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
            if config.follow {
                self.follow(&open, &event);
            }
            self.count(&open, &event);
            out.push_back(Event::Probe(event));
        }
        self.decide(config, now);
        over
    }

    /// Cycles of which nothing can change any more are decided.
    fn decide(&mut self, config: &Config, now: Instant) {
        let counts_for = self.counts_for(config);
        while let Some((index, cycle)) = self.cycles.oldest() {
            let is_over = cycle.last_sent + counts_for < now && !self.open.values().any(|open| open.cycle == index);
            if !is_over || config.follow && !self.followed.has_seen(index) {
                return;
            }
            self.cycles.decide(self.max);
        }
    }

    /// Counts the answer to a probe. Of a cycle's answers of the destination one counts.
    fn count(&mut self, open: &Open, event: &Arc<ProbeEvent>) {
        let Some(cycle) = self.cycles.get(open.cycle) else { return };
        let counted = |(ttl, state)| ttl < open.ttl && matches!(state, ProbeState::Target(_));
        let state = cycle.state(open.ttl);
        if matches!(state, ProbeState::Target(_)) && cycle.probed().any(counted) {
            return;
        }
        if let Some(hop_counts) = self.counts.get_mut(usize::from(open.ttl.saturating_sub(self.first))) {
            hop_counts.add(event, state == ProbeState::Unreachable);
        }
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
        let patient = config.trace.is_patient() && !self.shows_end() && !self.closing && !self.route.profile.connects();
        patient.then(|| self.started + DEAD_NEIGHBOUR)
    }

    fn shows_end(&self) -> bool {
        self.known.is_some() || self.cycles.last().is_some_and(|cycle| cycle.refused_at().is_some())
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

    /// Where the path ends: beyond every router that answered, where the destination answered of late. A lost answer does not
    /// make the path longer. Where the destination never answered, an unreachable ends it.
    fn end(&self) -> Option<End> {
        let above = self.above();
        if let Some(nearest) = self.cycles.late(above).min_by_key(|distance| (distance.ttl, !distance.proven)) {
            let Distance { ttl, proven, .. } = nearest;
            return Some(End { ttl, proven: Some(proven || ttl == above + 1 || self.is_silent_below(ttl)) });
        }
        self.cycles.refused(above).map(|ttl| End { ttl, proven: None })
    }

    /// Whether the hop below `end` was silent in enough cycles in which the destination answered, and in which it would have
    /// answered that probe as well.
    fn is_silent_below(&self, end: u8) -> bool {
        self.cycles.is_silent(end - 1, self.limits_answers().then(|| self.above()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::channel::Protocol;
    use crate::trace::fleet::names::Names;
    use crate::trace::testing::{self, TARGET, at, began, config, ms, profile, router};
    use crate::trace::watch::Report;
    use crate::wire::icmp::ErrorKind;

    /// What comes back for a probe after 10 ms.
    #[derive(Clone, Copy)]
    enum Back {
        Router(u8),
        Unreachable(u8),
        Target,
        /// The destination, quoting this TTL.
        Quoting(u8),
        Nothing,
    }

    fn cycles(cycles: u64) -> Config {
        Config { trace: config(profile(Protocol::Icmp)), cycles, interval: ms(1000), follow: false }
    }

    fn arrival(back: Back, now: Now) -> Option<Arrival> {
        let (responder, kind) = match back {
            Back::Router(hop) => (router(hop), Some(ErrorKind::TimeExceeded)),
            Back::Unreachable(hop) => (router(hop), Some(ErrorKind::HostUnreachable)),
            Back::Target => (TARGET, None),
            Back::Quoting(_) => (TARGET, Some(ErrorKind::PortUnreachable)),
            Back::Nothing => return None,
        };
        let arrival = testing::arrival(responder, kind, Stamp::user(now));
        let quoted_ttl = if let Back::Quoting(ttl) = back { Some(Ttl::new(ttl)) } else { None };
        Some(Arrival { quoted_ttl, ..arrival })
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
        // What was measured of the longer path is shown.
        let rows: Vec<_> = report.hops.iter().map(|hop| (hop.sent, hop.received)).collect();
        assert_eq!(rows, [(6, 6), (6, 6), (6, 6), (6, 6), (3, 3), (3, 3)]);
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
        assert_eq!((report.hops[3].sent, report.hops[3].unanswered, report.hops[3].persists), (5, 4, Some(true)));
    }

    #[test]
    fn an_unreachable_holds_for_its_cycle() {
        let (left, report) = play(&cycles(4), |cycle, ttl| match (cycle, ttl) {
            (1, 3..) => Back::Unreachable(2),
            _ => straight(5, ttl),
        });
        assert_eq!((ttls(&left, 1).last(), ttls(&left, 2).last()), (Some(&5), Some(&5)));
        assert_eq!((report.sent, report.received, report.unreachable, report.lost), (4, 3, 1, 0));
        for hop in &report.hops[2..] {
            assert_eq!((hop.sent, hop.received, hop.unreachable, hop.unanswered_pct()), (4, 3, 1, Some(25.0)));
        }
        // The hop's own router is named first, and what refused last.
        let last = &report.hops[4].responders;
        assert_eq!((last[0].responder.address, &*last[1].annotations), (TARGET, &["!N".to_owned()][..]));
    }

    #[test]
    fn an_unreachable_ends_the_path_where_the_destination_never_answered() {
        let (left, report) = play(&cycles(3), |_, ttl| if ttl < 3 { Back::Router(ttl) } else { Back::Unreachable(2) });
        assert_eq!(ttls(&left, 2), [1, 2, 3]);
        assert_eq!((report.sent, report.unreachable, report.hops.len()), (3, 3, 3));
        assert_eq!((report.hops[2].unanswered_pct(), report.hops[2].stats.is_none()), (Some(100.0), true));
    }

    #[test]
    fn no_hop_is_dropped_where_each_packet_may_take_the_longer_path() {
        // Two paths in turn: the destination is at 3 or at 6.
        let (_, report) = play(&cycles(9), |cycle, ttl| straight(if cycle % 2 == 0 { 6 } else { 3 }, ttl));
        assert_eq!((report.received, report.lost), (9, 0));
        assert_eq!(distances(&report), [(3, 4), (6, 5)]);
        let answers: Vec<_> = report.hops.iter().map(|hop| (hop.sent, hop.received, hop.responders.len())).collect();
        assert_eq!(answers, [(9, 9, 1), (9, 9, 1), (9, 9, 2), (5, 5, 1), (5, 5, 1), (5, 5, 1)]);
    }

    #[test]
    fn a_burst_of_loss_before_the_path_became_longer_is_no_limit_of_routers() {
        let (_, report) = play(&cycles(30), |cycle, ttl| match (cycle, ttl) {
            (4..10, 2..) => Back::Nothing,
            (20.., _) => straight(6, ttl),
            _ => straight(4, ttl),
        });
        let persists: Vec<_> = report.hops.iter().map(|hop| hop.persists).collect();
        assert_eq!(persists[..4], [None, Some(true), Some(true), Some(true)]);
        assert!(persists.len() == 6 && !persists.contains(&Some(false)), "{persists:?}");
    }

    #[test]
    fn a_quote_does_not_place_the_destination_before_routers_that_answer() {
        // As if the probes had still had half of their TTL when they arrived.
        let (_, report) = play(&cycles(4), |_, ttl| if ttl < 8 { Back::Router(ttl) } else { Back::Quoting(ttl) });
        assert_eq!((report.received, report.hops.len()), (4, 8));
        assert_eq!(distances(&report), [(8, 4)]);
    }

    #[test]
    fn a_probe_that_ran_past_the_destination_counts_for_its_row() {
        // The hops below are silent, and so is the destination's own hop in the first cycle.
        let (_, report) = play(&cycles(5), |cycle, ttl| match (cycle, ttl) {
            (_, ..3) => Back::Router(ttl),
            (0, 3) => Back::Nothing,
            _ => Back::Target,
        });
        assert_eq!(report.hops.len(), 3);
        assert_eq!((report.hops[2].sent, report.hops[2].received), (5, 5));
        assert_eq!(report.hops[2].stats.as_ref().map(|stats| stats.count), Some(5));
    }

    #[test]
    fn a_silent_hop_below_the_destination_is_doubted_until_it_was_silent_three_times() {
        let proven = |count| play(&cycles(count), |_, ttl| if ttl == 3 { Back::Nothing } else { straight(4, ttl) }).1;
        assert_eq!((proven(2).distance_proven, proven(3).distance_proven), (Some(false), Some(true)));
        assert_eq!(proven(3).hops.len(), 4);
    }

    #[test]
    fn a_destination_that_limits_its_answers_is_followed_back_to_where_it_is() {
        let config = Config { trace: config(profile(Protocol::Udp)), ..cycles(9) };
        let first = |cycle: usize, ttl| cycle == 0 && ttl < 12;
        let back = |cycle, ttl| if ttl > 4 && first(cycle, ttl) { Back::Nothing } else { straight(5, ttl) };
        let (left, report) = play(&config, back);
        assert_eq!(ttls(&left, 1), [1, 2, 3, 4, 8]);
        assert_eq!(ttls(&left, 2), [1, 2, 3, 4, 6]);
        assert_eq!((report.received, report.lost, report.distance_proven), (9, 0, Some(true)));
        assert_eq!(report.hops.last().map(|hop| (hop.ttl.get(), hop.received)), Some((5, 9)));
        assert_eq!(report.hops[4].stats.as_ref().map(|stats| stats.count), Some(9));
        // A run that ends before says so, and shows no hops that may not exist.
        let (_, report) = play(&Config { cycles: 2, ..config.clone() }, back);
        assert_eq!(report.distance_proven, Some(false));
        assert_eq!(report.hops.iter().map(|hop| hop.ttl.get()).collect::<Vec<_>>(), [1, 2, 3, 4, 8]);
        // Routers that are silent are shown once they must exist.
        let (_, report) = play(&config, |_, ttl| if (3..6).contains(&ttl) { Back::Nothing } else { straight(6, ttl) });
        assert_eq!((report.distance_proven, report.lost), (Some(true), 0));
        assert_eq!(report.hops.iter().map(|hop| hop.ttl.get()).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn a_run_of_hours_keeps_no_more_than_one_of_a_minute() {
        const CYCLES: u64 = 20_000;
        let mut config = Config { follow: true, ..cycles(CYCLES) };
        config.trace.max_ttl = Ttl::new(6);
        let route = Route::of_trace(&config.trace, 0).unwrap();
        let mut watch = Watch::new(&config, began(), route, at(ms(0)).mono);
        let (mut random, mut sent, mut most, mut reached) = (fastrand::Rng::with_seed(1), 0, 0, 0);
        let mut time = ms(0);
        while watch.cycles.len() < CYCLES as usize || watch.unfinished(&config).is_some() {
            let now = at(time);
            match watch.next(&config, now.mono) {
                Next::Probe { ttl, index } => {
                    sent += 1;
                    let probe = ProbeId::new(sent);
                    watch.ordered(&config, (ttl, index), probe, Stamp::user(now));
                    watch.sent(probe, Stamp::user(now));
                    // Another length every hour, and an outage in each.
                    let hops = if index / 3600 % 2 == 0 { 3 } else { 4 };
                    let back =
                        if random.u8(0..9) == 0 || index % 3600 > 3400 { Back::Nothing } else { straight(hops, ttl) };
                    if let Some(arrival) = arrival(back, now) {
                        watch.answer(&config, probe, arrival);
                    }
                }
                Next::At(due) => time = Duration::from_nanos(due.since(at(ms(0)).mono).as_nanos() as u64),
                Next::Nothing => panic!("it ended"),
            }
            let mut events = VecDeque::new();
            watch.settle(&config, now.mono, &mut events);
            watch.report_changes(&config, now, &mut events);
            let is_reached = |event: &Event| matches!(event, Event::Probe(event) if event.responder == Some(TARGET));
            reached += events.iter().filter(|event| is_reached(event)).count() as u64;
            most = most.max(watch.cycles.kept() + watch.followed.kept() + watch.open.len());
        }
        assert!(most < 100, "{most}");
        let report = watch.report(&config, Some(StopReason::Interrupted), &Names::new(false, None), at(time).mono);
        assert_eq!((report.sent, report.received + report.lost + report.pending), (CYCLES, CYCLES));
        assert!(report.received <= reached + 20 && report.lost > 1000, "{report:?}");
        assert_eq!(report.hops[0].sent, CYCLES);
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
            let decided = report.received + report.unreachable + report.lost;
            prop_assert_eq!((report.sent, report.pending), (decided, 0));
            prop_assert_eq!(report.sent, cycles);
            for hop in &report.hops {
                let sent = left.iter().filter(|probe| probe.1 == hop.ttl.get()).count() as u64;
                let is_last = Some(hop.ttl) == report.hops.last().map(|last| last.ttl);
                prop_assert!(hop.pending == 0 && (hop.sent == sent || is_last && hop.sent > sent));
                prop_assert_eq!(hop.sent, hop.received + hop.unreachable + hop.unanswered);
            }
        }
    }
}
