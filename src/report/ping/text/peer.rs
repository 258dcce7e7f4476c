//! Addresses as lines of text show them: [`Peer`], [`Endpoint`], [`Zone`].

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use crate::engine::outcome::Subject;
use crate::report::escape;

/// `%` and the interface, for addresses that mean something only there (RFC 4007 §11); else nothing.
pub(super) struct Zone<'a> {
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

/// `NAME (ADDRESS)` or `ADDRESS`.
pub(super) struct Peer<'a> {
    pub name: Option<Cow<'a, str>>,
    pub address: IpAddr,
    pub zone: Zone<'a>,
}

impl fmt::Display for Peer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name} ({}{})", self.address, self.zone),
            None => write!(f, "{}{}", self.address, self.zone),
        }
    }
}

/// A [`Peer`] with its port, or the name of a local socket.
pub(super) struct Endpoint<'a> {
    pub name: Cow<'a, str>,
    pub peer: Option<Peer<'a>>,
    pub port: Option<u16>,
}

impl fmt::Display for Endpoint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(peer) = &self.peer else { return f.write_str(&self.name) };
        match (&peer.name, peer.address) {
            (None, IpAddr::V6(address)) if self.port.is_some() => write!(f, "[{address}{}]", peer.zone)?,
            _ => write!(f, "{peer}")?,
        }
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}
