//! How targets are probed: [`Method`]. One file per method holds its probe, the judgement of its answers, and what an answer adds
//! to the result.
//!
//! A new method is a file here, its entry in one of the enums below, and its option in `cli`.

mod connect;
mod dns;
mod echo;
mod entry;
mod exchange;
mod ntp;
mod quic;
mod stamp;
mod stun;
mod tagged;

use std::fmt::Debug;

pub use connect::{Connect, Established};
pub use dns::Dns;
pub use echo::{judge_echo, push_echo};
pub use entry::{Entry, Label, Value};
pub use exchange::Exchange;
pub use stamp::{Session, sequence as stamp_sequence};

use crate::engine::decode::Answer;
use crate::engine::outcome::{Detail, ExchangeFailure, MethodKind, Outcome, Refusal, Reply, Silence, State};
use crate::types::{ProbeId, Rtt, Stamp, WallTime};
use crate::wire::payload::Cookie;
use crate::wire::service::{NoAnswer, Numbered};

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

/// What a datagram probe carries.
#[derive(Clone, Debug, PartialEq)]
pub enum Ask {
    /// Cookie, probe number and counting fill: only an echo answers that.
    Tagged,
    /// What the user gave.
    Data(Exchange),
    /// A question to a name server.
    Dns(Dns),
    /// A question to a time server.
    Ntp,
    /// A version that no QUIC server has.
    Quic,
    /// A STUN Binding request.
    Stun,
}

/// A UDP service whose question and port are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Service {
    /// DNS (RFC 1035): the name servers of the root, unless another question is given.
    Dns,
    /// NTP (RFC 5905).
    Ntp,
    /// QUIC (RFC 8999).
    Quic,
    /// STUN (RFC 8489).
    Stun,
    /// Echo (RFC 862).
    Echo,
}

/// Every service, with the name that `--udp` takes and the port that IANA assigned to it.
const SERVICES: [(Service, &str, u16); 5] = [
    (Service::Dns, "dns", 53),
    (Service::Ntp, "ntp", 123),
    (Service::Quic, "quic", 443),
    (Service::Stun, "stun", 3478),
    (Service::Echo, "echo", 7),
];

/// What a datagram probe is, and what its answers look like.
pub trait DatagramMethod: Debug {
    /// Octets of a probe, where the user asked for `octets` of payload.
    fn octets(&self, octets: usize) -> usize;

    /// Appends a probe that leaves at about `now`.
    fn push(&self, probe: &Probe<'_>, now: WallTime, out: &mut Vec<u8>);

    /// The probe that a datagram answers; `expected`: it comes from where the probes go.
    fn answers(&self, cookie: &Cookie, datagram: &[u8], expected: bool) -> AnswerTo;

    /// The probe that an ICMP error quotes, if the quote is long enough.
    fn quoted(&self, cookie: &Cookie, quoted: &[u8]) -> Option<Numbered>;

    /// The outcome of the probe that this datagram is taken to answer.
    fn judge(&self, probe: &Probe<'_>, answer: &Answer<'_>, times: Times) -> Outcome;
}

/// One probe.
#[derive(Clone, Copy, Debug)]
pub struct Probe<'a> {
    pub cookie: &'a Cookie,
    pub id: ProbeId,
    /// Octets of payload that the user asked for.
    pub octets: usize,
}

/// When a probe left, and how long its answer took.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    pub sent: Stamp,
    pub rtt: Rtt,
}

/// The probe that a datagram answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerTo {
    /// This one, or none.
    Only(Numbered),
    /// This one if it left at about this time, which the answer copies from it, else none.
    Dated(Numbered, WallTime),
    /// This one; if there never was such a probe, the newest that is open, which this is no answer to.
    OrNewest(Numbered),
    /// The newest that is open, if it comes from where the probes go: the datagram names none.
    Newest,
    /// None of ours.
    Foreign,
}

impl Answer<'_> {
    /// The outcome where the method reads this from it.
    fn judged(&self, read: Result<Detail, ExchangeFailure>) -> Outcome {
        match read {
            Ok(detail) => Outcome::Reply(Reply::new(self.payload.len(), detail)),
            Err(failure) => Outcome::Refused(Refusal::Exchange(failure)),
        }
    }
}

impl Probe<'_> {
    /// The answer of a service, if it is one to this probe.
    fn answered<T>(&self, read: Result<(Numbered, T), NoAnswer>) -> Result<T, ExchangeFailure> {
        match read {
            Ok((numbered, answer)) if numbered.names(self.id) => Ok(answer),
            Ok(_) | Err(NoAnswer::OtherId) => Err(ExchangeFailure::OtherId),
            Err(NoAnswer::OtherQuestion(numbered)) if !numbered.names(self.id) => Err(ExchangeFailure::OtherId),
            Err(NoAnswer::OtherQuestion(_)) => Err(ExchangeFailure::OtherQuestion),
            Err(NoAnswer::Empty) => Err(ExchangeFailure::Empty),
            Err(NoAnswer::Echo(_)) => Err(ExchangeFailure::Echo),
            Err(NoAnswer::Malformed) => Err(ExchangeFailure::Malformed),
        }
    }
}

impl Service {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Service> {
        SERVICES.iter().map(|&(service, ..)| service)
    }

    /// The name that `--udp` takes.
    pub const fn name(self) -> &'static str {
        SERVICES[self as usize].1
    }

    /// The port that IANA assigned to it.
    pub const fn port(self) -> u16 {
        SERVICES[self as usize].2
    }

    /// What asks it.
    pub fn ask(self) -> Ask {
        match self {
            Service::Dns => Ask::Dns(Dns::default()),
            Service::Ntp => Ask::Ntp,
            Service::Quic => Ask::Quic,
            Service::Stun => Ask::Stun,
            Service::Echo => Ask::Tagged,
        }
    }
}

impl Ask {
    /// What its datagrams are.
    pub const fn datagrams(&self) -> &dyn DatagramMethod {
        match self {
            Ask::Tagged => &tagged::Tagged,
            Ask::Data(exchange) => exchange,
            Ask::Dns(dns) => dns,
            Ask::Ntp => &ntp::Ntp,
            Ask::Quic => &quic::Quic,
            Ask::Stun => &stun::Stun,
        }
    }
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
    pub const fn connect(&self) -> Option<&Connect> {
        match self {
            Method::Tcp(connect) | Method::Unix(connect) => Some(connect),
            Method::Icmp | Method::Udp(_) | Method::UnixDgram(_) | Method::Stamp(_) => None,
        }
    }

    /// What its datagrams are, if it does not connect and is not ICMP.
    pub const fn datagrams(&self) -> Option<&dyn DatagramMethod> {
        match self {
            Method::Udp(ask) | Method::UnixDgram(ask) => Some(ask.datagrams()),
            Method::Stamp(session) => Some(session),
            Method::Icmp | Method::Tcp(_) | Method::Unix(_) => None,
        }
    }

    /// Octets of payload in each probe, where the user asked for `octets`.
    pub fn payload_octets(&self, octets: usize) -> usize {
        match (self.datagrams(), self.connect()) {
            (Some(datagrams), _) => datagrams.octets(octets),
            (None, Some(_)) => 0,
            (None, None) => octets,
        }
    }

    /// What silence means.
    pub const fn silence(&self) -> Silence {
        if self.connect().is_some() { Silence::Filtered } else { Silence::NoAnswer }
    }

    /// The STAMP session, if it is one: its probes carry the error of the wall clock.
    pub const fn session(&mut self) -> Option<&mut Session> {
        match self {
            Method::Stamp(session) => Some(session),
            Method::Icmp | Method::Tcp(_) | Method::Udp(_) | Method::Unix(_) | Method::UnixDgram(_) => None,
        }
    }
}

impl MethodKind {
    /// The name used in headers.
    pub const fn title(self) -> &'static str {
        match self {
            MethodKind::Icmp => "ICMP",
            MethodKind::Tcp => "TCP",
            MethodKind::Udp => "UDP",
            MethodKind::Unix => "local socket",
            MethodKind::Stamp => "STAMP",
        }
    }

    /// What it means that the host answered and the service did not.
    pub const fn refused(self) -> State {
        match self {
            MethodKind::Tcp | MethodKind::Unix => State::Refused,
            MethodKind::Icmp | MethodKind::Udp | MethodKind::Stamp => State::Closed,
        }
    }

    /// Whether an answer shows a service to be there, rather than the host.
    pub const fn has_state(self) -> bool {
        !matches!(self, MethodKind::Icmp | MethodKind::Stamp)
    }

    /// Whether a probe that nothing came back for is unreachable if its neighbour does not exist. ICMP shows the errors that came,
    /// and nothing else, as ping does.
    pub const fn asks_neighbours(self) -> bool {
        !matches!(self, MethodKind::Icmp)
    }

    /// Whether an ICMP error reports a closed port, of which hosts send only a limited number.
    pub const fn has_closed_ports(self) -> bool {
        matches!(self, MethodKind::Udp | MethodKind::Stamp)
    }
}

impl Detail {
    /// All that it adds to the result, in the order of printing.
    pub fn entries(&self) -> Vec<Entry> {
        match self {
            Detail::Echo { .. } | Detail::Datagram => Vec::new(),
            Detail::Connect { syn_retransmits, exchange } => connect::entries(*syn_retransmits, *exchange),
            Detail::Beginning(octets) => exchange::entries(octets),
            Detail::Stamp(reflection) => stamp::entries(reflection),
            Detail::Dns(header) => dns::entries(header),
            Detail::Ntp(packet) => ntp::entries(packet),
            Detail::Stun(class) => stun::entries(class),
        }
    }
}
