//! Probes that are datagrams, and the answers to them (UDP, local datagram sockets, STAMP).

use std::net::IpAddr;

use super::{Context, Series, reflection};
use crate::engine::outcome::{Detail, ExchangeFailure, Outcome, Payload, PayloadChange, ProbeEvent, Refusal, Reply};
use crate::engine::{Named, encode};
use crate::ping::method::{Ask, Method};
use crate::ping::probe::Probe;
use crate::types::{ProbeId, Rtt, Stamp, Tos, Ttl, WallTime};
use crate::wire::payload::{self, tagged_probe};
use crate::wire::service::{Numbered, Service};
use crate::wire::stamp;

/// A datagram that may be an answer.
#[derive(Clone, Copy, Debug)]
pub(in crate::ping) struct DatagramReply<'a> {
    /// Its sender; `None` for a local socket.
    pub(in crate::ping) responder: Option<IpAddr>,
    /// The sender's port.
    pub(in crate::ping) port: Option<u16>,
    pub(in crate::ping) payload: &'a [u8],
    pub(in crate::ping) reply_ttl: Option<Ttl>,
    pub(in crate::ping) tos: Option<Tos>,
    pub(in crate::ping) stamp: Stamp,
    /// Whether there was more than could be read.
    pub(in crate::ping) cut: bool,
}

/// Octets of payload in each probe; `octets` where the method leaves their number open.
pub(super) fn payload_octets(method: &Method, octets: usize) -> usize {
    match method {
        Method::Icmp | Method::Udp(Ask::Tagged) | Method::UnixDgram(Ask::Tagged) => octets,
        Method::Udp(Ask::Service(service)) | Method::UnixDgram(Ask::Service(service)) => {
            service.question_octets(octets)
        }
        Method::Udp(Ask::Data(exchange)) | Method::UnixDgram(Ask::Data(exchange)) => exchange.data.len(),
        Method::Stamp(_) => stamp::PACKET_OCTETS,
        Method::Tcp(_) | Method::Unix(_) => 0,
    }
}

impl Series {
    /// Appends what its lane sends for a probe that is not a connection. `buffer` is memory to use.
    pub(in crate::ping) fn push_probe(&self, id: ProbeId, now: WallTime, buffer: &mut Vec<u8>, out: &mut Vec<u8>) {
        let Payload { octets, fill } = &self.subject.spec.payload;
        match &self.method {
            Method::Icmp => {
                let Some(profile) = self.profile() else { return };
                buffer.clear();
                payload::push(&self.cookie, fill, *octets, buffer);
                encode::echo_request(profile, id.sequence(), buffer, None, out);
            }
            Method::Udp(ask) | Method::UnixDgram(ask) => match ask {
                Ask::Tagged => payload::push_tagged(&self.cookie, id, *octets, out),
                Ask::Service(service) => service.push_question(&self.cookie, id, *octets, out),
                Ask::Data(exchange) => out.extend_from_slice(&exchange.data),
            },
            Method::Stamp(session) => stamp::push_sender(&reflection::packet(*session, id, now), out),
            Method::Tcp(_) | Method::Unix(_) => {}
        }
    }

    /// The probe that this datagram answers, if it is one of this series.
    ///
    /// `expected`: it comes from where the probes go. Then it is an answer even if it does not name its probe: to the newest
    /// one that is open.
    pub(in crate::ping) fn answered_by(&self, answer: &[u8], expected: bool) -> Option<ProbeId> {
        let numbered = match &self.method {
            Method::Udp(ask) | Method::UnixDgram(ask) => match ask.service() {
                // 16 bits alone would be too easily guessed from elsewhere.
                Some(Service::Dns) if !expected => None,
                Some(service) => service.answered(&self.cookie, answer),
                None => None,
            },
            Method::Stamp(_) if expected => {
                let packet = stamp::parse_reflector(answer).ok()?;
                // §4.2: this is the probe's number as far as 32 bits go.
                let newest = self.newest()?;
                let age = reflection::sequence(newest).wrapping_sub(packet.sender_sequence);
                let number = newest.get().checked_sub(u64::from(age)).map(ProbeId::new)?;
                return self.has_left(number).then_some(number);
            }
            Method::Icmp | Method::Tcp(_) | Method::Unix(_) | Method::Stamp(_) => return None,
        };
        match numbered {
            Some(numbered) => self.numbered(numbered),
            None if expected => self.newest_open(),
            None => None,
        }
    }

    /// The probe that an ICMP error about a datagram to the target quotes.
    pub(in crate::ping) fn quoted_in(&self, quoted: &[u8]) -> Option<ProbeId> {
        let numbered = match &self.method {
            Method::Udp(ask) => ask.service().and_then(|service| service.asked(&self.cookie, quoted)),
            Method::Stamp(_) => {
                let number = quoted.first_chunk().map(|octets| u64::from(u32::from_be_bytes(*octets)));
                number.map(|number| Numbered::Probe(ProbeId::new(number + ProbeId::FIRST.get())))
            }
            _ => None,
        };
        // A probe that is no longer known, or a quote that is too short.
        numbered.and_then(|numbered| self.numbered(numbered)).or_else(|| self.newest_open())
    }

    /// A datagram that answers a probe which left.
    pub(in crate::ping) fn datagram(&mut self, id: ProbeId, answer: &DatagramReply<'_>, context: &mut Context<'_>) {
        let Some((standing, sent)) = self.standing(id, &answer.stamp, context) else { return };
        let expected = self.method.exchange().is_none_or(|exchange| exchange.is_met_by(answer.payload));
        let outcome = match expected {
            true => Outcome::Reply(self.describe(id, answer)),
            false => Outcome::Refused(Refusal::Exchange(ExchangeFailure::Unexpected)),
        };
        let mut event = ProbeEvent {
            responder: answer.responder,
            reply_ttl: answer.reply_ttl,
            reply_tos: answer.tos,
            ..self.answer(id, &sent, &answer.stamp, outcome)
        };
        if let Outcome::Reply(reply) = &mut event.outcome {
            event.responder_port = answer.port;
            if let Method::Stamp(session) = self.method {
                let Ok(packet) = stamp::parse_reflector(answer.payload) else { return };
                let rtt = event.delay.map_or(Rtt::default(), |delay| delay.rtt);
                let reflection = reflection::reflection(session, &packet, rtt, &sent, &answer.stamp);
                if !standing.is_duplicate() {
                    let reflections = self.reflections.get_or_insert_default();
                    reflections.record(packet.sender_sequence, &reflection, standing.is_late());
                }
                reply.detail = Detail::Stamp(Box::new(reflection));
            }
        }
        self.deliver(standing, event, Some(answer.stamp), context);
    }

    /// Describes an answer; an echo is compared with what was sent, any other has nothing to be compared with.
    fn describe(&self, id: ProbeId, answer: &DatagramReply<'_>) -> Reply {
        let elsewhere = self.is_elsewhere(answer.responder);
        let wrong_source = elsewhere || (answer.port != self.subject.port && !self.group);
        let reply = Reply { wrong_source, ..Reply::new(answer.payload.len(), Detail::Datagram) };
        let echoes =
            matches!(&self.method, Method::Udp(ask) | Method::UnixDgram(ask) if ask.service() == Some(Service::Echo));
        if !echoes || tagged_probe(&self.cookie, answer.payload) != Some(id) {
            return reply;
        }
        let mut sent = Vec::new();
        payload::push_tagged(&self.cookie, id, self.subject.spec.payload.octets, &mut sent);
        let mut pairs = sent.iter().zip(answer.payload).enumerate();
        let changed = pairs.find(|(_, (sent, found))| sent != found).map(|(index, (&expected, &found))| {
            Box::new(PayloadChange { index, expected, found, payload: answer.payload.into() })
        });
        Reply { truncated: answer.cut || answer.payload.len() < sent.len(), payload_changed: changed, ..reply }
    }

    fn numbered(&self, numbered: Numbered) -> Option<ProbeId> {
        match numbered {
            Numbered::Probe(id) => self.has_left(id).then_some(id),
            Numbered::Sequence(sequence) => match self.named(sequence) {
                Named::Probe(id) => Some(id),
                Named::Forgotten | Named::Nothing => None,
            },
        }
    }

    fn has_left(&self, id: ProbeId) -> bool {
        self.probes.get(id).is_some_and(Probe::has_left)
    }

    /// The newest probe that is waited for, or else the newest of all that left.
    fn newest_open(&self) -> Option<ProbeId> {
        let newest = self.newest_sent?.get();
        let open = (self.undecided.get()..=newest).rev().map(ProbeId::new).find(|&id| self.is_open(id));
        open.or(self.newest_sent)
    }
}

impl Ask {
    /// The kind of service it asks; a datagram with our own tag is for an echo service.
    const fn service(&self) -> Option<Service> {
        match self {
            Ask::Tagged => Some(Service::Echo),
            Ask::Service(service) => Some(*service),
            Ask::Data(_) => None,
        }
    }
}
