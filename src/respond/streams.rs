//! Clients over connections: [`Streams`].

use super::clients::{Clients, Room};
use super::config::{Config, ListenerKind};
use super::counters::Traffic;
use super::event::Ended;
use super::ledger::{Client, Context};
use crate::channel::{Accepted, CloseHow, Closed, ClosedHow, Order, OsError, Outbox, Token, Write};
use crate::types::Instant;

/// Octets that a client may leave unread before we stop reading from it.
const PAUSE_OCTETS: usize = 16 << 10;
/// Octets at which a client is disconnected: more than can arrive between an order to pause and its execution.
const MAX_OCTETS: usize = 1 << 20;

/// All connections.
///
/// Each has at most one `Write` pending, so that `Drained` is unambiguous. Octets that arrive meanwhile wait here; at
/// [`PAUSE_OCTETS`] the client is not read from until it has taken its answers.
#[derive(Debug)]
pub(super) struct Streams {
    open: Clients<Token, ClientStream>,
    stopped: bool,
}

#[derive(Debug)]
struct ClientStream {
    client: Client,
    service: ListenerKind,
    /// Octets of the pending `Write`.
    writing: Option<usize>,
    /// Octets to write after it.
    waiting: Vec<u8>,
    paused: bool,
    /// The client has sent FIN; answers to it are still to be written.
    finished: bool,
}

impl Streams {
    pub(super) fn new(config: &Config) -> Self {
        Streams { open: Clients::new(config.max_connections, config.idle), stopped: false }
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        self.open.next_due()
    }

    /// Accepts no more clients.
    pub(super) fn stop(&mut self) {
        self.stopped = true;
    }

    /// Admits a client, or resets its connection if there are too many and no other source has more than its.
    pub(super) fn accepted(
        &mut self,
        accepted: &Accepted,
        (listener, service): (usize, ListenerKind),
        context: &mut Context<'_>,
    ) {
        let room = if self.stopped { Room::None } else { self.open.make_room(&accepted.peer) };
        if let Room::InPlaceOf(token, displaced) = room {
            context.orders.push(Order::Close { token, how: CloseHow::Reset });
            context.ledger.end(displaced.client, Ended::Displaced, context.now);
        } else if matches!(room, Room::None) {
            context.ledger.count(listener, |counters| counters.refused_full += 1);
            context.orders.push(Order::Close { token: accepted.token, how: CloseHow::Reset });
            return;
        }
        let client = context.ledger.start(listener, accepted.peer.clone(), Traffic::default(), context.now);
        let connection =
            ClientStream { client, service, writing: None, waiting: Vec::new(), paused: false, finished: false };
        self.open.insert(&accepted.peer, accepted.token, connection, context.now.mono);
    }

    pub(super) fn data(&mut self, token: Token, octets: &[u8], context: &mut Context<'_>) {
        // Octets may still arrive after our own `Close`.
        let Some(connection) = self.open.touch(&token, context.now.mono) else { return };
        let length = octets.len() as u64;
        connection.client.traffic.received_octets += length;
        context.ledger.count(connection.client.listener(), |counters| counters.received_octets += length);
        if connection.service == ListenerKind::TcpDiscard {
            return;
        }
        if connection.writing.is_none() {
            connection.write(token, octets, context.orders);
            return;
        }
        connection.waiting.extend_from_slice(octets);
        if connection.waiting.len() > MAX_OCTETS {
            let ended = Ended::Failed(OsError::ENOBUFS);
            self.close(token, CloseHow::Reset, ended, context);
        } else if connection.waiting.len() >= PAUSE_OCTETS && !connection.paused {
            connection.paused = true;
            context.orders.push(Order::Pause { token });
        }
    }

    /// Everything written has left.
    pub(super) fn drained(&mut self, token: Token, context: &mut Context<'_>) {
        let Some(connection) = self.open.touch(&token, context.now.mono) else { return };
        let length = connection.writing.take().unwrap_or_default() as u64;
        connection.client.traffic.sent_octets += length;
        context.ledger.count(connection.client.listener(), |counters| counters.sent_octets += length);
        if !connection.waiting.is_empty() {
            let waiting = std::mem::take(&mut connection.waiting);
            connection.write(token, &waiting, context.orders);
        } else if connection.finished {
            self.close(token, CloseHow::Fin, Ended::Fin, context);
        } else if connection.paused {
            connection.paused = false;
            context.orders.push(Order::Resume { token });
        }
    }

    pub(super) fn closed(&mut self, closed: &Closed, context: &mut Context<'_>) {
        let token = closed.token;
        let Some(connection) = self.open.get_mut(&token) else { return };
        match closed.how {
            // It closed its half; an echo that is still owed can be sent on ours (RFC 9293 §3.6).
            ClosedHow::Fin if connection.writing.is_some() => connection.finished = true,
            ClosedHow::Fin => self.close(token, CloseHow::Fin, Ended::Fin, context),
            ClosedHow::Reset => self.close(token, CloseHow::Reset, Ended::Reset, context),
            ClosedHow::Failed(error) => self.failed(token, error, context),
        }
    }

    /// An order about this connection was refused, or the kernel gave it up.
    pub(super) fn failed(&mut self, token: Token, error: OsError, context: &mut Context<'_>) {
        self.close(token, CloseHow::Reset, Ended::Failed(error), context);
    }

    /// Ends those that were idle for too long.
    pub(super) fn expire(&mut self, context: &mut Context<'_>) {
        while let Some((token, connection)) = self.open.pop_expired(context.now.mono) {
            context.orders.push(Order::Close { token, how: connection.farewell() });
            context.ledger.end(connection.client, Ended::Idle, context.now);
        }
    }

    /// Ends all of them.
    pub(super) fn end(&mut self, context: &mut Context<'_>) {
        while let Some((token, connection)) = self.open.pop() {
            context.orders.push(Order::Close { token, how: connection.farewell() });
            context.ledger.end(connection.client, Ended::Shutdown, context.now);
        }
    }

    fn close(&mut self, token: Token, how: CloseHow, ended: Ended, context: &mut Context<'_>) {
        if let Some(connection) = self.open.remove(&token) {
            context.orders.push(Order::Close { token, how });
            context.ledger.end(connection.client, ended, context.now);
        }
    }
}

impl ClientStream {
    fn write(&mut self, token: Token, octets: &[u8], orders: &mut Outbox) {
        self.writing = Some(octets.len());
        let octets = orders.store(|buffer| buffer.extend_from_slice(octets));
        orders.push(Order::Write(Write { token, octets }));
    }

    /// How to end it from our side: what a client does not take must not occupy the kernel any longer.
    fn farewell(&self) -> CloseHow {
        if self.writing.is_some() { CloseHow::Reset } else { CloseHow::Fin }
    }
}
