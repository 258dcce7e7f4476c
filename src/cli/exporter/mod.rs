//! `rping-exporter`.

pub mod args;
mod run;

use std::ffi::OsString;

use crate::cli::env::Env;

/// Runs `rping-exporter` with these words, the program's own first, and returns its exit status.
pub fn rping_exporter(words: &[OsString], env: &mut Env<'_>) -> u8 {
    crate::cli::run(words, env, || None, |args, program, env| run::Exporter { args, program }.execute(env))
}
