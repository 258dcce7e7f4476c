//! Sweeps in virtual time: every count exact.

mod datagrams;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use netprobe::channel::{
    Control, LanePlan, OsError, Plan, Precision, Protocol, SendStamps, SocketChoice, SourceLookup,
};
use netprobe::driver::{self, Next, Turn};
use netprobe::ping::{Counts, State};
use netprobe::sim::{
    Change, Damage, Direction, Forwarding, Link, Log, Network, Node, Peer, Quote, Rejection, TcpService, US, ip,
};
use netprobe::sweep::{
    Completion, Config, Event, LaneRoute, Method, Probes, Supplied, Supply, Sweep, SweepTarget, TargetSummary, Totals,
};
use netprobe::types::{Family, IpEndpoint, Rtt};
use netprobe::wire::payload::Fill;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// The host `n` of 198.19.`net`.0/24.
fn host(net: u8, n: u8) -> IpAddr {
    IpAddr::from([198, 19, net, n])
}

fn hosts(net: u8, count: u8) -> impl Iterator<Item = IpAddr> {
    (1..=count).map(move |n| host(net, n))
}

/// A node that has all of 198.19.`net`.0/24 and 2001:db8:`net`::/64.
fn net(net: u8) -> Node {
    let v6 = IpAddr::from([0x2001, 0xdb8, net.into(), 0, 0, 0, 0, 0]);
    Node::host(host(net, 254)).prefix(host(net, 0), 24).prefix(v6, 64)
}

/// Us, and 10 ms away these nodes.
fn network(nodes: impl IntoIterator<Item = Node>) -> Network {
    let mut network = Network::new(1);
    for node in nodes {
        network.add(US, node, Link::after(ms(5)));
    }
    network
}

fn goal(address: IpAddr) -> SweepTarget {
    SweepTarget { name: None, endpoint: Some(IpEndpoint::from_address(address)) }
}

fn supply(goals: impl IntoIterator<Item = SweepTarget>) -> Supply {
    let mut goals = goals.into_iter().collect::<Vec<_>>().into_iter();
    Box::new(move |_| goals.next().map_or(Supplied::End, Supplied::Target))
}

/// One probe and, without an answer, a second one, as fast as possible.
fn config(supply: Supply) -> Config {
    Config {
        supply,
        method: Method::Icmp,
        routes: Vec::new(),
        zones: Vec::new(),
        probes: Probes::UntilAnswered { retries: 1, backoff: 1.0 },
        wait: ms(1000),
        rate: None,
        deadline: None,
        completion: Completion::AllProbes,
        conditions: Default::default(),
        needed: 1,
        vector: false,
        user_to_user: false,
        skips_silent: false,
        captured: false,
        progress: false,
        payload_octets: 56,
        fill: Fill::Counting,
        seed: 7,
    }
}

fn to(addresses: impl IntoIterator<Item = IpAddr>) -> Config {
    config(supply(addresses.into_iter().map(goal)))
}

fn counted(count: u32, interval: Duration) -> Probes {
    Probes::Counted { count, interval }
}

/// The events of a run, and when it ended.
struct Ran {
    outcomes: Vec<TargetSummary>,
    totals: Totals,
    lasted: Duration,
    cut_short: bool,
    progress: Vec<(bool, Duration)>,
    log: Log,
}

impl Ran {
    /// The counts of the only target.
    fn only(&self) -> Counts {
        assert_eq!(self.outcomes.len(), 1);
        self.outcomes[0].counts
    }

    fn of(&self, address: IpAddr) -> &TargetSummary {
        let of = |outcome: &&TargetSummary| outcome.endpoint.is_some_and(|endpoint| endpoint.address == address);
        self.outcomes.iter().find(of).expect("an outcome")
    }
}

fn sweep(network: &Network, config: Config) -> Ran {
    sweep_over(network, SendStamps::Kernel, config)
}

fn sweep_over(network: &Network, send_stamps: SendStamps, config: Config) -> Ran {
    sweep_by(
        network,
        |family| LanePlan { send_stamps, ..LanePlan::new(family, Protocol::Icmp, SocketChoice::Auto) },
        config,
    )
}

/// A sweep of these ports by SYN.
fn sweep_ports(network: &Network, config: Config) -> Ran {
    let lane = |family| LanePlan {
        own_headers: true,
        flows: NonZeroU16::new(2),
        send_stamps: SendStamps::None,
        ..LanePlan::new(family, Protocol::Tcp, SocketChoice::Raw)
    };
    sweep_by(network, lane, Config { method: Method::Tcp(no_source()), ..config })
}

/// The same by connecting.
fn connect_ports(network: &Network, config: Config) -> Ran {
    let lane = |family| LanePlan::new(family, Protocol::Tcp, SocketChoice::Auto);
    sweep_by(network, lane, Config { method: Method::Tcp(no_source()), ..config })
}

/// Stands for the lookup of the run until it is opened.
fn no_source() -> SourceLookup {
    Arc::new(|_, _| Err(OsError::EINVAL))
}

fn sweep_by(network: &Network, lane: impl Fn(Family) -> LanePlan, mut config: Config) -> Ran {
    let mut opened =
        network.open(&Plan { lanes: [Family::V4, Family::V6].map(lane).into(), names: false, ..Plan::default() });
    let lanes = opened.lanes.iter().flatten();
    let routes = lanes.map(|&lane| LaneRoute { lane, profile: *opened.channel.profile(lane) }).collect();
    if matches!(config.method, Method::Tcp(_)) {
        config.method = Method::Tcp(opened.source_for.clone());
    }
    let mut sweep = Sweep::new(Config { routes, ..config });
    let (mut outcomes, mut progress, mut end) = (Vec::new(), Vec::new(), None);
    driver::run(opened.channel.as_mut(), &mut sweep, Precision::Relaxed, |turn| {
        match turn {
            Turn::Event(Event::Ended(outcome)) => outcomes.push(*outcome),
            Turn::Event(Event::Progress { requested, elapsed, .. }) => progress.push((requested, elapsed)),
            Turn::Event(Event::Over { elapsed, totals, cut_short }) => end = Some((elapsed, totals, cut_short)),
            Turn::Event(Event::Interrupted) | Turn::Idle => {}
        }
        Next::Continue
    })
    .expect("a channel that works");
    let (lasted, totals, cut_short) = end.expect("an end");
    assert!(outcomes.iter().all(|outcome| outcome.counts.balance()), "{outcomes:#?}");
    Ran { outcomes, totals, lasted, cut_short, progress, log: network.log() }
}

const RECEIVED: Counts = Counts {
    sent: 1,
    received: 1,
    refused: 0,
    unreachable: 0,
    lost: 0,
    pending: 0,
    send_failed: 0,
    icmp_errors: 0,
    answered_after_error: 0,
    skipped: 0,
    duplicates: 0,
    late: 0,
    reordered: 0,
    bad_checksum: 0,
    payload_changed: 0,
    truncated: 0,
    wrong_source: 0,
    foreign: 0,
    dropped_by_kernel: 0,
    longest_loss_run: 0,
};

#[test]
fn who_is_silent_who_answers_twice_and_who_has_no_way_are_counted_exactly() {
    let again = net(2).change(.., Change::Again(ms(700)));
    let refused = net(3).change(.., Change::Refuse(Rejection::new(3, 1)));
    let network = network([net(0), net(1).silent(), again, refused]);
    let all = hosts(0, 200).chain(hosts(1, 25)).chain(hosts(2, 25)).chain(hosts(3, 1));
    let ran = sweep(&network, to(all));
    assert_eq!(ran.outcomes.len(), 251);
    for n in 1..=25 {
        assert_eq!(ran.of(host(0, n)).counts, RECEIVED);
        let silent = Counts { sent: 2, lost: 2, longest_loss_run: 2, ..Counts::default() };
        assert_eq!(ran.of(host(1, n)).counts, silent);
        assert_eq!(ran.of(host(2, n)).counts, Counts { duplicates: 1, ..RECEIVED });
    }
    let unreachable = Counts { sent: 1, unreachable: 1, icmp_errors: 1, ..Counts::default() };
    assert_eq!(ran.of(host(3, 1)).counts, unreachable);
    let sum = ran.outcomes.iter().fold(Counts::default(), |mut sum, outcome| {
        sum.add(&outcome.counts);
        sum
    });
    assert_eq!(sum, Counts { longest_loss_run: 2, ..ran.totals.counts });
    let Totals { begun, ended, alive, unreachable, not_run, .. } = ran.totals;
    assert_eq!((begun, ended, alive, unreachable, not_run), (251, 251, 225, 26, 0));
}

#[test]
fn a_delay_is_the_kernels_and_the_first_wait_ends_a_target() {
    let ran = sweep(&network([net(0)]), to([host(0, 1)]));
    let outcome = &ran.outcomes[0];
    assert_eq!((outcome.rtt.count(), outcome.rtt.min(), outcome.rtt.max()), (1, 10_000_000, 10_000_000));
    assert_eq!((outcome.stamps.kernel, outcome.stamps.user, outcome.complete), (1, 0, true));
    assert_eq!((ran.lasted, outcome.duration), (ms(1000), ms(1000)));
    let without = sweep_over(&network([net(0)]), SendStamps::None, to([host(0, 1)]));
    assert_eq!((without.outcomes[0].stamps.kernel, without.outcomes[0].stamps.user), (0, 1));
}

#[test]
fn silence_is_answered_with_one_more_probe_after_each_wait() {
    let silent = network([net(0).silent()]);
    let ran = sweep(&silent, to([host(0, 1)]));
    assert_eq!(ran.log.times(), [ms(0), ms(1000)]);
    assert_eq!(ran.lasted, ms(2000));
    let probes = Probes::UntilAnswered { retries: 3, backoff: 2.0 };
    let ran = sweep(&silent, Config { probes, wait: ms(100), ..to([host(0, 1)]) });
    assert_eq!(ran.log.times(), [ms(0), ms(100), ms(300), ms(700)]);
    assert_eq!((ran.lasted, ran.only().sent, ran.only().longest_loss_run), (ms(1500), 4, 4));
}

#[test]
fn waits_of_different_lengths_do_not_hold_each_other_up() {
    // The second attempt to the first target waits for ten seconds, while later targets come and go.
    let network = network([net(0), net(1).silent()]);
    let mut later = 0;
    let mut goals = [goal(host(1, 1))].into_iter().chain(hosts(0, 30).map(goal));
    let supply: Supply = Box::new(move |_| {
        later += 1;
        if later % 2 == 0 { Supplied::Target(goals.next().unwrap_or(goal(host(0, 31)))) } else { Supplied::Later }
    });
    let probes = Probes::UntilAnswered { retries: 1, backoff: 10.0 };
    let mut network = network;
    for second in 1..=60 {
        network.at(ms(100 * second), Control::Supplied);
    }
    network.at(ms(6050), Control::Interrupt);
    let ran = sweep(&network, Config { probes, ..config(supply) });
    assert_eq!(
        ran.of(host(1, 1)).counts,
        Counts { sent: 2, lost: 1, pending: 1, longest_loss_run: 1, ..Counts::default() }
    );
    assert_eq!(ran.of(host(0, 1)).counts, RECEIVED);
    assert!(ran.totals.alive > 10);
}

#[test]
fn a_late_answer_is_counted_where_it_belongs() {
    let slow = network([net(0).change(.., Change::Later(ms(1490)))]);
    let ran = sweep(&slow, to([host(0, 1)]));
    let lost = Counts { sent: 2, lost: 2, late: 1, longest_loss_run: 2, ..Counts::default() };
    assert_eq!(ran.only(), lost, "the answer to the second probe comes after the end");
    let others = sweep(&slow, Config { rate: Some(2.0), ..to([host(0, 1), host(0, 2), host(0, 3)]) });
    assert_eq!(others.outcomes.iter().map(|outcome| outcome.counts.late).sum::<u64>(), 3);
    assert!(others.totals.counts.late > 3, "those for targets that had ended are in the total");
}

#[test]
fn a_target_can_end_at_its_first_answer() {
    let again = net(1).change(.., Change::Again(ms(1)));
    let network = network([net(0), again, net(2).silent()]);
    let ran = sweep(&network, Config { completion: Completion::FirstAnswer, ..to(hosts(0, 100).chain(hosts(1, 10))) });
    assert_eq!((ran.outcomes.len(), ran.lasted), (110, ms(10)));
    let ran = sweep(
        &network,
        Config { completion: Completion::FirstAnswer, ..to(hosts(0, 100).chain(hosts(1, 10)).chain(hosts(2, 5))) },
    );
    assert_eq!((ran.lasted, ran.totals.counts.duplicates, ran.totals.alive), (ms(2000), 10, 110));
    assert!(ran.outcomes.iter().rev().take(5).all(|silent| silent.counts.lost == 2 && silent.complete));
}

#[test]
fn silence_after_targets_that_errors_have_ended_is_waited_for_and_ends() {
    let refused = net(3).change(.., Change::Refuse(Rejection::new(3, 1)));
    let ran = sweep(&network([refused, net(1).silent()]), to(hosts(3, 3).chain(hosts(1, 2))));
    assert_eq!((ran.outcomes.len(), ran.lasted), (5, ms(2000)));
    assert_eq!((ran.of(host(1, 2)).counts.lost, ran.of(host(3, 1)).counts.unreachable), (2, 1));
}

#[test]
fn probes_keep_to_the_rate() {
    let ran = sweep(&network([net(0)]), Config { rate: Some(1000.0), ..to(hosts(0, 200)) });
    let times = ran.log.times();
    assert!(times.iter().zip(0..).all(|(&at, n)| at >= ms(n) && at < ms(n + 1)), "{times:?}");
}

#[test]
fn probes_that_are_due_close_to_each_other_leave_together_and_near_their_slots() {
    let ran = sweep(&network([net(0)]), Config { rate: Some(10_000.0), ..to(hosts(0, 250)) });
    let times = ran.log.times();
    assert_eq!(times.len(), 250);
    let slot = |n: u32| Duration::from_micros(100) * n;
    assert!(times.iter().zip(0..).all(|(at, n)| at.abs_diff(slot(n)) < ms(1)), "{times:?}");
    let mut turns = times.clone();
    turns.dedup();
    assert!(turns.len() <= 250 / 8, "{turns:?}");
}

#[test]
fn a_counted_target_has_its_probes_at_the_interval() {
    let lossy = Link::after(ms(5)).homeward(Direction::after(ms(5)).lose([2]));
    let mut network = Network::new(1);
    network.add(US, net(0), lossy);
    let asked = Config { probes: counted(4, ms(100)), vector: true, ..to([host(0, 1)]) };
    let ran = sweep(&network, asked);
    assert_eq!(ran.log.times(), [ms(0), ms(100), ms(200), ms(300)]);
    assert_eq!(ran.only(), Counts { sent: 4, received: 3, lost: 1, longest_loss_run: 1, ..Counts::default() });
    let rtt = Some(Rtt::from(ms(10)));
    assert_eq!(ran.outcomes[0].delays, [rtt, None, rtt, rtt]);
    assert_eq!(ran.lasted, ms(1300));
}

#[test]
fn an_overtaken_answer_is_reordered() {
    let held = Link::after(ms(5)).homeward(Direction::after(ms(5)).hold_back([1], ms(150)));
    let mut network = Network::new(1);
    network.add(US, net(0), held);
    let ran = sweep(&network, Config { probes: counted(3, ms(100)), ..to([host(0, 1)]) });
    assert_eq!(ran.only(), Counts { sent: 3, received: 3, reordered: 1, ..Counts::default() });
}

#[test]
fn an_interruption_reports_what_is_known() {
    let mut network = network([net(0), net(1).silent()]);
    network.at(ms(505), Control::Interrupt);
    let ran = sweep(&network, Config { rate: Some(10.0), ..to(hosts(1, 2).chain(hosts(0, 200))) });
    assert_eq!((ran.lasted, ran.outcomes.len(), ran.cut_short), (ms(505), 6, true));
    let lost = Counts { sent: 1, lost: 1, longest_loss_run: 1, ..Counts::default() };
    assert_eq!(ran.of(host(1, 1)).counts, lost, "there is nothing else to count");
    assert_eq!(ran.of(host(0, 1)).counts, RECEIVED);
    assert!(ran.outcomes.iter().all(|outcome| !outcome.complete));
    assert_eq!((ran.totals.counts.sent, ran.totals.unreachable), (6, 0));
}

#[test]
fn a_deadline_ends_the_run_and_figures_come_on_request() {
    let mut network = network([net(0).silent()]);
    network.at(ms(300), Control::Interim);
    let asked = Config { deadline: Some(ms(600)), progress: true, ..to([host(0, 1)]) };
    let ran = sweep(&network, asked);
    assert_eq!((ran.lasted, ran.only().lost, ran.cut_short), (ms(600), 1, false));
    assert_eq!(ran.progress, [(false, ms(250)), (true, ms(300)), (false, ms(500))]);
}

#[test]
fn answers_with_different_faults_are_counted_apart() {
    let cases: [(Vec<Change>, Counts); 8] = [
        (vec![Change::Octets(40, vec![0xff])], Counts { payload_changed: 1, ..RECEIVED }),
        // The number.
        (vec![Change::Octets(24, vec![0xff; 8])], Counts { payload_changed: 1, ..RECEIVED }),
        // A part of the cookie.
        (vec![Change::Octets(8, vec![0xff; 4])], Counts { payload_changed: 1, ..RECEIVED }),
        // All of it.
        (
            vec![Change::Octets(8, vec![0; 16])],
            Counts { sent: 2, lost: 2, foreign: 2, longest_loss_run: 2, ..Counts::default() },
        ),
        (vec![Change::Truncate(40)], Counts { truncated: 1, ..RECEIVED }),
        (vec![Change::Truncate(20)], Counts { truncated: 1, payload_changed: 1, ..RECEIVED }),
        (vec![Change::Source(ip("203.0.113.7"))], Counts { wrong_source: 1, ..RECEIVED }),
        (
            vec![Change::WrongChecksum],
            Counts { sent: 2, lost: 2, bad_checksum: 2, longest_loss_run: 2, ..Counts::default() },
        ),
    ];
    for (changes, expected) in cases {
        let node = changes.iter().cloned().fold(net(0), |node, change| node.change(.., change));
        let ran = sweep(&network([node]), to([host(0, 1)]));
        assert_eq!(ran.only(), expected, "{changes:?}");
    }
}

#[test]
fn a_reply_from_elsewhere_makes_no_target_alive() {
    // A host answers with the number of a probe that went elsewhere, and no cookie of ours.
    let forged = net(0).change(.., Change::Octets(8, vec![0x41; 24]));
    let ran = sweep(&network([forged, net(1).silent()]), to([host(1, 1), host(0, 1)]));
    assert_eq!((ran.totals.alive, ran.totals.counts.foreign), (0, 2));
    // Its own answers come from addresses that were never probed: they are ours, and said.
    let elsewhere = net(0).change(.., Change::Source(ip("203.0.113.7")));
    let ran = sweep(&network([elsewhere]), to([host(0, 1)]));
    assert_eq!((ran.only().wrong_source, ran.outcomes.len()), (1, 1));
}

#[test]
fn an_error_is_known_by_however_little_it_quotes() {
    for quote in [Quote::full(), Quote::transport(8), Quote::transport(20), Quote::transport(8).padded()] {
        let node = |family_net| net(family_net).change(.., Change::Refuse(Rejection::new(3, 1))).quote(quote.clone());
        let ran = sweep(&network([node(0)]), to(hosts(0, 100)));
        let unreachable = Counts { sent: 1, unreachable: 1, icmp_errors: 1, ..Counts::default() };
        assert!(ran.outcomes.iter().all(|outcome| outcome.counts == unreachable), "{quote:?} {:?}", ran.totals);
    }
}

/// A net whose hosts send an error and then, so much later, the answer.
fn answering_after_errors(delay: Duration) -> Network {
    let node = (1..=8u64).fold(net(0), |node, probe| {
        node.change([2 * probe - 1], Change::Refuse(Rejection::new(11, 0))).change([2 * probe], Change::Later(delay))
    });
    let mut network = Network::new(1);
    network.add(US, node, Link::after(ms(5)).outward(Direction::after(ms(5)).duplicate(1..)));
    network
}

#[test]
fn a_host_that_answers_after_an_error_is_alive() {
    let counts = Counts { icmp_errors: 1, answered_after_error: 1, ..RECEIVED };
    for completion in [Completion::AllProbes, Completion::FirstAnswer] {
        let ran = sweep(&answering_after_errors(ms(100)), Config { completion, ..to(hosts(0, 3)) });
        assert!(
            ran.outcomes.iter().all(|outcome| outcome.counts == counts && outcome.is_alive()),
            "{:?}",
            ran.outcomes
        );
        assert_eq!((ran.totals.alive, ran.totals.unreachable, ran.totals.counts.duplicates), (3, 0, 0));
    }
}

#[test]
fn a_host_with_nothing_but_an_error_is_waited_for_a_quarter_of_a_second() {
    let refused = || network([net(0).change(.., Change::Refuse(Rejection::new(3, 1)))]);
    let ran = sweep(&refused(), Config { wait: ms(5000), ..to(hosts(0, 3)) });
    assert_eq!((ran.lasted, ran.totals.unreachable, ran.totals.counts.unreachable), (ms(260), 3, 3));
    // Other probes of the target are waited for.
    let counts = Counts { sent: 2, received: 2, icmp_errors: 2, answered_after_error: 2, ..Counts::default() };
    let asked = Config { probes: counted(2, ms(1000)), wait: ms(5000), ..to([host(0, 1)]) };
    assert_eq!(sweep(&answering_after_errors(ms(900)), asked).only(), counts);
}

#[test]
fn advice_leaves_a_probe_open() {
    let ran = sweep(&network([net(0).change(.., Change::SourceQuench)]), to([host(0, 1)]));
    assert_eq!(ran.only(), RECEIVED);
}

#[test]
fn both_families_are_swept_in_one_run() {
    let v6 = |n| IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, n]);
    for raw in [true, false] {
        let mut network = network([net(0)]);
        network.allow_raw(raw);
        let ran = sweep(&network, to(hosts(0, 50).chain((1..=50).map(v6))));
        assert!(ran.outcomes.iter().all(|outcome| outcome.counts == RECEIVED), "{:?}", ran.totals);
        assert_eq!(ran.totals.alive, 100);
    }
}

#[test]
fn what_the_kernel_refuses_is_unknown_and_a_full_queue_is_tried_again() {
    let mut refusing = network([net(0)]);
    refusing.refuse_sends([2], OsError::ENETUNREACH);
    let ran = sweep(&refusing, to(hosts(0, 3)));
    let outcome = ran.of(host(0, 2));
    assert_eq!((outcome.state, outcome.error), (Some(State::Unknown), Some(OsError::ENETUNREACH)));
    assert_eq!(outcome.counts, Counts { send_failed: 1, ..Counts::default() });
    assert_eq!((ran.totals.alive, ran.totals.not_run), (2, 1));
    let mut full = network([net(0)]);
    full.refuse_sends([2, 4], OsError::ENOBUFS);
    let ran = sweep(&full, to(hosts(0, 3)));
    assert!(ran.outcomes.iter().all(|outcome| outcome.counts == RECEIVED && outcome.state.is_none()));
    let ran = sweep(&full, Config { probes: counted(2, ms(10)), ..to(hosts(0, 3)) });
    let twice = Counts { sent: 2, received: 2, ..Counts::default() };
    assert!(ran.outcomes.iter().all(|outcome| outcome.counts == twice), "{:?}", ran.outcomes);
}

#[test]
fn replies_that_our_kernel_dropped_are_counted() {
    let mut network = network([net(0)]);
    network.receive_queue(10);
    let ran = sweep(&network, to(hosts(0, 64)));
    let dropped: u64 = ran.outcomes.iter().map(|outcome| outcome.counts.dropped_by_kernel).sum();
    assert!(dropped > 0);
    assert_eq!(ran.totals.counts.dropped_by_kernel, dropped);
}

#[test]
fn names_without_an_address_are_reported_and_delay_no_target() {
    let unresolved = SweepTarget { name: Some("nosuch.example".into()), endpoint: None };
    let named = SweepTarget { name: Some("host.example".into()), ..goal(host(0, 1)) };
    let ran = sweep(&network([net(0)]), config(supply([unresolved, named])));
    assert_eq!((ran.outcomes[0].state, ran.outcomes[0].endpoint), (Some(State::Unresolved), None));
    assert_eq!(ran.outcomes[1].name.as_deref(), Some("host.example"));
    assert_eq!((ran.totals.alive, ran.totals.not_run), (1, 1));
}

#[test]
fn more_targets_than_sequence_numbers_keep_their_answers_apart() {
    let v6 = |n: u32| IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, (n >> 16) as u16, n as u16]);
    // Every answer comes when the sequence number of its probe was used a second time.
    let mut network = network([net(0).change(.., Change::Later(ms(900)))]);
    network.step_limit(u64::MAX);
    let ran = sweep_over(&network, SendStamps::None, Config { rate: Some(100_000.0), ..to((0..70_000).map(v6)) });
    assert_eq!((ran.totals.alive, ran.totals.counts.sent), (70_000, 70_000));
    assert_eq!(ran.totals.counts, Counts { sent: 70_000, received: 70_000, ..Counts::default() });
}

/// Hosts whose neighbour is not there, and one that is silent.
fn missing_and_silent() -> (Network, [IpAddr; 4]) {
    let (missing, silent) = ([host(7, 1), host(7, 2), ip("2001:db8:7::1")], host(8, 1));
    let mut network = network([net(7).silent(), net(8).silent()]);
    missing.iter().for_each(|&address| network.miss_neighbour(address));
    (network, [missing[0], missing[1], missing[2], silent])
}

#[test]
fn a_neighbour_that_is_not_there_makes_a_port_unreachable_however_short_the_wait() {
    let (network, all) = missing_and_silent();
    for way in [sweep_ports, connect_ports] {
        for probes in [Probes::UntilAnswered { retries: 1, backoff: 1.0 }, counted(2, ms(100))] {
            let ran = way(&network, Config { probes, wait: ms(50), ..at_ports(all, &[22, 23]) });
            assert_eq!(ran.outcomes.len(), 8);
            for outcome in &ran.outcomes {
                let (counts, state) = match outcome.endpoint.map(|endpoint| endpoint.address) == Some(all[3]) {
                    false => (Counts { sent: 2, unreachable: 2, ..Counts::default() }, State::Unreachable),
                    true => (Counts { sent: 2, lost: 2, longest_loss_run: 2, ..Counts::default() }, State::Filtered),
                };
                assert_eq!((outcome.counts, outcome.state, outcome.complete), (counts, Some(state), true));
            }
            let totals = ran.totals.counts;
            assert_eq!((totals.sent, totals.unreachable, totals.lost), (16, 12, 4));
        }
    }
}

#[test]
fn a_report_of_a_missing_neighbour_that_comes_after_the_wait_hides_nothing() {
    let mut network = Network::new(1);
    let refusing = Node::router(ip("203.0.113.1")).forwarding(Forwarding::Refuse(Rejection::new(3, 1)));
    let reporting = network.add(US, refusing, Link::after(ms(40)));
    network.default_route(reporting);
    network.miss_neighbour(host(7, 1));
    let ran = sweep_ports(&network, Config { wait: ms(50), ..at_443([host(7, 1)]) });
    let outcome = &ran.outcomes[0];
    assert_eq!((outcome.state, outcome.counts.lost), (Some(State::Unreachable), 0), "{:?}", outcome.counts);
}

#[test]
fn a_neighbour_that_is_not_there_is_known_at_every_end_of_a_run() {
    let (network, all) = missing_and_silent();
    // Within the wait of the first probe, and of the second.
    for (at, sent) in [(ms(30), 1), (ms(80), 2)] {
        let mut interrupted = network.clone();
        interrupted.at(at, Control::Interrupt);
        let config = || Config { wait: ms(50), ..at_443(all) };
        for ran in
            [sweep_ports(&network, Config { deadline: Some(at), ..config() }), sweep_ports(&interrupted, config())]
        {
            assert_eq!(ran.outcomes.len(), 4);
            for outcome in &ran.outcomes {
                let is_silent = outcome.endpoint.map(|endpoint| endpoint.address) == Some(all[3]);
                let expected = if is_silent { State::Filtered } else { State::Unreachable };
                assert_eq!((outcome.state, outcome.complete), (Some(expected), false), "{:?}", outcome.counts);
                assert!(outcome.counts.balance() && outcome.counts.sent == sent, "{:?}", outcome.counts);
            }
            assert!(ran.totals.counts.balance(), "{:?}", ran.totals);
        }
    }
}

#[test]
fn damage_on_the_way_is_no_answer() {
    let damaged =
        Link::after(ms(5)).homeward(Direction::after(ms(5)).corrupt([1], Damage { octet: 40, repaired: false }));
    let mut network = Network::new(1);
    network.add(US, net(0), damaged);
    let ran = sweep(&network, to([host(0, 1)]));
    assert_eq!((ran.only().received, ran.only().lost, ran.only().bad_checksum), (1, 1, 1));
}

#[test]
fn a_target_that_is_given_twice_is_probed_twice() {
    let ran = sweep(&network([net(0)]), to([host(0, 1), host(0, 1), host(0, 2)]));
    let mut per_target = BTreeMap::new();
    ran.outcomes.iter().for_each(|outcome| *per_target.entry(outcome.endpoint.map(|at| at.address)).or_insert(0) += 1);
    assert_eq!(per_target.into_values().collect::<Vec<_>>(), [2, 1]);
}

#[test]
fn a_queue_that_is_always_full_is_not_waited_for_by_every_target() {
    let mut network = network([net(0)]);
    network.refuse_sends(.., OsError::ENOBUFS);
    let ran = sweep(&network, to(hosts(0, 200)));
    assert!(ran.outcomes.iter().all(|outcome| outcome.counts == Counts { send_failed: 1, ..Counts::default() }));
    assert!(ran.lasted < ms(3000), "{:?}", ran.lasted);
}

/// These addresses at port 443.
fn at_443(addresses: impl IntoIterator<Item = IpAddr>) -> Config {
    at_ports(addresses, &[443])
}

fn at_ports(addresses: impl IntoIterator<Item = IpAddr>, ports: &[u16]) -> Config {
    let at = |address| ports.iter().map(move |&port| IpEndpoint::from_address(address).with_port(port));
    let goals = addresses.into_iter().flat_map(at).map(|endpoint| SweepTarget { name: None, endpoint: Some(endpoint) });
    config(supply(goals))
}

/// A net in which port 443 accepts connections.
fn open_net(number: u8) -> Node {
    net(number).tcp(443, TcpService::Listen(ms(0)))
}

#[test]
fn open_closed_silent_and_unreachable_ports_are_told_apart_in_both_families() {
    let v6 = |net: u8| IpAddr::from([0x2001, 0xdb8, net.into(), 0, 0, 0, 0, 2]);
    let rejected = net(3).change(.., Change::Refuse(Rejection::new(3, 13)));
    let network = network([open_net(0), net(1), net(2).silent(), rejected]);
    let all = hosts(0, 100).chain(hosts(1, 50)).chain(hosts(2, 25)).chain(hosts(3, 1)).chain((0..3).map(v6));
    let ran = sweep_ports(&network, at_443(all));
    assert_eq!(ran.outcomes.len(), 179);
    let outcome = |address| {
        let TargetSummary { state, counts, .. } = ran.of(address);
        (*state, *counts)
    };
    let open = (Some(State::Open), RECEIVED);
    let refused = (Some(State::Refused), Counts { sent: 1, refused: 1, ..Counts::default() });
    let silent = (Some(State::Filtered), Counts { sent: 2, lost: 2, longest_loss_run: 2, ..Counts::default() });
    let unreachable = Counts { sent: 1, unreachable: 1, icmp_errors: 1, ..Counts::default() };
    hosts(0, 100).chain([v6(0)]).for_each(|address| assert_eq!(outcome(address), open));
    hosts(1, 50).chain([v6(1)]).for_each(|address| assert_eq!(outcome(address), refused));
    hosts(2, 25).chain([v6(2)]).for_each(|address| assert_eq!(outcome(address), silent));
    assert_eq!(outcome(host(3, 1)), (Some(State::Unreachable), unreachable));
    let Totals { begun, ended, alive, unreachable, not_run, .. } = ran.totals;
    assert_eq!((begun, ended, alive, unreachable, not_run), (179, 179, 101, 78, 0));
    assert_eq!((ran.totals.counts.received, ran.totals.counts.refused, ran.totals.counts.foreign), (101, 51, 0));
}

#[test]
fn each_port_of_an_address_is_a_target() {
    let network = network([open_net(0).tcp(22, TcpService::Listen(ms(0))), net(1)]);
    let ran = sweep_ports(&network, at_ports([host(0, 1), host(1, 1)], &[22, 80, 443]));
    let port = |summary: &TargetSummary| (summary.endpoint.map(|at| (at.address, at.port_number())), summary.state);
    let mut states: Vec<_> = ran.outcomes.iter().map(port).collect();
    states.sort_by_key(|(at, _)| *at);
    let all = [(host(0, 1), 22, State::Open), (host(0, 1), 80, State::Refused), (host(0, 1), 443, State::Open)];
    let all = all.into_iter().chain([22, 80, 443].map(|port| (host(1, 1), port, State::Refused)));
    assert_eq!(states, all.map(|(at, port, state)| (Some((at, port)), Some(state))).collect::<Vec<_>>());
}

#[test]
fn a_port_that_answers_twice_or_late_is_counted_so() {
    let again = open_net(0).change(.., Change::Again(ms(300)));
    let closed_again = net(1).change(.., Change::Again(ms(300)));
    let slow = open_net(2).change(.., Change::Later(ms(1490)));
    let network = network([again, closed_again, slow]);
    let ran = sweep_ports(&network, at_443([host(0, 1), host(1, 1), host(2, 1)]));
    assert_eq!(ran.of(host(0, 1)).counts, Counts { duplicates: 1, ..RECEIVED });
    let refused = Counts { sent: 1, refused: 1, duplicates: 1, ..Counts::default() };
    assert_eq!(ran.of(host(1, 1)).counts, refused);
    let late = Counts { sent: 2, lost: 2, late: 1, longest_loss_run: 2, ..Counts::default() };
    assert_eq!(ran.of(host(2, 1)).counts, late, "the answer to the second SYN comes after the end");
}

#[test]
fn a_closed_port_ends_its_target_at_once_where_only_open_ones_are_wanted() {
    let network = network([open_net(0), net(1)]);
    let targets = at_443(hosts(0, 10).chain(hosts(1, 10)));
    let ran = sweep_ports(&network, Config { completion: Completion::FirstAnswer, skips_silent: true, ..targets });
    assert_eq!((ran.lasted, ran.totals.alive, ran.totals.counts.refused), (ms(10), 10, 10));
}

#[test]
fn a_second_syn_has_another_source_port() {
    let ran = sweep_ports(&network([net(0).silent()]), at_443([host(0, 1)]));
    assert_eq!((ran.log.times(), ran.only().lost), (vec![ms(0), ms(1000)], 2));
    let packets = ran.log.packets();
    let port = |index: usize| u16::from_be_bytes([packets[index].transport[0], packets[index].transport[1]]);
    assert_eq!(port(1), port(0) + 1);
    assert!(packets.iter().all(|packet| packet.checksum_right));
}

#[test]
fn segments_that_answer_no_syn_of_ours_are_no_answers() {
    // The acknowledgment number is changed, or the port that it comes from.
    for (at, octets) in [(8, vec![1, 2, 3, 4]), (0, vec![0, 80]), (13, vec![0x10])] {
        let network = network([open_net(0).change(.., Change::Octets(at, octets))]);
        let ran = sweep_ports(&network, Config { probes: counted(1, ms(1)), ..at_443([host(0, 1)]) });
        assert_eq!((ran.only().received, ran.only().refused, ran.only().lost), (0, 0, 1), "octet {at}");
    }
}

/// Hosts whose port 443 takes connections, is closed, is silent, and cannot be reached.
fn ports_in_every_state() -> Network {
    let rejected = net(3).change(.., Change::Refuse(Rejection::new(3, 13)));
    network([net(0).tcp(443, TcpService::Accept(Peer::silent())), net(1), net(2).silent(), rejected])
}

#[test]
fn by_connecting_ports_are_found_in_the_same_states() {
    let ran = connect_ports(&ports_in_every_state(), at_443((0..4).flat_map(|net| hosts(net, 20))));
    let states = |state| ran.outcomes.iter().filter(|outcome| outcome.state == Some(state)).count();
    let all = [State::Open, State::Refused, State::Filtered, State::Unreachable].map(states);
    assert_eq!((all, ran.lasted), ([20; 4], ms(2000)));
    let Counts { sent, received, refused, unreachable, lost, duplicates, late, .. } = ran.totals.counts;
    assert_eq!([sent, received, refused, unreachable, lost, duplicates, late], [100, 20, 20, 20, 40, 0, 0]);
}

#[test]
fn no_more_connections_are_opening_than_may_be_open() {
    let mut network = ports_in_every_state();
    network.max_connections(3);
    let probes = Probes::UntilAnswered { retries: 0, backoff: 1.0 };
    // Before the kernel repeats its SYNs.
    let wait = ms(900);
    let ran = connect_ports(&network, Config { probes, wait, ..at_443(hosts(2, 9).chain(hosts(0, 9))) });
    assert_eq!((ran.totals.alive, ran.totals.counts.lost), (9, 9));
    let times = ran.log.times();
    let opening = |at: Duration| times.iter().filter(|&&time| time <= at && time + wait > at).count();
    assert!(times.iter().take(9).all(|&at| opening(at) <= 3), "{times:?}");
    assert!(ran.lasted >= wait * 3, "{:?}", ran.lasted);
}
