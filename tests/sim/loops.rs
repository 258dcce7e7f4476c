//! Responders that answer each other: every loop dies, and no honest client pays for it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use netprobe::channel::{Datagram, Inbound, Inbox, LaneId, Order, Outbox};
use netprobe::engine::Machine;
use netprobe::respond::{Config, Listener, ListenerKind, Responder};
use netprobe::sim::{EPOCH, ip};
use netprobe::types::{Endpoint, Family, Instant, IpEndpoint, Now, Stamp, Ttl};
use netprobe::wire::stamp::{self, ErrorEstimate, ReflectorPacket, SenderPacket, Timestamp};

/// How long a host takes to answer.
const TURNAROUND: Duration = Duration::from_micros(500);
/// One way, in milliseconds.
const DELAYS: [u64; 7] = [0, 1, 5, 20, 100, 250, 500];
/// By then the last datagram of any loop must have arrived.
const DEAD: Duration = Duration::from_secs(6);
/// The lane for questions, and its port.
const ASKER: (LaneId, u16) = (LaneId::new(1), 50_000);
const CLIENT: (&str, u16) = ("198.51.100.1", 40_000);

fn endpoint((address, port): (&str, u16)) -> Endpoint {
    Endpoint::Ip(IpEndpoint::from_address(ip(address)).with_port(port))
}

/// A host with one service.
struct Host {
    address: IpAddr,
    port: u16,
    serves: Serves,
}

enum Serves {
    Rpong(Box<Responder>),
    /// Any other echo.
    Echo,
    /// A reflector that takes its own kind's answers for requests, and numbers its own or repeats the sender's number.
    Reflector {
        stateful: bool,
        sequence: u32,
    },
}

type Sent = (IpEndpoint, IpEndpoint, Vec<u8>);

impl Host {
    fn rpong(address: &str, port: u16, service: ListenerKind, rate: Option<u32>) -> Self {
        Host::rpong_with(address, port, service, rate, |_| ())
    }

    fn rpong_with(
        address: &str,
        port: u16,
        service: ListenerKind,
        rate: Option<u32>,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let listener = Listener { lane: LaneId::new(0), service, at: endpoint((address, port)) };
        let mut config = Config {
            listeners: vec![listener],
            askers: vec![(Family::V4, ASKER.0)],
            seed: port.into(),
            rate,
            ..Config::default()
        };
        change(&mut config);
        Host { address: ip(address), port, serves: Serves::Rpong(Box::new(Responder::new(config))) }
    }

    fn other(address: &str, port: u16, serves: Serves) -> Self {
        Host { address: ip(address), port, serves }
    }

    fn receive(&mut self, now: Now, from: IpEndpoint, to: IpEndpoint, octets: &[u8]) -> Vec<Sent> {
        match &mut self.serves {
            Serves::Rpong(responder) => rpong_receives(responder, now, self.port, from, to, octets),
            _ if to.port_number() != self.port => Vec::new(),
            Serves::Echo => vec![(to, from, octets.to_vec())],
            Serves::Reflector { stateful, sequence } => {
                let Ok(packet) = stamp::parse_sender(octets) else { return Vec::new() };
                *sequence += 1;
                let time = Timestamp::ntp(now.wall);
                let answer = ReflectorPacket {
                    sequence: if *stateful { *sequence } else { packet.sequence },
                    timestamp: time,
                    error: ErrorEstimate::UNKNOWN,
                    ssid: packet.ssid,
                    received: time,
                    sender_sequence: packet.sequence,
                    sender_timestamp: packet.timestamp,
                    sender_error: packet.error,
                    sender_ttl: Ttl::MAX,
                };
                let mut out = Vec::new();
                stamp::push_reflector(&answer, &mut out);
                vec![(to, from, out)]
            }
        }
    }
}

fn rpong_receives(
    responder: &mut Responder,
    now: Now,
    port: u16,
    from: IpEndpoint,
    to: IpEndpoint,
    octets: &[u8],
) -> Vec<Sent> {
    let lane = if to.port_number() == port { LaneId::new(0) } else { ASKER.0 };
    let mut inbox = Inbox::default();
    let octets = inbox.store(octets);
    let inbound = Inbound::Datagram(Datagram {
        lane,
        flow: 0,
        from: Endpoint::Ip(from),
        to: Some(to.address),
        ifindex: None,
        reply_ttl: Some(Ttl::new(60)),
        tos: None,
        stamp: Stamp::user(now),
        octets,
        cut: false,
    });
    responder.handle(now, &inbound, inbox.arena());
    if responder.poll_timeout().is_some_and(|due| due <= now.mono) {
        responder.handle_timeout(now);
    }
    while responder.poll_event().is_some() {}
    let mut outbox = Outbox::default();
    responder.poll_orders(now, &mut outbox);
    let mut sent = Vec::new();
    while let Some(order) = outbox.pop_front() {
        if let Order::Send(send) = order {
            let from = if send.lane == ASKER.0 { ASKER.1 } else { port };
            let answer_to = send.to.ip().expect("an internet address");
            sent.push((to.with_port(from), answer_to, outbox.octets(send.octets).to_vec()));
        }
    }
    sent
}

/// Hosts with the same delay between any two of them.
struct World {
    delay: Duration,
    hosts: Vec<Host>,
    on_the_way: BTreeMap<(Duration, u64), Sent>,
    count: u64,
    /// What the client received, with the time.
    received: Vec<(Duration, IpEndpoint, Vec<u8>)>,
}

impl World {
    fn new(delay: Duration, hosts: Vec<Host>) -> Self {
        World { delay, hosts, on_the_way: BTreeMap::new(), count: 0, received: Vec::new() }
    }

    fn send(&mut self, time: Duration, sent: Sent) {
        self.count += 1;
        self.on_the_way.insert((time + self.delay + TURNAROUND, self.count), sent);
    }

    /// Forges datagrams from each service to each other one: `each` of them, with payloads of their own or all alike.
    fn forge(&mut self, each: usize, alike: bool) {
        let services: Vec<_> =
            self.hosts.iter().map(|host| IpEndpoint::from_address(host.address).with_port(host.port)).collect();
        for &from in &services {
            for &to in services.iter().filter(|to| **to != from) {
                for number in 0..each {
                    let sequence = if alike { 1 } else { number as u32 };
                    let timestamp = Timestamp::ntp(EPOCH);
                    let packet = SenderPacket { sequence, timestamp, error: ErrorEstimate::UNKNOWN, ssid: 0 };
                    let mut octets = Vec::new();
                    stamp::push_sender(&packet, &mut octets);
                    self.send(Duration::ZERO, (from, to, octets));
                }
            }
        }
    }

    /// Lets everything arrive until `end`; returns when the last datagram did.
    fn run(&mut self, end: Duration) -> Duration {
        let mut last = Duration::ZERO;
        while let Some(((time, _), (from, to, octets))) = self.on_the_way.pop_first() {
            if time > end {
                return time;
            }
            last = time;
            let now = Now { mono: Instant::from_nanos(1_000_000_000) + time, wall: EPOCH.saturating_add(time) };
            let answers = match self.hosts.iter_mut().find(|host| host.address == to.address) {
                Some(host) => host.receive(now, from, to, &octets),
                None => {
                    self.received.push((time, from, octets));
                    Vec::new()
                }
            };
            for answer in answers {
                self.send(time, answer);
            }
        }
        last
    }
}

const ADDRESSES: [&str; 5] = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5"];
/// No port is that of a known service, and two are of the range from which clients get theirs.
const PORTS: [u16; 5] = [7007, 45_001, 1234, 9999, 60_000];

/// The loops between hosts that `host` makes, over every delay, end in time.
fn all_die(host: impl Fn(usize, &str, u16, Option<u32>) -> Host) {
    for delay in DELAYS.map(Duration::from_millis) {
        for hosts in 2..=5 {
            // The limit of the rate ends loops of many datagrams, too; without it, few are enough to show that they end.
            for (rate, each, alike) in [(Some(1000), 18, true), (Some(1000), 18, false), (None, 1, true)] {
                let make = |at| host(at, ADDRESSES[at], PORTS[at], rate);
                let mut world = World::new(delay, (0..hosts).map(make).collect());
                world.forge(each, alike);
                let last = world.run(DEAD * 2);
                assert!(last <= DEAD, "{hosts} hosts, {delay:?}: {last:?} after {} datagrams", world.count);
            }
        }
    }
}

#[test]
fn echoes_of_ours_do_not_answer_each_other_for_ever() {
    all_die(|_, address, port, rate| Host::rpong(address, port, ListenerKind::Udp, rate));
}

#[test]
fn echoes_that_know_no_client_or_forget_each_soon_do_not_answer_each_other_for_ever_either() {
    let changes: [fn(&mut Config); 2] =
        [|config| config.max_sessions = 0, |config| config.idle = Duration::from_millis(100)];
    for change in changes {
        all_die(|_, address, port, rate| Host::rpong_with(address, port, ListenerKind::Udp, rate, change));
    }
}

#[test]
fn reflectors_of_ours_do_not_answer_each_other_at_all() {
    let host = |_, address: &str, port, rate| Host::rpong(address, port, ListenerKind::Stamp, rate);
    all_die(host);
    let mut world =
        World::new(Duration::from_millis(20), (0..2).map(|at| host(at, ADDRESSES[at], PORTS[at], None)).collect());
    world.forge(1, true);
    world.run(DEAD);
    assert_eq!(world.count, 4, "two forged, and one answer to each");
}

#[test]
fn an_echo_and_a_reflector_of_ours_do_not_answer_each_other_for_ever() {
    all_die(|at, address, port, rate| {
        let service = if at % 2 == 0 { ListenerKind::Udp } else { ListenerKind::Stamp };
        Host::rpong(address, port, service, rate)
    });
}

#[test]
fn no_other_echo_or_reflector_keeps_one_of_ours_in_a_loop() {
    for service in [ListenerKind::Udp, ListenerKind::Stamp] {
        for kind in 0..3 {
            for delay in DELAYS.map(Duration::from_millis) {
                let serves = match kind {
                    0 => Serves::Echo,
                    kind => Serves::Reflector { stateful: kind == 1, sequence: 0 },
                };
                let ours = Host::rpong(ADDRESSES[0], PORTS[0], service, Some(1000));
                let mut world = World::new(delay, vec![ours, Host::other(ADDRESSES[1], PORTS[1], serves)]);
                world.forge(18, false);
                let last = world.run(DEAD * 2);
                assert!(last <= DEAD, "{service:?} and {kind}, {delay:?}: {last:?}");
            }
        }
    }
}

/// What a client receives that sends a thousand equal datagrams, one each `interval`.
fn a_thousand(delay: Duration, interval: Duration) -> World {
    let mut world = World::new(delay, vec![Host::rpong(ADDRESSES[0], PORTS[0], ListenerKind::Udp, Some(1000))]);
    let [from, to] = [CLIENT, (ADDRESSES[0], PORTS[0])].map(|at| endpoint(at).ip().expect("an address"));
    for number in 0..1000 {
        world.send(interval * number, (from, to, b"the same again".to_vec()));
    }
    world.run(Duration::from_secs(3600));
    world
}

#[test]
fn a_client_that_sends_the_same_a_thousand_times_gets_every_answer() {
    for delay in DELAYS.map(Duration::from_millis) {
        for interval in [1, 3, 10, 100, 1000].map(Duration::from_millis) {
            let received = a_thousand(delay, interval).received;
            let (answers, questions): (Vec<_>, Vec<_>) =
                received.iter().partition(|(_, from, _)| from.port_number() == PORTS[0]);
            assert_eq!(answers.len(), 1000, "{delay:?} {interval:?}");
            assert!(answers.iter().all(|(_, _, octets)| octets == b"the same again"));
            assert!(questions.len() <= 3 && questions.iter().all(|(_, _, octets)| octets.len() == 8));
            assert!(interval > Duration::from_millis(1) || questions.is_empty(), "over in a second");
        }
    }
}

#[test]
fn a_client_that_waits_for_each_answer_gets_them_all_too() {
    for delay in DELAYS.map(Duration::from_millis) {
        let mut world = World::new(delay, vec![Host::rpong(ADDRESSES[0], PORTS[0], ListenerKind::Udp, Some(1000))]);
        let [from, to] = [CLIENT, (ADDRESSES[0], PORTS[0])].map(|at| endpoint(at).ip().expect("an address"));
        let mut time = Duration::ZERO;
        for number in 0..1000 {
            world.send(time, (from, to, b"the same again".to_vec()));
            world.run(Duration::from_secs(3600));
            let answer = world.received.iter().find(|(_, from, _)| from.port_number() == PORTS[0]);
            time = answer.unwrap_or_else(|| panic!("{delay:?}: no answer {number}")).0;
            world.received.clear();
        }
    }
}
