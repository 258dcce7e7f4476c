//! Our own kernel: which sockets it opens, what it writes into packets, what it refuses and what it drops.

use std::num::NonZeroU16;

use super::*;
use netprobe::channel::{Attempt, Layer, OsError, Owner, SocketKind};
use netprobe::sim::Packet;
use netprobe::types::{FlowLabel, Ident, Port, Tos};
use std::num::NonZeroU32;

fn attempts(network: &Network, lane: LanePlan) -> Result<SocketKind, Vec<(SocketKind, String, OsError)>> {
    let mut opened = network.open(&Plan { lanes: vec![lane], names: false, ..Plan::default() });
    let triple = |attempt: Attempt| (attempt.socket, attempt.call.into_owned(), attempt.error);
    match opened.lanes.remove(0) {
        Ok(lane) => Ok(opened.channel.profile(lane).socket),
        Err(refused) => Err(refused.attempts.into_iter().map(triple).collect()),
    }
}

#[test]
fn auto_takes_the_first_socket_it_may_open() {
    let mut network = Network::new(1);
    let auto = icmp(Family::V4, SocketChoice::Auto);
    assert_eq!(attempts(&network, auto.clone()), Ok(SocketKind::Raw));
    network.allow_raw(false);
    assert_eq!(attempts(&network, auto.clone()), Ok(SocketKind::Dgram));
    network.allow_dgram(false);
    let both =
        vec![(SocketKind::Raw, "socket".into(), OsError::EPERM), (SocketKind::Dgram, "socket".into(), OsError::EACCES)];
    assert_eq!(attempts(&network, auto), Err(both));
    assert_eq!(attempts(&network, udp()), Ok(SocketKind::Dgram));
}

#[test]
fn a_lane_that_asks_for_what_is_not_there_is_refused() {
    let mut network = Network::new(1);
    network.allow_raw(false);
    let refused = |lane, call: &str, error| {
        assert_eq!(attempts(&network, lane), Err(vec![(SocketKind::Dgram, call.to_owned(), error)]));
    };
    refused(LanePlan { interface: Some("wg0".into()), ..udp() }, "SO_BINDTODEVICE", OsError::ENODEV);
    refused(LanePlan { source: Some(ip("10.1.1.1")), ..udp() }, "bind", OsError::EADDRNOTAVAIL);
    refused(LanePlan { mark: Some(1), ..udp() }, "SO_MARK", OsError::EPERM);
    refused(
        LanePlan { source_port: Port::new(65_535), flows: NonZeroU16::new(2), ..udp() },
        "bind",
        OsError::EADDRNOTAVAIL,
    );
    assert_eq!(attempts(&network, LanePlan { interface: Some("eth0".into()), ..udp() }), Ok(SocketKind::Dgram));
}

#[test]
fn only_a_missing_privilege_makes_auto_try_the_next_socket() {
    let lane = LanePlan { source: Some(ip("10.1.1.1")), ..icmp(Family::V4, SocketChoice::Auto) };
    let once = vec![(SocketKind::Raw, "bind".into(), OsError::EADDRNOTAVAIL)];
    assert_eq!(attempts(&Network::new(1), lane), Err(once));
}

#[test]
fn a_bound_lane_receives_only_what_is_sent_to_its_address() {
    let ours = ["192.0.2.1", "192.0.2.2"].map(ip);
    let mut network = Network::new(1).our_addresses(ours);
    network.add(US, target(), Link::after(ms(1)));
    let bound = |source: IpAddr| LanePlan { source: Some(source), ident: Some(Ident::new(5)), ..raw() };
    let mut rig = Rig::open(&network, &[bound(ours[0]), bound(ours[1])]);
    rig.ping(TARGET, 1);
    let seen = rig.answers(ms(100));
    let [Seen { inbound: Inbound::Datagram(datagram), .. }] = &seen[..] else { panic!("{seen:?}") };
    assert_eq!((datagram.lane, datagram.to), (rig.lanes[0], Some(ours[0])));
}

#[test]
fn profiles_say_what_each_kind_of_socket_does() {
    let network = beyond_two_routers(target());
    let rig = Rig::open(
        &network,
        &[raw(), dgram(), icmp(Family::V6, SocketChoice::Raw), LanePlan { flows: NonZeroU16::new(8), ..udp() }],
    );
    let profile = |lane: usize| *rig.channel.profile(rig.lanes[lane]);
    let facts = |lane| {
        let profile = profile(lane);
        (profile.received_at, profile.ident.owner, profile.checksum, profile.max_open)
    };
    assert_eq!(facts(0), (Layer::Ip, Owner::Ours, Owner::Ours, 1));
    assert_eq!(facts(1), (Layer::Transport, Owner::Kernel, Owner::Kernel, 1));
    assert_eq!(facts(2), (Layer::Transport, Owner::Ours, Owner::Kernel, 1));
    assert_eq!(facts(3), (Layer::Payload, Owner::Kernel, Owner::Kernel, 8));
    assert_eq!(profile(3).quote_at, Layer::Payload);
    assert_ne!(profile(0).ident.ident, profile(1).ident.ident);
}

#[test]
fn packets_carry_the_fields_of_order_then_lane_then_kernel() {
    let network = beyond_two_routers(target());
    let label = FlowLabel::new(0x12345).expect("20 bits");
    let (ttl, tos) = (Some(Ttl::new(9)), Some(Tos::new(0x20)));
    let header = Header { ttl, tos, flow_label: Some(label), ..Header::default() };
    let mut rig = Rig::open(&network, &[LanePlan { header, ..icmp(Family::V6, SocketChoice::Raw) }]);
    let first = rig.ping(TARGET_V6, 1);
    rig.echo(TARGET_V6, 2, Header { tos: Some(Tos::new(0x88)), ..with_ttl(3) });
    let packets = rig.log.packets();
    assert_eq!((packets[0].ttl, packets[0].tos, packets[0].flow_label), (Ttl::new(9), Tos::new(0x20), Some(label)));
    assert_eq!((packets[1].ttl, packets[1].tos), (Ttl::new(3), Tos::new(0x88)));
    assert_eq!((packets[0].source, packets[0].token), (ip("2001:db8::1"), first));
}

#[test]
fn every_checksum_on_the_wire_is_right() {
    let network = beyond_two_routers(target());
    for (lane, to) in [
        (raw(), TARGET),
        (dgram(), TARGET),
        (icmp(Family::V6, SocketChoice::Raw), TARGET_V6),
        (icmp(Family::V6, SocketChoice::Dgram), TARGET_V6),
    ] {
        let mut rig = Rig::open(&network, &[lane]);
        rig.ping(to, 1);
        assert!(rig.log.packets()[0].checksum_right);
    }
    let mut rig = Rig::open(&network, &[udp()]);
    rig.udp(0, 9, 0, Header::default(), b"odd");
    assert!(rig.log.packets()[0].checksum_right);
}

#[test]
fn a_datagram_socket_owns_the_identifier() {
    let network = beyond_two_routers(target());
    let mut rig = Rig::open(&network, &[LanePlan { flows: NonZeroU16::new(2), ..dgram() }]);
    let mut request = Vec::new();
    encode::echo_request(rig.channel.profile(rig.lanes[0]), Sequence::new(3), b"", None, &mut request);
    request[4..6].copy_from_slice(&[0xde, 0xad]);
    rig.send(0, IpEndpoint::from_address(ip(TARGET)), 1, Header::default(), &request);
    let seen = rig.answers(ms(100));
    let sent = rig.log.packets()[0].echo().expect("an echo request");
    let Inbound::Datagram(datagram) = &seen[0].inbound else { panic!("{seen:?}") };
    assert_ne!(sent.0, Ident::new(0xdead));
    assert_ne!(sent.0, rig.channel.profile(rig.lanes[0]).ident.ident);
    assert_eq!(datagram.flow, 1);
    assert_eq!(seen.len(), 1);
}

#[test]
fn source_ports_and_idents_that_were_asked_for_are_used() {
    let network = beyond_two_routers(target());
    let port = Port::new(5000);
    let mut rig = Rig::open(
        &network,
        &[LanePlan { ident: Some(Ident::new(77)), ..raw() }, LanePlan { source_port: port, ..udp() }],
    );
    rig.ping(TARGET, 1);
    rig.udp(1, 9, 0, Header::default(), b"");
    let packets = rig.log.packets();
    assert_eq!(packets[0].echo().map(|(ident, _)| ident), Some(Ident::new(77)));
    assert_eq!(packets[1].ports(), Some((5000, 9)));
}

#[test]
fn an_order_no_socket_can_carry_out_is_refused() {
    let network = beyond_two_routers(target());
    let mut rig = Rig::open(&network, &[raw(), dgram()]);
    let to = IpEndpoint::from_address(ip(TARGET));
    let v6 = IpEndpoint::from_address(ip(TARGET_V6));
    let echo = [8, 0, 0, 0, 0, 0, 0, 0];
    let from_elsewhere = Header { from: Some(ip("10.0.0.1")), ..Header::default() };
    let by_nowhere = Header { ifindex: NonZeroU32::new(99), ..Header::default() };
    rig.send(0, v6, 0, Header::default(), &echo);
    rig.send(0, to, 1, Header::default(), &echo);
    rig.send(0, to, 0, with_ttl(0), &echo);
    rig.send(0, to, 0, from_elsewhere, &echo);
    rig.send(0, to, 0, by_nowhere, &echo);
    rig.send(1, to, 0, Header::default(), &[13, 0, 0, 0, 0, 0, 0, 0]);
    rig.send(1, to, 0, Header::default(), &echo[..7]);
    rig.send(0, to, 0, Header::default(), &[8; 70_000]);
    let seen = rig.run(ms(100));
    let errors: Vec<OsError> = seen
        .iter()
        .map(|seen| match &seen.inbound {
            Inbound::Refused(refused) => refused.error,
            other => panic!("{other:?}"),
        })
        .collect();
    use OsError as E;
    assert_eq!(
        errors,
        [E::EAFNOSUPPORT, E::EINVAL, E::EINVAL, E::EINVAL, E::ENODEV, E::EINVAL, E::EINVAL, E::EMSGSIZE]
    );
    assert_eq!(rig.log.packets(), []);
}

#[test]
fn a_test_may_refuse_sends_by_number() {
    let mut network = beyond_two_routers(target());
    network.refuse_sends(2..=3, OsError::ENOBUFS);
    let mut rig = Rig::open(&network, &[raw()]);
    let tokens: Vec<Token> = (1..=4).map(|sequence| rig.ping(TARGET, sequence)).collect();
    let seen = rig.run(ms(100));
    let refused: Vec<_> = seen
        .iter()
        .filter_map(|seen| match &seen.inbound {
            Inbound::Refused(refused) => Some((refused.token, refused.error)),
            _ => None,
        })
        .collect();
    assert_eq!(refused, [(tokens[1], OsError::ENOBUFS), (tokens[2], OsError::ENOBUFS)]);
    assert_eq!(rig.replies_of(&seen), [1, 4]);
}

#[test]
fn a_queued_error_fails_no_later_send() {
    let network = beyond_two_routers(target());
    let mut rig = Rig::open(&network, &[dgram()]);
    rig.expire(1, 1);
    rig.run(ms(50));
    rig.ping(TARGET, 2);
    let seen = rig.answers(ms(100));
    assert_eq!(rig.replies_of(&seen), [2]);
}

#[test]
fn sent_stands_before_the_answer_even_where_that_is_immediate() {
    let network = Network::new(1);
    let mut rig = Rig::open(&network, &[raw()]);
    let token = rig.ping("127.0.0.1", 1);
    let seen = rig.run(ms(1));
    assert!(matches!(seen[0].inbound, Inbound::Sent(sent) if sent.token == token));
    assert!(matches!(seen.last().map(|seen| &seen.inbound), Some(Inbound::Datagram(_))));
}

#[test]
fn raw_lanes_do_not_see_each_others_replies() {
    let network = beyond_two_routers(target());
    let mut rig = Rig::open(&network, &[raw(), raw(), dgram()]);
    rig.ping(TARGET, 1);
    let seen = rig.answers(ms(100));
    let [Seen { inbound: Inbound::Datagram(datagram), .. }] = &seen[..] else { panic!("{seen:?}") };
    assert_eq!(datagram.lane, rig.lanes[0]);
}

#[test]
fn a_foreign_reply_with_our_identifier_is_delivered() {
    let mut network = beyond_two_routers(target());
    let mut message = vec![0, 0, 0, 0];
    message.extend([0, 77, 0, 9]);
    message.extend(b"not yours");
    network.inject(ms(3), Packet::icmp(ip("198.51.100.66"), ip("192.0.2.1"), message));
    let mut rig = Rig::open(&network, &[LanePlan { ident: Some(Ident::new(77)), ..raw() }]);
    let seen = rig.answers(ms(100));
    let (_, reply) = &rig.replies(&seen)[0];
    assert_eq!((reply.responder, reply.sequence, &reply.payload[..]), (ip("198.51.100.66"), 9, &b"not yours"[..]));
}

#[test]
fn a_full_receive_queue_drops_and_counts() {
    let mut network = beyond_two_routers(target());
    network.receive_queue(2);
    network.stall(ms(5), ms(100));
    let mut rig = Rig::open(&network, &[raw()]);
    for sequence in 1..=5 {
        rig.ping(TARGET, sequence);
    }
    let seen = rig.answers(ms(200));
    assert_eq!(rig.replies_of(&seen), [1, 2]);
    assert!(matches!(&seen.last().expect("a report").inbound, Inbound::Dropped(dropped) if dropped.count == 3));
}

mod arbitrary {
    use proptest::prelude::*;

    use super::*;
    use netprobe::sim::{Mangle, Quote};

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn whatever_arrives_the_run_goes_on(
            protocol in prop_oneof![Just(1_u8), Just(6), Just(17), any::<u8>()],
            transport in prop::collection::vec(any::<u8>(), 0..200),
            right in any::<bool>(),
        ) {
            let mut network = beyond_two_routers(target());
            let mut packet = Packet::new(ip("198.51.100.66"), ip("192.0.2.1"), protocol, transport);
            if right {
                packet.write_checksum();
            }
            network.inject(ms(1), packet);
            let tcp = LanePlan::new(Family::V4, Protocol::Tcp, SocketChoice::Auto);
            let mut rig = Rig::open(&network, &[raw(), dgram(), udp(), tcp]);
            rig.ping(TARGET, 1);
            let seen = rig.answers(ms(100));
            prop_assert_eq!(rig.replies_of(&seen).contains(&1), true);
        }

        #[test]
        fn however_a_router_quotes_its_error_arrives_in_band(
            octets in 0_usize..100,
            at in 0_usize..80,
            value in prop::collection::vec(any::<u8>(), 0..12),
            options in prop::collection::vec(any::<u8>(), 0..44),
            padded in any::<bool>(),
        ) {
            let mut quote = Quote::cut_to(octets).mangle(Mangle::Options(options)).mangle(Mangle::Transport(at, value));
            if padded {
                quote = quote.padded();
            }
            let network = beyond_router(Node::router(ip(ROUTERS[0])).quote(quote));
            let mut rig = Rig::open(&network, &[raw()]);
            rig.expire(1, 1);
            prop_assert_eq!(rig.answers(ms(100)).len(), 1);
        }
    }
}
