//! A hash that is the same in every build and version, unlike the standard library's: [`Fnv`].

use std::net::IpAddr;

/// FNV-1a with 64 bits (draft-eastlake-fnv §5).
#[derive(Clone, Copy, Debug)]
pub struct Fnv(u64);

impl Fnv {
    /// Of nothing yet.
    pub const fn new() -> Self {
        Fnv(0xcbf2_9ce4_8422_2325)
    }

    /// Goes on from where another one is.
    pub const fn resume(hash: u64) -> Self {
        Fnv(hash)
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

    /// The hash so far.
    pub const fn get(self) -> u64 {
        self.0
    }
}
