//! Programs that read ping's and traceroute's text read ours: jc, pingparsing and trparse, as users have them. So do readers of
//! other formats: line-protocol-parser, ripe.atlas.sagan, jsonschema.
//!
//! `NETPROBE_READERS` names a Python that has them installed (`.ci/run` makes one); without it these tests say that they
//! did not run.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::helper::Helper;
use crate::lab::{self, Lab, Plan, hop_v4, hop_v6};
use crate::responder::answers::{self, PathKind};

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
const LINE_PROTOCOL: &str = "import sys, json
from line_protocol_parser import parse_line
print(json.dumps([parse_line(line) for line in sys.stdin.read().splitlines()]))";
const SAGAN: &str = "import sys, json
from ripe.atlas.sagan import Result
def packet(one):
    objects = one.icmp_header.objects if one.icmp_header else []
    return {'from': one.origin, 'rtt': one.rtt, 'error': one.error_message, 'objects': objects, 'ttl': one.ttl}
def result(line):
    one = Result.get(line, on_error=Result.ACTION_IGNORE, on_malformation=Result.ACTION_FAIL)
    hops = [{'hop': hop.index, 'error': hop.error_message, 'packets': [packet(of) for of in hop.packets]} for hop in one.hops]
    return {'kind': type(one).__name__, 'af': one.af, 'target': one.destination_name, 'address': one.destination_address,
        'source': one.source_address, 'protocol': one.protocol, 'paris_id': one.paris_id, 'success': one.is_success,
        'responded': one.destination_ip_responded, 'last_errors': one.last_hop_errors, 'hops': hops,
        'seconds': (one.end_time - one.created).total_seconds()}
print(json.dumps([result(line) for line in sys.stdin.read().splitlines()]))";
/// Every schema is one, and every object is valid by its own; the kinds of the objects.
const JSONSCHEMA: &str = "import sys, json, pathlib
from jsonschema import Draft202012Validator as Validator, FormatChecker
schemas = {path.stem: json.loads(path.read_text()) for path in pathlib.Path(FOLDER).iterdir()}
for schema in schemas.values(): Validator.check_schema(schema)
kinds = []
for line in filter(None, sys.stdin.read().splitlines()):
    one = json.loads(line)
    kind = one['type']
    name = next(name for name in (one.get('tool', 'rping') + '-' + kind, kind) if name in schemas)
    Validator(schemas[name], format_checker=FormatChecker()).validate(one)
    kinds.append(kind)
print(json.dumps(sorted(set(kinds))))";

fn python() -> Option<String> {
    let python = std::env::var("NETPROBE_READERS").ok();
    if python.is_none() {
        lab::did_not_run(
            "NETPROBE_READERS names no Python with jc, pingparsing, trparse, line-protocol-parser, ripe.atlas.sagan and jsonschema",
        );
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

#[test]
fn points_are_read_from_the_line_protocol() {
    let Some(python) = python() else { return };
    let Some(lab) = named_lab(2) else { return };
    lab.host().add_hosts(b"192.0.2.3 odd,=name\n");
    lab.router(1).nft("add rule inet lab forward ip daddr 192.0.2.3 drop");
    let run =
        lab.host().rping(&["-c2", "-i0.05", "-W0.3", "--format", "influx", "six.example", "odd,=name", "192.0.2.1"]);
    let points = read(&python, LINE_PROTOCOL, &run.stdout);
    let of = |name: &str| {
        let mut all = points.as_array().expect("points").iter();
        all.find(|point| point["tags"]["url"] == name).unwrap_or_else(|| panic!("no {name}: {points}"))
    };
    for (name, address, received) in
        [("six.example", "2001:db8::1", 2), ("192.0.2.1", "192.0.2.1", 2), ("odd,=name", "192.0.2.3", 0)]
    {
        let (tags, fields) = (&of(name)["tags"], &of(name)["fields"]);
        assert_eq!(tags["address"], address, "{run:#?}");
        assert_eq!(
            (&fields["packets_transmitted"], &fields["packets_received"]),
            (&json!(2), &json!(received)),
            "{points}"
        );
        assert_eq!(fields["percent_packet_loss"], if received == 0 { 100.0 } else { 0.0 }, "{points}");
        assert_eq!(fields["average_response_ms"].is_f64(), received > 0, "{points}");
        assert!(of(name)["time"].as_u64().is_some_and(|time| time > 1_700_000_000_000_000_000), "{points}");
    }
    let run = lab.host().rping(&["--format", "influx", "192.0.2.1-192.0.2.3"]);
    assert_eq!(read(&python, LINE_PROTOCOL, &run.stdout).as_array().map(Vec::len), Some(3), "{run:#?}");

    for flags in [&["-q1"][..], &["--report", "-c2", "--interval", "0.1"]] {
        let run = lab.host().rtrace(&[flags, &["--format", "influx", "target.example"]].concat());
        let points = read(&python, LINE_PROTOCOL, &run.stdout);
        assert_eq!(
            (&points[0]["measurement"], &points[0]["fields"]["reached"]),
            (&json!("traceroute_path"), &json!(true))
        );
        assert_eq!(points[0]["fields"]["hops"], 3, "{points}");
        let responders: Vec<&Value> =
            points.as_array().expect("points")[1..].iter().map(|point| &point["fields"]["responder"]).collect();
        assert_eq!(responders, [&json!(hop_v4(1)), &json!(hop_v4(2)), &json!("192.0.2.1")], "{points}");
    }
}

#[test]
fn traces_are_read_as_results_of_ripe_atlas() {
    let Some(python) = python() else { return };
    let Some(lab) = named_lab(3) else { return };
    lab.router(2).nft(
        "add rule inet lab output icmp type time-exceeded drop
         add rule inet lab output icmpv6 type time-exceeded drop",
    );
    for (target, address, af, hop) in
        [("target.example", "192.0.2.1", 4, hop_v4 as fn(usize) -> String), ("six.example", "2001:db8::1", 6, hop_v6)]
    {
        for (method, protocol) in [("-I", "ICMP"), ("-U", "UDP"), ("-T", "TCP")] {
            let run = lab.host().rtrace(&[method, "--format", "atlas", target]);
            let results = read(&python, SAGAN, &run.stdout);
            let result = &results[0];
            let known = ["kind", "target", "address", "protocol"].map(|key| result[key].as_str().unwrap_or_default());
            assert_eq!(known, ["TracerouteResult", target, address, protocol], "{run:#?}\n{result}");
            assert_eq!((&result["af"], &result["paris_id"]), (&json!(af), &json!(1)), "{result}");
            assert_eq!((&result["success"], &result["responded"]), (&json!(true), &json!(true)), "{result}");
            let hops = result["hops"].as_array().expect("hops");
            assert_eq!(hops.len(), 4, "{result}");
            for (ttl, found) in (1..).zip(hops) {
                let (expected, packets) = (if ttl == 4 { address.to_owned() } else { hop(ttl) }, &found["packets"]);
                assert_eq!((&found["hop"], packets.as_array().map(Vec::len)), (&json!(ttl), Some(3)), "{result}");
                assert_eq!(packets[0]["from"], if ttl == 2 { Value::Null } else { json!(expected) }, "{result}");
                assert_eq!(packets[0]["rtt"].is_f64(), ttl != 2, "{result}");
            }
        }
    }
    lab.router(3).nft("add rule inet lab forward ip daddr 192.0.2.5 reject with icmp type admin-prohibited");
    let run = lab.host().rtrace(&["-I", "--format", "atlas", "192.0.2.5", "nosuch.example"]);
    let results = read(&python, SAGAN, &run.stdout);
    // In the order in which they end.
    let (unresolved, prohibited) = (&results[0], &results[1]);
    assert_eq!(prohibited["last_errors"][0], "Administratively prohibited", "{run:#?}\n{results}");
    assert_eq!(prohibited["success"], false, "{results}");
    assert_eq!(unresolved["last_errors"][0], "name resolution failed: the name has no address", "{results}");

    let Some(_helper) = Helper::responder(lab.host()) else { return };
    let target = answers::v4(answers::PATH, PathKind::Delayed as u8);
    let run = lab.host().rtrace(&["-I", "-q1", "--format", "atlas", &target]);
    let results = read(&python, SAGAN, &run.stdout);
    let label = |(label, tc, bottom, ttl): (u32, u8, bool, u8)| json!({"label": label, "exp": tc, "s": u8::from(bottom), "ttl": ttl});
    let object = json!([{"class": 1, "type": 1, "mpls": answers::LABELS.map(label)}]);
    let labelled = &results[0]["hops"][usize::from(answers::LABELLED) - 1]["packets"][0];
    assert_eq!(labelled["objects"], object, "{run:#?}\n{results}");
}

#[test]
fn objects_are_valid_by_their_schemas() {
    let Some(python) = python() else { return };
    let Some(lab) = named_lab(2) else { return };
    lab.router(1).nft(
        "add rule inet lab forward ip daddr 192.0.2.3 drop
         add rule inet lab forward ip daddr 192.0.2.4 reject with icmp type host-unreachable",
    );
    let rping = |words: &[&str]| lab.host().rping(&[&["--json", "-i0.05", "-W0.3"], words].concat()).stdout;
    let rtrace = |words: &[&str]| lab.host().rtrace(&[&["--json"], words].concat()).stdout;
    let all = [
        rping(&["-c2", "192.0.2.1", "192.0.2.3", "192.0.2.4", "six.example", "--max", "loss=1%"]),
        rping(&["-c2", "--tcp=80", "192.0.2.1"]),
        rping(&["--contrast", "-c3", "192.0.2.1"]),
        lab.host().rping(&["--doctor", "--json", "192.0.2.1"]).stdout,
        lab.host().rping(&["--json=brief", "192.0.2.1-192.0.2.3"]).stdout,
        lab.host().rping(&["--json", "--shard", "1/2", "192.0.2.1-192.0.2.3"]).stdout,
        rtrace(&["--explain", "192.0.2.1", "six.example"]),
        rtrace(&["--flows", "2", "192.0.2.1"]),
        rtrace(&["--report", "-c2", "--interval", "0.1", "192.0.2.1"]),
    ];
    let folder = concat!("pathlib.Path('", env!("CARGO_MANIFEST_DIR"), "/docs/schema')");
    let kinds = read(&python, &JSONSCHEMA.replace("pathlib.Path(FOLDER)", folder), &all.join("\n"));
    let expected = [
        "brief", "contrast", "doctor", "error", "flows", "part", "reply", "report", "start", "summary", "timeout",
        "trace",
    ];
    assert_eq!(kinds, json!(expected), "{all:#?}");
}
