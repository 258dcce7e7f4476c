//! Clients over datagrams: [`Datagrams`].

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;

use super::clients::{Clients, Room};
use super::config::{Config, Listener, ListenerKind};
use super::counters::Traffic;
use super::event::Ended;
use super::ledger::{Client, Context};
use super::limiter::Limiter;
use super::recurrence::{QUESTION_OCTETS, Watch};
use crate::channel::{Datagram, Header, LaneId, Order, Token, Transmit};
use crate::types::{ClockError, Endpoint, Family, Instant, IpEndpoint, Port, Ttl, WallTime};
use crate::wire::stamp::{self, ErrorEstimate, ReflectorPacket, SenderPacket, Timestamp};

/// Services that answer any datagram and so would loop with an echo service forever: echo, daytime, quote of the day, character
/// generator, time.
const CHATTY_PORTS: [u16; 5] = [7, 13, 17, 19, 37];
/// Most answers that may wait for the kernel, and their octets; further requests are not answered.
const MAX_WAITING: usize = 4096;
const MAX_WAITING_OCTETS: usize = 4 << 20;
/// Position of the length in a token, above the number of the listener.
const TOKEN_SHIFT: u32 = 32;
/// The token of questions, which is that of no listener.
const QUESTION: Token = Token::new(u32::MAX as u64);

/// All datagrams.
#[derive(Debug)]
pub(super) struct Datagrams {
    limiter: Limiter,
    /// Known clients.
    sessions: Clients<Key, Session>,
    /// Whether datagrams are answered.
    open: bool,
    stateful: bool,
    groups: BTreeSet<IpAddr>,
    broadcasts: BTreeSet<IpAddr>,
    /// Which listeners echo over UDP.
    echoes: Vec<usize>,
    askers: Vec<(Family, LaneId)>,
    watch: Watch<(usize, Peer)>,
    /// Source ports that are not answered.
    refused_ports: BTreeSet<u16>,
    /// Local sockets that are not answered: our own.
    own_paths: BTreeSet<Arc<Path>>,
    waiting_octets: usize,
    /// How far the wall clock may be off, where it is kept in step with UTC.
    clock_error: Option<ClockError>,
}

/// A client: listener, address, and for STAMP the session identifier (RFC 8972 §3).
type Key = (usize, Peer, u16);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Peer {
    Ip(IpAddr, Option<NonZeroU32>, Option<Port>),
    Unix(Arc<Path>),
}

impl Peer {
    fn of(endpoint: &Endpoint) -> Self {
        match endpoint {
            Endpoint::Ip(IpEndpoint { address, zone, port }) => Peer::Ip(*address, *zone, *port),
            Endpoint::Unix(path) => Peer::Unix(Arc::clone(path)),
        }
    }
}

#[derive(Debug)]
struct Session {
    client: Client,
    /// Number of its next answer, where answers are numbered.
    sequence: u32,
}

impl Datagrams {
    pub(super) fn new(config: &Config) -> Self {
        let mut refused_ports = BTreeSet::from(CHATTY_PORTS);
        // No sender has port 0, so an answer could not arrive.
        refused_ports.insert(0);
        let datagrams = |listener: &&Listener| matches!(listener.service, ListenerKind::Udp | ListenerKind::Stamp);
        let own = config.listeners.iter().filter(datagrams).filter_map(|listener| listener.at.ip());
        refused_ports.extend(own.map(|endpoint| endpoint.port_number()));
        let own_paths = config.listeners.iter().filter_map(|listener| match &listener.at {
            Endpoint::Unix(path) => Some(Arc::clone(path)),
            Endpoint::Ip(_) => None,
        });
        let echoes = (0..).zip(&config.listeners).filter(|(_, listener)| listener.service == ListenerKind::Udp);
        Datagrams {
            limiter: Limiter::new(config.rate),
            sessions: Clients::new(config.max_sessions, config.idle),
            open: true,
            stateful: config.stateful,
            groups: config.groups.iter().copied().collect(),
            broadcasts: config.broadcasts.iter().copied().collect(),
            echoes: echoes.map(|(listener, _)| listener).collect(),
            askers: config.askers.clone(),
            watch: Watch::new(config.seed, config.idle),
            refused_ports,
            own_paths: own_paths.collect(),
            waiting_octets: 0,
            clock_error: None,
        }
    }

    /// Number of known clients.
    pub(super) fn len(&self) -> usize {
        self.sessions.len()
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        self.sessions.next_due()
    }

    /// Stops answering: a replacement may take over the sockets.
    pub(super) fn stop(&mut self) {
        self.open = false;
    }

    /// Sets the wall clock's error.
    pub(super) fn clock_is(&mut self, error: Option<ClockError>) {
        self.clock_error = error;
    }

    /// The waiting answers were handed over.
    pub(super) fn ordered(&mut self) {
        self.waiting_octets = 0;
    }

    /// Answers a datagram, or counts the reason for not answering.
    pub(super) fn handle(
        &mut self,
        datagram: &Datagram,
        octets: &[u8],
        (listener, service): (usize, ListenerKind),
        context: &mut Context<'_>,
    ) {
        let length = octets.len() as u64;
        context.ledger.count(listener, |counters| {
            counters.received_packets += 1;
            counters.received_octets += length;
        });
        let answer = match service {
            ListenerKind::Stamp => stamp::parse_sender(octets).ok().map(Answer::Stamp),
            _ => Some(Answer::Echo),
        };
        let Some(answer) = answer.filter(|_| !datagram.cut) else {
            return context.ledger.count(listener, |counters| counters.refused_malformed += 1);
        };
        if !self.may_be_answered(datagram, octets, listener, context.now.mono) {
            return context.ledger.count(listener, |counters| counters.refused_source += 1);
        }
        if context.orders.len() >= MAX_WAITING || self.waiting_octets + octets.len() > MAX_WAITING_OCTETS {
            return context.ledger.count(listener, |counters| counters.refused_busy += 1);
        }
        let address = datagram.from.ip().map(|from| from.address);
        if address.is_some_and(|address| !self.limiter.admits(address, context.now.mono)) {
            return context.ledger.count(listener, |counters| counters.refused_rate += 1);
        }
        let numbered = self.stateful && service == ListenerKind::Stamp;
        // An unknown client gets an answer only where that needs no state.
        let open = self.open;
        let session = if open { self.session(datagram, listener, &answer, context) } else { None };
        if (numbered || !open) && session.is_none() {
            return context.ledger.count(listener, |counters| counters.refused_full += 1);
        }
        let sequence = session.map(|session| session.next(length)).filter(|_| numbered);
        context.ledger.count(listener, |counters| {
            counters.sent_packets += 1;
            counters.sent_octets += length;
        });
        self.waiting_octets += octets.len();
        let answer = context.orders.store(|out| match answer {
            Answer::Echo => out.extend_from_slice(octets),
            Answer::Stamp(packet) => {
                let clock = (context.now.wall, self.clock_error);
                reflect(&packet, sequence, datagram, octets, clock, out);
            }
        });
        context.orders.push(Order::Send(Transmit {
            lane: datagram.lane,
            token: Token::new((length << TOKEN_SHIFT) | listener as u64),
            to: datagram.from.clone(),
            flow: datagram.flow,
            header: Header { from: self.unicast(datagram.to), ..Header::default() },
            octets: answer,
        }));
        if service == ListenerKind::Udp
            && let Some(question) = self.watch.came(&(listener, Peer::of(&datagram.from)), octets, context.now.mono)
        {
            self.ask(question, datagram, context);
        }
    }

    /// Ends the sessions that were idle for too long.
    pub(super) fn expire(&mut self, context: &mut Context<'_>) {
        while let Some((_, session)) = self.sessions.pop_expired(context.now.mono) {
            context.ledger.end(session.client, Ended::Idle, context.now);
        }
    }

    /// Ends all sessions.
    pub(super) fn end(&mut self, context: &mut Context<'_>) {
        while let Some((_, session)) = self.sessions.pop() {
            context.ledger.end(session.client, Ended::Shutdown, context.now);
        }
    }

    /// Takes the answer to a question.
    pub(super) fn answered(&mut self, datagram: &Datagram, octets: &[u8]) {
        for &listener in &self.echoes {
            self.watch.answered(&(listener, Peer::of(&datagram.from)), octets);
        }
    }

    /// Asks a client whether it is a responder.
    fn ask(&mut self, question: [u8; QUESTION_OCTETS], datagram: &Datagram, context: &mut Context<'_>) {
        let Some(from) = datagram.from.ip() else { return };
        let asker = self.askers.iter().find(|(family, _)| *family == from.family());
        if let Some(&(_, lane)) = asker {
            // A loop leaves nothing of its share, and must be asked all the same.
            self.limiter.charge(from.address, context.now.mono);
            self.waiting_octets += QUESTION_OCTETS;
            let octets = context.orders.store(|out| out.extend_from_slice(&question));
            let header = Header { from: self.unicast(datagram.to), ..Header::default() };
            let to = datagram.from.clone();
            context.orders.push(Order::Send(Transmit { lane, token: QUESTION, to, flow: 0, header, octets }));
        }
    }

    /// The address to send from to a client that sent to this one: the same, or the client would not know the answer for one.
    fn unicast(&self, to: Option<IpAddr>) -> Option<IpAddr> {
        to.filter(|to| self.is_one_hosts(*to))
    }

    /// Whether an address can be that of one host: neither unspecified nor multicast, nor broadcast or reserved.
    fn is_one_hosts(&self, address: IpAddr) -> bool {
        let can_be = match address {
            IpAddr::V4(address) => (1..224).contains(&address.octets()[0]),
            IpAddr::V6(address) => !address.is_unspecified() && !address.is_multicast(),
        };
        can_be && !self.broadcasts.contains(&address)
    }

    /// Whether an answer would reach a single client and cause no loop.
    fn may_be_answered(&mut self, datagram: &Datagram, octets: &[u8], listener: usize, now: Instant) -> bool {
        match &datagram.from {
            Endpoint::Ip(from) => {
                self.is_one_hosts(from.address)
                    && !self.refused_ports.contains(&from.port_number())
                    && datagram.to.is_none_or(|to| self.is_one_hosts(to) || self.groups.contains(&to))
                    && !stamp::is_reflected(octets)
                    && !self.watch.is_responder(&(listener, Peer::of(&datagram.from)), now)
            }
            // A socket without a name cannot be sent to.
            Endpoint::Unix(path) => !path.as_os_str().is_empty() && !self.own_paths.contains(path),
        }
    }

    /// The session this datagram belongs to, begun if it is the first; `None` where there is no room for another.
    fn session(
        &mut self,
        datagram: &Datagram,
        listener: usize,
        answer: &Answer,
        context: &mut Context<'_>,
    ) -> Option<&mut Session> {
        let ssid = match answer {
            Answer::Echo => 0,
            Answer::Stamp(packet) => packet.ssid,
        };
        let key = (listener, Peer::of(&datagram.from), ssid);
        if self.sessions.get_mut(&key).is_none() {
            match self.sessions.make_room(&datagram.from) {
                Room::Free => {}
                Room::InPlaceOf(_, displaced) => context.ledger.end(displaced.client, Ended::Displaced, context.now),
                Room::None => return None,
            }
            let traffic = Traffic { received_packets: Some(0), sent_packets: Some(0), ..Traffic::default() };
            let client = context.ledger.start(listener, datagram.from.clone(), traffic, context.now);
            let session = Session { client, sequence: 0 };
            self.sessions.insert(&datagram.from, key.clone(), session, context.now.mono);
        }
        self.sessions.touch(&key, context.now.mono)
    }
}

/// The listener and the length of the answer that this token belongs to.
pub(super) const fn of_token(token: Token) -> (usize, u64) {
    ((token.get() & ((1 << TOKEN_SHIFT) - 1)) as usize, token.get() >> TOKEN_SHIFT)
}

/// The kind of answer.
enum Answer {
    Echo,
    Stamp(SenderPacket),
}

impl Session {
    /// Counts a request of `length` octets and its answer, and returns the answer's number.
    fn next(&mut self, length: u64) -> u32 {
        let traffic = &mut self.client.traffic;
        traffic.received_packets = traffic.received_packets.map(|count| count + 1);
        traffic.sent_packets = traffic.sent_packets.map(|count| count + 1);
        traffic.received_octets += length;
        traffic.sent_octets += length;
        let sequence = self.sequence;
        self.sequence = sequence.wrapping_add(1);
        sequence
    }
}

/// Appends the session reflector's answer, as long as the request (RFC 8762 §4.3): what follows the base packet, padding or
/// extensions, goes back as it came, which for an extension says that it was not understood (RFC 8972 §4).
fn reflect(
    packet: &SenderPacket,
    sequence: Option<u32>,
    datagram: &Datagram,
    request: &[u8],
    (now, clock_error): (WallTime, Option<ClockError>),
    out: &mut Vec<u8>,
) {
    let received = datagram.stamp.kernel.unwrap_or(datagram.stamp.user.wall);
    let left = now.max(received);
    let answer = ReflectorPacket {
        sequence: sequence.unwrap_or(packet.sequence),
        timestamp: Timestamp::ntp(left),
        error: ErrorEstimate::of(clock_error, left),
        ssid: packet.ssid,
        received: Timestamp::ntp(received),
        sender_sequence: packet.sequence,
        sender_timestamp: packet.timestamp,
        sender_error: packet.error,
        // RFC 8762 §4.3.1: 255 where it is unknown.
        sender_ttl: datagram.reply_ttl.unwrap_or(Ttl::MAX),
    };
    stamp::push_reflector(&answer, out);
    out.extend_from_slice(request.get(stamp::PACKET_OCTETS..).unwrap_or_default());
}
