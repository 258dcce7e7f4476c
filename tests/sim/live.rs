//! Live views over simulated paths: what the screen shows, whatever is typed and however large it is.

use std::net::IpAddr;
use std::time::Duration;

use insta::assert_snapshot;
use netprobe::channel::{LanePlan, OpenedLanes, Plan, Precision, Protocol, SocketChoice};
use netprobe::driver::{self, Next, Turn};
use netprobe::engine::{Destination, Target};
use netprobe::recording::{Index, Mode, Reader};
use netprobe::sim::{Balance, Direction, Link, Network, Node, US, ip};
use netprobe::trace::watch::{self, Reporter};
use netprobe::trace::{Config, Event};
use netprobe::tui::keys::Key;
use netprobe::tui::model::Model;
use netprobe::tui::theme::{Look, Theme};
use netprobe::tui::view::{Options, PathView};
use netprobe::tui::{View, as_text};
use netprobe::types::{Family, Instant, IpEndpoint, Now, Ttl, WallTime};

use crate::by_chance;
use crate::recorded::recorded;

const TARGET: &str = "198.51.100.9";

fn after(millis: u64) -> Link {
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
fn events_of_flows(
    network: &Network,
    address: IpAddr,
    (cycles, max): (u64, u8),
    flows: Option<u32>,
) -> Vec<(Event, Now)> {
    let lane = LanePlan::new(Family::of(address), Protocol::Icmp, SocketChoice::Raw);
    let OpenedLanes { mut channel, lanes, .. } = network.open(&Plan { lanes: vec![lane], ..Plan::default() });
    let lane = *lanes[0].as_ref().unwrap();
    let profile = *channel.profile(lane);
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
    let (mut all, mut base, mut now) = (Vec::new(), 0, Now::default());
    driver::run(&mut *channel, &mut machine, Precision::Relaxed, |turn| {
        if let Turn::Event(event) = turn {
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
        }
        Next::Continue
    })
    .unwrap();
    all
}

fn view(ascii: bool) -> PathView {
    view_of(ascii, 1)
}

fn view_of(ascii: bool, flows: usize) -> PathView {
    let look = Look::new(Theme::Mono, ascii);
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
    let target = ip(TARGET);
    let six = ip("2001:db8:ffff:9::1234:5678");
    let scenes = [
        ("silent target", events_to(&straight(4, target, false), target, (40, 30)), vec![]),
        ("64 hops", events_to(&straight(64, target, true), target, (20, 80)), vec![Key::End]),
        ("IPv6", events_to(&straight(5, six, true), six, (20, 30)), vec![Key::Char('b')]),
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

#[test]
fn flows_stand_side_by_side_with_what_each_loses() {
    let mut network = Network::new(3);
    let fork = network.add(US, Node::router(ip("203.0.113.1")), after(1));
    let lossy = Direction::after(Duration::from_millis(1)).lose(0.4);
    let left = network.add(fork, Node::router(ip("203.0.113.2")), after(1));
    let right = network.add(fork, Node::router(ip("203.0.113.3")), after(1).outward(lossy));
    let join = network.add(left, Node::router(ip("203.0.113.4")), after(1));
    network.link(right, join, after(1));
    network.add(join, Node::host(ip(TARGET)), after(1));
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
