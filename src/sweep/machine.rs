//! The Machine of a sweep: [`Sweep`].

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::time::Duration;
use std::vec;

use super::active::{ActiveTargets, Progress};
use super::addressed::Addressed;
use super::config::{Config, Method, Probes, Supplied};
use super::event::{Event, Totals};
use super::in_flight::{InFlight, ProbeState};
use super::template::{LaneTemplate, Template};
use crate::channel::{
    Arena, Control, Dropped, Header, Inbound, Open, Order, OsError, Outbox, Refused, Sent, Token, Transmit,
};
use crate::engine::pace::Cap;
use crate::engine::{Decided, Machine};
use crate::types::{Endpoint, Family, Instant, Now, ProbeId, Sequence, WallTime};
use crate::wire::payload::Cookie;

/// Probes ordered per turn: between two turns the answers are read, and this many always fit a receive buffer.
pub(super) const BATCH: usize = 64;
/// Lateness of a busy machine that the rate makes up for; probes missed in a longer stall are not sent as a burst.
const LATENESS: Duration = Duration::from_millis(20);
/// How long before its slot a probe leaves with those that are due, so that one wait is for all of them: as long as a shared wait
/// may be late.
const EARLINESS: Duration = Duration::from_micros(800);
/// Time between two progress events.
const PROGRESS: Duration = Duration::from_millis(250);
/// How long to wait after the interface's queue was full, how often for the same target, and how long while nothing leaves: no
/// queue is full for that long.
const PUSHED_BACK: Duration = Duration::from_millis(1);
const MOST_PUSH_BACKS: u32 = 1000;
const LONGEST_PUSHED_BACK: Duration = Duration::from_secs(1);
/// Waits that end per turn, so that their events leave before there are more.
pub(super) const MOST_CLOSED_PER_TURN: usize = 1024;
/// Bits of a probe's number on the wire that hold the slot of its target.
const SLOT_BITS: u32 = 24;

/// Probes whose targets are remembered after their wait, for late answers that do not say it.
const MOST_PAST: usize = 1 << 20;

/// The next probe of a target, which is known by the number of its first probe.
#[derive(Clone, Copy, Debug)]
struct NextProbe {
    slot: u32,
    first: u64,
    at: Instant,
}

/// A sweep.
#[derive(Debug)]
pub struct Sweep {
    pub(super) config: Config,
    pub(super) cookie: Cookie,
    pub(super) lanes: Vec<LaneTemplate>,
    pub(super) active: ActiveTargets,
    /// The probes of targets with services, by where they went.
    pub(super) addressed: Addressed,
    pub(super) in_flight: InFlight,
    /// Probes with an ICMP error and no reply so far, and until when a target that has no other waits for one.
    pub(super) errored: BTreeSet<(Instant, u64)>,
    pub(super) totals: Totals,
    /// Next probes that may leave at once, and those with a time, in order.
    at_once: VecDeque<NextProbe>,
    due: VecDeque<NextProbe>,
    pub(super) supply: SupplyState,
    pub(super) events: VecDeque<Event>,
    /// What was made of the answer that came last.
    pub(super) decided: Option<Decided>,
    cap: Option<Cap>,
    began: Option<Now>,
    /// Orders that the channel has not confirmed yet.
    pub(super) unconfirmed: usize,
    /// Connections that are opening, by the numbers of their probes, and orders that end some.
    pub(super) connections: HashSet<u64>,
    pub(super) releases: VecDeque<Order>,
    /// The slots of targets whose neighbours are asked about, and whether their targets end with the answer.
    pub(super) asked: BTreeMap<u32, bool>,
    /// Answers read since the last orders: as many as one reading gives are a sign that there are more.
    pub(super) answers_read: usize,
    pushed_back_until: Instant,
    /// Since when the queue has been full and nothing was sent.
    pushed_back_since: Option<Instant>,
    progress_at: Instant,
    /// Counts of the run that the next summary takes along.
    pub(super) foreign: u64,
    pub(super) dropped: u64,
    /// Whether the run was ended with targets left.
    pub(super) cut_short: bool,
    pub(super) finished: bool,
    /// Once the run is to end, the slots whose targets may be asked about, and until when the answers are waited for.
    pub(super) ending: Option<(vec::IntoIter<u32>, Instant)>,
    /// At the end of the run, the slots of the targets in flight and the time: they are reported one by one.
    pub(super) remaining: Option<(vec::IntoIter<u32>, Instant)>,
}

/// The state of the supply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SupplyState {
    Ready,
    Empty,
    Ended,
}

impl Sweep {
    /// A sweep that has sent nothing yet.
    pub fn new(config: Config) -> Self {
        let mut random = fastrand::Rng::with_seed(config.seed);
        let cookie = Cookie::new(std::array::from_fn(|_| random.u8(..)));
        let per_target = if config.vector { config.probes.most() as usize } else { 0 };
        Sweep {
            lanes: config.routes.iter().map(|route| LaneTemplate::new(route, &config, &cookie)).collect(),
            in_flight: InFlight::new(
                config.probes.waits(config.wait),
                if matches!(config.method, Method::Icmp) { 0 } else { MOST_PAST },
            ),
            errored: BTreeSet::new(),
            addressed: Addressed::new(&cookie),
            cookie,
            active: ActiveTargets::new(per_target, matches!(config.probes, Probes::UntilAnswered { .. })),
            totals: Totals::default(),
            at_once: VecDeque::new(),
            due: VecDeque::new(),
            supply: SupplyState::Ready,
            events: VecDeque::new(),
            decided: None,
            cap: None,
            began: None,
            unconfirmed: 0,
            connections: HashSet::new(),
            releases: VecDeque::new(),
            asked: BTreeMap::new(),
            answers_read: 0,
            pushed_back_until: Instant::ZERO,
            pushed_back_since: None,
            progress_at: Instant::ZERO,
            foreign: 0,
            dropped: 0,
            cut_short: false,
            finished: false,
            ending: None,
            remaining: None,
            config,
        }
    }

    /// The number of a probe as the wire carries it.
    pub(super) const fn on_the_wire(number: u64, slot: u32) -> ProbeId {
        ProbeId::new(number << SLOT_BITS | slot as u64)
    }

    /// A probe's number, and the slot of its target.
    pub(super) const fn off_the_wire(id: ProbeId) -> (u64, u32) {
        (id.get() >> SLOT_BITS, (id.get() & ((1 << SLOT_BITS) - 1)) as u32)
    }

    fn begin(&mut self, now: Now) {
        if self.began.is_none() {
            self.began = Some(now);
            self.progress_at = now.mono + PROGRESS;
            self.cap = self.config.rate.and_then(|rate| Cap::new(now.mono, rate)).map(|cap| cap.patient(LATENESS));
        }
    }

    /// The wall time of `at`, by the clocks at the start of the run.
    pub(super) fn wall_time(&self, at: Instant) -> WallTime {
        self.began.map_or(WallTime::default(), |began| began.wall.saturating_add(at.since(began.mono)))
    }

    pub(super) fn elapsed(&self, now: Instant) -> Duration {
        self.began.map_or(Duration::ZERO, |began| now.since(began.mono))
    }

    /// Whether a probe could be sent at once if the rate allows it.
    fn has_more(&self) -> bool {
        !self.at_once.is_empty() || (self.supply == SupplyState::Ready && !self.active.is_full())
    }

    /// When the next probe may leave, if there is one to send.
    fn next_order(&self) -> Option<Instant> {
        if self.unconfirmed > 0 || !self.has_room() {
            // The channel has no room, and says when it has.
            return None;
        }
        let due = self.due.front().map(|next| next.at);
        let at = if self.has_more() { Some(Instant::ZERO) } else { due };
        let allowed = self.cap.map_or(Instant::ZERO, |cap| cap.next()).max(self.pushed_back_until);
        at.map(|at| at.max(allowed))
    }

    /// The slot of a target to probe now.
    fn pick(&mut self, now: Instant) -> Option<u32> {
        while let Some(next) = self.at_once.pop_front().or_else(|| self.take_due(now)) {
            // Its target may have ended; and one that was pushed back is in both queues.
            let most = self.config.probes.most();
            let target = self.active.progress(next.slot, next.first);
            if target.is_some_and(|target| target.first == next.first && target.ordered < most) {
                return Some(next.slot);
            }
        }
        while self.supply == SupplyState::Ready && !self.active.is_full() {
            match (self.config.supply)(None) {
                Supplied::Later => self.supply = SupplyState::Empty,
                Supplied::End => self.supply = SupplyState::Ended,
                Supplied::Target(target) => {
                    self.totals.begun += 1;
                    match target.endpoint {
                        Some(endpoint) if self.lane(endpoint.family()).is_some() => {
                            return Some(self.active.insert(endpoint, target.name, self.in_flight.next(), now));
                        }
                        _ => self.end_unprobed(target),
                    }
                }
            }
        }
        None
    }

    fn take_due(&mut self, now: Instant) -> Option<NextProbe> {
        let due = self.due.front().is_some_and(|next| next.at <= now);
        if due { self.due.pop_front() } else { None }
    }

    pub(super) fn lane(&self, family: Family) -> Option<&LaneTemplate> {
        self.lanes.iter().find(|lane| lane.route.family() == family)
    }

    fn order(&mut self, slot: u32, now: Now, outbox: &mut Outbox) {
        let number = self.in_flight.next();
        let Some(target) = self.active.progress(slot, number) else { return };
        let Progress { endpoint, first, ordered: attempt, .. } = target;
        self.active.ordered(slot, number);
        self.in_flight.order(slot, attempt);
        if let Probes::Counted { count, interval } = self.config.probes
            && attempt + 1 < count
        {
            self.due.push_back(NextProbe { slot, first, at: now.mono + interval });
        }
        let Some(lane) = self.lanes.iter_mut().find(|lane| lane.route.family() == endpoint.family()) else { return };
        let (token, to) = (Token::new(number), Endpoint::Ip(endpoint));
        let mut header = Header::default();
        if lane.route.profile.connects() {
            outbox.push(Order::Open(Open { lane: lane.route.lane, token, to, header }));
            self.connections.insert(number);
            self.unconfirmed += 1;
            return;
        }
        let octets = match &mut lane.template {
            Template::Syn(syn, sources) => match sources.of(lane.route.lane, endpoint) {
                Ok(source) => {
                    header.from = Some(source);
                    let port = lane.route.source_port(attempt);
                    outbox.store(|out| syn.push((source, port), endpoint, number, out))
                }
                Err(error) => {
                    self.unconfirmed += 1;
                    return self.refused(now.mono, &Refused { token, error, mtu: None });
                }
            },
            Template::Echo(echo) => {
                // The field has 16 bits; the payload has the whole number.
                let sequence = Sequence::new(number as u16);
                outbox.store(|out| echo.push(sequence, Sweep::on_the_wire(number, slot), out))
            }
            Template::Datagram(datagram) => {
                let to = (endpoint.address, endpoint.port_number());
                self.addressed.add(to, number, self.in_flight.oldest());
                outbox.store(|out| datagram.push(number, now.wall, out))
            }
        };
        outbox.push(Order::Send(Transmit { lane: lane.route.lane, token, to, flow: 0, header, octets }));
        self.unconfirmed += 1;
    }

    fn sent(&mut self, sent: &Sent) {
        let number = sent.token.get();
        self.in_flight.set_sent(number, &sent.departure());
        let Some(probe) = self.in_flight.get_mut(number).filter(|probe| probe.state() == ProbeState::Ordered) else {
            return;
        };
        probe.set_state(ProbeState::Open);
        let (slot, attempt) = (probe.slot(), probe.attempt);
        self.in_flight.begin_wait(number, attempt);
        self.unconfirmed = self.unconfirmed.saturating_sub(1);
        self.totals.counts.sent += 1;
        self.pushed_back_since = None;
        self.active.sent(slot, number, sent.stamp.user.mono);
    }

    fn refused(&mut self, now: Instant, refused: &Refused) {
        let number = refused.token.get();
        let Some(probe) = self.in_flight.get_mut(number).filter(|probe| probe.state() == ProbeState::Ordered) else {
            return;
        };
        probe.set_state(ProbeState::Over);
        probe.close();
        let slot = probe.slot();
        let is_connection = self.connections.remove(&number);
        self.in_flight.trim();
        self.unconfirmed = self.unconfirmed.saturating_sub(1);
        let Some(target) = self.active.of_probe(slot, number) else { return };
        target.open -= 1;
        let Some(rare) = self.active.rare(slot) else { return };
        rare.error = Some(refused.error);
        // A full interface queue says nothing about the target, and descriptors and ports that others have none either.
        let is_passing = match refused.error {
            OsError::ENOBUFS => true,
            // This error is an earlier datagram's: the kernel reports it when the next is sent.
            OsError::ECONNREFUSED => !is_connection,
            OsError::EMFILE | OsError::ENFILE | OsError::EADDRNOTAVAIL => is_connection,
            _ => false,
        };
        if is_passing
            && rare.pushed_back < MOST_PUSH_BACKS
            && now.since(*self.pushed_back_since.get_or_insert(now)) < LONGEST_PUSHED_BACK
        {
            rare.pushed_back += 1;
            self.pushed_back_until = now + PUSHED_BACK;
            if let Some(target) = self.active.of_probe(slot, number) {
                target.ordered -= 1;
            }
            if let Some(Progress { first, .. }) = self.active.progress(slot, number) {
                self.at_once.push_back(NextProbe { slot, first, at: now });
            }
            return;
        }
        rare.send_failed += 1;
        self.totals.counts.send_failed += 1;
        self.go_on(slot, number, false, now);
    }

    /// Orders the next probe of a target after one was closed, or ends the target.
    pub(super) fn go_on(&mut self, slot: u32, number: u64, silent: bool, now: Instant) {
        let Some(target) = self.active.progress(slot, number) else { return };
        let more = match self.config.probes {
            Probes::Counted { count, .. } => target.ordered < count,
            Probes::UntilAnswered { retries, .. } if silent && target.ordered <= u32::from(retries) => {
                self.at_once.push_back(NextProbe { slot, first: target.first, at: now });
                true
            }
            Probes::UntilAnswered { .. } => false,
        };
        if !more && target.open == 0 && !self.ask_neighbour(slot, true) {
            self.end_target(slot, true, now);
        }
    }

    fn emit_progress(&mut self, requested: bool, now: Instant) {
        self.events.push_back(Event::Progress { requested, elapsed: self.elapsed(now), totals: self.totals });
    }
}

impl Machine for Sweep {
    type Event = Event;

    fn poll_orders(&mut self, now: Now, outbox: &mut Outbox) {
        self.begin(now);
        self.ask_at_end(now);
        self.releases.drain(..).for_each(|order| outbox.push(order));
        if self.ending.is_some() {
            return;
        }
        if std::mem::take(&mut self.answers_read) >= BATCH || self.finished || now.mono < self.pushed_back_until {
            return;
        }
        let allowed = now.mono + EARLINESS;
        for _ in 0..BATCH {
            if self.cap.is_some_and(|cap| cap.next() > allowed) || !self.has_room() {
                break;
            }
            let Some(slot) = self.pick(now.mono) else { break };
            self.order(slot, now, outbox);
            if let Some(cap) = &mut self.cap {
                cap.take(now.mono);
            }
        }
        self.finish_if_over(now.mono);
    }

    fn handle(&mut self, now: Now, inbound: &Inbound, octets: &Arena) {
        if self.finished {
            // Nothing counts after the end.
            return;
        }
        self.begin(now);
        match inbound {
            Inbound::Sent(sent) => self.sent(sent),
            Inbound::Refused(refused) => self.refused(now.mono, refused),
            Inbound::Datagram(datagram) => self.datagram(now, datagram, octets),
            Inbound::Icmp(notice) => self.icmp_notice(now, notice, octets),
            Inbound::Opened(opened) => self.opened(now, opened),
            Inbound::Closed(closed) => self.closed(now, closed),
            &Inbound::Neighbour { token, is_missing } => self.neighbour(token, is_missing, now.mono),
            Inbound::Dropped(Dropped { count, .. }) => {
                self.dropped += count;
                self.totals.counts.dropped_by_kernel += count;
            }
            Inbound::Control(control) => match control {
                Control::Interrupt | Control::Terminate => {
                    self.events.push_back(Event::Interrupted);
                    self.end(now);
                }
                Control::Stop => self.end(now),
                Control::Interim => self.emit_progress(true, now.mono),
                Control::Address(answer) if self.supply != SupplyState::Ended => {
                    (self.config.supply)(Some(answer));
                    self.supply = SupplyState::Ready;
                }
                Control::Supplied if self.supply == SupplyState::Empty => self.supply = SupplyState::Ready,
                Control::Supplied
                | Control::Add { .. }
                | Control::Remove { .. }
                | Control::Name(_)
                | Control::Origin(_)
                | Control::AsName(_)
                | Control::Address(_)
                | Control::Change(_) => {}
            },
            // Nothing is written to connections, and nothing here depends on clocks and interfaces.
            _ => {}
        }
        self.finish_if_over(now.mono);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let Some(began) = self.began else { return Some(Instant::ZERO) };
        if let Some((_, until)) = self.ending {
            return Some(until);
        }
        let progress = self.config.progress.then_some(self.progress_at);
        let deadline = self.config.deadline.map(|deadline| began.mono + deadline);
        let errored = self.errored.first().map(|&(at, _)| at);
        [self.next_order(), self.in_flight.deadline(), errored, progress, deadline].into_iter().flatten().min()
    }

    fn handle_timeout(&mut self, now: Now) {
        self.begin(now);
        if self.ending.is_some() {
            // The answers are not waited for any longer.
            self.end_now(now);
        }
        for _ in 0..MOST_CLOSED_PER_TURN {
            let Some(number) = self.in_flight.take_expired(now.mono) else { break };
            self.close(number, now.mono, false);
            self.in_flight.trim();
        }
        self.close_errored(now.mono);
        self.in_flight.trim();
        if self.config.deadline.is_some_and(|deadline| self.elapsed(now.mono) >= deadline) {
            self.end(now);
        }
        if self.config.progress && self.progress_at <= now.mono && !self.finished {
            self.progress_at = now.mono + PROGRESS;
            self.emit_progress(false, now.mono);
        }
        self.finish_if_over(now.mono);
    }

    fn poll_decided(&mut self) -> Option<Decided> {
        self.decided.take()
    }

    fn poll_event(&mut self) -> Option<Event> {
        if self.events.is_empty() {
            self.end_remaining();
        }
        self.events.pop_front()
    }

    fn is_finished(&self) -> bool {
        self.finished
    }
}

#[cfg(test)]
mod tests {
    use super::super::config::{Completion, SweepTarget};
    use super::super::template::tests::route;
    use super::*;
    use crate::channel::Owner;
    use crate::types::IpEndpoint;
    use crate::wire::payload::Fill;

    const TARGETS: u32 = 5000;

    /// A sweep with all targets in flight and no answer.
    fn all_in_flight(now: Now) -> Sweep {
        let mut given = 0..TARGETS;
        let target = |n: u32| SweepTarget {
            name: None,
            endpoint: Some(IpEndpoint::from_address(std::net::Ipv4Addr::from_bits(n + (10 << 24)).into())),
        };
        let mut sweep = Sweep::new(Config {
            method: Method::Icmp,
            supply: Box::new(move |_| given.next().map_or(Supplied::End, |n| Supplied::Target(target(n)))),
            routes: vec![route(7, Owner::Ours)],
            zones: Vec::new(),
            probes: Probes::UntilAnswered { retries: 0, backoff: 1.0 },
            wait: Duration::from_secs(1),
            rate: None,
            deadline: None,
            completion: Completion::AllProbes,
            conditions: Default::default(),
            needed: 1,
            vector: false,
            user_to_user: false,
            skips_silent: false,
            captured: false,
            progress: false,
            payload_octets: 56,
            fill: Fill::Counting,
            seed: 1,
        });
        let mut outbox = Outbox::default();
        while sweep.totals.counts.sent < u64::from(TARGETS) {
            sweep.poll_orders(now, &mut outbox);
            for number in sweep.totals.counts.sent + 1..sweep.in_flight.next() {
                let stamp = crate::types::Stamp { user: now, kernel: None, hardware: None };
                sweep.sent(&Sent { token: Token::new(number), stamp, scheduled: None, local: None });
            }
        }
        sweep
    }

    fn now(seconds: u64) -> Now {
        Now { mono: Instant::from_nanos(seconds * 1_000_000_000), wall: WallTime::from_nanos(1) }
    }

    #[test]
    fn targets_in_flight_at_the_end_are_reported_one_by_one() {
        let mut sweep = all_in_flight(now(1));
        sweep.handle(now(1), &Inbound::Control(Control::Terminate), &Arena::default());
        let (mut open, mut ended) = (0, false);
        assert!(sweep.is_finished() && sweep.events.len() < 2);
        while let Some(event) = sweep.poll_event() {
            match event {
                Event::Ended(summary) => open += summary.counts.lost,
                Event::Over { totals, .. } => ended = totals.ended == u64::from(TARGETS),
                _ => {}
            }
            assert!(sweep.events.len() < 2);
        }
        assert_eq!((open, ended), (u64::from(TARGETS), true));
    }

    #[test]
    fn waits_that_end_together_are_reported_over_several_turns() {
        let mut sweep = all_in_flight(now(1));
        let mut lost = 0;
        while !sweep.is_finished() {
            assert!(sweep.poll_timeout().is_some_and(|at| at <= now(2).mono));
            sweep.handle_timeout(now(2));
            assert!(sweep.events.len() <= MOST_CLOSED_PER_TURN + 1);
            while let Some(event) = sweep.poll_event() {
                lost += if let Event::Ended(summary) = event { summary.counts.lost } else { 0 };
            }
        }
        assert_eq!(lost, u64::from(TARGETS));
    }
}
