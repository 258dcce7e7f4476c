//! What `--doctor` says of a host, and that it sends nothing.

use serde_json::Value;

use crate::lab::{Finished, Lab, Plan, Privilege, Tool};

fn doctor(lab: &Lab, tool: Tool, privilege: Privilege, words: &[&str]) -> Finished {
    lab.host().run(tool, privilege, &[&["--doctor"], words].concat())
}

/// The states of these checks, in the order of the report.
fn states(object: &Value, check: &str) -> Vec<String> {
    let checks = object["checks"].as_array().expect("an array");
    let such = checks.iter().filter(|found| found["check"] == check);
    such.map(|found| found["state"].as_str().expect("a state").to_owned()).collect()
}

#[test]
fn what_a_user_may_open_is_said_with_what_would_allow_the_rest() {
    for (ping_sockets, privilege, raw, dgram, code) in [
        (true, Privilege::Root, "ok", "ok", 0),
        (true, Privilege::Nothing, "limited", "ok", 0),
        (false, Privilege::Nothing, "failed", "failed", 1),
        (false, Privilege::OnlyNetRaw, "ok", "limited", 0),
    ] {
        let Some(lab) = Plan { ping_sockets, ..Plan::chain(1) }.build() else { return };
        for tool in [Tool::Rping, Tool::Rtrace] {
            let run = doctor(&lab, tool, privilege, &["--json"]);
            let object = run.object("doctor");
            assert_eq!(states(&object, "icmp_raw"), [raw, raw], "{run:#?}");
            assert_eq!(states(&object, "icmp_dgram"), [dgram, dgram], "{run:#?}");
            assert_eq!(states(&object, "udp"), ["ok", "ok"], "{run:#?}");
            assert_eq!((run.code(), &object["works"]), (code, &(code == 0).into()), "{run:#?}");
            let text = doctor(&lab, tool, privilege, &[]);
            assert_eq!((text.code(), text.stderr.as_str()), (code, ""), "{text:#?}");
            let remedies = [("setcap cap_net_raw+p /mnt/", raw), ("ping_group_range=", dgram)];
            for (remedy, state) in remedies {
                assert_eq!(text.stdout.matches(remedy).count(), usize::from(state != "ok"), "{remedy}: {text:#?}");
            }
        }
    }
}

#[test]
fn the_ways_to_a_target_are_shown_and_nothing_is_sent() {
    let Some(lab) = Plan::chain(1).with_ping_sockets().build() else { return };
    let host = lab.host();
    // Which groups it is in the kernel reports by itself, up to seconds after an address was added (RFC 3810 §6.1).
    host.nft(
        "add counter inet lab sent\nadd rule inet lab output icmpv6 type != 143 counter name sent
         add rule inet lab output meta l4proto != icmpv6 counter name sent",
    );
    host.sh("ip route add 198.51.100.0/24 nexthop via 10.9.0.2 nexthop via 10.9.0.3
         ip -6 route add 2001:db8:9::/48 nexthop via fd09::2 nexthop via fd09::3
         ip rule add to 203.0.113.0/24 table 100
         ip route add default via 10.9.0.2 table 100
         ip route add unreachable 192.0.2.128/25");
    let targets = ["198.51.100.7", "2001:db8:9::7", "203.0.113.7", "192.0.2.200"];
    let run = doctor(&lab, Tool::Rtrace, Privilege::Nothing, &[&["--json"], &targets[..]].concat());
    let object = run.object("doctor");
    let found = object["targets"].as_array().expect("an array");
    let hop = |gateway: &str| serde_json::json!({"gateway": gateway, "interface": "right"});
    let ways = |at: usize| found[at]["next_hops"].as_array().expect("an array").clone();
    assert_eq!(ways(0), [hop("10.9.0.2"), hop("10.9.0.3")], "{object}");
    assert_eq!(ways(1), [hop("fd09::2"), hop("fd09::3")], "{object}");
    assert_eq!(
        (ways(2), &found[2]["table"], &found[2]["rules"]),
        (vec![hop("10.9.0.2")], &100.into(), &1.into()),
        "{object}"
    );
    assert_eq!((&found[0]["source"], &found[3]["source"]), (&"10.9.0.1".into(), &Value::Null), "{object}");
    assert_eq!(states(&object, "route"), ["ok", "ok", "ok", "failed"], "{object}");
    assert_eq!(run.code(), 1, "{run:#?}");

    let text = doctor(&lab, Tool::Rping, Privilege::Root, &targets);
    text.says("ok       route to 198.51.100.7, IPv4: 198.51.100.7 from 10.9.0.1 by 2 next hops");
    text.says("via 10.9.0.2 dev right; by table 100, which a rule chooses");
    text.says("FAILED   route to 192.0.2.200, IPv4: 192.0.2.200: ");
    text.says("1 thing does not work");
    assert_eq!(host.counted("sent"), 0, "something was sent");
}
