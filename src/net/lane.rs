//! A lane: the sockets one [`LanePlan`] asks for, opened and configured: [`Lane::open`].

use std::os::fd::{AsFd, BorrowedFd};

use socket2::{Domain, Socket, Type};

use super::ident::{self, Reservation};
use super::route;
use super::stamp::Departures;
use super::sys::filter;
use super::sys::message::{self, Buffers, Queue};
use super::sys::option::{self, *};
use crate::channel::{
    Attempt, ErrorPath, LaneId, LaneIdent, LanePlan, LaneRefused, Layer, OsError, Owner, Profile, Protocol, SendStamps,
    SocketKind, SocketWish,
};
use crate::types::{Family, Ident};

/// Room for the replies to a burst of some thousand probes; the kernel cuts it to `net.core.rmem_max`.
const RECEIVE_BUFFER_OCTETS: i32 = 1 << 20;
/// Packets that came between socket(2) and the filter; more than this are a flood that goes on behind the filter, too.
const MAX_UNFILTERED: usize = 10_000;

/// The sockets of one plan.
#[derive(Debug)]
pub struct Lane {
    /// Its number.
    pub id: LaneId,
    /// What is special about its sockets.
    pub profile: Profile,
    /// What it was opened for.
    pub plan: LanePlan,
    /// One per flow.
    pub sockets: Vec<LaneSocket>,
    /// Keeps a raw lane's identifier ours.
    _ident: Option<Reservation>,
}

/// One socket of a lane.
#[derive(Debug)]
pub struct LaneSocket {
    /// The socket.
    pub socket: Socket,
    /// What the kernel last said it had dropped in all; wraps.
    pub drops: u32,
    /// Its packets whose stamps may still come.
    pub departures: Departures,
}

/// The call that failed, and how.
pub type Failure = (&'static str, OsError);

impl Lane {
    /// Opens what `plan` asks for, with the first type of socket it allows and the kernel permits.
    ///
    /// # Errors
    /// Every attempt, in order.
    pub fn open(id: LaneId, plan: &LanePlan) -> Result<Lane, LaneRefused> {
        let mut attempts = Vec::new();
        for &kind in kinds(plan) {
            let opened = match (plan.protocol, kind) {
                (Protocol::Icmp, SocketKind::Raw) => open_raw(id, plan),
                (Protocol::Icmp | Protocol::Udp, SocketKind::Dgram) => open_dgram(id, plan),
                _ => Err(("socket", OsError::EOPNOTSUPP)),
            };
            match opened {
                Ok(lane) => return Ok(lane),
                Err((call, error)) => attempts.push(Attempt { socket: kind, call, error }),
            }
            if !attempts.last().is_some_and(may_fall_back) {
                break;
            }
        }
        Err(LaneRefused { family: plan.family, protocol: plan.protocol, attempts })
    }
}

impl AsFd for LaneSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// The socket types to try, in order; never empty.
fn kinds(plan: &LanePlan) -> &'static [SocketKind] {
    match (plan.protocol, plan.socket) {
        (Protocol::Icmp, SocketWish::Auto) => &[SocketKind::Raw, SocketKind::Dgram],
        (Protocol::Udp, SocketWish::Auto) | (_, SocketWish::Dgram) => &[SocketKind::Dgram],
        (_, SocketWish::Raw) => &[SocketKind::Raw],
        (Protocol::Tcp | Protocol::Unix, SocketWish::Auto) => &[SocketKind::Stream],
    }
}

/// Whether this type of socket is what we may not have; another type would meet every other failure again.
fn may_fall_back(attempt: &Attempt) -> bool {
    attempt.call == "socket"
        && matches!(attempt.error, OsError::EPERM | OsError::EACCES | OsError::EAFNOSUPPORT | OsError::EPROTONOSUPPORT)
}

fn open_raw(id: LaneId, plan: &LanePlan) -> Result<Lane, Failure> {
    let socket = new_socket(plan, Type::RAW)?;
    let reservation = plan.ident.map_or_else(|| ident::reserve(plan.family), ident::given);
    option::filter_icmp_types(socket.as_fd(), plan.family)?;
    socket
        .attach_filter(&filter::echo_replies_with(plan.family, reservation.ident))
        .map_err(|error| ("SO_ATTACH_FILTER", error.into()))?;
    drain(&socket);
    let departures = Departures::start(socket.as_fd(), plan.send_stamps);
    configure(socket.as_fd(), plan)?;
    route::bind_device(&socket, plan)?;
    if plan.source.is_some() {
        route::bind(&socket, plan, 0)?;
    }
    let (received_at, checksum) = match plan.family {
        Family::V4 => (Layer::Ip, Owner::Ours),
        // RFC 3542 §3.1: the kernel computes the checksum of ICMPv6 raw sockets.
        Family::V6 => (Layer::Transport, Owner::Kernel),
    };
    let profile = Profile {
        family: plan.family,
        protocol: plan.protocol,
        socket: SocketKind::Raw,
        received_at,
        quote_at: Layer::Transport,
        ident: LaneIdent { ident: reservation.ident, owner: Owner::Ours, exclusive: reservation.is_exclusive() },
        checksum,
        errors: ErrorPath::InBand,
        max_open: 1,
        send_stamps: departures.wish(),
    };
    let sockets = vec![LaneSocket { socket, drops: 0, departures }];
    Ok(Lane { id, profile, plan: plan.clone(), sockets, _ident: Some(reservation) })
}

fn open_dgram(id: LaneId, plan: &LanePlan) -> Result<Lane, Failure> {
    let flows = plan.flows.max(1);
    let mut sockets = Vec::with_capacity(flows.into());
    for flow in 0..flows {
        let port = match (plan.protocol, plan.source_port) {
            (Protocol::Udp, Some(first)) => first.get().checked_add(flow).ok_or(("bind", OsError::EADDRNOTAVAIL))?,
            // The kernel chooses; an explicit ICMP identifier could be shared with another process.
            _ => 0,
        };
        let socket = new_socket(plan, Type::DGRAM)?;
        configure(socket.as_fd(), plan)?;
        report_errors(socket.as_fd(), plan.family)?;
        route::bind_device(&socket, plan)?;
        route::bind(&socket, plan, port)?;
        let departures = Departures::start(socket.as_fd(), plan.send_stamps);
        sockets.push(LaneSocket { socket, drops: 0, departures });
    }
    let ident = sockets.first().map_or(Ok(0), |first| local_port(&first.socket))?;
    let start = match plan.protocol {
        Protocol::Icmp => Layer::Transport,
        _ => Layer::Payload,
    };
    let profile = Profile {
        family: plan.family,
        protocol: plan.protocol,
        socket: SocketKind::Dgram,
        received_at: start,
        quote_at: start,
        ident: LaneIdent { ident: Ident::new(ident), owner: Owner::Kernel, exclusive: true },
        checksum: Owner::Kernel,
        errors: ErrorPath::Queue,
        max_open: flows.into(),
        send_stamps: sockets.first().map_or_else(SendStamps::default, |first| first.departures.wish()),
    };
    Ok(Lane { id, profile, plan: plan.clone(), sockets, _ident: None })
}

fn new_socket(plan: &LanePlan, kind: Type) -> Result<Socket, Failure> {
    let (domain, icmp) = match plan.family {
        Family::V4 => (Domain::IPV4, socket2::Protocol::ICMPV4),
        Family::V6 => (Domain::IPV6, socket2::Protocol::ICMPV6),
    };
    let protocol = if plan.protocol == Protocol::Icmp { icmp } else { socket2::Protocol::UDP };
    Socket::new_raw(domain, kind.nonblocking().cloexec(), Some(protocol)).map_err(|error| ("socket", error.into()))
}

/// Sets everything but interface and address.
fn configure(socket: BorrowedFd<'_>, plan: &LanePlan) -> Result<(), Failure> {
    let of_family = |v4, v6| if plan.family == Family::V4 { v4 } else { v6 };
    let hops = plan.ttl.map(|ttl| i32::from(ttl.get()));
    let settings = [
        (SO_BROADCAST, (plan.family == Family::V4).then_some(1)),
        (IPV6_V6ONLY, (plan.family == Family::V6 && plan.protocol == Protocol::Udp).then_some(1)),
        (IPV6_FLOWINFO_SEND, (plan.family == Family::V6).then_some(1)),
        (of_family(IP_RECVTTL, IPV6_RECVHOPLIMIT), Some(1)),
        (of_family(IP_RECVTOS, IPV6_RECVTCLASS), Some(1)),
        (of_family(IP_PKTINFO, IPV6_RECVPKTINFO), Some(1)),
        (of_family(IP_TTL, IPV6_UNICAST_HOPS), hops),
        (of_family(IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS), hops),
        (of_family(IP_MULTICAST_LOOP, IPV6_MULTICAST_LOOP), (!plan.multicast_loop).then_some(0)),
        (of_family(IP_TOS, IPV6_TCLASS), plan.tos.map(|tos| i32::from(tos.get()))),
        (of_family(IP_MTU_DISCOVER, IPV6_MTU_DISCOVER), plan.fragmentation.map(option::mtu_discover)),
        // The kernel doubles the figure for its own book-keeping.
        (SO_SNDBUF, plan.send_buffer.map(|octets| i32::try_from(octets).unwrap_or(i32::MAX))),
        (SO_DONTROUTE, plan.dont_route.then_some(1)),
        // A mark is 32 bits of whatever sign.
        (SO_MARK, plan.mark.map(u32::cast_signed)),
    ];
    for (option, value) in settings {
        if let Some(value) = value {
            option.set(socket, value).map_err(|error| (option.call, error))?;
        }
    }
    // Comforts that a kernel may lack.
    let _ = SO_RCVBUF.set(socket, RECEIVE_BUFFER_OCTETS);
    let _ = SO_RXQ_OVFL.set(socket, 1);
    Ok(())
}

/// Has ICMP errors delivered to the error queue, with their extensions where the kernel (5.9) can tell these apart.
pub fn report_errors(socket: BorrowedFd<'_>, family: Family) -> Result<(), Failure> {
    let (errors, extensions) = match family {
        Family::V4 => (IP_RECVERR, IP_RECVERR_RFC4884),
        Family::V6 => (IPV6_RECVERR, IPV6_RECVERR_RFC4884),
    };
    errors.set(socket, 1).map_err(|error| (errors.call, error))?;
    let _ = extensions.set(socket, 1);
    Ok(())
}

/// Takes away what came before the filter: nothing was sent yet, so nothing of it is ours.
fn drain(socket: &Socket) {
    let mut buffers = Buffers::default();
    for _ in 0..MAX_UNFILTERED {
        if message::receive(socket.as_fd(), Queue::Datagrams, &mut buffers).is_err() {
            return;
        }
    }
}

fn local_port(socket: &Socket) -> Result<u16, Failure> {
    let address = socket.local_addr().map_err(|error| ("getsockname", OsError::from(error)))?;
    address.as_socket().map(|address| address.port()).ok_or(("getsockname", OsError::EAFNOSUPPORT))
}
