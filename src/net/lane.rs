//! A lane: the sockets one [`LanePlan`] asks for, opened and configured: [`Lane::open`].

use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use socket2::{Domain, Socket, Type};

use super::ident::{self, Reservation};
use super::listen::{self, SocketFile};
use super::raw;
use super::send::Gap;
use super::stamp::Departures;
use super::sys::filter;
use super::sys::message::{self, Buffers, Queue};
use super::sys::option::{self, *};
use super::{connect, limit, route};
use crate::channel::{
    Attempt, ErrorPath, Header, LaneHeader, LaneId, LaneIdent, LanePlan, LaneRefused, Layer, OsError, Owner, Profile,
    Protocol, SendStamps, SocketChoice, SocketKind,
};
use crate::types::{Endpoint, Family, Ident, Ttl};

/// Room for the replies to a burst of about a thousand probes, each of which the kernel counts with its own book-keeping.
const RECEIVE_BUFFER_OCTETS: i32 = 1 << 20;
/// Packets that came between socket(2) and the filter; more than this are a flood that goes on behind the filter, too.
const MAX_UNFILTERED: usize = 10_000;

/// The sockets of one plan.
#[derive(Debug)]
pub struct Lane {
    /// Its number.
    pub id: LaneId,
    /// The file of a local listener. It goes before the socket, which keeps its number from being given to another file.
    pub(super) _file: Option<SocketFile>,
    /// What is special about its sockets.
    pub profile: Profile,
    /// What it was opened for.
    pub plan: LanePlan,
    /// One per flow.
    pub sockets: Vec<LaneSocket>,
    /// Keeps a raw lane's identifier ours.
    pub(super) _ident: Option<Reservation>,
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
    /// How far apart packets leave that are sent in one call.
    pub gap: Gap,
    /// The TTL of its packets with headers of our own of which nobody says it.
    pub usual_ttl: Ttl,
}

impl LaneSocket {
    /// A socket that has dropped so many already.
    pub fn new(socket: Socket, drops: u32, departures: Departures) -> LaneSocket {
        LaneSocket { socket, drops, departures, gap: Gap::default(), usual_ttl: raw::USUAL_TTL }
    }
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
                (Protocol::Udp | Protocol::Tcp, SocketKind::Raw) if plan.own_headers => raw::open(id, plan),
                (Protocol::Unix, SocketKind::Dgram) => open_local_dgram(id, plan),
                (Protocol::Tcp | Protocol::Unix, SocketKind::Stream) => open_stream(id, plan),
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

impl Lane {
    /// Whether others connect to it.
    pub fn accepts(&self) -> bool {
        self.profile.socket == SocketKind::Stream && self.plan.listen.is_some()
    }
}

impl Lane {
    /// Whether nothing ever comes to the error queues of its sockets.
    pub fn has_one_queue(&self) -> bool {
        self.profile.errors == ErrorPath::InBand && self.profile.send_stamps == SendStamps::None
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
        (Protocol::Icmp, SocketChoice::Auto) => &[SocketKind::Raw, SocketKind::Dgram],
        (Protocol::Udp, SocketChoice::Auto) if plan.own_headers => &[SocketKind::Raw, SocketKind::Dgram],
        (Protocol::Udp, SocketChoice::Auto) | (_, SocketChoice::Dgram) => &[SocketKind::Dgram],
        (_, SocketChoice::Raw) => &[SocketKind::Raw],
        (Protocol::Tcp | Protocol::Unix, SocketChoice::Auto) => &[SocketKind::Stream],
    }
}

/// Whether this type of socket is what we may not have; another type would meet every other failure again.
fn may_fall_back(attempt: &Attempt) -> bool {
    attempt.call == "socket"
        && matches!(attempt.error, OsError::EPERM | OsError::EACCES | OsError::EAFNOSUPPORT | OsError::EPROTONOSUPPORT)
}

fn open_raw(id: LaneId, plan: &LanePlan) -> Result<Lane, Failure> {
    let plan = &LanePlan { own_headers: plan.own_headers || raw::is_in_haste(plan), ..plan.clone() };
    let socket = new_socket(plan, Type::RAW)?;
    let reservation = plan.ident.map_or_else(|| ident::reserve(plan.family), ident::given);
    option::filter_icmp_types(socket.as_fd(), plan.family)?;
    socket
        .attach_filter(&filter::answers_to(plan.family, reservation.ident))
        .map_err(|error| ("SO_ATTACH_FILTER", error.into()))?;
    drain(&socket);
    // What was dropped until here was not ours either.
    let drops = option::drops_so_far(socket.as_fd());
    let departures = Departures::start(socket.as_fd(), plan.send_stamps);
    configure(socket.as_fd(), plan, SocketKind::Raw)?;
    if plan.family == Family::V6 {
        tell_headers(socket.as_fd(), plan.family)?;
    }
    raw::include_header(&socket, plan)?;
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
        header: LaneHeader::of(plan),
    };
    let usual_ttl = raw::usual_ttl(&socket);
    let sockets = vec![LaneSocket { usual_ttl, ..LaneSocket::new(socket, drops, departures) }];
    Ok(Lane { id, profile, plan: plan.clone(), _file: None, sockets, _ident: Some(reservation) })
}

fn open_dgram(id: LaneId, plan: &LanePlan) -> Result<Lane, Failure> {
    let flows = if plan.listen.is_some() { 1 } else { plan.flows.max(1) };
    let mut sockets = Vec::with_capacity(flows.into());
    for flow in 0..flows {
        let port = match (plan.protocol, plan.source_port) {
            (Protocol::Udp, Some(first)) => first.get().checked_add(flow).ok_or(("bind", OsError::EADDRNOTAVAIL))?,
            // The kernel chooses; an explicit ICMP identifier could be shared with another process.
            _ => 0,
        };
        let socket = new_socket(plan, Type::DGRAM)?;
        configure(socket.as_fd(), plan, SocketKind::Dgram)?;
        tell_headers(socket.as_fd(), plan.family)?;
        route::bind_device(&socket, plan)?;
        match &plan.listen {
            Some(at) => listen::bind_datagrams(&socket, plan, at)?,
            None => {
                report_errors(socket.as_fd(), plan.family)?;
                route::bind(&socket, plan, port)?;
            }
        }
        listen::join_groups(&socket, plan)?;
        let departures =
            Departures::start(socket.as_fd(), if plan.listen.is_some() { SendStamps::None } else { plan.send_stamps });
        sockets.push(LaneSocket::new(socket, 0, departures));
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
        header: LaneHeader::of(plan),
    };
    Ok(Lane { id, profile, plan: plan.clone(), _file: None, sockets, _ident: None })
}

/// A local datagram socket: at the path where it listens, else at an abstract name that the kernel chooses, so that it can be
/// answered.
fn open_local_dgram(id: LaneId, plan: &LanePlan) -> Result<Lane, Failure> {
    let socket = new_socket(plan, Type::DGRAM)?;
    configure_local(&socket, plan)?;
    let file = match &plan.listen {
        Some(at) => listen::bind_local(&socket, at, Type::DGRAM)?,
        // unix(7): binding to an address of the family alone is autobind.
        None => listen::bind_local(&socket, &Endpoint::Unix(Path::new("").into()), Type::DGRAM)?,
    };
    let profile = Profile { socket: SocketKind::Dgram, max_open: 1, ..stream_profile(plan, 0) };
    let sockets = vec![LaneSocket::new(socket, 0, Departures::none())];
    Ok(Lane { id, profile, plan: plan.clone(), _file: file, sockets, _ident: None })
}

/// Connections get their sockets when they are opened or accepted. Without a listener one is opened now, to say what is wrong
/// with the plan.
fn open_stream(id: LaneId, plan: &LanePlan) -> Result<Lane, Failure> {
    let mut lane = Lane {
        id,
        profile: stream_profile(plan, 0),
        plan: plan.clone(),
        _file: None,
        sockets: Vec::new(),
        _ident: None,
    };
    match (&plan.listen, plan.protocol) {
        (Some(at), Protocol::Unix) => {
            let socket = new_socket(plan, Type::STREAM)?;
            configure_local(&socket, plan)?;
            lane._file = listen::bind_local(&socket, at, Type::STREAM)?;
            listen::listen(&socket)?;
            lane.sockets.push(LaneSocket::new(socket, 0, Departures::none()));
        }
        (Some(at), _) => {
            let socket = listen::tcp_listener(plan, at)?;
            lane.profile = stream_profile(plan, local_port(&socket)?);
            lane.sockets.push(LaneSocket::new(socket, 0, Departures::none()));
        }
        (None, Protocol::Tcp) => drop(connect::tcp_socket(plan, &Header::default(), 0)?),
        (None, _) => {}
    }
    Ok(lane)
}

fn stream_profile(plan: &LanePlan, port: u16) -> Profile {
    Profile {
        family: plan.family,
        protocol: plan.protocol,
        socket: SocketKind::Stream,
        received_at: Layer::Payload,
        quote_at: Layer::Transport,
        ident: LaneIdent { ident: Ident::new(port), owner: Owner::Kernel, exclusive: true },
        checksum: Owner::Kernel,
        errors: ErrorPath::Queue,
        max_open: limit::max_open(),
        send_stamps: SendStamps::None,
        header: LaneHeader::of(plan),
    }
}

/// A non-blocking socket of the plan's family and protocol.
///
/// # Errors
/// `socket`: EPERM, EMFILE …
pub fn new_socket(plan: &LanePlan, kind: Type) -> Result<Socket, Failure> {
    let of_family = |v4, v6| if plan.family == Family::V4 { v4 } else { v6 };
    let (v4, v6, unix) = (Domain::IPV4, Domain::IPV6, Domain::UNIX);
    let (domain, protocol) = match (plan.protocol, plan.family) {
        (Protocol::Icmp, Family::V4) => (v4, Some(socket2::Protocol::ICMPV4)),
        (Protocol::Icmp, Family::V6) => (v6, Some(socket2::Protocol::ICMPV6)),
        (Protocol::Udp, _) => (of_family(v4, v6), Some(socket2::Protocol::UDP)),
        (Protocol::Tcp, _) => (of_family(v4, v6), Some(socket2::Protocol::TCP)),
        (Protocol::Unix, _) => (unix, None),
    };
    Socket::new_raw(domain, kind.nonblocking().cloexec(), protocol).map_err(|error| ("socket", error.into()))
}

/// Sets everything but interface and address.
pub fn configure(socket: BorrowedFd<'_>, plan: &LanePlan, kind: SocketKind) -> Result<(), Failure> {
    let of_family = |v4, v6| if plan.family == Family::V4 { v4 } else { v6 };
    let hops = plan.ttl.map(|ttl| i32::from(ttl.get()));
    let settings = [
        (SO_BROADCAST, (plan.family == Family::V4).then_some(i32::from(plan.broadcast))),
        (IPV6_V6ONLY, (plan.family == Family::V6 && plan.protocol == Protocol::Udp).then_some(1)),
        (IPV6_FLOWINFO_SEND, (plan.family == Family::V6).then_some(1)),
        (of_family(IP_TTL, IPV6_UNICAST_HOPS), hops),
        (of_family(IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS), hops),
        (of_family(IP_MULTICAST_LOOP, IPV6_MULTICAST_LOOP), (!plan.multicast_loop).then_some(0)),
        (of_family(IP_TOS, IPV6_TCLASS), plan.tos.map(|tos| i32::from(tos.get()))),
    ];
    option::set_all(socket, &settings)?;
    configure_leaving(socket, plan, kind)?;
    make_room(socket, plan);
    // A comfort that a kernel may lack.
    let _ = SO_RXQ_OVFL.set(socket, 1);
    Ok(())
}

/// Has the fields of a received packet's header told beside it.
///
/// # Errors
/// The option that failed, and how.
pub fn tell_headers(socket: BorrowedFd<'_>, family: Family) -> Result<(), Failure> {
    let options = match family {
        Family::V4 => [IP_RECVTTL, IP_RECVTOS, IP_PKTINFO],
        Family::V6 => [IPV6_RECVHOPLIMIT, IPV6_RECVTCLASS, IPV6_RECVPKTINFO],
    };
    option::set_all(socket, &options.map(|option| (option, Some(1))))
}

/// A receive buffer for what the plan expects to come at once; without a privilege the kernel cuts it to `net.core.rmem_max`.
fn make_room(socket: BorrowedFd<'_>, plan: &LanePlan) {
    let octets = plan.receive_buffer.map_or(RECEIVE_BUFFER_OCTETS, |octets| i32::try_from(octets).unwrap_or(i32::MAX));
    if SO_RCVBUFFORCE.set(socket, octets).is_err() {
        let _ = SO_RCVBUF.set(socket, octets);
    }
}

/// Sets what the plan can say of a local socket.
///
/// # Errors
/// The option that failed, and how.
pub fn configure_local(socket: &Socket, plan: &LanePlan) -> Result<(), Failure> {
    let octets = plan.send_buffer.map(|octets| i32::try_from(octets).unwrap_or(i32::MAX));
    option::set_all(socket.as_fd(), &[(SO_SNDBUF, octets)])
}

/// Sets what the plan says about the way packets leave, which no order says otherwise.
///
/// # Errors
/// The option that failed, and how.
pub fn configure_leaving(socket: BorrowedFd<'_>, plan: &LanePlan, kind: SocketKind) -> Result<(), Failure> {
    let of_family = |v4, v6| if plan.family == Family::V4 { v4 } else { v6 };
    let discover = plan.fragmentation.map(|fragmentation| option::mtu_discover(fragmentation, kind));
    let settings = [
        (of_family(IP_MTU_DISCOVER, IPV6_MTU_DISCOVER), discover),
        // The kernel doubles the figure for its own book-keeping.
        (SO_SNDBUF, plan.send_buffer.map(|octets| i32::try_from(octets).unwrap_or(i32::MAX))),
        (SO_DONTROUTE, plan.dont_route.then_some(1)),
        // A mark is 32 bits of whatever sign.
        (SO_MARK, plan.mark.map(u32::cast_signed)),
    ];
    option::set_all(socket, &settings)
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
pub fn drain(socket: &Socket) {
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
