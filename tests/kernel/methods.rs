//! `rping --tcp` and `--udp` against ports in every state, in both families and without any privilege.

use std::time::Duration;

use serde_json::Value;

use crate::helper::Helper;
use crate::lab::{Finished, Lab, Plan, Privilege, Running, Source, Tool, hop_v4, hop_v6};

const PRIVILEGES: [Privilege; 2] = [Privilege::Root, Privilege::Nothing];

/// nft's name of an ICMP message, its type and its code.
type Reject = (&'static str, u64, u64);

const REJECTS_V4: [Reject; 7] = [
    ("net-unreachable", 3, 0),
    ("host-unreachable", 3, 1),
    ("prot-unreachable", 3, 2),
    ("port-unreachable", 3, 3),
    ("net-prohibited", 3, 9),
    ("host-prohibited", 3, 10),
    ("admin-prohibited", 3, 13),
];

const REJECTS_V6: [Reject; 6] = [
    ("no-route", 1, 0),
    ("admin-prohibited", 1, 1),
    ("addr-unreachable", 1, 3),
    ("port-unreachable", 1, 4),
    ("policy-fail", 1, 5),
    ("reject-route", 1, 6),
];

fn probe(lab: &Lab, privilege: Privilege, arguments: &[&str]) -> (Finished, Value) {
    probes("-c2", lab, privilege, arguments)
}

fn probes(count: &str, lab: &Lab, privilege: Privilege, arguments: &[&str]) -> (Finished, Value) {
    let run = lab.host().run(Tool::Rping, privilege, &[&["--json", count, "-i0.05", "-W0.3"], arguments].concat());
    let summary = run.object("summary");
    (run, summary)
}

/// The figures of a summary: received, refused, unreachable, lost.
fn counts(summary: &Value) -> [u64; 4] {
    ["received", "refused", "unreachable", "lost"].map(|key| summary[key].as_u64().expect("a count"))
}

fn rpong(lab: &Lab, arguments: &[&str]) -> Running {
    let mut run = lab.target().start(Tool::Rpong, Privilege::Root, arguments);
    run.until(Source::Talk, "listening");
    run
}

#[test]
fn open_closed_and_filtered_ports_differ() {
    let Some(lab) = Plan::chain(1).build() else { return };
    let _tcp = Helper::listener(lab.target());
    let _udp = rpong(&lab, &["--udp", "443"]);
    lab.target().sh("sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0");
    lab.router(1).nft(
        "add rule inet lab forward meta l4proto { tcp, udp } th dport 82 drop\n\
         add rule inet lab forward tcp dport 83 reject with tcp reset",
    );
    for privilege in PRIVILEGES {
        for address in [lab.target_v4(), lab.target_v6()] {
            let states = |method: &str| {
                [443, 81, 82].map(|port| {
                    let (run, summary) = probe(&lab, privilege, &[&format!("--{method}={port}"), &address]);
                    let code = run.code();
                    (summary["state"].as_str().expect("a state").to_owned(), counts(&summary), code)
                })
            };
            let expected = |states: [&str; 3]| {
                let [open, closed, silent] = states.map(str::to_owned);
                [(open, [2, 0, 0, 0], 0), (closed, [0, 2, 0, 0], 1), (silent, [0, 0, 0, 2], 1)]
            };
            assert_eq!(states("tcp"), expected(["open", "refused", "filtered"]), "{privilege:?} {address}");
            assert_eq!(states("udp"), expected(["open", "closed", "no_answer"]), "{privilege:?} {address}");
            // A reset that a firewall sends in the target's name looks like one from the target.
            let (_, summary) = probe(&lab, privilege, &["--tcp=83", &address]);
            assert_eq!((summary["state"].as_str(), counts(&summary)), (Some("refused"), [0, 2, 0, 0]));
        }
    }
}

#[test]
fn every_rejection_names_its_router_type_and_code() {
    let Some(lab) = Plan::chain(2).build() else { return };
    let rule = |family: &str, icmp: &str, (port, code): (u64, &str)| {
        format!(
            "add rule inet lab forward meta nfproto {family} meta l4proto {{ tcp, udp }} th dport {port} \
             reject with {icmp} type {code}\n"
        )
    };
    let v4 = (1000..).zip(REJECTS_V4).map(|(port, (code, ..))| rule("ipv4", "icmp", (port, code)));
    let v6 = (1000..).zip(REJECTS_V6).map(|(port, (code, ..))| rule("ipv6", "icmpv6", (port, code)));
    lab.router(2).nft(&v4.chain(v6).collect::<String>());
    let targets: [(String, String, &[Reject]); 2] =
        [(lab.target_v4(), hop_v4(2), &REJECTS_V4), (lab.target_v6(), hop_v6(2), &REJECTS_V6)];
    for (address, router, rejects) in targets {
        for (port, &(name, icmp_type, icmp_code)) in (1000..).zip(rejects) {
            for (method, privilege) in
                [("tcp", PRIVILEGES[0]), ("tcp", PRIVILEGES[1]), ("udp", PRIVILEGES[0]), ("udp", PRIVILEGES[1])]
            {
                let (run, summary) = probe(&lab, privilege, &[&format!("--{method}={port}"), &address]);
                assert_eq!((counts(&summary), run.code()), ([0, 0, 2, 0], 1), "{name}: {run:#?}");
                assert_eq!(summary["state"], "unreachable", "{name}: {run:#?}");
                for error in run.objects("error") {
                    let reported = (&error["icmp_type"], &error["icmp_code"], &error["responder"]);
                    assert_eq!(
                        reported,
                        (&icmp_type.into(), &icmp_code.into(), &router.as_str().into()),
                        "{name} {error}"
                    );
                    assert_eq!(
                        (&error["origin"], &error["state"]),
                        (&"router".into(), &"unreachable".into()),
                        "{error}"
                    );
                    assert!(error["source_port"].as_u64().is_some_and(|port| port != 0), "{error}");
                }
            }
        }
    }
}

#[test]
fn what_a_route_drops_is_silence_and_what_it_refuses_is_reported() {
    let Some(lab) = Plan::chain(1).build() else { return };
    lab.router(1).sh("ip route add blackhole 192.0.2.100; ip route add unreachable 192.0.2.101
         ip -6 route add blackhole 2001:db8::100; ip -6 route add unreachable 2001:db8::101");
    let silent = |method: &str| if method == "--tcp" { "filtered" } else { "no_answer" };
    // One each: the kernel reports a refusing route at most five times in a row.
    for privilege in PRIVILEGES {
        for method in ["--tcp", "--udp=9"] {
            for [swallowed, refused] in [["192.0.2.100", "192.0.2.101"], ["2001:db8::100", "2001:db8::101"]] {
                let (run, summary) = probes("-c1", &lab, privilege, &[method, swallowed]);
                assert_eq!(
                    (counts(&summary), summary["state"].as_str()),
                    ([0, 0, 0, 1], Some(silent(method))),
                    "{run:#?}"
                );
                let (run, summary) = probes("-c1", &lab, privilege, &[method, refused]);
                assert_eq!(
                    (counts(&summary), summary["state"].as_str()),
                    ([0, 0, 1, 0], Some("unreachable")),
                    "{run:#?}"
                );
            }
        }
    }
}

#[test]
fn a_lost_syn_is_a_lost_probe_though_the_next_one_opens() {
    let Some(lab) = Plan::chain(1).build() else { return };
    let _listener = Helper::listener(lab.target());
    for (address, family) in [(lab.target_v4(), "ipv4"), (lab.target_v6(), "ipv6")] {
        // The SYN of the second of three probes.
        lab.router(1).nft(&format!(
            "add rule inet lab forward meta nfproto {family} tcp dport 443 tcp flags & (syn|ack) == syn numgen inc mod 100 == 1 drop"
        ));
        let run =
            lab.host().run(Tool::Rping, Privilege::Nothing, &["--json", "-c3", "-i0.1", "-W2", "--tcp=443", &address]);
        let summary = run.object("summary");
        assert_eq!((counts(&summary), summary["syn_retransmits"].as_u64()), ([2, 0, 0, 1], Some(1)), "{run:#?}");
        assert_eq!((summary["late"].as_u64(), summary["state"].as_str()), (Some(1), Some("open")), "{run:#?}");
        assert!(summary["rtt_stats_ms"]["max"].as_f64().is_some_and(|max| max < 900.0), "{run:#?}");
        let late: Vec<Value> = run.objects("reply").into_iter().filter(|reply| reply["late"] == true).collect();
        let [late] = &late[..] else { panic!("one late reply: {run:#?}") };
        assert_eq!((late["sequence"].as_u64(), late["syn_retransmits"].as_u64()), (Some(2), Some(1)), "{late}");
        assert!(late["rtt_ms"].as_f64().is_some_and(|rtt| rtt > 900.0), "{late}");
    }
}

#[test]
fn tcp_that_takes_longer_than_a_second_is_waited_for_as_long_as_is_asked() {
    let Some(lab) = Plan::chain(1).build() else { return };
    let router = lab.router(1);
    let Some(_detour) = Helper::detour(router, Duration::from_millis(1500)) else { return };
    for ip in ["ip", "ip -6"] {
        router.sh(&format!(
            "{ip} rule add pref 10 iif right ipproto tcp lookup 100; {ip} route add default dev tun0 table 100"
        ));
    }
    let _listener = Helper::listener(lab.target());
    for address in [lab.target_v4(), lab.target_v6()] {
        let probes = |arguments: &[&str]| {
            let usual = ["--json", "-c2", "-i0.1", &address];
            let run = lab.host().run(Tool::Rping, Privilege::Nothing, &[&usual, arguments].concat());
            let summary = run.object("summary");
            let fields = ["late", "syn_retransmits"].map(|key| summary[key].as_u64().expect("a number"));
            (counts(&summary), fields, summary["state"].to_string(), run)
        };
        let (found, fields, state, run) = probes(&["--tcp=443", "-W8"]);
        assert_eq!((found, fields, &*state), ([2, 0, 0, 0], [0, 2], "\"open\""), "{run:#?}");
        for reply in run.objects("reply") {
            assert!(reply["rtt_ms"].as_f64().is_some_and(|rtt| (1500.0..1900.0).contains(&rtt)), "{reply}");
        }
        let (found, _, state, run) = probes(&["--tcp=81", "-W8"]);
        assert_eq!((found, &*state, run.code()), ([0, 2, 0, 0], "\"refused\"", 1), "{run:#?}");
        assert!(run.objects("error").iter().all(|error| error["rtt_ms"].is_null()), "{run:#?}");
    }
}

#[test]
fn a_connection_opened_by_a_repeated_answer_is_late() {
    let Some(lab) = Plan::chain(1).build() else { return };
    let _listener = Helper::listener(lab.target());
    lab.router(1)
        .nft("add rule inet lab forward tcp sport 443 tcp flags & (syn|ack) == syn|ack numgen inc mod 1000 == 0 drop");
    let arguments = ["--json", "-c1", "-W4", "--tcp=443", &lab.target_v4()];
    let run = lab.host().run(Tool::Rping, Privilege::Nothing, &arguments);
    let summary = run.object("summary");
    assert_eq!((counts(&summary), &summary["late"]), ([0, 0, 0, 1], &1.into()), "{run:#?}");
    assert_eq!((summary["state"].as_str(), run.code()), (Some("open"), 1), "{run:#?}");
}

#[test]
fn a_neighbour_that_does_not_exist_makes_every_connection_unreachable() {
    let Some(lab) = Plan::chain(1).build() else { return };
    for (address, other, from) in [("10.9.0.77", "10.9.0.78", "10.9.0.1"), ("fd09::77", "fd09::78", "fd09::1")] {
        for (wait, interface) in [("-W8", None), ("-W1", None), ("-W0.4", Some("-Iright")), ("-W4", Some("-Iright"))] {
            let mut arguments = vec!["--json", "-c3", "-i0.1", wait, "--tcp=443"];
            arguments.extend(interface);
            arguments.extend([address, other]);
            let run = lab.host().run(Tool::Rping, Privilege::Nothing, &arguments);
            for summary in run.objects("summary") {
                let found = (counts(&summary), summary["state"].as_str());
                assert_eq!(found, ([0, 0, 3, 0], Some("unreachable")), "{run:#?}");
            }
            for error in run.objects("error") {
                assert_eq!((&error["responder"], &error["origin"]), (&from.into(), &"local".into()), "{run:#?}");
            }
        }
    }
}

#[test]
fn a_server_that_speaks_first_is_read_at_once() {
    let Some(lab) = Plan::chain(1).build() else { return };
    let _greeter = Helper::listener(lab.target());
    for address in [lab.target_v4(), lab.target_v6()] {
        // Nothing but the greeting wakes it within the wait.
        let run =
            lab.host().run(Tool::Rping, Privilege::Nothing, &["--json", "-c1", "--tcp=25", "--expect=220", &address]);
        assert_eq!(counts(&run.object("summary")), [1, 0, 0, 0], "{run:#?}");
    }
}

#[test]
fn one_source_port_below_1024_serves_every_connection_of_root() {
    let Some(lab) = Plan::chain(1).build() else { return };
    let _echo = rpong(&lab, &["--tcp", "443"]);
    lab.router(1).nft("add rule inet lab forward tcp dport 82 drop");
    for address in [lab.target_v4(), lab.target_v6()] {
        let states = [
            (&["--tcp=443", "--data=x", "--expect=x"][..], [3, 0, 0, 0]),
            (&["--tcp=443"], [3, 0, 0, 0]),
            (&["--tcp=81"], [0, 3, 0, 0]),
            (&["--tcp=82"], [0, 0, 0, 3]),
        ];
        let pins = [&["--sport=777"][..], &["--sport=777", "-Iright"]];
        for (pinned, (arguments, expected)) in pins.into_iter().flat_map(|pinned| states.map(|state| (pinned, state))) {
            let (run, summary) = probes("-c3", &lab, Privilege::Root, &[arguments, pinned, &[&address]].concat());
            assert_eq!((counts(&summary), &summary["send_failed"]), (expected, &0.into()), "{run:#?}");
            let events = run.objects("reply").into_iter().chain(run.objects("error")).chain(run.objects("timeout"));
            assert!(events.into_iter().all(|event| event["source_port"] == 777), "{run:#?}");
        }
        let refused = lab.host().run(Tool::Rping, Privilege::Nothing, &["-c1", "--sport=777", "--tcp=443", &address]);
        assert_eq!((refused.code(), &*refused.stdout), (2, ""), "{refused:#?}");
        assert!(refused.stderr.contains("bind: Permission denied\n  to allow ports below 1024: "), "{refused:#?}");
    }
}

#[test]
fn a_source_port_below_1024_serves_again_once_there_is_a_route() {
    let Some(lab) = Plan::chain(1).build() else { return };
    for (address, length) in [(lab.target_v4(), 32), (lab.target_v6(), 128)] {
        let arguments = ["--sport=777", "--tcp=81", "-i0.1", &address];
        let mut run = lab.host().start(Tool::Rping, Privilege::Root, &arguments);
        run.until(Source::Data, "tcp_seq=1 state=refused");
        lab.host().sh(&format!("ip route add unreachable {address}/{length}"));
        run.until(Source::Talk, "rping: sending");
        lab.host().sh(&format!("ip route del unreachable {address}/{length}"));
        (0..3).for_each(|_| run.until(Source::Data, "state=refused"));
        run.signal("INT");
        let run = run.finish();
        assert!(!run.stderr.contains("Permission denied"), "{run:#?}");
    }
}

#[test]
fn a_reused_socket_has_another_port_each_time_and_the_peer_sees_resets() {
    // So few that the listener's queue holds all of them, should it be slow to take them.
    let Some(lab) = Plan::chain(1).build() else { return };
    // It waits for us to close: a FIN that crosses our reset would be answered by another.
    let _listener = rpong(&lab, &["--tcp", "443"]);
    lab.router(1).nft(
        "add counter inet lab resets\nadd rule inet lab forward tcp dport 443 tcp flags & rst == rst counter name resets",
    );
    for (nth, address) in [(1, lab.target_v4()), (2, lab.target_v6())] {
        let arguments = ["--json", "-c100", "-i0.005", "--tcp=443", &address];
        let run = lab.host().run(Tool::Rping, Privilege::Root, &arguments);
        let mut ports: Vec<u64> =
            run.objects("reply").iter().filter_map(|reply| reply["source_port"].as_u64()).collect();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!((ports.len(), counts(&run.object("summary"))), (100, [100, 0, 0, 0]), "{run:#?}");
        assert_eq!(lab.router(1).counted("resets"), nth * 100);
    }
}

#[test]
fn rejections_at_a_high_rate_each_belong_to_their_own_probe() {
    let Some(lab) = Plan::chain(1).build() else { return };
    let _listener = Helper::listener(lab.target());
    // Every third attempt is rejected, so that sockets which served an open one meet an error and the other way round.
    lab.router(1).nft(
        "add rule inet lab forward tcp dport 443 tcp flags & (syn|ack) == syn numgen inc mod 3 == 0 reject with icmpx admin-prohibited",
    );
    for address in [lab.target_v4(), lab.target_v6()] {
        let run =
            lab.host().run(Tool::Rping, Privilege::Nothing, &["--json", "-c90", "-i0.005", "--tcp=443", &address]);
        assert_eq!(counts(&run.object("summary")), [60, 0, 30, 0], "{run:#?}");
        let mut sequences: Vec<u64> =
            run.objects("error").iter().filter_map(|error| error["sequence"].as_u64()).collect();
        sequences.dedup();
        assert_eq!(sequences.len(), 30, "{run:#?}");
        assert!(sequences.windows(2).all(|pair| pair[1] == pair[0] + 3), "{sequences:?}");
    }
}

#[test]
fn members_of_a_group_have_statistics_of_their_own() {
    let Some(lab) = Plan::chain(1).build() else { return };
    let (host, near, far) = (lab.host(), lab.router(1), lab.target());
    // One link for all three.
    near.sh("ip address flush dev left; ip link add br0 type bridge mcast_snooping 0
             ip link set left master br0; ip link set right master br0
             ip address add 10.9.0.2/24 dev br0; ip link set br0 up");
    far.sh("ip address add 10.9.0.3/24 dev left");
    let link_local = "for _ in $(seq 1000); do ip -6 address show dev DEV scope link | grep -q tentative || break; sleep 0.005; done";
    near.sh(&link_local.replace("DEV", "br0"));
    let start = |node: &crate::lab::Node, device: &str| {
        let groups = [format!("239.1.2.3%{device}"), format!("ff02::1234%{device}")];
        let mut run =
            node.start(Tool::Rpong, Privilege::Root, &["--udp", "7007", "--join", &groups[0], "--join", &groups[1]]);
        run.until(Source::Talk, "listening");
        run
    };
    let _responders = [start(near, "br0"), start(far, "left")];
    for (group, more) in [("239.1.2.3", &["-I", "right"][..]), ("ff02::1234%right", &[])] {
        let arguments = [&["--json", "-c5", "-i0.05", "-W0.5", "--udp=7007", group], more].concat();
        let run = host.run(Tool::Rping, Privilege::Root, &arguments);
        let summary = run.object("summary");
        let responders = summary["responders"].as_array().unwrap_or_else(|| panic!("{run:#?}"));
        let answers: Vec<_> = responders.iter().map(|one| one["received"].as_u64()).collect();
        assert_eq!(answers, [Some(5), Some(5)], "{summary}");
        assert_eq!((summary["sent"].as_u64(), counts(&summary)[0], run.code()), (Some(5), 5, 0), "{run:#?}");
    }
}

#[test]
fn a_name_servers_answer_is_read_and_an_echo_is_no_answer() {
    let Some(lab) = Plan::chain(1).build() else { return };
    let host = lab.host();
    let _server = Helper::names(host);
    let mut echo = host.start(Tool::Rpong, Privilege::Root, &["--udp", "127.0.0.1:5353"]);
    echo.until(Source::Talk, "listening");
    let ask = |arguments: &[&str]| {
        let common = ["--json", "-c2", "-i0.05", "-W0.5", "--dns", "1.2.0.192.in-addr.arpa/PTR", "127.0.0.1"];
        let run = host.run(Tool::Rping, Privilege::Nothing, &[&common, arguments].concat());
        let summary = run.object("summary");
        assert_eq!(summary["state"], "open", "{run:#?}");
        (counts(&summary), run.code(), run)
    };
    let (received, code, run) = ask(&[]);
    assert_eq!((received, code), ([2, 0, 0, 0], 0), "{run:#?}");
    for reply in run.objects("reply") {
        assert_eq!((&reply["rcode"], &reply["answers"]), (&"NOERROR".into(), &1.into()), "{reply}");
        assert_eq!(reply["flags"], serde_json::json!(["aa", "rd", "ra"]), "{reply}");
    }
    let (refused, code, run) = ask(&["--expect", "rcode=NXDOMAIN"]);
    assert_eq!((refused, code), ([0, 2, 0, 0], 1), "{run:#?}");
    assert!(run.objects("error").iter().all(|error| error["answer"] == "unexpected" && error["rcode"] == "NOERROR"));
    let (refused, code, run) = ask(&["--udp=5353"]);
    assert_eq!((refused, code), ([0, 2, 0, 0], 1), "{run:#?}");
    assert!(run.objects("error").iter().all(|error| error["answer"] == "echo"), "{run:#?}");
}
