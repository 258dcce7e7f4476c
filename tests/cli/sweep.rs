//! Runs of `rping` over many targets.

use std::fs;
use std::time::Duration;

use insta::assert_snapshot;
use netprobe::channel::OsError;
use netprobe::sim::{Change, Node, Rejection, TcpService, UdpService, ip};

use crate::world::{Outcome, World};

/// A network in which 198.51.100.0/28 answers.
fn world() -> World {
    World::with_host(host())
}

fn host() -> Node {
    Node::host(ip("198.51.100.9")).also(ip("2001:db8:9::9")).prefix(ip("198.51.100.0"), 28)
}

fn silent() -> World {
    World::with_host(host().silent())
}

/// A run whose words name a file with this text, which no snapshot may know.
fn run_with_file(world: &World, line: &str, text: &str) -> Outcome {
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), text).expect("a file to write");
    let path = file.path().display().to_string();
    let outcome = world.run(&line.replace("FILE", &path));
    Outcome { words: line.to_owned(), stderr: outcome.stderr.replace(&path, "FILE"), ..outcome }
}

fn sorted(outcome: &Outcome) -> Vec<&str> {
    let mut lines: Vec<&str> = outcome.stdout.lines().collect();
    lines.sort_unstable();
    lines
}

#[test]
fn each_target_has_a_line_as_it_is_over() {
    assert_snapshot!("text", world().run("rping 198.51.100.0/29 host.example 2001:db8:9::9"));
    assert_snapshot!("silent", silent().run("rping 198.51.100.8-198.51.100.9"));
}

#[test]
fn who_answers_and_who_does_not_is_an_address_a_line() {
    assert_snapshot!("alive", world().run("rping --alive 198.51.100.0/29"));
    assert_snapshot!("unreachable", world().run("rping --unreachable 198.51.100.0/29"));
    assert_snapshot!("alive_silent", silent().run("rping --alive 198.51.100.0/30"));
    assert_snapshot!("unreachable_silent", silent().run("rping --unreachable host.example 198.51.100.1"));
}

/// The same hosts with a service at port 443, and at port 22 of one more.
fn serving() -> World {
    World::with_host(host().tcp(443, TcpService::Listen(Duration::ZERO)))
}

/// A host that echoes datagrams to one port.
fn echoing() -> World {
    World::with_host(host().udp(443, UdpService::Echo))
}

#[test]
fn ports_are_swept_by_udp() {
    assert_snapshot!(
        "udp_ports",
        echoing().run("rping --udp=22,443 198.51.100.1-198.51.100.2 2001:db8:9::9 host.example -v")
    );
    assert_snapshot!("udp_alive", echoing().run("rping --udp=443 --alive 198.51.100.0/30"));
    assert_snapshot!("udp_unreachable", echoing().run("rping --udp=80,443 --unreachable 198.51.100.0/30"));
    assert_snapshot!("udp_silent", silent().run("rping --dns . --json=brief 198.51.100.1-198.51.100.1 --alive"));
    assert_snapshot!("udp_json", echoing().run("rping --udp=443,80 --json 198.51.100.1 --retry 0"));
    assert_snapshot!("udp_brief", echoing().run("rping --udp=443,80 --json=brief 198.51.100.1"));
    assert_snapshot!("udp_csv", echoing().run("rping --udp=443,80 --format csv 198.51.100.1 2001:db8:9::9"));
    assert_snapshot!("udp_vector", echoing().run("rping --udp=443,80 --vector -c 2 -i 0.1 198.51.100.1"));
    assert_snapshot!("wrong_port", echoing().run("rping --udp=443 --alive 198.51.100.1:80"));
}

#[test]
fn ports_are_swept_by_tcp() {
    assert_snapshot!("tcp", serving().run("rping --tcp=443 198.51.100.0/30 host.example"));
    assert_snapshot!(
        "tcp_ports",
        serving().run("rping --tcp=22,443 198.51.100.1-198.51.100.2 2001:db8:9::9 host.example")
    );
    assert_snapshot!("tcp_alive", serving().run("rping --tcp=443 --alive 198.51.100.0/30"));
    assert_snapshot!("tcp_alive_ports", serving().run("rping --tcp=22,443 --alive 198.51.100.1 2001:db8:9::9"));
    assert_snapshot!("tcp_unreachable", serving().run("rping --tcp=80 --unreachable 198.51.100.0/30"));
    assert_snapshot!("tcp_silent", silent().run("rping --tcp --json 198.51.100.1-198.51.100.1 --alive"));
    assert_snapshot!("tcp_json", serving().run("rping --tcp=443,80 --json 198.51.100.1 --retry 0"));
    assert_snapshot!("tcp_brief", serving().run("rping --tcp=443,80 --json=brief 198.51.100.1"));
    assert_snapshot!("tcp_csv", serving().run("rping --tcp=443,80 --format csv 198.51.100.1 2001:db8:9::9"));
    assert_snapshot!("tcp_influx", serving().run("rping --tcp=443,80 --format influx 198.51.100.1"));
    assert_snapshot!("tcp_vector", serving().run("rping --tcp=443,80 --vector -c 2 -i 0.1 198.51.100.1"));
}

#[test]
fn vectors_have_a_delay_for_each_probe() {
    let lossy = World::with_host(host().change([2], Change::Silence));
    assert_snapshot!("vector", lossy.run("rping --vector -c 3 -i 100ms 198.51.100.1"));
    assert_snapshot!("vector_json", lossy.run("rping --vector -c 3 -i 100ms --json 198.51.100.1"));
    assert_snapshot!("vector_silent", silent().run("rping --vector 198.51.100.1-198.51.100.2"));
}

#[test]
fn json_has_a_summary_for_each_target_and_nothing_else() {
    assert_snapshot!("json", world().run("rping --json 198.51.100.0/30 nosuch.example"));
    assert_snapshot!(
        "json_unreachable",
        silent().run("rping --json --unreachable 198.51.100.1-198.51.100.1 --targets -")
    );
    assert_snapshot!("json_alive", silent().run("rping --json --alive 198.51.100.0/30"));
}

#[test]
fn rare_outcomes_stand_after_the_counts_of_their_targets() {
    let line = "rping 198.51.100.1-198.51.100.2";
    let twice = host().change(.., Change::Again(Duration::from_millis(3)));
    assert_snapshot!("duplicates", World::with_host(twice).run(line));
    let refused = host().change(.., Change::Refuse(Rejection::new(3, 1)));
    assert_snapshot!("errors", World::with_host(refused).run(line));
    let elsewhere = host().change(.., Change::Source(ip("203.0.113.7"))).change(.., Change::Octets(50, vec![0]));
    assert_snapshot!("other_responder", World::with_host(elsewhere).run(line));
}

#[test]
fn a_list_may_hold_everything() {
    let list = "198.51.100.1\n\n# nobody\n198.51.100.4/31 # two\n  198.51.100.6-198.51.100.7\nhost.example\nnosuch.example\n10.0.0.1/8\n443\n\u{1b}[2J\nunix:/run/x\n";
    assert_snapshot!("list", run_with_file(&world(), "rping --targets FILE", list));
}

#[test]
fn a_list_comes_from_standard_input_too() {
    assert_snapshot!(
        "targets_from_stdin",
        world().stdin("198.51.100.1\n198.51.100.2\n").run("rping --targets - --alive")
    );
    assert_snapshot!("targets_from_empty_stdin", world().stdin("# nothing\n").run("rping --targets -"));
}

#[test]
fn other_methods_take_lists_as_they_take_arguments() {
    let outcome = world().stdin("198.51.100.1\n198.51.100.2\n").run("rping --tcp -q -c 1 --targets -");
    assert_eq!(outcome.stdout.matches("ping statistics").count(), 2, "{outcome}");
}

#[test]
fn the_ports_of_every_address_count_for_the_pace_in_a_list_too() {
    let prefixes = "10.0.0.0/18\n10.1.0.0/18\n";
    for words in ["rping --tcp=1-4 --random-order --targets FILE", "rping --tcp=1-4 10.0.0.0/18 10.1.0.0/18"] {
        let outcome = run_with_file(&world(), words, prefixes);
        let sentence = "32764 addresses at 4 ports; more than 65536 need an explicit --rate\n";
        assert_eq!((outcome.status, outcome.stdout.as_str()), (2, ""), "{outcome}");
        assert!(outcome.stderr.ends_with(sentence), "{outcome}");
    }
}

#[test]
fn what_is_excluded_is_left_alone() {
    let line = "rping --alive --exclude FILE 198.51.100.0-198.51.100.7 host.example";
    let outcome = run_with_file(&world(), line, "198.51.100.0/31\n198.51.100.4-198.51.100.6 # three\n198.51.100.9\n");
    assert_eq!(sorted(&outcome), ["198.51.100.2", "198.51.100.3", "198.51.100.7"], "{outcome}");
    assert_eq!(outcome.status, 0);
    for wrong in ["host.example\n", "198.51.100.1/24\n"] {
        let outcome = run_with_file(&world(), line, wrong);
        assert_eq!((outcome.status, outcome.stdout.as_str(), outcome.stderr.lines().count()), (2, "", 1), "{outcome}");
    }
    // All of them: nothing is left to do, and nothing failed.
    let outcome = run_with_file(&world(), "rping --exclude FILE 198.51.100.1-198.51.100.2", "198.51.100.0/24\n");
    assert_eq!(
        (outcome.status, outcome.stdout.as_str(), outcome.stderr.as_str()),
        (0, "", "rping: --exclude leaves no target\n")
    );
}

#[test]
fn shards_in_any_order_cover_each_target_once() {
    for order in ["", " --random-order", " --random-order --seed 5"] {
        let mut seen = Vec::new();
        for shard in 1..=3 {
            let outcome = world().run(&format!("rping --alive --shard {shard}/3{order} 198.51.100.0-198.51.100.15"));
            assert_eq!(outcome.status, 0, "{outcome}");
            let lines: Vec<String> = outcome.stdout.lines().map(str::to_owned).collect();
            assert!((5..=6).contains(&lines.len()), "{outcome}");
            seen.extend(lines);
        }
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 16);
    }
}

#[test]
fn a_random_order_is_the_same_each_time_and_another_with_another_seed() {
    let run = |words: &str| world().run(&format!("rping --alive {words} 198.51.100.0-198.51.100.15")).stdout;
    let order = run("--random-order");
    assert_eq!(run("--random-order"), order);
    assert_ne!(run(""), order);
    assert_ne!(run("--random-order --seed 1"), order);
}

#[test]
fn a_silent_target_is_probed_again_as_often_as_asked() {
    let begun = |words: &str| {
        let outcome = silent().run(&format!("rping --json -W 100ms {words} 198.51.100.1-198.51.100.2"));
        let line = outcome.stdout.lines().next().expect("a summary");
        let summary: serde_json::Value = serde_json::from_str(line).expect("JSON");
        // Waits that end in the same millisecond end together.
        (summary["sent"].as_u64(), summary["duration_ms"].as_f64().map(f64::floor))
    };
    assert_eq!(begun(""), (Some(2), Some(200.0)));
    assert_eq!(begun("--retry 0"), (Some(1), Some(100.0)));
    assert_eq!(begun("--retry 3 --backoff 2"), (Some(4), Some(1500.0)));
    assert_eq!(begun("-c 3 -i 10ms"), (Some(3), Some(120.0)));
}

#[test]
fn a_target_printed_at_its_first_answer_needs_no_more_answers() {
    let run = |words: &str| world().run(&format!("rping -c 3 -w 2 -i 100ms {words} 198.51.100.1"));
    assert_eq!((run("--alive").status, run("--alive --json").status, run("--vector").status), (0, 0, 0));
    assert_eq!(run("--alive").stdout, "198.51.100.1\n");
    assert_eq!(silent().run("rping --alive -c 3 -w 2 -i 100ms 198.51.100.1").status, 1);
}

#[test]
fn one_target_is_a_sweep_with_an_option_of_sweeps() {
    let outcome = silent().run("rping --unreachable --retry 2 -W 100ms -v 198.51.100.1");
    assert_snapshot!("one_target", outcome);
    assert_snapshot!("one_alive", world().run("rping --alive 198.51.100.1"));
}

#[test]
fn what_cannot_be_probed_is_said_and_counts_as_not_run() {
    assert_snapshot!("wrong_family", world().run("rping --alive -4 2001:db8:9::9 198.51.100.1"));
    assert_snapshot!("unknown_name", world().run("rping --alive nosuch.example 198.51.100.1"));
    let world = World::new().unroutable("198.51.100.9", OsError::ENETUNREACH);
    assert_snapshot!("without_privilege", world.unprivileged().run("rping --alive 198.51.100.9"));
}

#[test]
fn what_a_sweep_has_not_is_refused_in_one_line() {
    for words in [
        "10.0.0.1/8",
        "10.0.0.0/33",
        "10.0.0.0/",
        "10.0.0.9-10.0.0.1",
        "10.0.0.1-10.0.0",
        "10.0.0.0/15",
        "10.0.0.0/17 10.1.0.0/17 10.2.0.0/24",
        "2001:db8::/64 --rate 5",
        "--alive 443",
        "--alive --unreachable 10.0.0.1",
        "--alive --vector 10.0.0.1",
        "--alive --tcp 10.0.0.1:443",
        "--alive --tcp --tcp-close fin 10.0.0.1",
        "--alive --tcp -s 100 10.0.0.1",
        "--alive --tcp --udp=dns 10.0.0.1",
        "--tcp=22,0 10.0.0.1",
        "--tcp=22,80-79 10.0.0.1",
        "--tcp=22, 10.0.0.1",
        "--tcp=1-65535 10.0.0.1-10.0.0.2",
        "--tcp=22,80 --contrast host.example",
        "--tcp=22,80 --live host.example",
        "--stamp 10.0.0.0/24",
        "--udp=dns --data x 10.0.0.0/24",
        "--tcp --data x 10.0.0.0/24",
        "--tcp --sport 7 10.0.0.0/24",
        "--udp=9 --sport 7 --workers 2 10.0.0.0/24",
        "--udp=9,0 10.0.0.1",
        "--udp=9,10 --live host.example",
        "--udp=9,10 --contrast host.example",
        "--alive --udp=9 10.0.0.1:443",
        "--udp=9 -s 20 10.0.0.0/24",
        "--alive unix:/run/x",
        "--alive -f 10.0.0.1",
        "--alive -i 1 10.0.0.1",
        "--alive -s 23 10.0.0.1",
        "--alive -H 10.0.0.1",
        "--alive -W 0 10.0.0.1",
        "--vector -c 3 --retry 1 10.0.0.1",
        "--shard 3/2 10.0.0.0/24",
        "--workers 0 10.0.0.0/24",
        "--workers 2 -e 7 10.0.0.0/24",
        "--retry 101 10.0.0.0/24",
        "--random-order --targets - 10.0.0.0/24",
        "--backoff 0.5 10.0.0.0/24",
        "--backoff 2 --retry 0 10.0.0.0/24",
        "--backoff 2 -c 3 10.0.0.0/24",
        "--seed 3 --shard 1/2 10.0.0.0/24",
        "--alive --targets /",
        "--alive",
        "--alive --targets /nonexistent/list",
        "--alive --exclude /nonexistent/list 10.0.0.1",
        "--alive --timestamping hardware 10.0.0.1",
        "--contrast --alive host.example",
    ] {
        let outcome = world().run(&format!("rping {words}"));
        assert_eq!((outcome.status, outcome.stdout.as_str()), (2, ""), "{outcome}");
        assert_eq!(outcome.stderr.lines().count(), 1, "{outcome}");
    }
    assert_snapshot!("host_bits_set", world().run("rping 10.0.0.1/8"));
    assert_snapshot!("prefix_too_large", world().run("rping 10.0.0.0/15"));
    let user = world().dgram_only();
    assert_snapshot!("user_rate", user.run("rping --alive --rate max 198.51.100.0/30"));
    assert_eq!(user.run("rping --alive --rate 5000 198.51.100.0/30").status, 0);
}

#[test]
fn several_workers_probe_each_target_once() {
    for line in ["--workers 3 198.51.100.0-198.51.100.15", "--workers 2 --random-order 198.51.100.0-198.51.100.15"] {
        let outcome = world().run(&format!("rping --alive {line}"));
        let alive = sorted(&outcome);
        assert_eq!((alive.len(), outcome.status), (16, 0), "{outcome}");
        assert!(alive.windows(2).all(|pair| pair[0] < pair[1]), "{outcome}");
    }
}

#[test]
fn brief_json_has_what_happened_to_each_target_and_no_more() {
    let run = |line: &str| silent().run(line);
    assert_snapshot!("brief_json", run("rping --json=brief -W 100ms 198.51.100.0-198.51.100.3"));
    assert_snapshot!(
        "brief_json_of_the_answering",
        world().run("rping --json=brief -c2 -i 1s 198.51.100.0-198.51.100.1")
    );
    let refused = [
        ("rping --json=brief 198.51.100.1", "--json=brief: only a sweep"),
        ("rtrace --json=brief 198.51.100.1", "unexpected value 'brief' for '--json'"),
        ("rpong --json=brief --tcp 7", "unexpected value 'brief' for '--json'"),
    ];
    for (line, why) in refused {
        let outcome = run(line);
        assert_eq!(outcome.status, 2, "{outcome}");
        assert!(outcome.stderr.contains(why), "{outcome}");
    }
}

#[test]
fn a_sweep_can_be_written_as_csv() {
    let line = "rping --format csv 198.51.100.1-198.51.100.2 nosuch.example";
    assert_snapshot!("a_sweep_as_csv", world().run(line));
}

#[test]
fn a_sweep_can_be_written_as_gauges_by_one_worker() {
    let line = "rping --format prometheus 198.51.100.1-198.51.100.2 nosuch.example";
    assert_snapshot!("a_sweep_as_gauges", world().run(line));
}

#[test]
fn a_sweep_can_be_written_as_points_by_several_workers() {
    let line = "rping --format influx 198.51.100.1-198.51.100.2 nosuch.example";
    let one = world().run(line);
    let mut several: Vec<String> =
        world().run(&format!("{line} --workers 2")).stdout.lines().map(str::to_owned).collect();
    several.sort_unstable();
    assert_eq!(several.len(), 3, "{several:#?}");
    assert!(several.iter().all(|point| point.starts_with("ping,url=")), "{several:#?}");
    assert_snapshot!("a_sweep_as_points", one);
}
