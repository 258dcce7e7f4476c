//! Targets that come and go: one by one, and as the addresses of a name.

use super::*;

#[test]
fn removed_targets_leave_no_series_and_no_index_entries() {
    let mut rig = Rig::new(|_| {});
    rig.turn();
    let entries = rig.ping.index.entries();
    for n in 0..5_000u32 {
        let target: Box<str> = format!("target {n}").into();
        let endpoint = IpEndpoint::from_address(std::net::Ipv4Addr::from(0xcb00_7100 + n % 256).into());
        rig.handle(&Inbound::Control(Control::Add { target: target.clone(), endpoint }), &Arena::default());
        rig.turn();
        rig.handle(&Inbound::Control(Control::Remove { target }), &Arena::default());
        rig.turn();
    }
    assert_eq!((rig.ping.series.iter().count(), rig.ping.index.entries()), (1, entries));
    assert!(rig.ping.series.capacity() <= 2);
    let ids = rig.events.iter().filter_map(|event| match event {
        Event::Began { subject, .. } => Some(subject.id.get()),
        _ => None,
    });
    assert!(ids.eq(0..=5_000), "numbers are not used again");
    assert_eq!(rig.sent.len(), 5_001);
    // Answers to what was removed belong to none, and are not foreign either.
    rig.reply(4_000, |_| {});
    let counts = rig.end();
    assert_eq!((counts.sent, counts.foreign), (1, 0));
}

#[test]
fn after_the_last_number_subjects_get_the_first_that_is_free() {
    let mut rig = Rig::new(|_| {});
    rig.turn();
    rig.ping.series.go_on_at(i32::MAX as u32);
    for n in 1..=3 {
        let endpoint = IpEndpoint::from_address([203, 0, 113, n].into());
        rig.handle(&Inbound::Control(Control::Add { target: format!("{n}").into(), endpoint }), &Arena::default());
        rig.turn();
        rig.reply(usize::from(n), |_| {});
    }
    let series = rig.ping.series.iter().map(|series| (series.id().get(), series.counts.received));
    assert_eq!(series.collect::<Vec<_>>(), [(0, 0), (1, 1), (2, 1), (i32::MAX as u32, 1)]);
}

/// A run over a name with all its addresses.
fn following() -> Rig {
    let lanes = vec![(Family::V4, LaneId::new(0), Arc::new(Profile::RAW_ICMP))];
    let names = vec![ResolvedName { host: "t".into(), port: None, targets: 0..1 }];
    Rig::new(|config| {
        config.resolve = Some(Resolve { every: Duration::from_secs(1), all: true, family: None, lanes, names });
    })
}

/// `count` addresses from number `first`.
fn found(first: u32, count: u32) -> Inbound {
    let endpoint = |n: u32| IpEndpoint::from_address((0x0a00_0000 + n).to_be_bytes().into());
    let endpoints = (first..first + count).map(endpoint).collect();
    let found = Ok(Resolved { canonical: None, endpoints, numeric: false });
    Inbound::Control(Control::Address(AddressAnswer { name: "t".into(), found }))
}

#[test]
fn a_name_that_always_has_other_addresses_takes_no_more_room_than_256_of_them() {
    let mut rig = following();
    for turn in 0..200 {
        rig.pass(Duration::from_secs(1));
        rig.handle(&found(7 * turn, 7), &Arena::default());
        rig.sent.clear();
    }
    rig.turn();
    let ended = rig.events.iter().filter(|event| matches!(event, Event::Ended(_))).count();
    assert_eq!((rig.ping.series.capacity(), ended), (MOST_ADDRESSES + 1, 1 + 7 * 200 - MOST_ADDRESSES));
}

#[test]
fn a_name_with_more_addresses_than_there_is_room_for_keeps_those_that_it_had_first() {
    let mut rig = following();
    rig.pass(Duration::from_secs(1));
    rig.handle(&found(0, 10), &Arena::default());
    rig.handle(&found(5, 4000), &Arena::default());
    let last = found(0, 4000);
    rig.handle(&last, &Arena::default());
    rig.handle(&last, &Arena::default());
    rig.turn();
    let address = |event: &Event| match event {
        Event::Readdressed { subject, gained, .. } => Some((subject.address?.to_string(), *gained)),
        _ => None,
    };
    let changes: Vec<_> = rig.events.iter().filter_map(address).collect();
    let count = |gained| changes.iter().filter(|change| change.1 == gained).count();
    let is_first =
        |text: &str| changes.iter().filter(|change| change.0 == text).map(|change| change.1).collect::<Vec<_>>();
    assert_eq!((is_first("10.0.0.9"), is_first("10.0.0.5")), (vec![true], vec![true]));
    assert!(count(true) - count(false) <= MOST_ADDRESSES, "{changes:?}");
    assert_eq!(rig.ping.series.capacity(), MOST_ADDRESSES + 1);
}
