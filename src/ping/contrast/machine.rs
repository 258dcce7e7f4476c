//! The Machine of a comparison, in which the methods take turns: [`Contrast`].

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::config::{Config, Contender};
use super::judge;
use super::record::{self, Comparison, Record};
use super::rounds::Rounds;
use crate::channel::{Arena, Control, Inbound, Outbox};
use crate::engine::condition::{Conditions, Judged};
use crate::engine::outcome::Subject;
use crate::engine::{Destination, Machine};
use crate::ping::{self, Pace, Ping, Spec, SubjectId, Task};
use crate::types::{Instant, Now};

/// The events of a comparison.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Those of each method; subjects are numbered as the contenders are.
    Ping(ping::Event),
    /// The comparison, once, after all others.
    Comparison(Box<Comparison>),
}

impl Event {
    /// The target, and the conditions held against it, at the end.
    pub fn ended(&self) -> Option<(Cow<'_, str>, &[Judged])> {
        match self {
            Event::Comparison(all) => Some((Cow::Borrowed(&all.subject.target), &all.conditions)),
            Event::Ping(_) => None,
        }
    }
}

/// A run that probes one target by several methods; see [`crate::ping::contrast`].
#[derive(Debug)]
pub struct Contrast {
    /// The first method's subject, until the comparison is reported.
    subject: Option<Arc<Subject>>,
    contenders: Vec<Contender>,
    records: Vec<Record>,
    ping: Ping,
    rounds: Option<Rounds>,
    count: u64,
    most: u64,
    events: VecDeque<ping::Event>,
    slot: Duration,
    seed: u64,
    conditions: Conditions,
}

impl Contender {
    /// Its name in tables and sentences.
    pub fn label(&self) -> String {
        record::label(self.method.kind(), (self.socket, self.port), self.varied)
    }
}

impl Contrast {
    /// A run that starts with its first turn.
    pub fn new(config: Config) -> Self {
        let Config { contenders, rounds, most_rounds, slot, mut ping } = config;
        let spec = Arc::new(Spec { pace: Pace::Called, ..Spec::clone(&ping.spec) });
        let task = |one: &Contender| {
            let spec = one.varied.map_or_else(|| Arc::clone(&spec), |varied| Arc::new(varied.spec(&spec)));
            Task { target: one.target.clone(), method: one.method.clone(), spec }
        };
        ping.targets = contenders.iter().map(task).collect();
        let conditions = std::mem::take(&mut ping.conditions);
        ping.preload = 1;
        ping.count = Some(most_rounds.max(rounds));
        let subject = |first: &Contender| Subject::new(SubjectId::new(0), &first.target, first.method.kind(), spec);
        Contrast {
            records: contenders.iter().map(|_| Record::default()).collect(),
            subject: contenders.first().map(subject).map(Arc::new),
            contenders,
            count: rounds,
            most: most_rounds,
            events: VecDeque::new(),
            slot,
            seed: ping.seed,
            conditions,
            ping: Ping::new(ping),
            rounds: None,
        }
    }

    fn begin(&self, now: Instant) -> Rounds {
        let runs = |one: &Contender| matches!(one.target.destination, Destination::Reachable { .. });
        let series = (0..).zip(&self.contenders).filter(|(_, one)| runs(one)).map(|(number, _)| number).collect();
        Rounds::new(now, self.slot, self.count, series, self.seed)
    }

    /// Records the events of the methods.
    fn record_events(&mut self) {
        while let Some(event) = self.ping.poll_event() {
            if let Some(record) = Record::subject(&event).and_then(|id| self.records.get_mut(id.index())) {
                record.take(&event);
            }
            self.events.push_back(event);
        }
    }

    /// After the last round, once all of its probes are decided: adds rounds, or ends the run.
    fn extend_or_stop(&mut self, now: Now) {
        let Some(rounds) = self.rounds.as_mut().filter(|rounds| rounds.next().is_none()) else { return };
        if !self.ping.is_settled() {
            return;
        }
        match judge::missing(&self.records, self.most.saturating_sub(self.count)) {
            0 => self.ping.stop(now),
            more => {
                rounds.extend(more);
                self.count += more;
            }
        }
    }
}

impl Machine for Contrast {
    type Event = Event;

    fn poll_orders(&mut self, now: Now, outbox: &mut Outbox) {
        self.ping.poll_orders(now, outbox);
        if !self.ping.is_probing() {
            return;
        }
        self.record_events();
        self.extend_or_stop(now);
        if self.rounds.is_none() {
            self.rounds = Some(self.begin(now.mono));
        }
        // After a pause, as after a stall, the slots begin anew.
        let rounds = self.rounds.as_mut().filter(|_| self.ping.is_sending());
        let called = rounds.and_then(|rounds| rounds.take(now.mono));
        if let Some(series) = called {
            self.ping.call(SubjectId::new(series), now);
            self.ping.poll_orders(now, outbox);
        }
    }

    fn handle(&mut self, now: Now, inbound: &Inbound, octets: &Arena) {
        // The methods of a comparison do not change.
        let other_targets = matches!(inbound, Inbound::Control(Control::Add { .. } | Control::Remove { .. }));
        if !other_targets {
            self.ping.handle(now, inbound, octets);
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let slot = self.rounds.as_ref().and_then(Rounds::next).filter(|_| self.ping.is_sending());
        // The first slot begins at once.
        let first = (self.rounds.is_none() && self.ping.is_probing()).then_some(Instant::ZERO);
        [self.ping.poll_timeout(), slot, first].into_iter().flatten().min()
    }

    fn handle_timeout(&mut self, now: Now) {
        self.ping.handle_timeout(now);
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.record_events();
        if let Some(event) = self.events.pop_front() {
            return Some(Event::Ping(event));
        }
        let subject = self.subject.take_if(|_| self.ping.is_finished())?;
        let mut comparison = judge::compare(subject, &self.contenders, &self.records, self.slot);
        comparison.judge_conditions(&self.conditions, &self.contenders);
        Some(Event::Comparison(Box::new(comparison)))
    }

    fn is_finished(&self) -> bool {
        self.ping.is_finished()
    }
}
