//! The labels that a target is given: [`GivenLabels`].

use std::collections::BTreeMap;
use std::sync::Arc;

/// Names and values, by name.
pub type GivenLabels = Arc<[(Box<str>, Box<str>)]>;

/// Where series get their labels from, unless a target has some of its own.
const OWN_LABELS: [&str; 11] =
    ["target", "address", "method", "port", "le", "stat", "kind", "ttl", "code", "direction", "router"];

/// These, if they can be labels of series.
///
/// # Errors
/// A sentence.
pub fn given(labels: BTreeMap<String, String>) -> Result<GivenLabels, String> {
    for name in labels.keys() {
        let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && !name.starts_with("__");
        if !begins || !name.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'_') {
            return Err(format!("label '{name}': letters, digits and _ make a label, not with a digit or __ first"));
        }
        if OWN_LABELS.contains(&&**name) {
            return Err(format!("label '{name}' is one that series have anyway"));
        }
    }
    Ok(labels.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
}
