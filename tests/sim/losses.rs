//! Loss that goes on, and loss that does not, on a path that is watched: what is an event, when, and how often.

use std::time::Duration;

use netprobe::sim::{Change, Direction, Link, Network, Node, NodeId, Pick, US, ip};
use netprobe::trace::Finding;
use netprobe::trace::watch::ChangeKind;

use crate::live::{TARGET, after, changes};

/// A link that loses these packets on their way out.
fn lossy(lost: impl Into<Pick>) -> Link {
    after(1).outward(Direction::after(Duration::from_millis(1)).lose(lost))
}

/// Routers one after the other, each behind its link, and the host behind the last.
fn path(seed: u64, links: impl IntoIterator<Item = Link>, host: Node) -> Network {
    let mut network = Network::new(seed);
    let links: Vec<Link> = links.into_iter().collect();
    let (last, before) = links.split_last().unwrap();
    let router = |from: NodeId, (number, link): (usize, &Link)| {
        network.add(from, Node::router(format!("203.0.113.{}", number + 1).parse().unwrap()), link.clone())
    };
    let router = before.iter().enumerate().fold(US, router);
    network.add(router, host, last.clone());
    network
}

/// When a loss begins, and where; when one ends; when a burst began, how long it was, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loss {
    Begins(u64, u8),
    Ends(u64),
    Burst(u64, u64, u8),
}

fn losses(network: &Network, cycles: u64) -> Vec<Loss> {
    let of = |(at, kind): (u64, ChangeKind)| match kind {
        ChangeKind::Finding { finding: Finding::Loss { first, .. } } => Some(Loss::Begins(at, first.get())),
        ChangeKind::FindingEnded { finding: Finding::Loss { .. } } => Some(Loss::Ends(at)),
        ChangeKind::LossBurst { first, probes, .. } => {
            Some(Loss::Burst(at, probes, first.map_or(0, |first| first.get())))
        }
        _ => None,
    };
    changes(network, cycles).into_iter().filter_map(of).collect()
}

#[test]
fn a_loss_that_goes_on_evenly_is_one_event_and_stays_where_it_is() {
    let (mut later, mut runs) = (0, 0);
    for (rate, cycles, seeds) in [(0.02, 500, 2), (0.05, 250, 2), (0.12, 300, 8), (0.3, 120, 4)] {
        for seed in 1..=seeds {
            let network = path(seed, [after(1), lossy(rate), after(1)], Node::host(ip(TARGET)));
            let losses = losses(&network, cycles);
            // Bursts are what it makes by chance until it is known.
            let losses: Vec<Loss> = losses.into_iter().filter(|loss| !matches!(loss, Loss::Burst(..))).collect();
            match losses[..] {
                [Loss::Begins(_, 2)] => {}
                // It may first seem to begin later, and longer if the router before it seems to limit its answers.
                [Loss::Begins(_, 3)] | [Loss::Begins(_, 3), Loss::Ends(_), Loss::Begins(_, 2)] => later += 1,
                _ => panic!("{rate} {seed} {losses:?}"),
            }
            runs += 1;
        }
    }
    assert!(later <= runs / 4, "{later} of {runs}");
}

#[test]
fn bursts_within_a_minute_are_events_of_their_own_and_no_loss_that_goes_on() {
    // Two before the host, and one on the link before the second router: three probes a cycle pass it.
    let host = Node::host(ip(TARGET)).change(20..=23, Change::Silence).change(36..=38, Change::Silence);
    let network = path(1, [after(1), lossy(Pick::Between(162, 176)), after(1), after(1)], host);
    let found = losses(&network, 100);
    assert!(matches!(found[..], [Loss::Burst(_, 3.., 0), Loss::Burst(_, 3.., 0), Loss::Burst(_, 3.., 2)]), "{found:?}");
}

#[test]
fn a_loss_ends_some_time_after_its_last_probe_and_the_next_is_another() {
    let lost = |from: u64| (0..8).map(move |number| from + number * number % 5 + number * 5);
    let host = Node::host(ip(TARGET)).change(Pick::These(lost(20).chain(lost(200)).collect()), Change::Silence);
    let found = losses(&path(1, [after(1), after(1)], host), 340);
    let [Loss::Begins(begins, 2), Loss::Ends(ends), Loss::Begins(again, 2), Loss::Ends(over)] = found[..] else {
        panic!("{found:?}")
    };
    assert!((20..40).contains(&begins) && (60..120).contains(&ends), "{found:?}");
    assert!((200..220).contains(&again) && (240..300).contains(&over), "{found:?}");
}

#[test]
fn a_loss_that_first_seems_to_begin_later_is_corrected_once_there_is_more_of_it() {
    // The host alone loses at first, and from about cycle 34 on the link before the second router.
    let host = Node::host(ip(TARGET)).change(Pick::These(vec![20, 24, 28]), Change::Silence);
    let link = lossy(Pick::These((103..400).step_by(4).collect()));
    let found = losses(&path(1, [after(1), link, after(1), after(1)], host), 90);
    let [Loss::Begins(_, 4), Loss::Ends(ends), Loss::Begins(again, 2)] = found[..] else { panic!("{found:?}") };
    assert_eq!(ends, again);
}

#[test]
fn a_loss_does_not_begin_at_a_router_that_limits_its_answers_anyway() {
    let mut network = Network::new(2);
    let first = network.add(US, Node::router(ip("203.0.113.1")), after(1));
    let limits = Node::router(ip("203.0.113.2")).error_limit(Duration::from_secs(2), 1);
    let second = network.add(first, limits, after(1));
    // From cycle 31 on.
    let lossy = Direction::after(Duration::from_millis(1)).lose(Pick::These((61..200).step_by(11).collect()));
    let third = network.add(second, Node::router(ip("203.0.113.3")), after(1).outward(lossy));
    network.add(third, Node::host(ip(TARGET)), after(1));
    let changes = changes(&network, 100);
    let losses = changes.iter().filter_map(|(_, kind)| match kind {
        ChangeKind::Finding { finding: Finding::Loss { first, .. } } => Some(first.get()),
        _ => None,
    });
    let losses: Vec<u8> = losses.collect();
    assert!(!losses.is_empty() && losses.iter().all(|&first| first > 2), "{losses:?}");
    let codes: Vec<&str> = changes
        .iter()
        .filter(|(_, kind)| matches!(kind, ChangeKind::FindingEnded { finding: Finding::RateLimited { .. } }))
        .map(|(_, kind)| kind.code())
        .collect();
    assert_eq!(codes, [""; 0], "it goes on");
}

#[test]
fn a_destination_that_no_longer_answers_shows_of_no_router_that_it_limits_its_answers() {
    let lossy = lossy(Pick::These((0..800).step_by(2).collect()));
    let host = Node::host(ip(TARGET)).change(60.., Change::Silence);
    let changes = changes(&path(1, [after(1), lossy, after(1)], host), 120);
    let limits = |kind: &ChangeKind| matches!(kind, ChangeKind::Finding { finding: Finding::RateLimited { .. } });
    assert!(changes.iter().any(|(_, kind)| kind.code() == "outage"), "{changes:?}");
    assert!(!changes.iter().any(|(_, kind)| limits(kind)), "{changes:?}");
}
