//! The command line of `check_rping`: check_icmp's options, and from them those of `rping`.

use std::fmt::Display;
use std::time::Duration;

use clap::{ArgAction, Parser};

use crate::cli::args::family::FamilyArgs;
use crate::cli::args::values::{self, Span};
use crate::metrics::Codec;
use crate::report::{Limit, Limits};
use crate::types::{Dscp, Port};

const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (options and output compatible with check_icmp 2.3.3)");

/// Limits of the loss unless `-w` and `-c` say otherwise, percent.
const USUAL_LOSS: [f64; 2] = [40.0, 80.0];
/// Octets of payload unless `-b` says otherwise: as check_icmp's.
const USUAL_PAYLOAD: usize = 68;
/// The shortest wait for an answer, however strict the limits are.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);
/// The most probes to a host.
const MOST_PACKETS: u64 = 10_000;

/// Check hosts as a plugin of Nagios, Icinga and others.
///
/// check_rping takes the options of check_icmp and prints what it prints: a line with performance data, and a line per host below.
/// It is rping under the name check_rping or check_icmp, or with --as-check-icmp as its first word.
#[derive(Debug, Parser)]
#[command(name = "check_rping", version = VERSION, disable_version_flag = true, args_override_self = true, max_term_width = 100, after_long_help = include_str!("help.txt"))]
pub struct CheckArgs {
    /// Names or addresses to check
    #[arg(value_name = "HOST")]
    pub words: Vec<String>,

    /// A name or address to check; may be repeated
    #[arg(short = 'H', long = "hostname", alias = "Host", value_name = "HOST", action = ArgAction::Append, allow_hyphen_values = true)]
    pub hosts: Vec<String>,

    /// Warning limits: the mean RTT, in ms or with us, ms or s, and the loss
    #[arg(short, long, value_name = "RTT[,LOSS%]", value_parser = threshold, default_value = "200,40%", allow_hyphen_values = true)]
    pub warning: Threshold,

    /// Critical limits, as for -w
    #[arg(short, long, value_name = "RTT[,LOSS%]", value_parser = threshold, default_value = "500,80%", allow_hyphen_values = true)]
    pub critical: Threshold,

    /// Limits of the mean RTT: warning and critical, in place of those of -w and -c
    #[arg(short = 'R', long, alias = "rta-mode-thresholds", value_name = "RTT,RTT", value_parser = delays, allow_hyphen_values = true)]
    pub rta: Option<Limit>,

    /// Limits of the loss: warning and critical, in place of those of -w and -c
    #[arg(short = 'P', long, alias = "packet-loss-mode-thresholds", value_name = "PL%,PL%", value_parser = losses, allow_hyphen_values = true)]
    pub packet_loss: Option<Limit>,

    /// Limits of the jitter, the mean difference of successive RTTs: warning and critical
    #[arg(short = 'J', long, alias = "jitter-mode-thresholds", value_name = "TIME,TIME", value_parser = delays, allow_hyphen_values = true)]
    pub jitter: Option<Limit>,

    /// Limits of the estimated mean opinion score of a call, from 1 to 4.5
    ///
    /// At or below the first there is a warning, at or below the second it is critical.
    #[arg(short = 'M', long, alias = "mos-mode-thresholds", value_name = "MOS,MOS", value_parser = scores, allow_hyphen_values = true)]
    pub mos: Option<Limit>,

    /// Limits of the rating factor that -M is computed from, from 0 to 100
    #[arg(short = 'S', long, alias = "score-mode-thresholds", value_name = "R,R", value_parser = ratings, allow_hyphen_values = true)]
    pub score: Option<Limit>,

    /// The codec of the call that -M and -S judge: g711 or g729a
    #[arg(long, value_name = "CODEC", value_parser = values::CODEC, hide_possible_values = true, default_value = "g711", allow_hyphen_values = true)]
    pub codec: Codec,

    /// Answers out of order are critical
    #[arg(short = 'O', long, alias = "out-of-order-packets")]
    pub order: bool,

    /// How many hosts must be within their limits [default: all of them]
    #[arg(short = 'm', long, alias = "minimal-host-alive", value_name = "N", value_parser = hosts_alive, allow_hyphen_values = true)]
    pub hosts_alive: Option<usize>,

    /// Probes to each host
    #[arg(short = 'n', visible_short_alias = 'p', long, alias = "number-of-packets", value_name = "N", value_parser = packets, default_value = "5", allow_hyphen_values = true)]
    pub packets: u64,

    /// Time between two probes to a host, in ms, or with us, ms or s
    #[arg(short, long, alias = "packet-interval", value_name = "TIME", value_parser = time, default_value = "80ms", allow_hyphen_values = true)]
    pub interval: Duration,

    /// Time between two hosts, as above
    #[arg(short = 'I', long, value_name = "TIME", value_parser = time, default_value = "0", allow_hyphen_values = true)]
    pub target_interval: Duration,

    /// End the check before this time is over: seconds, or with a unit
    #[arg(short, long, value_name = "TIME", value_parser = values::span, default_value = "10", allow_hyphen_values = true)]
    pub timeout: Span,

    /// Payload bytes over ICMP and UDP [default: 68]
    #[arg(short = 'b', long, alias = "size", value_name = "BYTES", value_parser = values::payload_octets, allow_hyphen_values = true)]
    pub bytes: Option<usize>,

    /// TTL or Hop Limit; 0 is the system's
    #[arg(short = 'l', long, alias = "outgoing-ttl", value_name = "HOPS", value_parser = ttl, default_value = "0", allow_hyphen_values = true)]
    pub ttl: u8,

    /// Source address, or interface
    #[arg(short, long, value_name = "ADDRESS|NAME", allow_hyphen_values = true)]
    pub source: Option<String>,

    #[command(flatten)]
    pub family: FamilyArgs,

    /// Probe this TCP port instead: a host that refuses is down; hosts may be HOST:PORT
    #[arg(long, value_name = "PORT", value_parser = values::port, conflicts_with_all = ["udp", "stamp", "bytes"], allow_hyphen_values = true)]
    pub tcp: Option<Port>,

    /// Probe this UDP port instead, or ask a service: dns, ntp, quic, stun or echo
    #[arg(long, value_name = "PORT|SERVICE", conflicts_with = "stamp", allow_hyphen_values = true)]
    pub udp: Option<String>,

    /// Probe a STAMP reflector (RFC 8762) instead [default port: 862]
    #[arg(long, value_name = "PORT", value_parser = values::port, num_args = 0..=1, require_equals = true, default_missing_value = "862", conflicts_with = "bytes")]
    pub stamp: Option<Port>,

    /// Differentiated services codepoint: a number, or a name such as ef, af41, cs6
    #[arg(long, value_name = "DSCP", value_parser = values::dscp, allow_hyphen_values = true)]
    pub dscp: Option<Dscp>,

    /// Print more about each host in its line
    #[arg(short, long, action = ArgAction::Count)]
    pub verbose: u8,

    /// Print the version
    #[arg(short = 'V', long, action = ArgAction::Version)]
    version: Option<bool>,
}

impl CheckArgs {
    /// The hosts in the order of check_icmp, each once.
    pub fn targets(&self) -> Vec<String> {
        let mut targets: Vec<String> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        targets.extend(self.hosts.iter().chain(&self.words).filter(|host| seen.insert(host.as_str())).cloned());
        targets
    }

    /// What is judged.
    ///
    /// # Errors
    /// A sentence: limits that contradict each other, or more hosts wanted than there are.
    pub fn limits(&self, targets: usize) -> Result<Limits, String> {
        let of = |what, limit: Option<Limit>, [warning, critical]: [f64; 2]| match limit {
            Some(limit) => Ok(limit),
            None => limit_of(warning, critical).map_err(|why| format!("-w and -c: {what}: {why}")),
        };
        let (warning, critical) = (&self.warning, &self.critical);
        let losses = [warning.loss.unwrap_or(USUAL_LOSS[0]), critical.loss.unwrap_or(USUAL_LOSS[1])];
        if let Some(alive) = self.hosts_alive.filter(|&alive| alive > targets) {
            return Err(format!("-m {alive}: more hosts than are checked ({targets})"));
        }
        Ok(Limits {
            rta: of("RTT", self.rta, [warning.rta, critical.rta])?,
            loss: of("loss", self.packet_loss, losses)?,
            jitter: self.jitter,
            mos: self.mos,
            score: self.score,
            in_order: self.order,
            alive: self.hosts_alive,
        })
    }

    /// From one probe to the next to the same host.
    pub fn interval(&self, targets: usize) -> Duration {
        let round = self.target_interval.saturating_mul(u32::try_from(targets).unwrap_or(u32::MAX));
        self.interval.saturating_add(round)
    }

    /// How long an answer is waited for if time allows: as long as check_icmp waits in all.
    pub fn wait(&self, limits: &Limits) -> Duration {
        let critical = Duration::from_nanos(limits.rta.critical as u64);
        critical.saturating_mul(u32::try_from(self.packets + 1).unwrap_or(u32::MAX)).max(SHORTEST_WAIT)
    }

    /// The same run in rping's words, for this many targets; if `v6`, some are IPv6 addresses.
    pub fn rping(&self, targets: usize, v6: bool) -> Vec<String> {
        let mut words = vec!["rping".to_owned(), "-q".to_owned()];
        let mut option = |name: &str, value: &dyn Display| words.push(format!("{name}={value}"));
        option("--count", &self.packets);
        option("--interval", &self.interval(targets).as_secs_f64());
        if !self.target_interval.is_zero() {
            option("--rate", &(1.0 / self.target_interval.as_secs_f64()).max(0.001));
        }
        match (self.tcp, &self.udp, self.stamp) {
            (Some(port), ..) => option("--tcp", &port.get()),
            (_, Some(aim), _) => option("--udp", aim),
            (.., Some(port)) => option("--stamp", &port.get()),
            (None, None, None) => option("--size", &self.bytes.unwrap_or(USUAL_PAYLOAD)),
        }
        if let Some(bytes) = self.bytes.filter(|_| self.udp.is_some()) {
            option("--size", &bytes);
        }
        if self.ttl > 0 {
            option("--ttl", &self.ttl);
        }
        if let Some(source) = &self.source {
            option("--interface", source);
        }
        if self.mos.is_some() || self.score.is_some() {
            option("--mos", &self.codec.name());
        }
        if let Some(dscp) = self.dscp {
            option("--dscp", &dscp.get());
        }
        match self.family.forced() {
            _ if self.family.has_both() => words.extend(["-4".to_owned(), "-6".to_owned()]),
            Some(family) => words.push(family.pick("-4", "-6").to_owned()),
            None if !v6 => words.push("-4".to_owned()),
            None => {}
        }
        words
    }
}

/// Limits of the mean RTT, nanoseconds, and of the loss, percent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Threshold {
    rta: f64,
    loss: Option<f64>,
}

/// `-w` and `-c`.
fn threshold(text: &str) -> Result<Threshold, String> {
    match text.split_once(',') {
        Some((rta, loss)) => Ok(Threshold { rta: delay(rta)?, loss: Some(percent(loss)?) }),
        None => Ok(Threshold { rta: delay(text)?, loss: None }),
    }
}

fn limit_of(warning: f64, critical: f64) -> Result<Limit, String> {
    if warning > critical {
        return Err("the warning limit is above the critical one".to_owned());
    }
    Ok(Limit { warning, critical })
}

fn limit(text: &str, figure: fn(&str) -> Result<f64, String>) -> Result<Limit, String> {
    let (warning, critical) = text.split_once(',').ok_or("must be two values with a comma between them")?;
    limit_of(figure(warning)?, figure(critical)?)
}

fn delays(text: &str) -> Result<Limit, String> {
    limit(text, delay)
}

/// Limits that are reached from above.
fn floors(text: &str, figure: fn(&str) -> Result<f64, String>) -> Result<Limit, String> {
    let (warning, critical) = text.split_once(',').ok_or("must be two values with a comma between them")?;
    let (warning, critical) = (figure(warning)?, figure(critical)?);
    if warning < critical {
        return Err("the warning limit is below the critical one".to_owned());
    }
    Ok(Limit { warning, critical })
}

fn scores(text: &str) -> Result<Limit, String> {
    let score = |text: &str| {
        let score = number(text).filter(|score| (1.0..=4.5).contains(score));
        score.ok_or_else(|| format!("'{text}': must be a score from 1 to 4.5"))
    };
    floors(text, score)
}

fn ratings(text: &str) -> Result<Limit, String> {
    let rating = |text: &str| {
        let rating = number(text).filter(|rating| *rating <= 100.0);
        rating.ok_or_else(|| format!("'{text}': must be a rating from 0 to 100"))
    };
    floors(text, rating)
}

fn losses(text: &str) -> Result<Limit, String> {
    limit(text, percent)
}

/// Nanoseconds above zero, which everything would reach.
fn delay(text: &str) -> Result<f64, String> {
    let time = time(text)?;
    if time.is_zero() { Err("a limit of 0 is always reached".to_owned()) } else { Ok(time.as_nanos() as f64) }
}

/// A number that has no sign.
fn number(text: &str) -> Option<f64> {
    let digits = |octet: u8| octet.is_ascii_digit() || octet == b'.';
    text.parse().ok().filter(|_| text.bytes().all(digits))
}

fn percent(text: &str) -> Result<f64, String> {
    let percent = number(text.strip_suffix('%').unwrap_or(text));
    percent.filter(|percent| *percent <= 100.0).ok_or_else(|| format!("'{text}': must be a loss from 0% to 100%"))
}

/// Milliseconds, or with a unit.
fn time(text: &str) -> Result<Duration, String> {
    const UNITS: [(&str, f64); 5] = [("us", 1e-6), ("ms", 1e-3), ("u", 1e-6), ("m", 1e-3), ("s", 1.0)];
    const LONGEST: f64 = 3600.0;
    let (digits, unit) =
        UNITS.into_iter().find_map(|(name, seconds)| Some((text.strip_suffix(name)?, seconds))).unwrap_or((text, 1e-3));
    match number(digits).map(|number| number * unit) {
        Some(seconds) if seconds <= LONGEST => Ok(Duration::from_secs_f64(seconds)),
        Some(_) => Err(format!("'{text}' is more than an hour")),
        None => Err(format!("'{text}': must be a number of milliseconds, or have a unit, as in 500us, 200ms or 1s")),
    }
}

fn packets(text: &str) -> Result<u64, String> {
    values::whole(text, 1, MOST_PACKETS)
}

fn hosts_alive(text: &str) -> Result<usize, String> {
    values::whole(text, 0, 1_000_000).map(|hosts| hosts as usize)
}

fn ttl(text: &str) -> Result<u8, String> {
    values::whole(text, 0, 255).map(|hops| hops as u8)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        CheckArgs::command().debug_assert();
    }

    #[test]
    fn limits_have_units_and_an_order() {
        let read = |text| threshold(text).map(|threshold| (threshold.rta, threshold.loss));
        for (text, expected) in [
            ("200.25,60%", (200.25e6, Some(60.0))),
            ("500us,5", (0.5e6, Some(5.0))),
            ("1.5s,0%", (1.5e9, Some(0.0))),
            ("20ms,33.3%", (20e6, Some(33.3))),
            ("2m", (2e6, None)),
        ] {
            assert_eq!(read(text), Ok(expected), "{text}");
        }
        for text in ["", "200,", ",5%", "-1,5%", "200,101%", "200,-1%", "0,5%", "1e3,5%", "nan,5%", "2h,5%", "inf,5%"] {
            assert!(read(text).is_err(), "{text}");
        }
        assert!(delays("10ms,20ms").is_ok() && delays("20ms,20ms").is_ok() && delays("21ms,20ms").is_err());
        assert!(scores("3.5,3").is_ok() && scores("3,3.5").is_err() && scores("5,3").is_err() && scores("3").is_err());
        assert!(ratings("80,70").is_ok() && ratings("70,80").is_err() && ratings("101,70").is_err());
        assert!(losses("10%,50%").is_ok() && losses("51%,50%").is_err() && losses("10%").is_err());
    }
}
