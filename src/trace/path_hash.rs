//! One number for the routers of a path: [`path_hash`].

use std::net::IpAddr;

use crate::types::{Fnv, Ttl};

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
    hash.get() & ((1 << 48) - 1)
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
