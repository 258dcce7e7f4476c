//! The figures of one series: [`SeriesFigures`], which a prober writes and scrapes read.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use super::config::MetricsOptions;
use super::direction_loss::DirectionLoss;
use super::histogram::Histogram;
use super::path::{Path, Routers};
use crate::engine::outcome::{Detail, Outcome, ProbeEvent, Reflection, Reply, Standing};
use crate::metrics::{Counts, InterarrivalJitter};
use crate::trace::watch::Report;
use crate::types::{Instant, ProbeId, Rtt};

/// What is known of one target at one address.
#[derive(Clone, Debug)]
pub struct SeriesFigures {
    pub counts: Counts,
    newest: Newest,
    up_after: u32,
    pub histogram: Histogram,
    pub last: Option<Rtt>,
    pub jitter: InterarrivalJitter,
    pub reply_ttl: Option<u8>,
    window: Option<Window>,
    /// What reflectors of STAMP reported, where they are what is probed.
    pub reflected: Option<Box<Reflected>>,
    /// Whether it is probed.
    pub probed: bool,
    /// The path to it, where that is what is probed.
    pub path: Option<Box<Path>>,
}

/// What reflectors reported.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reflected {
    /// That of the newest reply.
    pub newest: Option<Reflection>,
    /// In which direction packets to and from it were lost.
    pub direction_loss: DirectionLoss,
}

/// The outcomes of the newest probes.
#[derive(Clone, Copy, Debug, Default)]
struct Newest {
    /// Of these bits, the lowest is this probe's, the next that of the one before.
    probe: u64,
    concluded: u64,
    answered: u64,
}

impl Newest {
    /// Takes a conclusion about a probe; the last one about each counts.
    fn conclude(&mut self, probe: u64, answered: bool) {
        if let Some(further) = probe.checked_sub(self.probe) {
            let shifted = |bits: u64| u32::try_from(further).ok().and_then(|by| bits.checked_shl(by)).unwrap_or(0);
            (self.probe, self.concluded, self.answered) = (probe, shifted(self.concluded), shifted(self.answered));
        }
        let bit = u32::try_from(self.probe - probe).ok().and_then(|by| 1u64.checked_shl(by)).unwrap_or(0);
        self.concluded |= bit;
        self.answered = self.answered & !bit | if answered { bit } else { 0 };
    }

    /// Whether one of the newest `many` that are concluded was answered.
    fn any_answered(&self, many: u32) -> bool {
        let mut left = self.concluded;
        for _ in 0..many {
            let bit = left & left.wrapping_neg();
            if self.answered & bit != 0 {
                return true;
            }
            left &= !bit;
        }
        false
    }
}

/// The results of the last probes.
#[derive(Clone, Debug)]
struct Window {
    length: Duration,
    results: VecDeque<Sample>,
}

/// One result, in little room: thousands of targets have dozens of them each.
#[derive(Clone, Copy, Debug)]
struct Sample {
    /// When it was known, in milliseconds since the machine started; wraps.
    at: u32,
    /// The lower half of the probe's number.
    probe: u32,
    /// Tenths of a microsecond, or `LOST`.
    rtt: u32,
}

const LOST: u32 = u32::MAX;
/// As many results are kept at most.
const MOST_SAMPLES: usize = 65_536;
/// Results above those of a window, as intervals are never exact.
const SPARE: usize = 4;
/// As many results lie between an error about a probe and the answer to it at most.
const MOST_OPEN: usize = 512;

/// What a window shows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct WindowFigures {
    pub loss: Option<f64>,
    /// Smallest, median, 95th percentile, largest, in seconds.
    pub rtt: Option<[f64; 4]>,
    /// Mean difference between consecutive probes that were both answered, in seconds.
    pub ipdv: Option<f64>,
    pub longest_loss_run: u64,
}

/// The names of what [`WindowFigures::rtt`] holds.
pub const RTT_STATS: [&str; 4] = ["min", "median", "p95", "max"];

impl SeriesFigures {
    pub fn new(options: &MetricsOptions) -> Self {
        SeriesFigures {
            counts: Counts::default(),
            newest: Newest::default(),
            up_after: options.up_after,
            histogram: Histogram::of(options),
            last: None,
            jitter: InterarrivalJitter::default(),
            reply_ttl: None,
            window: options.window.map(|length| Window { length, results: VecDeque::new() }),
            reflected: None,
            probed: false,
            path: None,
        }
    }

    /// Makes them what these options ask for. Only a histogram of other buckets begins anew.
    pub fn suit(&mut self, options: &MetricsOptions) {
        if !self.histogram.suits(options) {
            self.histogram = Histogram::of(options);
        }
        self.up_after = options.up_after;
        let results = self.window.take().map_or_else(VecDeque::new, |window| window.results);
        self.window = options.window.map(|length| Window { length, results });
    }

    /// Results come at this interval: the window has room for all of them from the beginning. Of thousands that grew to it step by
    /// step, what they left behind would be as much again.
    pub fn expect(&mut self, interval: Duration) {
        if let Some(window) = &mut self.window {
            let results = window.length.as_nanos() / interval.as_nanos().max(1);
            let results = usize::try_from(results).unwrap_or(usize::MAX).saturating_add(SPARE).min(MOST_SAMPLES);
            window.results.reserve_exact(results.saturating_sub(window.results.len()));
        }
    }

    /// It is probed from now on, by probes that are numbered from the first. What was counted before, if anything was.
    pub fn begin(&mut self) -> Option<Box<Counts>> {
        self.begin_anew();
        (self.counts != Counts::default()).then(|| Box::new(self.counts))
    }

    /// Its path is followed from now on.
    pub fn follow(&mut self) {
        self.begin_anew();
        self.path.get_or_insert_default();
    }

    /// Changes what is known of the path.
    pub fn path(&mut self, change: impl FnOnce(&mut Path)) {
        if let Some(path) = &mut self.path {
            change(path);
        }
    }

    /// Takes the figures of a cycle of its path.
    pub fn take_report(&mut self, report: &Report, now: (Routers, Option<u8>), target: IpAddr) {
        let Some(path) = &mut self.path else { return };
        for (cycle, answered) in path.report(report, now, target) {
            self.newest.conclude(cycle, answered);
        }
    }

    /// Takes the result of a probe, or a further answer to it.
    pub fn take(&mut self, event: &ProbeEvent, now: Instant) {
        let ours = event.id.get().wrapping_sub(ProbeId::FIRST.get()) as u32;
        if let (Standing::First | Standing::Late, Some(reflection)) = (event.standing, reflection(event)) {
            self.reflected.get_or_insert_default().direction_loss.take(ours, reflection.sequence);
        }
        if let (Outcome::NotSent(_), Some(reflected)) = (&event.outcome, &mut self.reflected) {
            reflected.direction_loss.not_sent(ours);
        }
        if event.standing != Standing::First {
            return;
        }
        match &event.outcome {
            Outcome::Reply(_) => {
                self.conclude(event, event.rtt(), true, now);
                self.reply_ttl = event.reply_ttl.map(|ttl| ttl.get());
                if let Some(rtt) = event.rtt() {
                    self.last = Some(rtt);
                    self.jitter.record(rtt);
                    self.histogram.record(rtt.as_duration().as_secs_f64());
                }
                if let Some(reflection) = reflection(event) {
                    self.reflected.get_or_insert_default().newest = Some(*reflection);
                }
            }
            Outcome::Refused(_) => self.conclude(event, None, false, now),
            // Whether an answer follows is not known yet; if none does, the timeout is no event of its own.
            Outcome::Error(_) | Outcome::Timeout(_) | Outcome::NotSent(_) => self.conclude(event, None, false, now),
        }
    }

    fn conclude(&mut self, event: &ProbeEvent, rtt: Option<Rtt>, answered: bool, now: Instant) {
        self.newest.conclude(event.id.get(), answered);
        let Some(window) = &mut self.window else { return };
        let probe = event.id.get() as u32;
        // A refusal is neither a loss nor a reply.
        if matches!(event.outcome, Outcome::Refused(_)) {
            return window.take_back(probe);
        }
        let rtt = match rtt {
            Some(rtt) => u32::try_from(rtt.as_nanos() / 100).unwrap_or(LOST - 1).min(LOST - 1),
            None => LOST,
        };
        let at = millis(now);
        if self.counts.icmp_errors > 0 {
            window.take_back(probe);
        }
        window.results.push_back(Sample { at, probe, rtt });
        window.forget(at);
    }

    /// Whether one of the newest probes was answered.
    pub fn is_up(&self) -> bool {
        self.probed && self.newest.any_answered(self.up_after)
    }

    /// It is not probed any more, and stays for a while.
    pub fn vanish(&mut self) {
        self.probed = false;
        self.begin_anew();
    }

    fn begin_anew(&mut self) {
        self.newest = Newest::default();
        self.counts.pending = 0;
        if let Some(reflected) = &mut self.reflected {
            reflected.direction_loss.begin_anew();
        }
        if let Some(window) = &mut self.window {
            window.results.clear();
        }
        self.path(Path::begin_anew);
    }

    /// A copy without the results in the window, and what that shows.
    pub fn shown(&self, now: Instant) -> (SeriesFigures, Option<WindowFigures>) {
        let (histogram, path, reflected) = (self.histogram.clone(), self.path.clone(), self.reflected.clone());
        (SeriesFigures { window: None, histogram, path, reflected, ..*self }, self.window(now))
    }

    /// What the window shows; `None` if there is none.
    fn window(&self, now: Instant) -> Option<WindowFigures> {
        self.window.as_ref().map(|window| window.figures(millis(now)))
    }
}

/// What a STAMP reflector reported about this probe.
fn reflection(event: &ProbeEvent) -> Option<&Reflection> {
    match &event.outcome {
        Outcome::Reply(Reply { detail: Detail::Stamp(reflection), .. }) => Some(reflection),
        _ => None,
    }
}

fn millis(now: Instant) -> u32 {
    (now.as_nanos() / 1_000_000) as u32
}

impl Window {
    fn is_past(&self, sample: &Sample, at: u32) -> bool {
        u128::from(at.wrapping_sub(sample.at)) > self.length.as_millis()
    }

    /// Takes out that a probe is lost: an answer came after an ICMP error about it. Errors are among the last results.
    fn take_back(&mut self, probe: u32) {
        let lost = self.results.iter().rev().take(MOST_OPEN).position(|one| one.probe == probe && one.rtt == LOST);
        if let Some(from_back) = lost {
            self.results.remove(self.results.len() - 1 - from_back);
        }
    }

    fn forget(&mut self, at: u32) {
        while self.results.front().is_some_and(|first| self.is_past(first, at)) || self.results.len() > MOST_SAMPLES {
            self.results.pop_front();
        }
    }

    fn figures(&self, at: u32) -> WindowFigures {
        let mut samples: Vec<Sample> =
            self.results.iter().filter(|sample| !self.is_past(sample, at)).copied().collect();
        samples.sort_unstable_by_key(|sample| sample.probe);
        let lost = samples.iter().filter(|sample| sample.rtt == LOST).count();
        let pairs = samples.iter().zip(samples.iter().skip(1));
        let alike =
            pairs.filter(|(one, next)| one.probe.wrapping_add(1) == next.probe && one.rtt != LOST && next.rtt != LOST);
        let differences: Vec<f64> = alike.map(|(one, next)| seconds(one.rtt.abs_diff(next.rtt))).collect();
        let runs = samples.split(|sample| sample.rtt != LOST).map(<[Sample]>::len).max();
        let mut rtts: Vec<u32> = samples.iter().map(|sample| sample.rtt).filter(|&rtt| rtt != LOST).collect();
        rtts.sort_unstable();
        // Nearest rank.
        let rank = |percent: usize| (rtts.len() * percent).div_ceil(100).saturating_sub(1);
        let at = |index: usize| rtts.get(index).copied().map(seconds);
        let rtt = || Some([at(0)?, at(rank(50))?, at(rank(95))?, at(rtts.len().checked_sub(1)?)?]);
        WindowFigures {
            loss: (!samples.is_empty()).then(|| lost as f64 / samples.len() as f64),
            rtt: rtt(),
            ipdv: (!differences.is_empty()).then(|| differences.iter().sum::<f64>() / differences.len() as f64),
            longest_loss_run: runs.unwrap_or_default() as u64,
        }
    }
}

fn seconds(tenths: u32) -> f64 {
    f64::from(tenths) / 1e7
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use super::*;

    use crate::engine::outcome::{Delay, IcmpError, Silence, Subject, SubjectId};
    use crate::engine::{Destination, Target};
    use crate::exporter::config::Names;
    use crate::types::{Ident, StampSource, WallTime};

    pub fn options() -> MetricsOptions {
        MetricsOptions {
            names: Names::Netprobe,
            buckets: vec![0.001, 0.01].into(),
            native: false,
            window: Some(Duration::from_secs(60)),
            up_after: 3,
        }
    }

    fn figures() -> SeriesFigures {
        SeriesFigures { probed: true, ..SeriesFigures::new(&options()) }
    }

    pub fn event(id: u64, rtt: Option<u64>) -> ProbeEvent {
        let target = Target {
            target: "a".into(),
            name: "a".into(),
            numeric: false,
            zone: None,
            destination: Destination::Unresolved,
        };
        let kind = crate::engine::outcome::MethodKind::Icmp;
        let subject = Arc::new(Subject::new(SubjectId::new(0), &target, kind, Arc::default()));
        let outcome = match rtt {
            Some(_) => Outcome::Reply(Reply::new(64, Detail::Echo { ident: Ident::new(1) })),
            None => Outcome::Timeout(Silence::NoAnswer),
        };
        let delay = rtt.map(|micros| Delay {
            rtt: Rtt::from_nanos(micros * 1000),
            stamp: StampSource::User,
            user: Rtt::from_nanos(micros * 1000),
            local_queue: None,
        });
        ProbeEvent { delay, ..ProbeEvent::new(&subject, ProbeId::new(id), WallTime::default(), outcome) }
    }

    fn at(seconds: u64) -> Instant {
        Instant::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn a_target_is_up_while_one_of_its_last_probes_was_answered() {
        let mut figures = figures();
        assert!(!figures.is_up());
        figures.take(&event(0, Some(100)), at(0));
        for (id, up) in [(1, true), (2, true), (3, false)] {
            figures.take(&event(id, None), at(id));
            assert_eq!(figures.is_up(), up, "{id}");
        }
    }

    pub fn error(id: u64) -> ProbeEvent {
        let error = IcmpError::host_unreachable();
        ProbeEvent { outcome: Outcome::Error(Box::new(error)), ..event(id, None) }
    }

    #[test]
    fn an_answer_after_an_icmp_error_is_about_the_same_probe() {
        let mut figures = figures();
        figures.counts.icmp_errors = 1;
        let results =
            [error(2), event(3, Some(100)), event(1, None), event(2, Some(300)), event(4, None), event(5, None)];
        for (second, event) in results.iter().enumerate() {
            figures.take(event, at(second as u64));
        }
        let shown = figures.window(at(6)).unwrap();
        assert_eq!((shown.loss, shown.longest_loss_run), (Some(0.6), 2));
        assert_eq!(shown.rtt.map(|[_, _, _, most]| most), Some(0.0003));
        assert!(figures.is_up(), "the newest three are the third, the fourth and the fifth");
        figures.take(&event(6, None), at(7));
        assert!(!figures.is_up());
        figures.take(&event(3, Some(100)), at(8));
        assert!(!figures.is_up(), "that was long ago");
        figures.take(&event(1_000, Some(100)), at(1_000));
        assert!(figures.is_up());
    }

    #[test]
    fn figures_that_are_to_look_otherwise_keep_what_was_counted() {
        let mut figures = figures();
        figures.counts.sent = 7;
        figures.take(&event(1, Some(100)), at(1));
        let options = MetricsOptions { up_after: 5, window: Some(Duration::from_secs(9)), ..options() };
        figures.suit(&options);
        assert_eq!((figures.counts.sent, figures.histogram.count, figures.up_after), (7, 1, 5));
        assert_eq!(figures.window(at(10)).unwrap().loss, Some(0.0));
        assert_eq!(figures.window(at(11)).unwrap().loss, None);
        figures.suit(&MetricsOptions { buckets: vec![1.0].into(), ..options });
        assert_eq!((figures.counts.sent, figures.histogram.count), (7, 0));
    }

    #[test]
    fn a_window_shows_the_last_minute_and_no_more() {
        let mut figures = figures();
        figures.take(&event(0, Some(9_000)), at(0));
        for (id, rtt) in [(1, Some(100)), (2, Some(300)), (3, None), (4, None), (5, Some(200))] {
            figures.take(&event(id, rtt), at(50 + id));
        }
        let shown = figures.window(at(70)).unwrap();
        assert_eq!(shown.loss, Some(0.4));
        assert_eq!(shown.rtt, Some([0.0001, 0.0002, 0.0003, 0.0003]));
        assert_eq!((shown.ipdv.map(|seconds| (seconds * 1e6).round()), shown.longest_loss_run), (Some(200.0), 2));
        assert_eq!(figures.window(at(500)).unwrap(), WindowFigures::default());
    }
}
