//! rping's text: ping's (iputils), byte for byte where scripts look.

mod flood;
mod lines;
mod peer;
mod service;
mod summary;

use std::collections::HashMap;
use std::fmt;
use std::io::{self, Write};
use std::net::IpAddr;
use std::time::{Duration, UNIX_EPOCH};

use flood::Dots;
use lines::Probed;
pub(in crate::report) use lines::short_label;
use peer::Peer;
use service::SILENCE;
pub(in crate::report) use summary::{interim, interims};

use crate::engine::outcome::{MethodKind, NotSent, Outcome, ProbeEvent, State, Subject, SubjectId};
use crate::ping::{Event, Summary, is_failure};
use crate::report::words::reason::Reason;
use crate::report::words::zone::Zone;
use crate::report::{Sink, Streams, escape};
use crate::types::{Family, WallTime};

/// Options of the text. The default is that of a run without options.
#[derive(Clone, Debug)]
pub struct PingTextOptions {
    /// The program's name, before messages on stderr.
    pub program: Box<str>,
    /// Addresses alone, no names (`-n`).
    pub numeric: bool,
    /// Whether a name may have several targets: summaries then name the address.
    pub addresses: bool,
    /// Whether there is more than one target: every line then names its target.
    pub several: bool,
    /// Whether one target is probed in several ways: messages then name the method.
    pub methods: bool,
    /// Headers and summaries only (`-q`).
    pub quiet: bool,
    /// The time before each line, in brackets.
    pub stamps: Option<Timestamps>,
    /// A BEL for each reply (`-a`).
    pub audible: bool,
    /// The probes that have no answer when the next is due (`-O`).
    pub outstanding: bool,
    /// Dots and backspaces instead of lines (`-f`).
    pub flood: bool,
    /// Whether replies set the pace (`-A`, `-f`, `-i 0`): the summary then shows `ipg/ewma`.
    pub adaptive: bool,
    /// More figures in the summary (`--stats`).
    pub stats: bool,
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
            addresses: false,
            several: false,
            methods: false,
            quiet: false,
            stamps: None,
            audible: false,
            outstanding: true,
            flood: false,
            adaptive: false,
            stats: false,
            verbose: false,
            pattern: None,
            from: None,
            columns: 80,
        }
    }
}

/// How lines show the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timestamps {
    /// Seconds and microseconds since 1970, as ping -D.
    Unix,
    /// RFC 3339 in UTC, with microseconds.
    Iso,
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
    /// Reverse names, escaped.
    names: HashMap<IpAddr, Box<str>>,
    headed: bool,
    dots: Dots,
    /// Whether the meaning of silence over UDP was explained.
    silence_explained: bool,
    /// The newest probe that was not sent and has no line yet, and how many there are.
    unreported: HashMap<SubjectId, (ProbeEvent, u64)>,
    /// Why the newest probe without a reply has none, where probes have no lines.
    reasons: HashMap<SubjectId, Reason>,
}

impl PingText {
    /// A writer that has written nothing yet.
    pub fn new(options: PingTextOptions) -> Self {
        PingText {
            options,
            names: HashMap::new(),
            headed: false,
            dots: Dots::default(),
            silence_explained: false,
            unreported: HashMap::new(),
            reasons: HashMap::new(),
        }
    }

    fn summary(&mut self, summary: &Summary, streams: &mut Streams<'_>) -> io::Result<()> {
        if let Some((event, count)) = self.unreported.remove(&summary.subject.id) {
            self.not_sent(&event, count, streams.talk)?;
        }
        let reason = self.reasons.remove(&summary.subject.id);
        summary::write(&self.options, (summary, reason.as_ref()), streams)?;
        let silent = summary.subject.method == MethodKind::Udp && summary.state == Some(State::NoAnswer);
        if silent && !self.silence_explained {
            self.silence_explained = true;
            writeln!(streams.data, "{SILENCE}")?;
        }
        Ok(())
    }

    fn header(&mut self, subject: &Subject, data: &mut dyn Write) -> io::Result<()> {
        let name = escape(&subject.name);
        let Some(address) = subject.address else {
            // A name without an address has its message on stderr.
            let local = subject.method == MethodKind::Unix;
            return if local { writeln!(data, "PING {name} {}", Probed(subject)) } else { Ok(()) };
        };
        self.pattern(subject, data)?;
        write!(data, "PING {name} ({address}{}) ", Self::zone(subject, address))?;
        let family = Family::of(address);
        if let Some(label) = subject.flow_label.filter(|label| family == Family::V6 && label.get() != 0) {
            write!(data, ", flow 0x{:05x}, ", label.get())?;
        }
        if let Some(from) = &self.options.from {
            match subject.source.or(from.address) {
                Some(source) => write!(data, "from {source} ")?,
                None => write!(data, "from ")?,
            }
            write!(data, "{}: ", escape(from.device.as_deref().unwrap_or_default()))?;
        }
        let octets = subject.payload_octets;
        match family {
            _ if subject.method != MethodKind::Icmp => writeln!(data, "{}", Probed(subject)),
            // ICMP and IPv4 header.
            Family::V4 => writeln!(data, "{octets}({}) bytes of data.", octets.saturating_add(8 + 20)),
            Family::V6 => writeln!(data, "{octets} data bytes"),
        }
    }

    /// The pattern that was asked for, once, before the first header.
    fn pattern(&mut self, subject: &Subject, data: &mut dyn Write) -> io::Result<()> {
        let first = !std::mem::replace(&mut self.headed, true);
        let shown = first && subject.method == MethodKind::Icmp && !self.options.quiet;
        let Some(pattern) = self.options.pattern.as_ref().filter(|_| shown) else { return Ok(()) };
        write!(data, "PATTERN: 0x")?;
        pattern.iter().try_for_each(|octet| write!(data, "{octet:02x}"))?;
        writeln!(data)
    }

    fn complain(&self, subject: &Subject, message: &dyn fmt::Display, talk: &mut dyn Write) -> io::Result<()> {
        write!(talk, "{}: ", self.options.program)?;
        if self.options.several {
            let method = if self.options.methods { format!(" by {}", short_label(subject)) } else { String::new() };
            write!(talk, "{}{method}: ", escape(&subject.name))?;
        }
        writeln!(talk, "{message}")
    }

    /// Takes a probe that was not sent. Those before it that have no line get one if this one's line is not about their error.
    fn unsent(&mut self, event: &ProbeEvent, failed: NotSent, talk: &mut dyn Write) -> io::Result<()> {
        let id = event.subject.id;
        if failed.reported == 0 {
            let (newest, count) = self.unreported.entry(id).or_insert_with(|| (event.clone(), 0));
            (*newest, *count) = (event.clone(), *count + 1);
            return Ok(());
        }
        let Some((earlier, count)) = self.unreported.remove(&id) else { return Ok(()) };
        let is_same = matches!(earlier.outcome,
            Outcome::NotSent(NotSent { error, mtu, .. }) if (error, mtu) == (failed.error, failed.mtu));
        if is_same { Ok(()) } else { self.not_sent(&earlier, count, talk) }
    }

    fn stamp(&self, at: WallTime, data: &mut dyn Write) -> io::Result<()> {
        let micros = at.as_nanos() / 1000;
        match self.options.stamps {
            None => Ok(()),
            Some(Timestamps::Unix) => write!(data, "[{}.{:06}] ", micros / 1_000_000, micros % 1_000_000),
            Some(Timestamps::Iso) => {
                let at = humantime::format_rfc3339_micros(UNIX_EPOCH + Duration::from_micros(micros));
                write!(data, "[{at}] ")
            }
        }
    }

    fn bell(&self, data: &mut dyn Write) -> io::Result<()> {
        if self.options.audible { data.write_all(b"\x07") } else { Ok(()) }
    }

    fn peer<'a>(&'a self, subject: &'a Subject, address: IpAddr) -> Peer<'a> {
        let is_target = subject.address == Some(address);
        let name = match self.names.get(&address) {
            _ if self.options.numeric => None,
            Some(name) => Some((&**name).into()),
            None if is_target && (!subject.numeric || self.options.several) => Some(escape(&subject.name)),
            None => None,
        };
        Peer { name, address, zone: Self::zone(subject, address) }
    }

    fn zone(subject: &Subject, address: IpAddr) -> Zone<'_> {
        Zone { subject, address }
    }
}

impl Sink<Event> for PingText {
    fn event(&mut self, event: &Event, streams: &mut Streams<'_>) -> io::Result<()> {
        let options = &self.options;
        match event {
            Event::Began { subject, .. } => self.header(subject, streams.data),
            Event::Named { address, name } => {
                self.names.insert(*address, escape(name).into());
                Ok(())
            }
            Event::Sent { subject, id, in_flight } if options.flood && !options.quiet => {
                let room = *in_flight < u64::from(options.columns);
                if room { self.dots.draw((subject.id, *id), streams.data) } else { Ok(()) }
            }
            Event::Probe(event) if options.flood && !options.quiet => {
                self.dots.change(event, streams.data)?;
                if matches!(event.outcome, Outcome::Reply(_)) { self.bell(streams.data) } else { Ok(()) }
            }
            Event::Probe(event) if options.quiet && is_failure(event) => {
                self.reasons.extend(Reason::of(event).map(|reason| (event.subject.id, reason)));
                Ok(())
            }
            Event::Probe(event) if !options.quiet => {
                if let Outcome::NotSent(failed) = event.outcome {
                    self.unsent(event, failed, streams.talk)?;
                }
                self.probe(event, streams)
            }
            Event::NoAnswerYet(event) if options.outstanding && !options.quiet => {
                self.no_answer_yet(event, streams.data)
            }
            Event::Recreated { interface, not_sent, .. } if !options.quiet => {
                let (interface, plural) = (escape(interface), if *not_sent == 1 { " was" } else { "s were" });
                let program = &options.program;
                writeln!(
                    streams.talk,
                    "{program}: {interface} was deleted and is there again: {not_sent} probe{plural} not sent"
                )
            }
            Event::Readdressed { subject, gained, .. } if !options.quiet => {
                let (name, address) = (escape(&subject.name), subject.address.map(|address| address.to_string()));
                let address = address.unwrap_or_default();
                match gained {
                    true => writeln!(streams.data, "{name} has a new address: {address}"),
                    false => writeln!(streams.data, "{name} no longer has the address {address}"),
                }
            }
            Event::Interim(figures) => figures.iter().try_for_each(|figures| {
                let name = options.several.then(|| escape(&figures.subject.name));
                interim(figures, name.as_deref(), streams.talk)
            }),
            Event::Ended(summary) => self.summary(summary, streams),
            Event::Sent { .. }
            | Event::Probe(_)
            | Event::NoAnswerYet(_)
            | Event::NameWanted(_)
            | Event::AddressWanted { .. }
            | Event::Readdressed { .. }
            | Event::Change(_)
            | Event::ClockStepped { .. }
            | Event::Recreated { .. } => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::{ErrorOrigin, OsError};
    use crate::engine::outcome::{Delay, IcmpError, PayloadChange, ProbeEvent, Silence, Standing, SubjectId};
    use crate::metrics::DelayStats;
    use crate::ping::Counts;
    use crate::report::fixture::{
        self, address, began, error, error_with, not_sent, of, reply, reply_with, subject, summary, written,
    };
    use crate::types::{FlowLabel, Mtu, ProbeId, Rtt, Ttl};
    use crate::wire::icmp::ErrorKind;
    use std::sync::Arc;

    fn unanswered(probe: u64) -> Event {
        Event::NoAnswerYet(ProbeEvent { id: ProbeId::new(probe), ..fixture::unanswered(Silence::NoAnswer) })
    }

    fn after(micros: u64) -> Option<Delay> {
        Some(Delay { rtt: Rtt::from_nanos(micros * 1000), ..reply().delay.unwrap() })
    }

    fn text(options: PingTextOptions, events: &[Event]) -> (String, String) {
        written(&mut PingText::new(options), events)
    }

    fn header(options: PingTextOptions, subject: Subject) -> String {
        text(options, &[began(subject)]).0
    }

    /// The lines after the header of a numeric target.
    fn lines(options: PingTextOptions, events: Vec<Event>) -> String {
        let (data, talk) = text(options, &events);
        assert_eq!(talk, "");
        data
    }

    fn line(reply: ProbeEvent) -> String {
        lines(PingTextOptions::default(), vec![Event::Probe(reply)])
    }

    fn from(address_text: Option<&str>, device: Option<&str>) -> Option<ShownSource> {
        Some(ShownSource { address: address_text.map(address), device: device.map(Into::into) })
    }

    #[test]
    fn an_interface_that_is_there_again_is_shown_with_what_that_cost() {
        let back = |not_sent| Event::Recreated { interface: "wg\u{1b}0".into(), not_sent, at: WallTime::from_nanos(0) };
        let said = |options, not_sent| text(options, &[back(not_sent)]);
        let usual = PingTextOptions::default;
        assert_eq!(said(usual(), 1).1, "rping: wg\\u{1b}0 was deleted and is there again: 1 probe was not sent\n");
        assert_eq!(said(usual(), 0).1, "rping: wg\\u{1b}0 was deleted and is there again: 0 probes were not sent\n");
        assert_eq!(said(PingTextOptions { quiet: true, ..usual() }, 2), (String::new(), String::new()));
    }

    #[test]
    fn headers_are_pings() {
        let plain = PingTextOptions::default;
        assert_eq!(
            header(plain(), subject("example.org", "198.51.100.9")),
            "PING example.org (198.51.100.9) 56(84) bytes of data.\n"
        );
        assert_eq!(header(plain(), subject("::1", "::1")), "PING ::1 (::1) 56 data bytes\n");
        let sized = Subject { payload_octets: 0, ..subject("127.0.0.1", "127.0.0.1") };
        assert_eq!(header(plain(), sized), "PING 127.0.0.1 (127.0.0.1) 0(28) bytes of data.\n");
        let typed = Subject { name: "canonical.example".into(), ..subject("alias", "198.51.100.9") };
        assert_eq!(header(plain(), typed), "PING canonical.example (198.51.100.9) 56(84) bytes of data.\n");
    }

    #[test]
    fn headers_show_the_source_that_was_asked_for() {
        let asked = |from| PingTextOptions { from, ..PingTextOptions::default() };
        let v4 = || subject("10.9.2.2", "10.9.2.2");
        assert_eq!(
            header(asked(from(None, Some("a0"))), v4()),
            "PING 10.9.2.2 (10.9.2.2) from 192.0.2.1 a0: 56(84) bytes of data.\n"
        );
        assert_eq!(
            header(asked(from(Some("192.0.2.1"), None)), v4()),
            "PING 10.9.2.2 (10.9.2.2) from 192.0.2.1 : 56(84) bytes of data.\n"
        );
        let unknown = Subject { source: None, ..v4() };
        assert_eq!(
            header(asked(from(Some("192.0.2.7"), None)), unknown),
            "PING 10.9.2.2 (10.9.2.2) from 192.0.2.7 : 56(84) bytes of data.\n"
        );
        let v6 = Subject { source: Some(address("::1")), flow_label: FlowLabel::new(0x1a2b), ..subject("::1", "::1") };
        assert_eq!(
            header(asked(from(None, Some("lo"))), v6),
            "PING ::1 (::1) , flow 0x01a2b, from ::1 lo: 56 data bytes\n"
        );
    }

    #[test]
    fn the_pattern_is_shown_once_before_the_first_header() {
        let options = PingTextOptions { pattern: Some(Box::new([0xff, 0x00, 0x12])), ..PingTextOptions::default() };
        let targets = [began(subject("127.0.0.1", "127.0.0.1")), began(subject("127.0.0.2", "127.0.0.2"))];
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
        let target = Subject { zone: Some("eth0".into()), numeric: true, ..subject("fe80::9%eth0", "fe80::9") };
        let answer = || ProbeEvent { responder: Some(address("fe80::9")), ..reply() };
        let router = error_with(|error| error.icmp = Some((1, 3)));
        let router = ProbeEvent { responder: Some(address("2001:db8::1")), ..router };
        let events = [began(target.clone()), of(&target, answer()), of(&target, router)];
        let (data, _) = text(PingTextOptions::default(), &events);
        assert_eq!(
            data,
            "PING fe80::9%eth0 (fe80::9%eth0) 56 data bytes\n\
             64 bytes from fe80::9%eth0: icmp_seq=1 ttl=57 time=0.123 ms\n\
             From 2001:db8::1 icmp_seq=1 Destination unreachable: Address unreachable\n"
        );
        let named = Subject { zone: Some("eth0".into()), ..subject("printer.local", "fe80::9") };
        assert_eq!(header(PingTextOptions::default(), named), "PING printer.local (fe80::9%eth0) 56 data bytes\n");
        let bracketed = Subject {
            zone: Some("eth0".into()),
            numeric: true,
            name: "fe80::9%eth0".into(),
            ..subject("[fe80::9%eth0]:22", "fe80::9")
        };
        assert_eq!(header(PingTextOptions::default(), bracketed), "PING fe80::9%eth0 (fe80::9%eth0) 56 data bytes\n");
        let bound = Subject { zone: Some("eth0".into()), numeric: true, ..subject("fe80::9", "fe80::9") };
        let options = PingTextOptions { from: from(None, Some("eth0")), ..PingTextOptions::default() };
        let (data, _) = text(options, &[began(bound.clone()), of(&bound, answer())]);
        assert!(data.starts_with("PING fe80::9 (fe80::9%eth0) from "), "{data}");
        assert!(data.ends_with("64 bytes from fe80::9%eth0: icmp_seq=1 ttl=57 time=0.123 ms\n"), "{data}");
    }

    #[test]
    fn a_numeric_target_is_shown_by_address_and_a_named_one_by_both() {
        let numeric = "64 bytes from 198.51.100.9: icmp_seq=1 ttl=57 time=0.123 ms\n";
        let named = "64 bytes from example.org (198.51.100.9): icmp_seq=1 ttl=57 time=0.123 ms\n";
        assert_eq!(line(reply()), numeric);
        let example = subject("example.org", "198.51.100.9");
        let events = [began(example.clone()), of(&example, reply())];
        assert!(text(PingTextOptions::default(), &events).0.ends_with(named));
        let options = PingTextOptions { numeric: true, ..PingTextOptions::default() };
        let (data, _) = text(options, &events);
        assert_eq!(data, format!("PING example.org (198.51.100.9) 56(84) bytes of data.\n{numeric}"));
    }

    #[test]
    fn reverse_names_are_shown_escaped_from_when_they_are_known() {
        let name = Event::Named { address: address("203.0.113.1"), name: "gw\u{1b}[2J\u{202e}".into() };
        assert_eq!(
            lines(PingTextOptions::default(), vec![Event::Probe(error()), name, Event::Probe(error())]),
            "From 203.0.113.1 icmp_seq=1 Destination Host Unreachable\n\
             From gw\\u{1b}[2J\\u{202e} (203.0.113.1) icmp_seq=1 Destination Host Unreachable\n"
        );
    }

    #[test]
    fn sizes_and_times_follow_the_reply() {
        let sized = |octets| reply_with(|reply| reply.octets = octets);
        let wide = ProbeEvent { delay: after(12_345), reply_ttl: Some(Ttl::new(255)), ..sized(1008) };
        assert_eq!(line(wide), "1008 bytes from 198.51.100.9: icmp_seq=1 ttl=255 time=12.3 ms\n");
        let tiny = ProbeEvent { delay: after(1_500_000), reply_ttl: None, ..sized(8) };
        assert_eq!(line(tiny), "8 bytes from 198.51.100.9: icmp_seq=1 time=1500 ms\n");
        let wrapped = ProbeEvent { id: ProbeId::new(65_537), ..reply() };
        assert!(line(wrapped).contains("icmp_seq=1 "));
    }

    #[test]
    fn marks_stand_in_pings_order_and_late_only_alone() {
        let stem = "64 bytes from 198.51.100.9: icmp_seq=1 ttl=57 time=0.123 ms";
        let marked = reply_with(|reply| (reply.bad_checksum, reply.wrong_source, reply.truncated) = (true, true, true));
        let marked = ProbeEvent { standing: Standing::Duplicate { late: false }, ..marked };
        let all = " (DUP!) (BAD CHECKSUM!) (DIFFERENT ADDRESS!) (truncated)";
        assert_eq!(line(marked.clone()), format!("{stem}{all}\n"));
        let late = Standing::Duplicate { late: true };
        assert_eq!(line(ProbeEvent { standing: late, ..marked }), format!("{stem}{all}\n"));
        assert_eq!(line(ProbeEvent { standing: Standing::Late, ..reply() }), format!("{stem} (late)\n"));
        assert_eq!(line(ProbeEvent { reordered: true, ..reply() }), format!("{stem}\n"));
    }

    #[test]
    fn a_group_has_many_members_and_no_duplicates_unless_asked() {
        let group = || {
            let group = subject("224.0.0.1", "224.0.0.1");
            let duplicate = ProbeEvent { standing: Standing::Duplicate { late: false }, ..reply() };
            [began(group.clone()), of(&group, duplicate)]
        };
        assert!(!text(PingTextOptions::default(), &group()).0.contains("DUP"));
        let verbose = PingTextOptions { verbose: true, ..PingTextOptions::default() };
        assert!(text(verbose, &group()).0.ends_with("time=0.123 ms (DUP!)\n"));
    }

    fn changed(index: usize, octets: usize) -> ProbeEvent {
        let mut payload: Vec<u8> = (0..=255).cycle().take(octets).collect();
        payload[index] = 0xff;
        let change = PayloadChange { index, expected: index as u8, found: 0xff, payload: payload.into() };
        reply_with(|reply| reply.payload_changed = Some(Box::new(change)))
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
    fn stamps_are_seconds_and_microseconds_of_the_arrival() {
        let options = PingTextOptions { stamps: Some(Timestamps::Unix), ..PingTextOptions::default() };
        assert_eq!(
            lines(options, vec![Event::Probe(reply()), Event::Probe(error()), unanswered(7)]),
            "[1795333633.000124] 64 bytes from 198.51.100.9: icmp_seq=1 ttl=57 time=0.123 ms\n\
             [1795333633.001201] From 203.0.113.1 icmp_seq=1 Destination Host Unreachable\n\
             [1795333633.000001] no answer yet for icmp_seq=7\n"
        );
    }

    #[test]
    fn advice_has_pings_colon_and_names_the_gateway() {
        let gateway = Some(address("203.0.113.254"));
        let redirect = error_with(|error| {
            *error = IcmpError { kind: ErrorKind::Redirect, icmp: Some((5, 1)), gateway, ..error.clone() };
        });
        let quench = error_with(|error| {
            *error = IcmpError { kind: ErrorKind::SourceQuench, icmp: Some((4, 0)), ..error.clone() };
        });
        assert_eq!(
            lines(PingTextOptions::default(), vec![Event::Probe(redirect), Event::Probe(quench)]),
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
        let said = |target, kind, mtu| {
            let local =
                error_with(|error| (error.origin, error.kind, error.mtu) = (ErrorOrigin::Local, kind, Mtu::new(mtu)));
            let target = subject(target, target);
            let (data, talk) = text(PingTextOptions::default(), &[began(target.clone()), of(&target, local)]);
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
    fn a_probe_that_was_not_sent_is_reported_and_repeats_by_their_number() {
        let said = |failures: Vec<ProbeEvent>| {
            let target = subject("192.0.2.9", "192.0.2.9");
            let events: Vec<Event> = failures.into_iter().map(|failed| of(&target, failed)).collect();
            let (data, talk) = text(PingTextOptions::default(), &events);
            assert_eq!(data, "");
            talk
        };
        let down =
            |probe, reported| ProbeEvent { id: ProbeId::new(probe), ..not_sent(OsError::ENETDOWN, None, reported) };
        assert_eq!(
            said(vec![down(4, 1), down(5, 0), down(6, 2), not_sent(OsError::EPERM, None, 1)]),
            "rping: sending seq=4: Network is down\nrping: sending seq=6: Network is down (2 times)\n\
             rping: sending seq=1: Operation not permitted\n"
        );
        let target = subject("192.0.2.9", "192.0.2.9");
        let unsaid = [down(1, 1), down(2, 0), down(3, 0)].map(|failed| of(&target, failed));
        let ended = Event::Ended(Box::new(Summary { subject: target.clone().into(), ..summary() }));
        let (_, talk) = text(PingTextOptions::default(), &[unsaid.as_slice(), &[ended]].concat());
        assert_eq!(
            talk, "rping: sending seq=1: Network is down\nrping: sending seq=3: Network is down (2 times)\n",
            "those since the last line have theirs at the end"
        );
        let other = not_sent(OsError::EPERM, None, 1);
        assert_eq!(
            said(vec![down(1, 1), down(2, 0), down(3, 0), ProbeEvent { id: ProbeId::new(4), ..other }]),
            "rping: sending seq=1: Network is down\nrping: sending seq=3: Network is down (2 times)\n\
             rping: sending seq=4: Operation not permitted\n",
            "another error does not swallow them"
        );
        let too_long = not_sent(OsError::EMSGSIZE, Some(1500), 1);
        assert_eq!(said(vec![too_long]), "rping: sending seq=1: message too long, mtu=1500\n");
        let unstated = not_sent(OsError::EMSGSIZE, None, 1);
        assert_eq!(said(vec![unstated]), "rping: sending seq=1: Message too long\n");
    }

    #[test]
    fn every_reply_rings_when_asked() {
        let audible = PingTextOptions { audible: true, ..PingTextOptions::default() };
        let (data, _) = text(audible.clone(), &[Event::Probe(reply()), unanswered(2)]);
        assert!(data.contains("time=0.123 ms\x07\nno answer"));
        assert_eq!(lines(PingTextOptions { quiet: true, ..audible }, vec![Event::Probe(reply())]), "");
    }

    #[test]
    fn quiet_leaves_header_and_summary() {
        let options = PingTextOptions { quiet: true, stamps: Some(Timestamps::Unix), ..PingTextOptions::default() };
        let events = [
            began(subject("::1", "::1")),
            Event::Probe(reply()),
            Event::Probe(error()),
            unanswered(2),
            Event::Probe(not_sent(OsError::EPERM, None, 1)),
        ];
        assert_eq!(text(options, &events), ("PING ::1 (::1) 56 data bytes\n".to_owned(), String::new()));
    }

    fn sent(probe: u64, in_flight: u64) -> Event {
        let subject = Arc::new(subject("198.51.100.9", "198.51.100.9"));
        Event::Sent { subject, id: ProbeId::new(probe), in_flight }
    }

    #[test]
    fn flood_is_dots_and_backspaces() {
        let flood = PingTextOptions { flood: true, ..PingTextOptions::default() };
        let local = error_with(|error| error.origin = ErrorOrigin::Local);
        let advice = error_with(|error| (error.kind, error.icmp) = (ErrorKind::Redirect, Some((5, 1))));
        let events = vec![
            sent(1, 1),
            Event::Probe(reply()),
            sent(2, 1),
            Event::Probe(ProbeEvent { id: ProbeId::new(2), ..error() }),
            Event::Probe(advice),
            sent(3, 1),
            Event::Probe(ProbeEvent { id: ProbeId::new(3), ..reply_with(|reply| reply.bad_checksum = true) }),
            Event::Probe(local),
            Event::Probe(not_sent(OsError::ENOBUFS, None, 1)),
        ];
        assert_eq!(lines(flood.clone(), events.clone()), ".\x08 \x08.\x08E.\x08CEE");
        assert_eq!(lines(PingTextOptions { quiet: true, ..flood }, events.clone()), "");
        assert!(!lines(PingTextOptions::default(), vec![sent(1, 1)]).contains('.'));
    }

    #[test]
    fn flood_draws_no_more_dots_than_the_terminal_has_columns() {
        let narrow = PingTextOptions { flood: true, columns: 3, ..PingTextOptions::default() };
        let mut events: Vec<Event> = (1..=5).map(|probe| sent(probe, probe)).collect();
        events.push(Event::Probe(ProbeEvent { id: ProbeId::new(5), ..reply() }));
        events.push(sent(6, 1));
        // The third has no dot, and its answer takes none away.
        assert_eq!(lines(narrow, events), "...");
    }

    #[test]
    fn in_a_flood_the_dots_of_lost_probes_stay_whatever_else_arrives() {
        let flood = PingTextOptions { flood: true, ..PingTextOptions::default() };
        let probe = |id, event: ProbeEvent| Event::Probe(ProbeEvent { id: ProbeId::new(id), ..event });
        let duplicate = ProbeEvent { standing: Standing::Duplicate { late: false }, ..reply() };
        let late = ProbeEvent { standing: Standing::Late, ..reply() };
        let events = vec![
            sent(1, 1),
            sent(2, 2),
            probe(2, reply()),
            probe(2, duplicate.clone()),
            probe(2, duplicate),
            probe(1, fixture::unanswered(Silence::NoAnswer)),
            probe(1, late),
            sent(3, 1),
            probe(3, error()),
            probe(3, reply()),
        ];
        assert_eq!(lines(flood, events), "..\x08 \x08.\x08E");
    }

    #[test]
    fn with_several_targets_every_line_names_its_target() {
        let options = PingTextOptions { several: true, ..PingTextOptions::default() };
        let other = Subject { id: SubjectId::new(1), ..subject("203.0.113.7", "203.0.113.7") };
        let elsewhere = reply_with(|reply| reply.wrong_source = true);
        let elsewhere = ProbeEvent { responder: Some(address("198.51.100.10")), ..elsewhere };
        let of_other = ProbeEvent { responder: Some(address("203.0.113.7")), ..reply() };
        let example = subject("example.org", "198.51.100.9");
        let Event::Probe(open) = of(&example, fixture::unanswered(Silence::NoAnswer)) else { panic!() };
        let events = [
            began(example.clone()),
            began(other.clone()),
            of(&example, reply()),
            of(&other, of_other),
            of(&example, elsewhere),
            of(&example, error()),
            Event::NoAnswerYet(ProbeEvent { id: ProbeId::new(2), ..open }),
            of(&example, not_sent(OsError::ENETUNREACH, None, 1)),
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
        assert_eq!(talk, "rping: example.org: sending seq=1: Network is unreachable\n");
        let (numeric, _) = text(PingTextOptions { numeric: true, ..options }, &events);
        assert!(numeric.contains("64 bytes from 203.0.113.7: icmp_seq=1"));
        assert!(numeric.contains("Unreachable, sent to 198.51.100.9\n"));
    }

    #[test]
    fn what_silence_over_udp_means_is_said_once_in_a_run() {
        let udp = |index| {
            let (id, method) = (SubjectId::new(index), MethodKind::Udp);
            Subject { id, method, ..subject("192.0.2.9", "192.0.2.9") }
        };
        let silent = |index| {
            let counts = Counts { sent: 1, lost: 1, ..Counts::default() };
            let state = Some(State::NoAnswer);
            let delays = DelayStats { rtt: None, ..summary().delays };
            let subject = Arc::new(udp(index));
            Event::Ended(Box::new(Summary { subject, counts, state, delays, ..summary() }))
        };
        let events = [began(udp(0)), began(udp(1)), silent(0), silent(1)];
        let (data, talk) = text(PingTextOptions::default(), &events);
        assert_eq!((data.matches(SILENCE).count(), talk.as_str()), (1, ""));
        let (data, _) = text(PingTextOptions::default(), &[began(udp(0)), Event::Ended(Box::new(summary()))]);
        assert!(!data.contains(SILENCE));
    }

    #[test]
    fn a_run_reads_as_pings() {
        let target = subject("::1", "::1");
        let reply = ProbeEvent { responder: Some(address("::1")), reply_ttl: Some(Ttl::new(64)), ..reply() };
        let events = [
            began(target.clone()),
            of(&target, reply),
            Event::Ended(Box::new(Summary { subject: Arc::new(target), ..summary() })),
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
