//! The samples of paths: [`write()`].

use std::fmt;

use prometheus_client::encoding::{EncodeLabel, EncodeLabelSet, LabelSetEncoder};

use super::labels::{And, By, Labels};
use super::path::{Path, hash};
use super::write::Writer;
use crate::types::escape;

/// As many addresses of a hop have a label; the number of all is a value.
const MOST_ADDRESSES: usize = 4;
/// The names of what is said of round-trip times of a hop.
const STATS: [&str; 4] = ["min", "median", "max", "last"];

/// Labels of a series, and some more.
#[derive(Debug)]
struct With<'a>(&'a Labels, Vec<(&'static str, String)>);

impl EncodeLabelSet for With<'_> {
    fn encode(&self, encoder: &mut LabelSetEncoder) -> fmt::Result {
        By(self.0).encode(encoder)?;
        self.1.iter().try_for_each(|(name, value)| (*name, value.as_str()).encode(encoder.encode_label()))
    }
}

/// Writes all samples of these paths, each with whether its destination answered of late.
pub fn write(to: &mut Writer<'_>, paths: &[(&Labels, &Path, bool)]) -> fmt::Result {
    let some =
        |of: fn(&Path) -> Option<f64>| paths.iter().filter_map(move |(labels, path, _)| Some((By(labels), of(path)?)));
    to.gauges(
        "netprobe_trace_reached",
        "Whether the destination answered of late",
        paths.iter().map(|(labels, _, reached)| (By(labels), f64::from(*reached))),
    )?;
    to.gauges(
        "netprobe_trace_hops",
        "How many hops away the destination is, or the last router that answers",
        some(|path| path.length.map(f64::from)),
    )?;
    let changes = paths.iter().flat_map(|&(labels, path, _)| {
        [("route", path.routes), ("length", path.lengths)].map(|(kind, count)| (And(labels, "kind", kind), count))
    });
    to.counters("netprobe_trace_path_changes", "How often routers were replaced, and the length changed", changes)?;
    to.gauges(
        "netprobe_trace_path_hash",
        "Number of the routers on the path, another one for others",
        some(|path| (!path.routers.is_empty()).then(|| hash(&path.routers) as f64)),
    )?;
    if paths.iter().any(|(_, path, _)| path.mtu.is_some()) {
        to.gauges(
            "netprobe_path_mtu_bytes",
            "Largest packets that pass to the destination",
            some(|path| path.mtu.map(f64::from)),
        )?;
    }
    let findings = paths.iter().flat_map(|&(labels, path, _)| {
        path.findings.iter().map(move |(code, count)| (And(labels, "code", code), f64::from(*count > 0)))
    });
    to.gauges("netprobe_finding", "Whether the path shows this", findings)?;
    write_hops(to, paths)
}

fn write_hops(to: &mut Writer<'_>, paths: &[(&Labels, &Path, bool)]) -> fmt::Result {
    let hops = || paths.iter().flat_map(|&(labels, path, _)| path.ttls().map(move |ttl| (labels, path, ttl)));
    let at = |ttl: u8| ("ttl", ttl.to_string());
    to.gauges(
        "netprobe_hop_unanswered_ratio",
        "Part of the probes to this hop that was not answered, of the last 20 cycles",
        hops().filter_map(|(labels, path, ttl)| Some((With(labels, vec![at(ttl)]), path.unanswered(ttl)?))),
    )?;
    let rtts = hops().flat_map(|(labels, path, ttl)| {
        let stats = path.rtt_stats(ttl).map(|stats| STATS.into_iter().zip(stats));
        stats
            .into_iter()
            .flatten()
            .map(move |(stat, value)| (With(labels, vec![at(ttl), ("stat", stat.to_owned())]), value))
    });
    to.gauges("netprobe_hop_rtt_seconds", "Round-trip times of the last 20 answers of this hop", rtts)?;
    let routers = || hops().filter_map(|(labels, path, ttl)| Some((labels, path, ttl, path.routers.get(&ttl)?)));
    let info = routers().flat_map(|(labels, path, ttl, addresses)| {
        let first = addresses.iter().take(MOST_ADDRESSES);
        first.map(move |address| {
            let mut more = vec![at(ttl), ("router", address.to_string())];
            if let Some((name, system)) = path.facts.get(address) {
                more.extend(name.as_deref().map(|name| ("name", escape(name).to_string())));
                more.extend(system.map(|system| ("asn", system.get().to_string())));
            }
            (With(labels, more), 1.0)
        })
    });
    to.gauges("netprobe_hop_info", "The first four addresses of this hop", info)?;
    let count = routers().map(|(labels, _, ttl, addresses)| (With(labels, vec![at(ttl)]), addresses.len() as f64));
    to.gauges("netprobe_hop_addresses", "How many addresses this hop has", count)
}
