//! Requests while a run is on: [`Control`]s, targets that come and go.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::config::Task;
use super::event::Event;
use super::machine::{Phase, Ping};
use super::series::Context;
use super::summary::Counts;
use crate::channel::{Control, RunChange};
use crate::engine::outcome::{Pace, Spec, SubjectId};
use crate::engine::{Destination, Target};
use crate::types::{Instant, IpEndpoint, Now};

impl Ping {
    pub(super) fn control(&mut self, now: Now, control: &Control) {
        match control {
            Control::Interrupt | Control::Terminate => self.interrupted = true,
            Control::Interim => {
                let figures = self.series.iter().map(|series| series.interim(now.mono)).collect();
                self.events.push_back(Event::Interim(figures));
            }
            Control::Stop => self.stop(now),
            Control::Add { target, endpoint } => self.add_running(now, target, *endpoint),
            Control::Remove { target } => {
                let named =
                    |&slot: &u32| self.series.get(slot).is_some_and(|series| *series.subject().target == **target);
                let slots: Vec<u32> = self.series.slots().filter(named).collect();
                slots.into_iter().for_each(|slot| self.remove(slot, now));
                self.removed_at = Some(now.mono);
            }
            Control::Name(answer) => {
                if let Some(name) = &answer.name {
                    self.events.push_back(Event::Named { address: answer.address, name: name.clone() });
                }
                self.names.answered();
            }
            Control::Change(change) => self.change(now, *change),
            Control::Address(answer) => self.resolved(now, answer),
            // Origins are not asked for, and targets are known from the start or come by name.
            Control::Origin(_) | Control::AsName(_) | Control::Supplied => {}
        }
    }

    /// Does what the user asks for to every series. The figures at the end are those of the whole run.
    fn change(&mut self, now: Now, change: RunChange) {
        match change {
            RunChange::Pause => self.paused = true,
            RunChange::Resume if self.paused => {
                self.paused = false;
                self.pace_anew(now, None);
            }
            RunChange::Interval(interval) if matches!(self.config.spec.pace, Pace::Fixed(_)) => {
                self.config.spec = Arc::new(Spec { pace: Pace::Fixed(interval), ..Spec::clone(&self.config.spec) });
                self.pace_anew(now, Some(interval));
            }
            RunChange::Resume | RunChange::Interval(_) | RunChange::Reset => {}
        }
    }

    fn pace_anew(&mut self, now: Now, interval: Option<Duration>) {
        let all: Vec<u32> = self.series.slots().collect();
        all.into_iter().for_each(|slot| self.with_series(slot, now, |series, _| series.pace_anew(now.mono, interval)));
    }

    /// A target that comes while the run is on uses the lane that others of its family have.
    fn add_running(&mut self, now: Now, target: &str, endpoint: IpEndpoint) {
        let destination = match self.index.lane_of(endpoint.address) {
            Some((lane, profile)) => {
                Destination::Reachable { endpoint, source: None, lane, profile: Arc::new(profile) }
            }
            None => Destination::Unroutable { endpoint },
        };
        let numeric = target.parse::<IpAddr>().is_ok();
        let target = Target { zone: None, target: target.into(), name: target.into(), numeric, destination };
        let Some(slot) = self.add(Task::icmp(target, Arc::clone(&self.config.spec))) else { return };
        if self.phase == Phase::New {
            return;
        }
        if let Some(series) = self.series.get(slot) {
            self.events.push_back(series.began(now.wall));
        }
        if self.config.names && self.names.ask(endpoint.address) {
            self.events.push_back(Event::NameWanted(endpoint.address));
        }
        self.with_series(slot, now, |series, _| series.begin(now.mono));
    }

    /// Adds a target while the run is on, whose first probe is due at `start`. `None` once all numbers of subjects are used.
    pub fn begin(&mut self, task: Task, start: Instant, now: Now) -> Option<SubjectId> {
        let slot = self.add(task)?;
        let series = self.series.get_mut(slot)?;
        let (id, stamps) = (series.id(), series.carries_clock_error());
        self.events.push_back(series.began(now.wall));
        self.ask_for_clock(stamps, now);
        self.with_series(slot, now, |series, _| series.begin(start));
        Some(id)
    }

    /// Sends no more probes to a subject; those that are open are waited for.
    pub fn stop_one(&mut self, id: SubjectId, now: Now) {
        if let Some(slot) = self.series.slot(id) {
            self.with_series(slot, now, |series, _| series.stop());
        }
    }

    /// Ends a subject, emits its summary, and frees everything kept of it.
    pub fn end_one(&mut self, id: SubjectId, now: Now) {
        if let Some(slot) = self.series.slot(id) {
            self.remove(slot, now);
        }
    }

    /// The outcomes of a subject's probes so far.
    pub fn counts(&self, id: SubjectId) -> Option<&Counts> {
        Some(&self.series.get(self.series.slot(id)?)?.counts)
    }

    /// Ends a series and frees everything kept of it.
    pub(super) fn remove(&mut self, slot: u32, now: Now) {
        let Some(series) = self.series.remove(slot) else { return };
        self.index.remove(slot, &series);
        self.sends.set(slot, None);
        self.deadlines.set(slot, None);
        self.active.remove(&slot);
        self.unconfirmed -= series.unconfirmed();
        let (events, orders) = (&mut self.events, &mut self.series_orders);
        series.close(&mut Context { config: &self.config, now, events, orders });
    }
}
