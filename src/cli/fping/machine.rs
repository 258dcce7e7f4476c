//! The Machine of a run as fping has it: [`Fping`].

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use crate::channel::{Arena, Control, Inbound, Outbox};
use crate::engine::outcome::{Outcome, ProbeEvent, Standing, SubjectId};
use crate::engine::{Machine, Timers};
use crate::ping::{Event, Ping};
use crate::types::{Instant, Now, WallTime};

/// How targets are probed until they answer.
#[derive(Clone, Copy, Debug)]
pub struct Retries {
    /// How often a silent target is probed again.
    pub times: u32,
    /// How long the first probe is waited for.
    pub wait: Duration,
    /// How many times as long each wait is as the one before.
    pub backoff: f64,
}

/// What a run has beyond what its Ping does.
#[derive(Debug, Default)]
pub struct Schedule {
    /// Addresses whose names must be known before the first probe.
    pub names: Vec<IpAddr>,
    /// Targets are probed until they answer, by probes that this Machine calls for.
    pub retries: Option<Retries>,
    /// How often a report is due.
    pub report_every: Option<Duration>,
    /// How many targets must answer to end the run.
    pub enough: Option<u32>,
}

/// What is known of a target.
#[derive(Clone, Copy, Debug, Default)]
struct Attempts {
    called: u32,
    wait: Duration,
    alive: bool,
    /// It has answered, or all waits are over, or it cannot be probed.
    decided: bool,
}

/// A ping run in which silent targets are probed again after waits of growing length, and which makes reports on the way. Its events
/// are those of the run, and when each was known.
#[derive(Debug)]
pub struct Fping {
    ping: Ping,
    schedule: Schedule,
    targets: Vec<Attempts>,
    /// Names that were asked for and are not known yet.
    unnamed: usize,
    begun: bool,
    /// When the wait for the newest probe to each target is over.
    waits: Timers,
    undecided: usize,
    alive: u32,
    next_report: Option<Instant>,
    ended: bool,
    /// Everything that arrived up to here was handled.
    seen: Instant,
    events: VecDeque<(WallTime, Event)>,
}

impl Fping {
    /// A run of this many targets that starts with its first turn; with [`Schedule::retries`] their pace is
    /// [`crate::ping::Pace::Called`].
    pub fn new(ping: Ping, targets: usize, schedule: Schedule) -> Self {
        let wanted = |&address: &IpAddr| (WallTime::from_nanos(0), Event::NameWanted(address));
        let wait = schedule.retries.map_or(Duration::ZERO, |retries| retries.wait);
        Fping {
            ping,
            targets: vec![Attempts { called: 1, wait, ..Attempts::default() }; targets],
            unnamed: schedule.names.len(),
            begun: false,
            waits: Timers::default(),
            undecided: targets,
            alive: 0,
            next_report: None,
            ended: false,
            seen: Instant::ZERO,
            events: schedule.names.iter().map(wanted).collect(),
            schedule,
        }
    }

    fn begin(&mut self, now: Now) {
        self.begun = true;
        self.next_report = self.schedule.report_every.map(|every| now.mono + every);
        if self.schedule.retries.is_some() {
            (0..self.targets.len()).for_each(|index| self.call(index, now));
        }
    }

    fn call(&mut self, index: usize, now: Now) {
        if let Ok(number) = u32::try_from(index) {
            self.ping.call(SubjectId::new(number), now);
        }
    }

    /// The wait for the newest probe to a target is over.
    fn expire(&mut self, index: u32, retries: Retries, now: Now) {
        self.waits.set(index, None);
        let Some(target) = self.targets.get_mut(index as usize) else { return };
        if target.called > retries.times {
            return self.decide(index as usize);
        }
        target.called += 1;
        target.wait = target.wait.mul_f64(retries.backoff.max(1.0));
        self.call(index as usize, now);
    }

    fn decide(&mut self, index: usize) {
        let Some(target) = self.targets.get_mut(index).filter(|target| !target.decided) else { return };
        target.decided = true;
        self.undecided -= 1;
        if let Ok(number) = u32::try_from(index) {
            self.waits.set(number, None);
        }
    }

    /// Takes note of what happened in the run.
    fn take(&mut self, now: Now) {
        while let Some(event) = self.ping.poll_event() {
            match &event {
                Event::Sent { subject, .. } => self.sent(subject.id, now),
                Event::Probe(probe) => self.probe(probe),
                _ => {}
            }
            self.events.push_back((now.wall, event));
        }
        let enough = self.schedule.enough.is_some_and(|enough| self.alive >= enough);
        let over = self.begun && self.undecided == 0 && self.schedule.retries.is_some();
        if (enough || over) && !std::mem::replace(&mut self.ended, true) {
            self.ping.handle(now, &Inbound::Control(Control::Interrupt), &Arena::default());
        }
    }

    fn sent(&mut self, id: SubjectId, now: Now) {
        if let Some(target) = self.targets.get(id.index()).filter(|target| !target.decided)
            && self.schedule.retries.is_some()
        {
            self.waits.set(id.get(), Some(now.mono.saturating_add(target.wait)));
        }
    }

    fn probe(&mut self, probe: &ProbeEvent) {
        let index = probe.subject.id.index();
        match probe.outcome {
            Outcome::Reply(_) if probe.standing == Standing::First => {
                if let Some(target) = self.targets.get_mut(index) {
                    self.alive += u32::from(!std::mem::replace(&mut target.alive, true));
                }
                self.decide(index);
            }
            Outcome::NotSent(_) => self.decide(index),
            _ => {}
        }
    }
}

impl Machine for Fping {
    type Event = (WallTime, Event);

    fn poll_orders(&mut self, now: Now, outbox: &mut Outbox) {
        if self.unnamed > 0 {
            return;
        }
        self.seen = now.mono;
        if let Some((due, every)) = self.next_report.zip(self.schedule.report_every).filter(|&(due, _)| due <= now.mono)
        {
            let missed = now.mono.since(due).as_nanos() / every.as_nanos().max(1);
            self.next_report = Some(due + every * u32::try_from(missed + 1).unwrap_or(u32::MAX));
            self.ping.handle(now, &Inbound::Control(Control::Interim), &Arena::default());
        }
        self.ping.poll_orders(now, outbox);
        if !self.begun && self.ping.is_probing() {
            self.begin(now);
            self.ping.poll_orders(now, outbox);
        }
        self.take(now);
    }

    fn handle(&mut self, now: Now, inbound: &Inbound, octets: &Arena) {
        match inbound {
            Inbound::Control(Control::Name(answer)) => {
                self.unnamed = self.unnamed.saturating_sub(1);
                if let Some(name) = answer.name.clone() {
                    self.events.push_back((now.wall, Event::Named { address: answer.address, name }));
                }
                return;
            }
            Inbound::Control(Control::Interrupt | Control::Terminate) => self.unnamed = 0,
            _ => {}
        }
        self.ping.handle(now, inbound, octets);
        self.take(now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        if self.unnamed > 0 {
            return None;
        }
        let wait = self.waits.first().map(|(at, _)| at);
        let begin = (!self.begun && self.ping.is_probing()).then_some(Instant::ZERO);
        [self.ping.poll_timeout(), wait, self.next_report, begin].into_iter().flatten().min()
    }

    fn handle_timeout(&mut self, now: Now) {
        self.ping.handle_timeout(now);
        // As in the run itself: an answer that arrived in time may not have been read when the wait was over.
        let seen = std::mem::replace(&mut self.seen, now.mono);
        if let Some(retries) = self.schedule.retries {
            while let Some((_, index)) = self.waits.first().filter(|&(until, _)| until <= seen) {
                self.expire(index, retries, now);
            }
        }
        self.take(now);
    }

    fn poll_event(&mut self) -> Option<Self::Event> {
        self.events.pop_front()
    }

    fn is_finished(&self) -> bool {
        self.ping.is_finished()
    }
}
