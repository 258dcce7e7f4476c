//! The man pages in `man/` are made from the command lines, and are what these make now.
//!
//! `NETPROBE_WRITE_MAN=1 cargo test --test man` writes them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use serde_json::Value;

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

/// Every key within, at any depth, with what it holds; null may stand for anything.
fn keys(value: &Value, found: &mut BTreeSet<(String, &'static str)>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| {
            let holds = match value {
                Value::Null => "null",
                Value::Bool(_) => "a boolean",
                Value::Number(_) => "a number",
                Value::String(_) => "a string",
                Value::Array(_) => "an array",
                Value::Object(_) => "an object",
            };
            found.insert((key.clone(), holds));
            keys(value, found);
        }),
        Value::Array(values) => values.iter().for_each(|value| keys(value, found)),
        _ => {}
    }
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
fn the_man_pages_name_every_key_of_the_json_in_snapshots() {
    let mut checked = BTreeSet::new();
    for object in lines_of_json() {
        let kind = object["type"].as_str().unwrap().to_owned();
        // What belongs to a run names its tool; what befalls a probe does not.
        let tool = object["tool"].as_str().unwrap_or("rping");
        let command = netprobe::cli::commands().into_iter().find(|command| command.get_name() == tool).unwrap();
        let help = command.get_after_long_help().unwrap().to_string();
        let words: BTreeSet<&str> = help.split(|at: char| !at.is_ascii_alphanumeric() && at != '_').collect();
        let mut found = BTreeSet::new();
        keys(&object, &mut found);
        let missing: Vec<_> = found.iter().filter(|(key, _)| !words.contains(key.as_str())).collect();
        assert!(missing.is_empty(), "{tool}: {kind} has {missing:?}");
        checked.insert(kind);
    }
    for kind in ["start", "reply", "error", "timeout", "summary", "contrast", "trace", "flows", "report"] {
        assert!(checked.contains(kind), "no snapshot holds {kind}");
    }
}

#[test]
fn a_key_of_the_json_in_snapshots_holds_one_type_or_null() {
    let mut found = BTreeSet::new();
    lines_of_json().iter().for_each(|object| keys(object, &mut found));
    // What is true or false of a reply is a count in a summary.
    let counted = ["bad_checksum", "late", "payload_changed", "reordered", "truncated"];
    found.retain(|(key, holds)| *holds != "null" && !(counted.contains(&key.as_str()) && *holds == "a boolean"));
    let mut types: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (key, holds) in &found {
        types.entry(key).or_default().push(holds);
    }
    types.retain(|_, types| types.len() > 1);
    assert!(types.is_empty(), "{types:?}");
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
