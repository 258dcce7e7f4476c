//! How rping probes each target: from `--tcp`, `--udp`, `--stamp` and the target's own form to a [`Method`] and its lane.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::channel::{CloseHow, Protocol, SocketChoice};
use crate::cli::args::ports::UdpAim;
use crate::cli::error::CliError;
use crate::cli::file;
use crate::cli::notation::{self, DGRAM_PREFIX, Ports, STREAM_PREFIX, Word};
use crate::cli::rping::args::MethodArgs;
use crate::cli::target::{Aim, Lanes};
use crate::engine::{Destination, Target};
use crate::ping::{Ask, Connect, Dns, Exchange, Method, Pace, Session};
use crate::types::{ClockError, Port};

/// Above this many connections a second, closing in order would leave more ports waiting than there are (RFC 9293 §3.6.1).
const MOST_BY_FIN: f64 = 100.0;
/// What fits into a UDP datagram over IPv4.
const MOST_DATAGRAM: usize = 65_507;
/// Where the TCP probes of a comparison go unless `--tcp` says otherwise.
const CONTRAST_PORT: Option<Port> = Port::new(80);

/// Why ICMP targets have no port.
pub const NO_PORTS: &str = "ICMP has no ports";

/// Reads a target as typed; ports may be `refused` for a reason.
///
/// # Errors
/// A sentence.
pub fn read_word<'a>(text: &'a str, refused: Option<&'static str>) -> Result<Word<'a>, String> {
    if notation::is_bare_number(text) {
        return Err(format!("'{text}' is not a target; did you mean --tcp={text}?"));
    }
    let tcp = if refused.is_some() { "--tcp " } else { "" };
    let suggest = |host: &str, port: Port| format!("{tcp}{}", notation::with_port(host, port));
    notation::read(text, &Ports { refused, suggest: &suggest })
}

/// One target as typed, and what it says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TypedTarget<'a> {
    /// A name or address.
    Internet(Aim<'a>),
    /// A local stream socket.
    Stream(&'a str),
    /// A local datagram socket.
    Dgram(&'a str),
}

/// What the options say for all targets together.
#[derive(Debug)]
pub struct Choice {
    method: Method,
    port: Option<Port>,
    exchange: Option<Exchange>,
}

impl Choice {
    /// What was chosen, where the wall clock is off by no more than `clock_error`.
    pub fn of(args: &MethodArgs, clock_error: Option<ClockError>) -> Result<Choice, CliError> {
        let exchange = if args.asks_dns() { None } else { exchange(args)? };
        let connect = Connect { close: CloseHow::Fin, exchange: exchange.clone() };
        let (method, port) = match (&args.tcp, args.udp_aim(), args.stamp) {
            (Some(ports), _, _) => (Method::Tcp(connect), ports.only()),
            (_, Some(aim), _) => (Method::Udp(ask(args, &aim, exchange.clone())?), aim.ports().only()),
            (_, _, Some(port)) => (Method::Stamp(Session { clock_error }), Some(port)),
            (None, None, None) => (Method::Icmp, None),
        };
        Ok(Choice { method, port, exchange })
    }

    /// The TCP probes of a comparison.
    pub fn of_contrast(args: &MethodArgs) -> Choice {
        Choice { method: Method::Tcp(Connect::default()), port: args.tcp_port().or(CONTRAST_PORT), exchange: None }
    }

    /// The probes of a comparison within one method.
    pub fn of_values(args: &MethodArgs, clock_error: Option<ClockError>) -> Result<Choice, CliError> {
        let choice = Choice::of(args, clock_error)?;
        Ok(match args.compares_tcp_ports() {
            true => {
                let connect = Connect { close: CloseHow::Fin, exchange: choice.exchange.clone() };
                Choice { method: Method::Tcp(connect), port: CONTRAST_PORT, ..choice }
            }
            false => choice,
        })
    }

    /// What internet targets are probed over.
    pub fn protocol(&self) -> Protocol {
        match self.method {
            Method::Icmp => Protocol::Icmp,
            Method::Tcp(_) => Protocol::Tcp,
            Method::Udp(_) | Method::Stamp(_) => Protocol::Udp,
            Method::Unix(_) | Method::UnixDgram(_) => Protocol::Unix,
        }
    }

    /// Whether delays are taken from the kernel's stamps. What a STAMP reflector says of its own time is taken out of the delay
    /// as soon as it comes, so that one is the user's.
    pub fn has_kernel_times(&self) -> bool {
        matches!(self.protocol(), Protocol::Icmp | Protocol::Udp) && !matches!(self.method, Method::Stamp(_))
    }

    /// What datagrams ask, if the probes are datagrams.
    pub fn ask(&self) -> Option<&Ask> {
        match &self.method {
            Method::Udp(ask) => Some(ask),
            _ => None,
        }
    }

    /// Takes a target apart.
    pub fn read<'a>(&self, text: &'a str, broadcast: bool) -> Result<TypedTarget<'a>, CliError> {
        if let Some(path) = text.strip_prefix(STREAM_PREFIX) {
            return local(text, path).map(TypedTarget::Stream);
        }
        if let Some(path) = text.strip_prefix(DGRAM_PREFIX) {
            return local(text, path).map(TypedTarget::Dgram);
        }
        let refused = if self.port.is_none() { Some(NO_PORTS) } else { None };
        match read_word(text, refused).map_err(CliError::Refused)? {
            Word::Host(host, port) => {
                Ok(TypedTarget::Internet(Aim { text, host, port: port.or(self.port), broadcast, only: None }))
            }
            Word::Range(range) => Err(CliError::Refused(format!(
                "'{text}' is {} addresses; prefixes and ranges are swept with ICMP, TCP or UDP, and for anything else each address is named",
                range.count()
            ))),
        }
    }

    /// How a target is probed.
    pub fn method(&self, asked: &TypedTarget<'_>, close: CloseHow) -> Method {
        let exchange = self.exchange.clone();
        match (asked, &self.method) {
            (TypedTarget::Stream(_), _) => Method::Unix(Connect { exchange, ..Connect::default() }),
            (TypedTarget::Dgram(_), _) => Method::UnixDgram(exchange.map_or(Ask::Tagged, Ask::Data)),
            (TypedTarget::Internet(_), Method::Tcp(connect)) => Method::Tcp(Connect { close, ..connect.clone() }),
            (TypedTarget::Internet(_), method) => method.clone(),
        }
    }
}

impl<'a> TypedTarget<'a> {
    /// The name or address to look up, if it has one.
    pub const fn host(&self) -> Option<&'a str> {
        match self {
            TypedTarget::Internet(aim) => Some(aim.host),
            TypedTarget::Stream(_) | TypedTarget::Dgram(_) => None,
        }
    }

    /// A local socket as a target.
    pub fn local(&self, lanes: &Lanes) -> (Target, Option<CliError>) {
        let (text, path) = match *self {
            TypedTarget::Internet(Aim { text, .. }) => (text.to_owned(), None),
            TypedTarget::Stream(path) => (format!("{STREAM_PREFIX}{path}"), Some(path)),
            TypedTarget::Dgram(path) => (format!("{DGRAM_PREFIX}{path}"), Some(path)),
        };
        let lane = lanes.first();
        let destination = match lane.zip(path) {
            Some((lane, path)) => Destination::Local {
                path: Arc::from(Path::new(path)),
                lane: lane.id,
                profile: Arc::clone(&lane.profile),
            },
            None => Destination::Unresolved,
        };
        let error = lanes.refusal().filter(|_| lane.is_none()).map(|refused| CliError::NoLane(refused.clone()));
        let text: Box<str> = text.into();
        (Target { zone: None, target: text.clone(), name: text, numeric: true, destination }, error)
    }

    /// Which sockets serve a local one.
    pub const fn socket_choice(&self) -> Option<SocketChoice> {
        match self {
            TypedTarget::Internet(_) => None,
            TypedTarget::Stream(_) => Some(SocketChoice::Auto),
            TypedTarget::Dgram(_) => Some(SocketChoice::Dgram),
        }
    }
}

/// How connections are closed, and whether that is for their number alone.
pub fn close_how(args: &MethodArgs, pace: Pace, rate: Option<f64>, targets: usize) -> (CloseHow, bool) {
    if let Some(how) = args.tcp_close {
        return (how, false);
    }
    let per_second = match pace {
        Pace::Fixed(interval) if interval > Duration::ZERO => targets as f64 / interval.as_secs_f64(),
        Pace::Fixed(_) | Pace::Adaptive { .. } | Pace::Flood | Pace::Unpaced | Pace::Called => f64::INFINITY,
    };
    let per_second = rate.map_or(per_second, |rate| per_second.min(rate));
    let many = per_second > MOST_BY_FIN;
    // A port that was closed in order cannot be used again for a while (TIME-WAIT).
    let how = if many || args.sport.is_some() { CloseHow::Reset } else { CloseHow::Fin };
    (how, many)
}

fn local<'a>(text: &str, path: &'a str) -> Result<&'a str, CliError> {
    if path.is_empty() { Err(CliError::Refused(format!("'{text}': a path is missing"))) } else { Ok(path) }
}

/// The largest file of --data.
const DATA_BYTES: u64 = 1 << 20;

fn exchange(args: &MethodArgs) -> Result<Option<Exchange>, CliError> {
    if args.data.is_none() && args.expect.is_none() {
        return Ok(None);
    }
    let data: Arc<[u8]> = match args.data.as_deref() {
        None => Arc::default(),
        Some(text) => match text.strip_prefix('@') {
            None => text.as_bytes().into(),
            Some(path) => file::read("--data", Path::new(path), DATA_BYTES)?.into(),
        },
    };
    Ok(Some(Exchange { data, expect: args.expect.as_deref().map(|text| text.as_bytes().into()) }))
}

/// The question to a name server, and the code that its answer must have.
fn dns(args: &MethodArgs) -> Result<Dns, CliError> {
    let code = |text: &str| text.strip_prefix("rcode=").and_then(|code| code.parse().ok());
    let refused = |text: &str| {
        CliError::Refused(format!(
            "--expect <TEXT>: invalid value '{text}': with --udp=dns it is rcode= and NOERROR, NXDOMAIN, REFUSED … or 0 to 15"
        ))
    };
    let expect = args.expect.as_deref().map(|text| code(text).ok_or_else(|| refused(text))).transpose()?;
    Ok(Dns { question: args.dns.clone().unwrap_or_default(), expect })
}

/// What a UDP probe carries.
pub fn ask(args: &MethodArgs, aim: &UdpAim, exchange: Option<Exchange>) -> Result<Ask, CliError> {
    match (aim, exchange) {
        _ if args.asks_dns() => dns(args).map(Ask::Dns),
        (UdpAim::Ports(_), None) => Ok(Ask::Tagged),
        (UdpAim::Ports(_), Some(exchange)) if exchange.data.len() > MOST_DATAGRAM => {
            let octets = exchange.data.len();
            Err(CliError::Refused(format!("--data: {octets} octets; a datagram holds at most {MOST_DATAGRAM}")))
        }
        (UdpAim::Ports(_), Some(exchange)) => Ok(Ask::Data(exchange)),
        (UdpAim::Service(service, _), None) => Ok(service.ask()),
        (UdpAim::Service(service, _), Some(_)) => Err(CliError::Refused(format!(
            "--data and --expect cannot be used together with --udp={}, which asks its own question",
            service.name()
        ))),
    }
}
