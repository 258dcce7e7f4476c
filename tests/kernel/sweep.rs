//! Sweeps on the real kernel: every target once, both kinds of sockets, several threads, lists from pipes, and answers that are
//! wrong on purpose.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Output, Stdio};
use std::thread;

use serde_json::Value;

use crate::helper::Helper;
use crate::lab::{Finished, Lab, Node, Plan, Privilege, Source, Tool, first_line_only};
use crate::responder::answers::{self, v4, v6};

/// The target owns 198.19.0.0/16 and 2001:db8:19::/64.
fn wide_lab() -> Option<Lab> {
    let lab = Plan::chain(1).with_ping_sockets().build()?;
    lab.target().sh("ip route add local 198.19.0.0/16 dev lo; ip -6 route add local 2001:db8:19::/64 dev lo");
    Some(lab)
}

fn sweep(lab: &Lab, privilege: Privilege, words: &[&str]) -> Finished {
    lab.host().run(Tool::Rping, privilege, words)
}

fn lines(run: &Finished) -> BTreeSet<&str> {
    let lines: BTreeSet<&str> = run.stdout.lines().collect();
    assert_eq!(lines.len(), run.stdout.lines().count(), "an address came twice");
    lines
}

/// Runs rping with `list` on standard input.
fn with_list(node: &Node, words: &[&str], list: String) -> Output {
    let mut command = node.tool(Tool::Rping, Privilege::Root, words);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("a run");
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let writer = thread::spawn(move || stdin.write_all(list.as_bytes()));
    let output = child.wait_with_output().expect("an end");
    writer.join().expect("a writer").expect("a reader that reads all");
    output
}

/// The sum of a count over all summaries.
fn sum(summaries: &[Value], key: &str) -> u64 {
    summaries.iter().map(|summary| summary[key].as_u64().unwrap_or_else(|| panic!("no {key} in {summary}"))).sum()
}

#[test]
fn every_address_of_a_prefix_answers_once_over_both_kinds_of_sockets_and_in_both_families() {
    let Some(lab) = wide_lab() else { return };
    for privilege in [Privilege::Root, Privilege::Nothing] {
        let words = ["--alive", "--rate", "20000", "198.19.7.0/24", "2001:db8:19::/120"];
        let run = sweep(&lab, privilege, &words);
        assert_eq!((run.code(), run.stderr.as_str(), lines(&run).len()), (0, "", 254 + 256), "{}", run.stderr);
        assert!(lines(&run).contains("198.19.7.254") && lines(&run).contains("2001:db8:19::"));
    }
}

/// Addresses of the target whose port 443 drops SYNs, rejects them and resets only a few a second.
const FIREWALL: &str = "add rule inet lab input ip daddr 198.19.2.0/24 tcp dport 443 drop
    add rule inet lab input ip6 daddr 2001:db8:19::2:0/112 tcp dport 443 drop
    add rule inet lab input ip daddr 198.19.3.0/24 tcp dport 443 reject with icmpx type admin-prohibited
    add rule inet lab input ip6 daddr 2001:db8:19::3:0/112 tcp dport 443 reject with icmpx type admin-prohibited
    add rule inet lab output ip saddr 198.19.4.0/24 tcp flags & rst == rst limit rate over 1/second burst 1 packets drop";

#[test]
fn open_closed_silent_and_rejecting_ports_are_told_apart_in_both_families() {
    let Some(lab) = wide_lab() else { return };
    lab.target().sh("sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv4.icmp_msgs_per_sec=10000 net.ipv4.icmp_msgs_burst=10000 net.ipv6.icmp.ratelimit=0");
    lab.target().nft(FIREWALL);
    let _listener = Helper::listener(lab.target());
    let all = [
        "198.19.2.0/26",
        "198.19.3.0/26",
        "198.19.1.0/24",
        "2001:db8:19::1:0/120",
        "2001:db8:19::2:0/122",
        "2001:db8:19::3:0/122",
    ];
    for privilege in [Privilege::Root, Privilege::Nothing] {
        let words = [&["--tcp=443,81", "--json", "--rate", "5000", "-W", "0.5"][..], &all].concat();
        let run = sweep(&lab, privilege, &words);
        let summaries = run.objects("summary");
        assert_eq!((run.code(), run.stderr.as_str()), (1, ""), "{privilege:?}");
        let count = |port: u64, state: &str| {
            let is = |summary: &&Value| (&summary["port"], &summary["state"]) == (&port.into(), &state.into());
            summaries.iter().filter(is).count()
        };
        let states = ["open", "refused", "filtered", "unreachable"];
        assert_eq!(states.map(|state| count(443, state)), [254 + 256, 0, 62 + 64, 62 + 64]);
        assert_eq!(states.map(|state| count(81, state)), [0, 254 + 256 + 2 * (62 + 64), 0, 0]);
        let keys = ["sent", "received", "refused", "unreachable", "lost", "duplicates", "late", "foreign", "pending"];
        let counted = keys.map(|key| sum(&summaries, key));
        assert_eq!(counted, [2 * 762 + 126, 510, 762, 126, 252, 0, 0, 0, 0], "{privilege:?}");
        let socket = if privilege == Privilege::Root { "raw" } else { "stream" };
        assert!(summaries.iter().all(|summary| summary["socket"] == socket));
    }
}

// Neighbours are waited for in each run: tests of their own run beside each other.

#[test]
fn a_neighbour_that_does_not_exist_makes_the_port_of_a_sweep_unreachable() {
    missing_neighbours_are_unreachable("--tcp=443", "filtered");
}

#[test]
fn a_neighbour_that_does_not_exist_makes_all_ports_of_a_sweep_unreachable() {
    missing_neighbours_are_unreachable("--tcp=443,8443", "filtered");
}

#[test]
fn a_neighbour_that_does_not_exist_makes_the_port_of_a_sweep_by_datagrams_unreachable() {
    missing_neighbours_are_unreachable("--udp=443", "no_answer");
}

fn missing_neighbours_are_unreachable(method: &str, silence: &str) {
    let Some(lab) = Plan::chain(1).build() else { return };
    // One that is there, and beyond it a host that is silent.
    lab.target().nft("add rule inet lab input tcp dport 443 drop; add rule inet lab input udp dport 443 drop");
    let there = [lab.target_v4(), lab.target_v6()];
    let missing = ["10.9.0.77", "10.9.0.78", "fd09::77", "fd09::78"];
    let all = [&missing[..], &there.each_ref().map(String::as_str)].concat();
    for privilege in [Privilege::Root, Privilege::Nothing] {
        for more in [&[][..], &["-W0.3"], &["-Iright"], &["-w1.5"]] {
            let run = sweep(&lab, privilege, &[&[method, "--json", "--retry=1"], more, &all].concat());
            for summary in run.objects("summary") {
                let address = summary["address"].as_str().expect("an address");
                let is_missing = missing.contains(&address);
                let expected = match (is_missing, &summary["port"]) {
                    (true, _) => "unreachable",
                    (false, port) if *port == 8443 => "refused",
                    (false, _) => silence,
                };
                assert_eq!(summary["state"], expected, "{privilege:?} {method} {more:?} {summary}");
                assert_eq!(is_missing, summary["unreachable"] != 0, "{summary}");
                run.counts_agree();
            }
        }
    }
}

#[test]
fn a_limit_of_resets_is_silence_and_no_closed_port() {
    let Some(lab) = wide_lab() else { return };
    lab.target().nft(FIREWALL);
    let run = sweep(&lab, Privilege::Root, &["--tcp=443", "--json", "--rate", "5000", "-W", "0.3", "198.19.4.0/26"]);
    let summaries = run.objects("summary");
    let filtered = summaries.iter().filter(|summary| summary["state"] == "filtered").count() as u64;
    assert_eq!((sum(&summaries, "refused") + filtered, sum(&summaries, "lost") >= 2 * filtered), (62, true));
    assert!(filtered > 50, "{filtered}");
}

/// Of the datagrams to 198.19.2.0/24 and to 198.19.3.0/24 the first are dropped, the others rejected.
const DATAGRAM_FIREWALL: &str = "add rule inet lab input ip daddr 198.19.2.0/24 udp dport 443 drop
    add rule inet lab input ip6 daddr 2001:db8:19::2:0/112 udp dport 443 drop
    add rule inet lab input ip daddr 198.19.3.0/24 udp dport 443 reject with icmpx type admin-prohibited
    add rule inet lab input ip6 daddr 2001:db8:19::3:0/112 udp dport 443 reject with icmpx type admin-prohibited";

#[test]
fn datagrams_tell_open_closed_silent_and_rejecting_ports_apart_in_both_families() {
    let Some(lab) = wide_lab() else { return };
    lab.target().sh("sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv4.icmp_msgs_per_sec=10000 net.ipv4.icmp_msgs_burst=10000 net.ipv6.icmp.ratelimit=0");
    // Over IPv6, errors of addresses that are no interface's come from another.
    lab.target().sh(
        "for net in 1 2 3; do for host in 0 1 2 3 4 5 6 7; do ip addr add 2001:db8:19::$net:$host/128 dev lo nodad; done; done",
    );
    lab.target().nft(DATAGRAM_FIREWALL);
    let mut echo = lab.target().start(Tool::Rpong, Privilege::Root, &["--udp", "443"]);
    echo.until(Source::Talk, "listening");
    let all = [
        "198.19.2.0/26",
        "198.19.3.0/26",
        "198.19.1.0/24",
        "2001:db8:19::1:0/125",
        "2001:db8:19::2:0/125",
        "2001:db8:19::3:0/125",
    ];
    for privilege in [Privilege::Root, Privilege::Nothing] {
        let words = [&["--udp=443,81", "--json", "--rate", "2000", "-W", "0.5"][..], &all].concat();
        let run = sweep(&lab, privilege, &words);
        let summaries = run.objects("summary");
        assert_eq!((run.code(), run.stderr.as_str()), (1, ""), "{privilege:?}");
        let count = |port: u64, state: &str| {
            let is = |summary: &&Value| (&summary["port"], &summary["state"]) == (&port.into(), &state.into());
            summaries.iter().filter(is).count()
        };
        let states = ["open", "closed", "no_answer", "unreachable"];
        assert_eq!(states.map(|state| count(443, state)), [254 + 8, 0, 62 + 8, 62 + 8]);
        assert_eq!(states.map(|state| count(81, state)), [0, 254 + 8 + 2 * (62 + 8), 0, 0]);
        let keys = ["sent", "received", "refused", "unreachable", "lost", "duplicates", "late", "foreign", "pending"];
        let counted = keys.map(|key| sum(&summaries, key));
        assert_eq!(counted, [2 * 402 + 70, 262, 402, 70, 140, 0, 0, 0, 0], "{privilege:?}");
        assert!(
            summaries
                .iter()
                .all(|summary| (&summary["method"], &summary["socket"]) == (&"udp".into(), &"dgram".into()))
        );
    }
    let run =
        sweep(&lab, Privilege::Root, &["--udp=443", "--alive", "--rate", "max", "198.19.1.0/24", "198.19.2.0/26"]);
    assert!(
        run.code() == 1 && lines(&run).len() == 254 && lines(&run).iter().all(|line| line.starts_with("198.19.1."))
    );
}

#[test]
fn a_limit_of_port_unreachables_is_silence_no_closed_port_and_said() {
    let Some(lab) = wide_lab() else { return };
    lab.target().sh("sysctl -qw net.ipv4.icmp_ratelimit=1000");
    let run =
        sweep(&lab, Privilege::Root, &["--udp=9", "--json", "-v", "--rate", "5000", "-W", "0.3", "198.19.4.0/26"]);
    let summaries = run.objects("summary");
    let silent = summaries.iter().filter(|summary| summary["state"] == "no_answer").count() as u64;
    assert_eq!((sum(&summaries, "refused") + silent, sum(&summaries, "lost") >= 2 * silent), (62, true));
    assert!(silent > 40 && run.stderr.contains("only a few closed ports a second"), "{silent} {}", run.stderr);
}

#[test]
fn a_sweep_of_this_host_and_beside_other_connections_counts_its_own_answers_alone() {
    let Some(lab) = wide_lab() else { return };
    let (_own, _other) = (Helper::listener(lab.host()), Helper::listener(lab.target()));
    let connects = "for n in $(seq 200); do rping --tcp=443 -c 1 -q 198.19.0.1 >/dev/null; done";
    let connections = lab.host().start_sh(&connects.replace("rping", env!("CARGO_BIN_EXE_rping")));
    let words =
        ["--tcp=443,82", "--json", "--rate", "5000", "-W", "0.3", "127.0.0.1-127.0.0.50", "::1", "198.19.0.0/25"];
    let run = sweep(&lab, Privilege::Root, &words);
    drop(connections);
    let summaries = run.objects("summary");
    let keys = ["received", "refused", "lost", "duplicates", "foreign"].map(|key| sum(&summaries, key));
    assert_eq!(keys, [51 + 126, 51 + 126, 0, 0, 0], "{}", run.stderr);
}

#[test]
fn as_fast_as_possible_no_port_is_missed() {
    let Some(lab) = wide_lab() else { return };
    let _listener = Helper::listener(lab.target());
    for workers in ["1", "2"] {
        for (port, open) in [("443", (1 << 12) - 2), ("81", 0)] {
            let tcp = format!("--tcp={port}");
            let words = ["--json=brief", "--retry", "0", "--rate", "max", "--workers", workers, &tcp, "198.19.0.0/20"];
            let run = sweep(&lab, Privilege::Root, &words);
            let briefs = run.objects("brief");
            let count = |state: &str| briefs.iter().filter(|brief| brief["state"] == state).count();
            assert_eq!((count("open"), count("refused")), (open, (1 << 12) - 2 - open), "{workers} {port}");
        }
    }
}

#[test]
fn as_fast_as_possible_nothing_is_lost_on_one_thread_and_on_two() {
    let Some(lab) = wide_lab() else { return };
    for workers in ["1", "2"] {
        let words = ["--alive", "--retry", "0", "--rate", "max", "--workers", workers, "198.19.0.0/18"];
        let run = sweep(&lab, Privilege::Root, &words);
        assert_eq!((run.code(), run.stderr.as_str(), lines(&run).len()), (0, "", (1 << 14) - 2), "{workers}");
    }
}

#[test]
fn shards_and_random_orders_cover_a_prefix_once() {
    let Some(lab) = wide_lab() else { return };
    let mut all = BTreeSet::new();
    for shard in ["1/3", "2/3", "3/3"] {
        let words =
            ["--alive", "--rate", "20000", "--random-order", "--workers", "2", "--shard", shard, "198.19.0.0/22"];
        let run = sweep(&lab, Privilege::Root, &words);
        assert_eq!(run.code(), 0, "{}", run.stderr);
        all.extend(lines(&run).into_iter().map(|line| assert_new(&all, line)).collect::<Vec<_>>());
    }
    assert_eq!(all.len(), 1022);
}

fn assert_new(seen: &BTreeSet<String>, line: &str) -> String {
    assert!(!seen.contains(line), "{line} is in two shards");
    line.to_owned()
}

#[test]
fn a_long_list_from_a_pipe_is_probed_whole() {
    let Some(lab) = wide_lab() else { return };
    let list: String = (0..20_000).map(|n: u32| format!("198.19.{}.{}\n", n >> 8, n & 255)).collect();
    for workers in ["1", "2"] {
        let words = ["--alive", "--rate", "max", "--retry", "0", "--targets", "-", "--workers", workers];
        let output = with_list(lab.host(), &words, list.clone());
        assert!(output.status.success(), "{output:?}");
        let lines: BTreeSet<&[u8]> =
            output.stdout.split(|&octet| octet == b'\n').filter(|line| !line.is_empty()).collect();
        assert_eq!((lines.len(), output.stderr.as_slice()), (20_000, &b""[..]));
    }
}

#[test]
fn a_list_is_probed_as_it_comes() {
    let Some(lab) = wide_lab() else { return };
    let mut command = lab.host().tool(Tool::Rping, Privilege::Root, &["--alive", "--targets", "-", "198.19.0.1"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a run");
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let mut lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
    let mut next = || lines.next().and_then(Result::ok);
    assert_eq!(next().as_deref(), Some("198.19.0.1"));
    for n in 2..5 {
        // Each is answered before the next is written: nothing waits for the end of the list.
        let address = format!("198.19.0.{n}");
        writeln!(stdin, "{address}").expect("a reader");
        assert_eq!(next(), Some(address));
    }
    drop(stdin);
    assert_eq!(next(), None);
    assert!(child.wait().expect("an end").success());
}

#[test]
fn a_file_is_probed_in_random_order_and_a_pipe_is_not() {
    let Some(lab) = wide_lab() else { return };
    let file = tempfile::NamedTempFile::new().expect("a file");
    let list: String = (0..500).map(|n| format!("# {n}\n198.19.{n}.0/30 # two\n\n", n = n % 250)).collect();
    std::fs::write(file.path(), list).expect("a file to write");
    let path = file.path().display().to_string();
    let words = ["--json", "--rate", "20000", "--random-order", "--targets", &path];
    let run = sweep(&lab, Privilege::Root, &words);
    let summaries = run.objects("summary");
    assert_eq!((run.code(), summaries.len(), sum(&summaries, "received")), (0, 1000, 1000), "{}", run.stderr);
    let first: Vec<&Value> = summaries.iter().take(20).map(|summary| &summary["address"]).collect();
    assert!(!first.is_sorted_by_key(|address| address.to_string()), "{first:?}");
    let run = sweep(&lab, Privilege::Root, &["--alive", "--random-order", "--targets", "-"]);
    assert_eq!((run.code(), run.stdout.as_str()), (2, ""), "{run:#?}");
    assert!(run.stderr.contains("--random-order needs all targets beforehand"), "{run:#?}");
}

#[test]
fn names_are_looked_up_beside_the_probing() {
    let Some(lab) = wide_lab() else { return };
    lab.host().add_hosts(b"198.19.0.7 seven.example\n2001:db8:19::8 eight.example\n");
    let list = "seven.example\nnosuch.example\neight.example\n198.19.0.9\n".to_owned();
    let output = with_list(lab.host(), &["--json", "--targets", "-"], list);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let summary = |line: &str| serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}"));
    let summaries: Vec<Value> = String::from_utf8_lossy(&output.stdout).lines().map(summary).collect();
    let of = |target: &str| summaries.iter().find(|summary| summary["target"] == target).expect("a summary");
    assert_eq!(of("seven.example")["address"], "198.19.0.7");
    assert_eq!(of("eight.example")["address"], "2001:db8:19::8");
    assert_eq!(
        (&of("nosuch.example")["address"], &of("nosuch.example")["state"]),
        (&Value::Null, &"unresolved".into())
    );
    assert_eq!(sum(&summaries, "received"), 3);
}

#[test]
fn silence_duplicates_and_errors_among_many_are_counted_exactly() {
    let Some(lab) = Plan::chain(1).with_ping_sockets().build() else { return };
    let Some(_helper) = Helper::responder(lab.host()) else { return };
    for privilege in [Privilege::Root, Privilege::Nothing] {
        for address in [v4, v6] {
            let all = |case, count: u8| format!("{}-{}", address(case, 1), address(case, count));
            let (plain, twice, silent) =
                (all(answers::PLAIN, 200), all(answers::DUPLICATE, 25), all(answers::WRONG_IDENT, 25));
            let elsewhere = all(answers::WRONG_SOURCE, 5);
            let error = address(answers::ERROR_OPTIONS, 1);
            let words = ["--json", "--rate", "5000", "-W", "0.3", &plain, &twice, &silent, &elsewhere, &error];
            let run = sweep(&lab, privilege, &words);
            let summaries = run.objects("summary");
            assert_eq!((run.code(), summaries.len()), (1, 256), "{}", run.stderr);
            let keys = ["sent", "received", "lost", "unreachable", "duplicates", "wrong_source", "late", "pending"];
            let counted = keys.map(|key| sum(&summaries, key));
            assert_eq!(counted, [281, 230, 50, 1, 25, 5, 0, 0], "{privilege:?} {plain}");
        }
    }
}

#[test]
fn wrong_answers_make_no_target_alive() {
    let Some(lab) = Plan::chain(1).build() else { return };
    let Some(_helper) = Helper::responder(lab.host()) else { return };
    for case in [answers::WRONG_IDENT, answers::WRONG_SEQUENCE, answers::BAD_CHECKSUM] {
        for address in [v4, v6] {
            let range = format!("{}-{}", address(case, 1), address(case, 20));
            let run = sweep(&lab, Privilege::Root, &["--alive", "--rate", "5000", "-W", "0.2", "--retry", "0", &range]);
            assert_eq!((run.code(), run.stdout.as_str(), run.stderr.as_str()), (1, "", ""), "{range}");
            let run = sweep(&lab, Privilege::Root, &["--unreachable", "--rate", "5000", "-W", "0.2", &range]);
            assert_eq!((run.code(), lines(&run).len()), (1, 20), "{range}");
        }
    }
    for case in [answers::CORRUPT, answers::JUNK, answers::FOREIGN_QUOTE, answers::LYING_LENGTH] {
        let range = format!("{}-{}", v4(case, 1), v4(case, 7));
        let run = sweep(&lab, Privilege::Root, &["--alive", "--rate", "500", "-W", "0.5", "--retry", "0", &range]);
        assert_eq!(lines(&run).len(), 7, "{range} {run:#?}");
    }
}

#[test]
fn an_interrupted_sweep_has_printed_whole_lines_and_ends_with_what_is_known() {
    let Some(lab) = wide_lab() else { return };
    for workers in ["1", "2"] {
        let words = ["--json", "--rate", "2000", "--workers", workers, "198.19.0.0/16"];
        let mut run = lab.host().start(Tool::Rping, Privilege::Root, &words);
        run.until(Source::Data, "\"received\":1,");
        run.signal("INT");
        let run = run.finish();
        assert_eq!((run.code(), run.stderr.as_str()), (1, ""), "{}", run.stderr);
        let summaries = run.objects("summary");
        let (answered, cut_off): (Vec<_>, Vec<_>) = summaries.iter().partition(|summary| summary["received"] == 1);
        assert_eq!(sum(&summaries, "sent"), summaries.len() as u64);
        assert!(summaries.len() < 60_000 && !answered.is_empty());
        // Their only probe was on its way at the end, which leaves nothing else to count.
        assert_eq!(sum(&summaries, "lost"), cut_off.len() as u64);
        let waited = |summary: &&Value| summary["duration_ms"].as_f64().is_none_or(|millis| millis >= 1000.0);
        assert_eq!(cut_off.iter().copied().filter(waited).count(), 0, "{cut_off:?}");
    }
}

#[test]
fn a_killed_sweep_leaves_whole_lines() {
    let Some(lab) = wide_lab() else { return };
    let mut run = lab.host().start(Tool::Rping, Privilege::Root, &["--json", "--rate", "20000", "198.19.0.0/16"]);
    run.until(Source::Data, "\"address\":\"198.19.8.8\"");
    run.signal("KILL");
    let run = run.finish();
    assert!(run.objects("summary").len() > 1000);
}

#[test]
fn a_target_without_a_route_is_said_and_stops_nothing() {
    let Some(lab) = wide_lab() else { return };
    lab.host().sh("ip route add unreachable 203.0.113.0/24");
    let run = sweep(&lab, Privilege::Root, &["--alive", "203.0.113.0/29", "198.19.0.1"]);
    assert_eq!((run.code(), run.stdout.as_str()), (2, "198.19.0.1\n"), "{run:#?}");
    let lines = "6 targets could not be probed, 203.0.113.1 first: No route to host";
    assert!(run.stderr.contains(lines), "{run:#?}");
}

#[test]
fn broadcast_addresses_in_a_range_are_not_probed_unasked() {
    let Some(lab) = Plan::chain(1).build() else { return };
    let run = sweep(&lab, Privilege::Root, &["--json", "10.9.0.254-10.9.0.255"]);
    let summaries = run.objects("summary");
    let broadcast = summaries.iter().find(|summary| summary["address"] == "10.9.0.255").expect("a summary");
    assert_eq!((&broadcast["sent"], &broadcast["state"], run.code()), (&0.into(), &"unknown".into(), 2), "{run:#?}");
}

#[test]
fn a_sweep_whose_reader_has_gone_ends_quietly_on_one_thread_and_on_two() {
    let Some(lab) = wide_lab() else { return };
    for workers in ["1", "2"] {
        // At this rate the whole takes an hour.
        let words = ["--rate", "20", "-W", "0.2", "--workers", workers, "198.19.0.0/16"];
        let mut command = lab.host().tool(Tool::Rping, Privilege::Root, &words);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("a run");
        let first = first_line_only(child.stdout.take().expect("stdout is piped"));
        let output = child.wait_with_output().expect("an end");
        assert!(first.contains("1/1/0%"), "{first}");
        assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(1), &b""[..]), "{output:?}");
    }
}
