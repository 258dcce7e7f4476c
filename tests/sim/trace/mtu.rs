//! Searches for the path MTU: what routers report, report wrong, and do not report.

use netprobe::trace::{Finding, MtuTracer, Narrowing};

use super::*;

/// The lanes a search can run over.
fn lanes() -> impl Iterator<Item = Kind> {
    LANES.into_iter().filter(|kind| kind.1 != Protocol::Tcp)
}

/// How a link treats packets larger than this.
#[derive(Clone, Copy)]
enum Mtus {
    Traced(u32),
    Silent(u32),
}
use Mtus::{Silent, Traced as Says};

/// A path over links of these MTUs, nodes changed by `change`.
fn narrow(family: Family, links: &[Mtus], change: impl Fn(u8, Node) -> Node) -> Network {
    lossy(family, links, 1, 0.0, change)
}

/// The same, losing packets at this rate on the last link, each way.
fn lossy(family: Family, links: &[Mtus], seed: u64, rate: f64, change: impl Fn(u8, Node) -> Node) -> Network {
    let mut network = Network::new(seed);
    let mut last = US;
    for (ttl, link) in (1..).zip(links) {
        let end = usize::from(ttl) == links.len();
        let node = if end { Node::host(target(family)) } else { Node::router(router(family, ttl)) };
        let way = Direction::after(Duration::from_micros(2500)).lose(if end { rate } else { 0.0 });
        let outward = match *link {
            Says(mtu) => way.clone().mtu(Mtu::new(mtu).unwrap()),
            Silent(mtu) => way.clone().blackhole_above(Mtu::new(mtu).unwrap()),
        };
        last = network.add(last, change(ttl, node), Link::default().outward(outward).homeward(way));
    }
    network
}

fn search(network: &Network, kind: Kind, config: Config) -> Traced {
    let ports = match kind.2 {
        SocketChoice::Raw => Ports::Fixed(Port::new(33434).unwrap()),
        _ => config.ports,
    };
    let lane = LanePlan { fragmentation: Some(Fragmentation::Interface), ..lane(kind) };
    run_over(network, lane, &[target(kind.0)], Config { ports, ..config }, MtuTracer::new)
}

fn whole() -> Config {
    Config { packet_octets: None, ..config() }
}

fn mtus(trace: &Trace) -> Vec<Option<u32>> {
    trace.hops.iter().map(|hop| hop.mtu.map(Mtu::get)).collect()
}

/// The findings about MTUs but the path's.
fn found(trace: &Trace) -> Vec<&Finding> {
    let drops = |finding: &&Finding| matches!(finding.code().name(), "mtu_drop" | "mtu_black_hole" | "mtu_unclear");
    trace.findings.iter().filter(drops).collect()
}

fn at(ttl: u8, from: u32, mtu: u32) -> Narrowing {
    let after = ttl.checked_sub(1).filter(|&ttl| ttl > 0).map(Ttl::new);
    Narrowing { ttl: Ttl::new(ttl), after, from: Mtu::new(from), mtu: Mtu::new(mtu).unwrap() }
}

#[test]
fn every_lane_finds_each_drop_that_routers_report() {
    for kind in lanes() {
        let links = [Says(1500), Says(1500), Says(1400), Says(1500), Says(1300)];
        let run = search(&narrow(kind.0, &links, as_is), kind, whole());
        let (_, end) = run.end();
        assert_eq!(mtus(end), [1500, 1500, 1400, 1400, 1300].map(Some), "{kind:?}");
        assert_eq!(end.path_mtu, Mtu::new(1300), "{kind:?}");
        let drop = |ttl, from, mtu| Finding::MtuDrop {
            at: at(ttl, from, mtu),
            by: router(kind.0, ttl - 1),
            stated: Mtu::new(mtu),
        };
        assert_eq!(found(end), [&drop(3, 1500, 1400), &drop(5, 1400, 1300)], "{kind:?}");
        assert!(end.findings.contains(&Finding::PathMtu { ttl: Ttl::new(5), mtu: Mtu::new(1300).unwrap() }));
        // ICMP has run ten TTLs past the target by the time it answers.
        assert!(run.log.packets().len() <= 55, "{kind:?}: {}", run.log.packets().len());
        assert_eq!(run.hops().len(), 5);
    }
}

#[test]
fn a_limit_of_the_search_is_no_mtu_of_the_path() {
    for kind in lanes() {
        let limit = |octets| Config { packet_octets: Some(octets), ..config() };
        // The limit is less than any link takes, then less than the first two take.
        let run = search(&narrow(kind.0, &[Says(9000), Says(9000), Says(4000)], as_is), kind, limit(2000));
        let (_, end) = run.end();
        assert_eq!((mtus(end), end.path_mtu, end.path_mtu_at_least), (vec![None; 3], None, Mtu::new(2000)), "{kind:?}");
        assert!(end.findings.is_empty(), "{kind:?} {:?}", end.findings);
        let run = search(&narrow(kind.0, &[Says(9000), Says(9000), Says(1400)], as_is), kind, limit(2000));
        let (_, end) = run.end();
        let at = Narrowing { from: None, ..at(3, 2000, 1400) };
        assert_eq!((mtus(end), end.path_mtu), (vec![None, None, Some(1400)], Mtu::new(1400)), "{kind:?}");
        assert_eq!(end.path_mtu_at_least, None);
        assert_eq!(found(end), [&Finding::MtuDrop { at, by: router(kind.0, 2), stated: Mtu::new(1400) }], "{kind:?}");
    }
}

#[test]
fn a_wide_path_costs_a_handful_of_packets_more() {
    for kind in lanes() {
        let run = search(&narrow(kind.0, &[Says(1500), Says(9000), Says(1500)], as_is), kind, whole());
        let (duration, end) = run.end();
        assert_eq!((mtus(end), found(end)), (vec![Some(1500); 3], vec![]), "{kind:?}");
        let large = run.log.packets().iter().filter(|packet| packet.octets.len() > 1000).count();
        assert!(large <= 2 && duration < ms(1000), "{kind:?}: {large} {duration:?}");
    }
}

#[test]
fn every_lane_finds_a_black_hole_wherever_it_is() {
    for kind in lanes() {
        for (ttl, mtu) in [(2, 1499), (3, 1380), (4, 1281), (5, 700)] {
            let mut links = [Says(1500); 5];
            links[usize::from(ttl) - 1] = Silent(mtu);
            let run = search(&narrow(kind.0, &links, as_is), kind, whole());
            let (duration, end) = run.end();
            let expected: Vec<_> = (1..=5).map(|hop| Some(if hop < ttl { 1500 } else { mtu })).collect();
            assert_eq!((mtus(end), end.path_mtu), (expected, Mtu::new(mtu)), "{kind:?} {ttl}");
            let echoed = ttl == 5 && kind.1 == Protocol::Icmp;
            assert_eq!(found(end), [&Finding::MtuBlackHole { at: at(ttl, 1500, mtu), echoed }], "{kind:?}");
            assert!(duration < Duration::from_secs(5), "{kind:?} {ttl} {duration:?}");
        }
    }
}

#[test]
fn before_silence_is_stated_several_packets_are_lost_between_answers_to_smaller_ones() {
    let network = narrow(Family::V4, &[Says(1500), Says(1500), Silent(1380)], as_is);
    let run = search(&network, RAW, whole());
    let sizes: Vec<usize> =
        run.log.packets().iter().filter(|packet| packet.ttl.get() == 3).map(|packet| packet.octets.len()).collect();
    let thorough = [1381, 1380, 1381, 1380, 1381, 1380, 1381, 1380, 1381, 1380];
    assert!(sizes.windows(10).any(|window| window == thorough), "{sizes:?}");
}

#[test]
fn a_black_hole_is_found_although_routers_limit_their_answers_as_linux_does() {
    for kind in lanes() {
        let limited = |_, node: Node| node.error_limit(Duration::from_secs(1), 6);
        let run = search(&narrow(kind.0, &[Says(1500), Says(1500), Silent(1380), Says(1500)], limited), kind, whole());
        let (duration, end) = run.end();
        assert_eq!(mtus(end), [1500, 1500, 1380, 1380].map(Some), "{kind:?}");
        assert!(duration < Duration::from_secs(30), "{kind:?} {duration:?}");
    }
}

#[test]
fn what_a_router_states_wrong_is_measured_and_said() {
    for kind in lanes() {
        for stated in [0u32, 1, 67, 1200, 1399, 1401, 1499, 1500, 9000, 65_535] {
            let lie = |ttl, node: Node| match (ttl, kind.0) {
                (2, Family::V4) => node.change(.., Change::Octets(6, (stated as u16).to_be_bytes().to_vec())),
                (2, Family::V6) => node.change(.., Change::Octets(4, stated.to_be_bytes().to_vec())),
                _ => node,
            };
            let run = search(&narrow(kind.0, &[Says(1500), Says(1500), Says(1400), Says(1500)], lie), kind, whole());
            let (_, end) = run.end();
            assert_eq!(mtus(end), [1500, 1500, 1400, 1400].map(Some), "{kind:?} {stated}");
            let by = router(kind.0, 2);
            let finding = Finding::MtuDrop { at: at(3, 1500, 1400), by, stated: Mtu::new(stated) };
            assert_eq!(found(end), [&finding], "{kind:?} {stated}");
            assert!(run.log.packets().len() <= 60, "{kind:?} {stated}");
        }
    }
}

#[test]
fn a_refusal_of_another_address_is_still_one_and_its_hop_is_measured() {
    for kind in lanes() {
        let elsewhere = router(kind.0, 99);
        // Its first three answers are to the trace's own probes.
        let renamed = |ttl, node: Node| if ttl == 3 { node.change(4.., Change::Source(elsewhere)) } else { node };
        let links = [Says(1500), Says(1500), Says(1500), Says(1400), Says(1500), Says(1500)];
        let run = search(&narrow(kind.0, &links, renamed), kind, whole());
        let (_, end) = run.end();
        let finding = Finding::MtuDrop { at: at(4, 1500, 1400), by: elsewhere, stated: Mtu::new(1400) };
        assert_eq!(found(end), [&finding], "{kind:?}");
    }
}

#[test]
fn a_refusal_of_a_packet_that_was_never_sent_changes_nothing() {
    for kind in lanes() {
        let mut network = narrow(kind.0, &[Says(1500); 4], as_is);
        for millis in 1..200 {
            let mut quote =
                vec![0x45, 0, 5, 220, 1, 2, 0x40, 0, 1, if kind.1 == Protocol::Icmp { 1 } else { 17 }, 0, 0];
            quote.extend([192, 0, 2, 1, 198, 51, 100, 9]);
            quote.extend([8, 0, 0, 0, 0, 0, 0, 1].repeat(8));
            let message = [vec![3, 4, 0, 0, 0, 0, 2, 64], quote].concat();
            if kind.0 == Family::V4 {
                let forged = netprobe::sim::Packet::icmp(router(kind.0, 2), source(target(kind.0)), message);
                network.inject(ms(millis), forged);
            }
        }
        let run = search(&network, kind, whole());
        let (_, end) = run.end();
        assert_eq!((mtus(end), found(end)), (vec![Some(1500); 4], vec![]), "{kind:?}");
    }
}

#[test]
fn loss_is_not_taken_for_a_black_hole() {
    for kind in [RAW, UDP] {
        for seed in 0..150 {
            let network = lossy(kind.0, &[Says(1500); 4], seed, 0.2, as_is);
            let run = search(&network, kind, whole());
            let (duration, end) = run.end();
            assert!(mtus(end).into_iter().flatten().all(|mtu| mtu == 1500), "{kind:?} seed {seed}");
            let stated = |finding: &&Finding| finding.code().name() != "mtu_unclear";
            assert_eq!(found(end).into_iter().find(stated), None, "{kind:?} seed {seed}");
            assert!(duration < Duration::from_secs(75), "{kind:?} seed {seed} {duration:?}");
        }
    }
}

#[test]
fn under_loss_a_black_hole_is_stated_right_or_not_at_all() {
    let mut right = 0;
    for seed in 0..100 {
        let network = lossy(Family::V4, &[Says(1500), Says(1500), Says(1500), Silent(1380)], seed, 0.1, as_is);
        let run = search(&network, RAW, whole());
        let (_, end) = run.end();
        // Where the distance is not run right for loss, neither is the hop; the MTU is.
        let stated = found(end).into_iter().find_map(|finding| match finding {
            Finding::MtuBlackHole { at, .. } => Some(at.mtu),
            _ => None,
        });
        assert!(stated.is_none_or(|mtu| mtu.get() == 1380), "seed {seed}: {stated:?}");
        right += usize::from(stated.is_some());
    }
    assert!(right >= 90, "{right}");
}

#[test]
fn silent_hops_have_the_mtu_that_both_sides_have() {
    let links = [Says(1500), Says(1500), Says(1500), Says(1500), Says(1400), Says(1500)];
    let run = search(&narrow(Family::V4, &links, silent(&[2, 4, 5])), RAW, whole());
    let (_, end) = run.end();
    assert_eq!(mtus(end), [Some(1500), Some(1500), Some(1500), None, None, Some(1400)]);
    let between = Narrowing { after: Some(Ttl::new(3)), ..at(6, 1500, 1400) };
    assert_eq!(found(end), [&Finding::MtuBlackHole { at: between, echoed: true }]);
}

#[test]
fn a_service_whose_answers_name_no_packet_shows_what_reaches_it() {
    let answering =
        |ttl, node: Node| if ttl == 3 { node.udp(33434, UdpService::Answer(b"what?".to_vec())) } else { node };
    for family in [Family::V4, Family::V6] {
        let kind = (family, Protocol::Udp, SocketChoice::Raw);
        let run = search(&narrow(family, &[Says(1500), Says(1500), Says(1400)], answering), kind, whole());
        let (_, end) = run.end();
        assert_eq!((mtus(end), end.path_mtu), (vec![Some(1500), Some(1500), Some(1400)], Mtu::new(1400)), "{family:?}");
    }
}

#[test]
fn names_stand_in_the_hops_of_a_search() {
    let mut network = narrow(Family::V4, &[Says(1500), Says(1400)], as_is);
    network.name(router(Family::V4, 1), NameOutcome::Named("r1.example".into(), ms(300)));
    let kind = (Family::V4, Protocol::Icmp, SocketChoice::Raw);
    let run = search(&network, kind, Config { names: true, ..whole() });
    let name = run.hops()[0].1.responders[0].name.as_deref();
    assert_eq!((name, run.end().1.path_mtu), (Some("r1.example"), Mtu::new(1400)));
}

#[test]
fn where_the_destination_is_silent_the_last_hop_is_measured() {
    let run = search(
        &narrow(
            Family::V4,
            &[Says(1500), Says(1450), Says(1400)],
            |ttl, node| {
                if ttl == 3 { node.silent() } else { node }
            },
        ),
        RAW,
        Config { max_ttl: Ttl::new(5), ..whole() },
    );
    let (_, end) = run.end();
    assert_eq!((mtus(end), end.path_mtu), (vec![Some(1500), Some(1450), None, None, None], None));
}

#[test]
fn a_packet_length_limits_what_is_tried() {
    let network = narrow(Family::V4, &[Says(1500), Says(1500), Says(1300)], as_is);
    let run = search(&network, RAW, Config { packet_octets: Some(1200), ..config() });
    let (_, end) = run.end();
    assert_eq!((mtus(end), end.path_mtu_at_least), (vec![None; 3], Mtu::new(1200)));
    assert!(run.log.packets().iter().all(|packet| packet.octets.len() <= 1200));
}

#[test]
fn an_interrupted_search_is_reported_at_once_with_its_hops() {
    let mut network = narrow(Family::V4, &[Says(1500), Says(1500), Silent(1380)], as_is);
    network.at(ms(200), Control::Interrupt);
    let run = search(&network, RAW, whole());
    let (duration, end) = run.end();
    assert_eq!((duration, end.hops.len(), end.reached, end.path_mtu), (ms(200), 3, true, None));
}

#[test]
fn searches_are_not_starved_by_the_traces_that_follow_them() {
    let mut network = Network::new(1);
    let narrow = Direction::after(ms(2)).mtu(Mtu::new(1400).unwrap());
    let hosts = Node::host(ip("198.51.100.9")).prefix(ip("198.51.0.0"), 16);
    network.add(US, hosts, Link::after(ms(2)).outward(narrow));
    let targets: Vec<IpAddr> = (0..250).map(|last| IpAddr::from([198, 51, 7, last])).collect();
    let lane = LanePlan { fragmentation: Some(Fragmentation::Interface), ..lane(RAW) };
    // The traces alone take more than a minute, after which each search gives up.
    let run = run_over(&network, lane, &targets, Config { rate: Some(10.0), ..whole() }, MtuTracer::new);
    assert!(run.ends().iter().all(|(_, end)| end.path_mtu == Mtu::new(1400)));
    assert!(run.log.times().last() > Some(&Duration::from_secs(75)));
}

#[test]
fn several_searches_share_the_rate() {
    for kind in [RAW, UDP, LANES[8 - 2]] {
        let mut network = Network::new(1);
        let targets: Vec<IpAddr> = (10..14).map(|last| IpAddr::from([198, 51, 100, last])).collect();
        for &target in &targets {
            let narrow = Direction::after(ms(2)).mtu(Mtu::new(1400).unwrap());
            let own = Direction::after(ms(2)).mtu(Mtu::new(1500).unwrap());
            let near = network.add(US, Node::router(ip("203.0.113.1")), Link::after(ms(2)).outward(own));
            network.add(near, Node::host(target), Link::after(ms(2)).outward(narrow));
        }
        let lane = LanePlan { fragmentation: Some(Fragmentation::Interface), ..lane(kind) };
        let run = run_over(&network, lane, &targets, Config { rate: Some(100.0), ..whole() }, MtuTracer::new);
        assert!(run.ends().iter().all(|(_, end)| end.path_mtu == Mtu::new(1400)), "{kind:?}");
        let times = run.log.times();
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= Duration::from_micros(9_900)), "{kind:?}: {times:?}");
    }
}
