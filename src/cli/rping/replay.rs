//! `rping --replay`: a recorded run, shown again.

use std::path::{Path, PathBuf};

use crate::cli::env::Env;
use crate::cli::error::CliError;
use crate::cli::live::{self, Shown};
use crate::cli::replay::{Replay, check_words, diff};
use crate::cli::rping::args::PingArgs;
use crate::cli::rping::contrast::take_status;
use crate::cli::rping::facts::Facts;
use crate::cli::rping::run::Rping;
#[cfg(feature = "tui")]
use crate::cli::{ANSWERED, args::record::RecordArgs};
use crate::cli::{NOT_RUN, exit_status};
#[cfg(feature = "tui")]
use crate::net::Terminal;
use crate::ping::{Event, RunStatus};
use crate::recording::Mode;
#[cfg(feature = "tui")]
use crate::{
    ping::contrast,
    tui::view::{ContrastView, PingView},
};

impl Rping<'_> {
    /// Shows where two recorded runs differ.
    pub(super) fn diff(&self, paths: &[PathBuf], env: &mut Env<'_>) -> Result<u8, CliError> {
        check_words::<PingArgs>(self.words, &[])?;
        diff(paths, "rping", &self.args.output.format, env)
    }

    /// Shows the run as its command line and the output options of this one say.
    pub(super) fn replay(&self, path: &Path, env: &mut Env<'_>) -> Result<u8, CliError> {
        check_words::<PingArgs>(self.words, &[])?;
        self.args.output.format.check_one()?;
        live::check_replay(&self.args.live, &self.args.record, &self.args.output.format)?;
        let replay = Replay::open("--replay", path, "rping", env)?;
        let recorded: PingArgs = replay.args()?;
        let args = PingArgs { output: self.args.output.clone(), live: self.args.live.clone(), ..recorded };
        let shown = Rping { args: &args, ..*self };
        env.write_to(self.args.output.file.output.as_deref())?;
        if replay.session().mode == Mode::Sweep && args.live.is_live() {
            let why = "--live: FILE holds a sweep, which looks at each target once; a view is of targets probed again and again";
            return Err(CliError::Refused(why.to_owned()));
        }
        #[cfg(feature = "tui")]
        if let Some(terminal) = live::screen(&args.live, env) {
            return shown.play_on_screen(terminal, (path, &self.args.record), replay, env);
        }
        shown.play(replay, false, env)
    }

    /// Shows the run on `terminal`, and its summaries when that is left.
    #[cfg(feature = "tui")]
    fn play_on_screen(
        &self,
        terminal: Terminal,
        (path, record): (&Path, &RecordArgs),
        replay: Replay,
        env: &mut Env<'_>,
    ) -> Result<u8, CliError> {
        let (facts, options) = (Facts::recorded(replay.session()), self.view_options(env));
        let what = (self.program, path, record);
        let is_wanted = if replay.session().mode == Mode::Contrast {
            live::play::<contrast::Event, _>(terminal, ContrastView::new(facts.labels, options), what, env)?
        } else {
            live::play::<Event, _>(terminal, PingView::new(facts.targets, options), what, env)?
        };
        if is_wanted { self.play(replay, true, env) } else { Ok(ANSWERED) }
    }

    /// Shows the run; what is printed after a live view, if it `was_seen` on a screen.
    fn play(&self, replay: Replay, was_seen: bool, env: &mut Env<'_>) -> Result<u8, CliError> {
        let facts = Facts::recorded(replay.session());
        let (program, is_live) = (self.program, self.args.live.is_live());
        let lines = Shown { paths: facts.targets, targets: &[], post: None };
        match replay.session().mode {
            Mode::Ping => {
                let take = |run_status: &mut RunStatus, event: &Event| run_status.take(event);
                let sink = match is_live {
                    _ if was_seen => self.summaries(&facts),
                    true => self.live_sink(None, &facts, lines, env)?,
                    false => self.sink(&facts, env.local_offset)?,
                };
                let (run_status, cut) = replay.play(sink, RunStatus::default(), take, program, env)?;
                Ok(cut.unwrap_or(exit_status(run_status.status(self.required()))))
            }
            Mode::Contrast => {
                let sink = match is_live {
                    _ if was_seen => self.comparison(&facts),
                    true => self.live_contrast_sink(None, &facts, lines, env)?,
                    false => self.contrast_sink(&facts)?,
                };
                let (status, cut) = replay.play(sink, NOT_RUN, take_status, program, env)?;
                Ok(cut.unwrap_or(status))
            }
            Mode::Sweep => self.play_sweep(replay, env),
            Mode::Trace => Ok(NOT_RUN),
        }
    }
}
