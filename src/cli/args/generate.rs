//! The option that prints what a shell needs to complete a command line, the same in every tool.

use std::io;

use clap::{Args, Command};
use clap_complete::Shell;

use super::values::OneOf;

#[derive(Args, Clone, Debug)]
pub struct GenerateArgs {
    /// Print the script with which a shell completes this command: bash, zsh or fish
    #[arg(long, value_name = "SHELL", value_parser = SHELLS, hide_possible_values = true, exclusive = true)]
    generate: Option<Shell>,
}

/// `--generate`.
const SHELLS: OneOf<Shell> = OneOf(&[("bash", Shell::Bash), ("zsh", Shell::Zsh), ("fish", Shell::Fish)]);

/// Writes the script that `--generate` asks for. Whether it was given.
///
/// # Errors
/// The writer's.
pub fn generate(matches: &clap::ArgMatches, mut command: Command, out: &mut dyn io::Write) -> io::Result<bool> {
    let Some(&shell) = matches.get_one::<Shell>("generate") else { return Ok(false) };
    let name = command.get_name().to_owned();
    // It panics if it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut script);
    out.write_all(&script)?;
    out.flush()?;
    Ok(true)
}
