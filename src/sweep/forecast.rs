//! How long a sweep will last: [`Forecast`].

use std::time::Duration;

use super::config::{Completion, Probes};
use super::event::Totals;

/// Tries to solve for the time that the first probes take; each comes closer.
const STEPS: u32 = 32;
/// With a smaller share of silent targets, the last is expected to answer.
const FEW: f64 = 0.01;

/// What the rest of a sweep depends on.
#[derive(Clone, Copy, Debug)]
pub struct Forecast {
    /// All targets.
    pub targets: u64,
    /// Probes per second; `None`: as many as the channel takes.
    pub rate: Option<f64>,
    /// How often each target is probed.
    pub probes: Probes,
    /// How long the first probe to a target is waited for.
    pub wait: Duration,
    /// When a target ends.
    pub completion: Completion,
    /// End of the run, from its start.
    pub deadline: Option<Duration>,
    /// When the last target was found begun.
    pub all_begun: Option<Duration>,
}

impl Forecast {
    /// The time left after `elapsed`; `None` before there is anything to go by.
    pub fn left(&mut self, totals: &Totals, elapsed: Duration) -> Option<Duration> {
        if totals.begun == 0 {
            return None;
        }
        let silent = 1.0 - totals.counts.received.min(totals.begun) as f64 / totals.begun as f64;
        let tail = self.tail(silent >= FEW || totals.counts.lost > 0);
        let left = if totals.begun >= self.targets {
            let since = *self.all_begun.get_or_insert(elapsed);
            tail.saturating_sub(elapsed.saturating_sub(since))
        } else {
            let measured = totals.counts.sent as f64 / elapsed.as_secs_f64();
            let rate = self.rate.unwrap_or(measured);
            let share = (self.targets - totals.begun) as f64 / self.targets as f64;
            Duration::try_from_secs_f64(self.first_probes(rate, silent) * share).ok()?.saturating_add(tail)
        };
        Some(self.deadline.map_or(left, |deadline| left.min(deadline.saturating_sub(elapsed))))
    }

    /// Seconds from the first probe to the first target until that to the last, with the probes that are repeated meanwhile.
    fn first_probes(&self, rate: f64, silent: f64) -> f64 {
        let alone = self.targets as f64 / rate;
        (0..STEPS).fold(alone, |seconds, _| alone * (1.0 + self.repeated(seconds, silent)))
    }

    /// Probes after the first that a target has got on average when the last target gets its first, after `seconds` seconds.
    fn repeated(&self, seconds: f64, silent: f64) -> f64 {
        match self.probes {
            Probes::UntilAnswered { .. } => {
                let waits = self.probes.waits(self.wait);
                let ends = waits.iter().scan(0.0, |end, wait| {
                    *end += wait.as_secs_f64();
                    Some(*end)
                });
                // The last wait is followed by no probe.
                let repeats = ends.take(waits.len() - 1);
                silent * repeats.map(|end| (1.0 - end / seconds).max(0.0)).sum::<f64>()
            }
            Probes::Counted { count, interval } => {
                let (most, interval) = (f64::from(count - 1), interval.as_secs_f64());
                let due = (seconds / interval).floor().min(most);
                let share = if self.completion == Completion::FirstAnswer { silent } else { 1.0 };
                share * (due - interval / seconds * due * (due + 1.0) / 2.0)
            }
        }
    }

    /// From the first probe of the last target to its end.
    fn tail(&self, silent: bool) -> Duration {
        match self.probes {
            _ if !silent && self.completion == Completion::FirstAnswer => Duration::ZERO,
            Probes::UntilAnswered { .. } if !silent => self.wait,
            Probes::UntilAnswered { .. } => {
                self.probes.waits(self.wait).into_iter().fold(Duration::ZERO, Duration::saturating_add)
            }
            Probes::Counted { count, interval } => interval.saturating_mul(count - 1).saturating_add(self.wait),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Counts;

    const RETRY: Probes = Probes::UntilAnswered { retries: 1, backoff: 1.0 };

    fn forecast(targets: u64, probes: Probes) -> Forecast {
        Forecast {
            targets,
            rate: Some(1000.0),
            probes,
            wait: Duration::from_secs(1),
            completion: Completion::FirstAnswer,
            deadline: None,
            all_begun: None,
        }
    }

    fn left(forecast: &mut Forecast, begun: u64, received: u64, millis: u64) -> f64 {
        let counts = Counts { sent: begun, received, ..Counts::default() };
        let totals = Totals { begun, counts, ..Totals::default() };
        let left = forecast.left(&totals, Duration::from_millis(millis)).unwrap();
        (left.as_secs_f64() * 10.0).round() / 10.0
    }

    #[test]
    fn rate_retries_and_waits_make_the_time_left() {
        // Silent: 0.254 s of first probes, and two waits.
        assert_eq!(left(&mut forecast(254, RETRY), 100, 0, 100), 2.2);
        // All answer: nothing is waited for.
        assert_eq!(left(&mut forecast(4000, RETRY), 1000, 1000, 1000), 3.0);
        // Silent and many: each target takes two probes, but the last 1000 get their second after the last first.
        assert_eq!(left(&mut forecast(60_000, RETRY), 1, 0, 1), 121.5);
    }

    #[test]
    fn after_the_last_first_probe_only_its_waits_are_left() {
        let mut silent = forecast(254, RETRY);
        assert_eq!(left(&mut silent, 254, 0, 300), 2.0);
        assert_eq!(left(&mut silent, 254, 0, 1300), 1.0);
        assert_eq!(left(&mut silent, 254, 0, 9000), 0.0);
    }

    #[test]
    fn counted_probes_come_at_their_interval() {
        let counted = Probes::Counted { count: 3, interval: Duration::from_secs(1) };
        let mut all = Forecast { completion: Completion::AllProbes, ..forecast(100, counted) };
        assert_eq!(left(&mut all, 100, 100, 100), 3.0);
        let mut limited = Forecast { deadline: Some(Duration::from_secs(2)), ..all };
        assert_eq!(left(&mut limited, 100, 100, 500), 1.5);
        let mut many = Forecast { completion: Completion::AllProbes, ..forecast(100_000, counted) };
        assert_eq!(left(&mut many, 1, 1, 1).round(), 302.0);
    }
}
