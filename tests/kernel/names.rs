//! Names of targets and hops: from the lab's own hosts file, from a name server that lies, and from one that is silent.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::ops::Range;
use std::os::unix::process::ExitStatusExt;

use crate::helper::Helper;
use crate::lab::{Finished, Lab, Node, Plan, Privilege, Source, Tool};

/// What the name server calls every address: escape sequences, a line break, a right-to-left override, a C1 control.
const HOSTILE: &[u8] = b"evil\x1b[2J\x07\r\n\xe2\x80\xae\xc2\x9bname";

/// What the name server answers of addresses is in this file: addresses, or [`ALL`], [`MORE`], [`OTHERS`], or `nxdomain`.
const ANSWERS: &str = "/mnt/answers";
/// All addresses of an unused block.
const ALL: &str = "all";
/// Those of the block that it answered before and this many more.
const MORE: &str = "more";
/// This many others of the block.
const OTHERS: &str = "others";
const STEP: u32 = 100;
const BLOCK: u32 = 3000;

/// A name server at 127.0.0.1 that answers every reverse query with [`HOSTILE`], and queries for IPv4 addresses as [`ANSWERS`] says.
pub fn serve(ready: impl FnOnce()) {
    let socket = UdpSocket::bind(("127.0.0.1", 53)).expect("port 53 is free in a namespace of its own");
    ready();
    let (mut buffer, mut answered) = ([0; 512], 0);
    while let Ok((length, from)) = socket.recv_from(&mut buffer) {
        answer(&socket, &buffer[..length], from, &mut answered);
    }
}

fn answer(socket: &UdpSocket, query: &[u8], from: SocketAddr, answered: &mut u32) {
    // RFC 1035 §4.1.1 and §4.1.2: header, then one question: labels, a zero octet, type, class.
    let Some(question) = query.get(12..) else { return };
    let Some(end) = question.iter().position(|&octet| octet == 0).map(|end| end + 5) else { return };
    let Some(question) = question.get(..end) else { return };
    let is_ptr = question.get(end - 4..end - 2) == Some(&[0, 12]);
    let is_address = question.get(end - 4..end - 2) == Some(&[0, 1]);
    let addresses = if is_address { addresses(answered) } else { Some(Vec::new()) };
    let mut reply = query[..2].to_vec();
    let count = addresses.as_ref().map_or(0, Vec::len) as u16 + u16::from(is_ptr);
    let code = if addresses.is_none() { 3 } else { 0 };
    reply.extend([0x85, 0x80 | code, 0, 1]);
    reply.extend(count.to_be_bytes());
    reply.extend([0; 4]);
    reply.extend(question);
    for address in addresses.into_iter().flatten() {
        reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4]);
        reply.extend(address.octets());
    }
    if is_ptr {
        let mut name = vec![HOSTILE.len() as u8];
        name.extend(HOSTILE);
        name.extend(b"\x07example\x00");
        reply.extend([0xc0, 12, 0, 12, 0, 1, 0, 0, 0, 60]);
        reply.extend((name.len() as u16).to_be_bytes());
        reply.extend(name);
    }
    let _ = socket.send_to(&reply, from);
}

/// The addresses to answer; `None` if there is no such name.
fn addresses(answered: &mut u32) -> Option<Vec<Ipv4Addr>> {
    let text = std::fs::read_to_string(ANSWERS).unwrap_or_default();
    let before = *answered;
    let block = |range: Range<u32>| range.map(|n| Ipv4Addr::from_bits(0xc612_0000 + n)).collect();
    match text.trim() {
        "nxdomain" => None,
        ALL => Some(block(0..BLOCK)),
        MORE => {
            *answered += STEP;
            let kept = "192.0.2.3".parse().expect("an address");
            Some(std::iter::once(kept).chain(block(0..*answered)).collect())
        }
        OTHERS => {
            *answered += STEP;
            Some(block(before..*answered))
        }
        text => Some(text.split_whitespace().map(|word| word.parse().expect("an address")).collect()),
    }
}

/// No control, non-printing or bidirectional character got through, but line ends.
#[track_caller]
fn is_harmless(run: &Finished) {
    let harmful = |c: char| {
        c != '\n' && c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c) || ('\u{2066}'..='\u{2069}').contains(&c)
    };
    for text in [&run.stdout, &run.stderr] {
        assert!(!text.contains(harmful), "{run:#?}");
        assert!(!text.contains("NOT UTF-8"), "{run:#?}");
    }
}

fn named_lab() -> Option<Lab> {
    let lab = Plan::chain(2).build()?;
    lab.host().add_hosts(
        b"192.0.2.1 target.example alias.example\n\
          2001:db8::1 target.example six.example\n\
          192.0.2.2 four.example\n",
    );
    Some(lab)
}

#[test]
fn a_signal_ends_a_look_up_without_an_answer() {
    let Some(lab) = named_lab() else { return };
    let host = lab.host();
    host.sh("printf 'hosts: files dns\\n' > /mnt/nsswitch.conf");
    host.sh("printf 'nameserver 127.0.0.1\\noptions timeout:30 attempts:5\\n' > /mnt/resolv.conf");
    host.nft("add counter inet lab asked\nadd rule inet lab input udp dport 53 counter name asked drop");
    for tool in [Tool::Rping, Tool::Rtrace] {
        let before = host.counted("asked");
        let run = host.start(tool, Privilege::Root, &["unanswered.example"]);
        assert!((0..2000).any(|_| host.counted("asked") > before), "no server is asked");
        run.signal("TERM");
        let run = run.finish();
        assert_eq!((run.status.signal(), run.stdout.as_str()), (Some(15), ""), "{run:#?}");
        assert!(run.took.as_secs() < 20, "{run:#?}");
    }
}

#[test]
fn a_name_shows_with_the_address_that_was_chosen() {
    let Some(lab) = named_lab() else { return };
    let run = lab.host().rping(&["-4", "-c1", "target.example"]);
    assert_eq!(run.stdout.lines().next(), Some("PING target.example (192.0.2.1) 56(84) bytes of data."), "{run:#?}");
    run.says("64 bytes from target.example (192.0.2.1): icmp_seq=1 ttl=62 time=");
    run.says("--- target.example ping statistics ---");
    let run = lab.host().rping(&["-6", "-c1", "target.example"]);
    assert_eq!(run.stdout.lines().next(), Some("PING target.example (2001:db8::1) 56 data bytes"), "{run:#?}");
    run.says("64 bytes from target.example (2001:db8::1): icmp_seq=1 ttl=62 time=");
    let run = lab.host().rping(&["-c1", "four.example"]);
    run.says("PING four.example (192.0.2.2) 56(84) bytes of data.");
    assert_eq!((run.code(), run.stderr.as_str()), (0, ""));
    let run = lab.host().rping(&["-n", "-c1", "four.example"]);
    run.says("64 bytes from 192.0.2.2: icmp_seq=1");
}

#[test]
fn a_name_of_the_wrong_family_or_of_no_host_ends_with_status_two() {
    let Some(lab) = named_lab() else { return };
    for arguments in [
        &["-c1", "nobody.example"][..],
        &["-6", "-c1", "four.example"],
        &["-4", "-c1", "::1"],
        &["-6", "-c1", "127.0.0.1"],
    ] {
        let run = lab.host().rping(arguments);
        assert_eq!(run.code(), 2, "{run:#?}");
        assert!(run.stderr.contains(arguments[arguments.len() - 1]), "{run:#?}");
        is_harmless(&run);
    }
    let run = lab.host().rtrace(&["nobody.example"]);
    assert_eq!(run.code(), 2, "{run:#?}");
    assert!(run.stderr.contains("nobody.example"), "{run:#?}");
}

#[test]
fn an_unknown_name_does_not_stop_the_others() {
    let Some(lab) = named_lab() else { return };
    let run = lab.host().rping(&["--json", "-c2", "-i0.05", "nobody.example", "four.example"]);
    let summaries = run.objects("summary");
    assert_eq!(summaries.len(), 2, "{run:#?}");
    assert_eq!(summaries[0]["target"], "nobody.example");
    assert_eq!((&summaries[0]["address"], &summaries[0]["state"]), (&serde_json::Value::Null, &"unresolved".into()));
    assert_eq!((&summaries[1]["target"], &summaries[1]["received"]), (&"four.example".into(), &2.into()));
    assert_eq!(run.code(), 2, "the worst counts: {run:#?}");
}

#[test]
fn a_hostile_hosts_file_moves_no_cursor() {
    let Some(lab) = Plan::chain(2).build() else { return };
    lab.host().add_hosts(b"192.0.2.3 evil\x1b[2J\x07\x9bname alias.example\n10.9.0.2 \x1b]0;title\x07\n");
    is_harmless(&lab.host().rping(&["-c1", "alias.example"]));
    is_harmless(&lab.host().rping(&["-H", "-c1", "192.0.2.3"]));
    is_harmless(&lab.host().rping(&["--json", "-c1", "alias.example"]));
    is_harmless(&lab.host().rtrace(&["alias.example"]));
    is_harmless(&lab.host().rtrace(&["--json", "alias.example"]));
}

#[test]
fn a_hostile_name_server_moves_no_cursor() {
    let Some(lab) = Plan::chain(2).build() else { return };
    let _helper = Helper::names(lab.host());
    let runs = [
        lab.host().rtrace(&["192.0.2.1"]),
        lab.host().rtrace(&["--json", "192.0.2.1"]),
        lab.host().rping(&["-H", "-c2", "-i0.7", "192.0.2.1"]),
        lab.host().rping(&["-H", "--json", "-c1", "192.0.2.1"]),
    ];
    for run in &runs {
        is_harmless(run);
        assert_eq!(run.code(), 0, "{run:#?}");
    }
    #[cfg(feature = "dns")]
    {
        assert!(runs[0].stdout.contains("evil"), "the name server was asked: {:#?}", runs[0]);
        assert!(runs[1].stdout.contains("evil"), "the name server was asked: {:#?}", runs[1]);
    }
}

#[test]
fn a_silent_name_server_delays_no_probe_and_hardly_the_end() {
    let Some(lab) = Plan::chain(3).build() else { return };
    // Queries reach the target, which is no router and swallows them.
    lab.host().sh("printf 'nameserver 203.0.113.53\\n' > /etc/resolv.conf");
    let run = lab.host().rtrace(&["--json", &lab.target_v4()]);
    let trace = run.object("trace");
    assert_eq!((&trace["reached"], run.code()), (&true.into(), 0), "{run:#?}");
    let rtts: Vec<f64> =
        trace["hops"].as_array().expect("hops").iter().filter_map(|hop| hop["rtt_stats_ms"]["max"].as_f64()).collect();
    assert!(rtts.len() == 4 && rtts.iter().all(|&rtt| rtt < 200.0), "{trace}");
    assert!(run.took.as_secs_f64() < 3.0, "{run:#?}");
    let run = lab.host().rtrace(&[&lab.target_v4()]);
    run.says(" 4  10.9.3.2 (10.9.3.2)  ");
    let run = lab.host().rping(&["-H", "-c2", "-i0.1", &lab.target_v4()]);
    run.says("2 packets transmitted, 2 received");
    assert!(run.took.as_secs_f64() < 3.0, "{run:#?}");
}

#[test]
fn without_names_no_server_is_asked() {
    let Some(lab) = Plan::chain(2).build() else { return };
    lab.host().nft(
        "add counter inet lab queries
         add rule inet lab output meta l4proto { udp, tcp } th dport 53 counter name queries",
    );
    for run in [
        lab.host().rtrace(&["-n", &lab.target_v4()]),
        lab.host().rping(&["-c2", "-i0.1", &lab.target_v4()]),
        lab.host().rping(&["-n", "-c2", "-i0.1", &lab.target_v4()]),
    ] {
        assert_eq!(run.code(), 0, "{run:#?}");
    }
    assert_eq!(lab.host().counted("queries"), 0);
}

/// What the name server answers from here on.
fn say(host: &Node, answers: &str) {
    host.sh(&format!("echo '{answers}' > {ANSWERS}.new && mv {ANSWERS}.new {ANSWERS}"));
}

/// A lab whose host asks a name server that answers what a test says.
fn asking_lab() -> Option<(Lab, Helper)> {
    let lab = Plan::chain(0).build()?;
    let host = lab.host();
    host.sh("printf 'hosts: files dns\\n' > /mnt/nsswitch.conf");
    host.nft("add counter inet lab asked\nadd rule inet lab input udp dport 53 counter name asked");
    let helper = Helper::names(host);
    Some((lab, helper))
}

#[test]
fn a_name_is_followed_whatever_its_server_answers() {
    let Some((lab, _helper)) = asking_lab() else { return };
    let host = lab.host();
    say(host, "192.0.2.1 192.0.2.2");
    let words = ["--json", "--all-addresses", "--re-resolve=1", "-i0.2", "-W0.2", "changing.example"];
    let mut run = host.start(Tool::Rping, Privilege::Root, &words);
    run.until(Source::Data, r#""type":"reply""#);
    let turned = |address: &str| format!(r#"{{"type":"address","target":"changing.example","address":"{address}""#);
    say(host, "192.0.2.2 192.0.2.3");
    run.until(Source::Data, &turned("192.0.2.1"));
    run.until(Source::Data, &turned("192.0.2.3"));
    say(host, "192.0.2.3");
    run.until(Source::Data, &turned("192.0.2.2"));
    for nothing in ["", "nxdomain"] {
        say(host, nothing);
        let before = host.counted("asked");
        // Two questions, one for each family, make a look-up; the answer to the first of them may be the old one.
        while host.counted("asked") < before + 6 {
            run.until(Source::Data, r#""type":"reply""#);
        }
    }
    say(host, MORE);
    run.until(Source::Data, &turned("198.18.0.199"));
    run.until(Source::Data, &turned("198.18.0.254"));
    say(host, OTHERS);
    run.until(Source::Data, r#""type":"summary""#);
    say(host, "192.0.2.1");
    run.until(Source::Data, &turned("192.0.2.1"));
    run.until(Source::Data, r#""type":"reply""#);
    run.signal("INT");
    let run = run.finish();
    let is_after = |object: &serde_json::Value, kind: &str| object["type"] == kind;
    let objects = run.json();
    let (mut known, mut most) = (0_i64, 0);
    for object in &objects {
        known += i64::from(is_after(object, "start")) - i64::from(is_after(object, "summary"));
        most = most.max(known);
    }
    assert_eq!((known, most), (0, 256), "{run:#?}");
    let came: Vec<_> =
        objects.iter().filter(|object| is_after(object, "address")).map(|object| &object["address"]).collect();
    assert!(
        came.iter().filter(|address| **address == "192.0.2.3").count() <= 2,
        "it stays without an answer: {run:#?}"
    );
    assert!(run.objects("summary").iter().all(|summary| summary["sent"] != 0), "{run:#?}");
}

#[test]
fn of_thousands_of_addresses_some_are_probed_and_that_is_said() {
    let Some((lab, _helper)) = asking_lab() else { return };
    say(lab.host(), ALL);
    let run = lab.host().rping(&["--json", "-q", "--all-addresses", "-c1", "-W0.1", "changing.example"]);
    assert_eq!(run.stderr, "/mnt/rping: changing.example has 3000 addresses: the first 256 are probed\n");
    assert_eq!((run.objects("summary").len(), run.code()), (256, 1), "{run:#?}");
}
