//! What one packet costs: encoding a probe, decoding its answer, finding the probe that an answer is about.

use std::hint::black_box;
use std::net::IpAddr;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

use netprobe::channel::{
    Datagram, ErrorPath, Inbox, LaneHeader, LaneId, LaneIdent, Layer, Owner, Profile, Protocol, SendStamps, SocketKind,
};
use netprobe::engine::{Inflight, Named, decode, encode};
use netprobe::types::{
    Endpoint, Family, FlowLabel, Ident, Instant, IpEndpoint, Now, ProbeId, Sequence, Stamp, Tos, Ttl, WallTime,
};
use netprobe::wire::icmp::{self, Echo};
use netprobe::wire::ip::{self, IpHeader};

const IDENT: Ident = Ident::new(0x1234);
const SEQUENCE: Sequence = Sequence::new(77);
const FAMILIES: [Family; 2] = [Family::V4, Family::V6];
/// Octets of a payload: ping's default, and what fills an Ethernet frame.
const PAYLOADS: [usize; 2] = [56, 1472];

criterion_group!(benches, encoding, decoding, matching);
criterion_main!(benches);

fn encoding(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("encode");
    group.throughput(Throughput::Elements(1));
    let mut out = Vec::with_capacity(2048);
    for family in FAMILIES {
        let profile = raw(family);
        for octets in PAYLOADS {
            let payload = vec![0xa5; octets];
            for (name, flow) in [("echo", None), ("echo of a flow", Some(0x4242))] {
                group.bench_function(BenchmarkId::new(format!("{name} {family:?}"), octets), |bencher| {
                    bencher.iter(|| {
                        out.clear();
                        encode::echo_request(black_box(&profile), black_box(SEQUENCE), &payload, flow, &mut out);
                        black_box(out.len())
                    });
                });
            }
        }
        let (source, to) = (address(family, 1), IpEndpoint::from_address(address(family, 9)).with_port(33_434));
        group.bench_function(BenchmarkId::new(format!("udp {family:?}"), PAYLOADS[0]), |bencher| {
            let payload = vec![0xa5; PAYLOADS[0]];
            bencher.iter(|| {
                out.clear();
                encode::udp_probe((source, 40_000), black_box(to), &payload, black_box(0x4242), &mut out);
                black_box(out.len())
            });
        });
    }
}

fn decoding(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(1));
    for family in FAMILIES {
        let profile = raw(family);
        let answers = PAYLOADS.map(|octets| ("echo reply", octets, echo_reply(family, octets)));
        let error = ("time exceeded", PAYLOADS[0], time_exceeded(family, &profile));
        for (name, octets, answer) in answers.into_iter().chain([error]) {
            let mut inbox = Inbox::default();
            let datagram = received(family, &answer, &mut inbox);
            let decoded = decode::datagram(&profile, &datagram, inbox.arena());
            assert!(matches!(decoded, decode::Decoded::Reply(_) | decode::Decoded::Error(_)), "{decoded:?}");
            group.bench_function(BenchmarkId::new(format!("{name} {family:?}"), octets), |bencher| {
                bencher.iter(|| black_box(decode::datagram(&profile, black_box(&datagram), inbox.arena())));
            });
        }
    }
}

fn matching(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("match");
    group.throughput(Throughput::Elements(1));
    for held in [16_u64, 65_536] {
        let mut inflight = Inflight::default();
        for number in 0..held {
            inflight.push(number);
        }
        let mut sequence = 0_u16;
        group.bench_function(BenchmarkId::new("sequence to probe", held), |bencher| {
            bencher.iter(|| {
                sequence = sequence.wrapping_add(1);
                match inflight.with_sequence(black_box(Sequence::new(sequence))) {
                    Named::Probe(id) => inflight.get(id).copied(),
                    Named::Forgotten | Named::Nothing => None,
                }
            });
        });
        group.bench_function(BenchmarkId::new("take and let go", held), |bencher| {
            bencher.iter(|| {
                let newest: ProbeId = inflight.push(black_box(1));
                (newest, inflight.pop_oldest())
            });
        });
    }
}

/// A raw ICMP lane, as the kernel side opens it.
fn raw(family: Family) -> Profile {
    let v4 = family == Family::V4;
    Profile {
        family,
        protocol: Protocol::Icmp,
        socket: SocketKind::Raw,
        received_at: if v4 { Layer::Ip } else { Layer::Transport },
        quote_at: Layer::Transport,
        ident: LaneIdent { ident: IDENT, owner: Owner::Ours, exclusive: true },
        // RFC 3542 §3.1: the kernel fills in the checksum of raw ICMPv6 sockets.
        checksum: if v4 { Owner::Ours } else { Owner::Kernel },
        errors: ErrorPath::InBand,
        max_open: 1,
        send_stamps: SendStamps::Kernel,
        header: LaneHeader::NONE,
    }
}

fn address(family: Family, host: u8) -> IpAddr {
    match family {
        Family::V4 => IpAddr::from([198, 51, 100, host]),
        Family::V6 => IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(host)]),
    }
}

/// The message with an IP header before it.
fn packet(family: Family, from: u8, to: u8, message: &[u8]) -> Vec<u8> {
    let header = IpHeader {
        source: address(family, from),
        destination: address(family, to),
        protocol: icmp::protocol(family),
        ttl: Ttl::new(64),
        tos: Tos::new(0),
        identification: 0,
        dont_fragment: true,
        flow_label: FlowLabel::new(0).expect("20 bits"),
    };
    let mut out = Vec::new();
    ip::push_header(&header, message.len(), &mut out).expect("both addresses are of one family");
    out.extend_from_slice(message);
    out
}

fn echo_reply(family: Family, octets: usize) -> Vec<u8> {
    let payload = vec![0xa5; octets];
    let mut message = Vec::new();
    icmp::push_echo_request(
        family,
        &Echo { ident: IDENT, sequence: SEQUENCE, payload: &payload },
        None,
        true,
        &mut message,
    );
    // RFC 792 page 14, RFC 4443 §4.2.
    message[0] = if family == Family::V4 { 0 } else { 129 };
    packet(family, 9, 1, &message)
}

fn time_exceeded(family: Family, profile: &Profile) -> Vec<u8> {
    let mut probe = Vec::new();
    encode::echo_request(profile, SEQUENCE, &[0xa5; PAYLOADS[0]], None, &mut probe);
    // RFC 792 page 6, RFC 4443 §3.3.
    let mut message = vec![if family == Family::V4 { 11 } else { 3 }, 0, 0, 0, 0, 0, 0, 0];
    message.extend(packet(family, 1, 9, &probe));
    packet(family, 5, 1, &message)
}

/// The packet as this family's raw socket hands it over: without IP header over IPv6.
fn received(family: Family, packet: &[u8], inbox: &mut Inbox) -> Datagram {
    let visible = if family == Family::V4 { packet } else { &packet[40..] };
    let now = Now { mono: Instant::from_nanos(1), wall: WallTime::from_nanos(1) };
    Datagram {
        lane: LaneId::new(0),
        flow: 0,
        from: Endpoint::Ip(IpEndpoint::from_address(address(family, 9))),
        to: None,
        ifindex: None,
        octets: inbox.store(visible),
        cut: false,
        reply_ttl: Some(Ttl::new(64)),
        tos: None,
        stamp: Stamp::user(now),
    }
}
