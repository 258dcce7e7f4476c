//! `rtrace`.

pub mod args;
mod modes;
mod rules;
mod run;

use std::ffi::OsString;

use crate::cli::env::Env;

/// Runs `rtrace` with these words, the program's own first, and returns its exit status.
pub fn rtrace(words: &[OsString], env: &mut Env<'_>) -> u8 {
    crate::cli::run(words, env, |args, program, env| run::Rtrace { args, program }.execute(env))
}
