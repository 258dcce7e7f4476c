//! rping's text: ping's (iputils), byte for byte where scripts look.

mod summary;

use std::collections::HashMap;
use std::fmt;
use std::io::{self, Write};
use std::net::IpAddr;

pub(super) use summary::interim;

use super::message::Message;
use super::number::PingTime;
use super::{Sink, Streams, escape};
use crate::channel::{ErrorOrigin, OsError, SocketKind};
use crate::ping::{ErrorEvent, Event, PayloadChange, Reply, SendFailed, SeriesId, Start, Unanswered};
use crate::types::{Family, Ident, Mtu, ProbeId, WallTime};

/// What the text is to look like. The default is that of a run without options.
#[derive(Clone, Debug)]
pub struct PingTextOptions {
    /// The program's name, before messages on stderr.
    pub program: Box<str>,
    /// Addresses alone, no names (`-n`).
    pub numeric: bool,
    /// Whether there is more than one target: lines then always tell which one they are about.
    pub several: bool,
    /// Headers and summaries only (`-q`).
    pub quiet: bool,
    /// `[sec.usec] ` before each line (`-D`).
    pub stamps: bool,
    /// A BEL for each reply (`-a`).
    pub audible: bool,
    /// Dots and backspaces instead of lines (`-f`).
    pub flood: bool,
    /// Whether replies set the pace (`-A`, `-f`, `-i 0`): the summary then tells `ipg/ewma`.
    pub adaptive: bool,
    /// More figures, on stderr (`-v`).
    pub verbose: bool,
    /// The fill that was asked for (`-p`).
    pub pattern: Option<Box<[u8]>>,
    /// The source to show in headers, if one was asked for (`-I`).
    pub from: Option<ShownSource>,
    /// Columns of the terminal: no more dots than that in flood mode.
    pub columns: u16,
}

impl Default for PingTextOptions {
    fn default() -> Self {
        PingTextOptions {
            program: "rping".into(),
            numeric: false,
            several: false,
            quiet: false,
            stamps: false,
            audible: false,
            flood: false,
            adaptive: false,
            verbose: false,
            pattern: None,
            from: None,
            columns: 80,
        }
    }
}

/// The source that was asked for with `-I`.
#[derive(Clone, Debug, Default)]
pub struct ShownSource {
    /// Its address, for series that do not know theirs.
    pub address: Option<IpAddr>,
    /// Its interface.
    pub device: Option<Box<str>>,
}

/// Writes the events of a ping run as text.
pub struct PingText {
    options: PingTextOptions,
    series: Vec<Option<Series>>,
    /// Reverse names, escaped.
    names: HashMap<IpAddr, Box<str>>,
    headed: bool,
}

impl PingText {
    /// A writer that has written nothing yet.
    pub fn new(options: PingTextOptions) -> Self {
        PingText { options, series: Vec::new(), names: HashMap::new(), headed: false }
    }

    fn start(&mut self, start: &Start, data: &mut dyn Write) -> io::Result<()> {
        let series = Series::new(start);
        if let Some(address) = series.address {
            self.header(start, &series, address, data)?;
        }
        let index = start.series.index();
        if self.series.len() <= index {
            self.series.resize_with(index + 1, || None);
        }
        if let Some(slot) = self.series.get_mut(index) {
            *slot = Some(series);
        }
        Ok(())
    }

    fn header(&mut self, start: &Start, series: &Series, address: IpAddr, data: &mut dyn Write) -> io::Result<()> {
        if let Some(pattern) = self.options.pattern.as_ref().filter(|_| !self.headed && !self.options.quiet) {
            write!(data, "PATTERN: 0x")?;
            for octet in pattern {
                write!(data, "{octet:02x}")?;
            }
            writeln!(data)?;
        }
        self.headed = true;
        write!(data, "PING {} ({address}{}) ", series.name, series.zone_of(address))?;
        let family = Family::of(address);
        if let Some(label) = start.flow_label.filter(|label| family == Family::V6 && label.get() != 0) {
            write!(data, ", flow 0x{:05x}, ", label.get())?;
        }
        if let Some(from) = &self.options.from {
            match start.source.or(from.address) {
                Some(source) => write!(data, "from {source} ")?,
                None => write!(data, "from ")?,
            }
            write!(data, "{}: ", escape(from.device.as_deref().unwrap_or_default()))?;
        }
        let octets = start.payload_octets;
        match family {
            // ICMP and IPv4 header.
            Family::V4 => writeln!(data, "{octets}({}) bytes of data.", octets + 8 + 20),
            Family::V6 => writeln!(data, "{octets} data bytes"),
        }
    }

    fn sent(&mut self, id: SeriesId, probe: ProbeId, data: &mut dyn Write) -> io::Result<()> {
        let options = &self.options;
        let Some(series) = series_mut(&mut self.series, id) else { return Ok(()) };
        series.newest = probe.get();
        if options.flood && !options.quiet && series.in_flight() < u64::from(options.columns) {
            data.write_all(b".")?;
        }
        Ok(())
    }

    fn reply(&mut self, reply: &Reply, data: &mut dyn Write) -> io::Result<()> {
        let Some(series) = series_mut(&mut self.series, reply.series) else { return Ok(()) };
        series.acknowledge(reply.probe);
        series.ident = Some(reply.ident);
        series.failure = None;
        if self.options.quiet {
            return Ok(());
        }
        if self.options.flood {
            let strokes: &[u8] = if reply.bad_checksum { b"\x08C" } else { b"\x08 \x08" };
            data.write_all(strokes)?;
            return self.bell(data);
        }
        let Some(series) = self.series(reply.series) else { return Ok(()) };
        self.stamp(reply.arrived, data)?;
        let peer = self.peer(series, reply.responder);
        write!(data, "{} bytes from {peer}: icmp_seq={}", reply.octets, reply.probe.sequence().get())?;
        if let Some(ttl) = reply.reply_ttl {
            write!(data, " ttl={}", ttl.get())?;
        }
        write!(data, " time={} ms", PingTime(reply.rtt))?;
        self.marks(series, reply, data)?;
        if self.options.several && series.address != Some(reply.responder) {
            self.sent_to(series, data)?;
        }
        if let Some(change) = &reply.payload_changed {
            wrong_data(change, data)?;
        }
        self.bell(data)?;
        writeln!(data)
    }

    /// What is special about a reply, in ping's order.
    fn marks(&self, series: &Series, reply: &Reply, data: &mut dyn Write) -> io::Result<()> {
        // Every member of a group answers: only the curious want that marked.
        let grouped = series.address.is_some_and(|address| address.is_multicast()) && !self.options.verbose;
        let marks = [
            (reply.duplicate && !grouped, " (DUP!)"),
            (reply.bad_checksum, " (BAD CHECKSUM!)"),
            (reply.wrong_source, " (DIFFERENT ADDRESS!)"),
            (reply.truncated, " (truncated)"),
        ];
        for (_, mark) in marks.iter().filter(|(applies, _)| *applies) {
            data.write_all(mark.as_bytes())?;
        }
        if reply.late && !marks.iter().any(|(applies, _)| *applies) {
            data.write_all(b" (late)")?;
        }
        Ok(())
    }

    fn error(&mut self, event: &ErrorEvent, streams: &mut Streams<'_>) -> io::Result<()> {
        let Some(series) = series_mut(&mut self.series, event.series) else { return Ok(()) };
        if !event.kind.is_advice() {
            series.acknowledge(event.probe);
        }
        if self.options.quiet {
            return Ok(());
        }
        let Some(series) = self.series(event.series) else { return Ok(()) };
        if event.origin == ErrorOrigin::Local {
            return match self.options.flood {
                true => streams.data.write_all(b"E"),
                false => self.complain(series, &LocalError { family: series.family(), mtu: event.mtu }, streams.talk),
            };
        }
        let data = &mut *streams.data;
        if self.options.flood {
            return if event.kind.is_advice() { Ok(()) } else { data.write_all(b"\x08E") };
        }
        self.stamp(event.arrived, data)?;
        match event.responder {
            Some(responder) => write!(data, "From {}", self.peer(series, responder))?,
            None => write!(data, "From ?")?,
        }
        // ping's two ways of hearing of errors write different lines; advice comes the one with the colon.
        let colon = if event.kind.is_advice() { ":" } else { "" };
        let family = event.responder.map_or(series.family(), Family::of);
        write!(data, "{colon} icmp_seq={} {}", event.probe.sequence().get(), Message { family, event })?;
        if self.options.several {
            write!(data, ",")?;
            self.sent_to(series, data)?;
        }
        writeln!(data)
    }

    fn no_answer_yet(&self, unanswered: &Unanswered, data: &mut dyn Write) -> io::Result<()> {
        let Some(series) = self.series(unanswered.series).filter(|_| !self.options.quiet) else { return Ok(()) };
        self.stamp(unanswered.at, data)?;
        write!(data, "no answer yet for icmp_seq={}", unanswered.probe.sequence().get())?;
        if self.options.several {
            self.sent_to(series, data)?;
        }
        writeln!(data)
    }

    fn send_failed(&mut self, failed: &SendFailed, streams: &mut Streams<'_>) -> io::Result<()> {
        if self.options.quiet {
            return Ok(());
        }
        if self.options.flood {
            return streams.data.write_all(b"E");
        }
        let Some(series) = series_mut(&mut self.series, failed.series) else { return Ok(()) };
        let failure = (failed.error, failed.mtu);
        if series.failure.replace(failure) == Some(failure) {
            return Ok(());
        }
        let Some(series) = self.series(failed.series) else { return Ok(()) };
        if failed.error == OsError::EMSGSIZE && failed.mtu.is_some() {
            return self.complain(series, &LocalError { family: series.family(), mtu: failed.mtu }, streams.talk);
        }
        self.complain(series, &format_args!("sendmsg: {}", failed.error), streams.talk)
    }

    fn complain(&self, series: &Series, what: &dyn fmt::Display, talk: &mut dyn Write) -> io::Result<()> {
        write!(talk, "{}: ", self.options.program)?;
        if self.options.several {
            write!(talk, "{}: ", series.name)?;
        }
        writeln!(talk, "{what}")
    }

    fn stamp(&self, at: WallTime, data: &mut dyn Write) -> io::Result<()> {
        if !self.options.stamps {
            return Ok(());
        }
        let micros = at.as_nanos() / 1000;
        write!(data, "[{}.{:06}] ", micros / 1_000_000, micros % 1_000_000)
    }

    fn bell(&self, data: &mut dyn Write) -> io::Result<()> {
        if self.options.audible { data.write_all(b"\x07") } else { Ok(()) }
    }

    fn sent_to(&self, series: &Series, data: &mut dyn Write) -> io::Result<()> {
        match series.address {
            Some(address) => write!(data, " sent to {}", self.peer(series, address)),
            None => Ok(()),
        }
    }

    fn series(&self, id: SeriesId) -> Option<&Series> {
        self.series.get(id.index())?.as_ref()
    }

    fn peer<'a>(&'a self, series: &'a Series, address: IpAddr) -> Peer<'a> {
        let is_target = series.address == Some(address);
        let name = match self.names.get(&address) {
            _ if self.options.numeric => None,
            Some(name) => Some(&**name),
            None if is_target && (!series.numeric || self.options.several) => Some(&*series.name),
            None => None,
        };
        Peer { name, address, zone: series.zone_of(address) }
    }
}

impl Sink<Event> for PingText {
    fn event(&mut self, event: &Event, streams: &mut Streams<'_>) -> io::Result<()> {
        match event {
            Event::Start(start) => self.start(start, streams.data),
            Event::Named { address, name } => {
                self.names.insert(*address, escape(name).into());
                Ok(())
            }
            Event::Sent { series, probe } => self.sent(*series, *probe, streams.data),
            Event::Reply(reply) => self.reply(reply, streams.data),
            Event::Error(error) => self.error(error, streams),
            Event::NoAnswerYet(unanswered) => self.no_answer_yet(unanswered, streams.data),
            Event::SendFailed(failed) => self.send_failed(failed, streams),
            Event::Interim(figures) => figures.iter().try_for_each(|figures| {
                let series = self.series(figures.series).filter(|_| self.options.several);
                interim(figures, series.map(|series| &*series.name), streams.talk)
            }),
            Event::Summary(summary) => match self.series(summary.series) {
                Some(series) => summary::write(&self.options, series, summary, streams),
                None => Ok(()),
            },
            Event::NameWanted(_) | Event::Timeout(_) => Ok(()),
        }
    }
}

fn series_mut(series: &mut [Option<Series>], id: SeriesId) -> Option<&mut Series> {
    series.get_mut(id.index())?.as_mut()
}

/// What lines say about a target, and what of earlier lines matters to later ones.
struct Series {
    /// Escaped.
    name: Box<str>,
    address: Option<IpAddr>,
    /// Typed as an address.
    numeric: bool,
    /// `%` and the interface, for addresses that mean something only there (RFC 4007 §11); else empty.
    zone: Box<str>,
    socket: Option<SocketKind>,
    /// As seen on the wire.
    ident: Option<Ident>,
    /// Why the last probe could not be sent.
    failure: Option<(OsError, Option<Mtu>)>,
    /// Number of the newest probe, and of the newest that was answered.
    newest: u64,
    acknowledged: u64,
}

impl Series {
    fn new(start: &Start) -> Self {
        let zone = match start.target.rsplit_once('%') {
            Some((_, interface)) if start.numeric => format!("%{}", escape(interface)),
            _ if start.zone != 0 => format!("%{}", start.zone),
            _ => String::new(),
        };
        Series {
            name: escape(&start.name).into(),
            address: start.address,
            numeric: start.numeric,
            zone: zone.into(),
            socket: start.socket,
            ident: None,
            failure: None,
            newest: 0,
            acknowledged: 0,
        }
    }

    fn family(&self) -> Family {
        self.address.map_or(Family::V4, Family::of)
    }

    fn zone_of(&self, address: IpAddr) -> &str {
        match address {
            IpAddr::V6(v6) if v6.is_unicast_link_local() || has_local_scope(v6.octets()) => &self.zone,
            _ => "",
        }
    }

    fn acknowledge(&mut self, probe: ProbeId) {
        self.acknowledged = self.acknowledged.max(probe.get());
    }

    /// As ping counts them: what was sent behind the newest answer.
    fn in_flight(&self) -> u64 {
        self.newest.saturating_sub(self.acknowledged)
    }
}

/// Whether an IPv6 address is a group of interface-local or link-local scope (RFC 4291 §2.7).
fn has_local_scope(octets: [u8; 16]) -> bool {
    matches!(octets, [0xff, flags_and_scope, ..] if matches!(flags_and_scope & 0x0f, 1 | 2))
}

/// `NAME (ADDRESS)` or `ADDRESS`.
struct Peer<'a> {
    name: Option<&'a str>,
    address: IpAddr,
    zone: &'a str,
}

impl fmt::Display for Peer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name {
            Some(name) => write!(f, "{name} ({}{})", self.address, self.zone),
            None => write!(f, "{}{}", self.address, self.zone),
        }
    }
}

/// What ping says when this host itself finds that a packet cannot leave.
struct LocalError {
    family: Family,
    mtu: Option<Mtu>,
}

impl fmt::Display for LocalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.mtu, self.family) {
            (Some(mtu), Family::V4) => write!(f, "local error: message too long, mtu={}", mtu.get()),
            (Some(mtu), Family::V6) => write!(f, "local error: message too long, mtu: {}", mtu.get()),
            (None, _) => f.write_str("local error"),
        }
    }
}

/// The first octet that differs, and the whole payload in rows of 32 octets, as ping dumps it: without the first 16
/// octets, which differ from probe to probe, unless the difference lies there.
fn wrong_data(change: &PayloadChange, data: &mut dyn Write) -> io::Result<()> {
    let PayloadChange { index, expected, found, payload } = change;
    write!(data, "\nwrong data byte #{index} should be 0x{expected:x} but was 0x{found:x}")?;
    let first = if *index < 16 { 0 } else { 16 };
    for (row, octets) in payload.get(first..).unwrap_or_default().chunks(32).enumerate() {
        write!(data, "\n#{}\t", first + row * 32)?;
        for octet in octets {
            write!(data, "{octet:x} ")?;
        }
    }
    Ok(())
}
