//! A map whose entries expire when they are not used: [`Expiring`].

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::types::Instant;

/// A map whose entries expire a fixed time after their last use. Using one costs only a look-up: an entry is put back into the
/// queue when its old time comes, not at every use.
#[derive(Debug)]
pub(super) struct Expiring<K, V> {
    idle: Duration,
    entries: BTreeMap<K, Timed<V>>,
    /// Exactly one per entry: when to look at it next, which is at its due time or before.
    queue: BTreeSet<(Instant, K)>,
}

#[derive(Debug)]
struct Timed<V> {
    value: V,
    used: Instant,
    queued: Instant,
}

impl<K: Ord + Clone, V> Expiring<K, V> {
    /// An empty map whose entries live for `idle` after each use.
    pub(super) fn new(idle: Duration) -> Self {
        Expiring { idle, entries: BTreeMap::new(), queue: BTreeSet::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Adds an entry in place of the one with the same key.
    pub(super) fn insert(&mut self, key: K, value: V, now: Instant) {
        self.remove(&key);
        let queued = now + self.idle;
        self.queue.insert((queued, key.clone()));
        self.entries.insert(key, Timed { value, used: now, queued });
    }

    /// The entry, without using it.
    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.entries.get_mut(key).map(|entry| &mut entry.value)
    }

    /// The entry; counts as a use.
    pub(super) fn touch(&mut self, key: &K, now: Instant) -> Option<&mut V> {
        let entry = self.entries.get_mut(key)?;
        entry.used = now;
        Some(&mut entry.value)
    }

    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        let entry = self.entries.remove(key)?;
        self.queue.remove(&(entry.queued, key.clone()));
        Some(entry.value)
    }

    /// Any entry, taken out.
    pub(super) fn pop(&mut self) -> Option<(K, V)> {
        let (_, key) = self.queue.pop_first()?;
        self.entries.remove(&key).map(|entry| (key, entry.value))
    }

    /// Of the entries that `counts` chooses, the one that was not used for the longest time.
    pub(super) fn idle_longest(&self, counts: impl Fn(&V) -> bool) -> Option<&K> {
        let chosen = self.entries.iter().filter(|(_, entry)| counts(&entry.value));
        chosen.min_by_key(|(_, entry)| entry.used).map(|(key, _)| key)
    }

    /// When to call [`Expiring::pop_expired`] next.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.queue.first().map(|(at, _)| *at)
    }

    /// An entry that has expired, taken out.
    pub(super) fn pop_expired(&mut self, now: Instant) -> Option<(K, V)> {
        self.put_back_used(now);
        self.next_due().filter(|at| *at <= now)?;
        self.pop()
    }

    /// The entry that was not used for the longest time, taken out.
    pub(super) fn pop_idle_longest(&mut self) -> Option<(K, V)> {
        self.put_back_used(Instant::from_nanos(u64::MAX));
        self.pop()
    }

    /// As long as the first of the queue is to be looked at by `until` and was used since it was put there, puts it back.
    fn put_back_used(&mut self, until: Instant) {
        while let Some((at, key)) = self.queue.first().filter(|(at, _)| *at <= until).cloned() {
            let Some(entry) = self.entries.get_mut(&key) else { return };
            let due = entry.used + self.idle;
            if due <= at {
                return;
            }
            entry.queued = due;
            self.queue.remove(&(at, key.clone()));
            self.queue.insert((due, key));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn an_entry_expires_when_it_was_not_used_for_the_whole_time() {
        let mut map = Expiring::new(Duration::from_secs(10));
        map.insert("used", 1, at(0));
        map.insert("idle", 2, at(0));
        map.touch(&"used", at(9));
        assert_eq!(map.next_due(), Some(at(10)));
        assert_eq!(map.pop_expired(at(10)), Some(("idle", 2)));
        assert_eq!(map.pop_expired(at(10)), None);
        assert_eq!(map.next_due(), Some(at(19)));
        assert_eq!(map.pop_expired(at(19)), Some(("used", 1)));
        assert_eq!((map.len(), map.next_due()), (0, None));
    }

    #[test]
    fn what_was_not_used_for_the_longest_time_goes_first_if_one_must() {
        let mut map = Expiring::new(Duration::from_secs(10));
        for (key, seconds) in [("a", 0), ("b", 1), ("c", 2)] {
            map.insert(key, seconds, at(seconds));
        }
        map.touch(&"a", at(3));
        map.touch(&"b", at(4));
        assert_eq!(map.pop_idle_longest(), Some(("c", 2)));
        assert_eq!(map.pop_idle_longest(), Some(("a", 0)));
        assert_eq!(map.pop_expired(at(13)), None);
        assert_eq!(map.pop_expired(at(14)), Some(("b", 1)));
        assert_eq!((map.pop_idle_longest(), map.queue.len()), (None, 0));
    }

    #[test]
    fn what_is_removed_or_replaced_leaves_nothing_to_expire() {
        let mut map = Expiring::new(Duration::from_secs(1));
        map.insert(1, 'a', at(0));
        map.insert(1, 'b', at(5));
        assert_eq!((map.len(), map.queue.len()), (1, 1));
        assert_eq!(map.pop_expired(at(5)), None);
        assert_eq!(map.remove(&1), Some('b'));
        assert_eq!((map.len(), map.queue.len()), (0, 0));
        assert_eq!(map.pop(), None);
    }
}
