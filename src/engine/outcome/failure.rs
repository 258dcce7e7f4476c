//! Probes that brought no reply: [`Refusal`], [`Silence`], [`NotSent`].

use super::{Detail, State};
use crate::channel::OsError;
use crate::types::{Mtu, named};

/// The host answered, the service did not.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// A TCP reset, or a local socket without a listener.
    Reset,
    /// A UDP port unreachable from the target, with the type and code of the ICMP error.
    PortUnreachable {
        /// ICMP type.
        icmp_type: u8,
        /// ICMP code.
        icmp_code: u8,
    },
    /// The service is open, and the exchange with it failed.
    Exchange(ExchangeFailure),
    /// The service is open, and its answer is not the one that was expected.
    Unexpected(Detail),
}

impl Refusal {
    /// The state of the target that follows from it.
    pub const fn state(&self) -> State {
        match self {
            Refusal::Reset => State::Refused,
            Refusal::PortUnreachable { .. } => State::Closed,
            Refusal::Exchange(_) | Refusal::Unexpected(_) => State::Open,
        }
    }

    /// How the exchange with an open service failed.
    pub const fn failure(&self) -> Option<ExchangeFailure> {
        match self {
            Refusal::Exchange(failure) => Some(*failure),
            Refusal::Unexpected(_) => Some(ExchangeFailure::Unexpected),
            Refusal::Reset | Refusal::PortUnreachable { .. } => None,
        }
    }
}

/// No answer within the wait, and what that means for the method.
#[derive(Clone, Debug, PartialEq)]
pub enum Silence {
    /// It may mean anything.
    NoAnswer,
    /// A connection attempt that was neither accepted nor refused.
    Filtered,
    /// Other probes were answered by a port unreachable: the target limits how often it sends those.
    RateLimited,
    /// The connection opened, and the exchange over it failed.
    Exchange(ExchangeFailure),
}

impl Silence {
    /// The state of the target that follows from it.
    pub const fn state(&self) -> State {
        match self {
            Silence::NoAnswer => State::NoAnswer,
            Silence::Filtered => State::Filtered,
            Silence::RateLimited => State::Closed,
            Silence::Exchange(_) => State::Open,
        }
    }

    /// How the exchange with an open service failed.
    pub const fn failure(&self) -> Option<ExchangeFailure> {
        match self {
            Silence::Exchange(failure) => Some(*failure),
            Silence::NoAnswer | Silence::Filtered | Silence::RateLimited => None,
        }
    }
}

/// The kernel refused to send a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotSent {
    /// The kernel's error.
    pub error: OsError,
    /// With EMSGSIZE, the largest packet that would have passed.
    pub mtu: Option<Mtu>,
    /// How many probes a line about this error stands for: this one, and those before it that had none. 0: this has none.
    pub reported: u64,
}

named! {
    /// How an exchange with an open service failed.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum ExchangeFailure {
        /// The answer is not what was expected.
        Unexpected = "unexpected",
        /// The other side closed in order before it had answered.
        Closed = "closed",
        /// The other side reset the connection.
        Reset = "reset",
        /// Nothing came.
        Silence = "silence",
        /// A datagram without octets came.
        Empty = "empty",
        /// Our own question came back.
        Echo = "echo",
        /// An answer to another question came.
        OtherId = "other_id",
        /// An answer came that has our id and repeats another question.
        OtherQuestion = "other_question",
        /// Octets came that are no message of the service.
        Malformed = "malformed",
    }
}
