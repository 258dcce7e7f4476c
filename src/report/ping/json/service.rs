//! What the objects of methods other than ICMP have in addition.
//!
//! These keys stand in every object of their kind and method, `null` where there is nothing to say; what belongs to an
//! exchange over a connection, or to a group of responders, only where there is one.

use std::net::IpAddr;

use serde::Serialize;

use crate::ping::{
    ExchangeFailure, MethodKind, OneWay, OneWayStats, Reflection, ReflectionStats, Refusal, Reply, Responder, Spread,
    State, Summary, Unanswered,
};
use crate::report::json::millis;
use crate::report::ping::json::object::RttStatsObject;
use crate::types::Rtt;

/// The sentence for a host that answered where the service did not.
pub(super) const fn refusal_message(refusal: &Refusal) -> &'static str {
    match (refusal.failure, refusal.state) {
        (Some(ExchangeFailure::Unexpected), _) => "Unexpected answer",
        (Some(ExchangeFailure::Closed), _) => "Closed without an answer",
        (Some(ExchangeFailure::Reset), _) => "Reset without an answer",
        (Some(ExchangeFailure::Silence), _) => "No answer",
        (None, State::Closed) => "Destination Port Unreachable",
        (None, _) => "Connection refused",
    }
}

#[derive(Serialize)]
pub(super) struct ReplyService {
    #[serde(skip_serializing_if = "Option::is_none")]
    syn_retransmits: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer_rtt_ms: Option<f64>,
    #[serde(flatten)]
    reflection: Option<ReflectionObject>,
}

impl ReplyService {
    pub fn new(reply: &Reply, method: MethodKind) -> Self {
        ReplyService {
            syn_retransmits: reply.syn_retransmits.filter(|_| method == MethodKind::Tcp),
            answer_rtt_ms: reply.answer.map(|answer| millis(answer.rtt.as_nanos())),
            reflection: reply.reflection.as_deref().map(ReflectionObject::new),
        }
    }
}

#[derive(Serialize)]
struct ReflectionObject {
    reflector_sequence: u32,
    reflector_ms: f64,
    rtt_net_ms: f64,
    there_ms: Option<f64>,
    back_ms: Option<f64>,
    clock_error_ms: Option<f64>,
}

impl ReflectionObject {
    fn new(reflection: &Reflection) -> Self {
        let one_way = |take: fn(&OneWay) -> f64| reflection.one_way.as_ref().map(|one_way| take(one_way) / 1e6);
        ReflectionObject {
            reflector_sequence: reflection.sequence,
            reflector_ms: millis(Rtt::as_nanos(reflection.reflector)),
            rtt_net_ms: millis(Rtt::as_nanos(reflection.rtt_net)),
            there_ms: one_way(|one_way| one_way.there as f64),
            back_ms: one_way(|one_way| one_way.back as f64),
            clock_error_ms: one_way(|one_way| one_way.error as f64),
        }
    }
}

#[derive(Serialize)]
pub(super) struct TimeoutService {
    #[serde(skip_serializing_if = "Option::is_none")]
    rate_limited: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<&'static str>,
}

impl TimeoutService {
    pub fn new(unanswered: &Unanswered, method: MethodKind) -> Self {
        TimeoutService {
            rate_limited: has_closed_ports(method).then_some(unanswered.rate_limited),
            answer: unanswered.failure.map(ExchangeFailure::name),
        }
    }
}

/// Whether a closed port is told by an ICMP error, of which hosts send only so many.
const fn has_closed_ports(method: MethodKind) -> bool {
    matches!(method, MethodKind::Udp | MethodKind::Stamp)
}

#[derive(Serialize)]
pub(super) struct SummaryService {
    #[serde(skip_serializing_if = "Option::is_none")]
    rate_limited: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    syn_retransmits: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer_stats_ms: Option<RttStatsObject>,
    #[serde(flatten)]
    reflection: Option<ReflectionStatsObject>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    responders: Vec<ResponderObject>,
}

impl SummaryService {
    pub fn new(summary: &Summary, method: MethodKind) -> Self {
        let stats = summary.reflection.as_deref();
        SummaryService {
            rate_limited: has_closed_ports(method).then_some(summary.rate_limited),
            syn_retransmits: (method == MethodKind::Tcp).then_some(summary.syn_retransmits),
            answer_stats_ms: summary.answer.as_ref().map(RttStatsObject::new),
            reflection: (method == MethodKind::Stamp).then(|| ReflectionStatsObject::new(stats)),
            responders: summary.responders.iter().map(ResponderObject::new).collect(),
        }
    }
}

#[derive(Serialize)]
struct ReflectionStatsObject {
    lost_there: Option<u64>,
    lost_back: Option<u64>,
    reflector_stats_ms: Option<RttStatsObject>,
    rtt_net_stats_ms: Option<RttStatsObject>,
    there_stats_ms: Option<SpreadObject>,
    back_stats_ms: Option<SpreadObject>,
    clock_error_ms: Option<f64>,
}

impl ReflectionStatsObject {
    fn new(stats: Option<&ReflectionStats>) -> Self {
        let lost = stats.and_then(|stats| stats.lost);
        let one_way = |take: fn(&OneWayStats) -> &Spread| {
            stats.and_then(|stats| stats.one_way.as_ref()).map(|one_way| SpreadObject::new(take(one_way)))
        };
        ReflectionStatsObject {
            lost_there: lost.map(|(there, _)| there),
            lost_back: lost.map(|(_, back)| back),
            reflector_stats_ms: stats.map(|stats| RttStatsObject::new(&stats.reflector)),
            rtt_net_stats_ms: stats.map(|stats| RttStatsObject::new(&stats.rtt_net)),
            there_stats_ms: one_way(|one_way| &one_way.there),
            back_stats_ms: one_way(|one_way| &one_way.back),
            clock_error_ms: stats.and_then(|stats| stats.one_way).map(|one_way| millis(one_way.error)),
        }
    }
}

#[derive(Serialize)]
struct SpreadObject {
    min: f64,
    mean: f64,
    max: f64,
}

impl SpreadObject {
    fn new(spread: &Spread) -> Self {
        SpreadObject { min: spread.min as f64 / 1e6, mean: spread.mean / 1e6, max: spread.max as f64 / 1e6 }
    }
}

#[derive(Serialize)]
struct ResponderObject {
    address: IpAddr,
    received: u64,
    duplicates: u64,
    late: u64,
    rtt_stats_ms: Option<RttStatsObject>,
}

impl ResponderObject {
    fn new(responder: &Responder) -> Self {
        ResponderObject {
            address: responder.address,
            received: responder.received,
            duplicates: responder.duplicates,
            late: responder.late,
            rtt_stats_ms: responder.rtt.as_ref().map(RttStatsObject::new),
        }
    }
}
