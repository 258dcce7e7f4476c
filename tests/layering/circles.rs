//! Circles of imports among the files below `src/`.

use std::collections::{BTreeMap, BTreeSet};

use super::{blank, is_word, test_module_start, words};

/// Files by module path (`net::sys::cmsg`), each with its code blanked and without tests.
pub struct Files(BTreeMap<String, (String, String)>);

impl Files {
    /// The files of `sources`, pairs of a path below `src/` and its text.
    pub fn new<'a>(sources: impl Iterator<Item = (&'a str, &'a str)>) -> Files {
        let file = |(path, source): (&str, &str)| {
            let mut code = blank(source);
            code.truncate(test_module_start(&code).unwrap_or(code.len()));
            (module_of(path), (path.to_owned(), code))
        };
        Files(sources.map(file).collect())
    }

    /// Each set of files that import one another in a circle. Imports between a module and its own descendants do not count.
    pub fn circles(&self) -> Vec<String> {
        let imports: BTreeMap<&str, BTreeSet<&str>> =
            self.0.iter().map(|(module, (_, code))| (module.as_str(), self.imports(module, code))).collect();
        let reached: BTreeMap<&str, BTreeSet<&str>> =
            imports.keys().map(|&module| (module, reachable(module, &imports))).collect();
        let circles: BTreeSet<Vec<&str>> = reached
            .iter()
            .filter(|(module, reached)| reached.contains(*module))
            .map(|(module, from)| from.iter().copied().filter(|other| reached[other].contains(module)).collect())
            .collect();
        let path = |module: &&str| self.0[*module].0.as_str();
        circles
            .iter()
            .map(|circle| format!("circle of imports: {}", circle.iter().map(path).collect::<Vec<_>>().join(", ")))
            .collect()
    }

    /// The modules that `code` of `module` names, except its ancestors and descendants.
    fn imports(&self, module: &str, code: &str) -> BTreeSet<&str> {
        let mut found = BTreeSet::new();
        for root in ["crate", "super"] {
            for at in words(code, root).into_iter().filter(|&at| !code[..at].ends_with("::")) {
                for path in paths(&code[at..]) {
                    found.extend(self.resolve(module, &path, 4));
                }
            }
        }
        found.retain(|other| !is_within(module, other) && !is_within(other, module));
        found
    }

    /// The file in which `path`, as written in `module`, is defined; re-exports are followed.
    fn resolve(&self, module: &str, path: &[String], depth: usize) -> Option<&str> {
        let mut at: Vec<&str> = match path.first()?.as_str() {
            "crate" => Vec::new(),
            _ => module.split("::").collect(),
        };
        let mut rest = path;
        while let Some((name, after)) = rest.split_first() {
            match name.as_str() {
                "crate" | "self" => {}
                "super" => drop(at.pop()),
                name => {
                    at.push(name);
                    if !self.0.contains_key(&at.join("::")) {
                        at.pop();
                        break;
                    }
                }
            }
            rest = after;
        }
        let (file, (_, code)) = self.0.get_key_value(&at.join("::"))?;
        let Some((name, depth)) = rest.first().zip(depth.checked_sub(1)) else { return Some(file) };
        let exported = re_exports(code).into_iter().find(|path| path.last() == Some(name) && path.len() > 1);
        let target = exported.and_then(|path| {
            let relative = !matches!(path[0].as_str(), "crate" | "super" | "self");
            let path = if relative { [vec!["self".to_owned()], path].concat() } else { path };
            self.resolve(file, &path, depth)
        });
        target.or(Some(file))
    }
}

fn reachable<'a>(from: &str, imports: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<&str> = imports[from].iter().copied().collect();
    while let Some(module) = next.pop() {
        if reached.insert(module) {
            next.extend(&imports[module]);
        }
    }
    reached
}

/// `net/sys/cmsg.rs` is `net::sys::cmsg`, `net/mod.rs` is `net`, `lib.rs` is the root, an empty path.
fn module_of(path: &str) -> String {
    let stem = path.trim_end_matches(".rs");
    let stem = stem.strip_suffix("/mod").unwrap_or(stem);
    if stem == "lib" { String::new() } else { stem.replace('/', "::") }
}

fn is_within(module: &str, ancestor: &str) -> bool {
    ancestor.is_empty() || module.strip_prefix(ancestor).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// The paths of all `use` items that other modules can see.
fn re_exports(code: &str) -> Vec<Vec<String>> {
    let public = |at: &usize| {
        let before = code[..*at].rsplit([';', '}']).next().unwrap_or_default().trim();
        before.ends_with("pub") || before.ends_with(')')
    };
    words(code, "use").into_iter().filter(public).flat_map(|at| paths(code[at + 3..].trim_start())).collect()
}

/// The paths of one use tree: `a::b`, `a::{b, c::d}`, each a list of names.
fn paths(text: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    tree(text, &[], &mut found);
    found
}

/// Reads the use tree at the start of `text` below `prefix` and returns what follows it.
fn tree<'a>(text: &'a str, prefix: &[String], found: &mut Vec<Vec<String>>) -> &'a str {
    let mut text = text.trim_start();
    let mut path = prefix.to_vec();
    loop {
        if let Some(mut group) = text.strip_prefix('{') {
            loop {
                group = group.trim_start();
                if let Some(rest) = group.strip_prefix('}') {
                    return rest;
                }
                let rest = tree(group, &path, found).trim_start();
                let rest = rest.split_once([',', '}']).map_or("", |(skipped, _)| &rest[skipped.len()..]);
                if rest.is_empty() {
                    return rest;
                }
                group = rest.strip_prefix(',').unwrap_or(rest);
            }
        }
        let end = text.find(|c| !is_word(c)).unwrap_or(text.len());
        if end > 0 {
            path.push(text[..end].to_owned());
        }
        text = &text[end..];
        match text.strip_prefix("::") {
            Some(rest) => text = rest.trim_start(),
            None => {
                if path.last().is_some_and(|name| name == "self") {
                    path.pop();
                }
                found.push(path);
                return text;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circles(sources: &[(&str, &str)]) -> Vec<String> {
        Files::new(sources.iter().copied()).circles()
    }

    #[test]
    fn a_circle_of_siblings_is_found_however_it_is_written() {
        let back = ("net/b.rs", "fn f() { crate::net::a::g() }");
        for source in ["use super::b::f;", "use super::{c, b::{self, f}};", "use crate::net::b;", "use super::f;"] {
            let found = circles(&[("net/mod.rs", "mod a; mod b; pub use b::f;"), ("net/a.rs", source), back]);
            assert_eq!(found, ["circle of imports: net/a.rs, net/b.rs"], "{source}");
        }
    }

    #[test]
    fn a_module_and_its_children_may_import_each_other() {
        let sources =
            [("net/mod.rs", "mod a; use a::A; pub struct B;"), ("net/a.rs", "use super::B; use crate::types::Ttl;")];
        assert_eq!(circles(&sources), [""; 0]);
    }

    #[test]
    fn imports_of_tests_do_not_count() {
        let tested = "use super::b;\n#[cfg(test)]\nmod tests {\n}\n";
        let testing = "fn f() {}\n#[cfg(test)]\nmod tests {\n    use crate::a;\n}\n";
        assert_eq!(circles(&[("a.rs", tested), ("b.rs", testing)]), [""; 0]);
    }
}
