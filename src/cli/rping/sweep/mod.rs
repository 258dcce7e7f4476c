//! A sweep of `rping` from its command line to its exit status.

pub mod args;
mod drive;
mod supply;
mod targets;

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::channel::{LanePlan, OpenedLanes, Owner, Plan, PostControl, Protocol, SendStamps};
use crate::cli::args::values::{Rate, Timestamping};
use crate::cli::env::Env;
use crate::cli::error::CliError;
use crate::cli::rping::args::PingArgs;
use crate::cli::rping::run::{Binding, Rping};
use crate::cli::rping::sweep::args::Shard;
use crate::cli::rping::sweep::drive::{Manner, Worker};
use crate::cli::rping::sweep::supply::{Common, Complaints, Lookups, Source, Stream, choose, supplies};
use crate::cli::rping::sweep::targets::{Index, Item, Space, UNPACED, too_many};
use crate::cli::target::{Lanes, word};
use crate::report::{Sink, SweepJson, SweepProgress, SweepShow, SweepText};
use crate::sweep::{
    Completion, Config, Event, Exclusions, LaneRoute, Permutation, Probes, Range, Supply, Sweep, SweepTarget,
};
use crate::types::Family;

/// Probes a second unless `--rate` says otherwise.
const RATE: f64 = 1000.0;
/// The wait for each probe unless `-W` says otherwise.
const WAIT: Duration = Duration::from_secs(1);
/// The time between two probes to a target unless `-i` says otherwise.
const INTERVAL: Duration = Duration::from_secs(1);
/// Octets for answers that come while something else runs; where the system allows less, it is less.
const RECEIVE_BUFFER: u32 = 4 << 20;
/// The most probes to a target.
pub const MOST_PROBES: u64 = 1_000_000;

/// What was asked for, as far as it is known before any socket is open.
struct Wish {
    items: Vec<Item>,
    list: Option<List>,
    families: Vec<Family>,
    probes: Probes,
    show: SweepShow,
    send_stamps: SendStamps,
    exclusions: Arc<Exclusions>,
}

/// What `--targets` names.
enum List {
    Stdin,
    File(File),
}

impl List {
    /// Whether any part of it can be read at any time.
    fn is_seekable(&self) -> bool {
        matches!(self, List::File(file) if file.metadata().is_ok_and(|about| about.is_file()))
    }
}

impl Rping<'_> {
    /// Runs the sweep.
    pub(super) fn sweep(&self, env: &mut Env<'_>) -> Result<u8, CliError> {
        self.hint_at_long_times(env);
        let bound = self.binding(env)?;
        let mut wish = self.wish(&bound)?;
        let plan = self.sweep_plan(&wish, &bound);
        let workers = usize::from(self.args.sweep.workers.unwrap_or(1));
        let opened = match &env.apart {
            Some(apart) => (apart.open)(&plan, workers)?,
            None => vec![(env.open)(&plan)?],
        };
        let lanes: Vec<Lanes> = opened.iter().map(|opened| Lanes::of(opened, &plan.lanes, |_| true)).collect();
        self.check_lanes(&wish, lanes.first())?;
        let complaints = Complaints::default();
        let families: Vec<Family> = [Family::V4, Family::V6]
            .into_iter()
            .filter(|&family| lanes.first().is_some_and(|lanes| lanes.get(family).is_ok()))
            .collect();
        let common = Common {
            share: self.args.sweep.shard.unwrap_or(Shard::WHOLE),
            exclusions: Arc::clone(&wish.exclusions),
            missing: missing(lanes.first()),
            complaints: complaints.clone(),
        };
        let (source, lookups) = self.source(&mut wish, &families, &complaints, env)?;
        let targets = match &source {
            Source::Space(space, _) => Some(common.share.count(space.count())),
            Source::Stream(_) => None,
        };
        let tells: Vec<Option<PostControl>> = opened.iter().map(|opened| opened.tell.clone()).collect();
        let supplies = supplies(source, &common, &lookups, &tells);
        let terminal = env.terminal && !self.args.output.quiet;
        let worker = |((opened, lanes), supply): ((OpenedLanes, &Lanes), Supply)| Worker {
            opened,
            // Several tell their figures, so that somebody can add them up.
            sweep: Sweep::new(self.sweep_config(&wish, lanes, supply, workers, terminal || workers > 1, env.seed)),
            sink: self.sweep_sink(&wish, lanes),
        };
        let workers: Vec<Worker> = opened.into_iter().zip(&lanes).zip(supplies).map(worker).collect();
        let whole = self.args.sweep.shard.is_none() && self.args.sweep.exclude.is_none();
        let manner = Manner {
            program: self.program.to_owned(),
            progress: SweepProgress::new(targets),
            terminal,
            verbose: self.args.output.verbose,
            empty_is_trouble: whole,
            complaints,
        };
        drive::run(workers, manner, env)
    }

    fn wish(&self, bound: &Binding) -> Result<Wish, CliError> {
        let sweep = &self.args.sweep;
        let unpaced = self.args.run.rate.is_none();
        let items: Vec<Item> = self
            .args
            .targets
            .iter()
            .map(|text| Item::read(text, unpaced).map_err(CliError::Refused))
            .collect::<Result<_, _>>()?;
        let list = self.args.targets_file.as_deref().map(open_list).transpose()?;
        if sweep.random_order && list.as_ref().is_some_and(|list| !list.is_seekable()) {
            return Err(CliError::Refused(
                "--random-order needs all targets beforehand: prefixes, ranges, or --targets with a file that is no pipe"
                    .to_owned(),
            ));
        }
        if items.is_empty() && list.is_none() {
            return Err(CliError::NoTarget);
        }
        let all = items.iter().fold(0, |sum: u64, item| sum.saturating_add(item.count()));
        if unpaced && all > UNPACED {
            return Err(CliError::Refused(too_many("all targets together", all)));
        }
        let forced = self.args.socket.family.forced().or(bound.source.map(Family::of));
        let may_be = |family| {
            let of = |item: &Item| !matches!(item, Item::Range(range) if range.family() != family);
            list.is_some() || items.iter().any(of)
        };
        let families = match forced {
            Some(family) => vec![family],
            None => [Family::V4, Family::V6].into_iter().filter(|&family| may_be(family)).collect(),
        };
        if self.args.packet.flow_label.is_some() && !families.contains(&Family::V6) {
            return Err(CliError::Refused("-F: the targets are probed over IPv4, which has no flow labels".to_owned()));
        }
        let exclusions = sweep.exclude.as_deref().map(targets::exclusions).transpose()?;
        Ok(Wish {
            families,
            probes: probes(self.args),
            show: self.show(),
            send_stamps: self.sweep_stamps(),
            exclusions: Arc::new(exclusions.unwrap_or_default()),
            items,
            list,
        })
    }

    fn show(&self) -> SweepShow {
        match &self.args.sweep {
            sweep if sweep.alive => SweepShow::Alive,
            sweep if sweep.unreachable => SweepShow::Unreachable,
            sweep if sweep.vector => SweepShow::Vectors,
            _ => SweepShow::Summaries,
        }
    }

    /// When a target ends. JSON reports complete counts.
    fn completion(&self) -> Completion {
        let sweep = &self.args.sweep;
        if (sweep.alive || sweep.unreachable) && !self.args.output.json {
            Completion::FirstAnswer
        } else {
            Completion::AllProbes
        }
    }

    fn sweep_stamps(&self) -> SendStamps {
        let rate = self.args.run.rate.map_or(Some(RATE), Rate::per_second);
        match self.timestamping() {
            Timestamping::Auto if self.args.sweep.alive || self.args.sweep.unreachable => SendStamps::None,
            asked => match asked.send_stamps(rate.unwrap_or(f64::INFINITY)) {
                SendStamps::None => SendStamps::None,
                // Millions of targets leave no room for the interface's stamps.
                SendStamps::Kernel | SendStamps::Hardware => SendStamps::Kernel,
            },
        }
    }

    fn sweep_plan(&self, wish: &Wish, bound: &Binding) -> Plan {
        let lane = |&family: &Family| LanePlan {
            send_stamps: wish.send_stamps,
            broadcast: self.args.socket.broadcast,
            receive_buffer: Some(RECEIVE_BUFFER),
            ..self.lane(family, Protocol::Icmp, bound)
        };
        Plan { lanes: wish.families.iter().map(lane).collect(), names: false, ..Plan::default() }
    }

    /// Refuses a run for which there is no socket at all.
    fn check_lanes(&self, wish: &Wish, lanes: Option<&Lanes>) -> Result<(), CliError> {
        let Some(lanes) = lanes else { return Ok(()) };
        if lanes.is_empty()
            && let Some(refused) = lanes.refusal()
        {
            return Err(CliError::NoLane(refused.clone()));
        }
        if self.args.packet.ident.is_some() && lanes.any(|profile| profile.ident.owner == Owner::Kernel) {
            return Err(CliError::Refused(crate::cli::rping::run::KERNELS_IDENT.to_owned()));
        }
        if self.payload_octets() > crate::cli::rping::run::V4_PAYLOAD && wish.families.contains(&Family::V4) {
            return Err(crate::cli::rping::run::too_large(self.payload_octets()));
        }
        Ok(())
    }

    /// Where the targets come from, and their names' addresses.
    fn source(
        &self,
        wish: &mut Wish,
        families: &[Family],
        complaints: &Complaints,
        env: &mut Env<'_>,
    ) -> Result<(Source, Lookups), CliError> {
        let forced = self.args.socket.family.forced();
        let (mut items, list) = (std::mem::take(&mut wish.items), wish.list.take());
        let unpaced = self.args.run.rate.is_none();
        let random = self.args.sweep.random_order;
        let Some(apart) = &env.apart else {
            let mut known = HashMap::new();
            if let Some(list) = list {
                for item in read_now(list, unpaced, complaints, env.stdin)? {
                    items.push(item.unwrap_or_else(|text| {
                        known.insert(text.clone(), SweepTarget { name: Some(text.clone()), endpoint: None });
                        Item::Name(text)
                    }));
                }
            }
            look_up_now(&items, &mut known, |name| {
                choose(name.clone(), (env.resolve)(name, forced), families, complaints)
            });
            return Ok((self.in_order(Space::new(items)), Lookups::Known(Arc::new(known))));
        };
        let lookups = Lookups::Apart { resolve: apart.resolve, forced, families: families.to_vec() };
        let source = match (list, &self.args.targets_file) {
            (None, _) | (_, None) => self.in_order(Space::new(items)),
            (Some(List::File(file)), Some(path)) if random => {
                let index = Index::new(file, path, unpaced)?;
                let space = Space::new(items).and(index);
                if unpaced && space.count() > UNPACED {
                    return Err(CliError::Refused(too_many("all targets together", space.count())));
                }
                self.in_order(space)
            }
            (Some(List::File(file)), _) => Source::Stream(Stream { items, list: Box::new(file), unpaced }),
            (Some(List::Stdin), _) => Source::Stream(Stream { items, list: (apart.stdin)(), unpaced }),
        };
        Ok((source, lookups))
    }

    fn in_order(&self, space: Space) -> Source {
        let sweep = &self.args.sweep;
        // Without a seed always the same, so that shards agree.
        let order = sweep.random_order.then(|| Permutation::new(space.count(), sweep.seed.unwrap_or(0)));
        Source::Space(Arc::new(space), order)
    }

    fn sweep_config(
        &self,
        wish: &Wish,
        lanes: &Lanes,
        supply: Supply,
        workers: usize,
        progress: bool,
        seed: u64,
    ) -> Config {
        let run = &self.args.run;
        let rate = run.rate.map_or(Some(RATE), Rate::per_second);
        let routes = [Family::V4, Family::V6].into_iter().filter_map(|family| lanes.get(family).ok());
        Config {
            supply,
            routes: routes.map(|lane| LaneRoute { lane: lane.id, profile: lane.profile }).collect(),
            probes: wish.probes,
            wait: run.timeout.map_or(WAIT, |wait| wait.duration),
            rate: rate.map(|rate| rate / workers as f64),
            deadline: run.deadline.map(|deadline| deadline.duration).filter(|deadline| !deadline.is_zero()),
            completion: self.completion(),
            needed: match (run.count, run.deadline) {
                (Some(count), Some(_)) => u32::try_from(count).unwrap_or(u32::MAX),
                _ => 1,
            },
            vector: self.args.sweep.vector,
            user_to_user: self.timestamping() == Timestamping::User,
            progress,
            payload_octets: self.payload_octets(),
            fill: self.args.packet.pattern.clone().unwrap_or_default(),
            seed,
        }
    }

    fn sweep_sink(&self, wish: &Wish, lanes: &Lanes) -> Box<dyn Sink<Event> + Send> {
        if !self.args.output.json {
            return Box::new(SweepText::new(wish.show));
        }
        let sockets = [Family::V4, Family::V6].into_iter().filter_map(|family| {
            let lane = lanes.get(family).ok()?;
            Some((family, lane.profile.socket))
        });
        Box::new(SweepJson::new(wish.show, sockets.collect()))
    }
}

/// Whether a command line makes a sweep: by its options, or because a target is more than one address.
pub fn is_sweep(args: &PingArgs) -> bool {
    let method = &args.method;
    let icmp = method.tcp.is_none() && method.udp.is_none() && method.stamp.is_none();
    let many = |text: &String| match Range::read(text) {
        Ok(Some(range)) => range.count() > 1,
        // What starts like a prefix or a range, but for a path.
        Err(_) => !text.starts_with("unix"),
        Ok(None) => false,
    };
    args.sweep.given().is_some() || (args.targets_file.is_some() && icmp) || args.targets.iter().any(many)
}

/// Whether every target gets the same number of probes, more than one or listed one by one.
pub fn is_counted(args: &PingArgs) -> bool {
    args.run.count.is_some_and(|count| count > 1) || args.sweep.vector
}

/// Whether a silent target is probed again.
pub fn has_retries(args: &PingArgs) -> bool {
    matches!(probes(args), Probes::UntilAnswered { retries: 1.., .. })
}

fn probes(args: &PingArgs) -> Probes {
    let (run, sweep) = (&args.run, &args.sweep);
    let retries = match (sweep.retry, run.count) {
        (Some(retries), _) => retries,
        (None, None) if !sweep.vector => 1,
        _ => 0,
    };
    match run.count {
        // At most a million.
        Some(count) if count > 1 => Probes::Counted {
            count: count as u32,
            interval: run.interval.map_or(INTERVAL, |interval| interval.duration),
        },
        _ => Probes::UntilAnswered { retries, backoff: sweep.backoff.unwrap_or(1.0) },
    }
}

fn open_list(path: &Path) -> Result<List, CliError> {
    if path.as_os_str() == "-" {
        return Ok(List::Stdin);
    }
    let opened = File::open(path).and_then(|file| match file.metadata()?.is_dir() {
        true => Err(io::ErrorKind::IsADirectory.into()),
        false => Ok(List::File(file)),
    });
    opened.map_err(|error| CliError::Unreadable("--targets", path.to_owned(), error))
}

/// Why a family cannot be probed, where that is so.
fn missing(lanes: Option<&Lanes>) -> Vec<(Family, String)> {
    let why = |family| match lanes?.get(family) {
        Ok(_) => None,
        Err(Some(refused)) => Some((family, CliError::NoLane(refused.clone()).to_string())),
        Err(None) => {
            let name = if family == Family::V4 { "IPv4" } else { "IPv6" };
            Some((family, format!("{name} addresses are not of the family asked for")))
        }
    };
    [Family::V4, Family::V6].into_iter().filter_map(why).collect()
}

/// Reads a list on this thread: items, and the text of lines that are none.
fn read_now(
    list: List,
    unpaced: bool,
    complaints: &Complaints,
    stdin: &mut dyn BufRead,
) -> Result<Vec<Result<Item, Box<str>>>, CliError> {
    let failed = |error| CliError::Unreadable("--targets", Path::new("-").to_owned(), error);
    let mut text = String::new();
    match list {
        List::Stdin => stdin.read_to_string(&mut text),
        List::File(file) => BufReader::new(file).read_to_string(&mut text),
    }
    .map_err(failed)?;
    let item = |word: &str| {
        Item::read(word, unpaced).map_err(|sentence| {
            complaints.push(sentence);
            word.into()
        })
    };
    Ok(text.lines().filter_map(word).map(item).collect())
}

/// Looks up on this thread what is not known yet.
fn look_up_now(items: &[Item], known: &mut HashMap<Box<str>, SweepTarget>, look_up: impl Fn(&Box<str>) -> SweepTarget) {
    for item in items {
        if let Item::Name(name) = item
            && !known.contains_key(name)
        {
            known.insert(name.clone(), look_up(name));
        }
    }
}
