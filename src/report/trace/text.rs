//! rtrace's text: traceroute's (Linux), byte for byte.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use crate::channel::OsError;
use crate::report::trace::findings::sentence;
use crate::report::words::message::annotation;
use crate::report::{Sink, Streams, escape};
use crate::trace::{Answer, Event, Hop, Interim, Origins, Start, StopReason, Trace, TraceId, hops_back};
use crate::types::{Asn, Mtu};
use crate::wire::extension::{Interface, InterfaceRole, LabelStackEntry, Object};

/// What the text is to look like.
#[derive(Clone, Debug)]
pub struct TraceTextOptions {
    /// The program's name, before messages on stderr.
    pub program: Box<str>,
    /// Addresses alone, no names (`-n`).
    pub numeric: bool,
    /// ICMP extensions behind addresses (`-e`).
    pub extensions: bool,
    /// The length of the way back, where it differs from the hop's number (`--back`).
    pub back: bool,
    /// Findings behind each trace (`--explain`).
    pub explain: bool,
    /// How each trace is made, why it ended and what it found, on stderr (`-v`).
    pub verbose: bool,
}

impl Default for TraceTextOptions {
    fn default() -> Self {
        TraceTextOptions {
            program: "rtrace".into(),
            numeric: false,
            extensions: false,
            back: false,
            explain: false,
            verbose: false,
        }
    }
}

/// Writes the events of a run of traces as text. Traces may interleave, their texts do not: that of each is held back until
/// those before it have ended.
pub struct TraceText {
    options: TraceTextOptions,
    /// By index.
    traces: BTreeMap<usize, Held>,
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
    /// The MTU that was shown last.
    mtu: Option<Mtu>,
}

impl TraceText {
    /// A writer that has written nothing yet.
    pub fn new(options: TraceTextOptions) -> Self {
        TraceText { options, traces: BTreeMap::new(), current: 0 }
    }

    fn held(&mut self, trace: TraceId) -> &mut Held {
        self.traces.entry(trace.index()).or_default()
    }

    /// Writes `text` of `trace` if it is its turn, else keeps it.
    fn write(&mut self, trace: TraceId, text: &[u8], data: &mut dyn Write) -> io::Result<()> {
        if trace.index() == self.current {
            return data.write_all(text);
        }
        self.held(trace).text.extend_from_slice(text);
        Ok(())
    }

    fn end(&mut self, trace: TraceId, data: &mut dyn Write) -> io::Result<()> {
        self.held(trace).ended = true;
        while self.traces.get(&self.current).is_some_and(|held| held.ended) {
            self.current += 1;
            if let Some(next) = self.traces.get_mut(&self.current) {
                data.write_all(&std::mem::take(&mut next.text))?;
            }
        }
        Ok(())
    }

    fn send_failed(&mut self, trace: TraceId, error: OsError, talk: &mut dyn Write) -> io::Result<()> {
        let held = self.held(trace);
        if held.failure.replace(error) == Some(error) {
            return Ok(());
        }
        let name = held.name.clone();
        writeln!(talk, "{}: {name}: sendmsg: {error}", self.options.program)
    }

    fn say_end(&mut self, end: &Trace, talk: &mut dyn Write) -> io::Result<()> {
        let held = self.held(end.trace);
        let (name, why) = (held.name.clone(), why_ended(end.stop_reason));
        let seconds = Duration::from_nanos(end.duration).as_secs_f64();
        let program = &self.options.program;
        writeln!(talk, "{program}: {name}: ended after {seconds:.3} s: {why}")?;
        if self.options.explain {
            return Ok(());
        }
        findings(end).lines().try_for_each(|line| writeln!(talk, "{program}: {name}: {line}"))
    }
}

impl Sink<Event> for TraceText {
    fn event(&mut self, event: &Event, streams: &mut Streams<'_>) -> io::Result<()> {
        match event {
            Event::Start(start) => {
                self.held(start.trace).name = escape(&start.name).into();
                if self.options.verbose {
                    say_start(&self.options.program, start, streams.talk)?;
                }
                self.write(start.trace, header(start).as_bytes(), streams.data)
            }
            Event::Hop(trace, hop) => {
                let shown = self.held(*trace).mtu;
                let mtu = hop.mtu.filter(|_| hop.mtu != shown);
                let line = hop_line(&self.options, hop, mtu);
                if hop.probes.iter().any(|probe| probe.answer.is_some()) {
                    self.held(*trace).mtu = mtu.or(shown);
                }
                self.write(*trace, line.as_bytes(), streams.data)
            }
            Event::SendFailed { trace, error } => self.send_failed(*trace, *error, streams.talk),
            Event::Interim(all) => {
                // Both streams may be one terminal: the hops come first.
                streams.data.flush()?;
                all.iter().try_for_each(|figures| {
                    let name = self.held(figures.trace).name.clone();
                    interim(&self.options.program, &name, figures, streams.talk)
                })
            }
            Event::End(trace) => {
                if self.options.explain {
                    self.write(trace.trace, findings(trace).as_bytes(), streams.data)?;
                }
                self.end(trace.trace, streams.data)?;
                if !self.options.verbose {
                    return Ok(());
                }
                // As above.
                streams.data.flush()?;
                self.say_end(trace, streams.talk)
            }
            Event::NameWanted(_) => Ok(()),
        }
    }
}

/// How a trace or a report is made, for `-v`.
pub(in crate::report) fn say_start(program: &str, start: &Start, talk: &mut dyn Write) -> io::Result<()> {
    let (Some(address), Some(socket)) = (start.address, start.socket) else { return Ok(()) };
    let (name, method) = (escape(&start.name), start.method.name());
    let source = start.source.map(|source| format!(" from {source}")).unwrap_or_default();
    let port = start.port.map(|port| format!(" to port {port}")).unwrap_or_default();
    let (socket, flow) = (socket.name(), start.flow);
    writeln!(talk, "{program}: {name}: {address}{source}, {method}{port} over a {socket} socket, flow {flow}")
}

/// Empty for a target without an address: there is nothing to trace.
fn header(start: &Start) -> String {
    let Some(address) = start.address else { return String::new() };
    let (name, hops, octets) = (escape(&start.name), start.max_ttl.get(), start.packet_octets);
    format!("traceroute to {name} ({address}), {hops} hops max, {octets} byte packets\n")
}

/// One line for SIGQUIT about the trace to `name`, which is escaped. It overwrites the `^\` of who typed it, as ping's does.
pub(in crate::report) fn interim(program: &str, name: &str, figures: &Interim, talk: &mut dyn Write) -> io::Result<()> {
    let Interim { sent, answered, final_hops, .. } = figures;
    let up_to = figures.highest_ttl.map(|ttl| format!(" up to TTL {}", ttl.get())).unwrap_or_default();
    writeln!(talk, "\r{program}: {name}: {sent} probes sent, {answered} answered{up_to}, {final_hops} hops final")
}

/// One line for each finding.
fn findings(trace: &Trace) -> String {
    trace.findings.iter().map(|finding| format!("{}: {}\n", finding.severity().name(), sentence(finding))).collect()
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

/// The line of a hop, with `mtu` if it is new.
fn hop_line(options: &TraceTextOptions, hop: &Hop, mtu: Option<Mtu>) -> String {
    let mut mtu = mtu;
    let mut line = format!("{:2} ", hop.ttl.get());
    let mut shown: Option<&Answer> = None;
    for probe in &hop.probes {
        let Some(answer) = &probe.answer else {
            line.push_str(if probe.again { "" } else { " *" });
            continue;
        };
        let same = shown.is_some_and(|last| {
            last.responder == answer.responder
                && (!options.extensions || last.extensions == answer.extensions)
                && (!options.back || last.reply_ttl == answer.reply_ttl)
        });
        if !same {
            push_responder(options, answer, &mut line);
            if options.extensions && !answer.extensions.is_empty() {
                line.push_str(&format!(" <{}>", objects(&answer.extensions)));
            }
            if let Some(back) = answer.reply_ttl.map(hops_back).filter(|&back| options.back && back != hop.ttl.get()) {
                line.push_str(&format!(" '-{back}'"));
            }
        }
        shown = Some(answer);
        line.push_str(&format!("  {}", answer.rtt));
        if let Some(mark) = annotation(answer) {
            line.push(' ');
            line.push_str(&mark);
        }
        if let Some(mtu) = mtu.take() {
            line.push_str(&format!(" F={}", mtu.get()));
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
    line.push_str(&origins(answer.origins.as_ref()));
}

/// As traceroute's `-A` writes them, behind a blank; nothing where they were not asked for.
pub(in crate::report) fn origins(origins: Option<&Origins>) -> String {
    let Some(origins) = origins else { return String::new() };
    match origins {
        Origins::Announced(systems) => {
            let systems: Vec<String> = systems.iter().map(Asn::to_string).collect();
            format!(" [{}]", systems.join("/"))
        }
        Origins::Unannounced => " [*]".to_owned(),
        Origins::Unknown => " [!!]".to_owned(),
    }
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
        Object::Interface(interface) => self::interface(interface),
        Object::Unknown { class, c_type, payload } => {
            let words: Vec<String> =
                payload.chunks(4).map(|word| word.iter().map(|octet| format!("{octet:02x}")).collect()).collect();
            format!("{class}/{c_type}:{}", words.join(","))
        }
    }
}

/// Interface information, as traceroute writes it: `INC:2,192.0.2.1,"eth0",mtu=1500`.
fn interface(interface: &Interface) -> String {
    let role = match interface.role {
        InterfaceRole::Incoming => "INC",
        InterfaceRole::SubIp => "SUB",
        InterfaceRole::Outgoing => "OUT",
        InterfaceRole::NextHop => "NXT",
    };
    let parts = [
        interface.index.map(|index| index.to_string()),
        interface.address.map(|address| address.to_string()),
        interface.name.as_deref().map(|name| format!("\"{}\"", escape(name))),
        interface.mtu.map(|mtu| format!("mtu={}", mtu.get())),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    format!("{role}:{}", parts.join(","))
}

fn label_stack_entry(entry: &LabelStackEntry) -> String {
    format!("L={},E={},S={},T={}", entry.label, entry.tc, u8::from(entry.bottom), entry.ttl)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::{answer, expired, hop, icmp_answer, trace_end, trace_start, written};
    use crate::trace::{Finding, StopReason};
    use crate::types::{Mtu, Ttl};

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
    fn an_mtu_stands_behind_the_first_answer_of_the_hop_where_it_is_new() {
        let at =
            |ttl, answers, mtu| Event::Hop(TraceId::new(0), Box::new(Hop { mtu: Mtu::new(mtu), ..hop(ttl, answers) }));
        let told = || Some(expired("10.9.1.2", 1000));
        let events = [
            begin(0, "10.9.4.2", "10.9.4.2"),
            at(1, vec![None, told(), told()], 1500),
            at(2, vec![told()], 1500),
            at(3, vec![None], 1400),
            at(4, vec![told()], 1400),
        ];
        let (data, _) = written(&mut TraceText::new(numeric()), &events);
        let lines: Vec<&str> = data.lines().skip(1).collect();
        assert_eq!(lines[0], " 1  * 10.9.1.2  1.000 ms F=1500  1.000 ms");
        assert_eq!(lines[1..], [" 2  10.9.1.2  1.000 ms", " 3  *", " 4  10.9.1.2  1.000 ms F=1400"]);
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
    fn origins_follow_the_address() {
        let announced =
            |numbers: &[u32]| Origins::Announced(numbers.iter().filter_map(|&number| Asn::new(number)).collect());
        let from = |origins, answer: Answer| Some(Answer { origins: Some(origins), ..answer });
        let gateway = || named("gw.example", expired("192.0.2.1", 1));
        let hops = || {
            vec![
                vec![from(announced(&[64_500]), gateway()), from(announced(&[64_500]), gateway()), None],
                vec![
                    from(announced(&[1, 2]), expired("192.0.2.2", 1)),
                    from(Origins::Unannounced, expired("10.0.0.1", 2)),
                ],
                vec![from(Origins::Unknown, icmp_answer("192.0.2.3", 3, 1))],
            ]
        };
        assert_eq!(
            lines(TraceTextOptions::default(), hops()),
            [
                " 1  gw.example (192.0.2.1) [AS64500]  0.001 ms  0.001 ms *",
                " 2  192.0.2.2 (192.0.2.2) [AS1/AS2]  0.001 ms 10.0.0.1 (10.0.0.1) [*]  0.002 ms",
                " 3  192.0.2.3 (192.0.2.3) [!!]  1.000 ms !H",
            ]
        );
        assert_eq!(lines(numeric(), hops())[1], " 2  192.0.2.2 [AS1/AS2]  0.001 ms 10.0.0.1 [*]  0.002 ms");
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
    fn interface_information_reads_as_traceroutes() {
        let incoming = Interface {
            role: InterfaceRole::Incoming,
            index: Some(2),
            address: Some("192.0.2.1".parse().unwrap()),
            name: Some("eth0 >\u{202e}".into()),
            mtu: Mtu::new(1500),
        };
        let bare = Interface { role: InterfaceRole::NextHop, index: None, address: None, name: None, mtu: None };
        let extensions = vec![Object::Interface(incoming), Object::Interface(bare)];
        let shown = Answer { extensions, ..expired("10.9.1.2", 7) };
        assert_eq!(
            lines(TraceTextOptions { extensions: true, ..numeric() }, vec![vec![Some(shown)]]),
            [r#" 1  10.9.1.2 <INC:2,192.0.2.1,"eth0\u{20}>\u{202e}",mtu=1500;NXT:>  0.007 ms"#]
        );
    }

    #[test]
    fn the_way_back_is_shown_where_its_length_differs() {
        let from = |reply_ttl| Some(Answer { reply_ttl: Some(Ttl::new(reply_ttl)), ..expired("10.9.1.2", 7) });
        let back = TraceTextOptions { back: true, ..numeric() };
        assert_eq!(
            lines(back, vec![vec![from(255), from(64), from(250)], vec![from(127), None, from(127)]]),
            [" 1  10.9.1.2  0.007 ms 10.9.1.2  0.007 ms 10.9.1.2 '-6'  0.007 ms", " 2  10.9.1.2  0.007 ms *  0.007 ms",]
        );
    }

    #[test]
    fn findings_stand_behind_the_trace_or_on_stderr() {
        let silent = Finding::SilentHops { first: Ttl::new(2), last: Ttl::new(3), answers_behind: Ttl::new(4) };
        let over = Trace { findings: vec![silent], ..*trace_end(0, Vec::new()) };
        let events = [begin(0, "a.example", "10.9.4.2"), Event::End(Box::new(over))];
        let line = "info: hops 2 to 3 answer no probe, hop 4 behind does\n";
        let told = |explain, verbose| {
            let options = TraceTextOptions { explain, verbose, ..numeric() };
            written(&mut TraceText::new(options), &events)
        };
        let (data, talk) = told(true, false);
        assert!(data.ends_with(line) && talk.is_empty(), "{data}{talk}");
        let (data, talk) = told(false, true);
        assert_eq!(data.lines().count(), 1);
        assert!(talk.ends_with(&format!("\nrtrace: a.example: {line}")), "{talk}");
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
