//! TCP segments of the handshake.

use super::packet::field16;

/// Octets of a segment without options and data.
const SEGMENT_OCTETS: usize = 20;

/// The flags of a segment, as far as the handshake has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flags {
    Syn,
    SynAck,
    Rst,
}

/// The ports of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ports {
    pub(super) source: u16,
    pub(super) destination: u16,
}

/// A segment without data that acknowledges the octets before `acknowledged`; its checksum comes later.
pub(super) fn write(source_port: u16, destination_port: u16, flags: Flags, acknowledged: u32) -> Vec<u8> {
    let bits = match flags {
        Flags::Syn => 0x02,
        Flags::SynAck => 0x12,
        Flags::Rst => 0x14,
    };
    let mut octets = Vec::with_capacity(SEGMENT_OCTETS);
    octets.extend_from_slice(&source_port.to_be_bytes());
    octets.extend_from_slice(&destination_port.to_be_bytes());
    octets.extend_from_slice(&[0; 4]);
    octets.extend_from_slice(&acknowledged.to_be_bytes());
    octets.extend_from_slice(&[(SEGMENT_OCTETS / 4 * 16) as u8, bits, 0xff, 0xff]);
    octets.resize(SEGMENT_OCTETS, 0);
    octets
}

pub(super) fn ports(segment: &[u8]) -> Option<Ports> {
    Some(Ports { source: field16(segment, 0)?, destination: field16(segment, 2)? })
}

/// The acknowledgment number of the answer to this SYN: RST acknowledges its data too (RFC 9293 §3.10.7.1), SYN-ACK does not.
pub(super) fn acknowledged(syn: &[u8], answer: Flags) -> u32 {
    let number =
        syn.get(4..8).map_or(0, |octets| octets.iter().fold(0, |number, &octet| number << 8 | u32::from(octet)));
    let header = syn.get(12).map_or(0, |octet| usize::from(octet >> 4) * 4);
    let data = if answer == Flags::Rst { syn.len().saturating_sub(header) as u32 } else { 0 };
    number.wrapping_add(1).wrapping_add(data)
}

pub(super) fn flags(segment: &[u8]) -> Option<Flags> {
    match segment.get(13)? {
        0x02 => Some(Flags::Syn),
        0x12 => Some(Flags::SynAck),
        bits if bits & 0x04 != 0 => Some(Flags::Rst),
        _ => None,
    }
}
