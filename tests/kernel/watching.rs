//! rtrace over many cycles, on the kernel.

use serde_json::Value;

use super::paths::{METHODS, responders};
use crate::lab::{Node, Plan, Privilege, Source, Tool, hop_v4, hop_v6};

fn hops(object: &Value) -> &Vec<Value> {
    object["hops"].as_array().unwrap_or_else(|| panic!("no hops in {object}"))
}

fn counts(object: &Value, keys: [&str; 3]) -> [Option<u64>; 3] {
    keys.map(|key| object[key].as_u64())
}

#[test]
fn a_report_counts_every_hop_once_a_cycle_by_every_method() {
    let Some(lab) = Plan::chain(3).with_ping_sockets().build() else { return };
    for (method, privilege) in METHODS {
        for (target, hop) in [(lab.target_v4(), hop_v4 as fn(usize) -> String), (lab.target_v6(), hop_v6)] {
            let words = ["--report", "--json", "-n", "-c", "3", "--interval", "0.1", &target];
            let run = lab.host().run(Tool::Rtrace, privilege, &[method, &words].concat());
            let report = run.object("report");
            assert_eq!((run.code(), run.stderr.as_str()), (0, ""), "{method:?} {privilege:?}: {run:#?}");
            let path: Vec<Vec<String>> = (1..=4).map(|ttl| vec![hop(ttl)]).collect();
            assert_eq!(responders(&report), path, "{method:?} {privilege:?}");
            assert_eq!(counts(&report, ["sent", "received", "lost"]), [Some(3), Some(3), Some(0)], "{report}");
            for hop in hops(&report) {
                assert_eq!(counts(hop, ["sent", "received", "unanswered"]), [Some(3), Some(3), Some(0)], "{report}");
            }
        }
    }
}

#[test]
fn the_kernels_limits_are_no_loss_of_the_path() {
    let Some(lab) = (Plan { unlimited_icmp: false, ..Plan::chain(3) }).build() else { return };
    // Far more than one probe a second: routers fall silent, and the target answers echo requests all the same.
    let words = ["--report", "--json", "-n", "-c", "15", "--interval", "0.1", &lab.target_v4()];
    let report = lab.host().rtrace(&words).object("report");
    assert_eq!(counts(&report, ["sent", "received", "lost"]), [Some(15), Some(15), Some(0)], "{report}");
    for hop in &hops(&report)[..3] {
        assert!(hop["unanswered"].as_u64() > Some(0), "{report}");
        assert_eq!(hop["unanswered_persists"], false, "{report}");
    }
    let text = lab.host().rtrace(&["--report", "-n", "-c", "15", "--interval", "0.1", &lab.target_v4()]);
    assert!(text.stdout.lines().filter(|line| line.ends_with(" *")).count() == 3, "{text:#?}");
    text.says("this router limits its answers");
}

#[test]
fn loss_beyond_a_router_is_called_the_paths() {
    let Some(lab) = Plan::chain(3).build() else { return };
    // Every third packet to the target or beyond router 2.
    lab.router(2).nft("add rule inet lab forward ip saddr 10.9.0.1 numgen inc mod 3 0 drop");
    let words = ["--report", "--json", "-n", "-c", "12", "--interval", "0.1", "-w", "0.3", &lab.target_v4()];
    let report = lab.host().rtrace(&words).object("report");
    let persists: Vec<&Value> = hops(&report).iter().map(|hop| &hop["unanswered_persists"]).collect();
    assert_eq!(persists[..2], [&Value::Null, &Value::Null], "{report}");
    assert!(report["lost"].as_u64() > Some(0), "{report}");
    assert!(persists[2..].iter().any(|persists| **persists == Value::Bool(true)), "{report}");
}

/// Waits until the node was asked three times more.
fn is_asked(node: &Node) {
    let before = node.counted("asked");
    while node.counted("asked") < before + 3 {}
}

#[test]
fn a_path_that_changes_its_length_is_followed_and_loses_nothing() {
    let Some(lab) = Plan::chain(3).build() else { return };
    let count = "add counter inet lab asked
         add rule inet lab input ip daddr 192.0.2.1 icmp type echo-request counter name asked";
    [lab.target(), lab.router(2)].into_iter().for_each(|node| node.nft(count));
    let words = ["--report", "--json", "-n", "-c", "100000", "--interval", "0.1", "192.0.2.1"];
    let run = lab.host().start(Tool::Rtrace, Privilege::Root, &words);
    is_asked(lab.target());
    lab.router(2).sh("ip address add 192.0.2.1/32 dev lo");
    is_asked(lab.router(2));
    lab.router(2).sh("ip address del 192.0.2.1/32 dev lo");
    is_asked(lab.target());
    run.signal("INT");
    let run = run.finish();
    let report = run.object("report");
    assert_eq!((run.code(), report["lost"].as_u64()), (0, Some(0)), "{report}");
    assert_eq!(report["stop_reason"], "interrupted");
    // A cycle that is under way when the address is deleted may find it at hop 3: no longer at 2, and not yet gone for what was
    // sent farther just before.
    let distances = report["distances"].as_array().expect("distances").iter();
    let distances: Vec<u64> =
        distances.filter(|at| at["ttl"] != 3 || at["cycles"] != 1).filter_map(|at| at["ttl"].as_u64()).collect();
    assert_eq!(distances, [2, 4], "{report}");
    assert_eq!(hops(&report).len(), 4, "{report}");
}

#[test]
fn changes_of_the_path_are_lines_and_objects_while_it_is_watched() {
    let Some(lab) = Plan::chain(3).build() else { return };
    lab.target().nft(
        "add counter inet lab asked
         add rule inet lab input icmp type echo-request counter name asked
         add rule inet lab input icmpv6 type echo-request counter name asked",
    );
    let sentence = "length: the destination is at hop 2, no longer at 4";
    for (target, prefix) in [(lab.target_v4(), 32), (lab.target_v6(), 128)] {
        for (format, code) in [("text", sentence), ("json", "\"change\":\"length_changed\"")] {
            let words = ["--changes", "-n", "--interval", "0.1", "--format", format, &target];
            let mut run = lab.host().start(Tool::Rtrace, Privilege::Root, &words);
            // From 20 cycles on it is known how much the length varies.
            for _ in 0..9 {
                is_asked(lab.target());
            }
            lab.router(2).sh(&format!("ip address add {target}/{prefix} dev lo"));
            run.until(Source::Data, code);
            lab.router(2).sh(&format!("ip address del {target}/{prefix} dev lo"));
            run.signal("INT");
            let run = run.finish();
            let line = run.stdout.lines().next().expect("a line");
            assert!(run.code() == 0 && line.contains(sentence) && line.contains(&target), "{run:#?}");
        }
    }
}
