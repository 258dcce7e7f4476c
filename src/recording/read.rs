//! Lines to events: [`Reader`].

use std::fmt;
use std::io::{self, BufRead, Read};
use std::time::Duration;

use serde_json::Value;

use super::json::{Fault, Fields, Object, object, take};
use super::session::Session;
use super::shelf::Shelves;
use super::{Recorded, VERSION};
use crate::channel::OsError;
use crate::engine::outcome::Subject;
use crate::types::WallTime;

/// The longest line that is read.
pub(super) const LINE_OCTETS: u64 = 16 << 20;

/// Reads a recording line by line.
#[derive(Debug)]
pub struct Reader<R> {
    input: R,
    session: Session,
    shelves: Shelves,
    /// The number of the last line, from 1, and the octets up to its end.
    line: u64,
    offset: u64,
    /// Up to this line what is superseded by later lines is left out.
    sure: u64,
    /// Whether events of an earlier part were read.
    resumed: bool,
    ending: Option<Ending>,
}

/// How a recording ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With its last line, which has the reason.
    Whole(String),
    /// After this line, without the last one: it was cut, or the run did not end in order.
    Cut(u64),
}

/// Why a recording cannot be read, or not further.
#[derive(Debug)]
pub enum ReadError {
    /// It cannot be read from.
    Input(io::Error),
    /// It is none.
    NoRecording,
    /// It is of a version that is not known here.
    Version(u64),
    /// A line is not what it should be.
    Damaged {
        /// Its number, from 1.
        line: u64,
        /// What is wrong.
        fault: Fault,
    },
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::Input(error) => match error.raw_os_error() {
                Some(code) => OsError::from_code(code).fmt(f),
                None => error.fmt(f),
            },
            ReadError::NoRecording => f.write_str("not a recording"),
            ReadError::Version(version) => {
                write!(f, "a recording of version {version}; this program reads version {VERSION}")
            }
            ReadError::Damaged { line, fault } => write!(f, "line {line} is damaged: {fault}"),
        }
    }
}

impl<R: BufRead> Reader<R> {
    /// Reads the first line.
    ///
    /// # Errors
    /// If that is not the first of a recording, or of another version.
    pub fn open(mut input: R) -> Result<Self, ReadError> {
        let mut shelves = Shelves::default();
        let line = read_line(&mut input, 1)?.ok_or(ReadError::NoRecording)?;
        let mut object = parse(&line).map_err(|_| ReadError::NoRecording)?;
        if kind(&mut object).as_deref() != Some("session") {
            return Err(ReadError::NoRecording);
        }
        match object.get("version").and_then(Value::as_u64) {
            Some(VERSION) => {}
            Some(version) => return Err(ReadError::Version(version)),
            None => return Err(ReadError::NoRecording),
        }
        let session = Session::get_fields(&mut object, &mut shelves);
        let session = session.map_err(|fault| ReadError::Damaged { line: 1, fault })?;
        shelves.start = WallTime::from_nanos(session.start);
        Ok(Reader {
            input,
            session,
            shelves,
            line: 1,
            offset: line.len() as u64,
            sure: 0,
            resumed: false,
            ending: None,
        })
    }

    /// Goes on in the middle, after this many lines, with what their events shared.
    pub(super) fn resume(
        input: R,
        session: Session,
        shelves: Shelves,
        (line, sure, resumed): (u64, u64, bool),
    ) -> Self {
        Reader { input, session, shelves, line, offset: 0, sure, resumed, ending: None }
    }

    /// The first line.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// How it ends, once all events were read.
    pub fn ending(&self) -> Option<&Ending> {
        self.ending.as_ref()
    }

    /// The next event, and the time since the start of the run; `None` at the end.
    ///
    /// # Errors
    /// If it cannot be read; there is no event after that.
    pub fn next_event<E: Recorded>(&mut self) -> Option<Result<(Duration, E), ReadError>> {
        while self.ending.is_none() {
            match self.read_next() {
                Ok(Some(event)) => return Some(Ok(event)),
                Ok(None) => {}
                Err(error) => {
                    self.ending = Some(Ending::Cut(self.line));
                    return Some(Err(error));
                }
            }
        }
        None
    }

    /// The events that follow; see [`Reader::next_event`].
    pub fn events<E: Recorded>(&mut self) -> impl Iterator<Item = Result<(Duration, E), ReadError>> {
        std::iter::from_fn(|| self.next_event())
    }

    /// Reads a line; `None` if it has no event.
    fn read_next<E: Recorded>(&mut self) -> Result<Option<(Duration, E)>, ReadError> {
        match self.next_line()? {
            Some(line) if self.line <= self.sure && is_superseded::<E>(&line) => Ok(None),
            Some(line) => self.take(&line),
            None => Ok(None),
        }
    }

    /// The next whole line.
    pub(super) fn next_line(&mut self) -> Result<Option<Vec<u8>>, ReadError> {
        let line = read_line(&mut self.input, self.line + 1)?;
        match &line {
            Some(line) => (self.line, self.offset) = (self.line + 1, self.offset + line.len() as u64),
            None => self.ending = Some(Ending::Cut(self.line)),
        }
        Ok(line)
    }

    /// How many lines were read, and their octets.
    pub(super) fn place(&self) -> (u64, u64) {
        (self.line, self.offset)
    }

    /// What the events so far share.
    pub(super) fn shelves(&self) -> &Shelves {
        &self.shelves
    }

    /// The event of the line that was read last.
    pub(super) fn take<E: Recorded>(&mut self, line: &[u8]) -> Result<Option<(Duration, E)>, ReadError> {
        let read = parse(line).and_then(|object| self.take_line(object));
        read.map_err(|fault| ReadError::Damaged { line: self.line, fault })
    }

    fn take_line<E: Recorded>(&mut self, mut object: Object) -> Result<Option<(Duration, E)>, Fault> {
        let kind = kind(&mut object).ok_or(Fault::new("a line without type"))?;
        let shelves = &mut self.shelves;
        match kind.as_str() {
            "session" => {
                let session = Session::get_fields(&mut object, shelves)?;
                if (session.start, session.version) != (self.session.start, VERSION) {
                    return Err(Fault::new("another recording begins"));
                }
                *shelves = Shelves { start: shelves.start, ..Shelves::default() };
                self.resumed = true;
                return Ok(None);
            }
            "subject" => {
                let subject = Subject::get_fields(&mut object, shelves)?;
                shelves.subjects.push(subject.into());
                return Ok(None);
            }
            "end" => {
                let reason = take(&mut object, "reason", shelves)?;
                self.ending = Some(Ending::Whole(reason));
                return Ok(None);
            }
            _ => {}
        }
        let at = Duration::from_nanos(take(&mut object, "t", shelves)?);
        let again: bool = take(&mut object, "again", shelves)?;
        let Some(event) = E::from_tag(&kind, &mut object, shelves)? else { return Ok(None) };
        event.shelve(shelves);
        // What a part begins with was read in an earlier one, if there was one.
        Ok(Some((at, event)).filter(|_| !again || !self.resumed))
    }
}

fn is_superseded<E: Recorded>(line: &[u8]) -> bool {
    head(line).0.is_some_and(|kind| E::SUPERSEDED.contains(&kind))
}

/// The next whole line; `None` at the end, and where the last line was cut.
fn read_line(input: &mut impl BufRead, number: u64) -> Result<Option<Vec<u8>>, ReadError> {
    let mut line = Vec::new();
    input.take(LINE_OCTETS).read_until(b'\n', &mut line).map_err(ReadError::Input)?;
    if line.len() as u64 == LINE_OCTETS && !line.ends_with(b"\n") {
        return Err(ReadError::Damaged { line: number, fault: Fault::new("it is longer than 16777216 bytes") });
    }
    Ok(line.ends_with(b"\n").then_some(line))
}

fn parse(line: &[u8]) -> Result<Object, Fault> {
    let value = serde_json::from_slice(line).map_err(|_| Fault::new("not JSON"))?;
    object(value)
}

fn kind(object: &mut Object) -> Option<String> {
    match object.remove("type")? {
        Value::String(kind) => Some(kind),
        _ => None,
    }
}

/// The type of a line, and its time if it is that of an event, where they stand as they are written.
pub(super) fn head(line: &[u8]) -> (Option<&str>, Option<Duration>) {
    let begin = line.get(..line.len().min(80)).unwrap_or_default();
    let begin = begin.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    let Some((kind, rest)) = begin.strip_prefix("{\"type\":\"").and_then(|rest| rest.split_once('"')) else {
        return (None, None);
    };
    let digits = rest.strip_prefix(",\"t\":").unwrap_or_default();
    let digits = digits.split(|character: char| !character.is_ascii_digit()).next().unwrap_or_default();
    (Some(kind), digits.parse().ok().map(Duration::from_nanos))
}
