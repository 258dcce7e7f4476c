//! Captures in the format pcapng (draft-ietf-opsawg-pcapng), block by block: [`push_section`] and [`push_packet`]. Whoever reads
//! one can stop after any block.

use crate::types::WallTime;

/// The types of blocks.
const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const ENHANCED_PACKET: u32 = 6;

/// By this the reader knows the order of octets.
const BYTE_ORDER: u32 = 0x1a2b_3c4d;
const VERSION: (u16, u16) = (1, 0);
/// The length of the section: what is written as it comes does not know it.
const UNKNOWN_LENGTH: u64 = u64::MAX;
/// Packets begin with their IP header.
const LINKTYPE_RAW: u16 = 101;

/// Options of blocks; most numbers mean something else in each kind of block.
const END_OF_OPTIONS: u16 = 0;
const COMMENT: u16 = 1;
const SECTION_SYSTEM: u16 = 3;
const SECTION_APPLICATION: u16 = 4;
const INTERFACE_RESOLUTION: u16 = 9;
const PACKET_FLAGS: u16 = 2;
/// Time stamps count units of ten to the minus ninth.
const NANOSECONDS: u8 = 9;

/// What a capture says about itself.
#[derive(Clone, Copy, Debug)]
pub struct Section<'a> {
    /// Anything.
    pub comment: &'a str,
    /// The operating system.
    pub system: &'a str,
    /// The program that captures.
    pub application: &'a str,
}

/// A packet to write.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// When it was seen.
    pub at: WallTime,
    /// From its IP header on, as far as is known.
    pub octets: &'a [u8],
    /// How many octets it had; not less than are here.
    pub original: usize,
    /// Whether it arrived; else it left.
    pub arrived: bool,
    /// Anything.
    pub comment: &'a str,
}

/// Appends what stands before the packets.
pub fn push_section(section: &Section<'_>, out: &mut Vec<u8>) {
    push_block(SECTION_HEADER, out, |out| {
        out.extend_from_slice(&BYTE_ORDER.to_le_bytes());
        out.extend_from_slice(&VERSION.0.to_le_bytes());
        out.extend_from_slice(&VERSION.1.to_le_bytes());
        out.extend_from_slice(&UNKNOWN_LENGTH.to_le_bytes());
        push_text(COMMENT, section.comment, out);
        push_text(SECTION_SYSTEM, section.system, out);
        push_text(SECTION_APPLICATION, section.application, out);
        push_option(END_OF_OPTIONS, &[], out);
    });
    push_block(INTERFACE_DESCRIPTION, out, |out| {
        out.extend_from_slice(&LINKTYPE_RAW.to_le_bytes());
        // Reserved, and a length of packets without limit.
        out.extend_from_slice(&[0; 6]);
        push_option(INTERFACE_RESOLUTION, &[NANOSECONDS], out);
        push_option(END_OF_OPTIONS, &[], out);
    });
}

/// Appends a packet.
pub fn push_packet(packet: &Packet<'_>, out: &mut Vec<u8>) {
    let at = packet.at.as_nanos();
    let length = |octets: usize| u32::try_from(octets).unwrap_or(u32::MAX).to_le_bytes();
    push_block(ENHANCED_PACKET, out, |out| {
        // The first interface.
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&((at >> 32) as u32).to_le_bytes());
        out.extend_from_slice(&(at as u32).to_le_bytes());
        out.extend_from_slice(&length(packet.octets.len()));
        out.extend_from_slice(&length(packet.original.max(packet.octets.len())));
        out.extend_from_slice(packet.octets);
        pad(out);
        push_text(COMMENT, packet.comment, out);
        let direction: u32 = if packet.arrived { 1 } else { 2 };
        push_option(PACKET_FLAGS, &direction.to_le_bytes(), out);
        push_option(END_OF_OPTIONS, &[], out);
    });
}

/// How many octets at the start of `octets` are whole blocks.
pub fn whole_blocks(octets: &[u8]) -> usize {
    let mut end = 0;
    while let Some(length) = octets.get(end + 4..end + 8).and_then(|field| field.try_into().ok()) {
        let length = u32::from_le_bytes(length) as usize;
        if length == 0 || octets.len() - end < length {
            break;
        }
        end += length;
    }
    end
}

/// A block: its length stands before and after what `fill` appends. It begins at a multiple of four octets.
fn push_block(kind: u32, out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&kind.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    fill(out);
    let length = u32::try_from(out.len() - start + 4).unwrap_or(u32::MAX).to_le_bytes();
    out.extend_from_slice(&length);
    if let Some(before) = out.get_mut(start + 4..start + 8) {
        before.copy_from_slice(&length);
    }
}

/// An option that is left out if it would say nothing, and cut where its length has no room for it.
fn push_text(code: u16, text: &str, out: &mut Vec<u8>) {
    let most = (0..=text.len().min(usize::from(u16::MAX))).rev().find(|&end| text.is_char_boundary(end));
    let text = most.and_then(|end| text.get(..end)).unwrap_or_default();
    if !text.is_empty() {
        push_option(code, text.as_bytes(), out);
    }
}

fn push_option(code: u16, value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&code.to_le_bytes());
    out.extend_from_slice(&u16::try_from(value.len()).unwrap_or(u16::MAX).to_le_bytes());
    out.extend_from_slice(value);
    pad(out);
}

fn pad(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(4), 0);
}

#[cfg(test)]
pub(crate) mod tests {
    use pcap_parser::pcapng::{Block, parse_block_le};
    use proptest::prelude::*;

    use super::*;
    use crate::wire::arbitrary;

    /// A packet as another program reads it.
    #[derive(Clone, Debug, PartialEq)]
    pub struct Read {
        pub at: u64,
        pub octets: Vec<u8>,
        pub original: usize,
        pub arrived: bool,
        pub comment: String,
    }

    /// All packets of a capture; panics where it is none.
    pub fn read(capture: &[u8]) -> Vec<Read> {
        let (mut rest, mut packets, mut blocks) = (capture, Vec::new(), 0);
        while !rest.is_empty() {
            let (after, block) = parse_block_le(rest).expect("a block");
            match block {
                Block::SectionHeader(section) => assert_eq!((blocks, section.major_version), (0, 1)),
                Block::InterfaceDescription(interface) => {
                    assert_eq!((blocks, interface.linktype.0, interface.if_tsresol), (1, 101, 9));
                }
                Block::EnhancedPacket(packet) => {
                    let value = |code| packet.options.iter().find(|option| option.code.0 == code);
                    let value = |code| value(code).map_or(&[][..], |option| &option.value[..option.len.into()]);
                    packets.push(Read {
                        at: u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low),
                        octets: packet.data[..packet.caplen as usize].to_vec(),
                        original: packet.origlen as usize,
                        arrived: value(2)[0] & 3 == 1,
                        comment: String::from_utf8(value(1).to_vec()).expect("UTF-8"),
                    });
                }
                other => panic!("{other:?}"),
            }
            (rest, blocks) = (after, blocks + 1);
        }
        packets
    }

    const SECTION: Section<'_> = Section { comment: "rping host", system: "Linux 6.18", application: "rping 0.1.0" };

    fn packet() -> impl Strategy<Value = Read> {
        (any::<u64>(), arbitrary::octets(), 0..90_000_usize, any::<bool>(), ".{0,40}").prop_map(
            |(at, octets, more, arrived, comment)| Read { at, original: octets.len() + more, octets, arrived, comment },
        )
    }

    fn written(packets: &[Read]) -> Vec<u8> {
        let mut out = Vec::new();
        push_section(&SECTION, &mut out);
        for Read { at, octets, original, arrived, comment } in packets {
            let (at, original, arrived) = (WallTime::from_nanos(*at), *original, *arrived);
            push_packet(&Packet { at, octets, original, arrived, comment }, &mut out);
        }
        out
    }

    #[test]
    fn a_comment_too_long_for_its_length_is_cut_between_two_characters() {
        let comment = format!("x{}", "é".repeat(40_000));
        let packet = Read { at: 0, octets: vec![0x45], original: 1, arrived: true, comment };
        let comment = read(&written(&[packet])).pop().unwrap().comment;
        assert_eq!(comment, format!("x{}", "é".repeat(32_767)));
    }

    proptest! {
        #[test]
        fn another_program_reads_what_was_written(packets in proptest::collection::vec(packet(), 0..5)) {
            prop_assert_eq!(read(&written(&packets)), packets);
        }

        #[test]
        fn a_capture_that_is_cut_has_its_whole_blocks(
            packets in proptest::collection::vec(packet(), 0..4),
            cut: prop::sample::Index,
        ) {
            let capture = written(&packets);
            prop_assert_eq!(whole_blocks(&capture), capture.len());
            let cut = &capture[..cut.index(capture.len())];
            let whole = read(&cut[..whole_blocks(cut)]);
            prop_assert_eq!(&whole[..], &packets[..whole.len()]);
            let next = written(&packets[..(whole.len() + 1).min(packets.len())]);
            prop_assert!(next.len() > cut.len() || cut.len() == capture.len());
        }
    }
}
