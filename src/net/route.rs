//! Which way packets leave: interface and address of a socket, the source the kernel would choose ([`source_for`]), and the
//! size it would have taken ([`accepted_mtu`]).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;

use socket2::{Domain, Socket, Type};

use super::lane::{self, Failure};
use super::sys::cmsg::{self, Origin};
use super::sys::interface;
use super::sys::message::{self, Buffers, Queue};
use super::sys::option::{IP_MTU_DISCOVER, IPV6_MTU_DISCOVER, SO_BROADCAST, SO_DONTROUTE, SO_MARK, mtu_discover};
use crate::channel::{Fragmentation, LanePlan, OsError, SocketKind};
use crate::types::{Family, IpEndpoint, Mtu};

/// A port for sockets that only ask for a route: discard, RFC 863. Nothing is sent to it.
const ANY_PORT: u16 = 9;

/// The source address that packets of a lane with this plan would have on their way to `to`.
///
/// # Errors
/// Why they would not leave: ENETUNREACH, EHOSTUNREACH, EINVAL (a blackhole route), EACCES (a prohibiting one, or a
/// broadcast address), and what binding to the plan's interface or source says.
pub fn source_for(to: IpEndpoint, plan: &LanePlan) -> Result<IpAddr, OsError> {
    let socket = udp_socket(plan).map_err(|(_, error)| error)?;
    connect(&socket, to)?;
    let local = socket.local_addr()?.as_socket().ok_or(OsError::EAFNOSUPPORT)?;
    Ok(local.ip())
}

/// The largest IP packet to `to` that the kernel would have taken, after it said EMSGSIZE to one with `octets` octets behind
/// the IP and transport headers; `None` where it does not say.
///
/// Asks a socket of its own with an error queue, because raw lanes have none; its packet is refused for the same reason.
pub fn accepted_mtu(plan: &LanePlan, to: IpEndpoint, octets: usize, control: &[u8]) -> Option<Mtu> {
    // Without DF a packet is only refused for what no header can express. With a mark the route may be another one.
    if !matches!(plan.fragmentation, Some(Fragmentation::Do | Fragmentation::Probe | Fragmentation::Interface))
        || plan.mark.is_some()
    {
        return None;
    }
    let socket = udp_socket(plan).ok()?;
    lane::report_errors(socket.as_fd(), plan.family).ok()?;
    let discover = match plan.family {
        Family::V4 => IP_MTU_DISCOVER,
        Family::V6 => IPV6_MTU_DISCOVER,
    };
    discover.set(socket.as_fd(), mtu_discover(plan.fragmentation?, SocketKind::Dgram)).ok()?;
    let _ = SO_BROADCAST.set(socket.as_fd(), 1);
    connect(&socket, to).ok()?;
    message::send(socket.as_fd(), None, &vec![0; octets], control).err()?;
    let mut buffers = Buffers::default();
    let message = message::receive(socket.as_fd(), Queue::Errors, &mut buffers).ok()?;
    let error = cmsg::read(message.control).error?;
    if error.origin == Origin::Local && error.error == OsError::EMSGSIZE { Mtu::new(error.info) } else { None }
}

/// Binds to the plan's interface.
///
/// # Errors
/// `SO_BINDTODEVICE`: ENODEV if there is no such interface.
pub fn bind_device(socket: &Socket, plan: &LanePlan) -> Result<(), Failure> {
    let Some(name) = plan.interface.as_deref() else {
        return Ok(());
    };
    if !interface::is_name(name) {
        return Err(("SO_BINDTODEVICE", OsError::ENODEV));
    }
    socket.bind_device(Some(name.as_bytes())).map_err(|error| ("SO_BINDTODEVICE", error.into()))
}

/// Binds to the plan's source address, or to none, and `port`.
///
/// # Errors
/// `bind`: EADDRNOTAVAIL, EADDRINUSE, EACCES …
pub fn bind(socket: &Socket, plan: &LanePlan, port: u16) -> Result<(), Failure> {
    bind_to(socket, plan, plan.source, port)
}

/// Binds to `source`, or to no address, and `port`.
///
/// # Errors
/// As [`bind`].
pub fn bind_to(socket: &Socket, plan: &LanePlan, source: Option<IpAddr>, port: u16) -> Result<(), Failure> {
    let unspecified: IpAddr = match plan.family {
        Family::V4 => Ipv4Addr::UNSPECIFIED.into(),
        Family::V6 => Ipv6Addr::UNSPECIFIED.into(),
    };
    let address = source.unwrap_or(unspecified);
    // A link-local address only means something on its interface (RFC 4007 §6); others keep none.
    let zone = match (address, plan.interface.as_deref()) {
        (IpAddr::V6(v6), Some(name)) if v6.is_unicast_link_local() => interface::index_of(name).unwrap_or(0),
        _ => 0,
    };
    let endpoint = SocketAddr::from(IpEndpoint { address, zone, port });
    socket.bind(&endpoint.into()).map_err(|error| ("bind", error.into()))
}

fn udp_socket(plan: &LanePlan) -> Result<Socket, Failure> {
    let domain = match plan.family {
        Family::V4 => Domain::IPV4,
        Family::V6 => Domain::IPV6,
    };
    let socket = Socket::new(domain, Type::DGRAM.nonblocking(), Some(socket2::Protocol::UDP))
        .map_err(|error| ("socket", error.into()))?;
    if let Some(mark) = plan.mark {
        // Where marks are not allowed the lane itself is refused; the route without is the best guess then.
        let _ = SO_MARK.set(socket.as_fd(), mark.cast_signed());
    }
    if plan.dont_route {
        SO_DONTROUTE.set(socket.as_fd(), 1).map_err(|error| (SO_DONTROUTE.call, error))?;
    }
    bind_device(&socket, plan)?;
    if plan.source.is_some() {
        bind(&socket, plan, 0)?;
    }
    Ok(socket)
}

fn connect(socket: &Socket, to: IpEndpoint) -> Result<(), OsError> {
    let to = if to.port == 0 { to.with_port(ANY_PORT) } else { to };
    Ok(socket.connect(&SocketAddr::from(to).into())?)
}
