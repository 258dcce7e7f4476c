//! Points of InfluxDB's line protocol: [`Point`].

use std::fmt::{Display, Write as _};
use std::io::{self, Write};

use crate::metrics::DelayFigures;
use crate::report::words::gauges::Label;
use crate::types::WallTime;

/// A point that is being made: a measurement with its tags, then its fields.
#[derive(Debug)]
pub(in crate::report) struct Point {
    line: String,
    has_fields: bool,
}

impl Point {
    /// A point without fields. Empty tags are left out: the protocol has none. Values are printable, as [`crate::report::escape`]
    /// makes them.
    pub fn new(measurement: &str, tags: &[Label]) -> Self {
        let mut line = measurement.to_owned();
        for (name, value) in tags.iter().filter(|(_, value)| !value.is_empty()) {
            let _ = write!(line, ",{name}={}", of_tag(value));
        }
        Point { line, has_fields: false }
    }

    /// Adds a whole number.
    pub fn integer(&mut self, name: &str, value: Option<u64>) {
        self.field(name, value.map(|value| format!("{value}i")));
    }

    /// Adds a number.
    pub fn number(&mut self, name: &str, value: Option<f64>) {
        self.field(name, value);
    }

    /// Adds true or false.
    pub fn flag(&mut self, name: &str, value: bool) {
        self.field(name, Some(value));
    }

    /// Adds a string.
    pub fn text(&mut self, name: &str, value: Option<&str>) {
        self.field(name, value.map(|value| format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))));
    }

    /// Adds the figures of delays by the names that Telegraf's ping input gives them.
    pub fn delays(&mut self, figures: Option<DelayFigures>) {
        for (name, value) in figures.into_iter().flatten() {
            let name = match name {
                "min" => "minimum_response_ms",
                "mean" => "average_response_ms",
                "median" => "percentile50_ms",
                "p90" => "percentile90_ms",
                "p95" => "percentile95_ms",
                "p99" => "percentile99_ms",
                "max" => "maximum_response_ms",
                "stddev" => "standard_deviation_ms",
                other => other,
            };
            self.number(name, value);
        }
    }

    /// Writes the point; without a time, the database takes that of its arrival.
    ///
    /// # Errors
    /// The writer's.
    pub fn write(&self, time: Option<WallTime>, out: &mut dyn Write) -> io::Result<()> {
        match time {
            Some(time) => writeln!(out, "{} {}", self.line, time.as_nanos()),
            None => writeln!(out, "{}", self.line),
        }
    }

    fn field(&mut self, name: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            let before = if std::mem::replace(&mut self.has_fields, true) { ',' } else { ' ' };
            let _ = write!(self.line, "{before}{name}={value}");
        }
    }
}

/// The value of a tag. A backslash stands for itself unless one of the characters that it escapes follows, and must not be the
/// last of a value, so that one in a name, which [`crate::report::escape`] doubles, is written by its number.
fn of_tag(value: &str) -> String {
    let value = value.replace("\\\\", "\\u{5c}");
    value.replace(',', "\\,").replace('=', "\\=").replace(' ', "\\ ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::RttStats;
    use crate::report::escape;

    fn line(point: &Point, time: Option<WallTime>) -> String {
        let mut out = Vec::new();
        point.write(time, &mut out).expect("a Vec takes everything");
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn tags_come_before_fields_and_the_time_is_in_nanoseconds() {
        let tags = [("address", String::new()), ("url", "www.example.org".to_owned())];
        let mut point = Point::new("ping", &tags);
        point.integer("sent", Some(3));
        point.integer("never", None);
        point.number("loss", Some(0.5));
        point.flag("reached", true);
        point.text("name", Some("a \"b\", c\\"));
        let fields = r#"sent=3i,loss=0.5,reached=true,name="a \"b\", c\\""#;
        assert_eq!(line(&point, None), format!("ping,url=www.example.org {fields}\n"));
        let time = WallTime::from_nanos(1_795_333_635_003_000_001);
        assert_eq!(line(&point, Some(time)), format!("ping,url=www.example.org {fields} 1795333635003000001\n"));
    }

    #[test]
    fn what_has_a_meaning_in_tags_is_escaped_and_no_tag_ends_with_a_backslash() {
        for (name, tag) in [("a,b=c", r"a\,b\=c"), ("a b", r"a\u{20}b"), (r"a\,b", r"a\u{5c}\,b"), (r"a\", r"a\u{5c}")]
        {
            assert_eq!(of_tag(&escape(name)), tag);
        }
        assert_eq!(of_tag("two words"), r"two\ words");
    }

    #[test]
    fn every_figure_has_the_name_that_telegraf_gives_it() {
        let mut point = Point::new("ping", &[]);
        point.delays(Some(RttStats::default().figures()));
        assert_eq!(line(&point, None).matches("_ms=").count(), 8, "{point:?}");
    }
}
