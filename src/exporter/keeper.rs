//! Keeps what is probed in step with files and name servers: [`Keeper`].

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use tokio::sync::{Semaphore, mpsc, oneshot};

use super::config::{Config, PathProbes, Stamped, System, Wanted};
use super::lanes::Lanes;
use super::log::{Level, Log};
use super::paths::{self, PathOptions};
use super::prober::{Health, Key, ProbeCommand, lock};
use super::sizes::{self, Search, SizePurpose};
use super::targets::{Changes, Entry, Maker, Series, Targets};
use crate::channel::{Control, PostControl, ResolveError, Resolved};
use crate::net;
use crate::ping::{MOST_ADDRESSES, Spec, Task};
use crate::types::{Family, Instant};

/// Names of fixed targets, and of measurements, that are looked up at once.
const LOOKUPS: usize = 16;
/// How often files are looked at, and due lookups begin.
const TICK: Duration = Duration::from_secs(1);
const LOOK_AT_FILES: Duration = Duration::from_secs(5);

/// A prober as other threads see it.
pub struct Worker<C = ProbeCommand> {
    pub commands: Sender<C>,
    pub post: PostControl,
    pub lanes: Lanes,
    pub health: Arc<Health>,
}

impl<C> Worker<C> {
    /// Asks the prober for something. One that has ended ends the process, too.
    pub fn ask(&self, commands: impl IntoIterator<Item = C>) {
        for command in commands {
            let _ = self.commands.send(command);
        }
        (self.post)(Control::Supplied);
    }
}

/// Those that probe, the one that follows paths, and the one that searches their MTU.
pub type Workers = (Vec<Worker>, Worker<paths::PathCommand>, Worker<sizes::SizeCommand>);

/// What is shared between the keeper, scrapes and measurements.
pub struct Shared {
    pub workers: Vec<Worker>,
    /// Follows paths.
    pub paths: Worker<paths::PathCommand>,
    /// Searches their MTU.
    pub sizes: Worker<sizes::SizeCommand>,
    pub targets: Targets,
    pub config: Mutex<Arc<Config>>,
    pub log: Log,
    pub reloaded: AtomicBool,
    /// Seconds since 1970.
    pub reloaded_at: AtomicU64,
    next_key: Mutex<Key>,
    pub lookups: Arc<Semaphore>,
}

impl Shared {
    pub fn new((workers, paths, sizes): Workers, config: Config, log: Log) -> Self {
        Shared {
            workers,
            paths,
            sizes,
            targets: Targets::default(),
            config: Mutex::new(Arc::new(config)),
            log,
            reloaded: AtomicBool::new(true),
            reloaded_at: AtomicU64::new(seconds_since_1970()),
            next_key: Mutex::new(0),
            lookups: Arc::new(Semaphore::new(LOOKUPS)),
        }
    }

    pub fn config(&self) -> Arc<Config> {
        Arc::clone(&lock(&self.config))
    }

    /// The prober of a series.
    pub fn worker(&self, key: Key) -> Option<&Worker> {
        let count = self.workers.len().max(1) as u64;
        self.workers.get((key % count) as usize)
    }

    /// A new key.
    pub fn key(&self) -> Key {
        let mut next = lock(&self.next_key);
        *next += 1;
        *next
    }
}

/// Seconds of the wall clock.
pub fn seconds_since_1970() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Looks a name up on a thread of its own: however long that takes, nothing else waits.
pub async fn look_up(host: Box<str>, family: Option<Family>) -> Result<Resolved, ResolveError> {
    let lost = |_| ResolveError { family_mismatch: false, no_name: false, message: "no thread for it".to_owned() };
    tokio::task::spawn_blocking(move || net::resolve_in_place(&host, family))
        .await
        .unwrap_or_else(|error| Err(lost(error)))
}

/// Whether it needs no lookup.
fn is_address(host: &str) -> bool {
    host.split('%').next().is_some_and(|address| address.parse::<std::net::IpAddr>().is_ok())
}

/// A request to read the files again, and where the outcome goes.
pub type Reload = oneshot::Sender<Result<(), String>>;

/// Keeps targets in step with configuration and names.
pub struct Keeper {
    shared: Arc<Shared>,
    files: Vec<PathBuf>,
    arguments: Vec<String>,
    /// Whether `probe.allow` is all that keeps the world out.
    needs_allow: bool,
    /// Of this host, so that not every host probes a target at the same moment.
    host: String,
    lookups: Arc<Semaphore>,
    answers: (mpsc::UnboundedSender<Answer>, mpsc::UnboundedReceiver<Answer>),
    /// The lists that the files name, as they were when they were read last.
    lists: Vec<Stamped>,
}

/// The answer to a lookup.
struct Answer {
    entry: Arc<Entry>,
    found: Result<Resolved, ResolveError>,
    took: Duration,
}

impl Keeper {
    pub fn new(
        shared: &Arc<Shared>,
        (files, arguments): (Vec<PathBuf>, Vec<String>),
        needs_allow: bool,
        host: String,
    ) -> Self {
        Keeper {
            shared: Arc::clone(shared),
            files,
            arguments,
            needs_allow,
            host,
            lookups: Arc::new(Semaphore::new(LOOKUPS)),
            answers: mpsc::unbounded_channel(),
            lists: shared.config().lists.clone(),
        }
    }

    /// Works until no request can come any more.
    pub async fn run(mut self, mut reloads: mpsc::Receiver<Reload>) {
        self.apply();
        let mut tick = tokio::time::interval(TICK);
        let mut files = tokio::time::interval(LOOK_AT_FILES);
        loop {
            tokio::select! {
                reload = reloads.recv() => {
                    let Some(answer) = reload else { return };
                    // The client may have left.
                    let _ = answer.send(self.reload());
                }
                Some(answer) = self.answers.1.recv() => {
                    self.take(answer);
                    while let Ok(answer) = self.answers.1.try_recv() {
                        self.take(answer);
                    }
                }
                _ = tick.tick() => self.look_up_due(),
                _ = files.tick() => {
                    if self.lists.iter().any(Stamped::has_changed) {
                        // Why it cannot be read is in the log.
                        let _ = self.reload();
                    }
                }
            }
        }
    }

    /// Reads the files again. What they no longer say stays as it was if they cannot be read.
    fn reload(&mut self) -> Result<(), String> {
        let system = System { interface: &net::interface_index };
        // If they cannot be read, that is said once.
        self.lists = self.lists.iter().map(Stamped::again).collect();
        let loaded = Config::load(&self.files, &self.arguments, &system);
        let loaded = loaded.and_then(|config| {
            if self.needs_allow && config.probe.allow.is_empty() {
                return Err("without probe.allow, /probe would be open to every client that reaches it".to_owned());
            }
            match self.shared.paths.lanes.missing_mark(&config.marks()) {
                Some(mark) => Err(format!("mark {mark}: no module had it at the start; it needs a restart")),
                None => Ok(config),
            }
        });
        self.shared.reloaded.store(loaded.is_ok(), Ordering::Relaxed);
        match loaded {
            Ok(config) => {
                self.lists.clone_from(&config.lists);
                *lock(&self.shared.config) = Arc::new(config);
                self.shared.reloaded_at.store(seconds_since_1970(), Ordering::Relaxed);
                self.apply();
                self.shared.log.line(Level::Info, "configuration loaded", &[]);
                Ok(())
            }
            Err(why) => {
                self.shared.log.line(Level::Error, "configuration not loaded, the old one stays", &[("why", &why)]);
                Err(why)
            }
        }
    }

    /// Makes the targets those of the configuration: what is the same stays untouched.
    fn apply(&mut self) {
        let config = self.shared.config();
        let before = self.shared.targets.all();
        let known: HashMap<&Arc<Wanted>, &Arc<Entry>> = before.iter().map(|entry| (&entry.wanted, entry)).collect();
        let mut entries = Vec::with_capacity(config.targets.len());
        let mut fresh = Vec::new();
        for wanted in &config.targets {
            match known.get(wanted) {
                Some(entry) => {
                    entry.suit(&config.metrics);
                    entries.push(Arc::clone(entry));
                }
                None => {
                    let entry = Arc::new(Entry::new(wanted));
                    fresh.push(Arc::clone(&entry));
                    entries.push(entry);
                }
            }
        }
        let stays: HashSet<*const Entry> = entries.iter().map(Arc::as_ptr).collect();
        let mut changes = Vec::new();
        let mut ended = HashMap::new();
        for entry in before.iter().filter(|entry| !stays.contains(&Arc::as_ptr(entry))) {
            let end = entry.with(|state| state.series.iter().map(|series| series.key).collect());
            changes.push((Arc::clone(entry), Changes { begin: Vec::new(), end }));
            ended.insert(entry.wanted.name(), entry);
        }
        self.shared.targets.replace(entries);
        for entry in fresh {
            if let Some(same) = ended.get(&entry.wanted.name()) {
                same.suit(&config.metrics);
                let begin = entry.go_on_after(same);
                changes.push((Arc::clone(&entry), Changes { begin, end: Vec::new() }));
            }
            // Addresses need no thread.
            if is_address(&entry.wanted.host) {
                let found = net::resolve_in_place(&entry.wanted.host, entry.wanted.family);
                let change = self.looked_up(&entry, found, Duration::ZERO);
                changes.push((entry, change));
            } else {
                self.make(&config, |make| entry.begin(make));
            }
        }
        self.spread(changes);
        self.look_up_due();
    }

    fn look_up_due(&mut self) {
        let now = net::now().mono;
        for entry in self.shared.targets.all().iter().filter(|entry| !is_address(&entry.wanted.host)) {
            let due = entry.with(|state| {
                let due = !state.looking && state.next_lookup <= now;
                state.looking |= due;
                due
            });
            if due {
                self.begin_lookup(Arc::clone(entry));
            }
        }
    }

    fn begin_lookup(&self, entry: Arc<Entry>) {
        let (lookups, answers) = (Arc::clone(&self.lookups), self.answers.0.clone());
        tokio::spawn(async move {
            let Ok(_permit) = lookups.acquire().await else { return };
            let began = net::now().mono;
            let found = look_up(entry.wanted.host.clone(), entry.wanted.family).await;
            // The keeper lives as long as the process.
            let _ = answers.send(Answer { entry, found, took: net::now().mono.since(began) });
        });
    }

    fn looked_up(&self, entry: &Entry, found: Result<Resolved, ResolveError>, took: Duration) -> Changes {
        self.make(&self.shared.config(), |make| entry.looked_up(found, took, net::now().mono, make))
    }

    /// Makes series, with keys of their own.
    fn make<T>(&self, config: &Config, of: impl FnOnce(&mut Maker<'_>) -> T) -> T {
        let mut next = lock(&self.shared.next_key);
        of(&mut Maker { next: &mut next, options: &config.metrics, forget: config.forget })
    }

    fn take(&mut self, Answer { entry, found, took }: Answer) {
        // It may have been taken out of the configuration meanwhile.
        if !self.shared.targets.all().iter().any(|known| Arc::ptr_eq(known, &entry)) {
            return;
        }
        if let Err(error) = &found {
            let first = entry.state().error.is_none();
            let level = if first { Level::Warn } else { Level::Debug };
            self.shared.log.line(level, "not resolved", &[("target", &entry.wanted.text), ("why", &error.message)]);
        }
        let left_out = entry.state().left_out;
        let changes = self.looked_up(&entry, found, took);
        let now_left_out = entry.state().left_out;
        if now_left_out > 0 && left_out == 0 {
            let why =
                format!("it has {} addresses; the first {MOST_ADDRESSES} are probed", now_left_out + MOST_ADDRESSES);
            self.shared.log.line(Level::Warn, "addresses left out", &[("target", &entry.wanted.text), ("why", &why)]);
        }
        self.spread(vec![(entry, changes)]);
    }

    /// Hands changes over to the probers.
    fn spread(&self, changes: Vec<(Arc<Entry>, Changes)>) {
        let mut commands: Vec<Vec<ProbeCommand>> = self.shared.workers.iter().map(|_| Vec::new()).collect();
        let count = self.shared.workers.len().max(1) as u64;
        let mut push = |key: Key, command: ProbeCommand| {
            if let Some(of_worker) = commands.get_mut((key % count) as usize) {
                of_worker.push(command);
            }
        };
        let (of_paths, changes): (Vec<_>, Vec<_>) =
            changes.into_iter().partition(|(entry, _)| entry.wanted.module.path().is_some());
        let (mut of_path_commands, mut of_sizes) = (Vec::new(), Vec::new());
        for (entry, Changes { begin, end }) in of_paths {
            of_sizes.extend(end.iter().copied().map(sizes::SizeCommand::Remove));
            of_path_commands.extend(end.into_iter().map(paths::PathCommand::Remove));
            of_path_commands.extend(begin.iter().filter_map(|series| self.follow(&entry, series)));
            of_sizes.extend(begin.iter().filter_map(|series| self.search(&entry, series)));
        }
        if !of_path_commands.is_empty() {
            self.shared.paths.ask(of_path_commands);
            self.shared.sizes.ask(of_sizes);
        }
        let mut spec = Arc::default();
        for (entry, Changes { begin, end }) in changes {
            end.into_iter().for_each(|key| push(key, ProbeCommand::Remove(key)));
            for series in begin {
                if let Some(command) = self.add(&entry, &series, &mut spec) {
                    push(series.key, command);
                }
            }
        }
        for (worker, commands) in self.shared.workers.iter().zip(commands) {
            if !commands.is_empty() {
                worker.ask(commands);
            }
        }
    }

    fn follow(&self, entry: &Entry, series: &Series) -> Option<paths::PathCommand> {
        let (wanted, endpoint) = (&entry.wanted, series.endpoint?);
        let (lanes, PathProbes { max_ttl, flow, .. }) = (&self.shared.paths.lanes, wanted.module.path()?);
        lock(&series.figures).probed = true;
        Some(paths::PathCommand::Follow {
            key: series.key,
            target: Box::new(lanes.target(&wanted.text, endpoint, &wanted.module)),
            options: PathOptions { max_ttl, flow, interval: wanted.interval },
            phase: entry.phase(Some(endpoint.address), &self.host),
            figures: Arc::clone(&series.figures),
        })
    }

    fn search(&self, entry: &Entry, series: &Series) -> Option<sizes::SizeCommand> {
        let (wanted, endpoint) = (&entry.wanted, series.endpoint?);
        let path = wanted.module.path().filter(|path| path.mtu)?;
        Some(sizes::SizeCommand::Search(Box::new(Search {
            key: series.key,
            target: self.shared.sizes.lanes.whole(&wanted.text, endpoint),
            max_ttl: path.max_ttl,
            flow: path.flow,
            purpose: SizePurpose::Series(Arc::clone(&series.figures)),
        })))
    }

    /// `last` is the spec of the one before, which most share.
    fn add(&self, entry: &Entry, series: &Series, last: &mut Arc<Spec>) -> Option<ProbeCommand> {
        let wanted = &entry.wanted;
        let worker = self.shared.worker(series.key)?;
        let target = worker.lanes.target(&wanted.text, series.endpoint?, &wanted.module);
        let spec = wanted.module.spec(wanted.interval, wanted.timeout, Some(wanted.size));
        if **last != spec {
            *last = Arc::new(spec);
        }
        let task = Box::new(Task {
            target,
            method: wanted.module.method(wanted.interval, net::clock_error()),
            spec: Arc::clone(last),
        });
        let address = series.endpoint.map(|endpoint| endpoint.address);
        let mut figures = lock(&series.figures);
        figures.probed = true;
        figures.expect(wanted.interval);
        drop(figures);
        Some(ProbeCommand::Add {
            key: series.key,
            task,
            interval: wanted.interval,
            phase: entry.phase(address, &self.host),
            figures: Arc::clone(&series.figures),
        })
    }
}

/// When something is the case for every target.
pub fn is_ready(shared: &Shared) -> bool {
    shared.targets.all().iter().all(|entry| entry.with(|state| state.tried))
}

/// How many targets have no address.
pub fn unresolved(shared: &Shared) -> usize {
    shared.targets.all().iter().filter(|entry| !entry.is_resolved()).count()
}

/// The time that windows are read at.
pub fn now() -> Instant {
    net::now().mono
}
