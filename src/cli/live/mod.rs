//! Live views: the terminal, the thread that draws, and what is printed when it is left. What is drawn is `tui`'s.

#[cfg(feature = "tui")]
mod screen;
#[cfg(feature = "tui")]
mod sink;

#[cfg(feature = "tui")]
pub use screen::Start;
#[cfg(feature = "tui")]
pub use sink::LiveSink;

use crate::channel::PostControl;
use crate::cli::env::Env;
#[cfg(feature = "tui")]
use crate::tui::theme::Environment;

/// What a live view shows; lines show what their events say.
#[cfg_attr(not(feature = "tui"), allow(dead_code))]
pub struct Shown<'a> {
    /// Paths: targets times flows.
    pub paths: usize,
    /// The targets as typed.
    pub targets: &'a [String],
    /// Where the run is changed and ended from another thread, if it can be.
    pub post: Option<PostControl>,
}

/// Whether a screen can be drawn on what TERM names.
pub fn has_screen(env: &Env<'_>) -> bool {
    (env.variable)("TERM").is_some_and(|term| term != "dumb")
}

/// What the environment says about terminals.
#[cfg(feature = "tui")]
pub fn environment(env: &Env<'_>) -> Environment {
    let variable = env.variable;
    Environment {
        term: variable("TERM"),
        no_color: variable("NO_COLOR").is_some(),
        locale: ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(variable),
    }
}
