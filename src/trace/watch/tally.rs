//! What the cycles of a watched path add up to: [`Tally`].

use std::collections::BTreeMap;
use std::ops::AddAssign;

use super::cycle::{Cycle, ProbeState};

/// A difference between two hops is no chance if chance makes one as large in this part of the cases.
const ALPHA: f64 = 0.05;
/// Twice as many missed answers as beyond, and at least this many, are no chance however many probes there were.
const CERTAIN: u64 = 30;

/// What a row counts of one cycle; nothing if the hop was not probed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counted {
    Received,
    Unreachable,
    Unanswered,
    Pending,
    NotSent,
}

/// A row of figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Row {
    /// A hop, as one on the way.
    Router(u8),
    /// A hop, as that of the destination: probes with a higher TTL count for it as well.
    Destination(u8),
    /// The destination at whatever distance.
    Target,
}

/// In how many cycles a row counted each.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Numbers([u64; 5]);

impl Numbers {
    pub fn of(&self, counted: Counted) -> u64 {
        self.0.get(counted as usize).copied().unwrap_or_default()
    }

    /// Probes that left.
    pub fn sent(&self) -> u64 {
        self.0.iter().sum::<u64>() - self.of(Counted::NotSent)
    }

    fn add(&mut self, counted: Counted) {
        if let Some(number) = self.0.get_mut(counted as usize) {
            *number += 1;
        }
    }
}

impl AddAssign for Numbers {
    fn add_assign(&mut self, other: Numbers) {
        self.0.iter_mut().zip(other.0).for_each(|(number, more)| *number += more);
    }
}

/// Two rows over the cycles in which both were probed and are decided.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Both {
    /// What the nearer one missed.
    here: u64,
    /// What the farther one missed, and what it answered.
    beyond: u64,
    answered: u64,
}

impl Both {
    /// Whether the farther one shows that packets pass the nearer one, which missed `missing` of them. Rows are compared over the cycles in
    /// which both were probed, if those hold half of the silence at least: what was probed only before or after it shows nothing. Where the
    /// destination loses packets, chance alone spreads the same loss unevenly over the hops.
    pub fn contradicts(&self, missing: u64, destination_loses: bool) -> bool {
        let Both { here, beyond, answered } = *self;
        let less = answered > 0 && here * 2 >= missing && (beyond == 0 || beyond * 2 < here);
        less && (!destination_loses || here >= CERTAIN || self.chance() <= ALPHA)
    }

    /// The chance that so many of what both missed, or more, fell to the nearer one if each was as likely to fall to either: both had as
    /// many probes.
    fn chance(&self) -> f64 {
        let all = self.here + self.beyond;
        let ways = |of_here: u64| (0..of_here).map(|at| (all - at) as f64 / (at + 1) as f64).product::<f64>();
        (self.here..=all).map(ways).sum::<f64>() / 2f64.powi(i32::try_from(all).unwrap_or(i32::MAX))
    }

    /// Whether the farther one missed any.
    pub const fn loses(&self) -> bool {
        self.beyond > 0
    }
}

impl AddAssign for Both {
    fn add_assign(&mut self, other: Both) {
        self.here += other.here;
        self.beyond += other.beyond;
        self.answered += other.answered;
    }
}

/// What cycles add up to.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    rows: BTreeMap<Row, Numbers>,
    pairs: BTreeMap<(Row, Row), Both>,
    /// How far away the destination was for certain, and in how many cycles.
    pub distances: BTreeMap<u8, u64>,
    /// The highest TTL that was probed.
    pub farthest: Option<u8>,
}

impl Tally {
    /// Adds a cycle of TTLs up to `max`, which has all its probes or not; `waits` says of a TTL whether its answer may still
    /// come.
    pub fn add(&mut self, cycle: &Cycle, (max, is_whole): (u8, bool), waits: &impl Fn(u8) -> bool) {
        if let Some(distance) = cycle.distance(0).filter(|distance| distance.proven) {
            *self.distances.entry(distance.ttl).or_default() += 1;
        }
        let farthest = cycle.probed().next_back().map(|(ttl, _)| ttl);
        self.farthest = self.farthest.max(farthest);
        // Beyond the last probe rows have something to count only where an unreachable stands for them.
        let last = if cycle.refused_at().is_some() { max } else { farthest.unwrap_or_default().min(max) };
        let routers = (cycle.first..=last).map(Row::Router);
        let rows = routers.chain((cycle.first..=last).map(Row::Destination));
        let rows = rows.filter_map(|row| Some((row, of_row(cycle, row, waits)?)));
        let target = of_target(cycle, is_whole, waits).map(|counted| (Row::Target, counted));
        self.count(&rows.chain(target).collect::<Vec<_>>());
    }

    /// Counts what rows, in their order, have of one cycle.
    fn count(&mut self, rows: &[(Row, Counted)]) {
        for &(row, counted) in rows {
            self.rows.entry(row).or_default().add(counted);
        }
        let decided: Vec<_> = rows.iter().filter_map(|&(row, counted)| Some((row, is_answered(counted)?))).collect();
        for (at, &(row, own)) in decided.iter().enumerate() {
            for &(later, answered) in decided.iter().skip(at + 1) {
                // The destination is in one place.
                if matches!((row, later), (Row::Destination(_), Row::Destination(_))) {
                    continue;
                }
                let both = self.pairs.entry((row, later)).or_default();
                both.here += u64::from(!own);
                both.beyond += u64::from(!answered);
                both.answered += u64::from(answered);
            }
        }
    }

    pub fn row(&self, row: Row) -> Numbers {
        self.rows.get(&row).copied().unwrap_or_default()
    }

    /// What two rows have in common.
    pub fn both(&self, row: Row, later: Row) -> Both {
        self.pairs.get(&(row, later)).copied().unwrap_or_default()
    }
}

/// Whether a probe was answered, if that is known.
fn is_answered(counted: Counted) -> Option<bool> {
    (counted != Counted::Pending).then_some(counted == Counted::Received)
}

/// What a cycle counts for the destination; `None` if it was not probed yet.
fn of_target(cycle: &Cycle, is_whole: bool, waits: &impl Fn(u8) -> bool) -> Option<Counted> {
    if cycle.is_answered_from(0) {
        return Some(Counted::Received);
    }
    let (_, farthest) = cycle.probed().next_back().filter(|_| is_whole)?;
    Some(match farthest {
        _ if cycle.refused_at().is_some() => Counted::Unreachable,
        _ if cycle.probed().any(|(ttl, _)| waits(ttl)) => Counted::Pending,
        ProbeState::NotSent => Counted::NotSent,
        _ => Counted::Unanswered,
    })
}

/// What a cycle counts for a hop.
fn of_row(cycle: &Cycle, row: Row, waits: &impl Fn(u8) -> bool) -> Option<Counted> {
    let (ttl, is_destination) = match row {
        Row::Router(ttl) => (ttl, false),
        Row::Destination(ttl) => (ttl, true),
        Row::Target => return None,
    };
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
        ProbeState::Silent if waits(at) => Some(Counted::Pending),
        ProbeState::Silent => Some(Counted::Unanswered),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::trace::fleet::names::Names;
    use crate::trace::watch::counts::HopCounts;
    use crate::trace::watch::event::ReportHop;
    use crate::trace::watch::rows::Rows;
    use Counted::{NotSent, Received, Unanswered, Unreachable};

    fn hops(answered: &[(u64, u64)]) -> Vec<ReportHop> {
        let cycle = |at, (sent, received)| (at < sent).then_some(if at < received { Received } else { Unanswered });
        let rows = answered.iter().map(|&figures| (0..40).map(|at| cycle(at, figures)).collect());
        judged(&rows.collect::<Vec<_>>())
    }

    /// The figures of hops of which each has a row, by cycle.
    fn judged(rows: &[Vec<Option<Counted>>]) -> Vec<ReportHop> {
        let (names, mut tally) = (Names::new(false, None), Tally::default());
        let all: Vec<Row> = (1..).zip(rows).map(|(ttl, _)| Row::Router(ttl)).collect();
        for cycle in 0..rows[0].len() {
            let counted = all.iter().zip(rows).filter_map(|(&row, cycles)| Some((row, cycles[cycle]?)));
            tally.count(&counted.collect::<Vec<_>>());
        }
        let rows = (1..).zip(all).map(|(ttl, row)| (ttl, row, HopCounts::default())).collect();
        Rows::of(&tally, rows, None).hops(&names)
    }

    fn persisting(answered: &[(u64, u64)]) -> Vec<Option<bool>> {
        hops(answered).iter().map(|hop| hop.persists).collect()
    }

    #[test]
    fn silence_that_a_later_hop_does_not_share_does_not_persist() {
        assert_eq!(persisting(&[(10, 10), (10, 4), (10, 10)]), [None, Some(false), None]);
        assert_eq!(persisting(&[(10, 0), (10, 10)]), [Some(false), None]);
        // One later hop that answers more is enough, wherever it stands.
        assert_eq!(persisting(&[(10, 5), (10, 10), (10, 5)]), [Some(false), None, Some(true)]);
        assert_eq!(persisting(&[(10, 5), (10, 4), (10, 9)]), [Some(false), Some(false), Some(true)]);
    }

    #[test]
    fn silence_that_every_later_answering_hop_shares_persists() {
        assert_eq!(persisting(&[(10, 10), (10, 7), (10, 8), (10, 7)]), [None, Some(true), Some(true), Some(true)]);
        // A hop that never answers says nothing about the path.
        assert_eq!(persisting(&[(10, 6), (10, 0), (10, 6)]), [Some(true), Some(false), Some(true)]);
        assert_eq!(persisting(&[(10, 10), (10, 0), (10, 0)]), [None, Some(true), Some(true)]);
    }

    #[test]
    fn half_as_much_beyond_is_the_same_loss_and_less_is_not() {
        assert_eq!(persisting(&[(20, 12), (20, 16)])[0], Some(true));
        assert_eq!(persisting(&[(20, 12), (20, 17)])[0], Some(false));
    }

    /// Whether the silence of a hop that missed this many of forty persists, if one beyond it and the destination missed so many.
    fn persists_beside(here: u64, beyond: u64, destination: u64) -> Option<bool> {
        let (names, mut tally) = (Names::new(false, None), Tally::default());
        for cycle in 0..40 {
            let missed = |missed| if (cycle * 7) % 40 < missed { Unanswered } else { Received };
            let all = [(Row::Router(1), here), (Row::Router(2), beyond), (Row::Target, destination)];
            tally.count(&all.map(|(row, number)| (row, missed(number))));
        }
        let rows = (1..=2).map(|ttl| (ttl, Row::Router(ttl), HopCounts::default())).collect();
        Rows::of(&tally, rows, None).hops(&names)[0].persists
    }

    #[test]
    fn where_the_destination_loses_a_hop_limits_its_answers_only_if_chance_does_not_explain_it() {
        // A few more lost here than there are the same loss, however the ratio looks.
        assert_eq!([persists_beside(4, 1, 3), persists_beside(3, 0, 3), persists_beside(1, 0, 1)], [Some(true); 3]);
        assert_eq!([persists_beside(12, 2, 3), persists_beside(6, 0, 3), persists_beside(35, 9, 10)], [Some(false); 3]);
        // A destination that loses nothing shows that nothing is lost on the way.
        assert_eq!([persists_beside(1, 1, 0), persists_beside(2, 0, 0)], [Some(false); 2]);
    }

    #[test]
    fn chance_is_that_of_a_fair_coin() {
        let chance = |here, beyond| Both { here, beyond, answered: 40 }.chance();
        assert!((chance(4, 1) - 6.0 / 32.0).abs() < 1e-9 && (chance(5, 0) - 1.0 / 32.0).abs() < 1e-9);
        assert!(chance(CERTAIN, CERTAIN / 2) < ALPHA && (chance(0, 0) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn hops_are_compared_over_the_cycles_in_which_both_were_probed() {
        // A burst of loss on the first hops, and a path that is longer from then on.
        let burst = [vec![Some(Unanswered); 8], vec![Some(Received); 12]].concat();
        let new = [vec![None; 10], vec![Some(Received); 10]].concat();
        let rows = [burst.clone(), burst.clone(), new.clone(), burst.clone()];
        assert_eq!(
            judged(&rows).iter().map(|hop| hop.persists).collect::<Vec<_>>(),
            [Some(true), Some(true), None, Some(true)]
        );
        // Without a hop beyond that was probed meanwhile nothing contradicts it.
        assert_eq!(judged(&[burst, new])[0].persists, Some(true));
    }

    #[test]
    fn a_row_counts_what_was_refused_and_what_was_not_sent() {
        let row = vec![Some(Received), Some(Unreachable), Some(NotSent), Some(Unanswered), None, Some(Received)];
        let hop = &judged(&[row])[0];
        assert_eq!((hop.sent, hop.received, hop.unreachable, hop.unanswered, hop.send_failed), (4, 2, 1, 1, 1));
        assert_eq!(hop.unanswered_pct(), Some(60.0));
    }

    #[test]
    fn what_was_refused_or_never_sent_is_no_silence_of_a_router() {
        let row = |missing| [vec![Some(missing); 4], vec![Some(Received); 4]].concat();
        let persists = |missing| judged(&[row(missing), vec![Some(Received); 8]])[0].persists;
        assert_eq!([NotSent, Unreachable, Unanswered].map(persists), [None, None, Some(false)]);
        // What later hops lack, too, is lost.
        let lost = [row(NotSent), row(Unanswered)];
        assert_eq!(judged(&lost)[0].persists, Some(true));
    }

    proptest! {
        /// Packets that got lost on the way to a hop that answers cannot have reached the hops beyond it.
        #[test]
        fn what_persists_is_missing_at_every_later_hop_that_answers(
            received in proptest::collection::vec(0u64..=40, 1..20),
        ) {
            let answered: Vec<_> = received.into_iter().map(|received| (40, received)).collect();
            let hops = hops(&answered);
            for (at, hop) in hops.iter().enumerate() {
                prop_assert_eq!(hop.persists.is_some(), hop.unanswered > 0);
                let mut later = hops[at + 1..].iter().filter(|later| later.received > 0);
                if hop.persists == Some(true) {
                    prop_assert!(later.all(|later| later.unanswered > 0 && later.persists.is_some()));
                }
            }
        }
    }
}
