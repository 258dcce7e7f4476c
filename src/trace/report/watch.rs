//! One target while it is being watched: when its next probe leaves, where its path ends by now, and its figures.

use std::collections::BTreeMap;
use std::time::Duration;

use super::event::{Config, Ended, Report, ReportHop};
use super::tally::{Tally, judge};
use crate::engine::delay;
use crate::trace::departure::Route;
use crate::trace::hop::{Arrival, Slot};
use crate::trace::names::Names;
use crate::trace::run::{Meaning, meaning};
use crate::trace::schedule::{Next, Window};
use crate::trace::{StopReason, TraceId};
use crate::types::{Instant, ProbeId, Stamp, Ttl};

/// How long an answer counts without `-w`; over connections, which the kernel gives up after two SYN, shorter.
const COUNTS_FOR: Duration = Duration::from_secs(10);
const CONNECTION_COUNTS_FOR: Duration = Duration::from_secs(3);
/// How long the last answers are waited for at least.
const LAST_WAIT: Duration = Duration::from_secs(1);
/// So many TTLs further each cycle a destination is looked for that does not answer any more, from the second such cycle on.
const FURTHER: usize = 2;
/// More cycles in a row change nothing any more.
const MOST_MISSED: usize = 128;

/// One target.
#[derive(Debug)]
pub(super) struct Watch {
    pub id: TraceId,
    pub route: Route,
    started: Instant,
    first: u8,
    max: u8,
    /// By TTL, from `first` on.
    tallies: Vec<Tally>,
    /// Probes that are not counted yet.
    open: BTreeMap<ProbeId, Open>,
    cycles: Vec<Cycle>,
    /// The TTL to probe next; beyond the path's end if the newest cycle has all its probes.
    ttl: u16,
    /// From one probe of the newest cycle to the next.
    gap: Duration,
    /// Before this nothing leaves, whatever was missed.
    not_before: Instant,
    end: Option<PathEnd>,
    /// For how many cycles, the newest that is decided and those before it, the destination has been silent.
    missed: usize,
    /// The highest TTL at which somebody before the end answered, and since when it is.
    highest: Option<u8>,
    progress_at: Instant,
    slowest: Duration,
    probes: u32,
    refused: u64,
    some_left: bool,
    /// No more probes.
    closing: bool,
}

#[derive(Debug)]
struct Open {
    ttl: u8,
    cycle: usize,
    slot: Slot,
}

#[derive(Debug)]
struct Cycle {
    at: Instant,
    last_sent: Instant,
    /// Where the destination answered, if it did.
    distance: Option<u8>,
    /// Whether the kernel refused one of its probes.
    refused: bool,
}

/// Where the path ends.
#[derive(Clone, Copy, Debug)]
struct PathEnd {
    ttl: u8,
    /// When that became known.
    since: Instant,
    /// Whether it is the destination that answered.
    destination: bool,
}

impl Watch {
    pub fn new(config: &Config, id: TraceId, route: Route, now: Instant) -> Watch {
        let first = config.trace.first_ttl.get().max(1);
        let max = config.trace.max_ttl.get().max(first);
        Watch {
            id,
            route,
            started: now,
            first,
            max,
            tallies: (first..=max).map(|_| Tally::default()).collect(),
            open: BTreeMap::new(),
            cycles: Vec::new(),
            ttl: u16::from(max) + 1,
            gap: Duration::ZERO,
            not_before: now,
            end: None,
            missed: 0,
            highest: None,
            progress_at: now,
            slowest: Duration::ZERO,
            probes: 0,
            refused: 0,
            some_left: false,
            closing: false,
        }
    }

    /// The probe to send next; the index of a probe is that of its cycle.
    pub fn next(&self, config: &Config, now: Instant) -> Next {
        if self.closing {
            return Next::Nothing;
        }
        let (due, ttl, index) = match (self.unfinished(config), self.cycles.last()) {
            (Some(ttl), _) => (self.due(config, ttl), ttl, self.cycles.len() - 1),
            (None, _) if self.cycles.len() as u64 >= config.cycles.max(1) => return Next::Nothing,
            (None, newest) => {
                let due = newest.map_or(self.started, |cycle| cycle.at + config.interval);
                (due, self.first, self.cycles.len())
            }
        };
        match due.max(self.not_before) {
            at if at <= now => Next::Probe { ttl, index },
            at => Next::At(at),
        }
    }

    /// How many probes were ordered so far.
    pub fn probes(&self) -> u32 {
        self.probes
    }

    /// Probes that wait for their answers.
    pub fn unanswered(&self) -> usize {
        self.open.values().filter(|open| open.slot.arrival.is_none()).count()
    }

    /// The TTL that the newest cycle goes on with.
    fn unfinished(&self, config: &Config) -> Option<u8> {
        u8::try_from(self.ttl).ok().filter(|&ttl| !self.cycles.is_empty() && ttl <= self.limit(config))
    }

    /// The last TTL to probe, as far as is known by now.
    fn limit(&self, config: &Config) -> u8 {
        let further = |from: u8, by: usize| u8::try_from(usize::from(from) + by).unwrap_or(u8::MAX).min(self.max);
        match (self.end, config.trace.gap_limit) {
            (Some(end), _) => further(end.ttl, self.missed.saturating_sub(1) * FURTHER),
            (None, Some(gap)) => further(self.highest.unwrap_or(self.first - 1), gap.max(1) as usize),
            (None, None) => self.max,
        }
    }

    fn due(&self, config: &Config, ttl: u8) -> Instant {
        let at = self.cycles.last().map_or(self.started, |cycle| cycle.at);
        let (index, known) = (ttl - self.first, self.highest.map_or(0, |highest| highest - self.first + 1));
        let spread = at + self.gap.saturating_mul(index.into());
        if self.end.is_some() || !config.trace.paced {
            return spread;
        }
        let window = Window::of(self.route.profile.protocol, Some(self.slowest));
        spread.max(window.opens(index.into(), known.into(), self.progress_at))
    }

    /// `probe` is ordered for this TTL in this cycle.
    pub fn ordered(&mut self, config: &Config, (ttl, index): (u8, usize), probe: ProbeId, stamp: Stamp) {
        let now = stamp.user.mono;
        if index == self.cycles.len() {
            self.begin_cycle(config, now);
        }
        if let Some(cycle) = self.cycles.get_mut(index) {
            cycle.last_sent = now;
        }
        if let Some(tally) = self.tally(ttl) {
            tally.sent += 1;
        }
        let slot = Slot { sent: Some((probe, stamp)), ..Slot::default() };
        self.open.insert(probe, Open { ttl, cycle: index, slot });
        self.probes = self.probes.wrapping_add(1);
        self.ttl = u16::from(ttl) + 1;
        // What was missed in a stall is made up for, but not in one go.
        self.not_before = now + self.gap / 2;
    }

    fn begin_cycle(&mut self, config: &Config, now: Instant) {
        let planned = self.cycles.last().map(|cycle| cycle.at + config.interval);
        let at = planned.filter(|&at| now.since(at) < config.interval).unwrap_or(now);
        let wait = self.wait(config);
        let decided =
            self.cycles.iter().rev().filter(|cycle| cycle.distance.is_some() || cycle.last_sent + wait <= now);
        self.missed = decided.take(MOST_MISSED).take_while(|cycle| cycle.distance.is_none()).count();
        self.end = self.end.filter(|end| end.destination);
        self.cycles.push(Cycle { at, last_sent: now, distance: None, refused: false });
        self.gap = config.interval / (u32::from(self.limit(config) - self.first) + 1);
    }

    /// `probe` left.
    pub fn sent(&mut self, probe: ProbeId, stamp: Stamp) {
        self.some_left = true;
        if let Some(open) = self.open.get_mut(&probe) {
            open.slot.sent = Some((probe, stamp));
        }
    }

    /// The kernel refused `probe`. Gives how many it did refuse, if none has left yet.
    pub fn refused(&mut self, probe: ProbeId) -> Option<u64> {
        let Open { ttl, cycle, .. } = self.open.remove(&probe)?;
        if let Some(tally) = self.tally(ttl) {
            tally.sent = tally.sent.saturating_sub(1);
        }
        if let Some(cycle) = self.cycles.get_mut(cycle) {
            cycle.refused = true;
        }
        self.refused += 1;
        (!self.some_left).then_some(self.refused)
    }

    /// Takes an answer to `probe`. True if it counts.
    pub fn answer(&mut self, config: &Config, probe: ProbeId, arrival: Arrival) -> bool {
        let Some(meaning) = meaning(&arrival, self.route.target.address) else { return false };
        let counts_for = self.counts_for(config);
        let Some(open) = self.open.get_mut(&probe).filter(|open| open.slot.arrival.is_none()) else { return false };
        let Some((_, sent)) = open.slot.sent else { return false };
        if delay::arrival(&sent, &arrival.stamp) > sent.user.mono + counts_for {
            return false;
        }
        let (ttl, cycle, quoted, at) = (open.ttl, open.cycle, arrival.quoted_ttl, arrival.stamp.user.mono);
        open.slot.arrival = Some(Box::new(arrival));
        let rtt = open.slot.rtt().map_or(Duration::ZERO, |rtt| rtt.as_duration());
        self.slowest = self.slowest.max(rtt);
        match meaning {
            Meaning::OnTheWay => self.note_router(ttl, sent.user.mono, at),
            Meaning::End(reason) => {
                let destination = reason == StopReason::Destination;
                let distance = quoted.filter(|_| destination).and_then(|quoted| self.distance(ttl, quoted));
                self.note_end(distance.unwrap_or(ttl), cycle, destination, at);
            }
        }
        true
    }

    /// A router answered: if it stands where the path was said to end, the path has become longer.
    fn note_router(&mut self, ttl: u8, sent: Instant, at: Instant) {
        match self.end {
            Some(end) if ttl >= end.ttl && sent <= end.since => return,
            Some(end) if ttl >= end.ttl => self.end = None,
            _ => {}
        }
        if self.highest.is_none_or(|highest| highest < ttl) {
            self.highest = Some(ttl);
            self.progress_at = at;
        }
    }

    fn note_end(&mut self, ttl: u8, cycle: usize, destination: bool, at: Instant) {
        let distance = self.cycles.get_mut(cycle).map(|cycle| &mut cycle.distance);
        if let Some(distance) = distance.filter(|_| destination) {
            *distance = Some(distance.map_or(ttl, |known| known.min(ttl)));
        }
        let nearer = self.end.is_none_or(|end| ttl < end.ttl || (ttl == end.ttl && destination));
        let found_again = self.missed > 0 && self.end.is_some_and(|end| end.ttl < ttl);
        if nearer || found_again {
            self.end = Some(PathEnd { ttl, since: at, destination });
            self.missed = 0;
            self.highest = self.highest.filter(|&highest| highest < ttl);
        }
    }

    /// The destination's distance, which is what its quote of a probe sent with `ttl` has used up, if that can be.
    fn distance(&self, ttl: u8, quoted: Ttl) -> Option<u8> {
        let distance = ttl.checked_sub(quoted.get().max(1) - 1)?;
        (distance >= self.first && self.highest.is_none_or(|highest| highest < distance)).then_some(distance)
    }

    /// Counts what needs no more waiting at `now`, and gives those probes, each with whether it was answered.
    pub fn settle(&mut self, config: &Config, now: Instant) -> Vec<ProbeId> {
        let (counts_for, stamps) = (self.counts_for(config), self.route.profile.send_stamps);
        let settled = |slot: &Slot| match slot.open_since() {
            Some(sent) => sent + counts_for < now,
            None => slot.stamp_until(stamps).is_none_or(|until| until <= now),
        };
        let over: Vec<ProbeId> =
            self.open.iter().filter(|(_, open)| settled(&open.slot)).map(|(&probe, _)| probe).collect();
        for open in over.iter().filter_map(|probe| self.open.remove(probe)).collect::<Vec<_>>() {
            if let Some(tally) = self.tally(open.ttl) {
                tally.take(&open.slot);
            }
        }
        over
    }

    /// Probes that are hardly answered any more.
    pub fn given_up(&self, config: &Config, now: Instant) -> impl Iterator<Item = ProbeId> {
        let wait = self.wait(config);
        let old = move |open: &Open| open.slot.open_since().is_some_and(|sent| sent + wait <= now);
        self.open.iter().filter(move |(_, open)| old(open)).map(|(&probe, _)| probe)
    }

    /// Sends nothing any more.
    pub fn close(&mut self) {
        self.closing = true;
    }

    /// Whether everything was sent, and nothing is waited for any more.
    pub fn is_over(&self, config: &Config, now: Instant) -> bool {
        let sent =
            self.closing || (self.cycles.len() as u64 >= config.cycles.max(1) && self.unfinished(config).is_none());
        let (wait, limit) = (self.wait(config), self.limit(config));
        let quiet = |open: &Open| match open.slot.open_since() {
            Some(sent) => open.ttl > limit || sent + wait <= now,
            None => false,
        };
        sent && self.open.values().all(quiet)
    }

    /// When something is to be counted or given up, if nothing happens before.
    pub fn wake(&self, config: &Config, now: Instant) -> Option<Instant> {
        let (counts_for, wait) = (self.counts_for(config), self.wait(config));
        let stamps = self.route.profile.send_stamps;
        let times = self.open.values().flat_map(|open| match open.slot.open_since() {
            Some(sent) => [Some(sent + wait), Some(sent + counts_for + Duration::from_nanos(1))],
            None => [open.slot.stamp_until(stamps), None],
        });
        times.flatten().filter(|&at| at > now).min()
    }

    /// How long an answer counts.
    fn counts_for(&self, config: &Config) -> Duration {
        let usual = match self.route.profile.socket {
            crate::channel::SocketKind::Stream => CONNECTION_COUNTS_FOR,
            _ => COUNTS_FOR,
        };
        config.trace.wait.map_or(usual, |wait| wait.max)
    }

    /// How long an answer is waited for before its probe counts as unanswered for the time being.
    fn wait(&self, config: &Config) -> Duration {
        let usual = self.slowest.saturating_mul(2).max(LAST_WAIT).min(self.counts_for(config));
        config.trace.wait.map_or(usual, |wait| wait.max)
    }

    fn tally(&mut self, ttl: u8) -> Option<&mut Tally> {
        self.tallies.get_mut(usize::from(ttl.checked_sub(self.first)?))
    }

    /// The figures at `now`.
    pub fn report(&self, config: &Config, ended: Option<Ended>, names: &Names, now: Instant) -> Report {
        let mut report = Report::empty(self.id, ended);
        let (wait, newest_is_whole) = (self.wait(config), self.unfinished(config).is_none());
        let mut distances: BTreeMap<u8, u64> = BTreeMap::new();
        for (index, cycle) in self.cycles.iter().enumerate() {
            let whole = newest_is_whole || index + 1 < self.cycles.len();
            match cycle.distance {
                Some(distance) => {
                    *distances.entry(distance).or_default() += 1;
                    report.received += 1;
                }
                None if !whole || cycle.refused => continue,
                None if cycle.last_sent + wait > now => report.pending += 1,
                None => report.lost += 1,
            }
            report.sent += 1;
        }
        report.distances = distances.into_iter().map(|(ttl, cycles)| (Ttl::new(ttl), cycles)).collect();
        report.send_failed = self.refused;
        report.hops = self.hops(wait, names, now);
        report.duration = u64::try_from(now.since(self.started).as_nanos()).unwrap_or(u64::MAX);
        report
    }

    fn hops(&self, wait: Duration, names: &Names, now: Instant) -> Vec<ReportHop> {
        let probed = self.tallies.iter().rposition(|tally| tally.sent > 0).map_or(0, |at| at + 1);
        let last = self.end.map_or(probed, |end| usize::from(end.ttl - self.first) + 1);
        let pending = |ttl: u8| {
            // Answered, but not counted yet, counts as pending.
            let waiting = |open: &&Open| open.slot.open_since().is_none_or(|sent| sent + wait > now);
            self.open.values().filter(|open| open.ttl == ttl).filter(waiting).count() as u64
        };
        let mut hops: Vec<ReportHop> = (self.first..=self.max)
            .zip(&self.tallies)
            .take(last)
            .map(|(ttl, tally)| tally.figures(ttl, pending(ttl), names))
            .collect();
        judge(&mut hops);
        hops
    }
}
