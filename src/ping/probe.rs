//! One probe of a series: when it left and what became of it.

use std::num::NonZeroU64;

use crate::channel::Token;
use crate::types::{Now, ProbeId, Rtt, Stamp, WallTime};

/// What became of a probe so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// The channel was asked to send it.
    Ordered,
    /// The kernel would not send it.
    Failed,
    /// It left, and is waited for.
    Open,
    /// A reply that counts came in time.
    Received(Rtt),
    /// The host answered in time, the service did not.
    Refused,
    /// An ICMP error came in time.
    Unreachable,
    /// Its wait is over.
    Lost,
    /// Lost, and answered afterwards.
    LateAnswered,
}

/// The channel's name for a probe: its series in the upper half, which leaves the top bit clear, and the lower half of its
/// number.
pub(super) fn token(series: u32, probe: ProbeId) -> Token {
    Token::new(u64::from(series) << 32 | u64::from(probe.get() as u32))
}

/// One probe. Kept small: thousands of targets have hundreds of them each.
#[derive(Clone, Copy, Debug)]
pub(super) struct Probe {
    user: Now,
    kernel: Option<NonZeroU64>,
    hardware: Option<NonZeroU64>,
    /// What became of it.
    pub(super) fate: Fate,
}

impl Probe {
    /// A probe that waits to be sent.
    pub(super) fn ordered() -> Self {
        Probe { user: Now::default(), kernel: None, hardware: None, fate: Fate::Ordered }
    }

    /// Notes when it left, as far as is known by now.
    pub(super) fn leave(&mut self, stamp: &Stamp) {
        let nanos = |at: WallTime| NonZeroU64::new(at.as_nanos());
        self.user = stamp.user;
        self.kernel = stamp.kernel.and_then(nanos).or(self.kernel);
        self.hardware = stamp.hardware.and_then(nanos).or(self.hardware);
    }

    /// When it left.
    pub(super) fn sent(&self) -> Stamp {
        let wall = |nanos: NonZeroU64| WallTime::from_nanos(nanos.get());
        Stamp { user: self.user, kernel: self.kernel.map(wall), hardware: self.hardware.map(wall) }
    }

    /// Whether something that arrives can be about it: it left.
    pub(super) fn has_left(&self) -> bool {
        !matches!(self.fate, Fate::Ordered | Fate::Failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_is_small() {
        assert!(size_of::<Probe>() <= 48, "{}", size_of::<Probe>());
    }

    #[test]
    fn kernel_stamps_that_come_later_are_added() {
        let mut probe = Probe::ordered();
        let mut stamp = Stamp::default();
        probe.leave(&stamp);
        assert_eq!(probe.sent(), stamp);
        stamp.kernel = Some(WallTime::from_nanos(7));
        probe.leave(&stamp);
        assert_eq!(probe.sent(), stamp);
    }
}
