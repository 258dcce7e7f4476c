//! What happens to watched paths, in words: [`sentence`].

use std::time::Duration;

use crate::report::trace::findings;
use crate::report::words::message::{clock_stepped_sentence, not_sent_sentence};
use crate::trace::watch::{ChangeKind, HopChange};
use crate::types::{Rtt, Ttl};

/// Hops of a change that are named; more are counted.
const NAMED: usize = 3;

/// What happened.
pub fn sentence(kind: &ChangeKind) -> String {
    match kind {
        ChangeKind::PathChanged { hops, path, before, after } => {
            format!("path {}: {}{}", path_name(*path), routers(hops), effect(*before, *after))
        }
        ChangeKind::LengthChanged { before, after } => {
            let before: Vec<String> = before.iter().map(ToString::to_string).collect();
            format!("length: the destination is at hop {after}, no longer at {}", before.join(", "))
        }
        ChangeKind::LossBurst { first, probes, lasted } => {
            format!("burst: {probes} probes in a row lost{}, {}", from(*first), seconds(*lasted))
        }
        ChangeKind::Outage { first } => format!("outage: the destination does not answer{}", from_silent(*first)),
        ChangeKind::Refused { ttl, responder, mark } => {
            format!("refused: hop {ttl}, {responder}, cannot deliver probes ({mark})")
        }
        ChangeKind::Back { probes, lasted } => {
            format!(
                "back: the destination answers again, after {probes} probes without an answer and {}",
                seconds(*lasted)
            )
        }
        ChangeKind::LatencyShift { before, after } => {
            format!("shift: the round trip takes {} ms, and took {} ms", millis(*after), millis(*before))
        }
        ChangeKind::LabelChanged { ttl, before, after } => {
            format!("labels: hop {ttl} shows {}, and showed {}", labels(after), labels(before))
        }
        ChangeKind::Finding { finding } => format!("{}: {}", finding.severity().name(), findings::sentence(finding)),
        ChangeKind::FindingEnded { finding } => format!("no longer: {}", findings::sentence(finding)),
        ChangeKind::SendFailed { error } => not_sent_sentence(*error),
        ChangeKind::ClockStepped { by } => clock_stepped_sentence(*by),
        ChangeKind::Paused => "paused".to_owned(),
        ChangeKind::Resumed => "probing again".to_owned(),
        ChangeKind::Reset => "the statistics begin anew".to_owned(),
        ChangeKind::Interval(interval) => format!("from now on a cycle takes {}", seconds(*interval)),
    }
}

/// A, B, … Z, then numbers.
pub fn path_name(path: u64) -> String {
    let letter = u8::try_from(path).ok().filter(|&path| path < 26).map(|path| char::from(b'A' + path));
    letter.map_or_else(|| (path + 1).to_string(), String::from)
}

fn routers(hops: &[HopChange]) -> String {
    let list = |responders: &[std::net::IpAddr]| match responders {
        [one] => one.to_string(),
        [one, rest @ ..] => format!("{one} +{}", rest.len()),
        [] => "nothing".to_owned(),
    };
    let named = hops.iter().take(NAMED);
    let mut named: Vec<String> =
        named.map(|hop| format!("hop {} {} -> {}", hop.ttl, list(&hop.before), list(&hop.after))).collect();
    if let Some(more @ 1..) = hops.len().checked_sub(NAMED) {
        named.push(format!("{more} more hops"));
    }
    named.join(", ")
}

fn effect(before: Option<Rtt>, after: Option<Rtt>) -> String {
    let (Some(before), Some(after)) = (before, after) else { return String::new() };
    format!("; the round trip takes {} ms, and took {} ms", millis(after), millis(before))
}

fn from(first: Option<Ttl>) -> String {
    first.map(|first| format!(" from hop {first} on")).unwrap_or_default()
}

fn from_silent(first: Option<Ttl>) -> String {
    first.map(|first| format!(", nor does anything from hop {first} on")).unwrap_or_default()
}

fn labels(labels: &[u32]) -> String {
    let labels: Vec<String> = labels.iter().map(ToString::to_string).collect();
    if labels.is_empty() { "none".to_owned() } else { labels.join("/") }
}

fn seconds(span: Duration) -> String {
    format!("{:.1} s", span.as_secs_f64())
}

pub(super) fn millis(rtt: Rtt) -> String {
    let millis = rtt.as_millis_f64();
    if millis < 10.0 { format!("{millis:.2}") } else { format!("{millis:.1}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_is_a_sentence() {
        let (ttl, ms) = (Ttl::new, |ms: u64| Rtt::from_nanos(ms * 1_000_000));
        let router = |hop| std::net::IpAddr::from([203, 0, 113, hop]);
        let hops = vec![HopChange { ttl: ttl(8), before: vec![router(8)], after: vec![router(88), router(89)] }];
        let lasted = Duration::from_secs(6);
        for (kind, words) in [
            (
                ChangeKind::PathChanged { hops, path: 1, before: Some(ms(90)), after: Some(ms(96)) },
                "path B: hop 8 203.0.113.8 -> 203.0.113.88 +1; the round trip takes 96.0 ms, and took 90.0 ms",
            ),
            (
                ChangeKind::LossBurst { first: Some(ttl(8)), probes: 6, lasted },
                "burst: 6 probes in a row lost from hop 8 on, 6.0 s",
            ),
            (
                ChangeKind::LengthChanged { before: vec![ttl(9)], after: ttl(10) },
                "length: the destination is at hop 10, no longer at 9",
            ),
            (
                ChangeKind::LabelChanged { ttl: ttl(3), before: vec![16, 17], after: vec![] },
                "labels: hop 3 shows none, and showed 16/17",
            ),
            (ChangeKind::Outage { first: None }, "outage: the destination does not answer"),
            (
                ChangeKind::ClockStepped { by: 3_600_000_000_000 },
                "clock: the time of day went forward by 3600.0 s (it was set, or this host slept)",
            ),
            (ChangeKind::ClockStepped { by: -1_500_000_000 }, "clock: the time of day was set back by 1.5 s"),
            (
                ChangeKind::Refused { ttl: ttl(2), responder: router(2), mark: "!H".to_owned() },
                "refused: hop 2, 203.0.113.2, cannot deliver probes (!H)",
            ),
        ] {
            assert_eq!(sentence(&kind), words);
        }
        assert_eq!((path_name(0), path_name(25), path_name(26)), ("A".to_owned(), "Z".to_owned(), "27".to_owned()));
    }
}
