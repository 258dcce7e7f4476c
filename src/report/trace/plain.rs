//! A watched path in lines, for readers of lines: [`TracePlain`] is `rtrace --live=plain`.

use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, UNIX_EPOCH};

use crate::engine::outcome::{Subject, SubjectId};
use crate::report::trace::changes;
use crate::report::{Sink, Streams, escape};
use crate::trace::Event;
use crate::trace::watch::Report;
use crate::types::WallTime;

/// Seconds that the local time is ahead of UTC, at some time.
pub type LocalOffset = fn(WallTime) -> i64;

/// Writes one line about each path every so often, a line about everything that happens to it, and at the end what another sink
/// makes of its figures. Nothing that was written is touched again.
pub struct TracePlain {
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
    pub fn new(every: Duration, offset: LocalOffset, end: Box<dyn Sink<Event> + Send>) -> TracePlain {
        TracePlain { every, offset, paths: BTreeMap::new(), end }
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
        let line =
            format!("{} {} {}", local(at, self.offset), name(&report.began.subject), summary(report, answered > 0));
        writeln!(streams.data, "{line}")
    }
}

impl Sink<Event> for TracePlain {
    fn event(&mut self, event: &Event, streams: &mut Streams<'_>) -> io::Result<()> {
        match event {
            Event::Report(report) if report.stop_reason.is_none() => self.figures(report, streams),
            Event::Change(change) => {
                let (at, name) = (local(change.at, self.offset), name(&change.subject));
                writeln!(streams.data, "{at} {name} {}", changes::sentence(&change.kind))
            }
            _ => self.end.event(event, streams),
        }
    }

    fn finish(&mut self, streams: &mut Streams<'_>) -> io::Result<()> {
        self.end.finish(streams)
    }
}

/// The target as typed.
fn name(subject: &Subject) -> String {
    escape(&subject.target).into_owned()
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

/// RFC 3339 in local time, to the second: `2026-11-28T14:22:10+01:00`.
pub fn local(at: WallTime, offset: LocalOffset) -> String {
    let ahead = offset(at);
    let seconds = i64::try_from(at.as_nanos() / 1_000_000_000).unwrap_or(0).saturating_add(ahead);
    let shown = UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    let (sign, minutes) = (if ahead < 0 { '-' } else { '+' }, ahead.abs() / 60);
    let zone = format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60);
    humantime::format_rfc3339_seconds(shown).to_string().replace('Z', &zone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_local_with_their_offset() {
        let at = WallTime::from_nanos(1_795_872_130_000_000_000);
        assert_eq!(local(at, |_| 0), "2026-11-28T13:22:10+00:00");
        assert_eq!(local(at, |_| 3600), "2026-11-28T14:22:10+01:00");
        assert_eq!(local(at, |_| -12_600), "2026-11-28T09:52:10-03:30");
    }
}
