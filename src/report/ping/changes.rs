//! Only what changes of the targets of a run: as text, JSON and CSV.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io;

use serde::ser::SerializeMap;

use super::json::common;
use crate::channel::OsError;
use crate::engine::outcome::{Outcome, Subject, SubjectId};
use crate::engine::send_errors::Unsent;
use crate::metrics::PresenceChange;
use crate::ping::{Change, Event};
use crate::report::json::line;
use crate::report::not_sent::BeginsNotToSend;
use crate::report::words::clock::{LocalOffset, LocalTime};
use crate::report::words::csv::{record, text};
use crate::report::words::message::not_sent_sentence;
use crate::report::words::reason::Reason;
use crate::report::{Sink, Streams, escape};
use crate::types::WallTime;

/// The columns of a change.
const COLUMNS: &str = "time,target,address,method,change,since,outage_ms,lost,message\n";

/// When this host begins not to send to a target.
pub fn begins_not_to_send() -> Box<BeginsNotToSend<Event>> {
    let mut unsent: HashMap<SubjectId, Unsent> = HashMap::new();
    Box::new(move |event| match event {
        Event::Ended(summary) => {
            unsent.remove(&summary.subject.id);
            None
        }
        Event::Probe(event) => {
            let error = unsent.entry(event.subject.id).or_default().take(event)?;
            Some((event.subject.target.as_ref().into(), not_sent_sentence(error)))
        }
        _ => None,
    })
}

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
        let Some((subject, at, kind)) = changed(event) else { return Ok(()) };
        writeln!(streams.data, "{}", line_of(subject, at, &kind.sentence(self.offset), None, self.offset))
    }
}

/// When which target came or went; with a label where one target is probed in several ways.
pub(super) fn change_line(change: &Change, label: Option<&str>, offset: LocalOffset) -> String {
    line_of(&change.subject, change.at, &presence_sentence(change, offset), label, offset)
}

/// That this host does not send the probes of a target.
pub(super) fn not_sent_line(
    subject: &Subject,
    at: WallTime,
    error: OsError,
    label: Option<&str>,
    offset: LocalOffset,
) -> String {
    line_of(subject, at, &not_sent_sentence(error), label, offset)
}

fn line_of(subject: &Subject, at: WallTime, sentence: &str, label: Option<&str>, offset: LocalOffset) -> String {
    let address = subject.address.filter(|_| !subject.numeric && label.is_none()).map(|address| format!("({address})"));
    let detail = address.as_deref().or(label).map(|detail| format!(" {detail}")).unwrap_or_default();
    let (at, target) = (LocalTime(at, offset), escape(&subject.target));
    format!("{at} {target}{detail} {sentence}")
}

/// What a change of a target is.
pub fn presence_sentence(change: &Change, offset: LocalOffset) -> String {
    let reason = reason(change);
    let lost = match change.failure.as_deref().map(|event| &event.outcome) {
        Some(Outcome::Refused(_)) => "refused",
        _ => "lost",
    };
    match change.kind {
        PresenceChange::Up => "up".to_owned(),
        PresenceChange::Outage { since, lost: count } => {
            let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
            format!("down (since {:#}, {count} {lost}){reason}", LocalTime(since, offset))
        }
        PresenceChange::Back { after, lost: count } => {
            format!("up (was down {:.1} s, {count} {lost})", after.as_secs_f64())
        }
    }
}

/// Why there was no reply.
fn reason(change: &Change) -> Option<Reason> {
    change.failure.as_deref().and_then(Reason::of)
}

/// An object of type `change` for each.
#[derive(Debug)]
pub struct ChangesJson;

impl Sink<Event> for ChangesJson {
    fn event(&mut self, event: &Event, streams: &mut Streams<'_>) -> io::Result<()> {
        let Some((subject, at, kind)) = changed(event) else { return Ok(()) };
        line("change", streams.data, |map| {
            let (since, outage, lost) = kind.figures();
            common(map, subject, None, Some(at))?;
            map.serialize_entry("change", kind.name())?;
            map.serialize_entry("since", &since)?;
            map.serialize_entry("outage_ms", &outage)?;
            map.serialize_entry("lost", &lost)?;
            map.serialize_entry("message", &kind.message())
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
        let Some((subject, at, kind)) = changed(event) else { return Ok(()) };
        let (since, outage, lost) = kind.figures();
        let fields = [
            text(Some(at)),
            Some(escape(&subject.target).into_owned()),
            text(subject.address),
            Some(subject.method.name().to_owned()),
            Some(kind.name().to_owned()),
            text(since),
            text(outage),
            text(lost),
            kind.message(),
        ];
        record(fields, streams.data)
    }
}

/// What changed.
#[derive(Clone, Copy)]
enum Kind<'a> {
    /// Whether a target answers.
    Presence(&'a Change),
    /// Whether its name has this address.
    Address(bool),
}

fn changed(event: &Event) -> Option<(&Subject, WallTime, Kind<'_>)> {
    match event {
        Event::Change(change) => Some((&change.subject, change.at, Kind::Presence(change))),
        Event::Readdressed { subject, at, gained } => Some((subject, *at, Kind::Address(*gained))),
        _ => None,
    }
}

impl Kind<'_> {
    fn name(self) -> &'static str {
        match self {
            Kind::Presence(change) => change.kind.name(),
            Kind::Address(true) => "new_address",
            Kind::Address(false) => "address_gone",
        }
    }

    fn sentence(self, offset: LocalOffset) -> Cow<'static, str> {
        match self {
            Kind::Presence(change) => presence_sentence(change, offset).into(),
            Kind::Address(true) => "is a new address".into(),
            Kind::Address(false) => "is no longer an address".into(),
        }
    }

    /// Since when a target has been away, how long it was, in milliseconds, and probes without an answer.
    fn figures(self) -> (Option<WallTime>, Option<f64>, Option<u64>) {
        let Kind::Presence(change) = self else { return (None, None, None) };
        match change.kind {
            PresenceChange::Outage { since, lost } => (Some(since), None, Some(lost)),
            PresenceChange::Back { after, lost } => (None, Some(after.as_secs_f64() * 1e3), Some(lost)),
            PresenceChange::Up => (None, None, None),
        }
    }

    /// Why there was no reply.
    fn message(self) -> Option<String> {
        let Kind::Presence(change) = self else { return None };
        reason(change).map(|reason| reason.to_string())
    }
}
