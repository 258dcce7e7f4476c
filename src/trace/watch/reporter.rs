//! A run of reports as a Machine: [`Reporter`].

use std::collections::{BTreeMap, VecDeque};

use super::event::{Config, Ended, Event, Report};
use super::path::Watch;
use crate::channel::{Arena, CloseHow, ClosedHow, Control, Inbound, LaneId, Order, OsError, Outbox, Profile, Token};
use crate::engine::Machine;
use crate::engine::pace::Cap;
use crate::trace::TraceId;
use crate::trace::fleet::departure::{self, Desk, Route};
use crate::trace::fleet::names::{Names, PATIENCE};
use crate::trace::fleet::probes::ProbeTable;
use crate::trace::identify::matching::{Match, Matcher, Signature};
use crate::trace::path::hop::Arrival;
use crate::trace::path::schedule::Next;
use crate::types::{Instant, Now, ProbeId, Stamp};

/// How many targets are watched at once; the others wait their turn.
const AT_ONCE: usize = 16;
/// So many probes refused, of none that left, end a report.
const REFUSED_FROM_THE_START: u64 = 3;

/// Watches the path to each target; see [`crate::trace::watch`] for how.
#[derive(Debug)]
pub struct Reporter {
    config: Config,
    signature: Signature,
    probes: ProbeTable,
    names: Names,
    /// Targets whose report has not begun, by index, in argument order.
    queue: VecDeque<usize>,
    watches: BTreeMap<usize, Watched>,
    events: VecDeque<Event>,
    cap: Option<Cap>,
    wake: Option<Instant>,
    payload: Vec<u8>,
    /// Connections that have told what they can.
    hang_up: Vec<Token>,
}

#[derive(Debug)]
struct Watched {
    watch: Watch,
    last_refusal: Option<OsError>,
    /// Why it ended, and when: it waits for names.
    ended: Option<(Ended, Instant)>,
}

impl Reporter {
    /// A run of reports. The number of flows is taken as 1, and of cycles and interval what is needed to end.
    pub fn new(config: Config) -> Reporter {
        let trace = crate::trace::Config { flows: 1, ..config.trace };
        let config = Config { trace, ..config };
        Reporter {
            signature: Signature::new(&config.trace),
            probes: ProbeTable::default(),
            names: Names::new(config.trace.names, config.trace.origins.clone()),
            queue: (0..config.trace.targets.len()).collect(),
            watches: BTreeMap::new(),
            events: VecDeque::new(),
            cap: config.trace.rate.and_then(|rate| Cap::new(Instant::ZERO, rate)),
            wake: Some(Instant::ZERO),
            payload: Vec::new(),
            hang_up: Vec::new(),
            config,
        }
    }

    fn begin(&mut self, now: Now) {
        while self.watches.len() < AT_ONCE {
            let Some(at) = self.queue.iter().position(|&index| self.may_begin(index)) else { return };
            let Some(index) = self.queue.remove(at) else { return };
            self.emit_start(index, now);
            match Route::of_trace(&self.config.trace, index) {
                Some(route) => self.begin_one(index, route, now.mono),
                None => self.emit_unsent(index, Ended::SendFailed),
            }
        }
    }

    /// Two reports of one address would share its rate limit: the second waits for the first.
    fn may_begin(&self, index: usize) -> bool {
        let Some(route) = Route::of_trace(&self.config.trace, index) else { return true };
        let same = |other: &Route| (other.lane, other.target.address) == (route.lane, route.target.address);
        !self.watches.values().any(|other| same(&other.watch.route))
    }

    fn begin_one(&mut self, index: usize, route: Route, now: Instant) {
        route.limit_flows(self.config.trace.ports, &mut self.probes);
        let watch = Watch::new(&self.config, id(index), route, now);
        self.watches.insert(index, Watched { watch, last_refusal: None, ended: None });
    }

    fn emit_start(&mut self, index: usize, now: Now) {
        if let Some(start) = departure::start(&self.config.trace, &self.signature, index, now.wall) {
            self.events.push_back(Event::Start(Box::new(start)));
        }
    }

    /// Tells the end of a report that sent nothing.
    fn emit_unsent(&mut self, index: usize, ended: Ended) {
        self.events.push_back(Event::End(Box::new(Report::empty(id(index), Some(ended)))));
    }

    /// Begins reports while there is room, counts what `now` decides, and ends those that are over.
    fn advance(&mut self, now: Now) {
        loop {
            self.begin(now);
            let mut over = Vec::new();
            for (&index, watched) in &mut self.watches {
                let watch = &mut watched.watch;
                let settled = watch.settle(&self.config, now.mono);
                forget(watch, &settled, &mut self.probes, &mut self.hang_up);
                if self.probes.limits_flows(watch.route.lane) {
                    watch.given_up(&self.config, now.mono).for_each(|probe| self.probes.give_up_flow(probe));
                }
                if watched.ended.is_none() && watch.is_over(&self.config, now.mono) {
                    let ended = if watch.is_closing() { Ended::Interrupted } else { Ended::Cycles };
                    watched.ended = Some((ended, now.mono));
                }
                let Some((ended, since)) = watched.ended else { continue };
                let waits = ended == Ended::Cycles && self.names.are_any_awaited();
                if waits && now.mono < since + PATIENCE {
                    continue;
                }
                if waits {
                    self.names.missed();
                }
                let report = watch.report(&self.config, Some(ended), &self.names, since);
                self.events.push_back(Event::End(Box::new(report)));
                over.push(index);
            }
            if over.is_empty() {
                return;
            }
            for index in over {
                let Some(watched) = self.watches.remove(&index) else { continue };
                let left = self.probes.close(index);
                forget(&watched.watch, &left, &mut self.probes, &mut self.hang_up);
            }
        }
    }

    /// Under a common rate the reports that began first send first.
    fn send_due(&mut self, now: Now, outbox: &mut Outbox) {
        for (&index, watched) in &mut self.watches {
            let watch = &mut watched.watch;
            if watched.ended.is_some() {
                continue;
            }
            while let Next::Probe { ttl, index: cycle } = watch.next(&self.config, now.mono) {
                let Some(flow) = room(watch, &self.probes) else { break };
                if let Some(cap) = &mut self.cap {
                    if cap.next() > now.mono {
                        return;
                    }
                    cap.take(now.mono);
                }
                let route = watch.route;
                let mut desk =
                    Desk { signature: &self.signature, probes: &mut self.probes, payload: &mut self.payload };
                let ports = self.config.trace.ports;
                let probe = desk.order(&route, (index, ttl, cycle), (watch.port_index(), flow), ports, outbox);
                watch.ordered(&self.config, (ttl, cycle), probe, Stamp::user(now));
            }
        }
    }

    fn next_wake(&self, now: Instant) -> Option<Instant> {
        let allowed = self.cap.map_or(now, |cap| cap.next().max(now));
        let of = |watched: &Watched| {
            let watch = &watched.watch;
            if let Some((_, since)) = watched.ended {
                return Some(since + PATIENCE);
            }
            let send = match watch.next(&self.config, now) {
                Next::Probe { .. } => room(watch, &self.probes).map(|_| allowed),
                Next::At(at) => Some(at.max(allowed)),
                Next::Nothing => None,
            };
            [send, watch.wake(&self.config, now)].into_iter().flatten().min()
        };
        self.watches.values().filter_map(of).min()
    }

    fn profile(&self, lane: LaneId) -> Option<Profile> {
        self.watches
            .values()
            .map(|watched| watched.watch.route)
            .find(|route| route.lane == lane)
            .map(|route| route.profile)
    }

    fn take(&mut self, lane: LaneId, matched: Match, now: Instant) {
        // Answers that do not say whose they are, are nobody's here: a report counts probes.
        match matched {
            Match::Answer(probe, arrival) => self.take_answer(probe, *arrival),
            Match::Unnamed(from, arrival) => {
                let port = departure::port(&self.config.trace, 0);
                let is_target = |route: &Route| {
                    (route.lane, route.target.address, port) == (lane, from.address, from.port_number())
                };
                let watched = self.watches.values().find(|watched| is_target(&watched.watch.route));
                if let Some(probe) = watched.and_then(|watched| watched.watch.attribute_unnamed(&self.config, now)) {
                    self.take_answer(probe, *arrival);
                }
            }
            Match::Unmatched(_) | Match::Foreign => {}
        }
    }

    /// The target took the connection of a probe, or refused it.
    fn connected(&mut self, token: Token, stamp: Stamp) {
        let probe = ProbeId::new(token.get());
        if let Some(entry) = self.probes.entry(probe) {
            let arrival = Arrival::plain(entry.destination, stamp, None);
            self.take_answer(probe, arrival);
        }
    }

    fn take_answer(&mut self, probe: ProbeId, arrival: Arrival) {
        let Some(&entry) = self.probes.entry(probe) else { return };
        let Some(watched) = self.watches.get_mut(&entry.trace) else { return };
        let responder = arrival.responder;
        if !watched.watch.answer(&self.config, probe, arrival) {
            return;
        }
        self.probes.answered(probe);
        if self.names.want(responder) {
            self.events.push_back(Event::NameWanted(responder));
        }
    }

    fn refused(&mut self, token: Token, error: OsError, now: Instant) {
        let probe = ProbeId::new(token.get());
        let Some(entry) = self.probes.remove(probe) else { return };
        let Some(watched) = self.watches.get_mut(&entry.trace) else { return };
        if watched.last_refusal.replace(error) != Some(error) {
            self.events.push_back(Event::SendFailed { trace: watched.watch.id, error });
        }
        if watched.watch.refused(probe).is_some_and(|refused| refused >= REFUSED_FROM_THE_START) {
            watched.ended.get_or_insert((Ended::SendFailed, now));
        }
    }

    fn control(&mut self, now: Now, control: &Control) {
        match control {
            Control::Interrupt | Control::Terminate => {
                for watched in self.watches.values_mut() {
                    watched.ended = Some((Ended::Interrupted, now.mono));
                }
                self.drop_queue(now);
            }
            Control::Stop => {
                self.watches.values_mut().for_each(|watched| watched.watch.close());
                self.drop_queue(now);
            }
            Control::Name(answer) => self.names.answer(answer),
            Control::Origin(answer) => self.names.answer_origin(answer),
            Control::Interim => {
                let figures = |watched: &Watched| watched.watch.report(&self.config, None, &self.names, now.mono);
                self.events.push_back(Event::Interim(self.watches.values().map(figures).collect()));
            }
            // The targets are known from the start.
            Control::Add { .. } | Control::Remove { .. } | Control::Supplied | Control::Address(_) => {}
        }
    }

    /// Tells the reports that will not begin any more.
    fn drop_queue(&mut self, now: Now) {
        for index in std::mem::take(&mut self.queue) {
            self.emit_start(index, now);
            let possible = Route::of_trace(&self.config.trace, index).is_some();
            self.emit_unsent(index, if possible { Ended::Interrupted } else { Ended::SendFailed });
        }
    }
}

fn id(index: usize) -> TraceId {
    TraceId::new(u32::try_from(index).unwrap_or(u32::MAX))
}

/// The flow of the next probe, if its lane has room for one more.
fn room(watch: &Watch, probes: &ProbeTable) -> Option<u16> {
    let profile = &watch.route.profile;
    let full = profile.connects() && watch.unanswered() >= profile.max_open as usize;
    watch.route.next_flow(probes).filter(|_| !full)
}

/// Nothing more is expected for these probes.
fn forget(watch: &Watch, settled: &[ProbeId], probes: &mut ProbeTable, hang_up: &mut Vec<Token>) {
    for &probe in settled {
        probes.remove(probe);
        if watch.route.profile.connects() {
            hang_up.push(Token::new(probe.get()));
        }
    }
}

impl Machine for Reporter {
    type Event = Event;

    fn poll_orders(&mut self, now: Now, outbox: &mut Outbox) {
        self.advance(now);
        for token in self.hang_up.drain(..) {
            outbox.push(Order::Close { token, how: CloseHow::Reset });
        }
        self.send_due(now, outbox);
        self.wake = self.next_wake(now.mono);
    }

    fn handle(&mut self, now: Now, inbound: &Inbound, octets: &Arena) {
        let matcher = |profile, lane| Matcher { signature: &self.signature, probes: &self.probes, profile, lane };
        match inbound {
            Inbound::Datagram(datagram) => {
                let Some(profile) = self.profile(datagram.lane) else { return };
                let matched = matcher(&profile, datagram.lane).datagram(datagram, octets);
                self.take(datagram.lane, matched, now.mono);
            }
            Inbound::Icmp(report) => {
                let Some(profile) = self.profile(report.lane) else { return };
                let matched = matcher(&profile, report.lane).report(report, octets);
                self.take(report.lane, matched, now.mono);
            }
            Inbound::Sent(sent) => {
                let probe = ProbeId::new(sent.token.get());
                let Some(entry) = self.probes.entry(probe) else { return };
                if let Some(watched) = self.watches.get_mut(&entry.trace) {
                    watched.watch.sent(probe, sent.departure());
                }
            }
            Inbound::Refused(refused) => self.refused(refused.token, refused.error, now.mono),
            Inbound::Control(control) => self.control(now, control),
            Inbound::Opened(opened) => self.connected(opened.token, opened.stamp),
            Inbound::Closed(closed) if closed.how == ClosedHow::Reset => self.connected(closed.token, closed.stamp),
            // What the kernel gives up or drops is unanswered like what the network drops; connections are not used.
            Inbound::Accepted(_)
            | Inbound::Data(_)
            | Inbound::Drained { .. }
            | Inbound::Closed(_)
            | Inbound::Dropped(_)
            | Inbound::Clock(_) => return,
        }
        // Whatever changed may have ended a report.
        self.wake = Some(Instant::ZERO);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.wake
    }

    fn handle_timeout(&mut self, now: Now) {
        self.advance(now);
        self.wake = self.next_wake(now.mono);
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn is_finished(&self) -> bool {
        self.queue.is_empty() && self.watches.is_empty()
    }
}
