//! `--max`, `--min` and `--require`: conditions read by the tables of their keys, which the help shows.

use std::ffi::OsStr;
use std::marker::PhantomData;

use clap::builder::TypedValueParser;
use clap::{Arg, ArgAction, Args, Command};

use crate::cli::args::values::{span, whole};
use crate::engine::condition::{Argument, Condition, Conditions, Key, Kind, Mode};
use crate::types::Asn;

/// A tool whose runs can be judged.
pub trait Judged {
    /// What a run can be.
    const MODES: &[Mode];
    /// The codes of its findings.
    const FINDINGS: fn() -> Vec<&'static str>;
}

/// The conditions that a tool can have.
const fn keys_of<T: Judged>(kind: Kind) -> KeysOf {
    KeysOf { kind, modes: T::MODES, findings: T::FINDINGS }
}

/// What must hold.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Conditions")]
pub struct ConditionArgs<T: Judged> {
    #[arg(long, value_name = "KEY=LIMIT", value_parser = keys_of::<T>(Kind::Max), value_delimiter = ',', action = ArgAction::Append, allow_hyphen_values = true, help = keys_of::<T>(Kind::Max).short_help("if a figure is above its limit"), long_help = keys_of::<T>(Kind::Max).help("The most that may be measured of each target"))]
    pub max: Vec<Condition>,

    #[arg(long, value_name = "KEY=LIMIT", value_parser = keys_of::<T>(Kind::Min), value_delimiter = ',', action = ArgAction::Append, allow_hyphen_values = true, help = keys_of::<T>(Kind::Min).short_help("if a figure is below its limit"), long_help = keys_of::<T>(Kind::Min).help("The least that must be measured of each target"))]
    pub min: Vec<Condition>,

    #[arg(long, value_name = "KEY[=VALUE]", value_parser = keys_of::<T>(Kind::Require), value_delimiter = ',', action = ArgAction::Append, allow_hyphen_values = true, help = keys_of::<T>(Kind::Require).short_help("unless it holds"), long_help = keys_of::<T>(Kind::Require).help("What must be true of each target"))]
    pub require: Vec<Condition>,

    #[arg(skip)]
    tool: PhantomData<T>,
}

impl<T: Judged> ConditionArgs<T> {
    /// All of them.
    pub fn all(&self) -> Conditions {
        Conditions::new([&*self.max, &*self.min, &*self.require].concat())
    }
}

/// The conditions of one kind that a tool can have: those with keys that one of its modes measures.
#[derive(Clone, Copy, Debug)]
pub struct KeysOf {
    /// The kind.
    pub kind: Kind,
    /// What the tool can do.
    pub modes: &'static [Mode],
    /// The codes of its findings.
    pub findings: fn() -> Vec<&'static str>,
}

impl KeysOf {
    fn keys(self) -> impl Iterator<Item = &'static Key> {
        let known = move |key: &&Key| key.modes.iter().any(|mode| self.modes.contains(mode));
        self.kind.table().iter().filter(known)
    }

    /// The short help: what is judged, and the names of the keys.
    fn short_help(self, what: &str) -> String {
        let names: Vec<&str> = self.keys().map(|key| key.name).collect();
        format!("Exit status 3 {what}: {}", names.join(", "))
    }

    /// The long help: what is asked, then every key.
    pub fn help(self, what: &str) -> String {
        let key = |key: &Key| match key.argument.placeholder() {
            Some(argument) => format!("{}={argument}: {}", key.name, key.meaning),
            None => format!("{}: {}", key.name, key.meaning),
        };
        let keys: Vec<String> = self.keys().map(key).collect();
        format!(
            "{what}. If one does not hold, it is reported on standard error and the exit status is 3. Times are in seconds, or have a unit, as in 50ms. KEY is\n\n{}",
            keys.join("\n\n")
        )
    }

    /// `KEY` or `KEY=ARGUMENT`.
    fn read(self, text: &str) -> Result<Condition, String> {
        let (name, argument) = text.split_once('=').map_or((text, None), |(name, argument)| (name, Some(argument)));
        let Some(key) = self.keys().find(|key| key.name == name) else {
            let keys: Vec<&str> = self.keys().map(|key| key.name).collect();
            return Err(format!("unknown key: one of {}", keys.join(", ")));
        };
        let limit = match (key.argument, argument) {
            (Argument::None, None) => None,
            (Argument::None, Some(_)) => return Err(format!("{name} takes no value")),
            (argument, None) => {
                let placeholder = argument.placeholder().unwrap_or_default();
                return Err(format!("a value is missing: {name}={placeholder}"));
            }
            (argument, Some(text)) => self.argument(argument, text)?,
        };
        Ok(Condition { key, limit, argument: argument.map(Into::into) })
    }

    fn argument(self, argument: Argument, text: &str) -> Result<Option<f64>, String> {
        let number = |text: &str, most: f64, what: &str| {
            let digits = text.bytes().all(|octet| octet.is_ascii_digit() || octet == b'.');
            let number = text.parse().ok().filter(|number| digits && (0.0..=most).contains(number));
            number.map(Some).ok_or_else(|| format!("must be {what} from 0 to {most}"))
        };
        match argument {
            Argument::Percent => number(text.strip_suffix('%').unwrap_or(text), 100.0, "a percentage"),
            Argument::Time => span(text).map(|span| Some(span.duration.as_secs_f64() * 1e3)),
            Argument::Score => number(text, 5.0, "a score"),
            Argument::Count | Argument::Bytes => whole(text, 0, u64::from(u32::MAX)).map(|number| Some(number as f64)),
            Argument::Asn => {
                Asn::read(text).map(|_| None).ok_or_else(|| "must be the number of an autonomous system".to_owned())
            }
            Argument::Finding => match (self.findings)() {
                codes if codes.contains(&text) => Ok(None),
                codes => Err(format!("unknown finding: one of {}", codes.join(", "))),
            },
            Argument::None => Ok(None),
        }
    }
}

impl TypedValueParser for KeysOf {
    type Value = Condition;

    fn parse_ref(&self, command: &Command, option: Option<&Arg>, value: &OsStr) -> Result<Condition, clap::Error> {
        let keys = *self;
        (move |text: &str| keys.read(text)).parse_ref(command, option, value)
    }
}

/// Why a condition has no meaning in a run of this mode, in a tool that has these `modes`.
pub fn refusal(mode: Mode, modes: &[Mode], conditions: &Conditions) -> Option<String> {
    let key = conditions.iter().map(|condition| condition.key).find(|key| !key.modes.contains(&mode))?;
    let others: Vec<&str> = key.modes.iter().filter(|mode| modes.contains(mode)).map(|&mode| phrase(mode)).collect();
    Some(format!("--{} {}: not measured {}; it is {}", key.kind.name(), key.name, phrase(mode), others.join(" and ")))
}

fn phrase(mode: Mode) -> &'static str {
    match mode {
        Mode::Ping => "outside sweeps and comparisons",
        Mode::Sweep => "in a sweep",
        Mode::Contrast => "with --contrast",
        Mode::Trace => "in a plain trace",
        Mode::Mtu => "with --mtu",
        Mode::Report => "with --report",
        Mode::Follow => "with --changes or --live",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(kind: Kind) -> KeysOf {
        KeysOf { kind, modes: &[Mode::Ping, Mode::Mtu], findings: || vec!["loop", "loss"] }
    }

    #[test]
    fn limits_are_read_in_the_units_in_which_they_are_printed() {
        for (kind, text, limit) in [
            (Kind::Max, "loss=1%", Some(1.0)),
            (Kind::Max, "loss=2.5", Some(2.5)),
            (Kind::Max, "p95=20ms", Some(20.0)),
            (Kind::Max, "p95=0.2", Some(200.0)),
            (Kind::Min, "received=9", Some(9.0)),
            (Kind::Require, "reached", None),
            (Kind::Require, "no-finding=loop", None),
            (Kind::Require, "asn=64500", None),
        ] {
            assert_eq!(keys(kind).read(text).unwrap().limit, limit, "{text}");
        }
    }

    #[test]
    fn what_is_no_condition_is_refused_with_what_is_one() {
        for (kind, text, why) in [
            (Kind::Max, "lost=1%", "unknown key: one of loss, rtt, p50, p95, p99, max, jitter, loss-run, hops"),
            (Kind::Max, "loss", "a value is missing: loss=PERCENT%"),
            (Kind::Max, "loss=101%", "must be a percentage from 0 to 100"),
            (Kind::Max, "loss=-1%", "must be a percentage from 0 to 100"),
            (Kind::Min, "received=1.5", "must be a whole number, at least 0"),
            (Kind::Require, "reached=1", "reached takes no value"),
            (Kind::Require, "finding=lop", "unknown finding: one of loop, loss"),
            (Kind::Require, "asn=AS1", "must be the number of an autonomous system"),
        ] {
            assert_eq!(keys(kind).read(text).unwrap_err(), why, "{text}");
        }
    }

    #[test]
    fn a_key_that_a_mode_does_not_measure_is_refused_with_the_modes_that_do() {
        let mtu = Conditions::new(vec![keys(Kind::Min).read("mtu=1500").unwrap()]);
        let modes = &[Mode::Trace, Mode::Mtu];
        assert_eq!(
            refusal(Mode::Trace, modes, &mtu).unwrap(),
            "--min mtu: not measured in a plain trace; it is with --mtu"
        );
        assert_eq!(refusal(Mode::Mtu, modes, &mtu), None);
    }
}
