//! Events to octets: text as ping's and traceroute's users know it, and JSON.

use std::io::{self, Write};

/// Where a report goes.
pub struct Streams<'a> {
    /// Data: stdout.
    pub data: &'a mut dyn Write,
    /// Talk: stderr.
    pub talk: &'a mut dyn Write,
}

/// A way to write events down. It buffers nothing: what an event says is written when the event comes, or never.
pub trait Sink<E> {
    /// Writes what `event` says.
    ///
    /// # Errors
    /// The writers'.
    fn event(&mut self, event: &E, streams: &mut Streams<'_>) -> io::Result<()>;
}
