//! The option that prints what is made from the command line of a tool: completions for shells, and its manual.

use std::io;

use clap::builder::PossibleValuesParser;
use clap::{Args, Command, ValueHint};
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
            out.write_all(completions(shell, A::command()).as_bytes())?;
        }
    }
    out.flush()?;
    Ok(true)
}

/// Values that complete an option, where its parser takes others too.
const SUGGESTED: &[(&str, &[&str])] =
    &[("interface", &[INTERFACES]), ("until", &["up", "down", "any-up", "any-down"]), ("reachable", &["all", "any"])];

/// Stands for the interfaces of the host on which the script runs.
const INTERFACES: &str = "INTERFACES";

/// The script that completes the options of `command`, and their values: those of a list, interfaces, and files where an option
/// takes one.
fn completions(shell: Shell, command: Command) -> String {
    let name = command.get_name().to_owned();
    let mut command = command.mut_args(|arg| {
        let id = arg.get_id().as_str();
        let takes_values = arg.get_action().takes_values() && arg.get_num_args() != Some(0.into());
        match SUGGESTED.iter().find(|(suggested, _)| *suggested == id) {
            Some((_, values)) => arg.value_parser(PossibleValuesParser::new(*values)),
            None if takes_values && arg.get_value_hint() == ValueHint::Unknown => arg.value_hint(ValueHint::Other),
            None => arg,
        }
    });
    // It panics if it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut script);
    let script = String::from_utf8_lossy(&script);
    match shell {
        Shell::Bash => script.replace(INTERFACES, "$(command ls /sys/class/net 2>/dev/null)").replacen(
            BASH_PREVIOUS,
            &[BASH_PREVIOUS, BASH_EQUALS].concat(),
            1,
        ),
        Shell::Zsh => script.replace(&format!("({INTERFACES})"), "_net_interfaces"),
        _ => script.replace(&format!("{INTERFACES}\\t''"), "(command ls /sys/class/net)"),
    }
}

/// Where the script for bash has read the words before the cursor.
const BASH_PREVIOUS: &str = "    prev=\"$3\"\n";
const BASH_EQUALS: &str = r#"    # To bash, the = of --option=value is a word of its own.
    if [[ $cur == "=" ]]; then
        cur=""
        prev="${COMP_WORDS[COMP_CWORD-1]}"
    elif [[ $prev == "=" && $COMP_CWORD -ge 2 ]]; then
        prev="${COMP_WORDS[COMP_CWORD-2]}"
    fi
"#;

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::rping::args::PingArgs;

    #[test]
    fn bash_completes_what_follows_an_equals_sign_and_interfaces() {
        let script = completions(Shell::Bash, PingArgs::command());
        assert!(script.contains(BASH_EQUALS));
        assert!(script.contains("compgen -W \"$(command ls /sys/class/net 2>/dev/null)\""));
        assert!(script.contains("compgen -W \"up down any-up any-down\""));
    }

    #[test]
    fn the_other_shells_complete_interfaces_too() {
        let script = |shell| completions(shell, PingArgs::command());
        assert!(script(Shell::Zsh).contains(":_net_interfaces'"));
        assert!(script(Shell::Fish).contains("\"(command ls /sys/class/net)\""));
        assert!([Shell::Bash, Shell::Zsh, Shell::Fish].iter().all(|&shell| !script(shell).contains(INTERFACES)));
    }
}
