//! What the channel tells a Machine: [`Inbound`], collected in an [`Inbox`].

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU32;

use super::arena::{Arena, Span};
use super::{LaneId, OsError, Token};
use crate::types::{ClockError, Endpoint, IpEndpoint, Mtu, Stamp, Tos, Ttl, WallTime};

/// Something that happened. Spans lie in the arena of the [`Inbox`] it came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inbound {
    /// A datagram arrived.
    Datagram(Datagram),
    /// A datagram of ours left.
    Sent(Sent),
    /// The error queue reports an ICMP error, or a local one, about something we sent.
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
    /// How far the wall clock may be off; `None` if nobody keeps it in step with UTC.
    Clock(Option<ClockError>),
    /// A request from outside the network.
    Control(Control),
}

/// One received datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// The lane it arrived on.
    pub lane: LaneId,
    /// The flow ([`super::Transmit::flow`]) whose socket received it.
    pub flow: u16,
    /// Who sent it.
    pub from: Endpoint,
    /// The address of ours it was sent to; this and the next three may be `None` where `octets` start with the IP header that
    /// says so.
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
/// includes it; of datagrams that left in one call and are not stamped by the kernel, each has the time at which the ones ahead
/// of it had left at the earliest. Comes once with the user stamp; where the kernel stamps too, again with each of its stamps that becomes known,
/// maybe after the reply, maybe never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The order.
    pub token: Token,
    /// When.
    pub stamp: Stamp,
    /// When the packet entered the queueing discipline, as the kernel says.
    pub scheduled: Option<WallTime>,
    /// Of an internet connection that is being opened: our end of it, whether or not it ever opens.
    pub local: Option<IpEndpoint>,
}

impl Sent {
    /// The stamp that a delay runs from: the kernel's is that of the packet's entry into the queueing discipline where that
    /// is known, so that a queue on our own link stays visible.
    pub fn departure(&self) -> Stamp {
        Stamp { kernel: self.scheduled.or(self.stamp.kernel), ..self.stamp }
    }
}

/// Who found the error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorOrigin {
    /// This host, without a packet arriving.
    Local,
    /// An ICMP message that arrived.
    Icmp,
}

/// An ICMP error as the error queue tells it: kernel facts, verbatim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IcmpNotice {
    /// The lane that sent what the error is about.
    pub lane: LaneId,
    /// The flow ([`super::Transmit::flow`]) whose socket reports it.
    pub flow: u16,
    /// The order it is about, where the channel knows it (connections).
    pub token: Option<Token>,
    /// Where our packet was going, with its port.
    pub to: Option<IpEndpoint>,
    /// Who found the error.
    pub origin: ErrorOrigin,
    /// The address that sent the ICMP message.
    pub offender: Option<IpAddr>,
    /// ICMP type; 0 for a local error.
    pub icmp_type: u8,
    /// ICMP code; 0 for a local error.
    pub icmp_code: u8,
    /// What the kernel makes of it.
    pub error: OsError,
    /// The rest of the ICMP header as the kernel passes it on: MTU, pointer, else 0.
    pub info: u32,
    /// TTL or Hop Limit of the ICMP message on arrival.
    pub reply_ttl: Option<Ttl>,
    /// TOS or Traffic Class of the ICMP message on arrival.
    pub tos: Option<Tos>,
    /// When it arrived.
    pub stamp: Stamp,
    /// Our packet as quoted, starting at the lane's `quote_at`; may be empty.
    pub quote: Span,
    /// The ICMP extension structure (RFC 4884 §7), if there is one.
    pub extension: Option<Span>,
}

/// The kernel refused an order; nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The order.
    pub token: Token,
    /// What the kernel said; EOPNOTSUPP or EINVAL for an order that this lane cannot carry out.
    pub error: OsError,
    /// With EMSGSIZE: the largest packet that would have passed, where the kernel says it.
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
    /// How often the kernel repeated its SYN.
    pub retransmits: u32,
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

/// A connection, or the attempt to open one, ended by itself. After our own `Close` nothing more is told of it, and but for
/// `Fin` there is nothing left to close.
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
    /// The peer closed in order and sends nothing more. Our side stays open (RFC 9293 §3.6): it can be written to, and holds its
    /// descriptor, until a `Close` or a `Forget`, or until it is `Closed` in another way.
    Fin,
    /// The peer reset it.
    Reset,
    /// The kernel gave it up.
    Failed(OsError),
}

/// Datagrams lost between the kernel and us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// The lane.
    pub lane: LaneId,
    /// How many since the last report.
    pub count: u64,
}

/// A request from outside the network: a signal, another thread, a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control {
    /// SIGINT: end the run with its summary.
    Interrupt,
    /// SIGTERM: the same for who probes; who serves takes nobody new and lets the others finish.
    Terminate,
    /// SIGQUIT or SIGUSR1: show interim figures and go on.
    Interim,
    /// End the run once what is in flight is decided.
    Stop,
    /// Probe this target too.
    Add {
        /// Its name.
        target: Box<str>,
        /// Where it is.
        endpoint: IpEndpoint,
    },
    /// Probe this target no more; its summary is due.
    Remove {
        /// Its name.
        target: Box<str>,
    },
    /// The answer to a reverse lookup.
    Name(NameAnswer),
    /// What name servers say of the origin of an address.
    Origin(OriginAnswer),
    /// The answer to a forward lookup.
    Address(AddressAnswer),
    /// Who had no more targets to give has some again.
    Supplied,
}

/// The answer to a reverse lookup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameAnswer {
    /// The address that was asked for.
    pub address: IpAddr,
    /// Its name as the network gave it, unescaped; `None` if it has none or the resolver did not answer.
    pub name: Option<Box<str>>,
    /// Whether the resolver did not answer in its time.
    pub timed_out: bool,
}

/// What name servers say of the origin of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginAnswer {
    /// The address that was asked for.
    pub address: IpAddr,
    /// The texts as the network gave them; none of them if there are none, or if the address is nobody's to be asked for.
    /// `None` if no server answered.
    pub texts: Option<Vec<Box<[u8]>>>,
    /// Whether the resolver did not answer in its time.
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
    /// The C library's sentence: `Name or service not known`.
    pub message: String,
}

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ResolveError {}

/// What arrived in one turn, in the order to handle it, with its octets.
#[derive(Debug, Default)]
pub struct Inbox {
    items: Vec<Inbound>,
    arena: Arena,
}

impl Inbox {
    /// Adds something whose octets, if any, were [stored](Inbox::store) here.
    pub fn push(&mut self, inbound: Inbound) {
        self.items.push(inbound);
    }

    /// Adds what has no octets, or whose octets were [stored](Inbox::store) here.
    pub fn extend(&mut self, inbound: impl IntoIterator<Item = Inbound>) {
        self.items.extend(inbound);
    }

    /// Stores octets for something that follows.
    pub fn store(&mut self, octets: &[u8]) -> Span {
        self.arena.push(octets)
    }

    /// What arrived.
    pub fn items(&self) -> &[Inbound] {
        &self.items
    }

    /// The octets the items' spans lie in.
    pub fn arena(&self) -> &Arena {
        &self.arena
    }

    /// Forgets everything, keeps the memory.
    pub fn clear(&mut self) {
        self.items.clear();
        self.arena.clear();
    }
}
