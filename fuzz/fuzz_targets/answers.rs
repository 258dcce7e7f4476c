//! Whole runs of ping that ask services: whatever they answer, every probe is accounted for once and every run ends.

#![no_main]

use std::sync::Arc;
use std::time::Duration;

use libfuzzer_sys::arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;
use netprobe::ping::{self, Ask, Dns, Method, Session};
use netprobe::types::Ttl;
use netprobe::wire::stamp::{self, ReflectorPacket};
use netprobe_fuzz::{LANES, choose, play};

fuzz_target!(|input: &[u8]| {
    let mut source = Unstructured::new(input);
    // Those of UDP.
    let profile = LANES[4 + usize::from(choose::<bool>(&mut source))];
    let (method, reply) = method(choose(&mut source));
    let spec = Arc::new(ping::Spec {
        pace: ping::Pace::Fixed(Duration::from_millis(choose::<u16>(&mut source).into())),
        ..ping::Spec::default()
    });
    let task =
        |host| ping::Task { target: play::target(profile, host), method: method.clone(), spec: Arc::clone(&spec) };
    let config = ping::Config {
        targets: [2, 3].map(task).into(),
        spec: Arc::clone(&spec),
        count: choose::<Option<u8>>(&mut source).map(u64::from),
        report_open: choose(&mut source),
        seed: 1,
        ..ping::Config::default()
    };
    let mut summaries = 0;
    play::play(ping::Ping::new(config), profile, reply, source, |event| match event {
        ping::Event::Ended(summary) => {
            assert!(summary.counts.balance(), "{:?}", summary.counts);
            assert!(summary.delays.rtt.map_or(0, |rtt| rtt.count) <= summary.counts.received);
            summaries += 1;
        }
        ping::Event::Interim(all) => assert!(all.iter().all(|interim| interim.counts.balance()), "{all:?}"),
        _ => {}
    });
    assert_eq!(summaries, 2);
});

/// A method and what answers its questions.
fn method(number: u8) -> (Method, fn(Vec<u8>) -> Vec<u8>) {
    match number % 6 {
        0 => (Method::Udp(Ask::Tagged), std::convert::identity),
        1 => (Method::Udp(Ask::Dns(Dns::default())), dns_answer),
        2 => (Method::Udp(Ask::Ntp), ntp_answer),
        3 => (Method::Udp(Ask::Quic), quic_answer),
        4 => (Method::Udp(Ask::Stun), stun_answer),
        _ => (Method::Stamp(Session::default()), stamp_answer),
    }
}

/// RFC 1035 §4.1.1: the bit QR.
fn dns_answer(mut question: Vec<u8>) -> Vec<u8> {
    question[2] |= 0x80;
    question
}

/// RFC 5905 §7.3: mode 4, stratum 1, and the client's transmit timestamp as origin.
fn ntp_answer(mut question: Vec<u8>) -> Vec<u8> {
    question[0] = question[0] & !7 | 4;
    question[1] = 1;
    question.copy_within(40..48, 24);
    question
}

/// RFC 9000 §17.2.1: version negotiation, the connection IDs exchanged.
fn quic_answer(question: Vec<u8>) -> Vec<u8> {
    let destination = 6 + usize::from(question[5]);
    let source = destination + 1 + usize::from(question[destination]);
    [&[0x80, 0, 0, 0, 0], &question[destination..source], &question[5..destination], &[0, 0, 0, 1]].concat()
}

/// RFC 8489 §6.3.3: a success response, without an address.
fn stun_answer(mut question: Vec<u8>) -> Vec<u8> {
    question[0] = 1;
    question
}

/// RFC 8762 §4.3: the sender's fields copied.
fn stamp_answer(question: Vec<u8>) -> Vec<u8> {
    let Ok(packet) = stamp::parse_sender(&question) else { return question };
    let answer = ReflectorPacket {
        sequence: packet.sequence,
        timestamp: packet.timestamp,
        error: packet.error,
        ssid: packet.ssid,
        received: packet.timestamp,
        sender_sequence: packet.sequence,
        sender_timestamp: packet.timestamp,
        sender_error: packet.error,
        sender_ttl: Ttl::new(64),
    };
    let mut octets = Vec::new();
    stamp::push_reflector(&answer, &mut octets);
    octets
}
