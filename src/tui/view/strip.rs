//! The strip of a series: one cell for a span of time, its height the slowest answer, its letter a loss.

use std::time::Duration;

use super::paper::Paper;
use crate::tui::model::{Bin, History};
use crate::tui::theme::Role;
use crate::types::Instant;

/// Spans of a cell, in seconds.
const SPANS: [u64; 12] = [1, 2, 4, 5, 10, 15, 30, 60, 120, 300, 600, 1800];
/// The scale moves at most once in this many seconds.
const STEADY: u64 = 5;
/// A scale is at least this high, in nanoseconds, and this much higher than its floor: a quiet hop is flat.
const LEAST_HEIGHT: u64 = 2_000_000;
const LEAST_RISE: f64 = 1.25;

/// How time lies in a strip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Seconds of a cell.
    pub cell: u64,
    /// Cells.
    pub cells: usize,
}

impl Span {
    /// Over `cells` cells at least `window` seconds, `shift` steps finer or coarser.
    pub fn over(cells: usize, window: u64, shift: i32) -> Span {
        let fits = |&span: &u64| span.saturating_mul(cells as u64) >= window;
        let auto = SPANS.iter().position(fits).unwrap_or(SPANS.len() - 1) as i32;
        let at = auto.saturating_add(shift).clamp(0, SPANS.len() as i32 - 1);
        Span { cell: SPANS.get(at as usize).copied().unwrap_or(60), cells }
    }

    /// The same for a series with a probe each `interval`: unless a finer one was chosen, no cell is shorter than that, as it would be empty
    /// though nothing is wrong.
    pub fn of_series(cells: usize, (window, shift): (u64, i32), interval: Option<Duration>) -> Span {
        let seconds = interval.map_or(0, |interval| interval.as_millis().div_ceil(1000));
        let least = u64::try_from(seconds).unwrap_or(u64::MAX).saturating_mul(cells as u64);
        Span::over(cells, window.max(least), shift)
    }

    /// How far from the right end of the strip the cell is in which `at` was; `None` if it is not shown.
    pub fn back(&self, now: Instant, at: Instant) -> Option<usize> {
        let cell = |at: Instant| at.as_nanos() / 1_000_000_000 / self.cell;
        let back = usize::try_from(cell(now).checked_sub(cell(at))?).ok()?;
        (back < self.cells).then_some(back)
    }
}

/// The delays that the lowest and the highest glyph stand for, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    floor: u64,
    top: u64,
}

impl Scale {
    /// Of the answers that `history` has in the strip, but for the last few seconds.
    pub fn of(history: &History, now: Instant, span: Span) -> Option<Scale> {
        let steady = Instant::from_nanos(now.as_nanos() / (STEADY * 1_000_000_000) * STEADY * 1_000_000_000);
        let slowest = |now: Instant| -> Vec<u64> {
            let mut known: Vec<u64> =
                history.cells(now, span.cell, span.cells).iter().filter_map(Bin::slowest).collect();
            known.sort_unstable();
            known
        };
        let mut known = slowest(steady);
        if known.len() < 2 {
            known = slowest(now);
        }
        let rank = |share: usize| known.get((known.len() * share / 100).min(known.len().saturating_sub(1))).copied();
        let floor = rank(5)?;
        let rise = (floor as f64 * LEAST_RISE) as u64;
        Some(Scale { floor, top: rank(98)?.max(rise).max(floor + LEAST_HEIGHT) })
    }

    /// One for all of several.
    pub fn common(scales: impl Iterator<Item = Scale>) -> Option<Scale> {
        scales.reduce(|one, other| Scale { floor: one.floor.min(other.floor), top: one.top.max(other.top) })
    }

    /// Which of `steps` glyphs stands for a delay.
    fn step(&self, nanos: u64, steps: usize) -> usize {
        let height = (self.top - self.floor).max(1);
        let above = nanos.saturating_sub(self.floor);
        usize::try_from(u128::from(above) * steps as u128 / u128::from(height)).unwrap_or(steps).min(steps - 1)
    }
}

/// Draws a strip at column `x` of row `y`. A hop that `limits` its answers has lost nothing where it is silent.
pub fn draw(
    paper: &mut Paper<'_>,
    (x, y): (usize, usize),
    history: &History,
    (now, span): (Instant, Span),
    (scale, limits): (Option<Scale>, bool),
) {
    let glyphs = paper.look.glyphs;
    for (at, bin) in history.cells(now, span.cell, span.cells).into_iter().enumerate() {
        let is_open = at + 1 == span.cells;
        let (glyph, role) = match (bin.answered, bin.lost) {
            (0, 0) => continue,
            (0, _) if limits => (glyphs.silent, Role::Silent),
            (0, _) => (glyphs.lost, Role::Loss),
            (_, 1..) if !limits => (digit(bin.lost), Role::Loss),
            _ => {
                let step = scale.map_or(0, |scale| scale.step(bin.slowest().unwrap_or_default(), glyphs.ramp.len()));
                let role = if step + 2 > glyphs.ramp.len() { Role::Slow } else { Role::Ok };
                (glyphs.ramp.get(step).copied().unwrap_or(' '), role)
            }
        };
        paper.glyph(x + at, y, glyph, role, is_open);
    }
}

/// How many probes were lost; 9 stands for more, too.
fn digit(lost: u16) -> char {
    char::from_digit(u32::from(lost.min(9)), 10).unwrap_or('9')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Rtt;

    fn at(seconds: u64) -> Instant {
        Instant::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn cells_span_the_window_and_keys_change_them() {
        assert_eq!(Span::over(24, 120, 0).cell, 5);
        assert_eq!(Span::over(35, 120, 0).cell, 4);
        assert_eq!(Span::over(200, 120, 0).cell, 1);
        assert_eq!((Span::over(24, 120, 1).cell, Span::over(24, 120, -1).cell), (10, 4));
        assert_eq!((Span::over(24, 120, -99).cell, Span::over(24, 120, 99).cell), (1, 1800));
        let cell = |millis| Span::of_series(24, (24, 0), Some(Duration::from_millis(millis))).cell;
        assert_eq!([cell(100), cell(1000), cell(1001), cell(3000), cell(16_000)], [1, 1, 2, 4, 30]);
        let finer = Span::of_series(24, (24, -2), Some(Duration::from_secs(16)));
        assert_eq!((finer.cell, Span::of_series(24, (24, 0), None).cell), (10, 1));
        let span = Span { cell: 5, cells: 4 };
        assert_eq!((span.back(at(12), at(10)), span.back(at(12), at(9))), (Some(0), Some(1)));
        assert_eq!((span.back(at(100), at(9)), span.back(at(1), at(9))), (None, None));
    }

    #[test]
    fn a_quiet_hop_is_flat_and_one_slow_answer_does_not_flatten_the_rest() {
        let mut history = History::default();
        for second in 0..100 {
            history.answered(at(second), Rtt::from_nanos(10_000_000 + second % 3 * 100_000));
        }
        let span = Span { cell: 1, cells: 100 };
        let scale = Scale::of(&history, at(99), span).unwrap();
        assert_eq!((scale.floor, scale.top), (10_000_000, 12_500_000));
        assert_eq!((scale.step(10_200_000, 8), scale.step(12_400_000, 8), scale.step(90_000_000, 8)), (0, 7, 7));
        history.answered(at(50), Rtt::from_nanos(900_000_000));
        assert_eq!(Scale::of(&history, at(99), span).unwrap().top, 12_500_000);
    }

    #[test]
    fn the_scale_stays_for_five_seconds() {
        let mut history = History::default();
        (0..60).for_each(|second| history.answered(at(second), Rtt::from_nanos(1_000_000)));
        let span = Span { cell: 1, cells: 30 };
        let before = Scale::of(&history, at(60), span);
        (61..64).for_each(|second| history.answered(at(second), Rtt::from_nanos(80_000_000)));
        assert_eq!(Scale::of(&history, at(64), span), before);
        assert_ne!(Scale::of(&history, at(65), span), before);
    }
}
