//! Whose answer it is: from what arrived to a series and one of its probes, or to nobody.

use std::net::IpAddr;

use super::event::Event;
use super::machine::Ping;
use super::series::{Heard, Series};
use crate::channel::{Arena, Datagram, IcmpNotice, LaneId, Owner, Profile, Protocol, Token};
use crate::engine::Named;
use crate::engine::decode::{self, Decoded, EchoReply, IcmpError, QuotedTransport};
use crate::types::{Now, ProbeId, Sequence};
use crate::wire::payload::COOKIE_OCTETS;

/// Whose probe an answer is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    Ours(u32, ProbeId),
    /// Ours, and so old that nothing is known of it any more.
    Forgotten,
    Foreign,
}

impl Ping {
    pub(super) fn datagram(&mut self, now: Now, datagram: &Datagram, octets: &Arena) {
        let Some(profile) = self.index.profile(datagram.lane) else { return };
        if profile.protocol == Protocol::Unix {
            let (payload, stamp) = (octets.get(datagram.octets), datagram.stamp);
            let (responder, port, reply_ttl, tos, cut) = (None, None, None, None, datagram.cut);
            return self.heard(now, datagram.lane, &Heard { responder, port, payload, reply_ttl, tos, stamp, cut });
        }
        match decode::datagram(&profile, datagram, octets) {
            Decoded::Reply(reply) => self.reply(now, datagram.lane, &profile, &reply),
            Decoded::Error(error) => self.error(now, datagram.lane, &profile, &error),
            Decoded::Answer(answer) => {
                let heard = Heard {
                    responder: Some(answer.responder),
                    port: Some(answer.port),
                    payload: answer.payload,
                    reply_ttl: answer.reply_ttl,
                    tos: answer.tos,
                    stamp: answer.stamp,
                    cut: datagram.cut,
                };
                self.heard(now, datagram.lane, &heard);
            }
            Decoded::Segment(_) | Decoded::Other | Decoded::Damaged(_) => {}
        }
    }

    pub(super) fn report(&mut self, now: Now, report: &IcmpNotice, octets: &Arena) {
        let Some(profile) = self.index.profile(report.lane) else { return };
        let error = decode::report(&profile, report, octets);
        self.error(now, report.lane, &profile, &error);
    }

    /// An ICMP error about an attempt to connect.
    pub(super) fn attempt_failed(&mut self, now: Now, token: Token, report: &IcmpNotice, octets: &Arena) {
        let Some(profile) = self.index.profile(report.lane) else { return };
        let error = decode::report(&profile, report, octets);
        self.with_probe(now, token, |series, probe, context| series.attempt_failed(probe, &error, context));
    }

    /// The series that counts what belongs to none.
    pub(super) fn first_series(&mut self) -> Option<&mut Series> {
        self.series.iter_mut().find(|series| !series.is_closed())
    }

    fn reply(&mut self, now: Now, lane: LaneId, profile: &Profile, reply: &EchoReply<'_>) {
        if reply.ident != profile.ident.ident {
            return;
        }
        // A responder that is not the target is still believed where only one target can be meant.
        let addressed = || self.index.at(lane, reply.responder).chain(self.index.only(lane));
        match self.whose(lane, profile, reply.sequence, reply.payload, addressed) {
            Whose::Ours(number, probe) => {
                self.want_name(reply.responder);
                self.with_series(number, now, |series, context| series.reply(probe, reply, context));
            }
            Whose::Forgotten => {}
            Whose::Foreign => {
                if let Some(series) = self.first_series() {
                    series.counts.foreign += 1;
                }
            }
        }
    }

    fn error(&mut self, now: Now, lane: LaneId, profile: &Profile, error: &IcmpError<'_>) {
        let Some(quoted) = &error.quoted else { return };
        if let QuotedTransport::Udp { destination_port, payload, .. } = quoted.transport {
            return self.datagram_error(now, lane, (quoted.destination, destination_port, payload), error);
        }
        let QuotedTransport::Echo { ident, sequence, payload } = quoted.transport else { return };
        if ident != profile.ident.ident {
            return;
        }
        // A short quote is padded with zeros where something follows it (RFC 4884 §4.1); they say nothing about the probe.
        let quoted_octets = payload.iter().rposition(|&octet| octet != 0).map_or(0, |last| last + 1);
        let payload = payload.get(..quoted_octets).unwrap_or_default();
        let addressed = || {
            let only = self.index.only(lane).filter(|_| quoted.destination.is_none());
            let addressed = quoted.destination.into_iter().flat_map(|destination| self.index.at(lane, destination));
            addressed.chain(only)
        };
        if let Whose::Ours(number, probe) = self.whose(lane, profile, sequence, payload, addressed) {
            error.responder.into_iter().for_each(|responder| self.want_name(responder));
            self.with_series(number, now, |series, context| series.error(probe, error, context));
        }
    }

    /// A datagram on a lane whose probes are datagrams. Who sent it, or what it carries, says to which series it belongs.
    fn heard(&mut self, now: Now, lane: LaneId, heard: &Heard<'_>) {
        let from_target = heard.responder.into_iter().flat_map(|responder| self.index.at(lane, responder));
        let group = self.index.groups(lane);
        let exact = self.index.with_cookie(lane, heard.payload);
        let candidate = |(number, expected): (u32, bool)| {
            let series = self.series.get(number as usize).filter(|series| !series.is_closed())?;
            let expected = expected && heard.port == series.port();
            Some((number, series.answered_by(heard.payload, expected)?))
        };
        // From elsewhere only what carries a number of ours is believed; a local socket's answers have no sender.
        let addressed = from_target.chain(group).map(|number| (number, true));
        let only = self.index.only(lane).map(|number| (number, heard.responder.is_none()));
        let exact = exact.map(|number| (number, false));
        let mut candidates = exact.into_iter().chain(addressed).chain(only).filter_map(candidate);
        let Some((number, probe)) = candidates.next() else {
            drop(candidates);
            if let Some(series) = self.first_series() {
                series.counts.foreign += 1;
            }
            return;
        };
        drop(candidates);
        heard.responder.into_iter().for_each(|responder| self.want_name(responder));
        self.with_series(number, now, |series, context| series.heard(probe, heard, context));
    }

    fn datagram_error(
        &mut self,
        now: Now,
        lane: LaneId,
        (destination, port, quoted): (Option<IpAddr>, u16, &[u8]),
        error: &IcmpError<'_>,
    ) {
        let candidate = |number: u32| {
            let series = self.series.get(number as usize).filter(|series| !series.is_closed())?;
            let probe = series.quoted_in(quoted).filter(|_| series.port() == Some(port))?;
            Some((number, probe))
        };
        let mut addressed = destination.into_iter().flat_map(|destination| self.index.at(lane, destination));
        let Some((number, probe)) = addressed.find_map(candidate) else { return };
        drop(addressed);
        error.responder.into_iter().for_each(|responder| self.want_name(responder));
        self.with_series(number, now, |series, context| series.error(probe, error, context));
    }

    /// The series whose cookie is in `payload`, or else that of `addressed` whose cookie it resembles most; and its probe.
    fn whose<I: Iterator<Item = u32>>(
        &self,
        lane: LaneId,
        profile: &Profile,
        sequence: Sequence,
        payload: &[u8],
        addressed: impl FnOnce() -> I,
    ) -> Whose {
        let candidate = |number: u32| {
            let series = self.series.get(number as usize)?;
            let (same, of) = series.cookie().agreement(payload, self.config.payload_octets);
            // A changed payload is still ours if it is similar, or if nobody else can have this identifier.
            if 2 * same < of && profile.ident.owner != Owner::Kernel {
                return None;
            }
            match series.named(sequence) {
                Named::Probe(probe) => Some(((same, true, series.is_open(probe)), Whose::Ours(number, probe))),
                Named::Forgotten => Some(((same, false, false), Whose::Forgotten)),
                Named::Nothing => None,
            }
        };
        // The only series of a lane needs no look-up.
        let only = self.index.only(lane).filter(|&number| self.carries_cookie(number, payload));
        let exact = only.or_else(|| self.index.with_cookie(lane, payload)).and_then(candidate);
        let best = exact.or_else(|| addressed().filter_map(candidate).max_by_key(|&(likeness, _)| likeness));
        best.map_or(Whose::Foreign, |(_, whose)| whose)
    }

    /// Whether this payload starts with all of the cookie that the probes of a series have room for.
    fn carries_cookie(&self, number: u32, payload: &[u8]) -> bool {
        let cookie = self.series.get(number as usize).map(|series| series.cookie().octets());
        let sent = cookie.and_then(|cookie| cookie.get(..self.config.payload_octets.min(COOKIE_OCTETS)));
        sent.is_some_and(|sent| !sent.is_empty() && payload.starts_with(sent))
    }

    fn want_name(&mut self, address: IpAddr) {
        if self.config.names && self.names.ask(address) {
            self.events.push_back(Event::NameWanted(address));
        }
    }
}
