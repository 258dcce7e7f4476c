//! Lists as people keep them: files and standard input with one entry per line, read in one way for every option and tool.

use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use crate::cli::env::Env;
use crate::cli::error::CliError;
use crate::cli::file;

/// Octets of a line that are read; the rest of a longer one is skipped.
const READ_OF_LINE: u64 = 4096;

/// Octets of the longest line: whatever has longer ones is no list, or a device without end.
const LONGEST_LINE: u64 = 1 << 20;

/// The option and the file that a list comes from.
#[derive(Clone, Debug)]
pub struct Origin {
    option: &'static str,
    path: Arc<Path>,
}

impl Origin {
    /// The list at `path`, named by `option`.
    pub fn new(option: &'static str, path: &Path) -> Self {
        Origin { option, path: path.into() }
    }

    /// Opens it: `-` is standard input.
    ///
    /// # Errors
    /// If the file cannot be opened, or is a directory.
    pub fn open(&self) -> Result<Option<File>, CliError> {
        if self.path.as_os_str() == "-" {
            return Ok(None);
        }
        let opened = File::open(&self.path).and_then(|file| match file.metadata()?.is_dir() {
            true => Err(io::ErrorKind::IsADirectory.into()),
            false => Ok(Some(file)),
        });
        opened.map_err(|error| self.failed(error))
    }

    /// All of its lines, one after the other, of a list that is to be kept: it has at most `most` octets.
    ///
    /// # Errors
    /// As [`Origin::open`].
    pub fn lines(&self, most: u64, env: &mut Env<'_>) -> Result<Lines<BufReader<impl Read + use<>>>, CliError> {
        let list: Box<dyn Read + Send> = match self.open()? {
            Some(file) => Box::new(file),
            None => standard_input(env),
        };
        Ok(self.lines_of(list, most))
    }

    /// The same of a list that is open.
    pub fn lines_of<R: Read>(&self, list: R, most: u64) -> Lines<BufReader<impl Read + use<R>>> {
        Lines::new(BufReader::new(file::bounded(self.option, list, most)))
    }

    /// Why it cannot be read.
    pub fn failed(&self, error: io::Error) -> CliError {
        CliError::Unreadable(self.option, self.path.to_path_buf(), error)
    }

    /// What is wrong with one of its lines.
    pub fn wrong(&self, line: u64, sentence: impl fmt::Display) -> String {
        format!("{} {}, line {line}: {sentence}", self.option, self.path.display())
    }
}

/// Standard input, for its only reader.
pub fn standard_input(env: &mut Env<'_>) -> Box<dyn Read + Send> {
    std::mem::replace(&mut env.stdin, Box::new(io::empty()))
}

/// The lines of a list.
pub struct Lines<R> {
    list: R,
    line: Vec<u8>,
    number: u64,
}

/// One line.
#[derive(Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Its number, from 1.
    pub number: u64,
    /// Octets it takes up in the list.
    pub octets: u64,
    /// What it names, if anything.
    pub entry: Option<Cow<'a, str>>,
}

impl<R: BufRead> Lines<R> {
    /// Those from here on.
    pub const fn new(list: R) -> Self {
        Lines { list, line: Vec::new(), number: 0 }
    }

    /// The reader.
    pub const fn list(&self) -> &R {
        &self.list
    }

    /// The next line; `None` after the last.
    ///
    /// # Errors
    /// The reader's, and if the list is UTF-16 or has no lines or such that end with a carriage return alone.
    pub fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.line.clear();
        let mut octets = self.list.by_ref().take(READ_OF_LINE).read_until(b'\n', &mut self.line)? as u64;
        if octets == 0 {
            return Ok(None);
        }
        self.number += 1;
        if octets == READ_OF_LINE && self.line.last() != Some(&b'\n') {
            octets += self.list.by_ref().take(LONGEST_LINE - octets).skip_until(b'\n')? as u64;
            if octets == LONGEST_LINE {
                let sentence = format!("line {}: longer than {LONGEST_LINE} bytes", self.number);
                return Err(io::Error::new(io::ErrorKind::InvalidData, sentence));
            }
        }
        if self.number == 1 && (self.line.starts_with(b"\xff\xfe") || self.line.starts_with(b"\xfe\xff")) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "this is UTF-16; save the list as UTF-8"));
        }
        if self.line.trim_ascii_end().contains(&b'\r') {
            let sentence =
                format!("line {}: a carriage return alone ends no line; save the list with line feeds", self.number);
            return Err(io::Error::new(io::ErrorKind::InvalidData, sentence));
        }
        Ok(Some(Line { number: self.number, octets, entry: entry(&self.line) }))
    }
}

/// What a line names: its first word, or a range with blanks around its hyphen. What follows is a comment, as in
/// `ADDRESS<TAB>NAME`, and so is the line from a word on that begins with `#`; within a word it is part of what is named, which then is
/// refused, rather than half of it probed. A byte order mark may stand before it, also where lists were put together.
fn entry(line: &[u8]) -> Option<Cow<'_, str>> {
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
    let is_blank = |octet: &u8| octet.is_ascii_whitespace() || *octet == b'\x0b';
    let mut words = line.split(is_blank).filter(|word| !word.is_empty()).take_while(|word| !word.starts_with(b"#"));
    let first = String::from_utf8_lossy(words.next()?);
    match (words.next(), words.next()) {
        (Some(b"-"), Some(last)) => Some(format!("{first}-{}", String::from_utf8_lossy(last)).into()),
        _ => Some(first),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(list: &[u8]) -> Vec<String> {
        let mut lines = Lines::new(list);
        let mut entries = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            entries.extend(line.entry.map(Cow::into_owned));
        }
        entries
    }

    #[test]
    fn a_line_names_what_stands_first_in_it() {
        let list =
            b"# all\n a.example #first\n\n::1\t\r\n10.0.0.1\trouter.lan\n10.0.0.2 - 10.0.0.9 the rest\n \x0b\n10.0.0.3";
        assert_eq!(entries(list), ["a.example", "::1", "10.0.0.1", "10.0.0.2-10.0.0.9", "10.0.0.3"]);
    }

    #[test]
    fn a_hash_within_a_word_begins_no_comment() {
        assert_eq!(
            entries(b"10.0.0.1#a\n10.0.0.2 -#10.0.0.9\n10.0.0.3 - #10.0.0.9\n"),
            ["10.0.0.1#a", "10.0.0.2", "10.0.0.3"]
        );
    }

    #[test]
    fn byte_order_marks_and_other_character_sets_in_comments_do_no_harm() {
        assert_eq!(entries(b"\xef\xbb\xbf10.0.0.1\n\xef\xbb\xbf# b\n10.0.0.2 # caf\xe9\n"), ["10.0.0.1", "10.0.0.2"]);
        assert_eq!(entries(b"caf\xe9.example\n"), ["caf\u{fffd}.example"]);
        let error = Lines::new(&b"\xff\xfe1\0\n\0"[..]).next().unwrap_err();
        assert!(error.to_string().contains("UTF-16"), "{error}");
    }

    #[test]
    fn lines_that_end_with_a_carriage_return_alone_are_refused_and_no_entry_is_lost() {
        let error = Lines::new(&b"10.0.0.1\r10.0.0.2\r"[..]).next().unwrap_err();
        assert_eq!(error.to_string(), "line 1: a carriage return alone ends no line; save the list with line feeds");
        assert_eq!(entries(b"10.0.0.1\r\r\n10.0.0.2\r"), ["10.0.0.1", "10.0.0.2"]);
    }

    #[test]
    fn a_line_is_numbered_and_measured_with_what_is_skipped() {
        let list = format!("a\r\n{}\nb", "x".repeat(10_000));
        let mut lines = Lines::new(list.as_bytes());
        let mut next = || lines.next().unwrap().map(|line| (line.number, line.octets, line.entry.unwrap().len()));
        assert_eq!([next(), next(), next(), next()], [Some((1, 3, 1)), Some((2, 10_001, 4096)), Some((3, 1, 1)), None]);
    }

    #[test]
    fn a_line_without_end_is_refused() {
        let error = Lines::new(BufReader::new(io::repeat(0))).next().unwrap_err();
        assert_eq!(error.to_string(), "line 1: longer than 1048576 bytes");
    }

    #[test]
    fn a_list_without_end_that_would_be_kept_is_refused_at_its_limit() {
        let lines = b"192.0.2.1\n".repeat(12);
        let origin = Origin::new("--exclude", Path::new("list"));
        let mut bounded = origin.lines_of(&lines[..], 100);
        let refused = loop {
            match bounded.next() {
                Ok(line) => assert!(line.is_some()),
                Err(error) => break origin.failed(error).to_string(),
            }
        };
        assert_eq!(refused, "--exclude list: larger than 100 bytes, the limit of --exclude");
    }
}
