//! The option that prints what is made from the command line of a tool: completions for shells, and its manual.

use std::io;

use clap::Args;
use clap_complete::Shell;

use super::help::Helped;
use super::values::OneOf;

#[derive(Args, Clone, Debug)]
pub struct GenerateArgs {
    /// Print completions for bash, zsh or fish, or a manual page: man, or man-json for the keys of the JSON
    #[arg(long, value_name = "WHAT", value_parser = WHAT, hide_possible_values = true, exclusive = true)]
    generate: Option<Generated>,
}

/// What can be made.
#[derive(Clone, Copy, Debug)]
enum Generated {
    Completions(Shell),
    Manual,
    ManualOfJson,
}

/// `--generate`.
const WHAT: OneOf<Generated> = OneOf(&[
    ("bash", Generated::Completions(Shell::Bash)),
    ("zsh", Generated::Completions(Shell::Zsh)),
    ("fish", Generated::Completions(Shell::Fish)),
    ("man", Generated::Manual),
    ("man-json", Generated::ManualOfJson),
]);

/// Writes what `--generate` asks for. Whether it was given.
///
/// # Errors
/// The writer's.
pub fn generate<A: Helped>(matches: &clap::ArgMatches, out: &mut dyn io::Write) -> io::Result<bool> {
    match matches.get_one("generate") {
        None => return Ok(false),
        Some(Generated::Manual) => out.write_all(A::MANUAL.as_bytes())?,
        Some(Generated::ManualOfJson) => out.write_all(include_bytes!("../../../man/netprobe-json.5"))?,
        Some(&Generated::Completions(shell)) => {
            let mut command = A::command();
            let name = command.get_name().to_owned();
            // It panics if it cannot write.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command, name, &mut script);
            out.write_all(&script)?;
        }
    }
    out.flush()?;
    Ok(true)
}
