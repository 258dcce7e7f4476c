//! rtrace's text: traceroute's (Linux), byte for byte.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::time::Duration;

use crate::engine::outcome::{MethodKind, NotSent, Outcome, ProbeEvent, State, Subject, SubjectId};
use crate::report::trace::events::{self, Happened};
use crate::report::trace::findings;
use crate::report::trace::options::{Named, TraceTextOptions, WithZone};
use crate::report::trace::turns::Turns;
use crate::report::trace::{TraceView, flows, table};
use crate::report::words::StatusLine;
use crate::report::{Sink, Streams, escape};
use crate::trace::{
    Began, Event, Finding, Hop, Interim, Response, StopReason, Trace, annotation, hops_back, packet_octets,
};
use crate::types::{Mtu, push_millis};
use crate::wire::extension::{Interface, InterfaceRole, LabelStackEntry, Object, shown_name};

/// From this size on packets of a search are not limited by the user.
const LARGEST_OCTETS: usize = 65_535;

/// Writes the events of a run of traces as text. Traces may interleave, their texts do not: that of each is held back until
/// those before it have ended.
pub struct TraceText {
    options: TraceTextOptions,
    turns: Turns,
    /// The MTU that each trace under way has shown last.
    mtus: BTreeMap<SubjectId, Mtu>,
    /// Traces that wait for routers which may report a dead host.
    waiting: BTreeSet<SubjectId>,
    /// What happened to the path of each report under way.
    happened: BTreeMap<SubjectId, Happened>,
    /// The newest cycle of each report under way, and the last.
    cycles: BTreeMap<SubjectId, (u64, u64)>,
    status: StatusLine,
    /// Memory for a line.
    line: Vec<u8>,
}

impl TraceText {
    /// A writer that has written nothing yet.
    pub fn new(options: TraceTextOptions) -> Self {
        TraceText {
            options,
            turns: Turns::default(),
            mtus: BTreeMap::new(),
            waiting: BTreeSet::new(),
            happened: BTreeMap::new(),
            cycles: BTreeMap::new(),
            status: StatusLine::new(),
            line: Vec::new(),
        }
    }

    fn begin(&mut self, began: &Began, streams: &mut Streams<'_>) -> io::Result<()> {
        let subject = &began.subject;
        if self.options.verbose {
            self.explain_subject(subject, streams.talk)?;
        }
        if self.options.view != TraceView::Path {
            return Ok(());
        }
        self.line.clear();
        push_header(&self.options, began, &mut self.line);
        self.turns.write(subject.id.index(), &self.line, streams.data)
    }

    /// How a trace or a report is made, for `-v`.
    fn explain_subject(&self, subject: &Subject, talk: &mut dyn Write) -> io::Result<()> {
        let (Some(address), Some(socket)) = (subject.address, subject.socket) else { return Ok(()) };
        let (program, name) = (&self.options.program, self.options.view.name(subject));
        let source = subject.source.map(|source| format!(" from {source}")).unwrap_or_default();
        let port = subject.port.map(|port| format!(" to port {port}")).unwrap_or_default();
        let (method, socket, flow) = (subject.method.name(), socket.name(), subject.flow.unwrap_or_default());
        let address = WithZone(subject, address);
        writeln!(talk, "{program}: {name}: {address}{source}, {method}{port} over a {socket} socket, flow {flow}")
    }

    fn hop(&mut self, subject: &Subject, hop: &Hop, data: &mut dyn Write) -> io::Result<()> {
        if self.options.view != TraceView::Path {
            return Ok(());
        }
        let mtu = hop.mtu.filter(|mtu| self.mtus.get(&subject.id) != Some(mtu));
        self.line.clear();
        push_hop(&self.options, subject, hop, mtu, &mut self.line);
        if let Some(mtu) = mtu.filter(|_| !hop.responders.is_empty()) {
            self.mtus.insert(subject.id, mtu);
        }
        self.turns.write(subject.id.index(), &self.line, data)
    }

    fn end(&mut self, trace: &Trace, streams: &mut Streams<'_>) -> io::Result<()> {
        let index = trace.began.subject.id.index();
        self.mtus.remove(&trace.began.subject.id);
        self.waiting.remove(&trace.began.subject.id);
        if self.options.view == TraceView::Path {
            if self.options.explain {
                self.turns.write(index, findings::lines(&trace.findings).as_bytes(), streams.data)?;
            }
            self.turns.write(index, path_mtu(trace).as_bytes(), streams.data)?;
            self.turns.end(index, streams.data)?;
        }
        self.explain_end(&trace.began.subject, trace.stop_reason, trace.duration, streams)?;
        if !self.options.verbose || self.options.explain {
            return Ok(());
        }
        let (program, name) = (&self.options.program, self.options.view.name(&trace.began.subject));
        findings::lines(&trace.findings)
            .lines()
            .try_for_each(|line| writeln!(streams.talk, "{program}: {name}: {line}"))
    }

    /// Why a trace or a report ended, for `-v`.
    fn explain_end(
        &self,
        subject: &Subject,
        reason: StopReason,
        duration: u64,
        streams: &mut Streams<'_>,
    ) -> io::Result<()> {
        if !self.options.verbose {
            return Ok(());
        }
        // Both streams may be one terminal: the data comes first.
        streams.data.flush()?;
        let (program, name, why) = (&self.options.program, self.options.view.name(subject), why_ended(reason));
        let seconds = Duration::from_nanos(duration).as_secs_f64();
        writeln!(streams.talk, "{program}: {name}: ended after {seconds:.3} s: {why}")
    }
}

impl TraceText {
    /// What happened to the flows of a target that has ended, if that is wanted.
    fn events(&mut self, flows: &[SubjectId]) -> String {
        let happened: Vec<Happened> = flows.iter().map(|flow| self.happened.remove(flow).unwrap_or_default()).collect();
        let happened: Vec<&Happened> = happened.iter().collect();
        self.options.events.map_or_else(String::new, |offset| events::lines(&happened, offset))
    }

    /// What is going on, if that takes a while.
    fn progress(&self) -> Option<String> {
        // The one that is last decides when the run is over.
        let cycle = self.cycles.values().min().map(|(number, of)| match self.cycles.len() {
            1 => format!("cycle {number} of {of}"),
            targets => format!("cycle {number} of {of}, {targets} targets"),
        });
        let waiting = (!self.waiting.is_empty()).then(|| "waiting for !H, Ctrl-C ends".to_owned());
        cycle.into_iter().chain(waiting).reduce(|cycle, waiting| cycle + ", " + &waiting)
    }
}

impl Sink<Event> for TraceText {
    fn event(&mut self, event: &Event, streams: &mut Streams<'_>) -> io::Result<()> {
        self.status.erase(streams.talk)?;
        match event {
            Event::Began(began) => self.begin(began, streams),
            Event::Probe(event) => send_failure(&self.options.program, self.options.view, event, streams.talk),
            Event::Hop(subject, hop) => self.hop(subject, hop, streams.data),
            Event::Interim(figures) => {
                streams.data.flush()?;
                interim(&self.options.program, self.options.view, figures, streams.talk)
            }
            Event::Ended(trace) => self.end(trace, streams),
            Event::Flows(all) => {
                let index = all.traces.first().map_or(0, |first| first.began.subject.id.index() / all.traces.len());
                let mut text = flows::table(&self.options, all);
                if self.options.explain {
                    text.push_str(&flows::findings(all));
                }
                self.turns.write(index, text.as_bytes(), streams.data)?;
                self.turns.end(index, streams.data)
            }
            Event::Report(report) => match report.stop_reason {
                Some(reason) => {
                    let index = report.began.subject.id.index();
                    self.waiting.remove(&report.began.subject.id);
                    self.cycles.remove(&report.began.subject.id);
                    // Flows have one table.
                    if self.options.view == TraceView::Report {
                        let text = table::table(&self.options, report) + &self.events(&[report.began.subject.id]);
                        self.turns.write(index, text.as_bytes(), streams.data)?;
                        self.turns.end(index, streams.data)?;
                    }
                    self.explain_end(&report.began.subject, reason, report.duration, streams)
                }
                None => {
                    streams.data.flush()?;
                    table::interim(&self.options, report, streams.talk)
                }
            },
            Event::FlowsReport(flows) if flows.all.stop_reason.is_none() => {
                streams.data.flush()?;
                table::flows_interim(&self.options, flows, streams.talk)
            }
            Event::FlowsReport(flows) => {
                let index = flows.all.began.subject.id.index() / flows.flows.len().max(1);
                let of: Vec<SubjectId> = flows.flows.iter().map(|flow| flow.began.subject.id).collect();
                let text = table::of_flows(&self.options, flows) + &self.events(&of);
                self.turns.write(index, text.as_bytes(), streams.data)?;
                self.turns.end(index, streams.data)
            }
            Event::Waiting(subject) => {
                self.waiting.insert(subject.id);
                Ok(())
            }
            Event::Cycle(subject, number, of) => {
                self.cycles.insert(subject.id, (*number, *of));
                Ok(())
            }
            Event::Change(change) => {
                if self.options.events.is_some() {
                    self.happened.entry(change.subject.id).or_default().add(change);
                }
                Ok(())
            }
            Event::NameWanted(_) | Event::Overdue(_) => Ok(()),
        }
    }

    fn idle(&mut self, streams: &mut Streams<'_>) -> io::Result<()> {
        streams.data.flush()?;
        match self.progress().filter(|_| self.options.terminal && !self.status.is_shown()) {
            Some(line) => self.status.show(&line, streams.talk),
            None => Ok(()),
        }
    }

    fn finish(&mut self, streams: &mut Streams<'_>) -> io::Result<()> {
        self.status.erase(streams.talk)
    }
}

/// Why a probe could not be sent; of repeats, a line a second with their number.
pub(super) fn send_failure(program: &str, view: TraceView, event: &ProbeEvent, talk: &mut dyn Write) -> io::Result<()> {
    match event.outcome {
        Outcome::NotSent(NotSent { error, reported: reported @ 1.., .. }) => {
            let times = if reported > 1 { format!(" ({reported} times)") } else { String::new() };
            writeln!(talk, "{program}: {}: sendmsg: {error}{times}", view.name(&event.subject))
        }
        _ => Ok(()),
    }
}

/// Writes the first line of a trace; nothing for a target without an address or a route: there is nothing to trace.
fn push_header(options: &TraceTextOptions, began: &Began, text: &mut Vec<u8>) {
    let Some((address, octets)) = began.subject.address.zip(packet_octets(&began.subject)) else { return };
    let address = WithZone(&began.subject, address);
    let (name, hops) = (escape(&began.subject.name), began.max_ttl.get());
    let _ = write!(text, "traceroute to {name} ({address}), {hops} hops max, ");
    let _ = match octets {
        LARGEST_OCTETS.. if options.mtu => writeln!(text, "searching the path MTU"),
        _ if options.mtu => writeln!(text, "searching the path MTU up to {octets} bytes"),
        _ => writeln!(text, "{octets} byte packets"),
    };
}

/// The path MTU, and where it is reached first; empty where it is not known. Indented, so that parsers of hops skip it.
fn path_mtu(trace: &Trace) -> String {
    let Some(mtu) = trace.path_mtu else {
        let at_least = trace.path_mtu_at_least.map(|mtu| format!("  path MTU at least {mtu}\n"));
        return at_least.unwrap_or_default();
    };
    let limiting = trace.findings.iter().rev().find_map(|finding| match finding {
        Finding::MtuDrop { at, .. } | Finding::MtuBlackHole { at, .. } => Some(format!(", limited at hop {}", at.ttl)),
        _ => None,
    });
    format!("  path MTU {mtu}{}\n", limiting.unwrap_or_default())
}

/// One line for SIGQUIT about a trace. It overwrites the `^\` that was typed, as ping's does.
pub(super) fn interim(program: &str, view: TraceView, figures: &Interim, talk: &mut dyn Write) -> io::Result<()> {
    let Interim { subject, sent, answered, final_hops, .. } = figures;
    let up_to = figures.highest_ttl.map(|ttl| format!(" up to TTL {}", ttl.get())).unwrap_or_default();
    let name = view.name(subject);
    writeln!(talk, "\r{program}: {name}: {sent} probes sent, {answered} answered{up_to}, {final_hops} hops final")
}

fn why_ended(reason: StopReason) -> &'static str {
    match reason {
        StopReason::Destination => "the destination answered",
        StopReason::Unreachable => "the destination is unreachable",
        StopReason::PortUnreachableElsewhere => "an address other than the destination's answered for it",
        StopReason::GapLimit => "too many silent hops in a row",
        StopReason::MaxTtl => "the last TTL was tried",
        StopReason::Loop => "the path goes in circles",
        StopReason::Cycles => "all cycles are over",
        StopReason::Interrupted => "interrupted",
        StopReason::SendFailed => "probes could not be sent",
    }
}

/// Writes the line of a hop, with `mtu` if it is new. Octet by octet where many traces have it: to format takes three times as long.
fn push_hop(options: &TraceTextOptions, subject: &Subject, hop: &Hop, mtu: Option<Mtu>, line: &mut Vec<u8>) {
    let mut mtu = mtu;
    match hop.ttl.get() {
        ttl @ 0..10 => line.extend([b' ', b'0' + ttl, b' ']),
        ttl @ 10..100 => line.extend([b'0' + ttl / 10, b'0' + ttl % 10, b' ']),
        ttl => drop(write!(line, "{ttl} ")),
    }
    let mut shown: Option<Response<'_>> = None;
    for probe in &hop.probes {
        let Some(response) = probe.response() else {
            line.extend_from_slice(if probe.again { b"" } else { b" *" });
            continue;
        };
        let same = shown.is_some_and(|last| {
            last.responder == response.responder
                && (!options.extensions || last.extensions() == response.extensions())
                && (!options.back || last.event.reply_ttl == response.event.reply_ttl)
        });
        if !same {
            if let Some(responder) = hop.responder(response.responder) {
                line.push(b' ');
                Named(options, subject, responder).push(line);
            }
            line.extend_from_slice(port_state(hop, &response).as_bytes());
            if options.extensions && !response.extensions().is_empty() {
                let _ = write!(line, " <{}>", objects(response.extensions()));
            }
            let back = response.event.reply_ttl.map(hops_back);
            if let Some(back) = back.filter(|&back| options.back && back != hop.ttl.get()) {
                let _ = write!(line, " '-{back}'");
            }
        }
        shown = Some(response);
        line.extend_from_slice(b"  ");
        push_millis(line, response.rtt.as_nanos(), 3);
        line.extend_from_slice(b" ms");
        if let Some(mark) = annotation(response.event) {
            let _ = write!(line, " {mark}");
        }
        if let Some(mtu) = mtu.take() {
            let _ = write!(line, " F={}", mtu.get());
        }
    }
    line.push(b'\n');
}

/// Of TCP, whether the port is open or closed, as tcptraceroute shows it.
fn port_state(hop: &Hop, response: &Response<'_>) -> &'static str {
    let is_tcp = response.event.subject.method == MethodKind::Tcp;
    match response.port_state().and_then(|_| hop.port_state()).filter(|_| is_tcp) {
        Some(State::Open) => " [open]",
        Some(State::Closed) => " [closed]",
        _ => "",
    }
}

/// Extension objects, as traceroute writes them.
pub fn objects(objects: &[Object]) -> String {
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
        interface.name.as_deref().map(|name| format!("\"{}\"", shown_name(name))),
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
    use crate::trace::Origins;
    use crate::types::Asn;
    use std::sync::Arc;

    use crate::channel::OsError;
    use crate::report::fixture::{
        Answer, answer, expired, hop, icmp_answer, trace_end, trace_not_sent, trace_start, written,
    };
    use crate::types::Ttl;

    fn begin(trace: u32, target: &str, address: &str) -> Event {
        Event::Began(trace_start(trace, target, address))
    }

    fn final_hop(trace: u32, ttl: u8, answers: Vec<Option<Answer>>) -> Event {
        hop_event(trace, hop(ttl, answers))
    }

    fn hop_event(trace: u32, hop: Hop) -> Event {
        Event::Hop(trace_start(trace, "a.example", "10.9.4.2").subject, Arc::new(hop))
    }

    fn end(trace: u32) -> Event {
        Event::Ended(Arc::new(trace_end(&trace_start(trace, "a.example", "10.9.4.2"), Vec::new())))
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
    fn a_link_local_address_is_shown_with_its_interface() {
        let began = trace_start(0, "fe80::9", "fe80::9");
        let subject = Arc::new(Subject { zone: Some("eth0".into()), ..Subject::clone(&began.subject) });
        let hops = [hop(1, vec![Some(answer("fe80::1", 1000))]), hop(2, vec![Some(answer("2001:db8::1", 1000))])];
        let mut events = vec![Event::Began(Began { subject: Arc::clone(&subject), ..began })];
        events.extend(hops.map(|hop| Event::Hop(Arc::clone(&subject), Arc::new(hop))));
        let shown = |options| written(&mut TraceText::new(options), &events).0;
        assert_eq!(
            shown(numeric()),
            "traceroute to fe80::9 (fe80::9%eth0), 30 hops max, 80 byte packets\n \
             1  fe80::1%eth0  1.000 ms\n \
             2  2001:db8::1  1.000 ms\n"
        );
        assert!(shown(TraceTextOptions::default()).contains("  fe80::1%eth0 (fe80::1%eth0)  1.000 ms\n"));
    }

    #[test]
    fn an_mtu_stands_after_the_first_answer_of_the_hop_where_it_is_new() {
        let at = |ttl, answers, mtu| hop_event(0, Hop { mtu: Mtu::new(mtu), ..hop(ttl, answers) });
        let shown = || Some(expired("10.9.1.2", 1000));
        let events = [
            begin(0, "10.9.4.2", "10.9.4.2"),
            at(1, vec![None, shown(), shown()], 1500),
            at(2, vec![shown()], 1500),
            at(3, vec![None], 1400),
            at(4, vec![shown()], 1400),
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
            name: Some("eth0 >\u{202e}".as_bytes().into()),
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
    fn findings_stand_after_the_trace_or_on_stderr() {
        let silent = Finding::SilentHops { first: Ttl::new(2), last: Ttl::new(3), next_answer: Ttl::new(4) };
        let began = trace_start(0, "a.example", "10.9.4.2");
        let over = Trace { findings: vec![silent], ..trace_end(&began, Vec::new()) };
        let events = [Event::Began(began), Event::Ended(Arc::new(over))];
        let line = "info: hops 2 to 3 answer no probe, but hop 4 does\n";
        let shown = |explain, verbose| {
            let options = TraceTextOptions { explain, verbose, ..numeric() };
            written(&mut TraceText::new(options), &events)
        };
        let (data, talk) = shown(true, false);
        assert!(data.ends_with(line) && talk.is_empty(), "{data}{talk}");
        let (data, talk) = shown(false, true);
        assert_eq!(data.lines().count(), 1);
        assert!(talk.ends_with(&format!("\nrtrace: a.example: {line}")), "{talk}");
    }

    #[test]
    fn a_target_without_an_address_or_a_route_has_no_text() {
        let began = trace_start(0, "nowhere.example", "192.0.2.1");
        let nowhere = Subject { address: None, ..Subject::clone(&began.subject) };
        let unroutable = Subject { socket: None, ..Subject::clone(&began.subject) };
        for subject in [nowhere, unroutable] {
            let began = Began { subject: Arc::new(subject), ..began.clone() };
            let over = Trace { reached: false, stop_reason: StopReason::SendFailed, ..trace_end(&began, Vec::new()) };
            let events = [Event::Began(began), begin(1, "b", "10.0.0.2"), Event::Ended(Arc::new(over))];
            let (data, talk) = written(&mut TraceText::new(numeric()), &events);
            assert_eq!(data, "traceroute to b (10.0.0.2), 30 hops max, 60 byte packets\n");
            assert_eq!(talk, "");
        }
    }

    #[test]
    fn a_terminal_shows_what_is_waited_for_until_something_else_is_written() {
        let events = [begin(0, "a.example", "10.9.4.2"), waiting(0), final_hop(0, 1, vec![None]), end(0)];
        let talk = |terminal| {
            let mut sink = TraceText::new(TraceTextOptions { terminal, ..numeric() });
            let (mut data, mut talk) = (Vec::new(), Vec::new());
            for event in &events {
                let mut streams = Streams { data: &mut data, talk: &mut talk };
                sink.event(event, &mut streams).unwrap();
                sink.idle(&mut streams).unwrap();
                sink.idle(&mut streams).unwrap();
            }
            String::from_utf8(talk).unwrap()
        };
        let line = "\r\x1b[K\x1b[?7lwaiting for !H, Ctrl-C ends\x1b[?7h";
        assert_eq!(talk(true), format!("{line}\r\x1b[K{line}\r\x1b[K"));
        assert_eq!(talk(false), "");
    }

    #[test]
    fn a_terminal_shows_how_far_a_report_is() {
        let cycle = |trace, number| Event::Cycle(trace_start(trace, "a.example", "10.9.4.2").subject, number, 40);
        let mut sink = TraceText::new(TraceTextOptions { terminal: true, ..numeric() });
        let mut shown = |event: &Event| {
            let (mut data, mut talk) = (Vec::new(), Vec::new());
            let mut streams = Streams { data: &mut data, talk: &mut talk };
            sink.event(event, &mut streams).unwrap();
            sink.idle(&mut streams).unwrap();
            String::from_utf8(talk).unwrap()
        };
        assert_eq!(shown(&cycle(0, 7)), "\r\x1b[K\x1b[?7lcycle 7 of 40\x1b[?7h");
        assert_eq!(shown(&cycle(1, 6)), "\r\x1b[K\r\x1b[K\x1b[?7lcycle 6 of 40, 2 targets\x1b[?7h");
        assert!(shown(&waiting(0)).contains("cycle 6 of 40, 2 targets, waiting for !H, Ctrl-C ends"));
    }

    fn waiting(trace: u32) -> Event {
        Event::Waiting(trace_start(trace, "a.example", "10.9.4.2").subject)
    }

    #[test]
    fn a_send_failure_is_printed_once_until_it_changes() {
        let began = trace_start(0, "a.example", "10.0.0.1");
        let failed = |error, repeated| trace_not_sent(&began, error, repeated);
        let (unreach, perm) = (OsError::ENETUNREACH, OsError::EPERM);
        let failures = [failed(unreach, false), failed(unreach, true), failed(perm, false), failed(unreach, false)];
        let events: Vec<Event> = std::iter::once(Event::Began(began.clone())).chain(failures).collect();
        let (data, talk) = written(&mut TraceText::new(numeric()), &events);
        assert_eq!(data.lines().count(), 1);
        assert_eq!(
            talk,
            "rtrace: a.example: sendmsg: Network is unreachable\nrtrace: a.example: sendmsg: Operation not permitted\n\
             rtrace: a.example: sendmsg: Network is unreachable\n"
        );
    }

    #[test]
    fn annotations_are_traceroutes() {
        let marks = |responder, icmp_type| -> Vec<Option<String>> {
            (0..=16).map(|code| annotation(&icmp_answer(responder, icmp_type, code).event())).collect()
        };
        let some = |mark: &str| Some(mark.to_owned());
        let v4: Vec<_> = [
            "!N", "!H", "!P", "", "!F-1400", "!S", "!N", "!H", "!N", "!X", "!X", "!N", "!H", "!X", "!V", "!C", "!<16>",
        ]
        .iter()
        .map(|mark| if mark.is_empty() { None } else { some(mark) })
        .collect();
        assert_eq!(marks("192.0.2.1", 3), v4);
        assert_eq!(marks("2001:db8::1", 1)[..6], [some("!N"), some("!X"), some("!H"), some("!H"), None, some("!<5>")]);
        assert_eq!(marks("2001:db8::1", 2)[0], some("!F-1400"));
        assert_eq!(marks("192.0.2.1", 11)[..2], [None, some("!<11-1>")]);
        assert_eq!(marks("2001:db8::1", 3)[..2], [None, some("!<3-1>")]);
        assert_eq!(marks("192.0.2.1", 12)[0], some("!<12-0>"));
        assert_eq!(annotation(&answer("192.0.2.1", 1).event()), None);
    }
}
