//! Every kind of lane, with what its sockets hand out.

mod total;

use proptest::prelude::*;

use super::*;
use crate::channel::{ErrorPath, LaneHeader, LaneId, LaneIdent, SendStamps, SocketKind};
use crate::channel::{IcmpNotice, OsError};
use crate::types::Mtu;
use crate::types::{Endpoint, FlowLabel};
use crate::wire::extension;
use crate::wire::extension::{LabelStackEntry, Object};
use crate::wire::icmp::Echo;
use crate::wire::icmp::ErrorKind;
use crate::wire::ip::IpHeader;

const IDENT: Ident = Ident::new(0x1234);
const LANE_IDENT: Ident = Ident::new(0x7777);
const SEQUENCE: Sequence = Sequence::new(77);
const PAYLOAD: &[u8] = b"0123456789abcdef0123456789abcdef";
const PORT: u16 = 33_434;

/// Every lane there can be: the families, raw and datagram ICMP, UDP.
const LANES: [Profile; 6] = [
    lane(Family::V4, Protocol::Icmp, SocketKind::Raw),
    lane(Family::V6, Protocol::Icmp, SocketKind::Raw),
    lane(Family::V4, Protocol::Icmp, SocketKind::Dgram),
    lane(Family::V6, Protocol::Icmp, SocketKind::Dgram),
    lane(Family::V4, Protocol::Udp, SocketKind::Dgram),
    lane(Family::V6, Protocol::Udp, SocketKind::Dgram),
];

const fn lane(family: Family, protocol: Protocol, socket: SocketKind) -> Profile {
    let raw = matches!(socket, SocketKind::Raw);
    let udp = matches!(protocol, Protocol::Udp);
    let owner = if raw { Owner::Ours } else { Owner::Kernel };
    Profile {
        family,
        protocol,
        socket,
        received_at: match (family, protocol, socket) {
            (_, Protocol::Udp, _) => Layer::Payload,
            (Family::V4, _, SocketKind::Raw) => Layer::Ip,
            _ => Layer::Transport,
        },
        quote_at: if udp { Layer::Payload } else { Layer::Transport },
        ident: LaneIdent { ident: LANE_IDENT, owner, exclusive: true },
        checksum: owner,
        errors: if raw { ErrorPath::InBand } else { ErrorPath::Queue },
        max_open: 1,
        send_stamps: SendStamps::None,
        header: LaneHeader::NONE,
    }
}

fn ours(family: Family) -> IpAddr {
    match family {
        Family::V4 => "192.0.2.1".parse().unwrap(),
        Family::V6 => "2001:db8::1".parse().unwrap(),
    }
}

fn target(family: Family) -> IpAddr {
    match family {
        Family::V4 => "198.51.100.9".parse().unwrap(),
        Family::V6 => "2001:db8::9".parse().unwrap(),
    }
}

fn router(family: Family) -> IpAddr {
    match family {
        Family::V4 => "203.0.113.1".parse().unwrap(),
        Family::V6 => "2001:db8::ff".parse().unwrap(),
    }
}

fn packet(source: IpAddr, destination: IpAddr, ttl: u8, transport: &[u8]) -> Vec<u8> {
    let header = IpHeader {
        source,
        destination,
        ttl: Ttl::new(ttl),
        tos: Tos::new(0x20),
        protocol: icmp::protocol(Family::of(source)),
        identification: 1,
        dont_fragment: true,
        flow_label: FlowLabel::default(),
    };
    let mut out = Vec::new();
    ip::push_header(&header, transport.len(), &mut out).unwrap();
    out.extend_from_slice(transport);
    out
}

fn request(family: Family) -> Vec<u8> {
    let mut out = Vec::new();
    let echo = Echo { ident: IDENT, sequence: SEQUENCE, payload: PAYLOAD };
    icmp::push_echo_request(family, &echo, None, true, &mut out);
    out
}

/// Writes the checksum of a message whose type was changed.
fn summed(mut message: Vec<u8>) -> Vec<u8> {
    message[2..4].fill(0);
    let sum = checksum::internet(&message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    message
}

fn reply(family: Family) -> Vec<u8> {
    let mut message = request(family);
    message[0] = if family == Family::V4 { 0 } else { 129 };
    summed(message)
}

fn error(family: Family, icmp: (u8, u8), icmpv6: (u8, u8), rest: [u8; 4], body: &[u8]) -> Vec<u8> {
    let (icmp_type, code) = if family == Family::V4 { icmp } else { icmpv6 };
    summed([&[icmp_type, code, 0, 0][..], &rest, body].concat())
}

/// The octets that a socket of this lane hands out when `message` arrives from `from`.
fn received(lane: &Profile, from: IpAddr, message: &[u8]) -> Vec<u8> {
    if lane.received_at == Layer::Ip { packet(from, ours(lane.family), 60, message) } else { message.to_vec() }
}

fn datagram_of(from: IpAddr, arena: &mut Arena, octets: &[u8]) -> Datagram {
    Datagram {
        lane: LaneId::new(0),
        flow: 3,
        from: Endpoint::Ip(IpEndpoint::from_address(from).with_port(PORT)),
        to: Some(ours(Family::of(from))),
        ifindex: None,
        reply_ttl: Some(Ttl::new(60)),
        tos: Some(Tos::new(0x20)),
        stamp: Stamp::default(),
        octets: arena.push(octets),
        cut: false,
    }
}

/// Decodes `octets` as a datagram from `from` and hands the result to `check`.
fn decoded(lane: &Profile, from: IpAddr, octets: &[u8], check: impl FnOnce(Decoded<'_>)) {
    let mut arena = Arena::default();
    arena.push(b"of another datagram");
    let received = datagram_of(from, &mut arena, octets);
    check(datagram(lane, &received, &arena));
}

fn reply_of(decoded: Decoded<'_>) -> EchoReply<'_> {
    match decoded {
        Decoded::Reply(reply) => reply,
        other => panic!("{other:?}"),
    }
}

fn error_of(decoded: Decoded<'_>) -> DecodedError<'_> {
    match decoded {
        Decoded::Error(error) => error,
        other => panic!("{other:?}"),
    }
}

fn report_of(lane: &Profile) -> IcmpNotice {
    IcmpNotice {
        lane: LaneId::new(0),
        flow: 3,
        token: None,
        to: Some(IpEndpoint::from_address(target(lane.family)).with_port(PORT)),
        origin: ErrorOrigin::Icmp,
        offender: Some(router(lane.family)),
        icmp: Some(if lane.family == Family::V4 { (11, 0) } else { (3, 0) }),
        error: OsError::EHOSTUNREACH,
        info: 0,
        reply_ttl: Some(Ttl::new(60)),
        tos: None,
        stamp: Stamp::default(),
        quote: Default::default(),
        extension: None,
    }
}

fn icmp_lanes() -> impl Iterator<Item = Profile> {
    LANES.into_iter().filter(|lane| lane.protocol == Protocol::Icmp)
}

fn raw_lanes() -> impl Iterator<Item = Profile> {
    icmp_lanes().filter(|lane| lane.socket == SocketKind::Raw)
}

fn udp_lanes() -> impl Iterator<Item = Profile> {
    LANES.into_iter().filter(|lane| lane.protocol == Protocol::Udp)
}

#[test]
fn an_echo_reply_reads_the_same_on_every_icmp_lane() {
    for lane in icmp_lanes() {
        let from = target(lane.family);
        decoded(&lane, from, &received(&lane, from, &reply(lane.family)), |decoded| {
            let reply = reply_of(decoded);
            assert_eq!((reply.responder, reply.to), (from, Some(ours(lane.family))));
            assert_eq!((reply.sequence, reply.payload, reply.octets), (SEQUENCE, PAYLOAD, 40));
            assert_eq!((reply.reply_ttl, reply.tos), (Some(Ttl::new(60)), Some(Tos::new(0x20))));
            assert!(!reply.cut);
            let of_kernel = lane.ident.owner == Owner::Kernel;
            assert_eq!(reply.ident, if of_kernel { LANE_IDENT } else { IDENT });
            let checked_here = lane.received_at == Layer::Ip;
            assert_eq!(reply.checksum_right, checked_here.then_some(true));
        });
    }
}

#[test]
fn a_reply_after_ipv4_options_is_a_reply() {
    let from = target(Family::V4);
    let mut octets = received(&LANES[0], from, &reply(Family::V4));
    octets.splice(20..20, [1; 40]);
    octets[0] = 0x4f;
    octets[3] += 40;
    decoded(&LANES[0], from, &octets, |decoded| {
        let reply = reply_of(decoded);
        assert_eq!((reply.ident, reply.payload, reply.checksum_right), (IDENT, PAYLOAD, Some(true)));
    });
}

#[test]
fn a_wrong_checksum_is_reported_with_the_reply() {
    let mut message = reply(Family::V4);
    message[30] ^= 1;
    let from = target(Family::V4);
    decoded(&LANES[0], from, &received(&LANES[0], from, &message), |decoded| {
        assert_eq!(reply_of(decoded).checksum_right, Some(false));
    });
}

#[test]
fn a_cut_reply_says_so_and_nothing_of_its_checksum() {
    let from = target(Family::V4);
    let octets = received(&LANES[0], from, &reply(Family::V4));
    decoded(&LANES[0], from, &octets[..50], |decoded| {
        let reply = reply_of(decoded);
        assert_eq!((reply.cut, reply.checksum_right, reply.octets), (true, None, 30));
    });
    let mut arena = Arena::default();
    let datagram_cut = Datagram { cut: true, ..datagram_of(target(Family::V6), &mut arena, &reply(Family::V6)) };
    assert!(reply_of(datagram(&LANES[1], &datagram_cut, &arena)).cut);
}

#[test]
fn a_time_exceeded_quotes_our_probe_and_labels() {
    for lane in raw_lanes() {
        let mut body = packet(ours(lane.family), target(lane.family), 1, &request(lane.family));
        body.resize(128, 0);
        let labels = Object::Mpls(vec![LabelStackEntry { label: 24_001, tc: 1, bottom: true, ttl: 1 }]);
        extension::push(std::slice::from_ref(&labels), &mut body);
        let rest = if lane.family == Family::V4 { [0, 32, 0, 0] } else { [16, 0, 0, 0] };
        let message = error(lane.family, (11, 0), (3, 0), rest, &body);
        let from = router(lane.family);
        decoded(&lane, from, &received(&lane, from, &message), |decoded| {
            let error = error_of(decoded);
            assert_eq!((error.kind, error.responder), (ErrorKind::TimeExceeded, Some(from)));
            assert_eq!(error.origin, ErrorOrigin::Icmp);
            assert_eq!(error.checksum_right, (lane.family == Family::V4).then_some(true));
            assert_eq!((error.mtu, error.gateway), (None, None));
            assert_eq!(extension::parse(error.extension), [labels]);
            let quoted = error.quoted.unwrap();
            assert_eq!(quoted.source, Some(ours(lane.family)));
            assert_eq!(quoted.destination, Some(target(lane.family)));
            assert_eq!((quoted.quoted_ttl, quoted.quoted_tos), (Some(Ttl::new(1)), Some(Tos::new(0x20))));
            let expected = QuotedTransport::Echo { ident: IDENT, sequence: SEQUENCE, payload: PAYLOAD };
            assert_eq!(quoted.transport, expected);
        });
    }
}

#[test]
fn a_short_quote_is_an_error_all_the_same() {
    for lane in raw_lanes() {
        let whole = packet(ours(lane.family), target(lane.family), 1, &request(lane.family));
        let header = whole.len() - 40;
        for kept in 0..header + 8 {
            let message = error(lane.family, (3, 1), (1, 3), [0; 4], &whole[..kept]);
            let from = router(lane.family);
            decoded(&lane, from, &received(&lane, from, &message), |decoded| {
                let error = error_of(decoded);
                assert_eq!(error.kind, ErrorKind::HostUnreachable);
                let transport = error.quoted.map(|quoted| quoted.transport);
                assert_eq!(transport, (kept >= header).then_some(QuotedTransport::Unknown), "{kept} octets");
            });
        }
    }
}

#[test]
fn what_the_lane_does_not_send_is_not_taken_for_a_quote_that_is_cut() {
    for lane in raw_lanes() {
        let whole = packet(ours(lane.family), target(lane.family), 1, &request(lane.family));
        let header = whole.len() - 40;
        let (mut reply, mut other) = (whole.clone(), whole.clone());
        reply[header] = if lane.family == Family::V4 { 0 } else { 129 };
        other[if lane.family == Family::V4 { 9 } else { 6 }] = 132;
        for (quote, expected) in [
            (&reply[..], QuotedTransport::Other),
            (&other[..], QuotedTransport::Other),
            (&reply[..header + 7], QuotedTransport::Unknown),
        ] {
            let from = router(lane.family);
            let message = error(lane.family, (3, 1), (1, 3), [0; 4], quote);
            decoded(&lane, from, &received(&lane, from, &message), |decoded| {
                assert_eq!(error_of(decoded).quoted.map(|quoted| quoted.transport), Some(expected));
            });
        }
    }
}

#[test]
fn a_too_big_states_its_mtu_and_a_redirect_its_gateway() {
    for lane in raw_lanes() {
        let quote = packet(ours(lane.family), target(lane.family), 9, &request(lane.family));
        let from = router(lane.family);
        let message = error(lane.family, (3, 4), (2, 0), [0, 0, 5, 0], &quote);
        decoded(&lane, from, &received(&lane, from, &message), |decoded| {
            assert_eq!(error_of(decoded).mtu, Mtu::new(1280));
        });
    }
    let quote = packet(ours(Family::V4), target(Family::V4), 9, &request(Family::V4));
    let message = error(Family::V4, (5, 1), (0, 0), [192, 0, 2, 254], &quote);
    let from = router(Family::V4);
    decoded(&LANES[0], from, &received(&LANES[0], from, &message), |decoded| {
        let error = error_of(decoded);
        assert_eq!((error.kind, error.gateway), (ErrorKind::Redirect, Some("192.0.2.254".parse().unwrap())));
        assert!(matches!(error.quoted.unwrap().transport, QuotedTransport::Echo { .. }));
    });
}

#[test]
fn a_quote_of_the_other_family_is_none() {
    let quote = packet(ours(Family::V6), target(Family::V6), 1, &request(Family::V6));
    let message = error(Family::V4, (11, 0), (0, 0), [0; 4], &quote);
    let from = router(Family::V4);
    decoded(&LANES[0], from, &received(&LANES[0], from, &message), |decoded| {
        assert_eq!(error_of(decoded).quoted, None);
    });
}

#[test]
fn what_answers_no_probe_is_other() {
    for lane in icmp_lanes() {
        let from = target(lane.family);
        decoded(&lane, from, &received(&lane, from, &request(lane.family)), |decoded| {
            assert_eq!(decoded, Decoded::Other);
        });
    }
    let mut tcp = received(&LANES[0], target(Family::V4), &reply(Family::V4));
    tcp[9] = 6;
    decoded(&LANES[0], target(Family::V4), &tcp, |decoded| assert_eq!(decoded, Decoded::Other));
    let mut arena = Arena::default();
    let mut local = datagram_of(target(Family::V6), &mut arena, &reply(Family::V6));
    local.from = Endpoint::Unix(std::path::Path::new("/run/peer").into());
    assert_eq!(datagram(&LANES[1], &local, &arena), Decoded::Other);
}

#[test]
fn what_cannot_be_read_is_damaged() {
    for lane in icmp_lanes() {
        let from = target(lane.family);
        decoded(&lane, from, &received(&lane, from, &[0; 7]), |decoded| {
            assert_eq!(decoded, Decoded::Damaged(WireError::Short));
        });
    }
    decoded(&LANES[0], target(Family::V4), &[0x40; 40], |decoded| {
        assert_eq!(decoded, Decoded::Damaged(WireError::Malformed));
    });
}

#[test]
fn an_answer_on_a_udp_lane_has_port_flow_and_payload() {
    for lane in udp_lanes() {
        let from = target(lane.family);
        decoded(&lane, from, PAYLOAD, |decoded| {
            let Decoded::Answer(answer) = decoded else { panic!("{decoded:?}") };
            assert_eq!((answer.responder, answer.port, answer.flow), (Some(from), Some(PORT), 3));
            assert_eq!(answer.payload, PAYLOAD);
        });
    }
}

#[test]
fn a_report_about_an_echo_request_has_the_lanes_ident() {
    for lane in icmp_lanes().filter(|lane| lane.errors == ErrorPath::Queue) {
        let mut arena = Arena::default();
        let quote = arena.push(&request(lane.family));
        let error = notice(&lane, &IcmpNotice { quote, ..report_of(&lane) }, &arena);
        assert_eq!((error.kind, error.responder), (ErrorKind::TimeExceeded, Some(router(lane.family))));
        let quoted = error.quoted.unwrap();
        assert_eq!((quoted.source, quoted.quoted_ttl, quoted.flow), (None, None, 3));
        assert_eq!(quoted.destination, Some(target(lane.family)));
        let expected = QuotedTransport::Echo { ident: LANE_IDENT, sequence: SEQUENCE, payload: PAYLOAD };
        assert_eq!(quoted.transport, expected);
    }
}

#[test]
fn a_report_without_a_quote_still_names_the_udp_probes_port() {
    let arena = Arena::default();
    for lane in udp_lanes() {
        let quoted = notice(&lane, &report_of(&lane), &arena).quoted.unwrap();
        let expected = QuotedTransport::Udp { source_port: None, destination_port: PORT, payload: &[] };
        assert_eq!((quoted.destination, quoted.transport), (Some(target(lane.family)), expected));
        let nameless = IcmpNotice { to: None, ..report_of(&lane) };
        assert_eq!(notice(&lane, &nameless, &arena).quoted, None);
    }
}

#[test]
fn an_extension_in_a_report_is_no_part_of_the_quote() {
    for lane in LANES.into_iter().filter(|lane| lane.errors == ErrorPath::Queue) {
        let hidden =
            (if lane.family == Family::V4 { 20 } else { 40 }) + if lane.protocol == Protocol::Udp { 8 } else { 0 };
        let mut quote = if lane.protocol == Protocol::Udp { PAYLOAD.to_vec() } else { request(lane.family) };
        quote.resize(128 - hidden, 0);
        let labels = Object::Mpls(vec![LabelStackEntry { label: 16, tc: 0, bottom: true, ttl: 1 }]);
        let quoted = quote.len();
        extension::push(std::slice::from_ref(&labels), &mut quote);
        let mut arena = Arena::default();
        let span = arena.push(&quote);
        // The kernel says where it starts, or the router did not and it lies at 128.
        for stated in [Some(span.part(quoted..quote.len())), None] {
            let with_extension = IcmpNotice { quote: span, extension: stated, ..report_of(&lane) };
            let error = notice(&lane, &with_extension, &arena);
            assert_eq!(extension::parse(error.extension), std::slice::from_ref(&labels), "{lane:?}");
            let (QuotedTransport::Udp { payload, .. } | QuotedTransport::Echo { payload, .. }) =
                error.quoted.unwrap().transport
            else {
                panic!("no transport")
            };
            assert!(payload.ends_with(&[0]) && payload.starts_with(PAYLOAD));
        }
    }
}

#[test]
fn a_local_error_has_no_responder_and_the_meaning_of_its_number() {
    let arena = Arena::default();
    for (number, info, kind, mtu) in [
        (OsError::EMSGSIZE, 1400, ErrorKind::TooBig, Mtu::new(1400)),
        (OsError::EHOSTUNREACH, 0, ErrorKind::HostUnreachable, None),
        (OsError::ENETUNREACH, 0, ErrorKind::NetUnreachable, None),
        (OsError::ECONNREFUSED, 0, ErrorKind::Unknown, None),
    ] {
        let lane = LANES[4];
        let local = IcmpNotice { origin: ErrorOrigin::Local, icmp: None, error: number, info, ..report_of(&lane) };
        let error = notice(&lane, &local, &arena);
        assert_eq!((error.responder, error.origin), (None, ErrorOrigin::Local));
        assert_eq!((error.kind, error.mtu), (kind, mtu));
    }
}
