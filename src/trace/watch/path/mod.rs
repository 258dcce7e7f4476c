//! One target while it is being watched: when its next probe leaves, and where its path ends by now.

mod ends;
mod figures;
mod findings;
mod follow;
mod losses;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

pub(super) use self::findings::GONE;
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
use crate::trace::path::rounds;
use crate::trace::path::run::LIMIT_PAUSE;
use crate::trace::path::schedule::{Next, Window};
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
        // The flows of a target begin spread over an interval, and stay so.
        let flows = config.trace.flows_per_target();
        let share = (began.subject.id.index() % flows) as f64 / flows as f64;
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
            not_before: now + config.interval.mul_f64(share),
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
            (Some(ttl), _) if self.is_undone() => return Next::Probe { ttl, index: self.cycles.len() - 1 },
            (Some(ttl), _) => (self.due(config, ttl), ttl, self.cycles.len() - 1),
            (None, _) if self.cycles.len() as u64 >= config.cycles.max(1) => return Next::Nothing,
            (None, newest) => {
                let due = newest.map_or(self.started, |cycle| cycle.at + config.interval);
                (due, self.first, self.cycles.len())
            }
        };
        match due.max(self.not_before).max(self.quiet_from()) {
            at if at <= now => Next::Probe { ttl, index },
            at => Next::At(at),
        }
    }

    /// The index of the next probe's port, where ports count up: they begin anew long after answers to the first are over.
    pub fn port_index(&self) -> u32 {
        self.probes % PORTS
    }

    pub fn began(&self) -> Began {
        self.began.clone()
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

    /// Whether the newest answer of the destination takes the flow out of the tables of NATs while answers of routers are under way:
    /// the next probe puts it there again.
    fn is_undone(&self) -> bool {
        let open = || self.open.values().filter_map(|open| open.slot.open_since());
        rounds::apply(&self.route.profile)
            && self.cycles.last().is_some_and(|cycle| cycle.last_sent < self.target_at)
            && open().any(|sent| self.target_at < rounds::quiet(sent, self.slowest))
    }

    /// Until when answers of the destination, each of which would do so, come to probes that ran past it.
    fn quiet_from(&self) -> Instant {
        let known = self.known_distance().filter(|_| rounds::apply(&self.route.profile));
        let beyond = self.open.values().filter(|open| known.is_some_and(|known| known.ttl < open.ttl));
        let sent = beyond.filter_map(|open| open.slot.open_since());
        sent.map(|sent| rounds::quiet(sent, self.slowest)).max().unwrap_or(Instant::ZERO)
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
        let in_time = |at: &Instant| now.since(*at) < config.interval && self.quiet_from() <= *at;
        let at = planned.filter(in_time).unwrap_or(now);
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
        open.slot.arrival = Some(arrival);
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
}
