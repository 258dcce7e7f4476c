//! `rping`.

pub mod args;
mod contrast;
mod facts;
mod method;
mod replay;
mod rules;
mod run;
mod sink;
pub mod sweep;

use std::ffi::OsString;

use crate::cli::env::Env;

/// Runs `rping` with these words, the program's own first, and returns its exit status.
pub fn rping(words: &[OsString], env: &mut Env<'_>) -> u8 {
    crate::cli::run(words, env, || None, |args, program, env| run::Rping { args, program, words }.execute(env))
}
