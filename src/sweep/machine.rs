//! The Machine of a sweep: [`Sweep`].

use std::collections::VecDeque;
use std::time::Duration;
use std::vec;

use super::config::{Config, Probes, Route, Supplied};
use super::event::{Event, Totals};
use super::flight::{Fate, Flight, Probe};
use super::live::{Extra, Lives};
use super::template::Template;
use crate::channel::{
    Arena, Control, Dropped, Header, Inbound, Order, OsError, Outbox, Refused, Sent, Token, Transmit,
};
use crate::engine::pace::Cap;
use crate::engine::{Machine, delay};
use crate::types::{Endpoint, Family, Instant, Now, ProbeId, Sequence, StampSource};
use crate::wire::payload::Cookie;

/// Probes ordered in one turn: between two turns the answers are read, and so many always find room in a receive buffer.
const BATCH: usize = 64;
/// Lateness of a busy machine that the rate makes up for; what is missed in a longer stall is not sent as a burst.
const LATENESS: Duration = Duration::from_millis(20);
/// How often progress is told.
const PROGRESS: Duration = Duration::from_millis(250);
/// How long the interface's queue is left alone that had no room, and how often for the same target.
const PUSHED_BACK: Duration = Duration::from_millis(1);
const PUSHED_BACK_AT_MOST: u32 = 1000;
/// Waits that end in one turn, so that what is told of them leaves before more is told.
const CLOSED_AT_ONCE: usize = 1024;
/// Bits of a probe's number on the wire that hold the place of its target.
const SLOT_BITS: u32 = 24;

/// What one family's probes are made from.
#[derive(Debug)]
pub(super) struct Way {
    pub route: Route,
    pub template: Template,
}

/// A target that is to be probed again, with the number of its first probe to know it by.
#[derive(Clone, Copy, Debug)]
struct Again {
    slot: u32,
    first: u64,
    at: Instant,
}

/// A sweep.
#[derive(Debug)]
pub struct Sweep {
    pub(super) config: Config,
    pub(super) cookie: Cookie,
    pub(super) ways: Vec<Way>,
    pub(super) lives: Lives,
    pub(super) flight: Flight,
    pub(super) totals: Totals,
    /// Those of their targets whose next probe is due as soon as there is room, and those whose next has its time.
    again: VecDeque<Again>,
    due: VecDeque<Again>,
    supply: Stock,
    pub(super) events: VecDeque<Event>,
    cap: Option<Cap>,
    began: Option<Instant>,
    /// Orders of which nothing was heard yet.
    unheard: usize,
    /// Datagrams that came since the last orders: as many as one reading gives are a sign that there are more.
    pub(super) heard: usize,
    pushed_back_until: Instant,
    progress_at: Instant,
    /// What the last target told did not carry away yet.
    pub(super) foreign: u64,
    pub(super) dropped: u64,
    /// Whether the run was ended with targets left.
    cut_short: bool,
    finished: bool,
    /// The places of those who were under way then, and when that was: they are told one by one.
    left: Option<(vec::IntoIter<u32>, Instant)>,
}

/// What is known of the supply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stock {
    MayHave,
    Dry,
    Ended,
}

impl Sweep {
    /// A sweep that has sent nothing yet.
    pub fn new(config: Config) -> Self {
        let mut random = fastrand::Rng::with_seed(config.seed);
        let cookie = Cookie::new(std::array::from_fn(|_| random.u8(..)));
        let way = |route: &Route| Way {
            route: *route,
            template: Template::new(route, &cookie, &config.fill, config.payload_octets),
        };
        let per_target = if config.vector { config.probes.most() as usize } else { 0 };
        Sweep {
            ways: config.routes.iter().map(way).collect(),
            flight: Flight::new(config.probes.waits(config.wait)),
            cookie,
            lives: Lives::new(per_target),
            totals: Totals::default(),
            again: VecDeque::new(),
            due: VecDeque::new(),
            supply: Stock::MayHave,
            events: VecDeque::new(),
            cap: None,
            began: None,
            unheard: 0,
            heard: 0,
            pushed_back_until: Instant::ZERO,
            progress_at: Instant::ZERO,
            foreign: 0,
            dropped: 0,
            cut_short: false,
            finished: false,
            left: None,
            config,
        }
    }

    /// The number of a probe as the wire carries it.
    pub(super) const fn on_the_wire(number: u64, slot: u32) -> ProbeId {
        ProbeId::new(number << SLOT_BITS | slot as u64)
    }

    /// A probe's number, and the place of its target.
    pub(super) const fn off_the_wire(id: ProbeId) -> (u64, u32) {
        (id.get() >> SLOT_BITS, (id.get() & ((1 << SLOT_BITS) - 1)) as u32)
    }

    fn begin(&mut self, now: Now) {
        if self.began.is_none() {
            self.began = Some(now.mono);
            self.progress_at = now.mono + PROGRESS;
            self.cap = self.config.rate.and_then(|rate| Cap::new(now.mono, rate)).map(|cap| cap.patient(LATENESS));
        }
    }

    fn elapsed(&self, now: Instant) -> Duration {
        self.began.map_or(Duration::ZERO, |began| now.since(began))
    }

    /// Whether something could be sent at once, but for rate and interval.
    fn has_more(&self) -> bool {
        !self.again.is_empty() || (self.supply == Stock::MayHave && !self.lives.is_full())
    }

    /// When the next probe may leave, if there is one to send.
    fn next_order(&self) -> Option<Instant> {
        if self.unheard > 0 {
            // The channel has no room, and says when it has.
            return None;
        }
        let due = self.due.front().map(|again| again.at);
        let at = if self.has_more() { Some(Instant::ZERO) } else { due };
        let allowed = self.cap.map_or(Instant::ZERO, |cap| cap.next()).max(self.pushed_back_until);
        at.map(|at| at.max(allowed))
    }

    /// The place of a target that is to be probed now.
    fn pick(&mut self, now: Instant) -> Option<u32> {
        while let Some(again) = self.again.pop_front().or_else(|| self.take_due(now)) {
            // It may have been told meanwhile; and one that was pushed back has its next time twice.
            let most = self.config.probes.most();
            let live = self.lives.of_probe(again.slot, again.first);
            if live.is_some_and(|live| live.first == again.first && live.ordered < most) {
                return Some(again.slot);
            }
        }
        while self.supply == Stock::MayHave && !self.lives.is_full() {
            match (self.config.supply)() {
                Supplied::Later => self.supply = Stock::Dry,
                Supplied::End => self.supply = Stock::Ended,
                Supplied::SweepTarget(goal) => {
                    self.totals.begun += 1;
                    match goal.endpoint {
                        Some(endpoint) if self.way(endpoint.family()).is_some() => {
                            return Some(self.lives.insert(endpoint, goal.name, self.flight.next(), now));
                        }
                        _ => self.tell_not_run(goal),
                    }
                }
            }
        }
        None
    }

    fn take_due(&mut self, now: Instant) -> Option<Again> {
        let due = self.due.front().is_some_and(|again| again.at <= now);
        if due { self.due.pop_front() } else { None }
    }

    pub(super) fn way(&self, family: Family) -> Option<&Way> {
        self.ways.iter().find(|way| way.route.family() == family)
    }

    fn order(&mut self, slot: u32, now: Instant, outbox: &mut Outbox) {
        let number = self.flight.next();
        let Some(live) = self.lives.of_probe(slot, number) else { return };
        let (attempt, endpoint) = (live.ordered, live.endpoint);
        live.ordered += 1;
        live.open += 1;
        let first = live.first;
        self.flight.order(slot, attempt);
        if let Probes::Counted { count, interval } = self.config.probes
            && attempt + 1 < count
        {
            self.due.push_back(Again { slot, first, at: now + interval });
        }
        let Some(way) = self.ways.iter().find(|way| way.route.family() == endpoint.family()) else { return };
        // The field's 16 bits: which probe is meant, the payload tells.
        let sequence = Sequence::new(number as u16);
        let octets = outbox.store(|out| way.template.push(sequence, Sweep::on_the_wire(number, slot), out));
        let (lane, token, to) = (way.route.lane, Token::new(number), Endpoint::Ip(endpoint));
        outbox.push(Order::Send(Transmit { lane, token, to, flow: 0, header: Header::default(), octets }));
        self.unheard += 1;
    }

    fn sent(&mut self, sent: &Sent) {
        let number = sent.token.get();
        let Some(probe) = self.flight.get_mut(number) else { return };
        probe.left(&sent.departure());
        if probe.fate != Fate::Ordered {
            return;
        }
        probe.fate = Fate::Open;
        let (slot, attempt) = (probe.slot, probe.attempt);
        self.flight.begin_wait(number, attempt);
        self.unheard = self.unheard.saturating_sub(1);
        self.totals.counts.sent += 1;
        if let Some(live) = self.lives.of_probe(slot, number) {
            live.sent += 1;
            if live.first == number {
                live.began = sent.stamp.user.mono;
            }
        }
    }

    fn refused(&mut self, now: Now, refused: &Refused) {
        let number = refused.token.get();
        let Some(probe) = self.flight.get_mut(number).filter(|probe| probe.fate == Fate::Ordered) else { return };
        probe.fate = Fate::Over;
        probe.closed = true;
        let slot = probe.slot;
        self.flight.trim();
        self.unheard = self.unheard.saturating_sub(1);
        let Some(live) = self.lives.of_probe(slot, number) else { return };
        live.open -= 1;
        let first = live.first;
        let Some(extra) = self.lives.extra(slot) else { return };
        extra.error = Some(refused.error);
        if refused.error == OsError::ENOBUFS && extra.pushed_back < PUSHED_BACK_AT_MOST {
            // No room in the interface's queue says nothing about the target.
            extra.pushed_back += 1;
            self.pushed_back_until = now.mono + PUSHED_BACK;
            if let Some(live) = self.lives.of_probe(slot, number) {
                live.ordered -= 1;
            }
            self.again.push_back(Again { slot, first, at: now.mono });
            return;
        }
        extra.send_failed += 1;
        self.totals.counts.send_failed += 1;
        self.go_on(slot, number, false, now.mono);
    }

    /// The wait of a probe is over, or is not waited for any more.
    fn close(&mut self, number: u64, now: Instant, ended: bool) {
        let Some(probe) = self.flight.get_mut(number).filter(|probe| !probe.closed) else { return };
        probe.closed = true;
        let (slot, fate) = (probe.slot, probe.fate);
        if fate == Fate::Open {
            probe.fate = Fate::Over;
        }
        let probe = *probe;
        let Some(live) = self.lives.of_probe(slot, number) else { return };
        live.open = live.open.saturating_sub(1);
        let lost = fate == Fate::Open && !ended;
        live.run = if lost { live.run + 1 } else { 0 };
        live.longest_run = live.longest_run.max(live.run);
        match fate {
            Fate::Open if ended => {
                self.totals.counts.pending += 1;
                live.pending += 1;
            }
            Fate::Open => {
                live.lost += 1;
                self.totals.counts.lost += 1;
            }
            Fate::Replied => self.measure(slot, number, &probe),
            Fate::Unreachable | Fate::Ordered | Fate::Over => {}
        }
        if !ended {
            self.go_on(slot, number, lost, now);
        }
    }

    /// Enters the delay of a probe in its target's statistics.
    pub(super) fn measure(&mut self, slot: u32, number: u64, probe: &Probe) {
        let (sent, arrived) = (probe.sent(), probe.arrived());
        let (rtt, source) = match sent.kernel {
            None if !self.config.user_to_user => delay::until_arrival(&sent, &arrived),
            _ => delay::between(&sent, &arrived),
        };
        let Some(live) = self.lives.of_probe(slot, number) else { return };
        let by_kernel = source != StampSource::User;
        let other = live.rtt.count() > 0 && (live.kernel > 0) != by_kernel;
        live.kernel += u32::from(by_kernel);
        if other {
            self.extra(slot, |extra| extra.other_rtt.record(rtt));
        } else {
            live.rtt.record(rtt);
        }
        if let Some(cell) = self.lives.row(slot).get_mut(probe.attempt as usize) {
            *cell = rtt.as_nanos();
        }
    }

    /// A probe of this target is closed: another follows, or the target is over.
    pub(super) fn go_on(&mut self, slot: u32, number: u64, silent: bool, now: Instant) {
        let Some(live) = self.lives.of_probe(slot, number) else { return };
        let more = match self.config.probes {
            Probes::Counted { count, .. } => live.ordered < count,
            Probes::UntilAnswered { retries, .. } if silent && live.ordered <= u32::from(retries) => {
                self.again.push_back(Again { slot, first: live.first, at: now });
                true
            }
            Probes::UntilAnswered { .. } => false,
        };
        if !more && live.open == 0 {
            self.tell(slot, true, now);
        }
    }

    pub(super) fn extra(&mut self, slot: u32, change: impl FnOnce(&mut Extra)) {
        if let Some(extra) = self.lives.extra(slot) {
            change(extra);
        }
    }

    /// Ends everything that is under way.
    fn end(&mut self, now: Now) {
        if self.finished {
            return;
        }
        // Only who gives nothing more has given all.
        self.cut_short = match self.supply {
            Stock::Ended => false,
            Stock::Dry => true,
            Stock::MayHave => (self.config.supply)() != Supplied::End,
        };
        self.supply = Stock::Ended;
        (self.flight.oldest()..self.flight.next()).for_each(|number| self.close(number, now.mono, true));
        self.left = Some((self.lives.slots().into_iter(), now.mono));
        self.finished = true;
    }

    /// Tells the next of those who were under way at the end, and behind the last the end.
    fn tell_left(&mut self) {
        let Some((slots, at)) = &mut self.left else { return };
        let at = *at;
        match slots.next() {
            Some(slot) => self.tell(slot, false, at),
            None => {
                self.left = None;
                self.tell_end(at);
            }
        }
    }

    fn finish(&mut self, now: Instant) {
        if !self.finished {
            self.finished = true;
            self.tell_end(now);
        }
    }

    fn tell_end(&mut self, now: Instant) {
        let (elapsed, totals, cut_short) = (self.elapsed(now), self.totals, self.cut_short);
        self.events.push_back(Event::End { elapsed, totals, cut_short });
    }

    fn finish_if_over(&mut self, now: Instant) {
        if self.supply == Stock::Ended && self.lives.is_empty() && self.unheard == 0 {
            self.finish(now);
        }
    }

    fn tell_progress(&mut self, asked: bool, now: Instant) {
        self.events.push_back(Event::Progress { asked, elapsed: self.elapsed(now), totals: self.totals });
    }
}

impl Machine for Sweep {
    type Event = Event;

    fn poll_orders(&mut self, now: Now, outbox: &mut Outbox) {
        self.begin(now);
        if std::mem::take(&mut self.heard) >= BATCH || self.finished || now.mono < self.pushed_back_until {
            return;
        }
        for _ in 0..BATCH {
            if self.cap.is_some_and(|cap| cap.next() > now.mono) {
                break;
            }
            let Some(slot) = self.pick(now.mono) else { break };
            self.order(slot, now.mono, outbox);
            if let Some(cap) = &mut self.cap {
                cap.take(now.mono);
            }
        }
        self.finish_if_over(now.mono);
    }

    fn handle(&mut self, now: Now, inbound: &Inbound, octets: &Arena) {
        if self.finished {
            // What is known at the end is what is told.
            return;
        }
        self.begin(now);
        match inbound {
            Inbound::Sent(sent) => self.sent(sent),
            Inbound::Refused(refused) => self.refused(now, refused),
            Inbound::Datagram(datagram) => self.datagram(now, datagram, octets),
            Inbound::Icmp(report) => self.report(now, report, octets),
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
                Control::Interim => self.tell_progress(true, now.mono),
                Control::Supplied if self.supply == Stock::Dry => self.supply = Stock::MayHave,
                Control::Supplied
                | Control::Add { .. }
                | Control::Remove { .. }
                | Control::Name(_)
                | Control::Origin(_) => {}
            },
            Inbound::Opened(_)
            | Inbound::Accepted(_)
            | Inbound::Data(_)
            | Inbound::Drained { .. }
            | Inbound::Closed(_)
            | Inbound::Clock(_) => {}
        }
        self.finish_if_over(now.mono);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let Some(began) = self.began else { return Some(Instant::ZERO) };
        let progress = self.config.progress.then_some(self.progress_at);
        let deadline = self.config.deadline.map(|deadline| began + deadline);
        [self.next_order(), self.flight.deadline(), progress, deadline].into_iter().flatten().min()
    }

    fn handle_timeout(&mut self, now: Now) {
        self.begin(now);
        for _ in 0..CLOSED_AT_ONCE {
            let Some(number) = self.flight.take_over(now.mono) else { break };
            self.close(number, now.mono, false);
        }
        self.flight.trim();
        if self.config.deadline.is_some_and(|deadline| self.elapsed(now.mono) >= deadline) {
            self.end(now);
        }
        if self.config.progress && self.progress_at <= now.mono && !self.finished {
            self.progress_at = now.mono + PROGRESS;
            self.tell_progress(false, now.mono);
        }
        self.finish_if_over(now.mono);
    }

    fn poll_event(&mut self) -> Option<Event> {
        if self.events.is_empty() {
            self.tell_left();
        }
        self.events.pop_front()
    }

    fn is_finished(&self) -> bool {
        self.finished
    }
}

#[cfg(test)]
mod tests {
    use super::super::config::{SweepTarget, Told};
    use super::super::template::tests::route;
    use super::*;
    use crate::channel::Owner;
    use crate::types::{IpEndpoint, WallTime};
    use crate::wire::payload::Fill;

    const TARGETS: u32 = 5000;

    /// All under way to somebody who is silent.
    fn under_way(now: Now) -> Sweep {
        let mut given = 0..TARGETS;
        let goal = |n: u32| SweepTarget {
            name: None,
            endpoint: Some(IpEndpoint::from_address(std::net::Ipv4Addr::from_bits(n + (10 << 24)).into())),
        };
        let mut sweep = Sweep::new(Config {
            supply: Box::new(move || given.next().map_or(Supplied::End, |n| Supplied::SweepTarget(goal(n)))),
            routes: vec![route(7, Owner::Ours)],
            probes: Probes::UntilAnswered { retries: 0, backoff: 1.0 },
            wait: Duration::from_secs(1),
            rate: None,
            deadline: None,
            told: Told::Whole,
            vector: false,
            user_to_user: false,
            progress: false,
            payload_octets: 56,
            fill: Fill::Counting,
            seed: 1,
        });
        let mut outbox = Outbox::default();
        while sweep.totals.counts.sent < u64::from(TARGETS) {
            sweep.poll_orders(now, &mut outbox);
            for number in sweep.totals.counts.sent + 1..sweep.flight.next() {
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
    fn many_who_are_under_way_at_the_end_are_told_one_by_one() {
        let mut sweep = under_way(now(1));
        sweep.handle(now(1), &Inbound::Control(Control::Terminate), &Arena::default());
        let (mut pending, mut ended) = (0, false);
        assert!(sweep.is_finished() && sweep.events.len() < 2);
        while let Some(event) = sweep.poll_event() {
            match event {
                Event::Outcome(outcome) => pending += outcome.counts.pending,
                Event::End { totals, .. } => ended = totals.over == u64::from(TARGETS),
                _ => {}
            }
            assert!(sweep.events.len() < 2);
        }
        assert_eq!((pending, ended), (u64::from(TARGETS), true));
    }

    #[test]
    fn waits_that_end_together_are_told_in_several_turns() {
        let mut sweep = under_way(now(1));
        let mut lost = 0;
        while !sweep.is_finished() {
            assert!(sweep.poll_timeout().is_some_and(|at| at <= now(2).mono));
            sweep.handle_timeout(now(2));
            assert!(sweep.events.len() <= CLOSED_AT_ONCE + 1);
            while let Some(event) = sweep.poll_event() {
                lost += if let Event::Outcome(outcome) = event { outcome.counts.lost } else { 0 };
            }
        }
        assert_eq!(lost, u64::from(TARGETS));
    }
}
