//! A path that is followed while it is watched: what is overdue, when figures are emitted, and a new beginning.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::Watch;
use crate::engine::outcome::{Outcome, ProbeEvent, Silence};
use crate::trace::ends::Began;
use crate::trace::event::Event;
use crate::trace::watch::event::Config;
use crate::types::{Instant, Now, ProbeId, Ttl};

/// The first figures of a path that is followed are as far apart.
const FIRST_REPORTS: Duration = Duration::from_millis(100);

impl Watch {
    /// Reports the probes that became overdue.
    pub fn report_overdue(&mut self, config: &Config, now: Now, out: &mut VecDeque<Event>) {
        let wait = self.wait(config);
        for open in self.open.values_mut().filter(|open| !open.overdue) {
            let Some(((probe, sent), since)) = open.slot.sent.zip(open.slot.open_since()) else { continue };
            if since + wait > now.mono {
                continue;
            }
            open.overdue = true;
            let subject = &self.began.subject;
            let silent = Outcome::Timeout(Silence::NoAnswer);
            let event = ProbeEvent {
                ttl: Some(Ttl::new(open.ttl)),
                flow: subject.flow,
                at: now.wall,
                ..ProbeEvent::new(subject, probe, sent.user.wall, silent)
            };
            out.push_back(Event::Overdue(Arc::new(event)));
        }
    }

    /// How long until the figures are to be emitted again: a cycle, and less while the first one goes on.
    pub fn until_report(&self, config: &Config, now: Instant) -> Duration {
        (now.since(self.started) / 4).max(FIRST_REPORTS).min(config.interval)
    }

    /// Begins anew at `now`; gives the probes under way, which count for nothing any more.
    pub fn restart(&mut self, config: &Config, now: Now) -> Vec<ProbeId> {
        let began = Began { time: now.wall, ..self.began.clone() };
        let probes = self.open.keys().copied().collect();
        let (paused, closing) = (self.paused, self.closing);
        *self = Watch { paused, closing, ..Watch::new(config, began, self.route, now.mono) };
        probes
    }
}
