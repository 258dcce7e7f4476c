//! A sweep as text: one line per target, as each ends.

use std::fmt::{self, Write};
use std::io;

use crate::engine::outcome::{MethodKind, State};
use crate::report::words::address::PlainAddress;
use crate::report::words::number::{General, PingTime, push_count};
use crate::report::{Sink, Streams, escape};
use crate::sweep::{Event, TargetSummary};
use crate::types::{HostPort, Rtt};

/// What is printed of a sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SweepStyle {
    /// Which targets, and how.
    pub show: SweepShow,
    /// How they are probed.
    pub method: MethodKind,
    /// Whether an address is several targets, at different ports.
    pub has_several_ports: bool,
}

/// Which targets are printed, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SweepShow {
    /// All, with counts and delays.
    Summaries,
    /// All, with the delay of each probe.
    Vectors,
    /// Those that answered, the address alone.
    Alive,
    /// Those that did not, the address alone.
    Unreachable,
}

impl SweepShow {
    /// Whether `target` is printed.
    pub(super) fn shows(self, target: &TargetSummary) -> bool {
        match self {
            SweepShow::Summaries | SweepShow::Vectors => true,
            SweepShow::Alive => target.is_alive(),
            SweepShow::Unreachable => target.is_unreachable(),
        }
    }
}

/// Writes the outcomes of a sweep as lines of text.
pub struct SweepText {
    style: SweepStyle,
    /// The line of a target as it is made, before the streams take it at once.
    line: String,
}

impl SweepText {
    /// A writer that has written nothing yet.
    pub const fn new(style: SweepStyle) -> Self {
        SweepText { style, line: String::new() }
    }
}

impl Sink<Event> for SweepText {
    fn event(&mut self, event: &Event, streams: &mut Streams<'_>) -> io::Result<()> {
        let Event::Ended(target) = event else { return Ok(()) };
        if !self.style.show.shows(target) {
            return Ok(());
        }
        self.line.clear();
        let line = &mut self.line;
        match self.style.show {
            SweepShow::Alive | SweepShow::Unreachable => push_address(target, self.style.has_several_ports, line),
            SweepShow::Vectors => vector(target, line),
            SweepShow::Summaries => summary(target, line),
        }
        line.push('\n');
        streams.data.write_all(line.as_bytes())
    }
}

/// The address, or the target as typed where that alone is not enough; with its port, if that is wanted and there is one.
fn push_address(target: &TargetSummary, with_port: bool, line: &mut String) {
    let port = target.port().filter(|_| with_port);
    match (target.endpoint, &target.zone) {
        (Some(endpoint), None) => push_host(PlainAddress(endpoint.address).text().as_str(), port, line),
        (Some(_), Some(_)) => push_host(&escape(&target.address()), port, line),
        (None, _) => line.push_str(&escape(target.name.as_deref().unwrap_or_default())),
    }
}

fn push_host(host: &str, port: Option<u16>, line: &mut String) {
    if port.is_none() {
        return line.push_str(host);
    }
    push(format_args!("{}", HostPort(host, port)), line);
}

/// Appends what is formatted; a string takes everything.
fn push(text: fmt::Arguments<'_>, line: &mut String) {
    let _ = line.write_fmt(text);
}

/// The name as typed and its address, or whichever there is.
fn push_head(target: &TargetSummary, line: &mut String) {
    // An address with its zone is shown once.
    let name = target.name.as_deref().filter(|name| !name.contains('%') && target.endpoint.is_some());
    let Some(name) = name else { return push_address(target, true, line) };
    line.push_str(&escape(name));
    line.push_str(" (");
    push_address(target, true, line);
    line.push(')');
}

/// As fping's summary, with rare outcomes after it.
fn summary(target: &TargetSummary, line: &mut String) {
    push_head(target, line);
    line.push_str(" : ");
    match (target.state, target.error) {
        (Some(State::Unresolved), _) => return line.push_str("no address"),
        (Some(State::Unknown), Some(error)) => return push(format_args!("not sent: {error}"), line),
        (Some(State::Unknown), None) => return line.push_str("not sent"),
        (Some(state), _) => {
            line.push_str(state.name());
            line.push_str(", ");
        }
        (None, _) => {}
    }
    let counts = &target.counts;
    line.push_str("xmt/rcv/%loss = ");
    push_count(line, counts.decided());
    line.push('/');
    push_count(line, counts.received);
    line.push('/');
    match counts.loss_pct() {
        Some(0.0) => line.push_str("0%"),
        Some(loss) => push(format_args!("{}%", General(loss)), line),
        None => line.push('-'),
    }
    if let Some(mean) = target.rtt.mean() {
        let time = |nanos| PingTime(Rtt::from_nanos(nanos));
        let (min, mean, max) = (time(target.rtt.min()), time(mean.round() as u64), time(target.rtt.max()));
        push(format_args!(", min/avg/max = {min}/{mean}/{max}"), line);
    }
    let also = [
        (counts.refused, "refused"),
        (counts.unreachable + counts.answered_after_error, "errors"),
        (counts.duplicates, "duplicates"),
        (counts.late, "late"),
        (counts.reordered, "reordered"),
        (counts.bad_checksum, "corrupted"),
        (counts.payload_changed, "changed"),
        (counts.truncated, "truncated"),
        (counts.wrong_source, "from elsewhere"),
        (counts.send_failed, "not sent"),
        (counts.pending, "pending"),
    ];
    for (count, what) in also.into_iter().filter(|&(count, _)| count > 0) {
        line.push_str(", +");
        push_count(line, count);
        line.push(' ');
        line.push_str(what);
    }
}

/// As fping's vectors: the delay of each probe, or a hyphen.
fn vector(target: &TargetSummary, line: &mut String) {
    push_head(target, line);
    line.push_str(" :");
    if target.delays.is_empty() {
        line.push_str(" -");
    }
    for delay in &target.delays {
        match delay {
            Some(rtt) => push(format_args!(" {}", PingTime(*rtt)), line),
            None => line.push_str(" -"),
        }
    }
}
