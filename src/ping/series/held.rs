//! Answers that overtook the send stamp of their probe: each is told once the stamp is known, or a tick later without it.

use std::collections::VecDeque;

use super::{Context, Series};
use crate::channel::SendStamps;
use crate::engine::delay;
use crate::ping::event::{Event, Refusal, Reply};
use crate::ping::probe::{Fate, Probe};
use crate::types::{Instant, ProbeId, Rtt, Stamp, StampSource};

/// An answer with a delay. Most are replies, of which none is to cost memory of its own before it is told.
#[derive(Debug)]
pub(in crate::ping) enum Told {
    Reply(Reply),
    Refusal(Box<Refusal>),
}

/// An answer that is counted and not told yet.
#[derive(Debug)]
pub(in crate::ping) struct Held {
    told: Told,
    /// What its delay runs to, if it has one.
    runs_to: Option<Stamp>,
    /// Whether its delay is to enter the statistics.
    measured: bool,
    until: Instant,
}

impl Series {
    /// Tells an answer, with its delay, as soon as that is known. Answers keep their order.
    pub(super) fn tell(&mut self, told: Told, runs_to: Option<Stamp>, measured: bool, context: &mut Context<'_>) {
        let now = context.now.mono;
        let held = Held { told, runs_to, measured, until: now + delay::TICK };
        if self.held.is_empty() && !self.awaits_stamp(&held) {
            return self.tell_now(held, context.events);
        }
        self.held.push_back(held);
        self.tell_ready(now, context.events);
    }

    /// Tells those that wait for nothing any more at `now`.
    pub(super) fn tell_ready(&mut self, now: Instant, events: &mut VecDeque<Event>) {
        while self.held.front().is_some_and(|held| held.until <= now || !self.awaits_stamp(held)) {
            self.tell_first(events);
        }
    }

    /// Tells all of them, as they are.
    pub(super) fn tell_all(&mut self, events: &mut VecDeque<Event>) {
        while !self.held.is_empty() {
            self.tell_first(events);
        }
    }

    /// When the first of them waits no longer.
    pub(super) fn held_until(&self) -> Option<Instant> {
        self.held.front().map(|held| held.until)
    }

    fn tell_first(&mut self, events: &mut VecDeque<Event>) {
        if let Some(first) = self.held.pop_front() {
            self.tell_now(first, events);
        }
    }

    fn tell_now(&mut self, held: Held, events: &mut VecDeque<Event>) {
        let Held { mut told, runs_to, measured, .. } = held;
        if let (Some(probe), Some(arrived)) = (self.probes.get(told.probe()), runs_to) {
            told.time(self.delay(&probe.sent(), &arrived), probe.local_queue());
        }
        if let (Some(delay), true) = (told.delay(), measured) {
            self.measure(told.probe(), delay);
        }
        match told {
            Told::Reply(reply) => {
                self.count_responder(&reply);
                if self.tells_replies {
                    events.push_back(Event::Reply(Box::new(reply)));
                }
            }
            Told::Refusal(refusal) => events.push_back(Event::Refused(refusal)),
        }
    }

    /// The delay between two stamps, where no other of what left is to come.
    pub(super) fn delay(&self, sent: &Stamp, arrived: &Stamp) -> (Rtt, StampSource) {
        let unstamped = self.profile().is_some_and(|profile| profile.send_stamps == SendStamps::None);
        if unstamped && !self.user_to_user {
            delay::until_arrival(sent, arrived)
        } else {
            delay::between(sent, arrived)
        }
    }

    /// Whether a stamp of the probe is still to come that this answer could use.
    fn awaits_stamp(&self, held: &Held) -> bool {
        let wish = self.profile().map_or(SendStamps::None, |profile| profile.send_stamps);
        if wish == SendStamps::None {
            return false;
        }
        let sent = self.probes.get(held.told.probe()).map(Probe::sent);
        sent.zip(held.runs_to).is_some_and(|(sent, arrived)| delay::is_incomplete(wish, &sent, &arrived))
    }

    /// Takes the delay of an answer that counts into the statistics.
    fn measure(&mut self, id: ProbeId, delay: (Rtt, StampSource)) {
        let measured = |probe: Option<&Probe>| match probe.map(|probe| probe.fate) {
            Some(Fate::Received(measured)) => measured,
            _ => None,
        };
        let before = id.get().checked_sub(1).and_then(|number| self.probes.get(ProbeId::new(number)));
        let neighbours = [measured(before), measured(self.probes.get(id.next()))];
        self.delays.record(delay, neighbours.into_iter().flatten());
        if let Some(Probe { fate: Fate::Received(measured), .. }) = self.probes.get_mut(id) {
            *measured = Some(delay);
        }
    }

    fn count_responder(&mut self, reply: &Reply) {
        let Some(responder) = reply.responder.filter(|_| !reply.bad_checksum) else { return };
        if let Some(responders) = &mut self.responders {
            responders.record(responder, reply.probe, (reply.rtt, reply.stamp), reply.late);
        }
    }
}

impl Told {
    fn probe(&self) -> ProbeId {
        match self {
            Told::Reply(reply) => reply.probe,
            Told::Refusal(refusal) => refusal.probe,
        }
    }

    fn delay(&self) -> Option<(Rtt, StampSource)> {
        match self {
            Told::Reply(reply) => Some((reply.rtt, reply.stamp)),
            Told::Refusal(refusal) => refusal.rtt.zip(refusal.stamp),
        }
    }

    /// Sets the delay to what is known of its beginning by now.
    fn time(&mut self, (rtt, stamp): (Rtt, StampSource), local_queue: Option<Rtt>) {
        match self {
            Told::Reply(reply) => (reply.rtt, reply.stamp, reply.local_queue) = (rtt, stamp, local_queue),
            Told::Refusal(refusal) => (refusal.rtt, refusal.stamp) = (Some(rtt), Some(stamp)),
        }
    }
}
