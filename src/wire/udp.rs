//! UDP headers (RFC 768), for simulated nodes: over a datagram socket the kernel writes and strips them.

use std::net::IpAddr;

use etherparse::{LenSource, UdpSlice};
use pnet::packet::udp::{self, MutableUdpPacket};

use super::WireError;
use crate::types::Family;

/// Octets of a UDP header.
const HEADER_OCTETS: usize = 8;

/// A UDP datagram.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UdpDatagram<'a> {
    /// Source port.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
    /// What follows the header.
    pub payload: &'a [u8],
}

/// Reads a UDP datagram, from its header on; octets behind its end are left out.
///
/// # Errors
/// [`WireError::Short`] if there is less than the header, or less than its length field says; [`WireError::Malformed`] if that
/// says less than a header.
pub fn parse(octets: &[u8]) -> Result<UdpDatagram<'_>, WireError> {
    let datagram = UdpSlice::from_slice(octets).map_err(|error| match error.len_source {
        LenSource::Slice => WireError::Short,
        _ => WireError::Malformed,
    })?;
    Ok(UdpDatagram {
        source_port: datagram.source_port(),
        destination_port: datagram.destination_port(),
        payload: datagram.payload(),
    })
}

/// Appends a UDP datagram with its checksum between these addresses; 0 is sent as 0xffff (RFC 768, RFC 8200 §8.1).
///
/// # Errors
/// [`WireError::Malformed`] if the addresses are of different families or the payload is too long.
pub fn push(
    source: IpAddr,
    destination: IpAddr,
    datagram: &UdpDatagram<'_>,
    out: &mut Vec<u8>,
) -> Result<(), WireError> {
    if Family::of(source) != Family::of(destination) {
        return Err(WireError::Malformed);
    }
    let length = u16::try_from(HEADER_OCTETS + datagram.payload.len()).map_err(|_| WireError::Malformed)?;
    let start = out.len();
    out.resize(start + HEADER_OCTETS, 0);
    out.extend_from_slice(datagram.payload);
    let octets = out.get_mut(start..).unwrap_or_default();
    let mut packet = MutableUdpPacket::new(octets).ok_or(WireError::Short)?;
    packet.set_source(datagram.source_port);
    packet.set_destination(datagram.destination_port);
    packet.set_length(length);
    let sum = match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            udp::ipv4_checksum(&packet.to_immutable(), &source.octets().into(), &destination.octets().into())
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            udp::ipv6_checksum(&packet.to_immutable(), &source.octets().into(), &destination.octets().into())
        }
        _ => return Err(WireError::Malformed),
    };
    // pnet leaves this to its callers: on the wire 0 says that there is no checksum.
    packet.set_checksum(if sum == 0 { 0xffff } else { sum });
    Ok(())
}
