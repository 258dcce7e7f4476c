//! Which lanes a run needs: [`Plan`], and what became of it: [`OpenedLanes`].

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::{Channel, Control, LaneId, OsError, Protocol, ResolveError, Resolved, SocketKind};
use crate::types::{Endpoint, Family, FlowLabel, Ident, Port, Tos, Ttl};

/// Everything to open before privileges are dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The lanes.
    pub lanes: Vec<LanePlan>,
    /// Whether reverse names will be asked for.
    pub names: bool,
    /// Where the origins of addresses will be asked for; `None`: not at all.
    pub origins: Option<Zones>,
    /// Name servers to ask both of; empty: the system's.
    pub resolvers: Vec<SocketAddr>,
}

/// Zones whose TXT records tell the origin of an address, whose octets (IPv4) or nibbles (IPv6) stand reversed before the zone's
/// name, as in `in-addr.arpa` and `ip6.arpa`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zones {
    /// For IPv4 addresses.
    pub v4: Box<str>,
    /// For IPv6 addresses.
    pub v6: Box<str>,
}

/// Which socket types may serve a lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SocketChoice {
    /// Raw where allowed, else datagram.
    #[default]
    Auto,
    /// Raw only.
    Raw,
    /// Datagram only.
    Dgram,
}

/// Which stamps of the kernel a lane takes of what it sends, beside ours. What arrives is always stamped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SendStamps {
    /// None: the fastest.
    None,
    /// Software: when a packet entered the queueing discipline and when the driver took it.
    Kernel,
    /// Those, and the interface's where it is set up to stamp; that of what arrives, too.
    #[default]
    Hardware,
}

/// What to do with packets larger than the path takes; the names are those of `ping -M`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fragmentation {
    /// Set DF and heed the path MTU the kernel knows.
    Do,
    /// Leave DF clear; fragment where needed.
    Dont,
    /// Fragment locally to the path MTU the kernel knows.
    Want,
    /// Set DF and ignore the path MTU the kernel knows. TCP connections, to which the kernel gives no DF then, take it as `Do`.
    Probe,
    /// The same, and what routers say about the path MTU does not change what the kernel knows. Only raw sockets have that,
    /// for IPv4 with [`LanePlan::own_headers`]; the others take it as `Probe`.
    Interface,
}

/// One lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LanePlan {
    /// Address family; of no meaning for local sockets.
    pub family: Family,
    /// What it speaks.
    pub protocol: Protocol,
    /// Which socket types may serve. For local sockets `Auto` is SOCK_STREAM.
    pub socket: SocketChoice,
    /// Where to wait for others, who then come as [`super::Accepted`] (SOCK_STREAM) or as [`super::Datagram`] (SOCK_DGRAM);
    /// `None` for a lane that probes.
    pub listen: Option<Endpoint>,
    /// Multicast groups to join.
    pub groups: Vec<Group>,
    /// Source address to bind.
    pub source: Option<IpAddr>,
    /// Interface or VRF to bind (`SO_BINDTODEVICE`).
    pub interface: Option<Box<str>>,
    /// Source port to bind (UDP). A connection's is in its [`super::Open`].
    pub source_port: Option<Port>,
    /// ICMP identifier to use on a raw socket; otherwise one is chosen that no other run on this host uses.
    pub ident: Option<Ident>,
    /// Whether orders bring their own transport headers and IPv4 Identification, which takes a raw socket: with it, `Auto` for
    /// UDP means raw where allowed, else datagram, and a raw UDP or TCP lane hands out the ICMP messages of the host as the datagrams
    /// of flow [`super::ERROR_FLOW`].
    pub own_headers: bool,
    /// How many sockets with source ports (UDP) or identifiers (ICMP datagram) of their own; at least 1.
    pub flows: u16,
    /// TTL of every packet that does not say otherwise.
    pub ttl: Option<Ttl>,
    /// TOS of every packet that does not say otherwise.
    pub tos: Option<Tos>,
    /// IPv6 flow label of every packet that does not say otherwise.
    pub flow_label: Option<FlowLabel>,
    /// Firewall mark (`SO_MARK`). Lanes that open connections cannot have one: they make their sockets without privileges.
    pub mark: Option<u32>,
    /// Fragmentation of what we send.
    pub fragmentation: Option<Fragmentation>,
    /// Send buffer in octets (`SO_SNDBUF`).
    pub send_buffer: Option<u32>,
    /// Whether packets may go to broadcast addresses; where not, the kernel refuses them with EACCES.
    pub broadcast: bool,
    /// Receive buffer in octets (`SO_RCVBUF`, and beyond the system's limit `SO_RCVBUFFORCE`); `None` is room for about a
    /// thousand small packets. The kernel counts a packet with its book-keeping, from 768 octets on.
    pub receive_buffer: Option<u32>,
    /// Whether multicast probes come back to this host (`IP_MULTICAST_LOOP`); the kernel's default is yes.
    pub multicast_loop: bool,
    /// Bypass the routing table (`SO_DONTROUTE`).
    pub dont_route: bool,
    /// Stamps of what is sent (`SO_TIMESTAMPING`), as far as the kernel has them.
    pub send_stamps: SendStamps,
}

impl LanePlan {
    /// A lane with nothing special about it.
    pub fn new(family: Family, protocol: Protocol, socket: SocketChoice) -> Self {
        LanePlan {
            family,
            protocol,
            socket,
            listen: None,
            groups: Vec::new(),
            source: None,
            interface: None,
            source_port: None,
            ident: None,
            own_headers: false,
            flows: 1,
            ttl: None,
            tos: None,
            flow_label: None,
            mark: None,
            fragmentation: None,
            send_buffer: None,
            broadcast: true,
            receive_buffer: None,
            multicast_loop: true,
            dont_route: false,
            send_stamps: SendStamps::default(),
        }
    }
}

/// A multicast group, and the interface to listen for it on (`None`: the one that routes to it).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The group's address.
    pub address: IpAddr,
    /// The interface's name.
    pub interface: Option<Box<str>>,
}

/// One thing that was tried for a lane and failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The socket type that was tried.
    pub socket: SocketKind,
    /// The system call or socket option that failed: `socket`, `bind`, `SO_BINDTODEVICE`, `SO_MARK` …
    pub call: &'static str,
    /// What the kernel said.
    pub error: OsError,
}

/// Why a lane could not be opened: every attempt, in order; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneRefused {
    /// Address family.
    pub family: Family,
    /// What it would have spoken.
    pub protocol: Protocol,
    /// What was tried.
    pub attempts: Vec<Attempt>,
}

/// Asks for what the plan wants to know of an address, without blocking; the answers arrive as [`super::Control::Name`] and
/// [`super::Control::Origin`].
pub type Lookup = Box<dyn FnMut(IpAddr) + Send>;

/// Looks a name up in one family, or in the resolver's order. What needs no resolver, and what no thread could be had for, is
/// returned; else the answer arrives as [`super::Control::Address`].
pub type AddressLookup = Box<dyn FnMut(&str, Option<Family>) -> Option<Result<Resolved, ResolveError>> + Send>;

/// Tells a channel something from another thread, as if it came from outside.
pub type PostControl = Arc<dyn Fn(Control) + Send + Sync>;

/// What became of a [`Plan`]. Privileges are dropped and signals routed into the channel by the time this exists.
pub struct OpenedLanes {
    /// The channel.
    pub channel: Box<dyn Channel + Send>,
    /// One result per planned lane, in the plan's order.
    pub lanes: Vec<Result<LaneId, LaneRefused>>,
    /// Lookups, if the plan asked for any and this build has them.
    pub lookup: Option<Lookup>,
    /// Forward lookups.
    pub addresses: AddressLookup,
    /// For other threads; `None` where no other thread can know the time.
    pub tell: Option<PostControl>,
}
