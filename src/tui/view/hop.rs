//! All that is known about the hop that is selected, below the table.

use std::time::Duration;

use super::choices::Names;
use super::paper::Paper;
use super::table::named;
use super::ui::Ui;
use crate::engine::outcome::{Field, Outcome, ProbeEvent};
use crate::report::{extension_text, flow_ranges, flow_word, printable, rewritten_sentence};
use crate::trace::watch::{ReportHop, ReportResponder};
use crate::trace::{Origins, hops_back};
use crate::tui::model::PathModel;
use crate::tui::text;
use crate::tui::theme::Role;
use crate::types::{Instant, Ttl};

/// Rows that the table keeps, and bars that are shown at most.
const TABLE_KEEPS: usize = 9;
const MOST_BARS: usize = 8;
/// Responders that are listed.
const MOST_RESPONDERS: usize = 12;
const BETWEEN: &str = "   ";

/// A screen of this size shows a hop as soon as it is selected.
const LARGE: (usize, usize) = (120, 40);

/// How many rows it takes of `room`, of which the table asks for `table`.
pub fn height(
    (flows, path): (&[PathModel], &PathModel),
    ui: &Ui,
    (width, height): (usize, usize),
    (room, table): (usize, usize),
    now: Instant,
) -> usize {
    let is_open = ui.hop || width >= LARGE.0 && height >= LARGE.1;
    let Some(row) = ui.selected_row(path).filter(|_| is_open).and_then(|at| path.rows().get(at)) else { return 0 };
    let lines = lines((flows, path), row, (ui.common.names, width), now).len();
    let wanted = 1 + lines + bars(path, row, MOST_BARS).len();
    let height = wanted.min(room.saturating_sub(table.min(TABLE_KEEPS)));
    if height < 3 { 0 } else { height }
}

/// Draws it into the rows from `top` up to, not including, `bottom`.
pub fn draw(
    paper: &mut Paper<'_>,
    (top, bottom): (usize, usize),
    (flows, path): (&[PathModel], &PathModel),
    ui: &Ui,
    now: Instant,
) {
    let Some(row) = ui.selected_row(path).and_then(|at| path.rows().get(at)) else { return };
    if bottom <= top {
        return;
    }
    paper.rule(top, &format!("hop {}", row.ttl.get()));
    let mut y = top + 1;
    for line in lines((flows, path), row, (ui.common.names, paper.width()), now).iter().take(bottom - y) {
        paper.text(1, y, line, Role::Plain);
        y += 1;
    }
    let bars = bars(path, row, (bottom - y).min(MOST_BARS));
    let most = bars.iter().map(|(_, count)| *count).max().unwrap_or(0).max(1);
    let room = paper.width().saturating_sub(20) as u64;
    for (from, count) in bars {
        let x = paper.text(1, y, &text::right(&text::millis(from), 7), Role::Dim);
        let length = (count.saturating_mul(room) / most).max(u64::from(count > 0));
        let bar = paper.look.glyphs.bar.to_string().repeat(usize::try_from(length).unwrap_or(0));
        let x = paper.text(x + 1, y, &bar, Role::Ok);
        paper.text(x + 1, y, &count.to_string(), Role::Plain);
        y += 1;
    }
}

fn bars(path: &PathModel, row: &ReportHop, most: usize) -> Vec<(f64, u64)> {
    path.hop(row.ttl.get()).map(|hop| hop.delays.bars(most)).unwrap_or_default()
}

/// Its facts, in lines of at most `width` cells.
fn lines(
    (flows, path): (&[PathModel], &PathModel),
    row: &ReportHop,
    (names, width): (Names, usize),
    now: Instant,
) -> Vec<String> {
    let mut lines = Vec::new();
    let newest = row.responders.first();
    let mut who = newest.map_or_else(|| vec!["no answer".to_owned()], |newest| identity(newest, names));
    who.push(format!("answers {} of {}", row.received, row.received + row.missing()));
    fill(&mut lines, &who, width);
    if let Some(newest) = newest {
        let labelled = path.hop(row.ttl.get()).and_then(|hop| hop.labelled_since(newest.responder.address));
        fill(&mut lines, &answer(&newest.newest, newest, labelled.map(|since| now.since(since))), width);
    }
    fill(&mut lines, &delays(row), width);
    if row.responders.len() > 1 {
        let all: u64 = row.responders.iter().map(|responder| responder.received).sum();
        let share = |responder: &ReportResponder| {
            let share = text::percent(responder.received as f64 * 100.0 / all.max(1) as f64);
            format!("{} {share}%", named(responder, names))
        };
        fill(&mut lines, &row.responders.iter().take(MOST_RESPONDERS).map(share).collect::<Vec<_>>(), width);
    }
    if flows.len() > 1 {
        fill(&mut lines, &by_router(flows, row.ttl, names), width);
    }
    lines
}

/// Each router of a hop, of all flows, and which of them go through it.
fn by_router(flows: &[PathModel], ttl: Ttl, names: Names) -> Vec<String> {
    let mut routers: Vec<(&ReportResponder, Vec<u32>)> = Vec::new();
    let mut silent = Vec::new();
    for flow in flows {
        let row = flow.rows().iter().find(|row| row.ttl == ttl);
        let responders = row.map_or(&[][..], |row| &row.responders);
        if responders.is_empty() {
            silent.push(flow.flow());
        }
        for responder in responders {
            let is_it = |known: &ReportResponder| known.responder.address == responder.responder.address;
            match routers.iter_mut().find(|(known, _)| is_it(known)) {
                Some((_, of)) => of.push(flow.flow()),
                None => routers.push((responder, vec![flow.flow()])),
            }
        }
    }
    let numbers = |flows: &[u32]| format!("{} {}", flow_word(flows), flow_ranges(flows));
    let routers = routers.iter().take(MOST_RESPONDERS);
    let routers = routers.map(|(router, of)| format!("{} by {}", numbers(of), named(router, names)));
    let silent = Some(silent).filter(|silent| !silent.is_empty()).map(|silent| format!("{} silent", numbers(&silent)));
    routers.chain(silent).collect()
}

fn identity(responder: &ReportResponder, names: Names) -> Vec<String> {
    let who = &responder.responder;
    let mut parts = vec![named(responder, if names == Names::On { Names::Both } else { names })];
    if who.name.is_none() && names != Names::Off {
        parts.push("no name".to_owned());
    }
    match &who.origins {
        Some(Origins::Announced(systems)) => {
            let systems = systems.iter().map(ToString::to_string).collect::<Vec<_>>().join("/");
            let name = who.as_name.as_deref().map(|name| format!(" {}", printable(name))).unwrap_or_default();
            parts.push(format!("{systems}{name}"));
        }
        Some(Origins::Unannounced) => parts.push("not announced".to_owned()),
        Some(Origins::Unknown) | None => {}
    }
    parts
}

/// What its newest answer shows.
fn answer(event: &ProbeEvent, responder: &ReportResponder, labelled: Option<Duration>) -> Vec<String> {
    let mut parts = Vec::new();
    if let Some(ttl) = event.reply_ttl {
        parts.push(format!("reply TTL {} (back {})", ttl.get(), hops_back(ttl)));
    }
    if let Some((icmp_type, code)) = event.icmp() {
        parts.push(format!("last ICMP {icmp_type}/{code}"));
    }
    if let Outcome::Error(error) = &event.outcome {
        let rewritten = &error.quote.rewritten;
        if let Some(tos) = error.quote.tos.filter(|_| rewritten.iter().all(|one| one.field != Field::Dscp)) {
            parts.push(format!("DSCP {} as quoted", tos.dscp().get()));
        }
        parts.extend(rewritten.iter().map(rewritten_sentence));
        parts.extend(error.extensions.iter().map(|object| {
            let since = labelled.filter(|_| !object.labels().is_empty());
            let since = since.map(|since| format!(" for {}", text::running(since.as_secs()))).unwrap_or_default();
            extension_text(std::slice::from_ref(object)) + &since
        }));
    }
    if let Some(delay) = event.delay {
        parts.push(format!("stamps {}", delay.stamp.name()));
    }
    if !responder.annotations.is_empty() {
        parts.push(responder.annotations.join(" "));
    }
    parts
}

fn delays(row: &ReportHop) -> Vec<String> {
    let Some(stats) = &row.stats else { return Vec::new() };
    let figures = [
        ("rtt  min", stats.min),
        ("p50", stats.median),
        ("p90", stats.p90),
        ("p95", stats.p95),
        ("p99", stats.p99),
        ("max", stats.max),
    ];
    let rtts = figures.map(|(name, nanos)| format!("{name} {}", text::millis(nanos as f64))).join("  ");
    let variation = row.variation.as_ref().map(|stats| format!("ipdv {}", text::millis(stats.mean)));
    [Some(rtts), variation].into_iter().flatten().collect()
}

/// Adds `parts` in as few lines as hold them; one that is longer than a line is cut where it is drawn.
fn fill(lines: &mut Vec<String>, parts: &[String], width: usize) {
    let mut line = String::new();
    for part in parts {
        if !line.is_empty() && 1 + text::width(&line) + BETWEEN.len() + text::width(part) > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push_str(BETWEEN);
        }
        line.push_str(part);
    }
    if !line.is_empty() {
        lines.push(line);
    }
}
