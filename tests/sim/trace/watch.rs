//! Reports over simulated paths.

use super::*;
use netprobe::sim::Packet;
use netprobe::trace::watch::{self, Report, Reporter};

/// The events of a run.
pub struct Reported {
    events: Vec<Event>,
    log: Log,
}

impl Reported {
    fn ends(&self) -> Vec<&Report> {
        let mut ends = Vec::new();
        for event in &self.events {
            if let Event::Report(report) = event
                && report.stop_reason.is_some()
            {
                ends.push(&**report);
            }
        }
        ends
    }

    pub fn end(&self) -> &Report {
        let ends = self.ends();
        assert_eq!(ends.len(), 1, "{ends:?}");
        ends[0]
    }
}

pub fn reported(network: &Network, kind: Kind, cycles: u64, config: Config) -> Reported {
    over(network, lane(kind), &[target(kind.0)], cycles, config)
}

fn over(network: &Network, lane: LanePlan, targets: &[IpAddr], cycles: u64, config: Config) -> Reported {
    watched(network, lane, targets, cycles, (config, false))
}

fn watched(
    network: &Network,
    lane: LanePlan,
    targets: &[IpAddr],
    cycles: u64,
    (config, follow): (Config, bool),
) -> Reported {
    let ports = match (lane.protocol, lane.socket) {
        (Protocol::Tcp, _) | (Protocol::Udp, SocketChoice::Raw) => Ports::Fixed(Port::new(33434).unwrap()),
        _ => config.ports,
    };
    let OpenedLanes { mut channel, lanes, mut lookup, .. } =
        network.open(&Plan { lanes: vec![lane], names: config.names, ..Plan::default() });
    let lane = *lanes[0].as_ref().unwrap();
    let profile = *channel.profile(lane);
    let trace = Config { targets: placed(targets, lane, profile), ports, ..config };
    let mut reporter = Reporter::new(watch::Config { trace, cycles, interval: ms(1000), follow });
    let mut events = Vec::new();
    driver::run(&mut *channel, &mut reporter, Precision::Relaxed, |turn| {
        if let Turn::Event(event) = turn {
            if let (Event::NameWanted(address), Some(lookup)) = (&event, &mut lookup) {
                lookup(*address);
            }
            events.push(event);
        }
        Next::Continue
    })
    .unwrap();
    Reported { events, log: network.log() }
}

/// Of each hop: who answered, and how often it was asked and answered.
fn rows(report: &Report) -> Vec<(Vec<IpAddr>, u64, u64)> {
    let responders =
        |hop: &watch::ReportHop| hop.responders.iter().map(|responder| responder.responder.address).collect();
    report.hops.iter().map(|hop| (responders(hop), hop.sent, hop.received)).collect()
}

fn persisting(report: &Report) -> Vec<Option<bool>> {
    report.hops.iter().map(|hop| hop.persists).collect()
}

#[test]
fn every_hop_is_asked_once_a_cycle_by_every_method() {
    for kind in LANES {
        let mut network = Network::new(1);
        path(&mut network, kind.0, 6, as_is);
        let run = reported(&network, kind, 4, config());
        let report = run.end();
        let expected: Vec<_> =
            (1..=6).map(|ttl| (vec![if ttl == 6 { target(kind.0) } else { router(kind.0, ttl) }], 4, 4)).collect();
        assert_eq!(rows(report), expected, "{kind:?}");
        assert_eq!((report.sent, report.received, report.lost, report.pending), (4, 4, 0, 0), "{kind:?}");
        assert_eq!(report.distances, [(Ttl::new(6), 4)], "{kind:?}");
        assert_eq!(persisting(report), [None; 6], "{kind:?}");
        for (ttl, hop) in (1u32..).zip(&report.hops) {
            assert_eq!(hop.last.unwrap().as_duration(), ms(5) * ttl, "{kind:?}");
        }
    }
}

#[test]
fn probes_are_spread_and_none_leaves_beyond_the_destination_once_it_answered() {
    for kind in LANES {
        let mut network = Network::new(1);
        path(&mut network, kind.0, 6, as_is);
        let run = reported(&network, kind, 4, config());
        let packets = run.log.packets();
        // 30 ms until the destination answers, 33 ms from one first probe to the next.
        assert!(packets.iter().all(|packet| packet.ttl.get() <= 6), "{kind:?}");
        let gaps: Vec<Duration> = packets.windows(2).map(|pair| pair[1].at - pair[0].at).collect();
        assert!(gaps.iter().all(|&gap| gap >= ms(33)), "{kind:?} {gaps:?}");
    }
}

#[test]
fn routers_that_limit_or_refuse_answers_are_marked_and_the_path_loses_nothing() {
    for kind in LANES {
        let mut network = Network::new(1);
        path(&mut network, kind.0, 6, |ttl, node| match ttl {
            2 => node.silent(),
            4 => node.error_limit(ms(3000), 1),
            _ => node,
        });
        let run = reported(&network, kind, 6, config());
        let report = run.end();
        assert_eq!(persisting(report), [None, Some(false), None, Some(false), None, None], "{kind:?}");
        assert_eq!((report.sent, report.lost), (6, 0), "{kind:?}");
        assert_eq!(report.hops[1].unanswered, 6);
    }
}

#[test]
fn loss_on_a_link_is_seen_from_there_to_the_destination() {
    for kind in LANES {
        let mut network = Network::new(1);
        let mut last = US;
        for ttl in 1..=6 {
            let node = if ttl == 6 { Node::host(target(kind.0)) } else { Node::router(router(kind.0, ttl)) };
            let way = Direction::after(ms(2));
            let way = if ttl == 4 { way.lose(Pick::Rate(0.5)) } else { way };
            last = network.add(last, node, Link::after(ms(2)).outward(way));
        }
        let run = reported(&network, kind, 40, config());
        let report = run.end();
        assert_eq!(persisting(report)[..3], [None; 3], "{kind:?}");
        assert_eq!(persisting(report)[3..], [Some(true); 3], "{kind:?} {:?}", rows(report));
        assert!(report.lost > 5 && report.received > 5, "{kind:?} {} {}", report.lost, report.received);
        assert_eq!(report.sent, report.received + report.lost, "{kind:?}");
        assert_eq!(report.hops.len(), 6, "{kind:?}");
    }
}

#[test]
fn several_responders_of_a_hop_come_newest_first() {
    let mut network = Network::new(1);
    let fork = network.add(US, Node::router(router(Family::V4, 1)).balance(Balance::Packet), Link::after(ms(2)));
    let left = network.add(fork, Node::router(router(Family::V4, 2)), Link::after(ms(2)));
    let right = network.add(fork, Node::router(router(Family::V4, 3)), Link::after(ms(2)));
    // Three probes a cycle pass the fork, so that each hop sees both sides in turn.
    let join = network.add(left, Node::router(router(Family::V4, 4)), Link::after(ms(2)));
    network.link(right, join, Link::after(ms(2)));
    network.add(join, Node::host(target(Family::V4)), Link::after(ms(2)));
    let run = reported(&network, RAW, 5, config());
    let rows = rows(run.end());
    assert_eq!(rows[1].0.len(), 2, "{rows:?}");
    let counted: u64 = run.end().hops[1].responders.iter().map(|responder| responder.received).sum();
    assert_eq!(counted, 5);
}

#[test]
fn an_interrupt_ends_with_the_figures_so_far() {
    let mut network = Network::new(1);
    path(&mut network, Family::V4, 6, as_is);
    network.at(ms(2500), Control::Interrupt);
    let run = reported(&network, RAW, 10, config());
    let report = run.end();
    assert_eq!(report.stop_reason, Some(StopReason::Interrupted));
    assert_eq!((report.sent, report.received, report.lost), (2, 2, 0));
    assert!(report.hops.iter().all(|hop| hop.unanswered == 0), "{report:?}");
}

#[test]
fn interim_figures_are_reported_and_the_run_goes_on() {
    let mut network = Network::new(1);
    path(&mut network, Family::V4, 6, as_is);
    network.at(ms(1950), Control::Interim);
    let run = reported(&network, RAW, 3, config());
    let interim = run.events.iter().filter_map(|event| match event {
        Event::Report(report) if report.stop_reason.is_none() => Some(report.received),
        _ => None,
    });
    assert_eq!(interim.collect::<Vec<_>>(), [2]);
    assert_eq!(run.end().received, 3);
}

#[test]
fn a_path_without_any_answer_loses_every_cycle() {
    for kind in LANES {
        let mut network = Network::new(1);
        path(&mut network, kind.0, 6, |_, node| node.silent());
        let run = reported(&network, kind, 3, Config { max_ttl: Ttl::new(8), ..config() });
        let report = run.end();
        assert_eq!((report.sent, report.received, report.lost, report.hops.len()), (3, 0, 3, 8), "{kind:?}");
        assert!(report.distances.is_empty());
    }
}

#[test]
fn a_kernel_that_takes_no_probe_ends_the_report() {
    let mut network = Network::new(1);
    path(&mut network, Family::V4, 6, as_is);
    network.refuse_sends(Pick::Rate(1.0), OsError::ENETUNREACH);
    let run = reported(&network, RAW, 10, config());
    assert_eq!((run.end().stop_reason, run.end().sent, run.end().send_failed), (Some(StopReason::SendFailed), 0, 1));
    let failures: Vec<&NotSent> = run.events.iter().filter_map(not_sent).collect();
    assert_eq!(failures.iter().filter(|failure| failure.reported > 0).count(), 1);
}

#[test]
fn cycles_and_rows_count_what_the_kernel_refuses() {
    for kind in LANES {
        let mut network = Network::new(1);
        path(&mut network, kind.0, 3, as_is);
        // The second and third of eight cycles.
        network.refuse_sends(Pick::Between(9, 14), OsError::ENETDOWN);
        let run = reported(&network, kind, 8, config());
        let report = run.end();
        assert!(report.send_failed > 0, "{kind:?}");
        assert_eq!((report.sent, report.lost), (8 - report.send_failed, 0), "{kind:?}");
        assert_eq!(report.loss_pct(), Some(100.0 * report.send_failed as f64 / 8.0), "{kind:?}");
        for hop in &report.hops {
            assert_eq!((hop.sent + hop.send_failed, hop.received), (8, hop.sent), "{kind:?} {hop:?}");
            assert!(hop.send_failed > 0 && hop.persists == Some(true), "{kind:?} {hop:?}");
        }
    }
}

#[test]
fn each_time_this_host_sends_nothing_is_one_change_of_a_followed_path() {
    for kind in LANES {
        let mut network = Network::new(1);
        path(&mut network, kind.0, 3, as_is);
        for cycles in [(13, 30), (43, 60)] {
            network.refuse_sends(Pick::Between(cycles.0, cycles.1), OsError::ENETDOWN);
        }
        let run = watched(&network, lane(kind), &[target(kind.0)], 30, (config(), true));
        let unsent = |event: &&Event| match event {
            Event::Change(change) => change.kind == watch::ChangeKind::SendFailed { error: OsError::ENETDOWN },
            _ => false,
        };
        assert_eq!(run.events.iter().filter(unsent).count(), 2, "{kind:?}");
        let changes = changes(&run);
        let lost = |kind: &&&watch::ChangeKind| matches!(kind.code(), "loss_burst" | "outage" | "back");
        assert_eq!(changes.iter().filter(lost).count(), 0, "{kind:?} {changes:?}");
    }
}

fn changes(run: &Reported) -> Vec<&watch::ChangeKind> {
    let mut changes = Vec::new();
    for event in &run.events {
        if let Event::Change(change) = event {
            changes.push(&change.kind);
        }
    }
    changes
}

#[test]
fn a_router_that_refuses_every_other_probe_is_named_once_at_its_own_hop_alone() {
    for kind in LANES.into_iter().filter(|kind| kind.1 == Protocol::Icmp) {
        let mut network = Network::new(1);
        let failure = if kind.0 == Family::V4 { Rejection::new(3, 1) } else { Rejection::new(1, 3) };
        let fork = network.add(US, Node::router(router(kind.0, 1)).balance(Balance::Packet), Link::after(ms(2)));
        let passing = network.add(fork, Node::router(router(kind.0, 2)), Link::after(ms(2)));
        let refuses = Node::router(router(kind.0, 22)).forwarding(Forwarding::Refuse(failure));
        let refusing = network.add(fork, refuses, Link::after(ms(2)));
        let next = network.add(passing, Node::router(router(kind.0, 3)), Link::after(ms(2)));
        network.link(refusing, next, Link::after(ms(2)));
        network.add(next, Node::host(target(kind.0)), Link::after(ms(2)));
        let run = watched(&network, lane(kind), &[target(kind.0)], 40, (config(), true));
        let changes = changes(&run);
        let refused: Vec<_> = changes.iter().filter(|change| change.code() == "refused").collect();
        let responder = router(kind.0, 22);
        let expected = watch::ChangeKind::Refused { ttl: Ttl::new(2), responder, mark: "!H".to_owned() };
        assert_eq!(refused, [&&expected], "{kind:?}");
        for change in changes {
            assert!(!matches!(change.code(), "loss_burst" | "outage"), "{kind:?} {change:?}");
            let asymmetry = |finding: &trace::Finding| matches!(finding, trace::Finding::Asymmetry { .. });
            let found = matches!(change, watch::ChangeKind::Finding { finding } if asymmetry(finding));
            assert!(!found, "its distance is that of no other hop: {kind:?} {change:?}");
            if let watch::ChangeKind::Finding { finding: trace::Finding::SeveralResponders { ttl, .. } } = change {
                assert_eq!(ttl.get(), 2, "{kind:?} {change:?}");
            }
        }
    }
}

#[test]
fn rows_count_and_show_what_is_refused() {
    for kind in LANES {
        let mut network = Network::new(1);
        let failure = if kind.0 == Family::V4 { Rejection::new(3, 1) } else { Rejection::new(1, 3) };
        let refusing = |node: Node| node.change(Pick::Rate(0.5), Change::Refuse(failure));
        path(&mut network, kind.0, 4, |ttl, node| if ttl == 4 { refusing(node) } else { node });
        let run = reported(&network, kind, 20, config());
        let report = run.end();
        assert_eq!(report.sent, report.received + report.unreachable, "{kind:?}");
        let last = report.hops.last().unwrap();
        assert_eq!((last.ttl.get(), last.sent, last.received), (4, 20, report.received), "{kind:?} {last:?}");
        assert_eq!((last.unreachable, last.unanswered_pct()), (report.unreachable, report.loss_pct()), "{kind:?}");
        assert_eq!(last.responders[0].annotations, ["!H"], "{kind:?}");
    }
}

#[test]
fn no_answer_is_dropped_where_packets_take_paths_of_different_length() {
    for kind in LANES {
        let mut network = Network::new(1);
        let fork = network.add(US, Node::router(router(kind.0, 1)).balance(Balance::Packet), Link::after(ms(2)));
        let short = network.add(fork, Node::router(router(kind.0, 2)), Link::after(ms(2)));
        let long = network.add(fork, Node::router(router(kind.0, 3)), Link::after(ms(2)));
        let longer = network.add(long, Node::router(router(kind.0, 4)), Link::after(ms(2)));
        let longest = network.add(longer, Node::router(router(kind.0, 5)), Link::after(ms(2)));
        let end = network.add(short, Node::host(target(kind.0)), Link::after(ms(2)));
        network.link(longest, end, Link::after(ms(2)));
        let run = reported(&network, kind, 10, config());
        let report = run.end();
        assert_eq!((report.received, report.lost), (10, 0), "{kind:?}");
        if kind.1 == Protocol::Icmp {
            let cycles: u64 = report.distances.iter().map(|&(_, cycles)| cycles).sum();
            assert_eq!(cycles, 10, "{kind:?} {:?}", report.distances);
        }
        let of_target = |responder: &&watch::ReportResponder| responder.responder.address == target(kind.0);
        let answers = report.hops.iter().flat_map(|hop| &hop.responders).filter(of_target);
        assert_eq!(answers.map(|responder| responder.received).sum::<u64>(), 10, "{kind:?} {:?}", rows(report));
    }
}

#[test]
fn routers_that_answer_win_over_the_distance_in_a_quote() {
    for kind in LANES.into_iter().filter(|kind| (kind.1, kind.2) == (Protocol::Udp, SocketChoice::Raw)) {
        for quoted in [4, 7, 8] {
            let mut network = Network::new(1);
            path(&mut network, kind.0, 8, |ttl, node| match ttl {
                8 => node.quote(Quote::full().mangle(Mangle::Ttl(Ttl::new(quoted)))),
                _ => node.answer_delay(ms(300)),
            });
            let run = reported(&network, kind, 4, config());
            let report = run.end();
            let hops: Vec<_> = rows(report).into_iter().map(|row| row.0[0]).collect();
            let expected = (1..8).map(|ttl| router(kind.0, ttl)).chain([target(kind.0)]);
            assert_eq!(hops, expected.collect::<Vec<_>>(), "{kind:?} {quoted}");
            assert_eq!(report.lost, 0, "{kind:?} {quoted}");
        }
    }
}

#[test]
fn a_destination_whose_limit_is_used_up_is_shown_where_it_is() {
    for kind in LANES.into_iter().filter(|kind| (kind.1, kind.2) == (Protocol::Udp, SocketChoice::Dgram)) {
        for silent in [3, 8, 11] {
            let mut network = Network::new(1);
            let limited = |node: Node| node.change(Pick::Between(0, silent), Change::Silence);
            path(&mut network, kind.0, 5, |ttl, node| if ttl == 5 { limited(node) } else { node });
            let run = reported(&network, kind, 14, config());
            let report = run.end();
            assert_eq!((report.hops.len(), report.distance_proven), (5, Some(true)), "{kind:?} {:?}", rows(report));
            assert_eq!((report.lost, persisting(report)), (0, vec![None; 5]), "{kind:?} {silent} {:?}", rows(report));
        }
    }
}

#[test]
fn an_explicit_wait_is_how_long_an_answer_counts() {
    let mut network = Network::new(1);
    path(
        &mut network,
        Family::V4,
        3,
        |ttl, node| {
            if ttl == 2 { node.change(.., Change::Later(ms(400))) } else { node }
        },
    );
    let wait = |max| Config { wait: Some(Wait { max, here: 0.0, near: 0.0 }), ..config() };
    let answered = |config| reported(&network, RAW, 3, config).end().hops[1].received;
    assert_eq!(answered(wait(ms(300))), 0);
    assert_eq!(answered(wait(ms(500))), 3);
    assert_eq!(answered(config()), 3);
}

#[test]
fn names_are_asked_for_and_shown() {
    let mut network = Network::new(1);
    path(&mut network, Family::V4, 2, as_is);
    network.name(router(Family::V4, 1), NameOutcome::Named("r1.example".into(), ms(20)));
    let run = reported(&network, RAW, 2, Config { names: true, ..config() });
    let name = run.end().hops[0].responders[0].responder.name.clone();
    assert_eq!(name.as_deref(), Some("r1.example"));
}

#[test]
fn several_targets_are_watched_at_once() {
    let mut network = Network::new(1);
    path(&mut network, Family::V4, 4, as_is);
    let targets = [target(Family::V4), router(Family::V4, 2), target(Family::V4)];
    let run = over(&network, lane(RAW), &targets, 2, config());
    let mut ends = run.ends();
    ends.sort_by_key(|report| report.began.subject.id);
    let seen: Vec<_> = ends.iter().map(|report| (report.received, report.hops.len())).collect();
    assert_eq!(seen, [(2, 4), (2, 2), (2, 4)]);
}

#[test]
fn a_ttl_quoted_wrong_by_the_destination_costs_a_report_no_router() {
    for kind in [LANES[6], LANES[7]] {
        for mangle in (1..9).map(|ttl| Mangle::Ttl(Ttl::new(ttl))).chain((1..9).map(Mangle::RaiseTtl)) {
            let mut network = Network::new(1);
            path(&mut network, kind.0, 8, |ttl, node| match ttl {
                8 => node.quote(Quote::full().mangle(mangle.clone())),
                _ => node.answer_delay(ms(80)),
            });
            let run = reported(&network, kind, 4, config());
            let report = run.end();
            assert_eq!((report.received, report.lost), (4, 0), "{kind:?} {mangle:?}");
            let rows: Vec<_> = report.hops.iter().map(|hop| (hop.ttl.get(), hop.received)).collect();
            assert_eq!(rows, (1..=8).map(|ttl| (ttl, 4)).collect::<Vec<_>>(), "{kind:?} {mangle:?}");
        }
    }
}

#[test]
fn answers_from_elsewhere_change_nothing() {
    let mut network = Network::new(1);
    path(&mut network, Family::V4, 3, as_is);
    let echo = vec![0, 0, 0xff, 0xff, 0, 0, 0, 0];
    network.inject(ms(500), Packet::new(router(Family::V4, 9), ip("192.0.2.1"), 1, echo));
    let run = reported(&network, RAW, 2, config());
    assert_eq!((run.end().received, run.end().hops.len()), (2, 3));
}

#[test]
fn a_report_waits_for_the_router_that_finds_out_that_the_target_is_dead() {
    // Of connections the kernel repeats the SYN: their answers count for a second.
    for kind in LANES.into_iter().filter(|kind| (kind.1, kind.2) != (Protocol::Tcp, SocketChoice::Auto)) {
        for cycles in [1, 3, 6] {
            let mut network = Network::new(1);
            path(
                &mut network,
                kind.0,
                4,
                |ttl, node| {
                    if ttl == 3 { node.forwarding(Forwarding::DeadNeighbour) } else { node }
                },
            );
            let run = reported(&network, kind, cycles, config());
            let hosts = |row: &watch::ReportHop| row.responders.iter().map(|known| known.responder.address).collect();
            let rows: Vec<Vec<IpAddr>> = run.end().hops.iter().map(hosts).collect();
            assert_eq!(rows.get(3), Some(&vec![router(kind.0, 3)]), "{kind:?} {cycles} {rows:?}");
        }
    }
}

/// Three members of a bundle between a router and the next, of which the second loses half.
fn bundle(family: Family) -> Network {
    let mut network = Network::new(4);
    let fork = network.add(US, Node::router(router(family, 1)), Link::after(ms(2)));
    let member = |network: &mut Network, number: u8| {
        let outward = Direction::after(ms(2)).lose(if number == 3 { 0.5 } else { 0.0 });
        network.add(fork, Node::router(router(family, number)), Link::after(ms(2)).outward(outward))
    };
    let members: Vec<NodeId> = (2..=4).map(|number| member(&mut network, number)).collect();
    let join = network.add(members[0], Node::router(router(family, 9)), Link::after(ms(2)));
    members[1..].iter().for_each(|&member| network.link(member, join, Link::after(ms(2))));
    network.add(join, Node::host(target(family)), Link::after(ms(2)));
    network
}

#[test]
fn one_bad_member_of_a_bundle_is_what_its_flows_lose() {
    const FLOWS: u16 = 8;
    for kind in LANES.into_iter().filter(|kind| kind.1 == Protocol::Icmp || kind.2 == SocketChoice::Raw) {
        let source_port = (kind.1 != Protocol::Icmp).then(|| Port::new(61_440).unwrap());
        let flows = std::num::NonZeroU16::new(FLOWS);
        let lane = LanePlan { source_port, flows, ..lane(kind) };
        let config = Config { flows: Some(FLOWS.into()), ..config() };
        let run = over(&bundle(kind.0), lane, &[target(kind.0)], 20, config);
        let together: Vec<&watch::FlowsReport> = run
            .events
            .iter()
            .filter_map(|event| if let Event::FlowsReport(flows) = event { Some(&**flows) } else { None })
            .collect();
        assert_eq!((together.len(), run.ends().len()), (1, usize::from(FLOWS)), "{kind:?}");
        let (all, flows) = (&together[0].all, &together[0].flows);
        assert_eq!(together[0].numbers(), (0..u32::from(FLOWS)).collect::<Vec<_>>());
        let bad = router(kind.0, 3);
        let takes_it = |flow: &&Report| flow.hops[1].responders.iter().any(|of| of.responder.address == bad);
        let expected: Vec<u32> = flows.iter().filter(takes_it).filter_map(|flow| flow.began.subject.flow).collect();
        assert!((1..FLOWS.into()).contains(&expected.len()), "{kind:?}: nothing was spread");
        let found = together[0].findings.iter().find_map(|finding| match finding {
            trace::Finding::FlowLoss { ttl, flows, sent, other_sent, other_received, responders, .. } => {
                Some((*ttl, flows.clone(), (sent + other_sent, other_sent - other_received), responders.clone()))
            }
            _ => None,
        });
        assert_eq!(found, Some((Ttl::new(2), expected, (160, 0), vec![bad])), "{kind:?}");
        assert_eq!((all.sent, all.hops[0].sent, all.hops[0].received), (160, 160, 160), "{kind:?}");
        assert_eq!(all.hops[1].responders.len(), 3, "{kind:?}");
        assert!(all.lost > 0 && all.lost == flows.iter().map(|flow| flow.lost).sum::<u64>(), "{kind:?}");
        assert_eq!(all.hops[1].persists, Some(true), "{kind:?}");
    }
}

#[test]
fn flows_do_not_meet_at_a_router() {
    let mut network = Network::new(1);
    path(&mut network, Family::V4, 4, as_is);
    let run = over(&network, lane(RAW), &[target(Family::V4)], 6, Config { flows: Some(4), ..config() });
    for ttl in 1..=4 {
        let times: Vec<Duration> =
            run.log.packets().iter().filter(|packet| packet.ttl.get() == ttl).map(|packet| packet.at).collect();
        // The first cycle runs ahead.
        let apart = times.windows(2).skip(8).map(|pair| pair[1] - pair[0]).min().unwrap();
        assert!(apart >= ms(200), "{ttl} {apart:?}");
    }
}

#[test]
fn what_a_path_shows_is_found_while_it_is_followed_and_ends_when_it_has_not_shown_for_long() {
    let mut network = Network::new(1);
    path(&mut network, Family::V4, 5, silent(&[2]));
    let run = watched(&network, lane(RAW), &[target(Family::V4)], 30, (config(), true));
    let changes: Vec<&watch::ChangeKind> = run
        .events
        .iter()
        .filter_map(|event| if let Event::Change(change) = event { Some(&change.kind) } else { None })
        .collect();
    let silent = trace::Finding::SilentHops { first: Ttl::new(2), last: Ttl::new(2), next_answer: Ttl::new(3) };
    assert_eq!(changes, [&watch::ChangeKind::Finding { finding: silent }]);

    // A probe of the destination that is lost alone is no finding, and some that are not in a row are one.
    for (lost, expected) in [(vec![6], &[][..]), (vec![6, 8, 10], &[("finding", "loss"), ("finding_ended", "loss")])] {
        let mut network = Network::new(1);
        let loses = |node: Node| node.change(Pick::These(lost.clone()), Change::Silence);
        path(&mut network, Family::V4, 3, |ttl, node| if ttl == 3 { loses(node) } else { node });
        let run = watched(&network, lane(RAW), &[target(Family::V4)], 100, (config(), true));
        let codes: Vec<(&str, &str)> = self::changes(&run)
            .into_iter()
            .filter_map(|kind| match kind {
                watch::ChangeKind::Finding { finding } | watch::ChangeKind::FindingEnded { finding } => {
                    Some((kind.code(), finding.code().name()))
                }
                _ => None,
            })
            .collect();
        assert_eq!(codes, expected, "{lost:?}");
    }
}

#[test]
fn resets_of_a_far_target_take_the_flow_out_of_a_nat_and_cost_no_router_an_answer() {
    const HOPS: u8 = 20;
    for family in [Family::V4, Family::V6] {
        let mut network = Network::new(1);
        let mut last = US;
        for ttl in 1..=HOPS {
            let link = Link::after(if ttl == 1 { Duration::ZERO } else { ms(6) });
            let node = match ttl {
                1 => Node::router(router(family, 1)).translates(),
                HOPS => Node::host(target(family)),
                ttl => Node::router(router(family, ttl)),
            };
            last = network.add(last, node, link);
        }
        let run = reported(&network, (family, Protocol::Tcp, SocketChoice::Raw), 5, config());
        let all: Vec<_> = (1..HOPS).map(|ttl| (vec![router(family, ttl)], 5, 5)).collect();
        assert_eq!(rows(run.end())[..usize::from(HOPS) - 1], all, "{family:?}");
        assert_eq!(rows(run.end())[usize::from(HOPS) - 1], (vec![target(family)], 5, 5), "{family:?}");
    }
}
