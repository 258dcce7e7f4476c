//! rtrace's report as text: the table of `mtr -r`, with host names in full.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::{Duration, UNIX_EPOCH};

use crate::channel::OsError;
use crate::report::trace::text::{origins, say_start};
use crate::report::words::message::annotation;
use crate::report::{Sink, Streams, escape};
use crate::trace::watch::{Ended, Event, Report, ReportHop, ReportResponder};
use crate::trace::{Answer, Start, TraceId};
use crate::types::Rtt;
use crate::wire::extension::Object;

/// What the text is to look like.
#[derive(Clone, Debug)]
pub struct TableOptions {
    /// The program's name, before messages on stderr.
    pub program: Box<str>,
    /// Addresses alone, no names (`-n`).
    pub numeric: bool,
    /// MPLS labels below the routers that told them (`-e`).
    pub extensions: bool,
    /// How each report is made, and why it ended, on stderr (`-v`).
    pub verbose: bool,
}

/// The width of the host column up to which mtr's and ours are the same.
const HOST_WIDTH: usize = 25;
/// What a hop that only limits its answers is marked with, and what that means.
const MARK: &str = "*";
const LEGEND: &str = "unanswered here, but not behind: this router limits its answers, packets pass it";

/// Writes a run of reports as text, target by target in argument order.
pub struct TraceTable {
    options: TableOptions,
    /// By index.
    targets: BTreeMap<usize, Held>,
    /// The first target whose table is not written yet.
    current: usize,
}

/// What is known of one target.
#[derive(Default)]
struct Held {
    start: Option<Start>,
    /// Its table, once it ended and until it is its turn.
    table: Option<String>,
}

impl TraceTable {
    /// A writer that has written nothing yet.
    pub fn new(options: TableOptions) -> Self {
        TraceTable { options, targets: BTreeMap::new(), current: 0 }
    }

    fn held(&mut self, trace: TraceId) -> &mut Held {
        self.targets.entry(trace.index()).or_default()
    }

    fn start(&self, trace: TraceId) -> Option<&Start> {
        self.targets.get(&trace.index())?.start.as_ref()
    }

    fn name(&self, trace: TraceId) -> String {
        self.start(trace).map(|start| escape(&start.name).into_owned()).unwrap_or_default()
    }

    fn say_failure(&self, trace: TraceId, error: OsError, talk: &mut dyn Write) -> io::Result<()> {
        writeln!(talk, "{}: {}: sendmsg: {error}", self.options.program, self.name(trace))
    }

    fn say_end(&self, report: &Report, talk: &mut dyn Write) -> io::Result<()> {
        let (program, name) = (&self.options.program, self.name(report.trace));
        let seconds = Duration::from_nanos(report.duration).as_secs_f64();
        let why = match report.ended {
            Some(Ended::Cycles) | None => "all cycles are over",
            Some(Ended::Interrupted) => "interrupted",
            Some(Ended::SendFailed) => "probes could not be sent",
        };
        writeln!(talk, "{program}: {name}: ended after {seconds:.3} s: {why}")
    }

    fn end(&mut self, report: &Report, data: &mut dyn Write) -> io::Result<()> {
        let table = self.start(report.trace).map(|start| table(&self.options, start, report)).unwrap_or_default();
        self.held(report.trace).table = Some(table);
        while let Some(table) = self.targets.get_mut(&self.current).and_then(|held| held.table.take()) {
            self.current += 1;
            data.write_all(table.as_bytes())?;
        }
        Ok(())
    }
}

impl Sink<Event> for TraceTable {
    fn event(&mut self, event: &Event, streams: &mut Streams<'_>) -> io::Result<()> {
        match event {
            Event::Start(start) => {
                self.held(start.trace).start = Some(Start::clone(start));
                if self.options.verbose { say_start(&self.options.program, start, streams.talk) } else { Ok(()) }
            }
            Event::SendFailed { trace, error } => self.say_failure(*trace, *error, streams.talk),
            Event::Interim(all) => {
                // Both streams may be one terminal: what is written comes first.
                streams.data.flush()?;
                all.iter().try_for_each(|report| interim(&self.options, self.start(report.trace), report, streams.talk))
            }
            Event::End(report) => {
                self.end(report, streams.data)?;
                if !self.options.verbose {
                    return Ok(());
                }
                // As above.
                streams.data.flush()?;
                self.say_end(report, streams.talk)
            }
            Event::NameWanted(_) => Ok(()),
        }
    }
}

/// The table so far, for SIGQUIT. It overwrites the `^\` of who typed it, as ping's line does.
pub(in crate::report) fn interim(
    options: &TableOptions,
    start: Option<&Start>,
    report: &Report,
    talk: &mut dyn Write,
) -> io::Result<()> {
    let Some(start) = start else { return Ok(()) };
    write!(talk, "\r{}", table(options, start, report))
}

/// Empty for a target without an address: there is nothing to report.
fn table(options: &TableOptions, start: &Start, report: &Report) -> String {
    let Some(address) = start.address else { return String::new() };
    let hops = shown(&report.hops);
    let host = start.source.map(|source| source.to_string()).unwrap_or_default();
    let names = hops.iter().map(|hop| hop.responders.first().map_or("???".len(), |first| width(&name(options, first))));
    let width = names.max().unwrap_or(0).max(HOST_WIDTH);
    let at = UNIX_EPOCH + Duration::from_nanos(start.time.as_nanos());
    let time = humantime::format_rfc3339_seconds(at).to_string().replace('Z', "+0000");
    let (method, name) = (start.method.name(), escape(&start.name));
    let mut text = format!(
        "Start: {time} {method} to {name} ({address})\n\
         HOST: {host:<to$} Loss%   Snt   Last   Avg  Best  Wrst StDev\n",
        to = width + 2
    );
    hops.iter().for_each(|hop| push_hop(options, hop, width, &mut text));
    if hops.iter().any(|hop| hop.persists == Some(false)) {
        text.push_str(&format!("  {MARK} {LEGEND}\n"));
    }
    text.push_str(&of_destination(report));
    text
}

/// Behind the last hop that answered one silent hop stands for all.
fn shown(hops: &[ReportHop]) -> &[ReportHop] {
    let answering = hops.iter().rposition(|hop| hop.received > 0).map_or(0, |at| at + 1);
    hops.get(..answering + 1).unwrap_or(hops)
}

/// What the rows do not tell of the destination.
fn of_destination(report: &Report) -> String {
    let cycles = report.received + report.lost;
    if report.received == 0 {
        return if cycles == 0 {
            String::new()
        } else {
            format!("  The destination answered none of {cycles} cycles.\n")
        };
    }
    if report.distances.len() < 2 {
        return String::new();
    }
    let at: Vec<String> =
        report.distances.iter().map(|(ttl, cycles)| format!("{cycles} at hop {}", ttl.get())).collect();
    format!(
        "  The path changed its length: the destination answered {} of {cycles} cycles, {}.\n",
        report.received,
        at.join(", ")
    )
}

fn push_hop(options: &TableOptions, hop: &ReportHop, width: usize, text: &mut String) {
    let first = hop.responders.first();
    let host = first.map_or_else(|| "???".to_owned(), |first| name(options, first));
    let pad = " ".repeat(width.saturating_sub(self::width(&host)));
    let decided = hop.received + hop.unanswered;
    text.push_str(&format!(" {:2}.|-- {host}{pad}{} {decided:>5} ", hop.ttl.get(), part(hop.unanswered, decided)));
    let nanos = |rtt: Rtt| rtt.as_nanos() as f64;
    let stats = hop.stats.as_ref();
    for value in [
        hop.last.map(nanos),
        stats.map(|stats| stats.mean),
        stats.map(|stats| stats.min as f64),
        stats.map(|stats| stats.max as f64),
        stats.map(|stats| stats.stddev),
    ] {
        text.push_str(&value.map_or_else(|| "     -".to_owned(), |nanos| format!(" {:>5.1}", nanos / 1e6)));
    }
    if hop.persists == Some(false) {
        text.push_str(&format!(" {MARK}"));
    }
    if let Some(annotation) = first.and_then(|first| annotation(&first.newest)) {
        text.push_str(&format!(" {annotation}"));
    }
    text.push('\n');
    push_responders(options, hop, text);
}

/// The labels of the first responder, and the others with theirs, as mtr draws them.
fn push_responders(options: &TableOptions, hop: &ReportHop, text: &mut String) {
    for (at, responder) in hop.responders.iter().enumerate() {
        match at {
            0 => {}
            1 => text.push_str(&format!("    |  `|-- {}\n", name(options, responder))),
            _ => text.push_str(&format!("    |   |-- {}\n", name(options, responder))),
        }
        for entry in responder.newest.extensions.iter().filter(|_| options.extensions).flat_map(labels) {
            text.push_str(&entry);
        }
    }
}

fn labels(object: &Object) -> Vec<String> {
    let Object::Mpls(stack) = object else { return Vec::new() };
    let line = |label: u32, tc: u8, bottom: bool, ttl: u8| {
        format!("    |   +-- [MPLS: Lbl {label} TC {tc} S {} TTL {ttl}]\n", u8::from(bottom))
    };
    stack.iter().map(|entry| line(entry.label, entry.tc, entry.bottom, entry.ttl)).collect()
}

/// mtr shows a name instead of the address.
fn name(options: &TableOptions, responder: &ReportResponder) -> String {
    let Answer { responder, name, origins: announced, .. } = &responder.newest;
    let shown = match name.as_deref().filter(|_| !options.numeric) {
        Some(name) => escape(name).into_owned(),
        None => responder.to_string(),
    };
    shown + &origins(announced.as_ref())
}

fn width(text: &str) -> usize {
    text.chars().count()
}

/// The part that is unanswered, six columns wide: a hundred percent leave no room for their sign, as in mtr.
fn part(unanswered: u64, decided: u64) -> String {
    if decided == 0 {
        return "     -".to_owned();
    }
    let percent = format!("{:.1}", 100.0 * unanswered as f64 / decided as f64);
    if percent.len() > 4 { format!(" {percent}") } else { format!(" {percent:>4}%") }
}
