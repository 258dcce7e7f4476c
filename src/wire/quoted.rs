//! The datagram inside an ICMP error: read laxly, because routers cut, rewrite and swap it.

use etherparse::{icmpv4, icmpv6, ip_number};

use super::WireError;
use super::ip::{self, IpPacket};
use super::tcp;
use crate::types::{Family, Ident, Sequence};

/// Octets of a transport header that a router must quote (RFC 792), and all that is relied on.
const TRANSPORT_OCTETS: usize = 8;

/// A quoted transport header, as far as its first 8 octets go.
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
        /// The time in the timestamps option, where that is quoted and stands as [`tcp::push_syn`] puts it.
        timestamp: Option<u32>,
    },
    /// Another protocol, another ICMP message, a later fragment, or fewer than 8 octets.
    Unknown,
}

impl Transport<'_> {
    /// The checksum field, of protocols that have it among their first 8 octets.
    pub const fn checksum(&self) -> Option<u16> {
        match self {
            Transport::Echo { checksum, .. } | Transport::Udp { checksum, .. } => Some(*checksum),
            Transport::Tcp { .. } | Transport::Unknown => None,
        }
    }
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
    let echo_request = family.pick(icmpv4::TYPE_ECHO_REQUEST, icmpv6::TYPE_ECHO_REQUEST);
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
    let sequence = u32::from(high) << 16 | u32::from(low);
    Transport::Tcp { source_port, destination_port, sequence, timestamp: tcp::quoted_timestamp(octets) }
}

/// The first 8 octets as 16-bit words, and what follows.
fn words(octets: &[u8]) -> Option<([u16; 4], &[u8])> {
    let (&[a, b, c, d, e, f, g, h], rest) = octets.split_first_chunk::<TRANSPORT_OCTETS>()?;
    Some(([[a, b], [c, d], [e, f], [g, h]].map(u16::from_be_bytes), rest))
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;
    use crate::types::{FlowLabel, Tos, Ttl};
    use crate::wire::icmp::{self, Echo};
    use crate::wire::ip::IpHeader;
    use crate::wire::udp::{self, UdpDatagram};
    use crate::wire::{arbitrary, checksum};

    const IDENT: Ident = Ident::new(0x1234);
    const SEQUENCE: Sequence = Sequence::new(77);
    const PAYLOAD: &[u8] = b"0123456789abcdef0123456789abcdef";

    fn addresses(family: Family) -> (IpAddr, IpAddr) {
        match family {
            Family::V4 => (Ipv4Addr::new(192, 0, 2, 1).into(), Ipv4Addr::new(198, 51, 100, 9).into()),
            Family::V6 => (
                Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into(),
                Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 9).into(),
            ),
        }
    }

    fn packet(family: Family, protocol: u8, transport: &[u8]) -> Vec<u8> {
        let (source, destination) = addresses(family);
        let header = IpHeader {
            source,
            destination,
            ttl: Ttl::new(1),
            tos: Tos::new(0),
            protocol,
            identification: 0x1234,
            dont_fragment: true,
            flow_label: FlowLabel::default(),
        };
        let mut out = Vec::new();
        ip::push_header(&header, transport.len(), &mut out).unwrap();
        out.extend_from_slice(transport);
        out
    }

    /// Our echo request, after `options` words of IPv4 options.
    fn probe(family: Family, options: u8) -> Vec<u8> {
        let mut message = Vec::new();
        let echo = Echo { ident: IDENT, sequence: SEQUENCE, payload: PAYLOAD };
        icmp::push_echo_request(family, &echo, None, true, &mut message);
        let mut octets = packet(family, icmp::protocol(family), &message);
        if family == Family::V4 {
            octets.splice(20..20, vec![1; usize::from(options) * 4]);
            octets[0] += options;
            octets[3] += options * 4;
        }
        octets
    }

    fn header_octets(octets: &[u8]) -> usize {
        if octets[0] >> 4 == 6 { 40 } else { usize::from(octets[0] & 0xf) * 4 }
    }

    /// The identity of the echo request in a quote, and how much of its payload is quoted.
    fn identity(octets: &[u8]) -> (Ident, Sequence, usize) {
        match parse(octets).unwrap().1 {
            Transport::Echo { ident, sequence, payload, .. } => (ident, sequence, payload.len()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_length_field_of_a_quote_may_be_anything() {
        let whole = probe(Family::V4, 0);
        let total = whole.len() as u16;
        for mangled in [0, total.swap_bytes(), total - 20, 8, 20, 27, 0xffff] {
            let mut octets = whole.clone();
            octets[2..4].copy_from_slice(&mangled.to_be_bytes());
            for kept in [28, 40, octets.len()] {
                let (ident, sequence, _) = identity(&octets[..kept]);
                assert_eq!((ident, sequence), (IDENT, SEQUENCE), "length {mangled}, {kept} octets");
            }
        }
        let whole = probe(Family::V6, 0);
        for mangled in [0_u16, 40_u16.swap_bytes(), 3, 0xffff] {
            let mut octets = whole.clone();
            octets[4..6].copy_from_slice(&mangled.to_be_bytes());
            assert_eq!(identity(&octets), (IDENT, SEQUENCE, PAYLOAD.len()), "length {mangled}");
        }
    }

    #[test]
    fn byte_swapped_fragment_flags_do_not_hide_the_probe() {
        for (field, seen) in
            [([0, 0x40], true), ([0, 0x20], true), ([0x40, 0], true), ([0, 0x41], false), ([0x20, 0x40], false)]
        {
            let mut octets = probe(Family::V4, 0);
            octets[6..8].copy_from_slice(&field);
            assert_eq!(parse(&octets).unwrap().1 != Transport::Unknown, seen, "{field:?}");
        }
    }

    #[test]
    fn padding_to_128_octets_is_no_payload() {
        for family in [Family::V4, Family::V6] {
            let mut octets = probe(family, 0);
            octets.resize(128, 0);
            assert_eq!(identity(&octets), (IDENT, SEQUENCE, PAYLOAD.len()));
        }
    }

    #[test]
    fn fewer_than_8_octets_of_transport_identify_nothing() {
        for family in [Family::V4, Family::V6] {
            let octets = probe(family, 0);
            let header = header_octets(&octets);
            for kept in 0..8 {
                assert_eq!(parse(&octets[..header + kept]).unwrap().1, Transport::Unknown);
            }
            assert_eq!(parse(&octets[..header - 1]), Err(WireError::Short));
        }
    }

    #[test]
    fn only_echo_requests_are_ours_among_icmp() {
        let mut octets = probe(Family::V4, 0);
        octets[20] = 0;
        assert_eq!(parse(&octets).unwrap().1, Transport::Unknown);
        assert_eq!(parse_icmp(Family::V6, &[8, 0, 0, 0, 0, 0, 0, 0]), Transport::Unknown);
    }

    #[test]
    fn a_tcp_quote_of_8_octets_has_ports_and_sequence() {
        let octets = packet(Family::V4, 6, &[0x80, 1, 0, 80, 1, 2, 3, 4]);
        let expected =
            Transport::Tcp { source_port: 0x8001, destination_port: 80, sequence: 0x0102_0304, timestamp: None };
        assert_eq!(parse(&octets).unwrap().1, expected);
    }

    #[test]
    fn a_protocol_of_the_other_family_is_unknown() {
        assert_eq!(parse(&packet(Family::V6, 1, &[8; 16])).unwrap().1, Transport::Unknown);
        assert_eq!(parse(&packet(Family::V4, 58, &[128; 16])).unwrap().1, Transport::Unknown);
    }

    fn family() -> impl Strategy<Value = Family> {
        prop_oneof![Just(Family::V4), Just(Family::V6)]
    }

    proptest! {
        #[test]
        fn a_quote_of_8_octets_of_transport_names_the_probe_after_any_options(
            family in family(), options in 0..=10_u8, more: prop::sample::Index,
        ) {
            let octets = probe(family, options);
            let least = header_octets(&octets) + 8;
            let kept = least + more.index(octets.len() - least + 1);
            prop_assert_eq!(identity(&octets[..kept]), (IDENT, SEQUENCE, kept - least));
        }

        #[test]
        fn a_quote_names_the_probe_after_extension_headers(units in proptest::collection::vec(0..4_u8, 1..4)) {
            let message = &probe(Family::V6, 0)[40..];
            let mut rest = (58, message.to_vec());
            for units in units {
                let mut header = vec![0; (usize::from(units) + 1) * 8];
                (header[0], header[1]) = (rest.0, units);
                rest = (60, [header, rest.1].concat());
            }
            let octets = packet(Family::V6, rest.0, &rest.1);
            prop_assert_eq!(identity(&octets), (IDENT, SEQUENCE, PAYLOAD.len()));
        }

        #[test]
        fn a_udp_quote_carries_every_field_of_its_header(
            family in family(), source_port: u16, destination_port: u16, payload in arbitrary::octets(),
        ) {
            let (source, destination) = addresses(family);
            let mut datagram = Vec::new();
            let written = UdpDatagram { source_port, destination_port, payload: &payload };
            udp::push(source, destination, &written, &mut datagram).unwrap();
            let octets = packet(family, 17, &datagram);
            let (read, transport) = parse(&octets).unwrap();
            prop_assert_eq!((read.source, read.destination), (source, destination));
            let checksum = u16::from_be_bytes([datagram[6], datagram[7]]);
            let length = datagram.len() as u16;
            prop_assert_eq!(transport, Transport::Udp { source_port, destination_port, length, checksum, payload: &payload });
        }

        #[test]
        fn the_quoted_checksum_is_the_one_that_was_sent(sequence: u16) {
            let mut message = Vec::new();
            let echo = Echo { ident: IDENT, sequence: Sequence::new(sequence), payload: PAYLOAD };
            icmp::push_echo_request(Family::V4, &echo, None, true, &mut message);
            let Transport::Echo { checksum: quoted, .. } = parse_icmp(Family::V4, &message) else {
                return Err(TestCaseError::fail("no echo"));
            };
            message[2..4].fill(0);
            prop_assert_eq!(quoted, checksum::internet(&message));
        }

        #[test]
        fn any_octets_are_a_quote_or_refused(
            octets in prop_oneof![
                arbitrary::octets(),
                arbitrary::mutated((family(), 0..=10_u8).prop_map(|(family, options)| probe(family, options))),
            ],
        ) {
            if let Ok((packet, Transport::Udp { payload, .. } | Transport::Echo { payload, .. })) = parse(&octets) {
                prop_assert_eq!(payload.len() + 8, packet.payload.len());
            }
            parse_icmp(Family::V4, &octets);
            parse_icmp(Family::V6, &octets);
        }
    }
}
