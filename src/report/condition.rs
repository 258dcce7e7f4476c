//! A sentence on standard error for each condition that does not hold, beside any format: [`Failures`].

use std::borrow::Cow;
use std::fmt;
use std::io;

use super::words::number::General;
use super::{Sink, Streams, escape};
use crate::engine::condition::{Argument, Condition, Judged, Kind};

/// The target that an event is the end of, and the conditions held against it.
pub type Ended<E> = fn(&E) -> Option<(Cow<'_, str>, &[Judged])>;

/// Writes what its inner sink writes, and a sentence about each condition that does not hold.
pub struct Failures<E> {
    program: Box<str>,
    inner: Box<dyn Sink<E> + Send>,
    ended: Ended<E>,
}

impl<E> Failures<E> {
    /// The sentences of `program` beside what `inner` writes.
    pub fn new(program: Box<str>, inner: Box<dyn Sink<E> + Send>, ended: Ended<E>) -> Self {
        Failures { program, inner, ended }
    }
}

impl<E> Sink<E> for Failures<E> {
    fn event(&mut self, event: &E, streams: &mut Streams<'_>) -> io::Result<()> {
        self.inner.event(event, streams)?;
        let Some((target, judged)) = (self.ended)(event) else { return Ok(()) };
        let mut failed = judged.iter().filter(|judged| !judged.holds);
        failed
            .try_for_each(|failed| writeln!(streams.talk, "{}: {}: {}", self.program, escape(&target), Failure(failed)))
    }

    fn idle(&mut self, streams: &mut Streams<'_>) -> io::Result<()> {
        self.inner.idle(streams)
    }

    fn finish(&mut self, streams: &mut Streams<'_>) -> io::Result<()> {
        self.inner.finish(streams)
    }
}

/// Why a condition does not hold.
struct Failure<'a>(&'a Judged);

impl fmt::Display for Failure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Judged { condition, part, value, codec, silent, .. } = self.0;
        let Condition { key, argument, .. } = condition;
        let named = argument.as_deref().unwrap_or_default();
        if let Some(part) = part {
            write!(f, "{part}: ")?;
        }
        match (key.kind, key.argument, value) {
            (Kind::Require, Argument::Asn, _) => write!(f, "AS{named} is not on the path"),
            (Kind::Require, Argument::Finding, _) if key.name == "finding" => write!(f, "no finding {named}"),
            (Kind::Require, Argument::Finding, _) => write!(f, "finding {named}"),
            (Kind::Require, ..) => write!(f, "not {}", key.name),
            (Kind::Max, ..) if *silent => write!(f, "nothing was received"),
            (_, _, None) => write!(f, "{} is not known", key.name),
            (kind, argument, Some(value)) => {
                let relation = if kind == Kind::Max { "above" } else { "below" };
                write!(f, "{} is {}{}", key.name, General(*value), Unit(argument))?;
                if let Some(codec) = codec {
                    write!(f, " (estimate, {})", codec.name())?;
                }
                write!(f, ", {relation} {named}")
            }
        }?;
        let equals = if argument.is_some() { "=" } else { "" };
        write!(f, " (--{} {}{equals}{named})", key.kind.name(), key.name)
    }
}

/// A unit after a number.
struct Unit(Argument);

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0, self.0.unit()) {
            (_, None) => Ok(()),
            (Argument::Percent, Some(unit)) => f.write_str(unit),
            (_, Some(unit)) => write!(f, " {unit}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(kind: Kind, name: &str, argument: Option<&str>, value: Option<f64>, silent: bool) -> String {
        let key = kind.table().iter().find(|key| key.name == name).expect("a key");
        let condition = Condition { key, limit: None, argument: argument.map(Into::into) };
        Failure(&Judged { condition, part: None, value, codec: None, silent, holds: false }).to_string()
    }

    #[test]
    fn a_failed_condition_is_one_sentence_with_value_limit_and_option() {
        use Kind::{Max, Min, Require};
        for (kind, name, argument, value, silent, sentence) in [
            (Max, "loss", Some("1%"), Some(25.0), false, "loss is 25%, above 1% (--max loss=1%)"),
            (Max, "loss", Some("1%"), Some(100.0), true, "nothing was received (--max loss=1%)"),
            (Max, "p95", Some("20ms"), Some(31.25), false, "p95 is 31.25 ms, above 20ms (--max p95=20ms)"),
            (Max, "jitter", Some("1ms"), None, false, "jitter is not known (--max jitter=1ms)"),
            (Min, "received", Some("9"), Some(0.0), true, "received is 0, below 9 (--min received=9)"),
            (Min, "mtu", Some("1500"), Some(1492.0), false, "mtu is 1492 bytes, below 1500 (--min mtu=1500)"),
            (Require, "reached", None, Some(0.0), true, "not reached (--require reached)"),
            (Require, "finding", Some("loop"), Some(0.0), false, "no finding loop (--require finding=loop)"),
            (Require, "no-finding", Some("loop"), Some(0.0), false, "finding loop (--require no-finding=loop)"),
            (Require, "asn", Some("64500"), Some(0.0), false, "AS64500 is not on the path (--require asn=64500)"),
        ] {
            assert_eq!(failure(kind, name, argument, value, silent), sentence);
        }
    }
}
