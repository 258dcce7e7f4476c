//! What a probe shows its target to be: [`State`].

use crate::types::serialize_as_name;

/// The state of a target or of its service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// The service is there.
    Open,
    /// The host resets connections.
    Refused,
    /// The host reports that the port is closed.
    Closed,
    /// Attempts to connect are not answered at all.
    Filtered,
    /// An ICMP error reports that the target cannot be reached.
    Unreachable,
    /// Nothing came: the service may be open, filtered, or ignore the probe.
    NoAnswer,
    /// The name has no address.
    Unresolved,
    /// Not one probe could be sent.
    Unknown,
}

impl State {
    /// The name used in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            State::Open => "open",
            State::Refused => "refused",
            State::Closed => "closed",
            State::Filtered => "filtered",
            State::Unreachable => "unreachable",
            State::NoAnswer => "no_answer",
            State::Unresolved => "unresolved",
            State::Unknown => "unknown",
        }
    }

    /// Whether the target could not even be probed.
    pub const fn is_not_run(self) -> bool {
        matches!(self, State::Unresolved | State::Unknown)
    }
}

serialize_as_name!(State);
