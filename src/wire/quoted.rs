//! The datagram inside an ICMP error: read laxly, because routers cut, rewrite and swap it.

use etherparse::{icmpv4, icmpv6, ip_number};

use super::WireError;
use super::ip::{self, IpPacket};
use crate::types::{Family, Ident, Sequence};

/// Octets of a transport header that a router must quote (RFC 792), and all that is relied on.
const TRANSPORT_OCTETS: usize = 8;

/// A quoted transport header, as far as its first 8 octets tell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Transport<'a> {
    /// ICMP or ICMPv6 echo request.
    Echo {
        /// Identifier.
        ident: Ident,
        /// Sequence number.
        sequence: Sequence,
        /// The checksum field.
        checksum: u16,
        /// As much of the payload as is quoted.
        payload: &'a [u8],
    },
    /// UDP.
    Udp {
        /// Source port.
        source_port: u16,
        /// Destination port.
        destination_port: u16,
        /// The length field.
        length: u16,
        /// The checksum field.
        checksum: u16,
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
    },
    /// Another protocol, another ICMP message, a later fragment, or fewer than 8 octets.
    Unknown,
}

/// Reads a quoted IP packet.
///
/// # Errors
/// If not even the IP header is there.
pub fn parse(octets: &[u8]) -> Result<(IpPacket<'_>, Transport<'_>), WireError> {
    let packet = ip::parse_quoted(octets)?;
    let family = Family::of(packet.source);
    let transport = match (family, packet.protocol.into()) {
        _ if packet.later_fragment => Transport::Unknown,
        (Family::V4, ip_number::ICMP) | (Family::V6, ip_number::IPV6_ICMP) => parse_icmp(family, packet.payload),
        (_, ip_number::UDP) => parse_udp(packet.payload),
        (_, ip_number::TCP) => parse_tcp(packet.payload),
        _ => Transport::Unknown,
    };
    Ok((packet, transport))
}

/// Reads a quote that starts at the ICMP header, as error queues of ICMP sockets give it.
pub fn parse_icmp(family: Family, octets: &[u8]) -> Transport<'_> {
    let echo_request = match family {
        Family::V4 => icmpv4::TYPE_ECHO_REQUEST,
        Family::V6 => icmpv6::TYPE_ECHO_REQUEST,
    };
    match words(octets) {
        Some(([head, checksum, ident, sequence], payload)) if head >> 8 == u16::from(echo_request) => {
            Transport::Echo { ident: Ident::new(ident), sequence: Sequence::new(sequence), checksum, payload }
        }
        _ => Transport::Unknown,
    }
}

fn parse_udp(octets: &[u8]) -> Transport<'_> {
    let Some(([source_port, destination_port, length, checksum], payload)) = words(octets) else {
        return Transport::Unknown;
    };
    Transport::Udp { source_port, destination_port, length, checksum, payload }
}

fn parse_tcp(octets: &[u8]) -> Transport<'_> {
    let Some(([source_port, destination_port, high, low], _)) = words(octets) else { return Transport::Unknown };
    Transport::Tcp { source_port, destination_port, sequence: u32::from(high) << 16 | u32::from(low) }
}

/// The first 8 octets as 16-bit words, and what follows.
fn words(octets: &[u8]) -> Option<([u16; 4], &[u8])> {
    let (&[a, b, c, d, e, f, g, h], rest) = octets.split_first_chunk::<TRANSPORT_OCTETS>()?;
    Some(([[a, b], [c, d], [e, f], [g, h]].map(u16::from_be_bytes), rest))
}
