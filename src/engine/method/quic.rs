//! QUIC: a version that no server has. Whatever the port sends back shows that it is open.

use super::{Answer, AnswerTo, DatagramMethod, Detail, Outcome, Probe, Times};
use crate::types::WallTime;
use crate::wire::payload::Cookie;
use crate::wire::service::{Numbered, quic};

/// A packet that makes servers list their versions.
#[derive(Debug)]
pub(super) struct Quic;

impl DatagramMethod for Quic {
    fn octets(&self, _octets: usize) -> usize {
        quic::QUESTION_OCTETS
    }

    fn push(&self, probe: &Probe<'_>, _now: WallTime, out: &mut Vec<u8>) {
        quic::push_question(probe.cookie, probe.id, out);
    }

    fn answers(&self, cookie: &Cookie, datagram: &[u8], _expected: bool) -> AnswerTo {
        quic::answered(cookie, datagram).map_or(AnswerTo::Newest, AnswerTo::Only)
    }

    fn quoted(&self, cookie: &Cookie, quoted: &[u8]) -> Option<Numbered> {
        quic::asked(cookie, quoted)
    }

    fn judge(&self, _probe: &Probe<'_>, answer: &Answer<'_>, _times: Times) -> Outcome {
        answer.judged(Ok(Detail::Datagram))
    }
}
