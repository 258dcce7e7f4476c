//! One series: when its probes leave, and what becomes of those that nothing answers.

mod answer;
mod closing;
mod connection;
mod datagram;
mod held;
mod reflection;
mod responders;
mod waiting;

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::config::{Config, Pace, Subject};
use super::delays::Delays;
use super::event::{Event, SendFailed, SeriesId, Start};
use super::method::Method;
use super::probe::{Fate, Probe, token};
use super::summary::{Counts, State};
use crate::channel::{LaneId, OsError, Profile, Refused, Sent, Token};
use crate::engine::pace::{Slots, Window, flood_window};
use crate::engine::{Destination, Inflight, Named, Target};
use crate::metrics::{LossRuns, RttRecorder};
use crate::types::{Endpoint, Instant, IpEndpoint, Now, Port, ProbeId, Rtt, Sequence, Stamp, WallTime};
use crate::wire::payload::Cookie;

use connection::Connections;
pub(super) use connection::FollowUp;
pub(super) use datagram::Heard;
use held::Held;
use reflection::Reflections;
use responders::Responders;

/// Interval of an adaptive series before its first answer.
const FIRST_PATIENCE: Duration = Duration::from_secs(1);

/// A refused probe is not followed by the next at once: what refused it may need a moment.
const REFUSED_GAP: Duration = Duration::from_millis(10);

/// The same where there is no port left to connect from: they come back one by one, a minute after each was closed (TIME-WAIT).
const NO_PORT_GAP: Duration = Duration::from_millis(100);

/// Where events go, and what all series have in common.
pub(super) struct Context<'a> {
    pub(super) config: &'a Config,
    pub(super) now: Now,
    pub(super) events: &'a mut VecDeque<Event>,
    /// What is to be asked of the channel about connections.
    pub(super) orders: &'a mut VecDeque<FollowUp>,
}

/// Where the probes of a series go.
#[derive(Clone, Debug)]
pub(super) struct Route {
    pub(super) to: Endpoint,
    /// The source address its packets are to have, where the kernel alone would choose anew for each.
    pub(super) from: Option<IpAddr>,
    pub(super) lane: LaneId,
    pub(super) profile: Profile,
}

#[derive(Clone, Copy, Debug)]
enum Pacer {
    Slots(Slots),
    Window(Window),
    /// So many probes were asked for.
    Called(u64),
}

#[derive(Debug)]
pub(super) struct Series {
    id: SeriesId,
    target: Target,
    method: Method,
    cookie: Cookie,
    pub(super) counts: Counts,
    probes: Inflight<Probe>,
    /// All probes before this one are decided.
    undecided: ProbeId,
    /// Orders that the channel has neither carried out nor refused.
    unconfirmed: u64,
    start: Instant,
    pacer: Pacer,
    /// After a refusal: no probe before this.
    not_before: Instant,
    /// The last probe that was decided upon was refused: until one leaves they are tried one at a time.
    refused: bool,
    /// No more probes are wanted.
    stopped: bool,
    /// Its summary is written.
    closed: bool,
    first_sent: Option<Instant>,
    last_sent: Option<Instant>,
    last_packet: Option<Instant>,
    newest_sent: Option<ProbeId>,
    newest_replied: Option<ProbeId>,
    newest_answered: Option<ProbeId>,
    delays: Delays,
    /// Answers that wait for a stamp of their probes, in order of arrival.
    held: VecDeque<Held>,
    loss_runs: LossRuns,
    pipe: u64,
    connections: Connections,
    syn_retransmits: u64,
    /// Delays of what came back over connections.
    answers: RttRecorder,
    reflections: Option<Box<Reflections>>,
    /// Those who answered, where many can.
    responders: Option<Box<Responders>>,
    /// Whether the service was ever seen to be there, in time or not.
    seen_open: bool,
    /// Whether the last probe of a series that many answer has been waited for.
    lingered: bool,
    /// Whether replies are told, and not only counted.
    tells_replies: bool,
    /// Whether delays run from our own call to our own call.
    user_to_user: bool,
}

impl Series {
    pub(super) fn new(id: SeriesId, subject: Subject, cookie: Cookie) -> Self {
        Series {
            id,
            target: subject.target,
            method: subject.method,
            cookie,
            counts: Counts::default(),
            probes: Inflight::default(),
            undecided: ProbeId::FIRST,
            unconfirmed: 0,
            start: Instant::ZERO,
            pacer: Pacer::Window(Window::new(Duration::ZERO)),
            not_before: Instant::ZERO,
            refused: false,
            stopped: false,
            closed: false,
            first_sent: None,
            last_sent: None,
            last_packet: None,
            newest_sent: None,
            newest_replied: None,
            newest_answered: None,
            delays: Delays::default(),
            held: VecDeque::new(),
            loss_runs: LossRuns::default(),
            pipe: 0,
            connections: Connections::default(),
            syn_retransmits: 0,
            answers: RttRecorder::default(),
            reflections: None,
            responders: None,
            seen_open: false,
            lingered: false,
            tells_replies: true,
            user_to_user: false,
        }
    }

    /// The target as typed.
    pub(super) fn typed(&self) -> &str {
        &self.target.target
    }

    pub(super) fn cookie(&self) -> &Cookie {
        &self.cookie
    }

    /// Where its probes go; `None` if it cannot be probed.
    pub(super) fn route(&self) -> Option<Route> {
        match &self.target.destination {
            &Destination::Reachable { endpoint, source, lane, profile } => {
                Some(Route { to: Endpoint::Ip(endpoint), from: source, lane, profile })
            }
            &Destination::Local { ref path, lane, profile } => {
                Some(Route { to: Endpoint::Unix(path.clone()), from: None, lane, profile })
            }
            Destination::Unroutable { .. } | Destination::Unresolved => None,
        }
    }

    /// What is special about the sockets its probes leave by.
    fn profile(&self) -> Option<&Profile> {
        match &self.target.destination {
            Destination::Reachable { profile, .. } | Destination::Local { profile, .. } => Some(profile),
            Destination::Unroutable { .. } | Destination::Unresolved => None,
        }
    }

    fn can_be_probed(&self) -> bool {
        matches!(self.target.destination, Destination::Reachable { .. } | Destination::Local { .. })
    }

    fn endpoint(&self) -> Option<IpEndpoint> {
        match self.target.destination {
            Destination::Reachable { endpoint, .. } | Destination::Unroutable { endpoint } => Some(endpoint),
            Destination::Local { .. } | Destination::Unresolved => None,
        }
    }

    /// The target's address.
    pub(super) fn address(&self) -> Option<IpAddr> {
        self.endpoint().map(|endpoint| endpoint.address)
    }

    /// The target's port, where the method has ports.
    pub(super) fn port(&self) -> Option<u16> {
        self.endpoint().map(|endpoint| endpoint.port).filter(|&port| port != 0)
    }

    /// Our port in what a probe sends, as far as it is known.
    fn source_port(&self, id: ProbeId) -> Option<u16> {
        match (&self.method, &self.target.destination) {
            (Method::Udp(_) | Method::Stamp(_), Destination::Reachable { profile, .. }) => {
                Some(profile.ident.ident.get())
            }
            _ => self.connections.source_port(id),
        }
    }

    /// Whether many may answer one probe.
    pub(super) fn is_group(&self, config: &Config) -> bool {
        self.address().is_some_and(|target| match target {
            IpAddr::V4(target) => target.is_multicast() || target == Ipv4Addr::BROADCAST || config.broadcast,
            IpAddr::V6(target) => target.is_multicast(),
        })
    }

    /// Whether this responder is none that was asked. The kernel takes the unspecified address as this host.
    fn is_elsewhere(&self, responder: Option<IpAddr>, config: &Config) -> bool {
        let asked = self.address();
        asked != responder && !asked.is_some_and(|asked| asked.is_unspecified()) && !self.is_group(config)
    }

    /// Whether each probe is a connection, and from which port.
    pub(super) fn connects(&self) -> Option<Option<Port>> {
        self.method.connect().map(|connect| connect.source_port)
    }

    fn token(&self, id: ProbeId) -> Token {
        token(self.id.index() as u32, id)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(super) fn unconfirmed(&self) -> u64 {
        self.unconfirmed
    }

    /// Event of its beginning.
    pub(super) fn started(&self, config: &Config, time: WallTime) -> Event {
        let endpoint = self.endpoint();
        let (source, socket) = match &self.target.destination {
            Destination::Reachable { source, profile, .. } => (*source, Some(profile.socket)),
            Destination::Local { profile, .. } => (None, Some(profile.socket)),
            Destination::Unroutable { .. } | Destination::Unresolved => (None, None),
        };
        Event::Start(Box::new(Start {
            series: self.id,
            target: self.target.target.clone(),
            name: self.target.name.clone(),
            numeric: self.target.numeric,
            address: endpoint.map(|endpoint| endpoint.address),
            zone: endpoint.map_or(0, |endpoint| endpoint.zone),
            source,
            method: self.method.kind(),
            port: self.port(),
            socket,
            payload_octets: self.payload_octets(config),
            flow_label: config.flow_label,
            time,
        }))
    }

    /// Its first probe is due at `start`.
    pub(super) fn begin(&mut self, config: &Config, start: Instant) {
        self.start = start;
        self.tells_replies = config.report_replies;
        self.user_to_user = config.user_to_user;
        self.pacer = match config.pace {
            Pace::Fixed(interval) => Pacer::Slots(Slots::new(start, interval)),
            Pace::Adaptive { at_least } => Pacer::Window(Window::new(at_least)),
            Pace::Flood | Pace::Unpaced => Pacer::Window(Window::new(Duration::ZERO)),
            Pace::Called => Pacer::Called(0),
        };
    }

    /// The next probe is to leave now, if the pace leaves that to others.
    pub(super) fn call(&mut self) {
        if let Pacer::Called(called) = &mut self.pacer {
            *called += 1;
        }
    }

    /// No more probes; those that are open are waited for.
    pub(super) fn stop(&mut self) {
        self.stopped = true;
    }

    /// When its next probe is due, if there is to be one.
    pub(super) fn next_send(&self, config: &Config) -> Option<Instant> {
        if self.closed || self.is_done_sending(config) || !self.can_be_probed() {
            return None;
        }
        if self.refused && self.unconfirmed > 0 {
            return None;
        }
        let ordered = number(self.probes.newest());
        if ordered < u64::from(config.preload) && config.pace != Pace::Called {
            return Some(self.start.max(self.not_before));
        }
        let due = match &self.pacer {
            Pacer::Slots(slots) => slots.next(),
            Pacer::Window(window) => {
                let under_way = ordered.saturating_sub(number(self.newest_answered));
                let most = match config.pace {
                    Pace::Unpaced => u64::MAX,
                    Pace::Flood => flood_window(self.counts.received),
                    Pace::Adaptive { .. } | Pace::Fixed(_) | Pace::Called => 1,
                };
                let room = under_way < most.max(config.preload.into());
                let patience = match config.pace {
                    Pace::Adaptive { .. } => self.delays.ewma().map_or(FIRST_PATIENCE, Rtt::as_duration),
                    Pace::Fixed(_) | Pace::Flood | Pace::Unpaced | Pace::Called => Duration::ZERO,
                };
                window.next(self.start, room, patience)
            }
            Pacer::Called(called) if ordered < *called => self.start,
            Pacer::Called(_) => return None,
        };
        Some(due.max(self.not_before))
    }

    /// Takes the next probe's number and slot; `allowed` is when it could leave at the earliest.
    pub(super) fn order(&mut self, allowed: Instant, context: &mut Context<'_>) -> ProbeId {
        self.tell_unanswered(context);
        self.forget(context);
        let id = self.probes.push(Probe::ordered());
        self.unconfirmed += 1;
        match &mut self.pacer {
            // Probes sent at once at the start all use the first slot.
            Pacer::Slots(slots) if id.get() >= u64::from(context.config.preload) => {
                self.counts.skipped += slots.take(allowed, context.now.mono);
            }
            Pacer::Slots(_) | Pacer::Called(_) => {}
            Pacer::Window(window) => window.take(context.now.mono),
        }
        id
    }

    /// A probe left, or the kernel's stamps of one that left before are known now.
    pub(super) fn sent(&mut self, id: ProbeId, sent: &Sent, context: &mut Context<'_>) {
        let Some(probe) = self.probes.get_mut(id) else { return };
        if probe.fate == Fate::Ordered && self.method.connect().is_some() {
            self.connections.begin(id, sent.local.map(|local| local.port));
        }
        match probe.fate {
            Fate::Failed => {}
            Fate::Ordered => {
                probe.fate = Fate::Open;
                probe.leave(sent);
                self.refused = false;
                self.unconfirmed -= 1;
                self.counts.sent += 1;
                self.counts.pending += 1;
                let at = sent.stamp.user.mono;
                if let Pacer::Slots(slots) = &mut self.pacer
                    && id.get() >= u64::from(context.config.preload)
                {
                    self.counts.skipped += slots.left(at);
                }
                self.first_sent.get_or_insert(at);
                self.last_sent = self.last_sent.max(Some(at));
                self.last_packet = self.last_packet.max(Some(at));
                self.newest_sent = self.newest_sent.max(Some(id));
                if context.config.report_sent {
                    context.events.push_back(Event::Sent { series: self.id, probe: id });
                }
            }
            Fate::Open | Fate::Received(_) | Fate::Refused | Fate::Unreachable | Fate::Lost | Fate::LateAnswered => {
                probe.leave(sent);
                self.tell_ready(context.now.mono, context.events);
            }
        }
    }

    /// The kernel would not send a probe.
    pub(super) fn refused(&mut self, id: ProbeId, refused: &Refused, context: &mut Context<'_>) {
        let Some(probe) = self.probes.get_mut(id) else { return };
        if probe.fate != Fate::Ordered {
            return self.write_refused(id, context);
        }
        if refused.error == OsError::ECONNREFUSED && !matches!(self.method, Method::Icmp) {
            return self.refused_at_once(id, refused, context);
        }
        probe.fate = Fate::Failed;
        self.unconfirmed -= 1;
        self.counts.send_failed += 1;
        self.refused = true;
        let gap = if refused.error == OsError::EADDRNOTAVAIL { NO_PORT_GAP } else { REFUSED_GAP };
        self.not_before = context.now.mono + gap;
        context.events.push_back(Event::SendFailed(SendFailed {
            series: self.id,
            probe: id,
            at: context.now.wall,
            error: refused.error,
            mtu: refused.mtu,
        }));
        self.advance();
    }

    /// Nobody serves there, and the kernel knows that without waiting: local sockets.
    fn refused_at_once(&mut self, id: ProbeId, refused: &Refused, context: &mut Context<'_>) {
        let stamp = Stamp::user(context.now);
        self.sent(id, &Sent { token: refused.token, stamp, scheduled: None, local: None }, context);
        let refused = answer::Refused {
            state: State::Refused,
            failure: None,
            icmp: None,
            responder: self.address(),
            arrived: stamp,
            runs_to: None,
        };
        self.refuse(id, Fate::Open, &refused, context);
        self.connections.forget(id);
    }

    /// The newest probe, once there is one.
    pub(super) fn newest(&self) -> Option<ProbeId> {
        self.probes.newest()
    }

    /// What a 16-bit sequence names; a probe that never left is nothing.
    pub(super) fn named(&self, sequence: Sequence) -> Named {
        if self.closed {
            return Named::Forgotten;
        }
        match self.probes.with_sequence(sequence) {
            Named::Probe(id) if !self.probes.get(id).is_some_and(Probe::has_left) => Named::Nothing,
            named => named,
        }
    }

    /// Whether this probe is waited for.
    pub(super) fn is_open(&self, id: ProbeId) -> bool {
        self.probes.get(id).is_some_and(|probe| probe.fate == Fate::Open)
    }

    /// How many probes are remembered.
    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.probes.from(ProbeId::FIRST).count()
    }

    fn is_done_sending(&self, config: &Config) -> bool {
        let enough = config.count.is_some_and(|count| match config.deadline {
            Some(_) if config.pace != Pace::Called => self.counts.received >= count,
            _ => number(self.probes.newest()) >= count,
        });
        self.stopped || enough
    }

    /// Says that the last probe has no answer, if that is wanted.
    fn tell_unanswered(&self, context: &mut Context<'_>) {
        let newest = self.newest_sent.filter(|_| context.config.report_open);
        if let Some((id, probe)) = newest.and_then(|id| Some((id, self.probes.get(id)?)))
            && matches!(probe.fate, Fate::Open | Fate::Lost)
        {
            let sent = probe.sent().user.wall;
            context.events.push_back(Event::NoAnswerYet(self.unanswered(id, sent, context.now.wall)));
        }
    }
}

/// A probe that never left neither ends a run of losses nor is part of one.
fn count_run(runs: &mut LossRuns, fate: Fate) {
    if !matches!(fate, Fate::Failed | Fate::Ordered) {
        runs.record(matches!(fate, Fate::Lost | Fate::LateAnswered));
    }
}

fn number(id: Option<ProbeId>) -> u64 {
    id.map_or(0, ProbeId::get)
}
