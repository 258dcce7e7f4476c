//! Whole traces over simulated paths, in virtual time.

mod ends;
mod findings;
mod flows;
mod mtu;
mod origins;
mod quotes;
mod watch;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use netprobe::channel::{
    Arena, Control, Fragmentation, Inbound, LaneId, LanePlan, OpenedLanes, OsError, Outbox, Plan, Precision, Profile,
    Protocol, SocketChoice, SocketKind, Zones,
};
use netprobe::driver::{self, Next, Turn};
use netprobe::engine::outcome::{Detail, NotSent, Outcome, Reply};
use netprobe::engine::{Destination, Machine, Target};
use netprobe::sim::{
    Balance, Change, Failure, Forwarding, Link, Log, Mangle, NameOutcome, Network, Node, NodeId, OriginOutcome, Pick,
    Quote, US, UdpService, Way, ip,
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
    Config {
        targets: Vec::new(),
        first_ttl: Ttl::new(1),
        max_ttl: Ttl::new(30),
        probes_per_hop: 3,
        in_flight: None,
        wait: None,
        send_gap: None,
        rate: None,
        paced: true,
        gap_limit: None,
        ports: Ports::CountingUp(Port::new(33434).unwrap()),
        packet_octets: Some(60),
        names: false,
        origins: None,
        flow: 0,
        flows: None,
        seed: 3,
    }
}

/// What a run told, each with the time since its start.
struct Told {
    events: Vec<(Duration, Event)>,
    log: Log,
}

impl Told {
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

fn trace(network: &Network, kind: Kind, config: Config) -> Told {
    let ports = match (kind.1, kind.2) {
        (Protocol::Tcp, _) | (Protocol::Udp, SocketChoice::Raw) => Ports::Fixed(Port::new(33434).unwrap()),
        _ => config.ports,
    };
    trace_over(network, lane(kind), &[target(kind.0)], Config { ports, ..config })
}

fn lane((family, protocol, socket): Kind) -> LanePlan {
    LanePlan { own_headers: true, ..LanePlan::new(family, protocol, socket) }
}

fn trace_over(network: &Network, lane: LanePlan, targets: &[IpAddr], config: Config) -> Told {
    run_over(network, lane, targets, config, Tracer::new)
}

fn run_over<M: Machine<Event = Event>>(
    network: &Network,
    lane: LanePlan,
    targets: &[IpAddr],
    config: Config,
    machine: impl FnOnce(Config) -> M,
) -> Told {
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
    Told { events, log: network.log() }
}

/// Targets over this lane.
fn placed(addresses: &[IpAddr], lane: LaneId, profile: Profile) -> Vec<Target> {
    let target = |&address: &IpAddr| Target {
        target: address.to_string().into(),
        name: address.to_string().into(),
        numeric: true,
        destination: Destination::Reachable {
            endpoint: IpEndpoint::from_address(address),
            source: Some(source(address)),
            lane,
            profile,
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

#[test]
fn every_lane_sees_the_whole_path_and_gives_silent_hops_up_in_time() {
    for kind in LANES {
        let mut network = Network::new(1);
        path(&mut network, kind.0, 15, silent(&[5, 9, 12]));
        let told = trace(&network, kind, config());
        let (time, end) = told.end();
        assert_eq!(responders(end), expected(kind.0, 15, 15, &[5, 9, 12]), "{kind:?}");
        assert_eq!((end.reached, end.stop_reason), (true, StopReason::Destination), "{kind:?}");
        // traceroute 2.1 takes 0.73 s for this path.
        assert!(time < ms(363), "{kind:?} {time:?}");
        assert!(told.beyond(15) <= most_beyond(kind), "{kind:?} {}", told.beyond(15));
    }
}

#[test]
fn a_path_that_dies_is_given_up_eight_times_sooner_than_by_traceroute() {
    for kind in LANES {
        let mut network = Network::new(1);
        path(&mut network, kind.0, 15, |ttl, node| if ttl > 11 { node.silent() } else { node });
        let told = trace(&network, kind, config());
        let (time, end) = told.end();
        let dead: Vec<u8> = (12..=30).collect();
        assert_eq!(responders(end), expected(kind.0, 15, 30, &dead), "{kind:?}");
        assert_eq!((end.reached, end.stop_reason), (false, StopReason::MaxTtl), "{kind:?}");
        assert!(time < ms(2500), "{kind:?} {time:?}");
    }
}

#[test]
fn a_path_of_which_nothing_answers_ends() {
    for kind in [RAW, UDP] {
        let mut network = Network::new(1);
        path(&mut network, kind.0, 4, |_, node| node.silent());
        let told = trace(&network, kind, config());
        let (time, end) = told.end();
        assert_eq!((end.hops.len(), end.stop_reason), (30, StopReason::MaxTtl));
        assert!(time < ms(4000), "{kind:?} {time:?}");
    }
}

#[test]
fn hops_come_in_order_and_each_as_soon_as_it_is_final() {
    let mut network = Network::new(1);
    path(&mut network, Family::V4, 15, silent(&[9]));
    let told = trace(&network, RAW, config());
    let hops = told.hops();
    let ttls: Vec<u8> = hops.iter().map(|(_, hop)| hop.ttl.get()).collect();
    assert_eq!(ttls, (1..=15).collect::<Vec<u8>>());
    // The third probe of the first hop leaves after 20 ms and is answered 5 ms later; the ninth hop holds the others up.
    assert!(hops[0].0 < ms(30), "{:?}", hops[0]);
    assert!(hops[7].0 < hops[8].0 && hops[8].0 == hops[9].0, "{hops:?}");
    let (_, end) = told.end();
    assert!(hops.iter().map(|(_, hop)| *hop).eq(end.hops.iter().map(|hop| &**hop)));
}

#[test]
fn nothing_is_sent_beyond_the_destination_once_it_has_answered() {
    for kind in LANES {
        let mut network = Network::new(1);
        path(&mut network, kind.0, 8, as_is);
        let told = trace(&network, kind, config());
        let packets = told.log.packets();
        let first = packets.iter().find(|packet| packet.ttl.get() >= 8).unwrap();
        let late = packets.iter().filter(|packet| packet.ttl.get() > 8 && packet.at > first.at + ms(40));
        assert_eq!(late.count(), 0, "{kind:?}");
        assert!(told.beyond(8) <= most_beyond(kind), "{kind:?} {}", told.beyond(8));
    }
}

#[test]
fn a_hop_waits_a_tick_for_the_stamp_of_a_probe_whose_answer_was_faster() {
    for (behind, expected) in [(900, StampSource::Kernel), (1100, StampSource::User)] {
        let mut network = Network::new(1);
        path(&mut network, Family::V4, 1, as_is);
        network.sent_stamps_after(Some(ms(5) + Duration::from_micros(behind)));
        let told = trace(&network, RAW, Config { probes_per_hop: 1, ..config() });
        let [(at, hop)] = told.hops()[..] else { panic!("{:?}", told.events) };
        let response = hop.probes[0].response().unwrap();
        assert_eq!(
            (response.event.delay.unwrap().stamp, response.rtt.as_duration()),
            (expected, ms(5)),
            "{behind} µs behind"
        );
        assert!(at <= ms(6), "{behind} µs behind: {at:?}");
    }
}

#[test]
fn delays_do_not_hold_the_time_it_took_to_read_the_answer() {
    let mut network = Network::new(1);
    path(&mut network, Family::V4, 2, as_is);
    network.stall(ms(1), ms(50));
    let told = trace(&network, RAW, Config { probes_per_hop: 1, ..config() });
    let rtts =
        told.hops().iter().map(|(_, hop)| hop.probes[0].response().unwrap().rtt.as_duration()).collect::<Vec<_>>();
    assert_eq!(rtts, [ms(5), ms(10)]);
}

#[test]
fn a_target_that_limits_its_errors_still_answers_every_probe_of_its_hop() {
    for hops in [1, 3, 8, 15] {
        let mut network = Network::new(1);
        path(&mut network, Family::V4, hops, |_, node| node.error_limit(ms(1000), 6));
        let told = trace(&network, UDP, config());
        assert_eq!(responders(told.end().1), expected(Family::V4, hops, hops, &[]), "{hops} hops");
        assert!(told.beyond(hops) <= 3, "{hops} hops: {}", told.beyond(hops));
    }
}

#[test]
fn echo_requests_of_one_flow_take_one_path_through_balancers() {
    for kind in &LANES[..4] {
        let family = kind.0;
        let mut network = Network::new(5);
        let fork = network.add(US, Node::router(router(family, 1)).balance(Balance::Flow), Link::after(ms(2)));
        let left = network.add(fork, Node::router(router(family, 2)), Link::after(ms(2)));
        let right = network.add(fork, Node::router(router(family, 22)), Link::after(ms(2)));
        let join = network.add(left, Node::router(router(family, 3)), Link::after(ms(2)));
        network.link(right, join, Link::after(ms(2)));
        network.add(join, Node::host(target(family)), Link::after(ms(2)));
        let mut seen = BTreeSet::new();
        for flow in 0..16 {
            let hop = |seed| {
                let told = trace(&network, *kind, Config { flow, seed, ..config() });
                let hop: BTreeSet<_> = responders(told.end().1)[1].iter().flatten().copied().collect();
                assert_eq!(hop.len(), 1, "{kind:?} flow {flow}");
                hop
            };
            let once = hop(1);
            if kind.2 == SocketChoice::Raw {
                assert_eq!(once, hop(2), "{kind:?} flow {flow}: two runs see one path");
            }
            seen.extend(once);
        }
        assert_eq!(seen.len(), 2, "{kind:?}: flows reach both paths");
    }
}

#[test]
fn the_icmp_checksum_is_one_for_all_probes_of_two_runs() {
    let mut network = Network::new(1);
    path(&mut network, Family::V4, 15, as_is);
    let mut checksums = BTreeSet::new();
    for seed in [1, 2] {
        let told = trace(&network, RAW, Config { seed, ..config() });
        for packet in told.log.packets() {
            assert!(packet.checksum_right, "{packet:?}");
            checksums.insert((packet.transport[2], packet.transport[3]));
        }
    }
    assert_eq!(checksums.len(), 1);
}

#[test]
fn packets_have_the_size_asked_for_and_at_least_their_headers() {
    // The kernel makes the packets of connections.
    for kind in LANES.into_iter().filter(|kind| (kind.1, kind.2) != (Protocol::Tcp, SocketChoice::Auto)) {
        let transport = match (kind.1, kind.2) {
            (Protocol::Tcp, _) => 40,
            // The least payload that keeps a checksum.
            (Protocol::Udp, SocketChoice::Raw) => 10,
            _ => 8,
        };
        let least = transport + if kind.0 == Family::V4 { 20 } else { 40 };
        for packet_octets in [0, 48, 49, 51, 60, 80, 81, 1400] {
            let mut network = Network::new(1);
            path(&mut network, kind.0, 3, as_is);
            let told = trace(&network, kind, Config { packet_octets: Some(packet_octets), ..config() });
            let whole = packet_octets.max(least);
            assert!(told.log.packets().iter().all(|packet| packet.octets.len() == whole), "{kind:?} {packet_octets}");
            assert_eq!(responders(told.end().1), expected(kind.0, 3, 3, &[]), "{kind:?} {packet_octets}");
            let Some((_, Event::Began(began))) = told.events.first() else { panic!("no beginning") };
            assert_eq!(trace::packet_octets(&began.subject), Some(whole));
        }
    }
}

#[test]
fn label_stacks_are_read_where_routers_put_them() {
    let stack = [
        LabelStackEntry { label: 24001, tc: 0, bottom: false, ttl: 1 },
        LabelStackEntry { label: 16006, tc: 3, bottom: true, ttl: 1 },
    ];
    for kind in LANES {
        let quotes = [Quote::full().labels(stack), Quote::full().labels(stack).unannounced()];
        for quote in quotes {
            let mut network = Network::new(1);
            path(&mut network, kind.0, 4, |ttl, node| if ttl == 2 { node.quote(quote.clone()) } else { node });
            let told = trace(&network, kind, config());
            let end = told.end().1;
            for (ttl, hop) in (1..).zip(&end.hops) {
                let objects = if ttl == 2 { vec![Object::Mpls(stack.to_vec())] } else { Vec::new() };
                for probe in &hop.probes {
                    assert_eq!(probe.response().unwrap().extensions(), objects, "{kind:?} ttl {ttl}");
                }
            }
        }
    }
}

#[test]
fn an_unreachable_on_the_way_ends_the_trace() {
    for kind in LANES {
        let (unreachable, meaning) = match kind.0 {
            Family::V4 => (Failure::new(3, 1), ErrorKind::HostUnreachable),
            Family::V6 => (Failure::new(1, 3), ErrorKind::HostUnreachable),
        };
        let mut network = Network::new(1);
        let refuse = |ttl, node: Node| if ttl == 3 { node.forwarding(Forwarding::Refuse(unreachable)) } else { node };
        path(&mut network, kind.0, 8, refuse);
        let told = trace(&network, kind, config());
        let (_, end) = told.end();
        assert_eq!((end.reached, end.stop_reason), (false, StopReason::Unreachable), "{kind:?}");
        let mut hops = expected(kind.0, 8, 3, &[]);
        hops.push(hops[2].clone());
        assert_eq!(responders(end), hops, "{kind:?}");
        let kinds = |at: usize| end.hops[at].probes.iter().map(|probe| probe.response().unwrap().kind());
        assert!(kinds(2).all(|kind| kind == Some(ErrorKind::TimeExceeded)));
        assert!(kinds(3).all(|kind| kind == Some(meaning)));
    }
}

#[test]
fn a_link_too_narrow_for_the_packet_ends_the_trace_with_its_mtu() {
    let mut network = Network::new(1);
    let near = network.chain(US, &["2001:db8:1::1", "2001:db8:1::2"], Link::after(ms(1)));
    let narrow = Link::after(ms(1)).outward(Way::after(ms(1)).mtu(Mtu::new(1400).unwrap()));
    network.add(near, Node::host(target(Family::V6)), narrow);
    let lane = LanePlan { fragmentation: Some(Fragmentation::Probe), ..lane(LANES[1]) };
    let told = trace_over(&network, lane, &[target(Family::V6)], Config { packet_octets: Some(1500), ..config() });
    let (_, end) = told.end();
    assert_eq!((end.hops.len(), end.stop_reason), (3, StopReason::Unreachable));
    let response = end.hops[2].probes[0].response().unwrap();
    assert_eq!((response.kind(), response.error().unwrap().mtu), (Some(ErrorKind::TooBig), Mtu::new(1400)));
}

#[test]
fn a_closed_port_elsewhere_is_not_the_destination() {
    for kind in LANES {
        let closed = if kind.0 == Family::V4 { Failure::new(3, 3) } else { Failure::new(1, 4) };
        let mut network = Network::new(1);
        let refuse = |ttl, node: Node| if ttl == 4 { node.forwarding(Forwarding::Refuse(closed)) } else { node };
        path(&mut network, kind.0, 8, refuse);
        let told = trace(&network, kind, config());
        let (_, end) = told.end();
        assert_eq!((end.reached, end.stop_reason), (false, StopReason::PortUnreachableElsewhere), "{kind:?}");
        assert_eq!(end.hops.len(), 5, "{kind:?}");
    }
}

#[test]
fn a_target_that_refuses_is_reached() {
    for kind in LANES {
        let prohibited = if kind.0 == Family::V4 { Failure::new(3, 10) } else { Failure::new(1, 1) };
        let mut network = Network::new(1);
        let refuse = |ttl, node: Node| if ttl == 4 { node.change(.., Change::Refuse(prohibited)) } else { node };
        path(&mut network, kind.0, 4, refuse);
        let told = trace(&network, kind, config());
        let (_, end) = told.end();
        assert_eq!((end.reached, end.stop_reason), (true, StopReason::Destination), "{kind:?}");
        assert_eq!(end.hops[3].probes[0].response().unwrap().kind(), Some(ErrorKind::Prohibited), "{kind:?}");
    }
}

#[test]
fn time_exceeded_from_the_targets_own_address_is_a_hop_like_others() {
    for kind in LANES {
        let mut network = Network::new(1);
        let borrowed = target(kind.0);
        path(
            &mut network,
            kind.0,
            6,
            |ttl, node| if ttl == 3 { node.change(.., Change::Source(borrowed)) } else { node },
        );
        let told = trace(&network, kind, config());
        let (_, end) = told.end();
        let mut hops = expected(kind.0, 6, 6, &[]);
        hops[2] = vec![Some(borrowed); 3];
        assert_eq!(responders(end), hops, "{kind:?}");
        assert_eq!((end.reached, end.stop_reason), (true, StopReason::Destination), "{kind:?}");
    }
}

#[test]
fn an_echo_reply_from_another_address_reaches_and_shows_who_answered() {
    for kind in &LANES[..4] {
        let mut network = Network::new(1);
        let other = router(kind.0, 99);
        path(&mut network, kind.0, 4, |ttl, node| if ttl == 4 { node.change(.., Change::Source(other)) } else { node });
        let told = trace(&network, *kind, config());
        let (_, end) = told.end();
        assert_eq!((end.reached, end.stop_reason), (true, StopReason::Destination), "{kind:?}");
        assert_eq!(responders(end)[3], vec![Some(other); 3], "{kind:?}");
    }
}

#[test]
fn a_service_that_answers_on_the_port_is_the_destination() {
    let mut network = Network::new(1);
    let answer = |ttl, node: Node| if ttl == 4 { node.udp(53, UdpService::Answer(b"hello".to_vec())) } else { node };
    path(&mut network, Family::V4, 4, answer);
    let ports = Ports::Fixed(Port::new(53).unwrap());
    for flows in [1, 2, 16] {
        let told =
            trace_over(&network, LanePlan { flows, ..lane(UDP) }, &[target(Family::V4)], Config { ports, ..config() });
        let (_, end) = told.end();
        assert_eq!(responders(end), expected(Family::V4, 4, 4, &[]), "{flows} flows");
        let response = end.hops[3].probes[0].response().unwrap();
        assert!(matches!(response.event.outcome, Outcome::Reply(Reply { detail: Detail::Datagram, .. })));
        assert!(told.log.packets().iter().all(|packet| packet.ports().unwrap().1 == 53));
    }
}

#[test]
fn a_single_flow_with_a_fixed_port_carries_one_probe_at_a_time() {
    let mut network = Network::new(1);
    path(&mut network, Family::V4, 4, silent(&[2]));
    let ports = Ports::Fixed(Port::new(53).unwrap());
    let told = trace_over(&network, lane(UDP), &[target(Family::V4)], Config { ports, ..config() });
    let (_, end) = told.end();
    assert_eq!(responders(end), expected(Family::V4, 4, 4, &[2]));
    let packets = told.log.packets();
    for pair in packets.windows(2) {
        let answered = ms(5) * u32::from(pair[0].ttl.get());
        assert!(pair[1].at >= pair[0].at + answered, "{pair:?}");
    }
}

#[test]
fn destination_ports_count_up_from_the_first() {
    let mut network = Network::new(1);
    path(&mut network, Family::V4, 4, as_is);
    let told = trace(&network, UDP, config());
    let ports: Vec<u16> = told.log.packets().iter().map(|packet| packet.ports().unwrap().1).collect();
    assert_eq!(ports, (33434..).take(ports.len()).collect::<Vec<u16>>());
    let Some((_, Event::Began(Began { subject, .. }))) = told.events.first() else { panic!("no beginning") };
    assert_eq!((subject.port, subject.socket), (Some(33434), Some(SocketKind::Dgram)));
}

/// What a router may do to its quotes without its hop being lost.
fn harmless_quotes(family: Family) -> Vec<Quote> {
    vec![
        Quote::transport(8),
        Quote::transport(8).padded(),
        Quote::full().mangle(Mangle::SwapLength),
        Quote::full().mangle(Mangle::Length(0)),
        Quote::full().mangle(Mangle::Ttl(Ttl::new(0))),
        Quote::full().mangle(Mangle::Identification(0)),
        Quote::full().mangle(Mangle::SwapIdentification),
        Quote::full().mangle(Mangle::HeaderChecksum(0)),
        Quote::full().mangle(Mangle::Transport(2, vec![0, 0])).mangle(Mangle::Transport(8, vec![0; 40])),
        Quote::full().mangle(Mangle::Options(vec![7, 7, 4, 0, 0, 0, 0])),
        Quote::full().mangle(Mangle::Destination(router(family, 77))),
        Quote::transport(8).mangle(Mangle::Destination(router(family, 77))),
    ]
}

#[test]
fn odd_quotes_do_not_lose_their_hop() {
    for kind in &LANES[..4] {
        for quote in harmless_quotes(kind.0) {
            let mut network = Network::new(1);
            path(&mut network, kind.0, 5, |ttl, node| if ttl == 2 { node.quote(quote.clone()) } else { node });
            let told = trace(&network, *kind, config());
            assert_eq!(responders(told.end().1), expected(kind.0, 5, 5, &[]), "{kind:?} {quote:?}");
        }
    }
}

/// What a router may do to its quotes so that nobody can tell which probe they are about.
fn useless_quotes() -> Vec<Quote> {
    vec![
        Quote::cut_to(0),
        Quote::cut_to(11),
        Quote::cut_to(20),
        Quote::cut_to(24),
        Quote::cut_to(40),
        Quote::full().mangle(Mangle::Transport(0, vec![0xff; 200])),
        Quote::transport(8).mangle(Mangle::Transport(6, vec![0, 0])),
        Quote::transport(8).mangle(Mangle::Transport(6, vec![0xee, 0xee])),
        Quote::transport(8).mangle(Mangle::Transport(0, vec![0; 4])),
    ]
}

#[test]
fn useless_quotes_cost_at_most_their_own_hop() {
    for kind in LANES {
        for quote in useless_quotes() {
            let mut network = Network::new(1);
            path(&mut network, kind.0, 5, |ttl, node| if ttl == 2 { node.quote(quote.clone()) } else { node });
            let told = trace(&network, kind, config());
            let (_, end) = told.end();
            let (mut found, mut all) = (responders(end), expected(kind.0, 5, 5, &[]));
            assert!(end.reached, "{kind:?} {quote:?}");
            assert_eq!(found.len(), 5, "{kind:?} {quote:?}");
            assert!(found[1].iter().flatten().all(|&address| address == router(kind.0, 2)), "{kind:?} {quote:?}");
            found.remove(1);
            all.remove(1);
            assert_eq!(found, all, "{kind:?} {quote:?}");
        }
    }
}

#[test]
fn duplicates_damage_and_advice_change_nothing() {
    for kind in LANES {
        let mut network = Network::new(1);
        path(&mut network, kind.0, 6, |ttl, node| match ttl {
            2 => node.change(.., Change::Again(ms(3))),
            3 => node.change([1], Change::WrongChecksum),
            4 => node.change(.., Change::Redirect(router(kind.0, 66))),
            6 => node.change(.., Change::Again(ms(1))),
            _ => node,
        });
        let told = trace(&network, kind, config());
        let mut hops = expected(kind.0, 6, 6, &[]);
        hops[2][0] = None;
        assert_eq!(responders(told.end().1), hops, "{kind:?}");
    }
}

#[test]
fn an_answer_behind_its_wait_fills_in_as_late() {
    let mut network = Network::new(1);
    path(&mut network, Family::V4, 15, |ttl, node| match ttl {
        1 | 2 => node,
        3 => node.answer_delay(ms(650)),
        _ => node.silent(),
    });
    let told = trace(&network, RAW, config());
    let (_, end) = told.end();
    assert_eq!(responders(end)[2], vec![Some(router(Family::V4, 3)); 3]);
    assert!(end.hops[2].probes[0].event.standing.is_late());
    assert!(
        end.hops[..2]
            .iter()
            .flat_map(|hop| &hop.probes)
            .all(|probe| probe.response().is_some() && !probe.event.standing.is_late())
    );
}

#[test]
fn a_satellite_behind_the_second_hop_does_not_end_the_trace() {
    for kind in LANES {
        let mut network = Network::new(1);
        let mut last = US;
        for ttl in 1..=8 {
            let node = if ttl == 8 { Node::host(target(kind.0)) } else { Node::router(router(kind.0, ttl)) };
            let delay = if ttl == 3 { ms(300) } else { Duration::from_micros(500) };
            last = network.add(last, node, Link::after(delay));
        }
        let told = trace(&network, kind, config());
        assert_eq!(responders(told.end().1), expected(kind.0, 8, 8, &[]), "{kind:?}");
    }
}

#[test]
fn a_dead_resolver_costs_at_most_half_a_second() {
    for outcome in [NameOutcome::Never, NameOutcome::TimesOut(ms(5000)), NameOutcome::Named("slow".into(), ms(5000))] {
        let mut network = Network::new(1);
        path(&mut network, Family::V4, 15, silent(&[5]));
        let without = trace(&network, RAW, config());
        for ttl in 1..15 {
            network.name(router(Family::V4, ttl), outcome.clone());
        }
        network.name(target(Family::V4), outcome);
        let with = trace(&network, RAW, Config { names: true, ..config() });
        let ((before, plain), (after, named)) = (without.end(), with.end());
        assert_eq!(named, plain);
        assert!(after <= before + ms(500), "{before:?} {after:?}");
        assert_eq!(with.log.times(), without.log.times(), "names never delay a probe");
    }
}

#[test]
fn a_resolver_that_says_it_timed_out_is_waited_for_no_longer() {
    let mut network = Network::new(1);
    path(&mut network, Family::V4, 3, as_is);
    for ttl in 1..3 {
        network.name(router(Family::V4, ttl), NameOutcome::TimesOut(ms(100)));
    }
    network.name(target(Family::V4), NameOutcome::Named("never.example".into(), ms(400)));
    let told = trace(&network, RAW, Config { names: true, ..config() });
    assert!(told.end().0 < ms(120), "{:?}", told.end().0);
}

#[test]
fn names_are_asked_for_once_and_shown_where_they_came_in_time() {
    let mut network = Network::new(1);
    path(&mut network, Family::V4, 3, as_is);
    network.name(router(Family::V4, 1), NameOutcome::Named("r1.example".into(), ms(50)));
    network.name(router(Family::V4, 2), NameOutcome::Nameless(ms(1)));
    network.name(target(Family::V4), NameOutcome::Named("t.example".into(), ms(400)));
    let told = trace(&network, RAW, Config { names: true, ..config() });
    let wanted: Vec<IpAddr> = told
        .events
        .iter()
        .filter_map(|(_, event)| if let Event::NameWanted(address) = event { Some(*address) } else { None })
        .collect();
    assert_eq!(wanted, [router(Family::V4, 1), router(Family::V4, 2), target(Family::V4)]);
    let names = |hop: &Hop| -> Vec<Option<String>> {
        hop.responders.iter().map(|responder| responder.name.as_deref().map(String::from)).collect()
    };
    let shown: Vec<_> = told.hops().iter().map(|(_, hop)| names(hop)[0].clone()).collect();
    assert_eq!(shown, [Some("r1.example".into()), None, Some("t.example".into())]);
    assert!(told.hops()[0].0 >= ms(50));
}

#[test]
fn an_interrupt_ends_the_trace_with_the_hops_so_far() {
    let mut network = Network::new(1);
    path(&mut network, Family::V4, 15, silent(&[2]));
    network.at(ms(60), Control::Interrupt);
    let told = trace(&network, RAW, config());
    let (time, end) = told.end();
    assert_eq!((time, end.reached, end.stop_reason), (ms(60), false, StopReason::Interrupted));
    let shown: Vec<_> = end.hops.iter().map(|hop| hop.ttl.get()).collect();
    assert!(shown.len() >= 6 && shown.iter().copied().eq(1..=shown.len() as u8), "{shown:?}");
    assert_eq!(responders(end)[1], [None; 3], "its probes are unanswered so far");
    assert!(told.hops().iter().map(|(_, hop)| *hop).eq(end.hops.iter().map(|hop| &**hop)));
}

#[test]
fn interim_figures_tell_how_far_a_trace_has_come_and_change_nothing() {
    let (soon, later) = (Duration::from_micros(500), Duration::from_micros(60_500));
    let play = |asked: &[Duration]| {
        let mut network = Network::new(1);
        path(&mut network, Family::V4, 15, silent(&[2]));
        asked.iter().for_each(|&at| network.at(at, Control::Interim));
        trace(&network, RAW, config())
    };
    let asked = play(&[soon, later]);
    let figures = |(time, event): &(Duration, Event)| match event {
        Event::Interim(figures) => Some((*time, figures.clone())),
        _ => None,
    };
    let told: Vec<_> = asked.events.iter().filter_map(figures).collect();
    let [(first_at, first), (second_at, second)] = &told[..] else { panic!("{told:?}") };
    assert_eq!((*first_at, *second_at), (soon, later));
    assert_eq!((first.answered, first.highest_ttl, first.final_hops), (0, None, 0));
    let left = asked.log.times().iter().filter(|&&at| at <= later).count();
    assert_eq!(second.sent as usize, left);
    let shown = asked.hops().iter().filter(|(time, _)| *time <= later).count();
    assert_eq!(second.final_hops, shown);
    // Hops behind the silent one have answered, and wait for it.
    let highest = second.highest_ttl.expect("somebody answered").get();
    assert!(second.answered < second.sent && usize::from(highest) > shown, "{second:?}");
    let untouched: Vec<_> = asked.events.iter().filter(|told| figures(told).is_none()).cloned().collect();
    assert_eq!(untouched, play(&[]).events);
}

#[test]
fn a_stop_waits_for_what_is_in_flight() {
    let mut network = Network::new(1);
    path(&mut network, Family::V4, 15, as_is);
    network.at(ms(12), Control::Stop);
    let told = trace(&network, RAW, config());
    let (_, end) = told.end();
    assert_eq!(end.stop_reason, StopReason::Interrupted);
    assert!(told.log.times().iter().all(|&at| at <= ms(12)));
    let answered = responders(end).iter().flatten().flatten().count();
    assert_eq!(answered, told.log.packets().len());
}

#[test]
fn every_target_has_one_start_its_hops_in_order_and_one_end() {
    let mut network = Network::new(1);
    let fork = network.add(US, Node::router(router(Family::V4, 1)), Link::after(ms(2)));
    let targets: Vec<IpAddr> = (1..=50).map(|host| IpAddr::from([198, 51, 100, host])).collect();
    for &address in &targets {
        network.add(fork, Node::host(address), Link::after(ms(5)));
    }
    // One of them twice: the second trace waits for the first.
    let targets: Vec<IpAddr> = targets.iter().copied().chain([targets[0]]).collect();
    for kind in [RAW, LANES[2], UDP] {
        let told = trace_over(&network, lane(kind), &targets, config());
        assert_eq!(told.ends().len(), targets.len());
        for (_, end) in told.ends() {
            let id = end.began.subject.id;
            let own: Vec<&Event> = told
                .events
                .iter()
                .map(|(_, event)| event)
                .filter(|event| match event {
                    Event::Began(began) => began.subject.id == id,
                    Event::Hop(subject, _) => subject.id == id,
                    Event::Ended(trace) => trace.began.subject.id == id,
                    Event::Probe(event) => event.subject.id == id && matches!(event.outcome, Outcome::NotSent(_)),
                    Event::NameWanted(_) | Event::Interim(_) | Event::Flows(_) | Event::Report(_) => false,
                    unknown => panic!("{unknown:?}"),
                })
                .collect();
            let [Event::Began(_), Event::Hop(_, first), Event::Hop(_, second), Event::Ended(_)] = own[..] else {
                panic!("{kind:?} {own:?}");
            };
            assert_eq!((first.ttl.get(), second.ttl.get()), (1, 2));
            assert_eq!(responders(end)[1], vec![Some(targets[id.index()]); 3], "{kind:?}");
        }
    }
}

#[test]
fn one_probe_in_flight_means_one_after_the_other() {
    let mut network = Network::new(1);
    path(&mut network, Family::V4, 5, as_is);
    let told = trace(&network, RAW, Config { in_flight: Some(1), ..config() });
    assert_eq!(responders(told.end().1), expected(Family::V4, 5, 5, &[]));
    let packets = told.log.packets();
    let ttls: Vec<u8> = packets.iter().map(|packet| packet.ttl.get()).collect();
    assert_eq!(ttls, (1..=5).flat_map(|ttl| [ttl; 3]).collect::<Vec<u8>>());
    for pair in packets.windows(2) {
        assert!(pair[1].at >= pair[0].at + ms(5) * u32::from(pair[0].ttl.get()));
    }
}

#[test]
fn at_most_so_many_probes_are_in_flight() {
    let mut network = Network::new(1);
    path(&mut network, Family::V4, 20, |_, node| node.silent());
    let wait = Some(Wait { max: ms(1000), here: 0.0, near: 0.0 });
    let told = trace(&network, RAW, Config { in_flight: Some(4), wait, max_ttl: Ttl::new(4), ..config() });
    let times = told.log.times();
    assert_eq!(times.len(), 12);
    for window in times.windows(5) {
        assert!(window[4] >= window[0] + ms(1000), "{window:?}");
    }
}

#[test]
fn explicit_waits_mean_what_they_mean_in_traceroute() {
    let run = |wait: Wait, hops: &'static [u8]| {
        let mut network = Network::new(1);
        path(&mut network, Family::V4, 10, silent(hops));
        trace(&network, RAW, Config { wait: Some(wait), ..config() }).end().0
    };
    let max = run(Wait { max: ms(3000), here: 0.0, near: 0.0 }, &[3]);
    assert!((ms(3000)..ms(3100)).contains(&max), "{max:?}");
    // Ten times the 20 ms of the fourth hop, from the third probe of the third hop on.
    let near = run(Wait { max: ms(3000), here: 3.0, near: 10.0 }, &[3]);
    assert!((ms(200)..ms(300)).contains(&near), "{near:?}");
    let nobody_behind = run(Wait { max: ms(1000), here: 3.0, near: 10.0 }, &[3, 4, 5, 6, 7, 8, 9, 10]);
    assert!((ms(1000)..ms(2000)).contains(&nobody_behind), "{nobody_behind:?}");
}

#[test]
fn a_send_gap_lies_between_all_probes() {
    let mut network = Network::new(1);
    path(&mut network, Family::V4, 3, as_is);
    let told = trace(&network, RAW, Config { send_gap: Some(ms(50)), ..config() });
    assert!(told.log.times().windows(2).all(|pair| pair[1] >= pair[0] + ms(50)));
    assert_eq!(responders(told.end().1), expected(Family::V4, 3, 3, &[]));
}

#[test]
fn a_rate_holds_over_all_traces_together() {
    let mut network = Network::new(1);
    let fork = network.add(US, Node::router(router(Family::V4, 1)), Link::after(ms(2)));
    let targets: Vec<IpAddr> = (1..=5).map(|host| IpAddr::from([198, 51, 100, host])).collect();
    for &address in &targets {
        network.add(fork, Node::host(address), Link::after(ms(5)));
    }
    let told = trace_over(&network, lane(RAW), &targets, Config { rate: Some(50.0), ..config() });
    assert!(told.log.times().windows(2).all(|pair| pair[1] >= pair[0] + ms(20)));
    assert!(told.ends().iter().all(|(_, end)| end.reached && end.hops.len() == 2));
}

/// Routers at 1 to 4, and behind them this many targets.
fn crowd(network: &mut Network, targets: u16, link: Link) -> Vec<IpAddr> {
    let routers = path(network, Family::V4, 5, as_is);
    let address = |number: u16| IpAddr::from([198, 18, (number >> 8) as u8, number as u8]);
    let targets: Vec<IpAddr> = (1..=targets).map(address).collect();
    for &target in &targets {
        network.add(routers[3], Node::host(target), link.clone());
    }
    targets
}

#[test]
fn many_unpaced_traces_run_side_by_side_and_send_nothing_beyond_their_targets() {
    let mut network = Network::new(1);
    let targets = crowd(&mut network, 300, Link::after(Duration::from_micros(2500)));
    let told = trace_over(&network, lane(RAW), &targets, Config { paced: false, probes_per_hop: 1, ..config() });
    assert!(told.ends().iter().all(|(_, end)| end.reached && end.hops.len() == 5));
    assert_eq!((told.ends().len(), told.log.times().len()), (300, 300 * 5));
    let (last, _) = told.ends().into_iter().max_by_key(|(at, _)| *at).unwrap();
    assert!(last < ms(300), "{last:?}");
}

#[test]
fn traces_that_wait_leave_the_rate_to_others() {
    let mut network = Network::new(1);
    let targets = crowd(&mut network, 100, Link::after(ms(1)).outward(Way::after(ms(1)).lose(..)));
    let told = trace_over(&network, lane(RAW), &targets, Config { rate: Some(2000.0), probes_per_hop: 1, ..config() });
    let (last, _) = told.ends().into_iter().max_by_key(|(at, _)| *at).unwrap();
    let sent = u32::try_from(told.log.times().len()).unwrap();
    assert!(last < ms(1500) + sent * Duration::from_micros(500), "{last:?} {sent}");
    assert!(told.log.times().windows(2).all(|pair| pair[1] >= pair[0] + Duration::from_micros(500)));
}

#[test]
fn unpaced_probes_leave_at_once() {
    let mut network = Network::new(1);
    path(&mut network, Family::V4, 15, as_is);
    let told = trace(&network, RAW, Config { paced: false, ..config() });
    assert!(told.log.times().iter().all(|at| at.is_zero()));
    let (time, end) = told.end();
    assert_eq!((time, responders(end)), (ms(75), expected(Family::V4, 15, 15, &[])));
}

#[test]
fn a_gap_of_silent_hops_ends_the_trace() {
    let mut network = Network::new(1);
    path(&mut network, Family::V4, 15, silent(&[3, 6, 7, 8]));
    let told = trace(&network, RAW, Config { gap_limit: Some(3), ..config() });
    let (_, end) = told.end();
    assert_eq!((end.hops.len(), end.stop_reason), (8, StopReason::GapLimit));
    assert_eq!(responders(end), expected(Family::V4, 15, 8, &[3, 6, 7, 8]));
    assert_eq!(told.beyond(8), 0);
}

#[test]
fn the_first_ttl_is_the_first_hop() {
    let mut network = Network::new(1);
    path(&mut network, Family::V4, 6, as_is);
    let told = trace(&network, RAW, Config { first_ttl: Ttl::new(4), ..config() });
    let (_, end) = told.end();
    assert_eq!(responders(end), expected(Family::V4, 6, 6, &[])[3..]);
    assert_eq!(end.hops[0].ttl, Ttl::new(4));
}

#[test]
fn refused_probes_are_tried_again_and_reported_once() {
    let mut network = Network::new(1);
    path(&mut network, Family::V4, 5, as_is);
    network.refuse_sends(4..=7, OsError::ENOBUFS);
    let told = trace(&network, RAW, config());
    assert_eq!(responders(told.end().1), expected(Family::V4, 5, 5, &[]));
    let failures: Vec<&NotSent> = told.events.iter().filter_map(|(_, event)| not_sent(event)).collect();
    assert_eq!(failures.iter().filter(|failure| !failure.repeated).count(), 1);
    assert_eq!(failures.len(), 4);
}

#[test]
fn a_trace_that_can_send_nothing_ends_soon() {
    let mut network = Network::new(1);
    path(&mut network, Family::V4, 5, as_is);
    network.refuse_sends(.., OsError::EPERM);
    let told = trace(&network, RAW, config());
    let (time, end) = told.end();
    assert_eq!((end.reached, end.stop_reason, end.hops.len()), (false, StopReason::SendFailed, 0));
    assert!(time < ms(100), "{time:?}");
    assert!(
        told.events.iter().any(|(_, event)| not_sent(event).is_some_and(|failure| failure.error == OsError::EPERM))
    );
}

#[test]
fn a_network_that_goes_away_ends_the_trace_with_the_hops_so_far() {
    let mut network = Network::new(1);
    path(&mut network, Family::V4, 15, as_is);
    network.refuse_sends(10.., OsError::ENETUNREACH);
    let told = trace(&network, RAW, config());
    let (_, end) = told.end();
    assert_eq!(end.stop_reason, StopReason::SendFailed);
    assert!(!end.hops.is_empty() && end.hops.len() < 15, "{}", end.hops.len());
}

#[test]
fn targets_without_address_or_route_have_an_end_of_their_own() {
    let mut network = Network::new(1);
    path(&mut network, Family::V4, 2, as_is);
    let OpenedLanes { mut channel, .. } =
        network.open(&Plan { lanes: vec![lane(RAW)], names: false, ..Plan::default() });
    let endpoint = IpEndpoint::from_address(target(Family::V4));
    let target = |destination| Target { target: "x".into(), name: "x".into(), numeric: false, destination };
    let targets = vec![target(Destination::Unresolved), target(Destination::Unroutable { endpoint })];
    let mut tracer = Tracer::new(Config { targets, ..config() });
    let mut told = Vec::new();
    driver::run(&mut *channel, &mut tracer, Precision::Relaxed, |turn| {
        if let Turn::Event(event) = turn {
            told.push(event);
        }
        Next::Continue
    })
    .unwrap();
    let [Event::Began(first), Event::Ended(_), Event::Began(second), Event::Ended(end)] = &told[..] else {
        panic!("{told:?}");
    };
    assert_eq!((first.subject.address, second.subject.address), (None, Some(endpoint.address)));
    assert_eq!((end.stop_reason, end.hops.len()), (StopReason::SendFailed, 0));
}

#[test]
fn a_stalled_process_does_not_make_answers_late() {
    let mut network = Network::new(1);
    path(&mut network, Family::V4, 15, as_is);
    network.stall(ms(20), ms(3000));
    let told = trace(&network, RAW, config());
    let (_, end) = told.end();
    assert_eq!(responders(end), expected(Family::V4, 15, 15, &[]));
    for response in end.hops.iter().flat_map(|hop| &hop.probes).map(|probe| probe.response().unwrap()) {
        assert!(!response.event.standing.is_late() && response.rtt.as_duration() <= ms(75), "{response:?}");
    }
}

#[test]
fn lossy_paths_are_survived_with_any_seed() {
    for seed in 0..20 {
        for kind in LANES {
            let mut network = Network::new(seed);
            let mut last = US;
            for ttl in 1..=10 {
                let node = if ttl == 10 { Node::host(target(kind.0)) } else { Node::router(router(kind.0, ttl)) };
                let way = || Way::after(ms(2)).vary(ms(3)).lose(0.02).duplicate(0.05);
                last = network.add(last, node, Link::default().outward(way()).homeward(way()));
            }
            let told = trace(&network, kind, config());
            let (_, end) = told.end();
            for (hop, expected) in end.hops.iter().zip(expected(kind.0, 10, 10, &[])) {
                assert!(
                    hop.responses().map(|response| Some(response.responder)).all(|found| found == expected[0]),
                    "{seed} {kind:?}"
                );
            }
        }
    }
}

#[test]
fn a_long_path_takes_little_more_than_its_own_delay() {
    // One-way delays in µs: evenly spread, and most of it on one link.
    let even = vec![3000; 15];
    let ocean = [vec![500; 7], vec![40_000], vec![200; 7]].concat();
    for delays in [even, ocean] {
        for (kind, most) in [(RAW, ms(160)), (UDP, ms(330))] {
            let mut network = Network::new(1);
            let mut last = US;
            for (ttl, &delay) in (1..).zip(&delays) {
                let node = if ttl == 15 { Node::host(target(kind.0)) } else { Node::router(router(kind.0, ttl)) };
                last = network.add(last, node, Link::after(Duration::from_micros(delay)));
            }
            let told = trace(&network, kind, config());
            let (time, end) = told.end();
            assert_eq!(responders(end), expected(kind.0, 15, 15, &[]));
            assert!(time < most, "{kind:?} {time:?}");
        }
    }
}

#[test]
fn a_short_path_is_over_as_soon_as_its_probes_are_spread() {
    let mut network = Network::new(1);
    network.add(US, Node::host(target(Family::V4)), Link::after(Duration::from_micros(100)));
    let told = trace(&network, RAW, config());
    assert!(told.end().0 < ms(21), "{:?}", told.end().0);
    assert_eq!(told.log.packets().len(), 3);
}
