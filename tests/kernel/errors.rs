//! What routers say about a probe, in ping's words and in JSON.

use crate::lab::{Lab, Plan, Privilege, Tool, hop_v4, hop_v6};

/// nft's name of an ICMP code, its text line, and what JSON calls it.
const REJECTED_V4: [(&str, &str, &str); 7] = [
    ("net-unreachable", "Destination Net Unreachable", "net_unreachable"),
    ("host-unreachable", "Destination Host Unreachable", "host_unreachable"),
    ("prot-unreachable", "Destination Protocol Unreachable", "protocol_unreachable"),
    ("port-unreachable", "Destination Port Unreachable", "port_unreachable"),
    ("net-prohibited", "Destination Net Prohibited", "prohibited"),
    ("host-prohibited", "Destination Host Prohibited", "prohibited"),
    ("admin-prohibited", "Packet filtered", "prohibited"),
];

const REJECTED_V6: [(&str, &str, &str); 6] = [
    ("no-route", "Destination unreachable: No route", "net_unreachable"),
    ("admin-prohibited", "Destination unreachable: Administratively prohibited", "prohibited"),
    ("addr-unreachable", "Destination unreachable: Address unreachable", "host_unreachable"),
    ("port-unreachable", "Destination unreachable: Port unreachable", "port_unreachable"),
    ("policy-fail", "Destination unreachable: Source address failed ingress/egress policy", "prohibited"),
    ("reject-route", "Destination unreachable: Reject route to destination", "prohibited"),
];

/// A lab whose router 2 answers probes to the target's address number `n` with the code number `n`.
fn rejecting_lab() -> Option<Lab> {
    let lab = Plan::chain(2).with_ping_sockets().build()?;
    let v4 = REJECTED_V4.iter().enumerate().map(|(at, (code, ..))| {
        format!("add rule inet lab forward ip daddr 192.0.2.{} reject with icmp type {code}\n", at + 1)
    });
    let v6 = REJECTED_V6.iter().enumerate().map(|(at, (code, ..))| {
        format!("add rule inet lab forward ip6 daddr 2001:db8::{} reject with icmpv6 type {code}\n", at + 1)
    });
    lab.router(2).nft(&v4.chain(v6).collect::<String>());
    Some(lab)
}

/// Each rejected address with its router, the text and the JSON kind.
fn rejections() -> Vec<(String, String, &'static str, &'static str)> {
    let v4 = REJECTED_V4
        .iter()
        .enumerate()
        .map(|(at, &(_, text, kind))| (format!("192.0.2.{}", at + 1), hop_v4(2), text, kind));
    let v6 = REJECTED_V6
        .iter()
        .enumerate()
        .map(|(at, &(_, text, kind))| (format!("2001:db8::{}", at + 1), hop_v6(2), text, kind));
    v4.chain(v6).collect()
}

#[test]
fn every_kind_of_rejection_is_reported_in_pings_words_over_both_sockets() {
    let Some(lab) = rejecting_lab() else { return };
    for privilege in [Privilege::Root, Privilege::Nothing] {
        for (address, router, text, _) in rejections() {
            let run = lab.host().run(Tool::Rping, privilege, &["-c1", "-W1", &address]);
            run.says(&format!("From {router} icmp_seq=1 {text}"));
            run.says("1 packets transmitted, 0 received, +1 errors, 100% packet loss, time ");
            assert_eq!(run.code(), 1, "{run:#?}");
        }
    }
}

#[test]
fn every_kind_of_rejection_has_its_json_name() {
    let Some(lab) = rejecting_lab() else { return };
    for (address, router, _, kind) in rejections() {
        let run = lab.host().rping(&["--json", "-c1", "-W1", &address]);
        let error = run.object("error");
        assert_eq!((error["kind"].as_str(), error["responder"].as_str()), (Some(kind), Some(&*router)), "{error}");
        assert_eq!(error["origin"], "router");
        assert_eq!(error["state"], "unreachable");
        let summary = run.object("summary");
        assert_eq!(summary["sent"], 1);
        assert_eq!(summary["unreachable"], 1);
        assert_eq!(summary["lost"], 0);
        assert_eq!(summary["rtt_stats_ms"], serde_json::Value::Null);
    }
}

#[test]
fn errors_to_three_hundred_probes_keep_their_sequence() {
    let Some(lab) = rejecting_lab() else { return };
    let run = lab.host().rping(&["-c300", "-i0.002", "192.0.2.2"]);
    run.says(&format!("From {} icmp_seq=300 Destination Host Unreachable", hop_v4(2)));
    run.says("300 packets transmitted, 0 received, +300 errors, 100% packet loss");
}

#[test]
fn a_ttl_that_runs_out_is_reported_with_the_router_that_saw_it() {
    let Some(lab) = Plan::chain(3).build() else { return };
    for ttl in 1..=3 {
        let run = lab.host().rping(&["-c1", "-W1", "-t", &ttl.to_string(), &lab.target_v4()]);
        run.says(&format!("From {} icmp_seq=1 Time to live exceeded", hop_v4(ttl)));
        let run = lab.host().rping(&["-c1", "-W1", "-t", &ttl.to_string(), &lab.target_v6()]);
        run.says(&format!("From {} icmp_seq=1 Time exceeded: Hop limit", hop_v6(ttl)));
    }
    assert_eq!(lab.host().rping(&["-c1", "-t", "4", &lab.target_v4()]).code(), 0);
}

/// A lab whose link between router 1 and router 2 takes packets of 1280 octets.
fn narrow_lab() -> Option<Lab> {
    let lab = Plan::chain(2).with_ping_sockets().build()?;
    lab.router(1).sh("ip link set right mtu 1280");
    lab.router(2).sh("ip link set left mtu 1280");
    Some(lab)
}

#[test]
fn a_packet_too_big_for_the_path_names_the_mtu() {
    let Some(lab) = narrow_lab() else { return };
    for privilege in [Privilege::Root, Privilege::Nothing] {
        let arguments = ["-c2", "-i0.2", "-W1", "-s1400", "-Mprobe"];
        let target = lab.target_v4();
        let run = lab.host().run(Tool::Rping, privilege, &[&arguments[..], &[&target]].concat());
        for sequence in 1..=2 {
            run.says(&format!("From {} icmp_seq={sequence} Frag needed and DF set (mtu = 1280)", hop_v4(1)));
        }
        run.says("2 packets transmitted, 0 received, +2 errors, 100% packet loss");
        let target = lab.target_v6();
        let run = lab.host().run(Tool::Rping, privilege, &[&arguments[..], &[&target]].concat());
        run.says(&format!("From {} icmp_seq=1 Packet too big: mtu=1280", hop_v6(1)));
        assert_eq!(run.code(), 1, "{run:#?}");
    }
}

#[test]
fn the_mtu_of_an_error_is_a_number_in_json() {
    let Some(lab) = narrow_lab() else { return };
    for target in [lab.target_v4(), lab.target_v6()] {
        let error = lab.host().rping(&["--json", "-c1", "-W1", "-s1400", "-Mprobe", &target]).object("error");
        assert_eq!((error["kind"].as_str(), error["mtu"].as_u64()), (Some("too_big"), Some(1280)), "{error}");
    }
}

#[test]
fn a_packet_that_may_be_fragmented_passes_the_narrow_link() {
    let Some(lab) = narrow_lab() else { return };
    let run = lab.host().rping(&["-c2", "-i0.2", "-s1400", "-Mdont", &lab.target_v4()]);
    run.says(&format!("1408 bytes from {}: icmp_seq=2 ttl=62", lab.target_v4()));
    assert_eq!(run.code(), 0);
}

#[test]
fn a_router_without_a_route_differs_from_one_that_drops() {
    let Some(lab) = Plan::chain(2).build() else { return };
    lab.router(2).sh("ip route add unreachable 198.51.100.1/32; ip route add blackhole 198.51.100.2/32");
    let run = lab.host().rping(&["-c1", "-W1", "198.51.100.1"]);
    run.says(&format!("From {} icmp_seq=1 Destination Host Unreachable", hop_v4(2)));
    let run = lab.host().rping(&["-c2", "-i0.2", "-W0.3", "198.51.100.2"]);
    run.says("2 packets transmitted, 0 received, 100% packet loss, time ");
    assert_eq!((run.code(), run.stderr.as_str()), (1, ""), "{run:#?}");
    assert!(run.stdout.ends_with("ms\n\n"), "the empty line where there is no rtt: {run:#?}");
}

#[test]
fn a_host_without_a_route_says_so_and_is_not_answered() {
    let Some(lab) = Plan::chain(1).build() else { return };
    lab.host().sh("ip route add unreachable 198.51.100.0/24; ip route del default");
    for (target, words) in [("198.51.100.1", "No route to host"), ("203.0.113.1", "Network is unreachable")] {
        let run = lab.host().rping(&["-c1", "-W1", target]);
        assert_ne!(run.code(), 0, "{run:#?}");
        assert!(format!("{}{}", run.stdout, run.stderr).contains(words), "{run:#?}");
    }
}

#[test]
fn a_neighbour_that_does_not_exist_is_unreachable_from_here() {
    let Some(lab) = Plan::chain(1).build() else { return };
    lab.host().look_for_neighbours_shortly();
    let run = lab.host().rping(&["-c1", "-W5", "10.9.0.77"]);
    run.says("From 10.9.0.1 icmp_seq=1 Destination Host Unreachable");
    assert_eq!(run.code(), 1, "{run:#?}");
}

#[test]
fn errors_of_this_host_are_not_lost_by_naming_the_interface() {
    let Some(lab) = Plan::chain(1).with_ping_sockets().build() else { return };
    lab.host().look_for_neighbours_shortly();
    for (address, from) in [("10.9.0.77", "10.9.0.1"), ("fd09::77", "fd09::1")] {
        for method in ["--icmp", "--udp=9", "--stamp"] {
            let run = lab.host().rping(&["--json", "-Iright", "-c1", "-W3", method, address]);
            let [error] = &run.objects("error")[..] else { panic!("one error: {run:#?}") };
            assert_eq!((&error["kind"], &error["responder"]), (&"host_unreachable".into(), &from.into()), "{run:#?}");
        }
    }
}

/// The host's neighbours that do not exist, and hosts behind a gateway that does not, with our address as their probes have it.
const NOBODY: [(&str, &str); 4] =
    [("10.9.0.77", "10.9.0.1"), ("198.51.100.9", "10.9.0.1"), ("fd09::77", "fd09::1"), ("2001:db8:51::9", "fd09::1")];

/// A lab in which nobody of those is there; the kernel reports that after a second.
fn deserted_lab() -> Option<Lab> {
    let lab = Plan::chain(1).with_ping_sockets().build()?;
    lab.host().sh("ip route add 198.51.100.0/24 via 10.9.0.77; ip -6 route add 2001:db8:51::/48 via fd09::77");
    // Over IPv6 a host uses its default route instead of one whose gateway is known to be missing (RFC 4191 §3.2).
    lab.host().sh("ip -6 route del default");
    for family in ["ipv4", "ipv6"] {
        lab.host().sh(&format!("echo 1 > /proc/sys/net/{family}/neigh/right/mcast_solicit"));
    }
    Some(lab)
}

#[test]
fn a_neighbour_that_does_not_exist_is_unreachable_by_every_method_however_short_the_wait() {
    let Some(lab) = deserted_lab() else { return };
    for (address, from) in NOBODY {
        for method in ["--udp=9", "--udp=dns", "--stamp", "--tcp=443"] {
            for interface in [&[][..], &["-Iright"]] {
                let arguments = [&["-c4", "-i0.05", "-W0.2", method, address], interface].concat();
                let run = lab.host().run(Tool::Rping, Privilege::Nothing, &arguments);
                assert_eq!(run.stdout.matches(&format!("From {from} ")).count(), 4, "{run:#?}");
                run.says("4 packets transmitted, 0 received, +4 errors, 100% packet loss");
                assert_eq!((run.stdout.contains("no answer"), run.code()), (false, 1), "{run:#?}");
            }
        }
        let run = lab.host().rping(&["--json", "-w1", "-i0.01", "--udp=9", "-W0.1", address]);
        let summary = run.object("summary");
        assert_eq!((&summary["lost"], &summary["state"]), (&0.into(), &"unreachable".into()), "{run:#?}");
        let [unreachable, pending, sent] = ["unreachable", "pending", "sent"].map(|key| summary[key].as_u64());
        assert_eq!((unreachable > Some(0), unreachable.zip(pending).map(|(a, b)| a + b)), (true, sent), "{summary}");
    }
}

#[test]
fn the_kernels_own_report_of_a_neighbour_that_is_known_to_be_missing_is_no_second_error() {
    let Some(lab) = deserted_lab() else { return };
    for (address, from) in [NOBODY[0], NOBODY[2]] {
        for method in ["--udp=9", "--stamp"] {
            let run = lab.host().rping(&["-c4", "-i0.7", "-W0.3", method, address]);
            assert_eq!(run.stdout.matches(&format!("From {from} ")).count(), 4, "{run:#?}");
            run.says("4 packets transmitted, 0 received, +4 errors, 100% packet loss");
        }
    }
}

#[test]
fn a_wait_that_is_over_before_the_kernel_reports_a_missing_neighbour_is_silence_to_icmp_as_with_ping() {
    let Some(lab) = deserted_lab() else { return };
    let (root, nothing) = (Privilege::Root, Privilege::Nothing);
    // Each is asked for once: the report of a question that was asked before comes earlier.
    for (privilege, address) in [(root, "10.9.0.77"), (nothing, "10.9.0.78"), (root, "fd09::77"), (nothing, "fd09::78")]
    {
        let run = lab.host().run(Tool::Rping, privilege, &["-c1", "-W0.2", address]);
        run.says("1 packets transmitted, 0 received, 100% packet loss");
        assert!(!run.stdout.contains("From "), "{run:#?}");
    }
}
