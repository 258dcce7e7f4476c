//! What `rping --udp=dns`, `ntp` and `stun` show of answers, and of what is no answer.

use insta::assert_snapshot;
use netprobe::sim::{Node, UdpService, ip};
use netprobe::wire::service::stun::{self, Binding, Class};

use crate::world::World;

/// A host with a name server that refuses, one that finds nothing, an echo, a time server, and a STUN server.
fn world() -> World {
    let host = Node::host(ip("198.51.100.9")).also(ip("2001:db8:9::9"));
    World::with_host(
        host.udp(53, UdpService::Made(|query| answer(query, 5)))
            .udp(5353, UdpService::Made(|query| answer(query, 3)))
            .udp(7, UdpService::Echo)
            .udp(9, UdpService::Made(|_| Vec::new()))
            .udp(10, UdpService::Made(with_another_id))
            .udp(123, UdpService::Made(|request| time(request, 0x24, 2, [192, 0, 2, 53])))
            .udp(124, UdpService::Made(|request| time(request, 0xe4, 0, *b"RATE")))
            .udp(3478, UdpService::Made(binding)),
    )
}

fn answer(query: &[u8], code: u8) -> Vec<u8> {
    let mut answer = query.to_vec();
    answer[2] |= 0x84;
    answer[3] = 0x80 | code;
    answer
}

fn with_another_id(query: &[u8]) -> Vec<u8> {
    let mut answer = answer(query, 0);
    answer[0] ^= 0x40;
    answer
}

fn time(request: &[u8], first: u8, stratum: u8, reference: [u8; 4]) -> Vec<u8> {
    let mut answer = request.to_vec();
    (answer[0], answer[1]) = (first, stratum);
    answer[12..16].copy_from_slice(&reference);
    answer.copy_within(40..48, 24);
    answer
}

fn binding(request: &[u8]) -> Vec<u8> {
    let transaction = stun::parse(request).expect("a request").transaction;
    let class = Class::Success(Some("192.0.2.1:50001".parse().expect("an address")));
    let mut answer = Vec::new();
    stun::push(&Binding { class, transaction }, &mut answer);
    answer
}

#[test]
fn a_name_servers_code_flags_and_number_of_answers_are_shown() {
    assert_snapshot!("dns_text", world().run("rping --udp=dns -c 2 host.example"));
    assert_snapshot!("dns_json", world().run("rping --json --dns www.example/AAAA -c 1 host.example"));
    assert_snapshot!("dns_csv", world().run("rping --format csv --udp=dns -c 1 host.example"));
    assert_snapshot!("dns_at_another_port", world().run("rping --udp=5353 --dns www.example -c 1 host.example"));
}

#[test]
fn an_expected_code_decides_the_exit_status() {
    let run = |code: &str| world().run(&format!("rping --udp=dns --expect rcode={code} -c 1 host.example"));
    assert_eq!((run("REFUSED").status, run("5").status), (0, 0));
    assert_snapshot!("dns_unexpected_text", run("NOERROR"));
    let json = "rping --json --udp=dns --expect rcode=NOERROR -c 1 host.example";
    assert_snapshot!("dns_unexpected_json", world().run(json));
}

#[test]
fn what_is_no_answer_of_a_name_server_is_reported_as_what_it_is() {
    let line = "rping --dns . --udp=7 -c 1 host.example:7 host.example:9 host.example:10";
    assert_snapshot!("dns_no_answers_text", world().run(line));
    assert_snapshot!("dns_no_answers_json", world().run(&line.replace("rping", "rping --json")));
}

#[test]
fn a_time_servers_stratum_and_leap_are_shown_and_whether_it_is_synchronized() {
    assert_snapshot!("ntp_text", world().run("rping --udp=ntp -c 1 host.example host.example:124 host.example:7"));
    assert_snapshot!("ntp_json", world().run("rping --json --udp=ntp -c 1 host.example:124"));
}

#[test]
fn the_address_that_a_stun_server_sees_is_shown() {
    assert_snapshot!("stun_text", world().run("rping --udp=stun -c 1 host.example"));
    assert_snapshot!("stun_json", world().run("rping --json --udp=stun -c 1 host.example"));
}

#[test]
fn a_comparison_may_ask_a_name_server() {
    let run = world().run("rping --contrast --udp=dns --dns www.example -q -c 2 host.example");
    assert!(run.stdout.contains("UDP port 53: 29 data bytes."), "{run}");
}

#[test]
fn options_of_dns_without_effect_are_refused() {
    let refusals = [
        "rping --dns . --tcp host.example",
        "rping --dns . --udp=ntp host.example",
        "rping --dns . unix:/x",
        "rping --dns example..org host.example",
        "rping --dns example/FOO host.example",
        "rping --udp=dns --expect NOERROR host.example",
        "rping --udp=dns --expect rcode=SURE host.example",
    ];
    let runs: Vec<String> = refusals.iter().map(|line| world().run(line).to_string()).collect();
    assert_snapshot!("dns_refusals", runs.join("\n"));
}
