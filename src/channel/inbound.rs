//! What a Machine receives from the channel: [`Inbound`], collected in an [`Inbox`].

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use super::arena::{Arena, Span};
use super::{LaneId, OsError, Token};
use crate::types::{Asn, ClockError, Endpoint, IpEndpoint, Mtu, Stamp, Tos, Ttl, WallTime};

/// One thing that happened. Its spans belong to the arena of its [`Inbox`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inbound {
    /// A datagram arrived.
    Datagram(Datagram),
    /// A datagram of ours left.
    Sent(Sent),
    /// The error queue reports an ICMP error, or a local one, about a packet of ours.
    Icmp(IcmpNotice),
    /// The kernel refused an order.
    Refused(Refused),
    /// A connection we asked for is open.
    Opened(Opened),
    /// A peer connected to a listener.
    Accepted(Accepted),
    /// Octets from a connection.
    Data(Data),
    /// Everything written to this connection has left.
    Drained {
        /// The connection.
        token: Token,
    },
    /// A connection ended.
    Closed(Closed),
    /// The kernel dropped datagrams of this lane before we could read them.
    Dropped(Dropped),
    /// An interface that the packets of a lane leave by was deleted and is there again.
    Recreated(Recreated),
    /// How far the wall clock may be off; `None` if it is not synchronised with UTC.
    Clock(Option<ClockError>),
    /// Whether packets have a neighbour to go to.
    Neighbour {
        /// The question.
        token: Token,
        /// ARP or Neighbor Discovery for its address has had no answer so far, so that nothing has left.
        is_missing: bool,
    },
    /// A request that did not come from the network.
    Control(Control),
}

/// One received datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// The lane it arrived on.
    pub lane: LaneId,
    /// The flow ([`super::Transmit::flow`]) whose socket received it.
    pub flow: u16,
    /// The sender.
    pub from: Endpoint,
    /// Our address that it was sent to. This field and the next three may be `None` where `octets` start with the IP header.
    pub to: Option<IpAddr>,
    /// Index of the interface it arrived by.
    pub ifindex: Option<NonZeroU32>,
    /// TTL or Hop Limit on arrival.
    pub reply_ttl: Option<Ttl>,
    /// TOS or Traffic Class on arrival.
    pub tos: Option<Tos>,
    /// When it arrived.
    pub stamp: Stamp,
    /// Starts at the lane's `received_at`.
    pub octets: Span,
    /// Whether it was longer than what `octets` holds.
    pub cut: bool,
}

/// A datagram left, or the attempt to open a connection began. `stamp.user` was taken before the system call, so the RTT
/// includes it; of datagrams that left in one call and are not stamped by the kernel, each has the earliest time at
/// which the ones ahead of it can have left. Comes once with the user stamp, and again for each kernel stamp that becomes known,
/// possibly after the reply, possibly never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The order.
    pub token: Token,
    /// When.
    pub stamp: Stamp,
    /// When the packet entered the queueing discipline.
    pub scheduled: Option<WallTime>,
    /// Our end of an internet connection that is being opened, whether or not it ever opens.
    pub local: Option<IpEndpoint>,
}

impl Sent {
    /// The stamp that delays are counted from. As kernel stamp it has the entry into the queueing discipline where that is known,
    /// so that delays include a queue on our own link.
    pub fn departure(&self) -> Stamp {
        Stamp { kernel: self.scheduled.or(self.stamp.kernel), ..self.stamp }
    }
}

/// Where an error was detected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorOrigin {
    /// On this host, without a packet arriving.
    Local,
    /// Elsewhere: an ICMP message arrived.
    Icmp,
}

/// An ICMP error as read from the error queue, uninterpreted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IcmpNotice {
    /// The lane that sent what the error is about.
    pub lane: LaneId,
    /// The flow ([`super::Transmit::flow`]) whose socket reports it.
    pub flow: u16,
    /// The order it belongs to, where the channel knows it (connections).
    pub token: Option<Token>,
    /// Destination of our packet, with its port.
    pub to: Option<IpEndpoint>,
    /// Where an error was detected.
    pub origin: ErrorOrigin,
    /// The address that sent the ICMP message.
    pub offender: Option<IpAddr>,
    /// ICMP type and code; `None` for a local error.
    pub icmp: Option<(u8, u8)>,
    /// The errno that the kernel maps it to.
    pub error: OsError,
    /// The rest of the ICMP header as the kernel reports it: MTU, pointer, else 0.
    pub info: u32,
    /// TTL or Hop Limit of the ICMP message on arrival.
    pub reply_ttl: Option<Ttl>,
    /// TOS or Traffic Class of the ICMP message on arrival.
    pub tos: Option<Tos>,
    /// When it arrived.
    pub stamp: Stamp,
    /// The quoted part of our packet, starting at the lane's `quote_at`; may be empty.
    pub quote: Span,
    /// The ICMP extension structure (RFC 4884 §7), if there is one.
    pub extension: Option<Span>,
}

/// The kernel refused an order; nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The order.
    pub token: Token,
    /// The kernel's error; EOPNOTSUPP or EINVAL for an order that this lane cannot carry out.
    pub error: OsError,
    /// With EMSGSIZE: the largest packet that the kernel accepts, where it reports that.
    pub mtu: Option<Mtu>,
}

/// A connection we asked for is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The connection.
    pub token: Token,
    /// When.
    pub stamp: Stamp,
    /// Our end of it, for internet connections.
    pub local: Option<IpEndpoint>,
    /// How often the kernel retransmitted the SYN.
    pub retransmits: u32,
    /// If it did: the delay as the kernel measured it, from the SYN whose timestamp came back (RFC 7323 §3.2); `None` where the
    /// peer has no timestamps.
    pub handshake: Option<Duration>,
}

/// A peer connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The listener.
    pub lane: LaneId,
    /// The connection, named by the channel.
    pub token: Token,
    /// The peer.
    pub peer: Endpoint,
    /// When.
    pub stamp: Stamp,
}

/// Octets from a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Data {
    /// The connection.
    pub token: Token,
    /// When.
    pub stamp: Stamp,
    /// Never empty.
    pub octets: Span,
}

/// A connection, or the attempt to open one, ended without our order. After our own `Close` there are no more reports about it;
/// except after `Fin` there is nothing left to close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The connection.
    pub token: Token,
    /// When.
    pub stamp: Stamp,
    /// How.
    pub how: ClosedHow,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClosedHow {
    /// The peer sent FIN. Our side stays open (RFC 9293 §3.6): it can be written to, and keeps its descriptor, until a `Close`
    /// or a `Forget`, or until it is `Closed` in another way.
    Fin,
    /// The peer reset it.
    Reset,
    /// The kernel gave up.
    Failed(OsError),
}

/// Datagrams lost between the kernel and us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// The lane.
    pub lane: LaneId,
    /// How many since the last `Dropped`.
    pub count: u64,
}

/// An interface was deleted and created anew, and the first packet has left by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recreated {
    /// The lane.
    pub lane: LaneId,
    /// The interface's name.
    pub interface: Box<str>,
    /// Orders that were refused meanwhile.
    pub refused: u64,
}

/// A request from a signal, another thread or the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control {
    /// SIGINT: end the run with its summary.
    Interrupt,
    /// SIGTERM: the same for probing; a server accepts no new clients and lets the present ones finish.
    Terminate,
    /// SIGQUIT or SIGUSR1: report interim statistics and continue.
    Interim,
    /// End the run when no probe is in flight any more.
    Stop,
    /// Add a target.
    Add {
        /// Its name.
        target: Box<str>,
        /// Where it is.
        endpoint: IpEndpoint,
    },
    /// Remove a target and emit its summary.
    Remove {
        /// Its name.
        target: Box<str>,
    },
    /// The answer to a reverse lookup.
    Name(NameAnswer),
    /// The origin of an address, as found by name servers.
    Origin(OriginAnswer),
    /// The name of a system that announces an address, as found by name servers.
    AsName(AsNameAnswer),
    /// The answer to a forward lookup.
    Address(AddressAnswer),
    /// The supply of targets, empty before, has some again.
    Supplied,
    /// The user changes the run; machines without a live view ignore it.
    Change(RunChange),
}

/// How the user changes a run while it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunChange {
    /// Nothing is sent until it goes on.
    Pause,
    /// It goes on.
    Resume,
    /// The statistics begin anew.
    Reset,
    /// Every target is probed this often from now on.
    Interval(Duration),
}

/// The answer to a reverse lookup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameAnswer {
    /// The address that was looked up.
    pub address: IpAddr,
    /// Its name as received, unescaped; `None` if it has none or the resolver did not answer.
    pub name: Option<Box<str>>,
    /// Whether the lookup timed out.
    pub timed_out: bool,
}

/// The origin of an address, as found by name servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginAnswer {
    /// The address that was looked up.
    pub address: IpAddr,
    /// The texts as received; empty if there are none, or if the address is not looked up because it is not public. `None` if no
    /// server answered.
    pub texts: Option<Vec<Box<[u8]>>>,
    /// Whether the lookup timed out.
    pub timed_out: bool,
}

/// The name of an autonomous system, as found by name servers. Asked for whenever an origin names the system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AsNameAnswer {
    /// The system that was looked up.
    pub asn: Asn,
    /// The texts as received; empty if there are none. `None` if no server answered.
    pub texts: Option<Vec<Box<[u8]>>>,
    /// Whether the lookup timed out.
    pub timed_out: bool,
}

/// The answer to a forward lookup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressAnswer {
    /// The name that was looked up.
    pub name: Box<str>,
    /// Its addresses, or why there are none.
    pub found: Result<Resolved, ResolveError>,
}

/// The addresses of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The name's canonical form, unescaped; `None` for an address or where the resolver gives none.
    pub canonical: Option<Box<str>>,
    /// In the resolver's order, each once, without port; never empty.
    pub endpoints: Vec<IpEndpoint>,
    /// Whether the name was an address in digits.
    pub numeric: bool,
}

/// Why a name has no address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolveError {
    /// It is an address, or has addresses, but of the other family.
    pub family_mismatch: bool,
    /// The name is known not to exist, or to have no address; `false` where that could not be found out.
    pub no_name: bool,
    /// The C library's message: `Name or service not known`.
    pub message: String,
}

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ResolveError {}

/// Everything that arrived in one turn, in the order in which to handle it, with its octets.
#[derive(Debug, Default)]
pub struct Inbox {
    items: Vec<Inbound>,
    arena: Arena,
}

impl Inbox {
    /// Adds an item whose octets, if any, were [stored](Inbox::store) here.
    pub fn push(&mut self, inbound: Inbound) {
        self.items.push(inbound);
    }

    /// Adds items without octets, or whose octets were [stored](Inbox::store) here.
    pub fn extend(&mut self, inbound: impl IntoIterator<Item = Inbound>) {
        self.items.extend(inbound);
    }

    /// Stores octets for a later item.
    pub fn store(&mut self, octets: &[u8]) -> Span {
        self.arena.push(octets)
    }

    /// What arrived.
    pub fn items(&self) -> &[Inbound] {
        &self.items
    }

    /// The arena of the items' spans.
    pub fn arena(&self) -> &Arena {
        &self.arena
    }

    /// Removes everything but keeps the memory.
    pub fn clear(&mut self) {
        self.items.clear();
        self.arena.clear();
    }
}
