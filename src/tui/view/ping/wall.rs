//! A wall of targets: a cell for each.

use super::table;
use super::ui::Ui;
use crate::tui::model::{PingModel, Presence, SeriesModel};
use crate::tui::text;
use crate::tui::theme::Role;
use crate::tui::view::marks::REFUSED;
use crate::tui::view::paper::Paper;
use crate::types::Instant;

/// Cells of the name before a row, and the blank after it.
const NAME: usize = 16;
/// Targets of a row are a power of two, so that rows begin at round addresses, up to this.
const MOST_ACROSS: usize = 128;
/// A delay this many times the fastest of the wall has the highest glyph; each step doubles it.
const STEPS: usize = 8;

/// Targets in a row of a screen that is `width` wide.
fn across(width: usize) -> usize {
    let room = width.saturating_sub(NAME + 1).max(1);
    (1usize << room.ilog2()).min(MOST_ACROSS)
}

/// How many rows it wants for `targets` targets, with the one that is selected below it.
pub fn rows(targets: usize, width: usize) -> usize {
    targets.div_ceil(across(width)) + 3
}

/// Draws it into the rows from `top` up to, not including, `bottom`, and below it the figures of the target that is selected.
pub fn draw(
    paper: &mut Paper<'_>,
    (top, bottom): (usize, usize),
    (model, shown): (&PingModel, &[&SeriesModel]),
    ui: &Ui,
    now: Instant,
) {
    let selected = ui.selected.and_then(|id| shown.iter().position(|series| series.subject.id == id));
    let detail = selected.and_then(|at| shown.get(at).copied()).filter(|_| bottom >= top + 4);
    let bottom = if detail.is_some() { bottom - 2 } else { bottom };
    let across = across(paper.width());
    let room = bottom.saturating_sub(top);
    let all = shown.len().div_ceil(across);
    let first = selected.map_or(0, |at| (at / across + 1).saturating_sub(room)).min(all.saturating_sub(room));
    let fastest = shown.iter().filter_map(|series| series.observed.rtt()).map(|stats| stats.min).min().unwrap_or(1);
    for (line, targets) in shown.chunks(across).skip(first).take(room).enumerate() {
        let y = top + line;
        let name = targets.first().map(|series| ui.name(series, model)).unwrap_or_default();
        let name = text::shortened(&name, NAME - 1, paper.look.glyphs.ellipsis);
        paper.text(1, y, &name, Role::Dim);
        for (at, series) in targets.iter().enumerate() {
            let (glyph, role) = cell(paper, series, fastest);
            let is_selected = ui.selected == Some(series.subject.id);
            paper.glyph(NAME + 1 + at, y, glyph, if is_selected { Role::Selected } else { role }, false);
        }
    }
    if let Some(series) = detail {
        table::draw(paper, (bottom, bottom + 2), (model, &[series]), (ui, table::Rows::Plain), now);
    }
}

/// What stands for a target: the height of its newest delay, or why it has none.
fn cell(paper: &Paper<'_>, series: &SeriesModel, fastest: u64) -> (char, Role) {
    let (glyphs, observed) = (paper.look.glyphs, &series.observed);
    match observed.last {
        _ if observed.is_refused() => (REFUSED, Role::Loss),
        None if observed.failure.newest().is_some() => (glyphs.lost, Role::Loss),
        None => (glyphs.silent, Role::Silent),
        Some(_) if matches!(series.presence, Presence::Down(_)) => (glyphs.lost, Role::Loss),
        Some(_) if observed.is_losing() => ('1', Role::Loss),
        Some(rtt) => {
            let step = (rtt.as_nanos() / fastest.max(1)).max(1).ilog2() as usize;
            let role = if step + 2 > STEPS { Role::Slow } else { Role::Ok };
            (glyphs.ramp.get(step.min(STEPS - 1)).copied().unwrap_or(' '), role)
        }
    }
}
