//! Numbers for what is alike: [`Fnv`], and [`path_hash`] for the routers of a path.

use std::net::IpAddr;

use crate::types::Ttl;

/// FNV-1a with 64 bits: the same in every build, unlike the standard library's hashers.
pub(in crate::trace) struct Fnv(pub u64);

impl Fnv {
    /// Of nothing yet.
    pub const fn new() -> Self {
        Fnv(0xcbf2_9ce4_8422_2325)
    }

    /// Takes octets.
    pub fn octets(&mut self, octets: &[u8]) {
        for &octet in octets {
            self.0 = (self.0 ^ u64::from(octet)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    /// Takes the octets of an address.
    pub fn address(&mut self, address: IpAddr) {
        match address {
            IpAddr::V4(v4) => self.octets(&v4.octets()),
            IpAddr::V6(v6) => self.octets(&v6.octets()),
        }
    }
}

/// A number for the routers of each hop, in any order, to see when they change. It has 48 bits, which a float holds exactly.
pub fn path_hash<A: IntoIterator<Item = IpAddr>>(hops: impl IntoIterator<Item = (Ttl, A)>) -> u64 {
    let mut hash = Fnv::new();
    for (ttl, addresses) in hops {
        let mut addresses: Vec<IpAddr> = addresses.into_iter().collect();
        addresses.sort_unstable();
        addresses.dedup();
        for address in addresses {
            hash.octets(&[ttl.get()]);
            hash.address(address);
        }
    }
    hash.0 & ((1 << 48) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(hops: &[(u8, &[&str])]) -> u64 {
        let address = |text: &&str| text.parse().expect("an address");
        path_hash(hops.iter().map(|&(ttl, addresses)| (Ttl::new(ttl), addresses.iter().map(address))))
    }

    #[test]
    fn the_hash_changes_with_the_routers_and_not_with_their_order_or_with_silence() {
        let path = hash(&[(1, &["192.0.2.1"]), (2, &["192.0.2.2", "192.0.2.3"]), (3, &["2001:db8::1"])]);
        assert!(path < 1 << 48);
        assert_eq!(
            path,
            hash(&[(1, &["192.0.2.1"]), (2, &["192.0.2.3", "192.0.2.2"]), (3, &["2001:db8::1"]), (4, &[])])
        );
        assert_ne!(path, hash(&[(1, &["192.0.2.1"]), (2, &["192.0.2.2"]), (3, &["2001:db8::1"])]));
        assert_ne!(hash(&[(1, &["192.0.2.1"])]), hash(&[(2, &["192.0.2.1"])]), "the distance counts");
    }
}
