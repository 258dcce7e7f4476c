//! The figures of a watched path: those of the destination, and the rows up to where the path ends.

use std::collections::BTreeSet;

use super::{End, Watch};
use crate::trace::ends::StopReason;
use crate::trace::fleet::names::Names;
use crate::trace::watch::event::{Config, Report, ReportHop};
use crate::trace::watch::tally::{Counted, Row, Tally};
use crate::types::{Instant, Ttl};

impl Watch {
    /// The figures at `now`.
    pub fn report(&self, config: &Config, ended: Option<StopReason>, names: &Names, now: Instant) -> Report {
        let wait = self.wait(config);
        let waiting: BTreeSet<(usize, u8)> = match ended {
            Some(StopReason::Cycles) => BTreeSet::new(),
            _ => self.open.values().filter(|open| open.waits(wait, now)).map(|open| (open.cycle, open.ttl)).collect(),
        };
        let is_whole = ended == Some(StopReason::SendFailed) || self.unfinished(config).is_none();
        let tally = self.cycles.tally(self.max, is_whole, |index, ttl| waiting.contains(&(index, ttl)));
        let (target, end) = (tally.row(Row::Target), self.end());
        Report {
            sent: target.sent(),
            received: target.of(Counted::Received),
            unreachable: target.of(Counted::Unreachable),
            lost: target.of(Counted::Unanswered),
            pending: target.of(Counted::Pending),
            send_failed: target.of(Counted::NotSent),
            distances: tally.distances.iter().map(|(&ttl, &cycles)| (Ttl::new(ttl), cycles)).collect(),
            distance_proven: end.and_then(|end| end.proven),
            hops: self.hops(end, &tally, names),
            duration: u64::try_from(now.since(self.started).as_nanos()).unwrap_or(u64::MAX),
            ..Report::empty(self.began.clone(), ended)
        }
    }

    /// The rows up to the path's end.
    fn hops(&self, end: Option<End>, tally: &Tally, names: &Names) -> Vec<ReportHop> {
        let Some(last) = end.map(|end| end.ttl).or(tally.farthest) else { return Vec::new() };
        // Whether there are hops where a destination that limits its answers was silent is not known.
        let unknown = |ttl: u8| {
            let unproven = end.is_some_and(|end| end.proven == Some(false)) && self.limits_answers();
            unproven && ttl > self.above() && ttl < last
        };
        let (mut hops, mut rows) = (Vec::new(), Vec::new());
        for (ttl, counts) in (self.first..=last).zip(&self.counts).filter(|&(ttl, _)| !unknown(ttl)) {
            let is_destination = ttl == last && end.is_some_and(|end| end.proven.is_some());
            let row = if is_destination { Row::Destination(ttl) } else { Row::Router(ttl) };
            let mut counts = counts.clone();
            if is_destination {
                let beyond = self.counts.iter().skip(usize::from(last - self.first) + 1);
                beyond.for_each(|further| counts.merge(further));
            }
            hops.push(counts.figures(ttl, tally.row(row), names));
            rows.push(row);
        }
        rows.push(Row::Target);
        tally.judge(&mut hops, &rows);
        hops
    }
}
