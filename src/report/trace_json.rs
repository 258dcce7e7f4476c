//! rtrace's JSON: one object for each trace, written when it ends.

use std::borrow::Cow;
use std::io;
use std::net::IpAddr;

use serde::Serialize;

use super::json::{Time, VERSION, line, millis};
use super::message::annotation;
use super::{Sink, Streams, escape};
use crate::channel::{OsError, SocketKind};
use crate::trace::{Answer, Event, Hop, ProbeResult, Start, StopReason, Trace, TraceId};
use crate::wire::extension::{LabelStackEntry, Object};

/// What the JSON is to hold.
#[derive(Clone, Debug)]
pub struct TraceJsonOptions {
    /// The program's name, before messages on stderr.
    pub program: Box<str>,
    /// The method that was asked for: `auto`, `icmp`, `udp` …
    pub method_requested: Box<str>,
}

impl Default for TraceJsonOptions {
    fn default() -> Self {
        TraceJsonOptions { program: "rtrace".into(), method_requested: "auto".into() }
    }
}

/// Writes the events of a run of traces as JSON lines, in the order in which the traces end.
pub struct TraceJson {
    options: TraceJsonOptions,
    traces: Vec<Option<Running>>,
}

struct Running {
    start: Start,
    /// Why the last probe could not be sent.
    failure: Option<OsError>,
}

impl TraceJson {
    /// A writer that has written nothing yet.
    pub fn new(options: TraceJsonOptions) -> Self {
        TraceJson { options, traces: Vec::new() }
    }

    fn start(&mut self, start: &Start) {
        let index = start.trace.index();
        if self.traces.len() <= index {
            self.traces.resize_with(index + 1, || None);
        }
        if let Some(slot) = self.traces.get_mut(index) {
            *slot = Some(Running { start: start.clone(), failure: None });
        }
    }

    fn send_failed(&mut self, trace: TraceId, error: OsError, streams: &mut Streams<'_>) -> io::Result<()> {
        let Some(Some(running)) = self.traces.get_mut(trace.index()) else { return Ok(()) };
        if running.failure.replace(error) == Some(error) {
            return Ok(());
        }
        writeln!(streams.talk, "{}: {}: sendmsg: {error}", self.options.program, escape(&running.start.name))
    }
}

impl Sink<Event> for TraceJson {
    fn event(&mut self, event: &Event, streams: &mut Streams<'_>) -> io::Result<()> {
        match event {
            Event::Start(start) => {
                self.start(start);
                Ok(())
            }
            Event::SendFailed { trace, error } => self.send_failed(*trace, *error, streams),
            Event::End(trace) => match self.traces.get_mut(trace.trace.index()).and_then(Option::take) {
                Some(Running { start, .. }) => {
                    line(&TraceObject::new(&start, trace, &self.options.method_requested), streams.data)
                }
                None => Ok(()),
            },
            // The end repeats every hop.
            Event::Hop(..) | Event::NameWanted(_) => Ok(()),
        }
    }
}

#[derive(Serialize)]
struct TraceObject<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    version: u32,
    tool: &'static str,
    target: &'a str,
    address: Option<IpAddr>,
    source: Option<IpAddr>,
    method: &'static str,
    method_requested: &'a str,
    socket: Option<&'static str>,
    port: Option<u16>,
    flow: u32,
    packet_bytes: usize,
    reached: bool,
    stop_reason: &'static str,
    state: Option<&'static str>,
    duration_ms: f64,
    time: Time,
    hops: Vec<HopObject<'a>>,
    /// Filled by analyses of the path, of which there are none yet.
    findings: [(); 0],
}

impl<'a> TraceObject<'a> {
    fn new(start: &'a Start, trace: &'a Trace, method_requested: &'a str) -> Self {
        let state = match (start.address, trace.stop_reason) {
            (None, _) => Some("unresolved"),
            (Some(_), StopReason::SendFailed) => Some("unknown"),
            _ => None,
        };
        TraceObject {
            kind: "trace",
            version: VERSION,
            tool: "rtrace",
            target: &start.target,
            address: start.address,
            source: start.source,
            method: start.method.name(),
            method_requested,
            socket: start.socket.map(SocketKind::name),
            port: start.port,
            flow: start.flow,
            packet_bytes: start.packet_octets,
            reached: trace.reached,
            stop_reason: trace.stop_reason.name(),
            state,
            duration_ms: millis(trace.duration),
            time: Time(start.time),
            hops: trace.hops.iter().map(HopObject::new).collect(),
            findings: [],
        }
    }
}

#[derive(Serialize)]
struct HopObject<'a> {
    ttl: u8,
    sent: usize,
    received: usize,
    unanswered: usize,
    unanswered_pct: Option<f64>,
    responders: Vec<ResponderObject<'a>>,
    probes: Vec<ProbeObject>,
    rtt_stats_ms: Option<RttStatsObject>,
}

impl<'a> HopObject<'a> {
    fn new(hop: &'a Hop) -> Self {
        let answers: Vec<&Answer> = hop.probes.iter().filter_map(|probe| probe.answer.as_ref()).collect();
        let (sent, received) = (hop.probes.len(), answers.len());
        let unanswered = sent - received;
        HopObject {
            ttl: hop.ttl.get(),
            sent,
            received,
            unanswered,
            unanswered_pct: Some(100.0 * unanswered as f64 / sent as f64).filter(|_| sent > 0),
            responders: responders(&answers),
            probes: hop.probes.iter().map(ProbeObject::new).collect(),
            rtt_stats_ms: RttStatsObject::new(answers.iter().map(|answer| answer.rtt.as_nanos()).collect()),
        }
    }
}

#[derive(Serialize)]
struct ResponderObject<'a> {
    address: IpAddr,
    name: Option<Cow<'a, str>>,
    asn: Option<u32>,
    rtts_ms: Vec<f64>,
    reply_ttl: Option<u8>,
    mpls: Vec<LabelObject>,
    interface: Option<&'static str>,
    annotation: Option<String>,
}

/// The answers grouped by who answered, in order of first appearance. What differs between answers of one responder is told
/// of the first that has it; the probes tell the rest.
fn responders<'a>(answers: &[&'a Answer]) -> Vec<ResponderObject<'a>> {
    let mut grouped: Vec<ResponderObject<'a>> = Vec::new();
    for &answer in answers {
        match grouped.iter_mut().find(|responder| responder.address == answer.responder) {
            Some(known) => known.add(answer),
            None => {
                let mut responder = ResponderObject::new(answer.responder);
                responder.add(answer);
                grouped.push(responder);
            }
        }
    }
    grouped
}

impl<'a> ResponderObject<'a> {
    fn new(address: IpAddr) -> Self {
        ResponderObject {
            address,
            name: None,
            asn: None,
            rtts_ms: Vec::new(),
            reply_ttl: None,
            mpls: Vec::new(),
            interface: None,
            annotation: None,
        }
    }

    fn add(&mut self, answer: &'a Answer) {
        self.rtts_ms.push(millis(answer.rtt.as_nanos()));
        self.name = self.name.take().or_else(|| answer.name.as_deref().map(escape));
        self.reply_ttl = self.reply_ttl.or(answer.reply_ttl.map(|ttl| ttl.get()));
        self.annotation = self.annotation.take().or_else(|| annotation(answer));
        if self.mpls.is_empty() {
            self.mpls = answer.extensions.iter().flat_map(labels).map(LabelObject::new).collect();
        }
    }
}

fn labels(object: &Object) -> &[LabelStackEntry] {
    match object {
        Object::Mpls(stack) => stack,
        Object::Unknown { .. } => &[],
    }
}

#[derive(Serialize)]
struct LabelObject {
    label: u32,
    tc: u8,
    bottom: bool,
    ttl: u8,
}

impl LabelObject {
    fn new(entry: &LabelStackEntry) -> Self {
        LabelObject { label: entry.label, tc: entry.tc, bottom: entry.bottom, ttl: entry.ttl }
    }
}

#[derive(Serialize)]
struct ProbeObject {
    n: u32,
    responder: Option<IpAddr>,
    rtt_ms: Option<f64>,
    reply_ttl: Option<u8>,
    quoted_ttl: Option<u8>,
    icmp_type: Option<u8>,
    icmp_code: Option<u8>,
    late: bool,
}

impl ProbeObject {
    fn new(probe: &ProbeResult) -> Self {
        let answer = probe.answer.as_ref();
        ProbeObject {
            n: probe.number,
            responder: answer.map(|answer| answer.responder),
            rtt_ms: answer.map(|answer| millis(answer.rtt.as_nanos())),
            reply_ttl: answer.and_then(|answer| answer.reply_ttl).map(|ttl| ttl.get()),
            quoted_ttl: answer.and_then(|answer| answer.quoted_ttl).map(|ttl| ttl.get()),
            icmp_type: answer.and_then(|answer| answer.icmp_type),
            icmp_code: answer.and_then(|answer| answer.icmp_code),
            late: answer.is_some_and(|answer| answer.late),
        }
    }
}

#[derive(Serialize)]
struct RttStatsObject {
    min: f64,
    mean: f64,
    median: f64,
    max: f64,
    stddev: f64,
}

impl RttStatsObject {
    /// Of these nanoseconds; `None` of none.
    fn new(mut rtts: Vec<u64>) -> Option<Self> {
        rtts.sort_unstable();
        let count = rtts.len() as f64;
        let mean = rtts.iter().map(|&rtt| rtt as f64).sum::<f64>() / count;
        let variance = rtts.iter().map(|&rtt| (rtt as f64 - mean).powi(2)).sum::<f64>() / count;
        // Nearest rank, as in rping.
        let median = rtts.get(rtts.len().div_ceil(2).checked_sub(1)?)?;
        Some(RttStatsObject {
            min: millis(*rtts.first()?),
            mean: mean / 1e6,
            median: millis(*median),
            max: millis(*rtts.last()?),
            stddev: variance.sqrt() / 1e6,
        })
    }
}
