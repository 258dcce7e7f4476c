//! Links between nodes: [`Link`], its two [`Direction`]s, and [`Pick`], the packets that a fault applies to.

use std::ops::{Range, RangeFrom, RangeFull, RangeInclusive};
use std::time::Duration;

use fastrand::Rng;

use super::packet::{self, put};
use crate::types::Mtu;

/// Which of a row of packets, numbered from 1.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Pick {
    /// None.
    #[default]
    Never,
    /// Each with this probability, 0 to 1, independently.
    Rate(f64),
    /// Those with these numbers.
    These(Vec<u64>),
    /// Those from the first number to the last, both included.
    Between(u64, u64),
}

impl Pick {
    pub(super) fn hits(&self, number: u64, random: &mut Rng) -> bool {
        match self {
            Pick::Never => false,
            Pick::Rate(rate) => random.f64() < *rate,
            Pick::These(numbers) => numbers.contains(&number),
            Pick::Between(first, last) => (*first..=*last).contains(&number),
        }
    }
}

impl From<f64> for Pick {
    fn from(rate: f64) -> Self {
        Pick::Rate(rate)
    }
}

impl<const N: usize> From<[u64; N]> for Pick {
    fn from(numbers: [u64; N]) -> Self {
        Pick::These(numbers.to_vec())
    }
}

impl From<RangeFull> for Pick {
    fn from(_: RangeFull) -> Self {
        Pick::Between(0, u64::MAX)
    }
}

impl From<RangeFrom<u64>> for Pick {
    fn from(range: RangeFrom<u64>) -> Self {
        Pick::Between(range.start, u64::MAX)
    }
}

impl From<Range<u64>> for Pick {
    fn from(range: Range<u64>) -> Self {
        range.end.checked_sub(1).map_or(Pick::Never, |last| Pick::Between(range.start, last))
    }
}

impl From<RangeInclusive<u64>> for Pick {
    fn from(range: RangeInclusive<u64>) -> Self {
        Pick::Between(*range.start(), *range.end())
    }
}

/// A link between two nodes, as it treats packets away from us and towards us.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Link {
    /// Away from us.
    pub(super) outward: Direction,
    /// Towards us.
    pub(super) homeward: Direction,
}

impl Link {
    /// A link with this delay each way and nothing else.
    pub fn after(delay: Duration) -> Self {
        Link { outward: Direction::after(delay), homeward: Direction::after(delay) }
    }

    /// The same link, treating packets away from us in this way.
    pub fn outward(self, outward: Direction) -> Self {
        Link { outward, ..self }
    }

    /// The same link, treating packets towards us in this way.
    pub fn homeward(self, homeward: Direction) -> Self {
        Link { homeward, ..self }
    }
}

/// One direction of a link.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Direction {
    delay: Duration,
    variation: Duration,
    lose: Pick,
    duplicate: Pick,
    hold_back: Option<(Pick, Duration)>,
    corrupt: Vec<(Pick, Damage)>,
    limit: Option<SizeLimit>,
}

/// What corruption does to a packet: it inverts one octet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Which octet, counted from the transport header on.
    pub octet: usize,
    /// Whether the transport checksum is corrected, so that only the payload shows the damage.
    pub repaired: bool,
}

/// The largest packet a way takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct SizeLimit {
    pub(super) mtu: Mtu,
    /// Whether larger packets vanish instead of being answered with «too big».
    pub(super) blackhole: bool,
}

impl Direction {
    /// A way with this delay and nothing else.
    pub fn after(delay: Duration) -> Self {
        Direction { delay, ..Direction::default() }
    }

    /// Each packet takes up to this much longer, evenly distributed; packets may overtake each other.
    pub fn vary(self, variation: Duration) -> Self {
        Direction { variation, ..self }
    }

    /// These packets are lost.
    pub fn lose(self, pick: impl Into<Pick>) -> Self {
        Direction { lose: pick.into(), ..self }
    }

    /// These packets arrive twice.
    pub fn duplicate(self, pick: impl Into<Pick>) -> Self {
        Direction { duplicate: pick.into(), ..self }
    }

    /// These packets take this much longer, so that later ones may overtake them.
    pub fn hold_back(self, pick: impl Into<Pick>, longer: Duration) -> Self {
        Direction { hold_back: Some((pick.into(), longer)), ..self }
    }

    /// These packets are damaged.
    pub fn corrupt(mut self, pick: impl Into<Pick>, damage: Damage) -> Self {
        self.corrupt.push((pick.into(), damage));
        self
    }

    /// Larger packets that may not be fragmented are answered with «too big» by the node before this way.
    pub fn mtu(self, mtu: Mtu) -> Self {
        Direction { limit: Some(SizeLimit { mtu, blackhole: false }), ..self }
    }

    /// Larger packets vanish.
    pub fn blackhole_above(self, mtu: Mtu) -> Self {
        Direction { limit: Some(SizeLimit { mtu, blackhole: true }), ..self }
    }

    pub(super) fn limit(&self) -> Option<SizeLimit> {
        self.limit
    }

    /// The octets of packet `number` that leave this way at the other end, each with its delay.
    pub(super) fn pass(&self, number: u64, mut octets: Vec<u8>, random: &mut Rng) -> Vec<(Duration, Vec<u8>)> {
        if self.lose.hits(number, random) {
            return Vec::new();
        }
        for (pick, damage) in &self.corrupt {
            if pick.hits(number, random) {
                damage.inflict(&mut octets);
            }
        }
        let held = match &self.hold_back {
            Some((pick, longer)) if pick.hits(number, random) => *longer,
            _ => Duration::ZERO,
        };
        let first = self.transit(random) + held;
        if self.duplicate.hits(number, random) {
            return vec![(first, octets.clone()), (self.transit(random) + held, octets)];
        }
        vec![(first, octets)]
    }

    fn transit(&self, random: &mut Rng) -> Duration {
        let most = u64::try_from(self.variation.as_nanos()).unwrap_or(u64::MAX);
        let extra = if most == 0 { 0 } else { random.u64(0..=most) };
        self.delay + Duration::from_nanos(extra)
    }
}

impl Damage {
    /// Inverts the octet.
    fn inflict(self, octets: &mut [u8]) {
        let start = packet::transport_offset(octets);
        let Some(octet) = octets.get_mut(start.saturating_add(self.octet)) else { return };
        *octet = !*octet;
        if !self.repaired {
            return;
        }
        let Ok(damaged) = crate::wire::ip::parse(octets) else { return };
        let mut whole =
            packet::Packet::new(damaged.source, damaged.destination, damaged.protocol, damaged.payload.to_vec());
        whole.write_checksum();
        put(octets, start, &whole.transport);
    }
}
