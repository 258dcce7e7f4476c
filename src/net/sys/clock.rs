//! The kernel's clocks, see clock_gettime(2), and what it says of its wall clock, see adjtimex(2).

use std::mem;
use std::time::Duration;

/// CLOCK_MONOTONIC in nanoseconds.
pub fn monotonic() -> u64 {
    nanos(time_of(libc::CLOCK_MONOTONIC))
}

/// CLOCK_REALTIME in nanoseconds from the epoch.
pub fn realtime() -> u64 {
    nanos(time_of(libc::CLOCK_REALTIME))
}

/// By the C library, which asks the vDSO. rustix looks for the vDSO itself, and where it finds none, as on some builds of Linux 6.18, each
/// reading enters the kernel: dozens of system calls per probe.
fn time_of(clock: libc::clockid_t) -> libc::timespec {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: clock_gettime(2): it retrieves the time of the clock into "tp", which lives through the call. It fails only for a clock that
    // does not exist (EINVAL) or a pointer outside the address space (EFAULT).
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    time
}

/// A time before the epoch, which only a wrong wall clock shows, counts as the epoch.
fn nanos(time: libc::timespec) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
}

/// How far the wall clock may be off, as the program that synchronises it with UTC reported to the kernel; `None` without one, or where
/// the kernel does not say.
pub fn largest_error() -> Option<Duration> {
    let (result, timex) = read();
    if result < 0 {
        return None;
    }
    stated(timex.status, timex.maxerror)
}

/// How many seconds the local time is ahead of UTC at this time, counted from the epoch; 0 where the system does not know.
pub fn local_offset(seconds: i64) -> i64 {
    // SAFETY: time(2) declares time_t as an integer and localtime(3) tm as integers and a pointer; all octets 0 is a value of each.
    let mut local: libc::tm = unsafe { mem::zeroed() };
    // SAFETY: localtime(3): localtime_r "does the same, but stores the data in a user-supplied struct"; both live through the call.
    let known = unsafe { libc::localtime_r(&raw const seconds, &raw mut local) };
    if known.is_null() { 0 } else { local.tm_gmtoff }
}

fn read() -> (libc::c_int, libc::timex) {
    // SAFETY: adjtimex(2) declares timex as integers and a timeval; all octets 0 is a value of each of them.
    let mut timex: libc::timex = unsafe { mem::zeroed() };
    // SAFETY: adjtimex(2): "takes a pointer to a timex structure, updates kernel parameters from (selected) field values, and
    // returns the same structure updated with the current kernel values"; it lives through the call, and modes is 0, which
    // selects no field.
    let result = unsafe { libc::adjtimex(&mut timex) };
    (result, timex)
}

/// adjtimex(2): STA_UNSYNC is "clock unsynchronized", maxerror is in microseconds.
fn stated(status: libc::c_int, maxerror: libc::c_long) -> Option<Duration> {
    let micros = u64::try_from(maxerror).ok()?;
    (status & libc::STA_UNSYNC == 0).then(|| Duration::from_micros(micros))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_its_seconds_and_nanoseconds_and_none_is_before_the_epoch() {
        assert_eq!(nanos(libc::timespec { tv_sec: 3, tv_nsec: 42 }), 3_000_000_042);
        assert_eq!(nanos(libc::timespec { tv_sec: -1, tv_nsec: 5 }), 5);
        assert!(monotonic() <= monotonic());
    }

    #[test]
    fn only_a_clock_in_step_has_an_error() {
        assert_eq!(stated(libc::STA_PLL, 1_500), Some(Duration::from_micros(1_500)));
        assert_eq!(stated(libc::STA_PLL | libc::STA_UNSYNC, 1_500), None);
        assert_eq!(stated(libc::STA_PLL, -1), None);
    }

    #[test]
    fn the_kernel_is_asked_and_nothing_is_set() {
        let (result, timex) = read();
        assert!((libc::TIME_OK..=libc::TIME_ERROR).contains(&result), "{result}");
        assert_eq!(timex.modes, 0);
        // Every kernel counts in ticks of about 10 ms: a structure that was not filled in has none.
        assert!((9_000..=11_000).contains(&timex.tick), "{}", timex.tick);
    }
}
