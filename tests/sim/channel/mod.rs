//! The simulated network itself, seen through the Channel trait: one test per ability.

mod clock;
mod errors;
mod kernel;
mod links;
mod replies;
mod routes;
mod streams;

use std::net::IpAddr;
use std::time::Duration;

use netprobe::channel::{
    Channel, Header, Inbound, Inbox, LaneId, LanePlan, Lookup, Order, Outbox, Plan, Precision, Protocol, SocketChoice,
    Span, Token, Transmit,
};
use netprobe::engine::decode::{self, Decoded, DecodedError, EchoReply};
use netprobe::engine::encode;
use netprobe::sim::{Link, Log, Network, Node, US, ip};
use netprobe::types::{Endpoint, Family, Instant, IpEndpoint, Sequence, Ttl};

const TARGET: &str = "198.51.100.9";
const TARGET_V6: &str = "2001:db8:9::9";
const ROUTERS: [&str; 2] = ["203.0.113.1", "203.0.113.2"];

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// Two routers, 1 ms each, and 3 ms after them the node of the test.
fn beyond_two_routers(target: Node) -> Network {
    let mut network = Network::new(1);
    let last = network.chain(US, &ROUTERS, Link::after(ms(1)));
    network.add(last, target, Link::after(ms(3)));
    network
}

fn target() -> Node {
    Node::host(ip(TARGET)).also(ip(TARGET_V6))
}

/// One router, 1 ms away, and a target 1 ms after it.
fn beyond_router(router: Node) -> Network {
    let mut network = Network::new(1);
    let router = network.add(US, router, Link::after(ms(1)));
    network.add(router, target(), Link::after(ms(1)));
    network
}

fn icmp(family: Family, socket: SocketChoice) -> LanePlan {
    LanePlan::new(family, Protocol::Icmp, socket)
}

fn raw() -> LanePlan {
    icmp(Family::V4, SocketChoice::Raw)
}

fn dgram() -> LanePlan {
    icmp(Family::V4, SocketChoice::Dgram)
}

fn udp() -> LanePlan {
    LanePlan::new(Family::V4, Protocol::Udp, SocketChoice::Auto)
}

/// Something received, with its octets and when, counted from the start.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    at: Duration,
    inbound: Inbound,
    octets: Vec<u8>,
    extension: Vec<u8>,
}

/// An open channel and what a Machine would hold.
struct Rig {
    channel: Box<dyn Channel + Send>,
    start: Instant,
    lanes: Vec<LaneId>,
    outbox: Outbox,
    inbox: Inbox,
    log: Log,
    lookup: Option<Lookup>,
    next_token: u64,
}

impl Rig {
    fn open(network: &Network, lanes: &[LanePlan]) -> Rig {
        let opened = network.open(&Plan { lanes: lanes.to_vec(), names: true, ..Plan::default() });
        let start = opened.channel.now().mono;
        Rig {
            start,
            lanes: opened.lanes.into_iter().map(|lane| lane.expect("an open lane")).collect(),
            outbox: Outbox::default(),
            inbox: Inbox::default(),
            log: network.log(),
            lookup: opened.lookup,
            channel: opened.channel,
            next_token: 0,
        }
    }

    fn token(&mut self) -> Token {
        self.next_token += 1;
        Token::new(self.next_token)
    }

    fn order(&mut self, order: Order) {
        self.outbox.push(order);
        self.channel.submit(&mut self.outbox).expect("the run goes on");
        self.outbox.reclaim();
    }

    fn send(&mut self, lane: usize, to: IpEndpoint, flow: u16, header: Header, octets: &[u8]) -> Token {
        let token = self.token();
        let octets = self.outbox.store(|buffer| buffer.extend_from_slice(octets));
        let lane = self.lanes[lane];
        self.order(Order::Send(Transmit { lane, token, to: Endpoint::Ip(to), flow, header, octets }));
        token
    }

    /// An echo request over the first lane, with 56 octets of payload.
    fn echo(&mut self, to: &str, sequence: u16, header: Header) -> Token {
        let mut octets = Vec::new();
        let profile = self.channel.profile(self.lanes[0]);
        encode::echo_request(profile, Sequence::new(sequence), &[0x55; 56], None, &mut octets);
        self.send(0, IpEndpoint::from_address(ip(to)), 0, header, &octets)
    }

    fn ping(&mut self, to: &str, sequence: u16) -> Token {
        self.echo(to, sequence, Header::default())
    }

    fn expire(&mut self, ttl: u8, sequence: u16) -> Token {
        self.echo(TARGET, sequence, with_ttl(ttl))
    }

    /// A datagram over lane `lane`.
    fn udp(&mut self, lane: usize, port: u16, flow: u16, header: Header, payload: &[u8]) -> Token {
        self.send(lane, IpEndpoint::from_address(ip(TARGET)).with_port(port), flow, header, payload)
    }

    /// Everything that arrives until this long after the start.
    fn run(&mut self, until: Duration) -> Vec<Seen> {
        let deadline = self.start + until;
        let mut seen = Vec::new();
        loop {
            self.channel.receive(&mut self.inbox).expect("the run goes on");
            let at = self.channel.now().mono.since(self.start);
            for inbound in self.inbox.items() {
                let (octets, extension) = spans(inbound);
                let (octets, extension) =
                    (self.inbox.arena().get(octets).to_vec(), self.inbox.arena().get(extension).to_vec());
                seen.push(Seen { at, inbound: inbound.clone(), octets, extension });
            }
            let idle = self.inbox.items().is_empty();
            self.inbox.clear();
            if idle && self.channel.now().mono >= deadline {
                return seen;
            }
            self.channel.submit(&mut self.outbox).expect("the run goes on");
            self.channel.wait(Some(deadline), Precision::Precise).expect("the run goes on");
        }
    }

    /// What arrives until this long after the start, without `Sent`.
    fn answers(&mut self, until: Duration) -> Vec<Seen> {
        let seen = self.run(until);
        seen.into_iter().filter(|seen| !matches!(seen.inbound, Inbound::Sent(_))).collect()
    }

    /// Reads what arrived by the profile of its lane; what did not come from the network is something else.
    fn decoded<'a>(&self, seen: &'a Seen, arena: &'a mut netprobe::channel::Arena) -> Decoded<'a> {
        match &seen.inbound {
            Inbound::Datagram(datagram) => {
                let mut datagram = datagram.clone();
                datagram.octets = arena.push(&seen.octets);
                let profile = *self.channel.profile(datagram.lane);
                decode::datagram(&profile, &datagram, arena)
            }
            Inbound::Icmp(report) => {
                let mut report = report.clone();
                report.quote = arena.push(&seen.octets);
                report.extension = report.extension.map(|_| arena.push(&seen.extension));
                let profile = *self.channel.profile(report.lane);
                Decoded::Error(decode::notice(&profile, &report, arena))
            }
            _ => Decoded::Other,
        }
    }

    fn replies(&self, seen: &[Seen]) -> Vec<(Duration, Reply)> {
        seen.iter()
            .filter_map(|seen| match self.decoded(seen, &mut netprobe::channel::Arena::default()) {
                Decoded::Reply(reply) => Some((seen.at, Reply::from(&reply))),
                _ => None,
            })
            .collect()
    }

    fn replies_of(&self, seen: &[Seen]) -> Vec<u16> {
        self.replies(seen).into_iter().map(|(_, reply)| reply.sequence).collect()
    }

    fn errors(&self, seen: &[Seen]) -> Vec<(Duration, Failed)> {
        seen.iter()
            .filter_map(|seen| match self.decoded(seen, &mut netprobe::channel::Arena::default()) {
                Decoded::Error(error) => Some((seen.at, Failed::from(&error))),
                _ => None,
            })
            .collect()
    }
}

/// An echo reply, as far as tests look at it.
#[derive(Clone, Debug, PartialEq)]
struct Reply {
    responder: IpAddr,
    sequence: u16,
    payload: Vec<u8>,
    octets: usize,
    checksum_right: Option<bool>,
    reply_ttl: Option<u8>,
}

impl From<&EchoReply<'_>> for Reply {
    fn from(reply: &EchoReply<'_>) -> Self {
        Reply {
            responder: reply.responder,
            sequence: reply.sequence.get(),
            payload: reply.payload.to_vec(),
            octets: reply.octets,
            checksum_right: reply.checksum_right,
            reply_ttl: reply.reply_ttl.map(Ttl::get),
        }
    }
}

/// An ICMP error, as far as tests look at it.
#[derive(Clone, Debug, PartialEq)]
struct Failed {
    responder: Option<IpAddr>,
    icmp_type: u8,
    icmp_code: u8,
    sequence: Option<u16>,
    port: Option<u16>,
    quoted: usize,
    mtu: Option<u32>,
}

impl From<&DecodedError<'_>> for Failed {
    fn from(error: &DecodedError<'_>) -> Self {
        let (sequence, port, quoted) = match error.quoted.as_ref().map(|quoted| &quoted.transport) {
            Some(decode::QuotedTransport::Echo { sequence, payload, .. }) => {
                (Some(sequence.get()), None, payload.len())
            }
            Some(decode::QuotedTransport::Udp { destination_port, payload, .. }) => {
                (None, Some(*destination_port), payload.len())
            }
            _ => (None, None, 0),
        };
        let (icmp_type, icmp_code) = error.icmp.expect("no local error");
        Failed {
            responder: error.responder,
            icmp_type,
            icmp_code,
            sequence,
            port,
            quoted,
            mtu: error.mtu.map(|mtu| mtu.get()),
        }
    }
}

fn with_ttl(ttl: u8) -> Header {
    Header { ttl: Some(Ttl::new(ttl)), ..Header::default() }
}

fn spans(inbound: &Inbound) -> (Span, Span) {
    match inbound {
        Inbound::Datagram(datagram) => (datagram.octets, Span::default()),
        Inbound::Icmp(report) => (report.quote, report.extension.unwrap_or_default()),
        Inbound::Data(data) => (data.octets, Span::default()),
        _ => Default::default(),
    }
}
