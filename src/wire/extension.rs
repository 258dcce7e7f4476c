//! ICMP extensions (RFC 4884): where the structure lies in an error, and its objects.

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

/// Parts what follows the 8-octet header of an ICMP error into the quote and the extension structure (empty if there is none).
///
/// `length_octet` is the length field of RFC 4884 §4 (octet 6 in ICMP, in 32-bit words; octet 5 in ICMPv6, in 64-bit words).
/// Routers that leave it 0 put the structure at offset 128 (RFC 4884 §5.5); that is believed only with version 2, a whole header
/// and a right checksum.
pub fn split(family: Family, length_octet: u8, body: &[u8]) -> (&[u8], &[u8]) {
    let _ = (family, length_octet, body);
    todo!()
}

/// Reads the objects of an extension structure, up to the first that is malformed. A structure of another version than 2 or
/// with a wrong checksum (0 means not computed, RFC 4884 §7) has none.
pub fn parse(structure: &[u8]) -> Vec<Object> {
    let _ = structure;
    todo!()
}

/// Appends an extension structure with these objects and its checksum (used by simulated routers).
pub fn push(objects: &[Object], out: &mut Vec<u8>) {
    let _ = (objects, out);
    todo!()
}
