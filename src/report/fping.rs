//! A run as fping prints it, by the byte where programs that call fping read it: [`FpingText`].
//!
//! Lines about single answers are data, sums are talk. What is said about an answer is talk in front of its line: a mark that it
//! came from elsewhere stands in the same line where both streams are one.

mod host;
mod json;
mod words;

use std::collections::HashMap;
use std::io::{self, Write};
use std::net::IpAddr;
use std::time::Duration;

use crate::channel::ErrorOrigin;
use crate::engine::outcome::{IcmpError, Outcome, ProbeEvent, Reply, Standing, Subject};
use crate::ping::Event;
use crate::report::words::clock::{LocalOffset, LocalTime};
use crate::report::{Sink, Streams};
use crate::types::{ProbeId, WallTime, escape};
use host::{Average, Host, HostFigures};
use words::{Extra, Mark, Message, Ms, Stamp};

/// Which names targets are shown by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FpingNames {
    /// As typed.
    Typed,
    /// The names that addresses have, for those that were typed as addresses.
    OfAddresses,
    /// The names that addresses have.
    OfAll,
}

/// How a line about an answer begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FpingStamp {
    /// Seconds since the epoch.
    Seconds,
    /// As ctime(3).
    Ctime,
    /// ISO 8601 with the zone.
    Iso,
    /// Date and time without the zone.
    Rfc3339,
}

/// How the results look.
#[derive(Clone, Debug)]
pub struct FpingOptions {
    /// Probes are counted, and not sent until a target answers.
    pub counted: bool,
    /// Each answer and each silence has its line.
    pub per_reply: bool,
    /// A sentence for each target, whether it answers.
    pub sentences: bool,
    /// The targets that answer.
    pub alive: bool,
    /// Those that do not.
    pub unreachable: bool,
    /// Delays in lines about targets that answer.
    pub elapsed: bool,
    /// The TOS of answers.
    pub tos: bool,
    /// The TTL of answers.
    pub ttl: bool,
    /// All results as lines of JSON.
    pub json: bool,
    /// No talk about single probes.
    pub quiet: bool,
    /// Sums show the delay of each probe.
    pub vectors: bool,
    /// The time that a probe without an answer stands for, where that is shown.
    pub outage: Option<Duration>,
    /// The figures of all targets together.
    pub stats: bool,
    /// How lines about answers begin.
    pub stamps: Option<FpingStamp>,
    /// Reports are about everything since the start, and not since the last.
    pub cumulative: bool,
    /// Reports are for Netdata, and this many seconds apart.
    pub netdata: Option<f64>,
    /// How many targets must answer.
    pub required: Option<u32>,
    /// How many targets have no address.
    pub unknown: u64,
    /// Targets are shown by address.
    pub by_address: bool,
    /// By which names, too.
    pub names: FpingNames,
    /// The local time zone.
    pub offset: LocalOffset,
}

/// Results as fping prints them.
#[derive(Debug)]
pub struct FpingText {
    options: FpingOptions,
    names: HashMap<IpAddr, String>,
    hosts: Vec<Host>,
    width: usize,
    began: Option<WallTime>,
    latest: WallTime,
    all: HostFigures,
    echoes_sent: u64,
    replies: u64,
    timeouts: u64,
    other_icmp: u64,
    charts_sent: bool,
    /// A line of which the talk was written.
    held: String,
}

impl FpingText {
    /// The line of JSON about a target that is not probed.
    pub fn warning(target: &str, message: &str) -> String {
        json::warning(&escape(target), message)
    }

    /// With these options.
    pub fn new(options: FpingOptions) -> Self {
        FpingText {
            options,
            names: HashMap::new(),
            hosts: Vec::new(),
            width: 0,
            began: None,
            latest: WallTime::from_nanos(0),
            all: HostFigures::default(),
            echoes_sent: 0,
            replies: 0,
            timeouts: 0,
            other_icmp: 0,
            charts_sent: false,
            held: String::new(),
        }
    }

    fn begin(&mut self, subject: &Subject) {
        let FpingOptions { by_address, names, .. } = self.options;
        let address = subject.address.map(|address| address.to_string());
        let known = subject.address.and_then(|address| self.names.get(&address)).filter(|_| match names {
            FpingNames::Typed => false,
            FpingNames::OfAddresses => subject.numeric,
            FpingNames::OfAll => true,
        });
        let name = known.cloned().unwrap_or_else(|| escape(&subject.target).into_owned());
        let label = match address {
            Some(address) if by_address && names == FpingNames::Typed => address,
            Some(address) if by_address => format!("{name} ({address})"),
            _ => name,
        };
        self.width = self.width.max(label.len());
        self.hosts.push(Host::new(label, &subject.target));
    }

    fn probe(&mut self, event: &ProbeEvent, streams: &mut Streams<'_>) -> io::Result<()> {
        let index = event.subject.id.index();
        match &event.outcome {
            Outcome::Reply(reply) => self.reply(index, event, reply, streams),
            Outcome::Timeout(_) if self.options.counted => {
                self.hosts.get_mut(index).into_iter().for_each(Host::lose);
                streams.data.write_all(self.silence(index, event).as_bytes())
            }
            Outcome::Error(error) if error.origin == ErrorOrigin::Icmp => self.error(index, event, error, streams.talk),
            Outcome::NotSent(failed) => {
                let Some(host) = self.hosts.get_mut(index) else { return Ok(()) };
                host.lose();
                self.echoes_sent += 1;
                match self.options.sentences {
                    true => writeln!(streams.talk, "{}: error while sending ping: {}", host.label, failed.error),
                    false => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    /// The number of a probe: where targets are probed until they answer, all are one.
    fn number(&self, id: ProbeId) -> usize {
        match self.options.counted {
            true => usize::try_from(id.get().saturating_sub(ProbeId::FIRST.get())).unwrap_or(usize::MAX),
            false => 0,
        }
    }

    fn reply(&mut self, index: usize, event: &ProbeEvent, reply: &Reply, streams: &mut Streams<'_>) -> io::Result<()> {
        let number = self.number(event.id);
        let (Some(host), Some(rtt)) = (self.hosts.get_mut(index), event.rtt().filter(|_| !reply.bad_checksum)) else {
            return Ok(());
        };
        self.replies += 1;
        host.replies += 1;
        let mark = event.responder.filter(|_| event.responder != event.subject.address);
        if event.standing.is_duplicate() || (!self.options.counted && host.all.received > 0) {
            let (label, octets, rtt) = (&host.label, reply.octets, Ms(rtt.as_nanos()));
            return match self.options.counted {
                true => Ok(()),
                false => {
                    writeln!(streams.talk, "{label} : duplicate for [{number}], {octets} bytes, {rtt} ms{}", Mark(mark))
                }
            };
        }
        if event.standing != Standing::First {
            return Ok(());
        }
        host.answer(number, rtt.as_nanos());
        if self.options.vectors {
            host.keep(number, rtt.as_nanos());
        }
        self.all.answer(rtt.as_nanos());
        let line = self.line(index, number, event, reply);
        match mark {
            Some(_) if !line.is_empty() => {
                self.held = line;
                write!(streams.talk, "{}", Mark(mark))
            }
            _ => streams.data.write_all(line.as_bytes()),
        }
    }

    /// The line about an answer, if it has one.
    fn line(&self, index: usize, number: usize, event: &ProbeEvent, reply: &Reply) -> String {
        let (Some(host), Some(rtt), options) = (self.hosts.get(index), event.rtt(), &self.options) else {
            return String::new();
        };
        let (label, width, ms) = (&host.label, self.width, Ms(rtt.as_nanos()));
        let (stamp, octets, extra) = (self.stamp(event.at), reply.octets, Extra { event, options });
        if options.per_reply && options.json {
            return json::answer(&stamp, label, number, octets, &ms, &extra);
        }
        if options.per_reply {
            return format!("{stamp}{label:width$} : [{number}], {octets} bytes, {ms} ms{}{extra}\n", Average(host));
        }
        if host.all.received > 1 || !(options.sentences || options.alive) {
            return String::new();
        }
        let state = if options.sentences { " is alive" } else { "" };
        let delay = if options.elapsed { format!(" ({ms} ms)") } else { String::new() };
        format!("{label}{state}{extra}{delay}\n")
    }

    fn stamp(&self, at: WallTime) -> Stamp {
        Stamp(self.options.stamps, at, self.options.offset)
    }

    /// The line about a probe that was not answered, if it has one.
    fn silence(&mut self, index: usize, event: &ProbeEvent) -> String {
        self.timeouts += 1;
        let Some(host) = self.hosts.get(index).filter(|_| self.options.per_reply) else { return String::new() };
        let (stamp, label, width) = (self.stamp(event.at), &host.label, self.width);
        let number = self.number(event.id);
        match self.options.json {
            true => json::silence(&stamp, label, number),
            false => format!("{stamp}{label:width$} : [{number}], timed out{}\n", Average(host)),
        }
    }

    /// An ICMP error ends the wait for a probe.
    fn error(&mut self, index: usize, event: &ProbeEvent, error: &IcmpError, talk: &mut dyn Write) -> io::Result<()> {
        self.other_icmp += 1;
        let (Some(host), Some(icmp), Some(from)) = (self.hosts.get(index), error.icmp, event.responder) else {
            return Ok(());
        };
        if !self.options.quiet && !self.options.json {
            let message = Message { v6: from.is_ipv6(), icmp };
            writeln!(talk, "{message} from {from} for ICMP Echo sent to {}", host.label)?;
        }
        if !self.options.counted || event.standing != Standing::First {
            return Ok(());
        }
        let number = self.number(event.id);
        self.hosts.get_mut(index).into_iter().for_each(|host| host.lose_by_error(number));
        self.held = self.silence(index, event);
        Ok(())
    }

    fn report(&mut self, at: WallTime, streams: &mut Streams<'_>) -> io::Result<()> {
        if let Some(seconds) = self.options.netdata {
            for host in &mut self.hosts {
                host.chart(seconds, !self.charts_sent, streams.data)?;
                host.since = HostFigures::default();
            }
            self.charts_sent = true;
            return Ok(());
        }
        let (json, width) = (self.options.json, self.width);
        if !json {
            let gap = if self.options.sentences || self.options.per_reply { "\n" } else { "" };
            writeln!(streams.talk, "{gap}[{:#}]", LocalTime(at, self.options.offset))?;
        }
        for host in &mut self.hosts {
            let (label, sum) = (&host.label, host.since.shown(self.options.outage));
            match json {
                true => streams.data.write_all(json::report(at, label, &sum).as_bytes())?,
                false => writeln!(streams.talk, "{label:width$} :{sum}")?,
            }
            if !self.options.cumulative {
                host.since = HostFigures::default();
            }
        }
        Ok(())
    }

    fn sums(&self, streams: &mut Streams<'_>) -> io::Result<()> {
        let FpingOptions { json, vectors, outage, per_reply, .. } = self.options;
        if per_reply && !json {
            writeln!(streams.talk)?;
        }
        for host in &self.hosts {
            let (label, width, sum) = (&host.label, self.width, host.all.shown(outage));
            match (json, vectors) {
                (true, true) => streams.data.write_all(json::vector(label, host).as_bytes())?,
                (true, false) => streams.data.write_all(json::sum(label, &sum).as_bytes())?,
                (false, true) => {
                    let delays =
                        host.vector().map(|delay| delay.map_or(" -".to_owned(), |nanos| format!(" {}", Ms(nanos))));
                    writeln!(streams.talk, "{label:width$} :{}", delays.collect::<String>())?;
                }
                (false, false) => writeln!(streams.talk, "{label:width$} :{sum}")?,
            }
        }
        Ok(())
    }

    fn stats(&self, alive: usize, streams: &mut Streams<'_>) -> io::Result<()> {
        let (targets, all) = (self.hosts.len(), &self.all);
        let timeouts = match self.options.counted {
            true => self.timeouts,
            false => self.hosts.iter().map(|host| host.called.saturating_sub(host.all.received)).sum(),
        };
        let seconds = self.began.map_or(0.0, |began| (self.latest.as_nanos() - began.as_nanos()) as f64 / 1e9);
        let rows: [(u64, &str, &str); 8] = [
            (targets as u64, "targets", "targets"),
            (alive as u64, "alive", "alive"),
            ((targets - alive) as u64, "unreachable", "unreachable"),
            (self.options.unknown, "unknown addresses", "unknownAddresses"),
            (timeouts, "timeouts (waiting for response)", "timeouts"),
            (self.echoes_sent, "ICMP Echos sent", "icmpEchosSent"),
            (self.replies, "ICMP Echo Replies received", "icmpEchoRepliesReceived"),
            (self.other_icmp, "other ICMP received", "otherIcmpReceived"),
        ];
        if self.options.json {
            let counts = rows.map(|(count, _, key)| (key, count));
            return streams.data.write_all(json::stats(&counts, all, seconds).as_bytes());
        }
        let talk = &mut *streams.talk;
        for (number, (count, what, _)) in rows.into_iter().enumerate() {
            let gap = if number % 4 == 0 { "\n" } else { "" };
            writeln!(talk, "{gap} {count:7} {what}")?;
        }
        writeln!(talk, "\n {} ms (min round trip time)", Ms(all.min))?;
        writeln!(talk, " {} ms (avg round trip time)", Ms(all.mean()))?;
        writeln!(talk, " {} ms (max round trip time)", Ms(all.max))?;
        writeln!(talk, " {seconds:12.3} sec (elapsed real time)\n")
    }

    fn release(&mut self, data: &mut dyn Write) -> io::Result<()> {
        data.write_all(std::mem::take(&mut self.held).as_bytes())
    }
}

impl Sink<(WallTime, Event)> for FpingText {
    fn event(&mut self, (at, event): &(WallTime, Event), streams: &mut Streams<'_>) -> io::Result<()> {
        self.release(streams.data)?;
        self.latest = self.latest.max(*at);
        match event {
            Event::Named { address, name } => {
                self.names.insert(*address, escape(name).into_owned());
                Ok(())
            }
            Event::Began { subject, .. } => {
                self.began.get_or_insert(*at);
                self.begin(subject);
                Ok(())
            }
            Event::Sent { subject, .. } => {
                self.echoes_sent += 1;
                if let Some(host) = self.hosts.get_mut(subject.id.index()) {
                    host.called += 1;
                }
                Ok(())
            }
            Event::Probe(probe) => self.probe(probe, streams),
            Event::Interim(_) => self.report(*at, streams),
            _ => Ok(()),
        }
    }

    fn idle(&mut self, streams: &mut Streams<'_>) -> io::Result<()> {
        self.release(streams.data)?;
        streams.data.flush()
    }

    fn finish(&mut self, streams: &mut Streams<'_>) -> io::Result<()> {
        self.release(streams.data)?;
        let silent = self.hosts.iter().filter(|host| host.all.received == 0);
        let state = if self.options.sentences { " is unreachable" } else { "" };
        let shown = self.options.sentences || self.options.unreachable;
        silent.clone().filter(|_| shown).try_for_each(|host| writeln!(streams.data, "{}{state}", host.label))?;
        let alive = self.hosts.len() - silent.count();
        if self.options.counted {
            self.sums(streams)?;
        }
        if self.options.stats {
            self.stats(alive, streams)?;
        }
        let Some(required) = self.options.required else { return Ok(()) };
        let verdict = if alive >= required as usize { "Enough" } else { "Not enough" };
        writeln!(streams.data, "{verdict} hosts reachable (required: {required}, reachable: {alive})")
    }
}
