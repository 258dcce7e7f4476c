//! rping's JSON: one object a line, for every probe and for the beginning and the end of a subject.

use std::io::{self, Write};

use serde::ser::SerializeMap;

use crate::channel::ErrorOrigin;
use crate::engine::outcome::{
    ExchangeFailure, MethodKind, Outcome, ProbeEvent, Refusal, Reply, Reporter, Silence, Subject,
};
use crate::ping::{Event, Summary};
use crate::report::json::{VERSION, conditions, head, line, millis, target};
use crate::report::ping::entries;
use crate::report::ping::text::interims;
use crate::report::words::message::{Message, local_error};
use crate::report::{Sink, Streams};
use crate::types::{Family, WallTime};
use crate::wire::icmp::ErrorKind;

/// Options of the JSON.
#[derive(Clone, Copy, Debug, Default)]
pub struct PingJsonOptions {
    /// Summaries only (`-q`).
    pub quiet: bool,
}

/// Writes the events of a ping run as JSON lines. Names that the user typed come back as typed.
pub struct PingJson {
    options: PingJsonOptions,
}

impl PingJson {
    /// A writer that has written nothing yet.
    pub fn new(options: PingJsonOptions) -> Self {
        PingJson { options }
    }
}

impl Sink<Event> for PingJson {
    fn event(&mut self, event: &Event, streams: &mut Streams<'_>) -> io::Result<()> {
        let data = &mut *streams.data;
        match event {
            Event::Began { subject, at } if !self.options.quiet => line("start", data, |map| began(map, subject, *at)),
            Event::Probe(event) if !self.options.quiet => probe(event, data),
            Event::Ended(summary) => line("summary", data, |map| ended(map, summary)),
            Event::Recreated { interface, not_sent, at } if !self.options.quiet => {
                line("outage", data, |map| outage(map, interface, *not_sent, *at))
            }
            Event::Readdressed { subject, at, gained } if !self.options.quiet => line("address", data, |map| {
                common(map, subject, None, Some(*at))?;
                map.serialize_entry("change", if *gained { "new" } else { "gone" })
            }),
            Event::Interim(figures) => interims(figures, streams.talk),
            _ => Ok(()),
        }
    }
}

/// The keys that every event has, `null` where there is nothing.
pub(super) fn common<M: SerializeMap>(
    map: &mut M,
    subject: &Subject,
    probe: Option<&ProbeEvent>,
    time: Option<WallTime>,
) -> Result<(), M::Error> {
    target(map, subject)?;
    map.serialize_entry("method", &subject.method)?;
    map.serialize_entry("socket", &subject.socket)?;
    // An answer may come from another port than was asked.
    map.serialize_entry("port", &probe.and_then(|probe| probe.responder_port).or(subject.port))?;
    map.serialize_entry("source_port", &probe.and_then(|probe| probe.source_port))?;
    map.serialize_entry("sequence", &probe.map(|probe| probe.id.get()))?;
    map.serialize_entry("time", &time)
}

fn began<M: SerializeMap>(map: &mut M, subject: &Subject, at: WallTime) -> Result<(), M::Error> {
    head(map, "rping", subject, subject.method.name())?;
    map.serialize_entry("source_port", &())?;
    map.serialize_entry("sequence", &())?;
    map.serialize_entry("payload_bytes", &subject.payload_octets)?;
    map.serialize_entry("time", &at)
}

/// It belongs to no target.
fn outage<M: SerializeMap>(map: &mut M, interface: &str, send_failed: u64, at: WallTime) -> Result<(), M::Error> {
    for absent in ["target", "address", "method", "socket", "port", "source_port", "sequence"] {
        map.serialize_entry(absent, &())?;
    }
    map.serialize_entry("time", &at)?;
    map.serialize_entry("interface", interface)?;
    map.serialize_entry("send_failed", &send_failed)
}

fn probe(event: &ProbeEvent, data: &mut dyn Write) -> io::Result<()> {
    let kind = match &event.outcome {
        Outcome::Reply(_) => "reply",
        Outcome::Timeout(_) => "timeout",
        Outcome::Refused(_) | Outcome::Error(_) | Outcome::NotSent(_) => "error",
    };
    line(kind, data, |map| {
        common(map, &event.subject, Some(event), Some(event.sent))?;
        match &event.outcome {
            Outcome::Reply(answer) => reply(map, event, answer),
            Outcome::Timeout(silence) => timeout(map, event, silence),
            _ => error(map, event),
        }
    })
}

fn reply<M: SerializeMap>(map: &mut M, event: &ProbeEvent, reply: &Reply) -> Result<(), M::Error> {
    let delay = event.delay.as_ref();
    map.serialize_entry("responder", &event.responder)?;
    map.serialize_entry("rtt_ms", &event.rtt())?;
    map.serialize_entry("ttl", &event.reply_ttl)?;
    map.serialize_entry("bytes", &reply.octets)?;
    map.serialize_entry("stamp", &delay.map(|delay| delay.stamp))?;
    map.serialize_entry("user_rtt_ms", &delay.map(|delay| delay.user))?;
    map.serialize_entry("local_queue_ms", &delay.and_then(|delay| delay.local_queue))?;
    map.serialize_entry("state", &reply.detail.state())?;
    map.serialize_entry("duplicate", &event.standing.is_duplicate())?;
    map.serialize_entry("late", &event.standing.is_late())?;
    map.serialize_entry("reordered", &event.reordered)?;
    map.serialize_entry("payload_changed", &reply.payload_changed.is_some())?;
    map.serialize_entry("bad_checksum", &reply.bad_checksum)?;
    map.serialize_entry("truncated", &reply.truncated)?;
    detail(map, event)
}

fn timeout<M: SerializeMap>(map: &mut M, event: &ProbeEvent, silence: &Silence) -> Result<(), M::Error> {
    map.serialize_entry("state", &silence.state())?;
    if event.subject.method.has_closed_ports() {
        map.serialize_entry("rate_limited", &(*silence == Silence::RateLimited))?;
    }
    if let Some(failure) = silence.failure() {
        map.serialize_entry("answer", &failure)?;
    }
    detail(map, event)
}

/// The keys that the method adds.
fn detail<M: SerializeMap>(map: &mut M, event: &ProbeEvent) -> Result<(), M::Error> {
    event.outcome.detail().map_or(Ok(()), |detail| entries::serialize(&detail.entries(), map))
}

fn error<M: SerializeMap>(map: &mut M, event: &ProbeEvent) -> Result<(), M::Error> {
    let Some(Explained { kind, origin, message }) = Explained::of(event) else { return Ok(()) };
    let (mtu, gateway, failure) = match &event.outcome {
        Outcome::Error(error) => (error.mtu, error.gateway, None),
        Outcome::NotSent(failed) => (failed.mtu, None, None),
        Outcome::Refused(refusal) => (None, None, refusal.failure()),
        Outcome::Reply(_) | Outcome::Timeout(_) => (None, None, None),
    };
    let (icmp_type, icmp_code) = event.icmp().unzip();
    map.serialize_entry("responder", &event.responder)?;
    map.serialize_entry("kind", kind)?;
    map.serialize_entry("origin", origin)?;
    map.serialize_entry("icmp_type", &icmp_type)?;
    map.serialize_entry("icmp_code", &icmp_code)?;
    map.serialize_entry("mtu", &mtu)?;
    map.serialize_entry("gateway", &gateway)?;
    map.serialize_entry("message", &message)?;
    map.serialize_entry("rtt_ms", &event.rtt())?;
    map.serialize_entry("state", &event.outcome.state())?;
    map.serialize_entry("duplicate", &event.standing.is_duplicate())?;
    map.serialize_entry("late", &event.standing.is_late())?;
    if let Some(failure) = failure {
        map.serialize_entry("answer", &failure)?;
    }
    detail(map, event)
}

/// What brought a probe no reply.
pub(super) struct Explained {
    kind: &'static str,
    origin: &'static str,
    /// The sentence about it.
    pub message: String,
}

impl Explained {
    /// `None` for a reply and for a plain timeout.
    pub fn of(event: &ProbeEvent) -> Option<Self> {
        let target = event.subject.address;
        let (kind, origin, message) = match &event.outcome {
            Outcome::Refused(refusal) => {
                let origin = if target.is_some() { "target" } else { "local" };
                let (kind, message) = match (refusal, refusal.failure()) {
                    (Refusal::PortUnreachable { .. }, _) => {
                        (ErrorKind::PortUnreachable.name(), "Destination Port Unreachable")
                    }
                    (_, Some(failure)) => (failure_kind(failure), failure_message(failure)),
                    (_, None) => ("refused", "Connection refused"),
                };
                (kind, origin, message.to_owned())
            }
            Outcome::Error(error) if error.origin == ErrorOrigin::Local => {
                let message =
                    local_error(error.kind).map_or_else(|| "Local error".to_owned(), |error| error.to_string());
                (error.kind.name(), "local", message)
            }
            Outcome::Error(error) => {
                let origin = match event.reporter() {
                    Reporter::Target => "target",
                    Reporter::ThisHost => "local",
                    Reporter::Router => "router",
                };
                let family = event.responder.or(target).map_or(Family::V4, Family::of);
                (error.kind.name(), origin, Message { family, error }.to_string())
            }
            Outcome::NotSent(failed) => {
                let name = failed.error.name().filter(|_| event.subject.method != MethodKind::Icmp);
                let name = name.map(|name| format!(" ({name})")).unwrap_or_default();
                ("send_failed", "local", format!("{}{name}", failed.error))
            }
            Outcome::Reply(_) | Outcome::Timeout(_) => return None,
        };
        Some(Explained { kind, origin, message })
    }
}

/// Whether something came.
const fn failure_kind(failure: ExchangeFailure) -> &'static str {
    match failure {
        ExchangeFailure::Closed | ExchangeFailure::Reset | ExchangeFailure::Silence => "no_answer",
        ExchangeFailure::Unexpected
        | ExchangeFailure::Empty
        | ExchangeFailure::Echo
        | ExchangeFailure::OtherId
        | ExchangeFailure::OtherQuestion
        | ExchangeFailure::Malformed => "unexpected_answer",
    }
}

const fn failure_message(failure: ExchangeFailure) -> &'static str {
    match failure {
        ExchangeFailure::Unexpected => "Unexpected answer",
        ExchangeFailure::Closed => "Closed without an answer",
        ExchangeFailure::Reset => "Reset without an answer",
        ExchangeFailure::Silence => "No answer",
        ExchangeFailure::Empty => "Empty datagram",
        ExchangeFailure::Echo => "Question sent back",
        ExchangeFailure::OtherId => "Answer with another id",
        ExchangeFailure::OtherQuestion => "Answer to another question",
        ExchangeFailure::Malformed => "Malformed answer",
    }
}

fn ended<M: SerializeMap>(map: &mut M, summary: &Summary) -> Result<(), M::Error> {
    map.serialize_entry("version", &VERSION)?;
    common(map, &summary.subject, None, None)?;
    map.serialize_entry("state", &summary.state)?;
    summary.counts.serialize_entries(map)?;
    map.serialize_entry("stamps", &summary.stamps)?;
    summary.delays.serialize_entries(map)?;
    map.serialize_entry("duration_ms", &millis(summary.duration))?;
    if let Some(voice) = &summary.voice {
        map.serialize_entry("r_factor", &voice.r)?;
        map.serialize_entry("mos", &voice.mos())?;
        map.serialize_entry("mos_codec", &voice.codec)?;
    }
    if let Some(rate_limited) = summary.rate_limited {
        map.serialize_entry("rate_limited", &rate_limited)?;
    }
    if let Some(times) = summary.syn_retransmits {
        map.serialize_entry("syn_retransmits", &times)?;
    }
    if let Some(exchanges) = &summary.answer {
        map.serialize_entry("answer_stats_ms", exchanges)?;
    }
    if let Some(reflection) = &summary.reflection {
        reflection.serialize_entries(map)?;
    }
    conditions(map, &summary.conditions)?;
    if !summary.responders.is_empty() {
        map.serialize_entry("responders", &summary.responders)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::channel::OsError;
    use crate::engine::outcome::{IcmpError, PayloadChange, Standing, State};
    use crate::metrics::DelayStats;
    use crate::ping::{Counts, Interim};
    use crate::report::fixture::{
        address, began, error, error_with, not_sent, of, reply, reply_with, subject, summary, unanswered, written,
    };
    use crate::types::{Mtu, ProbeId};

    const COMMON: &str = r#""target":"example.org","address":"198.51.100.9","method":"icmp","socket":"raw","port":null,"source_port":null,"sequence":1,"time":"2026-11-22T07:47:13.000001000Z""#;

    fn json(events: &[Event]) -> String {
        let (data, talk) = written(&mut PingJson::new(PingJsonOptions::default()), events);
        assert_eq!(talk, "");
        data
    }

    fn example() -> Subject {
        subject("example.org", "198.51.100.9")
    }

    /// The line about an event of `example.org`.
    fn probe(event: ProbeEvent) -> String {
        json(&[of(&example(), event)])
    }

    #[test]
    fn a_start_holds_what_is_asked_for() {
        assert_eq!(
            json(&[began(example())]),
            "{\"type\":\"start\",\"version\":1,\"tool\":\"rping\",\"target\":\"example.org\",\"address\":\"198.51.100.9\",\
             \"source\":\"192.0.2.1\",\"method\":\"icmp\",\"method_requested\":\"icmp\",\"socket\":\"raw\",\"port\":null,\
             \"source_port\":null,\"sequence\":null,\"payload_bytes\":56,\"time\":\"2026-11-22T07:47:13.000001000Z\"}\n"
        );
    }

    #[test]
    fn a_reply_holds_everything_about_itself() {
        assert_eq!(
            probe(reply()),
            format!(
                "{{\"type\":\"reply\",{COMMON},\"responder\":\"198.51.100.9\",\"rtt_ms\":0.123,\"ttl\":57,\"bytes\":64,\
                 \"stamp\":\"kernel\",\"user_rtt_ms\":0.161,\"local_queue_ms\":0.002,\"state\":null,\"duplicate\":false,\"late\":false,\"reordered\":false,\
                 \"payload_changed\":false,\"bad_checksum\":false,\"truncated\":false}}\n"
            )
        );
    }

    #[test]
    fn a_reply_keeps_flags_unknowns_and_long_sequences() {
        let change = PayloadChange { index: 1, expected: 1, found: 2, payload: Box::new([]) };
        let odd = reply_with(|reply| {
            (reply.truncated, reply.bad_checksum) = (true, true);
            reply.payload_changed = Some(Box::new(change));
        });
        let (id, standing) = (ProbeId::new(70_000), Standing::Duplicate { late: true });
        let data = probe(ProbeEvent { id, standing, reply_ttl: None, reordered: true, ..odd });
        assert!(data.contains("\"sequence\":70000,") && data.contains("\"ttl\":null,"));
        assert!(data.ends_with(
            "\"duplicate\":true,\"late\":true,\"reordered\":true,\"payload_changed\":true,\"bad_checksum\":true,\"truncated\":true}\n"
        ));
    }

    #[test]
    fn an_error_names_its_finder_and_its_meaning() {
        let tail = "\"state\":\"unreachable\",\"duplicate\":false,\"late\":false}\n";
        assert_eq!(
            probe(error()),
            format!(
                "{{\"type\":\"error\",{COMMON},\"responder\":\"203.0.113.1\",\"kind\":\"host_unreachable\",\"origin\":\"router\",\
                 \"icmp_type\":3,\"icmp_code\":1,\"mtu\":null,\"gateway\":null,\"message\":\"Destination Host Unreachable\",\
                 \"rtt_ms\":1.2,{tail}"
            )
        );
        let from_target = ProbeEvent { responder: Some(address("198.51.100.9")), ..error() };
        assert!(probe(from_target).contains("\"origin\":\"target\""));
        let too_big = |error: &mut IcmpError| {
            (error.kind, error.icmp, error.mtu) = (ErrorKind::TooBig, Some((3, 4)), Mtu::new(1400));
        };
        let data = probe(error_with(too_big));
        assert!(
            data.contains("\"mtu\":1400,\"gateway\":null,\"message\":\"Frag needed and DF set (mtu = 1400)\""),
            "{data}"
        );
    }

    #[test]
    fn advice_leaves_the_state_open() {
        let gateway = Some(address("203.0.113.254"));
        let redirect = |error: &mut IcmpError| {
            *error = IcmpError { kind: ErrorKind::Redirect, icmp: Some((5, 1)), gateway, ..error.clone() };
        };
        let data = probe(error_with(redirect));
        assert!(data.contains("\"kind\":\"redirect\"") && data.contains("\"gateway\":\"203.0.113.254\""));
        assert!(
            data.contains("\"message\":\"Redirect Host(New nexthop: 203.0.113.254)\"")
                && data.contains("\"state\":null")
        );
    }

    #[test]
    fn a_local_error_has_no_icmp_type() {
        let local = error_with(|error| {
            let (origin, kind, mtu) = (ErrorOrigin::Local, ErrorKind::TooBig, Mtu::new(1500));
            *error = IcmpError { origin, kind, mtu, icmp: None, ..error.clone() };
        });
        assert!(probe(local).contains(
            "\"responder\":null,\"kind\":\"too_big\",\"origin\":\"local\",\"icmp_type\":null,\"icmp_code\":null,\"mtu\":1500,\
             \"gateway\":null,\"message\":\"Message too long\","
        ));
    }

    #[test]
    fn what_could_not_be_sent_is_an_error_of_this_host() {
        assert_eq!(
            probe(not_sent(OsError::ENETUNREACH, None, 1)),
            format!(
                "{{\"type\":\"error\",{COMMON},\"responder\":null,\"kind\":\"send_failed\",\"origin\":\"local\",\
                 \"icmp_type\":null,\"icmp_code\":null,\"mtu\":null,\"gateway\":null,\"message\":\"Network is unreachable\",\
                 \"rtt_ms\":null,\"state\":\"unknown\",\"duplicate\":false,\"late\":false}}\n"
            )
        );
    }

    #[test]
    fn a_timeout_is_reported_and_an_open_probe_is_not() {
        let silent = unanswered(Silence::NoAnswer);
        let open = Event::NoAnswerYet(silent.clone());
        let late = ProbeEvent { at: WallTime::from_nanos(silent.at.as_nanos() + 10_000_000_000), ..silent };
        assert_eq!(
            json(&[open, of(&example(), late)]),
            format!("{{\"type\":\"timeout\",{COMMON},\"state\":\"no_answer\"}}\n")
        );
    }

    #[test]
    fn a_summary_holds_every_count() {
        let counts = Counts { sent: 3, received: 1, unreachable: 1, lost: 1, longest_loss_run: 1, ..Counts::default() };
        assert_eq!(
            json(&[Event::Ended(Box::new(Summary {
                counts,
                delays: DelayStats { ipdv: None, interarrival_jitter: None, ..summary().delays },
                ..summary()
            }))]),
            "{\"type\":\"summary\",\"version\":1,\"target\":\"example.org\",\"address\":\"198.51.100.9\",\"method\":\"icmp\",\
             \"socket\":\"raw\",\"port\":null,\"source_port\":null,\"sequence\":null,\"time\":null,\"state\":null,\"sent\":3,\
             \"received\":1,\"refused\":0,\"unreachable\":1,\"lost\":1,\"pending\":0,\"send_failed\":0,\"icmp_errors\":0,\"skipped\":0,\
             \"loss_pct\":66.66666666666667,\"duplicates\":0,\"late\":0,\"reordered\":0,\"bad_checksum\":0,\
             \"payload_changed\":0,\"truncated\":0,\"wrong_source\":0,\"foreign\":0,\"dropped_by_kernel\":0,\
             \"longest_loss_run\":1,\"stamps\":{\"hardware\":0,\"kernel\":2,\"user\":1},\"rtt_stats_ms\":{\"min\":0.033,\
             \"mean\":0.0365,\"median\":0.037,\"p90\":0.04,\"p95\":0.04,\"p99\":0.04,\"max\":0.04,\"stddev\":0.0028674},\
             \"ipdv_ms\":null,\"interarrival_jitter_ms\":null,\"duration_ms\":2003.499999}\n"
        );
    }

    #[test]
    fn what_is_unknown_is_null() {
        let nothing = Summary {
            counts: Counts::default(),
            delays: DelayStats { rtt: None, ewma: None, ..summary().delays },
            state: Some(State::Unknown),
            ..summary()
        };
        let data = json(&[Event::Ended(Box::new(nothing))]);
        assert!(data.contains("\"state\":\"unknown\"") && data.contains("\"loss_pct\":null"), "{data}");
        assert!(
            data.contains("\"rtt_stats_ms\":null,\"ipdv_ms\":0.0035,\"interarrival_jitter_ms\":0.00021875,"),
            "{data}"
        );
    }

    #[test]
    fn an_unresolved_target_has_a_summary_without_an_address() {
        let mut sink = PingJson::new(PingJsonOptions { quiet: true });
        let unresolved =
            Subject { address: None, source: None, socket: None, ..subject("nowhere.example", "192.0.2.1") };
        let nothing = Summary {
            subject: Arc::new(unresolved.clone()),
            counts: Counts::default(),
            delays: DelayStats { rtt: None, ..summary().delays },
            state: Some(State::Unresolved),
            ..summary()
        };
        let (data, _) = written(&mut sink, &[began(unresolved), Event::Ended(Box::new(nothing))]);
        assert!(data.starts_with(
            "{\"type\":\"summary\",\"version\":1,\"target\":\"nowhere.example\",\"address\":null,\"method\":\"icmp\",\"socket\":null,"
        ));
        assert!(data.contains("\"state\":\"unresolved\""));
    }

    #[test]
    fn an_interface_that_is_there_again_is_an_object_of_its_own() {
        let back = Event::Recreated { interface: "wg0".into(), not_sent: 7, at: WallTime::from_nanos(0) };
        assert_eq!(
            json(std::slice::from_ref(&back)),
            "{\"type\":\"outage\",\"target\":null,\"address\":null,\"method\":null,\"socket\":null,\"port\":null,\
             \"source_port\":null,\"sequence\":null,\"time\":\"1970-01-01T00:00:00.000000000Z\",\"interface\":\"wg0\",\
             \"send_failed\":7}\n"
        );
        let (data, _) = written(&mut PingJson::new(PingJsonOptions { quiet: true }), &[back]);
        assert_eq!(data, "");
    }

    #[test]
    fn quiet_leaves_summaries_alone() {
        let mut sink = PingJson::new(PingJsonOptions { quiet: true });
        let (data, talk) = written(
            &mut sink,
            &[
                began(subject("::1", "::1")),
                Event::Probe(reply()),
                Event::Probe(error()),
                Event::Probe(unanswered(Silence::NoAnswer)),
                Event::Probe(not_sent(OsError::EPERM, None, 1)),
                Event::Ended(Box::new(summary())),
            ],
        );
        assert_eq!((data.lines().count(), talk.as_str()), (1, ""));
        assert!(data.starts_with("{\"type\":\"summary\""));
    }

    #[test]
    fn interim_figures_are_talk() {
        let mut sink = PingJson::new(PingJsonOptions::default());
        let counts = Counts { sent: 2, received: 1, lost: 1, ..Counts::default() };
        let figures =
            |name| Interim { subject: Arc::new(subject(name, "198.51.100.9")), counts, delays: DelayStats::default() };
        let (data, talk) = written(&mut sink, &[Event::Interim(vec![figures("a.example")])]);
        assert_eq!((data.as_str(), talk.as_str()), ("", "\r1/2 packets, 50% loss\n"));
        let (_, talk) = written(&mut sink, &[Event::Interim(vec![figures("a.example"), figures("b.example")])]);
        assert_eq!(talk, "\ra.example: 1/2 packets, 50% loss\n\rb.example: 1/2 packets, 50% loss\n");
    }

    #[test]
    fn every_line_reads_back_and_a_key_has_one_type() {
        let odd = subject("\u{1b}\u{202e}\"", "::1");
        let data = json(&[
            began(odd.clone()),
            of(&odd, reply()),
            of(&odd, error()),
            of(&odd, unanswered(Silence::NoAnswer)),
            of(&odd, not_sent(OsError::EPERM, Some(1), 1)),
            Event::Ended(Box::new(summary())),
            Event::Ended(Box::new(Summary {
                delays: DelayStats { rtt: None, ipdv: None, ..summary().delays },
                ..summary()
            })),
        ]);
        let mut types = std::collections::BTreeMap::new();
        for line in data.lines() {
            let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line).expect("an object");
            for key in ["target", "address", "method", "socket", "port", "source_port", "sequence", "time"] {
                assert!(object.contains_key(key), "{key} is missing in {line}");
            }
            // A summary counts what a reply says yes or no to, so a key's type is that of its kind of object.
            let object_type = object.get("type").cloned().map(|name| name.to_string());
            for (key, value) in object.into_iter().filter(|(_, value)| !value.is_null()) {
                let json_type = std::mem::discriminant(&value);
                let known = types.entry((object_type.clone(), key.clone())).or_insert(json_type);
                assert_eq!(*known, json_type, "{key}");
            }
        }
        assert_eq!(data.lines().count(), 7);
    }
}
