//! What arrives, read by the lane's [`Profile`]: in-band ICMP errors and those of the error queue come out the same.

use std::net::{IpAddr, Ipv4Addr};

use crate::channel::{Arena, Datagram, ErrorOrigin, IcmpReport, Layer, OsError, Owner, Profile, Protocol};
use crate::types::{Family, Ident, IpEndpoint, Mtu, Sequence, Stamp, Tos, Ttl};
use crate::wire::icmp::{self, ErrorKind, Message};
use crate::wire::quoted::Transport;
use crate::wire::{WireError, checksum, extension, ip, quoted, udp};

/// What a received datagram is.
#[derive(Clone, Debug, PartialEq)]
pub enum Decoded<'a> {
    /// An ICMP echo reply.
    Reply(EchoReply<'a>),
    /// A datagram on a UDP lane.
    Answer(Answer<'a>),
    /// An ICMP error about some packet, maybe not ours.
    Error(IcmpError<'a>),
    /// Well-formed, and nothing that a probe can be answered with (echo requests, neighbour discovery …).
    Other,
    /// Cannot be read.
    Damaged(WireError),
}

/// An ICMP echo reply.
#[derive(Clone, Debug, PartialEq)]
pub struct EchoReply<'a> {
    /// Who sent it.
    pub responder: IpAddr,
    /// The address of ours it was sent to.
    pub to: Option<IpAddr>,
    /// Identifier; of a lane whose ident the kernel owns, the lane's.
    pub ident: Ident,
    /// Sequence number.
    pub sequence: Sequence,
    /// What follows the 8-octet header.
    pub payload: &'a [u8],
    /// Octets of the ICMP message that arrived, header included.
    pub octets: usize,
    /// Whether the IP header announced more octets than arrived.
    pub cut: bool,
    /// `Some(false)` if the ICMP checksum is wrong; `None` where the kernel has checked it already.
    pub checksum_right: Option<bool>,
    /// TTL or Hop Limit on arrival.
    pub reply_ttl: Option<Ttl>,
    /// TOS or Traffic Class on arrival.
    pub tos: Option<Tos>,
    /// When it arrived.
    pub stamp: Stamp,
}

/// A datagram on a UDP lane.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer<'a> {
    /// Who sent it.
    pub responder: IpAddr,
    /// From which port.
    pub port: u16,
    /// The flow whose socket received it.
    pub flow: u16,
    /// The octets behind the UDP header.
    pub payload: &'a [u8],
    /// TTL or Hop Limit on arrival.
    pub reply_ttl: Option<Ttl>,
    /// TOS or Traffic Class on arrival.
    pub tos: Option<Tos>,
    /// When it arrived.
    pub stamp: Stamp,
}

/// An ICMP error, from whichever way it came.
#[derive(Clone, Debug, PartialEq)]
pub struct IcmpError<'a> {
    /// Who sent the ICMP message; `None` for a local error.
    pub responder: Option<IpAddr>,
    /// Who found the error.
    pub origin: ErrorOrigin,
    /// ICMP type.
    pub icmp_type: u8,
    /// ICMP code.
    pub icmp_code: u8,
    /// What type and code mean.
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
    /// Our packet, as far as it is quoted; `None` if not even its addresses or ports can be told.
    pub quoted: Option<QuotedProbe<'a>>,
    /// The ICMP extension structure (RFC 4884 §7), empty if there is none; for `wire::extension::parse`.
    pub extension: &'a [u8],
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
    /// The flow ([`crate::channel::Send::flow`]) whose socket reports the error; 0 for raw lanes.
    pub flow: u16,
    /// The transport header.
    pub transport: QuotedTransport<'a>,
}

/// A quoted transport header.
#[derive(Clone, Debug, PartialEq)]
pub enum QuotedTransport<'a> {
    /// An ICMP echo request.
    Echo {
        /// Identifier; of a lane whose ident the kernel owns, the lane's.
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
    /// Something we do not send, or too little to tell.
    Unknown,
}

/// Reads a datagram of a lane with this profile.
pub fn datagram<'a>(profile: &Profile, datagram: &Datagram, octets: &'a Arena) -> Decoded<'a> {
    let Some(from) = datagram.from.ip() else { return Decoded::Other };
    let decoded = match profile.protocol {
        Protocol::Icmp => icmp_datagram(profile, datagram, from.address, octets.get(datagram.octets)),
        Protocol::Udp => udp_datagram(profile, datagram, from, octets.get(datagram.octets)),
        Protocol::Tcp | Protocol::Unix => Ok(Decoded::Other),
    };
    decoded.unwrap_or_else(Decoded::Damaged)
}

fn icmp_datagram<'a>(
    profile: &Profile,
    datagram: &Datagram,
    responder: IpAddr,
    octets: &'a [u8],
) -> Result<Decoded<'a>, WireError> {
    let Some(IcmpOctets { message, cut, checksum_right }) = IcmpOctets::of(profile, datagram, octets)? else {
        return Ok(Decoded::Other);
    };
    Ok(match icmp::parse(profile.family, message)? {
        Message::EchoReply(echo) => Decoded::Reply(EchoReply {
            responder,
            to: datagram.to,
            ident: own_ident(profile, echo.ident),
            sequence: echo.sequence,
            payload: echo.payload,
            octets: message.len(),
            cut,
            checksum_right,
            reply_ttl: datagram.reply_ttl,
            tos: datagram.tos,
            stamp: datagram.stamp,
        }),
        Message::Error(error) => Decoded::Error(IcmpError {
            responder: Some(responder),
            origin: ErrorOrigin::Icmp,
            icmp_type: error.icmp_type,
            icmp_code: error.icmp_code,
            kind: error.kind,
            info: error.info,
            mtu: error.mtu(),
            gateway: error.gateway(),
            checksum_right,
            reply_ttl: datagram.reply_ttl,
            tos: datagram.tos,
            stamp: datagram.stamp,
            quoted: quoted_packet(profile, datagram.flow, error.quote),
            extension: error.extension,
        }),
        Message::EchoRequest(_) | Message::Other { .. } => Decoded::Other,
    })
}

/// A received ICMP message, freed from what stands before it.
struct IcmpOctets<'a> {
    message: &'a [u8],
    cut: bool,
    checksum_right: Option<bool>,
}

impl<'a> IcmpOctets<'a> {
    /// `None` if the octets are something else than an ICMP message.
    fn of(profile: &Profile, datagram: &Datagram, octets: &'a [u8]) -> Result<Option<Self>, WireError> {
        match profile.received_at {
            Layer::Ip => {
                let packet = ip::parse(octets)?;
                if packet.protocol != icmp::protocol(profile.family) || packet.later_fragment {
                    return Ok(None);
                }
                let cut = packet.cut || datagram.cut;
                // ICMPv6 is checked by the kernel; of octets that are not all there the sum says nothing.
                let ours_to_check = profile.family == Family::V4 && !cut;
                let checksum_right = ours_to_check.then(|| checksum::internet(packet.payload) == 0);
                Ok(Some(IcmpOctets { message: packet.payload, cut, checksum_right }))
            }
            Layer::Transport => Ok(Some(IcmpOctets { message: octets, cut: datagram.cut, checksum_right: None })),
            Layer::Payload => Ok(None),
        }
    }
}

fn udp_datagram<'a>(
    profile: &Profile,
    datagram: &Datagram,
    from: IpEndpoint,
    octets: &'a [u8],
) -> Result<Decoded<'a>, WireError> {
    let (port, payload) = match profile.received_at {
        Layer::Payload => (from.port, octets),
        Layer::Transport => udp::parse(octets).map(|udp| (udp.source_port, udp.payload))?,
        Layer::Ip => udp::parse(ip::parse(octets)?.payload).map(|udp| (udp.source_port, udp.payload))?,
    };
    Ok(Decoded::Answer(Answer {
        responder: from.address,
        port,
        flow: datagram.flow,
        payload,
        reply_ttl: datagram.reply_ttl,
        tos: datagram.tos,
        stamp: datagram.stamp,
    }))
}

/// Reads a report from the error queue of a lane with this profile.
pub fn report<'a>(profile: &Profile, report: &IcmpReport, octets: &'a Arena) -> IcmpError<'a> {
    let kind = match report.origin {
        ErrorOrigin::Icmp => ErrorKind::of(profile.family, report.icmp_type, report.icmp_code),
        ErrorOrigin::Local => local_kind(report.error),
    };
    let stated = report.extension.map(|span| octets.get(span)).unwrap_or_default();
    let quote = octets.get(report.quote);
    let (quote, extension) = if stated.is_empty() {
        extension::split_unstated(quote_before_extension(profile), quote)
    } else {
        // The kernel hands both out in one piece, the structure last.
        (quote.strip_suffix(stated).unwrap_or(quote), stated)
    };
    let gateway =
        Some(report.info).filter(|&info| kind == ErrorKind::Redirect && profile.family == Family::V4 && info != 0);
    IcmpError {
        responder: report.offender.filter(|_| report.origin == ErrorOrigin::Icmp),
        origin: report.origin,
        icmp_type: report.icmp_type,
        icmp_code: report.icmp_code,
        kind,
        info: report.info,
        mtu: icmp::mtu(kind, report.info),
        gateway: gateway.map(|gateway| Ipv4Addr::from(gateway).into()),
        checksum_right: None,
        reply_ttl: report.reply_ttl,
        tos: report.tos,
        stamp: report.stamp,
        quoted: reported_packet(profile, report, quote),
        extension,
    }
}

/// What a local error, which has no ICMP type, means.
fn local_kind(error: OsError) -> ErrorKind {
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
    let ip_header = match profile.family {
        Family::V4 => 20,
        Family::V6 => 40,
    };
    let hidden = match profile.quote_at {
        Layer::Ip => 0,
        Layer::Transport => ip_header,
        Layer::Payload => ip_header + icmp::HEADER_OCTETS,
    };
    extension::UNSTATED_AT - hidden
}

/// Reads our packet as an error queue quotes it, from the layer on that the lane's profile names.
fn reported_packet<'a>(profile: &Profile, report: &IcmpReport, quote: &'a [u8]) -> Option<QuotedProbe<'a>> {
    if profile.quote_at == Layer::Ip {
        return quoted_packet(profile, report.flow, quote);
    }
    let transport = match (profile.protocol, report.to) {
        (Protocol::Icmp, _) => quoted_transport(profile, quoted::parse_icmp(profile.family, quote)),
        (Protocol::Udp, Some(to)) => {
            let payload = if profile.quote_at == Layer::Payload { quote } else { quote.get(8..).unwrap_or_default() };
            QuotedTransport::Udp { source_port: None, destination_port: to.port, payload }
        }
        (Protocol::Udp, None) | (Protocol::Tcp | Protocol::Unix, _) => QuotedTransport::Unknown,
    };
    let destination = report.to.map(|to| to.address);
    (destination.is_some() || transport != QuotedTransport::Unknown).then_some(QuotedProbe {
        source: None,
        destination,
        quoted_ttl: None,
        quoted_tos: None,
        flow: report.flow,
        transport,
    })
}

/// Reads our packet as an ICMP message quotes it, from its IP header on.
fn quoted_packet<'a>(profile: &Profile, flow: u16, quote: &'a [u8]) -> Option<QuotedProbe<'a>> {
    let (packet, transport) = quoted::parse(quote).ok()?;
    (Family::of(packet.destination) == profile.family).then(|| QuotedProbe {
        source: Some(packet.source),
        destination: Some(packet.destination),
        quoted_ttl: Some(packet.ttl),
        quoted_tos: Some(packet.tos),
        flow,
        transport: quoted_transport(profile, transport),
    })
}

fn quoted_transport<'a>(profile: &Profile, transport: Transport<'a>) -> QuotedTransport<'a> {
    match transport {
        Transport::Echo { ident, sequence, payload, .. } => {
            QuotedTransport::Echo { ident: own_ident(profile, ident), sequence, payload }
        }
        Transport::Udp { source_port, destination_port, payload, .. } => {
            QuotedTransport::Udp { source_port: Some(source_port), destination_port, payload }
        }
        Transport::Tcp { .. } | Transport::Unknown => QuotedTransport::Unknown,
    }
}

/// The ident a packet carries; where the kernel owns it, it has compared it with the socket's already.
fn own_ident(profile: &Profile, ident: Ident) -> Ident {
    match profile.ident.owner {
        Owner::Ours => ident,
        Owner::Kernel => profile.ident.ident,
    }
}
