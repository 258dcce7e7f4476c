//! The paths that one thread follows: [`Paths`], a Machine around [`Reporter`] that takes [`PathCommand`]s from other threads.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::config::RouterFacts;
use super::figures::SeriesFigures;
use super::path::{self, Routers};
use super::prober::{Calls, Health, Key, lock, until};
use crate::channel::{Arena, Inbound, Lookup, Outbox};
use crate::engine::outcome::SubjectId;
use crate::engine::{Destination, Machine, Target};
use crate::trace::watch::{Config, Report, Reporter};
use crate::trace::{self, Event, OriginSource};
use crate::types::{Instant, Now, Ttl};

/// A path that could not be probed at all is tried again after this long at least.
const AGAIN: Duration = Duration::from_secs(10);
/// How long an answer is waited for in a trace that is bounded in time.
const WAIT: Duration = Duration::from_secs(2);

/// How a path is probed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathOptions {
    pub max_ttl: Ttl,
    pub flow: u32,
    /// From one probe to the same hop to the next.
    pub interval: Duration,
}

/// What other threads ask for. The thread is woken by [`Control::Supplied`].
#[derive(Debug)]
pub enum PathCommand {
    /// Follow the path to this target without end. Cycles begin whenever the wall clock is so far into the interval.
    Follow { key: Key, target: Box<Target>, options: PathOptions, phase: Duration, figures: Arc<Mutex<SeriesFigures>> },
    /// Probe each hop of the path to this target `count` times, in no more than this time, and report.
    Trace {
        key: Key,
        target: Box<Target>,
        options: PathOptions,
        count: u32,
        left: Duration,
        report: tokio::sync::oneshot::Sender<Traced>,
    },
    /// Follow or trace this no more.
    Remove(Key),
}

/// The result of a trace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traced {
    /// How often the destination was probed, and answered.
    pub sent: u64,
    pub received: u64,
    /// How far away it is, or the last router that answered.
    pub hops: u8,
    pub routers: Routers,
    /// Each hop in words.
    pub log: Vec<String>,
}

/// A path that is to be followed, or is.
#[derive(Debug)]
struct Followed {
    target: Box<Target>,
    options: PathOptions,
    figures: Arc<Mutex<SeriesFigures>>,
}

#[derive(Debug)]
enum PathPurpose {
    Series(Followed),
    Measurement { until: Instant, report: tokio::sync::oneshot::Sender<Traced> },
}

pub struct Paths {
    reporter: Reporter,
    /// Looks addresses of routers up, where that is asked for.
    lookup: Option<Lookup>,
    commands: Receiver<PathCommand>,
    calls: Calls,
    watched: HashMap<SubjectId, (Key, PathPurpose)>,
    keys: HashMap<Key, SubjectId>,
    /// What begins later.
    waiting: BTreeMap<(Instant, Key), Followed>,
    health: Arc<Health>,
    now: Now,
}

impl Paths {
    pub fn new(
        commands: Receiver<PathCommand>,
        health: Arc<Health>,
        seed: u64,
        (facts, lookup): (RouterFacts, Option<Lookup>),
    ) -> Self {
        let can_look_up = lookup.is_some();
        let origins = (facts.origins && can_look_up).then_some(OriginSource::Lookup);
        let trace = trace::Config { names: facts.names && can_look_up, origins, seed, ..trace::Config::default() };
        Paths {
            reporter: Reporter::new(Config { trace, cycles: 1, interval: AGAIN, follow: true }),
            lookup,
            commands,
            calls: Calls::at_first(),
            watched: HashMap::new(),
            keys: HashMap::new(),
            waiting: BTreeMap::new(),
            health,
            now: Now::default(),
        }
    }

    fn take_commands(&mut self, now: Now) {
        // What is left of subjects whose numbers are given anew.
        self.drain();
        while let Ok(command) = self.commands.try_recv() {
            match command {
                PathCommand::Follow { key, target, options, phase, figures } => {
                    let start = now.mono + until(now.wall, options.interval, phase);
                    lock(&figures).follow();
                    self.waiting.insert((start, key), Followed { target, options, figures });
                }
                PathCommand::Trace { key, target, options, count, left, report } => {
                    let wait = trace::Wait { max: WAIT.min(left / 2), here: 0.0, near: 0.0 };
                    let config = config(options, count.into(), Some(wait));
                    let purpose = PathPurpose::Measurement { until: now.mono + left, report };
                    self.watch(key, *target, &config, purpose, now);
                }
                PathCommand::Remove(key) => {
                    self.waiting.retain(|(_, waiting), _| *waiting != key);
                    if let Some(id) = self.keys.get(&key).copied() {
                        self.forget(id);
                    }
                }
            }
        }
    }

    fn watch(&mut self, key: Key, target: Target, config: &Arc<Config>, purpose: PathPurpose, now: Now) {
        // Without a lane there is none now, nor later.
        let Some(id) = self.reporter.add(target, config, now) else { return };
        self.keys.insert(key, id);
        self.watched.insert(id, (key, purpose));
        self.health.series.store(self.watched.len() as u64, Ordering::Relaxed);
    }

    fn forget(&mut self, id: SubjectId) -> Option<(Key, PathPurpose)> {
        self.reporter.drop(id);
        let (key, purpose) = self.watched.remove(&id)?;
        self.keys.remove(&key);
        self.health.series.store(self.watched.len() as u64, Ordering::Relaxed);
        Some((key, purpose))
    }

    /// Begins and ends what is due.
    fn turn(&mut self, now: Now) {
        while let Some(entry) = self.waiting.first_entry().filter(|entry| entry.key().0 <= now.mono) {
            let ((_, key), followed) = entry.remove_entry();
            let config = config(followed.options, u64::MAX, None);
            self.watch(key, Target::clone(&followed.target), &config, PathPurpose::Series(followed), now);
        }
        let late = |(_, purpose): &(Key, PathPurpose)| matches!(purpose, PathPurpose::Measurement { until, .. } if *until <= now.mono);
        let late: Vec<SubjectId> = self.watched.iter().filter(|(_, one)| late(one)).map(|(&id, _)| id).collect();
        for id in late {
            let report = self.reporter.report(id, now);
            let purpose = self.forget(id);
            if let (Some((_, PathPurpose::Measurement { report: to, .. })), Some(report)) = (purpose, report) {
                // The client may have left.
                let _ = to.send(traced(&report));
            }
        }
    }

    fn drain(&mut self) {
        while let Some(event) = self.reporter.poll_event() {
            match event {
                Event::Probe(event) => {
                    if let Some((_, PathPurpose::Series(followed))) = self.watched.get(&event.subject.id) {
                        lock(&followed.figures).path(|path| path.take(&event));
                    }
                }
                Event::Change(change) => {
                    if let Some((_, PathPurpose::Series(followed))) = self.watched.get(&change.subject.id) {
                        lock(&followed.figures).path(|path| path.change(&change));
                    }
                }
                Event::Report(report) => self.take(&report),
                Event::NameWanted(address) => {
                    if let Some(lookup) = &mut self.lookup {
                        lookup(address);
                    }
                }
                _ => {}
            }
        }
    }

    fn take(&mut self, report: &Report) {
        let id = report.began.subject.id;
        match self.watched.get(&id) {
            Some((_, PathPurpose::Series(followed))) => {
                let Some(target) = address(&followed.target) else { return };
                let now = (self.reporter.routers(id), self.reporter.distance(id));
                lock(&followed.figures).take_report(report, now, target);
            }
            Some((_, PathPurpose::Measurement { .. })) | None => {}
        }
        if report.stop_reason.is_none() {
            return;
        }
        match self.forget(id) {
            // Nothing could be sent.
            Some((key, PathPurpose::Series(followed))) => {
                lock(&followed.figures).follow();
                self.waiting.insert((self.now.mono + AGAIN.max(followed.options.interval), key), followed);
            }
            Some((_, PathPurpose::Measurement { report: to, .. })) => {
                let _ = to.send(traced(report));
            }
            None => {}
        }
    }
}

fn config(PathOptions { max_ttl, flow, interval }: PathOptions, cycles: u64, wait: Option<trace::Wait>) -> Arc<Config> {
    let trace = trace::Config { max_ttl, flow, wait, ..trace::Config::default() };
    Arc::new(Config { trace, cycles, interval, follow: true })
}

const fn address(target: &Target) -> Option<IpAddr> {
    match target.destination {
        Destination::Reachable { endpoint, .. } => Some(endpoint.address),
        _ => None,
    }
}

fn traced(report: &Report) -> Traced {
    let answering = report.hops.iter().rev().find(|hop| hop.received > 0);
    let addresses = |hop: &trace::watch::ReportHop| hop.responders.iter().map(|one| one.responder.address).collect();
    let hops = || report.hops.iter().filter(|hop| !hop.responders.is_empty());
    let words = |hop: &trace::watch::ReportHop| {
        let addresses: Vec<String> = hop.responders.iter().map(|one| one.responder.address.to_string()).collect();
        let from = if addresses.is_empty() { String::new() } else { format!(" from={}", addresses.join(",")) };
        format!("ttl={} sent={} answered={}{from}", hop.ttl, hop.sent, hop.received)
    };
    Traced {
        sent: report.sent,
        received: report.received,
        hops: answering.map_or(0, |hop| hop.ttl.get()),
        routers: hops().map(|hop| (hop.ttl.get(), addresses(hop))).collect(),
        log: report.hops.iter().map(words).collect(),
    }
}

impl Traced {
    /// See [`path::hash`].
    pub fn hash(&self) -> u64 {
        path::hash(&self.routers)
    }
}

impl Machine for Paths {
    /// There are none: figures are written where they belong.
    type Event = std::convert::Infallible;

    fn poll_orders(&mut self, now: Now, outbox: &mut Outbox) {
        self.now = now;
        self.health.turns.fetch_add(1, Ordering::Relaxed);
        if std::mem::take(&mut self.calls.commands) {
            self.take_commands(now);
        }
        self.turn(now);
        self.reporter.poll_orders(now, outbox);
    }

    fn handle(&mut self, now: Now, inbound: &Inbound, octets: &Arena) {
        if !self.calls.take(inbound, &self.health) {
            self.reporter.handle(now, inbound, octets);
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        if self.calls.commands {
            return Some(Instant::ZERO);
        }
        let begins = self.waiting.keys().next().map(|(at, _)| *at);
        let ends = self.watched.values().filter_map(|(_, purpose)| match purpose {
            PathPurpose::Measurement { until, .. } => Some(*until),
            PathPurpose::Series(_) => None,
        });
        ends.chain(begins).chain(self.reporter.poll_timeout()).min()
    }

    fn handle_timeout(&mut self, now: Now) {
        self.now = now;
        self.reporter.handle_timeout(now);
    }

    fn poll_event(&mut self) -> Option<Self::Event> {
        self.drain();
        None
    }

    fn is_finished(&self) -> bool {
        self.calls.end
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};

    use super::*;
    use crate::channel::{Control, LaneId, Order, OsError, Profile, Refused, Sent, Transmit};
    use crate::exporter::figures::tests::options;
    use crate::types::{IpEndpoint, Stamp, WallTime};

    /// Followed paths and the hands that turn them; nothing is ever answered.
    struct Rig {
        paths: Paths,
        commands: Sender<PathCommand>,
        health: Arc<Health>,
        now: Instant,
        /// The kernel sends nothing.
        refuses: bool,
    }

    fn target() -> Box<Target> {
        let endpoint = IpEndpoint::from_address([192, 0, 2, 1].into());
        let destination = Destination::Reachable {
            endpoint,
            source: None,
            lane: LaneId::new(0),
            profile: Arc::new(Profile::RAW_ICMP),
        };
        Box::new(Target { zone: None, target: "t".into(), name: "t".into(), numeric: true, destination })
    }

    fn every(interval: Duration) -> PathOptions {
        PathOptions { max_ttl: Ttl::new(3), flow: 0, interval }
    }

    impl Rig {
        fn new() -> Rig {
            let ((commands, received), health) = (channel(), Arc::new(Health::default()));
            let paths = Paths::new(received, Arc::clone(&health), 3, (RouterFacts::default(), None));
            Rig { paths, commands, health, now: Instant::from_nanos(10_000_000_000), refuses: false }
        }

        fn ask(&mut self, command: PathCommand) {
            self.commands.send(command).unwrap();
            self.paths.handle(self.clocks(), &Inbound::Control(Control::Supplied), &Arena::default());
        }

        fn follow(&mut self, key: Key, phase: Duration) -> Arc<Mutex<SeriesFigures>> {
            let figures = Arc::new(Mutex::new(SeriesFigures::new(&options())));
            lock(&figures).probed = true;
            let options = every(Duration::from_secs(1));
            self.ask(PathCommand::Follow { key, target: target(), options, phase, figures: Arc::clone(&figures) });
            figures
        }

        /// Lets this much time pass; how many probes were ordered.
        fn pass(&mut self, time: Duration) -> usize {
            let (end, mut orders) = (self.now + time, 0);
            while self.now < end {
                let mut outbox = Outbox::default();
                self.paths.handle_timeout(self.clocks());
                self.paths.poll_orders(self.clocks(), &mut outbox);
                while let Some(order) = outbox.pop_front() {
                    let Order::Send(Transmit { token, .. }) = order else { continue };
                    orders += 1;
                    let stamp = Stamp::user(self.clocks());
                    let inbound = match self.refuses {
                        true => Inbound::Refused(Refused { token, error: OsError::ENETUNREACH, mtu: None }),
                        false => Inbound::Sent(Sent { token, stamp, scheduled: None, local: None }),
                    };
                    self.paths.handle(self.clocks(), &inbound, &Arena::default());
                }
                assert!(self.paths.poll_event().is_none());
                self.now = self.now + Duration::from_millis(50);
            }
            orders
        }

        fn clocks(&self) -> Now {
            Now { mono: self.now, wall: WallTime::from_nanos(self.now.as_nanos()) }
        }

        fn series(&self) -> u64 {
            self.health.series.load(Ordering::Relaxed)
        }
    }

    #[test]
    fn a_path_is_followed_from_its_phase_on_until_it_is_removed() {
        let mut rig = Rig::new();
        let figures = rig.follow(7, Duration::from_millis(500));
        assert_eq!((rig.pass(Duration::from_millis(450)), rig.series()), (0, 0));
        assert!(rig.pass(Duration::from_secs(10)) >= 10);
        assert_eq!(rig.series(), 1);
        assert!(!lock(&figures).is_up());
        rig.ask(PathCommand::Remove(7));
        assert_eq!((rig.pass(Duration::from_secs(2)), rig.series()), (0, 0));
        assert!(rig.paths.keys.is_empty() && rig.paths.watched.is_empty());
    }

    #[test]
    fn a_path_that_is_removed_before_it_begins_never_does() {
        let mut rig = Rig::new();
        rig.follow(7, Duration::from_millis(500));
        rig.pass(Duration::from_millis(100));
        rig.ask(PathCommand::Remove(7));
        assert_eq!(rig.pass(Duration::from_secs(2)), 0);
        assert!(rig.paths.waiting.is_empty());
    }

    #[test]
    fn a_path_that_cannot_be_probed_is_tried_again_after_a_while() {
        let mut rig = Rig::new();
        rig.refuses = true;
        rig.follow(7, Duration::ZERO);
        assert!(rig.pass(Duration::from_secs(8)) > 0);
        assert_eq!((rig.paths.waiting.len(), rig.series()), (1, 0));
        rig.refuses = false;
        assert!(rig.pass(AGAIN + Duration::from_secs(2)) > 0);
        assert_eq!((rig.paths.waiting.len(), rig.series()), (0, 1));
    }

    #[test]
    fn a_trace_without_answers_is_reported_when_its_time_is_over() {
        let mut rig = Rig::new();
        let (report, mut traced) = tokio::sync::oneshot::channel();
        let (options, left) = (every(Duration::from_millis(100)), Duration::from_secs(1));
        rig.ask(PathCommand::Trace { key: 7, target: target(), options, count: 20, left, report });
        rig.pass(Duration::from_millis(900));
        assert!(traced.try_recv().is_err());
        rig.pass(Duration::from_millis(200));
        let traced = traced.try_recv().unwrap();
        assert!(traced.received == 0 && traced.routers.is_empty() && !traced.log.is_empty(), "{traced:?}");
        assert_eq!((rig.series(), rig.paths.keys.len()), (0, 0));
    }
}
