//! All series of a run, by number and by slot: [`SeriesSet`].

use std::collections::BTreeMap;

use super::series::Series;
use crate::engine::outcome::SubjectId;

/// The series of a run. Numbers go round, so that one is used again only after two thousand million others; slots are used again
/// at once, so that everything kept by slot stays as small as the number of series at one time.
#[derive(Debug, Default)]
pub(super) struct SeriesSet {
    slots: Vec<Option<Box<Series>>>,
    free: Vec<u32>,
    slot_of: BTreeMap<SubjectId, u32>,
    next: u32,
}

/// One more than the largest number: the top bit of a token is clear.
const NUMBERS: u32 = 1 << 31;

impl SeriesSet {
    /// Adds the series that `make` makes of its number; its slot. `None` while all numbers are in use.
    pub(super) fn insert(&mut self, make: impl FnOnce(SubjectId) -> Series) -> Option<u32> {
        let numbers = (self.next..NUMBERS).chain(0..self.next).map(SubjectId::new);
        let id = { numbers }.find(|id| !self.slot_of.contains_key(id))?;
        let series = Some(Box::new(make(id)));
        self.next = (id.get() + 1) % NUMBERS;
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                self.slots.push(None);
                u32::try_from(self.slots.len() - 1).ok()?
            }
        };
        *self.slots.get_mut(slot as usize)? = series;
        self.slot_of.insert(id, slot);
        Some(slot)
    }

    /// Takes a series out.
    pub(super) fn remove(&mut self, slot: u32) -> Option<Box<Series>> {
        let series = self.slots.get_mut(slot as usize)?.take()?;
        self.slot_of.remove(&series.id());
        self.free.push(slot);
        Some(series)
    }

    pub(super) fn get(&self, slot: u32) -> Option<&Series> {
        self.slots.get(slot as usize)?.as_deref()
    }

    pub(super) fn get_mut(&mut self, slot: u32) -> Option<&mut Series> {
        self.slots.get_mut(slot as usize)?.as_deref_mut()
    }

    /// The slot of a series.
    pub(super) fn slot(&self, id: SubjectId) -> Option<u32> {
        self.slot_of.get(&id).copied()
    }

    /// All slots in use, in the order of numbers.
    pub(super) fn slots(&self) -> impl Iterator<Item = u32> {
        self.slot_of.values().copied()
    }

    /// All series, in the order of numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Series> {
        self.slots().filter_map(|slot| self.get(slot))
    }

    /// All series, in no particular order.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Series> {
        self.slots.iter_mut().filter_map(Option::as_deref_mut)
    }
    /// From this number on they are given.
    #[cfg(test)]
    pub(super) fn go_on_at(&mut self, number: u32) {
        self.next = number;
    }

    /// The largest number of series at one time.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.slots.len()
    }
}
