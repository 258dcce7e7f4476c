//! The fixed targets and their series: [`Targets`], which scrapes read.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::config::{Addresses, MetricsOptions, Wanted};
use super::figures::SeriesFigures;
use super::labels::Labels;
use super::prober::{Key, lock};
use crate::channel::{ResolveError, Resolved};
use crate::ping::MOST_ADDRESSES;
use crate::types::{Family, Instant, IpEndpoint};

/// A fixed target.
#[derive(Debug)]
pub struct Entry {
    pub wanted: Arc<Wanted>,
    /// Labels of what is said of the target and not of one of its addresses.
    pub labels: Labels,
    state: Mutex<State>,
}

/// What is known of its addresses.
#[derive(Clone, Debug, Default)]
pub struct State {
    pub series: Vec<Arc<Series>>,
    /// Series of addresses that it no longer has, which go on if it has one of them again; the newest last.
    pub past: Vec<Arc<Series>>,
    /// How many of its addresses are not probed, as there are too many.
    pub left_out: usize,
    pub address_changes: u64,
    pub resolve_failures: u64,
    pub resolve_duration: Duration,
    /// Why the last lookup failed, if it did.
    pub error: Option<String>,
    /// Whether it was looked up at all.
    pub tried: bool,
    /// Since when it is known not to exist.
    pub gone_since: Option<Instant>,
    pub next_lookup: Instant,
    pub looking: bool,
}

/// One address of a target, or the target itself as long as it has none.
#[derive(Debug)]
pub struct Series {
    pub key: Key,
    pub endpoint: Option<IpEndpoint>,
    pub labels: Labels,
    pub figures: Arc<Mutex<SeriesFigures>>,
}

/// What is to be probed from now on, and what no more.
#[derive(Debug, Default)]
pub struct Changes {
    pub begin: Vec<Arc<Series>>,
    pub end: Vec<Key>,
}

impl Entry {
    pub fn new(wanted: &Arc<Wanted>) -> Self {
        let method = wanted.module.kind().into();
        let labels = Labels::new([("target", wanted.text.clone()), ("method", method)], &wanted.labels);
        Entry { wanted: Arc::clone(wanted), labels, state: Mutex::default() }
    }

    /// Goes on with what another knows, whose series have the same names. What is to be probed now.
    pub fn go_on_after(&self, other: &Entry) -> Vec<Arc<Series>> {
        let old = other.with(std::mem::take);
        let is_gone = old.gone_since.is_some();
        let mut state = lock(&self.state);
        *state = State { next_lookup: Instant::ZERO, looking: false, ..old };
        if self.wanted.port != other.wanted.port {
            state.series.clear();
            state.past.clear();
        }
        state.series.iter().filter(|series| series.endpoint.is_some() && !is_gone).cloned().collect()
    }

    /// Makes all figures what these options ask for.
    pub fn suit(&self, options: &MetricsOptions) {
        let state = lock(&self.state);
        state.series.iter().chain(&state.past).for_each(|series| lock(&series.figures).suit(options));
    }

    /// A copy of what is known now.
    pub fn state(&self) -> State {
        lock(&self.state).clone()
    }

    /// Changes what is known.
    pub fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut lock(&self.state))
    }

    /// Whether it has an address.
    pub fn is_resolved(&self) -> bool {
        self.with(|state| state.series.iter().any(|series| series.endpoint.is_some()))
    }

    /// The addresses of these that are to be probed.
    fn chosen(&self, resolved: &Resolved) -> Vec<IpEndpoint> {
        let port = |endpoint: &IpEndpoint| IpEndpoint { port: self.wanted.port, ..*endpoint };
        let mut all = resolved.endpoints.iter().map(port);
        match self.wanted.addresses {
            Addresses::All => all.take(MOST_ADDRESSES).collect(),
            Addresses::First => all.next().into_iter().collect(),
            Addresses::Both => {
                let mut families: Vec<Family> = Vec::new();
                let first = |endpoint: &IpEndpoint| {
                    let new = !families.contains(&endpoint.family());
                    families.push(endpoint.family());
                    new
                };
                all.filter(first).collect()
            }
        }
    }

    /// Gives it a series, as down, until it is known which addresses it has: however long that takes, it is not missing.
    pub fn begin(&self, make: &mut Maker<'_>) {
        let mut state = lock(&self.state);
        if state.series.is_empty() {
            state.series.push(make.series(&self.wanted, None));
        }
    }

    /// Takes the answer to a lookup.
    pub fn looked_up(
        &self,
        found: Result<Resolved, ResolveError>,
        took: Duration,
        now: Instant,
        make: &mut Maker<'_>,
    ) -> Changes {
        let mut changes = Changes::default();
        let mut state = lock(&self.state);
        (state.tried, state.looking) = (true, false);
        state.resolve_duration = took;
        state.next_lookup = now + self.wanted.refresh;
        match found {
            Ok(resolved) => {
                let chosen = self.chosen(&resolved);
                self.replace(&mut state, &chosen, make, &mut changes);
                (state.error, state.gone_since) = (None, None);
                let is_all = self.wanted.addresses == Addresses::All;
                state.left_out = if is_all { resolved.endpoints.len() - chosen.len() } else { 0 };
            }
            Err(error) => {
                state.resolve_failures += 1;
                state.error = Some(error.message);
                // Without an answer everything stays as it was.
                if error.no_name || error.family_mismatch {
                    let since = *state.gone_since.get_or_insert(now);
                    changes.end.extend(state.series.iter().map(|series| series.key));
                    state.series.iter().for_each(|series| lock(&series.figures).vanish());
                    if now.since(since) >= make.forget {
                        let all = std::mem::take(&mut state.series);
                        state.leave(all);
                    }
                }
                if state.series.is_empty() {
                    state.series.push(make.series(&self.wanted, None));
                }
            }
        }
        changes
    }

    fn replace(&self, state: &mut State, chosen: &[IpEndpoint], make: &mut Maker<'_>, changes: &mut Changes) {
        let had = state.series.iter().filter(|series| series.endpoint.is_some()).count();
        let old = std::mem::take(&mut state.series);
        let back = state.gone_since.is_some();
        // An address that was gone, and not only unanswered about, is probed anew.
        let (kept, ended): (Vec<_>, Vec<_>) =
            old.into_iter().partition(|series| series.endpoint.is_some_and(|endpoint| chosen.contains(&endpoint)));
        changes.end.extend(ended.iter().map(|series| series.key));
        state.leave(ended);
        if had > 0 && kept.len() < chosen.len().max(had) {
            state.address_changes += 1;
        }
        let known: HashSet<IpEndpoint> = kept.iter().filter_map(|series| series.endpoint).collect();
        if back {
            changes.begin.extend(kept.iter().filter(|series| !lock(&series.figures).probed).cloned());
        }
        state.series = kept;
        for endpoint in chosen.iter().filter(|endpoint| !known.contains(endpoint)) {
            let series = state.back(*endpoint).unwrap_or_else(|| make.series(&self.wanted, Some(*endpoint)));
            changes.begin.push(Arc::clone(&series));
            state.series.push(series);
        }
    }

    /// When its probes leave within their interval: always the same, and spread over all targets.
    pub fn phase(&self, address: Option<IpAddr>, host: &str) -> Duration {
        let mut hasher = DefaultHasher::new();
        (host, &self.wanted.text, address).hash(&mut hasher);
        let interval = u64::try_from(self.wanted.interval.as_nanos()).unwrap_or(u64::MAX).max(1);
        Duration::from_nanos(hasher.finish() % interval)
    }
}

impl State {
    /// These are of addresses that it no longer has.
    fn leave(&mut self, series: Vec<Arc<Series>>) {
        self.past.extend(series.into_iter().filter(|series| series.endpoint.is_some()));
        let over = self.past.len().saturating_sub(MOST_ADDRESSES);
        self.past.drain(..over);
    }

    /// Takes the series of an address that it has again.
    fn back(&mut self, endpoint: IpEndpoint) -> Option<Arc<Series>> {
        let at = self.past.iter().position(|series| series.endpoint == Some(endpoint))?;
        Some(self.past.remove(at))
    }
}

/// Makes series.
#[derive(Debug)]
pub struct Maker<'a> {
    pub next: &'a mut Key,
    pub options: &'a MetricsOptions,
    /// How long a name that no longer exists keeps its series.
    pub forget: Duration,
}

impl Maker<'_> {
    fn series(&mut self, wanted: &Wanted, endpoint: Option<IpEndpoint>) -> Arc<Series> {
        *self.next += 1;
        let address: Box<str> = endpoint.map_or_else(Box::default, |endpoint| endpoint.address.to_string().into());
        let method = Box::from(wanted.module.kind());
        let port = wanted.port.map(|port| ("port", port.get().to_string().into()));
        let fixed = [("target", wanted.text.clone()), ("address", address), ("method", method)];
        Arc::new(Series {
            key: *self.next,
            endpoint,
            labels: Labels::new(fixed.into_iter().chain(port), &wanted.labels),
            figures: Arc::new(Mutex::new(SeriesFigures::new(self.options))),
        })
    }
}

/// All fixed targets, as they are now.
#[derive(Debug, Default)]
pub struct Targets {
    entries: Mutex<Arc<Vec<Arc<Entry>>>>,
}

impl Targets {
    pub fn all(&self) -> Arc<Vec<Arc<Entry>>> {
        Arc::clone(&lock(&self.entries))
    }

    pub fn replace(&self, entries: Vec<Arc<Entry>>) {
        *lock(&self.entries) = Arc::new(entries);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exporter::config::{Config, System};

    fn entry(addresses: &str) -> (Entry, Config) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f.yml");
        std::fs::write(&path, format!("targets: [{{hosts: [a.example], addresses: {addresses}}}]")).unwrap();
        let config = Config::load(&[path], &[], &System { interface: &|_| None }).unwrap();
        (Entry::new(&config.targets[0]), config)
    }

    fn found(addresses: &[&str]) -> Result<Resolved, ResolveError> {
        let endpoints = addresses.iter().map(|text| IpEndpoint::from_address(text.parse().unwrap())).collect();
        Ok(Resolved { canonical: None, endpoints, numeric: false })
    }

    fn failed(no_name: bool) -> Result<Resolved, ResolveError> {
        Err(ResolveError { family_mismatch: false, no_name, message: "why".to_owned() })
    }

    struct Test {
        entry: Entry,
        config: Config,
        next: Key,
    }

    impl Test {
        fn new(addresses: &str) -> Test {
            let (entry, config) = entry(addresses);
            Test { entry, config, next: 0 }
        }

        /// Takes an answer at this second; the numbers of series that begin and end.
        fn answer(&mut self, found: Result<Resolved, ResolveError>, seconds: u64) -> (Vec<Key>, Vec<Key>) {
            let mut make = Maker { next: &mut self.next, options: &self.config.metrics, forget: self.config.forget };
            let now = Instant::from_nanos(seconds * 1_000_000_000);
            let changes = self.entry.looked_up(found, Duration::ZERO, now, &mut make);
            changes.begin.iter().for_each(|series| lock(&series.figures).probed = true);
            (changes.begin.iter().map(|series| series.key).collect(), changes.end)
        }

        fn addresses(&self) -> Vec<String> {
            self.entry.state().series.iter().map(|series| series.labels.get("address").unwrap().to_owned()).collect()
        }
    }

    #[test]
    fn an_address_that_stays_keeps_its_series_and_another_takes_the_place_of_one_that_went() {
        let mut test = Test::new("all");
        assert_eq!(test.answer(found(&["192.0.2.1", "192.0.2.2"]), 0), (vec![1, 2], vec![]));
        assert_eq!(test.answer(found(&["192.0.2.2", "192.0.2.1"]), 60), (vec![], vec![]));
        assert_eq!(test.entry.state().address_changes, 0);
        assert_eq!(test.answer(found(&["192.0.2.2", "192.0.2.3"]), 120), (vec![3], vec![1]));
        assert_eq!(test.entry.state().address_changes, 1);
    }

    #[test]
    fn an_address_that_comes_back_goes_on_with_its_series() {
        let mut test = Test::new("first");
        assert_eq!(test.answer(found(&["192.0.2.1"]), 0), (vec![1], vec![]));
        assert_eq!(test.answer(found(&["192.0.2.2"]), 60), (vec![2], vec![1]));
        assert_eq!(test.addresses(), ["192.0.2.2"]);
        assert_eq!(test.answer(found(&["192.0.2.1"]), 120), (vec![1], vec![2]));
        assert_eq!(test.addresses(), ["192.0.2.1"]);
    }

    #[test]
    fn of_a_name_whose_addresses_change_without_end_the_last_are_remembered() {
        let mut test = Test::new("first");
        for n in 0..1000u32 {
            let address = std::net::Ipv4Addr::from(0xc633_6400 + n).to_string();
            test.answer(found(&[&address]), u64::from(n) * 60);
        }
        assert_eq!(test.entry.state().past.len(), MOST_ADDRESSES);
        assert_eq!(test.answer(found(&["198.51.103.230"]), 60_000), (vec![999], vec![1000]));
    }

    #[test]
    fn of_very_many_addresses_the_first_are_probed_and_the_others_counted() {
        let all: Vec<String> = (0..300u32).map(|n| std::net::Ipv4Addr::from(0xc633_6400 + n).to_string()).collect();
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        let mut test = Test::new("all");
        assert_eq!(test.answer(found(&all), 0).0.len(), MOST_ADDRESSES);
        assert_eq!(test.entry.state().left_out, 300 - MOST_ADDRESSES);
        test.answer(found(&all[..2]), 60);
        assert_eq!((test.addresses().len(), test.entry.state().left_out), (2, 0));
    }

    #[test]
    fn a_target_with_other_settings_goes_on_with_what_was_known_under_its_name() {
        let mut test = Test::new("first");
        test.answer(found(&["192.0.2.1"]), 0);
        let slower = Wanted { interval: Duration::from_secs(9), ..Wanted::clone(&test.entry.wanted) };
        let next = Entry::new(&Arc::new(slower));
        assert_eq!(next.go_on_after(&test.entry).iter().map(|series| series.key).collect::<Vec<_>>(), [1]);
        test.entry = next;
        assert_eq!(test.addresses(), ["192.0.2.1"]);
        assert_eq!(test.answer(found(&["192.0.2.1"]), 60), (vec![], vec![]));
    }

    #[test]
    fn the_first_address_or_the_first_of_each_family_is_probed() {
        let all = ["192.0.2.1", "192.0.2.2", "2001:db8::1"];
        let mut test = Test::new("first");
        test.answer(found(&all), 0);
        assert_eq!(test.addresses(), ["192.0.2.1"]);
        let mut test = Test::new("ipv4+ipv6");
        test.answer(found(&all), 0);
        assert_eq!(test.addresses(), ["192.0.2.1", "2001:db8::1"]);
    }

    #[test]
    fn a_name_server_without_an_answer_changes_nothing() {
        let mut test = Test::new("first");
        test.answer(found(&["192.0.2.1"]), 0);
        assert_eq!(test.answer(failed(false), 60), (vec![], vec![]));
        assert_eq!(test.entry.state().resolve_failures, 1);
        assert_eq!(test.answer(found(&["192.0.2.1"]), 120), (vec![], vec![]));
    }

    #[test]
    fn a_name_that_is_gone_stays_down_for_an_hour_and_its_series_go_on_when_it_is_back() {
        let mut test = Test::new("first");
        test.answer(found(&["192.0.2.1"]), 0);
        assert_eq!(test.answer(failed(true), 60), (vec![], vec![1]));
        assert_eq!(test.addresses(), ["192.0.2.1"]);
        assert_eq!(test.answer(found(&["192.0.2.1"]), 120), (vec![1], vec![]));
        test.answer(failed(true), 180);
        test.answer(failed(true), 3900);
        assert_eq!(test.addresses(), [""]);
        assert_eq!(test.answer(found(&["192.0.2.1"]), 4000), (vec![1], vec![2]));
    }

    #[test]
    fn a_name_that_is_being_looked_up_has_a_series_until_it_has_an_address() {
        let mut test = Test::new("first");
        let mut make = Maker { next: &mut test.next, options: &test.config.metrics, forget: test.config.forget };
        test.entry.begin(&mut make);
        test.entry.begin(&mut make);
        assert_eq!(test.addresses(), [""]);
        assert!(!test.entry.is_resolved());
        assert_eq!(test.answer(found(&["192.0.2.1"]), 0), (vec![2], vec![1]));
        assert_eq!(test.addresses(), ["192.0.2.1"]);
        assert_eq!(test.entry.state().address_changes, 0);
    }

    #[test]
    fn a_name_without_an_address_has_a_series_from_the_beginning() {
        let mut test = Test::new("first");
        test.answer(failed(true), 0);
        assert_eq!(test.addresses(), [""]);
        assert!(!test.entry.is_resolved());
    }
}
