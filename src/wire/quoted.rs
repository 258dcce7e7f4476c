//! The datagram inside an ICMP error: read laxly, because routers cut, rewrite and swap it.

use super::WireError;
use super::ip::IpPacket;
use crate::types::{Family, Ident, Sequence};

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
    let _ = octets;
    todo!()
}

/// Reads a quote that starts at the ICMP header, as error queues of ICMP sockets give it.
pub fn parse_icmp(family: Family, octets: &[u8]) -> Transport<'_> {
    let _ = (family, octets);
    todo!()
}
