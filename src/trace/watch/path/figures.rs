//! The figures of a watched path: those of the destination, and the rows up to where the path ends.

use std::collections::{BTreeMap, BTreeSet};

use super::{End, Watch};
use crate::trace::ends::StopReason;
use crate::trace::fleet::names::Names;
use crate::trace::watch::counts::{Counted, judge};
use crate::trace::watch::cycle::{Cycle, ProbeState};
use crate::trace::watch::event::{Config, Report, ReportHop};
use crate::types::{Instant, Ttl};

impl Watch {
    /// The figures at `now`.
    pub fn report(&self, config: &Config, ended: Option<StopReason>, names: &Names, now: Instant) -> Report {
        let wait = self.wait(config);
        let waiting: BTreeSet<(usize, u8)> = match ended {
            Some(StopReason::Cycles) => BTreeSet::new(),
            _ => self.open.values().filter(|open| open.waits(wait, now)).map(|open| (open.cycle, open.ttl)).collect(),
        };
        let newest_is_whole = ended == Some(StopReason::SendFailed) || self.unfinished(config).is_none();
        let whole = |index| newest_is_whole || index + 1 < self.cycles.len();
        let cycles: Vec<Option<Counted>> = (0..)
            .zip(&self.cycles)
            .map(|(index, cycle)| of_destination((index, cycle), whole(index), &waiting))
            .collect();
        let count = |what| cycles.iter().filter(|&&counted| counted == Some(what)).count() as u64;
        let send_failed = count(Counted::NotSent);
        let end = self.end();
        Report {
            sent: cycles.iter().flatten().count() as u64 - send_failed,
            received: count(Counted::Received),
            unreachable: count(Counted::Unreachable),
            lost: count(Counted::Unanswered),
            pending: count(Counted::Pending),
            send_failed,
            distances: self.distances(),
            distance_proven: end.and_then(|end| end.proven),
            hops: self.hops(end, &waiting, cycles, names),
            duration: u64::try_from(now.since(self.started).as_nanos()).unwrap_or(u64::MAX),
            ..Report::empty(self.began.clone(), ended)
        }
    }

    fn distances(&self) -> Vec<(Ttl, u64)> {
        let mut distances: BTreeMap<u8, u64> = BTreeMap::new();
        for distance in self.cycles.iter().filter_map(|cycle| cycle.distance(0)).filter(|distance| distance.proven) {
            *distances.entry(distance.ttl).or_default() += 1;
        }
        distances.into_iter().map(|(ttl, cycles)| (Ttl::new(ttl), cycles)).collect()
    }

    /// The rows up to the path's end, `destination` being what each cycle counts for that.
    fn hops(
        &self,
        end: Option<End>,
        waiting: &BTreeSet<(usize, u8)>,
        destination: Vec<Option<Counted>>,
        names: &Names,
    ) -> Vec<ReportHop> {
        let probed = || self.cycles.iter().filter_map(|cycle| Some(cycle.probed().next_back()?.0)).max();
        let Some(last) = end.map(|end| end.ttl).or_else(probed) else { return Vec::new() };
        // Whether there are hops where a destination that limits its answers was silent is not known.
        let unknown = |ttl: u8| {
            let unproven = end.is_some_and(|end| end.proven == Some(false)) && self.limits_answers();
            unproven && ttl > self.above() && ttl < last
        };
        let (mut hops, mut rows) = (Vec::new(), Vec::new());
        for (ttl, counts) in (self.first..=last).zip(&self.counts).filter(|&(ttl, _)| !unknown(ttl)) {
            let is_destination = ttl == last && end.is_some_and(|end| end.proven.is_some());
            let counted = |(index, cycle)| of_row((index, cycle), (ttl, is_destination), waiting);
            let row: Vec<Option<Counted>> = (0..).zip(&self.cycles).map(counted).collect();
            let mut counts = counts.clone();
            if is_destination {
                let beyond = self.counts.iter().skip(usize::from(last - self.first) + 1);
                beyond.for_each(|further| counts.merge(further));
            }
            hops.push(counts.figures(ttl, &row, names));
            rows.push(row);
        }
        rows.push(destination);
        judge(&mut hops, &rows);
        hops
    }
}

/// What a cycle counts for the destination; `None` if it was not probed yet.
fn of_destination((index, cycle): (usize, &Cycle), is_whole: bool, waiting: &BTreeSet<(usize, u8)>) -> Option<Counted> {
    if cycle.is_answered_from(0) {
        return Some(Counted::Received);
    }
    let (_, farthest) = cycle.probed().next_back().filter(|_| is_whole)?;
    Some(match farthest {
        _ if cycle.refused_at().is_some() => Counted::Unreachable,
        _ if waiting.range((index, 0)..=(index, u8::MAX)).next().is_some() => Counted::Pending,
        ProbeState::NotSent => Counted::NotSent,
        _ => Counted::Unanswered,
    })
}

/// What a cycle counts for the hop at `ttl`; for the destination its probes with a higher TTL serve as well.
fn of_row(
    (index, cycle): (usize, &Cycle),
    (ttl, is_destination): (u8, bool),
    waiting: &BTreeSet<(usize, u8)>,
) -> Option<Counted> {
    if is_destination && cycle.is_answered_from(ttl) {
        return Some(Counted::Received);
    }
    let (at, state) = match cycle.state(ttl) {
        ProbeState::Unasked if is_destination && cycle.refused_at().is_some() => (ttl, ProbeState::Unreachable),
        ProbeState::Unasked if is_destination => cycle.probed().rfind(|&(at, _)| at > ttl)?,
        state => (ttl, state),
    };
    match state {
        ProbeState::Unasked => None,
        ProbeState::NotSent => Some(Counted::NotSent),
        ProbeState::Router | ProbeState::Target(_) => Some(Counted::Received),
        ProbeState::Unreachable => Some(Counted::Unreachable),
        ProbeState::Silent if waiting.contains(&(index, at)) => Some(Counted::Pending),
        ProbeState::Silent => Some(Counted::Unanswered),
    }
}
