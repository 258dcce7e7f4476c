//! `/probe`: one measurement now, with the contract of blackbox_exporter.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::config::{self, Config, Module, NotOffered, PathProbes, ProbeLimits, Prober, SHORTEST_INTERVAL};
use super::keeper::{Shared, Worker, look_up};
use super::measurement::Measurement;
use super::paths::{self, PathOptions, Traced};
use super::prober::{Measured, ProbeCommand, lock};
use super::sizes::{self, Search, SizePurpose};
use super::write::text as encoded;
use crate::channel::{ResolveError, Resolved};
use crate::engine::Destination;
use crate::net;
use crate::ping::Task;
use crate::types::{Family, IpEndpoint, Port};

/// How long a measurement takes at most if neither scraper nor module says.
const LONGEST: Duration = Duration::from_secs(120);
/// As many probes to each hop is what a search of the path MTU counts as: it traces the path first.
const SEARCH_PROBES: u32 = 3;
/// The last probe has this part of the time left for its answer.
const LAST_WAIT: u32 = 2;

/// What a request asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    pub target: Option<String>,
    pub module: Option<String>,
    pub count: Option<String>,
    pub debug: bool,
    /// The value of the header `X-Prometheus-Scrape-Timeout-Seconds`.
    pub scrape_timeout: Option<String>,
}

impl Request {
    /// From the parameters of a query, and that header.
    pub fn new(pairs: &[(String, String)], scrape_timeout: Option<String>) -> Self {
        let value = |name: &str| pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        Request {
            target: value("target"),
            module: value("module"),
            count: value("count"),
            debug: value("debug").as_deref() == Some("true"),
            scrape_timeout,
        }
    }

    /// Why it cannot be served, if it cannot, whatever is running.
    pub fn refusal(&self, config: &Config) -> Option<Refusal> {
        check(self, config, Duration::ZERO).err()
    }
}

/// An answer that is no measurement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub status: u16,
    pub sentence: String,
    /// Under which name it is counted.
    pub result: &'static str,
}

/// How measurements ended.
#[derive(Debug, Default)]
pub struct Tally([AtomicU64; RESULTS.len()]);

const RESULTS: [&str; 6] = ["success", "failure", "bad_request", "denied", "limited", "error"];

impl Tally {
    pub fn count(&self, result: &str) {
        if let Some(counter) = RESULTS.iter().position(|known| *known == result).and_then(|at| self.0.get(at)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub fn counts(&self) -> Vec<(&'static str, u64)> {
        RESULTS.into_iter().zip(&self.0).map(|(name, count)| (name, count.load(Ordering::Relaxed))).collect()
    }
}

/// What all measurements together may use.
#[derive(Debug, Default)]
pub struct Budget {
    running: AtomicU32,
    /// How many probes may leave now, as of this time.
    bucket: Mutex<Option<(f64, Instant)>>,
}

/// A measurement's place among those that run.
struct Place<'a>(&'a Budget);

impl Budget {
    fn enter(&self, limits: &ProbeLimits) -> Result<Place<'_>, Refusal> {
        let before = self.running.fetch_add(1, Ordering::SeqCst);
        let place = Place(self);
        if before >= limits.max_concurrent {
            return Err(limited(format!("{} measurements are running", limits.max_concurrent)));
        }
        Ok(place)
    }

    /// Takes this many probes at `now`.
    fn take(&self, probes: u32, limits: &ProbeLimits, now: Instant) -> Result<(), Refusal> {
        let most = f64::from(limits.max_rate);
        let mut bucket = lock(&self.bucket);
        let (left, since) = bucket.unwrap_or((most, now));
        let left = (left + now.saturating_duration_since(since).as_secs_f64() * most).min(most);
        let enough = left >= f64::from(probes).min(most);
        *bucket = Some((if enough { left - f64::from(probes) } else { left }, now));
        if enough { Ok(()) } else { Err(limited(format!("more than {} probes a second", limits.max_rate))) }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

fn limited(sentence: String) -> Refusal {
    Refusal { status: 429, sentence, result: "limited" }
}

fn bad(sentence: impl Into<String>) -> Refusal {
    Refusal { status: 400, sentence: sentence.into(), result: "bad_request" }
}

/// A request that can be served.
#[derive(Clone, Debug)]
struct Checked {
    module: Arc<Module>,
    /// Or why there is none. As with blackbox_exporter, that is a measurement that failed.
    host: Result<config::Host, String>,
    /// The target as it was asked for.
    text: String,
    count: u32,
    timeout: Duration,
}

/// Checks a request: the module first, as blackbox_exporter does it.
fn check(request: &Request, config: &Config, offset: Duration) -> Result<Checked, Refusal> {
    let name = request.module.as_deref().filter(|name| !name.is_empty()).unwrap_or(&config.default_module);
    let module = match config.modules.get(name) {
        Some(Ok(module)) => module,
        Some(Err(NotOffered::Skipped(why) | NotOffered::Wrong(why))) => return Err(bad(why.clone())),
        None => return Err(bad(format!("Unknown module {name:?}"))),
    };
    let timeout = timeout(request.scrape_timeout.as_deref(), module.timeout, offset)?;
    let text = request.target.as_deref().filter(|text| !text.is_empty());
    let text = text.ok_or_else(|| bad("Target parameter is missing"))?;
    let most = config.probe.max_count;
    let count = match request.count.as_deref() {
        None => module.count.min(most),
        Some(text) => match text.parse() {
            Ok(count) if (1..=most).contains(&count) => count,
            _ => return Err(bad(format!("count '{text}' is not from 1 to {most}"))),
        },
    };
    let (module, host) = (Arc::clone(module), host_of(text, module));
    Ok(Checked { module, host, text: text.to_owned(), count, timeout })
}

/// The host and the port that this module probes for this target.
fn host_of(text: &str, module: &Module) -> Result<config::Host, String> {
    let host = config::split(text)?;
    let port = host.port.or_else(|| module.port().and_then(Port::new));
    match module.prober {
        Prober::Icmp if port.is_some() => Err(format!("'{text}': ICMP has no ports")),
        Prober::Tcp(_) | Prober::Udp(_) if port.is_none() => Err(format!("'{text}': a port is missing")),
        Prober::Trace(path) if !path.has_port() => Ok(config::Host { port: None, ..host }),
        _ => Ok(config::Host { port, ..host }),
    }
}

/// How long a measurement may take, by blackbox_exporter's rule.
fn timeout(header: Option<&str>, module: Duration, offset: Duration) -> Result<Duration, Refusal> {
    let scrape = match header.filter(|text| !text.is_empty()) {
        None => 0.0,
        Some(text) => text.parse::<f64>().ok().filter(|seconds| seconds.is_finite()).ok_or_else(|| Refusal {
            status: 500,
            sentence: format!("Failed to parse timeout from Prometheus header: {text:?} is no number"),
            result: "bad_request",
        })?,
    };
    let scrape = if scrape == 0.0 { LONGEST.as_secs_f64() } else { scrape };
    let most = scrape - offset.as_secs_f64();
    let seconds =
        if module.as_secs_f64() < most && !module.is_zero() || most < 0.0 { module.as_secs_f64() } else { most };
    let time = Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST).min(LONGEST);
    Ok(if time.is_zero() { SHORTEST_INTERVAL } else { time })
}

/// Addresses that nothing is asked of unless they are allowed by name.
fn is_special(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            address.is_multicast() || address == Ipv4Addr::BROADCAST || address.octets().first() == Some(&0)
        }
        IpAddr::V6(address) => {
            address.is_multicast()
                || address.is_unspecified()
                || address.to_ipv4_mapped().is_some_and(|mapped| is_special(mapped.into()))
        }
    }
}

/// Whether all of these addresses may be probed.
fn permit(
    host: &config::Host,
    addresses: impl Iterator<Item = IpEndpoint>,
    limits: &ProbeLimits,
    own: &[SocketAddr],
) -> Result<(), Refusal> {
    let denied = |why: String| Err(Refusal { status: 403, sentence: why, result: "denied" });
    let named = limits.allow.has_name(&host.host);
    if limits.deny.has_name(&host.host) {
        return denied(format!("'{}' is denied", host.text));
    }
    // Other spellings of a name that is denied are mapped to it when it is looked up (RFC 5895).
    if limits.deny.has_names() && !host.host.is_ascii() {
        return denied(format!("'{}' is not in ASCII: write it as xn--", host.text));
    }
    for endpoint in addresses {
        let address = endpoint.address.to_canonical();
        let listed = named || limits.allow.has_address(address);
        if limits.deny.has_address(address) {
            return denied(format!("'{}': {address} is denied", host.text));
        }
        if !limits.allow.is_empty() && !listed {
            return denied(format!("'{}': {address} is not allowed", host.text));
        }
        let is_own = |at: &SocketAddr| {
            Some(at.port()) == host.port.map(Port::get) && (at.ip() == address || at.ip().is_unspecified())
        };
        if !listed && is_special(address) {
            return denied(format!("'{}': {address} is no address of a single host", host.text));
        }
        if !listed && own.iter().any(is_own) {
            return denied(format!("'{}' is where this program listens", host.text));
        }
    }
    Ok(())
}

/// The address to probe, by blackbox_exporter's rule: the first of the preferred family, or else the first of all.
fn choose(resolved: &Resolved, module: &Module, port: Option<Port>) -> Option<IpEndpoint> {
    let prefer = module.source.map_or(module.prefer, Family::of);
    let all = || resolved.endpoints.iter();
    let other = || all().next().filter(|_| module.forced().is_none());
    let endpoint = all().find(|endpoint| endpoint.family() == prefer).or_else(other)?;
    Some(IpEndpoint { port, ..*endpoint })
}

/// What every measurement needs.
pub struct ProbeService {
    pub shared: Arc<Shared>,
    pub tally: Tally,
    pub budget: Budget,
    /// Where this program listens.
    pub own: Vec<SocketAddr>,
    /// This much of the scraper's timeout is kept for the way back.
    pub offset: Duration,
}

/// A measurement ends when its client has left.
struct End<'a, C> {
    worker: &'a Worker<C>,
    remove: Option<C>,
}

impl<C> Drop for End<'_, C> {
    fn drop(&mut self) {
        self.worker.ask(self.remove.take());
    }
}

impl ProbeService {
    /// Measures, and returns the text of the answer.
    ///
    /// # Errors
    /// If nothing is measured.
    pub async fn probe(&self, request: &Request) -> Result<String, Refusal> {
        let outcome = self.measure(request).await;
        self.tally.count(match &outcome {
            Ok((_, true)) => "success",
            Ok((_, false)) => "failure",
            Err(refusal) => refusal.result,
        });
        outcome.map(|(text, _)| text)
    }

    async fn measure(&self, request: &Request) -> Result<(String, bool), Refusal> {
        let began = Instant::now();
        let config = self.shared.config();
        let checked = check(request, &config, self.offset)?;
        let _place = self.budget.enter(&config.probe)?;
        let mut result = Measurement { module: Arc::clone(&checked.module), ..Measurement::default() };
        match &checked.host {
            Ok(host) => self.fill(&mut result, host, &checked, &config.probe).await?,
            Err(why) => result.error = Some(why.clone()),
        }
        result.took = began.elapsed();
        let success = result.is_success();
        let error = |_| Refusal { status: 500, sentence: "not encoded".to_owned(), result: "error" };
        let text = if request.debug { result.debug(&checked.text, checked.timeout) } else { encoded(result) };
        Ok((text.map_err(error)?, success))
    }

    async fn fill(
        &self,
        result: &mut Measurement,
        host: &config::Host,
        Checked { module, count, timeout, .. }: &Checked,
        limits: &ProbeLimits,
    ) -> Result<(), Refusal> {
        let began = Instant::now();
        let found = self.resolve(host, module, *timeout).await;
        result.lookup = began.elapsed();
        match found.as_ref().map(|resolved| (resolved, choose(resolved, module, host.port))) {
            Ok((resolved, Some(endpoint))) => {
                permit(host, resolved.endpoints.iter().copied(), limits, &self.own)?;
                let left = timeout.saturating_sub(result.lookup);
                result.count = fitting(*count, module.interval, left);
                let hops = module.path().map_or(1, |path| u32::from(path.max_ttl.get()));
                let searches = if module.path().is_some_and(|path| path.mtu) { SEARCH_PROBES } else { 0 };
                let probes = result.count.saturating_add(searches).saturating_mul(hops);
                self.budget.take(probes, limits, Instant::now())?;
                result.endpoint = Some(endpoint);
                match module.path() {
                    None => result.measured = self.send(host, endpoint, module, result.count, left).await,
                    Some(path) => {
                        let options = PathOptions { max_ttl: path.max_ttl, flow: path.flow, interval: module.interval };
                        let trace = self.trace(host, endpoint, module, (options, result.count, left));
                        let search = self.search(host, endpoint, path, left);
                        (result.traced, result.path_mtu) = tokio::join!(trace, search);
                    }
                }
            }
            Ok((_, None)) => result.error = Some("no address of the wanted family".to_owned()),
            Err(error) => result.error = Some(error.message.clone()),
        }
        Ok(())
    }

    async fn resolve(&self, host: &config::Host, module: &Module, timeout: Duration) -> Result<Resolved, ResolveError> {
        let name: Box<str> = host.host.as_str().into();
        if name.parse::<IpAddr>().is_ok() {
            return net::resolve_in_place(&name, module.forced());
        }
        let late = ResolveError { family_mismatch: false, no_name: false, message: "no answer in time".to_owned() };
        let lookup = async {
            let Ok(place) = Arc::clone(&self.shared.lookups).acquire_owned().await else { return Err(late.clone()) };
            let family = module.forced();
            // One whose client has left keeps its place: a dead resolver holds up no more threads than there are places.
            let found = tokio::spawn(async move {
                let found = look_up(name, family).await;
                drop(place);
                found
            });
            found.await.unwrap_or_else(|_| Err(late.clone()))
        };
        tokio::time::timeout(timeout, lookup).await.unwrap_or_else(|_| Err(late.clone()))
    }

    async fn trace(
        &self,
        host: &config::Host,
        endpoint: IpEndpoint,
        module: &Module,
        (options, count, left): (PathOptions, u32, Duration),
    ) -> Option<Traced> {
        let (key, worker) = (self.shared.key(), &self.shared.paths);
        let target = Box::new(worker.lanes.target(&host.text, endpoint, module));
        let (report, traced) = oneshot::channel();
        let _end = End { worker, remove: Some(paths::PathCommand::Remove(key)) };
        worker.ask([paths::PathCommand::Trace { key, target, options, count, left, report }]);
        tokio::time::timeout(left + Duration::from_millis(500), traced).await.ok()?.ok()
    }

    /// The path MTU, where it is asked for and found in this time.
    async fn search(
        &self,
        host: &config::Host,
        endpoint: IpEndpoint,
        PathProbes { max_ttl, flow, mtu, .. }: PathProbes,
        left: Duration,
    ) -> Option<u32> {
        if !mtu {
            return None;
        }
        let (key, worker) = (self.shared.key(), &self.shared.sizes);
        let target = worker.lanes.whole(&host.text, endpoint);
        let (report, found) = oneshot::channel();
        let _end = End { worker, remove: Some(sizes::SizeCommand::Remove(key)) };
        let purpose = SizePurpose::Measurement(report);
        worker.ask([sizes::SizeCommand::Search(Box::new(Search { key, target, max_ttl, flow, purpose }))]);
        tokio::time::timeout(left, found).await.ok()?.ok()?
    }

    async fn send(
        &self,
        host: &config::Host,
        endpoint: IpEndpoint,
        module: &Module,
        count: u32,
        left: Duration,
    ) -> Option<Measured> {
        let key = self.shared.key();
        let worker = self.shared.worker(key)?;
        let wait = left.saturating_sub(module.interval * count.saturating_sub(1));
        let target = worker.lanes.target(&host.text, endpoint, module);
        if matches!(target.destination, Destination::Unroutable { .. }) {
            return None;
        }
        let spec = Arc::new(module.spec(module.interval, wait, None));
        let task = Box::new(Task { target, method: module.method(module.interval, net::clock_error()), spec });
        let (report, measured) = oneshot::channel();
        let _end = End { worker, remove: Some(ProbeCommand::Remove(key)) };
        worker.ask([ProbeCommand::Measure { key, task, count, report }]);
        // The prober decides when probes are lost; this is for one that cannot send at all.
        tokio::time::timeout(left + Duration::from_millis(500), measured).await.ok()?.ok()
    }
}

/// As many probes as have time to leave.
fn fitting(count: u32, interval: Duration, left: Duration) -> u32 {
    let room = left.saturating_sub(left / LAST_WAIT);
    let more = room.as_nanos() / interval.as_nanos().max(1);
    count.min(u32::try_from(more).unwrap_or(u32::MAX).saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exporter::config::System;

    fn config(text: &str) -> Config {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f.yml");
        std::fs::write(&path, text).unwrap();
        Config::load(&[path], &[], &System { interface: &|_| None }).unwrap()
    }

    fn request(target: &str, module: &str) -> Request {
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Request { target: some(target), module: some(module), ..Request::default() }
    }

    fn refused(request: &Request, config: &Config) -> (u16, String) {
        let refusal = check(request, config, Duration::from_millis(500)).unwrap_err();
        (refusal.status, refusal.sentence)
    }

    #[test]
    fn the_module_is_checked_before_the_target_in_the_words_of_blackbox_exporter() {
        let config = config("modules: {web: {prober: tcp}, http_2xx: {prober: http}}");
        let is = |target, module| refused(&request(target, module), &config);
        assert_eq!(is("", "x"), (400, "Unknown module \"x\"".to_owned()));
        assert_eq!(is("", ""), (400, "Target parameter is missing".to_owned()));
        assert_eq!(is("a", "http_2xx"), (400, "prober http is not offered".to_owned()));
        for count in ["0", "21", "-1", "x", "99999999999"] {
            let request = Request { count: Some(count.to_owned()), ..request("a", "") };
            assert_eq!(refused(&request, &config), (400, format!("count '{count}' is not from 1 to 20")));
        }
    }

    #[test]
    fn a_target_that_cannot_be_one_is_a_measurement_that_failed() {
        let config = config("modules: {web: {prober: tcp}}");
        let why = |target, module| check(&request(target, module), &config, Duration::ZERO).unwrap().host.unwrap_err();
        assert_eq!(why("a", "web"), "'a': a port is missing");
        assert_eq!(why("a:1", "icmp"), "'a:1': ICMP has no ports");
        assert_eq!(why("a/b", ""), "'a/b' is no host");
    }

    #[test]
    fn the_scraper_or_the_module_bounds_a_measurement() {
        let offset = Duration::from_millis(500);
        for (header, module, millis) in [
            (None, 0, 119_500),
            (Some("10"), 0, 9_500),
            (Some("10"), 5, 5_000),
            (Some("3"), 5, 2_500),
            (Some("0.2"), 5, 5_000),
            (Some(""), 0, 119_500),
        ] {
            let found = timeout(header, Duration::from_secs(module), offset).unwrap();
            assert_eq!(found, Duration::from_millis(millis), "{header:?} {module}");
        }
        assert_eq!(timeout(Some("soon"), Duration::ZERO, offset).unwrap_err().status, 500);
        assert_eq!(timeout(Some("inf"), Duration::ZERO, offset).unwrap_err().status, 500);
    }

    fn permitted(limits: &str, target: &str, addresses: &[&str]) -> bool {
        let config = config(limits);
        let host = config::split(target).unwrap();
        let endpoints = addresses.iter().map(|text| IpEndpoint::from_address(text.parse().unwrap()));
        permit(&host, endpoints, &config.probe, &["127.0.0.1:9000".parse().unwrap()]).is_ok()
    }

    #[test]
    fn every_address_of_a_name_must_be_allowed() {
        let limits = "probe: {allow: [192.0.2.0/24, example.org], deny: [192.0.2.66]}";
        assert!(permitted(limits, "a", &["192.0.2.1"]));
        assert!(!permitted(limits, "a", &["192.0.2.1", "198.51.100.1"]));
        assert!(permitted(limits, "a.example.org", &["198.51.100.1"]));
        assert!(!permitted(limits, "a.example.org", &["192.0.2.66"]));
        assert!(!permitted(limits, "a", &["::ffff:198.51.100.1"]));
        let mapped = "probe: {deny: ['::ffff:127.0.0.0/104']}";
        assert!(!permitted(mapped, "a", &["127.0.0.1"]) && !permitted(mapped, "a", &["::ffff:127.0.0.1"]));
        assert!(permitted(mapped, "a", &["192.0.2.1"]));
    }

    #[test]
    fn a_denied_name_is_denied_in_every_spelling() {
        for name in ["localhost", "LOCALHOST", "a.localhost.", "\u{ff4c}ocalhost", "local\u{ad}host"] {
            assert!(!permitted("probe: {deny: [localhost]}", name, &["192.0.2.1"]), "{name}");
        }
        assert!(permitted("probe: {deny: [192.0.2.9]}", "b\u{fc}cher.example", &["192.0.2.1"]));
        assert!(config::split("\\108ocalhost").is_err());
    }

    #[test]
    fn what_is_no_single_host_is_denied_unless_it_is_allowed() {
        for address in ["224.0.0.1", "255.255.255.255", "0.0.0.0", "ff02::1", "::", "::ffff:0.0.0.0"] {
            assert!(!permitted("{}", "a", &[address]), "{address}");
        }
        assert!(permitted("probe: {allow: [224.0.0.1]}", "a", &["224.0.0.1"]));
        assert!(!permitted("{}", "127.0.0.1:9000", &["127.0.0.1"]));
        assert!(permitted("{}", "127.0.0.1:9001", &["127.0.0.1"]));
    }

    #[test]
    fn measurements_have_a_budget() {
        let limits = config("probe: {max_rate: 10, max_concurrent: 1}").probe;
        let budget = Budget::default();
        let now = Instant::now();
        assert!(budget.take(8, &limits, now).is_ok());
        assert_eq!(budget.take(3, &limits, now).unwrap_err().status, 429);
        assert!(budget.take(3, &limits, now + Duration::from_millis(200)).is_ok());
        let place = budget.enter(&limits).unwrap();
        assert_eq!(budget.enter(&limits).err().map(|refusal| refusal.status), Some(429));
        drop(place);
        assert!(budget.enter(&limits).is_ok());
    }

    #[test]
    fn probes_that_have_no_time_are_not_sent() {
        let second = Duration::from_secs(1);
        for (count, left, sent) in [(1, 1, 1), (10, 20, 10), (10, 10, 6), (10, 1, 1)] {
            assert_eq!(fitting(count, second, Duration::from_secs(left)), sent, "{count} in {left} s");
        }
    }
}
