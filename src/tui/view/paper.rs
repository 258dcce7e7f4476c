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
    /// Which cells have something on them, row by row.
    #[cfg(feature = "sim")]
    taken: Vec<bool>,
}

#[cfg(feature = "sim")]
thread_local! {
    static OVERWRITTEN: std::cell::RefCell<Vec<String>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// The cells that were drawn over with something else since the last call, without intent, for tests: each is a defect.
#[cfg(feature = "sim")]
pub fn overwritten() -> Vec<String> {
    OVERWRITTEN.take()
}

impl<'a> Paper<'a> {
    /// All of `buffer`.
    pub fn new(buffer: &'a mut Buffer, look: Look) -> Paper<'a> {
        #[cfg(feature = "sim")]
        let taken = vec![false; buffer.content().len()];
        Paper {
            buffer,
            look,
            #[cfg(feature = "sim")]
            taken,
        }
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
            self.take(x, y, text);
            // A position on the screen is one of its u16s.
            self.buffer.set_stringn(x as u16, y as u16, text, room, self.look.style(role));
        }
        x + text::width(text)
    }

    /// Notes that cells of a row have something on them from now on.
    #[cfg(feature = "sim")]
    fn take(&mut self, x: usize, y: usize, text: &str) {
        let (width, mut at) = (self.width(), x);
        for character in text.chars() {
            let cell = y * width + at;
            at += unicode_width::UnicodeWidthChar::width(character).unwrap_or(0);
            let (Some(taken), Some(there)) = (self.taken.get_mut(cell), self.buffer.content().get(cell)) else {
                continue;
            };
            let there = there.symbol();
            // A blank leaves its place to others.
            if std::mem::replace(taken, *taken || character != ' ') && !there.chars().eq([character]) {
                OVERWRITTEN.with_borrow_mut(|all| all.push(format!("{there:?} at {x},{y} by {text:?}")));
            }
        }
    }

    #[cfg(not(feature = "sim"))]
    fn take(&self, _: usize, _: usize, _: &str) {}

    /// Leaves `cells` cells of row `y` to what is drawn over them.
    pub fn clear(&mut self, x: usize, y: usize, cells: usize) {
        for x in x..x.saturating_add(cells).min(self.width()) {
            #[cfg(feature = "sim")]
            if let Some(taken) = self.taken.get_mut(y * usize::from(self.buffer.area().width) + x) {
                *taken = false;
            }
            if let Some(cell) = self.buffer.cell_mut((x as u16, y as u16)) {
                cell.reset();
            }
        }
    }

    /// One character.
    pub fn glyph(&mut self, x: usize, y: usize, glyph: char, role: Role, dim: bool) {
        self.take(x, y, glyph.encode_utf8(&mut [0; 4]));
        self.over(x, y, glyph, role, dim);
    }

    /// The same over whatever is there.
    pub fn over(&mut self, x: usize, y: usize, glyph: char, role: Role, dim: bool) {
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
        self.over(x, y, merged.unwrap_or(glyph), role, false);
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
