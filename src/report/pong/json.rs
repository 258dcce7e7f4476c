//! What rpong says to programs: one object per line.

use std::io;
use std::sync::Arc;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::report::json::{VERSION, line};
use crate::report::pong::text::write_ready;
use crate::report::{Sink, Streams};
use crate::respond::{Counters, Ended, Event, Listener, RunFigures, Session, SessionStart};

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
        format!(r#"{{"type":"dropped","lines":{lines}}}"#)
    }

    /// The client of a session.
    fn client<M: SerializeMap>(&self, object: &mut M, start: &SessionStart) -> Result<(), M::Error> {
        object.serialize_entry("session", &start.session)?;
        if let Some(listener) = self.listeners.get(start.listener) {
            listener.serialize_entries(object)?;
        }
        start.peer.serialize_entries(["peer_address", "peer_port", "peer_path"], object)?;
        object.serialize_entry("time", &start.time)
    }

    fn end<M: SerializeMap>(&self, object: &mut M, session: &Session) -> Result<(), M::Error> {
        let Session { start, time, duration, ended, traffic } = session;
        let error = if let Ended::Failed(error) = ended { Some(error.to_string()) } else { None };
        self.client(object, start)?;
        object.serialize_entry("ended", ended)?;
        object.serialize_entry("error", &error)?;
        traffic.serialize_entries(object)?;
        object.serialize_entry("duration_ms", duration)?;
        object.serialize_entry("ended_at", time)
    }
}

impl Sink<Event> for PongJson {
    fn event(&mut self, event: &Event, streams: &mut Streams<'_>) -> io::Result<()> {
        let data = &mut *streams.data;
        match event {
            Event::Ready { listeners, time } => {
                self.listeners = Arc::clone(listeners);
                write_ready(&self.program, listeners, &mut *streams.talk)?;
                if self.quiet {
                    return Ok(());
                }
                line("start", data, |object| {
                    object.serialize_entry("version", &VERSION)?;
                    object.serialize_entry("tool", "rpong")?;
                    object.serialize_entry("listeners", &**listeners)?;
                    object.serialize_entry("time", time)
                })
            }
            Event::Start(start) if !self.quiet => line("session_start", data, |object| self.client(object, start)),
            Event::End(session) if !self.quiet => line("session_end", data, |object| self.end(object, session)),
            Event::Start(_) | Event::End(_) | Event::Draining { .. } => Ok(()),
            Event::Interim(figures) => line("interim", data, |object| self::figures(object, figures)),
            Event::Summary(figures) => line("summary", data, |object| self::figures(object, figures)),
        }
    }
}

fn figures<M: SerializeMap>(object: &mut M, figures: &RunFigures) -> Result<(), M::Error> {
    let listeners: Vec<OfListener<'_>> =
        figures.listeners.iter().map(|(at, counters)| OfListener(at, counters)).collect();
    object.serialize_entry("version", &VERSION)?;
    object.serialize_entry("tool", "rpong")?;
    object.serialize_entry("duration_ms", &figures.duration)?;
    object.serialize_entry("connections", &figures.connections)?;
    object.serialize_entry("datagram_clients", &figures.sessions)?;
    object.serialize_entry("listeners", &listeners)?;
    object.serialize_entry("time", &figures.time)
}

/// A listener with its figures.
struct OfListener<'a>(&'a Listener, &'a Counters);

impl Serialize for OfListener<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let OfListener(listener, counters) = self;
        let mut object = serializer.serialize_map(None)?;
        listener.serialize_entries(&mut object)?;
        counters.serialize_entries(listener.service, &mut object)?;
        object.end()
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
