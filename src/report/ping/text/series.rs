//! A target as lines of text show it: [`Series`], [`Peer`].

use std::fmt;
use std::net::IpAddr;

use crate::channel::{OsError, SocketKind};
use crate::ping::{MethodKind, Start};
use crate::report::words::escape;
use crate::types::{Family, Ident, Mtu, ProbeId};

/// What lines say about a target, and what of earlier lines matters to later ones.
pub(super) struct Series {
    /// Escaped.
    pub name: Box<str>,
    pub address: Option<IpAddr>,
    /// Typed as an address.
    pub numeric: bool,
    /// `%` and the interface, for addresses that mean something only there (RFC 4007 §11); else empty.
    pub zone: Box<str>,
    pub method: MethodKind,
    pub port: Option<u16>,
    pub socket: Option<SocketKind>,
    /// As seen on the wire.
    pub ident: Option<Ident>,
    /// Why the last probe could not be sent.
    pub failure: Option<(OsError, Option<Mtu>)>,
    /// Number of the newest probe, and of the newest that was answered.
    pub newest: u64,
    pub acknowledged: u64,
}

impl Series {
    /// `device` is the interface that probes leave by, if one was asked for.
    pub fn new(start: &Start, device: Option<&str>) -> Self {
        let typed = start.target.rsplit_once('%').map(|(_, interface)| interface).filter(|_| start.numeric);
        let zone = match typed.or(device) {
            _ if typed.is_none() && start.zone == 0 => String::new(),
            Some(interface) => format!("%{}", escape(interface)),
            None => format!("%{}", start.zone),
        };
        Series {
            name: escape(&start.name).into(),
            address: start.address,
            numeric: start.numeric,
            zone: zone.into(),
            method: start.method,
            port: start.port,
            socket: start.socket,
            ident: None,
            failure: None,
            newest: 0,
            acknowledged: 0,
        }
    }

    pub fn family(&self) -> Family {
        self.address.map_or(Family::V4, Family::of)
    }

    pub fn zone_of(&self, address: IpAddr) -> &str {
        match address {
            IpAddr::V6(v6) if v6.is_unicast_link_local() || has_local_scope(v6.octets()) => &self.zone,
            _ => "",
        }
    }

    pub fn acknowledge(&mut self, probe: ProbeId) {
        self.acknowledged = self.acknowledged.max(probe.get());
    }

    /// As ping counts them: what was sent behind the newest answer.
    pub fn in_flight(&self) -> u64 {
        self.newest.saturating_sub(self.acknowledged)
    }
}

/// Whether an IPv6 address is a group of interface-local or link-local scope (RFC 4291 §2.7).
fn has_local_scope(octets: [u8; 16]) -> bool {
    matches!(octets, [0xff, flags_and_scope, ..] if matches!(flags_and_scope & 0x0f, 1 | 2))
}

/// `NAME (ADDRESS)` or `ADDRESS`.
pub(super) struct Peer<'a> {
    pub name: Option<&'a str>,
    pub address: IpAddr,
    pub zone: &'a str,
}

impl fmt::Display for Peer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name {
            Some(name) => write!(f, "{name} ({}{})", self.address, self.zone),
            None => write!(f, "{}{}", self.address, self.zone),
        }
    }
}

/// A [`Peer`] with its port, or the name of a local socket.
pub(super) struct From<'a> {
    pub name: &'a str,
    pub peer: Option<Peer<'a>>,
    pub port: Option<u16>,
}

impl fmt::Display for From<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(peer) = &self.peer else { return f.write_str(self.name) };
        match (peer.name, peer.address) {
            (None, IpAddr::V6(address)) if self.port.is_some() => write!(f, "[{address}{}]", peer.zone)?,
            _ => write!(f, "{peer}")?,
        }
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}
