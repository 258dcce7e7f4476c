//! ICMP errors: their senders, their quotes, and what raw and datagram sockets receive of them.

use std::num::NonZeroU16;

use super::*;
use netprobe::channel::{Arena, ErrorOrigin, OsError};
use netprobe::sim::{Change, Forwarding, Mangle, Packet, Quote, Rejection};
use netprobe::types::Tos;
use netprobe::wire::extension::{self, LabelStackEntry, Object};

/// The one error that a probe with TTL 1 brings from a router that quotes like this.
fn expired(lane: LanePlan, quote: Quote) -> (Rig, Vec<Seen>) {
    let router = Node::router(ip(ROUTERS[0])).also(ip("2001:db8:1::1")).quote(quote);
    let network = beyond_router(router);
    let mut rig = Rig::open(&network, std::slice::from_ref(&lane));
    match (lane.protocol, lane.family) {
        (Protocol::Udp, _) => rig.udp(0, 33_434, 0, with_ttl(1), &[0x77; 40]),
        (_, Family::V4) => rig.expire(1, 5),
        (_, Family::V6) => rig.echo(TARGET_V6, 5, with_ttl(1)),
    };
    let seen = rig.answers(ms(100));
    (rig, seen)
}

/// Reads the one error.
fn with_error<T>(rig: &Rig, seen: &[Seen], read: impl FnOnce(&DecodedError<'_>) -> T) -> T {
    let [only] = seen else { panic!("{seen:?}") };
    let mut arena = Arena::default();
    match rig.decoded(only, &mut arena) {
        Decoded::Error(error) => read(&error),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_probe_expires_at_the_router_its_ttl_leads_to() {
    for lane in [raw(), dgram()] {
        let network = beyond_two_routers(target());
        let mut rig = Rig::open(&network, &[lane]);
        for ttl in 1..=3 {
            rig.expire(ttl, ttl.into());
        }
        let seen = rig.answers(ms(100));
        let hops: Vec<_> =
            rig.errors(&seen).iter().map(|(at, e)| (*at, e.responder, e.icmp_type, e.sequence)).collect();
        assert_eq!(hops, [(ms(2), Some(ip(ROUTERS[0])), 11, Some(1)), (ms(4), Some(ip(ROUTERS[1])), 11, Some(2))]);
        assert_eq!(rig.replies(&seen)[0].1.sequence, 3);
    }
}

#[test]
fn an_icmpv6_probe_expires_like_an_icmp_probe() {
    for socket in [SocketChoice::Raw, SocketChoice::Dgram] {
        let (rig, seen) = expired(icmp(Family::V6, socket), Quote::full());
        with_error(&rig, &seen, |error| {
            assert_eq!(error.icmp, Some((3, 0)));
            assert_eq!(error.responder, Some(ip("2001:db8:1::1")));
            assert_eq!(Failed::from(error).sequence, Some(5));
        });
    }
}

#[test]
fn the_reply_ttl_counts_the_hops_back() {
    let network = beyond_two_routers(target());
    let mut rig = Rig::open(&network, &[dgram()]);
    rig.expire(2, 1);
    let seen = rig.answers(ms(100));
    with_error(&rig, &seen, |error| assert_eq!(error.reply_ttl, Some(Ttl::new(254))));
}

#[test]
fn errors_reach_raw_lanes_as_datagrams_and_datagram_lanes_as_reports() {
    let (rig, seen) = expired(raw(), Quote::full());
    assert!(matches!(seen[0].inbound, Inbound::Datagram(_)));
    with_error(&rig, &seen, |error| {
        let quoted = error.quoted.as_ref().expect("a quote");
        assert_eq!(quoted.quoted_ttl, Some(Ttl::new(1)));
        assert_eq!(quoted.source, Some(ip("192.0.2.1")));
    });
    let (_, seen) = expired(dgram(), Quote::full());
    let Inbound::Icmp(report) = &seen[0].inbound else { panic!("{seen:?}") };
    assert_eq!((report.origin, report.error), (ErrorOrigin::Icmp, OsError::EHOSTUNREACH));
    assert_eq!(report.to, Some(IpEndpoint::from_address(ip(TARGET))));
    assert_eq!(report.token, None);
    assert_eq!(seen[0].octets.len(), 64);
    assert_eq!(seen[0].octets[0], 8);
}

#[test]
fn a_udp_notice_starts_after_the_udp_header_and_names_the_port() {
    let (_, seen) = expired(udp(), Quote::full());
    let Inbound::Icmp(report) = &seen[0].inbound else { panic!("{seen:?}") };
    assert_eq!(report.to, Some(IpEndpoint::from_address(ip(TARGET)).with_port(33_434)));
    assert_eq!(seen[0].octets, [0x77; 40]);
}

#[test]
fn an_eight_octet_quote_leaves_a_udp_report_nothing() {
    let (rig, seen) = expired(udp(), Quote::transport(8));
    assert!(seen[0].octets.is_empty(), "{seen:?}");
    with_error(&rig, &seen, |error| assert_eq!(Failed::from(error).port, Some(33_434)));
    let (rig, seen) = expired(dgram(), Quote::transport(8));
    assert_eq!(seen[0].octets.len(), 8);
    with_error(&rig, &seen, |error| assert_eq!(Failed::from(error).sequence, Some(5)));
}

#[test]
fn a_shorter_quote_reaches_raw_lanes_alone() {
    for octets in [0, 12, 20, 24, 27] {
        let (rig, seen) = expired(raw(), Quote::cut_to(octets));
        assert_eq!(seen.len(), 1, "{octets} octets");
        if octets >= 20 {
            with_error(&rig, &seen, |error| assert_eq!(error.icmp.unzip().0, Some(11)));
        }
        let (_, seen) = expired(dgram(), Quote::cut_to(octets));
        assert_eq!(seen, [], "{octets} octets");
    }
}

#[test]
fn a_flow_gets_the_errors_about_its_own_packets() {
    let network = beyond_router(Node::router(ip(ROUTERS[0])));
    let mut rig = Rig::open(
        &network,
        &[LanePlan { flows: NonZeroU16::new(3), ..udp() }, LanePlan { flows: NonZeroU16::new(2), ..dgram() }],
    );
    rig.udp(0, 33_434, 2, with_ttl(1), b"x");
    let seen = rig.answers(ms(100));
    let Inbound::Icmp(report) = &seen[0].inbound else { panic!("{seen:?}") };
    assert_eq!((report.lane, report.flow), (rig.lanes[0], 2));
    assert_eq!(seen.len(), 1);
}

#[test]
fn labels_reach_both_kinds_of_lane() {
    let stack = vec![
        LabelStackEntry { label: 24_001, tc: 3, bottom: false, ttl: 1 },
        LabelStackEntry { label: 17, tc: 0, bottom: true, ttl: 254 },
    ];
    for lane in [raw(), dgram(), udp(), icmp(Family::V6, SocketChoice::Raw), icmp(Family::V6, SocketChoice::Dgram)] {
        let (rig, seen) = expired(lane, Quote::full().labels(stack.clone()));
        with_error(&rig, &seen, |error| {
            assert_eq!(extension::parse(error.extension), [Object::Mpls(stack.clone())]);
        });
    }
}

#[test]
fn an_unannounced_structure_is_found_in_band_and_hidden_by_the_kernel() {
    let quote =
        Quote::full().extension([Object::Unknown { class: 9, c_type: 1, payload: vec![1, 2, 3, 4] }]).unannounced();
    let (rig, seen) = expired(raw(), quote.clone());
    with_error(&rig, &seen, |error| assert_eq!(extension::parse(error.extension).len(), 1));
    let (_, seen) = expired(dgram(), quote);
    let Inbound::Icmp(report) = &seen[0].inbound else { panic!("{seen:?}") };
    assert_eq!(report.extension, None);
    assert!(seen[0].octets.len() > 128 - 20);
}

#[test]
fn a_quote_may_be_padded_without_a_structure() {
    let (rig, seen) = expired(raw(), Quote::transport(8).padded());
    assert_eq!(seen[0].octets.len(), 20 + 8 + 128);
    with_error(&rig, &seen, |error| assert_eq!(Failed::from(error).sequence, Some(5)));
}

/// The quoted octets of a mangled quote, from the quoted IP header on.
fn mangled(mangle: Mangle) -> Vec<u8> {
    let (_, seen) = expired(raw(), Quote::full().mangle(mangle));
    seen[0].octets[28..].to_vec()
}

#[test]
fn each_mangle_changes_its_own_field() {
    let right = mangled(Mangle::Ttl(Ttl::new(1)));
    let cases = [
        (Mangle::Identification(0xabcd), 4, vec![0xab, 0xcd]),
        (Mangle::SwapLength, 2, vec![right[3], right[2]]),
        (Mangle::Length(0), 2, vec![0, 0]),
        (Mangle::Ttl(Ttl::new(0)), 8, vec![0]),
        (Mangle::Tos(Tos::new(0x10)), 1, vec![0x10]),
        (Mangle::HeaderChecksum(0x1234), 10, vec![0x12, 0x34]),
        (Mangle::Source(ip("10.0.0.1")), 12, vec![10, 0, 0, 1]),
        (Mangle::Destination(ip("10.0.0.2")), 16, vec![10, 0, 0, 2]),
        (Mangle::Transport(6, vec![0, 0]), 26, vec![0, 0]),
    ];
    for (mangle, at, value) in cases {
        let mut expected = right.clone();
        expected[at..at + value.len()].copy_from_slice(&value);
        assert_eq!(mangled(mangle.clone()), expected, "{mangle:?}");
    }
}

#[test]
fn a_swapped_identification_is_the_one_sent_with_its_octets_swapped() {
    let network = beyond_router(Node::router(ip(ROUTERS[0])).quote(Quote::full().mangle(Mangle::SwapIdentification)));
    let mut rig = Rig::open(&network, &[raw()]);
    rig.ping(TARGET, 1);
    rig.expire(1, 2);
    let seen = rig.answers(ms(100));
    let sent = &rig.log.packets()[1].octets;
    let error = seen.iter().find(|seen| seen.octets[20] == 11).expect("an error");
    assert_eq!(error.octets[28 + 4..28 + 6], [sent[5], sent[4]]);
    assert_ne!(sent[4], sent[5]);
}

#[test]
fn a_quote_with_ip_options_is_read_after_them() {
    for lane in [raw(), dgram(), udp()] {
        let (rig, seen) = expired(lane, Quote::transport(8).mangle(Mangle::Options(vec![7, 7, 4, 0, 0, 0, 0])));
        with_error(&rig, &seen, |error| {
            let read = Failed::from(error);
            assert!(read.sequence == Some(5) || read.port == Some(33_434), "{read:?}");
        });
    }
}

#[test]
fn a_rewritten_source_port_hides_the_error_from_the_udp_socket() {
    let (_, seen) = expired(udp(), Quote::full().mangle(Mangle::Transport(0, vec![1, 1])));
    assert_eq!(seen, []);
}

#[test]
fn a_rewritten_destination_is_what_the_report_names() {
    let (_, seen) = expired(udp(), Quote::full().mangle(Mangle::Destination(ip("10.0.0.9"))));
    let Inbound::Icmp(report) = &seen[0].inbound else { panic!("{seen:?}") };
    assert_eq!(report.to.map(|to| to.address), Some(ip("10.0.0.9")));
}

#[test]
fn a_silent_router_forwards_and_says_nothing() {
    let network = beyond_router(Node::router(ip(ROUTERS[0])).silent());
    let mut rig = Rig::open(&network, &[raw()]);
    rig.expire(1, 1);
    rig.expire(2, 2);
    let seen = rig.answers(ms(1000));
    assert_eq!(rig.replies(&seen).len(), 1);
    assert_eq!(seen.len(), 1);
}

#[test]
fn a_router_may_refuse_with_any_type_and_code() {
    for (icmp_type, icmp_code) in [(3, 0), (3, 1), (3, 10), (3, 13), (3, 42), (12, 0)] {
        let router = Node::router(ip(ROUTERS[0])).forwarding(Forwarding::Refuse(Rejection::new(icmp_type, icmp_code)));
        let network = beyond_router(router);
        let mut rig = Rig::open(&network, &[raw()]);
        rig.ping(TARGET, 1);
        let seen = rig.answers(ms(100));
        with_error(&rig, &seen, |error| {
            assert_eq!(error.icmp, Some((icmp_type, icmp_code)));
            assert_eq!(Failed::from(error).sequence, Some(1));
        });
    }
}

#[test]
fn codes_above_fifteen_never_reach_datagram_sockets() {
    for (code, reports) in [(15, 1), (16, 0)] {
        let router = Node::router(ip(ROUTERS[0])).forwarding(Forwarding::Refuse(Rejection::new(3, code)));
        let network = beyond_router(router);
        for lane in [dgram(), udp()] {
            let mut rig = Rig::open(&network, std::slice::from_ref(&lane));
            match lane.protocol {
                Protocol::Udp => rig.udp(0, 9, 0, Header::default(), b"x"),
                _ => rig.ping(TARGET, 1),
            };
            assert_eq!(rig.answers(ms(100)).len(), reports, "{lane:?} code {code}");
        }
    }
}

#[test]
fn a_dropping_router_is_a_silent_end() {
    let network = beyond_router(Node::router(ip(ROUTERS[0])).forwarding(Forwarding::Drop));
    let mut rig = Rig::open(&network, &[raw()]);
    rig.ping(TARGET, 1);
    rig.expire(1, 2);
    let seen = rig.answers(ms(1000));
    assert_eq!(rig.errors(&seen).len(), 1);
    assert_eq!(seen.len(), 1);
}

#[test]
fn a_rate_limit_lets_a_burst_through_and_then_one_each_period() {
    let network = beyond_router(Node::router(ip(ROUTERS[0])).error_limit(ms(100), 2));
    let mut rig = Rig::open(&network, &[raw()]);
    for sequence in 1..=4 {
        rig.expire(1, sequence);
    }
    let mut sequences = Vec::new();
    for (sequence, until) in [(5, 50), (6, 102), (7, 103), (8, 1000)] {
        let seen = rig.answers(ms(until));
        sequences.extend(rig.errors(&seen).into_iter().filter_map(|(_, error)| error.sequence));
        rig.expire(1, sequence);
    }
    assert_eq!(sequences, [1, 2, 6]);
}

#[test]
fn a_rate_limit_leaves_echo_replies_alone() {
    let network = beyond_router(Node::router(ip(ROUTERS[0])).error_limit(ms(1000), 1));
    let mut rig = Rig::open(&network, &[raw()]);
    for sequence in 1..=5 {
        rig.ping(ROUTERS[0], sequence);
    }
    assert_eq!(rig.answers(ms(100)).len(), 5);
}

#[test]
fn a_router_may_answer_from_another_address() {
    let router = Node::router(ip(ROUTERS[0])).change(.., Change::Source(ip(TARGET)));
    let network = beyond_router(router);
    let mut rig = Rig::open(&network, &[dgram()]);
    rig.expire(1, 1);
    let seen = rig.answers(ms(100));
    with_error(&rig, &seen, |error| assert_eq!(error.responder, Some(ip(TARGET))));
}

#[test]
fn a_damaged_error_reaches_raw_sockets_alone() {
    for (lane, count) in [(raw(), 1), (dgram(), 0), (udp(), 0)] {
        let network = beyond_router(Node::router(ip(ROUTERS[0])).change(.., Change::WrongChecksum));
        let mut rig = Rig::open(&network, std::slice::from_ref(&lane));
        match lane.protocol {
            Protocol::Udp => rig.udp(0, 9, 0, with_ttl(1), b"x"),
            _ => rig.expire(1, 1),
        };
        assert_eq!(rig.answers(ms(100)).len(), count, "{lane:?}");
    }
}

#[test]
fn errors_about_other_peoples_packets_reach_raw_lanes() {
    let mut network = beyond_two_routers(target());
    let mut foreign = Packet::new(ip("192.0.2.1"), ip("198.51.100.200"), 17, vec![0, 5, 0, 6, 0, 8, 0, 0]);
    foreign.write_checksum();
    let mut message = vec![3, 3, 0, 0, 0, 0, 0, 0];
    message.extend(foreign.octets().expect("a packet"));
    network.inject(ms(5), Packet::icmp(ip("198.51.100.200"), ip("192.0.2.1"), message));
    let mut rig = Rig::open(&network, &[raw(), dgram(), udp()]);
    let seen = rig.answers(ms(100));
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].at, ms(5));
    with_error(&rig, &seen, |error| assert_eq!(error.icmp.unzip().1, Some(3)));
}
