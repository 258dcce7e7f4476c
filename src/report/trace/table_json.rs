//! rtrace's report as JSON: one object for each target, written when its report ends.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use serde::Serialize;

use crate::metrics::RttStats;
use crate::report::json::{Time, line, millis};
use crate::report::trace::object::{Head, LabelObject, OriginsObject, packet_octets, state};
use crate::report::trace::table::{TableOptions, interim};
use crate::report::words::message::annotation;
use crate::report::{Sink, Streams, TraceJsonOptions, escape};
use crate::trace::watch::{Ended, Event, Report, ReportHop, ReportResponder};
use crate::trace::{Start, TraceId};
use crate::types::Ttl;

/// Writes a run of reports as JSON lines, in the order in which they end.
pub struct TraceTableJson {
    options: TraceJsonOptions,
    interval: Duration,
    targets: BTreeMap<TraceId, Start>,
}

impl TraceTableJson {
    /// A writer for reports with this interval that has written nothing yet.
    pub fn new(options: TraceJsonOptions, interval: Duration) -> Self {
        TraceTableJson { options, interval, targets: BTreeMap::new() }
    }
}

impl Sink<Event> for TraceTableJson {
    fn event(&mut self, event: &Event, streams: &mut Streams<'_>) -> io::Result<()> {
        match event {
            Event::Start(start) => {
                self.targets.insert(start.trace, Start::clone(start));
                Ok(())
            }
            Event::SendFailed { trace, error } => {
                let Some(start) = self.targets.get(trace) else { return Ok(()) };
                writeln!(streams.talk, "{}: {}: sendmsg: {error}", self.options.program, escape(&start.name))
            }
            Event::Interim(all) => {
                let program = self.options.program.clone();
                let options = TableOptions { program, numeric: false, extensions: false, verbose: false };
                all.iter()
                    .try_for_each(|report| interim(&options, self.targets.get(&report.trace), report, streams.talk))
            }
            Event::End(report) => match self.targets.remove(&report.trace) {
                Some(start) => {
                    let method_requested = &self.options.method_requested;
                    line(&ReportObject::new(&start, report, method_requested, self.interval), streams.data)
                }
                None => Ok(()),
            },
            Event::NameWanted(_) => Ok(()),
        }
    }
}

#[derive(Serialize)]
struct ReportObject<'a> {
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
    fn new(start: &'a Start, report: &'a Report, method_requested: &'a str, interval: Duration) -> Self {
        ReportObject {
            head: Head::new("report", start, method_requested),
            flow: start.flow,
            packet_bytes: packet_octets(start),
            interval_ms: interval.as_secs_f64() * 1e3,
            reached: report.received > 0,
            stop_reason: report.ended.map(Ended::name),
            state: state(start, report.ended == Some(Ended::SendFailed)),
            sent: report.sent,
            received: report.received,
            lost: report.lost,
            pending: report.pending,
            loss_pct: percent(report.lost, report.sent - report.pending),
            send_failed: report.send_failed,
            distances: report.distances.iter().map(DistanceObject::new).collect(),
            duration_ms: millis(report.duration),
            time: Time(start.time),
            hops: report.hops.iter().map(HopObject::new).collect(),
        }
    }
}

/// `None` where there is nothing to divide by.
fn percent(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| 100.0 * part as f64 / whole as f64)
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
        let newest = &responder.newest;
        ResponderObject {
            address: newest.responder,
            name: newest.name.as_deref().map(escape),
            origins: OriginsObject::new(newest.origins.as_ref()),
            received: responder.received,
            reply_ttl: newest.reply_ttl.map(Ttl::get),
            mpls: LabelObject::all(&newest.extensions),
            annotation: annotation(newest),
        }
    }
}
