//! `rping` for programs that call fping: by the name `fping` or `fping6`, or with `--as-fping` as its first word, it takes fping's
//! options and prints fping's text.

mod args;
mod machine;
mod run;
mod targets;

use std::ffi::OsString;
use std::fmt;

use clap::Parser;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::cli::env::Env;
use crate::cli::error::one_line;
use crate::report::printable;
use args::FpingArgs;

/// Exit status: all targets answered, or enough of them.
const ANSWERED: u8 = 0;
/// Exit status: not all of them, or an option is wrong.
const NOT_ANSWERED: u8 = 1;
/// Exit status: a name has no address.
const UNKNOWN: u8 = 2;
/// Exit status: the system does not let the run begin.
const IMPOSSIBLE: u8 = 4;

const HELP: &str = include_str!("help.txt");
/// The version of fping whose output this is.
const VERSION: &str = "5.5";

/// Why there is no run.
struct Failure {
    status: u8,
    usage: bool,
    sentence: String,
}

impl Failure {
    /// Options that are none, with the usage in front.
    fn usage(sentence: impl fmt::Display) -> Self {
        Failure { usage: true, ..Failure::refused(sentence) }
    }

    /// Options that are not taken.
    fn refused(sentence: impl fmt::Display) -> Self {
        Failure { status: NOT_ANSWERED, usage: false, sentence: sentence.to_string() }
    }

    /// What the system does not allow.
    fn impossible(sentence: impl fmt::Display) -> Self {
        Failure { status: IMPOSSIBLE, ..Failure::refused(sentence) }
    }
}

/// Runs as fping does with these words, the program's own first, and returns its exit status.
pub fn fping(words: &[OsString], env: &mut Env<'_>) -> u8 {
    let program = words.first().map_or_else(Default::default, |word| word.to_string_lossy());
    let program = printable(&program);
    let done = FpingArgs::try_parse_from(words).map_err(|error| failure(&error)).and_then(|args| {
        if args.help {
            let _ = env.stdout.write_all(HELP.as_bytes());
            return Ok(ANSWERED);
        }
        if args.version {
            let version = env!("CARGO_PKG_VERSION");
            let _ = writeln!(env.stdout, "{program}: Version {VERSION}\n{program}: rping {version} in its place");
            return Ok(ANSWERED);
        }
        run::execute(&args, &program, env)
    });
    done.unwrap_or_else(|Failure { status, usage, sentence }| {
        let sentence = env.with_executable(sentence);
        let usage = HELP.lines().next().filter(|_| usage).map_or_else(String::new, |line| format!("{line}\n"));
        let _ = writeln!(env.stderr, "{usage}{program}: {sentence}");
        status
    })
}

/// What clap refuses, in fping's words where programs may look for them.
fn failure(error: &clap::Error) -> Failure {
    if error.kind() != ErrorKind::UnknownArgument {
        return Failure::usage(one_line(error));
    }
    let option = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(option)) => option.trim_start_matches('-').to_owned(),
        _ => String::new(),
    };
    Failure::refused(format!("invalid option -- '{}'\nsee 'fping -h' for usage information", printable(&option)))
}
