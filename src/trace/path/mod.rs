//! What one trace knows of its path: the hops, the highest that answered, the slowest answer, and where the path ends.

pub(in crate::trace) mod distance;
mod end;
pub(super) mod hop;
pub(in crate::trace) mod rounds;
pub(super) mod run;
pub(super) mod schedule;
pub(in crate::trace) mod wait;

use std::time::Duration;

use self::end::{End, Sightings};
use self::hop::{Arrival, HopState, Slot, Waiting};
use self::wait::DEAD_NEIGHBOUR;
use crate::engine::delay;
use crate::engine::outcome::{Answered, Standing};
use crate::trace::config::Config;
use crate::trace::ends::StopReason;
use crate::types::{Instant, ProbeId, Stamp};

/// The path so far.
#[derive(Debug)]
pub(in crate::trace) struct Path {
    hops: Vec<HopState>,
    /// The TTL of the last hop that is final, or 0.
    final_ttl: u8,
    highest: Option<u8>,
    /// The highest TTL at which a router on the way answered.
    router: Option<u8>,
    slowest: Option<Duration>,
    end: Option<End>,
    /// Where it ends because it goes in circles.
    circle: Option<End>,
    /// The routers that answered.
    routers: Sightings,
    /// When the last answer came that ends the path.
    end_at: Option<Instant>,
    /// The answers of the destination that counted for no hop, because their probes ran past its end: when each was sent, and answered.
    past_end: Vec<(Instant, Instant)>,
}

impl Path {
    /// A path of which nothing is known, for the TTLs and probes of `config`, in the memory of one that is over.
    pub fn new(config: &Config, over: Option<Path>) -> Self {
        let probes = config.probes_per_hop.max(1) as usize;
        let first = config.first_ttl.get().max(1);
        let mut hops = over.map_or_else(Vec::new, |over| over.hops);
        hops.iter_mut().for_each(HopState::clear);
        // It may have been cut short.
        let rest = (first..=config.max_ttl.get().max(first)).skip(hops.len());
        hops.extend(rest.map(|ttl| HopState::new(ttl, probes)));
        Path {
            hops,
            final_ttl: 0,
            highest: None,
            router: None,
            slowest: None,
            end: None,
            circle: None,
            routers: Sightings::default(),
            end_at: None,
            past_end: Vec::new(),
        }
    }

    fn first(&self) -> u8 {
        self.hops.first().map_or(0, |hop| hop.ttl)
    }

    /// How many hops there are up to `ttl`: each TTL has one.
    fn hops_up_to(&self, ttl: u8) -> usize {
        (usize::from(ttl) + 1).saturating_sub(usize::from(self.first()))
    }

    /// The hops that can still belong to the path, lowest TTL first.
    pub fn hops(&self) -> &[HopState] {
        let beyond = self.end.map(|end| self.hops_up_to(end.ttl));
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
        self.highest.map_or(0, |highest| self.hops_up_to(highest)).min(self.hops().len())
    }

    /// The hops up to the highest that answered, within the path.
    fn hops_to_last_answer(&self) -> &[HopState] {
        self.hops().get(..self.answered_hops()).unwrap_or_default()
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

    /// Whether no router answered at `ttl` or beyond, so that the destination may be there.
    fn may_be_target(&self, ttl: u8) -> bool {
        self.router.is_none_or(|highest| highest < ttl)
    }

    /// How long the probes of `hop` are waited for.
    pub fn wait(&self, config: &Config, hop: &HopState) -> Waiting {
        let mut waiting = wait::waiting(config.wait.as_ref(), self, hop);
        if config.is_patient() && self.is_beyond_answers(hop.ttl) {
            waiting.until = self.beyond_since().map_or(waiting.until, |since| since + DEAD_NEIGHBOUR);
        }
        waiting
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

    /// The same from the hop at index `from` on, with the probes that ran past the end of the path: their answers count for no hop,
    /// but may still come.
    pub fn open_from(&self, from: usize, config: &Config) -> impl Iterator<Item = (ProbeId, Instant)> {
        self.open_in(self.hops.get(from..).unwrap_or_default(), config)
    }

    fn open_in(&self, hops: &[HopState], config: &Config) -> impl Iterator<Item = (ProbeId, Instant)> {
        // A probe leaves to a TTL only after one has left to the TTL before.
        hops.iter().take_while(|hop| hop.is_begun()).filter(|hop| hop.is_open()).flat_map(|hop| {
            let wait = self.wait(config, hop);
            let open = |slot: &Slot| slot.sent.filter(|_| slot.arrival.is_none());
            hop.slots.iter().filter_map(open).map(move |(probe, sent)| (probe, wait.ends(sent.user.mono)))
        })
    }

    /// The hop at `ttl`.
    fn hop(&self, ttl: u8) -> Option<&HopState> {
        self.hops.get(usize::from(ttl.checked_sub(self.first())?))
    }

    /// The hops that are not final, the first with its index, of those within the gap limit.
    pub fn open_hops(&self, gap_limit: Option<u32>) -> impl Iterator<Item = (usize, &HopState)> {
        self.hops_within(gap_limit).iter().enumerate().skip(self.hops_up_to(self.final_ttl))
    }

    /// The hop at index `at`.
    pub fn hop_mut(&mut self, at: usize) -> Option<&mut HopState> {
        self.hops.get_mut(at)
    }

    /// The hop at index `at`, which is final from now on. Where the path ends, answers to probes that ran past it say as much about
    /// its end as those to the hop's own: they take the place of probes that were not sent, and one stands beside those that were
    /// not answered.
    pub fn finish(&mut self, at: usize) -> Option<&mut HopState> {
        let (before, beyond) = self.hops.split_at_mut_checked(at + 1)?;
        let hop = before.last_mut()?;
        self.final_ttl = hop.ttl;
        if let Some(end) = self.end.filter(|end| end.ttl == hop.ttl) {
            let lent = beyond.iter_mut().flat_map(|hop| &mut hop.slots).filter(|slot| slot.ends == Some(end.reason));
            for slot in lent {
                hop.take(slot);
            }
        }
        Some(hop)
    }

    /// The slots that may have an answer, from the hop at index `from` on, also of probes that ran past the end of the path.
    pub fn slots_from(&mut self, from: usize) -> impl Iterator<Item = &mut Slot> {
        let highest = self.highest.unwrap_or_default();
        let answered = self.hops.iter_mut().skip(from).take_while(move |hop| hop.ttl <= highest);
        answered.flat_map(|hop| &mut hop.slots)
    }

    /// Slot `index` of the hop at `ttl`.
    pub fn slot(&mut self, ttl: u8, index: usize) -> Option<&mut Slot> {
        let at = ttl.checked_sub(self.first())?;
        self.hops.get_mut(usize::from(at))?.slot(index)
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
        arrival: impl Into<Box<Arrival>>,
        end: Option<StopReason>,
    ) -> bool {
        let arrival = arrival.into();
        let shown = |quoted| distance::shown(ttl, quoted, self.first());
        let is_beyond = |known: End| {
            let same = end == Some(known.reason) && arrival.quoted_ttl.and_then(shown) == Some(known.ttl);
            known.asked < ttl && !same
        };
        if self.end.is_some_and(is_beyond) {
            let sent = self.slot(ttl, index).and_then(|slot| slot.sent_at());
            let times = sent.filter(|_| end == Some(StopReason::Destination)).zip(Some(arrival.stamp.user.mono));
            self.past_end.extend(times);
            return false;
        }
        let Some(wait) = self.hop(ttl).map(|hop| self.wait(config, hop)) else { return false };
        let Some(slot) = self.slot(ttl, index) else { return false };
        let Some((_, sent)) = slot.sent.filter(|_| slot.arrival.is_none()) else { return false };
        let answered = Answered::Open(Some(wait.ends(sent.user.mono)));
        slot.standing = Standing::of(answered, delay::arrival(&sent, &arrival.stamp));
        slot.ends = end;
        let (at, responder) = (arrival.stamp.user.mono, arrival.responder);
        slot.arrival = Some(*arrival);
        let rtt = slot.rtt().map(|rtt| rtt.as_duration());
        self.slowest = self.slowest.max(rtt);
        self.highest = self.highest.max(Some(ttl));
        if end == Some(StopReason::Destination) {
            self.end_at = self.end_at.max(Some(at));
        }
        let changes = match end {
            Some(_) => true,
            None => {
                self.router = self.router.max(Some(ttl));
                let seen = self.routers.note(responder);
                (seen && self.note_circle(ttl)) || self.end.is_some_and(|end| end.ttl <= ttl)
            }
        };
        if changes {
            self.note_end();
        }
        true
    }

    /// Finds the end anew, and how many probes its hop needs no more because others ran past it.
    fn note_end(&mut self) {
        self.end = self.find_end();
        let Some(end) = self.end else { return };
        let mut lent = 0;
        // Most hops of a run are never probed.
        let begun = self.hops.iter().take_while(|hop| hop.is_begun()).count();
        for hop in self.hops.iter_mut().take(begun).rev() {
            hop.lent = if hop.ttl == end.ttl { lent } else { 0 };
            let same = hop.slots.iter().filter(|slot| slot.ends == Some(end.reason)).count();
            lent = u16::try_from(same).unwrap_or(u16::MAX).saturating_add(lent);
        }
    }

    /// Whether a router may still answer that is farther away than a quote says the path ends.
    pub fn is_end_open(&self, config: &Config, now: Instant) -> bool {
        let Some(end) = self.end else { return false };
        let before = self.beyond_end().take_while(|hop| hop.ttl < end.asked);
        before.into_iter().any(|hop| !hop.is_quiet(self.wait(config, hop), now))
    }

    /// The probes that may have reached the destination and have no answer, each with when it left.
    pub fn arrived(&self) -> impl Iterator<Item = (ProbeId, Instant)> {
        let beyond = self.hops.iter().filter(|hop| self.router.is_none_or(|highest| highest < hop.ttl));
        beyond.flat_map(HopState::open)
    }

    /// Forgets [`Path::arrived`], so that those within the path are sent anew. The destination answered one of them: the path is
    /// no longer than they went.
    pub fn forget_arrived(&mut self) {
        let router = self.router;
        let last = self.hops.iter().rposition(HopState::is_open);
        self.hops.truncate(last.map_or(usize::MAX, |last| last + 1).max(self.answered_hops()));
        let beyond = self.hops.iter_mut().filter(|hop| router.is_none_or(|highest| highest < hop.ttl));
        for slot in beyond.flat_map(|hop| &mut hop.slots).filter(|slot| slot.arrival.is_none()) {
            slot.sent = None;
        }
    }

    /// Forgets probes whose answers the destination has undone by `now`, so that they are sent anew.
    pub fn forget_undone(&mut self, now: Instant) {
        for (ttl, index, _) in rounds::undone(self).into_iter().filter(|&(_, _, known)| known <= now) {
            if let Some(slot) = self.slot(ttl, index) {
                slot.sent = None;
            }
        }
    }

    /// When the next of them is known.
    pub fn undone_at(&self) -> Option<Instant> {
        rounds::undone(self).into_iter().map(|(_, _, known)| known).min()
    }

    /// When the newest probe without an answer left.
    pub fn last_open(&self) -> Option<Instant> {
        self.hops().iter().flat_map(|hop| &hop.slots).filter_map(Slot::open_since).max()
    }

    /// The silent hops right below a destination whose distance no answer has shown: any of them may be the destination, which
    /// did not answer because hosts limit how often they do.
    fn doubtful(&self) -> impl Iterator<Item = usize> {
        let end = self.end.filter(|end| end.reason == StopReason::Destination && !end.proven);
        let below = end.map_or(0, |end| self.hops_up_to(end.ttl).saturating_sub(1)).min(self.hops.len());
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
}
