//! What a Machine asks of the channel: [`Order`], queued in an [`Outbox`].

use std::collections::VecDeque;
use std::net::IpAddr;
use std::num::NonZeroU32;

use super::arena::{Arena, Span};
use super::{LaneId, Token};
use crate::types::{Endpoint, FlowLabel, Port, Tos, Ttl};

/// Something for the channel to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Send one datagram.
    Send(Transmit),
    /// Open one connection.
    Open(Open),
    /// Write to an open connection; answered by `Drained` when all of it, and of what was written before, has left.
    Write(Write),
    /// End a connection. With `Fin` what was written still leaves first; a `Forget` behind it does not wait for that.
    Close {
        /// The connection.
        token: Token,
        /// How.
        how: CloseHow,
    },
    /// Read nothing more from this connection until `Resume`: its peer feels the backpressure.
    Pause {
        /// The connection.
        token: Token,
    },
    /// Read again.
    Resume {
        /// The connection.
        token: Token,
    },
    /// Take nothing more on this listening lane: its sockets are closed, so that another process can have them at once.
    /// Connections that were accepted go on.
    Unlisten {
        /// The lane.
        lane: LaneId,
    },
    /// Tell how far the wall clock may be off; answered by `Clock`.
    AskClock,
    /// Nothing more will be asked or attributed under this token; whatever it holds is released, a connection by closing it.
    Forget {
        /// The token.
        token: Token,
    },
}

/// Header fields of one packet. `None` leaves the field to the lane's plan, and behind that to the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Source address.
    pub from: Option<IpAddr>,
    /// Index of the interface to leave by.
    pub ifindex: Option<NonZeroU32>,
    /// TTL or Hop Limit.
    pub ttl: Option<Ttl>,
    /// TOS or Traffic Class.
    pub tos: Option<Tos>,
    /// IPv6 flow label.
    pub flow_label: Option<FlowLabel>,
    /// IPv4 Identification, not 0; only on lanes whose plan has [`super::LanePlan::own_headers`].
    pub identification: Option<u16>,
}

/// One datagram. Answered by `Sent` or `Refused`, each before anything that arrives in answer to the datagram. Where a local
/// socket's queue is full it is `Refused` with EAGAIN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Which lane sends it.
    pub lane: LaneId,
    /// Our name for it.
    pub token: Token,
    /// Where it goes.
    pub to: Endpoint,
    /// Which of the lane's sockets sends it (0 to [`super::LanePlan::flows`] − 1): each has a source port or a
    /// kernel-owned identifier of its own. Raw lanes send over one socket and take only 0.
    pub flow: u16,
    /// Header fields.
    pub header: Header,
    /// From the transport header on for ICMP and raw lanes, from the payload on for other UDP lanes; in the outbox's arena.
    pub octets: Span,
}

/// One connection. Answered under its token by `Sent` when the attempt begins and then by `Opened`; by `Closed` if the peer
/// resets it (`Reset`) or the kernel gives up waiting for it (`Failed`); by an `Icmp` report, which ends it; or at once by
/// `Refused` if it cannot even begin (no descriptor, no source port, no route). A local socket is open at once; where nobody
/// listens it is `Closed` (`Reset`), where there is none (ENOENT) or its queue is full (EAGAIN), `Refused`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// Which lane opens it.
    pub lane: LaneId,
    /// Our name for the connection from now on.
    pub token: Token,
    /// Where to.
    pub to: Endpoint,
    /// Source port; `None` lets the kernel choose.
    pub source_port: Option<Port>,
    /// Header fields.
    pub header: Header,
}

/// Octets for an open connection. Those for which there is no room wait in the channel. `Refused` with ENOTCONN if it is not
/// open, and with ENOBUFS if others wait already and it would become more than 256 KiB; none of the octets is taken then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Write {
    /// The connection.
    pub token: Token,
    /// In the outbox's arena.
    pub octets: Span,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseHow {
    /// Orderly, with FIN.
    Fin,
    /// At once, with RST.
    Reset,
}

/// Orders in the sequence they were given, with their octets.
#[derive(Debug, Default)]
pub struct Outbox {
    orders: VecDeque<Order>,
    arena: Arena,
}

impl Outbox {
    /// Queues an order whose octets, if any, were [stored](Outbox::store) here.
    pub fn push(&mut self, order: Order) {
        self.orders.push_back(order);
    }

    /// Stores what `fill` appends, for an order that follows.
    pub fn store(&mut self, fill: impl FnOnce(&mut Vec<u8>)) -> Span {
        self.arena.push_with(fill)
    }

    /// The order to take next.
    pub fn front(&self) -> Option<&Order> {
        self.orders.front()
    }

    /// The orders from the front on.
    pub fn iter(&self) -> impl Iterator<Item = &Order> + Clone {
        self.orders.iter()
    }

    /// The octets of an order in this outbox.
    pub fn octets(&self, span: Span) -> &[u8] {
        self.arena.get(span)
    }

    /// Takes the front order. Its octets stay until the last order is taken and another is queued.
    pub fn pop_front(&mut self) -> Option<Order> {
        self.orders.pop_front()
    }

    /// Drops all orders but those that end connections.
    pub fn keep_closes(&mut self) {
        self.orders.retain(|order| matches!(order, Order::Close { .. }));
    }

    /// Takes the `count` front orders, as [`Outbox::pop_front`] does.
    pub fn take(&mut self, count: usize) {
        self.orders.drain(..count.min(self.orders.len()));
    }

    /// Forgets the octets of orders already taken, if no order is left that could need them.
    pub fn reclaim(&mut self) {
        if self.orders.is_empty() {
            self.arena.clear();
        }
    }

    /// How many orders wait.
    pub fn len(&self) -> usize {
        self.orders.len()
    }

    /// Whether no order waits.
    pub fn is_empty(&self) -> bool {
        self.orders.is_empty()
    }
}
