//! UDP headers (RFC 768), for simulated nodes: over a datagram socket the kernel writes and strips them.

use std::net::IpAddr;

use super::WireError;

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

/// Reads a UDP datagram, from its header on.
pub fn parse(octets: &[u8]) -> Result<UdpDatagram<'_>, WireError> {
    let _ = octets;
    todo!()
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
    let _ = (source, destination, datagram, out);
    todo!()
}
