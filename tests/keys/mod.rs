//! The keys of the JSON, with their types and meanings: netprobe-json(5) and the schemas in `docs/schema` are made from them, and
//! tests hold every object that a tool writes against them.

mod check;
mod parts;
mod ping;
mod pong;
mod schema;
mod trace;

pub use check::check;
pub use schema::{parts, schema};

/// The objects that the tools write, one per line.
pub fn objects() -> impl Iterator<Item = &'static Object> + Clone {
    [ping::OBJECTS, trace::OBJECTS, pong::OBJECTS, parts::OBJECTS].into_iter().flatten()
}

/// An object that is a line.
pub struct Object {
    /// Its key `type`.
    pub kind: &'static str,
    /// The tool that writes it; `None` if several do.
    pub tool: Option<&'static str>,
    /// When it is written.
    pub about: &'static str,
    /// Its keys after `type`.
    pub keys: &'static [&'static [Key]],
}

impl Object {
    /// Its keys after `type`.
    pub fn keys(&self) -> impl Iterator<Item = &'static Key> + use<> {
        self.keys.iter().copied().flatten()
    }

    /// The name of its schema.
    pub fn name(&self) -> String {
        self.tool.map_or_else(|| self.kind.to_owned(), |tool| format!("{tool}-{}", self.kind))
    }
}

/// An object within another.
pub struct Part {
    /// Its name here.
    pub name: &'static str,
    /// What it describes.
    pub about: &'static str,
    /// Its keys.
    pub keys: &'static [&'static [Key]],
}

impl Part {
    /// Its keys.
    pub fn keys(&self) -> impl Iterator<Item = &'static Key> + use<> {
        self.keys.iter().copied().flatten()
    }
}

/// A key of an object.
#[derive(Clone, Copy)]
pub struct Key {
    /// The key.
    pub name: &'static str,
    /// What it holds.
    pub holds: Holds,
    /// Whether it may be null.
    pub is_nullable: bool,
    /// Whether every such object has it.
    pub is_required: bool,
    /// What it means.
    pub meaning: &'static str,
}

/// What a key holds.
#[derive(Clone, Copy)]
pub enum Holds {
    /// true or false.
    Flag,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// A string.
    Text,
    /// A string: an IP address.
    Address,
    /// A string: a time in RFC 3339, UTC, to the nanosecond.
    Time,
    /// A string: one of these.
    Name(&'static [&'static [&'static str]]),
    /// An object.
    Object(&'static Part),
    /// Several of one type.
    List(&'static Holds),
    /// Several numbers or nulls.
    Numbers,
}

/// A key that every object of its kind has, with a value.
const fn key(name: &'static str, holds: Holds, meaning: &'static str) -> Key {
    Key { name, holds, is_nullable: false, is_required: true, meaning }
}

impl Key {
    /// The same, where the value may be null.
    const fn or_null(self) -> Key {
        Key { is_nullable: true, ..self }
    }

    /// The same, where only some objects have it.
    const fn if_any(self) -> Key {
        Key { is_required: false, ..self }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// All keys of objects, those of their parts too.
    fn all(objects: impl Iterator<Item = &'static Object> + Clone) -> Vec<&'static Key> {
        let of_parts = parts(objects.clone()).into_iter().flat_map(Part::keys);
        objects.flat_map(Object::keys).chain(of_parts).collect()
    }

    /// What `--doctor` finds is apart: it says in `interface` and `targets` what no run says.
    #[test]
    fn a_key_of_a_tool_has_one_type_everywhere_except_flags_of_a_reply_that_are_counts_of_a_summary() {
        let counted = ["bad_checksum", "late", "payload_changed", "reordered", "truncated"];
        for tool in ["rping", "rtrace", "rpong"] {
            let of_tool = objects().filter(|object| object.tool.is_none_or(|of| of == tool) && object.kind != "doctor");
            let mut types: BTreeMap<&str, &str> = BTreeMap::new();
            for key in all(of_tool) {
                // Every whole number is a number.
                let holds = match key.holds.json() {
                    "boolean" if counted.contains(&key.name) => "number",
                    "integer" => "number",
                    other => other,
                };
                assert_eq!(*types.entry(key.name).or_insert(holds), holds, "{tool}: {}", key.name);
            }
        }
    }

    #[test]
    fn every_key_has_a_name_and_a_meaning() {
        for key in all(objects()) {
            assert!(!key.meaning.is_empty() && !key.meaning.ends_with('.'), "{}", key.name);
            let is_name =
                key.name.bytes().all(|octet| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'_');
            assert!(is_name, "{}", key.name);
        }
    }
}
