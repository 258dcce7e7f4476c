//! Which labels a target may be given: [`check`].

use std::collections::BTreeMap;

/// Where series get their labels from, unless a target has some of its own.
const OWN_LABELS: [&str; 11] =
    ["target", "address", "method", "port", "le", "stat", "kind", "ttl", "code", "direction", "router"];

/// Whether these can be labels of series.
///
/// # Errors
/// A sentence.
pub fn check(labels: &BTreeMap<String, String>) -> Result<(), String> {
    for name in labels.keys() {
        let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && !name.starts_with("__");
        if !begins || !name.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'_') {
            return Err(format!("label '{name}': letters, digits and _ make a label, not with a digit or __ first"));
        }
        if OWN_LABELS.contains(&&**name) {
            return Err(format!("label '{name}' is one that series have anyway"));
        }
    }
    Ok(())
}
