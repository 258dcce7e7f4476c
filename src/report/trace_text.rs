//! rtrace's text: traceroute's (Linux), byte for byte.

use std::io::{self, Write};
use std::time::Duration;

use super::message::annotation;
use super::{Sink, Streams, escape};
use crate::channel::OsError;
use crate::trace::{Answer, Event, Hop, Start, StopReason, Trace, TraceId};
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
    /// How each trace is made and why it ended, on stderr (`-v`).
    pub verbose: bool,
}

impl Default for TraceTextOptions {
    fn default() -> Self {
        TraceTextOptions { program: "rtrace".into(), numeric: false, extensions: false, verbose: false }
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

    fn say_start(&self, start: &Start, talk: &mut dyn Write) -> io::Result<()> {
        let (Some(address), Some(socket)) = (start.address, start.socket) else { return Ok(()) };
        let (program, name, method) = (&self.options.program, escape(&start.name), start.method.name());
        let source = start.source.map(|source| format!(" from {source}")).unwrap_or_default();
        let port = start.port.map(|port| format!(" to port {port}")).unwrap_or_default();
        let (socket, flow) = (socket.name(), start.flow);
        writeln!(talk, "{program}: {name}: {address}{source}, {method}{port} over a {socket} socket, flow {flow}")
    }

    fn say_end(&mut self, end: &Trace, talk: &mut dyn Write) -> io::Result<()> {
        let Some(held) = self.held(end.trace) else { return Ok(()) };
        let (name, why) = (held.name.clone(), why_ended(end.stop_reason));
        let seconds = Duration::from_nanos(end.duration).as_secs_f64();
        writeln!(talk, "{}: {name}: ended after {seconds:.3} s: {why}", self.options.program)
    }
}

impl Sink<Event> for TraceText {
    fn event(&mut self, event: &Event, streams: &mut Streams<'_>) -> io::Result<()> {
        match event {
            Event::Start(start) => {
                if let Some(held) = self.held(start.trace) {
                    held.name = escape(&start.name).into();
                }
                if self.options.verbose {
                    self.say_start(start, streams.talk)?;
                }
                self.write(start.trace, header(start).as_bytes(), streams.data)
            }
            Event::Hop(trace, hop) => {
                let line = hop_line(&self.options, hop);
                self.write(*trace, line.as_bytes(), streams.data)
            }
            Event::SendFailed { trace, error } => self.send_failed(*trace, *error, streams.talk),
            Event::End(trace) => {
                self.end(trace.trace, streams.data)?;
                if !self.options.verbose {
                    return Ok(());
                }
                // Both streams may be one terminal: the hops come first.
                streams.data.flush()?;
                self.say_end(trace, streams.talk)
            }
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

fn why_ended(reason: StopReason) -> &'static str {
    match reason {
        StopReason::Destination => "the destination answered",
        StopReason::Unreachable => "the destination is unreachable",
        StopReason::PortUnreachableElsewhere => "another address than the destination's answered for it",
        StopReason::GapLimit => "too many silent hops in a row",
        StopReason::MaxTtl => "the last TTL was tried",
        StopReason::Loop => "the path goes in circles",
        StopReason::Interrupted => "interrupted",
        StopReason::SendFailed => "probes could not be sent",
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::{answer, expired, hop, icmp_answer, trace_end, trace_start, written};
    use crate::trace::{StopReason, Trace};

    fn begin(trace: u32, target: &str, address: &str) -> Event {
        Event::Start(Box::new(trace_start(trace, target, address)))
    }

    fn final_hop(trace: u32, ttl: u8, answers: Vec<Option<Answer>>) -> Event {
        Event::Hop(TraceId::new(trace), Box::new(hop(ttl, answers)))
    }

    fn end(trace: u32) -> Event {
        Event::End(trace_end(trace, Vec::new()))
    }

    /// The lines of one hop each.
    fn lines(options: TraceTextOptions, hops: Vec<Vec<Option<Answer>>>) -> Vec<String> {
        let mut events = vec![begin(0, "10.9.4.2", "10.9.4.2")];
        events.extend((1..).zip(hops).map(|(ttl, answers)| final_hop(0, ttl, answers)));
        let (data, talk) = written(&mut TraceText::new(options), &events);
        assert_eq!(talk, "");
        assert!(data.ends_with('\n'));
        data.lines().skip(1).map(str::to_owned).collect()
    }

    fn numeric() -> TraceTextOptions {
        TraceTextOptions { numeric: true, ..TraceTextOptions::default() }
    }

    fn named(name: &str, answer: Answer) -> Answer {
        Answer { name: Some(name.into()), ..answer }
    }

    #[test]
    fn a_trace_reads_as_traceroutes() {
        let events = [
            begin(0, "host.example", "10.9.4.2"),
            final_hop(0, 1, vec![Some(expired("10.9.1.2", 1979)), None, None]),
            final_hop(0, 2, vec![None, None, None]),
            final_hop(
                0,
                3,
                vec![
                    Some(named("gw.example", expired("10.9.3.2", 16))),
                    Some(named("gw.example", expired("10.9.3.2", 7))),
                    None,
                ],
            ),
            final_hop(
                0,
                10,
                vec![Some(answer("10.9.4.2", 12_345)), Some(answer("10.9.4.2", 7)), Some(answer("10.9.4.2", 7))],
            ),
            end(0),
        ];
        assert_eq!(
            written(&mut TraceText::new(TraceTextOptions::default()), &events).0,
            "traceroute to host.example (10.9.4.2), 30 hops max, 60 byte packets\n \
             1  10.9.1.2 (10.9.1.2)  1.979 ms * *\n \
             2  * * *\n \
             3  gw.example (10.9.3.2)  0.016 ms  0.007 ms *\n\
             10  10.9.4.2 (10.9.4.2)  12.345 ms  0.007 ms  0.007 ms\n"
        );
    }

    #[test]
    fn an_address_is_repeated_only_when_it_changes() {
        let (a, b) = (|| Some(expired("10.9.1.2", 1)), || Some(expired("10.9.1.3", 2)));
        assert_eq!(
            lines(numeric(), vec![vec![a(), b(), a()], vec![a(), None, a()], vec![None, a(), b()]]),
            [
                " 1  10.9.1.2  0.001 ms 10.9.1.3  0.002 ms 10.9.1.2  0.001 ms",
                " 2  10.9.1.2  0.001 ms *  0.001 ms",
                " 3  * 10.9.1.2  0.001 ms 10.9.1.3  0.002 ms",
            ]
        );
    }

    #[test]
    fn annotations_follow_the_time() {
        let to_big = icmp_answer("10.9.3.2", 3, 4);
        let host = || Some(icmp_answer("10.9.3.2", 3, 1));
        assert_eq!(
            lines(numeric(), vec![vec![host(), host(), Some(to_big)], vec![Some(icmp_answer("2001:db8::1", 1, 0))]]),
            [" 1  10.9.3.2  1.000 ms !H  1.000 ms !H  1.000 ms !F-1400", " 2  2001:db8::1  1.000 ms !N"]
        );
    }

    fn label(label: u32, tc: u8, bottom: bool) -> LabelStackEntry {
        LabelStackEntry { label, tc, bottom, ttl: 1 }
    }

    fn with(extensions: Vec<Object>) -> Option<Answer> {
        Some(Answer { extensions, ..expired("192.0.2.9", 1200) })
    }

    #[test]
    fn extensions_are_shown_when_asked_and_when_they_change() {
        let stack = || Object::Mpls(vec![label(24001, 0, false), label(16006, 3, true)]);
        let unknown = || Object::Unknown { class: 3, c_type: 1, payload: vec![0xaa, 0xbb, 0xcc, 0xdd, 0, 0, 0, 1] };
        let asked = TraceTextOptions { extensions: true, ..numeric() };
        let hops = || {
            vec![
                vec![with(vec![stack()]), with(vec![stack()]), with(vec![])],
                vec![with(vec![unknown()]), with(vec![stack(), unknown()])],
            ]
        };
        let mpls = "MPLS:L=24001,E=0,S=0,T=1/L=16006,E=3,S=1,T=1";
        assert_eq!(
            lines(asked.clone(), hops()),
            [
                format!(" 1  192.0.2.9 <{mpls}>  1.200 ms  1.200 ms 192.0.2.9  1.200 ms"),
                format!(
                    " 2  192.0.2.9 <3/1:aabbccdd,00000001>  1.200 ms 192.0.2.9 <{mpls};3/1:aabbccdd,00000001>  1.200 ms"
                ),
            ]
        );
        assert_eq!(
            lines(numeric(), hops()),
            [" 1  192.0.2.9  1.200 ms  1.200 ms  1.200 ms", " 2  192.0.2.9  1.200 ms  1.200 ms"]
        );
        let ragged = with(vec![Object::Unknown { class: 200, c_type: 0, payload: vec![1, 2, 3, 4, 5] }]);
        assert_eq!(lines(asked, vec![vec![ragged]]), [" 1  192.0.2.9 <200/0:01020304,05>  1.200 ms"]);
    }

    #[test]
    fn names_from_the_network_are_escaped() {
        let hostile = named("gw\u{1b}[2J\u{9b}\u{202e} (10.0.0.1)", expired("10.9.1.2", 1));
        assert_eq!(
            lines(TraceTextOptions::default(), vec![vec![Some(hostile)]]),
            [r" 1  gw\u{1b}[2J\u{9b}\u{202e}\u{20}(10.0.0.1) (10.9.1.2)  0.001 ms"]
        );
    }

    #[test]
    fn interleaved_traces_are_written_one_after_the_other() {
        let hop_of = |trace, ttl| final_hop(trace, ttl, vec![Some(expired("10.9.1.2", 1))]);
        let events = [
            begin(1, "b", "10.0.0.2"),
            begin(0, "a", "10.0.0.1"),
            begin(2, "c", "10.0.0.3"),
            hop_of(1, 1),
            hop_of(0, 1),
            hop_of(2, 1),
            end(2),
            hop_of(0, 2),
            end(0),
            hop_of(1, 2),
            end(1),
        ];
        let mut sink = TraceText::new(numeric());
        let order = |text: &str| -> String {
            text.lines()
                .filter_map(|line| {
                    line.strip_prefix("traceroute to ").map_or(line.chars().nth(1), |rest| rest.chars().next())
                })
                .collect()
        };
        let seen: Vec<String> =
            events.iter().map(|event| order(&written(&mut sink, std::slice::from_ref(event)).0)).collect();
        assert_eq!(seen, ["", "a", "", "", "1", "", "", "2", "b1", "2", "c1"]);
    }

    #[test]
    fn a_target_without_an_address_has_no_text() {
        let unresolved = Start { address: None, ..trace_start(0, "nowhere.example", "192.0.2.1") };
        let over = Trace { reached: false, stop_reason: StopReason::SendFailed, ..*trace_end(0, Vec::new()) };
        let events = [Event::Start(Box::new(unresolved)), begin(1, "b", "10.0.0.2"), Event::End(Box::new(over))];
        let (data, talk) = written(&mut TraceText::new(numeric()), &events);
        assert_eq!(data, "traceroute to b (10.0.0.2), 30 hops max, 60 byte packets\n");
        assert_eq!(talk, "");
    }

    #[test]
    fn a_send_failure_is_said_once_until_it_changes() {
        let failed = |error| Event::SendFailed { trace: TraceId::new(0), error };
        let (unreach, perm) = (OsError::ENETUNREACH, OsError::EPERM);
        let events =
            [begin(0, "a.example", "10.0.0.1"), failed(unreach), failed(unreach), failed(perm), failed(unreach)];
        let (data, talk) = written(&mut TraceText::new(numeric()), &events);
        assert_eq!(data.lines().count(), 1);
        assert_eq!(
            talk,
            "rtrace: a.example: sendmsg: Network is unreachable\nrtrace: a.example: sendmsg: Operation not permitted\n\
             rtrace: a.example: sendmsg: Network is unreachable\n"
        );
    }
}
