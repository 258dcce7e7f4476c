//! Whether the destination of a path that is followed loses packets time and again: [`Losses`].
//!
//! A probe that is lost alone, or some in a row, are no loss that goes on: it shows itself by coming back. It is over when chance
//! would seldom make so many answers in a row while it goes on, be it the longest of all such rows: it is looked for after every
//! cycle. With k+1 cycles lost, d from the first of them to the newest, a row is longer than n by a chance of (d/(d+n))^k, whatever
//! the rate; the longest of k rows is so by at most k times that.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::engine::outcome::ProbeEvent;
use crate::metrics::{Share, more_often};
use crate::trace::finding::Finding;
use crate::trace::hop::Response;
use crate::trace::watch::change::ChangeKind;
use crate::trace::watch::detector::OUTAGE;
use crate::types::Ttl;

/// Fewer cycles that are lost show nothing.
const FEWEST: usize = 3;
/// What chance makes as seldom as this it does not make.
const ALPHA: f64 = 0.01;
/// A hop misses more or less than the destination if chance makes it as seldom as this: of many hops, each is looked at whenever one
/// is lost.
const ALPHA_HOP: f64 = 0.001;
/// What was lost in a row alone was a burst after as many answers.
const APART: usize = 10;
/// As many answers in a row end any loss: one in so many is none.
const LONGEST: usize = 2000;
/// For how many cycles a loss must seem to begin elsewhere until it is said to: nearer, where a hop was seen to lose, and farther.
const NEARER: usize = 5;
const FARTHER: usize = 40;

/// The probes of a cycle, by TTL.
pub(super) type CycleProbes = BTreeMap<u8, Arc<ProbeEvent>>;

/// Some cycles: how many the destination lost, and what is missing of each hop.
#[derive(Debug, Default)]
struct Evidence {
    cycles: usize,
    lost: usize,
    hops: BTreeMap<u8, Share>,
}

impl Evidence {
    fn count(&mut self, probes: &CycleProbes, answered: bool) {
        self.cycles += 1;
        self.lost += usize::from(!answered);
        for (&ttl, event) in probes {
            let missing = Share { hits: u64::from(Response::of(event).is_none()), tries: 1 };
            let hop = self.hops.entry(ttl).or_default();
            *hop = hop.and(missing);
        }
    }

    fn add(&mut self, other: Evidence) {
        self.cycles += other.cycles;
        self.lost += other.lost;
        for (ttl, share) in other.hops {
            let hop = self.hops.entry(ttl).or_default();
            *hop = hop.and(share);
        }
    }

    /// The first hop that loses as the destination does, beyond every hop that loses less. A hop that misses more limits its
    /// answers, and one that misses nothing may have been lucky.
    fn first(&self, last: Ttl, limits: impl Fn(Ttl) -> bool) -> Ttl {
        let of_target = Share { hits: self.lost as u64, tries: self.cycles as u64 };
        let mut first = last;
        for (&ttl, &hop) in self.hops.range(..last.get()).rev() {
            let is_silent = hop.hits == hop.tries;
            if is_silent || limits(Ttl::new(ttl)) || more_often(hop, of_target) <= ALPHA_HOP {
                continue;
            }
            if more_often(of_target, hop) <= ALPHA_HOP {
                break;
            }
            if hop.hits > 0 {
                first = Ttl::new(ttl);
            }
        }
        first
    }
}

/// What is known of the cycles that the destination of a path did not answer.
#[derive(Debug, Default)]
pub(super) struct Losses {
    /// Cycles from the first that was lost on, and how many were.
    cycles: usize,
    lost: usize,
    /// How many the destination has answered since the newest of them.
    since: usize,
    /// Those lost in a row by now.
    row: Evidence,
    /// All of them since the path was another.
    path: Evidence,
    held: Option<Held>,
}

/// A loss that goes on.
#[derive(Debug)]
struct Held {
    /// As it shows now.
    finding: Finding,
    /// As it was reported.
    reported: Finding,
    /// For how many cycles in a row it has begun elsewhere.
    elsewhere: usize,
}

impl Losses {
    /// What goes on, with the newest evidence.
    pub fn held(&self) -> Option<&Finding> {
        self.held.as_ref().map(|held| &held.finding)
    }

    /// The path is another: where its former probes were lost says nothing about it.
    pub fn forget_path(&mut self) {
        self.path = Evidence::default();
        self.row.hops.clear();
    }

    /// Whether so many probes in a row are what chance makes of a loss that goes on.
    pub fn explain(&self, probes: u64) -> bool {
        let rate = self.lost as f64 / self.cycles.max(1) as f64;
        self.held.is_some() && self.lost as f64 * rate.powf(probes.saturating_sub(1) as f64) > ALPHA
    }

    /// The destination, `last` hops away, answered the next cycle or did not. Says what begins and ends; `limits` knows the routers
    /// that limit their answers.
    pub fn cycle(
        &mut self,
        (probes, answered): (&CycleProbes, bool),
        last: u8,
        limits: impl Fn(Ttl) -> bool,
    ) -> Vec<ChangeKind> {
        if !answered {
            // So many are an outage, which is something else.
            if self.row.cycles < OUTAGE as usize {
                self.row.count(probes, false);
            }
            return Vec::new();
        }
        let row = std::mem::take(&mut self.row);
        let shows_more = (1..OUTAGE as usize).contains(&row.cycles);
        if shows_more {
            self.cycles += row.cycles;
            self.lost += row.lost;
            self.since = 0;
            self.path.add(row);
        }
        if self.lost == 0 {
            return Vec::new();
        }
        self.cycles += 1;
        self.since += 1;
        self.path.count(probes, true);
        if self.is_over() {
            let ended = self.held.take().map(|held| ChangeKind::FindingEnded { finding: held.ended() });
            *self = Losses::default();
            return ended.into_iter().collect();
        }
        self.show(shows_more.then(|| self.path.first(Ttl::new(last), limits)), Ttl::new(last))
    }

    /// From the first cycle that was lost to the newest.
    fn during(&self) -> usize {
        self.cycles.saturating_sub(self.since + 1)
    }

    /// Whether chance seldom makes so many answers in a row while they go on.
    fn is_over(&self) -> bool {
        let (rows, during) = (self.lost.saturating_sub(1) as f64, self.during() as f64);
        let longer = (during / (during + self.since as f64)).powf(rows);
        let is_burst = self.lost >= FEWEST && self.lost > self.during() && self.since >= APART;
        is_burst || self.since >= LONGEST || rows > 0.0 && rows * longer <= ALPHA
    }

    /// What goes on, which begins at `first` if that is looked at anew.
    fn show(&mut self, first: Option<Ttl>, last: Ttl) -> Vec<ChangeKind> {
        let is_placed = self.path.lost >= FEWEST;
        let finding = |ttl, first| Finding::Loss { ttl, first, sent: self.cycles, answered: self.cycles - self.lost };
        let Some(held) = &mut self.held else {
            // In a row they are a burst.
            let Some(first) = first.filter(|_| is_placed && self.during() >= self.lost) else { return Vec::new() };
            let finding = finding(last, first);
            self.held = Some(Held { finding: finding.clone(), reported: finding.clone(), elsewhere: 0 });
            return vec![ChangeKind::Finding { finding }];
        };
        let Finding::Loss { ttl, first: known, .. } = held.finding else { return Vec::new() };
        held.finding = match first.filter(|_| is_placed) {
            Some(first) => finding(last, first),
            None => finding(ttl, known),
        };
        held.moved()
    }
}

impl Held {
    /// What ends, with the newest figures and the place that was reported.
    fn ended(&self) -> Finding {
        match (&self.finding, &self.reported) {
            (&Finding::Loss { sent, answered, .. }, &Finding::Loss { ttl, first, .. }) => {
                Finding::Loss { ttl, first, sent, answered }
            }
            (finding, _) => finding.clone(),
        }
    }

    /// If it is certain to begin elsewhere it is another finding.
    fn moved(&mut self) -> Vec<ChangeKind> {
        let (now, before) = (place(&self.finding), place(&self.reported));
        self.elsewhere = if now == before { 0 } else { self.elsewhere + 1 };
        if self.elsewhere < if now < before { NEARER } else { FARTHER } {
            return Vec::new();
        }
        let ended = self.ended();
        (self.reported, self.elsewhere) = (self.finding.clone(), 0);
        vec![ChangeKind::FindingEnded { finding: ended }, ChangeKind::Finding { finding: self.finding.clone() }]
    }
}

/// Where a loss begins: at the destination itself is one place, however far away that is.
const fn place(finding: &Finding) -> u8 {
    match finding {
        Finding::Loss { ttl, first, .. } if first.get() < ttl.get() => first.get(),
        _ => u8::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In which of these cycles a loss is said to begin (true) and to end.
    fn turns(answered: impl IntoIterator<Item = bool>) -> Vec<(usize, bool)> {
        let (mut losses, probes) = (Losses::default(), CycleProbes::default());
        let turns = answered.into_iter().enumerate().flat_map(|(at, answered)| {
            let turns = losses.cycle((&probes, answered), 9, |_| false);
            turns.into_iter().map(move |kind| (at, matches!(kind, ChangeKind::Finding { .. })))
        });
        turns.collect()
    }

    /// Whether each of so many cycles is answered, at this rate of loss.
    fn even(random: &mut fastrand::Rng, rate: f64, cycles: usize) -> Vec<bool> {
        (0..cycles).map(|_| random.f64() >= rate).collect()
    }

    const RATES: [f64; 8] = [0.005, 0.01, 0.02, 0.05, 0.12, 0.3, 0.5, 0.9];

    #[test]
    fn a_loss_that_goes_on_evenly_begins_once_whatever_its_rate() {
        let (mut random, mut again) = (fastrand::Rng::with_seed(1), 0);
        for rate in RATES {
            let runs: Vec<_> =
                (0..20).map(|_| turns(even(&mut random, rate, (60.0 / rate).max(300.0) as usize))).collect();
            assert!(runs.iter().all(|turns| !turns.is_empty()), "{rate} {runs:?}");
            assert!(runs.iter().all(|turns| turns.len() <= 3), "{rate} {runs:?}");
            again += runs.iter().filter(|turns| turns.len() > 1).count();
            let mut first: Vec<usize> = runs.iter().map(|turns| turns[0].0).collect();
            first.sort_unstable();
            assert!(rate > 0.3 || first[10] as f64 <= 4.0 / rate, "{rate} {first:?}");
        }
        // One row in a hundred is as long by chance.
        assert!(again <= 8, "{again} of {}", 20 * RATES.len());
    }

    #[test]
    fn a_loss_that_is_over_ends_as_soon_as_chance_no_longer_explains_the_answers() {
        let mut random = fastrand::Rng::with_seed(2);
        for rate in &RATES[1..] {
            let before = (20.0 / rate).max(200.0) as usize;
            let mut ends: Vec<usize> = Vec::new();
            for _ in 0..20 {
                let turns = turns([even(&mut random, *rate, before), vec![true; LONGEST]].concat());
                let (at, begins) = turns.last().unwrap();
                assert!(!begins, "{rate} {turns:?}");
                ends.push(at.saturating_sub(before));
            }
            ends.sort_unstable();
            assert!(ends[10] as f64 <= 12.0 / rate + 5.0, "{rate} {ends:?}");
        }
    }

    #[test]
    fn bursts_outages_and_what_is_lost_alone_are_no_loss_that_goes_on() {
        for row in (1..10).chain([40]) {
            assert_eq!(turns([vec![true; 20], vec![false; row], vec![true; 100]].concat()), [], "{row}");
        }
        for row in 3..10 {
            let bursts = [vec![true; APART], vec![false; row]].concat().repeat(5);
            assert_eq!(turns(bursts), [], "{row}");
        }
        // Nor do they end one.
        let mut random = fastrand::Rng::with_seed(3);
        let outage = [even(&mut random, 0.05, 400), vec![false; 300], even(&mut random, 0.05, 400)].concat();
        assert_eq!(turns(outage).len(), 1);
    }

    #[test]
    fn a_loss_goes_on_while_the_path_changes_time_and_again() {
        let mut random = fastrand::Rng::with_seed(5);
        let (mut losses, probes) = (Losses::default(), CycleProbes::default());
        let turns = even(&mut random, 0.1, 600).into_iter().enumerate().map(|(at, answered)| {
            if at % 40 == 39 {
                losses.forget_path();
            }
            losses.cycle((&probes, answered), 9 + u8::from(at % 80 < 40), |_| false).len()
        });
        assert_eq!(turns.sum::<usize>(), 1);
    }

    #[test]
    fn a_burst_within_a_loss_that_makes_such_by_chance_is_none() {
        let explained = |rate: f64| {
            let mut random = fastrand::Rng::with_seed(4);
            let (mut losses, probes) = (Losses::default(), CycleProbes::default());
            for answered in even(&mut random, rate, (50.0 / rate) as usize) {
                let _ = losses.cycle((&probes, answered), 9, |_| false);
            }
            (3..10).filter(|&row| losses.explain(row)).max()
        };
        assert_eq!(explained(0.005), None);
        let [some, many] = [0.12, 0.3].map(|rate| explained(rate).unwrap());
        assert!((3..6).contains(&some) && (6..9).contains(&many), "{some} {many}");
    }
}
