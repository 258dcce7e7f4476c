//! Statistics of listeners and the queue of events: [`Ledger`].

use std::collections::VecDeque;

use super::config::Listener;
use super::counters::{Counters, Traffic};
use super::event::{Ended, Event, Session, SessionStart};
use crate::channel::Outbox;
use crate::types::{Endpoint, Instant, Now, Rtt};

/// The counters of every listener, and the events that are not yet polled.
#[derive(Debug)]
pub(super) struct Ledger {
    counters: Vec<Counters>,
    events: VecDeque<Event>,
    last_session: u64,
}

/// The context of handling one input.
#[derive(Debug)]
pub(super) struct Context<'a> {
    pub(super) now: Now,
    pub(super) ledger: &'a mut Ledger,
    /// Where orders go.
    pub(super) orders: &'a mut Outbox,
}

/// A present client.
#[derive(Debug)]
pub(super) struct Client {
    start: SessionStart,
    since: Instant,
    pub(super) traffic: Traffic,
}

impl Client {
    pub(super) const fn listener(&self) -> usize {
        self.start.listener
    }
}

impl Ledger {
    /// A ledger for `listeners` listeners.
    pub(super) fn new(listeners: usize) -> Self {
        Ledger { counters: vec![Counters::default(); listeners], events: VecDeque::new(), last_session: 0 }
    }

    /// Updates the counters of one listener.
    pub(super) fn count(&mut self, listener: usize, change: impl FnOnce(&mut Counters)) {
        if let Some(counters) = self.counters.get_mut(listener) {
            change(counters);
        }
    }

    /// Every listener with its counters.
    pub(super) fn figures(&self, listeners: &[Listener]) -> Vec<(Listener, Counters)> {
        listeners.iter().cloned().zip(self.counters.iter().copied()).collect()
    }

    /// Starts a session.
    pub(super) fn start(&mut self, listener: usize, peer: Endpoint, traffic: Traffic, now: Now) -> Client {
        self.last_session += 1;
        self.count(listener, |counters| counters.sessions += 1);
        let start = SessionStart { session: self.last_session, listener, peer, time: now.wall };
        self.events.push_back(Event::Start(start.clone()));
        Client { start, since: now.mono, traffic }
    }

    /// Ends a session.
    pub(super) fn end(&mut self, client: Client, ended: Ended, now: Now) {
        let Client { start, since, traffic } = client;
        let duration = Rtt::between(since, now.mono);
        self.events.push_back(Event::End(Box::new(Session { start, time: now.wall, duration, ended, traffic })));
    }

    pub(super) fn emit(&mut self, event: Event) {
        self.events.push_back(event);
    }

    /// The oldest event.
    pub(super) fn pop(&mut self) -> Option<Event> {
        self.events.pop_front()
    }
}
