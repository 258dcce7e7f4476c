//! rping's text: ping's (iputils), byte for byte where scripts look.

mod series;
mod service;
mod summary;

use std::collections::HashMap;
use std::fmt;
use std::io::{self, Write};
use std::net::IpAddr;

use series::{From, Peer, Series};
use service::{Aim, SILENCE};
pub(in crate::report) use summary::interim;

use crate::channel::{ErrorOrigin, OsError};
use crate::ping::{
    ErrorEvent, Event, MethodKind, PayloadChange, Reply, SendFailed, SeriesId, Start, State, Summary, Unanswered,
};
use crate::report::words::message::{Message, local_error};
use crate::report::words::number::PingTime;
use crate::report::{Sink, Streams, escape};
use crate::types::{Family, Mtu, ProbeId, StampSource, WallTime};
use crate::wire::icmp::ErrorKind;

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
    /// Whether it was said what silence over UDP means.
    silence_explained: bool,
}

impl PingText {
    /// A writer that has written nothing yet.
    pub fn new(options: PingTextOptions) -> Self {
        PingText { options, series: Vec::new(), names: HashMap::new(), headed: false, silence_explained: false }
    }

    fn summary(&mut self, summary: &Summary, streams: &mut Streams<'_>) -> io::Result<()> {
        let Some(series) = self.series(summary.series) else { return Ok(()) };
        let silent = series.method == MethodKind::Udp && summary.state == Some(State::NoAnswer);
        summary::write(&self.options, series, summary, streams)?;
        if silent && !self.silence_explained {
            self.silence_explained = true;
            writeln!(streams.data, "{SILENCE}")?;
        }
        Ok(())
    }

    fn start(&mut self, start: &Start, data: &mut dyn Write) -> io::Result<()> {
        let device = self.options.from.as_ref().and_then(|from| from.device.as_deref());
        let series = Series::new(start, device);
        match series.address {
            Some(address) => self.header(start, &series, address, data)?,
            None if start.method == MethodKind::Unix => writeln!(data, "PING {} {}", series.name, Aim(start))?,
            None => {}
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
        if let Some(pattern) = self
            .options
            .pattern
            .as_ref()
            .filter(|_| start.method == MethodKind::Icmp)
            .filter(|_| !self.headed && !self.options.quiet)
        {
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
            _ if start.method != MethodKind::Icmp => writeln!(data, "{}", Aim(start)),
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

    fn reply(&mut self, reply: &Reply, streams: &mut Streams<'_>) -> io::Result<()> {
        let data = &mut *streams.data;
        let Some(series) = series_mut(&mut self.series, reply.series) else { return Ok(()) };
        series.acknowledge(reply.probe);
        series.ident = reply.ident;
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
        let Some(responder) = reply.responder.filter(|_| series.method == MethodKind::Icmp) else {
            self.service_reply(series, reply, data)?;
            // Where no clock but our own timed it, the line says all there is.
            let more = self.options.verbose && reply.stamp != StampSource::User;
            return if more { self.complain(series, &Delays(series, reply), streams.talk) } else { Ok(()) };
        };
        self.stamp(reply.arrived, data)?;
        let peer = self.peer(series, responder);
        write!(data, "{} bytes from {peer}: icmp_seq={}", reply.octets, reply.probe.sequence().get())?;
        if let Some(ttl) = reply.reply_ttl {
            write!(data, " ttl={}", ttl.get())?;
        }
        write!(data, " time={} ms", PingTime(reply.rtt))?;
        self.marks(series, reply, data)?;
        if self.options.several && series.address != reply.responder {
            self.sent_to(series, data)?;
        }
        if let Some(change) = &reply.payload_changed {
            wrong_data(change, data)?;
        }
        self.bell(data)?;
        writeln!(data)?;
        if self.options.verbose { self.complain(series, &Delays(series, reply), streams.talk) } else { Ok(()) }
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
            let said = LocalError { family: series.family(), kind: event.kind, mtu: event.mtu };
            return match self.options.flood {
                true => streams.data.write_all(b"E"),
                false => self.complain(series, &said, streams.talk),
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
        match series.method {
            MethodKind::Icmp => write!(data, "{colon} icmp_seq={}", event.probe.sequence().get())?,
            method => write!(data, "{colon} {}_seq={} state=unreachable", method.name(), event.probe.get())?,
        }
        write!(data, " {}", Message { family, event })?;
        if self.options.several {
            write!(data, ",")?;
            self.sent_to(series, data)?;
        }
        writeln!(data)
    }

    fn no_answer_yet(&self, unanswered: &Unanswered, data: &mut dyn Write) -> io::Result<()> {
        let Some(series) = self.series(unanswered.series).filter(|_| !self.options.quiet) else { return Ok(()) };
        self.stamp(unanswered.at, data)?;
        match series.method {
            MethodKind::Icmp => write!(data, "no answer yet for icmp_seq={}", unanswered.probe.sequence().get())?,
            method => write!(data, "no answer yet for {}_seq={}", method.name(), unanswered.probe.get())?,
        }
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
            let said = LocalError { family: series.family(), kind: ErrorKind::TooBig, mtu: failed.mtu };
            return self.complain(series, &said, streams.talk);
        }
        if series.method == MethodKind::Icmp {
            return self.complain(series, &format_args!("sendmsg: {}", failed.error), streams.talk);
        }
        let name = failed.error.name().unwrap_or("unknown error");
        self.complain(series, &format_args!("not sent: {} ({name})", failed.error), streams.talk)
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
            Some(address) => write!(data, " sent to {}", self.where_from(series, Some(address), series.port)),
            None => Ok(()),
        }
    }

    fn series(&self, id: SeriesId) -> Option<&Series> {
        self.series.get(id.index())?.as_ref()
    }

    fn series_mut(&mut self, id: SeriesId) -> Option<&mut Series> {
        series_mut(&mut self.series, id)
    }

    /// Who something comes from, with the port.
    fn where_from<'a>(&'a self, series: &'a Series, address: Option<IpAddr>, port: Option<u16>) -> From<'a> {
        From { name: &series.name, peer: address.map(|address| self.peer(series, address)), port }
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
            Event::Reply(reply) => self.reply(reply, streams),
            Event::Error(error) => self.error(error, streams),
            Event::NoAnswerYet(unanswered) => self.no_answer_yet(unanswered, streams.data),
            Event::SendFailed(failed) => self.send_failed(failed, streams),
            Event::Interim(figures) => figures.iter().try_for_each(|figures| {
                let series = self.series(figures.series).filter(|_| self.options.several);
                interim(figures, series.map(|series| &*series.name), streams.talk)
            }),
            Event::Summary(summary) => self.summary(summary, streams),
            Event::Refused(refusal) => self.refused(refusal, streams.data),
            Event::Timeout(unanswered) => self.silence(unanswered, streams.data),
            Event::NameWanted(_) => Ok(()),
        }
    }
}

/// The series with this number, if it has started.
fn series_mut(series: &mut [Option<Series>], id: SeriesId) -> Option<&mut Series> {
    series.get_mut(id.index())?.as_mut()
}

/// What ping says when this host itself finds that a packet cannot leave.
struct LocalError {
    family: Family,
    kind: ErrorKind,
    mtu: Option<Mtu>,
}

impl fmt::Display for LocalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("local error")?;
        match (self.mtu, self.family, local_error(self.kind)) {
            (Some(mtu), Family::V4, _) => write!(f, ": message too long, mtu={}", mtu.get()),
            (Some(mtu), Family::V6, _) => write!(f, ": message too long, mtu: {}", mtu.get()),
            (None, _, Some(error)) => write!(f, ": {error}"),
            (None, _, None) => Ok(()),
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

/// The delay of one reply by every clock that has it.
struct Delays<'a>(&'a Series, &'a Reply);

impl fmt::Display for Delays<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Delays(series, reply) = self;
        let number = match series.method {
            MethodKind::Icmp => reply.probe.sequence().get().into(),
            _ => reply.probe.get(),
        };
        write!(f, "{}_seq={number}: ", series.method.name())?;
        if reply.stamp != StampSource::User {
            write!(f, "{} {}, ", reply.stamp.name(), reply.rtt)?;
        }
        write!(f, "user {}", reply.user_rtt)?;
        reply.local_queue.map_or(Ok(()), |queue| write!(f, ", local queue {queue}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ping::Counts;
    use crate::report::fixture::{self, WHEN, address, error, reply, series, start, summary, written};
    use crate::types::{FlowLabel, Rtt, Ttl};

    fn begin(start: Start) -> Event {
        Event::Start(Box::new(start))
    }

    fn replied(reply: Reply) -> Event {
        Event::Reply(Box::new(reply))
    }

    fn failed(error: ErrorEvent) -> Event {
        Event::Error(Box::new(error))
    }

    fn unanswered(probe: u64) -> Event {
        let at = WallTime::from_nanos(WHEN);
        Event::NoAnswerYet(Unanswered { probe: ProbeId::new(probe), sent: at, at, ..fixture::unanswered() })
    }

    fn not_sent(probe: u64, error: OsError, mtu: Option<u32>) -> Event {
        let (probe, at, mtu) = (ProbeId::new(probe), WallTime::from_nanos(WHEN), mtu.and_then(Mtu::new));
        Event::SendFailed(SendFailed { series: series(0), probe, at, error, mtu })
    }

    fn text(options: PingTextOptions, events: &[Event]) -> (String, String) {
        written(&mut PingText::new(options), events)
    }

    fn header(options: PingTextOptions, start: Start) -> String {
        text(options, &[begin(start)]).0
    }

    /// What stands behind the header of a series for a numeric target.
    fn lines(options: PingTextOptions, events: Vec<Event>) -> String {
        let mut all = vec![begin(start("198.51.100.9", "198.51.100.9"))];
        all.extend(events);
        let (data, talk) = text(options, &all);
        assert_eq!(talk, "");
        data.split_once('\n').map(|(_, rest)| rest.to_owned()).expect("a header")
    }

    fn line(reply: Reply) -> String {
        lines(PingTextOptions::default(), vec![replied(reply)])
    }

    fn from(address_text: Option<&str>, device: Option<&str>) -> Option<ShownSource> {
        Some(ShownSource { address: address_text.map(address), device: device.map(Into::into) })
    }

    #[test]
    fn headers_are_pings() {
        let plain = PingTextOptions::default;
        assert_eq!(
            header(plain(), start("example.org", "198.51.100.9")),
            "PING example.org (198.51.100.9) 56(84) bytes of data.\n"
        );
        assert_eq!(header(plain(), start("::1", "::1")), "PING ::1 (::1) 56 data bytes\n");
        let sized = Start { payload_octets: 0, ..start("127.0.0.1", "127.0.0.1") };
        assert_eq!(header(plain(), sized), "PING 127.0.0.1 (127.0.0.1) 0(28) bytes of data.\n");
        let typed = Start { name: "canonical.example".into(), ..start("alias", "198.51.100.9") };
        assert_eq!(header(plain(), typed), "PING canonical.example (198.51.100.9) 56(84) bytes of data.\n");
    }

    #[test]
    fn headers_show_the_source_that_was_asked_for() {
        let asked = |from| PingTextOptions { from, ..PingTextOptions::default() };
        let v4 = || start("10.9.2.2", "10.9.2.2");
        assert_eq!(
            header(asked(from(None, Some("a0"))), v4()),
            "PING 10.9.2.2 (10.9.2.2) from 192.0.2.1 a0: 56(84) bytes of data.\n"
        );
        assert_eq!(
            header(asked(from(Some("192.0.2.1"), None)), v4()),
            "PING 10.9.2.2 (10.9.2.2) from 192.0.2.1 : 56(84) bytes of data.\n"
        );
        let unknown = Start { source: None, ..v4() };
        assert_eq!(
            header(asked(from(Some("192.0.2.7"), None)), unknown),
            "PING 10.9.2.2 (10.9.2.2) from 192.0.2.7 : 56(84) bytes of data.\n"
        );
        let v6 = Start { source: Some(address("::1")), flow_label: FlowLabel::new(0x1a2b), ..start("::1", "::1") };
        assert_eq!(
            header(asked(from(None, Some("lo"))), v6),
            "PING ::1 (::1) , flow 0x01a2b, from ::1 lo: 56 data bytes\n"
        );
    }

    #[test]
    fn the_pattern_is_told_once_before_the_first_header() {
        let options = PingTextOptions { pattern: Some(Box::new([0xff, 0x00, 0x12])), ..PingTextOptions::default() };
        let targets = [begin(start("127.0.0.1", "127.0.0.1")), begin(start("127.0.0.2", "127.0.0.2"))];
        assert_eq!(
            text(options.clone(), &targets).0,
            "PATTERN: 0xff0012\nPING 127.0.0.1 (127.0.0.1) 56(84) bytes of data.\n\
             PING 127.0.0.2 (127.0.0.2) 56(84) bytes of data.\n"
        );
        let quiet = PingTextOptions { quiet: true, ..options };
        assert!(text(quiet, &targets).0.starts_with("PING"));
    }

    #[test]
    fn a_link_local_target_keeps_its_zone() {
        let target = Start { zone: 2, numeric: true, ..start("fe80::9%eth0", "fe80::9") };
        let answer = Reply { responder: Some(address("fe80::9")), ..reply() };
        let router = ErrorEvent { responder: Some(address("2001:db8::1")), icmp_type: 1, icmp_code: 3, ..error() };
        let (data, _) = text(PingTextOptions::default(), &[begin(target), replied(answer), failed(router)]);
        assert_eq!(
            data,
            "PING fe80::9%eth0 (fe80::9%eth0) 56 data bytes\n\
             64 bytes from fe80::9%eth0: icmp_seq=1 ttl=57 time=0.123 ms\n\
             From 2001:db8::1 icmp_seq=1 Destination unreachable: Address unreachable\n"
        );
        let named = Start { zone: 2, ..start("printer.local", "fe80::9") };
        assert_eq!(header(PingTextOptions::default(), named), "PING printer.local (fe80::9%2) 56 data bytes\n");
        let bound = Start { zone: 2, numeric: true, ..start("fe80::9", "fe80::9") };
        let options = PingTextOptions { from: from(None, Some("eth0")), ..PingTextOptions::default() };
        let (data, _) =
            text(options, &[begin(bound), replied(Reply { responder: Some(address("fe80::9")), ..reply() })]);
        assert!(data.starts_with("PING fe80::9 (fe80::9%eth0) from "), "{data}");
        assert!(data.ends_with("64 bytes from fe80::9%eth0: icmp_seq=1 ttl=57 time=0.123 ms\n"), "{data}");
    }

    #[test]
    fn a_numeric_target_is_shown_by_address_and_a_named_one_by_both() {
        let numeric = "64 bytes from 198.51.100.9: icmp_seq=1 ttl=57 time=0.123 ms\n";
        let named = "64 bytes from example.org (198.51.100.9): icmp_seq=1 ttl=57 time=0.123 ms\n";
        assert_eq!(line(reply()), numeric);
        let events = [begin(start("example.org", "198.51.100.9")), replied(reply())];
        assert!(text(PingTextOptions::default(), &events).0.ends_with(named));
        let options = PingTextOptions { numeric: true, ..PingTextOptions::default() };
        let (data, _) = text(options, &events);
        assert_eq!(data, format!("PING example.org (198.51.100.9) 56(84) bytes of data.\n{numeric}"));
    }

    #[test]
    fn reverse_names_are_shown_escaped_from_when_they_are_known() {
        let name = Event::Named { address: address("203.0.113.1"), name: "gw\u{1b}[2J\u{202e}".into() };
        assert_eq!(
            lines(PingTextOptions::default(), vec![failed(error()), name, failed(error())]),
            "From 203.0.113.1 icmp_seq=1 Destination Host Unreachable\n\
             From gw\\u{1b}[2J\\u{202e} (203.0.113.1) icmp_seq=1 Destination Host Unreachable\n"
        );
    }

    #[test]
    fn sizes_and_times_follow_the_reply() {
        let wide = Reply { octets: 1008, rtt: Rtt::from_nanos(12_345_678), reply_ttl: Some(Ttl::new(255)), ..reply() };
        assert_eq!(line(wide), "1008 bytes from 198.51.100.9: icmp_seq=1 ttl=255 time=12.3 ms\n");
        let tiny = Reply { octets: 8, rtt: Rtt::from_nanos(1_500_000_000), reply_ttl: None, ..reply() };
        assert_eq!(line(tiny), "8 bytes from 198.51.100.9: icmp_seq=1 time=1500 ms\n");
        let wrapped = Reply { probe: ProbeId::new(65_537), ..reply() };
        assert!(line(wrapped).contains("icmp_seq=1 "));
    }

    #[test]
    fn marks_stand_in_pings_order_and_late_only_alone() {
        let stem = "64 bytes from 198.51.100.9: icmp_seq=1 ttl=57 time=0.123 ms";
        let marked = Reply { duplicate: true, bad_checksum: true, wrong_source: true, truncated: true, ..reply() };
        let all = " (DUP!) (BAD CHECKSUM!) (DIFFERENT ADDRESS!) (truncated)";
        assert_eq!(line(marked.clone()), format!("{stem}{all}\n"));
        assert_eq!(line(Reply { late: true, ..marked }), format!("{stem}{all}\n"));
        assert_eq!(line(Reply { late: true, ..reply() }), format!("{stem} (late)\n"));
        assert_eq!(line(Reply { reordered: true, ..reply() }), format!("{stem}\n"));
    }

    #[test]
    fn a_group_has_many_members_and_no_duplicates_unless_asked() {
        let group = || vec![begin(start("224.0.0.1", "224.0.0.1")), replied(Reply { duplicate: true, ..reply() })];
        assert!(!text(PingTextOptions::default(), &group()).0.contains("DUP"));
        let verbose = PingTextOptions { verbose: true, ..PingTextOptions::default() };
        assert!(text(verbose, &group()).0.ends_with("time=0.123 ms (DUP!)\n"));
    }

    fn changed(index: usize, octets: usize) -> Reply {
        let mut payload: Vec<u8> = (0..=255).cycle().take(octets).collect();
        payload[index] = 0xff;
        let change = PayloadChange { index, expected: index as u8, found: 0xff, payload: payload.into() };
        Reply { payload_changed: Some(Box::new(change)), ..reply() }
    }

    #[test]
    fn wrong_data_is_dumped_as_ping_does() {
        assert_eq!(
            line(changed(40, 56)),
            "64 bytes from 198.51.100.9: icmp_seq=1 ttl=57 time=0.123 ms\n\
             wrong data byte #40 should be 0x28 but was 0xff\n\
             #16\t10 11 12 13 14 15 16 17 18 19 1a 1b 1c 1d 1e 1f 20 21 22 23 24 25 26 27 ff 29 2a 2b 2c 2d 2e 2f \n\
             #48\t30 31 32 33 34 35 36 37 \n"
        );
    }

    #[test]
    fn wrong_data_in_the_cookie_is_in_the_dump() {
        assert_eq!(
            line(changed(2, 5)).lines().skip(1).collect::<Vec<_>>(),
            ["wrong data byte #2 should be 0x2 but was 0xff", "#0\t0 1 ff 3 4 "]
        );
    }

    #[test]
    fn stamps_tell_seconds_and_microseconds_of_the_arrival() {
        let options = PingTextOptions { stamps: true, ..PingTextOptions::default() };
        assert_eq!(
            lines(options, vec![replied(reply()), failed(error()), unanswered(7)]),
            "[1795333633.000124] 64 bytes from 198.51.100.9: icmp_seq=1 ttl=57 time=0.123 ms\n\
             [1795333633.001201] From 203.0.113.1 icmp_seq=1 Destination Host Unreachable\n\
             [1795333633.000001] no answer yet for icmp_seq=7\n"
        );
    }

    #[test]
    fn advice_has_pings_colon_and_names_the_gateway() {
        let gateway = Some(address("203.0.113.254"));
        let redirect = ErrorEvent { kind: ErrorKind::Redirect, icmp_type: 5, icmp_code: 1, gateway, ..error() };
        let quench = ErrorEvent { kind: ErrorKind::SourceQuench, icmp_type: 4, icmp_code: 0, ..error() };
        assert_eq!(
            lines(PingTextOptions::default(), vec![failed(redirect), failed(quench)]),
            "From 203.0.113.1: icmp_seq=1 Redirect Host(New nexthop: 203.0.113.254)\n\
             From 203.0.113.1: icmp_seq=1 Source Quench\n"
        );
    }

    #[test]
    fn an_answer_that_is_awaited_is_named_by_its_wrapped_sequence() {
        assert_eq!(
            lines(PingTextOptions::default(), vec![unanswered(3), unanswered(65_536), unanswered(65_537)]),
            "no answer yet for icmp_seq=3\nno answer yet for icmp_seq=0\nno answer yet for icmp_seq=1\n"
        );
    }

    #[test]
    fn local_errors_are_talk() {
        let local = |kind, mtu| {
            let (origin, responder, mtu) = (ErrorOrigin::Local, None, Mtu::new(mtu));
            failed(ErrorEvent { origin, responder, kind, mtu, icmp_type: 0, icmp_code: 0, ..error() })
        };
        let said = |target, kind, mtu| {
            let (data, talk) = text(PingTextOptions::default(), &[begin(start(target, target)), local(kind, mtu)]);
            assert_eq!(data.lines().count(), 1);
            talk
        };
        let too_big = ErrorKind::TooBig;
        assert_eq!(said("192.0.2.9", too_big, 1500), "rping: local error: message too long, mtu=1500\n");
        assert_eq!(said("2001:db8::9", too_big, 1500), "rping: local error: message too long, mtu: 1500\n");
        assert_eq!(said("192.0.2.9", too_big, 0), "rping: local error: Message too long\n");
        assert_eq!(said("192.0.2.9", ErrorKind::NetUnreachable, 0), "rping: local error: Network is unreachable\n");
        assert_eq!(said("192.0.2.9", ErrorKind::HostUnreachable, 0), "rping: local error: No route to host\n");
        assert_eq!(said("192.0.2.9", ErrorKind::Prohibited, 0), "rping: local error: Permission denied\n");
        assert_eq!(said("192.0.2.9", ErrorKind::Unknown, 0), "rping: local error\n");
    }

    #[test]
    fn a_send_failure_is_said_once_until_it_changes() {
        let target = || start("192.0.2.9", "192.0.2.9");
        let unreach = |probe| not_sent(probe, OsError::ENETUNREACH, None);
        let (data, talk) = text(
            PingTextOptions::default(),
            &[begin(target()), unreach(1), unreach(2), not_sent(3, OsError::EPERM, None), unreach(4), unreach(5)],
        );
        assert_eq!(data.lines().count(), 1);
        assert_eq!(
            talk,
            "rping: sendmsg: Network is unreachable\nrping: sendmsg: Operation not permitted\n\
             rping: sendmsg: Network is unreachable\n"
        );
        let (_, talk) = text(
            PingTextOptions::default(),
            &[begin(target()), unreach(1), replied(Reply { probe: ProbeId::new(2), ..reply() }), unreach(3)],
        );
        assert_eq!(talk.lines().count(), 2);
        let too_long = not_sent(1, OsError::EMSGSIZE, Some(1500));
        let (_, talk) = text(PingTextOptions::default(), &[begin(target()), too_long]);
        assert_eq!(talk, "rping: local error: message too long, mtu=1500\n");
        let unstated = not_sent(1, OsError::EMSGSIZE, None);
        let (_, talk) = text(PingTextOptions::default(), &[begin(target()), unstated]);
        assert_eq!(talk, "rping: sendmsg: Message too long\n");
    }

    #[test]
    fn every_reply_rings_when_asked() {
        let audible = PingTextOptions { audible: true, ..PingTextOptions::default() };
        let (data, _) = text(audible.clone(), &[begin(start("::1", "::1")), replied(reply()), unanswered(2)]);
        assert!(data.contains("time=0.123 ms\x07\nno answer"));
        assert_eq!(lines(PingTextOptions { quiet: true, ..audible }, vec![replied(reply())]), "");
    }

    #[test]
    fn quiet_leaves_header_and_summary() {
        let options = PingTextOptions { quiet: true, stamps: true, ..PingTextOptions::default() };
        let events = [
            begin(start("::1", "::1")),
            replied(reply()),
            failed(error()),
            unanswered(2),
            not_sent(3, OsError::EPERM, None),
        ];
        assert_eq!(text(options, &events), ("PING ::1 (::1) 56 data bytes\n".to_owned(), String::new()));
    }

    fn sent(probe: u64) -> Event {
        Event::Sent { series: series(0), probe: ProbeId::new(probe) }
    }

    #[test]
    fn flood_is_dots_and_backspaces() {
        let flood = PingTextOptions { flood: true, ..PingTextOptions::default() };
        let local = ErrorEvent { origin: ErrorOrigin::Local, responder: None, ..error() };
        let advice = ErrorEvent { kind: ErrorKind::Redirect, icmp_type: 5, ..error() };
        let events = vec![
            sent(1),
            replied(reply()),
            sent(2),
            failed(error()),
            failed(advice),
            sent(3),
            replied(Reply { bad_checksum: true, ..reply() }),
            failed(local),
            not_sent(4, OsError::ENOBUFS, None),
        ];
        assert_eq!(lines(flood.clone(), events.clone()), ".\x08 \x08.\x08E.\x08CEE");
        assert_eq!(lines(PingTextOptions { quiet: true, ..flood }, events.clone()), "");
        assert!(!lines(PingTextOptions::default(), vec![sent(1)]).contains('.'));
    }

    #[test]
    fn flood_draws_no_more_dots_than_the_terminal_has_columns() {
        let narrow = PingTextOptions { flood: true, columns: 3, ..PingTextOptions::default() };
        let mut events: Vec<Event> = (1..=5).map(sent).collect();
        events.push(replied(Reply { probe: ProbeId::new(5), ..reply() }));
        events.push(sent(6));
        assert_eq!(lines(narrow, events), "..\x08 \x08.");
    }

    #[test]
    fn with_several_targets_every_line_tells_which() {
        let options = PingTextOptions { several: true, ..PingTextOptions::default() };
        let other = Start { series: series(1), ..start("203.0.113.7", "203.0.113.7") };
        let elsewhere = Reply { responder: Some(address("198.51.100.10")), wrong_source: true, ..reply() };
        let of_other = Reply { series: series(1), responder: Some(address("203.0.113.7")), ..reply() };
        let events = [
            begin(start("example.org", "198.51.100.9")),
            begin(other),
            replied(reply()),
            replied(of_other),
            replied(elsewhere),
            failed(error()),
            unanswered(2),
            not_sent(3, OsError::ENETUNREACH, None),
        ];
        let (data, talk) = text(options.clone(), &events);
        assert_eq!(
            data,
            "PING example.org (198.51.100.9) 56(84) bytes of data.\n\
             PING 203.0.113.7 (203.0.113.7) 56(84) bytes of data.\n\
             64 bytes from example.org (198.51.100.9): icmp_seq=1 ttl=57 time=0.123 ms\n\
             64 bytes from 203.0.113.7 (203.0.113.7): icmp_seq=1 ttl=57 time=0.123 ms\n\
             64 bytes from 198.51.100.10: icmp_seq=1 ttl=57 time=0.123 ms (DIFFERENT ADDRESS!) sent to example.org (198.51.100.9)\n\
             From 203.0.113.1 icmp_seq=1 Destination Host Unreachable, sent to example.org (198.51.100.9)\n\
             no answer yet for icmp_seq=2 sent to example.org (198.51.100.9)\n"
        );
        assert_eq!(talk, "rping: example.org: sendmsg: Network is unreachable\n");
        let (numeric, _) = text(PingTextOptions { numeric: true, ..options }, &events);
        assert!(numeric.contains("64 bytes from 203.0.113.7: icmp_seq=1"));
        assert!(numeric.contains("Unreachable, sent to 198.51.100.9\n"));
    }

    #[test]
    fn what_silence_over_udp_means_is_said_once_in_a_run() {
        let begun = |index| {
            let method = MethodKind::Udp;
            begin(Start { series: series(index), method, ..start("192.0.2.9", "192.0.2.9") })
        };
        let silent = |index| {
            let counts = Counts { sent: 1, lost: 1, ..Counts::default() };
            let state = Some(State::NoAnswer);
            Event::Summary(Box::new(Summary { series: series(index), counts, state, rtt: None, ..summary() }))
        };
        let (data, talk) = text(PingTextOptions::default(), &[begun(0), begun(1), silent(0), silent(1)]);
        assert_eq!((data.matches(SILENCE).count(), talk.as_str()), (1, ""));
        let (data, _) = text(PingTextOptions::default(), &[begun(0), Event::Summary(Box::new(summary()))]);
        assert!(!data.contains(SILENCE));
    }

    #[test]
    fn events_of_a_series_that_never_started_are_nothing_to_tell() {
        let stray = [replied(reply()), failed(error()), unanswered(1), Event::Summary(Box::new(summary())), sent(1)];
        assert_eq!(text(PingTextOptions::default(), &stray), (String::new(), String::new()));
    }

    #[test]
    fn a_run_reads_as_pings() {
        let events = [
            begin(start("::1", "::1")),
            replied(Reply { responder: Some(address("::1")), reply_ttl: Some(Ttl::new(64)), ..reply() }),
            Event::Summary(Box::new(summary())),
        ];
        assert_eq!(
            text(PingTextOptions::default(), &events).0,
            "PING ::1 (::1) 56 data bytes\n\
             64 bytes from ::1: icmp_seq=1 ttl=64 time=0.123 ms\n\
             \n\
             --- ::1 ping statistics ---\n\
             3 packets transmitted, 3 received, 0% packet loss, time 2003ms\n\
             rtt min/avg/max/mdev = 0.033/0.037/0.040/0.003 ms\n"
        );
    }
}
