//! The figures of a watched path: those of the destination, and the rows up to where the path ends.

use std::collections::BTreeSet;

use super::Watch;
use crate::trace::ends::StopReason;
use crate::trace::finding::Finding;
use crate::trace::fleet::names::Names;
use crate::trace::watch::event::{Config, Report};
use crate::trace::watch::rows::Rows;
use crate::trace::watch::tally::Row;
use crate::types::Instant;

impl Watch {
    /// The figures at `now`.
    pub fn report(&self, config: &Config, ended: Option<StopReason>, names: &Names, now: Instant) -> Report {
        let report = self.rows(config, ended, now).report(self.began.clone(), ended, names, self.lasted(now));
        Report { path_changes: self.path_changes(config), ..report }
    }

    /// How often it changed, if it is followed.
    pub fn path_changes(&self, config: &Config) -> Option<u64> {
        config.follow.then(|| self.followed.changes())
    }

    /// What it shows by now, if it is followed.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.followed.findings()
    }

    /// How long it is on, in nanoseconds.
    pub fn lasted(&self, now: Instant) -> u64 {
        u64::try_from(now.since(self.started).as_nanos()).unwrap_or(u64::MAX)
    }

    /// The rows up to the path's end.
    pub fn rows(&self, config: &Config, ended: Option<StopReason>, now: Instant) -> Rows {
        let wait = self.wait(config);
        let waiting: BTreeSet<(usize, u8)> = match ended {
            Some(StopReason::Cycles) => BTreeSet::new(),
            _ => self.open.values().filter(|open| open.waits(wait, now)).map(|open| (open.cycle, open.ttl)).collect(),
        };
        let is_whole = ended == Some(StopReason::SendFailed) || self.unfinished(config).is_none();
        let tally = self.cycles.tally(self.max, is_whole, |index, ttl| waiting.contains(&(index, ttl)));
        let end = self.end();
        let proven = end.and_then(|end| end.proven);
        let Some(last) = end.map(|end| end.ttl).or(tally.farthest) else {
            return Rows::of(&tally, Vec::new(), proven);
        };
        // Whether there are hops where a destination that limits its answers was silent is not known.
        let unknown = |ttl: u8| {
            let unproven = proven == Some(false) && self.limits_answers();
            unproven && ttl > self.above() && ttl < last
        };
        let mut rows = Vec::new();
        for (ttl, counts) in (self.first..=last).zip(&self.counts).filter(|&(ttl, _)| !unknown(ttl)) {
            let is_destination = ttl == last && proven.is_some();
            let row = if is_destination { Row::Destination(ttl) } else { Row::Router(ttl) };
            let mut counts = counts.clone();
            if is_destination {
                let beyond = self.counts.iter().skip(usize::from(last - self.first) + 1);
                beyond.for_each(|further| counts.merge(further));
            }
            rows.push((ttl, row, counts));
        }
        Rows::of(&tally, rows, proven)
    }
}
