//! Where in a recording is what happened when: [`Index`], so that a view may begin anywhere in a long run.

use std::io::BufRead;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::Recorded;
use super::read::{Ending, ReadError, Reader, head};
use super::session::Session;
use super::shelf::{MOST, Shelf, Shelves};
use crate::engine::outcome::Subject;
use crate::types::WallTime;

/// Octets between two marks, at least.
const BETWEEN: u64 = 1 << 18;
/// From this many marks before the requested time on, everything is read.
const SURE: usize = 8;

/// The oldest probe that an event refers to by number is at most this many probes ago.
pub const REACH: u64 = MOST as u64;

/// What a recording holds, but for what each probe brought.
#[derive(Debug)]
pub struct Index<E> {
    session: Session,
    marks: Vec<Mark>,
    /// The subjects of all parts.
    subjects: Vec<Arc<Subject>>,
    /// The events that matter however much later it is, each with its time and its line.
    lasting: Vec<(u64, Duration, E)>,
    /// The time of its last event.
    end: Duration,
}

/// Where to read from.
#[derive(Clone, Copy, Debug)]
pub struct Start<'a> {
    mark: &'a Mark,
    /// From after this line on everything is shown.
    sure: u64,
}

impl Start<'_> {
    /// Octets before it.
    pub fn offset(&self) -> u64 {
        self.mark.offset
    }
}

/// A place at which it can be read.
#[derive(Clone, Debug)]
struct Mark {
    /// The time of the first event from here on.
    at: Duration,
    /// Lines before it, and their octets.
    line: u64,
    offset: u64,
    /// Where its part of the recording begins.
    part: u64,
    /// Which subjects this part had before, and how many probes.
    subjects: Range<usize>,
    probes: u64,
}

impl<E: Recorded> Index<E> {
    /// Reads everything, up to the last whole line.
    ///
    /// # Errors
    /// If it is no recording, or one of the lines that matter is damaged.
    pub fn read(input: impl BufRead) -> Result<Index<E>, ReadError> {
        let mut reader = Reader::open(input)?;
        let session = reader.session().clone();
        let (marks, subjects, lasting) = (Vec::new(), Vec::new(), Vec::new());
        let mut index = Index { session, marks, subjects, lasting, end: Duration::ZERO };
        let (mut part, mut probes, mut begins) = (reader.place().1, 0, true);
        let mut first = 0;
        while !matches!(reader.ending(), Some(Ending::Whole(_))) {
            let (before, offset) = reader.place();
            let Some(line) = reader.next_line()? else { break };
            let (kind, at) = head(&line);
            if let Some(at) = at {
                index.end = index.end.max(at);
                let far = index.marks.last().is_none_or(|mark| offset >= mark.offset + BETWEEN);
                if begins || far {
                    let subjects = first..index.subjects.len();
                    index.marks.push(Mark { at, line: before, offset, part, subjects, probes });
                    begins = false;
                }
            }
            match kind {
                Some(kind) if E::COUNTED.contains(&kind) => probes += 1,
                Some(kind) if at.is_some() && !E::LASTING.contains(&kind) => {}
                kind => {
                    let event = reader.take::<E>(&line)?;
                    index.lasting.extend(event.map(|(at, event)| (before, at, event)));
                    if kind == Some("session") {
                        (part, probes, begins) = (reader.place().1, 0, true);
                        first = index.subjects.len();
                    }
                    let (shelf, known) = (&reader.shelves().subjects, (index.subjects.len() - first) as u64);
                    index.subjects.extend((known..shelf.count()).filter_map(|number| shelf.get(number)));
                }
            }
        }
        Ok(index)
    }

    /// The time of the last event.
    pub fn end(&self) -> Duration {
        self.end
    }

    /// Where to read from for what happens from `at` on: that many probes before it, as a later event may refer to as many as
    /// [`REACH`], or from the beginning of its part. Where no event says what all before it came to, from the beginning of the run.
    pub fn before(&self, at: Duration, probes: u64) -> Option<Start<'_>> {
        if E::SUPERSEDED.is_empty() {
            return self.marks.first().map(|mark| Start { mark, sure: mark.line });
        }
        let last = self.marks.partition_point(|mark| mark.at <= at).saturating_sub(1);
        let part = self.marks.get(last)?.part;
        let first = self.marks.partition_point(|mark| mark.part < part);
        let sure = self.marks.get(last.saturating_sub(SURE).max(first))?;
        let reaches = |mark: &&Mark| mark.part == part && mark.probes + probes <= sure.probes;
        let mark = self.marks.iter().rev().find(reaches).or_else(|| self.marks.get(first))?;
        Some(Start { mark, sure: sure.line })
    }

    /// The events before `start` that matter after it as well.
    pub fn lasting(&self, start: Start<'_>) -> impl Iterator<Item = (Duration, E)> {
        let before = self.lasting.iter().take_while(move |(line, ..)| *line < start.mark.line);
        before.map(|(_, at, event)| (*at, event.clone()))
    }

    /// Reads on at `start`; `input` begins there. Of what is superseded, and refers to what is not read, nothing is shown before
    /// what is asked for comes near.
    pub fn resume<R: BufRead>(&self, start: Start<'_>, input: R) -> Reader<R> {
        let Start { mark, sure } = start;
        let shelves = Shelves {
            start: WallTime::from_nanos(self.session.start),
            subjects: Shelf::with(self.subjects.get(mark.subjects.clone()).unwrap_or_default()),
            probes: Shelf::after(mark.probes),
            ..Shelves::default()
        };
        let is_first = self.marks.first().is_some_and(|first| first.line == mark.line);
        Reader::resume(input, self.session.clone(), shelves, (mark.line, sure, !is_first))
    }
}
