//! The seam between logic and kernel: the trait [`Channel`] and its plain data.
//!
//! Raw, datagram and stream sockets differ in what a received buffer starts with, who owns the identifier and the
//! checksum, where ICMP errors arrive, and how many may be open. Those differences are data in a [`Profile`], filled once
//! when a lane opens; `engine::encode` and `engine::decode` read it, and no other room asks what kind of socket it is.

mod arena;
mod host;
mod inbound;
mod order;
mod os_error;
mod passed;
mod plan;

use std::fmt;
use std::time::Duration;

use crate::types::{Family, FlowLabel, Ident, Instant, Now, Tos, named};

pub use arena::{Arena, Span};
pub use host::{Host, NextHop, Route, Stamping};
pub use inbound::{
    Accepted, AddressAnswer, AsNameAnswer, Closed, ClosedHow, Control, Data, Datagram, Dropped, ErrorOrigin,
    IcmpNotice, Inbound, Inbox, NameAnswer, Opened, OriginAnswer, Recreated, Refused, ResolveError, Resolved,
    RunChange, Sent,
};
pub use order::{CloseHow, Header, Open, Order, Outbox, Transmit, Write};
pub use os_error::OsError;
pub use passed::{NotServed, PassedSocket};
pub use plan::{
    Account, AddressLookup, Attempt, Confinement, Fragmentation, Group, LanePlan, LaneRefused, Lookup, OpenedLanes,
    Plan, PostControl, Sandbox, SendStamps, SocketChoice, SourceLookup, Zones,
};

/// All sockets of one thread, grouped in lanes; its clocks; and the only call that blocks.
pub trait Channel {
    /// Properties of the sockets of `lane`. For a lane that this channel never opened, those of its first lane.
    fn profile(&self, lane: LaneId) -> &Profile;

    /// Both clocks, read together.
    fn now(&self) -> Now;

    /// Takes orders from the front of `outbox` and leaves those that would block. The outcome of an order is
    /// an [`Inbound`]; an error ends the run.
    fn submit(&mut self, outbox: &mut Outbox) -> Result<(), ChannelError>;

    /// Adds what has arrived to `inbox`, without blocking. Each [`Inbound::Sent`] comes before the replies to that packet.
    /// Returns the time up to which nothing is missing: what arrived later may still be unread.
    fn receive(&mut self, inbox: &mut Inbox) -> Result<Instant, ChannelError>;

    /// Blocks until something can be received, an order that would block can be taken, or `deadline` (`None`: no limit).
    /// May return early.
    fn wait(&mut self, deadline: Option<Instant>, precision: Precision) -> Result<(), ChannelError>;
}

/// How exactly [`Channel::wait`] meets its deadline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// By the kernel's timer: some tens of microseconds late.
    #[default]
    Relaxed,
    /// To the microsecond, at the cost of spinning for the last tens of microseconds.
    Precise,
    /// Less than a millisecond late, so that deadlines close to each other end one wait: for runs that have thousands a second.
    Shared,
}

/// Shared waits end at multiples of this time: with the lateness of a timer, less than a millisecond late.
const SHARED: Duration = Duration::from_micros(800);

impl Precision {
    /// When a wait for `deadline` is to end.
    pub fn end_of_wait(self, deadline: Instant) -> Instant {
        match self {
            Precision::Relaxed | Precision::Precise => deadline,
            Precision::Shared => {
                let grid = SHARED.as_nanos() as u64;
                Instant::from_nanos(deadline.as_nanos().div_ceil(grid).saturating_mul(grid))
            }
        }
    }
}

/// The run cannot go on: which call failed, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelError {
    /// The system call, or a description for a simulated channel.
    pub call: &'static str,
    /// The kernel's error.
    pub error: OsError,
}

impl fmt::Display for ChannelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.call, self.error)
    }
}

impl std::error::Error for ChannelError {}

/// The flow of ICMP messages that a raw UDP or TCP lane receives; UDP and TCP segments come under flow 0.
pub const ERROR_FLOW: u16 = 1;

/// A group of sockets of one kind, numbered by the channel in the order of [`Plan::lanes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneId(u16);

impl LaneId {
    /// Lane number `index`.
    pub const fn new(index: u16) -> Self {
        LaneId(index)
    }

    /// The lane's number as an index.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// The Machine's name for one order; it comes back with everything the channel can attribute to that order. Tokens of
/// accepted connections are chosen by the channel and have the top bit set; a Machine's own tokens have not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(u64);

impl Token {
    /// A token with this value.
    pub const fn new(value: u64) -> Self {
        Token(value)
    }

    /// The value.
    pub const fn get(self) -> u64 {
        self.0
    }
}

named! {
    /// Socket type, as `socket(2)` names them.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum SocketKind {
        /// SOCK_RAW.
        Raw = "raw",
        /// SOCK_DGRAM.
        Dgram = "dgram",
        /// SOCK_STREAM.
        Stream = "stream",
    }
}

named! {
    /// The protocol of a lane.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub enum Protocol {
        /// ICMP or ICMPv6, after the lane's family.
        #[default]
        Icmp = "icmp",
        /// UDP.
        Udp = "udp",
        /// TCP.
        Tcp = "tcp",
        /// A local socket.
        Unix = "unix",
    }
}

/// Where a buffer starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Layer {
    /// At the IP header (IPv4 raw sockets).
    Ip,
    /// At the ICMP, TCP or UDP header.
    Transport,
    /// After the transport header.
    Payload,
}

/// Which side fills a field in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// This program.
    Ours,
    /// The kernel, which overwrites our value.
    Kernel,
}

/// Where ICMP errors about our packets arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorPath {
    /// As received datagrams, between the replies.
    InBand,
    /// In the socket's error queue, as [`Inbound::Icmp`].
    Queue,
}

/// The identifier of a lane: ICMP Identifier, or the port that UDP and TCP lanes are bound to, 0 where each connection has its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneIdent {
    /// The value for flow 0.
    pub ident: Ident,
    /// Which side writes it into a packet.
    pub owner: Owner,
    /// Whether no other process on this host uses it, as far as we can determine.
    pub exclusive: bool,
}

/// Properties of the sockets of one lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Address family.
    pub family: Family,
    /// Protocol.
    pub protocol: Protocol,
    /// Socket type.
    pub socket: SocketKind,
    /// Where the octets of a [`Datagram`] start.
    pub received_at: Layer,
    /// Where the quote of an [`IcmpNotice`] starts.
    pub quote_at: Layer,
    /// The lane's identifier.
    pub ident: LaneIdent,
    /// Which side computes the transport checksum of what we send.
    pub checksum: Owner,
    /// Where ICMP errors arrive.
    pub errors: ErrorPath,
    /// How many flows ([`Transmit::flow`]) or connections may be open at once.
    pub max_open: u32,
    /// Which kernel stamps of sent packets follow the user stamp ([`Sent`]).
    pub send_stamps: SendStamps,
    /// Header fields of packets whose orders do not set them.
    pub header: LaneHeader,
}

impl Profile {
    /// That of a channel without lanes, which no order can reach.
    pub const NONE: Profile = Profile {
        family: Family::V4,
        protocol: Protocol::Icmp,
        socket: SocketKind::Dgram,
        received_at: Layer::Transport,
        quote_at: Layer::Transport,
        ident: LaneIdent { ident: Ident::new(0), owner: Owner::Kernel, exclusive: false },
        checksum: Owner::Kernel,
        errors: ErrorPath::Queue,
        max_open: 0,
        send_stamps: SendStamps::None,
        header: LaneHeader::NONE,
    };

    /// That of a raw ICMP socket, for tests that need no other.
    #[cfg(test)]
    pub(crate) const RAW_ICMP: Profile = Profile {
        family: Family::V4,
        protocol: Protocol::Icmp,
        socket: SocketKind::Raw,
        received_at: Layer::Transport,
        quote_at: Layer::Ip,
        ident: LaneIdent { ident: Ident::new(0x1234), owner: Owner::Ours, exclusive: true },
        checksum: Owner::Ours,
        errors: ErrorPath::InBand,
        max_open: 1,
        send_stamps: SendStamps::None,
        header: LaneHeader::NONE,
    };

    /// Whether we write the transport header, so that ports and numbers in it are ours to choose.
    pub const fn writes_header(&self) -> bool {
        matches!(self.socket, SocketKind::Raw)
    }

    /// Whether each probe is a connection.
    pub const fn connects(&self) -> bool {
        matches!(self.socket, SocketKind::Stream)
    }
}

/// Header fields that the packets of a lane have by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LaneHeader {
    /// TOS or Traffic Class.
    pub tos: Tos,
    /// IPv6 flow label; `None` where each packet may have its own.
    pub flow_label: Option<FlowLabel>,
    /// Whether the IPv4 Identification is ours to write.
    pub own_ip: bool,
    /// Whether packets are to have the source that was found for their target: on a lane that is bound to an interface, or has a
    /// mark, rules of routing may depend on it.
    pub keeps_source: bool,
}

impl LaneHeader {
    /// The fields of a lane that serves no order.
    pub const NONE: LaneHeader = LaneHeader { tos: Tos::new(0), flow_label: None, own_ip: false, keeps_source: false };

    /// The fields of a lane opened by `plan`.
    pub fn of(plan: &LanePlan) -> LaneHeader {
        LaneHeader {
            tos: plan.header.tos.unwrap_or_default(),
            flow_label: plan.header.flow_label,
            own_ip: plan.own_headers,
            keeps_source: plan.interface.is_some() || plan.mark.is_some(),
        }
    }
}
