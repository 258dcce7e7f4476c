//! What a ping run tells: [`Event`].

use std::net::IpAddr;

use super::method::MethodKind;
use super::summary::{Interim, State, Summary};
use crate::channel::{ErrorOrigin, OsError, SocketKind};
pub use crate::engine::outcome::{ExchangeFailure, OneWay, PayloadChange, Reflection};
use crate::types::{FlowLabel, Ident, Mtu, ProbeId, Rtt, StampSource, Tos, Ttl, WallTime};
use crate::wire::icmp::ErrorKind;

/// One series: a target probed by one method over one lane. Numbered from 0 in argument order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesId(u32);

impl SeriesId {
    /// Series number `index`.
    pub const fn new(index: u32) -> Self {
        SeriesId(index)
    }

    /// The number, as an index.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a ping run tells, in order. Every series has one `Start` before and one `Summary` behind everything else of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A series begins.
    Start(Box<Start>),
    /// A reverse lookup is wanted; the answer is to come as [`crate::channel::Control::Name`].
    NameWanted(IpAddr),
    /// A reverse name is known from here on.
    Named {
        /// Whose.
        address: IpAddr,
        /// As the network gave it, unescaped.
        name: Box<str>,
    },
    /// A probe left (for flood mode's dots).
    Sent {
        /// Which series.
        series: SeriesId,
        /// Which probe.
        probe: ProbeId,
    },
    /// An answer from the target's side.
    Reply(Box<Reply>),
    /// The host answered, the service did not.
    Refused(Box<Refusal>),
    /// An ICMP error, a redirect or a source quench about a probe.
    Error(Box<ErrorEvent>),
    /// The wait for a probe is over.
    Timeout(Unanswered),
    /// The next probe is due and this one, the last before it, has no answer so far (`-O`); its wait may be over.
    NoAnswerYet(Unanswered),
    /// The kernel refused a probe.
    SendFailed(SendFailed),
    /// Figures so far were asked for (SIGQUIT): one per series.
    Interim(Vec<Interim>),
    /// A series is over.
    Summary(Box<Summary>),
}

/// A series begins.
#[derive(Clone, Debug, PartialEq)]
pub struct Start {
    /// Which.
    pub series: SeriesId,
    /// The target as typed.
    pub target: Box<str>,
    /// The name to show: canonical forward name, or the target as typed.
    pub name: Box<str>,
    /// Whether the target was typed as an address, so that lines show the address alone.
    pub numeric: bool,
    /// The chosen address; `None` if the name has none.
    pub address: Option<IpAddr>,
    /// Interface index of a scoped address; 0 if none.
    pub zone: u32,
    /// The source address packets will have, where known.
    pub source: Option<IpAddr>,
    /// How it is probed.
    pub method: MethodKind,
    /// Which port is probed, where the method has ports.
    pub port: Option<u16>,
    /// Socket type; `None` if the series cannot run.
    pub socket: Option<SocketKind>,
    /// Payload octets of each probe; 0 for connections.
    pub payload_octets: usize,
    /// IPv6 flow label that was asked for.
    pub flow_label: Option<FlowLabel>,
    /// When.
    pub time: WallTime,
}

/// An answer from the target's side.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// Which series.
    pub series: SeriesId,
    /// Which probe.
    pub probe: ProbeId,
    /// When the probe was sent.
    pub sent: WallTime,
    /// When the answer arrived.
    pub arrived: WallTime,
    /// Who answered; `None` for a local socket.
    pub responder: Option<IpAddr>,
    /// From which port, where the method has ports.
    pub port: Option<u16>,
    /// Whether the responder is not the unicast target.
    pub wrong_source: bool,
    /// Our port, where the method has ports and it is known.
    pub source_port: Option<u16>,
    /// What the answer shows the service to be; `None` for ICMP and STAMP.
    pub state: Option<State>,
    /// How often the kernel repeated the SYN of this connection; more than 0 makes it late. `None` for other methods.
    pub syn_retransmits: Option<u32>,
    /// What came back over the connection, where something was to.
    pub answer: Option<Answer>,
    /// What a STAMP reflector says.
    pub reflection: Option<Box<Reflection>>,
    /// The delay; also of duplicates and late replies, which enter no statistics.
    pub rtt: Rtt,
    /// Where both its stamps were taken.
    pub stamp: StampSource,
    /// The delay by our own clock, which every method has, and which the scheduler and the system calls are in.
    pub user_rtt: Rtt,
    /// How long the probe waited in this host's own queue, where the kernel said so.
    pub local_queue: Option<Rtt>,
    /// TTL or Hop Limit on arrival.
    pub reply_ttl: Option<Ttl>,
    /// TOS or Traffic Class on arrival.
    pub tos: Option<Tos>,
    /// Octets of the ICMP message, of the UDP payload, or of what came back over a connection.
    pub octets: usize,
    /// The ICMP identifier on the wire.
    pub ident: Option<Ident>,
    /// Another answer to this probe came before.
    pub duplicate: bool,
    /// The wait for the probe was over.
    pub late: bool,
    /// A probe sent later was answered before.
    pub reordered: bool,
    /// Shorter than what was sent.
    pub truncated: bool,
    /// Its ICMP checksum is wrong: it is not counted as received.
    pub bad_checksum: bool,
    /// The payload is not what was sent.
    pub payload_changed: Option<Box<PayloadChange>>,
}

/// What came back over a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// From our writing, or where the other side speaks first from the connection's opening, to all that was expected.
    pub rtt: Rtt,
    /// How many octets had come by then.
    pub octets: usize,
}

/// The host answered, the service did not: a TCP reset, a UDP port unreachable from the target, nobody at a local socket,
/// or a connection that did not answer as it was to.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// Which series.
    pub series: SeriesId,
    /// Which probe.
    pub probe: ProbeId,
    /// When the probe was sent.
    pub sent: WallTime,
    /// When the refusal arrived.
    pub arrived: WallTime,
    /// Who refused; `None` for a local socket.
    pub responder: Option<IpAddr>,
    /// Our port, where it is known.
    pub source_port: Option<u16>,
    /// The delay; for a connection over which only the answer was not as it was to be, that of its opening. `None` if a
    /// local socket refused at once.
    pub rtt: Option<Rtt>,
    /// The same by our own clock, which the scheduler and the system calls are in.
    pub user_rtt: Option<Rtt>,
    /// Where both stamps of `rtt` were taken.
    pub stamp: Option<StampSource>,
    /// [`State::Refused`], [`State::Closed`], or [`State::Open`] where only the answer was not as it was to be.
    pub state: State,
    /// How the exchange over an open service failed.
    pub failure: Option<ExchangeFailure>,
    /// Type and code of the ICMP error that says so.
    pub icmp: Option<(u8, u8)>,
    /// Another answer to this probe came before.
    pub duplicate: bool,
    /// The wait for the probe was over.
    pub late: bool,
}

/// An ICMP error, a redirect or a source quench about a probe, or a local error from the error queue.
#[derive(Clone, Debug, PartialEq)]
pub struct ErrorEvent {
    /// Which series.
    pub series: SeriesId,
    /// Which probe.
    pub probe: ProbeId,
    /// When the probe was sent.
    pub sent: WallTime,
    /// When the error arrived.
    pub arrived: WallTime,
    /// Who sent the error; `None` for a local one.
    pub responder: Option<IpAddr>,
    /// Our port, where the method has ports and it is known.
    pub source_port: Option<u16>,
    /// Who found the error.
    pub origin: ErrorOrigin,
    /// What it means.
    pub kind: ErrorKind,
    /// ICMP type.
    pub icmp_type: u8,
    /// ICMP code.
    pub icmp_code: u8,
    /// Octets 5 to 8 of the ICMP header: the pointer of a parameter problem.
    pub info: u32,
    /// The MTU it states.
    pub mtu: Option<Mtu>,
    /// The gateway a redirect names.
    pub gateway: Option<IpAddr>,
    /// From the probe's leaving to the error's arrival.
    pub rtt: Rtt,
    /// A reply or an error for this probe came before: it is shown and counted as duplicate, and changes nothing else.
    pub duplicate: bool,
    /// The wait for the probe was over.
    pub late: bool,
}

/// A probe without an answer so far.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Unanswered {
    /// Which series.
    pub series: SeriesId,
    /// Which probe.
    pub probe: ProbeId,
    /// When it was sent.
    pub sent: WallTime,
    /// Now.
    pub at: WallTime,
    /// Our port, where the method has ports and it is known.
    pub source_port: Option<u16>,
    /// What silence means here: [`State::NoAnswer`], [`State::Filtered`], [`State::Closed`] once other probes were answered
    /// so, or [`State::Open`] for a connection over which nothing came back.
    pub state: State,
    /// Whether the silence is put down to a limit on how often the target says that the port is closed.
    pub rate_limited: bool,
    /// How the exchange over an open service failed.
    pub failure: Option<ExchangeFailure>,
}

/// The kernel refused a probe.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SendFailed {
    /// Which series.
    pub series: SeriesId,
    /// Which probe.
    pub probe: ProbeId,
    /// When.
    pub at: WallTime,
    /// What the kernel said.
    pub error: OsError,
    /// With EMSGSIZE, the largest packet that would have passed.
    pub mtu: Option<Mtu>,
}
