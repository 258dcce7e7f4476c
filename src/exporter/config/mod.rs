//! What is to be probed, from files and arguments: [`Config`].

mod access;
mod effective;
mod hosts;
mod labels;
mod metrics;
mod module;
mod schema;
mod stamp;
mod time;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::types::{Family, Port, Tos};

pub use access::Access;
pub use effective::{describe, describe_module};
pub use hosts::{Host, read as read_file, split};
pub use labels::GivenLabels;
pub use metrics::{MetricsOptions, RouterFacts};
pub use module::{Module, NotOffered, PathProbes, Prober, SHORTEST_INTERVAL};
use module::{SHORTEST_TRACE_INTERVAL, TRACE_INTERVAL};
pub use schema::{Addresses, Histogram, Names};
pub use stamp::Stamped;
pub use time::{Time, show};

/// As many series as there may be.
const MOST_TARGETS: usize = 1_000_000;
/// Each mark has sockets of its own.
const MOST_MARKS: usize = 16;
/// As many paths as probes can be distinguished of, if each of their hops is silent.
const MOST_PATHS: usize = 500;

/// Everything that files and arguments say.
#[derive(Clone, Debug)]
pub struct Config {
    pub targets: Vec<Arc<Wanted>>,
    pub modules: BTreeMap<String, Result<Arc<Module>, NotOffered>>,
    pub default_module: String,
    pub probe: ProbeLimits,
    pub metrics: MetricsOptions,
    pub routers: RouterFacts,
    /// How long a name that no longer exists keeps its series.
    pub forget: Duration,
    /// The lists that entries name, which are read again when they change.
    pub lists: Vec<Stamped>,
}

/// One fixed target. Equal ones are the same target, whatever files say besides.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Wanted {
    /// As written.
    pub text: Box<str>,
    pub host: Box<str>,
    pub port: Option<Port>,
    pub module: Arc<Module>,
    pub interval: Duration,
    pub timeout: Duration,
    pub size: usize,
    pub refresh: Duration,
    pub addresses: Addresses,
    pub family: Option<Family>,
    pub group: Arc<str>,
    pub labels: GivenLabels,
}

/// What `/probe` may do.
#[derive(Clone, Debug)]
pub struct ProbeLimits {
    pub allow: Access,
    pub deny: Access,
    pub max_count: u32,
    pub max_concurrent: u32,
    /// Probes a second, over all measurements.
    pub max_rate: u32,
}

/// What is asked of the system, so that tests need none.
pub struct System<'a> {
    pub interface: &'a dyn Fn(&str) -> Option<NonZeroU32>,
}

/// Reads `text`, which stands in the file at `path`.
///
/// # Errors
/// A sentence with file and line; for an unknown key also with the key that was probably meant.
pub fn parse<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T, String> {
    serde_saphyr::from_str(text).map_err(|error| {
        let line = error.location().map_or_else(String::new, |at| format!(":{}", at.line()));
        let sentence = match error.without_snippet() {
            serde_saphyr::Error::SerdeUnknownField { field, expected, .. } => match nearest(field, expected) {
                Some(known) => format!("unknown key '{field}'; did you mean '{known}'?"),
                None => format!("unknown key '{field}'; known are {}", expected.join(", ")),
            },
            other => other.to_string().lines().next().unwrap_or_default().to_owned(),
        };
        format!("{}{line}: {sentence}", path.display())
    })
}

/// The known word that needs the fewest changes to become this one, if few are enough.
fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let distance = |other: &str| {
        let mut row: Vec<usize> = (0..=other.chars().count()).collect();
        for (at, own) in word.chars().enumerate() {
            let mut before = std::mem::replace(&mut row[0], at + 1);
            for (next, theirs) in other.chars().enumerate() {
                let changed = before + usize::from(own != theirs);
                before = row[next + 1];
                row[next + 1] = changed.min(before + 1).min(row[next] + 1);
            }
        }
        row.last().copied().unwrap_or_default()
    };
    let best = known.iter().map(|&known| (distance(known), known)).min()?;
    (best.0 <= 1 + word.len() / 4).then_some(best.1)
}

impl Config {
    /// The firewall marks of its modules.
    pub fn marks(&self) -> BTreeSet<u32> {
        self.modules.values().filter_map(|module| module.as_ref().ok()?.mark).collect()
    }

    /// Reads `files` (of directories, every `.yml` and `.yaml` in them), and adds the targets of `arguments`.
    ///
    /// # Errors
    /// A sentence, with file and line.
    pub fn load(files: &[PathBuf], arguments: &[String], system: &System<'_>) -> Result<Config, String> {
        let mut read = Vec::new();
        for path in listed(files)? {
            let file: schema::File = parse(&path, &hosts::read(&path)?)?;
            read.push((path, file));
        }
        let arguments = schema::File {
            targets: vec![schema::Target { hosts: arguments.to_vec(), ..schema::Target::default() }],
            ..schema::File::default()
        };
        Config::merge(read, arguments, system)
    }

    /// What `text` says, which stands in the file at `path`.
    ///
    /// # Errors
    /// A sentence, with file and line.
    pub fn read(path: &Path, text: &str, system: &System<'_>) -> Result<Config, String> {
        Config::merge(vec![(path.to_owned(), parse(path, text)?)], schema::File::default(), system)
    }

    fn merge(
        files: Vec<(PathBuf, schema::File)>,
        arguments: schema::File,
        system: &System<'_>,
    ) -> Result<Config, String> {
        let mut modules = BTreeMap::from([("icmp".to_owned(), Ok(Arc::new(Module::default())))]);
        let mut named = BTreeMap::new();
        for (path, file) in &files {
            for (name, module) in &file.modules {
                if let Some(other) = named.insert(name.clone(), path.clone()) {
                    return Err(format!("{}: module {name} is in {}, too", path.display(), other.display()));
                }
                let module = Module::read(name, module, system.interface);
                if let Err(NotOffered::Wrong(why)) = &module {
                    return Err(format!("{}: module {name}: {why}", path.display()));
                }
                modules.insert(name.clone(), module.map(Arc::new));
            }
        }
        let marks: BTreeSet<Option<u32>> = modules.values().flatten().map(|module: &Arc<Module>| module.mark).collect();
        if marks.iter().flatten().count() > MOST_MARKS {
            return Err(format!("modules have more than {MOST_MARKS} different marks"));
        }
        let defaults = files.iter().map(|(_, file)| file.defaults.clone()).reduce(later).unwrap_or_default();
        let forget = defaults.forget.map_or(Duration::from_secs(3600), |time| time.0);
        let mut gathered = Gathered {
            modules: &modules,
            defaults,
            targets: BTreeMap::new(),
            order: Vec::new(),
            paths: 0,
            lists: Vec::new(),
        };
        let own = PathBuf::from("arguments");
        let all = files.iter().map(|(path, file)| (path, file)).chain([(&own, &arguments)]);
        for (path, file) in all {
            let folder = path.parent().unwrap_or_else(|| Path::new(""));
            for target in &file.targets {
                gathered.add(target, folder).map_err(|why| format!("{}: {why}", path.display()))?;
            }
        }
        let (targets, lists) = (gathered.order, gathered.lists);
        let probe = files.iter().map(|(_, file)| file.probe.clone()).reduce(later_probe).unwrap_or_default();
        let probe = probe_limits(&probe)?;
        let metrics = files.iter().map(|(_, file)| file.metrics.clone()).reduce(metrics::later).unwrap_or_default();
        let default_module = files.iter().rev().find_map(|(_, file)| file.default_module.clone());
        let default_module = default_module.unwrap_or_else(|| "icmp".to_owned());
        if !modules.contains_key(&default_module) {
            return Err(format!("default_module {default_module}: there is no such module"));
        }
        let routers = RouterFacts::read(&metrics);
        let metrics = MetricsOptions::read(&metrics)?;
        Ok(Config { routers, targets, modules, default_module, probe, metrics, forget, lists })
    }

    /// The modules that are not offered, each with the reason.
    pub fn skipped(&self) -> impl Iterator<Item = (&str, &str)> {
        self.modules.iter().filter_map(|(name, module)| match module {
            Err(NotOffered::Skipped(why) | NotOffered::Wrong(why)) => Some((&**name, &**why)),
            Ok(_) => None,
        })
    }
}

/// The files of a command line: what is a directory stands for the configurations in it.
fn listed(files: &[PathBuf]) -> Result<Vec<PathBuf>, String> {
    let mut all = Vec::new();
    for path in files {
        if !path.is_dir() {
            all.push(path.clone());
            continue;
        }
        let failed = |error: std::io::Error| format!("{}: {error}", path.display());
        let mut within = Vec::new();
        for entry in std::fs::read_dir(path).map_err(failed)? {
            let entry = entry.map_err(failed)?.path();
            if entry.extension().is_some_and(|extension| extension == "yml" || extension == "yaml") {
                within.push(entry);
            }
        }
        within.sort();
        all.extend(within);
    }
    Ok(all)
}

/// Keys of a later file go before those of an earlier one.
fn later(before: schema::Defaults, after: schema::Defaults) -> schema::Defaults {
    schema::Defaults {
        interval: after.interval.or(before.interval),
        timeout: after.timeout.or(before.timeout),
        size: after.size.or(before.size),
        refresh: after.refresh.or(before.refresh),
        addresses: after.addresses.or(before.addresses),
        forget: after.forget.or(before.forget),
    }
}

/// A list is replaced whole, and only by another.
fn later_probe(before: schema::Probe, after: schema::Probe) -> schema::Probe {
    schema::Probe {
        allow: if after.allow.is_empty() { before.allow } else { after.allow },
        deny: if after.deny.is_empty() { before.deny } else { after.deny },
        max_count: after.max_count.or(before.max_count),
        max_concurrent: after.max_concurrent.or(before.max_concurrent),
        max_rate: after.max_rate.or(before.max_rate),
    }
}

fn probe_limits(from: &schema::Probe) -> Result<ProbeLimits, String> {
    let limits = ProbeLimits {
        allow: Access::read(&from.allow).map_err(|why| format!("probe.allow: {why}"))?,
        deny: Access::read(&from.deny).map_err(|why| format!("probe.deny: {why}"))?,
        max_count: from.max_count.unwrap_or(20),
        max_concurrent: from.max_concurrent.unwrap_or(200),
        max_rate: from.max_rate.unwrap_or(1000),
    };
    match limits.max_count.min(limits.max_concurrent).min(limits.max_rate) {
        0 => Err("probe.max_count, probe.max_concurrent and probe.max_rate are at least 1".to_owned()),
        _ => Ok(limits),
    }
}

/// Target, method and labels.
pub type Name = (Box<str>, &'static str, GivenLabels);

impl Wanted {
    /// What makes its series differ from those of others.
    pub fn name(&self) -> Name {
        (self.text.clone(), self.module.kind(), Arc::clone(&self.labels))
    }
}

/// Targets as they are gathered.
struct Gathered<'a> {
    modules: &'a BTreeMap<String, Result<Arc<Module>, NotOffered>>,
    defaults: schema::Defaults,
    /// By what makes their series differ.
    targets: BTreeMap<Name, Arc<Wanted>>,
    order: Vec<Arc<Wanted>>,
    paths: usize,
    lists: Vec<Stamped>,
}

impl Gathered<'_> {
    fn add(&mut self, entry: &schema::Target, folder: &Path) -> Result<(), String> {
        let module = self.module(entry)?;
        let labels = labels::given(entry.labels.clone())?;
        let path = entry.trace.as_ref().map(|trace| self.path(entry, trace)).transpose()?;
        let ways = || [(entry, &module)].into_iter().chain(path.as_ref().map(|(entry, module)| (entry, module)));
        for host in entry.hosts.iter().chain(&entry.host) {
            for (entry, module) in ways() {
                self.host(host, entry, module, &labels)?;
            }
        }
        let Some(file) = &entry.file else { return Ok(()) };
        let path = folder.join(file);
        self.lists.push(Stamped::new(&path));
        for listed in hosts::list(&path)? {
            let mut labels = entry.labels.clone();
            labels.extend(listed.labels);
            let labels = labels::given(labels)?;
            for host in &listed.hosts {
                for (entry, module) in ways() {
                    self.host(host, entry, module, &labels)?;
                }
            }
        }
        Ok(())
    }

    /// That the paths to an entry's hosts are followed as well: how, and the module that does it.
    fn path(
        &self,
        entry: &schema::Target,
        trace: &schema::TargetTrace,
    ) -> Result<(schema::Target, Arc<Module>), String> {
        let probes = PathProbes::read(trace.method.as_deref(), trace.max_ttl, (trace.flow, trace.mtu))
            .map_err(|why| format!("trace: {why}"))?;
        let module = Module { name: "trace".into(), prober: Prober::Trace(probes), ..Module::default() };
        // What is said of the interval of other probes does not count for these.
        Ok((schema::Target { interval: trace.interval, ..entry.clone() }, Arc::new(module)))
    }

    fn module(&self, entry: &schema::Target) -> Result<Arc<Module>, String> {
        let name = entry.module.as_deref().unwrap_or("icmp");
        let module = match self.modules.get(name) {
            Some(Ok(module)) => module,
            Some(Err(NotOffered::Skipped(why) | NotOffered::Wrong(why))) => {
                return Err(format!("module {name}: {why}"));
            }
            None => return Err(format!("module {name}: there is no such module")),
        };
        let source = match entry.source.as_deref() {
            None | Some("") => None,
            Some(text) => Some(text.parse().map_err(|_| format!("source '{text}' is no address"))?),
        };
        if module.path().is_some() && (source.is_some() || entry.tos.is_some()) {
            return Err("a trace has no source and no tos".to_owned());
        }
        if source.is_none() && entry.tos.is_none() {
            return Ok(Arc::clone(module));
        }
        Ok(Arc::new(Module {
            source: source.or(module.source),
            tos: entry.tos.map(Tos::new).or(module.tos),
            ..Module::clone(module)
        }))
    }

    fn host(
        &mut self,
        text: &str,
        entry: &schema::Target,
        module: &Arc<Module>,
        labels: &GivenLabels,
    ) -> Result<(), String> {
        let default = &self.defaults;
        let is_path = module.path().is_some();
        let interval = match entry.interval.or(default.interval.filter(|_| !is_path)) {
            Some(time) => time.0,
            None if is_path => TRACE_INTERVAL,
            None => Duration::from_secs(1),
        };
        if is_path && interval < SHORTEST_TRACE_INTERVAL {
            return Err(format!("'{text}': the interval of a trace is at least 1s"));
        }
        let timeout = entry.timeout.or(default.timeout).map_or(Duration::from_secs(3), |time| time.0);
        let refresh = entry.refresh.or(default.refresh).map_or(Duration::from_secs(60), |time| time.0);
        if interval < SHORTEST_INTERVAL || timeout.is_zero() {
            return Err(format!("'{text}': an interval is at least 10ms, and a timeout more than 0"));
        }
        let family = match entry.network {
            None | Some(schema::Network::Ip) => module.forced(),
            Some(schema::Network::Ip4) => Some(Family::V4),
            Some(schema::Network::Ip6) => Some(Family::V6),
        };
        let addresses = entry.addresses.or(default.addresses).unwrap_or_default();
        let size = entry.size.or(module.payload).or(default.size).unwrap_or(module::USUAL_PAYLOAD);
        if size > module::MOST_PAYLOAD {
            return Err(format!("'{text}': size {size} is more than {}", module::MOST_PAYLOAD));
        }
        let group = Arc::from(entry.group.as_deref().unwrap_or_default());
        for Host { text, host, port } in hosts::expand(text)? {
            let port = port.or_else(|| module.port().and_then(Port::new));
            let port = port.filter(|_| module.path().is_none_or(PathProbes::has_port));
            match module.prober {
                Prober::Icmp if port.is_some() => return Err(format!("'{text}': ICMP has no ports")),
                Prober::Tcp(_) | Prober::Udp(_) if port.is_none() => {
                    return Err(format!("'{text}': a port is missing"));
                }
                _ => {}
            }
            let wanted = Wanted {
                text: text.into(),
                host: host.into(),
                port,
                module: Arc::clone(module),
                interval,
                timeout,
                size,
                refresh: refresh.max(Duration::from_secs(5)),
                addresses,
                family,
                group: Arc::clone(&group),
                labels: Arc::clone(labels),
            };
            self.take(wanted)?;
        }
        Ok(())
    }

    /// Takes a target; the same one twice is one.
    fn take(&mut self, wanted: Wanted) -> Result<(), String> {
        if self.order.len() == MOST_TARGETS {
            return Err(format!("more than {MOST_TARGETS} targets"));
        }
        if wanted.module.path().is_some() {
            self.paths += 1;
            if self.paths > MOST_PATHS {
                return Err(format!("more than {MOST_PATHS} paths to follow"));
            }
        }
        match self.targets.entry(wanted.name()) {
            Entry::Occupied(other) if **other.get() == wanted => Ok(()),
            Entry::Occupied(_) => Err(format!(
                "'{}' stands here twice with different settings and the same labels, so that their series could not be distinguished",
                wanted.text
            )),
            Entry::Vacant(place) => {
                self.order.push(Arc::clone(place.insert(Arc::new(wanted))));
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Config, String> {
        Config::read("f.yml".as_ref(), text, &System { interface: &|_| None })
    }

    fn targets(text: &str) -> Vec<Wanted> {
        load(text).unwrap().targets.iter().map(|wanted| Wanted::clone(wanted)).collect()
    }

    /// The kinds of modules that blackbox_exporter's example and Debian's package have.
    const BLACKBOX: &str = r#"modules:
  http_2xx:
    prober: http
  http_post_2xx:
    prober: http
    http: {method: POST}
  tcp_connect:
    prober: tcp
  pop3s_banner:
    prober: tcp
    tcp:
      query_response:
      - expect: "^+OK"
      tls: true
      tls_config: {insecure_skip_verify: false}
  grpc:
    prober: grpc
    grpc: {tls: true, preferred_ip_protocol: "ip4"}
  ssh_banner:
    prober: tcp
    tcp:
      query_response:
      - expect: "^SSH-2.0-"
      - send: "SSH-2.0-test"
  irc_banner:
    prober: tcp
    tcp:
      query_response:
      - send: "NICK prober"
      - send: "USER prober"
      - expect: "PING :([^ ]+)"
        send: "PONG ${1}"
      - expect: "^:[^ ]+ 001"
  icmp_ttl5:
    prober: icmp
    timeout: 5s
    icmp: {ttl: 5}
"#;

    #[test]
    fn the_modules_of_blackbox_exporter_are_read_and_what_is_not_offered_is_said() {
        let config = load(BLACKBOX).unwrap();
        let skipped: Vec<(&str, &str)> = config.skipped().collect();
        assert_eq!(
            skipped,
            [
                ("grpc", "prober grpc is not offered"),
                ("http_2xx", "prober http is not offered"),
                ("http_post_2xx", "prober http is not offered"),
                ("irc_banner", "query_response of several questions is not offered"),
                ("pop3s_banner", "tls is not offered"),
            ]
        );
        let ttl5 = config.modules["icmp_ttl5"].as_ref().unwrap();
        assert_eq!((ttl5.timeout.as_secs(), ttl5.ttl.map(|ttl| ttl.get())), (5, Some(5)));
        assert!(matches!(&config.modules["ssh_banner"].as_ref().unwrap().prober, Prober::Tcp(Some(_))));
    }

    #[test]
    fn the_configuration_of_smokeping_prober_is_read() {
        let text = "targets:\n- hosts:\n  - localhost\n  - 192.0.2.1\n  interval: 1s\n  network: ip4\n  protocol: udp\n  size: 64\n  source: 127.0.1.1\n  tos: 0x80\n";
        let targets = targets(text);
        assert_eq!(targets.len(), 2);
        assert_eq!((&*targets[0].text, targets[0].family, targets[0].size), ("localhost", Some(Family::V4), 64));
        assert_eq!(targets[0].module.source, Some("127.0.1.1".parse().unwrap()));
        assert_eq!(targets[0].module.tos.map(Tos::get), Some(0x80));
    }

    #[test]
    fn defaults_modules_groups_and_prefixes_make_targets() {
        let text = "defaults: {interval: 2s, timeout: 1s}\nmodules: {web: {prober: tcp}}\ntargets:\n\
                    - {hosts: [192.0.2.0/30], group: core, labels: {site: north}}\n\
                    - {hosts: [\"www.example:443\"], module: web, interval: 10s}\n";
        let targets = targets(text);
        let names: Vec<&str> = targets.iter().map(|target| &*target.text).collect();
        assert_eq!(names, ["192.0.2.1", "192.0.2.2", "www.example:443"]);
        assert_eq!((targets[0].interval.as_secs(), targets[2].interval.as_secs()), (2, 10));
        assert_eq!((&*targets[0].group, &*targets[0].labels), ("core", &[("site".into(), "north".into())][..]));
        assert_eq!(targets[2].port.map(Port::get), Some(443));
    }

    #[test]
    fn an_unknown_key_is_an_error_with_its_line_and_the_key_that_was_meant() {
        assert_eq!(
            load("defaults:\n  intervall: 1s\n").unwrap_err(),
            "f.yml:2: unknown key 'intervall'; did you mean 'interval'?"
        );
    }

    #[test]
    fn what_cannot_be_is_refused_with_a_sentence() {
        for (text, sentence) in [
            ("targets: [{hosts: [a], labels: {target: x}}]", "label 'target' is one that series have anyway"),
            ("targets: [{hosts: [a], labels: {0a: x}}]", "letters, digits and _"),
            ("targets: [{hosts: [a], module: b}]", "module b: there is no such module"),
            ("targets: [{hosts: [\"a:1\"]}]", "ICMP has no ports"),
            ("modules: {t: {prober: tcp}}\ntargets: [{hosts: [a], module: t}]", "a port is missing"),
            ("modules: {h: {prober: http}}\ntargets: [{hosts: [a], module: h}]", "prober http is not offered"),
            ("targets: [{hosts: [a]}, {hosts: [a], interval: 2s}]", "twice with different settings"),
            ("targets: [{hosts: [10.0.0.0/8]}]", "at most 65536"),
            ("targets: [{hosts: [a], interval: 1}]", "write it with its unit"),
            ("targets: [{hosts: [a], trace: {interval: 10ms}}]", "the interval of a trace is at least 1s"),
            ("targets: [{hosts: [a], trace: {method: sctp}}]", "none of icmp, udp, tcp"),
            ("modules: {t: {prober: trace, trace: {dscp: ef}}}", "a trace has no ttl, dscp, mark, interface"),
            ("modules: {t: {prober: tcp, tcp: {mark: 7}}}", "connections have no mark"),
            ("targets: [{hosts: [10.0.0.0/22], trace: {}}]", "more than 500 paths"),
            ("default_module: x", "there is no such module"),
            ("metrics: {buckets: [1, 1]}", "each larger than the one before"),
            ("probe: {max_count: 0}", "at least 1"),
            ("targets: [", "f.yml"),
        ] {
            let error = load(text).unwrap_err();
            assert!(error.contains(sentence), "{text}: {error}");
        }
    }

    #[test]
    fn a_path_is_followed_by_a_module_or_beside_other_probes_of_the_same_host() {
        let text = "defaults: {interval: 2s}\nmodules: {web: {prober: tcp}, way: {prober: trace, trace: {method: udp}}, syn: {prober: trace, trace: {method: tcp}}}\ntargets:\n\
                    - {hosts: [\"www.example:443\"], module: web, trace: {interval: 60s, max_ttl: 12}}\n\
                    - {hosts: [192.0.2.1], module: way}\n\
                    - {hosts: [\"b.example:443\", c.example], module: syn}\n";
        let targets = targets(text);
        let known =
            targets.iter().map(|target| (target.module.kind(), target.port.map(Port::get), target.interval.as_secs()));
        let known: Vec<_> = known.collect();
        let paths =
            [(None, 60), (None, 10), (Some(443), 10), (Some(80), 10)].map(|(port, every)| ("trace", port, every));
        assert_eq!(known, [&[("tcp", Some(443), 2)][..], &paths].concat());
        assert_eq!(targets[1].module.path().map(|path| path.max_ttl.get()), Some(12));
        assert_eq!(targets[2].module.protocol(), crate::channel::Protocol::Udp);
    }

    #[test]
    fn the_same_target_twice_is_one() {
        assert_eq!(targets("targets: [{hosts: [a, a]}, {hosts: [a]}]").len(), 1);
    }

    #[test]
    fn names_allow_what_is_below_them() {
        let access = Access::read(&["example.org".to_owned(), "192.0.2.0/24".to_owned()]).unwrap();
        for (host, is) in [("example.org", true), ("a.EXAMPLE.org.", true), ("badexample.org", false), ("org", false)] {
            assert_eq!(access.has_name(host), is, "{host}");
        }
        assert!(access.has_address("192.0.2.7".parse().unwrap()));
        assert!(!access.has_address("192.0.3.7".parse().unwrap()));
    }

    #[test]
    fn files_of_a_folder_are_one_configuration() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.yml"), "modules: {t: {prober: tcp}}").unwrap();
        std::fs::write(folder.path().join("b.yaml"), "targets: [{hosts: [\"a:1\"], module: t}]").unwrap();
        std::fs::write(folder.path().join("c.txt"), "no YAML: [").unwrap();
        let system = System { interface: &|_| None };
        let config = Config::load(&[folder.path().to_owned()], &["127.0.0.1".to_owned()], &system).unwrap();
        let names: Vec<&str> = config.targets.iter().map(|target| &*target.text).collect();
        assert_eq!(names, ["a:1", "127.0.0.1"]);
    }
}
