//! TCP as far as probing needs it: the handshake as packets, and action follows as octets with the handshake's delay.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::fabric::Fabric;
use super::inlet::{Arrived, Ready};
use super::lane::{self, Outgoing, SendError, SimLane, Sockets, take};
use super::packet;
use super::peer::{End, Peer, Reaction};
use super::segment::{self, Flags};
use crate::channel::{Closed, ClosedHow, Data, Inbound, LaneId, Layer, Open, Opened, OsError, Span, Token};
use crate::types::{Instant, IpEndpoint, Port, Stamp};

/// The first timeout of a SYN (RFC 6298 §2.1).
const SYN_TIMEOUT: Duration = Duration::from_secs(1);
/// How many SYNs have that before timeouts double (tcp_syn_linear_timeouts, one more).
const LINEAR_SYNS: u32 = 5;
/// The first source port the kernel chooses.
const FIRST_PORT: u16 = 50_001;

/// Octets that may wait after others that already wait.
const MAX_UNSENT_OCTETS: usize = 256 * 1024;

/// A scheduled step of one connection.
#[derive(Clone, Debug)]
pub(super) struct Step {
    token: Token,
    /// Which of the connections that had this token.
    serial: u64,
    action: Action,
}

#[derive(Clone, Debug)]
enum Action {
    /// No answer to the newest SYN.
    SynTimeout,
    /// The peer can take octets again.
    PeerTakes,
    /// Octets from the peer arrive.
    Arrives(Vec<u8>),
    /// The peer ended it.
    Ends(ClosedHow),
}

/// All connections.
#[derive(Debug)]
pub(super) struct Streams {
    connections: BTreeMap<Token, SimConnection>,
    opened: u64,
    next_port: u16,
}

#[derive(Debug)]
struct SimConnection {
    serial: u64,
    lane: LaneId,
    local: IpEndpoint,
    remote: IpEndpoint,
    state: State,
    /// Received while reading is paused.
    held: VecDeque<Action>,
    paused: bool,
    /// The peer has sent FIN; it still receives.
    ended: bool,
}

#[derive(Debug)]
enum State {
    /// With the newest SYN, when each was sent, and when the kernel gives up.
    Opening {
        syn: Vec<u8>,
        fragmented: bool,
        sent: Vec<Instant>,
        until: Instant,
    },
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

/// The consequences of a step.
#[derive(Default)]
pub(super) struct Effects {
    pub(super) ready: Vec<Ready>,
    pub(super) turns: Vec<(Instant, Step)>,
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
        lane: &SimLane,
        sockets: &mut Sockets,
        fabric: &mut Fabric,
    ) -> Result<(Outgoing, IpEndpoint, Effects), SendError> {
        let Some(remote) = order.to.ip() else { return Err(OsError::EOPNOTSUPP.into()) };
        if self.connections.contains_key(&order.token) {
            return Err(OsError::EINVAL.into());
        }
        if self.connections.len() >= lane.profile.max_open as usize {
            return Err(OsError::EMFILE.into());
        }
        let source = lane::source(lane, &order.header, remote.address, fabric)?;
        let port = lane.plan.source_port.map_or_else(|| take(&mut self.next_port), Port::get);
        let local = IpEndpoint::from_address(source).with_port(port);
        if self.connections.values().any(|open| open.local == local && open.remote == remote) {
            return Err(OsError::EADDRINUSE.into());
        }
        let segment = segment::write(port, remote.port_number(), Flags::Syn, 0);
        let mut packet = sockets.packet(lane, &order.header, source, remote.address, packet::TCP, segment)?;
        packet.write_checksum();
        let syn = sockets.fit(lane, packet, fabric)?;
        self.opened += 1;
        let serial = self.opened;
        let until = at + SYN_TIMEOUT * ((2 << lane.plan.syn_retransmissions().min(16)) - 1);
        let state = State::Opening { syn: syn.octets.clone(), fragmented: syn.fragmented, sent: vec![at], until };
        let connection = SimConnection {
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
        let first = Step { token: order.token, serial, action: Action::SynTimeout };
        effects.turns.push((at + SYN_TIMEOUT, first));
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

    /// Ends a connection from our side.
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
            for action in held {
                self.arrive(at, token, action, &mut effects);
            }
        }
        effects
    }

    /// Carries out a turn that is due.
    pub(super) fn turn(&mut self, at: Instant, turn: Step) -> Effects {
        let mut effects = Effects::default();
        let Step { token, serial, action } = turn;
        let Some(connection) = self.connections.get_mut(&token).filter(|open| open.serial == serial) else {
            return effects;
        };
        match action {
            Action::SynTimeout => self.syn_timeout(at, token, &mut effects),
            Action::PeerTakes => {
                if let State::Open(established) = &mut connection.state {
                    established.send(at, token, serial, &mut effects);
                }
            }
            Action::Arrives(_) | Action::Ends(_) => self.arrive(at, token, action, &mut effects),
        }
        effects
    }

    fn syn_timeout(&mut self, at: Instant, token: Token, effects: &mut Effects) {
        let Some(connection) = self.connections.get_mut(&token) else { return };
        let State::Opening { syn, fragmented, sent, until } = &mut connection.state else { return };
        if at >= *until {
            self.connections.remove(&token);
            return effects.close(at, token, ClosedHow::Failed(OsError::ETIMEDOUT));
        }
        segment::count_up(syn);
        sent.push(at);
        let repeated = sent.len() as u32 - 1;
        let again = Outgoing { octets: syn.clone(), fragmented: *fragmented };
        effects.syn = Some((connection.lane, token, again));
        let next = Step { token, serial: connection.serial, action: Action::SynTimeout };
        effects.turns.push((at + SYN_TIMEOUT * (1 << (repeated + 1).saturating_sub(LINEAR_SYNS).min(16)), next));
    }

    /// Delivers action came from the peer, or holds it while reading is paused. A reset is not held: it discards.
    fn arrive(&mut self, at: Instant, token: Token, action: Action, effects: &mut Effects) {
        let Some(connection) = self.connections.get_mut(&token).filter(|open| !open.ended) else { return };
        match action {
            Action::Arrives(_) | Action::Ends(ClosedHow::Fin) if connection.paused => connection.held.push_back(action),
            Action::Arrives(octets) => {
                let data = Data { token, stamp: Stamp::default(), octets: Span::default() };
                effects.ready.push(Ready { at, inbound: Inbound::Data(data), octets, extension: None });
            }
            Action::Ends(how) => {
                match how {
                    ClosedHow::Fin => connection.ended = true,
                    ClosedHow::Reset | ClosedHow::Failed(_) => drop(self.connections.remove(&token)),
                }
                effects.close(at, token, how);
            }
            Action::SynTimeout | Action::PeerTakes => {}
        }
    }

    /// Takes a packet that reached us: the answer to a SYN, or an ICMP error about one.
    pub(super) fn receive(&mut self, arrived: &Arrived<'_>, fabric: &Fabric) -> Effects {
        let mut effects = Effects::default();
        if let Some(about) = arrived.about() {
            let opening = about.tcp_ports().and_then(|(port, remote)| self.opening(port, remote));
            // The kernel follows a redirect without reporting it to the connection.
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
        let Some(ports) = segment::ports(arrived.packet.payload) else { return effects };
        let remote = IpEndpoint::from_address(arrived.packet.source).with_port(ports.source);
        let Some((token, _)) = self.opening(ports.destination, remote) else { return effects };
        match segment::flags(arrived.packet.payload) {
            Some(Flags::SynAck) => {
                let answered = segment::counted(arrived.packet.payload);
                self.establish(arrived.at, token, answered, fabric, &mut effects);
            }
            Some(Flags::Rst) => {
                self.connections.remove(&token);
                effects.close(arrived.at, token, ClosedHow::Reset);
            }
            _ => {}
        }
        effects
    }

    fn opening(&self, port: u16, remote: IpEndpoint) -> Option<(Token, LaneId)> {
        let same = |open: &SimConnection| {
            open.local.port_number() == port && open.remote.address == remote.address && open.remote.port == remote.port
        };
        let mut opening = self.connections.iter().filter(|(_, open)| matches!(open.state, State::Opening { .. }));
        opening.find(|(_, open)| same(open)).map(|(&token, open)| (token, open.lane))
    }

    /// The SYN number `answered` was answered.
    fn establish(&mut self, at: Instant, token: Token, answered: usize, fabric: &Fabric, effects: &mut Effects) {
        let Some(connection) = self.connections.get_mut(&token) else { return };
        let State::Opening { sent, .. } = &connection.state else { return };
        let Some(&asked) = sent.get(answered) else { return };
        let retransmits = sent.len() as u32 - 1;
        let handshake = Some(at.since(asked)).filter(|_| retransmits > 0);
        let peer = fabric.peer(connection.remote.address, connection.remote.port_number()).cloned().unwrap_or_default();
        let one_way = at.since(asked) / 2;
        let opened = Opened { token, stamp: Stamp::default(), local: Some(connection.local), retransmits, handshake };
        effects.ready.push(Ready::bare(at, Inbound::Opened(opened)));
        // The peer knows of the connection when our ACK is there, and action it then does is here another one-way delay later.
        let mut at_peer = |after: Duration, action| {
            let turn = Step { token, serial: connection.serial, action };
            effects.turns.push((at + one_way * 2 + after, turn));
        };
        if !peer.greeting.is_empty() {
            at_peer(Duration::ZERO, Action::Arrives(peer.greeting.clone()));
        }
        if let Some((End::Time(after), how)) = peer.ends {
            at_peer(after, Action::Ends(how));
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
            effects.turns.push((back, Step { token, serial, action: Action::Arrives(octets) }));
        }
        match self.peer.ends {
            Some((End::Octets(limit), how)) if before < limit && self.taken >= limit => {
                effects.turns.push((back, Step { token, serial, action: Action::Ends(how) }));
            }
            _ => {}
        }
        match self.peer.takes {
            Some((_, period)) if !self.unsent.is_empty() => {
                effects.turns.push((at + period, Step { token, serial, action: Action::PeerTakes }));
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
