//! How long the probes of a series are waited for, and what is told when that is over.

use std::time::Duration;

use super::{Context, Series, count_run};
use crate::ping::config::{Config, Wait};
use crate::ping::event::{Event, Unanswered};
use crate::ping::method::Method;
use crate::ping::probe::{Fate, Probe};
use crate::ping::summary::State;
use crate::types::{Instant, ProbeId, WallTime};

/// How long a decided probe is remembered, to tell late answers and duplicates: the longest a packet is assumed to live
/// (RFC 9293 §3.4.2, Maximum Segment Lifetime).
const MEMORY: Duration = Duration::from_secs(120);

/// How long a probe is waited for unless told otherwise.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// The shortest wait for the last probes of a counted run whose target answers.
const SHORTEST_END_WAIT: Duration = Duration::from_secs(1);

/// How long a connection is waited for unless told otherwise: then the kernel repeats its SYN (RFC 6298 §2), and what comes
/// later answers that.
const CONNECT_WAIT: Duration = Duration::from_secs(1);

impl Series {
    /// When the oldest open probe is lost, or an answer is told without waiting for a stamp any longer.
    pub(in crate::ping) fn next_deadline(&self, config: &Config) -> Option<Instant> {
        [self.next_loss(config), self.held_until()].into_iter().flatten().min()
    }

    /// When the oldest open probe is lost, unless something comes before.
    fn next_loss(&self, config: &Config) -> Option<Instant> {
        match self.probes.get(self.undecided) {
            Some(probe) if probe.fate == Fate::Open => self.deadline(probe, config),
            Some(_) => None,
            None => self.linger(config),
        }
    }

    /// Until when further answers to the last probe of a series that many answer are waited for.
    pub(super) fn linger(&self, config: &Config) -> Option<Instant> {
        let last =
            self.last_sent.filter(|_| !self.lingered && self.is_group(config) && self.is_done_sending(config))?;
        match config.wait {
            Wait::Exactly(wait) => Some(last + wait),
            Wait::Forever => None,
            Wait::Default => Some(last + self.end_wait().unwrap_or(LONGEST_WAIT)),
        }
    }

    /// Loses every probe whose wait was over at `seen`, and tells every answer that waited for a stamp until then.
    pub(in crate::ping) fn expire(&mut self, seen: Instant, context: &mut Context<'_>) {
        self.tell_ready(seen, context.events);
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
        let longest = match config.wait {
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
        let Some(probe) = self.probes.get_mut(id).filter(|probe| probe.fate == Fate::Open) else { return };
        probe.fate = Fate::Lost;
        let sent = probe.sent().user.wall;
        self.counts.pending -= 1;
        self.counts.lost += 1;
        context.events.push_back(Event::Timeout(self.unanswered(id, sent, context.now.wall)));
        self.let_linger(id, context);
        self.advance();
    }

    pub(super) fn unanswered(&self, probe: ProbeId, sent: WallTime, at: WallTime) -> Unanswered {
        let failure = self.connections.silence(probe);
        let rate_limited = self.is_rate_limited();
        let state = match &self.method {
            _ if failure.is_some() => State::Open,
            Method::Tcp(_) | Method::Unix(_) => State::Filtered,
            Method::Udp(_) | Method::Stamp(_) if rate_limited => State::Closed,
            Method::Icmp | Method::Udp(_) | Method::UnixDgram(_) | Method::Stamp(_) => State::NoAnswer,
        };
        Unanswered {
            series: self.id,
            probe,
            sent,
            at,
            source_port: self.source_port(probe),
            state,
            rate_limited,
            failure,
        }
    }

    /// Whether silence means that a closed port does not say so each time: hosts limit how many ICMP errors they send.
    pub(super) fn is_rate_limited(&self) -> bool {
        matches!(self.method, Method::Udp(_) | Method::Stamp(_)) && self.counts.refused > 0 && self.counts.received == 0
    }

    /// Passes over what is decided, in the order of numbers.
    pub(super) fn advance(&mut self) {
        while let Some(probe) = self.probes.get(self.undecided)
            && !matches!(probe.fate, Fate::Ordered | Fate::Open)
        {
            count_run(&mut self.loss_runs, probe.fate);
            self.undecided = self.undecided.next();
        }
    }

    /// Makes room for the next probe: lets go of what is decided and old, and gives up what is open when its sequence
    /// number is about to be used again.
    pub(super) fn forget(&mut self, context: &mut Context<'_>) {
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
}
