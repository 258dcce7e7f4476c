//! Clients over connections: [`Streams`].

use super::config::{Config, Service};
use super::event::{Ended, Traffic};
use super::expiring::Expiring;
use super::ledger::{Client, Turn};
use crate::channel::{Accepted, CloseHow, Closed, ClosedHow, Order, OsError, Outbox, Token, Write};
use crate::types::Instant;

/// Octets a client may owe us the reading of before we stop to read from it.
const PAUSE_OCTETS: usize = 16 << 10;
/// Octets at which a client is given up: more than what can arrive between an order to pause and its execution.
const MAX_OCTETS: usize = 1 << 20;

/// All connections.
///
/// Each has at most one `Write` under way, so that `Drained` says without doubt what has left; what arrives meanwhile waits
/// here, and when it is [`PAUSE_OCTETS`], the client is not read from until its answers are taken.
#[derive(Debug)]
pub(super) struct Streams {
    open: Expiring<Token, Connection>,
    max_open: usize,
}

#[derive(Debug)]
struct Connection {
    client: Client,
    service: Service,
    /// Octets of the `Write` under way.
    writing: Option<usize>,
    /// What is to be written behind it.
    waiting: Vec<u8>,
    paused: bool,
    /// The client will send no more; what it is owed is still to be written.
    finished: bool,
}

impl Streams {
    pub(super) fn new(config: &Config) -> Self {
        Streams { open: Expiring::new(config.idle), max_open: config.max_connections }
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        self.open.next_due()
    }

    /// Takes nobody in from now on.
    pub(super) fn stop(&mut self) {
        self.max_open = 0;
    }

    /// Takes a client in, or sends it away where there are as many as there may be.
    pub(super) fn accepted(&mut self, accepted: &Accepted, (listener, service): (usize, Service), turn: &mut Turn<'_>) {
        if self.open.len() >= self.max_open {
            turn.ledger.count(listener, |counters| counters.refused_full += 1);
            turn.orders.push(Order::Close { token: accepted.token, how: CloseHow::Reset });
            return;
        }
        let client = turn.ledger.start(listener, accepted.peer.clone(), Traffic::default(), turn.now);
        let connection =
            Connection { client, service, writing: None, waiting: Vec::new(), paused: false, finished: false };
        self.open.insert(accepted.token, connection, turn.now.mono);
    }

    pub(super) fn data(&mut self, token: Token, octets: &[u8], turn: &mut Turn<'_>) {
        // What arrives behind our own `Close` was on its way already.
        let Some(connection) = self.open.touch(&token, turn.now.mono) else { return };
        let length = octets.len() as u64;
        connection.client.traffic.received_octets += length;
        turn.ledger.count(connection.client.listener(), |counters| counters.received_octets += length);
        if connection.service == Service::TcpDiscard {
            return;
        }
        if connection.writing.is_none() {
            connection.write(token, octets, turn.orders);
            return;
        }
        connection.waiting.extend_from_slice(octets);
        if connection.waiting.len() > MAX_OCTETS {
            let ended = Ended::Failed(OsError::ENOBUFS);
            self.close(token, CloseHow::Reset, ended, turn);
        } else if connection.waiting.len() >= PAUSE_OCTETS && !connection.paused {
            connection.paused = true;
            turn.orders.push(Order::Pause { token });
        }
    }

    /// Everything written has left.
    pub(super) fn drained(&mut self, token: Token, turn: &mut Turn<'_>) {
        let Some(connection) = self.open.touch(&token, turn.now.mono) else { return };
        let length = connection.writing.take().unwrap_or_default() as u64;
        connection.client.traffic.sent_octets += length;
        turn.ledger.count(connection.client.listener(), |counters| counters.sent_octets += length);
        if !connection.waiting.is_empty() {
            let waiting = std::mem::take(&mut connection.waiting);
            connection.write(token, &waiting, turn.orders);
        } else if connection.finished {
            self.close(token, CloseHow::Fin, Ended::Fin, turn);
        } else if connection.paused {
            connection.paused = false;
            turn.orders.push(Order::Resume { token });
        }
    }

    pub(super) fn closed(&mut self, closed: &Closed, turn: &mut Turn<'_>) {
        let token = closed.token;
        let Some(connection) = self.open.get_mut(&token) else { return };
        match closed.how {
            // It closed its half; an echo that is still owed can be sent on ours (RFC 9293 §3.6).
            ClosedHow::Fin if connection.writing.is_some() => connection.finished = true,
            ClosedHow::Fin => self.close(token, CloseHow::Fin, Ended::Fin, turn),
            ClosedHow::Reset => self.close(token, CloseHow::Reset, Ended::Reset, turn),
            ClosedHow::Failed(error) => self.failed(token, error, turn),
        }
    }

    /// An order about this connection was refused, or the kernel gave it up.
    pub(super) fn failed(&mut self, token: Token, error: OsError, turn: &mut Turn<'_>) {
        self.close(token, CloseHow::Reset, Ended::Failed(error), turn);
    }

    /// Ends those that were idle for too long.
    pub(super) fn expire(&mut self, turn: &mut Turn<'_>) {
        while let Some((token, connection)) = self.open.pop_expired(turn.now.mono) {
            turn.orders.push(Order::Close { token, how: connection.farewell() });
            turn.ledger.end(connection.client, Ended::Idle, turn.now);
        }
    }

    /// Ends all of them.
    pub(super) fn end(&mut self, turn: &mut Turn<'_>) {
        while let Some((token, connection)) = self.open.pop() {
            turn.orders.push(Order::Close { token, how: connection.farewell() });
            turn.ledger.end(connection.client, Ended::Shutdown, turn.now);
        }
    }

    fn close(&mut self, token: Token, how: CloseHow, ended: Ended, turn: &mut Turn<'_>) {
        if let Some(connection) = self.open.remove(&token) {
            turn.orders.push(Order::Close { token, how });
            turn.ledger.end(connection.client, ended, turn.now);
        }
    }
}

impl Connection {
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
