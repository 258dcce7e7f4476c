//! A comparison as JSON: the objects of every method as they come, then one `contrast` object.

use std::io;
use std::net::IpAddr;

use serde::Serialize;

use super::sentence::{notes, sentence, subject};
use super::{privilege, reason};
use crate::metrics::RttStats;
use crate::ping::contrast::{ALPHA, Answerer, Event, Finding, MIN_ROUNDS, Outcome, Row, Verdict};
use crate::ping::{self, MethodKind, State};
use crate::report::json::{VERSION, line};
use crate::report::ping_json::RttStatsObject;
use crate::report::{PingJson, PingJsonOptions, Sink, Streams};

/// Writes a comparison as JSON lines.
pub struct ContrastJson {
    lines: PingJson,
    target: Box<str>,
    address: Option<IpAddr>,
}

impl ContrastJson {
    /// A writer that has written nothing yet.
    pub fn new(options: PingJsonOptions) -> Self {
        ContrastJson { lines: PingJson::new(options), target: Box::default(), address: None }
    }
}

impl Sink<Event> for ContrastJson {
    fn event(&mut self, event: &Event, streams: &mut Streams<'_>) -> io::Result<()> {
        match event {
            Event::Ping(event) => {
                if let ping::Event::Start(start) = event {
                    self.target = start.target.clone();
                    self.address = start.address;
                }
                self.lines.event(event, streams)
            }
            Event::Outcome(outcome) => line(&Object::new(self, outcome), streams.data),
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
    methods: Vec<RowObject>,
    findings: Vec<FindingObject>,
    notes: Vec<String>,
}

impl<'a> Object<'a> {
    fn new(sink: &'a ContrastJson, outcome: &Outcome) -> Self {
        Object {
            kind: "contrast",
            version: VERSION,
            target: &sink.target,
            address: sink.address,
            method: None,
            socket: None,
            port: None,
            source_port: None,
            sequence: None,
            time: None,
            rounds: outcome.rounds,
            rounds_excluded: 1,
            slot_ms: outcome.slot.as_secs_f64() * 1e3,
            stamp: "user",
            alpha: ALPHA,
            min_complete_rounds: MIN_ROUNDS,
            reference: outcome.reference.and_then(|index| outcome.rows.get(index)).map(Name::of),
            methods: outcome.rows.iter().map(RowObject::new).collect(),
            findings: outcome.findings.iter().map(|finding| FindingObject::new(finding, outcome)).collect(),
            notes: notes(outcome),
        }
    }
}

/// Which method; `null` where none is meant.
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
struct RowObject {
    #[serde(flatten)]
    name: Name,
    privilege: Option<&'static str>,
    ran: bool,
    reason: Option<String>,
    state: Option<&'static str>,
    rate_limited: bool,
    responders: Vec<AnswererObject>,
    sent: u64,
    received: u64,
    refused: u64,
    unreachable: u64,
    lost: u64,
    pending: u64,
    send_failed: u64,
    loss_pct: Option<f64>,
    rtt_stats_ms: Option<RttStatsObject>,
    kernel_rtt_stats_ms: Option<RttStatsObject>,
    complete_rounds: Option<u64>,
    median_difference_ms: Option<f64>,
    p_value: Option<f64>,
    verdict: Option<&'static str>,
}

impl RowObject {
    fn new(row: &Row) -> Self {
        let counts = &row.counts;
        let stats = |rtt: &Option<RttStats>| rtt.as_ref().map(RttStatsObject::new);
        RowObject {
            name: Name::of(row),
            privilege: privilege(row),
            ran: row.ran,
            reason: reason(row),
            state: row.state.map(State::name),
            rate_limited: row.rate_limited,
            responders: row.answerers.iter().map(AnswererObject::new).collect(),
            sent: counts.sent,
            received: counts.received,
            refused: counts.refused,
            unreachable: counts.unreachable,
            lost: counts.lost,
            pending: counts.pending,
            send_failed: counts.send_failed,
            loss_pct: counts.loss_pct(),
            rtt_stats_ms: stats(&row.rtt),
            kernel_rtt_stats_ms: stats(&row.rtt_kernel),
            complete_rounds: row.difference.map(|_| row.complete),
            median_difference_ms: row.difference.map(|nanos| nanos as f64 / 1e6),
            p_value: row.p,
            verdict: row.verdict.map(Verdict::name),
        }
    }
}

#[derive(Serialize)]
struct AnswererObject {
    who: &'static str,
    address: IpAddr,
    answers: u64,
}

impl AnswererObject {
    fn new(answerer: &Answerer) -> Self {
        AnswererObject { who: answerer.who.name(), address: answerer.address, answers: answerer.answers }
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
    fn new(finding: &Finding, outcome: &Outcome) -> Self {
        let icmp = || Name { method: Some(MethodKind::Icmp.name()), ..Name::default() };
        let named = subject(finding, outcome).map(Name::of).unwrap_or_default();
        let (kind, subject) = match finding {
            Finding::NothingAnswers => ("nothing_answers", named),
            Finding::IcmpBlocked { .. } => ("icmp_blocked", icmp()),
            Finding::Refused { .. } => ("refused", named),
            Finding::RefusalsLimited { .. } => ("refusals_rate_limited", named),
            Finding::Rejected { .. } => ("rejected", named),
            Finding::Silent { .. } => ("silent", named),
            Finding::IcmpLimited { .. } => ("icmp_rate_limited", icmp()),
            Finding::LosesMore { .. } => ("loses_more", named),
            Finding::Delay { difference, .. } if *difference > 0 => (Verdict::Slower.name(), named),
            Finding::Delay { .. } => (Verdict::Faster.name(), named),
        };
        let median_difference_ms = match finding {
            Finding::Delay { difference, .. } => Some(*difference as f64 / 1e6),
            _ => None,
        };
        FindingObject { kind, subject, median_difference_ms, message: sentence(finding, outcome) }
    }
}
