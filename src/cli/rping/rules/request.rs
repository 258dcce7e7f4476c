//! What follows from a command line of `rping` before any target is looked up: [`Request`].

use std::time::Duration;

use crate::cli::args::compared::Compared;
use crate::cli::args::ports::UdpAim;
use crate::cli::notation::{DGRAM_PREFIX, STREAM_PREFIX};
use crate::cli::rping::args::PingArgs;
use crate::cli::rping::sweep::probes::is_sweep;
use crate::engine::condition;
use crate::ping::Service;

/// The shortest interval for users other than root.
pub const USER_INTERVAL: Duration = Duration::from_millis(2);

/// Kinds of probes, one bit each.
pub(super) type Kinds = u8;
pub(super) const ICMP: Kinds = 1;
pub(super) const TCP: Kinds = 2;
/// UDP with the payload of an echo.
pub(super) const UDP: Kinds = 4;
/// UDP with a question of fixed size.
pub(super) const SERVICE: Kinds = 8;
pub(super) const STAMP: Kinds = 16;
pub(super) const STREAM: Kinds = 32;
pub(super) const DGRAM: Kinds = 64;
pub(super) const PORTS: Kinds = TCP | UDP | SERVICE | STAMP;
pub(super) const IP: Kinds = ICMP | PORTS;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Plain,
    /// A comparison of methods.
    Methods,
    /// A comparison within one method.
    Values,
    Sweep,
}

impl Mode {
    /// What such a run measures.
    pub(super) const fn of_conditions(self) -> condition::Mode {
        match self {
            Mode::Plain => condition::Mode::Ping,
            Mode::Methods | Mode::Values => condition::Mode::Contrast,
            Mode::Sweep => condition::Mode::Sweep,
        }
    }
}

/// What follows from a command line before any target is looked up.
pub struct Request {
    pub(super) mode: Mode,
    /// What its probes can be.
    kinds: Kinds,
    pub(super) uid: u32,
}

impl Request {
    pub fn new(args: &PingArgs, uid: u32) -> Self {
        let mode = match args.method.contrast {
            Some(Compared::Methods) => Mode::Methods,
            Some(Compared::Values(_)) => Mode::Values,
            None if is_sweep(args) => Mode::Sweep,
            None => Mode::Plain,
        };
        let kinds = match mode {
            Mode::Plain => kinds(args),
            Mode::Values => kinds(args) & IP,
            Mode::Methods => ICMP | TCP | if asks_service(args) { SERVICE } else { UDP },
            Mode::Sweep => of_method(args),
        };
        Request { mode, kinds, uid }
    }

    pub fn is_contrast(&self) -> bool {
        matches!(self.mode, Mode::Methods | Mode::Values)
    }

    pub fn is_sweep(&self) -> bool {
        self.mode == Mode::Sweep
    }

    /// Whether no probe can be of these kinds.
    pub(super) fn lacks(&self, kinds: Kinds) -> bool {
        self.kinds & kinds == 0
    }
}

/// Whether UDP probes are questions of a fixed size.
fn asks_service(args: &PingArgs) -> bool {
    args.method.asks_dns() || matches!(args.method.udp, Some(UdpAim::Service(service, _)) if service != Service::Echo)
}

/// What the method makes of probes that are for no local socket.
fn of_method(args: &PingArgs) -> Kinds {
    let method = &args.method;
    match (&method.tcp, method.udp_aim(), method.stamp) {
        (Some(_), ..) => TCP,
        (_, Some(_), _) if asks_service(args) => SERVICE,
        (_, Some(_), _) => UDP,
        (.., Some(_)) => STAMP,
        (None, None, None) if method.compares_tcp_ports() => TCP,
        (None, None, None) => ICMP,
    }
}

/// What the probes of a run can be that is neither a sweep nor a comparison.
fn kinds(args: &PingArgs) -> Kinds {
    let of_method = of_method(args);
    let of_target = |target: &String| match target {
        target if target.starts_with(STREAM_PREFIX) => STREAM,
        target if target.starts_with(DGRAM_PREFIX) => DGRAM,
        _ => of_method,
    };
    // A list that is not read yet may hold anything.
    let listed = if args.targets_file.is_some() || args.targets.is_empty() { of_method | STREAM | DGRAM } else { 0 };
    args.targets.iter().map(of_target).fold(listed, |all, kind| all | kind)
}
