//! [`Ping`]: the Machine that drives all series of a run.

use std::collections::VecDeque;
use std::net::IpAddr;

use super::config::{Config, Subject};
use super::event::{Event, SeriesId};
use super::index::Index;
use super::names::{self, Names};
use super::probe::token;
use super::series::{Context, FollowUp, Route, Series};
use crate::channel::{Arena, Control, Header, IcmpNotice, Inbound, Open, Order, Outbox, Token, Transmit, Write};
use crate::engine::pace::Cap;
use crate::engine::{Destination, Machine, Target, Timers};
use crate::types::{ClockError, Instant, IpEndpoint, Now, Port, ProbeId};
use crate::wire::payload::{COOKIE_OCTETS, Cookie};

/// So many probes are ordered in one turn at most, so that their answers are read before a receive buffer is full.
const BATCH: usize = 64;

/// A ping run. All series probe at the same time, each at its own pace; see [`crate::ping`] for what counts as what.
#[derive(Debug)]
pub struct Ping {
    pub(super) config: Config,
    pub(super) series: Vec<Series>,
    pub(super) index: Index,
    pub(super) names: Names,
    pub(super) events: VecDeque<Event>,
    /// What is to be asked of the channel about connections, whatever else is to be sent.
    follow_ups: VecDeque<FollowUp>,
    phase: Phase,
    sends: Timers,
    /// When probes are lost, and when replies wait no longer for stamps.
    deadlines: Timers,
    cap: Option<Cap>,
    /// With a deadline: no probe leaves from here on.
    quiet_from: Option<Instant>,
    /// With a deadline: when the run is over. Counted from the first probe's leaving, so that a wait as long as the deadline
    /// is over with it.
    end: Option<Instant>,
    any_sent: bool,
    interrupted: bool,
    /// Series that still have something to send or to wait for.
    active: usize,
    over: Vec<bool>,
    /// Orders that the channel has neither carried out nor refused.
    unconfirmed: u64,
    /// When to ask for the wall clock's error, if probes tell it.
    clock_due: Option<Instant>,
    /// Everything that arrived up to here was handled.
    seen: Instant,
    /// Memory for a probe's payload, reused.
    payload: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Before the first turn.
    New,
    /// The first probes wait for names, until this.
    Naming(Instant),
    Probing,
    Finished,
}

impl Ping {
    /// A run that starts with its first turn.
    pub fn new(mut config: Config) -> Self {
        let targets = std::mem::take(&mut config.targets);
        let mut ping = Ping {
            index: Index::new(config.payload_octets),
            config,
            series: Vec::with_capacity(targets.len()),
            names: Names::default(),
            events: VecDeque::new(),
            follow_ups: VecDeque::new(),
            phase: Phase::New,
            sends: Timers::default(),
            deadlines: Timers::default(),
            cap: None,
            quiet_from: None,
            end: None,
            any_sent: false,
            interrupted: false,
            active: 0,
            over: Vec::new(),
            unconfirmed: 0,
            clock_due: None,
            seen: Instant::ZERO,
            payload: Vec::new(),
        };
        targets.into_iter().for_each(|subject| ping.add(subject));
        ping
    }

    /// Whether probes may leave: the run has begun and is not over.
    pub fn is_probing(&self) -> bool {
        self.phase == Phase::Probing
    }

    /// Whether everything that left is decided and told.
    pub fn is_settled(&self) -> bool {
        self.series.iter().all(Series::is_settled)
    }

    /// No more probes leave.
    pub fn stop(&mut self, now: Now) {
        let all = 0..self.series.len() as u32;
        all.for_each(|number| self.with_series(number, now, |series, _| series.stop()));
    }

    /// With [`super::Pace::Called`]: the next probe of this series, by its number, is due now.
    pub fn call(&mut self, series: u32, now: Now) {
        self.with_series(series, now, |series, _| series.call());
    }

    fn add(&mut self, subject: Subject) {
        let Ok(number) = u32::try_from(self.series.len()) else { return };
        let series = Series::new(SeriesId::new(number), subject, cookie(self.config.seed, number));
        if let Some(route) = series.route() {
            self.index.insert(number, &route, series.cookie(), series.is_group(&self.config));
        }
        self.series.push(series);
        self.over.push(false);
        self.active += 1;
    }

    fn start(&mut self, now: Now) {
        let wall = now.wall;
        self.events.extend(self.series.iter().map(|series| series.started(&self.config, wall)));
        let addresses = self.series.iter().filter_map(|series| series.route()).filter_map(|route| route.to.ip());
        let addresses = addresses.map(|endpoint| endpoint.address);
        let unknown = addresses.filter(|&address| self.config.names && self.names.ask(address));
        self.events.extend(unknown.map(Event::NameWanted));
        self.phase = Phase::Naming(now.mono + names::PATIENCE);
        self.begin_if_named(now);
    }

    fn begin_if_named(&mut self, now: Now) {
        let Phase::Naming(until) = self.phase else { return };
        if !self.names.complete() && now.mono < until {
            return;
        }
        self.phase = Phase::Probing;
        self.quiet_from = self.config.deadline.map(|deadline| now.mono + deadline);
        self.end = self.quiet_from;
        let stamps = self.series.iter().any(|series| series.clock_error().is_some());
        self.clock_due = stamps.then(|| now.mono + ClockError::FRESH);
        self.cap = self.config.rate.and_then(|rate| Cap::new(now.mono, rate));
        for (number, series) in (0..).zip(&mut self.series) {
            series.begin(&self.config, now.mono);
            refresh(number, series, &self.config, &mut self.sends, &mut self.deadlines);
        }
        (0..self.series.len()).for_each(|index| self.note_if_over(index));
    }

    /// Changes one series, then what depends on it.
    pub(super) fn with_series(&mut self, number: u32, now: Now, change: impl FnOnce(&mut Series, &mut Context<'_>)) {
        let index = number as usize;
        let Some(series) = self.series.get_mut(index).filter(|series| !series.is_closed()) else { return };
        let before = series.unconfirmed();
        let (events, orders) = (&mut self.events, &mut self.follow_ups);
        change(series, &mut Context { config: &self.config, now, events, orders });
        self.unconfirmed = (self.unconfirmed + series.unconfirmed()).saturating_sub(before);
        if self.phase == Phase::Probing {
            refresh(number, series, &self.config, &mut self.sends, &mut self.deadlines);
            self.note_if_over(index);
        }
    }

    /// Changes the series of an order of ours.
    pub(super) fn with_probe(
        &mut self,
        now: Now,
        token: Token,
        change: impl FnOnce(&mut Series, ProbeId, &mut Context<'_>),
    ) {
        if let Some((number, probe)) = self.ordered(token) {
            self.with_series(number, now, |series, context| change(series, probe, context));
        }
    }

    fn note_if_over(&mut self, index: usize) {
        if let (Some(series), Some(over)) = (self.series.get(index), self.over.get_mut(index))
            && !*over
            && series.is_over(&self.config)
        {
            *over = true;
            self.active -= 1;
        }
    }

    /// When the next probe may be ordered.
    fn next_order(&self) -> Option<Instant> {
        let (due, _) = self.sends.first()?;
        let allowed = self.cap.map_or(due, |cap| due.max(cap.next()));
        Some(allowed).filter(|&at| self.quiet_from.is_none_or(|quiet| at < quiet))
    }

    fn order(&mut self, number: u32, allowed: Instant, now: Now, outbox: &mut Outbox) {
        let Some(Route { to, from, lane, .. }) = self.series.get(number as usize).and_then(Series::route) else {
            return;
        };
        let mut ordered = ProbeId::FIRST;
        self.with_series(number, now, |series, context| ordered = series.order(allowed, context));
        let Some(series) = self.series.get(number as usize) else { return };
        let token = token(number, ordered);
        let header = Header { from: from.filter(|_| self.config.sticky_source), ..Header::default() };
        if let Some(port) = series.connects() {
            let source_port = port.map_or(0, Port::get);
            outbox.push(Order::Open(Open { lane, token, to, source_port, header }));
        } else {
            let payload = &mut self.payload;
            let octets = outbox.store(|octets| series.push_probe(ordered, &self.config, now.wall, payload, octets));
            outbox.push(Order::Send(Transmit { lane, token, to, flow: 0, header, octets }));
        }
    }

    fn follow_up(&mut self, outbox: &mut Outbox) {
        for follow_up in self.follow_ups.drain(..) {
            match follow_up {
                FollowUp::Write { token, data } => {
                    let octets = outbox.store(|octets| octets.extend_from_slice(&data));
                    outbox.push(Order::Write(Write { token, octets }));
                }
                FollowUp::Close { token, how } => outbox.push(Order::Close { token, how }),
            }
        }
    }

    fn control(&mut self, now: Now, control: &Control) {
        match control {
            Control::Interrupt | Control::Terminate => self.interrupted = true,
            Control::Interim => {
                let running = self.series.iter().filter(|series| !series.is_closed());
                self.events.push_back(Event::Interim(running.map(Series::interim).collect()));
            }
            Control::Stop => self.stop(now),
            Control::Add { target, endpoint } => self.add_running(now, target, *endpoint),
            Control::Remove { target } => {
                let named = |series: &&Series| series.typed() == &**target;
                let numbers: Vec<u32> =
                    (0..).zip(&self.series).filter(|(_, series)| named(series)).map(|(number, _)| number).collect();
                for number in numbers {
                    self.with_series(number, now, |series, context| series.close(context.events, context.orders));
                }
            }
            Control::Name(answer) => {
                if let Some(name) = &answer.name {
                    self.events.push_back(Event::Named { address: answer.address, name: name.clone() });
                }
                self.names.answered();
            }
            // Nobody asked.
            Control::Origin(_) => {}
            // The targets are known from the start, or come by name.
            Control::Supplied => {}
        }
    }

    /// A target that comes while the run is on uses the lane that others of its family have.
    fn add_running(&mut self, now: Now, target: &str, endpoint: IpEndpoint) {
        let destination = match self.index.lane_of(endpoint.address) {
            Some((lane, profile)) => Destination::Reachable { endpoint, source: None, lane, profile },
            None => Destination::Unroutable { endpoint },
        };
        let numeric = target.parse::<IpAddr>().is_ok();
        let target = Target { target: target.into(), name: target.into(), numeric, destination };
        self.add(Subject::icmp(target));
        let number = self.series.len() as u32 - 1;
        if self.phase == Phase::New {
            return;
        }
        if let Some(series) = self.series.last() {
            self.events.push_back(series.started(&self.config, now.wall));
        }
        if self.config.names && self.names.ask(endpoint.address) {
            self.events.push_back(Event::NameWanted(endpoint.address));
        }
        self.with_series(number, now, |series, context| series.begin(context.config, now.mono));
    }

    fn finish(&mut self) {
        self.phase = Phase::Finished;
        let running = self.series.iter_mut().filter(|series| !series.is_closed());
        running.for_each(|series| series.close(&mut self.events, &mut self.follow_ups));
    }

    /// The series and probe of an order of ours.
    fn ordered(&self, token: Token) -> Option<(u32, ProbeId)> {
        let number = u32::try_from(token.get() >> 32).ok()?;
        let newest = self.series.get(number as usize)?.newest()?.get();
        let behind = (newest as u32).wrapping_sub(token.get() as u32);
        newest.checked_sub(u64::from(behind)).map(|probe| (number, ProbeId::new(probe)))
    }
}

impl Machine for Ping {
    type Event = Event;

    fn poll_orders(&mut self, now: Now, outbox: &mut Outbox) {
        if self.phase == Phase::New {
            self.start(now);
        }
        self.seen = now.mono;
        self.follow_up(outbox);
        if self.phase != Phase::Probing || self.interrupted || self.quiet_from.is_some_and(|quiet| quiet <= now.mono) {
            return;
        }
        if let Some(due) = self.clock_due.as_mut().filter(|due| **due <= now.mono) {
            *due = now.mono + ClockError::FRESH;
            outbox.push(Order::AskClock);
        }
        for _ in 0..BATCH {
            let Some((_, number)) = self.sends.first() else { return };
            let Some(allowed) = self.next_order().filter(|&at| at <= now.mono) else { return };
            if let Some(cap) = &mut self.cap {
                cap.take(now.mono);
            }
            self.order(number, allowed, now, outbox);
        }
    }

    fn handle(&mut self, now: Now, inbound: &Inbound, octets: &Arena) {
        if self.phase == Phase::Finished {
            return;
        }
        match inbound {
            Inbound::Datagram(datagram) => self.datagram(now, datagram, octets),
            Inbound::Icmp(report @ IcmpNotice { token: Some(token), .. }) => {
                self.attempt_failed(now, *token, report, octets);
            }
            Inbound::Icmp(report) => self.report(now, report, octets),
            Inbound::Sent(sent) => {
                if self.ordered(sent.token).is_some() && !std::mem::replace(&mut self.any_sent, true) {
                    self.end = self.config.deadline.map(|deadline| sent.stamp.user.mono + deadline);
                }
                self.with_probe(now, sent.token, |series, probe, context| series.sent(probe, sent, context));
            }
            Inbound::Refused(refused) => {
                self.with_probe(now, refused.token, |series, probe, context| series.refused(probe, refused, context));
            }
            Inbound::Dropped(dropped) => {
                if let Some(series) = self.first_series() {
                    series.counts.dropped_by_kernel += dropped.count;
                }
            }
            Inbound::Control(control) => self.control(now, control),
            Inbound::Opened(opened) => {
                self.with_probe(now, opened.token, |series, probe, context| series.opened(probe, opened, context));
            }
            Inbound::Data(data) => {
                let octets = octets.get(data.octets);
                self.with_probe(now, data.token, |series, probe, context| series.data(probe, data, octets, context));
            }
            Inbound::Closed(closed) => {
                self.with_probe(now, closed.token, |series, probe, context| series.closed(probe, closed, context));
            }
            Inbound::Clock(error) => self.series.iter_mut().for_each(|series| series.clock_is(*error)),
            // Nobody connects to a prober, and when what it writes has left decides nothing.
            Inbound::Accepted(_) | Inbound::Drained { .. } => {}
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match self.phase {
            Phase::New => Some(Instant::ZERO),
            Phase::Finished => None,
            _ if self.interrupted || (self.active == 0 && self.phase == Phase::Probing) => Some(Instant::ZERO),
            Phase::Naming(_) if self.names.complete() => Some(Instant::ZERO),
            Phase::Naming(until) => Some(until),
            Phase::Probing => {
                // While the channel still holds orders there is no use in waking up for more.
                let order = self.next_order().filter(|_| self.unconfirmed == 0);
                let deadline = self.deadlines.first().map(|(at, _)| at);
                [order, deadline, self.end, self.clock_due].into_iter().flatten().min()
            }
        }
    }

    fn handle_timeout(&mut self, now: Now) {
        if self.phase == Phase::New {
            self.start(now);
        }
        self.begin_if_named(now);
        // What arrived in time may not have been read when its deadline passed, so nothing is decided before all that
        // arrived until then was handled, which is one turn later.
        let seen = std::mem::replace(&mut self.seen, now.mono);
        if self.phase == Phase::Probing {
            while let Some((_, number)) = self.deadlines.first().filter(|&(deadline, _)| deadline <= seen) {
                self.with_series(number, now, |series, context| series.expire(seen, context));
            }
        }
        let ended = self.end.is_some_and(|end| end <= seen) || (self.active == 0 && self.phase == Phase::Probing);
        if self.phase != Phase::Finished && (self.interrupted || ended) {
            self.finish();
        }
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn is_finished(&self) -> bool {
        self.phase == Phase::Finished
    }
}

fn refresh(number: u32, series: &Series, config: &Config, sends: &mut Timers, deadlines: &mut Timers) {
    sends.set(number, series.next_send(config));
    deadlines.set(number, series.next_deadline(config));
}

fn cookie(seed: u64, series: u32) -> Cookie {
    let mut random = fastrand::Rng::with_seed(seed ^ u64::from(series).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut octets = [0; COOKIE_OCTETS];
    random.fill(&mut octets);
    Cookie::new(octets)
}
