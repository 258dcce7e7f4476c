//! Addresses as text: [`PlainAddress`].

use std::fmt::{self, Write};
use std::net::IpAddr;

/// Octets of the longest address: IPv6 with an IPv4 address at its end.
const LONGEST: usize = "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255".len();

/// An address as its `Display` shows it. Of IPv4, by hand: that takes a tenth of the time, and long lists and many traces are mostly
/// addresses.
pub(in crate::report) struct PlainAddress(pub IpAddr);

impl PlainAddress {
    /// It as text, without memory of its own.
    pub(in crate::report) fn text(&self) -> AddressText {
        let mut text = AddressText { characters: [0; LONGEST], end: 0 };
        match self.0 {
            IpAddr::V4(address) => {
                for (at, octet) in address.octets().into_iter().enumerate() {
                    if at > 0 {
                        text.push(b'.');
                    }
                    if octet >= 100 {
                        text.push(b'0' + octet / 100);
                    }
                    if octet >= 10 {
                        text.push(b'0' + octet / 10 % 10);
                    }
                    text.push(b'0' + octet % 10);
                }
            }
            // It has room for the longest.
            IpAddr::V6(address) => _ = write!(text, "{address}"),
        }
        text
    }
}

impl fmt::Display for PlainAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text().as_str())
    }
}

/// The text of a [`PlainAddress`].
pub(in crate::report) struct AddressText {
    characters: [u8; LONGEST],
    end: usize,
}

impl AddressText {
    pub(in crate::report) fn as_str(&self) -> &str {
        str::from_utf8(self.as_octets()).unwrap_or_default()
    }

    pub(in crate::report) fn as_octets(&self) -> &[u8] {
        self.characters.get(..self.end).unwrap_or_default()
    }

    fn push(&mut self, character: u8) {
        if let Some(place) = self.characters.get_mut(self.end) {
            *place = character;
            self.end += 1;
        }
    }
}

impl fmt::Write for AddressText {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        part.bytes().for_each(|character| self.push(character));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_address_reads_as_the_standard_library_writes_it(v4: u32, v6: u128) {
            let mapped = Ipv4Addr::from_bits(v4).to_ipv6_mapped();
            for address in [IpAddr::V6(mapped), IpAddr::V4(Ipv4Addr::from_bits(v4)), IpAddr::V6(Ipv6Addr::from_bits(v6))] {
                prop_assert_eq!(PlainAddress(address).to_string(), address.to_string());
            }
        }
    }
}
