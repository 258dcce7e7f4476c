//! Several targets in one run.

use std::sync::Arc;

use netprobe::engine::{Destination, Target};
use netprobe::ping::{Config, Counts, Event, State, Task};
use netprobe::sim::{Change, Link, Network, Node, US, ip};
use netprobe::types::IpEndpoint;

use super::{TARGET, TARGET_V6, config, ms, network, ping_all, sized};

fn received(count: u64) -> Counts {
    Counts { sent: count, received: count, ..Counts::default() }
}

#[test]
fn both_families_run_together() {
    let run = ping_all(&network(|node| node), &[TARGET, TARGET_V6], config());
    assert_eq!(run.summaries().iter().map(|summary| summary.counts).collect::<Vec<_>>(), [received(3); 2]);
}

#[test]
fn summaries_come_in_argument_order_after_everything_else() {
    let run = ping_all(&network(|node| node), &["203.0.113.3", "203.0.113.1", "203.0.113.2"], config());
    let last: Vec<usize> = run.events[run.events.len() - 3..]
        .iter()
        .map(|event| match event {
            Event::Ended(summary) => summary.subject.id.index(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(last, [0, 1, 2]);
    assert!(run.events[..3].iter().all(|event| matches!(event, Event::Began { .. })));
}

#[test]
fn a_name_without_an_address_does_not_stop_the_others() {
    let run = ping_all(&network(|node| node), &["no.such.name", TARGET], config());
    let summaries = run.summaries();
    assert_eq!((summaries[0].counts, summaries[0].state), (Counts::default(), Some(State::Unresolved)));
    assert_eq!((summaries[1].counts, summaries[1].state), (received(3), None));
}

#[test]
fn a_run_of_nothing_that_can_be_probed_is_over_at_once() {
    let unroutable = Target {
        zone: None,
        target: TARGET.into(),
        name: TARGET.into(),
        numeric: true,
        destination: Destination::Unroutable { endpoint: IpEndpoint::from_address(ip(TARGET)) },
    };
    let run = ping_all(
        &network(|node| node),
        &["no.such.name"],
        Config { targets: vec![Task::icmp(unroutable, Arc::default())], ..config() },
    );
    assert_eq!(
        run.summaries().iter().map(|summary| summary.state).collect::<Vec<_>>(),
        [Some(State::Unknown), Some(State::Unresolved)]
    );
    assert!(run.log.packets().is_empty());
}

#[test]
fn a_run_without_targets_is_over_at_once() {
    assert!(ping_all(&network(|node| node), &[], config()).events.is_empty());
}

#[test]
fn one_target_given_twice_is_two_series() {
    let run = ping_all(&network(|node| node), &[TARGET, TARGET], config());
    assert_eq!(run.summaries().iter().map(|summary| summary.counts).collect::<Vec<_>>(), [received(3); 2]);
}

#[test]
fn a_reply_from_another_address_finds_its_series_by_cookie() {
    let elsewhere = |node: Node| node.change(1.., Change::Source(ip("203.0.113.77")));
    let run = ping_all(&network(elsewhere), &["203.0.113.1", "203.0.113.2"], config());
    for summary in run.summaries() {
        assert_eq!(summary.counts, Counts { wrong_source: 3, ..received(3) });
    }
}

#[test]
fn a_reply_that_seems_to_come_from_the_other_target_finds_its_series_by_cookie() {
    let mut network = Network::new(1);
    network.add(US, Node::host(ip(TARGET)).change(1.., Change::Source(ip("203.0.113.1"))), Link::after(ms(5)));
    network.add(US, Node::host(ip("203.0.113.1")).silent(), Link::after(ms(5)));
    let run = ping_all(&network, &[TARGET, "203.0.113.1"], config());
    assert_eq!(run.summaries()[0].counts, Counts { wrong_source: 3, ..received(3) });
    assert_eq!((run.summaries()[1].counts.received, run.summaries()[1].counts.lost), (0, 3));
}

#[test]
fn payloads_without_room_for_a_cookie_go_by_the_source() {
    let targets: Vec<String> = (1..=200).map(|n| format!("203.0.113.{n}")).collect();
    let targets: Vec<&str> = targets.iter().map(String::as_str).collect();
    for payload_octets in [0, 1, 2, 4, 15, 16, 17] {
        for raw in [true, false] {
            let mut network = network(|node| node);
            network.allow_raw(raw);
            let run = ping_all(&network, &targets, Config { spec: sized(payload_octets), ..config() });
            for summary in run.summaries() {
                assert_eq!(summary.counts, received(3), "{payload_octets} octets, raw {raw}");
            }
        }
    }
}

#[test]
fn a_group_is_answered_by_many() {
    let mut network = Network::new(1);
    for (n, member) in ["203.0.113.1", "203.0.113.2", "203.0.113.3"].into_iter().enumerate() {
        network.add(US, Node::host(ip(member)).group(ip("224.0.0.1")), Link::after(ms(n as u64 + 1)));
    }
    let run = ping_all(&network, &["224.0.0.1"], config());
    let counts = run.summary().counts;
    // The last probe is waited for as the others, so that all answers to it are heard.
    assert_eq!(counts, Counts { duplicates: 6, ..received(3) });
    let seen = run.summary().responders.iter().map(|one| (one.received, one.duplicates, one.rtt.map(|rtt| rtt.max)));
    assert_eq!(seen.collect::<Vec<_>>(), [2, 4, 6].map(|millis| (3, 0, Some(millis * 1_000_000))));
}

#[test]
fn ten_thousand_targets_are_probed_in_one_run() {
    let targets: Vec<String> = (0..10_000).map(|n| format!("10.7.{}.{}", n / 256, n % 256)).collect();
    let targets: Vec<&str> = targets.iter().map(String::as_str).collect();
    let network = network(|node| node.prefix(ip("10.7.0.0"), 16));
    let run = ping_all(&network, &targets, Config { count: Some(1), rate: Some(1000.0), ..config() });
    assert!(run.summaries().iter().all(|summary| summary.counts == received(1)));
    assert_eq!(run.log.times().last(), Some(&ms(9999)));
}
