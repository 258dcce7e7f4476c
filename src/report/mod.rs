//! Events to octets: text as ping's and traceroute's users know it, and JSON.
//!
//! Text goes by bytes that scripts have read for decades; what rping and rtrace know beyond those tools stands in JSON, and
//! with `-v` on stderr.

mod contrast;
mod escape;
#[cfg(test)]
mod fixture;
mod json;
mod message;
mod number;
mod ping_json;
mod ping_text;
mod pong_json;
mod pong_text;
mod sweep;
mod trace_findings;
mod trace_flows;
mod trace_json;
mod trace_mtu;
mod trace_table;
mod trace_table_json;
mod trace_text;

use std::io::{self, Write};

pub use contrast::{ContrastJson, ContrastText};
pub use escape::escape;
pub use ping_json::{PingJson, PingJsonOptions};
pub use ping_text::{PingText, PingTextOptions, ShownSource};
pub use pong_json::PongJson;
pub use pong_text::PongText;
pub use sweep::{SweepJson, SweepProgress, SweepShow, SweepText};
pub use trace_flows::{FlowsJson, FlowsText};
pub use trace_json::{TraceJson, TraceJsonOptions};
pub use trace_table::{TableOptions, TraceTable};
pub use trace_table_json::TraceTableJson;
pub use trace_text::{TraceText, TraceTextOptions};

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
