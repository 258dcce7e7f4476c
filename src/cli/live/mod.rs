//! Live views: the terminal, the thread that draws, and what is printed when it is left. What is drawn is `tui`'s.

#[cfg(feature = "tui")]
mod played;
#[cfg(feature = "tui")]
mod screen;
#[cfg(feature = "tui")]
mod sink;

#[cfg(feature = "tui")]
pub use played::play;
#[cfg(feature = "tui")]
pub use screen::Start;
#[cfg(feature = "tui")]
pub use sink::LiveSink;

use crate::channel::PostControl;
use crate::cli::args::format::FormatArgs;
use crate::cli::args::live::LiveArgs;
use crate::cli::args::record::RecordArgs;
use crate::cli::env::Env;
use crate::cli::error::CliError;
use crate::net::Terminal;
#[cfg(feature = "tui")]
use crate::tui::keys::{self, Binding};
#[cfg(feature = "tui")]
use crate::tui::theme::Environment;

/// What a live view shows; lines show what their events say.
#[cfg_attr(not(feature = "tui"), allow(dead_code))]
pub struct Shown<'a> {
    /// Paths: targets times flows; or targets alone.
    pub paths: usize,
    /// The targets as typed.
    pub targets: &'a [String],
    /// Where the run is changed and ended from another thread, if it can be.
    pub post: Option<PostControl>,
}

/// Refuses options beside `--replay` that need a live view, or that it has no use for.
///
/// # Errors
/// The sentence.
pub fn check_replay(live: &LiveArgs, record: &RecordArgs, format: &FormatArgs) -> Result<(), CliError> {
    let timed = record.speed.is_some() || record.at.is_some();
    let why = match live.is_live() {
        false if timed => "--speed and --at: with --live; other output has no time of its own",
        false if live.is_without_live() => "--live is missing: the options of live views have no meaning without it",
        true if format.has_records() => "--live: it is a view for people; leave it out for other formats",
        _ => return Ok(()),
    };
    Err(CliError::Refused(why.to_owned()))
}

/// The screen of a live view, if one is wanted and there is one. It must be opened before the process is confined.
pub fn screen(live: &LiveArgs, env: &Env<'_>) -> Option<Terminal> {
    let wanted = cfg!(feature = "tui") && live.is_live() && !live.is_plain();
    let can_be_drawn_on = (env.variable)("TERM").is_some_and(|term| term != "dumb");
    if wanted && can_be_drawn_on { (env.screen)() } else { None }
}

/// Says why there are lines, where they were not asked for.
pub fn explain_lines(live: &LiveArgs, program: &str, env: &mut Env<'_>) {
    if !live.is_plain() {
        let every = live.every().as_secs_f64();
        let _ =
            writeln!(env.stderr, "{program}: no terminal to draw on: one line every {every} s, and one for each event");
    }
}

/// A long help with the keys of the live view, as they are understood, before its section `before`.
pub fn help_with_keys(help: &str, before: &str, keys: fn() -> String) -> String {
    let Some((above, below)) = help.split_once(&format!("\n{before}\n")) else { return help.to_owned() };
    format!("{above}\n{}{before}\n{below}", keys())
}

/// The keys of the view of a path.
pub fn keys_of_path() -> String {
    #[cfg(feature = "tui")]
    return section(keys::PATH);
    #[cfg(not(feature = "tui"))]
    String::new()
}

/// The keys of the view of targets.
pub fn keys_of_ping() -> String {
    #[cfg(feature = "tui")]
    return section(keys::PING);
    #[cfg(not(feature = "tui"))]
    String::new()
}

#[cfg(feature = "tui")]
fn section(table: &[Binding]) -> String {
    let rows = table.iter().map(|binding| format!("{}: {}.\n", binding.shown.replace(' ', ","), binding.does));
    format!("KEYS\n{}\n", rows.collect::<String>())
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
