//! The man pages in `man/` are made from the command lines, and are what these make now.
//!
//! `NETPROBE_WRITE_MAN=1 cargo test --test man` writes them.

use std::fs;
use std::path::Path;

use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

/// The page of one tool: clap's sections, then those of its long help.
fn page(command: &clap::Command) -> Vec<u8> {
    let man = Man::new(command.clone().after_long_help(None::<&str>)).manual("User Commands");
    let mut page = Vec::new();
    man.render_title(&mut page).unwrap();
    man.render_name_section(&mut page).unwrap();
    man.render_synopsis_section(&mut page).unwrap();
    man.render_description_section(&mut page).unwrap();
    man.render_options_section(&mut page).unwrap();
    let help = command.get_after_long_help().unwrap().to_string();
    sections(&help).to_writer(&mut page).unwrap();
    page
}

/// Lines in capitals are headings, indented lines explain the line before them, blank lines part paragraphs.
fn sections(help: &str) -> Roff {
    let mut roff = Roff::new();
    for line in help.lines() {
        if line.is_empty() {
            roff.control("PP", []);
        } else if line.bytes().all(|octet| octet.is_ascii_uppercase() || octet == b' ') {
            roff.control("SH", [line]);
        } else if let Some(explanation) = line.strip_prefix("  ") {
            roff.control("RS", ["4"]).text([roman(explanation)]).control("RE", []).control("PP", []);
        } else if let Some((term, meaning)) = line.split_once(": ").filter(|(term, _)| !term.contains(' ')) {
            roff.control("TP", []).text([bold(term)]).text([roman(meaning)]);
        } else {
            roff.text([roman(line)]);
        }
    }
    roff
}

#[test]
fn the_man_pages_say_what_the_command_lines_say() {
    for command in netprobe::cli::commands() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("man/{}.1", command.get_name()));
        let made = page(&command);
        if std::env::var_os("NETPROBE_WRITE_MAN").is_some() {
            fs::write(&path, &made).unwrap();
        }
        let kept = fs::read(&path).unwrap_or_default();
        assert!(
            kept == made,
            "{} is not what the code makes: run NETPROBE_WRITE_MAN=1 cargo test --test man",
            path.display()
        );
    }
}
