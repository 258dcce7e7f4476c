//! Programs that read ping's and traceroute's text read ours: jc, pingparsing and trparse, as users have them.
//!
//! `NETPROBE_READERS` names a Python that has them installed (`.ci/run` makes one); without it these tests say that they
//! did not run.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::helper::Helper;
use crate::lab::{self, Lab, Plan, hop_v4, hop_v6};
use crate::responder::answers;

/// Python that prints as JSON what a reader makes of standard input.
const JC_PING: &str = "import sys, json, jc; print(json.dumps(jc.parse('ping', sys.stdin.read(), quiet=True)))";
const JC_TRACEROUTE: &str =
    "import sys, json, jc; print(json.dumps(jc.parse('traceroute', sys.stdin.read(), quiet=True)))";
const PINGPARSING: &str = "import sys, json, pingparsing
stats = pingparsing.PingParsing().parse(sys.stdin.read())
print(json.dumps({**stats.as_dict(), 'replies': len(stats.icmp_replies)}))";
const TRPARSE: &str = "import sys, json, trparse
trace = trparse.loads(sys.stdin.read())
hops = [[hop.idx, [[probe.name, probe.ip, probe.rtt] for probe in hop.probes]] for hop in trace.hops]
print(json.dumps({'name': trace.dest_name, 'ip': trace.dest_ip, 'hops': hops}, default=float))";

fn python() -> Option<String> {
    let python = std::env::var("NETPROBE_READERS").ok();
    if python.is_none() {
        lab::did_not_run("NETPROBE_READERS names no Python with jc, pingparsing and trparse");
    }
    python
}

/// What `reader` makes of `text`.
#[track_caller]
fn read(python: &str, reader: &str, text: &str) -> Value {
    let mut command = Command::new(python);
    let mut child = command.args(["-c", reader]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect(python);
    child.stdin.take().expect("stdin is piped").write_all(text.as_bytes()).expect("the reader reads");
    let output = child.wait_with_output().expect("a child to wait for");
    let said = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&said).unwrap_or_else(|why| panic!("{why}: the reader fails on\n{text}"))
}

fn named_lab(routers: usize) -> Option<Lab> {
    let lab = Plan::chain(routers).build()?;
    lab.host().add_hosts(b"192.0.2.1 target.example\n2001:db8::1 six.example\n");
    Some(lab)
}

#[test]
fn replies_and_loss_are_read_from_pings_text() {
    let Some(python) = python() else { return };
    let Some(lab) = named_lab(1) else { return };
    lab.router(1).nft(
        "add rule inet lab forward ip daddr 192.0.2.2 icmp type echo-request numgen inc mod 3 == 1 drop
         add rule inet lab forward ip daddr 192.0.2.3 drop",
    );
    for (target, address, received, loss) in [
        ("192.0.2.1", "192.0.2.1", 3, 0.0),
        ("target.example", "192.0.2.1", 3, 0.0),
        ("six.example", "2001:db8::1", 3, 0.0),
        ("192.0.2.2", "192.0.2.2", 2, 33.3333),
        ("192.0.2.3", "192.0.2.3", 0, 100.0),
    ] {
        for flags in [&["-O"][..], &["-D"]] {
            let arguments = [&["-c3", "-i0.05", "-W0.3"], flags, &[target]].concat();
            let run = lab.host().rping(&arguments);
            let jc = read(&python, JC_PING, &run.stdout);
            // jc 1.26.1 takes another word of the header that current iputils writes for IPv6.
            if !address.contains(':') {
                assert_eq!(jc["destination_ip"], address, "{run:#?}\n{jc}");
            }
            assert_eq!((&jc["packets_transmitted"], &jc["packets_received"]), (&json!(3), &json!(received)), "{jc}");
            assert_eq!(jc["packet_loss_percent"], loss, "{jc}");
            let replies = jc["responses"].as_array().expect("responses").iter().filter(|one| one["type"] == "reply");
            let well = |one: &&Value| one["bytes"] == 64 && one["ttl"] == 63 && one["time_ms"].is_f64();
            assert_eq!(replies.filter(well).count(), received, "{run:#?}\n{jc}");
            assert_eq!(jc["round_trip_ms_avg"].is_f64(), received > 0, "{jc}");

            let parsed = read(&python, PINGPARSING, &run.stdout);
            assert_eq!(parsed["destination"], target, "{parsed}");
            assert_eq!(
                (&parsed["packet_transmit"], &parsed["packet_receive"]),
                (&json!(3), &json!(received)),
                "{parsed}"
            );
            assert_eq!(parsed["replies"], received, "{run:#?}\n{parsed}");
            assert_eq!(parsed["rtt_avg"].is_f64(), received > 0, "{parsed}");
        }
    }
}

#[test]
fn duplicates_and_errors_are_read_from_pings_text() {
    let Some(python) = python() else { return };
    let Some(lab) = named_lab(1) else { return };
    lab.router(1).nft("add rule inet lab forward ip daddr 192.0.2.4 reject with icmp type host-unreachable");
    let run = lab.host().rping(&["-c2", "-i0.05", "-W0.3", "192.0.2.4"]);
    let jc = read(&python, JC_PING, &run.stdout);
    assert_eq!((&jc["packets_received"], &jc["errors"]), (&json!(0), &json!(2)), "{run:#?}\n{jc}");
    assert_eq!(read(&python, PINGPARSING, &run.stdout)["packet_receive"], 0);

    let Some(_helper) = Helper::responder(lab.host()) else { return };
    let run = lab.host().rping(&["-c3", "-i0.05", &answers::v4(answers::DUPLICATE, 1)]);
    let jc = read(&python, JC_PING, &run.stdout);
    let parsed = read(&python, PINGPARSING, &run.stdout);
    assert!(jc["duplicates"].as_u64().is_some_and(|count| count >= 2), "{run:#?}\n{jc}");
    assert_eq!(jc["duplicates"], parsed["packet_duplicate_count"], "{parsed}");
}

#[test]
fn hops_are_read_from_traceroutes_text() {
    let Some(python) = python() else { return };
    let Some(lab) = named_lab(3) else { return };
    lab.router(2).nft(
        "add rule inet lab output icmp type time-exceeded drop
         add rule inet lab output icmpv6 type time-exceeded drop",
    );
    for (target, address, name, hop) in [
        ("target.example", "192.0.2.1", "target.example", hop_v4 as fn(usize) -> String),
        ("192.0.2.1", "192.0.2.1", "192.0.2.1", hop_v4),
        ("six.example", "2001:db8::1", "six.example", hop_v6),
    ] {
        for flags in [&[][..], &["-n"]] {
            let run = lab.host().rtrace(&[flags, &[target]].concat());
            let jc = read(&python, JC_TRACEROUTE, &run.stdout);
            assert_eq!(
                (&jc["destination_ip"], &jc["destination_name"]),
                (&json!(address), &json!(name)),
                "{run:#?}\n{jc}"
            );
            assert_eq!(jc["max_hops"], 30);
            let hops = jc["hops"].as_array().expect("hops");
            assert_eq!(hops.len(), 4, "{jc}");
            for (ttl, found) in (1..).zip(hops) {
                let expected = if ttl == 4 { address.to_owned() } else { hop(ttl) };
                let probes = found["probes"].as_array().expect("probes");
                assert_eq!(
                    (&found["hop"], probes.len()),
                    (&json!(ttl), if ttl == 2 { 0 } else { 3 }),
                    "{run:#?}\n{jc}"
                );
                assert!(probes.iter().all(|probe| probe["ip"] == expected && probe["rtt"].is_f64()), "{run:#?}\n{jc}");
            }
        }
        // trparse reports no addresses of the numeric form.
        let run = lab.host().rtrace(&[target]);
        let parsed = read(&python, TRPARSE, &run.stdout);
        // Nor of an IPv6 header.
        let destination = if address.contains(':') { Value::Null } else { json!(address) };
        assert_eq!((&parsed["name"], &parsed["ip"]), (&json!(name), &destination), "{run:#?}\n{parsed}");
        let hops = parsed["hops"].as_array().expect("hops");
        assert_eq!(hops.len(), 4, "{parsed}");
        assert_eq!(hops[0][1][0][1], hop(1), "{parsed}");
        assert_eq!(hops[3][1][2][1], address, "{parsed}");
    }
}
