//! STUN: the address that a server sees our probes come from.

use super::{Answer, AnswerTo, DatagramMethod, Detail, Entry, Outcome, Probe, Times, Value};
use crate::types::WallTime;
use crate::wire::payload::Cookie;
use crate::wire::service::stun::{self, Class};
use crate::wire::service::{NoAnswer, Numbered};

/// A Binding request.
#[derive(Debug)]
pub(super) struct Stun;

impl DatagramMethod for Stun {
    fn octets(&self, _octets: usize) -> usize {
        stun::HEADER_OCTETS
    }

    fn push(&self, probe: &Probe<'_>, _now: WallTime, out: &mut Vec<u8>) {
        stun::push_question(probe.cookie, probe.id, out);
    }

    fn answers(&self, cookie: &Cookie, datagram: &[u8], expected: bool) -> AnswerTo {
        match stun::read(cookie, datagram) {
            Ok((numbered, _)) => AnswerTo::OrNewest(numbered),
            Err(NoAnswer::Echo(numbered)) if expected => AnswerTo::OrNewest(numbered),
            Err(_) => AnswerTo::Newest,
        }
    }

    fn quoted(&self, cookie: &Cookie, quoted: &[u8]) -> Option<Numbered> {
        stun::asked(cookie, quoted)
    }

    fn judge(&self, probe: &Probe<'_>, answer: &Answer<'_>, _times: Times) -> Outcome {
        answer.judged(probe.answered(stun::read(probe.cookie, answer.payload)).map(Detail::Stun))
    }
}

/// What an answer adds to the result.
pub(super) fn entries(class: &Class) -> Vec<Entry> {
    let (mapped, error) = match *class {
        Class::Success(mapped) => (mapped, None),
        Class::Error(code) => (None, code),
        Class::Request => (None, None),
    };
    vec![
        Entry::text("mapped", mapped.map_or(Value::Absent, |mapped| Value::Text(mapped.to_string()))),
        Entry::hidden("mapped_address", mapped.map_or(Value::Absent, |mapped| Value::Text(mapped.ip().to_string()))),
        Entry::hidden("mapped_port", mapped.map_or(Value::Absent, |mapped| Value::Number(mapped.port().into()))),
        Entry::named("error_code", error.map_or(Value::Absent, |code| Value::Number(code.into()))),
    ]
}
