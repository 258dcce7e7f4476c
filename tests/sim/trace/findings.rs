//! What a trace says about its path beyond the hops.

use super::*;
use netprobe::trace::Finding;

fn codes(trace: &Trace) -> Vec<(&'static str, Option<u8>)> {
    trace.findings.iter().map(|finding| (finding.code().name(), finding.ttl().map(Ttl::get))).collect()
}

#[test]
fn an_ordinary_path_gives_rise_to_nothing() {
    for kind in LANES {
        let mut network = Network::new(1);
        path(&mut network, kind.0, 6, as_is);
        let run = trace(&network, kind, config());
        assert_eq!(codes(run.end().1), [], "{kind:?}");
    }
}

#[test]
fn silent_and_limiting_routers_differ() {
    for kind in LANES {
        let mut network = Network::new(1);
        path(&mut network, kind.0, 8, |ttl, node| match ttl {
            2 | 3 | 6 => node.silent(),
            5 => node.error_limit(ms(1000), 1),
            _ => node,
        });
        let run = trace(&network, kind, config());
        let expected = [("silent_hops", Some(2)), ("rate_limited", Some(5)), ("silent_hops", Some(6))];
        assert_eq!(codes(run.end().1), expected, "{kind:?}");
    }
}

#[test]
fn a_path_that_dies_says_where() {
    let mut network = Network::new(1);
    path(&mut network, Family::V4, 9, |ttl, node| if ttl > 4 { node.silent() } else { node });
    let run = trace(&network, RAW, config());
    assert_eq!(codes(run.end().1), [("nothing_behind", Some(5))]);
}

#[test]
fn a_loop_ends_the_trace_and_is_named() {
    for kind in LANES {
        let mut network = Network::new(1);
        let node = |ttl| Node::router(router(kind.0, ttl));
        let first = network.add(US, node(1), Link::after(ms(1)));
        let second = network.add(first, node(2), Link::after(ms(1)));
        let third = network.add(second, node(3), Link::after(ms(1)));
        let fourth = network.add(third, node(4).forwarding(Forwarding::To(second)), Link::after(ms(1)));
        network.link(fourth, second, Link::after(ms(1)));
        network.add(fourth, Node::host(target(kind.0)), Link::after(ms(1)));
        let run = trace(&network, kind, config());
        let (_, end) = run.end();
        assert_eq!((end.reached, end.stop_reason, end.hops.len()), (false, StopReason::Loop, 7), "{kind:?}");
        let circle = end.findings.iter().find_map(|finding| match finding {
            Finding::Loop { first, period, responder } => Some((first.get(), *period, *responder)),
            _ => None,
        });
        assert_eq!(circle, Some((2, 3, router(kind.0, 2))), "{kind:?}");
        assert!(run.beyond(7) <= 40, "{kind:?} {}", run.beyond(7));
    }
}

#[test]
fn a_longer_way_back_is_seen_from_where_it_begins() {
    for kind in LANES {
        let mut network = Network::new(1);
        let back = |ttl: u8, node: Node| if ttl >= 4 { node.answer_ttl(Ttl::new(250)) } else { node };
        path(&mut network, kind.0, 6, back);
        let run = trace(&network, kind, config());
        assert_eq!(codes(run.end().1), [("asymmetry", Some(4))], "{kind:?}");
    }
}

#[test]
fn a_long_link_differs_from_a_router_that_answers_slowly() {
    for kind in LANES {
        let mut network = Network::new(1);
        let mut last = US;
        for ttl in 1..=7 {
            let node = if ttl == 7 { Node::host(target(kind.0)) } else { Node::router(router(kind.0, ttl)) };
            let node = if ttl == 2 { node.answer_delay(ms(120)) } else { node };
            let link = Link::after(if ttl == 4 { ms(35) } else { ms(1) });
            last = network.add(last, node, link);
        }
        let run = trace(&network, kind, config());
        let (_, end) = run.end();
        let [Finding::LatencyJump { ttl, before, before_rtt, rtt, hops }] = end.findings[..] else {
            panic!("{kind:?} {:?}", end.findings)
        };
        assert_eq!((ttl.get(), before.get(), hops), (4, 3, 4), "{kind:?}");
        let rtts = (before_rtt.as_duration(), rtt.as_duration());
        assert!(rtts.0 < ms(7) && rtts.1 >= ms(76) && rtts.1 < ms(78), "{kind:?} {rtts:?}");
    }
}

#[test]
fn a_tunnel_that_shows_its_labels_is_reported_with_its_ends() {
    let label = LabelStackEntry { label: 24_001, tc: 0, bottom: true, ttl: 1 };
    for kind in LANES {
        let mut network = Network::new(1);
        let tunnel = |ttl: u8, node: Node| {
            if (3..=5).contains(&ttl) { node.quote(Quote::full().labels([label])) } else { node }
        };
        path(&mut network, kind.0, 7, tunnel);
        let run = trace(&network, kind, config());
        let (_, end) = run.end();
        assert_eq!(end.findings, [Finding::MplsTunnel { first: Ttl::new(3), last: Ttl::new(5) }], "{kind:?}");
    }
}

#[test]
fn a_block_and_an_answer_in_place_of_the_target_are_said() {
    let mut network = Network::new(1);
    path(&mut network, Family::V4, 5, |ttl, node| {
        if ttl == 3 { node.forwarding(Forwarding::Refuse(Rejection::new(3, 13))) } else { node }
    });
    let run = trace(&network, RAW, config());
    assert_eq!(codes(run.end().1), [("admin_block", Some(4))]);
    let mut network = Network::new(1);
    path(&mut network, Family::V4, 3, |ttl, node| {
        if ttl == 3 { node.change(.., Change::Source(router(Family::V4, 9))) } else { node }
    });
    let run = trace(&network, RAW, config());
    assert_eq!(codes(run.end().1), [("other_address", Some(3))]);
}
