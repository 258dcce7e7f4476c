//! What must hold at the end of a run, for each of its targets: [`Conditions`].
//!
//! A condition names a key of one of the [`Kind`]s' tables. An application gives the [`Facts`] about a target once it is over, in one
//! place; its summary takes the [`Judged`] conditions along, and its status follows from them.

mod facts;
mod table;

use std::sync::Arc;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::outcome::Status;
use crate::metrics::Codec;
pub use facts::Facts;
pub use table::{Argument, Key, Kind, Mode};

/// Conditions in the order in which they were given.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Conditions(Option<Arc<[Condition]>>);

impl Conditions {
    /// These.
    pub fn new(all: Vec<Condition>) -> Self {
        Conditions(Some(all).filter(|all| !all.is_empty()).map(Into::into))
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Condition> {
        self.0.iter().flat_map(|all| all.iter())
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Whether any is about a percentile, for which all delays must be kept.
    pub fn need_all_delays(&self) -> bool {
        self.iter().any(|condition| condition.key.is_percentile())
    }

    /// Whether any is about how a call would sound.
    pub fn need_voice(&self) -> bool {
        self.iter().any(|condition| condition.key.argument == Argument::Score)
    }

    /// Every condition held against what is known about one target. With several parts, such as the methods of a comparison, it must
    /// hold for each: the first part for which it does not is the one that is reported.
    pub fn judge(&self, parts: &[Facts]) -> Vec<Judged> {
        let none = Facts::default();
        let judged = |condition: &Condition| {
            let mut all = parts.iter().map(|facts| condition.judge(facts));
            let first = all.next().unwrap_or_else(|| condition.judge(&none));
            if first.holds { all.find(|judged| !judged.holds).unwrap_or(first) } else { first }
        };
        self.iter().map(judged).collect()
    }
}

/// One condition.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// What it is about, and what it asks of that.
    pub key: &'static Key,
    /// What it is compared with: percent, milliseconds or a number, as the key has it. `None` where the key names a fact.
    pub limit: Option<f64>,
    /// What stands after the equals sign, if anything does.
    pub argument: Option<Box<str>>,
}

impl Condition {
    fn judge(&self, facts: &Facts) -> Judged {
        let value = (self.key.measure)(facts, self.argument.as_deref());
        let holds = match (self.key.kind, self.limit) {
            // Nothing lost of what never answered is no measurement.
            (Kind::Max, Some(limit)) => facts.received > 0 && value.is_some_and(|value| value <= limit),
            (Kind::Min, Some(limit)) => value.is_some_and(|value| value >= limit),
            _ => value == Some(1.0),
        };
        let silent = facts.received == 0;
        let voice = facts.voice.filter(|_| self.key.argument == Argument::Score);
        let codec = voice.map(|voice| voice.codec);
        Judged { condition: self.clone(), part: facts.part.clone(), value, codec, silent, holds }
    }
}

impl Judged {
    /// Whether the condition is about a finding.
    pub fn is_about_findings(&self) -> bool {
        self.condition.key.argument == Argument::Finding
    }
}

/// The outcome of a condition.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// The condition.
    pub condition: Condition,
    /// The part of the result that is meant, where it has parts.
    pub part: Option<Box<str>>,
    /// What was measured, in the unit of the limit; `None` if it is not known. 1 or 0 of a fact.
    pub value: Option<f64>,
    /// The codec, without which a mean opinion score says nothing.
    pub codec: Option<Codec>,
    /// Whether nothing was received.
    pub silent: bool,
    /// Whether the condition holds.
    pub holds: bool,
}

impl Serialize for Judged {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Condition { key, limit, argument } = &self.condition;
        let mut object = serializer.serialize_map(None)?;
        object.serialize_entry("kind", &key.kind)?;
        object.serialize_entry("key", key.name)?;
        object.serialize_entry("argument", argument)?;
        object.serialize_entry("limit", limit)?;
        object.serialize_entry("value", &self.value.filter(|_| limit.is_some()))?;
        object.serialize_entry("unit", &key.argument.unit())?;
        object.serialize_entry("part", &self.part)?;
        object.serialize_entry("holds", &self.holds)?;
        object.end()
    }
}

/// The status of a target with these conditions: what was not answered or could not be probed stays so.
pub fn status(answered: Status, judged: &[Judged]) -> Status {
    let all_hold = judged.iter().all(|judged| judged.holds);
    answered.and(if all_hold { Status::Answered } else { Status::ConditionFailed })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{RttRecorder, RttStats, Voice};
    use crate::types::Rtt;

    fn condition(kind: Kind, text: &str) -> Condition {
        let (name, argument) = text.split_once('=').map_or((text, None), |(name, argument)| (name, Some(argument)));
        let key = kind.table().iter().find(|key| key.name == name).unwrap();
        let digits = |text: &str| text.trim_end_matches(|end: char| !end.is_ascii_digit()).parse().ok();
        let limit = argument.filter(|_| kind != Kind::Require).and_then(digits);
        Condition { key, limit, argument: argument.map(Into::into) }
    }

    fn stats(millis: &[u64]) -> RttStats {
        let mut recorder = RttRecorder::default();
        millis.iter().for_each(|&rtt| recorder.record(Rtt::from_nanos(rtt * 1_000_000)));
        recorder.stats().unwrap()
    }

    fn measured() -> Facts {
        Facts {
            received: 9,
            decided: 10,
            rtt: Some(stats(&[10, 10, 10, 10, 10, 10, 10, 10, 40]).figures()),
            ipdv: Some(3_000_000.0),
            voice: Some(Voice::heard(Codec::G711, 100.0, 1.0, 1.0)),
            loss_run: Some(1),
            hops: Some(4),
            mtu: Some(1492),
            findings: vec!["loop"],
            origins: vec![64_500],
            ..Facts::default()
        }
    }

    #[test]
    fn conditions_hold_up_to_and_including_their_limit() {
        use Kind::{Max, Min, Require};
        for (kind, text, holds) in [
            (Max, "loss=10%", true),
            (Max, "loss=9%", false),
            (Max, "rtt=14ms", true),
            (Max, "rtt=13ms", false),
            (Max, "p50=10ms", true),
            (Max, "p95=40ms", true),
            (Max, "p99=39ms", false),
            (Max, "max=39ms", false),
            (Max, "jitter=3ms", true),
            (Max, "jitter=2ms", false),
            (Max, "loss-run=1", true),
            (Max, "loss-run=0", false),
            (Max, "hops=4", true),
            (Max, "hops=3", false),
            (Min, "received=9", true),
            (Min, "received=10", false),
            (Min, "mos=4.2", true),
            (Min, "mos=4.3", false),
            (Min, "hops=5", false),
            (Min, "mtu=1492", true),
            (Min, "mtu=1500", false),
            (Require, "reached", true),
            (Require, "finding=loop", true),
            (Require, "finding=loss", false),
            (Require, "no-finding=loop", false),
            (Require, "no-finding=loss", true),
            (Require, "asn=64500", true),
            (Require, "asn=64501", false),
        ] {
            let judged = Conditions::new(vec![condition(kind, text)]).judge(&[measured()]);
            assert_eq!(judged[0].holds, holds, "{kind:?} {text}");
        }
    }

    #[test]
    fn what_is_not_known_fulfils_nothing() {
        let silent = Facts { decided: 4, loss_run: Some(4), ..Facts::default() };
        for kind in Kind::ALL {
            for key in kind.table().iter().filter(|key| key.name != "no-finding") {
                let limit = (key.kind != Kind::Require).then_some(if key.kind == Kind::Max { 1e9 } else { 1.0 });
                let condition = Condition { key, limit, argument: Some("64500".into()) };
                assert!(!condition.judge(&silent).holds, "{}", key.name);
            }
        }
    }

    #[test]
    fn refusals_are_losses_here() {
        let refused = Facts { received: 1, decided: 2, ..Facts::default() };
        assert_eq!(condition(Kind::Max, "loss=1%").judge(&refused).value, Some(50.0));
    }

    #[test]
    fn the_first_part_that_fails_is_reported() {
        let part = |name: &str, received| Facts { part: Some(name.into()), received, decided: 10, ..Facts::default() };
        let all = Conditions::new(vec![condition(Kind::Max, "loss=5%")]);
        let judged = all.judge(&[part("raw", 10), part("udp", 5), part("tcp", 1)]);
        assert_eq!((judged[0].part.as_deref(), judged[0].value), (Some("udp"), Some(50.0)));
    }

    #[test]
    fn failures_count_only_where_there_was_an_answer() {
        let judged = Conditions::new(vec![condition(Kind::Max, "loss=0%")]).judge(&[measured()]);
        assert_eq!(
            [Status::Answered, Status::NotAnswered, Status::NotRun].map(|answered| status(answered, &judged)),
            [Status::ConditionFailed, Status::NotAnswered, Status::NotRun]
        );
        assert_eq!(status(Status::Answered, &[]), Status::Answered);
    }
}
