//! ICMP errors about probes, however routers quote them.

use std::net::IpAddr;
use std::time::Duration;

use netprobe::channel::{Control, ErrorOrigin};
use netprobe::ping::{Config, Counts, Event, Wait};
use netprobe::sim::{Change, Forwarding, Link, Mangle, Network, Node, Quote, Rejection, US, ip};
use netprobe::types::{Mtu, Rtt};
use netprobe::wire::extension::LabelStackEntry;
use netprobe::wire::icmp::ErrorKind;

use super::{SECOND, TARGET, TARGET_V6, config, interrupt_at, ms, network, ping, ping_all, waiting};

const ROUTER: &str = "203.0.113.1";

fn unreachable(count: u64) -> Counts {
    Counts { sent: count, unreachable: count, icmp_errors: count, ..Counts::default() }
}

/// A router 4 ms away that has no way to the target.
fn dead_end(quote: Quote) -> Network {
    let mut network = Network::new(1);
    let router = Node::router(ip(ROUTER)).also(ip("2001:db8:1::1"));
    let refuse = Forwarding::Refuse(Rejection::new(3, 1));
    let router = network.add(US, router.quote(quote).forwarding(refuse), Link::after(ms(2)));
    network.default_route(router);
    network
}

#[test]
fn a_probe_with_nothing_but_an_error_is_unreachable() {
    let run = ping(&dead_end(Quote::full()), config());
    assert_eq!(run.counts(), unreachable(3));
    assert_eq!(run.counts().loss_pct(), Some(100.0));
    assert_eq!(run.summary().delays.rtt, None);
    for (n, error) in run.errors().iter().enumerate() {
        assert_eq!(error.id.get(), n as u64 + 1);
        assert_eq!(error.outcome.kind, ErrorKind::HostUnreachable);
        assert_eq!((error.responder, error.outcome.origin), (Some(ip(ROUTER)), ErrorOrigin::Icmp));
        assert_eq!(error.rtt(), Some(Rtt::from(ms(4))));
    }
}

#[test]
fn errors_match_however_they_quote() {
    let labels = [LabelStackEntry { label: 24_001, tc: 0, bottom: true, ttl: 1 }];
    let quotes = [
        ("8 octets", Quote::transport(8)),
        ("10 octets", Quote::transport(10)),
        ("padded", Quote::transport(8).padded()),
        ("labels", Quote::full().labels(labels)),
        ("labels, old router", Quote::full().labels(labels).unannounced()),
        ("options", Quote::full().mangle(Mangle::Options(vec![7, 39, 4]))),
        ("most options", Quote::transport(8).mangle(Mangle::Options(vec![1; 40]))),
        ("length 0", Quote::full().mangle(Mangle::Length(0))),
        ("swapped length", Quote::full().mangle(Mangle::SwapLength)),
        ("wrong header checksum", Quote::full().mangle(Mangle::HeaderChecksum(0))),
        ("translated destination", Quote::full().mangle(Mangle::Destination(ip("10.1.2.3")))),
    ];
    for raw in [true, false] {
        for (name, quote) in quotes.clone() {
            let mut network = dead_end(quote);
            network.allow_raw(raw);
            assert_eq!(ping(&network, config()).counts(), unreachable(3), "{name}, raw {raw}");
        }
    }
}

#[test]
fn errors_about_the_other_family_match_too() {
    for raw in [true, false] {
        for quote in [Quote::full(), Quote::transport(8)] {
            let mut network = Network::new(1);
            let router = Node::router(ip("2001:db8:1::1")).quote(quote);
            let router =
                network.add(US, router.forwarding(Forwarding::Refuse(Rejection::new(1, 3))), Link::after(ms(2)));
            network.default_route(router);
            network.allow_raw(raw);
            let run = ping_all(&network, &[TARGET_V6], config());
            assert_eq!(run.counts(), unreachable(3), "raw {raw}");
            assert_eq!(run.errors()[0].outcome.kind, ErrorKind::HostUnreachable);
        }
    }
}

#[test]
fn an_error_about_a_foreign_packet_is_not_ours() {
    let foreign = [
        ("ident", Mangle::Transport(4, vec![0x12, 0x34])),
        ("cookie", Mangle::Transport(8, vec![0x5a; 16])),
        ("sequence", Mangle::Transport(6, vec![0xff, 0xff])),
        ("not echo", Mangle::Transport(0, vec![13])),
    ];
    for (name, mangle) in foreign {
        let network = dead_end(Quote::full().mangle(mangle));
        let run = ping(&network, Config { spec: waiting(Wait::Exactly(SECOND)), ..config() });
        assert_eq!(run.counts(), Counts { sent: 3, lost: 3, longest_loss_run: 3, ..Counts::default() }, "{name}");
    }
    let elsewhere = Quote::transport(8).mangle(Mangle::Destination(ip("10.1.2.3")));
    let run = ping(&dead_end(elsewhere), Config { spec: waiting(Wait::Exactly(SECOND)), ..config() });
    assert_eq!(run.counts().lost, 3);
}

#[test]
fn a_quote_with_nothing_usable_is_ignored() {
    for octets in [0, 4, 19, 20, 24] {
        let run = ping(&dead_end(Quote::cut_to(octets)), Config { spec: waiting(Wait::Exactly(SECOND)), ..config() });
        assert_eq!((run.counts().lost, run.errors().len()), (3, 0), "{octets}");
    }
}

#[test]
fn redirect_and_source_quench_are_shown_and_leave_the_probe_open() {
    let gateway = ip("203.0.113.99");
    let run = ping(&network(|node| node.change([2], Change::Redirect(gateway))), config());
    assert_eq!(run.counts(), Counts { sent: 3, received: 3, ..Counts::default() });
    let errors = run.errors();
    assert_eq!(errors.len(), 1);
    assert_eq!((errors[0].outcome.kind, errors[0].outcome.gateway), (ErrorKind::Redirect, Some(gateway)));
    assert!(!errors[0].duplicate() && !errors[0].late());
    let run = ping(&network(|node| node.change([1], Change::SourceQuench)), config());
    assert_eq!(run.counts(), Counts { sent: 3, received: 3, ..Counts::default() });
    assert_eq!(run.errors()[0].outcome.kind, ErrorKind::SourceQuench);
}

#[test]
fn an_error_after_its_wait_is_late() {
    let refused = |node: Node| node.change(1.., Change::Refuse(Rejection::new(3, 1))).answer_delay(ms(700));
    let run = ping(&network(refused), Config { spec: waiting(Wait::Exactly(ms(500))), ..config() });
    let counts = Counts { sent: 3, lost: 3, late: 2, icmp_errors: 2, longest_loss_run: 3, ..Counts::default() };
    assert_eq!(run.counts(), counts, "the third error would come after the end of the run");
    assert!(run.errors().iter().all(|error| error.late() && !error.duplicate()));
}

#[test]
fn an_answer_after_an_error_is_received_and_an_error_after_an_answer_changes_nothing() {
    let first: IpAddr = ip(TARGET);
    for (refused, answered_after_error) in [([2], 0), ([1], 1)] {
        // Two copies of every answer; one of them is turned into an error.
        let mut network = Network::new(1);
        let node = Node::host(first).change(refused, Change::Refuse(Rejection::new(3, 10)));
        let link = Link::after(ms(5)).outward(netprobe::sim::Direction::after(ms(5)).duplicate([1]));
        network.add(US, node, link);
        let run = ping(&network, config());
        let counts = Counts { sent: 3, received: 3, icmp_errors: 1, answered_after_error, ..Counts::default() };
        assert_eq!(run.counts(), counts);
        assert!(run.errors().iter().all(|error| !error.duplicate()));
        assert_eq!(run.replies().len(), 3);
    }
}

/// A target 10 ms away whose answer to each probe follows an error from a router by this much.
fn answering_after_errors(rejection: Rejection, after: Duration) -> Network {
    let mut network = Network::new(1);
    let refuse = Change::Refuse(rejection);
    let node = (1..=5u64).fold(Node::host(ip(TARGET)).also(ip(TARGET_V6)), |node, probe| {
        node.change([2 * probe - 1], refuse.clone()).change([2 * probe], Change::Later(after))
    });
    let link = Link::after(ms(5)).outward(netprobe::sim::Direction::after(ms(5)).duplicate(1..));
    network.add(US, node, link);
    network
}

#[test]
fn an_answer_within_the_wait_counts_whatever_errors_came_before() {
    for raw in [true, false] {
        for (target, icmp_type) in [(TARGET, 11), (TARGET_V6, 3)] {
            let mut network = answering_after_errors(Rejection::new(icmp_type, 0), ms(10));
            network.allow_raw(raw);
            let run = ping_all(&network, &[target], config());
            let counts = Counts { sent: 3, received: 3, icmp_errors: 3, answered_after_error: 3, ..Counts::default() };
            assert_eq!(run.counts(), counts, "{target}, raw {raw}");
            assert_eq!(run.counts().loss_pct(), Some(0.0));
            assert_eq!(run.summary().delays.rtt.map(|rtt| rtt.count), Some(3));
        }
    }
}

#[test]
fn the_end_of_a_run_waits_for_answers_after_errors_and_not_for_long() {
    // Nothing answered: a quarter of a second. The first two probes have all the time until then.
    let after = |delay| answering_after_errors(Rejection::new(11, 0), delay);
    let run = ping(&after(ms(240)), config());
    assert_eq!((run.counts().received, run.counts().unreachable), (3, 0));
    let run = ping(&after(ms(900)), Config { count: Some(1), ..config() });
    assert_eq!(run.counts(), unreachable(1));
    // Twice the largest delay, once there is one.
    let run = ping(&after(ms(900)), config());
    assert_eq!((run.counts().received, run.counts().unreachable), (3, 0));
    // But no more than a second.
    let run = ping(&after(ms(1900)), config());
    assert_eq!((run.counts().received, run.counts().unreachable), (2, 1));
}

#[test]
fn at_the_end_a_probe_with_an_error_is_unreachable_and_not_pending() {
    let mut network = dead_end(Quote::full());
    interrupt_at(&mut network, ms(2010));
    network.at(ms(1010), Control::Interim);
    let run = ping(&network, Config { count: None, ..config() });
    assert_eq!(run.counts(), unreachable(3));
    let interim = run.events.iter().find_map(|event| match event {
        Event::Interim(figures) => Some(figures[0].counts),
        _ => None,
    });
    assert_eq!(interim, Some(unreachable(2)));
}

#[test]
fn an_error_with_a_wrong_checksum_decides_nothing() {
    let refused =
        |node: Node| node.change([1], Change::Refuse(Rejection::new(3, 1))).change([1], Change::WrongChecksum);
    let run = ping(&network(refused), config());
    assert_eq!(
        run.counts(),
        Counts { sent: 3, received: 2, lost: 1, bad_checksum: 1, longest_loss_run: 1, ..Counts::default() }
    );
}

#[test]
fn a_packet_too_big_carries_the_mtu() {
    let too_big = Rejection { icmp_type: 3, icmp_code: 4, info: 1400 };
    let run = ping(&network(|node| node.change([1], Change::Refuse(too_big))), config());
    assert_eq!(run.counts(), Counts { sent: 3, received: 2, unreachable: 1, icmp_errors: 1, ..Counts::default() });
    assert_eq!((run.errors()[0].outcome.kind, run.errors()[0].outcome.mtu), (ErrorKind::TooBig, Mtu::new(1400)));
}

#[test]
fn an_error_does_not_end_a_run_with_a_deadline() {
    let run = ping(&dead_end(Quote::full()), Config { count: None, deadline: Some(ms(4500)), ..config() });
    assert_eq!(run.counts(), unreachable(5));
}
