//! What is written to standard output and standard error, in order: [`Both`].

use std::cell::RefCell;
use std::io::{self, Write};
use std::{fmt, mem};

use crate::cli::output::Stream;
use crate::report::Streams;

/// Octets for both streams. They may be one terminal, so that the order counts.
#[derive(Debug, Default)]
pub struct Both {
    octets: Vec<u8>,
    /// Where the octets for one stream end, which begin where those before end.
    parts: Vec<(Stream, usize)>,
}

impl Both {
    /// Takes what `write` writes.
    pub fn take<T>(&mut self, write: impl FnOnce(&mut Streams<'_>) -> T) -> T {
        let both = RefCell::new(mem::take(self));
        let written = write(&mut Streams { data: &mut To(&both, Stream::Data), talk: &mut To(&both, Stream::Talk) });
        *self = both.into_inner();
        written
    }

    pub fn is_empty(&self) -> bool {
        self.octets.is_empty()
    }

    pub fn len(&self) -> usize {
        self.octets.len()
    }

    /// How many lines there are.
    pub fn lines(&self) -> u64 {
        self.octets.iter().filter(|&&octet| octet == b'\n').count() as u64
    }

    pub fn clear(&mut self) {
        self.octets.clear();
        self.parts.clear();
    }

    /// Drops what is for standard output.
    pub fn drop_data(&mut self) {
        let all = mem::take(self);
        // Memory takes everything.
        let _ = self.take(|streams| all.write(&mut io::sink(), streams.talk));
    }

    /// Writes all of it.
    pub fn write(&self, data: &mut dyn Write, talk: &mut dyn Write) -> io::Result<()> {
        let mut from = 0;
        for &(stream, end) in &self.parts {
            let part = self.octets.get(from..end).unwrap_or_default();
            match stream {
                Stream::Data => data.write_all(part)?,
                Stream::Talk => talk.write_all(part)?,
            }
            from = end;
        }
        Ok(())
    }
}

/// One of the streams.
struct To<'a>(&'a RefCell<Both>, Stream);

impl To<'_> {
    fn extend(&self, write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> io::Result<()> {
        let both = &mut *self.0.borrow_mut();
        let written = write(&mut both.octets);
        let end = both.octets.len();
        match both.parts.last_mut() {
            Some((stream, known)) if *stream == self.1 => *known = end,
            _ => both.parts.push((self.1, end)),
        }
        written
    }
}

impl Write for To<'_> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.write_all(octets).map(|()| octets.len())
    }

    fn write_all(&mut self, octets: &[u8]) -> io::Result<()> {
        self.extend(|all| all.write_all(octets))
    }

    /// A line of many parts at once.
    fn write_fmt(&mut self, line: fmt::Arguments<'_>) -> io::Result<()> {
        self.extend(|all| all.write_fmt(line))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_to_both_streams_comes_out_in_its_order() {
        let mut both = Both::default();
        both.take(|streams| write!(streams.talk, "not ").and_then(|()| writeln!(streams.talk, "sent"))).unwrap();
        both.take(|streams| {
            writeln!(streams.data, "summary")?;
            writeln!(streams.talk, "reason")
        })
        .unwrap();
        let written = |both: &Both| {
            let terminal = RefCell::new(Both::default());
            both.write(&mut To(&terminal, Stream::Data), &mut To(&terminal, Stream::Data)).unwrap();
            String::from_utf8(terminal.into_inner().octets).unwrap()
        };
        assert_eq!(written(&both), "not sent\nsummary\nreason\n");
        assert_eq!((both.lines(), both.len()), (3, 24));
        both.drop_data();
        assert_eq!(written(&both), "not sent\nreason\n");
        both.clear();
        assert!(both.is_empty());
    }
}
