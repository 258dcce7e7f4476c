//! Whole traces over simulated paths, in virtual time.

mod answers;
mod ends;
mod ends_early;
mod findings;
mod flows;
mod mtu;
mod names;
mod origins;
mod packets;
mod paths;
mod quotes;
mod stars;
mod syns;
mod timing;
mod watch;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use netprobe::channel::{
    Arena, Control, Fragmentation, Header, Inbound, LaneId, LanePlan, OpenedLanes, OsError, Outbox, Plan, Precision,
    Profile, Protocol, SocketChoice, SocketKind, Zones,
};
use netprobe::driver::{self, Next, Turn};
use netprobe::engine::outcome::{Detail, NotSent, Outcome, Reply};
use netprobe::engine::{Destination, Machine, Target};
use netprobe::sim::{
    Balance, Change, Direction, Forwarding, Link, Log, Mangle, NameOutcome, Network, Node, NodeId, OriginOutcome, Pick,
    Quote, Rejection, US, UdpService, ip,
};
use netprobe::trace::{self, Began, Config, Event, Hop, OriginSource, Origins, Ports, StopReason, Trace, Tracer, Wait};
use netprobe::types::{Family, Instant, IpEndpoint, Mtu, Now, Port, StampSource, Ttl};
use netprobe::wire::extension::{LabelStackEntry, Object};
use netprobe::wire::icmp::ErrorKind;

/// The lane kinds a trace can run over.
const LANES: [Kind; 12] = [
    (Family::V4, Protocol::Icmp, SocketChoice::Raw),
    (Family::V6, Protocol::Icmp, SocketChoice::Raw),
    (Family::V4, Protocol::Icmp, SocketChoice::Dgram),
    (Family::V6, Protocol::Icmp, SocketChoice::Dgram),
    (Family::V4, Protocol::Udp, SocketChoice::Dgram),
    (Family::V6, Protocol::Udp, SocketChoice::Dgram),
    (Family::V4, Protocol::Udp, SocketChoice::Raw),
    (Family::V6, Protocol::Udp, SocketChoice::Raw),
    (Family::V4, Protocol::Tcp, SocketChoice::Raw),
    (Family::V6, Protocol::Tcp, SocketChoice::Raw),
    (Family::V4, Protocol::Tcp, SocketChoice::Auto),
    (Family::V6, Protocol::Tcp, SocketChoice::Auto),
];
const RAW: Kind = LANES[0];
const UDP: Kind = LANES[4];

type Kind = (Family, Protocol, SocketChoice);

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn target(family: Family) -> IpAddr {
    match family {
        Family::V4 => ip("198.51.100.9"),
        Family::V6 => ip("2001:db8:9::9"),
    }
}

/// The simulated network's address for us.
fn source(target: IpAddr) -> IpAddr {
    ip(if target.is_ipv4() { "192.0.2.1" } else { "2001:db8::1" })
}

fn router(family: Family, ttl: u8) -> IpAddr {
    match family {
        Family::V4 => IpAddr::from([203, 0, 113, ttl]),
        Family::V6 => format!("2001:db8:1::{ttl:x}").parse().unwrap(),
    }
}

/// `hops` − 1 routers and the target, 5 ms RTT per hop, each changed by `change`; gives the nodes, the first router first.
fn path(network: &mut Network, family: Family, hops: u8, change: impl Fn(u8, Node) -> Node) -> Vec<NodeId> {
    let mut last = US;
    let mut nodes = Vec::new();
    for ttl in 1..=hops {
        let node = if ttl == hops { Node::host(target(family)) } else { Node::router(router(family, ttl)) };
        last = network.add(last, change(ttl, node), Link::after(Duration::from_micros(2500)));
        nodes.push(last);
    }
    nodes
}

fn silent(hops: &'static [u8]) -> impl Fn(u8, Node) -> Node {
    move |ttl, node| if hops.contains(&ttl) { node.silent() } else { node }
}

fn as_is(_: u8, node: Node) -> Node {
    node
}

fn config() -> Config {
    Config { packet_octets: Some(60), seed: 3, ..Config::default() }
}

/// The events of a run, each with the time since its start.
struct Traced {
    events: Vec<(Duration, Event)>,
    log: Log,
}

impl Traced {
    fn ends(&self) -> Vec<(Duration, &Trace)> {
        let mut ends = Vec::new();
        for (at, event) in &self.events {
            if let Event::Ended(trace) = event {
                ends.push((*at, &**trace));
            }
        }
        ends
    }

    fn end(&self) -> (Duration, &Trace) {
        let ends = self.ends();
        assert_eq!(ends.len(), 1, "{ends:?}");
        ends[0]
    }

    fn hops(&self) -> Vec<(Duration, &Hop)> {
        let mut hops = Vec::new();
        for (at, event) in &self.events {
            if let Event::Hop(_, hop) = event {
                hops.push((*at, &**hop));
            }
        }
        hops
    }

    /// How many probes left with a TTL above `ttl`.
    fn beyond(&self, ttl: u8) -> usize {
        self.log.packets().iter().filter(|packet| packet.ttl.get() > ttl).count()
    }
}

/// A machine whose events carry the time at which they are polled.
struct Clocked<M> {
    tracer: M,
    started: Option<Instant>,
    now: Instant,
}

impl<M> Clocked<M> {
    fn at(&mut self, now: Now) {
        self.now = now.mono;
        self.started.get_or_insert(now.mono);
    }
}

impl<M: Machine<Event = Event>> Machine for Clocked<M> {
    type Event = (Duration, Event);

    fn poll_orders(&mut self, now: Now, outbox: &mut Outbox) {
        self.at(now);
        self.tracer.poll_orders(now, outbox);
    }

    fn handle(&mut self, now: Now, inbound: &Inbound, octets: &Arena) {
        self.at(now);
        self.tracer.handle(now, inbound, octets);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.tracer.poll_timeout()
    }

    fn handle_timeout(&mut self, now: Now) {
        self.at(now);
        self.tracer.handle_timeout(now);
    }

    fn poll_event(&mut self) -> Option<Self::Event> {
        let since = self.now.since(self.started.unwrap_or(self.now));
        self.tracer.poll_event().map(|event| (since, event))
    }

    fn is_finished(&self) -> bool {
        self.tracer.is_finished()
    }
}

fn trace(network: &Network, kind: Kind, config: Config) -> Traced {
    let ports = match (kind.1, kind.2) {
        (Protocol::Tcp, _) | (Protocol::Udp, SocketChoice::Raw) => Ports::Fixed(Port::new(33434).unwrap()),
        _ => config.ports,
    };
    let lane = LanePlan { connect_wait: Some(trace::DEAD_NEIGHBOUR), ..lane(kind) };
    trace_over(network, lane, &[target(kind.0)], Config { ports, ..config })
}

fn lane((family, protocol, socket): Kind) -> LanePlan {
    // As rtrace asks for connections.
    let own_headers = (protocol, socket) != (Protocol::Tcp, SocketChoice::Auto);
    LanePlan { own_headers, ..LanePlan::new(family, protocol, socket) }
}

fn trace_over(network: &Network, lane: LanePlan, targets: &[IpAddr], config: Config) -> Traced {
    run_over(network, lane, targets, config, Tracer::new)
}

fn run_over<M: Machine<Event = Event>>(
    network: &Network,
    lane: LanePlan,
    targets: &[IpAddr],
    config: Config,
    machine: impl FnOnce(Config) -> M,
) -> Traced {
    let zones = Zones { v4: "origin.example".into(), v6: "origin6.example".into() };
    let origins = matches!(config.origins, Some(OriginSource::Lookup)).then_some(zones);
    let OpenedLanes { mut channel, lanes, mut lookup, .. } =
        network.open(&Plan { lanes: vec![lane], names: config.names, origins, ..Plan::default() });
    let lane = *lanes[0].as_ref().unwrap();
    let profile = *channel.profile(lane);
    let tracer = machine(Config { targets: placed(targets, lane, profile), ..config });
    let mut clocked = Clocked { tracer, started: None, now: Instant::ZERO };
    let mut events = Vec::new();
    driver::run(&mut *channel, &mut clocked, Precision::Relaxed, |turn| {
        if let Turn::Event((at, event)) = turn {
            if let (Event::NameWanted(address), Some(lookup)) = (&event, &mut lookup) {
                lookup(*address);
            }
            events.push((at, event));
        }
        Next::Continue
    })
    .unwrap();
    Traced { events, log: network.log() }
}

/// Targets over this lane.
fn placed(addresses: &[IpAddr], lane: LaneId, profile: Profile) -> Vec<Target> {
    let profile = Arc::new(profile);
    let target = |&address: &IpAddr| Target {
        zone: None,
        target: address.to_string().into(),
        name: address.to_string().into(),
        numeric: true,
        destination: Destination::Reachable {
            endpoint: IpEndpoint::from_address(address),
            source: Some(source(address)),
            lane,
            profile: Arc::clone(&profile),
        },
    };
    addresses.iter().map(target).collect()
}

/// Each hop's responders, one per probe.
fn responders(trace: &Trace) -> Vec<Vec<Option<IpAddr>>> {
    let of =
        |hop: &Arc<Hop>| hop.probes.iter().map(|probe| probe.response().map(|response| response.responder)).collect();
    trace.hops.iter().map(of).collect()
}

/// What a trace of a [`path`] shows: up to `shown` hops, of which these are silent.
fn expected(family: Family, hops: u8, shown: u8, silent: &[u8]) -> Vec<Vec<Option<IpAddr>>> {
    let of = |ttl: u8| match ttl {
        _ if silent.contains(&ttl) => None,
        _ if ttl == hops => Some(target(family)),
        _ => Some(router(family, ttl)),
    };
    (1..=shown).map(|ttl| vec![of(ttl); 3]).collect()
}

/// Why a probe was not sent, if it was not.
fn not_sent(event: &Event) -> Option<&NotSent> {
    match event {
        Event::Probe(event) => match &event.outcome {
            Outcome::NotSent(failure) => Some(failure),
            _ => None,
        },
        _ => None,
    }
}

/// How many probes may run past a destination before it answers.
fn most_beyond(kind: Kind) -> usize {
    match (kind.1, kind.2) {
        (Protocol::Udp, SocketChoice::Raw) => 5,
        (Protocol::Udp, _) => 3,
        _ => 21,
    }
}
