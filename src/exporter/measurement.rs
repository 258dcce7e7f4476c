//! What a measurement found, under the names of blackbox_exporter: [`Measurement`].

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::config::{self, Module, Prober};
use super::labels::Labels;
use super::paths::Traced;
use super::prober::Measured;
use super::write::{Source, Writer, text as encoded};
use crate::types::IpEndpoint;

/// Everything about one measurement.
#[derive(Debug, Default)]
pub struct Measurement {
    pub module: Arc<Module>,
    pub endpoint: Option<IpEndpoint>,
    /// Probes to send.
    pub count: u32,
    pub lookup: Duration,
    pub took: Duration,
    pub measured: Option<Measured>,
    /// Of a trace.
    pub traced: Option<Traced>,
    pub path_mtu: Option<u32>,
    /// Why there is nothing to probe.
    pub error: Option<String>,
}

impl Measurement {
    pub fn is_success(&self) -> bool {
        if let Some(traced) = &self.traced {
            return traced.received >= u64::from(self.module.min_replies.min(self.count.max(1)));
        }
        let needed = self.module.min_replies.min(self.count.max(1));
        self.measured.as_ref().is_some_and(|measured| measured.counts.received >= u64::from(needed))
    }

    /// The answer with all that happened, for people.
    ///
    /// # Errors
    /// If it cannot be encoded.
    pub fn debug(self, target: &str, timeout: Duration) -> Result<String, fmt::Error> {
        let mut text = String::from("Logs for the probe:\n");
        let (module, success) = (Arc::clone(&self.module), self.is_success());
        text += &format!(
            "module={} target={} prober={} timeout_seconds={}\n",
            module.name,
            target,
            module.kind(),
            timeout.as_secs_f64()
        );
        if let Some(endpoint) = self.endpoint {
            text += &format!("resolved target to {} in {} s\n", endpoint.address, self.lookup.as_secs_f64());
        }
        if let Some(error) = &self.error {
            text += &format!("nothing to probe: {error}\n");
        }
        let hops = self.traced.iter().flat_map(|traced| &traced.log);
        for line in self.measured.iter().flat_map(|measured| &measured.log).chain(hops) {
            text += &format!("{line}\n");
        }
        text += if success { "probe succeeded\n" } else { "probe failed\n" };
        text += "\n\n\nMetrics that would have been returned:\n";
        text += &encoded(self)?;
        text += &format!("\n\n\nModule configuration:\n{}\n", config::describe_module(&module));
        Ok(text)
    }

    fn write_ours(&self, to: &mut Writer<'_>, measured: &Measured) -> fmt::Result {
        let counts = &measured.counts;
        let decided = counts.sent + counts.send_failed;
        to.gauge("probe_packets_sent", "Probes sent", counts.sent as f64)?;
        to.gauge("probe_packets_received", "Probes answered in time", counts.received as f64)?;
        if decided > 0 {
            let lost = decided.saturating_sub(counts.received + counts.refused);
            let help = "Part of the probes that was lost";
            to.gauge("probe_packet_loss_ratio", help, lost as f64 / decided as f64)?;
        }
        to.gauge("probe_duplicates", "Further answers", counts.duplicates as f64)?;
        if let Some(rtt) = &measured.rtt {
            let seconds = |nanos: u64| nanos as f64 / 1e9;
            to.gauge("probe_rtt_min_seconds", "Smallest round-trip time", seconds(rtt.min))?;
            to.gauge("probe_rtt_mean_seconds", "Mean round-trip time", rtt.mean / 1e9)?;
            to.gauge("probe_rtt_p95_seconds", "95th percentile of round-trip times", seconds(rtt.p95))?;
            to.gauge("probe_rtt_max_seconds", "Largest round-trip time", seconds(rtt.max))?;
        }
        if let Some(ipdv) = measured.ipdv {
            let help = "Mean difference between consecutive round-trip times";
            to.gauge("probe_rtt_ipdv_seconds", help, ipdv / 1e9)?;
        }
        Ok(())
    }
}

impl Source for Measurement {
    fn write(&self, to: &mut Writer<'_>) -> fmt::Result {
        let is_icmp = self.module.prober == Prober::Icmp;
        let measured = self.measured.as_ref();
        to.gauge("probe_dns_lookup_time_seconds", "How long the lookup of the name took", self.lookup.as_secs_f64())?;
        to.gauge("probe_duration_seconds", "How long the whole measurement took", self.took.as_secs_f64())?;
        if matches!(self.module.prober, Prober::Tcp(_)) {
            let unexpected = measured.is_some_and(|measured| measured.unexpected);
            to.gauge(
                "probe_failed_due_to_regex",
                "Whether the answer was not the one that was expected",
                f64::from(unexpected),
            )?;
        }
        if is_icmp {
            let median = measured.and_then(|measured| measured.rtt).map_or(0.0, |rtt| rtt.median as f64 / 1e9);
            let setup = measured.map_or(0.0, |measured| measured.setup.as_secs_f64());
            let resolve = if self.endpoint.is_some() { self.lookup.as_secs_f64() } else { 0.0 };
            let phases = [("resolve", resolve), ("rtt", median), ("setup", setup)];
            to.gauges(
                "probe_icmp_duration_seconds",
                "How long each part took; rtt is the median, and 0 without an answer",
                phases.map(|(phase, seconds)| (Labels::of([("phase", phase.into())]), seconds)),
            )?;
            if let Some(hops) = measured.and_then(|measured| measured.reply_ttl) {
                to.gauge("probe_icmp_reply_hop_limit", "TTL or hop limit of the reply", f64::from(hops))?;
            }
        }
        let address = self.endpoint.map(|endpoint| endpoint.address);
        to.gauge(
            "probe_ip_addr_hash",
            "Hash of the address, to see when it changes",
            address.map_or(0.0, |at| hash(at).into()),
        )?;
        let version = address.map_or(0.0, |at| if at.is_ipv4() { 4.0 } else { 6.0 });
        to.gauge("probe_ip_protocol", "Whether the address is of IP version 4 or 6", version)?;
        to.gauge("probe_success", "Whether the measurement succeeded", f64::from(self.is_success()))?;
        self.traced.as_ref().map_or(Ok(()), |traced| write_trace(to, traced))?;
        if let Some(mtu) = self.path_mtu {
            to.gauge("probe_path_mtu_bytes", "Largest packets that pass to the destination", f64::from(mtu))?;
        }
        measured.map_or(Ok(()), |measured| self.write_ours(to, measured))
    }
}

fn write_trace(to: &mut Writer<'_>, traced: &Traced) -> fmt::Result {
    let help = "How many hops away the destination is, or the last router that answered";
    to.gauge("probe_trace_hops", help, f64::from(traced.hops))?;
    if !traced.routers.is_empty() {
        let help = "Number of the routers that answered, another one for others";
        to.gauge("probe_trace_path_hash", help, traced.hash() as f64)?;
    }
    to.gauge("probe_trace_reached", "Whether the destination answered", f64::from(traced.received > 0))?;
    to.gauge("probe_packets_sent", "Probes of the destination", traced.sent as f64)?;
    to.gauge("probe_packets_received", "Those of them that were answered", traced.received as f64)
}

/// The hash of an address as blackbox_exporter has it: FNV-1a over its octets.
fn hash(address: IpAddr) -> u32 {
    let fold = |octets: &[u8]| {
        octets.iter().fold(0x811c_9dc5_u32, |hash, octet| (hash ^ u32::from(*octet)).wrapping_mul(0x0100_0193))
    };
    match address {
        IpAddr::V4(address) => fold(&address.octets()),
        IpAddr::V6(address) => fold(&address.octets()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_an_address_is_that_of_blackbox_exporter() {
        assert_eq!(hash("127.0.0.1".parse().unwrap()), 3_668_918_509);
        assert_eq!(hash("::1".parse().unwrap()), 1_751_717_746);
    }
}
