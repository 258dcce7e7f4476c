//! What is served, and within which limits: [`Config`].

use std::net::IpAddr;
use std::time::Duration;

use crate::channel::LaneId;
use crate::types::Endpoint;

/// What a listener does for its clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Service {
    /// Echo over TCP (RFC 862).
    Tcp,
    /// Discard over TCP (RFC 863).
    TcpDiscard,
    /// Echo over UDP (RFC 862).
    Udp,
    /// STAMP session reflector (RFC 8762).
    Stamp,
    /// Echo over local stream sockets.
    Unix,
    /// Echo over local datagram sockets.
    UnixDgram,
}

impl Service {
    /// The name, as the option that asks for it has it.
    pub const fn name(self) -> &'static str {
        match self {
            Service::Tcp => "tcp",
            Service::TcpDiscard => "tcp-discard",
            Service::Udp => "udp",
            Service::Stamp => "stamp",
            Service::Unix => "unix",
            Service::UnixDgram => "unix-dgram",
        }
    }

    /// Whether its clients send datagrams, and do not connect.
    pub const fn is_datagrams(self) -> bool {
        matches!(self, Service::Udp | Service::Stamp | Service::UnixDgram)
    }
}

/// One lane that listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// The lane.
    pub lane: LaneId,
    /// What it does.
    pub service: Service,
    /// Where it listens, with the port it really has.
    pub at: Endpoint,
}

/// A whole run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// What is served where.
    pub listeners: Vec<Listener>,
    /// The multicast groups whose requests are answered; what comes by another, or by broadcast, is not.
    pub groups: Vec<IpAddr>,
    /// Connections open at once.
    pub max_connections: usize,
    /// Clients over datagrams that are told apart at once.
    pub max_sessions: usize,
    /// How long a client may neither send nor take anything.
    pub idle: Duration,
    /// Datagrams answered per second and source address; `None` is no limit.
    pub rate: Option<u32>,
    /// How long clients may go on once the end was asked for.
    pub drain: Duration,
    /// Whether STAMP answers carry numbers of their own (RFC 8762 §4, the stateful reflector), so that loss there and loss
    /// back can be told apart.
    pub stateful: bool,
}
