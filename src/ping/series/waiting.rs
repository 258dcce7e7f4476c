//! How long the probes of a series are waited for, and what happens when the wait is over.

use std::time::Duration;

use super::{Context, Series};
use crate::engine::delay;
use crate::engine::outcome::{ExchangeFailure, Outcome, Pace, ProbeEvent, Refusal, Silence, Standing, Wait};
use crate::metrics::LossRuns;
use crate::ping::config::Config;
use crate::ping::event::Event;
use crate::ping::probe::{Probe, ProbeState};
use crate::types::{Instant, ProbeId, Stamp};

/// How long a probe is waited for by default.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// The shortest wait for the last probes of a counted run whose target answers.
const SHORTEST_END_WAIT: Duration = Duration::from_secs(1);

/// How long a connection is waited for by default: then the kernel repeats its SYN (RFC 6298 §2), and a later answer is to
/// that one.
const CONNECT_WAIT: Duration = Duration::from_secs(1);

/// The least age of a probe whose silence counts at the end of a run, in tenths of an interval: less than one, so that all but
/// the newest probe count, and a run of n seconds with a probe each second counts n.
const LEAST_SILENCE_TENTHS: u32 = 9;

/// The longest interval of which it is a part.
const LONGEST_FOR_SILENCE: Duration = Duration::from_secs(1);

/// The interval of probes that follow answers, for the same purpose: their longest.
const UNPACED_INTERVAL: Duration = Duration::from_millis(10);

/// Hosts that limit their ICMP errors send one a second (Linux), or more.
const MOST_BETWEEN_ERRORS: Duration = Duration::from_secs(3);

impl Series {
    /// Whether nothing more is to be sent or waited for.
    pub(in crate::ping) fn is_over(&self, config: &Config) -> bool {
        let enough = config.deadline.is_some() && config.count.is_some_and(|count| self.counts.received >= count);
        let idle = self.awaits_nothing() && self.linger(config).is_none();
        let answered = enough || (self.is_done_sending(config) && idle);
        !self.can_be_probed() || (answered && self.unstamped.is_empty())
    }

    /// Whether nothing about its probes is waited for or still to be reported.
    pub(in crate::ping) fn is_settled(&self) -> bool {
        self.awaits_nothing() && self.unstamped.is_empty()
    }

    /// Whether no probe is open, but for those whose answer was waited for long enough after an ICMP error.
    fn awaits_nothing(&self) -> bool {
        let open = self.counts.pending - if self.errors_until.is_none() { self.errored } else { 0 };
        open == 0 && self.unconfirmed == 0
    }

    /// When the oldest open probe is lost, or what came no longer waits for a stamp or an answer.
    pub(in crate::ping) fn next_deadline(&self, config: &Config) -> Option<Instant> {
        [self.next_loss(config), self.unstamped_until(), self.errors_until].into_iter().flatten().min()
    }

    /// An ICMP error came at `arrival` about a probe that stays open.
    pub(super) fn await_after_error(&mut self, arrival: Instant) {
        self.errored += 1;
        self.errors_until = Some(arrival + delay::wait_after_error(self.delays.slowest()));
    }

    /// When the oldest open probe is lost, unless something comes before.
    fn next_loss(&self, config: &Config) -> Option<Instant> {
        match self.probes.get(self.undecided) {
            Some(_) if self.asks() => None,
            Some(probe) if probe.state.is_open() => self.deadline(probe, config),
            Some(_) => None,
            None => self.linger(config),
        }
    }

    /// Until when further answers to the last probe of a group are waited for.
    pub(super) fn linger(&self, config: &Config) -> Option<Instant> {
        let last = self.last_sent.filter(|_| !self.lingered && self.group && self.is_done_sending(config))?;
        match self.spec.wait {
            Wait::Exactly(wait) => Some(last + wait),
            Wait::Forever => None,
            Wait::Prompt => Some(last + self.prompt_wait()),
            Wait::Default => Some(last + self.end_wait().unwrap_or(LONGEST_WAIT)),
        }
    }

    /// Loses every probe whose wait was over at `seen`, and emits every answer that waited for a stamp until then.
    pub(in crate::ping) fn expire(&mut self, seen: Instant, context: &mut Context<'_>) {
        self.emit_ready(seen, context.events);
        self.errors_until.take_if(|until| *until <= seen);
        while self.next_loss(context.config).is_some_and(|deadline| deadline <= seen) {
            if self.counts.pending == 0 {
                self.lingered = true;
            }
            let config = context.config;
            if !self.ask_neighbour(|series| series.silent_at(seen, config), context) {
                self.lose(self.undecided, context);
            }
        }
    }

    /// When an open probe is lost; `None`: never.
    pub(super) fn deadline(&self, probe: &Probe, config: &Config) -> Option<Instant> {
        let sent = probe.sent().user.mono;
        let longest = match self.spec.wait {
            Wait::Exactly(wait) => return Some(sent + wait),
            Wait::Forever => return None,
            Wait::Prompt => return Some(sent + self.prompt_wait()),
            Wait::Default if self.method.connect().is_some() => return Some(sent + CONNECT_WAIT),
            Wait::Default => sent + LONGEST_WAIT,
        };
        match (self.last_sent, self.end_wait()) {
            (Some(last), Some(end_wait)) if self.unconfirmed == 0 && self.is_done_sending(config) => {
                Some(longest.min(last + end_wait))
            }
            _ => Some(longest),
        }
    }

    /// How long the last probes are waited for, if anything was ever answered.
    pub(super) fn end_wait(&self) -> Option<Duration> {
        self.delays.slowest().map(|_| self.slowest_twice().max(SHORTEST_END_WAIT))
    }

    /// The wait for a probe of a run that is watched. A target that is slower than it was is slow, and not away.
    fn prompt_wait(&self) -> Duration {
        let late = self.slowest_late.map_or(Duration::ZERO, |slowest| slowest.as_duration().saturating_mul(2));
        self.slowest_twice().max(late).max(SHORTEST_END_WAIT)
    }

    /// Twice the largest delay; nothing if there is none.
    fn slowest_twice(&self) -> Duration {
        self.delays.slowest().map_or(Duration::ZERO, |slowest| slowest.as_duration().saturating_mul(2))
    }

    /// What becomes of the open probes if the run ends now.
    pub(super) fn end(&self, now: Instant) -> End {
        let (newest, followed) = match self.spec.wait {
            Wait::Exactly(wait) => (wait, wait),
            Wait::Default | Wait::Forever | Wait::Prompt if self.counts.decided() == self.counts.lost => {
                (Duration::ZERO, Duration::ZERO)
            }
            Wait::Default | Wait::Forever | Wait::Prompt => {
                let (least, known) = (self.least_silence(), self.delays.slowest().is_some());
                let least_followed = if known { least / 2 } else { least };
                (self.slowest_twice().max(least), self.slowest_twice().max(least_followed))
            }
        };
        let end = End { now, newest, followed, last_sent: self.last_sent };
        let mut open = self.probes.from(self.undecided).filter(|probe| probe.state.is_open());
        let any = self.counts.decided() > 0 || open.any(|probe| end.state(probe) != ProbeState::Open);
        // A summary must have something to count.
        if any { end } else { End { newest: Duration::ZERO, followed: Duration::ZERO, ..end } }
    }

    /// The least age of a probe whose silence counts, if anything was ever answered.
    fn least_silence(&self) -> Duration {
        let interval = match self.spec.pace {
            // Nothing is known of how long an answer takes.
            _ if self.delays.slowest().is_none() => LONGEST_FOR_SILENCE,
            Pace::Fixed(interval) | Pace::Adaptive { at_least: interval } => interval.max(UNPACED_INTERVAL),
            Pace::Flood | Pace::Unpaced => UNPACED_INTERVAL,
            Pace::Called => LONGEST_FOR_SILENCE,
        };
        interval.min(LONGEST_FOR_SILENCE) * LEAST_SILENCE_TENTHS / 10
    }

    /// Decides what can be decided about the open probes, at the end of the run.
    pub(super) fn lose_at_end(&mut self, context: &mut Context<'_>) {
        self.decided_at_end(context.now.mono).into_iter().for_each(|id| self.lose(id, context));
    }

    /// Asks what is to be known about the open probes before they are decided at the end of the run.
    pub(in crate::ping) fn ask_at_end(&mut self, context: &mut Context<'_>) {
        let now = context.now.mono;
        self.ask_neighbour(|series| series.decided_at_end(now), context);
    }

    /// The open probes that are decided if the run ends now.
    fn decided_at_end(&self, now: Instant) -> Vec<ProbeId> {
        let (end, newest) = (self.end(now), self.probes.newest().map_or(0, ProbeId::get));
        let decided = |id: &ProbeId| self.probes.get(*id).is_some_and(|probe| end.state(probe) != probe.state);
        (self.undecided.get()..=newest).map(ProbeId::new).filter(decided).collect()
    }

    /// The wait for a probe is over: it is lost, or unreachable if there was an ICMP error about it.
    pub(super) fn lose(&mut self, id: ProbeId, context: &mut Context<'_>) {
        let Some(probe) = self.probes.get_mut(id).filter(|probe| probe.state.is_open()) else { return };
        let sent = probe.sent();
        if self.refuse_unexpected(id, sent, context) {
            return;
        }
        let Some(probe) = self.probes.get_mut(id) else { return };
        self.counts.pending -= 1;
        if std::mem::replace(&mut probe.state, ProbeState::Lost) == ProbeState::Errored {
            probe.state = ProbeState::Unreachable;
            self.errored -= 1;
            self.counts.unreachable += 1;
            return self.advance();
        }
        self.counts.lost += 1;
        let silence = self.silence(id);
        self.limited |= silence == Silence::RateLimited;
        let event = self.event(id, sent.user.wall, context.now.wall, Outcome::Timeout(silence));
        context.events.push_back(Event::Probe(event));
        self.keep_attempt(id, context);
        self.advance();
    }

    /// What is expected has not come within the wait, and something else has: the service has answered, in another way.
    fn refuse_unexpected(&mut self, id: ProbeId, sent: Stamp, context: &mut Context<'_>) -> bool {
        let Some((opened, came)) = self.connections.unexpected(id) else { return false };
        let refusal = Outcome::Refused(Refusal::Unexpected(came));
        let event = ProbeEvent { at: context.now.wall, ..self.answer(id, &sent, &opened, refusal) };
        let runs_to = event.delay.map(|_| opened);
        self.deliver(Standing::First, event, runs_to, context);
        self.keep_attempt(id, context);
        true
    }

    /// The meaning of this probe's silence.
    pub(super) fn silence(&self, id: ProbeId) -> Silence {
        match self.method.silence() {
            _ if self.connections.is_open(id) => Silence::Exchange(ExchangeFailure::Silence),
            _ if self.may_be_limited(id) => Silence::RateLimited,
            silence => silence,
        }
    }

    /// Whether silence may mean a closed port that is not reported each time: hosts limit how many ICMP errors they send. A target
    /// that has reported none for longer may be gone.
    fn may_be_limited(&self, id: ProbeId) -> bool {
        let (sent, refused) = (self.probes.get(id).map(|probe| probe.sent().user.mono), self.refused_at);
        let recently = sent.zip(refused).is_some_and(|(sent, refused)| sent.since(refused) < MOST_BETWEEN_ERRORS);
        recently && self.subject.method.has_closed_ports() && self.counts.received == 0
    }

    /// Moves past the probes that are decided, in the order of numbers.
    pub(super) fn advance(&mut self) {
        while let Some(probe) = self.probes.get(self.undecided)
            && probe.state.is_decided()
        {
            count_run(&mut self.loss_runs, probe.state);
            self.undecided = self.undecided.next();
        }
    }

    /// Makes room for the next probe: drops those that are decided and old, and gives up an open one whose sequence number is
    /// about to be used again.
    pub(super) fn forget(&mut self, context: &mut Context<'_>) {
        if self.probes.is_full()
            && let Some((id, _)) = self.probes.oldest()
        {
            self.lose(id, context);
            if self.probes.pop_oldest().is_some_and(|probe| probe.state == ProbeState::Ordered) {
                self.unconfirmed -= 1;
                self.undecided = id.next();
            }
        }
        while let Some((id, probe)) = self.probes.oldest()
            && id < self.undecided
            && context.now.mono.since(probe.sent().user.mono) > context.config.memory
        {
            self.probes.pop_oldest();
        }
    }
}

/// The end of a run, as far as it decides about open probes.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    now: Instant,
    /// The age from which on the silence of the newest probe counts.
    newest: Duration,
    /// That of probes which others have followed: on a busy host they may have left late, and are then younger than an interval.
    followed: Duration,
    last_sent: Option<Instant>,
}

impl End {
    /// The state of a probe if the run ends here.
    pub(super) fn state(&self, probe: &Probe) -> ProbeState {
        match probe.state {
            ProbeState::Open => {
                let sent = probe.sent().user.mono;
                let is_followed = self.last_sent.is_some_and(|last| sent < last);
                let age = if is_followed { self.followed } else { self.newest };
                if self.now.since(sent) >= age { ProbeState::Lost } else { ProbeState::Open }
            }
            ProbeState::Errored => ProbeState::Unreachable,
            state => state,
        }
    }
}

/// A probe that never left neither ends a run of losses nor is part of one.
pub(super) fn count_run(runs: &mut LossRuns, state: ProbeState) {
    if !matches!(state, ProbeState::NotSent | ProbeState::Ordered) {
        runs.record(matches!(state, ProbeState::Lost | ProbeState::AnsweredLate { lost: true }));
    }
}
