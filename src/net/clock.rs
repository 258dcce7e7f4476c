//! The two clocks, read together, and how far the wall clock may be off.

use std::time::Duration;

use rustix::time::{ClockId, Timespec, clock_gettime};

use super::sys;
use crate::types::{ClockError, Instant, Now, WallTime};

/// CLOCK_MONOTONIC and CLOCK_REALTIME, one right after the other.
pub fn now() -> Now {
    Now {
        mono: Instant::from_nanos(nanos(clock_gettime(ClockId::Monotonic))),
        wall: WallTime::from_nanos(nanos(clock_gettime(ClockId::Realtime))),
    }
}

/// Both clocks so much later.
pub fn later(now: Now, passed: Duration) -> Now {
    Now { mono: now.mono + passed, wall: now.wall.saturating_add(passed) }
}

/// How far the wall clock may be off; `None` if it is not synchronised with UTC.
pub fn error() -> Option<ClockError> {
    sys::clock::largest_error().map(|error| ClockError::new(now().wall, error))
}

/// When `instant` is, for the kernel.
pub fn timespec(instant: Instant) -> Timespec {
    let nanos = instant.as_nanos();
    Timespec { tv_sec: (nanos / 1_000_000_000) as i64, tv_nsec: (nanos % 1_000_000_000) as _ }
}

/// How long it is until `instant`, for the kernel.
pub fn timespec_until(instant: Instant) -> Timespec {
    timespec(Instant::ZERO + instant.since(now().mono))
}

/// A time before the epoch, which only a wrong wall clock shows, counts as the epoch.
fn nanos(time: Timespec) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_reaches_the_kernel_as_seconds_and_nanoseconds() {
        let time = timespec(Instant::from_nanos(3_000_000_042));
        assert_eq!((time.tv_sec, time.tv_nsec), (3, 42));
        assert_eq!(nanos(time), 3_000_000_042);
        assert_eq!(nanos(Timespec { tv_sec: -1, tv_nsec: 5 }), 5);
    }
}
