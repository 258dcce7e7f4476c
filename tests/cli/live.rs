//! `rtrace --live` without a terminal, and what its options cannot be combined with.

use std::collections::BTreeSet;

use netprobe::sim::{Change, Node, ip};

use crate::world::World;

fn refusal(line: &str) -> String {
    let outcome = World::new().run(line);
    assert_eq!((outcome.status, outcome.stdout.as_str()), (2, ""), "{line}");
    outcome.stderr
}

#[test]
fn a_live_view_in_lines_has_one_line_each_so_often_and_the_table_at_the_end() {
    let outcome = World::new().run("rtrace --live=plain -c 25 -n 198.51.100.9");
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    let summaries: Vec<&str> = lines.iter().copied().filter(|line| line.contains(" up, ")).collect();
    assert_eq!(summaries.len(), 2, "{}", outcome.stdout);
    let (time, rest) = summaries[0].split_once(' ').unwrap();
    assert_eq!(time.len(), "2026-11-28T14:22:10+01:00".len());
    assert_eq!(rest, "198.51.100.9 up, 3 hops, loss 0.0 %, rtt 10.0 ms (p95 10.0)");
    assert_eq!(lines.iter().filter(|line| line.starts_with("HOST:")).count(), 1);
    assert!(lines.last().unwrap().starts_with("  3.|-- 198.51.100.9"), "{}", outcome.stdout);
    assert_eq!((outcome.status, outcome.stderr.as_str()), (0, ""));
    assert!(!outcome.stdout.contains('\x1b'));
}

#[test]
fn all_targets_of_a_live_view_are_watched_at_once_and_more_than_can_be_are_refused() {
    let outcome = World::new().run("rtrace --live=plain --every 10 -c 4 -n --flows 9 198.51.100.9 2001:db8:9::9");
    let lines = outcome.stdout.lines().filter(|line| line.contains(" up, "));
    let first: BTreeSet<&str> =
        lines.take(18).filter_map(|line| line.split_once(' ')?.1.split_once(" up,")).map(|(path, _)| path).collect();
    assert_eq!(first.len(), 18, "{first:?} {}", outcome.stdout);

    let targets: Vec<String> = (0..=256).map(|host| format!("10.0.{}.{}", host / 200, host % 200)).collect();
    let sentence = "rtrace: --live: at most 256 paths are watched at once, not 257\n";
    assert_eq!(refusal(&format!("rtrace --live {}", targets.join(" "))), sentence);
}

#[test]
fn without_a_terminal_a_line_says_that_there_is_no_screen() {
    let outcome = World::new().run("rtrace --live --every 1 -c 3 -n 198.51.100.9");
    assert_eq!(outcome.stderr, "rtrace: no terminal to draw on: one line every 1 s, and one for each event\n");
    assert!(outcome.stdout.contains(" up, 3 hops"), "{}", outcome.stdout);
}

#[test]
fn options_of_live_views_are_refused_where_they_have_no_meaning() {
    for (line, sentence) in [
        ("rtrace --live --json h", "rtrace: --live: it is a view for people; --report has other formats\n"),
        ("rtrace --live --report h", "rtrace: --report: --live prints its table when it is left\n"),
        ("rtrace --ascii h", "rtrace: --live is missing: the options of live views have no meaning without it\n"),
    ] {
        assert_eq!(refusal(line), sentence);
    }
}

#[test]
fn targets_in_lines_have_one_line_each_so_often_those_of_changes_and_the_summary_at_the_end() {
    let host = Node::host(ip("198.51.100.9")).change(5..=9, Change::Silence);
    let outcome = World::with_host(host).run("rping --live=plain -c 25 198.51.100.9");
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    let said: Vec<&str> = lines.iter().filter_map(|line| Some(line.split_once("+01:00 ")?.1)).collect();
    assert_eq!(
        said,
        [
            "198.51.100.9 up",
            "198.51.100.9 down (since 01:00:04, 3 lost)",
            "198.51.100.9 up (was down 5.0 s, 5 lost)",
            "198.51.100.9 up, 11 probes, loss 45.5 %, rtt 10.0 ms (p95 10.0)",
            "198.51.100.9 up, 21 probes, loss 23.8 %, rtt 10.0 ms (p95 10.0)",
        ],
        "{}",
        outcome.stdout
    );
    assert!(lines[0].starts_with("PING 198.51.100.9") && lines.last().unwrap().starts_with("rtt min/avg/max/mdev"));
    assert_eq!((outcome.status, outcome.stderr.as_str()), (0, ""));
}

#[test]
fn a_view_of_targets_says_what_it_does_not_show() {
    for (line, sentence) in [
        ("rping --live --json h", "rping: --live: it is a view for people; leave it out for other formats\n"),
        ("rping --live --changes h", "rping: --changes: --live shows changes among its events\n"),
        ("rping --live -q h", "rping: -q: --live shows no line for each probe\n"),
        (
            "rping --live --alive h",
            "rping: --live: a view probes its targets again and again; --alive and other options of sweeps end with one look\n",
        ),
        ("rping --stay h", "rping: --live is missing: the options of live views have no meaning without it\n"),
    ] {
        assert_eq!(refusal(line), sentence);
    }
}

#[test]
fn a_view_takes_every_address_of_a_range_and_every_way_of_a_comparison() {
    let outcome = World::new().run("rping --live=plain --every 2 -c 3 198.51.100.8-9");
    assert!(outcome.stdout.contains(" 198.51.100.9 up, 3 probes, loss 0.0 %, rtt 10.0 ms"), "{}", outcome.stdout);
    assert!(outcome.stdout.contains(" 198.51.100.8 no answer, "), "{}", outcome.stdout);
    let outcome = World::new().run("rping --contrast --live=plain --every 2 -c 4 198.51.100.9");
    assert!(outcome.stdout.contains("+01:00 198.51.100.9 ICMP raw up\n"), "{}", outcome.stdout);
    assert!(outcome.stdout.contains(" 198.51.100.9 ICMP dgram up, "), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("--- 198.51.100.9 by 4 methods, 4 rounds ---"), "{}", outcome.stdout);
    assert_eq!(
        refusal("rping --live 2001:db8::/96"),
        "rping: '2001:db8::/96': a view shows at most 4096 addresses of ranges\n"
    );
}
