//! When a value that may vary has really changed: [`Settled`].

use std::collections::BTreeSet;

/// From this many values on it is known how much they vary.
const LEARNED: usize = 20;
/// This many unknown values in a row are a change, if it is known how they vary.
const SURE: usize = 3;
/// The same of one value again and again, before that is known.
const SURE_WHILE_LEARNING: usize = 8;
/// Values that are remembered.
const MOST: usize = 64;

/// The values of something that takes several in turn (the routers of a balanced hop) or one at a time. A value that comes
/// between known ones is one more of them; only values that replace all known ones are a change.
#[derive(Clone, Debug)]
pub(super) struct Settled<T> {
    known: BTreeSet<T>,
    /// Values since the last change.
    seen: usize,
    /// Unknown values since the last known one.
    fresh: Vec<T>,
    /// What was known before earlier changes.
    former: Vec<BTreeSet<T>>,
}

impl<T> Default for Settled<T> {
    fn default() -> Self {
        Settled { known: BTreeSet::new(), seen: 0, fresh: Vec::new(), former: Vec::new() }
    }
}

impl<T: Ord + Clone> Settled<T> {
    /// What is known.
    pub fn known(&self) -> &BTreeSet<T> {
        &self.known
    }

    /// Whether an unknown value came last.
    pub fn is_unsettled(&self) -> bool {
        !self.fresh.is_empty()
    }

    /// Takes the next value. If that makes a change certain: what was known before, and in how many values it showed.
    pub fn see(&mut self, value: T) -> Option<(BTreeSet<T>, usize)> {
        self.seen = self.seen.saturating_add(1);
        if self.known.is_empty() || self.known.contains(&value) || self.known.len() >= MOST {
            self.known.extend(self.fresh.drain(..));
            self.known.insert(value);
            return None;
        }
        self.fresh.push(value);
        let after: BTreeSet<T> = self.fresh.iter().cloned().collect();
        let is_former = self.former.iter().any(|former| after.is_subset(former));
        let learned = self.seen >= LEARNED + self.fresh.len() || is_former;
        let sure = match learned {
            true => self.fresh.len() >= SURE,
            false => after.len() == 1 && self.fresh.len() >= SURE_WHILE_LEARNING,
        };
        if !sure {
            // Many different ones are the members of a group that is being learned.
            if !learned && after.len() > 1 {
                self.known.extend(self.fresh.drain(..));
            }
            return None;
        }
        self.seen = self.fresh.len();
        self.fresh.clear();
        let before = std::mem::replace(&mut self.known, after);
        if !self.former.contains(&before) {
            self.former.push(before.clone());
        }
        self.former.truncate(MOST);
        Some((before, self.seen))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The indices at which values are found to have changed.
    fn changes(values: impl IntoIterator<Item = u32>) -> Vec<usize> {
        let mut settled = Settled::default();
        values.into_iter().enumerate().filter_map(|(at, value)| settled.see(value).map(|_| at)).collect()
    }

    #[test]
    fn three_new_values_in_a_row_are_a_change_once_it_is_known_how_they_vary() {
        assert_eq!(changes([1; 30].into_iter().chain([2; 10])), [32]);
        assert_eq!(changes([1; 30].into_iter().chain([2, 1, 2, 2, 1]).chain([1; 10])), [0; 0]);
        // And back, which is known already.
        assert_eq!(changes([1; 30].into_iter().chain([2; 10]).chain([1; 10])), [32, 42]);
        assert_eq!(changes([1; 5].into_iter().chain([2; 10])), [12]);
    }

    #[test]
    fn values_in_turn_are_no_change() {
        let mut random = fastrand::Rng::with_seed(7);
        for members in [2, 3, 8] {
            assert_eq!(changes((0..5000).map(|_| random.u32(0..members))), [0; 0], "{members}");
        }
        // From one to several in turn, and to others.
        let several = (0..60).map(|at| 10 + at % 3);
        assert_eq!(changes([1; 30].into_iter().chain(several)), [32]);
    }
}
