//! rtrace over several flows, on the kernel.

use std::collections::BTreeSet;

use super::paths::responders;
use crate::lab::{Lab, Plan, hop_v4, hop_v6};

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
