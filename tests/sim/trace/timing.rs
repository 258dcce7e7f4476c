//! When probes leave, and how long they are waited for.

use super::*;

#[test]
fn a_hop_waits_a_tick_for_the_stamp_of_a_probe_whose_answer_was_faster() {
    for (behind, expected) in [(900, StampSource::Kernel), (1100, StampSource::User)] {
        let mut network = Network::new(1);
        path(&mut network, Family::V4, 1, as_is);
        network.sent_stamps_after(Some(ms(5) + Duration::from_micros(behind)));
        let run = trace(&network, RAW, Config { probes_per_hop: 1, ..config() });
        let [(at, hop)] = run.hops()[..] else { panic!("{:?}", run.events) };
        let response = hop.probes[0].response().unwrap();
        assert_eq!(
            (response.event.delay.unwrap().stamp, response.rtt.as_duration()),
            (expected, ms(5)),
            "{behind} µs behind"
        );
        assert!(at <= ms(6), "{behind} µs behind: {at:?}");
    }
}

#[test]
fn delays_do_not_hold_the_time_it_took_to_read_the_answer() {
    let mut network = Network::new(1);
    path(&mut network, Family::V4, 2, as_is);
    network.stall(ms(1), ms(50));
    let run = trace(&network, RAW, Config { probes_per_hop: 1, ..config() });
    let rtts =
        run.hops().iter().map(|(_, hop)| hop.probes[0].response().unwrap().rtt.as_duration()).collect::<Vec<_>>();
    assert_eq!(rtts, [ms(5), ms(10)]);
}

#[test]
fn an_answer_after_its_wait_fills_in_as_late() {
    let mut network = Network::new(1);
    path(&mut network, Family::V4, 15, |ttl, node| match ttl {
        1 | 2 => node,
        3 => node.answer_delay(ms(4300)),
        _ => node.silent(),
    });
    let run = trace(&network, RAW, Config { send_gap: Some(ms(200)), ..config() });
    let (_, end) = run.end();
    assert_eq!(responders(end)[2], vec![Some(router(Family::V4, 3)); 3]);
    assert!(end.hops[2].probes[0].event.standing.is_late());
    assert!(
        end.hops[..2]
            .iter()
            .flat_map(|hop| &hop.probes)
            .all(|probe| probe.response().is_some() && !probe.event.standing.is_late())
    );
}

#[test]
fn one_probe_in_flight_means_one_after_the_other() {
    let mut network = Network::new(1);
    path(&mut network, Family::V4, 5, as_is);
    let run = trace(&network, RAW, Config { in_flight: Some(1), ..config() });
    assert_eq!(responders(run.end().1), expected(Family::V4, 5, 5, &[]));
    let packets = run.log.packets();
    let ttls: Vec<u8> = packets.iter().map(|packet| packet.ttl.get()).collect();
    assert_eq!(ttls, (1..=5).flat_map(|ttl| [ttl; 3]).collect::<Vec<u8>>());
    for pair in packets.windows(2) {
        assert!(pair[1].at >= pair[0].at + ms(5) * u32::from(pair[0].ttl.get()));
    }
}

#[test]
fn no_more_probes_are_in_flight_than_asked_for() {
    let mut network = Network::new(1);
    path(&mut network, Family::V4, 20, |_, node| node.silent());
    let wait = Some(Wait { max: ms(1000), here: 0.0, near: 0.0 });
    let run = trace(&network, RAW, Config { in_flight: Some(4), wait, max_ttl: Ttl::new(4), ..config() });
    let times = run.log.times();
    assert_eq!(times.len(), 12);
    for window in times.windows(5) {
        assert!(window[4] >= window[0] + ms(1000), "{window:?}");
    }
}

#[test]
fn explicit_waits_mean_what_they_mean_in_traceroute() {
    let run = |wait: Wait, hops: &'static [u8]| {
        let mut network = Network::new(1);
        path(&mut network, Family::V4, 10, silent(hops));
        trace(&network, RAW, Config { wait: Some(wait), ..config() }).end().0
    };
    let max = run(Wait { max: ms(3000), here: 0.0, near: 0.0 }, &[3]);
    assert!((ms(3000)..ms(3100)).contains(&max), "{max:?}");
    // Ten times the 20 ms of the fourth hop, from the third probe of the third hop on.
    let near = run(Wait { max: ms(3000), here: 3.0, near: 10.0 }, &[3]);
    assert!((ms(200)..ms(300)).contains(&near), "{near:?}");
    let nobody_behind = run(Wait { max: ms(1000), here: 3.0, near: 10.0 }, &[3, 4, 5, 6, 7, 8, 9, 10]);
    assert!((ms(1000)..ms(2000)).contains(&nobody_behind), "{nobody_behind:?}");
}

#[test]
fn a_send_gap_lies_between_all_probes() {
    let mut network = Network::new(1);
    path(&mut network, Family::V4, 3, as_is);
    let run = trace(&network, RAW, Config { send_gap: Some(ms(50)), ..config() });
    assert!(run.log.times().windows(2).all(|pair| pair[1] >= pair[0] + ms(50)));
    assert_eq!(responders(run.end().1), expected(Family::V4, 3, 3, &[]));
}

#[test]
fn a_rate_holds_over_all_traces_together() {
    let mut network = Network::new(1);
    let fork = network.add(US, Node::router(router(Family::V4, 1)), Link::after(ms(2)));
    let targets: Vec<IpAddr> = (1..=5).map(|host| IpAddr::from([198, 51, 100, host])).collect();
    for &address in &targets {
        network.add(fork, Node::host(address), Link::after(ms(5)));
    }
    let run = trace_over(&network, lane(RAW), &targets, Config { rate: Some(50.0), ..config() });
    assert!(run.log.times().windows(2).all(|pair| pair[1] >= pair[0] + ms(20)));
    assert!(run.ends().iter().all(|(_, end)| end.reached && end.hops.len() == 2));
}

/// Routers at 1 to 4, and beyond them this many targets.
fn crowd(network: &mut Network, targets: u16, link: Link) -> Vec<IpAddr> {
    let routers = path(network, Family::V4, 5, as_is);
    let address = |number: u16| IpAddr::from([198, 18, (number >> 8) as u8, number as u8]);
    let targets: Vec<IpAddr> = (1..=targets).map(address).collect();
    for &target in &targets {
        network.add(routers[3], Node::host(target), link.clone());
    }
    targets
}

#[test]
fn many_unpaced_traces_run_side_by_side_and_send_nothing_beyond_their_targets() {
    let mut network = Network::new(1);
    let targets = crowd(&mut network, 300, Link::after(Duration::from_micros(2500)));
    let run = trace_over(&network, lane(RAW), &targets, Config { paced: false, probes_per_hop: 1, ..config() });
    assert!(run.ends().iter().all(|(_, end)| end.reached && end.hops.len() == 5));
    assert_eq!((run.ends().len(), run.log.times().len()), (300, 300 * 5));
    let (last, _) = run.ends().into_iter().max_by_key(|(at, _)| *at).unwrap();
    assert!(last < ms(300), "{last:?}");
}

#[test]
fn traces_that_wait_leave_the_rate_to_others() {
    let mut network = Network::new(1);
    let targets = crowd(&mut network, 100, Link::after(ms(1)).outward(Direction::after(ms(1)).lose(..)));
    let run = trace_over(&network, lane(RAW), &targets, Config { rate: Some(2000.0), probes_per_hop: 1, ..config() });
    let (last, _) = run.ends().into_iter().max_by_key(|(at, _)| *at).unwrap();
    let sent = u32::try_from(run.log.times().len()).unwrap();
    assert!(last < ms(1500) + sent * Duration::from_micros(500), "{last:?} {sent}");
    assert!(run.log.times().windows(2).all(|pair| pair[1] >= pair[0] + Duration::from_micros(500)));
}

#[test]
fn unpaced_probes_leave_at_once() {
    let mut network = Network::new(1);
    path(&mut network, Family::V4, 15, as_is);
    let run = trace(&network, RAW, Config { paced: false, ..config() });
    assert!(run.log.times().iter().all(|at| at.is_zero()));
    let (time, end) = run.end();
    assert_eq!((time, responders(end)), (ms(75), expected(Family::V4, 15, 15, &[])));
}

#[test]
fn a_stalled_process_does_not_make_answers_late() {
    let mut network = Network::new(1);
    path(&mut network, Family::V4, 15, as_is);
    network.stall(ms(20), ms(3000));
    let run = trace(&network, RAW, config());
    let (_, end) = run.end();
    assert_eq!(responders(end), expected(Family::V4, 15, 15, &[]));
    for response in end.hops.iter().flat_map(|hop| &hop.probes).map(|probe| probe.response().unwrap()) {
        assert!(!response.event.standing.is_late() && response.rtt.as_duration() <= ms(75), "{response:?}");
    }
}

/// A router at 4 asks for a host that does not answer.
fn dead_host(ttl: u8, node: Node) -> Node {
    if ttl == 4 { node.forwarding(Forwarding::DeadNeighbour) } else { node }
}

#[test]
fn a_dead_host_is_reported_by_the_last_router_at_the_first_silent_hop() {
    for kind in LANES {
        for burst in [1, 2, 6, 100] {
            let mut network = Network::new(1);
            path(&mut network, kind.0, 5, |ttl, node| match ttl {
                4 => dead_host(ttl, node).error_limit(ms(300), burst),
                _ => node,
            });
            let run = trace(&network, kind, config());
            let (time, end) = run.end();
            let what = format!("{kind:?} {burst} {time:?} {:?}", responders(end));
            assert_eq!((end.stop_reason, end.hops.len()), (StopReason::Unreachable, 5), "{what}");
            let said = end.hops[4].responses().map(|response| (response.responder, response.kind()));
            let said: Vec<_> = said.collect();
            assert!(!said.is_empty(), "{what}");
            assert!(
                said.iter().all(|&said| said == (router(kind.0, 4), Some(ErrorKind::HostUnreachable))),
                "{what} {said:?}"
            );
            assert!(burst < 100 || kind.2 == SocketChoice::Auto || said.len() == 3, "{what}");
            assert!(end.hops[4].probes.iter().all(|probe| !probe.event.standing.is_late()), "{what}");
            assert!((ms(3000)..ms(4300)).contains(&time), "{what}");
            let (printed, _) = run.hops()[3];
            assert!(printed < ms(1500), "{what}: hop 4 is final after {printed:?}");
        }
    }
}

#[test]
fn every_flow_and_every_target_hears_of_a_dead_host() {
    let mut network = Network::new(1);
    let routers = path(&mut network, Family::V4, 5, dead_host);
    let targets: Vec<IpAddr> = (1..=20).map(|host| IpAddr::from([198, 51, 100, 100 + host])).collect();
    for &address in &targets {
        network.add(routers[3], Node::host(address), Link::after(ms(1)));
    }
    let run = trace_over(&network, lane(RAW), &targets, Config { flows: Some(2), ..config() });
    assert_eq!(run.ends().len(), 40);
    for (time, end) in run.ends() {
        assert_eq!((end.stop_reason, end.hops.len()), (StopReason::Unreachable, 5), "{:?}", responders(end));
        assert!(time < ms(20_000), "{time:?}");
    }
}

#[test]
fn a_link_that_sleeps_loses_no_hop_beyond_it() {
    for kind in LANES {
        let mut network = Network::new(1);
        path(&mut network, kind.0, 8, |ttl, node| if ttl > 3 { node.answer_delay(ms(2600)) } else { node });
        let run = trace(&network, kind, config());
        let (_, end) = run.end();
        assert_eq!((end.reached, end.hops.len()), (true, 8), "{kind:?} {:?}", responders(end));
        assert!(end.hops.iter().all(|hop| hop.responses().count() > 0), "{kind:?} {:?}", responders(end));
    }
}

#[test]
fn a_run_over_many_targets_does_not_wait_for_dead_hosts() {
    let mut network = Network::new(1);
    let targets = crowd(&mut network, 65, Link::after(ms(1)).outward(Direction::after(ms(1)).lose(..)));
    let short = trace_over(&network, lane(RAW), &targets, config());
    assert!(short.ends().iter().all(|(_, end)| end.duration < 2_500_000_000));
    let long = trace_over(&network, lane(RAW), &targets[..64], config());
    assert!(long.ends().iter().all(|(_, end)| end.duration >= 4_000_000_000));
}
