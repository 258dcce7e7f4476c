//! What the user sends and expects (`--data`, `--expect`), over a connection or in datagrams.

use std::sync::Arc;

use super::{AnswerTo, DatagramMethod, DatagramReply, Outcome, Probe, Times};
use crate::engine::outcome::{Detail, ExchangeFailure};
use crate::types::WallTime;
use crate::wire::payload::Cookie;
use crate::wire::service::Numbered;

/// What is sent, and what must come back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exchange {
    /// What is sent; if it is empty the other side is to speak first.
    pub data: Arc<[u8]>,
    /// What must be somewhere in the answer; `None`: anything is an answer.
    pub expect: Option<Arc<[u8]>>,
}

impl Exchange {
    /// Whether `answer` has what must be in it.
    pub(in crate::ping) fn is_met_by(&self, answer: &[u8]) -> bool {
        match self.expect.as_deref() {
            None => !answer.is_empty(),
            Some([]) => true,
            Some(expected) => answer.windows(expected.len()).any(|part| part == expected),
        }
    }
}

impl DatagramMethod for Exchange {
    fn octets(&self, _octets: usize) -> usize {
        self.data.len()
    }

    fn push(&self, _probe: &Probe<'_>, _now: WallTime, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.data);
    }

    fn answers(&self, _cookie: &Cookie, _datagram: &[u8], _expected: bool) -> AnswerTo {
        AnswerTo::Newest
    }

    fn quoted(&self, _cookie: &Cookie, _quoted: &[u8]) -> Option<Numbered> {
        None
    }

    fn judge(&self, _probe: &Probe<'_>, answer: &DatagramReply<'_>, _times: Times) -> Outcome {
        let met = self.is_met_by(answer.payload);
        answer.judged(met.then_some(Detail::Datagram).ok_or(ExchangeFailure::Unexpected))
    }
}
