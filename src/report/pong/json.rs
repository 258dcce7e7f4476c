//! What rpong says to programs: one object per line.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use serde::Serialize;

use crate::report::json::{VERSION, line, millis};
use crate::report::pong::text::{local_name, write_ready};
use crate::report::{Sink, Streams};
use crate::respond::{Counters, Ended, Event, Figures, Listener, Session, SessionStart, Traffic};
use crate::types::{Endpoint, Rtt, WallTime};

/// JSON: `start`, `session_start`, `session_end`, `interim`, `summary`, `dropped`.
#[derive(Debug)]
pub struct PongJson {
    program: Box<str>,
    quiet: bool,
    listeners: Arc<[Listener]>,
}

impl PongJson {
    /// For messages that begin with the program's name; `quiet` leaves the clients out.
    pub fn new(program: Box<str>, quiet: bool) -> Self {
        PongJson { program, quiet, listeners: [].into() }
    }

    /// The line in place of lines that were not written because the output was not read in time.
    pub fn dropped(lines: u64) -> String {
        serde_json::to_string(&DroppedObject { kind: "dropped", lines }).unwrap_or_default()
    }
}

/// Lines that were not written.
#[derive(Serialize)]
struct DroppedObject {
    #[serde(rename = "type")]
    kind: &'static str,
    lines: u64,
}

impl Sink<Event> for PongJson {
    fn event(&mut self, event: &Event, streams: &mut Streams<'_>) -> io::Result<()> {
        if let Event::Ready { listeners, .. } = event {
            self.listeners = Arc::clone(listeners);
        }
        match event {
            Event::Ready { listeners, time } => {
                write_ready(&self.program, listeners, &mut *streams.talk)?;
                if self.quiet {
                    return Ok(());
                }
                let listeners = listeners.iter().map(ListenerObject::new).collect();
                let start = StartObject { kind: "start", version: VERSION, tool: "rpong", listeners, time: *time };
                line(&start, streams.data)
            }
            Event::Start(start) if !self.quiet => line(&self.client("session_start", start), streams.data),
            Event::End(session) if !self.quiet => {
                let Session { start, time, duration, ended, traffic } = session.as_ref();
                let end = EndObject {
                    client: self.client("session_end", start),
                    ended: ended.name(),
                    error: match ended {
                        Ended::Failed(error) => Some(error.to_string()),
                        _ => None,
                    },
                    traffic: TrafficObject::new(traffic),
                    duration_ms: millis(Rtt::from(*duration).as_nanos()),
                    ended_at: *time,
                };
                line(&end, streams.data)
            }
            Event::Start(_) | Event::End(_) | Event::Draining { .. } => Ok(()),
            Event::Interim(figures) => line(&FiguresObject::new("interim", figures), streams.data),
            Event::Summary(figures) => line(&FiguresObject::new("summary", figures), streams.data),
        }
    }
}

impl PongJson {
    fn client(&self, kind: &'static str, start: &SessionStart) -> ClientObject {
        let peer = Parts::of(&start.peer);
        ClientObject {
            kind,
            session: start.session,
            listener: self.listeners.get(start.listener).map(ListenerObject::new),
            peer_address: peer.address,
            peer_port: peer.port,
            peer_path: peer.path,
            time: start.time,
        }
    }
}

/// An endpoint, part by part.
struct Parts {
    address: Option<IpAddr>,
    port: Option<u16>,
    path: Option<String>,
}

impl Parts {
    fn of(endpoint: &Endpoint) -> Self {
        match endpoint {
            Endpoint::Ip(at) => Parts { address: Some(at.address), port: Some(at.port_number()), path: None },
            // A socket without a name has no path.
            Endpoint::Unix(path) if path.as_os_str().is_empty() => Parts { address: None, port: None, path: None },
            Endpoint::Unix(path) => Parts { address: None, port: None, path: Some(local_name(path)) },
        }
    }
}

#[derive(Serialize)]
struct StartObject {
    #[serde(rename = "type")]
    kind: &'static str,
    version: u32,
    tool: &'static str,
    listeners: Vec<ListenerObject>,
    time: WallTime,
}

#[derive(Serialize)]
struct ListenerObject {
    service: &'static str,
    address: Option<IpAddr>,
    port: Option<u16>,
    path: Option<String>,
}

impl ListenerObject {
    fn new(listener: &Listener) -> Self {
        let Parts { address, port, path } = Parts::of(&listener.at);
        ListenerObject { service: listener.service.name(), address, port, path }
    }
}

#[derive(Serialize)]
struct ClientObject {
    #[serde(rename = "type")]
    kind: &'static str,
    session: u64,
    #[serde(flatten)]
    listener: Option<ListenerObject>,
    peer_address: Option<IpAddr>,
    peer_port: Option<u16>,
    peer_path: Option<String>,
    time: WallTime,
}

#[derive(Serialize)]
struct EndObject {
    #[serde(flatten)]
    client: ClientObject,
    ended: &'static str,
    error: Option<String>,
    #[serde(flatten)]
    traffic: TrafficObject,
    duration_ms: f64,
    ended_at: WallTime,
}

#[derive(Serialize)]
struct TrafficObject {
    received_packets: Option<u64>,
    received_bytes: u64,
    sent_packets: Option<u64>,
    sent_bytes: u64,
}

impl TrafficObject {
    fn new(traffic: &Traffic) -> Self {
        TrafficObject {
            received_packets: traffic.received_packets,
            received_bytes: traffic.received_octets,
            sent_packets: traffic.sent_packets,
            sent_bytes: traffic.sent_octets,
        }
    }
}

#[derive(Serialize)]
struct FiguresObject {
    #[serde(rename = "type")]
    kind: &'static str,
    version: u32,
    tool: &'static str,
    duration_ms: f64,
    connections: usize,
    datagram_clients: usize,
    listeners: Vec<CountersObject>,
    time: WallTime,
}

impl FiguresObject {
    fn new(kind: &'static str, figures: &Figures) -> Self {
        FiguresObject {
            kind,
            version: VERSION,
            tool: "rpong",
            duration_ms: millis(Rtt::from(figures.duration).as_nanos()),
            connections: figures.connections,
            datagram_clients: figures.sessions,
            listeners: figures.listeners.iter().map(|(at, counters)| CountersObject::new(at, counters)).collect(),
            time: figures.time,
        }
    }
}

#[derive(Serialize)]
struct CountersObject {
    #[serde(flatten)]
    listener: ListenerObject,
    sessions: u64,
    #[serde(flatten)]
    traffic: TrafficObject,
    refused: u64,
    refused_source: u64,
    refused_rate: u64,
    refused_malformed: u64,
    refused_full: u64,
    refused_busy: u64,
    send_failed: u64,
    dropped_by_kernel: u64,
}

impl CountersObject {
    fn new(listener: &Listener, counters: &Counters) -> Self {
        CountersObject {
            listener: ListenerObject::new(listener),
            sessions: counters.sessions,
            traffic: TrafficObject::new(&counters.traffic(listener.service)),
            refused: counters.refused(),
            refused_source: counters.refused_source,
            refused_rate: counters.refused_rate,
            refused_malformed: counters.refused_malformed,
            refused_full: counters.refused_full,
            refused_busy: counters.refused_busy,
            send_failed: counters.send_failed,
            dropped_by_kernel: counters.dropped_by_kernel,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::report::fixture::{pong, written};

    fn output(quiet: bool) -> (Vec<Value>, String) {
        let (data, talk) = written(&mut PongJson::new("rpong".into(), quiet), &pong::events());
        (data.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect(), talk)
    }

    #[test]
    fn every_event_is_an_object() {
        let (lines, talk) = output(false);
        let kinds: Vec<&Value> = lines.iter().map(|line| &line["type"]).collect();
        let expected = ["start", "session_start", "session_start", "interim", "session_end", "session_end", "summary"];
        assert_eq!(json!(kinds), json!(expected));
        assert_eq!(talk, "rpong: listening on tcp 0.0.0.0:7, udp [::]:7\n");
    }

    #[test]
    fn a_session_has_listener_peer_and_traffic() {
        let (lines, _) = output(false);
        assert_eq!(
            lines[5],
            json!({"type": "session_end", "session": 2, "service": "udp", "address": "::", "port": 7, "path": null,
                "peer_address": "2001:db8::1", "peer_port": 40001, "peer_path": null,
                "time": "2026-11-22T07:47:13.000000000Z", "ended": "idle", "error": null,
                "received_packets": 3, "received_bytes": 168, "sent_packets": 2, "sent_bytes": 112,
                "duration_ms": 1003.0, "ended_at": "2026-11-22T07:47:14.000000000Z"})
        );
        assert_eq!(lines[4]["received_packets"], Value::Null);
    }

    #[test]
    fn the_summary_has_every_figure_of_every_listener() {
        let (lines, _) = output(true);
        assert_eq!(lines.len(), 2, "interim figures were asked for");
        assert_eq!(lines[1]["connections"], 1);
        assert_eq!(
            lines[1]["listeners"][1],
            json!({"service": "udp", "address": "::", "port": 7, "path": null, "sessions": 1,
                "received_packets": 3, "received_bytes": 168, "sent_packets": 2, "sent_bytes": 112,
                "refused": 1, "refused_source": 0, "refused_rate": 1, "refused_malformed": 0, "refused_full": 0,
                "refused_busy": 0, "send_failed": 0, "dropped_by_kernel": 0})
        );
    }
}
