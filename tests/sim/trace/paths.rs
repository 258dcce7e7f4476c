//! Whole paths: every hop in its place, in time, and nothing beyond the destination.

use super::*;

#[test]
fn every_lane_sees_the_whole_path_and_gives_silent_hops_up_in_time() {
    for kind in LANES {
        let mut network = Network::new(1);
        path(&mut network, kind.0, 15, silent(&[5, 9, 12]));
        let run = trace(&network, kind, config());
        let (time, end) = run.end();
        assert_eq!(responders(end), expected(kind.0, 15, 15, &[5, 9, 12]), "{kind:?}");
        assert_eq!((end.reached, end.stop_reason), (true, StopReason::Destination), "{kind:?}");
        // traceroute 2.1 takes 0.73 s for this path.
        // TCP probes of a hop leave one after the other: a round trip of 75 ms each.
        let more = if (kind.1, kind.2) == (Protocol::Tcp, SocketChoice::Raw) { ms(3 * 75) } else { ms(0) };
        assert!(time < ms(363) + more, "{kind:?} {time:?}");
        assert!(run.beyond(15) <= most_beyond(kind), "{kind:?} {}", run.beyond(15));
    }
}

#[test]
fn a_path_that_dies_is_given_up_once_no_router_can_still_say_why() {
    for kind in LANES {
        let mut network = Network::new(1);
        path(&mut network, kind.0, 15, |ttl, node| if ttl > 11 { node.silent() } else { node });
        let run = trace(&network, kind, config());
        let (time, end) = run.end();
        let dead: Vec<u8> = (12..=30).collect();
        assert_eq!(responders(end), expected(kind.0, 15, 30, &dead), "{kind:?}");
        assert_eq!((end.reached, end.stop_reason), (false, StopReason::MaxTtl), "{kind:?}");
        assert!((ms(4000)..ms(4500)).contains(&time), "{kind:?} {time:?}");
    }
}

#[test]
fn a_path_of_which_nothing_answers_ends() {
    for kind in [RAW, UDP] {
        let mut network = Network::new(1);
        path(&mut network, kind.0, 4, |_, node| node.silent());
        let run = trace(&network, kind, config());
        let (time, end) = run.end();
        assert_eq!((end.hops.len(), end.stop_reason), (30, StopReason::MaxTtl));
        assert!((ms(4000)..ms(4500)).contains(&time), "{kind:?} {time:?}");
    }
}

#[test]
fn hops_come_in_order_and_each_as_soon_as_it_is_final() {
    let mut network = Network::new(1);
    path(&mut network, Family::V4, 15, silent(&[9]));
    let run = trace(&network, RAW, config());
    let hops = run.hops();
    let ttls: Vec<u8> = hops.iter().map(|(_, hop)| hop.ttl.get()).collect();
    assert_eq!(ttls, (1..=15).collect::<Vec<u8>>());
    // The third probe of the first hop leaves after 20 ms and is answered 5 ms later; the ninth hop holds the others up.
    assert!(hops[0].0 < ms(30), "{:?}", hops[0]);
    assert!(hops[7].0 < hops[8].0 && hops[8].0 == hops[9].0, "{hops:?}");
    let (_, end) = run.end();
    assert!(hops.iter().map(|(_, hop)| *hop).eq(end.hops.iter().map(|hop| &**hop)));
}

#[test]
fn nothing_is_sent_beyond_the_destination_once_it_has_answered() {
    for kind in LANES {
        let mut network = Network::new(1);
        path(&mut network, kind.0, 8, as_is);
        let run = trace(&network, kind, config());
        let packets = run.log.packets();
        let first = packets.iter().find(|packet| packet.ttl.get() >= 8).unwrap();
        let late = packets.iter().filter(|packet| packet.ttl.get() > 8 && packet.at > first.at + ms(40));
        assert_eq!(late.count(), 0, "{kind:?}");
        assert!(run.beyond(8) <= most_beyond(kind), "{kind:?} {}", run.beyond(8));
    }
}

#[test]
fn a_satellite_after_the_second_hop_does_not_end_the_trace() {
    for kind in LANES {
        let mut network = Network::new(1);
        let mut last = US;
        for ttl in 1..=8 {
            let node = if ttl == 8 { Node::host(target(kind.0)) } else { Node::router(router(kind.0, ttl)) };
            let delay = if ttl == 3 { ms(300) } else { Duration::from_micros(500) };
            last = network.add(last, node, Link::after(delay));
        }
        let run = trace(&network, kind, config());
        assert_eq!(responders(run.end().1), expected(kind.0, 8, 8, &[]), "{kind:?}");
    }
}

#[test]
fn a_gap_of_silent_hops_ends_the_trace() {
    let mut network = Network::new(1);
    path(&mut network, Family::V4, 15, silent(&[3, 6, 7, 8]));
    let run = trace(&network, RAW, Config { gap_limit: Some(3), ..config() });
    let (_, end) = run.end();
    assert_eq!((end.hops.len(), end.stop_reason), (8, StopReason::GapLimit));
    assert_eq!(responders(end), expected(Family::V4, 15, 8, &[3, 6, 7, 8]));
    assert_eq!(run.beyond(8), 0);
}

#[test]
fn the_first_ttl_is_the_first_hop() {
    let mut network = Network::new(1);
    path(&mut network, Family::V4, 6, as_is);
    let run = trace(&network, RAW, Config { first_ttl: Ttl::new(4), ..config() });
    let (_, end) = run.end();
    assert_eq!(responders(end), expected(Family::V4, 6, 6, &[])[3..]);
    assert_eq!(end.hops[0].ttl, Ttl::new(4));
}

#[test]
fn lossy_paths_are_survived_with_any_seed() {
    for seed in 0..20 {
        for kind in LANES {
            let mut network = Network::new(seed);
            let mut last = US;
            for ttl in 1..=10 {
                let node = if ttl == 10 { Node::host(target(kind.0)) } else { Node::router(router(kind.0, ttl)) };
                let way = || Direction::after(ms(2)).vary(ms(3)).lose(0.02).duplicate(0.05);
                last = network.add(last, node, Link::default().outward(way()).homeward(way()));
            }
            let run = trace(&network, kind, config());
            let (_, end) = run.end();
            for (hop, expected) in end.hops.iter().zip(expected(kind.0, 10, 10, &[])) {
                assert!(
                    hop.responses().map(|response| Some(response.responder)).all(|found| found == expected[0]),
                    "{seed} {kind:?}"
                );
            }
        }
    }
}

#[test]
fn a_long_path_takes_little_more_than_its_own_delay() {
    // One-way delays in µs: evenly spread, and most of it on one link.
    let even = vec![3000; 15];
    let ocean = [vec![500; 7], vec![40_000], vec![200; 7]].concat();
    for delays in [even, ocean] {
        for (kind, most) in [(RAW, ms(160)), (UDP, ms(330))] {
            let mut network = Network::new(1);
            let mut last = US;
            for (ttl, &delay) in (1..).zip(&delays) {
                let node = if ttl == 15 { Node::host(target(kind.0)) } else { Node::router(router(kind.0, ttl)) };
                last = network.add(last, node, Link::after(Duration::from_micros(delay)));
            }
            let run = trace(&network, kind, config());
            let (time, end) = run.end();
            assert_eq!(responders(end), expected(kind.0, 15, 15, &[]));
            assert!(time < most, "{kind:?} {time:?}");
        }
    }
}

#[test]
fn a_short_path_is_over_as_soon_as_its_probes_are_spread() {
    let mut network = Network::new(1);
    network.add(US, Node::host(target(Family::V4)), Link::after(Duration::from_micros(100)));
    let run = trace(&network, RAW, config());
    assert!(run.end().0 < ms(21), "{:?}", run.end().0);
    assert_eq!(run.log.packets().len(), 3);
}
