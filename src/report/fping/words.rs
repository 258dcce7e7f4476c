//! What fping's lines are made of.

use std::fmt;
use std::net::IpAddr;

use super::{FpingOptions, FpingStamp};
use crate::engine::outcome::ProbeEvent;
use crate::report::words::clock::{LocalOffset, LocalTime};
use crate::types::WallTime;

/// Nanoseconds as milliseconds, with about three digits.
pub(super) struct Ms(pub u64);

impl fmt::Display for Ms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 as f64 / 1e6 {
            ms if ms < 1.0 => write!(f, "{ms:.3}"),
            ms if ms < 10.0 => write!(f, "{ms:.2}"),
            ms if ms < 100.0 => write!(f, "{ms:.1}"),
            ms if ms < 1e6 => write!(f, "{ms:.0}"),
            ms => {
                let text = format!("{ms:.3e}");
                let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
                write!(f, "{mantissa}e+{exponent:0>2}")
            }
        }
    }
}

/// Header fields of an answer, where they are shown; with `{:#}` as keys of JSON.
pub(super) struct Extra<'a> {
    pub event: &'a ProbeEvent,
    pub options: &'a FpingOptions,
}

impl fmt::Display for Extra<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (tos, ttl) = (self.event.reply_tos.map(|tos| tos.get()), self.event.reply_ttl.map(|ttl| ttl.get()));
        for (_, key, value) in
            [(self.options.tos, "tos", tos), (self.options.ttl, "ttl", ttl)].into_iter().filter(|row| row.0)
        {
            match (f.alternate(), value) {
                (true, Some(value)) => write!(f, ", \"{key}\": {value}")?,
                (true, None) => write!(f, ", \"{key}\": -1")?,
                (false, Some(value)) => write!(f, " ({} {value})", key.to_uppercase())?,
                (false, None) => write!(f, " ({} unknown)", key.to_uppercase())?,
            }
        }
        Ok(())
    }
}

/// That an answer came from elsewhere.
pub(super) struct Mark(pub Option<IpAddr>);

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |from| write!(f, " [<- {from}]"))
    }
}

/// The time in front of a line, or with `{:#}` in front of the keys of JSON.
pub(super) struct Stamp(pub Option<FpingStamp>, pub WallTime, pub LocalOffset);

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let &Stamp(Some(stamp), at, offset) = self else { return Ok(()) };
        let local = LocalTime(at, offset).to_string();
        let (date, time) = local.split_once('T').unwrap_or_default();
        let clock = time.get(..8).unwrap_or_default();
        let text = match stamp {
            FpingStamp::Seconds => format!("{:.5}", at.as_nanos() as f64 / 1e9),
            FpingStamp::Iso => format!("{date}T{clock}{}", time.get(8..).unwrap_or_default().replace(':', "")),
            FpingStamp::Rfc3339 => format!("{date} {clock}"),
            FpingStamp::Ctime => {
                const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
                const MONTHS: [&str; 12] =
                    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
                let seconds = (at.as_nanos() / 1_000_000_000).saturating_add_signed(offset(at));
                // The epoch was a Thursday.
                let day = DAYS.get((seconds / 86_400 % 7) as usize).unwrap_or(&"");
                let mut parts = date.split('-');
                let year = parts.next().unwrap_or_default();
                let mut number = || parts.next().and_then(|part| part.parse::<usize>().ok()).unwrap_or(1);
                let month = MONTHS.get(number().saturating_sub(1)).unwrap_or(&"");
                format!("{day} {month} {:2} {clock} {year}", number())
            }
        };
        if f.alternate() { write!(f, "\"timestamp\": \"{text}\", ") } else { write!(f, "[{text}] ") }
    }
}

/// What an ICMP error says.
pub(super) struct Message {
    pub v6: bool,
    pub icmp: (u8, u8),
}

/// ICMP Unreachable by code (RFC 792, RFC 1122 §3.2.2.1, RFC 1812 §5.2.7.1).
const UNREACHABLE: [&str; 16] = [
    "ICMP Network Unreachable",
    "ICMP Host Unreachable",
    "ICMP Protocol Unreachable",
    "ICMP Port Unreachable",
    "ICMP Unreachable (Fragmentation Needed)",
    "ICMP Unreachable (Source Route Failed)",
    "ICMP Unreachable (Destination Network Unknown)",
    "ICMP Unreachable (Destination Host Unknown)",
    "ICMP Unreachable (Source Host Isolated)",
    "ICMP Unreachable (Communication with Network Prohibited)",
    "ICMP Unreachable (Communication with Host Prohibited)",
    "ICMP Unreachable (Network Unreachable For Type Of Service)",
    "ICMP Unreachable (Host Unreachable For Type Of Service)",
    "ICMP Unreachable (Communication Administratively Prohibited)",
    "ICMP Unreachable (Host Precedence Violation)",
    "ICMP Unreachable (Precedence cutoff in effect)",
];

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, code) = self.icmp;
        f.write_str(match (self.v6, kind, code) {
            (false, 3, code) => UNREACHABLE.get(usize::from(code)).unwrap_or(&"ICMP Unreachable (Invalid Code)"),
            (false, 4, _) => "ICMP Source Quench",
            (false, 5, _) | (true, 137, _) => "ICMP Redirect",
            (false, 11, _) | (true, 3, _) => "ICMP Time Exceeded",
            (false, 12, _) | (true, 4, _) => "ICMP Parameter Problem",
            (true, 1, 0) => "ICMP Network Unreachable",
            (true, 1, 1) => "ICMP Unreachable (Communication Administratively Prohibited)",
            (true, 1, 3) => "ICMP Host Unreachable",
            (true, 1, 4) => "ICMP Port Unreachable",
            (true, 1, _) => "ICMP Unreachable",
            (true, 2, _) => "ICMP Packet Too Big",
            _ => return write!(f, "ICMP {kind}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_have_about_three_digits() {
        let shown = [34_000, 999_499, 1_234_567, 9_994_000, 12_340_000, 99_960_000, 123_400_000, 1_234_000_000_000];
        let shown: Vec<String> = shown.iter().map(|&nanos| Ms(nanos).to_string()).collect();
        assert_eq!(shown, ["0.034", "0.999", "1.23", "9.99", "12.3", "100.0", "123", "1.234e+06"]);
    }

    #[test]
    fn times_have_the_form_that_was_asked_for() {
        let at = WallTime::from_nanos(1_796_221_259_123_456_789);
        let stamp = |stamp| Stamp(Some(stamp), at, |_| 3600).to_string();
        assert_eq!(stamp(FpingStamp::Seconds), "[1796221259.12346] ");
        assert_eq!(stamp(FpingStamp::Ctime), "[Wed Dec  2 15:20:59 2026] ");
        assert_eq!(stamp(FpingStamp::Iso), "[2026-12-02T15:20:59+0100] ");
        assert_eq!(stamp(FpingStamp::Rfc3339), "[2026-12-02 15:20:59] ");
        assert_eq!(Stamp(None, at, |_| 0).to_string(), "");
    }
}
