//! Signals, progress on request, and probes that cannot be sent.

use super::*;

#[test]
fn an_interrupt_ends_the_trace_with_the_hops_so_far() {
    let mut network = Network::new(1);
    path(&mut network, Family::V4, 15, silent(&[2]));
    network.at(ms(60), Control::Interrupt);
    let run = trace(&network, RAW, config());
    let (time, end) = run.end();
    assert_eq!((time, end.reached, end.stop_reason), (ms(60), false, StopReason::Interrupted));
    let shown: Vec<_> = end.hops.iter().map(|hop| hop.ttl.get()).collect();
    assert!(shown.len() >= 6 && shown.iter().copied().eq(1..=shown.len() as u8), "{shown:?}");
    assert_eq!(responders(end)[1], [None; 3], "its probes are unanswered so far");
    assert!(run.hops().iter().map(|(_, hop)| *hop).eq(end.hops.iter().map(|hop| &**hop)));
}

#[test]
fn interim_figures_show_how_far_a_trace_has_come_and_change_nothing() {
    let (soon, later) = (Duration::from_micros(500), Duration::from_micros(60_500));
    let play = |asked: &[Duration]| {
        let mut network = Network::new(1);
        path(&mut network, Family::V4, 15, silent(&[2]));
        asked.iter().for_each(|&at| network.at(at, Control::Interim));
        trace(&network, RAW, config())
    };
    let asked = play(&[soon, later]);
    let figures = |(time, event): &(Duration, Event)| match event {
        Event::Interim(figures) => Some((*time, figures.clone())),
        _ => None,
    };
    let run: Vec<_> = asked.events.iter().filter_map(figures).collect();
    let [(first_at, first), (second_at, second)] = &run[..] else { panic!("{run:?}") };
    assert_eq!((*first_at, *second_at), (soon, later));
    assert_eq!((first.answered, first.highest_ttl, first.final_hops), (0, None, 0));
    let left = asked.log.times().iter().filter(|&&at| at <= later).count();
    assert_eq!(second.sent as usize, left);
    let shown = asked.hops().iter().filter(|(time, _)| *time <= later).count();
    assert_eq!(second.final_hops, shown);
    // Hops beyond the silent one have answered, and wait for it.
    let highest = second.highest_ttl.expect("a hop answered").get();
    assert!(second.answered < second.sent && usize::from(highest) > shown, "{second:?}");
    let untouched: Vec<_> = asked.events.iter().filter(|run| figures(run).is_none()).cloned().collect();
    assert_eq!(untouched, play(&[]).events);
}

#[test]
fn a_stop_waits_for_what_is_in_flight() {
    let mut network = Network::new(1);
    path(&mut network, Family::V4, 15, as_is);
    network.at(ms(5), Control::Stop);
    let run = trace(&network, RAW, config());
    let (_, end) = run.end();
    assert_eq!(end.stop_reason, StopReason::Interrupted);
    assert!(run.log.times().iter().all(|&at| at <= ms(5)));
    let answered = responders(end).iter().flatten().flatten().count();
    assert_eq!(answered, run.log.packets().len());
}

#[test]
fn every_target_has_one_start_its_hops_in_order_and_one_end() {
    let mut network = Network::new(1);
    let fork = network.add(US, Node::router(router(Family::V4, 1)), Link::after(ms(2)));
    let targets: Vec<IpAddr> = (1..=50).map(|host| IpAddr::from([198, 51, 100, host])).collect();
    for &address in &targets {
        network.add(fork, Node::host(address), Link::after(ms(5)));
    }
    // One of them twice: the second trace waits for the first.
    let targets: Vec<IpAddr> = targets.iter().copied().chain([targets[0]]).collect();
    for kind in [RAW, LANES[2], UDP] {
        let run = trace_over(&network, lane(kind), &targets, config());
        assert_eq!(run.ends().len(), targets.len());
        for (_, end) in run.ends() {
            let id = end.began.subject.id;
            let own: Vec<&Event> = run
                .events
                .iter()
                .map(|(_, event)| event)
                .filter(|event| match event {
                    Event::Began(began) => began.subject.id == id,
                    Event::Hop(subject, _) => subject.id == id,
                    Event::Ended(trace) => trace.began.subject.id == id,
                    Event::Probe(event) => event.subject.id == id && matches!(event.outcome, Outcome::NotSent(_)),
                    Event::NameWanted(_) | Event::Interim(_) | Event::Flows(_) | Event::Report(_) => false,
                    unknown => panic!("{unknown:?}"),
                })
                .collect();
            let [Event::Began(_), Event::Hop(_, first), Event::Hop(_, second), Event::Ended(_)] = own[..] else {
                panic!("{kind:?} {own:?}");
            };
            assert_eq!((first.ttl.get(), second.ttl.get()), (1, 2));
            assert_eq!(responders(end)[1], vec![Some(targets[id.index()]); 3], "{kind:?}");
        }
    }
}

#[test]
fn refused_probes_are_tried_again_and_reported_once() {
    let mut network = Network::new(1);
    path(&mut network, Family::V4, 5, as_is);
    network.refuse_sends(4..=7, OsError::ENOBUFS);
    let run = trace(&network, RAW, config());
    assert_eq!(responders(run.end().1), expected(Family::V4, 5, 5, &[]));
    let failures: Vec<&NotSent> = run.events.iter().filter_map(|(_, event)| not_sent(event)).collect();
    assert_eq!(failures.iter().filter(|failure| failure.reported > 0).count(), 1);
    assert_eq!(failures.len(), 4);
}

#[test]
fn a_trace_that_can_send_nothing_ends_soon() {
    let mut network = Network::new(1);
    path(&mut network, Family::V4, 5, as_is);
    network.refuse_sends(.., OsError::EPERM);
    let run = trace(&network, RAW, config());
    let (time, end) = run.end();
    assert_eq!((end.reached, end.stop_reason, end.hops.len()), (false, StopReason::SendFailed, 0));
    assert!(time < ms(100), "{time:?}");
    assert!(run.events.iter().any(|(_, event)| not_sent(event).is_some_and(|failure| failure.error == OsError::EPERM)));
}

#[test]
fn a_network_that_goes_away_ends_the_trace_with_the_hops_so_far() {
    let mut network = Network::new(1);
    path(&mut network, Family::V4, 15, as_is);
    network.refuse_sends(10.., OsError::ENETUNREACH);
    let run = trace(&network, RAW, config());
    let (_, end) = run.end();
    assert_eq!(end.stop_reason, StopReason::SendFailed);
    assert!(!end.hops.is_empty() && end.hops.len() < 15, "{}", end.hops.len());
}

#[test]
fn targets_without_address_or_route_have_an_end_of_their_own() {
    let mut network = Network::new(1);
    path(&mut network, Family::V4, 2, as_is);
    let OpenedLanes { mut channel, .. } =
        network.open(&Plan { lanes: vec![lane(RAW)], names: false, ..Plan::default() });
    let endpoint = IpEndpoint::from_address(target(Family::V4));
    let target = |destination| Target { zone: None, target: "x".into(), name: "x".into(), numeric: false, destination };
    let targets = vec![target(Destination::Unresolved), target(Destination::Unroutable { endpoint })];
    let mut tracer = Tracer::new(Config { targets, ..config() });
    let mut run = Vec::new();
    driver::run(&mut *channel, &mut tracer, Precision::Relaxed, |turn| {
        if let Turn::Event(event) = turn {
            run.push(event);
        }
        Next::Continue
    })
    .unwrap();
    let [Event::Began(first), Event::Ended(_), Event::Began(second), Event::Ended(end)] = &run[..] else {
        panic!("{run:?}");
    };
    assert_eq!((first.subject.address, second.subject.address), (None, Some(endpoint.address)));
    assert_eq!((end.stop_reason, end.hops.len()), (StopReason::SendFailed, 0));
}
