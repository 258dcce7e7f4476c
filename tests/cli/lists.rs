//! Lists as people keep them, wherever a tool reads one; and targets that are written in an unusual way.

use std::fs;
use std::time::Duration;

use netprobe::sim::{AddressOutcome, Node, Peer, TcpService, ip};

use crate::world::{Outcome, World};

/// A network in which 198.51.100.0/28 answers, to ICMP and at port 80.
fn world() -> World {
    World::with_host(
        Node::host(ip("198.51.100.9"))
            .also(ip("2001:db8:9::9"))
            .prefix(ip("198.51.100.0"), 28)
            .tcp(80, TcpService::Accept(Peer::silent())),
    )
}

/// Runs `line` with a file of these octets in the place of FILE.
fn run(line: &str, list: &[u8]) -> Outcome {
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), list).expect("a file to write");
    let path = file.path().display().to_string();
    let outcome = world().run(&line.replace("FILE", &path));
    Outcome { stderr: outcome.stderr.replace(&path, "FILE"), words: line.to_owned(), ..outcome }
}

/// The addresses of all summaries, in order of appearance.
fn addresses(outcome: &Outcome) -> Vec<String> {
    let objects = outcome.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON"));
    let ends = objects.filter(|object: &serde_json::Value| object["type"] == "summary" || object["type"] == "trace");
    ends.map(|object| object["address"].as_str().unwrap_or("none").to_owned()).collect()
}

/// Every way to read a list of targets.
const READERS: [&str; 4] = [
    "rping --json --targets FILE",
    "rping --json --random-order --targets FILE",
    "rping --json --tcp -c 1 --targets FILE",
    "rtrace --json -n --targets FILE",
];

fn every_reader_finds(list: &[u8], expected: &[&str]) {
    for line in READERS {
        let outcome = run(line, list);
        let mut found = addresses(&outcome);
        found.sort();
        assert_eq!(
            (found, outcome.status, outcome.stderr.as_str()),
            (expected.iter().map(ToString::to_string).collect(), 0, ""),
            "{outcome}"
        );
    }
}

#[test]
fn a_byte_order_mark_is_no_part_of_a_target() {
    every_reader_finds(b"\xef\xbb\xbf198.51.100.1\n198.51.100.2\n", &["198.51.100.1", "198.51.100.2"]);
}

#[test]
fn a_comment_may_be_in_latin_1() {
    every_reader_finds(b"# caf\xe9\n198.51.100.1 # B\xfcro\n", &["198.51.100.1"]);
}

#[test]
fn lines_may_end_as_on_other_systems_or_not_at_all() {
    every_reader_finds(b"198.51.100.1\r\n\r\n198.51.100.2", &["198.51.100.1", "198.51.100.2"]);
}

#[test]
fn tabs_stand_around_a_target_and_a_name_after_it() {
    every_reader_finds(b"\t198.51.100.1\trouter.lan\talias\n198.51.100.2 \t \n", &["198.51.100.1", "198.51.100.2"]);
}

#[test]
fn a_target_that_is_listed_twice_is_probed_twice() {
    every_reader_finds(b"198.51.100.1\n198.51.100.1\n", &["198.51.100.1", "198.51.100.1"]);
}

#[test]
fn exclusions_are_read_like_targets() {
    let list =
        b"\xef\xbb\xbf198.51.100.0/31\r\n\t198.51.100.4 - 198.51.100.6\tthree\n198.51.100.7 # caf\xe9\n198.51.100.7";
    let outcome = run("rping --alive --exclude FILE 198.51.100.0-7", list);
    assert_eq!((outcome.stdout.as_str(), outcome.status), ("198.51.100.2\n198.51.100.3\n", 0), "{outcome}");
}

#[test]
fn a_prefix_of_any_length_can_be_excluded() {
    let outcome = run("rping --alive --exclude FILE 198.51.100.1 2001:db8:9::9", b"2001:db8::/32\nfe80::/10\n::/64\n");
    assert_eq!((outcome.stdout.as_str(), outcome.status, outcome.stderr.as_str()), ("198.51.100.1\n", 0, ""));
}

#[test]
fn exclusions_come_from_standard_input_too() {
    let outcome = world().stdin("198.51.100.1\r\n").run("rping --alive --exclude - 198.51.100.1-2");
    assert_eq!((outcome.stdout.as_str(), outcome.status), ("198.51.100.2\n", 0), "{outcome}");
    let outcome = world().stdin("198.51.100.1\n").run("rping --alive --exclude - --targets -");
    assert_eq!((outcome.stdout.as_str(), outcome.status), ("", 2), "{outcome}");
}

#[test]
fn an_error_in_a_list_names_file_and_line() {
    let list = b"198.51.100.1\n\n# x\nhttp://198.51.100.2/\n";
    for line in READERS {
        let outcome = run(line, list);
        assert!(
            outcome.stderr.contains("--targets FILE, line 4: 'http://198.51.100.2/' is a URL; did you mean"),
            "{outcome}"
        );
        assert_eq!(outcome.status, 2, "{outcome}");
    }
    let outcome = run("rping --exclude FILE 198.51.100.1", b"\n198.51.100.1/24\n");
    assert!(outcome.stderr.contains("--exclude FILE, line 2: '198.51.100.1/24' has bits set"), "{outcome}");
    let outcome = world().stdin("198.51.100.1\n443\n").run("rping --targets -");
    assert!(outcome.stderr.contains("--targets -, line 2: '443' is not a target"), "{outcome}");
    let outcome = run("rping --targets FILE", b"\xff\xfe1\x000\x00\n\x00");
    assert!(outcome.stderr.contains("--targets FILE: this is UTF-16") && outcome.status == 2, "{outcome}");
}

#[test]
fn a_prefix_of_one_address_is_one_target() {
    for target in ["198.51.100.1/32", "198.51.100.1-198.51.100.1", "198.51.100.1-1", "2001:db8:9::9/128"] {
        let outcome = world().run(&format!("rping -c 1 {target}"));
        let address = target.split(['/', '-']).next().unwrap_or_default();
        assert!(outcome.stdout.starts_with(&format!("PING {address} ({address}) 56")), "{outcome}");
        assert!(outcome.stdout.contains(&format!("64 bytes from {address}: icmp_seq=1")), "{outcome}");
        let outcome = world().run(&format!("rtrace -n {target}"));
        assert!(
            outcome.status == 0 && outcome.stdout.starts_with(&format!("traceroute to {address} ({address})")),
            "{outcome}"
        );
        let outcome = world().run(&format!("rping --json --tcp -c 1 {target}"));
        assert_eq!(addresses(&outcome), [address], "{outcome}");
    }
}

#[test]
fn a_range_may_end_with_its_last_part() {
    let outcome = world().run("rping --alive 198.51.100.1-4 2001:db8:9::8-9 -W 100ms");
    assert_eq!(outcome.stdout.lines().count(), 5, "{outcome}");
}

#[test]
fn a_word_that_is_no_target_gets_the_sentence_that_helps() {
    for (words, sentence) in [
        ("rping http://h/", "'http://h/' is a URL; did you mean h, or --tcp h:80?"),
        ("rping --alive https://h:8443/path", "'https://h:8443/path' is a URL; did you mean h, or --tcp h:8443?"),
        ("rping --tcp https://h/path", "'https://h/path' is a URL; did you mean h, or h:443?"),
        ("rping [::1]", "'[::1]' is not a target; did you mean ::1?"),
        ("rping h:443", "'h:443': ICMP has no ports; did you mean --tcp h:443?"),
        ("rping --alive h:443", "'h:443': ICMP has no ports; did you mean --tcp h:443?"),
        ("rping --tcp h:http", "'h:http': port 'http': must be a whole number from 1 to 65535"),
        ("rping --contrast h:x", "'h:x': port 'x': must be a whole number from 1 to 65535"),
        ("rtrace -T h:443", "'h:443': the port is an option of its own; did you mean -T -p 443 h?"),
        ("rtrace -U [::1]:53", "'[::1]:53': the port is an option of its own; did you mean -U -p 53 ::1?"),
        ("rtrace https://h/", "'https://h/' is a URL; did you mean h, or -T -p 443 h?"),
        ("rtrace 198.51.100.0/30", "'198.51.100.0/30' is 2 addresses; a trace has one: name each"),
    ] {
        let outcome = world().run(words);
        let tool = words.split(' ').next().unwrap_or_default();
        assert_eq!((outcome.status, outcome.stdout.as_str()), (2, ""), "{outcome}");
        assert_eq!(outcome.stderr, format!("{tool}: {sentence}\n"), "{outcome}");
    }
}

#[test]
fn the_zone_of_an_address_is_its_interfaces_name_in_every_format() {
    let world = || World::with_host(Node::host(ip("fe80::9")));
    let mut named = world();
    named.network.address("printer.example", AddressOutcome::Found(vec![ip("fe80::9")], Duration::ZERO));
    // With `-I`; as the only interface there is; of a name's address.
    for (world, target) in [
        (world(), "-I eth0 fe80::9"),
        (world().links(&["eth0"]), "fe80::9"),
        (named.links(&["eth0"]), "printer.example"),
    ] {
        for tool in ["rping -c 1", "rping --contrast -c 2", "rtrace -n"] {
            let words = |format| {
                format!(
                    "{tool} {format} {}",
                    target.replace("-I", if tool.starts_with("rtrace") { "-i" } else { "-I" })
                )
            };
            let outcome = world.run(&words("--json"));
            assert!(outcome.stdout.contains(r#""address":"fe80::9","zone":"eth0""#), "{outcome}");
            let outcome = world.run(&words("--format=csv"));
            assert!(outcome.stdout.contains(",fe80::9%eth0,"), "{outcome}");
        }
        let sweeps = [("", "fe80::9%eth0"), ("--json", r#""address":"fe80::9","zone":"eth0""#)];
        for (format, expected) in sweeps.into_iter().chain([("--format=csv", ",fe80::9%eth0,"), ("-v", "fe80::9%eth0")])
        {
            let outcome = world.run(&format!("rping --alive {format} {target}"));
            assert!(outcome.stdout.contains(expected), "{outcome}");
        }
        let outcome = world.run(&format!("rping -c 1 {target}"));
        assert!(outcome.stdout.contains("(fe80::9%eth0) ") && outcome.stdout.contains("fe80::9%eth0"), "{outcome}");
    }
}

#[test]
fn a_link_local_address_with_several_candidates_names_them() {
    let world = World::with_host(Node::host(ip("fe80::9"))).links(&["eth0", "wlan0", "br-lan"]);
    for words in ["rping -c 1 fe80::9", "rtrace fe80::9", "rping -c 1 --tcp fe80::9", "rping -I fe80::1 fe80::9"] {
        let outcome = world.run(words);
        assert_eq!((outcome.status, &*outcome.stdout), (2, ""), "{outcome}");
        let address = if words.contains("-I") { "fe80::1" } else { "fe80::9" };
        let choices = format!("as in {address}%eth0, {address}%wlan0 or {address}%br-lan\n");
        assert!(outcome.stderr.ends_with(&choices), "{outcome}");
    }
    let outcome = world.run("rping --alive fe80::9 fe80::a");
    assert!(outcome.stderr.contains("as in fe80::9%eth0, fe80::9%wlan0 or fe80::9%br-lan\n"), "{outcome}");
}

#[test]
fn a_list_without_end_is_refused_by_every_option_that_reads_one() {
    for line in [
        "rping --tcp --targets /dev/zero",
        "rping --alive --targets /dev/zero",
        "rping --alive --exclude /dev/zero 198.51.100.0/30",
        "rtrace --targets /dev/zero",
    ] {
        let outcome = world().run(line);
        assert!(
            outcome.status == 2 && outcome.stderr.ends_with("/dev/zero: line 1: longer than 1048576 bytes\n"),
            "{outcome}"
        );
        assert_eq!(outcome.stderr.lines().count(), 1, "{outcome}");
    }
    let endless = "127.0.0.1\n".repeat(1_000_001);
    let outcome = run("rtrace --targets FILE", endless.as_bytes());
    assert_eq!(
        (outcome.status, outcome.stderr.as_str()),
        (2, "rtrace: --targets FILE, line 1000001: more than 1000000 targets\n")
    );
}
