//! Whole IP packets as they travel through the simulated network: made, changed and checked.

use std::net::IpAddr;

use crate::types::{Family, FlowLabel, Tos, Ttl};
use crate::wire::ip::{IpHeader, IpPacket};
use crate::wire::{WireError, checksum, ip};

pub(super) const ICMP: u8 = 1;
pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;
pub(super) const ICMPV6: u8 = 58;

/// Octets of an IPv4 header without options.
const V4_HEADER: usize = 20;
/// Octets of an IPv6 header without extension headers.
const V6_HEADER: usize = 40;
/// Octets of the longest IPv4 header's options.
const MOST_OPTIONS: usize = 40;

/// An IP packet to build: header fields and payload.
#[derive(Clone, Debug, PartialEq)]
pub struct Packet {
    /// Its header, but for IPv4 options.
    pub header: IpHeader,
    /// IPv4 options, zero-padded to a multiple of four octets, at most 40.
    pub options: Vec<u8>,
    /// Everything after the IP header, including the transport checksum.
    pub transport: Vec<u8>,
}

impl Packet {
    /// A packet with TTL 64 and default fields.
    pub fn new(source: IpAddr, destination: IpAddr, protocol: u8, transport: Vec<u8>) -> Self {
        Packet {
            header: IpHeader {
                source,
                destination,
                ttl: Ttl::new(64),
                tos: Tos::default(),
                protocol,
                identification: 0,
                dont_fragment: false,
                flow_label: FlowLabel::default(),
            },
            options: Vec::new(),
            transport,
        }
    }

    /// An ICMP or ICMPv6 message, after the family of `source`, with its checksum written.
    pub fn icmp(source: IpAddr, destination: IpAddr, message: Vec<u8>) -> Self {
        let mut packet = Packet::new(source, destination, icmp_protocol(Family::of(source)), message);
        packet.write_checksum();
        packet
    }

    /// Writes the correct transport checksum.
    pub fn write_checksum(&mut self) {
        let Some(at) = checksum_offset(self.header.protocol) else { return };
        put(&mut self.transport, at, &[0, 0]);
        let IpHeader { source, destination, protocol, .. } = self.header;
        let sum = match transport_sum(source, destination, protocol, &self.transport) {
            // RFC 768: 0 in the field means that there is no checksum.
            0 if protocol == UDP => 0xffff,
            sum => sum,
        };
        put(&mut self.transport, at, &sum.to_be_bytes());
    }

    /// The octets on the wire.
    ///
    /// # Errors
    /// [`WireError::Malformed`] if the addresses are of different families or the packet would be too long.
    pub fn octets(&self) -> Result<Vec<u8>, WireError> {
        let mut octets = Vec::with_capacity(V6_HEADER + self.transport.len());
        let options = match Family::of(self.header.source) {
            Family::V4 => self.options.len().min(MOST_OPTIONS).next_multiple_of(4),
            Family::V6 => 0,
        };
        ip::push_header(&self.header, options + self.transport.len(), &mut octets)?;
        if options > 0 {
            octets.extend(self.options.iter().take(MOST_OPTIONS));
            octets.resize(V4_HEADER + options, 0);
            put(&mut octets, 0, &[0x40 | ((V4_HEADER + options) / 4) as u8]);
            write_header_checksum(&mut octets);
        }
        octets.extend_from_slice(&self.transport);
        Ok(octets)
    }
}

/// Protocol number of ICMP in `family`.
pub(super) const fn icmp_protocol(family: Family) -> u8 {
    match family {
        Family::V4 => ICMP,
        Family::V6 => ICMPV6,
    }
}

/// Octets of an IP header without options or extension headers.
pub(super) const fn header_octets(family: Family) -> usize {
    match family {
        Family::V4 => V4_HEADER,
        Family::V6 => V6_HEADER,
    }
}

/// Where the transport header starts in a packet of ours: after IPv4 options, if any; simulated packets have no IPv6
/// extension headers.
pub(super) fn transport_offset(octets: &[u8]) -> usize {
    match octets.first() {
        Some(first) if first >> 4 == 4 => usize::from(first & 0x0f) * 4,
        _ => V6_HEADER,
    }
}

/// Decrements the TTL and updates the IPv4 header checksum.
pub(super) fn decrement_ttl(octets: &mut [u8]) {
    let at = match octets.first() {
        Some(first) if first >> 4 == 4 => 8,
        _ => 7,
    };
    if let Some(ttl) = octets.get_mut(at) {
        *ttl = ttl.saturating_sub(1);
    }
    write_header_checksum(octets);
}

/// Writes the correct IPv4 header checksum.
pub(super) fn write_header_checksum(octets: &mut [u8]) {
    let end = transport_offset(octets);
    if octets.first().is_none_or(|first| first >> 4 != 4) {
        return;
    }
    put(octets, 10, &[0, 0]);
    let sum = checksum::internet(octets.get(..end).unwrap_or_default());
    put(octets, 10, &sum.to_be_bytes());
}

/// Writes `value` at `at`, if all of it fits.
pub(super) fn put(octets: &mut [u8], at: usize, value: &[u8]) {
    if let Some(place) = octets.get_mut(at..at.saturating_add(value.len())) {
        place.copy_from_slice(value);
    }
}

/// The 16-bit field at `at`, if it is there.
pub(super) fn field16(octets: &[u8], at: usize) -> Option<u16> {
    match octets.get(at..at.saturating_add(2)) {
        Some(&[high, low]) => Some(u16::from_be_bytes([high, low])),
        _ => None,
    }
}

/// Whether the transport checksum is right; true for protocols of which we know none and for UDP over IPv4 without one.
pub(super) fn checksum_right(packet: &IpPacket<'_>) -> bool {
    let Some(at) = checksum_offset(packet.protocol) else { return true };
    match field16(packet.payload, at) {
        None => false,
        Some(0) if packet.protocol == UDP && packet.source.is_ipv4() => true,
        Some(_) => transport_sum(packet.source, packet.destination, packet.protocol, packet.payload) == 0,
    }
}

pub(super) const fn checksum_offset(protocol: u8) -> Option<usize> {
    match protocol {
        ICMP | ICMPV6 => Some(2),
        UDP => Some(6),
        TCP => Some(16),
        _ => None,
    }
}

/// The internet checksum over the pseudo-header, where the protocol has one (RFC 768, RFC 9293 §3.1, RFC 8200 §8.1), and
/// the transport octets; 0 if a checksum among them is right.
fn transport_sum(source: IpAddr, destination: IpAddr, protocol: u8, transport: &[u8]) -> u16 {
    let mut summed = Vec::with_capacity(V6_HEADER + transport.len());
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) if protocol != ICMP => {
            summed.extend_from_slice(&source.octets());
            summed.extend_from_slice(&destination.octets());
            summed.extend_from_slice(&[0, protocol]);
            summed.extend_from_slice(&(transport.len() as u16).to_be_bytes());
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            summed.extend_from_slice(&source.octets());
            summed.extend_from_slice(&destination.octets());
            summed.extend_from_slice(&(transport.len() as u32).to_be_bytes());
            summed.extend_from_slice(&[0, 0, 0, protocol]);
        }
        _ => {}
    }
    summed.extend_from_slice(transport);
    checksum::internet(&summed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::ip as address;

    fn packet(protocol: u8) -> Packet {
        let mut packet = Packet::new(address("192.0.2.1"), address("198.51.100.9"), protocol, vec![8; 33]);
        packet.options = vec![1; 5];
        packet.write_checksum();
        packet
    }

    #[test]
    fn options_lengthen_the_header_to_whole_words() {
        let octets = packet(ICMP).octets().expect("a packet");
        assert_eq!((octets[0], octets.len()), (0x47, 28 + 33));
        let read = ip::parse(&octets).expect("an IP packet");
        assert_eq!((read.options, read.payload.len()), (&[1, 1, 1, 1, 1, 0, 0, 0][..], 33));
    }

    #[test]
    fn the_header_checksum_stays_right_at_every_hop() {
        let mut octets = packet(UDP).octets().expect("a packet");
        for ttl in (0..64).rev() {
            decrement_ttl(&mut octets);
            assert_eq!((octets[8], checksum::internet(&octets[..28])), (ttl, 0));
        }
        decrement_ttl(&mut octets);
        assert_eq!(octets[8], 0);
    }

    #[test]
    fn a_checksum_is_right_until_an_octet_changes() {
        for protocol in [ICMP, UDP, TCP] {
            let mut octets = packet(protocol).octets().expect("a packet");
            assert!(checksum_right(&ip::parse(&octets).expect("an IP packet")));
            octets[40] ^= 1;
            assert!(!checksum_right(&ip::parse(&octets).expect("an IP packet")));
        }
    }

    #[test]
    fn a_value_without_room_is_not_written() {
        let mut octets = [0; 4];
        put(&mut octets, 3, &[1, 2]);
        put(&mut octets, usize::MAX, &[1]);
        assert_eq!(octets, [0; 4]);
        put(&mut octets, 2, &[1, 2]);
        assert_eq!(octets, [0, 0, 1, 2]);
    }
}
