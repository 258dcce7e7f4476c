//! What a run of traces is to do: [`Config`].

use std::sync::Arc;
use std::time::Duration;

use crate::engine::Target;
use crate::engine::condition::Conditions;
use crate::types::{Port, Ttl};
use crate::wire::as_table::AsTable;

/// The first port of UDP probes, as in traceroute.
const FIRST_UDP_PORT: Port = Port::new(33_434).unwrap();

/// More targets than this are not given the time in which a router finds out that a neighbour does not answer.
const PATIENT_TARGETS: usize = 64;

/// A whole run.
#[derive(Clone, Debug)]
pub struct Config {
    /// The targets, in argument order.
    pub targets: Vec<Target>,
    /// First TTL to probe (`-f`).
    pub first_ttl: Ttl,
    /// Last TTL to probe (`-m`).
    pub max_ttl: Ttl,
    /// Probes per hop (`-q`), 1 to 10.
    pub probes_per_hop: u32,
    /// Probes in flight per trace (`-N`); `None`: all TTLs may be.
    pub in_flight: Option<u32>,
    /// How long a probe is waited for (`-w`); `None`: adaptive, as [`mod@crate::trace`] says.
    pub wait: Option<Wait>,
    /// Pause between two probes of one trace (`-z`); `None`: the default pacing.
    pub send_gap: Option<Duration>,
    /// At most this many probes a second over all traces together (`--rate`); `None`: no such limit.
    pub rate: Option<f64>,
    /// Whether probes are spread over time so that routers' rate limits are not met; not with `--rate max`.
    pub paced: bool,
    /// Silent hops in a row that end a trace.
    pub gap_limit: Option<u32>,
    /// Destination ports of UDP and TCP probes.
    pub ports: Ports,
    /// Octets of a whole IP packet; `None`: the IP header and 40 octets, as in traceroute.
    pub packet_octets: Option<usize>,
    /// Whether reverse names are asked for and waited for.
    pub names: bool,
    /// Where the origins of responders' addresses come from; `None`: they are not asked for.
    pub origins: Option<OriginSource>,
    /// Number of the flow, from which identifiers that load balancers hash are derived.
    pub flow: u32,
    /// How many flows of each target are traced, from that one on (`--flows`), and laid over each other at the end; `None`: one
    /// trace per target. Traces are numbered target by target.
    pub flows: Option<u32>,
    /// What must hold for every trace at its end.
    pub conditions: Conditions,
    /// Seed of everything random: cookies.
    pub seed: u64,
}

impl Default for Config {
    /// traceroute's: three probes for each of 30 hops, UDP ports from 33434 on; no targets and no names.
    fn default() -> Self {
        Config {
            targets: Vec::new(),
            first_ttl: Ttl::new(1),
            max_ttl: Ttl::new(30),
            probes_per_hop: 3,
            in_flight: None,
            wait: None,
            send_gap: None,
            rate: None,
            paced: true,
            gap_limit: None,
            ports: Ports::default(),
            packet_octets: None,
            names: false,
            origins: None,
            flow: 0,
            flows: None,
            conditions: Conditions::default(),
            seed: 0,
        }
    }
}

impl Config {
    /// [`Config::flows`] as traces are counted; 0 is taken as 1.
    pub(super) fn flows_per_target(&self) -> usize {
        self.flows.unwrap_or(1).max(1) as usize
    }

    /// The target of trace number `index`, and the number of its flow, counted from [`Config::flow`].
    pub(super) fn of_trace(&self, index: usize) -> Option<(&Target, u32)> {
        let flows = self.flows_per_target();
        Some((self.targets.get(index / flows)?, u32::try_from(index % flows).ok()?))
    }

    /// Whether a router is given the time to find out that a neighbour does not answer.
    pub(super) fn is_patient(&self) -> bool {
        self.wait.is_none() && self.targets.len() <= PATIENT_TARGETS
    }

    /// How many probes a trace has at most, but for the few that are sent again.
    pub(super) fn probes(&self) -> u32 {
        let ttls = 1 + u32::from(self.max_ttl.get().saturating_sub(self.first_ttl.get()));
        ttls.saturating_mul(self.probes_per_hop.max(1))
    }
}

/// Who knows the systems that announce an address.
#[derive(Clone, Debug)]
pub enum OriginSource {
    /// Name servers: they are asked and waited for, as for names.
    Lookup,
    /// A table, of any address.
    Table(Arc<AsTable>),
}

/// Destination ports of UDP probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ports {
    /// One more for each probe, starting here: a quote of 8 octets is enough to identify a probe.
    CountingUp(Port),
    /// Always this one; each probe in flight has a source port (a flow of its lane) of its own instead.
    Fixed(Port),
}

impl Default for Ports {
    fn default() -> Self {
        Ports::CountingUp(FIRST_UDP_PORT)
    }
}

/// traceroute's three waits (`-w MAX,HERE,NEAR`): a probe is given up after the shortest that applies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wait {
    /// At most this long.
    pub max: Duration,
    /// At most this many times an RTT of the same hop; 0 switches it off.
    pub here: f64,
    /// At most this many times an RTT of a later hop; 0 switches it off.
    pub near: f64,
}
