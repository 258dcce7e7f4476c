//! How long a silent probe is waited for, from what the trace knows by now.

use std::time::Duration;

use crate::trace::config::Wait;
use crate::trace::path::Path;
use crate::trace::path::hop::HopState;

/// What a hop is given beyond the slowest answer: as long again, within these limits.
const EXTRA_AT_LEAST: Duration = Duration::from_millis(100);
const EXTRA_AT_MOST: Duration = Duration::from_secs(1);
/// Beyond the last answering hop: this many times the slowest RTT, within these limits.
const BEYOND_FACTOR: u32 = 3;
const BEYOND_AT_LEAST: Duration = Duration::from_millis(500);
/// The longest wait beyond the last answering hop, and the wait where nothing answered yet.
pub(in crate::trace) const BEYOND_AT_MOST: Duration = Duration::from_secs(2);

/// A router reports a neighbour that does not answer about 3 s after the first packet to it: three requests, a second apart
/// (RFC 4861 §7.2.2; Linux does the same for ARP). Where nothing beyond the last answering hop has answered, probes are waited for
/// until then.
pub const DEAD_NEIGHBOUR: Duration = Duration::from_secs(4);

/// How long the probes of `hop` are waited for, counted from their sending.
pub(in crate::trace) fn span(wait: Option<&Wait>, path: &Path, hop: &HopState) -> Duration {
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

/// The slowest answer's time and as long again, within limits.
pub(in crate::trace) fn past(slowest: Duration) -> Duration {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::Protocol;
    use crate::trace::config::Config;
    use crate::trace::testing::{arrival, at, config, ms, profile, router};
    use crate::types::{ProbeId, Stamp};
    use crate::wire::icmp::ErrorKind;

    /// A path on which the first probe of each of these TTLs was answered after that many milliseconds.
    fn path(config: &Config, answers: &[(u8, u64)]) -> Path {
        let mut path = Path::new(config);
        for &(ttl, rtt) in answers {
            let sent = Stamp::user(at(ms(0)));
            path.slot(ttl, 0).unwrap().sent = Some((ProbeId::new(u64::from(ttl)), sent));
            let arrival = arrival(router(ttl), Some(ErrorKind::TimeExceeded), Stamp::user(at(ms(rtt))));
            assert!(path.answer(config, ttl, 0, arrival, None));
        }
        path
    }

    fn wait(config: &Config, answers: &[(u8, u64)], ttl: u8) -> Duration {
        let path = path(config, answers);
        path.wait(config, &path.hops()[usize::from(ttl) - 1]).span
    }

    #[test]
    fn a_silent_hop_is_given_as_long_again_as_the_slowest_answer_within_limits() {
        let config = config(profile(Protocol::Icmp));
        assert_eq!(wait(&config, &[(1, 1), (3, 2)], 2), ms(102));
        assert_eq!(wait(&config, &[(1, 400), (3, 300)], 2), ms(800));
        assert_eq!(wait(&config, &[(1, 1500), (3, 300)], 2), ms(2500));
    }

    #[test]
    fn a_hop_that_answers_sets_its_own_measure() {
        let config = config(profile(Protocol::Icmp));
        assert_eq!(wait(&config, &[(1, 1500), (2, 300), (3, 300)], 2), ms(600));
    }

    #[test]
    fn beyond_the_last_answer_the_wait_is_three_times_the_slowest_within_limits() {
        let config = config(profile(Protocol::Icmp));
        assert_eq!(wait(&config, &[(1, 1)], 2), ms(500));
        assert_eq!(wait(&config, &[(1, 300)], 2), ms(900));
        assert_eq!(wait(&config, &[(1, 1900)], 2), ms(2000));
        assert_eq!(wait(&config, &[], 2), ms(2000));
    }

    #[test]
    fn traceroutes_waits_look_at_the_same_hop_then_at_later_ones_then_at_the_limit() {
        let waiting = |max, here, near| {
            let wait = Some(Wait { max: ms(max), here, near });
            Config { wait, ..config(profile(Protocol::Icmp)) }
        };
        assert_eq!(wait(&waiting(5000, 3.0, 10.0), &[(2, 20), (3, 30)], 2), ms(60));
        assert_eq!(wait(&waiting(5000, 0.0, 10.0), &[(2, 20), (3, 30)], 2), ms(300));
        assert_eq!(wait(&waiting(5000, 3.0, 10.0), &[(1, 20), (4, 40), (3, 30)], 2), ms(300));
        assert_eq!(wait(&waiting(200, 3.0, 10.0), &[(3, 30)], 2), ms(200));
        assert_eq!(wait(&waiting(5000, 3.0, 0.0), &[(3, 30)], 2), ms(5000));
        assert_eq!(wait(&waiting(5000, 3.0, 10.0), &[(1, 30)], 2), ms(5000));
        assert_eq!(wait(&waiting(5000, f64::INFINITY, f64::NAN), &[(2, 20)], 2), ms(5000));
    }
}
