//! Requests from outside while a run is on, and reverse names.

use std::time::Duration;

use netprobe::channel::Control;
use netprobe::ping::{Config, Counts, Event, State};
use netprobe::sim::{Change, NameOutcome, Rejection, ip};
use netprobe::types::IpEndpoint;

use super::{SECOND, TARGET, config, interrupt_at, ms, network, ping, ping_all, since_start};

fn endpoint(address: &str) -> IpEndpoint {
    IpEndpoint::from_address(ip(address))
}

#[test]
fn interim_figures_count_what_is_open_as_pending() {
    let mut network = network(|node| node);
    network.at(ms(2005), Control::Interim);
    let run = ping(&network, config());
    let interim = run.events.iter().find_map(|event| match event {
        Event::Interim(interim) => Some(interim),
        _ => None,
    });
    let interim = &interim.unwrap()[0];
    assert_eq!(interim.counts, Counts { sent: 3, received: 2, pending: 1, ..Counts::default() });
    assert_eq!((interim.delays.rtt.unwrap().count, interim.delays.ewma), (2, Some(10_000_000)));
    assert_eq!(run.counts().received, 3, "and the run goes on");
}

#[test]
fn a_stop_waits_for_what_is_under_way() {
    let mut network = network(|node| node.answer_delay(ms(500)));
    network.at(ms(2100), Control::Stop);
    let run = ping(&network, Config { count: None, ..config() });
    assert_eq!(run.counts(), Counts { sent: 3, received: 3, ..Counts::default() });
}

#[test]
fn an_added_target_is_probed_from_then_on() {
    let mut network = network(|node| node);
    let add = |target: &str, address| Control::Add { target: target.into(), endpoint: endpoint(address) };
    network.at(ms(1500), add("late.example", "203.0.113.5"));
    let run = ping(&network, config());
    let started = run.events.iter().filter_map(|event| match event {
        Event::Began { subject, at } => Some((subject.id.index(), &*subject.target, subject.numeric, since_start(*at))),
        _ => None,
    });
    assert_eq!(started.collect::<Vec<_>>(), [(0, TARGET, true, Duration::ZERO), (1, "late.example", false, ms(1500))]);
    assert_eq!(run.sent_at_ms(), [0, 1000, 1500, 2000, 2500, 3500]);
    assert_eq!(run.summaries()[1].counts.received, 3);
}

#[test]
fn an_added_target_that_no_lane_reaches_is_unknown() {
    let mut network = network(|node| node);
    let other_family = Control::Add { target: "x".into(), endpoint: endpoint("2001:db8:9::9") };
    network.at(ms(500), other_family);
    let run = ping(&network, config());
    assert_eq!(run.summaries()[1].state, Some(State::Unknown));
}

#[test]
fn a_removed_targets_summary_comes_at_once() {
    let mut network = network(|node| node);
    network.at(ms(1005), Control::Remove { target: "203.0.113.1".into() });
    let run = ping_all(&network, &["203.0.113.1", "203.0.113.2"], config());
    let summaries = run.summaries();
    assert_eq!(summaries[0].counts, Counts { sent: 2, received: 1, pending: 1, ..Counts::default() });
    assert_eq!(summaries[1].counts, Counts { sent: 3, received: 3, ..Counts::default() });
    let first = run.events.iter().position(|event| matches!(event, Event::Ended(_))).unwrap();
    assert!(
        run.events[first..].iter().any(|event| matches!(event, Event::Probe(event) if event.outcome.name() == "reply")),
        "the other one goes on"
    );
}

#[test]
fn a_run_whose_last_target_is_removed_is_over() {
    let mut network = network(|node| node);
    network.at(ms(1500), Control::Remove { target: TARGET.into() });
    let run = ping(&network, Config { count: None, ..config() });
    assert_eq!(run.counts().sent, 2);
}

fn named(run: &super::Run) -> Vec<(String, String)> {
    let named = |event: &Event| match event {
        Event::Named { address, name } => Some((address.to_string(), name.to_string())),
        _ => None,
    };
    run.events.iter().filter_map(named).collect()
}

#[test]
fn the_first_probe_waits_for_the_targets_name() {
    let mut network = network(|node| node);
    network.name(ip(TARGET), NameOutcome::Named("nine.example".into(), ms(120)));
    let run = ping(&network, Config { names: true, ..config() });
    assert_eq!(named(&run), [(TARGET.to_string(), "nine.example".to_string())]);
    assert_eq!(run.sent_at_ms(), [120, 1120, 2120]);
}

#[test]
fn the_first_probe_waits_half_a_second_at_most() {
    for outcome in [NameOutcome::Never, NameOutcome::Named("slow.example".into(), SECOND)] {
        let mut network = network(|node| node);
        network.name(ip(TARGET), outcome);
        let run = ping(&network, Config { names: true, ..config() });
        assert_eq!(run.sent_at_ms(), [500, 1500, 2500]);
    }
}

#[test]
fn no_name_is_an_answer_too() {
    let mut network = network(|node| node);
    network.name(ip(TARGET), NameOutcome::TimesOut(ms(30)));
    let run = ping(&network, Config { names: true, ..config() });
    assert_eq!((named(&run), run.sent_at_ms()[0]), (vec![], 30));
}

#[test]
fn responders_are_asked_for_once_each() {
    let refused = Change::Refuse(Rejection::new(3, 1));
    let network = network(|node| node.change(1.., refused).change([2, 3], Change::Source(ip("203.0.113.7"))));
    let run = ping(&network, Config { names: true, ..config() });
    let wanted = |event: &Event| match event {
        Event::NameWanted(address) => Some(address.to_string()),
        _ => None,
    };
    assert_eq!(run.events.iter().filter_map(wanted).collect::<Vec<_>>(), [TARGET, "203.0.113.7"]);
}

#[test]
fn without_names_no_address_is_looked_up() {
    let run = ping(&network(|node| node), config());
    assert!(!run.events.iter().any(|event| matches!(event, Event::NameWanted(_))));
}

#[test]
fn an_interrupt_ends_the_wait_for_names() {
    let mut network = network(|node| node);
    network.name(ip(TARGET), NameOutcome::Never);
    interrupt_at(&mut network, ms(100));
    let run = ping(&network, Config { names: true, ..config() });
    assert_eq!(run.counts(), Counts::default());
}
