//! Runs of `rtrace --report`.

use std::time::Duration;

use insta::assert_snapshot;
use netprobe::channel::Control;
use netprobe::sim::{Balance, Link, NameOutcome, Node, Quote, US, ip};
use netprobe::wire::extension::LabelStackEntry;

use crate::world::World;

fn after(millis: u64) -> Link {
    Link::after(Duration::from_millis(millis))
}

/// A router that limits its answers, one that shows labels, two that share the traffic, and a host.
fn varied() -> World {
    let mut world = World::new();
    let limiting = Node::router(ip("203.0.113.10")).error_limit(Duration::from_secs(2), 1);
    let first = world.network.add(US, limiting, after(1));
    let label = LabelStackEntry { label: 24_001, tc: 0, bottom: true, ttl: 1 };
    let labelled = Node::router(ip("203.0.113.11")).quote(Quote::full().labels([label])).balance(Balance::Packet);
    let second = world.network.add(first, labelled, after(1));
    let left = world.network.add(second, Node::router(ip("203.0.113.12")), after(1));
    let right = world.network.add(second, Node::router(ip("203.0.113.13")), after(2));
    let join = world.network.add(left, Node::router(ip("203.0.113.14")), after(1));
    world.network.link(right, join, after(1));
    world.network.add(join, Node::host(ip("198.51.100.77")), after(10));
    let named = NameOutcome::Named("a-router-with-a-rather-long-name.example".into(), Duration::from_millis(20));
    world.network.name(ip("203.0.113.12"), named);
    let evil = NameOutcome::Named("evil\u{1b}[2J.example".into(), Duration::from_millis(20));
    world.network.name(ip("203.0.113.14"), evil);
    world
}

fn silent_host() -> World {
    World::with_host(Node::host(ip("198.51.100.9")).silent())
}

#[test]
fn a_report_reads_as_mtrs() {
    assert_snapshot!("ipv4", World::new().run("rtrace --report -n -c 3 host.example"));
    assert_snapshot!(
        "ipv6_tcp",
        World::new().run("rtrace --report -n -6 -c 2 --interval 200ms -T -p 443 host.example")
    );
}

#[test]
fn hops_that_limit_their_answers_are_marked_and_others_shown_in_full() {
    assert_snapshot!("labels", varied().run("rtrace --report -e -c 5 198.51.100.77"));
}

#[test]
fn a_name_stands_with_its_address_where_both_are_asked_for() {
    let output = varied().run("rtrace --report -b -c 2 198.51.100.77").stdout;
    let both = |line: &str| line.contains(".|-- ") && line.contains(".example (");
    assert!(output.lines().any(both), "{output}");
    let name_alone = varied().run("rtrace --report -c 2 198.51.100.77").stdout;
    assert!(!name_alone.lines().any(both) && name_alone.contains(".example "), "{name_alone}");
}

#[test]
fn columns_are_those_of_the_letters_in_their_order() {
    let table = |line: &str| {
        let output = varied().run(line);
        assert_eq!(output.stderr, "", "{line}");
        output.stdout
    };
    assert_snapshot!("columns", table("rtrace --report -n -c 3 --columns DRSUGPTKJMXI 198.51.100.77"));
    let twice = table("rtrace --report -n -c 3 --columns LL 198.51.100.77");
    assert!(twice.contains(" Loss% Loss%\n"), "{twice}");
}

#[test]
fn json_holds_the_same_figures() {
    assert_snapshot!("json", varied().run("rtrace --report --json -c 3 198.51.100.77"));
}

#[test]
fn a_destination_that_does_not_answer_is_lost() {
    assert_snapshot!("silent_target", silent_host().run("rtrace --report -n -c 2 -m 6 198.51.100.9"));
    assert_snapshot!("silent_target_json", silent_host().run("rtrace --report --json -n -c 2 -m 4 198.51.100.9"));
}

#[test]
fn several_targets_are_written_one_after_the_other() {
    assert_snapshot!(
        "several_targets",
        World::new().run("rtrace --report -v -n -c 2 198.51.100.9 203.0.113.2 nosuch.example")
    );
}

#[test]
fn without_privilege_the_report_is_made_over_udp_and_that_is_said() {
    assert_snapshot!("without_privilege", World::new().unprivileged().run("rtrace --report -n -c 2 198.51.100.9"));
    assert_snapshot!(
        "without_privilege_tcpconn",
        World::new().unprivileged().run("rtrace --report -n -c 2 -M tcpconn 198.51.100.9")
    );
}

#[test]
fn an_interrupt_ends_with_the_table_so_far_and_interim_tables_go_to_standard_error() {
    let mut world = World::new();
    world.network.at(Duration::from_millis(1950), Control::Interim);
    world.network.at(Duration::from_millis(3100), Control::Interrupt);
    assert_snapshot!("interrupted", world.run("rtrace --report -n 198.51.100.9"));
}

#[test]
fn ten_cycles_are_the_default() {
    let outcome = World::new().run("rtrace --report -n --interval 0.1 198.51.100.9");
    assert!(outcome.stdout.lines().skip(2).all(|line| line.split_whitespace().nth(3) == Some("10")), "{outcome}");
    assert_eq!((outcome.stdout.lines().count(), outcome.status), (5, 0), "{outcome}");
}

#[test]
fn what_has_no_meaning_in_a_trace_or_a_report_is_refused_with_a_sentence() {
    let refused = |line: &str| {
        let outcome = World::new().run(line);
        assert_eq!((outcome.status, outcome.stdout.as_str()), (2, ""), "{outcome}");
        outcome.stderr
    };
    let said: String = [
        "rtrace -c 3 h",
        "rtrace --interval 1 h",
        "rtrace --report -q 3 h",
        "rtrace --report -N 3 h",
        "rtrace --report -z 1 h",
        "rtrace --report -w 3,3,10 h",
        "rtrace --report --back h",
        "rtrace --report --explain h",
        "rtrace --report -c 0 h",
        "rtrace --report --interval 10ms h",
        "rtrace --flows 3 -e h",
        "rtrace --flows 3 --back h",
    ]
    .map(refused)
    .concat();
    assert_snapshot!("refusals", said);
}
