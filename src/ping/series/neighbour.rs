//! Probes that nothing came back for: whether they had a neighbour to go to.
//!
//! The kernel reports a neighbour that does not exist after three seconds (three requests, one a second), which is longer than
//! many waits, and over IPv6 a TCP socket that is bound to an interface does not get the report at all. So the channel is asked
//! before silent probes are lost, once for all whose wait is over.

use super::{Context, Route, Series, SeriesOrder};
use crate::channel::{ErrorOrigin, OsError};
use crate::engine::decode::DecodedError;
use crate::engine::delay;
use crate::engine::outcome::{Outcome, ProbeEvent, Standing};
use crate::ping::config::Config;
use crate::ping::probe::ProbeState;
use crate::types::{Endpoint, Family, Instant, ProbeId, Stamp};
use crate::wire::icmp::ErrorKind;

impl Series {
    /// The probes whose wait was over at `seen`, while nothing about them had come.
    pub(super) fn silent_at(&self, seen: Instant, config: &Config) -> Vec<ProbeId> {
        let newest = self.probes.newest().map_or(0, ProbeId::get);
        let probes = (self.undecided.get()..=newest).filter_map(|id| Some((id, self.probes.get(ProbeId::new(id))?)));
        let over = probes.take_while(|(_, probe)| {
            let is_lost = || self.deadline(probe, config).is_some_and(|deadline| deadline <= seen);
            probe.state.is_decided() || (probe.state.is_open() && is_lost())
        });
        over.filter(|(_, probe)| probe.state == ProbeState::Open).map(|(id, _)| ProbeId::new(id)).collect()
    }

    /// Asks whether `silent` probes had a neighbour to go to; returns whether there is something to ask.
    pub(super) fn ask_neighbour(
        &mut self,
        silent: impl FnOnce(&Series) -> Vec<ProbeId>,
        context: &mut Context<'_>,
    ) -> bool {
        if !self.subject.method.asks_neighbours() {
            return false;
        }
        let Some(Route { to: Endpoint::Ip(to), lane, .. }) = self.route() else { return false };
        let was_asked = !self.asked.is_empty();
        let silent = silent(self);
        self.asked.extend(silent);
        let Some(&first) = self.asked.first() else { return false };
        if !was_asked {
            context.orders.push_back(SeriesOrder::AskNeighbour { token: self.token(first), lane, to });
        }
        true
    }

    /// Whether the channel was asked and has not answered.
    pub(in crate::ping) fn asks(&self) -> bool {
        !self.asked.is_empty()
    }

    /// The answer: a probe without a neighbour never left.
    pub(in crate::ping) fn neighbour(&mut self, is_missing: bool, context: &mut Context<'_>) {
        for id in std::mem::take(&mut self.asked) {
            let is_silent = self.probes.get(id).is_some_and(|probe| probe.state == ProbeState::Open);
            if is_missing && is_silent && !self.connections.is_open(id) {
                self.miss_neighbour(id, context);
            }
            self.lose(id, context);
        }
    }

    fn miss_neighbour(&mut self, id: ProbeId, context: &mut Context<'_>) {
        let Some(sent) = self.probes.get(id).map(|probe| probe.sent().user.wall) else { return };
        let family = self.subject.address.map(Family::of).unwrap_or_default();
        let error = DecodedError {
            // As this host would report it to itself (RFC 1122 §2.3.2.1, RFC 4861 §7.2.2).
            origin: ErrorOrigin::Icmp,
            icmp: Some(family.pick((3, 1), (1, 3))),
            ..DecodedError::local(OsError::EHOSTUNREACH, Stamp::user(context.now))
        };
        let outcome = Outcome::Error(Box::new((&error).into()));
        let event = ProbeEvent { responder: self.subject.source, ..self.event(id, sent, context.now.wall, outcome) };
        self.deliver(Standing::First, event, None, context);
        self.release(id, context);
    }

    /// Takes the kernel's own report of a missing neighbour, if it came after the wait: a probe that it is about is unreachable by
    /// then, or was about to be.
    pub(super) fn take_report(&mut self, id: ProbeId, error: &DecodedError<'_>, context: &mut Context<'_>) -> bool {
        let is_own = error.responder.is_some() && error.responder == self.subject.source;
        if !is_own || error.kind != ErrorKind::HostUnreachable || !self.subject.method.asks_neighbours() {
            return false;
        }
        let Some(probe) = self.probes.get(id) else { return false };
        let arrival = delay::arrival(&probe.sent(), &error.stamp);
        match probe.state {
            ProbeState::Unreachable => true,
            ProbeState::Open if self.deadline(probe, context.config).is_some_and(|deadline| deadline < arrival) => {
                self.miss_neighbour(id, context);
                self.lose(id, context);
                true
            }
            _ => false,
        }
    }
}
