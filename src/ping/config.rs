//! What a ping run is to do: [`Config`].

use std::time::Duration;

use super::method::Method;
use crate::engine::Target;
pub use crate::engine::outcome::{Pace, Wait};
use crate::types::FlowLabel;
use crate::wire::payload::Fill;

/// A whole run.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// What to probe and how, in argument order: one series each.
    pub targets: Vec<Subject>,
    /// Whether addresses may be broadcast addresses, so that others than the target answer (`-b`).
    pub broadcast: bool,
    /// Whether every probe keeps the source address that its target's route had at the start (`-B`).
    pub sticky_source: bool,
    /// When probes leave.
    pub pace: Pace,
    /// At most this many probes a second over all targets together (`--rate`); `None`: no such limit.
    pub rate: Option<f64>,
    /// Probes that leave at once at the start, per target (`-l`); at least 1.
    pub preload: u32,
    /// Probes per target; with `deadline`, answers per target. `None`: without end.
    pub count: Option<u64>,
    /// End of the run, from its start.
    pub deadline: Option<Duration>,
    /// How long a probe is waited for.
    pub wait: Wait,
    /// Payload octets of an ICMP or tagged datagram probe.
    pub payload_octets: usize,
    /// What stands behind the cookie.
    pub fill: Fill,
    /// IPv6 flow label that was asked for; the lane already sends it.
    pub flow_label: Option<FlowLabel>,
    /// Whether `NoAnswerYet` events are wanted.
    pub report_open: bool,
    /// Whether `Sent` events are wanted.
    pub report_sent: bool,
    /// Whether `Reply` events are wanted; each costs memory of its own.
    pub report_replies: bool,
    /// Whether reverse names are wanted (`-H`): the first probe waits at most 500 ms for the targets' own.
    pub names: bool,
    /// Whether delays run from our own call to our own call and nothing else (`-U`, `--timestamping user`), however long an answer
    /// waited to be read.
    pub user_to_user: bool,
    /// Seed of everything random: cookies.
    pub seed: u64,
}

/// One series to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    /// What to probe.
    pub target: Target,
    /// How; its lane must speak that.
    pub method: Method,
}

impl Subject {
    /// ICMP echo to `target`.
    pub const fn icmp(target: Target) -> Self {
        Subject { target, method: Method::Icmp }
    }
}
