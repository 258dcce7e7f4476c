//! The result of a probe, the same for every application: a [`ProbeEvent`] about a [`Subject`].
//!
//! An event says everything about itself, so whatever prints, draws, counts or records it keeps nothing of earlier events.

mod error;
mod failure;
mod reply;
mod standing;
mod state;
mod status;
mod subject;

use std::net::IpAddr;
use std::sync::Arc;

pub use error::{Field, FieldValue, IcmpError, Quote, Rewritten};
pub use failure::{ExchangeFailure, NotSent, Refusal, Silence};
pub use reply::{Detail, ExchangeReply, OneWay, PayloadChange, Reflection, Reply};
pub use standing::{Answered, Standing};
pub use state::State;
pub use status::{Reachable, Status, Statuses};
pub use subject::{MethodKind, Pace, Payload, Spec, Subject, SubjectId, Wait, zone_name};

use crate::types::{Family, ProbeId, Rtt, StampSource, Tos, Ttl, WallTime};

/// The result of one probe, or a further answer to it.
#[derive(Clone, Debug, PartialEq)]
pub struct ProbeEvent {
    /// The target, and how it was probed.
    pub subject: Arc<Subject>,
    /// Which probe.
    pub id: ProbeId,
    /// The TTL or Hop Limit it was sent with, where that was chosen for this probe.
    pub ttl: Option<Ttl>,
    /// The number of its flow, where there are several.
    pub flow: Option<u32>,
    /// When the probe was sent; when the kernel refused it if it was not.
    pub sent: WallTime,
    /// When the outcome was known: the arrival of an answer, or the end of the wait.
    pub at: WallTime,
    /// Our port, where the method has ports and it is known.
    pub source_port: Option<u16>,
    /// The sender of the answer; `None` if there is no answer, for local errors and for local sockets.
    pub responder: Option<IpAddr>,
    /// The port the answer came from, where the method has ports.
    pub responder_port: Option<u16>,
    /// TTL or Hop Limit of the answer on arrival.
    pub reply_ttl: Option<Ttl>,
    /// TOS or Traffic Class of the answer on arrival.
    pub reply_tos: Option<Tos>,
    /// The delay of the answer, whether or not it enters the statistics.
    pub delay: Option<Delay>,
    /// Whether this is the answer that counts.
    pub standing: Standing,
    /// Whether a probe sent later was answered before.
    pub reordered: bool,
    /// The result itself.
    pub outcome: Outcome,
}

/// What happened to a probe.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// An answer from the target's side.
    Reply(Reply),
    /// The host answered, the service did not.
    Refused(Refusal),
    /// An ICMP error, a redirect or a source quench about the probe, or a local error from the error queue.
    Error(Box<IcmpError>),
    /// No answer within the wait.
    Timeout(Silence),
    /// The kernel refused to send the probe.
    NotSent(NotSent),
}

/// The delay of one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delay {
    /// The delay by the best clock that stamped both ends.
    pub rtt: Rtt,
    /// That clock.
    pub stamp: StampSource,
    /// The delay by our own clock, which every method has; scheduling and system calls are part of it.
    pub user: Rtt,
    /// How long the probe waited in this host's own queue, where the kernel reported it.
    pub local_queue: Option<Rtt>,
}

/// Who reports an ICMP error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reporter {
    /// The target itself.
    Target,
    /// This host: no neighbour has the address that the packet is to go to.
    ThisHost,
    /// A router or firewall on the way.
    Router,
}

impl ProbeEvent {
    /// An event about the probe `id`, sent and decided at `at`, with nothing known about an answer.
    pub fn new(subject: &Arc<Subject>, id: ProbeId, at: WallTime, outcome: Outcome) -> Self {
        ProbeEvent {
            subject: Arc::clone(subject),
            id,
            ttl: None,
            flow: None,
            sent: at,
            at,
            source_port: None,
            responder: None,
            responder_port: None,
            reply_ttl: None,
            reply_tos: None,
            delay: None,
            standing: Standing::First,
            reordered: false,
            outcome,
        }
    }

    /// The delay by the best clock.
    pub fn rtt(&self) -> Option<Rtt> {
        self.delay.map(|delay| delay.rtt)
    }

    /// Who an ICMP error about the probe comes from.
    pub fn reporter(&self) -> Reporter {
        match self.responder {
            Some(_) if self.responder == self.subject.address => Reporter::Target,
            Some(_) if self.responder == self.subject.source => Reporter::ThisHost,
            _ => Reporter::Router,
        }
    }

    /// ICMP type and code of what came about the probe.
    pub fn icmp(&self) -> Option<(u8, u8)> {
        match &self.outcome {
            Outcome::Error(error) => error.icmp,
            &Outcome::Refused(Refusal::PortUnreachable { icmp_type, icmp_code }) => Some((icmp_type, icmp_code)),
            // RFC 792, RFC 4443 §4.2: echo reply.
            Outcome::Reply(Reply { detail: Detail::Echo { .. }, .. }) => Some(match Family::of(self.responder?) {
                Family::V4 => (0, 0),
                Family::V6 => (129, 0),
            }),
            _ => None,
        }
    }
}

impl Outcome {
    /// The state of the target that follows; `None` where the method has no such states, or nothing follows.
    pub const fn state(&self) -> Option<State> {
        match self {
            Outcome::Reply(reply) => reply.detail.state(),
            Outcome::Refused(refusal) => Some(refusal.state()),
            Outcome::Error(error) if error.kind.is_advice() => None,
            Outcome::Error(_) => Some(State::Unreachable),
            Outcome::Timeout(silence) => Some(silence.state()),
            Outcome::NotSent(_) => Some(State::Unknown),
        }
    }

    /// What the method adds, if something of the target's side was read.
    pub const fn detail(&self) -> Option<&Detail> {
        match self {
            Outcome::Reply(Reply { detail, .. }) | Outcome::Refused(Refusal::Unexpected(detail)) => Some(detail),
            Outcome::Refused(_) | Outcome::Error(_) | Outcome::Timeout(_) | Outcome::NotSent(_) => None,
        }
    }

    /// The name used in reports: `reply`, `refused`, `error`, `timeout` or `send_failed`.
    pub const fn name(&self) -> &'static str {
        match self {
            Outcome::Reply(_) => "reply",
            Outcome::Refused(_) => "refused",
            Outcome::Error(_) => "error",
            Outcome::Timeout(_) => "timeout",
            Outcome::NotSent(_) => "send_failed",
        }
    }
}
