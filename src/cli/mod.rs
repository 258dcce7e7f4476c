//! The only room that knows argv, environment, terminals and exit codes.
//!
//! [`rping`] and [`rtrace`] take the words of a command line and a whole world, [`Env`], and return the exit status. The real
//! world is [`real_main`]; tests give one that opens a simulated network instead.

mod complain;
mod drive;
mod env;
mod output;
mod ping_args;
mod ping_run;
mod target;
mod trace_args;
mod trace_run;
mod values;

use std::ffi::OsString;

use clap::CommandFactory;

pub use env::{Env, Open, Resolve, SourceFor, real_main};

/// Exit status: everything answered.
pub const ANSWERED: u8 = 0;
/// Exit status: something did not answer.
pub const NOT_ANSWERED: u8 = 1;
/// Exit status: the run, or part of it, was not possible.
pub const NOT_RUN: u8 = 2;

/// Runs `rping` with these words, the program's own first, and returns its exit status.
pub fn rping(words: &[OsString], env: &mut Env<'_>) -> u8 {
    ping_run::run(words, env)
}

/// Runs `rtrace` with these words, the program's own first, and returns its exit status.
pub fn rtrace(words: &[OsString], env: &mut Env<'_>) -> u8 {
    trace_run::run(words, env)
}

/// The command lines of both tools as clap knows them: what man pages are made from. No other room calls this.
#[doc(hidden)]
pub fn commands() -> [clap::Command; 2] {
    [ping_args::PingArgs::command(), trace_args::TraceArgs::command()]
}
