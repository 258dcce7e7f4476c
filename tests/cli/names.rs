//! Names of targets: looked up side by side before a run, and while a sweep runs.

use std::time::Duration;

use insta::assert_snapshot;
use netprobe::channel::Control;
use netprobe::sim::{AddressOutcome, ip};
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
