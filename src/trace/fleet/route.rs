//! The lane route of one trace and the fields that all its probes share: [`Route`]; and the order that sends a probe.

use std::net::IpAddr;

use crate::channel::{Header, LaneId, Open, Order, Outbox, Profile, Protocol, Token, Transmit};
use crate::engine::{Destination, Target, encode};
use crate::trace::config::Config;
use crate::trace::fleet::probes::Entry;
use crate::trace::identify::flow;
use crate::types::{Endpoint, Family, FlowLabel, IpEndpoint, ProbeId, Ttl};

/// The target of one trace, its lane, and what its probes have in common.
#[derive(Clone, Copy, Debug)]
pub(in crate::trace) struct Route {
    pub target: IpEndpoint,
    pub lane: LaneId,
    pub profile: Profile,
    /// The source address of the probes, where known.
    pub source: Option<IpAddr>,
    /// The checksum of echo requests.
    pub checksum: u16,
    /// The IPv6 flow label, if it is for us to choose.
    pub flow_label: Option<FlowLabel>,
    /// The flow of the lane that the probes take.
    pub source_flow: u16,
}

impl Route {
    /// The route of trace number `index`; `None` if it cannot be probed.
    pub fn of_trace(config: &Config, index: usize) -> Option<Route> {
        let (target, offset) = config.of_trace(index)?;
        Route::of(config, target, offset)
    }

    pub fn of(config: &Config, target: &Target, offset: u32) -> Option<Route> {
        let Destination::Reachable { endpoint, source, lane, ref profile } = target.destination else { return None };
        let raw = profile.writes_header();
        let possible = match profile.protocol {
            Protocol::Icmp => true,
            // The checksum of a raw segment covers its source address.
            Protocol::Udp | Protocol::Tcp => !raw || source.is_some(),
            Protocol::Unix => false,
        };
        let number = config.flow.saturating_add(offset);
        let labelled = profile.family == Family::V6 && profile.header.flow_label.is_none();
        possible.then_some(Route {
            target: endpoint,
            lane,
            profile: **profile,
            source,
            checksum: flow::checksum(source, endpoint.address, profile.protocol, number),
            flow_label: if labelled { flow::label(source, endpoint.address, profile.protocol, number) } else { None },
            source_flow: if raw { u16::try_from(offset).unwrap_or_default() } else { 0 },
        })
    }

    /// Whether both go to one address over one lane.
    pub fn is_same(&self, other: &Route) -> bool {
        (self.lane, self.target.address) == (other.lane, other.target.address)
    }

    /// Whether probes carry no numbers of ours, so that only their ports distinguish them.
    pub fn lacks_numbers(&self) -> bool {
        self.profile.protocol == Protocol::Udp && !self.profile.writes_header()
    }

    /// Orders `probe` as its entry says.
    pub fn send(&self, probe: ProbeId, entry: &Entry, payload: &[u8], outbox: &mut Outbox) {
        let (profile, to, sent) = (&self.profile, self.target.with_port(entry.port), &entry.sent);
        let raw = profile.writes_header();
        let from = sent.source.zip(sent.source_port);
        let octets = outbox.store(|out| match (profile.protocol, from) {
            (Protocol::Icmp, _) => encode::echo_request(profile, probe.sequence(), payload, Some(self.checksum), out),
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
            from: sent.source.filter(|_| profile.header.keeps_source || (raw && profile.protocol != Protocol::Icmp)),
            ttl: Some(Ttl::new(entry.ttl)),
            flow_label: self.flow_label,
            identification: sent.identification,
            ..Header::default()
        };
        let (lane, token, to) = (self.lane, Token::new(probe.get()), Endpoint::Ip(to));
        outbox.push(if profile.connects() {
            // Two connections cannot share their ports: each probe is a flow of its own.
            Order::Open(Open { lane, token, to, header })
        } else {
            Order::Send(Transmit { lane, token, to, flow: if raw { 0 } else { entry.flow }, header, octets })
        });
    }
}
