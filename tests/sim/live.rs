//! Live views over simulated paths: what the screen shows, whatever is typed and however large it is.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use insta::assert_snapshot;
use netprobe::channel::{LanePlan, OpenedLanes, Plan, Precision, Protocol, SocketChoice};
use netprobe::driver::{self, Next, Turn};
use netprobe::engine::outcome::ProbeEvent;
use netprobe::engine::{Destination, Target};
use netprobe::recording::{Index, Mode, Reader};
use netprobe::report::{Sink, Streams, TracePlain, TraceText, TraceTextOptions, TraceView, finding_sentence};
use netprobe::sim::{Balance, Direction, Forwarding, Link, Network, Node, Quote, Rejection, US, ip};
use netprobe::trace::watch::{self, ChangeKind, Reporter};
use netprobe::trace::{Config, Event, Finding};
use netprobe::tui::keys::Key;
use netprobe::tui::model::Model;
use netprobe::tui::theme::{Glyphs, Look, Theme};
use netprobe::tui::view::{Options, PathView, overwritten};
use netprobe::tui::{View, as_text};
use netprobe::types::{Family, Instant, IpEndpoint, Now, ProbeId, Ttl, WallTime};
use netprobe::wire::extension::LabelStackEntry;

use crate::by_chance;
use crate::recorded::recorded;

pub const TARGET: &str = "198.51.100.9";

pub fn after(millis: u64) -> Link {
    Link::after(Duration::from_millis(millis))
}

/// Seven routers and a host: the second is silent, the third limits its answers, the fourth balances; one link loses.
fn network() -> Network {
    let mut network = Network::new(7);
    let first = network.add(US, Node::router(ip("203.0.113.1")), after(1));
    let silent = network.add(first, Node::router(ip("203.0.113.2")).silent(), after(2));
    let limits = Node::router(ip("203.0.113.3")).error_limit(Duration::from_secs(2), 1).balance(Balance::Packet);
    let limits = network.add(silent, limits, after(2));
    let left = network.add(limits, Node::router(ip("203.0.113.4")), after(3));
    let right = network.add(limits, Node::router(ip("203.0.113.14")), after(3));
    let join = network.add(left, Node::router(ip("203.0.113.5")), after(2));
    network.link(right, join, after(2));
    let outward = Direction::after(Duration::from_millis(5)).vary(Duration::from_millis(1)).lose(0.1);
    let last = network.add(join, Node::router(ip("203.0.113.6")), after(5).outward(outward));
    let last = network.add(last, Node::router(ip("203.0.113.7")), after(1));
    network.add(last, Node::host(ip(TARGET)), after(9));
    network
}

/// A path of this many hops to the host at `target`, or to none; its routers have addresses like that one.
fn straight(hops: u16, target: IpAddr, answers: bool) -> Network {
    let mut network = Network::new(1);
    let mut last = US;
    for hop in 1..=hops {
        let router: IpAddr = match target {
            IpAddr::V4(_) => IpAddr::from([203, 0, 113, hop as u8]),
            IpAddr::V6(_) => IpAddr::from([0x2001, 0xdb8, 0xffff, hop, 0x1234, 0, 0xabcd, 0x5678]),
        };
        let node = match hop == hops {
            true if answers => Node::host(target),
            true => Node::host(target).silent(),
            false => Node::router(router),
        };
        last = network.add(last, node, after(1));
    }
    network
}

/// The events of this many cycles, and when they happened.
fn events(network: &Network, cycles: u64) -> Vec<(Event, Now)> {
    events_to(network, ip(TARGET), (cycles, 30))
}

/// The same to any target, over TTLs up to `max`.
fn events_to(network: &Network, address: IpAddr, bounds: (u64, u8)) -> Vec<(Event, Now)> {
    events_of_flows(network, address, bounds, None)
}

/// The same of several flows.
fn events_of_flows(network: &Network, address: IpAddr, bounds: (u64, u8), flows: Option<u32>) -> Vec<(Event, Now)> {
    let (mut all, mut base, mut now) = (Vec::new(), 0, Now::default());
    run(network, address, bounds, flows, |event, _| {
        let wall = match &event {
            Event::Began(began) => {
                base = began.time.as_nanos();
                base
            }
            Event::Probe(probe) | Event::Overdue(probe) => probe.at.as_nanos(),
            Event::Report(report) => report.began.time.as_nanos() + report.duration,
            _ => 0,
        };
        let wall = wall.max(now.wall.as_nanos());
        now = Now { mono: Instant::from_nanos(wall - base), wall: WallTime::from_nanos(wall) };
        all.push((event, now));
    });
    all
}

/// Watches, and gives every event with the time at which it came.
fn run(
    network: &Network,
    address: IpAddr,
    (cycles, max): (u64, u8),
    flows: Option<u32>,
    mut take: impl FnMut(Event, Now),
) {
    let lane = LanePlan::new(Family::of(address), Protocol::Icmp, SocketChoice::Raw);
    let OpenedLanes { mut channel, lanes, .. } = network.open(&Plan { lanes: vec![lane], ..Plan::default() });
    let lane = *lanes[0].as_ref().unwrap();
    let profile = Arc::new(*channel.profile(lane));
    let endpoint = IpEndpoint { address, zone: None, port: None };
    let source = match address {
        IpAddr::V4(_) => ip("192.0.2.1"),
        IpAddr::V6(_) => ip("2001:db8::1"),
    };
    let destination = Destination::Reachable { endpoint, source: Some(source), lane, profile };
    let target = Target {
        target: address.to_string().into(),
        name: "www.example.org".into(),
        numeric: false,
        zone: None,
        destination,
    };
    let trace = Config { targets: vec![target], max_ttl: Ttl::new(max), seed: 1, flows, ..Config::default() };
    let mut machine = Reporter::new(watch::Config { trace, cycles, interval: Duration::from_secs(1), follow: true });
    driver::run_timed(&mut *channel, &mut machine, Precision::Relaxed, |now, turn| {
        if let Turn::Event(event) = turn {
            take(event, now);
        }
        Next::Continue
    })
    .unwrap();
}

fn view(ascii: bool) -> PathView {
    view_of(ascii, 1)
}

fn view_of(ascii: bool, flows: usize) -> PathView {
    view_with(Look::new(Theme::Mono, ascii), flows)
}

fn view_with(look: Look, flows: usize) -> PathView {
    let options = Options { look, offset: |_| 3600, columns: None, names: true, both: false, window: 120, stay: false };
    PathView::new(Model::new(1, flows, Duration::from_secs(1)), options)
}

fn shown(events: &[(Event, Now)], ascii: bool, size: (u16, u16), keys: &[Key]) -> String {
    let mut view = view(ascii);
    let now = events.last().unwrap().1;
    events.iter().for_each(|(event, at)| view.event(event.clone(), *at));
    for &key in keys {
        let _ = view.key(key, now);
    }
    as_text(size, |screen| view.draw(now, screen))
}

#[test]
fn the_screen_shows_the_path_at_every_size_and_in_ascii() {
    let events = events(&network(), 90);
    let pictures = [(80, 24, false), (120, 30, false), (80, 24, true), (40, 8, true)].map(|(columns, rows, ascii)| {
        let picture = shown(&events, ascii, (columns, rows), &[Key::Down, Key::Down, Key::Down]);
        assert!(picture.lines().all(|line| line.chars().count() == usize::from(columns)), "{picture}");
        assert!(!ascii || picture.is_ascii(), "{picture}");
        format!("{columns}x{rows}\n{picture}")
    });
    assert_snapshot!(pictures.join("\n"));
}

#[test]
fn paths_of_every_kind_fit_the_screen() {
    let scenes = [
        ("all about a hop", events(&network(), 90), vec![Key::Home, Key::Down, Key::Down, Key::Down, Key::Enter]),
        ("keys", events(&network(), 3), vec![Key::Char('h')]),
    ];
    let pictures = scenes.map(|(title, events, keys)| {
        let picture = shown(&events, false, (80, 24), &keys);
        assert!(picture.lines().all(|line| line.chars().count() == 80), "{picture}");
        format!("{title}\n{picture}")
    });
    assert_snapshot!(pictures.join("\n"));
}

/// The sizes at which every scene is drawn.
const SIZES: [(u16, u16); 4] = [(80, 24), (120, 40), (200, 50), (30, 8)];

/// Its name, its events, and the keys that were typed.
type Scene = (&'static str, Vec<(Event, Now)>, Vec<Key>);

/// Every kind of path.
fn scenes() -> Vec<Scene> {
    let (target, six) = (ip(TARGET), ip("2001:db8:ffff:9::1234:5678"));
    let early = |(_, now): &(Event, Now)| now.mono < Instant::ZERO + Duration::from_millis(700);
    vec![
        ("normal", events(&network(), 90), vec![Key::Home, Key::Down, Key::Down, Key::Down]),
        ("silent target", events_to(&straight(4, target, false), target, (40, 30)), vec![]),
        ("64 hops", events_to(&straight(64, target, true), target, (20, 80)), vec![Key::End]),
        ("12 responders", events(&spread(12), 60), vec![Key::Home, Key::Down, Key::Enter]),
        ("IPv6", events_to(&straight(5, six, true), six, (20, 30)), vec![Key::Char('b')]),
        ("all lost", events(&lost(), 30), vec![]),
        ("first second", events(&network(), 3).into_iter().filter(early).collect(), vec![]),
    ]
}

/// A hop whose packets go in turn to as many routers.
fn spread(routers: u8) -> Network {
    let mut network = Network::new(4);
    let first = network.add(US, Node::router(ip("203.0.113.1")).balance(Balance::Packet), after(1));
    let all: Vec<_> = (0..routers)
        .map(|router| network.add(first, Node::router(IpAddr::from([203, 0, 113, 100 + router])), after(1)))
        .collect();
    let join = network.add(all[0], Node::router(ip("203.0.113.3")), after(1));
    all[1..].iter().for_each(|router| network.link(*router, join, after(1)));
    network.add(join, Node::host(ip(TARGET)), after(1));
    network
}

/// A path on which nothing answers.
fn lost() -> Network {
    let mut network = Network::new(5);
    let router =
        network.add(US, Node::router(ip("203.0.113.1")), after(1).outward(Direction::after(Duration::ZERO).lose(1.0)));
    network.add(router, Node::host(ip(TARGET)), after(1));
    network
}

/// The same with the glyphs of ASCII.
fn in_ascii(picture: &str) -> String {
    let [unicode, ascii] = [false, true].map(|ascii| Look::new(Theme::Mono, ascii).glyphs);
    let singles = |glyphs: &'static Glyphs| {
        let Glyphs { lost, silent, change, gap, above, below, rule, ellipsis, bar, .. } = *glyphs;
        glyphs.ramp.iter().copied().chain([lost, silent, change, gap, above, below, rule, ellipsis, bar])
    };
    let pairs: Vec<(char, char)> = singles(unicode).zip(singles(ascii)).collect();
    let one = |glyph| pairs.iter().find(|(from, _)| *from == glyph).map_or(glyph, |(_, to)| *to);
    picture.chars().map(one).collect()
}

#[test]
fn every_scene_fits_every_size_and_says_the_same_in_ascii_and_without_colours() {
    for (title, events, keys) in scenes() {
        let now = events.last().unwrap().1;
        let drawn = |look: Look, size| {
            let mut view = view_with(look, 1);
            events.iter().for_each(|(event, at)| view.event(event.clone(), *at));
            for &key in &keys {
                let _ = view.key(key, now);
            }
            let picture = as_text(size, |screen| view.draw(now, screen));
            assert_eq!(overwritten(), [""; 0], "{title} {size:?}\n{picture}");
            picture
        };
        let pictures = SIZES.map(|size| {
            let picture = drawn(Look::new(Theme::Mono, false), size);
            assert!(picture.lines().all(|line| line.chars().count() == usize::from(size.0)), "{picture}");
            assert_eq!(picture.lines().count(), usize::from(size.1));
            for theme in [Theme::Default, Theme::Contrast] {
                assert_eq!(drawn(Look::new(theme, false), size), picture, "{title} {size:?} {theme:?}");
            }
            let ascii = drawn(Look::new(Theme::Mono, true), size);
            assert!(ascii.is_ascii(), "{ascii}");
            assert_eq!(ascii, in_ascii(&picture), "{title} {size:?}");
            let lines: Vec<&str> = picture.lines().map(str::trim_end).collect();
            format!("{}x{}\n{}", size.0, size.1, lines.join("\n"))
        });
        assert_snapshot!(title.replace(' ', "_"), pictures.join("\n"));
    }
}

#[test]
fn the_first_second_shows_what_has_answered_and_no_loss() {
    let events = events(&network(), 3);
    let early = events.iter().filter(|(_, now)| now.mono < Instant::ZERO + Duration::from_millis(700));
    assert_snapshot!(shown(&early.cloned().collect::<Vec<_>>(), false, (80, 12), &[]));
}

#[test]
fn columns_go_in_and_out_and_are_typed() {
    let events = events(&network(), 20);
    let heading = |keys: &[Key]| shown(&events, false, (120, 20), keys).lines().nth(2).unwrap().to_owned();
    let typed = |text: &str| text.chars().map(Key::Char).collect::<Vec<_>>();
    assert!(heading(&typed("j")).contains("Jttr"));
    assert_eq!(heading(&typed("jj")), heading(&[]));
    assert_ne!(heading(&typed("z")), heading(&[]));
    let clear = [typed("o"), vec![Key::Backspace; 12]].concat();
    let chosen = heading(&[clear.clone(), typed("LB"), vec![Key::Enter]].concat());
    assert!(chosen.contains("Loss%   Best") && !chosen.contains("Avg"), "{chosen}");
    // Letters that are no columns change nothing.
    assert_eq!(heading(&[clear, typed("?!"), vec![Key::Enter]].concat()), heading(&[]));
}

#[test]
fn a_hop_has_a_chart_and_routers_that_share_the_load_have_lines_of_their_own() {
    let events = events(&network(), 40);
    let keys = |typed: &str| typed.chars().map(Key::Char).collect::<Vec<_>>();
    let pictures = [("ddd", (80, 20)), ("ddda", (80, 20)), ("]", (80, 24)), ("t", (80, 20))]
        .map(|(typed, size)| shown(&events, false, size, &keys(typed)));
    assert_snapshot!(pictures.join("\n"));
}

#[test]
fn no_size_and_no_key_ends_it() {
    let events = events(&network(), 40);
    by_chance::at_random(&mut view(false), &events, 10_000, |view| {
        let rows = view.model().paths.first().map_or(0, |path| path.rows().len());
        assert!(view.selected().is_none_or(|ttl| usize::from(ttl) <= rows.max(30)));
    });
}

/// Flows go by this router or by the one at the end of this link, and meet again before the target.
fn forked(left: Node, to_right: Link) -> Network {
    let mut network = Network::new(3);
    let fork = network.add(US, Node::router(ip("203.0.113.1")), after(1));
    let left = network.add(fork, left, after(1));
    let right = network.add(fork, Node::router(ip("203.0.113.3")), to_right);
    let join = network.add(left, Node::router(ip("203.0.113.4")), after(1));
    network.link(right, join, after(1));
    network.add(join, Node::host(ip(TARGET)), after(1));
    network
}

#[test]
fn flows_stand_side_by_side_with_what_each_loses() {
    let lossy = Direction::after(Duration::from_millis(1)).lose(0.4);
    let network = forked(Node::router(ip("203.0.113.2")), after(1).outward(lossy));
    let events = events_of_flows(&network, ip(TARGET), (30, 30), Some(6));
    let now = events.last().unwrap().1;
    let mut view = view_of(false, 6);
    events.iter().for_each(|(event, at)| view.event(event.clone(), *at));
    let first = as_text((80, 24), |screen| view.draw(now, screen));
    for key in ['f', '}', '}'] {
        let _ = view.key(Key::Char(key), now);
    }
    let picture = as_text((80, 24), |screen| view.draw(now, screen));
    let losses = events.iter().filter(|(event, _)| matches!(event, Event::Change(change) if change.kind.is_of_flows()));
    assert_eq!(losses.count(), 1);
    assert!(first.contains("flow 0 ") && picture.contains("flow 2 ") && !picture.contains("1/"), "{first}\n{picture}");
    assert_snapshot!(picture);
}

#[test]
fn a_time_of_a_recording_shows_the_same_whether_it_was_played_to_or_gone_to() {
    let (lines, start) = recorded(Mode::Trace, &events(&network(), 900));
    let index = Index::<Event>::read(&lines[..]).unwrap();
    let mut skipped = 0;
    for second in [0, 7, 333, 899] {
        let to = Duration::from_secs(second);
        let at = |since: Duration| Now { mono: Instant::ZERO + since, wall: start.saturating_add(since) };
        let picture = |events: Vec<(Duration, Event)>| {
            let mut view = view(false);
            events.into_iter().for_each(|(since, event)| view.event(event, at(since)));
            as_text((120, 40), |screen| view.draw(at(to), screen))
        };
        let until = |reader: &mut Reader<&[u8]>| -> Vec<(Duration, Event)> {
            reader.events().map(Result::unwrap).take_while(|(since, _)| *since <= to).collect()
        };
        let played = picture(until(&mut Reader::open(&lines[..]).unwrap()));
        // As many probes as the strip shows.
        let start = index.before(to, 1200).unwrap();
        let mut reader = index.resume(start, &lines[start.offset() as usize..]);
        let gone = picture(index.lasting(start).chain(until(&mut reader)).collect());
        assert_eq!(played, gone, "{second}");
        skipped = skipped.max(start.offset());
    }
    assert!(skipped > lines.len() as u64 / 4, "{skipped} of {}", lines.len());
    // Wherever it was cut.
    for cut in (1..1024).step_by(41) {
        assert!(Index::<Event>::read(&lines[..lines.len() - cut]).is_ok(), "{cut}");
    }
}

/// What happens to the path to the target in this many cycles, and in which second.
pub fn changes(network: &Network, cycles: u64) -> Vec<(u64, ChangeKind)> {
    let (mut all, mut start) = (Vec::new(), 0);
    run(network, ip(TARGET), (cycles, 30), None, |event, _| match event {
        Event::Began(began) => start = began.time.as_nanos(),
        Event::Change(change) => all.push(((change.at.as_nanos() - start) / 1_000_000_000, change.kind.clone())),
        _ => {}
    });
    all
}

#[test]
fn findings_that_hold_show_their_newest_evidence_and_events_what_was_known_then() {
    let mut network = Network::new(2);
    let lossy = after(1).outward(Direction::after(Duration::from_millis(1)).lose(0.3));
    let first = network.add(US, Node::router(ip("203.0.113.1")), lossy);
    network.add(first, Node::host(ip(TARGET)), after(1));
    let events = events(&network, 40);
    let is_loss = |finding: &&Finding| matches!(finding, Finding::Loss { .. });
    let found = events.iter().rev().find_map(|(event, _)| match event {
        Event::Change(change) => match &change.kind {
            ChangeKind::Finding { finding } => Some(finding).filter(is_loss),
            _ => None,
        },
        _ => None,
    });
    let newest = events.iter().rev().find_map(|(event, _)| match event {
        Event::Report(report) => report.findings.iter().find(is_loss),
        _ => None,
    });
    let [then, now] = [found, newest].map(|finding| finding_sentence(finding.unwrap()));
    assert_ne!(then, now);
    let picture = shown(&events, true, (160, 40), &[Key::Char('e')]);
    let (findings, happened) = picture.split_once("-- events").unwrap();
    assert!(findings.contains(&now) && !findings.contains(&then), "{picture}");
    assert!(happened.contains(&then), "{picture}");
}

#[test]
fn a_router_that_cannot_deliver_probes_has_its_mark_and_no_delays() {
    let mut network = Network::new(1);
    let refuses = Node::router(ip("203.0.113.2")).forwarding(Forwarding::Refuse(Rejection::new(3, 1)));
    let first = network.add(US, Node::router(ip("203.0.113.1")), after(1));
    let second = network.add(first, refuses, after(1));
    network.add(second, Node::host(ip(TARGET)), after(1));
    let picture = shown(&events(&network, 20), true, (80, 24), &[]);
    let row = picture.lines().find(|line| line.starts_with("   3 203.0.113.2 !H ")).expect(&picture);
    assert!(row.contains("100.0      -") && row.contains("xxxx"), "{picture}");
}

#[test]
fn a_step_of_the_wall_clock_is_one_event_that_leaves_no_gap_in_the_strip() {
    for by in [3_600_000_000_000, -3_600_000_000_000] {
        let mut network = straight(3, ip(TARGET), true);
        network.step_wall_clock(Duration::from_millis(20_300), by);
        let (mut all, mut view) = (Vec::new(), view(false));
        run(&network, ip(TARGET), (40, 30), None, |event, now| all.push((event, now)));
        all.iter().for_each(|(event, now)| view.event(event.clone(), *now));
        let steps: Vec<_> = all
            .iter()
            .filter_map(|(event, _)| match event {
                Event::Change(change) if matches!(change.kind, ChangeKind::ClockStepped { .. }) => Some(change),
                _ => None,
            })
            .collect();
        assert_eq!(steps.iter().map(|change| &change.kind).collect::<Vec<_>>(), [&ChangeKind::ClockStepped { by }]);
        let now = all.last().unwrap().1;
        // A cell is a second.
        for key in ['<', '<'] {
            let _ = view.key(Key::Char(key), now);
        }
        let picture = as_text((120, 16), |screen| view.draw(now, screen));
        let row = picture.lines().find(|line| line.contains(TARGET) && line.contains("  3 ")).unwrap();
        let strip: String = row.chars().skip_while(|glyph| !('▁'..='█').contains(glyph)).collect();
        assert!(strip.chars().count() >= 35 && !strip.trim_end().contains(' '), "{picture}");
        assert!(picture.contains('‖') && picture.contains("clock: the time of day"), "{picture}");

        // In lines, and as it is recorded.
        let options = TraceTextOptions { view: TraceView::Report, ..TraceTextOptions::default() };
        let end = Box::new(TraceText::new(options));
        let mut plain = TracePlain::new(TraceView::Report, Duration::from_secs(5), |_| 0, end);
        let mut data = Vec::new();
        for (event, _) in &all {
            plain.event(event, &mut Streams { data: &mut data, talk: &mut Vec::new() }).unwrap();
        }
        let lines = String::from_utf8(data).unwrap();
        let hours: Vec<&str> =
            lines.lines().filter_map(|line| line.get(11..13).filter(|_| line.contains(" up, "))).collect();
        let after = if by > 0 { "01" } else { "23" };
        assert_eq!(hours, ["00", "00", "00", after, after, after, after], "{lines}");
        let (octets, _) = recorded(Mode::Trace, &all);
        let again: Vec<Event> = Reader::open(&octets[..]).unwrap().events().map(|event| event.unwrap().1).collect();
        let recorded = all.iter().map(|(event, _)| event).filter(|event| !matches!(event, Event::NameWanted(_)));
        assert!(again.iter().eq(recorded));
        assert!(String::from_utf8(octets).unwrap().contains("clock_stepped"));
    }
}

#[test]
fn a_view_keeps_no_more_of_many_paths_after_days_than_it_may() {
    let events = events(&straight(3, ip(TARGET), true), 30);
    for (paths, most) in [(1, 15_840 * 3), (16, 2640 * 3)] {
        let mut model = Model::new(paths, 1, Duration::from_secs(1));
        let mut kept = Vec::new();
        for round in 0..4000_u64 {
            for (event, now) in &events {
                if let Event::Report(_) | Event::Change(_) = event {
                    continue;
                }
                if round > 0 && matches!(event, Event::Began(_)) {
                    continue;
                }
                // The same 30 cycles again and again.
                let later = Duration::from_secs(round * 30);
                let event = match event {
                    Event::Probe(probe) => Event::Probe(Arc::new(ProbeEvent {
                        id: ProbeId::new(probe.id.get() + round * 200),
                        sent: probe.sent.saturating_add(later),
                        at: probe.at.saturating_add(later),
                        ..ProbeEvent::clone(probe)
                    })),
                    other => other.clone(),
                };
                model.event(event, Now { mono: now.mono + later, wall: now.wall.saturating_add(later) });
            }
            if round % 500 == 499 {
                kept.push(model.kept());
            }
        }
        assert!(kept.last().unwrap() <= &(most + 100), "{kept:?}");
        assert_eq!(kept[7], kept[6], "{kept:?}");
    }
}

#[test]
fn a_hop_shows_which_flows_go_through_which_of_its_routers_and_since_when_labels_are_seen() {
    let label = LabelStackEntry { label: 24_001, tc: 0, bottom: true, ttl: 1 };
    let network = forked(Node::router(ip("203.0.113.2")).quote(Quote::full().labels([label])), after(1));
    let events = events_of_flows(&network, ip(TARGET), (75, 30), Some(6));
    let now = events.last().unwrap().1;
    let mut view = view_of(false, 6);
    events.iter().for_each(|(event, at)| view.event(event.clone(), *at));
    for key in [Key::Home, Key::Down, Key::Enter] {
        let _ = view.key(key, now);
    }
    let mut pictures = Vec::new();
    for _ in 0..2 {
        let picture = as_text((100, 24), |screen| view.draw(now, screen));
        pictures.push(picture.lines().map(str::trim_end).collect::<Vec<_>>().join("\n"));
        let _ = view.key(Key::Char('}'), now);
    }
    assert_snapshot!(pictures.join("\n"));
}
