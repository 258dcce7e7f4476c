//! What arrives about the probes of a series: replies and ICMP errors, each told apart and counted once.

use std::net::IpAddr;

use super::held::Told;
use super::{Context, Series};
use crate::channel::ErrorOrigin;
use crate::engine::decode::{EchoReply, IcmpError};
use crate::engine::delay;
use crate::ping::config::Config;
use crate::ping::event::{ErrorEvent, Event, ExchangeFailure, PayloadChange, Refusal, Reply};
use crate::ping::method::Method;
use crate::ping::probe::{Fate, Probe};
use crate::ping::summary::State;
use crate::types::{ProbeId, Rtt, Stamp};
use crate::wire::icmp::ErrorKind;
use crate::wire::payload::first_difference;

/// An answer of a host whose service did not answer, see [`Refusal`].
pub(super) struct Refused {
    pub(super) state: State,
    pub(super) failure: Option<ExchangeFailure>,
    pub(super) icmp: Option<(u8, u8)>,
    pub(super) responder: Option<IpAddr>,
    pub(super) arrived: Stamp,
    /// What the delay runs to; `None` where the kernel refused at once, without saying when.
    pub(super) runs_to: Option<Stamp>,
}

impl Series {
    /// A reply to a probe that left.
    pub(in crate::ping) fn reply(&mut self, id: ProbeId, reply: &EchoReply<'_>, context: &mut Context<'_>) {
        let Some((fate, sent)) = self.answer(id, &reply.stamp, context) else { return };
        let mut event = self.describe(id, reply, context.config, &sent);
        if reply.checksum_right == Some(false) {
            // Whatever is in it cannot be believed, so the probe stays open.
            self.counts.bad_checksum += 1;
            event.bad_checksum = true;
            return self.tell(Told::Reply(event), Some(reply.stamp), false, context);
        }
        self.deliver(fate, event, &reply.stamp, context);
    }

    /// Counts an answer and tells of it: the first within the wait decides the probe, later ones are duplicates. Its delay runs
    /// to `runs_to`.
    pub(super) fn deliver(&mut self, fate: Fate, mut event: Reply, runs_to: &Stamp, context: &mut Context<'_>) {
        self.seen_open |= event.state == Some(State::Open);
        let (id, overtaken) = (event.probe, self.newest_replied > Some(event.probe));
        match fate {
            Fate::Open => {
                self.settle(id, Fate::Received(None));
                self.counts.received += 1;
                self.counts.reordered += u64::from(overtaken);
                self.counts.payload_changed += u64::from(event.payload_changed.is_some());
                self.counts.truncated += u64::from(event.truncated);
                self.counts.wrong_source += u64::from(event.wrong_source);
                event.reordered = overtaken;
            }
            Fate::Lost => {
                self.settle(id, Fate::LateAnswered);
                self.counts.late += 1;
                self.counts.reordered += u64::from(overtaken);
                event.late = true;
                event.reordered = overtaken;
            }
            Fate::Received(_)
            | Fate::Refused
            | Fate::Unreachable
            | Fate::LateAnswered
            | Fate::Ordered
            | Fate::Failed => {
                self.counts.duplicates += 1;
                event.duplicate = true;
                event.late = fate == Fate::LateAnswered;
            }
        }
        if self.is_group(context.config) {
            self.responders.get_or_insert_default();
        }
        self.newest_replied = self.newest_replied.max(Some(id));
        self.tell(Told::Reply(event), Some(*runs_to), fate == Fate::Open, context);
    }

    /// Counts the answer of a host whose service did not answer, and tells of it.
    pub(super) fn refuse(&mut self, id: ProbeId, fate: Fate, refused: &Refused, context: &mut Context<'_>) {
        self.seen_open |= refused.state == State::Open;
        let (mut duplicate, mut late) = (false, false);
        match fate {
            Fate::Open => {
                self.settle(id, Fate::Refused);
                self.counts.refused += 1;
            }
            Fate::Lost => {
                self.settle(id, Fate::LateAnswered);
                self.counts.late += 1;
                late = true;
            }
            Fate::Received(_)
            | Fate::Refused
            | Fate::Unreachable
            | Fate::LateAnswered
            | Fate::Ordered
            | Fate::Failed => {
                self.counts.duplicates += 1;
                (duplicate, late) = (true, fate == Fate::LateAnswered);
            }
        }
        let sent = self.probes.get(id).map_or(Stamp::user(context.now), Probe::sent);
        let delay = refused.runs_to.map(|stamp| self.delay(&sent, &stamp));
        let refusal = Refusal {
            series: self.id,
            probe: id,
            sent: sent.user.wall,
            arrived: refused.arrived.kernel.unwrap_or(refused.arrived.user.wall),
            responder: refused.responder,
            source_port: self.source_port(id),
            rtt: delay.map(|(rtt, _)| rtt),
            user_rtt: refused.runs_to.map(|stamp| Rtt::between(sent.user.mono, stamp.user.mono)),
            stamp: delay.map(|(_, source)| source),
            state: refused.state,
            failure: refused.failure,
            icmp: refused.icmp,
            duplicate,
            late,
        };
        self.tell(Told::Refusal(Box::new(refusal)), refused.runs_to, fate == Fate::Open, context);
    }

    /// An ICMP error about a probe that left.
    pub(in crate::ping) fn error(&mut self, id: ProbeId, error: &IcmpError<'_>, context: &mut Context<'_>) {
        if error.checksum_right == Some(false) {
            self.counts.bad_checksum += 1;
            return;
        }
        let Some((fate, sent)) = self.answer(id, &error.stamp, context) else { return };
        if matches!(self.method, Method::Udp(_) | Method::Stamp(_))
            && error.kind == ErrorKind::PortUnreachable
            && !self.is_elsewhere(error.responder, context.config)
        {
            let refused = Refused {
                state: State::Closed,
                failure: None,
                icmp: Some((error.icmp_type, error.icmp_code)),
                responder: error.responder,
                arrived: error.stamp,
                runs_to: Some(error.stamp),
            };
            return self.refuse(id, fate, &refused, context);
        }
        let mut event = ErrorEvent {
            series: self.id,
            probe: id,
            sent: sent.user.wall,
            arrived: error.stamp.kernel.unwrap_or(error.stamp.user.wall),
            responder: error.responder,
            source_port: self.source_port(id),
            origin: error.origin,
            kind: error.kind,
            icmp_type: error.icmp_type,
            icmp_code: error.icmp_code,
            info: error.info,
            mtu: error.mtu,
            gateway: error.gateway,
            rtt: self.delay(&sent, &error.stamp).0,
            duplicate: false,
            late: false,
        };
        let advice = error.origin == ErrorOrigin::Icmp && error.kind.is_advice();
        match fate {
            _ if advice => {}
            Fate::Open => {
                self.settle(id, Fate::Unreachable);
                self.counts.unreachable += 1;
            }
            Fate::Lost => {
                self.settle(id, Fate::LateAnswered);
                self.counts.late += 1;
                event.late = true;
            }
            Fate::Received(_)
            | Fate::Refused
            | Fate::Unreachable
            | Fate::LateAnswered
            | Fate::Ordered
            | Fate::Failed => {
                self.counts.duplicates += 1;
                event.duplicate = true;
                event.late = fate == Fate::LateAnswered;
            }
        }
        context.events.push_back(Event::Error(Box::new(event)));
    }

    /// What a probe was when something with this stamp arrived about it, and when it had left.
    pub(super) fn answer(&mut self, id: ProbeId, stamp: &Stamp, context: &mut Context<'_>) -> Option<(Fate, Stamp)> {
        let probe = self.probes.get(id).filter(|probe| probe.has_left())?;
        let sent = probe.sent();
        let arrival = delay::arrival(&sent, stamp);
        // A timer may be handled later than what arrived behind it.
        if self.deadline(probe, context.config).is_some_and(|deadline| deadline < arrival) {
            self.lose(id, context);
        }
        self.last_packet = self.last_packet.max(Some(arrival));
        self.probes.get(id).map(|probe| (probe.fate, sent))
    }

    /// Notes the first answer to a probe.
    fn settle(&mut self, id: ProbeId, fate: Fate) {
        let Some(probe) = self.probes.get_mut(id) else { return };
        if probe.fate == Fate::Open {
            self.counts.pending -= 1;
        }
        probe.fate = fate;
        self.newest_answered = self.newest_answered.max(Some(id));
        let newest = self.newest_sent.unwrap_or(id).get();
        self.pipe = self.pipe.max(newest.saturating_sub(id.get()) + 1);
        self.advance();
    }

    fn describe(&self, id: ProbeId, reply: &EchoReply<'_>, config: &Config, sent: &Stamp) -> Reply {
        let difference = first_difference(&self.cookie, &config.fill, config.payload_octets, reply.payload);
        Reply {
            responder: Some(reply.responder),
            wrong_source: self.is_elsewhere(Some(reply.responder), config),
            state: None,
            reply_ttl: reply.reply_ttl,
            tos: reply.tos,
            octets: reply.octets,
            ident: Some(reply.ident),
            truncated: reply.cut || reply.payload.len() < config.payload_octets,
            payload_changed: difference.map(|difference| {
                Box::new(PayloadChange {
                    index: difference.index,
                    expected: difference.expected,
                    found: difference.found,
                    payload: reply.payload.into(),
                })
            }),
            ..self.bare_reply(id, sent, &reply.stamp)
        }
    }

    /// A reply of which only its time is known, from the target.
    pub(super) fn bare_reply(&self, id: ProbeId, sent: &Stamp, arrived: &Stamp) -> Reply {
        let (rtt, stamp) = self.delay(sent, arrived);
        Reply {
            series: self.id,
            probe: id,
            sent: sent.user.wall,
            arrived: arrived.kernel.unwrap_or(arrived.user.wall),
            responder: self.address(),
            port: self.port(),
            wrong_source: false,
            source_port: self.source_port(id),
            state: Some(State::Open),
            syn_retransmits: None,
            answer: None,
            reflection: None,
            rtt,
            stamp,
            user_rtt: Rtt::between(sent.user.mono, arrived.user.mono),
            local_queue: None,
            reply_ttl: None,
            tos: None,
            octets: 0,
            ident: None,
            duplicate: false,
            late: false,
            reordered: false,
            truncated: false,
            bad_checksum: false,
            payload_changed: None,
        }
    }
}
