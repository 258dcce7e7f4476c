//! Where packets go and come from: [`Family`], [`IpEndpoint`], [`Endpoint`].

use std::net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::path::Path;
use std::sync::Arc;

/// Internet protocol version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4, RFC 791.
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
}

/// An address with its IPv6 zone and a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IpEndpoint {
    /// The address.
    pub address: IpAddr,
    /// Interface index of a scoped IPv6 address (RFC 4007); 0 where there is none.
    pub zone: u32,
    /// Port; 0 where the protocol has none (ICMP).
    pub port: u16,
}

impl IpEndpoint {
    /// `address` without zone and port.
    pub const fn from_address(address: IpAddr) -> Self {
        IpEndpoint { address, zone: 0, port: 0 }
    }

    /// The same address and zone with another port.
    pub const fn with_port(self, port: u16) -> Self {
        IpEndpoint { port, ..self }
    }

    /// The family of the address.
    pub const fn family(&self) -> Family {
        Family::of(self.address)
    }
}

impl From<SocketAddr> for IpEndpoint {
    fn from(from: SocketAddr) -> Self {
        let zone = match from {
            SocketAddr::V4(_) => 0,
            SocketAddr::V6(v6) => v6.scope_id(),
        };
        IpEndpoint { address: from.ip(), zone, port: from.port() }
    }
}

impl From<IpEndpoint> for SocketAddr {
    fn from(from: IpEndpoint) -> Self {
        match from.address {
            IpAddr::V4(address) => SocketAddr::V4(SocketAddrV4::new(address, from.port)),
            IpAddr::V6(address) => SocketAddr::V6(SocketAddrV6::new(address, from.port, 0, from.zone)),
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

impl From<IpAddr> for Endpoint {
    fn from(address: IpAddr) -> Self {
        Endpoint::Ip(IpEndpoint::from_address(address))
    }
}
