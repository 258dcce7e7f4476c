//! From the command line of a sweep to its lanes, [`Plan`], and to what its Machines do, [`Config`].

use std::num::{NonZeroU16, NonZeroU32};
use std::sync::Arc;
use std::time::Duration;

use super::SweepPlan;
use crate::channel::{LanePlan, Plan, Profile, Protocol, SendStamps, SourceLookup};
use crate::cli::args::values::{Rate, Timestamping};
use crate::cli::rping::method::Choice;
use crate::cli::rping::run::{Binding, Rping};
use crate::cli::target::Lanes;
use crate::sweep::{Completion, Config, Forecast, LaneRoute, Method, Supply};
use crate::types::Family;

/// Probes a second unless `--rate` says otherwise.
const RATE: f64 = 1000.0;
/// The wait for each probe unless `-W` says otherwise.
const WAIT: Duration = Duration::from_secs(1);
/// Octets for answers that come while something else runs; where the system allows less, it is less.
const RECEIVE_BUFFER: u32 = 4 << 20;

/// Source ports of SYNs: another for each probe of a target, up to this many.
const MOST_SOURCE_PORTS: u16 = 16;

/// An interface that link-local addresses may belong to: its index and its name.
pub(super) type Zone = (NonZeroU32, Box<str>);

/// What the machines of a run share beside their plan.
pub(super) struct Shared {
    pub(super) zones: Vec<Zone>,
    /// How many workers there are.
    pub(super) workers: usize,
    pub(super) progress: bool,
    /// Whether its packets are written.
    pub(super) captured: bool,
    pub(super) seed: u64,
}

/// What belongs to one machine alone.
pub(super) struct Part<'a> {
    pub(super) lanes: &'a Lanes,
    pub(super) supply: Supply,
    pub(super) method: Method,
}

impl Rping<'_> {
    /// Probes a second over all targets, unless they are as many as possible.
    fn sweep_rate(&self) -> Option<f64> {
        self.args.run.rate.map_or(Some(RATE), Rate::per_second)
    }

    fn sweep_wait(&self) -> Duration {
        self.args.run.timeout.map_or(WAIT, |wait| wait.duration)
    }

    /// When a target ends. JSON, and so what is recorded, reports complete counts.
    pub(super) fn completion(&self) -> Completion {
        let sweep = &self.args.sweep;
        let complete = self.args.output.format.has_records() || self.args.record.record.is_some();
        let only_whether = !complete && self.args.conditions.all().is_empty();
        if (sweep.alive || sweep.unreachable) && only_whether { Completion::FirstAnswer } else { Completion::AllProbes }
    }

    pub(super) fn sweep_stamps(&self) -> SendStamps {
        match self.timestamping() {
            Timestamping::Auto if self.args.sweep.alive || self.args.sweep.unreachable => SendStamps::None,
            asked => match asked.send_stamps(self.sweep_rate().unwrap_or(f64::INFINITY)) {
                SendStamps::User if asked == Timestamping::Auto => SendStamps::None,
                unstamped @ (SendStamps::None | SendStamps::User) => unstamped,
                // Millions of targets leave no room for the interface's stamps.
                SendStamps::Kernel | SendStamps::Hardware => SendStamps::Kernel,
            },
        }
    }

    /// The lanes of a sweep.
    pub(super) fn sweep_plan(&self, choice: &Choice, sweep_plan: &SweepPlan, bound: &Binding) -> Plan {
        let protocol = choice.protocol();
        let lane = |&family: &Family| LanePlan {
            send_stamps: sweep_plan.send_stamps,
            receive_buffer: Some(RECEIVE_BUFFER),
            ..self.lane(family, protocol, bound)
        };
        let probes = u16::try_from(sweep_plan.probes.most()).unwrap_or(u16::MAX).min(MOST_SOURCE_PORTS);
        let syns = |lane: LanePlan| LanePlan {
            own_headers: true,
            flows: NonZeroU16::new(probes),
            send_stamps: SendStamps::None,
            ..lane
        };
        let lanes = sweep_plan.families.iter().map(lane);
        let lanes = if protocol == Protocol::Tcp { lanes.map(syns).collect() } else { lanes.collect() };
        Plan { lanes, names: false, ..self.lookups() }
    }

    /// How long the run takes for this many targets.
    pub(super) fn forecast(&self, sweep_plan: &SweepPlan, targets: u64) -> Forecast {
        Forecast {
            targets,
            rate: self.sweep_rate(),
            probes: sweep_plan.probes,
            wait: self.sweep_wait(),
            completion: self.completion(),
            deadline: self.deadline(),
            all_begun: None,
        }
    }

    /// What one worker does.
    pub(super) fn sweep_config(&self, sweep_plan: &SweepPlan, shared: &Shared, part: Part<'_>) -> Config {
        let (run, conditions) = (&self.args.run, self.args.conditions.all());
        let routes = [Family::V4, Family::V6].into_iter().filter_map(|family| part.lanes.get(family).ok());
        // Descriptors are the process's.
        let share = |profile: Profile| match profile.connects() {
            true => Profile { max_open: (profile.max_open / shared.workers as u32).max(1), ..profile },
            false => profile,
        };
        Config {
            supply: part.supply,
            method: part.method,
            routes: routes.map(|lane| LaneRoute { lane: lane.id, profile: share(*lane.profile) }).collect(),
            zones: shared.zones.clone(),
            probes: sweep_plan.probes,
            wait: self.sweep_wait(),
            rate: self.sweep_rate().map(|rate| rate / shared.workers as f64),
            deadline: self.deadline(),
            completion: self.completion(),
            needed: match (run.count, run.deadline) {
                (Some(count), Some(_)) => u32::try_from(count).unwrap_or(u32::MAX),
                _ => 1,
            },
            vector: self.args.sweep.vector || conditions.need_all_delays(),
            user_to_user: self.timestamping() == Timestamping::User,
            skips_silent: self.completion() == Completion::FirstAnswer && self.args.sweep.alive,
            captured: shared.captured,
            progress: shared.progress,
            payload_octets: self.payload_octets(),
            fill: self.args.packet.pattern.clone().unwrap_or_default(),
            conditions,
            seed: shared.seed,
        }
    }
}

/// How targets are probed.
pub(super) fn method_of(choice: &Choice, source_for: SourceLookup) -> Method {
    match (choice.protocol(), choice.ask()) {
        (Protocol::Tcp, _) => Method::Tcp(source_for),
        (_, Some(ask)) => Method::Udp(Arc::new(ask.clone())),
        (_, None) => Method::Icmp,
    }
}
