//! The datagrams that are sent to all targets of a family: [`DatagramTemplate`].

use std::sync::Arc;

use crate::engine::decode::Answer;
use crate::engine::method::{AnswerTo, Ask, Probe, Times};
use crate::engine::outcome::Outcome;
use crate::types::{ProbeId, WallTime};
use crate::wire::payload::Cookie;
use crate::wire::service::Numbered;

/// What is asked of all targets, and how answers are read.
#[derive(Clone, Debug)]
pub struct DatagramTemplate {
    ask: Arc<Ask>,
    cookie: Cookie,
    octets: usize,
}

impl DatagramTemplate {
    /// The datagrams of a run with this cookie, with `octets` of payload where the method leaves that open.
    pub fn new(ask: &Arc<Ask>, cookie: &Cookie, octets: usize) -> Self {
        DatagramTemplate { ask: Arc::clone(ask), cookie: *cookie, octets }
    }

    /// Appends the datagram with this number.
    pub fn push(&self, number: u64, now: WallTime, out: &mut Vec<u8>) {
        self.ask.datagrams().push(&self.probe(number), now, out);
    }

    /// The probe that a datagram answers; `expected`: it comes from where one went.
    pub fn answers(&self, datagram: &[u8], expected: bool) -> AnswerTo {
        self.ask.datagrams().answers(&self.cookie, datagram, expected)
    }

    /// The probe that an ICMP error quotes, if the quote is long enough.
    pub fn quoted(&self, quoted: &[u8]) -> Option<Numbered> {
        self.ask.datagrams().quoted(&self.cookie, quoted)
    }

    /// The outcome of the probe with this number, which `answer` is taken to answer.
    pub fn judge(&self, number: u64, answer: &Answer<'_>, times: Times) -> Outcome {
        self.ask.datagrams().judge(&self.probe(number), answer, times)
    }

    fn probe(&self, number: u64) -> Probe<'_> {
        Probe { cookie: &self.cookie, id: ProbeId::new(number), octets: self.octets }
    }
}
