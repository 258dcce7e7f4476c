//! The contents of an answer: [`Reply`], and by method its [`Detail`].

use super::State;
use crate::types::{Ident, Rtt};
use crate::wire::service::{dns, ntp, stun};

/// An answer from the target's side.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// Octets of the ICMP message, of the UDP payload, or of what came back over a connection.
    pub octets: usize,
    /// Whether the responder is not the unicast target, or not the port that was asked.
    pub wrong_source: bool,
    /// Whether it is shorter than what was sent.
    pub truncated: bool,
    /// Whether its ICMP checksum is wrong: it is not counted as received.
    pub bad_checksum: bool,
    /// How its payload differs from what was sent.
    pub payload_changed: Option<Box<PayloadChange>>,
    /// The fields that the method adds.
    pub detail: Detail,
}

impl Reply {
    /// An ordinary reply of this many octets.
    pub const fn new(octets: usize, detail: Detail) -> Self {
        Reply { octets, wrong_source: false, truncated: false, bad_checksum: false, payload_changed: None, detail }
    }
}

/// The fields that a method adds to a reply.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Detail {
    /// An ICMP echo reply.
    Echo {
        /// The identifier on the wire.
        ident: Ident,
    },
    /// A connection that opened.
    Connect {
        /// How often the kernel repeated the SYN; `None` for local sockets.
        syn_retransmits: Option<u32>,
        /// The answer over the connection, where one was expected.
        exchange: Option<ExchangeReply>,
    },
    /// A datagram.
    Datagram,
    /// The beginning of an answer that was not expected.
    Beginning(Box<[u8]>),
    /// A STAMP test packet that was reflected.
    Stamp(Box<Reflection>),
    /// The answer of a name server.
    Dns(dns::Header),
    /// The answer of a time server.
    Ntp(ntp::Packet),
    /// The answer of a STUN server.
    Stun(stun::Class),
}

impl Detail {
    /// The state of the service that follows; `None` for ICMP and STAMP, which have no such states.
    pub const fn state(&self) -> Option<State> {
        match self {
            Detail::Echo { .. } | Detail::Stamp(_) => None,
            Detail::Connect { .. } | Detail::Datagram | Detail::Beginning(_) => Some(State::Open),
            Detail::Dns(_) | Detail::Ntp(_) | Detail::Stun(_) => Some(State::Open),
        }
    }
}

/// An answer over a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExchangeReply {
    /// From our writing, or where the other side speaks first from the connection's opening, to all that was expected.
    pub rtt: Rtt,
    /// How many octets had come by then.
    pub octets: usize,
}

/// A STAMP reflector's report about one test packet. Its clock is not ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reflection {
    /// The reflector's own Sequence Number (RFC 8762 §4.3).
    pub sequence: u32,
    /// How long the reflector kept the packet, T3 − T2, clamped to 0…rtt.
    pub reflector: Rtt,
    /// The rest of the delay.
    pub rtt_net: Rtt,
    /// One-way delays, where both clocks are kept in step with UTC.
    pub one_way: Option<OneWay>,
}

/// One-way delays in nanoseconds, which may be negative within the error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OneWay {
    /// T2 − T1.
    pub there: i64,
    /// T4 − T3.
    pub back: i64,
    /// How far both clocks together may be off, as they state it.
    pub error: u64,
}

/// A payload that is not what was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayloadChange {
    /// Index of the first octet that differs.
    pub index: usize,
    /// The octet that was sent there.
    pub expected: u8,
    /// The octet that came back there.
    pub found: u8,
    /// The payload as it came back.
    pub payload: Box<[u8]>,
}
