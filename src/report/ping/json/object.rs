//! The objects that rping's JSON consists of, keys in the order in which they are documented.

use std::net::IpAddr;

use serde::Serialize;

use crate::channel::{ErrorOrigin, SocketKind};
use crate::metrics::RttStats;
use crate::ping::{
    Counts, ErrorEvent, ExchangeFailure, MethodKind, Refusal, Reply, SendFailed, StampCounts, Start, State, Summary,
    Unanswered,
};
use crate::report::json::{Time, VERSION, millis};
use crate::report::ping::json::Series;
use crate::report::ping::json::service::{ReplyService, SummaryService, TimeoutService, refusal_message};
use crate::report::words::message::{Message, local_error};
use crate::types::{Family, Mtu, ProbeId, StampSource, WallTime};
use crate::wire::icmp::ErrorKind;

/// What every event of rping carries, `null` where there is none.
#[derive(Serialize)]
struct Common<'a> {
    target: &'a str,
    address: Option<IpAddr>,
    method: &'static str,
    socket: Option<&'static str>,
    port: Option<u16>,
    source_port: Option<u16>,
    sequence: Option<u64>,
    time: Option<Time>,
}

impl<'a> Common<'a> {
    fn of_series(series: &'a Series) -> Self {
        Common {
            target: &series.target,
            address: series.address,
            method: series.method.name(),
            socket: series.socket.map(SocketKind::name),
            port: series.port,
            source_port: None,
            sequence: None,
            time: None,
        }
    }

    fn of_probe(series: &'a Series, probe: ProbeId, sent: WallTime, source_port: Option<u16>) -> Self {
        Common { source_port, sequence: Some(probe.get()), time: Some(Time(sent)), ..Common::of_series(series) }
    }
}

#[derive(Serialize)]
pub(super) struct StartObject<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    version: u32,
    tool: &'static str,
    target: &'a str,
    address: Option<IpAddr>,
    source: Option<IpAddr>,
    method: &'static str,
    method_requested: &'static str,
    socket: Option<&'static str>,
    port: Option<u16>,
    source_port: Option<u16>,
    sequence: Option<u64>,
    payload_bytes: usize,
    time: Time,
}

impl<'a> StartObject<'a> {
    pub fn new(start: &Start, series: &'a Series) -> Self {
        let common = Common::of_series(series);
        StartObject {
            kind: "start",
            version: VERSION,
            tool: "rping",
            target: common.target,
            address: common.address,
            source: start.source,
            method: common.method,
            method_requested: common.method,
            socket: common.socket,
            port: common.port,
            source_port: common.source_port,
            sequence: common.sequence,
            payload_bytes: start.payload_octets,
            time: Time(start.time),
        }
    }
}

#[derive(Serialize)]
pub(super) struct ReplyObject<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(flatten)]
    common: Common<'a>,
    responder: Option<IpAddr>,
    rtt_ms: f64,
    ttl: Option<u8>,
    bytes: usize,
    stamp: &'static str,
    user_rtt_ms: f64,
    local_queue_ms: Option<f64>,
    state: Option<&'static str>,
    duplicate: bool,
    late: bool,
    reordered: bool,
    payload_changed: bool,
    bad_checksum: bool,
    truncated: bool,
    #[serde(flatten)]
    service: ReplyService,
}

impl<'a> ReplyObject<'a> {
    pub fn new(reply: &Reply, series: &'a Series) -> Self {
        ReplyObject {
            kind: "reply",
            common: Common {
                // An answer may come from another port than was asked.
                port: reply.port.or(series.port),
                ..Common::of_probe(series, reply.probe, reply.sent, reply.source_port)
            },
            responder: reply.responder,
            rtt_ms: millis(reply.rtt.as_nanos()),
            ttl: reply.reply_ttl.map(|ttl| ttl.get()),
            bytes: reply.octets,
            stamp: StampSource::name(reply.stamp),
            user_rtt_ms: millis(reply.user_rtt.as_nanos()),
            local_queue_ms: reply.local_queue.map(|queue| millis(queue.as_nanos())),
            state: reply.state.map(State::name),
            duplicate: reply.duplicate,
            late: reply.late,
            reordered: reply.reordered,
            payload_changed: reply.payload_changed.is_some(),
            bad_checksum: reply.bad_checksum,
            truncated: reply.truncated,
            service: ReplyService::new(reply, series.method),
        }
    }
}

#[derive(Serialize)]
pub(super) struct ErrorObject<'a> {
    #[serde(rename = "type")]
    object: &'static str,
    #[serde(flatten)]
    common: Common<'a>,
    responder: Option<IpAddr>,
    kind: &'static str,
    origin: &'static str,
    icmp_type: Option<u8>,
    icmp_code: Option<u8>,
    mtu: Option<u32>,
    gateway: Option<IpAddr>,
    message: String,
    rtt_ms: Option<f64>,
    state: Option<&'static str>,
    duplicate: bool,
    late: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<&'static str>,
}

impl<'a> ErrorObject<'a> {
    pub fn new(event: &ErrorEvent, series: &'a Series) -> Self {
        let local = event.origin == ErrorOrigin::Local;
        let origin = match event.responder {
            _ if local => "local",
            Some(responder) if Some(responder) == series.address => "target",
            _ => "router",
        };
        let family = event.responder.or(series.address).map_or(Family::V4, Family::of);
        let message = match local {
            true => local_error(event.kind).map_or_else(|| "Local error".to_owned(), |error| error.to_string()),
            false => Message { family, event }.to_string(),
        };
        ErrorObject {
            object: "error",
            common: Common::of_probe(series, event.probe, event.sent, event.source_port),
            responder: event.responder,
            kind: event.kind.name(),
            origin,
            icmp_type: Some(event.icmp_type).filter(|_| !local),
            icmp_code: Some(event.icmp_code).filter(|_| !local),
            mtu: event.mtu.map(Mtu::get),
            gateway: event.gateway,
            message,
            rtt_ms: Some(millis(event.rtt.as_nanos())),
            // Advice leaves the probe open.
            state: Some("unreachable").filter(|_| !event.kind.is_advice()),
            duplicate: event.duplicate,
            late: event.late,
            answer: None,
        }
    }

    /// The host answered, the service did not.
    pub fn refused(refusal: &Refusal, series: &'a Series) -> Self {
        ErrorObject {
            object: "error",
            common: Common::of_probe(series, refusal.probe, refusal.sent, refusal.source_port),
            responder: refusal.responder,
            kind: match refusal.state {
                State::Closed => ErrorKind::PortUnreachable.name(),
                State::Open => "no_answer",
                _ => "refused",
            },
            origin: if series.address.is_none() { "local" } else { "target" },
            icmp_type: refusal.icmp.map(|(icmp_type, _)| icmp_type),
            icmp_code: refusal.icmp.map(|(_, icmp_code)| icmp_code),
            mtu: None,
            gateway: None,
            message: refusal_message(refusal).to_owned(),
            rtt_ms: refusal.rtt.map(|rtt| millis(rtt.as_nanos())),
            state: Some(refusal.state.name()),
            duplicate: refusal.duplicate,
            late: refusal.late,
            answer: refusal.failure.map(ExchangeFailure::name),
        }
    }

    pub fn not_sent(failed: &SendFailed, series: &'a Series) -> Self {
        ErrorObject {
            object: "error",
            common: Common::of_probe(series, failed.probe, failed.at, None),
            responder: None,
            kind: "send_failed",
            origin: "local",
            icmp_type: None,
            icmp_code: None,
            mtu: failed.mtu.map(Mtu::get),
            gateway: None,
            message: match failed.error.name().filter(|_| series.method != MethodKind::Icmp) {
                Some(name) => format!("{} ({name})", failed.error),
                None => failed.error.to_string(),
            },
            rtt_ms: None,
            state: Some("unknown"),
            duplicate: false,
            late: false,
            answer: None,
        }
    }
}

#[derive(Serialize)]
pub(super) struct TimeoutObject<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(flatten)]
    common: Common<'a>,
    state: &'static str,
    #[serde(flatten)]
    service: TimeoutService,
}

impl<'a> TimeoutObject<'a> {
    pub fn new(unanswered: &Unanswered, series: &'a Series) -> Self {
        TimeoutObject {
            kind: "timeout",
            common: Common::of_probe(series, unanswered.probe, unanswered.sent, unanswered.source_port),
            state: unanswered.state.name(),
            service: TimeoutService::new(unanswered, series.method),
        }
    }
}

#[derive(Serialize)]
pub(super) struct SummaryObject<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    version: u32,
    #[serde(flatten)]
    common: Common<'a>,
    state: Option<&'static str>,
    #[serde(flatten)]
    counts: CountsObject,
    stamps: StampsObject,
    rtt_stats_ms: Option<RttStatsObject>,
    ipdv_ms: Option<f64>,
    interarrival_jitter_ms: Option<f64>,
    duration_ms: f64,
    #[serde(flatten)]
    service: SummaryService,
}

impl<'a> SummaryObject<'a> {
    pub fn new(summary: &Summary, series: &'a Series) -> Self {
        SummaryObject {
            kind: "summary",
            version: VERSION,
            common: Common::of_series(series),
            state: summary.state.map(|state| state.name()),
            counts: CountsObject::new(&summary.counts),
            stamps: StampsObject::new(&summary.stamps),
            rtt_stats_ms: summary.rtt.as_ref().map(RttStatsObject::new),
            ipdv_ms: summary.ipdv.map(|nanos| nanos / 1e6),
            interarrival_jitter_ms: summary.interarrival_jitter.map(|nanos| nanos / 1e6),
            duration_ms: millis(summary.duration),
            service: SummaryService::new(summary, series.method),
        }
    }
}

#[derive(Serialize)]
pub(in crate::report) struct CountsObject {
    sent: u64,
    received: u64,
    refused: u64,
    unreachable: u64,
    lost: u64,
    pending: u64,
    send_failed: u64,
    skipped: u64,
    loss_pct: Option<f64>,
    duplicates: u64,
    late: u64,
    reordered: u64,
    bad_checksum: u64,
    payload_changed: u64,
    truncated: u64,
    wrong_source: u64,
    foreign: u64,
    dropped_by_kernel: u64,
    longest_loss_run: u64,
}

impl CountsObject {
    pub fn new(counts: &Counts) -> Self {
        CountsObject {
            sent: counts.sent,
            received: counts.received,
            refused: counts.refused,
            unreachable: counts.unreachable,
            lost: counts.lost,
            pending: counts.pending,
            send_failed: counts.send_failed,
            skipped: counts.skipped,
            loss_pct: counts.loss_pct(),
            duplicates: counts.duplicates,
            late: counts.late,
            reordered: counts.reordered,
            bad_checksum: counts.bad_checksum,
            payload_changed: counts.payload_changed,
            truncated: counts.truncated,
            wrong_source: counts.wrong_source,
            foreign: counts.foreign,
            dropped_by_kernel: counts.dropped_by_kernel,
            longest_loss_run: counts.longest_loss_run,
        }
    }
}

#[derive(Serialize)]
pub(in crate::report) struct StampsObject {
    hardware: u64,
    kernel: u64,
    user: u64,
}

impl StampsObject {
    pub const fn new(stamps: &StampCounts) -> Self {
        StampsObject { hardware: stamps.hardware, kernel: stamps.kernel, user: stamps.user }
    }
}

#[derive(Serialize)]
pub(in crate::report) struct RttStatsObject {
    min: f64,
    mean: f64,
    median: f64,
    p90: f64,
    p95: f64,
    p99: f64,
    max: f64,
    stddev: f64,
}

impl RttStatsObject {
    pub fn new(rtt: &RttStats) -> Self {
        RttStatsObject {
            min: millis(rtt.min),
            mean: rtt.mean / 1e6,
            median: millis(rtt.median),
            p90: millis(rtt.p90),
            p95: millis(rtt.p95),
            p99: millis(rtt.p99),
            max: millis(rtt.max),
            stddev: rtt.stddev / 1e6,
        }
    }
}
