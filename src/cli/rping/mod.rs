//! `rping`.

mod addresses;
pub mod args;
mod contrast;
mod facts;
mod live;
pub mod method;
mod pace;
mod packet;
mod page;
mod ranges;
mod refused;
mod replay;
pub mod rules;
pub mod run;
mod sink;
pub mod sweep;

use std::borrow::Cow;
use std::ffi::OsString;
use std::path::Path;

use crate::cli::check::check_rping;
use crate::cli::doctor::Doctor;
use crate::cli::env::Env;
use crate::cli::fping::fping;

/// Another program that `rping` is under one of these names, or where the first word says so.
struct Personality {
    name: &'static str,
    other_name: &'static str,
    word: &'static str,
    run: fn(&[OsString], &mut Env<'_>) -> u8,
}

const PERSONALITIES: &[Personality] = &[
    Personality { name: "check_rping", other_name: "check_icmp", word: "--as-check-icmp", run: check_rping },
    Personality { name: "fping", other_name: "fping6", word: "--as-fping", run: fping },
];

impl Personality {
    /// The one that is meant by these words, and its own.
    fn of(words: &[OsString]) -> Option<(&'static Personality, Cow<'_, [OsString]>)> {
        let name = Path::new(words.first()?).file_name()?;
        if let Some(named) = PERSONALITIES.iter().find(|one| name == one.name || name == one.other_name) {
            return Some((named, Cow::Borrowed(words)));
        }
        let asked = PERSONALITIES.iter().find(|one| words.get(1).is_some_and(|word| word == one.word))?;
        let rest = words.get(2..).unwrap_or_default();
        Some((asked, std::iter::once(asked.name.into()).chain(rest.iter().cloned()).collect()))
    }
}

/// Runs `rping` with these words, the program's own first, and returns its exit status.
pub fn rping(words: &[OsString], env: &mut Env<'_>) -> u8 {
    if let Some((personality, words)) = Personality::of(words) {
        return (personality.run)(&words, env);
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
