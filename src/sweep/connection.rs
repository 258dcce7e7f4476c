//! Probes that are connections, where the kernel does not let us send SYNs of our own: each is closed as soon as it is open.

use super::answer::{Match, Traits};
use super::in_flight::ProbeState;
use super::machine::Sweep;
use crate::channel::{CloseHow, Closed, ClosedHow, Opened, Order, OsError, Token};
use crate::engine::delay;
use crate::types::{Now, Stamp};

/// The most connections that are opening at a time.
const MOST: u32 = 10_000;

impl Sweep {
    /// How many connections may be opening; `None` where SYNs are sent.
    pub(super) fn most_connections(&self) -> Option<usize> {
        let lanes = self.lanes.iter().map(|lane| lane.route.profile);
        lanes.filter(|profile| profile.connects()).map(|profile| profile.max_open.min(MOST) as usize).min()
    }

    /// Whether another connection may be opened.
    pub(super) fn has_room(&self) -> bool {
        self.most_connections().is_none_or(|most| self.connections.len() < most)
    }

    /// A connection is open.
    pub(super) fn opened(&mut self, now: Now, opened: &Opened) {
        let number = opened.token.get();
        if !self.release(number, Order::Close { token: opened.token, how: CloseHow::Reset }) {
            return;
        }
        let sent = self.in_flight.stamps(number).map(|(sent, _)| sent.user.mono);
        let after = opened.stamp.user.mono.since(sent.unwrap_or(opened.stamp.user.mono));
        if delay::answers_first_syn(opened, after) {
            self.connection_answered(now, number, &opened.stamp, ProbeState::Replied);
        } else {
            // The probe is the first SYN, and another one was answered.
            self.connection_late(number);
        }
    }

    /// A connection cannot be opened.
    pub(super) fn closed(&mut self, now: Now, closed: &Closed) {
        let number = closed.token.get();
        if !self.connections.remove(&number) {
            return;
        }
        let state = match closed.how {
            ClosedHow::Failed(OsError::ECONNREFUSED) | ClosedHow::Reset | ClosedHow::Fin => ProbeState::Refused,
            // The kernel gave up, and we wait as long as we were asked to.
            ClosedHow::Failed(OsError::ETIMEDOUT) => return,
            ClosedHow::Failed(_) => ProbeState::Errored,
        };
        self.connection_answered(now, number, &closed.stamp, state);
    }

    /// An ICMP error ended a connection.
    pub(super) fn connection_failed(&mut self, now: Now, token: Token, stamp: &Stamp) {
        if self.release(token.get(), Order::Forget { token })
            && let Some(matched) = self.connection(token.get())
        {
            self.errored(now, matched, stamp);
        }
    }

    /// Ends a connection by this order, if there still is one.
    pub(super) fn release(&mut self, number: u64, order: Order) -> bool {
        // Most sweeps open none, and a look at an empty set takes a hash.
        let is_held = !self.connections.is_empty() && self.connections.remove(&number);
        if is_held {
            self.releases.push_back(order);
        }
        is_held
    }

    fn connection(&self, number: u64) -> Option<Match> {
        let slot = self.in_flight.get(number)?.slot();
        Some(Match { number, slot, exact: true })
    }

    fn connection_answered(&mut self, now: Now, number: u64, stamp: &Stamp, state: ProbeState) {
        if let Some(matched) = self.connection(number) {
            self.answer(now, matched, stamp, state, Traits::default());
        }
    }

    fn connection_late(&mut self, number: u64) {
        if let Some(matched) = self.connection(number) {
            self.totals.counts.late += 1;
            self.count_rare(matched, |rare| rare.late += 1);
        }
    }
}
