//! The progress of a sweep: a line that is rewritten on a terminal, and figures on request.

use std::time::Duration;

use crate::sweep::Totals;

/// The words of the status line and at the end.
#[derive(Debug)]
pub struct SweepProgress;

impl SweepProgress {
    /// Rate, done, alive, time left, as far as they are known.
    pub fn line(totals: &Totals, elapsed: Duration, targets: Option<u64>, left: Option<Duration>) -> String {
        let rate = per_second(totals, elapsed);
        let (ended, alive) = (totals.ended, totals.alive);
        let Some(targets) = targets else {
            return format!("{ended} done, {alive} alive, {rate:.0} probes/s");
        };
        let share = 100.0 * ended as f64 / targets.max(1) as f64;
        let left = left.map_or_else(|| "?".to_owned(), whole_seconds);
        format!("{ended}/{targets} done ({share:.0}%), {alive} alive, {rate:.0} probes/s, {left} left")
    }

    /// The total at the end, with the outcomes of all probes if `verbose`.
    pub fn closing(totals: &Totals, elapsed: Duration, verbose: bool) -> String {
        let counts = &totals.counts;
        let mut line = format!("{} of {} alive, {:.1} s", totals.alive, totals.ended, elapsed.as_secs_f64());
        if !verbose {
            return line;
        }
        let probes = (counts.sent, counts.received, counts.lost);
        line.push_str(&format!("; probes: {} sent, {} answered, {} lost", probes.0, probes.1, probes.2));
        let also = [
            (counts.refused, "refused"),
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
        line.push_str(&format!("; {:.0} probes/s", per_second(totals, elapsed)));
        line
    }
}

fn per_second(totals: &Totals, elapsed: Duration) -> f64 {
    let seconds = elapsed.as_secs_f64();
    if seconds > 0.0 { totals.counts.sent as f64 / seconds } else { 0.0 }
}

fn whole_seconds(left: Duration) -> String {
    let seconds = left.as_secs_f64().ceil() as u64;
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
        let line = |targets, ended, left: Option<u64>| {
            SweepProgress::line(&totals(ended), Duration::from_secs(3), targets, left.map(Duration::from_secs))
        };
        assert_eq!(line(Some(10_000), 1000, Some(27)), "1000/10000 done (10%), 900 alive, 1000 probes/s, 27s left");
        assert_eq!(line(Some(10_000), 0, None), "0/10000 done (0%), 900 alive, 1000 probes/s, ? left");
        assert_eq!(line(Some(61_000), 1000, Some(180)), "1000/61000 done (2%), 900 alive, 1000 probes/s, 3m00s left");
        assert_eq!(line(Some(100), 1, Some(29_997)), "1/100 done (1%), 900 alive, 1000 probes/s, 8h19m left");
        assert_eq!(line(None, 1000, None), "1000 done, 900 alive, 1000 probes/s");
    }

    #[test]
    fn the_total_is_short_unless_more_is_asked_for() {
        let closing = |verbose| SweepProgress::closing(&totals(1000), Duration::from_millis(2345), verbose);
        assert_eq!(closing(false), "900 of 1000 alive, 2.3 s");
        let long = "900 of 1000 alive, 2.3 s; probes: 3000 sent, 900 answered, 0 lost; 1279 probes/s";
        assert_eq!(closing(true), long);
    }
}
