//! What a trace tells: [`Event`].

use std::net::IpAddr;

use crate::channel::{OsError, Protocol, SocketKind};
pub use crate::engine::outcome::{Field, FieldValue as Value, Rewritten};
use crate::trace::finding::Finding;
use crate::types::{Asn, Mtu, Rtt, StampSource, Tos, Ttl, WallTime};
use crate::wire::extension::Object;
use crate::wire::icmp::ErrorKind;

/// One trace: one target over one lane. Numbered from 0 in argument order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TraceId(u32);

impl TraceId {
    /// Trace number `index`.
    pub const fn new(index: u32) -> Self {
        TraceId(index)
    }

    /// The number, as an index.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a run of traces tells. Of each trace: one `Start`, its hops in TTL order, one `End`. Traces may interleave.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A trace begins.
    Start(Box<Start>),
    /// A lookup is wanted; the answers are to come as [`crate::channel::Control::Name`] and
    /// [`crate::channel::Control::Origin`], where the configuration wants both.
    NameWanted(IpAddr),
    /// A hop is final: it will not change any more.
    Hop(TraceId, Box<Hop>),
    /// The kernel refused a probe; the trace goes on if others can be sent.
    SendFailed {
        /// Which trace.
        trace: TraceId,
        /// What the kernel said.
        error: OsError,
    },
    /// Figures so far were asked for (SIGQUIT): one for each trace that runs.
    Interim(Vec<Interim>),
    /// A trace is over.
    End(Box<Trace>),
}

/// A trace begins.
#[derive(Clone, Debug, PartialEq)]
pub struct Start {
    /// Which.
    pub trace: TraceId,
    /// The target as typed.
    pub target: Box<str>,
    /// The name to show.
    pub name: Box<str>,
    /// The chosen address; `None` if the name has none.
    pub address: Option<IpAddr>,
    /// The source address, where known.
    pub source: Option<IpAddr>,
    /// What the probes are.
    pub method: Protocol,
    /// Socket type; `None` if the trace cannot run.
    pub socket: Option<SocketKind>,
    /// Destination port of the first probe, for UDP.
    pub port: Option<u16>,
    /// Number of the flow that was asked for.
    pub flow: u32,
    /// Octets of a whole IP packet; 0 if the trace cannot run.
    pub packet_octets: usize,
    /// The largest TTL that will be tried.
    pub max_ttl: Ttl,
    /// When.
    pub time: WallTime,
}

/// All seen at one TTL.
#[derive(Clone, Debug, PartialEq)]
pub struct Hop {
    /// The TTL.
    pub ttl: Ttl,
    /// Its probes, in the order they were sent. Fewer than asked for where the trace ended before.
    pub probes: Vec<ProbeResult>,
    /// The MTU of the path to it, where it was searched for and found.
    pub mtu: Option<Mtu>,
}

/// What became of one probe.
#[derive(Clone, Debug, PartialEq)]
pub struct ProbeResult {
    /// 1 for the hop's first.
    pub number: u32,
    /// `None`: unanswered.
    pub answer: Option<Answer>,
    /// Whether it was sent beyond what was asked for, to make sure that its silent hop is not the destination.
    pub again: bool,
}

/// An answer to a probe.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Who answered.
    pub responder: IpAddr,
    /// Its name as the network gave it, unescaped.
    pub name: Option<Box<str>>,
    /// Who announces its address; `None` if that was not asked for.
    pub origins: Option<Origins>,
    /// Delay.
    pub rtt: Rtt,
    /// Where both its stamps were taken.
    pub stamp: StampSource,
    /// TTL or Hop Limit of the answer on arrival.
    pub reply_ttl: Option<Ttl>,
    /// TTL or Hop Limit in the quote.
    pub quoted_ttl: Option<Ttl>,
    /// TOS or Traffic Class in the quote.
    pub quoted_tos: Option<Tos>,
    /// What the quote shows otherwise than it left.
    pub rewritten: Vec<Rewritten>,
    /// ICMP type; `None` for an answer that is not ICMP.
    pub icmp_type: Option<u8>,
    /// ICMP code, likewise.
    pub icmp_code: Option<u8>,
    /// What an ICMP error means; `None` for a reply.
    pub kind: Option<ErrorKind>,
    /// The MTU it states.
    pub mtu: Option<Mtu>,
    /// Whether it came behind its wait, before the hop was final.
    pub late: bool,
    /// ICMP extension objects.
    pub extensions: Vec<Object>,
}

/// The autonomous systems that announce an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// These, ascending; never empty.
    Announced(Box<[Asn]>),
    /// None, or the address is not one that is announced.
    Unannounced,
    /// No answer came in time, or none that makes sense.
    Unknown,
}

/// Why a trace ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StopReason {
    /// The destination answered.
    Destination,
    /// An unreachable came.
    Unreachable,
    /// A port unreachable came from another address than the destination's.
    PortUnreachableElsewhere,
    /// That many hops in a row were silent.
    GapLimit,
    /// The largest TTL is used up.
    MaxTtl,
    /// The path goes in circles.
    Loop,
    /// A signal.
    Interrupted,
    /// Nothing can be sent, or the name has no address.
    SendFailed,
}

impl StopReason {
    /// The name used in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            StopReason::Destination => "destination",
            StopReason::Unreachable => "unreachable",
            StopReason::PortUnreachableElsewhere => "port_unreachable_elsewhere",
            StopReason::GapLimit => "gap_limit",
            StopReason::MaxTtl => "max_ttl",
            StopReason::Loop => "loop",
            StopReason::Interrupted => "interrupted",
            StopReason::SendFailed => "send_failed",
        }
    }
}

/// How far a trace has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interim {
    /// Which.
    pub trace: TraceId,
    /// Probes sent.
    pub sent: u32,
    /// How many of them were answered.
    pub answered: u32,
    /// The highest TTL of the path so far that has an answer.
    pub highest_ttl: Option<Ttl>,
    /// Hops that are final.
    pub final_hops: usize,
}

/// A trace is over.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// Which.
    pub trace: TraceId,
    /// Whether the destination answered.
    pub reached: bool,
    /// Why it ended.
    pub stop_reason: StopReason,
    /// Every hop that was final, from the first TTL on.
    pub hops: Vec<Hop>,
    /// What they say beyond that.
    pub findings: Vec<Finding>,
    /// The MTU of the path to the destination, where it was searched for and found.
    pub path_mtu: Option<Mtu>,
    /// From start to end, nanoseconds.
    pub duration: u64,
}
