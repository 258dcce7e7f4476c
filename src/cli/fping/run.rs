//! `fping` from its options to its exit status.

use std::net::IpAddr;
use std::sync::Arc;

use crate::channel::{
    Fragmentation, Header, LanePlan, LaneRefused, OpenedLanes, Plan, Protocol, SendStamps, SocketChoice,
};
use crate::cli::args::values::{Rate, Timestamping, confinement};
use crate::cli::drive::{Run, Worker, drive_one};
use crate::cli::env::Env;
use crate::cli::error::CliError;
use crate::cli::fping::args::{FpingArgs, Shown};
use crate::cli::fping::machine::{Fping, Retries, Schedule};
use crate::cli::fping::targets;
use crate::cli::fping::{ANSWERED, Failure, NOT_ANSWERED, UNKNOWN};
use crate::cli::names;
use crate::cli::rping::run::precision;
use crate::cli::target::{Lanes, families};
use crate::engine::outcome::Payload;
use crate::engine::{Destination, Target};
use crate::ping::{Config, Event, Pace, Ping, Spec, Task, Wait};
use crate::report::{FpingNames, FpingOptions, FpingText, LocalOffset};
use crate::types::{Family, Tos, Ttl, WallTime};
use crate::wire::payload::Fill;

/// What the kernel counts for a packet beside its payload, about.
const PACKET_OVERHEAD: usize = 1024;
/// Octets of receive buffer that every run has, and that none has more of.
const RECEIVE_BUFFER: u32 = 1 << 20;
const LARGEST_RECEIVE_BUFFER: u32 = 64 << 20;

/// Runs as fping does.
pub fn execute(args: &FpingArgs, program: &str, env: &mut Env<'_>) -> Result<u8, Failure> {
    if let Some(sentence) = args.wrong(env.uid) {
        return Err(Failure::refused(sentence));
    }
    let source = args.source().map_err(Failure::refused)?;
    if let Some(interface) = args.interface.as_deref().filter(|name| (env.interface_index)(name).is_none()) {
        return Err(Failure::refused(CliError::NoInterface(interface.to_owned())));
    }
    let forced = args.family(program);
    let texts = targets::gather(args, forced, env)?;
    if texts.is_empty() {
        return Ok(NOT_ANSWERED);
    }
    let plan = plan(args, &texts, forced, source);
    let mut opened = env.open_once(&plan, None).map_err(Failure::impossible)?;
    let lanes = Lanes::of(&opened, &plan.lanes, |_| true);
    check(&lanes, &plan)?;
    let names = names::look_up(texts.iter().map(String::as_str), forced, None, &mut opened, env)
        .map_err(Failure::impossible)?;
    let (targets, unknown) = targets::place(&texts, &names, &lanes, args, env);
    if targets.is_empty() {
        return Ok(if unknown > 0 { UNKNOWN } else { NOT_ANSWERED });
    }
    let worker = worker(args, targets, unknown, opened, env);
    let precision = precision(if args.is_counted() { Pace::Fixed(args.period) } else { Pace::Called });
    let run = Run { precision, first: names.interrupted, ..Run::plain(HostCounts::take) };
    let counts = drive_one(worker, run, env).map_err(Failure::impossible)?;
    Ok(match args.required() {
        Some(required) if counts.alive >= u64::from(required) => ANSWERED,
        Some(_) => NOT_ANSWERED,
        None if unknown > 0 => UNKNOWN,
        None if counts.alive < counts.targets => NOT_ANSWERED,
        None => ANSWERED,
    })
}

/// Targets, and those that answered.
#[derive(Default)]
struct HostCounts {
    targets: u64,
    alive: u64,
}

impl HostCounts {
    fn take(&mut self, (_, event): &(WallTime, Event)) -> Option<IpAddr> {
        match event {
            Event::Ended(summary) => {
                self.targets += 1;
                self.alive += u64::from(summary.counts.received > 0);
                None
            }
            Event::NameWanted(address) => Some(*address),
            _ => None,
        }
    }
}

fn plan(args: &FpingArgs, texts: &[String], forced: Option<Family>, source: Option<IpAddr>) -> Plan {
    let rate = rate(args);
    let lane = |family| LanePlan {
        source: source.filter(|&source| Family::of(source) == family),
        interface: args.interface.clone(),
        header: Header {
            ttl: args.ttl.and_then(|ttl| u8::try_from(ttl).ok()).map(Ttl::new),
            tos: args.tos.map(Tos::new),
            ..Header::default()
        },
        mark: args.mark,
        fragmentation: args.dontfrag.then_some(Fragmentation::Do),
        receive_buffer: Some(receive_buffer(args, texts.len())),
        send_stamps: send_stamps(rate),
        ..LanePlan::new(family, Protocol::Icmp, SocketChoice::Auto)
    };
    Plan {
        lanes: families(texts.iter().map(String::as_str), forced).into_iter().map(lane).collect(),
        names: args.addresses_by_name || args.all_by_name,
        sandbox: confinement(false, false, rate.map(Rate::PerSecond).or(Some(Rate::Max))),
        ..Plan::default()
    }
}

/// Probes a second over all targets, at most.
fn rate(args: &FpingArgs) -> Option<f64> {
    (!args.interval.is_zero()).then(|| args.interval.as_secs_f64().recip())
}

fn send_stamps(rate: Option<f64>) -> SendStamps {
    Timestamping::Auto.send_stamps(rate.unwrap_or(f64::INFINITY))
}

fn receive_buffer(args: &FpingArgs, targets: usize) -> u32 {
    let octets = targets.saturating_mul(args.size as usize + PACKET_OVERHEAD);
    u32::try_from(octets).unwrap_or(u32::MAX).clamp(RECEIVE_BUFFER, LARGEST_RECEIVE_BUFFER)
}

/// Refuses a run without any socket, or with a source address that is not ours.
fn check(lanes: &Lanes, plan: &Plan) -> Result<(), Failure> {
    let Some(refused) = lanes.refusal() else { return Ok(()) };
    let unbound =
        |refused: &&LaneRefused| plan.lanes.iter().any(|lane| lane.family == refused.family && lane.source.is_some());
    if let Some(attempt) =
        Some(refused).filter(unbound).and_then(|refused| refused.attempts.iter().find(|attempt| attempt.call == "bind"))
    {
        return Err(Failure::impossible(format!("cannot bind source address : {}", attempt.error)));
    }
    match lanes.is_empty() {
        true => {
            let why = CliError::NoLane(refused.clone());
            Err(Failure::impossible(format!("can't create socket (must run as root?): {why}")))
        }
        false => Ok(()),
    }
}

fn worker(
    args: &FpingArgs,
    targets: Vec<Target>,
    unknown: u64,
    opened: OpenedLanes,
    env: &Env<'_>,
) -> Worker<Fping, HostCounts> {
    let retries = (!args.is_counted()).then(|| Retries { times: args.retry, wait: args.wait(), backoff: args.backoff });
    let address = |target: &Target| match target.destination {
        Destination::Reachable { endpoint, .. } => Some(endpoint.address),
        _ => None,
    };
    let by_name = |target: &&Target| args.all_by_name || (args.addresses_by_name && target.numeric);
    let mut names: Vec<IpAddr> = targets.iter().filter(by_name).filter_map(address).collect();
    names.sort_unstable();
    names.dedup();
    if opened.lookup.is_none() {
        names.clear();
    }
    let spec = Arc::new(Spec {
        pace: if retries.is_some() { Pace::Called } else { Pace::Fixed(args.period) },
        wait: if retries.is_some() { Wait::Forever } else { Wait::Exactly(args.wait()) },
        header: Header::default(),
        payload: Payload { octets: args.size as usize, fill: fill(args, env.seed) },
    });
    let count = targets.len();
    let config = Config {
        targets: targets.into_iter().map(|target| Task::icmp(target, Arc::clone(&spec))).collect(),
        spec,
        rate: rate(args),
        count: args.times().map(u64::from),
        report_sent: true,
        seed: env.seed,
        ..Config::default()
    };
    let schedule = Schedule { names, retries, report_every: args.report_every(), enough: args.fast_reachable };
    let machine = Fping::new(Ping::new(config), count, schedule);
    Worker::new(
        opened,
        machine,
        Box::new(FpingText::new(options(args, unknown, env.local_offset))),
        HostCounts::default(),
    )
}

/// Random octets, where they are to foil compression.
fn fill(args: &FpingArgs, seed: u64) -> Fill {
    if !args.random {
        return Fill::Counting;
    }
    let mut octets = [0; 16];
    fastrand::Rng::with_seed(seed).fill(&mut octets);
    Fill::Pattern(octets.into())
}

fn options(args: &FpingArgs, unknown: u64, offset: LocalOffset) -> FpingOptions {
    let shown = args.shown();
    FpingOptions {
        counted: args.is_counted(),
        per_reply: args.shows_replies(),
        sentences: shown == Shown::All,
        alive: shown == Shown::Alive,
        unreachable: shown == Shown::Unreachable,
        elapsed: args.elapsed,
        tos: args.print_tos,
        ttl: args.print_ttl,
        json: args.json,
        quiet: args.is_quiet(),
        vectors: args.vector.is_some(),
        outage: args.outage.then_some(args.period),
        stats: args.stats,
        stamps: args.stamps(),
        cumulative: args.reports.is_some_and(|reports| reports.cumulative),
        netdata: args.netdata.then(|| args.report_every().unwrap_or_default().as_secs_f64()),
        required: args.required(),
        unknown,
        by_address: args.by_address,
        names: match (args.all_by_name, args.addresses_by_name) {
            (true, _) => FpingNames::OfAll,
            (_, true) => FpingNames::OfAddresses,
            _ => FpingNames::Typed,
        },
        offset,
    }
}
