//! What documents name exists: metrics in the source, and what links lead to.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What Prometheus, or its client libraries, add to the name of a metric.
const SUFFIXES: [&str; 4] = ["_total", "_bucket", "_sum", "_count"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files below, but for those that are not text.
fn texts(below: &[&str]) -> Vec<(PathBuf, String)> {
    let mut paths: Vec<PathBuf> = below.iter().map(|path| root().join(path)).collect();
    let mut texts = Vec::new();
    while let Some(path) = paths.pop() {
        if path.is_dir() {
            paths.extend(
                fs::read_dir(&path).expect("a readable directory").map(|entry| entry.expect("an entry").path()),
            );
        } else if let Ok(text) = fs::read_to_string(&path) {
            texts.push((path, text));
        }
    }
    texts
}

/// The names of our metrics in `text`. Colons make a name that of a recording rule, which is none of them.
fn metrics(text: &str) -> impl Iterator<Item = &str> {
    let is_of_a_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let names = text.split(move |c| !is_of_a_name(c)).filter(|name| name.starts_with("netprobe_"));
    names.filter(|name| !name.contains(':') && !name.ends_with('_'))
}

#[test]
fn every_metric_that_a_document_names_exists() {
    let source = texts(&["src"]);
    // A name of its own in quotes, as what writes it has it.
    let code = source.iter().filter(|(path, _)| path.extension().is_some_and(|extension| extension == "rs"));
    let known: BTreeSet<&str> =
        code.flat_map(|(_, text)| text.split('"').filter(|part| metrics(part).eq([*part]))).collect();
    let exists = |name: &str| {
        let stem = SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix));
        known.contains(name) || stem.is_some_and(|stem| known.contains(stem))
    };
    let documents = texts(&["README.md", "CHANGELOG.md", "docs/src", "contrib", "man", "src/cli"]);
    let named: BTreeSet<&str> = documents.iter().flat_map(|(_, text)| metrics(text)).collect();
    assert!(named.len() > 40, "{named:?}");
    let unknown: Vec<&str> = named.into_iter().filter(|name| !exists(name)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

/// The targets of links in a Markdown text.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| rest.split(')').next())
}

/// The anchor of a heading, as mdBook and forges make it.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

#[test]
fn every_link_of_a_document_leads_somewhere() {
    let documents =
        texts(&["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "contrib/README.md", "docs/src"]);
    let mut dead = Vec::new();
    for (path, text) in &documents {
        for link in links(text).filter(|link| !link.contains("://") && !link.starts_with("mailto:")) {
            let (file, part) = link.split_once('#').unwrap_or((link, ""));
            let file = if file.is_empty() { path.clone() } else { path.parent().expect("a folder").join(file) };
            let text = fs::read_to_string(&file).unwrap_or_default();
            let mut headings =
                text.lines().filter_map(|line| line.strip_prefix('#')).map(|line| line.trim_start_matches('#'));
            if !file.exists() || !(part.is_empty() || headings.any(|heading| anchor(heading) == part)) {
                dead.push(format!("{}: {link}", path.display()));
            }
        }
    }
    assert!(dead.is_empty(), "{dead:#?}");
}

#[test]
fn names_links_and_headings_are_told_from_the_text_around_them() {
    let text = "`netprobe_up` and (netprobe_rtt_seconds_bucket[5m]), target:netprobe_loss:ratio, netprobe_";
    assert_eq!(metrics(text).collect::<Vec<_>>(), ["netprobe_up", "netprobe_rtt_seconds_bucket"]);
    assert_eq!(links("[a](b.md#c) and [d](e)").collect::<Vec<_>>(), ["b.md#c", "e"]);
    assert_eq!(anchor(" What is in the file?"), "what-is-in-the-file");
}
