//! DNS: a question, and the code, flags and number of answers that a server gives back.

use super::{Answer, AnswerTo, DatagramMethod, Detail, Entry, Outcome, Probe, Times, Value};
use crate::engine::outcome::Refusal;
use crate::types::WallTime;
use crate::wire::payload::Cookie;
use crate::wire::service::dns::{self, Header, Question, Rcode};
use crate::wire::service::{NoAnswer, Numbered};

/// A question to a name server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dns {
    /// What is asked.
    pub question: Question,
    /// The code that its answer must have; `None`: any code is an answer.
    pub expect: Option<Rcode>,
}

impl DatagramMethod for Dns {
    fn octets(&self, _octets: usize) -> usize {
        self.question.octets()
    }

    fn push(&self, probe: &Probe<'_>, _now: WallTime, out: &mut Vec<u8>) {
        self.question.push(probe.cookie, probe.id, out);
    }

    /// 16 bits are too easily guessed from elsewhere.
    fn answers(&self, cookie: &Cookie, datagram: &[u8], expected: bool) -> AnswerTo {
        match dns::read(&self.question, cookie, datagram) {
            _ if !expected => AnswerTo::Foreign,
            Ok((numbered, _)) | Err(NoAnswer::Echo(numbered) | NoAnswer::OtherQuestion(numbered)) => {
                AnswerTo::OrNewest(numbered)
            }
            Err(_) => AnswerTo::Newest,
        }
    }

    fn quoted(&self, cookie: &Cookie, quoted: &[u8]) -> Option<Numbered> {
        dns::asked(cookie, quoted)
    }

    fn judge(&self, probe: &Probe<'_>, answer: &Answer<'_>, _times: Times) -> Outcome {
        match probe.answered(dns::read(&self.question, probe.cookie, answer.payload)) {
            Ok(header) if self.expect.is_some_and(|expected| header.rcode() != expected) => {
                Outcome::Refused(Refusal::Unexpected(Detail::Dns(header)))
            }
            read => answer.judged(read.map(Detail::Dns)),
        }
    }
}

/// What an answer adds to the result.
pub(super) fn entries(header: &Header) -> Vec<Entry> {
    vec![
        Entry::named("rcode", Value::Text(header.rcode().to_string())),
        Entry::named("flags", Value::Words(header.flags().collect())),
        Entry::named("answers", Value::Number(header.answers().into())),
    ]
}
