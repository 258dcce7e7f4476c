//! Every format of every kind of run: each is written, or refused before anything is opened.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::world::{Outcome, World};

const FORMATS: [&str; 6] = ["text", "json", "csv", "prometheus", "influx", "atlas"];

/// Kinds of runs, as the documents call them; `R` is a recording of the kind of run before it.
const RUNS: [(&str, &str); 19] = [
    ("rping HOST", "rping -c 2 host.example"),
    ("rping -q", "rping -q -c 2 host.example"),
    ("rping --all-addresses", "rping --all-addresses -c 2 host.example"),
    ("rping --until up", "rping --until up host.example"),
    ("rping --replay", "rping --replay R"),
    ("rping --changes", "rping --changes -c 2 host.example"),
    ("rping --replay --changes", "rping --replay R --changes"),
    ("rping PREFIX", "rping 198.51.100.8/30"),
    ("rping --alive", "rping --alive 198.51.100.8/30"),
    ("rping --vector", "rping --vector -c 2 -i 100ms 198.51.100.8/30"),
    ("rping --replay of a sweep", "rping --replay R"),
    ("rping --contrast", "rping --contrast -c 2 host.example"),
    ("rping --contrast=size", "rping --contrast=size=56,100 -c 2 host.example"),
    ("rtrace HOST", "rtrace -n host.example"),
    ("rtrace --mtu", "rtrace -n --mtu host.example"),
    ("rtrace --flows", "rtrace -n --flows 2 host.example"),
    ("rtrace --changes", "rtrace -n --changes -c 2 host.example"),
    ("rtrace --report", "rtrace -n --report -c 2 host.example"),
    ("rtrace --replay of a report", "rtrace --replay R"),
];

/// Whether every line is as the format has it, and there is one.
fn is_written(format: &str, text: &str) -> bool {
    let is_number = |word: &str| word.parse::<f64>().is_ok();
    let mut lines = text.lines().peekable();
    match format {
        "json" | "atlas" => {
            lines.peek().is_some()
                && lines.all(|line| serde_json::from_str(line).is_ok_and(|value: Value| value.is_object()))
        }
        // No field of these runs holds a comma.
        "csv" => text.lines().map(|line| line.matches(',').count()).collect::<BTreeSet<_>>().len() == 1,
        "prometheus" => {
            lines.peek().is_some()
                && lines
                    .filter(|line| !line.starts_with('#'))
                    .all(|line| line.starts_with("netprobe_") && line.rsplit(' ').next().is_some_and(is_number))
        }
        "influx" => lines.peek().is_some() && lines.all(|line| line.split(' ').count() >= 2 && line.contains(",url=")),
        _ => lines.peek().is_some(),
    }
}

/// Whether this kind of run has the format.
fn has(line: &str, format: &str) -> bool {
    let words = format!("{line} --format {format}");
    let outcome = World::new().run(&words);
    if outcome.status == 2 && outcome.stdout.is_empty() {
        let refused: Outcome = World::without_sockets().run(&words);
        assert_eq!((refused.stderr, refused.stdout.as_str()), (outcome.stderr.clone(), ""), "{outcome}");
        assert_eq!(outcome.stderr.lines().count(), 1, "{outcome}");
        assert!(outcome.stderr.contains(&format!("--format {format}")), "{outcome}");
        return false;
    }
    // A steady path has no change to write.
    let is_steady = line.contains("rtrace -n --changes") && outcome.stdout.is_empty();
    assert!(is_steady || is_written(format, &outcome.stdout), "{outcome}");
    true
}

/// What the documents say of kinds of runs and formats.
fn table() -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let mut recorded = String::new();
    let row = |(name, line): &(&str, &str)| {
        let line = match line.contains(" R") {
            true => line.replace(" R", &format!(" {recorded}")),
            false => {
                let file = folder.path().join(name.replace([' ', '/'], "-"));
                recorded = display(&file);
                World::new().run(&format!("{line} --record {recorded}"));
                (*line).to_owned()
            }
        };
        let cells = FORMATS.map(|format| if has(&line, format) { "yes" } else { "–" });
        format!("| `{name}` | {} |\n", cells.join(" | "))
    };
    let rows: String = RUNS.iter().map(row).collect();
    format!("| | {} |\n|---|---|---|---|---|---|---|\n{rows}", FORMATS.join(" | "))
}

fn display(path: &Path) -> String {
    path.display().to_string()
}

#[test]
fn every_kind_of_run_has_a_format_or_refuses_it_as_the_documents_say() {
    let documents =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/src/formats.md")).expect("the documents");
    let table = table();
    assert!(documents.contains(&table), "docs/src/formats.md is to have this:\n{table}");
}

#[test]
fn a_point_has_the_same_fields_where_only_summaries_are_asked_for() {
    let written = |quiet: &str| World::new().run(&format!("rping --format influx {quiet} -c 2 host.example")).stdout;
    assert!(written("").contains(",ttl="), "{}", written(""));
    assert_eq!(written("-q"), written(""));
}
