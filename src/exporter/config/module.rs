//! How a target is probed: [`Module`].

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use super::schema;
use crate::channel::{CloseHow, Header, Protocol};
use crate::engine::outcome::{MethodKind, Payload};
use crate::ping::{Ask, Connect, Exchange, Method, Pace, Service, Session, Spec, Wait};
use crate::types::{ClockError, Dscp, Family, Tos, Ttl};
use crate::wire::payload::Fill;

/// Octets of payload unless something else is asked for, as ping has.
pub const USUAL_PAYLOAD: usize = 56;
/// Octets of payload in `/probe`, as blackbox_exporter sends them.
const PROBE_PAYLOAD: usize = 28;
/// The largest payload that fits into an IPv4 packet with the header of ICMP or UDP.
pub const MOST_PAYLOAD: usize = 65_507;
/// The time from one probe of a measurement to the next, and the shortest.
const INTERVAL: Duration = Duration::from_secs(1);
pub const SHORTEST_INTERVAL: Duration = Duration::from_millis(10);

/// The highest TTL of a path, and probes of each hop in a measurement.
const MAX_TTL: u8 = 30;
const TRACE_COUNT: u32 = 3;
/// The port of a path over TCP, as in rtrace.
const TRACE_PORT: u16 = 80;
/// From one probe of a hop to the next, and the shortest time, where a path is followed.
pub const TRACE_INTERVAL: Duration = Duration::from_secs(10);
pub const SHORTEST_TRACE_INTERVAL: Duration = Duration::from_secs(1);

/// A way to probe.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Module {
    pub name: Box<str>,
    pub prober: Prober,
    /// How long a whole measurement may take; zero leaves that to the scraper.
    pub timeout: Duration,
    /// The family to prefer.
    pub prefer: Family,
    /// Whether the other will do.
    pub fallback: bool,
    pub source: Option<IpAddr>,
    pub interface: Option<NonZeroU32>,
    /// The firewall mark, of which there are sockets if a module has it at the start.
    pub mark: Option<u32>,
    pub ttl: Option<Ttl>,
    pub tos: Option<Tos>,
    /// Octets of payload, where the file says.
    pub payload: Option<usize>,
    /// Whether DF is set.
    pub whole: bool,
    /// Probes of a measurement.
    pub count: u32,
    /// The time from one to the next.
    pub interval: Duration,
    /// As many replies make it a success.
    pub min_replies: u32,
}

/// What is probed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Prober {
    Icmp,
    Tcp(Option<Talk>),
    Udp(Question),
    Stamp,
    Trace(PathProbes),
}

/// How a path is probed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PathProbes {
    pub protocol: Protocol,
    pub max_ttl: Ttl,
    /// The number of the flow: which of several balanced paths, as in rtrace.
    pub flow: u32,
    /// Whether it is searched how large packets may be.
    pub mtu: bool,
}

/// What is sent and expected.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Talk {
    pub send: Arc<[u8]>,
    pub expect: Option<Arc<[u8]>>,
}

/// What a UDP probe asks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Question {
    Service(Service),
    Talk(Talk),
}

impl Default for Module {
    /// ICMP echo.
    fn default() -> Self {
        Module {
            name: "icmp".into(),
            prober: Prober::Icmp,
            timeout: Duration::ZERO,
            prefer: Family::V6,
            fallback: true,
            source: None,
            interface: None,
            mark: None,
            ttl: None,
            tos: None,
            payload: None,
            whole: false,
            count: 1,
            interval: INTERVAL,
            min_replies: 1,
        }
    }
}

/// Why a module is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotOffered {
    /// It probes in a way that this program does not: it is left out, with a line in the log.
    Skipped(String),
    /// A value is wrong.
    Wrong(String),
}

impl Module {
    /// The module of this name that a file describes; `interface` finds interfaces.
    ///
    /// # Errors
    /// If it is not offered.
    pub fn read(
        name: &str,
        from: &schema::Module,
        interface: impl Fn(&str) -> Option<NonZeroU32>,
    ) -> Result<Module, NotOffered> {
        let (common, prober, payload, whole) = match &*from.prober {
            "icmp" => (from.icmp.common(), Prober::Icmp, from.icmp.payload_size, from.icmp.dont_fragment),
            "tcp" => (from.tcp.common(), Prober::Tcp(talk(&from.tcp)?), None, false),
            "udp" => (from.udp.common(), Prober::Udp(question(&from.udp)?), from.udp.payload_size, false),
            "stamp" => (from.stamp.common(), Prober::Stamp, None, false),
            "trace" => (from.trace.common(), Prober::Trace(path(&from.trace)?), None, false),
            other => return Err(NotOffered::Skipped(format!("prober {other} is not offered"))),
        };
        let wrong = NotOffered::Wrong;
        let prefer = match common.preferred_ip_protocol.as_deref() {
            None | Some("ip6" | "") => Family::V6,
            Some("ip4") => Family::V4,
            Some(other) => return Err(wrong(format!("preferred_ip_protocol '{other}' is neither ip4 nor ip6"))),
        };
        let dscp = |text: &str| {
            let number = || text.parse().ok().and_then(Dscp::new);
            let named = Dscp::from_name(text).or_else(number);
            named.ok_or_else(|| wrong(format!("dscp '{text}' is no codepoint, as ef, af41 or 0 to 63")))
        };
        let interface = |text: &str| interface(text).ok_or_else(|| wrong(format!("interface '{text}' is not there")));
        if let Some(size) = payload.filter(|&size| size > MOST_PAYLOAD) {
            return Err(wrong(format!("payload_size {size} is more than {MOST_PAYLOAD}")));
        }
        let interval = common.interval.map_or(INTERVAL, |time| time.0);
        let count = common.count.unwrap_or(if matches!(prober, Prober::Trace(_)) { TRACE_COUNT } else { 1 });
        let min_replies = common.min_replies.unwrap_or(1);
        if interval < SHORTEST_INTERVAL {
            return Err(wrong("interval is less than 10ms".to_owned()));
        }
        if common.mark.is_some() && matches!(prober, Prober::Tcp(_)) {
            return Err(wrong("connections have no mark".to_owned()));
        }
        if count == 0 || min_replies == 0 || min_replies > count {
            return Err(wrong("count is at least 1, and min_replies from 1 to count".to_owned()));
        }
        Ok(Module {
            name: name.into(),
            prober,
            timeout: from.timeout.map_or(Duration::ZERO, |time| time.0),
            prefer,
            fallback: common.ip_protocol_fallback.unwrap_or(true),
            source: common.source_ip_address,
            interface: common.interface.as_deref().map(interface).transpose()?,
            mark: common.mark,
            ttl: common.ttl.filter(|&ttl| ttl > 0).map(Ttl::new),
            tos: common.dscp.as_deref().map(dscp).transpose()?.map(Dscp::tos),
            payload,
            whole,
            count,
            interval,
            min_replies,
        })
    }

    /// The family that probes must have: that of the source, or the only one that will do.
    pub fn forced(&self) -> Option<Family> {
        self.source.map(Family::of).or((!self.fallback).then_some(self.prefer))
    }

    /// The name of the prober.
    pub const fn kind(&self) -> &'static str {
        match self.prober {
            Prober::Icmp => MethodKind::Icmp.name(),
            Prober::Tcp(_) => MethodKind::Tcp.name(),
            Prober::Udp(_) => MethodKind::Udp.name(),
            Prober::Stamp => MethodKind::Stamp.name(),
            Prober::Trace(_) => "trace",
        }
    }

    /// How a path is probed, where that is what is asked for.
    pub const fn path(&self) -> Option<PathProbes> {
        if let Prober::Trace(path) = self.prober { Some(path) } else { None }
    }

    /// The protocol of its lanes.
    pub const fn protocol(&self) -> Protocol {
        match self.prober {
            Prober::Icmp => Protocol::Icmp,
            Prober::Tcp(_) => Protocol::Tcp,
            Prober::Udp(_) | Prober::Stamp => Protocol::Udp,
            Prober::Trace(path) => path.protocol,
        }
    }

    /// The port that is meant where none is named.
    pub const fn port(&self) -> Option<u16> {
        match &self.prober {
            Prober::Udp(Question::Service(service)) => Some(service.port()),
            Prober::Stamp => Some(862),
            Prober::Trace(path) if path.has_port() => Some(TRACE_PORT),
            Prober::Icmp | Prober::Tcp(_) | Prober::Udp(Question::Talk(_)) | Prober::Trace(_) => None,
        }
    }

    /// The method, for probes of which one leaves each `interval`, where the wall clock is off by no more than `clock_error`.
    pub fn method(&self, interval: Duration, clock_error: Option<ClockError>) -> Method {
        let exchange = |talk: &Talk| Exchange { data: Arc::clone(&talk.send), expect: talk.expect.clone() };
        match &self.prober {
            // No path is probed this way.
            Prober::Icmp | Prober::Trace(_) => Method::Icmp,
            Prober::Tcp(talk) => {
                // A port that was closed in order cannot be used again for a while (TIME-WAIT).
                let close = if interval < Duration::from_secs(1) { CloseHow::Reset } else { CloseHow::Fin };
                Method::Tcp(Connect { close, exchange: talk.as_ref().map(exchange) })
            }
            Prober::Udp(Question::Service(service)) => Method::Udp(service.ask()),
            Prober::Udp(Question::Talk(talk)) => Method::Udp(Ask::Data(exchange(talk))),
            Prober::Stamp => Method::Stamp(Session { clock_error }),
        }
    }

    /// Pace, wait, header and payload, for probes with `size` octets if the module does not say.
    pub fn spec(&self, interval: Duration, timeout: Duration, size: Option<usize>) -> Spec {
        let header =
            Header { from: self.source, ifindex: self.interface, ttl: self.ttl, tos: self.tos, ..Header::default() };
        let octets = size.or(self.payload).unwrap_or(PROBE_PAYLOAD);
        Spec {
            pace: Pace::Fixed(interval),
            wait: Wait::Exactly(timeout),
            header,
            payload: Payload { octets, fill: Fill::Counting },
        }
    }
}

/// How a path is probed.
fn path(from: &schema::Trace) -> Result<PathProbes, NotOffered> {
    let wrong = |why: &str| Err(NotOffered::Wrong(why.to_owned()));
    let of_packets = from.ttl.is_some() || from.dscp.is_some() || from.mark.is_some();
    if of_packets || from.interface.is_some() || from.source_ip_address.is_some() {
        return wrong("a trace has no ttl, dscp, mark, interface or source_ip_address");
    }
    PathProbes::read(from.method.as_deref(), from.max_ttl, (from.flow, from.mtu)).map_err(NotOffered::Wrong)
}

impl PathProbes {
    /// Whether it leads to a port: all its probes go there. Those over UDP count ports up.
    pub const fn has_port(self) -> bool {
        matches!(self.protocol, Protocol::Tcp)
    }

    /// These settings, or the usual ones.
    ///
    /// # Errors
    /// A sentence.
    pub fn read(method: Option<&str>, max_ttl: Option<u8>, (flow, mtu): (u32, bool)) -> Result<PathProbes, String> {
        let protocol = match method {
            None | Some("icmp") => Protocol::Icmp,
            Some("udp") => Protocol::Udp,
            Some("tcp") => Protocol::Tcp,
            Some(other) => return Err(format!("method '{other}' of a trace is none of icmp, udp, tcp")),
        };
        match max_ttl.unwrap_or(MAX_TTL) {
            0 => Err("max_ttl is at least 1".to_owned()),
            ttl => Ok(PathProbes { protocol, max_ttl: Ttl::new(ttl), flow, mtu }),
        }
    }
}

/// What a conversation sends and expects, if it is one that is offered: a text that must come, or one that is sent and one that must
/// come then. What the other side is sent after that no longer matters.
fn talk(from: &schema::Tcp) -> Result<Option<Talk>, NotOffered> {
    let skipped = |why: &str| Err(NotOffered::Skipped(why.to_owned()));
    if from.tls {
        return skipped("tls is not offered");
    }
    let steps = &from.query_response;
    if steps.iter().any(|step| step.starttls) {
        return skipped("starttls is not offered");
    }
    let expected = |text: &str| match literal(text) {
        Some(text) => Ok(Some(text.into_bytes().into())),
        None => Err(NotOffered::Skipped(format!("expect '{text}' is no plain text, and others are not offered"))),
    };
    let sent = |text: &str| Arc::from(format!("{text}\n").into_bytes());
    match steps.as_slice() {
        [] => Ok(None),
        [first, rest @ ..] if first.expect.is_some() && rest.iter().all(|step| step.expect.is_none()) => {
            let expect = first.expect.as_deref().map_or(Ok(None), expected)?;
            Ok(Some(Talk { send: Arc::default(), expect }))
        }
        [first, second] if first.expect.is_none() && second.send.is_none() => {
            let send = first.send.as_deref().map_or_else(Arc::default, sent);
            let expect = second.expect.as_deref().map_or(Ok(None), expected)?;
            Ok(Some(Talk { send, expect }))
        }
        [only] => {
            Ok(Some(Talk { send: only.send.as_deref().map_or_else(Arc::default, sent), expect: Some(Arc::default()) }))
        }
        _ => skipped("query_response of several questions is not offered"),
    }
}

/// The text that this regular expression matches, if that is one: without anchors, and with dots taken for dots.
fn literal(expression: &str) -> Option<String> {
    let inner = expression.strip_prefix('^').unwrap_or(expression);
    let mut text = String::new();
    let mut signs = inner.chars();
    while let Some(sign) = signs.next() {
        match sign {
            '\\' => match signs.next()? {
                escaped if escaped.is_ascii_punctuation() => text.push(escaped),
                _ => return None,
            },
            // "^+OK" is what blackbox_exporter's own example has: a repetition of nothing, which stands for itself.
            '+' if text.is_empty() => text.push('+'),
            '^' | '$' | '*' | '+' | '?' | '(' | ')' | '[' | ']' | '{' | '}' | '|' => return None,
            sign => text.push(sign),
        }
    }
    Some(text)
}

fn question(from: &schema::Udp) -> Result<Question, NotOffered> {
    match (&from.service, &from.send) {
        (Some(_), Some(_)) => Err(NotOffered::Wrong("service and send cannot be used together".to_owned())),
        (Some(name), None) => {
            let names = || Service::all().map(Service::name).collect::<Vec<_>>().join(", ");
            let service = Service::all().find(|service| service.name() == name);
            service
                .map(Question::Service)
                .ok_or_else(|| NotOffered::Wrong(format!("service '{name}' is none of {}", names())))
        }
        (None, None) => Ok(Question::Service(Service::Echo)),
        (None, Some(send)) => Ok(Question::Talk(Talk {
            send: send.as_bytes().into(),
            expect: from.expect.as_ref().map(|text| text.as_bytes().into()),
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(steps: &[(Option<&str>, Option<&str>)]) -> Result<Option<Talk>, NotOffered> {
        let step = |&(expect, send): &(Option<&str>, Option<&str>)| schema::Step {
            expect: expect.map(Into::into),
            send: send.map(Into::into),
            ..schema::Step::default()
        };
        talk(&schema::Tcp { query_response: steps.iter().map(step).collect(), ..schema::Tcp::default() })
    }

    #[test]
    fn a_banner_is_expected_whatever_is_said_then() {
        let expected = Talk { send: Arc::default(), expect: Some(b"SSH-2.0-".as_slice().into()) };
        assert_eq!(tcp(&[(Some("^SSH-2.0-"), None), (None, Some("hello"))]), Ok(Some(expected)));
    }

    #[test]
    fn a_question_ends_its_line() {
        let expected = Talk { send: b"PING\n".as_slice().into(), expect: Some(b"PONG".as_slice().into()) };
        assert_eq!(tcp(&[(None, Some("PING")), (Some("PONG"), None)]), Ok(Some(expected)));
    }

    #[test]
    fn conversations_and_expressions_are_not_offered() {
        let irc = [(None, Some("NICK a")), (Some("PING :([^ ]+)"), Some("PONG ${1}")), (Some("^:[^ ]+ 001"), None)];
        assert!(matches!(tcp(&irc), Err(NotOffered::Skipped(_))));
        assert!(matches!(tcp(&[(Some("^2[0-9]{2}"), None)]), Err(NotOffered::Skipped(_))));
    }

    #[test]
    fn plain_texts_are_read_from_expressions() {
        for (expression, text) in [("^+OK", Some("+OK")), ("a\\.b", Some("a.b")), ("a|b", None), ("a\\d", None)] {
            assert_eq!(literal(expression).as_deref(), text, "{expression}");
        }
    }
}
