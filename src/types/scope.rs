//! Public, special-purpose and translated addresses: [`is_public`], [`announced_form`].

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether `address` is a unicast address of the public Internet. Other addresses have only a local meaning, or none, so no
/// outside server is asked about them. Follows the IANA special-purpose address registries (RFC 6890); in doubt not public.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// The address whose announcement shows who has `address`: the IPv4 address in one of 64:ff9b::/96 (RFC 6052 §2.1), which
/// translators to IPv4 use, else itself.
pub fn announced_form(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => match v6.segments() {
            [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)).into(),
            _ => address,
        },
        IpAddr::V4(_) => address,
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    !matches!(
        address.octets(),
        [0 | 10 | 127, ..] // RFC 791 §3.2, RFC 1918, RFC 1122 §3.2.1.3
            | [100, 64..=127, ..] // RFC 6598: carrier-grade NAT
            | [169, 254, ..] // RFC 3927
            | [172, 16..=31, ..] // RFC 1918
            | [192, 0, 0 | 2, _] // RFC 6890, RFC 5737
            | [192, 168, ..] // RFC 1918
            | [198, 18..=19, ..] // RFC 2544: benchmarks
            | [198, 51, 100, _] // RFC 5737
            | [203, 0, 113, _] // RFC 5737
            | [224..=255, ..] // RFC 5771: multicast; RFC 1112 §4: reserved
    )
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    match address.segments() {
        // RFC 2928: protocols of the IETF, such as Teredo and ORCHID; RFC 3849 and RFC 9637: documentation.
        [0x2001, ..=0x1ff | 0xdb8, ..] | [0x3fff, ..=0xfff, ..] => false,
        // RFC 3056: the embedded IPv4 address decides.
        [0x2002, high, low, ..] => is_public_v4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))),
        // RFC 4291 §2.4, RFC 3587 §3: global unicast. Beyond are loopback, unique local, link-local, multicast, mapped IPv4.
        [0x2000..=0x3fff, ..] => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_purpose_addresses_are_not_public() {
        for text in [
            "0.0.0.1",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "169.254.1.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.168.255.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.1.1.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:8.8.8.8",
            "64:ff9b::1",
            "100::1",
            "2001::1",
            "2001:1ff::1",
            "2001:db8::1",
            "2002:a00:1::1",
            "2002:c0a8:101::1",
            "3fff::1",
            "3fff:fff::1",
            "5f00::1",
            "fc00::1",
            "fdff::1",
            "fe80::1",
            "ff02::1",
        ] {
            assert!(!is_public(text.parse().expect("an address")), "{text}");
        }
    }

    #[test]
    fn global_unicast_addresses_are_public() {
        for text in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.1",
            "100.63.255.255",
            "100.128.0.1",
            "126.0.0.1",
            "128.0.0.1",
            "172.15.255.255",
            "172.32.0.1",
            "192.0.1.1",
            "192.169.0.1",
            "198.17.255.255",
            "198.20.0.1",
            "223.255.255.1",
            "2001:200::1",
            "2001:4860:4860::8888",
            "2002:808:808::1",
            "2a00::1",
            "3ffe::1",
            "3fff:1000::1",
        ] {
            assert!(is_public(text.parse().expect("an address")), "{text}");
        }
    }

    #[test]
    fn a_translated_address_is_announced_as_the_ipv4_address_in_it() {
        let form = |text: &str| announced_form(text.parse().unwrap()).to_string();
        assert_eq!(form("64:ff9b::192.0.2.33"), "192.0.2.33");
        for other in ["64:ff9b:1::c000:221", "2001:db8::1", "192.0.2.33"] {
            assert_eq!(form(other), other);
        }
    }
}
