//! Targets in lines, for readers of lines: [`PingPlain`] is `rping --live=plain`.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use super::changes::change_line;
use crate::engine::outcome::{ProbeEvent, SubjectId};
use crate::ping::{Event, Observed};
use crate::report::words::clock::{LocalOffset, LocalTime};
use crate::report::{Sink, Streams, escape};
use crate::types::WallTime;

/// Writes one line about each target every so often, a line about each that comes or goes, and at the end what another sink makes
/// of their summaries. Nothing that was written is touched again.
pub struct PingPlain {
    every: Duration,
    offset: LocalOffset,
    series: BTreeMap<SubjectId, Series>,
    end: Box<dyn Sink<Event> + Send>,
}

struct Series {
    /// When its next line is due.
    due: WallTime,
    /// Answers up to the last line.
    received: u64,
    observed: Observed,
}

impl PingPlain {
    /// Lines about each target `every` so often, in local time.
    pub fn new(every: Duration, offset: LocalOffset, end: Box<dyn Sink<Event> + Send>) -> PingPlain {
        PingPlain { every, offset, series: BTreeMap::new(), end }
    }

    fn probe(&mut self, event: &ProbeEvent, streams: &mut Streams<'_>) -> io::Result<()> {
        let Some(series) = self.series.get_mut(&event.subject.id) else { return Ok(()) };
        series.observed.take(event);
        if event.at < series.due {
            return Ok(());
        }
        series.due = event.at.saturating_add(self.every);
        let is_up = series.observed.received > series.received;
        series.received = series.observed.received;
        let (at, name) = (LocalTime(event.at, self.offset), escape(&event.subject.target));
        writeln!(streams.data, "{at} {name} {}", summary(&series.observed, is_up))
    }
}

impl Sink<Event> for PingPlain {
    fn event(&mut self, event: &Event, streams: &mut Streams<'_>) -> io::Result<()> {
        match event {
            Event::Began { subject, at } => {
                let due = at.saturating_add(self.every);
                self.series.insert(subject.id, Series { due, received: 0, observed: Observed::default() });
                self.end.event(event, streams)
            }
            Event::Probe(event) => self.probe(event, streams),
            Event::Change(change) => writeln!(streams.data, "{}", change_line(change, self.offset)),
            _ => self.end.event(event, streams),
        }
    }

    fn finish(&mut self, streams: &mut Streams<'_>) -> io::Result<()> {
        self.end.finish(streams)
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
