//! A comparison in lines, for readers of lines: [`ContrastPlain`] is `rping --contrast --live=plain`.

use std::io;
use std::time::Duration;

use crate::ping::contrast::Event;
use crate::report::ping::PlainLines;
use crate::report::{LocalOffset, Sink, Streams};

/// Writes one line about each method every so often, a line about each change, and at the end what another sink makes of the
/// comparison.
pub struct ContrastPlain {
    lines: PlainLines,
    end: Box<dyn Sink<Event> + Send>,
}

impl ContrastPlain {
    /// Lines about each method `every` so often, in local time; the methods have these labels.
    pub fn new(every: Duration, offset: LocalOffset, labels: Vec<String>, end: Box<dyn Sink<Event> + Send>) -> Self {
        ContrastPlain { lines: PlainLines::new(every, offset, labels), end }
    }
}

impl Sink<Event> for ContrastPlain {
    fn event(&mut self, event: &Event, streams: &mut Streams<'_>) -> io::Result<()> {
        match event {
            Event::Ping(event) if self.lines.take(event, streams)? => Ok(()),
            _ => self.end.event(event, streams),
        }
    }

    fn finish(&mut self, streams: &mut Streams<'_>) -> io::Result<()> {
        self.end.finish(streams)
    }
}
