//! What a monitoring plugin prints of hosts that were probed: a line as check_icmp's with performance data as the guidelines of
//! the Monitoring Plugins describe it, and a line per host below. [`Checked`] folds the events of a run, and judges.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use super::words::number::Millis;
use super::words::reason::Reason;
use super::{Sink, Streams, escape};
use crate::engine::outcome::ProbeEvent;
use crate::metrics::{Counts, RttStats};
use crate::ping::{Event, Summary};

/// More hosts than this are not listed in the first line: readers keep some thousand octets of it.
const MOST_LISTED: usize = 10;

/// The state of a service, as plugins report it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Within all limits.
    Ok = 0,
    /// A warning limit is reached.
    Warning = 1,
    /// A critical limit is reached.
    Critical = 2,
    /// It could not be measured.
    Unknown = 3,
}

impl Level {
    /// The exit status that stands for it.
    pub const fn status(self) -> u8 {
        self as u8
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Level::Ok => "OK",
            Level::Warning => "WARNING",
            Level::Critical => "CRITICAL",
            Level::Unknown => "UNKNOWN",
        })
    }
}

/// Two limits of one figure, each reached by what is equal or above.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    /// The lower one.
    pub warning: f64,
    /// The upper one.
    pub critical: f64,
}

impl Limit {
    /// Of a figure that is the better the larger it is.
    fn level_from_above(&self, value: f64) -> Level {
        match value {
            _ if value <= self.critical => Level::Critical,
            _ if value <= self.warning => Level::Warning,
            _ => Level::Ok,
        }
    }

    fn level(&self, value: f64) -> Level {
        match value {
            _ if value >= self.critical => Level::Critical,
            _ if value >= self.warning => Level::Warning,
            _ => Level::Ok,
        }
    }
}

/// What is judged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Mean round-trip time, nanoseconds.
    pub rta: Limit,
    /// Loss, percent.
    pub loss: Limit,
    /// Mean variation of the round-trip time, nanoseconds.
    pub jitter: Option<Limit>,
    /// The estimated mean opinion score of a call; this limit and the next are reached by what is equal or below.
    pub mos: Option<Limit>,
    /// The rating factor from which that is made.
    pub score: Option<Limit>,
    /// Whether answers must come in order.
    pub in_order: bool,
    /// How many hosts must be within their limits; all of them unless it is given.
    pub alive: Option<usize>,
}

/// One host that was probed.
#[derive(Clone, Debug)]
struct Host {
    summary: Summary,
    /// Why nothing came back, as far as anything was said about it.
    reason: Option<String>,
}

/// The hosts of a run.
#[derive(Clone, Debug)]
pub struct Checked {
    limits: Limits,
    /// Whether there is more below about each host.
    verbose: bool,
    reasons: BTreeMap<usize, String>,
    hosts: BTreeMap<usize, Host>,
}

impl Checked {
    /// Before the run; `reasons` why a host with this number cannot be sent to.
    pub fn new(limits: Limits, verbose: bool, reasons: BTreeMap<usize, String>) -> Self {
        Checked { limits, verbose, reasons, hosts: BTreeMap::new() }
    }

    /// Takes the next event of the run.
    pub fn take(&mut self, event: &Event) {
        match event {
            Event::Probe(probe) => {
                if let Some(reason) = reason(probe) {
                    self.reasons.insert(probe.subject.id.index(), reason);
                }
            }
            Event::Ended(summary) => {
                let number = summary.subject.id.index();
                let summary = Summary::clone(summary);
                self.hosts.insert(number, Host { summary, reason: self.reasons.remove(&number) });
            }
            _ => {}
        }
    }

    /// The state of all hosts together.
    pub fn level(&self) -> Level {
        let levels = || self.hosts.values().map(|host| host.level(&self.limits));
        let up_to = |level| levels().filter(|&of| of <= level).count();
        match self.limits.alive {
            Some(alive) if up_to(Level::Ok) >= alive => Level::Ok,
            Some(alive) if up_to(Level::Warning) >= alive => Level::Warning,
            _ => levels().max().unwrap_or(Level::Unknown),
        }
    }

    fn first_line(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} - ", self.level())?;
        if self.hosts.len() <= MOST_LISTED {
            return listed(f, self.hosts.values());
        }
        let is_bad = |host: &&Host| host.level(&self.limits) > Level::Ok;
        let (bad, all) = (self.hosts.values().filter(is_bad).count(), self.hosts.len());
        if bad == 0 {
            return write!(f, "all of {all} hosts");
        }
        write!(f, "{bad} of {all} hosts: ")?;
        listed(f, self.hosts.values().filter(is_bad).take(MOST_LISTED))?;
        if bad > MOST_LISTED { write!(f, " :: and {} more", bad - MOST_LISTED) } else { Ok(()) }
    }
}

fn listed<'a>(f: &mut fmt::Formatter<'_>, hosts: impl Iterator<Item = &'a Host>) -> fmt::Result {
    for (number, host) in hosts.enumerate() {
        f.write_str(if number == 0 { "" } else { " :: " })?;
        host.briefly(f)?;
    }
    Ok(())
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.first_line(f)?;
        f.write_char('|')?;
        for (number, host) in self.hosts.values().enumerate() {
            f.write_str(if number == 0 { "" } else { " " })?;
            let prefix = if self.hosts.len() > 1 { host.label() } else { String::new() };
            host.performance(&prefix, &self.limits, f)?;
        }
        f.write_char('\n')?;
        self.hosts.values().try_for_each(|host| host.line(&self.limits, self.verbose, f))
    }
}

impl Host {
    /// The host in text, where `|` would start performance data.
    fn name(&self) -> String {
        escape(&self.summary.subject.target).replace('|', "_")
    }

    /// The host in a label, which has neither `=` nor quotes.
    fn label(&self) -> String {
        self.name().replace(['=', '\''], "_")
    }

    /// Percent of the probes whose result is known; `None` of none.
    fn loss(&self) -> Option<f64> {
        let counts = &self.summary.counts;
        match counts.sent - counts.pending + counts.send_failed {
            0 if counts.pending > 0 => None,
            0 => Some(100.0),
            known => Some((known - counts.received) as f64 * 100.0 / known as f64),
        }
    }

    /// Delays of answers: those of refusals alone are none.
    fn rtt(&self) -> Option<&RttStats> {
        self.summary.delays.rtt.as_ref().filter(|_| self.summary.counts.received > 0)
    }

    fn rta(&self) -> Option<f64> {
        self.rtt().map(|rtt| rtt.mean)
    }

    fn mos(&self) -> Option<f64> {
        self.summary.voice.and_then(|voice| voice.mos())
    }

    /// The rating factor, 0 for a call that cannot be understood.
    fn rating(&self) -> Option<f64> {
        self.summary.voice.and_then(|voice| voice.r).map(|r| r.max(0.0))
    }

    fn level(&self, limits: &Limits) -> Level {
        let Some(loss) = self.loss() else { return Level::Unknown };
        let of = |limit: &Limit, value: Option<f64>| value.map_or(Level::Ok, |value| limit.level(value));
        let nothing = if self.summary.counts.received == 0 { Level::Critical } else { Level::Ok };
        let order = if limits.in_order && self.summary.counts.reordered > 0 { Level::Critical } else { Level::Ok };
        let jitter = limits.jitter.map_or(Level::Ok, |limit| of(&limit, self.summary.delays.ipdv));
        let floor = |limit: &Option<Limit>, value: Option<f64>| {
            limit.zip(value).map_or(Level::Ok, |(limit, value)| limit.level_from_above(value))
        };
        let call = floor(&limits.mos, self.mos()).max(floor(&limits.score, self.rating()));
        [nothing, limits.loss.level(loss), of(&limits.rta, self.rta()), jitter, call, order]
            .into_iter()
            .max()
            .unwrap_or(Level::Unknown)
    }

    /// As check_icmp has it in its line.
    fn briefly(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.name())?;
        if let Some(reason) = self.reason.as_ref().filter(|_| self.summary.counts.received == 0) {
            write!(f, "{reason}. ")?;
        }
        write!(f, "rta {}, lost {}", Delay(self.rta()), Percent(self.loss()))?;
        if let Some((voice, mos)) = self.summary.voice.zip(self.mos()) {
            write!(f, ", mos {mos:.2} (estimate, {})", voice.codec.name())?;
        }
        match self.summary.counts.reordered {
            0 => Ok(()),
            reordered => write!(f, ", {reordered} out of order"),
        }
    }

    fn performance(&self, prefix: &str, limits: &Limits, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let delays = |limit: &Limit| format!("{};{}", Millis::of(limit.warning), Millis::of(limit.critical));
        let (rta, rtt) = (Delay(self.rta()), self.rtt());
        write!(f, "{prefix}rta={rta};{};0;", delays(&limits.rta))?;
        let Limit { warning, critical } = limits.loss;
        write!(f, " {prefix}pl={};{};{};;", Percent(self.loss()), Decimal(warning), Decimal(critical))?;
        write!(f, " {prefix}rtmax={};;;;", Delay(rtt.map(|rtt| rtt.max as f64)))?;
        write!(f, " {prefix}rtmin={};;;;", Delay(rtt.map(|rtt| rtt.min as f64)))?;
        if let Some(limit) = &limits.jitter {
            write!(f, " {prefix}jitter_avg={};{};0;", Delay(self.summary.delays.ipdv), delays(limit))?;
        }
        // A limit that is reached from above is a range without an upper end.
        let floors = |limit: &Limit| format!("{}:;{}:", Decimal(limit.warning), Decimal(limit.critical));
        if let Some(limit) = &limits.mos {
            write!(f, " {prefix}mos={};{};1;4.5", Score(self.mos()), floors(limit))?;
        }
        match &limits.score {
            Some(limit) => write!(f, " {prefix}score={};{};0;100", Score(self.rating()), floors(limit)),
            None => Ok(()),
        }
    }

    /// Its line below the first.
    fn line(&self, limits: &Limits, verbose: bool, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = &self.summary.counts;
        let asked = counts.sent + counts.send_failed;
        write!(f, "{}: {}", self.name(), self.level(limits))?;
        if asked > 0 {
            write!(f, ", {} of {asked} answered", counts.received)?;
        }
        if let Some(rtt) = self.rtt() {
            let [min, avg, max] = [rtt.min as f64, rtt.mean, rtt.max as f64].map(Millis::of);
            write!(f, ", rtt min/avg/max {min}/{avg}/{max} ms")?;
        }
        if let Some(reason) = &self.reason {
            write!(f, ", {reason}")?;
        }
        if verbose {
            self.counted(counts, f)?;
        }
        f.write_char('\n')
    }

    /// What else there is to say about it.
    fn counted(&self, counts: &Counts, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(rtt) = self.rtt() {
            write!(f, ", median {} ms", Millis(rtt.median))?;
        }
        write!(f, ", jitter {}", Delay(self.summary.delays.ipdv))?;
        let rest = [
            (counts.refused, "refused"),
            (counts.unreachable, "unreachable"),
            (counts.lost, "lost"),
            (counts.send_failed, "not sent"),
            (counts.duplicates, "duplicates"),
            (counts.late, "late"),
            (counts.reordered, "out of order"),
        ];
        rest.iter().filter(|(count, _)| *count > 0).try_for_each(|(count, what)| write!(f, ", {count} {what}"))
    }
}

/// Nanoseconds, in milliseconds.
struct Delay(Option<f64>);

impl fmt::Display for Delay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(nanos) => write!(f, "{}ms", Millis::of(nanos)),
            None => f.write_char('U'),
        }
    }
}

struct Percent(Option<f64>);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(percent) => write!(f, "{}%", Decimal(percent)),
            None => f.write_char('U'),
        }
    }
}

struct Score(Option<f64>);

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(score) => Decimal(score).fmt(f),
            None => f.write_char('U'),
        }
    }
}

/// With as many decimals as it needs, and two at most.
struct Decimal(f64);

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(format!("{:.2}", self.0).trim_end_matches('0').trim_end_matches('.'))
    }
}

/// What an answer that is no reply says.
fn reason(probe: &ProbeEvent) -> Option<String> {
    let Reason { said, by, .. } = Reason::of(probe)?;
    Some(by.map_or_else(|| said.clone(), |by| format!("{said} @ {by}")))
}

/// Writes nothing: what is to be said is known at the end.
pub struct Unwritten;

impl<E> Sink<E> for Unwritten {
    fn event(&mut self, _: &E, _: &mut Streams<'_>) -> std::io::Result<()> {
        Ok(())
    }
}
