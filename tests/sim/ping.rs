//! Whole ping runs in virtual time.

mod answers;
mod connections;
mod control;
mod datagrams;
mod ends;
mod errors;
mod neighbours;
mod pace;
mod services;
mod stamp;
mod stamps;
mod targets;

use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use netprobe::channel::{Control, LanePlan, OpenedLanes, Plan, Precision, Protocol, SendStamps, SocketChoice};
use netprobe::driver::{self, Next, Turn};
use netprobe::engine::outcome::{
    Detail, ExchangeReply, IcmpError, Outcome, Payload, ProbeEvent, Reflection, Refusal, Reply, Silence, Standing,
};
use netprobe::engine::{Destination, Target};
use netprobe::ping::{Config, Counts, Event, Method, Pace, Ping, Spec, State, Summary, Task, Wait};
use netprobe::sim::{EPOCH, Link, Log, Network, Node, US, ip};
use netprobe::types::{Family, IpEndpoint, Port, Rtt, StampSource, WallTime};

const TARGET: &str = "198.51.100.9";
const TARGET_V6: &str = "2001:db8:9::9";
const SECOND: Duration = Duration::from_secs(1);

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Probes ports of targets by a method.
fn ping_services(network: &Network, targets: &[(&str, u16)], method: &Method, config: Config) -> Run {
    ping_services_from(network, None, targets, method, config)
}

/// The same from this port.
fn ping_services_from(
    network: &Network,
    source_port: Option<Port>,
    targets: &[(&str, u16)],
    method: &Method,
    config: Config,
) -> Run {
    let protocol = match method {
        Method::Tcp(_) => Protocol::Tcp,
        _ => Protocol::Udp,
    };
    let lane = |family| {
        let plan = LanePlan { source_port, ..LanePlan::new(family, protocol, SocketChoice::Auto) };
        match config.spec.wait {
            Wait::Exactly(connect_wait) => LanePlan { connect_wait: Some(connect_wait), ..plan },
            Wait::Default | Wait::Forever | Wait::Prompt => plan,
        }
    };
    let lanes = [Family::V4, Family::V6].map(lane).into();
    let mut opened = network.open(&Plan { lanes, names: false, ..Plan::default() });
    let task = |&(typed, port): &(&str, u16)| {
        let address = ip(typed);
        let lane = *opened.lanes[usize::from(address.is_ipv6())].as_ref().unwrap();
        let endpoint = IpEndpoint::from_address(address).with_port(port);
        let destination =
            Destination::Reachable { endpoint, source: None, lane, profile: Arc::new(*opened.channel.profile(lane)) };
        let target = Target { zone: None, target: typed.into(), name: typed.into(), numeric: true, destination };
        Task { target, method: method.clone(), spec: Arc::clone(&config.spec) }
    };
    let targets = targets.iter().map(task).collect();
    play(network, &mut opened, Config { targets, ..config })
}

/// A wall-clock time as time since the start of the run.
fn since_start(time: WallTime) -> Duration {
    Duration::from_nanos(time.as_nanos().saturating_sub(EPOCH.as_nanos()))
}

/// Three probes, one a second.
fn config() -> Config {
    Config { count: Some(3), seed: 42, ..Config::default() }
}

/// Probes that leave at this pace.
fn paced(pace: Pace) -> Arc<Spec> {
    Arc::new(Spec { pace, ..Spec::default() })
}

/// Probes that are waited for in this way.
fn waiting(wait: Wait) -> Arc<Spec> {
    Arc::new(Spec { wait, ..Spec::default() })
}

/// Probes of this many octets.
fn sized(octets: usize) -> Arc<Spec> {
    Arc::new(Spec { payload: Payload { octets, ..Payload::default() }, ..Spec::default() })
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

/// The events of a run, and what it sent.
struct Run {
    events: Vec<Event>,
    log: Log,
}

/// A probe event with its outcome of one kind.
#[derive(Debug)]
struct Seen<'a, T> {
    event: &'a ProbeEvent,
    outcome: &'a T,
}

impl<T> Clone for Seen<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Seen<'_, T> {}

impl<T> Deref for Seen<'_, T> {
    type Target = ProbeEvent;

    fn deref(&self) -> &ProbeEvent {
        self.event
    }
}

impl<T> Seen<'_, T> {
    fn duplicate(&self) -> bool {
        self.standing.is_duplicate()
    }

    fn late(&self) -> bool {
        self.standing.is_late()
    }

    fn stamp(&self) -> StampSource {
        self.delay.expect("a delay").stamp
    }

    fn state(&self) -> Option<State> {
        self.event.outcome.state()
    }
}

impl Seen<'_, Reply> {
    fn rtt(&self) -> Rtt {
        self.delay.expect("a delay").rtt
    }

    fn syn_retransmits(&self) -> Option<u32> {
        match self.outcome.detail {
            Detail::Connect { syn_retransmits, .. } => syn_retransmits,
            _ => None,
        }
    }

    fn exchange(&self) -> Option<ExchangeReply> {
        match self.outcome.detail {
            Detail::Connect { exchange, .. } => exchange,
            _ => None,
        }
    }

    fn reflection(&self) -> Option<&Reflection> {
        match &self.outcome.detail {
            Detail::Stamp(reflection) => Some(reflection),
            _ => None,
        }
    }
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
        let profile = Arc::new(*opened.channel.profile(lane));
        Destination::Reachable { endpoint: IpEndpoint::from_address(address), source: None, lane, profile }
    };
    let target = |&typed: &&str| Target {
        zone: None,
        target: typed.into(),
        name: typed.into(),
        numeric: true,
        destination: match typed.parse() {
            Ok(address) => place(address),
            Err(_) => Destination::Unresolved,
        },
    };
    let targets = targets.iter().map(target).map(|target| Task::icmp(target, Arc::clone(&config.spec)));
    let targets: Vec<Task> = config.targets.iter().cloned().chain(targets).collect();
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
    /// Invariants of every run: a start before and a summary after everything else of a series, every probe accounted
    /// for, and as many events as were counted.
    fn check(&self) {
        let mut reported: Vec<Option<Counts>> = Vec::new();
        for event in &self.events {
            match event {
                Event::Began { subject, .. } => {
                    assert_eq!(subject.id.index(), reported.len());
                    reported.push(Some(Counts::default()));
                }
                Event::Ended(summary) => {
                    let reported = reported[summary.subject.id.index()].take().expect("one summary after all else");
                    let counts = summary.counts;
                    assert!(counts.balance(), "{counts:?}");
                    let decided = |counts: Counts| (counts.received, counts.refused, counts.lost, counts.send_failed);
                    assert_eq!(decided(counts), decided(reported));
                    // An error is reported when it comes, and an answer may follow it.
                    assert_eq!(counts.unreachable + counts.answered_after_error, reported.unreachable);
                    assert_eq!((counts.duplicates, counts.late), (reported.duplicates, reported.late));
                    // Errors with a wrong checksum are counted and not shown.
                    assert!(counts.bad_checksum >= reported.bad_checksum);
                }
                Event::Probe(event) => {
                    let counts = reported[event.subject.id.index()].as_mut().expect("nothing after the summary");
                    *count(event, counts) += 1;
                }
                Event::NameWanted(_)
                | Event::Named { .. }
                | Event::Sent { .. }
                | Event::NoAnswerYet(_)
                | Event::Interim(_) => {}
                unknown => panic!("{unknown:?}"),
            }
        }
        assert!(reported.iter().all(Option::is_none), "every series has a summary");
    }

    fn summaries(&self) -> Vec<&Summary> {
        let of_event = self.events.iter().filter_map(|event| match event {
            Event::Ended(summary) => Some(summary.as_ref()),
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

    /// The probe events with an outcome that `select` takes.
    fn outcomes<'a, T>(&'a self, select: impl Fn(&'a Outcome) -> Option<&'a T>) -> Vec<Seen<'a, T>> {
        let of_event = self.events.iter().filter_map(|event| match event {
            Event::Probe(event) => Some(Seen { event, outcome: select(&event.outcome)? }),
            _ => None,
        });
        of_event.collect()
    }

    fn replies(&self) -> Vec<Seen<'_, Reply>> {
        self.outcomes(|outcome| match outcome {
            Outcome::Reply(reply) => Some(reply),
            _ => None,
        })
    }

    fn refusals(&self) -> Vec<Seen<'_, Refusal>> {
        self.outcomes(|outcome| match outcome {
            Outcome::Refused(refusal) => Some(refusal),
            _ => None,
        })
    }

    fn lost(&self) -> Vec<Seen<'_, Silence>> {
        self.outcomes(|outcome| match outcome {
            Outcome::Timeout(silence) => Some(silence),
            _ => None,
        })
    }

    fn errors(&self) -> Vec<Seen<'_, IcmpError>> {
        self.outcomes(|outcome| match outcome {
            Outcome::Error(error) => Some(&**error),
            _ => None,
        })
    }

    /// The states that silence stood for, and whether it was put down to a limit.
    fn silences(&self) -> Vec<(State, bool)> {
        self.lost().iter().map(|lost| (lost.outcome.state(), *lost.outcome == Silence::RateLimited)).collect()
    }

    /// Numbers of the probes whose wait was over, and when it was.
    fn timeouts(&self) -> Vec<(u64, Duration)> {
        self.lost().iter().map(|seen| (seen.id.get(), since_start(seen.at))).collect()
    }

    /// When probes left, in milliseconds.
    fn sent_at_ms(&self) -> Vec<u128> {
        self.log.times().iter().map(Duration::as_millis).collect()
    }
}

fn interrupt_at(network: &mut Network, time: Duration) {
    network.at(time, Control::Interrupt);
}

/// The count that this event is one of.
fn count<'a>(event: &ProbeEvent, counts: &'a mut Counts) -> &'a mut u64 {
    match (event.standing, &event.outcome) {
        (Standing::Duplicate { .. }, _) => &mut counts.duplicates,
        (Standing::Late, _) => &mut counts.late,
        (Standing::Inconclusive, Outcome::Reply(reply)) if reply.bad_checksum => &mut counts.bad_checksum,
        // Advice is not counted.
        (Standing::Inconclusive, _) => &mut counts.skipped,
        (Standing::First, Outcome::Reply(_)) => &mut counts.received,
        (Standing::First, Outcome::Refused(_)) => &mut counts.refused,
        (Standing::First, Outcome::Error(_)) => &mut counts.unreachable,
        (Standing::First, Outcome::Timeout(_)) => &mut counts.lost,
        (Standing::First, Outcome::NotSent(_)) => &mut counts.send_failed,
        (_, unknown) => panic!("{unknown:?}"),
    }
}
