//! The two clocks, read together, and how far the wall clock may be off.

use std::time::Duration;

use rustix::time::Timespec;

use super::sys;
use crate::types::{ClockError, Instant, Now, WallTime};

/// How far apart the readings of the two clocks may be, and how often they are read anew to have them that close.
const TOGETHER: Duration = Duration::from_micros(1);
const READINGS: usize = 4;

/// CLOCK_MONOTONIC and CLOCK_REALTIME, one right after the other: anew if this thread was interrupted in between.
pub fn now() -> Now {
    let wall = || WallTime::from_nanos(sys::clock::realtime());
    let mut before = mono();
    for _ in 1..READINGS {
        let wall = wall();
        let after = mono();
        if after.since(before) <= TOGETHER {
            return Now { mono: before, wall };
        }
        before = after;
    }
    Now { mono: before, wall: wall() }
}

/// The same a moment after `last`: the wall clock by how much time has passed, which it shows unless it was set meanwhile.
pub fn soon_after(last: Now) -> Now {
    later(last, mono().since(last.mono))
}

/// CLOCK_MONOTONIC alone: a third of the work.
pub fn mono() -> Instant {
    Instant::from_nanos(sys::clock::monotonic())
}

/// Seconds that the local time is ahead of UTC, at some time.
pub fn local_offset(at: WallTime) -> i64 {
    sys::clock::local_offset(i64::try_from(at.as_nanos() / 1_000_000_000).unwrap_or(0))
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
    timespec(Instant::ZERO + instant.since(mono()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_reaches_the_kernel_as_seconds_and_nanoseconds() {
        let time = timespec(Instant::from_nanos(3_000_000_042));
        assert_eq!((time.tv_sec, time.tv_nsec), (3, 42));
    }
}
