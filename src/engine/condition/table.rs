//! The keys of conditions: one table per [`Kind`], from which the help, the manual and the refusal of unknown keys are made.

use super::Facts;
use crate::types::named;

named! {
    /// What a condition asks.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Kind {
        /// At most the limit.
        Max = "max",
        /// At least the limit.
        Min = "min",
        /// A fact.
        Require = "require",
    }
}

impl Kind {
    /// Its keys.
    pub const fn table(self) -> &'static [Key] {
        match self {
            Kind::Max => MAX,
            Kind::Min => MIN,
            Kind::Require => REQUIRE,
        }
    }
}

/// What a run does: not every run measures everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A few targets again and again.
    Ping,
    /// Very many targets.
    Sweep,
    /// One target in several ways.
    Contrast,
    /// Paths.
    Trace,
    /// Paths and their MTUs.
    Mtu,
    /// Paths over time.
    Report,
    /// The same, and what happens to them.
    Follow,
}

/// What stands after the equals sign of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// Percent.
    Percent,
    /// A duration; limit and value are milliseconds.
    Time,
    /// A mean opinion score.
    Score,
    /// A number of the things that the key names.
    Count,
    /// A size in bytes.
    Bytes,
    /// Nothing.
    None,
    /// The code of a finding.
    Finding,
    /// The number of an autonomous system.
    Asn,
}

impl Argument {
    /// The unit of limit and value, where they have one.
    pub const fn unit(self) -> Option<&'static str> {
        match self {
            Argument::Percent => Some("%"),
            Argument::Time => Some("ms"),
            Argument::Bytes => Some("bytes"),
            Argument::Score | Argument::Count | Argument::None | Argument::Finding | Argument::Asn => None,
        }
    }

    /// How help writes it.
    pub const fn placeholder(self) -> Option<&'static str> {
        match self {
            Argument::Percent => Some("PERCENT%"),
            Argument::Time => Some("TIME"),
            Argument::Score => Some("SCORE"),
            Argument::Count => Some("N"),
            Argument::Bytes => Some("BYTES"),
            Argument::None => None,
            Argument::Finding => Some("CODE"),
            Argument::Asn => Some("NUMBER"),
        }
    }
}

/// Something that conditions can be about.
#[derive(Debug)]
pub struct Key {
    /// What is asked of it.
    pub kind: Kind,
    /// Its name.
    pub name: &'static str,
    /// What stands after the equals sign.
    pub argument: Argument,
    /// Its meaning, for the help.
    pub meaning: &'static str,
    /// The runs that measure it.
    pub modes: &'static [Mode],
    /// Its value; 1 or 0 for a fact, `None` if it is not known.
    pub(super) measure: fn(&Facts, Option<&str>) -> Option<f64>,
}

/// Keys stand in static tables: one is the same as itself.
impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        (self.kind, self.name) == (other.kind, other.name)
    }
}

impl Key {
    /// Whether it is a percentile of delays.
    pub fn is_percentile(&self) -> bool {
        matches!(self.name, "p50" | "p95" | "p99")
    }
}

use Mode::{Contrast, Follow, Mtu, Ping, Report, Sweep, Trace};

const EVERY: &[Mode] = &[Ping, Sweep, Contrast, Trace, Mtu, Report, Follow];
const PATHS: &[Mode] = &[Trace, Mtu, Report, Follow];
/// A trace has too few probes per hop for percentiles.
const SERIES: &[Mode] = &[Ping, Sweep, Contrast, Report, Follow];

const fn max(
    name: &'static str,
    argument: Argument,
    modes: &'static [Mode],
    measure: fn(&Facts, Option<&str>) -> Option<f64>,
    meaning: &'static str,
) -> Key {
    Key { kind: Kind::Max, name, argument, meaning, modes, measure }
}

const MAX: &[Key] = &[
    max(
        "loss",
        Argument::Percent,
        EVERY,
        |facts, _| facts.loss(),
        "probes without an answer, in percent; a refusal is no answer, and without any answer the condition does not hold",
    ),
    max("rtt", Argument::Time, EVERY, |facts, _| facts.figure("mean"), "the mean round-trip time"),
    max("p50", Argument::Time, SERIES, |facts, _| facts.figure("median"), "the median round-trip time"),
    max("p95", Argument::Time, SERIES, |facts, _| facts.figure("p95"), "its 95th percentile"),
    max("p99", Argument::Time, SERIES, |facts, _| facts.figure("p99"), "its 99th percentile"),
    max("max", Argument::Time, EVERY, |facts, _| facts.figure("max"), "the largest round-trip time"),
    max(
        "jitter",
        Argument::Time,
        &[Ping, Report, Follow],
        |facts, _| facts.ipdv.map(|nanos| nanos / 1e6),
        "the mean difference of the round-trip times of consecutive probes (ipdv)",
    ),
    max(
        "loss-run",
        Argument::Count,
        &[Ping, Sweep, Contrast],
        |facts, _| facts.loss_run.map(|run| run as f64),
        "the longest run of lost probes",
    ),
    max("hops", Argument::Count, PATHS, |facts, _| facts.hops.map(|hops| hops as f64), "hops to the destination"),
    max(
        "changes",
        Argument::Count,
        &[Follow],
        |facts, _| facts.path_changes.map(|changes| changes as f64),
        "how often the path changed (with --changes or --live)",
    ),
];

const MIN: &[Key] = &[
    Key {
        kind: Kind::Min,
        name: "received",
        argument: Argument::Count,
        modes: EVERY,
        measure: |facts, _| Some(facts.received as f64),
        meaning: "probes that the target answered; a refusal is no answer",
    },
    Key {
        kind: Kind::Min,
        name: "mos",
        argument: Argument::Score,
        modes: &[Ping],
        measure: |facts, _| facts.voice?.mos(),
        meaning: "how a call would sound, from 1 to 4.5, as --mos estimates it (for g711 unless --mos names the codec)",
    },
    Key {
        kind: Kind::Min,
        name: "hops",
        argument: Argument::Count,
        modes: PATHS,
        measure: |facts, _| facts.hops.map(|hops| hops as f64),
        meaning: "hops to the destination",
    },
    Key {
        kind: Kind::Min,
        name: "mtu",
        argument: Argument::Bytes,
        modes: &[Mtu],
        measure: |facts, _| facts.mtu.map(|mtu| mtu as f64),
        meaning: "the path MTU that --mtu finds",
    },
];

const REQUIRE: &[Key] = &[
    Key {
        kind: Kind::Require,
        name: "reached",
        argument: Argument::None,
        modes: EVERY,
        measure: |facts, _| Some(f64::from(facts.received > 0)),
        meaning: "the target answered",
    },
    Key {
        kind: Kind::Require,
        name: "finding",
        argument: Argument::Finding,
        modes: &[Contrast, Trace, Mtu],
        measure: |facts, code| Some(f64::from(facts.has(code))),
        meaning: "there is this finding",
    },
    Key {
        kind: Kind::Require,
        name: "no-finding",
        argument: Argument::Finding,
        modes: &[Contrast, Trace, Mtu],
        measure: |facts, code| Some(f64::from(!facts.has(code))),
        meaning: "there is no such finding",
    },
    Key {
        kind: Kind::Require,
        name: "asn",
        argument: Argument::Asn,
        modes: PATHS,
        measure: |facts, number| {
            let number = number.and_then(|number| number.parse().ok());
            Some(f64::from(number.is_some_and(|number| facts.origins.contains(&number))))
        },
        meaning: "an address of this autonomous system is on the path (with -A, --asn-zone or --asn-db)",
    },
];
