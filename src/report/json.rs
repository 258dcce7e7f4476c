//! JSON lines: compact, printable whatever a string holds, times in RFC 3339, durations in milliseconds.

use std::io::{self, Write};

use serde::Serializer;
use serde::ser::SerializeMap;
use serde_json::ser::{Compound, Formatter};

use crate::engine::condition::Judged;
use crate::engine::outcome::Subject;
use crate::types::is_visible;

/// The `version` of every object about a whole run or target; it changes only with incompatible changes.
pub(super) const VERSION: u32 = 1;

/// An object that is being written.
pub(super) type Object<'a, 'w> = Compound<'a, &'w mut Vec<u8>, Printable>;

/// Octets of most lines: memory for one grows rarely.
const USUAL_OCTETS: usize = 1024;

/// Writes an object of type `kind` with the keys that `add` adds, and a newline.
///
/// # Errors
/// The writer's.
pub(super) fn line(
    kind: &str,
    out: &mut dyn Write,
    add: impl FnOnce(&mut Object<'_, '_>) -> serde_json::Result<()>,
) -> io::Result<()> {
    // Written to the stream as a whole: a line is made of hundreds of pieces.
    let mut octets = Vec::with_capacity(USUAL_OCTETS);
    let mut serializer = serde_json::Serializer::with_formatter(&mut octets, Printable::default());
    let mut object = serializer.serialize_map(None)?;
    object.serialize_entry("type", kind)?;
    add(&mut object)?;
    object.end()?;
    octets.push(b'\n');
    out.write_all(&octets)
}

/// Adds the target of a subject, its address, and its zone if it has one.
pub(super) fn target<M: SerializeMap>(map: &mut M, subject: &Subject) -> Result<(), M::Error> {
    map.serialize_entry("target", &subject.target)?;
    map.serialize_entry("address", &subject.address)?;
    subject.zone.as_ref().map_or(Ok(()), |zone| map.serialize_entry("zone", zone))
}

/// Adds what the first object about a target begins with.
pub(super) fn head<M: SerializeMap>(
    map: &mut M,
    tool: &str,
    subject: &Subject,
    method_requested: &str,
) -> Result<(), M::Error> {
    map.serialize_entry("version", &VERSION)?;
    map.serialize_entry("tool", tool)?;
    target(map, subject)?;
    map.serialize_entry("source", &subject.source)?;
    map.serialize_entry("method", &subject.method)?;
    map.serialize_entry("method_requested", method_requested)?;
    map.serialize_entry("socket", &subject.socket)?;
    map.serialize_entry("port", &subject.port)
}

/// Adds the conditions of a run that has any.
pub(super) fn conditions<M: SerializeMap>(map: &mut M, judged: &[Judged]) -> Result<(), M::Error> {
    if judged.is_empty() { Ok(()) } else { map.serialize_entry("conditions", judged) }
}

/// Nanoseconds in milliseconds.
pub(super) fn millis(nanos: u64) -> f64 {
    nanos as f64 / 1e6
}

/// serde_json's compact form, with control and invisible characters as `\uXXXX`.
#[derive(Default)]
pub(super) struct Printable {
    /// Whether a key is being written: keys are words of this program, and two thirds of all text.
    in_key: bool,
}

impl Formatter for Printable {
    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.in_key = true;
        if first { Ok(()) } else { writer.write_all(b",") }
    }

    fn end_object_key<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.in_key = false;
        Ok(())
    }

    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        if self.in_key || fragment.bytes().all(|octet| matches!(octet, b' '..=b'~')) {
            return writer.write_all(fragment.as_bytes());
        }
        let mut plain_from = 0;
        for (at, character) in fragment.char_indices() {
            if is_visible(character) {
                continue;
            }
            writer.write_all(fragment.get(plain_from..at).unwrap_or_default().as_bytes())?;
            for unit in character.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            plain_from = at + character.len_utf8();
        }
        writer.write_all(fragment.get(plain_from..).unwrap_or_default().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Serialize;

    use super::*;
    use crate::types::WallTime;

    /// The value of the only key of a line.
    fn written(value: &impl Serialize) -> String {
        let mut out = Vec::new();
        line("test", &mut out, |object| object.serialize_entry("key", value)).expect("a Vec takes everything");
        let line = String::from_utf8(out).expect("JSON is UTF-8");
        let value = line.strip_prefix(r#"{"type":"test","key":"#).and_then(|line| line.strip_suffix("}\n"));
        value.expect("one key").to_owned()
    }

    #[test]
    fn times_are_utc_with_nanoseconds() {
        let time = WallTime::from_nanos(1_795_333_633_000_000_001);
        assert_eq!(written(&time), "\"2026-11-22T07:47:13.000000001Z\"");
        assert_eq!(written(&WallTime::from_nanos(u64::MAX)), "\"2554-07-21T23:34:33.709551615Z\"");
    }

    #[test]
    fn durations_are_not_rounded() {
        assert_eq!(written(&millis(23_456)), "0.023456");
        assert_eq!(written(&millis(1)), "1e-6");
        assert_eq!(written(&millis(0)), "0.0");
    }

    #[test]
    fn control_and_invisible_characters_are_escaped() {
        assert_eq!(written(&"a b\u{1b}\u{9b}\u{202e}é\u{e0041}\""), "\"a b\\u001b\\u009b\\u202eé\\udb40\\udc41\\\"\"");
    }

    proptest! {
        #[test]
        fn any_string_is_printable_and_reads_back(text in any::<String>()) {
            let line = written(&text);
            prop_assert!(line.chars().all(is_visible));
            prop_assert_eq!(serde_json::from_str::<String>(&line).expect("JSON"), text);
        }
    }
}
