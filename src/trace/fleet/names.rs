//! Names of responders and the systems that announce their addresses: asked for once per address,
//! waited for only while the resolver keeps its time.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::time::Duration;

use crate::channel::{AsNameAnswer, NameAnswer, OriginAnswer};
use crate::trace::config::OriginSource;
use crate::trace::hop::{Hop, Origins, Responder};
use crate::types::Asn;
use crate::types::announced_form;
use crate::wire::asn;

/// How long a final hop waits for its names and origins.
pub(in crate::trace) const PATIENCE: Duration = Duration::from_millis(500);

/// What is known of the responders' names and origins.
#[derive(Debug)]
pub(in crate::trace) struct Names {
    wanted: bool,
    origins: Option<OriginSource>,
    /// Whether the resolver has missed its time once: nothing waits for it any more.
    given_up: bool,
    known: HashMap<IpAddr, Facts>,
    /// Of the systems that come first for an address.
    as_names: HashMap<Asn, Lookup<Option<Box<str>>>>,
}

#[derive(Debug)]
struct Facts {
    name: Lookup<Option<Box<str>>>,
    origins: Lookup<Origins>,
}

impl Facts {
    fn are_asked(&self) -> bool {
        self.name.is_asked() || self.origins.is_asked()
    }

    /// The first system that announces the address.
    fn system(&self) -> Option<Asn> {
        match &self.origins {
            Lookup::Answered(Origins::Announced(systems)) => systems.first().copied(),
            _ => None,
        }
    }
}

#[derive(Debug)]
enum Lookup<T> {
    Unasked,
    Asked,
    Answered(T),
}

impl<T> Lookup<T> {
    fn new(asked: bool) -> Self {
        if asked { Lookup::Asked } else { Lookup::Unasked }
    }

    fn is_asked(&self) -> bool {
        matches!(self, Lookup::Asked)
    }

    /// Answers that were not asked for are dropped.
    fn answer(&mut self, answer: T) {
        if !matches!(self, Lookup::Unasked) {
            *self = Lookup::Answered(answer);
        }
    }
}

impl Names {
    /// No names are asked for unless `wanted`, and no origins without a source of them.
    pub fn new(wanted: bool, origins: Option<OriginSource>) -> Self {
        Names { wanted, origins, given_up: false, known: HashMap::new(), as_names: HashMap::new() }
    }

    /// Whether a lookup of `address` is to be asked for now.
    pub fn want(&mut self, address: IpAddr) -> bool {
        if !self.wanted && self.origins.is_none() {
            return false;
        }
        let Entry::Vacant(vacant) = self.known.entry(address) else { return false };
        let origins = match &self.origins {
            Some(OriginSource::Table(table)) => Lookup::Answered(announced(table.origins(announced_form(address)))),
            source => Lookup::new(source.is_some()),
        };
        vacant.insert(Facts { name: Lookup::new(self.wanted), origins }).are_asked()
    }

    /// Takes the name that the resolver gives.
    pub fn answer(&mut self, answer: &NameAnswer) {
        self.given_up |= answer.timed_out;
        if let Some(facts) = self.known.get_mut(&answer.address) {
            facts.name.answer(answer.name.clone());
        }
    }

    /// Takes what the resolver gives of the origin of an address.
    pub fn answer_origin(&mut self, answer: &OriginAnswer) {
        self.given_up |= answer.timed_out;
        let Some(facts) = self.known.get_mut(&answer.address) else { return };
        facts.origins.answer(match &answer.texts {
            None => Origins::Unknown,
            Some(texts) if texts.is_empty() => Origins::Unannounced,
            // A server that says something else than what was asked for says nothing.
            Some(texts) => {
                let address = announced_form(answer.address);
                asn::origins(texts.iter().map(AsRef::as_ref), address).map_or(Origins::Unknown, announced)
            }
        });
        if let Some(asn) = facts.system() {
            self.as_names.entry(asn).or_insert(Lookup::Asked);
        }
    }

    /// Takes what the resolver gives of the name of a system.
    pub fn answer_as_name(&mut self, answer: &AsNameAnswer) {
        self.given_up |= answer.timed_out;
        if let Some(known) = self.as_names.get_mut(&answer.asn) {
            let texts = answer.texts.iter().flatten().map(AsRef::as_ref);
            known.answer(asn::name(texts, answer.asn));
        }
    }

    /// A hop waited [`PATIENCE`] in vain.
    pub fn missed(&mut self) {
        self.given_up = true;
    }

    /// Whether anything is waited for at all.
    pub fn are_awaited(&self) -> bool {
        (self.wanted || matches!(self.origins, Some(OriginSource::Lookup))) && !self.given_up
    }

    /// Whether anything about `address` may still come in time.
    pub fn is_awaited(&self, address: IpAddr) -> bool {
        !self.given_up && self.known.get(&address).is_some_and(|facts| self.is_asked(facts))
    }

    /// Whether anything about any address may still come in time.
    pub fn are_any_awaited(&self) -> bool {
        !self.given_up && self.known.values().any(|facts| self.is_asked(facts))
    }

    fn is_asked(&self, facts: &Facts) -> bool {
        let as_name = || facts.system().and_then(|asn| self.as_names.get(&asn));
        facts.are_asked() || as_name().is_some_and(Lookup::is_asked)
    }

    /// The sources of a hop's answers, in the order of its probes.
    pub fn responders(&self, hop: &Hop) -> Vec<Responder> {
        // Most hops have one.
        let mut known: Vec<Responder> = Vec::with_capacity(1);
        for address in hop.responses().map(|response| response.responder) {
            if known.iter().all(|responder| responder.address != address) {
                known.push(self.responder(address));
            }
        }
        known
    }

    /// What is known of this address.
    pub fn responder(&self, address: IpAddr) -> Responder {
        Responder {
            address,
            name: self.get(address).map(Box::from),
            origins: self.origins(address),
            as_name: self.as_name(address),
        }
    }

    pub fn get(&self, address: IpAddr) -> Option<&str> {
        match &self.known.get(&address)?.name {
            Lookup::Unasked | Lookup::Asked => None,
            Lookup::Answered(name) => name.as_deref(),
        }
    }

    /// The name of the first system that announces it.
    pub fn as_name(&self, address: IpAddr) -> Option<Box<str>> {
        if let Some(OriginSource::Table(table)) = &self.origins {
            return table.name(announced_form(address));
        }
        match self.as_names.get(&self.known.get(&address)?.system()?)? {
            Lookup::Unasked | Lookup::Asked => None,
            Lookup::Answered(name) => name.clone(),
        }
    }

    /// `None` if none were asked for.
    pub fn origins(&self, address: IpAddr) -> Option<Origins> {
        match &self.known.get(&address)?.origins {
            Lookup::Unasked => None,
            Lookup::Asked => Some(Origins::Unknown),
            Lookup::Answered(origins) => Some(origins.clone()),
        }
    }
}

fn announced(systems: Vec<Asn>) -> Origins {
    if systems.is_empty() { Origins::Unannounced } else { Origins::Announced(systems.into()) }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::Arc;

    use super::*;
    use crate::wire::as_table::AsTable;

    const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

    fn answer(name: Option<&str>, timed_out: bool) -> NameAnswer {
        NameAnswer { address: ADDRESS, name: name.map(Box::from), timed_out }
    }

    #[test]
    fn a_name_is_asked_for_once_and_awaited_until_answered() {
        let mut names = Names::new(true, None);
        assert!(names.want(ADDRESS));
        assert!(!names.want(ADDRESS));
        assert!(names.is_awaited(ADDRESS));
        names.answer(&answer(Some("r1.example"), false));
        assert!(!names.is_awaited(ADDRESS));
        assert_eq!(names.get(ADDRESS), Some("r1.example"));
    }

    #[test]
    fn a_resolver_that_missed_its_time_is_not_waited_for_but_still_heard() {
        let mut names = Names::new(true, None);
        names.want(ADDRESS);
        names.missed();
        assert!(!names.is_awaited(ADDRESS));
        names.answer(&answer(Some("r1.example"), false));
        assert_eq!(names.get(ADDRESS), Some("r1.example"));
    }

    #[test]
    fn without_names_nothing_is_asked_or_awaited() {
        let mut names = Names::new(false, None);
        assert!(!names.want(ADDRESS));
        assert!(!names.is_awaited(ADDRESS));
        names.answer(&answer(Some("unasked.example"), false));
        assert_eq!(names.get(ADDRESS), None);
    }

    fn texts(texts: &[&str]) -> OriginAnswer {
        let texts = texts.iter().map(|text| text.as_bytes().into()).collect();
        OriginAnswer { address: ADDRESS, texts: Some(texts), timed_out: false }
    }

    fn with_origins() -> Names {
        let mut names = Names::new(false, Some(OriginSource::Lookup));
        assert!(names.want(ADDRESS));
        assert!(names.is_awaited(ADDRESS));
        names
    }

    fn systems(numbers: &[u32]) -> Origins {
        Origins::Announced(numbers.iter().filter_map(|&number| Asn::new(number)).collect())
    }

    #[test]
    fn an_origin_is_awaited_until_it_is_known() {
        let mut names = with_origins();
        assert_eq!(names.origins(ADDRESS), Some(Origins::Unknown));
        names.answer_origin(&texts(&["64500 | 192.0.2.0/24 | XX | test | 2026-01-01"]));
        assert_eq!(names.origins(ADDRESS), Some(systems(&[64_500])));
        // The name of the system follows.
        assert!(names.is_awaited(ADDRESS) && names.are_any_awaited());
        let asn = Asn::new(64_500).unwrap();
        let answer =
            |asn, text: &str| AsNameAnswer { asn, texts: Some(vec![text.as_bytes().into()]), timed_out: false };
        names.answer_as_name(&answer(Asn::new(1).unwrap(), "1 | XX | unasked"));
        assert!(names.is_awaited(ADDRESS));
        names.answer_as_name(&answer(asn, "64500 | XX | test | 2026-01-01 | EXAMPLE"));
        assert!(!names.is_awaited(ADDRESS));
        assert_eq!(names.responder(ADDRESS).as_name.as_deref(), Some("EXAMPLE"));
    }

    #[test]
    fn no_origin_and_no_sense_differ() {
        for (answer, expected) in [
            (texts(&[]), Origins::Unannounced),
            (texts(&["\u{1b}[2J"]), Origins::Unknown),
            (texts(&["1 | 198.51.100.0/24 | | |"]), Origins::Unknown),
            (OriginAnswer { texts: None, ..texts(&[]) }, Origins::Unknown),
        ] {
            let mut names = with_origins();
            names.answer_origin(&answer);
            assert_eq!(names.origins(ADDRESS), Some(expected));
            assert!(!names.is_awaited(ADDRESS));
        }
    }

    #[test]
    fn both_must_come_before_nothing_is_awaited() {
        let mut names = Names::new(true, Some(OriginSource::Lookup));
        names.want(ADDRESS);
        names.answer(&answer(None, false));
        assert!(names.is_awaited(ADDRESS));
        names.answer_origin(&texts(&[]));
        assert!(!names.is_awaited(ADDRESS));
    }

    #[test]
    fn a_resolver_that_missed_an_origin_is_not_waited_for_with_names() {
        let other = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));
        let mut names = Names::new(true, Some(OriginSource::Lookup));
        names.want(ADDRESS);
        names.want(other);
        names.answer_origin(&OriginAnswer { texts: None, timed_out: true, ..texts(&[]) });
        assert!(!names.is_awaited(other));
    }

    #[test]
    fn a_table_answers_at_once_without_a_lookup() {
        let table = AsTable::read(b"192.0.2.0/25 64501 64500".to_vec()).unwrap();
        let mut names = Names::new(false, Some(OriginSource::Table(Arc::new(table))));
        let outside = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 200));
        for (address, expected) in [(ADDRESS, systems(&[64_500, 64_501])), (outside, Origins::Unannounced)] {
            assert!(!names.want(address));
            assert!(!names.is_awaited(address));
            assert_eq!(names.origins(address), Some(expected));
        }
    }

    #[test]
    fn without_origins_none_are_shown() {
        let mut names = Names::new(true, None);
        names.want(ADDRESS);
        names.answer_origin(&texts(&["64500 | 192.0.2.0/24"]));
        assert_eq!(names.origins(ADDRESS), None);
    }
}
