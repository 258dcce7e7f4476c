//! Which lanes a run needs: [`Plan`], and the result of opening them: [`OpenedLanes`].

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::{Channel, Control, Header, LaneId, OsError, Protocol, ResolveError, Resolved, SocketKind};
use crate::types::{Endpoint, Family, Ident, IpEndpoint, Port};

/// Everything to open before privileges are dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The lanes.
    pub lanes: Vec<LanePlan>,
    /// Whether reverse names will be looked up.
    pub names: bool,
    /// Whether all targets are addresses in digits, so that no host name is looked up.
    pub numeric: bool,
    /// Where to look up the origins of addresses; `None`: nowhere.
    pub origins: Option<Zones>,
    /// Name servers for these lookups; empty: the system's.
    pub resolvers: Vec<SocketAddr>,
    /// Whom the process is once the lanes are open; `None`: who started it.
    pub user: Option<Account>,
    /// What the process is confined to once the lanes are open, as far as the kernel can do that.
    pub sandbox: Confinement,
    /// Whether a live view has the terminal: SIGQUIT is its to handle, like the other signals of terminals.
    pub screen: bool,
    /// A file that another in the same folder takes the place of when the run is over.
    pub replaces: Option<Box<Path>>,
}

/// A user of the system and the user's own group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// The user ID.
    pub uid: u32,
    /// The group ID.
    pub gid: u32,
}

/// What a process may still do once its lanes are open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Confinement {
    /// Everything.
    #[default]
    None,
    /// Read any file, and neither write one nor start a program.
    Reading,
    /// Read the files that probing needs. A filter of system calls costs each call a tenth of a microsecond or two, which adds up
    /// to a seventh of the CPU time of a flood.
    Files,
    /// That, and make the system calls that probing needs.
    FilesAndCalls,
}

/// What confines the process once its lanes are open, or why that does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sandbox {
    /// A filter of system calls.
    pub calls: Result<(), Box<str>>,
    /// A restriction of files.
    pub files: Result<(), Box<str>>,
}

impl fmt::Display for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.calls {
            Ok(()) => f.write_str("system calls filtered")?,
            Err(why) => write!(f, "system calls not filtered ({why})")?,
        }
        match &self.files {
            Ok(()) => f.write_str(", files restricted"),
            Err(why) => write!(f, ", files not restricted ({why})"),
        }
    }
}

/// DNS zones whose TXT records hold the origin of an address. The name is the address's octets (IPv4) or nibbles (IPv6) in
/// reverse, as in `in-addr.arpa` and `ip6.arpa`, followed by the zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zones {
    /// For IPv4 addresses.
    pub v4: Box<str>,
    /// For IPv6 addresses.
    pub v6: Box<str>,
}

impl Default for Zones {
    /// Those of Team Cymru, which answer everyone.
    fn default() -> Self {
        Zones { v4: "origin.asn.cymru.com".into(), v6: "origin6.asn.cymru.com".into() }
    }
}

impl Zones {
    /// The zone that names systems, as `AS64500` below it: that for IPv4 addresses without a first label `origin` or `origin6`.
    pub fn of_systems(&self) -> &str {
        let zone = &*self.v4;
        zone.strip_prefix("origin.").or_else(|| zone.strip_prefix("origin6.")).unwrap_or(zone)
    }
}

/// Which socket types a lane may have.
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

/// Which kernel stamps a lane collects for the packets it sends, besides our own. Received packets are always stamped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SendStamps {
    /// None, and many packets leave in one call: the fastest. Only an estimate is known of when each of them left.
    None,
    /// None, but each packet leaves in a call of its own, right after our stamp. Sending takes a twelfth more CPU time then than in
    /// calls of many packets, even of eight, in which the stamps of all but the first are estimates: too little to give them up.
    User,
    /// Software: when a packet entered the queueing discipline and when the driver took it.
    Kernel,
    /// Those, and the interface's where it is configured to stamp, for received packets too.
    #[default]
    Hardware,
}

impl SendStamps {
    /// Whether the kernel stamps what is sent.
    pub const fn are_kernels(self) -> bool {
        matches!(self, SendStamps::Kernel | SendStamps::Hardware)
    }
}

/// How to send packets larger than the path MTU; the names are those of `ping -M`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fragmentation {
    /// Set DF and observe the path MTU that the kernel knows.
    Do,
    /// Leave DF clear; fragment where needed.
    Dont,
    /// Fragment locally to the path MTU the kernel knows.
    Want,
    /// Set DF and ignore the path MTU the kernel knows. TCP connections, to which the kernel gives no DF then, take it as `Do`.
    Probe,
    /// The same, and ICMP errors do not change the path MTU that the kernel knows. Only raw sockets support it, for IPv4 with
    /// [`LanePlan::own_headers`]; the others treat it as `Probe`.
    Interface,
}

/// One lane.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LanePlan {
    /// Address family; without meaning for local sockets.
    pub family: Family,
    /// Protocol.
    pub protocol: Protocol,
    /// Which socket types are allowed. For local sockets `Auto` is SOCK_STREAM.
    pub socket: SocketChoice,
    /// Where to listen: clients arrive as [`super::Accepted`] (SOCK_STREAM) or as [`super::Datagram`] (SOCK_DGRAM). `None` for a
    /// lane that probes.
    pub listen: Option<Endpoint>,
    /// The descriptor of a socket that listens there already ([`super::PassedSocket`]); `None` to make one.
    pub passed: Option<i32>,
    /// Multicast groups to join.
    pub groups: Vec<Group>,
    /// Source address to bind.
    pub source: Option<IpAddr>,
    /// Interface or VRF to bind (`SO_BINDTODEVICE`).
    pub interface: Option<Box<str>>,
    /// Source port to bind: of the first flow (UDP), or of every connection (TCP).
    pub source_port: Option<Port>,
    /// ICMP identifier of a raw socket; `None` chooses one that no other run on this host uses.
    pub ident: Option<Ident>,
    /// Whether orders bring their own transport headers and IPv4 Identification, which needs a raw socket: `Auto` for UDP and
    /// TCP then means raw where allowed, else datagrams or connections, and a raw UDP or TCP lane receives the host's ICMP messages as datagrams of flow
    /// [`super::ERROR_FLOW`].
    pub own_headers: bool,
    /// How many sockets with source ports (UDP) or identifiers (ICMP datagram) of their own, or for connections from one
    /// [`LanePlan::source_port`], if more than one.
    pub flows: Option<NonZeroU16>,
    /// TTL, TOS and IPv6 flow label of packets whose orders do not set them.
    pub header: Header,
    /// Firewall mark (`SO_MARK`). Not for lanes that open connections, whose sockets are made without privileges.
    pub mark: Option<u32>,
    /// Fragmentation of sent packets.
    pub fragmentation: Option<Fragmentation>,
    /// Send buffer in octets (`SO_SNDBUF`).
    pub send_buffer: Option<u32>,
    /// Whether packets may go to broadcast addresses; else the kernel refuses them with EACCES, so that no answer to a forged
    /// source reaches a whole network.
    pub broadcast: bool,
    /// Receive buffer in octets (`SO_RCVBUF`, and beyond the system's limit `SO_RCVBUFFORCE`); `None` is room for
    /// about a thousand small packets. With the kernel's overhead, a packet counts at least 768 octets.
    pub receive_buffer: Option<u32>,
    /// Whether this host does not receive its own multicast probes (`IP_MULTICAST_LOOP`).
    pub no_multicast_loop: bool,
    /// Bypass the routing table (`SO_DONTROUTE`).
    pub dont_route: bool,
    /// How long a TCP connection may take to open: until then, and somewhat longer, the kernel repeats SYNs;
    /// `None`: two seconds.
    pub connect_wait: Option<Duration>,
    /// Stamps of sent packets (`SO_TIMESTAMPING`), where the kernel supports them.
    pub send_stamps: SendStamps,
}

impl LanePlan {
    /// A lane with default settings.
    pub fn new(family: Family, protocol: Protocol, socket: SocketChoice) -> Self {
        LanePlan { family, protocol, socket, ..LanePlan::default() }
    }

    /// How many flows it has; at least 1.
    pub fn flow_count(&self) -> u16 {
        self.flows.map_or(1, NonZeroU16::get)
    }

    /// The `TCP_SYNCNT` with which the kernel gives up after [`LanePlan::connect_wait`] and not before. It gives up when this many
    /// retransmissions would have been unanswered whose time-outs double from one second up to two minutes (RFC 6298 §5.5); in
    /// the same time, Linux 6.5 and later send more of them.
    pub fn syn_retransmissions(&self) -> u32 {
        /// The time-outs from one second to 64 seconds, and the retransmissions between them.
        const DOUBLING: (u64, u32) = (127, 6);
        const LONGEST: u64 = 120;
        /// The kernel's MAX_TCP_SYNCNT.
        const MOST: u32 = 127;
        let seconds = self.connect_wait.map_or(2, |wait| wait.as_secs());
        let count = match seconds.checked_sub(DOUBLING.0) {
            None => (seconds + 1).ilog2(),
            Some(beyond) => u32::try_from(beyond / LONGEST).unwrap_or(MOST).saturating_add(DOUBLING.1 + 1),
        };
        count.clamp(1, MOST)
    }
}

/// A multicast group, and the interface on which to join it (`None`: the one with the route to it).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The group's address.
    pub address: IpAddr,
    /// The interface's name.
    pub interface: Option<Box<str>>,
}

/// One failed attempt to open a lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The socket type that was tried.
    pub socket: SocketKind,
    /// The system call or socket option that failed: `socket`, `bind`, `SO_BINDTODEVICE`, `SO_MARK` …
    pub call: Cow<'static, str>,
    /// The kernel's error.
    pub error: OsError,
}

/// Why a lane could not be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneRefused {
    /// Address family.
    pub family: Family,
    /// Protocol.
    pub protocol: Protocol,
    /// Every attempt, in order; never empty.
    pub attempts: Vec<Attempt>,
}

/// Looks up an address as the plan asks, without blocking; the answers arrive as [`super::Control::Name`] and
/// [`super::Control::Origin`], and after that the names of the systems as [`super::Control::AsName`].
pub type Lookup = Box<dyn FnMut(IpAddr) + Send>;

/// Looks a name up in one family, or in both in the resolver's order. The result is returned if no resolver is needed or no thread
/// can be started; otherwise it arrives as [`super::Control::Address`].
pub type AddressLookup = Box<dyn FnMut(&str, Option<Family>) -> Option<Result<Resolved, ResolveError>> + Send>;

/// The source address that the kernel chooses for packets to an endpoint from a lane, or why they cannot be sent: ENETUNREACH,
/// EHOSTUNREACH, EINVAL (a blackhole route), EACCES (a prohibiting one, or a broadcast address), and errors from binding to the
/// plan's interface or source.
pub type SourceLookup = Arc<dyn Fn(LaneId, IpEndpoint) -> Result<IpAddr, OsError> + Send + Sync>;

/// Sends a control to a channel from another thread.
pub type PostControl = Arc<dyn Fn(Control) + Send + Sync>;

/// The result of opening a [`Plan`]. By then privileges are dropped and signals are routed into the channel.
pub struct OpenedLanes {
    /// The channel.
    pub channel: Box<dyn Channel + Send>,
    /// One result per planned lane, in the plan's order.
    pub lanes: Vec<Result<LaneId, LaneRefused>>,
    /// Lookups, if the plan asked for any and this build has them.
    pub lookup: Option<Lookup>,
    /// Forward lookups.
    pub addresses: AddressLookup,
    /// Sources of packets.
    pub source_for: SourceLookup,
    /// What confines the process, if the plan asks for that and this build can.
    pub sandbox: Option<Sandbox>,
    /// For other threads; `None` where virtual time allows none.
    pub post: Option<PostControl>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_gives_up_after_the_wait_for_a_connection_and_not_before() {
        let plan = |connect_wait| LanePlan {
            connect_wait: Some(connect_wait),
            ..LanePlan::new(Family::V4, Protocol::Tcp, SocketChoice::Auto)
        };
        // tcp_model_timeout() of the kernel.
        let gives_up = |count: u32| match count {
            0..=6 => (2 << count) - 1,
            _ => 127 + u64::from(count - 6) * 120,
        };
        for seconds in (0..1000).chain([5_000, 14_000]) {
            for wait in [Duration::from_secs(seconds), Duration::from_millis(seconds * 1000 + 999)] {
                let count = plan(wait).syn_retransmissions();
                assert!(gives_up(count) > wait.as_secs(), "{wait:?}: {count}");
                assert!(count == 1 || gives_up(count - 1) <= wait.as_secs(), "{wait:?}: {count}");
            }
        }
        assert_eq!(plan(Duration::MAX).syn_retransmissions(), 127);
    }
}
