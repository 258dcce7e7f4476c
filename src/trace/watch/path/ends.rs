//! When a watch is over, what is waited for until then, and where its path ends.

use std::time::Duration;

use super::{CONNECTION_COUNTS_FOR, COUNTS_FOR, End, LAST_WAIT, Open, Watch};
use crate::trace::path::distance::Distance;
use crate::trace::path::wait::DEAD_NEIGHBOUR;
use crate::trace::watch::event::Config;
use crate::types::{Instant, ProbeId};

impl Watch {
    /// Probes that are hardly answered any more.
    pub fn given_up(&self, config: &Config, now: Instant) -> impl Iterator<Item = ProbeId> {
        let wait = self.wait(config);
        let old = move |open: &Open| open.slot.open_since().is_some_and(|sent| sent + wait <= now);
        self.open.iter().filter(move |(_, open)| old(open)).map(|(&probe, _)| probe)
    }

    /// Whether everything was sent, and nothing is waited for any more.
    pub fn is_over(&self, config: &Config, now: Instant) -> bool {
        let (wait, limit) = (self.wait(config), self.limit(config));
        let until = self.patient_until(config).unwrap_or(Instant::ZERO);
        let quiet = |open: &Open| match open.slot.open_since() {
            Some(sent) => open.ttl > limit || until.max(sent + wait) <= now,
            None => false,
        };
        self.is_sent(config) && self.open.values().all(quiet)
    }

    fn is_sent(&self, config: &Config) -> bool {
        self.closing || (self.cycles.len() as u64 >= config.cycles.max(1) && self.unfinished(config).is_none())
    }

    /// Whether it is over but for what the last router may say.
    pub fn waits_for_routers(&self, config: &Config) -> bool {
        self.is_sent(config) && self.patient_until(config).is_some()
    }

    /// When something is to be counted or given up, if nothing happens before.
    pub fn wake(&self, config: &Config, now: Instant) -> Option<Instant> {
        let (counts_for, wait) = (self.counts_for(config), self.wait(config));
        let stamps = self.route.profile.send_stamps;
        let times = self.open.values().flat_map(|open| match open.slot.open_since() {
            Some(sent) => [Some(sent + wait), Some(sent + counts_for + Duration::from_nanos(1))],
            None => [open.slot.stamp_until(stamps), None],
        });
        times.flatten().chain(self.patient_until(config)).filter(|&at| at > now).min()
    }

    /// While nothing shows where the path ends: until when the last router may say that a neighbour does not answer.
    fn patient_until(&self, config: &Config) -> Option<Instant> {
        let patient = config.trace.is_patient() && !self.shows_end() && !self.closing && !self.route.profile.connects();
        patient.then(|| self.started + DEAD_NEIGHBOUR)
    }

    fn shows_end(&self) -> bool {
        self.known.is_some() || self.cycles.last().is_some_and(|cycle| cycle.refused_at().is_some())
    }

    /// How long an answer counts.
    pub(super) fn counts_for(&self, config: &Config) -> Duration {
        let usual = if self.route.profile.connects() { CONNECTION_COUNTS_FOR } else { COUNTS_FOR };
        config.trace.wait.map_or(usual, |wait| wait.max)
    }

    /// How long an answer is waited for before its probe counts as unanswered for the time being.
    pub(super) fn wait(&self, config: &Config) -> Duration {
        let usual = self.slowest.saturating_mul(2).max(LAST_WAIT).min(self.counts_for(config));
        config.trace.wait.map_or(usual, |wait| wait.max)
    }

    /// Where the path ends: beyond every router that answered, where the destination answered of late. A lost answer does not
    /// make the path longer. Where the destination never answered, an unreachable ends it.
    pub(super) fn end(&self) -> Option<End> {
        let above = self.above();
        if let Some(nearest) = self.cycles.late(above).min_by_key(|distance| (distance.ttl, !distance.proven)) {
            let Distance { ttl, proven, .. } = nearest;
            return Some(End { ttl, proven: Some(proven || ttl == above + 1 || self.is_silent_below(ttl)) });
        }
        self.cycles.refused(above).map(|ttl| End { ttl, proven: None })
    }

    /// Whether the hop below `end` was silent in enough cycles in which the destination answered, and in which it would have
    /// answered that probe as well.
    fn is_silent_below(&self, end: u8) -> bool {
        self.cycles.is_silent(end - 1, self.limits_answers().then(|| self.above()))
    }
}
