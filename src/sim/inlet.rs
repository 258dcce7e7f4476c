//! Received packets in the simulated kernel: which sockets get them, in which form.

use std::net::IpAddr;

use super::lane::{IFINDEX, SimLane};
use super::packet;
use crate::channel::{
    Datagram, ERROR_FLOW, ErrorOrigin, IcmpNotice, Inbound, LaneId, Layer, OsError, Protocol, SocketKind, Span, Token,
};
use crate::types::{Endpoint, Family, Instant, IpEndpoint, Mtu, Stamp};
use crate::wire::icmp::{self, ErrorKind, Message};
use crate::wire::ip::{self, IpPacket};

/// The largest code of an ICMP «unreachable» that the kernel passes to sockets other than raw ones.
const LAST_UNREACHABLE: u8 = 15;
const SOURCE_QUENCH: u8 = 4;
const REDIRECT: u8 = 5;

/// An item to be received, with its octets still outside the inbox.
#[derive(Clone, Debug)]
pub(super) struct Ready {
    /// When it arrived.
    pub(super) at: Instant,
    pub(super) inbound: Inbound,
    pub(super) octets: Vec<u8>,
    pub(super) extension: Option<Vec<u8>>,
}

/// A packet that reached us, read as far as every socket needs it.
pub(super) struct Arrived<'a> {
    pub(super) at: Instant,
    pub(super) octets: &'a [u8],
    pub(super) packet: IpPacket<'a>,
    pub(super) checksum_right: bool,
}

/// An ICMP error and the packet that it quotes.
pub(super) struct ErrorNotice<'a> {
    error: icmp::Error<'a>,
    quoted: IpPacket<'a>,
    /// Everything after the quoted IP header, padding included.
    transport: &'a [u8],
}

impl Ready {
    /// An item without octets.
    pub(super) fn bare(at: Instant, inbound: Inbound) -> Self {
        Ready { at, inbound, octets: Vec::new(), extension: None }
    }
}

impl<'a> Arrived<'a> {
    pub(super) fn read(at: Instant, octets: &'a [u8]) -> Option<Self> {
        let packet = ip::parse(octets).ok()?;
        Some(Arrived { at, octets, checksum_right: packet::checksum_right(&packet), packet })
    }

    pub(super) fn family(&self) -> Family {
        Family::of(self.packet.source)
    }

    fn is_icmp(&self) -> bool {
        self.packet.protocol == packet::icmp_protocol(self.family())
    }

    /// The ICMP error in it, as the kernel sees it: undamaged, of a known kind, with eight octets after the quoted
    /// IP header.
    pub(super) fn about(&self) -> Option<ErrorNotice<'a>> {
        if !self.is_icmp() || !self.checksum_right {
            return None;
        }
        let Ok(Message::Error(error)) = icmp::parse(self.family(), self.packet.payload) else { return None };
        let quoted = ip::parse(error.quote).ok()?;
        let known = match self.family() {
            Family::V4 => match error.icmp_type {
                3 => error.icmp_code <= LAST_UNREACHABLE,
                SOURCE_QUENCH | REDIRECT | 11 | 12 => true,
                _ => false,
            },
            Family::V6 => (1..=4).contains(&error.icmp_type),
        };
        let transport = error.quote.get(packet::transport_offset(error.quote)..).unwrap_or_default();
        (known && transport.len() >= 8 && Family::of(quoted.source) == self.family()).then_some(ErrorNotice {
            error,
            quoted,
            transport,
        })
    }

    /// The item that the sockets of `lane` receive for this packet.
    pub(super) fn offer(&self, id: LaneId, lane: &SimLane) -> Option<Ready> {
        let profile = &lane.profile;
        let bound_elsewhere = lane.plan.source.is_some_and(|bound| bound != self.packet.destination);
        if profile.family != self.family() || bound_elsewhere {
            return None;
        }
        match (profile.protocol, profile.socket) {
            (Protocol::Icmp, SocketKind::Raw) => self.raw(id, lane),
            (Protocol::Udp | Protocol::Tcp, SocketKind::Raw) => self.raw_transport(id, lane),
            (Protocol::Icmp, _) | (Protocol::Udp, _) => {
                self.datagram(id, lane).or_else(|| self.about()?.datagram_report(self, id, lane))
            }
            _ => None,
        }
    }

    /// Raw sockets get echo replies with the lane's identifier and every error of a known type. Only ICMPv6 checksums are
    /// checked for them.
    fn raw(&self, id: LaneId, lane: &SimLane) -> Option<Ready> {
        let message = self.packet.payload;
        let (&icmp_type, v4) = (message.first()?, self.family() == Family::V4);
        if !self.is_icmp() || !(v4 || self.checksum_right) {
            return None;
        }
        let ours = lane.idents.first().copied();
        let wanted = match (self.family(), icmp_type) {
            (Family::V4, 0) | (Family::V6, 129) => packet::field16(message, 4) == ours,
            (Family::V4, 3 | SOURCE_QUENCH | REDIRECT | 11 | 12) => true,
            (Family::V6, 1..=4 | 137) => true,
            _ => false,
        };
        wanted.then(|| self.as_datagram(id, lane, 0, 0))
    }

    /// Raw UDP and TCP lanes get what comes to their ports, and every ICMP error.
    fn raw_transport(&self, id: LaneId, lane: &SimLane) -> Option<Ready> {
        let octets = self.packet.payload;
        let number = if lane.profile.protocol == Protocol::Udp { packet::UDP } else { packet::TCP };
        if self.packet.protocol == number {
            return lane.flow_of(packet::field16(octets, 2)).map(|_| self.as_datagram(id, lane, 0, 0));
        }
        let error = match (self.family(), octets.first().copied()) {
            (Family::V4, Some(3 | SOURCE_QUENCH | REDIRECT | 11 | 12)) => true,
            (Family::V6, Some(1..=4 | 137)) => self.checksum_right,
            _ => false,
        };
        (self.is_icmp() && error).then(|| self.as_datagram(id, lane, ERROR_FLOW, 0))
    }

    fn datagram(&self, id: LaneId, lane: &SimLane) -> Option<Ready> {
        if !self.checksum_right {
            return None;
        }
        let octets = self.packet.payload;
        if lane.profile.protocol == Protocol::Udp {
            let flow = (self.packet.protocol == packet::UDP).then(|| lane.flow_of(packet::field16(octets, 2)))??;
            return Some(self.as_datagram(id, lane, flow, packet::field16(octets, 0).unwrap_or_default()));
        }
        let reply = matches!((self.family(), octets.first()), (Family::V4, Some(0)) | (Family::V6, Some(129)));
        let flow = (self.is_icmp() && reply).then(|| lane.flow_of(packet::field16(octets, 4)))??;
        Some(self.as_datagram(id, lane, flow, 0))
    }

    fn as_datagram(&self, id: LaneId, lane: &SimLane, flow: u16, port: u16) -> Ready {
        let octets = match lane.profile.received_at {
            Layer::Ip => self.octets,
            Layer::Transport => self.packet.payload,
            Layer::Payload => self.packet.payload.get(8..).unwrap_or_default(),
        };
        let inbound = Inbound::Datagram(Datagram {
            lane: id,
            flow,
            from: Endpoint::Ip(IpEndpoint::from_address(self.packet.source).with_port(port)),
            to: Some(self.packet.destination),
            ifindex: Some(IFINDEX),
            reply_ttl: Some(self.packet.ttl),
            tos: Some(self.packet.tos),
            stamp: Stamp::default(),
            octets: Span::default(),
            cut: false,
        });
        Ready { at: self.at, inbound, octets: octets.to_vec(), extension: None }
    }
}

impl ErrorNotice<'_> {
    /// The path MTU the error states, and for which destination.
    pub(super) fn path_mtu(&self) -> Option<(IpAddr, Mtu)> {
        Some((self.quoted.destination, self.error.mtu()?))
    }

    /// Whether it is only advice: a redirect or a source quench.
    pub(super) fn is_advice(&self) -> bool {
        self.error.kind.is_advice()
    }

    /// Our and the other port of the TCP segment it is about.
    pub(super) fn tcp_ports(&self) -> Option<(u16, IpEndpoint)> {
        let ours = packet::field16(self.transport, 0).filter(|_| self.quoted.protocol == packet::TCP)?;
        let theirs = packet::field16(self.transport, 2)?;
        Some((ours, IpEndpoint::from_address(self.quoted.destination).with_port(theirs)))
    }

    /// What the error queue of a datagram socket reports. Which socket, the quoted identifier or source port decides.
    fn datagram_report(&self, arrived: &Arrived<'_>, id: LaneId, lane: &SimLane) -> Option<Ready> {
        let quoted = self.transport;
        let advice = self.is_advice();
        let (key, port) = match lane.profile.protocol {
            Protocol::Udp if self.quoted.protocol != packet::UDP || advice => return None,
            Protocol::Udp => (packet::field16(quoted, 0), packet::field16(quoted, 2).unwrap_or_default()),
            _ if self.quoted.protocol != packet::icmp_protocol(arrived.family()) => return None,
            _ => (packet::field16(quoted, 4), 0),
        };
        let flow = lane.flow_of(key)?;
        if lane.plan.source.is_some_and(|bound| bound != self.quoted.source) {
            return None;
        }
        Some(self.report(arrived, id, flow, None, port, lane.profile.quote_at))
    }

    /// The error in the form of an error queue.
    pub(super) fn report(
        &self,
        arrived: &Arrived<'_>,
        lane: LaneId,
        flow: u16,
        token: Option<Token>,
        port: u16,
        quote_at: Layer,
    ) -> Ready {
        // The kernel finds the extension structure only where the length field of RFC 4884 says it is; else it is quote.
        let message = arrived.packet.payload;
        let announced = match arrived.family() {
            Family::V4 => message.get(5),
            Family::V6 => message.get(4),
        };
        let extension = match announced {
            Some(&length) if length > 0 && !self.error.extension.is_empty() => Some(self.error.extension.to_vec()),
            _ => None,
        };
        let skip = match quote_at {
            Layer::Ip | Layer::Transport => 0,
            Layer::Payload => 8,
        };
        let mut quote = self.transport.get(skip..).unwrap_or_default().to_vec();
        if extension.is_none() {
            quote.extend_from_slice(self.error.extension);
        }
        let (error, info) = self.kernel_view(arrived.family());
        let inbound = Inbound::Icmp(IcmpNotice {
            lane,
            flow,
            token,
            to: Some(IpEndpoint::from_address(self.quoted.destination).with_port(port)),
            origin: ErrorOrigin::Icmp,
            offender: Some(arrived.packet.source),
            icmp: Some((self.error.icmp_type, self.error.icmp_code)),
            error,
            info,
            reply_ttl: Some(arrived.packet.ttl),
            tos: Some(arrived.packet.tos),
            stamp: Stamp::default(),
            quote: Span::default(),
            extension: None,
        });
        Ready { at: arrived.at, inbound, octets: quote, extension }
    }

    /// The errno that the kernel maps this error to, and its view of octets 5 to 8.
    fn kernel_view(&self, family: Family) -> (OsError, u32) {
        const ENOPROTOOPT: OsError = OsError::from_code(92);
        const EHOSTDOWN: OsError = OsError::from_code(112);
        const ENONET: OsError = OsError::from_code(64);
        const EPROTO: OsError = OsError::from_code(71);
        const EREMOTEIO: OsError = OsError::from_code(121);
        let icmp::Error { icmp_type, icmp_code, info, .. } = self.error;
        let error = match (family, icmp_type, icmp_code) {
            (Family::V4, SOURCE_QUENCH | REDIRECT, _) => EREMOTEIO,
            (Family::V4, 3, 0 | 6 | 9 | 11) | (Family::V6, 1, 0) => OsError::ENETUNREACH,
            (Family::V4, 3, 2) => ENOPROTOOPT,
            (Family::V4, 3, 3) | (Family::V6, 1, 4) => OsError::ECONNREFUSED,
            (Family::V4, 3, 4) | (Family::V6, 2, _) => OsError::EMSGSIZE,
            (Family::V4, 3, 5) => OsError::EOPNOTSUPP,
            (Family::V4, 3, 7) => EHOSTDOWN,
            (Family::V4, 3, 8) => ENONET,
            (Family::V4, 12, _) | (Family::V6, 4, _) => EPROTO,
            (Family::V6, 1, 1 | 5 | 6) => OsError::EACCES,
            (Family::V6, 1, code) if code > 6 => EPROTO,
            _ => OsError::EHOSTUNREACH,
        };
        let info = match (self.error.kind, family) {
            (ErrorKind::TooBig, Family::V4) => info & 0xffff,
            (ErrorKind::TooBig | ErrorKind::Redirect, _) => info,
            (ErrorKind::ParameterProblem, Family::V4) => info >> 24,
            (ErrorKind::ParameterProblem, Family::V6) => info,
            _ => 0,
        };
        (error, info)
    }
}

impl SimLane {
    /// Which of the lane's sockets has this identifier or port.
    fn flow_of(&self, ident: Option<u16>) -> Option<u16> {
        let position = self.idents.iter().position(|&own| Some(own) == ident)?;
        u16::try_from(position).ok()
    }
}
