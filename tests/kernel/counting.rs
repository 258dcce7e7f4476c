//! What is counted, against what a packet filter on the way counted; and when probes leave.

use serde_json::Value;

use crate::lab::{Finished, Lab, Plan, Privilege, Running, Source, Tool};

/// A lab whose router loses every fifth echo request, the first among them, and counts.
fn lossy_lab() -> Option<Lab> {
    let lab = Plan::chain(1).with_ping_sockets().build()?;
    let rules = [("icmp", "four"), ("icmpv6", "six")].map(|(protocol, name)| {
        format!(
            "add counter inet lab lost_{name}
             add counter inet lab passed_{name}
             add rule inet lab forward {protocol} type echo-request numgen inc mod 5 == 0 counter name lost_{name} drop
             add rule inet lab forward {protocol} type echo-request counter name passed_{name}\n"
        )
    });
    lab.router(1).nft(&rules.concat());
    Some(lab)
}

fn number(object: &Value, key: &str) -> u64 {
    object[key].as_u64().unwrap_or_else(|| panic!("no number {key} in {object}"))
}

fn sequences(run: &Finished, kind: &str) -> Vec<u64> {
    run.objects(kind).iter().map(|object| number(object, "sequence")).collect()
}

#[test]
fn what_our_own_firewall_drops_is_not_sent_over_either_socket() {
    let Some(lab) = Plan::chain(1).with_ping_sockets().build() else { return };
    let drop = |protocol| format!("add rule inet lab output {protocol} type echo-request numgen inc mod 2 == 0 drop\n");
    lab.host().nft(&["icmp", "icmpv6"].map(drop).concat());
    // Of IPv6 over a datagram socket the kernel says that it was sent.
    for (target, socket) in [(lab.target_v4(), "raw"), (lab.target_v4(), "dgram"), (lab.target_v6(), "raw")] {
        let run = lab.host().rping(&["--json", "-c4", "-i0.02", "-W1", "--socket", socket, &target]);
        let summary = run.object("summary");
        let counts = ["sent", "received", "send_failed", "lost"].map(|key| number(&summary, key));
        assert_eq!(counts, [2, 2, 2, 0], "{socket}: {summary}");
    }
}

#[test]
fn loss_is_what_the_router_lost() {
    let Some(lab) = lossy_lab() else { return };
    for (target, name) in [(lab.target_v4(), "four"), (lab.target_v6(), "six")] {
        let run = lab.host().rping(&["--json", "-c100", "-i0.003", "-W1", &target]);
        let summary = run.object("summary");
        assert_eq!(number(&summary, "lost"), lab.router(1).counted(&format!("lost_{name}")), "{summary}");
        assert_eq!(number(&summary, "received"), lab.router(1).counted(&format!("passed_{name}")), "{summary}");
        assert_eq!((number(&summary, "sent"), number(&summary, "lost")), (100, 20));
        assert_eq!((number(&summary, "longest_loss_run"), number(&summary, "pending")), (1, 0));
        assert_eq!(summary["loss_pct"], 20.0);
        let every_fifth: Vec<u64> = (1..=100).step_by(5).collect();
        assert_eq!(sequences(&run, "timeout"), every_fifth);
        let others: Vec<u64> = (1..=100).filter(|sequence| !every_fifth.contains(sequence)).collect();
        assert_eq!(sequences(&run, "reply"), others);
        assert_eq!(run.code(), 0);
    }
}

#[test]
fn text_has_the_same_loss_over_the_datagram_socket() {
    let Some(lab) = lossy_lab() else { return };
    let run = lab.host().run(Tool::Rping, Privilege::Nothing, &["-c10", "-i0.01", "-W0.5", "-O", &lab.target_v4()]);
    run.says("10 packets transmitted, 8 received, 20% packet loss, time ");
    run.says("no answer yet for icmp_seq=1");
    run.says("no answer yet for icmp_seq=6");
    assert!(!run.stdout.contains("icmp_seq=1 ttl") && run.stdout.contains("icmp_seq=2 ttl=63"), "{run:#?}");
}

#[test]
fn a_run_of_losses_is_measured_at_its_longest() {
    let Some(lab) = Plan::chain(1).build() else { return };
    lab.router(1).nft("add rule inet lab forward icmp type echo-request numgen inc mod 100 20-26 drop");
    let summary = lab.host().rping(&["--json", "-c50", "-i0.003", "-W0.5", &lab.target_v4()]).object("summary");
    assert_eq!((number(&summary, "lost"), number(&summary, "longest_loss_run")), (7, 7), "{summary}");
}

#[test]
fn with_count_and_deadline_probing_goes_on_until_that_many_are_answered() {
    let Some(lab) = lossy_lab() else { return };
    let run = lab.host().rping(&["--json", "-c8", "-w10", "-i0.02", &lab.target_v4()]);
    let summary = run.object("summary");
    assert_eq!(number(&summary, "received"), 8, "{summary}");
    assert_eq!(number(&summary, "sent"), 10);
    assert_eq!(run.code(), 0);
    let run = lab.host().rping(&["-c1000", "-w0.3", "-i0.1", &lab.target_v4()]);
    assert_eq!(run.code(), 1, "not answered often enough by the deadline: {run:#?}");
}

#[test]
fn three_hundred_probes_keep_a_mean_interval_of_ten_milliseconds() {
    let Some(lab) = Plan::chain(1).build() else { return };
    lab.router(1).nft(
        "add counter inet lab seen
         add rule inet lab forward icmp type echo-request counter name seen",
    );
    let run = lab.host().rping(&["--json", "-c300", "-i0.01", &lab.target_v4()]);
    let mut times: Vec<f64> = run.objects("reply").iter().map(|reply| seconds(reply["time"].as_str())).collect();
    assert_eq!(times.len(), 300, "{run:#?}");
    assert_eq!(lab.router(1).counted("seen"), 300);
    let first = times[0];
    times.iter_mut().for_each(|time| *time = (*time - first).rem_euclid(86_400.0));
    // Slots are deadlines from the start on: neither lateness of single probes nor a slot that a busy machine missed adds up.
    let slots = 299 + number(&run.object("summary"), "skipped");
    let mean = times[299] / slots as f64 * 1e3;
    assert!((9.9..10.1).contains(&mean), "mean interval {mean} ms");
}

/// Seconds since midnight of an RFC 3339 time in UTC.
fn seconds(time: Option<&str>) -> f64 {
    let clock = time.and_then(|time| time.strip_suffix('Z')?.split_once('T')).expect("an RFC 3339 time in UTC").1;
    clock.split(':').fold(0.0, |sum, part| sum * 60.0 + part.parse::<f64>().expect("a number"))
}

#[test]
fn two_hundred_copies_at_once_never_take_each_others_replies() {
    let Some(lab) = Plan::chain(1).with_ping_sockets().build() else { return };
    let distinct: Vec<String> = (1..=200).map(|n| format!("127.7.0.{n}")).collect();
    let same = vec!["127.0.0.1".to_owned(); 200];
    for (privilege, targets) in [
        (Privilege::Root, &distinct),
        (Privilege::Nothing, &distinct),
        (Privilege::Root, &same),
        (Privilege::Nothing, &same),
    ] {
        let arguments = |target| ["--json", "-c5", "-i0.2", "-W10", target];
        let runs: Vec<Running> =
            targets.iter().map(|target| lab.host().start(Tool::Rping, privilege, &arguments(target))).collect();
        for (run, target) in runs.into_iter().zip(targets) {
            let run = run.finish();
            assert_eq!(run.code(), 0, "{run:#?}");
            assert_eq!(sequences(&run, "reply"), [1, 2, 3, 4, 5], "{run:#?}");
            assert!(run.objects("reply").iter().all(|reply| reply["responder"] == **target), "{run:#?}");
            let summary = run.object("summary");
            for unwanted in ["duplicates", "late", "foreign", "wrong_source", "payload_changed"] {
                assert_eq!(number(&summary, unwanted), 0, "{summary}");
            }
        }
    }
}

#[test]
fn several_targets_have_a_summary_each_and_the_worst_decides() {
    let Some(lab) = Plan::chain(1).build() else { return };
    lab.router(1).nft("add rule inet lab forward ip daddr 192.0.2.2 drop");
    let targets = ["192.0.2.1", "192.0.2.2", "2001:db8::1"];
    let run = lab.host().rping(&[&["--json", "-c2", "-i0.05", "-W0.5"], &targets[..]].concat());
    let summaries = run.objects("summary");
    let addresses: Vec<&str> = summaries.iter().filter_map(|summary| summary["address"].as_str()).collect();
    assert_eq!(addresses, targets, "{run:#?}");
    let received: Vec<u64> = summaries.iter().map(|summary| number(summary, "received")).collect();
    assert_eq!(received, [2, 0, 2]);
    assert_eq!(run.code(), 1);

    let run = lab.host().rping(&[&["-c2", "-i0.05", "-W0.5"], &targets[..]].concat());
    let heads: Vec<&str> = run.stdout.lines().filter(|line| line.starts_with("--- ")).collect();
    assert_eq!(heads, targets.map(|target| format!("--- {target} ping statistics ---")), "{run:#?}");
    run.says("64 bytes from 192.0.2.1 (192.0.2.1): icmp_seq=2 ttl=63 time=");
}

#[test]
fn probes_the_kernel_refuses_are_not_sent() {
    let Some(lab) = Plan::chain(1).build() else { return };
    lab.host().nft("add rule inet lab output icmp type echo-request drop");
    let run = lab.host().rping(&["--json", "-c3", "-i0.05", "-W0.3", &lab.target_v4()]);
    let summary = run.object("summary");
    assert_eq!(number(&summary, "send_failed") + number(&summary, "lost"), 3, "{summary}");
    assert_eq!(number(&summary, "received"), 0);
    assert_ne!(run.code(), 0);
}

#[test]
fn a_size_of_zero_and_the_largest_are_answered() {
    let Some(lab) = Plan::chain(1).with_ping_sockets().build() else { return };
    for privilege in [Privilege::Root, Privilege::Nothing] {
        for (size, octets) in [("0", 8), ("8", 16), ("65507", 65515)] {
            let arguments = ["--json", "-c2", "-i0.05", "-W2", "-s", size, "127.0.0.1"];
            let run = lab.host().run(Tool::Rping, privilege, &arguments);
            let replies = run.objects("reply");
            assert_eq!(replies.len(), 2, "{run:#?}");
            assert!(
                replies.iter().all(|reply| number(reply, "bytes") == octets && reply["rtt_ms"].is_f64()),
                "{run:#?}"
            );
        }
    }
}

#[test]
fn a_flood_sends_what_it_counts() {
    let Some(lab) = Plan::chain(1).build() else { return };
    lab.router(1).nft(
        "add counter inet lab seen
         add rule inet lab forward icmp type echo-request counter name seen",
    );
    let run = lab.host().rping(&["-f", "-c1000", "-q", &lab.target_v4()]);
    run.says("1000 packets transmitted, 1000 received, 0% packet loss");
    assert_eq!(lab.router(1).counted("seen"), 1000);
}

#[test]
fn lines_reach_a_pipe_while_the_run_goes_on() {
    let Some(lab) = Plan::chain(1).build() else { return };
    let mut run = lab.host().start(Tool::Rping, Privilege::Root, &["-c2", "-i600", &lab.target_v4()]);
    run.until(Source::Data, "icmp_seq=1");
    run.signal("INT");
    run.finish().says("1 packets transmitted, 1 received, 0% packet loss");
}

#[test]
fn a_flood_loses_nothing_and_counts_what_passed() {
    let Some(lab) = Plan::chain(1).build() else { return };
    let count = |name: &str, what: &str| {
        format!("add counter inet lab {name}\nadd rule inet lab forward {what} type echo-request counter name {name}\n")
    };
    lab.router(1).nft(&(count("four", "icmp") + &count("six", "icmpv6")));
    for (target, name) in [(lab.target_v4(), "four"), (lab.target_v6(), "six")] {
        let run = lab.host().rping(&["-f", "-q", "--json", "-c20000", &target]);
        let summary = run.object("summary");
        let counts = ["sent", "received", "lost", "duplicates", "reordered", "foreign", "dropped_by_kernel"];
        assert_eq!(counts.map(|key| number(&summary, key)), [20_000, 20_000, 0, 0, 0, 0, 0], "{summary}");
        assert_eq!(lab.router(1).counted(name), 20_000);
        assert_eq!(summary["stamps"]["user"], 20_000, "{summary}");
    }
}

#[test]
fn a_flood_counts_exactly_what_a_router_loses() {
    let Some(lab) = lossy_lab() else { return };
    for (target, name) in [(lab.target_v4(), "four"), (lab.target_v6(), "six")] {
        let run = lab.host().rping(&["-f", "-q", "--json", "-c5000", "-W0.3", &target]);
        let summary = run.object("summary");
        assert_eq!(number(&summary, "lost"), lab.router(1).counted(&format!("lost_{name}")), "{summary}");
        assert_eq!(number(&summary, "received"), lab.router(1).counted(&format!("passed_{name}")), "{summary}");
        assert_eq!((number(&summary, "sent"), number(&summary, "lost")), (5000, 1000), "{summary}");
        assert_eq!(number(&summary, "pending"), 0);
    }
}
