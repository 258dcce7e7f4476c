//! What is drawn on: [`Paper`] clips everything to its size.

use ratatui_core::buffer::Buffer;
use ratatui_core::style::Modifier;

use crate::tui::text;
use crate::tui::theme::{Look, Role};

/// A screen, and how things look on it.
pub struct Paper<'a> {
    buffer: &'a mut Buffer,
    /// Colours and glyphs.
    pub look: Look,
}

impl<'a> Paper<'a> {
    /// All of `buffer`.
    pub fn new(buffer: &'a mut Buffer, look: Look) -> Paper<'a> {
        Paper { buffer, look }
    }

    /// Columns.
    pub fn width(&self) -> usize {
        self.buffer.area().width.into()
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.buffer.area().height.into()
    }

    /// Writes `text` at column `x` of row `y`, and gives the column after it.
    pub fn text(&mut self, x: usize, y: usize, text: &str, role: Role) -> usize {
        let room = self.width().saturating_sub(x);
        let text = text::beginning(text, room);
        if y < self.height() && !text.is_empty() {
            // A position on the screen is one of its u16s.
            self.buffer.set_stringn(x as u16, y as u16, text, room, self.look.style(role));
        }
        x + text::width(text)
    }

    /// One character.
    pub fn glyph(&mut self, x: usize, y: usize, glyph: char, role: Role, dim: bool) {
        if x < self.width()
            && let Some(cell) = self.buffer.cell_mut((x as u16, y as u16))
        {
            let style = self.look.style(role);
            cell.set_char(glyph).set_style(if dim { style.add_modifier(Modifier::DIM) } else { style });
        }
    }

    /// The same; where dots of a pattern stand already they stay.
    pub fn merge(&mut self, x: usize, y: usize, glyph: char, role: Role) {
        const PATTERNS: std::ops::RangeInclusive<char> = '\u{2800}'..='\u{28ff}';
        let there = self.buffer.cell((x as u16, y as u16)).and_then(|cell| cell.symbol().chars().next());
        let both = there.filter(|there| PATTERNS.contains(there) && PATTERNS.contains(&glyph));
        let merged = both.and_then(|there| char::from_u32(u32::from(there) | u32::from(glyph)));
        self.glyph(x, y, merged.unwrap_or(glyph), role, false);
    }

    /// The first `width` cells of row `y` are those of the selection.
    pub fn select(&mut self, y: usize, width: usize) {
        let style = self.look.style(Role::Selected);
        for x in 0..width.min(self.width()) {
            if let Some(cell) = self.buffer.cell_mut((x as u16, y as u16)) {
                cell.set_style(style);
            }
        }
    }

    /// A rule across row `y` with a title in it.
    pub fn rule(&mut self, y: usize, title: &str) {
        let rule = self.look.glyphs.rule;
        let line = |length| rule.to_string().repeat(length);
        let x = self.text(0, y, &line(2), Role::Dim);
        let x = if title.is_empty() { x } else { self.text(x, y, &format!(" {title} "), Role::Title) };
        self.text(x, y, &line(self.width().saturating_sub(x)), Role::Dim);
    }
}
