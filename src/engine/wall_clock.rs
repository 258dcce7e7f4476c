//! Steps of the wall clock: [`WallClock`].

use super::delay::{DRIFT, moved};
use crate::types::Now;

/// From this on a step is reported, in nanoseconds, beside what adjtimex(2) may have slewed.
const LEAST: i128 = 100_000_000;

/// The wall clock, looked at again and again.
#[derive(Debug, Default)]
pub struct WallClock {
    before: Option<Now>,
}

impl WallClock {
    /// How far the wall clock was stepped since the last look, in nanoseconds, if it was; negative if it was set back. The monotonic
    /// clock stands still while the host is suspended, which looks the same.
    pub fn stepped(&mut self, now: Now) -> Option<i64> {
        let before = self.before.replace(now)?;
        let by = moved(before, now);
        let slewed = now.mono.since(before.mono).as_nanos() as i128 / DRIFT;
        (by.abs() >= LEAST + slewed).then(|| i64::try_from(by).unwrap_or(if by < 0 { i64::MIN } else { i64::MAX }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Instant, WallTime};

    #[test]
    fn a_step_is_reported_once_and_a_slewed_clock_never() {
        const SECOND: u64 = 1_000_000_000;
        let at = |mono: u64, wall: u64| Now { mono: Instant::from_nanos(mono), wall: WallTime::from_nanos(wall) };
        let mut clock = WallClock::default();
        assert_eq!(clock.stepped(at(5 * SECOND, 100 * SECOND)), None);
        // 500 ppm.
        assert_eq!(clock.stepped(at(1005 * SECOND, 1100 * SECOND + SECOND / 2)), None);
        let mut clock = WallClock::default();
        assert_eq!(clock.stepped(at(15 * SECOND, 110 * SECOND)), None);
        assert_eq!(clock.stepped(at(16 * SECOND, 3711 * SECOND)), Some(3600 * SECOND as i64));
        assert_eq!(clock.stepped(at(17 * SECOND, 3712 * SECOND)), None);
        assert_eq!(clock.stepped(at(18 * SECOND, 112 * SECOND)), Some(-3601 * SECOND as i64));
        assert_eq!(clock.stepped(at(19 * SECOND, u64::MAX)), Some(i64::MAX));
    }
}
