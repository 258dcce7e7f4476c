//! Runs as fping, and what the programs that call fping read out of them. Each parser here does what that program's own does with
//! lines.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use insta::assert_snapshot;
use netprobe::channel::Control;
use netprobe::sim::{AddressOutcome, Change, Link, Node, US, ip};
use netprobe::types::Tos;

use crate::world::{Outcome, World};

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// With a host that answers nothing.
fn and_silent(mut world: World) -> World {
    world.network.add(US, Node::host(ip("203.0.113.77")).silent(), Link::after(ms(1)));
    world
}

/// A host that loses its second probe.
fn lossy() -> World {
    World::with_host(Node::host(ip("198.51.100.9")).also(ip("2001:db8:9::9")).change([2], Change::Silence))
}

#[test]
fn counted_runs_read_as_fpings() {
    assert_snapshot!("lines", and_silent(lossy()).run("fping -C 3 host.example 203.0.113.77 2001:db8:9::9"));
    assert_snapshot!("sums", and_silent(lossy()).run("fping -c 3 -q -o -s host.example 203.0.113.77 nosuch.example"));
}

#[test]
fn it_is_fping_by_its_name_or_by_its_first_word() {
    let name = World::new().run("fping -c 1 host.example");
    let word = World::new().run("rping --as-fping -c 1 host.example");
    assert_eq!((&name.stdout, &name.stderr, name.status), (&word.stdout, &word.stderr, word.status));
    assert!(name.stdout.starts_with("host.example : [0], 64 bytes, 10.0 ms (10.0 avg, 0% loss)\n"), "{name}");
    let six = World::new().run("fping6 -A host.example");
    assert_eq!(six.stdout, "2001:db8:9::9 is alive\n");
}

#[test]
fn a_silent_target_is_probed_again_after_waits_of_growing_length() {
    let run = and_silent(World::new()).run("fping -s -e -t 100 -r 3 -B 2 host.example 203.0.113.77");
    assert_eq!(run.stdout, "host.example is alive (10.0 ms)\n203.0.113.77 is unreachable\n");
    assert!(run.stderr.contains(" 4 timeouts (waiting for response)\n       5 ICMP Echos sent\n"), "{run}");
    // 100 + 200 + 400 + 800 ms, and the interval before the second target.
    assert!(run.stderr.contains(" 1.510 sec (elapsed real time)"), "{run}");
    assert_eq!(run.status, 1);
}

#[test]
fn what_cannot_be_sent_is_said_and_not_tried_again() {
    let run = World::new().run("fping host.example 10.99.0.1");
    assert_eq!(run.stderr, "10.99.0.1: error while sending ping: Network is unreachable\n");
    assert_eq!(run.stdout, "host.example is alive\n10.99.0.1 is unreachable\n");
    let counted = World::new().run("fping -C 2 -p 50 10.99.0.1");
    assert_eq!((counted.stdout.as_str(), counted.stderr.as_str()), ("", "\n10.99.0.1 : - -\n"));
}

#[test]
fn an_answer_to_an_earlier_probe_counts() {
    let world = World::with_host(Node::host(ip("198.51.100.9")).change([1], Change::Later(ms(600))));
    let run = world.run("fping -e -t 500 198.51.100.9");
    // The second probe, of 500 ms, is answered at 510 ms; the first would be at 610 ms.
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("198.51.100.9 is alive (10.0 ms)\n", ""));
}

#[test]
fn the_exit_status_is_the_programs() {
    let status = |line: &str| World::new().run(line).status;
    assert_eq!(status("fping -a host.example"), 0);
    assert_eq!(status("fping -u -t50 -r0 host.example 203.0.113.77"), 1);
    assert_eq!(status("fping -q host.example nosuch.example"), 2);
    assert_eq!(status("fping -q nosuch.example"), 2);
    assert_eq!(status("fping -f /nonexistent"), 4);
    assert_eq!(status("fping -x 1 -t50 -r0 host.example 203.0.113.77"), 0);
    assert_eq!(status("fping -x 2 -t50 -r0 host.example 203.0.113.77"), 1);
    assert_eq!(World::new().unprivileged().run("fping host.example").status, 4);
}

#[test]
fn options_that_are_none_are_refused_in_fpings_words() {
    let lines = [
        "fping -Z",
        "fping -a -u host",
        "fping -c3 -l host",
        "fping -4 -6 host",
        "fping -d -n host",
        "fping -H 300 host",
        "fping -b 65509 host",
        "fping -B 0.9 host",
        "fping -C 0 host",
        "fping -i -1",
        "fping -k xxx host",
        "fping -S bla host",
        "fping -I nope host",
        "fping -D --timestamp-format -c 2 host",
        "fping -g",
        "fping -g 192.0.2.1",
        "fping -g 192.0.2.1 192.0.2.2 192.0.2.3",
        "fping -g 192.0.2.1/33",
        "fping -g 2001:db8::1/129",
        "fping -g 2001:db8::1/64",
        "fping -g 192.0.2.1 2001:db8::1",
        "fping -6 -g 192.0.2.1/32",
        "fping -J host",
        "fping -g 10.0.0.1 10.255.255.254",
        "fping -g 192.0.2.2 192.0.2.1",
        "fping -g fe80::1/128%2",
        "fping -g fe80::1%2 fe80::2%3",
        "fping -g fe80::1 fe80::2%3",
        "fping -g 2001:db8::/104",
        "fping -c 10xyz host",
        "fping -f list -g 192.0.2.0/30",
    ];
    let all: Vec<String> = lines.iter().map(|line| World::without_sockets().run(line).to_string()).collect();
    assert_snapshot!("refusals", all.join("\n"));
}

#[test]
fn ranges_leave_out_network_and_broadcast_address_of_short_prefixes() {
    let probed = |range: &str| World::new().run(&format!("fping -u -r0 -t10 -i1 -g {range}")).stdout;
    assert_eq!(probed("10.9.0.1/30"), "10.9.0.1\n10.9.0.2\n");
    assert_eq!(probed("10.9.0.2/31"), "10.9.0.2\n10.9.0.3\n");
    assert_eq!(probed("10.9.0.2/32"), "10.9.0.2\n");
    assert_eq!(probed("2001:db8:77::5/127"), "2001:db8:77::4\n2001:db8:77::5\n");
    assert_eq!(probed("10.9.0.255 10.9.1.1"), "10.9.0.255\n10.9.1.0\n10.9.1.1\n");
}

#[test]
fn targets_come_from_standard_input_by_default() {
    // As its own tests have it: a `#` within a word is part of a name, which does not exist.
    let run = World::new().stdin("203.0.113.2#host.example\n").run("fping");
    assert_eq!((run.status, run.stdout.as_str()), (2, ""), "{run}");
    assert!(run.stderr.starts_with("203.0.113.2#host.example: "), "{run}");
    let world = World::new().stdin("# all\nhost.example its name\n\n  203.0.113.2\n");
    assert_eq!(world.run("fping").stdout, "host.example is alive\n203.0.113.2 is alive\n");
    assert_eq!(world.run("fping -a -f -").stdout, "host.example\n203.0.113.2\n");
}

#[test]
fn errors_and_strange_answers_stand_in_front_of_their_lines() {
    let host = Node::host(ip("198.51.100.9"))
        .change([1], Change::Source(ip("198.51.100.10")))
        .change([2], Change::Again(ms(1)));
    assert_snapshot!("strange_lines", World::with_host(host.clone()).run("fping -c 3 198.51.100.9"));
    assert_snapshot!("strange_vectors", World::with_host(host).run("fping -C 3 -q 198.51.100.9"));
    assert_snapshot!("errors", World::new().run("fping -c 2 -H 1 host.example 2001:db8:9::9"));
    assert_eq!(World::new().run("fping -c 2 -q -H 1 host.example").stderr, "host.example : xmt/rcv/%loss = 2/0/100%\n");
}

#[test]
fn reports_come_at_their_times_and_at_a_signal() {
    assert_snapshot!("reports", lossy().run("fping -Q 1 -c 5 -p 550 host.example"));
    assert_snapshot!("reports_cumulative", lossy().run("fping -Q 1,cumulative -c 5 -p 550 host.example"));
    assert_snapshot!("netdata", lossy().run("fping -N -Q 1 -c 2 host.example"));
    let mut world = World::new();
    world.network.at(ms(1500), Control::Interim);
    world.network.at(ms(2500), Control::Interrupt);
    assert_snapshot!("loop", world.run("fping -l host.example"));
}

#[test]
fn json_is_a_line_for_each_event_and_each_sum() {
    let json = |words: &str| {
        and_silent(lossy()).run(&format!("fping -J {words} host.example 203.0.113.77 nosuch.example")).to_string()
    };
    let all = ["-c 3 -p 200 -o -s", "-C 3 -p 200 -D --print-ttl --print-tos", "-c 3 -p 600 -Q 1"].map(json);
    assert_snapshot!("json", all.join("\n"));
    for line in all.iter().flat_map(|run| run.lines()).filter(|line| line.starts_with('{')) {
        let object: serde_json::Value = serde_json::from_str(line).expect("an object");
        assert_eq!(object.as_object().map(serde_json::Map::len), Some(1), "{line}");
    }
}

#[test]
fn header_fields_are_shown_as_asked() {
    let host = Node::host(ip("198.51.100.9")).change([1, 2], Change::Tos(Tos::new(0x20)));
    let run = World::with_host(host).run("fping -e --print-ttl --print-tos 198.51.100.9");
    assert_eq!(run.stdout, "198.51.100.9 is alive (TOS 32) (TTL 62) (10.0 ms)\n");
}

#[test]
fn lines_begin_with_the_time_in_the_form_asked_for() {
    let first = |words: &str| {
        let run = World::new().run(&format!("fping -D {words} -c 1 host.example"));
        run.stdout.split(']').next().unwrap_or_default().to_owned()
    };
    let all = ["", "--timestamp-format=ctime", "--timestamp-format=iso", "--timestamp-format=rfc3339"].map(first);
    assert_snapshot!("times", all.join("\n"));
}

#[test]
fn names_and_addresses_are_shown_as_asked() {
    let mut world = World::new();
    world.network.address("two.example", AddressOutcome::Found(vec![ip("203.0.113.1"), ip("2001:db8:a::1")], ms(0)));
    assert_eq!(world.run("fping -A -m two.example").stdout, "203.0.113.1 is alive\n2001:db8:a::1 is alive\n");
    assert_eq!(world.run("fping -m -X 1 two.example").stdout, "Enough hosts reachable (required: 1, reachable: 1)\n");
}

/// Zabbix (`-C N`, list on standard input, both streams as one): the loss and the delays of a target. Lines about single answers
/// say which probe was answered; the line of delays is the one with a number or a dash after the colon.
fn zabbix(run: &Outcome, target: &str) -> (Vec<usize>, Vec<Option<f64>>) {
    let (mut answered, mut delays) = (Vec::new(), Vec::new());
    let merged = format!("{}{}", run.stdout, run.stderr);
    for line in merged.lines().filter(|line| !line.contains("duplicate for") && !line.contains(" [<-")) {
        let Some((name, rest)) = line.split_once(" : ") else { continue };
        if name.trim_end() != target {
            continue;
        }
        match rest.strip_prefix('[') {
            Some(number) if !rest.contains("timed out") => {
                answered.push(number.split(']').next().and_then(|number| number.parse().ok()).expect("a number"));
            }
            Some(_) => {}
            None => delays = rest.split(' ').map(|word| word.parse().ok()).collect(),
        }
    }
    (answered, delays)
}

/// LibreNMS (`-e -q -c N`): sent, received, loss in per cent, and the delays, from standard error.
fn librenms(stderr: &str) -> Option<(u32, u32, u32, Option<[f64; 3]>)> {
    let line = stderr.lines().find(|line| line.contains("xmt/rcv/%loss = "))?;
    let (counts, delays) = match line.split_once(", min/avg/max = ") {
        Some((counts, delays)) => (counts, Some(delays)),
        None => (line, None),
    };
    let mut counts = counts.split(" = ").nth(1)?.split(['/', '%', ',']).map(|word| word.parse().ok());
    let mut next = || counts.next().flatten();
    let delays = delays.and_then(|text| {
        let all: Vec<f64> = text.split('/').filter_map(|word| word.parse().ok()).collect();
        all.try_into().ok()
    });
    Some((next()?, next()?, next()?, delays))
}

/// SmokePing's test at its start (`-C 1`, both streams as one): a line with `N bytes, N ms`, an empty one, one with a delay.
fn smokeping(run: &Outcome) -> Option<(f64, f64)> {
    let merged = format!("{}{}", run.stdout, run.stderr);
    let [reply, empty, delays] = merged.lines().collect::<Vec<_>>().try_into().ok()?;
    let said = reply.split(" bytes, ").nth(1)?.split(" ms").next()?.parse().ok()?;
    let delay = delays.split(" : ").nth(1)?.parse().ok()?;
    empty.is_empty().then_some((said, delay))
}

#[test]
fn zabbix_reads_the_loss_of_a_probe() {
    let world = and_silent(World::with_host(Node::host(ip("198.51.100.9")).change([2], Change::Silence)))
        .stdin("198.51.100.9\n203.0.113.77\n");
    let run = world.run("fping -C3 -p1000 -t500 -i0");
    assert_eq!(zabbix(&run, "198.51.100.9"), (vec![0, 2], vec![Some(10.0), None, Some(10.0)]));
    assert_eq!(zabbix(&run, "203.0.113.77"), (vec![], vec![None, None, None]));
}

#[test]
fn zabbix_finds_the_options_for_a_source_address() {
    let help = World::without_sockets().run("fping -h").stdout;
    let has = |option: &str| help.lines().any(|line| line.trim_start().starts_with(option));
    assert!(has("-S,") && has("-I,") && help.contains(" -O,") && help.contains(" -k,"), "{help}");
}

#[test]
fn librenms_reads_the_same_loss() {
    let run = World::with_host(Node::host(ip("198.51.100.9")).change([2], Change::Silence))
        .run("fping -4 -e -q -c 3 -p 500 -t 500 -O 0 198.51.100.9");
    assert_eq!(librenms(&run.stderr), Some((3, 2, 33, Some([10.0, 10.0, 10.0]))));
    assert_eq!((run.status, run.stdout.as_str()), (0, ""));
    let silent = and_silent(World::new()).run("fping -e -q -c 2 -p 500 203.0.113.77");
    assert_eq!((librenms(&silent.stderr), silent.status), (Some((2, 0, 100, None)), 1));
}

#[test]
fn smokeping_reads_milliseconds() {
    let run = World::new().run("fping -C 1 host.example");
    assert_eq!(smokeping(&run), Some((10.0, 10.0)));
    let run = lossy().run("fping -C 3 -q -B1 -r1 -4 -t1000 -i10 -p500 host.example");
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", "host.example : 10.0 - 10.0\n"));
}

#[test]
fn datagram_sockets_do_the_same() {
    let raw = World::new().run("fping -c 2 -R -b 100 host.example 2001:db8:9::9");
    let dgram = World::new().dgram_only().run("fping -c 2 -R -b 100 host.example 2001:db8:9::9");
    assert_eq!((raw.stdout, raw.stderr, raw.status), (dgram.stdout, dgram.stderr, dgram.status));
    let fast = World::new().dgram_only().run("fping -c 2 -p 1 host.example");
    assert!(fast.status == 1 && fast.stderr.contains("too risky for mere mortals"), "{fast}");
}

/// A target and its delays.
type Measured = (String, Vec<Option<f64>>);

/// vaping (`-u -C N -p T -e`, both streams as one, cut at ` : `): the delays of each target, and the lines that it cannot read.
fn vaping(run: &Outcome) -> (Vec<Measured>, usize) {
    let merged = format!("{}{}", run.stdout, run.stderr);
    let read = |line: &str| {
        let [host, delays] = line.split(" : ").collect::<Vec<_>>().try_into().ok()?;
        let delay = |word: &str| if word == "-" { Some(None) } else { word.parse().ok().map(Some) };
        let delays: Option<Vec<_>> = delays.trim().split(' ').map(delay).collect();
        Some((host.trim().to_owned(), delays?))
    };
    let lines: Vec<_> = merged.lines().map(read).collect();
    let unread = lines.iter().filter(|line| line.is_none()).count();
    (lines.into_iter().flatten().collect(), unread)
}

#[test]
fn vaping_reads_the_delays_and_complains_about_the_lines_of_single_answers() {
    // fping shows these since version 5.2, in spite of -u.
    let world = and_silent(World::with_host(Node::host(ip("198.51.100.9")).change([2], Change::Silence)));
    let (hosts, unread) = vaping(&world.run("fping -u -C3 -p20 -e 198.51.100.9 203.0.113.77"));
    let delays = vec![Some(10.0), None, Some(10.0)];
    assert_eq!(hosts, [("198.51.100.9".to_owned(), delays), ("203.0.113.77".to_owned(), vec![None; 3])]);
    assert_eq!(unread, 3 + 3 + 1, "three lines of each, and the empty one before the sums");
}

/// Netdata's reading of a plugin: charts and their dimensions before values, whose names are dimensions of the chart that was begun
/// and which are whole numbers. The values of each dimension, in order.
fn netdata(text: &str) -> Result<BTreeMap<String, Vec<i64>>, String> {
    let mut dimensions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut values: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    let (mut defined, mut begun) = (String::new(), None);
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let wrong = || line.to_owned();
        match words.as_slice() {
            ["CHART", id, .., priority, every] if begun.is_none() => {
                priority.parse::<u32>().ok().zip(every.parse::<u32>().ok()).ok_or_else(wrong)?;
                defined = (*id).to_owned();
                dimensions.insert(defined.clone(), BTreeSet::new()).map_or(Ok(()), |_| Err(wrong()))?;
            }
            ["DIMENSION", id, _, "absolute", "1", divisor] if begun.is_none() => {
                divisor.parse::<u32>().map_err(|_| wrong())?;
                dimensions.get_mut(&defined).ok_or_else(wrong)?.insert((*id).to_owned());
            }
            ["BEGIN", id] if begun.is_none() && dimensions.contains_key(*id) => begun = Some((*id).to_owned()),
            ["SET", id, "=", value] => {
                let chart = begun.as_ref().filter(|chart| dimensions[*chart].contains(*id)).ok_or_else(wrong)?;
                values.entry(format!("{chart}.{id}")).or_default().push(value.parse().map_err(|_| wrong())?);
            }
            ["END"] if begun.is_some() => begun = None,
            _ => return Err(wrong()),
        }
    }
    begun.map_or(Ok(values), Err)
}

#[test]
fn netdata_reads_a_run_without_end_as_its_plugin_starts_it() {
    let mut world = and_silent(World::with_host(Node::host(ip("198.51.100.9")).change([2], Change::Silence)));
    world.network.at(ms(3100), Control::Interrupt);
    let run = world.run("fping -N -l -Q 1 -p 200 -R -b 56 -i 1 -r 0 -t 500 198.51.100.9 203.0.113.77");
    let values = netdata(&run.stdout).unwrap_or_else(|line| panic!("{line} in {run}"));
    let of = |name: &str| values.get(&format!("fping.{name}")).cloned().unwrap_or_default();
    assert_eq!(of("198_51_100_9_packets.xmt"), [5, 5, 5], "{run}");
    assert_eq!(of("198_51_100_9_packets.rcv"), [4, 5, 5], "{run}");
    assert_eq!(of("203_0_113_77_quality.returned"), [0, 0, 0], "{run}");
    assert_eq!(of("198_51_100_9_latency.avg"), [10_000_000; 3], "in nanoseconds: {run}");
}
