//! What two recordings have in common and where they differ, hop by hop: [`compare`].

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::Recorded;
use crate::engine::outcome::{Outcome, ProbeEvent, Standing};
use crate::metrics::{RttRecorder, RttStats, Share, more_often, rank_sum};
use crate::ping;
use crate::trace;

/// A difference is called one if chance makes it as seldom as this.
const ALPHA: f64 = 0.01;

/// And a difference of medians matters from so much on: in nanoseconds, and as this part of the smaller one, as in a comparison of
/// methods.
const MIN_DIFFERENCE: u64 = 100_000;
const MIN_PART: u64 = 20;

/// What a row is about: the target and the method, and the TTL of a hop; the last row of a path is the target's own.
pub type RowKey = (String, Option<u8>);

/// The answers of one run.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    pub(super) places: BTreeMap<RowKey, Answers>,
    /// The nearest distance from which each target answered.
    pub(super) ends: BTreeMap<String, u8>,
}

/// The answers at one place.
#[derive(Clone, Debug, Default)]
pub(super) struct Answers {
    pub addresses: BTreeSet<IpAddr>,
    pub rtts: Vec<u64>,
    pub sent: u64,
    /// Where no single delays are known: how many answers there were, and their statistics.
    pub summary: Option<(u64, Option<RttStats>)>,
}

/// What can be compared.
pub trait Compared: Recorded {
    /// Takes it into account.
    fn sample(&self, sample: &mut Sample);
}

impl Compared for ping::Event {
    fn sample(&self, sample: &mut Sample) {
        if let ping::Event::Probe(event) = self {
            sample.add(event, None);
        }
    }
}

impl Compared for trace::Event {
    fn sample(&self, sample: &mut Sample) {
        if let trace::Event::Probe(event) = self {
            sample.add(event, event.ttl.map(|ttl| ttl.get()));
        }
    }
}

fn name(subject: &crate::engine::outcome::Subject) -> String {
    format!("{} by {}", subject.target, subject.method.name())
}

impl Sample {
    fn add(&mut self, event: &ProbeEvent, ttl: Option<u8>) {
        if event.standing != Standing::First || matches!(event.outcome, Outcome::NotSent(_)) {
            return;
        }
        let is_answer = matches!(event.outcome, Outcome::Reply(_) | Outcome::Refused(_));
        let answers = self.places.entry((name(&event.subject), ttl)).or_default();
        answers.sent += 1;
        if let (Some(rtt), true) = (event.rtt(), ttl.is_some() || is_answer) {
            answers.rtts.push(rtt.as_nanos());
            answers.addresses.extend(event.responder);
            if let Some(ttl) = ttl.filter(|_| event.responder == event.subject.address) {
                let end = self.ends.entry(name(&event.subject)).or_insert(ttl);
                *end = ttl.min(*end);
            }
        }
    }

    /// The places up to the end of each path.
    fn rows(&self) -> BTreeMap<&RowKey, &Answers> {
        let within = |(target, ttl): &RowKey| match (self.ends.get(target), ttl) {
            (Some(end), Some(ttl)) => ttl <= end,
            _ => true,
        };
        self.places.iter().filter(|(place, _)| within(place)).collect()
    }
}

/// A place in both runs, or in one.
#[derive(Clone, Debug)]
pub struct Row {
    pub place: RowKey,
    pub kind: Kind,
    pub before: Option<PlaceFigures>,
    pub after: Option<PlaceFigures>,
    /// Whether the delays, and the losses, differ by more than chance.
    pub delay: bool,
    pub loss: bool,
}

/// The answers of a hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An address answered in both.
    Same,
    /// Others answered.
    Replaced,
    /// It answered before alone.
    Gone,
    /// It answered after alone.
    New,
    /// Nothing answered, before or after.
    Silent,
}

impl Kind {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Same => "same",
            Kind::Replaced => "replaced",
            Kind::Gone => "gone",
            Kind::New => "new",
            Kind::Silent => "silent",
        }
    }
}

/// The figures of a place in one run.
#[derive(Clone, Debug)]
pub struct PlaceFigures {
    pub addresses: Vec<IpAddr>,
    pub rtt: Option<RttStats>,
    pub lost: Share,
}

impl Answers {
    fn answered(&self) -> u64 {
        self.summary.map_or(self.rtts.len() as u64, |(answered, _)| answered)
    }

    fn lost(&self) -> Share {
        Share { hits: self.sent.saturating_sub(self.answered()), tries: self.sent }
    }

    fn stats(&self) -> Option<RttStats> {
        if let Some((_, stats)) = self.summary {
            return stats;
        }
        let mut recorder = RttRecorder::default();
        self.rtts.iter().for_each(|&nanos| recorder.record(crate::types::Rtt::from_nanos(nanos)));
        recorder.stats()
    }

    fn figures(&self) -> PlaceFigures {
        PlaceFigures { addresses: self.addresses.iter().copied().collect(), rtt: self.stats(), lost: self.lost() }
    }
}

impl Row {
    fn of(place: &RowKey, before: Option<&Answers>, after: Option<&Answers>) -> Row {
        let answered = |answers: Option<&Answers>| answers.is_some_and(|answers| answers.answered() > 0);
        let kind = match (answered(before), answered(after)) {
            (true, true) => {
                let common = before.zip(after).is_some_and(|(before, after)| {
                    before.addresses.is_empty() || !before.addresses.is_disjoint(&after.addresses)
                });
                if common { Kind::Same } else { Kind::Replaced }
            }
            (true, false) => Kind::Gone,
            (false, true) => Kind::New,
            (false, false) => Kind::Silent,
        };
        let both = before.zip(after);
        let differs = |one: Share, other: Share| 2.0 * more_often(one, other).min(more_often(other, one)) <= ALPHA;
        let (figures_before, figures_after) = (before.map(Answers::figures), after.map(Answers::figures));
        let median =
            |figures: &Option<PlaceFigures>| figures.as_ref().and_then(|figures| figures.rtt).map(|stats| stats.median);
        let matters = median(&figures_before)
            .zip(median(&figures_after))
            .is_some_and(|(before, after)| before.abs_diff(after) >= MIN_DIFFERENCE.max(before.min(after) / MIN_PART));
        // Without single delays there is nothing to test.
        let both_single = both.filter(|(before, after)| before.summary.or(after.summary).is_none());
        let chance = || both_single.map_or(1.0, |(before, after)| rank_sum(&before.rtts, &after.rtts));
        Row {
            place: place.clone(),
            kind,
            delay: matters && chance() <= ALPHA,
            before: figures_before,
            after: figures_after,
            loss: both.is_some_and(|(before, after)| differs(before.lost(), after.lost())),
        }
    }

    /// Whether it differs at all.
    pub fn differs(&self) -> bool {
        self.delay || self.loss || matches!(self.kind, Kind::Replaced | Kind::Gone | Kind::New)
    }
}

/// All places of both runs, in the order of targets and hops.
pub fn compare(before: &Sample, after: &Sample) -> Vec<Row> {
    let (before, after) = (before.rows(), after.rows());
    let places: BTreeSet<&RowKey> = before.keys().chain(after.keys()).copied().collect();
    places.into_iter().map(|place| Row::of(place, before.get(place).copied(), after.get(place).copied())).collect()
}
