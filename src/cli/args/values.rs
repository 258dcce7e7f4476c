//! The values of options: text to numbers, durations and header fields, each with its allowed range in the refusal.

use std::ffi::OsStr;
use std::net::{IpAddr, SocketAddr};
use std::num::IntErrorKind;
use std::time::Duration;

use clap::builder::{PossibleValue, TypedValueParser};
use clap::{Arg, Command};

use crate::channel::{CloseHow, Confinement, Fragmentation, SendStamps, SocketChoice, Zones};
use crate::engine::outcome::Reachable;
use crate::metrics::Codec;
use crate::ping::Until;
use crate::report::{Column, Timestamps};
use crate::types::{Dscp, FlowLabel, Ident, Port, Tos, Ttl};
use crate::wire::payload::Fill;
use crate::wire::service::dns::{Question, QuestionError};

/// A whole number within `least..=most`.
pub fn whole(text: &str, least: u64, most: u64) -> Result<u64, String> {
    let number = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    let out_of_range = || format!("out of range: {least} <= value <= {most}");
    match number {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        Ok(number) if number > most => Err(out_of_range()),
        Err(error) if *error.kind() == IntErrorKind::PosOverflow => Err(out_of_range()),
        Err(_) if text.parse::<i64>().is_err() => Err(not_whole(least, most)),
        // Below zero, or below what is allowed.
        Ok(_) | Err(_) if is_limited(most) => Err(out_of_range()),
        Ok(_) | Err(_) => Err(format!("out of range: must be at least {least}")),
    }
}

/// Nothing but digits.
pub fn number(text: &str) -> Option<u64> {
    text.bytes().all(|octet| octet.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

fn not_whole(least: u64, most: u64) -> String {
    match is_limited(most) {
        true => format!("must be a whole number from {least} to {most}"),
        false => format!("must be a whole number, at least {least}"),
    }
}

/// Whether an upper limit is more than that of the type, which messages leave out.
const fn is_limited(most: u64) -> bool {
    most < i32::MAX as u64
}

/// `--source` of rtrace: an address of this host.
pub fn address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| "must be an IP address".to_owned())
}

/// `--resolver`: an address, and a port if it is not 53.
pub fn resolver(text: &str) -> Result<SocketAddr, String> {
    let address = |text: &str| text.parse::<IpAddr>().ok().map(|address| SocketAddr::new(address, 53));
    let server =
        text.parse().ok().or_else(|| address(text)).or_else(|| address(text.strip_prefix('[')?.strip_suffix(']')?));
    match server {
        Some(SocketAddr::V6(server)) if server.scope_id() != 0 => Err("a name server's address has no zone".to_owned()),
        Some(server) if server.port() != 0 => Ok(server),
        _ => Err("must be ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT".to_owned()),
    }
}

/// `--columns`: the letters of a table's columns.
pub fn columns(letters: &str) -> Result<Box<[Column]>, String> {
    Column::read(letters).map(Vec::into_boxed_slice)
}

/// `--asn-zone`: the names of two zones, or of one for both families.
pub fn zones(text: &str) -> Result<Zones, String> {
    let (v4, v6) = text.split_once(',').unwrap_or((text, text));
    let v4 = zone(v4).ok_or("must be the name of a zone")?;
    Ok(Zones { v4, v6: zone(v6).ok_or("must be the name of a zone")? })
}

/// A domain name (RFC 1035 §2.3.1, with underscores) that the nibbles of an address fit before.
fn zone(name: &str) -> Option<Box<str>> {
    /// 255 octets for all labels with their lengths and the root's (RFC 1035 §2.3.4), 32 nibbles, and the length of the first label.
    const MOST_OCTETS: usize = 255 - 1 - 64 - 1;
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-_".contains(&octet))
    };
    (name.len() <= MOST_OCTETS && name.split('.').all(is_label)).then(|| name.into())
}

/// `--timestamps`.
pub const TIMESTAMPS: OneOf<Timestamps> = OneOf(&[("iso", Timestamps::Iso), ("unix", Timestamps::Unix)]);

/// `--reachable`.
pub fn reachable(text: &str) -> Result<Reachable, String> {
    match text {
        "all" => Ok(Reachable::All),
        "any" => Ok(Reachable::AtLeast(1)),
        _ => {
            whole(text, 0, i64::MAX as u64).map(Reachable::AtLeast).map_err(|why| format!("{why}, or one of all, any"))
        }
    }
}

/// `--until`: `up`, `down`, `any-up` or `any-down`, and how often in a row.
pub fn until(text: &str) -> Result<Until, String> {
    let (what, times) = text.split_once('=').map_or((text, None), |(what, times)| (what, Some(times)));
    let (any, what) = what.strip_prefix("any-").map_or((false, what), |what| (true, what));
    let (up, usual) = match what {
        "up" => (true, 1),
        "down" => (false, 3),
        _ => return Err("must be one of up, down, any-up, any-down, or with a number, as in down=5".to_owned()),
    };
    let count = times.map_or(Ok(usual), |times| whole(times, 1, 1_000_000))?;
    Ok(Until { up, count, any })
}

/// `-c`: 1 and up.
pub fn count(text: &str) -> Result<u64, String> {
    whole(text, 1, i64::MAX as u64)
}

/// `-s`: payload octets; the upper end of IPv4 is checked once the family is known.
pub fn payload_octets(text: &str) -> Result<usize, String> {
    whole(text, 0, 65_527).map(|octets| octets as usize)
}

/// rtrace's PACKET_BYTES.
pub fn packet_octets(text: &str) -> Result<usize, String> {
    whole(text, 0, 65_000).map(|octets| octets as usize)
}

/// `-l`.
pub fn preload(text: &str) -> Result<u32, String> {
    whole(text, 1, 65_536).map(|probes| probes as u32)
}

/// `-t`, `-f`, `-m`: a TTL that can be sent.
pub fn ttl(text: &str) -> Result<Ttl, String> {
    whole(text, 1, 255).map(|hops| Ttl::new(hops as u8))
}

/// `-q` of rtrace.
pub fn probes_per_hop(text: &str) -> Result<u32, String> {
    whole(text, 1, 10).map(|probes| probes as u32)
}

/// `-N` of rtrace.
pub fn in_flight(text: &str) -> Result<u32, String> {
    whole(text, 1, 1000).map(|probes| probes as u32)
}

/// `--flow` of rtrace.
pub fn flow(text: &str) -> Result<u32, String> {
    whole(text, 0, u64::from(u32::MAX)).map(|number| number as u32)
}

/// `--flows` of rtrace.
pub fn flows(text: &str) -> Result<u32, String> {
    whole(text, 1, 64).map(|flows| flows as u32)
}

/// `-c` of rtrace.
pub fn cycles(text: &str) -> Result<u64, String> {
    whole(text, 1, 1_000_000)
}

/// `--interval` of rtrace: every hop is asked that often.
pub fn cycle_interval(text: &str) -> Result<Duration, String> {
    let interval = span(text)?.duration;
    let allowed = Duration::from_millis(100)..=Duration::from_secs(86_400);
    if allowed.contains(&interval) { Ok(interval) } else { Err("out of range: 0.1 <= seconds <= 86400".to_owned()) }
}

/// `--re-resolve`: name servers are not asked more often than once a second.
pub fn re_resolve(text: &str) -> Result<Duration, String> {
    let interval = span(text)?.duration;
    let allowed = Duration::from_secs(1)..=Duration::from_secs(86_400);
    if allowed.contains(&interval) { Ok(interval) } else { Err("out of range: 1 <= seconds <= 86400".to_owned()) }
}

/// `--window` of live views.
pub fn window(text: &str) -> Result<Duration, String> {
    let window = span(text)?.duration;
    let allowed = Duration::from_secs(10)..=Duration::from_secs(86_400);
    if allowed.contains(&window) { Ok(window) } else { Err("out of range: 10 <= seconds <= 86400".to_owned()) }
}

/// `--gap-limit` of rtrace.
pub fn gap_limit(text: &str) -> Result<u32, String> {
    whole(text, 1, 255).map(|hops| hops as u32)
}

/// `--max-connections` of rpong.
pub fn connections(text: &str) -> Result<usize, String> {
    whole(text, 1, 1_000_000).map(|connections| connections as usize)
}

/// A port.
pub fn port(text: &str) -> Result<Port, String> {
    let number = whole(text, 1, 65_535)?;
    Port::new(number as u16).ok_or_else(|| not_whole(1, 65_535))
}

/// `--dns`: a name, or a name and a type.
pub fn question(text: &str) -> Result<Question, String> {
    text.parse().map_err(|error: QuestionError| error.to_string())
}

/// One of a few words, which shells complete.
#[derive(Clone, Copy, Debug)]
pub struct OneOf<T: 'static>(pub &'static [(&'static str, T)]);

impl<T: Copy> OneOf<T> {
    fn find(self, text: &str) -> Result<T, String> {
        let names = || self.0.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        let found = self.0.iter().find(|(name, _)| *name == text);
        found.map(|&(_, value)| value).ok_or_else(|| format!("must be one of {}", names()))
    }
}

impl<T: Copy + Send + Sync> TypedValueParser for OneOf<T> {
    type Value = T;

    fn parse_ref(&self, command: &Command, option: Option<&Arg>, value: &OsStr) -> Result<T, clap::Error> {
        let words = *self;
        (move |text: &str| words.find(text)).parse_ref(command, option, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.0.iter().map(|(name, _)| PossibleValue::new(*name))))
    }
}

/// `--tcp-close`.
pub const CLOSE: OneOf<CloseHow> = OneOf(&[("fin", CloseHow::Fin), ("reset", CloseHow::Reset)]);

/// `--mos`.
pub const CODEC: OneOf<Codec> = OneOf(&[(Codec::G711.name(), Codec::G711), (Codec::G729a.name(), Codec::G729a)]);

/// `-e`: an ICMP identifier.
pub fn ident(text: &str) -> Result<Ident, String> {
    whole(text, 0, 65_535).map(|value| Ident::new(value as u16))
}

/// `-Q`, `-t` of rtrace: the whole octet, decimal or hexadecimal.
pub fn tos(text: &str) -> Result<Tos, String> {
    whole(text, 0, 255).map(|octet| Tos::new(octet as u8))
}

/// `--dscp`: a number or a standard name.
pub fn dscp(text: &str) -> Result<Dscp, String> {
    if let Some(named) = Dscp::from_name(text) {
        return Ok(named);
    }
    let refused = || "must be a whole number from 0 to 63, or a name such as ef, af41, cs6, le".to_owned();
    text.parse().ok().and_then(Dscp::new).ok_or_else(refused)
}

/// `-m`: a firewall mark.
pub fn mark(text: &str) -> Result<u32, String> {
    whole(text, 0, u64::from(u32::MAX)).map(|mark| mark as u32)
}

/// `-S`: octets of send buffer.
pub fn send_buffer(text: &str) -> Result<u32, String> {
    whole(text, 1, i32::MAX as u64).map(|octets| octets as u32)
}

/// `-F`: an IPv6 flow label, in hexadecimal with or without 0x, as ping takes it.
pub fn flow_label(text: &str) -> Result<FlowLabel, String> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    let refused = || "must be a hexadecimal number from 0 to fffff".to_owned();
    u32::from_str_radix(digits, 16).ok().and_then(FlowLabel::new).ok_or_else(refused)
}

/// `-p`: 1 to 16 octets as hexadecimal digits.
pub fn pattern(text: &str) -> Result<Fill, String> {
    let refused = || "must be 1 to 16 bytes in hexadecimal digits".to_owned();
    if text.is_empty() || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(refused());
    }
    let octet = |pair: &[u8]| {
        pair.iter().fold(0u8, |value, &digit| value << 4 | (digit as char).to_digit(16).unwrap_or(0) as u8)
    };
    let octets: Box<[u8]> = text.as_bytes().chunks(2).map(octet).collect();
    if octets.len() > 16 { Err(refused()) } else { Ok(Fill::Pattern(octets)) }
}

/// `-M` of rping.
pub const FRAGMENTATION: OneOf<Fragmentation> = OneOf(&[
    ("do", Fragmentation::Do),
    ("dont", Fragmentation::Dont),
    ("want", Fragmentation::Want),
    ("probe", Fragmentation::Probe),
]);

/// `--socket`.
pub const SOCKET: OneOf<SocketChoice> =
    OneOf(&[("auto", SocketChoice::Auto), ("raw", SocketChoice::Raw), ("dgram", SocketChoice::Dgram)]);

/// Which stamps delays are to be taken from (`--timestamping`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timestamping {
    /// The best there are, unless taking them slows the run down.
    Auto,
    /// The interface's where it stamps, else the kernel's.
    Hardware,
    /// The kernel's.
    Kernel,
    /// Our own.
    User,
}

impl Timestamping {
    /// Above this many probes a second, `auto` takes no stamps of what is sent: they would cost a fifth of the rate.
    pub const AUTO_BELOW: f64 = 20_000.0;

    /// The stamps it stands for at this many probes per second.
    pub fn send_stamps(self, per_second: f64) -> SendStamps {
        match self {
            Timestamping::Auto if per_second > Timestamping::AUTO_BELOW => SendStamps::User,
            Timestamping::Auto | Timestamping::Hardware => SendStamps::Hardware,
            Timestamping::Kernel => SendStamps::Kernel,
            Timestamping::User => SendStamps::User,
        }
    }
}

/// `--timestamping`.
pub const TIMESTAMPING: OneOf<Timestamping> = OneOf(&[
    ("auto", Timestamping::Auto),
    ("hardware", Timestamping::Hardware),
    ("kernel", Timestamping::Kernel),
    ("user", Timestamping::User),
]);

/// What a run is confined to unless the user wants no sandbox: a flood, or more packets a second than `auto` takes kernel stamps of,
/// keeps its system calls.
pub fn confinement(no_sandbox: bool, flood: bool, rate: Option<Rate>) -> Confinement {
    let fast = match rate {
        Some(Rate::Max) => true,
        Some(Rate::PerSecond(rate)) => rate > Timestamping::AUTO_BELOW,
        None => flood,
    };
    match (no_sandbox, fast) {
        (true, _) => Confinement::None,
        (false, true) => Confinement::Files,
        (false, false) => Confinement::FilesAndCalls,
    }
}

/// A duration as it was typed, with whether it had a unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    /// How long.
    pub duration: Duration,
    /// Whether it was a plain number.
    pub plain: bool,
}

/// The longest duration an option takes.
const LONGEST: f64 = 2_147_483.0;

/// `--keep`: from an hour to 24 days.
pub fn kept(text: &str) -> Result<Duration, String> {
    const HOUR: Duration = Duration::from_secs(3600);
    let kept = span(text)?.duration;
    if (HOUR..=HOUR * 24 * 24).contains(&kept) {
        Ok(kept)
    } else {
        Err("out of range: must be from 1h to 24d".to_owned())
    }
}

/// A plain number of seconds, or a number with a unit.
pub fn span(text: &str) -> Result<Span, String> {
    if let Some(seconds) = plain_number(text) {
        let duration = Duration::try_from_secs_f64(seconds).ok().filter(|d| d.as_secs_f64() <= LONGEST);
        return duration
            .map(|duration| Span { duration, plain: true })
            .ok_or_else(|| format!("out of range: 0 <= seconds <= {LONGEST}"));
    }
    match humantime::parse_duration(text) {
        Ok(duration) if duration.as_secs_f64() <= LONGEST => Ok(Span { duration, plain: false }),
        Ok(_) => Err(format!("out of range: 0 <= seconds <= {LONGEST}")),
        Err(_) => Err(format!("must be a number of seconds from 0 to {LONGEST}, or have a unit, as in 200ms or 1m30s")),
    }
}

/// A duration that is not zero.
pub fn lasting(text: &str) -> Result<Duration, String> {
    let span = span(text)?.duration;
    if span.is_zero() { Err(format!("out of range: 0 < seconds <= {LONGEST}")) } else { Ok(span) }
}

/// Digits with at most one decimal point, and nothing else: no sign, exponent, comma, `inf` or `nan`.
pub fn plain_number(text: &str) -> Option<f64> {
    let allowed = text.bytes().all(|octet| octet.is_ascii_digit() || octet == b'.');
    if allowed { text.parse().ok() } else { None }
}

/// `-z` of rtrace: as every duration, but a plain number above 10 is milliseconds, as in traceroute.
pub fn send_gap(text: &str) -> Result<Duration, String> {
    let span = span(text)?;
    let milliseconds = span.plain && span.duration > Duration::from_secs(10);
    Ok(if milliseconds { span.duration / 1000 } else { span.duration })
}

/// `-w` of rtrace: `MAX[,HERE,NEAR]`.
pub fn trace_wait(text: &str) -> Result<crate::trace::Wait, String> {
    let mut parts = text.split(',');
    let max = span(parts.next().unwrap_or_default())?.duration;
    let mut factor = |default: f64| match parts.next() {
        None => Ok(default),
        Some(part) => plain_number(part)
            .filter(|&factor| factor <= 1000.0)
            .ok_or_else(|| "HERE and NEAR of MAX[,HERE,NEAR] must be numbers from 0 to 1000".to_owned()),
    };
    // A bare MAX switches both factors off, as in traceroute.
    let (here, near) = (factor(0.0)?, factor(0.0)?);
    if parts.next().is_some() {
        return Err("must be at most three values: MAX[,HERE,NEAR]".to_owned());
    }
    Ok(crate::trace::Wait { max, here, near })
}

/// `--rate`: probes a second, or as fast as possible.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    /// Probes per second.
    PerSecond(f64),
    /// `max` or `0`: as fast as the kernel takes them.
    Max,
}

impl Rate {
    /// Probes a second; `None` is no limit.
    pub fn per_second(self) -> Option<f64> {
        match self {
            Rate::PerSecond(rate) => Some(rate),
            Rate::Max => None,
        }
    }
}

/// `--rate`.
pub fn rate(text: &str) -> Result<Rate, String> {
    const MOST: f64 = 100_000_000.0;
    let refused = || format!("must be a number per second from 0 to {MOST}, or max");
    match text {
        "max" => Ok(Rate::Max),
        _ => match plain_number(text) {
            Some(0.0) => Ok(Rate::Max),
            Some(rate) if (0.001..=MOST).contains(&rate) => Ok(Rate::PerSecond(rate)),
            _ => Err(refused()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_fast_runs_keep_their_system_calls() {
        let paced = Some(Rate::PerSecond(20_000.0));
        for (no_sandbox, flood, rate, expected) in [
            (false, false, None, Confinement::FilesAndCalls),
            (false, true, paced, Confinement::FilesAndCalls),
            (false, true, None, Confinement::Files),
            (false, false, Some(Rate::Max), Confinement::Files),
            (false, false, Some(Rate::PerSecond(20_001.0)), Confinement::Files),
            (true, false, None, Confinement::None),
            (true, true, Some(Rate::Max), Confinement::None),
        ] {
            assert_eq!(confinement(no_sandbox, flood, rate), expected, "{no_sandbox} {flood} {rate:?}");
        }
    }

    #[test]
    fn a_plain_number_is_seconds_and_a_unit_is_observed() {
        assert_eq!(span("0.2").map(|s| s.duration), Ok(Duration::from_millis(200)));
        assert_eq!(span("200ms").map(|s| (s.duration, s.plain)), Ok((Duration::from_millis(200), false)));
        assert_eq!(span("1m30s").map(|s| s.duration), Ok(Duration::from_secs(90)));
    }

    #[test]
    fn durations_that_are_none_are_refused() {
        for text in ["", "0,1", "-1", "1e3", "inf", "nan", "5S", ".", "1.2.3", "99999999999", "+1"] {
            assert!(span(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_plain_pause_above_ten_is_milliseconds() {
        assert_eq!(send_gap("10"), Ok(Duration::from_secs(10)));
        assert_eq!(send_gap("11"), Ok(Duration::from_millis(11)));
        assert_eq!(send_gap("11s"), Ok(Duration::from_secs(11)));
    }

    #[test]
    fn a_refusal_names_the_allowed_range() {
        assert_eq!(ttl("256"), Err("out of range: 1 <= value <= 255".to_owned()));
        assert_eq!(count("1.1"), Err("must be a whole number, at least 1".to_owned()));
        assert_eq!(count("0"), Err("out of range: must be at least 1".to_owned()));
        assert_eq!(port("http"), Err("must be a whole number from 1 to 65535".to_owned()));
        assert_eq!(address("here"), Err("must be an IP address".to_owned()));
        assert!(whole("-1", 0, 5).is_err());
    }

    #[test]
    fn header_fields_come_as_numbers_or_names() {
        assert_eq!(tos("0xb8").map(Tos::get), Ok(0xb8));
        assert_eq!(dscp("ef").map(Dscp::get), Ok(46));
        assert_eq!(dscp("46").map(Dscp::get), Ok(46));
        assert!(dscp("64").is_err());
        assert_eq!(flow_label("0xabcde").map(FlowLabel::get), Ok(0xabcde));
        assert!(flow_label("100000").is_err());
    }

    #[test]
    fn a_pattern_is_octets_of_hexadecimal_digits() {
        assert_eq!(pattern("ff0"), Ok(Fill::Pattern(Box::from([0xff, 0]))));
        for text in ["", "zz", "0011223344556677889900112233445566"] {
            assert!(pattern(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn waits_of_a_trace_are_a_maximum_and_two_factors() {
        let wait = trace_wait("5,3,10").unwrap();
        assert_eq!((wait.max, wait.here, wait.near), (Duration::from_secs(5), 3.0, 10.0));
        assert_eq!(trace_wait("2").map(|w| w.here), Ok(0.0));
        assert!(trace_wait("1,2,3,4").is_err());
        assert!(trace_wait("1,x").is_err());
    }

    #[test]
    fn a_rate_of_zero_is_as_fast_as_possible() {
        assert_eq!(rate("0"), Ok(Rate::Max));
        assert_eq!(rate("max"), Ok(Rate::Max));
        assert_eq!(rate("100"), Ok(Rate::PerSecond(100.0)));
        assert!(rate("-1").is_err());
    }
}
