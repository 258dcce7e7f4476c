//! Which probe leaves next, and when.

use std::time::Duration;

use super::config::Config;
use super::hop::HopState;
use super::path::Path;
use crate::channel::Protocol;
use crate::types::Instant;

/// Between two probes of one trace.
const GAP: Duration = Duration::from_millis(1);
/// Between two probes of one TTL, so that they do not meet in one burst of a router's rate limit.
const SPREAD: Duration = Duration::from_millis(10);
/// Before anything is tried again when the kernel refused a probe.
const RETRY: Duration = Duration::from_millis(10);

/// How far first probes run ahead of the highest TTL that answered, and how fast that opens while nothing answers.
pub(super) struct Window {
    ttls: usize,
    opens_every: Duration,
    /// How long the first probe beyond the answers must have been silent before the second may follow.
    probation: Duration,
}

impl Window {
    pub fn of(protocol: Protocol, slowest: Option<Duration>) -> Window {
        let slowest = slowest.unwrap_or_default();
        match protocol {
            // A target that limits its «port unreachable» answers six at once: four first probes that may all run past it,
            // and the second and third of its own hop.
            Protocol::Udp => Window {
                ttls: 4,
                opens_every: slowest.clamp(Duration::from_millis(50), Duration::from_millis(250)),
                probation: slowest.saturating_mul(2).clamp(Duration::from_millis(250), Duration::from_secs(2)),
            },
            // Echo replies are not limited; what runs past the target costs packets only.
            _ => Window { ttls: 8, opens_every: Duration::from_millis(20), probation: Duration::ZERO },
        }
    }

    /// When the first probe of the TTL at `index` may leave, with `answered` TTLs up to the highest that answered.
    pub fn opens(&self, index: usize, answered: usize, progress_at: Instant) -> Instant {
        let ahead = (index + 1).saturating_sub(answered + self.ttls);
        if ahead == 0 {
            return Instant::ZERO;
        }
        progress_at + self.opens_every.saturating_mul(u32::try_from(ahead).unwrap_or(u32::MAX))
    }
}

/// The rhythm of one trace.
#[derive(Debug)]
pub(super) struct Rhythm {
    next_send: Instant,
    /// When the highest TTL that answered was last raised, or the trace began.
    pub progress_at: Instant,
}

/// What a schedule says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// This probe leaves now.
    Probe { ttl: u8, index: usize },
    /// Nothing leaves before then.
    At(Instant),
    /// Nothing leaves unless something happens.
    Nothing,
}

impl Rhythm {
    pub fn new(now: Instant) -> Self {
        Rhythm { next_send: now, progress_at: now }
    }

    /// A probe has left.
    pub fn sent(&mut self, config: &Config, now: Instant) {
        self.next_send = now + gap(config);
    }

    /// The kernel refused a probe: what ails it may pass.
    pub fn refused(&mut self, now: Instant) {
        self.next_send = self.next_send.max(now + RETRY);
    }

    /// The next probe of a trace that is not to end early.
    pub fn next(&self, config: &Config, path: &Path, protocol: Protocol, now: Instant) -> Next {
        let candidate = match config.in_flight {
            Some(limit) => in_order(config, path, limit, now),
            None => by_time(config, path, protocol, self.progress_at, now),
        };
        let Some((due, ttl, index)) = candidate else { return Next::Nothing };
        match due.max(self.next_send) {
            at if at <= now => Next::Probe { ttl, index },
            at => Next::At(at),
        }
    }
}

/// How much later than one flow of a target the next may begin, so that both together give a router no more to answer than one
/// alone; `None` where the target limits its answers, so that only one may run.
pub(super) fn flow_spread(config: &Config, protocol: Protocol) -> Option<Duration> {
    match protocol {
        Protocol::Udp => None,
        _ if !config.paced => Some(Duration::ZERO),
        _ => Some(SPREAD.saturating_mul(config.probes_per_hop.max(1))),
    }
}

fn gap(config: &Config) -> Duration {
    config.send_gap.unwrap_or(if config.paced { GAP } else { Duration::ZERO })
}

/// The first slot in TTL order, while fewer than `limit` probes are in flight.
fn in_order(config: &Config, path: &Path, limit: u32, now: Instant) -> Option<(Instant, u8, usize)> {
    let in_flight = path.open(config).filter(|&(_, given_up)| given_up > now).count();
    if in_flight >= limit.max(1) as usize {
        return None;
    }
    let hops = path.hops_within(config.gap_limit);
    hops.iter().find_map(|hop| {
        let (index, slot) = hop.slots.iter().enumerate().find(|(_, slot)| slot.sent.is_none())?;
        Some((slot.again.unwrap_or(Instant::ZERO), hop.ttl, index))
    })
}

/// Of the slots due at `now` the one with the lowest number in its hop, and of those the lowest TTL; else the one due next.
fn by_time(
    config: &Config,
    path: &Path,
    protocol: Protocol,
    progress_at: Instant,
    now: Instant,
) -> Option<(Instant, u8, usize)> {
    let window = Window::of(protocol, path.slowest());
    let spread = if config.paced && config.send_gap.is_none() { SPREAD } else { Duration::ZERO };
    let answered = path.answered_hops();
    let due = |at: usize, hop: &HopState, index: usize| match index.checked_sub(1) {
        _ if hop.slots.get(index)?.again.is_some() => hop.slots.get(index)?.again,
        None if config.paced => Some(window.opens(at, answered, progress_at)),
        None => Some(Instant::ZERO),
        Some(before) => {
            let spread = hop.slots.get(before)?.sent_at()? + spread;
            let probation = hop.slots.first()?.sent_at()? + window.probation;
            let unproven = config.paced && path.is_beyond_answers(hop.ttl);
            Some(if unproven { spread.max(probation) } else { spread })
        }
    };
    path.hops_within(config.gap_limit)
        .iter()
        .enumerate()
        .filter_map(|(at, hop)| {
            // Slots of a hop are filled in order.
            let index = hop.slots.iter().position(|slot| slot.sent.is_none())?;
            Some((due(at, hop, index)?, hop.ttl, index))
        })
        .min_by_key(|&(due, ttl, index)| (due.max(now), index, ttl))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::testing::{at, config, ms, profile};
    use crate::types::{ProbeId, Stamp};

    /// Every probe that leaves by `until` where nothing answers: when, TTL, index.
    fn unanswered(config: &Config, protocol: Protocol, until: Duration) -> Vec<(Duration, u8, usize)> {
        let mut path = Path::new(config);
        let mut rhythm = Rhythm::new(Instant::ZERO);
        let (mut now, mut left) = (Instant::ZERO, Vec::new());
        loop {
            match rhythm.next(config, &path, protocol, now) {
                Next::Probe { ttl, index } => {
                    let probe = ProbeId::new(left.len() as u64 + 1);
                    left.push((now.since(Instant::ZERO), ttl, index));
                    path.slot(ttl, index).unwrap().sent = Some((probe, Stamp::user(at(now.since(Instant::ZERO)))));
                    rhythm.sent(config, now);
                }
                Next::At(then) if then.since(Instant::ZERO) <= until => now = then,
                Next::At(_) | Next::Nothing => return left,
            }
        }
    }

    #[test]
    fn probes_leave_a_millisecond_apart_and_those_of_a_ttl_ten() {
        let left = unanswered(&config(profile(Protocol::Icmp)), Protocol::Icmp, ms(100));
        assert_eq!(left[..3], [(ms(0), 1, 0), (ms(1), 2, 0), (ms(2), 3, 0)]);
        assert!(left.windows(2).all(|pair| pair[1].0 >= pair[0].0 + ms(1)));
        for ttl in 1..=8 {
            let times: Vec<Duration> = left.iter().filter(|probe| probe.1 == ttl).map(|probe| probe.0).collect();
            assert!(times.len() == 3 && times.windows(2).all(|pair| pair[1] >= pair[0] + ms(10)), "{ttl} {times:?}");
        }
    }

    #[test]
    fn the_window_opens_while_nothing_answers() {
        let reach = |protocol, until| {
            let left = unanswered(&config(profile(protocol)), protocol, until);
            left.iter().map(|probe| probe.1).max()
        };
        assert_eq!(reach(Protocol::Icmp, ms(19)), Some(8));
        assert_eq!(reach(Protocol::Icmp, ms(41)), Some(10));
        assert_eq!(reach(Protocol::Udp, ms(49)), Some(4));
        assert_eq!(reach(Protocol::Udp, ms(101)), Some(6));
        assert_eq!(reach(Protocol::Udp, ms(3000)), Some(30));
    }

    #[test]
    fn over_udp_second_probes_wait_until_their_ttl_is_proven() {
        let left = unanswered(&config(profile(Protocol::Udp)), Protocol::Udp, ms(249));
        assert!(left.iter().all(|probe| probe.2 == 0), "{left:?}");
    }
}
