//! `rtrace --replay`: recorded traces, shown again.

use std::path::{Path, PathBuf};

use crate::cli::env::Env;
use crate::cli::error::CliError;
use crate::cli::exit_status;
use crate::cli::replay::{Replay, check_words, diff};
use crate::cli::rtrace::args::{TraceArgs, flow_count};
use crate::cli::rtrace::run::Rtrace;
use crate::trace::{Event, RunStatus};

impl Rtrace<'_> {
    /// Shows where two recorded runs differ.
    pub(super) fn diff(&self, paths: &[PathBuf], env: &mut Env<'_>) -> Result<u8, CliError> {
        check_words::<TraceArgs>(self.words, &[])?;
        diff(paths, "rtrace", &self.args.output.format, env)
    }

    /// Shows the run as its command line and the output options of this one say.
    pub(super) fn replay(&self, path: &Path, env: &mut Env<'_>) -> Result<u8, CliError> {
        check_words::<TraceArgs>(self.words, &["report"])?;
        self.args.output.format.check_one()?;
        let replay = Replay::open("--replay", path, "rtrace", env)?;
        let recorded: TraceArgs = replay.args()?;
        if self.args.timing.report && !recorded.timing.report {
            let why = "--report: a trace was recorded, which has no cycles; without --report it is shown";
            return Err(CliError::Refused(why.to_owned()));
        }
        let targets = usize::try_from(replay.session().targets).unwrap_or(usize::MAX);
        let status = RunStatus::new(targets.saturating_mul(flow_count(&recorded) as usize));
        let args = TraceArgs { output: self.args.output.clone(), ..recorded };
        let shown = Rtrace { args: &args, ..*self };
        env.write_to(self.args.output.file.output.as_deref())?;
        let take = |status: &mut RunStatus, event: &Event| status.add(event);
        let (status, cut) = replay.play(shown.sink(false)?, status, take, self.program, env)?;
        Ok(cut.unwrap_or(exit_status(status.status())))
    }
}
