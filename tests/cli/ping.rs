//! Runs of `rping`.

use std::time::Duration;

use insta::assert_snapshot;
use netprobe::channel::Control;
use netprobe::sim::{Change, Node, ip};

use crate::world::World;

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

#[test]
fn a_plain_run_reads_as_pings() {
    assert_snapshot!(World::new().run("rping -c 3 host.example"));
}

#[test]
fn ipv6_reads_as_pings() {
    assert_snapshot!(World::new().run("rping -6 -c 2 host.example"));
}

#[test]
fn the_datagram_socket_looks_the_same() {
    let raw = World::new().run("rping -c 2 198.51.100.9");
    let dgram = World::new().dgram_only().run("rping -c 2 198.51.100.9");
    assert_eq!((raw.stdout, raw.stderr, raw.status), (dgram.stdout, dgram.stderr, dgram.status));
}

#[test]
fn json_tells_the_same_run() {
    assert_snapshot!(World::new().run("rping --json -c 2 host.example"));
}

#[test]
fn several_targets_run_together_and_are_summed_up_in_order() {
    let world = World::new();
    assert_snapshot!(world.run("rping -c 2 -W 300ms host.example 203.0.113.77 nosuch.example 2001:db8:9::9"));
    assert_snapshot!(world.run("rping --json -q -c 2 -W 300ms host.example 203.0.113.77 nosuch.example"));
}

#[test]
fn targets_come_from_standard_input_too() {
    let world = World::new().stdin("# routers\n203.0.113.1\n203.0.113.2 # far\n");
    assert_snapshot!(world.run("rping -q -c 1 --targets - host.example"));
}

#[test]
fn nothing_answers() {
    assert_snapshot!(
        World::with_host(Node::host(ip("198.51.100.9")).silent()).run("rping -c 2 -O -W 500ms 198.51.100.9")
    );
}

#[test]
fn an_error_is_told_in_pings_words() {
    assert_snapshot!(World::new().run("rping -c 2 -t 1 host.example"));
    assert_snapshot!(World::new().run("rping --json -c 1 -t 2 -6 host.example"));
}

#[test]
fn whatever_is_odd_about_a_reply_is_shown() {
    let host = Node::host(ip("198.51.100.9"))
        .change([1], Change::Again(ms(1)))
        .change([2], Change::Source(ip("198.51.100.10")))
        .change([3], Change::Later(ms(700)));
    assert_snapshot!(World::with_host(host).run("rping -c 4 -i 1 -W 500ms 198.51.100.9"));
}

#[test]
fn an_interrupt_ends_with_the_summary_and_what_is_open_is_no_loss() {
    let mut world = World::new();
    world.network.at(ms(2005), Control::Interrupt);
    assert_snapshot!(world.run("rping host.example"));
}

#[test]
fn interim_figures_go_to_standard_error() {
    let mut world = World::new();
    world.network.at(ms(1500), Control::Interim);
    assert_snapshot!(world.run("rping -c 3 host.example"));
}

#[test]
fn verbose_adds_to_standard_error_alone() {
    let world = World::new();
    let quiet = world.run("rping -c 5 -i 0.1 host.example");
    let verbose = world.run("rping -v -c 5 -i 0.1 host.example");
    assert_eq!(quiet.stdout, verbose.stdout);
    assert_snapshot!(verbose);
}

#[test]
fn options_of_the_packet_show_in_the_header() {
    let world = World::new();
    assert_snapshot!(world.run("rping -c 1 -s 8 -p ff00 -D -I eth0 198.51.100.9"));
    assert_snapshot!(world.run("rping -c 1 -F 12345 -I 2001:db8::1 2001:db8:9::9"));
}

#[test]
fn a_long_plain_time_earns_a_hint() {
    assert_snapshot!(World::new().run("rping -c 1 -W 1000 198.51.100.9"));
}

#[test]
fn the_deadline_counts_answers() {
    let host = Node::host(ip("198.51.100.9"));
    let world = World::with_host(host.silent());
    let outcome = world.run("rping -q -c 2 -w 3 198.51.100.9");
    assert_snapshot!(outcome);
    assert_eq!(World::new().run("rping -q -c 2 -w 0.5 198.51.100.9").status, 1);
    assert_eq!(World::new().run("rping -q -c 2 -w 2.5 198.51.100.9").status, 0);
}

#[test]
fn help_and_version_are_data() {
    let version = World::new().run("rping -V");
    assert_eq!(version.status, 0);
    assert!(version.stdout.ends_with("(output compatible with ping from iputils 20250605)\n"), "{version}");
    let help = World::new().run("rping --help");
    assert_eq!((help.status, help.stderr.as_str()), (0, ""));
    assert!(help.stdout.contains("EXIT STATUS"), "{help}");
}
