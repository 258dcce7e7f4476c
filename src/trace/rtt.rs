//! The delay between two stamps, from the best clock both of them have.

use std::time::Duration;

use crate::types::{Now, Rtt, Stamp, WallTime};

/// What the wall clock may drift from the monotonic one while a probe is under way: this much, and 1/2000 of the time.
const CLOCK_SLACK: Duration = Duration::from_micros(50);
const CLOCK_DRIFT: u32 = 2000;

/// From `sent` to `received`: by hardware or kernel stamps where both have them and the wall clock was not set in between,
/// else by the monotonic clock.
pub(super) fn between(sent: &Stamp, received: &Stamp) -> Rtt {
    let monotonic = Rtt::between(sent.user.mono, received.user.mono);
    span(sent.hardware, received.hardware)
        .or_else(|| span(sent.kernel, received.kernel).filter(|_| wall_clock_ran_on(sent.user, received.user)))
        .unwrap_or(monotonic)
}

/// `None` if a stamp lacks or they are in the wrong order.
fn span(sent: Option<WallTime>, received: Option<WallTime>) -> Option<Rtt> {
    received?.as_nanos().checked_sub(sent?.as_nanos()).map(Rtt::from_nanos)
}

fn wall_clock_ran_on(sent: Now, received: Now) -> bool {
    let monotonic = received.mono.since(sent.mono);
    let Some(wall) = received.wall.as_nanos().checked_sub(sent.wall.as_nanos()).map(Duration::from_nanos) else {
        return false;
    };
    monotonic.abs_diff(wall) <= CLOCK_SLACK + monotonic / CLOCK_DRIFT
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Instant;

    fn stamp(mono: u64, wall: u64, kernel: Option<u64>) -> Stamp {
        let user = Now { mono: Instant::from_nanos(mono), wall: WallTime::from_nanos(wall) };
        Stamp { user, kernel: kernel.map(WallTime::from_nanos), hardware: None }
    }

    #[test]
    fn kernel_stamps_are_used_where_both_ends_have_them() {
        let rtt = between(&stamp(0, 1_000_000, Some(1_010_000)), &stamp(90_000, 1_090_000, Some(1_070_000)));
        assert_eq!(rtt, Rtt::from_nanos(60_000));
        let rtt = between(&stamp(0, 1_000_000, None), &stamp(90_000, 1_090_000, Some(1_070_000)));
        assert_eq!(rtt, Rtt::from_nanos(90_000));
    }

    #[test]
    fn a_wall_clock_that_was_set_is_not_believed() {
        let rtt = between(&stamp(0, 1_000_000, Some(1_010_000)), &stamp(90_000, 9_090_000, Some(9_070_000)));
        assert_eq!(rtt, Rtt::from_nanos(90_000));
        let rtt = between(&stamp(0, 1_000_000, Some(1_010_000)), &stamp(90_000, 90_000, Some(70_000)));
        assert_eq!(rtt, Rtt::from_nanos(90_000));
    }

    #[test]
    fn kernel_stamps_in_the_wrong_order_are_not_believed() {
        let rtt = between(&stamp(0, 1_000_000, Some(1_080_000)), &stamp(90_000, 1_090_000, Some(1_070_000)));
        assert_eq!(rtt, Rtt::from_nanos(90_000));
    }
}
