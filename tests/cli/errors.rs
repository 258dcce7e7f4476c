//! Bad command lines and impossible runs: one line that says what is wrong, and status 2.

use insta::assert_snapshot;
use netprobe::channel::OsError;

use crate::world::World;

/// Every run's stderr and status, one a line.
fn table(world: &World, lines: &[&str]) -> String {
    let row = |line: &&str| {
        let outcome = world.run(line);
        assert!(outcome.stdout.is_empty(), "{line}: {}", outcome.stdout);
        assert_eq!(outcome.status, 2, "{line}");
        assert_eq!(outcome.stderr.lines().count(), 1, "{line}: {}", outcome.stderr);
        format!("{line}\n    {}", outcome.stderr)
    };
    lines.iter().map(row).collect()
}

#[test]
fn what_rping_does_not_take_is_said_in_one_line() {
    let lines = [
        "rping",
        "rping -Z host.example",
        "rping -F 5 198.51.100.9",
        "rping --nonsense host.example",
        "rping --cuont 3 host.example",
        "rping --generate tcsh",
        "rping --generate bash host.example",
        "rping -c host.example",
        "rping -c",
        "rping -c0 host.example",
        "rping -c1.1 host.example",
        "rping -c -1 host.example",
        "rping -c 99999999999999999999 host.example",
        "rping -i -1 host.example",
        "rping -i 0,1 host.example",
        "rping -w0,1 host.example",
        "rping -W -1 host.example",
        "rping -W 5S host.example",
        "rping -s 65528 host.example",
        "rping -s 65508 198.51.100.9",
        "rping -t 256 host.example",
        "rping -t 0 host.example",
        "rping -l 0 host.example",
        "rping -Q 300 host.example",
        "rping --dscp af99 host.example",
        "rping -p zz host.example",
        "rping -M bogus host.example",
        "rping -F 100000 host.example",
        "rping -e 65536 host.example",
        "rping -m x host.example",
        "rping -S 0 host.example",
        "rping --socket stream host.example",
        "rping --rate fast host.example",
        "rping -4 -6 host.example",
        "rping --tos 1 --dscp ef host.example",
        "rping 443",
        "rping 10.0.0.0/8",
        "rping unix:/run/x.sock",
        "rping unix:",
        "rping host.example:443",
        "rping --tcp host.example:0",
        "rping --changes --format prometheus host.example",
        "rping --contrast --format prometheus host.example",
        "rping --changes --format influx host.example",
        "rping --contrast --format influx host.example",
        "rping --format atlas host.example",
        "rping --format atlas 198.51.100.0/24",
        "rtrace --report --format atlas host.example",
        "rping --workers 2 --format prometheus 198.51.100.0/24",
        "rping --mos unix:/run/x.sock",
        "rping --tcp=http host.example",
        "rping --tcp=0 host.example",
        "rping --udp host.example",
        "rping --udp=domain host.example",
        "rping --tcp --udp=53 host.example",
        "rping --stamp --icmp host.example",
        "rping --tcp --tcp-close=abort host.example",
        "rping --tcp --data @/nonexistent/data host.example",
        "rping --data x host.example",
        "rping --udp=dns --data x host.example",
        "rping --sport 4711 host.example",
        "rping -C host.example",
        "rping host.example/path",
        "rping -I nope0 host.example",
        "rping -I fe80::1%nope0 fe80::9%eth0",
        "rping -I fe80::1 fe80::9%eth0",
        "rping -R host.example",
        "rping -T tsonly host.example",
        "rping -N name host.example",
        "rping --targets /nonexistent/list",
    ];
    assert_snapshot!("rping_refusals", table(&World::new(), &lines));
}

#[test]
fn a_name_is_repeated_with_its_controls_escaped() {
    let outcome = World::new().run("rping a\u{1b}[2Jb");
    assert_eq!((&*outcome.stderr, outcome.status), ("rping: a\\u{1b}[2Jb: Name or service not known\n", 2));
}

#[test]
fn what_rtrace_does_not_take_is_said_in_one_line() {
    let lines = [
        "rtrace",
        "rtrace 60",
        "rtrace 443 host.example",
        "rtrace host.example 65001",
        "rtrace -f 0 host.example",
        "rtrace -m 256 host.example",
        "rtrace -f 9 -m 8 host.example",
        "rtrace -q 0 host.example",
        "rtrace -q 11 host.example",
        "rtrace -N 0 host.example",
        "rtrace -w x host.example",
        "rtrace -w 1,2,3,4 host.example",
        "rtrace -z -1 host.example",
        "rtrace -p 0 host.example",
        "rtrace -p 65536 host.example",
        "rtrace -M sctp host.example",
        "rtrace -I -U host.example",
        "rtrace -s nowhere host.example",
        "rtrace -i nope0 host.example",
        "rtrace -i 0.1 host.example",
        "rtrace --mtu -T host.example",
        "rtrace --mtu -M tcpconn host.example",
        "rtrace --mtu --flows 2 host.example",
        "rtrace --mtu --report host.example",
        "rtrace --columns LS host.example",
        "rtrace --report --columns LSQ host.example",
        "rtrace --report --columns H host.example",
        "rtrace --report --columns LZ host.example",
        "rtrace --report --columns LS --json host.example",
        "rtrace -l 5 -4 host.example",
        "rtrace -g 10.0.0.1 host.example",
    ];
    assert_snapshot!("rtrace_refusals", table(&World::new(), &lines));
}

#[test]
fn what_the_probes_of_a_method_cannot_have_is_refused() {
    let lines = [
        "rtrace -p 443 host.example",
        "rtrace -I --sport 4000 host.example",
        "rtrace --report -p 443 host.example",
        "rtrace -T --socket dgram host.example",
        "rtrace -M tcpconn --sport 4000 host.example",
        "rtrace -M tcpconn --flow 3 host.example",
        "rtrace -M tcpconn --socket raw host.example",
        "rtrace -M tcpconn host.example 100",
    ];
    assert_snapshot!("method_refusals", table(&World::new(), &lines));
}

#[test]
fn a_refused_raw_socket_is_reported_with_what_allows_it() {
    let world = World::new().unprivileged();
    assert_snapshot!("raw_tcp_not_allowed", world.run("rtrace -T 198.51.100.9"));
    assert_snapshot!("raw_udp_not_allowed", world.run("rtrace -U --socket raw 198.51.100.9"));
}

#[test]
fn a_target_that_cannot_be_had_is_named_with_the_reason() {
    let world = World::new().unroutable("198.51.100.9", OsError::ENETUNREACH);
    let lines = [
        "rping -c1 nosuch.example",
        "rping -c1 -4 2001:db8:9::9",
        "rping -c1 -6 198.51.100.9",
        "rping -c1 198.51.100.9",
        "rtrace nosuch.example",
        "rtrace 198.51.100.9",
    ];
    assert_snapshot!("unusable_targets", table(&world, &lines));
}

#[test]
fn a_list_of_targets_moves_no_cursor_on_standard_error() {
    let world = World::new().stdin("evil\u{1b}[2J\u{202e}.example\n");
    for tool in ["rping -c1", "rtrace"] {
        let outcome = world.run(&format!("{tool} --targets -"));
        assert!(outcome.stderr.contains(r": evil\u{1b}[2J\u{202e}.example: Name or service not known"), "{outcome}");
    }
}

#[test]
fn what_an_invalid_argument_of_a_route_may_mean_is_said() {
    let world = World::new().unroutable("fe80::1", OsError::EINVAL).unroutable("198.51.100.9", OsError::EINVAL);
    let lines = ["rtrace fe80::1", "rping -c1 fe80::1", "rtrace -s 192.0.2.1 198.51.100.9"];
    assert_snapshot!("route_invalid_argument", table(&world, &lines));
}

#[test]
fn without_any_privilege_both_refusals_and_both_fixes_are_named() {
    let world = World::new().unprivileged();
    assert_snapshot!("rping_without_privilege", world.run("rping -c1 198.51.100.9"));
    assert_snapshot!("rtrace_without_privilege", world.run("rtrace -I 2001:db8:9::9"));
}

#[test]
fn an_identifier_that_the_kernel_would_replace_is_refused() {
    let outcome = World::new().dgram_only().run("rping -c1 -e 7 198.51.100.9");
    assert!(outcome.stderr.starts_with("rping: -e: "), "{outcome}");
    assert_eq!((outcome.status, outcome.stdout.as_str()), (2, ""));
    assert_eq!(World::new().run("rping -c1 -e 7 198.51.100.9").status, 0);
}

#[test]
fn a_user_may_not_flood_and_reads_what_is_allowed() {
    let world = World::new().dgram_only();
    assert_snapshot!("interval_too_short", world.run("rping -c1 -i 0.001 198.51.100.9"));
    assert_eq!(world.run("rping -c1 -f 198.51.100.9").status, 2);
    assert_eq!(world.run("rping -c1 --rate max 198.51.100.9").status, 2);
    assert_eq!(world.run("rping -c1 -l 4 198.51.100.9").status, 2);
    assert_eq!(world.run("rping -c1 -i 0.002 198.51.100.9").status, 0);
}

#[test]
fn an_address_that_cannot_be_reached_gives_way_to_the_next_of_the_name() {
    let world = World::new().unroutable("198.51.100.9", OsError::ENETUNREACH);
    let outcome = world.run("rping -c1 host.example");
    assert!(outcome.stdout.contains("(2001:db8:9::9)"), "{outcome}");
    assert_eq!(outcome.status, 0);
}

#[test]
fn a_mark_on_connections_is_refused_with_the_reason() {
    let world = World::new();
    let outcome = world.run("rping -c1 -m 3 --tcp=443 198.51.100.9");
    let sentence =
        "rping: -m: not with --tcp: the right to mark is given up before the sockets of connections are made\n";
    assert_eq!((outcome.status, outcome.stderr.as_str(), outcome.stdout.as_str()), (2, sentence, ""));
}

#[test]
fn an_option_without_effect_on_any_probe_is_refused() {
    let lines = [
        "rping -s 100 --tcp host.example",
        "rping -s 100 --stamp host.example",
        "rping -s 100 --udp=dns host.example",
        "rping -s 100 --udp=ntp host.example",
        "rping -s 100 --udp=9 --data x host.example",
        "rping -p ff --tcp host.example",
        "rping -p ff --udp=9 host.example",
        "rping -e 7 --udp=9 host.example",
        "rping -e 7 --tcp host.example",
        "rping --tcp-close=fin host.example",
        "rping --tcp-close=fin --udp=9 host.example",
        "rping --socket raw --tcp host.example",
        "rping --timestamping kernel --tcp host.example",
        "rping -U --stamp host.example",
        "rping -b --tcp host.example",
        "rping -L --tcp host.example",
        "rping -t 9 unix:/run/x",
        "rping -Q 9 unix:/run/x",
        "rping --dscp ef unix:/run/x",
        "rping -F 5 unix:/run/x",
        "rping -M do unix:/run/x",
        "rping -m 3 unix:/run/x",
        "rping -S 9000 unix:/run/x",
        "rping -4 unix:/run/x",
        "rping -I eth0 unix:/run/x",
        "rping --source 192.0.2.1 unix:/run/x",
        "rping -B unix:/run/x",
        "rping -n unix:/run/x",
        "rping -H unix:/run/x",
        "rping --tcp unix:/run/x",
        "rping --sport 4711 unix:/run/x",
        "rping -s 100 unix:/run/x",
        "rping --resolver=192.0.2.1 host.example",
        "rping -L --contrast host.example",
        "rping -b --contrast host.example",
        "rping --tcp-close=fin 198.51.100.0/29",
        "rping -n 198.51.100.0/29",
        "rping -F 5 198.51.100.0/29",
        "rtrace -M icmp -U host.example",
        "rtrace -n --resolver=192.0.2.1 host.example",
        "rtrace -M tcpconn --mark 3 host.example",
        "rtrace -M tcpconn --timestamping kernel host.example",
        "rpong --udp 7 --stateful",
        "rpong --udp 7 --max-connections 5",
        "rpong --udp 7 --drain 5",
        "rpong --tcp 7 --rate 5",
    ];
    assert_snapshot!("an_option_without_effect_on_any_probe_is_refused", table(&World::new(), &lines));
}

#[test]
fn an_option_with_an_effect_on_one_target_is_taken() {
    let outcome = World::new().run("rping -c 1 -t 9 -s 100 198.51.100.9 unix:/run/x");
    assert!(outcome.stdout.contains("PING 198.51.100.9 (198.51.100.9) 100(128) bytes of data."), "{outcome}");
}

#[test]
fn what_would_reach_a_terminal_from_the_command_line_is_escaped() {
    let world = World::new();
    for line in [
        "rping \u{1b}[2J",
        "rping --\u{1b}[2J host.example",
        "rping -c \u{1b}[2J host.example",
        "rping --udp=\u{1b}[2J host.example",
        "rping --targets /nosuch/\u{1b}[2J",
        "rping --exclude /nosuch/\u{1b}[2J 192.0.2.0/24",
        "rping -I \u{1b}[2J host.example",
        "rtrace --targets /nosuch/\u{1b}[2J",
        "rtrace --asn-db /nosuch/\u{1b}[2J -A host.example",
        "rtrace -M \u{9b}2J host.example",
        "rpong --udp \u{1b}[2J",
        "rpong --join \u{202e}x --udp 7",
    ] {
        let run = world.run(line);
        assert_eq!((run.status, run.stdout.as_str()), (2, ""), "{line:?}: {:?}", run.stderr);
        assert!(run.stderr.contains(r"\u{"), "{line:?}: {:?}", run.stderr);
        assert!(!run.stderr.chars().any(|at| (at.is_control() && at != '\n') || at == '\u{202e}'), "{:?}", run.stderr);
    }
}

#[test]
fn more_targets_than_there_are_cannot_be_required_to_answer() {
    let run = |words: &str| World::new().run(words);
    let refused = run("rping -c1 --reachable 3 198.51.100.9 198.51.100.9");
    assert_eq!((refused.status, &*refused.stderr), (2, "rping: --reachable 3: more than the targets, which are 2\n"));
    assert_eq!(run("rping -c1 --reachable 2 198.51.100.9 198.51.100.9").status, 0);
}
