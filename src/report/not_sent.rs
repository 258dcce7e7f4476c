//! A line on standard error when this host begins not to send, beside formats that show only changes: [`LinesOfNotSent`].

use std::io;

use super::{Sink, Streams, escape};

/// The target that this host begins not to send to with an event, and why.
pub type BeginsNotToSend<E> = dyn FnMut(&E) -> Option<(Box<str>, String)> + Send;

/// Writes what its inner sink writes, and before it the line: as long as this host does not send, nothing is known of the target.
pub struct LinesOfNotSent<E> {
    program: Box<str>,
    inner: Box<dyn Sink<E> + Send>,
    begins: Box<BeginsNotToSend<E>>,
}

impl<E> LinesOfNotSent<E> {
    /// The lines of `program` beside what `inner` writes.
    pub fn new(program: &str, inner: Box<dyn Sink<E> + Send>, begins: Box<BeginsNotToSend<E>>) -> Self {
        LinesOfNotSent { program: program.into(), inner, begins }
    }
}

impl<E> Sink<E> for LinesOfNotSent<E> {
    fn event(&mut self, event: &E, streams: &mut Streams<'_>) -> io::Result<()> {
        if let Some((target, why)) = (self.begins)(event) {
            writeln!(streams.talk, "{}: {}: {why}", self.program, escape(&target))?;
        }
        self.inner.event(event, streams)
    }

    fn idle(&mut self, streams: &mut Streams<'_>) -> io::Result<()> {
        self.inner.idle(streams)
    }

    fn finish(&mut self, streams: &mut Streams<'_>) -> io::Result<()> {
        self.inner.finish(streams)
    }
}
