//! Runs that are recorded, and shown again.

use std::path::Path;

use netprobe::sim::{Direction, Link, Node, US, ip};
use std::time::Duration;

use crate::world::{Outcome, World};

/// What `line` shows with the options `shown`, and what its recording shows with them.
fn both(world: fn() -> World, line: &str, shown: &str) -> (Outcome, Outcome) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("recording");
    let live = world().run(&format!("{line} {shown}"));
    record(&world(), line, &file);
    (live, replay(line, &file, shown))
}

fn record(world: &World, line: &str, file: &Path) -> Outcome {
    world.run(&format!("{line} --record {}", file.display()))
}

fn replay(line: &str, file: &Path, shown: &str) -> Outcome {
    let tool = line.split(' ').next().unwrap();
    // A replay opens no socket: there is no network here.
    World::without_sockets().run(&format!("{tool} --replay {} {shown}", file.display()))
}

fn assert_same(world: fn() -> World, line: &str, formats: &[&str]) {
    let mut something = false;
    for shown in formats {
        let (live, again) = both(world, line, shown);
        assert_eq!(again.stdout, live.stdout, "{line} {shown}");
        assert_eq!(again.stderr, live.stderr, "{line} {shown}");
        assert_eq!(again.status, live.status, "{line} {shown}");
        something |= !live.stdout.is_empty();
    }
    assert!(something, "{line}");
}

const FORMATS: [&str; 3] = ["", "--json", "--format csv"];

/// A lossy path.
fn lossy() -> World {
    let mut world = World::new();
    let router = world.network.add(US, Node::router(ip("203.0.113.9")), Link::after(Duration::from_millis(3)));
    let link = Link::after(Duration::from_millis(7)).homeward(Direction::after(Duration::from_millis(7)).lose(0.3));
    world.network.add(router, Node::host(ip("198.51.100.50")), link);
    world
}

#[test]
fn a_replay_of_echo_requests_is_the_run_to_the_octet_in_every_output() {
    let shown = ["", "-q", "-v", "-D", "-O", "-n", "-O -v", "--json", "--json -q", "--format csv", "--format csv -q"];
    assert_same(World::new, "rping -c 3 host.example", &shown);
    assert_same(lossy, "rping -c 20 -i 200ms -W 100ms 198.51.100.50", &shown);
    assert_same(lossy, "rping -c 20 -i 200ms -W 100ms 198.51.100.50", &["--changes", "--changes --json"]);
    assert_same(lossy, "rping -c 20 -i 200ms --max loss=1%,p95=1ms 198.51.100.50", &["-q", "--json -q"]);
    assert_same(World::new, "rping -c 3 -H -I eth0 -p ff host.example 2001:db8:9::9", &["", "-v", "--json"]);
    assert_same(World::new, "rping -c 5 -f host.example", &shown);
    assert_same(World::new, "rping -c 2 203.0.113.77 host.example", &shown);
}

#[test]
fn a_replay_of_services_is_the_run_to_the_octet() {
    for method in ["--tcp", "--tcp=9", "--udp=9", "--udp=dns", "--stamp", "--dns example.org"] {
        assert_same(World::new, &format!("rping -c 3 -W 500ms {method} host.example"), &FORMATS);
    }
    assert_same(World::new, "rping --contrast -c 4 host.example", &["", "-v", "--json", "--json -q", "--format csv"]);
}

#[test]
fn a_replay_of_a_sweep_is_the_run_to_the_octet() {
    for how in ["", "--alive", "--unreachable", "--vector -c 3 -i 100ms", "-c 2 -i 100ms"] {
        assert_same(World::new, &format!("rping 198.51.100.8/30 {how}"), &FORMATS);
    }
}

#[test]
fn a_replay_of_a_trace_is_the_run_to_the_octet() {
    let shown = ["", "-n", "--explain", "-v", "-e", "--back", "--json", "--format csv"];
    for how in ["", "-q 1", "-I", "-U", "-T", "--mtu", "-6"] {
        assert_same(World::new, &format!("rtrace {how} host.example"), &shown);
    }
    assert_same(World::new, "rtrace --flows 4 host.example", &["", "-n", "--explain", "--json", "--format csv"]);
    assert_same(lossy, "rtrace host.example 198.51.100.50 203.0.113.77", &shown);
}

#[test]
fn a_replay_of_a_report_is_the_run_to_the_octet() {
    let shown = ["", "--report", "-n", "-b", "-e", "-v", "--json", "--report --json", "--format csv"];
    assert_same(World::new, "rtrace --report -c 3 host.example", &shown);
    assert_same(lossy, "rtrace --report -c 12 --interval 300ms 198.51.100.50 host.example", &shown);
}
