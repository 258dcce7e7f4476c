//! The figures of a series, on the way and at its end.

use std::sync::Arc;
use std::time::Duration;

use super::waiting::count_run;
use super::{Context, Series};
use crate::engine::Destination;
use crate::engine::condition;
use crate::engine::outcome::{MethodKind, State, Status};
use crate::metrics::{Codec, LossRuns, Voice};
use crate::ping::config::Config;
use crate::ping::event::Event;
use crate::ping::probe::ProbeState;
use crate::ping::summary::{Counts, Interim, ReflectionStats, Summary};
use crate::types::{Instant, Rtt};

impl Series {
    /// Figures as they were if the run ended now.
    pub(in crate::ping) fn interim(&self, now: Instant) -> Interim {
        let (counts, _) = self.figures(now);
        Interim { subject: Arc::clone(&self.subject), counts, delays: self.delays.stats() }
    }

    /// Ends the series: an open probe is lost if its silence counts, else it stays pending.
    pub(in crate::ping) fn close(mut self: Box<Self>, context: &mut Context<'_>) {
        self.emit_all(context.events);
        self.lose_at_end(context);
        self.release_all(context.orders);
        let (counts, loss_runs) = self.figures(context.now.mono);
        debug_assert!(counts.balance(), "{counts:?}");
        let state = self.state(&counts);
        let span = self.first_tried.zip(self.last_packet);
        let duration = span.map_or(Duration::ZERO, |(first, last)| last.since(first));
        let method = self.subject.method;
        let reflection = self.reflections.as_ref().and_then(|all| all.stats());
        let voice = |codec| self.voice(codec, &counts, loss_runs, reflection.as_ref());
        let voice = context.config.codec.map(voice);
        let mut summary = Box::new(Summary {
            subject: Arc::clone(&self.subject),
            began: self.first_sent.map(|first| first.wall),
            counts,
            status: status(context.config, &counts, state),
            conditions: Vec::new(),
            state,
            rate_limited: method.has_closed_ports().then_some(self.limited),
            syn_retransmits: (method == MethodKind::Tcp).then_some(self.syn_retransmits),
            answer: self.exchanges.stats(),
            reflection: (method == MethodKind::Stamp).then(|| Box::new(reflection.unwrap_or_default())),
            responders: self.responders.as_ref().map_or_else(Vec::new, |all| all.summary()),
            delays: self.delays.stats(),
            voice,
            pipe: self.pipe,
            stamps: self.delays.counts(),
            duration: Rtt::from(duration).as_nanos(),
        });
        summary.conditions = context.config.conditions.judge(&[summary.facts()]);
        summary.status = condition::status(summary.status, &summary.conditions);
        context.events.push_back(Event::Ended(summary));
    }

    /// The state of the target.
    fn state(&self, counts: &Counts) -> Option<State> {
        match self.destination {
            Destination::Unresolved => return Some(State::Unresolved),
            Destination::Unroutable { .. } => return Some(State::Unknown),
            Destination::Reachable { .. } | Destination::Local { .. } => {}
        }
        match counts {
            counts if counts.sent == 0 => (counts.send_failed > 0).then_some(State::Unknown),
            _ if !self.subject.method.has_state() => None,
            counts if counts.received > 0 || self.seen_open => Some(State::Open),
            counts if counts.refused > 0 => Some(self.subject.method.refused()),
            counts if counts.unreachable > 0 => Some(State::Unreachable),
            counts => (counts.lost > 0).then_some(self.method.silence().state()),
        }
    }

    fn figures(&self, now: Instant) -> (Counts, LossRuns) {
        let (mut counts, mut runs) = (self.counts, self.loss_runs);
        let end = self.end(now);
        for probe in self.probes.from(self.undecided) {
            let state = end.state(probe);
            count_run(&mut runs, state);
            if state != probe.state {
                counts.pending -= 1;
                counts.lost += u64::from(state == ProbeState::Lost);
                counts.unreachable += u64::from(state == ProbeState::Unreachable);
            }
        }
        (Counts { longest_loss_run: runs.longest(), ..counts }, runs)
    }

    /// How a call over the path would sound: its buffer holds twice the 95th percentile of the delay variation, and what varies
    /// by more is as good as lost.
    fn voice(&self, codec: Codec, counts: &Counts, runs: LossRuns, reflection: Option<&ReflectionStats>) -> Voice {
        const SHORTEST_BUFFER: u64 = 20_000_000;
        let heard = || {
            // A refusal has a delay, but carries no voice.
            let delays = self.delays.majority().filter(|_| counts.received > 0)?;
            let (rtt, lost) = (delays.rtts.stats()?, counts.loss_pct()? / 100.0);
            let variation = delays.differences.stats().map_or(0, |differences| differences.p95);
            let buffer = variation.saturating_mul(2).max(SHORTEST_BUFFER);
            let late = delays.rtts.longer_than(Rtt::from_nanos(rtt.median.saturating_add(buffer)));
            let missing = lost + (1.0 - lost) * late as f64 / rtt.count as f64;
            let burst_ratio = runs.mean().map_or(1.0, |length| length * (1.0 - lost));
            let one_way = match reflection {
                Some(ReflectionStats { one_way: Some(way), .. }) => way.there.mean.max(way.back.mean).max(0.0),
                Some(ReflectionStats { rtt_net: Some(net), .. }) => net.median as f64 / 2.0,
                _ => rtt.median as f64 / 2.0,
            };
            let delay_ms = (one_way + buffer as f64) / 1e6 + codec.delay_ms();
            Some(Voice::heard(codec, delay_ms, 100.0 * missing, burst_ratio))
        };
        heard().unwrap_or(Voice { codec, r: None })
    }
}

/// With a count and a deadline, a target has answered once that many probes were answered.
fn status(config: &Config, counts: &Counts, state: Option<State>) -> Status {
    let needed = config.count.filter(|_| config.deadline.is_some()).unwrap_or(1);
    match state {
        Some(state) if state.is_not_run() => Status::NotRun,
        _ if counts.received >= needed => Status::Answered,
        _ => Status::NotAnswered,
    }
}
