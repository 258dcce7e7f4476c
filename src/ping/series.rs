//! One series: when its probes leave, and what becomes of those that nothing answers.

mod answer;
mod held;

use std::collections::VecDeque;
use std::time::Duration;

use super::config::{Config, Pace, Wait};
use super::delays::Delays;
use super::event::{Counts, Event, Interim, SendFailed, SeriesId, Start, State, Summary, Unanswered};
use super::probe::{Fate, Probe};
use crate::channel::{LaneId, Profile, Refused, Sent};
use crate::engine::pace::{Slots, Window};
use crate::engine::{Inflight, Named, Place, Target};
use crate::metrics::{LossRuns, RttStats};
use crate::types::{Instant, IpEndpoint, Now, ProbeId, Rtt, Sequence, WallTime};
use crate::wire::payload::Cookie;
use held::Held;

/// How long a probe is waited for unless told otherwise.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// The shortest wait for the last probes of a counted run whose target answers.
const SHORTEST_END_WAIT: Duration = Duration::from_secs(1);

/// How long a decided probe is remembered, to tell late answers and duplicates: the longest a packet is assumed to live
/// (RFC 9293 §3.4.2, Maximum Segment Lifetime).
const MEMORY: Duration = Duration::from_secs(120);

/// Interval of an adaptive series before its first answer.
const FIRST_PATIENCE: Duration = Duration::from_secs(1);

/// A refused probe is not followed by the next at once: what refused it may need a moment.
const REFUSED_GAP: Duration = Duration::from_millis(10);

/// Where events go, and what all series have in common.
pub(super) struct Context<'a> {
    pub(super) config: &'a Config,
    pub(super) now: Now,
    pub(super) events: &'a mut VecDeque<Event>,
}

/// Where the probes of a series go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Route {
    pub(super) endpoint: IpEndpoint,
    pub(super) lane: LaneId,
    pub(super) profile: Profile,
}

#[derive(Clone, Copy, Debug)]
enum Pacer {
    Slots(Slots),
    Window(Window),
}

#[derive(Debug)]
pub(super) struct Series {
    id: SeriesId,
    target: Target,
    cookie: Cookie,
    pub(super) counts: Counts,
    probes: Inflight<Probe>,
    /// All probes before this one are decided.
    undecided: ProbeId,
    /// Orders that the channel has neither carried out nor refused.
    unconfirmed: u64,
    start: Instant,
    pacer: Pacer,
    /// After a refusal: no probe before this.
    not_before: Instant,
    /// No more probes are wanted.
    stopped: bool,
    /// Its summary is written.
    closed: bool,
    first_sent: Option<Instant>,
    last_sent: Option<Instant>,
    last_packet: Option<Instant>,
    newest_sent: Option<ProbeId>,
    newest_replied: Option<ProbeId>,
    newest_answered: Option<ProbeId>,
    delays: Delays,
    /// Replies that wait for a stamp of their probes, in order of arrival.
    held: VecDeque<Held>,
    loss_runs: LossRuns,
    pipe: u64,
}

impl Series {
    pub(super) fn new(id: SeriesId, target: Target, cookie: Cookie) -> Self {
        Series {
            id,
            target,
            cookie,
            counts: Counts::default(),
            probes: Inflight::default(),
            undecided: ProbeId::FIRST,
            unconfirmed: 0,
            start: Instant::ZERO,
            pacer: Pacer::Window(Window::new(Duration::ZERO)),
            not_before: Instant::ZERO,
            stopped: false,
            closed: false,
            first_sent: None,
            last_sent: None,
            last_packet: None,
            newest_sent: None,
            newest_replied: None,
            newest_answered: None,
            delays: Delays::default(),
            held: VecDeque::new(),
            loss_runs: LossRuns::default(),
            pipe: 0,
        }
    }

    /// The target as typed.
    pub(super) fn typed(&self) -> &str {
        &self.target.target
    }

    pub(super) fn cookie(&self) -> &Cookie {
        &self.cookie
    }

    /// Where its probes go; `None` if it cannot be probed.
    pub(super) fn route(&self) -> Option<Route> {
        match self.target.place {
            Place::Reachable { endpoint, lane, profile, .. } => Some(Route { endpoint, lane, profile }),
            Place::Unroutable { .. } | Place::Unresolved => None,
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(super) fn unconfirmed(&self) -> u64 {
        self.unconfirmed
    }

    /// Event of its beginning.
    pub(super) fn started(&self, config: &Config, time: WallTime) -> Event {
        let (endpoint, source, socket) = match self.target.place {
            Place::Reachable { endpoint, source, profile, .. } => (Some(endpoint), source, Some(profile.socket)),
            Place::Unroutable { endpoint } => (Some(endpoint), None, None),
            Place::Unresolved => (None, None, None),
        };
        Event::Start(Box::new(Start {
            series: self.id,
            target: self.target.target.clone(),
            name: self.target.name.clone(),
            numeric: self.target.numeric,
            address: endpoint.map(|endpoint| endpoint.address),
            zone: endpoint.map_or(0, |endpoint| endpoint.zone),
            source,
            socket,
            payload_octets: config.payload_octets,
            flow_label: config.flow_label,
            time,
        }))
    }

    /// Its first probe is due at `start`.
    pub(super) fn begin(&mut self, config: &Config, start: Instant) {
        self.start = start;
        self.pacer = match config.pace {
            Pace::Fixed(interval) => Pacer::Slots(Slots::new(start, interval)),
            Pace::Adaptive { at_least } => Pacer::Window(Window::new(at_least)),
            Pace::Flood | Pace::Unpaced => Pacer::Window(Window::new(Duration::ZERO)),
        };
    }

    /// No more probes; those that are open are waited for.
    pub(super) fn stop(&mut self) {
        self.stopped = true;
    }

    /// When its next probe is due, if there is to be one.
    pub(super) fn next_send(&self, config: &Config) -> Option<Instant> {
        if self.closed || self.is_done_sending(config) || self.route().is_none() {
            return None;
        }
        let ordered = number(self.probes.newest());
        if ordered < u64::from(config.preload) {
            return Some(self.start.max(self.not_before));
        }
        let due = match &self.pacer {
            Pacer::Slots(slots) => slots.next(),
            Pacer::Window(window) => {
                let under_way = ordered.saturating_sub(number(self.newest_answered));
                let room = config.pace == Pace::Unpaced || under_way < u64::from(config.preload.max(1));
                let patience = match config.pace {
                    Pace::Adaptive { .. } => self.delays.ewma().map_or(FIRST_PATIENCE, Rtt::as_duration),
                    Pace::Fixed(_) | Pace::Flood | Pace::Unpaced => Duration::ZERO,
                };
                window.next(self.start, room, patience)
            }
        };
        Some(due.max(self.not_before))
    }

    /// When the oldest open probe is lost, or a reply is told without waiting for a stamp any longer.
    pub(super) fn next_deadline(&self, config: &Config) -> Option<Instant> {
        [self.next_loss(config), self.held_until()].into_iter().flatten().min()
    }

    fn next_loss(&self, config: &Config) -> Option<Instant> {
        let probe = self.probes.get(self.undecided).filter(|probe| probe.fate == Fate::Open)?;
        self.deadline(probe, config)
    }

    /// Whether nothing more is to be sent or waited for.
    pub(super) fn is_over(&self, config: &Config) -> bool {
        let enough = config.deadline.is_some() && config.count.is_some_and(|count| self.counts.received >= count);
        let idle = self.counts.pending == 0 && self.unconfirmed == 0;
        let answered = enough || (self.is_done_sending(config) && idle);
        self.closed || self.route().is_none() || (answered && self.held.is_empty())
    }

    /// Takes the next probe's number and slot; `allowed` is when it could leave at the earliest.
    pub(super) fn order(&mut self, allowed: Instant, context: &mut Context<'_>) -> ProbeId {
        self.tell_unanswered(context);
        self.forget(context);
        let id = self.probes.push(Probe::ordered());
        self.unconfirmed += 1;
        match &mut self.pacer {
            // Probes sent at once at the start all use the first slot.
            Pacer::Slots(slots) if id.get() >= u64::from(context.config.preload) => {
                self.counts.skipped += slots.take(allowed, context.now.mono);
            }
            Pacer::Slots(_) => {}
            Pacer::Window(window) => window.take(context.now.mono),
        }
        id
    }

    /// A probe left, or the kernel's stamps of one that left before are known now.
    pub(super) fn sent(&mut self, id: ProbeId, sent: &Sent, context: &mut Context<'_>) {
        let Some(probe) = self.probes.get_mut(id) else { return };
        match probe.fate {
            Fate::Failed => {}
            Fate::Ordered => {
                probe.fate = Fate::Open;
                probe.leave(sent);
                self.unconfirmed -= 1;
                self.counts.sent += 1;
                self.counts.pending += 1;
                let at = sent.stamp.user.mono;
                if let Pacer::Slots(slots) = &mut self.pacer
                    && id.get() >= u64::from(context.config.preload)
                {
                    self.counts.skipped += slots.left(at);
                }
                self.first_sent.get_or_insert(at);
                self.last_sent = self.last_sent.max(Some(at));
                self.last_packet = self.last_packet.max(Some(at));
                self.newest_sent = self.newest_sent.max(Some(id));
                if context.config.report_sent {
                    context.events.push_back(Event::Sent { series: self.id, probe: id });
                }
            }
            Fate::Open | Fate::Received(_) | Fate::Unreachable | Fate::Lost | Fate::LateAnswered => {
                probe.leave(sent);
                self.release(context.now.mono, context.events);
            }
        }
    }

    /// The kernel would not send a probe.
    pub(super) fn refused(&mut self, id: ProbeId, refused: &Refused, context: &mut Context<'_>) {
        let Some(probe) = self.probes.get_mut(id).filter(|probe| probe.fate == Fate::Ordered) else { return };
        probe.fate = Fate::Failed;
        self.unconfirmed -= 1;
        self.counts.send_failed += 1;
        self.not_before = context.now.mono + REFUSED_GAP;
        context.events.push_back(Event::SendFailed(SendFailed {
            series: self.id,
            probe: id,
            at: context.now.wall,
            error: refused.error,
            mtu: refused.mtu,
        }));
        self.advance();
    }

    /// The newest probe, once there is one.
    pub(super) fn newest(&self) -> Option<ProbeId> {
        self.probes.newest()
    }

    /// What a 16-bit sequence names; a probe that never left is nothing.
    pub(super) fn named(&self, sequence: Sequence) -> Named {
        if self.closed {
            return Named::Forgotten;
        }
        match self.probes.with_sequence(sequence) {
            Named::Probe(id) if !self.probes.get(id).is_some_and(Probe::has_left) => Named::Nothing,
            named => named,
        }
    }

    /// Whether this probe is waited for.
    pub(super) fn is_open(&self, id: ProbeId) -> bool {
        self.probes.get(id).is_some_and(|probe| probe.fate == Fate::Open)
    }

    /// Loses every probe whose wait was over at `seen`, and tells every reply that waited for a stamp until then.
    pub(super) fn expire(&mut self, seen: Instant, context: &mut Context<'_>) {
        self.release(seen, context.events);
        while self.next_loss(context.config).is_some_and(|deadline| deadline <= seen) {
            self.lose(self.undecided, context);
        }
    }

    /// Figures so far.
    pub(super) fn interim(&self) -> Interim {
        Interim { series: self.id, counts: self.figures(), rtt: self.rtt_stats(), ewma: self.ewma() }
    }

    /// Ends the series: what is open stays pending. Its memory is released.
    pub(super) fn close(&mut self, events: &mut VecDeque<Event>) {
        self.release_all(events);
        self.closed = true;
        let counts = self.figures();
        debug_assert!(counts.balance(), "{counts:?}");
        self.probes = Inflight::default();
        self.unconfirmed = 0;
        let state = match self.target.place {
            Place::Unresolved => Some(State::Unresolved),
            Place::Unroutable { .. } => Some(State::Unknown),
            Place::Reachable { .. } => (counts.sent == 0 && counts.send_failed > 0).then_some(State::Unknown),
        };
        let duration = self.first_sent.zip(self.last_packet).map_or(Duration::ZERO, |(first, last)| last.since(first));
        let delays = self.delays.majority();
        events.push_back(Event::Summary(Box::new(Summary {
            series: self.id,
            counts,
            state,
            rtt: self.rtt_stats(),
            ewma: self.ewma(),
            ipdv: delays.and_then(|delays| delays.ipdv.mean()),
            interarrival_jitter: delays.and_then(|delays| delays.jitter.nanos()),
            pipe: self.pipe,
            stamps: self.delays.counts(),
            duration: Rtt::from(duration).as_nanos(),
        })));
    }

    /// How many probes are remembered.
    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.probes.from(ProbeId::FIRST).count()
    }

    fn figures(&self) -> Counts {
        let mut runs = self.loss_runs;
        self.probes.from(self.undecided).for_each(|probe| count_run(&mut runs, probe.fate));
        Counts { longest_loss_run: runs.longest(), ..self.counts }
    }

    fn rtt_stats(&self) -> Option<RttStats> {
        self.delays.majority()?.rtts.stats()
    }

    fn ewma(&self) -> Option<u64> {
        self.delays.ewma().map(Rtt::as_nanos)
    }

    fn is_done_sending(&self, config: &Config) -> bool {
        let enough = config.count.is_some_and(|count| match config.deadline {
            None => number(self.probes.newest()) >= count,
            Some(_) => self.counts.received >= count,
        });
        self.stopped || enough
    }

    /// When an open probe is lost; `None`: never.
    fn deadline(&self, probe: &Probe, config: &Config) -> Option<Instant> {
        let sent = probe.sent().user.mono;
        let longest = match config.wait {
            Wait::Exactly(wait) => return Some(sent + wait),
            Wait::Forever => return None,
            Wait::Default => sent + LONGEST_WAIT,
        };
        match (self.last_sent, self.delays.slowest()) {
            (Some(last), Some(slowest)) if self.unconfirmed == 0 && self.is_done_sending(config) => {
                let end_wait = slowest.as_duration().saturating_mul(2).max(SHORTEST_END_WAIT);
                Some(longest.min(last + end_wait))
            }
            _ => Some(longest),
        }
    }

    /// Says that the last probe has no answer, if that is wanted.
    fn tell_unanswered(&self, context: &mut Context<'_>) {
        let newest = self.newest_sent.filter(|_| context.config.report_open);
        if let Some((id, probe)) = newest.and_then(|id| Some((id, self.probes.get(id)?)))
            && matches!(probe.fate, Fate::Open | Fate::Lost)
        {
            let sent = probe.sent().user.wall;
            let unanswered = Unanswered { series: self.id, probe: id, sent, at: context.now.wall };
            context.events.push_back(Event::NoAnswerYet(unanswered));
        }
    }

    /// Makes room for the next probe: lets go of what is decided and old, and gives up what is open when its sequence
    /// number is about to be used again.
    fn forget(&mut self, context: &mut Context<'_>) {
        if self.probes.is_full()
            && let Some((id, _)) = self.probes.oldest()
        {
            self.lose(id, context);
            if self.probes.pop_oldest().is_some_and(|probe| probe.fate == Fate::Ordered) {
                self.unconfirmed -= 1;
                self.undecided = id.next();
            }
        }
        while let Some((id, probe)) = self.probes.oldest()
            && id < self.undecided
            && context.now.mono.since(probe.sent().user.mono) > MEMORY
        {
            self.probes.pop_oldest();
        }
    }

    fn lose(&mut self, id: ProbeId, context: &mut Context<'_>) {
        let Some(probe) = self.probes.get_mut(id).filter(|probe| probe.fate == Fate::Open) else { return };
        probe.fate = Fate::Lost;
        let sent = probe.sent().user.wall;
        self.counts.pending -= 1;
        self.counts.lost += 1;
        context.events.push_back(Event::Timeout(Unanswered { series: self.id, probe: id, sent, at: context.now.wall }));
        self.advance();
    }

    /// Passes over what is decided, in the order of numbers.
    fn advance(&mut self) {
        while let Some(probe) = self.probes.get(self.undecided)
            && !matches!(probe.fate, Fate::Ordered | Fate::Open)
        {
            count_run(&mut self.loss_runs, probe.fate);
            self.undecided = self.undecided.next();
        }
    }
}

/// A probe that never left neither ends a run of losses nor is part of one.
fn count_run(runs: &mut LossRuns, fate: Fate) {
    if !matches!(fate, Fate::Failed | Fate::Ordered) {
        runs.record(matches!(fate, Fate::Lost | Fate::LateAnswered));
    }
}

fn number(id: Option<ProbeId>) -> u64 {
    id.map_or(0, ProbeId::get)
}
