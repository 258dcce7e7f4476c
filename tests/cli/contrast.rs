//! Runs of `rping --contrast`.

use std::time::Duration;

use insta::assert_snapshot;
use netprobe::channel::Protocol;
use netprobe::sim::{Change, Node, Peer, TcpService, UdpService, ip};
use serde_json::Value;

use crate::world::{Outcome, World};

fn host() -> Node {
    Node::host(ip("198.51.100.9")).also(ip("2001:db8:9::9")).tcp(443, TcpService::Accept(Peer::silent()))
}

/// The `contrast` object of a run with `--json`.
fn object(outcome: &Outcome) -> Value {
    let last = outcome.stdout.lines().last().expect("lines");
    let object: Value = serde_json::from_str(last).expect("JSON");
    assert_eq!(object["type"], "contrast", "{outcome}");
    object
}

#[test]
fn methods_are_shown_side_by_side() {
    assert_snapshot!("text", World::with_host(host()).run("rping --contrast --tcp=443 -c 2 host.example"));
}

#[test]
fn nothing_that_differs_is_said_so() {
    assert_snapshot!("quiet_ipv4", World::with_host(host()).run("rping --contrast --tcp=443 -q 198.51.100.9"));
    assert_snapshot!("quiet_ipv6", World::with_host(host()).run("rping --contrast --tcp=443 -q 2001:db8:9::9"));
}

#[test]
fn blocked_icmp_and_a_slow_service_are_reported() {
    let host = host().change_to(Protocol::Icmp, .., Change::Silence);
    let slow = host.change_to(Protocol::Tcp, .., Change::Later(Duration::from_millis(3)));
    let world = World::with_host(slow.udp(53, UdpService::Echo));
    assert_snapshot!("blocked_icmp", world.run("rping --contrast --tcp=443 --udp=53 -q host.example"));
}

#[test]
fn a_method_without_privilege_keeps_its_row() {
    assert_snapshot!(
        "without_raw",
        World::with_host(host()).dgram_only().run("rping --contrast --tcp=443 -q host.example")
    );
    assert_snapshot!(
        "without_icmp",
        World::with_host(host()).unprivileged().run("rping --contrast --tcp=443 -q host.example")
    );
}

#[test]
fn json_has_the_same() {
    let outcome = World::with_host(host()).run("rping --json -q --contrast --tcp=443 -c 20 host.example");
    assert_snapshot!("json", outcome);
    let types: Vec<Value> = outcome.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(types.iter().filter(|object| object["type"] == "summary").count(), 4);
    assert_eq!(object(&outcome)["findings"], Value::Array(Vec::new()));
}

#[test]
fn ports_come_from_options_and_from_the_target() {
    let run = |line: &str| object(&World::with_host(host()).run(line));
    let ports = |object: Value| [&object["methods"][2]["port"], &object["methods"][3]["port"]].map(Value::as_u64);
    let line = "rping --contrast --json -c 1 -W 100ms";
    assert_eq!(ports(run(&format!("{line} host.example"))), [Some(33434), Some(80)]);
    assert_eq!(ports(run(&format!("{line} --udp=dns host.example:443"))), [Some(53), Some(443)]);
    assert_eq!(ports(run(&format!("{line} --udp=9 --tcp [2001:db8:9::9]:8443"))), [Some(9), Some(8443)]);
}

#[test]
fn the_status_is_that_of_the_best_method() {
    let status = |host: Node, line: &str| World::with_host(host).run(line).status;
    let line = "rping --contrast -q -c 1 -W 200ms 198.51.100.9";
    let no_icmp = host().change_to(Protocol::Icmp, .., Change::Silence);
    assert_eq!(status(no_icmp.clone().silent_ports(), line), 1, "TCP port 80 is silent, too");
    assert_eq!(status(no_icmp.clone(), line), 0, "port 80 is refused: the host answers");
    assert_eq!(status(host().silent(), line), 1);
}

#[test]
fn a_name_without_an_address_is_reported() {
    assert_snapshot!("unknown_name", World::new().run("rping --contrast nosuch.example"));
    assert_snapshot!("unknown_name_json", World::new().run("rping --contrast --json -q nosuch.example"));
}

#[test]
fn what_makes_no_sense_together_is_refused() {
    for line in [
        "rping --contrast host.example 198.51.100.9",
        "rping --contrast -f host.example",
        "rping --contrast -A host.example",
        "rping --contrast -l 2 host.example",
        "rping --contrast --rate 5 host.example",
        "rping --contrast --socket raw host.example",
        "rping --contrast --stamp host.example",
        "rping --contrast --tcp --data x host.example",
        "rping --contrast unix:/run/x.sock",
        "rping --contrast 443",
        "rping --contrast 224.0.0.1",
        "rping --contrast -i 0 host.example",
        "rping --contrast -c 10001 host.example",
        "rping --contrast=size host.example",
        "rping --contrast=size=56,56 host.example",
        "rping --contrast=size=56,1472 -s 9 host.example",
        "rping --contrast=size=56,1472 --tcp host.example",
        "rping --contrast=size=56,65520 198.51.100.9",
        "rping --contrast=dscp=0,ef -Q 4 host.example",
        "rping --contrast=family=4,6 -4 host.example",
        "rping --contrast=family=4,6 198.51.100.9",
        "rping --contrast=port=80,443 --icmp host.example",
        "rping --contrast=port=80,443 host.example 198.51.100.9",
        "rping --contrast=dscp=0,ef --tcp --udp=9 host.example",
        "rping --contrast=dscp=0,ef -f host.example",
    ] {
        let outcome = World::new().run(line);
        assert_eq!((outcome.status, outcome.stdout.as_str()), (2, ""), "{outcome}");
        assert_eq!(outcome.stderr.lines().count(), 1, "{outcome}");
    }
}

#[test]
fn the_values_of_one_thing_are_compared_by_one_method() {
    let run = |line: &str| World::with_host(host()).run(line);
    assert_snapshot!("dscp", run("rping --contrast=dscp=0,ef -q 198.51.100.9"));
    assert_snapshot!("size", run("rping --contrast=size=56,1472 -c 1 198.51.100.9"));
    assert_snapshot!("family", run("rping --contrast=family=4,6 -q host.example"));
    assert_snapshot!("port", run("rping --contrast=port=80,443 -q -c 20 host.example"));
}

#[test]
fn values_are_in_json_and_csv() {
    let run = |line: &str| World::with_host(host()).run(line);
    let object = object(&run("rping --json -q --contrast=family=4,6 host.example"));
    assert_eq!((&object["varied"], &object["reference"]["variant"]), (&"family".into(), &"ipv4".into()), "{object}");
    let rows: Vec<_> =
        object["methods"].as_array().unwrap().iter().map(|row| [&row["variant"], &row["address"]]).collect();
    assert_eq!(rows, [["ipv4", "198.51.100.9"], ["ipv6", "2001:db8:9::9"]], "{object}");
    let csv = run("rping --format csv --contrast=port=80,443 198.51.100.9");
    let ends: Vec<&str> = csv.stdout.lines().filter_map(|line| line.rsplit(',').next()).collect();
    assert_eq!(ends, ["value", "80", "443"], "{csv}");
}

#[test]
fn a_family_that_a_name_lacks_keeps_its_row() {
    let mut world = World::with_host(host());
    let only = netprobe::sim::AddressOutcome::Found(vec![ip("198.51.100.9")], Duration::ZERO);
    world.network.address("four.example", only);
    assert_snapshot!("one_family", world.run("rping --contrast=family=6,4 -q four.example"));
}

#[test]
fn conditions_hold_for_every_value() {
    let run = |line: &str| World::with_host(host()).run(line);
    let refused = run("rping --contrast=port=80,443 -q --require reached 198.51.100.9");
    assert_eq!(refused.status, 3, "{refused}");
    assert!(refused.stderr.contains("TCP port 80"), "{refused}");
    let whole = run("rping --contrast=dscp=0,ef -q --max loss=0% --require no-finding=remarked 198.51.100.9");
    assert_eq!(whole.status, 0, "{whole}");
}
