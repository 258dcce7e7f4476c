//! UDP headers (RFC 768), for raw sockets and simulated nodes: over a datagram socket the kernel writes and strips them.

use std::net::IpAddr;

use etherparse::{LenSource, UdpSlice, ip_number};
use pnet::packet::udp::{self, MutableUdpPacket};

use super::WireError;
use crate::types::Family;

/// The IP protocol number of UDP.
pub const PROTOCOL: u8 = ip_number::UDP.0;

/// Octets of a UDP header, and where its checksum stands.
const HEADER_OCTETS: usize = 8;
const CHECKSUM_AT: usize = 6;

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

/// Reads a UDP datagram, from its header on; octets after its end are left out.
///
/// # Errors
/// [`WireError::Short`] if there is less than the header, or less than its length field; [`WireError::Malformed`] if that
/// is less than a header.
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
    // pnet leaves this to its callers: on the wire 0 means that there is no checksum.
    packet.set_checksum(if sum == 0 { 0xffff } else { sum });
    Ok(())
}

/// Appends a UDP datagram whose checksum is `wanted` (not 0): its last whole octet pair of payload, which must be there, is
/// replaced by what makes it so.
///
/// # Errors
/// As [`push`], and if there is no such pair.
pub fn push_balanced(
    source: IpAddr,
    destination: IpAddr,
    datagram: &UdpDatagram<'_>,
    wanted: u16,
    out: &mut Vec<u8>,
) -> Result<(), WireError> {
    let start = out.len();
    push(source, destination, datagram, out)?;
    let octets = out.get_mut(start..).unwrap_or_default();
    let at = octets.len().saturating_sub(2) & !1;
    let Some(&mut [high, low]) = octets.get_mut(at..at + 2).filter(|_| at >= HEADER_OCTETS) else {
        return Err(WireError::Malformed);
    };
    // The checksum is !s; with the pair p taken out and w put in, !(s − p + w) is wanted for w = !wanted + !s + p, in one's
    // complement (RFC 1624).
    let field = CHECKSUM_AT..CHECKSUM_AT + 2;
    let sum =
        octets.get(field.clone()).map_or(0, |field| field.iter().fold(0, |sum, &octet| sum << 8 | u16::from(octet)));
    let pair = [!wanted, sum, u16::from_be_bytes([high, low])].into_iter().fold(0, add);
    for (at, value) in [(at, pair), (field.start, wanted)] {
        if let Some(place) = octets.get_mut(at..at + 2) {
            place.copy_from_slice(&value.to_be_bytes());
        }
    }
    Ok(())
}

/// The one's complement sum.
const fn add(one: u16, other: u16) -> u16 {
    let (sum, carry) = one.overflowing_add(other);
    sum + carry as u16
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;
    use crate::wire::{arbitrary, checksum};

    const V4: (IpAddr, IpAddr) = (IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), IpAddr::V4(Ipv4Addr::new(198, 51, 100, 9)));
    const V6: (IpAddr, IpAddr) = (
        IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
        IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2)),
    );

    fn pushed((source, destination): (IpAddr, IpAddr), payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        push(source, destination, &UdpDatagram { source_port: 33_000, destination_port: 33_434, payload }, &mut out)
            .unwrap();
        out
    }

    /// The sum over pseudo-header (RFC 768, RFC 8200 §8.1) and datagram: 0 if the checksum is right.
    fn sum((source, destination): (IpAddr, IpAddr), datagram: &[u8]) -> u16 {
        let mut octets = Vec::new();
        for address in [source, destination] {
            match address {
                IpAddr::V4(address) => octets.extend(address.octets()),
                IpAddr::V6(address) => octets.extend(address.octets()),
            }
        }
        octets.extend((datagram.len() as u32).to_be_bytes());
        octets.extend([0, 0, 0, 17]);
        octets.extend(datagram);
        checksum::internet(&octets)
    }

    #[test]
    fn a_checksum_of_zero_is_sent_as_ffff() {
        for addresses in [V4, V6] {
            // With this word as payload the sum of all else is completed to 0xffff.
            let base = pushed(addresses, &[0, 0]);
            let word = [base[6], base[7]];
            let datagram = pushed(addresses, &word);
            assert_eq!(datagram[6..8], [0xff, 0xff]);
            assert_eq!(sum(addresses, &datagram), 0);
        }
    }

    #[test]
    fn addresses_of_two_families_are_refused() {
        let datagram = UdpDatagram { source_port: 1, destination_port: 2, payload: &[] };
        assert_eq!(push(V4.0, V6.1, &datagram, &mut Vec::new()), Err(WireError::Malformed));
    }

    #[test]
    fn a_payload_that_no_length_field_can_count_is_refused() {
        let long = vec![0; 65_528];
        let datagram = UdpDatagram { source_port: 1, destination_port: 2, payload: &long };
        assert_eq!(push(V4.0, V4.1, &datagram, &mut Vec::new()), Err(WireError::Malformed));
    }

    #[test]
    fn a_length_that_lies_is_refused() {
        let mut datagram = pushed(V4, b"abcd");
        assert_eq!(parse(&datagram[..11]), Err(WireError::Short));
        assert_eq!(parse(&datagram[..7]), Err(WireError::Short));
        datagram[5] = 7;
        assert_eq!(parse(&datagram), Err(WireError::Malformed));
    }

    #[test]
    fn octets_beyond_the_end_are_left_out() {
        let mut datagram = pushed(V4, b"abcd");
        datagram.extend([0; 18]);
        assert_eq!(parse(&datagram).unwrap().payload, b"abcd");
    }

    proptest! {
        #[test]
        fn a_datagram_survives_the_wire(v6: bool, source_port: u16, destination_port: u16, payload in arbitrary::octets()) {
            let addresses = if v6 { V6 } else { V4 };
            let datagram = UdpDatagram { source_port, destination_port, payload: &payload };
            let mut out = Vec::new();
            push(addresses.0, addresses.1, &datagram, &mut out).unwrap();
            prop_assert_eq!(sum(addresses, &out), 0);
            prop_assert_eq!(parse(&out), Ok(datagram));
        }

        #[test]
        fn a_balanced_datagram_has_the_checksum_wanted(
            v6: bool, ports: (u16, u16), payload in proptest::collection::vec(any::<u8>(), 2..70), wanted in 1u16..0xffff,
        ) {
            let addresses = if v6 { V6 } else { V4 };
            let datagram = UdpDatagram { source_port: ports.0, destination_port: ports.1, payload: &payload };
            let mut out = vec![0xee];
            push_balanced(addresses.0, addresses.1, &datagram, wanted, &mut out).unwrap();
            prop_assert_eq!(&out[7..9], &wanted.to_be_bytes());
            prop_assert_eq!(sum(addresses, &out[1..]), 0);
            let kept = (payload.len() - 2) & !1;
            prop_assert_eq!(&out[9..9 + kept], &payload[..kept]);
            prop_assert_eq!(&out[9 + kept + 2..], &payload[kept + 2..]);
        }

        #[test]
        fn any_octets_give_a_value_no_longer_than_they_are(octets in arbitrary::octets()) {
            if let Ok(datagram) = parse(&octets) {
                prop_assert!(datagram.payload.len() + HEADER_OCTETS <= octets.len());
            }
        }
    }
}
