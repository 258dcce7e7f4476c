//! Octets to values and back, pure and total: any octets give a value or a [`WireError`], never a panic.
//!
//! Received octets are read by etherparse's lax slices, probe packets are built by pnet; neither type leaves this room.

pub mod checksum;
pub mod extension;
pub mod icmp;
pub mod ip;
pub mod payload;
pub mod quoted;
pub mod udp;

use std::fmt;

/// Why octets cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WireError {
    /// Fewer octets than the header needs.
    Short,
    /// A version, length or number field that contradicts itself.
    Malformed,
    /// A checksum that is wrong where it must be right.
    Checksum,
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            WireError::Short => "too short",
            WireError::Malformed => "malformed",
            WireError::Checksum => "wrong checksum",
        })
    }
}

impl std::error::Error for WireError {}
