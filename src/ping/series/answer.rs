//! Replies and ICMP errors about the probes of a series, each counted once.

use std::time::Duration;

use super::{Context, Series};
use crate::channel::{ErrorOrigin, SendStamps};
use crate::engine::decode::{DecodedError, EchoReply};
use crate::engine::delay;
use crate::engine::method::judge_echo;
use crate::engine::outcome::{MethodKind, Outcome, ProbeEvent, Refusal, Reply, Standing, State};
use crate::ping::event::Event;
use crate::ping::probe::ProbeState;
use crate::types::{Instant, ProbeId, Stamp};
use crate::wire::icmp::ErrorKind;

/// When the kernel repeats the first SYN of a connection at the earliest (RFC 6298 §2.1).
const SYN_REPEATED_AFTER: Duration = Duration::from_secs(1);

impl Series {
    /// A reply to a probe that left.
    pub(in crate::ping) fn reply(&mut self, id: ProbeId, reply: &EchoReply<'_>, context: &mut Context<'_>) {
        let Some((standing, sent)) = self.standing(id, &reply.stamp, context) else { return };
        let bad_checksum = reply.checksum_right == Some(false);
        let wrong_source = self.is_elsewhere(Some(reply.responder));
        let judged = judge_echo(&self.method_probe(id), &self.spec.payload.fill, reply);
        let outcome = Outcome::Reply(Reply { bad_checksum, wrong_source, ..judged });
        let event = ProbeEvent {
            responder: Some(reply.responder),
            reply_ttl: reply.reply_ttl,
            reply_tos: reply.tos,
            ..self.answer(id, &sent, &reply.stamp, outcome)
        };
        // Nothing in a damaged reply can be believed, so the probe stays open.
        let standing = if bad_checksum { Standing::Inconclusive } else { standing };
        self.deliver(standing, event, Some(reply.stamp), context);
    }

    /// An ICMP error about a probe that left.
    pub(in crate::ping) fn error(&mut self, id: ProbeId, error: &DecodedError<'_>, context: &mut Context<'_>) {
        if error.checksum_right == Some(false) {
            self.counts.bad_checksum += 1;
            return;
        }
        if self.take_report(id, error, context) {
            return;
        }
        let Some((standing, sent)) = self.standing(id, &error.stamp, context) else { return };
        let refused = self.subject.method.has_closed_ports()
            && error.kind == ErrorKind::PortUnreachable
            && !self.is_elsewhere(error.responder);
        let outcome = match error.icmp.filter(|_| refused) {
            Some((icmp_type, icmp_code)) => Outcome::Refused(Refusal::PortUnreachable { icmp_type, icmp_code }),
            None => Outcome::Error(Box::new(error.into())),
        };
        let event = ProbeEvent {
            responder: error.responder,
            reply_ttl: error.reply_ttl,
            reply_tos: error.tos,
            ..self.answer(id, &sent, &error.stamp, outcome)
        };
        let advice = error.origin == ErrorOrigin::Icmp && error.kind.is_advice();
        self.counts.icmp_errors += u64::from(!advice && !refused);
        let again = !refused && self.probes.get(id).is_some_and(|probe| probe.state == ProbeState::Errored);
        let standing = match standing {
            // An error is no second answer, nor is a second error a second outcome.
            Standing::Duplicate { .. } => Standing::Inconclusive,
            _ if advice || again => Standing::Inconclusive,
            standing => standing,
        };
        self.deliver(standing, event, refused.then_some(error.stamp), context);
    }

    /// The standing of an answer with this stamp, and when its probe had left; `None` if that is not known.
    pub(super) fn standing(
        &mut self,
        id: ProbeId,
        stamp: &Stamp,
        context: &mut Context<'_>,
    ) -> Option<(Standing, Stamp)> {
        let probe = self.probes.get(id).filter(|probe| probe.has_left())?;
        let sent = probe.sent();
        let arrival = delay::arrival(&sent, stamp);
        let standing = Standing::of(probe.answered(self.deadline(probe, context.config)), arrival);
        if standing == Standing::Late {
            self.lose(id, context);
        }
        self.last_packet = self.last_packet.max(Some(arrival));
        Some((standing, sent))
    }

    /// An event about an answer that came from the target.
    pub(super) fn answer(&self, id: ProbeId, sent: &Stamp, arrived: &Stamp, outcome: Outcome) -> ProbeEvent {
        // A reset and an ICMP error do not name the SYN they are about.
        let names_its_syn = self.subject.method != MethodKind::Tcp
            || !matches!(outcome, Outcome::Refused(Refusal::Reset) | Outcome::Error(_));
        let delay = Some(self.delay(sent, arrived));
        ProbeEvent {
            responder: self.subject.address,
            responder_port: self.subject.port,
            delay: delay.filter(|delay| names_its_syn || delay.user.as_duration() < SYN_REPEATED_AFTER),
            ..self.event(id, sent.user.wall, arrived.kernel.unwrap_or(arrived.user.wall), outcome)
        }
    }

    /// Counts an answer, decides its probe if it is the first, and emits it: once its delay is known, where that runs to a
    /// stamp.
    pub(super) fn deliver(
        &mut self,
        standing: Standing,
        mut event: ProbeEvent,
        runs_to: Option<Stamp>,
        context: &mut Context<'_>,
    ) {
        let id = event.id;
        event.standing = standing;
        self.seen_open |= event.outcome.state() == Some(State::Open);
        if let Outcome::Reply(reply) = &event.outcome {
            if standing == Standing::Inconclusive {
                self.counts.bad_checksum += 1;
            } else {
                let overtaken = self.newest_replied > Some(id);
                event.reordered = overtaken && !standing.is_duplicate();
                self.newest_replied = self.newest_replied.max(Some(id));
                self.counts.reordered += u64::from(event.reordered);
                if standing == Standing::First {
                    let stamps = self.profile().map_or(SendStamps::None, |profile| profile.send_stamps);
                    let timed = stamps == SendStamps::None || runs_to.is_some_and(|arrived| arrived.kernel.is_some());
                    self.timed_arrivals += u64::from(timed);
                    self.counts.payload_changed += u64::from(reply.payload_changed.is_some());
                    self.counts.truncated += u64::from(reply.truncated);
                    self.counts.wrong_source += u64::from(reply.wrong_source);
                }
            }
        }
        match standing {
            Standing::First => self.decide(id, &event.outcome, context.now.mono),
            Standing::Late => {
                self.counts.late += 1;
                self.slowest_late = self.slowest_late.max(event.rtt());
                // An error is no answer: one that follows it is the first.
                if !matches!(event.outcome, Outcome::Error(_)) {
                    let lost = self.probes.get(id).is_some_and(|probe| probe.state == ProbeState::Lost);
                    self.settle(id, ProbeState::AnsweredLate { lost });
                }
            }
            Standing::Duplicate { .. } => self.counts.duplicates += 1,
            Standing::Inconclusive => {}
        }
        match event.outcome {
            Outcome::Error(_) => {
                if standing != Standing::Inconclusive {
                    self.newest_acknowledged = self.newest_acknowledged.max(Some(id));
                }
                context.events.push_back(Event::Probe(event));
            }
            _ => {
                self.newest_acknowledged = self.newest_acknowledged.max(Some(id));
                self.emit(event, runs_to, context);
            }
        }
    }

    /// Counts the first answer to a probe, or the first error about it.
    fn decide(&mut self, id: ProbeId, outcome: &Outcome, now: Instant) {
        match outcome {
            Outcome::Reply(_) => {
                self.settle(id, ProbeState::Received(None));
                self.counts.received += 1;
            }
            Outcome::Refused(_) => {
                self.settle(id, ProbeState::Refused);
                self.counts.refused += 1;
                self.refused_at = Some(now);
            }
            // The kernel has closed the socket.
            Outcome::Error(_) if self.method.connect().is_some() => {
                self.settle(id, ProbeState::Unreachable);
                self.counts.unreachable += 1;
            }
            Outcome::Error(_) => {
                if let Some(probe) = self.probes.get_mut(id) {
                    probe.state = ProbeState::Errored;
                }
                self.await_after_error(now);
                self.acknowledge(id);
            }
            Outcome::Timeout(_) | Outcome::NotSent(_) => {}
        }
    }

    /// Notes the first answer to a probe.
    fn settle(&mut self, id: ProbeId, state: ProbeState) {
        let Some(probe) = self.probes.get_mut(id) else { return };
        let before = std::mem::replace(&mut probe.state, state);
        self.counts.pending -= u64::from(before.is_open());
        if before == ProbeState::Errored {
            self.errored -= 1;
            self.counts.answered_after_error += 1;
        }
        self.acknowledge(id);
        self.advance();
    }

    /// Something about this probe has come back.
    fn acknowledge(&mut self, id: ProbeId) {
        self.newest_answered = self.newest_answered.max(Some(id));
        let newest = self.newest_sent.unwrap_or(id).get();
        self.pipe = self.pipe.max(newest.saturating_sub(id.get()) + 1);
    }
}
