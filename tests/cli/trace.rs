//! Runs of `rtrace`.

use std::io::Write;
use std::time::Duration;

use insta::assert_snapshot;
use netprobe::channel::Control;
use netprobe::sim::{Direction, Link, NameOutcome, Node, OriginOutcome, US, ip};
use netprobe::types::{Asn, Mtu};

use crate::world::World;

#[test]
fn a_plain_trace_reads_as_traceroutes() {
    assert_snapshot!("ipv4", World::new().run("rtrace -n host.example"));
    assert_snapshot!("ipv6", World::new().run("rtrace -n -6 host.example"));
}

#[test]
fn json_has_the_same_trace() {
    assert_snapshot!("json", World::new().run("rtrace --json -n -q 1 host.example"));
}

#[test]
fn names_are_shown_and_escaped() {
    let mut world = World::new();
    let name = |text: &str| NameOutcome::Named(text.into(), Duration::from_millis(20));
    world.network.name(ip("203.0.113.1"), name("near.example"));
    world.network.name(ip("203.0.113.2"), name("evil\u{1b}[2J.example"));
    assert_snapshot!("names", world.run("rtrace -q 1 198.51.100.9"));
}

#[test]
fn without_privilege_udp_is_used_and_said() {
    let world = World::new().unprivileged();
    assert_snapshot!("without_privilege", world.run("rtrace -n -q 1 198.51.100.9"));
    let json = world.run("rtrace --json -n -q 1 198.51.100.9");
    assert!(
        json.stdout.contains(r#""method":"udp","method_requested":"auto","socket":"dgram","port":33434"#),
        "{json}"
    );
}

#[test]
fn several_targets_are_written_one_after_the_other() {
    assert_snapshot!("several_targets", World::new().run("rtrace -n -q 1 198.51.100.9 203.0.113.2 nosuch.example"));
}

#[test]
fn a_packet_length_stands_in_last_place() {
    let outcome = World::new().run("rtrace -n -q 1 198.51.100.9 1200");
    assert!(outcome.stdout.starts_with("traceroute to 198.51.100.9 (198.51.100.9), 30 hops max, 1200 byte packets\n"));
}

#[test]
fn a_long_packet_is_cut_on_the_way_unless_that_is_forbidden() {
    let narrow = || {
        let mut world = World::new();
        let way = Direction::after(Duration::from_millis(1)).mtu(Mtu::new(1280).unwrap());
        let link = Link::after(Duration::from_millis(1)).outward(way);
        let router = world.network.add(US, Node::router(ip("203.0.113.9")), Link::after(Duration::from_millis(1)));
        world.network.add(router, Node::host(ip("198.51.100.77")), link);
        world
    };
    let free = narrow().run("rtrace -n -q 1 198.51.100.77 1400");
    assert!(free.stdout.contains(" 2  198.51.100.77  ") && !free.stdout.contains('!'), "{free}");
    let forbidden = narrow().run("rtrace -n -q 1 -F 198.51.100.77 1400");
    assert!(forbidden.stdout.ends_with(" ms !F-1280\n"), "{forbidden}");
}

#[test]
fn verbose_prints_how_and_why_it_ended_on_standard_error() {
    assert_snapshot!("verbose", World::new().run("rtrace -v -n -q 1 host.example"));
    let silent = World::with_host(Node::host(ip("198.51.100.9")).silent());
    assert_snapshot!("verbose_silent", silent.run("rtrace -v -n -q 1 -U -m 4 198.51.100.9"));
}

#[test]
fn silence_is_stars_and_the_status_says_that_the_end_was_not_reached() {
    let world = World::with_host(Node::host(ip("198.51.100.9")).silent());
    assert_snapshot!("silent", world.run("rtrace -n -m 5 198.51.100.9"));
}

#[test]
fn raw_methods_are_said_with_their_port() {
    for (flags, text) in [
        ("-T", r#""method":"tcp","method_requested":"tcp","socket":"raw","port":80,"#),
        ("-T -p 443", r#""method":"tcp","method_requested":"tcp","socket":"raw","port":443,"#),
        ("-U", r#""method":"udp","method_requested":"udp","socket":"raw","port":53,"#),
        ("-M default", r#""method":"udp","method_requested":"default","socket":"raw","port":33434,"#),
        ("-M default --socket dgram", r#""method":"udp","method_requested":"default","socket":"dgram","port":33434,"#),
    ] {
        let outcome = World::new().run(&format!("rtrace --json -n {flags} 198.51.100.9"));
        assert!(outcome.stdout.contains(text) && outcome.status == 0, "{flags}: {outcome}");
    }
}

#[test]
fn ports_are_constant_over_raw_sockets_and_the_flow_label_over_all_probes() {
    for flags in ["-U", "-T", "-M default"] {
        for target in ["198.51.100.9", "2001:db8:9::9"] {
            let world = World::new();
            let log = world.network.log();
            world.run(&format!("rtrace -n {flags} {target}"));
            let mut flows: Vec<_> = log.packets().iter().map(|packet| (packet.ports(), packet.flow_label)).collect();
            assert!(flows.len() > 9 && log.packets().iter().all(|packet| packet.checksum_right));
            flows.dedup();
            assert_eq!(flows.len(), 1, "{flags} {target}");
            assert_eq!(flows[0].1.is_some_and(|label| label.get() != 0), target.contains(':'));
        }
    }
}

#[test]
fn findings_are_printed_where_they_are_asked_for() {
    let world = World::with_host(Node::host(ip("198.51.100.9")).silent());
    assert_snapshot!("explain", world.run("rtrace -n -m 4 --explain 198.51.100.9"));
    assert_snapshot!("verbose_findings", world.run("rtrace -n -m 4 -v 198.51.100.9"));
}

#[test]
fn an_interrupt_keeps_what_is_known() {
    let mut world = World::with_host(Node::host(ip("198.51.100.9")).silent());
    world.network.at(Duration::from_millis(300), Control::Interrupt);
    assert_snapshot!("interrupted", world.run("rtrace -n 198.51.100.9"));
}

#[test]
fn interim_figures_go_to_standard_error() {
    let mut world = World::with_host(Node::host(ip("198.51.100.9")).silent());
    world.network.at(Duration::from_millis(300), Control::Interim);
    assert_snapshot!("interim", world.run("rtrace -n -m 4 host.example 203.0.113.2"));
    let json = world.run("rtrace --json -n -m 4 host.example");
    assert_snapshot!("interim_json", json.stderr);
}

#[test]
fn origins_are_shown_after_addresses() {
    let mut world = World::new();
    let text = |text: &str| OriginOutcome::Text(text.into(), Duration::from_millis(20));
    world.network.origin(ip("203.0.113.1"), text("64500 | 203.0.113.0/24 | XX | test | 2026-01-01"));
    world.network.origin(ip("203.0.113.2"), text("\u{1b}[2J"));
    world.network.origin(ip("198.51.100.9"), text("64501 | 198.51.100.0/24 | XX | test | 2026-01-01"));
    let asn = |number| Asn::new(number).expect("not 0");
    world.network.as_name(asn(64_500), text("64500 | XX | test | 2026-01-01 | EXAMPLE-AS - Example Inc., XX"));
    world.network.as_name(asn(64_501), OriginOutcome::Never);
    assert_snapshot!("origins", world.run("rtrace -n -q 1 -A 198.51.100.9"));
    assert_snapshot!("origins_from_zone", world.run("rtrace -q 1 --asn-zone=origin.example 198.51.100.9"));
    let json = world.run("rtrace --json -n -q 1 -A 198.51.100.9");
    let csv = world.run("rtrace --format csv -n -q 1 -A 198.51.100.9").stdout;
    assert!(csv.lines().nth(1).is_some_and(|row| row.ends_with(",64500,\"EXAMPLE-AS - Example Inc., XX\"")), "{csv}");
    let table = world.run("rtrace --report -n -c 1 -A --columns LZO 198.51.100.9").stdout;
    assert!(table.contains(" AS64500 EXAMPLE-AS - Example Inc., XX\n"), "{table}");
    assert!(json.stdout.contains(r#""address":"203.0.113.1","name":null,"asn":64500,"origins":[64500],"as_name":"EXAMPLE-AS - Example Inc., XX","#), "{json}");
}

#[test]
fn origins_come_from_a_file_where_one_is_given() {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(b"203.0.113.0/24 AS64501\n203.0.113.2/32 64502 64503\n").expect("a file of our own");
    let run = World::new().run(&format!("rtrace -n -q 1 --asn-db {} 198.51.100.9", file.path().display()));
    assert_snapshot!("origins_from_file", run.stdout);
    file.write_all(b"nonsense\n").expect("a file of our own");
    let run = World::new().run(&format!("rtrace -n --asn-db {} 198.51.100.9", file.path().display()));
    assert!(run.status == 2 && run.stderr.ends_with(": line 3: not a prefix and an AS number\n"), "{run}");
}

#[test]
fn an_impossible_resolver_zone_or_database_is_refused() {
    let world = World::new();
    let lines = [
        "--resolver=192.0.2.1:0",
        "--resolver=ns.example",
        "--resolver=[fe80::1%2]:53",
        "--asn-zone=a..b",
        "--asn-zone=a,",
        "--asn-db=/nosuch/file",
        "--asn-zone=a --asn-db=b",
    ];
    let text: Vec<String> =
        lines.iter().map(|line| world.run(&format!("rtrace {line} 198.51.100.9")).to_string()).collect();
    assert_snapshot!("origin_refusals", text.join("\n"));
}

/// Two paths of equal length to one host.
fn forked() -> World {
    let mut world = World::new();
    let after = |millis| Link::after(Duration::from_millis(millis));
    let fork = world.network.add(US, Node::router(ip("203.0.113.10")), after(1));
    let left = world.network.add(fork, Node::router(ip("203.0.113.11")), after(1));
    let right = world.network.add(fork, Node::router(ip("203.0.113.12")), after(2));
    let host = world.network.add(left, Node::host(ip("198.51.100.77")), after(1));
    world.network.link(right, host, after(1));
    world
}

#[test]
fn flows_are_shown_by_the_responders_of_each() {
    assert_snapshot!("flows", forked().run("rtrace -n --flows 12 --explain 198.51.100.77"));
    assert_snapshot!("flows_tcp", forked().run("rtrace -n --flows 3 --flow 7 -T -p 443 198.51.100.77"));
    assert_snapshot!("flows_json", forked().run("rtrace -n --flows 2 --json 198.51.100.77"));
    assert_snapshot!("flows_verbose", forked().run("rtrace -n --flows 2 -v --explain 198.51.100.77 nosuch.example"));
}

#[test]
fn flows_that_cannot_be_kept_are_refused_with_a_sentence() {
    let unprivileged = World::new().unprivileged();
    assert_snapshot!("flows_without_privilege", unprivileged.run("rtrace -n --flows 4 198.51.100.9"));
    assert_snapshot!("flows_tcpconn", World::new().run("rtrace -n --flows 4 -M tcpconn 198.51.100.9"));
    assert_snapshot!("flows_no_source_port", World::new().run("rtrace -n --flows 4 -U --sport 65534 198.51.100.9"));
    assert_snapshot!("flows_too_many", World::new().run("rtrace -n --flows 65 198.51.100.9"));
}

/// A world whose links from near to far and on to the host take no more than this; the last one says nothing.
fn narrowing(last_is_silent: bool) -> World {
    let mut world = World::new();
    let way = |mtu| Direction::after(Duration::from_millis(1)).mtu(Mtu::new(mtu).unwrap());
    let silent = Direction::after(Duration::from_millis(1)).blackhole_above(Mtu::new(1380).unwrap());
    let last = if last_is_silent { silent } else { way(1400) };
    let mut from = US;
    for (number, way) in (1..).zip([way(1500), way(1492), last]) {
        let (v4, v6) = (ip(&format!("203.0.113.1{number}")), ip(&format!("2001:db8:a::1{number}")));
        let node = if number == 3 { Node::host(v4) } else { Node::router(v4) };
        from = world.network.add(from, node.also(v6), Link::after(Duration::from_millis(1)).outward(way));
    }
    world
}

#[test]
fn the_mtu_is_shown_where_it_changes() {
    assert_snapshot!("mtu", narrowing(false).run("rtrace -n -q 2 --mtu --explain 203.0.113.13"));
    assert_snapshot!("mtu_ipv6", narrowing(true).run("rtrace -n -q 1 --mtu --explain 2001:db8:a::13"));
}

#[test]
fn the_mtu_stands_beside_names_and_origins() {
    let mut world = narrowing(false);
    let name = NameOutcome::Named("near.example".into(), Duration::from_millis(20));
    world.network.name(ip("203.0.113.11"), name);
    let origin =
        OriginOutcome::Text("64500 | 203.0.113.0/24 | XX | test | 2026-01-01".into(), Duration::from_millis(20));
    world.network.origin(ip("203.0.113.12"), origin);
    assert_snapshot!("mtu_with_names_and_origins", world.run("rtrace -q 1 --mtu -A 203.0.113.13"));
}

#[test]
fn the_mtu_is_a_number_in_json() {
    assert_snapshot!("mtu_json", narrowing(true).run("rtrace -n -q 1 --mtu --json 203.0.113.13"));
}

#[test]
fn auto_searches_over_the_socket_that_leaves_the_kernels_memory_alone() {
    let method = |world: World, target: &str| {
        let outcome = world.run(&format!("rtrace -n --mtu --json {target}"));
        let line: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
        (line["method"].as_str().unwrap().to_owned(), line["socket"].as_str().unwrap().to_owned())
    };
    let (v4, v6) = ("203.0.113.13", "2001:db8:a::13");
    let expected = |method: &str, socket: &str| (method.to_owned(), socket.to_owned());
    assert_eq!(method(narrowing(false), v4), expected("icmp", "raw"));
    assert_eq!(method(narrowing(false), v6), expected("udp", "raw"));
    assert_eq!(method(narrowing(false).dgram_only(), v6), expected("icmp", "dgram"));
    assert_eq!(method(narrowing(false).unprivileged(), v6), expected("udp", "dgram"));
}

#[test]
fn a_trace_can_be_written_as_gauges() {
    assert_snapshot!("a_trace_as_gauges", World::new().run("rtrace -n -q 1 --format prometheus 198.51.100.9"));
    assert_snapshot!(
        "a_report_as_gauges",
        World::new().run("rtrace -n --report -c 2 --format prometheus 198.51.100.9")
    );
}

#[test]
fn a_trace_can_be_written_as_points() {
    assert_snapshot!("a_trace_as_points", World::new().run("rtrace -n -q 1 --format influx 198.51.100.9"));
    assert_snapshot!("a_report_as_points", World::new().run("rtrace -n --report -c 2 --format influx 198.51.100.9"));
}

#[test]
fn a_trace_can_be_written_as_csv() {
    assert_snapshot!("a_trace_as_csv", World::new().run("rtrace -n -q 1 --format csv 198.51.100.9"));
    assert_snapshot!("a_report_as_csv", World::new().run("rtrace -n --report -c 2 --format csv 198.51.100.9"));
}

#[test]
fn findings_that_all_flows_show_together_can_be_required() {
    let run = |line: &str| forked().run(&format!("rtrace -n --flows 12 {line} 198.51.100.77"));
    let several = run("--require finding=several_paths,reached");
    assert_eq!((several.status, several.stderr.as_str()), (0, ""), "{several}");
    let one = run("--require no-finding=several_paths");
    let sentence = "rtrace: 198.51.100.77: finding several_paths (--require no-finding=several_paths)\n";
    assert_eq!((one.status, one.stderr.as_str()), (3, sentence), "{one}");
    let json = run("--json --require no-finding=several_paths,reached");
    let conditions: Vec<(String, usize)> = json
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|object| (object["type"].as_str().unwrap().to_owned(), object["conditions"].as_array().unwrap().len()))
        .collect();
    assert_eq!(conditions.len(), 13, "{json}");
    assert!(conditions.iter().all(|(_, number)| *number == 1), "{conditions:?}");
}

#[test]
fn changes_of_the_path_are_no_report() {
    for (line, option) in [
        ("rtrace --changes --report h", "--report"),
        ("rtrace --changes --live h", "--live"),
        ("rtrace --changes -qq h", "--silent"),
        ("rtrace --changes --flows 3 h", "--flows"),
        ("rtrace --changes -q 3 h", "-q"),
        ("rtrace --changes --format csv 198.51.100.9", "--format csv"),
    ] {
        let outcome = World::new().run(line);
        let start = format!("rtrace: {option}");
        assert!(outcome.status == 2 && outcome.stderr.starts_with(&start), "{outcome}");
    }
    let steady = World::new().run("rtrace --changes -c 20 -n 198.51.100.9");
    assert_eq!((steady.status, steady.stdout.as_str(), steady.stderr.as_str()), (0, "", ""), "{steady}");
}
