//! A run over watched paths as a Machine: [`Reporter`].

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;

use super::change::{Change, ChangeKind};
use super::event::{Config, Report};
use super::flows::{FlowsReport, Uneven};
use super::path::Watch;
use super::rows::Rows;
use crate::channel::{Arena, Inbound, Outbox, RunChange};
use crate::engine::outcome::{Pace, SubjectId};
use crate::engine::send_errors::Unsent;
use crate::engine::{Machine, Target, WallClock};
use crate::trace::ends::{Began, StopReason};
use crate::trace::event::Event;
use crate::trace::fleet::names::PATIENCE;
use crate::trace::fleet::route::Route;
use crate::trace::fleet::{Arrived, Fleet};
use crate::trace::path::hop::Arrival;
use crate::trace::path::schedule::Next;
use crate::types::{Instant, Now, ProbeId, Stamp};

/// How many targets are watched at once; the others wait their turn.
const AT_ONCE: usize = 16;
/// The same where they are followed: most such runs end with all of them, and none would ever have its turn.
pub const MOST_FOLLOWED: usize = 256;
/// Probes refused, with none that left, that end a watch.
const REFUSED_FROM_THE_START: u64 = 3;

/// Watches the path to each target; see [`crate::trace::watch`] for how.
#[derive(Debug)]
pub struct Reporter {
    config: Arc<Config>,
    fleet: Fleet,
    watches: BTreeMap<usize, Watched>,
    /// Where flows of a target are followed: the newest figures of each, and the rows that those come from.
    rows: BTreeMap<usize, Rows>,
    reports: BTreeMap<usize, Report>,
    /// What the flows of targets show together, where they are followed.
    uneven: BTreeMap<usize, Uneven>,
    clock: WallClock,
    wake: Option<Instant>,
}

#[derive(Debug)]
struct Watched {
    watch: Watch,
    config: Arc<Config>,
    /// Why it ended, and when: it waits for names.
    ended: Option<(StopReason, Instant)>,
    /// Whether [`Event::Waiting`] was emitted.
    waits: bool,
    /// When its figures are emitted next, where it is followed.
    report_at: Instant,
    unsent: Unsent,
}

impl Reporter {
    /// A run over watched paths. Of cycles and interval the run takes what it needs to end.
    pub fn new(config: Config) -> Reporter {
        let mut fleet = Fleet::new(config.trace.clone(), Event::unsent_report);
        fleet.pace = Pace::Fixed(config.interval);
        Reporter {
            fleet,
            watches: BTreeMap::new(),
            rows: BTreeMap::new(),
            reports: BTreeMap::new(),
            uneven: BTreeMap::new(),
            clock: WallClock::default(),
            wake: Some(Instant::ZERO),
            config: Arc::new(config),
        }
    }

    /// Watches another target, beside those of the run, in cycles of its own: of `config` everything but the targets, the size and
    /// the ports of probes counts. Gives the index of its subject, if it can be probed.
    pub fn add(&mut self, target: Target, config: &Arc<Config>, now: Now) -> Option<SubjectId> {
        let (index, began, route) = self.fleet.begin_another(target, now)?;
        self.watch(index, began, (route, config), now);
        self.wake = Some(Instant::ZERO);
        Some(SubjectId::new(u32::try_from(index).ok()?))
    }

    /// Ends a watch at once, without a report.
    pub fn drop(&mut self, subject: SubjectId) {
        self.watches.remove(&subject.index());
        self.fleet.close(subject.index());
    }

    /// The routers at each TTL that are known to be on the path now: all of them, where several take turns.
    pub fn routers(&self, subject: SubjectId) -> BTreeMap<u8, Vec<IpAddr>> {
        self.watches.get(&subject.index()).map(|watched| watched.watch.routers()).unwrap_or_default()
    }

    /// How far away the destination is known to be now, which may be nearer than it was.
    pub fn distance(&self, subject: SubjectId) -> Option<u8> {
        self.watches.get(&subject.index())?.watch.distance()
    }

    /// The figures of a watch so far.
    pub fn report(&self, subject: SubjectId, now: Now) -> Option<Report> {
        let watched = self.watches.get(&subject.index())?;
        Some(watched.watch.report(&watched.config, None, &self.fleet.names, now.mono))
    }

    /// Begins targets while there is room, each with all its flows.
    fn begin(&mut self, now: Now) {
        let flows = self.config.trace.flows_per_target();
        let at_once = if self.config.follow { MOST_FOLLOWED } else { AT_ONCE };
        while self.watches.is_empty() || self.watches.len() + flows <= at_once {
            // Two watches of one address would share its rate limit: the second waits for the first.
            let begun =
                self.fleet.begin_next(now, |fleet, _, route| !fleet.routes.values().any(|other| other.is_same(route)));
            let Some((first, began, route)) = begun else { return };
            let config = Arc::clone(&self.config);
            self.watch(first, began, (route, &config), now);
            for _ in 1..flows {
                let begun = self.fleet.begin_next(now, |_, index, _| index / flows == first / flows);
                let Some((index, began, route)) = begun else { break };
                self.watch(index, began, (route, &config), now);
            }
        }
    }

    fn watch(&mut self, index: usize, began: Began, (route, config): (Route, &Arc<Config>), now: Now) {
        let (watch, config) = (Watch::new(config, began, route, now.mono), Arc::clone(config));
        self.watches.insert(
            index,
            Watched { watch, config, ended: None, waits: false, report_at: now.mono, unsent: Unsent::default() },
        );
    }

    /// Begins watches while there is room, counts what `now` decides, and ends those that are over.
    fn advance(&mut self, now: Now) {
        // Before what is reported with the times of the clock as it is now.
        if let Some(by) = self.clock.stepped(now) {
            let follows = |watched: &&Watched| watched.config.follow && watched.ended.is_none();
            let subjects: Vec<_> =
                self.watches.values().filter(follows).map(|watched| watched.watch.subject()).collect();
            for subject in subjects {
                let change = Change { subject, at: now.wall, kind: ChangeKind::ClockStepped { by } };
                self.fleet.events.push_back(Event::Change(Arc::new(change)));
            }
        }
        loop {
            self.begin(now);
            let (mut over, mut compared) = (Vec::new(), Vec::new());
            let flows = self.config.trace.flows_per_target();
            for (&index, watched) in &mut self.watches {
                let (watch, fleet, config) = (&mut watched.watch, &mut self.fleet, &watched.config);
                let settled = watch.settle(config, now.mono, &mut fleet.events);
                fleet.forget(&watch.route, &settled);
                fleet.give_up(watch.route.lane, watch.given_up(config, now.mono));
                if config.follow && watched.ended.is_none() {
                    watch.report_overdue(config, now, &mut fleet.events);
                    watch.report_changes(config, now, &mut fleet.events);
                    if watched.report_at <= now.mono {
                        let rows = watch.rows(config, None, now.mono);
                        let of_flows = self.uneven.get(&(index / flows)).and_then(Uneven::held);
                        let findings = watch.findings().chain(of_flows).cloned().collect();
                        let report = rows.report(watch.began(), None, &fleet.names, watch.lasted(now.mono));
                        let report = Report { findings, ..report };
                        if self.config.trace.flows.is_some() {
                            self.rows.insert(index, rows);
                            self.reports.insert(index, report.clone());
                        }
                        fleet.events.push_back(Event::Report(Box::new(report)));
                        watched.report_at = now.mono + watch.until_report(config, now.mono);
                        // With the last of its flows those of a target are compared.
                        if flows > 1 && index % flows + 1 == flows {
                            compared.push(index / flows);
                        }
                    }
                }
                if watched.ended.is_none() && watch.is_over(config, now.mono) {
                    let reason = if watch.is_closing() { StopReason::Interrupted } else { StopReason::Cycles };
                    watched.ended = Some((reason, now.mono));
                }
                if watched.ended.is_none() && !watched.waits && watch.waits_for_routers(config) {
                    watched.waits = true;
                    fleet.events.push_back(Event::Waiting(watch.subject()));
                }
                let Some((reason, since)) = watched.ended else { continue };
                let all_cycles = reason == StopReason::Cycles;
                if all_cycles && fleet.names.are_any_awaited() {
                    if now.mono < since + PATIENCE {
                        continue;
                    }
                    fleet.names.missed();
                }
                watch.report_rest(all_cycles, now.mono, &mut fleet.events);
                let rows = watch.rows(config, Some(reason), since);
                let report = rows.report(watch.began(), Some(reason), &fleet.names, watch.lasted(since));
                let report = Report { path_changes: watch.path_changes(config), ..report };
                if config.trace.flows.is_some() {
                    self.rows.insert(index, rows);
                }
                fleet.events.push_back(Event::Report(Box::new(report)));
                over.push(index);
            }
            for target in compared {
                self.compare_flows(target, now);
            }
            if over.is_empty() {
                return;
            }
            for index in over {
                self.watches.remove(&index);
                self.fleet.close(index);
            }
        }
    }

    /// Emits what the newest figures of the flows of a target show together.
    fn compare_flows(&mut self, target: usize, now: Now) {
        let Some((all, flows)) = self.together(target, None) else { return };
        for (subject, kind) in self.uneven.entry(target).or_default().cycle(&all, &flows) {
            self.fleet.events.push_back(Event::Change(Arc::new(Change { subject, at: now.wall, kind })));
        }
    }

    /// The flows of a target, by index.
    fn flows_of(&self, target: usize) -> Range<usize> {
        let per_target = self.config.trace.flows_per_target();
        target * per_target..(target + 1) * per_target
    }

    /// The newest figures of the flows of a target: of all together, and of each.
    fn together(&self, target: usize, ended: Option<StopReason>) -> Option<(Report, Vec<Report>)> {
        let flows: Vec<Report> = self.reports.range(self.flows_of(target)).map(|(_, report)| report.clone()).collect();
        let began = flows.first()?.began.clone();
        let duration = flows.iter().map(|flow| flow.duration).max().unwrap_or(0);
        let mut rows = self.rows.range(self.flows_of(target)).map(|(_, rows)| rows);
        let all = match rows.next().cloned() {
            Some(mut all) => {
                rows.for_each(|rows| all.add(rows));
                all.report(began, ended, &self.fleet.names, duration)
            }
            None => Report::empty(began, ended),
        };
        Some((all, flows))
    }

    /// Under a common rate the watches that began first send first.
    fn send_due(&mut self, now: Now, outbox: &mut Outbox) {
        for (&index, watched) in &mut self.watches {
            let (watch, config) = (&mut watched.watch, &watched.config);
            if watched.ended.is_some() {
                continue;
            }
            while let Next::Probe { ttl, index: cycle } = watch.next(config, now.mono) {
                let Some(flow) = room(watch, &self.fleet) else { break };
                if self.fleet.may_send(now, outbox).is_some() {
                    return;
                }
                let numbers = (watch.port_index(), flow);
                let probe = self.fleet.order(&watch.route, (index, ttl, cycle), numbers, None, outbox);
                let begins = watch.ordered(config, (ttl, cycle), probe, Stamp::user(now));
                // The last flow of a target begins and ends its cycles last.
                let flows = config.trace.flows_per_target();
                if begins && !config.follow && index % flows + 1 == flows {
                    let (number, of) = (cycle as u64 + 1, config.cycles.max(1));
                    self.fleet.events.push_back(Event::Cycle(watch.subject(), number, of));
                }
            }
        }
    }

    fn next_wake(&self, now: Instant) -> Option<Instant> {
        let allowed = self.fleet.allowed(now);
        let of = |watched: &Watched| {
            let (watch, config) = (&watched.watch, &watched.config);
            if let Some((_, since)) = watched.ended {
                return Some(since + PATIENCE);
            }
            let send = match watch.next(config, now) {
                Next::Probe { .. } => room(watch, &self.fleet).map(|_| allowed),
                Next::At(at) => Some(at.max(allowed)),
                Next::Nothing => None,
            };
            let report = config.follow.then_some(watched.report_at);
            [send, watch.wake(config, now), report].into_iter().flatten().min()
        };
        let hang_up = self.fleet.is_hanging_up().then_some(Instant::ZERO);
        self.watches.values().filter_map(of).chain(hang_up).min()
    }

    /// Does what the user asks for to every path.
    fn change(&mut self, change: RunChange, now: Now) {
        if let RunChange::Interval(interval) = change {
            self.config = Arc::new(Config { interval, ..Config::clone(&self.config) });
        }
        for watched in self.watches.values_mut().filter(|watched| watched.ended.is_none()) {
            let (watch, config) = (&mut watched.watch, &watched.config);
            match change {
                RunChange::Pause => watch.paused = true,
                RunChange::Resume => watch.paused = false,
                RunChange::Reset => {
                    let dropped = watch.restart(config, now);
                    self.fleet.forget(&watch.route, &dropped);
                    watched.report_at = now.mono;
                }
                RunChange::Interval(_) => watched.config = Arc::clone(&self.config),
            }
            let change = Change { subject: watch.subject(), at: now.wall, kind: change.into() };
            self.fleet.events.push_back(Event::Change(Arc::new(change)));
        }
    }

    /// The figures so far of every target, or of all its flows.
    fn interim(&mut self, now: Now) {
        if self.config.trace.flows.is_none() {
            for Watched { watch, config, .. } in self.watches.values() {
                let report = watch.report(config, None, &self.fleet.names, now.mono);
                self.fleet.events.push_back(Event::Report(Box::new(report)));
            }
            return;
        }
        let per_target = self.config.trace.flows_per_target();
        for (&index, Watched { watch, config, .. }) in &self.watches {
            let rows = watch.rows(config, None, now.mono);
            self.reports.insert(index, rows.report(watch.began(), None, &self.fleet.names, watch.lasted(now.mono)));
            self.rows.insert(index, rows);
        }
        let targets: BTreeSet<usize> = self.watches.keys().map(|index| index / per_target).collect();
        for target in targets {
            let flows = self.together(target, None);
            let event = flows.map(|(all, flows)| Event::FlowsReport(Box::new(FlowsReport::new(all, flows))));
            self.fleet.events.extend(event);
        }
    }

    /// Adds the flows of a target up once all of them are over.
    fn take_flow(&mut self, report: &Report) -> Option<FlowsReport> {
        self.config.trace.flows?;
        let reason = report.stop_reason?;
        let (index, per_target) = (report.began.subject.id.index(), self.config.trace.flows_per_target());
        self.reports.insert(index, report.clone());
        let target = index / per_target;
        let reasons: Vec<StopReason> =
            self.reports.range(self.flows_of(target)).filter_map(|(_, flow)| flow.stop_reason).collect();
        if reasons.len() < per_target {
            return None;
        }
        // What ended one early ended the run.
        let reason = reasons.into_iter().find(|&reason| reason == StopReason::Interrupted).unwrap_or(reason);
        let (all, flows) = self.together(target, Some(reason))?;
        for index in self.flows_of(target) {
            self.rows.remove(&index);
            self.reports.remove(&index);
        }
        Some(FlowsReport::new(all, flows))
    }

    fn take_answer(&mut self, probe: ProbeId, index: usize, arrival: Arrival) {
        let Some(watched) = self.watches.get_mut(&index) else { return };
        watched.unsent.sent(probe);
        let responder = arrival.responder;
        if watched.watch.answer(&watched.config, probe, arrival) {
            self.fleet.answered(probe, responder);
        }
    }
}

/// The flow of the next probe, if its lane has room for one more.
fn room(watch: &Watch, fleet: &Fleet) -> Option<u16> {
    let profile = &watch.route.profile;
    let full = profile.connects() && watch.unanswered() >= profile.max_open as usize;
    fleet.next_flow(&watch.route).filter(|_| !full)
}

impl Machine for Reporter {
    type Event = Event;

    fn poll_orders(&mut self, now: Now, outbox: &mut Outbox) {
        self.advance(now);
        self.fleet.poll_hang_ups(outbox);
        self.send_due(now, outbox);
        self.wake = self.next_wake(now.mono);
    }

    fn handle(&mut self, now: Now, inbound: &Inbound, octets: &Arena) {
        let Some(arrived) = self.fleet.arrived(now, inbound, octets) else { return };
        let watches = self.watches.values_mut();
        match arrived {
            Arrived::Answer(probe, entry, arrival) => self.take_answer(probe, entry.trace, *arrival),
            Arrived::Unnamed(index, arrival) => {
                let watched = self.watches.get(&index);
                if let Some(probe) =
                    watched.and_then(|watched| watched.watch.attribute_unnamed(&watched.config, now.mono))
                {
                    self.take_answer(probe, index, *arrival);
                }
            }
            Arrived::Sent(probe, entry, stamp) => {
                if let Some(watched) = self.watches.get_mut(&entry.trace) {
                    watched.unsent.sent(probe);
                    watched.watch.sent(probe, stamp);
                }
            }
            Arrived::Refused(probe, entry, error, mtu) => {
                let Some(watched) = self.watches.get_mut(&entry.trace) else { return };
                let Some((event, refused)) = watched.watch.refused(probe, (error, mtu), now) else { return };
                if let (Event::Probe(probe), true) = (&event, watched.config.follow)
                    && let Some(error) = watched.unsent.take(probe)
                {
                    let kind = ChangeKind::SendFailed { error };
                    let change = Change { subject: watched.watch.subject(), at: now.wall, kind };
                    self.fleet.events.push_back(Event::Change(Arc::new(change)));
                }
                self.fleet.events.push_back(event);
                if refused.is_some_and(|refused| refused >= REFUSED_FROM_THE_START) {
                    watched.ended.get_or_insert((StopReason::SendFailed, now.mono));
                }
            }
            Arrived::Interrupt => {
                watches.for_each(|watched| watched.ended = Some((StopReason::Interrupted, now.mono)));
            }
            Arrived::Stop => watches.for_each(|watched| watched.watch.close()),
            Arrived::Interim => self.interim(now),
            Arrived::Changed(change) => self.change(change, now),
            // An answer that does not show which probe it answers counts for none: a report counts probes.
            Arrived::Named | Arrived::Unmatched(..) => {}
        }
        // Whatever changed may have ended a watch.
        self.wake = Some(Instant::ZERO);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.wake
    }

    fn handle_timeout(&mut self, now: Now) {
        self.advance(now);
        self.wake = self.next_wake(now.mono);
    }

    fn poll_event(&mut self) -> Option<Event> {
        let event = self.fleet.events.pop_front()?.judged(&self.config.trace);
        if let Event::Report(report) = &event
            && let Some(flows) = self.take_flow(report)
        {
            self.fleet.events.push_front(Event::FlowsReport(Box::new(flows)));
        }
        Some(event)
    }

    fn is_finished(&self) -> bool {
        self.fleet.is_finished()
    }
}
