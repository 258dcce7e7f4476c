//! Results of a sweep as JSON: the `summary` objects of any run.

use std::io;
use std::net::IpAddr;

use serde::Serialize;

use crate::channel::SocketKind;
use crate::engine::outcome::State;
use crate::metrics::{Counts, StampCounts};
use crate::report::Sink;
use crate::report::json::{VERSION, line, millis};
use crate::report::{Streams, SweepShow};
use crate::sweep::{Event, TargetSummary};
use crate::types::{Family, Rtt};

/// Writes a `summary` object for each target as it ends.
pub struct SweepJson {
    show: SweepShow,
    /// The socket type of each family's lane.
    sockets: Vec<(Family, SocketKind)>,
}

impl SweepJson {
    /// A writer that has written nothing yet; `sockets` are those of the families that have a lane.
    pub const fn new(show: SweepShow, sockets: Vec<(Family, SocketKind)>) -> Self {
        SweepJson { show, sockets }
    }

    fn object<'a>(&self, target: &'a TargetSummary) -> SummaryObject<'a> {
        let address = target.endpoint.map(|endpoint| endpoint.address);
        let family = address.map(Family::of);
        let socket = self.sockets.iter().find(|(of, _)| Some(*of) == family).map(|(_, socket)| socket.name());
        SummaryObject {
            kind: "summary",
            version: VERSION,
            target: match (&target.name, address) {
                (None, Some(address)) => Target::Address(address),
                (name, _) => Target::Name(name.as_deref().unwrap_or_default()),
            },
            address,
            method: "icmp",
            socket,
            port: None,
            source_port: None,
            sequence: None,
            time: None,
            state: target.state.map(State::name),
            counts: target.counts,
            stamps: target.stamps,
            rtt_stats_ms: RttStatsObject::of(target),
            ipdv_ms: None,
            interarrival_jitter_ms: None,
            rtts_ms: (self.show == SweepShow::Vectors)
                .then(|| target.delays.iter().map(|delay| delay.map(Rtt::as_millis_f64)).collect()),
            duration_ms: millis(Rtt::from(target.duration).as_nanos()),
        }
    }
}

impl Sink<Event> for SweepJson {
    fn event(&mut self, event: &Event, streams: &mut Streams<'_>) -> io::Result<()> {
        match event {
            Event::Ended(target) if self.show.shows(target) => line(&self.object(target), streams.data),
            _ => Ok(()),
        }
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum Target<'a> {
    Name(&'a str),
    Address(IpAddr),
}

/// Keys in the order in which they are documented.
#[derive(Serialize)]
struct SummaryObject<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    version: u32,
    target: Target<'a>,
    address: Option<IpAddr>,
    method: &'static str,
    socket: Option<&'static str>,
    port: Option<u16>,
    source_port: Option<u16>,
    sequence: Option<u64>,
    time: Option<&'static str>,
    state: Option<&'static str>,
    #[serde(flatten)]
    counts: Counts,
    stamps: StampCounts,
    rtt_stats_ms: Option<RttStatsObject>,
    ipdv_ms: Option<f64>,
    interarrival_jitter_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rtts_ms: Option<Vec<Option<f64>>>,
    duration_ms: f64,
}

/// Percentiles need all delays; they are null where a sweep does not keep them.
#[derive(Serialize)]
struct RttStatsObject {
    min: f64,
    mean: f64,
    median: Option<f64>,
    p90: Option<f64>,
    p95: Option<f64>,
    p99: Option<f64>,
    max: f64,
    stddev: Option<f64>,
}

impl RttStatsObject {
    fn of(target: &TargetSummary) -> Option<Self> {
        let (brief, mean) = (&target.rtt, target.rtt.mean()?);
        let all = target.stats();
        let all = all.as_ref();
        Some(RttStatsObject {
            min: millis(brief.min()),
            mean: mean / 1e6,
            median: all.map(|all| millis(all.median)),
            p90: all.map(|all| millis(all.p90)),
            p95: all.map(|all| millis(all.p95)),
            p99: all.map(|all| millis(all.p99)),
            max: millis(brief.max()),
            stddev: all.map(|all| all.stddev / 1e6),
        })
    }
}
