//! Targets in flight: [`ActiveTargets`].

use crate::channel::OsError;
use crate::metrics::Brief;
use crate::types::{Instant, IpEndpoint};

/// A target from its first probe to its end.
#[derive(Clone, Copy, Debug)]
pub struct ActiveTarget {
    /// Its address.
    pub endpoint: IpEndpoint,
    /// Index into `names`, or `NONE`: the name as typed, where that is not the address.
    name: u32,
    /// Index into `rare`, or `NONE`: rare outcomes are kept apart so that the common entry stays small.
    rare: u32,
    /// Number of its first probe; smaller ones belong to an earlier target in the same slot. 0: the slot is free.
    pub first: u64,
    /// When that was sent.
    pub began: Instant,
    /// Delays by the kind of stamp that the first reply had.
    pub rtt: Brief,
    /// Probes ordered.
    pub ordered: u32,
    /// Probes ordered and not closed.
    pub open: u32,
    pub sent: u32,
    pub received: u32,
    pub lost: u32,
    pub pending: u32,
    /// Replies with kernel stamps.
    pub kernel: u32,
    /// The current run of lost probes, and the longest.
    pub run: u32,
    pub longest_run: u32,
    /// The newest attempt that was answered, from 1.
    pub newest: u32,
}

/// Outcomes that few targets have.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rare {
    pub unreachable: u32,
    pub send_failed: u32,
    pub icmp_errors: u64,
    pub answered_after_error: u32,
    pub pushed_back: u32,
    pub error: Option<OsError>,
    pub duplicates: u64,
    pub late: u64,
    pub reordered: u32,
    pub bad_checksum: u64,
    pub payload_changed: u32,
    pub truncated: u32,
    pub wrong_source: u32,
    /// Delays by the other kind of stamp.
    pub other_rtt: Brief,
}

/// Values in slots that are reused.
#[derive(Debug)]
struct Slab<T> {
    values: Vec<T>,
    free: Vec<u32>,
}

impl<T> Slab<T> {
    const fn new() -> Self {
        Slab { values: Vec::new(), free: Vec::new() }
    }

    fn insert(&mut self, value: T) -> u32 {
        if let Some(at) = self.free.pop()
            && let Some(slot) = self.values.get_mut(at as usize)
        {
            *slot = value;
            return at;
        }
        self.values.push(value);
        // Callers hold fewer than 2^24.
        (self.values.len() - 1) as u32
    }

    fn get_mut(&mut self, at: u32) -> Option<&mut T> {
        self.values.get_mut(at as usize)
    }
}

/// No name, no rare outcomes.
const NONE: u32 = u32::MAX;

/// Targets in flight, in slots that are reused.
#[derive(Debug)]
pub struct ActiveTargets {
    targets: Slab<ActiveTarget>,
    names: Slab<Box<str>>,
    rare: Slab<Rare>,
    count: usize,
    /// Delays of each probe, `per_target` for each slot; `u64::MAX` is none.
    cells: Vec<u64>,
    per_target: usize,
}

impl ActiveTargets {
    /// The most slots: their numbers are 24 bits of a probe's.
    pub const MOST: usize = 1 << 24;

    /// None yet; keeps the delays of `per_target` probes for each.
    pub const fn new(per_target: usize) -> Self {
        ActiveTargets {
            targets: Slab::new(),
            names: Slab::new(),
            rare: Slab::new(),
            count: 0,
            cells: Vec::new(),
            per_target,
        }
    }

    /// Whether no target is in flight.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether every slot is taken.
    pub const fn is_full(&self) -> bool {
        self.count >= Self::MOST
    }

    /// Adds a target whose first probe will have the number `first`. Returns its slot.
    pub fn insert(&mut self, endpoint: IpEndpoint, name: Option<Box<str>>, first: u64, now: Instant) -> u32 {
        self.count += 1;
        let slot = self.targets.insert(ActiveTarget {
            endpoint,
            name: name.map_or(NONE, |name| self.names.insert(name)),
            rare: NONE,
            first,
            began: now,
            rtt: Brief::default(),
            ordered: 0,
            open: 0,
            sent: 0,
            received: 0,
            lost: 0,
            pending: 0,
            kernel: 0,
            run: 0,
            longest_run: 0,
            newest: 0,
        });
        if self.per_target > 0 {
            let cells = self.targets.values.len() * self.per_target;
            self.cells.resize(cells.max(self.cells.len()), u64::MAX);
            self.row(slot).fill(u64::MAX);
        }
        slot
    }

    /// The target in this slot, if the probe with this number belongs to it.
    pub fn of_probe(&mut self, slot: u32, number: u64) -> Option<&mut ActiveTarget> {
        self.targets.get_mut(slot).filter(|target| target.first != 0 && target.first <= number)
    }

    /// The rare outcomes of the target in this slot.
    pub fn rare(&mut self, slot: u32) -> Option<&mut Rare> {
        let target = self.targets.values.get_mut(slot as usize)?;
        if target.rare == NONE {
            target.rare = self.rare.insert(Rare::default());
        }
        self.rare.get_mut(target.rare)
    }

    /// The delays of its probes.
    pub fn row(&mut self, slot: u32) -> &mut [u64] {
        let start = slot as usize * self.per_target;
        self.cells.get_mut(start..start + self.per_target).unwrap_or_default()
    }

    /// Frees the slot of a target that has ended.
    pub fn remove(&mut self, slot: u32) -> Option<(ActiveTarget, Option<Box<str>>, Rare)> {
        let entry = self.targets.get_mut(slot).filter(|target| target.first != 0)?;
        let target = *entry;
        entry.first = 0;
        self.count -= 1;
        self.targets.free.push(slot);
        let name = self.names.get_mut(target.name).map(std::mem::take);
        if target.name != NONE {
            self.names.free.push(target.name);
        }
        let rare = self.rare.get_mut(target.rare).copied().unwrap_or_default();
        if target.rare != NONE {
            self.rare.free.push(target.rare);
        }
        Some((target, name, rare))
    }

    /// Every slot that is taken.
    pub fn slots(&self) -> Vec<u32> {
        let taken = self.targets.values.iter().zip(0..).filter(|(target, _)| target.first != 0);
        taken.map(|(_, slot)| slot).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::in_flight::Probe;
    use super::*;

    #[test]
    fn a_target_with_its_probe_takes_less_than_two_hundred_octets() {
        // And its number in a timer queue, and that of its free slot.
        assert!(
            size_of::<ActiveTarget>() + size_of::<Probe>() + 8 + 4 <= 200,
            "{} {}",
            size_of::<ActiveTarget>(),
            size_of::<Probe>()
        );
    }

    #[test]
    fn a_slot_is_reused_and_knows_its_probes() {
        let endpoint = IpEndpoint::from_address("192.0.2.1".parse().unwrap());
        let mut targets = ActiveTargets::new(2);
        let slot = targets.insert(endpoint, Some("a".into()), 5, Instant::ZERO);
        targets.row(slot)[1] = 7;
        targets.rare(slot).unwrap().late = 3;
        assert!(targets.of_probe(slot, 4).is_none() && targets.of_probe(slot, 5).is_some());
        let (_, name, rare) = targets.remove(slot).unwrap();
        assert_eq!((name.as_deref(), rare.late), (Some("a"), 3));
        assert!(targets.of_probe(slot, 5).is_none() && targets.remove(slot).is_none() && targets.is_empty());
        assert_eq!(targets.insert(endpoint, None, 9, Instant::ZERO), slot);
        assert_eq!((targets.row(slot)[1], targets.rare(slot).unwrap().late), (u64::MAX, 0));
        assert!(targets.of_probe(slot, 8).is_none());
    }
}
