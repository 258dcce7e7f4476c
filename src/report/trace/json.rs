//! rtrace's JSON: one object for each trace, written when it ends.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;

use serde::Serialize;

use crate::channel::OsError;
use crate::metrics::RttRecorder;
use crate::report::json::{Time, line, millis};
use crate::report::trace::findings::FindingObject;
use crate::report::trace::object::{ChangeObject, Head, LabelObject, OriginsObject, packet_octets, state};
use crate::report::trace::text::interim;
use crate::report::words::message::annotation;
use crate::report::{Sink, Streams, escape};
use crate::trace::{Answer, Event, Hop, ProbeResult, Rewritten, Start, StopReason, Trace, TraceId};
use crate::types::Mtu;
use crate::wire::extension::{Interface, Object};

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
    traces: BTreeMap<TraceId, Running>,
}

struct Running {
    start: Start,
    /// Why the last probe could not be sent.
    failure: Option<OsError>,
}

impl TraceJson {
    /// A writer that has written nothing yet.
    pub fn new(options: TraceJsonOptions) -> Self {
        TraceJson { options, traces: BTreeMap::new() }
    }

    fn send_failed(&mut self, trace: TraceId, error: OsError, streams: &mut Streams<'_>) -> io::Result<()> {
        let Some(running) = self.traces.get_mut(&trace) else { return Ok(()) };
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
                self.traces.insert(start.trace, Running { start: Start::clone(start), failure: None });
                Ok(())
            }
            Event::SendFailed { trace, error } => self.send_failed(*trace, *error, streams),
            Event::Interim(all) => all.iter().try_for_each(|figures| {
                let Some(running) = self.traces.get(&figures.trace) else { return Ok(()) };
                interim(&self.options.program, &escape(&running.start.name), figures, streams.talk)
            }),
            Event::End(trace) => match self.traces.remove(&trace.trace) {
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
    #[serde(flatten)]
    head: Head<'a>,
    flow: u32,
    packet_bytes: Option<usize>,
    reached: bool,
    stop_reason: &'static str,
    state: Option<&'static str>,
    path_mtu: Option<u32>,
    duration_ms: f64,
    time: Time,
    hops: Vec<HopObject<'a>>,
    findings: Vec<FindingObject>,
}

impl<'a> TraceObject<'a> {
    fn new(start: &'a Start, trace: &'a Trace, method_requested: &'a str) -> Self {
        TraceObject {
            head: Head::new("trace", start, method_requested),
            flow: start.flow,
            packet_bytes: packet_octets(start),
            reached: trace.reached,
            stop_reason: trace.stop_reason.name(),
            state: state(start, trace.stop_reason == StopReason::SendFailed),
            path_mtu: trace.path_mtu.map(Mtu::get),
            duration_ms: millis(trace.duration),
            time: Time(start.time),
            hops: trace.hops.iter().map(HopObject::new).collect(),
            findings: trace.findings.iter().map(FindingObject::new).collect(),
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
    mtu: Option<u32>,
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
            rtt_stats_ms: RttStatsObject::new(&answers),
            mtu: hop.mtu.map(Mtu::get),
        }
    }
}

#[derive(Serialize)]
struct ResponderObject<'a> {
    address: IpAddr,
    name: Option<Cow<'a, str>>,
    #[serde(flatten)]
    origins: OriginsObject,
    rtts_ms: Vec<f64>,
    reply_ttl: Option<u8>,
    mpls: Vec<LabelObject>,
    /// The first of `interfaces`.
    interface: Option<InterfaceObject<'a>>,
    interfaces: Vec<InterfaceObject<'a>>,
    extensions: Vec<ExtensionObject>,
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
            origins: OriginsObject::default(),
            rtts_ms: Vec::new(),
            reply_ttl: None,
            mpls: Vec::new(),
            interface: None,
            interfaces: Vec::new(),
            extensions: Vec::new(),
            annotation: None,
        }
    }

    fn add(&mut self, answer: &'a Answer) {
        self.rtts_ms.push(millis(answer.rtt.as_nanos()));
        self.name = self.name.take().or_else(|| answer.name.as_deref().map(escape));
        if !self.origins.is_known() {
            self.origins = OriginsObject::new(answer.origins.as_ref());
        }
        self.reply_ttl = self.reply_ttl.or(answer.reply_ttl.map(|ttl| ttl.get()));
        self.annotation = self.annotation.take().or_else(|| annotation(answer));
        if self.mpls.is_empty() {
            self.mpls = LabelObject::all(&answer.extensions);
        }
        if self.interfaces.is_empty() {
            self.interfaces = answer.extensions.iter().filter_map(InterfaceObject::new).collect();
            self.interface = self.interfaces.first().cloned();
        }
        if self.extensions.is_empty() {
            self.extensions = answer.extensions.iter().filter_map(ExtensionObject::new).collect();
        }
    }
}

/// Interface information of RFC 5837.
#[derive(Clone, Serialize)]
struct InterfaceObject<'a> {
    role: &'static str,
    index: Option<u32>,
    address: Option<IpAddr>,
    name: Option<Cow<'a, str>>,
    mtu: Option<u32>,
}

impl<'a> InterfaceObject<'a> {
    fn new(object: &'a Object) -> Option<Self> {
        let Object::Interface(Interface { role, index, address, name, mtu }) = object else { return None };
        Some(InterfaceObject {
            role: role.name(),
            index: *index,
            address: *address,
            name: name.as_deref().map(escape),
            mtu: mtu.map(|mtu| mtu.get()),
        })
    }
}

/// An extension object of a kind not known here.
#[derive(Serialize)]
struct ExtensionObject {
    class: u8,
    c_type: u8,
    hex: String,
}

impl ExtensionObject {
    fn new(object: &Object) -> Option<Self> {
        let Object::Unknown { class, c_type, payload } = object else { return None };
        let hex = payload.iter().map(|octet| format!("{octet:02x}")).collect();
        Some(ExtensionObject { class: *class, c_type: *c_type, hex })
    }
}

#[derive(Serialize)]
struct RewrittenObject {
    field: &'static str,
    #[serde(flatten)]
    change: ChangeObject,
}

impl RewrittenObject {
    fn new(change: &Rewritten) -> Self {
        RewrittenObject { field: change.field.name(), change: ChangeObject::new(change.sent, change.quoted) }
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
    quoted_tos: Option<u8>,
    rewritten: Vec<RewrittenObject>,
    stamp: Option<&'static str>,
    again: bool,
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
            quoted_tos: answer.and_then(|answer| answer.quoted_tos).map(|tos| tos.get()),
            rewritten: answer
                .map_or_else(Vec::new, |answer| answer.rewritten.iter().map(RewrittenObject::new).collect()),
            stamp: answer.map(|answer| answer.stamp.name()),
            again: probe.again,
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
    /// `None` if nothing was answered.
    fn new(answers: &[&Answer]) -> Option<Self> {
        let mut recorder = RttRecorder::default();
        answers.iter().for_each(|answer| recorder.record(answer.rtt));
        recorder.stats().map(|stats| RttStatsObject {
            min: millis(stats.min),
            mean: stats.mean / 1e6,
            median: millis(stats.median),
            max: millis(stats.max),
            stddev: stats.stddev / 1e6,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::{answer, expired, hop, icmp_answer, trace_end, trace_start, written};
    use crate::trace::Origins;
    use crate::types::{Asn, Mtu};
    use crate::wire::extension::{InterfaceRole, LabelStackEntry};

    fn json(start: Start, end: Trace) -> String {
        let mut sink = TraceJson::new(TraceJsonOptions::default());
        let (data, talk) = written(&mut sink, &[Event::Start(Box::new(start)), Event::End(Box::new(end))]);
        assert_eq!(talk, "");
        data
    }

    /// The `hops` of a trace of one hop.
    fn hop_json(answers: Vec<Option<Answer>>) -> String {
        let data = json(trace_start(0, "a.example", "192.0.2.9"), *trace_end(0, vec![hop(1, answers)]));
        let (_, hops) = data.split_once("\"hops\":").expect("hops");
        hops.strip_suffix(",\"findings\":[]}\n").expect("findings last").to_owned()
    }

    #[test]
    fn a_trace_is_one_line() {
        let start = Start { packet_octets: 60, ..trace_start(0, "a.example", "192.0.2.9") };
        assert_eq!(
            json(start, *trace_end(0, Vec::new())),
            "{\"type\":\"trace\",\"version\":1,\"tool\":\"rtrace\",\"target\":\"a.example\",\"address\":\"192.0.2.9\",\
             \"source\":\"192.0.2.1\",\"method\":\"icmp\",\"method_requested\":\"auto\",\"socket\":\"raw\",\"port\":null,\
             \"flow\":0,\"packet_bytes\":60,\"reached\":true,\"stop_reason\":\"destination\",\"state\":null,\
             \"path_mtu\":null,\"duration_ms\":75.3,\"time\":\"2026-11-22T07:47:13.000001000Z\",\"hops\":[],\"findings\":[]}\n"
        );
    }

    #[test]
    fn a_hop_tells_responders_probes_and_statistics() {
        let labelled = Answer {
            extensions: vec![Object::Mpls(vec![LabelStackEntry { label: 24001, tc: 0, bottom: true, ttl: 1 }])],
            ..expired("203.0.113.1", 1100)
        };
        let last = Answer { late: true, name: Some("gw.example".into()), ..expired("203.0.113.1", 1200) };
        assert_eq!(
            hop_json(vec![Some(labelled), None, Some(last)]),
            "[{\"ttl\":1,\"sent\":3,\"received\":2,\"unanswered\":1,\"unanswered_pct\":33.333333333333336,\
             \"responders\":[{\"address\":\"203.0.113.1\",\"name\":\"gw.example\",\"asn\":null,\"origins\":null,\"rtts_ms\":[1.1,1.2],\
             \"reply_ttl\":255,\"mpls\":[{\"label\":24001,\"tc\":0,\"bottom\":true,\"ttl\":1}],\"interface\":null,\
             \"interfaces\":[],\"extensions\":[],\"annotation\":null}],\"probes\":[\
             {\"n\":1,\"responder\":\"203.0.113.1\",\"rtt_ms\":1.1,\"reply_ttl\":255,\"quoted_ttl\":1,\"icmp_type\":11,\
             \"icmp_code\":0,\"late\":false,\"quoted_tos\":0,\"rewritten\":[],\"stamp\":\"kernel\",\"again\":false},\
             {\"n\":2,\"responder\":null,\"rtt_ms\":null,\"reply_ttl\":null,\"quoted_ttl\":null,\"icmp_type\":null,\
             \"icmp_code\":null,\"late\":false,\"quoted_tos\":null,\"rewritten\":[],\"stamp\":null,\"again\":false},\
             {\"n\":3,\"responder\":\"203.0.113.1\",\"rtt_ms\":1.2,\"reply_ttl\":255,\"quoted_ttl\":1,\"icmp_type\":11,\
             \"icmp_code\":0,\"late\":true,\"quoted_tos\":0,\"rewritten\":[],\"stamp\":\"kernel\",\"again\":false}],\
             \"rtt_stats_ms\":{\"min\":1.1,\"mean\":1.15,\"median\":1.1,\"max\":1.2,\"stddev\":0.05},\"mtu\":null}]"
        );
    }

    #[test]
    fn origins_are_told_as_far_as_they_are_known() {
        let systems = [64_499, 64_500].into_iter().filter_map(Asn::new).collect();
        for (origins, expected) in [
            (None, serde_json::json!([null, null])),
            (Some(Origins::Unknown), serde_json::json!([null, null])),
            (Some(Origins::Unannounced), serde_json::json!([null, []])),
            (Some(Origins::Announced(systems)), serde_json::json!([64_499, [64_499, 64_500]])),
        ] {
            let answer = Answer { origins, ..expired("203.0.113.1", 1) };
            let parsed: serde_json::Value = serde_json::from_str(&hop_json(vec![Some(answer)])).expect("JSON");
            let responder = &parsed[0]["responders"][0];
            assert_eq!(serde_json::json!([responder["asn"], responder["origins"]]), expected);
        }
    }

    #[test]
    fn interfaces_and_unknown_objects_are_told() {
        let incoming = Interface {
            role: InterfaceRole::Incoming,
            index: Some(2),
            address: None,
            name: Some("eth0\u{1b}".into()),
            mtu: Mtu::new(1500),
        };
        let unknown = Object::Unknown { class: 3, c_type: 1, payload: vec![0xaa, 0, 1] };
        let extended =
            Answer { extensions: vec![Object::Interface(incoming), unknown], ..expired("203.0.113.1", 1100) };
        let parsed: serde_json::Value = serde_json::from_str(&hop_json(vec![Some(extended)])).expect("JSON");
        let responder = &parsed[0]["responders"][0];
        let interface = serde_json::json!(
            {"role": "incoming", "index": 2, "address": null, "name": r"eth0\u{1b}", "mtu": 1500}
        );
        assert_eq!((&responder["interface"], &responder["interfaces"][0]), (&interface, &interface));
        assert_eq!(responder["extensions"], serde_json::json!([{"class": 3, "c_type": 1, "hex": "aa0001"}]));
    }

    #[test]
    fn a_silent_hop_keeps_its_place() {
        assert_eq!(
            hop_json(vec![None]),
            "[{\"ttl\":1,\"sent\":1,\"received\":0,\"unanswered\":1,\"unanswered_pct\":100.0,\"responders\":[],\"probes\":[\
             {\"n\":1,\"responder\":null,\"rtt_ms\":null,\"reply_ttl\":null,\"quoted_ttl\":null,\"icmp_type\":null,\
             \"icmp_code\":null,\"late\":false,\"quoted_tos\":null,\"rewritten\":[],\"stamp\":null,\"again\":false}],\"rtt_stats_ms\":null,\"mtu\":null}]"
        );
        assert!(hop_json(Vec::new()).contains("\"sent\":0,\"received\":0,\"unanswered\":0,\"unanswered_pct\":null,"));
    }

    #[test]
    fn a_probe_beyond_those_asked_for_is_marked() {
        let mut again = hop(1, vec![None, None]);
        again.probes[1].again = true;
        let data = json(trace_start(0, "a.example", "192.0.2.9"), *trace_end(0, vec![again]));
        let parsed: serde_json::Value = serde_json::from_str(&data).expect("JSON");
        let marks: Vec<_> = (0..2).map(|at| &parsed["hops"][0]["probes"][at]["again"]).collect();
        assert_eq!(marks, [false, true]);
    }

    #[test]
    fn responders_are_grouped_in_order_of_appearance() {
        let hops = hop_json(vec![
            Some(expired("203.0.113.2", 1)),
            Some(icmp_answer("203.0.113.1", 3, 1)),
            Some(expired("203.0.113.2", 3)),
        ]);
        let parsed: serde_json::Value = serde_json::from_str(&hops).expect("JSON");
        let responders = parsed[0]["responders"].as_array().expect("an array");
        let told: Vec<_> =
            responders.iter().map(|one| (&one["address"], &one["rtts_ms"], &one["annotation"])).collect();
        let expected = serde_json::json!([["203.0.113.2", [0.001, 0.003], null], ["203.0.113.1", [1.0], "!H"],]);
        assert_eq!(serde_json::json!(told), expected);
    }

    #[test]
    fn an_unresolved_target_has_its_line_too() {
        let start =
            Start { address: None, source: None, socket: None, ..trace_start(0, "nowhere.example", "192.0.2.1") };
        let over = Trace { reached: false, stop_reason: StopReason::SendFailed, ..*trace_end(0, Vec::new()) };
        let data = json(start, over);
        assert!(data.contains("\"target\":\"nowhere.example\",\"address\":null,\"source\":null,"));
        assert!(data.contains("\"reached\":false,\"stop_reason\":\"send_failed\",\"state\":\"unresolved\","));
    }

    #[test]
    fn a_name_from_the_network_is_harmless_even_when_decoded() {
        let hostile = Answer { name: Some("gw\u{1b}[2J\u{9b}\u{202e}".into()), ..answer("203.0.113.1", 1) };
        let parsed: serde_json::Value = serde_json::from_str(&hop_json(vec![Some(hostile)])).expect("JSON");
        assert_eq!(parsed[0]["responders"][0]["name"], r"gw\u{1b}[2J\u{9b}\u{202e}");
    }

    #[test]
    fn traces_are_written_as_they_end_and_failures_are_talk() {
        let mut sink = TraceJson::new(TraceJsonOptions::default());
        let failed = |error| Event::SendFailed { trace: TraceId::new(1), error };
        let (data, talk) = written(
            &mut sink,
            &[
                Event::Start(Box::new(trace_start(0, "a.example", "192.0.2.8"))),
                Event::Start(Box::new(trace_start(1, "b.example", "192.0.2.9"))),
                failed(OsError::EPERM),
                failed(OsError::EPERM),
                Event::End(trace_end(1, Vec::new())),
                Event::End(trace_end(0, Vec::new())),
                Event::End(trace_end(0, Vec::new())),
            ],
        );
        let targets: Vec<_> = data
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON")["target"].clone())
            .collect();
        assert_eq!(targets, ["b.example", "a.example"]);
        assert_eq!(talk, "rtrace: b.example: sendmsg: Operation not permitted\n");
    }
}
