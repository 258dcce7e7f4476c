//! What a host and its user allow, and its routes: what is asked of the kernel without sending anything.

use std::net::IpAddr;
use std::ops::RangeInclusive;

/// What this host and its user allow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// The kernel's release.
    pub kernel: Option<Box<str>>,
    /// The real user ID.
    pub uid: u32,
    /// The groups of which ICMP datagram sockets ask whether they may be opened.
    pub groups: Vec<u32>,
    /// The groups that may open ICMP datagram sockets; `None` where the kernel has no such sockets.
    pub ping_groups: Option<RangeInclusive<u32>>,
    /// The capabilities for what rping and rtrace open that this process has.
    pub capabilities: Vec<Box<str>>,
    /// Whether no program gains anything when it is started from here: a set-user-ID or a file's capabilities have no effect.
    pub no_new_privs: bool,
    /// The name servers of the system's resolver.
    pub name_servers: Vec<Box<str>>,
    /// Every interface, and where its packets are stamped; `None` where that cannot be known.
    pub interfaces: Vec<(Box<str>, Option<Stamping>)>,
}

/// Where an interface's packets are stamped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamping {
    /// By the kernel, as they arrive.
    pub received: bool,
    /// By its driver, as they leave.
    pub sent: bool,
    /// By itself, in both directions.
    pub hardware: bool,
}

/// The route to an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Route {
    /// The table that it stands in.
    pub table: u32,
    /// One of them is chosen for each flow.
    pub next_hops: Vec<NextHop>,
    /// Rules besides those that every host has.
    pub rules: usize,
}

impl Route {
    /// Whether a rule of the host's own chose its table: those that packets go by without are main and local (rtnetlink(7)), which
    /// are one where a host has no rules.
    pub const fn is_by_rule(&self) -> bool {
        !matches!(self.table, 254 | 255)
    }
}

/// Where packets go next.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct NextHop {
    /// The router; `None` where the destination is on the link.
    pub gateway: Option<IpAddr>,
    /// The interface that leads there.
    pub interface: Option<Box<str>>,
}
