//! The figures of a series, on the way and at its end.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::Series;
use super::connection::ConnectionOrder;
use super::waiting::count_run;
use crate::engine::Destination;
use crate::engine::outcome::{MethodKind, State, Status};
use crate::metrics::RttStats;
use crate::ping::config::Config;
use crate::ping::event::Event;
use crate::ping::summary::{Counts, Interim, Summary};
use crate::types::Rtt;

impl Series {
    /// Figures so far.
    pub(in crate::ping) fn interim(&self) -> Interim {
        Interim { subject: Arc::clone(&self.subject), counts: self.figures(), rtt: self.rtt_stats(), ewma: self.ewma() }
    }

    /// Ends the series: what is open stays pending.
    pub(in crate::ping) fn close(
        mut self: Box<Self>,
        config: &Config,
        events: &mut VecDeque<Event>,
        orders: &mut VecDeque<ConnectionOrder>,
    ) {
        self.emit_all(events);
        self.release_all(orders);
        let counts = self.figures();
        debug_assert!(counts.balance(), "{counts:?}");
        let state = self.state(&counts);
        let span = self.first_sent.zip(self.last_packet);
        let duration = span.map_or(Duration::ZERO, |(first, last)| last.since(first.mono));
        let (method, delays) = (self.subject.method, self.delays.majority());
        let reflection = self.reflections.as_ref().and_then(|all| all.stats());
        events.push_back(Event::Ended(Box::new(Summary {
            subject: Arc::clone(&self.subject),
            began: self.first_sent.map(|first| first.wall),
            counts,
            status: status(config, &counts, state),
            state,
            rate_limited: method.has_closed_ports().then(|| self.is_rate_limited() && counts.lost > 0),
            syn_retransmits: (method == MethodKind::Tcp).then_some(self.syn_retransmits),
            answer: self.exchanges.stats(),
            reflection: (method == MethodKind::Stamp).then(|| Box::new(reflection.unwrap_or_default())),
            responders: self.responders.as_ref().map_or_else(Vec::new, |all| all.summary()),
            rtt: self.rtt_stats(),
            ewma: self.ewma(),
            ipdv: delays.and_then(|delays| delays.ipdv.mean()),
            interarrival_jitter: delays.and_then(|delays| delays.jitter.nanos()),
            pipe: self.pipe,
            stamps: self.delays.counts(),
            duration: Rtt::from(duration).as_nanos(),
        })));
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

    fn figures(&self) -> Counts {
        let mut runs = self.loss_runs;
        self.probes.from(self.undecided).for_each(|probe| count_run(&mut runs, probe.state));
        Counts { longest_loss_run: runs.longest(), ..self.counts }
    }

    fn rtt_stats(&self) -> Option<RttStats> {
        self.delays.majority()?.rtts.stats()
    }

    fn ewma(&self) -> Option<u64> {
        self.delays.ewma().map(Rtt::as_nanos)
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
