//! Lanes whose orders bring their own headers ([`LanePlan::own_headers`]): raw UDP and TCP ([`open`]), and the IPv4 header that
//! a raw packet of any protocol leaves with ([`ipv4_header`]).

use std::net::IpAddr;
use std::os::fd::AsFd;

use socket2::{Domain, Socket, Type};

use super::ident::Reservation;
use super::lane::{self, Failure, Lane, LaneSocket};
use super::route;
use super::stamp::Departures;
use super::sys::{filter, option};
use crate::channel::{
    ERROR_FLOW, ErrorPath, Fragmentation, Header, LaneHeader, LaneId, LaneIdent, LanePlan, Layer, OsError, Owner,
    Profile, Protocol, SendStamps, SocketKind,
};
use crate::types::{Family, Ident, Ttl};

/// The source port of flow 0 unless the plan names one: above the range from which Linux gives out ports, and the same in every
/// run, so that load balancers send the next run the same way.
const SOURCE_PORT: u16 = 61_440;
/// How many ranges of ports are tried before one is used that somebody else has too.
const ATTEMPTS: usize = 64;
/// Octets of an IPv4 header without options.
const HEADER_OCTETS: usize = 20;
const DONT_FRAGMENT: u16 = 0x4000;
/// RFC 1700: the current recommended default time to live.
pub const USUAL_TTL: Ttl = Ttl::new(64);
/// ip(7), IP_MULTICAST_TTL: "The default is 1".
const MULTICAST_TTL: Ttl = Ttl::new(1);

/// Opens a raw UDP or TCP lane. Its first socket sends and receives segments, its second, [`ERROR_FLOW`], receives ICMP.
///
/// # Errors
/// The call that failed.
pub fn open(id: LaneId, plan: &LanePlan) -> Result<Lane, Failure> {
    let icmp_plan = LanePlan { protocol: Protocol::Icmp, ..plan.clone() };
    let transport = lane::new_socket(plan, Type::RAW)?;
    let icmp = lane::new_socket(&icmp_plan, Type::RAW)?;
    let ports = reserve(plan)?;
    let flows = plan.flows.max(1);
    transport
        .attach_filter(&filter::segments_to(plan.family, ports.ident.get(), flows))
        .map_err(|error| ("SO_ATTACH_FILTER", error.into()))?;
    option::filter_icmp_types(icmp.as_fd(), plan.family)?;
    include_header(&transport, plan)?;
    for socket in [&transport, &icmp] {
        lane::drain(socket);
        lane::configure(socket.as_fd(), &icmp_plan, SocketKind::Raw)?;
        lane::tell_headers(socket.as_fd(), plan.family)?;
        route::bind_device(socket, plan)?;
        if plan.source.is_some() {
            route::bind(socket, plan, 0)?;
        }
    }
    let departures = Departures::start(transport.as_fd(), plan.send_stamps);
    // Nothing is ever sent there; what arrives is stamped as on the other.
    let nothing = Departures::start(icmp.as_fd(), plan.send_stamps);
    let profile = Profile {
        family: plan.family,
        protocol: plan.protocol,
        socket: SocketKind::Raw,
        received_at: match plan.family {
            Family::V4 => Layer::Ip,
            Family::V6 => Layer::Transport,
        },
        quote_at: Layer::Transport,
        ident: LaneIdent { ident: ports.ident, owner: Owner::Ours, exclusive: ports.is_exclusive() },
        checksum: Owner::Ours,
        errors: ErrorPath::InBand,
        max_open: flows.into(),
        send_stamps: departures.wish(),
        header: LaneHeader::of(plan),
    };
    let sockets = vec![LaneSocket::new(transport, 0, departures), LaneSocket::new(icmp, 0, nothing)];
    debug_assert!(sockets.len() == usize::from(ERROR_FLOW) + 1);
    Ok(Lane { id, profile, plan: plan.clone(), _file: None, sockets, _ident: Some(ports) })
}

/// Whether packets that could do without are given headers of our own all the same: a packet that has its header costs the kernel
/// a fifteenth less, which a run that is too fast for send stamps is glad of. Not where it matters how packets are fragmented.
pub fn is_in_haste(plan: &LanePlan) -> bool {
    let fast = plan.send_stamps == SendStamps::None && plan.listen.is_none();
    plan.family == Family::V4 && fast && plan.fragmentation.is_none()
}

/// The TTL of packets of which nobody says it; `net.ipv4.ip_default_ttl` unless that cannot be read.
pub fn usual_ttl(socket: &Socket) -> Ttl {
    socket.ttl_v4().ok().and_then(|ttl| u8::try_from(ttl).ok()).map_or(USUAL_TTL, Ttl::new)
}

/// Has the orders' own IPv4 headers sent, if the plan wants that; IPv6 packets get theirs from the kernel.
///
/// # Errors
/// `IP_HDRINCL`.
pub fn include_header(socket: &Socket, plan: &LanePlan) -> Result<(), Failure> {
    if !(plan.own_headers && plan.family == Family::V4) {
        return Ok(());
    }
    socket.set_header_included_v4(true).map_err(|error| ("IP_HDRINCL", error.into()))
}

/// The IPv4 header of a packet with `octets` octets behind it and this TTL if nobody says another; `None` where the kernel writes it.
/// raw(7): the kernel fills in the checksum, and a source that is 0.
///
/// # Errors
/// EOPNOTSUPP for an Identification on a lane that cannot set it, EMSGSIZE if no header can count the octets.
pub fn ipv4_header(
    profile: &Profile,
    plan: &LanePlan,
    (header, usual_ttl): (&Header, Ttl),
    to: IpAddr,
    octets: usize,
) -> Result<Option<[u8; HEADER_OCTETS]>, OsError> {
    let own = plan.own_headers && profile.socket == SocketKind::Raw;
    let (IpAddr::V4(to), true) = (to, own) else {
        return if header.identification.is_some() { Err(OsError::EOPNOTSUPP) } else { Ok(None) };
    };
    let total = u16::try_from(HEADER_OCTETS + octets).map_err(|_| OsError::EMSGSIZE)?;
    let from = match header.from.or(plan.source) {
        Some(IpAddr::V4(from)) => from.octets(),
        _ => [0; 4],
    };
    // By default the kernel forbids it for what fits (ip(7), IP_MTU_DISCOVER), and nothing else leaves with such a header.
    let whole = !matches!(plan.fragmentation, Some(Fragmentation::Dont | Fragmentation::Want));
    let usual_ttl = if to.is_multicast() { MULTICAST_TTL } else { usual_ttl };
    let protocol = match profile.protocol {
        Protocol::Udp => 17,
        Protocol::Tcp => 6,
        _ => 1,
    };
    let mut written = [0; HEADER_OCTETS];
    written[0] = 0x40 | (HEADER_OCTETS / 4) as u8;
    written[1] = header.tos.or(plan.tos).unwrap_or_default().get();
    written[2..4].copy_from_slice(&total.to_be_bytes());
    written[4..6].copy_from_slice(&header.identification.unwrap_or(0).to_be_bytes());
    written[6..8].copy_from_slice(&if whole { DONT_FRAGMENT } else { 0 }.to_be_bytes());
    written[8] = header.ttl.or(plan.ttl).unwrap_or(usual_ttl).get();
    written[9] = protocol;
    written[12..16].copy_from_slice(&from);
    written[16..20].copy_from_slice(&to.octets());
    Ok(Some(written))
}

/// Reserves source ports, one per flow and one after the other. Ordinary sockets hold them, so that no other program gets one and
/// the kernel does not answer what comes to a UDP port; what comes to a TCP port on which nobody listens it resets, which leaves
/// no connection behind.
fn reserve(plan: &LanePlan) -> Result<Reservation, Failure> {
    let behind = plan.flows.max(1) - 1;
    let wanted = plan.source_port.map(|port| port.get());
    let start = wanted.unwrap_or(SOURCE_PORT);
    start.checked_add(behind).ok_or(("bind", OsError::EADDRNOTAVAIL))?;
    let attempts = if wanted.is_some() { 1 } else { ATTEMPTS };
    for first in (start..=u16::MAX - behind).step_by(usize::from(behind) + 1).take(attempts) {
        match (first..=first + behind).map(|port| hold(plan, port).map(Into::into)).collect() {
            Ok(holders) => return Ok(Reservation { ident: Ident::new(first), holders }),
            Err((_, OsError::EADDRINUSE)) => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(Reservation { ident: Ident::new(start), holders: Vec::new() })
}

fn hold(plan: &LanePlan, port: u16) -> Result<Socket, Failure> {
    let (domain, v6) = match plan.family {
        Family::V4 => (Domain::IPV4, false),
        Family::V6 => (Domain::IPV6, true),
    };
    let kind = if plan.protocol == Protocol::Tcp { Type::STREAM } else { Type::DGRAM };
    let socket = Socket::new(domain, kind.nonblocking().cloexec(), None).map_err(|error| ("socket", error.into()))?;
    if v6 {
        socket.set_only_v6(true).map_err(|error| ("IPV6_V6ONLY", error.into()))?;
    }
    // Nothing is ever read from it.
    socket.attach_filter(&filter::NOTHING).map_err(|error| ("SO_ATTACH_FILTER", error.into()))?;
    // The kernel would have it learn the path MTU from what a router says about a probe with its port.
    lane::configure_leaving(socket.as_fd(), plan, SocketKind::Raw)?;
    route::bind_device(&socket, plan)?;
    route::bind(&socket, plan, port)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::SocketChoice;
    use crate::types::Tos;

    const TO: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 9));

    fn profile(protocol: Protocol, socket: SocketKind) -> Profile {
        Profile {
            family: Family::V4,
            protocol,
            socket,
            received_at: Layer::Ip,
            quote_at: Layer::Transport,
            ident: LaneIdent { ident: Ident::new(1), owner: Owner::Ours, exclusive: true },
            checksum: Owner::Ours,
            errors: ErrorPath::InBand,
            max_open: 1,
            send_stamps: SendStamps::None,
            header: LaneHeader::NONE,
        }
    }

    fn plan(own_headers: bool) -> LanePlan {
        LanePlan { own_headers, ..LanePlan::new(Family::V4, Protocol::Udp, SocketChoice::Raw) }
    }

    #[test]
    fn a_header_has_what_order_and_plan_say() {
        let plan = LanePlan { fragmentation: Some(Fragmentation::Probe), tos: Some(Tos::new(0xb8)), ..plan(true) };
        let header = Header {
            from: Some(IpAddr::from([192, 0, 2, 1])),
            ttl: Some(Ttl::new(7)),
            identification: Some(0x1234),
            ..Header::default()
        };
        let written = ipv4_header(&profile(Protocol::Udp, SocketKind::Raw), &plan, (&header, USUAL_TTL), TO, 40)
            .unwrap()
            .unwrap();
        let expected = [0x45, 0xb8, 0, 60, 0x12, 0x34, 0x40, 0, 7, 17, 0, 0, 192, 0, 2, 1, 198, 51, 100, 9];
        assert_eq!(written, expected);
    }

    #[test]
    fn a_header_of_which_nobody_says_anything_is_as_the_kernel_would_write_it() {
        let raw = profile(Protocol::Icmp, SocketKind::Raw);
        let written = |to| {
            let nothing = (&Header::default(), Ttl::new(99));
            ipv4_header(&raw, &plan(true), nothing, to, 64).unwrap().unwrap()
        };
        assert_eq!(written(TO)[..12], [0x45, 0, 0, 84, 0, 0, 0x40, 0, 99, 1, 0, 0]);
        assert_eq!(written(IpAddr::from([224, 0, 0, 1]))[8], 1);
    }

    #[test]
    fn only_a_run_without_send_stamps_is_in_haste_and_only_where_fragments_are_nobodys_wish() {
        let hasty = LanePlan { send_stamps: SendStamps::None, protocol: Protocol::Icmp, ..plan(false) };
        assert!(is_in_haste(&hasty));
        assert!(!is_in_haste(&LanePlan { send_stamps: SendStamps::Kernel, ..hasty.clone() }));
        assert!(!is_in_haste(&LanePlan { family: Family::V6, ..hasty.clone() }));
        assert!(!is_in_haste(&LanePlan { fragmentation: Some(Fragmentation::Want), ..hasty }));
    }

    #[test]
    fn an_identification_is_refused_where_the_kernel_writes_the_header() {
        let header = Header { identification: Some(1), ..Header::default() };
        let raw = profile(Protocol::Icmp, SocketKind::Raw);
        assert_eq!(ipv4_header(&raw, &plan(false), (&header, USUAL_TTL), TO, 8), Err(OsError::EOPNOTSUPP));
        let dgram = profile(Protocol::Udp, SocketKind::Dgram);
        assert_eq!(ipv4_header(&dgram, &plan(true), (&header, USUAL_TTL), TO, 8), Err(OsError::EOPNOTSUPP));
        assert_eq!(ipv4_header(&dgram, &plan(true), (&Header::default(), USUAL_TTL), TO, 8), Ok(None));
        assert_eq!(ipv4_header(&raw, &plan(true), (&header, USUAL_TTL), TO, 65_520), Err(OsError::EMSGSIZE));
    }
}
