//! Raw UDP and TCP lanes, whose orders bring transport headers of their own ([`LanePlan::own_headers`]): [`open`].

use std::os::fd::AsFd;

use socket2::{Socket, Type};

use super::header;
use super::ident::Reservation;
use super::interface::unbound;
use super::lane::{self, Lane, LaneSocket};
use super::socket::{self, OpenFailure};
use super::stamp::Departures;
use super::sys::message::Queue;
use super::sys::{filter, option};
use crate::channel::{
    ERROR_FLOW, ErrorPath, LaneId, LaneIdent, LanePlan, Layer, OsError, Owner, Profile, Protocol, SocketKind,
};
use crate::types::{Family, Ident, Port};

/// The source port of flow 0 unless the plan has one: above the range of ports that Linux assigns, and the same in every run, so
/// that load balancers choose the same paths again.
const SOURCE_PORT: u16 = 61_440;
/// Ranges of ports to try before using one that another process has.
const ATTEMPTS: usize = 64;

/// Opens a raw UDP or TCP lane. Its first socket sends and receives segments, its second, [`ERROR_FLOW`], receives ICMP.
///
/// # Errors
/// The call that failed.
pub fn open(id: LaneId, plan: &LanePlan) -> Result<Lane, OpenFailure> {
    let icmp_plan = LanePlan { protocol: Protocol::Icmp, ..plan.clone() };
    let transport = socket::open(plan, Type::RAW)?;
    let icmp = socket::open(&icmp_plan, Type::RAW)?;
    let ports = reserve(plan)?;
    let flows = plan.flow_count();
    transport
        .attach_filter(&filter::segments_to(plan.family, ports.ident.get(), flows))
        .map_err(|error| ("SO_ATTACH_FILTER", error.into()))?;
    option::filter_icmp_types(icmp.as_fd(), plan.family, plan.protocol)?;
    header::include(&transport, plan)?;
    for one in [&transport, &icmp] {
        socket::drain(one, Queue::Datagrams);
        socket::configure(one.as_fd(), &icmp_plan, SocketKind::Raw)?;
        socket::report_missing_headers(one.as_fd(), plan)?;
        socket::leave_by_interface(one, plan)?;
        socket::bind_source(one, plan)?;
    }
    let departures = Departures::start(transport.as_fd(), plan.send_stamps);
    // Nothing is ever sent there; what it receives is stamped as on the other.
    let none = Departures::start(icmp.as_fd(), plan.send_stamps);
    let profile = Profile {
        socket: SocketKind::Raw,
        received_at: plan.family.pick(Layer::Ip, Layer::Transport),
        ident: LaneIdent { ident: ports.ident, owner: Owner::Ours, exclusive: ports.is_exclusive() },
        checksum: Owner::Ours,
        errors: ErrorPath::InBand,
        send_stamps: departures.stamps(),
        ..lane::profile(plan, flows.into())
    };
    let sockets = vec![LaneSocket::new(transport, 0, departures), LaneSocket::new(icmp, 0, none)];
    debug_assert!(sockets.len() == usize::from(ERROR_FLOW) + 1);
    Ok(Lane { _ident: Some(ports), ..Lane::new(id, plan, profile, sockets) })
}

/// Reserves consecutive source ports, one per flow. Ordinary sockets hold them, so that no other program gets one and the kernel
/// sends no ICMP error for what arrives at a UDP port. Segments to a TCP port without a listener it resets, which also ends the
/// half-open connection at the peer.
fn reserve(plan: &LanePlan) -> Result<Reservation, OpenFailure> {
    let others = plan.flow_count() - 1;
    let wanted = plan.source_port.map(|port| port.get());
    let start = wanted.unwrap_or(SOURCE_PORT);
    start.checked_add(others).ok_or(("bind", OsError::EADDRNOTAVAIL))?;
    let attempts = if wanted.is_some() { 1 } else { ATTEMPTS };
    for first in (start..=u16::MAX - others).step_by(usize::from(others) + 1).take(attempts) {
        match (first..=first + others).map(|port| hold(plan, port).map(Into::into)).collect() {
            Ok(holders) => return Ok(Reservation { ident: Ident::new(first), holders }),
            Err((_, OsError::EADDRINUSE)) => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(Reservation { ident: Ident::new(start), holders: Vec::new() })
}

fn hold(plan: &LanePlan, port: u16) -> Result<Socket, OpenFailure> {
    let domain = socket::domain(plan.family);
    let kind = if plan.protocol == Protocol::Tcp { Type::STREAM } else { Type::DGRAM };
    let socket = Socket::new(domain, kind.nonblocking().cloexec(), None).map_err(|error| ("socket", error.into()))?;
    if plan.family == Family::V6 {
        socket.set_only_v6(true).map_err(|error| ("IPV6_V6ONLY", error.into()))?;
    }
    // Nothing is ever read from it.
    socket.attach_filter(&filter::NOTHING).map_err(|error| ("SO_ATTACH_FILTER", error.into()))?;
    // Otherwise the kernel would apply to it the path MTU from ICMP errors about probes with its port.
    socket::configure_sending(socket.as_fd(), plan, SocketKind::Raw)?;
    if unbound(plan).is_none() {
        socket::bind_device(&socket, plan)?;
    }
    socket::bind(&socket, plan, plan.source, Port::new(port))?;
    Ok(socket)
}
