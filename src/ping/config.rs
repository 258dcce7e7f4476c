//! The configuration of a ping run: [`Config`].

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::changes::Until;
use crate::channel::{LaneId, Profile};
use crate::engine::Target;
use crate::engine::condition::Conditions;
use crate::engine::method::Method;
use crate::engine::outcome::Spec;
use crate::metrics::Codec;
use crate::types::{Family, Port};

/// The longest a packet is assumed to live (RFC 9293 §3.4.2, Maximum Segment Lifetime).
const LIFETIME: Duration = Duration::from_secs(120);

/// A whole run. The default probes nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The targets and their methods, in argument order: one series each.
    pub targets: Vec<Task>,
    /// Pace, wait, header and payload of targets that are added during the run.
    pub spec: Arc<Spec>,
    /// Whether addresses may be broadcast addresses, so that several hosts answer (`-b`).
    pub broadcast: bool,
    /// Whether every probe keeps the source address that its target's route had at the start (`-B`).
    pub sticky_source: bool,
    /// At most this many probes a second over all targets together (`--rate`); `None`: no such limit.
    pub rate: Option<f64>,
    /// Probes that leave at once at the start, per target (`-l`); at least 1.
    pub preload: u32,
    /// Probes per target; with `deadline`, answers per target. `None`: without end.
    pub count: Option<u64>,
    /// End of the run, from its start.
    pub deadline: Option<Duration>,
    /// Whether `NoAnswerYet` events are wanted.
    pub report_open: bool,
    /// Whether `Sent` events are wanted.
    pub report_sent: bool,
    /// Whether replies are wanted as events; they are counted in any case.
    pub report_replies: bool,
    /// Whether reverse names are wanted (`-H`): the first probe waits at most 500 ms for the targets' own.
    pub names: bool,
    /// Whether delays run from our own call to our own call and nothing else (`-U`, `--timestamping user`), however long an answer
    /// waited to be read.
    pub user_to_user: bool,
    /// Whether [`super::Event::Change`] is wanted.
    pub changes: bool,
    /// What ends the run.
    pub until: Option<Until>,
    /// The names that are looked up again.
    pub resolve: Option<Resolve>,
    /// What must hold for every target at its end.
    pub conditions: Conditions,
    /// Whether the run goes on when it has no targets, so that some may come later.
    pub endless: bool,
    /// Whether the delays of a series are kept for its summary; what reads the events may have no use for that.
    pub keep_delays: bool,
    /// How long decided probes are remembered, to recognise late answers and duplicates.
    pub memory: Duration,
    /// The codec of the call whose quality is to be estimated.
    pub codec: Option<Codec>,
    /// Seed of everything random: cookies.
    pub seed: u64,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            targets: Vec::new(),
            spec: Arc::default(),
            broadcast: false,
            sticky_source: false,
            rate: None,
            preload: 1,
            count: None,
            deadline: None,
            report_open: false,
            report_sent: false,
            report_replies: true,
            names: false,
            user_to_user: false,
            changes: false,
            until: None,
            resolve: None,
            conditions: Conditions::default(),
            endless: false,
            keep_delays: true,
            memory: LIFETIME,
            codec: None,
            seed: 0,
        }
    }
}

/// How the names of a run are looked up again.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolve {
    /// How often.
    pub every: Duration,
    /// Whether every address of a name is probed, and not one alone.
    pub all: bool,
    /// The family that addresses must have.
    pub family: Option<Family>,
    /// The lane to addresses of each family.
    pub lanes: Vec<(Family, LaneId, Arc<Profile>)>,
    /// The names.
    pub names: Vec<ResolvedName>,
}

/// A name that is looked up again.
#[derive(Clone, Debug, PartialEq)]
pub struct ResolvedName {
    /// The name.
    pub host: Box<str>,
    /// The port that is probed, where the method has ports.
    pub port: Option<Port>,
    /// Its targets.
    pub targets: Range<usize>,
}

/// A target and how it is to be probed: one series.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// The target.
    pub target: Target,
    /// The method, which its lane must speak.
    pub method: Method,
    /// Pace, wait, header and payload of its probes.
    pub spec: Arc<Spec>,
}

impl Task {
    /// ICMP echo to `target`.
    pub const fn icmp(target: Target, spec: Arc<Spec>) -> Self {
        Task { target, method: Method::Icmp, spec }
    }
}
