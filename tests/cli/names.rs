//! Names of targets: looked up side by side before a run, and while a sweep runs.

use std::time::Duration;

use insta::assert_snapshot;
use netprobe::channel::{Control, OsError};
use netprobe::sim::{AddressOutcome, Link, Node, US, ip};
use serde_json::Value;

use crate::world::World;

const SECOND: Duration = Duration::from_secs(1);

/// A resolver that takes 11 s to give up on two names, is slow with a third, and never answers for a fourth.
fn world() -> World {
    let mut world = World::new();
    world.network.address("gone.example", AddressOutcome::NotFound(11 * SECOND));
    world.network.address("lost.example", AddressOutcome::NotFound(11 * SECOND));
    world.network.address("slow.example", AddressOutcome::Found(vec![ip("198.51.100.9")], 2 * SECOND));
    world.network.address("silent.example", AddressOutcome::Never);
    world
}

/// The times at which the runs of a line began, in seconds.
fn began(stdout: &str) -> Vec<String> {
    let objects = stdout.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let starts = objects.filter(|object| object["type"] == "start");
    starts.map(|start| start["time"].as_str().expect("a time")[17..19].to_owned()).collect()
}

#[test]
fn two_names_without_an_address_cost_one_timeout() {
    let outcome = world().run("rping --json -c 1 gone.example lost.example slow.example");
    assert_eq!(began(&outcome.stdout), ["11", "11", "11"], "{outcome}");
    assert_eq!(outcome.status, 2);
}

#[test]
fn a_name_without_an_address_stops_no_other_and_the_order_stays() {
    assert_snapshot!("rping_with_a_lost_name", world().run("rping -c 1 -q lost.example slow.example 198.51.100.9"));
    assert_snapshot!("rtrace_with_a_lost_name", world().run("rtrace -n -q 1 lost.example slow.example"));
    assert_snapshot!("rping_with_a_lost_name_alone", world().run("rping -c 1 lost.example"));
}

#[test]
fn a_name_given_twice_is_looked_up_once() {
    let outcome = world().run("rping -c 1 -q slow.example slow.example");
    assert_eq!((outcome.stdout.matches(" 0% packet loss").count(), outcome.status), (2, 0), "{outcome}");
}

#[test]
fn a_deadline_bounds_the_lookups() {
    assert_snapshot!("a_deadline_without_any_answer", world().run("rping -w 3 silent.example"));
    let outcome = world().run("rping --json -c 1 -w 3 silent.example slow.example");
    assert_eq!(began(&outcome.stdout), ["03", "03"], "{outcome}");
    assert!(outcome.stderr.contains("silent.example: the lookup took longer than -w"), "{outcome}");
    let received = outcome.stdout.lines().last().map(|line| line.contains(r#""sent":1,"received":1"#));
    assert_eq!((received, outcome.status), (Some(true), 2), "{outcome}");
    let outcome = world().run("rping --contrast -w 1 slow.example");
    assert_eq!((outcome.status, outcome.stdout.as_str()), (2, ""), "{outcome}");
}

#[test]
fn an_interrupt_ends_the_lookups_and_the_run() {
    let mut world = world();
    world.network.at(3 * SECOND, Control::Interrupt);
    assert_snapshot!("an_interrupted_lookup_alone", world.run("rping silent.example"));
    assert_snapshot!("an_interrupted_lookup_of_several", world.run("rping -q silent.example slow.example"));
    assert_snapshot!("an_interrupted_lookup_of_rtrace", world.run("rtrace silent.example"));
}

#[test]
fn a_sweep_probes_others_while_names_are_looked_up() {
    assert_snapshot!("a_sweep_with_slow_names", world().run("rping --alive slow.example 198.51.100.9 lost.example"));
    let world = world().stdin("slow.example\nlost.example\n198.51.100.9\n");
    assert_snapshot!("a_sweep_with_slow_names_in_a_list", world.run("rping --alive --targets -"));
}

/// Two hosts beyond one router; `moving.example` is the first of them for 4 s, then the second, then the first again.
fn moving() -> World {
    let mut world = World::with_host(Node::host(ip("198.51.100.9")).prefix(ip("198.51.100.0"), 28));
    let found = |addresses: &[&str]| {
        AddressOutcome::Found(addresses.iter().map(|address| ip(address)).collect(), Duration::from_millis(10))
    };
    let gone = AddressOutcome::NotFound(Duration::from_millis(10));
    let (one, two) = (found(&["198.51.100.1"]), found(&["198.51.100.2"]));
    world
        .network
        .address("moving.example", AddressOutcome::InTurn(vec![one.clone(), one.clone(), gone, two.clone(), one]));
    let both = found(&["198.51.100.1", "198.51.100.2"]);
    world.network.address("pair.example", AddressOutcome::InTurn(vec![both.clone(), both, two]));
    world
}

/// The summaries: address, sent and received.
fn summaries(stdout: &str) -> Vec<(String, u64, u64)> {
    let objects = stdout.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let summary = |object: Value| {
        let count = |key: &str| object[key].as_u64().expect("a count");
        (object["address"].as_str().unwrap_or("none").to_owned(), count("sent"), count("received"))
    };
    objects.filter(|object| object["type"] == "summary").map(summary).collect()
}

#[test]
fn every_address_of_a_name_is_a_target_where_that_is_wanted() {
    assert_snapshot!("all_addresses", World::new().run("rping --all-addresses -c 1 host.example"));
    let json = World::new().run("rping --all-addresses --json -q -c 1 host.example 198.51.100.9");
    let addresses: Vec<String> = summaries(&json.stdout).into_iter().map(|(address, ..)| address).collect();
    assert_eq!(addresses, ["198.51.100.9", "2001:db8:9::9", "198.51.100.9"], "{json}");
    let four = World::new().run("rping --all-addresses -4 --json -q -c 1 host.example");
    assert_eq!(summaries(&four.stdout).len(), 1, "{four}");
    let ports = World::new().run("rping --all-addresses --tcp --json -q -c 1 host.example:443");
    assert!(
        ports.stdout.lines().all(|line| line.contains("\"port\":443")) && ports.stdout.lines().count() == 2,
        "{ports}"
    );
}

#[test]
fn a_condition_names_the_address_that_does_not_fulfil_it() {
    let mut world = World::new();
    world.network.add(US, Node::host(ip("203.0.113.77")).silent(), Link::after(Duration::from_millis(1)));
    let both = vec![ip("198.51.100.9"), ip("203.0.113.77")];
    world.network.address("half.example", AddressOutcome::Found(both, Duration::ZERO));
    let outcome = world.run("rping --all-addresses -q -c 2 -W 100ms --min received=2 half.example");
    assert_eq!(outcome.status, 1, "{outcome}");
    let sentence = "rping: half.example,address=203.0.113.77: received is 0, below 2 (--min received=2)\n";
    assert_eq!(outcome.stderr, sentence, "{outcome}");
}

#[test]
fn a_name_whose_address_changes_is_followed_and_each_address_keeps_its_figures() {
    assert_snapshot!("re_resolve", moving().run("rping --re-resolve 2s -i 1 -w 8.5 moving.example"));
    let json = moving().run("rping --re-resolve 2s --json -i 1 -w 11.5 moving.example");
    assert_eq!(
        summaries(&json.stdout),
        [("198.51.100.1".to_owned(), 11, 11), ("198.51.100.2".to_owned(), 2, 2)],
        "{json}"
    );
    let objects: Vec<Value> = json.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let changes: Vec<_> = objects
        .iter()
        .filter(|object| object["type"] == "address")
        .map(|object| (object["address"].as_str().unwrap(), object["change"].as_str().unwrap()))
        .collect();
    let (one, two) = ("198.51.100.1", "198.51.100.2");
    assert_eq!(changes, [(one, "gone"), (two, "new"), (two, "gone"), (one, "new")], "{json}");
    assert_eq!(objects.iter().filter(|object| object["type"] == "start").count(), 2, "{json}");
}

#[test]
fn of_several_addresses_one_may_go_while_the_other_stays() {
    let json = moving().run("rping --all-addresses --re-resolve 2s --json -q -i 1 -w 5.5 pair.example");
    assert_eq!(
        summaries(&json.stdout),
        [("198.51.100.1".to_owned(), 5, 5), ("198.51.100.2".to_owned(), 6, 6)],
        "{json}"
    );
    let one = moving().run("rping --re-resolve 2s --json -q -i 1 -w 5.5 pair.example");
    assert_eq!(summaries(&one.stdout), [("198.51.100.1".to_owned(), 5, 5), ("198.51.100.2".to_owned(), 2, 2)], "{one}");
}

#[test]
fn an_address_without_a_route_is_one_target_however_often_its_name_is_looked_up() {
    let world = World::new().unroutable("2001:db8:9::9", OsError::ENETUNREACH);
    for words in ["--all-addresses", "--all-addresses -6", "-6"] {
        let json = world.run(&format!("rping {words} --re-resolve 2s --json -q -i 1 -w 6.5 host.example"));
        let mut addresses: Vec<_> = summaries(&json.stdout).into_iter().map(|(address, ..)| address).collect();
        addresses.retain(|address| address.contains(':'));
        assert_eq!(addresses, ["2001:db8:9::9"], "{json}");
    }
}

#[test]
fn a_run_waits_for_the_address_that_a_name_has_then() {
    let mut world = World::new();
    let found = |address: &str| AddressOutcome::Found(vec![ip(address)], Duration::from_millis(10));
    let dead = found("198.51.100.77");
    world.network.address("up.example", AddressOutcome::InTurn(vec![dead.clone(), dead, found("198.51.100.9")]));
    let outcome = world.run("rping -q --re-resolve 5s --until up -w 1m up.example");
    assert_eq!(outcome.status, 0, "{outcome}");
    let changes = moving().run("rping --changes --re-resolve 2s -i 1 -w 8.5 moving.example");
    let lines: Vec<&str> =
        changes.stdout.lines().filter_map(|line| line.split_once(' ')).map(|(_, rest)| rest).collect();
    assert_eq!(
        lines,
        [
            "moving.example (198.51.100.1) up",
            "moving.example (198.51.100.1) is no longer an address",
            "moving.example (198.51.100.2) is a new address",
            "moving.example (198.51.100.2) up",
            "moving.example (198.51.100.2) is no longer an address",
            "moving.example (198.51.100.1) is a new address",
        ],
        "{changes}"
    );
}

#[test]
fn addresses_of_names_are_no_matter_of_addresses_sweeps_and_local_sockets() {
    for line in [
        "rping --re-resolve 5s 198.51.100.9",
        "rping --re-resolve 0.5 host.example",
        "rping --all-addresses 198.51.100.0/29",
        "rping --re-resolve 1m --alive host.example",
        "rping --all-addresses --contrast host.example",
        "rping --re-resolve 1m unix:/run/x.sock",
    ] {
        let outcome = World::new().run(line);
        assert_eq!((outcome.status, outcome.stderr.lines().count()), (2, 1), "{outcome}");
    }
}
