//! Conditions (`--max`, `--min`, `--require`) in every kind of run: the exit status, the sentences, and the JSON.

use std::time::Duration;

use netprobe::sim::{Change, Link, Node, Pick, US, ip};
use serde_json::Value;

use crate::world::{Outcome, World};

fn host() -> Node {
    Node::host(ip("198.51.100.9")).prefix(ip("198.51.100.0"), 28)
}

/// Every probe is answered after 10 ms.
fn whole() -> World {
    World::with_host(host())
}

/// The second probe is lost.
fn lossy() -> World {
    World::with_host(host().change([2], Change::Silence))
}

/// The second answer takes 30 ms.
fn varying() -> World {
    World::with_host(host().change([2], Change::Later(Duration::from_millis(20))))
}

fn silent() -> World {
    World::with_host(host().silent())
}

/// The `conditions` of the last object.
fn conditions(outcome: &Outcome) -> Vec<Value> {
    let last = outcome.stdout.lines().last().unwrap_or_default();
    let object: Value = serde_json::from_str(last).expect("JSON");
    object["conditions"].as_array().unwrap_or_else(|| panic!("{outcome}")).clone()
}

/// Runs the line as text and as JSON: status and sentences are the same, and JSON has the conditions.
fn check(world: impl Fn() -> World, line: &str, status: u8, sentences: &[&str]) {
    let text = world().run(line);
    let tool = line.split(' ').next().unwrap_or_default();
    let failed: Vec<String> = sentences.iter().map(|sentence| format!("{tool}: 198.51.100.9: {sentence}")).collect();
    let said = |outcome: &Outcome| -> Vec<String> { outcome.stderr.lines().map(str::to_owned).collect() };
    assert_eq!((text.status, said(&text)), (status, failed.clone()), "{text}");
    let json = world().run(&format!("{line} --json"));
    assert_eq!((json.status, said(&json)), (status, failed), "{json}");
    let judged = conditions(&json);
    let not_held = judged.iter().filter(|condition| condition["holds"] == false).count();
    assert_eq!(not_held, sentences.len(), "{json}");
    let csv = world().run(&format!("{line} --format csv"));
    assert_eq!((csv.status, said(&csv).len()), (status, sentences.len()), "{csv}");
}

#[test]
fn a_run_of_pings_ends_with_status_3_where_a_condition_does_not_hold() {
    let line = |conditions: &str| format!("rping -q -c 4 -i 100ms {conditions} 198.51.100.9");
    for (world, conditions, status, sentences) in [
        (whole as fn() -> World, "--max loss=0%,p95=20ms --min received=4 --require reached", 0, &[][..]),
        (lossy, "--max loss=25%", 0, &[]),
        (lossy, "--max loss=20%", 3, &["loss is 25%, above 20% (--max loss=20%)"]),
        (lossy, "--max loss-run=0", 3, &["loss-run is 1, above 0 (--max loss-run=0)"]),
        (lossy, "--min received=4", 3, &["received is 3, below 4 (--min received=4)"]),
        (varying, "--max p50=10ms,jitter=20ms", 0, &[]),
        (
            varying,
            "--max p95=20ms,jitter=1ms",
            3,
            &["p95 is 30 ms, above 20ms (--max p95=20ms)", "jitter is 13.3333 ms, above 1ms (--max jitter=1ms)"],
        ),
        (varying, "--max rtt=15ms --max max=29ms", 3, &["max is 30 ms, above 29ms (--max max=29ms)"]),
        (
            silent,
            "--max loss=100%,p99=1s --require reached",
            1,
            &[
                "nothing was received (--max loss=100%)",
                "nothing was received (--max p99=1s)",
                "not reached (--require reached)",
            ],
        ),
    ] {
        check(world, &line(conditions), status, sentences);
    }
}

#[test]
fn a_refusal_is_no_answer() {
    check(
        whole,
        "rping -q -c 2 -i 100ms --tcp --max loss=50% 198.51.100.9",
        1,
        &["nothing was received (--max loss=50%)"],
    );
    check(whole, "rping -q -c 2 -i 100ms --tcp --min mos=1 198.51.100.9", 1, &["mos is not known (--min mos=1)"]);
}

#[test]
fn a_sweep_judges_every_target() {
    check(whole, "rping -c 3 -i 100ms --vector --max p95=20ms,loss=0% 198.51.100.9", 0, &[]);
    check(
        lossy,
        "rping -c 3 -i 100ms --retry 0 --max p95=20ms,loss=0% 198.51.100.9/32 --alive",
        3,
        &["loss is 33.3333%, above 0% (--max loss=0%)"],
    );
    let outcome = whole().run("rping --min received=2 198.51.100.1-198.51.100.3");
    assert_eq!((outcome.status, outcome.stderr.lines().count()), (3, 3), "{outcome}");
}

#[test]
fn several_targets_have_the_worst_status_unless_fewer_are_enough() {
    let both = "198.51.100.9 203.0.113.77";
    let lossy = || {
        let mut world = lossy();
        world.network.add(US, Node::host(ip("203.0.113.77")).silent(), Link::default());
        world
    };
    let run = |words: &str| lossy().run(&format!("rping -q -c 4 -i 100ms -W 500ms --max loss=1% {words}")).status;
    assert_eq!(run("198.51.100.9 198.51.100.1"), 3);
    assert_eq!(run(both), 1, "no answer is worse than too few");
    assert_eq!(run(&format!("--reachable any {both}")), 3);
    assert_eq!(run(&format!("{both} nosuch.example")), 2);
}

#[test]
fn a_trace_and_a_report_are_judged_at_their_end() {
    for (world, words, status, sentences) in [
        (whole as fn() -> World, "--max hops=3,loss=0%,rtt=20ms --require reached,no-finding=loop", 0, &[][..]),
        (whole, "--max hops=2", 3, &["hops is 3, above 2 (--max hops=2)"]),
        (whole, "--require finding=loop", 3, &["no finding loop (--require finding=loop)"]),
        (whole, "--report -c 2 --min hops=4 --max p95=20ms", 3, &["hops is 3, below 4 (--min hops=4)"]),
        (whole, "--report -c 3 --max jitter=1ms", 0, &[]),
        (whole, "--mtu --min mtu=1500", 0, &[]),
        (whole, "--mtu --min mtu=70000", 3, &["mtu is 65535 bytes, below 70000 (--min mtu=70000)"]),
        (
            silent,
            "-m 5 --max hops=9,loss=1% --require no-finding=nothing_behind",
            1,
            &[
                "nothing was received (--max hops=9)",
                "nothing was received (--max loss=1%)",
                "finding nothing_behind (--require no-finding=nothing_behind)",
            ],
        ),
    ] {
        check(world, &format!("rtrace -n {words} 198.51.100.9"), status, sentences);
    }
}

#[test]
fn a_path_that_is_followed_may_be_required_to_stay() {
    // From the eleventh answer on, the first router is another one.
    let moving = || {
        let mut world = World::new();
        let router = Node::router(ip("203.0.113.65")).change(Pick::Between(11, 99), Change::Source(ip("203.0.113.66")));
        let router = world.network.add(US, router, Link::default());
        world.network.add(router, Node::host(ip("203.0.113.77")), Link::default());
        world
    };
    let run = |limit: &str| moving().run(&format!("rtrace -n --changes -c 40 --max changes={limit} 203.0.113.77"));
    let (allowed, failed) = (run("1"), run("0"));
    assert_eq!((allowed.status, allowed.stdout.lines().count(), allowed.stderr.as_str()), (0, 1, ""), "{allowed}");
    let sentence = "rtrace: 203.0.113.77: changes is 1, above 0 (--max changes=0)\n";
    assert_eq!((failed.status, failed.stderr.as_str()), (3, sentence), "{failed}");
    let live = moving().run("rtrace -n --live=plain -c 40 --max changes=0 203.0.113.77");
    assert_eq!((live.status, live.stderr.as_str()), (3, sentence), "{live}");
}

#[test]
fn a_comparison_is_judged_by_all_its_methods() {
    let line = "rping --contrast -q -c 2 -i 10ms";
    check(whole, &format!("{line} --require reached,no-finding=icmp_blocked --max loss=0% 198.51.100.9"), 0, &[]);
    let silenced = || World::with_host(host().silent_ports());
    check(
        silenced,
        &format!("{line} -W 100ms --max loss=0% 198.51.100.9"),
        3,
        &["UDP port 33434: nothing was received (--max loss=0%)"],
    );
}

#[test]
fn every_condition_is_in_the_json_with_what_was_measured() {
    let outcome = lossy().run("rping --json -q -c 4 -i 100ms --max loss=20%,rtt=1s --require reached 198.51.100.9");
    let expected = r#""conditions":[{"kind":"max","key":"loss","argument":"20%","limit":20.0,"value":25.0,"unit":"%","part":null,"holds":false},{"kind":"max","key":"rtt","argument":"1s","limit":1000.0,"value":10.0,"unit":"ms","part":null,"holds":true},{"kind":"require","key":"reached","argument":null,"limit":null,"value":null,"unit":null,"part":null,"holds":true}]"#;
    assert!(outcome.stdout.contains(expected), "{outcome}");
    let without = lossy().run("rping --json -q -c 1 198.51.100.9");
    assert!(!without.stdout.contains("conditions"), "{without}");
}

#[test]
fn what_a_run_does_not_measure_is_refused() {
    for (line, why) in [
        (
            "rping --max hops=3 h",
            "--max <KEY=LIMIT>: invalid value 'hops=3': unknown key: one of loss, rtt, p50, p95, p99, max, jitter, loss-run",
        ),
        (
            "rping --max jitter=1ms --alive h",
            "--max jitter: not measured in a sweep; it is outside sweeps and comparisons",
        ),
        (
            "rping --require finding=silent h",
            "--require finding: not measured outside sweeps and comparisons; it is with --contrast",
        ),
        ("rtrace --min mtu=1500 h", "--min mtu: not measured in a plain trace; it is with --mtu"),
        (
            "rtrace --report --max changes=0 h",
            "--max changes: not measured with --report; it is with --changes or --live",
        ),
        (
            "rtrace --max p95=1s h",
            "--max p95: not measured in a plain trace; it is with --report and with --changes or --live",
        ),
        ("rtrace --require asn=64500 h", "--require asn: without -A, --asn-zone or --asn-db no AS numbers are known"),
    ] {
        let outcome = World::new().run(line);
        let tool = line.split(' ').next().unwrap_or_default();
        assert_eq!((outcome.status, outcome.stderr.as_str()), (2, format!("{tool}: {why}\n").as_str()), "{outcome}");
    }
}

#[test]
fn the_vectors_of_the_e_model_hold_from_the_delay_of_a_packet_to_the_printed_score() {
    // The delay of a call is half the round trip, the buffer's 20 ms, and the codec's 10 or 25 ms.
    for (codec, round_trip, lost, r, mos) in [
        ("g711", 140, &[50][..], "87.16", "4.26"),
        ("g711", 340, &[50], "82.26", "4.11"),
        ("g711", 540, &[10, 30, 50, 70, 90], "56.72", "2.93"),
        ("g729a", 110, &[], "79.80", "4.02"),
        ("g729a", 110, &[20, 50, 80], "68.35", "3.52"),
        ("g729a", 510, &[10, 30, 50, 70, 90], "44.00", "2.26"),
    ] {
        let host = host().answer_delay(Duration::from_millis(round_trip - 10));
        let host = lost.iter().fold(host, |host, &at| host.change([at], Change::Silence));
        let run = World::with_host(host).run(&format!("rping -q -j -c 100 -i 20ms -W 2s --mos={codec} 198.51.100.9"));
        let json: Value = serde_json::from_str(&run.stdout).expect("JSON");
        let printed = |key: &str| format!("{:.2}", json[key].as_f64().expect("a number"));
        assert_eq!((printed("r_factor").as_str(), printed("mos").as_str()), (r, mos), "{codec} {round_trip} {run}");
    }
}

#[test]
fn how_a_call_would_sound_is_shown_and_required_with_its_codec() {
    let run = |words: &str| lossy().run(&format!("rping -q -c 4 -i 100ms -W 500ms {words} 198.51.100.9"));
    // Half of 10 ms, a buffer of 20 ms and the codec's 10 ms; a quarter is lost, in runs of one.
    let (g711, g729a) = ("mos=2.31 (estimate, g711)", "mos=1.75 (estimate, g729a)");
    for (words, line) in [("--mos", g711), ("--mos=g729a", g729a), ("--min mos=2", g711)] {
        let text = run(words);
        assert_eq!((text.status, text.stdout.lines().last()), (0, Some(line)), "{text}");
    }
    let json: Value = serde_json::from_str(&run("--mos=g729a --json").stdout).expect("JSON");
    assert_eq!(json["mos_codec"], "g729a");
    assert_eq!(json["mos"].as_f64().map(|mos| format!("{mos:.2}")).as_deref(), Some("1.75"));
    assert_eq!(json["r_factor"].as_f64().map(|r| format!("{r:.1}")).as_deref(), Some("33.3"));
    let failed = run("--min mos=4");
    assert_eq!(failed.status, 3);
    assert_eq!(failed.stderr, "rping: 198.51.100.9: mos is 2.31281 (estimate, g711), below 4 (--min mos=4)\n");
    for words in ["--mos --format csv", "--mos --format prometheus", "--mos --alive", "--mos --contrast"] {
        let refused = run(words);
        assert!(refused.status == 2 && refused.stderr.starts_with("rping: --mos"), "{refused}");
    }
    let silent = silent().run("rping -q -c 1 -W 500ms --min mos=4 198.51.100.9");
    assert_eq!((silent.status, silent.stdout.contains("mos")), (1, false), "{silent}");
    assert_eq!(silent.stderr, "rping: 198.51.100.9: mos is not known (--min mos=4)\n");
}
