//! One probe of a series: when it left, and its state.

use std::num::NonZeroU64;

use crate::channel::{Sent, Token};
use crate::engine::outcome::{Answered, SubjectId};
use crate::types::{Instant, Now, ProbeId, Rtt, Stamp, StampSource, WallTime};

/// The state of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProbeState {
    /// The channel was asked to send it.
    Ordered,
    /// The kernel would not send it.
    NotSent,
    /// It left, and is waited for.
    Open,
    /// An ICMP error came, and an answer may still follow.
    Errored,
    /// A reply that counts came in time; with its delay once that is measured.
    Received(Option<(Rtt, StampSource)>),
    /// The host answered in time, the service did not.
    Refused,
    /// An ICMP error ended it, or came and was not followed by an answer in time.
    Unreachable,
    /// Its wait is over.
    Lost,
    /// Lost or else unreachable, and answered afterwards.
    AnsweredLate { lost: bool },
}

impl ProbeState {
    /// Whether an answer to it is waited for.
    pub(super) fn is_open(self) -> bool {
        matches!(self, ProbeState::Open | ProbeState::Errored)
    }

    /// Whether its outcome is known.
    pub(super) fn is_decided(self) -> bool {
        self != ProbeState::Ordered && !self.is_open()
    }
}

/// The channel's name for a probe: its subject in the upper half, which leaves the top bit clear, and the lower half of its
/// number.
pub(super) fn token(subject: SubjectId, probe: ProbeId) -> Token {
    Token::new(u64::from(subject.get()) << 32 | u64::from(probe.get() as u32))
}

/// One probe. Kept small: thousands of targets have hundreds of them each.
#[derive(Clone, Copy, Debug)]
pub(super) struct Probe {
    user: Now,
    scheduled: Option<NonZeroU64>,
    left: Option<NonZeroU64>,
    hardware: Option<NonZeroU64>,
    /// Its state.
    pub(super) state: ProbeState,
}

impl Probe {
    /// A probe that waits to be sent.
    pub(super) fn ordered() -> Self {
        Probe { user: Now::default(), scheduled: None, left: None, hardware: None, state: ProbeState::Ordered }
    }

    /// Notes when it left, as far as is known by now.
    pub(super) fn leave(&mut self, sent: &Sent) {
        let nanos = |at: WallTime| NonZeroU64::new(at.as_nanos());
        self.user = sent.stamp.user;
        self.scheduled = sent.scheduled.and_then(nanos).or(self.scheduled);
        self.left = sent.stamp.kernel.and_then(nanos).or(self.left);
        self.hardware = sent.stamp.hardware.and_then(nanos).or(self.hardware);
    }

    /// When it left: the start of its delay.
    pub(super) fn sent(&self) -> Stamp {
        let wall = |nanos: NonZeroU64| WallTime::from_nanos(nanos.get());
        // From the entry into the queueing discipline, so that a queue on our own link stays visible.
        let kernel = self.scheduled.or(self.left).map(wall);
        Stamp { user: self.user, kernel, hardware: self.hardware.map(wall) }
    }

    /// How long it waited in this host's own queue, once both ends of that are known.
    pub(super) fn local_queue(&self) -> Option<Rtt> {
        let (from, to) = self.scheduled.zip(self.left)?;
        to.get().checked_sub(from.get()).map(Rtt::from_nanos)
    }

    /// The answers to it so far, if it is waited for until `deadline`.
    pub(super) fn answered(&self, deadline: Option<Instant>) -> Answered {
        match self.state {
            ProbeState::Ordered | ProbeState::Open | ProbeState::Errored => Answered::Open(deadline),
            ProbeState::Lost | ProbeState::Unreachable => Answered::Not,
            ProbeState::AnsweredLate { .. } => Answered::Late,
            ProbeState::NotSent | ProbeState::Received(_) | ProbeState::Refused => Answered::InTime,
        }
    }

    /// Whether something that arrives can be about it: it left.
    pub(super) fn has_left(&self) -> bool {
        !matches!(self.state, ProbeState::Ordered | ProbeState::NotSent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::Token;

    fn sent(scheduled: Option<u64>, left: Option<u64>) -> Sent {
        let stamp = Stamp { kernel: left.map(WallTime::from_nanos), ..Stamp::default() };
        Sent { token: Token::new(1), stamp, scheduled: scheduled.map(WallTime::from_nanos), local: None }
    }

    #[test]
    fn a_probe_is_small() {
        assert!(size_of::<Probe>() <= 56, "{}", size_of::<Probe>());
    }

    #[test]
    fn kernel_stamps_are_added_one_by_one_and_the_delay_runs_from_the_first() {
        let mut probe = Probe::ordered();
        probe.leave(&sent(None, None));
        assert_eq!((probe.sent().kernel, probe.local_queue()), (None, None));
        probe.leave(&sent(None, Some(9)));
        assert_eq!((probe.sent().kernel, probe.local_queue()), (Some(WallTime::from_nanos(9)), None));
        probe.leave(&sent(Some(7), None));
        assert_eq!(probe.sent().kernel, Some(WallTime::from_nanos(7)));
        assert_eq!(probe.local_queue(), Some(Rtt::from_nanos(2)));
    }

    #[test]
    fn stamps_in_the_wrong_order_are_no_queue() {
        let mut probe = Probe::ordered();
        probe.leave(&sent(Some(9), Some(7)));
        assert_eq!(probe.local_queue(), None);
    }
}
