//! Origins of responders' addresses: they are waited for as names are, and cost nothing else.

use netprobe::wire::as_table::AsTable;

use super::*;

fn with_origins() -> Config {
    Config { origins: Some(OriginSource::Lookup), ..config() }
}

/// The origin of whoever answered the first probe of each hop, as numbers; `None` if it is not known.
fn origins(run: &Traced) -> Vec<Option<Vec<u32>>> {
    let of = |hop: &&Hop| match hop.responder(hop.probes[0].response()?.responder)?.origins.as_ref()? {
        Origins::Announced(systems) => Some(systems.iter().map(|asn| asn.get()).collect()),
        Origins::Unannounced => Some(Vec::new()),
        Origins::Unknown => None,
    };
    run.hops().iter().map(|(_, hop)| of(hop)).collect()
}

fn announced(systems: &str, prefix: &str, after: u64) -> OriginOutcome {
    OriginOutcome::Text(format!("{systems} | {prefix} | XX | test | 2026-01-01").into(), ms(after))
}

#[test]
fn an_origin_that_comes_in_time_is_shown() {
    for family in [Family::V4, Family::V6] {
        let everything = if family == Family::V4 { "0.0.0.0/0" } else { "::/0" };
        let mut network = Network::new(1);
        path(&mut network, family, 3, as_is);
        network.origin(router(family, 1), announced("64500 64499", everything, 50));
        network.origin(router(family, 2), OriginOutcome::NoText(ms(1)));
        network.origin(target(family), announced("64501", everything, 400));
        let run = trace(&network, (family, Protocol::Icmp, SocketChoice::Raw), with_origins());
        assert_eq!(origins(&run), [Some(vec![64_499, 64_500]), Some(vec![]), Some(vec![64_501])]);
        assert!(run.hops()[0].0 >= ms(50));
    }
}

#[test]
fn an_answer_that_makes_no_sense_is_an_answer() {
    let mut network = Network::new(1);
    path(&mut network, Family::V4, 2, as_is);
    let without = trace(&network, RAW, config()).end().0;
    network.origin(router(Family::V4, 1), OriginOutcome::Text("\u{1b}[2J".into(), ms(0)));
    network.origin(target(Family::V4), announced("64500", "1.2.3.0/24", 0));
    let run = trace(&network, RAW, with_origins());
    assert_eq!(origins(&run), [None, None]);
    assert_eq!(run.end().0, without, "no lookup waits for another");
}

#[test]
fn a_resolver_without_origins_costs_at_most_half_a_second() {
    for outcome in [OriginOutcome::Never, OriginOutcome::TimesOut(ms(5000)), announced("1", "0.0.0.0/0", 5000)] {
        let mut network = Network::new(1);
        path(&mut network, Family::V4, 15, silent(&[5]));
        let without = trace(&network, RAW, config());
        for ttl in 1..15 {
            network.origin(router(Family::V4, ttl), outcome.clone());
        }
        network.origin(target(Family::V4), outcome);
        let with = trace(&network, RAW, Config { names: true, ..with_origins() });
        let ((before, plain), (after, named)) = (without.end(), with.end());
        assert_eq!(responders(named), responders(plain));
        assert!(after <= before + ms(500), "{before:?} {after:?}");
        assert_eq!(with.log.times(), without.log.times(), "origins never delay a probe");
    }
}

#[test]
fn names_and_origins_have_one_patience() {
    let mut network = Network::new(1);
    path(&mut network, Family::V4, 3, as_is);
    for address in [router(Family::V4, 1), router(Family::V4, 2), target(Family::V4)] {
        network.name(address, NameOutcome::Named("named.example".into(), ms(450)));
        network.origin(address, announced("64500", "0.0.0.0/0", 700));
    }
    let without = trace(&network, RAW, config()).end().0;
    let with = trace(&network, RAW, Config { names: true, ..with_origins() });
    assert!(with.end().0 <= without + ms(500), "{:?}", with.end().0);
    assert!(with.hops().iter().all(|(_, hop)| hop.responders[0].name.is_some()));
    assert_eq!(origins(&with), [None, None, None]);
}

#[test]
fn a_table_costs_no_time_and_no_question() {
    let mut network = Network::new(1);
    path(&mut network, Family::V4, 3, as_is);
    let table = AsTable::read(format!("{}/32 64500", target(Family::V4)).into_bytes()).unwrap();
    let without = trace(&network, RAW, config()).end().0;
    let source = OriginSource::Table(Arc::new(table));
    let run = trace(&network, RAW, Config { origins: Some(source), ..config() });
    assert_eq!(origins(&run), [Some(vec![]), Some(vec![]), Some(vec![64_500])]);
    assert_eq!(run.end().0, without);
    assert!(!run.events.iter().any(|(_, event)| matches!(event, Event::NameWanted(_))));
}
