//! Targets in lines, for readers of lines: [`PingPlain`] is `rping --live=plain`.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use super::changes::{change_line, not_sent_line};
use crate::engine::outcome::{ProbeEvent, SubjectId};
use crate::ping::{Event, Observation, Observed};
use crate::report::words::clock::{LocalOffset, LocalTime};
use crate::report::{Sink, Streams, escape};
use crate::types::WallTime;

/// Writes one line about each target every so often, a line about each that comes or goes, and at the end what another sink makes
/// of their summaries. Nothing that was written is touched again.
pub struct PingPlain {
    lines: PlainLines,
    end: Box<dyn Sink<Event> + Send>,
}

impl PingPlain {
    /// Lines about each target `every` so often, in local time.
    pub fn new(every: Duration, offset: LocalOffset, end: Box<dyn Sink<Event> + Send>) -> PingPlain {
        PingPlain { lines: PlainLines::new(every, offset, Vec::new()), end }
    }
}

impl Sink<Event> for PingPlain {
    fn event(&mut self, event: &Event, streams: &mut Streams<'_>) -> io::Result<()> {
        if self.lines.take(event, streams)? { Ok(()) } else { self.end.event(event, streams) }
    }

    fn finish(&mut self, streams: &mut Streams<'_>) -> io::Result<()> {
        self.end.finish(streams)
    }
}

/// The lines about what is probed while it is probed.
pub(in crate::report) struct PlainLines {
    every: Duration,
    offset: LocalOffset,
    /// What distinguishes those of one target, by number.
    labels: Vec<String>,
    series: BTreeMap<SubjectId, Series>,
}

struct Series {
    /// When its next line is due.
    due: WallTime,
    /// Answers up to the last line.
    received: u64,
    observed: Observed,
}

impl PlainLines {
    pub(in crate::report) fn new(every: Duration, offset: LocalOffset, labels: Vec<String>) -> Self {
        PlainLines { every, offset, labels, series: BTreeMap::new() }
    }

    /// Takes an event. True if it is one of those that have lines here alone.
    ///
    /// # Errors
    /// Those of writing.
    pub(in crate::report) fn take(&mut self, event: &Event, streams: &mut Streams<'_>) -> io::Result<bool> {
        match event {
            Event::Began { subject, at } => {
                let due = at.saturating_add(self.every);
                self.series.insert(subject.id, Series { due, received: 0, observed: Observed::default() });
                return Ok(false);
            }
            Event::Probe(event) => self.probe(event, streams)?,
            Event::Change(change) => {
                let label = self.labels.get(change.subject.id.index()).map(String::as_str);
                writeln!(streams.data, "{}", change_line(change, label, self.offset))?;
            }
            Event::Ended(summary) => {
                self.series.remove(&summary.subject.id);
                return Ok(false);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn probe(&mut self, event: &ProbeEvent, streams: &mut Streams<'_>) -> io::Result<()> {
        let Some(series) = self.series.get_mut(&event.subject.id) else { return Ok(()) };
        let observed = series.observed.take(event);
        let label = self.labels.get(event.subject.id.index()).map(String::as_str);
        if let Some(Observation::NotSent(error)) = observed {
            writeln!(streams.data, "{}", not_sent_line(&event.subject, event.at, error, label, self.offset))?;
        }
        if event.at < series.due {
            return Ok(());
        }
        series.due = event.at.saturating_add(self.every);
        let is_up = series.observed.received > series.received;
        series.received = series.observed.received;
        let (at, name) = (LocalTime(event.at, self.offset), escape(&event.subject.target));
        let label = label.map(|label| format!(" {label}")).unwrap_or_default();
        writeln!(streams.data, "{at} {name}{label} {}", summary(&series.observed, is_up))
    }
}

/// `up, 10 probes, loss 3.2 %, rtt 96.4 ms (p95 96.6)`.
fn summary(observed: &Observed, is_up: bool) -> String {
    let state = match (is_up, observed.is_refused()) {
        (true, _) => "up",
        (false, true) => "refused",
        (false, false) => "no answer",
    };
    let probes = observed.decided();
    let mut parts = vec![state.to_owned(), format!("{probes} probe{}", if probes == 1 { "" } else { "s" })];
    parts.extend(observed.loss_pct().map(|loss| format!("loss {loss:.1} %")));
    if let Some(stats) = observed.rtt() {
        let millis = |nanos: u64| nanos as f64 / 1e6;
        parts.push(format!("rtt {:.1} ms (p95 {:.1})", millis(stats.median), millis(stats.p95)));
    }
    parts.join(", ")
}
