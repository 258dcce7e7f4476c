//! Consecutive addresses: [`Range`], and its notation as a prefix or a range.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::types::Family;

/// Consecutive addresses of one family: at least 1, at most 2^63.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    family: Family,
    first: u128,
    count: u64,
}

/// Why a prefix or a range is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RangeError {
    /// A part is not an address of the same family, or the prefix length is not a number.
    Malformed,
    /// The prefix is longer than an address.
    Length {
        /// The longest prefix.
        most: u8,
    },
    /// Bits after the prefix are set.
    HostBits {
        /// The address without them.
        network: IpAddr,
        /// The prefix length.
        length: u8,
    },
    /// The last address is smaller than the first.
    Backwards,
    /// More than 2^63 addresses.
    TooMany,
}

const MOST: u128 = 1 << 63;

impl Range {
    /// One address.
    pub fn one(address: IpAddr) -> Self {
        Range { family: Family::of(address), first: number(address), count: 1 }
    }

    /// Reads an address, a prefix (`198.51.100.0/24`, without its network and broadcast address if it is an IPv4 prefix shorter
    /// than /31: RFC 919 §7, RFC 3021) or a range (`198.51.100.1-198.51.100.9`, all of it). `None` if it is
    /// none of these, and so perhaps a name.
    ///
    /// # Errors
    /// If it starts like a prefix or a range and is invalid.
    pub fn read(text: &str) -> Result<Option<Range>, RangeError> {
        Range::read_as(text, true)
    }

    /// The same with network and broadcast addresses, for exclusions.
    ///
    /// # Errors
    /// As [`Range::read`].
    pub fn read_whole(text: &str) -> Result<Option<Range>, RangeError> {
        Range::read_as(text, false)
    }

    fn read_as(text: &str, hosts_only: bool) -> Result<Option<Range>, RangeError> {
        if let Ok(address) = text.parse() {
            return Ok(Some(Range::one(address)));
        }
        if let Some((address, length)) = text.split_once('/') {
            // A name has no slash, so this must be a prefix.
            let address = address.parse().map_err(|_| RangeError::Malformed)?;
            return prefix(address, length, hosts_only).map(Some);
        }
        match text.split_once('-') {
            // Names may have hyphens, even after an address.
            Some((first, last)) => match (first.parse(), last.parse()) {
                (Ok(first), Ok(last)) => between(first, last).map(Some),
                (Ok(_), Err(_)) if last.bytes().all(|octet| octet.is_ascii_hexdigit() || b".:".contains(&octet)) => {
                    Err(RangeError::Malformed)
                }
                _ => Ok(None),
            },
            None => Ok(None),
        }
    }

    /// The family of all of them.
    pub const fn family(&self) -> Family {
        self.family
    }

    /// How many there are; never 0.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The address at `index`; `None` from `count` on.
    pub fn at(&self, index: u64) -> Option<IpAddr> {
        (index < self.count).then(|| address(self.family, self.first + u128::from(index)))
    }

    /// The first and the last as numbers.
    pub(super) const fn bounds(&self) -> (u128, u128) {
        (self.first, self.first + (self.count as u128 - 1))
    }
}

fn prefix(address: IpAddr, length: &str, hosts_only: bool) -> Result<Range, RangeError> {
    let family = Family::of(address);
    let bits = bits(family);
    let digits = !length.is_empty() && length.bytes().all(|octet| octet.is_ascii_digit());
    let length: u8 = match length.parse() {
        Ok(length) if digits && length <= bits => length,
        _ if digits => return Err(RangeError::Length { most: bits }),
        _ => return Err(RangeError::Malformed),
    };
    let host_bits = u32::from(bits - length);
    let hosts = 1u128.checked_shl(host_bits).map_or(u128::MAX, |count| count - 1);
    let first = number(address);
    if first & hosts != 0 {
        return Err(RangeError::HostBits { network: self::address(family, first & !hosts), length });
    }
    if hosts >= MOST {
        return Err(RangeError::TooMany);
    }
    let all = Range { family, first, count: hosts as u64 + 1 };
    let has_names = family == Family::V4 && host_bits > 1;
    Ok(if hosts_only && has_names { Range { first: first + 1, count: all.count - 2, ..all } } else { all })
}

fn between(first: IpAddr, last: IpAddr) -> Result<Range, RangeError> {
    let family = Family::of(first);
    if family != Family::of(last) {
        return Err(RangeError::Malformed);
    }
    let (first, last) = (number(first), number(last));
    let more = last.checked_sub(first).ok_or(RangeError::Backwards)?;
    if more >= MOST { Err(RangeError::TooMany) } else { Ok(Range { family, first, count: more as u64 + 1 }) }
}

const fn bits(family: Family) -> u8 {
    match family {
        Family::V4 => 32,
        Family::V6 => 128,
    }
}

/// An address as a number of its family.
pub(super) fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

fn address(family: Family, number: u128) -> IpAddr {
    match family {
        // Numbers of IPv4 addresses have 32 bits.
        Family::V4 => Ipv4Addr::from_bits(number as u32).into(),
        Family::V6 => Ipv6Addr::from_bits(number).into(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Range {
        Range::read(text).expect("a range").expect("no name")
    }

    fn ends(text: &str) -> (String, String, u64) {
        let range = read(text);
        let at = |index| range.at(index).expect("in range").to_string();
        assert_eq!(range.at(range.count()), None);
        (at(0), at(range.count() - 1), range.count())
    }

    fn is(first: &str, last: &str, count: u64) -> (String, String, u64) {
        (first.to_owned(), last.to_owned(), count)
    }

    #[test]
    fn ipv4_prefixes_leave_out_network_and_broadcast_address() {
        assert_eq!(ends("198.51.100.0/24"), is("198.51.100.1", "198.51.100.254", 254));
        assert_eq!(ends("198.51.100.0/30"), is("198.51.100.1", "198.51.100.2", 2));
        assert_eq!(ends("198.51.100.0/31"), is("198.51.100.0", "198.51.100.1", 2));
        assert_eq!(ends("198.51.100.7/32"), is("198.51.100.7", "198.51.100.7", 1));
        assert_eq!(ends("0.0.0.0/0"), is("0.0.0.1", "255.255.255.254", (1 << 32) - 2));
    }

    #[test]
    fn ranges_and_ipv6_prefixes_have_all_their_addresses() {
        assert_eq!(ends("10.0.0.1-10.0.3.255"), is("10.0.0.1", "10.0.3.255", 1023));
        assert_eq!(ends("10.0.0.0-10.0.0.0"), is("10.0.0.0", "10.0.0.0", 1));
        assert_eq!(ends("2001:db8::/112"), is("2001:db8::", "2001:db8::ffff", 65_536));
        assert_eq!(ends("2001:db8::fffe-2001:db8::1:1"), is("2001:db8::fffe", "2001:db8::1:1", 4));
        assert_eq!(ends("::1/128"), is("::1", "::1", 1));
    }

    #[test]
    fn a_whole_prefix_has_its_network_and_broadcast_address() {
        let whole = Range::read_whole("198.51.100.0/24").expect("a range").expect("no name");
        assert_eq!((whole.count(), whole.at(0)), (256, "198.51.100.0".parse().ok()));
    }

    #[test]
    fn set_host_bits_are_refused_with_the_corrected_form() {
        let network = |text: &str| text.parse().expect("an address");
        assert_eq!(Range::read("10.0.0.1/8"), Err(RangeError::HostBits { network: network("10.0.0.0"), length: 8 }));
        assert_eq!(
            Range::read("2001:db8::1/64"),
            Err(RangeError::HostBits { network: network("2001:db8::"), length: 64 })
        );
    }

    #[test]
    fn what_is_no_range_is_refused_or_a_name() {
        assert_eq!(Range::read("10.0.0.0/33"), Err(RangeError::Length { most: 32 }));
        assert_eq!(Range::read("10.0.0.0/999999999999"), Err(RangeError::Length { most: 32 }));
        assert_eq!(Range::read("::/129"), Err(RangeError::Length { most: 128 }));
        for text in ["10.0.0.0/", "10.0.0.0/+8", "10.0.0.0/8/8", "host/8", "/", "1.2.3.4-", "1.2.3.4-::1", "1.2.3.4-9"]
        {
            assert_eq!(Range::read(text), Err(RangeError::Malformed), "{text}");
        }
        assert_eq!(Range::read("10.0.0.9-10.0.0.1"), Err(RangeError::Backwards));
        for text in ["::/0", "::/64", "::-8000::"] {
            assert_eq!(Range::read(text), Err(RangeError::TooMany), "{text}");
        }
        for text in ["my-host.example", "192.0.2.1-static.example", "host", "443", "10.0.0", ""] {
            assert_eq!(Range::read(text), Ok(None), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "[0-9a-f.:/-]{0,40}") {
            if let Ok(Some(range)) = Range::read(&text) {
                prop_assert!(range.at(0).is_some() && range.at(range.count() - 1).is_some());
            }
        }

        #[test]
        fn a_range_holds_what_it_says(first: u32, more in 0..100_000_u32) {
            let last = first.saturating_add(more);
            let text = format!("{}-{}", Ipv4Addr::from_bits(first), Ipv4Addr::from_bits(last));
            let range = read(&text);
            prop_assert_eq!(range.count(), u64::from(last - first) + 1);
            prop_assert_eq!(range.at(u64::from(last - first)), Some(Ipv4Addr::from_bits(last).into()));
        }

        #[test]
        fn the_same_range_in_ipv6(first: u128, more in 0..100_000_u32) {
            let last = first.saturating_add(more.into());
            let range = read(&format!("{}-{}", Ipv6Addr::from_bits(first), Ipv6Addr::from_bits(last)));
            prop_assert_eq!(range.bounds(), (first, last));
        }

        #[test]
        fn a_prefix_is_its_corrected_form(address: u32, length in 0..=32_u8) {
            let text = format!("{}/{length}", Ipv4Addr::from_bits(address));
            let corrected = match Range::read(&text) {
                Err(RangeError::HostBits { network, length }) => format!("{network}/{length}"),
                other => { prop_assert!(other.is_ok()); text }
            };
            prop_assert!(Range::read(&corrected).is_ok());
        }
    }
}
