//! A router or host in the simulated network, [`Node`]: its addresses, forwarding, services and faults.

use std::net::IpAddr;
use std::time::Duration;

use super::link::Pick;
use super::peer::Peer;
use super::quote::Quote;
use crate::channel::Protocol;
use crate::types::{Family, Tos, Ttl};

/// A machine's place in a [`super::Network`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(super) usize);

/// The machine that runs the tool under test.
pub const US: NodeId = NodeId(0);

/// A router or a host; the only difference is the TTL its answers start with.
#[derive(Clone, Debug)]
pub struct Node {
    pub(super) addresses: Vec<IpAddr>,
    pub(super) prefixes: Vec<(IpAddr, u8)>,
    pub(super) groups: Vec<IpAddr>,
    pub(super) forwarding: Forwarding,
    pub(super) balance: Balance,
    pub(super) answer_ttl: Ttl,
    pub(super) answer_delay: Duration,
    pub(super) quote: Quote,
    pub(super) error_limit: Option<ErrorLimit>,
    pub(super) silent: bool,
    pub(super) translates: bool,
    pub(super) silent_ports: bool,
    pub(super) udp: Vec<(u16, UdpService)>,
    pub(super) tcp: Vec<(u16, TcpService)>,
    pub(super) changes: Vec<(Pick, Change)>,
    pub(super) changes_to: Vec<(Protocol, Pick, Change)>,
}

/// What a node does with packets for others whose TTL allows one more hop.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Forwarding {
    /// Sends them on, or answers that it has no route.
    #[default]
    Normal,
    /// Answers them with this.
    Refuse(Rejection),
    /// Asks for a neighbour that does not answer: three seconds after the first of them, host unreachable about all that came
    /// meanwhile.
    DeadNeighbour,
    /// Drops them.
    Drop,
    /// Sends all of them over the link to this node, which makes loops.
    To(NodeId),
}

/// How a node chooses between several links that lead to a destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Balance {
    /// By a hash over addresses, protocol, flow label and the first four octets of the transport header: ports, or ICMP type,
    /// code and checksum.
    #[default]
    Flow,
    /// By a hash over the destination alone.
    Destination,
    /// One after the other.
    Packet,
}

/// Type, code and info of an ICMP error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// ICMP type.
    pub icmp_type: u8,
    /// ICMP code.
    pub icmp_code: u8,
    /// Octets 5 to 8 of the ICMP header: MTU, pointer, gateway; else 0.
    pub info: u32,
}

impl Rejection {
    /// Type and code, with nothing in octets 5 to 8.
    pub const fn new(icmp_type: u8, icmp_code: u8) -> Self {
        Rejection { icmp_type, icmp_code, info: 0 }
    }

    pub(super) const fn time_exceeded(family: Family) -> Self {
        match family {
            Family::V4 => Rejection::new(11, 0),
            Family::V6 => Rejection::new(3, 0),
        }
    }

    pub(super) const fn no_route(family: Family) -> Self {
        match family {
            Family::V4 => Rejection::new(3, 0),
            Family::V6 => Rejection::new(1, 0),
        }
    }

    pub(super) const fn host_unreachable(family: Family) -> Self {
        match family {
            Family::V4 => Rejection::new(3, 1),
            Family::V6 => Rejection::new(1, 3),
        }
    }

    pub(super) const fn port_unreachable(family: Family) -> Self {
        match family {
            Family::V4 => Rejection::new(3, 3),
            Family::V6 => Rejection::new(1, 4),
        }
    }

    pub(super) const fn too_big(family: Family, mtu: u32) -> Self {
        match family {
            Family::V4 => Rejection { icmp_type: 3, icmp_code: 4, info: mtu },
            Family::V6 => Rejection { icmp_type: 2, icmp_code: 0, info: mtu },
        }
    }
}

/// A token bucket over a node's ICMP errors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ErrorLimit {
    /// Time in which one token grows.
    pub(super) period: Duration,
    /// Tokens the bucket holds.
    pub(super) burst: u32,
}

/// The service on a UDP port.
#[derive(Clone, Debug)]
pub enum UdpService {
    /// Echoes the payload.
    Echo,
    /// Answers with this.
    Answer(Vec<u8>),
    /// Answers with what this makes of it.
    Made(fn(&[u8]) -> Vec<u8>),
    /// Receives without answering.
    Silent,
}

/// The service on a TCP port.
#[derive(Clone, Debug, PartialEq)]
pub enum TcpService {
    /// Takes connections.
    Accept(Peer),
    /// A Linux host takes connections, which our own host resets: that arrives this much after its SYN-ACK has left. Until then it
    /// resets the connection for a SYN in its window, and acknowledges the first SYN once more for others, at most every 500 ms
    /// (tcp_invalid_ratelimit).
    Listen(Duration),
    /// A firewall drops the SYN.
    Silent,
}

/// A fault in an answer. Changes apply in the order they are given.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// There is none.
    Silence,
    /// It comes this much later.
    Later(Duration),
    /// It comes a further time, this much after the first.
    Again(Duration),
    /// It comes from this address.
    Source(IpAddr),
    /// Its TTL starts with this.
    Ttl(Ttl),
    /// Its TOS.
    Tos(Tos),
    /// It has these IPv4 options.
    Options(Vec<u8>),
    /// These octets, from this offset in the transport header on, with a checksum that fits.
    Octets(usize, Vec<u8>),
    /// The transport octets end here.
    Truncate(usize),
    /// This many zero octets more at the end.
    Extend(usize),
    /// Its transport checksum is wrong.
    WrongChecksum,
    /// An error instead of the answer.
    Refuse(Rejection),
    /// Before the answer, a redirect to this gateway.
    Redirect(IpAddr),
    /// Before the answer, a source quench (IPv4).
    SourceQuench,
}

impl Node {
    /// A router: its answers start with TTL 255.
    pub fn router(address: IpAddr) -> Self {
        Node {
            addresses: vec![address],
            prefixes: Vec::new(),
            groups: Vec::new(),
            forwarding: Forwarding::Normal,
            balance: Balance::Flow,
            answer_ttl: Ttl::MAX,
            answer_delay: Duration::ZERO,
            quote: Quote::full(),
            error_limit: None,
            silent: false,
            translates: false,
            silent_ports: false,
            udp: Vec::new(),
            tcp: Vec::new(),
            changes: Vec::new(),
            changes_to: Vec::new(),
        }
    }

    /// A host: its answers start with TTL 64.
    pub fn host(address: IpAddr) -> Self {
        Node { answer_ttl: Ttl::new(64), ..Node::router(address) }
    }

    /// One more address. Errors about packets of a family come from the first address of that family; without one there
    /// are none.
    pub fn also(mut self, address: IpAddr) -> Self {
        self.addresses.push(address);
        self
    }

    /// Answers for every address of a prefix, from that address.
    pub fn prefix(mut self, address: IpAddr, length: u8) -> Self {
        self.prefixes.push((address, length));
        self
    }

    /// Answers what is sent to this multicast or broadcast address, from its own.
    pub fn group(mut self, group: IpAddr) -> Self {
        self.groups.push(group);
        self
    }

    /// Forwards like this.
    pub fn forwarding(self, forwarding: Forwarding) -> Self {
        Node { forwarding, ..self }
    }

    /// Chooses between links like this.
    pub fn balance(self, balance: Balance) -> Self {
        Node { balance, ..self }
    }

    /// Answers with this initial TTL.
    pub fn answer_ttl(self, answer_ttl: Ttl) -> Self {
        Node { answer_ttl, ..self }
    }

    /// Answers after this time.
    pub fn answer_delay(self, answer_delay: Duration) -> Self {
        Node { answer_delay, ..self }
    }

    /// Quotes like this in its ICMP errors.
    pub fn quote(self, quote: Quote) -> Self {
        Node { quote, ..self }
    }

    /// Sends at most one ICMP error per `period`, and at most `burst` at once.
    pub fn error_limit(self, period: Duration, burst: u32) -> Self {
        Node { error_limit: Some(ErrorLimit { period, burst }), ..self }
    }

    /// Answers nothing but still forwards.
    pub fn silent(self) -> Self {
        Node { silent: true, ..self }
    }

    /// Translates addresses: of a connection that was reset at once nothing passes any more.
    pub fn translates(self) -> Self {
        Node { translates: true, ..self }
    }

    /// Sends no errors about closed ports, UDP or TCP.
    pub fn silent_ports(self) -> Self {
        Node { silent_ports: true, ..self }
    }

    /// Listens on this UDP port.
    pub fn udp(mut self, port: u16, service: UdpService) -> Self {
        self.udp.push((port, service));
        self
    }

    /// Listens on this TCP port.
    pub fn tcp(mut self, port: u16, service: TcpService) -> Self {
        self.tcp.push((port, service));
        self
    }

    /// These of its answers, replies and errors counted together from 1, differ in this way.
    pub fn change(mut self, answers: impl Into<Pick>, change: Change) -> Self {
        self.changes.push((answers.into(), change));
        self
    }

    /// These of its answers to packets of one protocol, replies and errors counted for that protocol from 1, differ in this
    /// way, after what differs in all of them.
    pub fn change_to(mut self, protocol: Protocol, answers: impl Into<Pick>, change: Change) -> Self {
        self.changes_to.push((protocol, answers.into(), change));
        self
    }

    /// Whether packets to `address` end here.
    pub(super) fn owns(&self, address: IpAddr) -> bool {
        self.addresses.contains(&address)
            || self.groups.contains(&address)
            || self.prefixes.iter().any(|&(prefix, length)| in_prefix(address, prefix, length))
    }

    /// The address answers to packets for `address` come from.
    pub(super) fn answers_from(&self, address: IpAddr) -> Option<IpAddr> {
        if self.owns(address) && !self.groups.contains(&address) {
            return Some(address);
        }
        self.addresses.iter().copied().find(|own| own.is_ipv4() == address.is_ipv4())
    }
}

fn in_prefix(address: IpAddr, prefix: IpAddr, length: u8) -> bool {
    let (differing, width) = match (address, prefix) {
        (IpAddr::V4(address), IpAddr::V4(prefix)) => (u128::from(address.to_bits() ^ prefix.to_bits()), 32),
        (IpAddr::V6(address), IpAddr::V6(prefix)) => (address.to_bits() ^ prefix.to_bits(), 128u32),
        _ => return false,
    };
    differing.checked_shr(width.saturating_sub(u32::from(length))).unwrap_or(0) == 0
}
