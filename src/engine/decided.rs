//! What is made of an answer that no event reports: [`Decided`].

use std::net::IpAddr;

use super::outcome::Standing;
use crate::types::{ProbeId, Rtt, Ttl};

/// What a machine that reports no single probes made of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decided {
    /// The probe that it answers.
    pub probe: ProbeId,
    /// Where that went; `None` if it is not known any more.
    pub target: Option<IpAddr>,
    /// The TTL or Hop Limit it was sent with, where that was chosen for it.
    pub ttl: Option<Ttl>,
    /// What it says.
    pub kind: AnswerKind,
    /// Whether it is the one that counts.
    pub standing: Standing,
    /// The delay, as far as it is known.
    pub rtt: Option<Rtt>,
    /// Whether it came from elsewhere.
    pub wrong_source: bool,
    /// Whether its payload is not what was sent.
    pub payload_changed: bool,
    /// Whether it is shorter than what was sent.
    pub truncated: bool,
}

/// The kinds of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerKind {
    /// The service answers.
    Reply,
    /// The host answers, and the service does not.
    Refusal,
    /// An ICMP error.
    Error,
}
