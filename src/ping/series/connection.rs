//! Probes that are connections: attempts to connect, and the exchanges over them.

use std::collections::{HashMap, VecDeque};

use super::{Context, Series, SeriesOrder};
use crate::channel::{CloseHow, Closed, ClosedHow, Data, Opened, OsError};
use crate::engine::decode::DecodedError;
use crate::engine::delay;
use crate::engine::method::Established;
use crate::engine::outcome::{Detail, ExchangeReply, Outcome, Refusal, Reply, Standing};
use crate::types::{ProbeId, Stamp};

/// At most this many attempts stay open after their wait is over, so that late answers are seen.
const LINGERING: usize = 256;

/// The connections of a series that the channel still holds.
#[derive(Debug, Default)]
pub(super) struct Connections {
    held: HashMap<ProbeId, Connection>,
    /// Attempts whose wait is over, oldest first; some may have ended since.
    lingering: VecDeque<ProbeId>,
}

#[derive(Debug)]
struct Connection {
    source_port: Option<u16>,
    established: Option<Established>,
}

impl Connections {
    /// An attempt began.
    pub(super) fn begin(&mut self, id: ProbeId, source_port: Option<u16>) {
        self.held.insert(id, Connection { source_port, established: None });
    }

    pub(super) fn source_port(&self, id: ProbeId) -> Option<u16> {
        self.held.get(&id)?.source_port
    }

    /// The channel no longer holds it.
    pub(super) fn forget(&mut self, id: ProbeId) {
        self.held.remove(&id);
    }

    /// Whether a connection has opened.
    pub(super) fn is_open(&self, id: ProbeId) -> bool {
        self.held.get(&id).is_some_and(|held| held.established.is_some())
    }

    /// When a connection was opened, and what came over it that is not what is expected.
    pub(super) fn unexpected(&self, id: ProbeId) -> Option<(Stamp, Detail)> {
        let established = self.held.get(&id)?.established.as_ref()?;
        Some((established.opened.stamp, established.unexpected()?))
    }

    fn established(&mut self, id: ProbeId) -> Option<&mut Established> {
        self.held.get_mut(&id)?.established.as_mut()
    }
}

impl Series {
    /// A connection is open.
    pub(in crate::ping) fn opened(&mut self, id: ProbeId, opened: &Opened, context: &mut Context<'_>) {
        let Some((mut standing, sent)) = self.standing(id, &opened.stamp, context) else { return };
        if !self.connections.held.contains_key(&id) {
            return;
        }
        self.seen_open = true;
        self.syn_retransmits += u64::from(opened.retransmits);
        let after = opened.stamp.user.mono.since(sent.user.mono);
        if standing == Standing::First && !delay::answers_first_syn(opened, after) {
            // The probe is one SYN, and that SYN was not answered: only another one was, sent later.
            self.lose(id, context);
            standing = Standing::Late;
        }
        let exchange = self.method.connect().and_then(|connect| connect.exchange.clone());
        let connection = self.connections.held.get_mut(&id);
        if let (Standing::First, Some(exchange), Some(connection)) = (standing, exchange, connection) {
            let asked = if exchange.data.is_empty() { opened.stamp } else { Stamp::user(context.now) };
            connection.established = Some(Established::new(*opened, asked));
            if !exchange.data.is_empty() {
                let token = self.token(id);
                context.orders.push_back(SeriesOrder::Write { token, data: exchange.data });
            }
            return;
        }
        let event = self.answer(id, &sent, &opened.stamp, self.connected(opened.retransmits, None));
        self.release(id, context);
        self.deliver(standing, event, Some(opened.stamp), context);
    }

    fn connected(&self, syn_retransmits: u32, exchange: Option<ExchangeReply>) -> Outcome {
        let syn_retransmits = Some(syn_retransmits).filter(|_| self.subject.address.is_some());
        let octets = exchange.map_or(0, |exchange| exchange.octets);
        Outcome::Reply(Reply::new(octets, Detail::Connect { syn_retransmits, exchange }))
    }

    /// Octets came over a connection.
    pub(in crate::ping) fn data(&mut self, id: ProbeId, data: &Data, octets: &[u8], context: &mut Context<'_>) {
        let Some((standing, sent)) = self.standing(id, &data.stamp, context) else { return };
        let Some(exchange) = self.method.connect().and_then(|connect| connect.exchange.as_ref()) else { return };
        let Some(established) = self.connections.established(id) else { return };
        if !established.take(octets, exchange) {
            return;
        }
        let (rtt, _) = delay::between(&established.asked, &data.stamp);
        let (opened, reply) = (established.opened, ExchangeReply { rtt, octets: established.octets });
        let mut event = self.answer(id, &sent, &opened.stamp, self.connected(opened.retransmits, Some(reply)));
        event.at = data.stamp.user.wall;
        self.exchanges.record(rtt);
        self.release(id, context);
        self.deliver(standing, event, Some(opened.stamp), context);
    }

    /// A connection, or the attempt to open one, ended.
    pub(in crate::ping) fn closed(&mut self, id: ProbeId, closed: &Closed, context: &mut Context<'_>) {
        let Some((standing, sent)) = self.standing(id, &closed.stamp, context) else { return };
        if !self.connections.held.contains_key(&id) {
            return;
        }
        let established = self.connections.established(id);
        let failed = established.as_ref().map(|established| established.refusal(closed.how));
        let opened = established.map(|established| established.opened.stamp);
        match closed.how {
            ClosedHow::Failed(OsError::ECONNREFUSED) | ClosedHow::Fin | ClosedHow::Reset => {
                let refusal = Outcome::Refused(failed.unwrap_or(Refusal::Reset));
                let runs_to = opened.unwrap_or(closed.stamp);
                let mut event = self.answer(id, &sent, &runs_to, refusal);
                event.at = closed.stamp.kernel.unwrap_or(closed.stamp.user.wall);
                let runs_to = event.delay.map(|_| runs_to);
                self.deliver(standing, event, runs_to, context);
            }
            // The kernel gave up: nothing came.
            ClosedHow::Failed(OsError::ETIMEDOUT) => self.lose(id, context),
            ClosedHow::Failed(error) => self.error(id, &DecodedError::local(error, closed.stamp), context),
        }
        self.release(id, context);
    }

    /// An ICMP error about an attempt to connect, which ends it.
    pub(in crate::ping) fn attempt_failed(&mut self, id: ProbeId, error: &DecodedError<'_>, context: &mut Context<'_>) {
        // An open connection does not end by that.
        if self.connections.established(id).is_some() {
            return;
        }
        self.error(id, error, context);
        self.connections.held.remove(&id);
    }

    /// Nothing can be written to a connection: the other side has ended it.
    pub(super) fn write_refused(&mut self, id: ProbeId, context: &mut Context<'_>) {
        if self.connections.established(id).is_some() {
            let closed = Closed { token: self.token(id), stamp: Stamp::user(context.now), how: ClosedHow::Reset };
            self.closed(id, &closed, context);
        }
    }

    /// The wait for an attempt is over: it is kept, so that it may still open late, as long as there are few of those.
    pub(super) fn keep_attempt(&mut self, id: ProbeId, context: &mut Context<'_>) {
        if self.has_one_port() || self.connections.established(id).is_some() {
            return self.release(id, context);
        }
        if self.connections.held.contains_key(&id) {
            self.connections.lingering.push_back(id);
        }
        if self.connections.lingering.len() > LINGERING
            && let Some(oldest) = self.connections.lingering.pop_front()
        {
            self.release(oldest, context);
        }
    }

    /// Ends a connection from our side, if it is still there.
    pub(super) fn release(&mut self, id: ProbeId, context: &mut Context<'_>) {
        if self.connections.held.remove(&id).is_none() {
            return;
        }
        let how = self.method.connect().map_or(CloseHow::Reset, |connect| connect.close);
        context.orders.push_back(SeriesOrder::Close { token: self.token(id), how });
    }

    /// Ends every connection from our side.
    pub(super) fn release_all(&mut self, orders: &mut VecDeque<SeriesOrder>) {
        let held = std::mem::take(&mut self.connections).held;
        let close = |id| SeriesOrder::Close { token: self.token(id), how: CloseHow::Reset };
        orders.extend(held.into_keys().map(close));
    }
}
