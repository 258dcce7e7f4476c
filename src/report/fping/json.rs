//! The same results as lines of JSON, as fping 5.5 writes them: an object with one key, which is its type.

use serde_json::Value;

use super::host::{Host, HostFigures, Sum};
use super::words::{Extra, Ms, Stamp};
use crate::types::WallTime;

fn quoted(text: &str) -> Value {
    Value::from(text)
}

pub(super) fn answer(stamp: &Stamp, label: &str, number: usize, octets: usize, rtt: &Ms, extra: &Extra<'_>) -> String {
    let host = quoted(label);
    format!(
        "{{\"resp\": {{{stamp:#}\"host\": {host}, \"seq\": {number}, \"size\": {octets}, \"rtt\": {rtt}{extra:#}}}}}\n"
    )
}

pub(super) fn silence(stamp: &Stamp, label: &str, number: usize) -> String {
    format!("{{\"timeout\": {{{stamp:#}\"host\": {}, \"seq\": {number}}}}}\n", quoted(label))
}

pub(super) fn sum(label: &str, sum: &Sum<'_>) -> String {
    format!("{{\"summary\": {{\"host\": {}, {sum:#}}}}}\n", quoted(label))
}

pub(super) fn report(at: WallTime, label: &str, sum: &Sum<'_>) -> String {
    let seconds = at.as_nanos() / 1_000_000_000;
    format!("{{\"intSum\": {{\"time\": {seconds},\"host\": {}, {sum:#}}}}}\n", quoted(label))
}

pub(super) fn vector(label: &str, host: &Host) -> String {
    let delays = host.vector().map(|delay| delay.map_or("null".to_owned(), |nanos| Ms(nanos).to_string()));
    let delays: Vec<String> = delays.collect();
    format!("{{\"vSum\": {{\"host\": {}, \"values\": [{}]}}}}\n", quoted(label), delays.join(", "))
}

pub(super) fn stats(counts: &[(&str, u64)], all: &HostFigures, seconds: f64) -> String {
    let counts: String = counts.iter().map(|(key, count)| format!("\"{key}\": {count}, ")).collect();
    let (min, mean, max) = (Ms(all.min), Ms(all.mean()), Ms(all.max));
    format!(
        "{{\"stats\": {{{counts}\"rttMin\": {min}, \"rttAvg\": {mean}, \"rttMax\": {max}, \"elapsed\": {seconds:.3}}}}}\n"
    )
}

pub(super) fn warning(label: &str, message: &str) -> String {
    format!("{{\"warning\": {{\"host\": {}, \"message\": {}}}}}", quoted(label), quoted(message))
}
