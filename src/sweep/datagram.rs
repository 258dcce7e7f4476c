//! Matching of what answers a datagram.

use std::net::IpAddr;

use super::answer::{Match, Traits};
use super::asking::DatagramTemplate;
use super::in_flight::ProbeState;
use super::machine::Sweep;
use super::template::Template;
use crate::channel::Profile;
use crate::engine::decode::Answer;
use crate::engine::method::{AnswerTo, Times};
use crate::engine::outcome::Outcome;
use crate::types::Now;
use crate::wire::service::Numbered;

impl Sweep {
    /// A datagram from a target, or with the number of a probe in it.
    pub(super) fn service_answer(&mut self, now: Now, profile: &Profile, answer: &Answer<'_>) {
        let Some(template) = self.datagrams(profile) else { return };
        let Some(from) = answer.responder.zip(answer.port) else { return };
        let Some(number) = self.answered_by(&template, from, answer.payload) else { return self.count_foreign() };
        let matched = self.of_number(number);
        let Some((sent, _)) = self.in_flight.stamps(number) else {
            return self.answer(now, matched, &answer.stamp, ProbeState::Replied, Traits::default());
        };
        let times = Times { sent, rtt: self.delay(&sent, &answer.stamp).0 };
        let target = self.active.progress(matched.slot, number).map(|target| target.endpoint);
        let is_elsewhere = target.is_some_and(|target| (target.address, target.port_number()) != from);
        match template.judge(number, answer, times) {
            Outcome::Reply(reply) => {
                let traits = Traits {
                    wrong_source: is_elsewhere && target.is_some_and(|target| !target.address.is_multicast()),
                    payload_changed: reply.payload_changed.is_some(),
                    truncated: reply.truncated,
                    ..Traits::default()
                };
                self.answer(now, matched, &answer.stamp, ProbeState::Replied, traits);
            }
            // The service is there, and this is not what it was asked for.
            _ => {
                self.count_rare(matched, |rare| rare.seen_open = true);
                self.answer(now, matched, &answer.stamp, ProbeState::Refused, Traits::default());
            }
        }
    }

    /// The probe to `to` that an ICMP error quotes.
    pub(super) fn quoted_datagram(&mut self, profile: &Profile, to: (IpAddr, u16), quoted: &[u8]) -> Option<Match> {
        let template = self.datagrams(profile)?;
        let numbered = template.quoted(quoted);
        // A quote may be too short to name a probe.
        let named = numbered.and_then(|numbered| self.numbered(numbered, to));
        let number = named.or_else(|| self.newest_to(to, |state| state == ProbeState::Open))?;
        Some(self.of_number(number))
    }

    fn datagrams(&self, profile: &Profile) -> Option<DatagramTemplate> {
        match &self.lane(profile.family)?.template {
            Template::Datagram(template) => Some(template.clone()),
            Template::Echo(_) | Template::Syn(..) => None,
        }
    }

    /// The probe that a datagram from there answers.
    fn answered_by(&mut self, template: &DatagramTemplate, from: (IpAddr, u16), payload: &[u8]) -> Option<u64> {
        let expected = self.addressed.probes(from).next().is_some();
        match template.answers(payload, expected) {
            AnswerTo::Only(numbered) | AnswerTo::Dated(numbered, _) => self.numbered(numbered, from),
            AnswerTo::OrNewest(numbered) => self.numbered(numbered, from).or_else(|| self.newest_open_to(from)),
            AnswerTo::Newest => self.newest_open_to(from),
            AnswerTo::Foreign => None,
        }
    }

    fn newest_open_to(&mut self, to: (IpAddr, u16)) -> Option<u64> {
        self.newest_to(to, |state| matches!(state, ProbeState::Open | ProbeState::Errored))
    }

    /// The newest probe to `to` in a state that is `wanted`, or else the newest of all.
    fn newest_to(&mut self, to: (IpAddr, u16), wanted: impl Fn(ProbeState) -> bool) -> Option<u64> {
        let (addressed, in_flight, active) = (&self.addressed, &self.in_flight, &mut self.active);
        let mut newest = None;
        for number in addressed.probes(to) {
            let state = in_flight.get(number).map(|probe| (probe.slot(), probe.state()));
            let target = state.and_then(|(slot, _)| active.progress(slot, number));
            // Another one's with the same key.
            if target.is_some_and(|target| (target.endpoint.address, target.endpoint.port_number()) != to) {
                continue;
            }
            if state.is_some_and(|(_, state)| wanted(state)) {
                return Some(number);
            }
            newest = newest.or(Some(number));
            if state.is_none() {
                break;
            }
        }
        newest
    }

    /// The probe with this number that went there, or anywhere if the whole number is known.
    fn numbered(&self, numbered: Numbered, to: (IpAddr, u16)) -> Option<u64> {
        let newest = self.in_flight.next() - 1;
        match numbered {
            Numbered::Probe(id) => Some(id.get()).filter(|number| (1..=newest).contains(number)),
            Numbered::Low(low) => self.addressed.probes(to).find(|&number| number as u32 == low),
            Numbered::Sequence(sequence) => self.addressed.probes(to).find(|&number| number as u16 == sequence.get()),
        }
    }

    /// The probe with this number, and the slot that its target has or had.
    fn of_number(&self, number: u64) -> Match {
        Match { number, slot: self.in_flight.slot(number).unwrap_or(u32::MAX), exact: true }
    }
}
