//! A line on a terminal that is replaced and removed again: [`StatusLine`].

use std::io::{self, Write};

/// The line, if it is shown.
#[derive(Debug, Default)]
pub struct StatusLine {
    shown: bool,
}

impl StatusLine {
    /// No line.
    pub const fn new() -> Self {
        StatusLine { shown: false }
    }

    /// Replaces the line.
    ///
    /// # Errors
    /// The writer's.
    pub fn show(&mut self, line: &str, talk: &mut dyn Write) -> io::Result<()> {
        self.shown = true;
        write!(talk, "\r\x1b[K{line}")?;
        talk.flush()
    }

    /// Removes the line, so that something else can be written.
    ///
    /// # Errors
    /// The writer's.
    pub fn erase(&mut self, talk: &mut dyn Write) -> io::Result<()> {
        if !std::mem::take(&mut self.shown) {
            return Ok(());
        }
        write!(talk, "\r\x1b[K")?;
        talk.flush()
    }

    /// Whether it is shown.
    pub const fn is_shown(&self) -> bool {
        self.shown
    }
}
