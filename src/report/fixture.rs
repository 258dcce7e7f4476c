//! Events to write, for the tests of this room: each ordinary, to be changed with struct update syntax.

pub mod pong;

use std::net::IpAddr;

use super::{Sink, Streams};
use crate::channel::{ErrorOrigin, Protocol, SocketKind};
use crate::metrics::RttStats;
use crate::ping::{self, Counts, ErrorEvent, Refusal, Reply, SeriesId, StampCounts, State, Unanswered};
use crate::trace::{self, Answer, Hop, ProbeResult, StopReason, Trace, TraceId};
use crate::types::{Family, Ident, Mtu, ProbeId, Rtt, StampSource, Tos, Ttl, WallTime};
use crate::wire::icmp::ErrorKind;

/// 2026-11-22T07:47:13.000001Z, in nanoseconds.
pub const WHEN: u64 = 1_795_333_633_000_001_000;

/// What a sink wrote on stdout and stderr.
pub fn written<E>(sink: &mut impl Sink<E>, events: &[E]) -> (String, String) {
    let (mut data, mut talk) = (Vec::new(), Vec::new());
    for event in events {
        sink.event(event, &mut Streams { data: &mut data, talk: &mut talk }).expect("a Vec takes everything");
    }
    (String::from_utf8(data).expect("UTF-8"), String::from_utf8(talk).expect("UTF-8"))
}

pub fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

pub fn series(index: u32) -> SeriesId {
    SeriesId::new(index)
}

/// A series for `target`, which is at `at`; numeric if they are the same.
pub fn start(target: &str, at: &str) -> ping::Start {
    ping::Start {
        series: series(0),
        target: target.into(),
        name: target.into(),
        numeric: target == at,
        address: Some(address(at)),
        zone: 0,
        source: Some(address("192.0.2.1")),
        method: ping::MethodKind::Icmp,
        port: None,
        socket: Some(SocketKind::Raw),
        payload_octets: 56,
        flow_label: None,
        time: WallTime::from_nanos(WHEN),
    }
}

/// From 198.51.100.9, for probe 1.
pub fn reply() -> Reply {
    Reply {
        series: series(0),
        probe: ProbeId::FIRST,
        sent: WallTime::from_nanos(WHEN),
        arrived: WallTime::from_nanos(WHEN + 123_000),
        responder: Some(address("198.51.100.9")),
        port: None,
        source_port: None,
        state: None,
        syn_retransmits: None,
        answer: None,
        reflection: None,
        wrong_source: false,
        rtt: Rtt::from_nanos(123_000),
        stamp: StampSource::Kernel,
        user_rtt: Rtt::from_nanos(161_000),
        local_queue: Some(Rtt::from_nanos(2_000)),
        reply_ttl: Some(Ttl::new(57)),
        tos: None,
        octets: 64,
        ident: Some(Ident::new(4711)),
        duplicate: false,
        late: false,
        reordered: false,
        truncated: false,
        bad_checksum: false,
        payload_changed: None,
    }
}

/// Host unreachable from 203.0.113.1, for probe 1.
pub fn error() -> ErrorEvent {
    ErrorEvent {
        series: series(0),
        probe: ProbeId::FIRST,
        sent: WallTime::from_nanos(WHEN),
        arrived: WallTime::from_nanos(WHEN + 1_200_000),
        responder: Some(address("203.0.113.1")),
        source_port: None,
        origin: ErrorOrigin::Icmp,
        kind: ErrorKind::HostUnreachable,
        icmp_type: 3,
        icmp_code: 1,
        info: 0,
        mtu: None,
        gateway: None,
        rtt: Rtt::from_nanos(1_200_000),
        duplicate: false,
        late: false,
    }
}

/// Refused by 198.51.100.9, probe 1.
pub fn refusal() -> Refusal {
    Refusal {
        series: series(0),
        probe: ProbeId::FIRST,
        sent: WallTime::from_nanos(WHEN),
        arrived: WallTime::from_nanos(WHEN + 1_200_000),
        responder: Some(address("198.51.100.9")),
        source_port: Some(50_001),
        rtt: Some(Rtt::from_nanos(1_200_000)),
        user_rtt: Some(Rtt::from_nanos(1_250_000)),
        stamp: Some(StampSource::Kernel),
        state: State::Refused,
        failure: None,
        icmp: None,
        duplicate: false,
        late: false,
    }
}

/// Probe 1, without an answer.
pub fn unanswered() -> Unanswered {
    let at = WallTime::from_nanos(WHEN);
    Unanswered {
        series: series(0),
        probe: ProbeId::FIRST,
        sent: at,
        at,
        source_port: None,
        state: State::NoAnswer,
        rate_limited: false,
        failure: None,
    }
}

pub fn stats() -> RttStats {
    RttStats {
        count: 3,
        min: 33_000,
        mean: 36_500.0,
        median: 37_000,
        p90: 40_000,
        p95: 40_000,
        p99: 40_000,
        max: 40_000,
        stddev: 2_867.4,
    }
}

/// Three probes, all answered.
pub fn summary() -> ping::Summary {
    ping::Summary {
        series: series(0),
        counts: Counts { sent: 3, received: 3, ..Counts::default() },
        state: None,
        rate_limited: false,
        syn_retransmits: 0,
        answer: None,
        reflection: None,
        responders: Vec::new(),
        rtt: Some(stats()),
        ewma: Some(34_000),
        ipdv: Some(3_500.0),
        interarrival_jitter: Some(218.75),
        pipe: 1,
        stamps: StampCounts { hardware: 0, kernel: 2, user: 1 },
        duration: 2_003_499_999,
    }
}

pub fn trace_start(trace: u32, target: &str, at: &str) -> trace::Start {
    trace::Start {
        trace: TraceId::new(trace),
        target: target.into(),
        name: target.into(),
        address: Some(address(at)),
        source: Some(address("192.0.2.1")),
        method: Protocol::Icmp,
        socket: Some(SocketKind::Raw),
        port: None,
        flow: 0,
        packet_octets: 60,
        max_ttl: Ttl::new(30),
        time: WallTime::from_nanos(WHEN),
    }
}

/// A time exceeded after `micros`.
pub fn expired(responder: &str, micros: u64) -> Answer {
    Answer { icmp_type: Some(11), rtt: Rtt::from_nanos(micros * 1000), ..icmp_answer(responder, 11, 0) }
}

/// An echo reply after `micros`.
pub fn answer(responder: &str, micros: u64) -> Answer {
    Answer { icmp_type: Some(0), kind: None, quoted_ttl: None, quoted_tos: None, ..expired(responder, micros) }
}

/// An ICMP error after 1 ms that states an MTU of 1400.
pub fn icmp_answer(responder: &str, icmp_type: u8, icmp_code: u8) -> Answer {
    let kind = match (Family::of(address(responder)), icmp_type) {
        (Family::V4, 11) | (Family::V6, 3) => ErrorKind::TimeExceeded,
        _ => ErrorKind::Unreachable,
    };
    Answer {
        responder: address(responder),
        name: None,
        origins: None,
        rtt: Rtt::from_nanos(1_000_000),
        stamp: StampSource::Kernel,
        reply_ttl: Some(Ttl::new(255)),
        quoted_ttl: Some(Ttl::new(1)),
        quoted_tos: Some(Tos::new(0)),
        rewritten: Vec::new(),
        icmp_type: Some(icmp_type),
        icmp_code: Some(icmp_code),
        kind: Some(kind),
        mtu: Mtu::new(1400),
        late: false,
        extensions: Vec::new(),
    }
}

pub fn hop(ttl: u8, answers: Vec<Option<Answer>>) -> Hop {
    let probes = (1..).zip(answers).map(|(number, answer)| ProbeResult { number, answer, again: false }).collect();
    Hop { ttl: Ttl::new(ttl), probes, mtu: None }
}

pub fn trace_end(trace: u32, hops: Vec<Hop>) -> Box<Trace> {
    Box::new(Trace {
        trace: TraceId::new(trace),
        reached: true,
        stop_reason: StopReason::Destination,
        hops,
        findings: Vec::new(),
        path_mtu: None,
        duration: 75_300_000,
    })
}
