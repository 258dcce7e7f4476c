//! A line on a terminal that is replaced and removed again: [`StatusLine`].

use std::io::{self, Write};

/// The line, whether or not it is shown.
#[derive(Debug, Default)]
pub struct StatusLine {
    line: String,
    shown: bool,
}

impl StatusLine {
    /// No line.
    pub const fn new() -> Self {
        StatusLine { line: String::new(), shown: false }
    }

    /// Replaces the line.
    ///
    /// # Errors
    /// The writer's.
    pub fn show(&mut self, line: &str, talk: &mut dyn Write) -> io::Result<()> {
        line.clone_into(&mut self.line);
        self.shown = false;
        self.draw_again(talk)
    }

    /// Draws the line where it was erased. What does not fit the terminal is cut off: a second row would not be erased.
    ///
    /// # Errors
    /// The writer's.
    pub fn draw_again(&mut self, talk: &mut dyn Write) -> io::Result<()> {
        if self.line.is_empty() || std::mem::replace(&mut self.shown, true) {
            return Ok(());
        }
        write!(talk, "\r\x1b[K\x1b[?7l{}\x1b[?7h", self.line)?;
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

    /// Removes the line for good.
    ///
    /// # Errors
    /// The writer's.
    pub fn end(&mut self, talk: &mut dyn Write) -> io::Result<()> {
        self.line.clear();
        self.erase(talk)
    }

    /// Whether it is shown.
    pub const fn is_shown(&self) -> bool {
        self.shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_erased_for_others_and_drawn_again() {
        let mut status = StatusLine::new();
        let mut then = |change: fn(&mut StatusLine, &mut dyn Write) -> io::Result<()>| {
            let mut talk = Vec::new();
            change(&mut status, &mut talk).unwrap();
            String::from_utf8(talk).unwrap()
        };
        assert_eq!([then(StatusLine::erase), then(StatusLine::draw_again)], ["", ""]);
        assert_eq!(then(|status, talk| status.show("x", talk)), "\r\x1b[K\x1b[?7lx\x1b[?7h");
        assert_eq!([then(StatusLine::erase), then(StatusLine::erase)], ["\r\x1b[K", ""]);
        let drawn = [then(StatusLine::draw_again), then(StatusLine::draw_again)];
        assert_eq!(drawn, ["\r\x1b[K\x1b[?7lx\x1b[?7h", ""]);
        assert_eq!([then(StatusLine::end), then(StatusLine::draw_again)], ["\r\x1b[K", ""]);
    }
}
