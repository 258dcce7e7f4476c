//! A flood on a terminal, as ping draws it: a dot for each probe that leaves, taken away by its answer.

use std::collections::HashSet;
use std::io::{self, Write};

use crate::engine::outcome::{Outcome, ProbeEvent, Reply, SubjectId};
use crate::types::ProbeId;

/// The dots on the screen that an answer can still take away.
#[derive(Debug, Default)]
pub(super) struct Dots {
    open: HashSet<(SubjectId, ProbeId)>,
}

impl Dots {
    /// Draws the dot of a probe.
    pub(super) fn draw(&mut self, probe: (SubjectId, ProbeId), data: &mut dyn Write) -> io::Result<()> {
        self.open.insert(probe);
        data.write_all(b".")
    }

    /// Draws what happened to a probe: an answer takes away its dot, anything else takes its place, and the dot of a lost one
    /// stays. Further answers change nothing.
    pub(super) fn change(&mut self, event: &ProbeEvent, data: &mut dyn Write) -> io::Result<()> {
        if matches!(&event.outcome, Outcome::Error(error) if error.kind.is_advice()) {
            return Ok(());
        }
        let has_dot = self.open.remove(&(event.subject.id, event.id));
        let (letter, erase): (&[u8], &[u8]) = match &event.outcome {
            Outcome::Timeout(_) => return Ok(()),
            Outcome::Reply(Reply { bad_checksum: false, .. }) => (b"", b"\x08 \x08"),
            Outcome::Reply(_) => (b"C", b"\x08"),
            Outcome::Refused(_) | Outcome::Error(_) | Outcome::NotSent(_) => (b"E", b"\x08"),
        };
        if has_dot {
            data.write_all(erase)?;
        }
        data.write_all(letter)
    }
}
