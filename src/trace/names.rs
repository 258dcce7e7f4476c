//! Reverse names: asked for once per address, waited for only while the resolver keeps its time.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::time::Duration;

use crate::channel::NameAnswer;

/// How long a final hop waits for its names.
pub(super) const PATIENCE: Duration = Duration::from_millis(500);

/// What is known of the responders' names.
#[derive(Debug)]
pub(super) struct Names {
    wanted: bool,
    /// Whether the resolver has missed its time once: nothing waits for it any more.
    given_up: bool,
    known: HashMap<IpAddr, Lookup>,
}

#[derive(Debug)]
enum Lookup {
    Asked,
    Answered(Option<Box<str>>),
}

impl Names {
    /// No names are asked for unless `wanted`.
    pub fn new(wanted: bool) -> Self {
        Names { wanted, given_up: false, known: HashMap::new() }
    }

    /// Whether the name of `address` is to be asked for now.
    pub fn want(&mut self, address: IpAddr) -> bool {
        if !self.wanted {
            return false;
        }
        match self.known.entry(address) {
            Entry::Occupied(_) => false,
            Entry::Vacant(vacant) => {
                vacant.insert(Lookup::Asked);
                true
            }
        }
    }

    /// Takes an answer of the resolver; answers nobody asked for are dropped.
    pub fn answer(&mut self, answer: &NameAnswer) {
        if answer.timed_out {
            self.given_up = true;
        }
        if let Some(lookup) = self.known.get_mut(&answer.address) {
            *lookup = Lookup::Answered(answer.name.clone());
        }
    }

    /// Somebody waited [`PATIENCE`] in vain.
    pub fn missed(&mut self) {
        self.given_up = true;
    }

    /// Whether names are waited for at all.
    pub fn are_awaited(&self) -> bool {
        self.wanted && !self.given_up
    }

    /// Whether the name of `address` may still come in time.
    pub fn is_awaited(&self, address: IpAddr) -> bool {
        !self.given_up && matches!(self.known.get(&address), Some(Lookup::Asked))
    }

    /// Whether any name may still come in time.
    pub fn are_any_awaited(&self) -> bool {
        !self.given_up && self.known.values().any(|lookup| matches!(lookup, Lookup::Asked))
    }

    pub fn get(&self, address: IpAddr) -> Option<&str> {
        match self.known.get(&address)? {
            Lookup::Asked => None,
            Lookup::Answered(name) => name.as_deref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

    fn answer(name: Option<&str>, timed_out: bool) -> NameAnswer {
        NameAnswer { address: ADDRESS, name: name.map(Box::from), timed_out }
    }

    #[test]
    fn a_name_is_asked_for_once_and_awaited_until_answered() {
        let mut names = Names::new(true);
        assert!(names.want(ADDRESS));
        assert!(!names.want(ADDRESS));
        assert!(names.is_awaited(ADDRESS));
        names.answer(&answer(Some("r1.example"), false));
        assert!(!names.is_awaited(ADDRESS));
        assert_eq!(names.get(ADDRESS), Some("r1.example"));
    }

    #[test]
    fn a_resolver_that_missed_its_time_is_not_waited_for_but_still_heard() {
        let mut names = Names::new(true);
        names.want(ADDRESS);
        names.missed();
        assert!(!names.is_awaited(ADDRESS));
        names.answer(&answer(Some("r1.example"), false));
        assert_eq!(names.get(ADDRESS), Some("r1.example"));
    }

    #[test]
    fn without_names_nothing_is_asked_or_awaited() {
        let mut names = Names::new(false);
        assert!(!names.want(ADDRESS));
        assert!(!names.is_awaited(ADDRESS));
        names.answer(&answer(Some("unasked.example"), false));
        assert_eq!(names.get(ADDRESS), None);
    }
}
