//! rtrace's results as those of RIPE Atlas: [`TraceAtlas`].
//!
//! The form is that of traceroute results since firmware 5000, which ripe.atlas.sagan and other readers of Atlas' results take.
//! The numbers of measurement and probe, which Atlas gives, are 0.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;

use serde::Serialize;
use serde::ser::SerializeMap;

use crate::channel::SocketKind;
use crate::engine::outcome::{Field, IcmpError, MethodKind, Outcome, Subject};
use crate::report::json::line;
use crate::report::trace::TraceView;
use crate::report::trace::text::{interim, send_failure};
use crate::report::{Sink, Streams};
use crate::trace::{Event, Hop, HopProbe, StopReason, Trace, packet_octets};
use crate::types::{Family, Mtu, Rtt, Ttl};
use crate::wire::extension::{LabelStackEntry, Object};
use crate::wire::icmp::ErrorKind;

/// A version of Atlas' probes whose results have this form.
const FIRMWARE: u32 = 5080;

/// Version of ICMP extension structures (RFC 4884 §7).
const EXTENSION_VERSION: u8 = 2;

/// Writes a result for each trace as it ends; each flow of several is one.
pub struct TraceAtlas {
    program: Box<str>,
    view: TraceView,
}

impl TraceAtlas {
    /// A writer. `program` stands before messages on stderr.
    pub const fn new(program: Box<str>, view: TraceView) -> Self {
        TraceAtlas { program, view }
    }
}

impl Sink<Event> for TraceAtlas {
    fn event(&mut self, event: &Event, streams: &mut Streams<'_>) -> io::Result<()> {
        match event {
            Event::Ended(trace) => line("traceroute", streams.data, |object| result(object, trace)),
            Event::Probe(event) => send_failure(&self.program, self.view, event, streams.talk),
            Event::Interim(figures) => interim(&self.program, self.view, figures, streams.talk),
            _ => Ok(()),
        }
    }
}

fn result<M: SerializeMap>(object: &mut M, trace: &Trace) -> Result<(), M::Error> {
    let (subject, began) = (&trace.began.subject, trace.began.time.as_nanos());
    object.serialize_entry("fw", &FIRMWARE)?;
    object.serialize_entry("msm_id", &0)?;
    object.serialize_entry("prb_id", &0)?;
    object.serialize_entry("msm_name", "Traceroute")?;
    object.serialize_entry("timestamp", &seconds(began))?;
    object.serialize_entry("endtime", &seconds(began.saturating_add(trace.duration)))?;
    // Seconds since the clock was set: not known.
    object.serialize_entry("lts", &-1)?;
    object.serialize_entry("dst_name", &subject.target)?;
    if let Some(address) = subject.address {
        object.serialize_entry("dst_addr", &address)?;
        object.serialize_entry("af", &Family::of(address).pick(4, 6))?;
    }
    if let Some(source) = subject.source {
        object.serialize_entry("src_addr", &source)?;
        object.serialize_entry("from", &source)?;
    }
    object.serialize_entry("proto", &subject.method.name().to_ascii_uppercase())?;
    if let Some(octets) = packet_octets(subject) {
        object.serialize_entry("size", &octets)?;
    }
    object.serialize_entry("paris_id", &paris_id(subject))?;
    let failure = failure(trace).map(|error| HopResult { hop: None, error: Some(error), result: Vec::new() });
    let hops = trace.hops.iter().map(|hop| HopResult::of(hop)).chain(failure);
    object.serialize_entry("result", &hops.collect::<Vec<_>>())
}

const fn seconds(nanos: u64) -> u64 {
    nanos / 1_000_000_000
}

/// Atlas counts the flows that it keeps from 1; 0 is a traceroute whose probes are flows of their own.
fn paris_id(subject: &Subject) -> u32 {
    match (subject.method, subject.socket) {
        (_, Some(SocketKind::Stream)) | (MethodKind::Udp, Some(SocketKind::Dgram)) => 0,
        _ => subject.flow.unwrap_or_default().saturating_add(1),
    }
}

/// What ended the trace before its time.
fn failure(trace: &Trace) -> Option<&'static str> {
    match (trace.began.subject.address, trace.stop_reason) {
        (None, _) => Some("name resolution failed: the name has no address"),
        (Some(_), StopReason::SendFailed) => Some("sendto failed"),
        _ => None,
    }
}

/// All answers at one TTL, or why there are none.
#[derive(Serialize)]
struct HopResult {
    #[serde(skip_serializing_if = "Option::is_none")]
    hop: Option<Ttl>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    result: Vec<Packet>,
}

impl HopResult {
    fn of(hop: &Hop) -> Self {
        HopResult { hop: Some(hop.ttl), error: None, result: hop.probes.iter().map(Packet::of).collect() }
    }
}

/// The result of a probe: an answer, or `{"x":"*"}`.
#[derive(Default, Serialize)]
struct Packet {
    #[serde(skip_serializing_if = "Option::is_none")]
    x: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    err: Option<Code>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rtt: Option<Rtt>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<Ttl>,
    /// The TTL that was left, where it is not 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    ittl: Option<Ttl>,
    /// The destination that is quoted, where it is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    edst: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mtu: Option<Mtu>,
    #[serde(skip_serializing_if = "Option::is_none")]
    icmpext: Option<Extension>,
}

impl Packet {
    fn of(probe: &HopProbe) -> Self {
        let Some(response) = probe.response() else { return Packet { x: Some("*"), ..Packet::default() } };
        let answer = Packet {
            from: Some(response.responder),
            rtt: Some(response.rtt),
            ttl: response.event.reply_ttl,
            ..Packet::default()
        };
        match &response.event.outcome {
            Outcome::Error(error) => Packet {
                // The target's own port unreachable is the answer that was hoped for.
                err: Code::of(error).filter(|_| response.port_state().is_none()),
                ittl: error.quote.ttl.filter(|ttl| ttl.get() != 1),
                edst: quoted_destination(error),
                mtu: error.mtu,
                icmpext: Extension::of(&error.extensions),
                ..answer
            },
            Outcome::Reply(reply) => Packet { size: Some(reply.octets), ..answer },
            _ => answer,
        }
    }
}

fn quoted_destination(error: &IcmpError) -> Option<IpAddr> {
    let changed = error.quote.rewritten.iter().find(|changed| changed.field == Field::Destination)?;
    changed.quoted.address()
}

/// An ICMP error that is no time exceeded: its letter, or the number of its code.
#[derive(Debug, PartialEq, Serialize)]
#[serde(untagged)]
enum Code {
    Letter(&'static str),
    Number(u8),
}

impl Code {
    fn of(error: &IcmpError) -> Option<Self> {
        Some(match error.kind {
            ErrorKind::TimeExceeded => return None,
            ErrorKind::NetUnreachable => Code::Letter("N"),
            ErrorKind::HostUnreachable => Code::Letter("H"),
            ErrorKind::ProtocolUnreachable => Code::Letter("P"),
            ErrorKind::PortUnreachable => Code::Letter("p"),
            ErrorKind::Prohibited => Code::Letter("A"),
            _ => Code::Number(error.icmp?.1),
        })
    }
}

/// ICMP extensions.
#[derive(Serialize)]
struct Extension {
    version: u8,
    /// Whether the length of the quote was stated; 1, as it is not known any more.
    rfc4884: u8,
    obj: Vec<ExtensionObject>,
}

#[derive(Serialize)]
struct ExtensionObject {
    class: u8,
    #[serde(rename = "type")]
    c_type: u8,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    mpls: Vec<BTreeMap<&'static str, u32>>,
}

impl Extension {
    fn of(objects: &[Object]) -> Option<Self> {
        let obj = objects.iter().map(|object| {
            let (class, c_type) = object.class();
            let entry = |entry: &LabelStackEntry| {
                let (tc, bottom, ttl) = (entry.tc.into(), entry.bottom.into(), entry.ttl.into());
                BTreeMap::from([("label", entry.label), ("exp", tc), ("s", bottom), ("ttl", ttl)])
            };
            ExtensionObject { class, c_type, mpls: object.labels().iter().map(entry).collect() }
        });
        let obj: Vec<ExtensionObject> = obj.collect();
        (!obj.is_empty()).then_some(Extension { version: EXTENSION_VERSION, rfc4884: 1, obj })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;
    use crate::report::fixture::{Answer, answer, expired, hop, icmp_answer, trace_end, trace_start, written};
    use crate::trace::Began;

    fn read(trace: Trace) -> Value {
        let (data, _) =
            written(&mut TraceAtlas::new("rtrace".into(), TraceView::Path), &[Event::Ended(Arc::new(trace))]);
        serde_json::from_str(&data).expect("JSON")
    }

    #[test]
    fn a_trace_is_a_result_of_traceroute() {
        let began = trace_start(0, "www.example.org", "10.9.4.2");
        let labels = [(24_001, false), (24_002, true)];
        let stack = labels.map(|(label, bottom)| LabelStackEntry { label, tc: 5, bottom, ttl: 1 });
        let labelled = Answer { extensions: vec![Object::Mpls(stack.into())], ..expired("10.9.1.2", 1979) };
        let trace =
            trace_end(&began, vec![hop(1, vec![Some(labelled), None]), hop(2, vec![Some(answer("10.9.4.2", 12))])]);
        let label = |label, s| json!({"label": label, "exp": 5, "s": s, "ttl": 1});
        let object = json!({"class": 1, "type": 1, "mpls": [label(24_001, 0), label(24_002, 1)]});
        let router = json!({
            "from": "10.9.1.2", "rtt": 1.979, "ttl": 255, "mtu": 1400,
            "icmpext": {"version": 2, "rfc4884": 1, "obj": [object]},
        });
        assert_eq!(
            read(trace),
            json!({
                "type": "traceroute", "fw": 5080, "msm_id": 0, "prb_id": 0, "msm_name": "Traceroute",
                "timestamp": 1_795_333_633, "endtime": 1_795_333_633, "lts": -1, "dst_name": "www.example.org",
                "dst_addr": "10.9.4.2", "af": 4, "src_addr": "192.0.2.1", "from": "192.0.2.1", "proto": "ICMP",
                "size": 60, "paris_id": 1,
                "result": [
                    {"hop": 1, "result": [router, {"x": "*"}]},
                    {"hop": 2, "result": [{"from": "10.9.4.2", "rtt": 0.012, "size": 64, "ttl": 255}]},
                ],
            })
        );
    }

    fn error(family: Family, icmp_type: u8, icmp_code: u8) -> Value {
        let responder = family.pick("10.9.1.2", "2001:db8::1");
        let kind = ErrorKind::of(family, icmp_type, icmp_code);
        let answer = Answer { kind: Some(kind), ..icmp_answer(responder, icmp_type, icmp_code) };
        let began = trace_start(0, "www.example.org", "10.9.4.2");
        read(trace_end(&began, vec![hop(1, vec![Some(answer)])]))["result"][0]["result"][0]["err"].clone()
    }

    #[test]
    fn errors_have_their_letters_and_a_ttl_that_expired_is_none() {
        let (v4, v6) = (Family::V4, Family::V6);
        for (family, icmp, expected) in [
            (v4, (11, 0), Value::Null),
            (v4, (3, 0), json!("N")),
            (v4, (3, 1), json!("H")),
            (v4, (3, 2), json!("P")),
            (v4, (3, 3), json!("p")),
            (v4, (3, 13), json!("A")),
            (v4, (3, 4), json!(4)),
            (v4, (11, 1), json!(1)),
            (v6, (3, 0), Value::Null),
            (v6, (1, 0), json!("N")),
            (v6, (1, 1), json!("A")),
            (v6, (1, 3), json!("H")),
            (v6, (1, 4), json!("p")),
        ] {
            assert_eq!(error(family, icmp.0, icmp.1), expected, "{family:?} {icmp:?}");
        }
    }

    #[test]
    fn a_port_unreachable_of_the_target_is_no_error() {
        let trace = |responder: &str| {
            let began = trace_start(0, "10.9.4.2", "10.9.4.2");
            let answer = Answer { kind: Some(ErrorKind::PortUnreachable), ..icmp_answer(responder, 3, 3) };
            read(trace_end(&began, vec![hop(1, vec![Some(answer)])]))["result"][0]["result"][0]["err"].clone()
        };
        assert_eq!((trace("10.9.4.2"), trace("10.9.1.2")), (Value::Null, json!("p")));
    }

    #[test]
    fn what_ends_a_trace_before_its_time_is_a_result_without_a_hop() {
        let began = trace_start(0, "nosuch.example", "10.9.4.2");
        let unsent = |began: &Began| Trace { stop_reason: StopReason::SendFailed, ..trace_end(began, Vec::new()) };
        assert_eq!(read(unsent(&began))["result"], json!([{"error": "sendto failed"}]));
        let subject = Arc::new(Subject { address: None, source: None, ..(*began.subject).clone() });
        let unresolved = read(unsent(&Began { subject, ..began }));
        assert_eq!(unresolved["result"], json!([{"error": "name resolution failed: the name has no address"}]));
        assert_eq!(unresolved.get("dst_addr"), None);
    }
}
