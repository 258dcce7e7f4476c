//! Echo replies and UDP answers, and how they may differ from the rule.

use super::*;
use netprobe::sim::{Change, UdpService};

/// Pings a target with one change for its first answer over this lane.
fn ping_changed(change: Change, lane: LanePlan) -> (Rig, Vec<Seen>) {
    let target = target().change([1], change);
    let network = beyond_two_routers(target);
    let mut rig = Rig::open(&network, &[lane]);
    rig.ping(TARGET, 1);
    let seen = rig.answers(ms(20_000));
    (rig, seen)
}

#[test]
fn a_target_answers_after_the_delays_of_the_path_both_ways() {
    for (lane, to) in [
        (icmp(Family::V4, SocketChoice::Raw), TARGET),
        (icmp(Family::V4, SocketChoice::Dgram), TARGET),
        (icmp(Family::V6, SocketChoice::Raw), TARGET_V6),
        (icmp(Family::V6, SocketChoice::Dgram), TARGET_V6),
    ] {
        let network = beyond_two_routers(target());
        let mut rig = Rig::open(&network, std::slice::from_ref(&lane));
        rig.ping(to, 7);
        let seen = rig.answers(ms(100));
        let replies = rig.replies(&seen);
        let [(at, reply)] = &replies[..] else { panic!("{lane:?}: {seen:?}") };
        assert_eq!(*at, ms(10));
        assert_eq!((reply.responder, reply.sequence, reply.octets), (ip(to), 7, 64));
        assert_eq!(reply.payload, [0x55; 56]);
        assert_eq!(reply.reply_ttl, Some(62));
        assert_ne!(reply.checksum_right, Some(false));
    }
}

#[test]
fn a_silent_target_answers_nothing() {
    let network = beyond_two_routers(target().silent());
    let mut rig = Rig::open(&network, &[raw()]);
    rig.ping(TARGET, 1);
    assert_eq!(rig.answers(ms(20_000)), []);
}

#[test]
fn a_change_is_made_only_to_the_answers_it_names() {
    let network = beyond_two_routers(target().change(2..=3, Change::Silence));
    let mut rig = Rig::open(&network, &[raw()]);
    for sequence in 1..=4 {
        rig.ping(TARGET, sequence);
    }
    let seen = rig.answers(ms(100));
    let sequences: Vec<u16> = rig.replies(&seen).iter().map(|(_, reply)| reply.sequence).collect();
    assert_eq!(sequences, [1, 4]);
}

#[test]
fn a_delayed_answer_is_late_by_exactly_the_delay() {
    let (rig, seen) = ping_changed(Change::Later(ms(11_000)), raw());
    assert_eq!(rig.replies(&seen)[0].0, ms(11_010));
}

#[test]
fn a_repeated_answer_comes_twice_and_equal() {
    let (rig, seen) = ping_changed(Change::Again(ms(2)), dgram());
    let replies = rig.replies(&seen);
    assert_eq!(replies.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [ms(10), ms(12)]);
    assert_eq!(replies[0].1, replies[1].1);
}

#[test]
fn an_altered_payload_arrives_with_a_right_checksum() {
    for lane in [raw(), dgram()] {
        let (rig, seen) = ping_changed(Change::Octets(8 + 20, vec![0xaa]), lane);
        let (_, reply) = &rig.replies(&seen)[0];
        assert_eq!(reply.payload[20], 0xaa);
        assert_ne!(reply.checksum_right, Some(false));
    }
}

#[test]
fn a_wrong_checksum_reaches_raw_sockets_alone() {
    let (rig, seen) = ping_changed(Change::WrongChecksum, raw());
    assert_eq!(rig.replies(&seen)[0].1.checksum_right, Some(false));
    let (_, seen) = ping_changed(Change::WrongChecksum, dgram());
    assert_eq!(seen, []);
}

#[test]
fn a_truncated_and_an_extended_answer_have_their_own_lengths() {
    let (rig, seen) = ping_changed(Change::Truncate(20), raw());
    assert_eq!(rig.replies(&seen)[0].1.octets, 20);
    let (rig, seen) = ping_changed(Change::Extend(6), dgram());
    let (_, reply) = &rig.replies(&seen)[0];
    assert_eq!((reply.octets, &reply.payload[54..]), (70, &[0x55, 0x55, 0, 0, 0, 0, 0, 0][..]));
}

#[test]
fn an_answer_may_come_from_another_address() {
    let (rig, seen) = ping_changed(Change::Source(ip("198.51.100.10")), dgram());
    assert_eq!(rig.replies(&seen)[0].1.responder, ip("198.51.100.10"));
}

#[test]
fn an_answer_may_carry_ip_options() {
    let (rig, seen) = ping_changed(Change::Options(vec![1, 1, 1]), raw());
    assert_eq!(seen[0].octets[0], 0x46);
    assert_eq!(seen[0].octets[20..24], [1, 1, 1, 0]);
    assert_eq!(rig.replies(&seen)[0].1.payload, [0x55; 56]);
}

#[test]
fn an_answer_may_have_another_ttl_and_tos() {
    let (rig, seen) = ping_changed(Change::Ttl(Ttl::new(33)), raw());
    assert_eq!(rig.replies(&seen)[0].1.reply_ttl, Some(31));
    let (_, seen) = ping_changed(Change::Tos(netprobe::types::Tos::new(0xb8)), raw());
    let Inbound::Datagram(datagram) = &seen[0].inbound else { panic!("{seen:?}") };
    assert_eq!(datagram.tos.map(|tos| tos.get()), Some(0xb8));
}

#[test]
fn a_redirect_and_a_source_quench_come_before_the_answer_they_advise_about() {
    for (change, icmp_type) in [(Change::Redirect(ip("203.0.113.77")), 5), (Change::SourceQuench, 4)] {
        for lane in [raw(), dgram()] {
            let (rig, seen) = ping_changed(change.clone(), lane);
            assert_eq!(seen.len(), 2, "{seen:?}");
            let (_, advice) = &rig.errors(&seen[..1])[0];
            assert_eq!((advice.icmp_type, advice.sequence), (icmp_type, Some(1)));
            assert_eq!(rig.replies(&seen[1..])[0].1.sequence, 1);
        }
    }
}

#[test]
fn an_icmpv6_redirect_names_gateway_and_probe() {
    let network = beyond_two_routers(target().change([1], Change::Redirect(ip("fe80::77"))));
    let mut rig = Rig::open(&network, &[icmp(Family::V6, SocketChoice::Raw)]);
    rig.ping(TARGET_V6, 9);
    let seen = rig.answers(ms(100));
    let mut arena = netprobe::channel::Arena::default();
    let Decoded::Error(error) = rig.decoded(&seen[0], &mut arena) else { panic!("{seen:?}") };
    assert_eq!(error.gateway, Some(ip("fe80::77")));
    assert_eq!(Failed::from(&error).sequence, Some(9));
}

#[test]
fn a_target_may_answer_with_an_error_instead() {
    let (rig, seen) = ping_changed(Change::Refuse(netprobe::sim::Rejection::new(3, 10)), raw());
    let (_, error) = &rig.errors(&seen)[0];
    assert_eq!((error.responder, error.icmp_code, error.sequence), (Some(ip(TARGET)), 10, Some(1)));
    assert_eq!(seen.len(), 1);
}

#[test]
fn a_closed_udp_port_is_unreachable_and_an_open_one_answers() {
    let target =
        target().udp(7, UdpService::Echo).udp(53, UdpService::Answer(b"no".to_vec())).udp(9, UdpService::Silent);
    let network = beyond_two_routers(target);
    let mut rig = Rig::open(&network, &[udp()]);
    for port in [7, 53, 9, 33_434] {
        rig.udp(0, port, 0, Header::default(), b"hello");
    }
    let seen = rig.answers(ms(100));
    let answers: Vec<&[u8]> =
        seen.iter().filter(|seen| matches!(seen.inbound, Inbound::Datagram(_))).map(|seen| &seen.octets[..]).collect();
    assert_eq!(answers, [&b"hello"[..], b"no"]);
    let (_, error) = &rig.errors(&seen)[0];
    assert_eq!((error.icmp_type, error.icmp_code, error.port), (3, 3, Some(33_434)));
    assert_eq!(seen.len(), 3);
}

#[test]
fn silent_ports_hide_closed_ones() {
    let network = beyond_two_routers(target().silent_ports());
    let mut rig = Rig::open(&network, &[udp()]);
    rig.udp(0, 33_434, 0, Header::default(), b"hello");
    assert_eq!(rig.answers(ms(1000)), []);
}

#[test]
fn our_own_addresses_answer_at_once() {
    let network = Network::new(1);
    let mut rig = Rig::open(&network, &[raw()]);
    rig.ping("127.0.0.1", 1);
    let seen = rig.answers(ms(10));
    let (at, reply) = &rig.replies(&seen)[0];
    assert_eq!((*at, reply.responder), (ms(0), ip("127.0.0.1")));
}

#[test]
fn a_change_to_one_protocol_leaves_the_others_alone() {
    let changed = target().udp(7, UdpService::Echo).change_to(Protocol::Icmp, [2], Change::Silence);
    let network = beyond_two_routers(changed);
    let mut rig = Rig::open(&network, &[raw(), udp()]);
    rig.ping(TARGET, 1);
    rig.udp(1, 7, 0, Header::default(), b"?");
    rig.ping(TARGET, 2);
    rig.ping(TARGET, 3);
    let seen = rig.answers(ms(100));
    let sequences: Vec<u16> = rig.replies(&seen).iter().map(|(_, reply)| reply.sequence).collect();
    assert_eq!((sequences, seen.len()), (vec![1, 3], 3));
}
