//! How long a silent probe is waited for, from what the trace knows by now.

use std::time::Duration;

use super::config::Wait;
use super::hop::HopState;
use super::path::Path;

/// What a hop is given beyond the slowest answer: as long again, within these limits.
const EXTRA_AT_LEAST: Duration = Duration::from_millis(100);
const EXTRA_AT_MOST: Duration = Duration::from_secs(1);
/// Beyond the last answering hop: this many times the slowest RTT, within these limits.
const BEYOND_FACTOR: u32 = 3;
const BEYOND_AT_LEAST: Duration = Duration::from_millis(500);
/// The longest wait beyond the last answering hop, and the wait where nothing answered yet.
pub(super) const BEYOND_AT_MOST: Duration = Duration::from_secs(2);

/// How long the probes of `hop` are waited for, counted from their sending.
pub(super) fn span(wait: Option<&Wait>, path: &Path, hop: &HopState) -> Duration {
    match wait {
        Some(wait) => explicit(wait, path, hop),
        None => adaptive(path, hop),
    }
}

fn adaptive(path: &Path, hop: &HopState) -> Duration {
    let Some(slowest) = path.slowest() else { return BEYOND_AT_MOST };
    match hop.slowest() {
        Some(same_hop) => past(same_hop),
        None if path.is_beyond_answers(hop.ttl) => {
            slowest.saturating_mul(BEYOND_FACTOR).clamp(BEYOND_AT_LEAST, BEYOND_AT_MOST)
        }
        None => past(slowest),
    }
}

fn past(slowest: Duration) -> Duration {
    slowest.saturating_add(slowest.clamp(EXTRA_AT_LEAST, EXTRA_AT_MOST))
}

/// traceroute's rule: HERE times an RTT of the same hop, else NEAR times one of a later hop, and never more than MAX.
fn explicit(wait: &Wait, path: &Path, hop: &HopState) -> Duration {
    let here = hop.first_rtt().filter(|_| wait.here > 0.0).map(|rtt| times(rtt, wait.here));
    let near = || path.first_rtt_after(hop.ttl).filter(|_| wait.near > 0.0).map(|rtt| times(rtt, wait.near));
    here.or_else(near).map_or(wait.max, |factored| factored.min(wait.max))
}

/// A product that is no time at all (infinite, not a number) is no limit.
fn times(rtt: Duration, factor: f64) -> Duration {
    Duration::try_from_secs_f64(rtt.as_secs_f64() * factor).unwrap_or(Duration::MAX)
}
