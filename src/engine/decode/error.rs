//! ICMP errors, in band and from an error queue, and the quotes of our packets in them.

use std::net::{IpAddr, Ipv4Addr};

use super::own_ident;
use crate::channel::{Arena, ErrorOrigin, IcmpNotice, Layer, OsError, Profile, Protocol};
use crate::types::{Family, Ident, Mtu, Sequence, Stamp, Tos, Ttl};
use crate::wire::icmp::{self, ErrorKind};
use crate::wire::quoted::Transport;
use crate::wire::{extension, ip, quoted};

/// An ICMP error, from whichever way it came.
#[derive(Clone, Debug, PartialEq)]
pub struct DecodedError<'a> {
    /// The sender of the ICMP message; `None` for a local error.
    pub responder: Option<IpAddr>,
    /// Where the error was found.
    pub origin: ErrorOrigin,
    /// ICMP type and code; `None` for a local error.
    pub icmp: Option<(u8, u8)>,
    /// The meaning of type and code.
    pub kind: ErrorKind,
    /// Octets 5 to 8 of the ICMP header (over an error queue, what the kernel passes on of them).
    pub info: u32,
    /// The MTU it states, for «too big» kinds.
    pub mtu: Option<Mtu>,
    /// The gateway it names, for redirects.
    pub gateway: Option<IpAddr>,
    /// `Some(false)` if the ICMP checksum is wrong; `None` where the kernel has checked it already.
    pub checksum_right: Option<bool>,
    /// TTL or Hop Limit on arrival.
    pub reply_ttl: Option<Ttl>,
    /// TOS or Traffic Class on arrival.
    pub tos: Option<Tos>,
    /// When it arrived.
    pub stamp: Stamp,
    /// Our packet, as far as it is quoted; `None` if not even its addresses or ports are known.
    pub quoted: Option<QuotedProbe<'a>>,
    /// The ICMP extension structure (RFC 4884 §7), empty if there is none; for `wire::extension::parse`.
    pub extension: &'a [u8],
}

impl DecodedError<'static> {
    /// An error of this host's that no ICMP message reports.
    pub fn local(error: OsError, stamp: Stamp) -> Self {
        DecodedError {
            responder: None,
            origin: ErrorOrigin::Local,
            icmp: None,
            kind: local_kind(error),
            info: 0,
            mtu: None,
            gateway: None,
            checksum_right: None,
            reply_ttl: None,
            tos: None,
            stamp,
            quoted: None,
            extension: &[],
        }
    }
}

/// The part of our packet inside an ICMP error.
#[derive(Clone, Debug, PartialEq)]
pub struct QuotedProbe<'a> {
    /// Source address in the quote; `None` where an error queue hides it.
    pub source: Option<IpAddr>,
    /// Destination address in the quote, or the original destination an error queue names.
    pub destination: Option<IpAddr>,
    /// TTL or Hop Limit in the quote; `None` where an error queue hides it.
    pub quoted_ttl: Option<Ttl>,
    /// TOS or Traffic Class in the quote; `None` where an error queue hides it.
    pub quoted_tos: Option<Tos>,
    /// IPv4 Identification in the quote; `None` for IPv6 and where an error queue hides it.
    pub identification: Option<u16>,
    /// The transport checksum in the quote; `None` where the quote is too short or an error queue hides it.
    pub checksum: Option<u16>,
    /// The flow ([`crate::channel::Transmit::flow`]) whose socket reports the error; 0 for raw lanes.
    pub flow: u16,
    /// The transport header.
    pub transport: QuotedTransport<'a>,
}

/// A quoted transport header.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum QuotedTransport<'a> {
    /// An ICMP echo request.
    Echo {
        /// Identifier; the lane's where the kernel owns that.
        ident: Ident,
        /// Sequence number.
        sequence: Sequence,
        /// As much of the payload as is quoted.
        payload: &'a [u8],
    },
    /// UDP.
    Udp {
        /// Source port; `None` where an error queue hides it.
        source_port: Option<u16>,
        /// Destination port.
        destination_port: u16,
        /// As much of the payload as is quoted.
        payload: &'a [u8],
    },
    /// TCP.
    Tcp {
        /// Source port.
        source_port: u16,
        /// Destination port.
        destination_port: u16,
        /// Sequence number.
        sequence: u32,
        /// The time in the timestamps option: the sequence number once more, if enough is quoted.
        timestamp: Option<u32>,
    },
    /// Something that the lane does not send.
    Other,
    /// The quote is too short.
    Unknown,
}

/// Reads a notice from the error queue of a lane with this profile.
pub fn notice<'a>(profile: &Profile, notice: &IcmpNotice, octets: &'a Arena) -> DecodedError<'a> {
    let kind = match notice.icmp {
        Some((icmp_type, icmp_code)) => ErrorKind::of(profile.family, icmp_type, icmp_code),
        None => local_kind(notice.error),
    };
    let stated = notice.extension.map(|span| octets.get(span)).unwrap_or_default();
    let quote = octets.get(notice.quote);
    let (quote, extension) = if stated.is_empty() {
        extension::split_unstated(quote_before_extension(profile), quote)
    } else {
        // The kernel hands both out in one piece, the structure last.
        (quote.strip_suffix(stated).unwrap_or(quote), stated)
    };
    let gateway =
        Some(notice.info).filter(|&info| kind == ErrorKind::Redirect && profile.family == Family::V4 && info != 0);
    DecodedError {
        responder: notice.offender.filter(|_| notice.origin == ErrorOrigin::Icmp),
        origin: notice.origin,
        icmp: notice.icmp,
        kind,
        info: notice.info,
        mtu: icmp::mtu(kind, notice.info),
        gateway: gateway.map(|gateway| Ipv4Addr::from(gateway).into()),
        checksum_right: None,
        reply_ttl: notice.reply_ttl,
        tos: notice.tos,
        stamp: notice.stamp,
        quoted: noticed_packet(profile, notice, quote),
        extension,
    }
}

/// The meaning of a local error, which has no ICMP type.
pub fn local_kind(error: OsError) -> ErrorKind {
    match error {
        OsError::EMSGSIZE => ErrorKind::TooBig,
        OsError::ENETUNREACH => ErrorKind::NetUnreachable,
        OsError::EHOSTUNREACH => ErrorKind::HostUnreachable,
        OsError::EACCES | OsError::EPERM => ErrorKind::Prohibited,
        _ => ErrorKind::Unknown,
    }
}

/// Octets of the largest part of a quote that the kernel takes off before it hands it out, where our packet has no options.
fn quote_before_extension(profile: &Profile) -> usize {
    let ip_header = profile.family.pick(20, 40);
    let hidden = match profile.quote_at {
        Layer::Ip => 0,
        Layer::Transport => ip_header,
        Layer::Payload => ip_header + icmp::HEADER_OCTETS,
    };
    extension::UNSTATED_AT - hidden
}

/// Reads our packet as an error queue quotes it, from the layer on that the lane's profile names.
fn noticed_packet<'a>(profile: &Profile, notice: &IcmpNotice, quote: &'a [u8]) -> Option<QuotedProbe<'a>> {
    if profile.quote_at == Layer::Ip {
        return quoted_packet(profile, notice.flow, quote);
    }
    let transport = match (profile.protocol, notice.to) {
        (Protocol::Icmp, _) => quoted_transport(profile, quoted::parse_icmp(profile.family, quote)),
        (Protocol::Udp, Some(to)) => {
            let payload = if profile.quote_at == Layer::Payload { quote } else { quote.get(8..).unwrap_or_default() };
            QuotedTransport::Udp { source_port: None, destination_port: to.port_number(), payload }
        }
        (Protocol::Udp, None) | (Protocol::Tcp | Protocol::Unix, _) => QuotedTransport::Unknown,
    };
    let destination = notice.to.map(|to| to.address);
    (destination.is_some() || transport != QuotedTransport::Unknown).then_some(QuotedProbe {
        source: None,
        destination,
        quoted_ttl: None,
        quoted_tos: None,
        identification: None,
        checksum: None,
        flow: notice.flow,
        transport,
    })
}

/// Reads our packet as an ICMP message quotes it, from its IP header on.
pub(super) fn quoted_packet<'a>(profile: &Profile, flow: u16, quote: &'a [u8]) -> Option<QuotedProbe<'a>> {
    let (packet, transport) = quoted::parse(quote).ok()?;
    (Family::of(packet.destination) == profile.family).then(|| QuotedProbe {
        source: Some(packet.source),
        destination: Some(packet.destination),
        quoted_ttl: Some(packet.ttl),
        quoted_tos: Some(packet.tos),
        identification: packet.identification,
        checksum: transport.checksum(),
        flow,
        transport: match quoted_transport(profile, transport) {
            QuotedTransport::Unknown if is_other(profile, &packet) => QuotedTransport::Other,
            transport => transport,
        },
    })
}

/// Whether a packet without a known transport header is none of the lane's, rather than cut before it.
fn is_other(profile: &Profile, packet: &ip::IpPacket<'_>) -> bool {
    let protocol = match (profile.protocol, profile.family) {
        (Protocol::Icmp, Family::V4) => 1,
        (Protocol::Icmp, Family::V6) => 58,
        (Protocol::Udp, _) => 17,
        (Protocol::Tcp, _) => 6,
        (Protocol::Unix, _) => return true,
    };
    let whole = packet.payload.len() >= 8;
    // An IPv6 header chain that is cut ends with the number of one of its headers.
    !packet.later_fragment && (whole || profile.family == Family::V4 && packet.protocol != protocol)
}

fn quoted_transport<'a>(profile: &Profile, transport: Transport<'a>) -> QuotedTransport<'a> {
    match transport {
        Transport::Echo { ident, sequence, payload, .. } => {
            QuotedTransport::Echo { ident: own_ident(profile, ident), sequence, payload }
        }
        Transport::Udp { source_port, destination_port, payload, .. } => {
            QuotedTransport::Udp { source_port: Some(source_port), destination_port, payload }
        }
        Transport::Tcp { source_port, destination_port, sequence, timestamp } => {
            QuotedTransport::Tcp { source_port, destination_port, sequence, timestamp }
        }
        Transport::Unknown => QuotedTransport::Unknown,
    }
}
