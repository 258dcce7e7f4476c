//! `rping`.

pub mod args;
mod contrast;
mod facts;
mod method;
mod replay;
mod rules;
pub mod run;
mod sink;
pub mod sweep;

use std::ffi::OsString;

use crate::cli::doctor::Doctor;
use crate::cli::env::Env;
use crate::cli::fping;

/// Runs `rping` with these words, the program's own first, and returns its exit status.
pub fn rping(words: &[OsString], env: &mut Env<'_>) -> u8 {
    if let Some(words) = fping::meant(words) {
        return fping::fping(&words, env);
    }
    crate::cli::run(
        words,
        env,
        || None,
        |args: &args::PingArgs, program, env| {
            if args.output.doctor.doctor {
                let (targets, family, format) = (&args.targets, &args.socket.family, &args.output.format);
                return Doctor { tool: "rping", program, targets, family, format }.examine(env);
            }
            run::Rping { args, program, words }.execute(env)
        },
    )
}
