//! All series of a run, by number and by slot: [`SeriesSet`].

use std::collections::BTreeMap;

use super::series::Series;
use crate::engine::outcome::SubjectId;

/// The series of a run. Numbers are never reused; slots are, so that everything kept by slot stays as small as the number of
/// series at one time.
#[derive(Debug, Default)]
pub(super) struct SeriesSet {
    slots: Vec<Option<Box<Series>>>,
    free: Vec<u32>,
    slot_of: BTreeMap<SubjectId, u32>,
    next: u32,
}

impl SeriesSet {
    /// Adds the series that `make` makes of its number; its slot. `None` once all numbers are used.
    pub(super) fn insert(&mut self, make: impl FnOnce(SubjectId) -> Series) -> Option<u32> {
        // The top bit of a token is clear.
        let id = Some(self.next).filter(|&next| next <= i32::MAX as u32).map(SubjectId::new)?;
        let series = Some(Box::new(make(id)));
        self.next += 1;
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
    /// The largest number of series at one time.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.slots.len()
    }
}
