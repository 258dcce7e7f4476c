//! The parameters of a sweep: [`Config`], and its source of targets: [`Supply`].

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use crate::channel::{AddressAnswer, LaneId, Profile, SourceLookup};
use crate::engine::condition::Conditions;
use crate::engine::method::Ask;
use crate::engine::outcome::{MethodKind, Silence};
use crate::types::{Family, IpEndpoint};
use crate::wire::payload::Fill;

/// One target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SweepTarget {
    /// As typed, where that is not the address.
    pub name: Option<Box<str>>,
    /// Its address; `None` for a name without one.
    pub endpoint: Option<IpEndpoint>,
}

/// The result of a call to a [`Supply`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Supplied {
    /// The next target.
    Target(SweepTarget),
    /// There is none yet; [`crate::channel::Control::Supplied`] says when to ask again.
    Later,
    /// There will be none.
    End,
}

/// Yields one target per call, and never blocks. A call with the answer to a lookup that the supply has asked for takes note of
/// it and yields [`Supplied::Later`].
pub type Supply = Box<dyn FnMut(Option<&AddressAnswer>) -> Supplied + Send>;

/// How targets are probed.
#[derive(Clone, Default)]
pub enum Method {
    /// ICMP echo requests.
    #[default]
    Icmp,
    /// TCP: the first segment of a connection that is never completed, to the port of each target, from these sources.
    Tcp(SourceLookup),
    /// UDP: a datagram to the port of each target, all from one port.
    Udp(Arc<Ask>),
}

impl Method {
    /// What it is called.
    pub const fn kind(&self) -> MethodKind {
        match self {
            Method::Icmp => MethodKind::Icmp,
            Method::Tcp(_) => MethodKind::Tcp,
            Method::Udp(_) => MethodKind::Udp,
        }
    }

    /// What silence means.
    pub(super) const fn silence(&self) -> Silence {
        match self {
            Method::Icmp | Method::Udp(_) => Silence::NoAnswer,
            Method::Tcp(_) => Silence::Filtered,
        }
    }
}

/// A whole sweep.
pub struct Config {
    /// The targets; with TCP and UDP, all have ports.
    pub supply: Supply,
    /// How they are probed.
    pub method: Method,
    /// The lane of each family that has one.
    pub routes: Vec<LaneRoute>,
    /// The names of interfaces, for scoped addresses.
    pub zones: Vec<(NonZeroU32, Box<str>)>,
    /// How often each target is probed.
    pub probes: Probes,
    /// How long the first probe to a target is waited for.
    pub wait: Duration,
    /// Probes per second at most; `None`: as many as the channel takes.
    pub rate: Option<f64>,
    /// End of the run, from its start.
    pub deadline: Option<Duration>,
    /// When a target ends.
    pub completion: Completion,
    /// Answers that a target needs to count as answered; 1 where it ends with the first.
    pub needed: u32,
    /// Whether the delay of each probe is kept.
    pub vector: bool,
    /// Whether delays are between our own readings of the clock, although the kernel stamps answers.
    pub user_to_user: bool,
    /// Whether targets that did not answer are only counted, without an event for each.
    pub skips_silent: bool,
    /// Whether what is made of each answer is wanted ([`crate::engine::Machine::poll_decided`]).
    pub captured: bool,
    /// Whether [`super::Event::Progress`] is wanted.
    pub progress: bool,
    /// Payload octets of a probe, where its method leaves that open; at least [`Config::LEAST_OCTETS`].
    pub payload_octets: usize,
    /// The payload after cookie and number.
    pub fill: Fill,
    /// What must hold for every target at its end.
    pub conditions: Conditions,
    /// Seed of the cookie.
    pub seed: u64,
}

impl Config {
    /// Octets of a cookie and a number.
    pub const LEAST_OCTETS: usize = 24;
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("probes", &self.probes)
            .field("completion", &self.completion)
            .finish_non_exhaustive()
    }
}

/// The lane that probes a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneRoute {
    /// The lane.
    pub lane: LaneId,
    /// Its profile.
    pub profile: Profile,
}

impl LaneRoute {
    /// The family it probes.
    pub const fn family(&self) -> Family {
        self.profile.family
    }

    /// The source port of a target's probe number `attempt`, from 0. A target that remembers the first takes a second from the
    /// same port for a part of that.
    pub(super) fn source_port(&self, attempt: u32) -> u16 {
        let ports = self.profile.max_open.max(1);
        self.profile.ident.ident.get().wrapping_add((attempt % ports) as u16)
    }
}

/// How often a target is probed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Probes {
    /// Until it is answered: again after each wait without an answer, up to `retries` times. Each wait is `backoff` times as
    /// long as the one before.
    UntilAnswered {
        /// How often it is probed again, at most.
        retries: u8,
        /// At least 1.
        backoff: f64,
    },
    /// `count` times, one per interval.
    Counted {
        /// At least 1.
        count: u32,
        /// From one to the next.
        interval: Duration,
    },
}

impl Probes {
    /// The most probes to one target.
    pub fn most(&self) -> u32 {
        match *self {
            Probes::UntilAnswered { retries, .. } => u32::from(retries) + 1,
            Probes::Counted { count, .. } => count,
        }
    }

    /// The wait for each attempt.
    pub(super) fn waits(&self, first: Duration) -> Vec<Duration> {
        match *self {
            Probes::Counted { .. } => vec![first],
            Probes::UntilAnswered { retries, backoff } => {
                let times = |attempt| first.as_secs_f64() * backoff.powi(i32::from(attempt));
                let wait = |attempt| Duration::try_from_secs_f64(times(attempt)).unwrap_or(Duration::MAX);
                std::iter::once(first).chain((1..=retries).map(wait)).collect()
            }
        }
    }
}

/// When a target ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completion {
    /// With the wait of its last probe, with complete counts.
    AllProbes,
    /// As soon as it is known whether it answers: at its first answer, or when all attempts are over.
    FirstAnswer,
}
