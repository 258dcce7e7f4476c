//! Runs of `rping`.

use std::net::IpAddr;
use std::time::Duration;

use insta::assert_snapshot;
use netprobe::channel::{Control, OsError};
use netprobe::sim::{Change, EPOCH, Link, Node, Peer, TcpService, US, UdpService, ip};
use netprobe::types::Ttl;
use netprobe::wire::stamp::{self, ErrorEstimate, ReflectorPacket, Timestamp};

use crate::world::World;

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

#[test]
fn a_plain_run_reads_as_pings() {
    assert_snapshot!("plain", World::new().run("rping -c 3 host.example"));
}

#[test]
fn an_adaptive_run_follows_the_answers_of_users_not_below_two_milliseconds() {
    let near = |mut world: World| {
        world.network.add(US, Node::host(ip("203.0.113.77")), Link::after(Duration::from_micros(100)));
        world.run("rping -A -q -c 5 203.0.113.77").stdout
    };
    let root = near(World::new());
    assert!(root.contains("5 packets transmitted, 5 received, 0% packet loss, time 1ms"), "{root}");
    let user = near(World::new().dgram_only());
    assert!(user.contains("5 packets transmitted, 5 received, 0% packet loss, time 8ms"), "{user}");
}

#[test]
fn ipv6_reads_as_pings() {
    assert_snapshot!("ipv6", World::new().run("rping -6 -c 2 host.example"));
}

#[test]
fn the_datagram_socket_looks_the_same() {
    let raw = World::new().run("rping -c 2 198.51.100.9");
    let dgram = World::new().dgram_only().run("rping -c 2 198.51.100.9");
    assert_eq!((raw.stdout, raw.stderr, raw.status), (dgram.stdout, dgram.stderr, dgram.status));
}

#[test]
fn json_has_the_same_run() {
    assert_snapshot!("json", World::new().run("rping --json -c 2 host.example"));
}

#[test]
fn several_targets_run_together_and_are_summed_up_in_order() {
    let world = World::new();
    assert_snapshot!(
        "several_targets",
        world.run("rping -c 2 -W 300ms host.example 203.0.113.77 nosuch.example 2001:db8:9::9")
    );
    assert_snapshot!(
        "several_targets_json_quiet",
        world.run("rping --json -q -c 2 -W 300ms host.example 203.0.113.77 nosuch.example")
    );
}

#[test]
fn targets_come_from_standard_input_too() {
    let world = World::new().stdin("# routers\n203.0.113.1\n203.0.113.2 # far\n");
    assert_snapshot!("targets_from_stdin", world.run("rping -q -c 1 --targets - host.example"));
}

#[test]
fn nothing_answers() {
    assert_snapshot!(
        "nothing_answers",
        World::with_host(Node::host(ip("198.51.100.9")).silent()).run("rping -c 2 -O -W 500ms 198.51.100.9")
    );
}

#[test]
fn an_error_is_reported_in_pings_words() {
    assert_snapshot!("time_exceeded", World::new().run("rping -c 2 -t 1 host.example"));
    assert_snapshot!("time_exceeded_json", World::new().run("rping --json -c 1 -t 2 -6 host.example"));
}

#[test]
fn whatever_is_odd_about_a_reply_is_shown() {
    let host = Node::host(ip("198.51.100.9"))
        .change([1], Change::Again(ms(1)))
        .change([2], Change::Source(ip("198.51.100.10")))
        .change([3], Change::Later(ms(700)));
    assert_snapshot!("odd_replies", World::with_host(host).run("rping -c 4 -i 1 -W 500ms 198.51.100.9"));
}

#[test]
fn an_interrupt_ends_with_the_summary_and_what_is_open_is_no_loss() {
    let mut world = World::new();
    world.network.at(ms(2005), Control::Interrupt);
    assert_snapshot!("interrupted", world.run("rping host.example"));
}

#[test]
fn interim_figures_go_to_standard_error() {
    let mut world = World::new();
    world.network.at(ms(1500), Control::Interim);
    assert_snapshot!("interim", world.run("rping -c 3 host.example"));
}

#[test]
fn verbose_adds_to_standard_error_alone() {
    let world = World::new();
    let quiet = world.run("rping -c 5 -i 0.1 host.example");
    let verbose = world.run("rping -v -c 5 -i 0.1 host.example");
    assert_eq!(quiet.stdout, verbose.stdout);
    assert_snapshot!("verbose", verbose);
}

#[test]
fn options_of_the_packet_show_in_the_header() {
    let world = World::new();
    assert_snapshot!("packet_options", world.run("rping -c 1 -s 8 -p ff00 -D -I eth0 198.51.100.9"));
    assert_snapshot!("packet_options_ipv6", world.run("rping -c 1 -F 12345 -I 2001:db8::1 2001:db8:9::9"));
}

#[test]
fn a_long_plain_time_earns_a_hint() {
    assert_snapshot!("long_timeout_hint", World::new().run("rping -c 1 -W 1000 198.51.100.9"));
}

#[test]
fn the_deadline_counts_answers() {
    let host = Node::host(ip("198.51.100.9"));
    let world = World::with_host(host.silent());
    let outcome = world.run("rping -q -c 2 -w 3 198.51.100.9");
    assert_snapshot!("deadline", outcome);
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
    assert!(help.stdout.contains("--count"), "{help}");
}

/// A host with a TCP service on 443 and 80, some of UDP, both families.
fn server() -> Node {
    Node::host(ip("198.51.100.9"))
        .also(ip("2001:db8:9::9"))
        .tcp(443, TcpService::Accept(Peer::answer("HTTP/1.0 200 OK")))
        .tcp(80, TcpService::Accept(Peer::silent()))
        .tcp(81, TcpService::Silent)
        .udp(7, UdpService::Echo)
        .udp(9, UdpService::Silent)
}

#[test]
fn an_open_tcp_port_is_reported_with_its_time() {
    let world = World::with_host(server());
    assert_snapshot!("tcp_open", world.run("rping --tcp=443 -c 2 host.example"));
    assert_snapshot!("tcp_open_ipv6", world.run("rping -6 --tcp -c 1 host.example"));
    assert_snapshot!("tcp_open_json", world.run("rping --json --tcp -c 1 [2001:db8:9::9]:443"));
}

#[test]
fn a_refused_a_filtered_and_an_unreachable_tcp_port_differ() {
    let world = World::with_host(server());
    assert_snapshot!("tcp_refused_and_filtered", world.run("rping --tcp -c 1 host.example:22 host.example:81"));
    assert_snapshot!("tcp_refused_json", world.run("rping --json --tcp -c 1 host.example:22"));
    assert_snapshot!("tcp_filtered_json", world.run("rping --json --tcp=81 -c 1 host.example"));
    assert_snapshot!("tcp_unreachable", world.run("rping --tcp -c 1 -t 1 host.example"));
}

#[test]
fn an_exchange_over_tcp_has_connect_and_answer_apart() {
    let world = World::with_host(server());
    assert_snapshot!("tcp_exchange", world.run("rping --tcp=443 --data HEAD --expect 200 -c 1 host.example"));
    assert_snapshot!(
        "tcp_exchange_json",
        world.run("rping --json --tcp=443 --data HEAD --expect 200 -c 1 host.example")
    );
    assert_snapshot!("tcp_exchange_silent", world.run("rping --tcp=80 --data HEAD -c 1 host.example"));
}

#[test]
fn udp_ports_are_open_closed_or_silent() {
    let world = World::with_host(server());
    assert_snapshot!("udp_echo", world.run("rping --udp=echo -c 2 host.example"));
    assert_snapshot!("udp_echo_json", world.run("rping --json --udp=7 -c 1 host.example"));
    assert_snapshot!("udp_silent", world.run("rping --udp=53 -c 1 host.example"));
    assert_snapshot!("udp_silent_verbose", world.run("rping -v --udp=9 -W 1 -c 1 host.example"));
    assert_snapshot!("udp_dns_json", world.run("rping --json --udp=dns -c 1 host.example"));
    assert_snapshot!("udp_echo_verbose", world.run("rping -v --udp=7 -c 1 host.example"));
}

#[test]
fn everybody_who_answers_a_group_is_listed() {
    let member = |last: u8| Node::host(IpAddr::from([203, 0, 113, last])).group(ip("224.0.0.1"));
    let mut world = World::with_host(member(9));
    for last in [5, 7] {
        world.network.add(US, member(last), Link::after(ms(u64::from(last))));
    }
    assert_snapshot!("multicast", world.run("rping -c 2 224.0.0.1"));
    assert_snapshot!("multicast_json_quiet", world.run("rping --json -q -c 2 224.0.0.1"));
}

#[test]
fn a_broadcast_address_needs_a_word() {
    let everybody = Node::host(ip("203.0.113.9")).group(ip("203.0.113.255"));
    let world = World::with_host(everybody).unroutable("203.0.113.255", OsError::EACCES);
    assert_snapshot!("broadcast_refused", world.run("rping -c 1 203.0.113.255"));
    assert_snapshot!("broadcast_allowed", world.run("rping -b -c 1 203.0.113.255"));
}

#[test]
fn many_connections_a_second_are_closed_by_reset_and_that_is_said() {
    let world = World::with_host(server());
    let said = world.run("rping -v --tcp -i 0.005 -c 2 host.example").stderr;
    assert!(said.contains("closed by reset; --tcp-close=fin"), "{said}");
    assert!(!world.run("rping -v --tcp -i 0.02 -c 2 host.example").stderr.contains("reset"));
    assert!(!world.run("rping -v --tcp --tcp-close=fin -i 0.005 -c 2 host.example").stderr.contains("reset"));
}

#[test]
fn a_stamp_session_has_the_reflectors_time_apart() {
    let world = World::with_host(reflector(ErrorEstimate::UNKNOWN)).in_step(Duration::from_millis(1));
    assert_snapshot!("stamp", world.run("rping --stamp -c 1 host.example"));
    assert_snapshot!("stamp_json", world.run("rping --json --stamp -c 1 host.example"));
}

#[test]
fn one_way_delays_are_shown_with_what_both_clocks_say_of_themselves() {
    let host = || reflector(ErrorEstimate::within(Duration::from_millis(2)));
    let world = World::with_host(host()).in_step(Duration::from_millis(1));
    assert_snapshot!("stamp_one_way", world.run("rping --stamp -c 1 host.example"));
    assert_snapshot!("stamp_one_way_json_quiet", world.run("rping --json -q --stamp -c 1 host.example"));
    assert!(!World::with_host(host()).run("rping --stamp -c 1 host.example").stdout.contains("there="));
}

#[test]
fn what_was_lost_after_the_last_answer_of_a_reflector_is_on_no_way_and_is_said() {
    let host = reflector(ErrorEstimate::UNKNOWN).change(2.., Change::Silence);
    let run = World::with_host(host).run("rping --stamp -c 3 -W 0.5 host.example");
    assert!(run.stdout.contains("lost there/back = 0/0, after the last answer = 2\n"), "{run}");
}

/// A host that answers our first STAMP packet: it got it 4 ms after the run began, kept it for 3 ms, and says that of its clock.
fn reflector(error: ErrorEstimate) -> Node {
    let at = |millis: u64| Timestamp::ntp(EPOCH.saturating_add(Duration::from_millis(millis)));
    let packet = ReflectorPacket {
        sequence: 0,
        timestamp: at(7),
        error,
        ssid: 0,
        received: at(4),
        sender_sequence: 0,
        sender_timestamp: at(0),
        sender_error: ErrorEstimate::UNKNOWN,
        sender_ttl: Ttl::new(62),
    };
    let mut octets = Vec::new();
    stamp::push_reflector(&packet, &mut octets);
    server().udp(862, UdpService::Answer(octets))
}

#[test]
fn a_format_is_chosen_by_name_and_json_by_its_short_name_too() {
    let run = |options: &str| World::new().run(&format!("rping -c 1 {options} 198.51.100.9"));
    let json = run("--json").stdout;
    assert!(json.starts_with(r#"{"type":"start""#), "{json}");
    assert_eq!(
        (run("-j").stdout, run("--format json").stdout, run("-j --format=json").stdout),
        (json.clone(), json.clone(), json)
    );
    assert_eq!(run("--format text").stdout, run("").stdout);
    assert_snapshot!("a_run_as_csv", run("--format csv"));
    assert_snapshot!("targets_as_csv", World::new().run("rping -q -c 1 --format=csv nosuch.example 198.51.100.9"));
    assert_snapshot!(
        "targets_as_gauges",
        World::new().run("rping -c 1 --format=prometheus nosuch.example 198.51.100.9 198.51.100.9")
    );
    assert_snapshot!(
        "targets_as_points",
        World::new().run("rping -c 1 --format=influx nosuch.example 198.51.100.9 host.example")
    );
    assert_snapshot!("formats_that_exclude_each_other", run("--json --format=text"));
    assert_snapshot!("an_unknown_format", run("--format=xml"));
}
