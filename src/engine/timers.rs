//! One deadline per key, and the earliest of all: [`Timers`].

use std::collections::BTreeSet;

use crate::types::Instant;

/// At most one deadline for each of the keys 0, 1, 2 …; every change costs O(log n), the earliest is known at once.
#[derive(Clone, Debug, Default)]
pub struct Timers {
    queue: BTreeSet<(Instant, u32)>,
    deadlines: Vec<Option<Instant>>,
}

impl Timers {
    /// Gives `key` this deadline instead of the one it had.
    pub fn set(&mut self, key: u32, deadline: Option<Instant>) {
        let index = key as usize;
        if self.deadlines.len() <= index {
            self.deadlines.resize(index + 1, None);
        }
        let Some(current) = self.deadlines.get_mut(index) else { return };
        if *current == deadline {
            return;
        }
        if let Some(old) = std::mem::replace(current, deadline) {
            self.queue.remove(&(old, key));
        }
        if let Some(new) = deadline {
            self.queue.insert((new, key));
        }
    }

    /// The earliest deadline and its key; of equal deadlines that of the lowest key.
    pub fn first(&self) -> Option<(Instant, u32)> {
        self.queue.first().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(nanos: u64) -> Option<Instant> {
        Some(Instant::from_nanos(nanos))
    }

    #[test]
    fn the_earliest_deadline_is_first_and_replaced_ones_are_gone() {
        let mut timers = Timers::default();
        assert_eq!(timers.first(), None);
        timers.set(7, at(30));
        timers.set(2, at(20));
        assert_eq!(timers.first(), Some((Instant::from_nanos(20), 2)));
        timers.set(2, at(40));
        assert_eq!(timers.first(), Some((Instant::from_nanos(30), 7)));
        timers.set(7, None);
        timers.set(2, None);
        assert_eq!(timers.first(), None);
    }

    #[test]
    fn equal_deadlines_of_two_keys_are_both_kept() {
        let mut timers = Timers::default();
        timers.set(1, at(5));
        timers.set(0, at(5));
        assert_eq!(timers.first(), Some((Instant::from_nanos(5), 0)));
        timers.set(0, None);
        assert_eq!(timers.first(), Some((Instant::from_nanos(5), 1)));
    }
}
