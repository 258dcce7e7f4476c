//! Lines about probes of services: TCP, UDP, local sockets, STAMP. ICMP's are ping's own.

use std::fmt;
use std::io::{self, Write};

use crate::ping::{ExchangeFailure, MethodKind, Reflection, Refusal, Reply, Start, State, Unanswered};
use crate::report::ping::text::{PingText, Series};
use crate::report::words::number::{Millis, PingTime};
use crate::types::Rtt;

/// What a silent UDP port may mean: a hundred percent lost would be misread without it.
pub(super) const SILENCE: &str =
    "no answer over UDP means open, filtered or ignored: it is no loss of the path (--contrast compares)";

/// The end of a header: what is probed, and with how many octets.
pub(super) struct Aim<'a>(pub &'a Start);

impl fmt::Display for Aim<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Aim(start) = self;
        f.write_str(match start.method {
            MethodKind::Icmp => "ICMP",
            MethodKind::Tcp => "TCP",
            MethodKind::Udp => "UDP",
            MethodKind::Unix => "local socket",
            MethodKind::Stamp => "STAMP",
        })?;
        if let Some(port) = start.port {
            write!(f, " port {port}")?;
        }
        match start.payload_octets {
            0 => f.write_str("."),
            octets => write!(f, ": {octets} data bytes."),
        }
    }
}

impl PingText {
    /// A line for an answer that is not ICMP's.
    pub(super) fn service_reply(&self, series: &Series, reply: &Reply, data: &mut dyn Write) -> io::Result<()> {
        self.stamp(reply.arrived, data)?;
        write!(
            data,
            "from {}: {}_seq={}",
            self.where_from(series, reply.responder, reply.port),
            series.method.name(),
            reply.probe.get()
        )?;
        if let Some(ttl) = reply.reply_ttl {
            write!(data, " ttl={}", ttl.get())?;
        }
        if let Some(state) = reply.state {
            write!(data, " state={}", state.name())?;
        }
        write!(data, " time={} ms", PingTime(reply.rtt))?;
        if let Some(answer) = &reply.answer {
            write!(data, " answer={} bytes answer_time={} ms", answer.octets, PingTime(answer.rtt))?;
        }
        if let Some(reflection) = &reply.reflection {
            reflected(reflection, data)?;
        }
        match reply.syn_retransmits {
            Some(1) => data.write_all(b" (SYN retransmitted)")?,
            Some(times @ 2..) => write!(data, " (SYN retransmitted {times} times)")?,
            Some(0) | None => {}
        }
        self.marks(series, reply, data)?;
        if reply.payload_changed.is_some() {
            data.write_all(b" (payload changed)")?;
        }
        self.bell(data)?;
        writeln!(data)
    }

    /// A line for a host that answered where the service did not.
    pub(super) fn refused(&mut self, refusal: &Refusal, data: &mut dyn Write) -> io::Result<()> {
        let Some(series) = self.series_mut(refusal.series) else { return Ok(()) };
        series.acknowledge(refusal.probe);
        if self.options.quiet {
            return Ok(());
        }
        if self.options.flood {
            return data.write_all(b"\x08E");
        }
        let Some(series) = self.series(refusal.series) else { return Ok(()) };
        self.stamp(refusal.arrived, data)?;
        let from = self.where_from(series, refusal.responder, series.port);
        write!(
            data,
            "from {from}: {}_seq={} state={}",
            series.method.name(),
            refusal.probe.get(),
            refusal.state.name()
        )?;
        if let Some(rtt) = refusal.rtt {
            write!(data, " time={} ms", PingTime(rtt))?;
        }
        exchange(refusal.failure, data)?;
        for (_, mark) in
            [(refusal.duplicate, " (DUP!)"), (refusal.late, " (late)")].iter().filter(|(applies, _)| *applies)
        {
            data.write_all(mark.as_bytes())?;
        }
        writeln!(data)
    }

    /// A line for silence. ping has none: with ICMP nothing more can be said than that nothing came.
    pub(super) fn silence(&self, unanswered: &Unanswered, data: &mut dyn Write) -> io::Result<()> {
        let said = |series: &&Series| series.method != MethodKind::Icmp && !self.options.quiet && !self.options.flood;
        let Some(series) = self.series(unanswered.series).filter(said) else { return Ok(()) };
        self.stamp(unanswered.at, data)?;
        let from = self.where_from(series, series.address, series.port);
        write!(data, "no answer from {from}: {}_seq={}", series.method.name(), unanswered.probe.get())?;
        if !(series.method == MethodKind::Stamp && unanswered.state == State::NoAnswer) {
            write!(data, " state={}", unanswered.state.name())?;
        }
        if unanswered.rate_limited {
            data.write_all(b" (rate limited)")?;
        }
        exchange(unanswered.failure, data)?;
        writeln!(data)
    }
}

fn exchange(failure: Option<ExchangeFailure>, data: &mut dyn Write) -> io::Result<()> {
    let what: &[u8] = match failure {
        None => return Ok(()),
        Some(ExchangeFailure::Unexpected) => b" (unexpected answer)",
        Some(ExchangeFailure::Closed) => b" (closed without an answer)",
        Some(ExchangeFailure::Reset) => b" (reset without an answer)",
        Some(ExchangeFailure::Silence) => b" (silent)",
    };
    data.write_all(what)
}

fn reflected(reflection: &Reflection, data: &mut dyn Write) -> io::Result<()> {
    write!(data, " reflector={} ms net={} ms", PingTime(reflection.reflector), PingTime(reflection.rtt_net))?;
    let Some(one_way) = &reflection.one_way else { return Ok(()) };
    let (there, back) = (Signed(one_way.there as f64), Signed(one_way.back as f64));
    write!(data, " there={there} ms back={back} ms (clocks within {} ms)", PingTime(Rtt::from_nanos(one_way.error)))
}

/// Nanoseconds, maybe negative, as milliseconds with three decimals.
pub(super) struct Signed(pub f64);

impl fmt::Display for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0.0 { "-" } else { "" };
        write!(f, "{sign}{}", Millis::of(self.0.abs()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ping::{Answer, Event, OneWay, Reply};
    use crate::report::fixture::{address, refusal, reply, start, unanswered, written};
    use crate::report::ping::text::PingTextOptions;
    use crate::types::Ttl;

    /// What a series of this method for `example.org` writes behind its header.
    fn lines(method: MethodKind, port: Option<u16>, event: Event) -> String {
        let start = Start { method, port, ..start("example.org", "198.51.100.9") };
        let (data, talk) =
            written(&mut PingText::new(PingTextOptions::default()), &[Event::Start(Box::new(start)), event]);
        assert_eq!(talk, "");
        data.split_once('\n').map(|(_, rest)| rest.to_owned()).expect("a header")
    }

    fn replied(reply: Reply) -> Event {
        Event::Reply(Box::new(reply))
    }

    fn open() -> Reply {
        Reply { state: Some(State::Open), port: Some(443), reply_ttl: None, ident: None, ..reply() }
    }

    #[test]
    fn headers_name_method_and_port() {
        let header = |method, port, payload_octets, target: &str, at: &str| {
            let start = Start { method, port, payload_octets, ..start(target, at) };
            written(&mut PingText::new(PingTextOptions::default()), &[Event::Start(Box::new(start))]).0
        };
        assert_eq!(
            header(MethodKind::Tcp, Some(443), 0, "example.org", "198.51.100.9"),
            "PING example.org (198.51.100.9) TCP port 443.\n"
        );
        assert_eq!(header(MethodKind::Udp, Some(53), 17, "::1", "::1"), "PING ::1 (::1) UDP port 53: 17 data bytes.\n");
        let local =
            Start { method: MethodKind::Unix, address: None, payload_octets: 0, ..start("unix:/run/x", "192.0.2.1") };
        let header = written(&mut PingText::new(PingTextOptions::default()), &[Event::Start(Box::new(local))]).0;
        assert_eq!(header, "PING unix:/run/x local socket.\n");
    }

    #[test]
    fn an_open_port_is_one_line() {
        assert_eq!(
            lines(MethodKind::Tcp, Some(443), replied(open())),
            "from example.org (198.51.100.9):443: tcp_seq=1 state=open time=0.123 ms\n"
        );
        let udp = Reply { port: Some(53), reply_ttl: Some(Ttl::new(57)), ..open() };
        assert_eq!(
            lines(MethodKind::Udp, Some(53), replied(udp)),
            "from example.org (198.51.100.9):53: udp_seq=1 ttl=57 state=open time=0.123 ms\n"
        );
        let v6 = Reply { responder: Some(address("2001:db8::1")), wrong_source: true, ..open() };
        assert_eq!(
            lines(MethodKind::Tcp, Some(443), replied(v6)),
            "from [2001:db8::1]:443: tcp_seq=1 state=open time=0.123 ms (DIFFERENT ADDRESS!)\n"
        );
    }

    #[test]
    fn connect_time_and_answer_time_stand_apart() {
        let answer = Some(Answer { rtt: Rtt::from_nanos(4_560_000), octets: 19 });
        assert!(
            lines(MethodKind::Tcp, Some(443), replied(Reply { answer, ..open() }))
                .ends_with(" state=open time=0.123 ms answer=19 bytes answer_time=4.56 ms\n")
        );
    }

    #[test]
    fn a_repeated_syn_is_told() {
        let again = Reply { syn_retransmits: Some(1), late: true, ..open() };
        assert!(lines(MethodKind::Tcp, Some(443), replied(again)).ends_with(" ms (SYN retransmitted) (late)\n"));
    }

    #[test]
    fn a_reflectors_time_stands_apart_and_one_way_delays_only_with_their_error() {
        let reflection = Reflection {
            sequence: 0,
            reflector: Rtt::from_nanos(23_000),
            rtt_net: Rtt::from_nanos(100_000),
            one_way: Some(OneWay { there: -50_000, back: 150_000, error: 1_000_000 }),
        };
        let told = Reply { state: None, port: Some(862), reflection: Some(Box::new(reflection)), ..open() };
        assert_eq!(
            lines(MethodKind::Stamp, Some(862), replied(told)),
            "from example.org (198.51.100.9):862: stamp_seq=1 time=0.123 ms reflector=0.023 ms net=0.100 ms \
             there=-0.050 ms back=0.150 ms (clocks within 1.00 ms)\n"
        );
    }

    #[test]
    fn a_refusal_has_its_time_and_says_how_an_exchange_failed() {
        let line = |refusal: Refusal| lines(MethodKind::Tcp, Some(443), Event::Refused(Box::new(refusal)));
        assert_eq!(line(refusal()), "from example.org (198.51.100.9):443: tcp_seq=1 state=refused time=1.20 ms\n");
        let failed = |failure| line(Refusal { state: State::Open, failure: Some(failure), ..refusal() });
        assert!(failed(ExchangeFailure::Closed).ends_with(" state=open time=1.20 ms (closed without an answer)\n"));
        assert!(failed(ExchangeFailure::Reset).ends_with(" (reset without an answer)\n"));
        assert!(failed(ExchangeFailure::Unexpected).ends_with(" (unexpected answer)\n"));
        assert!(!line(Refusal { rtt: None, ..refusal() }).contains("time="));
    }

    #[test]
    fn silence_has_a_line_with_its_state() {
        let line = |method, state, rate_limited| {
            lines(method, Some(9), Event::Timeout(Unanswered { state, rate_limited, ..unanswered() }))
        };
        assert_eq!(line(MethodKind::Icmp, State::NoAnswer, false), "");
        assert_eq!(
            line(MethodKind::Tcp, State::Filtered, false),
            "no answer from example.org (198.51.100.9):9: tcp_seq=1 state=filtered\n"
        );
        assert!(line(MethodKind::Udp, State::Closed, true).ends_with(" udp_seq=1 state=closed (rate limited)\n"));
        assert!(line(MethodKind::Stamp, State::NoAnswer, false).ends_with(" stamp_seq=1\n"));
    }
}
