//! Two runs beside each other: [`difference`] as text and as JSON.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::net::IpAddr;

use super::json::line;
use super::printable;
use crate::recording::{PlaceFigures, Row};

/// Writes the rows of two runs, and a sentence about all of them.
///
/// # Errors
/// The writer's.
pub fn difference(rows: &[Row], json: bool, data: &mut dyn Write) -> io::Result<()> {
    if json {
        return rows.iter().try_for_each(|row| object(row, data));
    }
    let mut target = None;
    for row in rows {
        if target != Some(&row.place.0) {
            writeln!(data, "{}", printable(&row.place.0))?;
            target = Some(&row.place.0);
        }
        writeln!(data, "{}", text(row).trim_end())?;
    }
    writeln!(data, "{}", sentence(rows))
}

fn text(row: &Row) -> String {
    let hop = row.place.1.map_or_else(String::new, |ttl| ttl.to_string());
    let (before, after) = (row.before.as_ref(), row.after.as_ref());
    let millis = |figures: Option<&PlaceFigures>, pick: fn(&crate::metrics::RttStats) -> u64| {
        figures.and_then(|figures| figures.rtt.as_ref()).map(|stats| pick(stats) as f64 / 1e6)
    };
    let loss = |figures: Option<&PlaceFigures>| figures.map(loss_pct);
    let delays = |pick| change(millis(before, pick), millis(after, pick), row.delay);
    let mut text = format!("{hop:>3}  {:8}  {:32}", row.kind.name(), addresses(before, after));
    // A String takes everything.
    let _ = write!(
        text,
        "  median {}  p95 {}  loss% {}",
        delays(|stats| stats.median),
        delays(|stats| stats.p95),
        change(loss(before), loss(after), row.loss)
    );
    text
}

/// Both figures, and their difference if it is one.
fn change(before: Option<f64>, after: Option<f64>, differs: bool) -> String {
    let show = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}"));
    let verdict = match before.zip(after) {
        Some((before, after)) if differs => format!("{:+.2}", after - before),
        Some(_) => "=".to_owned(),
        None => String::new(),
    };
    format!("{} -> {} {verdict:7}", show(before), show(after))
}

fn loss_pct(figures: &PlaceFigures) -> f64 {
    crate::metrics::percent(figures.lost.hits, figures.lost.tries).unwrap_or_default()
}

fn addresses(before: Option<&PlaceFigures>, after: Option<&PlaceFigures>) -> String {
    let list = |figures: Option<&PlaceFigures>| match figures.map_or(&[][..], |figures| &figures.addresses) {
        [] => "*".to_owned(),
        all => all.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(","),
    };
    let (before, after) = (list(before), list(after));
    if before == after { before } else { format!("{before} -> {after}") }
}

fn sentence(rows: &[Row]) -> String {
    let differ = rows.iter().filter(|row| row.differs()).count();
    match (rows.len(), differ) {
        (0, _) => "There is nothing to compare: neither run has an outcome.".to_owned(),
        (_, 0) => "Nothing differs by more than chance explains.".to_owned(),
        (all, differ) => {
            let first = rows.iter().find(|row| row.differs());
            let hop = first.and_then(|row| row.place.1).map_or_else(String::new, |ttl| format!(", first at hop {ttl}"));
            format!("{differ} of {all} rows {}{hop}.", if differ == 1 { "differs" } else { "differ" })
        }
    }
}

fn object(row: &Row, data: &mut dyn Write) -> io::Result<()> {
    use serde::ser::SerializeMap;
    let (before, after) = (row.before.as_ref(), row.after.as_ref());
    let addresses = |figures: Option<&PlaceFigures>| figures.map(|figures| figures.addresses.clone());
    let rtt = |figures: Option<&PlaceFigures>| figures.and_then(|figures| figures.rtt);
    line("difference", data, |map| {
        map.serialize_entry("place", &row.place.0)?;
        map.serialize_entry("ttl", &row.place.1)?;
        map.serialize_entry("kind", row.kind.name())?;
        map.serialize_entry("addresses_before", &addresses(before))?;
        map.serialize_entry("addresses_after", &addresses(after))?;
        map.serialize_entry("rtt_stats_ms_before", &rtt(before))?;
        map.serialize_entry("rtt_stats_ms_after", &rtt(after))?;
        map.serialize_entry("rtt_differs", &row.delay)?;
        map.serialize_entry("loss_pct_before", &before.map(loss_pct))?;
        map.serialize_entry("loss_pct_after", &after.map(loss_pct))?;
        map.serialize_entry("loss_differs", &row.loss)
    })
}
