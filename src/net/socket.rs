//! Making, configuring and binding one socket as a [`LanePlan`] asks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};

use socket2::{Domain, Socket, Type};

use super::header;
use super::interface::unbound;
use super::sys::interface;
use super::sys::message::{self, Queue};
use super::sys::option::{self, *};
use crate::channel::{LanePlan, OsError, Protocol, SocketKind};
use crate::types::{Family, IpEndpoint, Port};

pub use super::sys::option::OpenFailure;

/// Room for the replies to a burst of about a thousand probes, including the kernel's own overhead per packet.
const RECEIVE_BUFFER_OCTETS: i32 = 1 << 20;
/// Packets that arrived between socket(2) and attaching the filter; more than this are a flood that also passes the filter.
const MAX_UNFILTERED: usize = 10_000;

/// A non-blocking socket of the plan's family and protocol.
///
/// # Errors
/// `socket`: EPERM, EMFILE …
pub fn open(plan: &LanePlan, kind: Type) -> Result<Socket, OpenFailure> {
    let internet = domain(plan.family);
    let (domain, protocol) = match plan.protocol {
        Protocol::Icmp => (internet, Some(plan.family.pick(socket2::Protocol::ICMPV4, socket2::Protocol::ICMPV6))),
        Protocol::Udp => (internet, Some(socket2::Protocol::UDP)),
        Protocol::Tcp => (internet, Some(socket2::Protocol::TCP)),
        Protocol::Unix => (Domain::UNIX, None),
    };
    Socket::new_raw(domain, kind.nonblocking().cloexec(), protocol).map_err(|error| ("socket", error.into()))
}

/// The domain of internet sockets.
pub fn domain(family: Family) -> Domain {
    family.pick(Domain::IPV4, Domain::IPV6)
}

/// Sets every option of the plan except the interface and the address.
///
/// # Errors
/// The option that failed, and how.
pub fn configure(socket: BorrowedFd<'_>, plan: &LanePlan, kind: SocketKind) -> Result<(), OpenFailure> {
    let family = plan.family;
    let hops = plan.header.ttl.map(|ttl| i32::from(ttl.get()));
    let settings = [
        (SO_BROADCAST, (plan.broadcast && family == Family::V4).then_some(1)),
        (IPV6_V6ONLY, (family == Family::V6 && plan.protocol == Protocol::Udp).then_some(1)),
        (IPV6_FLOWINFO_SEND, (family == Family::V6).then_some(1)),
        (family.pick(IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS), hops),
        (family.pick(IP_MULTICAST_LOOP, IPV6_MULTICAST_LOOP), plan.no_multicast_loop.then_some(0)),
    ];
    option::set_all(socket, &settings)?;
    option::set_all(socket, &header::options(family, plan.header.ttl, plan.header.tos))?;
    configure_sending(socket, plan, kind)?;
    set_receive_buffer(socket, plan);
    // Optional: old kernels lack it.
    let _ = SO_RXQ_OVFL.set(socket, 1);
    Ok(())
}

/// Sets the options that govern how packets are sent and that no order overrides.
///
/// # Errors
/// The option that failed, and how.
pub fn configure_sending(socket: BorrowedFd<'_>, plan: &LanePlan, kind: SocketKind) -> Result<(), OpenFailure> {
    let discover = plan.fragmentation.map(|fragmentation| option::mtu_discover(fragmentation, kind));
    let settings = [
        (plan.family.pick(IP_MTU_DISCOVER, IPV6_MTU_DISCOVER), discover),
        // The kernel doubles the figure to allow for its own overhead.
        (SO_SNDBUF, plan.send_buffer.map(|octets| i32::try_from(octets).unwrap_or(i32::MAX))),
        (SO_DONTROUTE, plan.dont_route.then_some(1)),
        // A mark is 32 bits without a sign.
        (SO_MARK, plan.mark.map(u32::cast_signed)),
    ];
    option::set_all(socket, &settings)
}

/// Sets the options of the plan that apply to local sockets.
///
/// # Errors
/// The option that failed, and how.
pub fn configure_local(socket: &Socket, plan: &LanePlan) -> Result<(), OpenFailure> {
    let octets = plan.send_buffer.map(|octets| i32::try_from(octets).unwrap_or(i32::MAX));
    option::set_all(socket.as_fd(), &[(SO_SNDBUF, octets)])
}

/// Sets the receive buffer that the plan asks for. Without a privilege the kernel limits it to `net.core.rmem_max`.
fn set_receive_buffer(socket: BorrowedFd<'_>, plan: &LanePlan) {
    let octets = plan.receive_buffer.map_or(RECEIVE_BUFFER_OCTETS, |octets| i32::try_from(octets).unwrap_or(i32::MAX));
    if SO_RCVBUFFORCE.set(socket, octets).is_err() {
        let _ = SO_RCVBUF.set(socket, octets);
    }
}

/// Asks for the header fields of received packets as ancillary data.
///
/// # Errors
/// The option that failed, and how.
pub fn report_headers(socket: BorrowedFd<'_>, family: Family) -> Result<(), OpenFailure> {
    let (v4, v6) = ([IP_RECVTTL, IP_RECVTOS, IP_PKTINFO], [IPV6_RECVHOPLIMIT, IPV6_RECVTCLASS, IPV6_RECVPKTINFO]);
    let options = family.pick(v4, v6);
    option::set_all(socket, &options.map(|option| (option, Some(1))))
}

/// The same for a raw socket, which receives IPv4 packets with their header: of these only the interface is missing, which matters
/// if the plan names one.
///
/// # Errors
/// As [`report_headers`].
pub fn report_missing_headers(socket: BorrowedFd<'_>, plan: &LanePlan) -> Result<(), OpenFailure> {
    if plan.family == Family::V6 || plan.interface.is_some() { report_headers(socket, plan.family) } else { Ok(()) }
}

/// Delivers ICMP errors to the error queue, with their extensions where the kernel (5.9) separates these.
///
/// # Errors
/// The option that failed, and how.
pub fn report_errors(socket: BorrowedFd<'_>, family: Family) -> Result<(), OpenFailure> {
    let errors = family.pick(IP_RECVERR, IPV6_RECVERR);
    errors.set(socket, 1).map_err(|error| (errors.call, error))?;
    let _ = family.pick(IP_RECVERR_RFC4884, IPV6_RECVERR_RFC4884).set(socket, 1);
    Ok(())
}

/// Discards what arrived before the filter was attached, or before the socket was used anew: none of it is an answer.
pub fn drain(socket: &Socket, queue: Queue) {
    for _ in 0..MAX_UNFILTERED {
        if message::discard(socket.as_fd(), queue).is_err() {
            return;
        }
    }
}

/// Makes packets leave by the plan's interface.
///
/// # Errors
/// As [`bind_device`].
pub fn leave_by_interface(socket: &Socket, plan: &LanePlan) -> Result<(), OpenFailure> {
    match unbound(plan) {
        Some(index) => option::leave_by(socket.as_fd(), plan.family, index),
        None => bind_device(socket, plan),
    }
}

/// Binds to the plan's interface.
///
/// # Errors
/// `SO_BINDTODEVICE`: ENODEV if there is no such interface.
pub fn bind_device(socket: &Socket, plan: &LanePlan) -> Result<(), OpenFailure> {
    let Some(name) = plan.interface.as_deref() else {
        return Ok(());
    };
    if !interface::is_name(name) {
        return Err(("SO_BINDTODEVICE", OsError::ENODEV));
    }
    socket.bind_device(Some(name.as_bytes())).map_err(|error| ("SO_BINDTODEVICE", error.into()))
}

/// Binds to the plan's source address, if it has one.
///
/// # Errors
/// As [`bind`].
pub fn bind_source(socket: &Socket, plan: &LanePlan) -> Result<(), OpenFailure> {
    if plan.source.is_some() { bind(socket, plan, plan.source, None) } else { Ok(()) }
}

/// Binds to `source`, or to no address, and to `port`, or to one that the kernel chooses.
///
/// # Errors
/// `bind`: EADDRNOTAVAIL, EADDRINUSE, EACCES …
pub fn bind(socket: &Socket, plan: &LanePlan, source: Option<IpAddr>, port: Option<Port>) -> Result<(), OpenFailure> {
    let address = source.unwrap_or(plan.family.pick(Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()));
    // A link-local address only means something on its interface (RFC 4007 §6); others keep none.
    let zone = match (address, plan.interface.as_deref()) {
        (IpAddr::V6(v6), Some(name)) if v6.is_unicast_link_local() => interface::index_of(name),
        _ => None,
    };
    let endpoint = SocketAddr::from(IpEndpoint { address, zone, port });
    socket.bind(&endpoint.into()).map_err(|error| ("bind", error.into()))
}

/// The port, or the ICMP identifier, that a socket is bound to.
///
/// # Errors
/// `getsockname`.
pub fn local_port(socket: &Socket) -> Result<u16, OpenFailure> {
    let address = socket.local_addr().map_err(|error| ("getsockname", OsError::from(error)))?;
    address.as_socket().map(|address| address.port()).ok_or(("getsockname", OsError::EAFNOSUPPORT))
}
