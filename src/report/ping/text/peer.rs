//! Addresses as lines of text show them: [`Peer`], [`Endpoint`].

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use crate::report::words::zone::Zone;
use crate::types::HostPort;

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
        match self.port {
            Some(port) if peer.name.is_some() => write!(f, "{peer}:{port}"),
            port => HostPort(&peer.to_string(), port).fmt(f),
        }
    }
}
