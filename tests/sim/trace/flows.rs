//! Several flows of one target in one run.

use std::num::NonZeroU16;

use super::*;

/// Lane kinds that keep a flow.
const KEEPING: [Kind; 8] = [LANES[0], LANES[1], LANES[2], LANES[3], LANES[6], LANES[7], LANES[8], LANES[9]];
const FLOWS: u16 = 8;
const FIRST_PORT: u16 = 61_440;

/// A router that spreads flows over three others, beyond which one router leads to the target.
fn spreading(family: Family) -> Network {
    let mut network = Network::new(1);
    let fork = network.add(US, Node::router(router(family, 1)), Link::after(ms(2)));
    let branches: Vec<NodeId> =
        (2..=4).map(|number| network.add(fork, Node::router(router(family, number)), Link::after(ms(2)))).collect();
    let join = network.add(branches[0], Node::router(router(family, 9)), Link::after(ms(2)));
    branches[1..].iter().for_each(|&branch| network.link(branch, join, Link::after(ms(2))));
    network.add(join, Node::host(target(family)), Link::after(ms(2)));
    network
}

fn played(kind: Kind, first: u16, count: u16, config: Config) -> Traced {
    let source_port = (kind.1 != Protocol::Icmp).then(|| Port::new(FIRST_PORT + first).unwrap());
    let lane = LanePlan { source_port, flows: NonZeroU16::new(count), ..lane(kind) };
    let ports = Ports::Fixed(Port::new(33434).unwrap());
    let config = Config { flow: first.into(), flows: Some(count.into()), ports, probes_per_hop: 2, ..config };
    trace_over(&spreading(kind.0), lane, &[target(kind.0)], config)
}

#[test]
fn flows_side_by_side_see_what_each_alone_sees() {
    for kind in KEEPING {
        let together = played(kind, 0, FLOWS, config());
        let mut ends: Vec<&Trace> = together.ends().into_iter().map(|(_, end)| end).collect();
        ends.sort_by_key(|end| end.began.subject.id);
        assert_eq!(ends.len(), usize::from(FLOWS), "{kind:?}");
        let mut branches = BTreeSet::new();
        for (flow, end) in (0..).zip(ends) {
            let alone = played(kind, flow, 1, config());
            assert_eq!(responders(end), responders(alone.end().1), "{kind:?} {flow}");
            assert!(end.reached && end.hops.len() == 4, "{kind:?} {flow}");
            branches.insert(responders(end)[1].clone());
        }
        assert!(branches.len() > 1, "{kind:?}: nothing was spread");
    }
}

#[test]
fn each_flow_has_its_number() {
    let run = played(RAW, 5, 3, config());
    let started: Vec<u32> = run
        .events
        .iter()
        .filter_map(|(_, event)| match event {
            Event::Began(began) => began.subject.flow,
            _ => None,
        })
        .collect();
    assert_eq!(started, [5, 6, 7]);
}

#[test]
fn a_router_gets_no_more_probes_at_a_time_than_from_one_trace() {
    for kind in KEEPING {
        let run = played(kind, 0, FLOWS, config());
        let first_hop: Vec<Duration> = run.log.packets().iter().filter(|p| p.ttl.get() == 1).map(|p| p.at).collect();
        assert_eq!(first_hop.len(), 2 * usize::from(FLOWS));
        // When a second TCP probe leaves depends on the target's answers: it may meet the first of another flow.
        let together = if (kind.1, kind.2) == (Protocol::Tcp, SocketChoice::Raw) { 2 } else { 1 };
        let apart = |window: &[Duration]| window.last() >= window.first().map(|first| *first + ms(10)).as_ref();
        assert!(first_hop.windows(together + 1).all(apart), "{kind:?} {first_hop:?}");
    }
}

#[test]
fn flows_do_not_wait_for_each_other_where_the_target_does_not_limit_its_answers() {
    for kind in KEEPING.into_iter().filter(|kind| kind.1 != Protocol::Udp) {
        let took = played(kind, 0, FLOWS, config()).ends().last().unwrap().0;
        assert!(took <= ms(500), "{kind:?} {took:?}");
    }
}

#[test]
fn a_target_that_limits_its_answers_is_reached_on_every_flow() {
    let bursts = [1, 2, 6];
    for (kind, burst) in bursts.into_iter().flat_map(|burst| [(LANES[6], burst), (LANES[7], burst)]) {
        let mut network = Network::new(1);
        path(&mut network, kind.0, 4, |ttl, node| if ttl == 4 { node.error_limit(ms(1000), burst) } else { node });
        let source_port = Port::new(FIRST_PORT);
        let lane = LanePlan { source_port, flows: NonZeroU16::new(FLOWS), ..lane(kind) };
        let ports = Ports::Fixed(Port::new(33434).unwrap());
        let config = Config { flows: Some(FLOWS.into()), probes_per_hop: 1, ports, ..config() };
        let run = trace_over(&network, lane, &[target(kind.0)], config);
        let ends = run.ends();
        assert_eq!(ends.len(), usize::from(FLOWS));
        let lengths: Vec<(bool, usize)> = ends.iter().map(|(_, end)| (end.reached, end.hops.len())).collect();
        assert!(lengths.iter().all(|&end| end == (true, 4)), "{kind:?} {burst} {lengths:?}");
    }
}

#[test]
fn an_interrupt_ends_every_flow() {
    let network = spreading(Family::V4);
    let mut network = network;
    network.at(ms(15), Control::Interrupt);
    let run = trace_over(&network, lane(RAW), &[target(Family::V4)], Config { flows: Some(8), ..config() });
    let ends = run.ends();
    assert_eq!(ends.len(), 8);
    assert!(ends.iter().all(|(_, end)| end.stop_reason == StopReason::Interrupted));
}
