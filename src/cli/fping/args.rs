//! The command line of `fping`. Its help is in `help.txt`, in the form that programs which call it look for options.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use crate::report::FpingStamp;
use crate::types::Family;

/// The most octets of data.
const MOST_OCTETS: u32 = 65_507;
/// Largest and smallest factor of `-B`.
const BACKOFF: std::ops::RangeInclusive<f64> = 1.0..=5.0;
/// The shortest period of users other than root, as ping has it.
const USER_PERIOD: Duration = Duration::from_millis(2);
/// The longest wait that follows from the period.
const LONGEST_USUAL_WAIT: Duration = Duration::from_secs(2);

#[derive(Parser, Debug)]
#[command(name = "fping", disable_help_flag = true, disable_version_flag = true, args_override_self = true)]
pub struct FpingArgs {
    #[arg(short = '4', long)]
    ipv4: bool,
    #[arg(short = '6', long)]
    ipv6: bool,
    #[arg(short, long)]
    alive: bool,
    #[arg(short = 'A', long = "addr")]
    pub by_address: bool,
    #[arg(short = 'b', long, allow_hyphen_values = true, default_value = "56", value_parser = whole)]
    pub size: u32,
    #[arg(short = 'B', long, allow_hyphen_values = true, default_value = "1.5", value_parser = number)]
    pub backoff: f64,
    #[arg(short, long, allow_hyphen_values = true, value_parser = at_least_one)]
    count: Option<u32>,
    #[arg(short = 'C', long = "vcount", allow_hyphen_values = true, value_parser = at_least_one)]
    pub vector: Option<u32>,
    #[arg(short = 'd', long = "rdns")]
    pub all_by_name: bool,
    #[arg(short = 'D', long)]
    timestamp: bool,
    #[arg(long, allow_hyphen_values = true, default_value = "", hide_default_value = true, value_parser = stamp)]
    timestamp_format: FpingStamp,
    #[arg(short, long)]
    pub elapsed: bool,
    #[arg(short, long)]
    pub file: Option<PathBuf>,
    #[arg(short, long)]
    pub generate: bool,
    #[arg(short, long)]
    pub help: bool,
    #[arg(short = 'H', long, allow_hyphen_values = true, value_parser = at_least_one)]
    pub ttl: Option<u32>,
    #[arg(short, long, allow_hyphen_values = true, default_value = "10", value_parser = millis)]
    pub interval: Duration,
    #[arg(short = 'I', long = "iface")]
    pub interface: Option<Box<str>>,
    #[arg(short = 'J', long)]
    pub json: bool,
    #[arg(short = 'k', long = "fwmark", allow_hyphen_values = true, value_parser = at_least_one)]
    pub mark: Option<u32>,
    #[arg(short = 'l', long = "loop")]
    pub endless: bool,
    #[arg(short = 'm', long)]
    pub all: bool,
    #[arg(short = 'M', long)]
    pub dontfrag: bool,
    #[arg(short = 'n', long = "name")]
    pub addresses_by_name: bool,
    #[arg(short = 'N', long)]
    pub netdata: bool,
    #[arg(short, long)]
    pub outage: bool,
    #[arg(short = 'O', long, allow_hyphen_values = true, value_parser = tos)]
    pub tos: Option<u8>,
    #[arg(short, long, allow_hyphen_values = true, default_value = "1000", value_parser = millis)]
    pub period: Duration,
    #[arg(long)]
    pub print_tos: bool,
    #[arg(long)]
    pub print_ttl: bool,
    #[arg(short, long)]
    quiet: bool,
    #[arg(short = 'Q', long = "squiet", allow_hyphen_values = true, value_parser = reports)]
    pub reports: Option<Reports>,
    #[arg(short, long, allow_hyphen_values = true, default_value = "3", value_parser = whole)]
    pub retry: u32,
    #[arg(short = 'R', long)]
    pub random: bool,
    #[arg(short, long)]
    pub stats: bool,
    /// Without effect: numbers of probes are not used again.
    #[arg(long = "seqmap-timeout", allow_hyphen_values = true)]
    _seqmap_timeout: Option<String>,
    #[arg(short = 'S', long = "src", allow_hyphen_values = true)]
    pub source: Option<String>,
    #[arg(short, long, allow_hyphen_values = true, value_parser = millis)]
    timeout: Option<Duration>,
    /// Without effect, as in fping.
    #[arg(short = 'T', allow_hyphen_values = true)]
    _select: Option<String>,
    #[arg(short = 'u', long = "unreach")]
    unreachable: bool,
    #[arg(short = 'v', long)]
    pub version: bool,
    #[arg(short = 'x', long, allow_hyphen_values = true, value_parser = at_least_one)]
    reachable: Option<u32>,
    #[arg(short = 'X', long, allow_hyphen_values = true, value_parser = at_least_one)]
    pub fast_reachable: Option<u32>,
    pub targets: Vec<String>,
}

/// Reports on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reports {
    /// How often; zero: never.
    pub every: Duration,
    /// Whether each is about everything since the start.
    pub cumulative: bool,
}

/// What is shown of targets that are probed until they answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Both kinds, in a sentence each.
    All,
    /// Those that answer.
    Alive,
    /// Those that do not.
    Unreachable,
    /// Nothing.
    Nothing,
}

impl FpingArgs {
    /// Why these options do not go together, or one has a value that it cannot have.
    pub fn wrong(&self, uid: u32) -> Option<String> {
        let (least, most) = (BACKOFF.start(), BACKOFF.end());
        let too_fast = uid != 0 && self.period < USER_PERIOD && self.times().is_none_or(|times| times > 1);
        let rows = [
            (self.ipv4 && self.ipv6, "can't specify both -4 and -6".to_owned()),
            (self.addresses_by_name && self.all_by_name, "use either one of -d or -n".to_owned()),
            (self.ttl.is_some_and(|ttl| ttl > 255), format!("ttl {} out of range", self.ttl.unwrap_or_default())),
            (self.alive && self.unreachable, "specify only one of a, u".to_owned()),
            (self.endless && self.times().is_some(), "specify only one of c, l".to_owned()),
            (self.json && !self.is_counted(), "option -J, --json requires -c, -C, or -l".to_owned()),
            (self.json && self.netdata, "specify only one of J, N".to_owned()),
            (
                self.size > MOST_OCTETS,
                format!("data size {} not valid, must not be larger than {MOST_OCTETS}", self.size),
            ),
            (
                !BACKOFF.contains(&self.backoff),
                format!("backoff factor {:.1} not valid, must be between {least:.1} and {most:.1}", self.backoff),
            ),
            (
                self.is_counted() && too_fast,
                "these options are too risky for mere mortals: users other than root need -p >= 2".to_owned(),
            ),
        ];
        rows.into_iter().find_map(|(wrong, sentence)| wrong.then_some(sentence))
    }

    /// The family that was asked for.
    pub fn family(&self, program: &str) -> Option<Family> {
        match (self.ipv4, self.ipv6) {
            (true, _) => Some(Family::V4),
            (_, true) => Some(Family::V6),
            _ => program.contains("fping6").then_some(Family::V6),
        }
    }

    /// Probes to each target, where their number is given.
    pub fn times(&self) -> Option<u32> {
        self.vector.or(self.count)
    }

    /// Whether targets are probed at a pace, and not until they answer.
    pub fn is_counted(&self) -> bool {
        self.endless || self.times().is_some()
    }

    /// How long a probe is waited for, the first of several.
    pub fn wait(&self) -> Duration {
        let usual = if self.is_counted() { self.period.min(LONGEST_USUAL_WAIT) } else { Duration::from_millis(500) };
        self.timeout.unwrap_or(usual)
    }

    /// Whether nothing but results is written.
    pub fn is_quiet(&self) -> bool {
        self.quiet || self.reports.is_some()
    }

    /// How often reports are due on the way.
    pub fn report_every(&self) -> Option<Duration> {
        self.reports.map(|reports| reports.every).filter(|every| !every.is_zero() && self.is_counted())
    }

    /// Whether each answer has its line.
    pub fn shows_replies(&self) -> bool {
        (self.endless && self.report_every().is_none()) || (self.is_counted() && !self.is_quiet())
    }

    /// What is shown of targets that are probed until they answer.
    pub fn shown(&self) -> Shown {
        match self {
            _ if self.is_counted() => Shown::Nothing,
            _ if self.alive => Shown::Alive,
            _ if self.unreachable => Shown::Unreachable,
            _ if self.is_quiet() || self.required().is_some() => Shown::Nothing,
            _ => Shown::All,
        }
    }

    /// How many targets must answer, if not all.
    pub fn required(&self) -> Option<u32> {
        self.fast_reachable.or(self.reachable)
    }

    /// How lines about answers begin.
    pub fn stamps(&self) -> Option<FpingStamp> {
        self.timestamp.then_some(self.timestamp_format)
    }

    /// The source address.
    pub fn source(&self) -> Result<Option<IpAddr>, String> {
        let parse = |text: &String| text.parse().map_err(|_| format!("can't parse source address: {text}"));
        self.source.as_ref().map(parse).transpose()
    }
}

fn number(text: &str) -> Result<f64, String> {
    let number: f64 = text.trim().parse().map_err(|_| "a number is required".to_owned())?;
    if number.is_finite() && number >= 0.0 { Ok(number) } else { Err("a number from 0 is required".to_owned()) }
}

fn whole(text: &str) -> Result<u32, String> {
    text.trim().parse().map_err(|_| format!("a whole number from 0 to {} is required", u32::MAX))
}

fn at_least_one(text: &str) -> Result<u32, String> {
    match whole(text) {
        Ok(0) | Err(_) => Err(format!("a whole number from 1 to {} is required", u32::MAX)),
        number => number,
    }
}

fn millis(text: &str) -> Result<Duration, String> {
    duration(number(text)? / 1e3)
}

fn duration(seconds: f64) -> Result<Duration, String> {
    // Far beyond any run, and far below what clocks count to.
    const LONGEST: f64 = 1e9;
    Duration::try_from_secs_f64(seconds.min(LONGEST)).map_err(|_| "a number from 0 is required".to_owned())
}

/// Decimal, or as in C.
fn tos(text: &str) -> Result<u8, String> {
    let digits = |text: &str, radix| u8::from_str_radix(text, radix);
    let value = match (text.strip_prefix("0x").or(text.strip_prefix("0X")), text.strip_prefix('0')) {
        (Some(hexadecimal), _) => digits(hexadecimal, 16),
        (None, Some(octal)) if !octal.is_empty() => digits(octal, 8),
        _ => digits(text, 10),
    };
    value.map_err(|_| "a number from 0 to 255 is required".to_owned())
}

fn reports(text: &str) -> Result<Reports, String> {
    let (every, word) = text.split_once(',').unwrap_or((text, ""));
    Ok(Reports { every: duration(number(every)?)?, cumulative: word == "cumulative" })
}

fn stamp(text: &str) -> Result<FpingStamp, String> {
    match text {
        "" => Ok(FpingStamp::Seconds),
        "ctime" => Ok(FpingStamp::Ctime),
        "iso" => Ok(FpingStamp::Iso),
        "rfc3339" => Ok(FpingStamp::Rfc3339),
        _ => Err("one of ctime, iso, rfc3339 is required".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_nothing_else() {
        assert_eq!((number("0.9"), number(" 5 ")), (Ok(0.9), Ok(5.0)));
        assert!(["", "xxx", "-1", ".", "1whatever", "nan", "inf"].iter().all(|text| number(text).is_err()));
        assert_eq!(whole("20"), Ok(20));
        assert!(["", "xxx", "-1", "5x"].iter().all(|text| whole(text).is_err()) && at_least_one("0").is_err());
        let every = |text| reports(text).map(|reports| (reports.every.as_millis(), reports.cumulative));
        assert_eq!((every("1.5"), every("2,cumulative")), (Ok((1500, false)), Ok((2000, true))));
        assert_eq!([tos("2"), tos("0x20"), tos("010"), tos("0")], [Ok(2), Ok(0x20), Ok(8), Ok(0)]);
        assert!(["256", "", "0x", "x"].iter().all(|text| tos(text).is_err()));
    }

    #[test]
    fn a_wait_follows_the_period_of_counted_runs_alone() {
        let wait = |words: &[&str]| FpingArgs::try_parse_from([&["fping"], words].concat()).unwrap().wait();
        assert_eq!(wait(&["h"]), Duration::from_millis(500));
        assert_eq!(wait(&["-c1", "h"]), Duration::from_secs(1));
        assert_eq!(wait(&["-c1", "-p100", "h"]), Duration::from_millis(100));
        assert_eq!(wait(&["-l", "-p9000", "h"]), Duration::from_secs(2));
        assert_eq!(wait(&["-C1", "-p9000", "-t3000.5", "h"]), Duration::from_micros(3_000_500));
    }
}
