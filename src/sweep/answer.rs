//! Whose answer it is: from what arrived to a probe, or to nobody.

use std::net::IpAddr;

use super::config::Told;
use super::flight::Fate;
use super::machine::Sweep;
use crate::channel::{Arena, Datagram, IcmpNotice, LaneId, Owner, Profile};
use crate::engine::decode::{self, Decoded, EchoReply, IcmpError, QuotedTransport};
use crate::engine::delay;
use crate::types::{Instant, Now, Sequence, Stamp};
use crate::wire::payload;

/// Whose probe an answer is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    /// Ours, with this number, to the target of this place; `exact` if cookie and number say so.
    Ours { number: u64, slot: u32, exact: bool },
    /// Nobody's that we know.
    Foreign,
}

/// What an answer has besides the fact that it came.
#[derive(Clone, Copy, Debug, Default)]
struct Traits {
    wrong_source: bool,
    payload_changed: bool,
    truncated: bool,
}

impl Sweep {
    pub(super) fn datagram(&mut self, now: Now, datagram: &Datagram, octets: &Arena) {
        self.heard += 1;
        let Some(profile) = self.profile(datagram.lane) else { return };
        match decode::datagram(&profile, datagram, octets) {
            Decoded::Reply(reply) => self.reply(now, &profile, &reply),
            Decoded::Error(error) => self.error(now, &profile, &error),
            Decoded::Answer(_) | Decoded::Segment(_) | Decoded::Other | Decoded::Damaged(_) => {}
        }
    }

    pub(super) fn report(&mut self, now: Now, report: &IcmpNotice, octets: &Arena) {
        self.heard += 1;
        let Some(profile) = self.profile(report.lane) else { return };
        let error = decode::report(&profile, report, octets);
        self.error(now, &profile, &error);
    }

    fn profile(&self, lane: LaneId) -> Option<Profile> {
        self.ways.iter().find(|way| way.route.lane == lane).map(|way| way.route.profile)
    }

    fn reply(&mut self, now: Now, profile: &Profile, reply: &EchoReply<'_>) {
        if reply.ident != profile.ident.ident {
            return;
        }
        let whose = self.whose(profile, reply.sequence, (reply.payload, reply.payload), Some(reply.responder));
        let Whose::Ours { number, slot, exact } = whose else {
            self.foreign += 1;
            self.totals.counts.foreign += 1;
            return;
        };
        if reply.checksum_right == Some(false) {
            self.totals.counts.bad_checksum += 1;
            return self.with_extra(slot, number, |extra| extra.bad_checksum += 1);
        }
        let target = self.lives.of_probe(slot, number).map(|live| live.endpoint.address);
        let sent = self.config.payload_octets;
        let tail = reply.payload.get(super::Config::LEAST_OCTETS..).unwrap_or_default();
        let kept = self.way(profile.family).is_some_and(|way| {
            let both = way.template.tail().len().min(tail.len());
            way.template.tail().get(..both) == tail.get(..both)
        });
        let traits = Traits {
            wrong_source: target.is_some_and(|target| target != reply.responder && !target.is_multicast()),
            payload_changed: !exact || !kept,
            truncated: reply.payload.len() < sent || reply.cut,
        };
        self.answered(now, (number, slot), &reply.stamp, Fate::Replied, traits);
    }

    fn error(&mut self, now: Now, profile: &Profile, error: &IcmpError<'_>) {
        // What one hop advises the next decides nothing.
        if error.kind.is_advice() || error.checksum_right == Some(false) {
            return;
        }
        let Some(quoted) = &error.quoted else { return };
        let QuotedTransport::Echo { ident, sequence, payload } = quoted.transport else { return };
        if ident != profile.ident.ident {
            return;
        }
        // A short quote is padded with zeros where something follows it (RFC 4884 §4.1); they say nothing about the probe.
        let octets = payload.iter().rposition(|&octet| octet != 0).map_or(0, |last| last + 1);
        let known = payload.get(..octets).unwrap_or_default();
        if let Whose::Ours { number, slot, .. } = self.whose(profile, sequence, (payload, known), quoted.destination) {
            self.answered(now, (number, slot), &error.stamp, Fate::Unreachable, Traits::default());
        }
    }

    /// The first answer in time decides a probe; every other is counted.
    fn answered(&mut self, now: Now, (number, slot): (u64, u32), stamp: &Stamp, fate: Fate, traits: Traits) {
        let Some(probe) = self.flight.get_mut(number) else {
            return self.is_late(slot, number);
        };
        match probe.fate {
            Fate::Open => {
                let (sent, attempt) = (probe.sent(), probe.attempt);
                let until = sent.user.mono + self.flight.wait(attempt);
                if delay::arrival(&sent, stamp) > until {
                    // Its time is over, and only that was not noticed yet.
                    return self.is_late(slot, number);
                }
                if let Some(probe) = self.flight.get_mut(number) {
                    probe.answered(stamp, fate);
                }
                self.decided((number, slot, attempt), fate, traits, now.mono);
            }
            Fate::Replied | Fate::Unreachable => {
                self.totals.counts.duplicates += 1;
                self.with_extra(slot, number, |extra| extra.duplicates += 1);
            }
            Fate::Over => self.is_late(slot, number),
            // Nobody can answer what has not left.
            Fate::Ordered => {
                self.foreign += 1;
                self.totals.counts.foreign += 1;
            }
        }
    }

    fn decided(&mut self, (number, slot, attempt): (u64, u32, u32), fate: Fate, traits: Traits, now: Instant) {
        let Some(live) = self.lives.of_probe(slot, number) else {
            // Of a target that was told: nobody waits for it, and it is neither lost nor a second answer.
            return;
        };
        let counts = &mut self.totals.counts;
        let reordered = attempt + 1 < live.newest;
        live.newest = live.newest.max(attempt + 1);
        if fate == Fate::Replied {
            live.received += 1;
            counts.received += 1;
        } else {
            counts.unreachable += 1;
        }
        counts.reordered += u64::from(reordered);
        counts.wrong_source += u64::from(traits.wrong_source);
        counts.payload_changed += u64::from(traits.payload_changed);
        counts.truncated += u64::from(traits.truncated);
        let Traits { wrong_source, payload_changed, truncated } = traits;
        if reordered || wrong_source || payload_changed || truncated || fate == Fate::Unreachable {
            self.with_extra(slot, number, |extra| {
                extra.unreachable += u32::from(fate == Fate::Unreachable);
                extra.reordered += u32::from(reordered);
                extra.wrong_source += u32::from(wrong_source);
                extra.payload_changed += u32::from(payload_changed);
                extra.truncated += u32::from(truncated);
            });
        }
        if self.config.told == Told::Soon && fate == Fate::Replied {
            if let Some(probe) = self.flight.get(number).copied() {
                self.measure(slot, number, &probe);
            }
            self.tell(slot, true, now);
        }
    }

    /// An answer to a probe whose wait is over.
    fn is_late(&mut self, slot: u32, number: u64) {
        self.totals.counts.late += 1;
        self.with_extra(slot, number, |extra| extra.late += 1);
    }

    fn with_extra(&mut self, slot: u32, number: u64, change: impl FnOnce(&mut super::live::Extra)) {
        if self.lives.of_probe(slot, number).is_some() {
            self.extra(slot, change);
        }
    }

    /// The probe that cookie and number in `payload` name, or else the one with this sequence to `address` whose cookie `known`,
    /// what is sure of the payload, resembles.
    fn whose(
        &mut self,
        profile: &Profile,
        sequence: Sequence,
        (payload, known): (&[u8], &[u8]),
        address: Option<IpAddr>,
    ) -> Whose {
        if let Some(id) = payload::tagged_probe(&self.cookie, payload) {
            let (number, slot) = Sweep::off_the_wire(id);
            let known = self.flight.get(number).is_none_or(|probe| probe.slot == slot);
            if (1..self.flight.next()).contains(&number) && number as u16 == sequence.get() && known {
                return Whose::Ours { number, slot, exact: true };
            }
        }
        let Some(address) = address else { return Whose::Foreign };
        let (same, of) = self.cookie.agreement(known, self.config.payload_octets);
        // A changed payload is still ours if it is similar, or if nobody else can have this identifier.
        if 2 * same < of && profile.ident.owner != Owner::Kernel {
            return Whose::Foreign;
        }
        let newest = self.flight.next().saturating_sub(1);
        let behind = u64::from((newest as u16).wrapping_sub(sequence.get()));
        let Some(mut number) = newest.checked_sub(behind) else { return Whose::Foreign };
        while number >= self.flight.oldest() {
            if let Some(slot) = self.flight.get(number).map(|probe| probe.slot)
                && self.lives.of_probe(slot, number).is_some_and(|live| live.endpoint.address == address)
            {
                return Whose::Ours { number, slot, exact: false };
            }
            match number.checked_sub(1 << 16) {
                Some(older) => number = older,
                None => break,
            }
        }
        Whose::Foreign
    }
}
