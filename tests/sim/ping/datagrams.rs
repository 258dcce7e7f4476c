//! UDP datagrams as probes: open, closed and silent ports, matching of answers, and groups.

use std::sync::Arc;

use netprobe::engine::outcome::{ExchangeFailure, Refusal};
use netprobe::ping::{Ask, Config, Counts, Exchange, Method, Pace, Service, Spec, State, Wait};
use netprobe::sim::{Change, Damage, Direction, Forwarding, Link, Network, Node, Quote, Rejection, US, UdpService, ip};
use netprobe::types::Rtt;

use super::{Run, SECOND, TARGET, TARGET_V6, config, ms, network, over, ping_services, waiting};

const PORT: u16 = 7;
const BOTH: [&str; 2] = [TARGET, TARGET_V6];

fn udp() -> Method {
    Method::Udp(Ask::Tagged)
}

fn serving(service: UdpService) -> Network {
    network(|node| node.udp(PORT, service))
}

fn ask(network: &Network, target: &str, method: &Method) -> Run {
    ping_services(network, &[(target, PORT)], method, config())
}

#[test]
fn an_echo_makes_a_port_open_and_all_probes_have_one_flow() {
    for target in BOTH {
        let run = ask(&serving(UdpService::Echo), target, &udp());
        assert_eq!(run.counts(), Counts { sent: 3, received: 3, ..Counts::default() });
        assert_eq!(run.summary().state, Some(State::Open));
        let ports: Vec<_> = run.log.packets().iter().map(|packet| packet.ports()).collect();
        assert_eq!(ports, [ports[0]; 3]);
        let reply = run.replies()[0];
        assert_eq!((reply.rtt(), reply.outcome.octets, reply.state()), (Rtt::from(ms(10)), 56, Some(State::Open)));
        assert_eq!((reply.source_port, reply.responder_port), (ports[0].map(|(source, _)| source), Some(PORT)));
        assert!(!reply.outcome.wrong_source);
    }
}

#[test]
fn any_answer_from_the_port_makes_it_open() {
    let run = ask(&serving(UdpService::Answer(b"what?".to_vec())), TARGET, &udp());
    assert_eq!(run.counts(), Counts { sent: 3, received: 3, ..Counts::default() });
    assert!(
        run.replies().iter().all(|reply| reply.rtt() == Rtt::from(ms(10)) && reply.outcome.payload_changed.is_none())
    );
}

#[test]
fn echoes_are_matched_by_their_tag_however_late_they_come() {
    let slow = |node: Node| node.udp(PORT, UdpService::Echo).change([1], Change::Later(ms(1500)));
    let run = ask(&network(slow), TARGET, &udp());
    assert_eq!(run.counts(), Counts { sent: 3, received: 3, reordered: 1, ..Counts::default() });
    let order: Vec<_> = run.replies().iter().map(|reply| (reply.id.get(), reply.rtt())).collect();
    assert_eq!(order, [(2, Rtt::from(ms(10))), (1, Rtt::from(ms(1510))), (3, Rtt::from(ms(10)))]);
}

#[test]
fn a_port_unreachable_of_the_targets_closes_the_port() {
    for (target, quote) in [(TARGET, Quote::full()), (TARGET, Quote::transport(8)), (TARGET_V6, Quote::full())] {
        let run = ask(&network(|node| node.quote(quote)), target, &udp());
        assert_eq!(run.counts(), Counts { sent: 3, refused: 3, ..Counts::default() });
        assert_eq!(run.summary().state, Some(State::Closed));
        let refusal = run.refusals()[0];
        let icmp = if target == TARGET { (3, 3) } else { (1, 4) };
        assert_eq!(
            (refusal.state(), icmp_of(refusal.outcome), refusal.rtt()),
            (Some(State::Closed), Some(icmp), Some(Rtt::from(ms(10))))
        );
    }
}

#[test]
fn a_port_unreachable_of_a_routers_says_nothing_about_the_host() {
    let mut network = Network::new(1);
    let router = Node::router(ip("203.0.113.1")).forwarding(Forwarding::Refuse(Rejection::new(3, 3)));
    let router = network.add(US, router, Link::after(ms(2)));
    network.default_route(router);
    let run = ask(&network, TARGET, &udp());
    assert_eq!(run.counts(), Counts { sent: 3, unreachable: 3, icmp_errors: 3, ..Counts::default() });
    assert_eq!((run.summary().state, run.errors()[0].responder), (Some(State::Unreachable), Some(ip("203.0.113.1"))));
}

#[test]
fn silence_is_no_answer() {
    let run = ask(&serving(UdpService::Silent), TARGET, &udp());
    assert_eq!(run.counts(), Counts { sent: 3, lost: 3, longest_loss_run: 3, ..Counts::default() });
    assert_eq!(run.silences(), [(State::NoAnswer, false); 3]);
    assert_eq!((run.summary().state, run.summary().rate_limited), (Some(State::NoAnswer), Some(false)));
}

#[test]
fn a_closed_port_that_is_silent_most_of_the_time_is_rate_limited() {
    let network = network(|node| node.error_limit(SECOND, 1));
    let fast = Config {
        spec: Arc::new(Spec { pace: Pace::Fixed(ms(200)), wait: Wait::Exactly(SECOND), ..Spec::default() }),
        count: Some(10),
        ..config()
    };
    let run = ping_services(&network, &[(TARGET, PORT)], &udp(), fast);
    assert_eq!((run.counts().refused, run.counts().lost), (2, 8));
    assert_eq!(run.silences(), [(State::Closed, true); 8]);
    assert_eq!((run.summary().state, run.summary().rate_limited), (Some(State::Closed), Some(true)));
}

#[test]
fn a_host_that_is_gone_after_it_refused_is_not_taken_for_one_that_limits_its_errors() {
    let network = network(|node| node.change(4.., Change::Silence));
    let run = ping_services(&network, &[(TARGET, PORT)], &udp(), Config { count: Some(9), ..config() });
    assert_eq!((run.counts().refused, run.counts().lost), (3, 6));
    let silences = run.silences();
    assert_eq!(silences[3..], [(State::NoAnswer, false); 3], "{silences:?}");
}

#[test]
fn two_ports_of_one_host_do_not_take_each_others_answers() {
    let network = network(|node| node.udp(7, UdpService::Echo).udp(9, UdpService::Answer(b"nine".to_vec())));
    let run = ping_services(&network, &[(TARGET, 7), (TARGET, 9), (TARGET, 11)], &udp(), config());
    let counts: Vec<_> =
        run.summaries().iter().map(|summary| (summary.counts.received, summary.counts.refused)).collect();
    assert_eq!(counts, [(3, 0), (3, 0), (0, 3)]);
}

#[test]
fn an_echo_from_elsewhere_is_believed_by_its_tag_and_anything_else_is_foreign() {
    let elsewhere = Change::Source(ip("203.0.113.7"));
    let echo = |node: Node| node.udp(PORT, UdpService::Echo).change([2], elsewhere.clone());
    let run = ask(&network(echo), TARGET, &udp());
    assert_eq!(run.counts(), Counts { sent: 3, received: 3, wrong_source: 1, ..Counts::default() });
    let other = |node: Node| node.udp(PORT, UdpService::Answer(b"hm".to_vec())).change([2], elsewhere.clone());
    let run = ping_services(&network(other), &[(TARGET, PORT), ("203.0.113.9", PORT)], &udp(), config());
    assert_eq!(run.summaries().iter().map(|summary| summary.counts.received).sum::<u64>(), 5);
    assert_eq!(run.counts().foreign, 1);
}

#[test]
fn a_changed_echo_is_marked() {
    let damage = Damage { octet: 8 + 40, repaired: true };
    let link = Link::after(ms(5)).homeward(Direction::after(ms(5)).corrupt([2], damage));
    let run = ask(&over(link, |node| node.udp(PORT, UdpService::Echo)), TARGET, &udp());
    assert_eq!(run.counts(), Counts { sent: 3, received: 3, payload_changed: 1, ..Counts::default() });
    let change = run.replies()[1].outcome.payload_changed.clone().expect("a change");
    assert_eq!((change.index, change.expected), (40, 40));
}

#[test]
fn what_is_expected_must_be_in_the_answer() {
    let data = |expect: &str| {
        Method::Udp(Ask::Data(Exchange { data: b"hello".as_slice().into(), expect: Some(expect.as_bytes().into()) }))
    };
    let run = ask(&serving(UdpService::Echo), TARGET, &data("ell"));
    assert_eq!(run.counts(), Counts { sent: 3, received: 3, ..Counts::default() });
    assert_eq!(run.log.packets()[0].payload(), b"hello");
    let run = ask(&serving(UdpService::Echo), TARGET, &data("bye"));
    assert_eq!(run.counts(), Counts { sent: 3, refused: 3, ..Counts::default() });
    assert_eq!(run.refusals()[0].outcome.failure(), Some(ExchangeFailure::Unexpected));
}

#[test]
fn services_are_asked_in_their_own_words() {
    for (service, octets) in Service::all().zip([17, 48, 1200, 20, 56]) {
        let port = service.port();
        let network = network(|node| node.udp(port, UdpService::Silent));
        let one = Config { count: Some(1), spec: waiting(Wait::Exactly(SECOND)), ..config() };
        let run = ping_services(&network, &[(TARGET, port)], &Method::Udp(service.ask()), one);
        assert_eq!(run.log.packets()[0].payload().len(), octets, "{service:?}");
    }
}

#[test]
fn everybody_who_answers_a_group_has_statistics_of_their_own() {
    let mut network = Network::new(1);
    for (n, member) in ["203.0.113.1", "203.0.113.2"].into_iter().enumerate() {
        let node = Node::host(ip(member)).group(ip("239.1.2.3")).udp(PORT, UdpService::Echo);
        network.add(US, node, Link::after(ms(n as u64 + 1)));
    }
    let run = ping_services(&network, &[("239.1.2.3", PORT)], &udp(), config());
    let seen: Vec<_> = run.summary().responders.iter().map(|one| (one.address, one.received, one.duplicates)).collect();
    assert_eq!(seen, [(ip("203.0.113.1"), 3, 0), (ip("203.0.113.2"), 3, 0)]);
    assert_eq!(run.summary().responders[1].rtt.map(|rtt| rtt.max), Some(4_000_000));
    assert!(run.replies().iter().all(|reply| !reply.outcome.wrong_source));
}

fn icmp_of(refusal: &Refusal) -> Option<(u8, u8)> {
    match *refusal {
        Refusal::PortUnreachable { icmp_type, icmp_code } => Some((icmp_type, icmp_code)),
        Refusal::Reset | Refusal::Exchange(_) | Refusal::Unexpected(_) => None,
    }
}
