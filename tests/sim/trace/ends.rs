//! The right end: however the destination limits its answers, its distance is what it is.

use netprobe::sim::{Peer, TcpService};

use super::*;

/// Host and routers limit their errors as Linux does: `burst` at once, then one a second.
fn limited(burst: u32) -> impl Fn(u8, Node) -> Node {
    move |_, node| node.error_limit(ms(1000), burst)
}

#[test]
fn a_quoted_ttl_gives_the_distance_whichever_probe_is_answered() {
    for family in [Family::V4, Family::V6] {
        for burst in 1..=6 {
            let mut network = Network::new(1);
            path(&mut network, family, 6, limited(burst));
            let run = trace(&network, (family, Protocol::Udp, SocketChoice::Raw), config());
            let (_, end) = run.end();
            assert_eq!((end.reached, end.hops.len()), (true, 6), "{family:?} {burst}");
            assert!(responders(end)[5].contains(&Some(target(family))), "{family:?} {burst}");
        }
    }
}

#[test]
fn a_destination_that_answers_too_late_to_its_own_ttl_is_asked_again() {
    // The first answers, those to the TTLs 4 to 6, are lost in the limit: without asking again hop 4 would be taken for hop 7.
    for kind in LANES {
        let mut network = Network::new(1);
        let quiet = |ttl: u8, node: Node| if ttl == 4 { node.change([1, 2, 3], Change::Silence) } else { node };
        path(&mut network, kind.0, 4, quiet);
        let run = trace(&network, kind, Config { probes_per_hop: 1, ..config() });
        let (_, end) = run.end();
        assert_eq!((end.reached, end.hops.len()), (true, 4), "{kind:?} {:?}", responders(end));
    }
}

#[test]
fn a_silent_router_before_the_destination_is_asked_once_more_and_stays_silent() {
    for kind in LANES {
        let mut network = Network::new(1);
        path(&mut network, kind.0, 6, silent(&[4, 5]));
        let run = trace(&network, kind, config());
        let (time, end) = run.end();
        let measured = kind.1 == Protocol::Udp && kind.2 == SocketChoice::Raw;
        let sent: Vec<usize> = end.hops.iter().map(|hop| hop.probes.len()).collect();
        let again = if measured { 3 } else { 4 };
        assert_eq!(sent, [3, 3, 3, again, again, 3], "{kind:?}");
        assert!(time < ms(if kind.1 == Protocol::Udp { 1500 } else { 350 }), "{kind:?} {time:?}");
    }
}

#[test]
fn a_ttl_quoted_wrong_by_the_destination_moves_no_hop_below_one_that_answered() {
    for quoted in [0, 1, 2, 5, 64, 255] {
        let mut network = Network::new(1);
        let quote = Quote::full().mangle(Mangle::Ttl(Ttl::new(quoted)));
        path(&mut network, Family::V4, 5, |ttl, node| if ttl == 5 { node.quote(quote.clone()) } else { node });
        let run = trace(&network, (Family::V4, Protocol::Udp, SocketChoice::Raw), config());
        assert_eq!(responders(run.end().1), expected(Family::V4, 5, 5, &[]), "{quoted}");
    }
}

/// A path of eight hops whose target answers at once and quotes like this, while routers take their time.
fn misquoted(network: &mut Network, family: Family, mangle: &Mangle, slow: Duration) {
    path(network, family, 8, |ttl, node| match ttl {
        8 => node.quote(Quote::full().mangle(mangle.clone())),
        _ => node.answer_delay(slow),
    });
}

#[test]
fn a_ttl_quoted_wrong_by_the_destination_beats_no_router_that_answers_after_it() {
    let mangles = [1, 2, 5, 8, 9, 64].map(|ttl| Mangle::Ttl(Ttl::new(ttl)));
    for mangle in mangles.into_iter().chain((1..9).map(Mangle::RaiseTtl)) {
        for kind in [LANES[6], LANES[7]] {
            for slow in [0, 30, 80] {
                let mut network = Network::new(1);
                misquoted(&mut network, kind.0, &mangle, ms(slow));
                let run = trace(&network, kind, config());
                assert_eq!(responders(run.end().1), expected(kind.0, 8, 8, &[]), "{kind:?} {mangle:?} {slow}");
                let run = trace(&network, kind, Config { probes_per_hop: 1, ..config() });
                // A router that was silent when the target had answered is asked once more.
                let first = |hops: Vec<Vec<_>>| hops.into_iter().map(|hop| hop[0]).collect::<Vec<_>>();
                let (hops, all) = (first(responders(run.end().1)), first(expected(kind.0, 8, 8, &[])));
                assert_eq!(hops, all, "{kind:?} {mangle:?} {slow}");
            }
        }
    }
}

#[test]
fn probes_that_ran_past_the_destination_spend_none_of_its_answers_in_vain() {
    for kind in [LANES[6], LANES[7]] {
        for hops in [1, 2, 5, 6, 9] {
            let mut network = Network::new(1);
            path(&mut network, kind.0, hops, limited(6));
            let run = trace(&network, kind, config());
            assert_eq!(responders(run.end().1), expected(kind.0, hops, hops, &[]), "{kind:?} {hops}");
        }
    }
}

/// Every lane over which a service is asked whose answer does not say to which probe it is one.
const SERVICE_LANES: [Kind; 2] = [LANES[6], LANES[7]];

#[test]
fn a_service_that_answers_every_probe_that_reaches_it_is_the_destination() {
    let port = Ports::Fixed(Port::new(53).unwrap());
    for kind in SERVICE_LANES {
        for (hops, quiet) in [(1, &[][..]), (4, &[]), (4, &[2]), (4, &[3]), (9, &[2, 7, 8])] {
            let mut network = Network::new(1);
            path(&mut network, kind.0, hops, |ttl, node| match ttl {
                ttl if ttl == hops => node.udp(53, UdpService::Answer(b"hello".to_vec())),
                ttl if quiet.contains(&ttl) => node.silent(),
                _ => node,
            });
            let run = trace_over(&network, lane(kind), &[target(kind.0)], Config { ports: port, ..config() });
            let (time, end) = run.end();
            let mut shown = responders(end);
            shown.iter_mut().for_each(|hop| hop.truncate(3));
            assert_eq!(shown, expected(kind.0, hops, hops, quiet), "{kind:?} {hops} {quiet:?}");
            assert!(end.reached && time < ms(2500), "{kind:?} {hops} {quiet:?} {time:?}");
        }
    }
}

#[test]
fn a_service_that_answers_but_once_in_a_while_ends_the_trace_all_the_same() {
    for kind in SERVICE_LANES {
        let mut network = Network::new(1);
        path(&mut network, kind.0, 4, |ttl, node| {
            let service = |node: Node| node.udp(53, UdpService::Answer(b"hello".to_vec()));
            if ttl == 4 { service(node).change(3.., Change::Silence) } else { node }
        });
        let ports = Ports::Fixed(Port::new(53).unwrap());
        let run = trace_over(&network, lane(kind), &[target(kind.0)], Config { ports, ..config() });
        let (time, end) = run.end();
        assert!(!end.reached && end.hops.len() <= 9 && time < ms(8000), "{kind:?} {time:?} {:?}", responders(end));
    }
}

#[test]
fn a_slow_destination_is_shown_and_never_too_far() {
    // Everything beyond the second hop answers slowly, and the destination limits its errors as Linux does.
    for kind in LANES {
        for (slow, burst, probes) in [(300, 6, 3), (900, 6, 3), (900, 1, 3), (1400, 6, 1), (1900, 6, 3), (1900, 1, 1)] {
            let mut network = Network::new(1);
            let mut last = US;
            for ttl in 1..=6 {
                let node = if ttl == 6 { Node::host(target(kind.0)) } else { Node::router(router(kind.0, ttl)) };
                let delay = if ttl == 2 { ms(slow / 2) } else { ms(1) };
                last = network.add(last, node.error_limit(ms(1000), burst), Link::after(delay));
            }
            let run = trace(&network, kind, Config { probes_per_hop: probes, ..config() });
            let (_, end) = run.end();
            let what = format!("{kind:?} {slow} {burst} {probes} {:?}", responders(end));
            assert!(end.stop_reason != StopReason::Destination || end.hops.len() == 6, "{what}");
            assert!(end.reached || slow > 900, "{what}");
        }
    }
}

#[test]
fn a_destination_that_wakes_up_is_not_too_far() {
    for kind in LANES {
        for asleep in [1, 2, 5, 9, 14, 20, 30, 45] {
            let mut network = Network::new(1);
            let sleepy = |ttl: u8, node: Node| if ttl == 6 { node.change(1..=asleep, Change::Silence) } else { node };
            path(&mut network, kind.0, 6, sleepy);
            let run = trace(&network, kind, config());
            let (_, end) = run.end();
            assert!(!end.reached || end.hops.len() == 6, "{kind:?} {asleep} {:?}", responders(end));
        }
    }
}

#[test]
fn an_answer_as_slow_as_a_router_that_asks_for_a_neighbour_is_not_late() {
    for kind in LANES {
        let mut network = Network::new(1);
        path(&mut network, kind.0, 15, |ttl, node| match ttl {
            1 => node,
            2 => node.answer_delay(ms(700)),
            3 => node.answer_delay(ms(3900)),
            _ => node.silent(),
        });
        let run = trace(&network, kind, config());
        let (_, end) = run.end();
        let third = end.hops.get(2).and_then(|hop| hop.probes.first());
        assert!(
            third.is_some_and(|probe| probe.response().is_some() && !probe.event.standing.is_late()),
            "{kind:?} {:?}",
            responders(end)
        );
    }
}

#[test]
fn a_syn_with_a_payload_ends_the_trace_whether_it_is_refused_or_accepted() {
    for family in [Family::V4, Family::V6] {
        for open in [false, true] {
            // A length at which what a reset acknowledges is another probe's number, if that is all that is looked at.
            for packet_octets in [100, 1000, 0x2019 + 60, 0x2019 + 80] {
                let mut network = Network::new(1);
                let host =
                    |_, node: Node| if open { node.tcp(33434, TcpService::Accept(Peer::silent())) } else { node };
                path(&mut network, family, 4, host);
                let kind = (family, Protocol::Tcp, SocketChoice::Raw);
                let run = trace(&network, kind, Config { packet_octets: Some(packet_octets), ..config() });
                assert_eq!(responders(run.end().1), expected(family, 4, 4, &[]), "{family:?} {open} {packet_octets}");
            }
        }
    }
}
