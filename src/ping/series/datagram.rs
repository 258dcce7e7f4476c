//! Probes that are datagrams: what they carry, and what comes back (UDP, local datagram sockets, STAMP).

use std::net::IpAddr;

use super::answer::Refused;
use super::{Context, Series, reflection};
use crate::engine::{Named, encode};
use crate::ping::config::Config;
use crate::ping::event::{ExchangeFailure, PayloadChange, Reply};
use crate::ping::method::{Ask, Method};
use crate::ping::probe::{Fate, Probe};
use crate::ping::summary::State;
use crate::types::{ProbeId, Stamp, Tos, Ttl, WallTime};
use crate::wire::payload::{self, tagged_probe};
use crate::wire::service::{Numbered, Service};
use crate::wire::stamp;

/// A datagram that may be an answer.
#[derive(Clone, Copy, Debug)]
pub(in crate::ping) struct Heard<'a> {
    /// Who sent it; `None` for a local socket.
    pub(in crate::ping) responder: Option<IpAddr>,
    /// From which port.
    pub(in crate::ping) port: Option<u16>,
    pub(in crate::ping) payload: &'a [u8],
    pub(in crate::ping) reply_ttl: Option<Ttl>,
    pub(in crate::ping) tos: Option<Tos>,
    pub(in crate::ping) stamp: Stamp,
    /// Whether there was more than could be read.
    pub(in crate::ping) cut: bool,
}

impl Series {
    /// Octets of payload in each probe.
    pub(in crate::ping) fn payload_octets(&self, config: &Config) -> usize {
        match &self.method {
            Method::Icmp | Method::Udp(Ask::Tagged) | Method::UnixDgram(Ask::Tagged) => config.payload_octets,
            Method::Udp(Ask::Service(service)) | Method::UnixDgram(Ask::Service(service)) => {
                service.question_octets(config.payload_octets)
            }
            Method::Udp(Ask::Data(exchange)) | Method::UnixDgram(Ask::Data(exchange)) => exchange.data.len(),
            Method::Stamp(_) => stamp::PACKET_OCTETS,
            Method::Tcp(_) | Method::Unix(_) => 0,
        }
    }

    /// Appends what its lane sends for a probe that is not a connection.
    ///
    /// `payload` is memory to use.
    pub(in crate::ping) fn push_probe(
        &self,
        id: ProbeId,
        config: &Config,
        now: WallTime,
        payload: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) {
        match &self.method {
            Method::Icmp => {
                let Some(profile) = self.profile() else { return };
                payload.clear();
                payload::push(&self.cookie, &config.fill, config.payload_octets, payload);
                encode::echo_request(profile, id.sequence(), payload, None, out);
            }
            Method::Udp(ask) | Method::UnixDgram(ask) => match ask {
                Ask::Tagged => payload::push_tagged(&self.cookie, id, config.payload_octets, out),
                Ask::Service(service) => service.push_question(&self.cookie, id, config.payload_octets, out),
                Ask::Data(exchange) => out.extend_from_slice(&exchange.data),
            },
            Method::Stamp(session) => stamp::push_sender(&reflection::packet(*session, id, now), out),
            Method::Tcp(_) | Method::Unix(_) => {}
        }
    }

    /// The probe that this datagram answers, if it is one of this series.
    ///
    /// `expected` says that it comes from where the probes go. Then it is an answer even if it does not say to which: to the
    /// newest probe that is open.
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
                let behind = reflection::sequence(newest).wrapping_sub(packet.sender_sequence);
                let number = newest.get().checked_sub(u64::from(behind)).map(ProbeId::new)?;
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

    /// The probe of which so much is quoted in an ICMP error about a datagram to where the probes go.
    pub(in crate::ping) fn quoted_in(&self, quoted: &[u8]) -> Option<ProbeId> {
        let numbered = match &self.method {
            Method::Udp(ask) => ask.service().and_then(|service| service.asked(&self.cookie, quoted)),
            Method::Stamp(_) => {
                let number = quoted.first_chunk().map(|octets| u64::from(u32::from_be_bytes(*octets)));
                number.map(|number| Numbered::Probe(ProbeId::new(number + ProbeId::FIRST.get())))
            }
            _ => None,
        };
        // A probe that is not known any more, or a quote too short to tell.
        numbered.and_then(|numbered| self.numbered(numbered)).or_else(|| self.newest_open())
    }

    /// A datagram that answers a probe which left.
    pub(in crate::ping) fn heard(&mut self, id: ProbeId, heard: &Heard<'_>, context: &mut Context<'_>) {
        let Some((fate, sent)) = self.answer(id, &heard.stamp, context) else { return };
        if self.method.exchange().is_some_and(|exchange| !exchange.is_met_by(heard.payload)) {
            let refused = Refused {
                state: State::Open,
                failure: Some(ExchangeFailure::Unexpected),
                icmp: None,
                responder: heard.responder,
                arrived: heard.stamp,
                runs_to: Some(heard.stamp),
            };
            return self.refuse(id, fate, &refused, context);
        }
        let mut reply = self.bare_reply(id, &sent, &heard.stamp);
        (reply.responder, reply.port) = (heard.responder, heard.port);
        let elsewhere = self.is_elsewhere(heard.responder, context.config);
        reply.wrong_source = elsewhere || (heard.port != self.port() && !self.is_group(context.config));
        (reply.reply_ttl, reply.tos, reply.octets) = (heard.reply_ttl, heard.tos, heard.payload.len());
        if let Method::Stamp(session) = self.method {
            let Ok(packet) = stamp::parse_reflector(heard.payload) else { return };
            let told = reflection::reflection(session, &packet, reply.rtt, &sent, &heard.stamp);
            if matches!(fate, Fate::Open | Fate::Lost) {
                self.reflections.get_or_insert_default().record(packet.sender_sequence, &told, fate == Fate::Lost);
            }
            (reply.reflection, reply.state) = (Some(Box::new(told)), None);
        }
        self.compare(id, heard, context.config, &mut reply);
        self.deliver(fate, reply, &heard.stamp, context);
    }

    /// Compares an echo with what was sent; any other answer has nothing to be compared with.
    fn compare(&self, id: ProbeId, heard: &Heard<'_>, config: &Config, reply: &mut Reply) {
        let echoes =
            matches!(&self.method, Method::Udp(ask) | Method::UnixDgram(ask) if ask.service() == Some(Service::Echo));
        if !echoes || tagged_probe(&self.cookie, heard.payload) != Some(id) {
            return;
        }
        let mut sent = Vec::with_capacity(config.payload_octets);
        payload::push_tagged(&self.cookie, id, config.payload_octets, &mut sent);
        reply.truncated = heard.cut || heard.payload.len() < sent.len();
        let mut pairs = sent.iter().zip(heard.payload).enumerate();
        reply.payload_changed = pairs.find(|(_, (sent, found))| sent != found).map(|(index, (&expected, &found))| {
            Box::new(PayloadChange { index, expected, found, payload: heard.payload.into() })
        });
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
    /// Whose kind of question it is; what carries our own tag is for an echo.
    const fn service(&self) -> Option<Service> {
        match self {
            Ask::Tagged => Some(Service::Echo),
            Ask::Service(service) => Some(*service),
            Ask::Data(_) => None,
        }
    }
}
