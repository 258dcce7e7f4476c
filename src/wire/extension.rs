//! ICMP extensions (RFC 4884): where the structure lies in an error, and its objects.

use super::checksum;
use crate::types::Family;

/// One object of an extension structure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Object {
    /// An MPLS label stack (RFC 4950), outermost label first.
    Mpls(Vec<LabelStackEntry>),
    /// Any other object, verbatim.
    Unknown {
        /// Class-Num.
        class: u8,
        /// C-Type.
        c_type: u8,
        /// The object's payload.
        payload: Vec<u8>,
    },
}

/// One entry of an MPLS label stack (RFC 3032 §2.1, RFC 5462).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LabelStackEntry {
    /// Label, 20 bits.
    pub label: u32,
    /// Traffic Class, 3 bits.
    pub tc: u8,
    /// Bottom of stack.
    pub bottom: bool,
    /// TTL.
    pub ttl: u8,
}

/// Octets of the structure's header (RFC 4884 §7) and of an object's (§8).
const HEADER_OCTETS: usize = 4;

/// The only version there is (RFC 4884 §7).
const VERSION: u8 = 2;

/// Class-Num and C-Type of an MPLS label stack (RFC 4950 §5).
const MPLS_INCOMING: (u8, u8) = (1, 1);

/// Octets of a quote that an extension structure follows, at least (RFC 4884 §5.1); where it starts if the router does not say.
pub const UNSTATED_AT: usize = 128;

/// Parts what follows the 8-octet header of an ICMP error into the quote and the extension structure (empty if there is none).
///
/// `length_octet` is the length field of RFC 4884 §4 (octet 6 in ICMP, in 32-bit words; octet 5 in ICMPv6, in 64-bit words).
/// Routers that leave it 0 put the structure at offset 128 (RFC 4884 §5.5); that is believed only with version 2, a whole header
/// and a right checksum (or none, and objects that fill it exactly). So is a length that breaks the rules of §5.1.
pub fn split(family: Family, length_octet: u8, body: &[u8]) -> (&[u8], &[u8]) {
    let unit = match family {
        Family::V4 => 4,
        Family::V6 => 8,
    };
    let quote_octets = usize::from(length_octet) * unit;
    let stated = body.split_at_checked(quote_octets);
    if let Some(parts) = stated.filter(|(_, structure)| quote_octets > 0 && is_credible(structure)) {
        return parts;
    }
    let (quote, structure) = split_unstated(UNSTATED_AT, body);
    if structure.is_empty() && quote_octets >= UNSTATED_AT {
        // A structure whose checksum some middlebox broke is still no part of the quote.
        return stated.unwrap_or((quote, structure));
    }
    (quote, structure)
}

/// Parts octets of which no length field tells where the structure starts: at `offset`, if what stands there proves itself
/// by version and checksum. For quotes that lack their first headers, `offset` is 128 less these.
pub fn split_unstated(offset: usize, octets: &[u8]) -> (&[u8], &[u8]) {
    octets.split_at_checked(offset).filter(|(_, structure)| is_credible(structure)).unwrap_or((octets, &[]))
}

/// Whether octets are an extension structure beyond chance.
fn is_credible(structure: &[u8]) -> bool {
    let Some((header, mut objects)) = structure.split_first_chunk::<HEADER_OCTETS>() else { return false };
    if header[0] >> 4 != VERSION {
        return false;
    }
    if header[2..] != [0, 0] {
        return checksum::internet(structure) == 0;
    }
    while let Some((_, rest)) = RawObject::split_off(objects) {
        objects = rest;
    }
    structure.len() > HEADER_OCTETS && objects.is_empty()
}

/// Reads the objects of an extension structure, up to the first that is malformed. A structure of another version than 2 or
/// with a wrong checksum (0 means not computed, RFC 4884 §7) has none.
pub fn parse(structure: &[u8]) -> Vec<Object> {
    let Some((header, mut octets)) = structure.split_first_chunk::<HEADER_OCTETS>() else { return Vec::new() };
    let computed = header[2..] != [0, 0];
    if header[0] >> 4 != VERSION || computed && checksum::internet(structure) != 0 {
        return Vec::new();
    }
    let mut objects = Vec::new();
    while let Some((object, rest)) = RawObject::split_off(octets) {
        objects.push(object.read());
        octets = rest;
    }
    objects
}

/// An object as it lies in the structure (RFC 4884 §8).
struct RawObject<'a> {
    class: u8,
    c_type: u8,
    payload: &'a [u8],
}

impl<'a> RawObject<'a> {
    /// The first object of `octets`, and what follows it; `None` if its length is malformed.
    fn split_off(octets: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (&[high, low, class, c_type], behind) = octets.split_first_chunk::<HEADER_OCTETS>()?;
        let payload_octets = usize::from(u16::from_be_bytes([high, low])).checked_sub(HEADER_OCTETS)?;
        let (payload, rest) = behind.split_at_checked(payload_octets)?;
        Some((RawObject { class, c_type, payload }, rest))
    }

    fn read(&self) -> Object {
        let (entries, ragged) = self.payload.as_chunks::<4>();
        if (self.class, self.c_type) == MPLS_INCOMING && !entries.is_empty() && ragged.is_empty() {
            Object::Mpls(entries.iter().map(|&entry| LabelStackEntry::from_word(u32::from_be_bytes(entry))).collect())
        } else {
            Object::Unknown { class: self.class, c_type: self.c_type, payload: self.payload.into() }
        }
    }
}

impl LabelStackEntry {
    fn from_word(word: u32) -> Self {
        LabelStackEntry {
            label: word >> 12,
            tc: (word >> 9 & 0b111) as u8,
            bottom: word >> 8 & 1 == 1,
            ttl: word as u8,
        }
    }

    fn word(self) -> u32 {
        (self.label & 0xf_ffff) << 12
            | u32::from(self.tc & 0b111) << 9
            | u32::from(self.bottom) << 8
            | u32::from(self.ttl)
    }
}

/// Appends an extension structure with these objects and its checksum (used by simulated routers). An object too long for its
/// 16-bit length field is left out.
pub fn push(objects: &[Object], out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[VERSION << 4, 0, 0, 0]);
    for object in objects {
        match object {
            Object::Mpls(entries) => {
                let payload: Vec<u8> = entries.iter().flat_map(|entry| entry.word().to_be_bytes()).collect();
                push_object(MPLS_INCOMING, &payload, out);
            }
            Object::Unknown { class, c_type, payload } => push_object((*class, *c_type), payload, out),
        }
    }
    let checksum = checksum::internet(out.get(start..).unwrap_or_default());
    if let Some(field) = out.get_mut(start + 2..start + HEADER_OCTETS) {
        field.copy_from_slice(&checksum.to_be_bytes());
    }
}

fn push_object((class, c_type): (u8, u8), payload: &[u8], out: &mut Vec<u8>) {
    let Ok(octets) = u16::try_from(HEADER_OCTETS + payload.len()) else { return };
    out.extend_from_slice(&octets.to_be_bytes());
    out.extend_from_slice(&[class, c_type]);
    out.extend_from_slice(payload);
}
