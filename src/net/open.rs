//! Opening a lane: [`open`].

use std::os::fd::AsFd;
use std::path::Path;

use socket2::{Socket, Type};

use super::ident;
use super::lane::{self, Lane, LaneSocket};
use super::listen::SocketFile;
use super::socket::{self, OpenFailure};
use super::stamp::Departures;
use super::sys::message::Queue;
use super::sys::{filter, option};
use super::{connect, header, limit, listen, passed, privilege, raw};
use crate::channel::{
    Attempt, ErrorPath, Header, LaneId, LaneIdent, LanePlan, LaneRefused, Layer, OsError, Owner, Profile, Protocol,
    SendStamps, SocketChoice, SocketKind,
};
use crate::types::Endpoint;

/// Opens what `plan` asks for, with the first socket type that it allows and the kernel permits.
///
/// # Errors
/// Every attempt, in order.
pub fn open(id: LaneId, plan: &LanePlan) -> Result<Lane, LaneRefused> {
    let mut attempts = Vec::new();
    for &kind in kinds(plan) {
        let opened = match (plan.protocol, kind) {
            _ if plan.mark.is_some() && !privilege::may_mark() => Err(("SO_MARK", OsError::EPERM)),
            (Protocol::Icmp, SocketKind::Raw) => open_raw(id, plan),
            (Protocol::Icmp | Protocol::Udp, SocketKind::Dgram) => open_dgram(id, plan),
            (Protocol::Udp | Protocol::Tcp, SocketKind::Raw) if plan.own_headers => raw::open(id, plan),
            (Protocol::Unix, SocketKind::Dgram) => open_local_dgram(id, plan),
            (Protocol::Tcp | Protocol::Unix, SocketKind::Stream) => open_stream(id, plan),
            _ => Err(("socket", OsError::EOPNOTSUPP)),
        };
        match opened {
            Ok(lane) => return Ok(lane),
            Err((call, error)) => attempts.push(Attempt { socket: kind, call: call.into(), error }),
        }
        if !attempts.last().is_some_and(may_fall_back) {
            break;
        }
    }
    Err(LaneRefused { family: plan.family, protocol: plan.protocol, attempts })
}

/// The socket types to try, in order; never empty.
fn kinds(plan: &LanePlan) -> &'static [SocketKind] {
    match (plan.protocol, plan.socket) {
        (Protocol::Icmp, SocketChoice::Auto) => &[SocketKind::Raw, SocketKind::Dgram],
        (Protocol::Udp, SocketChoice::Auto) if plan.own_headers => &[SocketKind::Raw, SocketKind::Dgram],
        (Protocol::Tcp, SocketChoice::Auto) if plan.own_headers => &[SocketKind::Raw, SocketKind::Stream],
        (Protocol::Udp, SocketChoice::Auto) | (_, SocketChoice::Dgram) => &[SocketKind::Dgram],
        (_, SocketChoice::Raw) => &[SocketKind::Raw],
        (Protocol::Tcp | Protocol::Unix, SocketChoice::Auto) => &[SocketKind::Stream],
    }
}

/// Whether the failure is about this type of socket alone; any other failure would recur with another type.
fn may_fall_back(attempt: &Attempt) -> bool {
    attempt.call == "socket"
        && matches!(attempt.error, OsError::EPERM | OsError::EACCES | OsError::EAFNOSUPPORT | OsError::EPROTONOSUPPORT)
}

fn open_raw(id: LaneId, plan: &LanePlan) -> Result<Lane, OpenFailure> {
    let plan = &LanePlan { own_headers: plan.own_headers || header::saves_time(plan), ..plan.clone() };
    let socket = socket::open(plan, Type::RAW)?;
    let reservation = plan.ident.map_or_else(|| ident::reserve(plan.family), ident::given);
    option::filter_icmp_types(socket.as_fd(), plan.family, plan.protocol)?;
    socket
        .attach_filter(&filter::answers_to(plan.family, reservation.ident))
        .map_err(|error| ("SO_ATTACH_FILTER", error.into()))?;
    socket::drain(&socket, Queue::Datagrams);
    // Drops so far were not answers either.
    let drops = option::drops_so_far(socket.as_fd());
    let departures = Departures::start(socket.as_fd(), plan.send_stamps);
    socket::configure(socket.as_fd(), plan, SocketKind::Raw)?;
    socket::report_missing_headers(socket.as_fd(), plan)?;
    header::include(&socket, plan)?;
    socket::leave_by_interface(&socket, plan)?;
    socket::bind_source(&socket, plan)?;
    let profile = Profile {
        socket: SocketKind::Raw,
        received_at: plan.family.pick(Layer::Ip, Layer::Transport),
        ident: LaneIdent { ident: reservation.ident, owner: Owner::Ours, exclusive: reservation.is_exclusive() },
        // RFC 3542 §3.1: the kernel computes the checksum of ICMPv6 raw sockets.
        checksum: plan.family.pick(Owner::Ours, Owner::Kernel),
        errors: ErrorPath::InBand,
        send_stamps: departures.stamps(),
        ..lane::profile(plan, 1)
    };
    let usual_ttl = header::usual_ttl(&socket);
    let sockets = vec![LaneSocket { usual_ttl, ..LaneSocket::new(socket, drops, departures) }];
    Ok(Lane { _ident: Some(reservation), ..Lane::new(id, plan, profile, sockets) })
}

fn open_dgram(id: LaneId, plan: &LanePlan) -> Result<Lane, OpenFailure> {
    let flows = if plan.listen.is_some() { 1 } else { plan.flow_count() };
    let mut sockets = Vec::with_capacity(flows.into());
    for flow in 0..flows {
        let socket = match plan.passed {
            Some(descriptor) => passed::take(descriptor, plan)?,
            None => datagram_socket(plan, flow)?,
        };
        listen::join_groups(&socket, plan)?;
        let departures =
            Departures::start(socket.as_fd(), if plan.listen.is_some() { SendStamps::None } else { plan.send_stamps });
        sockets.push(LaneSocket::new(socket, 0, departures));
    }
    let ident = sockets.first().map_or(Ok(0), |first| socket::local_port(&first.socket))?;
    let start = match plan.protocol {
        Protocol::Icmp => Layer::Transport,
        _ => Layer::Payload,
    };
    let profile = Profile {
        socket: SocketKind::Dgram,
        received_at: start,
        quote_at: start,
        ident: lane::kernels_ident(ident),
        send_stamps: sockets.first().map_or_else(SendStamps::default, |first| first.departures.stamps()),
        ..lane::profile(plan, flows.into())
    };
    Ok(Lane::new(id, plan, profile, sockets))
}

/// A datagram socket of the internet, bound to where it listens, or to a port of its own.
fn datagram_socket(plan: &LanePlan, flow: u16) -> Result<Socket, OpenFailure> {
    let socket = socket::open(plan, Type::DGRAM)?;
    socket::configure(socket.as_fd(), plan, SocketKind::Dgram)?;
    socket::report_headers(socket.as_fd(), plan.family)?;
    socket::leave_by_interface(&socket, plan)?;
    if let Some(at) = &plan.listen {
        listen::bind_datagrams(&socket, plan, at)?;
        return Ok(socket);
    }
    let port = match (plan.protocol, plan.source_port) {
        (Protocol::Udp, Some(first)) => Some(first.after(flow).ok_or(("bind", OsError::EADDRNOTAVAIL))?),
        // The kernel chooses; an explicit ICMP identifier could be shared with another process.
        _ => None,
    };
    socket::report_errors(socket.as_fd(), plan.family)?;
    socket::bind(&socket, plan, plan.source, port)?;
    Ok(socket)
}

/// A local datagram socket, bound to the path it listens at, or else to an abstract name that the kernel chooses, so that peers
/// can reply.
fn open_local_dgram(id: LaneId, plan: &LanePlan) -> Result<Lane, OpenFailure> {
    // unix(7): binding to an address of the family alone is autobind.
    let unnamed = Endpoint::Unix(Path::new("").into());
    let (socket, file) = local_socket(plan, Type::DGRAM, plan.listen.as_ref().unwrap_or(&unnamed))?;
    let profile = Profile { socket: SocketKind::Dgram, ..lane::profile(plan, 1) };
    let sockets = vec![LaneSocket::new(socket, 0, Departures::none())];
    Ok(Lane { _file: file, ..Lane::new(id, plan, profile, sockets) })
}

/// A bound local socket and its file, if it is ours.
fn local_socket(plan: &LanePlan, kind: Type, at: &Endpoint) -> Result<(Socket, Option<SocketFile>), OpenFailure> {
    if let Some(descriptor) = plan.passed {
        return Ok((passed::take(descriptor, plan)?, None));
    }
    let socket = socket::open(plan, kind)?;
    socket::configure_local(&socket, plan)?;
    let file = listen::bind_local(&socket, at)?;
    Ok((socket, file))
}

/// Connections get their sockets when they are opened or accepted. A lane that does not listen opens one now to find errors in
/// the plan, and all that have one port, because below 1024 it needs a privilege.
fn open_stream(id: LaneId, plan: &LanePlan) -> Result<Lane, OpenFailure> {
    let mut lane = Lane::new(id, plan, lane::profile(plan, limit::max_open()), Vec::new());
    match (&plan.listen, plan.protocol) {
        (Some(at), Protocol::Unix) => {
            let (socket, file) = local_socket(plan, Type::STREAM, at)?;
            if plan.passed.is_none() {
                listen::listen(&socket)?;
            }
            lane._file = file;
            lane.sockets.push(LaneSocket::new(socket, 0, Departures::none()));
        }
        (Some(at), _) => {
            let socket = match plan.passed {
                Some(descriptor) => passed::take(descriptor, plan)?,
                None => listen::tcp_listener(plan, at)?,
            };
            lane.profile.ident = lane::kernels_ident(socket::local_port(&socket)?);
            lane.sockets.push(LaneSocket::new(socket, 0, Departures::none()));
        }
        (None, Protocol::Tcp) => {
            let socket = |_| connect::tcp_socket(plan, &Header::default());
            let sockets = (0..plan.flow_count()).map(socket).collect::<Result<_, _>>()?;
            if let Some(port) = plan.source_port {
                lane.spares = sockets;
                lane.profile.ident = lane::kernels_ident(port.get());
            }
        }
        (None, _) => {}
    }
    Ok(lane)
}
