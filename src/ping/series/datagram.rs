//! Probes that are datagrams, and the answers to them (UDP, local datagram sockets, STAMP).

use super::{Context, Series};
use crate::engine::Named;
use crate::engine::decode::Answer;
use crate::engine::method::{self, AnswerTo, Times, push_echo};
use crate::engine::outcome::{Detail, Outcome, ProbeEvent, Reply};
use crate::ping::probe::ProbeState;
use crate::types::{ProbeId, WallTime};
use crate::wire::service::Numbered;

/// The most nanoseconds between the time in a probe, of its writing, and that of its leaving.
const DATED_WITHIN: u64 = 1_000_000_000;

impl Series {
    /// A probe as its method sees it.
    pub(super) fn method_probe(&self, id: ProbeId) -> method::Probe<'_> {
        method::Probe { cookie: &self.cookie, id, octets: self.spec.payload.octets }
    }

    /// Appends what its lane sends for a probe that is not a connection. `buffer` is memory to use.
    pub(in crate::ping) fn push_probe(&self, id: ProbeId, now: WallTime, buffer: &mut Vec<u8>, out: &mut Vec<u8>) {
        let probe = self.method_probe(id);
        match (self.method.datagrams(), self.profile()) {
            (Some(datagrams), _) => datagrams.push(&probe, now, out),
            (None, Some(profile)) => push_echo(profile, &probe, &self.spec.payload.fill, buffer, out),
            (None, None) => {}
        }
    }

    /// The probe that this datagram answers, if it is one of this series.
    ///
    /// `expected`: it comes from where the probes go. Then it is an answer even if it does not name its probe: to the newest
    /// one that is open.
    pub(in crate::ping) fn answered_by(&self, answer: &[u8], expected: bool) -> Option<ProbeId> {
        match self.method.datagrams()?.answers(&self.cookie, answer, expected) {
            AnswerTo::Only(numbered) => self.numbered(numbered).probe(),
            AnswerTo::Dated(numbered, at) => {
                let id = self.numbered(numbered).probe()?;
                let left = self.probes.get(id)?.sent().user.wall;
                (left.as_nanos().abs_diff(at.as_nanos()) <= DATED_WITHIN).then_some(id)
            }
            AnswerTo::OrNewest(numbered) => match self.numbered(numbered) {
                Named::Nothing if expected => self.newest_that(ProbeState::is_open),
                named => named.probe(),
            },
            AnswerTo::Newest if expected => self.newest_that(ProbeState::is_open),
            AnswerTo::Newest | AnswerTo::Foreign => None,
        }
    }

    /// The probe that an ICMP error about a datagram to the target quotes.
    pub(in crate::ping) fn quoted_in(&self, quoted: &[u8]) -> Option<ProbeId> {
        let numbered = self.method.datagrams().and_then(|datagrams| datagrams.quoted(&self.cookie, quoted));
        // A probe that is not known any more, or a quote too short to identify one.
        let named = numbered.and_then(|numbered| self.numbered(numbered).probe());
        named.or_else(|| self.newest_that(|state| state == ProbeState::Open))
    }

    /// A datagram that answers a probe which left.
    pub(in crate::ping) fn datagram(&mut self, id: ProbeId, answer: &Answer<'_>, context: &mut Context<'_>) {
        let Some((standing, sent)) = self.standing(id, &answer.stamp, context) else { return };
        let Some(datagrams) = self.method.datagrams() else { return };
        let times = Times { sent, rtt: self.delay(&sent, &answer.stamp).rtt };
        let mut outcome = datagrams.judge(&self.method_probe(id), answer, times);
        let mut responder_port = self.subject.port;
        if let Outcome::Reply(reply) = &mut outcome {
            responder_port = answer.port;
            reply.wrong_source =
                self.is_elsewhere(answer.responder) || (answer.port != self.subject.port && !self.group);
        }
        if let Outcome::Reply(Reply { detail: Detail::Stamp(reflection), .. }) = &outcome
            && !standing.is_duplicate()
        {
            self.reflections.get_or_insert_default().record(id, reflection, standing.is_late());
        }
        let event = ProbeEvent {
            responder: answer.responder,
            responder_port,
            reply_ttl: answer.reply_ttl,
            reply_tos: answer.tos,
            ..self.answer(id, &sent, &answer.stamp, outcome)
        };
        self.deliver(standing, event, Some(answer.stamp), context);
    }

    /// The probe that a number in a datagram names; one that never left is nothing.
    fn numbered(&self, numbered: Numbered) -> Named {
        let newest = self.newest().map_or(0, ProbeId::get);
        let number = match numbered {
            Numbered::Sequence(sequence) => return self.named(sequence),
            Numbered::Probe(id) => id.get(),
            Numbered::Low(low) => newest.saturating_sub(u64::from((newest as u32).wrapping_sub(low))),
        };
        if !(ProbeId::FIRST.get()..=newest).contains(&number) {
            return Named::Nothing;
        }
        match self.probes.get(ProbeId::new(number)) {
            Some(probe) if probe.has_left() => Named::Probe(ProbeId::new(number)),
            Some(_) => Named::Nothing,
            None => Named::Forgotten,
        }
    }

    /// The newest undecided probe in a state that is `wanted`, or else the newest of all that left.
    fn newest_that(&self, wanted: impl Fn(ProbeState) -> bool) -> Option<ProbeId> {
        let newest = self.newest_sent?.get();
        let is_wanted = |&id: &ProbeId| self.probes.get(id).is_some_and(|probe| wanted(probe.state));
        let found = (self.undecided.get()..=newest).rev().map(ProbeId::new).find(is_wanted);
        found.or(self.newest_sent)
    }
}
