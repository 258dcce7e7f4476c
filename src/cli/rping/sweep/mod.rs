//! A sweep of `rping` from its command line to its exit status.

pub mod args;
mod config;
mod console;
pub(in crate::cli::rping) mod probes;
mod supply;
mod targets;

use std::fs::File;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use crate::channel::{OpenedLanes, Owner, Precision, SendStamps, SocketKind};
use crate::cli::args::shard::{ListDigest, Shard};
use crate::cli::drive::{Console, Driven, Run, Worker, drive};
use crate::cli::env::Env;
use crate::cli::error::CliError;
use crate::cli::list::{Origin, standard_input};
use crate::cli::pcap::Pcap;
use crate::cli::replay::Replay;
use crate::cli::rping::args::V4_PAYLOAD;
use crate::cli::rping::method::Choice;
use crate::cli::rping::run::{Binding, Rping};
use crate::cli::rping::sweep::config::{Part, Shared, Zone, method_of};
use crate::cli::rping::sweep::console::SweepConsole;
use crate::cli::rping::sweep::supply::{Common, Complaints, Source, Stream, supplies};
use crate::cli::rping::sweep::targets::{Index, Item, Reading, Space};
use crate::cli::tape::Tape;
use crate::cli::target::Lanes;
use crate::cli::{ANSWERED, NOT_RUN};
use crate::engine::outcome::MethodKind;
use crate::net;
use crate::recording::{Mode, Session};
use crate::report::{SweepShow, SweepStyle};
use crate::sweep::{Event, Exclusions, Permutation, Probes, RunStatus, Supply, Sweep};
use crate::types::Family;

/// What is known before any socket is open.
struct SweepPlan {
    items: Vec<Item>,
    list: Option<List>,
    families: Vec<Family>,
    probes: Probes,
    send_stamps: SendStamps,
    exclusions: Arc<Exclusions>,
}

/// What `--targets` names.
struct List {
    origin: Origin,
    /// `None` is standard input.
    file: Option<File>,
}

impl List {
    /// Whether any part of it can be read at any time.
    fn is_seekable(&self) -> bool {
        self.file.as_ref().is_some_and(|file| file.metadata().is_ok_and(|about| about.is_file()))
    }
}

impl Rping<'_> {
    /// Runs the sweep.
    pub(super) fn sweep(&self, env: &mut Env<'_>) -> Result<u8, CliError> {
        self.hint_at_long_times(env);
        let shard = self.args.sweep.shard.chosen();
        let choice = Choice::of(&self.args.method, None)?;
        let mut tape = Tape::open(&self.args.record, self.program)?;
        let mut pcap = Pcap::open(&self.args.record, self.program)?;
        let bound = self.binding(env)?;
        let mut sweep_plan = self.read_plan(&bound, env)?;
        let plan = self.sweep_plan(&choice, &sweep_plan, &bound);
        let count = if net::has_threads() { usize::from(self.args.sweep.workers.unwrap_or(1)) } else { 1 };
        let opened = env.open(&plan, count, self.verbose())?;
        let lanes: Vec<Lanes> = opened.iter().map(|opened| Lanes::of(opened, &plan.lanes, |_| true)).collect();
        let Some(first) = lanes.first() else { return Ok(NOT_RUN) };
        self.check_lanes(&sweep_plan, first)?;
        let zones = zones(&bound, env);
        let common = self.common(&sweep_plan, first, &bound, &zones);
        let digest = self.list_digest();
        let source = self.source(&mut sweep_plan, &digest, env)?;
        let terminal = env.terminal && !self.args.output.is_quiet();
        let mut console = SweepConsole {
            terminal,
            part: shard,
            complaints: common.complaints.clone(),
            figures: vec![Default::default(); count],
            forecast: source.targets(&common).map(|targets| self.forecast(&sweep_plan, targets)),
            ..SweepConsole::new(self.program, self.style().method)
        };
        let taps = pcap.as_mut().map(|pcap| {
            let all: Vec<&OpenedLanes> = opened.iter().collect();
            pcap.begin(("rping", self.words), &all, &plan, env)
        });
        let shared = Shared {
            zones,
            workers: count,
            // Several report their figures, which are added up.
            progress: terminal || count > 1,
            captured: taps.is_some(),
            seed: env.seed,
        };
        let mut workers = self.workers(opened, &lanes, (source, &common), &choice, (&sweep_plan, &shared))?;
        self.sweep_head(env)?;
        if let (Some(tape), Some(first)) = (&mut tape, workers.first()) {
            let session = tape.session("rping", Mode::Sweep, self.words, first.channel.now());
            let session = Session { sockets: lanes.first().map(sockets).unwrap_or_default(), ..session };
            let mut recorders = tape.begin_several(session, workers.len(), env).into_iter();
            workers.iter_mut().for_each(|worker| worker.recorder = recorders.next());
        }
        workers.iter_mut().zip(taps.into_iter().flatten()).for_each(|(worker, tap)| worker.tap = Some(tap));
        let shown = Console { takes: SweepConsole::takes, spreads: SweepConsole::spreads, sink: &mut console };
        let precision = Precision::Shared;
        let sides = (tape.as_mut(), pcap.as_mut().map(Pcap::side));
        let run = Run { precision, console: Some(shown), tape: sides.0, pcap: sides.1, ..Run::plain(take_note) };
        let driven = drive(workers, run, env);
        Pcap::end(pcap, env);
        Tape::end(tape, &driven, env);
        self.conclude(driven?, console, &digest, env)
    }

    /// What all workers share of the targets and their addresses.
    fn common(&self, sweep_plan: &SweepPlan, lanes: &Lanes, bound: &Binding, zones: &[Zone]) -> Common {
        Common {
            zone: match (bound.interface.is_some(), zones) {
                (true, [(own, _), ..]) | (false, [(own, _)]) => Some(*own),
                _ => None,
            },
            candidates: zones.iter().map(|(_, name)| name.clone()).collect(),
            share: self.args.sweep.shard.chosen().unwrap_or(Shard::WHOLE),
            exclusions: Arc::clone(&sweep_plan.exclusions),
            missing: missing(lanes),
            forced: self.args.socket.family.forced(),
            families: [Family::V4, Family::V6].into_iter().filter(|&family| lanes.get(family).is_ok()).collect(),
            complaints: Complaints::default(),
            ports: self.args.method.sweep_ports().into(),
        }
    }

    /// A worker with its part of the targets for each set of lanes that was opened.
    fn workers(
        &self,
        opened: Vec<OpenedLanes>,
        lanes: &[Lanes],
        (source, common): (Source, &Common),
        choice: &Choice,
        (sweep_plan, shared): (&SweepPlan, &Shared),
    ) -> Result<Vec<Worker<Sweep, RunStatus>>, CliError> {
        // Without a thread for the list, it is read in place, as where nothing can wake its reader.
        let threads = net::has_threads();
        let (channels, outside): (Vec<_>, Vec<_>) = opened
            .into_iter()
            .map(|OpenedLanes { channel, addresses, post, source_for, .. }| {
                ((channel, post.clone(), source_for), (post.filter(|_| threads), addresses))
            })
            .unzip();
        let supplies = supplies(source, common, outside);
        let worker = |(((channel, post, source_for), lanes), supply): ((_, &Lanes), Supply)| {
            let part = Part { lanes, supply, method: method_of(choice, source_for) };
            Ok(Worker {
                channel,
                lookup: None,
                addresses: None,
                post,
                machine: Sweep::new(self.sweep_config(sweep_plan, shared, part)),
                sink: self.sweep_sink(&sockets(lanes), shared.workers)?,
                fold: RunStatus::default(),
                recorder: None,
                tap: None,
            })
        };
        channels.into_iter().zip(lanes).zip(supplies).map(worker).collect()
    }

    /// The last words about a sweep that is over, and its exit status.
    fn conclude(
        &self,
        driven: Driven<RunStatus>,
        console: SweepConsole,
        digest: &ListDigest,
        env: &mut Env<'_>,
    ) -> Result<u8, CliError> {
        let mut run_status = RunStatus::default();
        driven.folds.into_iter().for_each(|other| run_status.join(other));
        let required = self.args.run.reachable.unwrap_or_default();
        let (complete, (totals, _)) = (!run_status.cut_short && !driven.closed, console.all());
        let status = console.close(run_status, required, driven.closed, self.args.output.verbose, env);
        let shard = self.args.sweep.shard.chosen();
        if let Some(shard) = shard {
            let part = digest.part("rping", shard, (totals.ended, totals.alive), complete);
            self.args.output.format.close_part(&part, env)?;
        }
        let whole = shard.is_none() && self.args.sweep.exclude.is_none();
        match status {
            None if whole => Err(CliError::NoTarget),
            None if shard.is_none() => {
                let line = format!("{}: --exclude leaves no target", self.program);
                writeln!(env.stderr, "{line}").map_err(CliError::Output)?;
                Ok(ANSWERED)
            }
            status => Ok(status.unwrap_or(ANSWERED)),
        }
    }

    /// Shows a sweep that was recorded.
    pub(super) fn play_sweep(&self, replay: Replay, env: &mut Env<'_>) -> Result<u8, CliError> {
        let sink = self.sweep_sink(&replay.session().sockets, 1)?;
        self.sweep_head(env)?;
        let take = |(run_status, overs): &mut (RunStatus, Vec<_>), event: &Event| {
            run_status.take(event);
            if let Event::Over { elapsed, totals, .. } = event {
                overs.push((*totals, *elapsed));
            }
        };
        let fold = (RunStatus::default(), Vec::new());
        let ((run_status, figures), cut) = replay.play(sink, fold, take, self.program, env)?;
        let console =
            SweepConsole { figures, interrupted: true, ..SweepConsole::new(self.program, self.style().method) };
        let required = self.args.run.reachable.unwrap_or_default();
        let status = console.close(run_status, required, false, self.args.output.verbose, env);
        Ok(cut.or(status).unwrap_or(ANSWERED))
    }

    fn read_plan(&self, bound: &Binding, env: &mut Env<'_>) -> Result<SweepPlan, CliError> {
        let sweep = &self.args.sweep;
        let reading = self.reading();
        let items: Vec<Item> = self
            .args
            .targets
            .iter()
            .map(|text| Item::read(text, reading).map_err(CliError::Refused))
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
        self.reading().check_all(items.iter().fold(0, |sum: u64, item| sum.saturating_add(item.count())))?;
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
        let exclusions = sweep.exclude.as_deref().map(|path| targets::exclusions(path, env)).transpose()?;
        Ok(SweepPlan {
            families,
            probes: probes::probes(self.args),
            send_stamps: self.sweep_stamps(),
            exclusions: Arc::new(exclusions.unwrap_or_default()),
            items,
            list,
        })
    }

    pub(super) fn style(&self) -> SweepStyle {
        let show = match &self.args.sweep {
            sweep if sweep.alive => SweepShow::Alive,
            sweep if sweep.unreachable => SweepShow::Unreachable,
            sweep if sweep.vector => SweepShow::Vectors,
            _ => SweepShow::Summaries,
        };
        let method = match (&self.args.method.tcp, self.args.method.udp_aim()) {
            (Some(_), _) => MethodKind::Tcp,
            (None, Some(_)) => MethodKind::Udp,
            (None, None) => MethodKind::Icmp,
        };
        SweepStyle { show, method, has_several_ports: self.args.method.sweep_ports().len() > 1 }
    }

    fn reading(&self) -> Reading {
        Reading { unpaced: self.args.run.rate.is_none(), ports: self.args.method.sweep_ports().len() as u64 }
    }

    /// Refuses a run for which there is no socket at all.
    fn check_lanes(&self, sweep_plan: &SweepPlan, lanes: &Lanes) -> Result<(), CliError> {
        if lanes.is_empty()
            && let Some(refused) = lanes.refusal()
        {
            return Err(CliError::NoLane(refused.clone()));
        }
        if self.args.packet.ident.is_some() && lanes.any(|profile| profile.ident.owner == Owner::Kernel) {
            return Err(CliError::Refused(crate::cli::rping::run::KERNELS_IDENT.to_owned()));
        }
        if self.payload_octets() > V4_PAYLOAD && sweep_plan.families.contains(&Family::V4) {
            return Err(crate::cli::rping::run::too_large(self.payload_octets()));
        }
        Ok(())
    }

    /// Of the targets among the arguments and of their order; the list's follow when it is read.
    fn list_digest(&self) -> ListDigest {
        let sweep = &self.args.sweep;
        let digest = ListDigest::new(sweep.random_order.then_some(sweep.seed.unwrap_or(0)));
        self.args.method.sweep_ports().iter().for_each(|port| digest.add(&format!("port {}", port.get())));
        self.args.targets.iter().for_each(|text| digest.add(text));
        digest
    }

    /// Where the targets come from.
    fn source(&self, plan: &mut SweepPlan, digest: &ListDigest, env: &mut Env<'_>) -> Result<Source, CliError> {
        let (items, list) = (std::mem::take(&mut plan.items), plan.list.take());
        let reading = self.reading();
        Ok(match list {
            None => self.in_order(Space::new(items)),
            Some(List { origin, file: Some(file) }) if self.args.sweep.random_order => {
                let space = Space::new(items).and(Index::new(file, &origin, reading, digest, &plan.exclusions)?);
                reading.check_all(space.count())?;
                self.in_order(space)
            }
            Some(List { origin, file }) => {
                let list = file.map_or_else(|| standard_input(env), |file| Box::new(file));
                Source::Stream(Stream { items, list, origin, reading, digest: digest.clone() })
            }
        })
    }

    fn in_order(&self, space: Space) -> Source {
        let sweep = &self.args.sweep;
        // Without a seed always the same, so that shards agree.
        let order = sweep.random_order.then(|| Permutation::new(space.count(), sweep.seed.unwrap_or(0)));
        Source::Space(Arc::new(space), order)
    }
}

/// The interfaces that link-local addresses may belong to: first that which packets leave by, if one is named.
fn zones(bound: &Binding, env: &Env<'_>) -> Vec<Zone> {
    let own = bound.interface.as_deref();
    let own = own.and_then(|name| Some(((env.interface_index)(name)?, name.into())));
    own.into_iter().chain((env.interfaces_with_link)()).collect()
}

/// The sockets of each family that has one.
fn sockets(lanes: &Lanes) -> Vec<(Family, SocketKind)> {
    let of = |family| Some((family, lanes.get(family).ok()?.profile.socket));
    [Family::V4, Family::V6].into_iter().filter_map(of).collect()
}

fn take_note(run_status: &mut RunStatus, event: &Event) -> Option<IpAddr> {
    run_status.take(event);
    None
}

fn open_list(path: &Path) -> Result<List, CliError> {
    let origin = Origin::new("--targets", path);
    Ok(List { file: origin.open()?, origin })
}

/// Why a family cannot be probed, where that is so.
fn missing(lanes: &Lanes) -> Vec<(Family, String)> {
    let why = |family| match lanes.get(family) {
        Ok(_) => None,
        Err(Some(refused)) => Some((family, CliError::NoLane(refused.clone()).to_string())),
        Err(None) => {
            let name = if family == Family::V4 { "IPv4" } else { "IPv6" };
            Some((family, format!("{name} addresses are not of the family asked for")))
        }
    };
    [Family::V4, Family::V6].into_iter().filter_map(why).collect()
}
