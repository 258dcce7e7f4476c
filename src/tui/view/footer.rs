//! The line of keys at the foot, a question there, and the screen with all keys.

use super::paper::Paper;
use super::ui::Ui;
use crate::tui::keys::{self, TABLE};
use crate::tui::text;
use crate::tui::theme::Role;

/// Draws the line at row `y`.
pub fn draw(paper: &mut Paper<'_>, y: usize, ui: &Ui) {
    if let Some(question) = &ui.question {
        let x = paper.text(1, y, question.asked.text(), Role::Title);
        let x = paper.text(x, y, ": ", Role::Title);
        let x = paper.text(x, y, &question.typed, Role::Plain);
        paper.text(x, y, "_", Role::Title);
        return;
    }
    let mut x = 1;
    for binding in TABLE.iter().filter(|binding| !binding.short.is_empty()) {
        let key = binding.shown.split(' ').next().unwrap_or_default();
        if x + text::width(key) + binding.short.len() + 1 > paper.width() {
            return;
        }
        x = paper.text(x, y, key, Role::Title);
        x = paper.text(x + 1, y, binding.short, Role::Dim) + 2;
    }
}

/// Draws the table of keys over the screen.
pub fn help(paper: &mut Paper<'_>) {
    let (width, height) = (paper.width(), paper.height());
    let wipe = " ".repeat(width);
    for y in 0..height {
        paper.text(0, y, &wipe, Role::Plain);
    }
    let keys = keys::TABLE.iter().map(|binding| text::width(binding.shown)).max().unwrap_or(0);
    paper.rule(0, "keys");
    for (binding, y) in TABLE.iter().zip(1..height) {
        paper.text(1, y, binding.shown, Role::Title);
        paper.text(keys + 3, y, binding.does, Role::Plain);
    }
    if height > TABLE.len() + 2 {
        paper.text(1, TABLE.len() + 2, "any key closes this", Role::Dim);
    }
}
