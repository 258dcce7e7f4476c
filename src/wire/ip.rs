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

/// Octets of an IPv4 header without options.
const IPV4_HEADER_OCTETS: usize = 20;

/// Octets of an IPv6 header without extensions.
const IPV6_HEADER_OCTETS: usize = 40;

/// Octets of a transport header that a router must quote (RFC 792).
const QUOTED_TRANSPORT_OCTETS: usize = 8;

/// Reads an IP packet of either family; octets behind its end are left out, octets that lack are forgiven.
///
/// # Errors
/// [`WireError::Short`] if the header is not all there, [`WireError::Malformed`] if it is none.
pub fn parse(octets: &[u8]) -> Result<IpPacket<'_>, WireError> {
    read(octets, Origin::Arrived)
}

/// Reads an IP packet that a router quotes, whose length and fragment fields may be those of a router's insides.
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

/// The part of `behind` (what follows the fixed header) that belongs to the packet, and whether some of it lacks. `announced`
/// is what the header says there is, if it says so.
fn body(behind: &[u8], announced: Option<usize>, origin: Origin) -> (&[u8], bool) {
    let Some(announced) = announced else { return (behind, false) };
    // Old routers quote the length byte-swapped, without the header, or as zero; less than they must quote says so.
    if origin == Origin::Quoted && announced < QUOTED_TRANSPORT_OCTETS {
        return (behind, false);
    }
    (behind.get(..announced).unwrap_or(behind), announced > behind.len())
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
