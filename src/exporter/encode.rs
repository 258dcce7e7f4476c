//! Figures in the formats of Prometheus.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::config::{Names, Prober};
use super::direction_loss::DirectionLoss;
use super::figures::{RTT_STATS, SeriesFigures, WindowFigures};
use super::histogram::Histogram;
use super::keeper::{self, Shared};
use super::labels::{And, By, Labels};
use super::path_samples;
use super::probe::Tally;
use super::prober::{STAMPS, lock};
use super::process;
use super::targets::{Entry, Series, State};
use super::write::{Source, Writer};
use crate::metrics::Counts;

/// Everything about fixed targets and the exporter itself at one moment.
#[derive(Debug)]
pub struct Scrape {
    names: Names,
    targets: Vec<Resolving>,
    series: Vec<One>,
    /// Those of them that are paths.
    paths: Vec<One>,
    /// What is said of the exporter; not where a scrape asked for some groups only.
    own: Option<Own>,
}

/// What is said of a target and not of one of its addresses.
#[derive(Debug)]
struct Resolving {
    of: Arc<Entry>,
    address_changes: u64,
    failures: u64,
    left_out: usize,
    /// How long the last lookup took, once there was one.
    took: Option<Duration>,
}

/// Kept small: there is one of each series for as long as the answer takes.
#[derive(Debug)]
struct One {
    of: Arc<Series>,
    /// Where those names are wanted.
    smokeping: Option<Box<Labels>>,
    /// smokeping_prober knows nothing else.
    is_icmp: bool,
    figures: SeriesFigures,
    window: Option<Box<WindowFigures>>,
}

#[derive(Debug)]
struct Own {
    reloaded: bool,
    reloaded_at: u64,
    targets: usize,
    unresolved: usize,
    lateness: Vec<(Labels, Histogram)>,
    dropped: u64,
    stamps: [u64; 3],
    series: u64,
    requests: Vec<(&'static str, u64)>,
    process: Option<process::Process>,
}

impl Resolving {
    fn of(entry: &Arc<Entry>, state: &State) -> Self {
        Resolving {
            of: Arc::clone(entry),
            address_changes: state.address_changes,
            failures: state.resolve_failures,
            left_out: state.left_out,
            took: state.tried.then_some(state.resolve_duration),
        }
    }
}

impl Scrape {
    /// What there is to say now of the targets of these groups; of all if none is named.
    pub fn of(shared: &Shared, tally: &Tally, groups: &[String]) -> Self {
        let names = shared.config().metrics.names;
        let now = keeper::now();
        let all = shared.targets.all();
        let (mut targets, mut series, mut paths) =
            (Vec::with_capacity(all.len()), Vec::with_capacity(all.len()), Vec::new());
        for entry in all.iter() {
            if !groups.is_empty() && !groups.iter().any(|group| **group == *entry.wanted.group) {
                continue;
            }
            let (addresses, target) = entry.with(|state| (state.series.clone(), Resolving::of(entry, state)));
            for one in &addresses {
                let (figures, window) = lock(&one.figures).shown(now);
                let module = &entry.wanted.module;
                let smokeping = (names != Names::Netprobe).then(|| {
                    let source = module.source.map(|source| source.to_string()).unwrap_or_default();
                    let tos = module.tos.map_or(0, |tos| tos.get()).to_string();
                    let ip = one.labels.get("address").unwrap_or_default();
                    let fixed = [
                        ("host", entry.wanted.host.clone()),
                        ("ip", ip.into()),
                        ("source", source.into()),
                        ("tos", tos.into()),
                    ];
                    Box::new(Labels::new(fixed, &entry.wanted.labels))
                });
                let is_icmp = module.prober == Prober::Icmp;
                let kind = if figures.path.is_some() { &mut paths } else { &mut series };
                kind.push(One { of: Arc::clone(one), smokeping, is_icmp, figures, window: window.map(Box::new) });
            }
            targets.push(target);
        }
        let own = groups.is_empty().then(|| Own::of(shared, tally));
        Scrape { names, targets, series, paths, own }
    }

    fn write_series(&self, to: &mut Writer<'_>) -> fmt::Result {
        to.gauges(
            "netprobe_up",
            "Whether one of the last probes was answered",
            self.series.iter().chain(&self.paths).map(|one| (By(&one.of.labels), f64::from(one.figures.is_up()))),
        )?;
        self.write_paths(to)?;
        if self.series.is_empty() {
            return Ok(());
        }
        for (name, help, of) in COUNTERS {
            let samples = self.series.iter().map(|one| (By(&one.of.labels), of(&one.figures.counts)));
            to.counters(name, help, samples)?;
        }
        if self.series.iter().any(|one| one.figures.histogram.has_buckets()) {
            let samples = self.series.iter().map(|one| (By(&one.of.labels), &one.figures.histogram));
            to.histograms("netprobe_rtt_seconds", "Round-trip times", samples)?;
        }
        let some = |of: fn(&One) -> Option<f64>| {
            self.series.iter().filter_map(move |one| Some((By(&one.of.labels), of(one)?)))
        };
        let rtt = |one: &One| one.figures.last.map(|rtt| rtt.as_duration().as_secs_f64());
        to.gauges("netprobe_rtt_last_seconds", "Round-trip time of the newest reply", some(rtt))?;
        let jitter = |one: &One| one.figures.jitter.nanos().map(|nanos| nanos / 1e9);
        to.gauges("netprobe_interarrival_jitter_seconds", "Smoothed jitter of RFC 3550", some(jitter))?;
        let hops = |one: &One| one.figures.reply_ttl.map(f64::from);
        to.gauges("netprobe_reply_hop_limit", "TTL or hop limit of the newest reply", some(hops))?;
        let ipdv = |one: &One| one.window.as_ref()?.ipdv;
        to.gauges(
            "netprobe_ipdv_seconds",
            "Mean difference between consecutive round-trip times in the window",
            some(ipdv),
        )?;
        let loss = |one: &One| one.window.as_ref()?.loss;
        to.gauges("netprobe_window_loss_ratio", "Part of the probes in the window that was lost", some(loss))?;
        let runs = |one: &One| Some(one.window.as_ref()?.longest_loss_run as f64);
        to.gauges("netprobe_window_longest_loss_run", "Most probes lost in a row in the window", some(runs))?;
        let stats = self.series.iter().flat_map(|one| {
            let rtt = one.window.as_ref().and_then(|window| window.rtt);
            let stats = rtt.map(|rtt| RTT_STATS.into_iter().zip(rtt));
            stats.into_iter().flatten().map(|(stat, value)| (And(&one.of.labels, "stat", stat), value))
        });
        to.gauges("netprobe_window_rtt_seconds", "Round-trip times in the window", stats)?;
        self.write_reflectors(to)
    }

    /// What reflectors of STAMP report about themselves and both directions.
    fn write_reflectors(&self, to: &mut Writer<'_>) -> fmt::Result {
        let series: Vec<_> = self
            .series
            .iter()
            .filter_map(|one| {
                let reflected = one.figures.reflected.as_deref()?;
                Some((&one.of.labels, reflected.newest?, reflected.direction_loss))
            })
            .collect();
        if series.is_empty() {
            return Ok(());
        }
        to.gauges(
            "netprobe_reflector_seconds",
            "Time that the reflector kept the newest packet",
            series.iter().map(|(labels, newest, _)| (By(labels), newest.reflector.as_duration().as_secs_f64())),
        )?;
        let lost = |(labels, _, loss): &(_, _, DirectionLoss)| Some((*labels, loss.lost()?));
        let there = series.iter().filter_map(lost).map(|(labels, lost)| (By(labels), lost.0));
        to.counters("netprobe_lost_there", "Probes lost on the way there, as the reflector counts", there)?;
        let back = series.iter().filter_map(lost).map(|(labels, lost)| (By(labels), lost.1));
        to.counters("netprobe_lost_back", "Probes lost on the way back, as the reflector counts", back)?;
        let delays = series.iter().filter_map(|(labels, newest, _)| Some((labels, newest.one_way?)));
        let seconds = |nanos: i64| nanos as f64 / 1e9;
        let by_direction = delays.clone().flat_map(|(labels, delay)| {
            [("there", delay.there), ("back", delay.back)]
                .map(|(direction, nanos)| (And(labels, "direction", direction), seconds(nanos)))
        });
        to.gauges("netprobe_delay_seconds", "Delay of the newest packet on each way, by both clocks", by_direction)?;
        let errors = delays.map(|(labels, delay)| (By(labels), delay.error as f64 / 1e9));
        to.gauges("netprobe_delay_error_seconds", "How far both clocks together may be off", errors)
    }

    fn write_paths(&self, to: &mut Writer<'_>) -> fmt::Result {
        let paths: Vec<_> = self
            .paths
            .iter()
            .filter_map(|one| Some((&one.of.labels, one.figures.path.as_deref()?, one.figures.is_up())))
            .collect();
        if paths.is_empty() { Ok(()) } else { path_samples::write(to, &paths) }
    }

    fn write_targets(&self, to: &mut Writer<'_>) -> fmt::Result {
        let all = || self.targets.iter().map(|target| (By(&target.of.labels), target));
        to.counters(
            "netprobe_target_address_changes",
            "How often a name had other addresses than before",
            all().map(|(labels, target)| (labels, target.address_changes)),
        )?;
        to.counters(
            "netprobe_resolve_failures",
            "Lookups of a name without an address",
            all().map(|(labels, target)| (labels, target.failures)),
        )?;
        to.gauges(
            "netprobe_target_addresses_left_out",
            "Addresses of a name that are not probed, as it has too many",
            all().map(|(labels, target)| (labels, target.left_out as f64)),
        )?;
        to.gauges(
            "netprobe_resolve_duration_seconds",
            "How long the last lookup took",
            all().filter_map(|(labels, target)| Some((labels, target.took?.as_secs_f64()))),
        )
    }

    /// The names of smokeping_prober.
    fn write_smokeping(&self, to: &mut Writer<'_>) -> fmt::Result {
        // Its dashboard takes the instances to choose from out of this one.
        let version = Labels::of([("version", env!("CARGO_PKG_VERSION").into())]);
        to.gauges("smokeping_prober_build_info", "What is running in its place", [(version, 1.0)])?;
        let icmp = self.series.iter().filter(|one| one.figures.probed && one.is_icmp);
        let series = || icmp.clone().filter_map(|one| Some((By(one.smokeping.as_deref()?), &one.figures)));
        let counts = |of: fn(&Counts) -> u64| series().map(move |(labels, figures)| (labels, of(&figures.counts)));
        to.counters("smokeping_requests", "Probes sent", counts(|counts| counts.sent))?;
        let histograms = series().map(|(labels, figures)| (labels, &figures.histogram));
        to.histograms("smokeping_response_duration_seconds", "Round-trip times", histograms)?;
        let ttl = series().filter_map(|(labels, figures)| Some((labels, f64::from(figures.reply_ttl?))));
        to.gauges("smokeping_response_ttl", "TTL or hop limit of the newest reply", ttl)?;
        to.counters("smokeping_response_duplicates", "Further answers", counts(|counts| counts.duplicates))?;
        to.counters(
            "smokeping_send_errors",
            "Probes that the kernel did not send",
            counts(|counts| counts.send_failed),
        )?;
        to.counters("smokeping_receive_errors", "ICMP errors about probes", counts(|counts| counts.icmp_errors))
    }
}

/// A counter of series: its name without `_total`, its help, and where it comes from.
type OfCounts = (&'static str, &'static str, fn(&Counts) -> u64);

const COUNTERS: [OfCounts; 10] = [
    ("netprobe_probes_sent", "Probes sent", |counts| counts.sent),
    ("netprobe_probes_received", "Probes answered in time", |counts| counts.received),
    ("netprobe_probes_lost", "Probes without an answer in time", |counts| counts.lost),
    ("netprobe_probes_refused", "Probes that the host answered and the service did not", |counts| counts.refused),
    ("netprobe_probes_unreachable", "Probes answered by ICMP errors alone", |counts| counts.unreachable),
    ("netprobe_send_errors", "Probes that the kernel did not send", |counts| counts.send_failed),
    ("netprobe_duplicates", "Further answers to probes already answered", |counts| counts.duplicates),
    ("netprobe_late", "Answers after the timeout", |counts| counts.late),
    ("netprobe_reordered", "Answers overtaken by that to a later probe", |counts| counts.reordered),
    ("netprobe_corrupted", "Answers with a wrong checksum or a changed payload", |counts| {
        counts.bad_checksum + counts.payload_changed
    }),
];

impl Source for Scrape {
    fn write(&self, to: &mut Writer<'_>) -> fmt::Result {
        if !self.targets.is_empty() {
            if self.names != Names::Smokeping {
                self.write_series(to)?;
            }
            if self.names != Names::Netprobe {
                self.write_smokeping(to)?;
            }
            self.write_targets(to)?;
        }
        self.own.as_ref().map_or(Ok(()), |own| own.write(to))
    }
}

impl Own {
    fn of(shared: &Shared, tally: &Tally) -> Self {
        let healths = || shared.workers.iter().map(|worker| Arc::clone(&worker.health));
        let sum = |of: fn(&super::prober::Health) -> u64| healths().map(|health| of(&health)).sum::<u64>();
        let mut stamps = [0; 3];
        for health in healths() {
            for (sum, count) in stamps.iter_mut().zip(&health.stamps) {
                *sum += count.load(Ordering::Relaxed);
            }
        }
        let worker = |(number, health): (usize, Arc<super::prober::Health>)| {
            (Labels::of([("worker", number.to_string().into())]), lock(&health.lateness).clone())
        };
        Own {
            reloaded: shared.reloaded.load(Ordering::Relaxed),
            reloaded_at: shared.reloaded_at.load(Ordering::Relaxed),
            targets: shared.targets.all().len(),
            unresolved: keeper::unresolved(shared),
            lateness: healths().enumerate().map(worker).collect(),
            dropped: sum(|health| health.dropped.load(Ordering::Relaxed))
                + shared.paths.health.dropped.load(Ordering::Relaxed)
                + shared.sizes.health.dropped.load(Ordering::Relaxed),
            stamps,
            series: sum(|health| health.series.load(Ordering::Relaxed))
                + shared.paths.health.series.load(Ordering::Relaxed),
            requests: tally.counts(),
            process: process::read(),
        }
    }

    fn write(&self, to: &mut Writer<'_>) -> fmt::Result {
        let version = Labels::of([("version", env!("CARGO_PKG_VERSION").into())]);
        to.gauges("netprobe_exporter_build_info", "What is running", [(version, 1.0)])?;
        to.gauge(
            "netprobe_exporter_config_last_reload_successful",
            "Whether the configuration could be read when it was read last",
            f64::from(self.reloaded),
        )?;
        to.gauge(
            "netprobe_exporter_config_last_reload_success_timestamp_seconds",
            "When the configuration was read last",
            self.reloaded_at as f64,
        )?;
        to.gauge("netprobe_exporter_targets", "Fixed targets", self.targets as f64)?;
        to.gauge("netprobe_exporter_targets_unresolved", "Fixed targets without an address", self.unresolved as f64)?;
        to.gauge("netprobe_exporter_series", "What is probed now, measurements included", self.series as f64)?;
        let lateness = self.lateness.iter().map(|(labels, histogram)| (By(labels), histogram));
        to.histograms(
            "netprobe_exporter_schedule_lateness_seconds",
            "How long after its time each probe left",
            lateness,
        )?;
        to.counter(
            "netprobe_exporter_socket_drops",
            "Packets that the kernel dropped before they were read",
            self.dropped,
        )?;
        let stamps = STAMPS.into_iter().zip(self.stamps);
        to.counters(
            "netprobe_exporter_stamps",
            "Round-trip times by where they were taken",
            stamps.map(|(kind, count)| (Labels::of([("kind", kind.into())]), count)),
        )?;
        to.counters(
            "netprobe_exporter_probe_requests",
            "Requests for a measurement, by outcome",
            self.requests.iter().map(|&(result, count)| (Labels::of([("result", result.into())]), count)),
        )?;
        self.process.as_ref().map_or(Ok(()), |process| process.write(to))
    }
}
