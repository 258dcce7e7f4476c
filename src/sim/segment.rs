//! TCP segments of the handshake.

use super::packet::field16;

/// Octets of a segment without options and data.
const SEGMENT_OCTETS: usize = 20;

/// The flags of a segment, as far as the handshake has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flags {
    Syn,
    SynAck,
    Ack,
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
        Flags::Ack => 0x10,
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

/// Counts the sequence number of a SYN up, the last segment of `packet`, and fits the checksum (RFC 1624): in the place of a
/// timestamp (RFC 7323 §3.2) it names the SYN in the answer to it.
pub(super) fn count_up(packet: &mut [u8]) {
    let Some(segment) = packet.last_chunk_mut::<SEGMENT_OCTETS>() else { return };
    let number = u16::from_be_bytes([segment[6], segment[7]]) + 1;
    segment[6..8].copy_from_slice(&number.to_be_bytes());
    let checksum = u16::from_be_bytes([segment[16], segment[17]]).checked_sub(1).unwrap_or(0xfffe);
    segment[16..18].copy_from_slice(&checksum.to_be_bytes());
}

/// Which SYN, from 0 on, this segment answers.
pub(super) fn counted(answer: &[u8]) -> usize {
    field16(answer, 10).map_or(0, |number| usize::from(number).saturating_sub(1))
}

pub(super) fn flags(segment: &[u8]) -> Option<Flags> {
    match segment.get(13)? {
        0x02 => Some(Flags::Syn),
        0x12 => Some(Flags::SynAck),
        0x10 => Some(Flags::Ack),
        bits if bits & 0x04 != 0 => Some(Flags::Rst),
        _ => None,
    }
}
