//! Probes within their wait: [`InFlight`].

use std::collections::VecDeque;
use std::time::Duration;

use crate::types::{Instant, Now, Stamp, WallTime};

/// The state of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeState {
    /// Ordered; the channel has not confirmed yet that it was sent.
    Ordered,
    /// Sent.
    Open,
    /// A reply came in time.
    Replied,
    /// An ICMP error came in time, and no reply so far.
    Errored,
    /// Not answered in time, or not sent.
    Over,
}

/// A stamp without the interface's part, and without the discriminants of its options.
#[derive(Clone, Copy, Debug, Default)]
struct CompactStamp {
    mono: u64,
    wall: u64,
    /// 0: unknown.
    kernel: u64,
}

impl CompactStamp {
    fn of(stamp: &Stamp) -> Self {
        let kernel = stamp.kernel.map_or(0, WallTime::as_nanos);
        CompactStamp { mono: stamp.user.mono.as_nanos(), wall: stamp.user.wall.as_nanos(), kernel }
    }

    fn stamp(self) -> Stamp {
        let user = Now { mono: Instant::from_nanos(self.mono), wall: WallTime::from_nanos(self.wall) };
        let kernel = (self.kernel != 0).then_some(WallTime::from_nanos(self.kernel));
        Stamp { user, kernel, hardware: None }
    }
}

/// One probe: 64 octets.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    /// The slot of its target.
    pub slot: u32,
    /// Its index among the probes of its target, from 0.
    pub attempt: u32,
    /// Its state.
    pub state: ProbeState,
    /// Whether its wait is over, or was given up.
    pub closed: bool,
    sent: CompactStamp,
    arrived: CompactStamp,
}

impl Probe {
    /// When it was sent.
    pub fn sent(&self) -> Stamp {
        self.sent.stamp()
    }

    /// When its answer arrived.
    pub fn arrived(&self) -> Stamp {
        self.arrived.stamp()
    }

    /// Records when it was sent; called again when the kernel's stamp is known.
    pub fn set_sent(&mut self, stamp: &Stamp) {
        self.sent = CompactStamp::of(stamp);
    }

    /// Records its first answer.
    pub fn set_answer(&mut self, stamp: &Stamp, state: ProbeState) {
        self.arrived = CompactStamp::of(stamp);
        self.state = state;
    }
}

/// Probes by their numbers, from the oldest that is not closed to the newest, and the ends of their waits.
#[derive(Debug)]
pub struct InFlight {
    probes: VecDeque<Probe>,
    /// Number of the first in `probes`.
    base: u64,
    waits: Vec<Duration>,
    /// For each wait, the low halves of the numbers of the probes sent, in order of sending and so of their deadlines.
    /// These probes are not closed, so that none is older than `base`.
    timers: Vec<VecDeque<u32>>,
}

impl InFlight {
    /// Nothing yet; attempt n waits for the n-th of `waits`, and later ones as long as the last.
    pub fn new(waits: Vec<Duration>) -> Self {
        let timers = waits.iter().map(|_| VecDeque::new()).collect();
        // Numbers start at 1, as those of all probes.
        InFlight { probes: VecDeque::new(), base: 1, waits, timers }
    }

    /// Adds a probe. Returns its number.
    pub fn order(&mut self, slot: u32, attempt: u32) -> u64 {
        let (sent, arrived) = (CompactStamp::default(), CompactStamp::default());
        self.probes.push_back(Probe { slot, attempt, state: ProbeState::Ordered, closed: false, sent, arrived });
        self.next() - 1
    }

    /// The number of the next probe.
    pub fn next(&self) -> u64 {
        self.base + self.probes.len() as u64
    }

    /// The number of the oldest probe that is known.
    pub fn oldest(&self) -> u64 {
        self.base
    }

    /// The probe with this number, if it is still known.
    pub fn get(&self, number: u64) -> Option<&Probe> {
        self.probes.get(usize::try_from(number.checked_sub(self.base)?).ok()?)
    }

    /// The same, to change.
    pub fn get_mut(&mut self, number: u64) -> Option<&mut Probe> {
        self.probes.get_mut(usize::try_from(number.checked_sub(self.base)?).ok()?)
    }

    /// The wait of this attempt.
    pub fn wait(&self, attempt: u32) -> Duration {
        self.waits.get(self.level(attempt)).copied().unwrap_or_default()
    }

    /// Begins the wait of a probe that was sent.
    pub fn begin_wait(&mut self, number: u64, attempt: u32) {
        let level = self.level(attempt);
        if let Some(timers) = self.timers.get_mut(level) {
            timers.push_back(number as u32);
        }
    }

    /// When the next wait is over.
    pub fn deadline(&self) -> Option<Instant> {
        self.ends().map(|(at, _)| at).min()
    }

    /// Takes the number of a probe whose wait is over.
    pub fn take_expired(&mut self, now: Instant) -> Option<u64> {
        let (_, level) = self.ends().filter(|&(at, _)| at <= now).min()?;
        let low = self.timers.get_mut(level)?.pop_front()?;
        Some(self.whole(low))
    }

    /// Forgets the oldest probes that are closed.
    pub fn trim(&mut self) {
        while self.probes.front().is_some_and(|probe| probe.closed) {
            self.probes.pop_front();
            self.base += 1;
        }
    }

    /// The whole number with this low half: far fewer than 2^32 probes are known.
    fn whole(&self, low: u32) -> u64 {
        self.base + u64::from(low.wrapping_sub(self.base as u32))
    }

    fn level(&self, attempt: u32) -> usize {
        (attempt as usize).min(self.waits.len().saturating_sub(1))
    }

    /// The earliest end of each wait.
    fn ends(&self) -> impl Iterator<Item = (Instant, usize)> {
        self.timers.iter().zip(&self.waits).enumerate().filter_map(|(level, (timers, &wait))| {
            let probe = self.get(self.whole(*timers.front()?))?;
            Some((Instant::from_nanos(probe.sent.mono) + wait, level))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Instant;

    #[test]
    fn waits_end_in_order_where_the_low_half_of_the_numbers_begins_again() {
        let wait = Duration::from_secs(1);
        let mut probes = InFlight { base: u64::from(u32::MAX) - 1, ..InFlight::new(vec![wait]) };
        let numbers: Vec<u64> = (0..4).map(|slot| probes.order(slot, 0)).collect();
        numbers.iter().for_each(|&number| probes.begin_wait(number, 0));
        let ended: Vec<u64> = std::iter::from_fn(|| probes.take_expired(Instant::ZERO + wait)).collect();
        assert_eq!(ended, numbers);
    }
}
