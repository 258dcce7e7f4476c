//! A watched path in lines, for readers of lines: [`TracePlain`] is `rtrace --live=plain`.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use crate::engine::outcome::{Subject, SubjectId};
use crate::report::trace::{TraceView, changes};
use crate::report::words::clock::{LocalOffset, LocalTime};
use crate::report::{Sink, Streams, escape};
use crate::trace::Event;
use crate::trace::watch::Report;

/// Writes one line about each path every so often, a line about everything that happens to it, and at the end what another sink
/// makes of its figures. Nothing that was written is touched again.
pub struct TracePlain {
    view: TraceView,
    every: Duration,
    offset: LocalOffset,
    paths: BTreeMap<SubjectId, Path>,
    end: Box<dyn Sink<Event> + Send>,
}

#[derive(Default)]
struct Path {
    /// When its next line is due, since its beginning.
    due: Duration,
    /// Cycles that were answered up to the last line.
    received: u64,
}

impl TracePlain {
    /// Lines about each path `every` so often, in local time.
    pub fn new(view: TraceView, every: Duration, offset: LocalOffset, end: Box<dyn Sink<Event> + Send>) -> TracePlain {
        TracePlain { view, every, offset, paths: BTreeMap::new(), end }
    }

    /// The target as typed, and of several flows which.
    fn name(&self, subject: &Subject) -> String {
        let flow = subject.flow.filter(|_| self.view.has_flows());
        let flow = flow.map(|flow| format!(" flow {flow}")).unwrap_or_default();
        escape(&subject.target).into_owned() + &flow
    }

    fn figures(&mut self, report: &Report, streams: &mut Streams<'_>) -> io::Result<()> {
        let path = self.paths.entry(report.began.subject.id).or_insert(Path { due: self.every, received: 0 });
        let duration = Duration::from_nanos(report.duration);
        if duration < path.due {
            return Ok(());
        }
        path.due = duration + self.every;
        let answered = report.received.checked_sub(path.received).unwrap_or(report.received);
        path.received = report.received;
        let at = report.began.time.saturating_add(duration);
        let line = format!(
            "{} {} {}",
            LocalTime(at, self.offset),
            self.name(&report.began.subject),
            summary(report, answered > 0)
        );
        writeln!(streams.data, "{line}")
    }
}

impl Sink<Event> for TracePlain {
    fn event(&mut self, event: &Event, streams: &mut Streams<'_>) -> io::Result<()> {
        match event {
            Event::Report(report) if report.stop_reason.is_none() => self.figures(report, streams),
            Event::Change(change) => {
                let (at, name) = (LocalTime(change.at, self.offset), self.name(&change.subject));
                writeln!(streams.data, "{at} {name} {}", changes::sentence(&change.kind))
            }
            _ => self.end.event(event, streams),
        }
    }

    fn finish(&mut self, streams: &mut Streams<'_>) -> io::Result<()> {
        self.end.finish(streams)
    }
}

/// `up, 10 hops, loss 3.2 %, rtt 96.4 ms (p95 96.6)`.
fn summary(report: &Report, is_up: bool) -> String {
    let last = report.hops.last();
    let mut parts = vec![if is_up { "up".to_owned() } else { "no answer".to_owned() }];
    if let Some(last) = last.filter(|_| report.received > 0) {
        let hops = last.ttl.get();
        parts.push(format!("{hops} hop{}", if hops == 1 { "" } else { "s" }));
    }
    parts.extend(report.loss_pct().map(|loss| format!("loss {loss:.1} %")));
    if let Some(stats) = last.filter(|_| report.received > 0).and_then(|last| last.stats.as_ref()) {
        let millis = |nanos: u64| nanos as f64 / 1e6;
        parts.push(format!("rtt {:.1} ms (p95 {:.1})", millis(stats.median), millis(stats.p95)));
    }
    parts.join(", ")
}
