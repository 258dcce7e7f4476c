//! Gauges in the text format of Prometheus: [`Gauges`].

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{self, Write};

/// A label and its value.
pub(in crate::report) type Label = (&'static str, String);

/// What describes a gauge: its name, and what it says.
pub(in crate::report) type Gauge = (&'static str, &'static str);

/// Gauges, kept until all are known: the format wants the samples of each together, below one description.
#[derive(Debug, Default)]
pub(in crate::report) struct Gauges(Vec<(Gauge, Samples)>);

/// The samples of one gauge, in the order in which they came first, and the place of each by its labels.
#[derive(Debug, Default)]
struct Samples {
    list: Vec<(String, f64)>,
    places: HashMap<String, usize>,
}

impl Gauges {
    /// Adds a sample; an absent value is none. Of two with the same labels the later one stays, since a collector refuses both.
    pub fn set(&mut self, gauge: Gauge, labels: &[Label], value: Option<f64>) {
        let Some(value) = value else { return };
        let labels = written(labels);
        let place = self.0.iter().position(|((name, _), _)| *name == gauge.0).unwrap_or_else(|| {
            self.0.push((gauge, Samples::default()));
            self.0.len() - 1
        });
        let Samples { list, places } = &mut self.0[place].1;
        let place = *places.entry(labels.clone()).or_insert_with(|| {
            list.push((labels, value));
            list.len() - 1
        });
        list[place].1 = value;
    }

    /// Adds one sample per figure, in seconds, with the label `stat`; `figures` are milliseconds.
    pub fn set_delays(&mut self, gauge: Gauge, labels: &[Label], figures: &[(&'static str, Option<f64>)]) {
        for (stat, millis) in figures {
            let labels: Vec<Label> = labels.iter().cloned().chain([("stat", (*stat).to_owned())]).collect();
            self.set(gauge, &labels, millis.map(|millis| (millis * 1e6).round() / 1e9));
        }
    }

    /// Writes all of them.
    ///
    /// # Errors
    /// The writer's.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        for ((name, help), samples) in &self.0 {
            writeln!(out, "# HELP {name} {help}\n# TYPE {name} gauge")?;
            samples.list.iter().try_for_each(|(labels, value)| writeln!(out, "{name}{labels} {value}"))?;
        }
        Ok(())
    }
}

fn written(labels: &[Label]) -> String {
    let mut text = String::new();
    for (name, value) in labels {
        text.push(if text.is_empty() { '{' } else { ',' });
        let _ = write!(text, "{name}=\"{}\"", quoted(value));
    }
    if !text.is_empty() {
        text.push('}');
    }
    text
}

/// The value of a label, as it stands between quotes.
fn quoted(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ONE: Gauge = ("one_ratio", "First");
    const TWO: Gauge = ("two_seconds", "Second");

    fn text(gauges: &Gauges) -> String {
        let mut out = Vec::new();
        gauges.write(&mut out).expect("a Vec takes everything");
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn samples_of_a_gauge_stand_below_one_description_whatever_their_order() {
        let mut gauges = Gauges::default();
        let label = |value: &str| [("target", value.to_owned())];
        gauges.set(ONE, &label("a"), Some(0.5));
        gauges.set_delays(TWO, &[], &[("min", Some(0.123)), ("max", None)]);
        gauges.set(ONE, &label("b"), Some(1.0));
        gauges.set(ONE, &label("a"), Some(0.25));
        gauges.set(ONE, &label("c"), None);
        assert_eq!(
            text(&gauges),
            "# HELP one_ratio First\n# TYPE one_ratio gauge\none_ratio{target=\"a\"} 0.25\none_ratio{target=\"b\"} 1\n\
             # HELP two_seconds Second\n# TYPE two_seconds gauge\ntwo_seconds{stat=\"min\"} 0.000123\n"
        );
    }

    /// What a reader of the format makes of the octets between the quotes; `None` where they end early.
    fn read(quoted: &str) -> Option<String> {
        let mut letters = quoted.chars();
        let mut value = String::new();
        while let Some(letter) = letters.next() {
            value.push(match letter {
                '"' | '\n' => return None,
                '\\' => match letters.next()? {
                    'n' => '\n',
                    other @ ('\\' | '"') => other,
                    _ => return None,
                },
                other => other,
            });
        }
        Some(value)
    }

    proptest! {
        #[test]
        fn a_label_is_read_as_it_was_meant(value in "(?s)[\\\\\"\nna-c ü]{0,12}") {
            prop_assert_eq!(read(&quoted(&value)), Some(value));
        }
    }
}
