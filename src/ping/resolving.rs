//! Names that are looked up again during a run: their addresses come and go.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::config::{Resolve, ResolvedName, Task};
use super::event::Event;
use crate::channel::{LaneId, Profile};
use crate::engine::Destination;
use crate::engine::outcome::SubjectId;
use crate::types::{Family, Instant, IpEndpoint, Port};

/// The most addresses of one name that are known at a time.
pub const MOST_ADDRESSES: usize = 256;

/// What is known of the names of a run.
#[derive(Debug, Default)]
pub(super) struct Resolving {
    pub(super) config: Option<Resolve>,
    /// When they are looked up next.
    pub due: Option<Instant>,
    /// Answers that have not come yet: until then nothing more is asked.
    pub(super) awaited: usize,
    pub(super) names: Vec<Name>,
}

#[derive(Debug)]
pub(super) struct Name {
    pub(super) host: Box<str>,
    pub(super) port: Option<Port>,
    /// How its addresses are probed.
    pub(super) template: Task,
    /// The addresses that it has or had, at most [`MOST_ADDRESSES`]; `true` if it has it now. Those that it lost first are first.
    pub(super) addresses: Vec<(IpEndpoint, SubjectId, bool)>,
}

impl Resolving {
    /// For these targets, each with its subject, if it has one.
    pub fn new(config: Option<Resolve>, targets: &[(Task, Option<SubjectId>)]) -> Self {
        let name = |name: &ResolvedName| {
            let members = targets.get(name.targets.clone()).unwrap_or_default();
            let address = |(task, id): &(Task, Option<SubjectId>)| match task.target.destination {
                Destination::Reachable { endpoint, .. } => Some((endpoint, (*id)?, true)),
                _ => None,
            };
            let addresses = members.iter().filter_map(address).collect();
            let template = members.first()?.0.clone();
            Some(Name { host: name.host.clone(), port: name.port, template, addresses })
        };
        let names = config.iter().flat_map(|config| &config.names).filter_map(name).collect();
        Resolving { config, due: None, awaited: 0, names }
    }

    /// Probing begins.
    pub fn begin(&mut self, now: Instant) {
        self.due = self.config.as_ref().map(|config| now + config.every);
    }

    /// The questions that are due.
    pub(super) fn ask(&mut self, now: Instant) -> Vec<Event> {
        let Some(config) = self.config.as_ref().filter(|_| self.due.is_some_and(|due| due <= now)) else {
            return Vec::new();
        };
        self.due = Some(now + config.every);
        if self.awaited > 0 {
            return Vec::new();
        }
        let hosts: BTreeSet<&str> = self.names.iter().map(|name| &*name.host).collect();
        self.awaited = hosts.len();
        hosts.into_iter().map(|host| Event::AddressWanted { name: host.into(), family: config.family }).collect()
    }
}

impl Resolving {
    /// An address went, or is there again.
    pub(super) fn mark(&mut self, id: SubjectId, present: bool) {
        for Name { addresses, .. } in &mut self.names {
            if let Some(at) = addresses.iter().position(|(_, of, _)| *of == id) {
                let (endpoint, ..) = addresses.remove(at);
                addresses.push((endpoint, id, present));
            }
        }
    }

    /// A name has a new address. Where it has had too many by now, the one that it lost first is forgotten.
    pub(super) fn gain(&mut self, name: usize, endpoint: IpEndpoint, id: SubjectId) -> Option<SubjectId> {
        let addresses = &mut self.names.get_mut(name)?.addresses;
        addresses.push((endpoint, id, true));
        let lost = addresses.iter().position(|(.., present)| !present);
        let (_, forgotten, _) = addresses.remove(lost.filter(|_| addresses.len() > MOST_ADDRESSES)?);
        Some(forgotten)
    }
}

impl Resolve {
    /// The lane to addresses of a family.
    pub(super) fn lane(&self, family: Family) -> Option<(LaneId, Arc<Profile>)> {
        self.lanes.iter().find(|(of, ..)| *of == family).map(|(_, id, profile)| (*id, Arc::clone(profile)))
    }
}
