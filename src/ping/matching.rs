//! From what arrived to a series and one of its probes.

use std::net::IpAddr;
use std::time::Duration;

use super::event::Event;
use super::index::cookie_octets;
use super::machine::Ping;
use super::series::Series;
use crate::channel::{Arena, Datagram, IcmpNotice, LaneId, Owner, Profile, Token};
use crate::engine::Named;
use crate::engine::decode::{self, Answer, Decoded, DecodedError, EchoReply, QuotedTransport};
use crate::types::{Now, ProbeId, Sequence};

/// How long answers to a removed series may come.
const AFTER_REMOVAL: Duration = Duration::from_secs(10);

/// The probe that an answer is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Match {
    Ours(u32, ProbeId),
    /// One of ours that is too old to be remembered.
    Forgotten,
    Foreign,
}

impl Ping {
    pub(super) fn datagram(&mut self, now: Now, datagram: &Datagram, octets: &Arena) {
        let Some(profile) = self.index.profile(datagram.lane) else { return };
        match decode::datagram(&profile, datagram, octets) {
            Decoded::Reply(reply) => self.reply(now, datagram.lane, &profile, &reply),
            Decoded::Error(error) => self.error(now, datagram.lane, &profile, &error),
            Decoded::Answer(answer) => self.datagram_reply(now, datagram.lane, &answer),
            Decoded::Segment(_) | Decoded::Other | Decoded::Damaged(_) => {}
        }
    }

    pub(super) fn notice(&mut self, now: Now, notice: &IcmpNotice, octets: &Arena) {
        let Some(profile) = self.index.profile(notice.lane) else { return };
        let error = decode::notice(&profile, notice, octets);
        self.error(now, notice.lane, &profile, &error);
    }

    /// An ICMP error about an attempt to connect.
    pub(super) fn attempt_failed(&mut self, now: Now, token: Token, notice: &IcmpNotice, octets: &Arena) {
        let Some(profile) = self.index.profile(notice.lane) else { return };
        let error = decode::notice(&profile, notice, octets);
        self.with_probe(now, token, |series, probe, context| series.attempt_failed(probe, &error, context));
    }

    /// The series that counts what belongs to none.
    pub(super) fn first_series(&mut self) -> Option<&mut Series> {
        let first = self.series.slots().next()?;
        self.series.get_mut(first)
    }

    /// Counts an answer that belongs to no series, unless it may belong to one that was removed a moment ago.
    fn count_foreign(&mut self, now: Now) {
        if self.removed_at.is_some_and(|at| now.mono.since(at) < AFTER_REMOVAL) {
            return;
        }
        if let Some(series) = self.first_series() {
            series.counts.foreign += 1;
        }
    }

    fn reply(&mut self, now: Now, lane: LaneId, profile: &Profile, reply: &EchoReply<'_>) {
        if reply.ident != profile.ident.ident {
            return;
        }
        // A responder that is not the target is still believed where only one target can be meant.
        let addressed = || self.index.at(lane, reply.responder).chain(self.index.only(lane));
        match self.find(lane, profile, reply.sequence, reply.payload, addressed) {
            Match::Ours(slot, probe) => {
                self.want_name(reply.responder);
                self.with_series(slot, now, |series, context| series.reply(probe, reply, context));
            }
            Match::Forgotten => {}
            Match::Foreign => self.count_foreign(now),
        }
    }

    fn error(&mut self, now: Now, lane: LaneId, profile: &Profile, error: &DecodedError<'_>) {
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
        if let Match::Ours(slot, probe) = self.find(lane, profile, sequence, payload, addressed) {
            error.responder.into_iter().for_each(|responder| self.want_name(responder));
            self.with_series(slot, now, |series, context| series.error(probe, error, context));
        }
    }

    /// A datagram on a lane whose probes are datagrams. Its sender or its contents name the series.
    fn datagram_reply(&mut self, now: Now, lane: LaneId, reply: &Answer<'_>) {
        let from_target = reply.responder.into_iter().flat_map(|responder| self.index.at(lane, responder));
        let group = self.index.groups(lane);
        let exact = self.index.with_cookie(lane, reply.payload);
        let candidate = |(slot, expected): (u32, bool)| {
            let series = self.series.get(slot)?;
            let expected = expected && reply.port == series.subject().port;
            Some((slot, series.answered_by(reply.payload, expected)?))
        };
        // From elsewhere only what carries a number of ours is believed; a local socket's answers have no sender.
        let addressed = from_target.chain(group).map(|slot| (slot, true));
        let only = self.index.only(lane).map(|slot| (slot, reply.responder.is_none()));
        let exact = exact.map(|slot| (slot, false));
        let mut candidates = exact.into_iter().chain(addressed).chain(only).filter_map(candidate);
        let Some((slot, probe)) = candidates.next() else {
            drop(candidates);
            return self.count_foreign(now);
        };
        drop(candidates);
        reply.responder.into_iter().for_each(|responder| self.want_name(responder));
        self.with_series(slot, now, |series, context| series.datagram(probe, reply, context));
    }

    fn datagram_error(
        &mut self,
        now: Now,
        lane: LaneId,
        (destination, port, quoted): (Option<IpAddr>, u16, &[u8]),
        error: &DecodedError<'_>,
    ) {
        let candidate = |slot: u32| {
            let series = self.series.get(slot)?;
            let probe = series.quoted_in(quoted).filter(|_| series.subject().port == Some(port))?;
            Some((slot, probe))
        };
        let addressed = destination.into_iter().flat_map(|destination| self.index.at(lane, destination));
        let exact = self.index.with_cookie(lane, quoted);
        let Some((slot, probe)) = exact.into_iter().chain(addressed).find_map(candidate) else { return };
        error.responder.into_iter().for_each(|responder| self.want_name(responder));
        self.with_series(slot, now, |series, context| series.error(probe, error, context));
    }

    /// The series whose cookie is in `payload`, or else that of `addressed` whose cookie it resembles most; and its probe.
    fn find<I: Iterator<Item = u32>>(
        &self,
        lane: LaneId,
        profile: &Profile,
        sequence: Sequence,
        payload: &[u8],
        addressed: impl FnOnce() -> I,
    ) -> Match {
        let candidate = |slot: u32| {
            let series = self.series.get(slot)?;
            let (same, of) = series.cookie().agreement(payload, series.spec().payload.octets);
            // A changed payload is still ours if it is similar, or if no other process can have this identifier.
            if 2 * same < of && profile.ident.owner != Owner::Kernel {
                return None;
            }
            match series.named(sequence) {
                Named::Probe(probe) => Some(((same, true, series.is_open(probe)), Match::Ours(slot, probe))),
                Named::Forgotten => Some(((same, false, false), Match::Forgotten)),
                Named::Nothing => None,
            }
        };
        // The only series of a lane needs no look-up.
        let only = self.index.only(lane).filter(|&slot| self.carries_cookie(slot, payload));
        let exact = only.or_else(|| self.index.with_cookie(lane, payload)).and_then(candidate);
        let best = exact.or_else(|| addressed().filter_map(candidate).max_by_key(|&(likeness, _)| likeness));
        best.map_or(Match::Foreign, |(_, found)| found)
    }

    /// Whether this payload starts with all of the cookie that the probes of a series have room for.
    fn carries_cookie(&self, slot: u32, payload: &[u8]) -> bool {
        let Some(series) = self.series.get(slot) else { return false };
        let sent = series.cookie().octets().get(..cookie_octets(series));
        sent.is_some_and(|sent| !sent.is_empty() && payload.starts_with(sent))
    }

    fn want_name(&mut self, address: IpAddr) {
        if self.config.names && self.names.ask(address) {
            self.events.push_back(Event::NameWanted(address));
        }
    }
}
