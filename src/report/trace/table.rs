//! rtrace's report as text: the table of `mtr -r`, with host names in full.

use std::io::{self, Write};
use std::time::{Duration, UNIX_EPOCH};

use crate::engine::outcome::{Outcome, Subject};
use crate::report::escape;
use crate::report::trace::columns::{Column, Figure};
use crate::report::trace::findings::sentence;
use crate::report::trace::numbers::{ranges, word};
use crate::report::trace::options::{TraceTextOptions, WithZone, origins};
use crate::trace::Severity;
use crate::trace::watch::{FlowsReport, Report, ReportHop, ReportResponder};
use crate::wire::extension::{LabelStackEntry, Object};
use crate::wire::icmp::ErrorKind;

/// The width of the host column up to which mtr's and ours are the same.
const HOST_WIDTH: usize = 25;
/// What stands before it.
const BEFORE_HOST: usize = 7;
/// What a hop that only limits its answers is marked with, and what that means.
const MARK: &str = "*";
/// What the destination is marked with where it may be nearer.
const UNPROVEN: &str = "?";
const LEGEND: &str = "unanswered here, but not at later hops: this router limits its answers, packets pass it";

/// The table so far, for SIGQUIT. It overwrites the `^\` that was typed, as ping's line does.
pub(super) fn interim(options: &TraceTextOptions, report: &Report, talk: &mut dyn Write) -> io::Result<()> {
    write!(talk, "\r{}", table(options, report))
}

/// The same of all flows of a target.
pub(super) fn flows_interim(options: &TraceTextOptions, flows: &FlowsReport, talk: &mut dyn Write) -> io::Result<()> {
    write!(talk, "\r{}", of_flows(options, flows))
}

/// Empty for a target without an address: there is nothing to report.
pub(super) fn table(options: &TraceTextOptions, report: &Report) -> String {
    drawn(options, report, None)
}

/// The table of all flows of a target together, a line about what each loses, and the findings about that.
pub(super) fn of_flows(options: &TraceTextOptions, flows: &FlowsReport) -> String {
    drawn(options, &flows.all, Some(flows))
}

fn drawn(options: &TraceTextOptions, report: &Report, flows: Option<&FlowsReport>) -> String {
    let subject = &report.began.subject;
    let Some(address) = subject.address.map(|address| WithZone(subject, address)) else { return String::new() };
    let hops = shown(&report.hops);
    let host = subject.source.map(|source| WithZone(subject, source).to_string()).unwrap_or_default();
    let how = (options, &**subject);
    let names = hops.iter().map(|hop| hop.responders.first().map_or("???".len(), |first| width(&name(how, first))));
    let widest = names.max().unwrap_or(0).max(HOST_WIDTH);
    let of_flows = flows.map_or(&[][..], |flows| &flows.flows).iter().map(destination);
    let rows: Vec<ReportHop> = hops.iter().cloned().chain(of_flows).collect();
    let columns = columns(options, &rows);
    let at = UNIX_EPOCH + Duration::from_nanos(report.began.time.as_nanos());
    let time = humantime::format_rfc3339_seconds(at).to_string().replace('Z', "+0000");
    let (method, name) = (subject.method.name(), escape(&subject.name));
    let numbers = flows.map(FlowsReport::numbers);
    let numbers = numbers.map(|numbers| format!(", {} {}", word(&numbers), ranges(&numbers))).unwrap_or_default();
    let mut text = format!(
        "Start: {time} {method} to {name} ({address}){numbers}\n\
         HOST: {host:<to$}{headings}\n",
        to = widest + 2,
        headings = columns.iter().map(|column| column.cell(column.title)).collect::<String>().trim_end()
    );
    let unproven = hops.last().filter(|_| report.distance_proven == Some(false)).map(|last| last.ttl);
    let cells = |at: usize| -> String {
        columns.iter().map(|column| column.cell(column.cells.get(at).map_or("", |cell| cell))).collect()
    };
    for (at, hop) in hops.iter().enumerate() {
        push_hop(how, hop, (widest, cells(at).trim_end(), unproven == Some(hop.ttl)), &mut text);
    }
    if let Some(flows) = flows {
        let cells: Vec<String> = (hops.len()..rows.len()).map(cells).collect();
        push_flows(flows, (widest, &cells), &mut text);
    }
    if hops.iter().any(|hop| hop.persists == Some(false)) {
        text.push_str(&format!("  {MARK} {LEGEND}\n"));
    }
    if unproven.is_some() {
        let before = hops.iter().rev().skip(1).find(|hop| hop.received > 0).map_or(0, |hop| hop.ttl.get());
        text.push_str(&format!(
            "  {UNPROVEN} not proven to be so far away: it may be the silent hop {} or later\n",
            before + 1
        ));
    }
    text.push_str(&of_destination(report, flows.is_some()));
    let findings = flows.map_or(&[][..], |flows| &flows.findings).iter();
    for finding in findings.filter(|finding| finding.severity() != Severity::Info) {
        text.push_str(&format!("  {}: {}\n", finding.severity().name(), sentence(finding)));
    }
    text
}

/// What the destination answered on one flow, as a row.
fn destination(flow: &Report) -> ReportHop {
    let last = flow.hops.last().filter(|_| flow.received > 0);
    ReportHop {
        ttl: last.map_or(flow.began.max_ttl, |last| last.ttl),
        sent: flow.sent,
        received: flow.received,
        unreachable: flow.unreachable,
        unanswered: flow.lost,
        pending: flow.pending,
        send_failed: flow.send_failed,
        persists: None,
        responders: last.map(|last| last.responders.clone()).unwrap_or_default(),
        last: last.and_then(|last| last.last),
        stats: last.and_then(|last| last.stats),
        geometric_mean: last.and_then(|last| last.geometric_mean),
        variation: last.and_then(|last| last.variation),
    }
}

/// A line for each flow, with its router at the first hop at which flows part.
fn push_flows(flows: &FlowsReport, (widest, cells): (usize, &[String]), text: &mut String) {
    let parting = flows.parting();
    let at = parting.map(|ttl| format!(", with its router at hop {ttl}")).unwrap_or_default();
    text.push_str(&format!("  Each flow at the destination{at}:\n"));
    for (flow, cells) in flows.flows.iter().zip(cells) {
        let number = format!(" flow {}", flow.began.subject.flow.unwrap_or_default());
        let hop = flow.hops.iter().find(|hop| Some(hop.ttl) == parting);
        let via = match hop.map(|hop| hop.responders.as_slice()) {
            None => String::new(),
            Some([]) => "???".to_owned(),
            Some([one]) => one.responder.address.to_string(),
            Some([one, more @ ..]) => format!("{} +{}", one.responder.address, more.len()),
        };
        let head = format!("{number} {via}");
        let pad = " ".repeat((BEFORE_HOST + widest).saturating_sub(width(&head)));
        text.push_str(&format!("{head}{pad}{}\n", cells.trim_end()));
    }
}

/// After the last hop that answered, one silent hop stands for all.
fn shown(hops: &[ReportHop]) -> &[ReportHop] {
    let answering = hops.iter().rposition(|hop| hop.received > 0).map_or(0, |at| at + 1);
    hops.get(..answering + 1).unwrap_or(hops)
}

/// What the rows do not show of the destination.
fn of_destination(report: &Report, of_flows: bool) -> String {
    let cycles = report.sent + report.send_failed - report.pending;
    if report.received == 0 {
        return if cycles == 0 {
            String::new()
        } else {
            format!("  The destination answered none of {cycles} cycles{}.\n", in_its_place(report))
        };
    }
    if report.distances.len() < 2 {
        let shown = report.hops.last().is_some_and(|last| last.received == report.received);
        let received = report.received;
        return if shown {
            String::new()
        } else {
            format!("  The destination answered {received} of {cycles} cycles.\n")
        };
    }
    let at: Vec<String> =
        report.distances.iter().map(|(ttl, cycles)| format!("{cycles} at hop {}", ttl.get())).collect();
    let unknown = report.received.saturating_sub(report.distances.iter().map(|&(_, cycles)| cycles).sum());
    let unknown = (unknown > 0).then(|| format!("{unknown} at a distance that nothing shows"));
    let at: Vec<String> = at.into_iter().chain(unknown).collect();
    let what = if of_flows { "The" } else { "The path changed its length: the" };
    format!("  {what} destination answered {} of {cycles} cycles, {}.\n", report.received, at.join(", "))
}

/// Who reported a closed port of the destination although it has another address: a firewall, or a host that answers by another of
/// its own.
fn in_its_place(report: &Report) -> String {
    let closed = |one: &&ReportResponder| matches!(&one.newest.outcome, Outcome::Error(error) if error.kind == ErrorKind::PortUnreachable);
    let last = report.hops.iter().rev().find(|hop| !hop.responders.is_empty());
    let other = last.and_then(|hop| hop.responders.iter().find(closed));
    other.map_or_else(String::new, |other| {
        let address = WithZone(&report.began.subject, other.responder.address);
        format!("; {address} reported its port as unreachable")
    })
}

fn push_hop(
    how: (&TraceTextOptions, &Subject),
    hop: &ReportHop,
    (widest, cells, unproven): (usize, &str, bool),
    text: &mut String,
) {
    let host = hop.responders.first().map_or_else(|| "???".to_owned(), |first| name(how, first));
    let pad = " ".repeat(widest.saturating_sub(width(&host)));
    text.push_str(&format!(" {:2}.|-- {host}{pad}{cells}", hop.ttl.get()));
    if hop.persists == Some(false) {
        text.push_str(&format!(" {MARK}"));
    }
    if unproven {
        text.push_str(&format!(" {UNPROVEN}"));
    }
    let mut seen: Vec<&String> = Vec::new();
    for annotation in hop.responders.iter().flat_map(|responder| &responder.annotations) {
        if !seen.contains(&annotation) {
            text.push_str(&format!(" {annotation}"));
            seen.push(annotation);
        }
    }
    text.push('\n');
    push_responders(how, hop, text);
}

/// The labels of the first responder, and the others with theirs, as mtr draws them.
fn push_responders(how: (&TraceTextOptions, &Subject), hop: &ReportHop, text: &mut String) {
    for (at, responder) in hop.responders.iter().enumerate() {
        match at {
            0 => {}
            1 => text.push_str(&format!("    |  `|-- {}\n", annotated(how, responder))),
            _ => text.push_str(&format!("    |   |-- {}\n", annotated(how, responder))),
        }
        let Outcome::Error(error) = &responder.newest.outcome else { continue };
        for entry in error.extensions.iter().filter(|_| how.0.extensions).flat_map(Object::labels) {
            let LabelStackEntry { label, tc, bottom, ttl } = entry;
            text.push_str(&format!("    |   +-- [MPLS: Lbl {label} TC {tc} S {} TTL {ttl}]\n", u8::from(*bottom)));
        }
    }
}

/// mtr shows a name instead of the address.
fn name((options, subject): (&TraceTextOptions, &Subject), responder: &ReportResponder) -> String {
    let shown = &responder.responder;
    let address = WithZone(subject, shown.address);
    let name = match shown.name.as_deref().filter(|_| !options.numeric) {
        Some(name) if options.both => format!("{} ({address})", escape(name)),
        Some(name) => escape(name).into_owned(),
        None => address.to_string(),
    };
    let as_column = options.columns.contains(&Column::Asn);
    if as_column { name } else { name + &origins(shown) }
}

fn annotated(how: (&TraceTextOptions, &Subject), responder: &ReportResponder) -> String {
    responder.annotations.iter().fold(name(how, responder), |text, annotation| text + " " + annotation)
}

fn width(text: &str) -> usize {
    text.chars().count()
}

/// A column of the table, with its cells from the top.
struct Drawn {
    title: &'static str,
    cells: Vec<String>,
    width: usize,
    is_text: bool,
}

impl Drawn {
    fn new(column: Column, hops: &[ReportHop]) -> Drawn {
        if column == Column::Blank {
            return Drawn { title: "", cells: Vec::new(), width: 1, is_text: true };
        }
        let cells: Vec<String> = hops.iter().map(|hop| cell(column.figure(hop))).collect();
        let widest = cells.iter().map(|cell| width(cell)).chain([column.title().len(), least(column)]).max();
        Drawn { title: column.title(), cells, width: widest.unwrap_or(0) + 1, is_text: column.is_text() }
    }

    /// What it shows, as wide as the column.
    fn cell(&self, shown: &str) -> String {
        let pad = " ".repeat(self.width.saturating_sub(1 + width(shown)));
        match (self.is_text, self.title) {
            (true, "") => " ".repeat(self.width),
            (true, _) => format!(" {shown}{pad}"),
            (false, _) => format!(" {pad}{shown}"),
        }
    }
}

fn columns(options: &TraceTextOptions, hops: &[ReportHop]) -> Vec<Drawn> {
    options.columns.iter().map(|&column| Drawn::new(column, hops)).collect()
}

/// The digits for which a column has room at least: mtr's.
const fn least(column: Column) -> usize {
    match column {
        Column::Asn | Column::AsName | Column::Blank | Column::Strip | Column::ReplyTtl | Column::Dscp => 0,
        Column::Missing | Column::Unanswered => 4,
        Column::Jitter | Column::MeanJitter | Column::WorstJitter | Column::Interarrival => 4,
        _ => 5,
    }
}

fn cell(figure: Option<Figure>) -> String {
    match figure {
        None => "-".to_owned(),
        // A hundred percent leave no room for their sign, as in mtr.
        Some(Figure::Percent(percent)) => {
            let percent = format!("{percent:.1}");
            if percent.len() > 4 { percent } else { percent + "%" }
        }
        Some(Figure::Count(count)) => count.to_string(),
        Some(Figure::Delay(nanos)) => format!("{:.1}", nanos / 1e6),
        Some(Figure::Text(text)) => text,
    }
}
