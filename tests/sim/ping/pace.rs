//! When probes leave.

use std::time::Duration;

use netprobe::channel::OsError;
use netprobe::ping::{Config, Counts, Event, Pace, Wait};
use netprobe::sim::{Change, Link};

use super::{SECOND, TARGET, config, ms, network, over, paced, ping, ping_all, waiting};

#[test]
fn probes_leave_on_absolute_slots() {
    let mut network = network(|node| node);
    network.late_wakes(Duration::from_micros(300));
    let run = ping(&network, Config { count: Some(50), spec: paced(Pace::Fixed(ms(20))), ..config() });
    let expected: Vec<u128> = (0..50).map(|n| n * 20).collect();
    assert_eq!(run.sent_at_ms(), expected);
    assert_eq!(run.counts().skipped, 0);
}

#[test]
fn slots_missed_in_a_stall_are_skipped_and_never_sent_as_a_burst() {
    let mut network = network(|node| node);
    network.stall(ms(150), ms(500));
    let run = ping(&network, Config { count: Some(5), spec: paced(Pace::Fixed(ms(100))), ..config() });
    assert_eq!(run.sent_at_ms(), [0, 100, 650, 700, 800]);
    assert_eq!(run.counts(), Counts { sent: 5, received: 5, skipped: 4, ..Counts::default() });
}

#[test]
fn what_the_channel_cannot_take_is_sent_once_and_not_caught_up_with() {
    let mut network = network(|node| node);
    network.block_sends(ms(1500), ms(4000));
    let run = ping(&network, Config { count: Some(4), ..config() });
    assert_eq!(run.sent_at_ms(), [0, 1000, 5500, 6000]);
    assert_eq!(run.counts(), Counts { sent: 4, received: 4, skipped: 3, ..Counts::default() });
}

#[test]
fn intervals_shorter_than_a_wake_up_keep_their_rate() {
    let mut network = network(|node| node);
    network.late_wakes(Duration::from_micros(250));
    let pace = Pace::Fixed(Duration::from_micros(100));
    let run = ping(&network, Config { count: Some(1000), spec: paced(pace), ..config() });
    assert_eq!((run.counts().received, run.counts().skipped), (1000, 0));
    assert!(run.log.times().last().unwrap().abs_diff(ms(100)) < ms(1));
}

#[test]
fn preloaded_probes_leave_at_once() {
    let run = ping(&network(|node| node), Config { count: Some(5), preload: 3, ..config() });
    assert_eq!(run.sent_at_ms(), [0, 0, 0, 1000, 2000]);
    assert_eq!(run.summary().pipe, 3);
}

#[test]
fn a_rate_holds_over_all_targets_together() {
    let targets: Vec<String> = (1..=20).map(|n| format!("203.0.113.{n}")).collect();
    let targets: Vec<&str> = targets.iter().map(String::as_str).collect();
    let run = ping_all(&network(|node| node), &targets, Config { rate: Some(10.0), ..config() });
    let expected: Vec<u128> = (0..60).map(|n| n * 100).collect();
    assert_eq!(run.sent_at_ms(), expected);
    for summary in run.summaries() {
        assert_eq!(summary.counts, Counts { sent: 3, received: 3, ..Counts::default() });
    }
}

#[test]
fn a_rate_above_the_interval_only_spreads_the_start() {
    let run = ping_all(
        &network(|node| node),
        &["203.0.113.1", "203.0.113.2", "203.0.113.3"],
        Config { rate: Some(10.0), ..config() },
    );
    assert_eq!(run.sent_at_ms(), [0, 100, 200, 1000, 1100, 1200, 2000, 2100, 2200]);
}

#[test]
fn a_rate_makes_no_burst_after_a_stall() {
    let mut network = network(|node| node);
    network.stall(ms(250), ms(500));
    let run = ping(&network, Config { count: Some(6), rate: Some(10.0), spec: paced(Pace::Flood), ..config() });
    assert_eq!(run.sent_at_ms(), [0, 100, 200, 750, 850, 950]);
}

#[test]
fn all_targets_start_together_without_a_rate() {
    let run = ping_all(&network(|node| node), &["203.0.113.1", "203.0.113.2"], config());
    assert_eq!(run.sent_at_ms(), [0, 0, 1000, 1000, 2000, 2000]);
}

#[test]
fn a_flood_goes_as_fast_as_answers_come() {
    let run =
        ping(&over(Link::after(ms(1)), |node| node), Config { count: Some(20), spec: paced(Pace::Flood), ..config() });
    let doubling = [(0, 1), (2, 2), (4, 4), (6, 8), (8, 5)];
    let expected: Vec<u128> = doubling.iter().flat_map(|&(at, probes)| std::iter::repeat_n(at, probes)).collect();
    assert_eq!(run.sent_at_ms(), expected);
}

#[test]
fn a_flood_has_no_more_than_64_under_way() {
    let config = Config { count: Some(1000), spec: paced(Pace::Flood), ..config() };
    let run = ping(&over(Link::after(ms(1)), |node| node), config);
    let sent = run.sent_at_ms();
    for at in sent.iter().filter(|&&at| at > 14) {
        assert_eq!(sent.iter().filter(|&other| other == at).count(), if *at == 40 { 41 } else { 64 }, "{at}");
    }
    assert_eq!((run.counts().received, sent.last()), (1000, Some(&40)));
}

#[test]
fn a_flood_whose_answers_end_falls_back_to_a_hundred_a_second() {
    let config = Config { count: Some(40), spec: paced(Pace::Flood), ..config() };
    let run = ping(&over(Link::after(ms(1)), |node| node.change(8.., Change::Silence)), config);
    let sent = run.sent_at_ms();
    // The first seven are answered, so that eight may be in flight.
    assert_eq!(sent[..15], [0, 2, 2, 4, 4, 4, 4, 6, 6, 6, 6, 6, 6, 6, 6]);
    let every_ten: Vec<u128> = (1..=25).map(|n| 6 + 10 * n).collect();
    assert_eq!(sent[15..], every_ten);
}

#[test]
fn a_flood_without_answers_goes_at_a_hundred_a_second() {
    let flood = Config { count: Some(200), spec: paced(Pace::Flood), ..config() };
    let run = ping(&network(|node| node.silent()), flood.clone());
    let expected: Vec<u128> = (0..200).map(|n| n * 10).collect();
    assert_eq!(run.sent_at_ms(), expected);
    // Answers that take longer make it faster once they come.
    let run = ping(&over(Link::after(ms(50)), |node| node), flood);
    assert_eq!(run.sent_at_ms()[..11], expected[..11]);
    assert_eq!((run.sent_at_ms()[199] < 1000, run.counts().received), (true, 200));
}

#[test]
fn a_flood_has_one_in_flight_until_the_kernel_stamps_what_arrives() {
    let mut network = over(Link::after(ms(1)), |node| node);
    network.cold_stamps(3);
    let run = ping(&network, Config { count: Some(8), spec: paced(Pace::Flood), ..config() });
    assert_eq!(run.sent_at_ms(), [0, 2, 4, 6, 8, 8, 10, 10]);
}

#[test]
fn a_preloaded_flood_keeps_that_many_under_way() {
    let config = Config { count: Some(9), spec: paced(Pace::Flood), preload: 3, ..config() };
    let run = ping(&over(Link::after(ms(1)), |node| node), config);
    assert_eq!(run.sent_at_ms(), [0, 0, 0, 2, 2, 2, 2, 4, 4]);
}

#[test]
fn an_adaptive_run_follows_the_answers() {
    let adaptive = Config { count: Some(4), spec: paced(Pace::Adaptive { at_least: ms(2) }), ..config() };
    let run = ping(&over(Link::after(ms(40)), |node| node), adaptive.clone());
    assert_eq!(run.sent_at_ms(), [0, 80, 160, 240]);
    let run = ping(&over(Link::after(Duration::from_micros(100)), |node| node), adaptive.clone());
    assert_eq!(run.sent_at_ms(), [0, 2, 4, 6], "but never faster than allowed");
    let run = ping(&over(Link::after(ms(40)), |node| node.change([2], Change::Silence)), adaptive);
    assert_eq!(run.sent_at_ms(), [0, 80, 160, 240], "a lost probe costs one smoothed delay");
}

#[test]
fn open_probes_are_reported_when_the_next_is_due() {
    let quiet = network(|node| node.change([2, 3], Change::Silence));
    let seen = |wait| {
        let run = ping(&quiet, Config { count: Some(5), report_open: true, spec: waiting(wait), ..config() });
        let open = |event: &Event| match event {
            Event::NoAnswerYet(open) => Some((open.id.get(), super::since_start(open.at))),
            _ => None,
        };
        run.events.iter().filter_map(open).collect::<Vec<_>>()
    };
    assert_eq!(seen(Wait::Default), [(2, SECOND * 2), (3, SECOND * 3)]);
    assert_eq!(seen(Wait::Exactly(ms(500))), [(2, SECOND * 2), (3, SECOND * 3)], "also if its wait is over");
}

#[test]
fn probes_that_leave_are_reported_if_wanted() {
    let run = ping(&network(|node| node), Config { report_sent: true, ..config() });
    let sent = |event: &Event| matches!(event, Event::Sent { .. });
    assert_eq!(run.events.iter().filter(|event| sent(event)).count(), 3);
}

#[test]
fn as_fast_as_possible_still_counts_every_probe() {
    for pace in [Pace::Unpaced, Pace::Fixed(Duration::ZERO)] {
        let run = ping(&network(|node| node), Config { count: Some(1000), spec: paced(pace), ..config() });
        assert_eq!(run.counts(), Counts { sent: 1000, received: 1000, ..Counts::default() });
        assert_eq!(run.log.times().last(), Some(&Duration::ZERO));
    }
}

#[test]
fn refused_probes_are_not_followed_at_once() {
    // Probes ordered together fail together, but not again. A port that is missing takes longer to come back.
    for (error, times) in [(OsError::ENETUNREACH, 100), (OsError::EADDRNOTAVAIL, 10)] {
        for (pace, together) in [(Pace::Unpaced, 64), (Pace::Flood, 1), (Pace::Fixed(ms(1)), 1)] {
            let mut network = network(|node| node);
            network.refuse_sends(.., error);
            let run = ping(&network, Config { count: None, deadline: Some(SECOND), spec: paced(pace), ..config() });
            let counts = Counts { send_failed: times + together - 1, ..Counts::default() };
            assert_eq!(Counts { skipped: 0, ..run.counts() }, counts, "{error:?} {pace:?}");
        }
    }
}

#[test]
fn the_sequence_wraps_and_the_probe_number_does_not() {
    let config = Config { count: Some(70_000), spec: paced(Pace::Fixed(ms(1))), ..config() };
    let run = ping(&network(|node| node), config);
    assert_eq!(run.counts(), Counts { sent: 70_000, received: 70_000, ..Counts::default() });
    assert_eq!(run.replies().last().unwrap().id.get(), 70_000);
    assert_eq!(run.log.packets().last().unwrap().echo().unwrap().1.get(), 70_000u32 as u16);
    assert_eq!(run.replies()[0].responder, Some(netprobe::sim::ip(TARGET)));
}
