//! Outcomes of a sweep as JSON: the `summary` objects of any run.

use std::io;
use std::net::IpAddr;

use serde::Serialize;

use crate::channel::SocketKind;
use crate::engine::outcome::State;
use crate::metrics::{Counts, RttRecorder, RttStats, StampCounts};
use crate::report::Sink;
use crate::report::json::{VERSION, line, millis};
use crate::report::{Streams, SweepShow};
use crate::sweep::{Event, Outcome};
use crate::types::{Family, Rtt};

/// Writes a `summary` object for each target as it is over.
pub struct SweepJson {
    show: SweepShow,
    /// Of the lane of each family.
    sockets: Vec<(Family, SocketKind)>,
}

impl SweepJson {
    /// A writer that has written nothing yet; `sockets` are those of the families that have any.
    pub const fn new(show: SweepShow, sockets: Vec<(Family, SocketKind)>) -> Self {
        SweepJson { show, sockets }
    }

    fn object<'a>(&self, outcome: &'a Outcome) -> SummaryObject<'a> {
        let address = outcome.endpoint.map(|endpoint| endpoint.address);
        let family = address.map(Family::of);
        let socket = self.sockets.iter().find(|(of, _)| Some(*of) == family).map(|(_, socket)| socket.name());
        SummaryObject {
            kind: "summary",
            version: VERSION,
            target: match (&outcome.name, address) {
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
            state: outcome.state.map(State::name),
            counts: outcome.counts,
            stamps: outcome.stamps,
            rtt_stats_ms: RttStatsObject::of(outcome),
            ipdv_ms: None,
            interarrival_jitter_ms: None,
            rtts_ms: (self.show == SweepShow::Vectors)
                .then(|| outcome.delays.iter().map(|delay| delay.map(Rtt::as_millis_f64)).collect()),
            duration_ms: millis(Rtt::from(outcome.duration).as_nanos()),
        }
    }
}

impl Sink<Event> for SweepJson {
    fn event(&mut self, event: &Event, streams: &mut Streams<'_>) -> io::Result<()> {
        match event {
            Event::Outcome(outcome) if self.show.shows(outcome) => line(&self.object(outcome), streams.data),
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

/// What is not kept of so many targets is null: but for one delay, or with all of them, nothing is.
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
    fn of(outcome: &Outcome) -> Option<Self> {
        let (brief, mean) = (&outcome.rtt, outcome.rtt.mean()?);
        let all = whole(outcome);
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

/// The statistics of all delays that the brief ones are about, if all of them are known.
fn whole(outcome: &Outcome) -> Option<RttStats> {
    let count = outcome.rtt.count();
    let mut recorder = RttRecorder::default();
    if count == 1 {
        recorder.record(Rtt::from_nanos(outcome.rtt.min()));
    } else {
        outcome.delays.iter().flatten().for_each(|&delay| recorder.record(delay));
    }
    recorder.stats().filter(|stats| stats.count == u64::from(count))
}
