//! The interface of an address that means something only there: [`Zone`].

use std::fmt;
use std::net::IpAddr;

use crate::engine::outcome::Subject;
use crate::report::escape;

/// `%` and the interface, for addresses that mean something only there (RFC 4007 §11); else nothing.
pub(in crate::report) struct Zone<'a> {
    pub subject: &'a Subject,
    pub address: IpAddr,
}

impl fmt::Display for Zone<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Zone { subject, address } = self;
        match address {
            IpAddr::V6(v6) if v6.is_unicast_link_local() || has_local_scope(v6.octets()) => {}
            _ => return Ok(()),
        }
        subject.zone.as_deref().map_or(Ok(()), |zone| write!(f, "%{}", escape(zone)))
    }
}

/// Whether an IPv6 address is a group of interface-local or link-local scope (RFC 4291 §2.7).
fn has_local_scope(octets: [u8; 16]) -> bool {
    matches!(octets, [0xff, flags_and_scope, ..] if matches!(flags_and_scope & 0x0f, 1 | 2))
}
