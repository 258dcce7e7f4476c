//! `rping` as a plugin of monitoring systems: by the name `check_rping` or `check_icmp`, or with `--as-check-icmp` as its first
//! word, it takes check_icmp's options and prints its line. Everything stands on standard output, where its readers look.

pub mod args;
mod run;

use std::ffi::OsString;

use clap::Parser;

use crate::cli::env::Env;
use crate::cli::error::one_line;
use crate::report::Level;
use args::CheckArgs;

/// Runs the check with these words, the program's own first, and returns its exit status.
pub fn check_rping(words: &[OsString], env: &mut Env<'_>) -> u8 {
    let checked = match CheckArgs::try_parse_from(words) {
        Ok(args) => run::check(&args, env).map_err(|error| env.with_executable(error.to_string())),
        Err(error) if error.use_stderr() => Err(one_line(&error)),
        Err(help) => {
            let _ = write!(env.stdout, "{}", help.render()).and_then(|()| env.stdout.flush());
            return Level::Unknown.status();
        }
    };
    let (level, text) = match checked {
        Ok(checked) => (checked.level(), checked.to_string()),
        // What follows a bar would be performance data.
        Err(sentence) => (Level::Unknown, format!("{} - {}\n", Level::Unknown, sentence.replace('|', "_"))),
    };
    match write!(env.stdout, "{text}").and_then(|()| env.stdout.flush()) {
        Ok(()) => level.status(),
        Err(_) => Level::Unknown.status(),
    }
}
