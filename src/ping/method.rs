//! How a series probes: [`Method`].

use std::sync::Arc;

use crate::channel::CloseHow;
use crate::engine::outcome::MethodKind;
use crate::types::{ClockError, Port};
use crate::wire::service::Service;

/// How a series probes. The lane of its target must speak the same.
#[derive(Clone, Debug, PartialEq)]
pub enum Method {
    /// ICMP echo requests.
    Icmp,
    /// A TCP connection per probe.
    Tcp(Connect),
    /// A UDP datagram per probe, all from one port.
    Udp(Ask),
    /// A connection to a local socket per probe.
    Unix(Connect),
    /// A datagram to a local socket per probe.
    UnixDgram(Ask),
    /// STAMP test packets (RFC 8762, unauthenticated).
    Stamp(Session),
}

/// A connection per probe.
#[derive(Clone, Debug, PartialEq)]
pub struct Connect {
    /// Source port of every connection; `None` lets the kernel choose.
    pub source_port: Option<Port>,
    /// How a connection is closed once it was seen to open.
    pub close: CloseHow,
    /// What is said over the connection, if anything.
    pub exchange: Option<Exchange>,
}

/// What is sent, and what must come back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exchange {
    /// What is sent; if it is empty the other side is to speak first.
    pub data: Arc<[u8]>,
    /// What must be somewhere in the answer; `None`: anything is an answer.
    pub expect: Option<Arc<[u8]>>,
}

/// What a datagram probe carries.
#[derive(Clone, Debug, PartialEq)]
pub enum Ask {
    /// Cookie, probe number and counting fill: only an echo answers that.
    Tagged,
    /// A question that servers of this kind answer.
    Service(Service),
    /// What the user gave.
    Data(Exchange),
}

/// A STAMP session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Session {
    /// How far our wall clock may be off, if it is kept in step with UTC at all; without it there are no one-way delays.
    pub clock_error: Option<ClockError>,
}

impl Method {
    /// What it is called.
    pub const fn kind(&self) -> MethodKind {
        match self {
            Method::Icmp => MethodKind::Icmp,
            Method::Tcp(_) => MethodKind::Tcp,
            Method::Udp(_) => MethodKind::Udp,
            Method::Unix(_) | Method::UnixDgram(_) => MethodKind::Unix,
            Method::Stamp(_) => MethodKind::Stamp,
        }
    }

    /// The connections it makes, if it makes any.
    pub(super) const fn connect(&self) -> Option<&Connect> {
        match self {
            Method::Tcp(connect) | Method::Unix(connect) => Some(connect),
            Method::Icmp | Method::Udp(_) | Method::UnixDgram(_) | Method::Stamp(_) => None,
        }
    }

    /// What a text it sends is to be answered with, if it sends one.
    pub(super) const fn exchange(&self) -> Option<&Exchange> {
        match self {
            Method::Tcp(connect) | Method::Unix(connect) => connect.exchange.as_ref(),
            Method::Udp(Ask::Data(exchange)) | Method::UnixDgram(Ask::Data(exchange)) => Some(exchange),
            Method::Icmp | Method::Udp(_) | Method::UnixDgram(_) | Method::Stamp(_) => None,
        }
    }
}

impl Default for Connect {
    /// A connection from any port that is opened and closed in order.
    fn default() -> Self {
        Connect { source_port: None, close: CloseHow::Fin, exchange: None }
    }
}

impl Exchange {
    /// Whether `answer` has what must be in it.
    pub(super) fn is_met_by(&self, answer: &[u8]) -> bool {
        match self.expect.as_deref() {
            None => !answer.is_empty(),
            Some([]) => true,
            Some(expected) => answer.windows(expected.len()).any(|part| part == expected),
        }
    }
}
