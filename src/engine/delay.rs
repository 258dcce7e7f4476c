//! Delays from stamps: which pair of them to trust, and when an answer that was read late arrived.

use std::time::Duration;

use crate::channel::{Opened, SendStamps};
use crate::types::{Instant, Now, Rtt, Stamp, StampSource};

/// How long an answer that overtook the send stamp of its probe waits for that stamp at most.
pub const TICK: Duration = Duration::from_millis(1);

/// The first time-out of a SYN, a second (RFC 6298 §2.1), with what the kernel's timers of that length are late as a rule.
const SYN_TIMEOUT: Duration = Duration::from_millis(1024);

/// How far the kernel's measurement and ours may differ where both began with the same SYN.
const SAME_SYN: Duration = Duration::from_millis(50);

/// An answer that comes this soon after a SYN was repeated may be the answer to that one.
const REPEATED_ANSWER: Duration = Duration::from_millis(250);

/// How far the wall clock may move against the monotonic one between two stamps, plus [`DRIFT`], before it counts as stepped.
const STEP: i128 = 50_000;

/// No packet goes from one program to another and back in less.
const SHORTEST: Rtt = Rtt::from_nanos(500);

/// 500 ppm, the fastest that adjtimex(2) slews, as a divisor.
pub(super) const DRIFT: i128 = 2_000;

/// The round-trip delay between two local stamps, from the best clock that has both: the interface's, the kernel's, ours.
///
/// Kernel stamps are wall-clock: where that was stepped between the two, they are not used. No pair is used that claims more
/// than passed on our monotonic clock, whose stamps enclose the others.
pub fn between(sent: &Stamp, arrived: &Stamp) -> (Rtt, StampSource) {
    let ours = Rtt::between(sent.user.mono, arrived.user.mono);
    let slack = (STEP + i128::from(ours.as_nanos()) / DRIFT) as u64;
    let enclosed =
        |from: u64, to: u64| to.checked_sub(from).filter(|&span| span > 0 && span <= ours.as_nanos() + slack);
    if let (Some(from), Some(to)) = (sent.hardware, arrived.hardware)
        && let Some(span) = enclosed(from.as_nanos(), to.as_nanos())
    {
        return (Rtt::from_nanos(span), StampSource::Hardware);
    }
    if let (Some(from), Some(to)) = (sent.kernel, arrived.kernel)
        && steady(sent.user, arrived.user)
        && let Some(span) = enclosed(from.as_nanos(), to.as_nanos())
    {
        return (Rtt::from_nanos(span), StampSource::Kernel);
    }
    (ours, StampSource::User)
}

/// The round-trip delay of a probe that no clock but ours stamped as it left: as [`between`], but where the kernel says when the
/// answer arrived the time it was not read is left out, which with many answers to a call is most of it. Where nothing would be
/// left, one of the stamps is an estimate that was wrong, and that time is part of the delay.
pub fn until_arrival(sent: &Stamp, arrived: &Stamp) -> (Rtt, StampSource) {
    match between(sent, arrived) {
        (ours, StampSource::User) => {
            let read_at_once = Rtt::between(sent.user.mono, arrival(sent, arrived));
            (if read_at_once < SHORTEST { ours } else { read_at_once }, StampSource::User)
        }
        better => better,
    }
}

/// How long an answer to a probe is waited for after an ICMP error about it, where nothing else is waited for.
pub fn wait_after_error(slowest: Option<Rtt>) -> Duration {
    let twice = slowest.map_or(Duration::ZERO, |slowest| slowest.as_duration().saturating_mul(2));
    twice.clamp(Duration::from_millis(250), Duration::from_secs(1))
}

/// Whether a connection that opened `after` its first SYN was opened by the answer to that, although the kernel has repeated
/// it. The timestamp that came back is not enough: a server whose first answer was lost sends the first one again.
pub fn answers_first_syn(opened: &Opened, after: Duration) -> bool {
    opened.retransmits == 0
        || opened.handshake.is_some_and(|measured| measured.abs_diff(after) <= SAME_SYN)
            && after.saturating_sub(last_syn(opened.retransmits, after)) > REPEATED_ANSWER
}

/// When the newest of `retransmits` repetitions of a SYN left, if the connection opened `after` the first.
fn last_syn(retransmits: u32, after: Duration) -> Duration {
    let doublings = |count: u32| 1_u32.checked_shl(count).unwrap_or(u32::MAX) - 1;
    // RFC 6298 §5.5. Since Linux 6.5 only from the sixth on (tcp_syn_linear_timeouts).
    let doubled = SYN_TIMEOUT.saturating_mul(doublings(retransmits));
    if doubled <= after {
        return doubled;
    }
    let linear = retransmits.min(5);
    SYN_TIMEOUT.saturating_mul(linear.saturating_add(doublings(retransmits - linear).saturating_mul(2)))
}

/// Whether a send stamp is still to come, on a lane with these, that the delay between the two could be taken from.
pub fn is_incomplete(wanted: SendStamps, sent: &Stamp, arrived: &Stamp) -> bool {
    let kernel = arrived.kernel.is_some() && sent.kernel.is_none();
    let hardware = arrived.hardware.is_some() && sent.hardware.is_none();
    match wanted {
        SendStamps::None | SendStamps::User => false,
        SendStamps::Kernel => kernel,
        SendStamps::Hardware => kernel || hardware,
    }
}

/// When an answer to what left with `sent` reached this host, on the monotonic clock: if we were kept from reading it
/// (suspended, stalled), the kernel's stamp shows how long it had waited. Never before `sent`.
pub fn arrival(sent: &Stamp, arrived: &Stamp) -> Instant {
    let unread = match arrived.kernel {
        Some(kernel) if steady(sent.user, arrived.user) => {
            Duration::from_nanos(arrived.user.wall.as_nanos().saturating_sub(kernel.as_nanos()))
        }
        _ => Duration::ZERO,
    };
    arrived.user.mono.saturating_sub(unread).max(sent.user.mono)
}

/// Whether both clocks moved alike between two readings.
fn steady(earlier: Now, later: Now) -> bool {
    let mono = i128::from(later.mono.as_nanos()) - i128::from(earlier.mono.as_nanos());
    moved(earlier, later).abs() <= STEP + mono.abs() / DRIFT
}

/// How far the wall clock moved against the monotonic one between two readings, in nanoseconds.
pub(super) fn moved(earlier: Now, later: Now) -> i128 {
    let wall = i128::from(later.wall.as_nanos()) - i128::from(earlier.wall.as_nanos());
    let mono = i128::from(later.mono.as_nanos()) - i128::from(earlier.mono.as_nanos());
    wall - mono
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::Token;
    use crate::types::WallTime;

    const WALL: u64 = 1_700_000_000_000_000_000;

    fn stamp(mono: u64, wall_step: i64, kernel: Option<u64>, hardware: Option<u64>) -> Stamp {
        let wall = (WALL + mono).saturating_add_signed(wall_step);
        Stamp {
            user: Now { mono: Instant::from_nanos(mono), wall: WallTime::from_nanos(wall) },
            kernel: kernel.map(|at| WallTime::from_nanos((WALL + at).saturating_add_signed(wall_step))),
            hardware: hardware.map(WallTime::from_nanos),
        }
    }

    #[test]
    fn no_delay_is_zero_because_a_stamp_is_an_estimate() {
        let sent = stamp(100_000, 0, None, None);
        for kernel in [90_000, 100_000, 100_200] {
            let arrived = stamp(140_000, 0, Some(kernel), None);
            assert_eq!(until_arrival(&sent, &arrived), (Rtt::from_nanos(40_000), StampSource::User), "{kernel}");
        }
        assert_eq!(until_arrival(&sent, &stamp(140_000, 0, Some(104_000), None)).0, Rtt::from_nanos(4_000));
        let same = stamp(140_000, 0, Some(100_000), None);
        assert_eq!(between(&stamp(100_000, 0, Some(100_000), None), &same).1, StampSource::User);
    }

    #[test]
    fn the_best_clock_that_stamped_both_ends_is_used() {
        let sent = stamp(0, 0, Some(10_000), Some(77_000));
        let arrived = stamp(1_000_000, 0, Some(900_000), Some(950_000));
        assert_eq!(between(&sent, &arrived), (Rtt::from_nanos(873_000), StampSource::Hardware));
        let arrived = stamp(1_000_000, 0, Some(900_000), None);
        assert_eq!(between(&sent, &arrived), (Rtt::from_nanos(890_000), StampSource::Kernel));
        let arrived = stamp(1_000_000, 0, None, None);
        assert_eq!(between(&sent, &arrived), (Rtt::from_nanos(1_000_000), StampSource::User));
    }

    #[test]
    fn a_connection_counts_where_the_answer_can_only_be_the_one_to_its_first_syn() {
        let ms = Duration::from_millis;
        let opened = |retransmits, handshake: Option<u64>| Opened {
            token: Token::new(1),
            stamp: Stamp::default(),
            local: None,
            retransmits,
            handshake: handshake.map(ms),
        };
        for (retransmits, handshake, after, counts) in [
            (0, None, 10, true),
            (1, Some(1501), 1501, true),
            (1, Some(1460), 1501, true),
            // Linux before 6.5, which waits two seconds the second time.
            (1, Some(2700), 2701, true),
            (2, Some(2700), 2701, true),
            (5, Some(6700), 6701, true),
            (6, Some(9000), 9001, true),
            // The first SYN was lost.
            (1, Some(10), 1030, false),
            (1, Some(400), 1430, false),
            (2, Some(1500), 2530, false),
            (6, Some(8000), 9030, false),
            // The first answer was lost.
            (1, Some(1040), 1041, false),
            (3, Some(3290), 3291, false),
            (2, Some(3090), 3091, false),
            // The peer has no timestamps.
            (1, None, 1501, false),
        ] {
            let found = answers_first_syn(&opened(retransmits, handshake), ms(after));
            assert_eq!(found, counts, "{retransmits} {handshake:?} {after}");
        }
        assert!(!answers_first_syn(&opened(u32::MAX, Some(1)), ms(1)));
    }

    #[test]
    fn only_a_stamp_that_would_serve_is_waited_for() {
        let (bare, kernel, both) = (stamp(0, 0, None, None), stamp(0, 0, Some(1), None), stamp(0, 0, Some(1), Some(1)));
        let incomplete = |wanted| {
            [(bare, bare), (bare, kernel), (kernel, bare), (kernel, kernel), (kernel, both), (both, both)]
                .map(|(sent, arrived)| is_incomplete(wanted, &sent, &arrived))
        };
        assert_eq!(incomplete(SendStamps::None), [false; 6]);
        assert_eq!(incomplete(SendStamps::Kernel), [false, true, false, false, false, false]);
        assert_eq!(incomplete(SendStamps::Hardware), [false, true, false, false, true, false]);
    }

    #[test]
    fn a_stepped_wall_clock_gives_no_delay() {
        let sent = stamp(0, 0, Some(10_000), None);
        for step in [-3_600_000_000_000, -200_000, 200_000, 3_600_000_000_000] {
            let arrived = stamp(1_000_000, step, Some(900_000), None);
            assert_eq!(between(&sent, &arrived), (Rtt::from_nanos(1_000_000), StampSource::User), "{step}");
            assert_eq!(arrival(&sent, &arrived), Instant::from_nanos(1_000_000), "{step}");
        }
    }

    #[test]
    fn a_slewed_wall_clock_is_no_step() {
        let sent = stamp(0, 0, Some(10_000), None);
        let arrived = stamp(10_000_000_000, 4_900_000, Some(9_000_000_000), None);
        assert_eq!(between(&sent, &arrived).1, StampSource::Kernel);
    }

    #[test]
    fn stamps_of_two_interfaces_give_no_delay() {
        let sent = stamp(0, 0, None, Some(5));
        let arrived = stamp(1_000_000, 0, None, Some(9_000_000_000));
        assert_eq!(between(&sent, &arrived), (Rtt::from_nanos(1_000_000), StampSource::User));
        assert_eq!(between(&arrived, &sent), (Rtt::from_nanos(0), StampSource::User));
    }

    #[test]
    fn time_spent_unread_does_not_make_an_answer_late() {
        let sent = stamp(0, 0, None, None);
        let arrived = stamp(60_000_000_000, 0, Some(20_000_000), None);
        assert_eq!(arrival(&sent, &arrived), Instant::from_nanos(20_000_000));
    }

    #[test]
    fn where_we_alone_stamp_what_leaves_an_answer_has_come_when_the_kernel_says() {
        let sent = stamp(50_000, 0, None, None);
        let arrived = stamp(400_000, 0, Some(57_000), None);
        assert_eq!(until_arrival(&sent, &arrived), (Rtt::from_nanos(7_000), StampSource::User));
        assert_eq!(until_arrival(&sent, &stamp(400_000, 0, None, None)).0, Rtt::from_nanos(350_000));
        let stepped = stamp(400_000, 1_000_000, Some(57_000), None);
        assert_eq!(until_arrival(&sent, &stepped).0, Rtt::from_nanos(350_000));
        let kernel = stamp(50_000, 0, Some(52_000), None);
        assert_eq!(until_arrival(&kernel, &arrived), (Rtt::from_nanos(5_000), StampSource::Kernel));
    }

    #[test]
    fn an_answer_never_arrives_before_its_probe_left() {
        let sent = stamp(50_000, 0, None, None);
        let arrived = stamp(60_000, 0, Some(1), None);
        assert_eq!(arrival(&sent, &arrived), Instant::from_nanos(50_000));
    }
}
