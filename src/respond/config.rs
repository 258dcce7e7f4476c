//! The services of a run and their limits: [`Config`].

use std::net::IpAddr;
use std::time::Duration;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::channel::LaneId;
use crate::types::{Endpoint, Family, named};

named! {
    /// What a listener does for its clients.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum ListenerKind {
        /// Echo over TCP (RFC 862).
        Tcp = "tcp",
        /// Discard over TCP (RFC 863).
        TcpDiscard = "tcp-discard",
        /// Echo over UDP (RFC 862).
        Udp = "udp",
        /// STAMP session reflector (RFC 8762).
        Stamp = "stamp",
        /// Echo over local stream sockets.
        Unix = "unix",
        /// Echo over local datagram sockets.
        UnixDgram = "unix-dgram",
    }
}

impl ListenerKind {
    /// Whether its clients send datagrams, and do not connect.
    pub const fn is_datagrams(self) -> bool {
        matches!(self, ListenerKind::Udp | ListenerKind::Stamp | ListenerKind::UnixDgram)
    }
}

/// One lane that listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// The lane.
    pub lane: LaneId,
    /// Its service.
    pub service: ListenerKind,
    /// Where it listens, with its actual port.
    pub at: Endpoint,
}

impl Listener {
    /// Adds its keys to an object of JSON.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize_entries<M: SerializeMap>(&self, object: &mut M) -> Result<(), M::Error> {
        object.serialize_entry("service", &self.service)?;
        self.at.serialize_entries(["address", "port", "path"], object)
    }
}

impl Serialize for Listener {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(None)?;
        self.serialize_entries(&mut object)?;
        object.end()
    }
}

/// A whole run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The listeners.
    pub listeners: Vec<Listener>,
    /// The multicast groups whose requests are answered; requests to other groups or by broadcast are not.
    pub groups: Vec<IpAddr>,
    /// The broadcast addresses of this host's interfaces: nothing to or from them is answered.
    pub broadcasts: Vec<IpAddr>,
    /// Lanes with ports of their own, at most one for each family, from which clients that may be responders are asked.
    pub askers: Vec<(Family, LaneId)>,
    /// What makes questions to clients impossible to guess.
    pub seed: u64,
    /// Most open connections.
    pub max_connections: usize,
    /// Most known datagram clients; each of them causes lines of output, even if its address is forged.
    pub max_sessions: usize,
    /// How long a client may neither send nor take anything.
    pub idle: Duration,
    /// Datagrams answered per second and source address; `None` is no limit.
    pub rate: Option<u32>,
    /// How long clients may continue after the run was asked to end.
    pub drain: Duration,
    /// Whether STAMP answers carry numbers of their own (RFC 8762 §4, the stateful reflector), so that loss there and loss
    /// back can be distinguished.
    pub stateful: bool,
}

impl Default for Config {
    /// No listeners, and the limits of `rpong` without options.
    fn default() -> Self {
        Config {
            listeners: Vec::new(),
            groups: Vec::new(),
            broadcasts: Vec::new(),
            askers: Vec::new(),
            seed: 0,
            max_connections: 8192,
            max_sessions: 4096,
            idle: Duration::from_secs(60),
            rate: Some(1000),
            drain: Duration::from_secs(5),
            stateful: false,
        }
    }
}
