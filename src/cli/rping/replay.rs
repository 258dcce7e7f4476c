//! `rping --replay`: a recorded run, shown again.

use std::path::{Path, PathBuf};

use crate::cli::env::Env;
use crate::cli::error::CliError;
use crate::cli::replay::{Replay, check_words, diff};
use crate::cli::rping::args::PingArgs;
use crate::cli::rping::contrast;
use crate::cli::rping::facts::Facts;
use crate::cli::rping::run::Rping;
use crate::cli::{NOT_RUN, exit_status};
use crate::ping::{Event, Verdict};
use crate::recording::Mode;

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
        let record = &self.args.record;
        if self.args.live.is_live() || record.speed.is_some() || record.at.is_some() {
            let why = "--live, --speed and --at: only rtrace replays in a live view";
            return Err(CliError::Refused(why.to_owned()));
        }
        let replay = Replay::open("--replay", path, "rping", env)?;
        let recorded: PingArgs = replay.args()?;
        let args = PingArgs { output: self.args.output.clone(), ..recorded };
        let shown = Rping { args: &args, ..*self };
        env.write_to(self.args.output.file.output.as_deref())?;
        shown.play(replay, env)
    }

    fn play(&self, replay: Replay, env: &mut Env<'_>) -> Result<u8, CliError> {
        let facts = Facts::recorded(replay.session());
        let program = self.program;
        match replay.session().mode {
            Mode::Ping => {
                let take = |verdict: &mut Verdict, event: &Event| verdict.take(event);
                let (verdict, cut) =
                    replay.play(self.sink(&facts, env.local_offset)?, Verdict::default(), take, program, env)?;
                Ok(cut.unwrap_or(exit_status(verdict.status(self.required()))))
            }
            Mode::Contrast => {
                let sink = self.contrast_sink(&facts)?;
                let (status, cut) = replay.play(sink, NOT_RUN, contrast::take_status, program, env)?;
                Ok(cut.unwrap_or(status))
            }
            Mode::Sweep => self.play_sweep(replay, env),
            Mode::Trace => Ok(NOT_RUN),
        }
    }
}
