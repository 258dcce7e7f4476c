//! What a run does once a name has other addresses.

use std::sync::Arc;

use super::config::Task;
use super::event::Event;
use super::machine::Ping;
use super::resolving::MOST_ADDRESSES;
use super::series::Series;
use crate::channel::AddressAnswer;
use crate::engine::outcome::SubjectId;
use crate::engine::{Destination, Target};
use crate::types::{IpEndpoint, Now};

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
            // Those that are known are kept before others of which there is no room.
            let known = name.addresses.iter().filter(|(one, ..)| wanted.contains(one)).count();
            let room = MOST_ADDRESSES.saturating_sub(known);
            let turned = name.addresses.iter().filter(|(one, _, present)| wanted.contains(one) != *present);
            steps.extend(turned.map(|&(_, id, present)| Step::Known(id, !present)));
            let new = wanted.into_iter().filter(|one| name.addresses.iter().all(|(known, ..)| known != one));
            steps.extend(new.take(room).filter_map(|endpoint| {
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
                if let Some(forgotten) = self.resolving.gain(number, endpoint, id) {
                    self.end_one(forgotten, now);
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
