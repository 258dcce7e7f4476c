//! Matching: from an answer to its probe, and what it means for the probe's target.

use std::net::IpAddr;

use super::active::Rare;
use super::config::{Completion, Config};
use super::in_flight::{Probe, ProbeState};
use super::machine::Sweep;
use super::template::Template;
use crate::channel::{Arena, Datagram, IcmpNotice, LaneId, Owner, Profile};
use crate::engine::decode::{self, Decoded, DecodedError, EchoReply, QuotedTransport};
use crate::engine::outcome::{Answered, Standing};
use crate::engine::{AnswerKind, Decided, delay};
use crate::types::{Instant, IpEndpoint, Now, ProbeId, Rtt, Sequence, Stamp};
use crate::wire::icmp::ErrorKind;
use crate::wire::payload;

/// A probe of this sweep that an answer belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Match {
    /// Its number.
    pub number: u64,
    /// The slot of its target.
    pub slot: u32,
    /// Whether cookie and number say so.
    pub exact: bool,
}

/// Properties of a reply.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Traits {
    pub(super) wrong_source: bool,
    pub(super) payload_changed: bool,
    pub(super) truncated: bool,
    /// Whether it is an ICMP error, which is no second answer, nor a second one a second error.
    pub(super) by_icmp: bool,
}

impl Traits {
    /// Those of an ICMP error.
    pub(super) const BY_ICMP: Traits =
        Traits { wrong_source: false, payload_changed: false, truncated: false, by_icmp: true };
}

impl Sweep {
    pub(super) fn datagram(&mut self, now: Now, datagram: &Datagram, octets: &Arena) {
        self.answers_read += 1;
        let Some(profile) = self.profile(datagram.lane) else { return };
        match decode::datagram(&profile, datagram, octets) {
            Decoded::Reply(reply) => self.reply(now, &profile, &reply),
            Decoded::Error(error) => self.error(now, &profile, &error),
            Decoded::Segment(segment) => self.segment(now, &profile, &segment),
            Decoded::Answer(answer) => self.service_answer(now, &profile, &answer),
            Decoded::Other | Decoded::Damaged(_) => {}
        }
    }

    pub(super) fn icmp_notice(&mut self, now: Now, notice: &IcmpNotice, octets: &Arena) {
        self.answers_read += 1;
        let Some(profile) = self.profile(notice.lane) else { return };
        let error = decode::notice(&profile, notice, octets);
        if let (true, Some(token)) = (profile.connects(), notice.token) {
            return self.connection_failed(now, token, &error.stamp);
        }
        self.error(now, &profile, &error);
    }

    fn profile(&self, id: LaneId) -> Option<Profile> {
        self.lanes.iter().find(|lane| lane.route.lane == id).map(|lane| lane.route.profile)
    }

    fn reply(&mut self, now: Now, profile: &Profile, reply: &EchoReply<'_>) {
        if reply.ident != profile.ident.ident {
            return;
        }
        let payload = (reply.payload, reply.payload);
        let Some(matched) = self.matching(profile, reply.sequence, payload, Some(reply.responder)) else {
            return self.count_foreign();
        };
        if reply.checksum_right == Some(false) {
            self.totals.counts.bad_checksum += 1;
            return self.count_rare(matched, |rare| rare.bad_checksum += 1);
        }
        let target = self.active.progress(matched.slot, matched.number).map(|target| target.endpoint.address);
        let tail = reply.payload.get(Config::LEAST_OCTETS..).unwrap_or_default();
        let is_same = self.lane(profile.family).is_some_and(|lane| {
            let Template::Echo(template) = &lane.template else { return false };
            let both = template.tail().len().min(tail.len());
            template.tail().get(..both) == tail.get(..both)
        });
        let traits = Traits {
            wrong_source: target.is_some_and(|target| target != reply.responder && !target.is_multicast()),
            payload_changed: !matched.exact || !is_same,
            truncated: reply.payload.len() < self.config.payload_octets || reply.cut,
            by_icmp: false,
        };
        self.answer(now, matched, &reply.stamp, ProbeState::Replied, traits);
    }

    fn error(&mut self, now: Now, profile: &Profile, error: &DecodedError<'_>) {
        // Redirects and source quenches decide nothing.
        if error.kind.is_advice() || error.checksum_right == Some(false) {
            return;
        }
        let Some(quoted) = &error.quoted else { return };
        let matched = match (quoted.transport, quoted.destination) {
            (QuotedTransport::Echo { ident, sequence, payload }, destination) if ident == profile.ident.ident => {
                // A short quote is padded with zeros where something follows it (RFC 4884 §4.1); they say nothing about the probe.
                let octets = payload.iter().rposition(|&octet| octet != 0).map_or(0, |last| last + 1);
                let known = payload.get(..octets).unwrap_or_default();
                self.matching(profile, sequence, (payload, known), destination)
            }
            (QuotedTransport::Tcp { source_port, destination_port, sequence, timestamp }, Some(destination)) => {
                let to = IpEndpoint::from_address(destination).with_port(destination_port);
                // A firewall may have changed the number; it stands in the timestamps option as well.
                let numbers = [Some(sequence), timestamp].into_iter().flatten();
                numbers.into_iter().find_map(|number| self.sent_syn(profile, source_port, to, number))
            }
            (QuotedTransport::Udp { destination_port, payload, .. }, Some(destination)) => {
                self.quoted_datagram(profile, (destination, destination_port), payload)
            }
            _ => None,
        };
        let Some(matched) = matched else { return };
        let is_closed = self.config.method.kind().has_closed_ports()
            && error.kind == ErrorKind::PortUnreachable
            && error.responder == quoted.destination;
        if is_closed {
            self.answer(now, matched, &error.stamp, ProbeState::Refused, Traits::BY_ICMP);
        } else {
            self.errored(now, matched, &error.stamp);
        }
    }

    /// An ICMP error about a probe.
    pub(super) fn errored(&mut self, now: Now, matched: Match, stamp: &Stamp) {
        self.totals.counts.icmp_errors += 1;
        self.count_rare(matched, |rare| rare.icmp_errors += 1);
        self.answer(now, matched, stamp, ProbeState::Errored, Traits::BY_ICMP);
    }

    /// Counts an answer by its standing; the first in time decides its probe and leaves it in `state`.
    pub(super) fn answer(&mut self, now: Now, matched: Match, stamp: &Stamp, state: ProbeState, traits: Traits) {
        let number = matched.number;
        let (standing, attempt, errored) = match self.in_flight.get(number).zip(self.in_flight.stamps(number)) {
            None => (Standing::Late, 0, false),
            Some((probe, (sent, _))) => {
                let answered = match probe.state() {
                    ProbeState::Open | ProbeState::Errored => {
                        Answered::Open(Some(sent.user.mono + self.in_flight.wait(probe.attempt)))
                    }
                    ProbeState::Replied | ProbeState::Refused => Answered::InTime,
                    ProbeState::Over => Answered::Not,
                    // A probe that was not sent cannot be answered.
                    ProbeState::Ordered => return self.count_foreign(),
                };
                let errored = probe.state() == ProbeState::Errored;
                (Standing::of(answered, delay::arrival(&sent, stamp)), probe.attempt, errored)
            }
        };
        let is_further_error = traits.by_icmp && (standing.is_duplicate() || errored && state == ProbeState::Errored);
        if self.config.captured {
            self.decided = Some(self.decided(matched, stamp, state, traits, standing));
        }
        if is_further_error {
            // An error is no second answer.
        } else if standing.is_duplicate() {
            self.totals.counts.duplicates += 1;
            self.count_rare(matched, |rare| rare.duplicates += 1);
        } else if standing.is_late() {
            self.totals.counts.late += 1;
            self.count_rare(matched, |rare| rare.late += 1);
        } else {
            if let Some(probe) = self.in_flight.get_mut(number) {
                probe.set_state(state);
            }
            if state == ProbeState::Replied {
                self.in_flight.set_reply(number, stamp);
            }
            if errored {
                self.totals.counts.answered_after_error += 1;
                self.count_rare(matched, |rare| rare.answered_after_error += 1);
            }
            self.decide(matched, attempt, state, traits, now.mono);
        }
    }

    /// What is made of an answer with this standing.
    fn decided(
        &mut self,
        matched: Match,
        stamp: &Stamp,
        state: ProbeState,
        traits: Traits,
        standing: Standing,
    ) -> Decided {
        let rtt = self.in_flight.stamps(matched.number).map(|(sent, _)| self.delay(&sent, stamp).0);
        let Traits { wrong_source, payload_changed, truncated, .. } = traits;
        Decided {
            probe: ProbeId::new(matched.number),
            target: self.active.progress(matched.slot, matched.number).map(|target| target.endpoint.address),
            ttl: None,
            kind: match state {
                ProbeState::Errored => AnswerKind::Error,
                ProbeState::Refused => AnswerKind::Refusal,
                _ => AnswerKind::Reply,
            },
            standing,
            rtt,
            wrong_source,
            payload_changed,
            truncated,
        }
    }

    fn decide(&mut self, matched: Match, attempt: u32, state: ProbeState, traits: Traits, now: Instant) {
        let Some(target) = self.active.of_probe(matched.slot, matched.number) else {
            // Its target ended with an earlier answer, so this probe is neither lost nor a duplicate.
            return;
        };
        let counts = &mut self.totals.counts;
        let reordered = attempt + 1 < target.newest;
        target.newest = target.newest.max(attempt + 1);
        if state == ProbeState::Errored {
            let slowest = Some(target.rtt).filter(|rtt| rtt.count() > 0).map(|rtt| Rtt::from_nanos(rtt.max()));
            self.errored.insert((now + delay::wait_after_error(slowest), matched.number));
            return;
        }
        if state == ProbeState::Refused {
            target.refused += 1;
            counts.refused += 1;
        } else {
            target.received += 1;
            counts.received += 1;
        }
        let Traits { wrong_source, payload_changed, truncated, .. } = traits;
        counts.reordered += u64::from(reordered);
        counts.wrong_source += u64::from(wrong_source);
        counts.payload_changed += u64::from(payload_changed);
        counts.truncated += u64::from(truncated);
        if reordered || wrong_source || payload_changed || truncated {
            self.count_rare(matched, |rare| {
                rare.reordered += u32::from(reordered);
                rare.wrong_source += u32::from(wrong_source);
                rare.payload_changed += u32::from(payload_changed);
                rare.truncated += u32::from(truncated);
            });
        }
        if self.config.completion == Completion::FirstAnswer {
            if state == ProbeState::Replied {
                self.measure(matched.slot, matched.number);
            }
            self.end_target(matched.slot, true, now);
        }
    }

    pub(super) fn count_foreign(&mut self) {
        self.foreign += 1;
        self.totals.counts.foreign += 1;
    }

    /// Changes the rare outcomes of the probe's target, unless it has ended.
    pub(super) fn count_rare(&mut self, matched: Match, change: impl FnOnce(&mut Rare)) {
        if self.active.has(matched.slot, matched.number)
            && let Some(rare) = self.active.rare(matched.slot)
        {
            change(rare);
        }
    }

    /// The probe that cookie and number in `payload` name, or else the one with this sequence to `address` whose cookie
    /// resembles `known`, the part of the payload that is certain.
    fn matching(
        &mut self,
        profile: &Profile,
        sequence: Sequence,
        (payload, known): (&[u8], &[u8]),
        address: Option<IpAddr>,
    ) -> Option<Match> {
        if let Some(id) = payload::tagged_probe(&self.cookie, payload) {
            let (number, slot) = Sweep::off_the_wire(id);
            let agrees = self.in_flight.get(number).is_none_or(|probe| probe.slot() == slot);
            if (1..self.in_flight.next()).contains(&number) && number as u16 == sequence.get() && agrees {
                return Some(Match { number, slot, exact: true });
            }
        }
        let address = address?;
        let (same, of) = self.cookie.agreement(known, self.config.payload_octets);
        // A changed payload is still ours if it is similar, or if no other socket can have this identifier.
        if 2 * same < of && profile.ident.owner != Owner::Kernel {
            return None;
        }
        let newest = self.in_flight.next().saturating_sub(1);
        let older = u64::from((newest as u16).wrapping_sub(sequence.get()));
        let mut number = newest.checked_sub(older)?;
        while number >= self.in_flight.oldest() {
            if let Some(slot) = self.in_flight.get(number).map(Probe::slot)
                && self.active.progress(slot, number).is_some_and(|target| target.endpoint.address == address)
            {
                return Some(Match { number, slot, exact: false });
            }
            number = number.checked_sub(1 << 16)?;
        }
        None
    }
}
