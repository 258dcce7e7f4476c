//! The responder as a state machine: [`Responder`].

use std::sync::Arc;
use std::time::Duration;

use super::config::{Config, Listener, ListenerKind};
use super::datagrams::{self, Datagrams};
use super::event::{Event, RunFigures};
use super::ledger::{Context, Ledger};
use super::streams::Streams;
use crate::channel::{Arena, Control, Inbound, LaneId, Order, Outbox, Refused};
use crate::engine::Machine;
use crate::types::{ClockError, Instant, Now, Rtt};

/// Serves until it is stopped.
#[derive(Debug)]
pub struct Responder {
    listeners: Arc<[Listener]>,
    drain: Duration,
    streams: Streams,
    datagrams: Datagrams,
    ledger: Ledger,
    /// Orders for the next `poll_orders`.
    orders: Outbox,
    phase: Phase,
    started: Option<Instant>,
    /// When to read the wall clock's error, if answers carry it.
    clock_due: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Serving,
    /// No new clients; the present ones may continue until then.
    Draining(Instant),
    Over,
}

impl Responder {
    /// A responder on lanes that are open.
    pub fn new(config: Config) -> Self {
        Responder {
            drain: config.drain,
            streams: Streams::new(&config),
            datagrams: Datagrams::new(&config),
            ledger: Ledger::new(config.listeners.len()),
            orders: Outbox::default(),
            phase: Phase::Serving,
            started: None,
            clock_due: None,
            listeners: config.listeners.into(),
        }
    }

    fn context(&mut self, now: Now) -> (&mut Streams, &mut Datagrams, Context<'_>) {
        let context = Context { now, ledger: &mut self.ledger, orders: &mut self.orders };
        (&mut self.streams, &mut self.datagrams, context)
    }

    /// The listener of a lane, by its number, and what it does.
    fn listener(&self, lane: LaneId) -> Option<(usize, ListenerKind)> {
        let at = self.listeners.iter().position(|listener| listener.lane == lane)?;
        self.listeners.get(at).map(|listener| (at, listener.service))
    }

    fn refused(&mut self, now: Now, refused: &Refused) {
        // An answer that this host cannot send; tokens of connections were chosen by the channel.
        let (listener, octets) = datagrams::of_token(refused.token);
        if listener < self.listeners.len() && refused.token.get() & CHANNELS_OWN == 0 {
            self.ledger.count(listener, |counters| {
                counters.send_failed += 1;
                counters.sent_packets = counters.sent_packets.saturating_sub(1);
                counters.sent_octets = counters.sent_octets.saturating_sub(octets);
            });
        } else {
            let (streams, _, mut context) = self.context(now);
            streams.failed(refused.token, refused.error, &mut context);
        }
    }

    fn control(&mut self, now: Now, control: &Control) {
        match control {
            Control::Interrupt => self.end(now),
            Control::Terminate | Control::Stop if self.phase == Phase::Serving => {
                self.streams.stop();
                self.datagrams.stop();
                let open = self.streams.len();
                if open == 0 {
                    return self.end(now);
                }
                // A replacement can listen on the same ports while our clients finish.
                for listener in self.listeners.iter() {
                    self.orders.push(Order::Unlisten { lane: listener.lane });
                }
                self.ledger.emit(Event::Draining { open });
                self.phase = Phase::Draining(now.mono + self.drain);
            }
            Control::Interim => {
                let figures = self.figures(now);
                self.ledger.emit(Event::Interim(figures));
            }
            Control::Terminate | Control::Stop => {}
            // A server has no targets and looks up no names.
            Control::Add { .. }
            | Control::Remove { .. }
            | Control::Name(_)
            | Control::Origin(_)
            | Control::AsName(_)
            | Control::Address(_)
            | Control::Supplied
            | Control::Change(_) => {}
        }
    }

    fn start(&mut self, now: Now) {
        if self.started.is_some() {
            return;
        }
        self.started = Some(now.mono);
        self.ledger.emit(Event::Ready { listeners: Arc::clone(&self.listeners), time: now.wall });
        let stamps = self.listeners.iter().any(|listener| listener.service == ListenerKind::Stamp);
        self.clock_due = stamps.then_some(now.mono);
        self.ask_clock(now);
    }

    fn ask_clock(&mut self, now: Now) {
        if let Some(due) = &mut self.clock_due
            && *due <= now.mono
        {
            *due = now.mono + ClockError::FRESH;
            self.orders.push(Order::AskClock);
        }
    }

    fn end(&mut self, now: Now) {
        if self.phase == Phase::Over {
            return;
        }
        self.phase = Phase::Over;
        let (streams, datagrams, mut context) = self.context(now);
        streams.end(&mut context);
        datagrams.end(&mut context);
        let figures = self.figures(now);
        self.ledger.emit(Event::Summary(figures));
    }

    fn end_if_drained(&mut self, now: Now) {
        if let Phase::Draining(until) = self.phase
            && (until <= now.mono || self.streams.len() == 0)
        {
            self.end(now);
        }
    }

    fn figures(&self, now: Now) -> RunFigures {
        RunFigures {
            time: now.wall,
            duration: self.started.map_or(Rtt::default(), |started| Rtt::between(started, now.mono)),
            listeners: self.ledger.figures(&self.listeners),
            connections: self.streams.len(),
            sessions: self.datagrams.len(),
        }
    }
}

/// Set in the tokens of accepted connections.
const CHANNELS_OWN: u64 = 1 << 63;

impl Machine for Responder {
    type Event = Event;

    fn poll_orders(&mut self, now: Now, outbox: &mut Outbox) {
        self.start(now);
        // The two are swapped, so their memory is reused and no octet is copied.
        if outbox.is_empty() {
            std::mem::swap(&mut self.orders, outbox);
            self.orders.reclaim();
            self.datagrams.ordered();
        }
    }

    fn handle(&mut self, now: Now, inbound: &Inbound, octets: &Arena) {
        if self.phase == Phase::Over {
            return;
        }
        // At sockets that were passed, clients may have waited for this process.
        self.start(now);
        match inbound {
            Inbound::Datagram(datagram) => {
                if let Some(to) = self.listener(datagram.lane) {
                    let (_, datagrams, mut context) = self.context(now);
                    datagrams.handle(datagram, octets.get(datagram.octets), to, &mut context);
                } else {
                    self.datagrams.answered(datagram, octets.get(datagram.octets));
                }
            }
            Inbound::Accepted(accepted) => {
                if let Some(to) = self.listener(accepted.lane) {
                    let (streams, _, mut context) = self.context(now);
                    streams.accepted(accepted, to, &mut context);
                }
            }
            Inbound::Data(data) => {
                let (streams, _, mut context) = self.context(now);
                streams.data(data.token, octets.get(data.octets), &mut context);
            }
            Inbound::Drained { token } => {
                let (streams, _, mut context) = self.context(now);
                streams.drained(*token, &mut context);
            }
            Inbound::Closed(closed) => {
                let (streams, _, mut context) = self.context(now);
                streams.closed(closed, &mut context);
            }
            Inbound::Refused(refused) => self.refused(now, refused),
            Inbound::Dropped(dropped) => {
                if let Some((listener, _)) = self.listener(dropped.lane) {
                    self.ledger.count(listener, |counters| counters.dropped_by_kernel += dropped.count);
                }
            }
            Inbound::Clock(error) => self.datagrams.clock_is(*error),
            Inbound::Control(control) => self.control(now, control),
            // An ICMP error about an answer is ignored; nothing is opened from here.
            Inbound::Sent(_)
            | Inbound::Icmp(_)
            | Inbound::Opened(_)
            | Inbound::Recreated(_)
            | Inbound::Neighbour { .. } => {}
        }
        self.end_if_drained(now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let drained = match self.phase {
            Phase::Draining(until) => Some(until),
            Phase::Serving | Phase::Over => None,
        };
        [drained, self.clock_due, self.streams.next_due(), self.datagrams.next_due()].into_iter().flatten().min()
    }

    fn handle_timeout(&mut self, now: Now) {
        let (streams, datagrams, mut context) = self.context(now);
        streams.expire(&mut context);
        datagrams.expire(&mut context);
        self.ask_clock(now);
        self.end_if_drained(now);
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.ledger.pop()
    }

    fn is_finished(&self) -> bool {
        self.phase == Phase::Over
    }
}
