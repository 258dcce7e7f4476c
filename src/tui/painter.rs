//! From one picture to the next: [`Painter`] writes what changed.

use std::fmt::Write;

use ratatui_core::buffer::Buffer;
use ratatui_core::layout::Rect;
use ratatui_core::style::{Color, Modifier, Style};

/// Begins a screen of our own: the terminal keeps the other one, the window's title and the cursor. The wheel moves the selection.
pub const ENTER: &str = "\x1b[22;2t\x1b[?1049h\x1b[?7l\x1b[?1007h\x1b[?25l\x1b[2J";
/// Ends it.
pub const LEAVE: &str = "\x1b[0m\x1b[?25h\x1b[?1007l\x1b[?7h\x1b[?1049l\x1b[23;2t";

/// What stands on the terminal.
#[derive(Debug, Default)]
pub struct Painter {
    /// `None` where that is not known.
    shown: Option<Buffer>,
}

impl Painter {
    /// Nothing is known about what stands on the terminal.
    pub fn forget(&mut self) {
        self.shown = None;
    }

    /// The octets that change the terminal of this size to what `draw` draws; empty if nothing changes.
    pub fn paint(&mut self, (columns, rows): (u16, u16), draw: impl FnOnce(&mut Buffer)) -> Vec<u8> {
        let area = Rect::new(0, 0, columns, rows);
        let mut next = Buffer::empty(area);
        draw(&mut next);
        let mut text = String::new();
        let before = match self.shown.take().filter(|shown| *shown.area() == area) {
            Some(before) => before,
            None => {
                text.push_str("\x1b[0m\x1b[2J");
                Buffer::empty(area)
            }
        };
        changes(&before, &next, &mut text);
        self.shown = Some(next);
        text.into_bytes()
    }
}

/// A picture of this size as lines of text: for documents, and for tests.
pub fn as_text((columns, rows): (u16, u16), draw: impl FnOnce(&mut Buffer)) -> String {
    let mut picture = Buffer::empty(Rect::new(0, 0, columns, rows));
    draw(&mut picture);
    let lines = picture.content().chunks(usize::from(columns.max(1)));
    let line = |cells: &[ratatui_core::buffer::Cell]| cells.iter().map(ratatui_core::buffer::Cell::symbol).collect();
    lines.map(line).collect::<Vec<String>>().join("\n")
}

/// Writing to a String does not fail.
fn changes(before: &Buffer, next: &Buffer, text: &mut String) {
    let mut pen: Option<Style> = None;
    let mut at = None;
    for (x, y, cell) in before.diff(next) {
        if at != Some((x, y)) {
            let _ = write!(text, "\x1b[{};{}H", y + 1, x + 1);
        }
        let style = cell.style();
        if pen != Some(style) {
            push_style(style, text);
            pen = Some(style);
        }
        text.push_str(cell.symbol());
        at = Some((x + u16::try_from(super::text::width(cell.symbol())).unwrap_or(1), y));
    }
    if pen.is_some() {
        text.push_str("\x1b[0m");
    }
}

/// SGR, ECMA-48 8.3.117.
fn push_style(style: Style, text: &mut String) {
    text.push_str("\x1b[0");
    let modifiers = [(Modifier::BOLD, 1), (Modifier::DIM, 2), (Modifier::REVERSED, 7)];
    for (_, code) in modifiers.into_iter().filter(|(modifier, _)| style.add_modifier.contains(*modifier)) {
        let _ = write!(text, ";{code}");
    }
    let code = match style.fg {
        Some(Color::Red) => "31",
        Some(Color::Green) => "32",
        Some(Color::Yellow) => "33",
        Some(Color::Blue) => "34",
        Some(Color::Magenta) => "35",
        Some(Color::Cyan) => "36",
        _ => "",
    };
    if let Some(Color::Indexed(index)) = style.fg {
        let _ = write!(text, ";38;5;{index}");
    } else if !code.is_empty() {
        let _ = write!(text, ";{code}");
    }
    text.push('m');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn painted(painter: &mut Painter, size: (u16, u16), line: &str) -> String {
        let octets = painter.paint(size, |buffer| {
            buffer.set_string(0, 0, line, Style::new());
        });
        String::from_utf8(octets).unwrap()
    }

    #[test]
    fn only_what_changed_is_written() {
        let mut painter = Painter::default();
        assert_eq!(painted(&mut painter, (9, 2), "rtt 1.20"), "\x1b[0m\x1b[2J\x1b[1;1H\x1b[0mrtt\x1b[1;5H1.20\x1b[0m");
        assert_eq!(painted(&mut painter, (9, 2), "rtt 1.30"), "\x1b[1;7H\x1b[0m3\x1b[0m");
        assert_eq!(painted(&mut painter, (9, 2), "rtt 1.30"), "");
        assert!(painted(&mut painter, (8, 2), "rtt 1.30").starts_with("\x1b[0m\x1b[2J"));
        painter.forget();
        assert!(painted(&mut painter, (8, 2), "rtt 1.30").starts_with("\x1b[0m\x1b[2J"));
    }

    #[test]
    fn leaving_undoes_what_entering_did() {
        for mode in ["?1049", "?1007"] {
            assert!(ENTER.contains(&format!("{mode}h")) && LEAVE.contains(&format!("{mode}l")));
        }
        for mode in ["?25", "?7"] {
            assert!(ENTER.contains(&format!("{mode}l")) && LEAVE.contains(&format!("{mode}h")));
        }
    }
}
