//! What answers mean for the path.

use std::num::NonZeroU16;

use super::watch::reported;
use super::*;

#[test]
fn a_target_that_limits_its_errors_still_answers_every_probe_of_its_hop() {
    for hops in [1, 3, 8, 15] {
        let mut network = Network::new(1);
        path(&mut network, Family::V4, hops, |_, node| node.error_limit(ms(1000), 6));
        let run = trace(&network, UDP, config());
        assert_eq!(responders(run.end().1), expected(Family::V4, hops, hops, &[]), "{hops} hops");
        assert!(run.beyond(hops) <= 3, "{hops} hops: {}", run.beyond(hops));
    }
}

#[test]
fn more_probes_than_their_numbers_count_are_distinguished() {
    // 65 536 sequence numbers, 4096 ports. What is waited for no longer costs no time.
    let wait = Some(Wait { max: ms(900), here: 0.0, near: 0.0 });
    for (kind, cycles) in [(RAW, 22_000), (UDP, 1_400)] {
        let mut network = Network::new(1);
        path(&mut network, kind.0, 3, as_is);
        let run = reported(&network, kind, cycles, Config { wait, ..config() });
        let report = run.end();
        assert_eq!((report.received, report.lost), (cycles, 0), "{kind:?}");
        assert!(report.hops.iter().all(|hop| (hop.sent, hop.received) == (cycles, cycles)), "{kind:?}");
    }
}

#[test]
fn label_stacks_are_read_where_routers_put_them() {
    let stack = [
        LabelStackEntry { label: 24001, tc: 0, bottom: false, ttl: 1 },
        LabelStackEntry { label: 16006, tc: 3, bottom: true, ttl: 1 },
    ];
    for kind in LANES {
        let quotes = [Quote::full().labels(stack), Quote::full().labels(stack).unannounced()];
        for quote in quotes {
            let mut network = Network::new(1);
            path(&mut network, kind.0, 4, |ttl, node| if ttl == 2 { node.quote(quote.clone()) } else { node });
            let run = trace(&network, kind, config());
            let end = run.end().1;
            for (ttl, hop) in (1..).zip(&end.hops) {
                let objects = if ttl == 2 { vec![Object::Mpls(stack.to_vec())] } else { Vec::new() };
                for probe in &hop.probes {
                    assert_eq!(probe.response().unwrap().extensions(), objects, "{kind:?} ttl {ttl}");
                }
            }
        }
    }
}

#[test]
fn an_unreachable_on_the_way_ends_the_trace() {
    for kind in LANES {
        let (unreachable, meaning) = match kind.0 {
            Family::V4 => (Rejection::new(3, 1), ErrorKind::HostUnreachable),
            Family::V6 => (Rejection::new(1, 3), ErrorKind::HostUnreachable),
        };
        let mut network = Network::new(1);
        let refuse = |ttl, node: Node| if ttl == 3 { node.forwarding(Forwarding::Refuse(unreachable)) } else { node };
        path(&mut network, kind.0, 8, refuse);
        let run = trace(&network, kind, config());
        let (_, end) = run.end();
        assert_eq!((end.reached, end.stop_reason), (false, StopReason::Unreachable), "{kind:?}");
        let mut hops = expected(kind.0, 8, 3, &[]);
        hops.push(hops[2].clone());
        assert_eq!(responders(end), hops, "{kind:?}");
        let kinds = |at: usize| end.hops[at].probes.iter().map(|probe| probe.response().unwrap().kind());
        assert!(kinds(2).all(|kind| kind == Some(ErrorKind::TimeExceeded)));
        assert!(kinds(3).all(|kind| kind == Some(meaning)));
    }
}

#[test]
fn a_link_too_narrow_for_the_packet_ends_the_trace_with_its_mtu() {
    let mut network = Network::new(1);
    let near = network.chain(US, &["2001:db8:1::1", "2001:db8:1::2"], Link::after(ms(1)));
    let narrow = Link::after(ms(1)).outward(Direction::after(ms(1)).mtu(Mtu::new(1400).unwrap()));
    network.add(near, Node::host(target(Family::V6)), narrow);
    let lane = LanePlan { fragmentation: Some(Fragmentation::Probe), ..lane(LANES[1]) };
    let run = trace_over(&network, lane, &[target(Family::V6)], Config { packet_octets: Some(1500), ..config() });
    let (_, end) = run.end();
    assert_eq!((end.hops.len(), end.stop_reason), (3, StopReason::Unreachable));
    let response = end.hops[2].probes[0].response().unwrap();
    assert_eq!((response.kind(), response.error().unwrap().mtu), (Some(ErrorKind::TooBig), Mtu::new(1400)));
}

#[test]
fn a_closed_port_elsewhere_is_not_the_destination() {
    for kind in LANES {
        let closed = if kind.0 == Family::V4 { Rejection::new(3, 3) } else { Rejection::new(1, 4) };
        let mut network = Network::new(1);
        let refuse = |ttl, node: Node| if ttl == 4 { node.forwarding(Forwarding::Refuse(closed)) } else { node };
        path(&mut network, kind.0, 8, refuse);
        let run = trace(&network, kind, config());
        let (_, end) = run.end();
        assert_eq!((end.reached, end.stop_reason), (false, StopReason::PortUnreachableElsewhere), "{kind:?}");
        assert_eq!(end.hops.len(), 5, "{kind:?}");
    }
}

#[test]
fn a_target_that_refuses_is_reached() {
    for kind in LANES {
        let prohibited = if kind.0 == Family::V4 { Rejection::new(3, 10) } else { Rejection::new(1, 1) };
        let mut network = Network::new(1);
        let refuse = |ttl, node: Node| if ttl == 4 { node.change(.., Change::Refuse(prohibited)) } else { node };
        path(&mut network, kind.0, 4, refuse);
        let run = trace(&network, kind, config());
        let (_, end) = run.end();
        assert_eq!((end.reached, end.stop_reason), (true, StopReason::Destination), "{kind:?}");
        assert_eq!(end.hops[3].probes[0].response().unwrap().kind(), Some(ErrorKind::Prohibited), "{kind:?}");
    }
}

#[test]
fn time_exceeded_from_the_targets_own_address_is_a_hop_like_others() {
    for kind in LANES {
        let mut network = Network::new(1);
        let borrowed = target(kind.0);
        path(
            &mut network,
            kind.0,
            6,
            |ttl, node| if ttl == 3 { node.change(.., Change::Source(borrowed)) } else { node },
        );
        let run = trace(&network, kind, config());
        let (_, end) = run.end();
        let mut hops = expected(kind.0, 6, 6, &[]);
        hops[2] = vec![Some(borrowed); 3];
        assert_eq!(responders(end), hops, "{kind:?}");
        assert_eq!((end.reached, end.stop_reason), (true, StopReason::Destination), "{kind:?}");
    }
}

#[test]
fn an_echo_reply_from_another_address_reaches_and_shows_who_answered() {
    for kind in &LANES[..4] {
        let mut network = Network::new(1);
        let other = router(kind.0, 99);
        path(&mut network, kind.0, 4, |ttl, node| if ttl == 4 { node.change(.., Change::Source(other)) } else { node });
        let run = trace(&network, *kind, config());
        let (_, end) = run.end();
        assert_eq!((end.reached, end.stop_reason), (true, StopReason::Destination), "{kind:?}");
        assert_eq!(responders(end)[3], vec![Some(other); 3], "{kind:?}");
    }
}

#[test]
fn a_service_that_answers_on_the_port_is_the_destination() {
    let mut network = Network::new(1);
    let answer = |ttl, node: Node| if ttl == 4 { node.udp(53, UdpService::Answer(b"hello".to_vec())) } else { node };
    path(&mut network, Family::V4, 4, answer);
    let ports = Ports::Fixed(Port::new(53).unwrap());
    for flows in [1, 2, 16] {
        let run = trace_over(
            &network,
            LanePlan { flows: NonZeroU16::new(flows), ..lane(UDP) },
            &[target(Family::V4)],
            Config { ports, ..config() },
        );
        let (_, end) = run.end();
        assert_eq!(responders(end), expected(Family::V4, 4, 4, &[]), "{flows} flows");
        let response = end.hops[3].probes[0].response().unwrap();
        assert!(matches!(response.event.outcome, Outcome::Reply(Reply { detail: Detail::Datagram, .. })));
        assert!(run.log.packets().iter().all(|packet| packet.ports().unwrap().1 == 53));
    }
}

#[test]
fn duplicates_damage_and_advice_change_nothing() {
    for kind in LANES {
        let mut network = Network::new(1);
        path(&mut network, kind.0, 6, |ttl, node| match ttl {
            2 => node.change(.., Change::Again(ms(3))),
            3 => node.change([1], Change::WrongChecksum),
            4 => node.change(.., Change::Redirect(router(kind.0, 66))),
            6 => node.change(.., Change::Again(ms(1))),
            _ => node,
        });
        let run = trace(&network, kind, config());
        let mut hops = expected(kind.0, 6, 6, &[]);
        hops[2][0] = None;
        assert_eq!(responders(run.end().1), hops, "{kind:?}");
    }
}

#[test]
fn a_target_that_knows_the_protocol_of_no_probe_is_reached() {
    for kind in LANES {
        let (icmp_type, icmp_code) = if kind.0 == Family::V4 { (3, 2) } else { (4, 1) };
        for elsewhere in [false, true] {
            let mut network = Network::new(1);
            let refuse = Change::Refuse(Rejection::new(icmp_type, icmp_code));
            path(&mut network, kind.0, 4, |ttl, node| match ttl {
                4 if !elsewhere => node.change(.., refuse.clone()),
                3 if elsewhere => node.forwarding(Forwarding::Refuse(Rejection::new(icmp_type, icmp_code))),
                _ => node,
            });
            let run = trace(&network, kind, config());
            let (_, end) = run.end();
            let what = format!("{kind:?} {elsewhere} {:?}", responders(end));
            assert_eq!((end.reached, end.hops.len()), (!elsewhere, 4), "{what}");
        }
    }
}
