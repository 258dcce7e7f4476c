//! Where a path ends, as all of its answers together show: [`End`].

use std::net::IpAddr;

use super::Path;
use super::distance::{self, Distance};
use super::hop::{HopState, Slot};
use crate::trace::ends::StopReason;
use crate::trace::finding;
use crate::trace::fleet::probes;
use crate::types::Ttl;

/// Where a path ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::trace) struct End {
    /// The last TTL that belongs to the path.
    pub ttl: u8,
    pub reason: StopReason,
    /// Whether it cannot be nearer.
    pub proven: bool,
    /// The lowest TTL of a probe whose answer ends the path. Where that is beyond `ttl`, only a quote shows the end, and a router
    /// that answers before it refutes that.
    pub asked: u8,
}

/// Addresses that were seen, a bit for each: one whose bit is not set is new. Most routers are, which this tells without a look at
/// every hop.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sightings(u64);

impl Sightings {
    /// Notes `address`. False if it is new for sure.
    pub fn note(&mut self, address: IpAddr) -> bool {
        let number = match address {
            IpAddr::V4(address) => u64::from(address.to_bits()),
            IpAddr::V6(address) => (address.to_bits() >> 64) as u64 ^ address.to_bits() as u64,
        };
        let bit = 1 << (probes::spread(number) >> 58);
        let seen = self.0 & bit != 0;
        self.0 |= bit;
        seen
    }
}

impl Path {
    /// Where the path ends by now, beyond the hops that are final: at the lowest TTL that ends it; of several answers at one TTL,
    /// the destination's counts.
    pub(super) fn find_end(&self) -> Option<End> {
        let refused = self.refused();
        let router = self.router.max(refused.map(|end| end.ttl));
        let distance = Distance::of(self.answers(), self.final_ttl, (router, |ttl| router == Some(ttl)), self.first());
        let destination =
            distance.map(|Distance { ttl, proven, asked }| End { ttl, reason: StopReason::Destination, proven, asked });
        destination.into_iter().chain(refused).chain(self.circle).min_by_key(|end| end.ttl)
    }

    /// The slots with an answer that ends the path, lowest TTL first.
    fn ends(&self) -> impl Iterator<Item = (&Slot, StopReason)> + Clone {
        self.hops.iter().flat_map(|hop| &hop.slots).filter_map(|slot| Some((slot, slot.ends?)))
    }

    /// The answers of the destination: the TTL of each probe, and how far away the quote shows it.
    fn answers(&self) -> impl Iterator<Item = (u8, Option<u8>)> + Clone {
        let answers = self.ends().filter(|&(_, reason)| reason == StopReason::Destination);
        answers.map(|(slot, _)| (slot.ttl, self.shown(slot)))
    }

    /// How far away the quote in this answer shows who gave it.
    fn shown(&self, slot: &Slot) -> Option<u8> {
        distance::shown(slot.ttl, slot.arrival.as_ref()?.quoted_ttl?, self.first())
    }

    /// The nearest hop from which a probe could not be delivered.
    fn refused(&self) -> Option<End> {
        let refused = self.ends().filter(|&(_, reason)| reason != StopReason::Destination);
        let ends = refused.filter_map(|(slot, reason)| {
            let arrival = slot.arrival.as_ref()?;
            let (ttl, quoted) = self.refused_at(arrival.responder, arrival.quoted_ttl, slot.ttl);
            Some(End { ttl, reason, proven: false, asked: if quoted { slot.ttl } else { ttl } })
        });
        ends.filter(|end| end.ttl > self.final_ttl).min_by_key(|end| end.ttl)
    }

    /// The hop at which an unreachable is shown that came back for a probe sent with `ttl`, and whether only a quote says so: the
    /// router that cannot deliver got all probes that run past it, and limits its errors. Its own hop shows it, or its quote; it
    /// answers for the next.
    fn refused_at(&self, responder: IpAddr, quoted: Option<Ttl>, ttl: u8) -> (u8, bool) {
        let below = self.hops.iter().rev().skip_while(|hop| hop.ttl >= ttl);
        let below = below.take_while(|hop| hop.is_silent() && hop.ttl > self.final_ttl).last();
        let Some(first_silent) = below.map(|hop| hop.ttl) else { return (ttl, false) };
        let own = self.hops.iter().find(|hop| hop.router() == Some(responder)).map(|hop| hop.ttl.saturating_add(1));
        let shown = quoted.and_then(|quoted| distance::shown(ttl, quoted, self.first()));
        let shown = shown.filter(|&shown| self.router.is_none_or(|router| router < shown));
        (own.or(shown).map_or(ttl, |given| given.clamp(first_silent, ttl)), own.is_none())
    }

    /// A path that goes in circles ends after the second turn. An answer can only close a circle with a router seen before.
    /// True if the one to a probe with `ttl` does.
    pub(super) fn note_circle(&mut self, ttl: u8) -> bool {
        if self.end.is_some() {
            return false;
        }
        let router = self.hop(ttl).and_then(HopState::router);
        let seen = |hop: &HopState| hop.ttl != ttl && hop.router() == router;
        // A probe leaves to a TTL only after one has left to the TTL before.
        if router.is_none() || !self.hops.iter().take_while(|hop| hop.is_begun()).any(seen) {
            return false;
        }
        let circle = finding::circle(self.hops(), |hop| hop.ttl, HopState::router);
        self.circle = circle.map(|(ttl, period, _)| {
            let ttl = ttl.saturating_add(period.saturating_mul(2)).saturating_sub(1);
            End { ttl, reason: StopReason::Loop, proven: true, asked: ttl }
        });
        self.circle.is_some()
    }
}
