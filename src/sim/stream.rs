//! TCP as far as probing needs it: the handshake as packets, and what follows as octets with the handshake's delay.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::fabric::Fabric;
use super::inlet::{Arrived, Ready};
use super::lane::{self, Failed, Lane, Outgoing, Sockets, take};
use super::packet::{self, field16};
use crate::channel::{Closed, ClosedHow, Data, Inbound, LaneId, Layer, Open, Opened, OsError, Span, Token};
use crate::types::{Instant, IpEndpoint, Port, Stamp};

/// Octets of a segment without options and data.
const SEGMENT_OCTETS: usize = 20;
/// When the kernel repeats a SYN, and how long after that it gives up (RFC 6298 §2, TCP_SYNCNT 1).
const SYN_TIMEOUTS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(2)];
/// The first source port the kernel chooses.
const FIRST_PORT: u16 = 50_001;

/// Octets that may wait behind others that already do.
const MAX_UNSENT_OCTETS: usize = 256 * 1024;

/// What listens at the other end of a connection.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Peer {
    greeting: Vec<u8>,
    reaction: Reaction,
    takes: Option<(usize, Duration)>,
    ends: Option<(End, ClosedHow)>,
}

#[derive(Clone, Debug, Default, PartialEq)]
enum Reaction {
    #[default]
    Nothing,
    Echo,
    /// Once, to the first octets.
    Answer(Vec<u8>),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    /// This long after the handshake.
    Time(Duration),
    /// When it has this many octets.
    Octets(usize),
}

impl Peer {
    /// Takes what comes and says nothing.
    pub fn silent() -> Self {
        Peer::default()
    }

    /// Sends back what it gets.
    pub fn echo() -> Self {
        Peer { reaction: Reaction::Echo, ..Peer::default() }
    }

    /// Answers the first octets with this.
    pub fn answer(octets: impl Into<Vec<u8>>) -> Self {
        Peer { reaction: Reaction::Answer(octets.into()), ..Peer::default() }
    }

    /// Says this first.
    pub fn greeting(self, octets: impl Into<Vec<u8>>) -> Self {
        Peer { greeting: octets.into(), ..self }
    }

    /// Takes a write in parts of at most `octets`, one each `period`.
    pub fn takes(self, octets: usize, period: Duration) -> Self {
        Peer { takes: Some((octets.max(1), period)), ..self }
    }

    /// Ends the connection this long after the handshake.
    pub fn ends_after(self, time: Duration, how: ClosedHow) -> Self {
        Peer { ends: Some((End::Time(time), how)), ..self }
    }

    /// Ends the connection, behind its reaction, when it has got this many octets.
    pub fn ends_after_octets(self, octets: usize, how: ClosedHow) -> Self {
        Peer { ends: Some((End::Octets(octets), how)), ..self }
    }
}

/// The flags of a segment, as far as the handshake has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flags {
    Syn,
    SynAck,
    Rst,
}

/// The ports of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ports {
    pub(super) source: u16,
    pub(super) destination: u16,
}

/// A segment without data that acknowledges the octets before `acknowledged`; its checksum comes later.
pub(super) fn segment(source_port: u16, destination_port: u16, flags: Flags, acknowledged: u32) -> Vec<u8> {
    let bits = match flags {
        Flags::Syn => 0x02,
        Flags::SynAck => 0x12,
        Flags::Rst => 0x14,
    };
    let mut octets = Vec::with_capacity(SEGMENT_OCTETS);
    octets.extend_from_slice(&source_port.to_be_bytes());
    octets.extend_from_slice(&destination_port.to_be_bytes());
    octets.extend_from_slice(&[0; 4]);
    octets.extend_from_slice(&acknowledged.to_be_bytes());
    octets.extend_from_slice(&[(SEGMENT_OCTETS / 4 * 16) as u8, bits, 0xff, 0xff]);
    octets.resize(SEGMENT_OCTETS, 0);
    octets
}

pub(super) fn ports(segment: &[u8]) -> Option<Ports> {
    Some(Ports { source: field16(segment, 0)?, destination: field16(segment, 2)? })
}

/// What the answer to this SYN acknowledges: a refusal all of it (RFC 9293 §3.10.7.1), an acceptance not what lies behind it.
pub(super) fn acknowledged(syn: &[u8], answer: Flags) -> u32 {
    let number =
        syn.get(4..8).map_or(0, |octets| octets.iter().fold(0, |number, &octet| number << 8 | u32::from(octet)));
    let header = syn.get(12).map_or(0, |octet| usize::from(octet >> 4) * 4);
    let behind = if answer == Flags::Rst { syn.len().saturating_sub(header) as u32 } else { 0 };
    number.wrapping_add(1).wrapping_add(behind)
}

pub(super) fn flags(segment: &[u8]) -> Option<Flags> {
    match segment.get(13)? {
        0x02 => Some(Flags::Syn),
        0x12 => Some(Flags::SynAck),
        bits if bits & 0x04 != 0 => Some(Flags::Rst),
        _ => None,
    }
}

/// Something that is to happen to one connection.
#[derive(Clone, Debug)]
pub(super) struct Turn {
    token: Token,
    /// Which of the connections that had this token.
    serial: u64,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    /// Still no answer to the SYN sent this often.
    SynTimeout(usize),
    /// The peer can take octets again.
    PeerTakes,
    /// Octets from the peer are here.
    Arrives(Vec<u8>),
    /// The peer ended it.
    Ends(ClosedHow),
}

/// All connections.
#[derive(Debug)]
pub(super) struct Streams {
    connections: BTreeMap<Token, Connection>,
    opened: u64,
    next_port: u16,
}

#[derive(Debug)]
struct Connection {
    serial: u64,
    lane: LaneId,
    local: IpEndpoint,
    remote: IpEndpoint,
    state: State,
    /// What is here and not yet handed on, because reading is paused.
    held: VecDeque<What>,
    paused: bool,
    /// The peer sends nothing more; it still takes what we send.
    ended: bool,
}

#[derive(Debug)]
enum State {
    Opening { syn: Vec<u8>, fragmented: bool, sent: Instant, retransmits: u32 },
    Open(Established),
}

#[derive(Debug)]
struct Established {
    peer: Peer,
    one_way: Duration,
    unsent: VecDeque<u8>,
    /// Octets the peer has got.
    taken: usize,
}

/// What a turn leads to.
#[derive(Default)]
pub(super) struct Effects {
    pub(super) ready: Vec<Ready>,
    pub(super) turns: Vec<(Instant, Turn)>,
    /// A SYN to send again, for this lane and token.
    pub(super) syn: Option<(LaneId, Token, Outgoing)>,
}

impl Streams {
    pub(super) fn new() -> Self {
        Streams { connections: BTreeMap::new(), opened: 0, next_port: FIRST_PORT }
    }

    /// Starts a connection: the SYN to send, our end, and the first turn.
    pub(super) fn open(
        &mut self,
        at: Instant,
        order: &Open,
        lane: &Lane,
        sockets: &mut Sockets,
        fabric: &mut Fabric,
    ) -> Result<(Outgoing, IpEndpoint, Effects), Failed> {
        let Some(remote) = order.to.ip() else { return Err(OsError::EOPNOTSUPP.into()) };
        if self.connections.contains_key(&order.token) {
            return Err(OsError::EINVAL.into());
        }
        if self.connections.len() >= lane.profile.max_open as usize {
            return Err(OsError::EMFILE.into());
        }
        let source = lane::source(lane, &order.header, remote.address, fabric)?;
        let port = order.source_port.map_or_else(|| take(&mut self.next_port), Port::get);
        let local = IpEndpoint::from_address(source).with_port(port);
        if self.connections.values().any(|open| open.local == local && open.remote == remote) {
            return Err(OsError::EADDRINUSE.into());
        }
        let segment = segment(port, remote.port_number(), Flags::Syn, 0);
        let mut packet = sockets.packet(lane, &order.header, source, remote.address, packet::TCP, segment)?;
        packet.write_checksum();
        let syn = sockets.fit(lane, packet, fabric)?;
        self.opened += 1;
        let serial = self.opened;
        let state = State::Opening { syn: syn.octets.clone(), fragmented: syn.fragmented, sent: at, retransmits: 0 };
        let connection = Connection {
            serial,
            lane: order.lane,
            local,
            remote,
            state,
            held: VecDeque::new(),
            paused: false,
            ended: false,
        };
        self.connections.insert(order.token, connection);
        let mut effects = Effects::default();
        let first = Turn { token: order.token, serial, what: What::SynTimeout(1) };
        effects.turns.push((at + SYN_TIMEOUTS[0], first));
        Ok((syn, local, effects))
    }

    /// Takes octets to send.
    pub(super) fn write(&mut self, at: Instant, token: Token, octets: &[u8]) -> Result<Effects, OsError> {
        let mut effects = Effects::default();
        let Some(connection) = self.connections.get_mut(&token) else { return Err(OsError::ENOTCONN) };
        let State::Open(established) = &mut connection.state else { return Err(OsError::ENOTCONN) };
        let idle = established.unsent.is_empty();
        if !idle && established.unsent.len() + octets.len() > MAX_UNSENT_OCTETS {
            return Err(OsError::ENOBUFS);
        }
        established.unsent.extend(octets);
        if idle {
            established.send(at, token, connection.serial, &mut effects);
        }
        Ok(effects)
    }

    /// Ends a connection from our side. What it still has to send is the kernel's business.
    pub(super) fn close(&mut self, token: Token) {
        self.connections.remove(&token);
    }

    pub(super) fn pause(&mut self, token: Token) {
        if let Some(connection) = self.connections.get_mut(&token) {
            connection.paused = true;
        }
    }

    pub(super) fn resume(&mut self, at: Instant, token: Token) -> Effects {
        let mut effects = Effects::default();
        if let Some(connection) = self.connections.get_mut(&token) {
            connection.paused = false;
            let held = std::mem::take(&mut connection.held);
            for what in held {
                self.arrive(at, token, what, &mut effects);
            }
        }
        effects
    }

    /// Carries out a turn whose time has come.
    pub(super) fn turn(&mut self, at: Instant, turn: Turn) -> Effects {
        let mut effects = Effects::default();
        let Turn { token, serial, what } = turn;
        let Some(connection) = self.connections.get_mut(&token).filter(|open| open.serial == serial) else {
            return effects;
        };
        match what {
            What::SynTimeout(times) => self.syn_timeout(at, token, times, &mut effects),
            What::PeerTakes => {
                if let State::Open(established) = &mut connection.state {
                    established.send(at, token, serial, &mut effects);
                }
            }
            What::Arrives(_) | What::Ends(_) => self.arrive(at, token, what, &mut effects),
        }
        effects
    }

    fn syn_timeout(&mut self, at: Instant, token: Token, times: usize, effects: &mut Effects) {
        let Some(connection) = self.connections.get_mut(&token) else { return };
        let State::Opening { syn, fragmented, sent, retransmits } = &mut connection.state else { return };
        match SYN_TIMEOUTS.get(times) {
            Some(&longer) => {
                (*sent, *retransmits) = (at, *retransmits + 1);
                let again = Outgoing { octets: syn.clone(), fragmented: *fragmented };
                effects.syn = Some((connection.lane, token, again));
                let next = Turn { token, serial: connection.serial, what: What::SynTimeout(times + 1) };
                effects.turns.push((at + longer, next));
            }
            None => {
                self.connections.remove(&token);
                effects.close(at, token, ClosedHow::Failed(OsError::ETIMEDOUT));
            }
        }
    }

    /// Hands on what came from the peer, or holds it while reading is paused. A reset is not held: it discards.
    fn arrive(&mut self, at: Instant, token: Token, what: What, effects: &mut Effects) {
        let Some(connection) = self.connections.get_mut(&token).filter(|open| !open.ended) else { return };
        match what {
            What::Arrives(_) | What::Ends(ClosedHow::Fin) if connection.paused => connection.held.push_back(what),
            What::Arrives(octets) => {
                let data = Data { token, stamp: Stamp::default(), octets: Span::default() };
                effects.ready.push(Ready { at, inbound: Inbound::Data(data), octets, extension: None });
            }
            What::Ends(how) => {
                match how {
                    ClosedHow::Fin => connection.ended = true,
                    ClosedHow::Reset | ClosedHow::Failed(_) => drop(self.connections.remove(&token)),
                }
                effects.close(at, token, how);
            }
            What::SynTimeout(_) | What::PeerTakes => {}
        }
    }

    /// Takes a packet that reached us: the answer to a SYN, or an ICMP error about one.
    pub(super) fn receive(&mut self, arrived: &Arrived<'_>, fabric: &Fabric) -> Effects {
        let mut effects = Effects::default();
        if let Some(about) = arrived.about() {
            let opening = about.tcp_ports().and_then(|(port, remote)| self.opening(port, remote));
            // The kernel heeds a redirect and says nothing to the connection.
            let opening = opening.filter(|_| !about.is_advice());
            if let Some((token, lane)) = opening {
                let port = about.tcp_ports().map_or(0, |(_, remote)| remote.port_number());
                effects.ready.push(about.report(arrived, lane, 0, Some(token), port, Layer::Transport));
                self.connections.remove(&token);
            }
            return effects;
        }
        if arrived.packet.protocol != packet::TCP || !arrived.checksum_right {
            return effects;
        }
        let Some(ports) = ports(arrived.packet.payload) else { return effects };
        let remote = IpEndpoint::from_address(arrived.packet.source).with_port(ports.source);
        let Some((token, _)) = self.opening(ports.destination, remote) else { return effects };
        match flags(arrived.packet.payload) {
            Some(Flags::SynAck) => self.establish(arrived.at, token, fabric, &mut effects),
            Some(Flags::Rst) => {
                self.connections.remove(&token);
                effects.close(arrived.at, token, ClosedHow::Reset);
            }
            _ => {}
        }
        effects
    }

    fn opening(&self, port: u16, remote: IpEndpoint) -> Option<(Token, LaneId)> {
        let same = |open: &Connection| {
            open.local.port_number() == port && open.remote.address == remote.address && open.remote.port == remote.port
        };
        let mut opening = self.connections.iter().filter(|(_, open)| matches!(open.state, State::Opening { .. }));
        opening.find(|(_, open)| same(open)).map(|(&token, open)| (token, open.lane))
    }

    fn establish(&mut self, at: Instant, token: Token, fabric: &Fabric, effects: &mut Effects) {
        let Some(connection) = self.connections.get_mut(&token) else { return };
        let State::Opening { sent, retransmits, .. } = connection.state else { return };
        let peer = fabric.peer(connection.remote.address, connection.remote.port_number()).cloned().unwrap_or_default();
        let one_way = at.since(sent) / 2;
        let opened = Opened { token, stamp: Stamp::default(), local: Some(connection.local), retransmits };
        effects.ready.push(Ready::bare(at, Inbound::Opened(opened)));
        // The peer knows of the connection when our ACK is there, and what it then does is here another one-way delay later.
        let mut at_peer = |after: Duration, what| {
            let turn = Turn { token, serial: connection.serial, what };
            effects.turns.push((at + one_way * 2 + after, turn));
        };
        if !peer.greeting.is_empty() {
            at_peer(Duration::ZERO, What::Arrives(peer.greeting.clone()));
        }
        if let Some((End::Time(after), how)) = peer.ends {
            at_peer(after, What::Ends(how));
        }
        connection.state = State::Open(Established { peer, one_way, unsent: VecDeque::new(), taken: 0 });
    }
}

impl Established {
    /// Sends as much as the peer takes now; its reaction is here two one-way delays later.
    fn send(&mut self, at: Instant, token: Token, serial: u64, effects: &mut Effects) {
        if self.unsent.is_empty() {
            return;
        }
        let most = self.peer.takes.map_or(usize::MAX, |(octets, _)| octets);
        let part: Vec<u8> = self.unsent.drain(..self.unsent.len().min(most)).collect();
        let before = self.taken;
        self.taken += part.len();
        let back = at + self.one_way * 2;
        let reaction = match &self.peer.reaction {
            Reaction::Echo => Some(part),
            Reaction::Answer(octets) if before == 0 => Some(octets.clone()),
            Reaction::Nothing | Reaction::Answer(_) => None,
        };
        if let Some(octets) = reaction.filter(|octets| !octets.is_empty()) {
            effects.turns.push((back, Turn { token, serial, what: What::Arrives(octets) }));
        }
        match self.peer.ends {
            Some((End::Octets(limit), how)) if before < limit && self.taken >= limit => {
                effects.turns.push((back, Turn { token, serial, what: What::Ends(how) }));
            }
            _ => {}
        }
        match self.peer.takes {
            Some((_, period)) if !self.unsent.is_empty() => {
                effects.turns.push((at + period, Turn { token, serial, what: What::PeerTakes }));
            }
            _ => effects.ready.push(Ready::bare(at, Inbound::Drained { token })),
        }
    }
}

impl Effects {
    fn close(&mut self, at: Instant, token: Token, how: ClosedHow) {
        let closed = Closed { token, stamp: Stamp::default(), how };
        self.ready.push(Ready::bare(at, Inbound::Closed(closed)));
    }
}
