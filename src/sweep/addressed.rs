//! From destinations to the probes that went there: [`Addressed`].

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;

use crate::wire::payload::Cookie;

/// Probes that are kept at least, unless they are fewer.
const KEPT: usize = 1 << 16;

/// The newest probes by where they went, for answers and errors that name none: a datagram of a service that gives nothing
/// back, a quote of a few octets.
///
/// Low halves of hashes and of numbers are kept, which is enough with the address that the target of each probe has.
#[derive(Debug)]
pub struct Addressed {
    cookie: Cookie,
    /// The newest probe of each destination.
    newest: HashMap<u32, u32>,
    /// For the other probes, that before each.
    before: HashMap<u32, u32>,
    /// How many are kept until the old ones are forgotten.
    most: usize,
    last: u64,
}

impl Addressed {
    /// None yet. The cookie keeps others from choosing addresses that collide.
    pub fn new(cookie: &Cookie) -> Self {
        Addressed { cookie: *cookie, newest: HashMap::new(), before: HashMap::new(), most: 2 * KEPT, last: 0 }
    }

    /// The probe with this number goes there; those before `oldest` may be forgotten.
    pub fn add(&mut self, to: (IpAddr, u16), number: u64, oldest: u64) {
        self.last = number;
        if let Some(before) = self.newest.insert(self.key(to), number as u32) {
            self.before.insert(number as u32, before);
        }
        if self.newest.len() + self.before.len() > self.most {
            let kept = number.saturating_sub(oldest).max(KEPT as u64);
            let is_kept = |low: u32| u64::from((number as u32).wrapping_sub(low)) <= kept;
            self.newest.retain(|_, low| is_kept(*low));
            self.before.retain(|low, _| is_kept(*low));
            self.most = 2 * (self.newest.len() + self.before.len()).max(KEPT);
        }
    }

    /// The numbers of the probes that went there, the newest first; few of other destinations may be among them.
    pub fn probes(&self, to: (IpAddr, u16)) -> impl Iterator<Item = u64> {
        let number = |low: u32| self.last.checked_sub(u64::from((self.last as u32).wrapping_sub(low)));
        let newest = self.newest.get(&self.key(to)).copied();
        std::iter::successors(newest, |low| self.before.get(low).copied()).map_while(number)
    }

    fn key(&self, to: (IpAddr, u16)) -> u32 {
        let mut hasher = DefaultHasher::new();
        (self.cookie.octets(), to).hash(&mut hasher);
        hasher.finish() as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(n: u64) -> (IpAddr, u16) {
        (IpAddr::from((10 << 24 | n as u32).to_be_bytes()), 53)
    }

    fn empty() -> Addressed {
        Addressed::new(&Cookie::new([7; 16]))
    }

    #[test]
    fn the_probes_of_a_destination_are_found_from_the_newest_on() {
        let mut addressed = empty();
        for (number, target) in [(1, 1), (2, 2), (3, 1), (4, 3), (5, 1)] {
            addressed.add(to(target), number, 1);
        }
        let numbers = |target| addressed.probes(to(target)).collect::<Vec<_>>();
        assert_eq!([numbers(1), numbers(2), numbers(4)], [vec![5, 3, 1], vec![2], vec![]]);
        assert_eq!(addressed.probes((to(1).0, 54)).count(), 0);
    }

    #[test]
    fn what_is_in_flight_is_never_forgotten_and_what_is_over_takes_no_memory_for_long() {
        let mut addressed = empty();
        let last = 10 * KEPT as u64;
        (1..=last).for_each(|number| addressed.add(to(number), number, number.saturating_sub(2 * KEPT as u64)));
        assert!(addressed.newest.len() <= 5 * KEPT, "{}", addressed.newest.len());
        let of = |number: u64| addressed.probes(to(number)).any(|found| found == number);
        assert!((last - 2 * KEPT as u64..=last).all(of));
    }

    #[test]
    fn numbers_are_whole_where_their_low_halves_begin_again() {
        let mut addressed = empty();
        let turn = 1_u64 << 32;
        (turn - 2..turn + 2).for_each(|number| addressed.add(to(1), number, turn - 2));
        assert_eq!(addressed.probes(to(1)).collect::<Vec<_>>(), [turn + 1, turn, turn - 1, turn - 2]);
    }
}
