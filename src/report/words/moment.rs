//! Times in a run as people type them: [`Moment`].

use std::time::Duration;

use super::clock::LocalOffset;
use crate::types::WallTime;

const DAY: i64 = 86_400;

/// A time in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// A time of day, in seconds: `14:20` or `14:20:30`, local time.
    Clock(u32),
    /// As long after the start: `90m`.
    After(Duration),
    /// As many seconds later than now, or earlier: `+5m`, `-30s`.
    By(i64),
}

impl Moment {
    /// Reads one; `None` if it is none.
    pub fn read(text: &str) -> Option<Moment> {
        let text = text.trim();
        if text.contains(':') {
            return clock(text).map(Moment::Clock);
        }
        let span = |text: &str| match text.parse::<u32>() {
            Ok(seconds) => Some(Duration::from_secs(seconds.into())),
            Err(_) => humantime::parse_duration(text).ok(),
        };
        let seconds = |text: &str| i64::try_from(span(text)?.as_secs()).ok();
        match (text.strip_prefix('+'), text.strip_prefix('-')) {
            (Some(later), _) => seconds(later).map(Moment::By),
            (_, Some(earlier)) => seconds(earlier).map(|seconds| Moment::By(-seconds)),
            _ => span(text).map(Moment::After),
        }
    }

    /// When that is, since the start of a run that began at `start`, where `current` is now. A time of day is the first one from
    /// the start on.
    pub fn since(self, start: WallTime, current: Duration, offset: LocalOffset) -> Duration {
        match self {
            Moment::After(after) => after,
            Moment::By(seconds) if seconds < 0 => current.saturating_sub(Duration::from_secs(seconds.unsigned_abs())),
            Moment::By(seconds) => current.saturating_add(Duration::from_secs(seconds.unsigned_abs())),
            Moment::Clock(of_day) => {
                let began = i64::try_from(start.as_nanos() / 1_000_000_000).unwrap_or(0) + offset(start);
                Duration::from_secs((i64::from(of_day) - began).rem_euclid(DAY).unsigned_abs())
            }
        }
    }
}

fn clock(text: &str) -> Option<u32> {
    let parts: Option<Vec<u32>> = text.split(':').map(|part| part.parse().ok()).collect();
    match *parts? {
        [hour @ 0..24, minute @ 0..60] => Some(hour * 3600 + minute * 60),
        [hour @ 0..24, minute @ 0..60, second @ 0..60] => Some(hour * 3600 + minute * 60 + second),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_time_of_day_or_a_span() {
        let seconds = Duration::from_secs;
        assert_eq!(Moment::read("14:20"), Some(Moment::Clock(51_600)));
        assert_eq!(Moment::read("23:59:59"), Some(Moment::Clock(86_399)));
        assert_eq!(Moment::read("90m"), Some(Moment::After(seconds(5400))));
        assert_eq!((Moment::read("+5m"), Moment::read("-30")), (Some(Moment::By(300)), Some(Moment::By(-30))));
        for text in ["", "24:00", "1:2:3:4", "14:60", ":", "x", "+", "14:-1"] {
            assert_eq!(Moment::read(text), None, "{text}");
        }
        // 2026-11-22 07:47:13 UTC.
        let start = WallTime::from_nanos(1_795_333_633_000_000_000);
        let since = |moment: Moment| moment.since(start, seconds(100), |_| 3600);
        assert_eq!(since(Moment::Clock(8 * 3600 + 47 * 60 + 20)), seconds(7));
        assert_eq!(since(Moment::Clock(8 * 3600 + 47 * 60 + 12)), seconds(86_399));
        assert_eq!((since(Moment::By(-200)), since(Moment::By(5))), (Duration::ZERO, seconds(105)));
    }
}
