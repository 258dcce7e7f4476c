//! `rping --contrast`: what each kind of socket sees of one target, on the real kernel.

use std::time::Duration;

use serde_json::Value;

use crate::helper::Helper;
use crate::lab::{Finished, Lab, Plan, Privilege, Tool, hop_v4, hop_v6};

/// Twenty rounds in a moment.
const QUICK: [&str; 4] = ["--contrast", "-i5ms", "-W500ms", "--json"];

fn contrast(lab: &Lab, privilege: Privilege, arguments: &[&str]) -> (Finished, Value) {
    let run = lab.host().run(Tool::Rping, privilege, &[&QUICK, arguments].concat());
    assert_eq!(run.stderr, "", "{run:#?}");
    let object = run.object("contrast");
    assert_eq!(run.objects("summary").len(), 4, "{run:#?}");
    (run, object)
}

/// Kinds of the findings, each with its method; delays are left out, because on one machine they are what the load makes of them.
fn findings(object: &Value) -> Vec<String> {
    let all = object["findings"].as_array().expect("findings");
    let found = all.iter().filter(|finding| !matches!(finding["kind"].as_str(), Some("slower" | "faster")));
    found.map(|finding| format!("{} {}", finding["method"], finding["kind"]).replace('"', "")).collect()
}

/// Of each row: method, socket, who answered, and how many probes it sent, received and had refused.
fn rows(object: &Value) -> Vec<String> {
    let row = |row: &Value| {
        let who = row["responders"][0]["who"].as_str().unwrap_or("nobody");
        let text = |key: &str| row[key].to_string().replace('"', "");
        let [method, socket, sent, received, refused] = ["method", "socket", "sent", "received", "refused"].map(text);
        format!("{method} {socket} {who} {sent} {received} {refused}")
    };
    object["methods"].as_array().expect("methods").iter().map(row).collect()
}

#[test]
fn every_kind_of_socket_sees_an_open_host() {
    let Some(lab) = Plan::chain(1).with_ping_sockets().build() else { return };
    let target = lab.target();
    target.sh("sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0");
    let _listener = Helper::listener(target);
    for address in [lab.target_v4(), lab.target_v6()] {
        for privilege in [Privilege::Root, Privilege::Nothing] {
            let (run, object) = contrast(&lab, privilege, &["--tcp=443", &address]);
            assert_eq!((run.code(), findings(&object)), (0, Vec::new()), "{run:#?}");
            let raw = if privilege == Privilege::Root { "icmp raw kernel 20 20 0" } else { "icmp raw nobody 0 0 0" };
            let others = ["icmp dgram kernel 20 20 0", "udp dgram kernel 20 0 20", "tcp stream tcp_stack 20 20 0"];
            assert_eq!(rows(&object), [&[raw], &others[..]].concat(), "{run:#?}");
        }
    }
}

#[test]
fn methods_that_may_not_run_keep_their_rows() {
    let Some(lab) = Plan::chain(1).build() else { return };
    let _listener = Helper::listener(lab.target());
    let (run, object) = contrast(&lab, Privilege::Nothing, &["--tcp=443", &lab.target_v4()]);
    assert_eq!(run.code(), 0, "{run:#?}");
    let reasons = ["socket: Operation not permitted", "socket: Permission denied"];
    for (row, reason) in object["methods"].as_array().expect("methods").iter().zip(reasons) {
        assert_eq!((&row["ran"], row["reason"].as_str()), (&Value::Bool(false), Some(reason)), "{run:#?}");
    }
    assert_eq!(object["reference"]["method"], "udp", "{run:#?}");
}

#[test]
fn a_host_that_drops_icmp_is_not_called_down() {
    let Some(lab) = Plan::chain(1).with_ping_sockets().build() else { return };
    let target = lab.target();
    target.nft(
        "add rule inet lab input icmp type echo-request drop\nadd rule inet lab input icmpv6 type echo-request drop",
    );
    let _listener = Helper::listener(target);
    for address in [lab.target_v4(), lab.target_v6()] {
        let (run, object) = contrast(&lab, Privilege::Root, &["--tcp=443", &address]);
        assert_eq!((run.code(), findings(&object)), (0, vec!["icmp icmp_blocked".to_owned()]), "{run:#?}");
    }
}

#[test]
fn closed_ports_and_routers_that_reject_are_reported() {
    let Some(lab) = Plan::chain(1).with_ping_sockets().build() else { return };
    for address in [lab.target_v4(), lab.target_v6()] {
        let (run, object) = contrast(&lab, Privilege::Root, &["--tcp=443", "--udp=9", &address]);
        let found = findings(&object);
        assert!(found.contains(&"tcp refused".to_owned()) && found.contains(&"udp refused".to_owned()), "{run:#?}");
        assert_eq!(run.code(), 0, "{run:#?}");
    }
    lab.router(1).nft("add rule inet lab forward tcp dport 443 reject with icmpx type admin-prohibited");
    for (address, router) in [(lab.target_v4(), hop_v4(1)), (lab.target_v6(), hop_v6(1))] {
        let (run, object) = contrast(&lab, Privilege::Root, &["--tcp=443", &address]);
        assert_eq!(findings(&object), ["tcp rejected"], "{run:#?}");
        let by = &object["methods"][3]["responders"][0];
        assert_eq!((by["who"].as_str(), by["address"].as_str()), (Some("router"), Some(&*router)), "{run:#?}");
    }
}

#[test]
fn what_this_host_reports_to_itself_is_no_routers_word() {
    let Some(lab) = Plan::chain(1).with_ping_sockets().build() else { return };
    lab.host().look_for_neighbours_shortly();
    for address in ["10.9.0.77", "fd09::77"] {
        let (run, object) = contrast(&lab, Privilege::Root, &["--tcp=443", "--udp=9", address]);
        assert!(rows(&object).iter().all(|row| row.contains(" this_host 20 0 0")), "{run:#?}");
        let text = lab.host().rping(&["--contrast", "-c3", "-i5ms", "-W500ms", "--tcp=443", address]);
        text.says("this host");
        assert!(!text.stdout.contains("router"), "{text:#?}");
    }
}

#[test]
fn icmp_that_takes_longer_than_the_services_is_reported() {
    let Some(lab) = Plan::chain(1).with_ping_sockets().build() else { return };
    let (router, target) = (lab.router(1), lab.target());
    let Some(_detour) = Helper::detour(router, Duration::from_millis(20)) else { return };
    target.sh("sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0");
    router.sh("ip rule add pref 10 iif left ipproto icmp lookup 100; ip route add default dev tun0 table 100
         ip -6 rule add pref 10 iif left ipproto ipv6-icmp lookup 100; ip -6 route add default dev tun0 table 100");
    let _listener = Helper::listener(target);
    for address in [lab.target_v4(), lab.target_v6()] {
        let run = lab.host().rping(&["--contrast", "-i25ms", "--json", "--tcp=443", &address]);
        let object = run.object("contrast");
        let found: Vec<_> = object["findings"].as_array().expect("findings").iter().collect();
        let kinds: Vec<_> = found.iter().map(|one| (one["method"].as_str(), one["kind"].as_str())).collect();
        assert_eq!(kinds, [(Some("udp"), Some("faster")), (Some("tcp"), Some("faster"))], "{run:#?}");
        for finding in found {
            // What the load of this machine adds is the same for all methods.
            assert!(finding["median_difference_ms"].as_f64().is_some_and(|ms| ms < -10.0), "{finding}");
        }
    }
}

/// The comparison of the values of one thing, twenty rounds in a moment.
fn values(lab: &Lab, arguments: &[&str]) -> (Finished, Value) {
    let run = lab.host().rping(&[&["-q", "-i5ms", "-W100ms", "--json"], arguments].concat());
    assert_eq!(run.stderr, "", "{run:#?}");
    let object = run.object("contrast");
    (run, object)
}

/// Kinds of the findings, each with its value, and no delays.
fn found(object: &Value) -> Vec<String> {
    let all = object["findings"].as_array().expect("findings");
    let found = all.iter().filter(|finding| !matches!(finding["kind"].as_str(), Some("slower" | "faster")));
    found.map(|finding| format!("{} {}", finding["variant"], finding["kind"]).replace('"', "")).collect()
}

#[test]
fn a_class_of_traffic_that_is_dropped_or_remarked_is_found_in_both_families() {
    let Some(lab) = Plan::chain(1).with_ping_sockets().build() else { return };
    for address in [lab.target_v4(), lab.target_v6()] {
        for socket in ["--socket=raw", "--socket=dgram"] {
            let (run, object) = values(&lab, &["--contrast=dscp=0,ef,cs6", socket, &address]);
            assert_eq!((run.code(), found(&object)), (0, Vec::new()), "{run:#?}");
            let came: Vec<_> =
                object["methods"].as_array().expect("methods").iter().map(|row| &row["reply_dscp"]).collect();
            assert_eq!(came, [0, 46, 48], "{run:#?}");
        }
    }
    lab.router(1).nft(
        "add rule inet lab forward ip dscp ef ip dscp set cs0\nadd rule inet lab forward ip6 dscp ef ip6 dscp set cs0\n\
         add rule inet lab forward ip dscp cs6 drop\nadd rule inet lab forward ip6 dscp cs6 drop",
    );
    for address in [lab.target_v4(), lab.target_v6()] {
        let (run, object) = values(&lab, &["--contrast=dscp=0,ef,cs6", &address]);
        assert_eq!(
            (run.code(), found(&object)),
            (0, vec!["cs6 silent".to_owned(), "ef remarked".to_owned()]),
            "{run:#?}"
        );
    }
}

#[test]
fn large_packets_that_are_lost_are_found_in_both_families() {
    let Some(lab) = Plan::chain(1).with_ping_sockets().build() else { return };
    lab.router(1).nft(
        "add rule inet lab forward meta length > 1000 numgen random mod 100 < 60 drop\n\
         add rule inet lab forward meta length > 1300 drop",
    );
    for address in [lab.target_v4(), lab.target_v6()] {
        let (run, object) = values(&lab, &["--contrast=size=56,1100,1400", "-c40", &address]);
        let expected = ["1400 silent", "1100 loses_more"].map(str::to_owned);
        assert_eq!((run.code(), found(&object)), (0, expected.to_vec()), "{run:#?}");
    }
}

#[test]
fn a_family_that_takes_longer_is_found() {
    let Some(lab) = Plan::chain(1).with_ping_sockets().build() else { return };
    let router = lab.router(1);
    let Some(_detour) = Helper::detour(router, Duration::from_millis(20)) else { return };
    router.sh("ip -6 rule add pref 10 iif left lookup 100; ip -6 route add default dev tun0 table 100");
    lab.host().add_hosts(format!("{} both.example\n{} both.example\n", lab.target_v4(), lab.target_v6()).as_bytes());
    let (run, object) = values(&lab, &["--contrast=family=4,6", "-W1", "both.example"]);
    let found = &object["findings"][0];
    assert_eq!((&found["variant"], &found["kind"]), (&"ipv6".into(), &"slower".into()), "{run:#?}");
    assert!(found["median_difference_ms"].as_f64().is_some_and(|ms| ms > 10.0), "{run:#?}");
}

#[test]
fn a_port_that_is_filtered_is_found_beside_one_that_is_open() {
    let Some(lab) = Plan::chain(1).build() else { return };
    let _listener = Helper::listener(lab.target());
    lab.router(1).nft("add rule inet lab forward tcp dport 8443 drop");
    for address in [lab.target_v4(), lab.target_v6()] {
        let (run, object) = values(&lab, &["--contrast=port=443,8443,80", &address]);
        let expected = ["8443 silent", "80 refused"].map(str::to_owned);
        assert_eq!((run.code(), found(&object)), (0, expected.to_vec()), "{run:#?}");
    }
}
