//! The man pages in `man/` are generated from the command lines, netprobe-json(5) and the schemas in `docs/schema` from the table
//! of the keys of the JSON; all are up to date.
//!
//! `NETPROBE_WRITE_MAN=1 cargo test --test man` generates them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, italic, roman};
use serde_json::Value;

use crate::keys::{Holds, Key, Part};

mod keys;

/// When the pages last changed in substance, and what they describe.
const DATE: &str = "2026-11-28";
/// Octets of a line of a page, as mandoc -T lint wants them.
const WIDTH: usize = 79;
const SOURCE: &str = concat!("netprobe ", env!("CARGO_PKG_VERSION"));

/// The section of a page, and its name: what only an administrator runs has one of its own.
fn section(command: &clap::Command) -> (&'static str, &'static str) {
    if command.get_name() == "rping-exporter" { ("8", "System Administration") } else { ("1", "User Commands") }
}

/// The page of one tool: clap's sections, then those of its long help.
fn page(command: &clap::Command) -> Vec<u8> {
    let man = Man::new(command.clone().after_long_help(None::<&str>));
    let (number, manual) = section(command);
    let man = man.title(command.get_name().to_uppercase()).section(number).manual(manual).date(DATE).source(SOURCE);
    let mut page = Vec::new();
    man.render_title(&mut page).unwrap();
    man.render_name_section(&mut page).unwrap();
    synopsis(command).to_writer(&mut page).unwrap();
    man.render_description_section(&mut page).unwrap();
    man.render_options_section(&mut page).unwrap();
    let help = command.get_after_long_help().unwrap().to_string();
    sections(&help).to_writer(&mut page).unwrap();
    tidy(page)
}

/// A page with one preamble and without empty paragraphs and long lines.
fn tidy(page: Vec<u8>) -> Vec<u8> {
    let page = String::from_utf8(page).unwrap();
    // Each piece of a page brings the same one.
    let preamble = page.split_inclusive('\n').take(2).collect::<String>();
    let page = without_empty_paragraphs(&format!("{preamble}{}", page.replace(&preamble, "")));
    let (mut tidy, mut is_tag) = (String::new(), false);
    for line in page.lines() {
        // The tag of a paragraph is one line.
        if is_tag {
            tidy.extend([line, "\n"])
        } else {
            fold(line, &mut tidy)
        }
        is_tag = line == ".TP";
    }
    tidy.into_bytes()
}

/// Adds a line of text as lines that are not too long, where it has blanks. A macro is one line, and no text begins as one.
fn fold(line: &str, out: &mut String) {
    let mut rest = line;
    while width(rest) > WIDTH && !rest.starts_with('.') {
        let may_break = |&(at, letter): &(usize, char)| letter == ' ' && !rest[at + 1..].starts_with(['.', '\'', ' ']);
        let blanks = rest.char_indices().filter(may_break);
        let (near, far): (Vec<_>, Vec<_>) = blanks.partition(|&(at, _)| width(&rest[..at]) <= WIDTH);
        let Some(&(at, _)) = near.last().or(far.first()) else { break };
        out.extend([&rest[..at], "\n"]);
        rest = &rest[at + 1..];
    }
    out.extend([rest, "\n"]);
}

/// Octets of a line as mandoc counts them: it reads a letter beyond ASCII as an escape like `\[u2581]`.
fn width(line: &str) -> usize {
    line.chars().map(|letter| if letter.is_ascii() { 1 } else { 8 }).sum()
}

/// Where the objects of the JSON are described, and whose they are.
const CHAPTERS: [(&str, Option<&str>); 4] = [
    ("OBJECTS OF RPING", Some("rping")),
    ("OBJECTS OF RTRACE", Some("rtrace")),
    ("OBJECTS OF RPONG", Some("rpong")),
    ("OBJECTS OF SEVERAL TOOLS", None),
];

/// What netprobe-json(5) says before and after the objects.
const ABOUT: &str = "\
With --json each line of rping, rtrace and rpong is one object, and nothing else is on standard output. Its key type says which. \
Below stand the keys that follow it, with what they hold.

Keys in _ms are milliseconds, unrounded. Times are RFC 3339, UTC. What is unknown is null, and never 0. A number is never a string, and \
in all objects of a tool a key has one type, except that a boolean of a reply is a count in a summary. Names from the network are \
escaped as in text; those that the user typed come back as typed.

Keys and names of values may be added; no key is renamed or gets another meaning while version is 1.
";
const AFTER: &str = "\
SCHEMAS
Each object has a JSON Schema, made from the table that this page is made from: docs/schema in the source, schema in the documents of \
the package. Keys that a schema does not know are allowed.

EXAMPLES
rping --json -c 10 192.0.2.1 | jq -c 'select(.type == \"reply\") | [.sequence, .rtt_ms]'
  The delays of the replies.
rping --json -q -c 10 192.0.2.1 | jq .loss_pct
  The loss; null if nothing was sent.
rtrace --json 192.0.2.1 | jq -r '.hops[] | [.ttl, .responders[0].address, .rtt_stats_ms.min] | @tsv'
  The path as a table.
duckdb -c \"copy (select * from read_json('sweep.ndjson') where type = 'summary') to 'sweep.parquet'\"
  The targets of a sweep as Parquet.
";

/// netprobe-json(5).
fn json_page() -> Vec<u8> {
    let mut page = Vec::new();
    let mut write = |roff: Roff| roff.to_writer(&mut page).unwrap();
    let mut roff = Roff::new();
    roff.control("TH", ["NETPROBE-JSON", "5", DATE, SOURCE, "File Formats"]);
    roff.control("SH", ["NAME"]).text([roman("netprobe-json - JSON of rping, rtrace and rpong")]);
    roff.control("SH", ["DESCRIPTION"]);
    write(roff);
    write(sections(ABOUT));
    for (heading, tool) in CHAPTERS {
        let mut roff = Roff::new();
        roff.control("SH", [heading]);
        let of_tool = keys::objects().filter(|object| object.tool == tool);
        of_tool.for_each(|object| entry(&mut roff, object.kind, object.about, object.keys()));
        write(roff);
    }
    let mut roff = Roff::new();
    roff.control("SH", ["OBJECTS WITHIN OBJECTS"]);
    let mut parts: Vec<&Part> = keys::parts(keys::objects());
    parts.sort_unstable_by_key(|part| part.name);
    parts.iter().for_each(|part| entry(&mut roff, part.name, part.about, part.keys()));
    write(roff);
    write(sections(AFTER));
    let mut roff = Roff::new();
    roff.control("SH", ["SEE ALSO"]).text([roman("rping(1), rtrace(1), rpong(1), jq(1)")]);
    write(roff);
    tidy(page)
}

/// An object and its keys.
fn entry(roff: &mut Roff, name: &str, about: &str, keys: impl Iterator<Item = &'static Key>) {
    roff.control("SS", [name]).text([roman(format!("{about}."))]);
    for Key { name, holds, is_nullable, is_required, meaning } in keys {
        let null = if *is_nullable { " or null" } else { "" };
        let optional = if *is_required { "" } else { ", not in each" };
        roff.control("TP", []).text([bold(*name), roman("  "), italic(format!("{}{null}{optional}", shown(holds)))]);
        roff.text([roman(format!("{meaning}."))]);
        if let Holds::Name(names) = holds {
            roff.text([roman(format!("One of {}.", names.concat().join(", ")))]);
        }
    }
}

fn shown(holds: &Holds) -> String {
    match holds {
        Holds::Address => "string (address)".to_owned(),
        Holds::Time => "string (time)".to_owned(),
        Holds::Object(part) => format!("object {}", part.name),
        Holds::List(holds) => format!("array of {}", shown(holds)),
        Holds::Numbers => "array of number or null".to_owned(),
        plain => plain.json().to_owned(),
    }
}

/// A page without paragraphs that another macro begins at once.
fn without_empty_paragraphs(page: &str) -> String {
    let lines: Vec<&str> = page.lines().collect();
    let begins = |line: &&str| [".PP", ".TP", ".SH", ".RS"].iter().any(|name| line.starts_with(name));
    let space = |at: Option<usize>| at.and_then(|at| lines.get(at)).is_some_and(|line| line.is_empty());
    let is_empty = |at: usize| match lines[at] {
        ".PP" => lines.get(at + 1).is_none_or(begins),
        ".br" => space(at.checked_sub(1)) || space(Some(at + 1)),
        _ => false,
    };
    (0..lines.len())
        .filter(|&at| !is_empty(at))
        .map(|at| if lines[at].is_empty() { ".sp" } else { lines[at] })
        .map(|line| format!("{line}\n"))
        .collect()
}

/// The usage in one line: the options stand in a section of their own.
fn synopsis(command: &clap::Command) -> Roff {
    let usage = command.clone().render_usage().to_string();
    let (_, words) = usage.split_once(command.get_name()).expect("a usage names the program");
    let mut roff = Roff::new();
    roff.control("SH", ["SYNOPSIS"]).text([bold(command.get_name()), roman(words)]);
    roff
}

/// Lines in capitals are headings, indented lines explain the line before them, blank lines separate paragraphs.
fn sections(help: &str) -> Roff {
    let mut roff = Roff::new();
    for line in help.lines() {
        if line.is_empty() {
            roff.control("PP", []);
        } else if line.bytes().all(|octet| octet.is_ascii_uppercase() || octet == b' ' || octet == b'_') {
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

/// The JSON lines in the snapshots of whole runs.
fn lines_of_json() -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/snapshots");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let texts: Vec<String> = files.map(|file| fs::read_to_string(file).unwrap()).collect();
    texts
        .iter()
        .flat_map(|text| text.lines())
        .filter_map(|line| serde_json::from_str(line.get(line.find("{\"type\":")?..)?).ok())
        .collect()
}

#[test]
fn every_object_in_snapshots_is_as_the_table_says() {
    let mut checked = BTreeSet::new();
    for object in lines_of_json() {
        assert_eq!(keys::check(&object), Ok(()), "{object}");
        checked.insert(object["type"].as_str().unwrap().to_owned());
    }
    for kind in ["start", "reply", "error", "timeout", "summary", "brief", "contrast", "trace", "flows", "report"] {
        assert!(checked.contains(kind), "no snapshot holds {kind}");
    }
}

#[test]
fn every_example_of_a_manual_is_a_command_line() {
    for command in netprobe::cli::commands() {
        let (help, name) = (command.get_after_long_help().unwrap().to_string(), command.get_name());
        let help = format!("\n{help}");
        let (_, examples) = help.split_once("\nEXAMPLES\n").expect("examples");
        let lines: Vec<&str> = examples.lines().filter(|line| line.starts_with(name)).collect();
        assert!(lines.len() > 2, "{name}: {examples}");
        for line in lines {
            // Up to what the shell takes.
            let words = line.split_whitespace().take_while(|word| !word.starts_with(['|', '&', '>']));
            let read = command.clone().try_get_matches_from(words);
            assert!(read.is_ok(), "{line}: {}", read.err().map(|error| error.to_string()).unwrap_or_default());
        }
    }
}

#[test]
fn long_lines_are_folded_where_no_macro_begins() {
    let folded = |line: &str| {
        let mut out = String::new();
        fold(line, &mut out);
        out
    };
    assert_eq!(folded("short"), "short\n");
    let long = format!("{} {}", "a".repeat(70), "b".repeat(20));
    assert_eq!(folded(&long), format!("{}\n{}\n", "a".repeat(70), "b".repeat(20)));
    let dotted = format!("{} x .{}", "a".repeat(70), "b".repeat(20));
    assert_eq!(folded(&dotted), format!("{}\nx .{}\n", "a".repeat(70), "b".repeat(20)));
    assert_eq!(folded(&"c".repeat(100)), format!("{}\n", "c".repeat(100)));
}

/// Compares a file with what it is made from, or makes it.
#[track_caller]
fn is_up_to_date(name: &str, made: &[u8]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    if std::env::var_os("NETPROBE_WRITE_MAN").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, made).unwrap();
    }
    let kept = fs::read(&path).unwrap_or_default();
    assert!(kept == made, "{} is not up to date: run NETPROBE_WRITE_MAN=1 cargo test --test man", path.display());
}

#[test]
fn the_man_pages_are_up_to_date() {
    for command in netprobe::cli::commands() {
        is_up_to_date(&format!("man/{}.{}", command.get_name(), section(&command).0), &page(&command));
    }
    is_up_to_date("man/netprobe-json.5", &json_page());
}

#[test]
fn the_schemas_are_up_to_date_and_there_are_no_others() {
    let mut names: Vec<String> = keys::objects().map(|object| format!("{}.json", object.name())).collect();
    for (name, object) in names.iter().zip(keys::objects()) {
        let schema = serde_json::to_string_pretty(&keys::schema(object)).unwrap();
        is_up_to_date(&format!("docs/schema/{name}"), format!("{schema}\n").as_bytes());
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut files: Vec<String> = files.collect();
    names.sort_unstable();
    files.sort_unstable();
    assert_eq!(files, names);
}
