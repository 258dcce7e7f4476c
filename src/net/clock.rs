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

/// The time at which part `index` of `parts` equal ones of what lasted from `began` to `ended` began.
pub fn part(began: Now, ended: Now, index: usize, parts: usize) -> Now {
    let nanos = u128::from(ended.mono.as_nanos().saturating_sub(began.mono.as_nanos()));
    let passed = Duration::from_nanos((nanos * index as u128 / parts.max(1) as u128) as u64);
    Now { mono: began.mono + passed, wall: began.wall.saturating_add(passed) }
}

/// How far the wall clock may be off; `None` if nobody keeps it in step with UTC.
pub fn error() -> Option<ClockError> {
    sys::clock::largest_error().map(|error| ClockError::new(now().wall, error))
}

/// When `instant` is, for the kernel.
pub fn timespec(instant: Instant) -> Timespec {
    let nanos = instant.as_nanos();
    Timespec { tv_sec: (nanos / 1_000_000_000) as i64, tv_nsec: (nanos % 1_000_000_000) as _ }
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
    fn parts_of_a_time_are_equal_on_both_clocks() {
        let at = |mono, wall| Now { mono: Instant::from_nanos(mono), wall: WallTime::from_nanos(wall) };
        let (began, ended) = (at(100, 5000), at(180, 4000));
        assert_eq!([0, 1, 3].map(|index| part(began, ended, index, 4)), [began, at(120, 5020), at(160, 5060)]);
        assert_eq!(part(began, began, 3, 4), began);
        assert_eq!(part(ended, began, 0, 0), ended);
    }

    #[test]
    fn an_instant_reaches_the_kernel_as_seconds_and_nanoseconds() {
        let time = timespec(Instant::from_nanos(3_000_000_042));
        assert_eq!((time.tv_sec, time.tv_nsec), (3, 42));
        assert_eq!(nanos(time), 3_000_000_042);
        assert_eq!(nanos(Timespec { tv_sec: -1, tv_nsec: 5 }), 5);
    }
}
