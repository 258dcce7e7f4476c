//! The rows of figures of a watched path ([`Rows`]); those of several flows add up.

use std::collections::BTreeMap;

use super::counts::HopCounts;
use super::event::{Report, ReportHop};
use super::tally::{Both, Counted, Numbers, Row, Tally};
use crate::trace::ends::{Began, StopReason};
use crate::trace::fleet::names::Names;
use crate::types::Ttl;

/// All rows, up to where the path ends.
#[derive(Clone, Debug)]
pub(super) struct Rows {
    /// By TTL.
    hops: BTreeMap<u8, HopRow>,
    target: Numbers,
    distances: BTreeMap<u8, u64>,
    proven: Option<bool>,
}

/// A row.
#[derive(Clone, Debug, Default)]
struct HopRow {
    answers: HopCounts,
    numbers: Numbers,
    /// What it has in common with each later row, the last of which, without a TTL, is the destination's.
    later: BTreeMap<Option<u8>, Both>,
}

impl Rows {
    /// The rows of a path whose cycles come to `tally`, lowest TTL first, and whether its end is where it is for certain.
    pub fn of(tally: &Tally, rows: Vec<(u8, Row, HopCounts)>, proven: Option<bool>) -> Rows {
        let ends = [(None, Row::Target)];
        let places: Vec<_> = rows.iter().map(|&(ttl, row, _)| (Some(ttl), row)).chain(ends).collect();
        let hop = |(at, (ttl, row, answers))| {
            let later = places.iter().skip(at + 1).map(|&(place, later)| (place, tally.both(row, later)));
            (ttl, HopRow { answers, numbers: tally.row(row), later: later.collect() })
        };
        Rows {
            hops: rows.into_iter().enumerate().map(hop).collect(),
            target: tally.row(Row::Target),
            distances: tally.distances.clone(),
            proven,
        }
    }

    /// Adds those of another flow of the target.
    pub fn add(&mut self, other: &Rows) {
        for (&ttl, more) in &other.hops {
            let hop = self.hops.entry(ttl).or_default();
            hop.answers.merge(&more.answers);
            hop.numbers += more.numbers;
            more.later.iter().for_each(|(&place, &both)| *hop.later.entry(place).or_default() += both);
        }
        self.target += other.target;
        other.distances.iter().for_each(|(&ttl, cycles)| *self.distances.entry(ttl).or_default() += cycles);
        self.proven = match (self.proven, other.proven) {
            (Some(one), Some(other)) => Some(one && other),
            (one, other) => one.or(other),
        };
    }

    /// The figures of each hop, and whether its silence persists.
    pub fn hops(&self, names: &Names) -> Vec<ReportHop> {
        let figures = |(&ttl, hop): (&u8, &HopRow)| {
            let figures = hop.answers.figures(ttl, hop.numbers, names);
            let missing = figures.missing();
            let destination_loses = hop.later.get(&None).is_some_and(Both::loses);
            let persists = !hop.later.values().any(|both| both.contradicts(missing, destination_loses));
            // What was refused or never sent is no silence, and says nothing about the limits of a router.
            let judged = missing > 0 && (persists || figures.unanswered > 0);
            ReportHop { persists: judged.then_some(persists), ..figures }
        };
        self.hops.iter().map(figures).collect()
    }

    /// All figures, of a watch that took `duration` nanoseconds.
    pub fn report(&self, began: Began, ended: Option<StopReason>, names: &Names, duration: u64) -> Report {
        let target = self.target;
        Report {
            sent: target.sent(),
            received: target.of(Counted::Received),
            unreachable: target.of(Counted::Unreachable),
            lost: target.of(Counted::Unanswered),
            pending: target.of(Counted::Pending),
            send_failed: target.of(Counted::NotSent),
            distances: self.distances.iter().map(|(&ttl, &cycles)| (Ttl::new(ttl), cycles)).collect(),
            distance_proven: self.proven,
            hops: self.hops(names),
            duration,
            ..Report::empty(began, ended)
        }
    }
}
