//! An exporter from its sockets to its end: [`run`].

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

use super::config::{self, Config};
use super::http::{self, Site};
use super::keeper::{Keeper, Reload, Shared, Worker, Workers};
use super::lanes::Lanes;
use super::log::{Level, Log};
use super::paths::Paths;
use super::probe::{Budget, ProbeService, Tally};
use super::prober::{Health, Prober};
use super::serve;
use super::sizes::Sizes;
use super::watchdog::Watchdog;
use super::web::Web;
use crate::channel::{ChannelError, OpenedLanes, Precision};
use crate::driver::{self, Next};
use crate::engine::Machine;
use crate::net::{self, Notifier};

/// What a command line says beyond the configuration.
pub struct Options {
    pub files: Vec<PathBuf>,
    pub arguments: Vec<String>,
    pub listen: Vec<SocketAddr>,
    pub metrics_path: String,
    pub lifecycle: bool,
    /// Whether `/probe` is offered.
    pub probes: bool,
    /// Whether `probe.allow` is all that keeps the world out.
    pub needs_allow: bool,
    pub timeout_offset: Duration,
    /// Names that this host has for clients that ask a loopback address.
    pub hosts: Vec<String>,
    pub web: Web,
    /// The service manager, and after how much silence it takes this program for stuck.
    pub manager: (Option<Notifier>, Option<Duration>),
    pub seed: u64,
}

/// How often the web configuration and its certificates are looked at.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// How a prober ended.
type End = Result<(), ChannelError>;

/// Serves until a signal comes. `write` takes the lines of the log.
///
/// # Errors
/// A sentence.
pub fn run(
    options: Options,
    config: Config,
    opened: Vec<OpenedLanes>,
    (log, mut lines): (Log, mpsc::Receiver<String>),
    mut write: impl FnMut(&str),
) -> Result<(), String> {
    // A scrape of thousands of targets copies megabytes.
    net::keep_little();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("no event loop: {error}"))?;
    let result = runtime.block_on(async {
        let listeners = serve::listen(&options.listen).await?;
        let addresses: Result<Vec<SocketAddr>, _> = listeners.iter().map(TcpListener::local_addr).collect();
        let addresses = addresses.map_err(|error| format!("getsockname: {error}"))?;
        let (ended, mut ends) = mpsc::channel(1);
        let (reloads, requests) = mpsc::channel(1);
        // Before the others, which the signal would end.
        reload_at_hangup(reloads.clone())?;
        let workers = start(opened, &config, &ended, options.seed)?;
        // However much is asked for: probes go first.
        net::yield_to_others();
        for (name, why) in config.skipped() {
            log.line(Level::Warn, "module skipped", &[("module", name), ("why", why)]);
        }
        let shared = Arc::new(Shared::new(workers, config, log.clone()));
        let keeper = Keeper::new(&shared, (options.files, options.arguments), options.needs_allow, host_name());
        tokio::spawn(keeper.run(requests));
        let service = ProbeService {
            shared: Arc::clone(&shared),
            tally: Tally::default(),
            budget: Budget::default(),
            own: addresses.clone(),
            offset: options.timeout_offset,
        };
        let site = Site::new(service, reloads, options.lifecycle, options.probes, options.metrics_path);
        let web = Arc::new(options.web);
        let router = http::router(Arc::new(site), &web);
        let near = http::for_loopback(router.clone(), &web, &[options.hosts, vec![host_name()]].concat());
        let places = serve::places();
        for (listener, address) in listeners.into_iter().zip(&addresses) {
            let router = if address.ip().to_canonical().is_loopback() { &near } else { &router };
            tokio::spawn(serve::serve(listener, router.clone(), Arc::clone(&web), Arc::clone(&places)));
            log.line(Level::Info, "listening", &[("address", &address.to_string())]);
        }
        let mut watchdog = Watchdog::new(options.manager.0, options.manager.1);
        watchdog.ready();
        let mut watch = tokio::time::interval(watchdog.every());
        let mut look_again = tokio::time::interval(LOOK_AGAIN);
        loop {
            tokio::select! {
                Some(line) = lines.recv() => write(&line),
                Some(end) = ends.recv() => break end.map_err(|error| error.to_string()),
                _ = watch.tick() => watchdog.look(&shared),
                _ = look_again.tick() => match web.refresh() {
                    Ok(false) => {}
                    Ok(true) => log.line(Level::Info, "web configuration loaded", &[]),
                    Err(why) => {
                        log.line(Level::Error, "web configuration not loaded, the old one stays", &[("why", &why)]);
                    }
                },
            }
        }
    });
    while let Ok(line) = lines.try_recv() {
        write(&line);
    }
    // Lookups that hang do not hold the end up.
    runtime.shutdown_background();
    result
}

/// Asks for the configuration to be read again at each SIGHUP. On a thread of its own: the runtime's way to signals opens sockets
/// that a process may not have.
fn reload_at_hangup(reloads: mpsc::Sender<Reload>) -> Result<(), String> {
    let mut hangups = net::hangups().map_err(|error| error.to_string())?;
    let wait = move || {
        while hangups().is_ok() {
            let (answer, _) = oneshot::channel();
            // One that waits already will do.
            let _ = reloads.try_send(answer);
        }
    };
    net::thread("hangups").spawn(wait).map_err(|error| format!("no thread: {error}"))?;
    Ok(())
}

/// As many lanes of each kind as there are threads besides the probers.
pub const OTHERS: usize = 2;

/// Starts a thread for each of these. The first, which has lookups, follows paths; the second searches their MTU.
fn start(opened: Vec<OpenedLanes>, config: &Config, ended: &mpsc::Sender<End>, seed: u64) -> Result<Workers, String> {
    let mut opened = opened.into_iter();
    let mut of_paths = opened.next().ok_or("no sockets")?;
    let of_sizes = opened.next().ok_or("no sockets")?;
    let marks = &config.marks();
    let mut workers = Vec::new();
    for (number, opened) in opened.enumerate() {
        let seed = seed.wrapping_add(number as u64);
        workers.push(thread((opened, marks), ended, |commands, health| Prober::new(commands, health, seed))?);
    }
    let facts = (config.routers, of_paths.lookup.take());
    let paths = thread((of_paths, marks), ended, |commands, health| Paths::new(commands, health, !seed, facts))?;
    let sizes =
        thread((of_sizes, marks), ended, |commands, health| Sizes::new(commands, health, seed.rotate_left(32)))?;
    Ok((workers, paths, sizes))
}

/// Starts a thread that does what is asked of it.
fn thread<C: Send + 'static, M: Machine<Event = Infallible> + Send + 'static>(
    (mut opened, marks): (OpenedLanes, &BTreeSet<u32>),
    ended: &mpsc::Sender<End>,
    machine: impl FnOnce(Receiver<C>, Arc<Health>) -> M,
) -> Result<Worker<C>, String> {
    let (lanes, health) = (Lanes::new(&opened, marks), Arc::new(Health::default()));
    let post = opened.post.take().ok_or("no way to a prober")?;
    let (commands, received) = channel();
    let mut machine = machine(received, Arc::clone(&health));
    let ended = ended.clone();
    let body = move || {
        net::take_short_turns();
        let result = driver::run(opened.channel.as_mut(), &mut machine, Precision::Shared, |_| Next::Continue);
        // The first end is everyone's.
        let _ = ended.blocking_send(result);
    };
    net::thread("prober").spawn(body).map_err(|error| format!("no thread: {error}"))?;
    Ok(Worker { commands, post, lanes, health })
}

/// The name of this host, for what is to differ from host to host.
fn host_name() -> String {
    config::read_file("/proc/sys/kernel/hostname".as_ref()).unwrap_or_default()
}
