//! The lines about probes; those about services are in [`super::service`].

use std::fmt;
use std::io::{self, Write};

use crate::channel::ErrorOrigin;
use crate::engine::outcome::{IcmpError, MethodKind, NotSent, Outcome, PayloadChange, ProbeEvent, Reply, Subject};
use crate::report::Streams;
use crate::report::ping::text::PingText;
use crate::report::words::message::{Message, local_error};
use crate::report::words::number::PingTime;
use crate::types::{Family, Mtu, StampSource};
use crate::wire::icmp::ErrorKind;

impl PingText {
    pub(super) fn probe(&self, event: &ProbeEvent, streams: &mut Streams<'_>) -> io::Result<()> {
        match &event.outcome {
            Outcome::Reply(reply) => self.reply(event, reply, streams),
            Outcome::Refused(refusal) => self.refused(event, refusal, streams.data),
            Outcome::Error(error) => self.error(event, error, streams),
            Outcome::Timeout(silence) => self.silence(event, silence, streams.data),
            Outcome::NotSent(failed) if failed.reported == 0 => Ok(()),
            Outcome::NotSent(failed) => self.not_sent(event, failed.reported, streams.talk),
        }
    }

    /// Says that `probes` of them, this one the last, were not sent.
    pub(super) fn not_sent(&self, event: &ProbeEvent, probes: u64, talk: &mut dyn Write) -> io::Result<()> {
        let Outcome::NotSent(NotSent { error, mtu, .. }) = event.outcome else { return Ok(()) };
        self.complain(&event.subject, &SendFailure { event, failed: NotSent { error, mtu, reported: probes } }, talk)
    }

    fn reply(&self, event: &ProbeEvent, reply: &Reply, streams: &mut Streams<'_>) -> io::Result<()> {
        let (subject, data) = (&*event.subject, &mut *streams.data);
        let stamped = event.delay.is_some_and(|delay| delay.stamp != StampSource::User);
        let Some(responder) = event.responder.filter(|_| subject.method == MethodKind::Icmp) else {
            self.service_reply(event, reply, data)?;
            // Where no clock but our own timed it, the line has all there is.
            let more = self.options.verbose && stamped;
            return if more { self.complain(subject, &Delays(event), streams.talk) } else { Ok(()) };
        };
        self.stamp(event.at, data)?;
        let peer = self.peer(subject, responder);
        write!(data, "{} bytes from {peer}: {}", reply.octets, ProbeNumber(event))?;
        if let Some(ttl) = event.reply_ttl {
            write!(data, " ttl={}", ttl.get())?;
        }
        if let Some(rtt) = event.rtt() {
            write!(data, " time={} ms", PingTime(rtt))?;
        }
        self.marks(event, reply, data)?;
        if self.options.several && subject.address != event.responder {
            self.sent_to(subject, data)?;
        }
        if let Some(change) = &reply.payload_changed {
            wrong_data(change, data)?;
        }
        self.bell(data)?;
        writeln!(data)?;
        if self.options.verbose { self.complain(subject, &Delays(event), streams.talk) } else { Ok(()) }
    }

    /// The marks of an unusual reply, in ping's order.
    pub(super) fn marks(&self, event: &ProbeEvent, reply: &Reply, data: &mut dyn Write) -> io::Result<()> {
        // Every member of a group answers: that is marked only with -v.
        let grouped = event.subject.address.is_some_and(|address| address.is_multicast()) && !self.options.verbose;
        let marks = [
            (event.standing.is_duplicate() && !grouped, " (DUP!)"),
            (reply.bad_checksum, " (BAD CHECKSUM!)"),
            (reply.wrong_source, " (DIFFERENT ADDRESS!)"),
            (reply.truncated, " (truncated)"),
        ];
        for (_, mark) in marks.iter().filter(|(applies, _)| *applies) {
            data.write_all(mark.as_bytes())?;
        }
        if event.standing.is_late() && !marks.iter().any(|(applies, _)| *applies) {
            data.write_all(b" (late)")?;
        }
        Ok(())
    }

    fn error(&self, event: &ProbeEvent, error: &IcmpError, streams: &mut Streams<'_>) -> io::Result<()> {
        let subject = &*event.subject;
        if error.origin == ErrorOrigin::Local {
            let message = LocalError { family: family(subject), kind: error.kind, mtu: error.mtu };
            return self.complain(subject, &format_args!("local error{message}"), streams.talk);
        }
        let data = &mut *streams.data;
        self.stamp(event.at, data)?;
        match event.responder {
            Some(responder) => write!(data, "From {}", self.peer(subject, responder))?,
            None => write!(data, "From ?")?,
        }
        // ping writes a colon where it reads the error in band, as it does redirects and source quenches.
        let colon = if error.kind.is_advice() { ":" } else { "" };
        write!(data, "{colon} {}", ProbeNumber(event))?;
        if subject.method != MethodKind::Icmp {
            data.write_all(b" state=unreachable")?;
        }
        let family = event.responder.map_or(family(subject), Family::of);
        write!(data, " {}", Message { family, error })?;
        if self.options.several {
            write!(data, ",")?;
            self.sent_to(subject, data)?;
        }
        writeln!(data)
    }

    pub(super) fn no_answer_yet(&self, event: &ProbeEvent, data: &mut dyn Write) -> io::Result<()> {
        self.stamp(event.at, data)?;
        write!(data, "no answer yet for {}", ProbeNumber(event))?;
        if self.options.several {
            self.sent_to(&event.subject, data)?;
        }
        writeln!(data)
    }

    fn sent_to(&self, subject: &Subject, data: &mut dyn Write) -> io::Result<()> {
        match subject.address {
            Some(address) => write!(data, " sent to {}", self.endpoint(subject, Some(address), subject.port)),
            None => Ok(()),
        }
    }
}

fn family(subject: &Subject) -> Family {
    subject.address.map_or(Family::V4, Family::of)
}

/// What distinguishes the methods by which one target is probed.
pub(in crate::report) fn short_label(subject: &Subject) -> String {
    let method = subject.method.name().to_uppercase();
    match (subject.port, subject.socket) {
        (Some(port), _) => format!("{method} {port}"),
        (None, Some(socket)) => format!("{method} {}", socket.name()),
        (None, None) => method,
    }
}

/// The end of a header: what is probed, and with how many octets.
pub(super) struct Probed<'a>(pub &'a Subject);

impl fmt::Display for Probed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Probed(subject) = self;
        f.write_str(subject.method.title())?;
        if let Some(port) = subject.port {
            write!(f, " port {port}")?;
        }
        match subject.payload_octets {
            0 => f.write_str("."),
            octets => write!(f, ": {octets} data bytes."),
        }
    }
}

/// `icmp_seq=N` with the number on the wire, or `METHOD_seq=N`.
pub(super) struct ProbeNumber<'a>(pub &'a ProbeEvent);

impl fmt::Display for ProbeNumber<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ProbeNumber(event) = self;
        write!(f, "{}_seq={}", event.subject.method.name(), number(event))
    }
}

fn number(event: &ProbeEvent) -> u64 {
    match event.subject.method {
        MethodKind::Icmp => event.id.sequence().get().into(),
        _ => event.id.get(),
    }
}

/// Why a probe was not sent, and how many before it were not for the same reason since the last such line.
struct SendFailure<'a> {
    event: &'a ProbeEvent,
    failed: NotSent,
}

impl fmt::Display for SendFailure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NotSent { error, mtu, reported } = self.failed;
        write!(f, "sending seq={}", number(self.event))?;
        match mtu {
            Some(_) => LocalError { family: family(&self.event.subject), kind: ErrorKind::TooBig, mtu }.fmt(f)?,
            None => write!(f, ": {error}")?,
        }
        if reported > 1 { write!(f, " ({reported} times)") } else { Ok(()) }
    }
}

/// ping's message where this host itself finds that a packet cannot leave.
struct LocalError {
    family: Family,
    kind: ErrorKind,
    mtu: Option<Mtu>,
}

impl fmt::Display for LocalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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
struct Delays<'a>(&'a ProbeEvent);

impl fmt::Display for Delays<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Delays(event) = self;
        write!(f, "{}: ", ProbeNumber(event))?;
        let Some(delay) = &event.delay else { return Ok(()) };
        if delay.stamp != StampSource::User {
            write!(f, "{} {}, ", delay.stamp.name(), delay.rtt)?;
        }
        write!(f, "user {}", delay.user)?;
        delay.local_queue.map_or(Ok(()), |queue| write!(f, ", local queue {queue}"))
    }
}
