//! How long the probes of a series are waited for, and what happens when the wait is over.

use std::time::Duration;

use super::{Context, Series};
use crate::engine::outcome::{Outcome, Silence, Wait};
use crate::metrics::LossRuns;
use crate::ping::config::Config;
use crate::ping::event::Event;
use crate::ping::probe::{Probe, ProbeState};
use crate::types::{Instant, ProbeId};

/// How long a decided probe is remembered, to recognise late answers and duplicates: the longest a packet is assumed to live
/// (RFC 9293 §3.4.2, Maximum Segment Lifetime).
const MEMORY: Duration = Duration::from_secs(120);

/// How long a probe is waited for by default.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// The shortest wait for the last probes of a counted run whose target answers.
const SHORTEST_END_WAIT: Duration = Duration::from_secs(1);

/// How long a connection is waited for by default: then the kernel repeats its SYN (RFC 6298 §2), and a later answer is to
/// that one.
const CONNECT_WAIT: Duration = Duration::from_secs(1);

impl Series {
    /// Whether nothing more is to be sent or waited for.
    pub(in crate::ping) fn is_over(&self, config: &Config) -> bool {
        let enough = config.deadline.is_some() && config.count.is_some_and(|count| self.counts.received >= count);
        let idle = self.counts.pending == 0 && self.unconfirmed == 0 && self.linger(config).is_none();
        let answered = enough || (self.is_done_sending(config) && idle);
        !self.can_be_probed() || (answered && self.unstamped.is_empty())
    }

    /// Whether all of its probes are decided and reported.
    pub(in crate::ping) fn is_settled(&self) -> bool {
        self.counts.pending == 0 && self.unconfirmed == 0 && self.unstamped.is_empty()
    }

    /// When the oldest open probe is lost, or an answer no longer waits for a stamp.
    pub(in crate::ping) fn next_deadline(&self, config: &Config) -> Option<Instant> {
        [self.next_loss(config), self.unstamped_until()].into_iter().flatten().min()
    }

    /// When the oldest open probe is lost, unless something comes before.
    fn next_loss(&self, config: &Config) -> Option<Instant> {
        match self.probes.get(self.undecided) {
            Some(probe) if probe.state == ProbeState::Open => self.deadline(probe, config),
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
            Wait::Default => Some(last + self.end_wait().unwrap_or(LONGEST_WAIT)),
        }
    }

    /// Loses every probe whose wait was over at `seen`, and emits every answer that waited for a stamp until then.
    pub(in crate::ping) fn expire(&mut self, seen: Instant, context: &mut Context<'_>) {
        self.emit_ready(seen, context.events);
        while self.next_loss(context.config).is_some_and(|deadline| deadline <= seen) {
            if self.counts.pending == 0 {
                self.lingered = true;
            }
            self.lose(self.undecided, context);
        }
    }

    /// When an open probe is lost; `None`: never.
    pub(super) fn deadline(&self, probe: &Probe, config: &Config) -> Option<Instant> {
        let sent = probe.sent().user.mono;
        let longest = match self.spec.wait {
            Wait::Exactly(wait) => return Some(sent + wait),
            Wait::Forever => return None,
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
        self.delays.slowest().map(|slowest| slowest.as_duration().saturating_mul(2).max(SHORTEST_END_WAIT))
    }

    pub(super) fn lose(&mut self, id: ProbeId, context: &mut Context<'_>) {
        let Some(probe) = self.probes.get_mut(id).filter(|probe| probe.state == ProbeState::Open) else { return };
        probe.state = ProbeState::Lost;
        let sent = probe.sent().user.wall;
        self.counts.pending -= 1;
        self.counts.lost += 1;
        let event = self.event(id, sent, context.now.wall, Outcome::Timeout(self.silence(id)));
        context.events.push_back(Event::Probe(event));
        self.keep_attempt(id, context);
        self.advance();
    }

    /// The meaning of this probe's silence.
    pub(super) fn silence(&self, id: ProbeId) -> Silence {
        match self.connections.silence(id) {
            Some(silence) => silence,
            None if self.is_rate_limited() => Silence::RateLimited,
            None => self.method.silence(),
        }
    }

    /// Whether silence means a closed port that was not reported each time: hosts limit how many ICMP errors they send.
    pub(super) fn is_rate_limited(&self) -> bool {
        self.subject.method.has_closed_ports() && self.counts.refused > 0 && self.counts.received == 0
    }

    /// Moves past the probes that are decided, in the order of numbers.
    pub(super) fn advance(&mut self) {
        while let Some(probe) = self.probes.get(self.undecided)
            && !matches!(probe.state, ProbeState::Ordered | ProbeState::Open)
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
            && context.now.mono.since(probe.sent().user.mono) > MEMORY
        {
            self.probes.pop_oldest();
        }
    }
}

/// A probe that never left neither ends a run of losses nor is part of one.
pub(super) fn count_run(runs: &mut LossRuns, state: ProbeState) {
    if !matches!(state, ProbeState::NotSent | ProbeState::Ordered) {
        runs.record(matches!(state, ProbeState::Lost | ProbeState::AnsweredLate));
    }
}
