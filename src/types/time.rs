//! Times that know their clock: a monotonic [`Instant`], a [`WallTime`], and the [`Rtt`] between two instants.

use std::fmt;
use std::ops::Add;
use std::time::{Duration, UNIX_EPOCH};

use serde::{Serialize, Serializer};

/// A point on the monotonic clock, in nanoseconds since an arbitrary origin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The origin of the clock.
    pub const ZERO: Instant = Instant(0);

    /// The instant `nanos` nanoseconds after the clock's origin.
    pub const fn from_nanos(nanos: u64) -> Self {
        Instant(nanos)
    }

    /// Nanoseconds since the clock's origin.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// How long `earlier` lies before `self`; zero if it does not.
    pub fn since(self, earlier: Instant) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The instant `delay` later, or the end of the clock.
    pub fn saturating_add(self, delay: Duration) -> Instant {
        Instant(self.0.saturating_add(saturating_nanos(delay)))
    }

    /// The instant `delay` earlier, or the clock's origin.
    pub fn saturating_sub(self, delay: Duration) -> Instant {
        Instant(self.0.saturating_sub(saturating_nanos(delay)))
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;

    fn add(self, delay: Duration) -> Instant {
        self.saturating_add(delay)
    }
}

/// A point on the wall clock, in nanoseconds since the Unix epoch (UTC). It may step; no RTT is computed from it alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WallTime(u64);

impl WallTime {
    /// The time `nanos` nanoseconds after the Unix epoch.
    pub const fn from_nanos(nanos: u64) -> Self {
        WallTime(nanos)
    }

    /// Nanoseconds since the Unix epoch.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The time `delay` later, or the end of the clock.
    pub fn saturating_add(self, delay: Duration) -> WallTime {
        WallTime(self.0.saturating_add(saturating_nanos(delay)))
    }

    /// The same moment on a clock that was stepped by so many nanoseconds.
    pub fn stepped(self, nanos: i64) -> WallTime {
        WallTime(self.0.saturating_add_signed(nanos))
    }
}

/// As RFC 3339 writes it, in UTC with nanoseconds: `2026-11-22T15:27:13.000000001Z`.
impl fmt::Display for WallTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_rfc3339_nanos(UNIX_EPOCH + Duration::from_nanos(self.0)).fmt(f)
    }
}

impl Serialize for WallTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Both clocks, read together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// The monotonic clock: pacing, time-outs, RTT.
    pub mono: Instant,
    /// The wall clock: what is printed as a date.
    pub wall: WallTime,
}

named! {
    /// Where a time was taken.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum StampSource {
        /// By us, beside the system call.
        User = "user",
        /// By the kernel in software.
        Kernel = "kernel",
        /// By the network interface.
        Hardware = "hardware",
    }
}

/// When a packet was sent or received: both user clocks always, kernel and interface stamps where they exist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// Beside our system call.
    pub user: Now,
    /// The kernel's software stamp, on the wall clock.
    pub kernel: Option<WallTime>,
    /// The interface's stamp, on a clock of its own: only differences of two of them mean anything.
    pub hardware: Option<WallTime>,
}

impl Stamp {
    /// A stamp that only has user clocks.
    pub const fn user(now: Now) -> Self {
        Stamp { user: now, kernel: None, hardware: None }
    }
}

/// A round-trip delay (RFC 2681): from two local stamps of the same clock, so never negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rtt(u64);

impl Rtt {
    /// The delay from `sent` to `received`; zero if the stamps are in the wrong order.
    pub fn between(sent: Instant, received: Instant) -> Self {
        Rtt(received.as_nanos().saturating_sub(sent.as_nanos()))
    }

    /// A delay of `nanos` nanoseconds.
    pub const fn from_nanos(nanos: u64) -> Self {
        Rtt(nanos)
    }

    /// Nanoseconds.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Milliseconds, unrounded.
    pub fn as_millis_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// The same span as a [`Duration`].
    pub const fn as_duration(self) -> Duration {
        Duration::from_nanos(self.0)
    }
}

impl From<Duration> for Rtt {
    fn from(span: Duration) -> Self {
        Rtt(saturating_nanos(span))
    }
}

/// Octets of the longest span as text.
const LONGEST: usize = "18446744073709.552".len();

/// Writes `nanos` as milliseconds with at most three `decimals`, rounded once, half up.
pub fn write_millis(f: &mut fmt::Formatter<'_>, nanos: u64, decimals: u32) -> fmt::Result {
    let (text, from) = millis(nanos, decimals);
    f.write_str(text.get(from..).and_then(|text| str::from_utf8(text).ok()).unwrap_or_default())
}

/// Appends the same to `text`.
pub fn push_millis(text: &mut Vec<u8>, nanos: u64, decimals: u32) {
    let (millis, from) = millis(nanos, decimals);
    text.extend_from_slice(millis.get(from..).unwrap_or_default());
}

/// The same as digits, and where they begin. By hand, from the end: a floating-point number takes ten times as long, and many traces
/// have many.
fn millis(nanos: u64, decimals: u32) -> ([u8; LONGEST], usize) {
    let (step, decimals) = (10u64.pow(6 - decimals.min(3)), decimals.min(3) as usize);
    let mut rest = nanos / step + u64::from(nanos % step >= step / 2);
    let mut text = [0; LONGEST];
    let mut from = text.len();
    for place in text.iter_mut().rev() {
        let written = LONGEST - from;
        *place = if decimals > 0 && written == decimals {
            b'.'
        } else if rest == 0 && written > decimals + usize::from(decimals > 0) {
            break;
        } else {
            let digit = b'0' + (rest % 10) as u8;
            rest /= 10;
            digit
        };
        from -= 1;
    }
    (text, from)
}

impl fmt::Display for Rtt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_millis(f, self.0, 3)?;
        f.write_str(" ms")
    }
}

/// Milliseconds.
impl Serialize for Rtt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.as_millis_f64())
    }
}

/// How far a wall clock that is synchronised with UTC may be off: an error bound as of one time, which grows afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockError {
    at: WallTime,
    error: Duration,
}

impl ClockError {
    /// At `at` the clock is off by at most `error`.
    pub const fn new(at: WallTime, error: Duration) -> Self {
        ClockError { at, error }
    }

    /// Age after which it should be read again.
    pub const FRESH: Duration = Duration::from_secs(4);

    /// How far it may be off at `now`. Until the clock is set again Linux adds 500 µs a second (MAXFREQ in linux/timex.h);
    /// there is no notification when it is set.
    pub fn by(self, now: WallTime) -> Duration {
        let since = now.as_nanos().saturating_sub(self.at.as_nanos());
        self.error.saturating_add(Duration::from_nanos(since / 2_000))
    }
}

fn saturating_nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_rtt_is_never_negative() {
        let (early, late) = (Instant::from_nanos(5), Instant::from_nanos(9));
        assert_eq!(Rtt::between(early, late), Rtt::from_nanos(4));
        assert_eq!(Rtt::between(late, early), Rtt::from_nanos(0));
    }

    #[test]
    fn an_rtt_is_shown_in_microseconds_rounded_half_up() {
        let shown = [0, 499, 500, 1_999_500, 1_234_567_890, u64::MAX].map(|nanos| Rtt::from_nanos(nanos).to_string());
        let expected = ["0.000 ms", "0.000 ms", "0.001 ms", "2.000 ms", "1234.568 ms", "18446744073709.552 ms"];
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_clocks_error_grows_from_when_it_was_read() {
        let read = ClockError::new(WallTime::from_nanos(1_000_000_000), Duration::from_micros(300));
        assert_eq!(read.by(WallTime::from_nanos(1_000_000_000)), Duration::from_micros(300));
        assert_eq!(read.by(WallTime::from_nanos(11_000_000_000)), Duration::from_micros(5_300));
        // The clock was set back.
        assert_eq!(read.by(WallTime::from_nanos(0)), Duration::from_micros(300));
    }

    #[test]
    fn waiting_forever_is_the_end_of_the_clock() {
        assert_eq!(Instant::from_nanos(7) + Duration::MAX, Instant::from_nanos(u64::MAX));
        assert_eq!(Instant::from_nanos(7).saturating_sub(Duration::MAX), Instant::ZERO);
    }
}
