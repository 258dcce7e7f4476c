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

/// Draws the table of keys over the screen.
pub fn help(paper: &mut Paper<'_>, table: &[Binding]) {
    let (width, height) = (paper.width(), paper.height());
    let wipe = " ".repeat(width);
    for y in 0..height {
        paper.text(0, y, &wipe, Role::Plain);
    }
    let keys = table.iter().map(|binding| text::width(binding.shown)).max().unwrap_or(0);
    paper.rule(0, "keys");
    for (binding, y) in table.iter().zip(1..height) {
        paper.text(1, y, binding.shown, Role::Title);
        paper.text(keys + 3, y, binding.does, Role::Plain);
    }
    if height > table.len() + 2 {
        paper.text(1, table.len() + 2, "any key closes this", Role::Dim);
    }
}
