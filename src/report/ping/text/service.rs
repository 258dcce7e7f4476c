//! Lines about probes of services: TCP, UDP, local sockets, STAMP. ICMP's are ping's own.

use std::io::{self, Write};
use std::net::IpAddr;

use crate::engine::outcome::{Detail, ExchangeFailure, MethodKind, ProbeEvent, Refusal, Reply, Silence, Subject};
use crate::report::escape;
use crate::report::ping::entries::Shown;
use crate::report::ping::text::PingText;
use crate::report::ping::text::lines::ProbeNumber;
use crate::report::ping::text::peer::Endpoint;
use crate::report::words::number::PingTime;

/// The meaning of a silent UDP port: a hundred percent lost would be misread without it.
pub(super) const SILENCE: &str =
    "no answer over UDP means open, filtered or ignored: it is no loss of the path (--contrast compares)";

impl PingText {
    /// A line for an answer that is not ICMP's.
    pub(super) fn service_reply(&self, event: &ProbeEvent, reply: &Reply, data: &mut dyn Write) -> io::Result<()> {
        self.stamp(event.at, data)?;
        let from = self.endpoint(&event.subject, event.responder, event.responder_port);
        write!(data, "from {from}: {}", ProbeNumber(event))?;
        if let Some(ttl) = event.reply_ttl {
            write!(data, " ttl={}", ttl.get())?;
        }
        if let Some(state) = reply.detail.state() {
            write!(data, " state={}", state.name())?;
        }
        detail_and_time(event, data)?;
        self.marks(event, reply, data)?;
        if reply.payload_changed.is_some() {
            data.write_all(b" (payload changed)")?;
        }
        self.bell(data)?;
        writeln!(data)
    }

    /// A line for a host that answered where the service did not.
    pub(super) fn refused(&self, event: &ProbeEvent, refusal: &Refusal, data: &mut dyn Write) -> io::Result<()> {
        self.stamp(event.at, data)?;
        let from = self.endpoint(&event.subject, event.responder, event.subject.port);
        write!(data, "from {from}: {} state={}", ProbeNumber(event), refusal.state().name())?;
        detail_and_time(event, data)?;
        exchange(refusal.failure(), event, data)?;
        let standing = event.standing;
        for (_, mark) in [(standing.is_duplicate(), " (DUP!)"), (standing.is_late(), " (late)")]
            .iter()
            .filter(|(applies, _)| *applies)
        {
            data.write_all(mark.as_bytes())?;
        }
        writeln!(data)
    }

    /// A line for silence. ping has none: with ICMP it means nothing more than that nothing came.
    pub(super) fn silence(&self, event: &ProbeEvent, silence: &Silence, data: &mut dyn Write) -> io::Result<()> {
        let subject = &*event.subject;
        if subject.method == MethodKind::Icmp {
            return Ok(());
        }
        self.stamp(event.at, data)?;
        let from = self.endpoint(subject, subject.address, subject.port);
        write!(data, "no answer from {from}: {}", ProbeNumber(event))?;
        if subject.method.has_state() || *silence != Silence::NoAnswer {
            write!(data, " state={}", silence.state().name())?;
        }
        if *silence == Silence::RateLimited {
            data.write_all(b" (rate limited)")?;
        }
        detail_and_time(event, data)?;
        exchange(silence.failure(), event, data)?;
        writeln!(data)
    }

    /// An address with its port, or the name of a local socket.
    pub(super) fn endpoint<'a>(
        &'a self,
        subject: &'a Subject,
        address: Option<IpAddr>,
        port: Option<u16>,
    ) -> Endpoint<'a> {
        let mut peer = address.map(|address| self.peer(subject, address));
        // A target that is an address is shown once, also where there are several.
        if let Some(peer) = peer.as_mut().filter(|_| subject.numeric && port.is_some()) {
            peer.name.take_if(|name| **name == *escape(&subject.name));
        }
        Endpoint { name: escape(&subject.name), peer, port }
    }
}

/// What the service states, the time, and what else was measured.
fn detail_and_time(event: &ProbeEvent, data: &mut dyn Write) -> io::Result<()> {
    let entries = event.outcome.detail().map_or_else(Vec::new, Detail::entries);
    write!(data, "{}", Shown { entries: &entries, measured: false })?;
    if let Some(rtt) = event.rtt() {
        write!(data, " time={} ms", PingTime(rtt))?;
    }
    write!(data, "{}", Shown { entries: &entries, measured: true })
}

/// How an exchange failed, where no entry of the answer shows it.
fn exchange(failure: Option<ExchangeFailure>, event: &ProbeEvent, data: &mut dyn Write) -> io::Result<()> {
    let mark: &[u8] = match failure {
        _ if matches!(event.outcome.detail(), Some(Detail::Beginning(_))) => return Ok(()),
        None => return Ok(()),
        Some(ExchangeFailure::Unexpected) => b" (unexpected answer)",
        Some(ExchangeFailure::Closed) => b" (closed without an answer)",
        Some(ExchangeFailure::Reset) => b" (reset without an answer)",
        Some(ExchangeFailure::Silence) => b" (silent)",
        Some(ExchangeFailure::Empty) => b" (empty datagram)",
        Some(ExchangeFailure::Echo) => b" (question sent back)",
        Some(ExchangeFailure::OtherId) => b" (answer with another id)",
        Some(ExchangeFailure::OtherQuestion) => b" (answer to another question)",
        Some(ExchangeFailure::Malformed) => b" (malformed answer)",
    };
    data.write_all(mark)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::outcome::Reflection;
    use crate::engine::outcome::{ExchangeReply, OneWay, Standing};
    use crate::report::fixture::{address, began, of, refused, reply_with, subject, unanswered, written};
    use crate::report::ping::text::PingTextOptions;
    use crate::types::Rtt;
    use crate::types::Ttl;

    /// The line about an event of this method for `example.org`.
    fn line(method: MethodKind, port: Option<u16>, event: ProbeEvent) -> String {
        let subject = Subject { method, port, ..subject("example.org", "198.51.100.9") };
        let (data, talk) = written(&mut PingText::new(PingTextOptions::default()), &[of(&subject, event)]);
        assert_eq!(talk, "");
        data
    }

    fn replied(port: u16, change: impl FnOnce(&mut Reply)) -> ProbeEvent {
        ProbeEvent { responder_port: Some(port), reply_ttl: None, ..reply_with(change) }
    }

    fn connected(syn_retransmits: Option<u32>, exchange: Option<ExchangeReply>) -> ProbeEvent {
        replied(443, |reply| reply.detail = Detail::Connect { syn_retransmits, exchange })
    }

    #[test]
    fn headers_name_method_and_port() {
        let written = |subject| written(&mut PingText::new(PingTextOptions::default()), &[began(subject)]).0;
        let header = |method, port, payload_octets, target: &str, at: &str| {
            written(Subject { method, port, payload_octets, ..subject(target, at) })
        };
        assert_eq!(
            header(MethodKind::Tcp, Some(443), 0, "example.org", "198.51.100.9"),
            "PING example.org (198.51.100.9) TCP port 443.\n"
        );
        assert_eq!(header(MethodKind::Udp, Some(53), 17, "::1", "::1"), "PING ::1 (::1) UDP port 53: 17 data bytes.\n");
        let unix = subject("unix:/run/x", "192.0.2.1");
        let header = written(Subject { method: MethodKind::Unix, address: None, payload_octets: 0, ..unix });
        assert_eq!(header, "PING unix:/run/x local socket.\n");
    }

    #[test]
    fn an_open_port_is_one_line() {
        assert_eq!(
            line(MethodKind::Tcp, Some(443), connected(Some(0), None)),
            "from example.org (198.51.100.9):443: tcp_seq=1 state=open time=0.123 ms\n"
        );
        let udp = replied(53, |reply| reply.detail = Detail::Datagram);
        assert_eq!(
            line(MethodKind::Udp, Some(53), ProbeEvent { reply_ttl: Some(Ttl::new(57)), ..udp }),
            "from example.org (198.51.100.9):53: udp_seq=1 ttl=57 state=open time=0.123 ms\n"
        );
        let elsewhere = replied(443, |reply| {
            reply.wrong_source = true;
            reply.detail = Detail::Connect { syn_retransmits: Some(0), exchange: None };
        });
        assert_eq!(
            line(MethodKind::Tcp, Some(443), ProbeEvent { responder: Some(address("2001:db8::1")), ..elsewhere }),
            "from [2001:db8::1]:443: tcp_seq=1 state=open time=0.123 ms (DIFFERENT ADDRESS!)\n"
        );
    }

    #[test]
    fn connect_time_and_answer_time_stand_apart() {
        let exchange = Some(ExchangeReply { rtt: Rtt::from_nanos(4_560_000), octets: 19 });
        assert!(
            line(MethodKind::Tcp, Some(443), connected(Some(0), exchange))
                .ends_with(" state=open time=0.123 ms answer=19 bytes answer_time=4.56 ms\n")
        );
    }

    #[test]
    fn a_repeated_syn_is_marked() {
        let again = ProbeEvent { standing: Standing::Late, ..connected(Some(1), None) };
        assert!(line(MethodKind::Tcp, Some(443), again).ends_with(" ms (SYN retransmitted) (late)\n"));
    }

    #[test]
    fn a_reflectors_time_stands_apart_and_one_way_delays_only_with_their_error() {
        let reflection = Reflection {
            sequence: 0,
            reflector: Rtt::from_nanos(23_000),
            rtt_net: Rtt::from_nanos(100_000),
            one_way: Some(OneWay { there: -50_000, back: 150_000, error: 1_000_000 }),
        };
        let reflected = replied(862, |reply| reply.detail = Detail::Stamp(Box::new(reflection)));
        assert_eq!(
            line(MethodKind::Stamp, Some(862), reflected),
            "from example.org (198.51.100.9):862: stamp_seq=1 time=0.123 ms reflector=0.023 ms net=0.100 ms \
             there=-0.050 ms back=0.150 ms (clocks within 1.00 ms)\n"
        );
    }

    #[test]
    fn a_refusal_has_its_time_and_how_an_exchange_failed() {
        let line = |event| line(MethodKind::Tcp, Some(443), event);
        let refusal = "from example.org (198.51.100.9):443: tcp_seq=1 state=refused time=1.20 ms\n";
        assert_eq!(line(refused(Refusal::Reset)), refusal);
        let failed = |failure| line(refused(Refusal::Exchange(failure)));
        assert!(failed(ExchangeFailure::Closed).ends_with(" state=open time=1.20 ms (closed without an answer)\n"));
        assert!(failed(ExchangeFailure::Reset).ends_with(" (reset without an answer)\n"));
        assert!(failed(ExchangeFailure::Unexpected).ends_with(" (unexpected answer)\n"));
        assert!(!line(ProbeEvent { delay: None, ..refused(Refusal::Reset) }).contains("time="));
    }

    #[test]
    fn an_answer_that_was_not_expected_is_shown() {
        let line = |event| line(MethodKind::Tcp, Some(25), event);
        let came = |octets: &[u8]| Detail::Beginning(octets.into());
        let greeted = line(refused(Refusal::Unexpected(came(b"220 \x1bmail\r\n"))));
        assert!(
            greeted.ends_with(" state=open time=1.20 ms (unexpected answer \"220 \\x1bmail\\r\\n\")\n"),
            "{greeted}"
        );
        let long = line(refused(Refusal::Unexpected(came(&[b'a'; 61]))));
        let shown = format!(" tcp_seq=1 state=open time=1.20 ms (unexpected answer \"{}\"…)\n", "a".repeat(60));
        assert!(long.starts_with("from ") && long.ends_with(&shown), "{long}");
    }

    #[test]
    fn silence_has_a_line_with_its_state() {
        let line = |method, silence| line(method, Some(9), unanswered(silence));
        assert_eq!(line(MethodKind::Icmp, Silence::NoAnswer), "");
        assert_eq!(
            line(MethodKind::Tcp, Silence::Filtered),
            "no answer from example.org (198.51.100.9):9: tcp_seq=1 state=filtered\n"
        );
        assert!(line(MethodKind::Udp, Silence::RateLimited).ends_with(" udp_seq=1 state=closed (rate limited)\n"));
        assert!(line(MethodKind::Stamp, Silence::NoAnswer).ends_with(" stamp_seq=1\n"));
    }
}
