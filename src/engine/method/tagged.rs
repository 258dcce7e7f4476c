//! Datagrams that carry our own tag: cookie, probe number and counting fill. Only an echo gives them back.

use super::{Answer, AnswerTo, DatagramMethod, Outcome, Probe, Times};
use crate::engine::outcome::{Detail, PayloadChange, Reply};
use crate::types::WallTime;
use crate::wire::payload::{self, Cookie};
use crate::wire::service::Numbered;

/// The default of a UDP port without a known service.
#[derive(Debug)]
pub(super) struct Tagged;

impl DatagramMethod for Tagged {
    fn octets(&self, octets: usize) -> usize {
        octets
    }

    fn push(&self, probe: &Probe<'_>, _now: WallTime, out: &mut Vec<u8>) {
        payload::push_tagged(probe.cookie, probe.id, probe.octets, out);
    }

    /// Anything that comes from the port shows that it is open.
    fn answers(&self, cookie: &Cookie, datagram: &[u8], _expected: bool) -> AnswerTo {
        payload::tagged_probe(cookie, datagram).map_or(AnswerTo::Newest, |probe| AnswerTo::Only(Numbered::Probe(probe)))
    }

    fn quoted(&self, cookie: &Cookie, quoted: &[u8]) -> Option<Numbered> {
        payload::tagged_probe(cookie, quoted).map(Numbered::Probe)
    }

    /// Compares an echo with what was sent; there is nothing to compare another answer with.
    fn judge(&self, probe: &Probe<'_>, answer: &Answer<'_>, _times: Times) -> Outcome {
        let reply = Reply::new(answer.payload.len(), Detail::Datagram);
        if payload::tagged_probe(probe.cookie, answer.payload) != Some(probe.id) {
            return Outcome::Reply(reply);
        }
        let mut sent = Vec::with_capacity(probe.octets);
        payload::push_tagged(probe.cookie, probe.id, probe.octets, &mut sent);
        let mut pairs = sent.iter().zip(answer.payload).enumerate();
        let payload_changed = pairs.find(|(_, (sent, found))| sent != found).map(|(index, (&expected, &found))| {
            Box::new(PayloadChange { index, expected, found, payload: answer.payload.into() })
        });
        Outcome::Reply(Reply { truncated: answer.cut || answer.payload.len() < sent.len(), payload_changed, ..reply })
    }
}
