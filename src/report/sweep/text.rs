//! A sweep as text: one line per target, as each ends.

use std::fmt;
use std::io::{self, Write};

use crate::engine::outcome::{MethodKind, State};
use crate::report::words::address::PlainAddress;
use crate::report::words::number::{PingTime, general};
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
}

impl SweepText {
    /// A writer that has written nothing yet.
    pub const fn new(style: SweepStyle) -> Self {
        SweepText { style }
    }
}

impl Sink<Event> for SweepText {
    fn event(&mut self, event: &Event, streams: &mut Streams<'_>) -> io::Result<()> {
        match event {
            Event::Ended(target) if self.style.show.shows(target) => match self.style.show {
                SweepShow::Alive | SweepShow::Unreachable => {
                    writeln!(streams.data, "{}", Address(target, self.style.has_several_ports))
                }
                SweepShow::Vectors => vector(target, streams.data),
                SweepShow::Summaries => summary(target, streams.data),
            },
            _ => Ok(()),
        }
    }
}

/// The address, or the target as typed where that alone is not enough; with its port, if that is wanted and there is one.
struct Address<'a>(&'a TargetSummary, bool);

impl fmt::Display for Address<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Address(target, with_port) = self;
        let port = target.port().filter(|_| *with_port);
        match (target.endpoint, &target.zone, port) {
            (Some(endpoint), None, None) => PlainAddress(endpoint.address).fmt(f),
            (Some(endpoint), None, port) => HostPort(&PlainAddress(endpoint.address).to_string(), port).fmt(f),
            (Some(_), Some(_), port) => HostPort(&escape(&target.address()), port).fmt(f),
            (None, ..) => f.write_str(&escape(target.name.as_deref().unwrap_or_default())),
        }
    }
}

/// The name as typed and its address, or whichever there is.
struct Head<'a>(&'a TargetSummary);

impl fmt::Display for Head<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An address with its zone is shown once.
        let name = self.0.name.as_deref().filter(|name| !name.contains('%') && self.0.endpoint.is_some());
        match name {
            Some(name) => write!(f, "{} ({})", escape(name), Address(self.0, true)),
            None => Address(self.0, true).fmt(f),
        }
    }
}

/// As fping's summary, with rare outcomes after it.
fn summary(target: &TargetSummary, out: &mut dyn Write) -> io::Result<()> {
    write!(out, "{} : ", Head(target))?;
    match (target.state, target.error) {
        (Some(State::Unresolved), _) => return writeln!(out, "no address"),
        (Some(State::Unknown), Some(error)) => return writeln!(out, "not sent: {error}"),
        (Some(State::Unknown), None) => return writeln!(out, "not sent"),
        (Some(state), _) => write!(out, "{}, ", state.name())?,
        (None, _) => {}
    }
    let counts = &target.counts;
    write!(out, "xmt/rcv/%loss = {}/{}/", counts.decided(), counts.received)?;
    match counts.loss_pct() {
        Some(loss) => write!(out, "{}%", general(loss))?,
        None => write!(out, "-")?,
    }
    if let Some(mean) = target.rtt.mean() {
        let time = |nanos| PingTime(Rtt::from_nanos(nanos));
        let (min, max) = (target.rtt.min(), target.rtt.max());
        write!(out, ", min/avg/max = {}/{}/{}", time(min), time(mean.round() as u64), time(max))?;
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
        write!(out, ", +{count} {what}")?;
    }
    out.write_all(b"\n")
}

/// As fping's vectors: the delay of each probe, or a hyphen.
fn vector(target: &TargetSummary, out: &mut dyn Write) -> io::Result<()> {
    write!(out, "{} :", Head(target))?;
    if target.delays.is_empty() {
        write!(out, " -")?;
    }
    for delay in &target.delays {
        match delay {
            Some(rtt) => write!(out, " {}", PingTime(*rtt))?,
            None => out.write_all(b" -")?,
        }
    }
    out.write_all(b"\n")
}
