//! Where packets go and come from: [`Family`], [`IpEndpoint`], [`Endpoint`].

use std::net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;

use serde::ser::SerializeMap;

use super::{Port, escape};

/// Internet protocol version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4, RFC 791.
    #[default]
    V4,
    /// IPv6, RFC 8200.
    V6,
}

impl Family {
    /// The family of `address`.
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Family::V4,
            IpAddr::V6(_) => Family::V6,
        }
    }

    /// What stands for this family.
    pub fn pick<T>(self, v4: T, v6: T) -> T {
        match self {
            Family::V4 => v4,
            Family::V6 => v6,
        }
    }
}

/// An address with its IPv6 zone and a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IpEndpoint {
    /// The address.
    pub address: IpAddr,
    /// Interface index of a scoped IPv6 address (RFC 4007).
    pub zone: Option<NonZeroU32>,
    /// Port; `None` where the protocol has none (ICMP), and where the kernel chooses one.
    pub port: Option<Port>,
}

impl IpEndpoint {
    /// `address` without zone and port.
    pub const fn from_address(address: IpAddr) -> Self {
        IpEndpoint { address, zone: None, port: None }
    }

    /// The same address and zone with the port of a header field, in which 0 is none.
    pub const fn with_port(self, number: u16) -> Self {
        IpEndpoint { port: Port::new(number), ..self }
    }

    /// The port as a header field has it: 0 for none.
    pub fn port_number(&self) -> u16 {
        self.port.map_or(0, Port::get)
    }

    /// The zone as a socket address has it: 0 for none.
    pub fn zone_index(&self) -> u32 {
        self.zone.map_or(0, NonZeroU32::get)
    }

    /// The family of the address.
    pub const fn family(&self) -> Family {
        Family::of(self.address)
    }

    /// The same, with an IPv4 address in place of its form in IPv6 (RFC 4291 §2.5.5.2), which is what sockets of both families
    /// have of IPv4 peers.
    pub fn canonical(self) -> Self {
        match self.address.to_canonical() {
            address @ IpAddr::V4(_) => IpEndpoint { address, zone: None, port: self.port },
            IpAddr::V6(_) => self,
        }
    }
}

impl From<SocketAddr> for IpEndpoint {
    fn from(from: SocketAddr) -> Self {
        let zone = match from {
            SocketAddr::V4(_) => None,
            SocketAddr::V6(v6) => NonZeroU32::new(v6.scope_id()),
        };
        IpEndpoint { address: from.ip(), zone, port: Port::new(from.port()) }
    }
}

impl From<IpEndpoint> for SocketAddr {
    fn from(from: IpEndpoint) -> Self {
        match from.address {
            IpAddr::V4(address) => SocketAddr::V4(SocketAddrV4::new(address, from.port_number())),
            IpAddr::V6(address) => SocketAddr::V6(SocketAddrV6::new(address, from.port_number(), 0, from.zone_index())),
        }
    }
}

/// One end of an exchange.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// An internet address.
    Ip(IpEndpoint),
    /// A local socket's path; one that starts with NUL is an abstract name, an empty one belongs to a socket without a name
    /// (unix(7)).
    Unix(Arc<Path>),
}

impl Endpoint {
    /// The internet address, or `None` for a path.
    pub fn ip(&self) -> Option<IpEndpoint> {
        match self {
            Endpoint::Ip(endpoint) => Some(*endpoint),
            Endpoint::Unix(_) => None,
        }
    }
}

impl Endpoint {
    /// The path of a local socket, or `@` and its abstract name (unix(7)); `None` for a socket without a name.
    pub fn local_name(&self) -> Option<String> {
        let Endpoint::Unix(path) = self else { return None };
        let path = path.to_string_lossy();
        match path.strip_prefix('\0') {
            Some(name) => Some(format!("@{}", escape(name))),
            None => Some(escape(&path).into_owned()).filter(|path| !path.is_empty()),
        }
    }

    /// Adds address, port and path under these names to an object of JSON.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize_entries<M: SerializeMap>(&self, names: [&str; 3], object: &mut M) -> Result<(), M::Error> {
        let [address, port, path] = names;
        object.serialize_entry(address, &self.ip().map(|ip| ip.address))?;
        object.serialize_entry(port, &self.ip().map(|ip| ip.port_number()))?;
        object.serialize_entry(path, &self.local_name())
    }
}

impl From<IpAddr> for Endpoint {
    fn from(address: IpAddr) -> Self {
        Endpoint::Ip(IpEndpoint::from_address(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_path_is_harmless_and_an_abstract_name_is_one() {
        let name = |path: &str| Endpoint::Unix(Path::new(path).into()).local_name();
        assert_eq!(name("/tmp/\u{1b}[2J").as_deref(), Some(r"/tmp/\u{1b}[2J"));
        assert_eq!(name("\0abc\0").as_deref(), Some(r"@abc\u{0}"));
        assert_eq!(name(""), None);
    }
}
