//! IPv4 (RFC 791) and IPv6 (RFC 8200) headers.

use std::net::IpAddr;

use super::WireError;
use crate::types::{FlowLabel, Tos, Ttl};

/// An IP packet as received or quoted, maybe cut short.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct IpPacket<'a> {
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// TTL or Hop Limit.
    pub ttl: Ttl,
    /// TOS or Traffic Class.
    pub tos: Tos,
    /// Protocol number behind the IPv4 options or the IPv6 extension headers.
    pub protocol: u8,
    /// IPv4 Identification.
    pub identification: Option<u16>,
    /// IPv6 flow label.
    pub flow_label: Option<FlowLabel>,
    /// IPv4 options, empty if there are none.
    pub options: &'a [u8],
    /// What follows, as far as it is there.
    pub payload: &'a [u8],
    /// Whether the header announces more octets than are there.
    pub cut: bool,
    /// Whether this is a fragment other than the first: `payload` does not start with a transport header.
    pub later_fragment: bool,
}

/// Reads an IP packet of either family; octets behind its end are left out, octets that lack are forgiven.
pub fn parse(octets: &[u8]) -> Result<IpPacket<'_>, WireError> {
    let _ = octets;
    todo!()
}

/// Appends an IPv4 or IPv6 header for `payload_octets` octets of `protocol` (used by simulated nodes).
///
/// # Errors
/// [`WireError::Malformed`] if the addresses are of different families or the packet would be too long.
pub fn push_header(header: &IpHeader, payload_octets: usize, out: &mut Vec<u8>) -> Result<(), WireError> {
    let _ = (header, payload_octets, out);
    todo!()
}

/// The fields of a header to write.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct IpHeader {
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// TTL or Hop Limit.
    pub ttl: Ttl,
    /// TOS or Traffic Class.
    pub tos: Tos,
    /// Protocol number.
    pub protocol: u8,
    /// IPv4 Identification; ignored for IPv6.
    pub identification: u16,
    /// IPv4 Don't Fragment; ignored for IPv6.
    pub dont_fragment: bool,
    /// IPv6 flow label; ignored for IPv4.
    pub flow_label: FlowLabel,
}
