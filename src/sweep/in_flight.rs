//! Probes within their wait: [`InFlight`].

use std::collections::VecDeque;
use std::time::Duration;

use super::chunks::Chunks;
use super::slab::{NONE, Slab};
use crate::types::{Instant, Now, Stamp, WallTime};

/// The state of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ProbeState {
    /// Ordered; the channel has not confirmed yet that it was sent.
    Ordered = 0,
    /// Sent.
    Open = 1,
    /// A reply came in time.
    Replied = 2,
    /// The host answered in time that nothing is there.
    Refused = 3,
    /// An ICMP error came in time, and no reply so far.
    Errored = 4,
    /// Not answered in time, or not sent.
    Over = 5,
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

/// The clocks when a call sent several probes.
#[derive(Clone, Copy, Debug)]
struct Reading {
    /// Number of the first probe that it is for.
    from: u64,
    mono: u64,
    wall: u64,
}

impl Reading {
    /// The clocks `after` nanoseconds later.
    fn later(&self, after: u32) -> CompactStamp {
        let after = u64::from(after);
        CompactStamp { mono: self.mono.saturating_add(after), wall: self.wall.saturating_add(after), kernel: 0 }
    }

    /// How many nanoseconds later `stamp` is; `None` if it is much later, or the clocks do not stand to each other as here.
    fn until(&self, stamp: &CompactStamp) -> Option<u32> {
        let after = u32::try_from(stamp.mono.checked_sub(self.mono)?).ok()?;
        (stamp.wall == self.later(after).wall).then_some(after)
    }
}

/// One probe: 12 octets, and more where a reply has come or the kernel has stamped it.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    /// When it was sent, in nanoseconds after the [`Reading`] for it; or, if it has stamps, where they are.
    sent: u32,
    /// Its index among the probes of its target, from 0.
    pub attempt: u32,
    /// The slot of its target, whose number has three octets, in native order.
    slot: [u8; 3],
    /// Its state, [`CLOSED`] and [`STAMPED`].
    flags: u8,
}

/// Bits of a probe's flags beside its state.
const CLOSED: u8 = 0x80;
const STAMPED: u8 = 0x40;

impl Probe {
    fn new(slot: u32, attempt: u32) -> Self {
        let [low, middle, high, _] = slot.to_le_bytes();
        Probe { sent: 0, attempt, slot: [low, middle, high], flags: ProbeState::Ordered as u8 }
    }

    /// The slot of its target.
    pub fn slot(&self) -> u32 {
        let [low, middle, high] = self.slot;
        u32::from_le_bytes([low, middle, high, 0])
    }

    /// Its state.
    pub fn state(&self) -> ProbeState {
        match self.flags & !(CLOSED | STAMPED) {
            0 => ProbeState::Ordered,
            1 => ProbeState::Open,
            2 => ProbeState::Replied,
            3 => ProbeState::Refused,
            4 => ProbeState::Errored,
            _ => ProbeState::Over,
        }
    }

    /// Its state is another from now on.
    pub fn set_state(&mut self, state: ProbeState) {
        self.flags = self.flags & (CLOSED | STAMPED) | state as u8;
    }

    /// Whether its wait is over, or was given up.
    pub fn is_closed(&self) -> bool {
        self.flags & CLOSED != 0
    }

    /// Its wait is over, or is given up.
    pub fn close(&mut self) {
        self.flags |= CLOSED;
    }

    /// Where its stamps are, or `NONE`.
    fn stamps(&self) -> u32 {
        if self.flags & STAMPED != 0 { self.sent } else { NONE }
    }
}

/// The stamps of a probe.
#[derive(Clone, Copy, Debug, Default)]
struct Stamps {
    sent: CompactStamp,
    arrived: CompactStamp,
}

/// Probes by their numbers, from the oldest that is not closed to the newest, and the ends of their waits.
#[derive(Debug)]
pub struct InFlight {
    probes: Chunks<Probe>,
    /// Number of the first in `probes`.
    base: u64,
    /// In order of their probes. Those of one call share a reading.
    readings: VecDeque<Reading>,
    stamps: Slab<Stamps>,
    waits: Vec<Duration>,
    /// For each wait, the numbers of the probes sent, in order of sending and so of their deadlines. None is older than `base`.
    timers: Vec<Runs>,
    /// The slots of the newest probes that are forgotten, and of how many they are kept.
    past: Chunks<u32>,
    most_past: usize,
}

impl InFlight {
    /// Nothing yet; attempt n waits for the n-th of `waits`, and later ones as long as the last. Where answers do not say it
    /// themselves, the targets of the newest `most_past` probes are remembered beyond their waits.
    pub fn new(waits: Vec<Duration>, most_past: usize) -> Self {
        let timers = waits.iter().map(|_| Runs::new()).collect();
        // Numbers start at 1, as those of all probes.
        InFlight {
            probes: Chunks::new(),
            base: 1,
            readings: VecDeque::new(),
            stamps: Slab::new(),
            waits,
            timers,
            past: Chunks::new(),
            most_past,
        }
    }

    /// Adds a probe. Returns its number.
    pub fn order(&mut self, slot: u32, attempt: u32) -> u64 {
        self.probes.push_back(Probe::new(slot, attempt));
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

    /// The slot that the target of this probe had.
    pub fn slot(&self, number: u64) -> Option<u32> {
        match self.base.checked_sub(number) {
            Some(ago @ 1..) => self.past.get(self.past.len().checked_sub(usize::try_from(ago).ok()?)?).copied(),
            _ => self.get(number).map(Probe::slot),
        }
    }

    /// The probe with this number, to change.
    pub fn get_mut(&mut self, number: u64) -> Option<&mut Probe> {
        self.probes.get_mut(usize::try_from(number.checked_sub(self.base)?).ok()?)
    }

    /// Records when a probe was sent; called again when the kernel's stamp is known.
    pub fn set_sent(&mut self, number: u64, stamp: &Stamp) {
        let sent = CompactStamp::of(stamp);
        let mut after = self.reading(number).and_then(|reading| reading.until(&sent));
        if after.is_none() && self.readings.back().is_none_or(|last| last.from < number) {
            let CompactStamp { mono, wall, .. } = sent;
            self.readings.push_back(Reading { from: number, mono, wall });
            after = Some(0);
        }
        match (after.filter(|_| sent.kernel == 0), self.get_mut(number)) {
            (Some(after), Some(probe)) if probe.stamps() == NONE => probe.sent = after,
            _ => {
                if let Some(stamps) = self.stamps_mut(number) {
                    stamps.sent = sent;
                }
            }
        }
    }

    /// Records when the reply to a probe came.
    pub fn set_reply(&mut self, number: u64, stamp: &Stamp) {
        if let Some(stamps) = self.stamps_mut(number) {
            stamps.arrived = CompactStamp::of(stamp);
        }
    }

    /// When a probe was sent, and when its reply arrived.
    pub fn stamps(&self, number: u64) -> Option<(Stamp, Stamp)> {
        let (sent, arrived) = self.compact(number)?;
        Some((sent.stamp(), arrived.stamp()))
    }

    fn compact(&self, number: u64) -> Option<(CompactStamp, CompactStamp)> {
        let probe = self.get(number)?;
        Some(match self.stamps.get(probe.stamps()) {
            Some(stamps) => (stamps.sent, stamps.arrived),
            None => (self.plain(number, probe), CompactStamp::default()),
        })
    }

    fn plain(&self, number: u64, probe: &Probe) -> CompactStamp {
        self.reading(number).map_or(CompactStamp::default(), |reading| reading.later(probe.sent))
    }

    fn stamps_mut(&mut self, number: u64) -> Option<&mut Stamps> {
        let probe = *self.get(number)?;
        if probe.stamps() != NONE {
            return self.stamps.get_mut(probe.stamps());
        }
        let at = self.stamps.insert(Stamps { sent: self.plain(number, &probe), ..Stamps::default() });
        let probe = self.get_mut(number)?;
        probe.sent = at;
        probe.flags |= STAMPED;
        self.stamps.get_mut(at)
    }

    /// The reading for a probe.
    fn reading(&self, number: u64) -> Option<&Reading> {
        // Mostly it is the newest that is asked about, or the oldest.
        if let Some(newest) = self.readings.back().filter(|reading| reading.from <= number) {
            return Some(newest);
        }
        if self.readings.get(1).is_some_and(|second| second.from > number) {
            return self.readings.front().filter(|first| first.from <= number);
        }
        let next = self.readings.partition_point(|reading| reading.from <= number);
        self.readings.get(next.checked_sub(1)?)
    }

    /// The wait of this attempt.
    pub fn wait(&self, attempt: u32) -> Duration {
        self.waits.get(self.level(attempt)).copied().unwrap_or_default()
    }

    /// Begins the wait of a probe that was sent.
    pub fn begin_wait(&mut self, number: u64, attempt: u32) {
        let level = self.level(attempt);
        if let Some(timers) = self.timers.get_mut(level) {
            timers.push_back(number);
        }
    }

    /// When the next wait is over.
    pub fn deadline(&self) -> Option<Instant> {
        self.ends().map(|(at, _)| at).min()
    }

    /// Takes the number of a probe whose wait is over.
    pub fn take_expired(&mut self, now: Instant) -> Option<u64> {
        let (_, level) = self.ends().filter(|&(at, _)| at <= now).min()?;
        self.timers.get_mut(level)?.take_first()
    }

    /// Forgets the oldest probes that are closed.
    pub fn trim(&mut self) {
        while let Some(probe) = self.probes.get(0).copied().filter(Probe::is_closed) {
            self.stamps.free(probe.stamps());
            if self.most_past > 0 {
                self.past.push_back(probe.slot());
                if self.past.len() > self.most_past {
                    self.past.drop_front();
                }
            }
            self.probes.drop_front();
            self.base += 1;
        }
        // Probes that an error has closed are forgotten before their waits are over.
        for timers in &mut self.timers {
            timers.forget_before(self.base);
        }
        while self.readings.get(1).is_some_and(|second| second.from <= self.base) {
            self.readings.pop_front();
        }
    }

    fn level(&self, attempt: u32) -> usize {
        (attempt as usize).min(self.waits.len().saturating_sub(1))
    }

    /// The earliest end of each wait.
    fn ends(&self) -> impl Iterator<Item = (Instant, usize)> {
        self.timers.iter().zip(&self.waits).enumerate().filter_map(|(level, (timers, &wait))| {
            let (sent, _) = self.compact(timers.first()?)?;
            Some((Instant::from_nanos(sent.mono) + wait, level))
        })
    }
}

/// Numbers in order, most of which follow each other: runs of them by their first, and their count.
#[derive(Debug)]
struct Runs(VecDeque<(u64, u64)>);

impl Runs {
    const fn new() -> Self {
        Runs(VecDeque::new())
    }

    fn first(&self) -> Option<u64> {
        self.0.front().map(|&(first, _)| first)
    }

    fn push_back(&mut self, number: u64) {
        match self.0.back_mut().filter(|(first, count)| first + *count == number) {
            Some((_, count)) => *count += 1,
            None => self.0.push_back((number, 1)),
        }
    }

    fn take_first(&mut self) -> Option<u64> {
        let first = self.first()?;
        self.forget_before(first + 1);
        Some(first)
    }

    /// Forgets those at the front that are less than `number`.
    fn forget_before(&mut self, number: u64) {
        while let Some((first, count)) = self.0.front_mut().filter(|(first, _)| *first < number) {
            let end = *first + *count;
            if end > number {
                (*first, *count) = (number, end - number);
                return;
            }
            self.0.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Instant;

    fn stamp(mono: u64, wall: u64, kernel: Option<u64>) -> Stamp {
        let user = Now { mono: Instant::from_nanos(mono), wall: WallTime::from_nanos(wall) };
        Stamp { user, kernel: kernel.map(WallTime::from_nanos), hardware: None }
    }

    #[test]
    fn stamps_come_back_as_they_were_recorded() {
        let mut probes = InFlight::new(vec![Duration::from_secs(1)], 0);
        let sent = [(10, 1010), (20, 1020), (30, 1033), (40, 1043), (50, 1049), (5_000_000_050, 5_000_001_049)];
        let sent = sent.map(|(mono, wall)| stamp(mono, wall, None));
        let numbers = sent.each_ref().map(|sent| {
            let number = probes.order(0, 0);
            probes.set_sent(number, sent);
            number
        });
        let late = stamp(20, 1020, Some(1021));
        probes.set_sent(numbers[1], &late);
        // The clock was stepped after the first reading.
        let other = stamp(30, 7, Some(8));
        probes.set_sent(numbers[2], &other);
        let arrived = stamp(90, 1090, Some(1080));
        probes.set_reply(numbers[3], &arrived);
        let expected = [sent[0], late, other, sent[3], sent[4], sent[5]];
        assert_eq!(numbers.map(|number| probes.stamps(number).unwrap().0), expected);
        assert_eq!(probes.stamps(numbers[3]).unwrap().1, arrived);
        for number in &numbers[..3] {
            probes.get_mut(*number).unwrap().close();
        }
        probes.trim();
        assert_eq!([4, 5].map(|n| probes.stamps(numbers[n]).unwrap().0), [sent[4], sent[5]]);
    }

    #[test]
    fn a_probe_keeps_slot_state_and_attempt_beside_each_other() {
        let states = [
            ProbeState::Ordered,
            ProbeState::Open,
            ProbeState::Replied,
            ProbeState::Refused,
            ProbeState::Errored,
            ProbeState::Over,
        ];
        let mut probe = Probe::new(0x00ab_cdef, u32::MAX);
        for closed in [false, true] {
            for state in states {
                probe.set_state(state);
                assert_eq!((probe.slot(), probe.attempt), (0x00ab_cdef, u32::MAX));
                assert_eq!((probe.state(), probe.is_closed(), probe.stamps()), (state, closed, NONE));
            }
            probe.close();
        }
    }

    #[test]
    fn waits_end_in_the_order_of_sending_whatever_is_forgotten_in_between() {
        let wait = Duration::from_secs(1);
        let mut probes = InFlight::new(vec![wait], 0);
        let numbers: Vec<u64> = (0..6).map(|slot| probes.order(slot, 0)).collect();
        // The kernel refused the third.
        for &number in numbers.iter().filter(|&&number| number != numbers[2]) {
            probes.begin_wait(number, 0);
        }
        for &number in [numbers[0], numbers[2]].iter() {
            probes.get_mut(number).unwrap().close();
        }
        probes.trim();
        let ended: Vec<u64> = std::iter::from_fn(|| probes.take_expired(Instant::ZERO + wait)).collect();
        assert_eq!(ended, [numbers[1], numbers[3], numbers[4], numbers[5]]);
    }
}
