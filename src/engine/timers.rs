//! One deadline per key, and the earliest of all: [`Timers`].

use std::num::NonZeroU32;

use crate::types::Instant;

/// At most one deadline for each of the keys 0, 1, 2 …; every change costs O(log n) and no memory once a key is known, the
/// earliest is known at once.
#[derive(Clone, Debug, Default)]
pub struct Timers {
    /// A binary heap: no entry is earlier than the one at half its index.
    queue: Vec<(Instant, u32)>,
    /// Where in the queue each key is, counted from 1.
    places: Vec<Option<NonZeroU32>>,
}

impl Timers {
    /// Gives `key` this deadline instead of the one it had.
    pub fn set(&mut self, key: u32, deadline: Option<Instant>) {
        let known = key as usize;
        if self.places.len() <= known {
            self.places.resize(known + 1, None);
        }
        let place = self.places.get(known).copied().flatten().map(|place| place.get() as usize - 1);
        match (place, deadline) {
            (None, None) => {}
            (None, Some(deadline)) => {
                self.queue.push((deadline, key));
                self.rise(self.queue.len() - 1);
            }
            (Some(place), Some(deadline)) => self.replace(place, (deadline, key)),
            (Some(place), None) => {
                if let Some(gone) = self.places.get_mut(known) {
                    *gone = None;
                }
                if let Some(last) = self.queue.pop()
                    && place < self.queue.len()
                {
                    self.replace(place, last);
                }
            }
        }
    }

    /// The earliest deadline and its key; of equal deadlines that of the lowest key.
    pub fn first(&self) -> Option<(Instant, u32)> {
        self.queue.first().copied()
    }

    /// Puts an entry in the place of another, and then where it belongs.
    fn replace(&mut self, place: usize, entry: (Instant, u32)) {
        let Some(old) = self.queue.get_mut(place) else { return };
        let earlier = entry < std::mem::replace(old, entry);
        if earlier { self.rise(place) } else { self.sink(place) }
    }

    fn rise(&mut self, mut place: usize) {
        while place > 0 && self.queue.get(place) < self.queue.get((place - 1) / 2) {
            self.swap(place, (place - 1) / 2);
            place = (place - 1) / 2;
        }
        self.note(place);
    }

    fn sink(&mut self, mut place: usize) {
        loop {
            let (left, right) = (2 * place + 1, 2 * place + 2);
            let has_right = right < self.queue.len();
            let child = if has_right && self.queue.get(right) < self.queue.get(left) { right } else { left };
            if child >= self.queue.len() || self.queue.get(place) <= self.queue.get(child) {
                break;
            }
            self.swap(place, child);
            place = child;
        }
        self.note(place);
    }

    /// Swaps two entries and notes where the one that came to `from` is.
    fn swap(&mut self, from: usize, to: usize) {
        self.queue.swap(from, to);
        self.note(from);
    }

    fn note(&mut self, place: usize) {
        if let Some(&(_, key)) = self.queue.get(place)
            && let Some(noted) = self.places.get_mut(key as usize)
        {
            // Keys are u32, so that there are no more places than that.
            *noted = NonZeroU32::new(place as u32 + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

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

    proptest! {
        #[test]
        fn the_first_is_always_the_earliest_of_all(
            changes in proptest::collection::vec((0..20_u32, proptest::option::of(0..50_u64)), 1..300),
        ) {
            let (mut timers, mut plain) = (Timers::default(), BTreeMap::new());
            for (key, nanos) in changes {
                timers.set(key, nanos.map(Instant::from_nanos));
                match nanos {
                    Some(nanos) => plain.insert(key, nanos),
                    None => plain.remove(&key),
                };
                let earliest = plain.iter().map(|(&key, &nanos)| (Instant::from_nanos(nanos), key)).min();
                prop_assert_eq!(timers.first(), earliest);
            }
        }
    }
}
