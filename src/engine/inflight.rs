//! The newest probes of a series, by number: [`Inflight`].

use std::collections::VecDeque;

use crate::types::{ProbeId, Sequence};

/// The newest probes of one series, at most as many as a 16-bit field can distinguish.
#[derive(Clone, Debug)]
pub struct Inflight<T> {
    probes: VecDeque<T>,
    /// Number of the oldest that is held, or of the first that will be.
    oldest: u64,
}

/// The probe that the 16-bit field of an answer names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// This probe, which is held.
    Probe(ProbeId),
    /// A probe that is no longer held.
    Forgotten,
    /// No probe that there ever was.
    Nothing,
}

impl Named {
    /// The probe, if it is held.
    pub const fn probe(self) -> Option<ProbeId> {
        match self {
            Named::Probe(id) => Some(id),
            Named::Forgotten | Named::Nothing => None,
        }
    }
}

impl<T> Default for Inflight<T> {
    fn default() -> Self {
        Inflight { probes: VecDeque::new(), oldest: ProbeId::FIRST.get() }
    }
}

impl<T> Inflight<T> {
    /// One that has room for this many from the beginning.
    pub fn with_room(probes: usize) -> Self {
        Inflight { probes: VecDeque::with_capacity(probes.min(Self::CAPACITY)), ..Inflight::default() }
    }

    /// How many are held at most.
    pub const CAPACITY: usize = 1 << 16;

    /// Whether one must be dropped before the next can be taken.
    pub fn is_full(&self) -> bool {
        self.probes.len() >= Self::CAPACITY
    }

    /// Takes the next probe; its number is one more than the last one's. The oldest is dropped if there is no room.
    pub fn push(&mut self, probe: T) -> ProbeId {
        if self.is_full() {
            self.pop_oldest();
        }
        self.probes.push_back(probe);
        ProbeId::new(self.oldest + self.probes.len() as u64 - 1)
    }

    /// Drops the oldest.
    pub fn pop_oldest(&mut self) -> Option<T> {
        let probe = self.probes.pop_front()?;
        self.oldest += 1;
        Some(probe)
    }

    /// The oldest that is held.
    pub fn oldest(&self) -> Option<(ProbeId, &T)> {
        self.probes.front().map(|probe| (ProbeId::new(self.oldest), probe))
    }

    /// The number of the newest, once there was one.
    pub fn newest(&self) -> Option<ProbeId> {
        (self.oldest + self.probes.len() as u64).checked_sub(1).filter(|&number| number > 0).map(ProbeId::new)
    }

    /// The probe with this number, if it is held.
    pub fn get(&self, id: ProbeId) -> Option<&T> {
        self.probes.get(self.index(id)?)
    }

    /// The probe with this number, if it is held.
    pub fn get_mut(&mut self, id: ProbeId) -> Option<&mut T> {
        let index = self.index(id)?;
        self.probes.get_mut(index)
    }

    /// The probes from number `id` on, oldest first.
    pub fn from(&self, id: ProbeId) -> impl Iterator<Item = &T> {
        self.probes.iter().skip(self.index(id).unwrap_or(0))
    }

    /// The probe whose 16-bit field is `sequence`.
    pub fn with_sequence(&self, sequence: Sequence) -> Named {
        match self.newest().and_then(|newest| newest.newest_with(sequence)) {
            Some(id) if self.index(id).is_some() => Named::Probe(id),
            Some(_) => Named::Forgotten,
            None => Named::Nothing,
        }
    }

    fn index(&self, id: ProbeId) -> Option<usize> {
        usize::try_from(id.get().checked_sub(self.oldest)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_on_when_old_probes_are_dropped() {
        let mut inflight = Inflight::default();
        assert_eq!(inflight.newest(), None);
        assert_eq!(inflight.push('a'), ProbeId::new(1));
        assert_eq!(inflight.push('b'), ProbeId::new(2));
        assert_eq!(inflight.pop_oldest(), Some('a'));
        assert_eq!(inflight.get(ProbeId::new(1)), None);
        assert_eq!(inflight.oldest(), Some((ProbeId::new(2), &'b')));
        assert_eq!(inflight.pop_oldest(), Some('b'));
        assert_eq!(inflight.newest(), Some(ProbeId::new(2)));
        assert_eq!(inflight.push('c'), ProbeId::new(3));
        assert_eq!(inflight.get(ProbeId::new(3)), Some(&'c'));
    }

    #[test]
    fn a_sequence_names_the_newest_probe_that_carried_it_over_many_wraps() {
        let mut inflight = Inflight::default();
        for number in 1..=200_000u64 {
            assert_eq!(inflight.push(number), ProbeId::new(number));
        }
        assert!(inflight.is_full());
        for number in [200_000u64, 199_999, 200_000 - 65_535] {
            let id = ProbeId::new(number);
            assert_eq!(inflight.with_sequence(id.sequence()), Named::Probe(id));
            assert_eq!(inflight.get(id), Some(&number));
        }
        assert_eq!(inflight.get(ProbeId::new(200_000 - 65_536)), None);
    }

    #[test]
    fn a_forgotten_probe_differs_from_one_never_sent() {
        let mut inflight = Inflight::default();
        inflight.push(());
        inflight.push(());
        inflight.pop_oldest();
        assert_eq!(inflight.with_sequence(Sequence::new(1)), Named::Forgotten);
        assert_eq!(inflight.with_sequence(Sequence::new(2)), Named::Probe(ProbeId::new(2)));
        assert_eq!(inflight.with_sequence(Sequence::new(3)), Named::Nothing);
        assert_eq!(inflight.with_sequence(Sequence::new(0)), Named::Nothing);
    }

    #[test]
    fn iterating_starts_at_the_named_probe() {
        let mut inflight = Inflight::default();
        "abc".chars().for_each(|c| {
            inflight.push(c);
        });
        assert_eq!(inflight.from(ProbeId::new(2)).collect::<String>(), "bc");
        assert_eq!(inflight.from(ProbeId::new(9)).count(), 0);
    }
}
