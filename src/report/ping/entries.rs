//! What a method adds to a result, in text, JSON and CSV, whichever method it is.

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

/// What an answer adds, for one field of a record: `KEY=VALUE`, separated by blanks; `None` if it adds nothing.
pub(super) fn pairs(entries: &[Entry]) -> Option<String> {
    let known = entries.iter().filter(|entry| !entry.key.is_empty() && entry.value != Value::Absent);
    let pairs: Vec<String> = known
        .map(|Entry { key, value, .. }| match value {
            Value::Delay(delay) => format!("{key}={}", millis(delay.as_nanos())),
            Value::Offset(nanos) => format!("{key}={}", *nanos as f64 / 1e6),
            value => format!("{key}={}", Text(value)),
        })
        .collect();
    (!pairs.is_empty()).then(|| pairs.join(" "))
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

#[cfg(test)]
mod tests {
    use serde::Serializer;

    use super::*;
    use crate::types::Rtt;

    fn entry(key: &'static str, label: Label, value: Value) -> Entry {
        Entry { key, label, value }
    }

    fn entries() -> Vec<Entry> {
        vec![
            entry("code", Label::Named("code"), Value::Text("NOERROR".to_owned())),
            entry("flags", Label::Named("flags"), Value::Words(vec!["rd", "ra"])),
            entry("none", Label::Named("none"), Value::Words(Vec::new())),
            entry("count", Label::Hidden, Value::Number(3)),
            entry("absent", Label::Named("absent"), Value::Absent),
            entry("", Label::Named("got"), Value::Octets(19)),
            entry("delay_ms", Label::Named("delay"), Value::Delay(Rtt::from_nanos(4_560_000))),
            entry("offset_ms", Label::Named("offset"), Value::Offset(-50_000)),
            entry("error_ms", Label::Remark("within"), Value::Delay(Rtt::from_nanos(1_000_000))),
            entry("ok", Label::Hidden, Value::Flag(false)),
            entry("", Label::Remark(""), Value::Text("not ok".to_owned())),
        ]
    }

    #[test]
    fn text_shows_statements_before_measurements_and_remarks() {
        let entries = entries();
        let shown = |measured| Shown { entries: &entries, measured }.to_string();
        assert_eq!(shown(false), " code=NOERROR flags=rd,ra none=none");
        assert_eq!(shown(true), " got=19 bytes delay=4.56 ms offset=-0.050 ms (within 1.00 ms) (not ok)");
    }

    #[test]
    fn a_record_has_every_known_key() {
        let expected = "code=NOERROR flags=rd,ra none=none count=3 delay_ms=4.56 offset_ms=-0.05 error_ms=1 ok=false";
        assert_eq!(pairs(&entries()).as_deref(), Some(expected));
        assert_eq!(pairs(&[]), None);
    }

    #[test]
    fn json_has_every_key_with_one_type_or_null() {
        let mut json = serde_json::Serializer::new(Vec::new());
        let mut map = (&mut json).serialize_map(None).expect("a map");
        serialize(&entries(), &mut map).expect("a Vec takes everything");
        map.end().expect("a Vec takes everything");
        assert_eq!(
            String::from_utf8(json.into_inner()).expect("JSON is UTF-8"),
            "{\"code\":\"NOERROR\",\"flags\":[\"rd\",\"ra\"],\"none\":[],\"count\":3,\"absent\":null,\"delay_ms\":4.56,\
             \"offset_ms\":-0.05,\"error_ms\":1.0,\"ok\":false}"
        );
    }
}
