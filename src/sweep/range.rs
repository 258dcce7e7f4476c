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
    /// than /31: RFC 919 §7, RFC 3021) or a range (`198.51.100.1-198.51.100.9` or `198.51.100.1-9`, all of it). `None` if it
    /// is none of these, and so perhaps a name.
    ///
    /// # Errors
    /// If it starts like a prefix or a range and is invalid.
    pub fn read(text: &str) -> Result<Option<Range>, RangeError> {
        let Some(Bounds { family, first, last }) = Bounds::read(text)? else { return Ok(None) };
        // The last of more than 2^63.
        let more =
            u64::try_from(last - first).ok().filter(|&more| u128::from(more) < MOST).ok_or(RangeError::TooMany)?;
        let has_names = family == Family::V4 && more > 1 && text.contains('/');
        Ok(Some(match has_names {
            true => Range { family, first: first + 1, count: more - 1 },
            false => Range { family, first, count: more + 1 },
        }))
    }

    /// The address with its zone of a prefix that has no other (`fe80::1%eth0/128`), which is no `Range`.
    pub fn one_with_zone(text: &str) -> Option<&str> {
        let (address, length) = text.split_once('/')?;
        let (unscoped, zone) = address.split_once('%')?;
        let is_one = unscoped
            .parse()
            .is_ok_and(|address: Ipv6Addr| prefix(address.into(), length) == between(address.into(), address.into()));
        (is_one && !zone.is_empty()).then_some(address)
    }

    /// The family of all of them.
    pub const fn family(&self) -> Family {
        self.family
    }

    /// How many there are; never 0.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The first and the last, as numbers.
    pub(super) fn ends(&self) -> (u128, u128) {
        (self.first, self.first + u128::from(self.count - 1))
    }

    /// The address at `index`; `None` from `count` on.
    pub fn at(&self, index: u64) -> Option<IpAddr> {
        (index < self.count).then(|| address(self.family, self.first + u128::from(index)))
    }
}

/// The first and the last of any number of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Their family.
    pub family: Family,
    /// The first, as a number.
    pub first: u128,
    /// The last.
    pub last: u128,
}

impl Bounds {
    /// Reads an address, a prefix or a range, all of it. `None` if it is none of these, and so perhaps a name.
    ///
    /// # Errors
    /// If it starts like a prefix or a range and is invalid.
    pub fn read(text: &str) -> Result<Option<Bounds>, RangeError> {
        if let Ok(address) = text.parse() {
            return between(address, address).map(Some);
        }
        if let Some((address, length)) = text.split_once('/') {
            // A name has no slash, so this must be a prefix.
            let address = address.parse().map_err(|_| RangeError::Malformed)?;
            return prefix(address, length).map(Some);
        }
        let Some((first, last)) = text.split_once('-') else { return Ok(None) };
        // Names may have hyphens, even after an address.
        let Ok(first) = first.parse() else { return Ok(None) };
        match last.parse().ok().or_else(|| with_last_part(first, last)) {
            Some(last) => between(first, last).map(Some),
            None if last.bytes().all(|octet| octet.is_ascii_hexdigit() || b".:".contains(&octet)) => {
                Err(RangeError::Malformed)
            }
            None => Ok(None),
        }
    }

    /// IPv4 addresses in the form of IPv6 (`::ffff:192.0.2.1`) as those of IPv4 that they are.
    pub fn to_canonical(self) -> Bounds {
        const MAPPED: u128 = 0xffff;
        match (self.family, self.first >> 32, self.last >> 32) {
            (Family::V6, MAPPED, MAPPED) => {
                let low = u128::from(u32::MAX);
                Bounds { family: Family::V4, first: self.first & low, last: self.last & low }
            }
            _ => self,
        }
    }
}

/// `first` with another last octet, or with other last 16 bits in hexadecimal.
fn with_last_part(first: IpAddr, part: &str) -> Option<IpAddr> {
    match first {
        IpAddr::V4(v4) if part.bytes().all(|octet| octet.is_ascii_digit()) => {
            let [a, b, c, _] = v4.octets();
            Some(Ipv4Addr::new(a, b, c, part.parse().ok()?).into())
        }
        IpAddr::V6(v6) if part.bytes().all(|octet| octet.is_ascii_hexdigit()) => {
            let last = u16::from_str_radix(part, 16).ok()?;
            Some(Ipv6Addr::from_bits(v6.to_bits() >> 16 << 16 | u128::from(last)).into())
        }
        _ => None,
    }
}

fn prefix(address: IpAddr, length: &str) -> Result<Bounds, RangeError> {
    let family = Family::of(address);
    let bits = bits(family);
    let digits = !length.is_empty() && length.bytes().all(|octet| octet.is_ascii_digit());
    let length: u8 = match length.parse() {
        Ok(length) if digits && length <= bits => length,
        _ if digits => return Err(RangeError::Length { most: bits }),
        _ => return Err(RangeError::Malformed),
    };
    let hosts = 1u128.checked_shl(u32::from(bits - length)).map_or(u128::MAX, |count| count - 1);
    let first = number(address);
    if first & hosts != 0 {
        return Err(RangeError::HostBits { network: self::address(family, first & !hosts), length });
    }
    Ok(Bounds { family, first, last: first | hosts })
}

fn between(first: IpAddr, last: IpAddr) -> Result<Bounds, RangeError> {
    let family = Family::of(first);
    let (from, to) = (number(first), number(last));
    match Family::of(last) {
        other if other != family => Err(RangeError::Malformed),
        _ if from > to => Err(RangeError::Backwards),
        _ => Ok(Bounds { family, first: from, last: to }),
    }
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
    fn bounds_have_network_and_broadcast_address_and_any_size() {
        let bounds = |text| Bounds::read(text).expect("bounds").expect("no name");
        assert_eq!((bounds("0.0.1.0/24").first, bounds("0.0.1.0/24").last), (256, 511));
        assert_eq!(bounds("::/0").last, u128::MAX);
        assert_eq!(bounds("2001:db8::/64").last - bounds("2001:db8::/64").first, u128::from(u64::MAX));
    }

    #[test]
    fn a_range_may_end_with_the_last_part_alone() {
        assert_eq!(ends("10.9.4.1-20"), is("10.9.4.1", "10.9.4.20", 20));
        assert_eq!(ends("2001:db8::1-1f"), is("2001:db8::1", "2001:db8::1f", 31));
        assert_eq!(Range::read("10.9.4.9-1"), Err(RangeError::Backwards));
        for text in ["10.9.4.1-256", "2001:db8::1-10000", "10.9.4.1-0x2", "10.9.4.1-5.20"] {
            assert!(!matches!(Range::read(text), Ok(Some(_))), "{text}");
        }
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
        for text in ["10.0.0.0/", "10.0.0.0/+8", "10.0.0.0/8/8", "host/8", "/", "1.2.3.4-", "1.2.3.4-::1"] {
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
            prop_assert_eq!((range.first, range.count), (first, (last - first) as u64 + 1));
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
