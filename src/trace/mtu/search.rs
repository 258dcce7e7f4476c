//! The search for the MTUs of one path, after its trace: [`Search`].

use std::sync::Arc;
use std::time::Duration;

use super::attempt::{Attempt, Conclusion, Controls, Pauses, Plan, Role};
use super::evidence::{Cause, Evidence, Limit, Measured};
use crate::channel::{OsError, Protocol};
use crate::engine::outcome::Outcome;
use crate::trace::config::Config;
use crate::trace::ends::StopReason;
use crate::trace::event::Interim;
use crate::trace::finding::{Finding, Narrowing};
use crate::trace::fleet::route::Route;
use crate::trace::path::hop::Arrival;
use crate::trace::path::wait;
use crate::trace::result::Trace;
use crate::types::{Instant, Mtu, ProbeId, Ttl};
use crate::wire::icmp::ErrorKind;

/// No search sends more packets or takes longer than this, whatever comes back.
pub(super) const MAX_PROBES: usize = 500;
pub(super) const MAX_DURATION: Duration = Duration::from_secs(60);
/// Refusals in a row that end it.
const REFUSED_IN_A_ROW: u32 = 10;
/// Before anything is tried again when the kernel refused a packet.
const RETRY: Duration = Duration::from_millis(10);

/// A packet that was sent.
#[derive(Clone, Copy, Debug)]
struct SentProbe {
    ttl: u8,
    octets: usize,
    role: Role,
    /// Number of the attempt it belongs to.
    attempt: usize,
    id: ProbeId,
    sent_at: Instant,
    answered: bool,
    /// It never left.
    refused: bool,
}

/// A packet to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NextProbe {
    pub ttl: u8,
    pub octets: usize,
    /// Its number in this search, from 0.
    pub index: usize,
}

/// A search under way.
#[derive(Debug)]
pub(super) struct Search {
    pub route: Route,
    trace: Trace,
    started: Instant,
    evidence: Evidence,
    attempt: Option<Attempt>,
    /// Whether some size was met with silence, so that others may be as well.
    silent: bool,
    /// The farthest hop that answers too rarely, and what is known to pass to it.
    given_up: Option<(u8, usize)>,
    /// Cause many attempts there were.
    attempts: usize,
    probes: Vec<SentProbe>,
    answered: u32,
    refused_in_a_row: u32,
    pauses: Pauses,
    /// Cause many packets were sent when answers began to seem limited: what was lost before says nothing of random loss.
    limited_from: usize,
    wait: Duration,
    ends: Instant,
}

impl Search {
    /// Whether `trace` has a hop to ask.
    pub fn is_possible(trace: &Trace) -> bool {
        let answers = trace.hops.iter().any(|hop| !hop.responders.is_empty());
        answers && trace.stop_reason != StopReason::Interrupted
    }

    /// The search after `trace`, which was `started` then, of sizes between `base`, which passes, and `limit`.
    pub fn new(
        config: &Config,
        trace: Trace,
        route: Route,
        (base, limit): (usize, usize),
        (started, now): (Instant, Instant),
    ) -> Search {
        let anchors = trace.hops.iter().filter(|hop| !hop.responders.is_empty());
        let anchors =
            anchors.map(|hop| (hop.ttl.get(), hop.responders.iter().map(|responder| responder.address).collect()));
        let slowest =
            trace.hops.iter().flat_map(|hop| hop.responses()).map(|response| response.rtt.as_duration()).max();
        Search {
            evidence: Evidence::new(route.profile.family, base, limit, anchors),
            route,
            started,
            attempt: None,
            silent: false,
            given_up: None,
            attempts: 0,
            probes: Vec::new(),
            answered: 0,
            refused_in_a_row: 0,
            pauses: Pauses::new(config.send_gap.unwrap_or_default(), config.paced),
            limited_from: 0,
            wait: config.wait.map_or_else(|| wait::of_search(slowest.unwrap_or_default()), |wait| wait.max),
            ends: now + MAX_DURATION,
            trace,
        }
    }

    /// Goes on as far as `now` allows. True once nothing is left to learn.
    pub fn advance(&mut self, now: Instant) -> bool {
        loop {
            if now >= self.ends || self.probes.len() >= MAX_PROBES || self.refused_in_a_row >= REFUSED_IN_A_ROW {
                return true;
            }
            let Some(attempt) = &mut self.attempt else {
                let Some(next) = self.evidence.next() else { return true };
                self.begin_attempt(next);
                continue;
            };
            if self.evidence.decides(attempt.ttl, attempt.size) {
                self.attempt = None;
                continue;
            }
            let number = self.attempts;
            let waits =
                |probe: &SentProbe| probe.attempt == number && !probe.answered && probe.sent_at + self.wait > now;
            if attempt.next().is_some() || self.probes.iter().any(waits) {
                return false;
            }
            let (ttl, size) = (attempt.ttl, attempt.size);
            let (last, known) = (self.last_sent_at(ttl), self.known(ttl));
            let Some(attempt) = &mut self.attempt else { continue };
            if known.answered < known.sent {
                self.evidence.note_loss();
            }
            let limited = self.pauses.is_limited();
            let conclusion = attempt.judge(now, last, known, &mut self.pauses);
            if self.pauses.is_limited() != limited {
                self.limited_from = self.probes.len();
            }
            match conclusion {
                Conclusion::Again => {}
                Conclusion::Silent => {
                    self.evidence.fail(ttl, size, Cause::Silent);
                    self.silent = true;
                    self.attempt = None;
                }
                Conclusion::Unclear => {
                    self.given_up = self.given_up.max(self.evidence.passed(ttl).map(|passed| (ttl, passed)));
                    self.evidence.give_up(ttl);
                    self.attempt = None;
                }
            }
        }
    }

    fn begin_attempt(&mut self, (ttl, size): (u8, usize)) {
        let plan = match (self.evidence.is_silent(ttl, size), self.silent) {
            (true, _) => Plan::Thorough,
            (false, true) => Plan::Pair,
            (false, false) => Plan::Alone,
        };
        let control = self.evidence.passed(ttl).unwrap_or_default();
        let at = self.pauses.after(self.last_sent_at(ttl));
        self.attempt = Some(Attempt::new((ttl, size), control, plan, at, &self.pauses));
        self.attempts += 1;
    }

    /// Counts the packets to `ttl` whose size is known to pass, which shows how much is lost at random. A smaller packet after one
    /// that was answered is left out, because that may have used up what a limit allows.
    fn known(&self, ttl: u8) -> Controls {
        let passed = self.evidence.passed(ttl).unwrap_or_default();
        let of_trace = self.trace.hops.iter().find(|hop| hop.ttl.get() == ttl && !self.pauses.is_limited());
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let mut known = of_trace.map_or_else(Controls::default, |hop| Controls {
            sent: count(hop.probes.len()),
            answered: count(hop.responses().count()),
        });
        let mut before_answered = false;
        for probe in self.probes.iter().skip(self.limited_from).filter(|probe| probe.ttl == ttl && !probe.refused) {
            if probe.octets <= passed && !(probe.role == Role::Control && before_answered) {
                known.sent += 1;
                known.answered += u32::from(probe.answered);
            }
            before_answered = probe.role == Role::Test && probe.answered;
        }
        known
    }

    /// When the last packet left whose answer a hop's limit may be about; with `-z` the last of all.
    fn last_sent_at(&self, ttl: u8) -> Instant {
        let own = |probe: &&SentProbe| probe.ttl == ttl || !self.pauses.is_limited();
        self.probes.iter().rev().find(own).map_or(Instant::ZERO, |probe| probe.sent_at)
    }

    /// When `advance` or `next` has something to do at the latest, beside what is due now.
    pub fn wake(&self, now: Instant) -> Option<Instant> {
        let due = self.attempt.as_ref().and_then(Attempt::next).map(|(at, _)| at).filter(|&at| at > now);
        let given_up = self.probes.iter().filter(|probe| probe.attempt == self.attempts && !probe.answered);
        let given_up = given_up.map(|probe| probe.sent_at + self.wait).filter(|&at| at > now).min();
        [due, given_up, Some(self.ends)].into_iter().flatten().min()
    }

    /// The packet to send now.
    pub fn next(&self, now: Instant) -> Option<NextProbe> {
        let attempt = self.attempt.as_ref().filter(|_| self.probes.len() < MAX_PROBES)?;
        let (_, role) = attempt.next().filter(|&(at, _)| at <= now)?;
        Some(NextProbe { ttl: attempt.ttl, octets: attempt.octets(role), index: self.probes.len() })
    }

    /// It is ordered as `probe`.
    pub fn ordered(&mut self, probe: ProbeId, now: Instant) {
        let Some(attempt) = &mut self.attempt else { return };
        let Some((_, role)) = attempt.next() else { return };
        attempt.sent();
        self.probes.push(SentProbe {
            ttl: attempt.ttl,
            octets: attempt.octets(role),
            role,
            attempt: self.attempts,
            id: probe,
            sent_at: now,
            answered: false,
            refused: false,
        });
    }

    /// The kernel refused packet number `index`; with EMSGSIZE our own link takes no such packet, and maybe one of `mtu`.
    pub fn refused(&mut self, index: usize, (error, mtu): (OsError, Option<Mtu>), now: Instant) {
        let Some(probe) = self.probes.get_mut(index) else { return };
        (probe.answered, probe.refused) = (true, true);
        let SentProbe { ttl, octets, role, attempt, .. } = *probe;
        if error == OsError::EMSGSIZE {
            self.evidence.fail(ttl, octets, Cause::Local);
            self.evidence.hint(octets, mtu.map(|mtu| mtu.get() as usize));
            return;
        }
        self.refused_in_a_row += 1;
        if let Some(current) = self.attempt.as_mut().filter(|_| attempt == self.attempts) {
            current.postpone(role, now + RETRY);
        }
    }

    /// Takes an answer to packet number `index`. True if it counts.
    pub fn answer(&mut self, index: usize, arrival: &Arrival) -> bool {
        let Some(&probe) = self.probes.get(index).filter(|probe| !probe.refused) else { return false };
        let Some(meaning) = self.meaning(&probe, arrival) else { return false };
        self.refused_in_a_row = 0;
        match meaning {
            SizeResult::Passed => self.evidence.pass(probe.ttl, probe.octets),
            // Who has answered a packet already, refuses it in vain.
            SizeResult::Refused(_) if probe.answered => return false,
            SizeResult::Refused(how) => self.evidence.fail(probe.ttl, probe.octets, how),
        }
        if probe.answered {
            return true;
        }
        self.answered += 1;
        if let Some(probe) = self.probes.get_mut(index) {
            probe.answered = true;
        }
        let of_this_attempt =
            probe.role == Role::Control && probe.attempt == self.attempts && meaning == SizeResult::Passed;
        if let Some(attempt) = self.attempt.as_mut().filter(|_| of_this_attempt) {
            attempt.control_answered();
        }
        true
    }

    /// `None` for what says nothing about the packet's size.
    fn meaning(&self, probe: &SentProbe, arrival: &Arrival) -> Option<SizeResult> {
        match arrival.kind {
            None | Some(ErrorKind::TimeExceeded) => Some(SizeResult::Passed),
            Some(ErrorKind::TooBig) => {
                Some(SizeResult::Refused(Cause::Reported { by: arrival.responder, stated: stated_mtu(arrival) }))
            }
            Some(ErrorKind::ReassemblyTimeExceeded | ErrorKind::Unknown) => None,
            Some(kind) if kind.is_advice() => None,
            // It came as far as the router that answered so before; an answer from nearer has another cause.
            Some(_) => self.evidence.answers_at(probe.ttl, arrival.responder).then_some(SizeResult::Passed),
        }
    }

    /// The packet that an answer of the destination is to which names none: the only one in flight to there, because nothing
    /// distinguishes several.
    pub fn only_open(&self, now: Instant) -> Option<ProbeId> {
        let arrives = |probe: &&SentProbe| self.evidence.answers_at(probe.ttl, self.route.target.address);
        let in_flight = |probe: &&SentProbe| !probe.answered && probe.sent_at + self.wait > now;
        let mut open = self.probes.iter().filter(in_flight).filter(arrives);
        open.next().filter(|_| open.next().is_none()).map(|probe| probe.id)
    }

    /// The probes that are not answered and given up by `now`.
    pub fn given_up(&self, now: Instant) -> impl Iterator<Item = ProbeId> {
        let given_up = move |probe: &&SentProbe| !probe.answered && probe.sent_at + self.wait <= now;
        self.probes.iter().filter(given_up).map(|probe| probe.id)
    }

    /// Cause far trace and search have come.
    pub fn interim(&self) -> Interim {
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let probes = self.trace.hops.iter().map(|hop| hop.probes.len()).sum::<usize>() + self.probes.len();
        let answers = self.trace.hops.iter().flat_map(|hop| hop.responses()).count();
        Interim {
            subject: Arc::clone(&self.trace.began.subject),
            sent: count(probes),
            answered: count(answers).saturating_add(self.answered),
            highest_ttl: self.evidence.ttls().next_back().map(Ttl::new),
            final_hops: self.trace.hops.len(),
        }
    }

    /// The trace with what the search found.
    pub fn finish(self, now: Instant) -> Trace {
        let Search { mut trace, evidence, route, started, given_up, .. } = self;
        let measured = |ttl: u8| evidence.measured(ttl);
        let mtu = |octets: usize| u32::try_from(octets).ok().and_then(Mtu::new);
        for hop in &mut trace.hops {
            let ttl = hop.ttl.get();
            let before = evidence.ttls().take_while(|&near| near <= ttl).last();
            let beyond = evidence.ttls().find(|&far| far >= ttl);
            let size = |anchor: Option<u8>| anchor.and_then(measured).filter(is_tried).map(|measured| measured.size);
            // What is the same on both sides of a silent hop, or what our own link sets, holds for it, too.
            let own = |far: &Measured| matches!(far.end, Limit::Largest | Limit::Failed(Cause::Local));
            let own = beyond.and_then(measured).filter(own);
            let same = size(before).filter(|_| size(before) == size(beyond));
            Arc::make_mut(hop).mtu = same.or(own.map(|own| own.size)).and_then(mtu);
        }
        let last = trace.hops.last().filter(|_| trace.reached).map(|hop| (hop.ttl, hop.mtu));
        trace.path_mtu = last.and_then(|(_, mtu)| mtu);
        let passed = last.filter(|(_, mtu)| mtu.is_none()).and_then(|(ttl, _)| evidence.passed(ttl.get()));
        trace.path_mtu_at_least = passed.and_then(mtu);
        let icmp = route.profile.protocol == Protocol::Icmp;
        let mut found = drops(&evidence, last.filter(|_| icmp).map(|(ttl, _)| ttl));
        match last {
            Some((ttl, Some(mtu))) => found.push(Finding::PathMtu { ttl, mtu }),
            _ => found.extend(unclear(&evidence, given_up)),
        }
        trace.findings.extend(found);
        trace.findings.sort_by_key(|finding| (finding.ttl().is_none(), finding.ttl()));
        trace.duration = u64::try_from(now.since(started).as_nanos()).unwrap_or(u64::MAX);
        trace
    }
}

/// Where the MTU drops. `echoing` is the hop whose answers are as large as what they answer.
fn drops(evidence: &Evidence, echoing: Option<Ttl>) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut before: Option<(Ttl, Measured)> = None;
    for ttl in evidence.ttls() {
        let Some(measured) = evidence.measured(ttl) else { break };
        let ttl = Ttl::new(ttl);
        let narrower = before.is_none_or(|(_, before)| measured.size < before.size);
        let octets = |size: usize| u32::try_from(size).ok().and_then(Mtu::new);
        if let (Some(mtu), Limit::Failed(cause), true) = (octets(measured.size), measured.end, narrower) {
            let from = before.map(|(_, before)| before).filter(is_tried).and_then(|before| octets(before.size));
            let at = Narrowing { ttl, after: before.map(|(ttl, _)| ttl), from, mtu };
            match cause {
                Cause::Local => {}
                Cause::Reported { by, stated } => found.push(Finding::MtuDrop { at, by, stated }),
                Cause::Silent => found.push(Finding::MtuBlackHole { at, echoed: echoing == Some(ttl) }),
            }
        }
        before = Some((ttl, measured));
    }
    found
}

/// Whether something larger was tried, or there is nothing larger.
fn is_tried(measured: &Measured) -> bool {
    measured.end != Limit::Untried
}

/// The farthest hop to which it is not known how large packets may be, and what is known to pass.
fn unclear(evidence: &Evidence, given_up: Option<(u8, usize)>) -> Option<Finding> {
    let last = evidence.ttls().next_back().filter(|&ttl| evidence.measured(ttl).is_none());
    let unmeasured = last.and_then(|ttl| Some((ttl, evidence.passed(ttl)?)));
    let (ttl, passed) = unmeasured.max(given_up)?;
    Some(Finding::MtuUnclear { ttl: Ttl::new(ttl), passed: u32::try_from(passed).ok().and_then(Mtu::new)? })
}

/// What an answer says about a packet's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SizeResult {
    Passed,
    Refused(Cause),
}

fn stated_mtu(arrival: &Arrival) -> Option<Mtu> {
    if let Outcome::Error(error) = &arrival.outcome { error.mtu } else { None }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use proptest::prelude::*;

    use super::*;
    use crate::channel::LaneId;
    use crate::trace::hop::Hop;
    use crate::trace::testing::{self, TARGET, at, began, config, ms, raw, router};
    use crate::types::{IpEndpoint, Stamp};

    const HOPS: u8 = 4;

    /// What comes back for a packet, whatever it was.
    #[derive(Clone, Copy, Debug)]
    enum Back {
        Nothing,
        Reply,
        Expired,
        TooBig(u8, u32),
        Unreachable(u8),
        /// The kernel refuses it: EMSGSIZE with an MTU, or ENOBUFS.
        TooLong(u32),
        NoRoom,
    }

    fn back() -> impl Strategy<Value = Back> {
        let mtu = || prop_oneof![0..70u32, 1200..1600u32, any::<u32>()];
        prop_oneof![
            Just(Back::Nothing),
            Just(Back::Reply),
            Just(Back::Expired),
            (any::<u8>(), mtu()).prop_map(|(by, mtu)| Back::TooBig(by, mtu)),
            any::<u8>().prop_map(Back::Unreachable),
            mtu().prop_map(Back::TooLong),
            Just(Back::NoRoom),
        ]
    }

    fn arrival(responder: IpAddr, kind: Option<ErrorKind>, mtu: u32) -> Arrival {
        let mut arrival = testing::arrival(responder, kind, Stamp::user(at(ms(0))));
        if let Outcome::Error(error) = &mut arrival.outcome {
            error.mtu = Mtu::new(mtu);
        }
        arrival
    }

    fn hop(ttl: u8) -> Hop {
        let (responder, kind) = if ttl == HOPS { (TARGET, None) } else { (router(ttl), Some(ErrorKind::TimeExceeded)) };
        testing::hop(ttl, responder, kind, &[ms(10)])
    }

    fn search() -> Search {
        let trace = Trace {
            began: began(),
            reached: true,
            stop_reason: StopReason::Destination,
            hops: (1..=HOPS).map(hop).map(Arc::new).collect(),
            findings: Vec::new(),
            path_mtu: None,
            path_mtu_at_least: None,
            conditions: Vec::new(),
            duration: 0,
        };
        let route = Route {
            target: IpEndpoint::from_address(TARGET),
            lane: LaneId::new(0),
            profile: raw(true),
            source: None,
            checksum: 1,
            flow_label: None,
            source_flow: 0,
        };
        let now = at(ms(1000)).mono;
        Search::new(&config(raw(true)), trace, route, (60, 65_535), (now, now))
    }

    /// Plays `backs`, over and over, to the end; gives the packets that were sent, the time it took, and what was found.
    fn play(backs: &[Back], delay: Duration) -> (usize, Duration, Trace) {
        let mut search = search();
        let started = at(ms(1000)).mono;
        let mut now = started;
        let mut coming: Vec<(Instant, usize, Back)> = Vec::new();
        let mut probes = 0;
        for turn in 0..20_000 {
            while let Some(due) = coming.iter().position(|(at, ..)| *at <= now) {
                let (_, index, back) = coming.remove(due);
                let (responder, kind, mtu) = match back {
                    Back::Nothing => continue,
                    Back::TooLong(mtu) => {
                        search.refused(index, (OsError::EMSGSIZE, Mtu::new(mtu)), now);
                        continue;
                    }
                    Back::NoRoom => {
                        search.refused(index, (OsError::ENOBUFS, None), now);
                        continue;
                    }
                    Back::Reply => (TARGET, None, 0),
                    Back::Expired => (router(2), Some(ErrorKind::TimeExceeded), 0),
                    Back::TooBig(by, mtu) => (router(by), Some(ErrorKind::TooBig), mtu),
                    Back::Unreachable(by) => (router(by), Some(ErrorKind::HostUnreachable), 0),
                };
                search.answer(index, &arrival(responder, kind, mtu));
            }
            if search.advance(now) {
                return (probes, now.since(started), search.finish(now));
            }
            while let Some(order) = search.next(now) {
                let back = backs[probes % backs.len()];
                probes += 1;
                search.ordered(ProbeId::new(probes as u64), now);
                let refused = matches!(back, Back::TooLong(_) | Back::NoRoom);
                coming.push((if refused { now } else { now + delay }, order.index, back));
            }
            let next = coming.iter().map(|(at, ..)| *at).chain(search.wake(now)).min();
            let next = next.expect("it waits for something");
            assert!(next > now || coming.iter().any(|(at, ..)| *at <= now), "it spins in turn {turn}: {search:?}");
            now = next.max(now);
        }
        panic!("it does not end: {search:?}");
    }

    #[test]
    fn silence_from_everybody_ends_it_without_a_statement() {
        let (probes, lasted, trace) = play(&[Back::Nothing], ms(1));
        assert!(probes < 100 && lasted < MAX_DURATION, "{probes} {lasted:?}");
        assert_eq!(trace.path_mtu, None);
        assert!(trace.hops.iter().all(|hop| hop.mtu.is_none()));
        assert!(matches!(trace.findings[..], [Finding::MtuUnclear { passed, .. }] if passed.get() == 60));
    }

    #[test]
    fn a_kernel_that_sends_nothing_ends_it() {
        let (probes, lasted, _) = play(&[Back::NoRoom], ms(1));
        assert!(probes <= 10 && lasted < ms(1000), "{probes} {lasted:?}");
    }

    #[test]
    fn an_unreachable_counts_from_who_answered_before_alone() {
        let mut search = search();
        let probe = SentProbe {
            ttl: HOPS,
            octets: 1500,
            role: Role::Test,
            attempt: 0,
            id: ProbeId::new(1),
            sent_at: Instant::ZERO,
            answered: false,
            refused: false,
        };
        search.probes.push(probe);
        assert!(!search.answer(0, &arrival(router(2), Some(ErrorKind::HostUnreachable), 0)));
        assert!(search.answer(0, &arrival(TARGET, Some(ErrorKind::PortUnreachable), 0)));
        assert_eq!(search.evidence.passed(HOPS), Some(1500));
    }

    proptest! {
        #[test]
        fn whatever_comes_back_it_ends_in_bounds_and_no_hop_has_more_than_a_nearer_one(
            backs in proptest::collection::vec(back(), 1..40),
            delay in 0..400u64,
        ) {
            let (probes, lasted, trace) = play(&backs, ms(delay));
            prop_assert!(probes <= MAX_PROBES, "{probes}");
            prop_assert!(lasted <= MAX_DURATION, "{lasted:?}");
            let mtus: Vec<Mtu> = trace.hops.iter().filter_map(|hop| hop.mtu).collect();
            prop_assert!(mtus.is_sorted_by(|near, far| near >= far), "{mtus:?}");
        }
    }
}
