//! What a method adds to a result, in text and JSON, whichever method it is.

use std::fmt;

use serde::ser::SerializeMap;

use crate::ping::{Entry, Label, Value};
use crate::report::json::millis;
use crate::report::words::number::{Millis, PingTime};

/// What an answer adds, in text: what the service states, or what was measured.
pub(super) struct Shown<'a> {
    pub entries: &'a [Entry],
    pub measured: bool,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.entries.iter().filter(|entry| entry.is_measured() == self.measured);
        shown.filter(|entry| entry.value != Value::Absent).try_for_each(|entry| show(entry, f))
    }
}

fn show(entry: &Entry, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match (entry.label, &entry.value) {
        (Label::Hidden, _) => Ok(()),
        (Label::Named(label), value) => write!(f, " {label}={}", Text(value)),
        (Label::Remark(""), value) => write!(f, " ({})", Text(value)),
        (Label::Remark(words), value) => write!(f, " ({words} {})", Text(value)),
    }
}

/// A value in text.
struct Text<'a>(&'a Value);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::Absent => f.write_str("-"),
            Value::Number(number) => number.fmt(f),
            Value::Flag(flag) => flag.fmt(f),
            Value::Text(text) => f.write_str(text),
            Value::Words(words) if words.is_empty() => f.write_str("none"),
            Value::Words(words) => f.write_str(&words.join(",")),
            Value::Octets(octets) => write!(f, "{octets} bytes"),
            Value::Delay(delay) => write!(f, "{} ms", PingTime(*delay)),
            Value::Offset(nanos) => write!(f, "{} ms", Signed(*nanos as f64)),
        }
    }
}

/// Appends what an answer adds to a JSON object.
pub(super) fn serialize<M: SerializeMap>(entries: &[Entry], map: &mut M) -> Result<(), M::Error> {
    for Entry { key, value, .. } in entries.iter().filter(|entry| !entry.key.is_empty()) {
        match value {
            Value::Absent => map.serialize_entry(key, &()),
            Value::Number(number) => map.serialize_entry(key, number),
            Value::Flag(flag) => map.serialize_entry(key, flag),
            Value::Text(text) => map.serialize_entry(key, text),
            Value::Words(words) => map.serialize_entry(key, words),
            Value::Octets(octets) => map.serialize_entry(key, octets),
            Value::Delay(delay) => map.serialize_entry(key, &millis(delay.as_nanos())),
            Value::Offset(nanos) => map.serialize_entry(key, &(*nanos as f64 / 1e6)),
        }?;
    }
    Ok(())
}

/// Nanoseconds, maybe negative, as milliseconds with three decimals.
pub(super) struct Signed(pub f64);

impl fmt::Display for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0.0 { "-" } else { "" };
        write!(f, "{sign}{}", Millis::of(self.0.abs()))
    }
}
