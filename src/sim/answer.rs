//! What a node says: answers to packets for it, errors about packets it cannot pass on, and the changes a test asked for.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use fastrand::Rng;

use super::node::{Change, Node, Rejection, TcpService, UdpService};
use super::packet::{self, Packet, put};
use super::segment::{self, Flags};
use crate::channel::Protocol;
use crate::types::{Family, Instant, Tos};
use crate::wire::icmp::{self, Message};
use crate::wire::ip::{self, IpHeader, IpPacket};
use crate::wire::udp;

/// TOS of ICMP errors over IPv4: internetwork control (RFC 1812 §4.3.2.5).
const ERROR_TOS: Tos = Tos::new(0xc0);

/// The receive window of a Linux host, and how often it sends challenge ACKs (tcp_invalid_ratelimit).
const WINDOW: u32 = 64_240;
const CHALLENGES_EVERY: Duration = Duration::from_millis(500);

/// Three requests for a neighbour, a second apart (RFC 4861 §10; Linux has the same for ARP).
const RESOLUTION: Duration = Duration::from_secs(3);

/// Packets a node sends towards us: how long from now, and what.
pub(super) type Answers = Vec<(Duration, Vec<u8>)>;

/// What a node remembers between packets.
#[derive(Clone, Debug, Default)]
pub(super) struct Responder {
    /// Answers given so far, and how many of them to ICMP, UDP and TCP.
    answered: u64,
    answered_to: [u64; 3],
    /// When the bucket of ICMP errors would be full again, had it no limit.
    errors_paid_until: Instant,
    /// When the neighbour that was asked for last is known not to answer.
    unresolved_at: Instant,
    /// The connections that a Linux host is about to open, by our port: what it has acknowledged, and when our reset arrives.
    opening: HashMap<u16, (u32, Instant)>,
    /// When it may acknowledge again what it has acknowledged before.
    challenges_from: Instant,
}

/// An answer, before it is sent.
struct Draft {
    packet: Packet,
    after: Duration,
    again: Vec<Duration>,
    before: Vec<Packet>,
    wrong_checksum: bool,
}

impl Responder {
    /// What `node` says to a packet that ends there.
    pub(super) fn receive(&mut self, node: &Node, at: Instant, octets: &[u8], random: &mut Rng) -> Answers {
        let Ok(request) = ip::parse(octets) else { return Answers::new() };
        if node.silent || !packet::checksum_right(&request) {
            return Answers::new();
        }
        let family = Family::of(request.source);
        let answer = match request.protocol {
            packet::ICMP | packet::ICMPV6 => match icmp::parse(family, request.payload) {
                Ok(Message::EchoRequest(_)) => Some(echo_reply(family, request.payload)),
                _ => return Answers::new(),
            },
            packet::UDP => match udp_service(node, request.payload) {
                Some(UdpService::Silent) => return Answers::new(),
                Some(UdpService::Echo) => udp_answer(&request, <[u8]>::to_vec),
                Some(UdpService::Answer(payload)) => udp_answer(&request, |_| payload.clone()),
                Some(UdpService::Made(answer)) => udp_answer(&request, answer),
                None => None,
            },
            packet::TCP => match self.tcp_answer(node, at, request.payload) {
                Some(answer) => Some(answer),
                None => return Answers::new(),
            },
            _ => return Answers::new(),
        };
        let Some(source) = node.answers_from(request.destination) else { return Answers::new() };
        match answer {
            Some(transport) => {
                let mut packet = Packet::new(source, request.source, request.protocol, transport);
                packet.header.tos = request.tos;
                self.finish(node, packet, octets, random)
            }
            None if node.silent_ports || node.groups.contains(&request.destination) => Answers::new(),
            None => self.fail(node, at, octets, source, Rejection::port_unreachable(family), random),
        }
    }

    /// What `node` says about a packet that it cannot pass on.
    pub(super) fn refuse(
        &mut self,
        node: &Node,
        at: Instant,
        octets: &[u8],
        failure: Rejection,
        random: &mut Rng,
    ) -> Answers {
        let Ok(request) = ip::parse(octets) else { return Answers::new() };
        let own = node.addresses.iter().copied().find(|own| own.is_ipv4() == request.source.is_ipv4());
        match own {
            Some(source) if !node.silent => self.fail(node, at, octets, source, failure, random),
            _ => Answers::new(),
        }
    }

    /// The answer to a SYN, or none.
    fn tcp_answer(&mut self, node: &Node, at: Instant, request: &[u8]) -> Option<Vec<u8>> {
        let asked = segment::ports(request)?;
        if segment::flags(request) != Some(Flags::Syn) {
            return None;
        }
        let mut acknowledged = segment::acknowledged(request, Flags::SynAck);
        let flags = match node.tcp.iter().find(|(open, _)| *open == asked.destination).map(|(_, service)| service) {
            Some(TcpService::Accept(_)) => Flags::SynAck,
            Some(TcpService::Listen(reset_after)) => match self.opening.get(&asked.source) {
                Some(&(first, until)) if at < until => {
                    let ahead = acknowledged.wrapping_sub(first);
                    if (1..WINDOW).contains(&ahead) {
                        self.opening.remove(&asked.source);
                        Flags::Rst
                    } else if at < self.challenges_from {
                        return None;
                    } else {
                        self.challenges_from = at + CHALLENGES_EVERY;
                        acknowledged = first;
                        Flags::Ack
                    }
                }
                _ => {
                    self.opening.insert(asked.source, (acknowledged, at + *reset_after));
                    Flags::SynAck
                }
            },
            Some(TcpService::Silent) => return None,
            None if node.silent_ports => return None,
            None => Flags::Rst,
        };
        if flags == Flags::Rst {
            acknowledged = segment::acknowledged(request, flags);
        }
        Some(segment::write(asked.destination, asked.source, flags, acknowledged))
    }

    /// How long from `at` until a neighbour that does not answer is known not to.
    pub(super) fn resolve(&mut self, at: Instant) -> Duration {
        if self.unresolved_at <= at {
            self.unresolved_at = at + RESOLUTION;
        }
        self.unresolved_at.since(at)
    }

    fn fail(
        &mut self,
        node: &Node,
        at: Instant,
        octets: &[u8],
        source: IpAddr,
        failure: Rejection,
        random: &mut Rng,
    ) -> Answers {
        if !self.may_send_error(node, at) {
            return Answers::new();
        }
        match error(node, source, octets, failure) {
            Some(packet) => self.finish(node, packet, octets, random),
            None => Answers::new(),
        }
    }

    /// Takes a token, if there is one (the generic cell rate algorithm: exact without fractions).
    fn may_send_error(&mut self, node: &Node, at: Instant) -> bool {
        let Some(limit) = node.error_limit else { return true };
        let paid = self.errors_paid_until.max(at);
        let ahead = limit.period.saturating_mul(limit.burst.saturating_sub(1));
        let allowed = limit.burst > 0 && paid.since(at) <= ahead;
        if allowed {
            self.errors_paid_until = paid + limit.period;
        }
        allowed
    }

    fn finish(&mut self, node: &Node, mut packet: Packet, request: &[u8], random: &mut Rng) -> Answers {
        self.answered += 1;
        packet.header.ttl = node.answer_ttl;
        packet.header.identification = self.answered as u16;
        let changes = self.changes(node, request, random);
        if changes.contains(&&Change::Silence) {
            return Answers::new();
        }
        let mut draft =
            Draft { packet, after: node.answer_delay, again: Vec::new(), before: Vec::new(), wrong_checksum: false };
        for change in changes {
            draft.apply(change, node, request);
        }
        draft.send()
    }

    /// What is different about the answer to `request`, which is counted already.
    fn changes<'a>(&mut self, node: &'a Node, request: &[u8], random: &mut Rng) -> Vec<&'a Change> {
        let number = self.answered;
        let of_all = node.changes.iter().filter(|(pick, _)| pick.hits(number, random)).map(|(_, change)| change);
        let mut changes: Vec<&Change> = of_all.collect();
        if let Some(asked) = ip::parse(request).ok().and_then(|request| protocol(request.protocol))
            && let Some(number) = self.answered_to.get_mut(asked as usize)
        {
            *number += 1;
            let of_this =
                node.changes_to.iter().filter(|(protocol, pick, _)| *protocol == asked && pick.hits(*number, random));
            changes.extend(of_this.map(|(_, _, change)| change));
        }
        changes
    }
}

/// What a packet with this protocol number asks for an answer with.
fn protocol(number: u8) -> Option<Protocol> {
    match number {
        packet::ICMP | packet::ICMPV6 => Some(Protocol::Icmp),
        packet::UDP => Some(Protocol::Udp),
        packet::TCP => Some(Protocol::Tcp),
        _ => None,
    }
}

impl Draft {
    fn apply(&mut self, change: &Change, node: &Node, request: &[u8]) {
        let source = self.packet.header.source;
        match change {
            Change::Silence => {}
            Change::Later(longer) => self.after += *longer,
            Change::Again(later) => self.again.push(*later),
            Change::Source(address) if address.is_ipv4() == source.is_ipv4() => self.packet.header.source = *address,
            Change::Source(_) => {}
            Change::Ttl(ttl) => self.packet.header.ttl = *ttl,
            Change::Tos(tos) => self.packet.header.tos = *tos,
            Change::Options(options) => self.packet.options.clone_from(options),
            Change::Octets(at, value) => put(&mut self.packet.transport, *at, value),
            Change::Truncate(octets) => self.packet.transport.truncate(*octets),
            Change::Extend(octets) => {
                let length = self.packet.transport.len().saturating_add(*octets);
                self.packet.transport.resize(length, 0);
            }
            Change::WrongChecksum => self.wrong_checksum = true,
            Change::Refuse(failure) => {
                if let Some(packet) = error(node, source, request, *failure) {
                    let ttl = self.packet.header.ttl;
                    self.packet = Packet { header: IpHeader { ttl, ..packet.header }, ..packet };
                }
            }
            Change::Redirect(gateway) => self.before.extend(redirect(node, source, request, *gateway)),
            Change::SourceQuench => self.before.extend(error(node, source, request, Rejection::new(4, 0))),
        }
    }

    fn send(mut self) -> Answers {
        self.packet.write_checksum();
        if self.wrong_checksum {
            let at = packet::checksum_offset(self.packet.header.protocol).unwrap_or_default();
            let wrong = packet::field16(&self.packet.transport, at).unwrap_or_default() ^ 0x5555;
            put(&mut self.packet.transport, at, &wrong.to_be_bytes());
        }
        let packets = self.before.iter().chain([&self.packet]);
        let mut answers: Answers = packets.filter_map(|packet| Some((self.after, packet.octets().ok()?))).collect();
        if let Some((_, last)) = answers.last().cloned() {
            answers.extend(self.again.iter().map(|&later| (self.after + later, last.clone())));
        }
        answers
    }
}

fn echo_reply(family: Family, request: &[u8]) -> Vec<u8> {
    let mut reply = request.to_vec();
    let reply_type = match family {
        Family::V4 => 0,
        Family::V6 => 129,
    };
    put(&mut reply, 0, &[reply_type]);
    reply
}

fn udp_service<'a>(node: &'a Node, request: &[u8]) -> Option<&'a UdpService> {
    let port = udp::parse(request).ok()?.destination_port;
    node.udp.iter().find(|(open, _)| *open == port).map(|(_, service)| service)
}

/// A UDP datagram back to where `request` came from, with what is made of its payload; the checksum comes later.
fn udp_answer(request: &IpPacket<'_>, answer: impl Fn(&[u8]) -> Vec<u8>) -> Option<Vec<u8>> {
    let asked = udp::parse(request.payload).ok()?;
    let payload = answer(asked.payload);
    let answer = udp::UdpDatagram {
        source_port: asked.destination_port,
        destination_port: asked.source_port,
        payload: &payload,
    };
    let mut octets = Vec::new();
    udp::push(request.destination, request.source, &answer, &mut octets).ok()?;
    Some(octets)
}

/// The error `failure` about the packet `octets`, from `source`.
fn error(node: &Node, source: IpAddr, octets: &[u8], failure: Rejection) -> Option<Packet> {
    let about = ip::parse(octets).ok()?;
    let family = Family::of(about.source);
    let (extensible, length_at) = match family {
        Family::V4 => (matches!(failure.icmp_type, 3 | 11 | 12), 5),
        Family::V6 => (matches!(failure.icmp_type, 1 | 3), 4),
    };
    let (quote, length) = node.quote.write(family, octets, extensible);
    let mut message = vec![failure.icmp_type, failure.icmp_code, 0, 0];
    message.extend_from_slice(&failure.info.to_be_bytes());
    if length > 0 {
        put(&mut message, length_at, &[length]);
    }
    message.extend_from_slice(&quote);
    let mut packet = Packet::icmp(source, about.source, message);
    if family == Family::V4 {
        packet.header.tos = ERROR_TOS;
    }
    packet.header.ttl = node.answer_ttl;
    Some(packet)
}

/// A redirect of the packet `octets` to `gateway`: RFC 792 (for the host), or RFC 4861 §4.5 with a Redirected Header option.
fn redirect(node: &Node, source: IpAddr, octets: &[u8], gateway: IpAddr) -> Option<Packet> {
    match gateway {
        IpAddr::V4(gateway) => {
            error(node, source, octets, Rejection { icmp_type: 5, icmp_code: 1, info: gateway.to_bits() })
        }
        IpAddr::V6(gateway) => {
            let about = ip::parse(octets).ok()?;
            let IpAddr::V6(destination) = about.destination else { return None };
            let (mut quote, _) = node.quote.write(Family::V6, octets, false);
            quote.resize(quote.len().next_multiple_of(8), 0);
            let mut message = vec![137, 0, 0, 0, 0, 0, 0, 0];
            message.extend_from_slice(&gateway.octets());
            message.extend_from_slice(&destination.octets());
            message.extend_from_slice(&[4, (quote.len() / 8 + 1) as u8, 0, 0, 0, 0, 0, 0]);
            message.extend_from_slice(&quote);
            let mut packet = Packet::icmp(source, about.source, message);
            // RFC 4861 §8.1: anything but 255 is not from this link.
            packet.header.ttl = crate::types::Ttl::MAX;
            Some(packet)
        }
    }
}
