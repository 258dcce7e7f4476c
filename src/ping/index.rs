//! Which series something that arrived may belong to: by cookie, by address, by lane.

use std::collections::HashMap;
use std::net::IpAddr;

use super::series::Route;
use crate::channel::{LaneId, Profile, Protocol};
use crate::types::Family;
use crate::wire::payload::{COOKIE_OCTETS, Cookie};

type CookieKey = [u8; COOKIE_OCTETS];

/// All series by what answers to their probes carry. Each look-up costs the same however many series there are.
#[derive(Debug)]
pub(super) struct Index {
    lanes: Vec<Lane>,
    by_cookie: HashMap<(LaneId, CookieKey), Owner>,
    /// The newest series with this address; older ones hang on `same_address`.
    by_address: HashMap<(LaneId, IpAddr), u32>,
    same_address: HashMap<u32, u32>,
    /// Series that others than their target answer.
    groups: Vec<(LaneId, u32)>,
    cookie_octets: usize,
}

#[derive(Debug)]
struct Lane {
    id: LaneId,
    profile: Profile,
    owner: Owner,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    One(u32),
    Several,
}

impl Index {
    /// For probes with this many payload octets: a cookie may not have room in them.
    pub(super) fn new(payload_octets: usize) -> Self {
        Index {
            lanes: Vec::new(),
            by_cookie: HashMap::new(),
            by_address: HashMap::new(),
            same_address: HashMap::new(),
            groups: Vec::new(),
            cookie_octets: payload_octets.min(COOKIE_OCTETS),
        }
    }

    /// Adds a series.
    pub(super) fn insert(&mut self, series: u32, route: &Route, cookie: &Cookie, group: bool) {
        match self.lanes.iter_mut().find(|lane| lane.id == route.lane) {
            Some(lane) => lane.owner = Owner::Several,
            None => self.lanes.push(Lane { id: route.lane, profile: route.profile, owner: Owner::One(series) }),
        }
        if let Some(key) = self.key(cookie.octets()) {
            let owner = self.by_cookie.entry((route.lane, key)).or_insert(Owner::One(series));
            if *owner != Owner::One(series) {
                *owner = Owner::Several;
            }
        }
        if let Some(endpoint) = route.to.ip()
            && let Some(older) = self.by_address.insert((route.lane, endpoint.address), series)
        {
            self.same_address.insert(series, older);
        }
        if group {
            self.groups.push((route.lane, series));
        }
    }

    /// What is special about a lane, if a series uses it.
    pub(super) fn profile(&self, lane: LaneId) -> Option<Profile> {
        self.lanes.iter().find(|known| known.id == lane).map(|lane| lane.profile)
    }

    /// An ICMP lane of this family, with its profile.
    pub(super) fn lane_of(&self, address: IpAddr) -> Option<(LaneId, Profile)> {
        let family = Family::of(address);
        let icmp = |lane: &&Lane| lane.profile.protocol == Protocol::Icmp && lane.profile.family == family;
        self.lanes.iter().find(icmp).map(|lane| (lane.id, lane.profile))
    }

    /// The series whose cookie, as far as its probes have room for it, starts this payload.
    pub(super) fn with_cookie(&self, lane: LaneId, payload: &[u8]) -> Option<u32> {
        self.key(payload).and_then(|key| self.by_cookie.get(&(lane, key))).and_then(|owner| owner.one())
    }

    /// The series with this address, newest first.
    pub(super) fn at(&self, lane: LaneId, address: IpAddr) -> impl Iterator<Item = u32> {
        let newest = self.by_address.get(&(lane, address)).copied();
        std::iter::successors(newest, |series| self.same_address.get(series).copied())
    }

    /// The series of this lane that others than their target answer.
    pub(super) fn groups(&self, lane: LaneId) -> impl Iterator<Item = u32> {
        self.groups.iter().filter(move |(of, _)| *of == lane).map(|&(_, series)| series)
    }

    /// The series that has this lane for itself.
    pub(super) fn only(&self, lane: LaneId) -> Option<u32> {
        self.lanes.iter().find(|known| known.id == lane).and_then(|lane| lane.owner.one())
    }

    fn key(&self, octets: &[u8]) -> Option<CookieKey> {
        let found = octets.get(..self.cookie_octets).filter(|found| !found.is_empty())?;
        let mut key = CookieKey::default();
        key.iter_mut().zip(found).for_each(|(to, from)| *to = *from);
        Some(key)
    }
}

impl Owner {
    fn one(self) -> Option<u32> {
        match self {
            Owner::One(series) => Some(series),
            Owner::Several => None,
        }
    }
}
