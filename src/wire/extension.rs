//! ICMP extensions (RFC 4884): where the structure lies in an error, and its objects.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Serialize, Serializer};

use super::checksum;
use crate::types::{Family, Mtu, escape, named};

/// One object of an extension structure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Object {
    /// An MPLS label stack (RFC 4950), outermost label first.
    Mpls(Vec<LabelStackEntry>),
    /// An interface of the router, or its next hop (RFC 5837).
    Interface(Interface),
    /// Any other object, verbatim.
    Unknown {
        /// Class-Num.
        class: u8,
        /// C-Type.
        c_type: u8,
        /// The object's payload.
        #[serde(rename = "hex", serialize_with = "hexadecimal")]
        payload: Vec<u8>,
    },
}

impl Object {
    /// Class-Num and C-Type.
    pub fn class(&self) -> (u8, u8) {
        match self {
            Object::Mpls(_) => MPLS_INCOMING,
            Object::Interface(interface) => (INTERFACE, interface.to_payload().0),
            Object::Unknown { class, c_type, .. } => (*class, *c_type),
        }
    }

    /// The labels of a stack; none of other objects.
    pub fn labels(&self) -> &[LabelStackEntry] {
        match self {
            Object::Mpls(stack) => stack,
            Object::Interface(_) | Object::Unknown { .. } => &[],
        }
    }
}

fn hexadecimal<S: Serializer>(octets: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    let digits: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
    serializer.serialize_str(&digits)
}

fn shown<S: Serializer>(name: &Option<Box<[u8]>>, serializer: S) -> Result<S::Ok, S::Error> {
    name.as_deref().map(shown_name).serialize(serializer)
}

/// The name of an interface in printable characters.
pub fn shown_name(octets: &[u8]) -> String {
    escape(&String::from_utf8_lossy(octets)).into_owned()
}

/// One entry of an MPLS label stack (RFC 3032 §2.1, RFC 5462).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
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

/// The content of an Interface Information Object (RFC 5837 §4); each part is optional.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Interface {
    /// Which interface it is about.
    pub role: InterfaceRole,
    /// ifIndex.
    pub index: Option<u32>,
    /// An address of the interface, or of the next hop.
    pub address: Option<IpAddr>,
    /// ifName, octet for octet as the router gave it: it ought to be UTF-8 (RFC 5837 §4.3), and need not be.
    #[serde(serialize_with = "shown")]
    pub name: Option<Box<[u8]>>,
    /// Its MTU.
    pub mtu: Option<Mtu>,
}

named! {
    /// Which interface an Interface Information Object is about (RFC 5837 §4.1).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum InterfaceRole {
        /// The IP interface our packet came in by.
        Incoming = "incoming",
        /// The part of a bundle it came in by.
        SubIp = "sub_ip",
        /// The IP interface it would have left by.
        Outgoing = "outgoing",
        /// The IP next hop it would have gone to.
        NextHop = "next_hop",
    }
}

/// Octets of the structure's header (RFC 4884 §7) and of an object's (§8).
const HEADER_OCTETS: usize = 4;

/// The only version there is (RFC 4884 §7).
const VERSION: u8 = 2;

/// Class-Num and C-Type of an MPLS label stack (RFC 4950 §5).
const MPLS_INCOMING: (u8, u8) = (1, 1);

/// Class-Num of interface information (RFC 5837 §4), and the bits of its C-Type that announce its parts, in the order in
/// which it holds them; the role is in the two bits on top (§4.1).
const INTERFACE: u8 = 2;
const HAS_INDEX: u8 = 0x08;
const HAS_ADDRESS: u8 = 0x04;
const HAS_NAME: u8 = 0x02;
const HAS_MTU: u8 = 0x01;
/// Address family numbers (IANA).
const AFI_IPV4: u16 = 1;
const AFI_IPV6: u16 = 2;
/// Octets of the longest name with its length octet (RFC 5837 §4.3).
const NAME_OCTETS: usize = 64;

/// Octets of a quote that an extension structure follows, at least (RFC 4884 §5.1); where it starts if no length field does.
pub const UNSTATED_AT: usize = 128;

/// Parts what follows the 8-octet header of an ICMP error into the quote and the extension structure (empty if there is none).
///
/// `length_octet` is the length field of RFC 4884 §4 (octet 6 in ICMP, in 32-bit words; octet 5 in ICMPv6, in 64-bit words).
/// Routers that leave it 0 put the structure at offset 128 (RFC 4884 §5.5); that is believed only with version 2, a whole header
/// and a right checksum (or none, and objects that fill it exactly). So is a length that breaks the rules of §5.1.
pub fn split(family: Family, length_octet: u8, body: &[u8]) -> (&[u8], &[u8]) {
    let quote_octets = usize::from(length_octet) * family.pick(4, 8);
    let stated = body.split_at_checked(quote_octets);
    if let Some(parts) = stated.filter(|(_, structure)| quote_octets > 0 && is_credible(structure)) {
        return parts;
    }
    let (quote, structure) = split_unstated(UNSTATED_AT, body);
    if structure.is_empty() && quote_octets >= UNSTATED_AT {
        // A structure with a wrong checksum is still not part of the quote.
        return stated.unwrap_or((quote, structure));
    }
    (quote, structure)
}

/// Splits octets without a length field at `offset`, if the octets there prove to be a structure
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
        let (&[high, low, class, c_type], after) = octets.split_first_chunk::<HEADER_OCTETS>()?;
        let payload_octets = usize::from(u16::from_be_bytes([high, low])).checked_sub(HEADER_OCTETS)?;
        let (payload, rest) = after.split_at_checked(payload_octets)?;
        Some((RawObject { class, c_type, payload }, rest))
    }

    fn read(&self) -> Object {
        let (entries, ragged) = self.payload.as_chunks::<4>();
        if (self.class, self.c_type) == MPLS_INCOMING && !entries.is_empty() && ragged.is_empty() {
            return Object::Mpls(
                entries.iter().map(|&entry| LabelStackEntry::from_word(u32::from_be_bytes(entry))).collect(),
            );
        }
        let interface = if self.class == INTERFACE { Interface::from_payload(self.c_type, self.payload) } else { None };
        interface.map_or_else(
            || Object::Unknown { class: self.class, c_type: self.c_type, payload: self.payload.into() },
            Object::Interface,
        )
    }
}

impl Interface {
    /// `None` unless the payload holds exactly the parts that the C-Type announces.
    fn from_payload(c_type: u8, payload: &[u8]) -> Option<Self> {
        let has = |bit| c_type & bit != 0;
        let mut rest = payload;
        let index = if has(HAS_INDEX) { Some(word(&mut rest)?) } else { None };
        let address = if has(HAS_ADDRESS) { Some(take_address(&mut rest)?) } else { None };
        let name = if has(HAS_NAME) { Some(take_name(&mut rest)?) } else { None };
        let mtu = if has(HAS_MTU) { Mtu::new(word(&mut rest)?) } else { None };
        let role = InterfaceRole::ALL.get(usize::from(c_type >> 6)).copied()?;
        rest.is_empty().then_some(Interface { role, index, address, name, mtu })
    }

    /// C-Type and payload.
    fn to_payload(&self) -> (u8, Vec<u8>) {
        let role = InterfaceRole::ALL.iter().position(|&role| role == self.role).unwrap_or_default() as u8;
        let (mut c_type, mut payload) = (role << 6, Vec::new());
        if let Some(index) = self.index {
            c_type |= HAS_INDEX;
            payload.extend_from_slice(&index.to_be_bytes());
        }
        if let Some(address) = self.address {
            c_type |= HAS_ADDRESS;
            let (family, octets) = match address {
                IpAddr::V4(v4) => (AFI_IPV4, v4.octets().to_vec()),
                IpAddr::V6(v6) => (AFI_IPV6, v6.octets().to_vec()),
            };
            payload.extend_from_slice(&family.to_be_bytes());
            payload.extend_from_slice(&[0, 0]);
            payload.extend_from_slice(&octets);
        }
        if let Some(name) = self.name.as_deref() {
            c_type |= HAS_NAME;
            let name = name.get(..NAME_OCTETS - 1).unwrap_or(name);
            let octets = (1 + name.len()).next_multiple_of(4);
            let end = payload.len() + octets;
            payload.push(octets as u8);
            payload.extend_from_slice(name);
            payload.resize(end, 0);
        }
        if let Some(mtu) = self.mtu {
            c_type |= HAS_MTU;
            payload.extend_from_slice(&mtu.get().to_be_bytes());
        }
        (c_type, payload)
    }
}

/// Takes the next 32 bits of `octets`.
fn word(octets: &mut &[u8]) -> Option<u32> {
    let (&word, rest) = octets.split_first_chunk()?;
    *octets = rest;
    Some(u32::from_be_bytes(word))
}

/// RFC 5837 §4.2: family, two reserved octets, address.
fn take_address(octets: &mut &[u8]) -> Option<IpAddr> {
    let family = (word(octets)? >> 16) as u16;
    match family {
        AFI_IPV4 => word(octets).map(|address| Ipv4Addr::from(address).into()),
        AFI_IPV6 => {
            let (&address, rest) = octets.split_first_chunk::<16>()?;
            *octets = rest;
            Some(Ipv6Addr::from(address).into())
        }
        _ => None,
    }
}

/// RFC 5837 §4.3: the octets of length and name together, a multiple of four; the name is padded with NULs.
fn take_name(octets: &mut &[u8]) -> Option<Box<[u8]>> {
    let length = usize::from(*octets.first()?);
    let (name, rest) = octets.split_at_checked(length)?;
    if length == 0 || length > NAME_OCTETS || length % 4 != 0 {
        return None;
    }
    *octets = rest;
    let name = name.get(1..)?;
    let end = name.iter().position(|&octet| octet == 0).unwrap_or(name.len());
    name.get(..end).map(Into::into)
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
            Object::Interface(interface) => {
                let (c_type, payload) = interface.to_payload();
                push_object((INTERFACE, c_type), &payload, out);
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

    /// A quote of `octets` octets that starts as IPv4 does, followed by a structure.
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
    fn a_structure_at_128_is_found_despite_a_wrong_length() {
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
        for following in
            [&[0x20, 0, 0x12, 0x34, 0, 8, 1, 1, 1, 2, 3, 4][..], &[0x20, 0, 0, 0, 0x55, 8, 1, 1], &[0x20, 0, 0, 0]]
        {
            let body = body(128, following);
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
    fn interface_information_is_laid_out_as_rfc_5837_has_it() {
        let incoming = Interface {
            role: InterfaceRole::Incoming,
            index: Some(2),
            address: Some(IpAddr::from([192, 0, 2, 1])),
            name: Some((*b"eth0").into()),
            mtu: Mtu::new(1500),
        };
        let octets = [
            &[0x20, 0, 0, 0, 0, 28, 2, 0x0f, 0, 0, 0, 2, 0, 1, 0, 0, 192, 0, 2, 1, 8][..],
            b"eth0\0\0\0",
            &[0, 0, 5, 0xdc],
        ]
        .concat();
        assert_eq!(parse(&octets), [Object::Interface(incoming.clone())]);
        assert_eq!(structure(&[Object::Interface(incoming)])[4..], octets[4..]);
    }

    #[test]
    fn interface_information_that_contradicts_itself_is_kept_verbatim() {
        // Too short for its C-Type; a name length of no whole word; octets left over; an unknown address family.
        for (c_type, payload) in
            [(0x08, &[0, 0, 2][..]), (0x02, b"\x05abcd"), (0x08, &[0; 8]), (0x04, &[0, 9, 0, 0, 1, 2, 3, 4])]
        {
            let odd = Object::Unknown { class: 2, c_type, payload: payload.to_vec() };
            assert_eq!(parse(&structure(std::slice::from_ref(&odd))), [odd]);
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

    fn any_interface() -> impl Strategy<Value = Interface> {
        let role = prop::sample::select(InterfaceRole::ALL.to_vec());
        let parts = (
            any::<Option<u32>>(),
            any::<Option<IpAddr>>(),
            proptest::option::of(proptest::collection::vec(1..=255_u8, 1..64)),
            proptest::option::of(1u32..),
        );
        (role, parts).prop_map(|(role, (index, address, name, mtu))| Interface {
            role,
            index,
            address,
            name: name.map(Into::into),
            mtu: mtu.and_then(Mtu::new),
        })
    }

    fn any_object() -> impl Strategy<Value = Object> {
        prop_oneof![
            proptest::collection::vec(any_entry(), 1..5).prop_map(Object::Mpls),
            (3..=255_u8, any::<u8>(), proptest::collection::vec(any::<u8>(), 0..30))
                .prop_map(|(class, c_type, payload)| Object::Unknown { class, c_type, payload }),
            any_interface().prop_map(Object::Interface),
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
                Object::Interface(_) => HEADER_OCTETS,
                Object::Unknown { payload, .. } => HEADER_OCTETS + payload.len(),
            }).sum();
            prop_assert!(held <= octets.len());
        }
    }
}
