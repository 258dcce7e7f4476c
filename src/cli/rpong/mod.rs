//! `rpong`.

pub mod args;
mod passed;
mod rules;
mod run;

use std::ffi::OsString;

use crate::cli::env::Env;

/// Runs `rpong` with these words, the program's own first, and returns its exit status.
pub fn rpong(words: &[OsString], env: &mut Env<'_>) -> u8 {
    crate::cli::run(words, env, || None, |args, program, env| run::Rpong { args, program }.execute(env))
}
