//! When probes leave: on absolute slots ([`Slots`]), after each other ([`Window`]), and never faster than a rate ([`Cap`]).

use std::time::Duration;

use crate::types::Instant;

/// Lateness that is a timer's and not a stall: slots missed by no more are still used, so that intervals shorter than a
/// wake-up takes keep their rate.
const TIMER_SLACK: Duration = Duration::from_millis(1);

/// How long a probe that is not answered holds up the next one, at least: 100 probes a second leave in any case.
const UNANSWERED_GAP: Duration = Duration::from_millis(10);

/// Slots at start + n·interval. Missed slots are skipped and counted; nothing is sent as a burst, and nothing drifts.
#[derive(Clone, Copy, Debug)]
pub struct Slots {
    next: Instant,
    interval: Duration,
}

impl Slots {
    /// The first slot is at `start`. With an interval of zero there is always one.
    pub const fn new(start: Instant, interval: Duration) -> Self {
        Slots { next: start, interval }
    }

    /// The next slot.
    pub const fn next(&self) -> Instant {
        self.next
    }

    /// Uses the slot now. `allowed` is when it could be used at the earliest: later than the slot where a [`Cap`] held it up,
    /// which is no stall. Held up for a whole interval, the slots start anew from there. Returns how many slots are skipped.
    pub fn take(&mut self, allowed: Instant, now: Instant) -> u64 {
        let held_up = allowed.since(self.next);
        if self.interval.is_zero() {
            self.next = now;
            return 0;
        }
        if held_up >= self.interval {
            self.next = allowed;
        }
        let missed = if now.since(allowed.max(self.next)) > TIMER_SLACK {
            (now.since(self.next).as_nanos() / self.interval.as_nanos()) as u64
        } else {
            0
        };
        self.next = self.next + interval_times(self.interval, missed.saturating_add(1));
        missed
    }

    /// The probe of the slot used last only left at `at`: slots it was overtaken by are skipped. Returns how many.
    pub fn left(&mut self, at: Instant) -> u64 {
        let overtaken = at.since(self.next);
        if self.interval.is_zero() || overtaken <= TIMER_SLACK {
            return 0;
        }
        let missed = (overtaken.as_nanos() / self.interval.as_nanos()) as u64 + 1;
        self.next = self.next + interval_times(self.interval, missed);
        missed
    }
}

fn interval_times(interval: Duration, times: u64) -> Duration {
    let nanos = interval.as_nanos().saturating_mul(u128::from(times));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// The next probe leaves when the last ones are answered, at the latest after a while.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    at_least: Duration,
    last: Option<Instant>,
}

impl Window {
    /// Never faster than one per `at_least`.
    pub const fn new(at_least: Duration) -> Self {
        Window { at_least, last: None }
    }

    /// When the next probe is due: as soon as it may, or if there is no `room` after `patience`, which counts as 10 ms if
    /// it is less. `start` is for the first.
    pub fn next(&self, start: Instant, room: bool, patience: Duration) -> Instant {
        match self.last {
            None => start,
            Some(last) if room => last + self.at_least,
            Some(last) => last + self.at_least.max(patience).max(UNANSWERED_GAP),
        }
    }

    /// Uses the chance now.
    pub fn take(&mut self, now: Instant) {
        self.last = Some(now);
    }
}

/// The most probes of a flood in flight at once: as many as the kernel takes in one call.
pub const LARGEST_FLOOD_WINDOW: u32 = 64;

/// How many probes of a flood may be in flight after `answered` of them were answered: it doubles from one with each round
/// trip to a target that answers.
pub fn flood_window(answered: u64) -> u64 {
    answered.saturating_add(1).min(LARGEST_FLOOD_WINDOW.into())
}

/// A limit on the probes per second of a run.
#[derive(Clone, Copy, Debug)]
pub struct Cap {
    next: Instant,
    gap: Duration,
    /// Lateness that is made up for.
    slack: Duration,
}

impl Cap {
    /// `per_second` probes a second from `start` on; `None` if that is no limit (zero, or not a number that can be kept to).
    pub fn new(start: Instant, per_second: f64) -> Option<Self> {
        let gap = Duration::try_from_secs_f64(per_second.recip()).ok().filter(|gap| !gap.is_zero())?;
        Some(Cap { next: start, gap, slack: TIMER_SLACK })
    }

    /// The same, which makes up for more lateness: on a busy machine a rate is kept to on the average, by short bursts.
    pub const fn patient(self, slack: Duration) -> Self {
        Cap { slack, ..self }
    }

    /// When the next probe may leave.
    pub const fn next(&self) -> Instant {
        self.next
    }

    /// Lets one probe leave now. Unused time is lost: it earns no burst.
    pub fn take(&mut self, now: Instant) {
        let stalled = now.since(self.next) > self.slack;
        self.next = if stalled { now } else { self.next } + self.gap;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn ms(millis: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(millis)
    }

    #[test]
    fn lateness_does_not_add_up() {
        let mut slots = Slots::new(ms(0), SECOND);
        for n in 0..100u64 {
            assert_eq!(slots.next(), ms(n * 1000));
            assert_eq!(slots.take(slots.next(), ms(n * 1000 + 300)), 0);
        }
    }

    #[test]
    fn slots_missed_in_a_stall_are_skipped_and_counted() {
        let mut slots = Slots::new(ms(0), SECOND);
        assert_eq!(slots.take(ms(0), ms(0)), 0);
        assert_eq!(slots.take(ms(1000), ms(5500)), 4);
        assert_eq!(slots.next(), ms(6000));
    }

    #[test]
    fn a_slot_met_exactly_is_not_missed() {
        let mut slots = Slots::new(ms(0), SECOND);
        assert_eq!(slots.take(ms(0), ms(3000)), 3);
        assert_eq!(slots.next(), ms(4000));
    }

    #[test]
    fn slots_that_pass_while_a_probe_cannot_leave_are_skipped() {
        let mut slots = Slots::new(ms(0), SECOND);
        assert_eq!(slots.take(ms(0), ms(0)), 0);
        assert_eq!(slots.left(ms(900)), 0);
        assert_eq!(slots.left(ms(3500)), 3);
        assert_eq!(slots.next(), ms(4000));
    }

    #[test]
    fn intervals_shorter_than_a_wake_up_keep_their_rate() {
        let interval = Duration::from_micros(100);
        let mut slots = Slots::new(ms(0), interval);
        let mut sent = 0;
        for wake in (0..1000u64).map(|n| Instant::from_nanos(n * 370_000)) {
            while slots.next() <= wake {
                assert_eq!(slots.take(slots.next(), wake), 0);
                sent += 1;
            }
        }
        assert_eq!(sent, 999 * 370 / 100 + 1);
    }

    #[test]
    fn a_rate_that_holds_slots_up_is_no_stall() {
        let mut slots = Slots::new(ms(0), SECOND);
        assert_eq!(slots.take(ms(400), ms(400)), 0);
        assert_eq!(slots.next(), ms(1000), "held up for less than an interval: the grid stays");
        assert_eq!(slots.take(ms(9000), ms(9000)), 0);
        assert_eq!(slots.next(), ms(10_000), "held up for longer: a new grid");
    }

    #[test]
    fn without_an_interval_there_is_always_a_slot() {
        let mut slots = Slots::new(ms(0), Duration::ZERO);
        assert_eq!(slots.take(ms(0), ms(7)), 0);
        assert_eq!(slots.next(), ms(7));
    }

    #[test]
    fn the_longest_interval_never_comes_round() {
        let mut slots = Slots::new(ms(0), Duration::MAX);
        assert_eq!(slots.take(ms(0), ms(0)), 0);
        assert_eq!(slots.next(), Instant::from_nanos(u64::MAX));
    }

    #[test]
    fn a_window_waits_for_room_but_not_forever() {
        let mut window = Window::new(Duration::from_millis(2));
        assert_eq!(window.next(ms(5), true, SECOND), ms(5));
        window.take(ms(100));
        assert_eq!(window.next(ms(5), true, SECOND), ms(102));
        assert_eq!(window.next(ms(5), false, SECOND), ms(1100));
        assert_eq!(window.next(ms(5), false, Duration::ZERO), ms(110));
    }

    #[test]
    fn a_flood_grows_with_what_is_answered() {
        assert_eq!([0, 1, 62, 63, 64, u64::MAX].map(flood_window), [1, 2, 63, 64, 64, 64]);
    }

    #[test]
    fn idle_time_earns_no_burst() {
        let mut cap = Cap::new(ms(0), 10.0).unwrap();
        cap.take(ms(0));
        assert_eq!(cap.next(), ms(100));
        cap.take(ms(5000));
        assert_eq!(cap.next(), ms(5100));
    }

    #[test]
    fn a_patient_cap_makes_up_for_what_a_busy_machine_delayed() {
        let mut cap = Cap::new(ms(0), 1000.0).unwrap().patient(Duration::from_millis(20));
        cap.take(ms(0));
        cap.take(ms(15));
        assert_eq!(cap.next(), ms(2));
        cap.take(ms(30));
        assert_eq!(cap.next(), ms(31), "a stall earns no burst");
    }

    #[test]
    fn no_rate_is_no_cap() {
        for none in [0.0, f64::NAN, f64::INFINITY, -1.0, 1e300] {
            assert!(Cap::new(ms(0), none).is_none(), "{none}");
        }
    }
}
