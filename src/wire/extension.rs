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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::arbitrary;

    fn entry(label: u32, tc: u8, bottom: bool, ttl: u8) -> LabelStackEntry {
        LabelStackEntry { label, tc, bottom, ttl }
    }

    fn two_labels() -> Vec<Object> {
        vec![Object::Mpls(vec![entry(24_001, 0, false, 1), entry(16_006, 3, true, 1)])]
    }

    fn structure(objects: &[Object]) -> Vec<u8> {
        let mut out = Vec::new();
        push(objects, &mut out);
        out
    }

    /// A quote of `octets` octets that starts as IPv4 does, and a structure behind it.
    fn body(octets: usize, structure: &[u8]) -> Vec<u8> {
        let mut body = vec![0x45; octets];
        body.extend_from_slice(structure);
        body
    }

    #[test]
    fn a_label_stack_is_laid_out_as_rfc_4950_has_it() {
        let octets = structure(&two_labels());
        assert_eq!(octets[..2], [0x20, 0]);
        assert_eq!(octets[4..8], [0, 12, 1, 1]);
        assert_eq!(octets[8..], [0x05, 0xdc, 0x10, 0x01, 0x03, 0xe8, 0x67, 0x01]);
        assert_eq!(parse(&octets), two_labels());
    }

    #[test]
    fn the_length_octet_counts_words_of_the_family() {
        let structure = structure(&two_labels());
        for (family, length, quoted) in
            [(Family::V4, 32, 128), (Family::V4, 35, 140), (Family::V6, 16, 128), (Family::V6, 20, 160)]
        {
            let body = body(quoted, &structure);
            assert_eq!(split(family, length, &body), (&body[..quoted], &structure[..]), "{family:?} {length}");
        }
    }

    #[test]
    fn a_structure_at_128_is_found_without_a_length() {
        let body = body(128, &structure(&two_labels()));
        assert_eq!(parse(split(Family::V4, 0, &body).1), two_labels());
        assert_eq!(parse(split(Family::V6, 0, &body).1), two_labels());
    }

    #[test]
    fn a_structure_at_128_is_found_behind_a_length_that_is_wrong() {
        let body = body(128, &structure(&two_labels()));
        for length in [1, 7, 16, 31, 33, 34, 35, 36, 128, 255] {
            assert_eq!(parse(split(Family::V4, length, &body).1), two_labels(), "length {length}");
        }
    }

    #[test]
    fn a_length_below_128_is_believed_if_the_structure_proves_itself() {
        let structure = structure(&two_labels());
        let body = body(28, &structure);
        assert_eq!(split(Family::V4, 7, &body), (&body[..28], &structure[..]));
    }

    #[test]
    fn a_long_quote_is_not_taken_for_a_structure() {
        // Version 2 where a structure would start, and nothing else of one.
        for behind in
            [&[0x20, 0, 0x12, 0x34, 0, 8, 1, 1, 1, 2, 3, 4][..], &[0x20, 0, 0, 0, 0x55, 8, 1, 1], &[0x20, 0, 0, 0]]
        {
            let body = body(128, behind);
            assert_eq!(split(Family::V4, 0, &body), (&body[..], &[][..]));
        }
    }

    #[test]
    fn a_bogus_length_leaves_the_quote_whole() {
        let short = body(28, &[]);
        for length in 0..=255 {
            assert_eq!(split(Family::V4, length, &short), (&short[..], &[][..]), "length {length}");
            assert_eq!(split(Family::V6, length, &short), (&short[..], &[][..]), "length {length}");
        }
    }

    #[test]
    fn a_structure_with_a_broken_checksum_has_no_objects_and_is_no_quote() {
        let mut structure = structure(&two_labels());
        structure[11] ^= 0x40;
        assert_eq!(parse(&structure), []);
        let body = body(128, &structure);
        assert_eq!(split(Family::V4, 32, &body).0, &body[..128]);
    }

    #[test]
    fn a_checksum_that_was_not_computed_is_no_wrong_one() {
        let mut structure = structure(&two_labels());
        structure[2..4].fill(0);
        assert_eq!(parse(&structure), two_labels());
        let body = body(128, &structure);
        assert_eq!(parse(split(Family::V4, 0, &body).1), two_labels());
    }

    #[test]
    fn another_version_has_no_objects() {
        let mut structure = structure(&two_labels());
        structure[0] = 0x10;
        structure[2..4].fill(0);
        assert_eq!(parse(&structure), []);
    }

    #[test]
    fn objects_before_a_malformed_one_are_kept() {
        for malformed in [&[0, 3, 9, 9][..], &[0, 0, 9, 9], &[0xff, 0xff, 9, 9], &[0, 9, 9, 9, 1, 2, 3, 4], &[0, 8]] {
            let mut structure = structure(&two_labels());
            structure[2..4].fill(0);
            structure.extend_from_slice(malformed);
            assert_eq!(parse(&structure), two_labels(), "{malformed:?}");
        }
    }

    #[test]
    fn a_ragged_label_stack_is_kept_verbatim() {
        for payload in [&[][..], &[1], &[1, 2, 3, 4, 5]] {
            let odd = vec![Object::Unknown { class: 1, c_type: 1, payload: payload.into() }];
            assert_eq!(parse(&structure(&odd)), odd);
        }
    }

    #[test]
    fn an_object_too_long_for_its_length_field_is_left_out() {
        let long = Object::Unknown { class: 3, c_type: 1, payload: vec![0; 65_532] };
        assert_eq!(structure(&[long]).len(), HEADER_OCTETS);
    }

    fn any_entry() -> impl Strategy<Value = LabelStackEntry> {
        (0..0x10_0000_u32, 0..8_u8, any::<bool>(), any::<u8>())
            .prop_map(|(label, tc, bottom, ttl)| entry(label, tc, bottom, ttl))
    }

    fn any_object() -> impl Strategy<Value = Object> {
        prop_oneof![
            proptest::collection::vec(any_entry(), 1..5).prop_map(Object::Mpls),
            (2..=255_u8, any::<u8>(), proptest::collection::vec(any::<u8>(), 0..30))
                .prop_map(|(class, c_type, payload)| Object::Unknown { class, c_type, payload }),
        ]
    }

    proptest! {
        #[test]
        fn objects_survive_the_wire(objects in proptest::collection::vec(any_object(), 0..5)) {
            prop_assert_eq!(parse(&structure(&objects)), objects);
        }

        #[test]
        fn any_octets_part_into_what_was_there(v6: bool, length: u8, octets in arbitrary::octets()) {
            let family = if v6 { Family::V6 } else { Family::V4 };
            let (quote, extension) = split(family, length, &octets);
            prop_assert_eq!([quote, extension].concat(), octets);
        }

        #[test]
        fn mutated_structures_are_read_to_their_first_flaw(
            octets in arbitrary::mutated(proptest::collection::vec(any_object(), 0..5).prop_map(|objects| structure(&objects))),
        ) {
            let held: usize = parse(&octets).iter().map(|object| match object {
                Object::Mpls(entries) => HEADER_OCTETS + 4 * entries.len(),
                Object::Unknown { payload, .. } => HEADER_OCTETS + payload.len(),
            }).sum();
            prop_assert!(held <= octets.len());
        }
    }
}
