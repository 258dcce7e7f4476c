//! Text of rpong: a line as each session starts and ends, and statistics.

use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use crate::report::{Sink, Streams};
use crate::respond::{Counters, Ended, Event, Listener, RunFigures, Session, SessionStart, Traffic};
use crate::types::{Endpoint, WallTime};

/// Text: clients and the figures at the end on stdout, everything else on stderr.
#[derive(Debug)]
pub struct PongText {
    program: Box<str>,
    quiet: bool,
    listeners: Arc<[Listener]>,
}

impl PongText {
    /// For messages that begin with the program's name; `quiet` leaves the clients out.
    pub fn new(program: Box<str>, quiet: bool) -> Self {
        PongText { program, quiet, listeners: [].into() }
    }

    /// The line in place of lines that were not written.
    pub fn dropped(lines: u64) -> String {
        format!("{lines} lines are missing here: the output was not read in time")
    }

    /// `tcp 0.0.0.0:7 from 192.0.2.1:40000`.
    fn client(&self, start: &SessionStart) -> String {
        let listener = self.listeners.get(start.listener).map(|listener| Where(listener).to_string());
        format!("{} from {}", listener.unwrap_or_default(), At(&start.peer))
    }
}

impl Sink<Event> for PongText {
    fn event(&mut self, event: &Event, streams: &mut Streams<'_>) -> io::Result<()> {
        match event {
            Event::Ready { listeners, .. } => {
                self.listeners = Arc::clone(listeners);
                write_ready(&self.program, listeners, &mut *streams.talk)
            }
            Event::Start(_) | Event::End(_) if self.quiet => Ok(()),
            Event::Start(start) => {
                writeln!(streams.data, "{} session {} start: {}", Date(start.time), start.session, self.client(start))
            }
            Event::End(session) => {
                let Session { start, time, duration, ended, traffic } = session.as_ref();
                write!(streams.data, "{} session {} end: {}: ", Date(*time), start.session, self.client(start))?;
                writeln!(
                    streams.data,
                    "{}, {:.3} s, {}",
                    Passed(traffic),
                    duration.as_duration().as_secs_f64(),
                    Why(*ended)
                )
            }
            Event::Interim(figures) => {
                write_figures(figures, &mut *streams.talk)?;
                let (open, known) = (figures.connections, figures.sessions);
                writeln!(streams.talk, "now: {open} connections, {known} clients over datagrams")
            }
            Event::Draining { open } => {
                writeln!(streams.talk, "{}: no more clients; waiting for {open} to finish", self.program)
            }
            Event::Summary(figures) => write_figures(figures, &mut *streams.data),
        }
    }
}

/// Writes that the listeners are open, in a line that scripts can wait for.
pub(in crate::report) fn write_ready(program: &str, listeners: &[Listener], talk: &mut dyn Write) -> io::Result<()> {
    let all: Vec<String> = listeners.iter().map(|listener| Where(listener).to_string()).collect();
    writeln!(talk, "{program}: listening on {}", all.join(", "))
}

fn write_figures(figures: &RunFigures, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "--- rpong statistics after {:.3} s ---", figures.duration.as_duration().as_secs_f64())?;
    for (listener, counters) in &figures.listeners {
        let traffic = counters.traffic(listener.service);
        let (came, s) = (counters.sessions, if counters.sessions == 1 { "" } else { "s" });
        writeln!(out, "{}: {came} session{s}, {}{}", Where(listener), Passed(&traffic), Failures(counters))?;
    }
    Ok(())
}

/// `tcp 0.0.0.0:7`.
struct Where<'a>(&'a Listener);

impl fmt::Display for Where<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0.service.name(), At(&self.0.at))
    }
}

/// An address with its port, or a path.
struct At<'a>(&'a Endpoint);

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Endpoint::Ip(endpoint) => write!(f, "{}", std::net::SocketAddr::from(*endpoint)),
            Endpoint::Unix(_) => f.write_str(self.0.local_name().as_deref().unwrap_or("a socket without a name")),
        }
    }
}

/// `5 bytes in, 5 bytes out`, with packets where there are any.
struct Passed<'a>(&'a Traffic);

impl fmt::Display for Passed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Traffic { received_packets, received_octets, sent_packets, sent_octets } = *self.0;
        let mut one_way = |packets: Option<u64>, octets: u64, way: &str| match packets {
            Some(packets) => {
                let s = if packets == 1 { "" } else { "s" };
                write!(f, "{packets} packet{s} ({octets} bytes) {way}")
            }
            None => write!(f, "{octets} bytes {way}"),
        };
        one_way(received_packets, received_octets, "in, ")?;
        one_way(sent_packets, sent_octets, "out")
    }
}

/// Counters of requests without an answer, where they are not zero.
struct Failures<'a>(&'a Counters);

impl fmt::Display for Failures<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counters = self.0;
        let named = [
            (counters.refused_source, "refused for their source"),
            (counters.refused_rate, "over the rate"),
            (counters.refused_malformed, "malformed"),
            (counters.refused_full, "too many clients"),
            (counters.refused_busy, "too busy"),
            (counters.send_failed, "not sent"),
            (counters.dropped_by_kernel, "dropped by the kernel"),
        ];
        named.into_iter().filter(|(count, _)| *count > 0).try_for_each(|(count, name)| write!(f, ", {count} {name}"))
    }
}

/// Why a session ended.
struct Why(Ended);

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Ended::Fin => f.write_str("closed by the client"),
            Ended::Reset => f.write_str("reset by the client"),
            Ended::Failed(error) => write!(f, "failed: {error}"),
            Ended::Idle => f.write_str("idle"),
            Ended::Displaced => f.write_str("displaced"),
            Ended::Shutdown => f.write_str("shut down"),
        }
    }
}

/// A time as RFC 3339 has it, to the millisecond.
struct Date(WallTime);

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = UNIX_EPOCH + Duration::from_nanos(self.0.as_nanos());
        write!(f, "{}", humantime::format_rfc3339_millis(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::{pong, written};

    fn output(quiet: bool) -> (String, String) {
        written(&mut PongText::new("rpong".into(), quiet), &pong::events())
    }

    const SUMMARY: &str = "--- rpong statistics after 12.500 s ---\n\
        tcp 0.0.0.0:7: 1 session, 5 bytes in, 5 bytes out\n\
        udp [::]:7: 1 session, 3 packets (168 bytes) in, 2 packets (112 bytes) out, 1 over the rate\n";

    #[test]
    fn clients_and_the_last_figures_are_data_and_the_rest_is_talk() {
        let (data, talk) = output(false);
        assert_eq!(
            data,
            "2026-11-22T07:47:13.000Z session 1 start: tcp 0.0.0.0:7 from 192.0.2.1:40000\n\
             2026-11-22T07:47:13.000Z session 2 start: udp [::]:7 from [2001:db8::1]:40001\n\
             2026-11-22T07:47:14.000Z session 1 end: tcp 0.0.0.0:7 from 192.0.2.1:40000: 5 bytes in, 5 bytes out, \
             1.003 s, closed by the client\n\
             2026-11-22T07:47:14.000Z session 2 end: udp [::]:7 from [2001:db8::1]:40001: 3 packets (168 bytes) in, \
             2 packets (112 bytes) out, 1.003 s, idle\n"
                .to_owned()
                + SUMMARY
        );
        assert_eq!(
            talk,
            "rpong: listening on tcp 0.0.0.0:7, udp [::]:7\n".to_owned()
                + SUMMARY
                + "now: 1 connections, 2 clients over datagrams\n\
                   rpong: no more clients; waiting for 1 to finish\n"
        );
    }

    #[test]
    fn quiet_is_the_last_figures_alone() {
        assert_eq!(output(true).0, SUMMARY);
    }
}
