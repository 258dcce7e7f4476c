//! The only room that knows argv, environment, terminals and exit codes.
//!
//! [`rping()`], [`rtrace()`] and [`rpong()`] take the words of a command line and a whole world, [`Env`], and return the exit
//! status. The real world is [`real_main`]; tests give one that opens a simulated network instead.

mod args;
mod both;
mod check;
mod doctor;
mod drive;
mod env;
mod error;
#[cfg(feature = "exporter")]
mod exporter;
mod file;
mod fping;
mod list;
mod live;
mod names;
mod notation;
mod output;
mod pcap;
mod replay;
mod rping;
mod rpong;
mod rtrace;
mod side;
mod tape;
mod target;

use std::borrow::Cow;
use std::ffi::OsString;

use clap::CommandFactory;
use clap::error::ErrorKind;

use crate::engine::outcome::Status;
use crate::report::printable;
use args::generate::generate;
use args::help::{Helped, help};
use args::result_file::ResultFile;
use args::silent;
use error::{CliError, one_line};

pub use env::{Env, Open, real_main};
#[cfg(feature = "exporter")]
pub use exporter::rping_exporter;
pub use rping::rping;
pub use rpong::rpong;
pub use rtrace::rtrace;

/// Exit status: everything answered.
pub const ANSWERED: u8 = 0;
/// Exit status: something did not answer.
pub const NOT_ANSWERED: u8 = 1;
/// Exit status: the run, or part of it, was not possible.
pub const NOT_RUN: u8 = 2;

/// Exit status: a condition does not hold.
pub const CONDITION_FAILED: u8 = 3;

/// The exit status of a run.
const fn exit_status(status: Status) -> u8 {
    match status {
        Status::Answered => ANSWERED,
        Status::ConditionFailed => CONDITION_FAILED,
        Status::NotAnswered => NOT_ANSWERED,
        Status::NotRun => NOT_RUN,
    }
}

/// Parses a command line and executes it; reports the error that prevents it. `meant` is what users of another program mean by
/// words that are refused.
fn run<A: Helped>(
    words: &[OsString],
    env: &mut Env<'_>,
    meant: impl Fn() -> Option<String>,
    execute: impl FnOnce(&A, &str, &mut Env<'_>) -> Result<u8, CliError>,
) -> u8 {
    let program =
        words.first().map_or_else(|| Cow::Owned(A::command().get_name().to_owned()), |word| word.to_string_lossy());
    let program = printable(&program);
    let mut held = None;
    let args = A::command().try_get_matches_from(words).and_then(|matches| {
        held = silent::held(&matches);
        // As with the help: a reader that closes early has seen what it wanted.
        if generate::<A>(&matches, env.stdout).unwrap_or(true) {
            Ok(None)
        } else if let Some(error) = doctor::refused(&matches, A::command) {
            Err(error)
        } else {
            A::from_arg_matches(&matches).map(Some)
        }
    });
    let args = match args {
        Ok(Some(args)) => args,
        Ok(None) => return ANSWERED,
        Err(error) if error.kind() == ErrorKind::DisplayHelp => {
            // A reader that closes before the end of the help has seen what it wanted.
            let _ = env.stdout.write_all(help::<A>(words).as_bytes()).and_then(|()| env.stdout.flush());
            return ANSWERED;
        }
        Err(error) => {
            let meant = meant().filter(|_| error.use_stderr());
            return report_clap_error(&program, &error, meant, env);
        }
    };
    let run = |env: &mut Env<'_>| executed(execute(&args, &program, env), &program, env);
    match held {
        Some(held) => silent::silently(held, &program, env, run),
        None => run(env),
    }
}

/// The exit status; reports an error.
fn executed(result: Result<u8, CliError>, program: &str, env: &mut Env<'_>) -> u8 {
    result.unwrap_or_else(|error| {
        let file = env.result_file.take();
        let error = error.in_file(file.as_ref().map(ResultFile::path));
        if let Some(file) = file {
            file.discard();
        }
        let message = env.with_executable(error.to_string());
        let _ = writeln!(env.stderr, "{program}: {message}");
        NOT_RUN
    })
}

/// Prints clap's outcome: help and version on stdout, an error in one line on stderr. Returns the exit status.
fn report_clap_error(program: &str, error: &clap::Error, meant: Option<String>, env: &mut Env<'_>) -> u8 {
    if !error.use_stderr() {
        // A reader that closes before the end of the help has seen what it wanted.
        let _ = write!(env.stdout, "{}", error.render()).and_then(|()| env.stdout.flush());
        return ANSWERED;
    }
    let sentence = meant.map_or_else(|| one_line(error), |meant| printable(&meant).into_owned());
    let _ = writeln!(env.stderr, "{program}: {sentence}");
    NOT_RUN
}

/// The command lines of all tools as clap knows them: what man pages are made from. No other room calls this.
#[doc(hidden)]
pub fn commands() -> Vec<clap::Command> {
    vec![
        rping::args::PingArgs::command(),
        rtrace::args::TraceArgs::command(),
        rpong::args::PongArgs::command(),
        check::args::CheckArgs::command(),
        #[cfg(feature = "exporter")]
        exporter::args::ExporterArgs::command(),
    ]
}
