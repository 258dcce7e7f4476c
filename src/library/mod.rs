//! Pings and traces in a few lines of other programs: [`ping`] and [`trace`].

mod place;

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use crate::channel::{ChannelError, LaneRefused, OsError, Precision, Protocol, ResolveError};
use crate::driver::{self, Next, Turn};
use crate::engine::Machine;
use crate::engine::outcome::{Reachable, Spec, Status};
use crate::net::{self, Process};
use crate::ping::{self, Connect, Method, Pace, Ping, Task, Wait};
use crate::trace::{self, Ports, Tracer};
use crate::types::{Family, Port, Ttl};

use place::{Placed, place};

/// Why nothing was probed, or a run could not go on.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The target has no address, or none of the family.
    Unresolved(ResolveError),
    /// No socket of the kind is allowed here.
    NoSocket(LaneRefused),
    /// No route leads to the target.
    NoRoute(OsError),
    /// The kernel refused what every run needs.
    Kernel(ChannelError),
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Error::Unresolved(error) => f.write_str(&error.message),
            Error::NoSocket(refused) => match refused.attempts.last() {
                Some(attempt) => write!(f, "{}: {}", attempt.call, attempt.error),
                None => f.write_str("no socket"),
            },
            Error::NoRoute(error) => write!(f, "no route: {error}"),
            Error::Kernel(error) => write!(f, "{}: {}", error.call, error.error),
        }
    }
}

impl std::error::Error for Error {}

/// What a ping and a trace have in common.
#[derive(Clone, Debug)]
struct Request {
    target: String,
    family: Option<Family>,
    protocol: Protocol,
    port: Option<Port>,
    process: Process,
}

impl Request {
    fn new(target: &str) -> Self {
        let process = Process { drop_privileges: false, take_signals: false };
        Request { target: target.to_owned(), family: None, protocol: Protocol::Icmp, port: None, process }
    }
}

/// Pings `target`, a name or an address: ICMP echo each second, without end, unless the [`PingRequest`] is changed.
///
/// ```
/// use std::time::Duration;
///
/// use netprobe::{PingEvent, Status};
///
/// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// let port = listener.local_addr()?.port();
/// let mut delays = Vec::new();
/// let status = netprobe::ping("127.0.0.1").tcp(port).count(3).interval(Duration::from_millis(10)).run(|event| {
///     if let PingEvent::Probe(probe) = event {
///         delays.extend(probe.rtt());
///     }
/// })?;
/// assert_eq!(status, Status::Answered);
/// assert_eq!(delays.len(), 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn ping(target: &str) -> PingRequest {
    PingRequest { request: Request::new(target), count: None, deadline: None, spec: Spec::default() }
}

/// A ping that has not begun: see [`ping()`].
#[derive(Clone, Debug)]
#[must_use]
pub struct PingRequest {
    request: Request,
    count: Option<NonZeroU64>,
    deadline: Option<Duration>,
    spec: Spec,
}

impl PingRequest {
    /// Ends after this many probes; 0 is without end.
    pub fn count(mut self, count: u64) -> Self {
        self.count = NonZeroU64::new(count);
        self
    }

    /// The time from one probe to the next.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.spec.pace = Pace::Fixed(interval);
        self
    }

    /// How long each probe is waited for, instead of the default that [`Wait::Default`] describes.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.spec.wait = Wait::Exactly(timeout);
        self
    }

    /// Ends the run after this time; with a count, it goes on until that many probes are answered or the time is over.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Runs it on this thread, and hands over each event as it happens.
    ///
    /// # Errors
    /// If nothing can be probed, or the kernel refuses what the run needs.
    pub fn run(self, mut event: impl FnMut(&ping::Event)) -> Result<Status, Error> {
        let Placed { mut opened, target } = place(&self.request)?;
        let method = match self.request.protocol {
            Protocol::Tcp => Method::Tcp(Connect::default()),
            _ => Method::Icmp,
        };
        let spec = Arc::new(self.spec);
        let mut machine = Ping::new(ping::Config {
            targets: vec![Task { target, method, spec: Arc::clone(&spec) }],
            spec,
            count: self.count.map(NonZeroU64::get),
            deadline: self.deadline,
            seed: net::random_seed().map_err(Error::Kernel)?,
            ..ping::Config::default()
        });
        let mut status = ping::RunStatus::default();
        drive(opened.channel.as_mut(), &mut machine, |one| {
            status.take(one);
            event(one);
        })?;
        Ok(status.status(Reachable::All))
    }
}

/// Traces the path to `target`, a name or an address: three ICMP echo requests for each of at most 30 hops, unless the
/// [`TraceRequest`] is changed.
///
/// ```
/// use netprobe::{Status, TraceEvent};
///
/// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// let mut hops = Vec::new();
/// let status = netprobe::trace("127.0.0.1").tcp(listener.local_addr()?.port()).run(|event| {
///     if let TraceEvent::Hop(_, hop) = event {
///         hops.push(hop.ttl.get());
///     }
/// })?;
/// assert_eq!((status, hops), (Status::Answered, vec![1]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn trace(target: &str) -> TraceRequest {
    TraceRequest { request: Request::new(target), config: trace::Config::default() }
}

/// A trace that has not begun: see [`trace()`].
#[derive(Clone, Debug)]
#[must_use]
pub struct TraceRequest {
    request: Request,
    config: trace::Config,
}

impl TraceRequest {
    /// The largest TTL that is tried.
    pub const fn max_hops(mut self, hops: u8) -> Self {
        self.config.max_ttl = Ttl::new(hops);
        self
    }

    /// Probes for each hop.
    pub const fn probes_per_hop(mut self, probes: u32) -> Self {
        self.config.probes_per_hop = probes;
        self
    }

    /// Runs it on this thread, and hands over each event as it happens.
    ///
    /// # Errors
    /// If nothing can be probed, or the kernel refuses what the run needs.
    pub fn run(self, mut event: impl FnMut(&trace::Event)) -> Result<Status, Error> {
        let Placed { mut opened, target } = place(&self.request)?;
        let ports = self.request.port.map_or_else(Ports::default, Ports::Fixed);
        let seed = net::random_seed().map_err(Error::Kernel)?;
        let mut machine = Tracer::new(trace::Config { targets: vec![target], ports, seed, ..self.config });
        let mut status = trace::RunStatus::new(1);
        drive(opened.channel.as_mut(), &mut machine, |one| {
            status.add(one);
            event(one);
        })?;
        Ok(status.status())
    }
}

/// Options of both requests.
macro_rules! common_options {
    ($request:ty) => {
        impl $request {
            /// Probes by TCP connections to this port instead of ICMP echo.
            pub const fn tcp(mut self, port: u16) -> Self {
                (self.request.protocol, self.request.port) = (Protocol::Tcp, Port::new(port));
                self
            }

            /// Probes an address of this family.
            pub const fn family(mut self, family: Family) -> Self {
                self.request.family = Some(family);
                self
            }

            /// Gives up all privileges of the calling thread for good once the sockets are open.
            pub const fn drop_privileges(mut self) -> Self {
                self.request.process.drop_privileges = true;
                self
            }

            /// Takes SIGINT, SIGTERM and SIGQUIT from the process: the first two end the run, the third asks for interim figures.
            pub const fn take_signals(mut self) -> Self {
                self.request.process.take_signals = true;
                self
            }
        }
    };
}
common_options!(PingRequest);
common_options!(TraceRequest);

fn drive<M: Machine>(
    channel: &mut dyn crate::channel::Channel,
    machine: &mut M,
    mut event: impl FnMut(&M::Event),
) -> Result<(), Error> {
    let turn = |turn: Turn<M::Event>| {
        if let Turn::Event(one) = turn {
            event(&one);
        }
        Next::Continue
    };
    driver::run(channel, machine, Precision::Precise, turn).map_err(Error::Kernel)
}
