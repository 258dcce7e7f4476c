//! rtrace's text: traceroute's (Linux), byte for byte.

use std::io::{self, Write};

use super::message::annotation;
use super::{Sink, Streams, escape};
use crate::channel::OsError;
use crate::trace::{Answer, Event, Hop, Start, TraceId};
use crate::wire::extension::{LabelStackEntry, Object};

/// What the text is to look like.
#[derive(Clone, Debug)]
pub struct TraceTextOptions {
    /// The program's name, before messages on stderr.
    pub program: Box<str>,
    /// Addresses alone, no names (`-n`).
    pub numeric: bool,
    /// ICMP extensions behind addresses (`-e`).
    pub extensions: bool,
}

impl Default for TraceTextOptions {
    fn default() -> Self {
        TraceTextOptions { program: "rtrace".into(), numeric: false, extensions: false }
    }
}

/// Writes the events of a run of traces as text. Traces may interleave, their texts do not: that of each is held back until
/// those before it have ended.
pub struct TraceText {
    options: TraceTextOptions,
    traces: Vec<Held>,
    /// The first trace that has not ended: its text is written as it comes.
    current: usize,
}

/// The text of one trace.
#[derive(Default)]
struct Held {
    name: Box<str>,
    text: Vec<u8>,
    ended: bool,
    /// Why the last probe could not be sent.
    failure: Option<OsError>,
}

impl TraceText {
    /// A writer that has written nothing yet.
    pub fn new(options: TraceTextOptions) -> Self {
        TraceText { options, traces: Vec::new(), current: 0 }
    }

    fn held(&mut self, trace: TraceId) -> Option<&mut Held> {
        let index = trace.index();
        if self.traces.len() <= index {
            self.traces.resize_with(index + 1, Held::default);
        }
        self.traces.get_mut(index)
    }

    /// Writes `text` of `trace` if it is its turn, else keeps it.
    fn write(&mut self, trace: TraceId, text: &[u8], data: &mut dyn Write) -> io::Result<()> {
        if trace.index() == self.current {
            return data.write_all(text);
        }
        if let Some(held) = self.held(trace) {
            held.text.extend_from_slice(text);
        }
        Ok(())
    }

    fn end(&mut self, trace: TraceId, data: &mut dyn Write) -> io::Result<()> {
        if let Some(held) = self.held(trace) {
            held.ended = true;
        }
        while self.traces.get(self.current).is_some_and(|held| held.ended) {
            self.current += 1;
            if let Some(next) = self.traces.get_mut(self.current) {
                data.write_all(&std::mem::take(&mut next.text))?;
            }
        }
        Ok(())
    }

    fn send_failed(&mut self, trace: TraceId, error: OsError, talk: &mut dyn Write) -> io::Result<()> {
        let Some(held) = self.held(trace) else { return Ok(()) };
        if held.failure.replace(error) == Some(error) {
            return Ok(());
        }
        let name = held.name.clone();
        writeln!(talk, "{}: {name}: sendmsg: {error}", self.options.program)
    }
}

impl Sink<Event> for TraceText {
    fn event(&mut self, event: &Event, streams: &mut Streams<'_>) -> io::Result<()> {
        match event {
            Event::Start(start) => {
                if let Some(held) = self.held(start.trace) {
                    held.name = escape(&start.name).into();
                }
                self.write(start.trace, header(start).as_bytes(), streams.data)
            }
            Event::Hop(trace, hop) => {
                let line = hop_line(&self.options, hop);
                self.write(*trace, line.as_bytes(), streams.data)
            }
            Event::SendFailed { trace, error } => self.send_failed(*trace, *error, streams.talk),
            Event::End(trace) => self.end(trace.trace, streams.data),
            Event::NameWanted(_) => Ok(()),
        }
    }
}

/// Empty for a target without an address: there is nothing to trace.
fn header(start: &Start) -> String {
    let Some(address) = start.address else { return String::new() };
    let (name, hops, octets) = (escape(&start.name), start.max_ttl.get(), start.packet_octets);
    format!("traceroute to {name} ({address}), {hops} hops max, {octets} byte packets\n")
}

fn hop_line(options: &TraceTextOptions, hop: &Hop) -> String {
    let mut line = format!("{:2} ", hop.ttl.get());
    let mut shown: Option<&Answer> = None;
    for probe in &hop.probes {
        let Some(answer) = &probe.answer else {
            line.push_str(" *");
            continue;
        };
        let same = shown.is_some_and(|last| {
            last.responder == answer.responder && (!options.extensions || last.extensions == answer.extensions)
        });
        if !same {
            push_responder(options, answer, &mut line);
            if options.extensions && !answer.extensions.is_empty() {
                line.push_str(&format!(" <{}>", objects(&answer.extensions)));
            }
        }
        shown = Some(answer);
        line.push_str(&format!("  {}", answer.rtt));
        if let Some(mark) = annotation(answer) {
            line.push(' ');
            line.push_str(&mark);
        }
    }
    line.push('\n');
    line
}

fn push_responder(options: &TraceTextOptions, answer: &Answer, line: &mut String) {
    let address = answer.responder;
    let shown = match &answer.name {
        _ if options.numeric => format!(" {address}"),
        Some(name) => format!(" {} ({address})", escape(name)),
        None => format!(" {address} ({address})"),
    };
    line.push_str(&shown);
}

fn objects(objects: &[Object]) -> String {
    let shown: Vec<String> = objects.iter().map(object).collect();
    shown.join(";")
}

fn object(object: &Object) -> String {
    match object {
        Object::Mpls(stack) => {
            let entries: Vec<String> = stack.iter().map(label_stack_entry).collect();
            format!("MPLS:{}", entries.join("/"))
        }
        Object::Unknown { class, c_type, payload } => {
            let words: Vec<String> =
                payload.chunks(4).map(|word| word.iter().map(|octet| format!("{octet:02x}")).collect()).collect();
            format!("{class}/{c_type}:{}", words.join(","))
        }
    }
}

fn label_stack_entry(entry: &LabelStackEntry) -> String {
    format!("L={},E={},S={},T={}", entry.label, entry.tc, u8::from(entry.bottom), entry.ttl)
}
