//! How things look: [`Look`], from roles to colours and from states to glyphs. No state is shown by its colour alone.

use ratatui_core::style::{Color, Modifier, Style};

/// What a piece of the screen means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Ordinary text.
    Plain,
    /// Answers as they should be.
    Ok,
    /// Slow answers.
    Slow,
    /// Lost packets.
    Loss,
    /// A router that limits its answers.
    Limits,
    /// What never answers.
    Silent,
    /// A change.
    Change,
    /// The line that was selected.
    Selected,
    /// What matters less.
    Dim,
    /// Headings.
    Title,
}

/// A table of colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    /// The sixteen colours of the terminal, so that its palette rules.
    #[default]
    Default,
    /// None: bold, dim and reverse.
    Mono,
    /// Okabe and Ito's colours, which colour-blind people can distinguish.
    Contrast,
}

impl Theme {
    fn style(self, role: Role) -> Style {
        let (plain, bold, dim) =
            (Style::new(), Style::new().add_modifier(Modifier::BOLD), Style::new().add_modifier(Modifier::DIM));
        let colour = |default: Color, contrast: u8| match self {
            Theme::Default => Style::new().fg(default),
            Theme::Mono => Style::new(),
            Theme::Contrast => Style::new().fg(Color::Indexed(contrast)),
        };
        match role {
            Role::Plain => plain,
            Role::Ok => colour(Color::Green, 36),
            // Orange: yellow cannot be read on a light terminal.
            Role::Slow => colour(Color::Yellow, 172),
            Role::Loss => colour(Color::Red, 166).patch(bold),
            Role::Limits | Role::Silent | Role::Dim => dim,
            Role::Change => colour(Color::Cyan, 74).patch(bold),
            Role::Selected => Style::new().add_modifier(Modifier::REVERSED),
            Role::Title => colour(Color::Reset, 175).patch(bold),
        }
    }
}

/// The characters of one set.
#[derive(Debug)]
pub struct Glyphs {
    /// Heights of the strip, lowest first.
    pub ramp: [char; 8],
    /// All probes of a bin were lost.
    pub lost: char,
    /// Unanswered, but packets pass; or nothing ever answers.
    pub silent: char,
    /// The path changed.
    pub change: char,
    /// The run paused, or time was lost.
    pub gap: char,
    /// For text that was left out.
    pub ellipsis: char,
    /// For rows below and above what is shown.
    pub below: char,
    /// Above.
    pub above: char,
    /// Of bars.
    pub bar: char,
    /// Of rules.
    pub rule: char,
    /// Of the axis of a chart.
    pub axis: char,
    /// The same beside a label.
    pub tick: char,
}

impl Glyphs {
    /// Whether they are of ASCII.
    pub fn is_ascii(&self) -> bool {
        self.bar.is_ascii()
    }
}

/// For terminals with Unicode.
const UNICODE: Glyphs = Glyphs {
    ramp: ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'],
    lost: '×',
    silent: '·',
    change: '▾',
    gap: '‖',
    ellipsis: '…',
    below: '▼',
    above: '▲',
    bar: '█',
    rule: '─',
    axis: '│',
    tick: '┤',
};

/// For all others.
const ASCII: Glyphs = Glyphs {
    ramp: ['.', '_', '-', '~', '+', '=', '*', '#'],
    lost: 'x',
    silent: '`',
    change: 'v',
    gap: '|',
    ellipsis: '~',
    below: 'v',
    above: '^',
    bar: '#',
    rule: '-',
    axis: '|',
    tick: '+',
};

/// Colours and glyphs.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    theme: Theme,
    /// The characters.
    pub glyphs: &'static Glyphs,
}

impl Look {
    /// By its parts.
    pub const fn new(theme: Theme, ascii: bool) -> Look {
        Look { theme, glyphs: if ascii { &ASCII } else { &UNICODE } }
    }

    pub(super) fn style(&self, role: Role) -> Style {
        self.theme.style(role)
    }
}

/// What the environment says about terminals.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// TERM.
    pub term: Option<String>,
    /// Whether NO_COLOR is set to anything.
    pub no_color: bool,
    /// The locale: the first of LC_ALL, LC_CTYPE and LANG that is set to anything.
    pub locale: Option<String>,
}

impl Environment {
    /// The theme where none was chosen.
    pub fn theme(&self) -> Theme {
        let mono = self.no_color || self.term.as_deref().is_some_and(|term| term.starts_with("vt"));
        if mono { Theme::Mono } else { Theme::Default }
    }

    /// Whether only ASCII is to be drawn: where the charset is not UTF-8, where block elements may be two cells wide, and on the console of
    /// Linux, whose fonts have few of them.
    pub fn is_ascii(&self) -> bool {
        if self.term.as_deref() == Some("linux") {
            return true;
        }
        let Some(locale) = &self.locale else { return true };
        let charset = locale.split('.').nth(1).unwrap_or_default();
        let charset: String = charset.chars().filter(char::is_ascii_alphanumeric).collect();
        let utf8 = charset.to_ascii_lowercase().starts_with("utf8");
        let wide = ["ja", "zh", "ko"].iter().any(|language| locale.starts_with(language));
        !utf8 || wide
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_drawn_where_the_locale_has_them_one_cell_wide() {
        let ascii = |locale: Option<&str>| {
            Environment { locale: locale.map(str::to_owned), ..Environment::default() }.is_ascii()
        };
        let seen = [None, Some("C"), Some("POSIX"), Some("de_DE.ISO-8859-1"), Some("ja_JP.UTF-8"), Some("zh_CN.utf8")];
        assert!(seen.into_iter().all(ascii));
        let seen = [Some("C.UTF-8"), Some("en_US.UTF-8"), Some("de_DE.utf8"), Some("sr_RS.UTF-8@latin")];
        assert!(!seen.into_iter().any(ascii));
        let console = Environment {
            term: Some("linux".to_owned()),
            locale: Some("C.UTF-8".to_owned()),
            ..Environment::default()
        };
        assert!(console.is_ascii());
    }

    #[test]
    fn no_color_and_old_terminals_have_no_colour() {
        let of = |term: &str, no_color| Environment { term: Some(term.to_owned()), no_color, ..Environment::default() };
        assert_eq!(of("xterm", false).theme(), Theme::Default);
        assert_eq!((of("xterm", true).theme(), of("vt220", false).theme()), (Theme::Mono, Theme::Mono));
    }
}
