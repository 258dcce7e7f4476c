//! Lanes: how they open, what they are, what they refuse.

use std::num::NonZeroU16;
use std::time::Duration;

use netprobe::channel::{
    Attempt, Datagram, ErrorPath, Header, Inbound, Inbox, LaneId, LanePlan, Layer, OsError, Owner, Plan, Precision,
    Protocol, SocketChoice, SocketKind, Token,
};
use netprobe::engine::decode::{self, Decoded};
use netprobe::net;
use netprobe::types::{Endpoint, Family, Ident, Port, Sequence, Tos, Ttl};

use crate::namespace::{allow_icmp_datagram_sockets, in_namespace};
use crate::run::{FAMILIES, Run, icmp, loopback, refusal, udp, with_rights};

in_namespace! {
    fn raw_sockets_echo_and_sending_is_reported_before_the_reply() {
        assert_echo_works(SocketChoice::Raw, SocketKind::Raw);
    }

    fn datagram_sockets_echo_and_sending_is_reported_before_the_reply() {
        allow_icmp_datagram_sockets();
        assert_echo_works(SocketChoice::Dgram, SocketKind::Dgram);
    }

    fn raw_and_datagram_lanes_say_how_they_differ() {
        allow_icmp_datagram_sockets();
        let plans = [SocketChoice::Raw, SocketChoice::Dgram].map(|choice| FAMILIES.map(|family| icmp(family, choice)));
        let run = Run::open(plans.concat());
        let facts = [0, 1, 2, 3].map(|lane| {
            let profile = run.profile(lane);
            (profile.received_at, profile.ident.owner, profile.checksum, profile.errors)
        });
        assert_eq!(facts[0], (Layer::Ip, Owner::Ours, Owner::Ours, ErrorPath::InBand));
        assert_eq!(facts[1], (Layer::Transport, Owner::Ours, Owner::Kernel, ErrorPath::InBand));
        assert_eq!(facts[2], (Layer::Transport, Owner::Kernel, Owner::Kernel, ErrorPath::Queue));
        assert_eq!(facts[3], facts[2]);
    }

    fn a_raw_lane_sees_no_reply_to_another_ident() {
        for family in FAMILIES {
            with_rights(|| {
                let mut run = Run::open(vec![icmp(family, SocketChoice::Raw), icmp(family, SocketChoice::Raw)]);
                assert_ne!(run.profile(0).ident.ident, run.profile(1).ident.ident);
                run.probe(1, 0, loopback(family), b"first");
                let mut came = run.until(|item| is_datagram_of(item, 0));
                run.probe(2, 1, loopback(family), b"second");
                came.extend(run.until(|item| is_datagram_of(item, 1)));
                run.receive();
                came.append(&mut run.came);
                assert_eq!(came.iter().filter(|(item, _)| is_datagram_of(item, 0)).count(), 1, "{came:?}");
                assert_eq!(came.iter().filter(|(item, _)| is_datagram_of(item, 1)).count(), 1, "{came:?}");
            });
        }
    }

    fn what_is_about_other_packets_does_not_even_end_a_wait() {
        for family in FAMILIES {
            // Channels of their own, so that nothing of one ends a wait of the other.
            let mut run = with_rights(|| Run::open(vec![icmp(family, SocketChoice::Raw)]));
            let mut others = with_rights(|| Run::open(vec![icmp(family, SocketChoice::Raw), udp(family)]));
            // A request, a reply to another, an error about UDP.
            others.probe(1, 0, loopback(family), b"echo");
            others.datagram(0);
            others.probe(2, 1, loopback(family).with_port(33434), b"to a closed port");
            others.report();
            assert_not_woken(&mut run);
        }
    }

    fn echo_replies_do_not_even_end_a_wait_of_raw_udp_and_tcp_lanes() {
        for family in FAMILIES {
            let plans = [Protocol::Udp, Protocol::Tcp]
                .map(|protocol| LanePlan { protocol, own_headers: true, socket: SocketChoice::Raw, ..udp(family) });
            let mut run = with_rights(|| Run::open(plans.to_vec()));
            let mut others = with_rights(|| Run::open(vec![icmp(family, SocketChoice::Raw)]));
            others.probe(1, 0, loopback(family), b"echo");
            others.datagram(0);
            assert_not_woken(&mut run);
        }
    }

    fn an_ident_that_is_asked_for_is_used() {
        let mut plan = icmp(Family::V4, SocketChoice::Raw);
        plan.ident = Some(Ident::new(0xbeef));
        let mut run = Run::open(vec![plan]);
        let ident = run.profile(0).ident;
        assert_eq!((ident.ident.get(), ident.exclusive), (0xbeef, false));
        run.probe(1, 0, loopback(Family::V4), b"");
        run.datagram(0);
    }

    fn without_the_right_to_raw_sockets_auto_takes_datagram_sockets() {
        allow_icmp_datagram_sockets();
        Run::open(Vec::new());
        assert_echo_works(SocketChoice::Auto, SocketKind::Dgram);
    }

    fn without_any_right_both_attempts_are_reported() {
        Run::open(Vec::new());
        for family in FAMILIES {
            let refused = refusal(icmp(family, SocketChoice::Auto));
            assert_eq!(refused.attempts, [
                Attempt { socket: SocketKind::Raw, call: "socket".into(), error: OsError::EPERM },
                Attempt { socket: SocketKind::Dgram, call: "socket".into(), error: OsError::EACCES },
            ]);
        }
    }

    fn a_lane_that_cannot_be_had_as_planned_is_refused_by_the_call_that_failed() {
        let plain = icmp(Family::V4, SocketChoice::Auto);
        let on = |interface: &str| LanePlan { interface: Some(interface.into()), ..plain.clone() };
        for (plan, call, error) in [
            (on("no-such-if"), "SO_BINDTODEVICE", OsError::ENODEV),
            (on("lo-and-then-some"), "SO_BINDTODEVICE", OsError::ENODEV),
            (LanePlan { source: Some([192, 0, 2, 1].into()), ..plain.clone() }, "bind", OsError::EADDRNOTAVAIL),
            (LanePlan { header: Header { ttl: Some(Ttl::new(0)), ..Header::default() }, ..plain.clone() }, "IP_TTL", OsError::EINVAL),
        ] {
            // The other type of socket would meet the same.
            let attempts = [Attempt { socket: SocketKind::Raw, call: call.into(), error }];
            assert_eq!(with_rights(|| refusal(plan)).attempts, attempts);
        }
    }

    fn a_mark_needs_a_right() {
        Run::open(Vec::new());
        let mut plan = udp(Family::V4);
        plan.mark = Some(u32::MAX);
        let attempts = [Attempt { socket: SocketKind::Dgram, call: "SO_MARK".into(), error: OsError::EPERM }];
        assert_eq!(refusal(plan).attempts, attempts);
    }

    fn what_there_is_no_lane_for_is_refused() {
        for (protocol, choice, socket) in [
            (Protocol::Tcp, SocketChoice::Dgram, SocketKind::Dgram),
            (Protocol::Unix, SocketChoice::Raw, SocketKind::Raw),
            (Protocol::Udp, SocketChoice::Raw, SocketKind::Raw),
        ] {
            let attempts = [Attempt { socket, call: "socket".into(), error: OsError::EOPNOTSUPP }];
            assert_eq!(refusal(LanePlan::new(Family::V4, protocol, choice)).attempts, attempts);
        }
    }

    fn a_refused_lane_leaves_the_numbers_of_the_others_alone() {
        let mut missing = udp(Family::V4);
        missing.interface = Some("no-such-if".into());
        let opened = net::open(&Plan { lanes: vec![missing, udp(Family::V6)], names: false, ..Plan::default() }).expect("a channel");
        assert!(opened.lanes[0].is_err());
        assert_eq!(opened.lanes[1], Ok(LaneId::new(1)));
        for lane in [0, 1, 2] {
            assert_eq!(opened.channel.profile(LaneId::new(lane)).family, Family::V6);
        }
        assert!(opened.lookup.is_none());
    }

    fn each_flow_has_a_source_port_of_its_own() {
        let mut counted = udp(Family::V4);
        (counted.flows, counted.source_port) = (NonZeroU16::new(3), Port::new(40_000));
        let mut chosen = udp(Family::V4);
        chosen.flows = NonZeroU16::new(3);
        let mut run = Run::open(vec![counted, chosen, udp(Family::V4)]);
        assert_eq!((run.port(0), run.profile(0).max_open), (40_000, 3));
        let to = loopback(Family::V4).with_port(run.port(2));
        let mut ports = Vec::new();
        for (lane, flow) in [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)] {
            run.queue_flow(1, lane, flow, Endpoint::Ip(to), Default::default(), b"there");
            run.submit();
            let from = run.datagram(2).0.from.ip().expect("an internet address");
            run.send(2, 2, from, Default::default(), b"back");
            assert_eq!(run.datagram(lane).0.flow, flow);
            ports.push(from.port_number());
        }
        assert_eq!(ports[..3], [40_000, 40_001, 40_002]);
        assert!(ports[3] != ports[4] && ports[4] != ports[5] && ports[3] != ports[5]);
    }

    fn source_ports_that_are_taken_or_do_not_exist_are_refused() {
        let mut plan = udp(Family::V4);
        (plan.flows, plan.source_port) = (NonZeroU16::new(2), Port::new(65_535));
        let reported = |plan: LanePlan| {
            let attempts = refusal(plan).attempts;
            attempts.into_iter().map(|attempt| (attempt.call.into_owned(), attempt.error)).collect::<Vec<_>>()
        };
        assert_eq!(reported(plan.clone()), [("bind".to_owned(), OsError::EADDRNOTAVAIL)]);
        plan.source_port = Port::new(40_001);
        let _taken = std::net::UdpSocket::bind("127.0.0.1:40002").expect("a free port");
        assert_eq!(reported(plan), [("bind".to_owned(), OsError::EADDRINUSE)]);
    }
}

/// What came does not concern the lanes of this run.
fn assert_not_woken(run: &mut Run) {
    run.receive();
    assert!(run.came.is_empty(), "{:?}", run.came);
    let deadline = run.channel.now().mono + Duration::from_millis(5);
    run.channel.wait(Some(deadline), Precision::Relaxed).expect("wait");
    assert!(run.channel.now().mono >= deadline, "woken by what is not ours");
}

fn is_datagram_of(item: &Inbound, lane: u16) -> bool {
    matches!(item, Inbound::Datagram(datagram) if datagram.lane == LaneId::new(lane))
}

/// Both families at once, over sockets of the type that `choice` must lead to.
fn assert_echo_works(choice: SocketChoice, kind: SocketKind) {
    let mut run = Run::open(FAMILIES.map(|family| icmp(family, choice)).into());
    for (lane, family) in (0..).zip(FAMILIES) {
        let profile = run.profile(lane);
        assert_eq!((profile.socket, profile.family, profile.ident.exclusive), (kind, family, true));
        run.probe(7, lane, loopback(family), b"payload");
        let came = run.until(|item| matches!(item, Inbound::Datagram(_)));
        let [(Inbound::Sent(sent), _), (Inbound::Datagram(datagram), octets)] = came.as_slice() else {
            panic!("{came:?}");
        };
        assert_eq!(sent.token, Token::new(7));
        assert!(sent.stamp.user.mono <= datagram.stamp.user.mono);
        // With the IP header in the buffer, the kernel need not report its fields.
        let reported = net::interface_index("lo").filter(|_| profile.received_at != Layer::Ip);
        assert_eq!((datagram.ifindex, datagram.cut), (reported, false));
        let mut inbox = Inbox::default();
        let datagram = Datagram { octets: inbox.store(octets), ..datagram.clone() };
        let Decoded::Reply(reply) = decode::datagram(&profile, &datagram, inbox.arena()) else {
            panic!("{family:?}: {octets:02x?}");
        };
        assert_eq!((reply.ident, reply.sequence), (profile.ident.ident, Sequence::new(7)));
        assert_eq!((reply.payload, reply.cut), (b"payload".as_slice(), false));
        assert_ne!(reply.checksum_right, Some(false));
        assert_eq!((reply.reply_ttl, reply.tos), (Some(Ttl::new(64)), Some(Tos::new(0))));
        assert_eq!((reply.responder, reply.to), (loopback(family).address, Some(loopback(family).address)));
    }
}
