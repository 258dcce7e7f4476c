//! Comparisons of methods in virtual time.

use std::sync::Arc;
use std::time::Duration;

use netprobe::channel::{Attempt, Control, LanePlan, OsError, Plan, Precision, Protocol, SocketChoice, SocketKind};
use netprobe::driver::{self, Next, Turn};
use netprobe::engine::{Destination, Target};
use netprobe::metrics::Share;
use netprobe::ping::contrast::{
    Answerer, AnswererKind, Comparison, Config, Contender, Contrast, Event, Finding, Row, Verdict,
};
use netprobe::ping::{self, Ask, Connect, Method, MethodKind, Spec, State, Wait};
use netprobe::sim::{Change, Direction, Link, Log, Network, Node, Peer, Rejection, TcpService, US, UdpService, ip};
use netprobe::types::{Family, IpEndpoint};

const TARGET: &str = "198.51.100.9";
const TARGET_V6: &str = "2001:db8:9::9";
const ROUTER: &str = "203.0.113.1";
const TCP: u16 = 443;
const UDP: u16 = 7;

/// Rows of the table.
const RAW: usize = 0;
const DGRAM: usize = 1;
const UDP_ROW: usize = 2;
const TCP_ROW: usize = 3;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A host that answers all four methods alike.
fn host() -> Node {
    let host = Node::host(ip(TARGET)).also(ip(TARGET_V6));
    host.tcp(TCP, TcpService::Accept(Peer::silent())).udp(UDP, UdpService::Echo)
}

/// A host that answers ICMP alone: the firewall drops everything else.
fn bare_host() -> Node {
    Node::host(ip(TARGET)).also(ip(TARGET_V6))
}

/// The host beyond a router, 10 ms away.
fn network(host: Node) -> Network {
    over(Link::after(ms(3)), host, 1)
}

fn over(link: Link, host: Node, seed: u64) -> Network {
    let mut network = Network::new(seed);
    let router = network.add(US, Node::router(ip(ROUTER)).also(ip("2001:db8:a::1")), Link::after(ms(2)));
    network.add(router, host, link);
    network
}

/// A link on which each packet takes up to `variation` longer.
fn noisy(variation: Duration) -> Link {
    Link::after(ms(3))
        .homeward(Direction::after(ms(3)).vary(variation))
        .outward(Direction::after(ms(3)).vary(variation))
}

struct Ran {
    outcome: Comparison,
    events: Vec<ping::Event>,
    log: Log,
}

/// What a comparison is made with, where it is not the default.
struct Plans {
    rounds: u64,
    most_rounds: u64,
    seed: u64,
    target: &'static str,
    named: bool,
    deadline: Option<Duration>,
}

impl Default for Plans {
    fn default() -> Self {
        Plans { rounds: 20, most_rounds: 20, seed: 1, target: TARGET, named: true, deadline: None }
    }
}

fn contrast(network: &Network) -> Ran {
    contrast_as(network, &Plans::default())
}

fn contrast_as(network: &Network, plans: &Plans) -> Ran {
    let address = ip(plans.target);
    let lane = |protocol, socket| LanePlan::new(Family::of(address), protocol, socket);
    let methods = [
        (Method::Icmp, SocketKind::Raw, 0, lane(Protocol::Icmp, SocketChoice::Raw)),
        (Method::Icmp, SocketKind::Dgram, 0, lane(Protocol::Icmp, SocketChoice::Dgram)),
        (Method::Udp(Ask::Tagged), SocketKind::Dgram, UDP, lane(Protocol::Udp, SocketChoice::Dgram)),
        (Method::Tcp(Connect::default()), SocketKind::Stream, TCP, lane(Protocol::Tcp, SocketChoice::Auto)),
    ];
    let lanes = methods.iter().map(|(.., plan)| plan.clone()).collect();
    let mut opened = network.open(&Plan { lanes, names: false, ..Plan::default() });
    let contenders = methods.into_iter().zip(&opened.lanes).map(|((method, socket, port, _), opened_lane)| {
        let endpoint = IpEndpoint::from_address(address).with_port(port);
        let destination = match opened_lane {
            Ok(lane) => {
                let profile = Arc::new(*opened.channel.profile(*lane));
                Destination::Reachable { endpoint, source: None, lane: *lane, profile }
            }
            Err(_) => Destination::Unroutable { endpoint },
        };
        let refused = opened_lane.as_ref().err().and_then(|refused| refused.attempts.last().cloned());
        let target =
            Target { zone: None, target: plans.target.into(), name: plans.target.into(), numeric: true, destination };
        Contender {
            target,
            method,
            socket,
            port: (port != 0).then_some(port),
            varied: None,
            named: plans.named,
            refused,
        }
    });
    let ping = ping::Config {
        spec: Arc::new(Spec { wait: Wait::Exactly(ms(2000)), ..Spec::default() }),
        deadline: plans.deadline,
        seed: plans.seed,
        ..ping::Config::default()
    };
    let config = Config {
        contenders: contenders.collect(),
        rounds: plans.rounds,
        most_rounds: plans.most_rounds,
        slot: ms(200),
        ping,
    };
    let mut machine = Contrast::new(config);
    let (mut events, mut outcomes) = (Vec::new(), Vec::new());
    let run = driver::run(opened.channel.as_mut(), &mut machine, Precision::Relaxed, |turn| {
        match turn {
            Turn::Event(Event::Ping(event)) => events.push(event),
            Turn::Event(Event::Comparison(outcome)) => outcomes.push(*outcome),
            Turn::Idle => {}
        }
        Next::Continue
    });
    assert_eq!(run, Ok(()), "{events:#?}");
    let [outcome] = <[Comparison; 1]>::try_from(outcomes).expect("one outcome");
    let ran = Ran { outcome, events, log: network.log() };
    ran.check();
    ran
}

impl Ran {
    /// What must hold in every run.
    fn check(&self) {
        let summaries = self.events.iter().filter_map(|event| match event {
            ping::Event::Ended(summary) => Some(summary),
            _ => None,
        });
        let summaries: Vec<_> = summaries.collect();
        assert_eq!(summaries.len(), self.outcome.rows.len());
        for (row, summary) in self.outcome.rows.iter().zip(summaries) {
            assert!(row.counts.balance(), "{row:?}");
            assert_eq!((row.counts, row.state), (summary.counts, summary.state));
            let measured = row.rtt.map_or(0, |rtt| rtt.count);
            assert!(measured <= row.counts.received + row.counts.refused, "{row:?}");
        }
    }

    fn row(&self, row: usize) -> &Row {
        &self.outcome.rows[row]
    }

    fn findings(&self) -> &[Finding] {
        &self.outcome.findings
    }

    fn verdicts(&self) -> Vec<Option<Verdict>> {
        self.outcome.rows.iter().map(|row| row.verdict).collect()
    }
}

fn answerer(kind: AnswererKind, address: &str, answers: u64) -> Answerer {
    Answerer { kind, address: ip(address), answers }
}

const ALIKE: Option<Verdict> = Some(Verdict::NoDifference);

#[test]
fn where_nothing_differs_nothing_stands_out() {
    for target in [TARGET, TARGET_V6] {
        let ran = contrast_as(&network(host()), &Plans { target, ..Plans::default() });
        assert_eq!(ran.findings(), []);
        assert_eq!(ran.outcome.reference, Some(RAW));
        assert_eq!(ran.verdicts(), [None, ALIKE, ALIKE, ALIKE]);
        let kinds = [AnswererKind::Kernel, AnswererKind::Kernel, AnswererKind::Service, AnswererKind::Stack];
        for (row, kind) in ran.outcome.rows.iter().zip(kinds) {
            assert_eq!((row.counts.sent, row.counts.received), (20, 20));
            assert_eq!(row.answerers, [answerer(kind, target, 20)]);
            let rtt = row.rtt.expect("delays");
            assert_eq!((rtt.count, rtt.min, rtt.max), (19, 10_000_000, 10_000_000), "without the first round");
        }
    }
}

#[test]
fn methods_take_turns_a_slot_apart() {
    let ran = contrast(&network(host()));
    let times = ran.log.times();
    assert_eq!(times, (0..80).map(|slot| ms(slot * 200)).collect::<Vec<_>>());
    let packets = ran.log.packets();
    for round in packets.chunks(4) {
        let mut lanes: Vec<usize> = round.iter().map(|packet| packet.lane.index()).collect();
        lanes.sort_unstable();
        assert_eq!(lanes, [0, 1, 2, 3]);
    }
    let firsts: Vec<usize> = packets.chunks(4).map(|round| round[0].lane.index()).collect();
    assert!(firsts.iter().any(|&first| first != firsts[0]), "{firsts:?}");
}

#[test]
fn noise_is_not_taken_for_a_difference() {
    let called: Vec<u64> = (0..300)
        .filter(|&seed| {
            let ran = contrast_as(&over(noisy(ms(4)), host(), seed), &Plans { seed, ..Plans::default() });
            let verdicts = ran.verdicts();
            verdicts.contains(&Some(Verdict::Slower)) || verdicts.contains(&Some(Verdict::Faster))
        })
        .collect();
    // 1 % of 300 is 3; more than 9 would happen once in ten thousand times.
    assert!(called.len() <= 9, "{called:?}");
}

#[test]
fn dropped_icmp_with_an_open_port_is_found() {
    let ran = contrast(&network(host().change_to(Protocol::Icmp, .., Change::Silence)));
    assert_eq!(ran.findings(), [Finding::IcmpBlocked { row: TCP_ROW }]);
    assert_eq!(ran.outcome.reference, Some(UDP_ROW), "the first that has delays");
    assert_eq!(ran.verdicts(), [None, None, None, ALIKE]);
    assert_eq!((ran.row(RAW).counts.lost, ran.row(RAW).rtt), (20, None));
}

#[test]
fn icmp_that_a_router_rejects_is_blocked_by_it() {
    let filtered = host().change_to(Protocol::Icmp, .., Change::Source(ip(ROUTER)));
    let ran = contrast(&network(filtered.change_to(Protocol::Icmp, .., Change::Refuse(Rejection::new(3, 13)))));
    assert_eq!(ran.findings(), [Finding::IcmpBlocked { row: TCP_ROW }]);
    assert_eq!(ran.row(RAW).answerers, [answerer(AnswererKind::Router, ROUTER, 20)]);
    assert_eq!(ran.row(RAW).counts.unreachable, 20);
}

#[test]
fn delayed_icmp_makes_the_services_faster() {
    let ran = contrast(&network(host().change_to(Protocol::Icmp, .., Change::Later(ms(5)))));
    assert_eq!(ran.verdicts(), [None, ALIKE, Some(Verdict::Faster), Some(Verdict::Faster)]);
    let delay = |row| Finding::Delay { row, difference: -5_000_000 };
    assert_eq!(ran.findings(), [delay(UDP_ROW), delay(TCP_ROW)]);
}

#[test]
fn a_slower_service_is_found_through_noise() {
    let slow = host().change_to(Protocol::Tcp, .., Change::Later(ms(3)));
    for seed in 0..20 {
        let ran = contrast_as(&over(noisy(ms(1)), slow.clone(), seed), &Plans { seed, ..Plans::default() });
        assert_eq!(ran.row(TCP_ROW).verdict, Some(Verdict::Slower), "{seed}");
        let difference = ran.row(TCP_ROW).difference.expect("both have medians");
        assert!((2_000_000..4_000_000).contains(&difference), "{difference}");
        assert_eq!(ran.findings(), [Finding::Delay { row: TCP_ROW, difference }], "{seed}");
    }
}

#[test]
fn a_slow_first_round_is_no_difference() {
    let slow = host().change_to(Protocol::Tcp, [1], Change::Later(ms(900)));
    let ran = contrast(&network(slow));
    assert_eq!(ran.findings(), []);
    assert_eq!(ran.row(TCP_ROW).rtt.map(|rtt| rtt.max), Some(10_000_000));
}

#[test]
fn a_difference_of_less_than_five_percent_or_a_tenth_of_a_millisecond_is_none() {
    let later = |micros| host().change_to(Protocol::Tcp, .., Change::Later(Duration::from_micros(micros)));
    assert_eq!(contrast(&network(later(490))).findings(), [], "4.9 %");
    assert_eq!(contrast(&network(later(510))).findings().len(), 1, "5.1 %");
    let near = |node| {
        let mut network = Network::new(1);
        network.add(US, node, Link::after(Duration::from_micros(50)));
        network
    };
    assert_eq!(contrast(&near(later(99))).findings(), [], "99 µs, which is 99 %");
    assert_eq!(contrast(&near(later(101))).findings().len(), 1);
}

#[test]
fn too_few_complete_rounds_are_not_judged() {
    let slow = host().change_to(Protocol::Tcp, .., Change::Later(ms(30)));
    let few = contrast_as(&network(slow.clone()), &Plans { rounds: 19, most_rounds: 19, ..Plans::default() });
    assert_eq!((few.findings(), few.verdicts()), (&[][..], vec![None; 4]));
    assert_eq!(few.row(TCP_ROW).difference, Some(30_000_000), "it is shown all the same");
    let one_lost = contrast(&network(slow.change_to(Protocol::Tcp, [7], Change::Silence)));
    assert_eq!((one_lost.row(TCP_ROW).complete, one_lost.row(TCP_ROW).verdict), (19, None));
    assert_eq!(one_lost.row(UDP_ROW).verdict, ALIKE);
}

#[test]
fn a_few_lost_probes_are_made_up_for_by_more_rounds() {
    let slow = || host().change_to(Protocol::Tcp, .., Change::Later(ms(30)));
    let plans = Plans { most_rounds: 25, ..Plans::default() };
    let lossy = contrast_as(&network(slow().change_to(Protocol::Tcp, [7, 20], Change::Silence)), &plans);
    let row = lossy.row(TCP_ROW);
    assert_eq!((lossy.outcome.rounds, row.complete, row.verdict), (22, 20, Some(Verdict::Slower)));
    assert!(lossy.outcome.rows.iter().all(|row| row.counts.sent == 22), "rounds are whole");
    let clean = contrast_as(&network(slow()), &plans);
    assert_eq!((clean.outcome.rounds, clean.row(TCP_ROW).counts.sent), (20, 20), "nothing is missing");
    let hopeless = contrast_as(&network(slow().change_to(Protocol::Tcp, 1..20, Change::Silence)), &plans);
    assert_eq!((hopeless.outcome.rounds, hopeless.row(TCP_ROW).verdict), (20, None), "five more would not do");
}

#[test]
fn a_refused_connection_is_found_and_its_delay_compared() {
    let ran = contrast(&network(bare_host().udp(UDP, UdpService::Echo)));
    assert_eq!(ran.findings(), [Finding::Refused { row: TCP_ROW }]);
    let row = ran.row(TCP_ROW);
    assert_eq!((row.counts.refused, row.state, row.verdict), (20, Some(State::Refused), ALIKE));
    assert_eq!(row.answerers, [answerer(AnswererKind::Kernel, TARGET, 20)]);
}

#[test]
fn a_closed_udp_port_stands_out_only_if_it_was_named() {
    let closed = network(bare_host().tcp(TCP, TcpService::Accept(Peer::silent())));
    let ran = contrast(&closed);
    assert_eq!(ran.findings(), [Finding::Refused { row: UDP_ROW }]);
    assert_eq!((ran.row(UDP_ROW).counts.refused, ran.row(UDP_ROW).state), (20, Some(State::Closed)));
    assert_eq!(ran.row(UDP_ROW).answerers, [answerer(AnswererKind::Kernel, TARGET, 20)]);
    let unnamed = contrast_as(&closed, &Plans { named: false, ..Plans::default() });
    assert_eq!(unnamed.findings(), []);
    assert_eq!(unnamed.outcome.explanations, [Finding::Refused { row: UDP_ROW }], "it is explained all the same");
}

#[test]
fn a_host_that_limits_its_refusals_loses_nothing() {
    let limited = bare_host().tcp(TCP, TcpService::Accept(Peer::silent())).error_limit(ms(2000), 3);
    let ran = contrast(&network(limited));
    assert_eq!(ran.findings(), [Finding::Refused { row: UDP_ROW }, Finding::RefusalsLimited { row: UDP_ROW }]);
    assert!(ran.row(UDP_ROW).rate_limited);
    assert_eq!(ran.row(UDP_ROW).verdict, None);
}

#[test]
fn silent_services_are_found() {
    let ran = contrast(&network(bare_host().silent_ports()));
    assert_eq!(ran.findings(), [Finding::Silent { row: UDP_ROW }, Finding::Silent { row: TCP_ROW }]);
    assert_eq!(ran.row(TCP_ROW).answerers, []);
    assert_eq!(ran.row(UDP_ROW).state, Some(State::NoAnswer));
}

#[test]
fn rate_limited_icmp_is_not_a_lossy_path() {
    // After a burst of four, two answers out of five.
    let silent: Vec<u64> = (5..=40).filter(|n| n % 5 > 1).collect();
    let limited = silent.iter().fold(host(), |host, &n| host.change_to(Protocol::Icmp, [n], Change::Silence));
    let ran = contrast(&network(limited));
    let (icmp, other) = (Share { hits: silent.len() as u64, tries: 40 }, Share { hits: 0, tries: 20 });
    assert_eq!(ran.findings(), [Finding::IcmpLimited { row: TCP_ROW, icmp, other }]);
    let lossy = Link::after(ms(3)).outward(Direction::after(ms(3)).lose(0.3));
    let found = (0..40).filter(|&seed| {
        let ran = contrast_as(&over(lossy.clone(), host(), seed), &Plans { seed, ..Plans::default() });
        !ran.findings().is_empty()
    });
    assert!(found.count() <= 3, "loss that affects all methods alike");
}

#[test]
fn a_service_that_loses_more_than_its_host_is_found() {
    let lossy = host().change_to(Protocol::Tcp, 1..=14, Change::Silence);
    let ran = contrast(&network(lossy));
    let found = ran.findings().iter().any(|finding| matches!(finding, Finding::LosesMore { row: TCP_ROW, .. }));
    assert!(found, "{:?}", ran.findings());
}

#[test]
fn an_unused_address_answers_no_method() {
    let ran = contrast(&network(host().silent()));
    assert_eq!(ran.findings(), [Finding::NothingAnswers]);
    assert_eq!(ran.outcome.reference, None);
}

#[test]
fn a_method_without_privilege_keeps_its_row_with_the_reason() {
    let mut network = network(host());
    network.allow_raw(false);
    let ran = contrast(&network);
    let row = ran.row(RAW);
    assert_eq!(
        (row.method, row.socket, row.ran, row.state),
        (MethodKind::Icmp, SocketKind::Raw, false, Some(State::Unknown))
    );
    assert_eq!(row.refused, Some(Attempt { socket: SocketKind::Raw, call: "socket".into(), error: OsError::EPERM }));
    assert_eq!(ran.outcome.reference, Some(DGRAM), "the first that ran");
    assert_eq!(ran.verdicts(), [None, None, ALIKE, ALIKE]);
    assert_eq!(ran.log.times()[3], ms(600), "its slot goes to the others");
    network.allow_dgram(false);
    let ran = contrast(&network);
    assert_eq!((ran.outcome.reference, ran.findings()), (Some(UDP_ROW), &[][..]), "no ICMP socket is no blocked ICMP");
}

#[test]
fn a_difference_between_the_two_icmp_sockets_is_found() {
    let is_icmp = |lane: usize| lane <= DGRAM;
    let lanes = contrast(&network(host())).log.packets().into_iter().map(|packet| packet.lane.index());
    let numbered = (1..).zip(lanes.filter(|&lane| is_icmp(lane)));
    let slow = numbered
        .filter(|&(_, lane)| lane == DGRAM)
        .fold(host(), |host, (number, _)| host.change_to(Protocol::Icmp, [number], Change::Later(ms(2))));
    let ran = contrast(&network(slow));
    assert_eq!(ran.findings(), [Finding::Delay { row: DGRAM, difference: 2_000_000 }]);
}

#[test]
fn an_interrupt_ends_with_what_is_known() {
    let mut network = network(host());
    network.at(ms(3005), Control::Interrupt);
    let ran = contrast(&network);
    let sent: u64 = ran.outcome.rows.iter().map(|row| row.counts.sent).sum();
    assert_eq!(sent, 16);
    assert_eq!((ran.findings(), ran.verdicts()), (&[][..], vec![None; 4]));
}

#[test]
fn a_deadline_ends_the_run_with_what_is_known() {
    let ran = contrast_as(&network(host()), &Plans { deadline: Some(ms(1700)), ..Plans::default() });
    let most = ran.outcome.rows.iter().map(|row| row.counts.sent).max();
    assert_eq!(Some(ran.outcome.rounds), most, "the rounds there were, not those that were wanted");
    let sent: u64 = ran.outcome.rows.iter().map(|row| row.counts.sent).sum();
    assert_eq!((sent, ran.outcome.rows.iter().map(|row| row.counts.lost).sum::<u64>()), (9, 0));
}

#[test]
fn probes_the_kernel_refuses_leave_their_rounds_incomplete() {
    let mut network = network(host());
    network.refuse_sends([9, 10], OsError::ENOBUFS);
    let ran = contrast(&network);
    let failed: u64 = ran.outcome.rows.iter().map(|row| row.counts.send_failed).sum();
    let sent: u64 = ran.outcome.rows.iter().map(|row| row.counts.sent).sum();
    assert_eq!((failed, sent), (2, 78));
}

#[test]
fn a_stall_is_not_followed_by_a_burst() {
    let mut network = network(host());
    network.stall(ms(1900), ms(1500));
    let ran = contrast(&network);
    let times = ran.log.times();
    assert_eq!(times.len(), 80);
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= ms(200)), "{times:?}");
}
