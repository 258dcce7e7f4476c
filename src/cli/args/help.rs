//! `-h` is the options of every day on a page, `--help` all of them in a few words each. What they mean in full stands in the
//! manual, which every tool has in it: `--generate man`.

use std::ffi::OsString;

use clap::{Args, Command, Parser};

/// What the help of a tool says beyond its options.
pub trait Helped: Parser {
    /// The options and arguments on the page of `-h`, by the names of their fields, below its own headings, which are fewer.
    const PAGE: &[(&str, &[&str])];
    /// Command lines to begin with, and what they do.
    const EXAMPLES: &[(&str, &str)];
    /// The manual page as it is installed.
    const MANUAL: &str;
    /// Other pages that belong to it.
    const OTHERS: &[&str] = &[];
}

/// The option that prints the help, the same in every tool.
#[derive(Args, Clone, Debug)]
pub struct HelpArgs {
    /// Help: -h the most used options, --help all of them
    #[arg(short, long, action = clap::ArgAction::Help)]
    help: Option<bool>,
}

/// The help that these words ask for.
pub fn help<A: Helped>(words: &[OsString]) -> String {
    if words.iter().any(|word| word == "--help") { short(all::<A>()) } else { short(page::<A>()) }
}

fn page<A: Helped>() -> Command {
    let width = A::EXAMPLES.iter().map(|(line, _)| line.len()).max().unwrap_or_default();
    let examples: String = A::EXAMPLES.iter().map(|(line, what)| format!("  {line:width$}  {what}\n")).collect();
    let command = A::command().mut_args(|arg| {
        let id = arg.get_id().as_str();
        let Some((heading, _)) = A::PAGE.iter().find(|(_, shown)| shown.contains(&id)) else {
            return arg.hide_short_help(true);
        };
        // The target is the first of its heading, the help the last; the other options are in the order of --help.
        let order = match id {
            _ if arg.is_positional() => Some(0),
            "targets_file" => Some(1),
            "help" => Some(usize::MAX),
            _ => None,
        };
        let arg = arg.help_heading(*heading);
        if order.is_some() { arg.display_order(order) } else { arg }
    });
    let more = manual::<A>(&command, &format!("More: {} --help, ", command.get_name()));
    command.after_help(format!("Examples:\n{examples}\n{more}"))
}

fn all<A: Helped>() -> Command {
    let command = A::command();
    let more = manual::<A>(&command, "More: ");
    command.after_help(more)
}

/// Where there is more.
fn manual<A: Helped>(command: &Command, first: &str) -> String {
    let name = command.get_name();
    let others: String = A::OTHERS.iter().map(|page| format!(" {page}")).collect();
    format!("{first}man {name}{others}, or {name} --generate man | man -l -")
}

fn short(mut command: Command) -> String {
    command.render_help().to_string()
}

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory};

    use super::*;
    use crate::cli::rping::args::PingArgs;
    use crate::cli::rpong::args::PongArgs;
    use crate::cli::rtrace::args::TraceArgs;

    fn lines(help: Command) -> usize {
        short(help.term_width(80)).lines().count()
    }

    fn check<A: Helped>() {
        let command = A::command();
        let name = command.get_name();
        for shown in A::PAGE.iter().flat_map(|(_, shown)| *shown) {
            assert!(command.get_arguments().any(|arg| arg.get_id() == shown), "{name} has no option {shown}");
        }
        let page = lines(page::<A>());
        assert!((24..=50).contains(&page), "{name} -h has {page} lines at 80 columns");
        let all = lines(all::<A>());
        assert!(all < 200, "{name} --help has {all} lines at 80 columns");
        for (line, _) in A::EXAMPLES {
            let read = A::try_parse_from(line.split_whitespace());
            assert!(read.is_ok(), "{line}: {}", read.err().map(|error| error.to_string()).unwrap_or_default());
        }
    }

    #[test]
    fn the_options_of_a_plugin_are_a_page() {
        let page = lines(crate::cli::check::args::CheckArgs::command());
        assert!((24..=50).contains(&page), "check_rping -h has {page} lines at 80 columns");
    }

    #[test]
    fn the_short_help_is_a_page_and_the_long_one_has_under_200_lines() {
        check::<PingArgs>();
        check::<TraceArgs>();
        check::<PongArgs>();
        #[cfg(feature = "exporter")]
        check::<crate::cli::exporter::args::ExporterArgs>();
    }
}
