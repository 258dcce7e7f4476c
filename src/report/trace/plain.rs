//! A watched path in lines, for readers of lines: [`TracePlain`] is `rtrace --live=plain`.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use crate::engine::outcome::{Subject, SubjectId};
use crate::report::trace::{TraceView, changes};
use crate::report::words::clock::{LocalOffset, LocalTime};
use crate::report::{Sink, Streams, escape};
use crate::trace::Event;
use crate::trace::watch::{ChangeKind, Report};
use crate::types::{Rtt, Ttl};

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
    /// What the newest figures were of.
    duration: Duration,
    received: u64,
    missed: u64,
    /// Cycles in a row that were not answered.
    silent: u64,
    /// How far away the destination is since that changed: the rows of a longer path stay.
    length: Option<Ttl>,
    /// How far the wall clock was stepped since its beginning, in nanoseconds.
    stepped: i64,
}

/// As many in a row, and the destination does not answer any more.
const SILENT: u64 = 3;

impl Path {
    /// Takes the next figures.
    fn follow(&mut self, report: &Report, every: Duration) {
        let duration = Duration::from_nanos(report.duration);
        if duration < self.duration {
            // They began anew.
            *self = Path { due: every, length: self.length, ..Path::default() };
        }
        let lost = report.missed().saturating_sub(self.missed);
        self.silent = if report.received > self.received { 0 } else { self.silent + lost };
        (self.duration, self.received, self.missed) = (duration, report.received, report.missed());
    }

    fn is_up(&self) -> bool {
        self.received > 0 && self.silent < SILENT
    }
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
        let path =
            self.paths.entry(report.began.subject.id).or_insert_with(|| Path { due: self.every, ..Path::default() });
        path.follow(report, self.every);
        let duration = Duration::from_nanos(report.duration);
        if duration < path.due {
            return Ok(());
        }
        path.due = duration + self.every;
        let (is_up, length) = (path.is_up(), path.length);
        let at = report.began.time.saturating_add(duration).stepped(path.stepped);
        let line = format!(
            "{} {} {}",
            LocalTime(at, self.offset),
            self.name(&report.began.subject),
            summary(report, is_up, length)
        );
        writeln!(streams.data, "{line}")
    }
}

impl Sink<Event> for TracePlain {
    fn event(&mut self, event: &Event, streams: &mut Streams<'_>) -> io::Result<()> {
        match event {
            Event::Report(report) if report.stop_reason.is_none() => self.figures(report, streams),
            Event::Change(change) => {
                if let Some(path) = self.paths.get_mut(&change.subject.id) {
                    match change.kind {
                        ChangeKind::LengthChanged { after, .. } => path.length = Some(after),
                        ChangeKind::ClockStepped { by } => path.stepped = path.stepped.saturating_add(by),
                        _ => {}
                    }
                }
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
fn summary(report: &Report, is_up: bool, length: Option<Ttl>) -> String {
    let last = report.hops.last();
    let mut parts = vec![if is_up { "up".to_owned() } else { "no answer".to_owned() }];
    if let Some(last) = last.filter(|_| report.received > 0) {
        let hops = length.unwrap_or(last.ttl).get();
        parts.push(format!("{hops} hop{}", if hops == 1 { "" } else { "s" }));
    }
    parts.extend(report.loss_pct().map(|loss| format!("loss {loss:.1} %")));
    if let Some(stats) = last.filter(|_| report.received > 0).and_then(|last| last.stats.as_ref()) {
        let millis = |nanos: u64| changes::millis(Rtt::from_nanos(nanos));
        parts.push(format!("rtt {} ms (p95 {})", millis(stats.median), millis(stats.p95)));
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::RttRecorder;
    use crate::report::fixture::trace_start;
    use crate::trace::watch::ReportHop;
    use crate::types::Ttl;

    fn figures(seconds: u64, received: u64, lost: u64) -> Report {
        let began = trace_start(0, "a.example", "192.0.2.9");
        Report { received, lost, duration: seconds * 1_000_000_000, ..Report::empty(began, None) }
    }

    #[test]
    fn a_path_is_up_while_the_newest_cycles_are_answered_whatever_was_before() {
        let mut path = Path::default();
        let mut up = |seconds, received, lost| {
            path.follow(&figures(seconds, received, lost), Duration::from_secs(10));
            path.is_up()
        };
        assert!(!up(1, 0, 1));
        assert!(up(2, 1, 1));
        assert!(up(8, 7, 3));
        assert!(!up(12, 7, 6));
        assert!(!up(20, 7, 14));
        assert!(up(21, 8, 14));
        // The statistics begin anew.
        assert!(!up(1, 0, 0));
        assert!(up(2, 1, 0));
    }

    #[test]
    fn a_round_trip_below_a_tenth_of_a_millisecond_is_not_0() {
        let mut rtts = RttRecorder::default();
        rtts.record(Rtt::from_nanos(41_000));
        let hop = ReportHop { stats: rtts.stats(), ..ReportHop::counted(Ttl::new(1), 1, 1) };
        let report = Report { hops: vec![hop], ..figures(1, 1, 0) };
        assert_eq!(summary(&report, true, None), "up, 1 hop, loss 0.0 %, rtt 0.04 ms (p95 0.04)");
    }
}
