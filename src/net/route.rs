//! Questions to the routing table: the source address for a destination ([`source_for`]) and the packet size that its route
//! accepts ([`accepted_mtu`]).

use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;

use socket2::{Socket, Type};

use super::socket::{self, OpenFailure};
use super::sys::cmsg::{self, Origin};
use super::sys::message::{self, Buffers, Queue};
use super::sys::option::{IP_MTU_DISCOVER, IPV6_MTU_DISCOVER, SO_BROADCAST, SO_DONTROUTE, SO_MARK, mtu_discover};
use crate::channel::{Fragmentation, LanePlan, OsError, SocketKind};
use crate::types::{IpEndpoint, Mtu};

/// A port for sockets that only ask for a route: discard, RFC 863. Nothing is sent to it.
const ANY_PORT: u16 = 9;

/// The source address that the kernel chooses for packets to `to` from a lane with this plan.
///
/// # Errors
/// Why they cannot be sent: ENETUNREACH, EHOSTUNREACH, EINVAL (a blackhole route), EACCES (a prohibiting one, or a
/// broadcast address), and errors from binding to the plan's interface or source.
pub fn source_for(to: IpEndpoint, plan: &LanePlan) -> Result<IpAddr, OsError> {
    let socket = udp_socket(plan).map_err(|(_, error)| error)?;
    connect(&socket, to)?;
    let local = socket.local_addr()?.as_socket().ok_or(OsError::EAFNOSUPPORT)?;
    Ok(local.ip())
}

/// The largest IP packet to `to` that the kernel accepts, after it refused one with EMSGSIZE that had `octets` octets after the
/// IP and transport headers; `None` where it does not report that.
///
/// It sends on a socket with an error queue, because raw lanes have none; the kernel refuses that packet for the same reason.
pub fn accepted_mtu(plan: &LanePlan, to: IpEndpoint, octets: usize, control: &[u8]) -> Option<Mtu> {
    // Without DF, only a packet that no header can express is refused. A mark may select another route.
    if !matches!(plan.fragmentation, Some(Fragmentation::Do | Fragmentation::Probe | Fragmentation::Interface))
        || plan.mark.is_some()
    {
        return None;
    }
    let socket = udp_socket(plan).ok()?;
    socket::report_errors(socket.as_fd(), plan.family).ok()?;
    let discover = plan.family.pick(IP_MTU_DISCOVER, IPV6_MTU_DISCOVER);
    discover.set(socket.as_fd(), mtu_discover(plan.fragmentation?, SocketKind::Dgram)).ok()?;
    let _ = SO_BROADCAST.set(socket.as_fd(), 1);
    connect(&socket, to).ok()?;
    message::send(socket.as_fd(), None, &vec![0; octets], control).err()?;
    let mut buffers = Buffers::default();
    let message = message::receive(socket.as_fd(), Queue::Errors, &mut buffers).ok()?;
    let error = cmsg::read(message.control).error?;
    if error.origin == Origin::Local && error.error == OsError::EMSGSIZE { Mtu::new(error.info) } else { None }
}

fn udp_socket(plan: &LanePlan) -> Result<Socket, OpenFailure> {
    let socket = Socket::new(socket::domain(plan.family), Type::DGRAM.nonblocking(), Some(socket2::Protocol::UDP))
        .map_err(|error| ("socket", error.into()))?;
    if let Some(mark) = plan.mark {
        // If marks are not permitted the lane itself is refused, and the route without a mark is the best guess.
        let _ = SO_MARK.set(socket.as_fd(), mark.cast_signed());
    }
    if plan.dont_route {
        SO_DONTROUTE.set(socket.as_fd(), 1).map_err(|error| (SO_DONTROUTE.call, error))?;
    }
    socket::bind_device(&socket, plan)?;
    socket::bind_source(&socket, plan)?;
    Ok(socket)
}

fn connect(socket: &Socket, to: IpEndpoint) -> Result<(), OsError> {
    let to = if to.port.is_none() { to.with_port(ANY_PORT) } else { to };
    Ok(socket.connect(&SocketAddr::from(to).into())?)
}
