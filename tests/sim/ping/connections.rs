//! Connections as probes: every state of a TCP port, and what is said over open ones.

use std::time::Duration;

use netprobe::channel::{CloseHow, ClosedHow};
use netprobe::engine::outcome::{ExchangeFailure, Outcome, ProbeEvent};
use netprobe::ping::{Config, Connect, Counts, Event, Exchange, Method, Pace, State, Wait};
use netprobe::sim::{Direction, Forwarding, Link, Network, Node, Peer, Rejection, TcpService, US, ip};
use netprobe::types::{Port, Rtt};
use netprobe::wire::icmp::ErrorKind;

use super::{
    Run, SECOND, TARGET, TARGET_V6, config, interrupt_at, ms, network, over, paced, ping_services, ping_services_from,
    waiting,
};

const PORT: u16 = 443;
const BOTH: [&str; 2] = [TARGET, TARGET_V6];

fn tcp() -> Method {
    Method::Tcp(Connect::default())
}

fn saying(data: &str, expect: Option<&str>) -> Method {
    let exchange = Exchange { data: data.as_bytes().into(), expect: expect.map(|text| text.as_bytes().into()) };
    Method::Tcp(Connect { exchange: Some(exchange), ..Connect::default() })
}

/// The target 10 ms away with this service at its port.
fn serving(service: TcpService) -> Network {
    network(|node| node.tcp(PORT, service))
}

fn connect(network: &Network, target: &str, method: &Method) -> Run {
    ping_services(network, &[(target, PORT)], method, config())
}

fn state(run: &Run) -> Option<State> {
    run.summary().state
}

#[test]
fn an_open_port_is_open_after_a_round_trip_from_a_port_of_its_own() {
    for target in BOTH {
        let run = connect(&serving(TcpService::Accept(Peer::silent())), target, &tcp());
        assert_eq!(run.counts(), Counts { sent: 3, received: 3, ..Counts::default() });
        assert_eq!(state(&run), Some(State::Open));
        for (n, reply) in run.replies().iter().enumerate() {
            assert_eq!((reply.state(), reply.rtt()), (Some(State::Open), Rtt::from(ms(10))));
            assert_eq!(
                (reply.responder, reply.responder_port, reply.syn_retransmits()),
                (Some(ip(target)), Some(PORT), Some(0))
            );
            assert_eq!(reply.source_port, run.log.packets()[n].ports().map(|(source, _)| source));
        }
        assert_ne!(run.replies()[0].source_port, run.replies()[1].source_port);
    }
}

#[test]
fn a_closed_port_refuses_and_has_its_delay() {
    for target in BOTH {
        let run = ping_services(&network(|node| node), &[(target, PORT)], &tcp(), config());
        assert_eq!(run.counts(), Counts { sent: 3, refused: 3, ..Counts::default() });
        assert_eq!(state(&run), Some(State::Refused));
        let refusal = run.refusals()[0];
        assert_eq!(
            (refusal.state(), refusal.rtt(), refusal.outcome.failure()),
            (Some(State::Refused), Some(Rtt::from(ms(10))), None)
        );
        assert_eq!(refusal.source_port, run.log.packets()[0].ports().map(|(source, _)| source));
        assert_eq!(run.summary().delays.rtt.map(|rtt| (rtt.count, rtt.max)), Some((3, 10_000_000)));
    }
}

#[test]
fn a_port_that_says_nothing_is_filtered_after_a_second() {
    for target in BOTH {
        let run = connect(&serving(TcpService::Silent), target, &tcp());
        assert_eq!(run.counts(), Counts { sent: 3, lost: 3, longest_loss_run: 3, ..Counts::default() });
        assert_eq!((state(&run), run.silences()), (Some(State::Filtered), vec![(State::Filtered, false); 3]));
        assert_eq!(run.timeouts(), [(1, SECOND), (2, SECOND * 2), (3, SECOND * 3)]);
        let Some(first) = run.lost().first().copied() else { panic!("{:?}", run.events) };
        assert_eq!(first.source_port, run.log.packets()[0].ports().map(|(source, _)| source));
    }
}

#[test]
fn a_kernel_that_gives_up_first_makes_the_probe_filtered_too() {
    let patient = Config { count: Some(1), spec: waiting(Wait::Forever), ..config() };
    let run = ping_services(&serving(TcpService::Silent), &[(TARGET, PORT)], &tcp(), patient);
    assert_eq!((run.counts().lost, run.timeouts()), (1, vec![(1, SECOND * 3)]));
    assert_eq!(run.silences(), [(State::Filtered, false)]);
    assert_eq!(run.log.packets().len(), 3, "once a second");
}

#[test]
fn an_icmp_error_makes_a_port_unreachable_whatever_its_code() {
    for (target, failure, kind) in [
        (TARGET, Rejection::new(3, 1), ErrorKind::HostUnreachable),
        (TARGET, Rejection::new(3, 3), ErrorKind::PortUnreachable),
        (TARGET, Rejection::new(3, 13), ErrorKind::Prohibited),
        (TARGET_V6, Rejection::new(1, 4), ErrorKind::PortUnreachable),
        (TARGET_V6, Rejection::new(1, 1), ErrorKind::Prohibited),
    ] {
        let mut network = Network::new(1);
        let router = Node::router(ip("203.0.113.1")).also(ip("2001:db8:1::1"));
        let router = network.add(US, router.forwarding(Forwarding::Refuse(failure)), Link::after(ms(2)));
        network.default_route(router);
        let run = connect(&network, target, &tcp());
        let unreachable = Counts { sent: 3, unreachable: 3, icmp_errors: 3, ..Counts::default() };
        assert_eq!(run.counts(), unreachable, "{failure:?}");
        assert_eq!(state(&run), Some(State::Unreachable));
        let error = run.errors()[0];
        assert_eq!((error.outcome.kind, error.outcome.icmp), (kind, Some((failure.icmp_type, failure.icmp_code))));
        assert_eq!(error.source_port, run.log.packets()[0].ports().map(|(source, _)| source));
    }
}

/// The first SYN gets lost.
fn without_the_first_syn() -> Network {
    let link = Link::after(ms(5)).outward(Direction::after(ms(5)).lose([1]));
    over(link, |node| node.tcp(PORT, TcpService::Accept(Peer::silent())))
}

#[test]
fn a_port_that_opens_by_a_repeated_syn_is_open_late_and_lost() {
    for wait in [Wait::Default, Wait::Exactly(SECOND * 5)] {
        let run = ping_services(
            &without_the_first_syn(),
            &[(TARGET, PORT)],
            &tcp(),
            Config { spec: waiting(wait), ..config() },
        );
        let counts = Counts { sent: 3, received: 2, lost: 1, late: 1, longest_loss_run: 1, ..Counts::default() };
        assert_eq!(run.counts(), Counts { reordered: run.counts().reordered, ..counts }, "{wait:?}");
        let late = run.replies().into_iter().find(|reply| reply.late()).expect("a late reply");
        assert_eq!(
            (late.state(), late.syn_retransmits(), late.rtt()),
            (Some(State::Open), Some(1), Rtt::from(ms(1010)))
        );
        assert_eq!(run.summary().delays.rtt.map(|rtt| (rtt.count, rtt.max)), Some((2, 10_000_000)));
        assert_eq!((run.summary().syn_retransmits, state(&run)), (Some(1), Some(State::Open)));
    }
}

#[test]
fn a_connection_that_takes_longer_than_a_second_opens_within_its_wait() {
    let link = Link::after(ms(750));
    for target in BOTH {
        let run = |wait, method: &Method| {
            let network = over(link.clone(), |node| node.tcp(PORT, TcpService::Accept(Peer::answer("200"))));
            let config = Config { spec: waiting(wait), ..config() };
            ping_services(&network, &[(target, PORT)], method, config)
        };
        let patient = run(Wait::Exactly(SECOND * 8), &tcp());
        assert_eq!(patient.counts(), Counts { sent: 3, received: 3, ..Counts::default() });
        for reply in patient.replies() {
            assert_eq!((reply.rtt(), reply.syn_retransmits()), (Rtt::from(ms(1500)), Some(1)));
        }
        let asking = run(Wait::Exactly(SECOND * 8), &saying("GET", Some("200")));
        assert_eq!(asking.counts(), Counts { sent: 3, received: 3, ..Counts::default() });
        for reply in asking.replies() {
            assert_eq!((reply.rtt(), reply.syn_retransmits()), (Rtt::from(ms(1500)), Some(1)));
            assert_eq!(reply.exchange().map(|answer| answer.rtt), Some(Rtt::from(ms(1500))));
        }
        let usual = run(Wait::Default, &tcp());
        assert_eq!((usual.counts().lost, usual.counts().late, state(&usual)), (3, 2, Some(State::Open)));
    }
}

#[test]
fn a_reset_within_the_wait_refuses_whichever_syn_it_answers() {
    for (link, retransmitted) in [
        (Link::after(ms(1750)), true),
        (Link::after(ms(5)).outward(Direction::after(ms(5)).lose([1])), true),
        (Link::after(ms(499)), false),
    ] {
        let patient = Config { count: Some(1), spec: waiting(Wait::Exactly(SECOND * 8)), ..config() };
        let run = ping_services(&over(link, |node| node), &[(TARGET, PORT)], &tcp(), patient);
        assert_eq!(run.counts(), Counts { sent: 1, refused: 1, ..Counts::default() });
        assert_eq!(state(&run), Some(State::Refused));
        // Which SYN it answers is not known once there are several.
        assert_eq!(run.refusals()[0].delay.is_none(), retransmitted);
        assert_eq!(run.summary().delays.rtt.is_none(), retransmitted);
    }
}

#[test]
fn an_icmp_error_after_a_repeated_syn_has_no_delay() {
    let mut network = Network::new(1);
    let router = Node::router(ip("203.0.113.1")).forwarding(Forwarding::Refuse(Rejection::new(3, 1)));
    let router = network.add(US, router, Link::after(ms(1600)));
    network.default_route(router);
    let patient = Config { count: Some(1), spec: waiting(Wait::Exactly(SECOND * 5)), ..config() };
    let run = ping_services(&network, &[(TARGET, PORT)], &tcp(), patient);
    assert_eq!(run.counts(), Counts { sent: 1, unreachable: 1, icmp_errors: 1, ..Counts::default() });
    assert_eq!(run.errors()[0].delay, None);
}

#[test]
fn nothing_is_left_open_however_a_run_ends() {
    // With room for one connection a second one is only possible once the first is closed.
    let mut network = serving(TcpService::Accept(Peer::silent()));
    network.max_connections(1);
    let run = connect(&network, TARGET, &tcp());
    assert_eq!(run.counts(), Counts { sent: 3, received: 3, ..Counts::default() });
    let mut network = serving(TcpService::Silent);
    interrupt_at(&mut network, ms(1500));
    let run = connect(&network, TARGET, &tcp());
    assert_eq!(run.counts(), Counts { sent: 2, lost: 2, longest_loss_run: 2, ..Counts::default() });
}

#[test]
fn at_an_end_probes_that_a_slow_host_may_still_refuse_are_pending() {
    let mut network = over(Link::after(ms(150)), |node| node);
    interrupt_at(&mut network, ms(1950));
    let config = Config { count: None, spec: paced(Pace::Fixed(ms(100))), ..config() };
    let run = ping_services(&network, &[(TARGET, PORT)], &tcp(), config);
    assert_eq!(run.counts(), Counts { sent: 20, refused: 17, pending: 3, ..Counts::default() });
}

#[test]
fn a_kernel_without_descriptors_fails_the_probe_and_says_so() {
    let mut network = serving(TcpService::Silent);
    network.max_connections(2);
    let fast = Config { spec: paced(Pace::Fixed(ms(100))), count: Some(4), ..config() };
    let run = ping_services(&network, &[(TARGET, PORT)], &tcp(), fast);
    assert_eq!((run.counts().sent, run.counts().send_failed), (2, 2));
    let failed = run.events.iter().find_map(|event| match event {
        Event::Probe(ProbeEvent { outcome: Outcome::NotSent(failed), .. }) => failed.error.name(),
        _ => None,
    });
    assert_eq!(failed, Some("EMFILE"));
}

#[test]
fn thousands_of_silent_ports_leave_no_attempt_open() {
    let targets: Vec<String> = (0..2_000).map(|n| format!("10.7.{}.{}", n / 256, n % 256)).collect();
    let targets: Vec<(&str, u16)> = targets.iter().map(|target| (target.as_str(), PORT)).collect();
    let network = network(|node| node.prefix(ip("10.7.0.0"), 16).tcp(PORT, TcpService::Silent));
    let run = ping_services(&network, &targets, &tcp(), Config { count: Some(1), rate: Some(1000.0), ..config() });
    assert!(run.summaries().iter().all(|summary| summary.counts.lost == 1));
}

#[test]
fn a_source_port_is_kept() {
    let method = Method::Tcp(Connect { close: CloseHow::Reset, exchange: None });
    let run = |service| {
        let network = serving(service);
        ping_services_from(&network, Port::new(4711), &[(TARGET, PORT)], &method, config())
    };
    let open = run(TcpService::Accept(Peer::silent()));
    assert_eq!(open.counts().received, 3);
    assert!(open.log.packets().iter().all(|packet| packet.ports() == Some((4711, PORT))));
    assert!(open.replies().iter().all(|reply| reply.source_port == Some(4711)));
    // An attempt that is over does not keep the port.
    let silent = run(TcpService::Silent);
    assert_eq!((silent.counts().lost, silent.counts().send_failed), (3, 0));
}

#[test]
fn an_answer_has_a_time_of_its_own() {
    let peer = Peer::answer("HTTP/1.0 200 OK");
    for target in BOTH {
        let run = connect(&serving(TcpService::Accept(peer.clone())), target, &saying("GET /", Some("200")));
        assert_eq!(run.counts(), Counts { sent: 3, received: 3, ..Counts::default() });
        let reply = run.replies()[0];
        assert_eq!((reply.rtt(), reply.outcome.octets), (Rtt::from(ms(10)), 15));
        assert_eq!(reply.exchange().map(|answer| answer.rtt), Some(Rtt::from(ms(10))));
        assert_eq!(run.summary().answer.map(|answer| answer.count), Some(3));
    }
}

#[test]
fn an_answer_in_parts_is_put_together() {
    let peer = Peer::echo().takes(4, ms(100));
    let run = connect(&serving(TcpService::Accept(peer)), TARGET, &saying("abcdefghij", Some("fgh")));
    assert_eq!(run.counts().received, 3);
    assert_eq!(run.replies()[0].exchange().map(|answer| answer.rtt), Some(Rtt::from(ms(110))));
}

#[test]
fn a_server_that_speaks_first_needs_no_question() {
    let run =
        connect(&serving(TcpService::Accept(Peer::silent().greeting("220 hi"))), TARGET, &saying("", Some("220")));
    assert_eq!(run.counts().received, 3);
    assert_eq!(run.replies()[0].exchange().map(|answer| (answer.rtt, answer.octets)), Some((Rtt::from(ms(10)), 6)));
}

#[test]
fn closing_resetting_and_an_unexpected_answer_are_different_failures() {
    let failures = [
        (Peer::silent().ends_after_octets(3, ClosedHow::Fin), ExchangeFailure::Closed),
        (Peer::silent().ends_after_octets(3, ClosedHow::Reset), ExchangeFailure::Reset),
        (Peer::answer("404").ends_after_octets(3, ClosedHow::Fin), ExchangeFailure::Unexpected),
    ];
    for (peer, failure) in failures {
        let run = connect(&serving(TcpService::Accept(peer)), TARGET, &saying("GET", Some("200")));
        assert_eq!(run.counts(), Counts { sent: 3, refused: 3, ..Counts::default() }, "{failure:?}");
        let refusal = run.refusals()[0];
        assert_eq!((refusal.state(), refusal.outcome.failure()), (Some(State::Open), Some(failure)));
        assert_eq!(refusal.rtt(), Some(Rtt::from(ms(10))));
        assert_eq!(state(&run), Some(State::Open));
    }
}

#[test]
fn an_open_port_without_an_answer_is_silent() {
    let run = connect(&serving(TcpService::Accept(Peer::silent())), TARGET, &saying("GET", Some("200")));
    assert_eq!(run.counts(), Counts { sent: 3, lost: 3, longest_loss_run: 3, ..Counts::default() });
    let failures: Vec<_> = run
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Probe(ProbeEvent { outcome: Outcome::Timeout(silence), .. }) => {
                Some((silence.state(), silence.failure()))
            }
            _ => None,
        })
        .collect();
    assert_eq!(failures, [(State::Open, Some(ExchangeFailure::Silence)); 3]);
    assert_eq!(state(&run), Some(State::Open));
}

#[test]
fn another_answer_than_the_expected_one_is_no_loss_though_the_connection_stays_open() {
    let run = connect(&serving(TcpService::Accept(Peer::answer("404"))), TARGET, &saying("GET", Some("200")));
    assert_eq!(run.counts(), Counts { sent: 3, refused: 3, ..Counts::default() });
    let refusal = run.refusals()[0];
    assert_eq!((refusal.state(), refusal.outcome.failure()), (Some(State::Open), Some(ExchangeFailure::Unexpected)));
    assert_eq!(refusal.rtt(), Some(Rtt::from(ms(10))));
    assert_eq!(state(&run), Some(State::Open));
}

#[test]
fn a_peer_that_closes_before_we_have_written_is_a_failure_too() {
    let peer = Peer::silent().ends_after(Duration::ZERO, ClosedHow::Reset);
    let run = connect(&serving(TcpService::Accept(peer)), TARGET, &saying("GET", None));
    assert_eq!(run.counts().refused, 3);
    assert_eq!(run.refusals()[0].outcome.failure(), Some(ExchangeFailure::Reset));
}
