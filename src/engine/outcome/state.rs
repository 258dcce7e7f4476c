//! What a probe shows its target to be: [`State`].

use crate::types::named;

named! {
    /// The state of a target or of its service.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum State {
        /// The service is there.
        Open = "open",
        /// The host resets connections.
        Refused = "refused",
        /// The host reports that the port is closed.
        Closed = "closed",
        /// Attempts to connect are not answered at all.
        Filtered = "filtered",
        /// An ICMP error reports that the target cannot be reached.
        Unreachable = "unreachable",
        /// Nothing came: the service may be open, filtered, or ignore the probe.
        NoAnswer = "no_answer",
        /// The name has no address.
        Unresolved = "unresolved",
        /// Not one probe could be sent.
        Unknown = "unknown",
    }
}

impl State {
    /// Whether the target could not even be probed.
    pub const fn is_not_run(self) -> bool {
        matches!(self, State::Unresolved | State::Unknown)
    }
}
