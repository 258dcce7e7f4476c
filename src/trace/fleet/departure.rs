//! How a probe leaves: where it goes and what all probes of its trace carry ([`Route`]), and the order that sends it.

use crate::channel::{Header, LaneId, Open, Order, Outbox, Profile, Protocol, Token, Transmit};
use crate::engine::{Destination, Target, encode};
use crate::trace::config::{Config, Ports};
use crate::trace::event::{Start, TraceId};
use crate::trace::fleet::probes::{Entry, ProbeTable, SentFields};
use crate::trace::identify::flow;
use crate::trace::identify::matching::Signature;
use crate::trace::path::run::Packets;
use crate::types::{Endpoint, Family, IpEndpoint, ProbeId, Ttl, WallTime};

/// Where the probes of one trace go, and what they carry.
#[derive(Clone, Copy, Debug)]
pub(in crate::trace) struct Route {
    pub target: IpEndpoint,
    pub lane: LaneId,
    pub profile: Profile,
    pub packets: Packets,
}

/// What every order needs of its machine.
pub(in crate::trace) struct Desk<'a> {
    pub signature: &'a Signature,
    pub probes: &'a mut ProbeTable,
    /// Where payloads are made.
    pub payload: &'a mut Vec<u8>,
}

impl Route {
    /// The way that the probes of trace number `index` go, if it can be made.
    pub fn of_trace(config: &Config, index: usize) -> Option<Route> {
        let (target, offset) = config.of_trace(index)?;
        Route::of(config, target, offset)
    }

    fn of(config: &Config, target: &Target, offset: u32) -> Option<Route> {
        let Destination::Reachable { endpoint, source, lane, profile } = target.destination else { return None };
        let raw = profile.writes_header();
        let possible = match profile.protocol {
            Protocol::Icmp => true,
            // The checksum of a raw segment covers its source address.
            Protocol::Udp | Protocol::Tcp => !raw || source.is_some(),
            Protocol::Unix => false,
        };
        let number = config.flow.saturating_add(offset);
        let labelled = profile.family == Family::V6 && profile.header.flow_label.is_none();
        let packets = Packets {
            source,
            checksum: flow::checksum(source, endpoint.address, profile.protocol, number),
            flow_label: if labelled { flow::label(source, endpoint.address, profile.protocol, number) } else { None },
            source_flow: if raw { u16::try_from(offset).unwrap_or_default() } else { 0 },
        };
        possible.then_some(Route { target: endpoint, lane, profile, packets })
    }

    /// Has `probes` keep a flow for each probe in flight, where nothing but its flow tells a probe.
    pub fn limit_flows(&self, ports: Ports, probes: &mut ProbeTable) {
        let without_numbers = self.profile.protocol == Protocol::Udp && !self.profile.writes_header();
        if without_numbers && matches!(ports, Ports::Fixed(_)) {
            probes.limit_flows(self.lane, self.profile.max_open);
        }
    }

    /// Which of the lane's flows the next probe takes; `None` while each is held by a probe in flight.
    pub fn next_flow(&self, probes: &ProbeTable) -> Option<u16> {
        if probes.limits_flows(self.lane) { probes.next_flow(self.lane) } else { Some(self.packets.source_flow) }
    }
}

/// What trace number `index` begins with.
pub(in crate::trace) fn start(config: &Config, signature: &Signature, index: usize, time: WallTime) -> Option<Start> {
    let (target, offset) = config.of_trace(index)?;
    let (address, source, profile) = match target.destination {
        Destination::Reachable { endpoint, source, profile, .. } => (Some(endpoint.address), source, Some(profile)),
        Destination::Unroutable { endpoint } => (Some(endpoint.address), None, None),
        Destination::Local { .. } | Destination::Unresolved => (None, None, None),
    };
    // A target that cannot be probed would have been probed as the first is that can.
    let any = || config.targets.iter().find_map(|target| Route::of(config, target, 0)).map(|route| route.profile);
    let method = profile.or_else(any).map_or(Protocol::Icmp, |profile| profile.protocol);
    Some(Start {
        trace: TraceId::new(u32::try_from(index).unwrap_or(u32::MAX)),
        target: target.target.clone(),
        name: target.name.clone(),
        address,
        source,
        method,
        socket: profile.map(|profile| profile.socket),
        port: matches!(method, Protocol::Udp | Protocol::Tcp).then(|| flow::port(config.ports, 0)),
        flow: config.flow.saturating_add(offset),
        packet_octets: profile.map_or(0, |profile| signature.whole_octets(&profile)),
        max_ttl: config.max_ttl,
        time,
    })
}

/// The destination port of the `index`th probe of a trace.
pub(in crate::trace) fn port(config: &Config, index: u32) -> u16 {
    flow::port(config.ports, index)
}

impl Desk<'_> {
    /// Orders a probe for slot `slot` of the hop at `ttl` of trace number `trace`, the `index`th of that trace, over `flow`, and
    /// puts it on record. Gives its number.
    pub fn order(
        &mut self,
        route: &Route,
        (trace, ttl, slot): (usize, u8, usize),
        (index, flow): (u32, u16),
        ports: Ports,
        outbox: &mut Outbox,
    ) -> ProbeId {
        let port = match route.profile.protocol {
            Protocol::Udp | Protocol::Tcp => flow::port(ports, index),
            _ => 0,
        };
        let probe = self.probes.next_number(|probe| self.signature.keys.are_usable(probe));
        let constant = Some(route.packets.checksum).filter(|_| self.signature.balances(&route.profile));
        let fields = self.signature.keys.fields(&route.profile, probe, flow, constant);
        let sent = SentFields { source: route.packets.source, ..fields };
        let destination = route.target.address;
        let entry = Entry { trace, ttl, slot, lane: route.lane, destination, port, flow, sent, open: true };
        self.probes.record(probe, entry);
        self.payload.clear();
        self.signature.push_payload(&route.profile, probe, self.payload);
        push(route, probe, &entry, self.payload, outbox);
        probe
    }
}

/// Orders `probe` as its entry says.
fn push(route: &Route, probe: ProbeId, entry: &Entry, payload: &[u8], outbox: &mut Outbox) {
    let (profile, to, sent) = (&route.profile, route.target.with_port(entry.port), &entry.sent);
    let raw = profile.writes_header();
    let from = sent.source.zip(sent.source_port);
    let octets = outbox.store(|out| match (profile.protocol, from) {
        (Protocol::Icmp, _) => {
            encode::echo_request(profile, probe.sequence(), payload, Some(route.packets.checksum), out);
        }
        (Protocol::Udp, Some(from)) => {
            encode::udp_probe(from, to, payload, sent.checksum.unwrap_or_default(), out);
        }
        (Protocol::Tcp, Some(from)) => {
            encode::tcp_syn(from, to, payload.len(), sent.tcp_sequence.unwrap_or_default(), out);
        }
        _ => out.extend_from_slice(payload),
    });
    let header = Header {
        // What the checksum covers must be what the packet has.
        from: sent.source.filter(|_| raw && profile.protocol != Protocol::Icmp),
        ttl: Some(Ttl::new(entry.ttl)),
        flow_label: route.packets.flow_label,
        identification: sent.identification,
        ..Header::default()
    };
    if profile.connects() {
        // Two connections cannot share their ports: each probe is a flow of its own.
        let token = Token::new(probe.get());
        outbox.push(Order::Open(Open { lane: route.lane, token, to: Endpoint::Ip(to), source_port: None, header }));
        return;
    }
    outbox.push(Order::Send(Transmit {
        lane: route.lane,
        token: Token::new(probe.get()),
        to: Endpoint::Ip(to),
        flow: if raw { 0 } else { entry.flow },
        header,
        octets,
    }));
}
