//! TCP probes over raw sockets, all of one flow: no answer of the target costs another.

use netprobe::sim::TcpService;

use super::*;

const SYNS: [Kind; 2] = [LANES[8], LANES[9]];

/// A path of `hops`, 5 ms RTT each, with a NAT at the first router or without, to a Linux host whose port is open or closed.
fn path_to(network: &mut Network, family: Family, hops: u8, (nat, open): (bool, bool)) {
    path(network, family, hops, |ttl, node| match ttl {
        ttl if ttl == hops && open => node.tcp(33434, TcpService::Listen(ms(5) * u32::from(hops))),
        1 if nat => node.translates(),
        _ => node,
    });
}

#[test]
fn every_probe_is_answered_through_a_nat_and_by_a_linux_host_in_one_round_trip_more_per_probe() {
    for kind in SYNS {
        for hops in [1, 2, 5, 16] {
            for case in [(true, false), (false, true), (true, true), (false, false)] {
                for probes in [1, 3, 10] {
                    let mut network = Network::new(1);
                    path_to(&mut network, kind.0, hops, case);
                    let run = trace(&network, kind, Config { probes_per_hop: probes, ..config() });
                    let (time, end) = run.end();
                    let what = format!("{kind:?} {hops} {case:?} {probes} {time:?} {:?}", responders(end));
                    let shown: Vec<_> = responders(end).concat();
                    let all: Vec<_> = (1..=hops)
                        .flat_map(|ttl| {
                            vec![if ttl == hops { target(kind.0) } else { router(kind.0, ttl) }; probes as usize]
                        })
                        .map(Some)
                        .collect();
                    assert_eq!(shown, all, "{what}");
                    // As if those of a hop left ten milliseconds apart.
                    let round_trip = ms(5) * u32::from(hops);
                    let arrives = run.log.packets().iter().find(|packet| packet.ttl.get() == hops).unwrap().at;
                    let at_once = arrives + ms(10) * (probes - 1) + round_trip;
                    assert!(time <= at_once + round_trip * probes + ms(2), "{what}: {at_once:?}");
                }
            }
        }
    }
}

#[test]
fn a_lost_answer_of_the_target_is_lost_and_costs_no_other() {
    for kind in SYNS {
        for lost in 1..=3 {
            let mut network = Network::new(1);
            path(&mut network, kind.0, 4, |ttl, node| match ttl {
                1 => node.translates(),
                4 => node.change([lost], Change::Silence),
                _ => node,
            });
            let run = trace(&network, kind, config());
            let (_, end) = run.end();
            let answered: Vec<usize> = end.hops.iter().map(|hop| hop.responses().count()).collect();
            let what = format!("{kind:?} {lost} {:?}", responders(end));
            assert_eq!((end.reached, &answered[..3]), (true, &[3; 3][..]), "{what}");
            assert!(answered[3] >= 2 && end.hops.len() == 4, "{what}");
        }
    }
}

/// A path as [`path_to`] makes it, of which the target is as far away as the last router, so that their answers come together; what
/// comes `late` is by node and number, 3 ms.
fn path_with_late(
    network: &mut Network,
    (family, hops): (Family, u8),
    (nat, open): (bool, bool),
    late: (u8, &'static [u64]),
) {
    let mut last = US;
    for ttl in 1..=hops {
        let node = if ttl == hops { Node::host(target(family)) } else { Node::router(router(family, ttl)) };
        let node =
            if ttl == hops && open { node.tcp(33434, TcpService::Listen(ms(5) * u32::from(hops))) } else { node };
        let node = if ttl == 1 && nat { node.translates() } else { node };
        let pick = Pick::These(late.1.iter().copied().filter(|_| ttl == late.0).collect());
        let link = Link::after(if ttl == hops { Duration::ZERO } else { Duration::from_micros(2500) });
        last = network.add(last, node.change(pick, Change::Later(ms(3))), link);
    }
}

#[test]
fn answers_that_overtake_each_other_cost_no_hop_an_answer_and_the_target_not_its_distance() {
    const HOPS: u8 = 12;
    for kind in SYNS {
        for case in [(true, false), (true, true), (false, true), (false, false)] {
            for probes in [1, 3] {
                for late in [(HOPS, &[1][..]), (HOPS, &[1, 2]), (HOPS, &[2]), (HOPS - 1, &[1]), (HOPS - 1, &[1, 2])] {
                    let mut network = Network::new(1);
                    path_with_late(&mut network, (kind.0, HOPS), case, late);
                    let run = trace(&network, kind, Config { probes_per_hop: probes, ..config() });
                    let (_, end) = run.end();
                    let what = format!("{kind:?} {case:?} {probes} {late:?} {:?}", responders(end));
                    let last = if late.0 < HOPS && probes == 1 { HOPS - 2 } else { HOPS };
                    assert_eq!((end.reached, end.hops.len()), (true, usize::from(HOPS)), "{what}");
                    for hop in end.hops.iter().filter(|hop| hop.ttl.get() <= last) {
                        let ttl = hop.ttl.get();
                        let address = if ttl == HOPS { target(kind.0) } else { router(kind.0, ttl) };
                        let answers: Vec<_> = hop.responses().map(|response| response.responder).collect();
                        assert_eq!(answers, vec![address; probes as usize], "{what} at {ttl}");
                        assert!(
                            hop.probes.iter().all(|probe| probe.response().is_some() || probes == 1),
                            "{what} at {ttl}"
                        );
                    }
                }
            }
        }
    }
}
