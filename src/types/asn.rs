//! Numbers of autonomous systems: [`Asn`].

use std::fmt;
use std::num::NonZeroU32;

use serde::Serialize;

/// An autonomous system's number (RFC 6793). Never 0, which is no system's (RFC 7607 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Asn(NonZeroU32);

impl Asn {
    /// `None` for 0.
    pub const fn new(number: u32) -> Option<Self> {
        match NonZeroU32::new(number) {
            Some(number) => Some(Asn(number)),
            None => None,
        }
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0.get()
    }

    /// The number that `text` writes in decimal digits (RFC 5396 §2, asplain), and nothing else.
    pub fn read(text: &str) -> Option<Self> {
        if !text.bytes().all(|octet| octet.is_ascii_digit()) {
            return None;
        }
        text.parse().ok().and_then(Asn::new)
    }
}

impl fmt::Display for Asn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AS{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_numbers_of_systems_are_read() {
        assert_eq!(Asn::read("64500").map(Asn::get), Some(64_500));
        assert_eq!(Asn::read("4294967295").map(Asn::get), Some(u32::MAX));
        for text in ["", "0", "+1", "-1", " 1", "1.5", "AS1", "4294967296", "99999999999999999999", "١"] {
            assert_eq!(Asn::read(text), None, "{text}");
        }
    }

    #[test]
    fn a_system_is_shown_with_its_letters() {
        assert_eq!(Asn::new(64_500).map(|asn| asn.to_string()).as_deref(), Some("AS64500"));
    }
}
