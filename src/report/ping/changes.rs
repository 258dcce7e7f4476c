//! Only what changes of the targets of a run: as text, JSON and CSV.

use std::io;

use serde::ser::SerializeMap;

use super::json::common;
use crate::metrics::PresenceChange;
use crate::ping::{Change, Event};
use crate::report::json::line;
use crate::report::words::clock::{LocalOffset, LocalTime};
use crate::report::words::csv::{record, text};
use crate::report::{Sink, Streams, escape};
use crate::types::WallTime;

/// The columns of a change.
const COLUMNS: &str = "time,target,address,method,change,since,outage_ms,lost\n";

/// One line for each change.
#[derive(Debug)]
pub struct ChangesText {
    offset: LocalOffset,
}

impl ChangesText {
    /// Lines in the local time that `offset` gives.
    pub const fn new(offset: LocalOffset) -> Self {
        ChangesText { offset }
    }
}

impl Sink<Event> for ChangesText {
    fn event(&mut self, event: &Event, streams: &mut Streams<'_>) -> io::Result<()> {
        let Event::Change(change) = event else { return Ok(()) };
        writeln!(streams.data, "{}", change_line(change, None, self.offset))
    }
}

/// When which target came or went; with a label where one target is probed in several ways.
pub(super) fn change_line(change: &Change, label: Option<&str>, offset: LocalOffset) -> String {
    let Change { subject, at, kind } = change;
    let address = subject.address.filter(|_| !subject.numeric && label.is_none()).map(|address| format!("({address})"));
    let detail = address.as_deref().or(label).map(|detail| format!(" {detail}")).unwrap_or_default();
    let (at, target, sentence) = (LocalTime(*at, offset), escape(&subject.target), presence_sentence(kind, offset));
    format!("{at} {target}{detail} {sentence}")
}

/// What a change of a target is.
pub fn presence_sentence(change: &PresenceChange, offset: LocalOffset) -> String {
    match change {
        PresenceChange::Up => "up".to_owned(),
        PresenceChange::Outage { since, lost } => {
            format!("down (since {:#}, {lost} lost)", LocalTime(*since, offset))
        }
        PresenceChange::Back { after, lost } => format!("up (was down {:.1} s, {lost} lost)", after.as_secs_f64()),
    }
}

/// An object of type `change` for each.
#[derive(Debug)]
pub struct ChangesJson;

impl Sink<Event> for ChangesJson {
    fn event(&mut self, event: &Event, streams: &mut Streams<'_>) -> io::Result<()> {
        let Event::Change(change) = event else { return Ok(()) };
        line("change", streams.data, |map| {
            let (since, outage, lost) = figures(change.kind);
            common(map, &change.subject, None, Some(change.at))?;
            map.serialize_entry("change", change.kind.name())?;
            map.serialize_entry("since", &since)?;
            map.serialize_entry("outage_ms", &outage)?;
            map.serialize_entry("lost", &lost)
        })
    }
}

/// A row for each.
#[derive(Debug, Default)]
pub struct ChangesCsv {
    headed: bool,
}

impl Sink<Event> for ChangesCsv {
    fn event(&mut self, event: &Event, streams: &mut Streams<'_>) -> io::Result<()> {
        if !std::mem::replace(&mut self.headed, true) {
            streams.data.write_all(COLUMNS.as_bytes())?;
        }
        let Event::Change(change) = event else { return Ok(()) };
        let (since, outage, lost) = figures(change.kind);
        let fields = [
            text(Some(change.at)),
            Some(escape(&change.subject.target).into_owned()),
            text(change.subject.address),
            Some(change.subject.method.name().to_owned()),
            Some(change.kind.name().to_owned()),
            text(since),
            text(outage),
            text(lost),
        ];
        record(fields, streams.data)
    }
}

/// Since when a target has been away, how long it was, in milliseconds, and probes without an answer.
fn figures(kind: PresenceChange) -> (Option<WallTime>, Option<f64>, Option<u64>) {
    match kind {
        PresenceChange::Up => (None, None, None),
        PresenceChange::Outage { since, lost } => (Some(since), None, Some(lost)),
        PresenceChange::Back { after, lost } => (None, Some(after.as_secs_f64() * 1e3), Some(lost)),
    }
}
