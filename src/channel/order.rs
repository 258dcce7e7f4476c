//! What a Machine asks of the channel: [`Order`], queued in an [`Outbox`].

use std::collections::VecDeque;
use std::net::IpAddr;
use std::num::NonZeroU32;

use super::arena::{Arena, Span};
use super::{LaneId, Token};
use crate::types::{Endpoint, FlowLabel, IpEndpoint, Tos, Ttl};

/// Something for the channel to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Send one datagram.
    Send(Transmit),
    /// Open one connection.
    Open(Open),
    /// Write to an open connection; answered by `Drained` when all of it, and of what was written before, has left.
    Write(Write),
    /// End a connection. With `Fin`, pending writes are sent first; a `Forget` after it does not wait for them.
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
    /// Stop listening on this lane: its sockets are closed, so that another process can bind the address at once. Accepted
    /// connections continue.
    Unlisten {
        /// The lane.
        lane: LaneId,
    },
    /// Report how far the wall clock may be off; answered by `Clock`.
    AskClock,
    /// Report whether the neighbour that packets to this address go to has an address on the link; answered by `Neighbour`.
    AskNeighbour {
        /// Our name for the question.
        token: Token,
        /// The lane of the packets.
        lane: LaneId,
        /// Where they go.
        to: IpEndpoint,
    },
    /// Release everything held under this token, which is not used again; a connection is closed.
    Forget {
        /// The token.
        token: Token,
    },
}

/// Header fields of one packet. `None` leaves the field to the lane's plan, and after that to the kernel.
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

/// One datagram. Answered by `Sent` or `Refused`, before any reply to it. If the queue of a local socket is full it is `Refused`
/// with EAGAIN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Which lane sends it.
    pub lane: LaneId,
    /// Our name for it.
    pub token: Token,
    /// Where it goes.
    pub to: Endpoint,
    /// Which of the lane's sockets sends it (0 to [`super::LanePlan::flow_count`] − 1): each has a source port or a
    /// kernel-owned identifier of its own. Raw lanes send over one socket and take only 0.
    pub flow: u16,
    /// Header fields.
    pub header: Header,
    /// From the transport header on for ICMP and raw lanes, from the payload on for other UDP lanes; in the outbox's arena.
    pub octets: Span,
}

/// One connection. Answered under its token by `Sent` when the attempt begins and then by `Opened`; by `Closed` if the peer
/// resets it (`Reset`) or the kernel gives up waiting for it (`Failed`); by an `Icmp` report, which ends it; or at once by
/// `Refused` if it cannot even begin (no descriptor, no source port, no route). A local socket is open at once; without a
/// listener it is `Closed` (`Reset`), and without a file (ENOENT) or with a full queue (EAGAIN) it is `Refused`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// Which lane opens it.
    pub lane: LaneId,
    /// Our name for the connection from now on.
    pub token: Token,
    /// Where to.
    pub to: Endpoint,
    /// Header fields.
    pub header: Header,
}

/// Octets for an open connection. The channel keeps those that the kernel has no room for. `Refused` with ENOTCONN if the
/// connection is not open, and with ENOBUFS if more than 256 KiB would wait; then none of the octets is taken.
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

/// Orders, first to last, with their octets.
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

    /// Stores the octets that `fill` appends, for a later order.
    pub fn store(&mut self, fill: impl FnOnce(&mut Vec<u8>)) -> Span {
        self.arena.push_with(fill)
    }

    /// The first order.
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

    /// Takes the first order. Its octets stay valid until the outbox is [reclaimed](Outbox::reclaim).
    pub fn pop_front(&mut self) -> Option<Order> {
        self.orders.pop_front()
    }

    /// Drops all orders except those that end connections.
    pub fn keep_closes(&mut self) {
        self.orders.retain(|order| matches!(order, Order::Close { .. }));
    }

    /// Takes the `count` front orders, as [`Outbox::pop_front`] does.
    pub fn take(&mut self, count: usize) {
        self.orders.drain(..count.min(self.orders.len()));
    }

    /// Releases the octets of orders already taken, if no order is left.
    pub fn reclaim(&mut self) {
        if self.orders.is_empty() {
            self.arena.clear();
        }
    }

    /// Number of orders.
    pub fn len(&self) -> usize {
        self.orders.len()
    }

    /// Whether there are no orders.
    pub fn is_empty(&self) -> bool {
        self.orders.is_empty()
    }
}
