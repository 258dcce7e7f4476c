//! A chart of a few series: delays as lines over time, and what was lost on lines of its own below them.

use super::LocalOffset;
use super::axis::Axis;
use super::header::clock;
use super::marks::{REFUSED, letter, role};
use super::paper::Paper;
use super::strip::Span;
use crate::tui::model::{Bin, History};
use crate::tui::text;
use crate::tui::theme::Role;
use crate::types::{Instant, Now, WallTime};

/// Cells before the chart: the labels of the axis, and the axis.
const MARGIN: usize = 8;
/// Cells after it, where lines have letters.
const LETTER: usize = 2;
/// Dots of a cell.
const ACROSS: usize = 2;
const DOWN: usize = 4;
/// Cells from one time to the next.
const BETWEEN_TIMES: usize = 20;
const SECOND: u64 = 1_000_000_000;

/// One line of a chart.
#[derive(Clone, Debug)]
pub struct Line<'a> {
    /// Its answers, and what was lost.
    pub history: &'a History,
    /// Probes that were refused.
    pub refused: Option<&'a History>,
    /// Whether packets pass where probes are not answered.
    pub limits: bool,
    /// Why its newest probes have no reply, where that is known.
    pub reason: Option<String>,
}

/// What a chart shows.
pub struct Chart<'a> {
    /// The lines.
    pub lines: &'a [Line<'a>],
    /// The first that has a letter of its own, where there are several.
    pub letters: bool,
    /// Seconds that it spans at least, and steps that its cells are coarser than that needs.
    pub window: (u64, i32),
    /// Whether the axis is logarithmic.
    pub log: bool,
    /// From one probe to the next.
    pub interval: Option<std::time::Duration>,
    /// When the run began.
    pub began: Instant,
    /// What happened to all of them, such as a pause, each with its glyph.
    pub marks: &'a [(Instant, char)],
}

/// Columns below which there is none.
pub const LEAST_COLUMNS: usize = 30;

/// The fewest rows that a chart of `lines` lines needs.
pub const fn least_rows(lines: usize) -> usize {
    4 + lines
}

impl Chart<'_> {
    /// Draws it into the rows from `top` up to, not including, `bottom`.
    pub fn draw(&self, paper: &mut Paper<'_>, (top, bottom): (usize, usize), now: Now, offset: LocalOffset) {
        let rows = (bottom - top).saturating_sub(self.lines.len() + 1);
        let cells = paper.width().saturating_sub(MARGIN + if self.letters { LETTER } else { 0 });
        if rows == 0 || cells == 0 {
            return;
        }
        let span = Span::over(cells * ACROSS, self.window.0, self.window.1);
        let bins: Vec<Vec<Bin>> =
            self.lines.iter().map(|line| line.history.cells(now.mono, span.cell, span.cells)).collect();
        let delays = bins.iter().flatten().filter_map(Bin::slowest);
        let axis = Axis::over(delays, rows, self.log);
        frame(paper, (top, rows), axis.as_ref());
        if axis.is_none() {
            self.no_answer(paper, (top, rows));
        }
        let mut ends = Vec::new();
        if let Some(axis) = &axis {
            for (at, bins) in bins.iter().enumerate() {
                ends.push(self.line(paper, top, (at, bins), (axis, span)));
            }
            outliers(paper, top, &bins, axis);
        }
        if self.letters {
            letters(paper, (top, rows), &ends);
        }
        for (at, (line, bins)) in self.lines.iter().zip(&bins).enumerate() {
            self.losses(paper, top + rows + at, (at, line, bins), (now.mono, span));
        }
        self.times(paper, top + rows + self.lines.len(), cells, (now, span), offset);
    }

    /// That nothing was answered, and why, where that is known.
    fn no_answer(&self, paper: &mut Paper<'_>, (top, rows): (usize, usize)) {
        let room = paper.width().saturating_sub(MARGIN + 1);
        let y = top + rows.saturating_sub(self.lines.len()) / 2;
        if self.lines.iter().all(|line| line.reason.is_none()) {
            paper.text(MARGIN + 1, y, "no answer yet", Role::Dim);
            return;
        }
        for (number, line) in self.lines.iter().enumerate().take(rows) {
            let reason = line.reason.as_deref().unwrap_or("no answer yet");
            let text = if self.letters { format!("{} {reason}", letter(number)) } else { reason.to_owned() };
            let role = if line.reason.is_some() { Role::Loss } else { Role::Dim };
            let text = text::cut(&text, room, paper.look.glyphs.ellipsis);
            paper.text(MARGIN + 1, y + number, &text, role);
        }
    }

    /// Draws one line, and gives the row of its end.
    fn line(
        &self,
        paper: &mut Paper<'_>,
        top: usize,
        (number, bins): (usize, &[Bin]),
        (axis, span): (&Axis, Span),
    ) -> Option<usize> {
        let mut dots = Dots::new(span.cells, axis.rows());
        let mut last: Option<(usize, usize)> = None;
        for (x, bin) in bins.iter().enumerate() {
            match bin.slowest() {
                Some(delay) => {
                    let y = axis.dot(delay);
                    match last.filter(|&(before, _)| x - before <= self.joined(span)) {
                        Some(from) => dots.join(from, (x, y)),
                        None => dots.set(x, y),
                    }
                    last = Some((x, y));
                }
                // What is lost joins nothing.
                None if bin.lost > 0 => last = None,
                None => {}
            }
        }
        let letter = letter(number).to_ascii_lowercase();
        for (x, y, mask) in dots.cells() {
            let braille = char::from_u32(0x2800 + u32::from(mask)).filter(|_| !paper.look.glyphs.is_ascii());
            let ascii = if self.letters { letter } else { '*' };
            paper.merge(MARGIN + x, top + y, braille.unwrap_or(ascii), role(number));
        }
        last.map(|(_, y)| y / DOWN)
    }

    /// Dots between two answers that may be empty: as many as two intervals take.
    fn joined(&self, span: Span) -> usize {
        let seconds = self.interval.map_or(1, |interval| interval.as_secs() + 1);
        usize::try_from(2 * seconds / span.cell).unwrap_or(usize::MAX).saturating_add(1)
    }

    /// What one line lost, and what happened to all.
    fn losses(
        &self,
        paper: &mut Paper<'_>,
        y: usize,
        (number, line, bins): (usize, &Line<'_>, &[Bin]),
        (now, span): (Instant, Span),
    ) {
        let glyphs = paper.look.glyphs;
        let lost = if line.limits { "silent" } else { "lost" };
        let label = if self.letters { format!("{} {lost}", letter(number)) } else { lost.to_owned() };
        paper.text(0, y, &text::right(&label, MARGIN - 1), Role::Dim);
        paper.glyph(MARGIN - 1, y, glyphs.axis, Role::Dim, false);
        for &(at, glyph) in self.marks {
            if let Some(back) = span.back(now, at) {
                paper.over(MARGIN + (span.cells - 1 - back) / ACROSS, y, glyph, Role::Change, false);
            }
        }
        let refused = line.refused.map(|refused| refused.cells(now, span.cell, span.cells)).unwrap_or_default();
        for (x, bins) in bins.chunks(ACROSS).enumerate() {
            let refused = refused.iter().skip(x * ACROSS).take(ACROSS);
            let lost: u16 = bins.iter().fold(0, |sum, bin| sum.saturating_add(bin.lost));
            let is_answered = bins.iter().any(|bin| bin.answered > 0);
            let is_refused = refused.clone().any(|bin| bin.lost > 0);
            let glyph = match (lost, is_answered || is_refused) {
                (0, _) if is_refused => REFUSED,
                (0, _) => continue,
                _ if line.limits => glyphs.silent,
                (_, false) => glyphs.lost,
                (_, true) => char::from_digit(u32::from(lost.min(9)), 10).unwrap_or('9'),
            };
            let role = if line.limits { Role::Limits } else { Role::Loss };
            paper.glyph(MARGIN + x, y, glyph, role, false);
        }
    }

    /// The time of day below the chart, from the beginning of the run on.
    fn times(&self, paper: &mut Paper<'_>, y: usize, cells: usize, (now, span): (Now, Span), offset: LocalOffset) {
        paper.text(0, y, &text::right("ms", MARGIN - 1), Role::Dim);
        let cell = span.cell * ACROSS as u64 * SECOND;
        // The beginning of the newest dot.
        let newest = now.mono.as_nanos() / (span.cell * SECOND) * (span.cell * SECOND);
        for back in (BETWEEN_TIMES / 2..cells).step_by(BETWEEN_TIMES) {
            let begins = newest.checked_sub(back as u64 * cell).filter(|&at| at + cell > self.began.as_nanos());
            let Some(begins) = begins else { return };
            let age = now.mono.as_nanos().saturating_sub(begins);
            let at = WallTime::from_nanos(now.wall.as_nanos().saturating_sub(age));
            paper.text(MARGIN + cells - 1 - back, y, &clock(at, offset), Role::Dim);
        }
    }
}

/// The axis of delays.
fn frame(paper: &mut Paper<'_>, (top, rows): (usize, usize), axis: Option<&Axis>) {
    let glyphs = paper.look.glyphs;
    (top..top + rows).for_each(|y| paper.glyph(MARGIN - 1, y, glyphs.axis, Role::Dim, false));
    for (row, delay) in axis.map(Axis::labels).unwrap_or_default() {
        paper.text(0, top + row, &text::right(&delay, MARGIN - 1), Role::Dim);
        paper.over(MARGIN - 1, top + row, glyphs.tick, Role::Dim, false);
    }
}

/// Delays beyond the axis: a mark at its end, with the largest of those that follow each other.
fn outliers(paper: &mut Paper<'_>, top: usize, bins: &[Vec<Bin>], axis: &Axis) {
    let cells = bins.iter().map(|bins| bins.len().div_ceil(ACROSS)).max().unwrap_or(0);
    let beyond = |cell: usize| {
        let bins = bins.iter().flat_map(|bins| bins.get(cell * ACROSS..).unwrap_or_default().iter().take(ACROSS));
        bins.filter_map(Bin::slowest).filter(|&delay| delay > axis.top()).max()
    };
    let mut free_from = 0;
    for cell in 0..cells {
        let Some(delay) = beyond(cell) else { continue };
        paper.over(MARGIN + cell, top, paper.look.glyphs.above, Role::Slow, false);
        let label = text::millis(delay as f64);
        let at = cell + 1;
        if at >= free_from
            && at + text::width(&label) <= cells
            && (at..at + label.len() + 1).all(|cell| beyond(cell).is_none())
        {
            paper.text(MARGIN + at, top, &label, Role::Slow);
            free_from = at + label.len() + 1;
        }
    }
}

/// The letter of each line at its end; where two end together one of them moves.
fn letters(paper: &mut Paper<'_>, (top, rows): (usize, usize), ends: &[Option<usize>]) {
    let x = paper.width().saturating_sub(1);
    let mut taken = Vec::new();
    for (at, end) in ends.iter().enumerate() {
        let Some(end) = *end else { continue };
        let free = |row: &usize| !taken.contains(row);
        let Some(row) = (end..rows).find(free).or_else(|| (0..end).rev().find(free)) else { continue };
        taken.push(row);
        paper.glyph(x, top + row, letter(at), role(at), false);
    }
}

/// The dots of one line.
struct Dots {
    across: usize,
    rows: usize,
    masks: Vec<u8>,
}

impl Dots {
    fn new(dots: usize, rows: usize) -> Dots {
        let across = dots.div_ceil(ACROSS);
        Dots { across, rows, masks: vec![0; across * rows] }
    }

    /// Dot `y` is counted from the top.
    fn set(&mut self, x: usize, y: usize) {
        // Braille patterns: dots 1 to 3 and 7 in the left column, 4 to 6 and 8 in the right one.
        const BITS: [[u8; ACROSS]; DOWN] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];
        let bit = BITS.get(y % DOWN).and_then(|bits| bits.get(x % ACROSS)).copied().unwrap_or(0);
        if let Some(mask) = self.masks.get_mut(y / DOWN * self.across + x / ACROSS) {
            *mask |= bit;
        }
    }

    /// A line from the one dot to the other, without gaps.
    fn join(&mut self, (x0, y0): (usize, usize), (x1, y1): (usize, usize)) {
        let (run, mut y) = (x1 - x0, y0);
        for x in x0 + 1..=x1 {
            let next = (y0 * (x1 - x) + y1 * (x - x0)) / run;
            (y.min(next)..=y.max(next)).for_each(|y| self.set(x, y));
            y = next;
        }
    }

    fn cells(&self) -> impl Iterator<Item = (usize, usize, u8)> {
        let cells = self.masks.iter().enumerate().filter(|(_, mask)| **mask != 0);
        cells.map(|(at, mask)| (at % self.across, at / self.across, *mask)).filter(|(_, y, _)| *y < self.rows)
    }
}
