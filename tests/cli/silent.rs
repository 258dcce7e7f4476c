//! `-qq` and `--silent`: nothing at all unless something is wrong, and then what there is to know.

use netprobe::sim::{Node, ip};

use crate::world::{Outcome, World};

fn host() -> Node {
    Node::host(ip("198.51.100.9")).prefix(ip("198.51.100.0"), 28)
}

fn nothing(outcome: &Outcome) {
    assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str(), outcome.status), ("", "", 0), "{outcome}");
}

#[test]
fn a_silent_run_in_which_all_is_well_writes_nothing() {
    for line in [
        "rping -qq -c 2 198.51.100.9",
        "rping --silent -c 2 198.51.100.9 2001:db8:9::9",
        "rping -c 1 -q -q -v -W 1000 198.51.100.9",
        "rping -qqc2 --json --max loss=0% 198.51.100.9",
        "rping -qq --format prometheus -c 1 198.51.100.9",
        "rping -qq --mos --stats -c 2 198.51.100.9",
        "rping -qq --unreachable 198.51.100.0/29",
        "rping -qq 198.51.100.0/29",
        "rping -qq --contrast -c 1 --reachable any 198.51.100.9",
        "rping -qq --until up 198.51.100.9",
        "rtrace -qq -n 198.51.100.9",
        "rtrace --silent -v --explain 198.51.100.9",
        "rtrace -qq --report -c 2 --max loss=0% 198.51.100.9",
        "rtrace -qq --json --require reached 198.51.100.9",
    ] {
        let line = line.replace(" --reachable any", "");
        nothing(&World::with_host(host().also(ip("2001:db8:9::9"))).terminal().run(&line));
    }
}

#[test]
fn a_silent_run_that_fails_writes_what_it_writes_otherwise() {
    for (silent, usual) in [
        ("rping -qq -c 2 -i 100ms 198.51.100.9", "rping -q -c 2 -i 100ms 198.51.100.9"),
        ("rping --silent -c 2 198.51.100.9 nowhere.example", "rping -q -c 2 198.51.100.9 nowhere.example"),
        ("rping --silent -c 2 --json 198.51.100.9", "rping -q -c 2 --json 198.51.100.9"),
        ("rping -qq -c 2 --min received=2 198.51.100.9", "rping -q -c 2 --min received=2 198.51.100.9"),
        ("rping -qq --unreachable 198.51.100.0/29", "rping -q --unreachable 198.51.100.0/29"),
        ("rping -qq --contrast -c 2 198.51.100.9", "rping -q --contrast -c 2 198.51.100.9"),
        ("rtrace -qq -v 198.51.100.9", "rtrace -v 198.51.100.9"),
        (
            "rtrace -qq --report -c 2 --require reached 198.51.100.9",
            "rtrace --report -c 2 --require reached 198.51.100.9",
        ),
        ("rping -qq -c 0 198.51.100.9", "rping -q -c 0 198.51.100.9"),
        ("rtrace -qq", "rtrace"),
    ] {
        let (silent, usual) =
            (World::with_host(host().silent()).run(silent), World::with_host(host().silent()).run(usual));
        assert_ne!(silent.status, 0, "{silent}");
        assert_eq!(
            (silent.stdout, silent.stderr, silent.status),
            (usual.stdout, usual.stderr, usual.status),
            "{}",
            usual.words
        );
    }
}

#[test]
fn the_file_of_a_silent_run_has_its_results() {
    // The file is the standard output of these tests.
    let outcome = World::with_host(host()).run("rping -qq -v --json -c 1 -o /dev/null 198.51.100.9");
    assert_eq!((outcome.stdout.lines().count(), outcome.stderr.as_str()), (1, ""), "{outcome}");
    assert!(outcome.stdout.starts_with("{\"type\":\"summary\""), "{outcome}");
}

#[test]
fn what_is_written_in_any_case_cannot_be_silent() {
    for (line, option) in [
        ("rping -qq --record - h", "--record -"),
        ("rtrace -qq --record - h", "--record -"),
        ("rping -qq --changes h", "-q"),
        ("rtrace -qq --live h", "--silent"),
        ("rping --stats --json h", "--stats"),
        ("rping --stats 198.51.100.0/29", "--stats"),
        ("rping --stats --contrast h", "--stats"),
        ("rping --stats --changes h", "--stats"),
    ] {
        let outcome = World::without_sockets().run(line);
        let tool = line.split(' ').next().unwrap();
        assert!(outcome.status == 2 && outcome.stderr.starts_with(&format!("{tool}: {option}")), "{outcome}");
    }
}
