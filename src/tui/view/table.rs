//! The table of hops: one line for each, with its strip, and lines for more routers where they are asked for.

use super::choices::Names;
use super::columns::{self, BEFORE_HOST, Layout};
use super::paper::Paper;
use super::strip::{self, Scale, Span};
use super::ui::Ui;
use crate::report::Column;
use crate::trace::annotation;
use crate::trace::watch::{ChangeKind, ReportHop, ReportResponder};
use crate::tui::model::{Model, PathModel};
use crate::tui::text;
use crate::tui::theme::{Glyphs, Role};
use crate::types::{Instant, escape};

/// Draws the table into the rows from `top` up to, not including, `bottom`.
pub fn draw(
    paper: &mut Paper<'_>,
    (top, bottom): (usize, usize),
    model: &Model,
    path: &PathModel,
    ui: &Ui,
    now: Instant,
) {
    let rows = path.rows();
    let width = |row: &ReportHop, line| {
        text::width(&host(row, line, ui.common.names)) + more(row, line, ui).map_or(0, |more| more.len() + 1)
    };
    let lines = ui.lines(path);
    let widths = lines.iter().filter_map(|&(at, line)| {
        let row = rows.get(at)?;
        let name = row.responders.get(line)?.responder.name.as_ref().filter(|_| ui.common.names != Names::Off);
        Some((width(row, line), name.is_none()))
    });
    let longest = widths.clone().map(|(width, _)| width).max();
    let address = widths.filter(|(_, is_address)| *is_address).map(|(width, _)| width).max();
    let columns = if ui.has_numbers() { ui.columns.as_slice() } else { &[Column::Loss] };
    let layout = Layout::new(paper.width(), (longest.unwrap_or(0), address.unwrap_or(0)), columns, ui.has_strip());
    let span = Span::of_series(layout.strip, (ui.common.window, ui.common.shift), Some(model.interval));
    heading(paper, top, &layout, (model, path), (now, span));
    let room = bottom.saturating_sub(top + 1);
    let chosen = ui.selected_row(path).or_else(|| rows.len().checked_sub(1).filter(|_| room == 1));
    let chosen = chosen.and_then(|row| lines.iter().position(|&(at, _)| at == row));
    let shown = window(lines.len(), room, chosen, path.ends_at_destination());
    let scale = |row: &ReportHop| path.hop(row.ttl.get()).and_then(|hop| Scale::of(&hop.history, now, span));
    let common = if ui.common.one_scale { Scale::common(rows.iter().filter_map(scale)) } else { None };
    for (&line, y) in shown.iter().zip(top + 1..) {
        let Some(&(at, line)) = lines.get(line) else { continue };
        let Some(row) = rows.get(at) else { continue };
        if line > 0 {
            draw_host(paper, y, (row, line), &layout, ui);
            continue;
        }
        let is_destination = at + 1 == rows.len() && path.ends_at_destination();
        draw_row(paper, y, (path, row, is_destination), &layout, ui);
        if let Some(hop) = path.hop(row.ttl.get()).filter(|_| layout.strip > 0) {
            let limits = row.persists == Some(false);
            let scale = common.or_else(|| scale(row));
            strip::draw(paper, (layout.strip_at(), y), &hop.history, (now, span), (scale, limits));
        }
        if ui.selected == Some(row.ttl.get()) {
            paper.glyph(0, y, '>', Role::Title, false);
            paper.select(y, layout.numbers_end() + 1);
        }
    }
    // One line alone is the heading of something else.
    if room > 1 {
        scrolled(paper, top, &shown, lines.len());
    }
}

/// The rows that fit: the selection is among them, and the destination is the last.
pub fn window(rows: usize, room: usize, selected: Option<usize>, pinned: bool) -> Vec<usize> {
    if rows <= room || room == 0 {
        return (0..rows.min(room)).collect();
    }
    let pinned = pinned && room > 1;
    let (free, scrolling) = if pinned { (room - 1, rows - 1) } else { (room, rows) };
    let selected = selected.filter(|&at| at < scrolling);
    let first = selected.map_or(0, |at| (at + 1).saturating_sub(free)).min(scrolling - free);
    let mut shown: Vec<usize> = (first..first + free).collect();
    if pinned {
        shown.push(rows - 1);
    }
    shown
}

/// Whether the marks for what is not shown are as short as can be.
fn is_narrow(paper: &Paper<'_>) -> bool {
    paper.width() < 60
}

/// Columns that those marks take, and the blanks before them, where rows may be hidden below alone or above as well.
pub fn scrolled_width(paper: &Paper<'_>, above: bool) -> usize {
    match (is_narrow(paper), above) {
        (true, _) => 9,
        (false, false) => 12,
        (false, true) => 23,
    }
}

/// How many rows are not shown, at the end of the line above the heading.
pub fn scrolled(paper: &mut Paper<'_>, top: usize, shown: &[usize], rows: usize) {
    let glyphs = paper.look.glyphs;
    let (Some(&first), hidden) = (shown.first(), rows.saturating_sub(shown.len())) else { return };
    let Some(y) = top.checked_sub(1).filter(|_| hidden > 0) else { return };
    let (before, after, between) = if is_narrow(paper) { ("", "", " ") } else { (" ", " more", "  ") };
    let mark = |glyph: char, rows: usize| (rows > 0).then(|| format!("{glyph}{before}{rows}{after}"));
    let marks = [mark(glyphs.above, first), mark(glyphs.below, hidden.saturating_sub(first))];
    let marks: Vec<String> = marks.into_iter().flatten().collect();
    let mark = format!("{} ", marks.join(between));
    let x = paper.width().saturating_sub(text::width(&mark));
    // Where even the shortest heading has no room beside it.
    paper.clear(x, y, text::width(&mark));
    paper.text(x, y, &mark, Role::Title);
}

fn heading(
    paper: &mut Paper<'_>,
    y: usize,
    layout: &Layout,
    (model, path): (&Model, &PathModel),
    (now, span): (Instant, Span),
) {
    paper.text(3, y, "#", Role::Dim);
    paper.text(BEFORE_HOST, y, text::beginning("Host", layout.host), Role::Dim);
    for (column, x) in layout.places() {
        paper.text(x, y, &columns::aligned(column, column.title(), ' '), Role::Dim);
    }
    if layout.strip > 0 {
        ruler(paper, (layout.strip_at(), y), (model, path), (now, span));
    }
}

/// The times of changes and gaps above the strip, and of every twentieth cell where there is room.
fn ruler(
    paper: &mut Paper<'_>,
    place: (usize, usize),
    (model, path): (&Model, &PathModel),
    (now, span): (Instant, Span),
) {
    let glyphs = paper.look.glyphs;
    ticks(paper, place, span);
    let changes = model.changes.iter().filter(|(_, change)| change.subject.id == path.subject().id);
    let marks = changes.filter_map(|(at, change)| Some((at.mono, mark(glyphs, &change.kind)?)));
    self::marks(paper, place, marks, (now, span));
}

/// How long ago every twentieth cell was.
pub fn ticks(paper: &mut Paper<'_>, (x, y): (usize, usize), span: Span) {
    for back in (20..span.cells).step_by(20) {
        let label = format!("-{}", ago(back as u64 * span.cell));
        paper.text(x + span.cells - 1 - back, y, &label, Role::Dim);
    }
}

/// A mark in the cell of each time.
pub fn marks(
    paper: &mut Paper<'_>,
    (x, y): (usize, usize),
    marks: impl Iterator<Item = (Instant, char)>,
    (now, span): (Instant, Span),
) {
    for (at, glyph) in marks {
        if let Some(back) = span.back(now, at) {
            // More than a tick.
            paper.over(x + span.cells - 1 - back, y, glyph, Role::Change, false);
        }
    }
}

/// What the ruler shows of an event.
pub fn mark(glyphs: &Glyphs, kind: &ChangeKind) -> Option<char> {
    match kind {
        ChangeKind::Paused | ChangeKind::Resumed | ChangeKind::Reset | ChangeKind::ClockStepped { .. } => {
            Some(glyphs.gap)
        }
        kind => kind.is_of_path().then_some(glyphs.change),
    }
}

fn ago(seconds: u64) -> String {
    if seconds.is_multiple_of(60) { format!("{}m", seconds / 60) } else { format!("{seconds}s") }
}

fn draw_row(
    paper: &mut Paper<'_>,
    y: usize,
    (path, row, is_destination): (&PathModel, &ReportHop, bool),
    layout: &Layout,
    ui: &Ui,
) {
    let glyphs = paper.look.glyphs;
    let limits = row.persists == Some(false);
    let role = if row.received == 0 { Role::Silent } else { Role::Plain };
    paper.text(1, y, &text::right(&row.ttl.get().to_string(), 3), role);
    draw_host(paper, y, (row, 0), layout, ui);
    let last = path.hop(row.ttl.get()).and_then(|hop| hop.last).or(row.last).map(|rtt| rtt.as_nanos() as f64);
    for (column, x) in layout.places().filter(|(column, _)| *column != Column::Loss) {
        let value = columns::value(column, row, last);
        paper.text(x, y, &columns::aligned(column, &value, glyphs.ellipsis), role);
    }
    // Last, as its mark stands where the next column begins.
    for (_, x) in layout.places().filter(|(column, _)| *column == Column::Loss) {
        loss(paper, (x, y), (path, row, is_destination), limits);
    }
}

/// A router of a hop, and how many more there are or its share of the answers.
fn draw_host(paper: &mut Paper<'_>, y: usize, (row, line): (&ReportHop, usize), layout: &Layout, ui: &Ui) {
    let role = match line {
        _ if row.received == 0 => Role::Silent,
        0 => Role::Plain,
        _ => Role::Dim,
    };
    let more = more(row, line, ui).unwrap_or_default();
    let more = text::beginning(&more, layout.host);
    let room = layout.host.saturating_sub(if more.is_empty() { 0 } else { more.len() + 1 });
    let name = text::shortened(&host(row, line, ui.common.names), room, paper.look.glyphs.ellipsis);
    let x = paper.text(BEFORE_HOST, y, &name, role);
    if !more.is_empty() {
        paper.text(if name.is_empty() { x } else { x + 1 }, y, more, Role::Dim);
    }
}

/// The loss of the destination is that of cycles; what a router leaves unanswered is none if packets pass it.
fn loss(
    paper: &mut Paper<'_>,
    (x, y): (usize, usize),
    (path, row, is_destination): (&PathModel, &ReportHop, bool),
    limits: bool,
) {
    let cycles = path.figures.as_ref().filter(|_| is_destination).and_then(|figures| figures.loss_pct());
    let share = cycles.or_else(|| row.unanswered_pct());
    let silent = row.received == 0 && limits;
    let (value, role) = match share.filter(|_| !silent) {
        None => ("-".to_owned(), Role::Silent),
        Some(share) if limits => (text::percent(share), Role::Limits),
        Some(share) if share > 0.0 => (text::percent(share), Role::Loss),
        Some(share) => (text::percent(share), Role::Plain),
    };
    let x = paper.text(x, y, &columns::aligned(Column::Loss, &value, ' '), role);
    if limits && !silent {
        paper.text(x, y, "*", Role::Limits);
    }
}

/// traceroute's mark of the newest answer, if it has one, and what there is to say where there are several responders.
fn more(row: &ReportHop, line: usize, ui: &Ui) -> Option<String> {
    let mark = row.responders.get(line).and_then(|responder| annotation(&responder.newest));
    let parts: Vec<String> = [mark, others(row, line, ui)].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

/// The share of the answers that a responder has where several have lines; how many more there are where they have none.
fn others(row: &ReportHop, line: usize, ui: &Ui) -> Option<String> {
    let others = row.responders.len().checked_sub(1).filter(|&others| others > 0)?;
    if ui.responders == 0 {
        return Some(format!("+{others}"));
    }
    let all: u64 = row.responders.iter().map(|responder| responder.received).sum();
    let share = text::percent(row.responders.get(line)?.received as f64 * 100.0 / all.max(1) as f64);
    let hidden = others.saturating_sub(ui.responders);
    let hidden = if hidden > 0 && line == ui.responders { format!(" +{hidden}") } else { String::new() };
    Some(format!("{share}%{hidden}"))
}

/// A responder of a hop, the newest being the first.
fn host(row: &ReportHop, line: usize, names: Names) -> String {
    row.responders.get(line).map_or_else(|| "???".to_owned(), |responder| named(responder, names))
}

/// A responder by name, address or both.
pub fn named(responder: &ReportResponder, names: Names) -> String {
    let address = responder.responder.address;
    match (&responder.responder.name, names) {
        (None, _) | (_, Names::Off) => address.to_string(),
        (Some(name), Names::On) => escape(name).into_owned(),
        (Some(name), Names::Both) => format!("{} ({address})", escape(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_do_not_fit_scroll_and_the_destination_stays() {
        assert_eq!(window(3, 5, None, true), [0, 1, 2]);
        assert_eq!(window(10, 4, None, true), [0, 1, 2, 9]);
        assert_eq!(window(10, 4, Some(6), true), [4, 5, 6, 9]);
        assert_eq!(window(10, 4, Some(9), true), [0, 1, 2, 9]);
        assert_eq!(window(10, 4, Some(9), false), [6, 7, 8, 9]);
        assert_eq!((window(10, 1, Some(3), true), window(10, 0, None, true)), (vec![3], vec![]));
    }
}
