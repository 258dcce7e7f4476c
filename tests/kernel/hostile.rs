//! Faulty and hostile responders and routers on a TUN device.

use serde_json::Value;

use crate::helper::Helper;
use crate::lab::{Finished, Lab, Plan, Privilege, Tool};
use crate::responder::answers::{self, PathKind, v4, v6};

/// A host with the responder.
fn hostile_lab() -> Option<(Lab, Helper)> {
    let lab = Plan::chain(1).with_ping_sockets().build()?;
    let helper = Helper::responder(lab.host())?;
    Some((lab, helper))
}

/// The two kinds of ICMP sockets and both families.
fn everywhere(case: u8, n: u8) -> [(Privilege, String); 4] {
    [
        (Privilege::Root, v4(case, n)),
        (Privilege::Nothing, v4(case, n)),
        (Privilege::Root, v6(case, n)),
        (Privilege::Nothing, v6(case, n)),
    ]
}

/// Three probes in JSON.
fn three(lab: &Lab, privilege: Privilege, target: &str) -> Finished {
    let run = lab.host().run(Tool::Rping, privilege, &["--json", "-c3", "-i0.05", "-W1", target]);
    assert!([0, 1].contains(&run.code()), "{run:#?}");
    assert_eq!(run.stderr, "", "{run:#?}");
    run
}

/// The named counts of a summary.
#[track_caller]
fn counts<const N: usize>(run: &Finished, keys: [&str; N]) -> [u64; N] {
    let summary = run.object("summary");
    keys.map(|key| summary[key].as_u64().unwrap_or_else(|| panic!("no number {key} in {summary}")))
}

/// Every RTT is one that a clock here could have measured.
fn rtts_are_sane(run: &Finished) {
    for reply in run.objects("reply") {
        let rtt = reply["rtt_ms"].as_f64().unwrap_or_else(|| panic!("no RTT in {reply}"));
        assert!((0.0..10_000.0).contains(&rtt), "{reply}");
    }
    let summary = run.object("summary");
    for figure in ["min", "mean", "median", "max", "stddev"] {
        let value = summary["rtt_stats_ms"][figure].as_f64();
        assert!(value.is_none_or(|value| (0.0..10_000.0).contains(&value)), "{summary}");
    }
}

#[test]
fn an_honest_responder_is_counted_without_blemish() {
    let Some((lab, _helper)) = hostile_lab() else { return };
    for (privilege, target) in everywhere(answers::PLAIN, 1) {
        let run = three(&lab, privilege, &target);
        assert_eq!(counts(&run, ["sent", "received", "lost", "unreachable"]), [3, 3, 0, 0], "{run:#?}");
        let blemishes = ["duplicates", "late", "reordered", "payload_changed", "truncated", "wrong_source", "foreign"];
        assert_eq!(counts(&run, blemishes), [0; 7], "{run:#?}");
        rtts_are_sane(&run);
    }
}

#[test]
fn every_second_copy_of_a_reply_is_a_duplicate() {
    let Some((lab, _helper)) = hostile_lab() else { return };
    for (privilege, target) in everywhere(answers::DUPLICATE, 1) {
        let run = three(&lab, privilege, &target);
        let [sent, received, duplicates] = counts(&run, ["sent", "received", "duplicates"]);
        // The second copy for the last probe may arrive after the end.
        assert!((sent, received) == (3, 3) && (2..=3).contains(&duplicates), "{run:#?}");
        let marked = run.objects("reply").iter().filter(|reply| reply["duplicate"] == true).count() as u64;
        assert_eq!(marked, duplicates, "{run:#?}");
        assert_eq!(run.object("summary")["loss_pct"], 0.0);
        let text = lab.host().run(Tool::Rping, privilege, &["-c2", "-i0.1", &target]);
        text.says(" (DUP!)");
        text.says("2 packets transmitted, 2 received, +");
    }
}

#[test]
fn a_changed_payload_is_received_and_said() {
    let Some((lab, _helper)) = hostile_lab() else { return };
    for (privilege, target) in everywhere(answers::CORRUPT, 1) {
        let run = three(&lab, privilege, &target);
        assert_eq!(counts(&run, ["received", "payload_changed", "lost"]), [3, 3, 0], "{run:#?}");
        let text = lab.host().run(Tool::Rping, privilege, &["-c1", &target]);
        text.says("wrong data byte #55 should be 0x37 but was 0xc8");
    }
}

#[test]
fn a_reply_of_another_length_is_received_with_its_real_size() {
    let Some((lab, _helper)) = hostile_lab() else { return };
    for (case, n, octets) in [
        (answers::TRUNCATED, 0, 8),
        (answers::TRUNCATED, 1, 9),
        (answers::TRUNCATED, 15, 23),
        (answers::TRUNCATED, 16, 24),
        (answers::TRUNCATED, 20, 28),
        (answers::TRUNCATED, 55, 63),
        (answers::LONGER, 40, 104),
    ] {
        for (privilege, target) in everywhere(case, n) {
            let run = three(&lab, privilege, &target);
            let truncated = if case == answers::TRUNCATED { 3 } else { 0 };
            assert_eq!(counts(&run, ["received", "truncated"]), [3, truncated], "{run:#?}");
            assert!(run.objects("reply").iter().all(|reply| reply["bytes"] == octets), "{run:#?}");
            rtts_are_sane(&run);
        }
    }
    let text = lab.host().rping(&["-c1", &v4(answers::TRUNCATED, 20)]);
    text.says("28 bytes from");
    text.says("(truncated)");
}

#[test]
fn a_reply_with_a_wrong_checksum_is_not_received() {
    let Some((lab, _helper)) = hostile_lab() else { return };
    for (privilege, target) in everywhere(answers::BAD_CHECKSUM, 1) {
        let run = three(&lab, privilege, &target);
        let [received, lost, bad] = counts(&run, ["received", "lost", "bad_checksum"]);
        // Only an IPv4 raw socket gets to see it.
        let seen = privilege == Privilege::Root && !target.contains(':');
        assert_eq!((received, lost, bad), (0, 3, if seen { 3 } else { 0 }), "{run:#?}");
        assert_eq!(run.code(), 1);
    }
    let text = lab.host().rping(&["-c2", "-i0.05", "-W0.3", &v4(answers::BAD_CHECKSUM, 1)]);
    text.says("2 packets transmitted, 0 received, +2 corrupted, 100% packet loss");
    text.says("(BAD CHECKSUM!)");
}

#[test]
fn a_reply_from_elsewhere_counts_and_is_marked() {
    let Some((lab, _helper)) = hostile_lab() else { return };
    for (privilege, target) in everywhere(answers::WRONG_SOURCE, 1) {
        let run = three(&lab, privilege, &target);
        assert_eq!(counts(&run, ["received", "wrong_source"]), [3, 3], "{run:#?}");
        lab.host().run(Tool::Rping, privilege, &["-c1", &target]).says("(DIFFERENT ADDRESS!)");
    }
}

#[test]
fn options_in_headers_shift_nothing() {
    let Some((lab, _helper)) = hostile_lab() else { return };
    for (privilege, target) in everywhere(answers::OPTIONS, 1) {
        let run = three(&lab, privilege, &target);
        assert_eq!(counts(&run, ["received", "payload_changed", "truncated"]), [3, 0, 0], "{run:#?}");
        assert!(run.objects("reply").iter().all(|reply| reply["bytes"] == 64), "{run:#?}");
    }
    for privilege in [Privilege::Root, Privilege::Nothing] {
        let run = three(&lab, privilege, &v4(answers::ERROR_OPTIONS, 1));
        assert_eq!(counts(&run, ["unreachable", "lost"]), [3, 0], "{run:#?}");
    }
}

#[test]
fn a_quote_is_understood_as_soon_as_it_holds_the_sequence_number() {
    let Some((lab, _helper)) = hostile_lab() else { return };
    for (privilege, ip_octets) in
        [(Privilege::Root, 20), (Privilege::Nothing, 20), (Privilege::Root, 40), (Privilege::Nothing, 40)]
    {
        let lengths: Vec<u8> = (0..=ip_octets + 40).collect();
        let address = if ip_octets == 20 { v4 } else { v6 };
        let targets: Vec<String> = lengths.iter().map(|&length| address(answers::QUOTE_CUT, length)).collect();
        let names: Vec<&str> = targets.iter().map(String::as_str).collect();
        let run = lab.host().run(Tool::Rping, privilege, &[&["--json", "-c1", "-W2"], &names[..]].concat());
        assert_eq!((run.code(), run.stderr.as_str()), (1, ""), "{run:#?}");
        for (length, summary) in lengths.iter().zip(run.objects("summary")) {
            let readable = *length >= ip_octets + 8;
            let expected = if readable { ("unreachable", "lost") } else { ("lost", "unreachable") };
            assert_eq!(
                (summary[expected.0].as_u64(), summary[expected.1].as_u64()),
                (Some(1), Some(0)),
                "{length}: {summary}"
            );
        }
    }
}

#[test]
fn no_time_that_comes_back_is_believed() {
    let Some((lab, _helper)) = hostile_lab() else { return };
    for kind in 0..answers::STAMPS.len() as u8 {
        for (privilege, target) in everywhere(answers::STAMP, kind) {
            let run = three(&lab, privilege, &target);
            let [received, changed, foreign, lost] = counts(&run, ["received", "payload_changed", "foreign", "lost"]);
            let taken = (received, changed, lost) == (3, 3, 0);
            let left = (received, foreign, lost) == (0, 3, 3);
            assert!(taken || left, "{run:#?}");
            rtts_are_sane(&run);
        }
        // CVE-2025-48964: an adaptive interval must not follow a forged time either.
        let run =
            lab.host().run(Tool::Rping, Privilege::Nothing, &["-A", "-c5", "-w5", "-q", &v4(answers::STAMP, kind)]);
        assert!(run.took.as_secs() < 7, "{run:#?}");
    }
}

#[test]
fn replies_to_another_process_are_not_ours() {
    let Some((lab, _helper)) = hostile_lab() else { return };
    for case in [answers::WRONG_IDENT, answers::WRONG_SEQUENCE] {
        for (privilege, target) in everywhere(case, 1) {
            let run = three(&lab, privilege, &target);
            assert_eq!(counts(&run, ["received", "duplicates", "lost"]), [0, 0, 3], "{run:#?}");
        }
    }
}

#[test]
fn what_precedes_the_reply_does_not_pass_for_it() {
    let Some((lab, _helper)) = hostile_lab() else { return };
    for case in [answers::LYING_LENGTH, answers::FOREIGN_QUOTE, answers::JUNK] {
        for (privilege, target) in everywhere(case, 1) {
            let run = three(&lab, privilege, &target);
            assert_eq!(counts(&run, ["received", "unreachable", "lost", "duplicates"]), [3, 0, 0, 0], "{run:#?}");
        }
    }
}

#[test]
fn advice_prints_its_line_and_leaves_the_probe_open() {
    let Some((lab, _helper)) = hostile_lab() else { return };
    for (n, text) in [(1, "Redirect Host(New nexthop: 10.10.18.9)"), (2, "Source Quench")] {
        let target = v4(answers::ADVICE, n);
        let run = lab.host().rping(&["-c1", "-W1", &target]);
        run.says(&format!("icmp_seq=1 {text}"));
        run.says("1 packets transmitted, 1 received, 0% packet loss");
        let run = three(&lab, Privilege::Root, &target);
        assert_eq!(counts(&run, ["received", "unreachable", "lost"]), [3, 0, 0], "{run:#?}");
    }
}

#[test]
fn replies_after_their_wait_are_late_and_stay_lost() {
    let Some((lab, _helper)) = hostile_lab() else { return };
    for (privilege, target) in everywhere(answers::BEHIND_WAIT, 1) {
        let arguments = ["--json", "-c3", "-i0.5", "-W0.2", &target];
        let run = lab.host().run(Tool::Rping, privilege, &arguments);
        // The third comes when the run is over.
        assert_eq!(counts(&run, ["sent", "received", "lost", "late"]), [3, 0, 3, 2], "{run:#?}");
        assert!(run.objects("reply").iter().all(|reply| reply["late"] == true), "{run:#?}");
        assert_eq!(run.object("summary")["rtt_stats_ms"], Value::Null);
        assert_eq!(run.code(), 1);
    }
}

#[test]
fn overtaken_replies_are_counted_as_reordered() {
    let Some((lab, _helper)) = hostile_lab() else { return };
    for (privilege, target) in everywhere(answers::OVERTAKEN, 1) {
        let run = lab.host().run(Tool::Rping, privilege, &["--json", "-c6", "-i0.05", "-W2", &target]);
        assert_eq!(counts(&run, ["received", "reordered", "lost"]), [6, 3, 0], "{run:#?}");
    }
}

/// Text of each code of «destination unreachable».
const CODES_V4: [(u8, &str); 15] = [
    (0, "Destination Net Unreachable"),
    (1, "Destination Host Unreachable"),
    (2, "Destination Protocol Unreachable"),
    (3, "Destination Port Unreachable"),
    (5, "Source Route Failed"),
    (6, "Destination Net Unknown"),
    (7, "Destination Host Unknown"),
    (8, "Source Host Isolated"),
    (9, "Destination Net Prohibited"),
    (10, "Destination Host Prohibited"),
    (11, "Destination Net Unreachable for Type of Service"),
    (12, "Destination Host Unreachable for Type of Service"),
    (13, "Packet filtered"),
    (14, "Precedence Violation"),
    (15, "Precedence Cutoff"),
];

#[test]
fn every_code_has_pings_words() {
    let Some((lab, _helper)) = hostile_lab() else { return };
    for privilege in [Privilege::Root, Privilege::Nothing] {
        for (code, words) in CODES_V4 {
            let target = v4(answers::UNREACHABLE_CODE, code);
            let run = lab.host().run(Tool::Rping, privilege, &["-c1", "-W1", &target]);
            run.says(&format!("From {target} icmp_seq=1 {words}"));
        }
    }
    // A datagram socket never hears of these.
    for (target, words) in [
        (v4(answers::UNREACHABLE_CODE, 200), "Dest Unreachable, Bad Code: 200"),
        (v4(answers::ERROR_TYPE, 12), "Parameter problem: pointer = 0"),
        (v4(answers::ERROR_TYPE, 11), "Time to live exceeded"),
        (v6(answers::UNREACHABLE_CODE, 2), "Destination unreachable: Beyond scope of source address"),
        (v6(answers::UNREACHABLE_CODE, 200), "Destination unreachable: Unknown code 200"),
    ] {
        lab.host().rping(&["-c1", "-W1", &target]).says(&format!("From {target} icmp_seq=1 {words}"));
    }
}

/// The address by which hop `ttl` of a path answers.
fn hop(target: &str, ttl: usize) -> String {
    let ttl = ttl as u8;
    if ttl == answers::PATH_HOPS {
        target.to_owned()
    } else if target.contains(':') {
        v6(answers::HOP, ttl)
    } else {
        v4(answers::HOP, ttl)
    }
}

/// How traces are sent here.
const METHODS: [(&[&str], Privilege); 3] =
    [(&["-I"], Privilege::Root), (&["-I"], Privilege::Nothing), (&["-M", "default"], Privilege::Nothing)];

fn trace(lab: &Lab, method: (&[&str], Privilege), flags: &[&str], target: &str) -> (Finished, Value) {
    let run = lab.host().run(Tool::Rtrace, method.1, &[method.0, &["--json", "-n"], flags, &[target]].concat());
    let object = run.object("trace");
    (run, object)
}

#[test]
fn a_path_of_fifteen_delayed_hops_is_measured_hop_by_hop() {
    let Some((lab, _helper)) = hostile_lab() else { return };
    let kind = PathKind::Delayed as u8;
    for method in METHODS {
        for target in [v4(answers::PATH, kind), v6(answers::PATH, kind)] {
            let (run, trace) = trace(&lab, method, &["-e"], &target);
            assert_eq!(run.code(), 0, "{run:#?}");
            assert!(run.took.as_secs_f64() < 5.0, "{:?}", run.took);
            let hops = trace["hops"].as_array().expect("hops");
            assert_eq!(hops.len(), 15, "{trace}");
            for (ttl, found) in (1..).zip(hops) {
                let responders = found["responders"].as_array().expect("responders");
                if answers::SILENT.contains(&(ttl as u8)) {
                    assert!(responders.is_empty() && found["unanswered"] == 3, "{found}");
                    continue;
                }
                assert_eq!(responders.len(), 1, "{found}");
                assert_eq!(responders[0]["address"], hop(&target, ttl), "{found}");
                let rtts = responders[0]["rtts_ms"].as_array().expect("rtts");
                assert_eq!(rtts.len(), 3, "{found}");
                let delay = 5.0 * ttl as f64;
                // No reply leaves before its delay; how long after it is the machine's affair.
                assert!(rtts.iter().all(|rtt| rtt.as_f64().is_some_and(|rtt| rtt >= delay)), "{found}");
                assert!(found["rtt_stats_ms"]["min"].as_f64().is_some_and(|rtt| rtt < delay + 200.0), "{found}");
                let labels = &responders[0]["mpls"];
                if ttl as u8 == answers::LABELLED {
                    let expected = r#"[{"label":24001,"tc":0,"bottom":false,"ttl":1},{"label":16006,"tc":3,"bottom":true,"ttl":1}]"#;
                    assert_eq!(*labels, serde_json::from_str::<Value>(expected).expect("JSON"), "{found}");
                } else {
                    assert!(labels.as_array().is_none_or(Vec::is_empty), "{found}");
                }
            }
        }
    }
}

#[test]
fn text_shows_silent_hops_and_label_stacks_in_place() {
    let Some((lab, _helper)) = hostile_lab() else { return };
    let target = v4(answers::PATH, PathKind::Delayed as u8);
    for (method, privilege) in METHODS {
        let run = lab.host().run(Tool::Rtrace, privilege, &[method, &["-n", "-e", &target]].concat());
        assert_eq!(run.stdout.lines().count(), 16, "{run:#?}");
        for silent in [" 5  * * *", " 9  * * *", "12  * * *"] {
            assert!(run.stdout.lines().any(|line| line == silent), "{run:#?}");
        }
        run.says(" 6  10.10.31.6 <MPLS:L=24001,E=0,S=0,T=1/L=16006,E=3,S=1,T=1>  ");
        run.says(&format!("15  {target}  "));
    }
}

#[test]
fn a_path_that_dies_is_shown_to_the_last_ttl_without_long_waits() {
    let Some((lab, _helper)) = hostile_lab() else { return };
    let target = v4(answers::PATH, PathKind::Dead as u8);
    for method in METHODS {
        let (run, trace) = trace(&lab, method, &[], &target);
        assert_eq!((trace["stop_reason"].as_str(), run.code()), (Some("max_ttl"), 1), "{trace}");
        assert_eq!(trace["hops"].as_array().map(Vec::len), Some(30), "{trace}");
        assert!(run.took.as_secs_f64() < 10.0, "{:?}", run.took);
    }
}

#[test]
fn malformed_extensions_cost_no_hop() {
    let Some((lab, _helper)) = hostile_lab() else { return };
    let kind = PathKind::BadExtensions as u8;
    for method in METHODS {
        for target in [v4(answers::PATH, kind), v6(answers::PATH, kind)] {
            let (run, trace) = trace(&lab, method, &["-e", "-q2"], &target);
            assert_eq!((run.code(), run.stderr.as_str()), (0, ""), "{run:#?}");
            whole_path(&trace, &target);
        }
    }
}

#[test]
fn odd_quotes_cost_no_hop() {
    let Some((lab, _helper)) = hostile_lab() else { return };
    let kind = PathKind::OddQuotes as u8;
    for method in &METHODS[..2] {
        for target in [v4(answers::PATH, kind), v6(answers::PATH, kind)] {
            let (_, trace) = trace(&lab, *method, &["-q2"], &target);
            whole_path(&trace, &target);
        }
    }
}

#[test]
fn an_error_that_quotes_nothing_is_a_reply_that_matches_no_probe() {
    let Some((lab, _helper)) = hostile_lab() else { return };
    for target in [v4(answers::PATH, PathKind::Unquoted as u8), v6(answers::PATH, PathKind::Unquoted as u8)] {
        let (_, trace) = trace(&lab, METHODS[0], &["-q2"], &target);
        assert_eq!(trace["reached"], true, "{trace}");
        assert_eq!(trace["hops"][1]["received"], 0, "{trace}");
        let findings = trace["findings"].as_array().expect("findings");
        let unmatched: Vec<&Value> = findings.iter().filter(|found| found["code"] == "unmatched_answers").collect();
        assert_eq!(unmatched.len(), 1, "{trace}");
        assert_eq!(unmatched[0]["evidence"]["responder"], hop(&target, 2), "{trace}");
    }
}

/// Every hop answered once with the right address.
#[track_caller]
fn whole_path(trace: &Value, target: &str) {
    let hops = trace["hops"].as_array().expect("hops");
    assert_eq!(hops.len(), usize::from(answers::PATH_HOPS), "{trace}");
    for (ttl, found) in (1..).zip(hops) {
        assert_eq!(found["responders"].as_array().map(Vec::len), Some(1), "{found}");
        assert_eq!(found["responders"][0]["address"], hop(target, ttl), "{found}");
        assert_eq!(found["received"], 2, "{found}");
    }
}

#[test]
fn one_flow_sees_one_path_and_other_flows_see_others() {
    let Some((lab, _helper)) = hostile_lab() else { return };
    let target = v4(answers::PATH, PathKind::Balanced as u8);
    let mut seen = std::collections::BTreeSet::new();
    for flow in 0..12 {
        let (_, trace) = trace(&lab, METHODS[0], &["-m3", "-q4", "--flow", &flow.to_string()], &target);
        for found in trace["hops"].as_array().expect("hops") {
            let responders = found["responders"].as_array().expect("responders");
            assert_eq!(responders.len(), 1, "flow {flow} is split: {found}");
            seen.insert(responders[0]["address"].as_str().expect("an address").to_owned());
        }
    }
    assert_eq!(seen.len(), 6, "both routers of each hop, over twelve flows: {seen:?}");
}
