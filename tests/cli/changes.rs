//! `--changes` and `--until`: targets that come and go.

use std::time::Duration;

use netprobe::channel::{Control, OsError};
use netprobe::sim::{Change, Link, Node, US, ip};
use serde_json::Value;

use crate::world::World;

/// A host that leaves the probes of this range unanswered, 10 ms away.
fn away(probes: std::ops::RangeInclusive<u64>) -> World {
    World::with_host(Node::host(ip("198.51.100.9")).change(probes, Change::Silence))
}

/// The same, and an interrupt after this many seconds.
fn interrupted(mut world: World, seconds: u64) -> World {
    world.network.at(Duration::from_secs(seconds), Control::Interrupt);
    world
}

/// Seconds since the hour in the last column of `HH:MM:SS`, with the rest of the line.
fn lines(stdout: &str) -> Vec<(u64, &str)> {
    let seconds = |time: &str| time.rsplit_once(':').map(|(_, seconds)| seconds.parse().expect("seconds"));
    stdout
        .lines()
        .map(|line| {
            let (time, rest) = line.split_once("+01:00 ").expect("a local time");
            (seconds(time).expect("a time"), rest)
        })
        .collect()
}

#[test]
fn only_changes_are_printed_with_the_length_of_the_outage() {
    // Probe n leaves at n - 1 s. Number 5 to 15 are lost.
    let outcome = interrupted(away(5..=15), 20).run("rping --changes 198.51.100.9");
    let start = lines(&outcome.stdout)[0].0;
    let shown: Vec<(u64, String)> = lines(&outcome.stdout)
        .into_iter()
        .map(|(at, rest)| (at - start, rest.split("since").next().unwrap_or_default().to_owned()))
        .collect();
    let expected = [
        (0, "198.51.100.9 up".to_owned()),
        // Three intervals and one wait after the first loss, at 4 s, was sent: 4 + 2 + 1.
        (7, "198.51.100.9 down (".to_owned()),
        (15, "198.51.100.9 up (was down 11.0 s, 11 lost)".to_owned()),
    ];
    assert_eq!((shown, outcome.stderr.as_str(), outcome.status), (expected.into(), "", 0), "{outcome}");
    assert!(outcome.stdout.contains(", 3 lost)\n"), "{outcome}");
}

#[test]
fn changes_are_records_in_json_and_csv() {
    let outcome = interrupted(away(2..=6), 10).run("rping --changes --json host.example -4");
    let changes: Vec<Value> = outcome.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let of = |key: &str| changes.iter().map(|change| change[key].clone()).collect::<Vec<_>>();
    assert_eq!(of("type"), ["change"; 3]);
    assert_eq!(of("change"), ["up", "outage", "back"]);
    assert_eq!(of("lost"), [Value::Null, 3.into(), 5.into()]);
    assert_eq!(of("outage_ms"), [Value::Null, Value::Null, 5000.0.into()]);
    assert_eq!(of("since").iter().map(Value::is_null).collect::<Vec<_>>(), [true, false, true]);
    let csv = interrupted(away(2..=6), 10).run("rping --changes --format csv 198.51.100.9");
    let rows: Vec<Vec<&str>> = csv.stdout.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(rows[0], ["time", "target", "address", "method", "change", "since", "outage_ms", "lost", "message"]);
    assert_eq!(rows[3][1..], ["198.51.100.9", "198.51.100.9", "icmp", "back", "", "5000", "5", ""], "{csv}");
}

#[test]
fn a_refusal_is_no_answer_and_an_unreachable_is_a_loss() {
    let tcp = interrupted(away(99..=99), 5).run("rping --changes --tcp 198.51.100.9");
    assert!(tcp.stdout.contains(" down (since ") && !tcp.stdout.contains(" up"), "{tcp}");
    let world = World::with_host(Node::host(ip("198.51.100.9")).change(.., Change::Silence));
    let outcome = interrupted(world, 6).run("rping --changes 198.51.100.9");
    assert_eq!(outcome.stdout.lines().count(), 1, "{outcome}");
    assert_eq!(outcome.status, 1);
}

#[test]
fn a_probe_that_is_not_sent_is_a_loss() {
    let mut world = interrupted(World::new(), 9);
    world.network.refuse_sends(3..=6, OsError::ENETDOWN);
    let outcome = world.run("rping --changes 198.51.100.9");
    let shown: Vec<&str> = outcome.stdout.lines().map(|line| line.split_once("198.51.100.9 ").unwrap().1).collect();
    assert!(
        matches!(shown[..], ["up", down, "up (was down 4.0 s, 4 lost)"] if down.starts_with("down (since ")),
        "{outcome}"
    );
}

#[test]
fn a_run_ends_once_its_target_is_up_or_down() {
    let run = |words: &str| {
        let outcome = away(1..=5).run(&format!("rping -q -w 60 {words} 198.51.100.9"));
        let sent = outcome.stdout.split(" packets transmitted").next().and_then(|text| text.lines().last());
        (outcome.status, sent.unwrap_or_default().to_owned())
    };
    assert_eq!(run("--until up"), (0, "6".to_owned()));
    assert_eq!(run("--until up=4"), (0, "9".to_owned()));
    assert_eq!(run("--until down").0, 0);
    assert_eq!(run("--until down=9 -c 20").0, 1, "there are five in a row");
    assert_eq!(run("--until up -w 3").0, 1);
    assert_eq!(run("--until up=30 -c 7").0, 1);
}

#[test]
fn all_targets_must_be_up_unless_any_is_enough() {
    let world = || {
        let mut world = away(1..=2);
        world.network.add(US, Node::host(ip("203.0.113.77")).silent(), Link::default());
        world
    };
    let both = "198.51.100.9 203.0.113.77";
    assert_eq!(world().run(&format!("rping -q --until up -w 9 {both}")).status, 1);
    let any = world().run(&format!("rping -q --until any-up -w 9 {both}"));
    assert_eq!(any.status, 0, "{any}");
    assert!(any.stdout.contains("3 packets transmitted, 1 received"), "{any}");
}

#[test]
fn a_target_without_a_route_is_waited_for() {
    // The simulated network has the route that the kernel did not find.
    let outcome =
        World::new().unroutable("198.51.100.9", OsError::ENETUNREACH).run("rping -q --until up -c 3 198.51.100.9");
    assert_eq!(outcome.status, 0, "{outcome}");
}

#[test]
fn a_list_is_followed_and_is_no_sweep() {
    let outcome = interrupted(World::new().stdin("198.51.100.9\n203.0.113.1\n"), 3).run("rping --changes --targets -");
    assert_eq!(outcome.stdout.lines().filter(|line| line.ends_with(" up")).count(), 2, "{outcome}");
}

#[test]
fn what_has_no_effect_beside_them_is_refused() {
    for (words, why) in [
        ("--changes -q h", "-q: --changes prints nothing but changes"),
        ("--changes -D h", "-D and --timestamps: --changes prints nothing but changes"),
        (
            "--changes 198.51.100.0/30",
            "--changes: a sweep probes each target once; name each target, or list them with --targets",
        ),
        (
            "--until up --alive h",
            "--until: a sweep probes each target once; name each target, or list them with --targets",
        ),
        ("--until up --contrast h", "--until: --contrast compares methods to one host"),
        (
            "--until sideways h",
            "--until <up|down[=N]>: invalid value 'sideways': must be one of up, down, any-up, any-down, or with a number, as in down=5",
        ),
    ] {
        let outcome = World::new().run(&format!("rping {words}"));
        assert_eq!((outcome.status, outcome.stderr), (2, format!("rping: {why}\n")), "{words}");
    }
}
