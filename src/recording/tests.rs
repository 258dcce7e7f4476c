use std::net::IpAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::channel::{ErrorOrigin, OsError};
use crate::engine::outcome::{
    Delay, Detail, ExchangeFailure, ExchangeReply, Field, FieldValue, IcmpError, NotSent, OneWay, Outcome,
    PayloadChange, ProbeEvent, Quote, Reflection, Refusal, Reply, Rewritten, Silence, Standing, Subject,
};
use crate::engine::{Destination, Target};
use crate::ping::{self, MethodKind, SubjectId};
use crate::types::{Ident, Instant, Mtu, Now, ProbeId, Rtt, StampSource, Tos, Ttl, WallTime};
use crate::wire::extension::{Interface, InterfaceRole, LabelStackEntry, Object as Extension};
use crate::wire::icmp::ErrorKind;
use crate::wire::service::{dns, ntp, stun};

const START: u64 = 1_700_000_000_000_000_000;

fn session() -> Session {
    Session {
        version: VERSION,
        tool: "rping".into(),
        tool_version: "0".into(),
        argv: vec!["rping".into(), "\u{1b}[2J\"\n".into()],
        mode: Mode::Ping,
        start: START,
        system: None,
        targets: 1,
        bound: true,
        source: None,
        interface: Some("eth0".into()),
        labels: vec![],
        sockets: vec![],
        part: 0,
    }
}

/// The subject of all probes.
fn subject() -> Arc<Subject> {
    static SUBJECT: LazyLock<Arc<Subject>> = LazyLock::new(made);
    Arc::clone(&SUBJECT)
}

fn made() -> Arc<Subject> {
    let target = Target {
        target: "a\u{0}b".into(),
        name: "host.example".into(),
        numeric: false,
        zone: None,
        destination: Destination::Unresolved,
    };
    Arc::new(Subject::new(SubjectId::new(7), &target, MethodKind::Udp, Arc::default()))
}

/// The lines of events, one a second.
fn written(events: &[ping::Event]) -> Vec<u8> {
    let mut writer = Writer::new(session(), None);
    let mut lines = Vec::new();
    writer.session(&mut lines);
    for (second, event) in (1..).zip(events) {
        let now = Now { mono: Instant::from_nanos(second * 1_000_000_000), wall: WallTime::default() };
        writer.event(now, event, &mut lines);
    }
    lines
}

fn read(lines: &[u8]) -> (Vec<(Duration, ping::Event)>, Ending) {
    let mut reader = Reader::open(lines).unwrap();
    assert_eq!(*reader.session(), session());
    let events = reader.events().map(Result::unwrap).collect();
    (events, reader.ending().unwrap().clone())
}

fn details() -> impl Strategy<Value = Detail> {
    let octets = proptest::collection::vec(any::<u8>(), 0..40).prop_map(Into::into);
    prop_oneof![
        any::<u16>().prop_map(|ident| Detail::Echo { ident: Ident::new(ident) }),
        (any::<Option<u32>>(), any::<Option<u32>>()).prop_map(|(syn_retransmits, rtt)| {
            let exchange = rtt.map(|rtt| ExchangeReply { rtt: Rtt::from_nanos(rtt.into()), octets: 3 });
            Detail::Connect { syn_retransmits, exchange }
        }),
        Just(Detail::Datagram),
        octets.prop_map(Detail::Beginning),
        (any::<u32>(), any::<Option<(i64, i64, u64)>>()).prop_map(|(sequence, one_way)| {
            let one_way = one_way.map(|(there, back, error)| OneWay { there, back, error });
            let rtt = Rtt::from_nanos(sequence.into());
            Detail::Stamp(Box::new(Reflection { sequence, reflector: rtt, rtt_net: rtt, one_way }))
        }),
        any::<(u16, u16, [u16; 4])>().prop_map(|(id, bits, counts)| Detail::Dns(dns::Header::new(id, bits, counts))),
        any::<([u8; 4], [u8; 4], u64, u64)>().prop_map(|(small, reference, origin, transmit)| {
            let [leap, version, mode, stratum] = small;
            Detail::Ntp(ntp::Packet { leap, version, mode, stratum, reference, origin, transmit })
        }),
        any::<Option<u16>>().prop_map(|code| Detail::Stun(stun::Class::Error(code))),
        any::<Option<(IpAddr, u16)>>().prop_map(|from| Detail::Stun(stun::Class::Success(from.map(Into::into)))),
    ]
}

fn errors() -> impl Strategy<Value = IcmpError> {
    let extension = prop_oneof![
        any::<(u8, u8, Vec<u8>)>().prop_map(|(class, c_type, payload)| Extension::Unknown { class, c_type, payload }),
        any::<(u32, u8, bool, u8)>().prop_map(|(label, tc, bottom, ttl)| Extension::Mpls(vec![LabelStackEntry {
            label,
            tc,
            bottom,
            ttl
        }])),
        any::<(Option<u32>, Option<IpAddr>, Option<Vec<u8>>)>().prop_map(|(index, address, name)| {
            let name = name.map(Into::into);
            Extension::Interface(Interface { role: InterfaceRole::NextHop, index, address, name, mtu: Mtu::new(9000) })
        }),
    ];
    let kinds = proptest::sample::select(ErrorKind::ALL);
    let extensions = proptest::collection::vec(extension, 0..3);
    let numbers = any::<(Option<(u8, u8)>, u32, u32, Option<IpAddr>, Option<u8>)>();
    (kinds, extensions, numbers, any::<bool>()).prop_map(
        |(kind, extensions, (icmp, info, mtu, gateway, ttl), local)| {
            let rewritten = gateway.map(|address| Rewritten {
                field: Field::Source,
                sent: FieldValue::Address(address),
                quoted: FieldValue::Number(info),
            });
            IcmpError {
                origin: if local { ErrorOrigin::Local } else { ErrorOrigin::Icmp },
                kind,
                icmp,
                info,
                mtu: Mtu::new(mtu),
                gateway,
                quote: Quote {
                    ttl: ttl.map(Ttl::new),
                    tos: ttl.map(Tos::new),
                    rewritten: rewritten.into_iter().collect(),
                },
                extensions,
            }
        },
    )
}

fn outcomes() -> impl Strategy<Value = Outcome> {
    let failures = || proptest::sample::select(ExchangeFailure::ALL);
    let change = any::<Option<(usize, u8, Vec<u8>)>>();
    prop_oneof![
        (details(), any::<[bool; 3]>(), any::<u32>(), change).prop_map(|(detail, flags, octets, changed)| {
            let change = |(index, octet, payload): (usize, u8, Vec<u8>)| PayloadChange {
                index,
                expected: octet,
                found: !octet,
                payload: payload.into(),
            };
            let [wrong_source, truncated, bad_checksum] = flags;
            let payload_changed = changed.map(change).map(Box::new);
            Outcome::Reply(Reply {
                octets: octets as usize,
                wrong_source,
                truncated,
                bad_checksum,
                payload_changed,
                detail,
            })
        }),
        failures().prop_map(|failure| Outcome::Refused(Refusal::Exchange(failure))),
        details().prop_map(|detail| Outcome::Refused(Refusal::Unexpected(detail))),
        any::<(u8, u8)>()
            .prop_map(|(icmp_type, icmp_code)| { Outcome::Refused(Refusal::PortUnreachable { icmp_type, icmp_code }) }),
        Just(Outcome::Refused(Refusal::Reset)),
        errors().prop_map(|error| Outcome::Error(Box::new(error))),
        Just(Outcome::Timeout(Silence::RateLimited)),
        failures().prop_map(|failure| Outcome::Timeout(Silence::Exchange(failure))),
        any::<(i32, u32, u64)>().prop_map(|(code, mtu, reported)| {
            Outcome::NotSent(NotSent { error: OsError::from_code(code), mtu: Mtu::new(mtu), reported })
        }),
    ]
}

prop_compose! {
    fn probes()(
        outcome in outcomes(),
        id in 1u64..,
        times in any::<(u64, u64)>(),
        ports in any::<(Option<u16>, Option<u16>, Option<u32>)>(),
        responder in any::<Option<IpAddr>>(),
        ttls in any::<(Option<u8>, Option<u8>, Option<u8>)>(),
        delay in proptest::option::of((0u64..1 << 50, 0u64..1 << 50, proptest::option::of(0u64..1 << 50))),
        stamp in proptest::sample::select(StampSource::ALL),
        standing in proptest::sample::select(vec![
            Standing::First,
            Standing::Late,
            Standing::Duplicate { late: true },
            Standing::Duplicate { late: false },
            Standing::Inconclusive,
        ]),
        reordered in any::<bool>(),
    ) -> ProbeEvent {
        ProbeEvent {
            subject: subject(),
            id: ProbeId::new(id),
            ttl: ttls.0.map(Ttl::new),
            flow: ports.2,
            sent: WallTime::from_nanos(times.0),
            at: WallTime::from_nanos(times.1),
            source_port: ports.0,
            responder,
            responder_port: ports.1,
            reply_ttl: ttls.1.map(Ttl::new),
            reply_tos: ttls.2.map(Tos::new),
            delay: delay.map(|(rtt, user, queue)| Delay {
                rtt: Rtt::from_nanos(rtt),
                stamp,
                user: Rtt::from_nanos(user),
                local_queue: queue.map(Rtt::from_nanos),
            }),
            standing,
            reordered,
            outcome,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Nothing of an event is lost, whatever it holds.
    #[test]
    fn what_is_written_is_read_again(probes in proptest::collection::vec(probes(), 1..5)) {
        let events: Vec<ping::Event> = probes.into_iter().map(ping::Event::Probe).collect();
        let (read, ending) = read(&written(&events));
        let read: Vec<ping::Event> = read.into_iter().map(|(_, event)| event).collect();
        prop_assert_eq!(read, events);
        prop_assert!(matches!(ending, Ending::Cut(_)));
    }

    /// A recording that was cut has the events up to there, and any octets are read without a panic.
    #[test]
    fn a_cut_loses_the_last_line_alone(probes in proptest::collection::vec(probes(), 2..4), damage in any::<(u16, u8)>()) {
        let events: Vec<ping::Event> = probes.into_iter().map(ping::Event::Probe).collect();
        let mut lines = written(&events);
        let first = lines.iter().position(|&octet| octet == b'\n').unwrap() + 1;
        for end in first..lines.len() {
            let whole = lines[..end].iter().filter(|&&octet| octet == b'\n').count();
            // The first line, and the second for the subject.
            prop_assert_eq!(read(&lines[..end]).0.len(), whole.saturating_sub(2));
        }
        let at = usize::from(damage.0) % lines.len();
        lines[at] ^= damage.1;
        if let Ok(mut reader) = Reader::open(lines.as_slice()) {
            reader.events::<ping::Event>().for_each(drop);
        }
    }
}

#[test]
fn a_probe_and_its_answer_take_a_line_of_moderate_length() {
    let echo = Outcome::Reply(Reply::new(64, Detail::Echo { ident: Ident::new(4711) }));
    let delay = Delay {
        rtt: Rtt::from_nanos(10_123_456),
        stamp: StampSource::Kernel,
        user: Rtt::from_nanos(10_198_765),
        local_queue: None,
    };
    let at = WallTime::from_nanos(START + 3_600_000_000_000);
    let reply = ProbeEvent {
        responder: Some([198, 51, 100, 9].into()),
        reply_ttl: Some(Ttl::new(57)),
        delay: Some(delay),
        ..ProbeEvent::new(&subject(), ProbeId::new(3600), at, echo)
    };
    let line = |count| written(&vec![ping::Event::Probe(reply.clone()); count]).len();
    let octets = line(2) - line(1);
    assert!(octets <= 290, "{octets}");
}

#[test]
fn times_are_those_since_the_first_event() {
    let probe = || ping::Event::Named { address: [192, 0, 2, 1].into(), name: "x".into() };
    let (events, _) = read(&written(&[probe(), probe(), probe()]));
    assert_eq!(events.iter().map(|(at, _)| at.as_secs()).collect::<Vec<_>>(), [0, 1, 2]);
}

#[test]
fn a_recording_whose_first_parts_are_gone_can_be_gone_to_any_time() {
    let mut lines = Vec::new();
    let mut writer = Writer::new(session(), Some(Duration::from_secs(10)));
    writer.session(&mut lines);
    let at = |second: u64| Now { mono: Instant::from_nanos(second * 1_000_000_000), wall: WallTime::default() };
    writer.event(at(1), &ping::Event::Began { subject: subject(), at: WallTime::default() }, &mut lines);
    for second in 2..40 {
        let name = ping::Event::Interim(vec![]);
        writer.event(at(second), &name, &mut lines);
    }
    let text = String::from_utf8(lines).unwrap();
    let kept = &text[text.rfind("{\"type\":\"session\"").unwrap()..];
    let index = Index::<ping::Event>::read(kept.as_bytes()).unwrap();
    let from = index.before(Duration::from_secs(35), REACH).unwrap();
    let mut reader = index.resume(from, &kept.as_bytes()[from.offset() as usize..]);
    let first = reader.next_event::<ping::Event>().unwrap().unwrap();
    assert!(matches!(first.1, ping::Event::Began { .. }), "{first:?}");
}
