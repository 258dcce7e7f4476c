//! Times as Prometheus and its exporters write them: `5s`, `1m30s`, `1.5s`, `2d`.

use std::time::Duration;

use serde::Deserialize;

/// Units, and how many nanoseconds each is; those that begin another come after it.
const UNITS: [(&str, u64); 9] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60 * 1_000_000_000),
    ("h", 3_600 * 1_000_000_000),
    ("d", 86_400 * 1_000_000_000),
    ("w", 7 * 86_400 * 1_000_000_000),
];

/// A time that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Time(pub Duration);

impl TryFrom<String> for Time {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        read(&text).map(Time)
    }
}

/// Reads a time: numbers with units, one after the other; a bare 0 is none at all.
///
/// # Errors
/// A sentence.
pub fn read(text: &str) -> Result<Duration, String> {
    let refused = || format!("'{text}' is no time; write it with its unit, as in 500ms, 1s or 1m30s");
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut rest = text;
    let mut nanos = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(refused)?;
        let (number, after) = rest.split_at(end);
        let number: f64 = number.parse().map_err(|_| refused())?;
        let unit = UNITS.iter().find_map(|(unit, size)| Some((after.strip_prefix(unit)?, size)));
        let (after, size) = unit.ok_or_else(refused)?;
        nanos += number * *size as f64;
        rest = after;
    }
    if text.is_empty() || !nanos.is_finite() || nanos > u64::MAX as f64 / 2.0 {
        return Err(refused());
    }
    Ok(Duration::from_nanos(nanos.round() as u64))
}

/// A time as it is read: `1.5s`, `500ms`.
pub fn show(time: Duration) -> String {
    let nanos = time.as_nanos();
    let whole = [("s", 1_000_000_000_u128), ("ms", 1_000_000), ("us", 1_000)];
    match whole.into_iter().find(|(_, size)| nanos.is_multiple_of(*size)) {
        Some((unit, size)) => format!("{}{unit}", nanos / size),
        None => format!("{nanos}ns"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_prometheus_and_go_write_them() {
        for (text, nanos) in [
            ("0", 0),
            ("0s", 0),
            ("250us", 250_000),
            ("500ms", 500_000_000),
            ("5s", 5_000_000_000),
            ("1.5s", 1_500_000_000),
            ("1m30s", 90_000_000_000),
            ("1d", 86_400_000_000_000),
        ] {
            assert_eq!(read(text), Ok(Duration::from_nanos(nanos)), "{text}");
        }
    }

    #[test]
    fn a_number_without_a_unit_is_no_time() {
        for text in ["", "5", "s", "5x", "1s5", "-1s", "1e3s", "1..5s", "99999999999999999w", "1 s"] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_time_is_shown_as_it_is_read() {
        for text in ["0s", "1s", "90s", "1500ms", "250us", "1ns"] {
            assert_eq!(show(read(text).unwrap()), text);
        }
    }
}
