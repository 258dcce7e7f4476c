//! What happens to watched paths, in words: [`sentence`].

use crate::trace::watch::ChangeKind;

/// What happened.
pub fn sentence(kind: &ChangeKind) -> String {
    match kind {
        ChangeKind::Paused => "paused".to_owned(),
        ChangeKind::Resumed => "probing again".to_owned(),
        ChangeKind::Reset => "the statistics begin anew".to_owned(),
        ChangeKind::Interval(interval) => format!("from now on a cycle takes {} s", interval.as_secs_f64()),
    }
}
