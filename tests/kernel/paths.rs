//! rtrace over chains of routers: the right hosts in the right order, what middle boxes say, and what is asked of the wire.

use std::time::Duration;

use serde_json::Value;

use crate::helper::Helper;
use crate::lab::{Finished, Lab, Plan, Privilege, Tool, hop_v4, hop_v6};

/// Panics unless hop `ttl` of text without names is `expected`, RTTs left out.
#[track_caller]
fn hop_is(run: &Finished, ttl: usize, expected: &str) {
    let number = format!("{ttl:2} ");
    let line = run.stdout.lines().skip(1).find(|line| line.starts_with(&number));
    let line = line.unwrap_or_else(|| panic!("no hop {ttl}: {run:#?}"));
    assert_eq!(without_rtts(line), format!("{number} {expected}"), "{run:#?}");
}

/// A hop line with every `  1.234 ms` made `  T`.
fn without_rtts(line: &str) -> String {
    let mut out = String::new();
    for (at, part) in line.split(" ms").enumerate() {
        if at > 0 {
            out.push('T');
        }
        out.push_str(part.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.'));
    }
    // The last part has no RTT after it.
    match line.rsplit_once(" ms") {
        Some((_, rest)) => out[..out.rfind('T').map_or(0, |at| at + 1)].to_owned() + rest,
        None => line.to_owned(),
    }
}

/// One line per hop, each with a single responder, every probe answered.
#[track_caller]
fn is_whole_path(run: &Finished, hops: &[String]) {
    assert_eq!(run.stdout.lines().count(), hops.len() + 1, "{run:#?}");
    for (at, hop) in hops.iter().enumerate() {
        hop_is(run, at + 1, &format!("{hop}  T  T  T"));
    }
}

/// Responders of each hop of a trace in JSON.
pub fn responders(trace: &Value) -> Vec<Vec<String>> {
    let hops = trace["hops"].as_array().unwrap_or_else(|| panic!("no hops in {trace}"));
    let address = |responder: &Value| responder["address"].as_str().expect("an address").to_owned();
    hops.iter().map(|hop| hop["responders"].as_array().expect("responders").iter().map(address).collect()).collect()
}

fn path_v4(hops: usize) -> Vec<String> {
    (1..=hops).map(hop_v4).collect()
}

fn path_v6(hops: usize) -> Vec<String> {
    (1..=hops).map(hop_v6).collect()
}

/// Every way to send probes, and who may use it without privileges.
pub const METHODS: [(&[&str], Privilege); 9] = [
    (&["-I"], Privilege::Root),
    (&["-I"], Privilege::Nothing),
    (&["-U"], Privilege::Root),
    (&["-U"], Privilege::Nothing),
    (&["-M", "default"], Privilege::Nothing),
    (&["-M", "default"], Privilege::OnlyNetRaw),
    (&["-T", "-p", "443"], Privilege::Root),
    (&["-M", "tcpconn"], Privilege::Root),
    (&["-M", "tcpconn"], Privilege::Nothing),
];

#[test]
fn fifteen_routers_appear_in_order_by_every_method() {
    let Some(lab) = Plan::chain(15).with_ping_sockets().build() else { return };
    for (method, privilege) in METHODS {
        for (target, path) in [(lab.target_v4(), path_v4(16)), (lab.target_v6(), path_v6(16))] {
            let run = lab.host().run(Tool::Rtrace, privilege, &[method, &["-n", &target]].concat());
            assert_eq!((run.code(), run.stderr.as_str()), (0, ""), "{method:?} {privilege:?}: {run:#?}");
            is_whole_path(&run, &with_port_state(path, method));
        }
    }
}

/// The lines of a path whose last hop refuses connections.
fn with_port_state(mut path: Vec<String>, method: &[&str]) -> Vec<String> {
    if let ["-T", ..] | ["-M", "tcpconn"] = method {
        path.last_mut().expect("a target").push_str(" [closed]");
    }
    path
}

#[test]
fn json_names_the_same_routers_probe_by_probe() {
    let Some(lab) = Plan::chain(15).with_ping_sockets().build() else { return };
    for (method, privilege) in METHODS {
        for (target, path) in [(lab.target_v4(), path_v4(16)), (lab.target_v6(), path_v6(16))] {
            let run = lab.host().run(Tool::Rtrace, privilege, &[method, &["--json", "-n", &target]].concat());
            let trace = run.object("trace");
            assert_eq!(run.stdout.lines().count(), 1);
            assert_eq!((&trace["reached"], &trace["stop_reason"]), (&true.into(), &"destination".into()), "{run:#?}");
            let single: Vec<Vec<String>> = path.into_iter().map(|hop| vec![hop]).collect();
            assert_eq!(responders(&trace), single);
            for (at, hop) in trace["hops"].as_array().expect("hops").iter().enumerate() {
                assert_eq!(hop["ttl"].as_u64(), Some(at as u64 + 1));
                assert_eq!((hop["sent"].as_u64(), hop["received"].as_u64()), (Some(3), Some(3)), "{hop}");
                assert_eq!(hop["unanswered"].as_u64(), Some(0));
                let numbers: Vec<u64> =
                    hop["probes"].as_array().expect("probes").iter().filter_map(|probe| probe["n"].as_u64()).collect();
                assert_eq!(numbers, [1, 2, 3]);
                // Of a connection's handshake the kernel gives no TTL. The reply crossed as many routers as the probe did: the chain is symmetric, and Linux starts at 64.
                let reply_ttl = hop["responders"][0]["reply_ttl"].as_u64();
                let hidden = method.contains(&"tcpconn") && at + 1 == single.len();
                assert_eq!(reply_ttl, Some(64 - at as u64).filter(|_| !hidden), "{hop}");
            }
        }
    }
}

#[test]
fn auto_falls_back_from_raw_over_datagram_to_udp_and_says_only_the_last() {
    let Some(open) = Plan::chain(2).with_ping_sockets().build() else { return };
    let Some(closed) = Plan::chain(2).build() else { return };
    for (lab, privilege, method, socket) in [
        (&open, Privilege::Root, "icmp", "raw"),
        (&open, Privilege::OnlyNetRaw, "icmp", "raw"),
        (&open, Privilege::Nothing, "icmp", "dgram"),
        (&closed, Privilege::Nothing, "udp", "dgram"),
    ] {
        let run = lab.host().run(Tool::Rtrace, privilege, &["--json", "-n", &lab.target_v4()]);
        let trace = run.object("trace");
        assert_eq!(trace["method_requested"], "auto");
        assert_eq!((trace["method"].as_str(), trace["socket"].as_str()), (Some(method), Some(socket)), "{run:#?}");
        assert_eq!(responders(&trace).concat(), path_v4(3));
        assert_eq!(run.stderr.is_empty(), method == "icmp", "{run:#?}");
    }
    let run = closed.host().run(Tool::Rtrace, Privilege::Nothing, &["-n", &closed.target_v4()]);
    is_whole_path(&run, &path_v4(3));
    assert!(run.stderr.to_lowercase().contains("udp"), "{run:#?}");
    let run = closed.host().run(Tool::Rtrace, Privilege::Nothing, &["-I", "-n", &closed.target_v4()]);
    assert_eq!(run.code(), 2, "ICMP was asked for: {run:#?}");
    assert!(run.stderr.contains("setcap") && run.stderr.contains("ping_group_range"), "{run:#?}");
}

#[test]
fn the_kernels_default_limits_on_errors_shift_no_hop() {
    let Some(lab) = (Plan { unlimited_icmp: false, ..Plan::chain(3) }).build() else { return };
    for _ in 0..3 {
        let trace = lab.host().rtrace(&["--json", "-n", &lab.target_v4()]).object("trace");
        let found = responders(&trace);
        assert_eq!(found.len(), 4, "{trace}");
        for (at, hop) in found.iter().enumerate() {
            assert!(hop.is_empty() || *hop == [hop_v4(at + 1)], "{trace}");
        }
        assert_eq!(found[3], [hop_v4(4)]);
    }
}

#[test]
fn the_fifth_run_in_a_row_counts_as_many_hops_as_the_first() {
    let plan = Plan { unlimited_icmp: false, ..Plan::chain(4) };
    for (method, privilege) in METHODS {
        let Some(lab) = plan.with_ping_sockets().build() else { return };
        for run in 1..=5 {
            let run_of =
                lab.host().run(Tool::Rtrace, privilege, &[method, &["--json", "-n", &lab.target_v4()]].concat());
            let trace = run_of.object("trace");
            let hops = responders(&trace);
            assert_eq!((hops.len(), &trace["reached"]), (5, &true.into()), "{method:?} {privilege:?} {run}: {hops:?}");
            assert_eq!(hops.last(), Some(&vec![hop_v4(5)]), "{method:?} {privilege:?} {run}: {hops:?}");
            for (at, hop) in hops.iter().enumerate() {
                assert!(hop.iter().all(|router| *router == hop_v4(at + 1)), "{method:?} {privilege:?} {run}: {hops:?}");
            }
        }
    }
}

#[test]
fn a_silent_router_keeps_its_place() {
    let Some(lab) = Plan::chain(3).with_ping_sockets().build() else { return };
    lab.router(2).nft(
        "add rule inet lab output icmp type time-exceeded drop
         add rule inet lab output icmpv6 type time-exceeded drop",
    );
    for (method, privilege) in METHODS {
        for (target, path) in [(lab.target_v4(), path_v4(4)), (lab.target_v6(), path_v6(4))] {
            let run = lab.host().run(Tool::Rtrace, privilege, &[method, &["-n", &target]].concat());
            assert_eq!(run.code(), 0, "{run:#?}");
            hop_is(&run, 1, &format!("{}  T  T  T", path[0]));
            assert_eq!(run.stdout.lines().nth(2), Some(" 2  * * *"), "{run:#?}");
            hop_is(&run, 4, &format!("{}  T  T  T", with_port_state(path, method)[3]));
        }
    }
    let trace = lab.host().rtrace(&["--json", "-n", &lab.target_v4()]).object("trace");
    let silent = &trace["hops"][1];
    assert_eq!((silent["unanswered"].as_u64(), silent["responders"].as_array().map(Vec::len)), (Some(3), Some(0)));
    assert_eq!(silent["rtt_stats_ms"], Value::Null);
}

#[test]
fn nothing_beyond_a_router_is_stars_until_the_last_ttl_and_status_one() {
    let Some(lab) = Plan::chain(3).build() else { return };
    lab.router(2).nft("add rule inet lab forward ip saddr 10.9.0.1 drop");
    let run = lab.host().rtrace(&["-n", "-m", "6", &lab.target_v4()]);
    assert_eq!(run.code(), 1, "{run:#?}");
    assert_eq!(run.stdout.lines().count(), 7, "{run:#?}");
    assert_eq!(run.stdout.lines().last(), Some(" 6  * * *"));
    let trace = lab.host().rtrace(&["--json", "-n", "-m", "6", &lab.target_v4()]).object("trace");
    assert_eq!((&trace["reached"], &trace["stop_reason"]), (&false.into(), &"max_ttl".into()));
    assert_eq!(trace["hops"].as_array().map(Vec::len), Some(6));
}

/// nft's name of an ICMP code and traceroute's mark for it.
const MARKS_V4: [(&str, &str); 6] = [
    ("net-unreachable", "!N"),
    ("host-unreachable", "!H"),
    ("prot-unreachable", "!P"),
    ("net-prohibited", "!X"),
    ("host-prohibited", "!X"),
    ("admin-prohibited", "!X"),
];

const MARKS_V6: [(&str, &str); 3] = [("no-route", "!N"), ("admin-prohibited", "!X"), ("addr-unreachable", "!H")];

#[test]
fn a_rejection_on_the_way_ends_the_trace_with_its_mark() {
    let Some(lab) = Plan::chain(4).with_ping_sockets().build() else { return };
    let v4 = MARKS_V4.iter().enumerate().map(|(at, (code, _))| {
        format!("add rule inet lab forward ip daddr 192.0.2.{} reject with icmp type {code}\n", at + 1)
    });
    let v6 = MARKS_V6.iter().enumerate().map(|(at, (code, _))| {
        format!("add rule inet lab forward ip6 daddr 2001:db8::{} reject with icmpv6 type {code}\n", at + 1)
    });
    lab.router(2).nft(&v4.chain(v6).collect::<String>());
    let v4 = MARKS_V4.iter().enumerate().map(|(at, (_, mark))| (format!("192.0.2.{}", at + 1), path_v4(2), mark));
    let v6 = MARKS_V6.iter().enumerate().map(|(at, (_, mark))| (format!("2001:db8::{}", at + 1), path_v6(2), mark));
    for (target, path, mark) in v4.chain(v6) {
        for privilege in [Privilege::Root, Privilege::Nothing] {
            let run = lab.host().run(Tool::Rtrace, privilege, &["-n", &target]);
            assert_eq!(run.stdout.lines().count(), 4, "{run:#?}");
            hop_is(&run, 2, &format!("{}  T  T  T", path[1]));
            hop_is(&run, 3, &format!("{}  T {mark}  T {mark}  T {mark}", path[1]));
            assert_eq!(run.code(), 1, "not reached: {run:#?}");
        }
        let trace = lab.host().rtrace(&["--json", "-n", &target]).object("trace");
        assert_eq!((&trace["reached"], &trace["stop_reason"]), (&false.into(), &"unreachable".into()), "{trace}");
        assert_eq!(trace["hops"][2]["responders"][0]["annotation"], **mark, "{trace}");
    }
}

#[test]
fn a_port_unreachable_from_elsewhere_ends_the_trace_and_reaches_nothing() {
    let Some(lab) = Plan::chain(3).build() else { return };
    lab.router(2).nft("add rule inet lab forward ip saddr 10.9.0.1 reject with icmp type port-unreachable");
    let run = lab.host().rtrace(&["--json", "-n", &lab.target_v4()]);
    let trace = run.object("trace");
    assert_eq!(trace["stop_reason"], "port_unreachable_elsewhere", "{trace}");
    assert_eq!((&trace["reached"], run.code()), (&false.into(), 1));
}

#[test]
fn a_report_names_who_reports_a_closed_port_in_the_place_of_the_destination() {
    let Some(lab) = Plan::chain(3).build() else { return };
    for (ip, source, icmp) in [("ip", "10.9.0.1", "icmp"), ("ip6", "fd09::1", "icmpv6")] {
        let rule = format!("add rule inet lab forward {ip} saddr {source} reject with {icmp} type port-unreachable");
        lab.router(2).nft(&rule);
    }
    for (target, router) in [(lab.target_v4(), "10.9.1.2"), (lab.target_v6(), "fd09:1::2")] {
        for method in ["-I", "-U", "-T"] {
            let run = lab.host().rtrace(&["--report", "-c2", "--interval=0.1", "-n", method, &target]);
            run.says(&format!("The destination answered none of 2 cycles; {router} reported its port as unreachable."));
        }
        let trace = lab.host().rtrace(&["--json", "-n", "-U", &target]).object("trace");
        assert_eq!(trace["stop_reason"], "port_unreachable_elsewhere", "{trace}");
    }
}

#[test]
fn a_narrow_link_is_marked_where_fragmenting_is_forbidden() {
    let Some(lab) = Plan::chain(3).with_ping_sockets().build() else { return };
    lab.router(2).sh("ip link set right mtu 1280");
    lab.router(3).sh("ip link set left mtu 1280");
    for privilege in [Privilege::Root, Privilege::Nothing] {
        // First of all, because with -F the kernel learns the path's MTU, and would fragment by itself from then on.
        let target = lab.target_v4();
        let run = lab.host().run(Tool::Rtrace, privilege, &["-n", "-q1", &target, "1400"]);
        hop_is(&run, 4, &format!("{target}  T"));
    }
    for privilege in [Privilege::Root, Privilege::Nothing] {
        for (target, router) in [(lab.target_v4(), hop_v4(2)), (lab.target_v6(), hop_v6(2))] {
            let run = lab.host().run(Tool::Rtrace, privilege, &["-n", "-F", "-q1", &target, "1400"]);
            hop_is(&run, 2, &format!("{router}  T"));
            hop_is(&run, 3, &format!("{router}  T !F-1280"));
        }
    }
}

#[test]
fn the_header_is_traceroutes() {
    let Some(lab) = Plan::chain(1).build() else { return };
    lab.host().add_hosts(b"192.0.2.1 target.example alias.example\n10.9.0.2 r1.example\n");
    for (arguments, header) in [
        (&["-n", "192.0.2.1"][..], "traceroute to 192.0.2.1 (192.0.2.1), 30 hops max, 60 byte packets"),
        (&["-n", "2001:db8::1"], "traceroute to 2001:db8::1 (2001:db8::1), 30 hops max, 80 byte packets"),
        (&["-n", "-m", "7", "192.0.2.1", "100"], "traceroute to 192.0.2.1 (192.0.2.1), 7 hops max, 100 byte packets"),
        (&["-n", "target.example"], "traceroute to target.example (192.0.2.1), 30 hops max, 60 byte packets"),
    ] {
        let run = lab.host().rtrace(arguments);
        assert_eq!(run.stdout.lines().next(), Some(header), "{run:#?}");
        assert_eq!((run.code(), run.stderr.as_str()), (0, ""), "{run:#?}");
        assert!(run.stdout.ends_with('\n') && !run.stdout.ends_with("\n\n"), "{run:#?}");
    }
}

#[test]
fn limits_of_a_trace_are_kept() {
    let Some(lab) = Plan::chain(4).build() else { return };
    let target = lab.target_v4();
    let first = lab.host().rtrace(&["-n", "-f", "3", &target]);
    assert_eq!(first.stdout.lines().count(), 4, "{first:#?}");
    hop_is(&first, 3, &format!("{}  T  T  T", hop_v4(3)));
    let max = lab.host().rtrace(&["-n", "-m", "2", &target]);
    assert_eq!((max.stdout.lines().count(), max.code()), (3, 1), "{max:#?}");
    for queries in [1, 5, 10] {
        let run = lab.host().rtrace(&["-n", "-q", &queries.to_string(), &target]);
        hop_is(&run, 5, &format!("{target}{}", "  T".repeat(queries)));
    }
    for serial in
        [&["-N", "1"][..], &["-z", "20"], &["-z", "0.02"], &["-U", "--sport", "40000"], &["-w", "2"], &["-w", "2,3,10"]]
    {
        let run = lab.host().rtrace(&[&["-n"], serial, &[&target]].concat());
        is_whole_path(&run, &path_v4(5));
        assert_eq!(run.code(), 0, "{run:#?}");
    }
}

/// A lab whose first router counts packets from the host that match, and its rule's words.
fn counting_lab(matching: &[(&str, &str)]) -> Option<Lab> {
    let lab = Plan::chain(2).with_ping_sockets().build()?;
    let rules = matching.iter().map(|(name, words)| {
        format!("add counter inet lab n_{name}\nadd rule inet lab forward {words} counter name n_{name}\n")
    });
    lab.router(1).nft(&rules.collect::<String>());
    Some(lab)
}

#[test]
fn header_fields_that_are_asked_for_are_on_the_wire() {
    let Some(lab) = counting_lab(&[
        ("all", "ip saddr 10.9.0.1"),
        ("tos", "ip saddr 10.9.0.1 ip dscp ef"),
        ("port", "ip saddr 10.9.0.1 udp dport 5000"),
        ("dns", "ip saddr 10.9.0.1 udp dport 53"),
        ("sport", "ip saddr 10.9.0.1 udp sport 40001"),
        ("df", "ip saddr 10.9.0.1 ip frag-off & 0x4000 == 0x4000"),
        ("size", "ip saddr 10.9.0.1 ip length 200"),
        ("other", "ip saddr 10.9.0.9"),
    ]) else {
        return;
    };
    lab.host().sh("ip address add 10.9.0.9/24 dev right");
    let target = lab.target_v4();
    let cases: [(&str, &[&str]); 8] = [
        ("tos", &["-t", "184"]),
        ("port", &["-U", "-p", "5000"]),
        ("dns", &["-U"]),
        ("sport", &["-U", "--sport", "40001"]),
        ("df", &["-F"]),
        ("size", &[]),
        ("other", &["-s", "10.9.0.9"]),
        ("all", &["-i", "right"]),
    ];
    for (counter, flags) in cases {
        for privilege in [Privilege::Root, Privilege::Nothing] {
            let before = lab.router(1).counted(&format!("n_{counter}"));
            let packet = if counter == "size" { "200" } else { "60" };
            let run = lab.host().run(Tool::Rtrace, privilege, &[&["-n"], flags, &[&target, packet]].concat());
            assert_eq!(run.code(), 0, "{run:#?}");
            // Three probes for each of the two hops after the router, and maybe some beyond the target.
            let seen = lab.router(1).counted(&format!("n_{counter}")) - before;
            assert!(seen >= 6, "{counter}: {seen} {run:#?}");
        }
    }
}

#[test]
fn all_probes_of_a_trace_share_one_flow() {
    let Some(lab) = Plan::chain(3).build() else { return };
    // One element per flow that is seen: of ICMP, load balancers hash type, code and checksum.
    lab.router(1).nft(
        "add set inet lab flows { type integer; typeof @th,0,32; size 1000; flags dynamic; }
         add rule inet lab forward ip saddr 10.9.0.1 icmp type echo-request add @flows { @th,0,32 }",
    );
    let run = lab.host().rtrace(&["-n", "-I", "-q5", &lab.target_v4()]);
    assert_eq!(run.code(), 0, "{run:#?}");
    let again = lab.host().rtrace(&["-n", "-I", "-q5", &lab.target_v4()]);
    assert_eq!(again.code(), 0, "{again:#?}");
    let set = lab.router(1).ask("nft list set inet lab flows");
    let flows = set.split_once("elements = {").map_or(0, |(_, elements)| elements.matches(',').count() + 1);
    assert_eq!(flows, 1, "over all probes of both runs: {set}");
}

#[test]
fn several_targets_are_traced_in_one_run() {
    let Some(lab) = Plan::chain(2).build() else { return };
    let targets = [lab.target_v4(), lab.target_v6(), "192.0.2.1".to_owned()];
    let names: Vec<&str> = targets.iter().map(String::as_str).collect();
    let run = lab.host().rtrace(&[&["--json", "-n"], &names[..]].concat());
    let found: Vec<Value> = run.objects("trace").iter().map(|trace| trace["target"].clone()).collect();
    assert_eq!(run.code(), 0, "{run:#?}");
    assert_eq!(found.len(), 3, "{run:#?}");
    assert!(names.iter().all(|&name| found.contains(&name.into())), "{run:#?}");
    let run = lab.host().rtrace(&[&["-n"], &names[..]].concat());
    assert_eq!(run.stdout.lines().filter(|line| line.starts_with("traceroute to ")).count(), 3, "{run:#?}");
    assert_eq!(run.stdout.lines().filter(|line| line.starts_with(" 3  ")).count(), 3, "{run:#?}");
}

#[test]
fn a_loop_in_the_routing_ends_the_trace_and_is_named() {
    let Some(lab) = Plan::chain(3).build() else { return };
    lab.router(3).sh("ip route add 198.51.100.0/24 via 10.9.2.1; ip route add 2001:db8:1::/64 via fd09:2::1");
    lab.router(2).sh("ip route add 198.51.100.0/24 via 10.9.2.2; ip route add 2001:db8:1::/64 via fd09:2::2");
    // Over IPv6 the second router answers what comes back to it from another address.
    for (target, first) in [("198.51.100.1", 2), ("2001:db8:1::1", 3)] {
        for method in [&["-I"][..], &["-U"], &["-T"]] {
            let run = lab.host().rtrace(&[&["--json", "-n"], method, &[target]].concat());
            let trace = run.object("trace");
            assert_eq!(
                (&trace["stop_reason"], trace["hops"].as_array().map(Vec::len)),
                (&"loop".into(), Some(first + 3)),
                "{trace}"
            );
            let named = trace["findings"].as_array().expect("findings").iter().find(|one| one["code"] == "loop");
            let named = named.unwrap_or_else(|| panic!("no circle is named: {trace}"));
            assert_eq!((&named["ttl"], &named["evidence"]["hop_count"]), (&first.into(), &2.into()), "{trace}");
            assert_eq!((&trace["reached"], run.code()), (&false.into(), 1));
        }
    }
}

/// The findings of a trace about rewritten fields, as code, hop, what was sent and what was quoted.
fn rewritten(trace: &Value) -> Vec<(String, u64, Value, Value)> {
    let findings = trace["findings"].as_array().expect("findings");
    let about =
        findings.iter().filter(|finding| finding["code"].as_str().is_some_and(|code| code.ends_with("_rewritten")));
    about
        .map(|finding| {
            assert_eq!(finding["evidence"]["persists"], true, "{trace}");
            // A number, or else an address.
            let evidence = |key: &str| {
                let evidence = &finding["evidence"];
                Some(&evidence[key])
                    .filter(|value| !value.is_null())
                    .unwrap_or(&evidence[format!("{key}_address")])
                    .clone()
            };
            let code = finding["code"].as_str().expect("a code").to_owned();
            (code, finding["ttl"].as_u64().expect("a hop"), evidence("sent"), evidence("quoted"))
        })
        .collect()
}

#[test]
fn what_a_router_rewrites_is_found_at_the_first_hop_after_it() {
    let Some(lab) = Plan::chain(4).build() else { return };
    // Source and port without connection tracking, which would undo them in the quotes as well; answers find their way back.
    lab.router(2).nft(
        "add chain inet lab back { type filter hook prerouting priority -300; }
         add rule inet lab back ip daddr 10.9.0.77 ip daddr set 10.9.0.1
         add rule inet lab forward ip daddr 192.0.2.2 ip saddr 10.9.0.1 ip saddr set 10.9.0.77
         add rule inet lab forward ip daddr 192.0.2.3 ip dscp set cs1
         add rule inet lab forward ip daddr 192.0.2.4 ip ecn set not-ect
         add rule inet lab forward ip daddr 192.0.2.5 udp dport set 5005
         add rule inet lab forward ip daddr 192.0.2.6 ip id set 7",
    );
    let of = |code: &str, sent: Value, quoted: Value| (code.to_owned(), 3, sent, quoted);
    let source = || of("source_rewritten", "10.9.0.1".into(), "10.9.0.77".into());
    let cases: [(&str, &[&str], _); 6] = [
        ("192.0.2.1", &[], None),
        ("192.0.2.2", &[], Some(source())),
        ("192.0.2.3", &["-t", "184"], Some(of("dscp_rewritten", 46.into(), 8.into()))),
        ("192.0.2.4", &["-t", "1"], Some(of("ecn_rewritten", 1.into(), 0.into()))),
        ("192.0.2.5", &["-U", "-p", "5000"], Some(of("destination_port_rewritten", 5000.into(), 5005.into()))),
        ("192.0.2.2", &["-T", "-p", "443"], Some(source())),
    ];
    for (target, flags, expected) in cases {
        let run = lab.host().rtrace(&[&["--json", "-n"], flags, &[target]].concat());
        let trace = run.object("trace");
        let seen = responders(&trace);
        assert!((0..4).all(|hop| seen[hop] == [hop_v4(hop + 1)]), "{flags:?} {trace}");
        // What covers the field is rewritten with it, and is not reported.
        let found: Vec<_> = rewritten(&trace).into_iter().filter(|(code, ..)| code != "checksum_rewritten").collect();
        assert_eq!(found, Vec::from_iter(expected), "{flags:?} {trace}");
    }
}

#[test]
fn a_tcp_trace_leaves_no_connection_behind() {
    let Some(lab) = Plan::chain(2).build() else { return };
    let _listener = Helper::listener(lab.target());
    for flags in [&["-T"][..], &["-M", "tcpconn"]] {
        for target in [lab.target_v4(), lab.target_v6()] {
            let run = lab.host().rtrace(&[&["-n", "-p", "443"], flags, &[&target]].concat());
            assert_eq!(run.code(), 0, "{run:#?}");
            for node in [lab.target(), lab.host()] {
                let left = node.ask("ss -Htan state connected");
                assert_eq!(left.trim(), "", "{flags:?} {target}");
            }
        }
    }
}

#[test]
fn a_dead_host_beyond_the_last_router_and_on_the_own_network_is_reported_by_every_method() {
    let Some(lab) = Plan::chain(2).with_ping_sockets().build() else { return };
    // The kernel reports to itself over lo, and all runs together are more than it reports a second by default.
    lab.host().sh("ip link set lo up; sysctl -qw net.ipv4.icmp_msgs_burst=10000 net.ipv4.icmp_msgs_per_sec=100000");
    let mut runs = Vec::new();
    for (number, (method, privilege)) in (70..).zip(METHODS) {
        for (dead, path) in [
            (format!("10.9.2.{number}"), vec![hop_v4(1), hop_v4(2), hop_v4(2)]),
            (format!("fd09:2::{number}"), vec![hop_v6(1), hop_v6(2), hop_v6(2)]),
            (format!("10.9.0.{number}"), vec!["10.9.0.1".to_owned()]),
            (format!("fd09:0::{number}"), vec!["fd09::1".to_owned()]),
        ] {
            let run =
                lab.host().start(Tool::Rtrace, privilege, &[method, &["--json", "-n", "-m", "5", &dead]].concat());
            runs.push((method, privilege, dead, path, run));
        }
    }
    for (method, privilege, dead, path, run) in runs {
        let run = run.finish();
        let trace = run.object("trace");
        let what = format!("{method:?} {privilege:?} {dead}: {:?} {}", responders(&trace), run.stderr);
        assert_eq!((run.code(), trace["stop_reason"].as_str()), (1, Some("unreachable")), "{what}");
        let shown = responders(&trace);
        assert_eq!(shown, path.iter().map(|hop| vec![hop.clone()]).collect::<Vec<_>>(), "{what}");
        let last = &trace["hops"][path.len() - 1]["responders"][0];
        assert_eq!(last["annotation"], "!H", "{what}");
    }
}

#[test]
fn every_tcp_probe_is_answered_through_a_nat_and_the_port_is_shown() {
    let Some(lab) = Plan::chain(4).build() else { return };
    lab.router(2).nft(
        "add chain inet lab nat { type nat hook postrouting priority srcnat; }
         add rule inet lab nat oifname right meta nfproto ipv4 snat ip to 10.9.0.77
         add rule inet lab nat oifname right meta nfproto ipv6 snat ip6 to fd09::77",
    );
    let near = lab.router(1);
    let Some(_detour) = Helper::detour(near, Duration::from_millis(40)) else { return };
    for ip in ["ip", "ip -6"] {
        near.sh(&format!("{ip} rule add pref 10 iif right lookup 100; {ip} route add default dev tun0 table 100"));
    }
    let _listener = Helper::listener(lab.target());
    for (target, path) in [(lab.target_v4(), path_v4(5)), (lab.target_v6(), path_v6(5))] {
        for (port, state) in [("443", "open"), ("81", "closed")] {
            let run = lab.host().rtrace(&["-T", "-p", port, "-n", &target]);
            assert_eq!(run.code(), 0, "{run:#?}");
            let mut path = path.clone();
            path[4].push_str(&format!(" [{state}]"));
            is_whole_path(&run, &path);
            let trace = lab.host().rtrace(&["-T", "-p", port, "--json", "-n", &target]).object("trace");
            assert_eq!((&trace["port_state"], &trace["hops"][4]["received"]), (&state.into(), &3.into()), "{trace}");
            let hops = trace["hops"].as_array().expect("hops");
            assert!(hops.iter().all(|hop| hop["received"] == 3), "{trace}");
        }
    }
}
