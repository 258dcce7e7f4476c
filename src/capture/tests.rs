//! Whatever passes between machine and channel, what is written can be read.

use std::net::IpAddr;
use std::sync::Arc;

use proptest::prelude::*;

use super::rebuild::Rebuild;
use super::*;
use crate::channel::{
    Datagram, ErrorOrigin, ErrorPath, Header, IcmpNotice, Inbox, LaneHeader, LaneId, LaneIdent, LanePlan, Layer, Order,
    OsError, Owner, Profile, Protocol, SendStamps, Sent, SocketChoice, SocketKind, Token, Transmit,
};
use crate::engine::outcome::{Delay, Detail, MethodKind, Outcome, ProbeEvent, Reply, Subject, SubjectId};
use crate::engine::{Destination, Target};
use crate::ping::Event;
use crate::types::{Endpoint, Family, Ident, IpEndpoint, ProbeId, Rtt, Stamp, StampSource, Ttl, WallTime};
use crate::wire::pcapng::tests::{Read, read};
use crate::wire::{arbitrary, extension, icmp, ip, udp};

const LANE: LaneId = LaneId::new(0);
const MS: u64 = 1_000_000;

fn ours(family: Family) -> IpAddr {
    family.pick([192, 0, 2, 1].into(), [0x2001, 0xdb8, 0, 0, 0, 0, 0, 1].into())
}

fn theirs(family: Family) -> IpAddr {
    family.pick([198, 51, 100, 9].into(), [0x2001, 0xdb8, 9, 0, 0, 0, 0, 9].into())
}

/// A lane, as the kernel opens it.
fn profile(family: Family, protocol: Protocol, socket: SocketKind) -> Profile {
    let raw = socket == SocketKind::Raw;
    let datagrams = if protocol == Protocol::Udp { Layer::Payload } else { Layer::Transport };
    let start = if raw { family.pick(Layer::Ip, Layer::Transport) } else { datagrams };
    Profile {
        family,
        protocol,
        socket,
        received_at: start,
        quote_at: datagrams,
        ident: LaneIdent {
            ident: Ident::new(4711),
            owner: if raw { Owner::Ours } else { Owner::Kernel },
            exclusive: true,
        },
        checksum: if raw && (family == Family::V4 || protocol != Protocol::Icmp) { Owner::Ours } else { Owner::Kernel },
        errors: if raw { ErrorPath::InBand } else { ErrorPath::Queue },
        max_open: 1,
        send_stamps: SendStamps::Kernel,
        header: LaneHeader::NONE,
    }
}

fn tap(profile: Profile) -> Tap<Event> {
    let plan = LanePlan::new(profile.family, profile.protocol, SocketChoice::Auto);
    let lanes = vec![(LANE, profile, plan)];
    Tap::of(Rebuild::of(lanes, Arc::new(move |_, to| Ok(ours(to.family())))))
}

fn now(nanos: u64) -> Now {
    Now { mono: Instant::from_nanos(nanos), wall: WallTime::from_nanos(1_000 * MS + nanos) }
}

fn stamp(user: u64, kernel: Option<u64>) -> Stamp {
    Stamp { kernel: kernel.map(|at| now(at).wall), ..Stamp::user(now(user)) }
}

fn order(tap: &mut Tap<Event>, token: u64, to: IpEndpoint, octets: &[u8]) {
    let mut outbox = Outbox::default();
    let octets = outbox.store(|out| out.extend_from_slice(octets));
    let header = Header { ttl: Some(Ttl::new(5)), ..Header::default() };
    let (token, to) = (Token::new(token), Endpoint::Ip(to));
    outbox.push(Order::Send(Transmit { lane: LANE, token, to, flow: 0, header, octets }));
    tap.ordered(outbox.iter(), &outbox);
}

fn sent(tap: &mut Tap<Event>, token: u64, stamp: Stamp) {
    let sent = Sent { token: Token::new(token), stamp, scheduled: None, local: None };
    tap.inbound(&Inbound::Sent(sent), &Arena::default());
}

fn datagram(tap: &mut Tap<Event>, from: IpEndpoint, flow: u16, cut: bool, stamp: Stamp, octets: &[u8]) {
    let mut inbox = Inbox::default();
    let octets = inbox.store(octets);
    let (from, to, ttl) = (Endpoint::Ip(from), None, Some(Ttl::new(60)));
    let datagram =
        Datagram { lane: LANE, flow, from, to, ifindex: None, reply_ttl: ttl, tos: None, stamp, octets, cut };
    tap.inbound(&Inbound::Datagram(datagram), inbox.arena());
}

fn notice(tap: &mut Tap<Event>, profile: &Profile, (icmp, info): ((u8, u8), u32), quote: &[u8], extension: &[u8]) {
    let mut inbox = Inbox::default();
    let (quote, extension) = (inbox.store(quote), inbox.store(extension));
    let notice = IcmpNotice {
        lane: LANE,
        flow: 0,
        token: None,
        to: Some(IpEndpoint::from_address(theirs(profile.family)).with_port(7)),
        origin: ErrorOrigin::Icmp,
        offender: Some(theirs(profile.family)),
        icmp: Some(icmp),
        error: OsError::EHOSTUNREACH,
        info,
        reply_ttl: None,
        tos: None,
        stamp: stamp(3 * MS, Some(2 * MS)),
        quote,
        extension: Some(extension).filter(|extension| !extension.is_empty()),
    };
    tap.inbound(&Inbound::Icmp(notice), inbox.arena());
}

fn reply(number: u64, arrived: &Stamp, rtt: u64) -> Event {
    let profile = Arc::new(profile(Family::V4, Protocol::Icmp, SocketKind::Dgram));
    let endpoint = IpEndpoint::from_address(theirs(Family::V4));
    let target = Target {
        target: "host".into(),
        name: "host".into(),
        numeric: false,
        zone: None,
        destination: Destination::Reachable { endpoint, source: None, lane: LANE, profile },
    };
    let subject = Arc::new(Subject::new(SubjectId::new(0), &target, MethodKind::Icmp, Arc::default()));
    let outcome = Outcome::Reply(Reply::new(64, Detail::Echo { ident: Ident::new(1) }));
    let (rtt, at) = (Rtt::from_nanos(rtt), arrived.kernel.unwrap_or(arrived.user.wall));
    Event::Probe(ProbeEvent {
        responder: subject.address,
        delay: Some(Delay { rtt, stamp: StampSource::Kernel, user: rtt, local_queue: None }),
        ..ProbeEvent::new(&subject, ProbeId::new(number), at, outcome)
    })
}

fn packets(octets: &[u8]) -> Vec<Read> {
    let mut capture = Vec::new();
    crate::wire::pcapng::push_section(
        &crate::wire::pcapng::Section { comment: "", system: "", application: "" },
        &mut capture,
    );
    capture.extend_from_slice(octets);
    read(&capture)
}

fn finish(tap: Tap<Event>) -> Vec<Read> {
    let mut out = Vec::new();
    tap.finish(&mut out);
    packets(&out)
}

#[test]
fn answers_that_are_decided_later_have_their_own_comments() {
    let mut tap = tap(profile(Family::V4, Protocol::Icmp, SocketKind::Dgram));
    let from = IpEndpoint::from_address(theirs(Family::V4));
    let (first, second) = (stamp(5 * MS, Some(3 * MS)), stamp(5 * MS, Some(4 * MS)));
    datagram(&mut tap, from, 0, false, first, b"first");
    datagram(&mut tap, from, 0, false, second, b"second");
    tap.event(&reply(2, &second, MS));
    tap.event(&reply(1, &first, 2 * MS));
    let packets = finish(tap);
    let comments: Vec<&str> = packets.iter().map(|packet| packet.comment.as_str()).collect();
    let expected = [
        "reply to probe 1 to 198.51.100.9, 2.000 ms; IP header reconstructed",
        "reply to probe 2 to 198.51.100.9, 1.000 ms; IP header reconstructed",
    ];
    assert_eq!(comments, expected);
    assert!(packets[0].octets.ends_with(b"first") && packets[1].octets.ends_with(b"second"));
}

#[test]
fn packets_wait_for_the_kernels_stamp_and_leave_in_its_order() {
    let mut tap = tap(profile(Family::V4, Protocol::Icmp, SocketKind::Raw));
    let to = IpEndpoint::from_address(theirs(Family::V4));
    order(&mut tap, 1, to, &[8, 0, 0, 0, 0, 1, 0, 1]);
    sent(&mut tap, 1, stamp(MS, None));
    let mut out = Vec::new();
    tap.release(now(MS), &mut out);
    assert!(out.is_empty());
    order(&mut tap, 2, to, &[8, 0, 0, 0, 0, 1, 0, 2]);
    sent(&mut tap, 2, stamp(2 * MS, Some(2 * MS)));
    sent(&mut tap, 1, stamp(MS, Some(3 * MS)));
    tap.release(now(4 * MS), &mut out);
    let seen: Vec<(u64, String)> =
        packets(&out).into_iter().map(|packet| (packet.at / MS - 1000, packet.comment)).collect();
    let comment = |number| format!("probe {number} to 198.51.100.9, TTL 5; IP header reconstructed");
    assert_eq!(seen, [(2, comment(2)), (3, comment(1))]);
}

#[test]
fn a_stamp_that_never_comes_is_not_waited_for_and_a_refused_order_is_no_packet() {
    let mut tap = tap(profile(Family::V4, Protocol::Icmp, SocketKind::Raw));
    let to = IpEndpoint::from_address(theirs(Family::V4));
    order(&mut tap, 1, to, &[8, 0, 0, 0, 0, 1, 0, 1]);
    sent(&mut tap, 1, stamp(MS, None));
    order(&mut tap, 2, to, &[8, 0, 0, 0, 0, 1, 0, 2]);
    let refused = crate::channel::Refused { token: Token::new(2), error: OsError::EPERM, mtu: None };
    tap.inbound(&Inbound::Refused(refused), &Arena::default());
    let mut out = Vec::new();
    tap.release(now(102 * MS), &mut out);
    assert_eq!(packets(&out)[0].comment, "probe 1 to 198.51.100.9, TTL 5; IP header reconstructed; user time");
    assert_eq!(finish(tap), []);
}

#[test]
fn an_error_of_the_error_queue_is_the_icmp_message_that_it_came_from() {
    for family in [Family::V4, Family::V6] {
        let profile = profile(family, Protocol::Udp, SocketKind::Dgram);
        let labels =
            extension::Object::Mpls(vec![extension::LabelStackEntry { label: 7, tc: 0, bottom: true, ttl: 1 }]);
        let mut structure = Vec::new();
        extension::push(&[labels], &mut structure);
        let (expired, too_big) = family.pick(((11, 0), (3, 4)), ((3, 0), (2, 0)));
        for (icmp, info, structure) in [(expired, 0, structure), (too_big, 1400, Vec::new())] {
            let mut tap = tap(profile);
            notice(&mut tap, &profile, (icmp, info), b"payload of the probe", &structure);
            let octets = finish(tap).remove(0).octets;
            let packet = ip::parse(&octets).unwrap();
            assert_eq!((packet.source, packet.destination), (theirs(family), ours(family)));
            let Ok(icmp::Message::Error(error)) = icmp::parse(family, packet.payload) else { panic!("{octets:?}") };
            assert_eq!((error.icmp_type, error.icmp_code), icmp);
            assert_eq!(error.mtu().map(|mtu| mtu.get()), Some(info).filter(|&mtu| mtu > 0));
            assert_eq!(error.extension, structure);
            let quoted = ip::parse(error.quote).unwrap();
            assert_eq!((quoted.source, quoted.destination), (ours(family), theirs(family)));
            let probe = udp::parse(quoted.payload).unwrap();
            assert_eq!((probe.source_port, probe.destination_port), (4711, 7));
            assert_eq!(probe.payload, b"payload of the probe");
        }
    }
}

fn lane() -> impl Strategy<Value = Profile> {
    let kinds = [
        (Protocol::Icmp, SocketKind::Raw),
        (Protocol::Icmp, SocketKind::Dgram),
        (Protocol::Udp, SocketKind::Raw),
        (Protocol::Udp, SocketKind::Dgram),
        (Protocol::Tcp, SocketKind::Raw),
        (Protocol::Tcp, SocketKind::Stream),
        (Protocol::Unix, SocketKind::Dgram),
    ];
    let family = prop_oneof![Just(Family::V4), Just(Family::V6)];
    (family, prop::sample::select(kinds.to_vec()))
        .prop_map(|(family, (protocol, socket))| profile(family, protocol, socket))
}

proptest! {
    #[test]
    fn whatever_arrives_the_capture_can_be_read(
        profile in lane(),
        other_family: bool,
        flow in 0..3_u16,
        cut: bool,
        kernel: bool,
        datagrams in proptest::collection::vec(arbitrary::octets(), 0..4),
        (icmp_type, icmp_code, info) in any::<(u8, u8, u32)>(),
        (quote, structure) in (arbitrary::octets(), arbitrary::octets()),
        orders in proptest::collection::vec(arbitrary::octets(), 0..4),
    ) {
        let mut tap = tap(profile);
        // An address of the other family may come where both are served.
        let family = if other_family { profile.family.pick(Family::V6, Family::V4) } else { profile.family };
        let end = IpEndpoint::from_address(theirs(family)).with_port(9);
        for (token, octets) in (1..).zip(&orders) {
            order(&mut tap, token, end, octets);
            sent(&mut tap, token, stamp(token * MS, kernel.then_some(token * MS + 1)));
        }
        for octets in &datagrams {
            datagram(&mut tap, end, flow, cut, stamp(9 * MS, kernel.then_some(8 * MS)), octets);
        }
        notice(&mut tap, &profile, ((icmp_type, icmp_code), info), &quote, &structure);
        let packets = finish(tap);
        prop_assert!(packets.windows(2).all(|pair| pair[0].at <= pair[1].at));
        for packet in packets.iter().filter(|packet| packet.comment.contains("reconstructed")) {
            let read = ip::parse(&packet.octets);
            prop_assert!(read.is_ok_and(|read| !read.cut), "{:?}", packet);
        }
        if profile.protocol != Protocol::Unix && profile.socket != SocketKind::Stream && !other_family {
            prop_assert_eq!(packets.iter().filter(|packet| !packet.arrived).count(), orders.len());
        }
    }
}
