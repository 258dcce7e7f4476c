//! Octets to values and back, pure and total: any octets give a value or a [`WireError`], never a panic.
//!
//! Received octets are read by etherparse's lax slices, probe packets are built by pnet, databases of AS numbers are read by
//! maxminddb; none of their types leaves this room.

pub mod as_table;
pub mod asn;
pub mod checksum;
pub mod extension;
pub mod icmp;
pub mod ip;
pub mod payload;
pub mod pcapng;
mod prefix;
pub mod quoted;
pub mod service;
pub mod stamp;
pub mod tcp;
pub mod udp;

use std::fmt;

/// Why octets cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WireError {
    /// Fewer octets than the header needs.
    Short,
    /// A version, length or number field that contradicts itself.
    Malformed,
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            WireError::Short => "too short",
            WireError::Malformed => "malformed",
        })
    }
}

impl std::error::Error for WireError {}

/// Octets for property tests.
#[cfg(test)]
pub(crate) mod arbitrary {
    use proptest::prelude::*;

    /// Any octets, up to what a router quotes at most.
    pub fn octets() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(any::<u8>(), 0..600)
    }

    /// `valid`, with some octets changed, and cut or grown.
    pub fn mutated(valid: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
        let changes = proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6);
        (valid, changes, any::<prop::sample::Index>(), 0..40_usize, any::<bool>()).prop_map(
            |(mut octets, changes, cut, grown, cuts)| {
                for (at, value) in changes {
                    if !octets.is_empty() {
                        let at = at.index(octets.len());
                        octets[at] = value;
                    }
                }
                if cuts {
                    octets.truncate(cut.index(octets.len() + 1));
                } else {
                    octets.resize(octets.len() + grown, 0);
                }
                octets
            },
        )
    }
}
