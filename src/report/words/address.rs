//! Addresses as text: [`PlainAddress`].

use std::fmt;
use std::net::IpAddr;

/// Octets of the longest IPv4 address.
const LONGEST_V4: usize = "255.255.255.255".len();

/// An address as its `Display` shows it. Of IPv4, by hand: that takes a tenth of the time, and long lists and many traces are mostly
/// addresses.
pub(in crate::report) struct PlainAddress(pub IpAddr);

impl fmt::Display for PlainAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let IpAddr::V4(address) = self.0 else { return self.0.fmt(f) };
        let (mut text, mut end) = ([0; LONGEST_V4], 0);
        let mut push = |character| {
            if let Some(place) = text.get_mut(end) {
                *place = character;
                end += 1;
            }
        };
        for (at, octet) in address.octets().into_iter().enumerate() {
            if at > 0 {
                push(b'.');
            }
            if octet >= 100 {
                push(b'0' + octet / 100);
            }
            if octet >= 10 {
                push(b'0' + octet / 10 % 10);
            }
            push(b'0' + octet % 10);
        }
        f.write_str(text.get(..end).and_then(|text| str::from_utf8(text).ok()).unwrap_or_default())
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
            for address in [IpAddr::V4(Ipv4Addr::from_bits(v4)), IpAddr::V6(Ipv6Addr::from_bits(v6))] {
                prop_assert_eq!(PlainAddress(address).to_string(), address.to_string());
            }
        }
    }
}
