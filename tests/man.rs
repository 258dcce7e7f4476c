//! The man pages in `man/` are generated from the command lines and are up to date, and list the keys of the JSON.
//!
//! `NETPROBE_WRITE_MAN=1 cargo test --test man` generates them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use serde_json::Value;

/// When the pages last changed in substance, and what they describe.
const DATE: &str = "2026-11-28";
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
    without_empty_paragraphs(&String::from_utf8(page).unwrap()).into_bytes()
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

/// The keys of JSON objects as the section JSON of a long help lists them, by the type of the object or the key that holds it.
///
/// An entry is a line `NAME[,NAME]: KEY, KEY (REMARK), KEY.`; what follows its first sentence is a remark, too.
fn listed(help: &str) -> BTreeMap<&str, BTreeSet<String>> {
    let (_, section) = help.split_once("\nJSON\n").expect("a section JSON");
    let is_heading = |line: &&str| line.len() > 1 && line.bytes().all(|at| at.is_ascii_uppercase() || at == b' ');
    let lines = section.lines().take_while(|line| !is_heading(line));
    let mut listed: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (names, keys) in lines.filter_map(|line| line.split_once(": ")).filter(|(names, _)| !names.contains(' ')) {
        let keys = without_remarks(keys);
        let keys: Vec<&str> = keys.split('.').next().unwrap_or_default().split(',').map(str::trim).collect();
        for key in &keys {
            let is_key = !key.is_empty() && key.bytes().all(|at| at.is_ascii_alphanumeric() || at == b'_');
            assert!(is_key, "{names}: {key:?} is not a key");
        }
        for name in names.split(',') {
            listed.entry(name).or_default().extend(keys.iter().map(|key| key.to_string()));
        }
    }
    listed
}

/// The text outside parentheses.
fn without_remarks(text: &str) -> String {
    let mut depth = 0;
    let outside = text.chars().filter(|&at| {
        depth += i32::from(at == '(');
        let keep = depth == 0;
        depth -= i32::from(at == ')');
        keep
    });
    outside.collect()
}

/// The keys of an object that are not listed for it, or for the objects in it: `NAME: KEY`.
fn unlisted(value: &Value, name: &str, listed: &BTreeMap<&str, BTreeSet<String>>, missing: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| {
            let top = fields.contains_key("type").then_some("all");
            let is_listed = |name| listed.get(name).is_some_and(|keys| keys.contains(key));
            if !is_listed(name) && !top.is_some_and(is_listed) {
                missing.insert(format!("{name}: {key}"));
            }
            unlisted(value, key, listed, missing);
        }),
        Value::Array(values) => values.iter().for_each(|value| unlisted(value, name, listed, missing)),
        _ => {}
    }
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
fn the_man_pages_list_every_key_of_the_json_in_snapshots() {
    let mut checked = BTreeSet::new();
    for object in lines_of_json() {
        let kind = object["type"].as_str().unwrap().to_owned();
        // Objects of a run name its tool; those of a probe, which only rping has, do not.
        let tool = object["tool"].as_str().unwrap_or("rping");
        let command = netprobe::cli::commands().into_iter().find(|command| command.get_name() == tool).unwrap();
        let help = command.get_after_long_help().unwrap().to_string();
        let mut missing = BTreeSet::new();
        unlisted(&object, &kind, &listed(&help), &mut missing);
        assert!(missing.is_empty(), "the section JSON of {tool} does not list {missing:?}");
        checked.insert(kind);
    }
    for kind in ["start", "reply", "error", "timeout", "summary", "brief", "contrast", "trace", "flows", "report"] {
        assert!(checked.contains(kind), "no snapshot holds {kind}");
    }
}

#[test]
fn a_word_elsewhere_in_the_help_lists_no_key() {
    let help = "\nJSON\nIn prose: rtt_ms.\nall: type, time (sent or not, or seen).\nreply,error: kind (see a: b), rtt_ms. Or ttl.\nNEXT\nx: y\n";
    let listed = listed(help);
    let missing = |text: &str| {
        let mut missing = BTreeSet::new();
        unlisted(&serde_json::from_str(text).unwrap(), "reply", &listed, &mut missing);
        missing.into_iter().collect::<Vec<_>>()
    };
    assert!(missing(r#"{"type": 1, "time": 2, "rtt_ms": null}"#).is_empty());
    assert_eq!(missing(r#"{"type": 1, "sent": 2, "ttl": 3, "y": 4}"#), ["reply: sent", "reply: ttl", "reply: y"]);
    assert_eq!(missing(r#"{"type": 1, "kind": [{"rtt_ms": 2}]}"#), ["kind: rtt_ms"]);
}

#[test]
fn a_key_of_the_json_in_snapshots_holds_one_type_or_null() {
    let mut found = BTreeSet::new();
    lines_of_json().iter().for_each(|object| keys(object, &mut found));
    // Booleans of a reply that are counts in a summary.
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
fn the_man_pages_are_up_to_date() {
    for command in netprobe::cli::commands() {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("man/{}.{}", command.get_name(), section(&command).0));
        let made = page(&command);
        if std::env::var_os("NETPROBE_WRITE_MAN").is_some() {
            fs::write(&path, &made).unwrap();
        }
        let kept = fs::read(&path).unwrap_or_default();
        assert!(kept == made, "{} is not up to date: run NETPROBE_WRITE_MAN=1 cargo test --test man", path.display());
    }
}
