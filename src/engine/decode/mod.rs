//! Received datagrams and error notices, read by the lane's [`Profile`]: in-band ICMP errors and those of the error queue come
//! out the same.

mod error;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

pub use error::{DecodedError, QuotedProbe, QuotedTransport, local_kind, notice};

use crate::channel::{Arena, Datagram, ERROR_FLOW, ErrorOrigin, Layer, Owner, Profile, Protocol, SocketKind};
use crate::types::{Family, Ident, IpEndpoint, Sequence, Stamp, Tos, Ttl};
use crate::wire::icmp::{self, Message};
use crate::wire::tcp::{self, TcpHeader};
use crate::wire::{WireError, checksum, ip, udp};

/// The contents of a received datagram.
#[derive(Clone, Debug, PartialEq)]
pub enum Decoded<'a> {
    /// An ICMP echo reply.
    Reply(EchoReply<'a>),
    /// A datagram on a UDP lane.
    Answer(Answer<'a>),
    /// A segment on a raw TCP lane.
    Segment(Segment),
    /// An ICMP error about some packet, maybe not ours.
    Error(DecodedError<'a>),
    /// Well-formed, and nothing that a probe can be answered with (echo requests, neighbour discovery …).
    Other,
    /// Cannot be read.
    Damaged(WireError),
}

/// An ICMP echo reply.
#[derive(Clone, Debug, PartialEq)]
pub struct EchoReply<'a> {
    /// Its sender.
    pub responder: IpAddr,
    /// The address of ours it was sent to.
    pub to: Option<IpAddr>,
    /// Identifier; the lane's where the kernel owns that.
    pub ident: Ident,
    /// Sequence number.
    pub sequence: Sequence,
    /// The octets after the 8-octet header.
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
    /// Its sender; `None` over a local socket.
    pub responder: Option<IpAddr>,
    /// The sender's port.
    pub port: Option<u16>,
    /// The flow whose socket received it.
    pub flow: u16,
    /// The octets after the UDP header.
    pub payload: &'a [u8],
    /// Whether there was more than could be read.
    pub cut: bool,
    /// TTL or Hop Limit on arrival.
    pub reply_ttl: Option<Ttl>,
    /// TOS or Traffic Class on arrival.
    pub tos: Option<Tos>,
    /// When it arrived.
    pub stamp: Stamp,
}

/// A segment on a raw TCP lane.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Segment {
    /// Its sender.
    pub responder: IpAddr,
    /// Its header.
    pub header: TcpHeader,
    /// TTL or Hop Limit on arrival.
    pub reply_ttl: Option<Ttl>,
    /// When it arrived.
    pub stamp: Stamp,
}

/// Reads a datagram of a lane with this profile.
pub fn datagram<'a>(profile: &Profile, datagram: &Datagram, octets: &'a Arena) -> Decoded<'a> {
    let Some(from) = datagram.from.ip() else {
        return match profile.protocol {
            Protocol::Unix => Decoded::Answer(answer(datagram, None, octets.get(datagram.octets))),
            _ => Decoded::Other,
        };
    };
    let raw = profile.socket == SocketKind::Raw;
    let decoded = match profile.protocol {
        Protocol::Udp | Protocol::Tcp if raw && datagram.flow == ERROR_FLOW => {
            icmp_datagram(profile, datagram, from.address, octets.get(datagram.octets))
        }
        Protocol::Tcp if raw => tcp_datagram(profile, datagram, from.address, octets.get(datagram.octets)),
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
    let Some(IcmpOctets { message, cut, checksum_right, to, reply_ttl, tos }) =
        IcmpOctets::of(profile, datagram, octets)?
    else {
        return Ok(Decoded::Other);
    };
    Ok(match icmp::parse(profile.family, message)? {
        Message::EchoReply(echo) => Decoded::Reply(EchoReply {
            responder,
            to,
            ident: own_ident(profile, echo.ident),
            sequence: echo.sequence,
            payload: echo.payload,
            octets: message.len(),
            cut,
            checksum_right,
            reply_ttl,
            tos,
            stamp: datagram.stamp,
        }),
        Message::Error(error) => Decoded::Error(DecodedError {
            responder: Some(responder),
            origin: ErrorOrigin::Icmp,
            icmp: Some((error.icmp_type, error.icmp_code)),
            kind: error.kind,
            info: error.info,
            mtu: error.mtu(),
            gateway: error.gateway(),
            checksum_right,
            reply_ttl,
            tos,
            stamp: datagram.stamp,
            quoted: error::quoted_packet(profile, datagram.flow, error.quote),
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
    to: Option<IpAddr>,
    reply_ttl: Option<Ttl>,
    tos: Option<Tos>,
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
                Ok(Some(IcmpOctets {
                    message: packet.payload,
                    cut,
                    checksum_right,
                    to: Some(packet.destination),
                    reply_ttl: Some(packet.ttl),
                    tos: Some(packet.tos),
                }))
            }
            Layer::Transport => Ok(Some(IcmpOctets {
                message: octets,
                cut: datagram.cut,
                checksum_right: None,
                to: datagram.to,
                reply_ttl: datagram.reply_ttl,
                tos: datagram.tos,
            })),
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
        Layer::Payload => (from.port_number(), octets),
        Layer::Transport => udp::parse(octets).map(|udp| (udp.source_port, udp.payload))?,
        Layer::Ip => {
            let packet = ip::parse(octets)?;
            let udp = udp::parse(packet.payload)?;
            let answer = answer(datagram, Some((from.address, udp.source_port)), udp.payload);
            return Ok(Decoded::Answer(Answer { reply_ttl: Some(packet.ttl), tos: Some(packet.tos), ..answer }));
        }
    };
    Ok(Decoded::Answer(answer(datagram, Some((from.address, port)), payload)))
}

fn answer<'a>(datagram: &Datagram, from: Option<(IpAddr, u16)>, payload: &'a [u8]) -> Answer<'a> {
    Answer {
        responder: from.map(|(address, _)| address),
        port: from.map(|(_, port)| port),
        flow: datagram.flow,
        payload,
        cut: datagram.cut,
        reply_ttl: datagram.reply_ttl,
        tos: datagram.tos,
        stamp: datagram.stamp,
    }
}

fn tcp_datagram<'a>(
    profile: &Profile,
    datagram: &Datagram,
    responder: IpAddr,
    octets: &[u8],
) -> Result<Decoded<'a>, WireError> {
    let (segment, reply_ttl) = match profile.received_at {
        Layer::Ip => ip::parse(octets).map(|packet| (packet.payload, Some(packet.ttl)))?,
        _ => (octets, datagram.reply_ttl),
    };
    Ok(Decoded::Segment(Segment { responder, header: tcp::parse(segment)?, reply_ttl, stamp: datagram.stamp }))
}

/// The ident a packet carries; where the kernel owns it, it has compared it with the socket's already.
fn own_ident(profile: &Profile, ident: Ident) -> Ident {
    match profile.ident.owner {
        Owner::Ours => ident,
        Owner::Kernel => profile.ident.ident,
    }
}
