//! IPv4 (RFC 791) and IPv6 (RFC 8200) headers.

use std::net::IpAddr;

use etherparse::err::ip::LaxHeaderSliceError;
use etherparse::{LaxIpSlice, LaxIpv4Slice, LaxIpv6Slice, ip_number};
use pnet::packet::ip::IpNextHeaderProtocol;
use pnet::packet::ipv4::{self, Ipv4Flags, MutableIpv4Packet};
use pnet::packet::ipv6::MutableIpv6Packet;

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
    /// Protocol number after the IPv4 options or the IPv6 extension headers.
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

/// Octets of an IPv4 header without options.
const IPV4_HEADER_OCTETS: usize = 20;

/// Octets of an IPv6 header without extensions.
const IPV6_HEADER_OCTETS: usize = 40;

/// Octets of a transport header that a router must quote (RFC 792).
const QUOTED_TRANSPORT_OCTETS: usize = 8;

/// Reads an IP packet of either family; octets after its end are left out, missing octets are tolerated.
///
/// # Errors
/// [`WireError::Short`] if the header is not all there, [`WireError::Malformed`] if it is none.
pub fn parse(octets: &[u8]) -> Result<IpPacket<'_>, WireError> {
    read(octets, Origin::Arrived)
}

/// Reads an IP packet that a router quotes; the router may have changed its length and fragment fields.
///
/// # Errors
/// As [`parse`].
pub(super) fn parse_quoted(octets: &[u8]) -> Result<IpPacket<'_>, WireError> {
    read(octets, Origin::Quoted)
}

#[derive(Clone, Copy, PartialEq)]
enum Origin {
    Arrived,
    Quoted,
}

fn read(octets: &[u8], origin: Origin) -> Result<IpPacket<'_>, WireError> {
    let (packet, _) = LaxIpSlice::from_slice(octets).map_err(|error| match error {
        LaxHeaderSliceError::Len(_) => WireError::Short,
        LaxHeaderSliceError::Content(_) => WireError::Malformed,
    })?;
    Ok(match packet {
        LaxIpSlice::Ipv4(packet) => ipv4(&packet, octets, origin),
        LaxIpSlice::Ipv6(packet) => ipv6(&packet, octets, origin),
    })
}

/// The part of `rest` (everything after the fixed header) that belongs to the packet, and whether some of it is missing.
/// `announced` is the length in the header, if it has one.
fn body(rest: &[u8], announced: Option<usize>, origin: Origin) -> (&[u8], bool) {
    let Some(announced) = announced else { return (rest, false) };
    // Old routers quote the length byte-swapped, without the header, or as zero: it is less than they must quote.
    if origin == Origin::Quoted && announced < QUOTED_TRANSPORT_OCTETS {
        return (rest, false);
    }
    (rest.get(..announced).unwrap_or(rest), announced > rest.len())
}

fn ipv4<'a>(packet: &LaxIpv4Slice<'a>, octets: &'a [u8], origin: Origin) -> IpPacket<'a> {
    let header = packet.header();
    let header_octets = header.slice().len();
    let announced = usize::from(header.total_len()).checked_sub(header_octets);
    let (payload, cut) = body(octets.get(header_octets..).unwrap_or_default(), announced, origin);
    // No error is sent about a later fragment (RFC 1122 §3.2.2), but some routers quote DF and MF byte-swapped.
    let offset = header.fragments_offset().value();
    let swapped_flag = origin == Origin::Quoted
        && !header.dont_fragment()
        && !header.more_fragments()
        && matches!(offset, 0x20 | 0x40);
    IpPacket {
        source: header.source_addr().into(),
        destination: header.destination_addr().into(),
        ttl: Ttl::new(header.ttl()),
        tos: Tos::new(header.dcp().value() << 2 | header.ecn().value()),
        protocol: header.protocol().0,
        identification: Some(header.identification()),
        flow_label: None,
        options: octets.get(IPV4_HEADER_OCTETS..header_octets).unwrap_or_default(),
        payload,
        cut,
        later_fragment: offset != 0 && !swapped_flag,
    }
}

fn ipv6<'a>(packet: &LaxIpv6Slice<'a>, octets: &'a [u8], origin: Origin) -> IpPacket<'a> {
    let header = packet.header();
    // 0 is a jumbo payload (RFC 2675) or a router that lost the length.
    let announced = Some(usize::from(header.payload_length())).filter(|&announced| announced > 0);
    let (body, cut) = body(octets.get(IPV6_HEADER_OCTETS..).unwrap_or_default(), announced, origin);
    let chain = Chain::walk(header.next_header().0, body);
    IpPacket {
        source: header.source_addr().into(),
        destination: header.destination_addr().into(),
        ttl: Ttl::new(header.hop_limit()),
        tos: Tos::new(header.traffic_class()),
        protocol: chain.protocol,
        identification: None,
        flow_label: FlowLabel::new(header.flow_label().value()),
        options: &[],
        payload: chain.payload,
        cut,
        later_fragment: chain.later_fragment,
    }
}

/// Where a chain of IPv6 extension headers leads.
struct Chain<'a> {
    protocol: u8,
    payload: &'a [u8],
    later_fragment: bool,
}

impl<'a> Chain<'a> {
    /// Follows the chain that starts with a header of type `next` to its end, or to the first header that is not all there.
    fn walk(next: u8, octets: &'a [u8]) -> Self {
        let mut chain = Chain { protocol: next, payload: octets, later_fragment: false };
        while let &[following, length, high, low, ..] = chain.payload {
            let octets = match chain.protocol.into() {
                // RFC 8200 §4.3, §4.4, §4.6, RFC 6275 §6.1.1, RFC 7401 §5.1, RFC 5533 §5.1: units of 8 octets beyond the first.
                ip_number::IPV6_HEADER_HOP_BY_HOP
                | ip_number::IPV6_ROUTE_HEADER
                | ip_number::IPV6_DESTINATION_OPTIONS
                | ip_number::MOBILITY_HEADER
                | ip_number::HIP
                | ip_number::SHIM6 => (usize::from(length) + 1) * 8,
                // RFC 4302 §2.2: units of 4 octets beyond the second.
                ip_number::AUTH => (usize::from(length) + 2) * 4,
                // RFC 8200 §4.5.
                ip_number::IPV6_FRAGMENTATION_HEADER => 8,
                _ => break,
            };
            let Some(rest) = chain.payload.get(octets..) else { break };
            if chain.protocol == ip_number::IPV6_FRAGMENTATION_HEADER.0 {
                chain.later_fragment |= u16::from_be_bytes([high, low]) >> 3 != 0;
            }
            chain = Chain { protocol: following, payload: rest, ..chain };
        }
        chain
    }
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

/// Appends an IPv4 or IPv6 header for `payload_octets` octets of `protocol` (used by simulated nodes).
///
/// # Errors
/// [`WireError::Malformed`] if the addresses are of different families or the packet would be too long.
pub fn push_header(header: &IpHeader, payload_octets: usize, out: &mut Vec<u8>) -> Result<(), WireError> {
    let start = out.len();
    let protocol = IpNextHeaderProtocol::new(header.protocol);
    match (header.source, header.destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let total = u16::try_from(IPV4_HEADER_OCTETS + payload_octets).map_err(|_| WireError::Malformed)?;
            out.resize(start + IPV4_HEADER_OCTETS, 0);
            let octets = out.get_mut(start..).unwrap_or_default();
            let mut packet = MutableIpv4Packet::new(octets).ok_or(WireError::Short)?;
            packet.set_version(4);
            packet.set_header_length((IPV4_HEADER_OCTETS / 4) as u8);
            packet.set_dscp(header.tos.dscp().get());
            packet.set_ecn(header.tos.get() & 0b11);
            packet.set_total_length(total);
            packet.set_identification(header.identification);
            packet.set_flags(if header.dont_fragment { Ipv4Flags::DontFragment } else { 0 });
            packet.set_ttl(header.ttl.get());
            packet.set_next_level_protocol(protocol);
            packet.set_source(source.octets().into());
            packet.set_destination(destination.octets().into());
            packet.set_checksum(ipv4::checksum(&packet.to_immutable()));
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let payload_length = u16::try_from(payload_octets).map_err(|_| WireError::Malformed)?;
            out.resize(start + IPV6_HEADER_OCTETS, 0);
            let octets = out.get_mut(start..).unwrap_or_default();
            let mut packet = MutableIpv6Packet::new(octets).ok_or(WireError::Short)?;
            packet.set_version(6);
            packet.set_traffic_class(header.tos.get());
            packet.set_flow_label(header.flow_label.get());
            packet.set_payload_length(payload_length);
            packet.set_next_header(protocol);
            packet.set_hop_limit(header.ttl.get());
            packet.set_source(source.octets().into());
            packet.set_destination(destination.octets().into());
        }
        _ => return Err(WireError::Malformed),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;
    use crate::wire::{arbitrary, checksum};

    fn header(v6: bool, protocol: u8) -> IpHeader {
        let (source, destination) = if v6 {
            (
                Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into(),
                Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 9).into(),
            )
        } else {
            (Ipv4Addr::new(192, 0, 2, 1).into(), Ipv4Addr::new(198, 51, 100, 9).into())
        };
        IpHeader {
            source,
            destination,
            ttl: Ttl::new(7),
            tos: Tos::new(0xb9),
            protocol,
            identification: 0x1234,
            dont_fragment: true,
            flow_label: FlowLabel::new(0xabcde).unwrap(),
        }
    }

    fn packet(header: &IpHeader, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        push_header(header, payload.len(), &mut out).unwrap();
        out.extend_from_slice(payload);
        out
    }

    #[test]
    fn an_ipv4_header_is_laid_out_as_rfc_791_has_it() {
        let octets = packet(&header(false, 1), &[0; 8]);
        let expected = [0x45, 0xb9, 0, 28, 0x12, 0x34, 0x40, 0, 7, 1, 0x74, 0xb6, 192, 0, 2, 1, 198, 51, 100, 9];
        assert_eq!(octets[..20], expected);
        assert_eq!(checksum::internet(&octets[..20]), 0);
    }

    #[test]
    fn an_ipv6_header_is_laid_out_as_rfc_8200_has_it() {
        let octets = packet(&header(true, 58), &[0; 8]);
        assert_eq!(octets[..8], [0x6b, 0x9a, 0xbc, 0xde, 0, 8, 58, 7]);
        assert_eq!(octets[8..12], [0x20, 0x01, 0x0d, 0xb8]);
        assert_eq!(octets[39], 9);
    }

    #[test]
    fn a_packet_that_no_header_can_announce_is_refused() {
        let mut mixed = header(false, 1);
        mixed.destination = header(true, 1).destination;
        assert_eq!(push_header(&mixed, 0, &mut Vec::new()), Err(WireError::Malformed));
        assert_eq!(push_header(&header(false, 1), 65_516, &mut Vec::new()), Err(WireError::Malformed));
        assert_eq!(push_header(&header(true, 1), 65_536, &mut Vec::new()), Err(WireError::Malformed));
    }

    #[test]
    fn ipv4_options_stand_apart_from_the_payload() {
        let mut octets = packet(&header(false, 17), b"payload!");
        octets.splice(20..20, [0x94, 4, 0, 0]);
        octets[0] = 0x46;
        octets[3] += 4;
        let packet = parse(&octets).unwrap();
        assert_eq!((packet.options, packet.payload), (&[0x94, 4, 0, 0][..], &b"payload!"[..]));
    }

    #[test]
    fn octets_beyond_the_end_are_left_out_and_missing_ones_forgiven() {
        for v6 in [false, true] {
            let whole = packet(&header(v6, 17), b"payload!");
            let padded = [&whole[..], &[0; 18]].concat();
            let read = parse(&padded).unwrap();
            assert_eq!((read.payload, read.cut), (&b"payload!"[..], false));
            let read = parse(&whole[..whole.len() - 5]).unwrap();
            assert_eq!((read.payload, read.cut), (&b"pay"[..], true));
        }
    }

    #[test]
    fn a_header_that_is_none_is_an_error() {
        assert_eq!(parse(&[]), Err(WireError::Short));
        assert_eq!(parse(&[0x45; 19]), Err(WireError::Short));
        assert_eq!(parse(&[0x60; 39]), Err(WireError::Short));
        assert_eq!(parse(&[0x44; 60]), Err(WireError::Malformed));
        assert_eq!(parse(&[0x50; 60]), Err(WireError::Malformed));
    }

    #[test]
    fn a_fragment_is_a_later_one_by_its_offset() {
        let mut octets = packet(&header(false, 17), b"payload!");
        for (field, later) in [([0x20, 0], false), ([0x20, 1], true), ([0, 9], true), ([0x40, 0], false)] {
            octets[6..8].copy_from_slice(&field);
            assert_eq!(parse(&octets).unwrap().later_fragment, later, "{field:?}");
        }
        for (offset, later) in [([0, 1], false), ([0, 8], true), ([0xff, 0xf9], true)] {
            let fragment = [&[17, 0][..], &offset, &[0, 0, 0, 1], b"payload!"].concat();
            let octets = packet(&header(true, 44), &fragment);
            let read = parse(&octets).unwrap();
            assert_eq!((read.protocol, read.payload, read.later_fragment), (17, &b"payload!"[..], later));
        }
    }

    /// An extension header of type `kind`, before one of type `next`.
    fn extension(kind: u8, next: u8, units: u8) -> Vec<u8> {
        let octets = match kind {
            44 => 8,
            51 => (usize::from(units) + 2) * 4,
            _ => (usize::from(units) + 1) * 8,
        };
        let mut header = vec![0; octets];
        header[0] = next;
        header[1] = if kind == 44 { 0 } else { units };
        header
    }

    fn chain() -> impl Strategy<Value = Vec<(u8, u8)>> {
        let kind = prop::sample::select(vec![0, 43, 44, 51, 60, 135, 139, 140]);
        proptest::collection::vec((kind, 0..4_u8), 0..6)
    }

    fn chained(kinds: &[(u8, u8)], last: u8) -> (u8, Vec<u8>) {
        kinds.iter().rev().fold((last, Vec::new()), |(next, rest), &(kind, units)| {
            (kind, [extension(kind, next, units), rest].concat())
        })
    }

    proptest! {
        #[test]
        fn a_header_survives_the_wire(
            v6: bool, ttl: u8, tos: u8, protocol in prop::sample::select(vec![1_u8, 6, 17, 58, 59, 253]),
            identification: u16, label in 0..0x10_0000_u32, payload in arbitrary::octets(),
        ) {
            let label = FlowLabel::new(label).unwrap();
            let header = IpHeader {
                ttl: Ttl::new(ttl), tos: Tos::new(tos), identification, flow_label: label, ..header(v6, protocol)
            };
            let octets = packet(&header, &payload);
            let expected = IpPacket {
                source: header.source,
                destination: header.destination,
                ttl: header.ttl,
                tos: header.tos,
                protocol,
                identification: (!v6).then_some(identification),
                flow_label: v6.then_some(label),
                options: &[],
                payload: &payload,
                cut: false,
                later_fragment: false,
            };
            prop_assert_eq!(parse(&octets), Ok(expected));
        }

        #[test]
        fn a_chain_of_extension_headers_is_followed_to_its_end(kinds in chain(), payload in arbitrary::octets()) {
            let (first, headers) = chained(&kinds, 17);
            let octets = packet(&header(true, first), &[headers, payload.clone()].concat());
            let read = parse(&octets).unwrap();
            prop_assert_eq!((read.protocol, read.payload, read.later_fragment), (17, &payload[..], false));
        }

        #[test]
        fn a_chain_cut_anywhere_ends_at_the_header_that_is_not_all_there(
            kinds in chain(), payload in arbitrary::octets(), at: prop::sample::Index,
        ) {
            let (first, headers) = chained(&kinds, 17);
            let octets = packet(&header(true, first), &[headers.clone(), payload].concat());
            let kept = IPV6_HEADER_OCTETS + at.index(octets.len() - IPV6_HEADER_OCTETS + 1);
            let read = parse(&octets[..kept]).unwrap();
            prop_assert_eq!(read.cut, kept < octets.len());
            prop_assert_eq!(read.protocol == 17, kept >= IPV6_HEADER_OCTETS + headers.len());
        }

        #[test]
        fn any_octets_give_a_packet_no_longer_than_they_are(
            octets in prop_oneof![
                arbitrary::octets(),
                arbitrary::mutated((any::<bool>(), chain()).prop_map(|(v6, kinds)| {
                    let (first, headers) = chained(&kinds, 17);
                    packet(&header(v6, first), &[headers, b"payload!".to_vec()].concat())
                })),
            ],
            version in prop::sample::select(vec![None, Some(0x40_u8), Some(0x45), Some(0x4f), Some(0x60)]),
        ) {
            let mut octets = octets;
            if let (Some(first), Some(version)) = (octets.first_mut(), version) {
                *first = version;
            }
            for read in [parse(&octets), parse_quoted(&octets)].into_iter().flatten() {
                prop_assert!(read.payload.len() + read.options.len() + IPV4_HEADER_OCTETS <= octets.len());
            }
        }
    }
}
