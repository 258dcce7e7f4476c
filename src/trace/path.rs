//! What one trace knows of its path: the hops, the highest that answered, the slowest answer, and where the path ends.

use std::time::Duration;

use super::config::Config;
use super::event::StopReason;
use super::finding;
use super::hop::{Arrival, HopState, Slot};
use super::wait;
use crate::engine::delay;
use crate::types::{Instant, ProbeId, Stamp};

/// Where a path ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    /// The last TTL that belongs to the path.
    pub ttl: u8,
    pub reason: StopReason,
}

/// The path so far.
#[derive(Debug)]
pub(super) struct Path {
    hops: Vec<HopState>,
    highest: Option<u8>,
    slowest: Option<Duration>,
    end: Option<End>,
}

impl Path {
    /// A path of which nothing is known, for the TTLs and probes of `config`.
    pub fn new(config: &Config) -> Self {
        let probes = config.probes_per_hop.max(1) as usize;
        let first = config.first_ttl.get().max(1);
        let hops = (first..=config.max_ttl.get().max(first)).map(|ttl| HopState::new(ttl, probes)).collect();
        Path { hops, highest: None, slowest: None, end: None }
    }

    /// The hops that can still belong to the path, lowest TTL first.
    pub fn hops(&self) -> &[HopState] {
        let beyond = self.end.map(|end| self.hops.partition_point(|hop| hop.ttl <= end.ttl));
        self.hops.get(..beyond.unwrap_or(self.hops.len())).unwrap_or(&self.hops)
    }

    /// The hops to probe under this gap limit: [`Path::hops`] up to so many TTLs behind the highest that answered.
    pub fn hops_within(&self, gap_limit: Option<u32>) -> &[HopState] {
        let hops = self.hops();
        let within = gap_limit.map(|gap| (self.answered_hops() + gap.max(1) as usize).min(hops.len()));
        hops.get(..within.unwrap_or(hops.len())).unwrap_or(hops)
    }

    /// How many hops there are up to the highest that answered, within the path.
    pub fn answered_hops(&self) -> usize {
        self.hops()
            .iter()
            .rposition(|hop| self.highest.is_some_and(|highest| hop.ttl <= highest))
            .map_or(0, |at| at + 1)
    }

    pub fn is_beyond_answers(&self, ttl: u8) -> bool {
        self.highest.is_none_or(|highest| highest < ttl)
    }

    /// The slowest RTT of the trace.
    pub fn slowest(&self) -> Option<Duration> {
        self.slowest
    }

    pub fn end(&self) -> Option<End> {
        self.end
    }

    /// The RTT of the first answer found behind `ttl`.
    pub fn first_rtt_after(&self, ttl: u8) -> Option<Duration> {
        self.hops.iter().filter(|hop| hop.ttl > ttl).find_map(HopState::first_rtt)
    }

    /// How long the probes of `hop` are waited for.
    pub fn wait(&self, config: &Config, hop: &HopState) -> Duration {
        wait::span(config.wait.as_ref(), self, hop)
    }

    /// The probes within the path that are not answered, each with the time at which it is given up.
    pub fn open(&self, config: &Config) -> impl Iterator<Item = (ProbeId, Instant)> {
        self.open_in(self.hops(), config)
    }

    /// The same with the probes that ran past the end of the path: their answers are nobody's, but may still come.
    pub fn open_anywhere(&self, config: &Config) -> impl Iterator<Item = (ProbeId, Instant)> {
        self.open_in(&self.hops, config)
    }

    fn open_in(&self, hops: &[HopState], config: &Config) -> impl Iterator<Item = (ProbeId, Instant)> {
        hops.iter().flat_map(|hop| {
            let wait = self.wait(config, hop);
            let open = |slot: &Slot| slot.sent.filter(|_| slot.arrival.is_none());
            hop.slots.iter().filter_map(open).map(move |(probe, sent)| (probe, sent.user.mono + wait))
        })
    }

    /// Slot `index` of the hop at `ttl`.
    pub fn slot(&mut self, ttl: u8, index: usize) -> Option<&mut Slot> {
        let at = self.hops.partition_point(|hop| hop.ttl < ttl);
        self.hops.get_mut(at).filter(|hop| hop.ttl == ttl)?.slots.get_mut(index)
    }

    /// Notes when `probe` left, if it is the one in this slot.
    pub fn sent(&mut self, ttl: u8, index: usize, probe: ProbeId, stamp: Stamp) {
        if let Some((_, sent)) =
            self.slot(ttl, index).and_then(|slot| slot.sent.as_mut()).filter(|sent| sent.0 == probe)
        {
            *sent = stamp;
        }
    }

    /// Takes an answer to `probe`. False if it changes nothing: the probe is answered already, was refused, or lies beyond
    /// the path's end.
    pub fn answer(
        &mut self,
        config: &Config,
        ttl: u8,
        index: usize,
        arrival: Arrival,
        end: Option<StopReason>,
    ) -> bool {
        if self.end.is_some_and(|end| end.ttl < ttl) {
            return false;
        }
        let Some(wait) = self.hops.iter().find(|hop| hop.ttl == ttl).map(|hop| self.wait(config, hop)) else {
            return false;
        };
        let Some(slot) = self.slot(ttl, index) else { return false };
        let Some((_, sent)) = slot.sent.filter(|_| slot.arrival.is_none()) else { return false };
        slot.late = delay::arrival(&sent, &arrival.stamp) > sent.user.mono + wait;
        slot.arrival = Some(Box::new(arrival));
        let rtt = slot.rtt().map(|rtt| rtt.as_duration());
        self.slowest = self.slowest.max(rtt);
        self.highest = self.highest.max(Some(ttl));
        match end {
            Some(reason) => self.note_end(End { ttl, reason }),
            None => self.note_circle(),
        }
        true
    }

    /// A path that goes in circles ends behind the second turn.
    fn note_circle(&mut self) {
        if self.end.is_some() {
            return;
        }
        if let Some((ttl, period, _)) = finding::circle(self.hops(), |hop| hop.ttl, HopState::router) {
            let last = ttl.saturating_add(period.saturating_mul(2)).saturating_sub(1);
            self.note_end(End { ttl: last, reason: StopReason::Loop });
        }
    }

    /// The lowest TTL ends a path; of several answers at one TTL, the destination's.
    fn note_end(&mut self, found: End) {
        let better = self
            .end
            .is_none_or(|end| found.ttl < end.ttl || (found.ttl == end.ttl && found.reason == StopReason::Destination));
        if better {
            self.end = Some(found);
        }
    }
}
