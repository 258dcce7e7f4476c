//! Packets from what passes between machine and channel: [`Rebuild`]. The kernel writes and strips headers, differently for each
//! kind of socket; what it hides is filled in from what is known.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::channel::{
    Datagram, ERROR_FLOW, ErrorOrigin, Fragmentation, IcmpNotice, LaneId, LanePlan, Layer, OpenedLanes, Owner, Plan,
    Profile, Protocol, SocketKind, SourceLookup, Transmit,
};
use crate::types::{Family, FlowLabel, IpEndpoint, Port, Tos, Ttl};
use crate::wire::ip::{self, IpHeader};
use crate::wire::udp::{self, UdpDatagram};
use crate::wire::{icmp, tcp};

/// Sources that are remembered; a sweep has more targets than that.
const SOURCES: usize = 4096;
/// RFC 1700: the current recommended default time to live; of multicast packets it is 1 (ip(7)).
const USUAL_TTL: Ttl = Ttl::new(64);
const MULTICAST_TTL: Ttl = Ttl::new(1);
const IP_HEADER: &str = "IP header reconstructed";
const IP_AND_UDP_HEADER: &str = "IP and UDP headers reconstructed";
const ERROR: &str = "ICMP error reconstructed from the error queue";
const ANY_PORT: &str = "our port is not known";

/// A packet, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rebuilt {
    /// From its IP header on.
    pub octets: Vec<u8>,
    /// How many there were.
    pub original: usize,
    /// What of it is not as it was on the wire.
    pub notes: Vec<&'static str>,
}

/// Who rebuilds the packets of a run.
pub struct Rebuild {
    lanes: Vec<(LaneId, Profile, LanePlan)>,
    source_for: SourceLookup,
    /// Of the sources that were found.
    sources: HashMap<(LaneId, IpEndpoint), IpAddr>,
}

impl Rebuild {
    /// Of a run over the lanes that were opened as planned.
    pub fn new(opened: &OpenedLanes, plan: &Plan) -> Self {
        let lane = |(opened_lane, plan): (&Result<LaneId, _>, &LanePlan)| {
            let id = *opened_lane.as_ref().ok()?;
            Some((id, *opened.channel.profile(id), plan.clone()))
        };
        Rebuild::of(opened.lanes.iter().zip(&plan.lanes).filter_map(lane).collect(), opened.source_for.clone())
    }

    /// The same from its parts.
    pub(super) fn of(lanes: Vec<(LaneId, Profile, LanePlan)>, source_for: SourceLookup) -> Self {
        Rebuild { lanes, source_for, sources: HashMap::new() }
    }

    fn lane(&self, id: LaneId) -> Option<(Profile, &LanePlan)> {
        self.lanes.iter().find(|lane| lane.0 == id).map(|(_, profile, plan)| (*profile, plan))
    }

    /// Whether stamps of the kernel follow when a packet leaves by this lane.
    pub fn has_send_stamps(&self, lane: LaneId) -> bool {
        self.lane(lane).is_some_and(|(profile, _)| profile.send_stamps.are_kernels())
    }

    /// A packet that is ordered; `None` if the channel makes none of it.
    pub fn ordered(&mut self, send: &Transmit, octets: &[u8]) -> Option<Rebuilt> {
        let to = send.to.ip()?;
        let source = send.header.from.unwrap_or_else(|| self.source(send.lane, to));
        let (profile, plan) = self.lane(send.lane)?;
        let usual_ttl = if to.address.is_multicast() { MULTICAST_TTL } else { USUAL_TTL };
        let header = IpHeader {
            source,
            destination: to.address,
            ttl: send.header.ttl.or(plan.header.ttl).unwrap_or(usual_ttl),
            tos: send.header.tos.unwrap_or(profile.header.tos),
            protocol: protocol(&profile, 0)?,
            identification: send.header.identification.unwrap_or_default(),
            // Of the headers that it writes itself, the kernel clears the bit for nothing but the first.
            dont_fragment: plan.fragmentation != Some(Fragmentation::Dont)
                && !(plan.own_headers && plan.fragmentation == Some(Fragmentation::Want)),
            flow_label: send.header.flow_label.or(profile.header.flow_label).unwrap_or_default(),
        };
        if (profile.protocol, profile.socket) == (Protocol::Udp, SocketKind::Dgram) {
            let source_port = port(&profile, plan, send.flow);
            return with_udp_header(&header, (source_port, Some(to.port_number())), octets);
        }
        let mut transport = octets.to_vec();
        if profile.protocol == Protocol::Icmp && profile.checksum == Owner::Kernel {
            icmp::write_checksum_between((source, to.address), &mut transport);
        }
        with_header(&header, &transport, vec![IP_HEADER])
    }

    /// A packet that arrived.
    pub fn arrived(&mut self, datagram: &Datagram, octets: &[u8]) -> Option<Rebuilt> {
        let from = datagram.from.ip()?;
        let (profile, _) = self.lane(datagram.lane)?;
        if profile.received_at == Layer::Ip {
            // RFC 791: the total length.
            let announced = octets.get(2..4).and_then(|field| field.try_into().ok()).map_or(0, u16::from_be_bytes);
            let original = if datagram.cut { usize::from(announced) } else { octets.len() };
            return Some(Rebuilt { octets: octets.to_vec(), original, notes: Vec::new() });
        }
        let destination = datagram.to.unwrap_or_else(|| self.source(datagram.lane, from));
        let header = arrived_header((from.address, destination), (datagram.reply_ttl, datagram.tos));
        let header = IpHeader { protocol: protocol(&profile, datagram.flow)?, ..header };
        if profile.received_at == Layer::Payload {
            let (profile, plan) = self.lane(datagram.lane)?;
            let ours = port(&profile, plan, datagram.flow);
            return with_udp_header(&header, (Some(from.port_number()), ours), octets);
        }
        with_header(&header, octets, vec![IP_HEADER])
    }

    /// An ICMP error, of which the error queue reports the fields.
    pub fn error(&mut self, notice: &IcmpNotice, quote: &[u8], extension: &[u8]) -> Option<Rebuilt> {
        let (Some(offender), Some(icmp), Some(to)) = (notice.offender, notice.icmp, notice.to) else { return None };
        let ours = self.source(notice.lane, to);
        let (profile, plan) = self.lane(notice.lane)?;
        let has_packets = profile.protocol != Protocol::Unix && profile.socket != SocketKind::Stream;
        if notice.origin != ErrorOrigin::Icmp || !has_packets {
            return None;
        }
        // Routers quote a packet as they had it, when its TTL was used up.
        let inner = IpHeader {
            ttl: MULTICAST_TTL,
            protocol: protocol(&profile, 0)?,
            ..arrived_header((ours, to.address), (None, None))
        };
        let quoted = if profile.quote_at == Layer::Payload {
            with_udp_header(&inner, (port(&profile, plan, notice.flow), Some(to.port_number())), quote)?
        } else {
            with_header(&inner, quote, Vec::new())?
        };
        let header = arrived_header((offender, ours), (notice.reply_ttl, notice.tos));
        let header = IpHeader { protocol: icmp::protocol(Family::of(ours)), ..header };
        let mut message = Vec::new();
        icmp::push_error((offender, ours), icmp, notice.info, (&quoted.octets, extension), &mut message);
        with_header(&header, &message, vec![ERROR])
    }

    /// The address that packets to this endpoint have as source; the unspecified one where there is none.
    fn source(&mut self, lane: LaneId, to: IpEndpoint) -> IpAddr {
        let to = to.with_port(0);
        if let Some(known) = self.sources.get(&(lane, to)) {
            return *known;
        }
        if self.sources.len() >= SOURCES {
            self.sources.clear();
        }
        let unspecified = to.family().pick(Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into());
        let found = (self.source_for)(lane, to).unwrap_or(unspecified);
        self.sources.insert((lane, to), found);
        found
    }
}

/// The protocol number of what this flow of a lane carries; `None` if that is no packets.
fn protocol(profile: &Profile, flow: u16) -> Option<u8> {
    match profile.protocol {
        _ if profile.socket == SocketKind::Stream => None,
        Protocol::Udp | Protocol::Tcp if profile.socket == SocketKind::Raw && flow == ERROR_FLOW => {
            Some(icmp::protocol(profile.family))
        }
        Protocol::Icmp => Some(icmp::protocol(profile.family)),
        Protocol::Udp => Some(udp::PROTOCOL),
        Protocol::Tcp => Some(tcp::PROTOCOL),
        Protocol::Unix => None,
    }
}

/// Our port of this flow of a UDP lane, where it is known: each flow has another, and the profile that of the first.
fn port(profile: &Profile, plan: &LanePlan, flow: u16) -> Option<u16> {
    match plan.source_port {
        Some(first) => first.after(flow).map(Port::get),
        None => Some(profile.ident.ident.get()).filter(|_| flow == 0),
    }
}

/// The header of a packet that arrived, without its protocol.
fn arrived_header((source, destination): (IpAddr, IpAddr), (ttl, tos): (Option<Ttl>, Option<Tos>)) -> IpHeader {
    IpHeader {
        source,
        destination,
        ttl: ttl.unwrap_or(Ttl::new(0)),
        tos: tos.unwrap_or_default(),
        protocol: 0,
        identification: 0,
        dont_fragment: false,
        flow_label: FlowLabel::default(),
    }
}

fn with_header(header: &IpHeader, transport: &[u8], notes: Vec<&'static str>) -> Option<Rebuilt> {
    let mut octets = Vec::with_capacity(40 + transport.len());
    ip::push_header(header, transport.len(), &mut octets).ok()?;
    octets.extend_from_slice(transport);
    Some(Rebuilt { original: octets.len(), octets, notes })
}

fn with_udp_header(header: &IpHeader, (from, to): (Option<u16>, Option<u16>), payload: &[u8]) -> Option<Rebuilt> {
    let notes =
        if from.is_some() && to.is_some() { vec![IP_AND_UDP_HEADER] } else { vec![IP_AND_UDP_HEADER, ANY_PORT] };
    let (source_port, destination_port) = (from.unwrap_or_default(), to.unwrap_or_default());
    let mut datagram = Vec::with_capacity(8 + payload.len());
    let fields = UdpDatagram { source_port, destination_port, payload };
    udp::push(header.source, header.destination, &fields, &mut datagram).ok()?;
    with_header(header, &datagram, notes)
}
