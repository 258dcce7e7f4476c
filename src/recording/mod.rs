//! Recordings: the events of a run as lines of JSON ([`Writer`]), and back ([`Reader`]). Whatever folds the events of a run folds
//! those of its recording, so that every report can be made from either, and is the same.
//!
//! # The file
//!
//! One object a line, with a `type` and, for events, `t`: nanoseconds since the start of the run. The first line is `session`, the
//! last `end`; a file without that was cut. Values are called as in `--json` where they mean the same. What is zero, false, null or
//! empty is left out. Times of the wall clock are nanoseconds since the start too.
//!
//! What many events share stands once: a `subject` has a line of its own before the first event about it, and is then meant by its
//! number; the events of probes, the hops and the traces of `rtrace` are numbered as they come. Numbers begin anew at each
//! `session` line, so that every part of a long recording can be read alone.
//!
//! In a file the lines are packed as gzip ([`Packer`]); lines that are not are read as well ([`Unpacker`]).

mod applications;
mod compare;
mod index;
mod json;
mod outcome;
mod packed;
mod printed;
mod read;
mod session;
mod shared;
mod shelf;
#[cfg(test)]
mod tests;
mod trace;
mod values;
mod write;

pub use compare::{Compared, Kind, PlaceFigures, Row, Sample, compare};
pub use index::{Index, REACH, Start};
pub use json::Fault;
pub use packed::{Packer, Place, Places, Unpacker};
pub use printed::{Unprinted, printed};
pub use read::{Ending, ReadError, Reader};
pub use session::{Mode, Session};
pub use write::{Writer, end};

use json::Variants;
use shelf::Shelves;

use crate::engine::outcome::SubjectId;
use crate::types::WallTime;

/// The version of the format; of another one only the first line is understood.
pub const VERSION: u64 = 1;

/// The events of an application, as they are recorded.
pub trait Recorded: Variants + Clone {
    /// The types of the events that matter however much later it is, beside which all others are but what probes brought.
    const LASTING: &[&str] = &["began", "name", "change"];

    /// The types of the events of which the newest says all.
    const SUPERSEDED: &[&str] = &[];

    /// The types of the events that later ones refer to by number.
    const COUNTED: &[&str] = &[];

    /// Whether it has a line: what only the run itself asks for has none.
    fn is_recorded(&self) -> bool {
        true
    }

    /// Remembers what later events refer to, in the writer as in the reader.
    fn shelve(&self, _shelves: &mut Shelves) {}

    /// By how many nanoseconds the wall clock was stepped, if it says so, and what it showed after that.
    fn clock_step(&self) -> Option<(WallTime, i64)> {
        None
    }

    /// What it is to the later parts of the recording.
    fn carried(&self) -> Carried {
        Carried::No
    }
}

/// Whether an event matters to the parts of a recording after its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carried {
    /// It does not.
    No,
    /// Each of them begins with it.
    Always,
    /// They begin with it until this subject ends.
    Until(SubjectId),
    /// It is the end of this subject.
    End(SubjectId),
}
