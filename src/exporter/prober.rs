//! What one thread probes: [`Prober`], a Machine around [`Ping`] that takes [`ProbeCommand`]s from other threads and writes figures.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::figures::SeriesFigures;
use super::histogram::Histogram;
use crate::channel::{Arena, Control, Inbound, Outbox};
use crate::engine::Machine;
use crate::engine::outcome::{ExchangeFailure, Outcome, ProbeEvent, Refusal, Standing, SubjectId};
use crate::metrics::{Counts, Ipdv, RttRecorder, RttStats};
use crate::ping::{Config, Event, Ping, Task};
use crate::types::{Instant, Now, ProbeId, Rtt, StampSource, WallTime};

/// How long decided probes are remembered. Shorter than the default, as there are thousands of targets: what is even later is no
/// longer counted as late or duplicate. At a probe a second no more than 16 are, to which the memory for them then grows.
const MEMORY: Duration = Duration::from_secs(12);
/// Events that the log of one measurement keeps.
const MOST_LOGGED: usize = 1000;

/// The name of a series or a measurement, which other threads choose.
pub type Key = u64;

/// What other threads ask a prober for. It is woken by [`Control::Supplied`].
#[derive(Debug)]
pub enum ProbeCommand {
    /// Probe this target without end. A probe is due whenever the wall clock is so far into the interval.
    Add { key: Key, task: Box<Task>, interval: Duration, phase: Duration, figures: Arc<Mutex<SeriesFigures>> },
    /// Send `count` probes to this target, and report.
    Measure { key: Key, task: Box<Task>, count: u32, report: tokio::sync::oneshot::Sender<Measured> },
    /// Probe this no more.
    Remove(Key),
}

/// The result of a measurement.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    pub counts: Counts,
    pub rtt: Option<RttStats>,
    /// Nanoseconds.
    pub ipdv: Option<f64>,
    pub reply_ttl: Option<u8>,
    /// From the command to the first probe.
    pub setup: Duration,
    /// Whether an answer was not the one that was expected.
    pub unexpected: bool,
    /// Each event in words.
    pub log: Vec<String>,
}

/// What a prober reports of itself.
#[derive(Debug)]
pub struct Health {
    /// How late each probe left.
    pub lateness: Mutex<Histogram>,
    /// Replies that the kernel dropped before they were read.
    pub dropped: AtomicU64,
    /// Delays by where their stamps were taken: user, kernel, hardware.
    pub stamps: [AtomicU64; 3],
    /// How many series are probed.
    pub series: AtomicU64,
    /// How often it has looked at what is to be done.
    pub turns: AtomicU64,
}

/// What a prober is called for, besides what concerns its probes.
#[derive(Debug)]
pub struct Calls {
    /// Commands may wait.
    pub commands: bool,
    /// A signal asked for the end.
    pub end: bool,
}

impl Calls {
    /// Commands may wait since before the prober began.
    pub const fn at_first() -> Self {
        Calls { commands: true, end: false }
    }

    /// Takes what is about the prober itself; false if it is about its probes.
    pub fn take(&mut self, inbound: &Inbound, health: &Health) -> bool {
        match inbound {
            Inbound::Control(Control::Supplied) => self.commands = true,
            Inbound::Control(Control::Interrupt | Control::Terminate) => self.end = true,
            Inbound::Dropped(dropped) => {
                health.dropped.fetch_add(dropped.count, Ordering::Relaxed);
            }
            _ => return false,
        }
        true
    }
}

/// Bounds of lateness, in seconds.
const LATENESS: [f64; 10] = [1e-4, 2.5e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 5e-2, 0.25, 1.0];

impl Default for Health {
    fn default() -> Self {
        let lateness = Mutex::new(Histogram::new(&Arc::from(LATENESS)));
        Health {
            lateness,
            dropped: AtomicU64::new(0),
            stamps: Default::default(),
            series: AtomicU64::new(0),
            turns: AtomicU64::new(0),
        }
    }
}

/// The names of [`Health::stamps`].
pub const STAMPS: [&str; 3] = ["user", "kernel", "hardware"];

/// A lock that a thread which died while holding it does not spoil: figures are whole between any two lines.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug)]
pub struct Prober {
    ping: Ping,
    commands: Receiver<ProbeCommand>,
    calls: Calls,
    watched: HashMap<SubjectId, Watched>,
    keys: HashMap<Key, SubjectId>,
    health: Arc<Health>,
    now: Now,
}

#[derive(Debug)]
struct Watched {
    key: Key,
    purpose: ProbePurpose,
}

#[derive(Debug)]
enum ProbePurpose {
    /// With what was counted before, where it was probed before.
    Series {
        figures: Arc<Mutex<SeriesFigures>>,
        before: Option<Box<Counts>>,
    },
    Measurement(Box<Measurement>),
}

#[derive(Debug)]
struct Measurement {
    count: u32,
    asked: Instant,
    decided: u32,
    /// Probes about which an ICMP error came: an answer may follow.
    errored: Vec<ProbeId>,
    rtts: Vec<(ProbeId, Rtt)>,
    measured: Measured,
    report: tokio::sync::oneshot::Sender<Measured>,
}

impl Prober {
    pub fn new(commands: Receiver<ProbeCommand>, health: Arc<Health>, seed: u64) -> Self {
        let config =
            Config { endless: true, keep_delays: false, memory: MEMORY, report_sent: true, seed, ..Config::default() };
        Prober {
            ping: Ping::new(config),
            commands,
            calls: Calls::at_first(),
            watched: HashMap::new(),
            keys: HashMap::new(),
            health,
            now: Now::default(),
        }
    }

    fn take_commands(&mut self, now: Now) {
        while let Ok(command) = self.commands.try_recv() {
            // Each adds one, and the memory for all of them together would stay.
            self.take_events();
            match command {
                ProbeCommand::Add { key, task, interval, phase, figures } => {
                    let start = now.mono + until(now.wall, interval, phase);
                    let before = lock(&figures).begin();
                    self.watch(key, *task, start, ProbePurpose::Series { figures, before }, now);
                }
                ProbeCommand::Measure { key, task, count, report } => {
                    let measurement = Measurement {
                        count,
                        asked: now.mono,
                        decided: 0,
                        errored: Vec::new(),
                        rtts: Vec::new(),
                        measured: Measured::default(),
                        report,
                    };
                    self.watch(key, *task, now.mono, ProbePurpose::Measurement(Box::new(measurement)), now);
                }
                ProbeCommand::Remove(key) => {
                    if let Some(id) = self.keys.get(&key).copied() {
                        self.ping.end_one(id, now);
                    }
                }
            }
        }
    }

    fn watch(&mut self, key: Key, task: Task, start: Instant, purpose: ProbePurpose, now: Now) {
        let Some(id) = self.ping.begin(task, start, now) else { return };
        self.keys.insert(key, id);
        self.watched.insert(id, Watched { key, purpose });
        self.health.series.store(self.watched.len() as u64, Ordering::Relaxed);
    }

    fn take_events(&mut self) {
        while let Some(event) = self.ping.poll_event() {
            self.take(event);
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Sent { subject, id, .. } => self.sent(subject.id, id),
            Event::Probe(event) => self.result(&event),
            Event::Ended(summary) => {
                let Some(watched) = self.watched.remove(&summary.subject.id) else { return };
                // The key may be that of another series by now, that began in the same turn.
                if self.keys.get(&watched.key) == Some(&summary.subject.id) {
                    self.keys.remove(&watched.key);
                }
                self.health.series.store(self.watched.len() as u64, Ordering::Relaxed);
                if let ProbePurpose::Measurement(measurement) = watched.purpose {
                    measurement.finish(summary.counts);
                }
            }
            _ => {}
        }
    }

    fn sent(&mut self, subject: SubjectId, probe: ProbeId) {
        let Some(watched) = self.watched.get_mut(&subject) else { return };
        match &mut watched.purpose {
            ProbePurpose::Series { figures, before } => count(&self.ping, subject, figures, before.as_deref(), |_| {}),
            ProbePurpose::Measurement(measurement) => {
                if probe == ProbeId::FIRST {
                    measurement.measured.setup = self.now.mono.since(measurement.asked);
                }
                if probe.get() >= ProbeId::FIRST.get() + u64::from(measurement.count) - 1 {
                    self.ping.stop_one(subject, self.now);
                }
            }
        }
    }

    fn result(&mut self, event: &ProbeEvent) {
        if let Some(delay) = event.delay.filter(|_| event.standing == Standing::First) {
            let kind = match delay.stamp {
                StampSource::User => 0,
                StampSource::Kernel => 1,
                StampSource::Hardware => 2,
            };
            self.health.stamps[kind].fetch_add(1, Ordering::Relaxed);
        }
        let subject = event.subject.id;
        let Some(watched) = self.watched.get_mut(&subject) else { return };
        match &mut watched.purpose {
            ProbePurpose::Series { figures, before } => {
                let now = self.now.mono;
                count(&self.ping, subject, figures, before.as_deref(), |figures| figures.take(event, now));
            }
            ProbePurpose::Measurement(measurement) => {
                measurement.take(event);
                if event.id.get() >= ProbeId::FIRST.get() + u64::from(measurement.count) - 1 {
                    self.ping.stop_one(subject, self.now);
                }
                if measurement.decided >= measurement.count {
                    self.ping.end_one(subject, self.now);
                }
            }
        }
    }
}

/// Copies the counts of a series, after what was counted `before`, and changes the rest.
fn count(
    ping: &Ping,
    subject: SubjectId,
    figures: &Mutex<SeriesFigures>,
    before: Option<&Counts>,
    change: impl FnOnce(&mut SeriesFigures),
) {
    let Some(counts) = ping.counts(subject) else { return };
    let mut figures = lock(figures);
    figures.counts = *counts;
    if let Some(before) = before {
        figures.counts.add(before);
    }
    change(&mut figures);
}

/// From this time to when the wall clock is next `phase` into an interval.
pub fn until(wall: WallTime, interval: Duration, phase: Duration) -> Duration {
    let interval = u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX).max(1);
    let phase = u64::try_from(phase.as_nanos()).unwrap_or(u64::MAX) % interval;
    let into = wall.as_nanos() % interval;
    Duration::from_nanos(if phase >= into { phase - into } else { interval - into + phase })
}

impl Measurement {
    fn take(&mut self, event: &ProbeEvent) {
        // The target decides how many events there are.
        if self.measured.log.len() < MOST_LOGGED {
            self.measured.log.push(words(event));
        }
        if event.standing != Standing::First {
            return;
        }
        // An answer after an error is about a probe that counts already.
        let errored = self.errored.contains(&event.id);
        self.decided += u32::from(!errored);
        if matches!(event.outcome, Outcome::Error(_)) && !errored {
            self.errored.push(event.id);
        }
        match &event.outcome {
            Outcome::Reply(_) => {
                self.measured.reply_ttl = event.reply_ttl.map(|ttl| ttl.get());
                self.rtts.extend(event.rtt().map(|rtt| (event.id, rtt)));
            }
            // Where the other side may go on to speak, what is expected may still come.
            Outcome::Refused(refusal) => {
                self.measured.unexpected |= refusal.failure() == Some(ExchangeFailure::Unexpected);
            }
            Outcome::Error(_) | Outcome::Timeout(_) | Outcome::NotSent(_) => {}
        }
    }

    fn finish(mut self, counts: Counts) {
        self.rtts.sort_unstable_by_key(|(probe, _)| *probe);
        let (mut rtts, mut ipdv) = (RttRecorder::default(), Ipdv::default());
        self.rtts.iter().for_each(|(_, rtt)| rtts.record(*rtt));
        for ((one, before), (next, after)) in self.rtts.iter().zip(self.rtts.iter().skip(1)) {
            if one.next() == *next {
                ipdv.record(*before, *after);
            }
        }
        let measured = Measured { counts, rtt: rtts.stats(), ipdv: ipdv.mean(), ..self.measured };
        // The client may have left.
        let _ = self.report.send(measured);
    }
}

/// A result in a few words.
fn words(event: &ProbeEvent) -> String {
    let (probe, outcome) = (event.id.get(), event.outcome.name());
    let mut text = format!("probe={probe} outcome={outcome}");
    if let Some(responder) = event.responder {
        text += &format!(" from={responder}");
    }
    if let Some(rtt) = event.rtt() {
        text += &format!(" rtt={}s", rtt.as_duration().as_secs_f64());
    }
    if let Some((kind, code)) = event.icmp() {
        text += &format!(" icmp={kind}/{code}");
    }
    match &event.outcome {
        Outcome::NotSent(not_sent) => text += &format!(" error=\"{}\"", not_sent.error),
        Outcome::Refused(Refusal::Unexpected(_)) => {
            text += " error=\"the answer is not the one that was expected\"";
        }
        _ => {}
    }
    text
}

impl Machine for Prober {
    /// There are none: figures are written where they belong.
    type Event = std::convert::Infallible;

    fn poll_orders(&mut self, now: Now, outbox: &mut Outbox) {
        self.now = now;
        self.health.turns.fetch_add(1, Ordering::Relaxed);
        if self.calls.commands && self.ping.is_probing() {
            self.calls.commands = false;
            self.take_commands(now);
        }
        self.ping.poll_orders(now, outbox);
        let ordered = self.ping.ordered_from();
        if !ordered.is_empty() {
            let mut lateness = lock(&self.health.lateness);
            ordered.iter().for_each(|due| lateness.record(now.mono.since(*due).as_secs_f64()));
        }
    }

    fn handle(&mut self, now: Now, inbound: &Inbound, octets: &Arena) {
        if !self.calls.take(inbound, &self.health) {
            self.ping.handle(now, inbound, octets);
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        if self.calls.commands { Some(Instant::ZERO) } else { self.ping.poll_timeout() }
    }

    fn handle_timeout(&mut self, now: Now) {
        self.ping.handle_timeout(now);
    }

    fn poll_event(&mut self) -> Option<Self::Event> {
        self.take_events();
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
    use crate::channel::{LaneId, Order, Profile, Sent, Transmit};
    use crate::engine::outcome::{Pace, Spec};
    use crate::engine::{Destination, Target};
    use crate::exporter::figures::tests::{error, event, options};
    use crate::types::{IpEndpoint, Stamp};

    /// A prober and the hands that turn it.
    struct Rig {
        prober: Prober,
        commands: Sender<ProbeCommand>,
        figures: Arc<Mutex<SeriesFigures>>,
        now: Instant,
    }

    impl Rig {
        fn new() -> Rig {
            let (commands, received) = channel();
            let figures = Arc::new(Mutex::new(SeriesFigures::new(&options())));
            let now = Instant::from_nanos(1_000_000_000);
            Rig { prober: Prober::new(received, Arc::default(), 3), commands, figures, now }
        }

        fn add(&self, key: Key) {
            let endpoint = IpEndpoint::from_address([192, 0, 2, 1].into());
            let destination = Destination::Reachable {
                endpoint,
                source: None,
                lane: LaneId::new(0),
                profile: Arc::new(Profile::RAW_ICMP),
            };
            let target = Target { zone: None, target: "t".into(), name: "t".into(), numeric: true, destination };
            let interval = Duration::from_secs(1);
            let spec = Arc::new(Spec { pace: Pace::Fixed(interval), ..Spec::default() });
            let (task, figures) = (Box::new(Task::icmp(target, spec)), Arc::clone(&self.figures));
            self.commands.send(ProbeCommand::Add { key, task, interval, phase: Duration::ZERO, figures }).unwrap();
        }

        /// Obeys, and lets a second pass; every probe leaves.
        fn turn(&mut self) {
            self.prober.handle(self.clocks(), &Inbound::Control(Control::Supplied), &Arena::default());
            let mut outbox = Outbox::default();
            for _ in 0..2 {
                self.prober.handle_timeout(self.clocks());
                self.prober.poll_orders(self.clocks(), &mut outbox);
                while let Some(order) = outbox.pop_front() {
                    let Order::Send(Transmit { token, .. }) = order else { panic!("{order:?}") };
                    let stamp = Stamp::user(self.clocks());
                    let sent = Inbound::Sent(Sent { token, stamp, scheduled: None, local: None });
                    self.prober.handle(self.clocks(), &sent, &Arena::default());
                }
                assert!(self.prober.poll_event().is_none());
                self.now = self.now + Duration::from_millis(500);
            }
        }

        fn clocks(&self) -> Now {
            Now { mono: self.now, wall: WallTime::from_nanos(self.now.as_nanos()) }
        }

        fn sent(&self) -> u64 {
            lock(&self.figures).counts.sent
        }
    }

    #[test]
    fn what_is_probed_again_goes_on_with_what_was_counted_before() {
        let mut rig = Rig::new();
        rig.turn();
        rig.add(7);
        rig.turn();
        rig.turn();
        let before = rig.sent();
        assert!(before > 0);
        rig.commands.send(ProbeCommand::Remove(7)).unwrap();
        rig.turn();
        rig.add(7);
        rig.turn();
        assert_eq!(rig.sent(), before + 1);
        // In one turn it ends and begins, and is known under its key all the same.
        rig.commands.send(ProbeCommand::Remove(7)).unwrap();
        rig.add(7);
        rig.turn();
        assert_eq!(rig.sent(), before + 2);
        rig.commands.send(ProbeCommand::Remove(7)).unwrap();
        rig.turn();
        assert_eq!(rig.prober.health.series.load(Ordering::Relaxed), 0);
        assert!(rig.prober.keys.is_empty() && rig.prober.watched.is_empty());
    }

    #[test]
    fn an_answer_after_an_icmp_error_decides_no_second_probe_of_a_measurement() {
        let (report, _measured) = tokio::sync::oneshot::channel();
        let mut measurement = Measurement {
            count: 2,
            asked: Instant::ZERO,
            decided: 0,
            errored: Vec::new(),
            rtts: Vec::new(),
            measured: Measured::default(),
            report,
        };
        for (event, decided) in [(error(1), 1), (error(1), 1), (event(1, Some(100)), 1), (event(2, Some(100)), 2)] {
            measurement.take(&event);
            assert_eq!(measurement.decided, decided, "{event:?}");
        }
    }

    #[test]
    fn a_probe_is_due_at_its_phase_of_the_wall_clock() {
        let wall = WallTime::from_nanos(10_300_000_000);
        let second = Duration::from_secs(1);
        for (phase, millis) in [(300, 0), (500, 200), (100, 800), (1300, 0)] {
            let due = until(wall, second, Duration::from_millis(phase));
            assert_eq!(due, Duration::from_millis(millis), "{phase}");
        }
    }
}
