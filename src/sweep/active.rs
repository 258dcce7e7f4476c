//! Targets in flight: [`ActiveTargets`].

use std::net::{IpAddr, Ipv4Addr};

use super::slab::{NONE, Slab};
use crate::channel::OsError;
use crate::metrics::Brief;
use crate::types::{Instant, IpEndpoint};

/// A target that more is known of than a [`Seat`] holds.
#[derive(Clone, Copy, Debug)]
pub struct ActiveTarget {
    /// Its address.
    pub endpoint: IpEndpoint,
    /// Index into `names`, or `NONE`: the name as typed, where that is not the address.
    name: u32,
    /// Index into `rare`, or `NONE`: rare outcomes are kept apart so that the common entry stays small.
    rare: u32,
    /// Delays by the kind of stamp that the first reply had.
    pub rtt: Brief,
    /// Probes ordered.
    pub ordered: u32,
    /// Probes ordered and not closed.
    pub open: u32,
    pub sent: u32,
    pub received: u32,
    pub refused: u32,
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
    /// Whether its service answered, in whatever way.
    pub seen_open: bool,
    /// Whether packets to it had no neighbour to go to, so that none has left.
    pub misses_neighbour: bool,
    /// Delays by the other kind of stamp.
    pub other_rtt: Brief,
}

/// What is kept of every target in flight. That is all as long as a target is probed again until it answers and nothing has come
/// from it: most of a sweep's targets never get more.
#[derive(Clone, Copy, Debug)]
struct Seat {
    /// Number of its first probe; smaller ones belong to an earlier target in the same slot.
    first: u64,
    /// When that was sent.
    began: Instant,
    rest: Rest,
}

/// The rest of a [`Seat`].
#[derive(Clone, Copy, Debug)]
enum Rest {
    /// Of a free slot, the next free one or `NONE`.
    Free(u32),
    /// Nothing has come from it.
    Silent(Silent),
    /// Index into `known`.
    Known(u32),
}

/// A target that nothing has come from, and that is probed again only after its last probe was lost.
#[derive(Clone, Copy, Debug)]
struct Silent {
    address: Ipv4Addr,
    /// 0: none.
    port: u16,
    /// Probes ordered.
    ordered: u8,
    newest: Newest,
}

/// The state of the probe to a [`Silent`] target that was ordered last. Those before it are lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Newest {
    Ordered,
    Sent,
    Lost,
}

impl Seat {
    fn is_taken(&self) -> bool {
        !matches!(self.rest, Rest::Free(_))
    }
}

impl Silent {
    fn endpoint(&self) -> IpEndpoint {
        IpEndpoint::from_address(self.address.into()).with_port(self.port)
    }

    /// Probes ordered and not closed.
    fn open(&self) -> u32 {
        (self.newest != Newest::Lost).into()
    }

    fn sent(&self) -> u32 {
        u32::from(self.ordered) - u32::from(self.newest == Newest::Ordered)
    }

    fn lost(&self) -> u32 {
        u32::from(self.ordered) - self.open()
    }
}

/// How far the probing of a target is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Its address.
    pub endpoint: IpEndpoint,
    /// Number of its first probe.
    pub first: u64,
    /// Probes ordered.
    pub ordered: u32,
    /// Probes ordered and not closed.
    pub open: u32,
}

/// What was known of a target that has ended.
#[derive(Debug)]
pub struct Gone {
    pub target: ActiveTarget,
    /// When its first probe was sent.
    pub began: Instant,
    pub name: Option<Box<str>>,
    pub rare: Rare,
}

/// Targets in flight, in slots that are reused.
#[derive(Debug)]
pub struct ActiveTargets {
    seats: Vec<Seat>,
    /// The free slot that is taken next, or `NONE`.
    free: u32,
    known: Slab<ActiveTarget>,
    names: Slab<Box<str>>,
    rare: Slab<Rare>,
    count: usize,
    /// Delays of each probe, `per_target` for each slot; `u64::MAX` is none.
    cells: Vec<u64>,
    per_target: usize,
    /// Whether each target has no more than one open probe until it is answered.
    until_answered: bool,
}

impl ActiveTargets {
    /// The most slots: their numbers are 24 bits of a probe's.
    pub const MOST: usize = 1 << 24;

    /// None yet; keeps the delays of `per_target` probes for each.
    pub const fn new(per_target: usize, until_answered: bool) -> Self {
        ActiveTargets {
            seats: Vec::new(),
            free: NONE,
            known: Slab::new(),
            names: Slab::new(),
            rare: Slab::new(),
            count: 0,
            cells: Vec::new(),
            per_target,
            until_answered,
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
        let (address, fits) = match endpoint {
            IpEndpoint { address: IpAddr::V4(address), zone: None, .. } => (address, self.until_answered),
            _ => (Ipv4Addr::UNSPECIFIED, false),
        };
        let silent = Silent { address, port: endpoint.port_number(), ordered: 0, newest: Newest::Lost };
        let slot = self.take(Seat { first, began: now, rest: Rest::Silent(silent) });
        if !fits || name.is_some() {
            let name = name.map_or(NONE, |name| self.names.insert(name));
            self.know(slot, ActiveTarget { name, endpoint, ..ActiveTarget::from(silent) });
        }
        if self.per_target > 0 {
            let cells = self.seats.len() * self.per_target;
            self.cells.resize(cells.max(self.cells.len()), u64::MAX);
            self.row(slot).fill(u64::MAX);
        }
        slot
    }

    /// The slot of a new seat.
    fn take(&mut self, seat: Seat) -> u32 {
        if let Some(free) = self.seats.get_mut(self.free as usize)
            && let Rest::Free(next) = std::mem::replace(free, seat).rest
        {
            return std::mem::replace(&mut self.free, next);
        }
        self.seats.push(seat);
        // At most MOST are taken.
        (self.seats.len() - 1) as u32
    }

    /// From now on there is more to know about the target in this slot; returns where that is.
    fn know(&mut self, slot: u32, target: ActiveTarget) -> u32 {
        let known = self.known.insert(target);
        if let Some(seat) = self.seats.get_mut(slot as usize) {
            seat.rest = Rest::Known(known);
        }
        known
    }

    fn seat(&mut self, slot: u32, number: u64) -> Option<&mut Seat> {
        self.seats.get_mut(slot as usize).filter(|seat| seat.is_taken() && seat.first <= number)
    }

    /// Whether the probe with this number belongs to the target in this slot.
    pub fn has(&mut self, slot: u32, number: u64) -> bool {
        self.seat(slot, number).is_some()
    }

    /// The target in this slot, if the probe with this number belongs to it. From now on there is more to know about it.
    pub fn of_probe(&mut self, slot: u32, number: u64) -> Option<&mut ActiveTarget> {
        let known = match self.seat(slot, number)?.rest {
            Rest::Known(known) => known,
            Rest::Silent(silent) => self.know(slot, silent.into()),
            Rest::Free(_) => return None,
        };
        self.known.get_mut(known)
    }

    /// How far the target is that the probe with this number belongs to.
    pub fn progress(&mut self, slot: u32, number: u64) -> Option<Progress> {
        let &mut Seat { first, rest, .. } = self.seat(slot, number)?;
        match rest {
            Rest::Known(known) => {
                let &ActiveTarget { endpoint, ordered, open, .. } = self.known.get(known)?;
                Some(Progress { endpoint, first, ordered, open })
            }
            Rest::Silent(silent) => {
                let (endpoint, ordered, open) = (silent.endpoint(), silent.ordered.into(), silent.open());
                Some(Progress { endpoint, first, ordered, open })
            }
            Rest::Free(_) => None,
        }
    }

    /// Another probe to it was ordered.
    pub fn ordered(&mut self, slot: u32, number: u64) {
        let Some(seat) = self.seat(slot, number) else { return };
        if let Rest::Silent(silent) = &mut seat.rest {
            (silent.ordered, silent.newest) = (silent.ordered + 1, Newest::Ordered);
        } else if let Some(target) = self.of_probe(slot, number) {
            (target.ordered, target.open) = (target.ordered + 1, target.open + 1);
        }
    }

    /// A probe to it was sent.
    pub fn sent(&mut self, slot: u32, number: u64, at: Instant) {
        let Some(seat) = self.seat(slot, number) else { return };
        if seat.first == number {
            seat.began = at;
        }
        if let Rest::Silent(silent) = &mut seat.rest {
            silent.newest = Newest::Sent;
        } else if let Some(target) = self.of_probe(slot, number) {
            target.sent += 1;
        }
    }

    /// Closes a lost probe to a target that nothing has come from; returns whether it was one.
    pub fn lost_silently(&mut self, slot: u32, number: u64) -> bool {
        match self.seat(slot, number) {
            Some(Seat { rest: Rest::Silent(silent), .. }) => {
                silent.newest = Newest::Lost;
                true
            }
            _ => false,
        }
    }

    /// Whether probes went to the target in this slot and no answer has come in time. An ICMP error may have: this host reports a
    /// neighbour that is not there when the wait may be over.
    pub fn is_unanswered(&self, slot: u32) -> bool {
        let target = match self.seats.get(slot as usize).map(|seat| seat.rest) {
            Some(Rest::Silent(silent)) => return silent.sent() > 0,
            Some(Rest::Known(known)) => self.known.get(known),
            Some(Rest::Free(_)) | None => None,
        };
        target.is_some_and(|target| target.sent > 0 && target.received + target.refused == 0)
    }

    /// The rare outcomes of the target in this slot.
    pub fn rare(&mut self, slot: u32) -> Option<&mut Rare> {
        let target = self.of_probe(slot, u64::MAX)?;
        if target.rare == NONE {
            let rare = self.rare.insert(Rare::default());
            self.of_probe(slot, u64::MAX)?.rare = rare;
            return self.rare.get_mut(rare);
        }
        let rare = target.rare;
        self.rare.get_mut(rare)
    }

    /// The delays of its probes.
    pub fn row(&mut self, slot: u32) -> &mut [u64] {
        let start = slot as usize * self.per_target;
        self.cells.get_mut(start..start + self.per_target).unwrap_or_default()
    }

    /// Frees the slot of a target that has ended.
    pub fn remove(&mut self, slot: u32) -> Option<Gone> {
        let target = *self.of_probe(slot, u64::MAX)?;
        let Seat { began, rest, .. } = self.free(slot)?;
        if let Rest::Known(known) = rest {
            self.known.free(known);
        }
        let name = self.names.get_mut(target.name).map(std::mem::take);
        self.names.free(target.name);
        let rare = self.rare.get(target.rare).copied().unwrap_or_default();
        self.rare.free(target.rare);
        Some(Gone { target, began, name, rare })
    }

    /// The same for a target that all probes were lost to, if nothing else was ever known about it; returns whether it was one.
    pub fn remove_silent(&mut self, slot: u32) -> bool {
        let is_silent = match self.seats.get(slot as usize).map(|seat| seat.rest) {
            Some(Rest::Silent(silent)) => silent.ordered > 0 && silent.newest == Newest::Lost,
            _ => false,
        };
        is_silent && self.free(slot).is_some()
    }

    /// Frees a seat; returns what it held.
    fn free(&mut self, slot: u32) -> Option<Seat> {
        let seat = self.seats.get_mut(slot as usize).filter(|seat| seat.is_taken())?;
        let free = Seat { rest: Rest::Free(self.free), ..*seat };
        self.free = slot;
        self.count -= 1;
        Some(std::mem::replace(seat, free))
    }

    /// Every slot that is taken.
    pub fn slots(&self) -> Vec<u32> {
        let taken = self.seats.iter().zip(0..).filter(|(seat, _)| seat.is_taken());
        taken.map(|(_, slot)| slot).collect()
    }
}

impl From<Silent> for ActiveTarget {
    fn from(silent: Silent) -> ActiveTarget {
        let lost = silent.lost();
        ActiveTarget {
            endpoint: silent.endpoint(),
            name: NONE,
            rare: NONE,
            rtt: Brief::default(),
            ordered: silent.ordered.into(),
            open: silent.open(),
            sent: silent.sent(),
            received: 0,
            refused: 0,
            lost,
            pending: 0,
            kernel: 0,
            run: lost,
            longest_run: lost,
            newest: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::in_flight::Probe;
    use super::*;

    #[test]
    fn a_silent_target_with_its_probe_takes_36_octets_and_an_answer_little_more() {
        assert_eq!((size_of::<Seat>(), size_of::<Probe>(), size_of::<ActiveTarget>()), (24, 12, 112));
    }

    #[test]
    fn what_is_known_of_a_silent_target_is_kept_when_something_comes() {
        let endpoint = IpEndpoint::from_address("192.0.2.1".parse().unwrap());
        let mut targets = ActiveTargets::new(0, true);
        let slot = targets.insert(endpoint, None, 5, Instant::ZERO);
        let at = Instant::from_nanos(9);
        targets.ordered(slot, 5);
        targets.sent(slot, 5, at);
        assert!(targets.lost_silently(slot, 5));
        targets.ordered(slot, 8);
        assert!(!targets.remove_silent(slot), "another is to be sent");
        targets.sent(slot, 8, Instant::from_nanos(10));
        assert!(!targets.remove_silent(slot), "and is open");
        targets.rare(slot).unwrap().late = 1;
        assert!(!targets.lost_silently(slot, 8));
        let Gone { target, began, rare, .. } = targets.remove(slot).unwrap();
        assert_eq!((target.endpoint, began, rare.late), (endpoint, at, 1));
        assert_eq!((target.ordered, target.open, target.sent, target.lost, target.longest_run), (2, 1, 2, 1, 1));
        assert!(targets.is_empty() && !targets.remove_silent(slot));
    }

    #[test]
    fn a_target_that_stays_silent_takes_its_seat_alone() {
        let endpoint = IpEndpoint::from_address("192.0.2.1".parse().unwrap());
        let mut targets = ActiveTargets::new(0, true);
        let slot = targets.insert(endpoint, None, 5, Instant::ZERO);
        targets.ordered(slot, 5);
        targets.sent(slot, 5, Instant::ZERO);
        assert!(targets.lost_silently(slot, 5) && targets.remove_silent(slot) && targets.is_empty());
        assert!(targets.known.get(0).is_none());
    }

    #[test]
    fn every_free_slot_is_taken_before_there_is_another() {
        let endpoint = IpEndpoint::from_address("192.0.2.1".parse().unwrap());
        let mut targets = ActiveTargets::new(0, true);
        let insert = |targets: &mut ActiveTargets, first| targets.insert(endpoint, None, first, Instant::ZERO);
        assert_eq!([1, 2, 3].map(|first| insert(&mut targets, first)), [0, 1, 2]);
        for slot in [2, 0] {
            targets.remove(slot).unwrap();
            assert!(targets.remove(slot).is_none());
        }
        assert_eq!(targets.slots(), [1]);
        assert_eq!([4, 5, 6].map(|first| insert(&mut targets, first)), [0, 2, 3]);
        assert_eq!(targets.slots(), [0, 1, 2, 3]);
    }

    #[test]
    fn a_slot_is_reused_and_knows_its_probes() {
        let endpoint = IpEndpoint::from_address("192.0.2.1".parse().unwrap());
        let mut targets = ActiveTargets::new(2, false);
        let slot = targets.insert(endpoint, Some("a".into()), 5, Instant::ZERO);
        targets.row(slot)[1] = 7;
        targets.rare(slot).unwrap().late = 3;
        assert!(targets.of_probe(slot, 4).is_none() && targets.of_probe(slot, 5).is_some());
        let Gone { name, rare, .. } = targets.remove(slot).unwrap();
        assert_eq!((name.as_deref(), rare.late), (Some("a"), 3));
        assert!(targets.of_probe(slot, 5).is_none() && targets.remove(slot).is_none() && targets.is_empty());
        assert_eq!(targets.insert(endpoint, None, 9, Instant::ZERO), slot);
        assert_eq!((targets.row(slot)[1], targets.rare(slot).unwrap().late), (u64::MAX, 0));
        assert!(targets.of_probe(slot, 8).is_none());
    }
}
