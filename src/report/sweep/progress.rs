//! The progress of a sweep: a line that is rewritten on a terminal, and figures on request.

use std::io::{self, Write};
use std::time::Duration;

use crate::report::words::StatusLine;
use crate::sweep::Totals;

/// The status line, and the closing line of `-v`.
#[derive(Debug, Default)]
pub struct SweepProgress {
    /// The number of all targets, where it is known.
    pub targets: Option<u64>,
    status: StatusLine,
}

impl SweepProgress {
    /// Nothing shown yet, for a sweep of this many targets.
    pub const fn new(targets: Option<u64>) -> Self {
        SweepProgress { targets, status: StatusLine::new() }
    }

    /// Replaces the line.
    ///
    /// # Errors
    /// The writer's.
    pub fn show(&mut self, totals: &Totals, elapsed: Duration, talk: &mut dyn Write) -> io::Result<()> {
        let line = self.line(totals, elapsed);
        self.status.show(&line, talk)
    }

    /// Removes the line, so that something else can be written.
    ///
    /// # Errors
    /// The writer's.
    pub fn erase(&mut self, talk: &mut dyn Write) -> io::Result<()> {
        self.status.erase(talk)
    }

    /// The line: rate, done, alive, time left.
    pub fn line(&self, totals: &Totals, elapsed: Duration) -> String {
        let seconds = elapsed.as_secs_f64();
        let rate = if seconds > 0.0 { totals.counts.sent as f64 / seconds } else { 0.0 };
        let (ended, alive) = (totals.ended, totals.alive);
        let Some(targets) = self.targets else {
            return format!("{ended} done, {alive} alive, {rate:.0} probes/s");
        };
        let share = 100.0 * ended as f64 / targets.max(1) as f64;
        let left = if ended == 0 {
            "?".to_owned()
        } else {
            whole_seconds(seconds * targets.saturating_sub(ended) as f64 / ended as f64)
        };
        format!("{ended}/{targets} done ({share:.0}%), {alive} alive, {rate:.0} probes/s, {left} left")
    }

    /// The closing line of `-v`.
    pub fn closing(totals: &Totals, elapsed: Duration) -> String {
        let counts = &totals.counts;
        let mut line = format!(
            "targets: {} in all, {} answered, {} did not; probes: {} sent, {} answered, {} lost",
            totals.ended, totals.alive, totals.unreachable, counts.sent, counts.received, counts.lost
        );
        let also = [
            (counts.unreachable, "errors"),
            (counts.duplicates, "duplicates"),
            (counts.late, "late"),
            (counts.bad_checksum, "corrupted"),
            (counts.foreign, "foreign"),
            (counts.dropped_by_kernel, "dropped by the kernel"),
            (counts.send_failed, "not sent"),
            (counts.pending, "pending"),
            (totals.not_run, "targets not probed"),
        ];
        for (count, what) in also.into_iter().filter(|&(count, _)| count > 0) {
            line.push_str(&format!(", {count} {what}"));
        }
        let seconds = elapsed.as_secs_f64();
        let rate = if seconds > 0.0 { counts.sent as f64 / seconds } else { 0.0 };
        line.push_str(&format!("; {seconds:.2} s, {rate:.0} probes/s"));
        line
    }
}

fn whole_seconds(seconds: f64) -> String {
    let seconds = seconds.ceil() as u64;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m{seconds:02}s"),
        (hours, minutes, _) => format!("{hours}h{minutes:02}m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ping::Counts;

    fn totals(ended: u64) -> Totals {
        let counts = Counts { sent: 3000, received: 900, ..Counts::default() };
        Totals { begun: ended, ended, alive: 900, counts, ..Totals::default() }
    }

    #[test]
    fn the_line_has_rate_share_and_time_left() {
        let line =
            |targets, ended, seconds| SweepProgress::new(targets).line(&totals(ended), Duration::from_secs(seconds));
        assert_eq!(line(Some(10_000), 1000, 3), "1000/10000 done (10%), 900 alive, 1000 probes/s, 27s left");
        assert_eq!(line(Some(10_000), 0, 0), "0/10000 done (0%), 900 alive, 0 probes/s, ? left");
        assert_eq!(line(Some(61_000), 1000, 3), "1000/61000 done (2%), 900 alive, 1000 probes/s, 3m00s left");
        assert_eq!(line(Some(10_000_000), 1000, 3), "1000/10000000 done (0%), 900 alive, 1000 probes/s, 8h19m left");
        assert_eq!(line(None, 1000, 3), "1000 done, 900 alive, 1000 probes/s");
    }

    #[test]
    fn only_a_line_that_is_shown_is_erased() {
        let (mut progress, mut talk) = (SweepProgress::new(None), Vec::new());
        progress.erase(&mut talk).unwrap();
        assert_eq!(talk, b"");
        progress.show(&totals(1), Duration::from_secs(1), &mut talk).unwrap();
        talk.clear();
        progress.erase(&mut talk).unwrap();
        progress.erase(&mut talk).unwrap();
        assert_eq!(talk, b"\r\x1b[K");
    }
}
