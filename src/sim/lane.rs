//! The sockets of the simulated kernel: which it opens, what is special about them, and the packets it makes of orders.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;

use super::fabric::Fabric;
use super::host::Host;
use super::packet::{self, Packet, put};
use crate::channel::{
    Attempt, ErrorPath, Fragmentation, Header, LaneHeader, LaneIdent, LanePlan, LaneRefused, Layer, OsError, Owner,
    Profile, Protocol, SendStamps, SocketChoice, SocketKind, Transmit,
};
use crate::types::{Family, Ident, Mtu, Port, Tos, Ttl};
use crate::wire::udp::{self, UdpDatagram};

/// The only interface's index.
pub(super) const IFINDEX: NonZeroU32 = NonZeroU32::MIN.saturating_add(1);

/// The first identifier the kernel gives to an ICMP socket.
const FIRST_IDENT: u16 = 0x2a01;
/// The first port the kernel gives to a UDP socket.
const FIRST_PORT: u16 = 40_001;
/// Octets of the largest packet.
const MOST_OCTETS: usize = 65_535;

/// One lane's sockets.
#[derive(Clone, Debug)]
pub(super) struct SimLane {
    pub(super) plan: LanePlan,
    pub(super) profile: Profile,
    /// For each flow its ICMP identifier, or its source port.
    pub(super) idents: Vec<u16>,
}

/// State of the kernel shared by all sockets.
#[derive(Debug)]
pub(super) struct Sockets {
    next_ident: u16,
    next_port: u16,
    /// IPv4 Identification of the next packet.
    identification: u16,
    /// Path MTUs from ICMP errors, by destination.
    pub(super) path_mtus: HashMap<IpAddr, Mtu>,
}

/// A packet to send, and whether it was fragmented to fit.
pub(super) struct Outgoing {
    pub(super) octets: Vec<u8>,
    pub(super) fragmented: bool,
}

/// Why nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct SendError {
    pub(super) error: OsError,
    pub(super) mtu: Option<Mtu>,
}

impl From<OsError> for SendError {
    fn from(error: OsError) -> Self {
        SendError { error, mtu: None }
    }
}

impl Sockets {
    pub(super) fn new() -> Self {
        Sockets { next_ident: FIRST_IDENT, next_port: FIRST_PORT, identification: 0, path_mtus: HashMap::new() }
    }

    /// Opens the sockets of a lane, if this host permits it.
    pub(super) fn open(&mut self, plan: &LanePlan, host: &Host, fabric: &Fabric) -> Result<SimLane, LaneRefused> {
        let mut attempts = Vec::new();
        for &socket in candidates(plan) {
            match may_open(plan, socket, host, fabric) {
                Ok(()) => return Ok(self.lane(plan, socket, host)),
                Err((call, error)) => attempts.push(Attempt { socket, call: call.into(), error }),
            }
            // Any other failure would recur with another socket type.
            if attempts.last().is_some_and(|attempt| attempt.call != "socket") {
                break;
            }
        }
        Err(LaneRefused { family: plan.family, protocol: plan.protocol, attempts })
    }

    fn lane(&mut self, plan: &LanePlan, socket: SocketKind, host: &Host) -> SimLane {
        let own_ports = matches!((plan.protocol, socket), (Protocol::Udp | Protocol::Tcp, SocketKind::Raw));
        let flows = if socket == SocketKind::Dgram || own_ports { plan.flow_count() } else { 1 };
        let idents: Vec<u16> = (0..flows).map(|flow| self.ident(plan, socket, flow)).collect();
        let kernel_errors = socket != SocketKind::Raw;
        let profile = Profile {
            family: plan.family,
            protocol: plan.protocol,
            socket,
            received_at: match (plan.protocol, socket, plan.family) {
                (_, SocketKind::Raw, Family::V4) => Layer::Ip,
                (Protocol::Icmp, _, _) | (_, SocketKind::Raw, _) => Layer::Transport,
                _ => Layer::Payload,
            },
            quote_at: if plan.protocol == Protocol::Udp { Layer::Payload } else { Layer::Transport },
            ident: LaneIdent {
                ident: Ident::new(idents.first().copied().unwrap_or_default()),
                owner: if kernel_errors { Owner::Kernel } else { Owner::Ours },
                exclusive: kernel_errors || plan.ident.is_none(),
            },
            checksum: match (socket, plan.family) {
                (SocketKind::Raw, Family::V4) => Owner::Ours,
                _ if own_ports => Owner::Ours,
                _ => Owner::Kernel,
            },
            errors: if kernel_errors { ErrorPath::Queue } else { ErrorPath::InBand },
            max_open: match socket {
                SocketKind::Raw if !own_ports => 1,
                SocketKind::Raw | SocketKind::Dgram => u32::from(flows),
                SocketKind::Stream => host.max_connections,
            },
            // Only datagrams of lanes that probe are stamped.
            send_stamps: match (plan.protocol, socket, &plan.listen) {
                (Protocol::Unix, _, _) => SendStamps::None,
                (_, SocketKind::Raw | SocketKind::Dgram, None) => plan.send_stamps,
                _ => SendStamps::None,
            },
            header: LaneHeader::of(plan),
        };
        SimLane { plan: plan.clone(), profile, idents }
    }

    fn ident(&mut self, plan: &LanePlan, socket: SocketKind, flow: u16) -> u16 {
        match (plan.protocol, socket) {
            (Protocol::Icmp, SocketKind::Raw) if plan.ident.is_some() => plan.ident.map_or(0, Ident::get),
            (Protocol::Icmp, _) => take(&mut self.next_ident),
            (Protocol::Udp, _) | (Protocol::Tcp, SocketKind::Raw) => match plan.source_port {
                Some(port) => port.get().wrapping_add(flow),
                None => take(&mut self.next_port),
            },
            (Protocol::Tcp, _) => plan.source_port.map_or(0, Port::get),
            _ => 0,
        }
    }

    /// The packet for an order to send a datagram.
    pub(super) fn datagram(
        &mut self,
        lane: &SimLane,
        send: &Transmit,
        octets: &[u8],
        fabric: &mut Fabric,
    ) -> Result<Outgoing, SendError> {
        let profile = &lane.profile;
        let raw = profile.socket == SocketKind::Raw;
        if !raw && !matches!(profile.protocol, Protocol::Icmp | Protocol::Udp) {
            return Err(OsError::EOPNOTSUPP.into());
        }
        let Some(to) = send.to.ip() else { return Err(OsError::EOPNOTSUPP.into()) };
        if send.header.identification.is_some() && !(lane.plan.own_headers && raw) {
            return Err(OsError::EOPNOTSUPP.into());
        }
        let Some(&ident) = lane.idents.get(usize::from(send.flow)).filter(|_| !raw || send.flow == 0) else {
            return Err(OsError::EINVAL.into());
        };
        let source = source(lane, &send.header, to.address, fabric)?;
        let (protocol, transport) = match profile.protocol {
            Protocol::Udp if raw => (packet::UDP, octets.to_vec()),
            Protocol::Tcp => (packet::TCP, octets.to_vec()),
            Protocol::Udp => {
                let mut transport = Vec::new();
                let datagram = UdpDatagram { source_port: ident, destination_port: to.port_number(), payload: octets };
                udp::push(source, to.address, &datagram, &mut transport).map_err(|_| OsError::EMSGSIZE)?;
                (packet::UDP, transport)
            }
            _ => (packet::icmp_protocol(profile.family), echo_request(profile, ident, octets)?),
        };
        let mut packet = self.packet(lane, &send.header, source, to.address, protocol, transport)?;
        if profile.protocol == Protocol::Icmp && profile.checksum == Owner::Kernel {
            packet.write_checksum();
        }
        self.fit(lane, packet, fabric)
    }

    /// A packet with the header fields of order, lane and kernel, in this order.
    pub(super) fn packet(
        &mut self,
        lane: &SimLane,
        header: &Header,
        source: IpAddr,
        destination: IpAddr,
        protocol: u8,
        transport: Vec<u8>,
    ) -> Result<Packet, OsError> {
        let ttl = header.ttl.or(lane.plan.header.ttl).unwrap_or(Ttl::new(64));
        if ttl.get() == 0 {
            return Err(OsError::EINVAL);
        }
        let mut packet = Packet::new(source, destination, protocol, transport);
        packet.header.ttl = ttl;
        packet.header.tos = header.tos.or(lane.plan.header.tos).unwrap_or(Tos::new(0));
        packet.header.flow_label = header.flow_label.or(lane.plan.header.flow_label).unwrap_or_default();
        packet.header.identification = header.identification.unwrap_or_else(|| take(&mut self.identification));
        packet.header.dont_fragment = if lane.has_own_header() {
            matches!(lane.plan.fragmentation, Some(Fragmentation::Do | Fragmentation::Probe | Fragmentation::Interface))
        } else {
            lane.plan.fragmentation != Some(Fragmentation::Dont)
        };
        Ok(packet)
    }

    /// Applies the MTUs of interface and path according to the lane's plan (ip(7), IP_MTU_DISCOVER).
    pub(super) fn fit(
        &mut self,
        lane: &SimLane,
        mut packet: Packet,
        fabric: &mut Fabric,
    ) -> Result<Outgoing, SendError> {
        let length = packet::header_octets(lane.profile.family) + packet.transport.len();
        let interface = fabric.interface_mtu(packet.header.destination);
        let path = interface.into_iter().chain(self.path_mtus.get(&packet.header.destination).copied()).min();
        let exceeded = |mtu: Option<Mtu>| mtu.filter(|mtu| length > mtu.get() as usize);
        let refused = match lane.plan.fragmentation {
            Some(Fragmentation::Do) => exceeded(path),
            Some(Fragmentation::Probe | Fragmentation::Interface) => exceeded(interface),
            _ if lane.has_own_header() => exceeded(interface),
            Some(Fragmentation::Dont | Fragmentation::Want) | None => None,
        };
        if refused.is_some() || length > MOST_OCTETS {
            return Err(SendError { error: OsError::EMSGSIZE, mtu: refused });
        }
        let observes_path =
            !lane.has_own_header() && matches!(lane.plan.fragmentation, Some(Fragmentation::Want) | None);
        let fragmented = exceeded(if observes_path { path } else { interface }).is_some();
        packet.header.dont_fragment &= !fragmented;
        let octets = packet.octets().map_err(|_| OsError::EMSGSIZE)?;
        Ok(Outgoing { octets, fragmented })
    }
}

impl SimLane {
    /// Whether orders bring the IPv4 header of their packets: such a packet is never fragmented here (raw(7), IP_HDRINCL).
    fn has_own_header(&self) -> bool {
        self.plan.own_headers && self.profile.socket == SocketKind::Raw && self.profile.family == Family::V4
    }
}

/// The address a packet leaves with.
pub(super) fn source(lane: &SimLane, header: &Header, to: IpAddr, fabric: &mut Fabric) -> Result<IpAddr, OsError> {
    if Family::of(to) != lane.profile.family {
        return Err(OsError::EAFNOSUPPORT);
    }
    if header.ifindex.is_some_and(|index| index != IFINDEX) {
        return Err(OsError::ENODEV);
    }
    if header.from.is_some_and(|from| !fabric.is_ours(from)) {
        return Err(OsError::EINVAL);
    }
    let chosen = header.from.or(lane.plan.source).or_else(|| fabric.source_for(to));
    match chosen.filter(|chosen| Family::of(*chosen) == Family::of(to)) {
        Some(source) if fabric.has_route(to) => Ok(source),
        _ => Err(OsError::ENETUNREACH),
    }
}

fn candidates(plan: &LanePlan) -> &'static [SocketKind] {
    match (plan.protocol, plan.socket) {
        (Protocol::Udp, SocketChoice::Auto) if plan.own_headers => &[SocketKind::Raw, SocketKind::Dgram],
        (Protocol::Tcp, SocketChoice::Raw) => &[SocketKind::Raw],
        (Protocol::Tcp, SocketChoice::Auto) if plan.own_headers => &[SocketKind::Raw, SocketKind::Stream],
        (Protocol::Tcp | Protocol::Unix, _) => &[SocketKind::Stream],
        (Protocol::Icmp, SocketChoice::Auto) => &[SocketKind::Raw, SocketKind::Dgram],
        (_, SocketChoice::Raw) => &[SocketKind::Raw],
        (_, SocketChoice::Auto | SocketChoice::Dgram) => &[SocketKind::Dgram],
    }
}

fn may_open(plan: &LanePlan, socket: SocketKind, host: &Host, fabric: &Fabric) -> Result<(), (&'static str, OsError)> {
    match (plan.protocol, socket) {
        (Protocol::Unix, _) => return Err(("socket", OsError::EOPNOTSUPP)),
        (Protocol::Udp | Protocol::Tcp, SocketKind::Raw) if !plan.own_headers => {
            return Err(("socket", OsError::EOPNOTSUPP));
        }
        (Protocol::Icmp | Protocol::Udp | Protocol::Tcp, SocketKind::Raw) if !host.raw => {
            return Err(("socket", OsError::EPERM));
        }
        (Protocol::Icmp, SocketKind::Dgram) if !host.dgram => return Err(("socket", OsError::EACCES)),
        _ => {}
    }
    if plan.mark.is_some() && !host.raw {
        return Err(("SO_MARK", OsError::EPERM));
    }
    if plan.interface.as_deref().is_some_and(|name| name != &*host.interface) {
        return Err(("SO_BINDTODEVICE", OsError::ENODEV));
    }
    let last_port = plan.source_port.map(|first| first.get().checked_add(plan.flow_count() - 1));
    match plan.source {
        _ if plan.protocol == Protocol::Udp && last_port == Some(None) => Err(("bind", OsError::EADDRNOTAVAIL)),
        Some(source) if Family::of(source) != plan.family => Err(("bind", OsError::EAFNOSUPPORT)),
        Some(source) if !fabric.is_ours(source) => Err(("bind", OsError::EADDRNOTAVAIL)),
        _ => Ok(()),
    }
}

/// An ICMP message as the lane sends it. Datagram sockets take echo requests alone, and write identifier and checksum.
fn echo_request(profile: &Profile, ident: u16, octets: &[u8]) -> Result<Vec<u8>, OsError> {
    let request = match profile.family {
        Family::V4 => [8, 0],
        Family::V6 => [128, 0],
    };
    let mut message = octets.to_vec();
    if profile.ident.owner == Owner::Kernel {
        if message.len() < 8 || !message.starts_with(&request) {
            return Err(OsError::EINVAL);
        }
        put(&mut message, 4, &ident.to_be_bytes());
    }
    Ok(message)
}

/// Returns the value and increments it.
pub(super) fn take(next: &mut u16) -> u16 {
    let taken = *next;
    *next = next.wrapping_add(1);
    taken
}
