//! Sweeps by UDP: services, closed ports, and what says nothing.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use netprobe::channel::{LanePlan, Protocol, SendStamps, SocketChoice};
use netprobe::ping::{Ask, Counts, Dns, Exchange, Service, State};
use netprobe::sim::{Change, Direction, Link, Network, Node, Quote, Rejection, US, UdpService, ip};
use netprobe::sweep::{Completion, Config, Method, Probes, TargetSummary};
use netprobe::types::Rtt;

use super::{RECEIVED, Ran, at_443, at_ports, counted, host, hosts, missing_and_silent, ms, net, network, sweep_by};

fn ask(network: &Network, ask: Ask, config: Config) -> Ran {
    let send_stamps = SendStamps::Kernel;
    let lane = |family| LanePlan { send_stamps, ..LanePlan::new(family, Protocol::Udp, SocketChoice::Auto) };
    sweep_by(network, lane, Config { method: Method::Udp(Arc::new(ask)), ..config })
}

/// A net in which port 443 echoes.
fn echo_net(number: u8) -> Node {
    net(number).udp(443, UdpService::Echo)
}

/// A net in which port 443 answers with what names no probe.
fn speaking_net(number: u8) -> Node {
    net(number).udp(443, UdpService::Answer(b"hello".to_vec()))
}

/// A name server's answer with this code.
fn answer(query: &[u8], code: u8) -> Vec<u8> {
    let mut answer = query.to_vec();
    answer[2] |= 0x80;
    answer[3] = 0x80 | code;
    answer
}

fn outcome(ran: &Ran, address: IpAddr) -> (Option<State>, Counts) {
    let TargetSummary { state, counts, .. } = ran.of(address);
    (*state, *counts)
}

const CLOSED: Counts = Counts { received: 0, refused: 1, ..RECEIVED };
const SILENT: Counts = Counts { sent: 2, received: 0, lost: 2, longest_loss_run: 2, ..RECEIVED };

#[test]
fn open_closed_silent_and_unreachable_ports_are_told_apart_in_both_families() {
    let v6 = |net: u8| IpAddr::from([0x2001, 0xdb8, net.into(), 0, 0, 0, 0, 2]);
    let rejected = net(3).change(.., Change::Refuse(Rejection::new(3, 13)));
    let silent = net(2).udp(443, UdpService::Silent);
    let network = network([echo_net(0), net(1), silent, rejected, speaking_net(4)]);
    let nets = [(0, 100), (1, 50), (2, 25), (3, 1), (4, 30)];
    let all = nets.into_iter().flat_map(|(net, count)| hosts(net, count)).chain([0, 1, 2, 4].map(v6));
    let ran = ask(&network, Ask::Tagged, at_443(all));
    assert_eq!(ran.outcomes.len(), 210);
    let unreachable = Counts { sent: 1, received: 0, unreachable: 1, icmp_errors: 1, ..RECEIVED };
    let open = (Some(State::Open), RECEIVED);
    hosts(0, 100)
        .chain(hosts(4, 30))
        .chain([v6(0), v6(4)])
        .for_each(|address| assert_eq!(outcome(&ran, address), open));
    hosts(1, 50).chain([v6(1)]).for_each(|address| assert_eq!(outcome(&ran, address), (Some(State::Closed), CLOSED)));
    hosts(2, 25).chain([v6(2)]).for_each(|address| assert_eq!(outcome(&ran, address), (Some(State::NoAnswer), SILENT)));
    assert_eq!(outcome(&ran, host(3, 1)), (Some(State::Unreachable), unreachable));
    assert_eq!((ran.totals.alive, ran.totals.unreachable, ran.totals.counts.foreign), (132, 78, 0));
    assert_eq!(ran.of(host(0, 1)).rtt.min(), Rtt::from(ms(10)).as_nanos());
}

#[test]
fn a_neighbour_that_is_not_there_makes_a_port_unreachable_however_short_the_wait() {
    let (network, all) = missing_and_silent();
    let ran = ask(&network, Ask::Tagged, Config { wait: ms(50), ..at_443(all) });
    let unreachable = Counts { sent: 2, received: 0, unreachable: 2, ..RECEIVED };
    for (at, address) in all.into_iter().enumerate() {
        let expected = if at < 3 { (State::Unreachable, unreachable) } else { (State::NoAnswer, SILENT) };
        assert_eq!(outcome(&ran, address), (Some(expected.0), expected.1));
    }
}

#[test]
fn services_are_known_by_their_answers_and_by_nothing_else() {
    let server = |number, make: fn(&[u8]) -> Vec<u8>| net(number).udp(53, UdpService::Made(make));
    let nodes = [
        server(0, |query| answer(query, 5)),
        // The question itself, and no answer of this service: it is there, and does not do what it should.
        server(1, |query| query.to_vec()),
        server(2, |_| b"HTTP/1.1 400 Bad Request".to_vec()),
    ];
    let all = (0..3).flat_map(|net| hosts(net, 50));
    let ran = ask(&network(nodes), Service::Dns.ask(), at_ports(all, &[53]));
    hosts(0, 50).for_each(|address| assert_eq!(outcome(&ran, address), (Some(State::Open), RECEIVED)));
    hosts(1, 50).chain(hosts(2, 50)).for_each(|to| assert_eq!(outcome(&ran, to), (Some(State::Open), CLOSED)));
    assert_eq!((ran.totals.alive, ran.totals.counts.foreign), (50, 0));
    let only = Ask::Dns(Dns { expect: "noerror".parse().ok(), ..Dns::default() });
    let ran = ask(&network([server(0, |query| answer(query, 5))]), only, at_ports([host(0, 1)], &[53]));
    assert_eq!(outcome(&ran, host(0, 1)), (Some(State::Open), CLOSED));
}

#[test]
fn each_port_of_an_address_is_a_target() {
    let network = network([echo_net(0).udp(53, UdpService::Silent)]);
    let ran = ask(&network, Ask::Tagged, at_ports([host(0, 1)], &[53, 80, 443]));
    let port = |summary: &TargetSummary| (summary.endpoint.map(|at| at.port_number()), summary.state);
    let mut states: Vec<_> = ran.outcomes.iter().map(port).collect();
    states.sort_by_key(|(port, _)| *port);
    let all = [(53, State::NoAnswer), (80, State::Closed), (443, State::Open)];
    assert_eq!(states, all.map(|(port, state)| (Some(port), Some(state))));
}

#[test]
fn a_closed_port_is_known_by_however_little_is_quoted() {
    for quote in [Quote::full(), Quote::transport(8), Quote::transport(20), Quote::transport(8).padded()] {
        for question in [Ask::Tagged, Service::Dns.ask(), Ask::Data(Exchange::default())] {
            let ran = ask(&network([net(0).quote(quote.clone())]), question, at_443(hosts(0, 100)));
            assert!(ran.outcomes.iter().all(|outcome| outcome.counts == CLOSED), "{quote:?} {:?}", ran.totals);
        }
    }
}

#[test]
fn answers_that_name_no_probe_are_to_the_newest_that_is_open() {
    let config = || Config { probes: counted(4, ms(200)), vector: true, ..at_443(hosts(0, 3)) };
    let ran = ask(&network([speaking_net(0)]), Ask::Tagged, config());
    let counts = Counts { sent: 4, received: 4, ..RECEIVED };
    assert!(ran.outcomes.iter().all(|outcome| outcome.counts == counts), "{:?}", ran.outcomes);
    assert!(ran.outcomes.iter().all(|outcome| outcome.delays == [Some(Rtt::from(ms(10))); 4]), "{:?}", ran.outcomes);
    // Four are open at a time: each answer is to another probe.
    let ran = ask(&network([speaking_net(0).answer_delay(ms(300))]), Ask::Tagged, config());
    assert!(ran.outcomes.iter().all(|outcome| outcome.counts.received == 4), "{:?}", ran.outcomes);
}

#[test]
fn an_answer_that_comes_twice_or_late_is_counted_so() {
    let again = speaking_net(0).change(.., Change::Again(ms(300)));
    let closed_again = net(1).change(.., Change::Again(ms(300)));
    let slow = speaking_net(2).change(.., Change::Later(ms(1490)));
    let slow_echo = echo_net(3).change(.., Change::Later(ms(1490)));
    let network = network([again, closed_again, slow, slow_echo]);
    let ran = ask(&network, Ask::Tagged, at_443((0..4).map(|net| host(net, 1))));
    assert_eq!(outcome(&ran, host(0, 1)).1, Counts { duplicates: 1, ..RECEIVED });
    assert_eq!(outcome(&ran, host(1, 1)).1, CLOSED, "a second error is no second answer");
    let late = Counts { late: 1, ..SILENT };
    assert_eq!(outcome(&ran, host(3, 1)).1, late, "the answer to the second probe comes after the end");
    // What names no probe is an answer to the second, which is open.
    assert_eq!(outcome(&ran, host(2, 1)).1, Counts { sent: 2, received: 1, lost: 1, longest_loss_run: 1, ..RECEIVED });
}

#[test]
fn an_answer_from_elsewhere_counts_if_it_names_its_probe() {
    let elsewhere = |node: Node| node.change(.., Change::Source(ip("203.0.113.7")));
    let probes = Probes::UntilAnswered { retries: 0, backoff: 1.0 };
    let ran = ask(&network([elsewhere(echo_net(0))]), Ask::Tagged, Config { probes, ..at_443([host(0, 1)]) });
    assert_eq!(ran.only(), Counts { wrong_source: 1, ..RECEIVED });
    let ran = ask(&network([elsewhere(speaking_net(0))]), Ask::Tagged, Config { probes, ..at_443([host(0, 1)]) });
    assert_eq!((ran.only().received, ran.only().lost, ran.totals.counts.foreign), (0, 1, 1));
}

#[test]
fn a_closed_port_ends_its_target_at_once_where_only_open_ones_are_wanted() {
    let network = network([echo_net(0), net(1)]);
    let targets = at_443(hosts(0, 10).chain(hosts(1, 10)));
    let config = Config { completion: Completion::FirstAnswer, skips_silent: true, ..targets };
    let ran = ask(&network, Ask::Tagged, config);
    assert_eq!((ran.lasted, ran.totals.alive, ran.totals.counts.refused), (ms(10), 10, 10));
}

#[test]
fn a_limit_of_port_unreachables_is_silence_and_no_closed_port() {
    let network = network([net(0).error_limit(Duration::from_secs(1), 6)]);
    let ran = ask(&network, Ask::Tagged, at_443(hosts(0, 100)));
    let states = |state| ran.outcomes.iter().filter(|outcome| outcome.state == Some(state)).count();
    let closed = states(State::Closed);
    assert!((6..10).contains(&closed), "{closed}");
    assert_eq!(states(State::NoAnswer), 100 - closed);
}

#[test]
fn a_port_that_answers_after_an_error_is_open() {
    let node = (1..=8u64).fold(echo_net(0), |node, probe| {
        node.change([2 * probe - 1], Change::Refuse(Rejection::new(11, 0))).change([2 * probe], Change::Later(ms(100)))
    });
    let mut network = Network::new(1);
    network.add(US, node, Link::after(ms(5)).outward(Direction::after(ms(5)).duplicate(1..)));
    let ran = ask(&network, Ask::Tagged, at_443(hosts(0, 3)));
    let counts = Counts { icmp_errors: 1, answered_after_error: 1, ..RECEIVED };
    assert!(ran.outcomes.iter().all(|outcome| outcome.counts == counts), "{:?}", ran.outcomes);
}

#[test]
fn more_targets_than_a_question_has_numbers_keep_their_answers_apart() {
    let nodes = (0..=255).map(|number| net(number).udp(53, UdpService::Made(|query| answer(query, 0))));
    let all = (0..=255).flat_map(|number| hosts(number, 253));
    let all = all.chain((0..=255).flat_map(|number| hosts(number, 20)));
    let ran = ask(&network(nodes), Service::Dns.ask(), at_ports(all, &[53]));
    assert_eq!((ran.outcomes.len(), ran.totals.counts.foreign), (256 * 273, 0));
    assert!(ran.outcomes.iter().all(|outcome| outcome.counts == RECEIVED));
}
