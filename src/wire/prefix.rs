//! Address prefixes: [`Prefix`].

use std::net::IpAddr;

use crate::types::Family;

/// The addresses of one family that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Prefix {
    family: Family,
    length: u8,
    /// Those bits, from the highest on; the others are 0.
    bits: u128,
}

impl Prefix {
    /// The first `length` bits of `address`; `None` if it has fewer.
    pub fn new(address: IpAddr, length: u8) -> Option<Self> {
        let (family, bits, width) = match address {
            IpAddr::V4(address) => (Family::V4, u128::from(address.to_bits()) << 96, 32),
            IpAddr::V6(address) => (Family::V6, address.to_bits(), 128),
        };
        let mask = u128::MAX.checked_shl(128 - u32::from(length.min(128))).unwrap_or_default();
        (length <= width).then_some(Prefix { family, length, bits: bits & mask })
    }

    /// The prefix that `text` writes as `ADDRESS/LENGTH`, or as an address alone.
    pub fn read(text: &str) -> Option<Self> {
        match text.split_once('/') {
            Some((address, length)) if length.bytes().all(|octet| octet.is_ascii_digit()) => {
                Prefix::new(address.parse().ok()?, length.parse().ok()?)
            }
            Some(_) => None,
            None => {
                let address = text.parse().ok()?;
                Prefix::new(address, if matches!(address, IpAddr::V4(_)) { 32 } else { 128 })
            }
        }
    }

    /// How many bits are the same.
    pub fn length(self) -> u8 {
        self.length
    }

    pub fn family(self) -> Family {
        self.family
    }

    pub fn contains(self, address: IpAddr) -> bool {
        Prefix::new(address, self.length) == Some(self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_prefix_holds_its_addresses_and_no_others() {
        let holds = |prefix: &str, address: &str| {
            Prefix::read(prefix).expect("a prefix").contains(address.parse().expect("an address"))
        };
        assert!(holds("192.0.2.0/25", "192.0.2.127") && !holds("192.0.2.0/25", "192.0.2.128"));
        assert!(holds("0.0.0.0/0", "255.255.255.255") && !holds("0.0.0.0/0", "::"));
        assert!(holds("2001:db8::/33", "2001:db8:7fff::1") && !holds("2001:db8::/33", "2001:db8:8000::"));
        assert!(holds("::/0", "ffff::") && !holds("::/0", "0.0.0.0"));
        assert!(holds("192.0.2.1", "192.0.2.1") && !holds("192.0.2.1", "192.0.2.0"));
        assert!(holds("::1/128", "::1") && !holds("::1", "::"));
    }

    #[test]
    fn what_is_no_prefix_is_refused() {
        for text in ["", "/", "192.0.2.0/", "192.0.2.0/33", "::/129", "192.0.2.0/+8", "192.0.2/24", "::/999", "x/8"] {
            assert_eq!(Prefix::read(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn an_address_lies_in_each_of_its_prefixes(address: IpAddr, length in 0..=32_u8) {
            prop_assert!(Prefix::new(address, length).is_some_and(|prefix| prefix.contains(address)));
        }
    }
}
