//! The live view of targets over simulated networks: what the screen shows, whatever is typed and however large it is.

use std::sync::Arc;
use std::time::Duration;

use insta::assert_snapshot;
use netprobe::channel::{LanePlan, OpenedLanes, OsError, Plan, Precision, Protocol, RunChange, SocketChoice};
use netprobe::driver::{self, Next, Turn};
use netprobe::engine::{Destination, Target};
use netprobe::ping::{Config, Event, Method, Observed, Ping, Spec, Summary, Task, Wait};
use netprobe::recording::{Index, Mode, Reader};
use netprobe::report::{Moment, PingPlain, PingText, PingTextOptions, Sink, Streams};
use netprobe::sim::{Change, Direction, Forwarding, Link, Network, Node, Rejection, US, ip};
use netprobe::tui::keys::Key;
use netprobe::tui::theme::{Look, Theme};
use netprobe::tui::view::{Options, PingView};
use netprobe::tui::{Request, View, as_text};
use netprobe::types::{Family, Instant, IpEndpoint, Now, WallTime};

use crate::by_chance;
use crate::recorded::recorded;

const SECOND: Duration = Duration::from_secs(1);

/// A host that is 20 to 24 ms away, and loses the probes of this range and one of ten others; another at 5 ms; nothing else.
fn network(lost: std::ops::RangeInclusive<u64>) -> Network {
    let mut network = Network::new(7);
    let outward = Direction::after(Duration::from_millis(10)).vary(Duration::from_millis(4)).lose(0.1);
    let far = Node::host(ip("198.51.100.9")).also(ip("2001:db8:9::9")).change(lost, Change::Silence);
    let router = network.add(US, Node::router(ip("203.0.113.1")), Link::after(Duration::ZERO));
    network.add(router, far, Link::after(Duration::from_millis(10)).outward(outward));
    network.add(router, Node::host(ip("198.51.100.5")), Link::after(Duration::from_millis(2)));
    network
}

/// The events of this many probes to each of these addresses, and when they happened.
fn events(network: &Network, targets: &[&str], count: u64) -> Vec<(Event, Now)> {
    events_by(network, &Method::Icmp, Protocol::Icmp, targets, count)
}

fn events_by(
    network: &Network,
    method: &Method,
    protocol: Protocol,
    targets: &[&str],
    count: u64,
) -> Vec<(Event, Now)> {
    let (mut all, mut base) = (Vec::new(), None);
    run_by(network, (method, protocol), targets, count, |event, now| {
        let base = *base.get_or_insert(now.wall.as_nanos());
        all.push((event, at(now.wall.as_nanos() - base, base)));
    });
    all
}

/// Probes, and gives every event with the time at which it came.
fn run_by(
    network: &Network,
    (method, protocol): (&Method, Protocol),
    targets: &[&str],
    count: u64,
    mut take: impl FnMut(Event, Now),
) {
    let lanes = [Family::V4, Family::V6].map(|family| LanePlan::new(family, protocol, SocketChoice::Auto)).into();
    let OpenedLanes { mut channel, lanes, .. } = network.open(&Plan { lanes, ..Plan::default() });
    let spec = Arc::new(Spec { wait: Wait::Prompt, ..Spec::default() });
    let task = |typed: &&str| {
        let address = ip(typed);
        let lane = *lanes[usize::from(address.is_ipv6())].as_ref().unwrap();
        let endpoint = IpEndpoint::from_address(address);
        let endpoint = if protocol == Protocol::Icmp { endpoint } else { endpoint.with_port(22) };
        let destination =
            Destination::Reachable { endpoint, source: None, lane, profile: Arc::new(*channel.profile(lane)) };
        let target = Target { zone: None, target: (*typed).into(), name: (*typed).into(), numeric: true, destination };
        Task { target, method: method.clone(), spec: Arc::clone(&spec) }
    };
    let targets = targets.iter().map(task).collect();
    let config =
        Config { targets, spec: Arc::clone(&spec), count: Some(count), changes: true, seed: 42, ..Config::default() };
    driver::run_timed(&mut *channel, &mut Ping::new(config), Precision::Relaxed, |now, turn| {
        if let Turn::Event(event) = turn {
            take(event, now);
        }
        Next::Continue
    })
    .unwrap();
}

fn at(nanos: u64, base: u64) -> Now {
    Now { mono: Instant::from_nanos(nanos), wall: WallTime::from_nanos(base + nanos) }
}

fn view(targets: usize, ascii: bool) -> PingView {
    let look = Look::new(Theme::Mono, ascii);
    let options = Options { look, offset: |_| 3600, columns: None, names: true, both: false, window: 60, stay: false };
    PingView::new(targets, options)
}

fn shown(events: &[(Event, Now)], targets: usize, ascii: bool, size: (u16, u16), keys: &[Key]) -> String {
    let mut view = view(targets, ascii);
    let now = events.last().unwrap().1;
    events.iter().for_each(|(event, at)| view.event(event.clone(), *at));
    for &key in keys {
        let _ = view.key(key, now);
    }
    let picture = as_text(size, |screen| view.draw(now, screen));
    assert!(picture.lines().all(|line| line.chars().count() == usize::from(size.0)), "{picture}");
    assert!(!ascii || picture.is_ascii(), "{picture}");
    format!("{}x{}\n{picture}", size.0, size.1)
}

fn typed(text: &str) -> Vec<Key> {
    text.chars().map(Key::Char).collect()
}

#[test]
fn one_target_is_a_line_that_what_was_lost_interrupts() {
    let events = events(&network(41..=47), &["198.51.100.9"], 60);
    let pictures = [(80, 24, false), (120, 30, false), (80, 24, true), (40, 8, true), (30, 6, false)]
        .map(|(columns, rows, ascii)| shown(&events, 1, ascii, (columns, rows), &[]));
    assert_snapshot!(pictures.join("\n"));
}

#[test]
fn three_targets_share_a_chart_and_the_silent_one_has_no_line() {
    let events = events(&network(20..=22), &["198.51.100.9", "198.51.100.5", "198.51.100.77"], 40);
    let pictures = [
        shown(&events, 3, false, (80, 24), &[]),
        shown(&events, 3, false, (80, 24), &typed("a")),
        shown(&events, 3, false, (80, 16), &typed("d")),
        shown(&events, 3, false, (80, 16), &typed("dd")),
        shown(&events, 3, true, (80, 20), &[]),
    ];
    assert_snapshot!(pictures.join("\n"));
}

#[test]
fn many_targets_are_rows_in_an_order_that_keys_change() {
    let targets = ["198.51.100.9", "198.51.100.5", "198.51.100.77", "2001:db8:9::9", "198.51.100.78"];
    let events = events(&network(20..=22), &targets, 40);
    let filtered = [typed("/2001"), vec![Key::Enter]].concat();
    let pictures = [
        shown(&events, 5, false, (80, 14), &[]),
        shown(&events, 5, false, (120, 14), &typed("oo")),
        shown(&events, 5, false, (80, 14), &filtered),
        shown(&events, 5, false, (80, 20), &[Key::Down, Key::Down, Key::Down, Key::Enter]),
        shown(&events, 5, true, (60, 8), &[Key::End]),
        shown(&events, 5, false, (80, 26), &typed("h")),
    ];
    assert_snapshot!(pictures.join("\n"));
}

#[test]
fn very_many_targets_are_a_wall_in_their_order() {
    let targets: Vec<String> = (0..120).map(|host| format!("198.51.100.{host}")).collect();
    let targets: Vec<&str> = targets.iter().map(String::as_str).collect();
    let events = events(&network(20..=22), &targets, 8);
    let pictures = [
        shown(&events, 120, false, (80, 14), &[]),
        shown(&events, 120, true, (60, 14), &[Key::Down, Key::PageDown]),
        shown(&events, 120, false, (20, 5), &[Key::End]),
    ];
    assert_snapshot!(pictures.join("\n"));
}

#[test]
fn a_refused_probe_is_neither_a_delay_nor_a_loss() {
    let method = Method::Tcp(Default::default());
    let events = events_by(&network(0..=0), &method, Protocol::Tcp, &["198.51.100.9"], 10);
    let picture = shown(&events, 1, false, (80, 16), &[]);
    let header = "Connection refused   refused 10 of 10   lost 0 of 10 (0.0%)";
    assert!(picture.contains(header) && picture.contains("!") && !picture.contains("no answer"), "{picture}");
}

/// What becomes of probes to hosts beyond a router that refuses to forward them, beside one that answers.
fn refusing(rejection: Rejection) -> Network {
    let mut network = Network::new(7);
    let router = network.add(US, Node::router(ip("203.0.113.1")).also(ip("2001:db8::1")), Link::after(Duration::ZERO));
    let refuses = Node::router(ip("203.0.113.2")).also(ip("2001:db8::2")).forwarding(Forwarding::Refuse(rejection));
    let refuses = network.add(router, refuses, Link::after(Duration::from_millis(1)));
    let beyond =
        (7..=9).fold(Node::host(ip("2001:db8:9::9")), |host, last| host.also(ip(&format!("198.51.100.{last}"))));
    network.add(refuses, beyond, Link::after(Duration::from_millis(1)));
    network.add(router, Node::host(ip("198.51.100.5")), Link::after(Duration::from_millis(2)));
    network
}

fn in_lines(events: &[(Event, Now)]) -> String {
    let options = PingTextOptions { quiet: true, ..PingTextOptions::default() };
    let mut plain = PingPlain::new(SECOND * 5, |_| 0, Box::new(PingText::new(options)));
    let (mut data, mut talk) = (Vec::new(), Vec::new());
    for (event, _) in events {
        plain.event(event, &mut Streams { data: &mut data, talk: &mut talk }).unwrap();
    }
    String::from_utf8(data).unwrap()
}

#[test]
fn who_says_what_about_a_target_without_a_reply_is_on_every_screen_and_in_lines() {
    let both = [
        (Rejection::new(3, 1), "198.51.100.9", "from 203.0.113.2: Destination Host Unreachable", "!H from 203.0.113.2"),
        (
            Rejection::new(1, 1),
            "2001:db8:9::9",
            "from 2001:db8::2: Destination unreachable: Administratively prohibited",
            "!X from 2001:db8::2",
        ),
    ];
    for (rejection, target, said, brief) in both {
        let network = refusing(rejection);
        let one = events(&network, &[target], 8);
        for size in [(80, 24), (120, 40), (100, 10)] {
            let picture = shown(&one, 1, false, size, &[]);
            assert!(picture.contains(said) && !picture.contains("no answer yet"), "{picture}");
        }
        assert!(shown(&one, 1, true, (30, 8), &[]).contains(&format!("100.0     {}", &brief[..2])));
        let two = shown(&events(&network, &[target, "198.51.100.5"], 8), 2, false, (80, 24), &[]);
        assert!(two.contains(brief) && two.contains(" 198.51.100.5 "), "{two}");
        let many = [target, "198.51.100.5", "198.51.100.7", "198.51.100.8"];
        let events_of_many = events(&network, &many, 8);
        let rows = shown(&events_of_many, 4, false, (80, 24), &[]);
        let row = rows.lines().find(|line| line.contains(target) && line.contains("100.0")).unwrap();
        assert!(row.contains(brief), "{rows}");
        let selected = [typed("dd"), vec![Key::Down]].concat();
        let wall = shown(&events_of_many, 4, false, (120, 12), &selected);
        assert!(wall.contains(brief), "{wall}");
        let lines = in_lines(&one);
        assert!(lines.contains(&format!(" 3 lost): {said}\n")), "{lines}");
        assert!(lines.contains(&format!(" probes, loss 100.0 %, {said}\n")), "{lines}");
        assert!(lines.contains(&format!("\nlast error: {said}\n")), "{lines}");
    }
}

#[test]
fn a_target_that_answered_before_shows_what_is_said_about_it_now() {
    let host = Node::host(ip("198.51.100.9")).change(4..=9, Change::Refuse(Rejection::new(3, 13)));
    let mut network = Network::new(7);
    network.add(US, host, Link::after(Duration::from_millis(2)));
    let events = events(&network, &["198.51.100.9"], 9);
    let picture = shown(&events, 1, false, (80, 24), &[]);
    assert!(picture.contains("   !X  "), "in place of the newest delay: {picture}");
    assert!(picture.contains(", from 198.51.100.9: Packet filtered"), "{picture}");
}

#[test]
fn what_this_host_does_not_send_is_an_event_with_its_reason_on_the_screen_and_in_lines() {
    let mut network = network(0..=0);
    network.refuse_sends(4..=6, OsError::EPERM);
    network.refuse_sends(9..=9, OsError::EPERM);
    let events = events(&network, &["198.51.100.5"], 10);
    let picture = shown(&events, 1, false, (80, 24), &typed("e"));
    let shown: Vec<&str> = picture.lines().filter(|line| line.contains("not sent")).collect();
    assert_eq!(shown.len(), 2, "once each time it begins: {picture}");
    assert!(shown.iter().all(|line| line.contains("not sent: Operation not permitted")), "{picture}");

    let lines = in_lines(&events);
    let said = lines.lines().filter(|line| line.ends_with(" 198.51.100.5 not sent: Operation not permitted"));
    assert_eq!(said.count(), 2, "{lines}");
}

#[test]
fn the_figures_so_far_end_as_those_of_the_summary() {
    let events = events(&network(20..=22), &["198.51.100.9", "198.51.100.5", "198.51.100.77"], 40);
    let mut observed = [(); 3].map(|()| Observed::default());
    for (event, _) in &events {
        if let Event::Probe(event) = event {
            observed[event.subject.id.index()].take(event);
        }
    }
    let summaries: Vec<&Summary> = events
        .iter()
        .filter_map(|(event, _)| match event {
            Event::Ended(summary) => Some(&**summary),
            _ => None,
        })
        .collect();
    for summary in summaries {
        let (observed, counts) = (&observed[summary.subject.id.index()], summary.counts);
        assert_eq!((observed.received, observed.decided()), (counts.received, counts.decided()));
        assert_eq!((observed.loss_pct(), observed.rtt()), (counts.loss_pct(), summary.delays.rtt));
    }
}

#[test]
fn a_pause_stops_probes_without_a_loss_and_a_new_interval_holds_at_once() {
    let mut network = network(0..=0);
    let change = |change| netprobe::channel::Control::Change(change);
    network.at(SECOND * 5, change(RunChange::Pause));
    network.at(SECOND * 15, change(RunChange::Resume));
    network.at(SECOND * 20, change(RunChange::Interval(SECOND * 4)));
    let events = events(&network, &["198.51.100.5"], 14);
    let sent = |(event, _): &(Event, Now)| match event {
        Event::Probe(event) => Some(event.sent.as_nanos()),
        _ => None,
    };
    let sent: Vec<u64> = events.iter().filter_map(sent).collect();
    let gaps: Vec<u64> = sent.windows(2).map(|pair| (pair[1] - pair[0]) / 1_000_000_000).collect();
    assert_eq!(gaps, [1, 1, 1, 1, 11, 1, 1, 1, 1, 4, 4, 4, 4], "{sent:?}");
    let Some((Event::Ended(summary), _)) = events.last() else { panic!("no summary") };
    assert_eq!((summary.counts.skipped, summary.counts.lost), (0, 0));
}

#[test]
fn a_frozen_picture_stays_and_keys_ask_for_changes_of_the_run() {
    let events = events(&network(0..=0), &["198.51.100.5"], 10);
    let mut view = view(1, false);
    let (first, second) = events.split_at(events.len() / 2);
    first.iter().for_each(|(event, at)| view.event(event.clone(), *at));
    let now = first.last().unwrap().1;
    assert_eq!(view.key(Key::Char(' '), now), None);
    let figures =
        |view: &PingView| as_text((80, 20), |screen| view.draw(now, screen)).lines().nth(3).map(str::to_owned);
    let frozen = figures(&view);
    second.iter().for_each(|(event, at)| view.event(event.clone(), *at));
    assert_eq!(figures(&view), frozen);
    assert_eq!(view.key(Key::Char(' '), now), None);
    assert_ne!(figures(&view), frozen);
    assert_eq!(view.key(Key::Char('p'), now), Some(Request::Change(RunChange::Pause)));
    assert_eq!(view.key(Key::Char(' '), now), Some(Request::Change(RunChange::Resume)));
    assert_eq!(view.key(Key::Char('r'), now), Some(Request::Change(RunChange::Reset)));
    assert_eq!(view.model().series[0].observed.decided(), 0);
    let typed = [typed("i0.5"), vec![Key::Enter]].concat();
    let asked: Vec<Request> = typed.iter().filter_map(|&key| view.key(key, now)).collect();
    assert_eq!(asked, [Request::Change(RunChange::Interval(SECOND / 2))]);
}

#[test]
fn a_time_of_a_recording_has_the_figures_of_all_before_it() {
    let (lines, start) = recorded(Mode::Ping, &events(&network(5..=9), &["198.51.100.9"], 2000));
    let index = Index::<Event>::read(&lines[..]).unwrap();
    for second in [0, 7, 333, 1999] {
        let to = Duration::from_secs(second);
        let at = |since: Duration| Now { mono: Instant::ZERO + since, wall: start.saturating_add(since) };
        let picture = |reader: &mut Reader<&[u8]>| {
            let mut view = view(1, false);
            for event in reader.events() {
                let (since, event) = event.unwrap();
                if since > to {
                    break;
                }
                view.event(event, at(since));
            }
            as_text((120, 40), |screen| view.draw(at(to), screen))
        };
        let played = picture(&mut Reader::open(&lines[..]).unwrap());
        let from = index.before(to, 1200).unwrap();
        assert_eq!(index.lasting(from).count(), 0);
        assert_eq!(played, picture(&mut index.resume(from, &lines[from.offset() as usize..])), "{second}");
    }
}

#[test]
fn of_a_replay_keys_ask_for_times_and_change_no_figures() {
    let events = events(&network(0..=0), &["198.51.100.5"], 10);
    let mut view = view(1, false);
    events.iter().for_each(|(event, at)| view.event(event.clone(), *at));
    let now = events.last().unwrap().1;
    assert_eq!(view.key(Key::Char('g'), now), None);
    view.replayed("REPLAY 2x".to_owned());
    assert_eq!(view.key(Key::Char('r'), now), Some(Request::Change(RunChange::Reset)));
    assert_eq!(view.model().series[0].observed.decided(), 10);
    let typed = [typed("g90m"), vec![Key::Enter]].concat();
    let asked: Vec<Request> = typed.iter().filter_map(|&key| view.key(key, now)).collect();
    assert_eq!(asked, [Request::GoTo(Moment::read("90m").unwrap())]);
    let picture = as_text((80, 20), |screen| view.draw(now, screen));
    assert!(picture.lines().nth(1).is_some_and(|line| line.starts_with(" REPLAY 2x  up")), "{picture}");
    view.begin_anew();
    assert_eq!(view.model().series.len(), 0);
}

#[test]
fn no_size_and_no_key_ends_it() {
    let targets = ["198.51.100.9", "198.51.100.5", "198.51.100.77", "2001:db8:9::9"];
    for count in [1, 3, 4] {
        let events = events(&network(5..=9), &targets[..count], 30);
        by_chance::at_random(&mut view(count, false), &events, 1_000, |_| {});
    }
}

#[test]
fn a_step_of_the_wall_clock_is_an_event_and_lines_go_on_after_it() {
    let mut network = network(0..=0);
    network.step_wall_clock(SECOND * 20, -3_600_000_000_000);
    let (mut view, mut all) = (view(2, false), Vec::new());
    run_by(&network, (&Method::Icmp, Protocol::Icmp), &["198.51.100.5", "198.51.100.77"], 40, |event, now| {
        all.push((event, now));
    });
    all.iter().for_each(|(event, now)| view.event(event.clone(), *now));
    let now = all.last().unwrap().1;
    let picture = as_text((80, 24), |screen| view.draw(now, screen));
    assert_eq!(picture.matches("clock: the time of day was set back by 3600.0 s").count(), 1, "{picture}");
    let options = PingTextOptions { quiet: true, ..PingTextOptions::default() };
    let mut plain = PingPlain::new(SECOND * 10, |_| 0, Box::new(PingText::new(options)));
    let mut data = Vec::new();
    for (event, _) in &all {
        plain.event(event, &mut Streams { data: &mut data, talk: &mut Vec::new() }).unwrap();
    }
    let lines = String::from_utf8(data).unwrap();
    assert_eq!(lines.matches(" 198.51.100.5 up, ").count(), 3, "{lines}");
    assert_eq!(lines.matches("T23:").count(), lines.matches("T").count() - lines.matches("T00:").count(), "{lines}");
    let (octets, _) = recorded(Mode::Ping, &all);
    assert!(String::from_utf8(octets).unwrap().contains("\"type\":\"clock_stepped\""));
}

#[test]
fn of_one_of_very_many_targets_little_is_kept_after_hours() {
    let (mut few, mut many) = (view(2, false), view(4096, false));
    let mut kept = Vec::new();
    run_by(&network(0..=0), (&Method::Icmp, Protocol::Icmp), &["198.51.100.9"], 12_000, |event, now| {
        few.event(event.clone(), now);
        many.event(event, now);
        kept.push((few.model().kept(), many.model().kept()));
    });
    let (before, after) = (kept[kept.len() / 2], kept[kept.len() - 1]);
    assert!((7200..8000).contains(&after.0), "{after:?}");
    assert!(after.1 <= before.1 + 60 && after.1 < 500, "{before:?} {after:?}");
}
