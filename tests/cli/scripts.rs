//! What scripts ask for (exit status by number of targets, times that people read), what a terminal shows of a sweep, and what
//! users of other programs type.

use std::time::Duration;

use netprobe::channel::Control;
use netprobe::sim::{Node, ip};

use crate::world::World;

/// A network in which 198.51.100.0/28 answers.
fn world() -> World {
    World::with_host(Node::host(ip("198.51.100.9")).prefix(ip("198.51.100.0"), 28))
}

fn silent() -> World {
    World::with_host(Node::host(ip("198.51.100.9")).prefix(ip("198.51.100.0"), 28).silent())
}

#[test]
fn so_many_targets_must_answer_in_a_run_and_in_a_sweep() {
    for mode in ["-c 1 -q", "--alive", "--json --unreachable", "--tcp -c 1 -q"] {
        let targets = "198.51.100.1 198.51.100.2 nosuch.example";
        let tcp = mode.contains("tcp");
        for (required, status) in [("any", u8::from(tcp)), ("2", u8::from(tcp)), ("3", 1), ("all", 2)] {
            let outcome = world().run(&format!("rping {mode} --reachable {required} {targets}"));
            assert_eq!(outcome.status, status, "{required} {outcome}");
        }
    }
    assert_eq!(silent().run("rping --alive --reachable any 198.51.100.0/30").status, 1);
    assert_eq!(world().run("rping --alive --reachable any nosuch.example other.example").status, 2);
    for words in ["--reachable -1 h", "--reachable some h", "--contrast --reachable any h"] {
        assert_eq!(world().run(&format!("rping {words}")).status, 2, "{words}");
    }
}

#[test]
fn a_job_whose_results_are_what_it_writes_fails_only_if_it_was_not_whole() {
    let job = "rping --json --shard 1/2 --reachable 0";
    assert_eq!(silent().run(&format!("{job} 198.51.100.0/28")).status, 0);
    assert_eq!(world().run(&format!("{job} 198.51.100.1 192.0.2.99 nosuch.example other.example")).status, 0);
    let mut cut = silent();
    cut.network.at(Duration::from_millis(5), Control::Interrupt);
    let outcome = cut.run(&format!("{job} 198.51.100.0/28"));
    assert_eq!(outcome.status, 1, "{outcome}");
}

#[test]
fn lines_start_with_a_time_for_programs_or_for_people() {
    let first = |words: &str| {
        let outcome = world().run(&format!("rping -c 1 {words} 198.51.100.9"));
        outcome.stdout.lines().nth(1).unwrap_or_else(|| panic!("{outcome}")).to_owned()
    };
    let iso = "[2026-11-22T00:00:00.000000Z] 64 bytes from 198.51.100.9: icmp_seq=1";
    for words in ["--timestamps", "--timestamps=iso"] {
        let line = first(words);
        assert!(
            line.starts_with("[20") && line.find("Z] 64 bytes from").is_some_and(|at| at == iso.find("Z]").unwrap()),
            "{line}"
        );
    }
    assert_eq!(first("-D"), first("--timestamps=unix"));
    assert!(first("-D").split_once("] 64 bytes").is_some_and(|(time, _)| time[1..].parse::<f64>().is_ok()));
    for words in ["--timestamps=local h", "-D --timestamps h", "--alive --timestamps h"] {
        assert_eq!(world().run(&format!("rping {words}")).status, 2, "{words}");
    }
}

#[test]
fn a_report_in_mtrs_words_is_translated() {
    for words in ["-rwbzc 100 host.example", "-r -w -b -z -c 100 host.example"] {
        let outcome = world().run(&format!("rtrace {words}"));
        assert_eq!(outcome.stderr, "rtrace: mtr's -r -w -b -z is: rtrace --report -b -A -c 100\n", "{outcome}");
        assert_eq!((outcome.status, outcome.stdout.as_str()), (2, ""));
    }
    let outcome = world().run("rtrace -rc 5 host.example");
    assert_eq!(outcome.stderr, "rtrace: mtr's -r is: rtrace --report -c 5\n", "{outcome}");
    let outcome = world().run("rtrace -w bzc host.example");
    assert!(outcome.stderr.contains("invalid value 'bzc'"), "{outcome}");
}

#[test]
fn a_sweep_on_a_terminal_has_a_status_line_and_one_total() {
    let outcome = silent().terminal().run("rping --alive 198.51.100.0/29");
    let lines: Vec<&str> = outcome.stderr.split('\r').filter(|line| line.contains("left")).collect();
    assert!(lines[0].contains("0/6 done (0%), 0 alive") && lines[0].contains("2s left"), "{outcome}");
    assert!(lines.last().is_some_and(|line| line.contains("1s left")), "{outcome}");
    assert!(outcome.stderr.ends_with("\r\x1b[Krping: 0 of 6 alive, 2.0 s\n"), "{outcome}");
    let outcome = world().terminal().run("rping -c 1 198.51.100.1");
    assert!(!outcome.stderr.contains("alive"), "one target is no sweep: {outcome}");
    let outcome = world().terminal().run("rping --alive -q 198.51.100.0/30");
    assert_eq!(outcome.stderr, "", "{outcome}");
    let outcome = world().run("rping --alive -v 198.51.100.0/30");
    assert_eq!(outcome.stderr.lines().filter(|line| line.contains("2 of 2 alive, 0.0 s")).count(), 1, "{outcome}");
}

#[test]
fn results_stand_on_lines_of_their_own_and_the_status_line_comes_back() {
    let outcome = world().terminal().run("rping --rate 2 -W 300ms 198.51.100.1-198.51.100.6");
    let parts: Vec<&str> = outcome.stderr.split("\r\x1b[K").collect();
    let drawn = parts.iter().filter(|part| part.contains("left")).count();
    let erased = parts.iter().filter(|part| part.is_empty()).count();
    assert!(drawn > 6 && erased >= 5, "{parts:?}");
}
