//! Present clients, shared fairly among their sources: [`Clients`].

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::expiring::Expiring;
use super::limiter::share;
use crate::types::{Endpoint, Instant};

/// Clients that are forgotten when they are idle, of which only a limited number can be present. When there is no room for another, the
/// source that has most gives up the one that was idle longest, unless the newcomer's has as many: no source keeps others out,
/// and where all have equal shares no client is displaced.
///
/// A source is an address, for IPv6 a /64; all local sockets are one.
#[derive(Debug)]
pub(super) struct Clients<K, V> {
    entries: Expiring<K, (IpAddr, V)>,
    most: usize,
    /// How many each source has, and the same in the order of these numbers.
    held: BTreeMap<IpAddr, usize>,
    ranks: BTreeSet<(usize, IpAddr)>,
}

/// Room for another client.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Room<K, V> {
    /// There is some.
    Free,
    /// This one has been displaced.
    InPlaceOf(K, V),
    /// There is none.
    None,
}

impl<K: Ord + Clone, V> Clients<K, V> {
    /// No clients yet, and at most this many, each forgotten when it was idle for so long.
    pub(super) fn new(most: usize, idle: Duration) -> Self {
        Clients { entries: Expiring::new(idle), most, held: BTreeMap::new(), ranks: BTreeSet::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Makes room for a client of the source of `peer`, at the cost of another source if need be.
    pub(super) fn make_room(&mut self, peer: &Endpoint) -> Room<K, V> {
        if self.entries.len() < self.most {
            return Room::Free;
        }
        let held = self.held.get(&source(peer)).copied().unwrap_or_default();
        let Some(&(largest, holder)) = self.ranks.last() else { return Room::None };
        if largest < held + 2 {
            return Room::None;
        }
        let idle_longest = self.entries.idle_longest(|(source, _)| *source == holder).cloned();
        match idle_longest.and_then(|key| Some((self.remove(&key)?, key))) {
            Some((value, key)) => Room::InPlaceOf(key, value),
            None => Room::None,
        }
    }

    /// Adds a client, in place of the one with the same key.
    pub(super) fn insert(&mut self, peer: &Endpoint, key: K, value: V, now: Instant) {
        self.remove(&key);
        let source = source(peer);
        self.rank(source, |held| held + 1);
        self.entries.insert(key, (source, value), now);
    }

    /// The client, without using it.
    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.entries.get_mut(key).map(|(_, value)| value)
    }

    /// The client; counts as a use.
    pub(super) fn touch(&mut self, key: &K, now: Instant) -> Option<&mut V> {
        self.entries.touch(key, now).map(|(_, value)| value)
    }

    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        let (source, value) = self.entries.remove(key)?;
        self.rank(source, |held| held - 1);
        Some(value)
    }

    /// Any client, taken out.
    pub(super) fn pop(&mut self) -> Option<(K, V)> {
        let (key, (source, value)) = self.entries.pop()?;
        self.rank(source, |held| held - 1);
        Some((key, value))
    }

    /// When to call [`Clients::pop_expired`] next.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.entries.next_due()
    }

    /// A client that was idle for too long, taken out.
    pub(super) fn pop_expired(&mut self, now: Instant) -> Option<(K, V)> {
        let (key, (source, value)) = self.entries.pop_expired(now)?;
        self.rank(source, |held| held - 1);
        Some((key, value))
    }

    fn rank(&mut self, source: IpAddr, change: impl FnOnce(usize) -> usize) {
        let before = self.held.remove(&source).unwrap_or_default();
        self.ranks.remove(&(before, source));
        let after = change(before);
        if after > 0 {
            self.held.insert(source, after);
            self.ranks.insert((after, source));
        }
    }
}

/// The source that a client counts for.
fn source(peer: &Endpoint) -> IpAddr {
    peer.ip().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| share(peer.address))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::IpEndpoint;

    fn peer(address: &str) -> Endpoint {
        Endpoint::Ip(IpEndpoint::from_address(address.parse().unwrap()))
    }

    fn at(seconds: u64) -> Instant {
        Instant::from_nanos(seconds * 1_000_000_000)
    }

    fn full(sources: [&str; 4]) -> Clients<usize, &str> {
        let mut clients = Clients::new(4, Duration::from_secs(60));
        for (key, address) in sources.into_iter().enumerate() {
            clients.insert(&peer(address), key, address, at(key as u64));
        }
        clients
    }

    #[test]
    fn the_source_with_most_clients_gives_up_the_one_that_was_idle_longest() {
        let mut clients = full(["192.0.2.1", "192.0.2.9", "192.0.2.1", "192.0.2.1"]);
        clients.touch(&0, at(9));
        assert_eq!(clients.make_room(&peer("192.0.2.2")), Room::InPlaceOf(2, "192.0.2.1"));
        clients.insert(&peer("192.0.2.2"), 4, "192.0.2.2", at(10));
        assert_eq!(clients.make_room(&peer("192.0.2.3")), Room::InPlaceOf(3, "192.0.2.1"));
        clients.insert(&peer("192.0.2.3"), 5, "192.0.2.3", at(10));
        assert_eq!(clients.make_room(&peer("192.0.2.4")), Room::None, "each has one");
        assert_eq!(clients.len(), 4);
    }

    #[test]
    fn a_source_with_the_largest_share_displaces_nobody() {
        let mut clients = full(["192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.2"]);
        assert_eq!(clients.make_room(&peer("192.0.2.1")), Room::None);
        assert_eq!(clients.remove(&2), Some("192.0.2.2"));
        assert_eq!(clients.make_room(&peer("192.0.2.1")), Room::Free);
    }

    #[test]
    fn an_ipv6_network_is_one_source() {
        let mut clients = full(["2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8:0:1::1"]);
        assert_eq!(clients.make_room(&peer("2001:db8::4")), Room::None);
        assert_eq!(clients.make_room(&peer("2001:db8:0:1::2")), Room::InPlaceOf(0, "2001:db8::1"));
    }

    #[test]
    fn shares_end_with_their_clients() {
        let mut clients = full(["192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.3"]);
        clients.pop();
        while clients.pop_expired(at(1000)).is_some() {}
        assert_eq!((clients.len(), clients.held.len(), clients.ranks.len()), (0, 0, 0));
    }
}
