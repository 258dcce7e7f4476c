//! A report of a path over time as JSON.

use std::borrow::Cow;
use std::net::IpAddr;

use serde::Serialize;

use crate::engine::outcome::{Outcome, Pace};
use crate::metrics::RttStats;
use crate::report::escape;
use crate::report::json::{Time, millis};
use crate::report::trace::annotation::annotation;
use crate::report::trace::json::object::{Head, LabelObject, OriginsObject, state};
use crate::report::trace::json::percent;
use crate::trace::watch::{Report, ReportHop, ReportResponder};
use crate::trace::{StopReason, packet_octets};
use crate::types::Ttl;

#[derive(Serialize)]
pub(super) struct ReportObject<'a> {
    #[serde(flatten)]
    head: Head<'a>,
    flow: u32,
    packet_bytes: Option<usize>,
    interval_ms: f64,
    reached: bool,
    stop_reason: Option<&'static str>,
    state: Option<&'static str>,
    sent: u64,
    received: u64,
    lost: u64,
    pending: u64,
    loss_pct: Option<f64>,
    send_failed: u64,
    distances: Vec<DistanceObject>,
    duration_ms: f64,
    time: Time,
    hops: Vec<HopObject<'a>>,
}

impl<'a> ReportObject<'a> {
    pub fn new(report: &'a Report, method_requested: &'a str) -> Self {
        let subject = &report.began.subject;
        let interval = if let Pace::Fixed(interval) = subject.spec.pace { interval } else { Default::default() };
        ReportObject {
            head: Head::new("report", subject, method_requested),
            flow: subject.flow.unwrap_or_default(),
            packet_bytes: packet_octets(subject),
            interval_ms: interval.as_secs_f64() * 1e3,
            reached: report.received > 0,
            stop_reason: report.stop_reason.map(StopReason::name),
            state: state(subject, report.stop_reason == Some(StopReason::SendFailed)),
            sent: report.sent,
            received: report.received,
            lost: report.lost,
            pending: report.pending,
            loss_pct: percent(report.lost, report.sent - report.pending),
            send_failed: report.send_failed,
            distances: report.distances.iter().map(DistanceObject::new).collect(),
            duration_ms: millis(report.duration),
            time: Time(report.began.time),
            hops: report.hops.iter().map(HopObject::new).collect(),
        }
    }
}

#[derive(Serialize)]
struct DistanceObject {
    ttl: u8,
    cycles: u64,
}

impl DistanceObject {
    fn new(&(ttl, cycles): &(Ttl, u64)) -> Self {
        DistanceObject { ttl: ttl.get(), cycles }
    }
}

#[derive(Serialize)]
struct HopObject<'a> {
    ttl: u8,
    sent: u64,
    received: u64,
    unanswered: u64,
    pending: u64,
    unanswered_pct: Option<f64>,
    unanswered_persists: Option<bool>,
    responders: Vec<ResponderObject<'a>>,
    last_rtt_ms: Option<f64>,
    rtt_stats_ms: Option<RttStats>,
}

impl<'a> HopObject<'a> {
    fn new(hop: &'a ReportHop) -> Self {
        HopObject {
            ttl: hop.ttl.get(),
            sent: hop.sent,
            received: hop.received,
            unanswered: hop.unanswered,
            pending: hop.pending,
            unanswered_pct: percent(hop.unanswered, hop.received + hop.unanswered),
            unanswered_persists: hop.persists,
            responders: hop.responders.iter().map(ResponderObject::new).collect(),
            last_rtt_ms: hop.last.map(|rtt| millis(rtt.as_nanos())),
            rtt_stats_ms: hop.stats,
        }
    }
}

#[derive(Serialize)]
struct ResponderObject<'a> {
    address: IpAddr,
    name: Option<Cow<'a, str>>,
    #[serde(flatten)]
    origins: OriginsObject,
    received: u64,
    reply_ttl: Option<u8>,
    mpls: Vec<LabelObject>,
    annotation: Option<String>,
}

impl<'a> ResponderObject<'a> {
    fn new(responder: &'a ReportResponder) -> Self {
        let (known, newest) = (&responder.responder, &responder.newest);
        ResponderObject {
            address: known.address,
            name: known.name.as_deref().map(escape),
            origins: OriginsObject::new(known.origins.as_ref()),
            received: responder.received,
            reply_ttl: newest.reply_ttl.map(Ttl::get),
            mpls: match &newest.outcome {
                Outcome::Error(error) => LabelObject::all(&error.extensions),
                _ => Vec::new(),
            },
            annotation: annotation(newest),
        }
    }
}
