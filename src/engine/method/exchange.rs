//! What the user sends and expects (`--data`, `--expect`), over a connection or in datagrams.

use std::sync::Arc;

use super::{Answer, AnswerTo, DatagramMethod, Entry, Label, Outcome, Probe, Times, Value};
use crate::engine::outcome::{Detail, Refusal};
use crate::types::WallTime;
use crate::wire::payload::Cookie;
use crate::wire::service::Numbered;

/// Octets of an unexpected answer that are shown.
const SHOWN_OCTETS: usize = 60;

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
    pub fn is_met_by(&self, answer: &[u8]) -> bool {
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

    fn judge(&self, _probe: &Probe<'_>, answer: &Answer<'_>, _times: Times) -> Outcome {
        match self.is_met_by(answer.payload) {
            true => answer.judged(Ok(Detail::Datagram)),
            false => Outcome::Refused(Refusal::Unexpected(Detail::Beginning(beginning(answer.payload).into()))),
        }
    }
}

/// As much of an answer as is kept to show it: one octet more than is shown.
pub(super) fn beginning(answer: &[u8]) -> &[u8] {
    answer.get(..=SHOWN_OCTETS).unwrap_or(answer)
}

/// What an answer that was not expected adds to its result.
pub(super) fn entries(answer: &[u8]) -> Vec<Entry> {
    let (shown, more) = match answer.get(..SHOWN_OCTETS) {
        Some(shown) if answer.len() > SHOWN_OCTETS => (shown, "…"),
        _ => (answer, ""),
    };
    let shown = shown.escape_ascii();
    let quoted = Value::Text(format!("\"{shown}\"{more}"));
    vec![
        Entry::hidden("answer_text", Value::Text(shown.to_string())),
        Entry { key: "", label: Label::Remark("unexpected answer"), value: quoted },
    ]
}
