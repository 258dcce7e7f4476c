//! What a run printed with `--json`, as a [`Sample`]: a run that was not recorded can be compared as well.

use std::io::{BufRead, Read as _};
use std::net::IpAddr;

use serde_json::Value;

use super::compare::{Answers, Sample};
use super::read::LINE_OCTETS;
use crate::metrics::RttStats;

/// Why a file cannot be compared.
#[derive(Debug)]
pub enum Unprinted {
    /// This line is no object of `--json`.
    Line(u64),
    /// This program printed it.
    Other(String),
}

/// What `tool` printed, if `input` holds that; `None` if it is something else, such as a recording.
///
/// # Errors
/// If it is not from end to end what that tool prints.
pub fn printed(mut input: impl BufRead, tool: &str) -> Result<Option<Sample>, Unprinted> {
    let (mut sample, mut any) = (Sample::default(), false);
    for number in 1.. {
        let mut line = Vec::new();
        let read = input.by_ref().take(LINE_OCTETS).read_until(b'\n', &mut line);
        if matches!(read, Ok(0)) {
            break;
        }
        let object = serde_json::from_slice::<Value>(&line).ok().filter(|_| read.is_ok());
        let Some(object) = object.filter(|object| text(object, "type").is_some()) else {
            return if any { Err(Unprinted::Line(number)) } else { Ok(None) };
        };
        if text(&object, "type") == Some("session") {
            return Ok(None);
        }
        if let Some(other) = text(&object, "tool").filter(|of| *of != tool) {
            return Err(Unprinted::Other(other.to_owned()));
        }
        any |= take(&mut sample, &object);
    }
    Ok(Some(sample).filter(|_| any))
}

/// Takes one object into account. False if it is none that says what was answered.
fn take(sample: &mut Sample, object: &Value) -> bool {
    let (Some(kind), Some(target), Some(method)) =
        (text(object, "type"), text(object, "target"), text(object, "method"))
    else {
        return false;
    };
    let name = format!("{target} by {method}");
    match kind {
        "trace" => hops(object).for_each(|hop| take_trace_hop(sample, (object, &name), hop)),
        "report" => hops(object).for_each(|hop| take_report_hop(sample, (object, &name), hop)),
        "reply" | "refused" | "error" | "timeout" => take_probe(sample, name, object, kind),
        "summary" => take_summary(sample, name, object),
        _ => return false,
    }
    true
}

fn text<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.get(key)?.as_str()
}

fn list<'a>(object: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    object.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn hops(object: &Value) -> impl Iterator<Item = (u8, &Value)> {
    list(object, "hops").filter_map(|hop| Some((u8::try_from(hop.get("ttl")?.as_u64()?).ok()?, hop)))
}

fn address(object: &Value, key: &str) -> Option<IpAddr> {
    text(object, key)?.parse().ok()
}

fn nanos(object: &Value, key: &str) -> Option<u64> {
    let millis = object.get(key)?.as_f64().filter(|millis| (0.0..1e9).contains(millis))?;
    Some((millis * 1e6).round() as u64)
}

/// A count; what no run can have counted, so that sums stay in range, is none.
fn count(object: &Value, key: &str) -> u64 {
    object.get(key).and_then(Value::as_u64).filter(|&count| count < 1 << 40).unwrap_or_default()
}

fn flag(object: &Value, key: &str) -> bool {
    object.get(key).and_then(Value::as_bool).unwrap_or_default()
}

fn place<'a>(sample: &'a mut Sample, name: &str, ttl: Option<u8>) -> &'a mut Answers {
    sample.places.entry((name.to_owned(), ttl)).or_default()
}

/// The destination is where it answered nearest.
fn ends(sample: &mut Sample, (object, name): (&Value, &str), ttl: u8, responder: Option<IpAddr>) {
    if responder.is_some() && responder == address(object, "address") {
        let end = sample.ends.entry(name.to_owned()).or_insert(ttl);
        *end = ttl.min(*end);
    }
}

fn take_trace_hop(sample: &mut Sample, (object, name): (&Value, &str), (ttl, hop): (u8, &Value)) {
    for probe in list(hop, "probes") {
        let answers = place(sample, name, Some(ttl));
        answers.sent += 1;
        let responder = address(probe, "responder");
        if let Some(rtt) = nanos(probe, "rtt_ms") {
            answers.rtts.push(rtt);
            answers.addresses.extend(responder);
            ends(sample, (object, name), ttl, responder);
        }
    }
}

fn take_report_hop(sample: &mut Sample, (object, name): (&Value, &str), (ttl, hop): (u8, &Value)) {
    let received = count(hop, "received");
    let responders: Vec<IpAddr> =
        list(hop, "responders").filter_map(|responder| address(responder, "address")).collect();
    let answers = place(sample, name, Some(ttl));
    // Flows of one target add up, but their statistics do not.
    let (before, stats) = answers.summary.unwrap_or((0, statistics(hop)));
    answers.summary = Some((before + received, stats.filter(|_| before == 0)));
    answers.sent += received + count(hop, "unanswered") + count(hop, "unreachable");
    answers.addresses.extend(&responders);
    responders.into_iter().for_each(|responder| ends(sample, (object, name), ttl, Some(responder)));
}

fn take_probe(sample: &mut Sample, name: String, object: &Value, kind: &str) {
    if ["duplicate", "late"].iter().any(|key| flag(object, key)) {
        return;
    }
    let answers = place(sample, &name, None);
    // A summary that came before is of the same probes.
    answers.summary = None;
    answers.sent += 1;
    if let Some(rtt) = nanos(object, "rtt_ms").filter(|_| matches!(kind, "reply" | "refused")) {
        answers.rtts.push(rtt);
        answers.addresses.extend(address(object, "responder"));
    }
}

/// Of a run that printed its summary alone.
fn take_summary(sample: &mut Sample, name: String, object: &Value) {
    let answers = place(sample, &name, None);
    if answers.sent == 0 {
        let answered = count(object, "received") + count(object, "refused");
        answers.summary = Some((answered, statistics(object)));
        answers.sent = answered + count(object, "lost") + count(object, "unreachable");
        answers.addresses.extend(address(object, "address").filter(|_| answered > 0));
    }
}

fn statistics(object: &Value) -> Option<RttStats> {
    let stats = object.get("rtt_stats_ms").filter(|stats| stats.is_object())?;
    let of = |key| nanos(stats, key);
    Some(RttStats {
        count: count(object, "received"),
        min: of("min")?,
        mean: of("mean")? as f64,
        median: of("median")?,
        p90: of("p90")?,
        p95: of("p95")?,
        p99: of("p99")?,
        max: of("max")?,
        stddev: of("stddev")? as f64,
    })
}
