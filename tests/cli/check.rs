//! `check_rping` for monitoring systems: its line, its performance data, its exit status.

use std::time::Duration;

use netprobe::channel::{Control, OsError};
use netprobe::sim::{AddressOutcome, Change, Node, Peer, TcpService, ip};

use crate::world::{Outcome, World};

/// A network in which 198.51.100.0/28 and a neighbour in IPv6 answer after 10 ms.
fn whole() -> World {
    World::with_host(host())
}

fn host() -> Node {
    Node::host(ip("198.51.100.9")).also(ip("2001:db8:9::9")).prefix(ip("198.51.100.0"), 28)
}

fn silent() -> World {
    World::with_host(host().silent())
}

/// One label with its value and limits.
#[derive(Debug, PartialEq)]
struct Figure {
    label: String,
    /// `None` for `U`.
    value: Option<f64>,
    unit: String,
    /// Warning, critical, smallest and largest.
    limits: [Option<f64>; 4],
}

/// Performance data by the grammar of the Monitoring Plugins' guidelines, and nothing else:
/// `'label'=value[UOM];[warn];[crit];[min];[max]`, with blanks between.
fn performance(mut text: &str) -> Vec<Figure> {
    let mut figures = Vec::new();
    while !text.is_empty() {
        let (label, rest) = match text.strip_prefix('\'') {
            Some(quoted) => {
                let end = quoted.find("'=").expect("a quoted label ends");
                (quoted[..end].replace("''", "'"), &quoted[end + 2..])
            }
            None => {
                let (label, rest) = text.split_once('=').expect("a label and a value");
                assert!(!label.contains([' ', '\'']), "{label:?} needs quotes");
                (label.to_owned(), rest)
            }
        };
        assert!(!label.is_empty() && !label.contains('='), "{label:?}");
        let (figure, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        let mut parts = figure.split(';');
        let measured = parts.next().unwrap();
        let digits = measured.find(|at: char| !(at.is_ascii_digit() || "-.".contains(at))).unwrap_or(measured.len());
        let (value, unit) = measured.split_at(digits);
        let value = if measured == "U" { None } else { Some(value.parse().expect("a number")) };
        let unit = if measured == "U" { "" } else { unit };
        assert!(["", "s", "us", "ms", "%", "B", "KB", "MB", "TB", "c"].contains(&unit), "{unit:?}");
        // `3.5:` is a range without an upper end.
        let limit = |limit: &str| limit.strip_suffix(':').unwrap_or(limit).parse().expect("a number");
        let limits: Vec<Option<f64>> =
            parts.map(|text| if text.is_empty() { None } else { Some(limit(text)) }).collect();
        assert!(limits.len() <= 4, "{figure:?}");
        let limits = std::array::from_fn(|at| limits.get(at).copied().flatten());
        figures.push(Figure { label, value, unit: unit.to_owned(), limits });
        text = rest;
    }
    let mut labels: Vec<&String> = figures.iter().map(|figure| &figure.label).collect();
    labels.sort();
    assert!(labels.windows(2).all(|two| two[0] != two[1]), "a label stands twice: {labels:?}");
    figures
}

/// Runs the words under the plugin's name. The first line's text, its performance data, and what stands below.
fn run(world: &World, words: &str) -> (Outcome, String, Vec<Figure>) {
    let outcome = world.run(&format!("check_rping {words}"));
    assert_eq!(outcome.stderr, "", "{outcome}");
    let (first, below) = outcome.stdout.split_once('\n').unwrap_or_else(|| panic!("{outcome}"));
    assert!(!below.contains('|'), "{outcome}");
    let (text, figures) = first.split_once('|').unwrap_or((first, ""));
    let figures = performance(figures);
    let text = text.to_owned();
    (outcome, text, figures)
}

/// Status and first line.
fn line(world: &World, words: &str) -> (u8, String) {
    let (outcome, text, _) = run(world, words);
    (outcome.status, text)
}

#[test]
fn a_host_that_answers_is_ok_in_the_words_of_check_icmp() {
    let outcome = whole().run("check_rping -H 198.51.100.9");
    let expected = "OK - 198.51.100.9: rta 10.000ms, lost 0%|rta=10.000ms;200.000;500.000;0; pl=0%;40;80;; rtmax=10.000ms;;;; rtmin=10.000ms;;;;\n\
        198.51.100.9: OK, 5 of 5 answered, rtt min/avg/max 10.000/10.000/10.000 ms\n";
    assert_eq!((outcome.status, outcome.stdout.as_str()), (0, expected), "{outcome}");
    for line in [
        "check_icmp 198.51.100.9",
        "rping --as-check-icmp -H 198.51.100.9",
        "/usr/lib/plugins/check_icmp -H 198.51.100.9",
    ] {
        let other = whole().run(line);
        assert_eq!((other.status, &other.stdout), (0, &outcome.stdout), "{other}");
    }
}

#[test]
fn a_value_equal_to_a_limit_reaches_it() {
    for (limits, status) in [
        ("-w 10.001,40% -c 20,80%", 0),
        ("-w 10,40% -c 20,80%", 1),
        ("-w 10ms,40% -c 10000us,80%", 2),
        ("-w 0.001s,40% -c 0.002s,80%", 2),
        ("-w 1us,40% -c 2us,80%", 2),
        ("-w 100,0% -c 100,80%", 1),
        ("-w 11", 0),
        ("-w 9 -c 600", 1),
        ("-R 10,20", 1),
        ("-R 11,20 -w 1,40%", 0),
        ("-P 0%,1%", 1),
    ] {
        assert_eq!(run(&whole(), &format!("{limits} 198.51.100.9")).0.status, status, "{limits}");
    }
    let lossy = World::with_host(host().change([2, 3], Change::Silence));
    for (limits, status) in [
        ("-w 100,40% -c 200,80%", 1),
        ("-w 100,41% -c 200,80%", 0),
        ("-w 100,10% -c 200,40%", 2),
        ("-w 100,10% -c 200,40.1%", 1),
        ("-P 50%,60%", 0),
        ("-P 20%,40%", 2),
    ] {
        let (outcome, text, figures) = run(&lossy, &format!("{limits} 198.51.100.9"));
        assert_eq!(outcome.status, status, "{limits}: {outcome}");
        assert!(text.ends_with("lost 40%") && figures[1].value == Some(40.0), "{outcome}");
    }
}

#[test]
fn limits_stand_in_the_performance_data_as_they_are_applied() {
    let (_, _, figures) = run(&whole(), "-w 50us,7.5% -c 1.5s,50% -J 1,2 198.51.100.9");
    let limits: Vec<_> = figures.iter().map(|figure| (figure.label.as_str(), figure.limits)).collect();
    let none = [None; 4];
    let expected = [
        ("rta", [Some(0.05), Some(1500.0), Some(0.0), None]),
        ("pl", [Some(7.5), Some(50.0), None, None]),
        ("rtmax", none),
        ("rtmin", none),
        ("jitter_avg", [Some(1.0), Some(2.0), Some(0.0), None]),
    ];
    assert_eq!(limits, expected);
}

#[test]
fn of_a_host_that_does_not_answer_no_time_is_known() {
    let (outcome, text, figures) = run(&silent(), "198.51.100.9");
    assert_eq!((outcome.status, text.as_str()), (2, "CRITICAL - 198.51.100.9: rta U, lost 100%"), "{outcome}");
    let values: Vec<_> = figures.iter().map(|figure| figure.value).collect();
    assert_eq!(values, [None, Some(100.0), None, None]);
    // Whatever the limits, a host without any answer is not alive.
    assert_eq!(run(&silent(), "-w 9,100% -c 9,100% 198.51.100.9").0.status, 2);
}

#[test]
fn a_host_without_a_route_is_critical_with_the_reason() {
    let world = whole().unroutable("198.51.100.9", OsError::ENETUNREACH);
    let (outcome, text, figures) = run(&world, "198.51.100.9");
    let expected = "CRITICAL - 198.51.100.9: Network is unreachable. rta U, lost 100%";
    assert_eq!((outcome.status, text.as_str()), (2, expected), "{outcome}");
    assert_eq!(figures[1].value, Some(100.0));
}

#[test]
fn a_router_that_sends_an_error_is_named() {
    let expected = "CRITICAL - 198.51.100.9: Time to live exceeded @ 203.0.113.1. rta U, lost 100%";
    assert_eq!(line(&whole(), "-l 1 198.51.100.9"), (2, expected.to_owned()));
}

#[test]
fn several_hosts_stand_in_one_line_with_their_names_in_the_labels() {
    let world = whole().unroutable("198.51.100.5", OsError::EHOSTUNREACH);
    let words = "-H 198.51.100.9 -H 198.51.100.5 198.51.100.2 198.51.100.9";
    let (outcome, text, figures) = run(&world, words);
    let expected = "CRITICAL - 198.51.100.9: rta 10.000ms, lost 0% :: 198.51.100.5: No route to host. rta U, lost 100% :: 198.51.100.2: rta 10.000ms, lost 0%";
    assert_eq!((outcome.status, text.as_str()), (2, expected), "{outcome}");
    assert_eq!(figures[4].label, "198.51.100.5rta");
    assert_eq!(figures.len(), 12, "each host once");
    assert_eq!(outcome.stdout.lines().count(), 4);
    for (alive, status) in [(0, 0), (1, 0), (2, 0), (3, 2)] {
        assert_eq!(run(&world, &format!("-m {alive} {words}")).0.status, status, "{alive}");
    }
    // With a limit that all answers reach, as many as answer at all are a warning.
    assert_eq!(run(&world, &format!("-m 2 -w 1,50% {words}")).0.status, 1);
    assert_eq!(run(&world, &format!("-m 4 {words}")).0.status, 3, "there are three");
}

#[test]
fn of_very_many_hosts_the_first_line_names_those_that_are_not_ok() {
    let hosts: Vec<String> = (0..16).map(|n| format!("198.51.100.{n}")).collect();
    let hosts = hosts.join(" ");
    let (outcome, text, figures) = run(&whole(), &hosts);
    assert_eq!((outcome.status, text.as_str(), figures.len()), (0, "OK - all of 16 hosts", 64), "{outcome}");
    let world = whole().unroutable("198.51.100.3", OsError::ENETUNREACH);
    let (outcome, text, _) = run(&world, &hosts);
    let expected = "CRITICAL - 1 of 16 hosts: 198.51.100.3: Network is unreachable. rta U, lost 100%";
    assert_eq!((outcome.status, text.as_str()), (2, expected), "{outcome}");
    let (_, text, _) = run(&silent(), &hosts);
    assert!(text.starts_with("CRITICAL - 16 of 16 hosts: ") && text.ends_with(" :: and 6 more"), "{text}");
}

#[test]
fn jitter_and_order_have_limits_of_their_own() {
    let varying = || World::with_host(host().change([2], Change::Later(Duration::from_millis(20))));
    // 10, 30, 10, 10 and 10 ms: 20, 20, 0 and 0 between them.
    for (limits, status) in [("-J 10,20", 1), ("-J 5,10", 2), ("-J 11ms,1s", 0), ("-O", 0)] {
        let (outcome, ..) = run(&varying(), &format!("{limits} 198.51.100.9"));
        assert_eq!(outcome.status, status, "{limits}: {outcome}");
    }
    let (_, _, figures) = run(&varying(), "-J 10,20 198.51.100.9");
    assert_eq!((figures[4].label.as_str(), figures[4].value), ("jitter_avg", Some(10.0)));
    // The answer to the second probe comes after that to the third.
    let (outcome, text, _) = run(&varying(), "-O -i 5 198.51.100.9");
    assert_eq!(outcome.status, 2, "{outcome}");
    assert!(text.contains(" out of order"), "{text}");
    assert_eq!(run(&varying(), "-i 5 198.51.100.9").0.status, 0);
}

#[test]
fn what_cannot_be_checked_is_unknown_in_one_line_on_standard_output() {
    for words in [
        "",
        "-n 0 198.51.100.9",
        "-n x 198.51.100.9",
        "-w 200,40% -c 100,80% 198.51.100.9",
        "-w 200,90% 198.51.100.9",
        "-w 0,40% 198.51.100.9",
        "-w 200,101% 198.51.100.9",
        "-J 20,10 198.51.100.9",
        "--bogus 198.51.100.9",
        "-t 1 -n 100 198.51.100.9",
        "-b 99999 198.51.100.9",
        "-s nowhere0 198.51.100.9",
        "-4 -6 198.51.100.9",
        "-6 198.51.100.9",
        "--tcp 0 198.51.100.9",
        "--tcp 1 --udp 2 198.51.100.9",
        "--udp no|service 198.51.100.9",
        "nosuch.example",
        "198.51.100.9 nosuch.example",
        "unix:/tmp/x",
        "0.0.0.0",
        "::",
        "255.255.255.255",
        "198.51.100.9 0.0.0.0",
        "blocked.example",
    ] {
        let mut world = whole();
        world.network.address("blocked.example", AddressOutcome::Found(vec![ip("0.0.0.0")], Duration::ZERO));
        let (outcome, text, figures) = run(&world, words);
        assert_eq!(outcome.status, 3, "{outcome}");
        assert!(text.starts_with("UNKNOWN - ") && figures.is_empty(), "{outcome}");
        assert_eq!(outcome.stdout.lines().count(), 1, "{outcome}");
    }
    let (outcome, text, _) = run(&whole().unprivileged(), "198.51.100.9");
    assert_eq!(outcome.status, 3);
    assert!(text.starts_with("UNKNOWN - no ICMP socket for IPv4"), "{outcome}");
}

#[test]
fn help_and_version_are_no_ok() {
    for words in ["-h", "--help", "-V"] {
        let outcome = World::without_sockets().run(&format!("check_rping {words}"));
        assert_eq!((outcome.status, outcome.stderr.as_str()), (3, ""), "{outcome}");
        assert!(outcome.stdout.contains("check_rping"), "{outcome}");
    }
}

#[test]
fn a_check_ends_before_its_time_is_over() {
    for (words, seconds) in [("-t 2", 2), ("-t 1", 1), ("-t 10 -c 9000,80%", 10), ("-t 3 -i 500", 3)] {
        let mut world = silent();
        // What is not over by then is interrupted, and not counted as lost.
        world.network.at(Duration::from_secs(seconds), Control::Interrupt);
        let (outcome, ..) = run(&world, &format!("-v {words} 198.51.100.9"));
        assert_eq!(outcome.status, 2, "{outcome}");
        assert!(outcome.stdout.ends_with(", 5 lost\n"), "{outcome}");
    }
    let mut world = whole();
    world.network.address("slow.example", AddressOutcome::Never);
    world.network.at(Duration::from_secs(10), Control::Interrupt);
    let (outcome, text, _) = run(&world, "slow.example");
    assert_eq!(
        (outcome.status, text.as_str()),
        (3, "UNKNOWN - slow.example: the lookup took longer than -t allows"),
        "{outcome}"
    );
}

#[test]
fn a_name_has_its_ipv4_address_unless_ipv6_is_asked_for() {
    let socket = |words: &str| line(&whole(), &format!("{words} host.example"));
    assert_eq!(socket("-v"), (0, "OK - host.example: rta 10.000ms, lost 0%".to_owned()));
    let mut world = whole();
    world.network.address("six.example", AddressOutcome::Found(vec![ip("2001:db8:9::9")], Duration::ZERO));
    assert_eq!(line(&world, "six.example").0, 3);
    assert_eq!(line(&world, "-6 six.example").0, 0);
    let both = line(&world, "2001:db8:9::9 host.example");
    assert_eq!(
        both,
        (0, "OK - 2001:db8:9::9: rta 10.000ms, lost 0% :: host.example: rta 10.000ms, lost 0%".to_owned())
    );
}

#[test]
fn a_service_is_checked_over_tcp_udp_and_stamp() {
    let open = || World::with_host(host().tcp(80, TcpService::Accept(Peer::silent())));
    assert_eq!(line(&open(), "--tcp 80 198.51.100.9").0, 0);
    let (status, text) = line(&open(), "--tcp 81 198.51.100.9");
    assert_eq!((status, text.as_str()), (2, "CRITICAL - 198.51.100.9: Connection refused. rta U, lost 100%"));
    let (status, text) = line(&open(), "--tcp 80 198.51.100.9 198.51.100.9:81 -m 1");
    assert_eq!(status, 0, "{text}");
    let (status, text) = line(&open(), "--udp 9 198.51.100.9");
    assert_eq!((status, text.as_str()), (2, "CRITICAL - 198.51.100.9: Port unreachable. rta U, lost 100%"));
    assert_eq!(line(&silent(), "--stamp --dscp ef 198.51.100.9").0, 2);
}

#[test]
fn more_is_said_below_about_each_host_where_that_is_asked_for() {
    let lossy = World::with_host(host().change([2], Change::Silence));
    let outcome = lossy.run("check_rping -v -n 3 198.51.100.9");
    let expected = "OK - 198.51.100.9: rta 10.000ms, lost 33.33%|rta=10.000ms;200.000;500.000;0; pl=33.33%;40;80;; rtmax=10.000ms;;;; rtmin=10.000ms;;;;\n\
        198.51.100.9: OK, 2 of 3 answered, rtt min/avg/max 10.000/10.000/10.000 ms, median 10.000 ms, jitter U, 1 lost\n";
    assert_eq!(outcome.stdout, expected);
}

#[test]
fn the_quality_of_a_call_has_limits_that_are_reached_from_above() {
    // 10 ms there and back, and no variation: the buffer is 20 ms, and the codec takes 10.
    for (limits, status) in [
        ("-M 4.0,3.0", 0),
        ("-M 4.4,3.0", 1),
        ("-M 4.45,4.4", 2),
        ("-S 90,80", 0),
        ("-S 95,80", 1),
        ("-S 95,94", 2),
        ("-M 4.3,4 --codec g729a", 1),
        ("--mos-mode-thresholds=4.0,3.0 --number-of-packets=3", 0),
    ] {
        assert_eq!(run(&whole(), &format!("{limits} 198.51.100.9")).0.status, status, "{limits}");
    }
    let (_, text, figures) = run(&whole(), "-M 3.5,3.1 -S 80,70 198.51.100.9");
    assert_eq!(text, "OK - 198.51.100.9: rta 10.000ms, lost 0%, mos 4.39 (estimate, g711)");
    let figure = |label: &str| figures.iter().find(|figure| figure.label == label).unwrap();
    assert_eq!(figure("mos").limits, [Some(3.5), Some(3.1), Some(1.0), Some(4.5)]);
    assert_eq!(
        (figure("score").value, figure("score").limits),
        (Some(92.36), [Some(80.0), Some(70.0), Some(0.0), Some(100.0)])
    );
    let (outcome, _, figures) = run(&silent(), "-t 3 -M 3.5,3.1 198.51.100.9");
    assert_eq!((outcome.status, figures.last().map(|figure| figure.value)), (2, Some(None)), "{outcome}");
    for wrong in ["-M 3,4", "-M 5,4", "-M 4", "-S 101,3", "-M 4,3 --codec opus"] {
        let outcome = whole().run(&format!("check_rping {wrong} 198.51.100.9"));
        assert_eq!((outcome.status, outcome.stdout.lines().count()), (3, 1), "{outcome}");
    }
}
