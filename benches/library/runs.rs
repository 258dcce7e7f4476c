//! What whole runs cost without a kernel: Machine and driver over the simulated network, in virtual time. The simulation's
//! own work is in the figures, so they compare changes of the engine, not rping with anything else.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

use netprobe::channel::{LaneId, LanePlan, OpenedLanes, Plan, Precision, Protocol, SocketChoice};
use netprobe::driver::{self, Next};
use netprobe::engine::{Destination, Machine, Target};
use netprobe::ping::{self, Pace, Ping, Spec, Task};
use netprobe::sim::{Link, Network, Node, US, ip};
use netprobe::trace::{self, Ports, Tracer};
use netprobe::types::{Family, IpEndpoint, Port, Ttl};

const TARGETS: [u8; 3] = [1, 16, 250];
const PROBES_PER_TARGET: u64 = 10;
const HOPS: u8 = 15;
const PROBES_PER_HOP: u32 = 3;

criterion_group!(benches, rping, rtrace);
criterion_main!(benches);

/// Ten probes to each of a number of targets at once.
fn rping(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("rping");
    for targets in TARGETS {
        let mut network = Network::new(1);
        network.add(US, Node::host(ip("198.51.100.9")).prefix(ip("203.0.113.0"), 24), Link::after(ms(5)));
        let addresses: Vec<IpAddr> = (0..targets).map(|host| IpAddr::from([203, 0, 113, host])).collect();
        let probes = u64::from(targets) * PROBES_PER_TARGET;
        let start = || {
            let (opened, targets) = open(&network, &addresses);
            (opened, Ping::new(ping_config(targets)))
        };
        let (opened, ping) = start();
        play(opened, ping);
        assert_eq!(network.log().packets().len() as u64, probes);
        group.throughput(Throughput::Elements(probes));
        group.bench_function(BenchmarkId::from_parameter(targets), |bencher| {
            bencher.iter_batched(start, |(opened, ping)| play(opened, ping), BatchSize::PerIteration);
        });
    }
}

/// A trace over a path of fifteen hops that all answer.
fn rtrace(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("rtrace");
    let mut network = Network::new(1);
    let mut last = US;
    for ttl in 1..HOPS {
        last = network.add(last, Node::router(IpAddr::from([203, 0, 113, ttl])), Link::after(ms(3)));
    }
    let target = ip("198.51.100.9");
    network.add(last, Node::host(target), Link::after(ms(3)));
    let probes = u64::from(HOPS) * u64::from(PROBES_PER_HOP);
    let start = || {
        let (opened, targets) = open(&network, &[target]);
        (opened, Tracer::new(trace_config(targets)))
    };
    let (opened, tracer) = start();
    play(opened, tracer);
    // Hops beyond the target are probed too until its first answer comes.
    assert!(network.log().packets().len() as u64 >= probes);
    group.throughput(Throughput::Elements(probes));
    group.bench_function(BenchmarkId::from_parameter(HOPS), |bencher| {
        bencher.iter_batched(start, |(opened, tracer)| play(opened, tracer), BatchSize::PerIteration);
    });
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Opens a raw ICMP lane and places these targets on it.
fn open(network: &Network, addresses: &[IpAddr]) -> (OpenedLanes, Vec<Target>) {
    let lane = LanePlan { own_headers: true, ..LanePlan::new(Family::V4, Protocol::Icmp, SocketChoice::Raw) };
    let opened = network.open(&Plan { lanes: vec![lane], names: false, ..Plan::default() });
    let lane: LaneId = *opened.lanes[0].as_ref().expect("the simulated kernel grants a raw socket");
    let profile = Arc::new(*opened.channel.profile(lane));
    let target = |&address: &IpAddr| {
        let endpoint = IpEndpoint::from_address(address);
        let name = address.to_string();
        let destination =
            Destination::Reachable { endpoint, source: Some(ip("192.0.2.1")), lane, profile: Arc::clone(&profile) };
        Target { zone: None, target: name.clone().into(), name: name.into(), numeric: true, destination }
    };
    let targets = addresses.iter().map(target).collect();
    (opened, targets)
}

/// Lets the machine run to its end; gives how many turns that took.
fn play<M: Machine>(mut opened: OpenedLanes, mut machine: M) -> usize {
    let mut turns = 0;
    driver::run(opened.channel.as_mut(), &mut machine, Precision::Relaxed, |_| {
        turns += 1;
        Next::Continue
    })
    .expect("the simulated kernel does not fail");
    turns
}

fn ping_config(targets: Vec<Target>) -> ping::Config {
    let spec = Arc::new(Spec { pace: Pace::Fixed(ms(100)), ..Spec::default() });
    ping::Config {
        targets: targets.into_iter().map(|target| Task::icmp(target, Arc::clone(&spec))).collect(),
        count: Some(PROBES_PER_TARGET),
        seed: 42,
        ..ping::Config::default()
    }
}

fn trace_config(targets: Vec<Target>) -> trace::Config {
    trace::Config {
        targets,
        first_ttl: Ttl::new(1),
        max_ttl: Ttl::new(30),
        probes_per_hop: PROBES_PER_HOP,
        in_flight: None,
        wait: None,
        send_gap: None,
        rate: None,
        paced: false,
        gap_limit: None,
        ports: Ports::Fixed(Port::new(33434).expect("not 0")),
        packet_octets: Some(60),
        names: false,
        origins: None,
        flow: 0,
        flows: None,
        seed: 3,
        conditions: Default::default(),
    }
}
