//! Header fields: [`Ttl`], [`Tos`] and [`Dscp`], [`FlowLabel`], [`Mtu`].

use std::fmt;

use serde::Serialize;

/// IPv4 Time to Live (RFC 791 §3.1) or IPv6 Hop Limit (RFC 8200 §3). Every octet is a value; only 1 to 255 can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Ttl(u8);

impl Ttl {
    /// The largest value a header can carry.
    pub const MAX: Ttl = Ttl(255);

    /// A TTL as a header carries it.
    pub const fn new(hops: u8) -> Self {
        Ttl(hops)
    }

    /// The header's octet.
    pub const fn get(self) -> u8 {
        self.0
    }

    /// The TTL of the next hop, or `None` after 255.
    pub fn next(self) -> Option<Ttl> {
        self.0.checked_add(1).map(Ttl)
    }
}

impl fmt::Display for Ttl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// IPv4 Type of Service or IPv6 Traffic Class: six bits [`Dscp`] (RFC 2474) and two bits ECN (RFC 3168).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct Tos(u8);

impl Tos {
    /// The octet as a header carries it.
    pub const fn new(octet: u8) -> Self {
        Tos(octet)
    }

    /// The header's octet.
    pub const fn get(self) -> u8 {
        self.0
    }

    /// The upper six bits.
    pub const fn dscp(self) -> Dscp {
        Dscp(self.0 >> 2)
    }
}

/// Differentiated services codepoint, 0 to 63 (RFC 2474 §3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Dscp(u8);

/// Names and values: RFC 2474 (CS), 2597 (AF), 3246 (EF), 5865 (VA), 8622 (LE).
const DSCP_NAMES: [(&str, u8); 25] = [
    ("be", 0),
    ("df", 0),
    ("le", 1),
    ("cs0", 0),
    ("cs1", 8),
    ("cs2", 16),
    ("cs3", 24),
    ("cs4", 32),
    ("cs5", 40),
    ("cs6", 48),
    ("cs7", 56),
    ("af11", 10),
    ("af12", 12),
    ("af13", 14),
    ("af21", 18),
    ("af22", 20),
    ("af23", 22),
    ("af31", 26),
    ("af32", 28),
    ("af33", 30),
    ("af41", 34),
    ("af42", 36),
    ("af43", 38),
    ("ef", 46),
    ("va", 44),
];

impl Dscp {
    /// `None` above 63.
    pub const fn new(codepoint: u8) -> Option<Self> {
        if codepoint <= 63 { Some(Dscp(codepoint)) } else { None }
    }

    /// The codepoint of a standard name (`ef`, `af41`, `cs6`, `le` …), in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        DSCP_NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|&(_, value)| Dscp(value))
    }

    /// 0 to 63.
    pub const fn get(self) -> u8 {
        self.0
    }

    /// The octet with this codepoint and no ECN bits.
    pub const fn tos(self) -> Tos {
        Tos(self.0 << 2)
    }
}

/// The first of its names, or the number; 0 is what packets have without any, and has names of several meanings.
impl fmt::Display for Dscp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match DSCP_NAMES.iter().find(|(_, value)| *value == self.0 && self.0 > 0) {
            Some((name, _)) => f.write_str(name),
            None => self.0.fmt(f),
        }
    }
}

/// IPv6 flow label, 20 bits (RFC 6437).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct FlowLabel(u32);

impl FlowLabel {
    /// `None` above 0xfffff.
    pub const fn new(label: u32) -> Option<Self> {
        if label <= 0xf_ffff { Some(FlowLabel(label)) } else { None }
    }

    /// 0 to 0xfffff.
    pub const fn get(self) -> u32 {
        self.0
    }
}

/// A maximum transmission unit in octets of IP packet, as an ICMP error or an interface states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Mtu(u32);

impl Mtu {
    /// `None` for 0, which routers older than RFC 1191 send for «not stated».
    pub const fn new(octets: u32) -> Option<Self> {
        if octets == 0 { None } else { Some(Mtu(octets)) }
    }

    /// Octets.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Mtu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dscp_names_are_the_upper_six_bits_of_tos() {
        assert_eq!(Dscp::from_name("EF").map(|d| d.tos().get()), Some(0xb8));
        assert_eq!(Dscp::from_name("af41").map(Dscp::get), Some(34));
        assert_eq!(Dscp::from_name("nope"), None);
        assert_eq!([0, 46, 8, 63].map(|octet| Dscp(octet).to_string()), ["0", "ef", "cs1", "63"]);
        assert_eq!(Tos::new(0xb9).dscp().get(), 46);
    }

    #[test]
    fn values_outside_their_field_are_refused() {
        assert_eq!(Dscp::new(64), None);
        assert_eq!(FlowLabel::new(0x10_0000), None);
        assert_eq!(Mtu::new(0), None);
        assert_eq!(Ttl::MAX.next(), None);
    }
}
