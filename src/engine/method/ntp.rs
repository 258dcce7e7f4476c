//! NTP: a server's statements about its own clock.

use super::{Answer, AnswerTo, DatagramMethod, Detail, Entry, Outcome, Probe, Times, Value};
use crate::types::WallTime;
use crate::wire::payload::Cookie;
use crate::wire::service::ntp::{self, Packet};
use crate::wire::service::{NoAnswer, Numbered};

/// The question of a client.
#[derive(Debug)]
pub(super) struct Ntp;

impl DatagramMethod for Ntp {
    fn octets(&self, _octets: usize) -> usize {
        ntp::PACKET_OCTETS
    }

    fn push(&self, probe: &Probe<'_>, _now: WallTime, out: &mut Vec<u8>) {
        ntp::push_question(probe.cookie, probe.id, out);
    }

    fn answers(&self, cookie: &Cookie, datagram: &[u8], expected: bool) -> AnswerTo {
        match ntp::read(cookie, datagram) {
            Ok((numbered, _)) => AnswerTo::OrNewest(numbered),
            Err(NoAnswer::Echo(numbered)) if expected => AnswerTo::OrNewest(numbered),
            Err(_) => AnswerTo::Newest,
        }
    }

    fn quoted(&self, cookie: &Cookie, quoted: &[u8]) -> Option<Numbered> {
        ntp::asked(cookie, quoted)
    }

    fn judge(&self, probe: &Probe<'_>, answer: &Answer<'_>, _times: Times) -> Outcome {
        answer.judged(probe.answered(ntp::read(probe.cookie, answer.payload)).map(Detail::Ntp))
    }
}

/// What an answer adds to the result. A clock that is not synchronized is marked: its time is worth nothing.
pub(super) fn entries(packet: &Packet) -> Vec<Entry> {
    let mut entries = vec![
        Entry::named("stratum", Value::Number(packet.stratum.into())),
        Entry::named("leap", Value::Number(packet.leap.into())),
        Entry::labelled("reference_id", "reference", packet.reference().map_or(Value::Absent, Value::Text)),
        Entry::hidden("synchronized", Value::Flag(packet.is_synchronized())),
    ];
    entries.extend((!packet.is_synchronized()).then(|| Entry::remark("not synchronized")));
    entries
}
