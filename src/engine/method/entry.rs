//! What an answer adds to the result of its probe: an ordered list of [`Entry`]s, which every format prints alike.

use crate::types::Rtt;

/// A key with its value, and how text shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key of JSON and CSV; empty: for text alone.
    pub key: &'static str,
    /// How text shows it.
    pub label: Label,
    /// What it holds.
    pub value: Value,
}

/// How text shows an entry that has a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// ` LABEL=VALUE`.
    Named(&'static str),
    /// ` (WORDS VALUE)`, or ` (VALUE)` without words.
    Remark(&'static str),
    /// Not at all.
    Hidden,
}

/// What an entry holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing: null in JSON, and not shown in text.
    Absent,
    /// A count or code.
    Number(u64),
    /// True or false.
    Flag(bool),
    /// A name, or anything else that is one word; printable.
    Text(String),
    /// Several names, maybe none.
    Words(Vec<&'static str>),
    /// How many octets came.
    Octets(usize),
    /// A time span.
    Delay(Rtt),
    /// A difference of two clocks' times, in nanoseconds.
    Offset(i64),
}

impl Entry {
    pub(super) const fn named(key: &'static str, value: Value) -> Self {
        Entry { key, label: Label::Named(key), value }
    }

    pub(super) const fn labelled(key: &'static str, label: &'static str, value: Value) -> Self {
        Entry { key, label: Label::Named(label), value }
    }

    /// For text alone.
    pub(super) const fn text(label: &'static str, value: Value) -> Self {
        Entry { key: "", label: Label::Named(label), value }
    }

    /// Not for text.
    pub(super) const fn hidden(key: &'static str, value: Value) -> Self {
        Entry { key, label: Label::Hidden, value }
    }

    /// A remark, for text alone.
    pub(super) fn remark(words: impl Into<String>) -> Self {
        Entry { key: "", label: Label::Remark(""), value: Value::Text(words.into()) }
    }

    /// Whether it was measured here, rather than stated by the service: text shows that after the time.
    pub const fn is_measured(&self) -> bool {
        matches!(self.label, Label::Remark(_))
            || matches!(self.value, Value::Octets(_) | Value::Delay(_) | Value::Offset(_))
    }
}
