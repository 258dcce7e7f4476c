//! The only room that knows argv, environment, terminals and exit codes.
//!
//! [`rping`], [`rtrace`] and [`rpong`] take the words of a command line and a whole world, [`Env`], and return the exit
//! status. The real world is [`real_main`]; tests give one that opens a simulated network instead.

mod complain;
mod contrast_run;
mod drive;
mod env;
mod family_args;
mod output;
mod ping_args;
mod ping_method;
mod ping_run;
mod rpong_args;
mod rpong_run;
mod sweep_args;
mod sweep_drive;
mod sweep_run;
mod sweep_supply;
mod sweep_targets;
mod target;
mod trace_args;
mod trace_modes;
mod trace_report;
mod trace_run;
mod values;

use std::ffi::OsString;

use clap::{CommandFactory, Parser};

use complain::{CliError, clap_says};

pub use env::{Apart, Env, Open, Resolve, ResolveApart, SourceFor, real_main};

/// Exit status: everything answered.
pub const ANSWERED: u8 = 0;
/// Exit status: something did not answer.
pub const NOT_ANSWERED: u8 = 1;
/// Exit status: the run, or part of it, was not possible.
pub const NOT_RUN: u8 = 2;

/// Runs `rping` with these words, the program's own first, and returns its exit status.
pub fn rping(words: &[OsString], env: &mut Env<'_>) -> u8 {
    run(words, env, |args, program, env| ping_run::Run { args, program }.execute(env))
}

/// Runs `rtrace` with these words, the program's own first, and returns its exit status.
pub fn rtrace(words: &[OsString], env: &mut Env<'_>) -> u8 {
    run(words, env, |args, program, env| trace_run::Run { args, program }.execute(env))
}

/// Runs `rpong` with these words, the program's own first, and returns its exit status.
pub fn rpong(words: &[OsString], env: &mut Env<'_>) -> u8 {
    run(words, env, |args, program, env| rpong_run::Run { args, program }.execute(env))
}

/// Reads a command line and executes it; says why it cannot be.
fn run<A: Parser>(
    words: &[OsString],
    env: &mut Env<'_>,
    execute: impl FnOnce(&A, &str, &mut Env<'_>) -> Result<u8, CliError>,
) -> u8 {
    let program =
        words.first().map_or_else(|| A::command().get_name().to_owned(), |word| word.to_string_lossy().into());
    let args = match A::try_parse_from(words) {
        Ok(args) => args,
        Err(error) => return clap_says(&program, &error, env),
    };
    execute(&args, &program, env).unwrap_or_else(|trouble| {
        let _ = writeln!(env.stderr, "{program}: {trouble}");
        NOT_RUN
    })
}

/// The command lines of all tools as clap knows them: what man pages are made from. No other room calls this.
#[doc(hidden)]
pub fn commands() -> [clap::Command; 3] {
    [ping_args::PingArgs::command(), trace_args::TraceArgs::command(), rpong_args::PongArgs::command()]
}
