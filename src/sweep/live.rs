//! Targets under way: [`Lives`].

use crate::channel::OsError;
use crate::metrics::Brief;
use crate::types::{Instant, IpEndpoint};

/// A target from its first probe until it is told.
#[derive(Clone, Copy, Debug)]
pub struct Live {
    /// Where it is.
    pub endpoint: IpEndpoint,
    /// Which of [`Lives::names`], if it was typed otherwise.
    name: u32,
    /// Which of [`Lives::extras`], if anything befell it that befalls few.
    extra: u32,
    /// Number of its first probe; what has a smaller one is about who had this place before. 0: nobody has it.
    pub first: u64,
    /// When that left.
    pub began: Instant,
    /// Delays by the kind of stamps that came first.
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
    /// The run of lost probes at the end, and the longest.
    pub run: u32,
    pub longest_run: u32,
    /// Which attempt, from 1, is the newest that was answered.
    pub newest: u32,
}

/// What befalls few targets.
#[derive(Clone, Copy, Debug, Default)]
pub struct Extra {
    pub unreachable: u32,
    pub send_failed: u32,
    pub pushed_back: u32,
    pub error: Option<OsError>,
    pub duplicates: u64,
    pub late: u64,
    pub reordered: u32,
    pub bad_checksum: u64,
    pub payload_changed: u32,
    pub truncated: u32,
    pub wrong_source: u32,
    /// Delays by the other kind of stamps.
    pub other_rtt: Brief,
}

/// Values in places that are used again.
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
            && let Some(place) = self.values.get_mut(at as usize)
        {
            *place = value;
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

/// No name, nothing extra.
const NONE: u32 = u32::MAX;

/// Targets under way, by places that are used again.
#[derive(Debug)]
pub struct Lives {
    lives: Slab<Live>,
    names: Slab<Box<str>>,
    extras: Slab<Extra>,
    count: usize,
    /// Delays of each probe, `per_target` for each place; `u64::MAX` is none.
    cells: Vec<u64>,
    per_target: usize,
}

impl Lives {
    /// So many places there are at most: their numbers are 24 bits of a probe's.
    pub const MOST: usize = 1 << 24;

    /// None yet; keeps the delays of so many probes for each.
    pub const fn new(per_target: usize) -> Self {
        Lives { lives: Slab::new(), names: Slab::new(), extras: Slab::new(), count: 0, cells: Vec::new(), per_target }
    }

    /// Whether there is nobody.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether nobody else has a place.
    pub const fn is_full(&self) -> bool {
        self.count >= Self::MOST
    }

    /// A new target, whose first probe will have the number `first`. Gives its place.
    pub fn insert(&mut self, endpoint: IpEndpoint, name: Option<Box<str>>, first: u64, now: Instant) -> u32 {
        self.count += 1;
        let slot = self.lives.insert(Live {
            endpoint,
            name: name.map_or(NONE, |name| self.names.insert(name)),
            extra: NONE,
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
            let cells = self.lives.values.len() * self.per_target;
            self.cells.resize(cells.max(self.cells.len()), u64::MAX);
            self.row(slot).fill(u64::MAX);
        }
        slot
    }

    /// Who has this place, if the probe with this number is about them.
    pub fn of_probe(&mut self, slot: u32, number: u64) -> Option<&mut Live> {
        self.lives.get_mut(slot).filter(|live| live.first != 0 && live.first <= number)
    }

    /// What befell them that befalls few.
    pub fn extra(&mut self, slot: u32) -> Option<&mut Extra> {
        let live = self.lives.values.get_mut(slot as usize)?;
        if live.extra == NONE {
            live.extra = self.extras.insert(Extra::default());
        }
        self.extras.get_mut(live.extra)
    }

    /// The delays of their probes.
    pub fn row(&mut self, slot: u32) -> &mut [u64] {
        let start = slot as usize * self.per_target;
        self.cells.get_mut(start..start + self.per_target).unwrap_or_default()
    }

    /// They are told: their place is free.
    pub fn remove(&mut self, slot: u32) -> Option<(Live, Option<Box<str>>, Extra)> {
        let place = self.lives.get_mut(slot).filter(|live| live.first != 0)?;
        let live = *place;
        place.first = 0;
        self.count -= 1;
        self.lives.free.push(slot);
        let name = self.names.get_mut(live.name).map(std::mem::take);
        if live.name != NONE {
            self.names.free.push(live.name);
        }
        let extra = self.extras.get_mut(live.extra).copied().unwrap_or_default();
        if live.extra != NONE {
            self.extras.free.push(live.extra);
        }
        Some((live, name, extra))
    }

    /// Every place that somebody has.
    pub fn slots(&self) -> Vec<u32> {
        let taken = self.lives.values.iter().zip(0..).filter(|(live, _)| live.first != 0);
        taken.map(|(_, slot)| slot).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::flight::Probe;
    use super::*;

    #[test]
    fn a_target_with_its_probe_takes_less_than_two_hundred_octets() {
        // And its number in a timer queue, and that of its free place.
        assert!(size_of::<Live>() + size_of::<Probe>() + 8 + 4 <= 200, "{} {}", size_of::<Live>(), size_of::<Probe>());
    }

    #[test]
    fn a_place_is_used_again_and_knows_its_probes() {
        let endpoint = IpEndpoint::from_address("192.0.2.1".parse().unwrap());
        let mut lives = Lives::new(2);
        let slot = lives.insert(endpoint, Some("a".into()), 5, Instant::ZERO);
        lives.row(slot)[1] = 7;
        lives.extra(slot).unwrap().late = 3;
        assert!(lives.of_probe(slot, 4).is_none() && lives.of_probe(slot, 5).is_some());
        let (_, name, extra) = lives.remove(slot).unwrap();
        assert_eq!((name.as_deref(), extra.late), (Some("a"), 3));
        assert!(lives.of_probe(slot, 5).is_none() && lives.remove(slot).is_none() && lives.is_empty());
        assert_eq!(lives.insert(endpoint, None, 9, Instant::ZERO), slot);
        assert_eq!((lives.row(slot)[1], lives.extra(slot).unwrap().late), (u64::MAX, 0));
        assert!(lives.of_probe(slot, 8).is_none());
    }
}
