//! Targets in lines, for readers of lines: [`PingPlain`] is `rping --live=plain`.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use super::changes::{change_line, not_sent_line};
use crate::engine::outcome::{ProbeEvent, SubjectId};
use crate::metrics::PresenceChange;
use crate::ping::{Event, Observation, Observed};
use crate::report::words::clock::{LocalOffset, LocalTime};
use crate::report::words::message::clock_stepped_sentence;
use crate::report::words::number::PingTime;
use crate::report::words::reason::Reason;
use crate::report::{Sink, Streams, escape};
use crate::types::{Rtt, WallTime};

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
    /// Whether it was last said to be down.
    is_down: bool,
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
                self.series.insert(subject.id, Series { due, is_down: false, observed: Observed::default() });
                return Ok(false);
            }
            Event::Probe(event) => {
                self.probe(event, streams)?;
                return Ok(false);
            }
            Event::Change(change) => {
                if let Some(series) = self.series.get_mut(&change.subject.id) {
                    series.is_down = matches!(change.kind, PresenceChange::Outage { .. });
                }
                let label = self.labels.get(change.subject.id.index()).map(String::as_str);
                writeln!(streams.data, "{}", change_line(change, label, self.offset))?;
            }
            Event::ClockStepped { at, by } => {
                self.series.values_mut().for_each(|series| series.due = series.due.stepped(*by));
                writeln!(streams.data, "{} {}", LocalTime(*at, self.offset), clock_stepped_sentence(*by))?;
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
        let (at, name) = (LocalTime(event.at, self.offset), escape(&event.subject.target));
        let label = label.map(|label| format!(" {label}")).unwrap_or_default();
        writeln!(streams.data, "{at} {name}{label} {}", summary(&series.observed, series.is_down))
    }
}

/// `up, 10 probes, loss 3.2 %, rtt 96.4 ms (p95 96.6)`.
fn summary(observed: &Observed, is_down: bool) -> String {
    let state = match (observed.is_refused(), is_down) {
        (true, _) => "refused",
        (false, true) => "down",
        (false, false) if observed.received > 0 => "up",
        (false, false) => "no answer",
    };
    let probes = observed.decided();
    let mut parts = vec![state.to_owned(), format!("{probes} probe{}", if probes == 1 { "" } else { "s" })];
    parts.extend(observed.loss_pct().map(|loss| format!("loss {loss:.1} %")));
    if let Some(stats) = observed.rtt() {
        let time = |nanos: u64| PingTime(Rtt::from_nanos(nanos));
        parts.push(format!("rtt {} ms (p95 {})", time(stats.median), time(stats.p95)));
    }
    parts.extend(observed.failure.newest().and_then(|event| Reason::of(event)).map(|reason| reason.to_string()));
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::outcome::Silence;
    use crate::ping::Change;
    use crate::report::fixture::{began, of, reply, subject, unanswered, written};
    use crate::report::{PingText, PingTextOptions};

    #[test]
    fn a_target_that_was_said_to_be_down_is_not_up_before_it_is_said_to_be_back() {
        let target = subject("192.0.2.9", "192.0.2.9");
        let later = |seconds: u64, event: ProbeEvent| {
            let at = event.at.saturating_add(Duration::from_secs(seconds));
            of(&target, ProbeEvent { at, ..event })
        };
        let change = |kind| {
            Event::Change(Box::new(Change { subject: target.clone().into(), at: reply().at, kind, failure: None }))
        };
        let silence = || unanswered(Silence::NoAnswer);
        let events = [
            began(target.clone()),
            later(1, reply()),
            change(PresenceChange::Outage { since: reply().at, lost: 3 }),
            later(11, silence()),
            change(PresenceChange::Back { after: Duration::from_secs(9), lost: 9 }),
            later(22, silence()),
        ];
        let end = Box::new(PingText::new(PingTextOptions { quiet: true, ..PingTextOptions::default() }));
        let (data, _) = written(&mut PingPlain::new(Duration::from_secs(10), |_| 0, end), &events);
        let states: Vec<&str> = data.lines().skip(1).filter_map(|line| line.split(' ').nth(2)).collect();
        assert_eq!(states, ["down", "down,", "up", "up,"], "{data}");
        assert!(data.contains("down, 2 probes, loss 50.0 %, rtt 0.123 ms (p95 0.123)"), "{data}");
    }
}
