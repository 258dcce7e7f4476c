//! What a ping run tells: [`Event`].

use std::net::IpAddr;

use crate::channel::{ErrorOrigin, OsError, SocketKind};
use crate::metrics::RttStats;
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
    /// Socket type; `None` if the series cannot run.
    pub socket: Option<SocketKind>,
    /// Payload octets.
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
    /// Who answered.
    pub responder: IpAddr,
    /// Whether the responder is not the unicast target.
    pub wrong_source: bool,
    /// The delay; also of duplicates and late replies, which enter no statistics.
    pub rtt: Rtt,
    /// Where both its stamps were taken.
    pub stamp: StampSource,
    /// The delay by our own clock, which the scheduler and the system calls are in.
    pub user_rtt: Rtt,
    /// How long the probe waited in this host's own queue, where the kernel said so.
    pub local_queue: Option<Rtt>,
    /// TTL or Hop Limit on arrival.
    pub reply_ttl: Option<Ttl>,
    /// TOS or Traffic Class on arrival.
    pub tos: Option<Tos>,
    /// Octets of the ICMP message.
    pub octets: usize,
    /// The identifier on the wire.
    pub ident: Ident,
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

/// The payload is not what was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayloadChange {
    /// Index of the first octet that differs.
    pub index: usize,
    /// What was sent there.
    pub expected: u8,
    /// What came back there.
    pub found: u8,
    /// The payload as it came back.
    pub payload: Box<[u8]>,
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

/// What became of the probes of one series: `sent = received + refused + unreachable + lost + pending`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Probes that left.
    pub sent: u64,
    /// Answered in time by a reply that counts.
    pub received: u64,
    /// The host answered, the service did not.
    pub refused: u64,
    /// An ICMP error came instead.
    pub unreachable: u64,
    /// Not answered within the wait.
    pub lost: u64,
    /// Still within the wait when the run was ended, or now.
    pub pending: u64,
    /// Refused by the kernel; not in `sent`.
    pub send_failed: u64,
    /// Slots skipped after a stall.
    pub skipped: u64,
    /// Further answers to probes already answered.
    pub duplicates: u64,
    /// Answers behind the wait.
    pub late: u64,
    /// Answers overtaken by a later probe's.
    pub reordered: u64,
    /// Replies with a wrong ICMP checksum; not received.
    pub bad_checksum: u64,
    /// Replies whose payload differs; received.
    pub payload_changed: u64,
    /// Replies shorter than the probe; received.
    pub truncated: u64,
    /// Replies from another address than the target; received.
    pub wrong_source: u64,
    /// Echo replies with our identifier that are not ours. Counted once a run, in its first series.
    pub foreign: u64,
    /// Replies the kernel dropped before we read them. Counted once a run, in its first series.
    pub dropped_by_kernel: u64,
    /// The longest run of consecutive lost probes.
    pub longest_loss_run: u64,
}

impl Counts {
    /// Whether every probe is accounted for exactly once.
    pub fn balance(&self) -> bool {
        self.sent == self.received + self.refused + self.unreachable + self.lost + self.pending
    }

    /// Lost and unreachable probes in percent of those decided; `None` if none is decided.
    pub fn loss_pct(&self) -> Option<f64> {
        let decided = self.sent.checked_sub(self.pending).filter(|&decided| decided > 0)?;
        Some(100.0 * (self.lost + self.unreachable) as f64 / decided as f64)
    }
}

/// Figures of a running series.
#[derive(Clone, Debug, PartialEq)]
pub struct Interim {
    /// Which series.
    pub series: SeriesId,
    /// Counts so far.
    pub counts: Counts,
    /// RTTs so far.
    pub rtt: Option<RttStats>,
    /// Exponentially weighted mean of the RTTs (weight 1/8), nanoseconds.
    pub ewma: Option<u64>,
}

/// How many counted replies have which kind of stamp.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StampCounts {
    /// From the interface.
    pub hardware: u64,
    /// From the kernel.
    pub kernel: u64,
    /// From us.
    pub user: u64,
}

/// What a target turned out to be, where counts alone do not say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// The name has no address.
    Unresolved,
    /// Not one probe could be sent.
    Unknown,
}

impl State {
    /// The name used in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            State::Unresolved => "unresolved",
            State::Unknown => "unknown",
        }
    }
}

/// A series is over.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Which series.
    pub series: SeriesId,
    /// What became of its probes.
    pub counts: Counts,
    /// Set where the counts alone do not say what the target is.
    pub state: Option<State>,
    /// RTTs of the replies that count.
    pub rtt: Option<RttStats>,
    /// Exponentially weighted mean of the RTTs (weight 1/8), nanoseconds.
    pub ewma: Option<u64>,
    /// Mean of |RTT of n − RTT of n−1| over consecutive probes both received, nanoseconds (RFC 3393).
    pub ipdv: Option<f64>,
    /// RFC 3550 §6.4.1's filter over the RTTs, nanoseconds.
    pub interarrival_jitter: Option<f64>,
    /// The most probes that were under way when one was answered, from that one to the newest, as ping's `pipe`; 0 if none
    /// was answered.
    pub pipe: u64,
    /// Which stamps the counted replies have.
    pub stamps: StampCounts,
    /// From the first probe's leaving to the last packet of the series, sent or arrived, nanoseconds.
    pub duration: u64,
}
