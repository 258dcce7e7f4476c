//! Addresses of named targets, looked up while others are probed: [`Lookups`].

use std::collections::VecDeque;

use super::{Common, Complaints};
use crate::channel::{AddressAnswer, AddressLookup, ResolveError, Resolved};
use crate::cli::error::CliError;
use crate::sweep::SweepTarget;
use crate::types::Family;

/// Names asked for and not answered; the list waits after them.
const WAITING: usize = 1024;

/// The lookups of one worker.
pub struct Lookups {
    addresses: AddressLookup,
    forced: Option<Family>,
    families: Vec<Family>,
    ready: VecDeque<SweepTarget>,
    waiting: usize,
    complaints: Complaints,
}

impl Lookups {
    pub(super) fn new(addresses: AddressLookup, common: &Common) -> Self {
        let (families, complaints) = (common.families.clone(), common.complaints.clone());
        Lookups { addresses, forced: common.forced, families, ready: VecDeque::new(), waiting: 0, complaints }
    }

    /// Asks for a name; returns it at once if it is known.
    pub(super) fn ask(&mut self, name: Box<str>) -> Option<SweepTarget> {
        match (self.addresses)(&name, self.forced) {
            Some(found) => Some(self.choose(name, found)),
            None => {
                self.waiting += 1;
                None
            }
        }
    }

    /// Takes note of an answer.
    pub(super) fn answered(&mut self, answer: &AddressAnswer) {
        self.waiting = self.waiting.saturating_sub(1);
        let target = self.choose(answer.name.clone(), answer.found.clone());
        self.ready.push_back(target);
    }

    /// A name that is known now.
    pub(super) fn take(&mut self) -> Option<SweepTarget> {
        self.ready.pop_front()
    }

    /// Whether no more are to be asked for now.
    pub(super) fn is_full(&self) -> bool {
        self.waiting >= WAITING
    }

    /// Whether nothing is waited for.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting == 0
    }

    /// The first address that can be probed, or the first at all; reports why there is none.
    fn choose(&self, name: Box<str>, found: Result<Resolved, ResolveError>) -> SweepTarget {
        let endpoint = match found {
            Ok(resolved) => {
                let usable = resolved.endpoints.iter().find(|endpoint| self.families.contains(&endpoint.family()));
                usable.or(resolved.endpoints.first()).copied()
            }
            Err(error) => {
                self.complaints.push(CliError::Unresolved(name.to_string(), error).to_string());
                None
            }
        };
        SweepTarget { name: Some(name), endpoint }
    }
}
