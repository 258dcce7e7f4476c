//! rping's JSON: one object a line, for every event that tells of a probe and for the start and the end of a series.

mod object;
mod service;

use std::io;
use std::net::IpAddr;

pub(in crate::report) use object::RttStatsObject;
use object::{ErrorObject, ReplyObject, StartObject, SummaryObject, TimeoutObject};

use crate::channel::SocketKind;
use crate::ping::{Event, Interim, MethodKind, SeriesId, Start};
use crate::report::json::line;
use crate::report::ping::interim;
use crate::report::{Sink, Streams, escape};

/// What the JSON is to hold.
#[derive(Clone, Copy, Debug, Default)]
pub struct PingJsonOptions {
    /// Summaries only (`-q`).
    pub quiet: bool,
}

/// Writes the events of a ping run as JSON lines. Names that the user typed come back as typed.
pub struct PingJson {
    options: PingJsonOptions,
    series: Vec<Option<Series>>,
}

/// What every object repeats.
struct Series {
    target: Box<str>,
    name: Box<str>,
    address: Option<IpAddr>,
    method: MethodKind,
    port: Option<u16>,
    socket: Option<SocketKind>,
}

impl PingJson {
    /// A writer that has written nothing yet.
    pub fn new(options: PingJsonOptions) -> Self {
        PingJson { options, series: Vec::new() }
    }

    fn start(&mut self, start: &Start, streams: &mut Streams<'_>) -> io::Result<()> {
        let index = start.series.index();
        if self.series.len() <= index {
            self.series.resize_with(index + 1, || None);
        }
        let series = Series {
            target: start.target.clone(),
            name: escape(&start.name).into(),
            address: start.address,
            method: start.method,
            port: start.port,
            socket: start.socket,
        };
        if !self.options.quiet {
            line(&StartObject::new(start, &series), streams.data)?;
        }
        if let Some(slot) = self.series.get_mut(index) {
            *slot = Some(series);
        }
        Ok(())
    }

    fn series(&self, id: SeriesId) -> Option<&Series> {
        self.series.get(id.index())?.as_ref()
    }

    /// The series of an event that `-q` leaves out.
    fn talkative(&self, id: SeriesId) -> Option<&Series> {
        self.series(id).filter(|_| !self.options.quiet)
    }

    fn interim(&self, figures: &Interim, streams: &mut Streams<'_>) -> io::Result<()> {
        let name = self.series(figures.series).map(|series| &*series.name).filter(|_| self.series.len() > 1);
        interim(figures, name, streams.talk)
    }
}

impl Sink<Event> for PingJson {
    fn event(&mut self, event: &Event, streams: &mut Streams<'_>) -> io::Result<()> {
        let data = &mut *streams.data;
        match event {
            Event::Start(start) => return self.start(start, streams),
            Event::Interim(figures) => return figures.iter().try_for_each(|figures| self.interim(figures, streams)),
            Event::Reply(reply) => {
                self.talkative(reply.series).map(|series| line(&ReplyObject::new(reply, series), data))
            }
            Event::Error(error) => {
                self.talkative(error.series).map(|series| line(&ErrorObject::new(error, series), data))
            }
            Event::Refused(refusal) => {
                self.talkative(refusal.series).map(|series| line(&ErrorObject::refused(refusal, series), data))
            }
            Event::SendFailed(failed) => {
                self.talkative(failed.series).map(|series| line(&ErrorObject::not_sent(failed, series), data))
            }
            Event::Timeout(unanswered) => {
                self.talkative(unanswered.series).map(|series| line(&TimeoutObject::new(unanswered, series), data))
            }
            Event::Summary(summary) => {
                self.series(summary.series).map(|series| line(&SummaryObject::new(summary, series), data))
            }
            Event::NameWanted(_) | Event::Named { .. } | Event::Sent { .. } | Event::NoAnswerYet(_) => None,
        }
        .unwrap_or(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::{ErrorOrigin, OsError};
    use crate::ping::{Counts, ErrorEvent, PayloadChange, Reply, SendFailed, State, Summary, Unanswered};
    use crate::report::fixture::{WHEN, address, error, reply, series, start, summary, unanswered, written};
    use crate::types::{Mtu, ProbeId, WallTime};
    use crate::wire::icmp::ErrorKind;

    const COMMON: &str = r#""target":"example.org","address":"198.51.100.9","method":"icmp","socket":"raw","port":null,"source_port":null,"sequence":1,"time":"2026-11-22T07:47:13.000001000Z""#;

    fn json(events: &[Event]) -> String {
        let mut sink = PingJson::new(PingJsonOptions::default());
        written(&mut sink, &[Event::Start(Box::new(start("example.org", "198.51.100.9")))]);
        let (data, talk) = written(&mut sink, events);
        assert_eq!(talk, "");
        data
    }

    fn failed(error: ErrorEvent) -> Event {
        Event::Error(Box::new(error))
    }

    #[test]
    fn a_start_tells_what_is_asked_for() {
        let mut sink = PingJson::new(PingJsonOptions::default());
        let (data, _) = written(&mut sink, &[Event::Start(Box::new(start("example.org", "198.51.100.9")))]);
        assert_eq!(
            data,
            "{\"type\":\"start\",\"version\":1,\"tool\":\"rping\",\"target\":\"example.org\",\"address\":\"198.51.100.9\",\
             \"source\":\"192.0.2.1\",\"method\":\"icmp\",\"method_requested\":\"icmp\",\"socket\":\"raw\",\"port\":null,\
             \"source_port\":null,\"sequence\":null,\"payload_bytes\":56,\"time\":\"2026-11-22T07:47:13.000001000Z\"}\n"
        );
    }

    #[test]
    fn a_reply_tells_everything_about_itself() {
        assert_eq!(
            json(&[Event::Reply(Box::new(reply()))]),
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
        let odd = Reply {
            probe: ProbeId::new(70_000),
            reply_ttl: None,
            duplicate: true,
            late: true,
            reordered: true,
            truncated: true,
            bad_checksum: true,
            payload_changed: Some(Box::new(change)),
            ..reply()
        };
        let data = json(&[Event::Reply(Box::new(odd))]);
        assert!(data.contains("\"sequence\":70000,") && data.contains("\"ttl\":null,"));
        assert!(data.ends_with(
            "\"duplicate\":true,\"late\":true,\"reordered\":true,\"payload_changed\":true,\"bad_checksum\":true,\"truncated\":true}\n"
        ));
    }

    #[test]
    fn an_error_tells_who_found_it_and_what_it_says() {
        let tail = "\"state\":\"unreachable\",\"duplicate\":false,\"late\":false}\n";
        assert_eq!(
            json(&[failed(error())]),
            format!(
                "{{\"type\":\"error\",{COMMON},\"responder\":\"203.0.113.1\",\"kind\":\"host_unreachable\",\"origin\":\"router\",\
                 \"icmp_type\":3,\"icmp_code\":1,\"mtu\":null,\"gateway\":null,\"message\":\"Destination Host Unreachable\",\
                 \"rtt_ms\":1.2,{tail}"
            )
        );
        let from_target = ErrorEvent { responder: Some(address("198.51.100.9")), ..error() };
        assert!(json(&[failed(from_target)]).contains("\"origin\":\"target\""));
        let too_big = ErrorEvent { kind: ErrorKind::TooBig, icmp_code: 4, mtu: Mtu::new(1400), ..error() };
        let data = json(&[failed(too_big)]);
        assert!(
            data.contains("\"mtu\":1400,\"gateway\":null,\"message\":\"Frag needed and DF set (mtu = 1400)\""),
            "{data}"
        );
    }

    #[test]
    fn advice_leaves_the_state_open() {
        let gateway = Some(address("203.0.113.254"));
        let redirect = ErrorEvent { kind: ErrorKind::Redirect, icmp_type: 5, icmp_code: 1, gateway, ..error() };
        let data = json(&[failed(redirect)]);
        assert!(data.contains("\"kind\":\"redirect\"") && data.contains("\"gateway\":\"203.0.113.254\""));
        assert!(
            data.contains("\"message\":\"Redirect Host(New nexthop: 203.0.113.254)\"")
                && data.contains("\"state\":null")
        );
    }

    #[test]
    fn a_local_error_has_no_icmp_type() {
        let (origin, responder, mtu) = (ErrorOrigin::Local, None, Mtu::new(1500));
        let local =
            ErrorEvent { origin, responder, mtu, icmp_type: 0, icmp_code: 0, kind: ErrorKind::TooBig, ..error() };
        assert!(json(&[failed(local)]).contains(
            "\"responder\":null,\"kind\":\"too_big\",\"origin\":\"local\",\"icmp_type\":null,\"icmp_code\":null,\"mtu\":1500,\
             \"gateway\":null,\"message\":\"Message too long\","
        ));
    }

    #[test]
    fn what_could_not_be_sent_is_an_error_of_this_host() {
        let at = WallTime::from_nanos(WHEN);
        let failed =
            SendFailed { series: series(0), probe: ProbeId::FIRST, at, error: OsError::ENETUNREACH, mtu: None };
        assert_eq!(
            json(&[Event::SendFailed(failed)]),
            format!(
                "{{\"type\":\"error\",{COMMON},\"responder\":null,\"kind\":\"send_failed\",\"origin\":\"local\",\
                 \"icmp_type\":null,\"icmp_code\":null,\"mtu\":null,\"gateway\":null,\"message\":\"Network is unreachable\",\
                 \"rtt_ms\":null,\"state\":\"unknown\",\"duplicate\":false,\"late\":false}}\n"
            )
        );
    }

    #[test]
    fn a_timeout_is_told_and_an_open_probe_is_not() {
        let (sent, at) = (WallTime::from_nanos(WHEN), WallTime::from_nanos(WHEN + 10_000_000_000));
        let unanswered = Unanswered { sent, at, ..unanswered() };
        assert_eq!(
            json(&[Event::NoAnswerYet(unanswered), Event::Timeout(unanswered)]),
            format!("{{\"type\":\"timeout\",{COMMON},\"state\":\"no_answer\"}}\n")
        );
    }

    #[test]
    fn a_summary_tells_every_count() {
        let counts = Counts { sent: 3, received: 1, unreachable: 1, lost: 1, longest_loss_run: 1, ..Counts::default() };
        assert_eq!(
            json(&[Event::Summary(Box::new(Summary { counts, ipdv: None, interarrival_jitter: None, ..summary() }))]),
            "{\"type\":\"summary\",\"version\":1,\"target\":\"example.org\",\"address\":\"198.51.100.9\",\"method\":\"icmp\",\
             \"socket\":\"raw\",\"port\":null,\"source_port\":null,\"sequence\":null,\"time\":null,\"state\":null,\"sent\":3,\
             \"received\":1,\"refused\":0,\"unreachable\":1,\"lost\":1,\"pending\":0,\"send_failed\":0,\"skipped\":0,\
             \"loss_pct\":66.66666666666667,\"duplicates\":0,\"late\":0,\"reordered\":0,\"bad_checksum\":0,\
             \"payload_changed\":0,\"truncated\":0,\"wrong_source\":0,\"foreign\":0,\"dropped_by_kernel\":0,\
             \"longest_loss_run\":1,\"stamps\":{\"hardware\":0,\"kernel\":2,\"user\":1},\"rtt_stats_ms\":{\"min\":0.033,\
             \"mean\":0.0365,\"median\":0.037,\"p90\":0.04,\"p95\":0.04,\"p99\":0.04,\"max\":0.04,\"stddev\":0.0028674},\
             \"ipdv_ms\":null,\"interarrival_jitter_ms\":null,\"duration_ms\":2003.499999}\n"
        );
    }

    #[test]
    fn what_is_unknown_is_null() {
        let nothing =
            Summary { counts: Counts::default(), rtt: None, ewma: None, state: Some(State::Unknown), ..summary() };
        let data = json(&[Event::Summary(Box::new(nothing))]);
        assert!(data.contains("\"state\":\"unknown\"") && data.contains("\"loss_pct\":null"), "{data}");
        assert!(
            data.contains("\"rtt_stats_ms\":null,\"ipdv_ms\":0.0035,\"interarrival_jitter_ms\":0.00021875,"),
            "{data}"
        );
    }

    #[test]
    fn an_unresolved_target_has_a_summary_without_an_address() {
        let mut sink = PingJson::new(PingJsonOptions { quiet: true });
        let unresolved = Start { address: None, source: None, socket: None, ..start("nowhere.example", "192.0.2.1") };
        let nothing = Summary { counts: Counts::default(), rtt: None, state: Some(State::Unresolved), ..summary() };
        let (data, _) = written(&mut sink, &[Event::Start(Box::new(unresolved)), Event::Summary(Box::new(nothing))]);
        assert!(data.starts_with(
            "{\"type\":\"summary\",\"version\":1,\"target\":\"nowhere.example\",\"address\":null,\"method\":\"icmp\",\"socket\":null,"
        ));
        assert!(data.contains("\"state\":\"unresolved\""));
    }

    #[test]
    fn quiet_leaves_summaries_alone() {
        let mut sink = PingJson::new(PingJsonOptions { quiet: true });
        let at = WallTime::from_nanos(WHEN);
        let unanswered = Unanswered { sent: at, at, ..unanswered() };
        let not_sent = SendFailed { series: series(0), probe: ProbeId::FIRST, at, error: OsError::EPERM, mtu: None };
        let (data, talk) = written(
            &mut sink,
            &[
                Event::Start(Box::new(start("::1", "::1"))),
                Event::Reply(Box::new(reply())),
                failed(error()),
                Event::Timeout(unanswered),
                Event::SendFailed(not_sent),
                Event::Summary(Box::new(summary())),
            ],
        );
        assert_eq!((data.lines().count(), talk.as_str()), (1, ""));
        assert!(data.starts_with("{\"type\":\"summary\""));
    }

    #[test]
    fn interim_figures_are_talk() {
        let mut sink = PingJson::new(PingJsonOptions::default());
        let counts = Counts { sent: 2, received: 1, lost: 1, ..Counts::default() };
        let figures = |index| Interim { series: series(index), counts, rtt: None, ewma: None };
        written(&mut sink, &[Event::Start(Box::new(start("a.example", "198.51.100.9")))]);
        let (data, talk) = written(&mut sink, &[Event::Interim(vec![figures(0)])]);
        assert_eq!((data.as_str(), talk.as_str()), ("", "\r1/2 packets, 50% loss\n"));
        written(&mut sink, &[Event::Start(Box::new(Start { series: series(1), ..start("b.example", "203.0.113.7") }))]);
        let (_, talk) = written(&mut sink, &[Event::Interim(vec![figures(0), figures(1)])]);
        assert_eq!(talk, "\ra.example: 1/2 packets, 50% loss\n\rb.example: 1/2 packets, 50% loss\n");
    }

    #[test]
    fn every_line_reads_back_and_a_key_has_one_type() {
        let at = WallTime::from_nanos(WHEN);
        let unanswered = Unanswered { sent: at, at, ..unanswered() };
        let not_sent =
            SendFailed { series: series(0), probe: ProbeId::FIRST, at, error: OsError::EPERM, mtu: Mtu::new(1) };
        let data = json(&[
            Event::Start(Box::new(start("\u{1b}\u{202e}\"", "::1"))),
            Event::Reply(Box::new(reply())),
            failed(error()),
            Event::Timeout(unanswered),
            Event::SendFailed(not_sent),
            Event::Summary(Box::new(summary())),
            Event::Summary(Box::new(Summary { rtt: None, ipdv: None, ..summary() })),
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
