//! Events to octets: text as ping's and traceroute's users know it, and JSON.
//!
//! Text goes by bytes that scripts have read for decades; what rping and rtrace know beyond those tools stands in JSON, and
//! with `-v` on stderr.

mod check;
mod condition;
mod contrast;
mod difference;
mod doctor;
#[cfg(test)]
mod fixture;
mod fping;
mod json;
mod not_sent;
mod part;
mod ping;
mod pong;
mod sweep;
mod trace;
mod words;

use std::io::{self, Write};

pub use check::{Checked, Level, Limit, Limits, Unwritten};
pub use condition::{Ended, Failures};
pub use contrast::{ContrastCsv, ContrastJson, ContrastPlain, ContrastText};
pub use difference::difference;
pub use doctor::{AddressRoute, Aimed, Check, Diagnosis, Health};
pub use fping::{FpingNames, FpingOptions, FpingStamp, FpingText};
pub use not_sent::LinesOfNotSent;
pub use part::Part;
pub use ping::begins_not_to_send as ping_begins_not_to_send;
pub use ping::{
    ChangesCsv, ChangesJson, ChangesText, PingCsv, PingInflux, PingJson, PingJsonOptions, PingPlain, PingPrometheus,
    PingText, PingTextOptions, ShownSource, Timestamps, presence_sentence,
};
pub use pong::{PongJson, PongText};
pub use sweep::{
    SweepBrief, SweepCsv, SweepInflux, SweepJson, SweepProgress, SweepPrometheus, SweepShow, SweepStyle, SweepText,
};
pub use trace::begins_not_to_send as trace_begins_not_to_send;
pub use trace::changes::{path_name, sentence as change_sentence};
pub use trace::findings::{rewritten as rewritten_sentence, sentence as finding_sentence};
pub use trace::numbers::{ranges as flow_ranges, word as flow_word};
pub use trace::text::objects as extension_text;
pub use trace::{
    Column, Figure, MovesJson, MovesText, TraceAtlas, TraceCsv, TraceInflux, TraceJson, TraceJsonOptions, TracePlain,
    TracePrometheus, TraceText, TraceTextOptions, TraceView,
};
pub use words::message::{clock_stepped_sentence, not_sent_sentence};
pub use words::reason::Reason;
pub use words::{LocalOffset, Moment, StatusLine};

pub use crate::types::{escape, printable};

/// Where a report goes.
pub struct Streams<'a> {
    /// Data: stdout.
    pub data: &'a mut dyn Write,
    /// Talk: stderr.
    pub talk: &'a mut dyn Write,
}

/// A way to write the events of a run. Events carry all that is to be written, so a sink keeps little of earlier ones.
pub trait Sink<E> {
    /// Takes the next event.
    ///
    /// # Errors
    /// The writers'.
    fn event(&mut self, event: &E, streams: &mut Streams<'_>) -> io::Result<()>;

    /// The run is about to wait: readers get what was written so far.
    ///
    /// # Errors
    /// The writers'.
    fn idle(&mut self, streams: &mut Streams<'_>) -> io::Result<()> {
        streams.data.flush()
    }

    /// There are no more events: whatever the format still needs is written.
    ///
    /// # Errors
    /// The writers'.
    fn finish(&mut self, _streams: &mut Streams<'_>) -> io::Result<()> {
        Ok(())
    }
}
