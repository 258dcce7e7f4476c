//! Only what changes of the paths of a run, in text and JSON: `rtrace --changes`.

use std::io;

use serde::ser::SerializeMap;

use crate::report::json::line;
use crate::report::not_sent::BeginsNotToSend;
use crate::report::trace::changes;
use crate::report::words::clock::{LocalOffset, LocalTime};
use crate::report::{Sink, Streams, escape};
use crate::trace::Event;
use crate::trace::watch::{Change, ChangeKind};

/// The change of a path that an event is.
fn moved(event: &Event) -> Option<&Change> {
    if let Event::Change(change) = event { Some(&**change).filter(|change| change.kind.is_of_path()) } else { None }
}

/// When this host begins not to send along a path.
pub fn begins_not_to_send() -> Box<BeginsNotToSend<Event>> {
    Box::new(|event| {
        let Event::Change(change) = event else { return None };
        let begins = matches!(change.kind, ChangeKind::SendFailed { .. });
        begins.then(|| (change.subject.target.as_ref().into(), changes::sentence(&change.kind)))
    })
}

/// One line for each.
#[derive(Debug)]
pub struct MovesText {
    offset: LocalOffset,
}

impl MovesText {
    /// Lines in the local time that `offset` gives.
    pub const fn new(offset: LocalOffset) -> Self {
        MovesText { offset }
    }
}

impl Sink<Event> for MovesText {
    fn event(&mut self, event: &Event, streams: &mut Streams<'_>) -> io::Result<()> {
        let Some(Change { subject, at, kind }) = moved(event) else { return Ok(()) };
        write!(streams.data, "{} {}", LocalTime(*at, self.offset), escape(&subject.target))?;
        if let Some(address) = subject.address.filter(|_| !subject.numeric) {
            write!(streams.data, " ({address})")?;
        }
        writeln!(streams.data, " {}", changes::sentence(kind))
    }
}

/// An object of type `change` for each.
#[derive(Debug)]
pub struct MovesJson;

impl Sink<Event> for MovesJson {
    fn event(&mut self, event: &Event, streams: &mut Streams<'_>) -> io::Result<()> {
        let Some(Change { subject, at, kind }) = moved(event) else { return Ok(()) };
        line("change", streams.data, |map| {
            map.serialize_entry("version", &crate::report::json::VERSION)?;
            map.serialize_entry("tool", "rtrace")?;
            map.serialize_entry("target", &subject.target)?;
            map.serialize_entry("address", &subject.address)?;
            map.serialize_entry("method", &subject.method)?;
            map.serialize_entry("flow", &subject.flow)?;
            map.serialize_entry("time", at)?;
            map.serialize_entry("change", kind.code())?;
            if let ChangeKind::PathChanged { hops, path, before, after } = kind {
                map.serialize_entry("path", &changes::path_name(*path))?;
                map.serialize_entry("hops", hops)?;
                map.serialize_entry("rtt_before_ms", before)?;
                map.serialize_entry("rtt_after_ms", after)?;
            }
            if let ChangeKind::LengthChanged { before, after } = kind {
                map.serialize_entry("length_before", before)?;
                map.serialize_entry("length", after)?;
            }
            map.serialize_entry("message", &changes::sentence(kind))
        })
    }
}
