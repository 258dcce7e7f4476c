//! What arrives about the probes of a series: replies and ICMP errors, each told apart and counted once.

use std::net::{IpAddr, Ipv4Addr};

use super::{Context, Series};
use crate::channel::ErrorOrigin;
use crate::engine::decode::{EchoReply, IcmpError};
use crate::engine::delay;
use crate::ping::config::Config;
use crate::ping::event::{ErrorEvent, Event, PayloadChange, Reply};
use crate::ping::probe::Fate;
use crate::types::{ProbeId, Rtt, Stamp};
use crate::wire::payload::first_difference;

impl Series {
    /// A reply to a probe that left.
    pub(in crate::ping) fn reply(&mut self, id: ProbeId, reply: &EchoReply<'_>, context: &mut Context<'_>) {
        let Some((fate, sent)) = self.answer(id, &reply.stamp, context) else { return };
        let mut event = self.describe(id, reply, context.config, &sent);
        if reply.checksum_right == Some(false) {
            // Whatever is in it cannot be believed, so the probe stays open.
            self.counts.bad_checksum += 1;
            event.bad_checksum = true;
            self.tell(event, (reply.stamp, false), context.now.mono, context.events);
            return;
        }
        let overtaken = self.newest_replied > Some(id);
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
            Fate::Received(_) | Fate::Unreachable | Fate::LateAnswered | Fate::Ordered | Fate::Failed => {
                self.counts.duplicates += 1;
                event.duplicate = true;
                event.late = fate == Fate::LateAnswered;
            }
        }
        self.newest_replied = self.newest_replied.max(Some(id));
        self.tell(event, (reply.stamp, fate == Fate::Open), context.now.mono, context.events);
    }

    /// An ICMP error about a probe that left.
    pub(in crate::ping) fn error(&mut self, id: ProbeId, error: &IcmpError<'_>, context: &mut Context<'_>) {
        if error.checksum_right == Some(false) {
            self.counts.bad_checksum += 1;
            return;
        }
        let Some((fate, sent)) = self.answer(id, &error.stamp, context) else { return };
        let mut event = ErrorEvent {
            series: self.id,
            probe: id,
            sent: sent.user.wall,
            arrived: error.stamp.kernel.unwrap_or(error.stamp.user.wall),
            responder: error.responder,
            origin: error.origin,
            kind: error.kind,
            icmp_type: error.icmp_type,
            icmp_code: error.icmp_code,
            info: error.info,
            mtu: error.mtu,
            gateway: error.gateway,
            rtt: delay::between(&sent, &error.stamp).0,
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
            Fate::Received(_) | Fate::Unreachable | Fate::LateAnswered | Fate::Ordered | Fate::Failed => {
                self.counts.duplicates += 1;
                event.duplicate = true;
                event.late = fate == Fate::LateAnswered;
            }
        }
        context.events.push_back(Event::Error(Box::new(event)));
    }

    /// What a probe was when something with this stamp arrived about it, and when it had left.
    fn answer(&mut self, id: ProbeId, stamp: &Stamp, context: &mut Context<'_>) -> Option<(Fate, Stamp)> {
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
        let (rtt, stamp) = delay::between(sent, &reply.stamp);
        let target = self.route().map(|route| route.endpoint.address);
        let difference = first_difference(&self.cookie, &config.fill, config.payload_octets, reply.payload);
        Reply {
            series: self.id,
            probe: id,
            sent: sent.user.wall,
            arrived: reply.stamp.kernel.unwrap_or(reply.stamp.user.wall),
            responder: reply.responder,
            wrong_source: target.is_some_and(|target| is_one_host(target) && target != reply.responder),
            rtt,
            stamp,
            user_rtt: Rtt::between(sent.user.mono, reply.stamp.user.mono),
            local_queue: None,
            reply_ttl: reply.reply_ttl,
            tos: reply.tos,
            octets: reply.octets,
            ident: reply.ident,
            duplicate: false,
            late: false,
            reordered: false,
            truncated: reply.cut || reply.payload.len() < config.payload_octets,
            bad_checksum: false,
            payload_changed: difference.map(|difference| {
                Box::new(PayloadChange {
                    index: difference.index,
                    expected: difference.expected,
                    found: difference.found,
                    payload: reply.payload.into(),
                })
            }),
        }
    }
}

/// Whether only one address can be expected to answer: not for multicast and broadcast, nor for the unspecified address,
/// which the kernel takes as this host.
fn is_one_host(target: IpAddr) -> bool {
    !(target.is_multicast() || target.is_unspecified() || target == IpAddr::V4(Ipv4Addr::BROADCAST))
}
