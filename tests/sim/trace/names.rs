//! Names of responders: asked for once, and waited for only while the resolver keeps its time.

use super::*;

#[test]
fn a_dead_resolver_costs_at_most_half_a_second() {
    for outcome in [NameOutcome::Never, NameOutcome::TimesOut(ms(5000)), NameOutcome::Named("slow".into(), ms(5000))] {
        let mut network = Network::new(1);
        path(&mut network, Family::V4, 15, silent(&[5]));
        let without = trace(&network, RAW, config());
        for ttl in 1..15 {
            network.name(router(Family::V4, ttl), outcome.clone());
        }
        network.name(target(Family::V4), outcome);
        let with = trace(&network, RAW, Config { names: true, ..config() });
        let ((before, plain), (after, named)) = (without.end(), with.end());
        assert_eq!(named, plain);
        assert!(after <= before + ms(500), "{before:?} {after:?}");
        assert_eq!(with.log.times(), without.log.times(), "names never delay a probe");
    }
}

#[test]
fn a_resolver_that_says_it_timed_out_is_waited_for_no_longer() {
    let mut network = Network::new(1);
    path(&mut network, Family::V4, 3, as_is);
    for ttl in 1..3 {
        network.name(router(Family::V4, ttl), NameOutcome::TimesOut(ms(100)));
    }
    network.name(target(Family::V4), NameOutcome::Named("never.example".into(), ms(400)));
    let run = trace(&network, RAW, Config { names: true, ..config() });
    assert!(run.end().0 < ms(120), "{:?}", run.end().0);
}

#[test]
fn names_are_asked_for_once_and_shown_where_they_came_in_time() {
    let mut network = Network::new(1);
    path(&mut network, Family::V4, 3, as_is);
    network.name(router(Family::V4, 1), NameOutcome::Named("r1.example".into(), ms(50)));
    network.name(router(Family::V4, 2), NameOutcome::Nameless(ms(1)));
    network.name(target(Family::V4), NameOutcome::Named("t.example".into(), ms(400)));
    let run = trace(&network, RAW, Config { names: true, ..config() });
    let wanted: Vec<IpAddr> = run
        .events
        .iter()
        .filter_map(|(_, event)| if let Event::NameWanted(address) = event { Some(*address) } else { None })
        .collect();
    assert_eq!(wanted, [router(Family::V4, 1), router(Family::V4, 2), target(Family::V4)]);
    let names = |hop: &Hop| -> Vec<Option<String>> {
        hop.responders.iter().map(|responder| responder.name.as_deref().map(String::from)).collect()
    };
    let shown: Vec<_> = run.hops().iter().map(|(_, hop)| names(hop)[0].clone()).collect();
    assert_eq!(shown, [Some("r1.example".into()), None, Some("t.example".into())]);
    assert!(run.hops()[0].0 >= ms(50));
}
