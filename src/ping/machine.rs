//! [`Ping`]: the Machine that drives all series of a run.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use super::config::{Config, Task};
use super::event::Event;
use super::follower::Follower;
use super::index::Index;
use super::names::{self, Names};
use super::probe::token;
use super::resolving::Resolving;
use super::series::{Context, Route, Series, SeriesOrder};
use super::set::SeriesSet;
use crate::channel::{Arena, Header, IcmpNotice, Inbound, Open, Order, Outbox, Recreated, Token, Transmit, Write};
use crate::engine::outcome::SubjectId;
use crate::engine::pace::Cap;
use crate::engine::{Machine, Timers, WallClock};
use crate::types::{ClockError, Instant, Now, ProbeId};
use crate::wire::payload::{COOKIE_OCTETS, Cookie};

/// At most this many probes are ordered in one turn, so that their answers are read before a receive buffer is full.
const BATCH: usize = 64;

/// What the channel is asked at the end is answered in its next turn, unless it has no room for the question.
const ANSWERED_WITHIN: Duration = Duration::from_millis(100);

/// A ping run. All series probe at the same time, each at its own pace; see [`mod@crate::ping`] for what counts as what.
#[derive(Debug, Default)]
pub struct Ping {
    pub(super) config: Config,
    pub(super) series: SeriesSet,
    pub(super) index: Index,
    pub(super) names: Names,
    pub(super) events: VecDeque<Event>,
    /// What the series order besides probes, which goes before those.
    pub(super) series_orders: VecDeque<SeriesOrder>,
    pub(super) phase: Phase,
    /// When the next probe of each slot is due.
    pub(super) sends: Timers,
    /// When probes are lost, and when replies wait no longer for stamps, by slot.
    pub(super) deadlines: Timers,
    cap: Option<Cap>,
    /// With a deadline: no probe leaves from here on.
    quiet_from: Option<Instant>,
    /// With a deadline: when the run is over. Counted from the first probe's leaving, so that a wait as long as the deadline
    /// is over with it.
    end: Option<Instant>,
    any_sent: bool,
    /// When a series was removed last.
    pub(super) removed_at: Option<Instant>,
    pub(super) interrupted: bool,
    /// Whether the user wants nothing sent.
    pub(super) paused: bool,
    /// Names that are looked up again.
    pub(super) resolving: Resolving,
    /// Where changes are wanted, or waited for.
    follower: Option<Follower>,
    clock: WallClock,
    /// Series that still have something to send or to wait for, as of the last look at each.
    pub(super) active: HashSet<u32>,
    /// Orders that the channel has neither carried out nor refused.
    pub(super) unconfirmed: u64,
    /// When to ask for the wall clock's error, if probes carry it.
    clock_due: Option<Instant>,
    /// Everything that arrived up to here was handled.
    seen: Instant,
    /// When each order of the last turn was due.
    ordered_from: Vec<Instant>,
    /// Memory for a probe's payload, reused.
    payload: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Phase {
    /// Before the first turn.
    #[default]
    New,
    /// The first probes wait for names, until this.
    Naming(Instant),
    Probing,
    /// Nothing is sent any more: at the latest at this time the run is over.
    Ending(Instant),
    Finished,
}

impl Ping {
    /// A run that starts with its first turn.
    pub fn new(mut config: Config) -> Self {
        let targets = std::mem::take(&mut config.targets);
        let follower = (config.changes || config.until.is_some()).then(|| Follower::new(config.until));
        let resolve = config.resolve.take();
        let mut ping = Ping { config, follower, ..Ping::default() };
        if resolve.is_none() {
            for task in targets {
                ping.add(task);
            }
            return ping;
        }
        let add = |task: Task| {
            let slot = ping.add(task.clone());
            (task, slot.and_then(|slot| ping.series.get(slot)).map(Series::id))
        };
        let targets: Vec<_> = targets.into_iter().map(add).collect();
        ping.resolving = Resolving::new(resolve, &targets);
        ping
    }

    /// Whether probes may leave: the run has begun and is not over.
    pub fn is_probing(&self) -> bool {
        self.phase == Phase::Probing
    }

    /// Whether the user has not paused it, either.
    pub fn is_sending(&self) -> bool {
        self.is_probing() && !self.paused
    }

    /// Whether everything that left is decided and reported.
    pub fn is_settled(&self) -> bool {
        self.series.iter().all(Series::is_settled)
    }

    /// No more probes leave.
    pub fn stop(&mut self, now: Now) {
        let all: Vec<u32> = self.series.slots().collect();
        all.into_iter().for_each(|slot| self.with_series(slot, now, |series, _| series.stop()));
    }

    /// With [`crate::engine::outcome::Pace::Called`]: the next probe of this subject is due now.
    pub fn call(&mut self, id: SubjectId, now: Now) {
        if let Some(slot) = self.series.slot(id) {
            self.with_series(slot, now, |series, _| series.call());
        }
    }

    pub(super) fn add(&mut self, task: Task) -> Option<u32> {
        let config = &self.config;
        let slot = self.series.insert(|id| Series::new(id, task, config, cookie(config.seed, id.get())))?;
        if let Some(series) = self.series.get(slot) {
            self.index.insert(slot, series);
        }
        self.active.insert(slot);
        Some(slot)
    }

    fn start(&mut self, now: Now) {
        let wall = now.wall;
        self.events.extend(self.series.iter().map(|series| series.began(wall)));
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
        self.resolving.begin(now.mono);
        self.quiet_from = self.config.deadline.map(|deadline| now.mono + deadline);
        self.end = self.quiet_from;
        let stamps = self.series.iter_mut().any(Series::carries_clock_error);
        self.ask_for_clock(stamps, now);
        self.cap = self.config.rate.and_then(|rate| Cap::new(now.mono, rate));
        let all: Vec<u32> = self.series.slots().collect();
        all.into_iter().for_each(|slot| self.with_series(slot, now, |series, _| series.begin(now.mono)));
    }

    /// From now on the wall clock's error is asked for, if a series `needs` it.
    pub(super) fn ask_for_clock(&mut self, needs: bool, now: Now) {
        if needs && self.clock_due.is_none() {
            self.clock_due = Some(now.mono + ClockError::FRESH);
        }
    }

    /// Changes one series, then what depends on it.
    pub(super) fn with_series(&mut self, slot: u32, now: Now, change: impl FnOnce(&mut Series, &mut Context<'_>)) {
        let Some(series) = self.series.get_mut(slot) else { return };
        let before = series.unconfirmed();
        let (events, orders) = (&mut self.events, &mut self.series_orders);
        change(series, &mut Context { config: &self.config, now, events, orders });
        self.unconfirmed = (self.unconfirmed + series.unconfirmed()).saturating_sub(before);
        if self.phase == Phase::Probing {
            self.sends.set(slot, series.next_send(&self.config));
            self.deadlines.set(slot, series.next_deadline(&self.config));
            if series.is_over(&self.config) {
                self.active.remove(&slot);
            }
        }
    }

    /// Changes the series of an order of ours.
    pub(super) fn with_probe(
        &mut self,
        now: Now,
        token: Token,
        change: impl FnOnce(&mut Series, ProbeId, &mut Context<'_>),
    ) {
        if let Some((slot, probe)) = self.ordered(token) {
            self.with_series(slot, now, |series, context| change(series, probe, context));
        }
    }

    /// Reports that the wall clock was stepped, before what is reported with its time.
    fn look_at_clock(&mut self, now: Now) {
        if let Some(by) = self.clock.stepped(now).filter(|_| self.config.changes) {
            self.events.push_back(Event::ClockStepped { at: now.wall, by });
        }
    }

    /// Whether nothing is left to do.
    fn is_idle(&self) -> bool {
        self.active.is_empty() && self.phase == Phase::Probing && !self.config.endless
    }

    /// When each of the probes ordered in the last turn might have been ordered at the earliest.
    pub fn ordered_from(&self) -> &[Instant] {
        &self.ordered_from
    }

    /// When the next probe may be ordered.
    fn next_order(&self) -> Option<Instant> {
        if self.paused {
            return None;
        }
        let (due, _) = self.sends.first()?;
        let allowed = self.cap.map_or(due, |cap| due.max(cap.next()));
        Some(allowed).filter(|&at| self.quiet_from.is_none_or(|quiet| at < quiet))
    }

    fn order(&mut self, slot: u32, allowed: Instant, now: Now, outbox: &mut Outbox) {
        let Some(Route { to, from, lane, profile }) = self.series.get(slot).and_then(Series::route) else { return };
        let mut ordered = ProbeId::FIRST;
        self.with_series(slot, now, |series, context| ordered = series.order(allowed, context));
        let Some(series) = self.series.get(slot) else { return };
        let token = token(series.id(), ordered);
        let header = series.spec().header;
        let sticky = self.config.sticky_source || profile.header.keeps_source;
        let header = Header { from: header.from.or(from.filter(|_| sticky)), ..header };
        if series.connects() {
            outbox.push(Order::Open(Open { lane, token, to, header }));
        } else {
            let buffer = &mut self.payload;
            let octets = outbox.store(|octets| series.push_probe(ordered, now.wall, buffer, octets));
            outbox.push(Order::Send(Transmit { lane, token, to, flow: 0, header, octets }));
        }
    }

    fn push_series_orders(&mut self, outbox: &mut Outbox) {
        for order in self.series_orders.drain(..) {
            match order {
                SeriesOrder::Write { token, data } => {
                    let octets = outbox.store(|octets| octets.extend_from_slice(&data));
                    outbox.push(Order::Write(Write { token, octets }));
                }
                SeriesOrder::AskNeighbour { token, lane, to } => {
                    outbox.push(Order::AskNeighbour { token, lane, to });
                }
                SeriesOrder::Close { token, how } => outbox.push(Order::Close { token, how }),
            }
        }
    }

    /// Ends the run, as soon as it is known whether probes whose silence counts had a neighbour to go to.
    fn end(&mut self, now: Now) {
        if self.phase == Phase::Probing {
            self.phase = Phase::Ending(now.mono + ANSWERED_WITHIN);
            let all: Vec<u32> = self.series.slots().collect();
            all.into_iter().for_each(|slot| self.with_series(slot, now, Series::ask_at_end));
            if self.asks() {
                return;
            }
        }
        self.finish(now);
    }

    /// Whether an answer of the channel is waited for.
    fn asks(&self) -> bool {
        self.series.iter().any(Series::asks)
    }

    fn finish(&mut self, now: Now) {
        self.phase = Phase::Finished;
        let all: Vec<u32> = self.series.slots().collect();
        all.into_iter().for_each(|slot| self.remove(slot, now));
    }

    /// The slot of the series and the probe of an order of ours.
    fn ordered(&self, token: Token) -> Option<(u32, ProbeId)> {
        let id = u32::try_from(token.get() >> 32).ok().map(SubjectId::new)?;
        let slot = self.series.slot(id)?;
        let newest = self.series.get(slot)?.newest()?.get();
        let age = (newest as u32).wrapping_sub(token.get() as u32);
        newest.checked_sub(u64::from(age)).map(|probe| (slot, ProbeId::new(probe)))
    }
}

impl Machine for Ping {
    type Event = Event;

    fn poll_orders(&mut self, now: Now, outbox: &mut Outbox) {
        if self.phase == Phase::New {
            self.start(now);
        }
        self.look_at_clock(now);
        self.seen = now.mono;
        self.ordered_from.clear();
        self.push_series_orders(outbox);
        if self.phase != Phase::Probing || self.interrupted || self.quiet_from.is_some_and(|quiet| quiet <= now.mono) {
            return;
        }
        if let Some(due) = self.clock_due.as_mut().filter(|due| **due <= now.mono) {
            *due = now.mono + ClockError::FRESH;
            outbox.push(Order::AskClock);
        }
        for _ in 0..BATCH {
            let Some((_, slot)) = self.sends.first() else { return };
            let Some(allowed) = self.next_order().filter(|&at| at <= now.mono) else { return };
            if let Some(cap) = &mut self.cap {
                cap.take(now.mono);
            }
            self.ordered_from.push(allowed);
            self.order(slot, allowed, now, outbox);
        }
    }

    fn handle(&mut self, now: Now, inbound: &Inbound, octets: &Arena) {
        if self.phase == Phase::Finished {
            return;
        }
        self.look_at_clock(now);
        match inbound {
            Inbound::Datagram(datagram) => self.datagram(now, datagram, octets),
            Inbound::Icmp(notice @ IcmpNotice { token: Some(token), .. }) => {
                self.attempt_failed(now, *token, notice, octets);
            }
            Inbound::Icmp(notice) => self.notice(now, notice, octets),
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
            Inbound::Recreated(Recreated { interface, refused, .. }) => {
                let (interface, not_sent) = (interface.clone(), *refused);
                self.events.push_back(Event::Recreated { interface, not_sent, at: now.wall });
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
            &Inbound::Neighbour { token, is_missing } => {
                self.with_probe(now, token, |series, _, context| series.neighbour(is_missing, context));
            }
            Inbound::Clock(error) => self.series.iter_mut().for_each(|series| series.set_clock_error(*error)),
            // A prober accepts no connections, and when its data has left decides nothing.
            Inbound::Accepted(_) | Inbound::Drained { .. } => {}
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        match self.phase {
            Phase::New => Some(Instant::ZERO),
            Phase::Finished => None,
            Phase::Ending(until) => Some(if self.asks() { until } else { Instant::ZERO }),
            _ if self.interrupted || self.is_idle() => Some(Instant::ZERO),
            Phase::Naming(_) if self.names.complete() => Some(Instant::ZERO),
            Phase::Naming(until) => Some(until),
            Phase::Probing => {
                // While the channel still holds orders there is no use in waking up for more.
                let order = self.next_order().filter(|_| self.unconfirmed == 0);
                let deadline = self.deadlines.first().map(|(at, _)| at);
                [order, deadline, self.end, self.clock_due, self.resolving.due].into_iter().flatten().min()
            }
        }
    }

    fn handle_timeout(&mut self, now: Now) {
        if self.phase == Phase::New {
            self.start(now);
        }
        self.look_at_clock(now);
        self.begin_if_named(now);
        // An answer that arrived in time may not have been read when the deadline passed, so a probe is decided one turn
        // later, after all that arrived until then was handled.
        let seen = std::mem::replace(&mut self.seen, now.mono);
        if self.phase == Phase::Probing {
            self.look_up(now);
            while let Some((_, slot)) = self.deadlines.first().filter(|&(deadline, _)| deadline <= seen) {
                self.with_series(slot, now, |series, context| series.expire(seen, context));
            }
        }
        let ended = match self.phase {
            Phase::Finished => return,
            Phase::Ending(_) => true,
            Phase::Probing if self.is_idle() => true,
            _ => self.interrupted || self.end.is_some_and(|end| end <= seen),
        };
        if ended {
            self.end(now);
        }
    }

    fn poll_event(&mut self) -> Option<Event> {
        let mut event = self.events.pop_front()?;
        let Some(follower) = &mut self.follower else { return Some(event) };
        let change = follower.take(&mut event).filter(|_| self.config.changes);
        if let Some(change) = change {
            self.events.push_front(Event::Change(Box::new(change)));
        }
        self.interrupted |= follower.is_reached();
        Some(event)
    }

    fn is_finished(&self) -> bool {
        self.phase == Phase::Finished
    }
}

fn cookie(seed: u64, series: u32) -> Cookie {
    let mut random = fastrand::Rng::with_seed(seed ^ u64::from(series).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut octets = [0; COOKIE_OCTETS];
    random.fill(&mut octets);
    Cookie::new(octets)
}
