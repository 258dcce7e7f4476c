//! A comparison as JSON: the objects of every method as they come, then one `contrast` object.

use std::io;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::channel::SocketKind;
use crate::ping::MethodKind;
use crate::ping::contrast::{ALPHA, Comparison, Event, Finding, MIN_ROUNDS, Row};
use crate::report::contrast::sentence::{notes, sentence, subject};
use crate::report::contrast::{privilege, reason};
use crate::report::json::{VERSION, conditions, line, target};
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
            Event::Comparison(all) => line("contrast", streams.data, |object| comparison(object, all)),
        }
    }
}

fn comparison<M: SerializeMap>(object: &mut M, all: &Comparison) -> Result<(), M::Error> {
    let findings: Vec<OfFinding<'_>> = all.findings.iter().map(|finding| OfFinding(finding, all)).collect();
    let reference = all.reference.and_then(|index| all.rows.get(index));
    object.serialize_entry("version", &VERSION)?;
    target(object, &all.subject)?;
    for key in ["method", "socket", "port", "source_port", "sequence", "time"] {
        object.serialize_entry(key, &())?;
    }
    object.serialize_entry("rounds", &all.rounds)?;
    object.serialize_entry("rounds_excluded", &1)?;
    object.serialize_entry("slot_ms", &(all.slot.as_secs_f64() * 1e3))?;
    object.serialize_entry("stamp", "user")?;
    object.serialize_entry("alpha", &ALPHA)?;
    object.serialize_entry("min_complete_rounds", &MIN_ROUNDS)?;
    if let Some(varied) = all.varied() {
        object.serialize_entry("varied", varied.name())?;
    }
    object.serialize_entry("reference", &reference.map(Name::of))?;
    object.serialize_entry("methods", &all.rows.iter().map(OfRow).collect::<Vec<_>>())?;
    object.serialize_entry("findings", &findings)?;
    conditions(object, &all.conditions)?;
    object.serialize_entry("notes", &notes(all))
}

/// A method; `null` where none is meant.
#[derive(Default, Serialize)]
struct Name {
    method: Option<MethodKind>,
    socket: Option<SocketKind>,
    port: Option<u16>,
    /// What is compared, if not methods.
    #[serde(skip_serializing_if = "Option::is_none")]
    variant: Option<String>,
}

impl Name {
    fn of(row: &Row) -> Self {
        Name {
            method: Some(row.method),
            socket: Some(row.socket),
            port: row.port,
            variant: row.varied.map(|varied| varied.to_string()),
        }
    }

    fn serialize_entries<M: SerializeMap>(&self, object: &mut M) -> Result<(), M::Error> {
        object.serialize_entry("method", &self.method)?;
        object.serialize_entry("socket", &self.socket)?;
        object.serialize_entry("port", &self.port)?;
        match &self.variant {
            Some(variant) => object.serialize_entry("variant", variant),
            None => Ok(()),
        }
    }
}

/// The results of one method.
struct OfRow<'a>(&'a Row);

impl Serialize for OfRow<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let OfRow(row) = self;
        let counts = &row.counts;
        let mut object = serializer.serialize_map(None)?;
        Name::of(row).serialize_entries(&mut object)?;
        if row.varied.is_some() {
            object.serialize_entry("address", &row.address)?;
            object.serialize_entry("reply_dscp", &row.reply_dscp.map(|dscp| dscp.get()))?;
        }
        object.serialize_entry("privilege", &privilege(row))?;
        object.serialize_entry("ran", &row.ran)?;
        object.serialize_entry("reason", &reason(row))?;
        object.serialize_entry("state", &row.state)?;
        object.serialize_entry("rate_limited", &row.rate_limited)?;
        object.serialize_entry("responders", &row.answerers)?;
        object.serialize_entry("sent", &counts.sent)?;
        object.serialize_entry("received", &counts.received)?;
        object.serialize_entry("refused", &counts.refused)?;
        object.serialize_entry("unreachable", &counts.unreachable)?;
        object.serialize_entry("lost", &counts.lost)?;
        object.serialize_entry("pending", &counts.pending)?;
        object.serialize_entry("send_failed", &counts.send_failed)?;
        object.serialize_entry("loss_pct", &counts.loss_pct())?;
        object.serialize_entry("rtt_stats_ms", &row.rtt)?;
        object.serialize_entry("kernel_rtt_stats_ms", &row.rtt_kernel)?;
        object.serialize_entry("complete_rounds", &row.difference.map(|_| row.complete))?;
        object.serialize_entry("median_difference_ms", &row.difference.map(|nanos| nanos as f64 / 1e6))?;
        object.serialize_entry("p_value", &row.p)?;
        object.serialize_entry("verdict", &row.verdict)?;
        object.end()
    }
}

/// A finding of a comparison.
struct OfFinding<'a>(&'a Finding, &'a Comparison);

impl Serialize for OfFinding<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let &OfFinding(finding, comparison) = self;
        let name = match finding {
            Finding::IcmpBlocked { .. } | Finding::IcmpLimited { .. } => {
                Name { method: Some(MethodKind::Icmp), ..Name::default() }
            }
            _ => subject(finding, comparison).map(Name::of).unwrap_or_default(),
        };
        let difference =
            if let Finding::Delay { difference, .. } = finding { Some(*difference as f64 / 1e6) } else { None };
        let mut object = serializer.serialize_map(None)?;
        object.serialize_entry("kind", &finding.code())?;
        name.serialize_entries(&mut object)?;
        object.serialize_entry("median_difference_ms", &difference)?;
        object.serialize_entry("message", &sentence(finding, comparison))?;
        object.end()
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
            (Finding::LosesMore { row: TCP, own: icmp, than: None, other }, "loses_more", "tcp".into()),
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
