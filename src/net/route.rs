//! Questions to the routing table: the source addresses for destinations ([`sources`]) and the packet size that its route
//! accepts ([`accepted_mtu`]).

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};

use socket2::{Socket, Type};

use super::alike::Alike;
use super::clock;
use super::socket::{self, OpenFailure};
use super::sys::cmsg::{self, Origin};
use super::sys::message::{self, Buffers, Queue};
use super::sys::option::{self, IP_MTU_DISCOVER, IPV6_MTU_DISCOVER, SO_BROADCAST, SO_DONTROUTE, SO_MARK, mtu_discover};
use crate::channel::{Fragmentation, LanePlan, OsError, SocketKind, SourceLookup};
use crate::types::{IpEndpoint, Mtu};

/// A port for sockets that only ask for a route: discard, RFC 863. Nothing is sent to it.
const ANY_PORT: u16 = 9;

/// Looks up sources for these lanes, by one socket for each. A mark takes a privilege, so that a socket that has it is opened now.
pub fn sources(plans: &[LanePlan]) -> SourceLookup {
    let sources = |plan: &LanePlan| Sources {
        socket: plan.mark.map(|_| Sources::open(plan)),
        plan: plan.clone(),
        alike: Alike::default(),
    };
    let lanes: Vec<_> = plans.iter().map(|plan| Mutex::new(sources(plan))).collect();
    Arc::new(move |lane, to| {
        let sources = lanes.get(lane.index()).ok_or(OsError::EINVAL)?;
        sources.lock().unwrap_or_else(PoisonError::into_inner).of(to)
    })
}

/// The sources of a lane's packets.
struct Sources {
    plan: LanePlan,
    socket: Option<Result<Socket, OsError>>,
    alike: Alike,
}

impl Sources {
    fn open(plan: &LanePlan) -> Result<Socket, OsError> {
        udp_socket(plan).map_err(|(_, error)| error)
    }

    fn of(&mut self, to: IpEndpoint) -> Result<IpAddr, OsError> {
        let Sources { plan, socket, alike } = self;
        let kept = alike.source(to, clock::mono());
        if let Some(Some(source)) = kept {
            return Ok(*source);
        }
        if plan.mark.is_none() && !matches!(socket, Some(Ok(_))) {
            *socket = Some(Sources::open(plan));
        }
        let found = match socket.as_ref().ok_or(OsError::EINVAL)? {
            Ok(socket) => source_by(socket, plan, to),
            Err(error) => Err(*error),
        };
        if found.is_err() && plan.interface.is_some() && plan.mark.is_none() {
            // The interface may be another one by now.
            *socket = None;
        }
        // What has each address of a range also sends from each.
        if let (Ok(source), Some(kept)) = (found, kept)
            && source != to.address
        {
            *kept = Some(source);
        }
        found
    }
}

/// Why nothing can be sent to `to`, if the routing table or the lane's source says so.
pub fn refusal(plan: &LanePlan, to: IpEndpoint) -> Option<OsError> {
    if plan.mark.is_some() {
        // It takes a privilege that is dropped by now.
        return None;
    }
    match udp_socket(plan) {
        Ok(socket) => connect(&socket, to).err(),
        Err((_, error)) => Some(error),
    }
}

fn source_by(socket: &Socket, plan: &LanePlan, to: IpEndpoint) -> Result<IpAddr, OsError> {
    if plan.interface.is_some() && socket.device()?.is_none() {
        // Linux forgot it when the socket was disconnected.
        socket::bind_device(socket, plan).map_err(|(_, error)| error)?;
    }
    let source = connect(socket, to).and_then(|()| {
        let local = socket.local_addr()?.as_socket().ok_or(OsError::EAFNOSUPPORT)?;
        Ok(local.ip())
    });
    // Or else the next answer would have this source.
    rustix::net::connect_unspec(socket).map_err(io::Error::from)?;
    source
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
    SO_BROADCAST.set(socket.as_fd(), 1).ok()?;
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
    let settings = [(SO_MARK, plan.mark.map(u32::cast_signed)), (SO_DONTROUTE, plan.dont_route.then_some(1))];
    option::set_all(socket.as_fd(), &settings)?;
    socket::bind_device(&socket, plan)?;
    socket::bind_source(&socket, plan)?;
    Ok(socket)
}

fn connect(socket: &Socket, to: IpEndpoint) -> Result<(), OsError> {
    let to = if to.port.is_none() { to.with_port(ANY_PORT) } else { to };
    Ok(socket.connect(&SocketAddr::from(to).into())?)
}
