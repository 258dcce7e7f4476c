//! rtrace's JSON: one object for each trace, target or report, written when it ends.

mod findings;
mod objects;

use std::io;

use crate::report::json::line;
use crate::report::trace::options::TraceTextOptions;
use crate::report::trace::text::{interim, send_failure};
use crate::report::trace::{TraceView, table};
use crate::report::{Sink, Streams};
use crate::trace::Event;

/// What the JSON is to hold.
#[derive(Clone, Debug)]
pub struct TraceJsonOptions {
    /// The program's name, before messages on stderr.
    pub program: Box<str>,
    /// What is shown of each target, which gives its name in messages.
    pub view: TraceView,
    /// The method that was asked for: `auto`, `icmp`, `udp` …
    pub method_requested: Box<str>,
}

impl Default for TraceJsonOptions {
    fn default() -> Self {
        TraceJsonOptions { program: "rtrace".into(), view: TraceView::Path, method_requested: "auto".into() }
    }
}

/// Writes the events of a run of traces as JSON lines, in the order in which the traces end.
pub struct TraceJson {
    options: TraceJsonOptions,
}

impl TraceJson {
    /// A writer that has written nothing yet.
    pub const fn new(options: TraceJsonOptions) -> Self {
        TraceJson { options }
    }
}

impl Sink<Event> for TraceJson {
    fn event(&mut self, event: &Event, streams: &mut Streams<'_>) -> io::Result<()> {
        let TraceJsonOptions { program, view, method_requested } = &self.options;
        match event {
            Event::Probe(event) => send_failure(program, *view, event, streams.talk),
            Event::Interim(figures) => interim(program, *view, figures, streams.talk),
            Event::Ended(trace) => {
                line("trace", streams.data, |object| objects::trace(object, trace, method_requested))
            }
            Event::Flows(flows) => {
                line("flows", streams.data, |object| objects::flows(object, flows, method_requested))
            }
            Event::Report(report) if report.stop_reason.is_some() => {
                line("report", streams.data, |object| objects::report(object, report, method_requested))
            }
            Event::Report(report) => table::interim(&TraceTextOptions::default(), report, streams.talk),
            Event::FlowsReport(flows) if flows.all.stop_reason.is_some() => {
                line("flows_report", streams.data, |object| objects::flows_report(object, flows, method_requested))
            }
            Event::FlowsReport(flows) => table::flows_interim(&TraceTextOptions::default(), flows, streams.talk),
            // The end repeats every hop.
            Event::Began(_)
            | Event::Hop(..)
            | Event::NameWanted(_)
            | Event::Waiting(_)
            | Event::Overdue(_)
            | Event::Change(_)
            | Event::Cycle(..) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::channel::OsError;
    use crate::engine::outcome::Subject;
    use crate::report::fixture::{
        Answer, answer, expired, hop, icmp_answer, trace_end, trace_not_sent, trace_start, written,
    };
    use crate::trace::{Began, Flows, Interim, Origins, StopReason, Trace};
    use crate::types::{Asn, Mtu};
    use crate::wire::extension::{Interface, InterfaceRole, LabelStackEntry, Object};

    fn json(end: Trace) -> String {
        let mut sink = TraceJson::new(TraceJsonOptions::default());
        let (data, talk) = written(&mut sink, &[Event::Began(end.began.clone()), Event::Ended(Arc::new(end))]);
        assert_eq!(talk, "");
        data
    }

    fn began() -> Began {
        trace_start(0, "a.example", "192.0.2.9")
    }

    /// The `hops` of a trace of one hop.
    fn hop_json(answers: Vec<Option<Answer>>) -> String {
        let data = json(trace_end(&began(), vec![hop(1, answers)]));
        let (_, hops) = data.split_once("\"hops\":").expect("hops");
        hops.strip_suffix(",\"findings\":[]}\n").expect("findings last").to_owned()
    }

    #[test]
    fn a_trace_is_one_line() {
        assert_eq!(
            json(trace_end(&began(), Vec::new())),
            "{\"type\":\"trace\",\"version\":1,\"tool\":\"rtrace\",\"target\":\"a.example\",\"address\":\"192.0.2.9\",\
             \"source\":\"192.0.2.1\",\"method\":\"icmp\",\"method_requested\":\"auto\",\"socket\":\"raw\",\"port\":null,\
             \"flow\":0,\"packet_bytes\":60,\"reached\":true,\"stop_reason\":\"destination\",\"state\":null,\
             \"port_state\":null,\"path_mtu\":null,\"path_mtu_at_least\":null,\"duration_ms\":75.3,\"time\":\"2026-11-22T07:47:13.000001000Z\",\"hops\":[],\"findings\":[]}\n"
        );
    }

    #[test]
    fn a_hop_has_responders_probes_and_statistics() {
        let labelled = Answer {
            extensions: vec![Object::Mpls(vec![LabelStackEntry { label: 24001, tc: 0, bottom: true, ttl: 1 }])],
            ..expired("203.0.113.1", 1100)
        };
        let last = Answer { late: true, name: Some("gw.example".into()), ..expired("203.0.113.1", 1200) };
        assert_eq!(
            hop_json(vec![Some(labelled), None, Some(last)]),
            "[{\"ttl\":1,\"sent\":3,\"received\":2,\"unanswered\":1,\"unanswered_pct\":33.333333333333336,\
             \"responders\":[{\"address\":\"203.0.113.1\",\"name\":\"gw.example\",\"asn\":null,\"origins\":null,\"as_name\":null,\"rtts_ms\":[1.1,1.2],\
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
    fn origins_are_shown_as_far_as_they_are_known() {
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
    fn interfaces_and_unknown_objects_are_shown() {
        let incoming = Interface {
            role: InterfaceRole::Incoming,
            index: Some(2),
            address: None,
            name: Some((*b"eth0\x1b\xff").into()),
            mtu: Mtu::new(1500),
        };
        let unknown = Object::Unknown { class: 3, c_type: 1, payload: vec![0xaa, 0, 1] };
        let extended =
            Answer { extensions: vec![Object::Interface(incoming), unknown], ..expired("203.0.113.1", 1100) };
        let parsed: serde_json::Value = serde_json::from_str(&hop_json(vec![Some(extended)])).expect("JSON");
        let responder = &parsed[0]["responders"][0];
        let interface = serde_json::json!(
            {"role": "incoming", "index": 2, "address": null, "name": "eth0\\u{1b}\u{fffd}", "mtu": 1500}
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
        let data = json(trace_end(&began(), vec![again]));
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
        let shown: Vec<_> =
            responders.iter().map(|one| (&one["address"], &one["rtts_ms"], &one["annotation"])).collect();
        let expected = serde_json::json!([["203.0.113.2", [0.001, 0.003], null], ["203.0.113.1", [1.0], "!H"],]);
        assert_eq!(serde_json::json!(shown), expected);
    }

    #[test]
    fn an_unresolved_target_has_its_line_too() {
        let began = trace_start(0, "nowhere.example", "192.0.2.1");
        let unresolved = Subject { address: None, source: None, socket: None, ..Subject::clone(&began.subject) };
        let began = Began { subject: Arc::new(unresolved), ..began };
        let over = Trace { reached: false, stop_reason: StopReason::SendFailed, ..trace_end(&began, Vec::new()) };
        let data = json(over);
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
        let (a, b) = (trace_start(0, "a.example", "192.0.2.8"), trace_start(1, "b.example", "192.0.2.9"));
        let over = |began| Event::Ended(Arc::new(trace_end(began, Vec::new())));
        let events = [
            Event::Began(a.clone()),
            Event::Began(b.clone()),
            trace_not_sent(&b, OsError::EPERM, false),
            trace_not_sent(&b, OsError::EPERM, true),
            over(&b),
            over(&a),
        ];
        let (data, talk) = written(&mut sink, &events);
        let targets: Vec<_> = data
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON")["target"].clone())
            .collect();
        assert_eq!(targets, ["b.example", "a.example"]);
        assert_eq!(talk, "rtrace: b.example: sendmsg: Operation not permitted\n");
    }

    fn flow(trace: u32, flow: u32) -> Began {
        let began = trace_start(trace, "a.example", "198.51.100.9");
        Began { subject: Arc::new(Subject { flow: Some(flow), ..Subject::clone(&began.subject) }), ..began }
    }

    fn flows_json() -> TraceJson {
        TraceJson::new(TraceJsonOptions { view: TraceView::Flows, ..TraceJsonOptions::default() })
    }

    #[test]
    fn a_merged_object_follows_the_traces_of_its_flows() {
        let hops = |router, last| vec![hop(1, vec![Some(expired(router, 1000)), None]), hop(2, vec![last])];
        let first = trace_end(&flow(0, 7), hops("203.0.113.1", Some(answer("198.51.100.9", 2000))));
        let second = Trace { reached: false, ..trace_end(&flow(1, 8), hops("203.0.113.2", None)) };
        let traces = [Arc::new(first), Arc::new(second)];
        let mut events: Vec<Event> = traces.iter().rev().map(|trace| Event::Ended(Arc::clone(trace))).collect();
        events.push(Event::Flows(Box::new(Flows::of(traces.to_vec()))));
        let (data, talk) = written(&mut flows_json(), &events);
        assert_eq!(talk, "");
        let lines: Vec<&str> = data.lines().collect();
        let kinds: Vec<&str> = lines.iter().map(|line| &line[..16]).collect();
        assert_eq!(kinds, ["{\"type\":\"trace\",", "{\"type\":\"trace\",", "{\"type\":\"flows\","]);
        assert_eq!(
            lines[2],
            "{\"type\":\"flows\",\"version\":1,\"tool\":\"rtrace\",\"target\":\"a.example\",\"address\":\"198.51.100.9\",\
             \"source\":\"192.0.2.1\",\"method\":\"icmp\",\"method_requested\":\"auto\",\"socket\":\"raw\",\"port\":null,\
             \"flows\":[7,8],\"reached_flows\":[7],\"hops\":[{\"ttl\":1,\"responders\":[{\"address\":\"203.0.113.1\",\
             \"name\":null,\"asn\":null,\"origins\":null,\"as_name\":null,\"flows\":[7],\"rtts_ms\":[1.0],\"annotation\":null},{\"address\":\"203.0.113.2\",\"name\":null,\
             \"asn\":null,\"origins\":null,\"as_name\":null,\"flows\":[8],\"rtts_ms\":[1.0],\"annotation\":null}],\"silent_flows\":[]},{\"ttl\":2,\"responders\":[\
             {\"address\":\"198.51.100.9\",\"name\":null,\"asn\":null,\"origins\":null,\"as_name\":null,\"flows\":[7],\"rtts_ms\":[2.0],\"annotation\":null}],\
             \"silent_flows\":[8]}],\"findings\":[{\"code\":\"several_paths\",\"ttl\":1,\"severity\":\"info\",\
             \"evidence\":{\"responders\":[\"203.0.113.1\",\"203.0.113.2\"]},\"text\":\"from hop 1 on flows take different \
             paths, through 203.0.113.1, 203.0.113.2\"}]}"
        );
    }

    #[test]
    fn messages_about_a_trace_name_its_flow() {
        let figures = |began: Began| {
            Event::Interim(Interim { subject: began.subject, sent: 3, answered: 1, highest_ttl: None, final_hops: 1 })
        };
        let (data, talk) = written(&mut flows_json(), &[figures(flow(0, 7)), figures(flow(1, 8))]);
        assert_eq!(data, "");
        let named: Vec<bool> = talk
            .lines()
            .zip(["a.example,flow=7: ", "a.example,flow=8: "])
            .map(|(line, name)| line.contains(name))
            .collect();
        assert_eq!(named, [true, true], "{talk}");
    }
}
