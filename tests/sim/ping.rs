//! Whole ping runs in virtual time.

mod answers;
mod connections;
mod control;
mod datagrams;
mod ends;
mod errors;
mod pace;
mod stamp;
mod stamps;
mod targets;

use std::net::IpAddr;
use std::time::Duration;

use netprobe::channel::{Control, LanePlan, OpenedLanes, Plan, Precision, Protocol, SendStamps, SocketChoice};
use netprobe::driver::{self, Next, Turn};
use netprobe::engine::{Destination, Target};
use netprobe::ping::{
    Config, Counts, ErrorEvent, Event, Method, Pace, Ping, Refusal, Reply, State, Subject, Summary, Wait,
};
use netprobe::sim::{EPOCH, Link, Log, Network, Node, US, ip};
use netprobe::types::{Family, IpEndpoint, WallTime};
use netprobe::wire::payload::Fill;

const TARGET: &str = "198.51.100.9";
const TARGET_V6: &str = "2001:db8:9::9";
const SECOND: Duration = Duration::from_secs(1);

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Probes ports of targets by a method.
fn ping_services(network: &Network, targets: &[(&str, u16)], method: &Method, config: Config) -> Run {
    let protocol = match method {
        Method::Tcp(_) => Protocol::Tcp,
        _ => Protocol::Udp,
    };
    let lanes = [Family::V4, Family::V6].map(|family| LanePlan::new(family, protocol, SocketChoice::Auto)).into();
    let mut opened = network.open(&Plan { lanes, names: false, ..Plan::default() });
    let subject = |&(typed, port): &(&str, u16)| {
        let address = ip(typed);
        let lane = *opened.lanes[usize::from(address.is_ipv6())].as_ref().unwrap();
        let endpoint = IpEndpoint::from_address(address).with_port(port);
        let destination =
            Destination::Reachable { endpoint, source: None, lane, profile: *opened.channel.profile(lane) };
        let target = Target { target: typed.into(), name: typed.into(), numeric: true, destination };
        Subject { target, method: method.clone() }
    };
    let targets = targets.iter().map(subject).collect();
    play(network, &mut opened, Config { targets, ..config })
}

/// A wall-clock time as time since the start of the run.
fn since_start(time: WallTime) -> Duration {
    Duration::from_nanos(time.as_nanos().saturating_sub(EPOCH.as_nanos()))
}

/// Three probes, one a second.
fn config() -> Config {
    Config {
        targets: Vec::new(),
        broadcast: false,
        sticky_source: false,
        pace: Pace::Fixed(SECOND),
        rate: None,
        preload: 1,
        count: Some(3),
        deadline: None,
        wait: Wait::Default,
        payload_octets: 56,
        fill: Fill::Counting,
        flow_label: None,
        report_open: false,
        report_sent: false,
        report_replies: true,
        user_to_user: false,
        names: false,
        seed: 42,
    }
}

/// Us, and 10 ms away the target.
fn network(change: impl FnOnce(Node) -> Node) -> Network {
    over(Link::after(ms(5)), change)
}

/// Us, and over `link` the target.
fn over(link: Link, change: impl FnOnce(Node) -> Node) -> Network {
    let mut network = Network::new(1);
    let node = Node::host(ip(TARGET)).also(ip(TARGET_V6)).prefix(ip("203.0.113.0"), 24);
    network.add(US, change(node), link);
    network
}

/// What a run told, and what it sent.
struct Run {
    events: Vec<Event>,
    log: Log,
}

/// Pings the target over whatever socket the network allows.
fn ping(network: &Network, config: Config) -> Run {
    ping_all(network, &[TARGET], config)
}

fn ping_all(network: &Network, targets: &[&str], config: Config) -> Run {
    ping_over(network, SendStamps::default(), targets, config)
}

fn ping_over(network: &Network, send_stamps: SendStamps, targets: &[&str], config: Config) -> Run {
    let lane = |family| LanePlan { send_stamps, ..LanePlan::new(family, Protocol::Icmp, SocketChoice::Auto) };
    let plan = Plan { lanes: [Family::V4, Family::V6].map(lane).into(), names: config.names, ..Plan::default() };
    let mut opened = network.open(&plan);
    let place = |address: IpAddr| {
        let family = usize::from(address.is_ipv6());
        let lane = *opened.lanes[family].as_ref().unwrap();
        let profile = *opened.channel.profile(lane);
        Destination::Reachable { endpoint: IpEndpoint::from_address(address), source: None, lane, profile }
    };
    let target = |&typed: &&str| Target {
        target: typed.into(),
        name: typed.into(),
        numeric: true,
        destination: match typed.parse() {
            Ok(address) => place(address),
            Err(_) => Destination::Unresolved,
        },
    };
    let targets = targets.iter().map(target).map(Subject::icmp);
    let targets: Vec<Subject> = config.targets.iter().cloned().chain(targets).collect();
    play(network, &mut opened, Config { targets, ..config })
}

fn play(network: &Network, opened: &mut OpenedLanes, config: Config) -> Run {
    let mut machine = Ping::new(config);
    let mut events = Vec::new();
    let lookup = &mut opened.lookup;
    let run = driver::run(opened.channel.as_mut(), &mut machine, Precision::Relaxed, |turn| {
        if let Turn::Event(event) = turn {
            if let (Event::NameWanted(address), Some(lookup)) = (&event, &mut *lookup) {
                lookup(*address);
            }
            events.push(event);
        }
        Next::Continue
    });
    assert_eq!(run, Ok(()), "{events:#?}");
    let run = Run { events, log: network.log() };
    run.check();
    run
}

impl Run {
    /// What must hold in every run: a start before and a summary behind everything else of a series, every probe accounted
    /// for, and as many events as were counted.
    fn check(&self) {
        let mut told: Vec<Option<Counts>> = Vec::new();
        for event in &self.events {
            let (series, count): (usize, fn(&mut Counts) -> &mut u64) = match event {
                Event::Start(start) => {
                    assert_eq!(start.series.index(), told.len());
                    told.push(Some(Counts::default()));
                    continue;
                }
                Event::Summary(summary) => {
                    let told = told[summary.series.index()].take().expect("one summary behind everything else");
                    let counts = summary.counts;
                    assert!(counts.balance(), "{counts:?}");
                    let decided = |counts: Counts| {
                        (counts.received, counts.refused, counts.unreachable, counts.lost, counts.send_failed)
                    };
                    assert_eq!(decided(counts), decided(told));
                    assert_eq!((counts.duplicates, counts.late), (told.duplicates, told.late));
                    // Errors with a wrong checksum are counted and not shown.
                    assert!(counts.bad_checksum >= told.bad_checksum);
                    continue;
                }
                Event::Reply(reply) if reply.bad_checksum => (reply.series.index(), |counts| &mut counts.bad_checksum),
                Event::Reply(reply) if reply.duplicate => (reply.series.index(), |counts| &mut counts.duplicates),
                Event::Reply(reply) if reply.late => (reply.series.index(), |counts| &mut counts.late),
                Event::Reply(reply) => (reply.series.index(), |counts| &mut counts.received),
                Event::Error(error) if error.kind.is_advice() => continue,
                Event::Error(error) if error.duplicate => (error.series.index(), |counts| &mut counts.duplicates),
                Event::Error(error) if error.late => (error.series.index(), |counts| &mut counts.late),
                Event::Error(error) => (error.series.index(), |counts| &mut counts.unreachable),
                Event::Refused(refusal) if refusal.duplicate => {
                    (refusal.series.index(), |counts| &mut counts.duplicates)
                }
                Event::Refused(refusal) if refusal.late => (refusal.series.index(), |counts| &mut counts.late),
                Event::Refused(refusal) => (refusal.series.index(), |counts| &mut counts.refused),
                Event::Timeout(timeout) => (timeout.series.index(), |counts| &mut counts.lost),
                Event::SendFailed(failed) => (failed.series.index(), |counts| &mut counts.send_failed),
                Event::NameWanted(_)
                | Event::Named { .. }
                | Event::Sent { .. }
                | Event::NoAnswerYet(_)
                | Event::Interim(_) => continue,
            };
            *count(told[series].as_mut().expect("nothing behind the summary")) += 1;
        }
        assert!(told.iter().all(Option::is_none), "every series has a summary");
    }

    fn summaries(&self) -> Vec<&Summary> {
        let of_event = self.events.iter().filter_map(|event| match event {
            Event::Summary(summary) => Some(summary.as_ref()),
            _ => None,
        });
        of_event.collect()
    }

    fn summary(&self) -> &Summary {
        self.summaries()[0]
    }

    fn counts(&self) -> Counts {
        self.summary().counts
    }

    fn replies(&self) -> Vec<&Reply> {
        let of_event = self.events.iter().filter_map(|event| match event {
            Event::Reply(reply) => Some(reply.as_ref()),
            _ => None,
        });
        of_event.collect()
    }

    fn refusals(&self) -> Vec<&Refusal> {
        let of_event = self.events.iter().filter_map(|event| match event {
            Event::Refused(refusal) => Some(refusal.as_ref()),
            _ => None,
        });
        of_event.collect()
    }

    /// What silence meant, and whether it was put down to a limit.
    fn silences(&self) -> Vec<(State, bool)> {
        let of_event = self.events.iter().filter_map(|event| match event {
            Event::Timeout(unanswered) => Some((unanswered.state, unanswered.rate_limited)),
            _ => None,
        });
        of_event.collect()
    }

    fn errors(&self) -> Vec<&ErrorEvent> {
        let of_event = self.events.iter().filter_map(|event| match event {
            Event::Error(error) => Some(error.as_ref()),
            _ => None,
        });
        of_event.collect()
    }

    /// Numbers of the probes whose wait was over, and when it was.
    fn timeouts(&self) -> Vec<(u64, Duration)> {
        let timeout = |event: &Event| match event {
            Event::Timeout(timeout) => Some((timeout.probe.get(), since_start(timeout.at))),
            _ => None,
        };
        self.events.iter().filter_map(timeout).collect()
    }

    /// When probes left, in milliseconds.
    fn sent_at_ms(&self) -> Vec<u128> {
        self.log.times().iter().map(Duration::as_millis).collect()
    }
}

fn interrupt_at(network: &mut Network, time: Duration) {
    network.at(time, Control::Interrupt);
}
