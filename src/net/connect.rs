//! The beginning of a connection: a socket of its own, with the options of its lane and its order: [`begin`].

use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::AsFd;

use socket2::{SockAddr, Socket, Type};

use super::socket::{self, OpenFailure};
use super::sys::message::Queue;
use super::sys::option::{self, *};
use super::{clock, header};
use crate::channel::{Header, LanePlan, Open, OsError, Protocol, SocketKind};
use crate::types::{Endpoint, Family, FlowLabel, IpEndpoint, Stamp, Ttl};

/// An attempt that has begun.
#[derive(Debug)]
pub struct Begun {
    /// Its socket, not yet watched by the poller.
    pub socket: Socket,
    /// Taken right before connect(2).
    pub stamp: Stamp,
    /// Our end, for internet connections.
    pub local: Option<IpEndpoint>,
    /// How far connect(2) came.
    pub progress: Progress,
}

/// The result of connect(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The handshake goes on without us.
    Opening,
    /// It is open (local sockets).
    Open,
    /// There is no listener (local sockets); for TCP the peer reports that.
    Refused,
}

/// Begins to open the connection to `to` of an order to a lane with this plan, on a `spare` socket that was made for equal orders if
/// there is one. It remains if the attempt cannot begin.
///
/// # Errors
/// Why it cannot begin: EMFILE, EADDRNOTAVAIL, ENETUNREACH, EACCES …; ENOENT and EAGAIN (its queue is full) of a local socket.
pub fn begin(plan: &LanePlan, open: &Open, to: &Endpoint, spare: &mut Option<Socket>) -> Result<Begun, OsError> {
    match (plan.protocol, to) {
        (Protocol::Tcp, Endpoint::Ip(to)) => begin_tcp(plan, open, *to, spare),
        (Protocol::Unix, Endpoint::Unix(path)) => {
            let socket = socket::open(plan, Type::STREAM).map_err(|(_, error)| error)?;
            socket::configure_local(&socket, plan).map_err(|(_, error)| error)?;
            let to = SockAddr::unix(path)?;
            let stamp = Stamp::user(clock::now());
            let progress = match connect(&socket, &to) {
                Ok(progress) => progress,
                Err(OsError::ECONNREFUSED) => Progress::Refused,
                Err(error) => return Err(error),
            };
            Ok(Begun { socket, stamp, local: None, progress })
        }
        _ => Err(OsError::EOPNOTSUPP),
    }
}

/// A TCP socket ready to connect; errors show that the lane cannot be opened.
///
/// # Errors
/// The call that failed, and how.
pub fn tcp_socket(plan: &LanePlan, header: &Header) -> Result<Socket, OpenFailure> {
    // A mark needs a privilege that is dropped before the sockets of connections are made.
    if plan.mark.is_some() {
        return Err((SO_MARK.call, OsError::EOPNOTSUPP));
    }
    let socket = socket::open(plan, Type::STREAM)?;
    configure(&socket, plan, header)?;
    socket::report_errors(socket.as_fd(), plan.family)?;
    socket::bind_device(&socket, plan)?;
    let source = header.from.or(plan.source);
    if plan.source_port.is_some() {
        // A port whose last connection is in TIME-WAIT may serve another peer.
        socket.set_reuse_address(true).map_err(|error| ("SO_REUSEADDR", error.into()))?;
    } else if source.is_some() {
        // Only connect(2) knows the peer, and with it which of our ports are free.
        IP_BIND_ADDRESS_NO_PORT.set(socket.as_fd(), 1).map_err(|error| (IP_BIND_ADDRESS_NO_PORT.call, error))?;
    }
    if plan.source_port.is_some() || source.is_some() {
        socket::bind(&socket, plan, source, plan.source_port)?;
    }
    Ok(socket)
}

/// Makes a bound socket, whatever its last connection was, as good as new.
fn refit(socket: &Socket, plan: &LanePlan, header: &Header) -> Result<(), OpenFailure> {
    configure(socket, plan, header)?;
    socket::report_errors(socket.as_fd(), plan.family)?;
    socket::drain(socket, Queue::Errors);
    Ok(())
}

fn begin_tcp(plan: &LanePlan, open: &Open, to: IpEndpoint, spare: &mut Option<Socket>) -> Result<Begun, OsError> {
    let header = &open.header;
    if to.family() != plan.family {
        return Err(OsError::EAFNOSUPPORT);
    }
    if header.ttl == Some(Ttl::new(0)) || header.from.is_some_and(|from| Family::of(from) != plan.family) {
        return Err(OsError::EINVAL);
    }
    let mut made = None;
    let socket = match &*spare {
        Some(spare) => spare,
        None => &*made.insert(tcp_socket(plan, header).map_err(|(_, error)| error)?),
    };
    if spare.is_some() && plan.source_port.is_some() {
        refit(socket, plan, header).map_err(|(_, error)| error)?;
    }
    let flow_label = header.flow_label.or(plan.header.flow_label);
    let name = name(to, flow_label);
    let mut stamp = Stamp::user(clock::now());
    let mut begun = connect(socket, &name);
    if let (Err(OsError::EINVAL), Some(label)) = (begun, flow_label) {
        // A process on this host holds a label exclusively, so that every label needs a lease.
        option::lease_flow_label(socket.as_fd(), label, to.address)?;
        stamp = Stamp::user(clock::now());
        begun = connect(socket, &name);
    }
    let progress = begun?;
    let local = socket.local_addr()?.as_socket().map(IpEndpoint::from);
    let socket = spare.take().or(made).ok_or(OsError::EINVAL)?;
    Ok(Begun { socket, stamp, local, progress })
}

fn connect(socket: &Socket, to: &SockAddr) -> Result<Progress, OsError> {
    match socket.connect(to).map_err(OsError::from) {
        Ok(()) => Ok(Progress::Open),
        Err(OsError::EINPROGRESS) => Ok(Progress::Opening),
        Err(error) => Err(error),
    }
}

fn name(to: IpEndpoint, flow_label: Option<FlowLabel>) -> SockAddr {
    match SocketAddr::from(to) {
        SocketAddr::V4(v4) => SocketAddrV4::into(v4),
        // sin6_flowinfo is in network byte order, and passed on as it is.
        SocketAddr::V6(v6) => {
            SocketAddrV6::new(*v6.ip(), v6.port(), flow_label.map_or(0, FlowLabel::get).to_be(), v6.scope_id()).into()
        }
    }
}

fn configure(socket: &Socket, plan: &LanePlan, header: &Header) -> Result<(), OpenFailure> {
    let family = plan.family;
    let settings = [
        (TCP_SYNCNT, Some(plan.syn_retransmissions().cast_signed())),
        (TCP_NODELAY, Some(1)),
        // Of ICMP errors.
        (family.pick(IP_RECVTTL, IPV6_RECVHOPLIMIT), Some(1)),
        (family.pick(IP_RECVTOS, IPV6_RECVTCLASS), Some(1)),
        (IPV6_FLOWINFO_SEND, header.flow_label.or(plan.header.flow_label).filter(|_| family == Family::V6).map(|_| 1)),
        (SO_BINDTOIFINDEX, header.ifindex.filter(|_| plan.interface.is_none()).map(|index| index.get().cast_signed())),
    ];
    option::set_all(socket.as_fd(), &settings)?;
    option::set_all(
        socket.as_fd(),
        &header::options(family, header.ttl.or(plan.header.ttl), header.tos.or(plan.header.tos)),
    )?;
    socket::configure_sending(socket.as_fd(), plan, SocketKind::Stream)
}
