//! The rules of the house that can be read off the source text: who imports whom (the table on the front page, `src/lib.rs`),
//! where `unsafe` and foreign crates may stand, and what must stand nowhere.

mod circles;
mod documents;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Foreign crates, and the only places (path prefixes below `src/`) that may name them.
const FOREIGN: [(&str, &[&str]); 26] = [
    ("libc", &["net/sys"]),
    ("etherparse", &["wire"]),
    ("pnet", &["wire"]),
    ("maxminddb", &["wire"]),
    ("socket2", &["net"]),
    ("rustix", &["net"]),
    ("caps", &["net"]),
    ("hickory_resolver", &["net"]),
    ("tokio", &["net", "exporter"]),
    ("axum", &["exporter"]),
    ("base64", &["exporter"]),
    ("bcrypt", &["exporter"]),
    ("hyper", &["exporter"]),
    ("hyper_util", &["exporter"]),
    ("prometheus_client", &["exporter"]),
    ("serde_saphyr", &["exporter"]),
    ("tokio_rustls", &["exporter"]),
    ("webpki", &["exporter"]),
    ("tower_http", &["exporter"]),
    ("clap", &["cli"]),
    ("ratatui_core", &["tui"]),
    ("unicode_width", &["tui"]),
    ("humantime", &["types", "cli", "report", "exporter"]),
    ("flate2", &["recording"]),
    // Values serialise themselves; only `report` writes JSON, and only `recording` reads it; the exporter has formats of its own.
    (
        "serde",
        &["types", "wire", "metrics", "channel", "engine", "ping", "sweep", "trace", "respond", "report", "exporter"],
    ),
    ("serde_json", &["report", "recording", "exporter"]),
];

/// Macros that stand nowhere: results go through `report`, talk goes through the writers `cli` was given.
const BANNED_MACROS: [&str; 7] = ["println", "print", "eprintln", "eprint", "dbg", "todo", "unimplemented"];

/// Lines a file may have, not counting its tests.
const MAX_LINES: usize = 500;

/// Room to the rooms it may import.
type Table = BTreeMap<String, BTreeSet<String>>;

#[test]
fn the_source_keeps_the_rules_of_the_house() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let front_page = fs::read_to_string(root.join("lib.rs")).expect("src/lib.rs");
    let table = import_table(&front_page);
    let mut files = Vec::new();
    collect(&root, &mut files);
    let sources: Vec<(String, String)> = files
        .iter()
        .map(|file| {
            let path = file.strip_prefix(&root).expect("below src").to_string_lossy().into_owned();
            (path, fs::read_to_string(file).expect("UTF-8 source"))
        })
        .collect();
    assert!(sources.len() > 20, "only {} files found below {}", sources.len(), root.display());

    let mut found = rooms_of_front_page(&front_page, &table);
    let test_files: BTreeSet<String> =
        sources.iter().flat_map(|(path, source)| test_modules(path, &blank(source))).collect();
    for (path, source) in &sources {
        found.extend(violations(path, source, test_files.contains(path), &table));
    }
    let product = sources.iter().filter(|(path, _)| !test_files.contains(path));
    let circles = circles::Files::new(product.map(|(path, source)| (path.as_str(), source.as_str()))).circles();
    found.extend(circles);
    assert!(found.is_empty(), "{} violations:\n{}", found.len(), found.join("\n"));
}

/// Reads the table of the front page: rows of ``| [`room`], `room` | holds | may import |``.
fn import_table(front_page: &str) -> Table {
    let mut table = Table::new();
    let mut above: BTreeSet<String> = BTreeSet::new();
    let rows: Vec<Vec<&str>> = front_page
        .lines()
        .filter_map(|line| line.strip_prefix("//! | "))
        .filter(|row| row.starts_with('`') || row.starts_with("[`"))
        .map(|row| row.trim_end_matches([' ', '|']).split(" | ").collect())
        .collect();
    let all: BTreeSet<String> = rows.iter().flat_map(|cells| quoted(cells[0])).collect();
    for cells in rows {
        let rooms = quoted(cells[0]);
        let may = *cells.last().expect("a row has cells");
        let allowed = if let Some(except) = may.strip_prefix("the above") {
            above.difference(&quoted(except).into_iter().collect()).cloned().collect()
        } else if may == "all" {
            all.clone()
        } else {
            quoted(may).into_iter().collect()
        };
        for room in &rooms {
            table.insert(room.clone(), allowed.clone());
        }
        above.extend(rooms);
    }
    table
}

/// What stands between backticks.
fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The front page names each room once, and imports only point upward in it.
fn rooms_of_front_page(front_page: &str, table: &Table) -> Vec<String> {
    let declared: BTreeSet<&str> = front_page
        .lines()
        .filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';'))
        .collect();
    let listed: BTreeSet<&str> = table.keys().map(String::as_str).collect();
    let mut found: Vec<String> = declared
        .symmetric_difference(&listed)
        .map(|room| format!("lib.rs: `{room}` is not in both table and modules"))
        .collect();
    for (room, imports) in table {
        for import in imports.iter().filter(|&import| import != room) {
            if !table.contains_key(import) {
                found.push(format!("lib.rs: `{room}` may import `{import}`, which is no room"));
            } else if table[import].contains(room) && room != "cli" && import != "cli" {
                found.push(format!("lib.rs: `{room}` and `{import}` may import each other"));
            }
        }
    }
    found
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a readable directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// Everything that is wrong in one file; `path` is relative to `src/`.
fn violations(path: &str, source: &str, is_test: bool, table: &Table) -> Vec<String> {
    let code = blank(source);
    let tests_from = if is_test { 0 } else { test_module_start(&code).unwrap_or(code.len()) };
    let mut found = Vec::new();
    let mut report = |at: usize, what: String| found.push(format!("{path}:{}: {what}", line_of(&code, at)));

    let body = &code[..tests_from];
    let lines = body.lines().count();
    if lines > MAX_LINES {
        report(tests_from, format!("{lines} lines without tests, more than {MAX_LINES}"));
    }
    let room = path.split('/').next().unwrap_or(path).trim_end_matches(".rs");
    for (at, import) in imports(path, body) {
        let allowed = match room {
            "lib" => false,
            "bin" => import == "cli",
            _ => import == room || table.get(room).is_some_and(|rooms| rooms.contains(&import)),
        };
        if table.contains_key(&import) && !allowed {
            report(at, format!("`{room}` may not import `{import}`"));
        }
    }
    for (name, places) in FOREIGN {
        for at in words(&code, name) {
            let after = &code[at + name.len()..];
            let named = after.starts_with("::") || code[..at].trim_end().ends_with("use");
            let own = code[..at].ends_with("::");
            if named && !own && !places.iter().any(|place| is_below(path, place)) {
                report(at, format!("`{name}` belongs in {}", places.join(" or ")));
            }
        }
    }
    if room == "trace" && !is_test {
        // A lane's Profile answers whatever logic asks about its sockets.
        for at in words(body, "SocketKind").into_iter().filter(|&at| body[at..].starts_with("SocketKind::")) {
            report(at, "`SocketKind::` in `trace`: ask the profile".to_owned());
        }
    }
    for name in BANNED_MACROS {
        for at in words(&code, name) {
            if code[at + name.len()..].starts_with('!') && room != "bin" {
                report(at, format!("`{name}!`"));
            }
        }
    }
    for at in words(&code, "unsafe") {
        let after = code[at + "unsafe".len()..].trim_start();
        if !is_below(path, "net/sys") {
            report(at, "`unsafe` outside net/sys".to_owned());
        } else if after.starts_with("fn") && code[..at].trim_end().ends_with("pub") {
            report(at, "an unsafe signature leaves net/sys".to_owned());
        } else if (after.starts_with('{') || after.starts_with("impl")) && !has_safety_line(source, &code, at) {
            report(at, "`unsafe` without a `// SAFETY:` line just above".to_owned());
        }
    }
    found
}

fn is_below(path: &str, place: &str) -> bool {
    path.strip_prefix(place).is_some_and(|rest| rest.starts_with('/') || rest.starts_with('.'))
}

/// Whether the comment block above the statement that contains `at` has a line that starts with `SAFETY:`.
fn has_safety_line(source: &str, code: &str, at: usize) -> bool {
    let original: Vec<&str> = source.lines().collect();
    let blanked: Vec<&str> = code.lines().collect();
    let mut line = line_of(code, at) - 1;
    while line > 0 {
        line -= 1;
        let text = original[line].trim();
        if text.starts_with("// SAFETY:") {
            return true;
        }
        let continues = ["=", "(", "=>", "&&", "||"].iter().any(|end| blanked[line].trim_end().ends_with(end));
        if !text.starts_with("//") && !continues {
            return false;
        }
    }
    false
}

/// The rooms that `code` names, with where: `crate::room`, `crate::{room, …}`, `netprobe::room`, and `super::` up to the root.
fn imports(path: &str, code: &str) -> Vec<(usize, String)> {
    let depth = path.trim_end_matches(".rs").split('/').filter(|&part| part != "mod").count();
    let mut found = Vec::new();
    for root in ["crate", "netprobe", "super"] {
        for at in words(code, root) {
            if code[..at].ends_with("::") {
                continue;
            }
            let mut rest = &code[at + root.len()..];
            let mut climbed = usize::from(root == "super");
            while let Some(above) = rest.strip_prefix("::super") {
                climbed += 1;
                rest = above;
            }
            if root == "super" && climbed != depth {
                continue;
            }
            if let Some(names) = rest.strip_prefix("::") {
                found.extend(first_names(names).into_iter().map(|name| (at, name)));
            }
        }
    }
    found
}

/// The first name of each path in `a::b` or `{a::b, c::{d, e}}`.
fn first_names(text: &str) -> Vec<String> {
    let Some(group) = text.strip_prefix('{') else {
        return vec![text.chars().take_while(|&c| is_word(c)).collect()];
    };
    let mut names = vec![String::new()];
    let mut depth = 0;
    let mut fresh = true;
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                names.push(String::new());
                fresh = true;
            }
            _ if depth == 0 && fresh && is_word(c) => names.last_mut().expect("never empty").push(c),
            _ if depth == 0 && !c.is_whitespace() => fresh = false,
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

/// Where the inline test module of a file starts.
fn test_module_start(code: &str) -> Option<usize> {
    code.match_indices("#[cfg(test)]").map(|(at, _)| at).find(|&at| {
        let item = code[at + "#[cfg(test)]".len()..].trim_start();
        item.starts_with("mod ") && item.find('{') < item.find(';')
    })
}

/// The files of modules that a file declares for tests only (`#[cfg(test)] mod name;`).
fn test_modules(path: &str, code: &str) -> Vec<String> {
    let directory = match path.strip_suffix(".rs").unwrap_or(path) {
        "lib" => String::new(),
        stem => format!("{}/", stem.strip_suffix("/mod").unwrap_or(stem)),
    };
    code.match_indices("#[cfg(test)]")
        .filter_map(|(at, attribute)| {
            let item = code[at + attribute.len()..].trim_start();
            let name = item.split_once("mod ").filter(|(before, _)| !before.contains(';'))?.1.split_once(';')?.0;
            name.chars().all(is_word).then(|| [format!("{directory}{name}.rs"), format!("{directory}{name}/mod.rs")])
        })
        .flatten()
        .collect()
}

/// Where `word` stands as a whole word.
fn words(code: &str, word: &str) -> Vec<usize> {
    code.match_indices(word)
        .map(|(at, _)| at)
        .filter(|&at| {
            !code[..at].chars().next_back().is_some_and(is_word)
                && !code[at + word.len()..].chars().next().is_some_and(is_word)
        })
        .collect()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn line_of(code: &str, at: usize) -> usize {
    code[..at].matches('\n').count() + 1
}

/// The source with the contents of comments, strings and characters blanked out; every octet keeps its place and lines stay lines.
fn blank(source: &str) -> String {
    let octets = source.as_bytes();
    let mut out = octets.to_vec();
    let mut at = 0;
    while at < octets.len() {
        let end = match octets[at] {
            b'/' if octets[at..].starts_with(b"//") => find(octets, at, b"\n"),
            b'/' if octets[at..].starts_with(b"/*") => end_of_block_comment(octets, at),
            b'"' => end_of_quotes(octets, at, b'"'),
            b'r' if !at
                .checked_sub(1)
                .is_some_and(|before| is_word(char::from(octets[before])) && octets[before] != b'b') =>
            {
                end_of_raw_string(octets, at).unwrap_or(at)
            }
            b'\'' if octets.get(at + 1) == Some(&b'\\') => end_of_quotes(octets, at, b'\''),
            b'\'' => end_of_plain_char(source, at).unwrap_or(at),
            _ => at,
        };
        out[at..end].iter_mut().filter(|octet| **octet != b'\n').for_each(|octet| *octet = b' ');
        at = end.max(at + 1);
    }
    String::from_utf8(out).expect("only whole characters are blanked")
}

/// Where `needle` next stands, or the end.
fn find(octets: &[u8], from: usize, needle: &[u8]) -> usize {
    octets[from..].windows(needle.len()).position(|window| window == needle).map_or(octets.len(), |at| from + at)
}

fn end_of_block_comment(octets: &[u8], start: usize) -> usize {
    let mut depth = 0;
    let mut at = start;
    while at < octets.len() {
        if octets[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if octets[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    at
}

fn end_of_quotes(octets: &[u8], start: usize, quote: u8) -> usize {
    let mut at = start + 1;
    while at < octets.len() && octets[at] != quote {
        at += if octets[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(octets.len())
}

/// The end of `r"…"` or `r#"…"#`, if one starts here.
fn end_of_raw_string(octets: &[u8], start: usize) -> Option<usize> {
    let hashes = octets[start + 1..].iter().take_while(|&&octet| octet == b'#').count();
    (octets.get(start + 1 + hashes) == Some(&b'"')).then(|| {
        let close = [b"\"".as_slice(), &vec![b'#'; hashes]].concat();
        (find(octets, start + 2 + hashes, &close) + close.len()).min(octets.len())
    })
}

/// The end of `'x'`, if this is a character and not a lifetime.
fn end_of_plain_char(source: &str, start: usize) -> Option<usize> {
    let mut rest = source[start + 1..].char_indices();
    rest.next()?;
    rest.next().filter(|&(_, c)| c == '\'').map(|(at, _)| start + 1 + at + 1)
}

#[cfg(test)]
mod checker {
    use super::*;

    const FRONT_PAGE: &str = "\
//! | room | holds | may import |
//! |---|---|---|
//! | [`types`] | values | nothing |
//! | [`net`] | sockets; `net::sys` | `types` |
//! | [`ping`], [`trace`] | applications | `types` |
//! | [`report`] | text | the above except `net` |
//! | [`cli`] | argv | all |
pub mod cli;
pub mod net;
pub mod ping;
pub mod report;
pub mod trace;
pub mod types;
";

    fn rooms(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn found(path: &str, source: &str) -> Vec<String> {
        violations(path, source, false, &import_table(FRONT_PAGE))
    }

    #[test]
    fn the_table_is_read_from_the_front_page() {
        let table = import_table(FRONT_PAGE);
        assert_eq!(table["types"], rooms(&[]));
        assert_eq!(table["trace"], rooms(&["types"]));
        assert_eq!(table["report"], rooms(&["types", "ping", "trace"]));
        assert_eq!(table["cli"], rooms(&["types", "net", "ping", "trace", "report", "cli"]));
        assert!(rooms_of_front_page(FRONT_PAGE, &table).is_empty());
    }

    #[test]
    fn a_room_missing_from_the_table_is_found() {
        let page = format!("{FRONT_PAGE}pub mod tui;\n");
        assert_eq!(rooms_of_front_page(&page, &import_table(&page)).len(), 1);
    }

    #[test]
    fn an_import_against_the_table_is_found_however_it_is_written() {
        for source in [
            "use crate::ping::Event;",
            "use crate::{types::Ttl, ping::{Event, Config}};",
            "fn f() { let _ = crate::ping::run(); }",
            "use super::ping;",
        ] {
            assert_eq!(found("trace/mod.rs", source), ["trace/mod.rs:1: `trace` may not import `ping`"], "{source}");
        }
        assert_eq!(found("trace/hop.rs", "use super::super::ping;").len(), 1);
        assert_eq!(found("bin/rping.rs", "use netprobe::ping;").len(), 1);
    }

    #[test]
    fn imports_that_the_table_allows_comments_and_tests_are_left_alone() {
        for source in [
            "use crate::types::Ttl;",
            "use super::Event;",
            "//! See [`crate::ping`].",
            "/* crate::ping /* nested */ crate::ping */",
            "const S: &str = \"crate::ping \\\" println!\";",
            "const S: &str = r#\"crate::ping \" todo!()\"#; const C: char = '\"';",
            "fn f<'a>(x: &'a str) {}\n#[cfg(test)]\nmod tests {\n    use crate::ping::Event;\n}\n",
        ] {
            assert_eq!(found("trace/hop.rs", source), [""; 0], "{source}");
        }
        assert!(violations("trace/tests.rs", "use crate::ping::Event;", true, &import_table(FRONT_PAGE)).is_empty());
        assert_eq!(
            test_modules("trace/mod.rs", "#[cfg(test)]\nmod tests;\nmod hop;"),
            ["trace/tests.rs", "trace/tests/mod.rs"]
        );
    }

    #[test]
    fn unsafe_stands_in_net_sys_under_its_reason() {
        let bare = "fn f() {\n    let x = 1;\n    unsafe { g() }\n}\n";
        let reasoned =
            "fn f() {\n    // SAFETY: g(2) says so,\n    // at length.\n    let x =\n        unsafe { g() };\n}\n";
        assert_eq!(found("net/sys/a.rs", bare).len(), 1);
        assert_eq!(found("net/sys/a.rs", reasoned), [""; 0]);
        assert_eq!(found("net/lane.rs", reasoned).len(), 1);
        assert_eq!(found("net/sys/a.rs", "pub unsafe fn f() {}").len(), 1);
        assert_eq!(found("net/lane.rs", "#![deny(unsafe_code)]"), [""; 0]);
    }

    #[test]
    fn a_foreign_crate_outside_its_room_is_found() {
        assert_eq!(found("net/lane.rs", "use libc::c_int;").len(), 1);
        assert_eq!(found("net/sys.rs", "use libc;"), [""; 0]);
        assert_eq!(found("ping/mod.rs", "fn f(x: &clap::Command) {}").len(), 1);
        assert_eq!(found("net/a.rs", "use crate::types::pnet; let caps = 1;"), [""; 0]);
    }

    #[test]
    fn a_match_on_the_socket_kind_in_trace_is_found() {
        let matching = "fn f(p: &Profile) -> bool { p.socket == SocketKind::Raw }";
        assert_eq!(found("trace/hop.rs", matching).len(), 1);
        assert_eq!(found("ping/hop.rs", matching), [""; 0]);
        assert_eq!(found("trace/hop.rs", "pub socket: Option<SocketKind>,"), [""; 0]);
    }

    #[test]
    fn printing_gaps_and_overlong_files_are_found() {
        assert_eq!(found("net/a.rs", "fn f() { println!(\"\"); todo!() }").len(), 2);
        assert_eq!(found("net/a.rs", "fn f(print: u8) { assert!(print != 0) }"), [""; 0]);
        assert_eq!(found("net/a.rs", &"//\n".repeat(MAX_LINES)), [""; 0]);
        assert_eq!(found("net/a.rs", &"//\n".repeat(MAX_LINES + 1)).len(), 1);
    }
}
