//! A comparison as comma-separated values: one row per method.

use std::io;

use crate::ping;
use crate::ping::contrast::{Comparison, Event, Row};
use crate::report::ping::interims;
use crate::report::words::csv::{address, delays, record, text};
use crate::report::{Sink, Streams, escape};

/// The columns.
const METHOD: &str = "target,address,method,socket,port,ran,state,sent,received,refused,lost,loss_pct,\
                      min_ms,mean_ms,median_ms,p95_ms,max_ms,stddev_ms,\
                      complete_rounds,median_difference_ms,p_value,verdict,value\n";

/// Writes the rows of a comparison at its end.
#[derive(Debug, Default)]
pub struct ContrastCsv;

impl Sink<Event> for ContrastCsv {
    fn event(&mut self, event: &Event, streams: &mut Streams<'_>) -> io::Result<()> {
        match event {
            Event::Ping(ping::Event::Interim(figures)) => interims(figures, streams.talk),
            Event::Ping(_) => Ok(()),
            Event::Comparison(comparison) => {
                streams.data.write_all(METHOD.as_bytes())?;
                comparison.rows.iter().try_for_each(|row| record(cells(comparison, row), streams.data))
            }
        }
    }
}

fn cells(comparison: &Comparison, row: &Row) -> impl Iterator<Item = Option<String>> {
    let (counts, judged) = (&row.counts, row.difference.is_some());
    let head = [
        Some(escape(&comparison.subject.target).into_owned()),
        address(row.address.or(comparison.subject.address), comparison.subject.zone.as_deref()),
        text(Some(row.method.name())),
        text(Some(row.socket.name())),
        text(row.port),
        text(Some(row.ran)),
        text(row.state.map(|state| state.name())),
        text(Some(counts.sent)),
        text(Some(counts.received)),
        text(Some(counts.refused)),
        text(Some(counts.lost)),
        text(counts.loss_pct()),
    ];
    let compared = [
        text(Some(row.complete).filter(|_| judged)),
        text(row.difference.map(|nanos| nanos as f64 / 1e6)),
        text(row.p),
        text(row.verdict.map(|verdict| verdict.name())),
        text(row.varied),
    ];
    head.into_iter().chain(delays(row.rtt.map(|rtt| rtt.figures()))).chain(compared)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::contrast::fixture::{RAW, comparison, without_privilege};
    use crate::report::fixture::written;

    #[test]
    fn every_method_is_a_row() {
        let mut comparison = comparison();
        comparison.rows[RAW] = without_privilege();
        let (data, _) = written(&mut ContrastCsv, &[Event::Comparison(Box::new(comparison))]);
        let rows: Vec<&str> = data.lines().collect();
        assert_eq!(
            rows[..3],
            [
                METHOD.trim_end(),
                "example.org,198.51.100.9,icmp,raw,,false,unknown,0,0,0,0,,,,,,,,,,,,",
                "example.org,198.51.100.9,icmp,dgram,,true,,20,20,0,0,0,9,10,10,10.9,11,0.25,20,0.01,0.5,no_difference,",
            ]
        );
        assert_eq!(rows.len(), 5);
    }
}
