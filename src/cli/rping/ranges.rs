//! Prefixes and ranges as targets of a live view.

use crate::cli::error::CliError;
use crate::sweep::Range;
use crate::types::escape;

/// The most addresses that prefixes and ranges of a view may have together.
const MOST_ADDRESSES: u64 = 4096;

/// Whether a target is more than one address.
pub(super) fn is_range(text: &str) -> bool {
    matches!(Range::read(text), Ok(Some(range)) if range.count() > 1)
}

/// The targets of a view, in which every address of a prefix or a range is one.
///
/// # Errors
/// If there are too many.
pub(super) fn spread(texts: Vec<String>) -> Result<Vec<String>, CliError> {
    let mut all = Vec::with_capacity(texts.len());
    let mut left = MOST_ADDRESSES;
    for text in texts {
        let Ok(Some(range)) = Range::read(&text) else {
            all.push(text);
            continue;
        };
        let Some(rest) = left.checked_sub(range.count()) else {
            let sentence = format!("'{}': a view shows at most {MOST_ADDRESSES} addresses of ranges", escape(&text));
            return Err(CliError::Refused(sentence));
        };
        left = rest;
        match range.count() {
            1 => all.push(text),
            count => all.extend((0..count).filter_map(|index| range.at(index)).map(|address| address.to_string())),
        }
    }
    Ok(all)
}
