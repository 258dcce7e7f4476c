//! The columns of a table of hops, for reports and live views: [`Column`], and what each shows of a hop ([`Figure`]).

use std::fmt::Write as _;

use crate::engine::outcome::Outcome;
use crate::metrics::{RttStats, VariationStats};
use crate::report::printable;
use crate::trace::Origins;
use crate::trace::watch::ReportHop;

/// A column. Its letters are mtr's where mtr has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// What the hop did not answer, in percent.
    Loss,
    /// The same, a number of probes.
    Missing,
    /// Probes that it answered.
    Received,
    /// Probes whose wait is over, and those not sent.
    Sent,
    /// The newest round-trip time.
    Last,
    /// The fastest.
    Best,
    /// Arithmetic mean.
    Mean,
    /// The slowest.
    Worst,
    /// Standard deviation of the population.
    Deviation,
    /// Geometric mean.
    GeometricMean,
    /// Difference between the two newest answers.
    Jitter,
    /// Mean of these differences.
    MeanJitter,
    /// The largest of them.
    WorstJitter,
    /// Smoothed, RFC 3550.
    Interarrival,
    /// The 95th percentile.
    P95,
    /// TTL of the newest answer.
    ReplyTtl,
    /// The system that announces the address.
    Asn,
    /// Its name.
    AsName,
    /// DSCP of the probe as the newest answer quotes it.
    Dscp,
    /// Probes without any answer.
    Unanswered,
    /// The answers over time, of a live view.
    Strip,
    /// An empty column.
    Blank,
}

/// What a column shows of a hop.
#[derive(Clone, Debug, PartialEq)]
pub enum Figure {
    /// Percent.
    Percent(f64),
    /// A number.
    Count(u64),
    /// A round-trip time or a difference between two, in nanoseconds.
    Delay(f64),
    /// A text, harmless to a terminal.
    Text(String),
}

/// Letter, heading, and what it shows in the words of the help.
type Known = (Column, char, &'static str, &'static str);

const COLUMNS: [Known; 22] = [
    (Column::Loss, 'L', "Loss%", "not answered, in percent"),
    (Column::Missing, 'D', "Drop", "not answered: silent, refused or not sent"),
    (Column::Received, 'R', "Rcv", "answered"),
    (Column::Sent, 'S', "Snt", "probes"),
    (Column::Last, 'N', "Last", "newest round-trip time"),
    (Column::Best, 'B', "Best", "fastest"),
    (Column::Mean, 'A', "Avg", "mean"),
    (Column::Worst, 'W', "Wrst", "slowest"),
    (Column::Deviation, 'V', "StDev", "standard deviation"),
    (Column::GeometricMean, 'G', "Gmean", "geometric mean"),
    (Column::Jitter, 'J', "Jttr", "difference between the two newest answers"),
    (Column::MeanJitter, 'M', "Javg", "mean difference between successive answers"),
    (Column::WorstJitter, 'X', "Jmax", "largest such difference"),
    (Column::Interarrival, 'I', "Jint", "interarrival jitter (RFC 3550)"),
    (Column::P95, 'P', "p95", "95th percentile"),
    (Column::ReplyTtl, 'T', "TTL", "TTL of the newest answer"),
    (Column::Asn, 'Z', "AS", "number of the autonomous system"),
    (Column::AsName, 'O', "AS name", "its name"),
    (Column::Dscp, 'K', "DSCP", "of the probe as the newest answer quotes it"),
    (Column::Unanswered, 'U', "Sil", "silent: without any answer"),
    (Column::Strip, 'H', "", "the answers over time, in a live view"),
    (Column::Blank, ' ', "", "an empty column"),
];

impl Column {
    /// Those of mtr's report.
    pub const USUAL: [Column; 8] = [
        Column::Loss,
        Column::Sent,
        Column::Blank,
        Column::Last,
        Column::Mean,
        Column::Best,
        Column::Worst,
        Column::Deviation,
    ];

    /// The columns of these letters, in their order.
    ///
    /// # Errors
    /// Which letter is unknown, and which there are.
    pub fn read(letters: &str) -> Result<Vec<Column>, String> {
        let read = |letter| COLUMNS.iter().find(|(_, known, ..)| *known == letter).map(|(column, ..)| *column);
        let columns = letters.chars().map(|letter| read(letter).ok_or_else(|| unknown(letter)));
        let columns: Vec<Column> = columns.collect::<Result<_, _>>()?;
        if columns.is_empty() { Err("no letter".to_owned()) } else { Ok(columns) }
    }

    fn known(self) -> Known {
        // Every column is in the table, as a test checks.
        COLUMNS.into_iter().find(|(column, ..)| *column == self).unwrap_or((self, ' ', "", ""))
    }

    /// Its letter.
    pub fn letter(self) -> char {
        self.known().1
    }

    /// Its heading.
    pub fn title(self) -> &'static str {
        self.known().2
    }

    /// What it shows, in a few words.
    pub fn meaning(self) -> &'static str {
        self.known().3
    }

    /// All of them.
    pub fn all() -> impl Iterator<Item = Column> {
        COLUMNS.into_iter().map(|(column, ..)| column)
    }

    /// Whether it shows texts, which begin at the left.
    pub const fn is_text(self) -> bool {
        matches!(self, Column::Asn | Column::AsName)
    }

    /// What it shows of a hop; `None` for what is not known, and for columns that show no figure.
    pub fn figure(self, hop: &ReportHop) -> Option<Figure> {
        let newest = hop.responders.first();
        let stats = |of: fn(&RttStats) -> f64| hop.stats.as_ref().map(|stats| Figure::Delay(of(stats)));
        let variation = |of: fn(&VariationStats) -> f64| hop.variation.as_ref().map(|stats| Figure::Delay(of(stats)));
        match self {
            Column::Loss => hop.unanswered_pct().map(Figure::Percent),
            Column::Missing => Some(Figure::Count(hop.missing())),
            Column::Received => Some(Figure::Count(hop.received)),
            Column::Sent => Some(Figure::Count(hop.received + hop.missing())),
            Column::Unanswered => Some(Figure::Count(hop.unanswered)),
            Column::Last => hop.last.map(|rtt| Figure::Delay(rtt.as_nanos() as f64)),
            Column::Best => stats(|stats| stats.min as f64),
            Column::Mean => stats(|stats| stats.mean),
            Column::Worst => stats(|stats| stats.max as f64),
            Column::Deviation => stats(|stats| stats.stddev),
            Column::P95 => stats(|stats| stats.p95 as f64),
            Column::GeometricMean => hop.geometric_mean.map(Figure::Delay),
            Column::Jitter => variation(|stats| stats.last),
            Column::MeanJitter => variation(|stats| stats.mean),
            Column::WorstJitter => variation(|stats| stats.max),
            Column::Interarrival => variation(|stats| stats.interarrival),
            Column::ReplyTtl => newest?.newest.reply_ttl.map(|ttl| Figure::Count(ttl.get().into())),
            Column::Dscp => match &newest?.newest.outcome {
                Outcome::Error(error) => error.quote.tos.map(|tos| Figure::Count(tos.dscp().get().into())),
                _ => None,
            },
            Column::Asn => origins(newest?.responder.origins.as_ref()?).map(Figure::Text),
            Column::AsName => {
                newest?.responder.as_name.as_deref().map(|name| Figure::Text(printable(name).into_owned()))
            }
            Column::Strip | Column::Blank => None,
        }
    }
}

/// The numbers of systems; `None` if they are not known.
fn origins(origins: &Origins) -> Option<String> {
    match origins {
        Origins::Announced(systems) => Some(systems.iter().map(ToString::to_string).collect::<Vec<_>>().join("/")),
        Origins::Unannounced => Some("*".to_owned()),
        Origins::Unknown => None,
    }
}

fn unknown(letter: char) -> String {
    let mut all = String::new();
    for (column, known, ..) in COLUMNS {
        if column != Column::Blank {
            let _ = write!(all, " {known}");
        }
    }
    format!("no column has the letter {letter:?}; there are{all}, and a blank for an empty one")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_is_in_the_table_once() {
        for (at, (column, letter, ..)) in COLUMNS.into_iter().enumerate() {
            assert_eq!(COLUMNS.iter().position(|(known, ..)| *known == column), Some(at), "{column:?}");
            assert_eq!(COLUMNS.iter().position(|(_, known, ..)| *known == letter), Some(at), "{letter:?}");
            assert_eq!(Column::read(&letter.to_string()), Ok(vec![column]));
        }
        // mtr's come first, in its order; then ours.
        let letters: String = Column::all().map(Column::letter).collect();
        assert_eq!(letters, "LDRSNBAWVGJMXIPTZOKUH ");
    }

    #[test]
    fn a_list_is_read_as_mtr_reads_it() {
        assert_eq!(Column::read("LS NABWV"), Ok(Column::USUAL.to_vec()));
        assert_eq!(Column::read("LL"), Ok(vec![Column::Loss, Column::Loss]));
        let refused = Column::read("LSQ").unwrap_err();
        assert!(refused.starts_with("no column has the letter 'Q'; there are L D R S"), "{refused}");
        assert!(Column::read("l").is_err());
        assert!(Column::read("").is_err());
    }
}
