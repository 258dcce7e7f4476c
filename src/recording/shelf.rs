//! What many events share, by number: [`Shelves`].

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::engine::outcome::{ProbeEvent, Subject};
use crate::trace::{Hop, Trace};
use crate::types::WallTime;

/// How many of one kind a reader remembers.
pub const MOST: usize = 1 << 16;
/// The same of a writer, which runs for days: what is older is written in full again. Events refer to what was just before them.
const PROBES: usize = 1 << 12;
const HOPS: usize = 1 << 10;
const TRACES: usize = 1 << 7;

/// What the events of a part of a recording share. Writer and reader have the same.
#[derive(Debug, Default)]
pub struct Shelves {
    /// The start of the run, from which times count.
    pub start: WallTime,
    pub subjects: Shelf<Subject>,
    pub probes: Shelf<ProbeEvent>,
    pub hops: Shelf<Hop>,
    pub traces: Shelf<Trace>,
    /// Lines that must stand before the one that is being written.
    pub lines: Vec<u8>,
}

impl Shelves {
    /// Those of a writer.
    pub fn of_writer(start: WallTime) -> Shelves {
        let (probes, hops, traces) = (Shelf::of(PROBES), Shelf::of(HOPS), Shelf::of(TRACES));
        Shelves { start, probes, hops, traces, ..Shelves::default() }
    }
}

/// Shared values of one kind.
#[derive(Clone, Debug)]
pub struct Shelf<T> {
    /// How many are remembered.
    most: usize,
    /// The number of the first of `values`.
    first: u64,
    values: VecDeque<Arc<T>>,
    /// By where they are; the writer's alone.
    numbers: HashMap<usize, u64>,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Shelf { most: MOST, first: 0, values: VecDeque::new(), numbers: HashMap::new() }
    }
}

impl<T> Shelf<T> {
    /// That remembers this many.
    fn of(most: usize) -> Self {
        Shelf { most, ..Shelf::default() }
    }

    /// Of which this many were put up, and none is here any more.
    pub fn after(many: u64) -> Self {
        Shelf { first: many, ..Shelf::default() }
    }

    /// On which all these were put up.
    pub fn with(values: &[Arc<T>]) -> Self {
        let over = values.len().saturating_sub(MOST);
        let values = values.get(over..).unwrap_or_default().iter().cloned().collect();
        Shelf { first: over as u64, values, ..Shelf::default() }
    }

    /// How many were put up.
    pub fn count(&self) -> u64 {
        self.first + self.values.len() as u64
    }

    /// The number of a value, if it has one.
    pub fn number(&self, value: &Arc<T>) -> Option<u64> {
        self.numbers.get(&place(value)).copied()
    }

    /// The value with this number.
    pub fn get(&self, number: u64) -> Option<Arc<T>> {
        let at = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.values.get(at).cloned()
    }

    /// Gives the next number to a value.
    pub fn push(&mut self, value: Arc<T>) -> u64 {
        if self.values.len() == self.most
            && let Some(oldest) = self.values.pop_front()
        {
            self.numbers.remove(&place(&oldest));
            self.first += 1;
        }
        let number = self.count();
        // It stays where it is while the shelf has it.
        self.numbers.insert(place(&value), number);
        self.values.push_back(value);
        number
    }
}

fn place<T>(value: &Arc<T>) -> usize {
    Arc::as_ptr(value).addr()
}
