//! What rping's options put on the wire and into the text.

use crate::lab::{Finished, Lab, Plan, Privilege, Source, Tool};

/// A lab whose router counts echo requests that match: name and nft's words.
fn counting_lab(matching: &[(&str, &str)]) -> Option<Lab> {
    let lab = Plan::chain(1).with_ping_sockets().build()?;
    let rules = matching.iter().map(|(name, words)| {
        format!("add counter inet lab n_{name}\nadd rule inet lab forward {words} counter name n_{name}\n")
    });
    lab.router(1).nft(&rules.collect::<String>());
    Some(lab)
}

/// Whether a user may do it as well.
#[derive(Clone, Copy, PartialEq)]
enum For {
    Everybody,
    Root,
}

#[test]
fn packets_leave_by_the_interface_that_is_named_although_another_has_the_better_route() {
    let Some(lab) = counting_lab(&[]) else { return };
    lab.host().sh("echo 0 > /proc/sys/net/ipv4/conf/all/rp_filter; echo 0 > /proc/sys/net/ipv4/conf/right/rp_filter; \
         ip link add spare type veth peer name other; ip link set spare up; ip link set other up; \
         ip address add 10.98.0.1/24 dev spare; ip address add fd98::1/64 dev spare nodad; \
         ip route add 10.9.1.0/24 via 10.98.0.2 metric 1; ip -6 route add fd09:1::/64 via fd98::2 metric 1; \
         ip route add 10.9.1.0/24 via 10.9.0.2 metric 9; ip -6 route add fd09:1::/64 via fd09::2 metric 9");
    for (target, source) in [(lab.target_v4(), "--source=10.9.0.1"), (lab.target_v6(), "--source=fd09::1")] {
        for method in ["--socket=raw", "--socket=dgram", "--udp=9", "--tcp=9"] {
            for sourced in [&[][..], &[source], &["-B"]] {
                let run = lab.host().rping(&[&["-c1", "-W1", "--json", "-Iright", method, &*target], sourced].concat());
                let summary = run.object("summary");
                let answered = summary["received"].as_u64().zip(summary["refused"].as_u64()).map(|(a, b)| a + b);
                assert_eq!(answered, Some(1), "{method} {run:#?}");
            }
        }
        let run = lab.host().rping(&["--alive", "-W1", "-Iright", &target]);
        assert_eq!(run.stdout, format!("{target}\n"), "{run:#?}");
        for method in ["-I", "-U", "-T"] {
            let run = lab.host().rtrace(&["-n", "-iright", method, "--json", &target]);
            assert_eq!(run.object("trace")["reached"], true, "{method} {run:#?}");
        }
    }
}

#[test]
fn every_target_is_probed_from_the_interface_that_is_named_although_another_has_the_better_route() {
    let Some(lab) = counting_lab(&[("other", "ip saddr 10.98.0.1"), ("other_6", "ip6 saddr fd98::1")]) else { return };
    lab.host().sh("ip link add spare type veth peer name other; ip link set spare up; ip link set other up; \
         ip address add 10.98.0.1/24 dev spare; ip address add fd98::1/64 dev spare nodad; \
         ip route add 192.0.2.0/24 via 10.98.0.2 metric 1; ip -6 route add 2001:db8::/64 via fd98::2 metric 1");
    let v4 = (["192.0.2.1", "192.0.2.2", "192.0.2.3"], "192.0.2.1-192.0.2.3", "10.9.0.1");
    let v6 = (["2001:db8::1", "2001:db8::2", "2001:db8::3"], "2001:db8::1-2001:db8::3", "fd09::1");
    for (targets, range, source) in [v4, v6] {
        for mark in [&[][..], &["--mark=7"]] {
            for method in ["-I", "-U", "-T"] {
                let run = lab.host().rtrace(&[&["-n", "-iright", method, "--json"], mark, &targets].concat());
                let seen: Vec<_> =
                    run.objects("trace").iter().map(|t| (t["reached"].clone(), t["source"].clone())).collect();
                assert_eq!(seen, vec![(true.into(), source.into()); 3], "{method} {mark:?} {run:#?}");
            }
        }
        let run = lab.host().rping(&["--tcp=9", "-Iright", range]);
        assert_eq!(run.stdout.matches(" : refused,").count(), 3, "{run:#?}");
    }
    assert_eq!((lab.router(1).counted("n_other"), lab.router(1).counted("n_other_6")), (0, 0));
}

#[test]
fn fields_that_are_asked_for_are_on_the_wire() {
    let Some(lab) = counting_lab(&[
        ("tos_4", "icmp type echo-request ip dscp ef"),
        ("tos_6", "icmpv6 type echo-request ip6 dscp ef"),
        ("label", "icmpv6 type echo-request ip6 flowlabel 0x12345"),
        ("ttl", "icmp type echo-request ip ttl 8"),
        ("hops", "icmpv6 type echo-request ip6 hoplimit 8"),
        ("size", "icmp type echo-request ip length 128"),
        ("df", "icmp type echo-request ip frag-off & 0x4000 == 0x4000"),
        ("no_df", "icmp type echo-request ip frag-off & 0x4000 == 0"),
        ("source", "icmp type echo-request ip saddr 10.9.0.9"),
        ("pattern", "icmp type echo-request @th,192,32 0xabcdabcd"),
        ("ident", "icmp type echo-request icmp id 4660"),
        ("any", "icmp type echo-request"),
    ]) else {
        return;
    };
    lab.host().sh("ip address add 10.9.0.9/24 dev right");
    let (v4, v6) = (lab.target_v4(), lab.target_v6());
    let cases: [(&str, &[&str], &str, For); 17] = [
        ("tos_4", &["-Q184"], &v4, For::Everybody),
        ("tos_4", &["-Q", "0xb8"], &v4, For::Everybody),
        ("tos_4", &["--dscp", "ef"], &v4, For::Everybody),
        ("tos_6", &["-Q184"], &v6, For::Everybody),
        ("label", &["-F", "0x12345"], &v6, For::Everybody),
        ("ttl", &["-t9"], &v4, For::Everybody),
        ("hops", &["-t9"], &v6, For::Everybody),
        ("size", &["-s100"], &v4, For::Everybody),
        ("df", &["-Mdo"], &v4, For::Everybody),
        ("df", &["-Mprobe"], &v4, For::Everybody),
        ("no_df", &["-Mdont"], &v4, For::Everybody),
        ("source", &["-I", "10.9.0.9"], &v4, For::Everybody),
        ("any", &["-I", "right"], &v4, For::Everybody),
        ("pattern", &["-p", "abcd"], &v4, For::Everybody),
        ("ident", &["-e", "4660"], &v4, For::Root),
        ("any", &["-l3"], &v4, For::Everybody),
        ("any", &["-A"], &v4, For::Everybody),
    ];
    for (counter, flags, target, who) in cases {
        for privilege in [Privilege::Root, Privilege::Nothing] {
            if who == For::Root && privilege == Privilege::Nothing {
                continue;
            }
            let before = lab.router(1).counted(&format!("n_{counter}"));
            let run = lab.host().run(Tool::Rping, privilege, &[flags, &["-c3", "-i0.01", target]].concat());
            assert_eq!((run.code(), run.stderr.as_str()), (0, ""), "{flags:?} {privilege:?}: {run:#?}");
            let seen = lab.router(1).counted(&format!("n_{counter}")) - before;
            assert_eq!(seen, 3, "{flags:?} {privilege:?}: {run:#?}");
        }
    }
}

#[test]
fn a_mark_is_set_by_root() {
    let Some(lab) = Plan::chain(1).build() else { return };
    lab.host().nft(
        "add counter inet lab marked\nadd rule inet lab output icmp type echo-request meta mark 7 counter name marked",
    );
    let run = lab.host().rping(&["-m7", "-c2", "-i0.01", &lab.target_v4()]);
    assert_eq!((run.code(), lab.host().counted("marked")), (0, 2), "{run:#?}");
}

/// Every method of both tools, with the option that names an interface and the one that sets a mark.
const METHODS: [(Tool, &[&str], &str); 9] = [
    (Tool::Rping, &["-c1"], "-I"),
    (Tool::Rping, &["-c1", "--socket", "dgram"], "-I"),
    (Tool::Rping, &["-c1", "--udp=9"], "-I"),
    (Tool::Rping, &["-c1", "--stamp=9"], "-I"),
    (Tool::Rping, &["-c1", "--tcp=9"], "-I"),
    (Tool::Rtrace, &["-nq1", "-I"], "-i"),
    (Tool::Rtrace, &["-nq1", "-I", "--socket", "dgram"], "-i"),
    (Tool::Rtrace, &["-nq1", "-M", "udp", "--socket", "dgram"], "-i"),
    (Tool::Rtrace, &["-nq1", "-T"], "-i"),
];

/// Whether the target answered a run with JSON, and its source.
fn reached(run: &Finished) -> (bool, String) {
    let lines = run.json();
    let last = lines.last().expect("a result");
    let answered = last["reached"] == true || last["received"] == 1 || last["refused"] == 1;
    (answered, lines[0]["source"].as_str().expect("a source").to_owned())
}

#[test]
fn packets_have_the_source_that_was_found_where_rules_of_routing_depend_on_it() {
    let Some(lab) = Plan::chain(1).with_ping_sockets().build() else { return };
    lab.host().sh("ip route replace default dev right
        ip -6 route del default
        ip -6 route add default dev right
        ip route add default via 10.9.0.2 table 100
        ip -6 route add default via fd09::2 table 100
        ip rule add from 10.9.0.1 table 100
        ip -6 rule add from fd09::1 table 100");
    for (tool, method, interface) in METHODS {
        for (target, source) in [(lab.target_v4(), "10.9.0.1"), (lab.target_v6(), "fd09::1")] {
            // The kernel finds the route of an IPv6 ping socket's packet without its source.
            if method.contains(&"--socket") && !method.contains(&"udp") && source == "fd09::1" {
                continue;
            }
            let run = lab.host().run(tool, Privilege::Root, &[method, &["-j", interface, "right", &target]].concat());
            assert_eq!(reached(&run), (true, source.to_owned()), "{method:?} {run:#?}");
        }
    }
}

#[test]
fn the_source_is_that_of_the_route_which_the_mark_selects() {
    let Some(lab) = Plan::chain(1).with_ping_sockets().build() else { return };
    lab.host().sh("ip address add 10.9.0.9/24 dev right
        ip -6 address add fd09::9/64 dev right nodad
        ip route add default via 10.9.0.2 src 10.9.0.9 table 100
        ip -6 route add default via fd09::2 src fd09::9 table 100
        ip rule add fwmark 7 table 100
        ip -6 rule add fwmark 7 table 100");
    lab.router(1).nft(
        "add counter inet lab other
        add rule inet lab forward ip saddr 10.9.0.1 counter name other
        add rule inet lab forward ip6 saddr fd09::1 counter name other",
    );
    for (tool, method, _) in METHODS.into_iter().filter(|(_, method, _)| !method.contains(&"--tcp=9")) {
        let mark = if tool == Tool::Rping { "-m7" } else { "--mark=7" };
        for (target, source) in [(lab.target_v4(), "10.9.0.9"), (lab.target_v6(), "fd09::9")] {
            let run = lab.host().run(tool, Privilege::Root, &[method, &["-j", mark, &target]].concat());
            assert_eq!(reached(&run), (true, source.to_owned()), "{method:?} {run:#?}");
        }
    }
    assert_eq!(lab.router(1).counted("other"), 0);
}

#[test]
fn the_header_is_pings() {
    let Some(lab) = Plan::chain(1).build() else { return };
    let (v4, v6) = (lab.target_v4(), lab.target_v6());
    for (arguments, header) in [
        (&["-I", "right", &v4][..], format!("PING {v4} ({v4}) from 10.9.0.1 right: 56(84) bytes of data.")),
        (&["-I", "10.9.0.1", &v4], format!("PING {v4} ({v4}) from 10.9.0.1 : 56(84) bytes of data.")),
        (&["-s", "0", &v4], format!("PING {v4} ({v4}) 0(28) bytes of data.")),
        (&["-I", "right", &v6], format!("PING {v6} ({v6}) from fd09::1 right: 56 data bytes")),
        (&["-F", "0x12345", &v6], format!("PING {v6} ({v6}) , flow 0x12345, 56 data bytes")),
        (&["-p", "ff00", &v4], "PATTERN: 0xff00".to_owned()),
    ] {
        let run = lab.host().rping(&[&["-c1"], arguments].concat());
        assert_eq!(run.stdout.lines().next(), Some(&*header), "{run:#?}");
        assert_eq!(run.code(), 0, "{run:#?}");
    }
    let quiet = lab.host().rping(&["-q", "-c2", "-i0.01", &v4]).stdout;
    let lines: Vec<&str> = quiet.lines().collect();
    assert_eq!(
        lines[..3],
        [&*format!("PING {v4} ({v4}) 56(84) bytes of data."), "", &*format!("--- {v4} ping statistics ---")]
    );
    assert_eq!(lines.len(), 5, "{quiet}");
}

#[test]
fn a_packet_larger_than_the_interface_takes_is_refused_here() {
    let Some(lab) = Plan::chain(1).with_ping_sockets().build() else { return };
    for privilege in [Privilege::Root, Privilege::Nothing] {
        for target in [lab.target_v4(), lab.target_v6()] {
            let arguments = ["-c2", "-i0.05", "-W0.3", "-Mdo", "-s2000", &target];
            let run = lab.host().run(Tool::Rping, privilege, &arguments);
            let text = format!("{}{}", run.stdout, run.stderr).to_lowercase();
            assert!(text.contains("message too long") && text.contains("1500"), "{run:#?}");
            assert_eq!(run.code(), 2, "not one probe could be sent: {run:#?}");
            let run = lab.host().run(Tool::Rping, privilege, &[&["--json"], &arguments[..]].concat());
            let summary = run.object("summary");
            assert_eq!(
                (&summary["sent"], &summary["send_failed"], &summary["lost"]),
                (&0.into(), &2.into(), &0.into())
            );
            assert_eq!(summary["state"], "unknown", "{summary}");
        }
    }
}

#[test]
fn link_local_addresses_and_groups_are_reached_through_their_interface() {
    let Some(lab) = Plan::chain(1).with_ping_sockets().build() else { return };
    let link_local = lab.router(1).ask("ip -6 -brief address show dev left scope link | grep -o 'fe80[^/]*'");
    let link_local = link_local.trim();
    for privilege in [Privilege::Root, Privilege::Nothing] {
        let target = format!("{link_local}%right");
        let run = lab.host().run(Tool::Rping, privilege, &["-c2", "-i0.05", &target]);
        run.says("2 packets transmitted, 2 received, 0% packet loss");
        let run = lab.host().run(Tool::Rping, privilege, &["-c1", "ff02::1%right"]);
        assert_eq!(run.code(), 0, "{run:#?}");
        run.says("64 bytes from fe80:");
        assert!(!run.stdout.contains("DIFFERENT ADDRESS"), "{run:#?}");
    }
    let run = lab.host().rping(&["-c1", &format!("{link_local}%nowhere")]);
    assert_eq!(run.code(), 2, "{run:#?}");
}

#[test]
fn a_broadcast_address_is_refused_by_its_name() {
    let Some(lab) = Plan::chain(1).build() else { return };
    let run = lab.host().rping(&["-c1", "-W1", "10.9.0.255"]);
    assert_eq!((run.code(), run.stdout.as_str()), (2, ""), "{run:#?}");
    assert!(run.stderr.contains("broadcast"), "{run:#?}");
}

#[test]
fn an_interface_or_source_that_is_not_there_ends_with_status_two() {
    let Some(lab) = Plan::chain(1).with_ping_sockets().build() else { return };
    for tool in [Tool::Rping, Tool::Rtrace] {
        for privilege in [Privilege::Root, Privilege::Nothing] {
            let (interface, source) = if tool == Tool::Rping { ("-I", "-I") } else { ("-i", "-s") };
            for (flag, value, words) in
                [(interface, "nowhere", "No such device"), (source, "203.0.113.7", "Cannot assign requested address")]
            {
                let run = lab.host().run(tool, privilege, &[flag, value, &lab.target_v4()]);
                assert_eq!((run.code(), run.stdout.as_str()), (2, ""), "{run:#?}");
                assert!(run.stderr.contains(words), "{run:#?}");
            }
        }
    }
}

#[test]
fn an_interface_that_comes_back_is_used_again_and_reported_once_with_what_it_cost() {
    let Some(lab) = Plan::chain(1).with_ping_sockets().build() else { return };
    let host = lab.host();
    let create = "ip link add w0 type veth peer name w1; ip address add 10.5.0.1/24 dev w0
         ip address add fd05::1/64 dev w0 nodad; ip link set w0 up; ip link set w1 up";
    for privilege in [Privilege::Root, Privilege::Nothing] {
        for (method, address) in [("--icmp", "10.5.0.2"), ("--icmp", "fd05::2"), ("--stamp", "10.5.0.2")] {
            host.sh(create);
            let arguments = ["-Iw0", method, "-i0.1", "-c15", "-W0.1", address];
            let mut text = host.start(Tool::Rping, privilege, &arguments);
            let mut json = host.start(Tool::Rping, privilege, &[&["--json"], &arguments[..]].concat());
            // Nobody has the address: an echo request is lost after its wait, a STAMP probe had no neighbour.
            json.until(Source::Data, if method == "--icmp" { "\"timeout\"" } else { "\"type\":\"error\"" });
            host.sh("ip link delete w0");
            json.until(Source::Data, "\"send_failed\"");
            text.until(Source::Talk, "rping: ");
            host.sh(create);
            let (text, json) = (text.finish(), json.finish());
            let outage = json.object("outage");
            let failed = json.object("summary")["send_failed"].clone();
            assert_eq!((&outage["interface"], &outage["send_failed"]), (&"w0".into(), &failed), "{json:#?}");
            assert!(failed.as_u64().is_some_and(|failed| (1..14).contains(&failed)), "{json:#?}");
            let reports = text.stderr.matches("w0 was deleted and is there again: ").count();
            assert_eq!(reports, 1, "{text:#?}");
            host.sh("ip link delete w0");
        }
    }
}
