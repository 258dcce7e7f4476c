//! What one trace knows of its path: the hops, the highest that answered, the slowest answer, and where the path ends.

pub(super) mod hop;
mod rounds;
pub(super) mod run;
pub(super) mod schedule;
pub(in crate::trace) mod wait;

use std::net::IpAddr;
use std::time::Duration;

use self::hop::{Arrival, HopState, Slot, Waiting};
use self::wait::DEAD_NEIGHBOUR;
use crate::engine::delay;
use crate::trace::config::Config;
use crate::trace::ends::StopReason;
use crate::trace::finding;
use crate::types::{Instant, ProbeId, Stamp, Ttl};

/// Where a path ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::trace) struct End {
    /// The last TTL that belongs to the path.
    pub ttl: u8,
    pub reason: StopReason,
    /// Whether the answer itself shows how far away it was given.
    pub measured: bool,
}

/// The path so far.
#[derive(Debug)]
pub(in crate::trace) struct Path {
    hops: Vec<HopState>,
    /// Answers of the destination to probes that ran past it, whose hop has answers of its own.
    spare: Vec<Slot>,
    highest: Option<u8>,
    /// The highest TTL at which a router before the destination answered.
    on_the_way: Option<u8>,
    slowest: Option<Duration>,
    end: Option<End>,
    /// When the last answer came that ends the path.
    end_at: Option<Instant>,
}

impl Path {
    /// A path of which nothing is known, for the TTLs and probes of `config`.
    pub fn new(config: &Config) -> Self {
        let probes = config.probes_per_hop.max(1) as usize;
        let first = config.first_ttl.get().max(1);
        let hops = (first..=config.max_ttl.get().max(first)).map(|ttl| HopState::new(ttl, probes)).collect();
        Path { hops, spare: Vec::new(), highest: None, on_the_way: None, slowest: None, end: None, end_at: None }
    }

    /// The hops that can still belong to the path, lowest TTL first.
    pub fn hops(&self) -> &[HopState] {
        let beyond = self.end.map(|end| self.hops.partition_point(|hop| hop.ttl <= end.ttl));
        self.hops.get(..beyond.unwrap_or(self.hops.len())).unwrap_or(&self.hops)
    }

    /// The hops that were probed and lie beyond the end of the path.
    fn beyond_end(&self) -> impl Iterator<Item = &HopState> {
        self.hops.iter().skip(self.hops().len())
    }

    /// The hops to probe under this gap limit: [`Path::hops`] up to that many TTLs beyond the highest that answered.
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

    /// The RTT of the first answer found beyond `ttl`.
    pub fn first_rtt_after(&self, ttl: u8) -> Option<Duration> {
        self.hops.iter().filter(|hop| hop.ttl > ttl).find_map(HopState::first_rtt)
    }

    /// How long the probes of `hop` are waited for.
    pub fn wait(&self, config: &Config, hop: &HopState) -> Waiting {
        let span = wait::span(config.wait.as_ref(), self, hop);
        let patient = config.is_patient() && self.is_beyond_answers(hop.ttl);
        let since = if patient { self.beyond_since() } else { None };
        Waiting { span, until: since.map_or(Instant::ZERO, |since| since + DEAD_NEIGHBOUR) }
    }

    /// Whether nothing is left to send, and probes are open beyond the last hop that answered.
    pub fn waits_for_routers(&self, config: &Config) -> bool {
        let last = self.hops_within(config.gap_limit).last();
        config.is_patient()
            && last.is_some_and(|last| self.is_beyond_answers(last.ttl) && last.first_unsent().is_none())
    }

    /// When the first probe left whose TTL is higher than any that answered.
    fn beyond_since(&self) -> Option<Instant> {
        self.hops().get(self.answered_hops())?.slots.first()?.sent_at()
    }

    /// The probes within the path that are not answered, each with the time at which it is given up.
    pub fn open(&self, config: &Config) -> impl Iterator<Item = (ProbeId, Instant)> {
        self.open_in(self.hops(), config)
    }

    /// The same with the probes that ran past the end of the path: their answers count for no hop, but may still come.
    pub fn open_anywhere(&self, config: &Config) -> impl Iterator<Item = (ProbeId, Instant)> {
        self.open_in(&self.hops, config)
    }

    fn open_in(&self, hops: &[HopState], config: &Config) -> impl Iterator<Item = (ProbeId, Instant)> {
        hops.iter().filter(|hop| hop.is_open()).flat_map(|hop| {
            let wait = self.wait(config, hop);
            let open = |slot: &Slot| slot.sent.filter(|_| slot.arrival.is_none());
            hop.slots.iter().filter_map(open).map(move |(probe, sent)| (probe, wait.ends(sent.user.mono)))
        })
    }

    /// The hop at index `at`.
    pub fn hop_mut(&mut self, at: usize) -> Option<&mut HopState> {
        self.hops.get_mut(at)
    }

    /// The slots that may have an answer, from the hop at index `from` on, also of probes that ran past the end of the path.
    pub fn slots_from(&mut self, from: usize) -> impl Iterator<Item = &mut Slot> {
        let highest = self.highest.unwrap_or_default();
        let answered = self.hops.iter_mut().skip(from).take_while(move |hop| hop.ttl <= highest);
        answered.flat_map(|hop| &mut hop.slots).chain(&mut self.spare)
    }

    /// Slot `index` of the hop at `ttl`.
    pub fn slot(&mut self, ttl: u8, index: usize) -> Option<&mut Slot> {
        let at = self.hops.partition_point(|hop| hop.ttl < ttl);
        self.hops.get_mut(at).filter(|hop| hop.ttl == ttl)?.slot(index)
    }

    /// Notes when `probe` left, if it is the one in this slot. True if it is and has its answer.
    pub fn sent(&mut self, ttl: u8, index: usize, probe: ProbeId, stamp: Stamp) -> bool {
        let same = |slot: &&mut Slot| slot.sent.is_some_and(|sent| sent.0 == probe);
        let Some(slot) = self.slot(ttl, index).filter(same) else { return false };
        slot.set_sent(probe, stamp);
        slot.arrival.is_some()
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
        slot.late = delay::arrival(&sent, &arrival.stamp) > wait.ends(sent.user.mono);
        let (responder, quoted_ttl, at) = (arrival.responder, arrival.quoted_ttl, Some(arrival.stamp.user.mono));
        slot.arrival = Some(Box::new(arrival));
        let rtt = slot.rtt().map(|rtt| rtt.as_duration());
        self.slowest = self.slowest.max(rtt);
        self.highest = self.highest.max(Some(ttl));
        match end {
            Some(StopReason::Destination) => {
                self.end_at = self.end_at.max(at);
                let distance = quoted_ttl.and_then(|quoted| self.distance(ttl, quoted.get()));
                self.note_end(End {
                    ttl: distance.unwrap_or(ttl),
                    reason: StopReason::Destination,
                    measured: distance.is_some(),
                });
                if let Some(distance) = distance.filter(|&distance| distance < ttl) {
                    self.move_answer((ttl, index), distance);
                }
            }
            Some(reason) => {
                let refused_at = self.refused_at(responder, quoted_ttl, ttl);
                self.on_the_way = self.on_the_way.max(Some(refused_at));
                self.note_end(End { ttl: refused_at, reason, measured: false });
                if refused_at < ttl {
                    self.move_answer((ttl, index), refused_at);
                }
            }
            None => {
                self.on_the_way = self.on_the_way.max(Some(ttl));
                self.note_circle(ttl);
            }
        }
        true
    }

    /// The probes that may have reached the destination and have no answer, each with when it left.
    pub fn arrived(&self) -> impl Iterator<Item = (ProbeId, Instant)> {
        let beyond = self.hops.iter().filter(|hop| self.on_the_way.is_none_or(|highest| highest < hop.ttl));
        beyond.flat_map(HopState::open)
    }

    /// Forgets [`Path::arrived`], so that those within the path are sent anew. The destination answered one of them: the path is
    /// no longer than they went.
    pub fn forget_arrived(&mut self) {
        let on_the_way = self.on_the_way;
        let last = self.hops.iter().rposition(HopState::is_open);
        self.hops.truncate(last.map_or(usize::MAX, |last| last + 1).max(self.answered_hops()));
        let beyond = self.hops.iter_mut().filter(|hop| on_the_way.is_none_or(|highest| highest < hop.ttl));
        for slot in beyond.flat_map(|hop| &mut hop.slots).filter(|slot| slot.arrival.is_none()) {
            slot.sent = None;
        }
    }

    /// When the newest probe without an answer left.
    pub fn last_open(&self) -> Option<Instant> {
        self.hops().iter().flat_map(|hop| &hop.slots).filter_map(Slot::open_since).max()
    }

    /// The destination's distance, which is what its quote of a probe sent with `ttl` has used up. `None` if that cannot be: a
    /// quote may hold anything.
    fn distance(&self, ttl: u8, quoted: u8) -> Option<u8> {
        let first = self.hops.first()?.ttl;
        let distance = ttl.checked_sub(quoted.max(1) - 1)?;
        (distance >= first && self.on_the_way.is_none_or(|highest| highest < distance)).then_some(distance)
    }

    /// The hop at which an unreachable is shown that came back for a probe sent with `ttl`: the router that cannot deliver got all
    /// probes that run past it, and limits its errors. Its own hop shows it, or its quote; it answers for the next.
    fn refused_at(&self, responder: IpAddr, quoted: Option<Ttl>, ttl: u8) -> u8 {
        let below = self.hops.iter().rev().skip_while(|hop| hop.ttl >= ttl).take_while(|hop| hop.is_silent()).last();
        let Some(first_silent) = below.map(|hop| hop.ttl) else { return ttl };
        let router = self.hops.iter().find(|hop| hop.router() == Some(responder)).map(|hop| hop.ttl.saturating_add(1));
        let distance = quoted.and_then(|quoted| self.distance(ttl, quoted.get()));
        router.or(distance).map_or(ttl, |given| given.clamp(first_silent, ttl))
    }

    /// A probe that ran past the destination says as much about it as one of its own hop: its answer takes the place of one that
    /// has not been sent, or stands beside those that were not answered.
    fn move_answer(&mut self, (ttl, index): (u8, usize), distance: u8) {
        let Some(moved) = self.slot(ttl, index).map(std::mem::take) else { return };
        let at = self.hops.partition_point(|hop| hop.ttl < distance);
        let Some(hop) = self.hops.get_mut(at) else { return };
        if let Some(unsent) = hop.first_unsent().and_then(|index| hop.slot(index)) {
            *unsent = moved;
        } else if hop.is_silent() {
            hop.slots.push(moved);
        } else {
            self.spare.push(moved);
        }
    }

    /// The silent hops right below a destination whose distance no answer has shown: any of them may be the destination, which
    /// did not answer because hosts limit how often they do.
    fn doubtful(&self) -> impl Iterator<Item = usize> {
        let end = self.end.filter(|end| end.reason == StopReason::Destination && !end.measured);
        let below = end.map_or(0, |end| self.hops.partition_point(|hop| hop.ttl < end.ttl));
        let silent = |&at: &usize| self.hops.get(at).is_some_and(HopState::is_silent);
        (0..below).rev().take_while(silent)
    }

    /// Whether `hop` is to be asked once more before it is known to be silent.
    pub fn is_doubtful(&self, hop: &HopState) -> bool {
        !hop.is_asked_again() && self.doubtful().any(|at| self.hops.get(at).is_some_and(|other| other.ttl == hop.ttl))
    }

    /// When the doubtful hops can be asked again: every probe to them has had as long as the slowest answer took.
    pub fn ask_again_at(&self, config: &Config) -> Option<Instant> {
        let ready = |at: usize| {
            let hop = self.hops.get(at)?;
            let wait = self.wait(config, hop).span.min(self.slowest.unwrap_or_default());
            Some(hop.last_sent_at().filter(|_| hop.first_unsent().is_none())? + wait)
        };
        let mut latest = None;
        for at in self.doubtful().filter(|&at| self.hops.get(at).is_some_and(|hop| !hop.is_asked_again())) {
            latest = latest.max(Some(ready(at)?));
        }
        latest
    }

    /// Asks them again, the lowest first, `pause` after the destination's last answer.
    pub fn ask_again(&mut self, pause: Duration) {
        let due = self.end_at.unwrap_or(Instant::ZERO) + pause;
        for at in self.doubtful().collect::<Vec<_>>() {
            if let Some(hop) = self.hops.get_mut(at).filter(|hop| !hop.is_asked_again()) {
                hop.slots.push(Slot { again: Some(due), ..Slot::default() });
            }
        }
    }

    /// A path that goes in circles ends after the second turn. An answer can only close a circle with a router seen before.
    fn note_circle(&mut self, ttl: u8) {
        let router = self.hops.iter().find(|hop| hop.ttl == ttl).and_then(HopState::router);
        let seen = |hop: &HopState| hop.ttl != ttl && hop.router() == router;
        if self.end.is_some() || router.is_none() || !self.hops.iter().any(seen) {
            return;
        }
        if let Some((ttl, period, _)) = finding::circle(self.hops(), |hop| hop.ttl, HopState::router) {
            let last = ttl.saturating_add(period.saturating_mul(2)).saturating_sub(1);
            self.note_end(End { ttl: last, reason: StopReason::Loop, measured: true });
        }
    }

    /// The lowest TTL ends a path; of several answers at one TTL, the destination's.
    fn note_end(&mut self, found: End) {
        let better = self.end.is_none_or(|end| {
            let measures = found.measured || !end.measured;
            found.ttl < end.ttl || (found.ttl == end.ttl && found.reason == StopReason::Destination && measures)
        });
        if better {
            self.end = Some(found);
        }
    }
}
