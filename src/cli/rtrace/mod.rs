//! `rtrace`.

pub mod args;
mod live;
mod modes;
mod mtr;
mod packet;
mod replay;
mod rules;
mod run;
mod sink;

use std::ffi::OsString;

use crate::cli::args::silent;
use crate::cli::doctor::Doctor;
use crate::cli::env::Env;
use crate::cli::error::CliError;

/// Runs `rtrace` with these words, the program's own first, and returns its exit status.
pub fn rtrace(words: &[OsString], env: &mut Env<'_>) -> u8 {
    // -q is the number of probes, as in traceroute.
    let words = &silent::spelled_out(words);
    let meant = || mtr::meant(words);
    crate::cli::run(words, env, meant, |args: &args::TraceArgs, program, env| {
        let (timing, packet) = (&args.timing, &args.packet);
        if args.output.doctor.doctor {
            let (targets, family, format) = (&args.targets, &packet.family, &args.output.format);
            return Doctor { tool: "rtrace", program, targets, family, format }.examine(env);
        }
        match meant().filter(|_| timing.count.is_some() && packet.bypass_routing && !timing.report) {
            Some(sentence) => Err(CliError::Refused(sentence)),
            None => run::Rtrace { args, program, words }.execute(env),
        }
    })
}
