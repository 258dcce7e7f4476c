//! How long a silent probe is waited for, from what the trace knows by now.

use std::time::Duration;

use crate::trace::config::Wait;
use crate::trace::path::Path;
use crate::trace::path::hop::{HopState, Slot, Waiting};
use crate::types::Instant;

/// What a hop is given beyond the slowest answer: as long again, within these limits.
const EXTRA_AT_LEAST: Duration = Duration::from_millis(120);
const EXTRA_OF_SEARCH_AT_LEAST: Duration = Duration::from_millis(100);
const EXTRA_AT_MOST: Duration = Duration::from_secs(1);
/// Where all routers seem to answer as fast as they forward, a silent hop is given half as long again as the slowest answer, counted
/// from its first probe: this long at least.
const PROMPT_AT_LEAST: Duration = Duration::from_millis(135);
/// How much longer than one from farther away an answer may take that counts as prompt.
const PROMPT_WITHIN: Duration = Duration::from_millis(10);
/// One of this many hops may be silent where routers count as prompt: of more, some are rather slow.
const PROMPT_SILENT: usize = 4;
/// Beyond the last answering hop: this many times the slowest RTT, within these limits.
const BEYOND_FACTOR: u32 = 3;
const BEYOND_AT_LEAST: Duration = Duration::from_millis(500);
/// The longest wait beyond the last answering hop, and the wait where nothing answered yet.
pub(in crate::trace) const BEYOND_AT_MOST: Duration = Duration::from_secs(2);

/// A router reports a neighbour that does not answer about 3 s after the first packet to it: three requests, a second apart
/// (RFC 4861 §7.2.2; Linux does the same for ARP). Where nothing beyond the last answering hop has answered, probes are waited for
/// until then.
pub const DEAD_NEIGHBOUR: Duration = Duration::from_secs(4);

/// How long the probes of `hop` are waited for.
pub(in crate::trace) fn waiting(wait: Option<&Wait>, path: &Path, hop: &HopState) -> Waiting {
    match wait {
        Some(wait) => Waiting::of(explicit(wait, path, hop)),
        None => adaptive(path, hop),
    }
}

fn adaptive(path: &Path, hop: &HopState) -> Waiting {
    let Some(slowest) = path.slowest() else { return Waiting::of(BEYOND_AT_MOST) };
    if let Some(same_hop) = hop.slowest() {
        return Waiting::of(twice(same_hop, EXTRA_AT_LEAST));
    }
    if path.is_beyond_answers(hop.ttl) {
        return Waiting::of(slowest.saturating_mul(BEYOND_FACTOR).clamp(BEYOND_AT_LEAST, BEYOND_AT_MOST));
    }
    if !are_prompt(path.hops_to_last_answer()) {
        return Waiting::of(twice(slowest, EXTRA_AT_LEAST));
    }
    // All of its probes went to one router, which would have answered the first.
    let first = hop.slots.first().and_then(Slot::sent_at);
    let all = slowest.saturating_add((slowest / 2).min(EXTRA_AT_MOST)).max(PROMPT_AT_LEAST);
    Waiting { span: slowest, until: first.map_or(Instant::ZERO, |first| first + all) }
}

/// Whether the routers of `hops` answer as fast as they forward, as far as is seen.
fn are_prompt(hops: &[HopState]) -> bool {
    let silent = hops.iter().filter(|hop| hop.is_silent()).count();
    let mut farther = Duration::MAX;
    let mut answers = hops.iter().rev().filter_map(HopState::delays);
    let prompt = |(fastest, slowest): (Duration, Duration)| {
        farther = farther.min(fastest);
        slowest <= farther.saturating_add(PROMPT_WITHIN)
    };
    silent.saturating_mul(PROMPT_SILENT) <= hops.len() && answers.all(prompt)
}

/// How long a probe of a search for path MTUs is waited for after answers that took `slowest` at most.
pub(in crate::trace) fn of_search(slowest: Duration) -> Duration {
    twice(slowest, EXTRA_OF_SEARCH_AT_LEAST)
}

/// The slowest answer's time and as long again, within limits.
fn twice(slowest: Duration, extra_at_least: Duration) -> Duration {
    slowest.saturating_add(slowest.clamp(extra_at_least, EXTRA_AT_MOST))
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
        let mut path = Path::new(config, None);
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
    fn a_silent_hop_among_slow_routers_is_given_as_long_again_as_the_slowest_answer_within_limits() {
        let config = config(profile(Protocol::Icmp));
        assert_eq!(wait(&config, &[(1, 20), (3, 2), (4, 2)], 2), ms(140));
        assert_eq!(wait(&config, &[(1, 400), (3, 300), (4, 300)], 2), ms(800));
        assert_eq!(wait(&config, &[(1, 1500), (3, 300), (4, 300)], 2), ms(2500));
    }

    /// When the first two probes of the hop at TTL 2 are given up, which left after 5 and 205 ms.
    fn given_up(answers: &[(u8, u64)]) -> [Duration; 2] {
        let config = config(profile(Protocol::Icmp));
        let mut path = path(&config, answers);
        for (index, sent) in [5, 205].into_iter().enumerate() {
            path.slot(2, index).unwrap().sent = Some((ProbeId::new(100 + index as u64), Stamp::user(at(ms(sent)))));
        }
        let wait = path.wait(&config, &path.hops()[1]);
        [5, 205].map(|sent| wait.ends(at(ms(sent)).mono).since(Instant::ZERO))
    }

    #[test]
    fn a_silent_hop_among_prompt_routers_is_given_half_as_long_again_as_the_slowest_answer_from_its_first_probe_on() {
        assert_eq!(given_up(&[(1, 5), (3, 90), (4, 100)]), [ms(155), ms(305)]);
        assert_eq!(given_up(&[(1, 1), (3, 2), (4, 2)]), [ms(140), ms(207)]);
        assert_eq!(given_up(&[(1, 5), (3, 110), (4, 100)]), [ms(170), ms(315)]);
        assert_eq!(given_up(&[(1, 5), (3, 2900), (4, 3000)]), [ms(4005), ms(4005)]);
    }

    #[test]
    fn routers_are_slow_where_one_answers_later_than_one_beyond_it_or_many_are_silent() {
        assert_eq!(given_up(&[(1, 5), (3, 106), (4, 95)]), [ms(231), ms(431)]);
        assert_eq!(given_up(&[(1, 5), (3, 95)]), [ms(220), ms(420)]);
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
