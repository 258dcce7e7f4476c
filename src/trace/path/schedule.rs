//! Which probe leaves next, and when.

use std::time::Duration;

use crate::channel::{Profile, Protocol};
use crate::trace::config::Config;
use crate::trace::path::Path;
use crate::trace::path::hop::HopState;
use crate::trace::path::rounds;
use crate::types::Instant;

/// Between two probes of one trace.
const GAP: Duration = Duration::from_millis(1);
/// The same over ICMP, whose answers targets do not limit.
const GAP_OF_ICMP: Duration = Duration::from_micros(500);
/// First probes over ICMP go to this many TTLs before anything has answered: that is most paths.
const AT_FIRST: usize = 15;
/// Between two probes of one TTL, so that they do not meet in one burst of a router's rate limit.
const SPREAD: Duration = Duration::from_millis(10);
/// While nothing answers, another TTL is tried this often where the destination does not limit its answers.
const OPENS_EVERY: Duration = Duration::from_millis(20);
/// Before anything is tried again when the kernel refused a probe.
const RETRY: Duration = Duration::from_millis(10);

/// How far first probes run ahead of the highest TTL that answered, and how fast that opens while nothing answers.
pub(in crate::trace) struct Window {
    ttls: usize,
    /// How far they run at least.
    at_first: usize,
    opens_every: Duration,
    /// How long the first probe beyond the answers must have been silent before the second may follow.
    probation: Duration,
}

impl Window {
    pub fn of(config: &Config, profile: &Profile, ahead: usize, slowest: Option<Duration>) -> Window {
        let slowest = slowest.unwrap_or_default();
        match profile.protocol {
            // Many traces have time: what is answered soon need not be run past.
            _ if !config.paced => Window {
                ttls: ahead,
                at_first: 0,
                opens_every: slowest.saturating_mul(2).clamp(OPENS_EVERY, OPENS_EVERY * 5),
                probation: Duration::ZERO,
            },
            // A target that limits its «port unreachable» answers six at once: four first probes that may all run past it,
            // and the second and third of its own hop.
            // Where the quote shows the distance, those that run past it are answers of its hop.
            Protocol::Udp => Window {
                ttls: if profile.writes_header() { 6 } else { 4 },
                at_first: 0,
                opens_every: slowest.clamp(Duration::from_millis(50), Duration::from_millis(250)),
                probation: slowest.saturating_mul(2).clamp(Duration::from_millis(250), Duration::from_secs(2)),
            },
            // What runs past the target costs packets only.
            Protocol::Icmp | Protocol::Tcp | Protocol::Unix => Window {
                ttls: 8,
                at_first: if profile.protocol == Protocol::Icmp { AT_FIRST } else { 0 },
                opens_every: OPENS_EVERY,
                probation: Duration::ZERO,
            },
        }
    }

    /// When the first probe of the TTL at `index` may leave, with `answered` TTLs up to the highest that answered.
    pub fn opens(&self, index: usize, answered: usize, progress_at: Instant) -> Instant {
        let ahead = (index + 1).saturating_sub(self.at_first.max(answered + self.ttls));
        if ahead == 0 {
            return Instant::ZERO;
        }
        progress_at + self.opens_every.saturating_mul(u32::try_from(ahead).unwrap_or(u32::MAX))
    }
}

/// The rhythm of one trace.
#[derive(Debug)]
pub(in crate::trace) struct Rhythm {
    /// How many TTLs run ahead of the answers where nothing is paced.
    ahead: usize,
    /// Whether a probe left.
    begun: bool,
    /// Probes leave one after the other, each this long after one that is not answered.
    one_by_one: Option<Duration>,
    next_send: Instant,
    /// When the highest TTL that answered was last raised, or the first probe left.
    pub progress_at: Instant,
}

/// What a schedule says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::trace) enum Next {
    /// This probe leaves now.
    Probe { ttl: u8, index: usize },
    /// Nothing leaves before then.
    At(Instant),
    /// Nothing leaves unless something happens.
    Nothing,
}

impl Rhythm {
    pub fn new(ahead: usize, now: Instant) -> Self {
        Rhythm { ahead, begun: false, one_by_one: None, next_send: now, progress_at: now }
    }

    /// A probe has left.
    pub fn sent(&mut self, config: &Config, profile: &Profile, now: Instant) {
        if !std::mem::replace(&mut self.begun, true) {
            self.progress_at = now;
        }
        self.next_send = now + gap(config, profile);
    }

    /// The kernel refused a probe: what ails it may pass.
    pub fn refused(&mut self, now: Instant) {
        self.next_send = self.next_send.max(now + RETRY);
    }

    /// From `now` on one probe is in flight at a time, so that an answer that names none can be attributed: what is in flight is given
    /// `span` to come in, and so is each of the others.
    pub fn slow_down(&mut self, span: Duration, now: Instant) {
        self.one_by_one = Some(span);
        self.next_send = now + span;
    }

    /// Whether it does so.
    pub fn is_slow(&self) -> bool {
        self.one_by_one.is_some()
    }

    /// The next probe of a trace that is not to end early.
    pub fn next(&self, config: &Config, path: &Path, profile: &Profile, now: Instant) -> Next {
        let candidate = match (self.one_by_one, config.in_flight) {
            (Some(span), _) => first_unsent(config, path).map(|(due, ttl, index)| {
                let alone = path.last_open().map_or(Instant::ZERO, |sent| sent + span);
                (due.max(alone), ttl, index)
            }),
            (None, Some(limit)) => in_order(config, path, limit, now),
            (None, None) => self.by_time(config, path, profile, now),
        };
        let Some((due, ttl, index)) = candidate else { return Next::Nothing };
        match due.max(self.next_send) {
            at if at <= now => Next::Probe { ttl, index },
            at => Next::At(at),
        }
    }

    /// Of the slots due at `now` the one with the lowest number in its hop, and of those the lowest TTL; else the one due next.
    fn by_time(&self, config: &Config, path: &Path, profile: &Profile, now: Instant) -> Option<(Instant, u8, usize)> {
        let window = Window::of(config, profile, self.ahead, path.slowest());
        let spread = if config.paced && config.send_gap.is_none() { SPREAD } else { Duration::ZERO };
        let (answered, alone) = (path.answered_hops(), rounds::apply(profile));
        // Answers to what ran past the target may be those of its hop, which it need not give twice.
        let quotes = profile.protocol == Protocol::Udp && profile.writes_header();
        let in_round = |hop: &HopState, index: usize| match alone {
            true => rounds::due(config, path, (hop, index), (gap(config, profile), self.progress_at)),
            false => Some(Instant::ZERO),
        };
        let due = |at: usize, hop: &HopState, index: usize| match index.checked_sub(1) {
            _ if again(hop, index).is_some() => Some(again(hop, index)?.max(in_round(hop, index)?)),
            None if alone && hop.is_begun() => in_round(hop, index),
            None => Some(window.opens(at, answered, self.progress_at)),
            Some(before) => {
                let spread = hop.slots.get(before)?.sent_at()? + spread;
                let probation = hop.slots.first()?.sent_at()? + window.probation;
                let unproven = config.paced && path.is_beyond_answers(hop.ttl);
                let spread = if unproven { spread.max(probation) } else { spread };
                let lent = path.end().filter(|end| quotes && end.ttl == hop.ttl);
                let lent = lent.and_then(|_| rounds::beyond_until(path, path.slowest()?));
                let spread = lent.map_or(spread, |until| spread.max(until));
                Some(in_round(hop, index)?.max(spread))
            }
        };
        let mut first = None;
        for (at, hop) in path.open_hops(config.gap_limit) {
            // Slots of a hop are filled in order.
            let Some(index) = hop.first_unsent() else { continue };
            if let Some(due) = due(at, hop, index) {
                let turn = if alone && index > 0 { u8::MAX - hop.ttl } else { hop.ttl };
                let key = (due.max(now), index, turn);
                if first.is_none_or(|(least, _)| key < least) {
                    first = Some((key, (due, hop.ttl, index)));
                }
            }
            // Hops after one that was not probed yet come after it.
            if !hop.is_begun() {
                break;
            }
        }
        first.map(|(_, found)| found)
    }
}

/// How much later than one flow of a target the next may begin, so that both together give a router no more to answer than one
/// alone; `None` where the target limits its answers, so that only one may run.
pub(in crate::trace) fn flow_spread(config: &Config, protocol: Protocol) -> Option<Duration> {
    match protocol {
        Protocol::Udp => None,
        _ if !config.paced => Some(Duration::ZERO),
        _ => Some(SPREAD.saturating_mul(config.probes_per_hop.max(1))),
    }
}

fn gap(config: &Config, profile: &Profile) -> Duration {
    let paced = if profile.protocol == Protocol::Icmp { GAP_OF_ICMP } else { GAP };
    config.send_gap.unwrap_or(if config.paced { paced } else { Duration::ZERO })
}

/// The first slot in TTL order, while fewer than `limit` probes are in flight.
fn in_order(config: &Config, path: &Path, limit: u32, now: Instant) -> Option<(Instant, u8, usize)> {
    let in_flight = path.open(config).filter(|&(_, given_up)| given_up > now).count();
    if in_flight >= limit.max(1) as usize {
        return None;
    }
    first_unsent(config, path)
}

fn first_unsent(config: &Config, path: &Path) -> Option<(Instant, u8, usize)> {
    path.open_hops(config.gap_limit).find_map(|(_, hop)| {
        let index = hop.first_unsent()?;
        Some((again(hop, index).unwrap_or(Instant::ZERO), hop.ttl, index))
    })
}

/// When slot `index` may be asked again, if it was added for that.
fn again(hop: &HopState, index: usize) -> Option<Instant> {
    hop.slots.get(index)?.again
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::testing::{at, config, ms, profile};
    use crate::types::{ProbeId, Stamp};

    /// Every probe that leaves by `until` where nothing answers: when, TTL, index.
    fn unanswered(profile: &Profile, until: Duration) -> Vec<(Duration, u8, usize)> {
        let config = &config(*profile);
        let mut path = Path::new(config, None);
        let mut rhythm = Rhythm::new(1, Instant::ZERO);
        let (mut now, mut left) = (Instant::ZERO, Vec::new());
        loop {
            match rhythm.next(config, &path, profile, now) {
                Next::Probe { ttl, index } => {
                    let probe = ProbeId::new(left.len() as u64 + 1);
                    left.push((now.since(Instant::ZERO), ttl, index));
                    path.slot(ttl, index).unwrap().sent = Some((probe, Stamp::user(at(now.since(Instant::ZERO)))));
                    rhythm.sent(config, profile, now);
                }
                Next::At(then) if then.since(Instant::ZERO) <= until => now = then,
                Next::At(_) | Next::Nothing => return left,
            }
        }
    }

    #[test]
    fn over_icmp_probes_leave_half_a_millisecond_apart_to_15_ttls_at_first_and_those_of_a_ttl_ten() {
        let left = unanswered(&profile(Protocol::Icmp), ms(100));
        let half = |ttl: u8| Duration::from_micros(500) * u32::from(ttl - 1);
        assert!((1..=15).zip(&left).all(|(ttl, &probe)| probe == (half(ttl), ttl, 0)), "{left:?}");
        assert!(left.windows(2).all(|pair| pair[1].0 >= pair[0].0 + half(2)), "{left:?}");
        for ttl in 1..=15 {
            let times: Vec<Duration> = left.iter().filter(|probe| probe.1 == ttl).map(|probe| probe.0).collect();
            assert!(times.len() == 3 && times.windows(2).all(|pair| pair[1] >= pair[0] + ms(10)), "{ttl} {times:?}");
        }
    }

    #[test]
    fn where_the_target_limits_its_answers_or_drops_connections_probes_leave_a_millisecond_apart() {
        for protocol in [Protocol::Udp, Protocol::Tcp] {
            let left = unanswered(&profile(protocol), ms(600));
            assert_eq!(left[..3], [(ms(0), 1, 0), (ms(1), 2, 0), (ms(2), 3, 0)]);
            assert!(left.windows(2).all(|pair| pair[1].0 >= pair[0].0 + ms(1)), "{left:?}");
        }
    }

    #[test]
    fn the_window_opens_while_nothing_answers() {
        let reach = |protocol, until| {
            let left = unanswered(&profile(protocol), until);
            left.iter().map(|probe| probe.1).max()
        };
        assert_eq!(reach(Protocol::Icmp, ms(19)), Some(15));
        assert_eq!(reach(Protocol::Icmp, ms(41)), Some(17));
        assert_eq!(reach(Protocol::Udp, ms(49)), Some(4));
        assert_eq!(reach(Protocol::Udp, ms(101)), Some(6));
        assert_eq!(reach(Protocol::Udp, ms(3000)), Some(30));
    }

    #[test]
    fn over_udp_second_probes_wait_until_their_ttl_is_proven() {
        let left = unanswered(&profile(Protocol::Udp), ms(249));
        assert!(left.iter().all(|probe| probe.2 == 0), "{left:?}");
    }
}
