//! rtrace over many cycles and over several flows, on the kernel.

use std::collections::BTreeSet;

use serde_json::Value;

use super::paths::METHODS;
use crate::lab::{Lab, Node, Plan, Privilege, Source, Tool, hop_v4, hop_v6};

fn hops(object: &Value) -> &Vec<Value> {
    object["hops"].as_array().unwrap_or_else(|| panic!("no hops in {object}"))
}

/// Responders of each hop.
fn responders(object: &Value) -> Vec<Vec<String>> {
    let address = |responder: &Value| responder["address"].as_str().expect("an address").to_owned();
    hops(object)
        .iter()
        .map(|hop| hop["responders"].as_array().expect("responders").iter().map(address).collect())
        .collect()
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

/// Gives router 1 a second way, past router 2, and has it choose by ports.
fn bypass(lab: &Lab) {
    let (near, far) = (lab.router(1), lab.router(3));
    lab.host().sh(&format!(
        "ip link add name bypass netns {} type veth peer name bypass netns {}",
        near.pid(),
        far.pid()
    ));
    near.sh("ip address add 10.8.0.1/24 dev bypass
        ip address add fd08::1/64 dev bypass nodad
        ip link set bypass up
        echo 1 > /proc/sys/net/ipv4/fib_multipath_hash_policy
        echo 1 > /proc/sys/net/ipv6/fib_multipath_hash_policy");
    far.sh("ip address add 10.8.0.2/24 dev bypass
        ip address add fd08::2/64 dev bypass nodad
        ip link set bypass up");
    near.sh("ip route replace default nexthop via 10.9.1.2 nexthop via 10.8.0.2
        ip -6 route del default
        ip -6 route add default nexthop via fd09:1::2 nexthop via fd08::2
        for address in 10.8.0.2 fd08::2; do ping -c 1 -w 5 $address; done");
}

// Flows over UDP are traced one after the other: tests of their own run beside each other.

#[test]
fn flows_over_tcp_show_what_each_of_them_alone_shows() {
    flows_show_what_each_alone_shows(&["-T", "-p", "443"], &[Lab::target_v4, Lab::target_v6]);
}

#[test]
fn flows_over_udp_show_what_each_of_them_alone_shows_over_ipv4() {
    flows_show_what_each_alone_shows(&["-U"], &[Lab::target_v4]);
}

#[test]
fn flows_over_udp_show_what_each_of_them_alone_shows_over_ipv6() {
    flows_show_what_each_alone_shows(&["-U"], &[Lab::target_v6]);
}

#[test]
fn flows_over_udp_to_a_high_port_show_what_each_of_them_alone_shows_over_ipv4() {
    flows_show_what_each_alone_shows(&["-M", "default"], &[Lab::target_v4]);
}

#[test]
fn flows_over_udp_to_a_high_port_show_what_each_of_them_alone_shows_over_ipv6() {
    flows_show_what_each_alone_shows(&["-M", "default"], &[Lab::target_v6]);
}

fn flows_show_what_each_alone_shows(method: &[&str], targets: &[fn(&Lab) -> String]) {
    const FLOWS: usize = 24;
    let Some(lab) = Plan::chain(3).build() else { return };
    bypass(&lab);
    for target in targets.iter().map(|target| target(&lab)) {
        let together = lab.host().rtrace(&[method, &["--flows", "24", "--json", "-n", &target]].concat());
        assert_eq!((together.code(), together.stderr.as_str()), (0, ""), "{together:#?}");
        let mut traces = together.objects("trace");
        traces.sort_by_key(|trace| trace["flow"].as_u64());
        assert_eq!(traces.len(), FLOWS);
        let paths: Vec<_> = traces.iter().map(responders).collect();
        let lengths: BTreeSet<usize> = paths.iter().map(Vec::len).collect();
        assert_eq!(lengths, BTreeSet::from([3, 4]), "{method:?} {target}: {paths:?}");
        for flow in [0, 1, 13] {
            let number = flow.to_string();
            let words = ["--flow", &number, "--json", "-n", "-q", "1", &target];
            let alone = lab.host().rtrace(&[method, &words].concat()).object("trace");
            assert_eq!(responders(&alone), paths[flow], "{method:?} {target} {flow}");
        }
        let merged = together.object("flows");
        assert_eq!(merged["reached_flows"].as_array().map(Vec::len), Some(FLOWS));
        let second: BTreeSet<String> = responders(&merged)[1].iter().cloned().collect();
        // Linux answers over IPv6 from the address of the link that the packet came by.
        let expected = if target.contains(':') { [hop_v6(2), "fd08::2".to_owned()] } else { [hop_v4(2), hop_v4(3)] };
        assert_eq!(second, BTreeSet::from(expected), "{merged}");
    }
}
