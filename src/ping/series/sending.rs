//! When the probes of a series leave, and those that the kernel does not send.

use std::sync::Arc;
use std::time::Duration;

use super::{Context, Pacer, Series};
use crate::channel::{OsError, Refused, Sent};
use crate::engine::Destination;
use crate::engine::outcome::{MethodKind, NotSent, Outcome, Pace, ProbeEvent, Refusal, Spec, Standing};
use crate::engine::pace::{Slots, flood_window};
use crate::ping::config::Config;
use crate::ping::event::Event;
use crate::ping::probe::{Probe, ProbeState};
use crate::types::{Instant, Port, ProbeId, Rtt, Stamp};

/// Interval of an adaptive series before its first answer.
const FIRST_PATIENCE: Duration = Duration::from_secs(1);

/// The least time from a probe that was not sent to the next: the cause may need a moment to pass.
const REFUSED_GAP: Duration = Duration::from_millis(10);

/// The same where no port is left to connect from: each is free again a minute after it was closed (TIME-WAIT).
const NO_PORT_GAP: Duration = Duration::from_millis(100);

impl Series {
    /// The next probe is to leave now, if the application sets the pace.
    pub(in crate::ping) fn call(&mut self) {
        if let Pacer::Called(called) = &mut self.pacer {
            *called += 1;
        }
    }

    /// No more probes; those that are open are waited for.
    pub(in crate::ping) fn stop(&mut self) {
        self.stopped = true;
    }

    /// Its probes leave from `now` on, by this interval if one is given; the slots until then are no stall.
    pub(in crate::ping) fn pace_anew(&mut self, now: Instant, interval: Option<Duration>) {
        let Pace::Fixed(before) = self.spec.pace else { return };
        let interval = interval.unwrap_or(before);
        if interval != before {
            self.spec = Arc::new(Spec { pace: Pace::Fixed(interval), ..Spec::clone(&self.spec) });
        }
        let soonest = self.last_sent.map_or(now, |last| last + interval);
        self.pacer = Pacer::Slots(Slots::new(now.max(soonest), interval));
    }

    /// No more probes as long as its name has another address; those that are open are waited for.
    pub(in crate::ping) fn retire(&mut self) {
        self.retired = true;
    }

    /// Its probes begin, or go on, at `start`.
    pub(in crate::ping) fn revive(&mut self, start: Instant) {
        self.retired = false;
        self.begin(start);
    }

    /// When its next probe is due, if there is to be one.
    pub(in crate::ping) fn next_send(&self, config: &Config) -> Option<Instant> {
        if self.is_done_sending(config) || !self.can_be_probed() {
            return None;
        }
        if self.refused && self.unconfirmed > 0 || self.has_one_port() && self.counts.pending > 0 {
            return None;
        }
        let ordered = number(self.probes.newest());
        let pace = self.spec.pace;
        if ordered < u64::from(config.preload) && pace != Pace::Called {
            return Some(self.start.max(self.not_before));
        }
        let due = match &self.pacer {
            Pacer::Slots(slots) => slots.next(),
            Pacer::Window(window) => {
                let in_flight = ordered.saturating_sub(number(self.newest_answered));
                let most = match pace {
                    Pace::Unpaced => u64::MAX,
                    Pace::Flood => flood_window(self.timed_arrivals),
                    Pace::Adaptive { .. } | Pace::Fixed(_) | Pace::Called => 1,
                };
                let room = in_flight < most.max(config.preload.into());
                let patience = match pace {
                    Pace::Adaptive { .. } => self.delays.ewma().map_or(FIRST_PATIENCE, Rtt::as_duration),
                    Pace::Fixed(_) | Pace::Flood | Pace::Unpaced | Pace::Called => Duration::ZERO,
                };
                window.next(self.start, room, patience)
            }
            Pacer::Called(called) if ordered < *called => self.start,
            Pacer::Called(_) => return None,
        };
        Some(due.max(self.not_before))
    }

    /// Takes the next probe's number and slot; `allowed` is when it could leave at the earliest.
    pub(in crate::ping) fn order(&mut self, allowed: Instant, context: &mut Context<'_>) -> ProbeId {
        self.report_open(context);
        self.forget(context);
        let id = self.probes.push(Probe::ordered());
        self.unconfirmed += 1;
        match &mut self.pacer {
            // Probes sent at once at the start all use the first slot.
            Pacer::Slots(slots) if id.get() >= u64::from(context.config.preload) => {
                self.counts.skipped += slots.take(allowed, context.now.mono);
            }
            Pacer::Slots(_) | Pacer::Called(_) => {}
            Pacer::Window(window) => window.take(context.now.mono),
        }
        id
    }

    /// A probe left, or the kernel's stamps of one that left before are known now.
    pub(in crate::ping) fn sent(&mut self, id: ProbeId, sent: &Sent, context: &mut Context<'_>) {
        let Some(probe) = self.probes.get_mut(id) else { return };
        match probe.state {
            ProbeState::NotSent => {}
            ProbeState::Ordered => {
                probe.state = ProbeState::Open;
                probe.leave(sent);
                self.left(id, sent, context);
            }
            _ => {
                probe.leave(sent);
                self.emit_ready(context.now.mono, context.events);
            }
        }
    }

    fn left(&mut self, id: ProbeId, sent: &Sent, context: &mut Context<'_>) {
        if self.method.connect().is_some() {
            self.connections.begin(id, sent.local.and_then(|local| local.port).map(Port::get));
        }
        self.refused = false;
        self.unconfirmed -= 1;
        self.counts.sent += 1;
        self.counts.pending += 1;
        let at = sent.stamp.user.mono;
        if let Pacer::Slots(slots) = &mut self.pacer
            && id.get() >= u64::from(context.config.preload)
        {
            self.counts.skipped += slots.left(at);
        }
        self.first_tried.get_or_insert(at);
        self.first_sent.get_or_insert(sent.stamp.user);
        self.last_sent = self.last_sent.max(Some(at));
        self.last_packet = self.last_packet.max(Some(at));
        self.newest_sent = self.newest_sent.max(Some(id));
        if context.config.report_sent {
            let in_flight = id.get().saturating_sub(number(self.newest_acknowledged));
            context.events.push_back(Event::Sent { subject: Arc::clone(&self.subject), id, in_flight });
        }
    }

    /// The kernel would not send a probe.
    pub(in crate::ping) fn refused(&mut self, id: ProbeId, refused: &Refused, context: &mut Context<'_>) {
        let Some(probe) = self.probes.get_mut(id) else { return };
        if probe.state != ProbeState::Ordered {
            return self.write_refused(id, context);
        }
        if refused.error == OsError::ECONNREFUSED && self.subject.method != MethodKind::Icmp {
            return self.refused_at_once(id, refused, context);
        }
        probe.state = ProbeState::NotSent;
        self.unconfirmed -= 1;
        self.counts.send_failed += 1;
        if self.subject.method == MethodKind::Stamp {
            self.reflections.get_or_insert_default().not_sent(id);
        }
        self.refused = true;
        let gap = if refused.error == OsError::EADDRNOTAVAIL { NO_PORT_GAP } else { REFUSED_GAP };
        self.not_before = context.now.mono + gap;
        self.first_tried.get_or_insert(context.now.mono);
        self.last_packet = self.last_packet.max(Some(context.now.mono));
        let (error, mtu) = (refused.error, refused.mtu);
        let reported = self.send_errors.report(error, mtu, context.now.mono);
        let outcome = Outcome::NotSent(NotSent { error, mtu, reported });
        // The source that was found at the start is no address of this host any more: from here on the kernel chooses.
        if let Destination::Reachable { source, profile, .. } = &mut self.destination
            && matches!(
                refused.error,
                OsError::EINVAL | OsError::EADDRNOTAVAIL | OsError::ENETUNREACH | OsError::ENODEV
            )
            && profile.header.keeps_source
            && !context.config.sticky_source
        {
            *source = None;
        }
        context.events.push_back(Event::Probe(ProbeEvent::new(&self.subject, id, context.now.wall, outcome)));
        self.advance();
    }

    /// A local socket without a listener: the kernel refuses at once.
    fn refused_at_once(&mut self, id: ProbeId, refused: &Refused, context: &mut Context<'_>) {
        let stamp = Stamp::user(context.now);
        self.sent(id, &Sent { token: refused.token, stamp, scheduled: None, local: None }, context);
        let mut event = self.answer(id, &stamp, &stamp, Outcome::Refused(Refusal::Reset));
        event.delay = None;
        self.deliver(Standing::First, event, None, context);
        self.connections.forget(id);
    }

    pub(super) fn is_done_sending(&self, config: &Config) -> bool {
        let enough = config.count.is_some_and(|count| match config.deadline {
            Some(_) if self.spec.pace != Pace::Called => self.counts.received >= count,
            _ => number(self.probes.newest()) >= count,
        });
        self.stopped || self.retired || enough
    }

    /// Reports that the last probe has no answer so far, if that is wanted.
    fn report_open(&self, context: &mut Context<'_>) {
        let newest = self.probes.newest().filter(|_| context.config.report_open);
        if let Some((id, probe)) = newest.and_then(|id| Some((id, self.probes.get(id)?)))
            && (probe.state.is_open() || matches!(probe.state, ProbeState::NotSent | ProbeState::Lost))
        {
            let silence = Outcome::Timeout(self.silence(id));
            let event = self.event(id, probe.sent().user.wall, context.now.wall, silence);
            context.events.push_back(Event::NoAnswerYet(event));
        }
    }
}

fn number(id: Option<ProbeId>) -> u64 {
    id.map_or(0, ProbeId::get)
}
