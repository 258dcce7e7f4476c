//! A comparison as JSON: the objects of every method as they come, then one `contrast` object.

use std::io;
use std::net::IpAddr;

use serde::Serialize;

use crate::metrics::RttStats;
use crate::ping::contrast::{ALPHA, Answerer, Comparison, Event, Finding, MIN_ROUNDS, Row, Verdict};
use crate::ping::{MethodKind, State};
use crate::report::contrast::sentence::{notes, sentence, subject};
use crate::report::contrast::{privilege, reason};
use crate::report::json::{VERSION, line};
use crate::report::{PingJson, PingJsonOptions, Sink, Streams};

/// Writes a comparison as JSON lines.
pub struct ContrastJson {
    lines: PingJson,
}

impl ContrastJson {
    /// A writer that has written nothing yet.
    pub fn new(options: PingJsonOptions) -> Self {
        ContrastJson { lines: PingJson::new(options) }
    }
}

impl Sink<Event> for ContrastJson {
    fn event(&mut self, event: &Event, streams: &mut Streams<'_>) -> io::Result<()> {
        match event {
            Event::Ping(event) => self.lines.event(event, streams),
            Event::Comparison(comparison) => line(&Object::new(comparison), streams.data),
        }
    }
}

#[derive(Serialize)]
struct Object<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    version: u32,
    target: &'a str,
    address: Option<IpAddr>,
    method: Option<&'static str>,
    socket: Option<&'static str>,
    port: Option<u16>,
    source_port: Option<u16>,
    sequence: Option<u64>,
    time: Option<&'static str>,
    rounds: u64,
    rounds_excluded: u64,
    slot_ms: f64,
    stamp: &'static str,
    alpha: f64,
    min_complete_rounds: u64,
    reference: Option<Name>,
    methods: Vec<RowObject<'a>>,
    findings: Vec<FindingObject>,
    notes: Vec<String>,
}

impl<'a> Object<'a> {
    fn new(comparison: &'a Comparison) -> Self {
        Object {
            kind: "contrast",
            version: VERSION,
            target: &comparison.subject.target,
            address: comparison.subject.address,
            method: None,
            socket: None,
            port: None,
            source_port: None,
            sequence: None,
            time: None,
            rounds: comparison.rounds,
            rounds_excluded: 1,
            slot_ms: comparison.slot.as_secs_f64() * 1e3,
            stamp: "user",
            alpha: ALPHA,
            min_complete_rounds: MIN_ROUNDS,
            reference: comparison.reference.and_then(|index| comparison.rows.get(index)).map(Name::of),
            methods: comparison.rows.iter().map(RowObject::new).collect(),
            findings: comparison.findings.iter().map(|finding| FindingObject::new(finding, comparison)).collect(),
            notes: notes(comparison),
        }
    }
}

/// A method; `null` where none is meant.
#[derive(Default, Serialize)]
struct Name {
    method: Option<&'static str>,
    socket: Option<&'static str>,
    port: Option<u16>,
}

impl Name {
    fn of(row: &Row) -> Self {
        Name { method: Some(row.method.name()), socket: Some(row.socket.name()), port: row.port }
    }
}

#[derive(Serialize)]
struct RowObject<'a> {
    #[serde(flatten)]
    name: Name,
    privilege: Option<&'static str>,
    ran: bool,
    reason: Option<String>,
    state: Option<State>,
    rate_limited: bool,
    responders: &'a [Answerer],
    sent: u64,
    received: u64,
    refused: u64,
    unreachable: u64,
    lost: u64,
    pending: u64,
    send_failed: u64,
    loss_pct: Option<f64>,
    rtt_stats_ms: Option<RttStats>,
    kernel_rtt_stats_ms: Option<RttStats>,
    complete_rounds: Option<u64>,
    median_difference_ms: Option<f64>,
    p_value: Option<f64>,
    verdict: Option<&'static str>,
}

impl<'a> RowObject<'a> {
    fn new(row: &'a Row) -> Self {
        let counts = &row.counts;
        RowObject {
            name: Name::of(row),
            privilege: privilege(row),
            ran: row.ran,
            reason: reason(row),
            state: row.state,
            rate_limited: row.rate_limited,
            responders: &row.answerers,
            sent: counts.sent,
            received: counts.received,
            refused: counts.refused,
            unreachable: counts.unreachable,
            lost: counts.lost,
            pending: counts.pending,
            send_failed: counts.send_failed,
            loss_pct: counts.loss_pct(),
            rtt_stats_ms: row.rtt,
            kernel_rtt_stats_ms: row.rtt_kernel,
            complete_rounds: row.difference.map(|_| row.complete),
            median_difference_ms: row.difference.map(|nanos| nanos as f64 / 1e6),
            p_value: row.p,
            verdict: row.verdict.map(Verdict::name),
        }
    }
}

#[derive(Serialize)]
struct FindingObject {
    kind: &'static str,
    #[serde(flatten)]
    subject: Name,
    median_difference_ms: Option<f64>,
    message: String,
}

impl FindingObject {
    fn new(finding: &Finding, comparison: &Comparison) -> Self {
        let subject = match finding {
            Finding::IcmpBlocked { .. } | Finding::IcmpLimited { .. } => {
                Name { method: Some(MethodKind::Icmp.name()), ..Name::default() }
            }
            _ => subject(finding, comparison).map(Name::of).unwrap_or_default(),
        };
        let median_difference_ms = match finding {
            Finding::Delay { difference, .. } => Some(*difference as f64 / 1e6),
            _ => None,
        };
        FindingObject { kind: finding.name(), subject, median_difference_ms, message: sentence(finding, comparison) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::metrics::Share;
    use crate::report::contrast::fixture::{RAW, TCP, UDP, comparison, without_privilege};
    use crate::report::fixture::{self, began, summary, written};

    fn json(events: &[Event]) -> Vec<Value> {
        let mut sink = ContrastJson::new(PingJsonOptions { quiet: true });
        let (data, talk) = written(&mut sink, events);
        assert_eq!(talk, "");
        data.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    fn ended(comparison: Comparison) -> Value {
        json(&[Event::Comparison(Box::new(comparison))]).remove(0)
    }

    #[test]
    fn the_comparison_follows_the_summaries() {
        let events =
            [began(fixture::subject("example.org", "198.51.100.9")), crate::ping::Event::Ended(Box::new(summary()))];
        let mut events: Vec<Event> = events.into_iter().map(Event::Ping).collect();
        events.push(Event::Comparison(Box::new(comparison())));
        let types: Vec<Value> = json(&events).into_iter().map(|mut object| object["type"].take()).collect();
        assert_eq!(types, ["summary", "contrast"]);
    }

    #[test]
    fn a_comparison_has_all_that_the_table_has() {
        let object = ended(comparison());
        assert_eq!((&object["version"], &object["target"]), (&Value::from(1), &Value::from("example.org")));
        assert_eq!((&object["rounds"], &object["rounds_excluded"]), (&Value::from(20), &Value::from(1)));
        assert_eq!(object["reference"], serde_json::json!({"method": "icmp", "socket": "raw", "port": null}));
        let row = &object["methods"][TCP];
        assert_eq!(
            row["responders"],
            serde_json::json!([{"who": "tcp_stack", "address": "198.51.100.9", "answers": 20}])
        );
        assert_eq!((&row["privilege"], &row["ran"]), (&Value::Null, &Value::from(true)));
        assert_eq!(
            (&row["median_difference_ms"], &row["verdict"]),
            (&Value::from(0.01), &Value::from("no_difference"))
        );
        assert_eq!((&row["rtt_stats_ms"]["median"], &row["kernel_rtt_stats_ms"]), (&Value::from(10.0), &Value::Null));
        assert_eq!(object["notes"], serde_json::json!(["no difference found"]));
    }

    #[test]
    fn a_method_that_could_not_run_has_a_reason_and_no_figures() {
        let mut comparison = comparison();
        comparison.rows[RAW] = without_privilege();
        let row = &ended(comparison)["methods"][RAW];
        assert_eq!((&row["ran"], &row["privilege"]), (&Value::from(false), &Value::from("cap_net_raw")));
        assert_eq!(row["reason"], "socket: Operation not permitted");
        for key in ["loss_pct", "rtt_stats_ms", "complete_rounds", "median_difference_ms", "p_value", "verdict"] {
            assert!(row[key].is_null(), "{key}");
        }
    }

    #[test]
    fn every_finding_has_a_kind_a_method_and_a_sentence() {
        let (icmp, other) = (Share { hits: 20, tries: 40 }, Share { hits: 0, tries: 20 });
        let known = [
            (Finding::NothingAnswers, "nothing_answers", Value::Null),
            (Finding::IcmpBlocked { row: TCP }, "icmp_blocked", "icmp".into()),
            (Finding::Refused { row: TCP }, "refused", "tcp".into()),
            (Finding::RefusalsLimited { row: UDP }, "refusals_rate_limited", "udp".into()),
            (Finding::Rejected { row: TCP }, "rejected", "tcp".into()),
            (Finding::Silent { row: UDP }, "silent", "udp".into()),
            (Finding::IcmpLimited { row: TCP, icmp, other }, "icmp_rate_limited", "icmp".into()),
            (Finding::LosesMore { row: TCP, own: icmp, icmp: other }, "loses_more", "tcp".into()),
            (Finding::Delay { row: TCP, difference: 1 }, "slower", "tcp".into()),
            (Finding::Delay { row: TCP, difference: -1 }, "faster", "tcp".into()),
        ];
        for (finding, kind, method) in known {
            let object = &ended(Comparison { findings: vec![finding], ..comparison() })["findings"][0];
            assert_eq!((&object["kind"], &object["method"]), (&Value::from(kind), &method));
            assert!(object["message"].as_str().is_some_and(|message| message.ends_with('.')), "{object}");
        }
    }
}
