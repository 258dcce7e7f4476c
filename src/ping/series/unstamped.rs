//! Answers that overtook the send stamp of their probe: each is emitted once the stamp is known, or a tick later without it.

use std::collections::VecDeque;

use super::{Context, Series};
use crate::channel::SendStamps;
use crate::engine::delay;
use crate::engine::outcome::{Delay, Outcome, ProbeEvent, Standing};
use crate::ping::event::Event;
use crate::ping::probe::{Probe, ProbeState};
use crate::types::{Instant, ProbeId, Rtt, Stamp, StampSource};

/// An answer that is counted and not emitted yet.
#[derive(Debug)]
pub(super) struct Unstamped {
    event: ProbeEvent,
    /// The end of its delay, if it has one.
    runs_to: Option<Stamp>,
    until: Instant,
}

impl Series {
    /// Emits an answer as soon as its delay is known. Answers keep their order.
    pub(super) fn emit(&mut self, event: ProbeEvent, runs_to: Option<Stamp>, context: &mut Context<'_>) {
        if self.unstamped.is_empty() && !self.awaits_stamp(event.id, runs_to) {
            return self.emit_now(event, runs_to, context.events);
        }
        let now = context.now.mono;
        self.unstamped.push_back(Unstamped { event, runs_to, until: now + delay::TICK });
        self.emit_ready(now, context.events);
    }

    /// Emits those that wait for nothing any more at `now`.
    pub(super) fn emit_ready(&mut self, now: Instant, events: &mut VecDeque<Event>) {
        while self
            .unstamped
            .front()
            .is_some_and(|first| first.until <= now || !self.awaits_stamp(first.event.id, first.runs_to))
        {
            self.emit_first(events);
        }
    }

    /// Emits all of them, as they are.
    pub(super) fn emit_all(&mut self, events: &mut VecDeque<Event>) {
        while !self.unstamped.is_empty() {
            self.emit_first(events);
        }
    }

    /// When the first of them waits no longer.
    pub(super) fn unstamped_until(&self) -> Option<Instant> {
        self.unstamped.front().map(|first| first.until)
    }

    fn emit_first(&mut self, events: &mut VecDeque<Event>) {
        if let Some(Unstamped { event, runs_to, .. }) = self.unstamped.pop_front() {
            self.emit_now(event, runs_to, events);
        }
    }

    fn emit_now(&mut self, mut event: ProbeEvent, runs_to: Option<Stamp>, events: &mut VecDeque<Event>) {
        if let (Some(probe), Some(arrived)) = (self.probes.get(event.id), runs_to) {
            event.delay = Some(Delay { local_queue: probe.local_queue(), ..self.delay(&probe.sent(), &arrived) });
        }
        if let (Some(delay), Standing::First) = (event.delay, event.standing) {
            self.measure(event.id, (delay.rtt, delay.stamp));
        }
        let is_reply = matches!(event.outcome, Outcome::Reply(_));
        if is_reply {
            self.count_responder(&event);
        }
        if self.report_replies || !is_reply {
            events.push_back(Event::Probe(event));
        }
    }

    /// The delay between two stamps, where no other send stamp is to come.
    pub(super) fn delay(&self, sent: &Stamp, arrived: &Stamp) -> Delay {
        let unstamped = self.profile().is_some_and(|profile| !profile.send_stamps.are_kernels());
        let (rtt, stamp) = match unstamped && !self.user_to_user {
            true => delay::until_arrival(sent, arrived),
            false => delay::between(sent, arrived),
        };
        Delay { rtt, stamp, user: Rtt::between(sent.user.mono, arrived.user.mono), local_queue: None }
    }

    /// Whether a stamp of the probe is still to come that a delay up to `runs_to` could use.
    fn awaits_stamp(&self, id: ProbeId, runs_to: Option<Stamp>) -> bool {
        let wanted = self.profile().map_or(SendStamps::None, |profile| profile.send_stamps);
        if !wanted.are_kernels() {
            return false;
        }
        let sent = self.probes.get(id).map(Probe::sent);
        sent.zip(runs_to).is_some_and(|(sent, arrived)| delay::is_incomplete(wanted, &sent, &arrived))
    }

    /// Takes the delay of an answer that counts into the statistics.
    fn measure(&mut self, id: ProbeId, delay: (Rtt, StampSource)) {
        let measured = |probe: Option<&Probe>| match probe.map(|probe| probe.state) {
            Some(ProbeState::Received(measured)) => measured,
            _ => None,
        };
        let before = id.get().checked_sub(1).and_then(|number| self.probes.get(ProbeId::new(number)));
        let neighbours = [measured(before), measured(self.probes.get(id.next()))];
        self.delays.record(delay, neighbours.into_iter().flatten());
        if let Some(Probe { state: ProbeState::Received(measured), .. }) = self.probes.get_mut(id) {
            *measured = Some(delay);
        }
    }

    fn count_responder(&mut self, event: &ProbeEvent) {
        let Some((responder, delay)) = event.responder.zip(event.delay) else { return };
        if self.group && event.standing != Standing::Inconclusive {
            let responders = self.responders.get_or_insert_default();
            responders.record(responder, event.id, (delay.rtt, delay.stamp), event.standing.is_late());
        }
    }
}
