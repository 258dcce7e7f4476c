//! rtrace's report as text: the table of `mtr -r`, with host names in full.

use std::io::{self, Write};
use std::time::{Duration, UNIX_EPOCH};

use crate::engine::outcome::Outcome;
use crate::report::escape;
use crate::report::trace::options::{TraceTextOptions, origins};
use crate::trace::annotation;
use crate::trace::watch::{Report, ReportHop, ReportResponder};
use crate::types::Rtt;
use crate::wire::extension::{LabelStackEntry, Object};

/// The width of the host column up to which mtr's and ours are the same.
const HOST_WIDTH: usize = 25;
/// What a hop that only limits its answers is marked with, and what that means.
const MARK: &str = "*";
const LEGEND: &str = "unanswered here, but not at later hops: this router limits its answers, packets pass it";

/// The table so far, for SIGQUIT. It overwrites the `^\` that was typed, as ping's line does.
pub(super) fn interim(options: &TraceTextOptions, report: &Report, talk: &mut dyn Write) -> io::Result<()> {
    write!(talk, "\r{}", table(options, report))
}

/// Empty for a target without an address: there is nothing to report.
pub(super) fn table(options: &TraceTextOptions, report: &Report) -> String {
    let subject = &report.began.subject;
    let Some(address) = subject.address else { return String::new() };
    let hops = shown(&report.hops);
    let host = subject.source.map(|source| source.to_string()).unwrap_or_default();
    let names = hops.iter().map(|hop| hop.responders.first().map_or("???".len(), |first| width(&name(options, first))));
    let width = names.max().unwrap_or(0).max(HOST_WIDTH);
    let at = UNIX_EPOCH + Duration::from_nanos(report.began.time.as_nanos());
    let time = humantime::format_rfc3339_seconds(at).to_string().replace('Z', "+0000");
    let (method, name) = (subject.method.name(), escape(&subject.name));
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

/// After the last hop that answered, one silent hop stands for all.
fn shown(hops: &[ReportHop]) -> &[ReportHop] {
    let answering = hops.iter().rposition(|hop| hop.received > 0).map_or(0, |at| at + 1);
    hops.get(..answering + 1).unwrap_or(hops)
}

/// What the rows do not show of the destination.
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

fn push_hop(options: &TraceTextOptions, hop: &ReportHop, width: usize, text: &mut String) {
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
fn push_responders(options: &TraceTextOptions, hop: &ReportHop, text: &mut String) {
    for (at, responder) in hop.responders.iter().enumerate() {
        match at {
            0 => {}
            1 => text.push_str(&format!("    |  `|-- {}\n", name(options, responder))),
            _ => text.push_str(&format!("    |   |-- {}\n", name(options, responder))),
        }
        let Outcome::Error(error) = &responder.newest.outcome else { continue };
        for entry in error.extensions.iter().filter(|_| options.extensions).flat_map(Object::labels) {
            let LabelStackEntry { label, tc, bottom, ttl } = entry;
            text.push_str(&format!("    |   +-- [MPLS: Lbl {label} TC {tc} S {} TTL {ttl}]\n", u8::from(*bottom)));
        }
    }
}

/// mtr shows a name instead of the address.
fn name(options: &TraceTextOptions, responder: &ReportResponder) -> String {
    let shown = &responder.responder;
    let name = match shown.name.as_deref().filter(|_| !options.numeric) {
        Some(name) => escape(name).into_owned(),
        None => shown.address.to_string(),
    };
    name + &origins(shown.origins.as_ref())
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
