//! The series that something which arrived may belong to: by cookie, by address, by lane.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::net::IpAddr;

use super::series::Series;
use crate::channel::{LaneId, Profile, Protocol};
use crate::engine::outcome::SubjectId;
use crate::types::Family;
use crate::wire::payload::COOKIE_OCTETS;

/// A series by number, and its slot.
type Member = (SubjectId, u32);

/// Series in the order of their numbers. Nearly always there is one, which takes as little room as it can.
type Members = Vec<Member>;

type CookieKey = [u8; COOKIE_OCTETS];

/// All series, by slot, by what answers to their probes carry. Each look-up costs the same however many series there are.
#[derive(Debug, Default)]
pub(super) struct Index {
    lanes: Vec<Lane>,
    by_cookie: HashMap<(LaneId, CookieKey), Members>,
    /// The series with this address, newest last. A list may have the same target thousands of times.
    by_address: HashMap<(LaneId, IpAddr), Members>,
    /// Series that other hosts than their target answer.
    groups: HashMap<LaneId, Members>,
    /// How many octets of their cookies probes have room for, longest first, with the number of series.
    cookie_octets: Vec<(usize, usize)>,
}

#[derive(Debug)]
struct Lane {
    id: LaneId,
    profile: Profile,
    series: BTreeSet<u32>,
}

impl Index {
    /// Adds a series; one that cannot be probed is left out.
    pub(super) fn insert(&mut self, slot: u32, series: &Series) {
        let Some(route) = series.route() else { return };
        match self.lanes.iter_mut().find(|lane| lane.id == route.lane) {
            Some(lane) => {
                lane.series.insert(slot);
            }
            None => self.lanes.push(Lane { id: route.lane, profile: route.profile, series: BTreeSet::from([slot]) }),
        }
        let octets = cookie_octets(series);
        match self.cookie_octets.iter_mut().find(|(known, _)| *known == octets) {
            Some((_, count)) => *count += 1,
            None => {
                self.cookie_octets.push((octets, 1));
                self.cookie_octets.sort_unstable_by(|one, other| other.cmp(one));
            }
        }
        if let Some(key) = key(series.cookie().octets(), octets) {
            put_in(&mut self.by_cookie, (route.lane, key), (series.id(), slot));
        }
        if let Some(endpoint) = route.to.ip() {
            put_in(&mut self.by_address, (route.lane, endpoint.address), (series.id(), slot));
        }
        if series.is_group() {
            put_in(&mut self.groups, route.lane, (series.id(), slot));
        }
    }

    /// Removes a series. Its lane stays known for series to come.
    pub(super) fn remove(&mut self, slot: u32, series: &Series) {
        let Some(route) = series.route() else { return };
        if let Some(lane) = self.lanes.iter_mut().find(|lane| lane.id == route.lane) {
            lane.series.remove(&slot);
        }
        let octets = cookie_octets(series);
        if let Some((_, count)) = self.cookie_octets.iter_mut().find(|(known, _)| *known == octets) {
            *count -= 1;
        }
        self.cookie_octets.retain(|(_, count)| *count > 0);
        let member = (series.id(), slot);
        if let Some(key) = key(series.cookie().octets(), octets) {
            take_out(&mut self.by_cookie, &(route.lane, key), member);
        }
        if let Some(endpoint) = route.to.ip() {
            take_out(&mut self.by_address, &(route.lane, endpoint.address), member);
        }
        take_out(&mut self.groups, &route.lane, member);
    }

    /// The profile of a lane, if a series ever used it.
    pub(super) fn profile(&self, lane: LaneId) -> Option<Profile> {
        self.lanes.iter().find(|known| known.id == lane).map(|lane| lane.profile)
    }

    /// An ICMP lane of this family, with its profile.
    pub(super) fn lane_of(&self, address: IpAddr) -> Option<(LaneId, Profile)> {
        let family = Family::of(address);
        let icmp = |lane: &&Lane| lane.profile.protocol == Protocol::Icmp && lane.profile.family == family;
        self.lanes.iter().find(icmp).map(|lane| (lane.id, lane.profile))
    }

    /// The one series whose cookie, as far as its probes have room for it, starts this payload.
    pub(super) fn with_cookie(&self, lane: LaneId, payload: &[u8]) -> Option<u32> {
        let series = |&(octets, _): &(usize, usize)| self.by_cookie.get(&(lane, key(payload, octets)?));
        only(self.cookie_octets.iter().find_map(series)?)
    }

    /// The series with this address, newest first.
    pub(super) fn at(&self, lane: LaneId, address: IpAddr) -> impl Iterator<Item = u32> {
        self.by_address.get(&(lane, address)).into_iter().flatten().rev().map(|&(_, slot)| slot)
    }

    /// The series of this lane that other hosts than their target answer.
    pub(super) fn groups(&self, lane: LaneId) -> impl Iterator<Item = u32> {
        self.groups.get(&lane).into_iter().flatten().map(|&(_, slot)| slot)
    }

    /// The series that has this lane for itself.
    pub(super) fn only(&self, lane: LaneId) -> Option<u32> {
        let series = &self.lanes.iter().find(|known| known.id == lane)?.series;
        series.first().copied().filter(|_| series.len() == 1)
    }

    /// The number of entries about series.
    #[cfg(test)]
    pub(super) fn entries(&self) -> usize {
        let lanes: usize = self.lanes.iter().map(|lane| lane.series.len()).sum();
        let groups: usize = self.groups.values().map(Vec::len).sum();
        lanes + self.by_cookie.len() + self.by_address.len() + groups + self.cookie_octets.len()
    }
}

/// How many octets of its cookie the probes of a series have room for.
pub(super) fn cookie_octets(series: &Series) -> usize {
    series.spec().payload.octets.min(COOKIE_OCTETS)
}

fn key(octets: &[u8], length: usize) -> Option<CookieKey> {
    let found = octets.get(..length).filter(|found| !found.is_empty())?;
    let mut key = CookieKey::default();
    key.iter_mut().zip(found).for_each(|(to, from)| *to = *from);
    Some(key)
}

fn only(series: &Members) -> Option<u32> {
    match **series {
        [(_, slot)] => Some(slot),
        _ => None,
    }
}

fn put_in<K: Hash + Eq>(map: &mut HashMap<K, Members>, key: K, member: Member) {
    let series = map.entry(key).or_insert_with(|| Vec::with_capacity(1));
    if let Err(at) = series.binary_search(&member) {
        series.insert(at, member);
    }
}

fn take_out<K: Hash + Eq>(map: &mut HashMap<K, Members>, key: &K, member: Member) {
    if let Some(series) = map.get_mut(key) {
        if let Ok(at) = series.binary_search(&member) {
            series.remove(at);
        }
        if series.is_empty() {
            map.remove(key);
        }
    }
}
