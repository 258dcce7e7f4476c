//! Replies that overtook the send stamp of their probe: each is told once the stamp is known, or a tick later without it.

use std::collections::VecDeque;

use super::Series;
use crate::channel::SendStamps;
use crate::engine::delay;
use crate::ping::event::{Event, Reply};
use crate::ping::probe::{Fate, Probe};
use crate::types::{Instant, ProbeId, Rtt, Stamp, StampSource};

/// A reply that is counted and not told yet.
#[derive(Debug)]
pub(in crate::ping) struct Held {
    reply: Box<Reply>,
    arrived: Stamp,
    /// Whether its delay is to enter the statistics.
    measured: bool,
    until: Instant,
}

impl Series {
    /// Tells a reply, with its delay, as soon as that is known. Replies keep their order.
    pub(super) fn tell(
        &mut self,
        reply: Reply,
        (arrived, measured): (Stamp, bool),
        now: Instant,
        events: &mut VecDeque<Event>,
    ) {
        self.held.push_back(Held { reply: Box::new(reply), arrived, measured, until: now + delay::TICK });
        self.release(now, events);
    }

    /// Tells those that wait for nothing any more at `now`.
    pub(super) fn release(&mut self, now: Instant, events: &mut VecDeque<Event>) {
        while self.held.front().is_some_and(|held| held.until <= now || !self.awaits_stamp(held)) {
            self.release_one(events);
        }
    }

    /// Tells all of them, as they are.
    pub(super) fn release_all(&mut self, events: &mut VecDeque<Event>) {
        while !self.held.is_empty() {
            self.release_one(events);
        }
    }

    /// When the first of them waits no longer.
    pub(super) fn held_until(&self) -> Option<Instant> {
        self.held.front().map(|held| held.until)
    }

    fn release_one(&mut self, events: &mut VecDeque<Event>) {
        let Some(Held { mut reply, arrived, measured, .. }) = self.held.pop_front() else { return };
        if let Some(probe) = self.probes.get(reply.probe) {
            let sent = probe.sent();
            (reply.rtt, reply.stamp) = delay::between(&sent, &arrived);
            reply.user_rtt = Rtt::between(sent.user.mono, arrived.user.mono);
            reply.local_queue = probe.local_queue();
        }
        if measured {
            self.measure(reply.probe, (reply.rtt, reply.stamp));
        }
        events.push_back(Event::Reply(reply));
    }

    /// Whether a stamp of the probe is still to come that this reply could use.
    fn awaits_stamp(&self, held: &Held) -> bool {
        let wish = self.route().map_or(SendStamps::None, |route| route.profile.send_stamps);
        let sent = self.probes.get(held.reply.probe).map(Probe::sent);
        sent.is_some_and(|sent| delay::is_incomplete(wish, &sent, &held.arrived))
    }

    /// Takes the delay of a reply that counts into the statistics.
    fn measure(&mut self, id: ProbeId, delay: (Rtt, StampSource)) {
        let measured = |probe: Option<&Probe>| match probe.map(|probe| probe.fate) {
            Some(Fate::Received(measured)) => measured,
            _ => None,
        };
        let before = id.get().checked_sub(1).and_then(|number| self.probes.get(ProbeId::new(number)));
        let neighbours = [measured(before), measured(self.probes.get(id.next()))];
        self.delays.record(delay, neighbours.into_iter().flatten());
        if let Some(probe) = self.probes.get_mut(id) {
            probe.fate = Fate::Received(Some(delay));
        }
    }
}
