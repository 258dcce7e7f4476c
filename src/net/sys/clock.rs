//! What the kernel says of its wall clock, see adjtimex(2).

use std::mem;
use std::time::Duration;

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
