//! How fast the probes of an `rping` run leave, and how long it takes.

use std::time::Duration;

use crate::cli::args::values::Rate;
use crate::cli::error::CliError;
use crate::cli::rping::rules::{self, USER_INTERVAL};
use crate::cli::rping::run::Rping;
use crate::engine::Destination;
use crate::ping::{Config, Method, Pace, Task};

impl Rping<'_> {
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.args.run.deadline.map(|span| span.duration).filter(|deadline| !deadline.is_zero())
    }

    pub(super) fn rate(&self) -> Option<f64> {
        self.args.run.rate.and_then(Rate::per_second)
    }

    pub(super) fn pace(&self, targets: usize) -> Pace {
        let run = &self.args.run;
        let interval = run.interval.map(|span| span.duration);
        match (interval, run.rate) {
            (Some(interval), _) if interval.is_zero() => Pace::Flood,
            (at_least, _) if run.adaptive => Pace::Adaptive { at_least: at_least.unwrap_or(USER_INTERVAL) },
            (Some(interval), _) => Pace::Fixed(interval),
            (None, _) if run.flood => Pace::Flood,
            (None, Some(Rate::PerSecond(rate))) => Pace::Fixed(Duration::from_secs_f64(targets as f64 / rate)),
            (None, Some(Rate::Max)) => Pace::Unpaced,
            (None, None) => Pace::Fixed(Duration::from_secs(1)),
        }
    }

    /// Why users other than root may not have this pace.
    pub fn too_fast(&self, config: &Config, uid: u32) -> Option<CliError> {
        let interval = match config.spec.pace {
            Pace::Fixed(interval) => interval,
            Pace::Adaptive { at_least } => at_least,
            Pace::Flood | Pace::Unpaced | Pace::Called => Duration::ZERO,
        };
        let multicast = |task: &Task| matches!(task.target.destination, Destination::Reachable { endpoint, .. } if endpoint.address.is_multicast());
        let icmp = config.targets.iter().any(|task| task.method == Method::Icmp);
        rules::too_fast(uid, interval, icmp, config.targets.iter().any(multicast))
    }
}
