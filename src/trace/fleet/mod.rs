//! What every machine over paths shares, one trace or watched path per subject: [`Fleet`].

pub(super) mod names;
pub(super) mod probes;
pub(super) mod route;
pub(super) mod work;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;

use self::names::Names;
use self::probes::{ByNumber, Entry, ProbeTable, SentFields};
use self::route::Route;
use super::config::{Config, Ports};
use super::ends::{Began, StopReason};
use super::event::Event;
use super::identify::flow;
use super::identify::matching::{Match, Matcher, connected};
use super::identify::signature::Signature;
use super::path::hop::Arrival;
use crate::channel::{
    Arena, CloseHow, ClosedHow, Control, Inbound, LaneId, Order, OsError, Outbox, Profile, Protocol, RunChange, Token,
};
use crate::engine::outcome::{MethodKind, Outcome, Pace, Payload, Refusal, Spec, Subject, SubjectId, Wait};
use crate::engine::pace::Cap;
use crate::engine::{Destination, Target, delay};
use crate::types::{Family, Instant, IpEndpoint, Mtu, Now, ProbeId, Stamp};

/// Probes that leave per turn before answers are read: a receive buffer holds a few hundred, and what belongs to so many traces is still
/// in the caches when their answers are.
pub(super) const BATCH: usize = 32;

/// The largest packet there can be without a jumbo payload (RFC 791 §3.1, RFC 8200 §3).
pub(super) const fn largest(family: Family) -> usize {
    match family {
        Family::V4 => 65_535,
        Family::V6 => 65_575,
    }
}

/// The event about a subject that ends before it has sent anything.
type Unsent = fn(Began, StopReason) -> Event;

/// Subjects and their routes, the probes on record, names, matching and limits. The machines keep what differs.
#[derive(Debug)]
pub(super) struct Fleet {
    pub config: Config,
    signature: Signature,
    pub probes: ProbeTable,
    pub names: Names,
    pub events: VecDeque<Event>,
    /// Subjects that have not begun, by index, in argument order.
    pub queue: VecDeque<SubjectId>,
    /// The routes of the subjects under way.
    pub routes: ByNumber<usize, Route>,
    unsent: Unsent,
    /// When probes leave, as subjects state it.
    pub pace: Pace,
    /// The largest packet of a path MTU search, where there is one.
    search_limit: Option<usize>,
    specs: Vec<Arc<Spec>>,
    /// The rate of all subjects together.
    cap: Option<Cap>,
    payload: Vec<u8>,
    /// Connections that are of no more use.
    hang_up: Vec<Token>,
    /// Whether orders about them were given just now: a run is not over before they are carried out.
    hanging_up: bool,
}

/// Something that arrived, by what it means to a machine.
pub(super) enum Arrived {
    /// An answer to a probe on record.
    Answer(ProbeId, Entry, Box<Arrival>),
    /// An answer of the target of this subject itself, which does not show what it answers.
    Unnamed(usize, Box<Arrival>),
    /// An ICMP error that quotes too little to show which probe it is about.
    Unmatched(LaneId, IpAddr),
    /// A probe left.
    Sent(ProbeId, Entry, Stamp),
    /// The kernel refused a probe, which is off the record.
    Refused(ProbeId, Entry, OsError, Option<Mtu>),
    /// Names or origins became known.
    Named,
    /// The run ends at once; nothing else begins.
    Interrupt,
    /// Nothing more is to be sent; nothing else begins.
    Stop,
    /// Progress is asked for.
    Interim,
    /// The user changes the run.
    Changed(RunChange),
}

impl Fleet {
    /// The subjects of `config`, each of which ends by `unsent` if it never begins. The first probe has a number after `last`.
    pub fn new(config: Config, unsent: Unsent) -> Fleet {
        Fleet {
            signature: Signature::new(&config),
            probes: ProbeTable::default(),
            names: Names::new(config.names, config.origins.clone()),
            events: VecDeque::new(),
            queue: (0..id(config.targets.len().saturating_mul(config.flows_per_target())).get())
                .map(SubjectId::new)
                .collect(),
            routes: ByNumber::default(),
            unsent,
            pace: Pace::Called,
            search_limit: None,
            specs: Vec::new(),
            cap: config.rate.and_then(|rate| Cap::new(Instant::ZERO, rate)),
            payload: Vec::new(),
            hang_up: Vec::new(),
            hanging_up: false,
            config,
        }
    }

    /// The same subjects for a path MTU search after their traces: none is queued, its numbers follow `last`, and its signature
    /// is another, so that late answers of the traces are none to the search.
    pub fn for_search(config: Config, last: ProbeId) -> Fleet {
        let config = Config { seed: config.seed ^ last.get(), rate: None, ..config };
        let probes = ProbeTable::after(last);
        Fleet { queue: VecDeque::new(), probes, ..Fleet::new(config, super::event::Event::unsent_trace) }
    }

    /// Subjects state the largest packet of their search, up to `limit`, as the size of their packets.
    pub fn set_search_limit(&mut self, limit: Option<usize>) {
        self.search_limit = Some(limit.unwrap_or(usize::MAX));
    }

    /// The size of the probes over a lane with this profile, and the largest packet of a search over it.
    pub fn sizes(&self, profile: &Profile) -> (usize, usize) {
        let whole = self.signature.whole_octets(profile);
        (whole, self.search_limit.map_or(whole, |limit| limit.min(largest(profile.family)).max(whole)))
    }

    /// Begins the first queued subject that `may_begin`; those that cannot be probed end at once.
    pub fn begin_next(
        &mut self,
        now: Now,
        may_begin: impl Fn(&Fleet, usize, &Route) -> bool,
    ) -> Option<(usize, Began, Route)> {
        loop {
            // The route of the one that is found, so that it need not be made twice.
            let mut found = None;
            let ready = |id: &SubjectId| {
                found = Route::of_trace(&self.config, id.index());
                found.is_none_or(|route| may_begin(self, id.index(), &route))
            };
            let at = self.queue.iter().position(ready)?;
            let index = self.queue.remove(at)?.index();
            let Some(route) = found else {
                self.end_unsent(index, StopReason::SendFailed, now);
                continue;
            };
            let began = self.emit_began(index, now)?;
            self.open(index, route);
            return Some((index, began, route));
        }
    }

    /// Begins a subject that is none of the run's, under a number that is free; `None` if it cannot be probed.
    pub fn begin_another(&mut self, target: Target, now: Now) -> Option<(usize, Began, Route)> {
        let taken = |index: &usize| self.routes.contains_key(index) || self.queue.contains(&id(*index));
        let index = (0..self.config.targets.len()).find(|index| !taken(index)).unwrap_or(self.config.targets.len());
        match self.config.targets.get_mut(index) {
            Some(place) => *place = target,
            None => self.config.targets.push(target),
        }
        let route = Route::of_trace(&self.config, index)?;
        let began = self.emit_began(index, now)?;
        self.open(index, route);
        Some((index, began, route))
    }

    /// Subject number `index` is under way.
    pub fn open(&mut self, index: usize, route: Route) {
        // Where nothing but its flow identifies a probe, each in flight has one for itself.
        if route.lacks_numbers() && matches!(self.config.ports, Ports::Fixed(_)) {
            self.probes.limit_flows(route.lane, route.profile.max_open);
        }
        self.routes.insert(index, route);
    }

    /// Subject number `index` is over: its probes are forgotten and its connections hung up.
    pub fn close(&mut self, index: usize) {
        let probes = self.probes.close(index);
        if self.routes.remove(&index).is_some_and(|route| route.profile.connects()) {
            self.hang_up.extend(probes.into_iter().map(|probe| Token::new(probe.get())));
        }
    }

    fn emit_began(&mut self, index: usize, now: Now) -> Option<Began> {
        let subject = Arc::new(self.subject(index)?);
        let began = Began { subject, max_ttl: self.config.max_ttl, time: now.wall };
        self.events.push_back(Event::Began(began.clone()));
        Some(began)
    }

    fn end_unsent(&mut self, index: usize, reason: StopReason, now: Now) {
        if let Some(began) = self.emit_began(index, now) {
            self.events.push_back((self.unsent)(began, reason));
        }
    }

    fn subject(&mut self, index: usize) -> Option<Subject> {
        let (target, offset) = self.config.of_trace(index)?;
        let profile = match &target.destination {
            Destination::Reachable { profile, .. } => Some(profile),
            _ => None,
        };
        // A target that cannot be probed would have been probed as the first is that can.
        let mut routes = self.config.targets.iter().filter_map(|target| Route::of(&self.config, target, 0));
        let protocol =
            profile.map(|profile| profile.protocol).or_else(|| routes.next().map(|route| route.profile.protocol));
        let method = match protocol {
            Some(Protocol::Udp) => MethodKind::Udp,
            Some(Protocol::Tcp) => MethodKind::Tcp,
            Some(Protocol::Icmp | Protocol::Unix) | None => MethodKind::Icmp,
        };
        let octets = profile.map_or(0, |profile| {
            let (whole, stated) = self.sizes(profile);
            stated - (whole - self.signature.payload_octets(profile))
        });
        let number = self.config.flow.saturating_add(offset);
        let own = match target.destination {
            Destination::Reachable { endpoint, .. } => self.ports(endpoint),
            _ => self.config.ports,
        };
        let port = matches!(method, MethodKind::Udp | MethodKind::Tcp).then(|| flow::port(own, 0));
        let spec = self.spec(octets);
        let (target, _) = self.config.of_trace(index)?;
        Some(Subject { port, flow: Some(number), ..Subject::new(id(index), target, method, spec) })
    }

    /// The spec of probes with a payload of this size. Equal subjects share one.
    fn spec(&mut self, octets: usize) -> Arc<Spec> {
        if let Some(known) = self.specs.iter().find(|spec| spec.payload.octets == octets) {
            return Arc::clone(known);
        }
        let wait = self.config.wait.map_or(Wait::Default, |wait| Wait::Exactly(wait.max));
        let payload = Payload { octets, ..Payload::default() };
        let spec = Arc::new(Spec { pace: self.pace, wait, payload, ..Spec::default() });
        self.specs.push(Arc::clone(&spec));
        spec
    }

    /// Whether a probe may leave now, which is counted then. Gives when the next of any subject may, if that is later.
    pub fn may_send(&mut self, now: Now, outbox: &Outbox) -> Option<Instant> {
        let full = (outbox.len() >= BATCH).then_some(now.mono);
        let held = full.or_else(|| self.cap.map(|cap| cap.next()).filter(|&next| next > now.mono));
        if let (Some(cap), None) = (&mut self.cap, held) {
            cap.take(now.mono);
        }
        held
    }

    /// Whether a rate is asked for.
    pub fn is_capped(&self) -> bool {
        self.cap.is_some()
    }

    /// When the rate allows the next probe.
    pub fn allowed(&self, now: Instant) -> Instant {
        self.cap.map_or(now, |cap| cap.next().max(now))
    }

    /// The lane's flow for the next probe over this route; `None` while each is held by a probe in flight.
    pub fn next_flow(&self, route: &Route) -> Option<u16> {
        let limited = self.probes.limits_flows(route.lane);
        if limited { self.probes.next_flow(route.lane) } else { Some(route.source_flow) }
    }

    /// Probes of this lane that are given up leave their flows to others, where flows are limited.
    pub fn give_up(&mut self, lane: LaneId, probes: impl Iterator<Item = ProbeId>) {
        if self.probes.limits_flows(lane) {
            probes.for_each(|probe| self.probes.give_up_flow(probe));
        }
    }

    /// Orders a probe for slot `slot` of the hop at `ttl` of subject number `index`, the `number`th of that subject, over `flow`,
    /// in a packet of `octets` where that is not the run's size, and puts it on record.
    pub fn order(
        &mut self,
        route: &Route,
        (index, ttl, slot): (usize, u8, usize),
        (number, flow): (u32, u16),
        octets: Option<usize>,
        outbox: &mut Outbox,
    ) -> ProbeId {
        let packet_octets = octets.or(self.signature.packet_octets);
        let signature = Signature { packet_octets, ..self.signature };
        let port = match route.profile.protocol {
            Protocol::Udp | Protocol::Tcp => flow::port(self.ports(route.target), number),
            _ => 0,
        };
        let probe = self.probes.next_number(|probe| signature.keys.are_usable(probe));
        let constant = Some(route.checksum).filter(|_| signature.balances(&route.profile));
        let fields = signature.keys.fields(&route.profile, probe, flow, constant);
        let sent = SentFields { source: route.source, ..fields };
        let destination = route.target.address;
        let entry = Entry { trace: index, ttl, slot, lane: route.lane, destination, port, flow, sent, open: true };
        self.probes.record(probe, entry);
        self.payload.clear();
        signature.push_payload(&route.profile, probe, &mut self.payload);
        route.send(probe, &entry, &self.payload, outbox);
        probe
    }

    /// `probe` has its answer from `responder`.
    pub fn answered(&mut self, probe: ProbeId, responder: IpAddr) {
        self.probes.answered(probe);
        if self.names.want(responder) {
            self.events.push_back(Event::NameWanted(responder));
        }
    }

    /// Nothing more is expected for these probes of this route.
    pub fn forget(&mut self, route: &Route, probes: &[ProbeId]) {
        for &probe in probes {
            self.probes.remove(probe);
            self.hang_up(route, probe);
        }
    }

    /// The connection of `probe`, if it is one, is of no more use.
    pub fn hang_up(&mut self, route: &Route, probe: ProbeId) {
        if route.profile.connects() {
            self.hang_up.push(Token::new(probe.get()));
        }
    }

    /// Closes the connections that are of no more use.
    pub fn poll_hang_ups(&mut self, outbox: &mut Outbox) {
        self.hanging_up = !self.hang_up.is_empty();
        for token in self.hang_up.drain(..) {
            outbox.push(Order::Close { token, how: CloseHow::Reset });
        }
    }

    /// Whether connections are still to be closed.
    pub fn is_hanging_up(&self) -> bool {
        self.hanging_up || !self.hang_up.is_empty()
    }

    /// Whether every subject has begun, and none is under way.
    pub fn is_finished(&self) -> bool {
        self.queue.is_empty() && self.routes.is_empty() && !self.is_hanging_up()
    }

    /// What `inbound` means to a machine; `None` if nothing.
    pub fn arrived(&mut self, now: Now, inbound: &Inbound, octets: &Arena) -> Option<Arrived> {
        match inbound {
            Inbound::Datagram(datagram) => self.matched(datagram.lane, |matcher| matcher.datagram(datagram, octets)),
            Inbound::Icmp(notice) => self.matched(notice.lane, |matcher| matcher.notice(notice, octets)),
            Inbound::Sent(sent) => {
                let probe = ProbeId::new(sent.token.get());
                Some(Arrived::Sent(probe, *self.probes.entry(probe)?, sent.departure()))
            }
            Inbound::Refused(refused) => {
                let probe = ProbeId::new(refused.token.get());
                Some(Arrived::Refused(probe, self.probes.remove(probe)?, refused.error, refused.mtu))
            }
            // A probe is one SYN: an answer to a repetition has no delay, and is none.
            Inbound::Opened(opened) if delay::answers_first_syn(opened, opened.handshake.unwrap_or_default()) => {
                self.connection(opened.token, opened.stamp, connected())
            }
            Inbound::Closed(closed) if closed.how == ClosedHow::Reset => {
                self.connection(closed.token, closed.stamp, Outcome::Refused(Refusal::Reset))
            }
            Inbound::Control(control) => self.control(now, control),
            // What the kernel gives up or drops is unanswered like what the network drops; connections are not used.
            Inbound::Accepted(_)
            | Inbound::Data(_)
            | Inbound::Drained { .. }
            | Inbound::Opened(_)
            | Inbound::Closed(_)
            | Inbound::Dropped(_)
            | Inbound::Recreated(_)
            | Inbound::Clock(_)
            | Inbound::Neighbour { .. } => None,
        }
    }

    fn matched(&self, lane: LaneId, find: impl FnOnce(&Matcher<'_>) -> Match) -> Option<Arrived> {
        let profile = &self.routes.values().find(|route| route.lane == lane)?.profile;
        match find(&Matcher { signature: &self.signature, probes: &self.probes, profile, lane }) {
            Match::Answer(probe, arrival) => Some(Arrived::Answer(probe, *self.probes.entry(probe)?, arrival)),
            Match::Unnamed(from, arrival) => Some(Arrived::Unnamed(self.target(lane, from)?, arrival)),
            Match::Unmatched(responder) => Some(Arrived::Unmatched(lane, responder)),
            Match::Foreign => None,
        }
    }

    /// The destination ports of probes: that of the target, if it has one of its own.
    fn ports(&self, target: IpEndpoint) -> Ports {
        target.port.map_or(self.config.ports, Ports::Fixed)
    }

    /// The subject whose target this is.
    fn target(&self, lane: LaneId, from: IpEndpoint) -> Option<usize> {
        let at = (lane, from.address, from.port_number());
        let port = |route: &Route| flow::port(self.ports(route.target), 0);
        let is_target = |route: &Route| (route.lane, route.target.address, port(route)) == at;
        self.routes.iter().filter(|(_, route)| is_target(route)).map(|(&index, _)| index).min()
    }

    /// The target took the connection of a probe, or refused it.
    fn connection(&self, token: Token, stamp: Stamp, outcome: Outcome) -> Option<Arrived> {
        let probe = ProbeId::new(token.get());
        let entry = *self.probes.entry(probe)?;
        Some(Arrived::Answer(probe, entry, Box::new(Arrival::new(entry.destination, stamp, outcome))))
    }

    fn control(&mut self, now: Now, control: &Control) -> Option<Arrived> {
        match control {
            Control::Interrupt | Control::Terminate => {
                self.drop_queue(now);
                Some(Arrived::Interrupt)
            }
            Control::Stop => {
                self.drop_queue(now);
                Some(Arrived::Stop)
            }
            Control::Name(answer) => {
                self.names.answer(answer);
                Some(Arrived::Named)
            }
            Control::Origin(answer) => {
                self.names.answer_origin(answer);
                Some(Arrived::Named)
            }
            Control::AsName(answer) => {
                self.names.answer_as_name(answer);
                Some(Arrived::Named)
            }
            Control::Interim => Some(Arrived::Interim),
            &Control::Change(change) => Some(Arrived::Changed(change)),
            // The targets are known from the start.
            Control::Add { .. } | Control::Remove { .. } | Control::Supplied | Control::Address(_) => None,
        }
    }

    /// Ends the subjects that will not begin any more.
    fn drop_queue(&mut self, now: Now) {
        for index in std::mem::take(&mut self.queue).into_iter().map(SubjectId::index) {
            let possible = Route::of_trace(&self.config, index).is_some();
            self.end_unsent(index, if possible { StopReason::Interrupted } else { StopReason::SendFailed }, now);
        }
    }
}

/// A run has fewer subjects than a u32 can count: each target is a line of text in memory.
fn id(index: usize) -> SubjectId {
    SubjectId::new(u32::try_from(index).unwrap_or(u32::MAX))
}
