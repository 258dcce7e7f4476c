//! The packets of a run, as another program reads them (`--pcap`).

use std::path::Path;
use std::time::Duration;

use netprobe::sim::{Direction, Link, Node, US, ip};
use netprobe::wire::ip::parse;
use pcap_parser::pcapng::{Block, parse_block_le};

use crate::world::{Outcome, World};

/// Time, octets and comment of each packet.
struct Seen {
    at: u64,
    octets: Vec<u8>,
    comment: String,
}

fn read(capture: &[u8]) -> Vec<Seen> {
    let (mut rest, mut packets) = (capture, Vec::new());
    while !rest.is_empty() {
        let (after, block) = parse_block_le(rest).expect("a block");
        if let Block::EnhancedPacket(packet) = block {
            let comment = packet.options.iter().find(|option| option.code.0 == 1);
            let comment = comment.map_or(&[][..], |comment| &comment.value[..comment.len.into()]);
            packets.push(Seen {
                at: u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low),
                octets: packet.data[..packet.caplen as usize].to_vec(),
                comment: String::from_utf8(comment.to_vec()).expect("UTF-8"),
            });
        }
        rest = after;
    }
    packets
}

fn captured(world: &World, line: &str) -> (Outcome, Vec<Seen>) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("run.pcapng");
    let outcome = world.run(&format!("{line} --pcap {}", file.display()));
    (outcome, read(&std::fs::read(file).unwrap()))
}

fn comments(packets: &[Seen]) -> Vec<&str> {
    packets.iter().map(|packet| packet.comment.as_str()).collect()
}

/// What the comment says first.
fn words(packets: &[Seen]) -> Vec<&str> {
    packets.iter().map(|packet| packet.comment.split([';', ',']).next().unwrap()).collect()
}

#[test]
fn each_packet_is_there_with_what_became_of_it() {
    let (outcome, packets) = captured(&World::new(), "rping -c 2 host.example");
    assert_eq!((outcome.status, outcome.stderr.as_str()), (0, ""));
    let expected = [
        "probe 1 to 198.51.100.9; IP header reconstructed",
        "reply to probe 1 to 198.51.100.9, 10.000 ms",
        "probe 2 to 198.51.100.9; IP header reconstructed",
        "reply to probe 2 to 198.51.100.9, 10.000 ms",
    ];
    assert_eq!(comments(&packets), expected);
    assert_eq!(packets[1].at - packets[0].at, 10_000_000);
    assert_eq!(packets[2].at - packets[0].at, 1_000_000_000);
    for (packet, (from, to)) in
        packets.iter().zip([("192.0.2.1", "198.51.100.9"), ("198.51.100.9", "192.0.2.1")].repeat(2))
    {
        let read = parse(&packet.octets).unwrap();
        assert_eq!((read.source, read.destination, read.payload.len()), (ip(from), ip(to), 64));
    }
}

#[test]
fn the_results_are_those_of_a_run_without() {
    for line in [
        "rping -c 3 host.example",
        "rtrace -n host.example",
        "rping -c 5 -f host.example",
        "rping -q -c 3 host.example",
        "rping -c 2 -O 203.0.113.77 host.example",
        "rping -c 3 --changes host.example",
        "rping 198.51.100.8/30",
        "rping --contrast -c 2 host.example",
    ] {
        let (with, packets) = captured(&World::new(), line);
        let without = World::new().run(line);
        assert_eq!((with.stdout, with.stderr, with.status), (without.stdout, without.stderr, without.status), "{line}");
        assert!(!packets.is_empty());
    }
}

#[test]
fn every_method_shows_its_packets_and_answers_over_every_socket_and_family() {
    for target in ["198.51.100.9", "2001:db8:9::9"] {
        let dgram = || World::new().dgram_only();
        for (world, line, said) in [
            (World::new(), "rping -c 1", "reply to"),
            (dgram(), "rping -c 1", "reply to"),
            (World::new(), "rping -c 1 -f", "reply to"),
            (World::new(), "rping -c 1 --udp=7", "port unreachable for"),
            (World::new(), "rping -c 1 --stamp", "port unreachable for"),
        ] {
            let (outcome, packets) = captured(&world, &format!("{line} {target}"));
            let expected = [format!("probe 1 to {target}"), format!("{said} probe 1 to {target}")];
            assert_eq!(words(&packets), expected, "{line} {target}: {outcome}");
        }
        for (world, method) in [
            (World::new(), "-I"),
            (World::new(), "-U"),
            (World::new(), "-T"),
            (World::new(), "-M default"),
            (dgram(), "-I"),
            (dgram(), "-U"),
            (dgram(), "-M default"),
        ] {
            let (outcome, packets) = captured(&world, &format!("rtrace -n -q 1 -z 200ms {method} {target}"));
            let said = words(&packets);
            let count = |start: &str| said.iter().filter(|said| said.starts_with(start)).count();
            assert!(count("probe ") >= 3, "{method} {target}: {said:?} {outcome}");
            assert_eq!(count("time exceeded for probe "), 2, "{method} {target}: {said:?} {outcome}");
            assert_eq!(said.len() - count("probe ") - count("time exceeded"), 1, "{method} {target}: {said:?}");
        }
    }
}

#[test]
fn a_probe_without_an_answer_stands_alone() {
    let mut world = World::new();
    let home = Direction::after(Duration::from_millis(7)).lose(1.0);
    world.network.add(US, Node::host(ip("198.51.100.50")), Link::after(Duration::from_millis(7)).homeward(home));
    let (_, packets) = captured(&world, "rping -c 2 -W 100ms 198.51.100.50");
    assert_eq!(words(&packets), ["probe 1 to 198.51.100.50", "probe 2 to 198.51.100.50"]);
}

#[test]
fn a_sweep_shows_its_probes_and_their_answers() {
    let (outcome, packets) = captured(&World::new(), "rping --alive 198.51.100.8/30");
    assert_eq!(outcome.stdout, "198.51.100.9\n");
    let from_host = |packet: &&Seen| parse(&packet.octets).unwrap().source == ip("198.51.100.9");
    assert_eq!(packets.iter().filter(from_host).count(), 1);
    assert!(words(&packets).contains(&"probe 1 to 198.51.100.9"));
}

#[test]
fn a_file_that_is_there_is_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("run.pcapng");
    std::fs::write(&file, "mine").unwrap();
    let line = format!("rping -c 1 host.example --pcap {}", file.display());
    let refused = World::without_sockets().run(&line);
    assert_eq!(refused.status, 2);
    assert!(refused.stderr.contains("it exists already; --force overwrites it"), "{refused}");
    World::new().run(&format!("{line} --force"));
    assert_eq!(read(&std::fs::read(&file).unwrap()).len(), 2);
    assert!(mode_of(&file) & 0o077 == 0);
}

fn mode_of(file: &Path) -> u32 {
    std::os::unix::fs::PermissionsExt::mode(&file.metadata().unwrap().permissions())
}

#[test]
fn what_has_no_packets_is_refused_with_a_sentence() {
    for (line, why) in [
        ("rping --tcp --pcap x h", "tcpdump writes those"),
        ("rtrace -M tcpconn --pcap x h", "tcpdump writes those"),
        ("rping --pcap x unix:/x", "no packets"),
        ("rping --replay f --pcap x", "not the packets"),
        ("rtrace --replay f --pcap x", "not the packets"),
        ("rping --pcap - --record - h", "standard output has the recording"),
        ("rping -qq --pcap - h", "nothing is written to standard output"),
        ("rtrace -qq --pcap - h", "nothing is written to standard output"),
        ("rtrace --shard-index 0 --shard-count 2 --pcap x h", "share"),
    ] {
        let outcome = World::without_sockets().run(line);
        assert_eq!(outcome.status, 2, "{outcome}");
        assert!(outcome.stderr.contains("--pcap") && outcome.stderr.contains(why), "{outcome}");
    }
}

#[test]
fn a_syn_of_a_sweep_is_seen_and_a_connection_is_not() {
    let (_, packets) = captured(&World::new(), "rping --alive --tcp=80 198.51.100.8/30");
    let said = words(&packets);
    assert!(said.contains(&"probe 1 to 198.51.100.9"), "{said:?}");
    assert!(
        said.iter().any(|said| said.ends_with(" probe 1 to 198.51.100.9") && !said.starts_with("probe")),
        "{said:?}"
    );
}

#[test]
fn late_and_doubled_answers_are_called_that() {
    let home = |direction: Direction| {
        let mut world = World::new();
        let link = Link::after(Duration::from_millis(7)).homeward(direction);
        world.network.add(US, Node::host(ip("198.51.100.50")), link);
        world
    };
    let says = |world: &World, line: &str, what: &str| {
        let (_, packets) = captured(world, line);
        let found = packets.iter().filter(|packet| packet.comment.contains(what)).count();
        assert!(found > 0, "{line}: {:?}", comments(&packets));
    };
    let twice = home(Direction::after(Duration::from_millis(7)).duplicate(1.0));
    for line in ["rping -c 2 -i 100ms 198.51.100.50", "rping 198.51.100.50/31 -c 2 -i 100ms"] {
        says(&twice, line, "reply to probe 1 to 198.51.100.50, 14.000 ms, duplicate");
    }
    let late = home(Direction::after(Duration::from_millis(300)));
    for line in ["rping -c 2 -W 100ms 198.51.100.50", "rping 198.51.100.50/31 -W 100ms --retry 5"] {
        says(&late, line, ", late");
    }
}

#[test]
fn a_search_for_the_mtu_says_what_it_made_of_each_answer() {
    let (outcome, packets) = captured(&World::new(), "rtrace -n --mtu -I 198.51.100.9");
    let large: Vec<&Seen> = packets.iter().filter(|packet| packet.octets.len() > 500).collect();
    let starts = |start: &str| large.iter().filter(|packet| packet.comment.starts_with(start)).count();
    assert!(starts("probe ") > 0 && starts("reply to probe ") > 0, "{:?} {outcome}", comments(&packets));
    assert_eq!(starts("probe ") + starts("reply to probe "), large.len(), "{:?}", comments(&packets));
}
