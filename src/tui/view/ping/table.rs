//! The table of targets: a row for each, with its figures and, where there is no chart, its strip.

use super::columns::{BEFORE_NAME, Column, Layout};
use super::ui::{Parts, Ui};
use crate::tui::model::{PingModel, SeriesModel};
use crate::tui::text;
use crate::tui::theme::Role;
use crate::tui::view::marks::{REFUSED, letter, role};
use crate::tui::view::paper::Paper;
use crate::tui::view::strip::{self, Scale, Span};
use crate::tui::view::table::{marks, scrolled, ticks, window};
use crate::types::Instant;

/// In fewer cells words say nothing.
const WORDS_LEAST: usize = 15;

/// What rows have beside their figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// Nothing.
    Plain,
    /// The letter of a line in a chart.
    Lettered,
    /// A strip, where the user wants it.
    WithStrips,
}

/// Draws the table into the rows from `top` up to, not including, `bottom`.
pub fn draw(
    paper: &mut Paper<'_>,
    (top, bottom): (usize, usize),
    (model, shown): (&PingModel, &[&SeriesModel]),
    (ui, kind): (&Ui, Rows),
    now: Instant,
) {
    let longest = shown.iter().map(|series| text::width(&ui.name(series, model))).max().unwrap_or(0);
    let layout = Layout::new(paper.width(), longest, kind == Rows::WithStrips && ui.parts != Parts::Figures);
    let span = Span::of_series(layout.strip, (ui.common.window, ui.common.shift), model.interval);
    heading(paper, top, &layout, model, (now, span));
    let selected = ui.selected.and_then(|id| shown.iter().position(|series| series.subject.id == id));
    let rows = window(shown.len(), bottom.saturating_sub(top + 1), selected, false);
    let scale = |series: &SeriesModel| Scale::of(&series.history, now, span);
    let common =
        if ui.common.one_scale { Scale::common(shown.iter().filter_map(|series| scale(series))) } else { None };
    for (line, &at) in rows.iter().enumerate() {
        let (Some(series), y) = (shown.get(at), top + 1 + line) else { continue };
        let colour = if series.is_down() { Role::Loss } else { Role::Plain };
        if kind == Rows::Lettered {
            paper.glyph(1, y, letter(at), role(at), false);
        } else if series.is_down() {
            let refused = series.observed.is_refused();
            paper.glyph(1, y, if refused { REFUSED } else { paper.look.glyphs.lost }, Role::Loss, false);
        }
        let name = text::shortened(&ui.name(series, model), layout.name, paper.look.glyphs.ellipsis);
        paper.text(BEFORE_NAME, y, &name, colour);
        figures(paper, y, series, &layout, now);
        if layout.strip > 0 {
            let scale = common.or_else(|| scale(series));
            strip::draw(paper, (layout.strip_at(), y), &series.history, (now, span), (scale, false));
            refusals(paper, (layout.strip_at(), y), series, (now, span));
        }
        if ui.selected == Some(series.subject.id) {
            paper.glyph(0, y, '>', Role::Title, false);
            paper.select(y, layout.figures_end() + 1);
        }
    }
    scrolled(paper, top, &rows, shown.len());
}

fn heading(paper: &mut Paper<'_>, y: usize, layout: &Layout, model: &PingModel, (now, span): (Instant, Span)) {
    paper.text(BEFORE_NAME, y, text::beginning("Target", layout.name), Role::Dim);
    for (column, x) in layout.places() {
        paper.text(x, y, &column.aligned(column.title()), Role::Dim);
    }
    if layout.strip > 0 {
        ticks(paper, (layout.strip_at(), y), span);
        let gap = paper.look.glyphs.gap;
        marks(paper, (layout.strip_at(), y), model.gaps.iter().map(|&at| (at, gap)), (now, span));
    }
}

fn figures(paper: &mut Paper<'_>, y: usize, series: &SeriesModel, layout: &Layout, now: Instant) {
    let stats = series.observed.rtt();
    // Where there are no delays there is room to say why.
    let reason = series.reason().filter(|_| stats.is_none());
    let in_words = layout.delays().filter(|_| reason.is_some());
    for (column, x) in layout.places() {
        if in_words.is_some_and(|(from, to)| (from..to).contains(&x)) {
            continue;
        }
        let value = column.value(series, stats.as_ref(), now);
        let loses = match column {
            Column::Loss => series.observed.lost > 0,
            Column::Last => series.observed.is_losing() || series.observed.is_refused(),
            _ => false,
        };
        paper.text(x, y, &column.aligned(&value), if loses { Role::Loss } else { Role::Plain });
    }
    if let Some((reason, (from, to))) = reason.zip(in_words) {
        let (whole, room, ellipsis) = (reason.to_string(), to - from - 1, paper.look.glyphs.ellipsis);
        let words = match reason.by {
            _ if text::width(&whole) <= room => whole,
            _ if room < WORDS_LEAST => text::right(reason.mark(), room),
            Some(_) => text::shortened(&reason.in_brief(), room, ellipsis),
            None => text::cut(&whole, room, ellipsis),
        };
        paper.text(from + 1, y, &words, Role::Loss);
    }
}

/// Cells in which probes were refused, and nothing else is known.
fn refusals(paper: &mut Paper<'_>, (x, y): (usize, usize), series: &SeriesModel, (now, span): (Instant, Span)) {
    let refused = series.refused.cells(now, span.cell, span.cells);
    let others = series.history.cells(now, span.cell, span.cells);
    for (at, _) in refused.iter().zip(&others).enumerate().filter(|(_, (bin, other))| bin.lost > 0 && other.is_empty())
    {
        paper.over(x + at, y, REFUSED, Role::Loss, false);
    }
}
