//! Names that are looked up again during a run: their addresses come and go.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::config::{Resolve, ResolvedName, Task};
use super::event::Event;
use super::machine::Ping;
use super::series::Series;
use crate::channel::{AddressAnswer, LaneId, Profile};
use crate::engine::outcome::SubjectId;
use crate::engine::{Destination, Target};
use crate::types::{Family, Instant, IpEndpoint, Now, Port};

/// What is known of the names of a run.
#[derive(Debug, Default)]
pub(super) struct Resolving {
    config: Option<Resolve>,
    /// When they are looked up next.
    pub due: Option<Instant>,
    /// Answers that have not come yet: until then nothing more is asked.
    awaited: usize,
    names: Vec<Name>,
}

#[derive(Debug)]
struct Name {
    host: Box<str>,
    port: Option<Port>,
    /// How its addresses are probed.
    template: Task,
    /// Every address that it ever had; `true` if it has it now.
    addresses: Vec<(IpEndpoint, SubjectId, bool)>,
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
    fn ask(&mut self, now: Instant) -> Vec<Event> {
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

/// One thing to do after an answer.
enum Step {
    /// A subject is probed no longer, or again.
    Known(SubjectId, bool),
    /// An address is new.
    New(usize, Box<Task>, IpEndpoint),
}

impl Ping {
    /// Asks for the addresses that are to be looked up by now.
    pub(super) fn look_up(&mut self, now: Now) {
        let questions = self.resolving.ask(now.mono);
        self.events.extend(questions);
    }

    /// Takes an answer. Where a name could not be looked up, or has no address that can be probed, its addresses stay.
    pub(super) fn resolved(&mut self, now: Now, answer: &AddressAnswer) {
        self.resolving.awaited = self.resolving.awaited.saturating_sub(1);
        let (Some(config), Ok(found)) = (&self.resolving.config, &answer.found) else { return };
        let lane = |endpoint: &IpEndpoint| config.lane(endpoint.family());
        let mut steps = Vec::new();
        for (number, name) in self.resolving.names.iter().enumerate().filter(|(_, name)| name.host == answer.name) {
            let endpoints = found
                .endpoints
                .iter()
                .map(|one| IpEndpoint { port: name.port, ..*one })
                .filter(|one| lane(one).is_some());
            let mut wanted: Vec<IpEndpoint> = endpoints.collect();
            if wanted.is_empty() {
                continue;
            }
            if !config.all {
                // The address in use is kept as long as the name has it.
                let used = name.addresses.iter().find(|(one, _, present)| *present && wanted.contains(one));
                wanted = used.map_or_else(|| wanted.first().copied().into_iter().collect(), |(one, ..)| vec![*one]);
            }
            let turned = name.addresses.iter().filter(|(one, _, present)| wanted.contains(one) != *present);
            steps.extend(turned.map(|&(_, id, present)| Step::Known(id, !present)));
            let new = wanted.into_iter().filter(|one| name.addresses.iter().all(|(known, ..)| known != one));
            steps.extend(new.filter_map(|endpoint| {
                let (id, profile) = lane(&endpoint)?;
                let destination = Destination::Reachable { endpoint, source: None, lane: id, profile };
                let Task { target, method, spec } = name.template.clone();
                let task = Task { target: Target { destination, numeric: false, ..target }, method, spec };
                Some(Step::New(number, Box::new(task), endpoint))
            }));
        }
        // What is gone is said before what is new.
        steps.sort_by_key(|step| !matches!(step, Step::Known(_, false)));
        steps.into_iter().for_each(|step| self.take_step(step, now));
    }

    fn take_step(&mut self, step: Step, now: Now) {
        let (id, gained) = match step {
            Step::Known(id, gained) => {
                self.resolving.mark(id, gained);
                (id, gained)
            }
            Step::New(number, task, endpoint) => {
                let Some(id) = self.add(*task).and_then(|slot| self.series.get(slot)).map(Series::id) else { return };
                if let Some(name) = self.resolving.names.get_mut(number) {
                    name.addresses.push((endpoint, id, true));
                }
                (id, true)
            }
        };
        let Some(slot) = self.series.slot(id) else { return };
        let Some(series) = self.series.get(slot) else { return };
        if series.newest().is_none() && gained {
            self.events.push_back(series.began(now.wall));
        }
        self.events.push_back(Event::Readdressed { subject: Arc::clone(series.subject()), at: now.wall, gained });
        if gained {
            self.active.insert(slot);
        }
        self.with_series(slot, now, |series, _| if gained { series.revive(now.mono) } else { series.retire() });
    }
}

impl Resolving {
    fn mark(&mut self, id: SubjectId, present: bool) {
        let all = self.names.iter_mut().flat_map(|name| &mut name.addresses);
        all.filter(|(_, of, _)| *of == id).for_each(|(.., known)| *known = present);
    }
}

impl Resolve {
    /// The lane to addresses of a family.
    fn lane(&self, family: Family) -> Option<(LaneId, Profile)> {
        self.lanes.iter().find(|(of, ..)| *of == family).map(|&(_, id, profile)| (id, profile))
    }
}
