//! Times as people read them: local, to the second.

use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use crate::types::WallTime;

/// Seconds that the local time is ahead of UTC, at some time.
pub type LocalOffset = fn(WallTime) -> i64;

/// A time in the local zone: RFC 3339 with the offset, or with `{:#}` the time of day alone.
pub(in crate::report) struct LocalTime(pub WallTime, pub LocalOffset);

impl fmt::Display for LocalTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LocalTime(at, offset) = self;
        let seconds = at.as_nanos() / 1_000_000_000;
        let offset = offset(*at);
        let local = Duration::from_secs(seconds.saturating_add_signed(offset));
        let text = humantime::format_rfc3339_seconds(UNIX_EPOCH + local).to_string();
        let text = text.trim_end_matches('Z');
        if f.alternate() {
            return f.write_str(text.split_once('T').map_or(text, |(_, time)| time));
        }
        let (sign, minutes) = (if offset < 0 { '-' } else { '+' }, offset.unsigned_abs() / 60);
        write!(f, "{text}{sign}{:02}:{:02}", minutes / 60, minutes % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_times_have_their_offset() {
        let at = WallTime::from_nanos(1_795_333_633_999_000_000);
        assert_eq!(LocalTime(at, |_| 3600).to_string(), "2026-11-22T08:47:13+01:00");
        assert_eq!(LocalTime(at, |_| -12_600).to_string(), "2026-11-22T04:17:13-03:30");
        assert_eq!(LocalTime(at, |_| 0).to_string(), "2026-11-22T07:47:13+00:00");
        assert_eq!(format!("{:#}", LocalTime(at, |_| 3600)), "08:47:13");
    }
}
