//! The line of keys at the foot, a question there, and the screen with all keys.

use super::paper::Paper;
use crate::tui::keys::Binding;
use crate::tui::text;
use crate::tui::theme::Role;

/// Draws the line at row `y`: a question and what was typed, if something is asked.
pub fn draw(paper: &mut Paper<'_>, y: usize, table: &[Binding], question: Option<(&str, &str)>) {
    if let Some((asked, typed)) = question {
        let x = paper.text(1, y, asked, Role::Title);
        let x = paper.text(x, y, ": ", Role::Title);
        let x = paper.text(x, y, typed, Role::Plain);
        paper.text(x, y, "_", Role::Title);
        return;
    }
    let mut x = 1;
    for binding in table.iter().filter(|binding| !binding.short.is_empty()) {
        let key = binding.shown.split(' ').next().unwrap_or_default();
        if x + text::width(key) + binding.short.len() + 1 > paper.width() {
            return;
        }
        x = paper.text(x, y, key, Role::Title);
        x = paper.text(x + 1, y, binding.short, Role::Dim) + 2;
    }
}

/// Draws the table of keys over the screen, without its first `scrolled` lines where it is longer than that.
pub fn help(paper: &mut Paper<'_>, table: &[Binding], scrolled: usize) {
    let (width, height) = (paper.width(), paper.height());
    (0..height).for_each(|y| paper.clear(0, y, width));
    let lines = help_lines(table, width);
    // The heading stands above, and below, where there is room or something is hidden, what closes it.
    let hides = lines.len() >= height;
    let room = if hides { height.saturating_sub(2).max(1) } else { lines.len() };
    let hidden = lines.len() - room.min(lines.len());
    let first = scrolled.min(hidden);
    paper.rule(0, "keys");
    for ((keys, x, does), y) in lines.iter().skip(first).zip(1..height.min(1 + room)) {
        paper.text(1, y, keys, Role::Title);
        paper.text(*x, y, does, Role::Plain);
    }
    let closes = if hides { "Up Down: more; others close" } else { "any key but Up and Down closes this" };
    paper.text(1, room + 1, closes, Role::Dim);
}

/// The keys, and where what they do stands: beside them, or on narrow screens below.
fn help_lines(table: &[Binding], width: usize) -> Vec<(&str, usize, String)> {
    let keys = table.iter().map(|binding| text::width(binding.shown)).max().unwrap_or(0);
    let widest = table.iter().map(|binding| text::width(binding.does)).max().unwrap_or(0);
    let beside = keys + 3;
    let mut lines = Vec::new();
    for binding in table {
        if beside + widest <= width {
            lines.push((binding.shown, beside, binding.does.to_owned()));
            continue;
        }
        lines.push((binding.shown, BELOW, String::new()));
        let does = text::lines(binding.does, (width.saturating_sub(BELOW), usize::MAX), ' ');
        lines.extend(does.into_iter().map(|line| ("", BELOW, line)));
    }
    lines
}

/// Cells before what keys do where that stands below them.
const BELOW: usize = 4;
