//! Sockets that this process was started with: [`describe`] and [`take`].

use std::os::fd::AsFd;

use rustix::net::sockopt::{ipv6_v6only, socket_acceptconn, socket_domain, socket_protocol, socket_type};
use rustix::net::{AddressFamily, SocketType, ipproto};
use socket2::{SockAddr, Socket};

use super::listen;
use super::socket::{self, OpenFailure};
use super::sys::option::{self, *};
use super::sys::process;
use crate::channel::{LanePlan, NotServed, OsError, PassedSocket, Protocol};
use crate::types::{Endpoint, Family};

/// What kind of socket this descriptor is. It stays as it is.
///
/// # Errors
/// If it is not one that listens.
pub fn describe(descriptor: i32) -> Result<PassedSocket, NotServed> {
    let unknown = |error: OsError| NotServed::Unknown(error);
    let asked = |error: rustix::io::Errno| NotServed::Unknown(OsError::from_code(error.raw_os_error()));
    let socket = Socket::from(process::copy_of(descriptor).map_err(unknown)?);
    let domain = socket_domain(&socket).map_err(asked)?;
    let datagrams = match socket_type(&socket).map_err(asked)? {
        SocketType::STREAM => false,
        SocketType::DGRAM => true,
        _ => return Err(NotServed::OtherKind),
    };
    let transport = socket_protocol(&socket).map_err(asked)?;
    let protocol = match (domain, datagrams) {
        (AddressFamily::UNIX, _) => Protocol::Unix,
        (AddressFamily::INET | AddressFamily::INET6, false) if transport == Some(ipproto::TCP) => Protocol::Tcp,
        (AddressFamily::INET | AddressFamily::INET6, true) if transport == Some(ipproto::UDP) => Protocol::Udp,
        _ => return Err(NotServed::OtherKind),
    };
    let at = socket.local_addr().map_err(|error| unknown(error.into()))?;
    let listens = if datagrams { socket.peer_addr().is_err() } else { socket_acceptconn(&socket).map_err(asked)? };
    let at = endpoint(&at).filter(|_| listens).ok_or(NotServed::NotListening)?;
    let unspecified = at.ip().is_some_and(|at| at.address.is_unspecified());
    let both_families = domain == AddressFamily::INET6 && unspecified && !ipv6_v6only(&socket).map_err(asked)?;
    Ok(PassedSocket { descriptor, protocol, datagrams, at, both_families })
}

/// Where a socket is bound; `None` if it is not.
fn endpoint(at: &SockAddr) -> Option<Endpoint> {
    if let Some(at) = at.as_socket() {
        return (at.port() != 0).then(|| Endpoint::Ip(at.into()));
    }
    listen::path_of(at.as_pathname(), at.as_abstract_namespace()).map(|path| Endpoint::Unix(path.into()))
}

/// The socket of this descriptor, ready to be served as the plan asks. Address and queues stay as they were chosen.
///
/// # Errors
/// The call that failed, and how.
pub fn take(descriptor: i32, plan: &LanePlan) -> Result<Socket, OpenFailure> {
    let socket = Socket::from(process::copy_of(descriptor).map_err(|error| ("fcntl", error))?);
    socket.set_nonblocking(true).map_err(|error| ("ioctl", error.into()))?;
    match plan.protocol {
        Protocol::Tcp => option::set_all(socket.as_fd(), &[(TCP_NODELAY, Some(1))])?,
        Protocol::Udp => {
            option::set_all(socket.as_fd(), &[(SO_BROADCAST, Some(0))])?;
            let _ = SO_RXQ_OVFL.set(socket.as_fd(), 1);
            socket::report_headers(socket.as_fd(), plan.family)?;
            if plan.family == Family::V6 {
                // Of IPv4 clients, if it has any.
                let _ = socket::report_headers(socket.as_fd(), Family::V4);
            }
        }
        Protocol::Icmp | Protocol::Unix => {}
    }
    Ok(socket)
}
