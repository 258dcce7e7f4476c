//! Watched paths of which each answer is made here.

use proptest::prelude::*;

use super::*;
use crate::channel::Protocol;
use crate::trace::fleet::names::Names;
use crate::trace::testing::{self, TARGET, at, began, config, ms, profile, router};
use crate::trace::watch::Report;
use crate::wire::icmp::ErrorKind;

/// What comes back for a probe after 10 ms.
#[derive(Clone, Copy)]
enum Back {
    Router(u8),
    Unreachable(u8),
    Target,
    /// The destination, quoting this TTL.
    Quoting(u8),
    Nothing,
}

fn cycles(cycles: u64) -> Config {
    Config { trace: config(profile(Protocol::Icmp)), cycles, interval: ms(1000), follow: false }
}

fn arrival(back: Back, now: Now) -> Option<Arrival> {
    let (responder, kind) = match back {
        Back::Router(hop) => (router(hop), Some(ErrorKind::TimeExceeded)),
        Back::Unreachable(hop) => (router(hop), Some(ErrorKind::HostUnreachable)),
        Back::Target => (TARGET, None),
        Back::Quoting(_) => (TARGET, Some(ErrorKind::PortUnreachable)),
        Back::Nothing => return None,
    };
    let arrival = testing::arrival(responder, kind, Stamp::user(now));
    let quoted_ttl = if let Back::Quoting(ttl) = back { Some(Ttl::new(ttl)) } else { None };
    Some(Arrival { quoted_ttl, ..arrival })
}

/// Plays `config` to its end, where `back` says what comes back for a TTL in a cycle. Gives every probe as (cycle, TTL,
/// milliseconds), and the report.
fn play(config: &Config, back: impl Fn(usize, u8) -> Back) -> (Vec<(usize, u8, u128)>, Report) {
    let route = Route::of_trace(&config.trace, 0).unwrap();
    let mut watch = Watch::new(config, began(), route, at(ms(0)).mono);
    let (mut time, mut left, mut coming) = (ms(0), Vec::new(), BTreeMap::new());
    loop {
        let now = at(time);
        while let Some(&(due, probe)) = coming.keys().next().filter(|(due, _)| *due <= time) {
            let arrival = coming.remove(&(due, probe)).and_then(|back| arrival(back, now));
            assert!(arrival.is_none_or(|arrival| watch.answer(config, probe, arrival)));
        }
        watch.settle(config, now.mono, &mut VecDeque::new());
        while let Next::Probe { ttl, index } = watch.next(config, now.mono) {
            let probe = ProbeId::new(left.len() as u64 + 1);
            watch.ordered(config, (ttl, index), probe, Stamp::user(now));
            watch.sent(probe, Stamp::user(now));
            left.push((index, ttl, time.as_millis()));
            coming.insert((time + ms(10), probe), back(index, ttl));
        }
        if watch.is_over(config, now.mono) {
            return (left, watch.report(config, Some(StopReason::Cycles), &Names::new(false, None), now.mono));
        }
        time += ms(1);
        assert!(time < ms(600_000), "it does not end");
    }
}

fn ttls(left: &[(usize, u8, u128)], cycle: usize) -> Vec<u8> {
    left.iter().filter(|probe| probe.0 == cycle).map(|probe| probe.1).collect()
}

/// A path on which the destination is `hops` hops away.
fn straight(hops: u8, ttl: u8) -> Back {
    if ttl < hops { Back::Router(ttl) } else { Back::Target }
}

fn distances(report: &Report) -> Vec<(u8, u64)> {
    report.distances.iter().map(|&(ttl, cycles)| (ttl.get(), cycles)).collect()
}

#[test]
fn a_cycle_is_spread_over_the_interval_and_ends_at_the_destination() {
    let (left, report) = play(&cycles(3), |_, ttl| straight(5, ttl));
    assert_eq!(ttls(&left, 0), [1, 2, 3, 4, 5]);
    let second: Vec<_> = left.iter().filter(|probe| probe.0 == 1).map(|&(_, ttl, at)| (ttl, at)).collect();
    assert_eq!(second, [(1, 1000), (2, 1200), (3, 1400), (4, 1600), (5, 1800)]);
    assert_eq!((report.sent, report.received, report.lost, report.pending), (3, 3, 0, 0));
    assert_eq!(distances(&report), [(5, 3)]);
    assert!(report.hops.iter().all(|hop| (hop.sent, hop.received, hop.persists) == (3, 3, None)));
}

#[test]
fn a_path_that_becomes_longer_loses_nothing() {
    let (left, report) = play(&cycles(6), |cycle, ttl| straight(if cycle < 3 { 4 } else { 6 }, ttl));
    assert_eq!((ttls(&left, 2), ttls(&left, 3)), (vec![1, 2, 3, 4], vec![1, 2, 3, 4, 5, 6]));
    assert_eq!((report.sent, report.lost), (6, 0));
    assert_eq!(distances(&report), [(4, 3), (6, 3)]);
    assert_eq!(report.hops.len(), 6);
}

#[test]
fn a_path_that_becomes_shorter_loses_nothing() {
    let (left, report) = play(&cycles(6), |cycle, ttl| straight(if cycle < 3 { 6 } else { 4 }, ttl));
    assert_eq!(ttls(&left, 3), [1, 2, 3, 4]);
    assert_eq!((report.sent, report.lost), (6, 0));
    assert_eq!(distances(&report), [(4, 3), (6, 3)]);
    // What was measured of the longer path is shown.
    let rows: Vec<_> = report.hops.iter().map(|hop| (hop.sent, hop.received)).collect();
    assert_eq!(rows, [(6, 6), (6, 6), (6, 6), (6, 6), (3, 3), (3, 3)]);
}

#[test]
fn a_destination_beyond_a_new_silent_router_is_found_again() {
    let (left, report) = play(&cycles(9), |cycle, ttl| match (cycle, ttl) {
        (0..3, _) => straight(4, ttl),
        (_, 4) => Back::Nothing,
        _ => straight(5, ttl),
    });
    // It is looked for further away once two cycles are known to be silent, a second after their last probe.
    assert_eq!(ttls(&left, 4), [1, 2, 3, 4]);
    assert_eq!(ttls(&left, 8), [1, 2, 3, 4, 5]);
    assert_eq!((report.sent, report.lost), (9, 3));
    assert_eq!(report.hops.len(), 5, "{report:?}");
}

#[test]
fn a_destination_that_loses_is_not_taken_for_one_further_away() {
    let (left, report) = play(&cycles(40), |cycle, ttl| match (cycle, ttl) {
        // The probe of its own TTL is lost in cycles on end, one further away is not.
        (4..8 | 20..30, 4) => Back::Nothing,
        _ => straight(4, ttl),
    });
    assert_eq!(report.hops.len(), 4);
    assert_eq!(distances(&report), [(4, 26)]);
    assert!(left.iter().all(|probe| probe.1 <= 6), "{left:?}");
}

#[test]
fn a_dead_destination_is_lost_each_cycle_and_looked_for_no_further_than_needed() {
    let (left, report) = play(&cycles(5), |cycle, ttl| match cycle {
        0 => straight(4, ttl),
        _ if ttl < 4 => Back::Router(ttl),
        _ => Back::Nothing,
    });
    assert_eq!((report.sent, report.received, report.lost), (5, 1, 4));
    assert_eq!(ttls(&left, 4).len(), 6);
    assert_eq!(report.hops.len(), 4);
    assert_eq!((report.hops[3].sent, report.hops[3].unanswered, report.hops[3].persists), (5, 4, Some(true)));
}

#[test]
fn an_unreachable_holds_for_its_cycle() {
    let (left, report) = play(&cycles(4), |cycle, ttl| match (cycle, ttl) {
        (1, 3..) => Back::Unreachable(2),
        _ => straight(5, ttl),
    });
    assert_eq!((ttls(&left, 1).last(), ttls(&left, 2).last()), (Some(&5), Some(&5)));
    assert_eq!((report.sent, report.received, report.unreachable, report.lost), (4, 3, 1, 0));
    for hop in &report.hops[2..] {
        assert_eq!((hop.sent, hop.received, hop.unreachable, hop.unanswered_pct()), (4, 3, 1, Some(25.0)));
    }
    // The hop's own router is named first, and what refused last.
    let last = &report.hops[4].responders;
    assert_eq!((last[0].responder.address, &*last[1].annotations), (TARGET, &["!N".to_owned()][..]));
}

#[test]
fn an_unreachable_ends_the_path_where_the_destination_never_answered() {
    let (left, report) = play(&cycles(3), |_, ttl| if ttl < 3 { Back::Router(ttl) } else { Back::Unreachable(2) });
    assert_eq!(ttls(&left, 2), [1, 2, 3]);
    assert_eq!((report.sent, report.unreachable, report.hops.len()), (3, 3, 3));
    assert_eq!((report.hops[2].unanswered_pct(), report.hops[2].stats.is_none()), (Some(100.0), true));
}

#[test]
fn no_hop_is_dropped_where_each_packet_may_take_the_longer_path() {
    // Two paths in turn: the destination is at 3 or at 6.
    let (_, report) = play(&cycles(9), |cycle, ttl| straight(if cycle % 2 == 0 { 6 } else { 3 }, ttl));
    assert_eq!((report.received, report.lost), (9, 0));
    assert_eq!(distances(&report), [(3, 4), (6, 5)]);
    let answers: Vec<_> = report.hops.iter().map(|hop| (hop.sent, hop.received, hop.responders.len())).collect();
    assert_eq!(answers, [(9, 9, 1), (9, 9, 1), (9, 9, 2), (5, 5, 1), (5, 5, 1), (5, 5, 1)]);
}

#[test]
fn a_burst_of_loss_before_the_path_became_longer_is_no_limit_of_routers() {
    let (_, report) = play(&cycles(30), |cycle, ttl| match (cycle, ttl) {
        (4..10, 2..) => Back::Nothing,
        (20.., _) => straight(6, ttl),
        _ => straight(4, ttl),
    });
    let persists: Vec<_> = report.hops.iter().map(|hop| hop.persists).collect();
    assert_eq!(persists[..4], [None, Some(true), Some(true), Some(true)]);
    assert!(persists.len() == 6 && !persists.contains(&Some(false)), "{persists:?}");
}

#[test]
fn a_quote_does_not_place_the_destination_before_routers_that_answer() {
    // As if the probes had still had half of their TTL when they arrived.
    let (_, report) = play(&cycles(4), |_, ttl| if ttl < 8 { Back::Router(ttl) } else { Back::Quoting(ttl) });
    assert_eq!((report.received, report.hops.len()), (4, 8));
    assert_eq!(distances(&report), [(8, 4)]);
}

#[test]
fn a_probe_that_ran_past_the_destination_counts_for_its_row() {
    // The hops below are silent, and so is the destination's own hop in the first cycle.
    let (_, report) = play(&cycles(5), |cycle, ttl| match (cycle, ttl) {
        (_, ..3) => Back::Router(ttl),
        (0, 3) => Back::Nothing,
        _ => Back::Target,
    });
    assert_eq!(report.hops.len(), 3);
    assert_eq!((report.hops[2].sent, report.hops[2].received), (5, 5));
    assert_eq!(report.hops[2].stats.as_ref().map(|stats| stats.count), Some(5));
}

#[test]
fn a_silent_hop_below_the_destination_is_doubted_until_it_was_silent_three_times() {
    let proven = |count| play(&cycles(count), |_, ttl| if ttl == 3 { Back::Nothing } else { straight(4, ttl) }).1;
    assert_eq!((proven(2).distance_proven, proven(3).distance_proven), (Some(false), Some(true)));
    assert_eq!(proven(3).hops.len(), 4);
}

#[test]
fn a_destination_that_limits_its_answers_is_followed_back_to_where_it_is() {
    let config = Config { trace: config(profile(Protocol::Udp)), ..cycles(9) };
    let first = |cycle: usize, ttl| cycle == 0 && ttl < 12;
    let back = |cycle, ttl| if ttl > 4 && first(cycle, ttl) { Back::Nothing } else { straight(5, ttl) };
    let (left, report) = play(&config, back);
    assert_eq!(ttls(&left, 1), [1, 2, 3, 4, 8]);
    assert_eq!(ttls(&left, 2), [1, 2, 3, 4, 6]);
    assert_eq!((report.received, report.lost, report.distance_proven), (9, 0, Some(true)));
    assert_eq!(report.hops.last().map(|hop| (hop.ttl.get(), hop.received)), Some((5, 9)));
    assert_eq!(report.hops[4].stats.as_ref().map(|stats| stats.count), Some(9));
    // A run that ends before says so, and shows no hops that may not exist.
    let (_, report) = play(&Config { cycles: 2, ..config.clone() }, back);
    assert_eq!(report.distance_proven, Some(false));
    assert_eq!(report.hops.iter().map(|hop| hop.ttl.get()).collect::<Vec<_>>(), [1, 2, 3, 4, 8]);
    // Routers that are silent are shown once they must exist.
    let (_, report) = play(&config, |_, ttl| if (3..6).contains(&ttl) { Back::Nothing } else { straight(6, ttl) });
    assert_eq!((report.distance_proven, report.lost), (Some(true), 0));
    assert_eq!(report.hops.iter().map(|hop| hop.ttl.get()).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
}

#[test]
fn a_run_of_hours_keeps_no_more_than_one_of_a_minute() {
    const CYCLES: u64 = 8_000;
    let mut config = Config { follow: true, ..cycles(CYCLES) };
    config.trace.max_ttl = Ttl::new(6);
    let route = Route::of_trace(&config.trace, 0).unwrap();
    let mut watch = Watch::new(&config, began(), route, at(ms(0)).mono);
    let (mut random, mut sent, mut most, mut reached) = (fastrand::Rng::with_seed(1), 0, 0, 0);
    let mut time = ms(0);
    while watch.cycles.len() < CYCLES as usize || watch.unfinished(&config).is_some() {
        let now = at(time);
        match watch.next(&config, now.mono) {
            Next::Probe { ttl, index } => {
                sent += 1;
                let probe = ProbeId::new(sent);
                watch.ordered(&config, (ttl, index), probe, Stamp::user(now));
                watch.sent(probe, Stamp::user(now));
                // Another length every hour, and an outage in each.
                let hops = if index / 3600 % 2 == 0 { 3 } else { 4 };
                let back =
                    if random.u8(0..9) == 0 || index % 3600 > 3400 { Back::Nothing } else { straight(hops, ttl) };
                if let Some(arrival) = arrival(back, now) {
                    watch.answer(&config, probe, arrival);
                }
            }
            Next::At(due) => time = Duration::from_nanos(due.since(at(ms(0)).mono).as_nanos() as u64),
            Next::Nothing => panic!("it ended"),
        }
        let mut events = VecDeque::new();
        watch.settle(&config, now.mono, &mut events);
        watch.report_changes(&config, now, &mut events);
        let is_reached = |event: &Event| matches!(event, Event::Probe(event) if event.responder == Some(TARGET));
        reached += events.iter().filter(|event| is_reached(event)).count() as u64;
        most = most.max(watch.cycles.kept() + watch.followed.kept() + watch.open.len());
    }
    assert!(most < 100, "{most}");
    let report = watch.report(&config, Some(StopReason::Interrupted), &Names::new(false, None), at(time).mono);
    assert_eq!((report.sent, report.received + report.lost + report.pending), (CYCLES, CYCLES));
    assert!(report.received <= reached + 20 && report.lost > 1000, "{report:?}");
    assert_eq!(report.hops[0].sent, CYCLES);
}

#[test]
fn nothing_is_looked_for_beyond_the_gap_limit() {
    let mut config = cycles(2);
    config.trace.gap_limit = Some(3);
    let (left, report) = play(&config, |_, ttl| if ttl < 3 { Back::Router(ttl) } else { Back::Nothing });
    assert_eq!((ttls(&left, 0), ttls(&left, 1)), (vec![1, 2, 3, 4, 5], vec![1, 2, 3, 4, 5]));
    assert_eq!((report.sent, report.lost), (2, 2));
}

proptest! {
    #[test]
    fn whatever_answers_every_probe_is_counted_once_and_the_report_ends(
        (first, max, gap, cycles) in (1u8..5, 1u8..12, proptest::option::of(1u32..4), 1u64..12),
        backs in proptest::collection::vec(0u8..4, 150),
    ) {
        let mut config = Config { interval: ms(100), ..self::cycles(cycles) };
        config.trace = crate::trace::Config {
            first_ttl: Ttl::new(first),
            max_ttl: Ttl::new(max),
            gap_limit: gap,
            ..config.trace
        };
        let (left, report) = play(&config, |cycle, ttl| match backs[(cycle * 12 + usize::from(ttl)) % backs.len()] {
            0 => Back::Nothing,
            1 => Back::Router(ttl),
            2 => Back::Unreachable(ttl),
            _ => Back::Target,
        });
        prop_assert!(left.iter().all(|probe| (first..=max.max(first)).contains(&probe.1)));
        prop_assert_eq!(left.iter().map(|probe| probe.0).max(), Some(cycles as usize - 1));
        let mut asked: Vec<(usize, u8)> = left.iter().map(|probe| (probe.0, probe.1)).collect();
        asked.dedup();
        prop_assert_eq!(asked.len(), left.len());
        let decided = report.received + report.unreachable + report.lost;
        prop_assert_eq!((report.sent, report.pending), (decided, 0));
        prop_assert_eq!(report.sent, cycles);
        for hop in &report.hops {
            let sent = left.iter().filter(|probe| probe.1 == hop.ttl.get()).count() as u64;
            let is_last = Some(hop.ttl) == report.hops.last().map(|last| last.ttl);
            prop_assert!(hop.pending == 0 && (hop.sent == sent || is_last && hop.sent > sent));
            prop_assert_eq!(hop.sent, hop.received + hop.unreachable + hop.unanswered);
        }
    }
}
