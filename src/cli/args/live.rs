//! The options of live views, the same in every tool.

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::values;

/// From one line about a path to the next unless `--every` says otherwise.
const EVERY: Duration = Duration::from_secs(10);

/// How a run is watched while it goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Live {
    /// On the whole screen, or in lines where there is no terminal
    #[default]
    Auto,
    /// In lines
    Plain,
}

/// Colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ThemeName {
    /// As the terminal has them; none with NO_COLOR
    #[default]
    Auto,
    /// The terminal's own
    Default,
    /// None
    Mono,
    /// Colours that colour-blind people can distinguish
    Contrast,
}

#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Live view")]
pub struct LiveArgs {
    /// Watch on the whole screen; q leaves, h shows all keys
    ///
    /// On leaving, the summaries (rtrace: the report) are printed. With --live=plain, or if standard output is not a
    /// terminal, lines are printed instead.
    #[arg(long, value_name = "WHERE", value_enum, hide_possible_values = true, num_args = 0..=1, require_equals = true, default_missing_value = "auto")]
    live: Option<Live>,

    /// Time that strips and charts span at least [default: 2m]
    #[arg(long, value_name = "TIME", value_parser = values::window, allow_hyphen_values = true)]
    window: Option<Duration>,

    /// Keep the screen when the run is over, until q is typed
    #[arg(long)]
    stay: bool,

    /// Without a screen, print a line about each path or target this often [default: 10s]
    ///
    /// Events have lines of their own.
    #[arg(long, value_name = "TIME", value_parser = values::cycle_interval, allow_hyphen_values = true)]
    every: Option<Duration>,

    /// Colours [default: auto]
    #[arg(long, value_name = "THEME", value_enum)]
    theme: Option<ThemeName>,

    /// Draw with ASCII characters alone
    ///
    /// The default if the locale is not UTF-8, or if block elements may be two cells wide.
    #[arg(long)]
    ascii: bool,

    /// Draw with block elements whatever the locale
    #[arg(long)]
    unicode: bool,
}

impl LiveArgs {
    /// Whether a live view was asked for.
    pub const fn is_live(&self) -> bool {
        self.live.is_some()
    }

    /// Whether it is to be in lines.
    pub fn is_plain(&self) -> bool {
        self.live == Some(Live::Plain)
    }

    /// How far lines about a path are apart.
    pub fn every(&self) -> Duration {
        self.every.unwrap_or(EVERY)
    }

    /// Whether one of the other options was given without it.
    pub fn is_without_live(&self) -> bool {
        let given = self.window.is_some()
            || self.every.is_some()
            || self.stay
            || self.theme.is_some()
            || self.ascii
            || self.unicode;
        given && !self.is_live()
    }
}

#[cfg(feature = "tui")]
mod looks {
    use super::{LiveArgs, ThemeName};
    use crate::tui::theme::{Environment, Look, Theme};

    /// What the strip spans unless `--window` says otherwise.
    const WINDOW_SECONDS: u64 = 120;

    impl LiveArgs {
        /// Colours and glyphs.
        pub fn look(&self, environment: &Environment) -> Look {
            let theme = match self.theme.unwrap_or_default() {
                ThemeName::Auto => environment.theme(),
                ThemeName::Default => Theme::Default,
                ThemeName::Mono => Theme::Mono,
                ThemeName::Contrast => Theme::Contrast,
            };
            Look::new(theme, self.ascii || !self.unicode && environment.is_ascii())
        }

        /// Seconds that the strip spans at least.
        pub fn window_seconds(&self) -> u64 {
            self.window.map_or(WINDOW_SECONDS, |window| window.as_secs().max(1))
        }

        /// Whether the screen stays after the run.
        pub const fn stays(&self) -> bool {
            self.stay
        }
    }
}
