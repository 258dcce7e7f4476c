//! Whole runs of ping, of traces and of reports: whatever arrives, every probe is accounted for once and every run ends.

#![no_main]

use std::sync::Arc;
use std::time::Duration;

use libfuzzer_sys::arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;
use netprobe::channel::{LaneHeader, Profile, Protocol};
use netprobe::engine::outcome::Payload;
use netprobe::types::{Port, Ttl};
use netprobe::{ping, trace};
use netprobe_fuzz::{LANES, choose, play};

fuzz_target!(|input: &[u8]| {
    let mut source = Unstructured::new(input);
    let profile = LANES[usize::from(choose::<u8>(&mut source)) % LANES.len()];
    if profile.protocol == Protocol::Icmp && choose(&mut source) {
        play_ping(profile, source);
    } else {
        play_trace(profile, source);
    }
});

fn play_ping(profile: Profile, mut source: Unstructured<'_>) {
    let spec = Arc::new(ping::Spec {
        pace: match choose::<u8>(&mut source) % 3 {
            0 => ping::Pace::Fixed(Duration::from_millis(choose::<u16>(&mut source).into())),
            1 => ping::Pace::Adaptive { at_least: Duration::from_millis(2) },
            _ => ping::Pace::Flood,
        },
        wait: match choose::<u8>(&mut source) % 3 {
            0 => ping::Wait::Default,
            1 => ping::Wait::Exactly(Duration::from_millis(choose::<u16>(&mut source).into())),
            _ => ping::Wait::Forever,
        },
        payload: Payload { octets: choose::<u8>(&mut source).into(), ..Payload::default() },
        ..ping::Spec::default()
    });
    let config = ping::Config {
        targets: [2, 3, 2].map(|host| ping::Task::icmp(play::target(profile, host), Arc::clone(&spec))).into(),
        spec,
        rate: choose::<bool>(&mut source).then_some(1000.0),
        preload: 1 + u32::from(choose::<u8>(&mut source) % 4),
        count: choose::<Option<u8>>(&mut source).map(u64::from),
        deadline: choose::<Option<u8>>(&mut source).map(|seconds| Duration::from_secs(seconds.into())),
        report_open: choose(&mut source),
        report_sent: choose(&mut source),
        report_replies: choose(&mut source),
        names: choose(&mut source),
        user_to_user: choose(&mut source),
        seed: 1,
        ..ping::Config::default()
    };
    let targets = config.targets.len();
    let mut summaries = 0;
    play::play(ping::Ping::new(config), profile, play::echo_reply, source, |event| match event {
        ping::Event::Ended(summary) => {
            assert!(summary.counts.balance(), "{:?}", summary.counts);
            assert!(summary.delays.rtt.map_or(0, |rtt| rtt.count) <= summary.counts.received);
            summaries += 1;
        }
        ping::Event::Interim(all) => assert!(all.iter().all(|interim| interim.counts.balance()), "{all:?}"),
        _ => {}
    });
    assert_eq!(summaries, targets);
}

fn play_trace(profile: Profile, mut source: Unstructured<'_>) {
    let header = LaneHeader { own_ip: choose(&mut source), ..profile.header };
    let profile = Profile { header, ..profile };
    let port = Port::new(choose::<u16>(&mut source).max(1)).unwrap_or(Port::new(33_434).unwrap());
    let config = trace::Config {
        targets: vec![play::target(profile, 2), play::target(profile, 3)],
        first_ttl: Ttl::new(choose(&mut source)),
        max_ttl: Ttl::new(choose::<u8>(&mut source) % 40),
        probes_per_hop: u32::from(choose::<u8>(&mut source) % 5),
        in_flight: choose::<Option<u8>>(&mut source).map(u32::from),
        wait: choose::<bool>(&mut source).then_some(trace::Wait { max: Duration::from_secs(5), here: 3.0, near: 10.0 }),
        send_gap: choose::<Option<u8>>(&mut source).map(|millis| Duration::from_millis(millis.into())),
        rate: None,
        paced: choose(&mut source),
        gap_limit: choose::<Option<u8>>(&mut source).map(u32::from),
        ports: if choose(&mut source) { trace::Ports::CountingUp(port) } else { trace::Ports::Fixed(port) },
        packet_octets: Some(choose::<u8>(&mut source).into()),
        names: choose(&mut source),
        origins: choose::<bool>(&mut source).then_some(trace::OriginSource::Lookup),
        flow: 0,
        flows: None,
        conditions: netprobe::engine::condition::Conditions::default(),
        seed: 1,
    };
    if choose(&mut source) {
        play_report(profile, config, source);
        return;
    }
    let targets = config.targets.len();
    let mut ends = 0;
    let count = |event| {
        if let trace::Event::Ended(trace) = event {
            assert!(trace.hops.windows(2).all(|pair| pair[0].ttl < pair[1].ttl));
            ends += 1;
        }
    };
    if choose(&mut source) {
        let config = trace::Config { packet_octets: None, ..config };
        play::play(trace::MtuTracer::new(config), profile, reply(profile), source, count);
    } else {
        play::play(trace::Tracer::new(config), profile, reply(profile), source, count);
    }
    assert_eq!(ends, targets);
}

/// What the target of a trace answers.
fn reply(profile: Profile) -> fn(Vec<u8>) -> Vec<u8> {
    if profile.protocol == Protocol::Icmp { play::echo_reply } else { std::convert::identity }
}

fn play_report(profile: Profile, trace: trace::Config, mut source: Unstructured<'_>) {
    let targets = trace.targets.len();
    let cycles = 1 + u64::from(choose::<u8>(&mut source) % 8);
    let interval = Duration::from_millis(1 + u64::from(choose::<u16>(&mut source)));
    let config = trace::watch::Config { trace, cycles, interval, follow: false };
    let mut ends = 0;
    play::play(trace::watch::Reporter::new(config), profile, reply(profile), source, |event| {
        if let trace::Event::Report(report) = event {
            let settled = report.received + report.unreachable + report.lost + report.pending;
            assert_eq!(report.sent, settled, "{report:?}");
            for hop in &report.hops {
                let settled = hop.received + hop.unreachable + hop.unanswered + hop.pending;
                assert_eq!(hop.sent, settled, "{hop:?}");
            }
            ends += usize::from(report.stop_reason.is_some());
        }
    });
    assert_eq!(ends, targets);
}
